"""The recordings behind audio_url and audio_path."""

import pytest

from tenants.models import Tenant
from tenants.services import choose_dialects
from tests.api.abcpen.client import Abcpen, fetched
from tests.cast import SUSAN, recording

pytestmark = pytest.mark.django_db


@pytest.fixture
def address(abcpen):
    return abcpen.register(recording(SUSAN))["data"]["audio_url"]


@pytest.fixture
def path(address):
    """As the vendor has it, without our token."""
    return address[address.index("/voiceid/") :]


def test_the_address_gives_the_recording_as_flac(client, address):
    reply = fetched(client, address)
    assert (reply.status_code, reply["Content-Type"]) == (200, "audio/flac")
    assert reply.body.startswith(b"fLaC")


def test_the_recording_served_is_the_speakers(abcpen, client, address):
    assert abcpen.recognize(fetched(client, address).body)["data"][0]["score"] == pytest.approx(100, abs=0.5)


def test_a_player_may_seek(client, address):
    reply = fetched(client, address, headers={"Range": "bytes=0-3"})
    assert (reply.status_code, reply.body) == (206, b"fLaC")


def test_a_range_beyond_the_end_is_refused(client, address):
    assert fetched(client, address, headers={"Range": "bytes=99999999-"}).status_code == 416


def test_head_tells_the_length(client, address):
    reply = fetched(client, address, "head")
    assert int(reply["Content-Length"]) == len(fetched(client, address).body)
    assert reply.body == b""


def test_the_recording_is_for_this_client_alone(client, address):
    assert fetched(client, address)["Cache-Control"] == "private"


def test_an_expired_address_leads_nowhere(client, address, settings):
    settings.RECORDING_LINK_SECONDS = -1
    reply = fetched(client, address)
    assert (reply.status_code, reply.json()["code"]) == (404, "10106")


def test_a_changed_address_leads_nowhere(client, address):
    assert fetched(client, address.replace("/voiceid/acme/", "/voiceid/other/")).status_code == 404


def test_the_tokens_of_a_deleted_speaker_lead_nowhere(abcpen, address):
    abcpen.get("delete-all", org_id="acme")
    assert fetched(abcpen.client, address).status_code == 404


def test_the_plain_path_is_closed_to_strangers(client, path):
    reply = client.get(path)
    assert (reply.status_code, reply.json()) == (403, {"code": "10105", "msg": "illegal access"})


def test_the_plain_path_serves_whoever_signs_for_the_tenant(abcpen, path):
    assert fetched(abcpen.client, path, headers=abcpen.headers()).body.startswith(b"fLaC")


def test_the_plain_path_is_unknown_to_another_tenant(stranger, path):
    reply = fetched(stranger.client, path, headers=stranger.headers())
    assert (reply.status_code, reply.json()["code"]) == (404, "10106")


def test_two_tenants_have_recordings_of_their_own(abcpen, stranger, address):
    other = stranger.register(recording(SUSAN))["data"]["audio_url"]
    assert other.rpartition("/")[2] != address.rpartition("/")[2]


def test_the_address_is_the_public_one(acme_credential, client, settings):
    settings.PUBLIC_URL = "https://voices.example/sub"
    reply = Abcpen(client, acme_credential).register(recording(SUSAN))
    assert reply["data"]["audio_url"].startswith("https://voices.example/sub/r/")


@pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
def test_a_recording_can_only_be_fetched(client, address, method):
    assert fetched(client, address, method).status_code == 405


def test_a_closed_tenant_cannot_fetch_its_recordings_by_signing(abcpen, path):
    Tenant.objects.filter(pk=abcpen.tenant.pk).update(active=False)
    assert abcpen.client.get(path, headers=abcpen.headers()).status_code == 403


def test_an_address_that_was_given_out_ends_with_the_dialect(client, acme, address):
    choose_dialects(acme, ["native"])
    reply = fetched(client, address)
    assert (reply.status_code, reply.json()["code"]) == (403, "10110")
    choose_dialects(acme, ["abcpen", "native"])
    assert fetched(client, address).status_code == 200
