"""Large uploads on their way in: on the disk, under no name, so that no crash leaves one behind."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import wraps
from typing import IO, Any

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from tenants.console import TAKES_LARGE_UPLOADS, may_change, opens_own_transactions, refuse_unless

View = Callable[..., HttpResponseBase]


class NamelessFileHandler(FileUploadHandler):
    file: IO[bytes]

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.file = tempfile.TemporaryFile()  # noqa: SIM115

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.file.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile[bytes]:
        self.file.seek(0)
        return UploadedFile(self.file, self.file_name, self.content_type, file_size, self.charset)

    def upload_interrupted(self) -> None:
        if hasattr(self, "file"):
            self.file.close()


def received_on_disk(view: View) -> View:
    """For a console page that takes large uploads: they go to the disk as they come, if they may come at all.

    The page has no transaction around it, and its token is checked by the view itself, once it is said where the files
    go: to look for the token is to read them.
    """

    @wraps(view)
    def receive(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            refuse_unless(may_change(request))
            if int(request.META.get("CONTENT_LENGTH") or 0) > settings.MAX_IMPORT_BYTES:
                messages.error(request, _("The upload is too large."))
                return redirect(request.path)
            request.upload_handlers = [NamelessFileHandler(request)]
        return view(request, *args, **kwargs)

    receive.csrf_exempt = True  # type: ignore[attr-defined]
    setattr(receive, TAKES_LARGE_UPLOADS, True)
    return opens_own_transactions(receive)
