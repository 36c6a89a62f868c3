"""Enrolling from the console, and adding and replacing what a speaker said; with real recordings and the real model."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from tenants.auditing import history_of
from tenants.context import acting_as
from tenants.models import Tenant
from tests.cast import audio, recording, wav
from tests.console.people import enrolled
from tests.servers import REDIS, through_the_queue
from tests.usage import counted
from voiceprints import jobs
from voiceprints.models import Speaker
from voiceprints.results import LibraryKey, WhenEnrolled
from voiceprints.services import enroll

pytestmark = pytest.mark.django_db(transaction=True)


def file(voice: str, number: int = 1) -> SimpleUploadedFile:
    return SimpleUploadedFile(f"{voice}.opus", recording(voice, number), "audio/ogg")


def silent_file() -> SimpleUploadedFile:
    return SimpleUploadedFile("silence.wav", wav(bytes(3 * 32_000)), "audio/wav")


def said_by(speaker: Speaker) -> list[int]:
    with acting_as(speaker.tenant):
        return list(speaker.utterances.order_by("pk").values_list("pk", flat=True))


def files_in(folder) -> int:
    return sum(1 for path in folder.rglob("*.flac"))


@pytest.fixture
def library(acme):
    return enrolled(acme, "alice", "susan")[0].library


@pytest.fixture
def alice(acme, library):
    with acting_as(acme):
        return acme.speakers.select_related("tenant", "library").get(external_id="alice")


def words(response) -> str:
    return response.content.decode()


def test_somebody_new_is_enrolled_with_several_recordings(client_of, acme, library, recordings_folder):
    sent = {"external_id": "bob", "info": "Reception", "audio": [file("ken", 1), file("ken", 2)]}
    page = client_of("operator").post(f"/console/libraries/{library.pk}/enroll/", sent, follow=True)
    assert "2 recordings were stored." in words(page)
    with acting_as(acme):
        bob = library.speakers.get(external_id="bob")
        assert (bob.status, bob.info, bob.utterances.count()) == ("enrolled", "Reception", 2)
    assert files_in(recordings_folder) == 3


def test_platform_staff_enroll_in_the_tenant_whose_library_it_is(client_of, acme, library):
    sent = {"external_id": "bob", "audio": file("ken")}
    client_of("staff").post(f"/console/libraries/{library.pk}/enroll/", sent)
    with acting_as(acme):
        assert acme.speakers.enrolled().named("bob").exists()


@pytest.mark.parametrize("to", ["libraries/{library}/enroll/", "speakers/{speaker}/recordings/"])
def test_a_closed_tenant_takes_no_voices_from_platform_staff(to, client_of, acme, alice, recordings_folder):
    client, kept = client_of("staff"), files_in(recordings_folder)
    Tenant.objects.filter(pk=acme.pk).update(active=False)
    sent = {"external_id": "bob", "audio": file("ken")}
    page = client.post(f"/console/{to.format(library=alice.library_id, speaker=alice.pk)}", sent, follow=True)
    assert f"{acme.name} is closed, and nothing is added to it until it is open again." in words(page)
    with acting_as(acme):
        assert not acme.speakers.named("bob").exists()
        assert alice.utterances.count() == 1
    assert files_in(recordings_folder) == kept


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"external_id": "bob"}, "Choose a file or record something first."),
        ({"external_id": "alice", "audio": file("ken")}, "A speaker alice is there already."),
        ({"external_id": "b\x07b", "audio": file("ken")}, "The id holds characters that nobody can see."),
        ({"external_id": 129 * "b", "audio": file("ken")}, "The id has 129 characters, and at most 128 are taken."),
        ({"external_id": "bob", "info": 4097 * "i", "audio": file("ken")}, "The info has 4097 characters"),
        ({"external_id": "bob", "consent": 201 * "c", "audio": file("ken")}, "The consent has 201 characters"),
        ({"external_id": "bob", "audio": silent_file()}, "Not enough speech: 0.0 s were heard"),
        ({"external_id": "bob", "audio": SimpleUploadedFile("x.wav", b"no sound")}, "not a recording of a kind"),
    ],
)
def test_what_went_wrong_is_said_beside_the_form(sent, said, client_of, library, recordings_folder):
    address = f"/console/libraries/{library.pk}/enroll/"
    page = client_of("operator").post(address, sent, headers={"hx-request": "true"})
    assert said in words(page)
    assert "<html" not in words(page)
    assert files_in(recordings_folder) == 1


def test_no_browser_cuts_off_what_is_too_long(client_of, acme, library):
    owner = client_of("owner")
    for page in (f"libraries/{library.pk}/enroll/", "try/", "erasures/acme/begin/", "opt-outs/acme/"):
        fields = re.findall(
            r'<(?:input|textarea)[^>]+name="(?:external_id|info|consent|typed)"[^>]*>',
            words(owner.get(f"/console/{page}")),
        )
        assert fields
        assert not [field for field in fields if "maxlength" in field]


def test_without_scripts_the_refusal_stands_on_the_page_again(client_of, library):
    sent = {"external_id": "bob", "audio": silent_file()}
    page = client_of("operator").post(f"/console/libraries/{library.pk}/enroll/", sent, follow=True)
    assert "Not enough speech" in words(page)
    assert "<form" in words(page)


def test_more_bytes_than_a_request_may_have_are_refused(client_of, library, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    sent = {"external_id": "bob", "audio": file("ken")}
    page = client_of("operator").post(f"/console/libraries/{library.pk}/enroll/", sent, headers={"hx-request": "true"})
    assert "at most 1000\xa0bytes are taken" in words(page)


def test_a_recording_is_added(client_of, alice, recordings_folder):
    address = f"/console/speakers/{alice.pk}/recordings/"
    response = client_of("operator").post(address, {"audio": file("susan", 2)}, headers={"hx-request": "true"})
    assert response.headers["HX-Redirect"] == f"/console/voiceprints/speaker/{alice.pk}/change/"
    assert len(said_by(alice)) == files_in(recordings_folder) == 2


@pytest.mark.parametrize(
    ("was", "typed", "kept"),
    [("old", "typed", "typed"), ("", "", "of somebody else"), ("old", "old", "of somebody else"), ("old", "", "")],
)
def test_info_that_was_typed_beside_an_added_recording_is_saved(was, typed, kept, client_of, alice):
    with acting_as(alice.tenant):
        alice.tenant.speakers.filter(pk=alice.pk).update(info="of somebody else")
    sent = {"audio": file("susan", 2), "info_was": was, "info": typed}
    client_of("operator").post(f"/console/speakers/{alice.pk}/recordings/", sent)
    with acting_as(alice.tenant):
        assert alice.tenant.speakers.get(pk=alice.pk).info == kept
        details = history_of(alice.tenant, "speaker", alice.pk)[0].details
    assert details.get("fields") == (None if kept == "of somebody else" else ["info"])


def told(response) -> tuple[str, str]:
    (message,) = response.context["messages"]
    return message.level_tag, str(message)


def test_a_voice_like_the_one_before_is_stored_without_a_doubt(client_of, alice):
    address = f"/console/speakers/{alice.pk}/recordings/"
    page = client_of("operator").post(address, {"audio": file("susan", 2)}, follow=True)
    assert told(page) == ("success", "1 recording was stored.")


@pytest.mark.parametrize("deed", ["", "{utterance}/replace/"])
def test_another_voice_is_stored_with_a_warning(deed, client_of, alice):
    key = LibraryKey(alice.library.org_id, alice.library.tag_id)
    enroll(alice.tenant, key, "alice", [audio("susan", 2)], when_enrolled=WhenEnrolled.ADD)
    address = f"/console/speakers/{alice.pk}/recordings/{deed.format(utterance=said_by(alice)[0])}"
    level, words = told(client_of("operator").post(address, {"audio": file("ken")}, follow=True))
    assert level == "warning"
    assert "1 recording was stored. 1 recording does not sound like those before it (cosine " in words


def test_another_voice_in_the_place_of_the_only_recording_is_stored_with_a_warning(client_of, alice):
    client = client_of("operator")
    for voice, warned in [("susan", False), ("ken", True), ("ken", False)]:
        address = f"/console/speakers/{alice.pk}/recordings/{said_by(alice)[0]}/replace/"
        level, words = told(client.post(address, {"audio": file(voice, 2)}, follow=True))
        assert (level == "warning", "1 recording does not sound like those before it" in words) == (warned, warned)


def test_somebody_who_is_there_under_another_id_is_enrolled_with_a_warning(client_of, library):
    sent = {"external_id": "bob", "audio": file("susan", 2)}
    level, words = told(client_of("operator").post(f"/console/libraries/{library.pk}/enroll/", sent, follow=True))
    assert level == "warning"
    assert "1 recording was stored. Near duplicates: alice (cosine " in words


def test_another_voice_is_refused_where_the_tenant_wants_it_so(client_of, acme, alice):
    Tenant.objects.filter(pk=acme.pk).update(consistency="refuse")
    address = f"/console/speakers/{alice.pk}/recordings/"
    page = client_of("operator").post(address, {"audio": file("ken")}, headers={"hx-request": "true"})
    assert "Another voice: it does not sound like what alice said before" in words(page)
    assert len(said_by(alice)) == 1


def test_a_recording_is_replaced_row_and_file(client_of, alice, recordings_folder):
    (before,) = said_by(alice)
    address = f"/console/speakers/{alice.pk}/recordings/{before}/replace/"
    page = client_of("operator").post(address, {"audio": file("susan", 2)}, follow=True)
    assert "1 recording was stored." in words(page)
    (after,) = said_by(alice)
    assert after != before
    assert files_in(recordings_folder) == 1


def test_a_refused_replacement_changes_nothing(client_of, alice, recordings_folder):
    before = said_by(alice)
    address = f"/console/speakers/{alice.pk}/recordings/{before[0]}/replace/"
    page = client_of("operator").post(address, {"audio": silent_file()}, follow=True)
    assert "Not enough speech" in words(page)
    assert said_by(alice) == before
    assert files_in(recordings_folder) == 1


def test_a_recording_is_replaced_under_its_own_speaker_only(client_of, acme, alice):
    bob, _ = enrolled(acme, "bob", "ken")
    address = f"/console/speakers/{bob.pk}/recordings/{said_by(alice)[0]}/replace/"
    assert client_of("operator").post(address, {"audio": file("ken")}).status_code == 404


def test_another_tenant_adds_and_replaces_nothing(client_of, alice):
    client = client_of("globex")
    before = said_by(alice)
    addresses = [
        f"/console/libraries/{alice.library_id}/enroll/",
        f"/console/speakers/{alice.pk}/recordings/",
        f"/console/speakers/{alice.pk}/recordings/{before[0]}/replace/",
    ]
    sent = {"external_id": "mallory"}
    assert {client.post(one, sent | {"audio": file("ken")}).status_code for one in addresses} == {404}
    assert said_by(alice) == before


def test_no_transaction_is_open_while_a_recording_is_measured(client_of, alice, monkeypatch):
    """Else the paths of the files to come would not be written down before they appear."""
    analyze, inside = jobs.analyze, []

    def watched(*arguments):
        inside.append(connection.in_atomic_block)
        return analyze(*arguments)

    monkeypatch.setattr(jobs, "analyze", watched)
    client = client_of("operator")
    client.post(f"/console/libraries/{alice.library_id}/enroll/", {"external_id": "bob", "audio": file("ken")})
    client.post(f"/console/speakers/{alice.pk}/recordings/", {"audio": file("susan", 2)})
    replaced = f"/console/speakers/{alice.pk}/recordings/{said_by(alice)[0]}/replace/"
    client.post(replaced, {"audio": file("susan", 3)})
    assert inside == [False, False, False]


def test_what_is_spoken_into_the_console_is_counted_for_the_tenant_whose_library_it_is(client_of, acme, alice):
    staff = client_of("staff")
    enroll = f"/console/libraries/{alice.library_id}/enroll/"
    staff.get(enroll)
    staff.post(enroll, {"external_id": "bob", "audio": file("ken")})
    staff.post(enroll, {"external_id": "bob", "audio": file("ken")})
    staff.post(enroll, {"external_id": "carol", "audio": silent_file()})
    staff.post(f"/console/speakers/{alice.pk}/recordings/", {"audio": file("susan", 2)})
    staff.post(f"/console/speakers/{alice.pk}/recordings/{said_by(alice)[0]}/replace/", {"audio": file("susan", 2)})
    assert counted(acme) == {
        ("enroll", "console", "ok", ""): 1,
        ("enroll", "console", "refused", "SpeakerExists"): 1,
        ("enroll", "console", "refused", "NotEnoughSpeech"): 1,
        ("update", "console", "ok", ""): 2,
    }


def test_what_no_worker_can_measure_is_counted_as_failed(client_of, acme, alice):
    with through_the_queue(), REDIS.down():
        client_of("operator").post(f"/console/speakers/{alice.pk}/recordings/", {"audio": file("susan", 2)})
    assert counted(acme) == {("update", "console", "failed", "EngineUnreachable"): 1}
