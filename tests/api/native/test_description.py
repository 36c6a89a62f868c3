"""The API is as its description says: schemathesis tries every operation with what fits and with what does not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, reject, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate

from api.native.idempotency import FIT_KEY, KEY
from api.native.paging import Cursor
from api.native.schema import description
from config.wsgi import application
from tenants.models import Tenant
from tests.api.native.client import Native, encoded
from tests.cast import KEN, LIBRARY, SUSAN, WEI, audio, recording
from voiceprints.bulk import begin_export
from voiceprints.erasure import erase_person
from voiceprints.opting_out import opt_out
from voiceprints.services import enroll

pytestmark = pytest.mark.django_db

AUDIO = [recording(SUSAN, 1), recording(KEN, 2), recording(WEI, 3)]
FORM = "multipart/form-data"
RECORDINGS = {"audio", "one", "other"}
GIVEN = "2026-01-02T03:04:05Z"
AUDIO_IN_JSON = [encoded(content) for content in AUDIO]
LISTINGS = ["LibraryQuery", "SpeakerQuery", "UtteranceQuery", "JobQuery", "RowQuery", "ErasureQuery", "OptOutQuery"]
CURSORS = {listing: str(Cursor(listing, "created", ["2026-01-01T00:00:00+00:00", 7])) for listing in LISTINGS}
CURSORS["AuditQuery"] = str(Cursor("AuditQuery", "number", [7]))

schemathesis.openapi.format("byte", st.sampled_from(AUDIO_IN_JSON))
schemathesis.openapi.format("binary", st.sampled_from(AUDIO))
for listing, cursor in CURSORS.items():
    schemathesis.openapi.format(f"cursor-{listing}", st.just(cursor))

described = schemathesis.openapi.from_dict(description())


def answered_whole(environ, start_response) -> list[bytes]:
    """As a server does it: all of an answer is taken, then it is closed."""
    parts = application(environ, start_response)
    try:
        return [b"".join(parts)]
    finally:
        parts.close()


described.app = answered_whole
# A mutated token would be overwritten by ours.
described.config.generation.update(with_security_parameters=False)


@pytest.fixture
def one_transaction(db: None) -> Iterator[None]:
    """The application must not hang up on the database, which it would outside a test, between two requests."""
    signals = [request_started, request_finished]
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def rows(acme: Tenant) -> dict[str, int]:
    """A row for each parameter of a path."""
    enrollment = enroll(acme, LIBRARY, "susan", [audio(SUSAN)])
    speaker = enrollment.speaker
    enroll(acme, LIBRARY, "ken", [audio(KEN)])
    return {
        "library_id": speaker.library_id,
        "speaker_id": speaker.pk,
        "utterance_id": enrollment.utterances[0].pk,
        "job_id": begin_export(acme, LIBRARY).pk,
        "opt_out_id": opt_out(acme, "nobody").opt_out.pk,
        "erasure_id": erase_person(acme, "ken").pk,
    }


@described.parametrize()
@settings(max_examples=12, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.usefixtures("one_transaction")
def test_every_operation_keeps_to_the_description(case, native: Native, rows):
    if case.meta and case.meta.generation.mode.is_positive:
        if cannot_be_said(case):
            reject()
        speak_of_what_there_is(case, rows)
    elif looks_right_on_the_wire(case):
        reject()
    if FIT_KEY.fullmatch(case.headers.get(KEY, "")):
        # Another request, another key.
        case.headers[KEY] = uuid.uuid4().hex
    case.call_and_validate(headers=native.authorization)


def speak_of_what_there_is(case, rows: dict[str, int]) -> None:
    """Rows that exist in whatever version, days in order, and recordings that are some, none headerless."""
    case.path_parameters.update({name: rows[name] for name in case.path_parameters})
    if "If-Match" in case.headers:
        case.headers["If-Match"] = "*"
    if "from" in case.query:
        case.query["to"] = case.query["from"]
    if isinstance(case.body, dict):
        case.body.pop("pcm_sample_rate", None)
        case.body.update(dict.fromkeys({"consent_given"} & set(case.body), GIVEN))
        case.body.update({name: heard(case.body[name], case.media_type) for name in RECORDINGS & set(case.body)})


def cannot_be_said(case) -> bool:
    """A form has no null."""
    return case.media_type == FORM and isinstance(case.body, dict) and None in case.body.values()


def heard(sent, media_type: str):
    if isinstance(sent, list):
        return [heard(one, media_type) for one in sent]
    known = AUDIO if media_type == FORM else AUDIO_IN_JSON
    return sent if sent in known else known[0]


def looks_right_on_the_wire(case) -> bool:
    """A form and a query have no types: a text "true" is a switch there, and an empty list is nothing.

    Of an empty text the client of these tests writes no part that could be read. What is wrong with the files of an
    import is found by its job.
    """
    in_form = case.body if case.media_type == FORM and isinstance(case.body, dict) else {}
    if isinstance(in_form.get("archive"), bytes | str):
        return True
    return any(value in ("true", "false", "") for value in in_form.values()) or [] in case.query.values()


def test_the_description_is_openapi():
    validate(description())
