"""Paths that are written down survive the disk that has no room for more."""

from __future__ import annotations

import os

import pytest

from tests.disks import no_file_longer_than
from voiceprints.path_list import path_list

PATHS = [f"acme/2026/{number:02}.flac" for number in range(20)]


def test_paths_come_back_in_their_order_and_as_often_as_they_are_asked_for():
    with path_list() as paths:
        for path in PATHS:
            paths.add(path)
        assert (list(paths), list(paths), len(paths)) == (PATHS, PATHS, len(PATHS))


def test_what_the_disk_has_no_room_for_is_said_at_once_and_the_others_stay(settings):
    with path_list() as paths:
        with no_file_longer_than(5 * len(PATHS[0])), pytest.raises(OSError, match="File too large") as full:
            for path in PATHS:
                paths.add(path)
        assert full.value.filename == os.fspath(settings.HOME)
        assert list(paths) == PATHS[: len(paths)] == PATHS[:4]
