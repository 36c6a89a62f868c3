"""The command of this dialect: headers for curl."""

import io

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tenants.services import set_credential_enabled
from tests.api.speakin.client import UNKNOWN_ID

pytestmark = pytest.mark.django_db

SIGNATURE = "speakin_signature"


def printed(*arguments):
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_the_printed_headers_sign_a_request(client, acme):
    headers = dict(line.split(": ", 1) for line in printed(SIGNATURE, "acme").splitlines())
    assert client.post("/num/compare", "{}", content_type="application/json", headers=headers).json() == UNKNOWN_ID


def test_an_unknown_tenant_cannot_sign():
    with pytest.raises(CommandError, match="no tenant 'nobody'"):
        call_command(SIGNATURE, "nobody")


def test_a_tenant_without_a_usable_key_cannot_sign(acme, acme_credential):
    set_credential_enabled(acme_credential, False)
    with pytest.raises(CommandError, match="no usable credential"):
        call_command(SIGNATURE, "acme")
