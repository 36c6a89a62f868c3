"""Other hosts than the allowed ones are refused, except where a view says that it never looks at the host."""

import pytest
from django.http import HttpResponse
from django.test import Client

from config.hosts import HostMiddleware

FOREIGN = ["api.xf-yun.com", "some_service:8000", "voice.example.com:-1", ""]


@pytest.fixture(autouse=True)
def one_host(settings):
    settings.ALLOWED_HOSTS = ["voice.example.com"]


@pytest.mark.parametrize("path", ["/health/live", "/console/login/", "/voiceid/count", "/voiceid/nothing"])
@pytest.mark.parametrize("host", FOREIGN)
def test_another_host_is_refused(client, path, host):
    reply = client.get(path, headers={"Host": host})
    assert reply.status_code == 400
    assert path.startswith("/console/") or reply.json() == {"status": 400, "title": "bad request"}


def test_the_allowed_host_is_answered(client):
    assert client.get("/health/live", headers={"Host": "voice.example.com"}).json() == {"status": "alive"}


@pytest.mark.parametrize("host", FOREIGN)
def test_a_view_that_never_looks_at_the_host_answers_under_any(rf, host):
    class Blind:
        any_host = True

    def view(request):
        return HttpResponse()

    view.cls = Blind
    middleware = HostMiddleware(view)
    request = rf.post("/", headers={"Host": host})
    assert middleware.process_view(request, view, (), {}) is None
    assert middleware(request).status_code == 200


@pytest.mark.parametrize("path", ["/", "/console", "/health/live"])
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_what_is_only_read_refuses_to_be_written(path, method):
    reply = getattr(Client(enforce_csrf_checks=True), method)(path, headers={"Host": "voice.example.com"})
    assert (reply.status_code, reply.headers["Allow"]) == (405, "GET, HEAD")
