"""A cohort: voices that stand for strangers, against whom scores are normalised. A file of embeddings of one model."""

from __future__ import annotations

import io
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from audio.results import Embedding
from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints.evaluation import Figures
from voiceprints.scoring import as_norm, cohort_statistics
from voiceprints.trials import Comparisons

# So many of the cohort stand for the strangers of each recording, those nearest to it.
NEAREST: Final = 100
LEAST_VOICES: Final = 2


class CohortRefused(Exception):
    """No cohort that we can read or use."""


@dataclass(frozen=True)
class Cohort:
    """Embeddings of `model`, unit length, shape (voices, D)."""

    model: str
    embeddings: Embedding

    def normalise(self, comparisons: Comparisons, nearest: int = NEAREST) -> Figures:
        """The normalised score of each comparison. Raises CohortRefused for embeddings of another dimension."""
        if self.embeddings.shape[1] != comparisons.embeddings.shape[1]:
            raise CohortRefused(f"its embeddings have {self.embeddings.shape[1]} numbers")
        mean, spread = cohort_statistics(comparisons.embeddings, self.embeddings, nearest)
        enrolled, test = comparisons.enrolled, comparisons.test
        return as_norm(comparisons.cosines, (mean[enrolled], spread[enrolled]), (mean[test], spread[test]))


def of_tenant(tenant: Tenant, model: str) -> Cohort:
    """The voiceprints of all the tenant's libraries. Raises CohortRefused when there are too few."""
    with acting_as(tenant):
        known = list(tenant.voiceprints.of_model(model).exclude(library=None).values_list("embedding", flat=True))
    return made_of(model, known)


def made_of(model: str, embeddings: list[Embedding]) -> Cohort:
    """Raises CohortRefused."""
    if len(embeddings) < LEAST_VOICES:
        raise CohortRefused(f"{len(embeddings)} voices: a cohort needs {LEAST_VOICES} at least")
    return Cohort(model, np.stack([np.asarray(embedding, dtype=np.float32) for embedding in embeddings]))


def write_cohort(path: Path, cohort: Cohort) -> None:
    """For its owner alone to read: embeddings are biometric. Raises OSError."""
    content = io.BytesIO()
    np.savez(content, model=np.array(cohort.model), embeddings=cohort.embeddings)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / path.name
        draft.touch(mode=0o600)
        draft.write_bytes(content.getvalue())
        draft.replace(path)


def read_cohort(path: Path, *, model: str) -> Cohort:
    """Raises CohortRefused, also for a cohort of another model, and OSError."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            cohort = Cohort(str(stored["model"]), stored["embeddings"].astype(np.float32))
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise CohortRefused(f"no cohort: {error}") from None
    if cohort.embeddings.ndim != 2 or len(cohort.embeddings) < LEAST_VOICES:
        raise CohortRefused("no cohort: not two voices in it")
    if cohort.model != model:
        raise CohortRefused(f"a cohort of {cohort.model!r}, not of {model!r}")
    return cohort
