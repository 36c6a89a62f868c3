"""Speaking into the console: a real Chromium whose microphone hears a generated voice."""

from __future__ import annotations

import re

import pytest
from django.utils import translation
from django.utils.translation import gettext as _
from playwright.sync_api import Page, expect

from tenants.context import acting_as
from tests.cast import wav_of
from tests.console.conftest import ARGUMENTS
from tests.console.people import enrolled
from tests.console.pictures import picture
from tests.console.test_accessibility import faults_of
from tests.console.test_browser import english_words, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SPOKEN_MS = 4500


@pytest.fixture(scope="module")
def browser_arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    voice = tmp_path_factory.mktemp("voice") / "susan.wav"
    voice.write_bytes(wav_of("susan", 3))
    microphone = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    return [*ARGUMENTS, *microphone, f"--use-file-for-fake-audio-capture={voice}"]


def test_what_was_not_sent_is_not_lost_without_a_word(page, acme):
    sign_in(page, acme)
    speaker, _ = enrolled(acme, "alice")
    page.goto(f"/console/voiceprints/speaker/{speaker.pk}/change/")
    page.fill("#id_info", "Reception")
    page.set_input_files(
        "input[name=audio]", {"name": "take.wav", "mimeType": "audio/wav", "buffer": wav_of("susan", 2)}
    )
    said = []
    page.once("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("take.wav")).to_be_visible()
    assert said == ["A recording was not sent yet, and is lost if you go on. Go on without it?"]
    with acting_as(acme):
        assert acme.speakers.get(pk=speaker.pk).info == ""
    page.once("dialog", lambda dialog: dialog.accept())
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()
    with acting_as(acme):
        assert acme.speakers.get(pk=speaker.pk).info == "Reception"


def speak(page: Page) -> None:
    """In the language that is in force here."""
    page.get_by_role("button", name=_("Record"), exact=True).click()
    expect(page.get_by_text(_("Recording. Speak for three seconds or more."))).to_be_visible()
    page.wait_for_timeout(SPOKEN_MS)
    page.get_by_role("button", name=_("Stop")).click()
    expect(page.get_by_text(re.compile(r"-1\.webm"))).to_be_visible()


def test_somebody_is_enrolled_by_microphone(page, acme):
    library = enrolled(acme, "bob", "ken")[0].library
    sign_in(page, acme)
    page.goto(f"/console/libraries/{library.pk}/enroll/")
    page.get_by_label("Id of the speaker").fill("alice")
    speak(page)
    page.get_by_role("button", name="Enroll").click()
    expect(page.get_by_text("1 recording was stored.")).to_be_visible()
    with acting_as(acme):
        assert library.speakers.enrolled().named("alice").exists()


@pytest.mark.parametrize("key", ["click", "Enter"])
def test_what_is_being_recorded_when_the_form_is_sent_goes_along(key, page, acme):
    library = enrolled(acme, "bob", "ken")[0].library
    sign_in(page, acme)
    page.goto(f"/console/libraries/{library.pk}/enroll/")
    page.get_by_label("Id of the speaker").fill("alice")
    speak(page)
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(SPOKEN_MS)
    if key == "click":
        page.get_by_role("button", name="Enroll").click()
    else:
        page.get_by_label("Id of the speaker").press(key)
    expect(page.get_by_text("2 recordings were stored.")).to_be_visible()


def test_a_recording_is_drawn_and_another_added_by_microphone(page, acme):
    speaker, _ = enrolled(acme, "alice", "susan")
    sign_in(page, acme)
    page.goto(f"/console/voiceprints/speaker/{speaker.pk}/change/")
    expect(page.locator("[data-picture][data-drawn]")).to_have_count(1)
    assert painted(page, ".waveform") > 100
    assert painted(page, ".spectrogram") > 1000
    speak(page)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("1 pair counts as of one voice.")).to_be_visible()


def painted(page: Page, canvas: str) -> int:
    """How many of its pixels are not transparent."""
    return page.locator(canvas).first.evaluate(
        """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
            .filter((one, place) => place % 4 === 3 && one > 0).length"""
    )


def test_a_microphone_that_is_asked_for_twice_is_opened_once(page, acme):
    library = enrolled(acme, "bob", "ken")[0].library
    sign_in(page, acme)
    page.goto(f"/console/libraries/{library.pk}/enroll/")
    page.evaluate(
        """() => {
            const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);
            window.opened = 0;
            media.getUserMedia = (wanted) => (window.opened++, open(wanted));
        }"""
    )
    page.get_by_role("button", name="Record", exact=True).dblclick()
    expect(page.locator("[data-microphone]")).to_be_enabled()
    assert page.evaluate("window.opened") == 1


def test_what_is_refused_leaves_the_form_as_it_was(page, acme):
    library = enrolled(acme, "bob", "ken")[0].library
    sign_in(page, acme)
    page.goto(f"/console/libraries/{library.pk}/enroll/")
    page.get_by_label("Id of the speaker").fill("bob")
    speak(page)
    page.get_by_role("button", name="Enroll").click()
    expect(page.get_by_role("alert")).to_contain_text("A speaker bob is there already.")
    page.get_by_label("Id of the speaker").fill("alice")
    page.get_by_role("button", name="Enroll").click()
    expect(page.get_by_text("1 recording was stored.")).to_be_visible()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_voice_is_tried_by_microphone_in_both_languages(language, page, acme):
    enrolled(acme, "alice", "susan", utterances=2)
    enrolled(acme, "bob", "ken")
    sign_in(page, acme)
    page.context.add_cookies([{"name": "django_language", "value": language, "url": page.url}])
    page.goto("/console/try/")
    with translation.override(language):
        speak(page)
        page.get_by_role("button", name=_("Try it")).click()
        expect(page.get_by_text(_("It is %(speaker)s, as far as can be heard.") % {"speaker": "alice"})).to_be_visible()
        expect(page.locator(".candidates li")).to_have_count(2)
        picture(page, "console-try" if language == "en" else "console-try-zh")
        page.get_by_label(_("Is it this speaker?")).check()
        page.get_by_label(_("Id of the speaker")).fill("bob")
        page.get_by_role("button", name=_("Try it")).click()
        expect(
            page.get_by_text(_("It is not %(speaker)s, as far as can be heard.") % {"speaker": "bob"})
        ).to_be_visible()
        if language == "zh-hans":
            assert english_words(page) == set()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_what_came_of_trying_shuts_nobody_out(colours, page, acme):
    enrolled(acme, "alice", "susan", utterances=2)
    enrolled(acme, "bob", "ken")
    sign_in(page, acme)
    page.emulate_media(color_scheme=colours)
    page.goto("/console/try/")
    speak(page)
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#answer")).to_be_visible()
    page.locator("details summary").first.click()
    assert faults_of(page) == []
