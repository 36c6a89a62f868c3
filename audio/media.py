"""Blocks of samples out of an upload, by FFmpeg's demuxers and decoders or straight from headerless PCM."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from numpy.typing import NDArray

from audio.errors import Damaged, Undecodable, UnexpectedContainer, UnexpectedLayout, Unrecognised
from audio.formats import CODECS, DEMUXER_OPTIONS, PCM_BITS
from audio.results import RawPcm, RecordingForm

MAX_CHANNELS: Final = 32
MIN_SAMPLE_RATE_HZ: Final = 4_000
MAX_SAMPLE_RATE_HZ: Final = 384_000
PCM_BLOCK_FRAMES: Final = 65_536


@dataclass(frozen=True)
class Block:
    """Consecutive samples of all channels, float32 of shape (channels, n), nominally in [-1, 1]."""

    samples: NDArray[np.float32]
    sample_rate: int

    @property
    def channels(self) -> int:
        return len(self.samples)

    @property
    def count(self) -> int:
        """Samples per channel."""
        return int(self.samples.shape[1])

    @property
    def seconds(self) -> float:
        return self.count / self.sample_rate


def read_blocks(content: bytes, raw_pcm: RawPcm | None, form: RecordingForm) -> Iterator[Block]:
    """The recording piece by piece, so that a small file that claims to be huge costs only what is taken.

    Raises Undecodable, UnexpectedContainer or UnexpectedLayout, also from within the iteration.
    """
    return _media_blocks(content, form) if raw_pcm is None else _pcm_blocks(content, raw_pcm, form)


def _pcm_blocks(content: bytes, layout: RawPcm, form: RecordingForm) -> Iterator[Block]:
    _check_layout(layout.sample_rate, layout.channels)
    _refuse_other_layout(form, layout.sample_rate, layout.channels, PCM_BITS["pcm_s16le"])
    whole_frames = len(content) // (2 * layout.channels)
    values = np.frombuffer(content, ">i2" if layout.big_endian else "<i2", whole_frames * layout.channels)
    frames = values.reshape(-1, layout.channels)
    for start in range(0, len(frames), PCM_BLOCK_FRAMES):
        yield Block(_in_unit_range(frames[start : start + PCM_BLOCK_FRAMES].T), layout.sample_rate)


def _media_blocks(content: bytes, form: RecordingForm) -> Iterator[Block]:
    with _opened(content) as container:
        stream = _audio_stream(container)
        _refuse_other_form(form, container, stream)
        try:
            yield from _stream_blocks(container, stream)
        except FFmpegError as error:
            raise Damaged(reason=f"unreadable media: {error.strerror}") from error


def _opened(content: bytes) -> InputContainer:
    try:
        return av.open(io.BytesIO(content), "r", options=DEMUXER_OPTIONS, metadata_errors="replace")
    except FFmpegError as error:
        raise Unrecognised(reason=f"unreadable media: {error.strerror}") from error


def _audio_stream(container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        raise Unrecognised(reason="no audio stream")
    stream = container.streams.audio[0]
    if stream.codec_context is None or stream.codec_context.name not in CODECS:
        raise Unrecognised(reason="codec not supported")
    _check_layout(stream.codec_context.sample_rate, stream.codec_context.channels)
    stream.codec_context.thread_count = 1
    return stream


def _refuse_other_form(form: RecordingForm, container: InputContainer, stream: AudioStream) -> None:
    found = container.format.name.split(",")
    if form.containers and not set(found) & set(form.containers):
        raise UnexpectedContainer(found=found[0], expected=list(form.containers))
    codec = stream.codec_context
    _refuse_other_layout(form, codec.sample_rate, codec.channels, PCM_BITS.get(codec.name, 0))


def _refuse_other_layout(form: RecordingForm, sample_rate: int, channels: int, sample_bits: int) -> None:
    found = {"sample_rate": sample_rate, "channels": channels, "sample_bits": sample_bits}
    for what, value in found.items():
        expected = getattr(form, what)
        if expected is not None and value != expected:
            raise UnexpectedLayout(what=what, found=value, expected=expected)


def _check_layout(sample_rate: int, channels: int) -> None:
    if not MIN_SAMPLE_RATE_HZ <= sample_rate <= MAX_SAMPLE_RATE_HZ:
        raise Undecodable(reason="sample rate out of range", sample_rate=sample_rate)
    if not 1 <= channels <= MAX_CHANNELS:
        raise Undecodable(reason="channel count out of range", channels=channels)


def _stream_blocks(container: InputContainer, stream: AudioStream) -> Iterator[Block]:
    decoded = damaged = 0
    for packet in _packets(container, stream):
        try:
            frames = packet.decode()
        except FFmpegError:
            damaged += 1
            continue
        decoded += 1
        yield from (_block(frame) for frame in frames if isinstance(frame, AudioFrame) and frame.samples)
    if damaged > decoded:
        raise Damaged(reason="most packets are damaged", damaged_packets=damaged)


def _packets(container: InputContainer, stream: AudioStream) -> Iterator[Packet[AudioStream]]:
    """Packets up to the end or to the first place where the container itself is broken."""
    try:
        yield from container.demux(stream)
    except FFmpegError:
        return


def _block(frame: AudioFrame) -> Block:
    channels = frame.layout.nb_channels
    _check_layout(frame.sample_rate, channels)
    samples = frame.to_ndarray()
    planes = samples if frame.format.is_planar else samples.reshape(-1, channels).T
    return Block(_in_unit_range(planes), frame.sample_rate)


def _in_unit_range(samples: NDArray[np.generic]) -> NDArray[np.float32]:
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    full_scale = np.float32(2 ** (8 * samples.dtype.itemsize - 1))
    centre = full_scale if samples.dtype.kind == "u" else np.float32(0)
    return (samples.astype(np.float32) - centre) / full_scale
