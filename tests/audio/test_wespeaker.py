"""Any runtime model of WeSpeaker is heard as it was trained, whatever the recording's length."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from audio.analysis import analyze
from audio.encoders import PIECE_SAMPLES, WespeakerEncoder, load_encoder, open_encoder
from audio.errors import ProviderUnavailable, UnusableModel, WeightsChanged
from audio.fbank import fbank, without_channel
from audio.onnx import Execution, sha256_of
from audio.results import Samples, Waveform
from tests.audio.networks import write_network
from tests.audio.recordings import VOICES, encoded, noise, sample, spoken, tone

# torchaudio.compliance.kaldi.fbank with WeSpeaker's options, of the noise below as 16-bit integers.
REFERENCE = np.load(Path(__file__).with_name("torchaudio_fbank.npy"))


def opened(path: Path, **execution: object) -> WespeakerEncoder:
    return WespeakerEncoder("small", path, sha256_of(path), Execution(**execution))


@pytest.fixture
def encoder(tmp_path: Path) -> WespeakerEncoder:
    return opened(write_network(tmp_path / "small.onnx"))


def embedded(encoder: WespeakerEncoder, samples: Samples) -> np.ndarray:
    return encoder.embed(Waveform(samples))


def test_filterbanks_equal_those_of_torchaudio() -> None:
    samples = np.random.default_rng(2018).standard_normal(3200).astype(np.float32) * np.float32(0.1)

    np.testing.assert_allclose(fbank(samples), REFERENCE, atol=5e-4)


def test_there_is_a_frame_for_each_10_ms_that_have_25_ms_of_sound() -> None:
    assert [len(fbank(noise(seconds))) for seconds in (0.0, 0.024, 0.025, 0.0349, 0.035, 5)] == [0, 0, 1, 1, 2, 498]


def test_a_tone_raises_the_band_of_its_pitch() -> None:
    mean = [fbank(tone(1, hertz=hertz)).mean(axis=0).argmax() for hertz in (200, 1000, 4000)]

    assert mean == sorted(mean)
    assert 20 < mean[1] < 32


def test_features_do_not_know_how_loud_the_recording_was() -> None:
    quiet, loud = (without_channel(fbank(spoken() * np.float32(gain))) for gain in (0.1, 1))

    # Kaldi's window takes the mean of each frame out, so only the floor of digital silence differs.
    assert np.corrcoef(quiet.ravel(), loud.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("dimension", [16, 192, 256])
def test_the_dimension_is_read_from_the_file(tmp_path: Path, dimension: int) -> None:
    encoder = opened(write_network(tmp_path / "m.onnx", dimension=dimension))

    embedding = embedded(encoder, spoken())

    assert (encoder.dimension, embedding.shape, embedding.dtype) == (dimension, (dimension,), np.float32)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


def test_names_of_input_and_output_are_read_from_the_file(tmp_path: Path) -> None:
    usual = opened(write_network(tmp_path / "a.onnx"))
    unusual = opened(write_network(tmp_path / "b.onnx", names=("x", "embedding")))

    np.testing.assert_array_equal(embedded(usual, spoken()), embedded(unusual, spoken()))


def test_voices_are_told_apart(encoder: WespeakerEncoder) -> None:
    known = np.stack([embedded(encoder, spoken(voice, 1)) for voice in VOICES])
    again = np.stack([embedded(encoder, spoken(voice, 2)) for voice in VOICES])

    assert (known @ again.T).argmax(axis=0).tolist() == list(range(len(VOICES)))


@pytest.mark.parametrize("count", [0, 1, 200, 1_600, 4_800])
def test_however_short_a_sound_is_it_has_a_direction(encoder: WespeakerEncoder, count: int) -> None:
    assert np.isfinite(embedded(encoder, spoken()[8_000 : 8_000 + count])).all()


def test_a_long_recording_is_the_mean_of_equal_pieces(encoder: WespeakerEncoder) -> None:
    long = np.resize(spoken(), PIECE_SAMPLES + 2)
    halves = [embedded(encoder, half) for half in np.array_split(long, 2)]

    mean = np.mean(halves, axis=0)

    np.testing.assert_allclose(embedded(encoder, long), mean / np.linalg.norm(mean), atol=1e-6)


def test_up_to_the_limit_a_recording_is_heard_as_a_whole(encoder: WespeakerEncoder) -> None:
    whole = np.resize(spoken(), PIECE_SAMPLES)
    frames = without_channel(fbank(whole))[np.newaxis]
    bare = encoder._session.run(None, {"feats": frames})[0][0]

    np.testing.assert_allclose(embedded(encoder, whole), bare / np.linalg.norm(bare), atol=1e-6)


def test_what_it_hears_is_not_made_louder(encoder: WespeakerEncoder) -> None:
    quiet = spoken() * np.float32(0.05)
    heard = analyze(encoded(quiet, codec="pcm_f32le"), encoders=[encoder], trim_silence=False).embedding

    assert heard @ embedded(encoder, quiet - quiet.mean()) == pytest.approx(1, abs=1e-5)


def test_a_recording_is_measured_with_two_encoders_at_once(encoder: WespeakerEncoder) -> None:
    both = analyze(sample("susan"), encoders=[encoder, load_encoder("ge2e")]).embeddings

    np.testing.assert_array_equal(both["small"], analyze(sample("susan"), encoders=[encoder]).embedding)
    np.testing.assert_array_equal(both["ge2e"], analyze(sample("susan")).embedding)


def test_threads_do_not_change_the_answer(tmp_path: Path) -> None:
    path = write_network(tmp_path / "m.onnx")

    np.testing.assert_allclose(embedded(opened(path), spoken()), embedded(opened(path, threads=2), spoken()), atol=1e-5)


def test_other_numbers_of_bands_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableModel, match="wants 40 bands in place of 80"):
        opened(write_network(tmp_path / "m.onnx", bands=40))


def test_a_fixed_number_of_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableModel, match="wants 200 frames"):
        opened(write_network(tmp_path / "m.onnx", frames=200))


def test_a_network_for_something_else_is_refused() -> None:
    silero = Path(__file__).parents[2] / "audio" / "weights" / "silero_vad_16k_sequence.onnx"

    with pytest.raises(UnusableModel, match="no WeSpeaker runtime model"):
        opened(silero)


def test_what_is_no_network_is_refused_with_its_path(tmp_path: Path) -> None:
    page = tmp_path / "m.onnx"
    page.write_text("<html>Sign in</html>")

    with pytest.raises(UnusableModel, match=re.escape(str(page))):
        opened(page)


def test_other_weights_than_expected_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsChanged, match="is not the file with sha256 0000"):
        WespeakerEncoder("small", write_network(tmp_path / "m.onnx"), 64 * "0")


def test_a_provider_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match=r"no MarsExecutionProvider; it has .*CPUExecutionProvider"):
        opened(write_network(tmp_path / "m.onnx"), providers=("MarsExecutionProvider",))


def test_a_model_that_was_trained_on_the_povey_window_hears_that(tmp_path: Path) -> None:
    weights = write_network(tmp_path / "small.onnx")
    usual, povey = (
        open_encoder(engine, "small", weights, sha256_of(weights)) for engine in ("wespeaker", "wespeaker-povey")
    )
    session = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])

    (expected,) = session.run(["embs"], {"feats": without_channel(fbank(spoken(), "povey"))[np.newaxis]})[0]

    np.testing.assert_allclose(embedded(povey, spoken()), expected / np.linalg.norm(expected), atol=1e-5)
    assert np.abs(embedded(povey, spoken()) - embedded(usual, spoken())).max() > 1e-3
