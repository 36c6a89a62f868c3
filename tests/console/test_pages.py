"""How pages are served: few queries, nothing from elsewhere, errors in words."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import override
from unfold.admin import checkbox

from bench.console_pages import MOST_QUERIES, PAGES, TRANSACTION_CONTROL
from tenants.context import acting_as
from tenants.models import Tenant
from tenants.services import issue_credential, issue_token, set_default_model
from tests.cast import LIBRARY, audio
from tests.console.people import enrolled
from tests.console.test_permissions import LISTS, ROWS, address
from voiceprints import generations, services
from voiceprints.models import EmbeddingModel

STORED = {"audio/flac", "application/zip", "application/json"}
SOME_PAGES = [
    "/console/",
    "/console/voiceprints/library/",
    "/console/voiceprints/speaker/",
    "/console/voiceprints/speaker/?q=alice&status__exact=enrolled",
    "/console/tenants/credential/",
    "/console/tenants/accesstoken/",
    "/console/tenants/membership/",
    "/console/tenants/invitation/",
    "/console/account/",
]


def queries(client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(f"/console/{address}").status_code == 200
    # The calibration in force is looked up every few seconds, whoever asks.
    asked = [query["sql"] for query in captured if "calibration" not in query["sql"]]
    return len([sql for sql in asked if not sql.startswith(TRANSACTION_CONTROL)])


def shape(address: str) -> str:
    """Of a page, whichever row or tenant it is about."""
    return re.sub(r"\{\w+\}|\bacme\b", "*", address.partition("?")[0])


def is_page(reply) -> bool:
    """A recording, an archive or a receipt, which is handed out as it lies, is none."""
    if reply.streaming:
        list(reply)
    return reply.status_code == 200 and reply["Content-Type"] not in STORED


@pytest.mark.django_db
def test_every_page_is_measured(client_of, acme_rows):
    pages = {f"{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry}
    for client in [client_of("owner"), client_of("staff")]:
        pages |= {one for one in LISTS | ROWS if is_page(client.get(address(one, acme_rows)))}
    measured = {shape(page) for page, _ in PAGES}
    assert sorted(page for page in pages if shape(page) not in measured) == []


def checkboxes(client) -> tuple[list[str], int]:
    """Those of a list, and how many templates were rendered for them."""
    reply = client.get("/console/tenants/credential/")
    rendered = [template.name for template in reply.templates if "checkbox" in str(template.name)]
    return re.findall(r"<input type=.checkbox. [^>]*>", reply.content.decode()), len(rendered)


@pytest.mark.django_db
@pytest.mark.parametrize(("language", "label"), [("en", "Select record"), ("zh-hans", "选择记录")])
def test_the_checkboxes_of_a_list_are_unfolds_and_rendered_once_for_all_rows(language, label, client_of, acme):
    client = client_of("owner")
    client.cookies["django_language"] = language
    issue_credential(acme)
    _, few = checkboxes(client)
    for _ in range(3):
        issue_credential(acme)
    found, many = checkboxes(client)
    assert many <= few
    with acting_as(acme), override(language):
        keys = acme.credentials.values_list("pk", flat=True)
        assert {checkbox.render(ACTION_CHECKBOX_NAME, str(key)) for key in keys} <= set(found)
        assert label in str(found)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("who", ["owner", "staff"])
def test_every_page_takes_few_queries_however_many_rows_and_generations(who, client_of, acme, acme_rows, tiny):
    generations.begin(acme, tiny)
    client = client_of(who)
    rows = {name: row.pk for name, row in vars(acme_rows).items()}
    names = {"tenant": "acme", "tenant_id": acme.pk, "user": acme_rows.membership.user_id, "other": tiny, "begun": tiny}
    pages = [address.format(**rows, **names) for address, readers in PAGES if who in readers]
    for page in pages:
        client.get(f"/console/{page}")
    few = {page: queries(client, page) for page in pages}
    for number, voice in enumerate(["ken", "wei", "klaus"]):
        enrolled(acme, f"person {number}", voice, tag_id=f"tag {number}")
        issue_credential(acme)
        issue_token(acme, scopes=["read"])
        EmbeddingModel.objects.create(name=f"model {number}", dimension=8)
    enrolled(acme, "alice", "andrea", tag_id="guests", utterances=3)
    Tenant.objects.filter(pk=acme.pk).update(other_models=[tiny, "model 0", "model 1"])
    many = {page: queries(client, page) for page in pages}
    assert {page: count for page, count in many.items() if count > max(few[page], MOST_QUERIES)} == {}
    assert {page: count for page, count in many.items() if count > MOST_QUERIES} == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("page", "above"),
    [
        ("libraries/{library}/enroll/", "voiceprints/library/{library}/change/"),
        ("speakers/{speaker}/recordings/{utterance}/replace/", "voiceprints/speaker/{speaker}/change/"),
        ("speakers/{speaker}/consent/", "voiceprints/speaker/{speaker}/change/"),
        ("libraries/{library}/map/", "voiceprints/library/{library}/change/"),
        ("speakers/{speaker}/nearest/", "voiceprints/speaker/{speaker}/change/"),
        ("voiceprints/speaker/{speaker}/history/", "voiceprints/speaker/{speaker}/change/"),
        ("retention/acme/recordings/", "retention/acme/"),
        ("retention/acme/libraries/{library}/", "retention/acme/"),
        ("opt-outs/acme/consent/", "opt-outs/acme/"),
        ("erasures/acme/tenant/", "erasures/acme/"),
        ("jobs/acme/import/", "jobs/acme/"),
        ("jobs/acme/export/", "jobs/acme/"),
        ("jobs/acme/{job}/", "jobs/acme/"),
        ("erasures/acme/begin/", "erasures/acme/"),
        ("password_change/", "account/"),
    ],
)
def test_the_heading_of_a_page_leads_to_the_one_above_it(page, above, client_of, acme_rows):
    text = client_of("owner").get(address(page, acme_rows)).content.decode()
    heading = re.search(r"<h1.*?</h1>", text, re.DOTALL)[0]
    assert re.findall(r'href="([^"]*)"', heading) == [address(above, acme_rows)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("listing", "said"),
    [
        ("credential", {"key_id": "mine"}),
        ("accesstoken", {"label": "till", "scopes": ["read"]}),
        ("invitation", {"role": "viewer", "days": "3"}),
    ],
)
def test_what_is_shown_once_stands_below_its_list(listing, said, client_of):
    page = client_of("owner").post(f"/console/tenants/{listing}/add/", said, follow=True)
    heading = re.search(r"<h1.*?</h1>", page.content.decode(), re.DOTALL)[0]
    assert (re.findall(r'href="([^"]*)"', heading), "Add" in heading) == ([f"/console/tenants/{listing}/"], False)


@pytest.mark.django_db
def test_libraries_in_order_of_their_speakers_come_once_each(client_of, acme):
    for name in ("alice", "carol", "dave"):
        enrolled(acme, name, tag_id="many")
    enrolled(acme, "bob", tag_id="few", utterances=2)
    rows = client_of("owner").get("/console/voiceprints/library/?o=-3").context["cl"].result_list
    assert [(row.tag_id, row.speaker_count, row.count) for row in rows] == [("many", 3, 3), ("few", 1, 2)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("ann", ["ann", "anna"]),
        ("anna", ["anna"]),
        ("Ann", ["ann", "anna", "joann"]),
        ("oan", ["joann"]),
        ("blue", ["joann"]),
        ("gail", []),
        ("%", []),
    ],
)
def test_a_search_finds_ids_that_begin_so_or_else_whoever_has_it_anywhere(said, found, client_of, acme, globex):
    for name in ("ann", "anna", "joann"):
        speaker, _ = enrolled(acme, name)
    with acting_as(acme):
        acme.speakers.filter(pk=speaker.pk).update(info="Blue team")
    enrolled(globex, "gail")
    rows = client_of("viewer").get("/console/voiceprints/speaker/", {"q": said}).context["cl"].result_list
    assert sorted(row.external_id for row in rows) == found


@pytest.mark.django_db
def test_console_pages_load_nothing_from_elsewhere(client_of, acme_rows):
    client = client_of("owner")
    for page in [*SOME_PAGES, "/console/models/acme/", f"/console/voiceprints/speaker/{acme_rows.speaker.pk}/change/"]:
        text = client.get(page).content.decode()
        assert re.findall(r"""(?:src|href|action)=["'](?:https?:)?//""", text) == []
        assert re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", text) == []


