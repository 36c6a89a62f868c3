"""Libraries, speakers and utterances: looked through, looked at, changed and removed."""

from __future__ import annotations

import pytest

from tenants.context import acting_as
from tests.api.native.client import STAFF, problem
from tests.cast import KEN, LIBRARY, SUSAN, audio, recording
from voiceprints.models import Library
from voiceprints.results import LibraryKey
from voiceprints.services import enroll

pytestmark = pytest.mark.django_db


@pytest.fixture
def susan(acme):
    return enroll(acme, LIBRARY, "susan", [audio(SUSAN, 1), audio(SUSAN, 2)]).speaker


@pytest.fixture
def ids(susan, acme) -> dict[str, int]:
    with acting_as(acme):
        utterance = susan.utterances.order_by("pk").first()
    return {"libraries": susan.library_id, "speakers": susan.pk, "utterances": utterance.pk}


def made(native, org_id, tag_id="", **fields):
    reply = native.post("libraries", {"org_id": org_id, "tag_id": tag_id} | fields)
    assert reply.status_code == 201
    return reply.json()


def test_a_library_is_made_and_found_where_it_is_said_to_be(native):
    reply = native.post("libraries", STAFF | {"name": "Staff", "info": "两行\n文字"})
    library = reply.json()
    assert reply.status_code == 201
    assert library | {"id": 0, "created": ""} == {
        "id": 0,
        "org_id": "acme",
        "tag_id": "staff",
        "name": "Staff",
        "info": "两行\n文字",
        "speaker_count": 0,
        "created": "",
    }
    again = native.client.get(reply["Location"], headers=native.authorization)
    assert (again.json(), again["ETag"]) == (library, reply["ETag"])


def test_a_library_is_made_once(native):
    made(native, "acme", "staff")
    reply = native.post("libraries", STAFF)
    assert problem(reply) == (409, "library-exists")
    assert (reply.json()["org_id"], reply.json()["tag_id"]) == ("acme", "staff")


def test_a_library_is_made_from_a_form(native):
    assert native.form("libraries", org_id="acme", name="Über").json()["name"] == "Über"


def test_what_is_left_out_of_a_change_stays(native):
    library = made(native, "acme", name="old", info="kept")
    changed = native.patch(f"libraries/{library['id']}", {"name": "new"})
    assert changed.json() == library | {"name": "new"}
    assert native.get(f"libraries/{library['id']}").json() == changed.json()


