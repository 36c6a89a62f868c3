"""What a library's page in the console asks for when it is looked at."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from voiceprints.map_page import map_of
from voiceprints.pages import own_library, part


@require_safe
def library_map(request: HttpRequest, library_id: int) -> HttpResponse:
    library = own_library(request, library_id)
    above = {"parent": library, "back": reverse("admin:voiceprints_library_change", args=[library.pk])}
    return part(request, "map", _("Map of the voiceprints"), above | {"map": map_of(library.tenant, library)})
