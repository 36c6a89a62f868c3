"""How commands say what is the matter with a file."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import tempfile
from pathlib import Path

import pytest
from django.core.files.base import File
from django.core.management import CommandError, call_command

from tests.cast import LIBRARY, SUSAN, audio
from tests.disks import no_file_longer_than
from voiceprints import services
from voiceprints.disk import Disk
from voiceprints.encrypted_files import key_of_passphrase, new_key
from voiceprints.management.saying import words_of
from voiceprints.management.sealed import key_of
from voiceprints.naming import naming

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


def on_a_full_disk(**options):
    """What is left in its buffer fails once more when it is closed."""
    raw = io.FileIO("/dev/full", "w")
    raw.name = str(options["dir"] / "unfinished")
    Path(raw.name).touch()
    return io.BufferedWriter(raw)


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_is_said_of_a_manifest(acme, tmp_path, key_file):
    backup, manifest = tmp_path / "backup", tmp_path / "manifest"
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    call_command("backup", "make", str(backup), "--key-file", str(key_file))
    with no_file_longer_than(10):
        said = refusal("backup", "verify", backup, "--key-file", key_file, "--manifest", manifest)
    assert said == f"{manifest}: File too large"


@pytest.mark.django_db(transaction=True)
def test_an_export_that_cannot_be_read_is_not_said_of_the_file_that_was_to_be_written(acme, tmp_path, monkeypatch):
    class Broken(File):
        def read(self, *_):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    opens = Disk._open
    monkeypatch.setattr(Disk, "_open", lambda *about: Broken(opens(*about)))
    wanted = tmp_path / "wanted"
    said = refusal("export_library", "acme", LIBRARY.org_id, wanted, "--tag-id", LIBRARY.tag_id)
    assert said == "the storage of recordings: Input/output error"


@pytest.mark.parametrize("listed", [True, False])
def test_a_backup_that_cannot_be_read_is_named(listed, tmp_path, key_file):
    manifest = ["--manifest", tmp_path / "manifest"] if listed else []
    # Of which nobody may read what no process has in its memory.
    unreadable = Path("/proc/self/mem")
    said = refusal("backup", "verify", unreadable, "--key-file", key_file, *manifest)
    assert said == f"{unreadable}: Input/output error"


def test_a_standard_input_that_cannot_be_read_is_named(tmp_path, key_file, monkeypatch):
    with open("/proc/self/mem", "rb") as unreadable:
        monkeypatch.setattr(sys, "stdin", unreadable)
        said = refusal("backup", "verify", "-", "--key-file", key_file, "--manifest", tmp_path / "manifest")
    assert said == "standard input: Input/output error"


def test_what_follows_the_first_line_is_no_part_of_a_passphrase(tmp_path):
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse battery\n" + 5000 * TEXT)
    assert key_of(None, passphrase) == key_of_passphrase("correct horse battery")


def test_a_key_file_holds_a_key_and_nothing_else(tmp_path, key_file):
    key_file.write_text(key_file.read_text() + new_key())
    said = "a key file holds 32 bytes in base64"
    assert refusal("backup", "verify", tmp_path / "absent", "--key-file", key_file).startswith(said)


def test_a_failure_that_the_operating_system_does_not_number_keeps_its_words():
    with pytest.raises(OSError, match=r"^timed out$"), naming("/wanted"):
        raise OSError("timed out")


def test_a_key_that_is_no_text_is_named(tmp_path):
    key = tmp_path / "key"
    key.write_bytes(b"\xff\xfe")
    assert refusal("backup", "verify", tmp_path, "--key-file", key) == f"{key}: this is no text in UTF-8"


@pytest.mark.parametrize("option", ["--key-file", "--passphrase-file"])
def test_a_key_that_never_ends_is_refused(option, tmp_path):
    said = "/dev/zero: this is too long for a key or passphrase"
    assert refusal("backup", "verify", tmp_path, option, "/dev/zero") == said


def test_a_key_is_written_into_no_file_that_there_is(tmp_path):
    key = tmp_path / "key"
    key.write_text(TEXT)
    assert re.fullmatch(f"{re.escape(str(key))}: File exists", refusal("backup", "new-key", key))
    assert key.read_text() == TEXT
