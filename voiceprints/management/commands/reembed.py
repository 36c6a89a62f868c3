from __future__ import annotations

import json
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from tenants.management.base import AttributedCommand, tenant_named
from tenants.models import Tenant
from voiceprints import generations
from voiceprints.errors import VoiceprintError
from voiceprints.management.base import ended
from voiceprints.models import Job


class Command(AttributedCommand):
    help = """Embed everything that a tenant's speakers were recorded saying with another model, beside what is there,
    in a job. The model that answers goes on answering; `tenant_model switch` lets the new one answer."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--to", required=True, metavar="MODEL", help="the name of an installed model")
        parser.add_argument("--rate", type=_rate, help="at most so many recordings per second")
        parser.add_argument("--wait", action="store_true", help="until it is done, with a progress bar")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, tenant: str, to: str, rate: float | None, **options: Any) -> str:
        owner = tenant_named(tenant)
        try:
            job = generations.begin(owner, to, rate=rate)
        except VoiceprintError as error:
            raise CommandError(str(error)) from None
        if options["wait"]:
            job = _ended(owner, job)
        return _as_json(job) if options["json"] else _in_words(job, to)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.01 <= rate <= 100_000:
        raise ArgumentTypeError("a number of recordings per second, 0.01 to 100000")
    return rate


def _ended(tenant: Tenant, job: Job) -> Job:
    """Raises CommandError unless it succeeded."""
    with tqdm(unit="recording", disable=None, leave=False) as bar:

        def show(job: Job) -> None:
            bar.total = job.total
            bar.set_postfix_str(str(job.get_state_display()), refresh=False)
            bar.update(job.done - bar.n)

        return ended(tenant, job, show)


def _as_json(job: Job) -> str:
    said = {"job": job.pk, "state": job.state, "done": job.done, "total": job.total, "result": job.result}
    return json.dumps(said)


def _in_words(job: Job, model: str) -> str:
    if job.result:
        failed = f", {job.result['failed']} recordings could not be used" if job.result["failed"] else ""
        return f"{job.result['embedded']} utterances are embedded with {model}{failed}"
    return f"job {job.pk} embeds with {model}; see `tenant_model --tenant {job.tenant.slug} status`"
