"""What an enrollment is worth."""

from __future__ import annotations

import pytest

from tenants.models import Consistency
from tests.cast import KEN, LIBRARY, OTHER_TAG, SUSAN, audio
from voiceprints.reports import enrollment_report
from voiceprints.results import WhenEnrolled
from voiceprints.services import enroll

pytestmark = pytest.mark.django_db


def test_utterances_of_one_voice_agree(acme):
    report = enrollment_report(acme, enroll(acme, LIBRARY, "susan", [audio(SUSAN, n) for n in (1, 2, 3)]))
    assert [one.agreement and one.agreement.accepted for one in report.utterances] == [None, True, True]
    assert all(one.consistency.lowest <= one.consistency.mean <= 1 for one in report.utterances)
    assert report.warnings == ()


def test_new_utterances_are_held_against_the_earlier_ones(acme):
    enroll(acme, LIBRARY, "susan", [audio(SUSAN, 1), audio(SUSAN, 2)])
    added = enroll(acme, LIBRARY, "susan", [audio(KEN)], when_enrolled=WhenEnrolled.ADD)
    report = enrollment_report(acme, added)
    (only,) = report.utterances
    assert only.consistency.lowest < only.consistency.mean
    assert only.agreement.score < only.agreement.threshold
    assert report.speaker.utterance_count == 3
    assert "inconsistent" in report.warnings


def test_a_tenant_that_does_not_mind_is_not_warned(acme):
    acme.consistency = Consistency.ACCEPT
    report = enrollment_report(acme, enroll(acme, LIBRARY, "susan", [audio(SUSAN), audio(KEN)]))
    assert not report.utterances[1].agreement.accepted
    assert report.warnings == ()


def test_the_only_utterance_agrees_with_none(acme):
    report = enrollment_report(acme, enroll(acme, LIBRARY, "susan", [audio(SUSAN)]))
    assert [one.consistency for one in report.utterances] == [None]


def test_others_in_the_library_who_sound_alike_are_named(acme, globex):
    enroll(acme, LIBRARY, "ken", [audio(KEN)])
    enroll(acme, OTHER_TAG, "guest", [audio(SUSAN, 2)])
    enroll(globex, LIBRARY, "theirs", [audio(SUSAN, 2)])
    enroll(acme, LIBRARY, "probe", [audio(SUSAN, 2)], probe=True)
    twin = enroll(acme, LIBRARY, "twin", [audio(SUSAN, 3)]).speaker
    report = enrollment_report(acme, enroll(acme, LIBRARY, "susan", [audio(SUSAN)]))
    assert [near.speaker for near in report.near_duplicates] == [twin]
    assert report.near_duplicates[0].accepted
    assert report.warnings == ("near_duplicates",)


def test_whoever_is_still_enrolling_is_looked_for_as_well(acme):
    enroll(acme, LIBRARY, "twin", [audio(SUSAN, 3)])
    report = enrollment_report(acme, enroll(acme, LIBRARY, "susan", [audio(SUSAN)], required_utterances=2))
    assert not report.complete
    assert [near.speaker.external_id for near in report.near_duplicates] == ["twin"]
