"""How commands say what is the matter with a file."""

from __future__ import annotations

import errno
import io
import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.cast import LIBRARY, SUSAN, audio
from voiceprints import services
from voiceprints.encrypted_files import new_key
from voiceprints.management.saying import words_of

TEXT = "of somebody else"


@pytest.fixture
def key_file(tmp_path):
    file = tmp_path / "key"
    file.write_text(new_key())
    return file


def refusal(*command):
    with pytest.raises(CommandError) as refused:
        call_command(*map(str, command))
    return str(refused.value)


@pytest.mark.parametrize("command", [["erase", "verify"], ["import_library", "acme"], ["backup", "verify"]])
def test_a_file_that_there_is_not_is_named_in_words(command, acme, tmp_path, key_file):
    absent = tmp_path / "absent"
    with_key = ["--key-file", key_file] if command[0] == "backup" else []
    assert refusal(*command, absent, *with_key) == f"{absent}: No such file or directory"


@pytest.mark.django_db(transaction=True)
def test_a_folder_that_there_is_not_is_named_and_no_name_that_nobody_gave(acme, tmp_path, key_file):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    absent = tmp_path / "absent"
    assert refusal("backup", "make", absent / "file", "--key-file", key_file) == f"{absent} is no folder"
    assert refusal("export_library", "acme", LIBRARY.org_id, absent / "file") == f"{absent} is no folder"


def test_of_two_files_the_one_that_was_meant_is_named():
    error = OSError(errno.EEXIST, os.strerror(errno.EEXIST), "/tmp/unfinished", None, "/wanted")
    assert words_of(error) == "/wanted: File exists"


def test_a_full_disk_is_said_of_the_file_that_was_written():
    with pytest.raises(OSError, match="No space") as full, open("/dev/full", "w") as file:
        file.write(TEXT)
        file.flush()
    assert words_of(full.value, Path("/dev/full")) == "/dev/full: No space left on device"
    assert words_of(full.value) == "No space left on device"


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_is_said_of_the_backup_and_of_the_export(acme, tmp_path, key_file, monkeypatch):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    wanted = tmp_path / "wanted"
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", on_a_full_disk)
    said = f"{wanted}: No space left on device"
    assert refusal("backup", "make", wanted, "--key-file", key_file) == said
    assert refusal("export_library", "acme", LIBRARY.org_id, wanted, "--tag-id", LIBRARY.tag_id) == said


@contextmanager
def on_a_full_disk(**options):
    class Full(io.BytesIO):
        name = str(options["dir"] / "unfinished")

        def write(self, _):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    Path(Full.name).touch()
    yield Full()


def test_a_key_that_is_no_text_is_named(tmp_path):
    key = tmp_path / "key"
    key.write_bytes(b"\xff\xfe")
    assert refusal("backup", "verify", tmp_path, "--key-file", key) == f"{key}: this is no text in UTF-8"


def test_a_key_is_written_into_no_file_that_there_is(tmp_path):
    key = tmp_path / "key"
    key.write_text(TEXT)
    assert re.fullmatch(f"{re.escape(str(key))}: File exists", refusal("backup", "new-key", key))
    assert key.read_text() == TEXT