def test_a_library_goes_with_everybody_in_it(native, ids, recordings_folder, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        assert native.delete(f"libraries/{ids['libraries']}").status_code == 204
    assert problem(native.get(f"speakers/{ids['speakers']}")) == (404, "speaker-not-found")
    assert [path for path in recordings_folder.rglob("*") if path.is_file()] == []


def test_an_emptied_library_stays(native, ids):
    reply = native.post(f"libraries/{ids['libraries']}/empty")
    assert reply.json() == {"speakers": 1, "recordings": 2}
    assert native.get(f"libraries/{ids['libraries']}").json()["speaker_count"] == 0


def test_speakers_move_to_another_library_and_keep_their_recordings(native, susan, ids):
    made(native, "acme", tag_id="guests")
    before = heard(native, ids["utterances"])
    moving = {"speakers": [susan.pk, 999_999], "org_id": "acme", "tag_id": "guests"}
    assert native.post("speakers/move", moving).json() == {"speakers": 1}
    assert native.get(f"speakers/{susan.pk}").json()["tag_id"] == "guests"
    assert heard(native, ids["utterances"]) == before


def heard(native, utterance_id: int) -> bytes:
    return b"".join(native.get(f"utterances/{utterance_id}/recording").streaming_content)


def test_names_that_are_taken_there_keep_everybody_here(native, susan, acme):
    enroll(acme, LibraryKey("acme", "guests"), "susan", [audio("wei", 1)])
    moving = {"speakers": [susan.pk], "org_id": "acme", "tag_id": "guests"}
    refused = native.post("speakers/move", moving)
    assert problem(refused) == (409, "speakers-exist")
    assert refused.json()["names"] == ["susan"]
    assert native.get(f"speakers/{susan.pk}").json()["tag_id"] == "staff"


def test_nobody_moves_into_a_library_that_is_not_there_or_out_of_another_tenant(native, stranger, susan):
    moving = {"speakers": [susan.pk], "org_id": "theirs"}
    assert problem(native.post("speakers/move", moving)) == (404, "library-not-found")
    stranger.post("libraries", {"org_id": "theirs"})
    assert stranger.post("speakers/move", moving).json() == {"speakers": 0}
    assert native.get(f"speakers/{susan.pk}").json()["org_id"] == "acme"


def test_a_speaker_is_described(native, susan):
    speaker = native.get(f"speakers/{susan.pk}").json()
    assert speaker | {"created": "", "last_heard": ""} == {
        "id": susan.pk,
        "library_id": susan.library_id,
        "org_id": "acme",
        "tag_id": "staff",
        "external_id": "susan",
        "info": "",
        "status": "enrolled",
        "utterance_count": 2,
        "created": "",
        "last_heard": "",
    }
    assert speaker["created"].endswith("Z")


def test_the_info_of_a_speaker_is_changed(native, susan):
    assert native.patch(f"speakers/{susan.pk}", {"info": "left"}).json()["info"] == "left"
    assert native.get(f"speakers/{susan.pk}").json()["info"] == "left"


@pytest.mark.parametrize("body", [{"external_id": "ken"}, {"status": "enrolled"}, {"info": None}])
def test_nothing_else_of_a_speaker_is(body, native, susan):
    assert problem(native.patch(f"speakers/{susan.pk}", body)) == (422, "invalid-request")


def test_an_utterance_is_described_with_its_quality(native, ids):
    utterance = native.get(f"utterances/{ids['utterances']}").json()
    assert (utterance["speaker_id"], utterance["external_id"]) == (ids["speakers"], "susan")
    assert utterance["quality"]["speech_seconds"] > 2
    assert utterance["quality"]["warnings"] == []
    assert utterance["has_recording"] is True


def test_without_one_utterance_the_other_still_counts(native, ids):
    assert native.delete(f"utterances/{ids['utterances']}").status_code == 204
    speaker = native.get(f"speakers/{ids['speakers']}").json()
    assert (speaker["utterance_count"], speaker["status"]) == (1, "enrolled")


def test_without_any_utterance_the_speaker_is_enrolling(native, ids):
    for utterance in native.get("utterances", speaker_id=ids["speakers"]).json()["items"]:
        native.delete(f"utterances/{utterance['id']}")
    speaker = native.get(f"speakers/{ids['speakers']}").json()
    assert (speaker["utterance_count"], speaker["status"], speaker["last_heard"]) == (0, "enrolling", None)


def test_a_recording_is_heard_whole_or_in_part(native, ids):
    path = f"utterances/{ids['utterances']}/recording"
    whole = native.get(path)
    content = whole.getvalue()
    assert (whole.status_code, whole["Content-Type"], content[:4]) == (200, "audio/flac", b"fLaC")
    some = native.get(path, headers={"Range": "bytes=4-9"})
    assert (some.status_code, some.getvalue(), some["Content-Range"]) == (
        206,
        content[4:10],
        f"bytes 4-9/{len(content)}",
    )
    assert native.get(path, headers={"Range": f"bytes={len(content)}-"}).status_code == 416
    assert native.get(path, headers={"If-None-Match": whole["ETag"]}).status_code == 304
    assert native.ask("HEAD", path)["Content-Length"] == str(len(content))


def test_a_recording_is_no_json(native, ids):
    path = f"utterances/{ids['utterances']}/recording"
    assert problem(native.get(path, headers={"Accept": "application/json"})) == (406, "not-acceptable")


def test_a_recording_that_is_gone_is_not_found(native, ids, recordings_folder):
    for file in recordings_folder.rglob("*.flac"):
        file.unlink()
    assert problem(native.get(f"utterances/{ids['utterances']}/recording")) == (404, "recording-not-found")


@pytest.mark.parametrize("kind", ["libraries", "speakers"])
class TestVersions:
    def test_what_is_known_is_not_sent_again(self, kind, native, ids):
        path = f"{kind}/{ids[kind]}"
        etag = native.get(path)["ETag"]
        reply = native.get(path, headers={"If-None-Match": f'"other", W/{etag}'})
        assert (reply.status_code, reply.content, reply["ETag"]) == (304, b"", etag)
        assert native.get(path, headers={"If-None-Match": '"other"'}).status_code == 200

    def test_a_change_makes_another_version(self, kind, native, ids):
        path = f"{kind}/{ids[kind]}"
        before, changed = native.get(path), native.patch(path, {"info": "new"})
        assert changed["ETag"] != before["ETag"]
        assert native.get(path)["ETag"] == changed["ETag"]

    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    def test_a_version_that_is_no_more_is_not_touched(self, kind, method, native, ids):
        path = f"{kind}/{ids[kind]}"
        old = native.get(path)["ETag"]
        native.patch(path, {"info": "new"})
        for expected in (old, f"W/{old}", '"x"', "x"):
            reply = native.ask(method, path, {"info": "lost"} if method == "PATCH" else None, {"If-Match": expected})
            assert problem(reply) == (412, "precondition-failed")
        assert native.get(path).json()["info"] == "new"

    @pytest.mark.parametrize("expected", ["{etag}", '"other", {etag}', "*"])
    def test_the_expected_version_is_changed_and_removed(self, kind, expected, native, ids):
        path = f"{kind}/{ids[kind]}"
        etag = native.get(path)["ETag"]
        reply = native.patch(path, {"info": "new"}, {"If-Match": expected.format(etag=etag)})
        assert reply.status_code == 200
        assert native.delete(path, {"If-Match": expected.format(etag=reply["ETag"])}).status_code == 204

    def test_somebody_else_enrolling_makes_another_version(self, kind, native, ids, acme):
        path = f"{kind}/{ids[kind]}"
        etag = native.get(path)["ETag"]
        if kind == "libraries":
            enroll(acme, LIBRARY, "ken", [audio(KEN)])
        else:
            native.enroll("susan", recording(SUSAN, 3), when_enrolled="add")
        assert problem(native.delete(path, {"If-Match": etag})) == (412, "precondition-failed")


def test_a_library_in_another_version_is_not_emptied(native, ids):
    path = f"libraries/{ids['libraries']}"
    etag = native.get(path)["ETag"]
    native.patch(path, {"info": "new"})
    assert problem(native.post(f"{path}/empty", headers={"If-Match": etag})) == (412, "precondition-failed")
    assert native.get(path).json()["speaker_count"] == 1


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "libraries/{libraries}", "library-not-found"),
        ("PATCH", "libraries/{libraries}", "library-not-found"),
        ("DELETE", "libraries/{libraries}", "library-not-found"),
        ("POST", "libraries/{libraries}/empty", "library-not-found"),
        ("GET", "speakers/{speakers}", "speaker-not-found"),
        ("PATCH", "speakers/{speakers}", "speaker-not-found"),
        ("DELETE", "speakers/{speakers}", "speaker-not-found"),
        ("GET", "utterances/{utterances}", "utterance-not-found"),
        ("DELETE", "utterances/{utterances}", "utterance-not-found"),
        ("GET", "utterances/{utterances}/recording", "utterance-not-found"),
    ],
)
def test_another_tenants_rows_are_not_found(method, path, name, *, stranger, native, ids):
    body = {} if method == "PATCH" else None
    theirs = stranger.ask(method, path.format(**ids), body)
    nobodys = stranger.ask(method, path.format(libraries=999_999, speakers=999_999, utterances=999_999), body)
    assert problem(theirs) == problem(nobodys) == (404, name)
    assert native.ask("HEAD", path.format(**ids).removesuffix("/empty")).status_code == 200


