"""How good a recording is: level, noise, clipping, drop-outs."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio.levels import decibels, level_dbfs
from audio.results import SAMPLE_RATE, Samples, SpeechQuality, Waveform
from audio.speech import FRAME_SAMPLES, Segment, joined

# Frames this unlikely to be speech show the noise; frames around the decision are a mixture and count for neither.
NOISE_BELOW: Final = 0.1
SPEECH_ABOVE: Final = 0.8
# Less pause than 0.2 s is no sample of the noise; then the quietest tenth of all frames stands in for it,
# since even fluent speech closes the mouth before its stops.
MIN_NOISE_FRAMES: Final = round(0.2 * SAMPLE_RATE / FRAME_SAMPLES)
QUIETEST_SHARE: Final = 0.1
MIN_SNR_DB: Final = -10.0
MAX_SNR_DB: Final = 60.0

# A clipped wave rests at its extreme; a natural one only touches it.
CLIPPED_WITHIN: Final = 0.005
CLIPPED_RUN_SAMPLES: Final = 3
# Speech is never perfectly still for 10 ms.
DROPOUT_RUN_SAMPLES: Final = SAMPLE_RATE // 100


def measure(waveform: Waveform, probabilities: NDArray[np.float32], segments: list[Segment]) -> SpeechQuality:
    """Figures of a recording whose speech has been found; level, clipping and drop-outs are those of the speech."""
    speech = joined(waveform, segments)
    return SpeechQuality(
        duration_seconds=waveform.duration_seconds,
        speech_seconds=speech.duration_seconds,
        snr_db=snr_db(waveform.samples, probabilities),
        level_dbfs=level_dbfs(speech.samples if segments else waveform.samples),
        clipped_ratio=clipped_ratio(speech.samples),
        dropout_ratio=dropout_ratio(speech.samples),
    )


def snr_db(samples: Samples, probabilities: NDArray[np.float32]) -> float:
    """Power of the speech frames without the noise under them, over the power of the noise."""
    powers = _frame_powers(samples)
    speech = powers[probabilities[: len(powers)] >= SPEECH_ABOVE]
    noise_power = _noise_power(powers, probabilities[: len(powers)])
    if not len(speech):
        return MIN_SNR_DB
    speech_power = max(0.0, float(speech.mean()) - noise_power)
    return float(np.clip(decibels(speech_power) - decibels(noise_power), MIN_SNR_DB, MAX_SNR_DB))


def _frame_powers(samples: Samples) -> NDArray[np.float64]:
    whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
    frames = samples[:whole].reshape(-1, FRAME_SAMPLES)
    powers: NDArray[np.float64] = np.einsum("ij,ij->i", frames, frames).astype(np.float64) / FRAME_SAMPLES
    return powers


def _noise_power(powers: NDArray[np.float64], probabilities: NDArray[np.float32]) -> float:
    noise = powers[probabilities < NOISE_BELOW]
    if len(noise) >= MIN_NOISE_FRAMES:
        return float(np.median(noise))
    quietest = max(1, round(QUIETEST_SHARE * len(powers)))
    return float(np.sort(powers)[:quietest].mean()) if len(powers) else 0.0


def clipped_ratio(samples: Samples) -> float:
    """Share of the samples that lie in a run at the highest or the lowest value of the recording."""
    if not len(samples):
        return 0.0
    margin = CLIPPED_WITHIN * float(np.ptp(samples)) / 2
    at_top, at_bottom = samples >= samples.max() - margin, samples <= samples.min() + margin
    return _in_runs(at_top, CLIPPED_RUN_SAMPLES) + _in_runs(at_bottom, CLIPPED_RUN_SAMPLES)


def dropout_ratio(samples: Samples) -> float:
    """Share of the samples that lie in a run of one unchanging value, as lost packets leave it."""
    return _in_runs(samples[1:] == samples[:-1], DROPOUT_RUN_SAMPLES)


def _in_runs(flags: NDArray[np.bool_], min_run: int) -> float:
    """Share of all positions that are in runs of at least `min_run` set flags."""
    padded = np.pad(flags, 1)
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    lengths = edges[1::2] - edges[::2]
    return float(lengths[lengths >= min_run].sum()) / max(1, len(flags))
