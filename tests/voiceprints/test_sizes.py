"""How large the files of recordings are."""

from __future__ import annotations

import os

import pytest
from django.core.files.storage import FileSystemStorage

from tenants.context import acting_as
from tests.cast import LIBRARY, SUSAN, audio
from voiceprints import services
from voiceprints.models import Utterance
from voiceprints.tasks import note_sizes

pytestmark = pytest.mark.django_db


@pytest.fixture
def utterances(acme) -> tuple[Utterance, ...]:
    return services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 1), audio(SUSAN, 2)]).utterances


def sizes(tenant) -> list[int | None]:
    with acting_as(tenant):
        return list(tenant.utterances.order_by("pk").values_list("size_bytes", flat=True))


def test_a_recording_is_as_large_as_its_file(acme, utterances, recordings_folder):
    on_disk = [os.path.getsize(recordings_folder / one.recording.name) for one in utterances]
    assert sizes(acme) == on_disk
    assert min(on_disk) > 1000


def test_sizes_that_were_never_noted_are_looked_up(acme, utterances):
    before = sizes(acme)
    with acting_as(acme):
        acme.utterances.update(size_bytes=None)
    assert note_sizes() == 2
    assert sizes(acme) == before
    assert note_sizes() == 0


def test_a_file_that_is_gone_takes_no_room_and_holds_nobody_up(acme, utterances, recordings_folder):
    (recordings_folder / utterances[0].recording.name).unlink()
    with acting_as(acme):
        acme.utterances.update(size_bytes=None)
    assert note_sizes() == 2
    assert sizes(acme)[0] == 0
    assert note_sizes() == 0


def test_what_the_storage_does_not_tell_waits(acme, utterances, recordings_folder):
    with acting_as(acme):
        acme.utterances.update(size_bytes=None)
    recordings_folder.rename(recordings_folder.with_name("elsewhere"))
    recordings_folder.symlink_to(recordings_folder)  # A loop, which no path resolves.
    assert note_sizes() == 0
    recordings_folder.unlink()
    recordings_folder.with_name("elsewhere").rename(recordings_folder)
    assert note_sizes() == 2


def test_a_recording_that_is_let_go_meanwhile_takes_no_room(acme, utterances, monkeypatch):
    with acting_as(acme):
        acme.utterances.update(size_bytes=None)

    def let_go_and_told(storage, path):
        with acting_as(acme):
            acme.utterances.filter(recording=path).update(recording="", size_bytes=0)
        return 1000

    monkeypatch.setattr(FileSystemStorage, "size", let_go_and_told)
    note_sizes()
    assert sizes(acme) == [0, 0]
