"""Changing rows by their number without undoing what somebody else did."""

from __future__ import annotations

import threading

import pytest
from django.db import connections

from tests.cast import KEN, LIBRARY, SUSAN, audio
from voiceprints import curation
from voiceprints.errors import LibraryExists, LibraryNotFound, Outdated, SpeakerNotFound
from voiceprints.results import LibraryKey
from voiceprints.services import enroll

ROUNDS = 4


def at_once(*deeds):
    """Each in a thread of its own; what each came to."""
    outcomes = [None] * len(deeds)
    start = threading.Barrier(len(deeds))

    def carry_out(number, deed):
        try:
            start.wait()
            outcomes[number] = deed() and "done"
        except (Outdated, LibraryExists, LibraryNotFound, SpeakerNotFound) as error:
            outcomes[number] = type(error).__name__
        finally:
            connections.close_all()

    threads = [threading.Thread(target=carry_out, args=numbered) for numbered in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_change_the_same_version_one_is_told(acme):
    for _ in range(ROUNDS):
        row = curation.make_library(acme, LibraryKey("acme", f"tag {_}"))
        outcomes = at_once(
            *(
                lambda text=text, row=row: curation.change_library(
                    acme, row.library.pk, {"name": text}, versions=[row.version]
                )
                for text in ("one", "other")
            )
        )
        assert outcomes == ["Outdated", "done"]


@pytest.mark.django_db(transaction=True)
def test_a_library_is_made_once_by_however_many(acme):
    outcomes = at_once(*[lambda: curation.make_library(acme, LIBRARY)] * 4)
    assert outcomes == ["LibraryExists"] * 3 + ["done"]


@pytest.mark.django_db(transaction=True)
def test_removing_an_expected_library_and_enrolling_into_it_do_not_wait_for_each_other_forever(acme):
    for number in range(ROUNDS):
        key = LibraryKey("acme", f"tag {number}")
        library = enroll(acme, key, "susan", [audio(SUSAN)]).speaker.library_id
        version = curation.find_library(acme, library).version
        outcomes = at_once(
            lambda library=library, version=version: curation.remove_library(acme, library, versions=[version]),
            lambda key=key: enroll(acme, key, "newcomer", [audio(KEN)]),
        )
        assert outcomes in (["Outdated", "done"], ["done", "done"], ["LibraryNotFound", "done"])


@pytest.mark.django_db
def test_equal_rows_have_equal_versions_and_no_others(acme):
    first = curation.make_library(acme, LibraryKey("a"))
    again = curation.find_library(acme, first.library.pk)
    other = curation.make_library(acme, LibraryKey("b"))
    assert first.version == again.version != other.version


@pytest.mark.django_db
def test_another_tenants_rows_are_not_there(acme, globex):
    speaker = enroll(acme, LIBRARY, "susan", [audio(SUSAN)]).speaker
    with pytest.raises(SpeakerNotFound):
        curation.change_speaker(globex, speaker.pk, {"info": "theirs"}, versions=None)
    with pytest.raises(LibraryNotFound):
        curation.remove_library(globex, speaker.library_id, versions=None)
    assert curation.find_speaker(acme, speaker.pk).speaker.info == ""
