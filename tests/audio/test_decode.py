"""What decoding does to the sound, and where it stops."""

from __future__ import annotations

import numpy as np
import pytest

from audio.decode import decode
from audio.errors import (
    Damaged,
    TooExpensive,
    TooLarge,
    TooLong,
    TooShort,
    Undecodable,
    UnexpectedContainer,
    UnexpectedLayout,
    Unrecognised,
)
from audio.results import RawPcm, RecordingForm
from tests.audio.recordings import correlation, encoded, noise, pcm, resampled, silent_film, spoken, tone


def test_silence_in_the_other_channel_does_not_matter() -> None:
    speech = spoken()

    read = decode(encoded(np.stack([np.zeros_like(speech), speech])))

    assert correlation(read.samples, speech) > 0.999


def test_channels_in_antiphase_do_not_cancel() -> None:
    speech = spoken()

    read = decode(encoded(np.stack([speech, -speech])))

    assert abs(correlation(read.samples, speech)) > 0.999


def test_two_people_on_two_channels_are_not_mixed() -> None:
    susan, ken = spoken("susan")[:48_000], 0.5 * spoken("ken")[:48_000]

    read = decode(encoded(np.stack([ken, susan])))

    assert correlation(read.samples, susan) > 0.999


def test_a_constant_offset_is_not_taken_for_the_louder_channel() -> None:
    speech = spoken()

    read = decode(encoded(np.stack([speech, np.full_like(speech, 0.9)])))

    assert correlation(read.samples, speech) > 0.999


def test_the_loudest_of_six_channels_is_taken() -> None:
    speech = spoken()
    channels = np.stack([0.1 * speech] * 4 + [speech, 0.1 * speech])

    read = decode(encoded(channels))

    assert np.abs(read.samples).max() == pytest.approx(np.abs(speech).max(), abs=0.01)


def test_the_loudest_channel_of_headerless_pcm_is_taken() -> None:
    speech = spoken()
    interleaved = np.stack([0.01 * speech, speech], axis=1).reshape(-1)

    read = decode(pcm(interleaved), raw_pcm=RawPcm(channels=2))

    assert correlation(read.samples, speech) > 0.999


def test_a_constant_offset_is_removed() -> None:
    read = decode(encoded(0.5 * spoken() + 0.3))

    assert abs(read.samples.mean()) < 1e-4


def test_a_float_recording_on_another_scale_comes_within_range() -> None:
    speech = spoken()

    read = decode(encoded(200 * speech, codec="pcm_f32le"))

    assert np.abs(read.samples).max() == pytest.approx(1)
    assert correlation(read.samples, speech) > 0.999


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers_are_refused(value: float) -> None:
    samples = spoken()
    samples[1000] = value

    with pytest.raises(Undecodable):
        decode(encoded(samples, codec="pcm_f32le"))


def test_resampling_keeps_a_tone_and_lets_no_alias_through() -> None:
    high = tone(1, hertz=11_000, rate=48_000)
    low = tone(1, hertz=1_000, rate=48_000)

    read = decode(encoded(low + high, rate=48_000))

    spectrum = np.abs(np.fft.rfft(read.samples * np.hanning(len(read.samples))))
    assert np.argmax(spectrum) == pytest.approx(1_000, abs=2)
    assert spectrum[4_900:5_100].max() < 1e-3 * spectrum.max()


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_any_usual_sample_rate_gives_the_same_sound(rate: int) -> None:
    speech = resampled(resampled(spoken(), 8_000)[:24_000], 32_000)[::2]

    read = decode(encoded(resampled(speech, rate), rate=rate))

    assert correlation(read.samples, speech) > 0.99


def test_a_long_recording_is_cut() -> None:
    assert decode(encoded(noise(3)), form=RecordingForm(max_seconds=2)).duration_seconds == pytest.approx(2)


def test_a_long_recording_is_refused_if_so_wished() -> None:
    with pytest.raises(TooLong) as refusal:
        decode(encoded(noise(3)), form=RecordingForm(max_seconds=2, overlong="refuse"))

    assert refusal.value.seconds > 2
    assert refusal.value.limit_seconds == 2


def test_a_recording_of_just_the_allowed_length_is_not_too_long() -> None:
    assert decode(
        encoded(noise(2)), form=RecordingForm(max_seconds=2, overlong="refuse")
    ).duration_seconds == pytest.approx(2)


