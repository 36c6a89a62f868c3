"""The console without a mouse: a real Chromium, in English and Chinese, on a desk and on a phone."""

from __future__ import annotations

import pytest
from django.conf import settings
from playwright.sync_api import Locator, Page, expect

from tenants.models import Role, Tenant
from tests.console.people import enrolled, member
from tests.console.pictures import DESK, PHONE
from tests.console.test_accessibility import faults_of, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MOST_STOPS = 80
ENGLISH, CHINESE = "en", "zh-hans"


@pytest.fixture(params=[ENGLISH, CHINESE])
def language(request) -> str:
    return request.param


@pytest.fixture
def owner(language, acme: Tenant, client_of, page, live_server) -> Page:
    """Signed in, on no page yet."""
    sign_in(client_of("owner"), page, live_server)
    page.context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": live_server.url}])
    return page


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def console(request, acme: Tenant, owner) -> Page:
    """A list of speakers."""
    enrolled(acme, "alice")
    owner.set_viewport_size(request.param)
    owner.goto("/console/voiceprints/speaker/")
    return owner


def is_phone(page: Page) -> bool:
    return page.viewport_size == PHONE


def tab_to(page: Page, wanted: Locator) -> None:
    """With a focus that can be seen at every stop."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        assert page.evaluate(SHOWS_FOCUS), page.evaluate("document.activeElement.outerHTML")[:300]
        if wanted.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"the keyboard does not reach {wanted}")


# After the last stop the browser's own controls have it.
SHOWS_FOCUS = """() => {
    const outlined = (one) => one && (getComputedStyle(one).outlineStyle !== "none" || outlined(one.parentElement));
    return document.activeElement === document.body || outlined(document.activeElement);
}"""


def test_the_first_stop_leads_to_the_content(console):
    console.keyboard.press("Tab")
    skip = console.locator(".skip")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    console.keyboard.press("Enter")
    expect(console.get_by_role("main")).to_be_focused()


def test_filters_open_take_the_focus_and_give_it_back(console, language):
    name = {ENGLISH: "Filters", CHINESE: "过滤器"}[language]
    opener = console.get_by_role("button", name=name, exact=True)
    tab_to(console, opener)
    console.keyboard.press("Enter")
    panel = console.get_by_role("dialog", name=name)
    expect(panel).to_be_focused()
    expect(opener).to_have_attribute("aria-expanded", "true")
    assert faults_of(console) == []
    console.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(opener).to_be_focused()

    console.keyboard.press("Enter")
    expect(panel).to_be_focused()
    console.keyboard.press("Tab")
    expect(panel.get_by_role("button").first).to_be_focused()
    console.keyboard.press("Enter")
    expect(panel).to_be_hidden()
    expect(opener).to_be_focused()


def test_filters_close_when_the_keyboard_goes_on_but_not_while_one_chooses(console):
    opener, panel = console.locator("[aria-controls=filters]"), console.get_by_role("dialog")
    tab_to(console, opener)
    console.keyboard.press("Enter")
    expect(panel).to_be_focused()
    tab_to(console, panel.get_by_role("combobox").first)
    console.keyboard.press("Enter")
    expect(console.locator(".select2-dropdown")).to_be_visible()
    expect(panel).to_be_visible()
    console.keyboard.press("Escape")
    expect(console.locator(".select2-dropdown")).to_have_count(0)
    expect(panel).to_be_visible()
    tab_to(console, panel.get_by_role("link").last)
    tab_to(console, console.locator(".skip"))
    expect(panel).to_be_hidden()


def test_the_account_menu_is_used(console, language):
    if is_phone(console):
        tab_to(console, console.locator("#menu-opener"))
        console.keyboard.press("Enter")
        expect(console.locator("#menu-closer")).to_be_focused()
    opener, menu = console.locator("[popovertarget=account]"), console.locator("#account")
    tab_to(console, opener)
    console.keyboard.press("Enter")
    expect(menu).to_be_in_viewport(ratio=1)
    assert faults_of(console) == []
    console.keyboard.press("Tab")
    expect(menu.get_by_role("button").first).to_be_focused()
    console.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(opener).to_be_focused()

    console.keyboard.press("Enter")
    tab_to(console, menu.get_by_role("link").first)
    tab_to(console, menu.get_by_role("button").last)
    console.keyboard.press("Enter")
    console.wait_for_url("**/logout/")
    expect(console.get_by_role("main")).to_contain_text({ENGLISH: "Signed out", CHINESE: "已退出"}[language])


def test_the_language_is_chosen(console, language):
    if is_phone(console):
        console.locator("#menu-opener").focus()
        console.keyboard.press("Enter")
        expect(console.locator("#menu-closer")).to_be_focused()
    console.locator("[popovertarget=account]").focus()
    console.keyboard.press("Enter")
    tab_to(console, console.get_by_role("button", name={ENGLISH: "简体中文", CHINESE: "English"}[language]))
    console.keyboard.press("Enter")
    other = {ENGLISH: CHINESE, CHINESE: ENGLISH}[language]
    expect(console.locator("html")).to_have_attribute("lang", other)


def test_colours_are_chosen(console, language):
    if is_phone(console):
        console.locator("#menu-opener").focus()
        console.keyboard.press("Enter")
        expect(console.locator("#menu-closer")).to_be_focused()
    console.locator("[popovertarget=account]").focus()
    console.keyboard.press("Enter")
    dark = console.get_by_role("button", name={ENGLISH: "Dark", CHINESE: "深色"}[language], exact=False)
    tab_to(console, dark)
    console.keyboard.press("Enter")
    expect(dark).to_have_attribute("aria-pressed", "true")
    assert console.evaluate("document.documentElement.classList.contains('dark')")


def test_the_menu_of_a_phone_opens_and_closes(language, owner):
    page = owner
    page.set_viewport_size(PHONE)
    page.goto("/console/")
    opener = page.get_by_role("button", name={ENGLISH: "Menu", CHINESE: "菜单"}[language], exact=True)
    menu = page.locator("#nav-sidebar")
    tab_to(page, opener)
    expect(opener).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(menu).to_be_visible()
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(page.locator("#menu-closer")).to_be_focused()
    assert faults_of(page) == []
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(opener).to_be_focused()

    page.keyboard.press("Enter")
    expect(page.locator("#menu-closer")).to_be_focused()
    tab_to(page, page.locator("[popovertarget=account]"))
    page.keyboard.press("Tab")
    expect(menu).to_be_hidden()


def test_escape_closes_one_menu_at_a_time(acme, client_of, page, live_server):
    sign_in(client_of("owner"), page, live_server)
    page.set_viewport_size(PHONE)
    page.goto("/console/")
    page.locator("#menu-opener").click()
    page.locator("[popovertarget=account]").press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator("#account")).to_be_hidden()
    expect(page.locator("#nav-sidebar")).to_be_visible()


def test_the_way_in_is_spoken_in_the_language_one_chooses(acme, page):
    member(acme, Role.OWNER)
    page.goto("/console/")
    opener = page.get_by_role("button", name="Language and colours")
    tab_to(page, opener)
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("button", name="简体中文"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="登录")).to_be_visible()
    assert page.url.endswith("/console/login/?next=/console/")
    expect(page.get_by_role("main")).to_be_visible()


def test_the_menu_of_a_desk_is_put_away_and_brought_back(owner, language):
    owner.set_viewport_size(DESK)
    owner.goto("/console/")
    opener = owner.get_by_role("button", name={ENGLISH: "Menu", CHINESE: "菜单"}[language], exact=True)
    tab_to(owner, opener)
    owner.keyboard.press("Enter")
    expect(owner.locator("#nav-sidebar")).to_be_hidden()
    owner.keyboard.press("Enter")
    expect(owner.locator("#nav-sidebar")).to_be_visible()
