"""Trying a recording in the console: answered like a client, and nothing of it stays."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tenants.context import acting_as
from tests.cast import recording, wav
from tests.console.people import enrolled
from tests.usage import counted
from voiceprints.models import DoomedRecording

pytestmark = pytest.mark.django_db(transaction=True)


def file(voice: str, number: int = 4) -> SimpleUploadedFile:
    return SimpleUploadedFile(f"{voice}.opus", recording(voice, number), "audio/ogg")


@pytest.fixture
def library(acme):
    enrolled(acme, "alice", "susan", utterances=2)
    return enrolled(acme, "bob", "ken", utterances=2)[0].library


def tried(client, library, **sent) -> str:
    sent = {"library": library.pk, "asked": "identify", "external_id": ""} | sent
    return client.post("/console/try/", sent).content.decode()


def test_the_speaker_is_identified_with_margin_and_quality(client_of, library):
    page = tried(client_of("operator"), library, audio=file("susan"))
    assert "It is alice, as far as can be heard." in page
    assert page.index(">alice</a>") < page.index(">bob</a>")
    assert page.count("below the threshold") == 1
    assert "above the runner-up" in page
    assert "A cosine says how alike two voiceprints are" in page
    assert "s of speech" in page


def test_without_any_library_it_is_said_what_is_missing(client_of, acme):
    page = client_of("operator").get("/console/try/").content.decode()
    assert "There is no library yet" in page
    assert "/console/voiceprints/library/add/" in page
    assert 'name="audio"' not in page


def test_a_stranger_is_nobody(client_of, library):
    assert "Nobody in the library, as far as can be heard." in tried(client_of("owner"), library, audio=file("klaus"))


@pytest.mark.parametrize(("claimed", "answer"), [("alice", "It is alice,"), ("bob", "It is not bob,")])
def test_a_claim_is_verified(claimed, answer, client_of, library):
    page = tried(client_of("operator"), library, asked="verify", external_id=claimed, audio=file("susan"))
    assert answer in page


def test_platform_staff_try_in_the_tenant_whose_library_it_is(client_of, library):
    assert "It is alice," in tried(client_of("staff"), library, audio=file("susan"))


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "Choose a file or record something first."),
        ({"asked": "verify", "audio": file("susan")}, "Say which speaker it is said to be."),
        ({"asked": "verify", "external_id": "mallory", "audio": file("susan")}, "There is no such speaker here."),
        ({"audio": SimpleUploadedFile("s.wav", wav(bytes(96_000)))}, "Not enough speech"),
    ],
)
def test_what_went_wrong_is_said_in_words(sent, said, client_of, library):
    assert said in tried(client_of("operator"), library, **sent)


def test_in_an_empty_library_nobody_is_sought(client_of, acme, library):
    with acting_as(acme):
        empty = acme.libraries.create(org_id="empty")
    assert "Nobody is enrolled in this library." in tried(client_of("operator"), empty, audio=file("susan"))


def test_an_empty_library_is_called_empty_before_anybody_speaks(client_of, acme, library):
    with acting_as(acme):
        empty = acme.libraries.create(org_id="empty")
    client = client_of("operator")
    for chosen, said in ((empty, True), (library, False)):
        for page in (f"try/?library={chosen.pk}", f"try/enrolled/?library={chosen.pk}"):
            assert ("Nobody is enrolled in this library." in client.get(f"/console/{page}").content.decode()) is said
    assert "Nobody is enrolled in this library." in tried(client, empty)


def offered(client, library, typed="") -> list[str]:
    page = client.get("/console/try/enrolled/", {"library": library.pk, "external_id": typed}).content.decode()
    return re.findall('<option value="(.*?)">', page)


def test_ids_are_offered_that_begin_as_somebody_types(client_of, acme, library):
    enrolled(acme, "alfred", "wei", tag_id="guests")
    with acting_as(acme):
        acme.speakers.create(library=library, external_id="alan", status="enrolling")
    client = client_of("operator")
    assert offered(client, library) == ["alice", "bob"]
    assert offered(client, library, "al") == ["alice"]
    assert offered(client, library, "\0zed") == []


def test_nobody_is_offered_anothers_ids(client_of, library):
    page = client_of("globex").get("/console/try/enrolled/", {"library": library.pk, "external_id": "al"})
    assert page.status_code == 404


def test_nothing_of_it_is_stored(client_of, acme, library, recordings_folder):
    def everything() -> tuple[int, ...]:
        with acting_as(acme):
            rows = [acme.speakers.count(), acme.utterances.count(), acme.voiceprints.count(), acme.jobs.count()]
            return *rows, DoomedRecording.all_tenants.count(), len([*recordings_folder.rglob("*.flac")])

    before = everything()
    client = client_of("operator")
    tried(client, library, audio=file("susan"))
    tried(client, library, asked="verify", external_id="alice", audio=file("susan"))
    assert everything() == before


def test_a_link_from_a_speaker_asks_about_that_speaker(client_of, acme, library):
    with acting_as(acme):
        alice = library.speakers.get(external_id="alice")
    page = client_of("operator").get(f"/console/try/?speaker={alice.pk}").content.decode()
    assert 'value="alice"' in page
    assert 'value="verify" x-model="asked" checked' in page


def test_another_tenants_library_and_speakers_are_not_found(client_of, acme, library):
    client = client_of("globex")
    sent = {"library": library.pk, "asked": "identify", "audio": file("susan")}
    assert client.post("/console/try/", sent).status_code == 404
    with acting_as(acme):
        alice = library.speakers.get(external_id="alice")
    assert {
        client.get(f"/console/try/?{one}").status_code for one in (f"speaker={alice.pk}", f"library={library.pk}")
    } == {404}
    assert "acme" not in client.get("/console/try/").content.decode()


def test_what_is_asked_is_counted_with_its_answer(client_of, acme, library):
    operator = client_of("operator")
    tried(operator, library, audio=file("susan"))
    tried(operator, library, audio=file("klaus"))
    for claimed in ["alice", "bob", "nobody"]:
        tried(operator, library, asked="verify", external_id=claimed, audio=file("susan"))
    assert counted(acme) == {
        ("identify", "console", "accepted", ""): 1,
        ("identify", "console", "rejected", ""): 1,
        ("verify", "console", "accepted", ""): 1,
        ("verify", "console", "rejected", ""): 1,
        ("verify", "console", "refused", "SpeakerNotFound"): 1,
    }
