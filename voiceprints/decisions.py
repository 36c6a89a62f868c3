"""From which cosine on two sides count as one speaker, for a tenant: its false accept rate on its model's calibration.

A calibration is data. The one in force is the newest row that was stored for the weights that the database knows: the
tenant's own, by `manage.py tenant_model`, or else the installation's, by `manage.py calibrate`. Without any it is the
one that ships with the model, and a model that has neither is read with caution, see `calibration.provisional`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from django.db.models import Value

from tenants.actions import Action
from tenants.context import acting_as, acting_as_platform, reading_of
from tenants.models import Tenant
from tenants.targets import model_target
from tenants.trail import note
from voiceprints import calibration as calibrating
from voiceprints.calibration import Bar, Calibration
from voiceprints.models import ModelCalibration, OwnCalibration

SHIPPED: Final = Path(__file__).parent / "calibrations"
# How long another process may go on with an older calibration. No request waits for a query.
FRESH_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Decision:
    """What a tenant asks of a comparison: evidence enough to keep false accepts at its rate."""

    calibration: Calibration
    far: float

    def bar(self, probe_seconds: float) -> Bar:
        """The thresholds of all comparisons with one probe."""
        return self.calibration.bar(self.far, probe_seconds)

    def threshold(self, enrolled_seconds: float, probe_seconds: float) -> float:
        """The raw cosine from which on it is accepted, by how much speech there was on both sides."""
        return self.calibration.threshold(self.far, enrolled_seconds, probe_seconds)


@dataclass(frozen=True)
class _Found:
    """`own`: the tenant's, and not the installation's."""

    calibration: Calibration
    own: bool


_known: dict[tuple[int | None, str], tuple[_Found, float]] = {}
"""By tenant, None for the installation, and model: what was found, and until when it counts."""


def decision_for(tenant: Tenant, model: str) -> Decision:
    return Decision(calibration_of(tenant, model), tenant.false_accept_rate)


def calibration_of(tenant: Tenant, model: str) -> Calibration:
    """What the tenant's comparisons are read by, as it was a few seconds ago at the earliest."""
    return calibrations_of(tenant, [model])[model]


def calibrations_of(tenant: Tenant, models: Sequence[str]) -> dict[str, Calibration]:
    """The same of several: those that have to be looked at again are, in one query."""
    return {model: found.calibration for model, found in _looked_up(tenant, models).items()}


def has_own_calibration(tenant: Tenant, model: str) -> bool:
    return _looked_up(tenant, [model])[model].own


def calibration_in_force(model: str) -> Calibration:
    """Where a tenant has none of its own."""
    return _looked_up(None, [model])[model].calibration


def store_calibration(calibration: Calibration) -> ModelCalibration:
    """In force from now on in this process, and within seconds in the others. Raises IntegrityError: unknown model."""
    with acting_as_platform():
        row = ModelCalibration.objects.create(model_id=calibration.model, record=calibration.to_json())
        note(None, Action.MODEL_CALIBRATED, model_target(calibration.model), calibration=row.pk)
    forget_calibrations()
    return row


def store_own_calibration(tenant: Tenant, calibration: Calibration) -> OwnCalibration:
    """In force for this tenant alone. Raises IntegrityError: unknown model."""
    with acting_as(tenant):
        row: OwnCalibration = tenant.calibrations.create(model_id=calibration.model, record=calibration.to_json())
        note(tenant, Action.MODEL_CALIBRATED, model_target(calibration.model), own_calibration=row.pk)
    forget_calibrations()
    return row


def drop_own_calibrations(tenant: Tenant, model: str) -> int:
    """The installation's counts again; returns how many there were."""
    with acting_as(tenant):
        dropped, _ = tenant.calibrations.filter(model=model).delete()
        if dropped:
            note(tenant, Action.CALIBRATION_DROPPED, model_target(model), own_calibrations=dropped)
    forget_calibrations()
    return dropped


def forget_calibrations() -> None:
    """Look again, instead of in a few seconds."""
    _known.clear()


@cache
def shipped_calibration(model: str) -> Calibration | None:
    path = SHIPPED / f"{model}.json"
    # A model of one's own may have any name, also one that leads elsewhere.
    if path.parent != SHIPPED or not path.is_file():
        return None
    return Calibration.from_json(json.loads(path.read_text()))


def _looked_up(tenant: Tenant | None, models: Sequence[str]) -> dict[str, _Found]:
    now, whose = time.monotonic(), tenant.pk if tenant else None
    fresh = {model: known[0] for model in models if (known := _known.get((whose, model))) and known[1] >= now}
    newest = _newest(tenant, [model for model in models if model not in fresh])
    _known.update({(whose, model): (found, now + FRESH_SECONDS) for model, found in newest.items()})
    return fresh | newest


def _newest(tenant: Tenant | None, models: Sequence[str]) -> dict[str, _Found]:
    """None that was made with other weights than the database knows."""
    stored: dict[str, _Found] = {}
    for model, record, sha256, own in _rows(tenant, models) if models else ():
        if model not in stored and (calibration := Calibration.from_json(record)).is_of(sha256):
            stored[model] = _Found(calibration, own)
    return {model: stored.get(model) or _Found(_otherwise(model), own=False) for model in models}


def _rows(tenant: Tenant | None, models: Sequence[str]) -> list[tuple[str, Any, str, bool]]:
    """(model, record, sha256 of the model's file, whether it is the tenant's own): own ones first, then the newest."""
    columns = "model", "record", "model__sha256", "own"
    installations = ModelCalibration.objects.filter(model__in=models).annotate(own=Value(False))
    if tenant is None:
        return list(installations.values_list(*columns))
    own = tenant.calibrations.filter(model__in=models).annotate(own=Value(True))
    every = [rows.order_by().values_list(*columns, "id") for rows in (own, installations)]
    with reading_of(tenant):
        return [row[:-1] for row in every[0].union(every[1], all=True).order_by("-own", "-id")]


def _otherwise(model: str) -> Calibration:
    return shipped_calibration(model) or calibrating.provisional(model)
