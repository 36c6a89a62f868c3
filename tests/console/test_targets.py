"""Whatever is touched is large enough for a finger (WCAG 2.2, 2.5.8), and rows show all they hold on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tenants.context import acting_as
from tests.cast import recording
from tests.console.people import enrolled
from tests.console.pictures import DESK, PHONE
from tests.console.test_accessibility import sign_in
from tests.console.test_permissions import address
from voiceprints import consents

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG = "n" * 128
PAGES = [
    "voiceprints/library/",
    "voiceprints/library/{library}/change/",
    "voiceprints/speaker/?o=1",
    "voiceprints/speaker/{speaker}/change/",
    "tenants/credential/{credential}/clients/",
    "tenants/credential/add/",
    "account/two-factor/",
    "try/",
    "jobs/acme/import/",
]
# A link within a sentence may be as small as its words.
SMALL = """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary")]
    .filter((one) => one.checkVisibility() && getComputedStyle(one).display !== "inline")
    .filter((one) => !one.classList.contains("select2-hidden-accessible") && !one.classList.contains("skip"))
    .map((one) => [one.getBoundingClientRect(), one.outerHTML.slice(0, 150)])
    .filter(([box]) => box.width < 24 || box.height < 24)
    .map(([box, html]) => `${box.width} x ${box.height}: ${html}`)"""


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def browser(request, client_of, page, live_server) -> Page:
    sign_in(client_of("owner"), page, live_server)
    page.set_viewport_size(request.param)
    return page


def test_what_is_touched_is_as_large_as_a_fingertip(browser, acme_rows):
    found = {}
    for where in PAGES:
        browser.goto("/console/" + address(where, acme_rows).removeprefix("/console/"))
        found[where] = browser.evaluate(SMALL)
    assert {where: small for where, small in found.items() if small} == {}


def test_what_was_recorded_is_played_and_taken_out_by_large_buttons(browser, acme_rows, tmp_path):
    file = tmp_path / "one.opus"
    file.write_bytes(recording("susan"))
    browser.goto("/console/try/")
    browser.locator("input[type=file]").set_input_files(file)
    expect(browser.locator(".recorder li button")).to_have_count(2)
    assert browser.evaluate(SMALL) == []


def test_one_does_not_delete_what_one_wants_to_replace(browser, acme_rows):
    browser.goto(f"/console/voiceprints/speaker/{acme_rows.speaker.pk}/change/")
    replace, delete = (one.bounding_box() for one in browser.locator(".deeds").first.get_by_role("link").all())
    assert delete["x"] - (replace["x"] + replace["width"]) >= 12


KNOB = """one => {
    const knob = getComputedStyle(one, "::after"), end = (a, b) => parseFloat(knob[a]) + parseFloat(knob[b]);
    return [one.offsetWidth - end("left", "width"), one.offsetHeight - end("top", "height")];
}"""


def test_the_knob_of_a_switch_lies_inside_it(browser, acme_rows):
    browser.goto(address("tenants/credential/{credential}/change/", acme_rows))
    switch = browser.get_by_label("Enabled")
    for on in (True, False):
        switch.set_checked(on)
        browser.wait_for_function("!document.getAnimations().length")
        right, below = switch.evaluate(KNOB)
        assert min(right, below) >= 4


def test_an_arrow_leads_a_phone_to_the_page_above(client_of, acme_rows, page, live_server):
    sign_in(client_of("owner"), page, live_server)
    page.set_viewport_size(DESK)
    page.goto(address("voiceprints/speaker/{speaker}/history/", acme_rows))
    arrow = page.get_by_role("link", name="Go back")
    expect(arrow).to_have_count(0)
    page.set_viewport_size(PHONE)
    arrow.click()
    expect(page).to_have_url(re.compile(address("voiceprints/speaker/{speaker}/change/", acme_rows)))


@pytest.fixture
def long_names(acme, acme_rows):
    speaker, _ = enrolled(acme, LONG, "ken")
    with acting_as(acme):
        acme.job_rows.update(external_id=LONG)
    acme_rows.speaker, acme_rows.library = speaker, speaker.library
    return acme_rows


@pytest.mark.parametrize("where", ["jobs/acme/", "jobs/acme/{job}/", "audit/", "voiceprints/library/{library}/change/"])
def test_on_a_phone_the_rows_of_a_table_are_cards_with_all_they_hold(where, client_of, long_names, page, live_server):
    sign_in(client_of("owner"), page, live_server)
    page.set_viewport_size(PHONE)
    page.goto(address(where, long_names))
    table = page.locator("table.cards")
    cells = table.locator("tbody td[data-label]")
    assert cells.count() > 2
    for cell in cells.all():
        box = cell.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    assert table.evaluate("table => table.parentElement.scrollWidth <= table.parentElement.clientWidth")
    labels = cells.evaluate_all("cells => cells.map((cell) => getComputedStyle(cell, '::before').content)")
    assert all(len(label) > 2 for label in labels)


def test_a_long_id_leaves_the_problem_in_view(client_of, long_names, page, live_server):
    sign_in(client_of("owner"), page, live_server)
    page.set_viewport_size(DESK)
    page.goto(address("jobs/acme/{job}/", long_names))
    problem = page.locator("#failed tbody td").last.bounding_box()
    assert problem["width"] > 200
    assert problem["x"] + problem["width"] <= DESK["width"]
    expect(page.locator("#failed")).to_contain_text(LONG)


def test_a_table_that_goes_on_shows_it_at_its_edge(client_of, acme_rows, page, live_server):
    sign_in(client_of("owner"), page, live_server)
    page.set_viewport_size(PHONE)
    page.goto("/console/opt-outs/acme/")
    region = page.get_by_role("region", name="Opt-outs")
    assert region.evaluate("region => region.scrollWidth > region.clientWidth")
    assert region.evaluate("region => getComputedStyle(region).backgroundAttachment").count("local") == 2
    region.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('.wide').scrollLeft > 0")


def test_the_example_of_a_list_scrolls_on_a_phone_and_shows_it(client_of, acme_rows, page, live_server):
    sign_in(client_of("owner"), page, live_server)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/console/jobs/acme/import/")
    example = page.get_by_role("region", name="Example")
    box = example.bounding_box()
    assert box["x"] + box["width"] <= 360
    assert example.evaluate("region => region.scrollWidth > region.clientWidth")
    assert example.evaluate("region => getComputedStyle(region).backgroundAttachment").count("local") == 2
    example.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('pre.scrolls').scrollLeft > 0")


@pytest.mark.parametrize("needed", [True, False])
def test_what_an_enrollment_needs_is_marked(needed, client_of, acme, acme_rows):
    consents.set_rules(acme, required=needed, elsewhere=[])
    shown = client_of("owner").get(f"/console/libraries/{acme_rows.library.pk}/enroll/").content.decode()
    marked = re.findall(r">([^<>]+)<span class=\"[^\"]*\" aria-hidden=\"true\">\*</span>", shown)
    assert marked == ["Id of the speaker", *(["Consent"] if needed else []), "Recordings"]
