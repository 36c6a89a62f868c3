"""JD Cloud's own signing client, unmodified but for host and scheme, against a server on a real socket."""

import json
import uuid

import pytest
from jdcloud_apim_sdk.core.config import Config
from jdcloud_apim_sdk.core.credential import Credential as AccessKey
from jdcloud_apim_sdk.core.logger import FATAL, Logger
from jdcloud_apim_sdk.simpleclient import SimpleClient
from jdcloud_apim_sdk.simplerequest import SimpleRequest

from tests.api.jdcloud.client import VPR, described
from tests.cast import KEN, SUSAN, wav_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sdk(live_server, acme_credential):
    """Sends a packet as a customer's program does."""

    def send(content, mode="test", sequence=-1, secret=acme_credential.secret, **headers):
        endpoint = live_server.url.removeprefix("http://")
        client = SimpleClient(
            Config(endpoint, scheme="http", timeout=30), AccessKey(acme_credential.key_id, secret), Logger(FATAL)
        )
        # The test server is Python's own, which drops Server-Protocol: CGI has a variable of that name.
        headers = {
            "Content-Type": "application/octet-stream",
            "Request-Id": str(uuid.uuid4()),
            "Sequence-Id": str(sequence),
            "User-Id": "user-0001",
            "Net-State": "2",
            "Applicator": "1",
            "Property": described(mode),
        } | headers
        return client.send(SimpleRequest(VPR, "POST", header=headers, file=content))

    return send


def text(reply):
    assert reply.status_code == 200
    result = json.loads(reply.text)["result"]
    assert (result["status"], result["message"]) == (0, "")
    return result["result"][0]["text"]


def test_a_user_is_enrolled_twice_and_tested(sdk):
    assert text(sdk(wav_of(SUSAN, 1), "enroll")) == "enrolling"
    assert text(sdk(wav_of(SUSAN, 2), "enroll")) == "enrlled"
    assert text(sdk(wav_of(SUSAN, 3))) == "accept"
    assert text(sdk(wav_of(KEN, 3))) == "reject"


def test_a_body_of_text_is_signed_as_it_is(sdk):
    """Without a file the client signs the hash of what it sends."""
    assert sdk(None).json()["result"]["status"] == 63004


def test_a_wrong_secret_is_not_authenticated(sdk):
    reply = sdk(wav_of(SUSAN), secret="another")
    assert (reply.status_code, reply.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert reply.headers["x-jdcloud-request-id"] == reply.json()["requestId"]


def test_a_recording_is_streamed(sdk):
    content, request_id = wav_of(SUSAN), str(uuid.uuid4())
    packets = [content[start : start + 32_000] for start in range(0, len(content), 32_000)]
    for number, packet in enumerate(packets[:-1], start=1):
        reply = sdk(packet, "enroll", number, **{"Request-Id": request_id})
        assert reply.json()["result"] | {"message": ""} == {
            "request_id": request_id,
            "status": 0,
            "index": number,
            "message": "",
            "result": [],
        }
    assert text(sdk(packets[-1], "enroll", -len(packets), **{"Request-Id": request_id})) == "enrolling"
