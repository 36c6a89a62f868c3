"""Voice activity: which parts of a recording are speech, by Silero VAD (MIT)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from audio.levels import raised_to
from audio.onnx import load_session
from audio.results import SAMPLE_RATE, Samples, Waveform

WEIGHTS: Final = Path(__file__).parent / "weights" / "silero_vad_16k_sequence.onnx"
WEIGHTS_SHA256: Final = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"

# The network hears frames of 32 ms, each with the last 4 ms of the frame before it.
FRAME_SAMPLES: Final = 512
CONTEXT_SAMPLES: Final = 64
FRAMES_PER_RUN: Final = 512
STATE_SHAPE: Final = (1, 1, 128)

# Below about -60 dBFS the network no longer hears speech, so quiet recordings are raised first.
LISTENING_LEVEL_DBFS: Final = -30.0
MAX_GAIN_DB: Final = 50.0

SPEECH_BEGINS_ABOVE: Final = 0.5
SPEECH_ENDS_BELOW: Final = 0.35
MIN_MEAN_PROBABILITY: Final = 0.7
MIN_SPEECH_FRAMES: Final = 4
MIN_PAUSE_FRAMES: Final = 4
PAD_FRAMES: Final = 1
KEPT_PAUSE_SAMPLES: Final = SAMPLE_RATE // 2

Segment = tuple[int, int]


def joined(waveform: Waveform, segments: list[Segment]) -> Waveform:
    """Only the segments, one after the other."""
    pieces = [waveform.samples[start:end] for start, end in segments]
    return Waveform(np.concatenate(pieces) if pieces else waveform.samples[:0])


def without_long_pauses(waveform: Waveform, segments: list[Segment]) -> Waveform:
    """The segments with the half second before and after each: encoders do better on speech that may breathe."""
    keep = np.zeros(len(waveform.samples), np.bool_)
    for start, end in segments:
        keep[max(0, start - KEPT_PAUSE_SAMPLES) : end + KEPT_PAUSE_SAMPLES] = True
    return Waveform(waveform.samples[keep])


def speech_probabilities(waveform: Waveform) -> NDArray[np.float32]:
    """One probability of speech per 32 ms frame, shape (ceil(n / 512),)."""
    hidden = cell = np.zeros(STATE_SHAPE, np.float32)
    probabilities = [np.zeros(0, np.float32)]
    for frames in _runs(raised_to(LISTENING_LEVEL_DBFS, waveform, MAX_GAIN_DB).samples):
        found, hidden, cell = _session().run(["speech_probs", "hn", "cn"], {"input": frames, "h": hidden, "c": cell})
        probabilities.append(found)
    return np.concatenate(probabilities)


@cache
def _session() -> onnxruntime.InferenceSession:
    return load_session(WEIGHTS, WEIGHTS_SHA256)


def _runs(samples: Samples) -> Iterator[NDArray[np.float32]]:
    """Frames with their context, shape (up to 512, 576): one run of all frames of a long recording would be big."""
    padded = np.pad(samples, (CONTEXT_SAMPLES, -len(samples) % FRAME_SAMPLES))
    length = CONTEXT_SAMPLES + FRAME_SAMPLES
    if len(padded) >= length:
        frames = np.lib.stride_tricks.sliding_window_view(padded, length)[::FRAME_SAMPLES]
        for start in range(0, len(frames), FRAMES_PER_RUN):
            yield np.ascontiguousarray(frames[start : start + FRAMES_PER_RUN])


def segments_of(probabilities: NDArray[np.float32], sample_count: int) -> list[Segment]:
    """Stretches of speech as (start, end) sample positions, in order, apart by at least 128 ms.

    Speech begins at a likely frame and ends with a pause; what is too short or unsure is not speech.
    """
    stretches = [s for s in _stretches(probabilities) if _is_speech(probabilities[s[0] : s[1]])]
    return [
        (max(0, begin - PAD_FRAMES) * FRAME_SAMPLES, min(sample_count, (end + PAD_FRAMES) * FRAME_SAMPLES))
        for begin, end in stretches
    ]


def _is_speech(probabilities: NDArray[np.float32]) -> bool:
    return len(probabilities) >= MIN_SPEECH_FRAMES and float(probabilities.mean()) >= MIN_MEAN_PROBABILITY


def _stretches(probabilities: NDArray[np.float32]) -> Iterator[Segment]:
    """Frame positions (begin, end), closed by MIN_PAUSE_FRAMES unlikely frames or by the end of the recording."""
    begin, end = -1, -1
    for frame, probability in enumerate(probabilities.tolist()):
        if begin < 0:
            if probability >= SPEECH_BEGINS_ABOVE:
                begin, end = frame, frame + 1
        elif probability >= SPEECH_ENDS_BELOW:
            end = frame + 1
        elif frame + 1 - end >= MIN_PAUSE_FRAMES:
            yield begin, end
            begin = -1
    if begin >= 0:
        yield begin, end
