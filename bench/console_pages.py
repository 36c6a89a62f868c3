"""Every page of the console of a tenant with 100 000 speakers: how long the server takes, and how many queries.

`python -m bench.console` starts a platform and runs this. A page that is added to the console gets a line in PAGES.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

import django
import numpy as np

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from bench.console_filling import A_THIRD, ANOTHER, filled  # noqa: E402
from bench.platform import milliseconds, title  # noqa: E402
from tenants.context import acting_as  # noqa: E402
from tenants.models import Membership, Role, Tenant  # noqa: E402

MOST_MILLISECONDS, MOST_QUERIES = 300, 12
ROUNDS = 5
TRANSACTION_CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
OWNER, STAFF = "owner", "staff"
EVERYBODY = (OWNER, STAFF)

# Address below /console/, and who looks at it. Names in braces are rows of the tenant.
PAGES = [
    ("", EVERYBODY),
    ("?days=90", EVERYBODY),
    ("?tenant={tenant}", [STAFF]),
    ("usage.csv", EVERYBODY),
    ("voiceprints/library/", EVERYBODY),
    ("voiceprints/library/?q=branch 7", EVERYBODY),
    ("voiceprints/library/?o=3", EVERYBODY),
    ("voiceprints/library/?o=-4", EVERYBODY),
    ("voiceprints/library/?org=organisation 7", EVERYBODY),
    ("voiceprints/library/?p=5", EVERYBODY),
    ("voiceprints/library/add/", EVERYBODY),
    ("voiceprints/library/{library}/change/", EVERYBODY),
    ("voiceprints/library/{library}/change/?q=speaker-04", EVERYBODY),
    ("voiceprints/library/{library}/change/?q=customer", EVERYBODY),
    ("voiceprints/library/{library}/change/?q=nobody at all", EVERYBODY),
    ("voiceprints/library/{library}/change/?status=enrolling", EVERYBODY),
    ("voiceprints/library/{library}/change/?o=external_id", EVERYBODY),
    ("voiceprints/library/{library}/change/?o=-status", EVERYBODY),
    ("voiceprints/library/{library}/change/?o=created", EVERYBODY),
    ("voiceprints/library/{library}/change/?p=1000", EVERYBODY),
    ("libraries/{library}/map/", EVERYBODY),
    ("voiceprints/library/{library}/history/", EVERYBODY),
    ("voiceprints/library/{library}/delete/", EVERYBODY),
    ("voiceprints/speaker/", EVERYBODY),
    ("voiceprints/speaker/?q=speaker-04", EVERYBODY),
    ("voiceprints/speaker/?q=speaker-012345", EVERYBODY),
    ("voiceprints/speaker/?q=customer", EVERYBODY),
    ("voiceprints/speaker/?q=nobody at all", EVERYBODY),
    ("voiceprints/speaker/?status__exact=enrolling", EVERYBODY),
    ("voiceprints/speaker/?status__exact=enrolled&q=speaker-04", EVERYBODY),
    ("voiceprints/speaker/?library={library}", EVERYBODY),
    ("voiceprints/speaker/?o=1", EVERYBODY),
    ("voiceprints/speaker/?o=2", EVERYBODY),
    ("voiceprints/speaker/?o=3", EVERYBODY),
    ("voiceprints/speaker/?o=-4", EVERYBODY),
    ("voiceprints/speaker/?o=5", EVERYBODY),
    ("voiceprints/speaker/?p=1000", EVERYBODY),
    ("voiceprints/speaker/{speaker}/change/", EVERYBODY),
    ("voiceprints/speaker/{speaker}/history/", EVERYBODY),
    ("voiceprints/speaker/{speaker}/delete/", EVERYBODY),
    ("voiceprints/speaker/{speaker}/recordings/{utterance}/delete/", EVERYBODY),
    ("speakers/{speaker}/nearest/", EVERYBODY),
    ("speakers/{speaker}/nearest/?everywhere=1", EVERYBODY),
    ("speakers/{speaker}/recordings/{utterance}/replace/", EVERYBODY),
    ("speakers/{speaker}/consent/", EVERYBODY),
    ("libraries/{library}/enroll/", EVERYBODY),
    ("erasures/", [STAFF]),
    ("erased-tenants/", [STAFF]),
    ("erasures/{tenant}/", EVERYBODY),
    ("erasures/{tenant}/begin/", EVERYBODY),
    ("erasures/{tenant}/tenant/", EVERYBODY),
    ("opt-outs/", [STAFF]),
    ("opt-outs/{tenant}/", EVERYBODY),
    ("opt-outs/{tenant}/consent/", EVERYBODY),
    ("opt-outs/{tenant}/{opt_out}/lift/", EVERYBODY),
    ("erasures/{tenant}/begin/?speaker={speaker}", EVERYBODY),
    ("try/", EVERYBODY),
    ("try/?library={library}", EVERYBODY),
    ("try/?speaker={speaker}", EVERYBODY),
    ("try/enrolled/?library={library}", EVERYBODY),
    ("try/enrolled/?library={library}&external_id=speaker-04", EVERYBODY),
    ("jobs/", [STAFF]),
    ("jobs/{tenant}/", EVERYBODY),
    ("jobs/{tenant}/?kind=import&state=failed", EVERYBODY),
    ("jobs/{tenant}/import/", EVERYBODY),
    ("jobs/{tenant}/import/manifest.csv", EVERYBODY),
    ("jobs/{tenant}/export/", EVERYBODY),
    ("jobs/{tenant}/{job}/", EVERYBODY),
    ("jobs/{tenant}/{job}/progress/", EVERYBODY),
    ("jobs/{tenant}/{job}/failed.csv", EVERYBODY),
    ("jobs/{tenant}/{export}/delete-file/", EVERYBODY),
    ("retention/", [STAFF]),
    ("retention/{tenant}/", EVERYBODY),
    ("retention/{tenant}/recordings/", EVERYBODY),
    ("retention/{tenant}/probes/", EVERYBODY),
    ("retention/{tenant}/enrollments/", EVERYBODY),
    ("retention/{tenant}/libraries/{library}/", EVERYBODY),
    ("quotas/", [STAFF]),
    ("quotas/{tenant}/", EVERYBODY),
    ("models/", [STAFF]),
    ("models/{tenant}/", EVERYBODY),
    ("models/{tenant}/progress/?model={begun}", EVERYBODY),
    ("models/{tenant}/compare/?model={other}", EVERYBODY),
    ("models/{tenant}/failed/?model={other}", EVERYBODY),
    ("models/{tenant}/failed/?model={other}&p=30", EVERYBODY),
    ("models/{tenant}/failed.csv?model={other}", EVERYBODY),
    ("models/{tenant}/switch/?model={other}", EVERYBODY),
    ("models/{tenant}/drop/?model={other}", EVERYBODY),
    ("thresholds/", [STAFF]),
    ("thresholds/{tenant}/", EVERYBODY),
    ("thresholds/{tenant}/?library={library}", EVERYBODY),
    ("thresholds/{tenant}/apply/?far=0.05", EVERYBODY),
    ("tenants/credential/", EVERYBODY),
    ("tenants/credential/?q=key-77", EVERYBODY),
    ("tenants/credential/add/", EVERYBODY),
    ("tenants/credential/{credential}/change/", EVERYBODY),
    ("tenants/credential/{credential}/history/", EVERYBODY),
    ("tenants/credential/{credential}/rotate/", EVERYBODY),
    ("tenants/credential/{credential}/clients/", EVERYBODY),
    ("tenants/credential/{credential}/delete/", EVERYBODY),
    ("tenants/credential/interfaces/", [OWNER]),
    ("tenants/accesstoken/", EVERYBODY),
    ("tenants/accesstoken/add/", EVERYBODY),
    ("tenants/accesstoken/{token}/change/", EVERYBODY),
    ("tenants/accesstoken/{token}/clients/", EVERYBODY),
    ("tenants/accesstoken/{token}/history/", EVERYBODY),
    ("tenants/accesstoken/{token}/delete/", EVERYBODY),
    ("tenants/membership/", EVERYBODY),
    ("tenants/membership/?q=member 7", EVERYBODY),
    ("tenants/invitation/", EVERYBODY),
    ("tenants/invitation/add/", EVERYBODY),
    ("tenants/invitation/{invitation}/change/", EVERYBODY),
    ("tenants/invitation/{invitation}/delete/", EVERYBODY),
    ("tenants/membership/add/", [STAFF]),
    ("tenants/membership/two-factor-rule/", [OWNER]),
    ("tenants/membership/{membership}/change/", EVERYBODY),
    ("tenants/membership/{membership}/delete/", EVERYBODY),
    ("tenants/tenant/", [STAFF]),
    ("tenants/tenant/?q=tenant-7", [STAFF]),
    ("tenants/tenant/add/", [STAFF]),
    ("tenants/tenant/{tenant_id}/change/", [STAFF]),
    ("auth/user/", [STAFF]),
    ("auth/user/?q=member 7", [STAFF]),
    ("auth/user/add/", [STAFF]),
    ("auth/user/{user}/change/", [STAFF]),
    ("auth/user/{user}/password/", [STAFF]),
    ("auth/user/{user}/delete/", [STAFF]),
    ("tenants/guesses/", [STAFF]),
    ("tenants/cleanuprun/", [STAFF]),
    ("django_celery_beat/periodictask/", [STAFF]),
    ("django_celery_beat/intervalschedule/", [STAFF]),
    ("django_celery_beat/intervalschedule/add/", [STAFF]),
    ("django_celery_beat/crontabschedule/", [STAFF]),
    ("django_celery_beat/crontabschedule/add/", [STAFF]),
    ("voiceprints/storagefinding/", [STAFF]),
    ("voiceprints/storagefinding/csv/", [STAFF]),
    ("audit/", EVERYBODY),
    ("audit/?tenant={tenant}", EVERYBODY),
    ("audit/?tenant={tenant}&action=speaker.enrolled", EVERYBODY),
    ("audit/?tenant={tenant}&actor=nobody", EVERYBODY),
    ("audit/check/?tenant={tenant}&verifying=never", EVERYBODY),
    ("audit/csv/?tenant={tenant}&action=tenant.opened", EVERYBODY),
    ("audit/jsonl/?tenant={tenant}&action=tenant.opened", EVERYBODY),
    ("account/", EVERYBODY),
    ("account/two-factor/off/", EVERYBODY),
    ("account/sessions/end/", EVERYBODY),
    ("account/two-factor/", EVERYBODY),
    ("password_change/", EVERYBODY),
]


@dataclass(frozen=True)
class Measured:
    who: str
    address: str
    status: int
    queries: int
    first: float
    median: float
    p95: float

    @property
    def kept(self) -> bool:
        slowest = max(self.first, self.p95)
        return self.status == 200 and self.queries <= MOST_QUERIES and slowest <= MOST_MILLISECONDS

    def __str__(self) -> str:
        figures = f"{self.first:7.0f} {self.median:7.0f} {self.p95:7.0f} ms {self.queries:4} queries"
        return f"  {self.who:6} {self.address:62} {figures}  {'' if self.kept else f'NO ({self.status})'}"


def main() -> int:
    began = time.monotonic()
    tenant = filled("bench-console")
    title(f"Pages of the console, {tenant.slug}, filled in {time.monotonic() - began:.0f} s")
    print(f"  of each the first request, and median and p95 of {ROUNDS} more")
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    found = []
    for one in measured(tenant, wanted):
        found.append(one)
        print(one, flush=True)
    missed = [one for one in found if not one.kept]
    limits = f"at most {MOST_MILLISECONDS} ms and {MOST_QUERIES} queries"
    title(f"{len(found) - len(missed)} of {len(found)} pages take {limits}")
    for one in missed:
        print(one)
    return 1 if missed else 0


def measured(tenant: Tenant, wanted: str) -> Iterable[Measured]:
    """Of those pages whose address holds what is wanted."""
    clients = {OWNER: client_of_owner(tenant), STAFF: client_of_staff()}
    rows = rows_of(tenant)
    for template, readers in PAGES:
        address = template.format(**rows)
        if wanted in address:
            for who in readers:
                yield measure(clients[who], who, address)


def measure(client: Client, who: str, address: str) -> Measured:
    path = f"/console/{address}"
    first = milliseconds(lambda: read(client, path))
    with CaptureQueriesContext(connection) as captured:
        status = client.get(path).status_code
    asked = [query for query in captured if not query["sql"].startswith(TRANSACTION_CONTROL)]
    times = [milliseconds(lambda: read(client, path)) for _ in range(ROUNDS)]
    p95 = float(np.percentile(times, 95, method="higher"))
    return Measured(who, address, status, len(asked), first, float(np.median(times)), p95)


def read(client: Client, path: str) -> None:
    """To the end of what it streams."""
    client.get(path).getvalue()


def client_of_owner(tenant: Tenant) -> Client:
    user, _ = get_user_model().objects.get_or_create(username="bench-owner")
    with acting_as(tenant):
        Membership.all_tenants.get_or_create(tenant=tenant, user=user, defaults={"role": Role.OWNER})
    return client_of(user)


def client_of_staff() -> Client:
    user, _ = get_user_model().objects.get_or_create(username="bench-staff", is_superuser=True)
    return client_of(user)


def client_of(user: object) -> Client:
    client = Client()
    client.force_login(user)  # type: ignore[arg-type]
    return client


def rows_of(tenant: Tenant) -> dict[str, object]:
    with acting_as(tenant):
        utterance = tenant.utterances.filter(speaker__status="enrolled").exclude(recording="").first()
        assert utterance is not None
        membership = tenant.memberships.filter(role=Role.VIEWER).first()
        assert membership is not None
        return {
            "tenant": tenant.slug,
            "tenant_id": tenant.pk,
            "library": tenant.libraries.order_by("pk").values_list("pk", flat=True)[0],
            "speaker": utterance.speaker_id,
            "utterance": utterance.pk,
            "credential": tenant.credentials.values_list("pk", flat=True)[0],
            "token": tenant.access_tokens.values_list("pk", flat=True)[0],
            "invitation": tenant.invitations.values_list("pk", flat=True)[0],
            "opt_out": tenant.opt_outs.values_list("pk", flat=True)[0],
            "job": tenant.jobs.filter(kind="reembed", state="succeeded").values_list("pk", flat=True)[0],
            "export": tenant.jobs.exports_kept().values_list("pk", flat=True)[0],
            "membership": membership.pk,
            "user": membership.user_id,
            "other": ANOTHER,
            "begun": A_THIRD,
        }


if __name__ == "__main__":
    sys.exit(main())
