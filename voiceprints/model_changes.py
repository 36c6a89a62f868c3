"""What the console may do about a tenant's models: each deed in words, and what is asked before those that matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from django import forms
from django.db import transaction
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints import bulk, generations, reembedding
from voiceprints.coverage import Coverage, must_enroll_again
from voiceprints.decisions import calibration_of
from voiceprints.errors import JobNotFound, NothingToRollBack, printable
from voiceprints.models import Job

ANSWER_WITH_OLD, ACCEPT_FAILED = "answer_with_old", "accept_failed"
NAMES_SHOWN = 10


class RateForm(forms.Form):
    """At most so many recordings per second; empty for as fast as it goes."""

    rate = forms.FloatField(required=False, min_value=0.1, max_value=1000)


class RateRefused(ValueError):
    """No number of recordings per second that can be kept to."""


@dataclass(frozen=True)
class Question:
    """What a person reads before saying yes. `choices`: what may be asked for besides, in words by name."""

    question: str
    button: str
    lead: str = ""
    warning: str = ""
    consequences: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    more: int = 0
    choices: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Deed:
    """`carry_out` returns what was done, in words, and raises VoiceprintError or RateRefused."""

    carry_out: Callable[[Tenant, QueryDict], str]
    ask: Callable[[Tenant, str], Question] | None = None


def prepare(tenant: Tenant, said: QueryDict) -> str:
    form = RateForm(said)
    if not form.is_valid():
        raise RateRefused
    generations.begin(tenant, model_in(said), rate=form.cleaned_data["rate"])
    return _("The recordings are being embedded with %(model)s.") % {"model": model_in(said)}


def pause(tenant: Tenant, said: QueryDict) -> str:
    bulk.pause_job(tenant, _under_way(tenant, said))
    return _("Paused.")


def resume(tenant: Tenant, said: QueryDict) -> str:
    bulk.resume_job(tenant, _under_way(tenant, said))
    return _("It goes on.")


def cancel(tenant: Tenant, said: QueryDict) -> str:
    bulk.cancel_job(tenant, _under_way(tenant, said))
    return _("Cancelled. What was embedded is kept.")


def switch(tenant: Tenant, said: QueryDict) -> str:
    accepted = {name: name in said for name in (ANSWER_WITH_OLD, ACCEPT_FAILED)}
    generations.switch(tenant, model_in(said), **accepted)
    return _("%(model)s answers now.") % {"model": tenant.model}


def roll_back(tenant: Tenant, _said: QueryDict) -> str:
    return _("%(model)s answers again.") % {"model": generations.roll_back(tenant)}


def drop(tenant: Tenant, said: QueryDict) -> str:
    """The vectors go after the page's transaction, which would keep everybody from enrolling meanwhile."""
    model = model_in(said)
    generations.give_up(tenant, model)
    transaction.on_commit(lambda: generations.forget_leftovers(tenant, model))
    return _("%(model)s was dropped.") % {"model": model}


def ask_to_switch(tenant: Tenant, model: str) -> Question:
    """Raises GenerationNotFound."""
    with acting_as(tenant):
        found = generations.coverage(tenant, model)
        names = _lost(tenant, model)
    many = found.must_enroll_again
    return Question(
        question=_who_is_to_answer(tenant, model),
        button=_("Switch"),
        lead=_("It does not know:") if many else _("It knows everybody. Nobody must enroll again."),
        warning=_uncalibrated(model) if calibration_of(tenant, model).provisional else "",
        consequences=[_must_enroll_again(many)] if many else [],
        names=names,
        more=many - len(names),
        choices=_choices(found, old=tenant.previous_model if model == tenant.model else tenant.model),
    )


def _uncalibrated(model: str) -> str:
    return _(
        "%(model)s is not calibrated: until then it decides by a provisional threshold, at error rates that nobody "
        "measured."
    ) % {"model": model}


def ask_to_roll_back(tenant: Tenant, _model: str) -> Question:
    """Raises NothingToRollBack."""
    if not tenant.previous_model:
        raise NothingToRollBack
    return Question(
        question=_("Let %(model)s answer again instead of %(now)s?")
        % {"model": tenant.previous_model, "now": tenant.model},
        button=_("Roll back"),
        lead=_("Everybody is back as they were, with what they said since. %(now)s is kept up beside it.")
        % {"now": tenant.model},
    )


def ask_to_drop(tenant: Tenant, model: str) -> Question:
    """Raises GenerationNotFound."""
    embedded = generations.coverage(tenant, model).embedded
    return Question(
        question=_("Drop %(model)s?") % {"model": model},
        button=_("Drop"),
        lead=_("This removes for good:"),
        consequences=[ngettext("%d embedding", "%d embeddings", embedded) % embedded],
    )


DEEDS = {
    "prepare": Deed(prepare),
    "pause": Deed(pause),
    "resume": Deed(resume),
    "cancel": Deed(cancel),
    "switch": Deed(switch, ask_to_switch),
    "roll-back": Deed(roll_back, ask_to_roll_back),
    "drop": Deed(drop, ask_to_drop),
}


def _who_is_to_answer(tenant: Tenant, model: str) -> str:
    if model == tenant.model:
        return _("Let %(model)s answer alone?") % {"model": model}
    return _("Let %(model)s answer instead of %(old)s?") % {"model": model, "old": tenant.model}


def _lost(tenant: Tenant, model: str) -> list[str]:
    """The first of those who must enroll again. Inside acting_as."""
    lost = must_enroll_again(tenant, model, most=NAMES_SHOWN)
    return [f"{one} · {one.library}" for one in lost]


def _choices(found: Coverage, *, old: str) -> dict[str, str]:
    choices = {}
    if found.must_enroll_again and old:
        words = _("Let them be compared by %(old)s, so that nobody must enroll again")
        choices[ANSWER_WITH_OLD] = words % {"old": old}
    if found.failed:
        words = ngettext(
            "Although %d recording could not be used", "Although %d recordings could not be used", found.failed
        )
        choices[ACCEPT_FAILED] = words % found.failed
    return choices


def model_in(said: QueryDict) -> str:
    """Of which model a request speaks; what no database takes is none that is known."""
    return printable(said.get("model", ""))


def _must_enroll_again(many: int) -> str:
    return ngettext("%d speaker, who must enroll again", "%d speakers, who must enroll again", many) % many


def _under_way(tenant: Tenant, said: QueryDict) -> int:
    """Raises JobNotFound."""
    with acting_as(tenant):
        job: Job | None = reembedding.jobs_of(tenant, model_in(said)).under_way().first()
    if job is None:
        raise JobNotFound(job_id="")
    return job.pk
