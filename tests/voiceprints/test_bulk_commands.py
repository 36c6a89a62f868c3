"""The commands that carry a library from one installation to another."""

import json

import pytest
from django.core.management import CommandError, call_command

from tests.archives import csv_manifest, voices, zipped
from tests.cast import LIBRARY, SUSAN, audio
from voiceprints import services

pytestmark = pytest.mark.django_db(transaction=True)


def printed(capsys, *words):
    call_command(*words)
    return json.loads(capsys.readouterr().out)["result"]


def test_a_library_goes_out_and_in(acme, globex, tmp_path, capsys):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    file = tmp_path / "staff.zip"
    out = printed(capsys, "export_library", "acme", "acme", str(file), "--tag-id", "staff", "--embeddings")
    assert out["speakers"] == 1
    assert printed(capsys, "import_library", "globex", str(file)) == {"enrolled": 1}
    assert printed(capsys, "import_library", "globex", str(file), "--org-id", "there") == {"enrolled": 1}


def test_a_list_is_imported(acme, tmp_path, capsys):
    file = tmp_path / "people.zip"
    archive = zipped({"manifest.csv": csv_manifest("susan,susan/1.opus"), **voices("susan/1.opus")})
    file.write_bytes(archive.getvalue())
    assert printed(capsys, "import_library", "acme", str(file), "--org-id", "acme") == {"enrolled": 1}


def test_what_goes_wrong_is_said_in_one_line(acme, tmp_path):
    (tmp_path / "there.zip").write_bytes(b"no zip")
    for words in (
        ["export_library", "nobody", "org", str(tmp_path / "a.zip")],
        ["export_library", "acme", "org", str(tmp_path / "a.zip")],
        ["export_library", "acme", "org", str(tmp_path / "there.zip")],
        ["import_library", "acme", str(tmp_path / "none.zip")],
        ["import_library", "acme", str(tmp_path / "there.zip")],
    ):
        with pytest.raises(CommandError):
            call_command(*words)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".zip"] == ["there.zip"]
