"""Moving speakers to another library: all or nobody, found there and no longer here, with their recordings."""

from __future__ import annotations

import pytest

from tenants.context import acting_as
from tests.cast import LIBRARY, OTHER_TAG, audio
from voiceprints import services
from voiceprints.errors import LibraryNotFound, SpeakersExist
from voiceprints.history import history_of
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people(acme):
    enrolled = [
        services.enroll(acme, LIBRARY, "alice", [audio("susan", 1)]),
        services.enroll(acme, LIBRARY, "bob", [audio("ken", 1)]),
        services.enroll(acme, OTHER_TAG, "carol", [audio("stephanie", 1)]),
    ]
    return {one.speaker.external_id: one.speaker for one in enrolled}


def names_in(tenant, key: LibraryKey) -> list[str]:
    libraries = tenant.libraries.within(key.org_id, key.tag_id)
    return [listed.speaker.external_id for listed in services.list_speakers(tenant, libraries, by_name=True)]


def found_in(tenant, key: LibraryKey, voice: str) -> str | None:
    found = services.identify(tenant, tenant.libraries.within(key.org_id, key.tag_id), audio(voice, 2))
    return found.best.speaker.external_id if found.best else None


def test_who_moved_is_found_there_and_no_longer_here(acme, people, recordings_folder):
    files = sorted(recordings_folder.rglob("*.flac"))
    assert services.move_speakers(acme, [people["alice"].pk], OTHER_TAG) == 1
    assert (names_in(acme, LIBRARY), names_in(acme, OTHER_TAG)) == (["bob"], ["alice", "carol"])
    assert (found_in(acme, LIBRARY, "susan"), found_in(acme, OTHER_TAG, "susan")) == (None, "alice")
    assert sorted(recordings_folder.rglob("*.flac")) == files


def test_a_name_that_is_taken_there_is_named_and_nobody_moves(acme, people):
    namesake = services.enroll(acme, OTHER_TAG, "alice", [audio("wei", 1)]).speaker
    with pytest.raises(SpeakersExist) as refused:
        services.move_speakers(acme, [people["alice"].pk, people["bob"].pk], OTHER_TAG)
    assert refused.value.names == ["alice"]
    assert names_in(acme, LIBRARY) == ["alice", "bob"]
    with acting_as(acme):
        assert acme.voiceprints.get(speaker=namesake).library == namesake.library


def test_two_of_one_name_do_not_move_together(acme, people):
    namesake = services.enroll(acme, OTHER_TAG, "alice", [audio("wei", 1)]).speaker
    services.save_library(acme, LibraryKey("new"))
    with pytest.raises(SpeakersExist):
        services.move_speakers(acme, [people["alice"].pk, namesake.pk], LibraryKey("new"))


def test_who_is_there_already_stays(acme, people):
    assert services.move_speakers(acme, [people["carol"].pk, people["bob"].pk], OTHER_TAG) == 2
    assert names_in(acme, OTHER_TAG) == ["bob", "carol"]
    assert [len(history_of(people[name])) for name in ("bob", "carol")] == [2, 1]


def test_nobody_moves_to_a_library_that_is_not_there(acme, globex, people):
    services.save_library(globex, LibraryKey("theirs"))
    with pytest.raises(LibraryNotFound):
        services.move_speakers(acme, [people["alice"].pk], LibraryKey("theirs"))


def test_another_tenants_speakers_do_not_move(acme, globex, people):
    services.save_library(globex, LibraryKey("theirs"))
    assert services.move_speakers(globex, [people["alice"].pk], LibraryKey("theirs")) == 0
    assert names_in(acme, LIBRARY) == ["alice", "bob"]


def test_probes_do_not_move(acme, people):
    probe = services.enroll(acme, LIBRARY, "probe", [audio("susan", 3)], probe=True).speaker
    assert services.move_speakers(acme, [probe.pk], OTHER_TAG) == 0
