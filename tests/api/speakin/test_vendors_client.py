"""The vendor's own client library, unmodified, given nothing but another host."""

from __future__ import annotations

import ast
import importlib
import json
import threading
import warnings
from datetime import UTC, datetime

import pytest
from django.db import connections
from django.test import Client

from api.speakin.signature import DATE_FORMAT, authorization
from tenants.services import create_tenant
from tests.api.speakin.client import NOBODYS_ID, TOO_FEW_FILES, UNKNOWN_ID, Speakin, scores, vec_id
from tests.cast import KEN, SAMPLES, SUSAN, wav_of

with warnings.catch_warnings():
    # Generated for Python 2, with escapes in its patterns that newer Pythons warn of when they compile it.
    warnings.simplefilter("ignore")
    sdk = importlib.import_module("speakin_number_vec_sdk")
    ApiException = importlib.import_module("speakin_number_vec_sdk.rest").ApiException


@pytest.fixture
def credential(transactional_db):
    return create_tenant("acme")


@pytest.fixture
def vendors(live_server, credential):
    """The vendor's API object, signing as the vendor's document shows."""
    api_client = sdk.ApiClient(host=f"{live_server.url}/release")
    headers = {"Date": datetime.now(UTC).strftime(DATE_FORMAT), "Source": "test"}
    headers["Authorization"] = authorization(credential.key_id, credential.secret, headers)
    for name, value in headers.items():
        api_client.set_default_header(name, value)
    yield sdk.NumreleasevApi(api_client)
    hang_up(api_client)
    for thread in threading.enumerate():
        # Each holds its database connection until it has seen that the client hung up.
        if "process_request_thread" in thread.name:
            thread.join(10)
    connections.close_all()


def hang_up(api_client):
    pools = api_client.rest_client.pool_manager.pools
    for key in pools.keys():  # noqa: SIM118
        pools[key].close()


def evaluated(text):
    """What a client makes of the text that the library gives it: the text of a Python object."""
    return ast.literal_eval(text)


def registered(vendors, voice):
    paths = {f"file{number}": str(SAMPLES / voice / f"{number}.opus") for number in (1, 2, 3)}
    return vec_id(evaluated(vendors.post_num_vecforregister(**paths)))


def probed(vendors, voice):
    return vec_id(evaluated(vendors.post_num_vecforcompare(file1=str(SAMPLES / voice / "4.opus"))))


def compared(vendors, **keys):
    return evaluated(vendors.post_num_compare(sdk.VoiceprintRawcompareReq(**keys)))


def test_the_vendors_client_registers_probes_and_compares(vendors):
    susan, ken, probe = registered(vendors, SUSAN), registered(vendors, KEN), probed(vendors, SUSAN)
    reply = compared(vendors, vec_id=probe, cmp_vec_id_list=[ken, susan])
    assert [entry["cmpVecId"] for entry in reply["data"]["cmpResultList"]] == [ken, susan]
    other, same = scores(reply)
    assert other < reply["data"]["thresholdScore"] < same


def test_wav_files_are_taken_as_the_vendors_client_sends_them(vendors, tmp_path):
    path = tmp_path / "a-1.wav"
    path.write_bytes(wav_of(SUSAN))
    vec_id(evaluated(vendors.post_num_vecforcompare(file1=str(path))))


def test_the_vendors_client_leaves_out_files_silently(vendors):
    assert evaluated(vendors.post_num_vecforregister()) == TOO_FEW_FILES
    assert evaluated(vendors.post_num_vecforregister(file1=str(SAMPLES / SUSAN / "1.opus"), file2="")) == TOO_FEW_FILES
    assert evaluated(vendors.post_num_vecforcompare()) == TOO_FEW_FILES


def test_the_vendors_client_leaves_out_what_is_empty(vendors):
    """Nothing at all is sent when both are."""
    susan = probed(vendors, SUSAN)
    assert compared(vendors) == UNKNOWN_ID
    assert compared(vendors, vec_id=susan) == UNKNOWN_ID
    assert compared(vendors, vec_id=susan, cmp_vec_id_list=[]) == UNKNOWN_ID
    assert compared(vendors, cmp_vec_id_list=[susan]) == UNKNOWN_ID
    assert compared(vendors, vec_id=susan, cmp_vec_id_list=[NOBODYS_ID]) == UNKNOWN_ID


def test_the_vendors_client_shows_what_the_gateway_says(vendors):
    vendors.api_client.set_default_header("Source", "changed")
    with pytest.raises(ApiException) as raised:
        probed(vendors, SUSAN)
    assert raised.value.status == 403
    assert json.loads(raised.value.body) == {"message": "HMAC signature does not match"}


def test_the_vendors_client_may_be_called_back(vendors):
    replies = []
    vendors.post_num_vecforcompare(file1=str(SAMPLES / SUSAN / "4.opus"), callback=replies.append).join(60)
    vec_id(evaluated(replies[0]))


def test_what_it_registered_is_the_tenants(vendors, credential):
    ours = Speakin(Client(), credential)
    assert scores(ours.compare(registered(vendors, SUSAN), probed(vendors, SUSAN)))[0] > 60
