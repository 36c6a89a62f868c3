"""Checkpoints of the real wespeaker package become models that embed as the package does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.extra import require_wespeaker

require_wespeaker()

import onnxruntime  # noqa: E402

from audio import conversion  # noqa: E402
from audio.checkpoints import Unconvertible, read_checkpoint  # noqa: E402
from audio.conversion import PartsDiffer, convert, load_network, random_features  # noqa: E402
from audio.parity import compared  # noqa: E402
from audio.toolkit import torch  # noqa: E402
from bench.checkpoints import (  # noqa: E402
    ARCHITECTURES,
    sample_features,
    write_checkpoint,
)

pytestmark = pytest.mark.wespeaker


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    for architecture in ARCHITECTURES:
        write_checkpoint(folder / architecture, architecture)
    return folder


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_converted_model_embeds_as_the_package_does(
    checkpoints: Path, tmp_path: Path, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "LONGEST_SECONDS", 4.0)

    parity = convert(read_checkpoint(checkpoints / architecture), tmp_path / "model.onnx")

    assert parity.lowest_cosine >= 0.9999
    assert (parity.lengths, parity.dimension) == (20, ARCHITECTURES[architecture]["embed_dim"])


def test_a_converted_model_takes_any_number_of_recordings_of_any_length(checkpoints: Path, tmp_path: Path) -> None:
    network = load_network(read_checkpoint(checkpoints / "ECAPA_TDNN_GLOB_c512"))
    conversion._export(network, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])

    for frames in (60, 333):
        features = sample_features(frames).numpy()
        assert session.run(["embs"], {"feats": features})[0].shape == (len(features), 192)


def test_the_lengths_tried_reach_from_half_a_second_to_fifteen() -> None:
    frames = [features.shape[1] for features in random_features()]

    assert (len(frames), min(frames), max(frames)) == (20, 50, 1500)


def test_a_model_that_lost_something_on_the_way_is_refused_with_its_worst_figure(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = load_network(read_checkpoint(checkpoints / "ECAPA_TDNN_GLOB_c512"))
    with torch.no_grad():
        other.linear.weight += 0.05 * torch.randn(other.linear.weight.shape)
    export = conversion._export
    monkeypatch.setattr(conversion, "_export", lambda network, target: export(other, target))

    with pytest.raises(PartsDiffer, match=r"cosine 0\.\d+ \(of") as refused:
        convert(read_checkpoint(checkpoints / "ECAPA_TDNN_GLOB_c512"), tmp_path / "model.onnx")

    assert refused.value.parity.lowest_cosine < 0.9999


def test_parity_is_that_of_the_worst_recording() -> None:
    features, one = np.zeros((1, 250, 80), np.float32), np.array([[1.0, 0.0]])

    parity = compared([(features, one, one), (features, one, np.array([[0.8, 0.6]]))])

    assert parity.lowest_cosine == pytest.approx(0.8)
    assert parity.difference == pytest.approx(0.632, abs=1e-3)
    assert parity.at_seconds == 2.5


def test_weights_that_would_run_code_are_refused_and_run_none(checkpoints: Path, tmp_path: Path) -> None:
    folder = copied(checkpoints / "ECAPA_TDNN_GLOB_c512", tmp_path)
    torch.save({"linear.weight": Harmful(tmp_path / "harmed")}, folder / "avg_model.pt")

    with pytest.raises(Unconvertible, match="other things than tensors"):
        load_network(read_checkpoint(folder))

    assert not (tmp_path / "harmed").exists()


class Harmful:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.file,)


def test_weights_of_another_architecture_are_refused(checkpoints: Path, tmp_path: Path) -> None:
    folder = copied(checkpoints / "ECAPA_TDNN_GLOB_c512", tmp_path)
    (folder / "avg_model.pt").write_bytes((checkpoints / "CAMPPlus" / "avg_model.pt").read_bytes())

    with pytest.raises(Unconvertible, match="does not fit the model"):
        load_network(read_checkpoint(folder))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04broken"])
def test_broken_weights_are_refused(checkpoints: Path, tmp_path: Path, content: bytes) -> None:
    folder = copied(checkpoints / "ECAPA_TDNN_GLOB_c512", tmp_path)
    (folder / "avg_model.pt").write_bytes(content)

    with pytest.raises(Unconvertible, match=r"avg_model\.pt"):
        load_network(read_checkpoint(folder))


@pytest.mark.parametrize("architecture", ["NoSuchNet", "ResNet35"])
def test_an_architecture_that_the_package_does_not_have_is_refused(
    checkpoints: Path, tmp_path: Path, architecture: str
) -> None:
    folder = copied(checkpoints / "ECAPA_TDNN_GLOB_c512", tmp_path)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("model: ECAPA_TDNN_GLOB_c512", f"model: {architecture}"))

    with pytest.raises(Unconvertible, match=architecture):
        load_network(read_checkpoint(folder))


def copied(folder: Path, target: Path) -> Path:
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target
