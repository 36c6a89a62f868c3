"""What the console's page about a tenant's models says: those it keeps up, how far they are, and what else there is."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import TextChoices
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from tenants.context import acting_as
from tenants.generations import keeping_models
from tenants.models import Tenant
from voiceprints import reembedding
from voiceprints.calibration import Calibration
from voiceprints.coverage import Coverage, coverages
from voiceprints.decisions import calibrations_of
from voiceprints.job_page import Progress
from voiceprints.models import EmbeddingModel


class Standing(TextChoices):
    ANSWERS = "answers", _("answers")
    FALLBACK = "fallback", _("answers for those the first does not know")
    PREVIOUS = "previous", _("answered before")
    BESIDE = "beside", _("stands by")


STANDING_COLOURS = {Standing.ANSWERS: "success", Standing.FALLBACK: "info", Standing.PREVIOUS: "warning"}


@dataclass(frozen=True)
class KnownModel:
    """A model that the platform knows, and what was measured of it."""

    name: str
    dimension: int
    calibration: Calibration


@dataclass(frozen=True)
class Generation:
    tenant: Tenant
    model: KnownModel
    standing: Standing
    coverage: Coverage
    progress: Progress | None

    @property
    def colour(self) -> str:
        return STANDING_COLOURS.get(self.standing, "default")

    @property
    def under_way(self) -> bool:
        return self.progress is not None and self.progress.under_way

    @property
    def may_answer(self) -> bool:
        return self.standing != Standing.ANSWERS and self.coverage.complete

    @property
    def may_answer_alone(self) -> bool:
        return self.standing == Standing.ANSWERS and self.tenant.fallback_model != ""

    @property
    def may_be_prepared(self) -> bool:
        return self.coverage.missing + self.coverage.failed > 0 and not self.under_way

    @property
    def may_be_compared(self) -> bool:
        return self.standing != Standing.ANSWERS and self.coverage.embedded > 0

    @property
    def comparison_address(self) -> str:
        return reverse("admin:model_comparison", args=[self.tenant.slug], query={"model": self.model.name})

    @property
    def failures_address(self) -> str:
        return reverse("admin:model_failures", args=[self.tenant.slug], query={"model": self.model.name})

    @property
    def switch_address(self) -> str:
        return self._deed("switch")

    @property
    def drop_address(self) -> str:
        return self._deed("drop")

    def _deed(self, name: str) -> str:
        return reverse("admin:model_change", args=[self.tenant.slug, name], query={"model": self.model.name})

    @property
    def may_be_dropped(self) -> bool:
        return self.standing in {Standing.PREVIOUS, Standing.BESIDE}


@dataclass(frozen=True)
class ModelsPage:
    """`others` are known and not kept up for the tenant."""

    generations: list[Generation]
    others: list[KnownModel]
    previous: str


def models_page(tenant: Tenant) -> ModelsPage:
    rows = list(EmbeddingModel.objects.order_by("name"))
    calibrations = calibrations_of(tenant, [row.name for row in rows])
    known = {row.name: KnownModel(row.name, row.dimension, calibrations[row.name]) for row in rows}
    with keeping_models(tenant):
        found = coverages(tenant)
        jobs = {job.parameters["model"]: Progress(job) for job in reembedding.newest_jobs(tenant)}
    return ModelsPage(
        generations=[
            Generation(tenant, known[name], _standing(tenant, name), coverage, jobs.get(name))
            for name, coverage in found.items()
        ],
        others=[model for name, model in known.items() if name not in found],
        previous=tenant.previous_model,
    )


def progress_of(tenant: Tenant, model: str) -> Progress | None:
    """Of the newest job that embeds with the model."""
    with acting_as(tenant):
        job = reembedding.jobs_of(tenant, model).order_by("-pk").first()
    return Progress(job) if job else None


def _standing(tenant: Tenant, model: str) -> Standing:
    standings = {
        tenant.previous_model: Standing.PREVIOUS,
        tenant.fallback_model: Standing.FALLBACK,
        tenant.model: Standing.ANSWERS,
    }
    return standings.get(model, Standing.BESIDE)
