"""Thresholds in the console, over what real voices said to the real encoder."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tenants import auditing
from tenants.actions import Action
from tenants.context import acting_as
from tenants.models import Tenant
from tests.cast import KEN, LIBRARY, SAMPLE_RATE, SUSAN, VOICES, WEI, audio
from tests.console.people import enrolled
from voiceprints import generations, services
from voiceprints.calibration import provisional
from voiceprints.decisions import calibration_in_force, store_own_calibration
from voiceprints.evaluation import MeasuredPoint, OperatingPoint, ScoredTrials, points_at, wilson_interval
from voiceprints.own_recordings import Extent
from voiceprints.own_trials import own_trials
from voiceprints.results import AudioInput
from voiceprints.side_by_side import histogram_of
from voiceprints.threshold_page import RATES, Step, step_at, threshold_page
from voiceprints.threshold_words import base_of

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/console/thresholds/acme/"
MOST_QUERIES = 12


@pytest.fixture
def crowd(acme) -> Tenant:
    for voice in VOICES:
        enrolled(acme, voice, voice, utterances=3)
    return acme


def text(response) -> str:
    return response.content.decode()


def steps(page: str) -> list[dict]:
    return json.loads(re.search(r'id="steps" type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def again(tenant) -> Tenant:
    return Tenant.objects.get(pk=tenant.pk)


@pytest.mark.parametrize(
    "page", ["thresholds/acme/", "speakers/{}/nearest/", "voiceprints/speaker/{}/change/", "libraries/{}/map/"]
)
def test_a_cosine_is_explained_wherever_one_is_shown(page, client_of, acme, crowd):
    twin = enrolled(acme, "twin", VOICES[0])[0]
    other = enrolled(acme, "other", VOICES[0], utterances=2)[0]
    key = twin.library.pk if "libraries" in page else other.pk
    assert "A cosine says how alike two voiceprints are" in text(client_of("owner").get(f"/console/{page.format(key)}"))


# --- What is measured ------------------------------------------------------------------------------------------------


def test_every_pair_of_a_small_tenant_is_heard_once(crowd):
    own = own_trials(crowd, calibration_in_force("ge2e"))
    people = len(VOICES)
    assert (own.speakers, own.utterances) == (people, 3 * people)
    assert (own.trials.targets, own.trials.impostors) == (3 * people, 9 * people * (people - 1) // 2)


def test_a_pair_is_accepted_where_a_comparison_would_be(crowd):
    """The score is a cosine for so much speech on both sides, so that one threshold decides as the seconds would."""
    calibration = calibration_in_force("ge2e")
    own = own_trials(crowd, calibration)
    with acting_as(crowd):
        said = list(crowd.utterances.order_by("pk"))
        vectors = {one.utterance_id: one.embedding for one in crowd.utterance_embeddings.filter(model="ge2e")}
    accepted = 0
    for place, one in enumerate(said):
        for other in said[place + 1 :]:
            if one.speaker_id == other.speaker_id:
                cosine = float(np.dot(vectors[one.pk], vectors[other.pk]))
                accepted += cosine >= calibration.threshold(0.001, one.speech_seconds, other.speech_seconds)
    (point,) = points_at(own.trials, [calibration.threshold(0.001, own.seconds, own.seconds)])
    assert point.point.frr == pytest.approx(1 - accepted / own.trials.targets)


def test_the_same_people_are_drawn_each_time(crowd, monkeypatch):
    monkeypatch.setattr("voiceprints.own_trials.QUICK", Extent(drawn=4, speakers=4, each=3))
    calibration = calibration_in_force("ge2e")
    first, second = own_trials(crowd, calibration), own_trials(crowd, calibration)
    assert first.speakers == 4
    assert np.array_equal(first.trials.scores, second.trials.scores)


def test_who_said_more_than_one_recording_is_heard_first(crowd, monkeypatch):
    for number, voice in enumerate(VOICES):
        enrolled(crowd, f"single {number}", voice)
    monkeypatch.setattr("voiceprints.own_trials.QUICK", Extent(drawn=100, speakers=len(VOICES), each=3))
    assert own_trials(crowd, calibration_in_force("ge2e")).trials.targets == 3 * len(VOICES)


def test_strangers_are_drawn_within_a_library(acme):
    enrolled(acme, "alice", "susan", utterances=2)
    enrolled(acme, "alice", "susan", tag_id="guests", utterances=2)
    assert own_trials(acme, calibration_in_force("ge2e")).trials is None


def test_models_are_never_mixed(crowd, tiny):
    generations.begin(crowd, tiny)
    heard = own_trials(crowd, calibration_in_force("ge2e"))
    other = own_trials(crowd, provisional(tiny))
    assert heard.utterances == other.utterances == 3 * len(VOICES)
    assert not np.allclose(heard.trials.scores, other.trials.scores)


def test_nobody_of_another_tenant_is_heard(crowd, globex):
    assert own_trials(globex, calibration_in_force("ge2e")).utterances == 0


def test_a_library_is_looked_at_alone(client_of, crowd):
    speaker, _ = enrolled(crowd, "guest", "susan", tag_id="guests", utterances=2)
    assert own_trials(crowd, calibration_in_force("ge2e"), speaker.library).speakers == 1
    assert 'id="nothing"' in text(client_of("viewer").get(f"{PAGE}?library={speaker.library.pk}"))


# --- Intervals -------------------------------------------------------------------------------------------------------


def trials(repeats: int) -> ScoredTrials:
    """Eight speakers with one score each, said again and again, and as many pairs of two."""
    scores = np.repeat([0.9, 0.8, 0.9, 0.7, 0.9, 0.4, 0.9, 0.6, 0.3, 0.5, 0.2, 0.1, 0.3, 0.7, 0.2, 0.1], repeats)
    same = np.repeat([True] * 8 + [False] * 8, repeats)
    one = np.repeat([*range(8), *range(8)], repeats)
    other = np.repeat([*range(8), *[1, 2, 3, 4, 5, 6, 7, 0]], repeats)
    return ScoredTrials(scores, same, np.stack([one, other], axis=1))


def test_saying_the_same_again_makes_nothing_surer():
    (once,), (often,) = points_at(trials(1), [0.65]), points_at(trials(50), [0.65])
    assert often.frr_interval == pytest.approx(once.frr_interval)
    assert often.frr_interval == pytest.approx(wilson_interval(0.25, 8))


def test_where_all_went_well_there_are_no_more_trials_than_speakers():
    (point,) = points_at(trials(50), [0.2])
    assert (point.point.frr, point.frr_interval) == (0, wilson_interval(0, 8))


# --- The page --------------------------------------------------------------------------------------------------------


def test_the_page_says_what_is_in_force_and_where_it_comes_from(client_of, crowd):
    page = text(client_of("viewer").get(PAGE))
    assert "In force: 1 % of strangers may get in." in page
    assert "Wanted: of 1000 strangers 10 may get in." in page
    assert "Measured on this tenant's own recordings" in page
    assert "speechocean762" in page
    assert 'id="provisional"' not in page


def test_a_model_nobody_measured_is_called_provisional(client_of, acme, tiny):
    acme.model = tiny
    acme.save(update_fields=["model"])
    page = text(client_of("viewer").get(PAGE))
    assert 'id="provisional"' in page
    assert "Ask platform staff to do so." in page
    assert "manage.py" not in page
    assert "manage.py tenant_model --tenant acme calibrate" in text(client_of("staff").get(PAGE))
    assert "Nobody measured how many recordings of the right speaker it turns away." in page


def test_a_pair_that_says_the_same_in_few_seconds_is_on_the_page(client_of, acme, tmp_path):
    """Converted to as much speech as the calibration is for, its score is more than any cosine."""
    file = tmp_path / "sample.wav"
    call_command("sample_wav", KEN, "3", str(file))
    short = AudioInput(read=lambda: file.read_bytes()[: 3 * 2 * SAMPLE_RATE])
    services.enroll(acme, LIBRARY, KEN, [short, short])
    for voice in (SUSAN, WEI):
        services.enroll(acme, LIBRARY, voice, [audio(voice)])
    found = own_trials(acme, calibration_in_force("ge2e")).trials
    assert found.scores.max() > 1
    histogram = histogram_of(found)
    assert (sum(histogram.targets), sum(histogram.impostors)) == (found.targets, found.impostors)
    assert client_of("owner").get(PAGE).status_code == 200


def test_each_place_of_the_slider_is_on_the_page(client_of, crowd):
    found = steps(text(client_of("viewer").get(PAGE)))
    assert [step["value"] for step in found] == [f"{rate:g}" for rate in RATES]
    thresholds = [float(step["threshold"]) for step in found]
    assert thresholds == sorted(thresholds, reverse=True)
    assert found[0]["wanted"] == "Wanted: of 100000 strangers 10 may get in."


@pytest.mark.parametrize(
    ("rate", "base"), [(0.2, 1000), (0.01, 1000), (0.008, 10_000), (0.001, 10_000), (0.0001, 100_000)]
)
def test_a_rate_is_told_in_so_many_people_that_ten_are_wanted(rate, base):
    assert base_of(rate) == base


def measured(far: float, interval: tuple[float, float]) -> MeasuredPoint:
    return MeasuredPoint(OperatingPoint(0.8, far, 0.16), interval, (0.1234, 0.2))


def test_what_is_wanted_and_what_was_measured_are_told_in_one_form():
    step = Step(0.001, 0.8, measured(0.004, (0.00095, 0.0101)), None)
    assert step.sentences == [
        "Wanted: of 10000 strangers 10 may get in.",
        "Measured: of 10000 strangers 40 (9 to 101) got in.",
        "Measured: of 1000 recordings of the right speaker 160 (123 to 200) were turned away.",
    ]


def test_strangers_who_got_in_beyond_what_is_wanted_are_a_warning():
    step = Step(0.001, 0.8, measured(0.005, (0.002, 0.017)), None)
    assert step.sentences[-1] == step.excess == "More strangers got in than wanted, and chance hardly explains it."


def test_strangers_kept_out_beyond_what_is_wanted_are_one_too():
    step = Step(0.05, 0.8, measured(0.004, (0.002, 0.017)), None)
    assert step.sentences[-1] == step.shortfall
    assert "more recordings of the right speaker are turned away than need be" in step.shortfall


def test_where_nobody_said_enough_nothing_is_promised_of_strangers(client_of, acme):
    page = text(client_of("viewer").get(PAGE))
    assert "nobody measured it yet" in page
    assert "Where the threshold was learned, of 1000 recordings of the right speaker 67 were turned away." in page
    assert "got in." not in page


@pytest.fixture
def twins(acme) -> Tenant:
    """Everybody was enrolled twice, under two names."""
    for voice in VOICES:
        enrolled(acme, voice, voice, utterances=3)
        enrolled(acme, f"{voice} again", voice, utterances=3)
    return acme


def test_the_page_warns_where_recordings_contradict_the_rate(client_of, twins):
    client = client_of("owner")
    page = text(client.get(f"{PAGE}?step={RATES.index(0.001)}"))
    assert re.search(r'data-notice="excess">', page)
    assert re.search(r'data-notice="shortfall" hidden>', page)
    assert "somebody enrolled twice" in page
    asked = text(client.get(f"{PAGE}apply/?far=0.001"))
    assert "More strangers got in than wanted, and chance hardly explains it." in asked


def test_a_calibration_of_the_tenants_own_is_called_so_and_made_again(client_of, crowd):
    assert "The threshold was learned from recordings like these" not in text(client_of("viewer").get(PAGE))
    store_own_calibration(crowd, calibration_in_force("ge2e"))
    page = text(client_of("staff").get(PAGE))
    assert "The threshold was learned from recordings like these" in page
    assert "manage.py tenant_model --tenant acme calibrate --replace" in page


def test_the_page_does_not_warn_where_they_agree(client_of, crowd):
    assert 'data-notice="excess" hidden>' in text(client_of("viewer").get(PAGE))


def test_without_scripts_a_form_shows_a_place(client_of, crowd):
    client = client_of("viewer")
    page = text(client.get(f"{PAGE}?step={RATES.index(0.05)}"))
    assert "Wanted: of 1000 strangers 50 may get in." in page
    assert re.search(rf'name="step"[^>]*value="{RATES.index(0.05)}"', page)
    assert client.get(f"{PAGE}?step=999").status_code == 200
    assert client.get(f"{PAGE}?step=%00").status_code == 200


def test_the_figures_are_those_of_the_drawn_pairs(crowd):
    page = threshold_page(crowd, library=None, chosen=RATES.index(0.01))
    assert page.step.measured.point.threshold == page.step.threshold
    low, high = page.step.measured.frr_interval
    assert low <= page.step.measured.point.frr <= high


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_the_page_takes_as_many_queries_for_many_speakers_as_for_few(who, client_of, acme):
    client = client_of(who)
    enrolled(acme, "alice", "susan", utterances=2)
    enrolled(acme, "bob", "ken")
    few = queries(client)
    for number, voice in enumerate(VOICES):
        enrolled(acme, f"person {number}", voice, tag_id=f"tag {number}", utterances=2)
    assert queries(client) == few <= MOST_QUERIES


def queries(client) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(PAGE).status_code == 200
    asked = [one["sql"] for one in captured if "calibration" not in one["sql"]]
    return len([sql for sql in asked if sql.startswith("SELECT") and "set_config" not in sql])


# --- Changing --------------------------------------------------------------------------------------------------------


def test_nothing_is_applied_before_somebody_said_yes(client_of, crowd):
    client = client_of("owner")
    page = text(client.get(f"{PAGE}apply/?far=0.05"))
    assert "Aim at 5 % of strangers instead of 1 %?" in page
    assert "Wanted: of 1000 strangers 50 may get in." in page
    assert "Until now: Wanted: of 1000 strangers 10 may get in." in page
    client.get(f"{PAGE}apply/?far=0.05&confirmed=yes")
    client.post(f"{PAGE}apply/", {"far": "0.05"})
    assert again(crowd).false_accept_rate == 0.01
    said = client.post(f"{PAGE}apply/", {"far": "0.05", "confirmed": "yes"}, follow=True)
    assert "From now on 5 % of strangers may get in." in text(said)
    assert again(crowd).false_accept_rate == 0.05


def test_the_question_says_how_sure_the_figures_are(client_of, crowd):
    page = text(client_of("owner").get(f"{PAGE}apply/?far=0.05"))
    now, then = step_at(crowd, 0.05)
    for step in (now, then):
        assert step.let_in in page
        assert step.turned_away in page
    assert "with a confidence of 95 %" in page


def test_where_nobody_said_enough_the_question_claims_nothing(client_of, acme):
    page = text(client_of("owner").get(f"{PAGE}apply/?far=0.05"))
    assert "Aim at 5 % of strangers instead of 1 %?" in page
    assert "Measured:" not in page


def test_a_change_stands_in_the_audit_trail(client_of, crowd):
    client = client_of("owner")
    client.post(f"{PAGE}apply/", {"far": "0.05", "confirmed": "yes"})
    client.post(f"{PAGE}policy/", {"required_speech_seconds": "1.1", "consistency": "refuse"})
    with acting_as(crowd):
        rate, asked = list(auditing.events_of(crowd).filter(action=Action.TENANT_CHANGED).order_by("number"))
    assert rate.details == {"changes": {"false_accept_rate": [0.01, 0.05]}}
    assert asked.details == {"changes": {"consistency": ["warn", "refuse"]}}
    assert (rate.actor_name, rate.interface) == ("acme-owner", "console")


@pytest.mark.parametrize("far", ["", "much", "0", "0.5", "5", "nan", "-1"])
def test_a_rate_that_cannot_be_kept_is_refused(far, client_of, acme):
    client = client_of("owner")
    asked = client.get(f"{PAGE}apply/", {"far": far}, follow=True)
    said = client.post(f"{PAGE}apply/", {"far": far, "confirmed": "yes"}, follow=True)
    assert "That is no false accept rate" in text(asked)
    assert "That is no false accept rate" in text(said)
    assert again(acme).false_accept_rate == 0.01


def test_what_is_asked_of_recordings_is_changed(client_of, acme):
    said = {"required_speech_seconds": "2.5", "consistency": "refuse"}
    page = text(client_of("owner").post(f"{PAGE}policy/", said, follow=True))
    assert "Saved." in page
    assert (again(acme).required_speech_seconds, again(acme).consistency) == (2.5, "refuse")


@pytest.mark.parametrize("said", [{"required_speech_seconds": "0.1"}, {"consistency": "perhaps"}])
def test_what_cannot_be_asked_is_refused_on_the_page(said, client_of, acme):
    fit = {"required_speech_seconds": "2", "consistency": "warn"}
    response = client_of("owner").post(f"{PAGE}policy/", fit | said)
    assert 'class="errors' in text(response)
    assert again(acme).required_speech_seconds == 1.1


@pytest.mark.parametrize("who", ["operator", "auditor", "viewer"])
def test_others_than_owners_read_and_change_nothing(who, client_of, crowd):
    client = client_of(who)
    assert f"{PAGE}apply/" not in text(client.get(PAGE))
    deeds = {"apply/": {"far": "0.05", "confirmed": "yes"}, "policy/": {"consistency": "accept"}}
    assert {client.post(f"{PAGE}{deed}", said).status_code for deed, said in deeds.items()} == {403}
    assert again(crowd).false_accept_rate == 0.01


def test_a_member_of_another_tenant_finds_none_of_it(client_of, crowd):
    client = client_of("globex")
    with acting_as(crowd):
        library = crowd.libraries.get().pk
    pages = [PAGE, f"{PAGE}?library={library}", f"{PAGE}apply/?far=0.05", f"{PAGE}policy/"]
    assert {client.get(page).status_code for page in pages} == {404}
    assert client.get(f"/console/thresholds/globex/?library={library}").status_code == 404
    assert client.post(f"{PAGE}apply/", {"far": "0.05", "confirmed": "yes"}).status_code == 404
    assert client.post(f"{PAGE}policy/", {"consistency": "accept"}).status_code == 404


@pytest.mark.parametrize("library", ["x", "%00", "1" * 30, "-1"])
def test_a_library_that_is_none_is_not_found(library, client_of, acme):
    assert client_of("owner").get(f"{PAGE}?library={library}").status_code == 404


def test_a_member_is_led_to_their_own_tenant_and_staff_choose(client_of):
    assert client_of("viewer").get("/console/thresholds/").headers["Location"] == PAGE
    assert f'href="{PAGE}"' in text(client_of("staff").get("/console/thresholds/"))
