"""The eight functions behind one path. Each parses, calls one service, and renders."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from api.bodies import json_object
from api.iflytek import serializers
from api.iflytek.auth import SignatureAuthentication, refuse_foreign_application
from api.iflytek.errors import ANSWERS, NOT_FOUND, NOT_FOUND_BY, SUCCESS, Answer, GatewayAnswer
from api.iflytek.serializers import Call
from api.protocol import DialectViewSet, Nowhere
from tenants.models import Operation, Tenant
from voiceprints import services
from voiceprints.models import Library
from voiceprints.results import LibraryKey

NO_STORE = {"Cache-Control": "no-store"}
DONE = {"msg": "success"}


class IflytekViewSet(DialectViewSet):
    dialect = "iflytek"
    answers = ANSWERS
    authentication_classes = [SignatureAuthentication]
    renderer_classes = [JSONRenderer]
    # Clients of this vendor force the host they know, and nothing here is made of it.
    any_host = True
    accepts_chunks = True

    def refusal(self, answer: Answer | GatewayAnswer, error: Exception) -> Response:
        if isinstance(answer, GatewayAnswer):
            gateway = {"message": answer.message}
            return Response(gateway, answer.http_status, headers=NO_STORE, content_type=answer.content_type)
        if answer is NOT_FOUND:
            answer = NOT_FOUND_BY.get(self.action, NOT_FOUND)
        return Response({"header": header(answer.code, answer.message_for(error))}, headers=NO_STORE)

    def outcome(self, response: HttpResponseBase) -> str:
        """With the id of the call, by which a customer asks about it."""
        told = response.data.get("header") if isinstance(response, Response) else None
        return f"{told['code']} sid={told['sid']}" if told else super().outcome(response)


class VoiceprintViewSet(IflytekViewSet):
    # Which function is called stands in the body.
    operations = {
        "call": Operation.UNKNOWN,
        "createGroup": Operation.MANAGE,
        "deleteGroup": Operation.DELETE,
        "createFeature": Operation.ENROLL,
        "updateFeature": Operation.UPDATE,
        "deleteFeature": Operation.DELETE,
        "queryFeatureList": Operation.READ,
        "searchScoreFea": Operation.VERIFY,
        "searchFea": Operation.IDENTIFY,
    }

    def call(self, request: Request, service: str) -> Response:
        body = json_object(request)
        refuse_foreign_application(self.tenant, serializers.application(body))
        call = serializers.call(body, service, FUNCTIONS)
        self.action = call.function
        text = serializers.encoded(FUNCTIONS[call.function](self, call))
        reply = {"header": header(SUCCESS.code, SUCCESS.message), "payload": {call.reply_name: {"text": text}}}
        return Response(reply, headers=NO_STORE)


class NothingHereViewSet(Nowhere, IflytekViewSet):
    pass


def create_group(view: VoiceprintViewSet, call: Call) -> object:
    key, texts = serializers.group(call)
    services.save_library(view.tenant, key, **texts)
    return serializers.group_entry(key, texts)


def delete_group(view: VoiceprintViewSet, call: Call) -> object:
    services.delete_library(view.tenant, call.group())
    return DONE


def create_feature(view: VoiceprintViewSet, call: Call) -> object:
    enrollment = services.enroll(view.tenant, **serializers.new_feature(call))
    return {"featureId": enrollment.speaker.external_id}


def update_feature(view: VoiceprintViewSet, call: Call) -> object:
    services.update(view.tenant, **serializers.changed_feature(call))
    return DONE


def delete_feature(view: VoiceprintViewSet, call: Call) -> object:
    key, feature_id = serializers.feature(call)
    services.delete_speaker(view.tenant, libraries(view.tenant, key), feature_id)
    return DONE


def query_feature_list(view: VoiceprintViewSet, call: Call) -> object:
    key = call.group()
    services.find_library(view.tenant, key)
    listing = services.list_speakers(view.tenant, libraries(view.tenant, key), limit=None)
    return [serializers.feature_entry(listed) for listed in listing]


def search_score_feature(view: VoiceprintViewSet, call: Call) -> object:
    key, feature_id, audio = serializers.claim(call)
    verification = view.judged(services.verify(view.tenant, libraries(view.tenant, key), feature_id, audio))
    return serializers.score_entry(verification)


def search_feature(view: VoiceprintViewSet, call: Call) -> object:
    key, top_k, audio = serializers.search(call)
    identification = view.judged(
        services.identify(view.tenant, libraries(view.tenant, key), audio, top_k=top_k, refuse_no_library=True)
    )
    return {"scoreList": [serializers.score_entry(candidate) for candidate in identification.candidates]}


FUNCTIONS: dict[str, Callable[[VoiceprintViewSet, Call], object]] = {
    "createGroup": create_group,
    "deleteGroup": delete_group,
    "createFeature": create_feature,
    "updateFeature": update_feature,
    "deleteFeature": delete_feature,
    "queryFeatureList": query_feature_list,
    "searchScoreFea": search_score_feature,
    "searchFea": search_feature,
}


def libraries(tenant: Tenant, key: LibraryKey) -> QuerySet[Library]:
    return tenant.libraries.within(key.org_id, key.tag_id)


def header(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "sid": call_id()}


def call_id() -> str:
    """Of the vendor's shape: something random, and the milliseconds of the clock in hexadecimal."""
    milliseconds = int(timezone.now().timestamp() * 1000)
    return f"ase000{secrets.randbits(20):05x}@hu{milliseconds:011x}02{secrets.randbelow(100_000):05}"
