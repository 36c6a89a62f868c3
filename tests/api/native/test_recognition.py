"""Enrolling, verifying, identifying, comparing and analyzing real recordings."""

from __future__ import annotations

import pytest

from tenants.context import acting_as
from tests.api.native.client import STAFF, encoded, part, problem
from tests.cast import KEN, SUSAN, WEI, pcm_of, recording, silence, wav_of

pytestmark = pytest.mark.django_db

QUALITY = {"duration_seconds", "speech_seconds", "snr_db", "level_dbfs", "clipped_ratio", "dropout_ratio", "warnings"}


@pytest.fixture
def enrolled(native):
    for voice in (SUSAN, KEN):
        assert native.enroll(voice, recording(voice, 1), recording(voice, 2)).status_code == 201
    return native


def test_an_enrollment_is_reported_on(native):
    reply = native.enroll("susan", recording(SUSAN, 1), recording(SUSAN, 2), info="first")
    report = reply.json()
    speaker = report["speaker"]
    assert reply.status_code == 201
    assert reply["Location"] == f"/api/v1/speakers/{speaker['id']}"
    assert native.get(f"speakers/{speaker['id']}").json() == speaker
    assert (speaker["status"], speaker["utterance_count"], speaker["info"]) == ("enrolled", 2, "first")
    assert report["complete"]
    assert report["warnings"] == report["near_duplicates"] == []
    for utterance in report["utterances"]:
        assert set(utterance["quality"]) == QUALITY
        assert utterance["consistency"]["lowest"] == utterance["consistency"]["mean"]
    first, second = report["utterances"]
    assert first["agreement"] is None
    assert second["agreement"]["score"] == pytest.approx(second["consistency"]["mean"])
    assert second["agreement"]["score"] >= second["agreement"]["threshold"]
    assert second["agreement"]["accepted"]


def test_the_only_utterance_agrees_with_none(native):
    (utterance,) = native.enroll("susan", recording(SUSAN)).json()["utterances"]
    assert utterance["consistency"] is None


def test_utterances_of_two_voices_are_warned_of(native):
    report = native.enroll("susan", recording(SUSAN, 1), recording(SUSAN, 2), recording(KEN)).json()
    assert report["warnings"] == ["inconsistent"]
    lowest = [utterance["consistency"]["lowest"] for utterance in report["utterances"]]
    assert max(lowest) < 0.7
    assert [utterance["agreement"] and utterance["agreement"]["accepted"] for utterance in report["utterances"]] == [
        None,
        True,
        False,
    ]
    means = [utterance["consistency"]["mean"] for utterance in report["utterances"]]
    assert means[2] == min(means)


def test_whoever_is_there_under_another_name_is_warned_of(native):
    native.enroll("ken", recording(KEN))
    first = native.enroll("susan", recording(SUSAN, 1)).json()["speaker"]["id"]
    report = native.enroll("also-susan", recording(SUSAN, 2)).json()
    assert report["warnings"] == ["near_duplicates"]
    (near,) = report["near_duplicates"]
    assert (near["external_id"], near["speaker_id"], near["accepted"]) == ("susan", first, True)
    assert near["score"] >= near["threshold"]
    assert near["calibrated"] >= 0.5


def test_near_duplicates_are_looked_for_in_the_library_alone(native):
    native.enroll("susan", recording(SUSAN, 1), tag_id="guests")
    assert native.enroll("susan", recording(SUSAN, 2)).json()["near_duplicates"] == []


def test_a_form_does_what_json_does(native):
    form = STAFF | {"external_id": "susan", "audio": [part(recording(SUSAN, 1)), part(recording(SUSAN, 2))]}
    report = native.form("enroll", **form, trim_silence="true", required_utterances="2")
    assert report.json()["complete"]
    assert report.json()["speaker"]["utterance_count"] == 2
    probe = recording(SUSAN, 3)
    one = native.form("identify", **STAFF, audio=part(probe), top_k="1").json()
    other = native.identify(probe, top_k=1).json()
    assert one == other


def test_all_utterances_are_enrolled_or_none(native, recordings_folder):
    reply = native.enroll("susan", recording(SUSAN), silence().read(), recording(SUSAN, 2))
    assert problem(reply) == (422, "not-enough-speech")
    assert native.get("speakers").json()["items"] == []
    assert [path for path in recordings_folder.rglob("*") if path.is_file()] == []


def test_an_enrollment_may_take_several_calls(native):
    first = native.enroll("susan", recording(SUSAN, 1), required_utterances=2).json()
    assert (first["complete"], first["speaker"]["status"]) == (False, "enrolling")
    verify = STAFF | {"external_id": "susan", "audio": encoded(recording(SUSAN, 3))}
    assert problem(native.post("verify", verify)) == (409, "speaker-not-enrolled")
    assert native.identify(recording(SUSAN, 3)).json()["unknown"]
    second = native.enroll("susan", recording(SUSAN, 2), required_utterances=2).json()
    assert (second["complete"], second["speaker"]["utterance_count"]) == (True, 2)
    assert second["utterances"][0]["agreement"]["accepted"]
    assert native.post("verify", verify).json()["accepted"]


def test_the_enrolled_are_refused_replaced_or_added_to(native):
    native.enroll("susan", recording(SUSAN, 1), info="old")
    assert problem(native.enroll("susan", recording(SUSAN, 2))) == (409, "speaker-exists")
    added = native.enroll("susan", recording(SUSAN, 2), when_enrolled="add").json()
    assert (added["speaker"]["utterance_count"], added["speaker"]["info"]) == (2, "old")
    replaced = native.enroll("susan", recording(KEN), when_enrolled="replace", info="new").json()
    assert (replaced["speaker"]["utterance_count"], replaced["speaker"]["info"]) == (1, "new")
    verify = STAFF | {"external_id": "susan", "audio": encoded(recording(KEN, 2))}
    assert native.post("verify", verify).json()["accepted"]


