"""Changing a tenant's model in the console, with two real encoders."""

from __future__ import annotations

import csv
import io
import re

import pytest
from django.utils import timezone

from tenants.context import acting_as
from tenants.models import BUNDLED_MODEL, Tenant
from tests.cast import VOICES
from tests.console.people import enrolled
from tests.servers import through_the_queue
from voiceprints import bulk, generations, model_views, services
from voiceprints.models import Job
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/console/models/acme/"
DEEDS = ["prepare", "pause", "resume", "cancel", "switch", "roll-back", "drop"]
READERS = ["auditor", "operator", "viewer"]


def do(client, deed, **said):
    return client.post(f"{PAGE}{deed}/", said, follow=True).content.decode()


def again(tenant):
    return Tenant.objects.get(pk=tenant.pk)


def jobs(tenant):
    with acting_as(tenant):
        return list(tenant.jobs.values_list("state", flat=True))


@pytest.fixture
def acme_people(acme):
    enrolled(acme, "alice", "susan", utterances=2)
    enrolled(acme, "bob", "ken")


@pytest.fixture
def prepared(acme, acme_people, tiny):
    """With a speaker whom the second model cannot know."""
    with acting_as(acme):
        acme.utterances.filter(speaker__external_id="bob").update(recording="")
    generations.begin(acme, tiny)
    return tiny


# --- Who may do what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_owners_and_staff_find_the_buttons(who, client_of, prepared):
    page = client_of(who).get(PAGE).content.decode()
    assert all(f"{PAGE}{deed}/" in page for deed in ("switch", "drop"))


@pytest.mark.parametrize("who", READERS)
def test_other_members_read_and_change_nothing(who, client_of, acme, prepared):
    client = client_of(who)
    page = client.get(PAGE).content.decode()
    assert prepared in page
    assert not [deed for deed in DEEDS if f"{PAGE}{deed}/" in page]
    assert {client.post(f"{PAGE}{deed}/", {"model": prepared, "confirmed": "yes"}).status_code for deed in DEEDS} == {
        403
    }
    assert again(acme).models == (BUNDLED_MODEL, prepared)


@pytest.mark.parametrize("who", READERS)
def test_other_members_compare(who, client_of, prepared):
    assert client_of(who).get(f"{PAGE}compare/?model={prepared}").status_code == 200


def test_a_member_of_another_tenant_finds_none_of_it(client_of, acme, prepared):
    client = client_of("globex")
    pages = ["", "progress/", "compare/", "switch/", "drop/", "roll-back/"]
    assert {client.get(f"{PAGE}{page}?model={prepared}").status_code for page in pages} == {404}
    said = {"model": prepared, "confirmed": "yes"}
    assert {client.post(f"{PAGE}{deed}/", said).status_code for deed in DEEDS} == {404}
    assert again(acme).models == (BUNDLED_MODEL, prepared)


def test_nobody_comes_in_without_signing_in(client_of):
    assert client_of("nobody").get(PAGE).headers["Location"].startswith("/console/login/")


def test_a_member_is_led_to_their_own_tenant(client_of):
    assert client_of("viewer").get("/console/models/").headers["Location"] == PAGE


def test_staff_choose_a_tenant(client_of):
    page = client_of("staff").get("/console/models/").content.decode()
    assert PAGE in page
    assert "/console/models/globex/" in page


def test_a_tenant_or_deed_that_never_was_is_not_found(client_of):
    client = client_of("staff")
    assert client.get("/console/models/nobody/").status_code == 404
    assert client.post(f"{PAGE}explode/").status_code == 404


def test_a_form_without_its_token_changes_nothing(client_of, acme, tiny):
    client = client_of("owner")
    client.handler.enforce_csrf_checks = True
    assert client.post(f"{PAGE}prepare/", {"model": tiny}).status_code == 403
    assert jobs(acme) == []


def test_following_a_link_changes_nothing(client_of, acme, prepared):
    client = client_of("owner")
    for deed in DEEDS:
        client.get(f"{PAGE}{deed}/?model={prepared}&confirmed=yes")
    assert again(acme).models == (BUNDLED_MODEL, prepared)


# --- What is done ----------------------------------------------------------------------------------------------------


def test_the_page_says_what_is_known_of_each_model(client_of, acme_people, tiny):
    page = client_of("owner").get(PAGE).content.decode()
    assert "256 dimensions" in page
    assert "32 dimensions" in page
    assert "provisional thresholds: not measured" in page
    assert re.search(r"equal error rate \d+\.\d %", page)


def test_preparing_embeds_what_was_kept(client_of, acme, acme_people, tiny):
    client = client_of("owner")
    assert "The recordings are being embedded with tiny." in do(client, "prepare", model=tiny, rate="500")
    assert jobs(acme) == ["succeeded"]
    assert generations.coverage(acme, tiny).embedded == 3
    assert "3 / 3" in client.get(PAGE).content.decode()


