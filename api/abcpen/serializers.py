"""Wire → keyword arguments of a service, result → wire. Each reader says 10106 before 10107 before 10109."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict

from api.abcpen import conf
from api.abcpen.errors import NotHttpUrl
from api.bodies import Malformed, Unacceptable, is_clean
from audio.download import download
from audio.results import RawPcm
from voiceprints.decisions import decision_for
from voiceprints.results import AudioInput, Candidate, Identification, LibraryKey, Listed
from voiceprints.scoring import cosine_at

RAW_PCM_SUFFIXES = {".pcm", ".raw"}
SWITCHES = {"0": False, "false": False, "1": True, "true": True}
INTEGER = re.compile(r"[+-]?\d{1,4000}", re.ASCII)
HTTP_URL = re.compile(r"https?://[^/]", re.IGNORECASE)
NOT_UTF8 = "\N{REPLACEMENT CHARACTER}"
LARGEST_OFFSET = 10**15
LARGEST_LIMIT = 1000
DEFAULT_LIMIT = 20

AddressOf = Callable[[str], str]


@dataclass(frozen=True)
class Fields:
    """What was sent, by vendor's name; of the spellings of one field, the first that is there counts."""

    sent: QueryDict

    def text(self, *names: str) -> str | None:
        return next((_text(name, self.sent[name]) for name in names if name in self.sent), None)

    def required(self, *names: str) -> str:
        """Present, and not empty under one of its names."""
        texts = [_text(name, self.sent[name]) for name in names if name in self.sent]
        text = next(filter(None, texts), None)
        if text is None:
            raise Malformed(names[0])
        return text

    def switch(self, *names: str, default: bool = False) -> bool:
        text = self.text(*names)
        if not text:
            return default
        if text.strip().lower() not in SWITCHES:
            raise Malformed(names[0])
        return SWITCHES[text.strip().lower()]

    def integer(self, name: str, default: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if not INTEGER.fullmatch(text.strip()):
            raise Malformed(name)
        return int(text)

    def organisation(self) -> str:
        return self.required("org_id", "app_id")

    def audio(self) -> UploadedFile[Any] | str:
        audio = self.sent.get("audio")
        if isinstance(audio, UploadedFile) and audio.size:
            return audio
        if isinstance(audio, str) and audio.strip():
            return audio.strip()
        raise Malformed("audio")

    def names(self) -> list[str] | None:
        """The speakers listed, None when the field is not there at all."""
        if "speaker" not in self.sent and "speakers" not in self.sent:
            return None
        texts = [name for text in self.sent.getlist("speaker") for name in _json_names(text) or [text]]
        for text in self.sent.getlist("speakers"):
            listed = _json_names(text)
            texts += _comma_separated(text) if listed is None else listed
        if not all(_text("speaker", name) for name in texts):
            raise Malformed("speaker")
        return texts


def registration(fields: Fields) -> dict[str, Any]:
    """Of register and update alike."""
    organisation, tag = fields.organisation(), fields.text("tag_id") or ""
    name, recording = fields.required("spk_name"), _Recording.of(fields)
    return {
        "key": LibraryKey(_organisation(organisation), _tag(tag)),
        "external_id": _speaker_name(name),
        "audios": [recording.audio_input()],
    }


def search(fields: Fields) -> tuple[dict[str, Any], AudioInput]:
    organisation, tag = fields.organisation(), fields.text("tag_id")
    recording = _Recording.of(fields)
    return _scope(organisation, tag), recording.audio_input()


def scope(fields: Fields) -> dict[str, Any]:
    """The libraries meant: one tag, or all of the organisation's when none is named."""
    return _scope(fields.organisation(), fields.text("tag_id"))


def page(fields: Fields) -> tuple[dict[str, Any], dict[str, Any]]:
    organisation, tag = fields.organisation(), fields.text("tag_id")
    offset, limit = fields.integer("offset", 0), fields.integer("limit", DEFAULT_LIMIT)
    libraries = _scope(organisation, tag)
    if not 0 <= offset <= LARGEST_OFFSET:
        raise Unacceptable("offset")
    if limit < 1:
        raise Unacceptable("limit")
    return libraries, {"offset": offset, "limit": min(limit, LARGEST_LIMIT)}


def one_speaker(fields: Fields) -> tuple[dict[str, Any], str]:
    organisation, tag = fields.organisation(), fields.text("tag_id")
    name = fields.required("spk_name", "spk-name")
    return _scope(organisation, tag), _speaker_name(name)


def some_speakers(fields: Fields) -> tuple[dict[str, Any], list[str] | None]:
    """None: all of them."""
    organisation, tag, names = fields.organisation(), fields.text("tag_id"), fields.names()
    libraries = _scope(organisation, tag)
    return libraries, None if names is None else [_speaker_name(name) for name in names]


def candidate_entries(identification: Identification, address_of: AddressOf) -> list[dict[str, Any]]:
    """By the scores that are shown, and that clients decide by."""
    entries = [candidate_entry(candidate, identification, address_of) for candidate in identification.candidates]
    return sorted(entries, key=lambda entry: entry["score"], reverse=True)


def candidate_entry(candidate: Candidate, identification: Identification, address_of: AddressOf) -> dict[str, Any]:
    return {
        "spk_name": candidate.speaker.external_id,
        "audio_path": address_of(candidate.recording),
        "score": _comparable_cosine(candidate, identification) * conf.SCORE_FACTOR,
        "tag": candidate.speaker.library.tag_id,
    }


def _comparable_cosine(candidate: Candidate, identification: Identification) -> float:
    """The cosine; that of an earlier model as the answering one would have put it, so that one threshold does for both.

    The answering model knows no recording of such a speaker, so as much speech is assumed as there was in the probe.
    """
    if candidate.model == identification.model:
        return candidate.score
    seconds = identification.quality.speech_seconds
    decision = decision_for(candidate.speaker.tenant, identification.model)
    return cosine_at(candidate.calibrated, decision.threshold(seconds, seconds))


def listed_entry(listed: Listed, address_of: AddressOf) -> dict[str, Any]:
    return {"spk_name": listed.speaker.external_id, "audio_path": address_of(listed.recording)}


@dataclass(frozen=True)
class _Recording:
    """The audio fields, read and well-formed; where the recording is to come from is judged last."""

    source: UploadedFile[Any] | str
    denoise: bool
    trim_silence: bool

    @classmethod
    def of(cls, fields: Fields) -> _Recording:
        for accepted_without_effect in ("audio_preprocess", "convert_format"):
            fields.switch(accepted_without_effect)
        return cls(
            source=fields.audio(),
            denoise=fields.switch("denoise_enable", "denoise_audio"),
            trim_silence=fields.switch("vad_splits", default=True),
        )

    def audio_input(self) -> AudioInput:
        name, given = _uploaded(self.source) if isinstance(self.source, UploadedFile) else _linked(self.source)
        raw_pcm = RawPcm() if PurePosixPath(name).suffix.lower() in RAW_PCM_SUFFIXES else None
        return replace(given, raw_pcm=raw_pcm, denoise=self.denoise, trim_silence=self.trim_silence)


def _uploaded(upload: UploadedFile[Any]) -> tuple[str, AudioInput]:
    return upload.name or "", AudioInput(upload.read, upload.size or 0)


def _linked(url: str) -> tuple[str, AudioInput]:
    """Raises NotHttpUrl."""
    if not HTTP_URL.match(url):
        raise NotHttpUrl
    try:
        path = urlsplit(url).path
    except ValueError:
        raise NotHttpUrl from None
    return path, AudioInput(lambda: _downloaded(url))


def _downloaded(url: str) -> bytes:
    return download(
        url,
        deadline_seconds=settings.DOWNLOAD_SECONDS,
        limit_bytes=settings.MAX_UPLOAD_BYTES,
        allow_networks=conf.DOWNLOAD_ALLOW_NETWORKS,
    )


def _text(name: str, value: object) -> str:
    """Raises Malformed for a file in place of a text, and for a text that is not UTF-8."""
    if not isinstance(value, str) or NOT_UTF8 in value:
        raise Malformed(name)
    return value


def _comma_separated(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()] or [""]


def _json_names(text: object) -> list[str] | None:
    """The names in a JSON list, or None when this is no such list."""
    if not isinstance(text, str) or not text.lstrip().startswith("["):
        return None
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return names if all(isinstance(name, str) for name in names) else None


def _scope(organisation: str, tag: str | None) -> dict[str, Any]:
    return {"org_id": _organisation(organisation), "tag_id": None if tag is None else _tag(tag)}


def _organisation(text: str) -> str:
    if "/" in text:
        raise Unacceptable("org_id")
    return _bounded("org_id", text, 64)


def _tag(text: str) -> str:
    return _bounded("tag_id", text, 64)


def _speaker_name(text: str) -> str:
    return _bounded("spk_name", text, 128)


def _bounded(name: str, text: str, longest: int) -> str:
    """Raises Unacceptable for what is too long, and for control characters and halves of characters."""
    if len(text) > longest or not is_clean(text):
        raise Unacceptable(name)
    return text
