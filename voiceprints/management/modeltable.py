"""What `models list` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audio.errors import ModelError
from audio.published import PUBLISHED, PublishedModel
from audio.store import BUNDLED, ModelCard
from voiceprints import installed

MEGABYTE = 1_000_000
HEADINGS = ("NAME", "LANGUAGE", "DIM", "MB", "LICENCE", "PUBLISHED EER %", "KIND", "INSTALLED", "TENANTS")
DEFAULT_MARK = " (default)"
# Measured here, with calibration data of its own; the others' are the project's that publishes them.
BUNDLED_RATES = "speechocean762 3.2"


@dataclass(frozen=True)
class KnownModel:
    """One that is published, installed, or both. `problem` says why one that is installed cannot be used."""

    name: str
    language: str
    dimension: int
    megabytes: int
    licence: str
    published_eer: str
    kind: str
    installed: bool
    default: bool
    tenants: int
    sha256: str = ""
    problem: str = ""


def known_models() -> list[KnownModel]:
    """Installed ones first, then those that only other machines have, if any."""
    here, registered = installed.store().names(), installed.registered()
    others = [*(name for name in registered if name not in PUBLISHED), *PUBLISHED]
    return [_known(name, registered.get(name, 0)) for name in [*here, *(name for name in others if name not in here)]]


def _known(name: str, dimension: int) -> KnownModel:
    """`dimension` as the database knows it, 0 where it does not."""
    usage, published = installed.usage_of(name), PUBLISHED.get(name)
    card, problem = _card(name)
    facts = _facts(card, published, dimension)
    return KnownModel(
        name=name,
        published_eer=_published_rates(name, published),
        kind=published.kind if published else "onnx",
        installed=card is not None,
        default=usage.is_default,
        tenants=usage.tenants,
        problem=problem,
        **facts,
    )


def _card(name: str) -> tuple[ModelCard | None, str]:
    if not installed.store().has(name):
        return None, ""
    try:
        return installed.store().find(name), ""
    except ModelError as error:
        return None, str(error)


def _facts(card: ModelCard | None, published: PublishedModel | None, dimension: int) -> dict[str, Any]:
    if card:
        megabytes = round(card.size_bytes / MEGABYTE)
        facts = {"language": card.language, "dimension": card.dimension, "megabytes": megabytes}
        return {**facts, "licence": card.licence, "sha256": card.sha256}
    if published:
        facts = {"language": published.language, "dimension": published.dimension, "megabytes": published.megabytes}
        return {**facts, "licence": published.licence}
    return {"language": "", "dimension": dimension, "megabytes": 0, "licence": ""}


def _published_rates(name: str, published: PublishedModel | None) -> str:
    if name == BUNDLED.name:
        return BUNDLED_RATES
    return published.error_rates if published else ""


def table(models: Sequence[KnownModel]) -> str:
    rows = [HEADINGS, *(_cells(model) for model in models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _cells(model: KnownModel) -> tuple[str, ...]:
    there = model.problem or ("yes" if model.installed else "no")
    return (
        model.name + (DEFAULT_MARK if model.default else ""),
        model.language,
        str(model.dimension or ""),
        str(model.megabytes or ""),
        model.licence,
        model.published_eer,
        model.kind,
        there,
        str(model.tenants or ""),
    )
