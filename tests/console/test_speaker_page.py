"""A speaker's page: figures in words, pictures for whoever may hear, agreement, and who sounds alike."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import timedelta
from html import unescape

import pytest

from tenants.context import acting_as
from tenants.models import AuditEvent
from tests.cast import LIBRARY, audio
from tests.console.people import enrolled
from voiceprints import curation, services, serving
from voiceprints.consents import Given
from voiceprints.results import WhenEnrolled
from voiceprints.serving import LISTENING

pytestmark = pytest.mark.django_db


def page_of(client, speaker, query: str = "") -> str:
    return client.get(f"/console/voiceprints/speaker/{speaker.pk}/change/{query}").content.decode()


def test_figures_are_said_in_words(client_of, acme_rows):
    assert re.search(r"\d\.\d s of speech, \d+ dB SNR, not clipped", page_of(client_of("viewer"), acme_rows.speaker))


@pytest.mark.parametrize(("who", "hears"), [("operator", True), ("auditor", False), ("viewer", False)])
def test_only_those_who_may_listen_get_pictures_and_sound(who, hears, client_of, acme_rows):
    page = page_of(client_of(who), acme_rows.speaker)
    assert ("data-picture=" in page) is hears
    assert ("sound.js" in page) is hears
    assert acme_rows.utterance.recording.name in page


def events(tenant) -> list[str]:
    with acting_as(tenant):
        return list(
            AuditEvent.all_tenants.filter(tenant_id=tenant.pk).order_by("number").values_list("action", flat=True)
        )


def test_whoever_looks_at_a_recording_has_not_listened_to_it(client_of, acme, acme_rows):
    client, address = client_of("operator"), f"/console/recordings/{acme_rows.utterance.pk}"
    known = events(acme)
    page_of(client, acme_rows.speaker)
    seen = client.get(f"{address}/picture/")
    levels = b64decode(seen.json()["levels"])
    assert len(levels) == 600 * seen.json()["bands"]
    assert len(set(levels)) > 100
    assert events(acme) == known
    list(client.get(f"{address}.flac"))
    assert events(acme) == [*known, "recording.fetched"]


def test_of_a_recording_that_is_gone_there_is_no_picture(client_of, acme, acme_rows, recordings_folder):
    client, address = client_of("operator"), f"/console/recordings/{acme_rows.utterance.pk}/picture/"
    (recordings_folder / acme_rows.utterance.recording.name).unlink()
    assert client.get(address).status_code == 404
    with acting_as(acme):
        acme.utterances.update(recording="")
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("asked", ["bytes=0-1", "bytes=0-", "bytes=4000-"])
def test_a_player_that_asks_for_many_parts_listens_once(asked, client_of, acme, acme_rows):
    client, other = client_of("operator"), client_of("owner")
    address, known = f"/console/recordings/{acme_rows.utterance.pk}.flac", events(acme)
    for part in (asked, "bytes=0-", "bytes=9000-"):
        list(client.get(address, headers={"Range": part}))
    assert events(acme) == [*known, "recording.fetched"]
    list(other.get(address, headers={"Range": "bytes=0-"}))
    list(client.get(address))
    assert events(acme) == [*known, *["recording.fetched"] * 3]


def test_whoever_listens_again_later_has_listened_again(client_of, acme, acme_rows, monkeypatch):
    client, address = client_of("operator"), f"/console/recordings/{acme_rows.utterance.pk}.flac"
    known = events(acme)
    for after in (LISTENING, timedelta(0)):
        monkeypatch.setattr(serving, "LISTENING", after)
        list(client.get(address, headers={"Range": "bytes=0-"}))
    assert events(acme) == [*known, *["recording.fetched"] * 2]


def test_recordings_of_two_voices_are_told_apart(client_of, acme):
    speaker = services.enroll(acme, LIBRARY, "someone", [audio("susan", 1), audio("ken", 1), audio("susan", 2)]).speaker
    page = page_of(client_of("viewer"), speaker)
    assert "2 of 3 pairs lie below their thresholds" in page
    assert page.count('class="differs"') + page.count('class="nearly"') == 4
    assert page.count('class="agrees"') == 2


def test_one_recording_alone_is_compared_with_nothing(client_of, acme):
    speaker, _ = enrolled(acme, "alice")
    assert 'class="matrix"' not in page_of(client_of("viewer"), speaker)


def test_many_recordings_are_shown_in_pages_and_the_newest_compared(client_of, acme):
    again = [audio("susan", 1 + number % 4) for number in range(18)]
    speaker = services.enroll(acme, LIBRARY, "someone", again).speaker
    client = client_of("operator")
    first, last = page_of(client, speaker), page_of(client, speaker, "?recordings=2")
    assert "Recording 18" in first
    assert "Recording 8<" not in first
    assert "Recording 8<" in last
    assert "Compared are the newest 16 of 18 recordings." in first
    for senseless in ("²", "0", "x"):
        assert "Recording 18" in page_of(client, speaker, f"?recordings={senseless}")
    assert "Recording 8<" in page_of(client, speaker, "?recordings=99999999999")


def nearest(client, speaker, query: str = "") -> str:
    """The part of the speaker's page."""
    address = f"/console/speakers/{speaker.pk}/nearest/{query}"
    return client.get(address, headers={"HX-Request": "true"}).content.decode()


