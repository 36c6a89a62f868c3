"""What all rooms share."""

import pytest

from api.protocol import (
    AccessRefused,
    KeyDisabled,
    UnknownKey,
    WrongSignature,
    described,
    known_kind,
    public_address,
    signing_credential,
)
from audio.errors import NotEnoughSpeech
from tenants.origins import request_id
from tenants.services import set_credential_enabled


def test_the_nearest_class_of_the_table_counts():
    table = {Exception: 1, AccessRefused: 2, UnknownKey: 3}
    kinds = [known_kind(table, error) for error in [UnknownKey(), WrongSignature(), ValueError()]]
    assert kinds == [UnknownKey, AccessRefused, Exception]


def test_the_numbers_of_a_refused_recording_are_told():
    error = NotEnoughSpeech(speech_seconds=0.8000000001, required_seconds=2)
    assert described(error) == "speech_seconds 0.8, required_seconds 2"


@pytest.mark.django_db
def test_a_credential_is_given_to_whoever_knows_its_secret(acme_credential):
    found = signing_credential(acme_credential.key_id, lambda secret: secret == acme_credential.secret)
    assert found == acme_credential


@pytest.mark.django_db
def test_a_wrong_secret_is_a_wrong_signature(acme_credential):
    with pytest.raises(WrongSignature):
        signing_credential(acme_credential.key_id, lambda _: False)


@pytest.mark.django_db
def test_a_disabled_key_is_told_to_whoever_knows_its_secret(acme_credential):
    set_credential_enabled(acme_credential, False)
    with pytest.raises(KeyDisabled):
        signing_credential(acme_credential.key_id, lambda secret: secret == acme_credential.secret)
    with pytest.raises(UnknownKey) as refusal:
        signing_credential(acme_credential.key_id, lambda _: False)
    assert not isinstance(refusal.value, KeyDisabled)


@pytest.mark.django_db
@pytest.mark.parametrize("key_id", ["nobody", "", "\x00", "名", "a" * 500])
def test_an_unknown_key_is_compared_all_the_same(key_id):
    compared = []
    with pytest.raises(UnknownKey):
        signing_credential(key_id, lambda secret: compared.append(secret) or True)
    assert len(compared) == 1


def test_addresses_begin_with_the_request_by_default(rf):
    assert public_address(rf.get("/x", HTTP_HOST="vpr.test:8000"), "/a") == "http://vpr.test:8000/a"


def test_addresses_begin_with_the_public_one_when_set(rf, settings):
    settings.PUBLIC_URL = "https://voices.example"
    assert public_address(rf.get("/x"), "/a") == "https://voices.example/a"


def test_the_callers_request_id_is_kept(rf):
    assert request_id(rf.get("/", HTTP_X_REQUEST_ID="trace-1.a")) == "trace-1.a"


@pytest.mark.parametrize("given", ["", "a b", "a" * 65, "é"])
def test_an_unfit_request_id_is_replaced(rf, given):
    assert len(request_id(rf.get("/", HTTP_X_REQUEST_ID=given))) == 32
