"""What the commands share that measure the recordings of a list of trials."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from audio.batch import Outcome, hear_all
from audio.errors import ModelError
from audio.store import ModelStore
from tenants.management.base import AttributedCommand
from voiceprints import engines
from voiceprints.trials import Comparisons, TrialList, TrialsRefused, compared, read_trials

# What a shell reports of a command that was stopped by Ctrl-C.
STOPPED = 130

Item = TypeVar("Item")


class MeasuringCommand(AttributedCommand):
    """A command that may run for hours, and that Ctrl-C stops without a word too many."""

    requires_system_checks = []

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except KeyboardInterrupt:
            raise CommandError("stopped", returncode=STOPPED) from None


def add_trial_arguments(parser: CommandParser, *, default_model: str) -> None:
    parser.add_argument("trials", type=Path, metavar="TRIALS")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="where the recordings lie")
    parser.add_argument("--model", default=default_model, help="its name; %(default)s unless given")
    parser.add_argument("--denoise", action="store_true", help="clean what the model hears")


def measured_trials(options: dict[str, Any]) -> tuple[TrialList, dict[str, Outcome], Comparisons]:
    """The list, what came of each of its recordings, and the trials that can be scored. Raises CommandError."""
    root: Path = options["root"]
    if not root.is_dir():
        raise CommandError(f"{root} is no folder")
    try:
        trials = read_trials(options["trials"], root)
    except TrialsRefused as error:
        raise CommandError(f"{options['trials']}: {error}") from None
    except OSError as error:
        raise CommandError(f"{options['trials']}: {error.strerror}") from None
    outcomes = heard_recordings(root, trials.recordings, model=options["model"], denoise=options["denoise"])
    return trials, outcomes, compared(trials, outcomes)


def heard_recordings(root: Path, names: Iterable[str], *, model: str, denoise: bool) -> dict[str, Outcome]:
    """What came of each, by name, with a progress bar where somebody watches. Raises CommandError."""
    name_of = {root / name: name for name in names}
    try:
        ModelStore(settings.MODELS).find(model)
        hearing = hear_all(list(name_of), partial(engines.encoder, model), denoise=denoise)
        with tqdm(hearing, total=len(name_of), unit="recording", disable=None, leave=False) as shown:
            return {name_of[path]: outcome for path, outcome in _stoppable(shown)}
    except ModelError as error:
        raise CommandError(str(error)) from None
    except BrokenProcessPool:
        raise CommandError("a process that measured was killed, as when memory runs out") from None


def _stoppable(hearing: Iterable[Item]) -> Iterator[Item]:
    """Raises KeyboardInterrupt between two items only: anywhere else it could leave a lock of the pool locked."""
    stopped = threading.Event()
    usual = signal.signal(signal.SIGINT, lambda *_: stopped.set())
    try:
        for item in hearing:
            yield item
            if stopped.is_set():
                raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, usual)
