"""Decisions follow from the calibration in force, the tenant's false accept rate, and how much speech there was."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from audio.batch import Heard
from audio.store import ModelCard
from tenants.context import acting_as
from tenants.models import Consistency, Tenant
from tests.audio.recordings import SAMPLES
from tests.cast import KEN, LIBRARY, SUSAN, audio
from tests.shared_data import shared
from voiceprints import decisions, services
from voiceprints.calibration import Weights, provisional
from voiceprints.decisions import calibration_in_force, decision_for, store_calibration
from voiceprints.errors import SpeakerMismatch
from voiceprints.management.commands.calibrate import learned
from voiceprints.models import EmbeddingModel, ModelCalibration, Utterance, Voiceprint
from voiceprints.results import WhenEnrolled
from voiceprints.trials import compared, read_trials

pytestmark = pytest.mark.django_db


def stored(**changes):
    """A calibration of ge2e that is in force."""
    calibration = replace(decisions.shipped_calibration("ge2e"), **changes)
    store_calibration(calibration)
    return calibration


def longer_is_stricter():
    return stored(weights=Weights(offset=-36.0, cosine=50.0, speech=-2.0))


def everybody(tenant):
    return tenant.libraries.within(LIBRARY.org_id)


def test_the_bundled_model_comes_with_a_measured_calibration():
    calibration = calibration_in_force("ge2e")

    assert not calibration.provisional
    assert calibration.provenance.targets == calibration.provenance.impostors == 750
    assert calibration.provenance.with_speech.cllr < calibration.provenance.cosine_alone.cllr


def test_a_model_without_any_is_provisional():
    assert calibration_in_force("somebody's own").provisional
    assert calibration_in_force("../../../etc/passwd").provisional


def test_the_newest_row_is_in_force():
    stored(weights=Weights(-30, 40, 0))
    newest = stored(weights=Weights(-30, 41, 0))

    assert calibration_in_force("ge2e") == newest
    assert ModelCalibration.objects.count() == 2


def test_another_process_sees_a_new_calibration_within_seconds(monkeypatch):
    before = calibration_in_force("ge2e")
    ModelCalibration.objects.create(model_id="ge2e", record=provisional("ge2e").to_json())
    assert calibration_in_force("ge2e") == before

    now = decisions.time.monotonic()
    monkeypatch.setattr(decisions.time, "monotonic", lambda: now + decisions.FRESH_SECONDS + 0.1)
    assert calibration_in_force("ge2e").provisional


def test_no_request_pays_a_query_for_it(acme):
    decision_for(acme, "ge2e")
    with CaptureQueriesContext(connection) as captured:
        decision_for(acme, "ge2e").threshold(3, 3)
    assert len(captured) == 0


def test_a_calibration_of_other_weights_than_the_database_knows_does_not_count():
    ours = EmbeddingModel.objects.get(pk="ge2e").sha256
    provenance = decisions.shipped_calibration("ge2e").provenance
    measured = stored(weights=Weights(-30, 41, 0), provenance=replace(provenance, weights_sha256=ours))
    stored(weights=Weights(-30, 42, 0), provenance=replace(provenance, weights_sha256=64 * "1"))

    assert calibration_in_force("ge2e") == measured


def test_nothing_is_calibrated_with_other_weights_than_the_database_knows(tmp_path):
    EmbeddingModel.objects.filter(pk="ge2e").update(sha256=64 * "1")
    with pytest.raises(CommandError, match="install the same file on every machine"):
        call_command("calibrate", str(tmp_path / "trials.txt"), "--root", str(SAMPLES))


def test_an_unknown_model_has_no_calibration_stored():
    with pytest.raises(IntegrityError), transaction.atomic():
        store_calibration(provisional("unknown"))
        connection.check_constraints()


def test_a_lower_false_accept_rate_is_stricter(acme):
    thresholds = []
    for acme.false_accept_rate in (0.2, 0.05, 0.01, 0.0001):
        thresholds.append(decision_for(acme, "ge2e").threshold(3, 3))
    assert thresholds == sorted(thresholds)
    assert len(set(thresholds)) == 4


@pytest.mark.parametrize("rate", [0, 0.00009, 0.21, 1])
def test_a_rate_that_cannot_be_kept_is_refused_by_the_database(acme, rate):
    with pytest.raises(IntegrityError), transaction.atomic():
        Tenant.objects.filter(pk=acme.pk).update(false_accept_rate=rate)


def test_a_tenants_rate_decides_about_its_comparisons(acme, globex):
    """Susan's and Ken's synthetic voices, of which one may be taken for the other where nearly anything may."""
    stored(weights=Weights(offset=-30.0, cosine=50.0, speech=0.0))
    score = services.compare(acme, audio(SUSAN), audio(KEN)).score
    lax = replace(decisions.shipped_calibration("ge2e").points[0], far=0.2, llr=50 * score - 30 - 1)
    strict = replace(lax, far=0.001, llr=lax.llr + 2)
    stored(weights=Weights(offset=-30.0, cosine=50.0, speech=0.0), points=(lax, strict))
    acme.false_accept_rate, globex.false_accept_rate = 0.2, 0.001

    assert services.compare(acme, audio(SUSAN), audio(KEN)).accepted
    assert not services.compare(globex, audio(SUSAN), audio(KEN)).accepted


def test_a_voiceprint_knows_how_much_was_said_for_it(acme):
    services.enroll(acme, LIBRARY, "susan", [audio(SUSAN, 1), audio(SUSAN, 2)])
    services.enroll(acme, LIBRARY, "susan", [audio(SUSAN, 3)], when_enrolled=WhenEnrolled.ADD)
    with acting_as(acme):
        said = list(Utterance.all_tenants.values_list("speech_seconds", flat=True))
        assert Voiceprint.all_tenants.get().speech_seconds == pytest.approx(sum(said))
        assert len(said) == 3


def test_more_speech_asks_for_a_higher_cosine_where_the_calibration_says_so(acme):
    longer_is_stricter()
    services.enroll(acme, LIBRARY, "susan", [audio(SUSAN, 1)])
    first = services.verify(acme, everybody(acme), "susan", audio(SUSAN, 4))
    services.update(acme, LIBRARY, "susan", [audio(SUSAN, 2), audio(SUSAN, 3)], merge=True)
    second = services.verify(acme, everybody(acme), "susan", audio(SUSAN, 4))

    assert second.threshold > first.threshold + 0.02


def test_a_search_gives_everybody_the_threshold_that_a_verification_gives(acme):
    longer_is_stricter()
    services.enroll(acme, LIBRARY, "susan", [audio(SUSAN, 1), audio(SUSAN, 2), audio(SUSAN, 3)])
    services.enroll(acme, LIBRARY, "ken", [audio(KEN)])
    candidates = services.identify(acme, everybody(acme), audio(SUSAN, 4)).candidates

    assert len({candidate.threshold for candidate in candidates}) == 2
    for candidate in candidates:
        verified = services.verify(acme, everybody(acme), candidate.speaker.external_id, audio(SUSAN, 4))
        assert candidate.threshold == pytest.approx(verified.threshold)
        assert candidate.score == pytest.approx(verified.score, abs=1e-6)


def test_candidates_come_in_the_order_of_what_is_shown(acme):
    """Two voiceprints of one direction, of which the one made of less speech proves more."""
    longer_is_stricter()
    services.enroll(acme, LIBRARY, "much", [audio(SUSAN)])
    services.enroll(acme, LIBRARY, "little", [audio(SUSAN)])
    with acting_as(acme):
        Voiceprint.all_tenants.filter(speaker__external_id="little").update(speech_seconds=1.2)
        Voiceprint.all_tenants.filter(speaker__external_id="much").update(speech_seconds=600.0)
    found = services.identify(acme, everybody(acme), audio(SUSAN, 2))

    assert [candidate.speaker.external_id for candidate in found.candidates] == ["little", "much"]
    assert found.candidates[0].score == pytest.approx(found.candidates[1].score)
    assert found.candidates[0].calibrated > found.candidates[1].calibrated
    assert found.margin == pytest.approx(found.candidates[0].calibrated - found.candidates[1].calibrated)


def test_a_search_finds_the_best_shown_even_when_others_have_higher_cosines(acme):
    stored(weights=Weights(offset=-25.0, cosine=50.0, speech=-6.0))
    services.enroll(acme, LIBRARY, "nearest", [audio(SUSAN, 1), audio(SUSAN, 2)])
    services.enroll(acme, LIBRARY, "best", [audio(SUSAN, 1)])
    with acting_as(acme):
        Voiceprint.all_tenants.filter(speaker__external_id="nearest").update(speech_seconds=600.0)
        Voiceprint.all_tenants.filter(speaker__external_id="best").update(speech_seconds=0.6)
    (only,) = services.identify(acme, everybody(acme), audio(SUSAN, 2), top_k=1).candidates
    nearest = services.verify(acme, everybody(acme), "nearest", audio(SUSAN, 2))

    assert only.speaker.external_id == "best"
    assert nearest.score > only.score
    assert nearest.calibrated < only.calibrated


def test_where_a_tenant_wants_it_an_utterance_of_another_voice_is_refused(acme, recordings_folder):
    acme.consistency = Consistency.REFUSE
    services.enroll(acme, LIBRARY, "susan", [audio(SUSAN, 1), audio(SUSAN, 2)])
    for change in (
        lambda: services.enroll(acme, LIBRARY, "susan", [audio(KEN)], when_enrolled=WhenEnrolled.ADD),
        lambda: services.update(acme, LIBRARY, "susan", [audio(SUSAN, 3), audio(KEN)], merge=True),
        lambda: services.enroll(acme, LIBRARY, "ken", [audio(KEN, 1), audio(SUSAN, 4)]),
    ):
        with pytest.raises(SpeakerMismatch) as refused:
            change()
        assert refused.value.score < refused.value.threshold
    with acting_as(acme):
        assert Utterance.all_tenants.count() == 2
        assert list(acme.speakers.values_list("external_id", flat=True)) == ["susan"]
    assert len([path for path in recordings_folder.rglob("*") if path.is_file()]) == 2


def test_what_agrees_or_replaces_is_welcome_to_a_tenant_that_refuses(acme):
    acme.consistency = Consistency.REFUSE
    services.enroll(acme, LIBRARY, "susan", [audio(SUSAN, 1), audio(SUSAN, 2)])
    services.update(acme, LIBRARY, "susan", [audio(SUSAN, 3)], merge=True)
    services.update(acme, LIBRARY, "susan", [audio(KEN)])

    assert services.verify(acme, everybody(acme), "susan", audio(KEN, 2)).accepted


@pytest.mark.parametrize("policy", [Consistency.WARN, Consistency.ACCEPT])
def test_other_tenants_take_what_disagrees(acme, policy):
    acme.consistency = policy
    assert services.enroll(acme, LIBRARY, "both", [audio(SUSAN), audio(KEN)]).utterance_count == 2


def synthetic(tmp_path, *, speakers=30, seed=0):
    """A trial list about 30 speakers, and what was heard: directions that lie close together for one speaker."""
    generator = np.random.default_rng(seed)
    names = [f"speaker{speaker:02}/{number}.flac" for speaker in range(speakers) for number in range(4)]
    centre = {speaker: generator.normal(0, 1, 64) for speaker in range(speakers)}
    heard = {}
    for name in names:
        vector = centre[int(name[7:9])] + generator.normal(0, 0.9, 64)
        heard[name] = Heard((vector / np.linalg.norm(vector)).astype(np.float32), generator.uniform(1, 9))
    pairs = [(one, other) for number, one in enumerate(names) for other in names[:number]]
    lines = [f"{int(one[:9] == other[:9])} {one} {other}\n" for one, other in pairs]
    (tmp_path / "trials.txt").write_text("".join(lines))
    trials = read_trials(tmp_path / "trials.txt", tmp_path)
    return trials, compared(trials, heard)


def test_what_was_learned_says_where_it_comes_from(tmp_path):
    trials, comparisons = synthetic(tmp_path)
    known = EmbeddingModel.objects.get(pk="ge2e").sha256
    calibration = learned(trials, comparisons, ModelCard("ge2e", "ge2e", 256, known, 0), about="made up")

    assert calibration.provenance.data == "made up"
    assert calibration.provenance.weights_sha256 == known
    assert calibration.provenance.trials_sha256 == trials.sha256
    assert (calibration.provenance.targets, calibration.provenance.speakers) == (180, 30)
    assert calibration.provenance.cosine_alone is not None
    store_calibration(calibration)
    assert calibration_in_force("ge2e") == calibration


def test_a_list_too_short_to_learn_from_changes_nothing(tmp_path):
    (tmp_path / "trials.txt").write_text("1 susan/1.opus susan/2.opus\n0 susan/1.opus ken/1.opus\n")
    with pytest.raises(CommandError, match="1 same-speaker and 1 different-speaker trials: at least 30"):
        call_command("calibrate", str(tmp_path / "trials.txt"), "--root", str(SAMPLES))
    assert not ModelCalibration.objects.exists()


def test_the_shipped_calibration_is_what_the_command_makes_of_the_evaluation_list(tmp_path, capsys):
    out = tmp_path / "ge2e.json"
    words = ["--root", str(shared("eval", "speech")), "--json", str(out)]
    call_command("calibrate", str(shared("eval", "trials.txt")), *words)
    made, shipped = json.loads(out.read_text()), decisions.shipped_calibration("ge2e")

    assert made["weights"] == pytest.approx(vars(shipped.weights), rel=0.02)
    assert made["provenance"]["trials_sha256"] == shipped.provenance.trials_sha256
    assert not ModelCalibration.objects.exists()
    assert "cosine and speech  on unheard speakers" in capsys.readouterr().out
