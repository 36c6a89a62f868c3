"""What axe-core finds in the console's pages: nothing serious, in light and in dark.

Every address in the table of permissions is looked at, so whoever adds a page there has it checked.
"""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.cast import VOICES
from tests.console.people import enrolled
from tests.console.test_permissions import LISTS, ROWS, address
from voiceprints import generations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

DEEPER = tuple(f"models/acme/{page}/?model=tiny" for page in ("compare", "failed", "switch", "drop"))
"""Pages whose address needs more than the table says."""
BAD = {"serious", "critical"}
WITH_SIZES = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
"""Axe does not look at them unless it is told."""
FOR_THE_MOUSE_ALONE = """() => [...document.querySelectorAll("[x-on\\\\:click]")]
    .filter((element) => element.checkVisibility() && element.tabIndex < 0)
    .map((element) => element.outerHTML.slice(0, 200))"""


@pytest.fixture
def staff(client_of):
    """Nobody sees more."""
    return client_of("staff")


@pytest.fixture
def pages(staff, acme, acme_rows, tiny) -> list[str]:
    """Addresses of whole pages; what else stands in the table is a part of one, a sound, or a deed."""
    generations.begin(acme, tiny)
    everything = [address(one, acme_rows) for one in (*LISTS, *ROWS, *DEEPER)]
    return [one for one in everything if is_page(staff.get(one))]


def is_page(response) -> bool:
    return response.status_code == 200 and b"<html" in b"".join(response)


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_page_shuts_anybody_out(colours, staff, pages, page, live_server):
    sign_in(staff, page, live_server)
    page.emulate_media(color_scheme=colours)
    found = {where: faults(page, where) for where in pages}
    assert {where: what for where, what in found.items() if what} == {}


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_nor_do_thresholds_with_curves(colours, staff, acme, page, live_server):
    for voice in VOICES:
        enrolled(acme, voice, voice, utterances=2)
    sign_in(staff, page, live_server)
    page.emulate_media(color_scheme=colours)
    assert faults(page, "/console/thresholds/acme/") == []
    assert page.locator(".det path.curve").is_visible()


def sign_in(client: Client, page: Page, live_server: LiveServer) -> None:
    page.context.add_cookies([{"name": "sessionid", "value": client.session.session_key, "url": live_server.url}])


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_nor_does_the_way_in(colours, page):
    page.emulate_media(color_scheme=colours)
    assert faults(page, "/console/login/") == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_nor_does_a_map(colours, staff, acme, page, live_server):
    enrolled(acme, "alice", "susan")
    enrolled(acme, "alice again", "susan")
    library = enrolled(acme, "bob", "ken")[0].library
    page.context.add_cookies([{"name": "sessionid", "value": staff.session.session_key, "url": live_server.url}])
    page.emulate_media(color_scheme=colours)
    page.goto(f"/console/voiceprints/library/{library.pk}/change/")
    page.get_by_text("Map of the voiceprints").scroll_into_view_if_needed()
    expect(page.locator("#duplicates")).to_contain_text("alice again")
    assert faults_of(page) == []


def faults(page: Page, where: str) -> list[str]:
    page.goto(where)
    return faults_of(page)


def faults_of(page: Page) -> list[str]:
    """Of the page as it is now."""
    found = [one for one in Axe().run(page, options=WITH_SIZES).response["violations"] if one["impact"] in BAD]
    said = [f"{one['id']}: {node['target']} {node['html'][:200]}" for one in found for node in one["nodes"]]
    return said + [f"not for the keyboard: {element}" for element in page.evaluate(FOR_THE_MOUSE_ALONE)]
