"""The map of a library as the console shows it: a point for each speaker, and in words what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString

from tenants.context import acting_as
from tenants.models import Tenant
from tenants.names import visible
from voiceprints.decisions import decision_for
from voiceprints.maps import Pair, near_duplicates, on_a_plane, outliers
from voiceprints.models import Library
from voiceprints.own_recordings import drawn, known
from voiceprints.vectors import read_vectors, sent

MOST_MAPPED = 2000
LISTED = 20
WIDTH, HEIGHT, MARGIN = 720, 440, 16
SHAPES = {
    "plain": '<circle cx="{x}" cy="{y}" r="4"/>',
    "duplicate": '<circle cx="{x}" cy="{y}" r="6"/>',
    "outlier": '<rect x="-5" y="-5" width="10" height="10" transform="translate({x} {y}) rotate(45)"/>',
}


@dataclass(frozen=True)
class Point:
    speaker: int
    name: str
    x: float
    y: float
    kind: str
    """`duplicate`, `outlier` or `plain`."""

    @property
    def address(self) -> str:
        return speaker_address(self.speaker)

    @property
    def drawing(self) -> SafeString:
        """As SVG. There may be thousands, of which a template makes it many times more slowly."""
        shape = SHAPES[self.kind].format(x=self.x, y=self.y)
        about = f'href="{self.address}" tabindex="-1" aria-label="{escape(self.name)}" class="{self.kind}"'
        return SafeString(f"<a {about}>{shape}</a>")


@dataclass(frozen=True)
class Duplicates:
    """Two speakers who may be one."""

    one: Point
    other: Point
    pair: Pair


@dataclass(frozen=True)
class LibraryMap:
    """`enrolled` have a voiceprint of the tenant's model; the points are those of all, or of some of very many."""

    library: Library
    enrolled: int
    points: list[Point]
    duplicates: list[Duplicates]
    """The nearest of `duplicate_count` pairs."""
    duplicate_count: int
    outliers: list[Point]
    outlier_count: int
    share: float

    @property
    def sampled(self) -> bool:
        return len(self.points) < self.enrolled

    @property
    def share_percent(self) -> float:
        return 100 * self.share


def map_of(tenant: Tenant, library: Library) -> LibraryMap | None:
    """None when fewer than two have a voiceprint of the tenant's model."""
    with acting_as(tenant):
        enrolled = known(tenant, tenant.model).filter(library=library).count()
        if enrolled < 2:
            return None
        chosen = drawn(tenant, tenant.model, [library.pk], MOST_MAPPED)
        voices = tenant.voiceprints.of_model(tenant.model).filter(speaker__in=chosen).order_by("speaker_id")
        rows = list(voices.values_list("speaker_id", "speaker__external_id", "speech_seconds", sent("embedding")))
    speakers, names, seconds, embeddings = (list(column) for column in zip(*rows, strict=True))
    voiceprints = read_vectors(embeddings)
    doubles = near_duplicates(voiceprints, seconds, decision_for(tenant, tenant.model), LISTED)
    unlike = outliers(voiceprints)
    plane, share = on_a_plane(voiceprints)
    kinds = dict.fromkeys(unlike, "outlier") | dict.fromkeys(doubles.places, "duplicate")
    places = _scaled(plane)
    points = [
        Point(speaker, visible(name), round(float(x), 1), round(float(y), 1), kinds.get(place, "plain"))
        for place, (speaker, name, (x, y)) in enumerate(zip(speakers, names, places, strict=True))
    ]
    return LibraryMap(
        library=library,
        enrolled=enrolled,
        points=points,
        duplicates=[Duplicates(points[pair.one], points[pair.other], pair) for pair in doubles.nearest],
        duplicate_count=doubles.count,
        outliers=[points[place] for place in unlike[:LISTED]],
        outlier_count=len(unlike),
        share=share,
    )


def speaker_address(speaker_id: int) -> str:
    return _address_of("SPEAKER").replace("SPEAKER", str(speaker_id))


@cache
def _address_of(speaker: str) -> str:
    """Looked up once, and not for each of thousands."""
    return reverse("admin:voiceprints_speaker_change", args=[speaker])


def _scaled(plane: np.ndarray) -> np.ndarray:
    """Into the picture, both components by one measure."""
    low, high = plane.min(axis=0), plane.max(axis=0)
    room = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN])
    scale = float((room / np.maximum(high - low, 1e-9)).min())
    placed: np.ndarray = (plane - (low + high) / 2) * scale + np.array([WIDTH, HEIGHT]) / 2
    return placed
