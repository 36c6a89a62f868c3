"""What can be told from a checkpoint's folder alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from audio.checkpoints import Unconvertible, UnsupportedSetting, read_checkpoint

# The part about the model of what WeSpeaker's recipe for VoxCeleb writes.
RESNET34 = {
    "model": "ResNet34",
    "model_args": {"embed_dim": 256, "feat_dim": 80, "pooling_func": "TSTP", "two_emb_layer": False},
    "projection_args": {"project_type": "arc_margin", "scale": 32.0},
    "dataset_args": {
        "aug_prob": 0.6,
        "cmvn": True,
        "cmvn_args": {"norm_mean": True, "norm_var": False},
        "fbank_args": {"dither": 1.0, "frame_length": 25, "frame_shift": 10, "num_mel_bins": 80},
        "frontend": "fbank",
        "num_frms": 200,
        "resample_rate": 16000,
    },
}


def folder_with(folder: Path, config: object) -> Path:
    (folder / "config.yaml").write_text(config if isinstance(config, str) else yaml.safe_dump(config))
    (folder / "avg_model.pt").write_bytes(b"tensors")
    return folder


def test_the_architecture_and_its_arguments_are_read_from_the_configuration(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(folder_with(tmp_path, RESNET34))

    assert (checkpoint.architecture, checkpoint.arguments) == ("ResNet34", RESNET34["model_args"])
    assert checkpoint.weights == tmp_path / "avg_model.pt"


def test_a_configuration_that_says_nothing_about_features_means_the_usual_ones(tmp_path: Path) -> None:
    config = {"model": "SimAM_ResNet34_ASP", "model_args": {}}

    assert read_checkpoint(folder_with(tmp_path, config)).architecture == "SimAM_ResNet34_ASP"


@pytest.mark.parametrize("name", ["config.yaml", "avg_model.pt"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (folder_with(tmp_path, RESNET34) / name).unlink()

    with pytest.raises(Unconvertible, match=f"no {name} in"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("dataset_args.frontend", "s3prl"),
        ("dataset_args.resample_rate", 8000),
        ("dataset_args.fbank_args.num_mel_bins", 40),
        ("dataset_args.fbank_args.frame_shift", 12.5),
        ("dataset_args.cmvn_args.norm_var", True),
        ("dataset_args.cmvn", False),
        ("model_args.feat_dim", 72),
        ("model_args.acoustic_dim", 64),
    ],
)
def test_features_that_we_do_not_make_are_refused_by_their_setting(tmp_path: Path, setting: str, found: Any) -> None:
    config = changed(RESNET34, setting.split("."), found)

    with pytest.raises(UnsupportedSetting) as refused:
        read_checkpoint(folder_with(tmp_path, config))

    assert (refused.value.setting, refused.value.found) == (setting, found)


@pytest.mark.parametrize(
    "config",
    [
        "- a list",
        "model: [unclosed",
        "!!python/object/apply:os.system [touch harmed]",
        {"model_args": {"feat_dim": 80}},
        {"model": "ResNet34"},
        "model: ResNet34\n#" + "x" * 1024 * 1024,
    ],
    ids=["a list", "broken", "code", "no model", "no arguments", "endless"],
)
def test_what_is_no_configuration_of_a_model_is_refused(tmp_path: Path, config: object) -> None:
    with pytest.raises(Unconvertible, match=r"config\.yaml"):
        read_checkpoint(folder_with(tmp_path, config))


def changed(config: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    name, *rest = path
    return config | {name: changed(config[name], rest, value) if rest else value}
