"""Wire → keyword arguments of a service, result → wire. Of a request, the Base64 of its audio is judged last."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from api.bodies import Unacceptable
from api.iflytek.errors import NotBase64, ParameterInvalid
from api.iflytek.sniffing import is_container
from api.scores import ScoreScale
from audio.errors import UnexpectedLayout
from audio.results import RawPcm, RecordingForm
from voiceprints.results import AudioInput, Candidate, LibraryKey, Listed, Verification, WhenEnrolled

SERVICES = ("s1aa729d0", "s782b4996")
# The older edition prints the name of the reply in one place.
OTHER_NAMES = {"deleteFeatureRes": "deleteFeature"}

REPLY_FORMAT = {"encoding": {"utf8", "utf-8"}, "compress": {"raw"}, "format": {"json"}}
SAMPLE_RATE_HZ, CHANNELS, SAMPLE_BITS = 16_000, 1, 16
FORM = RecordingForm(containers=("wav", "mp3"), sample_rate=SAMPLE_RATE_HZ, channels=CHANNELS)
REQUIRED_SPEECH_SECONDS = math.nextafter(0.5, 1.0)  # It must be longer than half a second.

LONGEST_ID = 32
LONGEST_TEXT = 256
LONGEST_AUDIO = 4 * 1024 * 1024
LARGEST_TOP_K = 10
SCORES = ScoreScale(lowest=-1.0, decision=0.6, highest=1.0)

GROUP_ID = re.compile(r"\w{1,32}", re.ASCII)
INTEGER = re.compile(r"[+-]?\d{1,4000}", re.ASCII)
# Halves of characters have no UTF-8, and the database stores no NUL.
UNFIT_FOR_TEXT = re.compile("[\x00\ud800-\udfff]")
UNFIT_FOR_ID = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
LINE_ENDS = str.maketrans("", "", "\r\n")


@dataclass(frozen=True)
class Block:
    """An object in the request, and the path that leads to it. Whatever it lacks is ParameterInvalid."""

    path: str
    sent: Mapping[str, Any]

    def block(self, name: str) -> Block:
        return Block(f"{self.path.rstrip('/')}/{name}", self._typed(name, dict, "object"))

    def has(self, name: str) -> bool:
        """Absent and null are the same."""
        return self.sent.get(name) is not None

    def string(self, name: str) -> str:
        """Of any length."""
        return str(self._typed(name, str, "string"))

    def text(self, name: str, *, longest: int, shortest: int = 0) -> str:
        """Its length counts characters."""
        text = self.string(name)
        if not shortest <= len(text) <= longest:
            raise self.invalid(name, f"length must be {shortest} to {longest}")
        return text

    def words(self, name: str) -> str | None:
        """A text for people, None when there is none."""
        if not self.has(name):
            return None
        text = self.text(name, longest=LONGEST_TEXT)
        if UNFIT_FOR_TEXT.search(text):
            raise self.invalid(name, "has characters that no text has")
        return text

    def identifier(self, name: str) -> str:
        text = self.text(name, longest=LONGEST_ID, shortest=1)
        if UNFIT_FOR_ID.search(text):
            raise self.invalid(name, "has control characters")
        return text

    def one_of(self, name: str, accepted: Collection[str]) -> str:
        text = self.string(name).lower()
        if text not in accepted:
            raise self.invalid(name, f"must be {' or '.join(sorted(accepted))}")
        return text

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number, also as text or with nothing behind its point. Without default it is required."""
        if default is not None and not self.has(name):
            return default
        value = self._required(name)
        if isinstance(value, str) and INTEGER.fullmatch(value):
            return int(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return int(self._typed(name, int, "int"))

    def switch(self, name: str, *, default: bool) -> bool:
        return bool(self._typed(name, bool, "boolean")) if self.has(name) else default

    def invalid(self, name: str, problem: str) -> ParameterInvalid:
        return ParameterInvalid(self.path, name, problem)

    def _required(self, name: str) -> Any:
        if not self.has(name):
            raise self.invalid(name, "is required")
        return self.sent[name]

    def _typed(self, name: str, kind: type, word: str) -> Any:
        """Exactly of that type: to Python, true is an integer."""
        value = self._required(name)
        if type(value) is not kind:
            raise self.invalid(name, f"type must be {word}")
        return value


@dataclass(frozen=True)
class Call:
    function: str
    parameters: Block
    body: Block

    @property
    def reply_name(self) -> str:
        return f"{self.function}Res"

    def group(self) -> LibraryKey:
        group_id = self.parameters.text("groupId", longest=LONGEST_ID, shortest=1)
        if not GROUP_ID.fullmatch(group_id):
            raise self.parameters.invalid("groupId", "has other characters than letters, digits and underscore")
        self._refuse_other_formats()
        return LibraryKey(group_id)

    def _refuse_other_formats(self) -> None:
        if not self.parameters.has(self.reply_name):
            return
        wanted = self.parameters.block(self.reply_name)
        for name, accepted in REPLY_FORMAT.items():
            if wanted.has(name):
                wanted.one_of(name, accepted)


def application(body: dict[str, Any]) -> str:
    return Block("/", body).block("header").string("app_id")


def call(body: dict[str, Any], service: str, functions: Collection[str]) -> Call:
    """Raises ParameterInvalid, or Unacceptable for what is none of the functions."""
    whole = Block("/", body)
    parameters = _parameters(whole.block("parameter"), service)
    sent = parameters.string("func")
    function = OTHER_NAMES.get(sent, sent)
    if function not in functions:
        raise Unacceptable("func")
    return Call(function, parameters, whole)


def group(call: Call) -> tuple[LibraryKey, dict[str, str | None]]:
    """None: not sent."""
    key = call.group()
    return key, {"name": call.parameters.words("groupName"), "info": call.parameters.words("groupInfo")}


def new_feature(call: Call) -> dict[str, Any]:
    return {
        "key": call.group(),
        "external_id": call.parameters.identifier("featureId"),
        "info": call.parameters.words("featureInfo") or "",
        "audios": [_recording(call)],
        "when_enrolled": WhenEnrolled.REPLACE,
        "create_library": False,
    }


def changed_feature(call: Call) -> dict[str, Any]:
    return {
        "key": call.group(),
        "external_id": call.parameters.identifier("featureId"),
        "info": call.parameters.words("featureInfo"),
        "merge": not call.parameters.switch("cover", default=True),
        "audios": [_recording(call)],
    }


def feature(call: Call) -> tuple[LibraryKey, str]:
    return call.group(), call.parameters.identifier("featureId")


def claim(call: Call) -> tuple[LibraryKey, str, AudioInput]:
    return call.group(), call.parameters.identifier("dstFeatureId"), _recording(call)


def search(call: Call) -> tuple[LibraryKey, int, AudioInput]:
    key, top_k = call.group(), call.parameters.integer("topK")
    if not 1 <= top_k <= LARGEST_TOP_K:
        raise Unacceptable("topK")
    return key, top_k, _recording(call)


def group_entry(key: LibraryKey, texts: Mapping[str, str | None]) -> dict[str, Any]:
    return {"groupName": texts["name"] or "", "groupId": key.org_id, "groupInfo": texts["info"] or ""}


def feature_entry(listed: Listed) -> dict[str, Any]:
    return {"featureInfo": listed.speaker.info, "featureId": listed.speaker.external_id}


def score_entry(found: Verification | Candidate) -> dict[str, Any]:
    return {
        "score": SCORES.of(found),
        "featureInfo": found.speaker.info,
        "featureId": found.speaker.external_id,
    }


def encoded(result: object) -> str:
    """Base64 of compact JSON."""
    return base64.b64encode(json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode()).decode()


def _parameters(parameter: Block, service: str) -> Block:
    """The only block, whatever its name: clients mix the two service ids. Of several, the one of the path."""
    name = next(iter(parameter.sent)) if len(parameter.sent) == 1 else service
    # An error names the place by a word of ours, whatever the client called it.
    known = name if name in SERVICES else service
    return Block(parameter.path, {known: parameter.sent.get(name)}).block(known)


def _recording(call: Call) -> AudioInput:
    resource = call.body.block("payload").block("resource")
    encoding = resource.one_of("encoding", {"raw", "lame"})
    declared = {
        "sample_rate": (resource.integer("sample_rate"), SAMPLE_RATE_HZ),
        "channels": (resource.integer("channels", CHANNELS), CHANNELS),
        "sample_bits": (resource.integer("bit_depth", SAMPLE_BITS), SAMPLE_BITS),
    }
    resource.integer("status")
    content = _decoded(resource.text("audio", longest=LONGEST_AUDIO, shortest=1))
    headerless = not is_container(content, perhaps_mp3=encoding == "lame")

    def read() -> bytes:
        """What a recording says of itself counts; of headerless PCM there is only what the client declares."""
        for what, (found, expected) in declared.items():
            if headerless and found != expected:
                raise UnexpectedLayout(what=what, found=found, expected=expected)
        return content

    return AudioInput(
        read,
        size_bytes=len(content),
        raw_pcm=RawPcm(SAMPLE_RATE_HZ, CHANNELS) if headerless else None,
        required_speech_seconds=REQUIRED_SPEECH_SECONDS,
        form=FORM,
    )


def _decoded(text: str) -> bytes:
    """Padded Base64 in the usual alphabet; line ends inside it are passed over, as the vendor does."""
    joined = text.translate(LINE_ENDS)
    if len(joined) % 4 or not BASE64.fullmatch(joined):
        raise NotBase64
    return base64.b64decode(joined)
