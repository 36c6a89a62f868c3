"""What somebody should look at: on the console's home page, each with how many there are and where.

Something else to look at is one more entry of CONCERNS, with a function that finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from tenants.console import is_platform_staff, may_enter, may_manage_access, own_tenants
from tenants.models import AccessToken, Credential, Tenant
from voiceprints.backlog import unsaved
from voiceprints.expiry import expiring_recordings
from voiceprints.models import Job, JobRow, Speaker, StorageFinding, Utterance, UtteranceEmbedding
from voiceprints.quotas import near_their_end, past_their_end
from voiceprints.shown import Shown

UNFINISHED_AFTER: Final = timedelta(days=1)
FAILED_LATELY: Final = timedelta(days=7)
EXPIRES_SOON: Final = timedelta(days=14)
GOES_SOON: Final = timedelta(days=7)


@dataclass(frozen=True)
class Concern:
    """`words` take the number; `page` and `query` lead to where one does something about it, if there is a page."""

    words: Any
    found: Callable[[Shown], QuerySet[Any] | int]
    """The rows it is about, to be counted in one query with those of the others, or their number."""
    page: str
    query: Mapping[str, str] = field(default_factory=dict)
    told: Callable[[HttpRequest], bool] = may_enter

    def notice(self, name: str, count: int) -> Notice:
        return Notice(
            name, str(self.words % {"count": count}), reverse(self.page, query=self.query) if self.page else ""
        )


@dataclass(frozen=True)
class Notice:
    name: str
    words: str
    address: str


def _uncalibrated(shown: Shown) -> int:
    return int(shown.calibration.provisional)


def _unfinished(shown: Shown) -> QuerySet[Speaker]:
    since = timezone.now() - UNFINISHED_AFTER
    return shown.of_open(Speaker.all_tenants.filter(status=Speaker.Status.ENROLLING, created__lt=since))


def _failed_jobs(shown: Shown) -> QuerySet[Job]:
    lately = timezone.now() - FAILED_LATELY
    return shown.of_open(Job.all_tenants.filter(state=Job.State.FAILED, finished__gte=lately))


def _unusable(shown: Shown) -> QuerySet[JobRow]:
    """Of models that are kept up, what a re-embedding failed at and nobody has embedded or deleted since."""
    failed = JobRow.all_tenants.filter(job__kind=Job.Kind.REEMBED, outcome=JobRow.Outcome.FAILED)
    named = failed.annotate(model=KeyTextTransform("model", "job__parameters"))
    kept_up = named.filter(Q(model=F("tenant__model")) | Q(tenant__other_models__contains=[F("model")]))
    said = Utterance.all_tenants.filter(pk=OuterRef("number"))
    embedded = UtteranceEmbedding.all_tenants.filter(utterance=OuterRef("number"), model=OuterRef("model"))
    return shown.rows(kept_up.filter(Exists(said), ~Exists(embedded)))


def _expiring_recordings(shown: Shown) -> QuerySet[Utterance]:
    return shown.rows(expiring_recordings(GOES_SOON))


def _failed_lines(shown: Shown) -> QuerySet[Job]:
    lately = timezone.now() - FAILED_LATELY
    imports = Job.all_tenants.filter(kind=Job.Kind.IMPORT, finished__gte=lately).exclude(state=Job.State.FAILED)
    failed = JobRow.all_tenants.filter(job=OuterRef("pk"), outcome=JobRow.Outcome.FAILED)
    return shown.of_open(imports.filter(Exists(failed)))


def _near_quota(shown: Shown) -> QuerySet[Tenant]:
    return near_their_end(_tenants(shown))


def _exceeded_quota(shown: Shown) -> QuerySet[Tenant]:
    return past_their_end(_tenants(shown))


def _tenants(shown: Shown) -> QuerySet[Tenant]:
    tenants = own_tenants(shown.request)
    return tenants.filter(pk=shown.tenant.pk) if shown.tenant else tenants


def _failed_cleanups(shown: Shown) -> int:
    return sum(cleanup.failed for cleanup in shown.cleanups)


def _overdue_cleanups(shown: Shown) -> int:
    return sum(cleanup.is_overdue for cleanup in shown.cleanups)


def _lost_recordings(shown: Shown) -> QuerySet[StorageFinding]:
    return shown.of_platform(StorageFinding.objects.filter(kind=StorageFinding.Kind.LOST))


def _files_without_rows(shown: Shown) -> QuerySet[StorageFinding]:
    return shown.of_platform(StorageFinding.objects.exclude(kind=StorageFinding.Kind.LOST))


def _no_backup(shown: Shown) -> QuerySet[Tenant]:
    return shown.of_platform(unsaved())


def _expiring_credentials(shown: Shown) -> QuerySet[Credential]:
    """Old keys of a rotation with which clients still sign in the second half of the overlap."""
    later = Credential.all_tenants.filter(tenant=OuterRef("tenant"), created__gt=OuterRef("created"))
    successor = later.filter(label=OuterRef("label")).order_by("created")
    expiring = Credential.all_tenants.filter(enabled=True, expires__range=_soon())
    rotated = expiring.annotate(rotated=Coalesce(Subquery(successor.values("created")[:1]), F("created")))
    return shown.of_open(rotated.filter(last_used__gt=F("expires") - F("last_used") + F("rotated")))


def _expiring_tokens(shown: Shown) -> QuerySet[AccessToken]:
    return shown.of_open(AccessToken.all_tenants.filter(enabled=True, expires__range=_soon()))


def _soon() -> tuple[datetime, datetime]:
    now = timezone.now()
    return now, now + EXPIRES_SOON


CONCERNS: Final = {
    "no_backup": Concern(
        _("The last backup is too old, or there is none: manage.py backup make makes one, as docs/backup.md says."),
        _no_backup,
        "",
        told=is_platform_staff,
    ),
    "lost_recordings": Concern(
        ngettext_lazy(
            "%(count)d recording is missing in the storage.",
            "%(count)d recordings are missing in the storage.",
            "count",
        ),
        _lost_recordings,
        "admin:voiceprints_storagefinding_changelist",
        {"kind__exact": "lost"},
        told=is_platform_staff,
    ),
    "failed_cleanups": Concern(
        ngettext_lazy(
            "%(count)d clean-up ended with an error when it last ran.",
            "%(count)d clean-ups ended with an error when they last ran.",
            "count",
        ),
        _failed_cleanups,
        "admin:tenants_cleanuprun_changelist",
        told=is_platform_staff,
    ),
    "overdue_cleanups": Concern(
        ngettext_lazy(
            "%(count)d clean-up has not succeeded when it should have.",
            "%(count)d clean-ups have not succeeded when they should have.",
            "count",
        ),
        _overdue_cleanups,
        "admin:django_celery_beat_periodictask_changelist",
        told=is_platform_staff,
    ),
    "files_without_rows": Concern(
        ngettext_lazy(
            "%(count)d file in the storage belongs to no recording.",
            "%(count)d files in the storage belong to no recording.",
            "count",
        ),
        _files_without_rows,
        "admin:voiceprints_storagefinding_changelist",
        told=is_platform_staff,
    ),
    "uncalibrated": Concern(
        _("Nobody has calibrated the speaker model that answers: its thresholds are guesses."),
        _uncalibrated,
        "admin:models",
    ),
    "unfinished": Concern(
        ngettext_lazy(
            "%(count)d enrollment was begun more than a day ago and is not complete.",
            "%(count)d enrollments were begun more than a day ago and are not complete.",
            "count",
        ),
        _unfinished,
        "admin:voiceprints_speaker_changelist",
        {"status__exact": "enrolling"},
    ),
    "failed_jobs": Concern(
        ngettext_lazy("%(count)d job has failed within a week.", "%(count)d jobs have failed within a week.", "count"),
        _failed_jobs,
        "admin:jobs",
    ),
    "failed_lines": Concern(
        ngettext_lazy(
            "%(count)d import of the last week could not take every line.",
            "%(count)d imports of the last week could not take every line.",
            "count",
        ),
        _failed_lines,
        "admin:jobs",
    ),
    "unusable": Concern(
        ngettext_lazy(
            "%(count)d recording could not be embedded with another model.",
            "%(count)d recordings could not be embedded with another model.",
            "count",
        ),
        _unusable,
        "admin:models",
    ),
    "expiring_recordings": Concern(
        ngettext_lazy(
            "%(count)d recording goes within a week: its time is over.",
            "%(count)d recordings go within a week: their time is over.",
            "count",
        ),
        _expiring_recordings,
        "admin:retention",
    ),
    "exceeded_quota": Concern(
        ngettext_lazy("%(count)d tenant exceeds a quota.", "%(count)d tenants exceed a quota.", "count"),
        _exceeded_quota,
        "admin:quotas",
        told=may_manage_access,
    ),
    "near_quota": Concern(
        ngettext_lazy(
            "%(count)d tenant has nearly used up a quota.", "%(count)d tenants have nearly used up a quota.", "count"
        ),
        _near_quota,
        "admin:quotas",
        told=may_manage_access,
    ),
    "expiring_credentials": Concern(
        ngettext_lazy(
            "%(count)d credential that is still used expires within two weeks.",
            "%(count)d credentials that are still used expire within two weeks.",
            "count",
        ),
        _expiring_credentials,
        "admin:tenants_credential_changelist",
        told=may_manage_access,
    ),
    "expiring_tokens": Concern(
        ngettext_lazy(
            "%(count)d access token expires within two weeks.",
            "%(count)d access tokens expire within two weeks.",
            "count",
        ),
        _expiring_tokens,
        "admin:tenants_accesstoken_changelist",
        told=may_manage_access,
    ),
}


def concerns(shown: Shown) -> dict[str, QuerySet[Any] | int]:
    """What there is of each, by name, of those that the reader is told of."""
    return {name: concern.found(shown) for name, concern in CONCERNS.items() if concern.told(shown.request)}


def notices(counts: Mapping[str, int]) -> list[Notice]:
    """Of the concerns that there are any of, in order."""
    return [concern.notice(name, counts[name]) for name, concern in CONCERNS.items() if counts.get(name)]
