"""The operations. Each parses, calls one service, and renders."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, NoReturn

from django.http.response import HttpResponseBase
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from api.bodies import Malformed, json_object, raw_body, sent_form
from api.protocol import DialectViewSet, UnknownPath
from api.speakin import serializers
from api.speakin.auth import DIALECT, HmacAuthentication
from api.speakin.errors import ANSWERS, GATEWAY_ANSWERS, Answer, UnknownStage
from audio.errors import TooLarge
from tenants.models import Operation
from tenants.rates import RateLimited
from voiceprints import services
from voiceprints.results import LibraryKey

# The vendor has no libraries: a tenant's speakers are all in this one.
LIBRARY = LibraryKey("speakin")
MOST_JSON_BYTES = 1024 * 1024


class SpeakinViewSet(DialectViewSet):
    dialect = DIALECT
    answers = GATEWAY_ANSWERS
    # The vendor's clients may name the vendor's host, whatever the address they call.
    any_host = True
    authentication_classes = [HmacAuthentication]
    parser_classes = [MultiPartParser]
    renderer_classes = [JSONRenderer]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Who asks comes before what is asked, path and method included."""
        self.perform_authentication(request)
        super().initial(request, *args, **kwargs)

    def perform_authentication(self, request: Request) -> None:
        super().perform_authentication(request)
        # What fails from here on fails behind the gateway.
        self.answers = ANSWERS

    def refusal(self, answer: Answer, error: Exception) -> Response:
        refused = reply(answer.body(error, self.request._request), answer.http_status)
        if isinstance(error, RateLimited):
            refused["Retry-After"] = str(error.retry_after_seconds)
        return refused

    def outcome(self, response: HttpResponseBase) -> str:
        error_id = response.data.get("errorId") if isinstance(response, Response) else None
        return error_id or super().outcome(response)


class NumViewSet(SpeakinViewSet):
    operations = {"register": Operation.ENROLL, "probe": Operation.ENROLL, "compare": Operation.COMPARE}

    def register(self, request: Request) -> Response:
        audios = serializers.uploads(sent_form(request), serializers.REGISTERED_FILES)
        enrollment = services.enroll(self.tenant, LIBRARY, str(uuid.uuid4()), audios)
        return success({"vecId": enrollment.speaker.external_id})

    def probe(self, request: Request) -> Response:
        audios = serializers.uploads(sent_form(request), serializers.PROBE_FILES)
        enrollment = services.enroll(self.tenant, LIBRARY, str(uuid.uuid4()), audios, probe=True)
        return success({"vecId": enrollment.speaker.external_id})

    def compare(self, request: Request) -> Response:
        question = serializers.question(asked(request))
        return success(serializers.comparisons(services.compare_speakers(self.tenant, LIBRARY, **question)))


class NothingHereViewSet(SpeakinViewSet):
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.perform_authentication(request)
        self.refuse(request, **kwargs)

    def refuse(self, request: Request) -> NoReturn:
        raise UnknownPath


class UnknownStageViewSet(NothingHereViewSet):
    def refuse(self, request: Request, stage: str = "") -> NoReturn:
        raise UnknownStage(stage)


def asked(request: Request) -> dict[str, Any]:
    """The vendor's library sends no body at all when there is nothing to put into it."""
    try:
        return json_object(request) if raw_body(request, limit_bytes=MOST_JSON_BYTES) else {}
    except TooLarge as error:
        raise Malformed from error


def success(data: Mapping[str, Any]) -> Response:
    return reply({"data": data, "errorDesc": "", "errorId": "", "hasError": False})


def reply(body: Mapping[str, Any], http_status: int = 200) -> Response:
    return Response(body, status=http_status, headers={"Cache-Control": "no-store"})