@pytest.mark.parametrize("listing", ["libraries", "speakers", "utterances"])
def test_another_tenant_lists_nothing_of_ours(listing, stranger, ids):
    assert stranger.get(listing).json() == {"items": [], "next_cursor": None}
    assert stranger.get(listing, org_id="acme").json()["items"] == []


def test_a_probe_is_nobody(native, acme):
    kept = enroll(acme, LIBRARY, "probe", [audio(SUSAN)], probe=True)
    assert native.get("speakers").json()["items"] == []
    assert native.get("utterances").json()["items"] == []
    assert native.get("libraries").json()["items"][0]["speaker_count"] == 0
    assert native.get(f"speakers/{kept.speaker.pk}").status_code == 404
    assert native.get(f"utterances/{kept.utterances[0].pk}").status_code == 404


def listed(native, what, **query):
    return [row["org_id"] + row["tag_id"] for row in native.get(what, **query).json()["items"]]


def pages(native, what, **query):
    """All rows of a listing, page by page, as a client would go through them."""
    rows, cursor = [], None
    while True:
        page = native.get(what, **query | ({"cursor": cursor} if cursor else {})).json()
        rows += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return rows


@pytest.fixture
def five(acme):
    with acting_as(acme):
        return [
            Library.all_tenants.create(tenant=acme, org_id=org, tag_id=tag)
            for org, tag in [("b", "2"), ("a", "1"), ("b", "1"), ("c", ""), ("a", "2")]
        ]


