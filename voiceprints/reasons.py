"""Why an archive, a list or a line was refused, in the reader's language: the errors carry it in English."""

from __future__ import annotations

import re
from typing import Final

from django.utils import translation
from django.utils.translation import gettext_noop

from tenants.sentences import listed
from voiceprints.errors import QUOTED
from voiceprints.manifests import COLUMNS, KNOWN

# What is quoted, a number, or the columns of a list.
PART: Final = re.compile(rf"{QUOTED.pattern}|\d+|{re.escape(KNOWN)}")
REASONS: Final = (
    gettext_noop("a figure that is none"),
    gettext_noop("a date after %s, and none to come"),
    gettext_noop("a line is too long"),
    gettext_noop("a list of %s to %s"),
    gettext_noop("a name that leads elsewhere"),
    gettext_noop("broken"),
    gettext_noop("encrypted"),
    gettext_noop("enrolled or enrolling"),
    gettext_noop("it holds control characters or halves of characters"),
    gettext_noop("it holds characters that turn others around"),
    gettext_noop("it is empty"),
    gettext_noop("it is no manifest of an export"),
    gettext_noop("it is not UTF-%s"),
    gettext_noop("it is not UTF-%s; save it as CSV UTF-%s"),
    gettext_noop("it lacks the library or the number of speakers"),
    gettext_noop("it shows nothing"),
    gettext_noop("its directory is too large"),
    gettext_noop("larger than %s bytes"),
    gettext_noop("line %s is about the same speaker"),
    gettext_noop("longer than %s characters"),
    gettext_noop("missing"),
    gettext_noop("more than %s lines"),
    gettext_noop("more than %s members"),
    gettext_noop("more than %s recordings"),
    gettext_noop("neither file nor folder"),
    gettext_noop("neither recordings nor embeddings of a model known here"),
    gettext_noop("neither stored nor deflated"),
    gettext_noop("neither zip nor tar nor tar.gz"),
    gettext_noop("no JSON object"),
    gettext_noop("no JSON, or a name twice"),
    gettext_noop("no SHA-%s in hex"),
    gettext_noop("no date and time with its offset"),
    gettext_noop("no embedding of %s dimensions and length %s"),
    gettext_noop("no name of a file"),
    gettext_noop("no day as %s-%s-%s, nor a time with its offset"),
    gettext_noop("no such field as %s; known are %s"),
    gettext_noop("no text"),
    gettext_noop("not all figures"),
    gettext_noop("not of version %s"),
    gettext_noop("not the recording that was exported"),
    gettext_noop("the archive must hold one of manifest.jsonl, manifest.csv, manifest.json"),
    gettext_noop("the header must name external_id and audio, each column once"),
    gettext_noop("the name of a recording, or a list of them"),
    gettext_noop("true or false"),
    gettext_noop("twice the same name"),
    gettext_noop("unpacked larger than %s bytes"),
    gettext_noop("unknown column %s; known are %s"),
    gettext_noop("unsafe name"),
    gettext_noop("%s cells under %s columns"),
)
"""With the numbers, the columns and what is quoted taken out."""


def reason_in_words(reason: str) -> str:
    """As it is where it is in no list."""
    pattern = PART.sub("%s", reason)
    return translation.gettext(pattern) % tuple(map(_part, PART.findall(reason))) if pattern in REASONS else reason


def _part(said: str) -> str:
    return listed(column.name for column in COLUMNS) if said == KNOWN else said
