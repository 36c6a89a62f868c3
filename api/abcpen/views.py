"""The operations. Each parses, calls one service, and renders."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from api.abcpen import serializers
from api.abcpen.auth import SignatureAuthentication
from api.abcpen.errors import ANSWERS, RECORDING_ANSWERS, SUCCESS, Answer
from api.abcpen.serializers import Fields
from api.bodies import sent_form
from api.protocol import DialectViewSet, Nowhere, public_address, refuse_closed_dialect
from tenants.models import Operation
from tenants.origins import ActorKind, identified
from voiceprints import recordings, services
from voiceprints.models import Library
from voiceprints.serving import handed_out, link_token, recorded_at, tenant_of_link

TOP_K = 10


class AbcpenViewSet(DialectViewSet):
    dialect = "abcpen"
    answers = ANSWERS
    authentication_classes = [SignatureAuthentication]
    parser_classes = [MultiPartParser, FormParser]
    renderer_classes = [JSONRenderer]

    def refusal(self, answer: Answer, error: Exception) -> Response:
        envelope = {"code": answer.code, "msg": answer.message_for(error)}
        return Response(envelope, status=answer.http_status, headers={"Cache-Control": "no-store"})

    def outcome(self, response: HttpResponseBase) -> str:
        return response.data["code"] if isinstance(response, Response) else super().outcome(response)


class VoiceidViewSet(AbcpenViewSet):
    operations = {
        "register": Operation.ENROLL,
        "update": Operation.UPDATE,
        "recognize": Operation.IDENTIFY,
        "count": Operation.READ,
        "list": Operation.READ,
        "voice_url": Operation.READ,
        "delete_one": Operation.DELETE,
        "delete_all": Operation.DELETE,
        "delete_some": Operation.DELETE,
    }

    def register(self, request: Request) -> Response:
        enrollment = services.enroll(self.tenant, **serializers.registration(form(request)))
        return self.success({"audio_url": self.address_of(enrollment.recording)})

    def update(self, request: Request) -> Response:
        enrollment = services.update(self.tenant, **serializers.registration(form(request)))
        return self.success({"audio_url": self.address_of(enrollment.recording)})

    def recognize(self, request: Request) -> Response:
        scope, audio = serializers.search(form(request))
        identification = self.judged(services.identify(self.tenant, self.libraries(scope), audio, top_k=TOP_K))
        return self.success(serializers.candidate_entries(identification, self.address_of))

    def count(self, request: Request) -> Response:
        scope = serializers.scope(query(request))
        return self.success({"count": services.count_speakers(self.tenant, self.libraries(scope))})

    def list(self, request: Request) -> Response:
        scope, page = serializers.page(query(request))
        listing = services.list_speakers(self.tenant, self.libraries(scope), **page)
        return self.success([serializers.listed_entry(listed, self.address_of) for listed in listing])

    def voice_url(self, request: Request) -> Response:
        scope, name = serializers.one_speaker(query(request))
        listed = services.find_speaker(self.tenant, self.libraries(scope), name)
        return self.success({"audio_path": self.address_of(listed.recording)})

    def delete_one(self, request: Request) -> Response:
        scope, name = serializers.one_speaker(query(request))
        return self.success(services.delete_speaker(self.tenant, self.libraries(scope), name).speakers)

    def delete_all(self, request: Request) -> Response:
        scope = serializers.scope(query(request))
        return self.success(services.empty_libraries(self.tenant, self.libraries(scope)).speakers)

    def delete_some(self, request: Request) -> Response:
        scope, names = serializers.some_speakers(query(request))
        if names is None:
            return self.success(services.empty_libraries(self.tenant, self.libraries(scope)).speakers)
        return self.success(services.delete_speakers(self.tenant, self.libraries(scope), names).speakers)

    def libraries(self, scope: dict[str, Any]) -> QuerySet[Library]:
        return self.tenant.libraries.within(**scope)

    def address_of(self, path: str) -> str:
        """Where the client can fetch a recording for a while, "" when none was kept."""
        if not path:
            return ""
        token = link_token(self.tenant, path)
        return public_address(self.request._request, f"/r/{token}/voiceid/{recordings.address(path)}")

    def success(self, data: object) -> Response:
        envelope = {"code": SUCCESS.code, "msg": SUCCESS.message, "data": data}
        return Response(envelope, headers={"Cache-Control": "no-store"})


class RecordingViewSet(AbcpenViewSet):
    """The recordings themselves, for the tenant who signs."""

    answers = RECORDING_ANSWERS
    http_method_names = ["get", "head"]
    operations = {"play": Operation.LISTEN, "play_linked": Operation.LISTEN}

    def play(self, request: Request, path: str) -> HttpResponseBase:
        return self.recording(request._request, path)

    def recording(self, request: HttpRequest, path: str) -> HttpResponseBase:
        return handed_out(request, recorded_at(self.tenant, path))


class LinkedRecordingViewSet(RecordingViewSet):
    """The recordings for whoever holds an address that we gave out."""

    authentication_classes = []

    def play_linked(self, request: Request, token: str, path: str) -> HttpResponseBase:
        self.tenant = tenant_of_link(token, path)
        refuse_closed_dialect(self.tenant, self.dialect)
        identified(ActorKind.LINK)
        return self.recording(request._request, path)


class NothingHereViewSet(Nowhere, AbcpenViewSet):
    pass


def form(request: Request) -> Fields:
    return Fields(sent_form(request))


def query(request: Request) -> Fields:
    return Fields(request.query_params)
