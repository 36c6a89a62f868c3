"""The `wespeaker` package, for its speaker models. Needs the packages of requirements-wespeaker.txt.

Its import pulls in front ends, clustering and voice activity detection, gigabytes that no model of ours touches.
While it is imported, empty modules stand in for them, and for the compiled part of torchaudio: that is not needed
either, and fails to load where PyTorch was built for processors only and torchaudio was not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

UNUSED: Final = (
    "hdbscan",
    "peft",
    "s3prl",
    "s3prl.nn",
    "scipy",
    "scipy.signal",
    "silero_vad",
    "transformers",
    "umap",
    "whisper",
)


class _StandIn(ModuleType):
    """Has an empty class of whatever name is asked for, which can be imported and derived from."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda self, *args, **kwargs: None})


def _torchaudio_without_extension() -> ModuleType:
    extension = ModuleType("torchaudio._extension")
    names = {"_IS_TORCHAUDIO_EXT_AVAILABLE": False, "_load_lib": lambda name: False, "fail_if_no_align": lambda f: f}
    vars(extension).update(names)
    return extension


@contextmanager
def _standing_in(modules: Iterable[ModuleType]) -> Iterator[None]:
    """For whatever is not imported yet; afterwards anybody may import the real ones."""
    absent = {module.__name__: module for module in modules if module.__name__ not in sys.modules}
    sys.modules.update(absent)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _standing_in([*map(_StandIn, UNUSED), _torchaudio_without_extension()]):
    import torch
    import wespeaker
    from torchaudio.compliance import kaldi
    from wespeaker.models.speaker_model import get_speaker_model

# Threads of PyTorch wait for each other by spinning, which on a machine that has other work takes many times as long.
torch.set_num_threads(1)

__all__ = ["get_speaker_model", "kaldi", "torch", "wespeaker"]
