"""Long work: imports, exports, and the jobs they become."""

from __future__ import annotations

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler
from django.http.response import HttpResponseBase
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from api.native import job_serializers
from api.native.auth import ADMIN, ENROLL, READ
from api.native.operations import operation
from api.native.viewsets import NativeViewSet
from api.native.wire import stand_in
from tenants.models import Operation
from voiceprints import bulk, curation, failed_lines
from voiceprints.errors import (
    GenerationNotFound,
    JobFileNotFound,
    JobFinished,
    JobNotFound,
    JobUnderWay,
    LibraryNotFound,
    NothingToRetry,
    TooBusy,
    UploadsGone,
)
from voiceprints.results import LibraryKey
from voiceprints.serving import archive_response
from voiceprints.uploads import NamelessFileHandler

ZIP = "application/zip"


class JobViewSet(NativeViewSet):
    tag = "jobs"
    operations = {
        "list": Operation.READ,
        "retrieve": Operation.READ,
        "cancel": Operation.MANAGE,
        "retry": Operation.MANAGE,
        "rows": Operation.READ,
    }

    @operation("List jobs", READ, query=job_serializers.JobQuery, reply=job_serializers.JobPage)
    def list(self, request: Request) -> Response:
        return self.page(bulk.page_jobs(self.tenant, **job_serializers.JobQuery.page(self.query)))

    @operation("Get a job", READ, reply=job_serializers.JobReply, refuses=(JobNotFound,))
    def retrieve(self, request: Request, job_id: int) -> Response:
        return self.reply(bulk.find_job(self.tenant, job_id))

    @operation("Cancel a job", ENROLL, reply=job_serializers.JobReply, refuses=(JobNotFound, JobFinished))
    def cancel(self, request: Request, job_id: int) -> Response:
        """From the answer on it changes nothing more. What it did already stays."""
        with self.atomically():
            return self.kept(self.reply(bulk.cancel_job(self.tenant, job_id)))

    @operation(
        "Retry a job",
        ENROLL,
        reply=job_serializers.JobReply,
        refuses=(JobNotFound, JobUnderWay, NothingToRetry, UploadsGone, GenerationNotFound, TooBusy),
    )
    def retry(self, request: Request, job_id: int) -> Response:
        """What failed of it is done again, by the job itself; of one that embeds with another model by a new job. What
        was uploaded for an import is kept for a while after some of it failed.
        """
        with self.atomically():
            return self.kept(self.reply(bulk.retry_job(self.tenant, job_id, by=str(request.auth))))

    @operation(
        "List the lines of a job",
        READ,
        query=job_serializers.RowQuery,
        reply=job_serializers.RowPage,
        refuses=(JobNotFound,),
    )
    def rows(self, request: Request, job_id: int) -> Response:
        """What became of each line of an import; those not come to yet are missing."""
        return self.page(bulk.page_rows(self.tenant, job_id, **job_serializers.RowQuery.page(self.query)))


class JobFileViewSet(NativeViewSet):
    tag = "jobs"
    operations = {"download": Operation.READ}
    renderer_classes = [stand_in(ZIP)]

    @operation("Get the file of a job", ADMIN, refuses=(JobNotFound, JobFileNotFound), file=ZIP)
    def download(self, request: Request, job_id: int) -> HttpResponseBase:
        """The archive that an export made. One range of bytes may be asked for."""
        path = bulk.file_of(self.tenant, job_id)
        return archive_response(request._request, self.tenant, job_id, path)


class FailedLinesViewSet(NativeViewSet):
    tag = "jobs"
    operations = {"download": Operation.READ}
    renderer_classes = [stand_in(failed_lines.CSV)]

    @operation("Get the failed lines of a job", READ, refuses=(JobNotFound,), file=failed_lines.CSV, in_parts=False)
    def download(self, request: Request, job_id: int) -> HttpResponseBase:
        """A list as an import takes it, with the `problem` of each `line` beside: to be mended and imported again."""
        return failed_lines.response(self.tenant, bulk.find_job(self.tenant, job_id))


class ExportViewSet(NativeViewSet):
    tag = "jobs"
    operations = {"export": Operation.JOB}

    @operation(
        "Export a library",
        ADMIN,
        body=job_serializers.Exporting,
        reply=job_serializers.JobReply,
        status=202,
        refuses=(LibraryNotFound, TooBusy),
        headers=("Location",),
    )
    def export(self, request: Request, library_id: int) -> Response:
        """A job writes one archive. It goes after a while, and can be fetched until then."""
        wants = self.body(request)
        library = curation.find_library(self.tenant, library_id).library
        return self.begin(bulk.begin_export, key=LibraryKey(library.org_id, library.tag_id), **wants)


class ImportViewSet(NativeViewSet):
    tag = "jobs"
    operations = {"create": Operation.JOB}
    parser_classes = [MultiPartParser]

    @property
    def largest_body_bytes(self) -> int:
        return settings.MAX_IMPORT_BYTES

    def upload_handlers(self) -> list[FileUploadHandler]:
        return [NamelessFileHandler()]

    @operation(
        "Import speakers",
        ENROLL,
        body=job_serializers.Importing,
        reply=job_serializers.JobReply,
        status=202,
        refuses=(TooBusy,),
        headers=("Location",),
    )
    def create(self, request: Request) -> Response:
        """A list of speakers with an archive of their recordings, or with recordings in the tenant's import folder; or
        the archive of an export. A job enrolls them, each line for itself.
        """
        return self.begin(bulk.begin_import, **job_serializers.Importing.arguments(self.body(request)))
