"""Every path of /api/v1/. Rows are named by their number, whoever is meant in a recording by org, tag and name."""

from typing import Any

from django.urls import path, re_path, register_converter
from django.urls.converters import IntConverter

from api.native.audit import AuditViewSet
from api.native.documentation import JsonViewSet, PageViewSet, YamlViewSet
from api.native.erasures import ErasureKeyViewSet, ErasureViewSet
from api.native.jobs import ExportViewSet, FailedLinesViewSet, ImportViewSet, JobFileViewSet, JobViewSet
from api.native.opt_outs import OptOutViewSet
from api.native.quota import QuotaViewSet
from api.native.retention import LibraryRetentionViewSet, RetentionViewSet
from api.native.usage import UsageViewSet
from api.native.views import LibraryViewSet, RecognitionViewSet, RecordingViewSet, SpeakerViewSet, UtteranceViewSet
from api.native.viewsets import NothingHereViewSet


class RowConverter(IntConverter):
    """As many digits as the database counts with."""

    regex = "[0-9]{1,18}"


register_converter(RowConverter, "row")

ONE: dict[str, Any] = {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}

urlpatterns = [
    path("api/v1/libraries", LibraryViewSet.as_view({"get": "list", "post": "create"})),
    path("api/v1/libraries/<row:library_id>", LibraryViewSet.as_view(ONE), name="native-library"),
    path("api/v1/libraries/<row:library_id>/empty", LibraryViewSet.as_view({"post": "empty"})),
    path("api/v1/libraries/<row:library_id>/export", ExportViewSet.as_view({"post": "export"})),
    path(
        "api/v1/libraries/<row:library_id>/retention",
        LibraryRetentionViewSet.as_view({"get": "show", "put": "change", "delete": "end"}),
    ),
    path("api/v1/retention", RetentionViewSet.as_view({"get": "show", "patch": "change"})),
    path("api/v1/audit", AuditViewSet.as_view({"get": "list"})),
    path("api/v1/erasures", ErasureViewSet.as_view({"get": "list", "post": "create"})),
    path("api/v1/erasures/key", ErasureKeyViewSet.as_view({"get": "show"})),
    path("api/v1/erasures/<row:erasure_id>", ErasureViewSet.as_view({"get": "retrieve"}), name="native-erasure"),
    path("api/v1/erasures/<row:erasure_id>/receipt", ErasureViewSet.as_view({"get": "receipt"})),
    path("api/v1/imports", ImportViewSet.as_view({"post": "create"})),
    path("api/v1/jobs", JobViewSet.as_view({"get": "list"})),
    path("api/v1/jobs/<row:job_id>", JobViewSet.as_view({"get": "retrieve"}), name="native-job"),
    path("api/v1/jobs/<row:job_id>/cancel", JobViewSet.as_view({"post": "cancel"})),
    path("api/v1/jobs/<row:job_id>/retry", JobViewSet.as_view({"post": "retry"})),
    path("api/v1/jobs/<row:job_id>/rows", JobViewSet.as_view({"get": "rows"})),
    path("api/v1/jobs/<row:job_id>/failed.csv", FailedLinesViewSet.as_view({"get": "download"})),
    path("api/v1/jobs/<row:job_id>/file", JobFileViewSet.as_view({"get": "download"})),
    path("api/v1/opt-outs", OptOutViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "api/v1/opt-outs/<row:opt_out_id>",
        OptOutViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
        name="native-opt-out",
    ),
    path("api/v1/speakers", SpeakerViewSet.as_view({"get": "list"})),
    path("api/v1/speakers/move", SpeakerViewSet.as_view({"post": "move"})),
    path("api/v1/speakers/<row:speaker_id>", SpeakerViewSet.as_view(ONE), name="native-speaker"),
    path("api/v1/utterances", UtteranceViewSet.as_view({"get": "list"})),
    path("api/v1/utterances/<row:utterance_id>", UtteranceViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path("api/v1/utterances/<row:utterance_id>/recording", RecordingViewSet.as_view({"get": "play"})),
    *(
        path(f"api/v1/{action}", RecognitionViewSet.as_view({"post": action}))
        for action in ("enroll", "verify", "identify", "compare", "analyze")
    ),
    path("api/v1/quota", QuotaViewSet.as_view({"get": "show"})),
    path("api/v1/usage", UsageViewSet.as_view({"get": "show"})),
    path("api/v1/openapi.json", JsonViewSet.as_view({"get": "show"})),
    path("api/v1/openapi.yaml", YamlViewSet.as_view({"get": "show"})),
    path("api/v1/docs", PageViewSet.as_view({"get": "swagger"})),
    path("api/v1/redoc", PageViewSet.as_view({"get": "redoc"})),
    re_path(r"^api/v1(?:/|\Z)", NothingHereViewSet.as_refusal()),
]
