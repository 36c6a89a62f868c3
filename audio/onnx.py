"""ONNX Runtime sessions of pinned weight files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnxruntime


class WeightsChanged(Exception):
    """A weight file is not the one whose sha256 is pinned."""


def load_session(path: Path, sha256: str) -> onnxruntime.InferenceSession:
    """A session on one thread, so that a process per core is the only parallelism. Raises WeightsChanged."""
    weights = path.read_bytes()
    if hashlib.sha256(weights).hexdigest() != sha256:
        raise WeightsChanged(f"{path} is not the file with sha256 {sha256}")
    return onnxruntime.InferenceSession(weights, _options(), providers=["CPUExecutionProvider"])


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # The arena never gives back what the longest recording once needed.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return options
