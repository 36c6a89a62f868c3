"""From which cosine on two sides count as one speaker, for a tenant: its false accept rate on its model's calibration.

A calibration is data. The one in force is the newest row that `manage.py calibrate` stored for the weights that the
database knows; without any it is the one that ships with the model, and a model that has neither is read with caution,
see `calibration.provisional`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tenants.actions import Action
from tenants.context import acting_as_platform
from tenants.models import Tenant
from tenants.targets import model_target
from tenants.trail import note
from voiceprints import calibration as calibrating
from voiceprints.calibration import Bar, Calibration
from voiceprints.models import ModelCalibration

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
class _Known:
    calibration: Calibration
    until: float


_known: dict[str, _Known] = {}


def decision_for(tenant: Tenant, model: str) -> Decision:
    return Decision(calibration_in_force(model), tenant.false_accept_rate)


def calibration_in_force(model: str) -> Calibration:
    """As it was a few seconds ago at the earliest."""
    return calibrations_in_force([model])[model]


def calibrations_in_force(models: Sequence[str]) -> dict[str, Calibration]:
    """The same of several: those that have to be looked at again are, in one query."""
    now = time.monotonic()
    fresh = {model: known.calibration for model in models if (known := _known.get(model)) and known.until >= now}
    newest = _newest([model for model in models if model not in fresh])
    for model, calibration in newest.items():
        _known[model] = _Known(calibration, now + FRESH_SECONDS)
    return fresh | newest


def store_calibration(calibration: Calibration) -> ModelCalibration:
    """In force from now on in this process, and within seconds in the others. Raises IntegrityError: unknown model."""
    with acting_as_platform():
        row = ModelCalibration.objects.create(model_id=calibration.model, record=calibration.to_json())
        note(None, Action.MODEL_CALIBRATED, model_target(calibration.model), calibration=row.pk)
    forget_calibrations()
    return row


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


def _newest(models: Sequence[str]) -> dict[str, Calibration]:
    if not models:
        return {}
    stored: dict[str, Calibration] = {}
    for row in ModelCalibration.objects.filter(model__in=models).select_related("model"):
        if row.model_id not in stored:
            calibration = Calibration.from_json(row.record)
            if calibration.is_of(row.model.sha256):
                stored[row.model_id] = calibration
    return {model: stored.get(model) or _otherwise(model) for model in models}


def _otherwise(model: str) -> Calibration:
    return shipped_calibration(model) or calibrating.provisional(model)
