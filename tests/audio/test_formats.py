"""Every common recording is read: what FFmpeg writes here, and the shared collection of formats."""

from __future__ import annotations

import pytest

from audio.analysis import analyze
from audio.decode import decode
from audio.errors import Undecodable
from audio.results import RawPcm
from tests.audio.recordings import correlation, encoded, pcm, resampled, spoken
from tests.shared_data import expectations, shared

# Container, codec, sample rate, and how alike the waveform must stay to count as the same sound.
WRITTEN_HERE = [
    ("wav", "pcm_s16le", 16_000, 0.999),
    ("wav", "pcm_s16le", 44_100, 0.999),
    ("wav", "pcm_u8", 16_000, 0.99),
    ("wav", "pcm_s24le", 48_000, 0.999),
    ("wav", "pcm_f32le", 16_000, 0.999),
    ("wav", "pcm_alaw", 16_000, 0.99),
    ("wav", "pcm_mulaw", 16_000, 0.99),
    ("w64", "pcm_s16le", 16_000, 0.999),
    ("aiff", "pcm_s16be", 16_000, 0.999),
    ("caf", "pcm_s16be", 16_000, 0.999),
    ("au", "pcm_s16be", 16_000, 0.999),
    ("flac", "flac", 16_000, 0.999),
    ("matroska", "flac", 16_000, 0.999),
    ("ogg", "libopus", 48_000, 0.9),
    ("webm", "libopus", 48_000, 0.9),
    ("ipod", "alac", 16_000, 0.999),
]

HEADERLESS = {
    "formats/pcm_16k_s16le.pcm": RawPcm(16_000),
    "formats/pcm_8k_s16le.pcm": RawPcm(8_000),
    "formats/pcm_16k_s16be.raw": RawPcm(16_000, big_endian=True),
}
FORMATS = expectations("formats")
# Frames of block codecs are padded at the end, and WMA and MP3 have a delay at the start.
DURATION_TOLERANCE_SECONDS = 0.1
# The telephone band lacks half of what the encoder heard in the reference.
SAME_VOICE_COSINE = 0.8


@pytest.mark.parametrize(("container", "codec", "rate", "alike"), WRITTEN_HERE)
def test_a_common_format_is_read(container: str, codec: str, rate: int, alike: float) -> None:
    original = spoken()

    read = decode(encoded(resampled(original, rate), container, codec, rate))

    assert read.sample_rate == 16_000
    assert read.duration_seconds == pytest.approx(len(original) / 16_000, abs=DURATION_TOLERANCE_SECONDS)
    assert correlation(read.samples, original) > alike


@pytest.mark.parametrize("layout", [RawPcm(), RawPcm(big_endian=True)])
def test_headerless_pcm_is_read_as_told(layout: RawPcm) -> None:
    original = spoken()

    read = decode(pcm(original, ">" if layout.big_endian else "<"), raw_pcm=layout)

    assert correlation(read.samples, original) > 0.999


def test_headerless_pcm_is_refused_without_its_layout() -> None:
    with pytest.raises(Undecodable):
        decode(pcm(spoken()))


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row["file"])
def test_a_shared_format_has_its_true_duration(row: dict[str, str]) -> None:
    content = shared(row["file"]).read_bytes()
    if row["decodable"] == "optional":
        with pytest.raises(Undecodable):
            decode(content)
        return

    read = decode(content, raw_pcm=HEADERLESS.get(row["file"]))

    assert read.duration_seconds == pytest.approx(float(row["duration_s"]), abs=DURATION_TOLERANCE_SECONDS)


@pytest.mark.parametrize("row", [row for row in FORMATS if row["decodable"] != "optional"], ids=lambda row: row["file"])
def test_a_shared_format_keeps_the_voice(row: dict[str, str]) -> None:
    reference = analyze(shared("formats/wav_16k_s16.wav").read_bytes())

    heard = analyze(shared(row["file"]).read_bytes(), raw_pcm=HEADERLESS.get(row["file"]))

    assert heard.embedding @ reference.embedding > SAME_VOICE_COSINE


@pytest.mark.parametrize("file", sorted(HEADERLESS))
def test_shared_headerless_pcm_is_refused_without_its_layout(file: str) -> None:
    with pytest.raises(Undecodable):
        decode(shared(file).read_bytes())


def test_the_shared_formats_are_all_expected() -> None:
    listed = {row["file"].removeprefix("formats/") for row in FORMATS}

    assert listed == {path.name for path in shared("formats").iterdir()}
