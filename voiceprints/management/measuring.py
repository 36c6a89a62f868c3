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
from django.db import Error as DatabaseFailed
from tqdm import tqdm

from audio.batch import Outcome, hear_all
from audio.errors import ModelError
from audio.store import ModelStore
from tenants.services import default_model
from voiceprints import engines
from voiceprints.management.saying import words_of
from voiceprints.management.stopping import StoppableCommand
from voiceprints.trials import Comparisons, TrialList, TrialsRefused, compared, read_trials

Item = TypeVar("Item")


class MeasuringCommand(StoppableCommand):
    """A command that may measure for hours, with the model that new tenants begin with unless another is named."""

    requires_system_checks = []

    def execute(self, *args: Any, **options: Any) -> str | None:
        return super().execute(*args, **options | {"model": options["model"] or self._default()})

    def _default(self) -> str:
        """Said at once, since the figures come late. Raises CommandError."""
        try:
            model = default_model()
        except DatabaseFailed:
            raise CommandError(
                "the database, which knows the model that new tenants begin with, does not answer; name one by --model"
            ) from None
        self.stderr.write(f"measuring with {model}, the model that new tenants begin with")
        return model


def add_trial_arguments(parser: CommandParser) -> None:
    parser.add_argument("trials", type=Path, metavar="TRIALS")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="where the recordings lie")
    add_model_argument(parser)
    parser.add_argument("--denoise", action="store_true", help="clean what the model hears")


def add_model_argument(parser: CommandParser) -> None:
    parser.add_argument("--model", help="its name; the one that new tenants begin with unless given")


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
        raise CommandError(words_of(error, options["trials"])) from None
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
