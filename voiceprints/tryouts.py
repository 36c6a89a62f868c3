"""What came of trying a recording, as a person reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audio.results import SpeechQuality
from tenants.models import Operation
from tenants.names import visible
from voiceprints import services, wording
from voiceprints.console_use import counted
from voiceprints.models import Library
from voiceprints.results import AudioInput, Candidate, LibraryKey, Verification

CANDIDATES_SHOWN = 8
IDS_OFFERED = 8


@dataclass(frozen=True)
class Claimable:
    """Whom one may ask about in a library: the first of those whose ids begin as somebody types."""

    library: Library
    ids: Sequence[str]
    nobody: bool


def claimable(library: Library, typed: str) -> Claimable:
    enrolled = library.tenant.speakers.filter(library=library).enrolled()
    named = enrolled.beginning_with(typed.replace("\0", "")).by_name()
    ids = list(named.values_list("external_id", flat=True)[:IDS_OFFERED])
    return Claimable(library, ids, nobody=not ids and not enrolled.exists())


@dataclass(frozen=True)
class Tryout:
    """`candidates`: best first; the one that was asked about, where somebody was `claimed`."""

    key: LibraryKey
    claimed: str | None
    candidates: Sequence[Candidate | Verification]
    margin: float | None
    figures: SpeechQuality
    model: str

    @property
    def named(self) -> str:
        """Who was claimed, as people see it."""
        return visible(self.claimed or "")

    @property
    def best(self) -> Candidate | Verification | None:
        """Who it is; None: nobody of them."""
        first = self.candidates[0] if self.candidates else None
        return first if first and first.accepted else None

    @property
    def quality(self) -> str:
        return wording.quality(self.figures)

    @property
    def warnings(self) -> list[str]:
        return wording.warnings(self.figures)


def tried(library: Library, claimed: str | None, audio: AudioInput) -> Tryout:
    """Raises what services.identify and services.verify raise."""
    tenant, key = library.tenant, LibraryKey(library.org_id, library.tag_id)
    libraries = tenant.libraries.filter(pk=library.pk)
    if claimed is None:
        identify = counted(tenant, Operation.IDENTIFY)(services.identify)
        found = identify(tenant, libraries, audio, top_k=CANDIDATES_SHOWN, refuse_nobody=True)
        return Tryout(key, None, found.candidates, found.margin, found.quality, found.model)
    verify = counted(tenant, Operation.VERIFY)(services.verify)
    verification = verify(tenant, libraries, claimed, audio)
    return Tryout(key, claimed, [verification], None, verification.quality, verification.model)
