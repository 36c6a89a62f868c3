"""Members of every role, what acme has, and a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone, translation
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tenants.context import acting_as
from tenants.invitations import invite
from tenants.models import Credential, Role, Tenant
from tenants.origins import BY_ITSELF, coming_from
from tenants.services import issue_token
from tests.archives import zipped
from tests.console.people import client_for, enrolled, member
from voiceprints import erasure, opting_out, recordings, work
from voiceprints.errors import RowRefused
from voiceprints.failures import to_wire
from voiceprints.models import Job

QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
PATIENCE_MS = 10_000
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", *QUIET]


@pytest.fixture(autouse=True)
def quick_passwords(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def language_ends_with_the_test() -> Iterator[None]:
    """A page leaves the language of its reader behind in this thread."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def nobody_is_still_signed_in() -> Iterator[None]:
    """A test client that signs in without a request leaves its user behind in this thread."""
    with coming_from(BY_ITSELF):
        yield


@pytest.fixture
def client_of(acme: Tenant, globex: Tenant) -> Callable[[str], Client]:
    """By role at acme; `globex` for an owner there, `staff` for platform staff, `nobody` for a stranger."""
    return lambda who: client_for(who, acme, globex)


def jobs_of(tenant: Tenant) -> tuple[Job, Job]:
    """An import with a line that failed, and an export, as they are when they are over."""
    over = {"state": Job.State.SUCCEEDED, "finished": timezone.now(), "begun_by": "olga"}
    path = work.stored(tenant, zipped({}), ".zip")
    with acting_as(tenant):
        recordings.claim([path])
        imported = tenant.jobs.create(kind=Job.Kind.IMPORT, **over)
        problem = to_wire(RowRefused("missing", field="audio"))
        tenant.job_rows.create(job=imported, number=1, outcome="failed", external_id="=bob", problem=problem)
        exported = tenant.jobs.create(
            kind=Job.Kind.EXPORT, output=path, expires=timezone.now() + timedelta(days=1), **over
        )
    return imported, exported


@pytest.fixture
def acme_rows(acme: Tenant, acme_credential: Credential) -> SimpleNamespace:
    """One of each kind of row that acme's pages show."""
    speaker, utterances = enrolled(acme, "alice", utterances=2)
    job, export = jobs_of(acme)
    enrolled(acme, "erased", "wei")
    erased = erasure.go_on(acme, erasure.erase_person(acme, "erased").pk)
    return SimpleNamespace(
        library=speaker.library,
        speaker=speaker,
        utterance=utterances[0],
        job=job,
        erasure=erased,
        opt_out=opting_out.opt_out(acme, "unwilling").opt_out,
        export=export,
        credential=acme_credential,
        token=issue_token(acme, scopes=["read"])[0],
        membership=member(acme, Role.VIEWER, "victor"),
        invitation=invite(acme, role=Role.VIEWER)[0],
    )


@pytest.fixture(scope="session")
def chromium() -> str:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None and os.environ.get("CI"):
        pytest.fail("no Chromium on this machine")
    return path or pytest.skip("no Chromium on this machine")


@pytest.fixture(scope="module")
def browser_arguments() -> list[str]:
    return ARGUMENTS


@pytest.fixture(scope="module")
def running_chromium(chromium: str, browser_arguments: list[str]) -> Iterator[Browser]:
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright runs an event loop in this very thread.
        yield (browser := playwright.chromium.launch(executable_path=chromium, args=browser_arguments))
        browser.close()
        connections.close_all()  # Under an event loop Django has opened others than it finds again outside.


OVERTAKEN = {"htmx:afterRequest", "htmx:sendAbort"}
"""What is said of a request that a newer one takes the place of; one that fails is said to do so beside it."""


@pytest.fixture
def page(running_chromium: Browser, live_server) -> Iterator[Page]:
    """Of somebody whom the browser does not know yet. It must not complain, above all not about the policy of pages."""
    complaints: list[str] = []
    with running_chromium.new_context(base_url=live_server.url, locale="en-US") as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        with suppress(Error):  # as it has gone, or is just going elsewhere
            page.evaluate("null")  # Until now whatever it has said is heard; closing interrupts what is under way.
        heard = list(complaints)
    assert [said for said in heard if said not in OVERTAKEN] == []
