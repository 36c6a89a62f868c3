"""Calibrating on a tenant's own recordings: by what real people said to the real encoder, for that tenant alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command

from tenants import auditing
from tenants.actions import Action
from tenants.context import acting_as, acting_as_platform
from tenants.models import BUNDLED_MODEL
from tests.audio.recordings import SAMPLES, VOICES
from tests.cast import KEN, LIBRARY, SUSAN, audio
from tests.shared_data import SHARED_DATA
from voiceprints import decisions, own_calibration, services
from voiceprints.calibration import Weights, provisional
from voiceprints.decisions import calibration_in_force, calibration_of, shipped_calibration
from voiceprints.errors import CalibratedAlready, CalibrationNoBetter, GenerationNotFound, TooFewPairs
from voiceprints.models import EmbeddingModel, ModelCalibration
from voiceprints.own_calibration import calibrate
from voiceprints.results import AudioInput

pytestmark = pytest.mark.django_db

EACH = 4


@pytest.fixture
def crowd(acme, monkeypatch):
    """Twenty people, whose model nobody calibrated well.

    Where their recordings are not at hand, the generated voices, which are fewer.
    """
    decisions.store_calibration(provisional(BUNDLED_MODEL))
    folder = SHARED_DATA / "speech" if SHARED_DATA.is_dir() else SAMPLES
    if folder == SAMPLES:
        for name, least in {"TARGETS": 40, "IMPOSTORS": 400, "SPEAKERS": len(VOICES)}.items():
            monkeypatch.setattr(own_calibration, f"LEAST_{name}", least)
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        said = [AudioInput(read=file.read_bytes) for file in sorted(person.iterdir())[:EACH]]
        services.enroll(acme, LIBRARY, person.name, said)
    return acme


def test_it_is_in_force_for_the_tenant_and_for_nobody_else(crowd, globex):
    found = calibrate(crowd, BUNDLED_MODEL)

    assert calibration_of(crowd, BUNDLED_MODEL) == found.calibration
    for other in (calibration_of(globex, BUNDLED_MODEL), calibration_in_force(BUNDLED_MODEL)):
        assert other == provisional(BUNDLED_MODEL)
    assert ModelCalibration.objects.count() == 1


def test_comparisons_are_decided_by_it(crowd, globex):
    for tenant in (crowd, globex):
        services.enroll(tenant, LIBRARY, "new", [audio(SUSAN, 1)])
    before = verified(crowd)
    calibration = calibrate(crowd, BUNDLED_MODEL).calibration
    after = verified(crowd)

    with acting_as(crowd):
        enrolled = crowd.voiceprints.get(speaker__external_id="new").speech_seconds
    expected = calibration.threshold(crowd.false_accept_rate, enrolled, after.quality.speech_seconds)
    assert after.threshold == pytest.approx(expected)
    assert after.threshold != before.threshold
    assert verified(globex).threshold == before.threshold


def verified(tenant):
    return services.verify(tenant, tenant.libraries.all(), "new", audio(SUSAN, 2))


def test_it_says_what_changed_on_the_same_pairs(crowd):
    crowd.false_accept_rate = 0.05
    found = calibrate(crowd, BUNDLED_MODEL)

    before, after = found.before, found.after
    assert before.threshold == provisional(BUNDLED_MODEL).threshold(0.05, found.seconds, found.seconds)
    assert after.threshold == found.calibration.threshold(0.05, found.seconds, found.seconds)
    assert after.quality.cllr < before.quality.cllr
    assert after.at_far.point.far <= 0.05
    assert abs(after.at_far.point.far - 0.05) < abs(before.at_far.point.far - 0.05)
    assert found.held_out.cllr < 0.5


def test_where_it_comes_from_names_nobody(crowd):
    calibrate(crowd, BUNDLED_MODEL)

    with acting_as(crowd):
        record = crowd.calibrations.get().record
    known, people = record["provenance"], names_of(crowd)
    assert known["weights_sha256"] == EmbeddingModel.objects.get(pk=BUNDLED_MODEL).sha256
    assert (known["speakers"], known["targets"]) == (len(people), len(people) * EACH * (EACH - 1) // 2)
    assert len(known["trials_sha256"]) == 64
    assert [name for name in [crowd.slug, LIBRARY.tag_id, *people] if name in json.dumps(record)] == []


def test_a_second_one_must_be_asked_for(crowd):
    calibrate(crowd, BUNDLED_MODEL)
    with pytest.raises(CalibratedAlready):
        calibrate(crowd, BUNDLED_MODEL)
    services.enroll(crowd, LIBRARY, "new", [audio(SUSAN, 1), audio(SUSAN, 2)])
    again = calibrate(crowd, BUNDLED_MODEL, replace=True)

    assert calibration_of(crowd, BUNDLED_MODEL) == again.calibration
    with acting_as(crowd):
        assert crowd.calibrations.count() == 2


def test_one_that_is_no_better_than_the_installations_must_be_asked_for(crowd):
    found = calibrate(crowd, BUNDLED_MODEL)
    decisions.store_calibration(found.calibration)
    decisions.drop_own_calibrations(crowd, BUNDLED_MODEL)
    with pytest.raises(CalibrationNoBetter) as refused:
        calibrate(crowd, BUNDLED_MODEL)
    assert refused.value.cllr == found.held_out.cllr
    assert refused.value.installations_cllr == pytest.approx(found.after.quality.cllr)
    with acting_as(crowd):
        assert not crowd.calibrations.exists()
    assert calibrate(crowd, BUNDLED_MODEL, accept_worse=True).calibration == calibration_of(crowd, BUNDLED_MODEL)


def names_of(tenant):
    with acting_as(tenant):
        return list(tenant.speakers.values_list("external_id", flat=True))


def test_too_few_pairs_are_refused_with_their_numbers(acme):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 1), audio(SUSAN, 2)])
    services.enroll(acme, LIBRARY, KEN, [audio(KEN)])
    with pytest.raises(TooFewPairs) as refused:
        calibrate(acme, BUNDLED_MODEL)
    assert str(refused.value) == (
        "1 pairs of one speaker, 2 of two of one library, 2 speakers: at least 100, 1000 and 20 are needed"
    )


def test_another_tenants_recordings_teach_nothing(crowd, globex):
    with pytest.raises(TooFewPairs, match=r"^0 pairs"):
        calibrate(globex, BUNDLED_MODEL)


def test_a_model_that_is_not_kept_up_is_refused(acme, tiny):
    with pytest.raises(GenerationNotFound):
        calibrate(acme, tiny)


def test_one_of_other_weights_does_not_count(acme):
    provenance = replace(shipped_calibration(BUNDLED_MODEL).provenance, weights_sha256=64 * "1")
    other = replace(shipped_calibration(BUNDLED_MODEL), weights=Weights(-30, 42, 0), provenance=provenance)
    decisions.store_own_calibration(acme, other)

    assert calibration_of(acme, BUNDLED_MODEL) == shipped_calibration(BUNDLED_MODEL)


@pytest.mark.parametrize("view", [acting_as, lambda _: acting_as_platform()], ids=["tenant", "platform"])
def test_whatever_is_in_force_is_looked_up_at_once(view, crowd, tiny, django_assert_num_queries):
    found = calibrate(crowd, BUNDLED_MODEL)
    decisions.forget_calibrations()

    with view(crowd), django_assert_num_queries(1):
        in_force = decisions.calibrations_of(crowd, [BUNDLED_MODEL, tiny])
    assert in_force == {BUNDLED_MODEL: found.calibration, tiny: provisional(tiny)}


def said(capsys, *words):
    call_command("tenant_model", "--tenant", "acme", *words)
    return capsys.readouterr().out.strip()


def test_it_is_made_and_dropped_by_command(crowd, capsys):
    words = said(capsys, "calibrate")
    assert "before EER" in words
    assert "after  EER" in words
    assert "calibrated on own recordings" in said(capsys, "status")
    with pytest.raises(CommandError, match="--replace"):
        call_command("tenant_model", "--tenant", "acme", "calibrate", BUNDLED_MODEL)
    figures = json.loads(said(capsys, "--json", "calibrate", "--replace"))
    assert figures["after"]["cllr"] < figures["before"]["cllr"] + 1e-9
    assert json.loads(said(capsys, "--json", "uncalibrate")) == {"model": BUNDLED_MODEL, "dropped": 2}
    assert calibration_of(crowd, BUNDLED_MODEL) == provisional(BUNDLED_MODEL)
    assert "there was none" in said(capsys, "uncalibrate")
    with acting_as(crowd):
        told = list(auditing.events_of(crowd).filter(object_kind="model").order_by("number"))
    assert [one.action for one in told] == [*2 * [Action.MODEL_CALIBRATED], Action.CALIBRATION_DROPPED]
    assert {one.interface for one in told} == {"manage.py tenant_model"}


def test_too_few_pairs_are_said_in_one_line(acme):
    with pytest.raises(CommandError, match="0 pairs of one speaker"):
        call_command("tenant_model", "--tenant", "acme", "calibrate")
