"""What a start does about speaker models."""

from __future__ import annotations

import sys

from audio.errors import ModelError
from audio.onnx import refuse_unavailable
from voiceprints import installed, obtaining
from voiceprints.engines import execution
from voiceprints.management.progress import progress_bar

# What a shell reports of a command that was stopped by Ctrl-C.
STOPPED = 130


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
    with progress_bar(wanted) as progress:
        card = obtaining.obtain_or_add(wanted, progress)
    installed.make_default(card.name)