@pytest.mark.parametrize(
    ("ordering", "expected"),
    [
        ("created", ["b2", "a1", "b1", "c", "a2"]),
        ("-created", ["a2", "c", "b1", "a1", "b2"]),
        ("org_id", ["a1", "a2", "b1", "b2", "c"]),
        ("-org_id", ["c", "b2", "b1", "a2", "a1"]),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 5, 200])
def test_pages_together_are_the_listing_in_its_order(ordering, expected, limit, *, native, five):
    rows = pages(native, "libraries", ordering=ordering, limit=limit)
    assert [row["org_id"] + row["tag_id"] for row in rows] == expected


def test_what_is_inserted_meanwhile_moves_no_page(native, five, acme):
    first = native.get("libraries", ordering="org_id", limit=2).json()
    made(native, "a", "0")
    made(native, "b", "0")
    rest = pages(native, "libraries", ordering="org_id", limit=2, cursor=first["next_cursor"])
    assert [row["org_id"] + row["tag_id"] for row in rest] == ["b0", "b1", "b2", "c"]


def test_the_next_page_is_linked(native, five):
    reply = native.get("libraries", ordering="org_id", limit=3)
    link = reply["Link"].removeprefix("<http://testserver/api/v1/libraries").removesuffix('>; rel="next"')
    following = native.client.get("/api/v1/libraries" + link, headers=native.authorization)
    assert [row["org_id"] for row in following.json()["items"]] == ["b", "c"]
    assert "Link" not in following.headers


def test_a_cursor_brings_its_own_order(native, five):
    cursor = native.get("libraries", ordering="-org_id", limit=3).json()["next_cursor"]
    assert listed(native, "libraries", cursor=cursor) == ["a2", "a1"]


def test_a_cursor_of_another_listing_is_refused(native, five):
    cursor = native.get("libraries", ordering="org_id", limit=3).json()["next_cursor"]
    assert native.get("speakers", cursor=cursor).json()["errors"][0]["detail"] == "Not a cursor of this listing."
    by_time = native.get("libraries", limit=3).json()["next_cursor"]
    assert problem(native.get("speakers", cursor=by_time)) == (422, "invalid-request")
    assert problem(native.get("libraries", cursor=cursor + "x")) == (422, "invalid-request")


def test_libraries_are_filtered(native, five):
    assert listed(native, "libraries", org_id="b") == ["b2", "b1"]
    assert listed(native, "libraries", org_id="b", tag_id="1") == ["b1"]
    assert listed(native, "libraries", tag_id="") == ["c"]
    middle = native.get(f"libraries/{five[2].pk}").json()["created"]
    assert listed(native, "libraries", created_from=middle) == ["b1", "c", "a2"]
    assert listed(native, "libraries", created_before=middle) == ["b2", "a1"]


def test_speakers_and_utterances_are_filtered(native, susan, acme):
    other = enroll(acme, LibraryKey("acme", "guests"), "ken", [audio(KEN)], required_utterances=2).speaker

    def names(what, **query):
        return sorted({row["external_id"] for row in native.get(what, **query).json()["items"]})

    assert names("speakers") == names("utterances") == ["ken", "susan"]
    for what in ("speakers", "utterances"):
        assert names(what, tag_id="guests") == names(what, external_id="ken") == ["ken"]
        assert names(what, org_id="nobody") == []
    assert names("speakers", status="enrolling") == names("speakers", library_id=other.library_id) == ["ken"]
    assert names("speakers", ordering="-external_id") == ["ken", "susan"]
    assert names("utterances", speaker_id=susan.pk) == ["susan"]


@pytest.mark.parametrize("path", ["libraries", "speakers", "utterances"])
def test_what_can_be_got_can_be_headed(path, native, ids):
    for address in (path, f"{path}/{ids[path]}"):
        got, headed = native.get(address), native.ask("HEAD", address)
        assert (headed.status_code, headed.content) == (200, b"")
        assert headed.get("ETag") == got.get("ETag")
