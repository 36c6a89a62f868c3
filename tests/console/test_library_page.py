"""A library's page: who is in it, its map, its export, moving people, and what is typed before it goes."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tenants.context import acting_as
from tests.console.people import enrolled

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def staff(acme):
    enrolled(acme, "alice", "susan", utterances=2)
    enrolled(acme, "alice again", "susan")
    return enrolled(acme, "bob", "ken")[0].library


@pytest.fixture
def guests(acme, staff):
    return enrolled(acme, "carol", "stephanie", tag_id="guests")[0].library


def words(response) -> str:
    return response.content.decode()


def speakers_of(tenant, library) -> set[str]:
    with acting_as(tenant):
        return set(library.speakers.values_list("external_id", flat=True))


def page_of(client, library, **query):
    return client.get(f"/console/voiceprints/library/{library.pk}/change/", query)


def listed(client, library, **query) -> list[str]:
    return [speaker.external_id for speaker in page_of(client, library, **query).context["library_page"].found]


def test_the_page_lists_its_speakers_newest_first(client_of, staff, guests):
    client = client_of("viewer")
    assert listed(client, staff) == ["bob", "alice again", "alice"]
    assert re.findall(r'<td data-label="recordings">(\d)</td>', words(page_of(client, staff))) == ["1", "1", "2"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "ali"}, {"alice", "alice again"}),
        ({"q": "blue"}, {"bob"}),
        ({"q": "blue", "status": "enrolling"}, set()),
        ({"q": "carol"}, set()),
        ({"status": "enrolled"}, {"alice", "alice again", "bob"}),
        ({"status": "enrolling"}, set()),
        ({"status": "nonsense", "o": "nonsense", "p": "²", "q": "\0"}, {"alice", "alice again", "bob"}),
    ],
)
def test_speakers_are_found_by_id_text_and_status(query, found, client_of, staff, guests):
    with acting_as(staff.tenant):
        staff.speakers.filter(external_id="bob").update(info="Blue team")
    assert set(listed(client_of("viewer"), staff, **query)) == found


@pytest.mark.parametrize(
    ("order", "first"), [("external_id", "alice"), ("-external_id", "bob"), ("created", "alice"), ("-created", "bob")]
)
def test_they_are_sorted(order, first, client_of, staff):
    client = client_of("viewer")
    assert listed(client, staff, o=order)[0] == first
    assert words(page_of(client, staff, o=order)).count('aria-sort="none"') == 3


def test_they_come_page_by_page_with_what_was_asked(client_of, staff, monkeypatch):
    monkeypatch.setattr("voiceprints.library_page.ROWS_SHOWN", 1)
    client = client_of("viewer")
    first = words(page_of(client, staff, q="alice", o="external_id"))
    assert "Page 1 of 2, 2 speakers" in first
    assert "?q=alice&amp;o=external_id&amp;p=2" in first
    assert listed(client, staff, q="alice", o="external_id", p="2") == ["alice again"]
    assert listed(client, staff, q="alice", o="external_id", p="99") == ["alice again"]


def sent_by(page: str, **chosen) -> tuple[str, dict[str, object]]:
    """Where the list's form goes to, with what it holds."""
    action = re.search(r'action="(/console/voiceprints/speaker/[^"]*)"', page)
    return unescape(action[1]), {"index": "0"} | chosen


def test_all_that_were_found_are_deleted_once_their_number_is_typed(client_of, acme, staff, guests):
    client = client_of("operator")
    page = page_of(client, staff, q="alice")
    chosen = page.context["library_page"].found[0].pk
    address, sent = sent_by(words(page), action="delete_selected", select_across="1", _selected_action=chosen)
    asked = words(client.post(address, sent))
    assert all(
        said in asked for said in ("2 voiceprints", "3 recordings", "Type how many voiceprints go, <code>2</code>,")
    )
    client.post(address, sent | {"confirmed": "yes", "typed": "3"})
    assert len(speakers_of(acme, staff)) == 3
    client.post(address, sent | {"confirmed": "yes", "typed": "2"})
    assert (speakers_of(acme, staff), speakers_of(acme, guests)) == ({"bob"}, {"carol"})


def test_those_that_were_chosen_are_moved(client_of, acme, staff, guests):
    client = client_of("operator")
    bob = people(acme, "bob")[0]
    address, sent = sent_by(words(page_of(client, staff)), action="move", _selected_action=bob.pk)
    assert "Move this speaker to another library?" in words(client.post(address, sent))
    client.post(address, sent | {"confirmed": "yes", "library": guests.pk})
    assert speakers_of(acme, guests) == {"bob", "carol"}


def test_readers_get_no_boxes_and_no_deeds(client_of, staff):
    page = words(page_of(client_of("auditor"), staff))
    assert "_selected_action" not in page
    assert 'name="action"' not in page


def test_another_tenant_finds_nobody_whatever_it_asks(client_of, staff):
    client = client_of("globex")
    for query in ({}, {"q": "alice"}, {"status": "enrolled"}, {"p": "1"}):
        assert page_of(client, staff, **query).headers["Location"] == "/console/"
    assert client.get(f"/console/libraries/{staff.pk}/map/").status_code == 404


@pytest.mark.parametrize(("who", "changes"), [("owner", 1), ("operator", 1), ("viewer", 0)])
def test_buttons_are_for_whom_they_work(who, changes, client_of, staff):
    page = words(client_of(who).get(f"/console/voiceprints/library/{staff.pk}/change/"))
    assert page.count(f"/console/libraries/{staff.pk}/enroll/") == changes
    assert page.count(f"/console/try/?library={staff.pk}") == changes
    assert page.count(f"/console/jobs/acme/export/?library={staff.pk}") == changes