def test_no_library_is_made_unasked(native):
    assert problem(native.enroll("susan", recording(SUSAN), create_library=False)) == (404, "library-not-found")
    native.post("libraries", STAFF)
    assert native.enroll("susan", recording(SUSAN), create_library=False).status_code == 201


@pytest.mark.parametrize(("voice", "accepted"), [(SUSAN, True), (KEN, False)])
def test_a_verification_tells_score_threshold_and_decision(voice, accepted, enrolled):
    reply = enrolled.post("verify", STAFF | {"external_id": "susan", "audio": encoded(recording(voice, 4))})
    verification = reply.json()
    assert verification["accepted"] is accepted
    assert (verification["score"] >= verification["threshold"]) is accepted
    assert (verification["calibrated"] >= 0.5) is accepted
    assert set(verification["quality"]) == QUALITY
    assert verification["external_id"] == "susan"


@pytest.mark.parametrize("fields", [{"external_id": "nobody"}, {"org_id": "other"}, {"tag_id": ""}])
def test_nobody_unknown_is_verified(fields, enrolled):
    sent = STAFF | {"external_id": "susan", "audio": encoded(recording(SUSAN, 4))} | fields
    assert problem(enrolled.post("verify", sent)) == (404, "speaker-not-found")


def test_an_identification_names_the_accepted_and_the_margin(enrolled):
    found = enrolled.identify(recording(KEN, 4)).json()
    first, second = found["candidates"]
    assert found["best"] == first
    assert not found["unknown"]
    assert (first["external_id"], first["accepted"], second["accepted"]) == ("ken", True, False)
    assert found["margin"] == pytest.approx(first["calibrated"] - second["calibrated"])


def test_a_stranger_is_unknown_however_near_the_nearest_is(enrolled):
    found = enrolled.identify(recording(WEI)).json()
    assert found["unknown"]
    assert found["best"] is None
    assert [candidate["accepted"] for candidate in found["candidates"]] == [False, False]


def test_the_margin_is_told_of_one_candidate_too(enrolled):
    found = enrolled.identify(recording(KEN, 4), top_k=1).json()
    assert len(found["candidates"]) == 1
    assert found["margin"] > 0


def test_an_organisation_is_searched_as_a_whole_without_a_tag(enrolled):
    enrolled.enroll("wei", recording(WEI), tag_id="guests")
    whole = enrolled.post("identify", {"org_id": "acme", "audio": encoded(recording(WEI, 2))}).json()
    assert (whole["best"]["external_id"], whole["best"]["tag_id"]) == ("wei", "guests")
    assert enrolled.identify(recording(WEI, 2)).json()["unknown"]


def test_nobody_is_in_a_library_that_is_not_there(native):
    found = native.identify(recording(SUSAN)).json()
    assert (found["unknown"], found["best"], found["margin"], found["candidates"]) == (True, None, None, [])


def test_two_recordings_are_compared_and_nothing_is_kept(native, acme, recordings_folder):
    same = {"one": encoded(recording(SUSAN, 1)), "other": encoded(recording(SUSAN, 2))}
    other = same | {"other": encoded(recording(KEN))}
    assert native.post("compare", same).json()["accepted"]
    compared = native.post("compare", other).json()
    assert not compared["accepted"]
    assert len(compared["qualities"]) == 2
    assert native.form("compare", one=part(recording(SUSAN, 1)), other=part(recording(SUSAN, 2))).json()["accepted"]
    assert not recordings_folder.exists()
    with acting_as(acme):
        assert not acme.speakers.exists()


def test_a_recording_is_analyzed_and_not_kept(native, recordings_folder):
    quality = native.post("analyze", {"audio": encoded(recording(SUSAN))}).json()["quality"]
    assert set(quality) == QUALITY
    assert 2 < quality["speech_seconds"] < quality["duration_seconds"]
    assert not recordings_folder.exists()


def test_headerless_pcm_is_heard_as_it_is_said_to_be(native):
    sent = {"one": encoded(recording(SUSAN)), "other": encoded(pcm_of(SUSAN)), "pcm_sample_rate": 16_000}
    assert problem(native.post("compare", {"one": encoded(pcm_of(SUSAN)), "other": sent["one"]}))[0] == 422
    analysis = native.post("analyze", {"audio": encoded(pcm_of(SUSAN)), "pcm_sample_rate": 16_000}).json()
    whole = native.post("analyze", {"audio": encoded(wav_of(SUSAN))}).json()
    assert analysis == whole
    stereo = native.post("analyze", {"audio": encoded(pcm_of(SUSAN)), "pcm_sample_rate": 8_000, "pcm_channels": 2})
    assert stereo.json() != whole


def test_the_tenant_says_how_much_speech_is_needed(native, acme):
    acme.required_speech_seconds = 30
    acme.save()
    reply = native.post("analyze", {"audio": encoded(recording(SUSAN))})
    assert problem(reply) == (422, "not-enough-speech")
    assert reply.json()["required_seconds"] == 30
    assert reply.json()["speech_seconds"] > 2


def test_another_tenant_recognises_nobody_of_ours(enrolled, stranger):
    assert stranger.identify(recording(SUSAN, 4)).json()["candidates"] == []
    sent = STAFF | {"external_id": "susan", "audio": encoded(recording(SUSAN, 4))}
    assert problem(stranger.post("verify", sent)) == (404, "speaker-not-found")
    assert stranger.enroll("susan", recording(SUSAN)).json()["near_duplicates"] == []
