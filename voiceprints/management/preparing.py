"""What a start does about speaker models."""

from __future__ import annotations

import sys
from pathlib import Path

from audio.errors import ModelError, ModelMissing
from audio.fetching import Progress
from audio.onnx import refuse_unavailable
from audio.published import PUBLISHED, find_published
from audio.store import NAME, ModelCard
from voiceprints import conversions, installed, obtaining
from voiceprints.engines import execution
from voiceprints.management.progress import progress_bar
from voiceprints.management.stopping import STOPPED


def prepare(wanted: str) -> int:
    """Have the model that is `wanted`, if any, and let new tenants begin with it; returns the exit status."""
    try:
        refuse_unavailable(execution().providers)
        if wanted:
            _begin_with(wanted)
    except ModelError as error:
        print(f"openvpr: {error}", file=sys.stderr)  # noqa: T201 - a start says on the terminal what is wrong
        return 1
    except OSError as error:
        print(f"openvpr: OPENVPR_MODEL: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return STOPPED
    return 0


def _begin_with(wanted: str) -> None:
    if wanted not in installed.store().names():
        print(f"openvpr: getting the speaker model {wanted}", flush=True)  # noqa: T201 - it may take minutes
    with progress_bar(wanted) as progress:
        card = _had(wanted, progress)
    installed.make_default(card.name)


def _had(wanted: str, progress: Progress) -> ModelCard:
    """By the name of a published or installed model, or the path of a file. Raises ModelError."""
    if find_published(wanted):
        return conversions.obtain(wanted, progress).card
    if NAME.fullmatch(wanted) and installed.store().has(wanted):
        return installed.store().find(wanted)
    path = Path(wanted).expanduser()
    if path.is_file():
        return obtaining.add(path)
    raise ModelMissing(
        f"{wanted!r} is no file, no installed model, and none of those published: {', '.join(PUBLISHED)}"
    )