@pytest.mark.django_db
def test_console_pages_carry_a_content_security_policy(client_of):
    policy = client_of("owner").get("/console/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self' 'unsafe-eval';" in policy


def test_other_answers_carry_no_console_policy(client):
    assert "Content-Security-Policy" not in client.get("/health/live").headers


@pytest.mark.parametrize("asset", ["console/copy.js", "console/icon.svg", "unfold/css/styles.css"])
def test_static_files_are_served_without_collecting_them(asset, client):
    response = client.get(f"/static/{asset}")
    assert (response.status_code, bool(b"".join(response))) == (200, True)


@pytest.mark.django_db
@pytest.mark.parametrize(("app", "title"), [("voiceprints", "Voiceprints"), ("tenants", "Access")])
def test_the_page_of_an_app_has_its_name(app, title, client_of):
    page = client_of("staff").get(f"/console/{app}/")
    assert (page.context["title"], b"administration" in page.content) == (title, False)


@pytest.mark.django_db
@pytest.mark.parametrize("listing", ["voiceprints/library", "tenants/credential", "auth/user"])
def test_a_page_to_add_something_says_so_and_does_not_lead_to_itself(listing, client_of, acme):
    client = client_of("staff")
    heading = r"<h1.*</h1>"
    listed, adding = (client.get(f"/console/{listing}/{page}").content.decode() for page in ("", "add/"))
    assert [bool(re.search(r">\s*Add\s*<", re.search(heading, one, re.DOTALL)[0])) for one in (listed, adding)] == [
        False,
        True,
    ]
    assert [f'href="/console/{listing}/add/' in one for one in (listed, adding)] == [True, False]


@pytest.mark.django_db
def test_a_page_bears_the_name_that_leads_to_it(client_of):
    client = client_of("staff")
    entries = [entry for group in client.get("/console/").context["sidebar_navigation"] for entry in group["items"]]
    lists = [entry for entry in entries if entry["link"].count("/") == 4]
    assert {str(entry["title"]): client.get(entry["link"]).context["title"] for entry in lists} == {
        str(entry["title"]): str(entry["title"]) for entry in lists
    }


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["speakers/{speaker}/nearest/", "libraries/{library}/map/"])
def test_a_part_that_is_a_page_of_its_own_is_not_called_by_anothers_name(page, client_of, acme_rows):
    alone = client_of("owner").get(address(page, acme_rows)).content.decode()
    assert "data-part" in alone
    assert 'id="nearest"' not in alone


