"""What somebody should look at: on the console's home page, each with how many there are and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from tenants.console import may_manage_access, own_rows, own_tenants
from tenants.models import AccessToken, Credential, Usable
from voiceprints.models import Job, JobRow, Utterance, UtteranceEmbedding
from voiceprints.quotas import near_their_end

UNFINISHED_AFTER: Final = timedelta(days=1)
FAILED_LATELY: Final = timedelta(days=7)
EXPIRES_SOON: Final = timedelta(days=14)


@dataclass(frozen=True)
class Concern:
    """`words` take the number; `page` and `query` lead to where one does something about it."""

    words: Any
    page: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    def notice(self, name: str, count: int) -> Notice:
        address = reverse(self.page, query=self.query) if self.page else ""
        return Notice(name, str(self.words % {"count": count}), address)


@dataclass(frozen=True)
class Notice:
    name: str
    words: str
    address: str


CONCERNS: Final = {
    "uncalibrated": Concern(
        _("Nobody has calibrated the speaker model that answers: its thresholds are guesses."), "admin:models"
    ),
    "unfinished": Concern(
        ngettext_lazy(
            "%(count)d enrollment was begun more than a day ago and is not complete.",
            "%(count)d enrollments were begun more than a day ago and are not complete.",
            "count",
        ),
        "admin:voiceprints_speaker_changelist",
        {"status__exact": "enrolling"},
    ),
    "failed_jobs": Concern(
        ngettext_lazy("%(count)d job has failed within a week.", "%(count)d jobs have failed within a week.", "count"),
        "admin:jobs",
    ),
    "unusable": Concern(
        ngettext_lazy(
            "%(count)d recording could not be embedded with another model.",
            "%(count)d recordings could not be embedded with another model.",
            "count",
        ),
        "admin:models",
    ),
    "near_quota": Concern(
        ngettext_lazy(
            "%(count)d tenant has nearly used up a quota.", "%(count)d tenants have nearly used up a quota.", "count"
        ),
        "admin:quotas",
    ),
    "expiring_credentials": Concern(
        ngettext_lazy(
            "%(count)d credential expires within two weeks.", "%(count)d credentials expire within two weeks.", "count"
        ),
        "admin:tenants_credential_changelist",
    ),
    "expiring_tokens": Concern(
        ngettext_lazy(
            "%(count)d access token expires within two weeks.",
            "%(count)d access tokens expire within two weeks.",
            "count",
        ),
        "admin:tenants_accesstoken_changelist",
    ),
}


def notices(counts: Mapping[str, int]) -> list[Notice]:
    """Of the concerns that there are any of, in order."""
    return [concern.notice(name, counts[name]) for name, concern in CONCERNS.items() if counts.get(name)]


def rows_of_concern(request: HttpRequest) -> dict[str, QuerySet[Any]]:
    """What is to be counted, by the name of its concern. Who manages no access is not told of it."""
    concerns: dict[str, QuerySet[Any]] = {"failed_jobs": _failed_jobs(request), "unusable": _unusable(request)}
    if may_manage_access(request):
        concerns["near_quota"] = near_their_end(own_tenants(request))
        concerns["expiring_credentials"] = _expiring(request, Credential)
        concerns["expiring_tokens"] = _expiring(request, AccessToken)
    return concerns


def unfinished() -> Count:
    """Of speakers: whose enrollment was begun a while ago and is not complete."""
    since = timezone.now() - UNFINISHED_AFTER
    return Count("pk", filter=Q(status="enrolling", created__lt=since))


def _failed_jobs(request: HttpRequest) -> QuerySet[Job]:
    lately = timezone.now() - FAILED_LATELY
    return own_rows(request, Job.all_tenants.filter(state=Job.State.FAILED, finished__gte=lately))


def _unusable(request: HttpRequest) -> QuerySet[JobRow]:
    """Of models that are kept up, what a re-embedding failed at and nobody has embedded or deleted since."""
    failed = JobRow.all_tenants.filter(job__kind=Job.Kind.REEMBED, outcome=JobRow.Outcome.FAILED)
    named = failed.annotate(model=KeyTextTransform("model", "job__parameters"))
    kept_up = named.filter(Q(model=F("tenant__model")) | Q(tenant__other_models__contains=[F("model")]))
    said = Utterance.all_tenants.filter(pk=OuterRef("number"))
    embedded = UtteranceEmbedding.all_tenants.filter(utterance=OuterRef("number"), model=OuterRef("model"))
    return own_rows(request, kept_up.filter(Exists(said), ~Exists(embedded)))


def _expiring(request: HttpRequest, kind: type[Usable]) -> QuerySet[Any]:
    now = timezone.now()
    return own_rows(request, kind.all_tenants.filter(enabled=True, expires__range=(now, now + EXPIRES_SOON)))
