"""Removing what somebody picked out in the console, which may lie in several libraries and, for staff, tenants."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy

from tenants.models import Tenant
from tenants.names import visible
from voiceprints import kept_exports, services, wording
from voiceprints.models import Job, Library, Speaker, Utterance
from voiceprints.results import Removal


@dataclass(frozen=True)
class Undertaking:
    """A removal that is announced before it is carried out. `question` is a lazy plural over `count`.

    `foresee` and `typed` are told how many are chosen. `exports`: those in which they stay. `typed`: what a person
    types to show that they have read what goes: a name where one is chosen, else how many voiceprints. `named`: what
    the page that it was picked out on calls a row. `besides`: what else comes of it, in words.
    """

    question: Any
    button: Any
    foresee: Callable[[QuerySet[Any], int], Removal]
    carry_out: Callable[[QuerySet[Any]], Removal]
    exports: Callable[[QuerySet[Any]], list[Job]]
    typed: Callable[[QuerySet[Any], int], str] = lambda _chosen, _count: ""
    named: Callable[[Any], str] = str
    besides: Callable[[QuerySet[Any]], list[str]] = lambda _chosen: []


def remove_speakers(speakers: QuerySet[Speaker]) -> Removal:
    names: dict[int, list[str]] = defaultdict(list)
    for library, external_id in speakers.order_by().values_list("library", "external_id"):
        names[library].append(external_id)
    libraries = Library.all_tenants.select_related("tenant").in_bulk(names)
    return _sum(
        services.delete_speakers(library.tenant, library.tenant.libraries.filter(pk=library.pk), names[library.pk])
        for library in libraries.values()
    )


def remove_libraries(libraries: QuerySet[Library]) -> Removal:
    return _for_each_tenant(libraries, services.delete_libraries)


def empty_libraries(libraries: QuerySet[Library]) -> Removal:
    return _for_each_tenant(libraries, services.empty_libraries)


def remove_utterances(utterances: QuerySet[Utterance]) -> Removal:
    chosen = list(utterances.select_related("tenant"))
    for utterance in chosen:
        services.delete_utterance(utterance.tenant, utterance.pk)
    return Removal(recordings=len(chosen))


def speakers_foreseen(speakers: QuerySet[Speaker], count: int) -> Removal:
    said = Utterance.all_tenants.filter(speaker__in=speakers.order_by().values("pk"))
    return Removal(speakers=count, recordings=said.count())


def contents_foreseen(libraries: QuerySet[Library], _: int) -> Removal:
    speakers = Speaker.all_tenants.filter(library__in=libraries.order_by().values("pk"))
    return speakers_foreseen(speakers, speakers.count())


def libraries_foreseen(libraries: QuerySet[Library], count: int) -> Removal:
    contents = contents_foreseen(libraries, count)
    return Removal(libraries=count, speakers=contents.speakers, recordings=contents.recordings)


def name_or_extent(libraries: QuerySet[Library], count: int) -> str:
    """Of one library its name; of several how many voiceprints they hold."""
    return str(libraries.get()) if count == 1 else str(contents_foreseen(libraries, count).speakers)


def extent_of_several(_: QuerySet[Speaker], count: int) -> str:
    """How many, unless it is one."""
    return str(count) if count > 1 else ""


def utterances_foreseen(_: QuerySet[Utterance], count: int) -> Removal:
    return Removal(recordings=count)


def in_words(removal: Removal) -> list[str]:
    libraries = ngettext("%d library", "%d libraries", removal.libraries) % removal.libraries
    speakers = ngettext("%d voiceprint", "%d voiceprints", removal.speakers) % removal.speakers
    recordings = ngettext("%d recording", "%d recordings", removal.recordings) % removal.recordings
    return [*([libraries] if removal.libraries else []), *([speakers] if removal.speakers else []), recordings]


def silenced(utterances: QuerySet[Utterance]) -> list[str]:
    """Of speakers who are left without any."""
    of_speaker = Utterance.all_tenants.filter(speaker=OuterRef("pk"))
    others = of_speaker.exclude(pk__in=utterances.values("pk"))
    speakers = Speaker.all_tenants.filter(Exists(of_speaker.filter(pk__in=utterances.values("pk"))), ~Exists(others))
    names = speakers.order_by("pk").values_list("external_id", flat=True)
    said = _("%s has no recording any more then, and is recognised no more until one is added")
    return [said % visible(name) for name in names]


DELETE_LIBRARIES = Undertaking(
    ngettext_lazy(
        "Delete this library with everybody in it?", "Delete these %(count)d libraries with everybody in them?", "count"
    ),
    _("Delete"),
    libraries_foreseen,
    remove_libraries,
    kept_exports.holding_libraries,
    name_or_extent,
)
EMPTY_LIBRARIES = Undertaking(
    ngettext_lazy(
        "Empty this library? It stays, with nobody in it.",
        "Empty these %(count)d libraries? They stay, with nobody in them.",
        "count",
    ),
    _("Empty"),
    contents_foreseen,
    empty_libraries,
    kept_exports.holding_libraries,
    name_or_extent,
)
DELETE_SPEAKERS = Undertaking(
    ngettext_lazy(
        "Delete this speaker with everything they said?",
        "Delete these %(count)d speakers with everything they said?",
        "count",
    ),
    _("Delete"),
    speakers_foreseen,
    remove_speakers,
    kept_exports.holding_speakers,
    extent_of_several,
)
DELETE_UTTERANCES = Undertaking(
    ngettext_lazy(
        "Delete this recording? The voiceprint is made anew of what is left, and later recordings move up by a number.",
        "Delete these %(count)d recordings? The voiceprint is made anew of what is left, and later ones move up.",
        "count",
    ),
    _("Delete"),
    utterances_foreseen,
    remove_utterances,
    kept_exports.holding_utterances,
    named=wording.recording,
    besides=silenced,
)


def _for_each_tenant(libraries: QuerySet[Library], service: Callable[[Tenant, QuerySet[Library]], Removal]) -> Removal:
    chosen: dict[Tenant, list[int]] = defaultdict(list)
    for library in libraries.select_related("tenant"):
        chosen[library.tenant].append(library.pk)
    return _sum(service(tenant, tenant.libraries.filter(pk__in=keys)) for tenant, keys in chosen.items())


def _sum(removals: Any) -> Removal:
    parts = list(removals)
    return Removal(
        libraries=sum(part.libraries for part in parts),
        speakers=sum(part.speakers for part in parts),
        recordings=sum(part.recordings for part in parts),
    )
