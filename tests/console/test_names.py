"""Whoever has a name that is drawn as nothing is seen and reached all the same."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tenants.context import acting_as
from tests.cast import audio, recording
from tests.console.people import PASSWORD
from tests.console.test_permissions import address
from voiceprints import services
from voiceprints.models import JobRow
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db

BLANK, SEEN = "\u200b \u3164", "⟨U+200B⟩ ⟨U+3164⟩"


@pytest.fixture
def blank(acme, acme_rows):
    """A speaker of that name in a library of that name."""
    key = LibraryKey(BLANK, BLANK)
    speaker = services.enroll(acme, key, BLANK, [audio("susan", number) for number in (1, 2)]).speaker
    services.enroll(acme, key, "ken", [audio("ken")])
    with acting_as(acme):
        acme.job_rows.filter(outcome=JobRow.Outcome.FAILED).update(org_id=BLANK, external_id=BLANK)
    acme_rows.speaker, acme_rows.library = speaker, speaker.library
    return acme_rows


PAGES = [
    "",
    "voiceprints/library/",
    "voiceprints/library/{library}/change/",
    "voiceprints/library/{library}/delete/",
    "voiceprints/speaker/",
    "voiceprints/speaker/{speaker}/change/",
    "voiceprints/speaker/{speaker}/delete/",
    "libraries/{library}/map/",
    "libraries/{library}/enroll/",
    "jobs/acme/{job}/",
    "audit/",
]


@pytest.mark.parametrize("page", PAGES)
def test_a_name_that_is_drawn_as_nothing_is_seen(page, client_of, blank):
    assert SEEN in client_of("owner").get(address(page, blank)).content.decode()


@pytest.mark.parametrize("listing", ["", "voiceprints/speaker/", "voiceprints/library/{library}/change/"])
def test_it_can_be_clicked(listing, client_of, blank):
    page = client_of("owner").get(address(listing, blank)).content.decode()
    speaker = f'href="/console/voiceprints/speaker/{blank.speaker.pk}/change/'
    link = next(part for part in page.split("<a ")[1:] if speaker in part.partition(">")[0])
    assert SEEN in link.partition("</a>")[0]


def test_the_audit_trail_keeps_the_name_that_was_given(client_of, acme, blank):
    exported = b"".join(client_of("owner").get("/console/audit/jsonl/?action=library.made")).decode()
    assert BLANK in exported
    assert SEEN not in exported


def test_a_library_is_deleted_by_the_name_that_its_page_shows(client_of, acme, blank):
    typed = {"confirmed": "yes", "typed": f"{SEEN} / {SEEN}"}
    client_of("owner").post(address("voiceprints/library/{library}/delete/", blank), typed)
    with acting_as(acme):
        assert not acme.libraries.filter(pk=blank.library.pk).exists()


# --- What the console's own forms refuse -----------------------------------------------------------------------------

NOTHING, TURNED = "Nobody could see this name", "It holds characters that turn around"
UNSEEN = ["\u200b", "\u2060", "\ufeff", "\u00ad", "\u115f", "\u3164", "\u2800", "\u200b \u3164"]


@pytest.mark.parametrize(("name", "said"), [*((name, NOTHING) for name in UNSEEN), ("ab\u202egnp.exe", TURNED)])
@pytest.mark.parametrize("field", ["org_id", "tag_id", "name"])
def test_a_library_is_not_named_so(name, said, field, client_of, acme):
    page = client_of("owner").post(
        "/console/voiceprints/library/add/", {"org_id": "acme", "tag_id": "new", field: name}
    )
    assert said in page.content.decode()
    with acting_as(acme):
        assert not acme.libraries.exists()


@pytest.mark.parametrize(("name", "said"), [("\u3164", NOTHING), ("ab\u202egnp.exe", TURNED)])
def test_nobody_else_is_named_so(name, said, client_of, acme, acme_rows):
    staff, address = client_of("staff"), f"/console/libraries/{acme_rows.library.pk}/enroll/"
    passwords = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    pages = [
        staff.post("/console/tenants/tenant/add/", {"slug": "initech", "name": name}),
        staff.post(f"/console/tenants/tenant/{acme.pk}/change/", {"name": name}),
        staff.post("/console/auth/user/add/", {"username": name, **passwords}),
        staff.post(
            address,
            {"external_id": name, "audio": SimpleUploadedFile("ken.opus", recording("ken", 1))},
            headers={"hx-request": "true"},
        ),
        staff.post("/console/jobs/acme/import/", {"org_id": name, "when_enrolled": "refuse"}),
    ]
    assert [said in page.content.decode() or "valid username" in page.content.decode() for page in pages] == [True] * 5


def test_a_library_whose_name_looks_the_same_is_not_added_beside_another(client_of, acme):
    client, address = client_of("owner"), "/console/voiceprints/library/add/"
    client.post(address, {"org_id": "caf\u00e9"})
    page = client.post(address, {"org_id": "cafe\u0301"}).content.decode()
    assert "A library of this name is there" in page
    client_of("globex").post(address, {"org_id": "cafe\u0301"})
    client.post(address, {"org_id": "cafe"})
    with acting_as(acme):
        assert {library.org_id for library in acme.libraries.all()} == {"caf\u00e9", "cafe"}
