"""Bytes of any common recording → mono 16 kHz samples, within hard limits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import numpy as np
import soxr

from audio.errors import Damaged, TooExpensive, TooLarge, TooLong, TooShort
from audio.media import Block, read_blocks
from audio.results import ANY_FORM, SAMPLE_RATE, RawPcm, RecordingForm, Samples, Waveform

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_CPU_SECONDS: Final = 5.0
BLOCKS_PER_CPU_CHECK: Final = 32


def decode(
    content: bytes,
    *,
    raw_pcm: RawPcm | None = None,
    max_bytes: int = MAX_BYTES,
    form: RecordingForm = ANY_FORM,
    max_cpu_seconds: float = MAX_CPU_SECONDS,
) -> Waveform:
    """Read one recording; headerless PCM only if `raw_pcm` tells its layout.

    Of several channels the one with the most energy is taken: a mean cancels channels in antiphase and merges
    the two sides of a call into one impossible voice. Damaged packets are skipped; a truncated file is read as far as
    it goes.

    Raises Undecodable, TooLarge, TooExpensive, and for what is not of the `form` UnexpectedContainer, UnexpectedLayout,
    TooShort or TooLong.
    """
    if len(content) > max_bytes:
        raise TooLarge(size_bytes=len(content), limit_bytes=max_bytes)
    limits = _Limits(form, max_cpu_seconds)
    blocks = read_blocks(content, raw_pcm, form)
    first = next(blocks, None)
    if first is None:
        raise Damaged(reason="no samples")
    # A second reading costs processor time where keeping every channel would cost memory without bound.
    channel = 0 if first.channels == 1 else _loudest_channel(limits.applied_to(read_blocks(content, raw_pcm, form)))
    waveform = Waveform(_clean(_resampled(limits.applied_to(chain([first], blocks)), channel)))
    if waveform.duration_seconds < form.min_seconds:
        raise TooShort(seconds=waveform.duration_seconds, required_seconds=form.min_seconds)
    return waveform


@dataclass(frozen=True)
class _Limits:
    form: RecordingForm
    max_cpu_seconds: float
    started: float = field(default_factory=time.thread_time)

    def applied_to(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The blocks of the first seconds that are taken, as long as the processor time lasts."""
        seconds = 0.0
        for number, block in enumerate(blocks):
            if number % BLOCKS_PER_CPU_CHECK == 0:
                self._check_cpu()
            left = round((self.form.max_seconds - seconds) * block.sample_rate)
            seconds += block.seconds
            if block.count > left:
                yield from self._last(block, left, seconds)
                return
            yield block

    def _last(self, block: Block, left: int, seconds: float) -> Iterator[Block]:
        if self.form.overlong == "refuse":
            raise TooLong(seconds=seconds, limit_seconds=self.form.max_seconds)
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
        raise Damaged(reason="samples are not finite numbers")
    if not len(samples):
        raise Damaged(reason="no samples")
    samples -= np.float32(samples.mean(dtype=np.float64))
    samples /= np.float32(max(1.0, float(samples.max()), -float(samples.min())))
    return samples
