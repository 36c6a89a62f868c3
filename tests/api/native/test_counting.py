"""What is counted of our own API, beside what the contract promises of every dialect."""

from __future__ import annotations

import pytest

from tenants import metering
from tests.api.native.client import STAFF, Native, encoded
from tests.archives import csv_manifest, voices, zipped
from tests.cast import SUSAN, WEI, recording
from voiceprints import bulk
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db(transaction=True)


def counted() -> dict[tuple[str, str, str, str], int]:
    taken = metering.METER.taken()
    return {(use.operation, use.dialect, use.outcome, use.reason): tally.count for use, tally in taken.items()}


def enrolling(name: str) -> dict[str, object]:
    return STAFF | {"external_id": name, "audio": [encoded(recording(SUSAN))]}


def test_an_answer_that_is_given_again_is_counted_once(native):
    for _ in range(3):
        native.post("enroll", enrolling("susan"), {"Idempotency-Key": "key"})
    assert counted() == {("enroll", "native", "ok", ""): 1}


def test_an_enrollment_that_nobody_waits_for_is_counted_when_its_job_has_done_it(native):
    native.post("enroll", enrolling("susan"), {"Prefer": "respond-async"})
    native.post("enroll", enrolling("susan"), {"Prefer": "respond-async"})
    assert counted() == {
        ("job", "native", "ok", ""): 2,
        ("enroll", "jobs", "ok", ""): 1,
        ("enroll", "jobs", "refused", "SpeakerExists"): 1,
    }


def test_each_line_of_an_import_is_counted_unless_it_says_nothing_new(acme):
    lines = csv_manifest("susan,1.opus", "nobody,2.opus", header="external_id,audio")
    archive = {"manifest.csv": lines, "1.opus": voices("susan/1.opus")["susan/1.opus"]}
    for _ in range(2):
        bulk.begin_import(acme, archive=zipped(archive), key=LibraryKey("acme"))
    assert counted() == {("enroll", "jobs", "ok", ""): 1, ("enroll", "jobs", "refused", "FileMissing"): 2}


def test_a_job_that_is_done_again_is_counted_as_managed(native):
    native.post("jobs/1/retry")
    assert counted() == {("manage", "native", "refused", "JobNotFound"): 1}


def test_what_is_refused_is_counted_with_the_reason_and_nothing_of_whoever_has_no_token(native: Native):
    native.post("verify", STAFF | {"external_id": "nobody", "audio": encoded(recording(WEI))})
    native.post("verify", {})
    native.post("enroll")
    native.token = "guessed"
    native.post("enroll", enrolling("susan"))
    assert counted() == {
        ("verify", "native", "refused", "SpeakerNotFound"): 1,
        ("verify", "native", "refused", "ValidationError"): 1,
        ("enroll", "native", "refused", "ValidationError"): 1,
    }
