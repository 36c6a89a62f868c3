"""The samples as WAV, for whoever tries an interface by hand."""

import wave

import pytest
from django.core.management import CommandError, call_command


def test_a_sample_is_written_as_vendors_want_it(tmp_path):
    call_command("sample_wav", "susan", "1", tmp_path / "susan.wav")
    with wave.open(str(tmp_path / "susan.wav")) as written:
        assert (written.getnchannels(), written.getsampwidth(), written.getframerate()) == (1, 2, 16_000)
        assert written.getnframes() > 3 * 16_000


@pytest.mark.parametrize(("voice", "number"), [("nobody", "1"), ("susan", "9"), ("../susan", "1")])
def test_only_a_sample_is_written(tmp_path, voice, number):
    with pytest.raises(CommandError, match="no recording"):
        call_command("sample_wav", voice, number, tmp_path / "x.wav")


def test_a_folder_that_is_missing_is_told(tmp_path):
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("sample_wav", "susan", "1", tmp_path / "missing" / "x.wav")
