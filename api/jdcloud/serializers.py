"""Wire → packets and keyword arguments of a service, result → wire."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import SuspiciousOperation
from rest_framework.request import Request

from api.bodies import Malformed, is_clean
from api.jdcloud.errors import UnknownFormat, UnknownLayout, UnknownMode, UserIdTooLong
from api.jdcloud.utterances import LONGEST_SECONDS, Opening, Packet, PacketNumber, Utterance
from audio.errors import TooLong
from audio.results import RecordingForm
from tenants.rates import Allowance
from voiceprints.results import AudioInput, Enrollment, LibraryKey, Verification, WhenEnrolled

INTEGER = re.compile(r"[+-]?\d{1,100}", re.ASCII)
FORBIDDEN_TYPES = {"multipart/form-data", "application/x-www-form-urlencoded"}
NOT_UTF8 = "\N{REPLACEMENT CHARACTER}"
MODES = {"enroll", "test"}
CONTAINERS = {"wav", "amr", "mp3"}
SAMPLE_RATE = 16_000
CHANNELS = 1
WHOLE_FILE = -1
DEFAULT_ORGANISATION = "default"
LONGEST_REQUEST_ID = 128
LONGEST_USER_ID = 64
LONGEST_APPLICATION_ID = 64
REQUIRED_SPEECH_SECONDS = 0.5
REQUIRED_UTTERANCES = 2
UNLIMITED = -1
WAV_HEADER_BYTES = 4096
# WAVE_FORMAT_PCM, IEEE_FLOAT and EXTENSIBLE: so many bytes a sample, neither more nor less.
PLAIN_CODECS = {1, 3, 0xFFFE}


@dataclass(frozen=True)
class Parameters:
    """The business parameters, each from its header or else from the query."""

    request: Request

    def text(self, name: str) -> str:
        return (_decoded(self.request.headers.get(name, "")) or self.request.query_params.get(name, "")).strip()

    def name(self, name: str) -> str:
        """Raises Malformed for characters that are no part of a name."""
        text = self.text(name)
        if NOT_UTF8 in text or not is_clean(text):
            raise Malformed(name)
        return text

    def required(self, name: str) -> str:
        text = self.name(name)
        if not text:
            raise Malformed(name)
        return text


@dataclass(frozen=True)
class Echo:
    """What a reply repeats, whatever became of the request."""

    request_id: str = ""
    index: int = WHOLE_FILE


def echo(request: Request) -> Echo:
    """Empty when even the query has more fields than anybody reads."""
    parameters = Parameters(request)
    try:
        request_id, sequence = parameters.text("Request-Id"), parameters.text("Sequence-Id")
    except SuspiciousOperation:
        return Echo()
    index = int(sequence) if INTEGER.fullmatch(sequence) else 0
    return Echo(request_id, index or WHOLE_FILE)


def packet_number(request: Request) -> PacketNumber:
    """Raises Malformed."""
    parameters = Parameters(request)
    request_id, sequence = parameters.required("Request-Id"), parameters.text("Sequence-Id")
    if len(request_id) > LONGEST_REQUEST_ID:
        raise Malformed("Request-Id")
    if not INTEGER.fullmatch(sequence) or int(sequence) == 0:
        raise Malformed("Sequence-Id")
    return PacketNumber(request_id, int(sequence))


def opens_an_utterance(request: Request) -> bool:
    return Parameters(request).text("Sequence-Id").lstrip("+-").lstrip("0") == "1"


def packet(request: Request, number: PacketNumber, read: Callable[[], bytes]) -> Packet:
    """Everything but the number. Raises 61003, 63001, 63002, 61006 and 61005 in this order, then reads the body."""
    parameters = Parameters(request)
    if request.content_type.partition(";")[0].strip().lower() in FORBIDDEN_TYPES:
        raise Malformed("Content-Type")
    user_id = parameters.required("User-Id")
    described = (_property(parameters), _organisation(parameters)) if number.first else None
    if len(user_id) > LONGEST_USER_ID:
        raise UserIdTooLong("User-Id")
    opening = _opening(*described) if described else None
    return Packet(number, user_id, opening, read())


def refuse_overlong(utterance: Utterance) -> None:
    """By the header, where it tells: before anybody asks who speaks, and before a stream is sent in vain.

    Raises TooLong.
    """
    seconds = _wav_seconds(utterance.content) if utterance.opening.container == "wav" else 0.0
    if seconds > LONGEST_SECONDS:
        raise TooLong(seconds=seconds, limit_seconds=LONGEST_SECONDS)


def enrollment(utterance: Utterance) -> dict[str, Any]:
    return {
        "key": LibraryKey(utterance.opening.org_id),
        "external_id": utterance.external_id,
        "audios": [audio_input(utterance)],
        "required_utterances": REQUIRED_UTTERANCES,
        "when_enrolled": WhenEnrolled.ADD,
    }


def audio_input(utterance: Utterance) -> AudioInput:
    """Silence at the ends is left out, whether or not `autoend` asks for it: it would blur who speaks."""
    return AudioInput(
        lambda: utterance.content,
        len(utterance.content),
        required_speech_seconds=REQUIRED_SPEECH_SECONDS,
        form=RecordingForm(
            containers=(utterance.opening.container,),
            sample_rate=SAMPLE_RATE,
            channels=CHANNELS,
            max_seconds=LONGEST_SECONDS,
            overlong="refuse",
        ),
    )


def enrollment_text(enrolled: Enrollment) -> str:
    return "enrlled" if enrolled.complete else "enrolling"


def verification_text(verification: Verification) -> str:
    return "accept" if verification.accepted else "reject"


def envelope(code: str, msg: str, today: Allowance | None) -> dict[str, Any]:
    """`today`: what is left of the tenant's day; None where there is no limit, or nobody knows whose."""
    remaining = UNLIMITED if today is None else today.remaining
    return {
        "code": code,
        "charge": False,
        "remain": remaining,
        "remainTimes": remaining,
        "remainSeconds": UNLIMITED,
        "msg": msg,
    }


