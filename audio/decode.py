"""Bytes of any common recording → mono 16 kHz samples, within hard limits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Literal

import numpy as np
import soxr

from audio.errors import TooExpensive, TooLarge, TooLong, Undecodable
from audio.media import Block, read_blocks
from audio.results import SAMPLE_RATE, RawPcm, Samples, Waveform

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_SECONDS: Final = 300.0
MAX_CPU_SECONDS: Final = 5.0
BLOCKS_PER_CPU_CHECK: Final = 32

Overlong = Literal["cut", "refuse"]


def decode(
    content: bytes,
    *,
    raw_pcm: RawPcm | None = None,
    max_bytes: int = MAX_BYTES,
    max_seconds: float = MAX_SECONDS,
    max_cpu_seconds: float = MAX_CPU_SECONDS,
    overlong: Overlong = "cut",
) -> Waveform:
    """Read one recording; headerless PCM only if `raw_pcm` tells its layout.

    Of several channels the one with the most energy is taken: a mean cancels channels in antiphase and merges
    the two sides of a call into one impossible voice. `overlong="cut"` keeps the first `max_seconds`, `"refuse"`
    raises TooLong. Damaged packets are skipped; a truncated file is read as far as it goes.

    Raises Undecodable, TooLarge, TooLong, TooExpensive.
    """
    if len(content) > max_bytes:
        raise TooLarge(size_bytes=len(content), limit_bytes=max_bytes)
    limits = _Limits(max_seconds, max_cpu_seconds, overlong)
    blocks = read_blocks(content, raw_pcm)
    first = next(blocks, None)
    if first is None:
        raise Undecodable(reason="no samples")
    # A second reading costs processor time where keeping every channel would cost memory without bound.
    channel = 0 if first.channels == 1 else _loudest_channel(limits.applied_to(read_blocks(content, raw_pcm)))
    return Waveform(_clean(_resampled(limits.applied_to(chain([first], blocks)), channel)))


@dataclass(frozen=True)
class _Limits:
    max_seconds: float
    max_cpu_seconds: float
    overlong: Overlong
    started: float = field(default_factory=time.thread_time)

    def applied_to(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The blocks of the first `max_seconds`, as long as the processor time lasts."""
        seconds = 0.0
        for number, block in enumerate(blocks):
            if number % BLOCKS_PER_CPU_CHECK == 0:
                self._check_cpu()
            left = round((self.max_seconds - seconds) * block.sample_rate)
            seconds += block.seconds
            if block.count > left:
                yield from self._last(block, left, seconds)
                return
            yield block

    def _last(self, block: Block, left: int, seconds: float) -> Iterator[Block]:
        if self.overlong == "refuse":
            raise TooLong(seconds=seconds, limit_seconds=self.max_seconds)
        yield Block(block.samples[:, :left], block.sample_rate)

    def _check_cpu(self) -> None:
        spent = time.thread_time() - self.started
        if spent > self.max_cpu_seconds:
            raise TooExpensive(cpu_seconds=spent, limit_seconds=self.max_cpu_seconds)


def _loudest_channel(blocks: Iterable[Block]) -> int:
    """Index of the channel with the most energy around its own mean: a constant offset is not sound."""
    count, totals, squares = 0, np.zeros(1), np.zeros(1)
    for block in blocks:
        samples = block.samples.astype(np.float64)
        if len(totals) != len(samples):
            count, totals, squares = 0, np.zeros(len(samples)), np.zeros(len(samples))
        count += block.count
        totals = totals + samples.sum(axis=1)
        squares = squares + np.square(samples).sum(axis=1)
    return int(np.argmax(squares - totals**2 / max(count, 1)))


def _resampled(blocks: Iterable[Block], channel: int) -> Samples:
    """One channel at 16 kHz; a stream may change its rate midway, as HE-AAC does."""
    pieces: list[Samples] = []
    rate, resampler = 0, None
    for block in blocks:
        if block.sample_rate != rate:
            pieces.append(_flushed(resampler))
            rate, resampler = block.sample_rate, _resampler(block.sample_rate)
        samples = np.ascontiguousarray(block.samples[min(channel, block.channels - 1)])
        pieces.append(resampler.resample_chunk(samples) if resampler else samples)
    pieces.append(_flushed(resampler))
    return np.concatenate(pieces)


def _resampler(rate: int) -> soxr.ResampleStream | None:
    return None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")


def _flushed(resampler: soxr.ResampleStream | None) -> Samples:
    nothing = np.zeros(0, np.float32)
    rest: Samples = resampler.resample_chunk(nothing, last=True) if resampler else nothing
    return rest


def _clean(samples: Samples) -> Samples:
    """Without constant offset, and within [-1, 1]: float recordings may be on any scale."""
    if not np.isfinite(samples).all():
        raise Undecodable(reason="samples are not finite numbers")
    if not len(samples):
        raise Undecodable(reason="no samples")
    samples -= np.float32(samples.mean(dtype=np.float64))
    samples /= np.float32(max(1.0, float(samples.max()), -float(samples.min())))
    return samples
