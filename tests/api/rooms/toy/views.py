from __future__ import annotations

from api.toy.auth import ToyAuthentication
from api.toy.errors import ANSWERS
from django.db.models import QuerySet
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from api.bodies import raw_body
from api.protocol import DialectViewSet
from tenants.models import Operation
from voiceprints import services
from voiceprints.models import Library
from voiceprints.results import AudioInput, LibraryKey

LIBRARY = LibraryKey("toys")


class ToyViewSet(DialectViewSet):
    dialect = "toy"
    answers = ANSWERS
    authentication_classes = [ToyAuthentication]
    renderer_classes = [JSONRenderer]
    http_method_names = ["get", "post", "delete"]

    operations = {
        "enroll": Operation.ENROLL,
        "verify": Operation.VERIFY,
        "identify": Operation.IDENTIFY,
        "list": Operation.READ,
        "delete": Operation.DELETE,
    }

    def refusal(self, answer: str, error: Exception) -> Response:
        return Response({"toy": answer})

    def enroll(self, request: Request, name: str) -> Response:
        services.enroll(self.tenant, LIBRARY, name, [sent_audio(request)])
        return said(True)

    def verify(self, request: Request, name: str) -> Response:
        verification = services.verify(self.tenant, self.libraries(), name, sent_audio(request))
        return said(self.judged(verification).accepted)

    def identify(self, request: Request) -> Response:
        best = self.judged(services.identify(self.tenant, self.libraries(), sent_audio(request))).best
        return said(best.speaker.external_id if best else None)

    def list(self, request: Request) -> Response:
        return said([listed.speaker.external_id for listed in services.list_speakers(self.tenant, self.libraries())])

    def delete(self, request: Request, name: str) -> Response:
        return said(services.delete_speaker(self.tenant, self.libraries(), name).speakers)

    def libraries(self) -> QuerySet[Library]:
        return self.tenant.libraries.within(LIBRARY.org_id)


def sent_audio(request: Request) -> AudioInput:
    return AudioInput(lambda: raw_body(request), None)


def said(value: object) -> Response:
    return Response({"toy": "done", "value": value})
