"""Wire → keyword arguments of a service, result → wire. Fields are judged in the order of the vendor's document."""

from __future__ import annotations

import base64
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from api.bodies import Unacceptable
from api.dolphin.errors import Missing
from api.scores import ScoreScale
from audio.errors import Unrecognised
from audio.results import RawPcm, RecordingForm
from voiceprints.results import AudioInput, Candidate, LibraryKey, Listed, Turn, Verification

TURNS = 3
GROUPS = range(100)
SAMPLE_RATES = (16_000,)
RECORDING_FORM = RecordingForm(
    containers=("wav",),
    sample_rate=16_000,
    channels=1,
    sample_bits=16,
    min_seconds=3.0,
    max_seconds=20.0,
    overlong="refuse",
)
CONFIDENCE = ScoreScale(lowest=0.0, decision=0.7, highest=1.0, inclusive=False)

USER_NAME = re.compile(r"[0-9A-Za-z_-]{4,16}")
INTEGER = re.compile(r"[0-9]{1,18}")
WITHOUT_LINE_BREAKS = str.maketrans("", "", " \t\r\n")
# Twelve bytes, the length of a RIFF/WAVE header's beginning, as Base64.
BASE64_OF_HEADER = 16
LONGEST_NAME_SAID_BACK = 128


@dataclass(frozen=True)
class Fields:
    """The members of the body."""

    sent: Mapping[str, Any]

    def text(self, name: str) -> str:
        value = self.sent.get(name)
        if value is None or value == "":
            raise Missing(name)
        if not isinstance(value, str):
            raise Unacceptable(name)
        return value

    def integer(self, name: str, allowed: Container[int]) -> int:
        value = self.sent.get(name)
        if value is None:
            raise Missing(name)
        return _integer(name, value, allowed)

    def user_name(self) -> str:
        name = self.text("user_name")
        if not USER_NAME.fullmatch(name):
            raise Unacceptable("user_name")
        return name

    def format(self) -> str:
        name = self.text("format").lower()
        if name not in {"pcm", "wav"}:
            raise Unacceptable("format")
        return name

    def group(self) -> int:
        return 0 if self.sent.get("group_id") is None else self.integer("group_id", GROUPS)

    def groups(self) -> list[int]:
        """The groups listed, all of them when none is."""
        listed = self.sent.get("group_id")
        if listed is None or listed == []:
            return list(GROUPS)
        listed = listed if isinstance(listed, list) else [listed]
        return sorted({_integer("group_id", group, GROUPS) for group in listed})

    def names_somebody(self) -> bool:
        return self.sent.get("user_name") not in (None, "")

    def readable_name(self) -> str | None:
        """What was sent as user_name, fit to be said back."""
        name = self.sent.get("user_name")
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME_SAID_BACK:
            return None
        return name if name.isprintable() else None


def registration(fields: Fields) -> dict[str, Any]:
    name, form = fields.user_name(), fields.format()
    fields.integer("sample_rate", SAMPLE_RATES)
    turn = Turn(fields.integer("enroll_num", range(1, TURNS + 1)), TURNS)
    key = LibraryKey(str(fields.group()))
    return {"key": key, "external_id": name, "audio": _recording(form, fields.text("data")), "turn": turn}


@dataclass(frozen=True)
class Probe:
    """`user_name` is None for 1-v-N."""

    user_name: str | None
    groups: list[int]
    audio: AudioInput


def probe(fields: Fields) -> Probe:
    name = fields.user_name() if fields.names_somebody() else None
    form = fields.format()
    fields.integer("sample_rate", SAMPLE_RATES)
    groups = fields.groups()
    return Probe(name, groups, _recording(form, fields.text("data")))


def organisations(groups: list[int] | range) -> list[str]:
    return [str(group) for group in groups]


def unknown_entry(user_name: str) -> dict[str, Any]:
    return {"user_name": user_name, "enroll_num": 0, "update_time": "", "group_id": None}


def user_entry(listed: Listed) -> dict[str, Any]:
    return {
        "user_name": listed.speaker.external_id,
        "enroll_num": enroll_num(listed),
        "update_time": _local(listed.updated),
        "group_id": int(listed.speaker.library.org_id),
    }


def enroll_num(listed: Listed) -> int:
    """Whoever was enrolled by another dialect is complete, however many recordings that took."""
    return TURNS if listed.speaker.enrolled else min(listed.utterance_count, TURNS - 1)


def verification_entry(verification: Verification) -> dict[str, Any]:
    return {"user_name": verification.speaker.external_id, "confidence": CONFIDENCE.of(verification)}


def candidate_entry(candidate: Candidate) -> dict[str, Any]:
    return {
        "user_name": candidate.speaker.external_id,
        "confidence": CONFIDENCE.of(candidate),
        "group_id": int(candidate.speaker.library.org_id),
    }


def _integer(name: str, value: object, allowed: Container[int]) -> int:
    """An integer, also one sent as text. Raises Unacceptable, for a boolean and a fraction too."""
    if isinstance(value, str) and INTEGER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value not in allowed:
        raise Unacceptable(name)
    return value


def _recording(form: str, data: str) -> AudioInput:
    text = data.translate(WITHOUT_LINE_BREAKS).rstrip("=")
    headerless = form == "pcm" and not _is_wav(text)
    return AudioInput(
        read=lambda: _decoded(text),
        size_bytes=len(text) * 3 // 4,
        raw_pcm=RawPcm() if headerless else None,
        form=RECORDING_FORM,
    )


def _is_wav(text: str) -> bool:
    try:
        beginning = _decoded(text[:BASE64_OF_HEADER])
    except Unrecognised:
        return False
    return beginning[:4] == b"RIFF" and beginning[8:12] == b"WAVE"


def _decoded(text: str) -> bytes:
    """Raises Unrecognised for what is no Base64."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise Unrecognised(reason="no Base64") from None


def _local(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return timezone.localtime(moment, timezone.get_default_timezone()).strftime("%Y-%m-%d %H:%M:%S")
