"""Encoders are pinned, loaded late, and give directions of unit length."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audio.catalogue import CATALOGUE, GE2E, UnknownModel
from audio.encoders import load_encoder
from audio.errors import ModelMissing, WeightsChanged
from audio.onnx import load_session
from audio.results import Waveform
from tests.audio.recordings import noise, spoken

ROOT = Path(__file__).parents[2]
HEAVY_MODULES = {"onnxruntime", "av", "soxr"}


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_embedding_has_the_catalogued_shape_and_unit_length(name: str) -> None:
    embedding = load_encoder(name).embed(Waveform(spoken()))

    assert embedding.shape == (CATALOGUE[name].dimension,)
    assert embedding.dtype == np.float32
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


def test_the_same_recording_gives_the_same_embedding() -> None:
    encoder = load_encoder("ge2e")

    np.testing.assert_array_equal(encoder.embed(Waveform(spoken())), encoder.embed(Waveform(spoken())))


@pytest.mark.parametrize("seconds", [0.1, 1.6, 300])
def test_a_recording_of_any_length_has_an_embedding(seconds: float) -> None:
    assert np.isfinite(load_encoder("ge2e").embed(Waveform(noise(seconds)))).all()


def test_an_encoder_is_loaded_once_per_process() -> None:
    assert load_encoder("ge2e") is load_encoder("ge2e")


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UnknownModel):
        load_encoder("nobody")


@pytest.mark.parametrize("name", CATALOGUE)
def test_weights_carry_their_licence(name: str) -> None:
    licence = CATALOGUE[name].path.with_suffix(".LICENSE").read_text()

    assert "Apache License" in licence


def test_other_weights_than_the_pinned_are_refused(tmp_path: Path) -> None:
    changed = tmp_path / "ge2e.onnx"
    changed.write_bytes(GE2E.path.read_bytes() + b"\0")

    with pytest.raises(WeightsChanged):
        load_session(changed, GE2E.sha256)


def test_weights_that_are_gone_are_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        load_session(tmp_path / "gone.onnx", GE2E.sha256)


@pytest.mark.parametrize("module", ["audio.catalogue", "audio.results", "audio.errors"])
def test_the_web_process_may_import_this_without_a_decoder_or_a_model(module: str) -> None:
    program = f"import sys, {module}; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)

    assert not HEAVY_MODULES & set(loaded.stdout.split())


def test_importing_the_analysis_loads_no_weights() -> None:
    program = (
        "from audio import analysis, encoders, speech;"
        "print(encoders.load_encoder.cache_info().currsize, speech._session.cache_info().currsize)"
    )

    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)

    assert loaded.stdout.split() == ["0", "0"]


def test_the_runtime_tells_its_maker_nothing(tmp_path: Path) -> None:
    """Where it does, it numbers the machine in a file below the home folder. It is silent by itself where CI is set."""
    program = "from audio.encoders import load_encoder; load_encoder('ge2e')"

    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, env={"HOME": str(tmp_path)})

    assert list(tmp_path.rglob("*")) == []