@pytest.mark.parametrize("rate", ["fast", "0", "-1", "nan", "1e9"])
def test_a_rate_that_is_none_is_refused_in_words(rate, client_of, acme, tiny):
    assert "The rate must be a number" in do(client_of("owner"), "prepare", model=tiny, rate=rate)
    assert jobs(acme) == []


def test_a_job_is_paused_resumed_and_cancelled(client_of, acme, acme_people, tiny):
    client = client_of("owner")
    with through_the_queue():
        do(client, "prepare", model=tiny)
        assert "Paused." in do(client, "pause", model=tiny)
        assert jobs(acme) == ["paused"]
        do(client, "resume", model=tiny)
        assert jobs(acme) == ["queued"]
        do(client, "cancel", model=tiny)
    assert jobs(acme) == ["cancelled"]


def test_other_jobs_of_the_tenant_are_left_alone(client_of, acme, prepared):
    with through_the_queue():
        with acting_as(acme):
            job = bulk.begin_export(acme, only_library(acme))
        said = do(client_of("owner"), "cancel", model=prepared)
    assert "Nothing is being embedded with this model." in said
    assert bulk.find_job(acme, job.pk).state == Job.State.QUEUED


def only_library(tenant):
    library = tenant.libraries.get()
    return LibraryKey(library.org_id, library.tag_id)


def test_nothing_is_switched_before_somebody_said_yes(client_of, acme, prepared):
    page = do(client_of("owner"), "switch", model=prepared)
    assert "1 speaker, who must enroll again" in page
    assert "bob · acme / staff" in page
    assert "tiny is not calibrated" in page
    assert again(acme).model == BUNDLED_MODEL


def test_a_switch_to_a_calibrated_model_warns_of_nothing(client_of, acme, prepared):
    client = client_of("owner")
    do(client, "switch", model=prepared, confirmed="yes")
    page = do(client, "switch", model=BUNDLED_MODEL)
    assert "Nobody must enroll again." in page
    assert "is not calibrated" not in page


def test_after_the_switch_those_it_does_not_know_are_enrolling(client_of, acme, prepared):
    assert "tiny answers now." in do(client_of("owner"), "switch", model=prepared, confirmed="yes")
    assert (again(acme).model, again(acme).fallback_model) == (prepared, "")
    with acting_as(acme):
        assert acme.speakers.get(external_id="bob").status == "enrolling"


def test_they_may_be_compared_by_the_old_model(client_of, acme, prepared):
    do(client_of("owner"), "switch", model=prepared, confirmed="yes", answer_with_old="on")
    assert again(acme).answering_models == (prepared, BUNDLED_MODEL)
    with acting_as(acme):
        assert acme.speakers.get(external_id="bob").status == "enrolled"


def test_the_new_model_then_answers_alone(client_of, acme, prepared):
    client = client_of("owner")
    do(client, "switch", model=prepared, confirmed="yes", answer_with_old="on")
    assert "Answer alone" in client.get(PAGE).content.decode()
    assert "Let tiny answer alone?" in client.get(f"{PAGE}switch/?model={prepared}").content.decode()
    do(client, "switch", model=prepared, confirmed="yes")
    assert again(acme).answering_models == (prepared,)
    assert "Answer alone" not in client.get(PAGE).content.decode()


def test_unusable_recordings_are_accepted_by_choice_only(client_of, acme, acme_people, tiny, recordings_folder):
    with acting_as(acme):
        spoiled = acme.utterances.filter(speaker__external_id="alice").earliest("pk")
    (recordings_folder / spoiled.recording.name).write_bytes(b"no sound")
    generations.begin(acme, tiny)
    client = client_of("owner")
    assert "Although 1 recording could not be used" in client.get(f"{PAGE}switch/?model={tiny}").content.decode()
    refusal = do(client, "switch", model=tiny, confirmed="yes")
    assert "1 of 3 recordings could not be used with tiny." in refusal
    do(client, "switch", model=tiny, confirmed="yes", accept_failed="on")
    assert again(acme).model == tiny


def test_the_earlier_model_answers_again(client_of, acme, prepared):
    client = client_of("owner")
    do(client, "switch", model=prepared, confirmed="yes")
    assert f"Let {BUNDLED_MODEL} answer again instead of tiny?" in client.get(f"{PAGE}roll-back/").content.decode()
    assert f"{BUNDLED_MODEL} answers again." in do(client, "roll-back", confirmed="yes")
    assert again(acme).model == BUNDLED_MODEL


