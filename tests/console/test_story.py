"""What somebody does on the first evening, without a document at hand: from what `make run` prints to nothing left."""

from __future__ import annotations

import os
from itertools import count

import pytest
from playwright.sync_api import Page, expect

from tenants.context import acting_as
from tenants.models import Tenant
from tenants.services import Provisioned, provision
from tests.cast import SUSAN, wav_of
from tests.console.conftest import ARGUMENTS
from tests.console.people import PASSWORD
from tests.console.test_browser import open_in_sidebar
from tests.console.test_microphone import speak
from voiceprints.models import Library

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def browser_arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    voice = tmp_path_factory.mktemp("voice") / "voice.wav"
    voice.write_bytes(wav_of(SUSAN, 3))
    microphone = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    return [*ARGUMENTS, *microphone, f"--use-file-for-fake-audio-capture={voice}"]


@pytest.fixture
def printed() -> Provisioned:
    """What the first start prints."""
    return provision()


@pytest.fixture
def look(page: Page):
    """A picture of each step, where SCREENSHOTS names a folder."""
    numbers, folder = count(1), os.environ.get("SCREENSHOTS")
    return lambda at=page: folder and at.screenshot(path=f"{folder}/story-{next(numbers):02}.png", full_page=True)


def test_from_the_first_sign_in_to_nothing_left(printed, page, look, recordings_folder):
    page.goto("/console/")
    look()
    page.get_by_label("Username").fill(printed.admin_name)
    page.get_by_label("Password").fill(printed.admin_password)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#figure-libraries")).to_have_text("0")
    look()

    make_a_library(page, look)
    enroll_oneself(page, look)
    be_recognised(page, look)
    be_stricter(page, look)
    invite_an_auditor(page, look)
    delete_everything(page, look)

    assert not list(recordings_folder.rglob("*.flac"))
    with acting_as(Tenant.objects.get(slug="demo")):
        assert not Library.all_tenants.exists()


def make_a_library(page: Page, look) -> None:
    page.get_by_role("link", name="Make a library").click()
    look()
    page.get_by_label("Organisation").fill("friends")
    page.get_by_role("button", name="Save", exact=True).click()
    look()


def enroll_oneself(page: Page, look) -> None:
    page.get_by_role("link", name="Enroll a speaker").click()
    look()
    page.get_by_label("Id of the speaker").fill("myself")
    speak(page)
    look()
    page.get_by_role("button", name="Enroll").click()
    expect(page.get_by_text("1 recording was stored.")).to_be_visible()
    expect(page.get_by_role("link", name="myself", exact=True)).to_be_visible()
    expect(page.locator("[data-picture][data-drawn]")).to_have_count(1)
    look()


def be_recognised(page: Page, look) -> None:
    open_in_sidebar(page, "Try it")
    look()
    speak(page)
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("It is myself, as far as can be heard.")).to_be_visible()
    look()


def be_stricter(page: Page, look) -> None:
    open_in_sidebar(page, "Thresholds")
    look()
    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-say=rate]")).to_have_text("0.1 %")
    page.get_by_role("button", name="Apply this rate").click()
    look()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("In force: 0.1 % of strangers may get in.")).to_be_visible()


def invite_an_auditor(page: Page, look) -> None:
    open_in_sidebar(page, "Members")
    look()
    page.get_by_role("link", name="Invite").click()
    page.locator("input[name=role][value=auditor]").check()
    look()
    page.get_by_role("button", name="Save", exact=True).click()
    look()
    guest = page.context.browser.new_page(locale="en-US")
    guest.goto(page.locator("#link").inner_text())
    look(guest)
    guest.get_by_label("Username").fill("nina")
    guest.get_by_label("Password", exact=False).first.fill(PASSWORD)
    guest.get_by_label("Password confirmation").fill(PASSWORD)
    guest.get_by_role("button", name="Make an account and join").click()
    expect(guest.get_by_text("Welcome to Demo.")).to_be_visible()
    look(guest)
    see_and_not_hear(guest, look)
    guest.close()


def see_and_not_hear(guest: Page, look) -> None:
    open_in_sidebar(guest, "Speakers")
    guest.get_by_role("link", name="myself", exact=True).click()
    expect(guest.get_by_text("s of speech")).to_be_visible()
    expect(guest.locator("audio, [data-picture]")).to_have_count(0)
    look(guest)
    open_in_sidebar(guest, "Audit")
    expect(guest.get_by_role("row").filter(has_text="myself").first).to_be_visible()
    look(guest)


def delete_everything(page: Page, look) -> None:
    open_in_sidebar(page, "Libraries")
    page.get_by_role("link", name="friends", exact=True).click()
    look()
    page.get_by_role("link", name="Delete").last.click()
    look()
    page.get_by_label("Type the name, friends, to confirm").fill("friends")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Removed: 1 library, 1 voiceprint, 1 recording.")).to_be_visible()
    look()
    open_in_sidebar(page, "Home")
    expect(page.locator("#figure-enrolled")).to_have_text("0")
    look()
