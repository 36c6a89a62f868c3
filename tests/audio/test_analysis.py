"""One call from bytes to an embedding, or a refusal that says why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from audio.analysis import analyze
from audio.decode import decode
from audio.encoders import load_encoder
from audio.errors import AudioError, NotEnoughSpeech, PoorQuality, TooLarge, TooLong, TooShort, Undecodable
from audio.results import Analysis, Embedding, RawPcm, RecordingForm, Waveform
from tests.audio.recordings import correlation, encoded, noise, pcm, sample, spoken, tone


class Counting(ThreadPoolExecutor):
    submitted = 0

    def submit(self, *deed: Any) -> Any:
        self.submitted += 1
        return super().submit(*deed)


def test_a_sentence_is_measured_embedded_and_kept() -> None:
    analysis = analyze(sample("susan"))

    assert analysis.model == "ge2e"
    assert analysis.embedding.shape == (256,)
    assert analysis.quality.duration_seconds > analysis.quality.speech_seconds > 3
    assert analysis.quality.snr_db > 20


def test_the_flac_holds_the_whole_recording() -> None:
    kept = decode(analyze(sample("susan")).flac)

    assert len(kept.samples) == len(spoken("susan"))
    assert correlation(kept.samples, spoken("susan")) > 0.9999


def test_the_flac_is_the_same_when_it_is_made_beside_the_encoder() -> None:
    with Counting(1) as beside:
        assert analyze(sample("susan"), beside=beside).flac == analyze(sample("susan")).flac
        analyze(sample("susan"), beside=beside, keep=False)

    assert beside.submitted == 1


def test_the_flac_has_the_same_voice_as_what_was_sent() -> None:
    analysis = analyze(sample("susan"))

    assert analyze(analysis.flac).embedding @ analysis.embedding > 0.999


def test_an_analysis_survives_the_wire() -> None:
    analysis = analyze(sample("ken"))

    received = Analysis.from_wire(analysis.to_wire())

    np.testing.assert_array_equal(received.embedding, analysis.embedding)
    assert (received.model, received.denoised, received.trimmed) == ("ge2e", False, True)
    assert (received.model, received.quality, received.flac) == (analysis.model, analysis.quality, analysis.flac)


@pytest.mark.parametrize("gain_db", [-30, -20, -6, 6])
def test_loudness_is_no_trait_of_a_voice(gain_db: float) -> None:
    speech = spoken("callum") * np.float32(0.3)
    louder = speech * np.float32(10 ** (gain_db / 20))

    assert analyze(encoded(louder)).embedding @ analyze(encoded(speech)).embedding > 0.98


def test_long_pauses_are_no_trait_of_a_voice() -> None:
    with_pauses = np.concatenate([noise(10, 1e-4), spoken(), noise(10, 1e-4)])
    plain = analyze(sample("susan")).embedding

    trimmed, whole = (analyze(encoded(with_pauses), trim_silence=choice).embedding @ plain for choice in (True, False))

    assert trimmed > 0.98
    assert trimmed > whole


def test_headerless_pcm_is_analysed_as_told() -> None:
    heard = analyze(pcm(spoken()), raw_pcm=RawPcm())

    assert heard.embedding @ analyze(sample("susan")).embedding > 0.999


JUNK = {
    "silence": np.zeros(80_000, np.float32),
    "noise": noise(5),
    "tone": tone(5),
    "hum": tone(5, 50) + noise(5, 1e-3),
}


@pytest.mark.parametrize("sound", JUNK)
@pytest.mark.parametrize("required_seconds", [0.0, 0.5, 1.1])
def test_what_is_not_speech_never_gets_an_embedding(sound: str, required_seconds: float) -> None:
    with pytest.raises(NotEnoughSpeech):
        analyze(encoded(JUNK[sound]), required_speech_seconds=required_seconds)


def test_too_little_speech_is_refused_with_its_figures() -> None:
    with pytest.raises(NotEnoughSpeech) as refusal:
        analyze(sample("susan"), required_speech_seconds=60)

    assert 3 < refusal.value.speech_seconds < 7
    assert refusal.value.required_seconds == 60


def test_a_caller_may_be_content_with_less_speech() -> None:
    word = encoded(spoken()[8_000:20_000])

    assert analyze(word, required_speech_seconds=0.5).quality.speech_seconds < 1.1


class Levels:
    """A second encoder, of another space: how loud the thirds of a recording are."""

    name, dimension, heard_level_dbfs = "levels", 3, None

    def embed(self, waveform: Waveform) -> Embedding:
        levels = np.array([np.abs(third).mean() for third in np.array_split(waveform.samples, self.dimension)])
        return (levels / np.linalg.norm(levels)).astype(np.float32)


class Deaf(Levels):
    def embed(self, waveform: Waveform) -> Embedding:
        pytest.fail("it heard what was to be refused")


def test_no_encoder_hears_what_has_too_little_speech() -> None:
    with pytest.raises(NotEnoughSpeech):
        analyze(encoded(noise(3)), encoders=[Deaf()])


def test_several_encoders_hear_one_recording() -> None:
    both = analyze(sample("susan"), encoders=[Levels(), load_encoder("ge2e")])

    assert list(both.embeddings) == ["levels", "ge2e"]
    assert (both.model, both.embedding.shape) == ("levels", (3,))
    np.testing.assert_array_equal(both.embeddings["ge2e"], analyze(sample("susan")).embedding)


def test_a_moment_of_sound_is_too_short() -> None:
    with pytest.raises(TooShort) as refusal:
        analyze(encoded(noise(0.1)))

    assert refusal.value.numbers == {"seconds": pytest.approx(0.1), "required_seconds": 0.2}


def test_a_destroyed_signal_is_poor_quality() -> None:
    with pytest.raises(PoorQuality):
        analyze(encoded(np.clip(1_000 * spoken(), -0.9, 0.9)))


def test_limits_reach_the_decoder() -> None:
    with pytest.raises(TooLarge):
        analyze(sample("susan"), max_bytes=100)
    with pytest.raises(TooLong):
        analyze(sample("susan"), form=RecordingForm(max_seconds=1, overlong="refuse"))


def test_only_the_allowed_seconds_are_kept() -> None:
    assert analyze(sample("susan"), form=RecordingForm(max_seconds=3)).quality.duration_seconds == pytest.approx(3)


@pytest.mark.parametrize(
    "error", [Undecodable(reason="no samples"), NotEnoughSpeech(speech_seconds=0.8, required_seconds=2.0)]
)
def test_a_refusal_survives_the_wire(error: AudioError) -> None:
    received = AudioError.from_wire(error.to_wire())

    assert type(received) is type(error)
    assert received.numbers == error.numbers
