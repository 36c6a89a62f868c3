"""ONNX Runtime sessions of pinned weight files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnxruntime

from audio.errors import ModelMissing, ProviderUnavailable, UnusableModel, WeightsChanged

PROCESSOR: Final = "CPUExecutionProvider"


@dataclass(frozen=True)
class Execution:
    """On what a model runs: ONNX Runtime's names of providers, the preferred first, and its threads per session.

    One thread suits a process per core, which is then the only parallelism.
    """

    providers: tuple[str, ...] = (PROCESSOR,)
    threads: int = 1


ONE_CORE: Final = Execution()


def load_session(path: Path, sha256: str, execution: Execution = ONE_CORE) -> onnxruntime.InferenceSession:
    """Raises ModelMissing, WeightsChanged, ProviderUnavailable, UnusableModel."""
    try:
        found = sha256_of(path)
    except OSError as error:
        raise ModelMissing(f"{path} cannot be read ({error.strerror}); fetch or add the model again") from None
    if found != sha256:
        raise WeightsChanged(f"{path} is not the file with sha256 {sha256}; fetch or add the model again")
    refuse_unavailable(execution.providers)
    try:
        # From the path, because the bytes would lie in memory once more.
        session = onnxruntime.InferenceSession(str(path), _options(execution), providers=list(execution.providers))
    except Exception as error:  # noqa: BLE001 - the runtime's exceptions have no common class of their own
        raise UnusableModel(f"{path} is no model that ONNX Runtime loads: {first_line(error)}") from None
    _refuse_fallback(session, execution.providers)
    return session


def sha256_of(path: Path) -> str:
    """In hex, of a file that need not fit into memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_unavailable(providers: tuple[str, ...]) -> None:
    """Raises ProviderUnavailable: the runtime itself would only warn, and take another."""
    available = onnxruntime.get_available_providers()
    for provider in providers:
        if provider not in available:
            raise ProviderUnavailable(
                f"this ONNX Runtime has no {provider}; it has {', '.join(available)}, so install the build with it"
            )


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _refuse_fallback(session: onnxruntime.InferenceSession, providers: tuple[str, ...]) -> None:
    """A provider that is there may still not start, such as CUDA without its libraries."""
    started = session.get_providers()
    for provider in providers:
        if provider not in started:
            raise ProviderUnavailable(f"{provider} could not be started, see ONNX Runtime's own lines above")


def _options(execution: Execution) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = execution.threads
    options.inter_op_num_threads = 1
    # The arena never gives back what the longest recording once needed.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return options