@pytest.mark.django_db
def test_how_a_password_is_kept_is_shown_to_nobody(client_of, acme_rows):
    client, user = client_of("staff"), acme_rows.membership.user
    address = f"/console/auth/user/{user.pk}/change/"
    page = client.get(address).content.decode()
    assert "A password is set." in page
    assert not [part for part in user.password.split("$") if part in page]
    user.set_unusable_password()
    user.save()
    assert "No password is set." in client.get(address).content.decode()


@pytest.mark.django_db
def test_an_unknown_console_page_is_explained(client_of):
    response = client_of("owner").get("/console/voiceprints/nothing/")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_elsewhere_errors_are_json(client):
    response = client.get("/nowhere")
    assert (response.status_code, response.json()) == (404, {"status": 404, "title": "not found"})


@pytest.mark.django_db
def test_a_recording_is_played_in_parts(client_of, acme_rows):
    address = f"/console/recordings/{acme_rows.utterance.pk}.flac"
    response = client_of("operator").get(address, headers={"range": "bytes=0-3"})
    assert (response.status_code, b"".join(response.streaming_content)) == (206, b"fLaC")


@pytest.mark.django_db
def test_a_recording_whose_file_is_lost_is_not_found(client_of, acme_rows, recordings_folder):
    (recordings_folder / acme_rows.utterance.recording.name).unlink()
    response = client_of("operator").get(f"/console/recordings/{acme_rows.utterance.pk}.flac")
    assert response.status_code == 404


@pytest.mark.django_db
def test_of_an_embedding_alone_there_is_no_recording(client_of, acme, acme_rows):
    with acting_as(acme):
        acme.utterances.filter(pk=acme_rows.utterance.pk).update(recording="")
    assert client_of("operator").get(f"/console/recordings/{acme_rows.utterance.pk}.flac").status_code == 404


@pytest.mark.django_db
def test_home_counts_what_the_tenant_keeps(client_of, acme, globex, acme_rows):
    enrolled(globex, "gail", "ken")
    overview = client_of("owner").get("/console/").context["overview"]
    sums = overview.sums
    assert (overview.libraries, sums.enrolled, sums.enrolling, sums.recordings) == (1, 1, 0, 2)
    platform = client_of("staff").get("/console/").context["overview"]
    assert (platform.libraries, platform.sums.enrolled, platform.sums.recordings) == (2, 2, 3)