def test_near_duplicates_are_marked_in_the_library_or_everywhere(client_of, acme):
    alice, _ = enrolled(acme, "alice", "susan", utterances=2)
    enrolled(acme, "bob", "ken")
    services.enroll(acme, services.LibraryKey("acme", "guests"), "alice again", [audio("susan", 3)])
    client = client_of("viewer")
    here, everywhere = nearest(client, alice), nearest(client, alice, "?everywhere")
    assert ">bob<" in here
    assert "alice again" not in here
    assert "near duplicate" not in here
    assert everywhere.count("near duplicate") == 1
    assert everywhere.index("alice again") < everywhere.index(">bob<")
    assert ">alice<" not in everywhere


def test_of_somebody_still_enrolling_nobody_sounds_alike(client_of, acme):
    speaker = services.enroll(acme, LIBRARY, "half", [audio("susan")], required_utterances=3).speaker
    assert "half is not enrolled yet" in nearest(client_of("viewer"), speaker)


def test_another_tenants_voices_are_never_near(client_of, acme, globex):
    alice, _ = enrolled(acme, "alice", "susan")
    enrolled(globex, "their alice", "susan")
    assert "their alice" not in nearest(client_of("staff"), alice, "?everywhere")


@pytest.mark.parametrize(("who", "reads"), [("owner", True), ("auditor", True), ("operator", False), ("viewer", False)])
def test_the_page_tells_what_was_done_and_leads_whoever_may_to_the_audit_trail(who, reads, client_of, acme_rows):
    client = client_of(who)
    page = page_of(client, acme_rows.speaker)
    assert "speaker enrolled" in page.split('id="history"')[1]
    address = "/console/audit/?tenant=acme&amp;object=alice"
    assert (address in page) is reads
    assert (client.get(unescape(address)).status_code == 200) is reads


def test_a_consent_has_words_of_its_own_in_the_history(client_of, acme, acme_rows):
    curation.change_speaker(acme, acme_rows.speaker.pk, {"info": "Reception"}, versions=None)
    curation.change_speaker(acme, acme_rows.speaker.pk, {}, versions=None, consent=Given("form 12"))
    client = client_of("owner")
    history = page_of(client, acme_rows.speaker).split('id="history"')[1]
    assert (history.count("consent noted"), history.count("speaker changed"), "× 2" in history) == (1, 1, False)
    assert "consent noted" in client.get("/console/audit/?tenant=acme&object=alice").content.decode()


@pytest.mark.parametrize("who", ["owner", "operator", "auditor", "viewer"])
def test_that_no_consent_is_on_record_is_said_to_everybody(who, client_of, acme_rows):
    assert "No consent is on record." in page_of(client_of(who), acme_rows.speaker)


def test_whether_it_is_one_voice_is_a_question(client_of, acme):
    alice, _ = enrolled(acme, "alice", "susan")
    services.enroll(acme, services.LibraryKey("acme", "staff"), "alice", [audio("ken")], when_enrolled=WhenEnrolled.ADD)
    page = re.sub(r"<[^>]+>", "", page_of(client_of("viewer"), alice))
    assert "One voice? 1 recording does not sound like those before it" in page


def test_of_a_long_history_the_newest_is_shown_and_what_was_done_in_a_row_once(client_of, acme, acme_rows):
    client = client_of("operator")
    for number in range(6):
        curation.change_speaker(acme, acme_rows.speaker.pk, {"info": f"{number}"}, versions=None)
        for _ in range(3):
            list(client.get(f"/console/recordings/{acme_rows.utterance.pk}.flac"))
    history = page_of(client, acme_rows.speaker).split('id="history"')[1]
    assert (history.count("recording listened to"), history.count("× 3"), history.count("speaker changed")) == (5, 5, 5)
    assert "Older ones, and details" in history