def test_a_recording_shorter_than_asked_for_is_refused() -> None:
    with pytest.raises(TooShort) as refusal:
        decode(encoded(noise(2)), form=RecordingForm(min_seconds=3))

    assert refusal.value.numbers == {"seconds": pytest.approx(2), "required_seconds": 3}


def test_another_container_than_asked_for_is_refused() -> None:
    with pytest.raises(UnexpectedContainer) as refusal:
        decode(encoded(noise(1), "flac", "flac"), form=RecordingForm(containers=("wav", "mp3")))

    assert refusal.value.numbers == {"found": "flac", "expected": ["wav", "mp3"]}


@pytest.mark.parametrize(
    ("content", "asked", "what", "found"),
    [
        (encoded(noise(1), rate=8_000), RecordingForm(sample_rate=16_000), "sample_rate", 8_000),
        (encoded(np.stack([noise(1)] * 2)), RecordingForm(channels=1), "channels", 2),
        (encoded(noise(1), codec="pcm_s24le"), RecordingForm(sample_bits=16), "sample_bits", 24),
        (encoded(noise(1), codec="pcm_alaw"), RecordingForm(sample_bits=16), "sample_bits", 0),
    ],
    ids=["rate", "channels", "bits", "no linear PCM"],
)
def test_another_layout_than_asked_for_is_refused(content: bytes, asked: RecordingForm, what: str, found: int) -> None:
    with pytest.raises(UnexpectedLayout) as refusal:
        decode(content, form=asked)

    assert (refusal.value.what, refusal.value.found) == (what, found)


def test_headerless_pcm_has_the_layout_it_is_said_to_have() -> None:
    with pytest.raises(UnexpectedLayout):
        decode(pcm(noise(1)), raw_pcm=RawPcm(channels=2), form=RecordingForm(channels=1))


def test_a_recording_of_the_form_asked_for_is_read() -> None:
    asked = RecordingForm(("wav",), 16_000, 1, 16, min_seconds=1, max_seconds=3, overlong="refuse")
    assert decode(encoded(noise(2)), form=asked).duration_seconds == pytest.approx(2)


def test_what_is_no_recording_is_told_from_one_that_is_damaged() -> None:
    whole = encoded(noise(1))
    nothing_said = whole[: whole.index(b"data") + 8]
    with pytest.raises(Unrecognised):
        decode(b"not a recording" * 100)
    with pytest.raises(Damaged):
        decode(nothing_said)


def test_too_many_bytes_are_refused_before_anything_is_read() -> None:
    with pytest.raises(TooLarge) as refusal:
        decode(b"x" * 1001, max_bytes=1000)

    assert refusal.value.numbers == {"size_bytes": 1001, "limit_bytes": 1000}


def test_decoding_stops_when_its_processor_time_is_up() -> None:
    with pytest.raises(TooExpensive):
        decode(encoded(noise(60)), max_cpu_seconds=0.0)


@pytest.mark.parametrize("layout", [RawPcm(sample_rate=0), RawPcm(sample_rate=10**9), RawPcm(channels=0)])
def test_an_impossible_layout_of_headerless_pcm_is_refused(layout: RawPcm) -> None:
    with pytest.raises(Undecodable):
        decode(pcm(noise(1)), raw_pcm=layout)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"\x00" * 5000, b"not a recording" * 100])
def test_what_is_not_a_recording_is_refused(content: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(content)


def test_empty_headerless_pcm_is_refused() -> None:
    with pytest.raises(Undecodable):
        decode(b"", raw_pcm=RawPcm())


def test_a_video_without_sound_is_refused() -> None:
    with pytest.raises(Undecodable):
        decode(silent_film())


def test_a_truncated_recording_is_read_as_far_as_it_goes() -> None:
    whole = encoded(spoken(), "flac", "flac")

    read = decode(whole[: len(whole) // 2])

    assert 1 < read.duration_seconds < len(spoken()) / 16_000


def test_a_damaged_stretch_is_skipped() -> None:
    whole = bytearray(encoded(spoken(), "flac", "flac"))
    middle = len(whole) // 2
    whole[middle : middle + 400] = bytes(400)

    assert decode(bytes(whole)).duration_seconds == pytest.approx(len(spoken()) / 16_000, abs=0.7)


def test_a_recorder_that_never_wrote_its_sizes_is_read() -> None:
    for size in (b"\x00" * 4, b"\xff" * 4):
        content = bytearray(encoded(spoken()))
        data = content.index(b"data")
        content[4:8], content[data + 4 : data + 8] = size, size

        assert decode(bytes(content)).duration_seconds == pytest.approx(len(spoken()) / 16_000, abs=0.01)