@pytest.fixture
def another_model():
    return EmbeddingModel.objects.create(name="another", dimension=192)


@pytest.mark.django_db
def test_home_names_the_model_that_answers_the_tenant_and_how_to_get_a_better_one(client_of, acme, another_model):
    staff = client_of("staff")
    page = staff.get("/console/?tenant=acme")
    assert (page.context["overview"].model.name, page.context["overview"].model.dimension) == ("ge2e", 256)
    assert b"models fetch resnet34-LM" in page.content

    acme.model = another_model.name
    acme.save()
    page = staff.get("/console/?tenant=acme")
    assert (page.context["overview"].model.name, page.context["overview"].model.dimension) == ("another", 192)
    assert b"not measured" in page.content
    assert b"--model another" in page.content
    assert b"models fetch" not in page.content


@pytest.mark.django_db
def test_home_tells_platform_staff_what_new_tenants_begin_with(client_of, acme, another_model):
    set_default_model("another")
    assert client_of("staff").get("/console/").context["overview"].model == another_model


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["?library=x", "?library=" + "9" * 30, "?library=²"])
def test_a_senseless_filter_finds_nobody(query, client_of, acme_rows):
    response = client_of("owner").get(f"/console/voiceprints/speaker/{query}")
    assert list(response.context["cl"].result_list) == []


@pytest.mark.django_db
@pytest.mark.django_db
@pytest.mark.parametrize(
    "page",
    [
        "?tenant=%00",
        "audit/?tenant=%00",
        "audit/csv/?tenant=%00",
        "usage.csv?tenant=%00",
        "voiceprints/speaker/?status__exact=%00",
        "tenants/tenant/?model=%00",
        "tenants/credential/?key_id__exact=%00",
    ],
)
def test_what_no_database_can_look_for_breaks_no_page(page, client_of, acme_rows):
    assert client_of("staff").get(f"/console/{page}").status_code in {200, 302, 400, 404}


@pytest.mark.parametrize("query", ["?org=%00", "?org=nobody"])
def test_a_senseless_organisation_has_no_libraries(query, client_of, acme_rows):
    response = client_of("owner").get(f"/console/voiceprints/library/{query}")
    assert list(response.context["cl"].result_list) == []


@pytest.mark.django_db
def test_a_library_keeps_the_names_that_clients_use(client_of, acme, acme_rows):
    data = {"org_id": "other", "tag_id": "other", "name": "Staff", "info": ""}
    client_of("owner").post(f"/console/voiceprints/library/{acme_rows.library.pk}/change/", data)
    page = client_of("viewer").get(f"/console/voiceprints/library/{acme_rows.library.pk}/change/")
    library = page.context["original"]
    assert (library.org_id, library.tag_id, library.name) == ("acme", "staff", "Staff")


@pytest.mark.django_db
def test_a_second_library_of_one_name_is_refused_in_words(client_of, acme_rows):
    page = client_of("owner").post("/console/voiceprints/library/add/", {"org_id": "acme", "tag_id": "staff"})
    assert page.status_code == 200
    assert page.context["errors"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("policy", "second", "said"),
    [
        ("warn", "susan", "yes, as far as can be heard"),
        ("warn", "ken", "1 recording does not sound like those before it"),
        ("refuse", "ken", "1 recording does not sound like those before it"),
        ("accept", "ken", "—"),
    ],
)
def test_a_speakers_page_tells_whether_one_voice_speaks(policy, second, said, client_of, acme):
    speaker = services.enroll(acme, LIBRARY, "someone", [audio("susan", 1), audio(second, 2)]).speaker
    Tenant.objects.filter(pk=acme.pk).update(consistency=policy)
    page = client_of("owner").get(f"/console/voiceprints/speaker/{speaker.pk}/change/")
    assert said in page.content.decode()


@pytest.mark.parametrize("page", ["", "audit/", "voiceprints/speaker/", "account/"])
def test_each_page_names_the_time_zone_of_its_times(page, client_of, acme_rows):
    with timezone.override("Asia/Shanghai"):
        shown = client_of("owner").get(f"/console/{page}").content.decode()
    assert "Times are those of the time zone Asia/Shanghai." in shown
