"""WeSpeaker checkpoints, as far as they can be understood without the packages that can run them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from audio.errors import UnusableModel
from audio.fbank import FBANK_BANDS

CONFIG_FILE: Final = "config.yaml"
WEIGHTS_FILE: Final = "avg_model.pt"
MAX_CONFIG_BYTES: Final = 1024 * 1024

# What our features are, by the words of WeSpeaker's configuration; what a configuration leaves out is so by default.
UNDERSTOOD: Final[Mapping[tuple[str, ...], object]] = {
    ("model_args", "feat_dim"): FBANK_BANDS,
    ("model_args", "acoustic_dim"): FBANK_BANDS,
    ("dataset_args", "frontend"): "fbank",
    ("dataset_args", "resample_rate"): 16_000,
    ("dataset_args", "fbank_args", "num_mel_bins"): FBANK_BANDS,
    ("dataset_args", "fbank_args", "frame_length"): 25,
    ("dataset_args", "fbank_args", "frame_shift"): 10,
    ("dataset_args", "cmvn"): True,
    ("dataset_args", "cmvn_args", "norm_mean"): True,
    ("dataset_args", "cmvn_args", "norm_var"): False,
}


class Unconvertible(UnusableModel):
    """A checkpoint that cannot become a model of ours, for this reason."""


class UnsupportedSetting(Unconvertible):
    """It was trained on other features than ours."""

    def __init__(self, setting: str, found: object, expected: object) -> None:
        self.setting, self.found, self.expected = setting, found, expected
        super().__init__(f"{CONFIG_FILE} says {setting}: {found!r}, where only {expected!r} is supported")


@dataclass(frozen=True)
class Checkpoint:
    """`architecture` and `arguments` are the name and the arguments of a speaker model of the wespeaker package."""

    architecture: str
    arguments: Mapping[str, Any]
    weights: Path


def read_checkpoint(folder: Path) -> Checkpoint:
    """Of a folder with `avg_model.pt` and `config.yaml`. Raises Unconvertible."""
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise Unconvertible(f"there is no {name} in {folder}")
    config = _config(folder / CONFIG_FILE)
    for path, expected in UNDERSTOOD.items():
        found = _setting(config, path, expected)
        if found != expected:
            raise UnsupportedSetting(".".join(path), found, expected)
    return Checkpoint(
        architecture=_expected(config, "model", str),
        arguments=_expected(config, "model_args", dict),
        weights=folder / WEIGHTS_FILE,
    )


def _config(file: Path) -> dict[str, Any]:
    if file.stat().st_size > MAX_CONFIG_BYTES:
        raise Unconvertible(f"{CONFIG_FILE} has more than {MAX_CONFIG_BYTES} bytes")
    try:
        config = yaml.safe_load(file.read_bytes())
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        raise Unconvertible(f"{CONFIG_FILE} is not plain YAML") from error
    if not isinstance(config, dict):
        raise Unconvertible(f"{CONFIG_FILE} is no table of settings")
    return config


def _setting(config: dict[str, Any], path: tuple[str, ...], default: object) -> object:
    """The default where the setting is missing or empty."""
    found: Any = config
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return default if found is None else found


def _expected(config: dict[str, Any], name: str, kind: type) -> Any:
    if not isinstance(config.get(name), kind):
        raise Unconvertible(f"{CONFIG_FILE} has no {name}")
    return config[name]
