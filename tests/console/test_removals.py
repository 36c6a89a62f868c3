"""What is deleted in the console is gone: rows and files, after a page that said how much goes."""

from __future__ import annotations

import pytest
from django.utils.formats import date_format
from django.utils.timezone import localtime

from tenants.context import acting_as
from tests.console.people import enrolled
from voiceprints import bulk
from voiceprints.models import Job
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db(transaction=True)

LEFT = "1 export still holds what is removed here."


def exported(tenant, speaker) -> Job:
    return bulk.begin_export(tenant, LibraryKey(speaker.library.org_id, speaker.library.tag_id), recordings=True)


def files_in(folder) -> int:
    return sum(1 for path in folder.rglob("*.flac"))


def counts(tenant) -> tuple[int, int, int]:
    with acting_as(tenant):
        return tenant.libraries.count(), tenant.speakers.count(), tenant.utterances.count()


@pytest.fixture
def acme_people(acme):
    """Two people in one library, one of the same name in another."""
    enrolled(acme, "alice", "susan", utterances=2)
    enrolled(acme, "bob", "ken")
    return enrolled(acme, "alice", "stephanie", tag_id="guests")


def select(rows, action: str, **extra: str) -> dict[str, object]:
    return {"action": action, "_selected_action": [row.pk for row in rows], **extra}


def test_deleting_a_speaker_says_how_many_recordings_go(client_of, acme_rows):
    page = client_of("operator").get(f"/console/voiceprints/speaker/{acme_rows.speaker.pk}/delete/").content.decode()
    assert "1 voiceprint<" in page
    assert "2 recordings" in page


@pytest.mark.parametrize(("utterances", "is_last"), [(1, True), (2, False)])
def test_deleting_the_last_recording_says_what_comes_of_the_speaker(utterances, is_last, client_of, acme):
    speaker, (first, *_) = enrolled(acme, "alice", utterances=utterances)
    enrolled(acme, "bob", "ken")
    page = client_of("operator").get(f"/console/voiceprints/speaker/{speaker.pk}/recordings/{first.pk}/delete/")
    assert ("alice has no recording any more then" in page.content.decode()) is is_last
    assert "bob has" not in page.content.decode()


def test_asking_alone_deletes_nothing(client_of, acme, acme_rows, recordings_folder):
    client_of("operator").post(f"/console/voiceprints/speaker/{acme_rows.speaker.pk}/delete/")
    assert (counts(acme), files_in(recordings_folder)) == ((1, 1, 2), 2)


def test_deleting_a_speaker_removes_rows_and_files(client_of, acme, acme_rows, recordings_folder):
    address = f"/console/voiceprints/speaker/{acme_rows.speaker.pk}/delete/"
    response = client_of("operator").post(address, {"confirmed": "yes"}, follow=True)
    assert "Removed: 1 voiceprint, 2 recordings." in response.content.decode()
    assert (counts(acme), files_in(recordings_folder)) == ((1, 0, 0), 0)


def test_deleting_one_of_two_speakers_of_one_name_spares_the_other(client_of, acme, acme_people, recordings_folder):
    guest, _ = acme_people
    client_of("owner").post("/console/voiceprints/speaker/", select([guest], "delete_selected", confirmed="yes"))
    assert (counts(acme), files_in(recordings_folder)) == ((2, 2, 3), 3)


def test_staff_delete_speakers_of_several_tenants_at_once(client_of, acme, globex, recordings_folder):
    speakers = [enrolled(tenant, "alice")[0] for tenant in (acme, globex)]
    deletion = select(speakers, "delete_selected", confirmed="yes", typed="2")
    client_of("staff").post("/console/voiceprints/speaker/", deletion)
    assert (counts(acme), counts(globex), files_in(recordings_folder)) == ((1, 0, 0), (1, 0, 0), 0)


def test_staff_are_told_whose_libraries_go(client_of, acme, globex):
    libraries = [enrolled(tenant, "alice")[0].library for tenant in (acme, globex)]
    page = client_of("staff").post("/console/voiceprints/library/", select(libraries, "delete_selected"))
    for named in ("Acme · acme / staff", "Globex · globex / staff"):
        assert f"<li>{named}</li>" in page.content.decode()


def test_a_selection_across_pages_follows_the_filter(client_of, acme, acme_people, recordings_folder):
    guest, _ = acme_people
    client = client_of("owner")
    across = select([guest], "delete_selected", select_across="1", index="0")
    address = f"/console/voiceprints/speaker/?library={guest.library_id}"
    assert "1 voiceprint<" in client.post(address, across).content.decode()
    client.post(address, across | {"confirmed": "yes"})
    assert (counts(acme), files_in(recordings_folder)) == ((2, 2, 3), 3)


def test_emptying_a_library_keeps_it(client_of, acme, acme_people, recordings_folder):
    guest, _ = acme_people
    client = client_of("operator")
    page = client.post("/console/voiceprints/library/", select([guest.library], "empty")).content.decode()
    assert "1 recording<" in page
    client.post(
        "/console/voiceprints/library/", select([guest.library], "empty", confirmed="yes", typed="acme / guests")
    )
    assert (counts(acme), files_in(recordings_folder)) == ((2, 2, 3), 3)


