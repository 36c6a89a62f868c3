"""The operations. Each parses, calls one service, and renders."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import Error as DatabaseFailed
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from api.bodies import json_object
from api.dolphin import serializers
from api.dolphin.auth import DIALECT, PathTokenAuthentication, RootAuthentication
from api.dolphin.errors import ANSWERS, SUCCESS, TAKEN, UNREGISTER_ANSWERS, Answer
from api.dolphin.serializers import GROUPS, Fields, Probe
from api.protocol import DialectViewSet, Nowhere
from tenants.models import Operation
from voiceprints import services
from voiceprints.errors import SpeakerNotEnrolled, SpeakerNotFound
from voiceprints.models import Library

TOP_K = 10
# Their errors tell how far the enrollment of the user is.
TELL_PROGRESS = {"enroll", "verify"}


class DolphinViewSet(DialectViewSet):
    dialect = DIALECT
    answers = ANSWERS
    authentication_classes = [PathTokenAuthentication]
    parser_classes = []
    renderer_classes = [JSONRenderer]
    accepts_chunks = True
    operations = {
        "check_user": Operation.READ,
        "get_users": Operation.READ,
        "enroll": Operation.ENROLL,
        "verify": Operation.VERIFY,
        "unregister": Operation.DELETE,
    }

    fields = Fields({})
    searches = False

    @property
    def counted_as(self) -> Operation | None:
        return Operation.IDENTIFY if self.searches else super().counted_as

    def dispatch(self, request: HttpRequest, *args: Any, **base: str) -> HttpResponseBase:
        """The token of the base address is for the authentication alone."""
        return super().dispatch(request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Without a base address there is no method to be wrong."""
        self.perform_authentication(request)
        super().initial(request)

    def check_user(self, request: Request) -> Response:
        name = self.read(request).user_name()
        try:
            entry = serializers.user_entry(services.find_speaker(self.tenant, self.libraries(), name))
        except SpeakerNotFound:
            entry = serializers.unknown_entry(name)
        return self.envelope(SUCCESS, entry)

    def get_users(self, request: Request) -> Response:
        listing = services.list_speakers(self.tenant, self.libraries(), limit=None, by_name=True)
        return self.envelope(SUCCESS, [serializers.user_entry(listed) for listed in listing])

    def enroll(self, request: Request) -> Response:
        registration = serializers.registration(self.read(request))
        services.enroll_turn(self.tenant, **registration, within=self.libraries())
        name, done = registration["external_id"], registration["turn"].number
        return self.envelope(TAKEN[done], {"user_name": name, "enroll_num": done})

    def verify(self, request: Request) -> Response:
        probe = serializers.probe(self.read(request))
        return self.verify_one(probe.user_name, probe) if probe.user_name else self.search(probe)

    def verify_one(self, user_name: str, probe: Probe) -> Response:
        try:
            verification = self.judged(services.verify(self.tenant, self.libraries(), user_name, probe.audio))
        except SpeakerNotEnrolled as error:
            # Whoever lost every recording in the console is to this vendor as unknown as any other name.
            raise error if error.utterances else SpeakerNotFound(external_id=user_name) from None
        return self.envelope(SUCCESS, serializers.verification_entry(verification))

    def search(self, probe: Probe) -> Response:
        self.searches = True
        libraries = self.libraries(probe.groups)
        identification = self.judged(
            services.identify(self.tenant, libraries, probe.audio, top_k=TOP_K, refuse_nobody=True)
        )
        return self.envelope(
            SUCCESS, [serializers.candidate_entry(candidate) for candidate in identification.candidates]
        )

    def unregister(self, request: Request) -> Response:
        name = self.read(request).user_name()
        services.delete_speaker(self.tenant, self.libraries(), name)
        return self.envelope(SUCCESS, {"user_name": name})

    def read(self, request: Request) -> Fields:
        """The body, kept because errors say back whom it named."""
        self.fields = Fields(json_object(request))
        return self.fields

    def libraries(self, groups: list[int] | range = GROUPS) -> QuerySet[Library]:
        return self.tenant.libraries.of_organisations(serializers.organisations(groups), tag_id="")

    def refusal(self, answer: Answer, error: Exception) -> Response:
        told = Answer(answer.status, answer.message_for(error), http_status=answer.http_status)
        return self.envelope(told, self.about_the_user())

    def about_the_user(self) -> dict[str, Any] | None:
        name = self.fields.readable_name()
        if name is None:
            return None
        return {"user_name": name} | ({"enroll_num": self.progress(name)} if self.action in TELL_PROGRESS else {})

    def progress(self, name: str) -> int | None:
        """Enrolments done, None when the database cannot tell."""
        try:
            return serializers.enroll_num(services.find_speaker(self.tenant, self.libraries(), name))
        except SpeakerNotFound:
            return 0
        except DatabaseFailed:
            return None

    def envelope(self, answer: Answer, data: object) -> Response:
        body = {"task_id": str(uuid.uuid4()), "status": answer.status, "message": answer.message, "data": data}
        return Response(body, status=answer.http_status, headers={"Cache-Control": "no-store"})

    def outcome(self, response: HttpResponseBase) -> str:
        """With the identifier that the client was given for troubleshooting."""
        if not isinstance(response, Response):
            return super().outcome(response)
        return f"{response.data['status']} task_id={response.data['task_id']}"


class UnregistrationViewSet(DolphinViewSet):
    answers = UNREGISTER_ANSWERS


class RootViewSet(DolphinViewSet):
    """The vendor's paths without a secret, when the operator bound a tenant to them."""

    authentication_classes = [RootAuthentication]


class RootUnregistrationViewSet(UnregistrationViewSet):
    authentication_classes = [RootAuthentication]


class NothingHereViewSet(Nowhere, DolphinViewSet):
    pass