def test_dropping_deletes_the_vectors(client_of, acme, prepared):
    client = client_of("owner")
    assert "2 embeddings" in client.get(f"{PAGE}drop/?model={prepared}").content.decode()
    assert "tiny was dropped." in do(client, "drop", model=prepared, confirmed="yes")
    assert again(acme).models == (BUNDLED_MODEL,)
    with acting_as(acme):
        assert not acme.utterance_embeddings.filter(model=prepared).exists()
        assert not acme.voiceprints.filter(model=prepared).exists()


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deed", "said", "words"),
    [
        ("prepare", {"model": "nobody's"}, "No model nobody&#x27;s is known here."),
        ("switch", {"model": "nobody's"}, "Nothing is kept up for the model nobody&#x27;s."),
        ("switch", {"model": "nobody's", "confirmed": "yes"}, "Nothing is kept up for the model nobody&#x27;s."),
        ("roll-back", {}, "There is no earlier model to go back to."),
        ("roll-back", {"confirmed": "yes"}, "There is no earlier model to go back to."),
        ("drop", {"model": BUNDLED_MODEL, "confirmed": "yes"}, f"Requests are answered with {BUNDLED_MODEL}."),
        ("drop", {"model": "nobody's"}, "Nothing is kept up for the model nobody&#x27;s."),
        ("pause", {"model": "nobody's"}, "Nothing is being embedded with this model."),
    ],
)
def test_a_refusal_is_said_in_words(deed, said, words, client_of, acme_people):
    assert words in do(client_of("owner"), deed, **said)


@pytest.mark.parametrize("page", ["compare", "switch", "drop"])
def test_a_name_that_no_database_takes_is_no_model(page, client_of, acme_people):
    said = client_of("owner").get(f"{PAGE}{page}/?model=%00", follow=True)
    assert "Nothing is kept up for the model ?." in said.content.decode()


def test_nothing_is_followed_of_a_model_that_never_was(client_of, acme_people):
    client = client_of("viewer")
    for name in ("%00", "nobody's", ""):
        response = client.get(f"{PAGE}progress/?model={name}")
        assert (response.status_code, response.content.strip()) == (200, b"")


def test_an_incomplete_generation_is_refused_with_its_numbers(client_of, acme, acme_people, tiny):
    client = client_of("owner")
    with through_the_queue():
        do(client, "prepare", model=tiny)
    said = do(client, "switch", model=tiny, confirmed="yes")
    assert "3 of 3 recordings were not embedded with tiny yet." in said
    assert again(acme).model == BUNDLED_MODEL


def test_a_model_that_answered_a_moment_ago_is_not_dropped(client_of, prepared):
    client = client_of("owner")
    do(client, "switch", model=prepared, confirmed="yes")
    said = do(client, "drop", model=BUNDLED_MODEL, confirmed="yes")
    assert f"Requests that began before the switch may still need {BUNDLED_MODEL}." in said


def test_too_many_jobs_are_refused_in_words(client_of, settings, acme_people, tiny):
    settings.JOBS_PER_TENANT = 0
    assert "Too much is under way already, at most 0 at once." in do(client_of("owner"), "prepare", model=tiny)


def test_comparing_with_a_model_nobody_was_embedded_with_leads_back(client_of, acme_people, tiny):
    page = client_of("owner").get(f"{PAGE}compare/?model={tiny}", follow=True).content.decode()
    assert "Nothing is kept up for the model tiny." in page


# --- Side by side, and progress --------------------------------------------------------------------------------------


def test_both_models_are_shown_side_by_side(client_of, acme, tiny):
    for voice in VOICES:
        enrolled(acme, voice, voice, utterances=3)
    generations.begin(acme, tiny)
    page = client_of("viewer").get(f"{PAGE}compare/?model={tiny}").content.decode()
    assert page.count("<svg viewBox") == 2
    assert len(re.findall(r'class="targets" d="M[\d.]+,200(?:V[\d.]+H[\d.]+){50}V200Z"', page)) == 2
    assert "Scores by tiny" in page
    assert 'id="warnings"' in page
    assert len(re.findall(r"\d+\.\d\d % \(\d+\.\d\d–\d+\.\d\d\)", page)) == 4


def test_without_pairs_there_is_nothing_to_compare(client_of, acme, tiny):
    enrolled(acme, "alice", "susan")
    generations.begin(acme, tiny)
    assert 'id="nothing"' in client_of("viewer").get(f"{PAGE}compare/?model={tiny}").content.decode()


