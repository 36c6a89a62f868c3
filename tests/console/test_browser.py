"""The console as a person uses it: a real Chromium against a running server."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from django.core.files.base import ContentFile
from playwright.sync_api import Page, expect

from tenants.actions import Action, Outcome
from tenants.context import acting_as
from tenants.models import Role, Tenant
from tenants.origins import ActorKind, Origin, coming_from
from tenants.trail import Target, note
from tests.archives import csv_manifest, voices, zipped
from tests.cast import LIBRARY, VOICES, recording
from tests.console.authenticator import code_of
from tests.console.people import PASSWORD, enrolled, member
from tests.console.pictures import DESK, PHONE, picture
from tests.servers import through_the_queue
from tests.usage import used
from voiceprints import bulk, generations, work
from voiceprints.models import Library

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def people(acme: Tenant) -> None:
    enrolled(acme, "alice", "susan", utterances=2)
    enrolled(acme, "bob", "ken")
    enrolled(acme, "carol", "stephanie", tag_id="guests")


def sign_in(page: Page, tenant: Tenant, role: Role = Role.OWNER) -> None:
    user = member(tenant, role).user
    page.goto("/console/")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#figure-libraries")).to_be_visible()


def test_a_speaker_is_found_heard_and_deleted(page, acme, people, recordings_folder):
    sign_in(page, acme)
    expect(page.locator("#figure-enrolled")).to_have_text("3")

    open_in_sidebar(page, "Libraries")
    page.get_by_placeholder("Type to search").fill("staff")
    page.keyboard.press("Enter")
    row = page.get_by_role("row").filter(has_text="acme / staff")
    expect(row).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="acme / guests")).to_have_count(0)

    row.get_by_role("link", name="2", exact=True).click()
    page.get_by_role("link", name="alice", exact=True).click()
    play_first_recording(page)

    page.get_by_role("link", name=re.compile("Delete")).last.click()
    expect(page.locator("#consequences")).to_contain_text("2 recordings")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Removed: 1 voiceprint, 2 recordings.")).to_be_visible()

    open_in_sidebar(page, "Home")
    expect(page.locator("#figure-enrolled")).to_have_text("2")
    assert len(list(recordings_folder.rglob("*.flac"))) == 2


@pytest.mark.parametrize("deed", ["move", "delete_selected"])
def test_a_deed_for_which_nobody_is_chosen_stays_on_the_page_and_says_so(deed, page, acme, people):
    sign_in(page, acme)
    open_in_sidebar(page, "Libraries")
    page.get_by_role("link", name="acme / staff").first.click()
    said = page.get_by_text("Choose speakers first.")
    button = page.locator(f"form:has(#speakers) button[value={deed}]")
    expect(said).to_be_hidden()
    button.click()
    expect(said).to_be_visible()
    page.get_by_label("alice", exact=True).check()
    expect(said).to_be_hidden()
    button.click()
    expect(page.get_by_role("heading", name="acme / staff")).to_have_count(0)


def open_in_sidebar(page: Page, title: str) -> None:
    page.locator("#nav-sidebar").get_by_text(title, exact=True).click()


def play_first_recording(page: Page) -> None:
    player = page.locator("audio").first
    page.get_by_role("button", name=re.compile("Play recording")).first.click()
    page.wait_for_function("() => document.querySelector('audio').currentTime > 0.1")
    assert 1 < player.evaluate("audio => audio.duration") < 30
    page.get_by_role("button", name=re.compile("Pause recording")).click()
    assert player.evaluate("audio => audio.paused")


def test_what_was_typed_stays_when_a_recording_is_added(page, acme, people, tmp_path):
    voice = tmp_path / "susan.opus"
    voice.write_bytes(recording("susan", 3))
    with acting_as(acme):
        speaker = acme.speakers.get(external_id="alice")
    sign_in(page, acme)
    page.goto(f"/console/voiceprints/speaker/{speaker.pk}/change/")
    page.get_by_label("Info").fill("Reception,\nground floor")
    page.locator("input[type=file]").set_input_files(voice)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("1 recording was stored.")).to_be_visible()
    expect(page.get_by_label("Info")).to_have_value("Reception,\nground floor")


def test_a_recording_can_be_sought_in(page, acme, people):
    sign_in(page, acme)
    page.goto("/console/voiceprints/speaker/?q=alice")
    page.get_by_role("link", name="alice", exact=True).click()
    play_first_recording(page)
    place = page.get_by_role("slider", name=re.compile("Place in recording")).first
    place.fill(str(float(place.get_attribute("max")) - 0.5))
    page.wait_for_function(
        "() => { const a = document.querySelector('audio'); return !a.seeking && a.currentTime > 1 }"
    )


def test_how_long_a_recording_is_stands_there_before_anybody_listens(page, acme, recordings_folder):
    speaker, (said,) = enrolled(acme, "alice", "susan")
    sign_in(page, acme)
    fetched = []
    page.on("request", lambda request: fetched.append(request.url) if ".flac" in request.url else None)
    page.goto(f"/console/voiceprints/speaker/{speaker.pk}/change/")
    expect(page.locator(".player [data-clock]")).to_have_text(f"0:00 / 0:{round(said.duration_seconds):02}")
    assert fetched == []


def test_a_recording_is_played_from_where_somebody_pointed_and_fetched_no_sooner(page, acme, recordings_folder):
    speaker, (said,) = enrolled(acme, "alice", "susan")
    sign_in(page, acme)
    fetched = []
    page.on("request", lambda request: fetched.append(request.url) if ".flac" in request.url else None)
    page.goto(f"/console/voiceprints/speaker/{speaker.pk}/change/")
    page.get_by_role("slider", name="Place in recording 1").fill("3")
    expect(page.locator(".player [data-clock]")).to_have_text(f"0:03 / 0:{round(said.duration_seconds):02}")
    assert fetched == []
    listen = "audio.addEventListener('timeupdate', () => heard.push(audio.currentTime))"
    page.locator("audio").evaluate(f"audio => {{ window.heard = []; {listen} }}")
    page.get_by_role("button", name="Play recording 1").click()
    page.wait_for_function("() => document.querySelector('audio').currentTime > 3.1")
    assert page.evaluate("heard.filter((second) => second < 2.9)") == []


def test_a_recording_that_cannot_be_drawn_can_be_heard(page, acme, recordings_folder):
    speaker = enrolled(acme, "alice", "susan")[0]
    sign_in(page, acme)
    page.route("**/picture/", lambda route: route.fulfill(status=200, content_type="application/json", body="{}"))
    page.goto(f"/console/voiceprints/speaker/{speaker.pk}/change/")
    expect(page.get_by_text("The recording could not be drawn.")).to_be_visible()
    page.get_by_role("button", name="Play recording 1").click()
    expect(page.get_by_role("button", name="Pause recording 1")).to_be_visible()


def test_a_recording_that_cannot_be_played_says_so(page, acme, recordings_folder):
    speaker = enrolled(acme, "alice", "susan")[0]
    sign_in(page, acme)
    page.route("**/*.flac", lambda route: route.fulfill(status=200, content_type="audio/flac", body="no sound"))
    page.goto(f"/console/voiceprints/speaker/{speaker.pk}/change/")
    page.get_by_role("button", name="Play recording 1").click()
    expect(page.get_by_text("The recording could not be played.")).to_be_visible()


def test_usage_is_drawn_and_stands_in_a_table_beside(page, acme, people):
    a_month_of(acme)
    used(acme, "verify", outcome="accepted", count=7)
    sign_in(page, acme)
    answered = page.locator("[data-chart=answered-data]")
    canvas = answered.locator("canvas")
    expect(canvas).to_be_visible()
    pixels = "canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data"
    assert canvas.evaluate(f"canvas => {pixels}.some(Boolean)")
    expect(answered.locator("table")).to_be_hidden()
    answered.locator("summary").click()
    expect(answered.get_by_role("row").last.get_by_role("cell")).to_have_text(["0", "7", "0"])

    page.get_by_role("link", name="90 days").click()
    expect(answered.locator("tbody tr")).to_have_count(90)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert "accepted" in download.value.path().read_text()


def a_month_of(tenant: Tenant) -> None:
    """Up to yesterday."""
    for ago in range(1, 30):
        much = 3 + ago % 7 * (30 - ago)
        used(tenant, "enroll", count=1 + much // 2, days_ago=ago, milliseconds=180)
        used(tenant, "verify", outcome="accepted", count=4 * much, days_ago=ago, milliseconds=90 + ago)
        used(tenant, "verify", outcome="rejected", count=1 + much // 8, days_ago=ago, milliseconds=240)
        used(tenant, "identify", outcome="accepted", count=2 * much, days_ago=ago, dialect="abcpen", milliseconds=140)
        used(tenant, "identify", outcome="refused", reason="NotEnoughSpeech", count=1 + much // 6, days_ago=ago)
        used(tenant, "verify", outcome="refused", reason="SpeakerNotFound", count=1 + much // 9, days_ago=ago)


def test_a_chart_takes_other_colours_in_the_dark(page, acme):
    used(acme, "verify", outcome="accepted")
    sign_in(page, acme)
    canvas = page.locator("[data-chart=answered-data] canvas")
    in_the_light = canvas.evaluate("canvas => canvas.toDataURL()")
    page.evaluate("() => document.documentElement.classList.toggle('dark')")
    page.wait_for_function("before => document.querySelector('canvas').toDataURL() !== before", arg=in_the_light)


def test_without_scripts_the_figures_stand_in_their_tables(page, acme, client_of, live_server):
    used(acme, "verify", outcome="accepted", count=7)
    session = client_of("viewer").session.session_key
    context = page.context.browser.new_context(base_url=live_server.url, java_script_enabled=False)
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    plain = context.new_page()
    plain.goto("/console/")
    answered = plain.locator("[data-chart=answered-data]")
    expect(answered.get_by_role("row").last.get_by_role("cell")).to_have_text(["0", "7", "0"])
    expect(answered.locator("canvas")).to_be_hidden()


def test_several_speakers_are_chosen_and_deleted_at_once(page, acme, people):
    sign_in(page, acme, Role.OPERATOR)
    page.goto("/console/voiceprints/speaker/")
    for box in page.locator("input.action-select").all()[-2:]:
        box.check()
    page.locator("select[name=action]").select_option("delete_selected")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#consequences")).to_contain_text("2 voiceprints")
    page.get_by_label("Type how many voiceprints go, 2, to confirm").fill("2")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("row").filter(has_text="acme /")).to_have_count(1)


def test_a_secret_is_copied_and_never_shown_again(page, acme):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page, acme)
    page.goto("/console/tenants/credential/add/")
    page.get_by_role("button", name="Save").click()
    secret = page.locator("#secret").inner_text()
    page.locator("#secret + button").click()
    expect(page.locator("#secret + button")).to_contain_text("check")
    assert page.evaluate("() => navigator.clipboard.readText()") == secret
    page.reload()
    expect(page.get_by_text("A secret is shown once only.")).to_be_visible()
    assert secret not in page.content()


def test_a_field_that_is_made_piece_by_piece_gets_its_name_in_the_end(page, acme, people):
    sign_in(page, acme)
    page.goto("/console/try/")
    made = "<div><label for=late><b>Late</b></label><div><select id=late class=admin-autocomplete></select>"
    made += "<span class=select2-selection></span></div></div>"
    page.locator("main form, #content form").first.evaluate(
        "(form, made) => form.insertAdjacentHTML('beforeend', made)", made
    )
    late = page.locator("#late + .select2-selection")
    late.evaluate("field => field.insertAdjacentHTML('beforeend', '<span role=textbox></span>')")
    expect(late.locator("[role=textbox]")).to_have_attribute("aria-labelledby", "late-label")


@pytest.mark.parametrize("width", [1280, 360])
def test_both_drawings_of_thresholds_are_labelled_alike_and_legibly(width, page, acme):
    for voice in VOICES:
        enrolled(acme, voice, voice, utterances=2)
    sign_in(page, acme)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/console/thresholds/acme/")
    height = "text => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a"
    spread, curve = (
        page.locator(f"{figure} text").first.evaluate(height) for figure in (".histogram:not(.det)", ".det")
    )
    assert spread == pytest.approx(curve, rel=0.05)
    assert spread > 9
    expect(page.locator(".det svg")).to_contain_text("false rejects in %")


def test_filters_open_and_narrow_the_list(page, acme, people):
    sign_in(page, acme)
    page.goto("/console/voiceprints/speaker/")
    page.get_by_role("button", name="Filters", exact=True).click()
    page.locator("select[name=library]").select_option(label="acme / guests")
    page.get_by_role("button", name="Apply Filters").click()
    expect(page.get_by_role("row").filter(has_text="acme /")).to_have_count(1)


def test_a_tenant_changes_its_model_and_goes_back(page, acme, people, tiny):
    sign_in(page, acme)
    open_in_sidebar(page, "Models")
    page.locator("[data-model=tiny]").get_by_role("button", name="Prepare").click()
    card = page.locator("[data-model=tiny]")
    expect(card).to_contain_text("4 / 4")

    card.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("img", name="Scores by tiny")).to_be_visible()
    page.get_by_role("link", name="Go back").click()

    card.get_by_role("link", name="Switch").click()
    expect(page.get_by_text("Nobody must enroll again.")).to_be_visible()
    page.get_by_role("button", name="Switch").click()
    expect(page.get_by_text("tiny answers now.")).to_be_visible()

    page.get_by_role("link", name="Roll back to ge2e").click()
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("ge2e answers again.")).to_be_visible()


def test_progress_is_followed_until_the_job_is_over(page, acme, people, tiny):
    with through_the_queue():
        job = generations.begin(acme, tiny)
    sign_in(page, acme)
    page.goto("/console/models/acme/")
    with acting_as(acme):
        acme.jobs.filter(pk=job.pk).update(done=1, total=4)
    expect(page.locator("progress")).to_have_js_property("value", 25)
    work.dispatch(acme.pk, job.pk)
    expect(page.locator("[data-model=tiny]").get_by_text("succeeded")).to_be_visible()
    expect(page.locator("[data-progress]")).to_have_count(0)


def test_people_are_imported_and_what_failed_is_tried_again(page, acme, tmp_path, recordings_folder):
    lines = csv_manifest("susan,susan/1.opus", "ken,ken.opus")
    archive = tmp_path / "people.zip"
    archive.write_bytes(zipped({"manifest.csv": lines, **voices("susan/1.opus")}).getvalue())
    sign_in(page, acme, Role.OPERATOR)
    open_in_sidebar(page, "Jobs")
    page.get_by_role("link", name="Import speakers").click()
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Choose an archive or a list.")).to_be_visible()

    page.get_by_label("Archive").set_input_files(archive)
    page.get_by_label("Organisation").fill("acme")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("status").first).to_contain_text("2 / 2")
    expect(page.locator("#failed")).to_contain_text("There is no file ken.opus.")

    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert "ken" in download.value.path().read_text()
    page.get_by_role("button", name="Try again what failed").click()
    expect(page.get_by_text("What failed is tried again.")).to_be_visible()
    open_in_sidebar(page, "Home")
    expect(page.locator("#figure-enrolled")).to_have_text("1")


def test_somebody_is_moved_to_a_library_that_is_found_among_many_by_typing(page, acme, people):
    with acting_as(acme):
        acme.libraries.bulk_create(Library(tenant=acme, org_id="acme", tag_id=f"z{number}") for number in range(600))
        staff = acme.libraries.get(tag_id="staff")
    sign_in(page, acme, Role.OPERATOR)
    page.goto(f"/console/voiceprints/library/{staff.pk}/change/")
    page.get_by_role("checkbox", name="alice").check()
    page.get_by_role("button", name="Move to another library").click()
    page.locator(".select2-selection").click()
    page.locator(".select2-search__field").fill("z599")
    page.get_by_role("option", name="acme / z599").click()
    page.get_by_role("button", name="Move").click()
    expect(page.get_by_text("1 speaker is in acme / z599 now.")).to_be_visible()


LINES = """bars => bars.map(bar => {
    const box = bar.getBoundingClientRect(), over = parseFloat(getComputedStyle(bar, "::after").top);
    return [box.top + over, box.bottom - over];
})"""


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_threshold_is_one_line_across_all_bars_and_crosses_no_text(language, page, acme, people, live_server):
    enrolled(acme, "dave", "wei")
    susan = {"name": "susan.opus", "mimeType": "audio/ogg", "buffer": recording("susan", 4)}
    sign_in(page, acme, Role.OPERATOR)
    page.context.add_cookies([{"name": "django_language", "value": language, "url": live_server.url}])
    page.goto("/console/try/?library=" + str(library_of(acme).pk))
    page.locator("input[type=file]").set_input_files(susan)
    page.locator("form.speaking button[type=submit]").click()
    expect(page.locator(".candidate .bar")).to_have_count(3)
    picture(page, f"tried-{language}")
    page.set_viewport_size(DESK)
    lines = page.locator(".candidate .bar").evaluate_all(LINES)
    assert [round(top - bottom) for (_, bottom), (top, _) in pairwise(lines)] == [0, 0]
    page.set_viewport_size(PHONE)
    for candidate in page.locator(".candidate").all():
        ((top, bottom),) = candidate.locator(".bar").evaluate_all(LINES)
        name, verdict, cosine = (candidate.locator(f".{part}").bounding_box() for part in ("name", "verdict", "cosine"))
        assert name["x"] + name["width"] <= verdict["x"]
        assert name["y"] + name["height"] <= top + 1
        assert bottom <= cosine["y"] + 1


def library_of(tenant) -> Library:
    with acting_as(tenant):
        return tenant.libraries.get(tag_id="staff")


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_no_short_name_is_broken_on_a_phone(language, page, acme, live_server):
    with coming_from(Origin(ActorKind.USER, 1, "ada", "console")), acting_as(acme):
        note(acme, Action.ENROLLED, Target("speaker", 1, "bo", "acme", "a library of a rather long name"))
    sign_in(page, acme)
    page.context.add_cookies([{"name": "django_language", "value": language, "url": live_server.url}])
    page.goto("/console/audit/")
    picture(page, f"audit-{language}")
    page.set_viewport_size(PHONE)
    name = page.locator(".audit-events .font-medium", has_text="ada")
    assert name.evaluate("name => name.getClientRects().length") == 1


def test_trying_follows_the_library_that_is_chosen(page, acme, people, tmp_path):
    with acting_as(acme):
        acme.libraries.create(org_id="empty")
        staff = acme.libraries.get(tag_id="staff")
    susan = tmp_path / "susan.opus"
    susan.write_bytes(recording("susan", 4))
    sign_in(page, acme, Role.OPERATOR)
    page.goto(f"/console/try/?library={staff.pk}")
    expect(page.locator("#claimable option")).to_have_count(2)
    page.locator("input[type=file]").set_input_files(susan)
    page.get_by_label("Is it this speaker?").check()
    expect(page.get_by_label("Id of the speaker")).to_have_value("")
    page.get_by_label("Id of the speaker").press_sequentially("al")
    expect(page.locator("#claimable option")).to_have_count(1)
    page.get_by_label("Id of the speaker").fill("alice")
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#answer")).to_have_text("It is alice, as far as can be heard.")
    page.locator(".select2-selection").click()
    page.get_by_role("option", name="empty").click()
    expect(page.locator("#answer")).to_have_count(0)
    expect(page.locator("#nobody")).to_contain_text("Nobody is enrolled in this library.")


def test_a_refused_upload_is_still_chosen_and_the_refusal_is_where_one_is(page, acme, tmp_path):
    manifest = tmp_path / "people.csv"
    manifest.touch()
    sign_in(page, acme)
    page.goto("/console/jobs/acme/import/")
    page.get_by_label("List").set_input_files(manifest)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("The submitted file is empty.")).to_be_visible()
    expect(page.locator("[data-upload]")).to_be_focused()
    assert page.get_by_label("List").evaluate("field => field.files[0].name") == "people.csv"


def test_the_audit_page_shows_all_of_long_paths_on_a_desk(page, acme):
    sign_in(page, acme)
    page.set_viewport_size(DESK)
    auditor = Origin(ActorKind.USER, 1, "colleague", "console", "127.0.0.1", "b9607da9ce2443adb5e8f6d2c90b5e17")
    with coming_from(auditor), acting_as(acme):
        path = Target("path", None, "/console/voiceprints/speaker/…/recordings/…/replace/")
        note(acme, Action.ACCESS_REFUSED, path, outcome=Outcome.REFUSED, method="POST", role="auditor")
    page.goto("/console/audit/")
    expect(page.locator(".audit-events")).to_contain_text("/replace/")
    assert page.locator(".scrolls").evaluate("region => region.scrollWidth <= region.clientWidth")


def test_the_name_of_a_file_is_no_organisation_and_no_speaker(page, acme, tmp_path):
    speaker, *_ = enrolled(acme, "alice")
    sign_in(page, acme)
    manifest = tmp_path / "people.csv"
    manifest.write_text("external_id,audio")
    for address, choice in (("jobs/acme/import/", "List"), (f"libraries/{speaker.library_id}/enroll/", "Recordings")):
        page.goto(f"/console/{address}")
        page.get_by_label(choice).set_input_files(manifest)
        fields = page.locator("main input[type=text]")
        assert fields.count() > 0
        assert {fields.nth(number).input_value() for number in range(fields.count())} == {""}


def test_too_large_an_upload_is_not_even_begun(page, acme, tmp_path, settings):
    settings.MAX_IMPORT_BYTES = 1000
    archive = tmp_path / "people.zip"
    archive.write_bytes(bytes(2000))
    sign_in(page, acme)
    page.goto("/console/jobs/acme/import/")
    page.on("request", lambda request: pytest.fail("it was sent") if request.method == "POST" else None)
    page.get_by_label("Archive").set_input_files(archive)
    page.get_by_role("button", name="Import").click()
    expect(page.locator("[data-upload-state]")).to_have_text("The upload is too large.")


def test_a_job_is_followed_and_cancelled(page, acme):
    with through_the_queue():
        manifest = ContentFile(csv_manifest("ken,ken.opus"))
        job = bulk.begin_import(acme, manifest=manifest, manifest_name="list.csv", key=LIBRARY)
    sign_in(page, acme)
    page.goto(f"/console/jobs/acme/{job.pk}/")
    with acting_as(acme):
        acme.jobs.filter(pk=job.pk).update(done=1, total=4)
    expect(page.locator("progress")).to_have_js_property("value", 25)
    page.get_by_role("link", name="Cancel the job").click()
    expect(page.locator("#consequences")).to_contain_text("3 lines that were not done yet")
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_text("cancelled", exact=True)).to_be_visible()


def test_the_slider_says_what_a_rate_costs_and_it_is_applied(page, acme):
    for voice in VOICES:
        enrolled(acme, voice, voice, utterances=2)
    sign_in(page, acme)
    open_in_sidebar(page, "Thresholds")
    slider = page.get_by_role("slider")
    line = page.locator(".histogram path.threshold")
    expect(page.get_by_text("Wanted: of 1000 strangers 10 may get in.")).to_have_count(2)
    before = line.get_attribute("d")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator("[data-say=rate]")).to_have_text("2 %")
    expect(page.locator("[data-say=wanted]")).to_have_text("Wanted: of 1000 strangers 20 may get in.")
    expect(slider).to_have_attribute("aria-valuetext", "2 %")
    assert line.get_attribute("d") != before
    page.get_by_role("button", name="Apply this rate").click()
    expect(page.get_by_role("heading", name="Aim at 2 % of strangers instead of 1 %?")).to_be_visible()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("In force: 2 % of strangers may get in.")).to_be_visible()


def test_the_slider_warns_where_the_recordings_contradict_the_rate(page, acme):
    for voice in VOICES:
        enrolled(acme, voice, voice, utterances=3)
        enrolled(acme, f"{voice} again", voice, utterances=3)
    sign_in(page, acme)
    open_in_sidebar(page, "Thresholds")
    page.get_by_role("slider").focus()
    for key, shown, hidden in [("Home", "excess", "shortfall"), ("End", "shortfall", "excess")]:
        page.keyboard.press(key)
        expect(page.locator(f"[data-notice={shown}]")).to_be_visible()
        expect(page.locator(f"[data-notice={hidden}]")).to_be_hidden()


def test_chinese_is_chosen_and_spoken(page, acme, people, tiny):
    job = generations.begin(acme, tiny)
    sign_in(page, acme)
    page.get_by_text("unfold_more").click()
    page.get_by_role("button", name="简体中文").click()
    expect(page.locator("#nav-sidebar").get_by_text("声纹库", exact=True)).to_be_visible()
    lists = ["voiceprints/library/", "voiceprints/speaker/", "tenants/credential/", "tenants/membership/"]
    access = ["account/", "account/two-factor/", "tenants/membership/two-factor-rule/", "tenants/invitation/add/"]
    jobs = [
        "jobs/acme/",
        f"jobs/acme/{job.pk}/",
        f"jobs/acme/{job.pk}/cancel/",
        "jobs/acme/import/",
        "jobs/acme/export/",
    ]
    for address in [
        "",
        *lists,
        *jobs,
        *access,
        "models/acme/",
        "thresholds/acme/",
        "models/acme/compare/?model=tiny",
        "models/acme/switch/?model=tiny",
    ]:
        page.goto(f"/console/{address}")
        assert english_words(page) == set()
    page.goto("/console/voiceprints/library/?q=staff")
    page.get_by_role("link", name="acme / staff", exact=True).click()
    page.get_by_text("声纹分布图").scroll_into_view_if_needed()
    expect(page.locator("[data-map]")).to_be_visible()
    assert english_words(page) == set()
    page.get_by_role("link", name="alice", exact=True).first.click()
    expect(page.get_by_text("信噪比").first).to_be_visible()
    assert english_words(page) == set()


def english_words(page: Page) -> set[str]:
    """Words a reader of Chinese would stumble over, less names, units, code and the glyphs of the icon font."""
    no_words = ".material-symbols-outlined, code, .setup, [data-takes]"
    page.evaluate("names => document.querySelectorAll(names).forEach(one => one.remove())", no_words)
    people = r"Acme|acme|staff|guests|alice|bob|carol|owner"
    formats = r"UTF|zip|tar|gz|csv|JSONL?|manifest|recording\.wav|WAV"
    others = r"OPENVPR_[A-Z]+|HeadlessChrome|Linux|OpenVPR|UTC|WeSpeaker|docs/[a-z]+\.md"
    known = rf"{people}|{formats}|{others}|dBFS?|kHz|ID|ge2e|tiny|speechocean762.*|DET|[0-9a-f]{{16}}"
    return set(re.findall(r"[A-Za-z][A-Za-z ]{2,}", re.sub(known, "", page.locator("body").inner_text(), flags=re.I)))


def test_a_second_factor_is_set_up_and_asked_for(page, acme):
    sign_in(page, acme)
    page.get_by_text("unfold_more").click()
    page.get_by_role("link", name="Sign-in and sessions").click()
    page.get_by_role("link", name="Set up").click()
    picture = page.get_by_role("img", name="QR code for the authenticator app")
    assert picture.evaluate("image => image.naturalWidth") > 100
    seed = page.locator("#seed").inner_text()
    page.get_by_label("Code").fill(code_of(seed))
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Turn on").click()
    recovery_code = page.locator("#recovery-codes code").first.inner_text()
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("10 recovery codes are left")).to_be_visible()

    page.get_by_text("unfold_more").click()
    page.get_by_role("button", name="Log out").click()
    page.goto("/console/")
    page.get_by_label("Username").fill("acme-owner")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_label("Code").fill(recovery_code)
    page.keyboard.press("Enter")
    expect(page.locator("#figure-libraries")).to_be_visible()


def test_somebody_is_invited_and_joins(page, acme):
    sign_in(page, acme)
    open_in_sidebar(page, "Members")
    page.get_by_role("link", name="Invite").click()
    page.get_by_role("button", name="Save").click()
    link = page.locator("#link").inner_text()

    guest = page.context.browser.new_page(locale="en-US")
    guest.goto(link)
    expect(guest.get_by_text("acme-owner invites you to Acme as viewer.")).to_be_visible()
    guest.get_by_label("Username").fill("nina")
    guest.get_by_label("Password", exact=False).first.fill(PASSWORD)
    guest.get_by_label("Password confirmation").fill(PASSWORD)
    guest.get_by_role("button", name="Make an account and join").click()
    expect(guest.get_by_text("Welcome to Acme.")).to_be_visible()
    guest.close()


def test_what_to_paste_into_a_client_is_copied_with_the_secret_in_it(page, acme):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page, acme)
    page.goto("/console/tenants/credential/add/")
    page.get_by_role("button", name="Save").click()
    secret = page.locator("#secret").inner_text()
    setup = page.locator("details").first
    setup.locator("summary").press("Enter")
    setup.locator("button").first.click()
    expect(setup.locator("button").first).to_contain_text("check")
    assert secret in page.evaluate("() => navigator.clipboard.readText()")
