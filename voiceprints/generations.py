"""Changing the model of a tenant without asking anybody to speak again.

The vectors that one model made are a generation. Another is begun beside the one that answers; a job embeds the kept
recordings for it, and whoever is enrolled meanwhile is embedded for both. Then it comes to answer from one moment to
the next, and the earlier one is kept up to go back to, until it is dropped.
"""

from __future__ import annotations

import math
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from tenants.actions import Action
from tenants.generations import changing_models, keeping_models, store_models
from tenants.models import Tenant
from tenants.targets import model_target
from tenants.trail import note
from voiceprints import gallery, reembedding, work
from voiceprints.coverage import Coverage, coverages
from voiceprints.errors import (
    GenerationIncomplete,
    GenerationInUse,
    GenerationNotFound,
    ModelNotFound,
    NothingToRollBack,
)
from voiceprints.models import EmbeddingModel, Job

DELETED_AT_ONCE = 2000
SPARE_SECONDS = 60


def begin(tenant: Tenant, model: str, *, rate: float | None = None, by: str = "") -> Job:
    """Embed all that was kept with another model of the tenant's, beside what is there; or the job that does so.

    `rate`: at most so many recordings per second. Raises ModelNotFound, TooBusy.
    """
    if not EmbeddingModel.objects.filter(name=model).exists():
        raise ModelNotFound(model=model)
    forget_leftovers(tenant, model)
    with changing_models(tenant):
        if model not in tenant.models:
            tenant.other_models = [*tenant.other_models, model]
            store_models(tenant)
        job: Job | None = reembedding.jobs_of(tenant, model).under_way().first()
        return job or work.submit(tenant, Job.Kind.REEMBED, {"model": model, "rate": rate}, by=by)


def coverage(tenant: Tenant, model: str) -> Coverage:
    """As things are now. Raises GenerationNotFound."""
    with keeping_models(tenant):
        _refuse_unknown(tenant, model)
        return coverages(tenant)[model]


def all_coverages(tenant: Tenant) -> dict[str, Coverage]:
    """As things are now, of every model that the tenant keeps up."""
    with keeping_models(tenant):
        return coverages(tenant)


def switch(tenant: Tenant, model: str, *, answer_with_old: bool = False, accept_failed: bool = False) -> Coverage:
    """From the next request on the model answers, and the one that did is kept up beside it.

    Speakers of whom it knows nothing are enrolling again, or with `answer_with_old` go on being compared by the old
    one; to say so of the model that answers already begins or ends that. `accept_failed`: although recordings could not
    be used. Raises GenerationNotFound, GenerationIncomplete, NothingToRollBack when there is no old one to answer.
    """
    with changing_models(tenant):
        _refuse_unknown(tenant, model)
        found = coverages(tenant)[model]
        _refuse_incomplete(found, accept_failed=accept_failed)
        previous = tenant.previous_model if model == tenant.model else tenant.model
        if answer_with_old and not previous:
            raise NothingToRollBack
        _let_answer(tenant, model, previous=previous, fallback=previous if answer_with_old else "")
        lost, fallback = found.must_enroll_again, tenant.fallback_model
        target = model_target(model)
        note(tenant, Action.MODEL_SWITCHED, target, before=previous, fallback=fallback, must_enroll_again=lost)
        return found


def roll_back(tenant: Tenant) -> str:
    """From the next request on the model that answered before answers again; returns its name.

    Raises NothingToRollBack, and GenerationIncomplete when it has not heard everything that was said since.
    """
    with changing_models(tenant):
        if not tenant.previous_model:
            raise NothingToRollBack
        _refuse_incomplete(coverages(tenant)[tenant.previous_model], accept_failed=True)
        before = tenant.model
        _let_answer(tenant, tenant.previous_model, previous="", fallback="")
        note(tenant, Action.MODEL_ROLLED_BACK, model_target(tenant.model), before=before)
        return tenant.model


def drop(tenant: Tenant, model: str) -> int:
    """Delete the generation, a few rows at a time; returns how many vectors went.

    Also one whose deletion was interrupted. Raises GenerationInUse for one that answers, or answered a moment ago.
    """
    give_up(tenant, model)
    return forget_leftovers(tenant, model)


def give_up(tenant: Tenant, model: str) -> None:
    """What `drop` does at once: from here on nobody is embedded with the model. Raises GenerationInUse."""
    with changing_models(tenant):
        _refuse_in_use(tenant, model)
        for job in reembedding.jobs_of(tenant, model).under_way():
            work.cancel(tenant, job.pk)
        tenant.other_models = [other for other in tenant.other_models if other != model]
        if tenant.previous_model == model:
            tenant.previous_model = ""
        store_models(tenant)
        note(tenant, Action.MODEL_DROPPED, model_target(model))


def forget_leftovers(tenant: Tenant, model: str) -> int:
    """Vectors of a model that is none of the tenant's; returns how many there were.

    Few at a time, each in a transaction of its own, so that nobody waits for long.
    """
    gone = 0
    for rows in (tenant.voiceprints, tenant.utterance_embeddings):
        while True:
            with keeping_models(tenant):
                if model in tenant.models:
                    return gone
                batch = list(rows.filter(model=model).values_list("pk", flat=True)[:DELETED_AT_ONCE])
                deleted, _ = rows.filter(pk__in=batch).delete()
            gone += deleted
            if not deleted:
                break
    return gone


def longest_request() -> timedelta:
    """After which no request goes on that began with an earlier model."""
    recordings = 2 * (settings.DOWNLOAD_SECONDS + settings.ANALYSIS_DEADLINE_SECONDS)
    return timedelta(seconds=recordings + SPARE_SECONDS)


def _let_answer(tenant: Tenant, model: str, *, previous: str, fallback: str) -> None:
    tenant.other_models = [other for other in tenant.models if other != model]
    tenant.model, tenant.previous_model, tenant.fallback_model = model, previous, fallback
    tenant.switched = timezone.now()
    store_models(tenant)
    gallery.restate(tenant)


def _refuse_unknown(tenant: Tenant, model: str) -> None:
    if model not in tenant.models:
        raise GenerationNotFound(model=model)


def _refuse_incomplete(found: Coverage, *, accept_failed: bool) -> None:
    if not found.complete or (found.failed and not accept_failed):
        recorded = found.utterances - found.unrecorded
        raise GenerationIncomplete(model=found.model, missing=found.missing, failed=found.failed, utterances=recorded)


def _refuse_in_use(tenant: Tenant, model: str) -> None:
    if model in tenant.answering_models:
        raise GenerationInUse(model=model)
    if tenant.switched and model in tenant.other_models:
        left = tenant.switched + longest_request() - timezone.now()
        if left > timedelta(0):
            raise GenerationInUse(model=model, seconds=math.ceil(left.total_seconds()))