def test_progress_is_followed_only_while_a_job_is_under_way(client_of, acme, acme_people, tiny):
    client = client_of("viewer")
    with through_the_queue():
        job = generations.begin(acme, tiny)
    with acting_as(acme):
        acme.jobs.filter(pk=job.pk).update(done=1, total=4)
    assert "data-progress=" in client.get(PAGE).content.decode()
    part = client.get(f"{PAGE}progress/?model={tiny}").content.decode()
    assert 'value="25"' in part
    assert "data-under-way" in part
    assert "<html" not in part
    bulk.cancel_job(acme, job.pk)
    assert "data-progress=" not in client.get(PAGE).content.decode()
    assert "data-under-way" not in client.get(f"{PAGE}progress/?model={tiny}").content.decode()


def test_a_job_that_failed_says_why(client_of, acme, acme_people, tiny, models_folder):
    with through_the_queue():
        job = generations.begin(acme, tiny)
    problem = {"kind": "ModelUnusable", "numbers": {"model": tiny, "reason": "gone"}}
    with acting_as(acme):
        acme.jobs.filter(pk=job.pk).update(state="failed", finished=timezone.now(), problem=problem)
    assert "A worker could not use the model tiny." in client_of("owner").get(PAGE).content.decode()


# --- What could not be embedded --------------------------------------------------------------------------------------


@pytest.fixture
def spoiled(acme, acme_people, tiny, recordings_folder):
    """One recording of alice's is damaged and bob's is gone; and somebody chose a name that is a formula."""
    enrolled(acme, "=1+1", "klaus")
    with acting_as(acme):
        damaged = acme.utterances.filter(speaker__external_id="alice").earliest("pk")
        gone = acme.utterances.get(speaker__external_id="bob")
        formula = acme.utterances.get(speaker__external_id="=1+1")
    for utterance in (damaged, formula):
        (recordings_folder / utterance.recording.name).write_bytes(b"no sound")
    (recordings_folder / gone.recording.name).unlink()
    generations.begin(acme, tiny)
    return damaged


@pytest.mark.parametrize("who", ["owner", "viewer", "staff"])
def test_recordings_that_could_not_be_embedded_are_listed_with_the_reason(who, client_of, spoiled, tiny):
    client = client_of(who)
    assert f"{PAGE}failed/?model=tiny" in client.get(PAGE).content.decode()
    page = client.get(f"{PAGE}failed/?model=tiny").content.decode()
    assert "3 recordings could not be embedded with tiny." in page
    rows = [re.sub(r"<[^>]+>|\s+", " ", row) for row in re.findall(r"<tr>.*?</tr>", page, re.S)[1:]]
    assert [("alice" in row, "bob" in row) for row in rows] == [(True, False), (False, True), (False, False)]
    assert "The file is gone." in rows[1]
    assert str(spoiled.recording) in rows[0]
    assert f"/console/voiceprints/speaker/{spoiled.speaker_id}/change/" in page


def test_they_come_page_by_page(client_of, monkeypatch, spoiled):
    monkeypatch.setattr(model_views, "FAILURES_PER_PAGE", 2)
    client = client_of("viewer")
    first, second = (client.get(f"{PAGE}failed/?model=tiny&p={number}").content.decode() for number in (1, 2))
    assert 'rel="next"' in first
    assert 'rel="next"' not in second
    assert "page 2 of 2" in second
    assert ("alice" in first, "alice" in second) == (True, False)


def test_one_that_was_deleted_since_says_so(client_of, acme, spoiled):
    services.delete_utterance(acme, spoiled.pk)
    page = client_of("viewer").get(f"{PAGE}failed/?model=tiny").content.decode()
    assert "alice" in page
    assert "deleted since" in page


def test_they_are_downloaded_as_a_table_in_which_no_name_is_a_formula(client_of, spoiled):
    response = client_of("viewer").get(f"{PAGE}failed.csv?model=tiny")
    assert response.headers["Content-Disposition"] == 'attachment; filename="acme-tiny-failed.csv"'
    header, *rows = csv.reader(io.StringIO(response.content.decode("utf-8-sig")))
    assert header == ["organisation", "tag", "speaker", "utterance", "recording", "reason"]
    assert [row[2] for row in rows] == ["alice", "bob", "'=1+1"]
    assert (rows[0][3], rows[0][4]) == (str(spoiled.pk), str(spoiled.recording))


def test_without_a_job_there_is_no_list(client_of, acme_people, tiny):
    for page in ("failed/", "failed.csv"):
        said = client_of("viewer" if page == "failed/" else "operator").get(f"{PAGE}{page}?model=tiny", follow=True)
        assert "Nothing is kept up for the model tiny." in said.content.decode()


def test_a_member_of_another_tenant_finds_no_list(client_of, spoiled):
    client = client_of("globex")
    for page in ("failed/", "failed.csv"):
        assert client.get(f"{PAGE}{page}?model=tiny").status_code == 404
    mine = client.get("/console/models/globex/failed/?model=tiny", follow=True).content.decode()
    assert "alice" not in mine
