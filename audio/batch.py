"""Many recordings of one folder measured at once: a process per core, each with one thread and its own model."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from audio.analysis import analyze
from audio.decode import MAX_BYTES
from audio.encoders import SpeakerEncoder
from audio.errors import AudioError
from audio.results import Embedding


@dataclass(frozen=True)
class Heard:
    """What a comparison needs of one recording: the unit-length embedding, and how much speech it was made of."""

    embedding: Embedding
    speech_seconds: float


@dataclass(frozen=True)
class Unheard:
    """A recording without an embedding: the kind of AudioError, "Missing" or "Unreadable", and what more is known."""

    reason: str
    detail: str


Outcome = Heard | Unheard
LoadEncoder = Callable[[], SpeakerEncoder]


def hear_all(
    paths: Sequence[Path], load: LoadEncoder, *, denoise: bool = False, processes: int | None = None
) -> Iterator[tuple[Path, Outcome]]:
    """Each recording with what came of it, as they are done. Whoever stops listening stops the measuring.

    `load` is called in every process for every recording, and keeps what it loaded. Raises what it raises, and
    BrokenProcessPool when a process is killed, as for want of memory.
    """
    with _processes(min(processes or _cores(), max(1, len(paths)))) as pool:
        with _ctrl_c_held_back():
            waiting: dict[Future[Outcome], Path] = {pool.submit(hear, path, load, denoise): path for path in paths}
        for done in as_completed(waiting):
            yield waiting.pop(done), done.result()


def hear(path: Path, load: LoadEncoder, denoise: bool) -> Outcome:
    encoder = load()
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        analysis = analyze(content, encoders=[encoder], denoise=denoise, keep=False)
    except FileNotFoundError:
        return Unheard("Missing", "no such file")
    except OSError as error:
        return Unheard("Unreadable", error.strerror or type(error).__name__)
    except AudioError as error:
        return Unheard(type(error).__name__, str(error))
    return Heard(analysis.embeddings[encoder.name], analysis.quality.speech_seconds)


@contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Started afresh, since a fork would copy locks that threads of this process may hold."""
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Processes started meanwhile never hear it, and leave it to this one, which hears it afterwards."""
    usual = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
