"""Noise reduction by FFmpeg's FFT denoiser, for recordings whose sender asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from av.audio.frame import AudioFrame
from av.error import EOFError as EndOfStream
from av.filter import Graph

from audio.results import Samples, Waveform

# Track a changing noise floor; reduce by at most 12 dB, more makes the voice metallic.
FILTER_OPTIONS: Final = "noise_reduction=12:track_noise=1"


def denoised(waveform: Waveform) -> Waveform:
    """The same recording, of the same length, with less steady noise."""
    graph = _graph(waveform.sample_rate)
    graph.push(_frame(waveform))
    graph.push(None)
    samples = np.concatenate([np.zeros(0, np.float32), *_pulled(graph)])
    return Waveform(samples[: len(waveform.samples)], waveform.sample_rate)


def _graph(sample_rate: int) -> Graph:
    graph = Graph()
    source = graph.add_abuffer(sample_rate=sample_rate, format="fltp", layout="mono")
    denoiser = graph.add("afftdn", FILTER_OPTIONS)
    sink = graph.add("abuffersink")
    source.link_to(denoiser)
    denoiser.link_to(sink)
    graph.configure()
    return graph


def _frame(waveform: Waveform) -> AudioFrame:
    frame = AudioFrame.from_ndarray(waveform.samples[None, :], format="fltp", layout="mono")
    frame.sample_rate = waveform.sample_rate
    return frame


def _pulled(graph: Graph) -> Iterator[Samples]:
    while True:
        try:
            yield graph.pull().to_ndarray()[0]
        except (BlockingIOError, EndOfStream):
            return
