"""Whoever does something in the console sees what came of it, also where nothing did; and does it once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tenants.context import acting_as
from tenants.models import AccessToken, Role
from tests.cast import recording
from tests.console.people import PASSWORD, enrolled
from tests.console.test_browser import sign_in
from tests.console.test_permissions import address
from voiceprints.models import Job

pytestmark = pytest.mark.django_db(transaction=True)

ONE = {"name": "susan.opus", "mimeType": "audio/ogg", "buffer": recording("susan", 1)}


@pytest.fixture
def unlucky(page, acme, live_server) -> Iterator[Page]:
    """A browser in which somebody is signed in, and which may complain."""
    sign_in(page, acme)
    signed_in = page.context.storage_state()
    other = page.context.browser.new_context(storage_state=signed_in, base_url=live_server.url)
    yield other.new_page()
    other.close()


@pytest.fixture
def enrolling(unlucky, acme) -> Page:
    """The form on which somebody is enrolled, filled in."""
    library = enrolled(acme, "bob", "ken")[0].library
    unlucky.goto(f"/console/libraries/{library.pk}/enroll/")
    unlucky.get_by_label("Id of the speaker").fill("alice")
    unlucky.get_by_label("Recordings").set_input_files([ONE])
    return unlucky


@pytest.mark.browser
def test_whoever_was_signed_out_meanwhile_signs_in_and_is_back_at_the_form(enrolling, acme):
    enrolling.context.clear_cookies(name="sessionid")
    enrolling.get_by_role("button", name="Enroll").click()
    enrolling.get_by_label("Username").fill("acme-owner")
    enrolling.get_by_label("Password").fill(PASSWORD)
    enrolling.get_by_role("button", name="Log in").click()
    expect(enrolling.get_by_label("Id of the speaker")).to_be_visible()
    assert enrolling.locator("html").count() == 1


@pytest.mark.browser
@pytest.mark.parametrize(
    "answer", [lambda route: route.abort(), lambda route: route.fulfill(status=502, body="<html>Bad Gateway</html>")]
)
def test_what_is_not_answered_is_said_beside_the_form_which_stays_as_it_is(answer, enrolling):
    enrolling.route("**/enroll/", answer)
    enrolling.get_by_role("button", name="Enroll").click()
    expect(enrolling.get_by_role("alert")).to_contain_text("No answer came.")
    enrolling.unroute("**/enroll/")
    enrolling.get_by_role("button", name="Enroll").click()
    expect(enrolling.get_by_text("1 recording was stored.")).to_be_visible()


@pytest.mark.browser
def test_what_is_refused_meanwhile_is_said_to_be_so(enrolling, acme):
    with acting_as(acme):
        acme.memberships.update(role=Role.VIEWER)
    enrolling.get_by_role("button", name="Enroll").click()
    expect(enrolling.get_by_role("alert")).to_contain_text("This is refused now.")


@pytest.mark.browser
def test_a_page_that_follows_a_job_says_so_when_the_job_is_gone(unlucky, acme):
    with acting_as(acme):
        job = acme.jobs.create(kind=Job.Kind.EXPORT)
    unlucky.goto(f"/console/jobs/acme/{job.pk}/")
    expect(unlucky.get_by_text("queued")).to_be_visible()
    with acting_as(acme):
        job.delete()
    expect(unlucky.get_by_text("There is nothing here")).to_be_visible()


@pytest.mark.browser
def test_what_is_copied_twice_is_copied_and_said_twice(page, acme):
    sign_in(page, acme)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/console/account/two-factor/")
    button = page.get_by_role("button", name="Copy")
    button.click()
    button.click()
    expect(page.get_by_text("Copied")).to_have_count(1)
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#seed").text_content()
    expect(button.locator("span")).to_have_text("content_copy")


@pytest.mark.browser
def test_a_form_whose_button_is_pressed_twice_is_sent_once(page, acme):
    sign_in(page, acme)
    page.goto("/console/tenants/accesstoken/add/")
    page.locator("[name=scopes][value=read]").check()
    posted = []

    def keep_waiting(route):
        posted.append(route)

    page.route("**/accesstoken/add/", keep_waiting)
    button = page.get_by_role("button", name="Save").bounding_box()
    for _ in range(2):
        page.mouse.click(button["x"] + 5, button["y"] + 5)
        page.wait_for_timeout(300)
    assert len(posted) == 1
    posted[0].continue_()
    expect(page.locator("#token")).to_be_visible()
    with acting_as(acme):
        assert AccessToken.all_tenants.filter(tenant=acme).count() == 1


@pytest.mark.parametrize("where", ["libraries/{library}/map/", "speakers/{speaker}/nearest/"])
def test_what_a_page_asks_for_in_parts_is_a_page_for_whoever_has_no_scripts(where, client_of, acme_rows):
    where, client = address(where, acme_rows), client_of("viewer")
    assert "<html" in client.get(where).content.decode()
    assert "<html" not in client.get(where, headers={"hx-request": "true"}).content.decode()


@pytest.mark.parametrize("where", ["tenant/", "speakers/{speaker}/recordings/", "erasures/acme/tenant/restore/"])
def test_an_address_that_shows_nothing_says_so(where, client_of, acme_rows):
    """To which one comes who signs in anew where a button was pressed."""
    page = client_of("staff").get(address(where, acme_rows))
    assert (page.status_code, page.headers["Allow"]) == (405, "POST")
    assert "There is nothing to see here" in page.content.decode()


def test_a_file_that_the_storage_does_not_give_is_told_on_a_page(client_of, acme_rows, recordings_folder):
    kept = recordings_folder / acme_rows.export.output
    kept.unlink()
    kept.symlink_to(kept)
    page = client_of("owner").get(address("jobs/acme/{export}/export.zip", acme_rows))
    assert page.status_code == 503
    assert "This cannot be had now" in page.content.decode()
