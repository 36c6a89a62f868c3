"""Lists of trials, and the scores that a model gives them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from audio.batch import Heard, Outcome, Unheard
from audio.results import Embedding
from voiceprints.errors import printable
from voiceprints.evaluation import Figures, Labels, ScoredTrials

LABELS = {"1": True, "0": False}


class TrialsRefused(Exception):
    """No list of trials we can read; `line` counts from 1, 0 when it is about all of it."""

    def __init__(self, reason: str, *, line: int = 0) -> None:
        self.reason, self.line = reason, line
        super().__init__(f"line {line}: {reason}" if line else reason)


@dataclass(frozen=True)
class Trial:
    """Whether two recordings, named relative to one folder, are of one speaker."""

    same: bool
    enrolled: str
    test: str


@dataclass(frozen=True)
class TrialList:
    """As VoxCeleb's lists: a line per trial, `1 enrolled test` for one speaker, `0 enrolled test` for two."""

    name: str
    sha256: str
    trials: tuple[Trial, ...]

    @cached_property
    def recordings(self) -> list[str]:
        """Each once, in the order of their names."""
        return sorted({name for trial in self.trials for name in (trial.enrolled, trial.test)})

    @cached_property
    def speakers(self) -> dict[str, int] | None:
        """The number of each recording's speaker, where the topmost folders name speakers; None where they do not.

        They do when they agree with every trial.
        """
        folder_of = {name: PurePosixPath(name).parts[0] for name in self.recordings}
        if any((folder_of[trial.enrolled] == folder_of[trial.test]) != trial.same for trial in self.trials):
            return None
        numbers = {folder: number for number, folder in enumerate(sorted(set(folder_of.values())))}
        return {name: numbers[folder] for name, folder in folder_of.items()}

    @property
    def speaker_count(self) -> int | None:
        """None where the folders do not tell."""
        return len(set(self.speakers.values())) if self.speakers else None


def read_trials(path: Path, root: Path) -> TrialList:
    """Raises TrialsRefused, which names the line, and OSError."""
    content = path.read_bytes()
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise TrialsRefused("no text in UTF-8", line=1 + content.count(b"\n", 0, error.start)) from None
    inside = _Folder(root)
    trials = [_trial(line, number, inside) for number, line in enumerate(lines, start=1) if line.strip()]
    if not trials:
        raise TrialsRefused("no trials in it")
    return TrialList(path.name, hashlib.sha256(content).hexdigest(), tuple(trials))


@dataclass(frozen=True)
class Comparisons:
    """Trials whose recordings could both be heard, in columns: row n of each array is about the same trial.

    `enrolled` and `test` are rows of `embeddings`, shape (recordings, D), and of `speech_seconds`.
    """

    same: Labels
    enrolled: NDArray[np.int64]
    test: NDArray[np.int64]
    embeddings: Embedding
    speech_seconds: Figures
    speakers: NDArray[np.int64] | None
    failed: int

    @cached_property
    def cosines(self) -> Figures:
        embeddings = self.embeddings.astype(np.float64)
        return np.asarray(np.einsum("nd,nd->n", embeddings[self.enrolled], embeddings[self.test]))

    @property
    def enrolled_seconds(self) -> Figures:
        return np.asarray(self.speech_seconds[self.enrolled])

    @property
    def test_seconds(self) -> Figures:
        return np.asarray(self.speech_seconds[self.test])

    @cached_property
    def pairs(self) -> NDArray[np.int64] | None:
        """The numbers of both speakers of each trial, shape (n, 2), where they are known."""
        return None if self.speakers is None else self.speakers[np.stack([self.enrolled, self.test], axis=1)]

    def scored(self, scores: Figures) -> ScoredTrials:
        """Raises ClassMissing."""
        return ScoredTrials(scores, self.same, self.pairs)


def compared(listed: TrialList, outcomes: Mapping[str, Outcome]) -> Comparisons:
    """A trial with a recording that could not be heard has failed: it has no score."""
    heard = [name for name in listed.recordings if isinstance(outcomes[name], Heard)]
    row = {name: number for number, name in enumerate(heard)}
    trials = [trial for trial in listed.trials if trial.enrolled in row and trial.test in row]
    known = [outcome for name in heard if isinstance(outcome := outcomes[name], Heard)]
    return Comparisons(
        same=np.array([trial.same for trial in trials], dtype=np.bool_),
        enrolled=np.array([row[trial.enrolled] for trial in trials], dtype=np.int64),
        test=np.array([row[trial.test] for trial in trials], dtype=np.int64),
        embeddings=np.array([one.embedding for one in known], dtype=np.float32).reshape(len(known), -1 if known else 0),
        speech_seconds=np.array([one.speech_seconds for one in known]),
        speakers=np.array([listed.speakers[name] for name in heard]) if listed.speakers else None,
        failed=len(listed.trials) - len(trials),
    )


def refused(outcomes: Mapping[str, Outcome]) -> dict[str, Unheard]:
    """The recordings that could not be heard, by name."""
    return {name: outcome for name, outcome in sorted(outcomes.items()) if isinstance(outcome, Unheard)}


class _Folder:
    """Knows which names lead out of it. Each name is looked up once: lists of a million lines name few recordings."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._inside: dict[str, bool] = {}

    def holds(self, name: str) -> bool:
        if name not in self._inside:
            self._inside[name] = (self._root / name).resolve().is_relative_to(self._root)
        return self._inside[name]


def _trial(line: str, number: int, inside: _Folder) -> Trial:
    fields = line.split()
    if len(fields) != 3 or fields[0] not in LABELS:
        raise TrialsRefused(f"not “1 enrolled test” or “0 enrolled test”: {_shown(line)}", line=number)
    for name in fields[1:]:
        if "\0" in name or not inside.holds(name):
            raise TrialsRefused(f"{_shown(name)} is not inside the folder", line=number)
    return Trial(LABELS[fields[0]], fields[1], fields[2])


def _shown(text: str) -> str:
    return printable(text.strip())[:200]