def test_deleting_libraries_takes_everybody_in_them(client_of, acme, acme_people, recordings_folder):
    with acting_as(acme):
        libraries = list(acme.libraries.all())
    client = client_of("operator")
    page = client.post("/console/voiceprints/library/", select(libraries, "delete_selected")).content.decode()
    assert all(words in page for words in ("2 libraries", "3 voiceprints", "4 recordings"))
    client.post("/console/voiceprints/library/", select(libraries, "delete_selected", confirmed="yes", typed="3"))
    assert (counts(acme), files_in(recordings_folder)) == ((0, 0, 0), 0)


def test_removing_one_recording_keeps_the_speaker_enrolled(client_of, acme, acme_rows, recordings_folder):
    address = f"/console/voiceprints/speaker/{acme_rows.speaker.pk}/recordings/{acme_rows.utterance.pk}/delete/"
    client_of("operator").post(address, {"confirmed": "yes"})
    assert (counts(acme), files_in(recordings_folder)) == ((1, 1, 1), 1)
    with acting_as(acme):
        assert acme.speakers.enrolled().exists()


@pytest.mark.parametrize("deed", ["voiceprints/speaker/{}/recordings/{}/delete/", "speakers/{}/recordings/{}/replace/"])
def test_a_recording_is_named_as_the_page_names_it(deed, client_of, acme):
    speaker, utterances = enrolled(acme, "alice", utterances=3)
    page = client_of("operator").get(f"/console/{deed.format(speaker.pk, utterances[1].pk)}").content.decode()
    created = date_format(localtime(utterances[1].created), "DATETIME_FORMAT")
    assert f"Recording 2 of alice · {created} · {utterances[1].duration_seconds:.1f} s" in page
    assert utterances[1].recording.name not in page


def test_a_recording_is_removed_under_its_own_speaker_only(client_of, acme, acme_rows):
    other, _ = enrolled(acme, "bob", "ken")
    address = f"/console/voiceprints/speaker/{other.pk}/recordings/{acme_rows.utterance.pk}/delete/"
    response = client_of("operator").post(address, {"confirmed": "yes"})
    assert response.headers["Location"] == "/console/"
    assert counts(acme) == (1, 2, 3)


# --- What an export still holds --------------------------------------------------------------------------------------


def test_every_removal_says_that_an_export_still_holds_them(client_of, acme, acme_rows):
    job = exported(acme, acme_rows.speaker)
    client, speaker, library = client_of("operator"), acme_rows.speaker, acme_rows.library
    asked = [
        client.get(f"/console/voiceprints/speaker/{speaker.pk}/delete/"),
        client.post("/console/voiceprints/speaker/", select([speaker], "delete_selected")),
        client.get(f"/console/voiceprints/speaker/{speaker.pk}/recordings/{acme_rows.utterance.pk}/delete/"),
        client.get(f"/console/voiceprints/library/{library.pk}/delete/"),
        client.post("/console/voiceprints/library/", select([library], "delete_selected")),
        client.post("/console/voiceprints/library/", select([library], "empty")),
    ]
    for page in (response.content.decode() for response in asked):
        assert LEFT in page
        assert f'href="/console/jobs/acme/{job.pk}/"' in page


def test_of_many_exports_the_newest_are_named_and_it_is_said_once(client_of, acme, acme_rows):
    made = [exported(acme, acme_rows.speaker).pk for _ in range(5)]
    page = client_of("operator").get(f"/console/voiceprints/speaker/{acme_rows.speaker.pk}/delete/").content.decode()
    assert page.count("5 exports still hold what is removed here.") == page.count("or erase the speaker") == 1
    assert [pk for pk in made if f'href="/console/jobs/acme/{pk}/"' in page] == made[2:]
    assert "and 2 more" in page


def test_an_export_stays_when_whom_it_holds_goes(client_of, acme, acme_rows):
    job = exported(acme, acme_rows.speaker)
    address = f"/console/voiceprints/speaker/{acme_rows.speaker.pk}/delete/"
    client_of("operator").post(address, {"confirmed": "yes"})
    assert bulk.file_of(acme, job.pk)


def test_nothing_is_said_of_exports_that_hold_none_of_them(client_of, acme, acme_people, globex):
    guest, _ = acme_people
    gail, _ = enrolled(globex, "gail")
    exported(globex, gail)
    exported(acme, guest)
    newcomer, _ = enrolled(acme, "nina", "wei", tag_id="guests")
    with acting_as(acme):
        alice = acme.speakers.get(external_id="alice", library__tag_id="staff")
    client = client_of("staff")
    for speaker in (alice, newcomer):
        assert LEFT not in client.get(f"/console/voiceprints/speaker/{speaker.pk}/delete/").content.decode()


def test_nothing_is_said_of_an_export_whose_file_is_gone(client_of, acme, acme_rows):
    bulk.delete_file(acme, exported(acme, acme_rows.speaker).pk)
    page = client_of("operator").get(f"/console/voiceprints/speaker/{acme_rows.speaker.pk}/delete/").content.decode()
    assert LEFT not in page
