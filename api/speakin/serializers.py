"""Wire → keyword arguments of a service, result → wire."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict

from api.bodies import Malformed
from api.scores import ScoreScale
from api.speakin.errors import TooFewFiles, TooManyIds
from voiceprints.errors import SpeakerNotFound
from voiceprints.results import AudioInput, SpeakerComparison

REGISTERED_FILES = ("file1", "file2", "file3")
PROBE_FILES = ("file1",)
REQUIRED_SPEECH_SECONDS = 0.5
MOST_IDS = 100
# What can be no id of anybody's is not searched for: PostgreSQL would choke on some of it.
POSSIBLE_ID = re.compile(r"[\x21-\x7e]{1,128}")

THRESHOLD_SCORE = 60
SCALE = ScoreScale(0, THRESHOLD_SCORE, 100, inclusive=False)


def uploads(sent: QueryDict, names: Sequence[str]) -> list[AudioInput]:
    """Raises TooFewFiles. Django gives no file for a part without a file name."""
    files: list[Any] = [sent.get(name) for name in names]
    if not all(isinstance(file, UploadedFile) and file.size for file in files):
        raise TooFewFiles
    return [AudioInput(file.read, file.size, required_speech_seconds=REQUIRED_SPEECH_SECONDS) for file in files]


def question(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Who is to be compared with whom. Raises Malformed, SpeakerNotFound or TooManyIds, in this order."""
    external_id = value(sent, "vecId", "vec_id", default="")
    others = value(sent, "cmpVecIdList", "cmp_vec_id_list", default=[])
    if not (isinstance(external_id, str) and isinstance(others, list)):
        raise Malformed
    if not all(isinstance(other, str) for other in others):
        raise Malformed
    if not (external_id and others):
        raise SpeakerNotFound(external_id=external_id)
    if len(others) > MOST_IDS:
        raise TooManyIds
    for named in (external_id, *others):
        if not POSSIBLE_ID.fullmatch(named):
            raise SpeakerNotFound(external_id=named)
    return {"external_id": external_id, "others": others}


def value(sent: Mapping[str, Any], *names: str, default: Any) -> Any:
    """Of the spellings of one key the first that is there counts; null is not there."""
    return next((sent[name] for name in names if sent.get(name) is not None), default)


def comparisons(results: Sequence[SpeakerComparison]) -> dict[str, Any]:
    entries = [{"cmpVecId": result.speaker.external_id, "score": SCALE.of(result)} for result in results]
    return {"cmpResultList": entries, "thresholdScore": THRESHOLD_SCORE}
