"""`manage.py reembed` and `manage.py tenant_model`, and the report before a switch."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tenants.context import acting_as
from tenants.models import BUNDLED_MODEL, Tenant
from tests.cast import KEN, LIBRARY, OTHER_TAG, SUSAN, VOICES, audio
from tests.ctrl_c import stopped_when
from tests.servers import through_the_queue
from voiceprints import generations, jobs, services
from voiceprints.errors import GenerationNotFound
from voiceprints.models import Job
from voiceprints.side_by_side import report

pytestmark = pytest.mark.django_db(transaction=True)


def said(capsys, *words):
    call_command(*words)
    return capsys.readouterr().out.strip()


def answered(capsys, *words):
    return json.loads(said(capsys, "tenant_model", "--tenant", "acme", "--json", *words))


@pytest.fixture
def everybody(acme):
    for voice in VOICES:
        services.enroll(acme, LIBRARY, voice, [audio(voice, number) for number in (1, 2, 3)])
    return acme


def test_a_tenant_changes_its_model_and_changes_back_by_command(everybody, tiny, capsys):
    words = said(capsys, "reembed", "--tenant", "acme", "--to", tiny, "--wait")
    assert words == f"{3 * len(VOICES)} utterances are embedded with tiny"
    assert answered(capsys, "switch", tiny)["model"] == tiny
    assert Tenant.objects.get(slug="acme").model == tiny
    assert answered(capsys, "roll-back")["model"] == BUNDLED_MODEL
    with pytest.raises(CommandError, match=r"for [0-9]+ s more"):
        call_command("tenant_model", "--tenant", "acme", "drop", tiny)
    Tenant.objects.update(switched=timezone.now() - timedelta(hours=1))
    assert answered(capsys, "drop", tiny) == {"dropped": tiny, "vectors": 4 * len(VOICES)}


def test_status_says_how_far_each_generation_is(everybody, tiny, capsys):
    generations.begin(everybody, tiny)
    found = answered(capsys, "status")
    assert found["model"] == BUNDLED_MODEL
    assert found["generations"][tiny]["missing"] == 0
    assert found["generations"][tiny]["job"]["state"] == "succeeded"
    assert "tiny: stands by; 24 of 24 utterances embedded" in said(capsys, "tenant_model", "--tenant", "acme", "status")


def test_a_paused_job_is_resumed_by_command(everybody, tiny, capsys):
    with through_the_queue():
        begun = json.loads(said(capsys, "reembed", "--tenant", "acme", "--to", tiny, "--json"))
        assert begun["state"] == "queued"
        assert answered(capsys, "pause")["state"] == "paused"
    assert answered(capsys, "resume")["id"] == begun["job"]
    assert answered(capsys, "status")["generations"][tiny]["job"]["state"] == "succeeded"
    jobs.connection().flushall()


def test_a_rate_slows_it_down(everybody, tiny, capsys):
    began = time.monotonic()
    said(capsys, "reembed", "--tenant", "acme", "--to", tiny, "--rate", "8", "--wait")
    # The last of three batches of eight begins when the first sixteen have had their time.
    assert time.monotonic() - began > 2


def test_ctrl_c_ends_the_waiting_and_not_the_job(everybody, tiny):
    with through_the_queue(), stopped_when(lambda: jobs.connection().llen("bulk")) as told:
        call_command("reembed", "--tenant", "acme", "--to", tiny, "--wait")

    with acting_as(everybody):
        job = everybody.jobs.get()
    assert told == [f"stopped waiting; job {job.pk} goes on"]
    assert job.state == Job.State.QUEUED
    jobs.connection().flushall()


@pytest.mark.parametrize("rate", ["0", "-1", "fast", "nan", "inf"])
def test_no_rate_is_refused(acme, tiny, rate):
    with pytest.raises(CommandError, match="recordings per second"):
        call_command("reembed", "--tenant", "acme", "--to", tiny, "--rate", rate)


def test_refusals_are_one_line(acme, tiny):
    with pytest.raises(CommandError, match="nobody's"):
        call_command("reembed", "--tenant", "acme", "--to", "nobody's")
    with pytest.raises(CommandError, match="begin with a re-embedding"):
        call_command("tenant_model", "--tenant", "acme", "switch", tiny)
    with pytest.raises(CommandError, match="nothing is being embedded"):
        call_command("tenant_model", "--tenant", "acme", "pause")


def test_a_switch_that_comes_too_early_is_told_what_to_do(everybody, tiny):
    Tenant.objects.filter(pk=everybody.pk).update(other_models=[tiny])
    with pytest.raises(CommandError, match=r"24 of 24 utterances .* `reembed --to tiny` embeds what is missing"):
        call_command("tenant_model", "--tenant", "acme", "switch", tiny)


def test_a_switch_although_recordings_cannot_be_used_must_be_asked_for(everybody, tiny, recordings_folder, capsys):
    with acting_as(everybody):
        broken = str(everybody.utterances.filter(speaker__external_id=KEN).earliest("pk").recording)
    (recordings_folder / broken).write_bytes(b"no recording")
    generations.begin(everybody, tiny)
    with pytest.raises(CommandError, match=r"recordings of 1 of 24 utterances .* `failed tiny` lists them"):
        call_command("tenant_model", "--tenant", "acme", "switch", tiny)
    assert answered(capsys, "switch", tiny, "--accept-failed")["model"] == tiny


def test_who_must_enroll_again_is_listed(everybody, tiny, capsys):
    with acting_as(everybody):
        everybody.utterances.filter(speaker__external_id=KEN).update(recording="")
    generations.begin(everybody, tiny)
    assert answered(capsys, "missing", tiny)["speakers"] == [["acme", "staff", KEN]]
    call_command("tenant_model", "--tenant", "acme", "status")
    assert f"3 kept without a recording, 1 of {len(VOICES)} speakers must enroll again" in capsys.readouterr().out


def test_recordings_that_could_not_be_embedded_are_listed(everybody, tiny, recordings_folder, capsys):
    with acting_as(everybody):
        broken = everybody.utterances.filter(speaker__external_id=KEN).earliest("pk")
    (recordings_folder / str(broken.recording)).write_bytes(b"no recording")
    generations.begin(everybody, tiny)
    (found,) = answered(capsys, "failed", tiny)["recordings"]
    assert (found["external_id"], found["utterance"], found["recording"]) == (KEN, broken.pk, str(broken.recording))
    assert found["reason"]


def test_the_report_shows_both_models_on_the_same_pairs(everybody, tiny):
    generations.begin(everybody, tiny)
    found = report(everybody, BUNDLED_MODEL, tiny)
    # Three utterances of each voice: three pairs within, and nine with each other voice.
    assert (found.targets, found.impostors) == (3 * len(VOICES), 9 * len(VOICES) * (len(VOICES) - 1) // 2)
    assert [side.model for side in found.sides] == [BUNDLED_MODEL, tiny]
    for side in found.sides:
        assert sum(side.histogram.targets) == found.targets
        assert sum(side.histogram.impostors) == found.impostors
        assert side.eer_interval[0] <= side.eer <= side.eer_interval[1]
        assert side.at_far.point.far <= found.far
    assert found.warnings == ("few_targets", "few_impostors", "few_speakers")
    assert report(everybody, BUNDLED_MODEL, tiny) == found


def test_utterances_of_different_libraries_are_no_pairs(acme, tiny):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 1), audio(SUSAN, 2)])
    services.enroll(acme, OTHER_TAG, KEN, [audio(KEN, 1), audio(KEN, 2)])
    generations.begin(acme, tiny)
    found = report(acme, BUNDLED_MODEL, tiny)
    assert (found.targets, found.impostors, found.sides) == (2, 0, ())


def test_the_report_knows_nothing_of_another_tenant(everybody, globex, tiny):
    generations.begin(everybody, tiny)
    with pytest.raises(GenerationNotFound):
        report(globex, BUNDLED_MODEL, tiny)


def test_the_report_is_told_in_words(everybody, tiny, capsys):
    generations.begin(everybody, tiny)
    words = said(capsys, "tenant_model", "--tenant", "acme", "report", tiny)
    assert "24 same-speaker and 252 different-speaker pairs, 8 speakers" in words
    assert "ge2e: EER" in words
    assert "tiny: EER" in words
    assert "too little to rely on: fewer than 100 same-speaker pairs, fewer than 1000 different-speaker pairs" in words
    assert "tiny is not calibrated" in words
    assert "ge2e is not calibrated" not in words


def test_a_switch_to_a_model_that_nobody_calibrated_says_so(everybody, tiny, capsys):
    generations.begin(everybody, tiny)
    assert said(capsys, "tenant_model", "--tenant", "acme", "status").rstrip().endswith("not calibrated")
    assert "tiny is not calibrated: until then" in said(capsys, "tenant_model", "--tenant", "acme", "switch", tiny)
