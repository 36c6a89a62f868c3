"""The speaker models of this installation: files on each machine, and rows that say what vectors were made with."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from audio.errors import ModelMissing, WeightsChanged
from audio.store import BUNDLED, ENCODERS_KEPT, ModelCard, ModelStore
from tenants.actions import Action
from tenants.context import acting_as_platform
from tenants.generations import changing_models, store_models
from tenants.models import Tenant
from tenants.services import default_model, set_default_model
from tenants.targets import model_target
from tenants.trail import note
from voiceprints import gallery
from voiceprints.errors import ModelInUse
from voiceprints.models import EmbeddingModel, UtteranceEmbedding, Voiceprint

# How long a worker may go on with weights although others were registered. No recording waits for a query.
FRESH_SECONDS: Final = 5.0
_agreed_until: dict[tuple[str, int, str, str], float] = {}
"""By name, dimension, sha256 and engine, in seconds of the monotonic clock."""


@dataclass(frozen=True)
class Usage:
    """Who relies on a model. `tenants` keep its vectors up, whether it answers for them or stands by."""

    tenants: int
    is_default: bool


def store() -> ModelStore:
    return ModelStore(settings.MODELS)


def refuse_disagreement(name: str) -> None:
    """This machine's weights must be those that the vectors in the database were made with, a few seconds ago at least.

    A refusal is not remembered, so a model that was mended works at once.
    Raises ModelMissing, UnusableModel, WeightsChanged.
    """
    card = store().find(name)
    said = card.name, card.dimension, card.sha256, card.engine
    if _agreed_until.get(said, 0.0) <= time.monotonic():
        _agree(card)
        _agreed_until[said] = time.monotonic() + FRESH_SECONDS


def _agree(card: ModelCard) -> None:
    known = EmbeddingModel.objects.filter(pk=card.name).first()
    if known is None or not known.is_as(card):
        raise WeightsChanged(
            f"{store().weights_of(card.name)} ({_identity(card)}) is not what the database knows as {card.name!r}: "
            f"{_identity(known) if known else 'nothing of it'}; install the same file on every machine"
        )


def _identity(model: ModelCard | EmbeddingModel) -> str:
    return f"sha256 {model.sha256}, {model.dimension} numbers, engine {model.engine or 'unknown'}"


def most_used(limit: int = ENCODERS_KEPT) -> list[str]:
    """What a worker should have at hand before the first recording comes."""
    return _most_used(limit, lambda tenant: tenant.models)


def most_answering(limit: int = ENCODERS_KEPT) -> list[str]:
    """What a worker cannot do without: an enrollment goes without a model that stands by."""
    return _most_used(limit, lambda tenant: tenant.answering_models)


def _most_used(limit: int, models_of: Callable[[Tenant], Iterable[str]]) -> list[str]:
    used = Counter(name for tenant in Tenant.objects.filter(active=True) for name in models_of(tenant))
    return [name for name, _ in used.most_common(limit)] or [default_model()]


def install(weights: Path, card: ModelCard) -> None:
    """Put the file into the store of this machine and its name into the database. Raises ModelError."""
    refuse_other_vectors(card)
    store().install(weights, card)
    register(card)


def register(card: ModelCard) -> None:
    """Make it known to the database, so that tenants may use it. Raises WeightsChanged."""
    with acting_as_platform():
        known = EmbeddingModel.objects.select_for_update().filter(pk=card.name).first()
        refuse_other_vectors(card)
        row = {"dimension": card.dimension, "sha256": card.sha256, "engine": card.engine}
        EmbeddingModel.objects.update_or_create(name=card.name, defaults=row)
        if known is None or {name: getattr(known, name) for name in row} != row:
            said: dict[str, Any] = {"sha256": card.sha256, "before": known.sha256 if known else None}
            note(None, Action.MODEL_INSTALLED, model_target(card.name), **said)


def refuse_other_vectors(card: ModelCard) -> None:
    """Raises WeightsChanged when the database has vectors of that name that were made in another way."""
    known = EmbeddingModel.objects.filter(pk=card.name).first()
    if known is None or known.is_as(card):
        return
    vectors = _vectors_of(card.name)
    if vectors:
        raise WeightsChanged(
            f"the database has {vectors} vectors of {card.name!r} made otherwise ({_identity(known)}); add this "
            f"file ({_identity(card)}) under another name"
        )


def make_default(name: str) -> None:
    """What new tenants begin with. Raises ModelMissing, UnusableModel, WeightsChanged."""
    register(store().find(name))
    set_default_model(name)


def remove(name: str, *, force: bool = False) -> None:
    """From this machine, if it is there, and from the database.

    By `force` tenants that use it go over to another of theirs or to the bundled one, unless vectors were made with it.
    Raises ModelMissing, ModelInUse.
    """
    if name == BUNDLED.name:
        raise ModelMissing(f"{name!r} comes with the platform and stays")
    with acting_as_platform():
        usage, vectors = usage_of(name), _vectors_of(name)
        if vectors or (not force and (usage.tenants or usage.is_default)):
            raise ModelInUse(name=name, vectors=vectors, **vars(usage))
        _let_go(name)
        # Nobody stores any more; somebody may have until just now.
        if vectors := _vectors_of(name):
            raise ModelInUse(name=name, vectors=vectors, **vars(usage))
        known, _ = EmbeddingModel.objects.filter(pk=name).delete()
        note(None, Action.MODEL_REMOVED, model_target(name), force=force)
        if store().has(name) or not known:
            store().remove(name)


def _let_go(name: str) -> None:
    if default_model() == name:
        set_default_model(BUNDLED.name)
    for tenant in _users_of(name).order_by("pk"):
        with changing_models(tenant):
            _change_to_others(tenant, name)


def _change_to_others(tenant: Tenant, name: str) -> None:
    """To one that answers already, if there is one."""
    answered = tenant.answering_models
    left = [other for other in (*answered, *tenant.standing_by) if other != name]
    tenant.model, *tenant.other_models = left or [BUNDLED.name]
    if tenant.fallback_model not in tenant.other_models:
        tenant.fallback_model = ""
    if tenant.previous_model not in tenant.other_models:
        tenant.previous_model = ""
    if tenant.answering_models != answered:
        tenant.switched = timezone.now()
    store_models(tenant)
    gallery.restate(tenant)
    note(tenant, Action.MODEL_DROPPED, model_target(name), answering=tenant.model)


def registered() -> dict[str, int]:
    """The dimensions of all models that the database knows, by name, installed on this machine or not."""
    return dict(EmbeddingModel.objects.order_by("name").values_list("name", "dimension"))


def usage_of(name: str) -> Usage:
    with acting_as_platform():
        return Usage(tenants=_users_of(name).count(), is_default=default_model() == name)


def _vectors_of(name: str) -> int:
    """Of all tenants: every row is looked at."""
    with acting_as_platform():
        return sum(kind.all_tenants.filter(model=name).count() for kind in (UtteranceEmbedding, Voiceprint))


def _users_of(name: str) -> QuerySet[Tenant]:
    return Tenant.objects.filter(Q(model=name) | Q(other_models__contains=[name]))
