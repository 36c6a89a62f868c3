"""The one operation: take a packet, and with the last one enroll or test whoever speaks."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from api.bodies import raw_body
from api.jdcloud import serializers, utterances
from api.jdcloud.auth import SignatureAuthentication, is_by_sign
from api.jdcloud.errors import ANSWERS, NORMAL, Answer, Business, Gateway, System
from api.jdcloud.utterances import Utterance
from api.protocol import EVERY_METHOD, DialectViewSet, Nowhere
from tenants.models import Operation, Tenant
from voiceprints import services
from voiceprints.errors import SpeakerNotFound
from voiceprints.models import Library

NOT_STORED = {"Cache-Control": "no-store"}


class Utf8JsonRenderer(JSONRenderer):
    charset = "utf-8"


class JdcloudViewSet(DialectViewSet):
    dialect = "jdcloud"
    answers = ANSWERS
    authentication_classes = [SignatureAuthentication]
    renderer_classes = [Utf8JsonRenderer]
    http_method_names = EVERY_METHOD
    accepts_chunks = True

    outcome_code = ""

    def refusal(self, answer: Answer, error: Exception) -> Response:
        match answer.to_caller(known=hasattr(self, "tenant"), by_sign=is_by_sign(self.request)):
            case Business() as said:
                return self.business(said)
            case System() as said:
                return self.system(said)
            case Gateway() as said:
                return self.gateway(said)

    def business(self, answer: Business) -> Response:
        self.outcome_code = str(answer.status)
        result = serializers.result(serializers.echo(self.request), answer.status, answer.message, answer.text)
        return Response(self.envelope(NORMAL.code, NORMAL.msg) | {"result": result}, headers=NOT_STORED)

    def system(self, answer: System) -> Response:
        self.outcome_code = answer.code
        return Response(self.envelope(answer.code, answer.msg), headers=NOT_STORED)

    def envelope(self, code: str, msg: str) -> dict[str, Any]:
        return serializers.envelope(code, msg, self.allowances.of("day"))

    def gateway(self, answer: Gateway) -> Response:
        self.outcome_code = answer.name
        error = {"code": answer.http_status, "status": answer.name, "message": answer.text}
        return Response(
            {"requestId": self.request_id, "error": error},
            status=answer.http_status,
            headers=NOT_STORED | {"x-jdcloud-request-id": self.request_id},
        )

    def outcome(self, response: Any) -> str:
        return self.outcome_code


class PacketViewSet(JdcloudViewSet):
    # What the packets are for stands in the first; the last is answered for all of them.
    operations = {"take": Operation.UNKNOWN, "enroll": Operation.ENROLL, "test": Operation.VERIFY}
    awaits_more = False

    @property
    def counted_as(self) -> Operation | None:
        return None if self.awaits_more and not self.failure else super().counted_as

    @property
    def counts_for_the_day(self) -> bool:
        """An utterance is one request, however many packets it comes in."""
        return serializers.opens_an_utterance(self.request)

    def take(self, request: Request) -> Response:
        number = serializers.packet_number(request)
        with utterances.refused_on_failure(self.tenant, number):
            packet = serializers.packet(request, number, lambda: raw_body(request, limit_bytes=utterances.size_limit()))
        with utterances.receiving(self.tenant, packet) as utterance:
            self.action = utterance.opening.mode
            if number.first:
                serializers.refuse_overlong(utterance)
                self.refuse_never_enrolled(utterance)
            self.awaits_more = not utterance.complete
            text = JUDGEMENTS[utterance.opening.mode](self, utterance) if utterance.complete else ""
        return self.business(Business(0, "", text))

    def refuse_never_enrolled(self, utterance: Utterance) -> None:
        """With the first packet, so that nobody streams in vain."""
        if utterance.opening.mode != "test":
            return
        known = services.find_speaker(self.tenant, libraries(self.tenant, utterance), utterance.external_id)
        if not known.utterance_count:
            raise SpeakerNotFound(external_id=utterance.external_id)


class NothingHereViewSet(Nowhere, JdcloudViewSet):
    pass


def enroll(view: PacketViewSet, utterance: Utterance) -> str:
    enrollment = services.enroll(view.tenant, **serializers.enrollment(utterance))
    return serializers.enrollment_text(enrollment)


def test(view: PacketViewSet, utterance: Utterance) -> str:
    audio = serializers.audio_input(utterance)
    known = libraries(view.tenant, utterance)
    verification = view.judged(services.verify(view.tenant, known, utterance.external_id, audio))
    return serializers.verification_text(verification)


JUDGEMENTS = {"enroll": enroll, "test": test}


def libraries(tenant: Tenant, utterance: Utterance) -> QuerySet[Library]:
    return tenant.libraries.within(utterance.opening.org_id, "")
