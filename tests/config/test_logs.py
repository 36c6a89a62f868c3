"""What Django itself would write about a request that went wrong."""

import logging

import pytest
from django.test import Client

from config import urls

pytestmark = pytest.mark.django_db


@pytest.fixture
def broken(monkeypatch):
    """A client of an installation in which a view outside every room breaks."""

    def broken(request):
        raise ZeroDivisionError

    monkeypatch.setattr(urls.urlpatterns[2], "callback", broken)
    return Client(raise_request_exception=False)


def lines(caplog):
    return [record for record in caplog.records if record.name.startswith("django")]


@pytest.mark.parametrize("path", ["/no/such-secret", "/voiceid/such-secret", "/voiceid/count?signa=such-secret"])
@pytest.mark.parametrize("method", ["get", "put"])
def test_addresses_of_clients_stay_out_of_the_log(client, caplog, path, method):
    with caplog.at_level(logging.DEBUG):
        assert getattr(client, method)(path).status_code in {200, 404, 405}
    assert "such-secret" not in caplog.text


def test_what_broke_is_logged_without_the_address(broken, caplog):
    assert broken.get("/health/live?such-secret").status_code == 500
    (line,) = lines(caplog)
    assert (line.getMessage(), line.exc_info[0]) == ("an answer with status 500", ZeroDivisionError)
    assert "/health/live" not in line.getMessage()


def test_addresses_of_the_console_are_logged(admin_client, caplog):
    assert admin_client.get("/console/nothing-here/").status_code == 404
    assert [line.getMessage() for line in lines(caplog)] == ["Not Found: /console/nothing-here/"]
