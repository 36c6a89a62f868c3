"""Whatever clients call somebody or something, it is text on every page, and nothing in it is done."""

from __future__ import annotations

import re

import pytest

from tenants.context import acting_as
from tenants.models import Tenant
from tenants.services import change_token, issue_token
from tests.cast import audio
from tests.console.test_permissions import LISTS, ROWS, address
from voiceprints import services
from voiceprints.models import JobRow
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db

MARKUP = """'"><img src=x onerror=alert(1)>${alert(1)}{{7*7}}'-alert(1)-'"""
IN_A_TAG = re.compile(r"<[a-z][^<>]*?onerror=", re.IGNORECASE)


@pytest.fixture
def hostile(acme, acme_rows):
    """Everything that has a name of somebody's own choice has this one."""
    key = LibraryKey(MARKUP, MARKUP)
    speaker = services.enroll(acme, key, MARKUP, [audio("susan"), audio("ken")], info=MARKUP).speaker
    Tenant.objects.filter(pk=acme.pk).update(name=MARKUP)
    with acting_as(acme):
        acme.libraries.update(name=MARKUP, info=MARKUP)
        acme.jobs.update(begun_by=MARKUP)
        acme.job_rows.filter(outcome=JobRow.Outcome.FAILED).update(org_id=MARKUP, tag_id=MARKUP, external_id=MARKUP)
        acme_rows.utterance = speaker.utterances.first()
    change_token(issue_token(acme, scopes=["read"])[0], label=MARKUP, enabled=True)
    acme_rows.speaker, acme_rows.library = speaker, speaker.library
    return acme_rows


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_a_name_that_is_markup_is_shown_as_it_is(who, client_of, hostile):
    client, shown = client_of(who), 0
    for template in sorted(LISTS | ROWS):
        reply = client.get(address(template, hostile))
        page = b"".join(reply).decode(errors="replace")
        if not reply["Content-Type"].startswith("text/html"):
            continue
        shown += "onerror" in page
        assert "<img src=x" not in page, template
        # In a tag it stands within quotes.
        assert all(tag.count('"') % 2 for tag in IN_A_TAG.findall(page)), template
        # What Alpine evaluates holds no name at all.
        evaluated = re.findall(r'\s(?:x-[\w.:-]+|@[\w.-]+|:[\w-]+)="([^"]*)"', page)
        assert not [expression for expression in evaluated if "alert(1)" in expression], template
    assert shown > 20
