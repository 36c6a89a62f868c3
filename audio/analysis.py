"""The whole measurement of one recording, in one call."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final

from audio.catalogue import DEFAULT_MODEL
from audio.decode import MAX_BYTES, decode
from audio.denoise import denoised
from audio.encoders import SpeakerEncoder, load_encoder
from audio.errors import NotEnoughSpeech, PoorQuality
from audio.flac import encode_flac
from audio.levels import amplified
from audio.quality import measure
from audio.results import ANY_FORM, Analysis, RawPcm, RecordingForm, SpeechQuality, Waveform
from audio.speech import segments_of, speech_probabilities, without_long_pauses

REQUIRED_SPEECH_SECONDS: Final = 1.1
MAX_CLIPPED_RATIO: Final = 0.5
# The denoiser hears 16 bits, of which quiet speech would use few.
DENOISED_LEVEL_DBFS: Final = -27.0


def analyze(
    content: bytes,
    *,
    encoders: Sequence[SpeakerEncoder] = (),
    raw_pcm: RawPcm | None = None,
    form: RecordingForm = ANY_FORM,
    denoise: bool = False,
    trim_silence: bool = True,
    required_speech_seconds: float = REQUIRED_SPEECH_SECONDS,
    max_bytes: int = MAX_BYTES,
    keep: bool = True,
    beside: Executor | None = None,
) -> Analysis:
    """Decode, find and judge the speech, embed it, and with `keep` encode the recording as FLAC.

    Without `encoders` the one that ships with the library embeds. `trim_silence` leaves long pauses out of what is
    embedded and `denoise` cleans it; what is kept stays whole.
    The encoder hears nothing that was refused. `beside` has a thread to make the FLAC while it listens, which is over
    sooner where a core is free.

    Raises every AudioError.
    """
    waveform = decode(content, raw_pcm=raw_pcm, form=form, max_bytes=max_bytes)
    probabilities = speech_probabilities(waveform)
    segments = segments_of(probabilities, len(waveform.samples))
    quality = measure(waveform, probabilities, segments)
    _refuse_poor(quality, required_speech_seconds)
    heard, level_dbfs = without_long_pauses(waveform, segments) if trim_silence else waveform, quality.level_dbfs
    if denoise:
        heard = denoised(amplified(heard, DENOISED_LEVEL_DBFS - level_dbfs))
        level_dbfs = DENOISED_LEVEL_DBFS
    kept = _kept(waveform, beside) if keep else bytes
    return Analysis(
        embeddings={
            encoder.name: encoder.embed(_as_wanted(encoder, heard, level_dbfs))
            for encoder in encoders or [load_encoder(DEFAULT_MODEL)]
        },
        quality=quality,
        flac=kept(),
        source_digest=hashlib.sha256(content).hexdigest(),
        denoised=denoise,
        trimmed=trim_silence,
    )


def _kept(waveform: Waveform, beside: Executor | None) -> Callable[[], bytes]:
    """Where the FLAC is to be had in the end."""
    return beside.submit(encode_flac, waveform).result if beside else partial(encode_flac, waveform)


def _as_wanted(encoder: SpeakerEncoder, heard: Waveform, level_dbfs: float) -> Waveform:
    wanted_dbfs = encoder.heard_level_dbfs
    return heard if wanted_dbfs is None else amplified(heard, wanted_dbfs - level_dbfs)


def _refuse_poor(quality: SpeechQuality, required_speech_seconds: float) -> None:
    if quality.speech_seconds < required_speech_seconds or not quality.speech_seconds:
        raise NotEnoughSpeech(speech_seconds=quality.speech_seconds, required_seconds=required_speech_seconds)
    if quality.clipped_ratio > MAX_CLIPPED_RATIO:
        raise PoorQuality(reason="clipped", clipped_ratio=quality.clipped_ratio)