def test_the_map_says_in_words_what_it_shows(client_of, staff):
    page = words(client_of("viewer").get(f"/console/libraries/{staff.pk}/map/"))
    assert "1 pair of near duplicates" in page
    assert "whoever is there twice is deleted at the foot of one of them" in page
    assert page.count('class="duplicate"') == 2 + 1
    assert page.index(">alice<") < page.index(">alice again<")


def move(client, speakers, **said):
    chosen = {"action": "move", "_selected_action": [speaker.pk for speaker in speakers]}
    return client.post("/console/voiceprints/speaker/", chosen | said, follow=True)


def people(tenant, *names):
    with acting_as(tenant):
        return list(tenant.speakers.filter(external_id__in=names))


def test_speakers_are_moved_after_asking_where(client_of, acme, staff, guests):
    client = client_of("operator")
    chosen = people(acme, "alice", "bob")
    assert "Move these 2 speakers to another library?" in words(move(client, chosen))
    assert speakers_of(acme, staff) == {"alice", "alice again", "bob"}
    page = words(move(client, chosen, confirmed="yes", library=guests.pk))
    assert "2 speakers are in acme / guests now." in page
    assert speakers_of(acme, staff) == {"alice again"}


def test_no_library_is_chosen_beforehand_and_the_one_they_are_in_is_not_offered(client_of, acme, staff, guests):
    client, bob = client_of("operator"), people(acme, "bob")
    page = words(move(client, bob))
    assert "<option" not in page.partition('name="library"')[2].partition("</select>")[0]
    assert libraries_offered(client, page) == ["acme / guests"]
    for target in ("", staff.pk):
        refused = words(move(client, bob, confirmed="yes", library=target))
        assert "Choose a library in which they are not yet. Nobody was moved." in refused


def libraries_offered(client, page, term="") -> list[str]:
    address = unescape(re.search('data-ajax--url="(.*?)"', page)[1])
    field = "app_label=voiceprints&model_name=speaker&field_name=library"
    return [found["text"] for found in client.get(f"{address}&{field}&term={term}").json()["results"]]


def test_platform_staff_are_offered_the_libraries_of_the_speakers_tenant(client_of, acme, globex, staff, guests):
    enrolled(globex, "mallory", "wei")
    client = client_of("staff")
    page = words(move(client, people(acme, "bob", "carol")))
    assert libraries_offered(client, page) == ["Acme · acme / guests", "Acme · acme / staff"]


def test_an_address_narrows_the_libraries_offered_and_widens_them_for_nobody(client_of, acme, globex, guests):
    theirs, client = enrolled(globex, "mallory", "wei")[0].library, client_of("globex")
    for tenant, found in ((acme, []), (globex, [str(theirs)])):
        page = f'data-ajax--url="/console/autocomplete/?tenant={tenant.pk}&amp;but=nonsense"'
        assert libraries_offered(client, page) == found


def test_whoever_moved_them_stands_at_the_library_where_they_are_now(client_of, acme, staff, guests):
    response = move(client_of("operator"), people(acme, "bob"), confirmed="yes", library=guests.pk)
    assert response.redirect_chain[-1][0] == f"/console/voiceprints/library/{guests.pk}/change/"


def test_names_that_are_taken_are_named_and_nobody_moves(client_of, acme, staff, guests):
    enrolled(acme, "bob", "wei", tag_id="guests")
    chosen = [one for one in people(acme, "alice", "bob") if one.library_id == staff.pk]
    page = words(move(client_of("operator"), chosen, confirmed="yes", library=guests.pk))
    assert "Nobody was moved. These names are taken there: bob." in page
    assert speakers_of(acme, staff) == {"alice", "alice again", "bob"}


def test_nobody_moves_to_or_out_of_another_tenant(client_of, acme, globex, staff):
    theirs = enrolled(globex, "mallory", "wei")[0].library
    chosen = people(acme, "alice")
    page = words(move(client_of("owner"), chosen, confirmed="yes", library=theirs.pk))
    assert "Move this speaker to another library?" in page
    move(client_of("globex"), chosen, confirmed="yes", library=theirs.pk)
    assert "Choose speakers of one tenant." in words(
        move(client_of("staff"), [*chosen, *people(globex, "mallory")], confirmed="yes", library=theirs.pk)
    )
    assert "alice" in speakers_of(acme, staff)
    assert speakers_of(globex, theirs) == {"mallory"}


@pytest.mark.parametrize("typed", ["", "acme", "ACME / STAFF"])
def test_a_library_goes_only_when_its_name_is_typed(typed, client_of, acme, staff):
    client = client_of("operator")
    address = f"/console/voiceprints/library/{staff.pk}/delete/"
    asked = words(client.get(address))
    assert "Type the name, <code>acme / staff</code>, to confirm" in asked
    assert all(words in asked for words in ("3 voiceprints", "4 recordings"))
    refused = words(client.post(address, {"confirmed": "yes", "typed": typed}))
    assert "That is not acme / staff. Nothing was removed." in refused
    assert len(speakers_of(acme, staff)) == 3


def test_several_libraries_go_when_the_number_of_voiceprints_is_typed(client_of, acme, staff, guests):
    client = client_of("operator")
    chosen = {"action": "empty", "_selected_action": [staff.pk, guests.pk], "confirmed": "yes"}
    client.post("/console/voiceprints/library/", chosen | {"typed": "3"})
    assert len(speakers_of(acme, staff)) == 3
    client.post("/console/voiceprints/library/", chosen | {"typed": "4"})
    assert speakers_of(acme, staff) == set()