def result(echoed: Echo, status: int, message: str, text: str) -> dict[str, Any]:
    return {
        "request_id": echoed.request_id,
        "status": status,
        "index": echoed.index,
        "message": message,
        "result": [{"text": text}] if text else [],
    }


def _organisation(parameters: Parameters) -> str:
    organisation = parameters.name("Application-Id") or DEFAULT_ORGANISATION
    if len(organisation) > LONGEST_APPLICATION_ID:
        raise Malformed("Application-Id")
    return organisation


def _property(parameters: Parameters) -> dict[str, Any]:
    """Raises Malformed unless it is a JSON object."""
    try:
        described = json.loads(parameters.text("Property"))
    except (ValueError, RecursionError):
        raise Malformed("Property") from None
    if not isinstance(described, dict):
        raise Malformed("Property")
    return described


def _opening(described: dict[str, Any], organisation: str) -> Opening:
    mode, encode = described.get("vpr_mode"), described.get("encode")
    if not isinstance(mode, str) or mode not in MODES:
        raise UnknownMode("vpr_mode")
    container = encode.get("format") if isinstance(encode, dict) else None
    if not isinstance(encode, dict) or not isinstance(container, str) or container not in CONTAINERS:
        raise UnknownFormat("encode.format")
    if not _is_number(encode.get("sample_rate"), SAMPLE_RATE) or not _is_number(encode.get("channel"), CHANNELS):
        raise UnknownLayout("encode")
    return Opening(mode, organisation, container)


def _is_number(value: object, number: int) -> bool:
    """As a number or as text; JSON's true is no 1."""
    return isinstance(value, int | float | str) and str(value).strip() in {str(number), str(float(number))}


def _wav_seconds(content: bytes) -> float:
    """How long the samples that are there last, 0.0 when they are not plain ones."""
    form, data = content.find(b"fmt ", 0, WAV_HEADER_BYTES), content.find(b"data", 0, WAV_HEADER_BYTES)
    if not 0 < form <= data - 24 <= len(content) - 32:
        return 0.0
    codec, _, rate, _, frame_bytes = struct.unpack_from("<HHIIH", content, form + 8)
    (declared,) = struct.unpack_from("<I", content, data + 4)
    received = len(content) - data - 8
    size = min(declared, received) or received
    return size / (rate * frame_bytes) if codec in PLAIN_CODECS and rate * frame_bytes else 0.0


def _decoded(header: str) -> str:
    """HTTP hands a header over byte by byte; clients mean UTF-8, and where that cannot be, Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header
