"""How commands say what is the matter with a file."""

from __future__ import annotations

import re

import pytest
from django.core.management import CommandError, call_command

TEXT = "of somebody else"


@pytest.mark.parametrize("command", [["erase", "verify"], ["import_library", "acme"], ["backup", "verify"]])
def test_a_file_that_there_is_not_is_named_in_words(command, acme, tmp_path, monkeypatch):
    absent = tmp_path / "absent"
    monkeypatch.setattr("voiceprints.management.commands.backup.key_of", lambda *_, new: "unused")
    with pytest.raises(CommandError, match=f"^{re.escape(str(absent))}: No such file or directory$"):
        call_command(*command, str(absent))


def test_a_key_is_written_into_no_file_that_there_is(tmp_path):
    key = tmp_path / "key"
    key.write_text(TEXT)
    with pytest.raises(CommandError, match=f"^{re.escape(str(key))}: File exists$"):
        call_command("backup", "new-key", str(key))
    assert key.read_text() == TEXT
