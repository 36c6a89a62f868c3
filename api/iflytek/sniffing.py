"""What a recording is by its first bytes, since clients name its encoding loosely."""

from __future__ import annotations

import re

# Marks of four bytes and more: samples hardly ever begin with one of them by chance.
MARKED = re.compile(rb"RIFF|RIFX|RF64|FORM|ID3[\x02-\x04]|fLaC|OggS|#!AMR|\x1aE\xdf\xa3|.{4}ftyp", re.DOTALL)
# Eleven bits of synchronisation, a version, layer III, a bit rate and a sample rate.
MP3_FRAME = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x00-\xef][\x00-\xff]", re.DOTALL)


def is_container(content: bytes, *, perhaps_mp3: bool) -> bool:
    """Whether the recording says itself what it is; otherwise it can only be headerless PCM.

    An MP3 without tags begins with as little as a quiet sample does, so it is believed only where one is announced.
    """
    return bool(MARKED.match(content) or (perhaps_mp3 and MP3_FRAME.match(content)))
