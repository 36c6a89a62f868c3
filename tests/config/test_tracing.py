"""What is told of to a collector of traces, in one process and across those of the whole platform."""

from __future__ import annotations

import datetime
import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from celery import current_app, signals
from django.conf import settings
from django.db import connection
from django.test import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import SpanKind, StatusCode

from config import tracing, urls
from tenants.context import acting_as
from tenants.models import Role
from tenants.tracing import carried, spanned, trace_id
from tests.config.installation import installation, is_success
from tests.config.test_logs import line_of
from tests.console.people import enrolled, member, signed_in
from tests.servers import through_the_queue
from voiceprints import bulk, erasure, work
from voiceprints.results import LibraryKey

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


def named(spans, name):
    (found,) = [span for span in spans if span.name == name]
    return found


def test_nothing_is_traced_unless_somebody_collects():
    assert "config.tracing.TracingMiddleware" not in settings.MIDDLEWARE
    with spanned("something") as span:
        assert not span.is_recording()
        assert (carried(), trace_id()) == ({}, "")
    assert "trace_id" not in line_of()


@pytest.mark.django_db
def test_a_page_of_the_console_is_called_by_the_pattern_of_its_address(traced, acme):
    client = signed_in(member(acme, Role.OWNER).user)
    address = "/console/voiceprints/speaker/987654321/change/?_changelist_filters=such-a-filter"
    assert client.get(address).status_code == 302
    page = traced()[-1]
    assert (page.name, page.kind) == ("GET /console/voiceprints/speaker/<path:object_id>/change/", SpanKind.SERVER)
    assert page.attributes["http.response.status_code"] == 302
    assert not [span for span in traced() if "987654321" in span.to_json() or "such-a-filter" in span.to_json()]


@pytest.mark.django_db
def test_queries_are_parts_of_their_request_and_told_without_values(traced, acme):
    client = signed_in(member(acme, Role.OWNER).user)
    client.get("/console/voiceprints/speaker/?q=such-a-name")
    *others, page = traced()
    queries = [span for span in others if span.name == "postgresql SELECT" and span.parent == page.context]
    assert any('FROM "voiceprints_speaker"' in span.attributes["db.query.text"] for span in queries)
    assert "such-a-name" not in "".join(span.to_json() for span in traced())


@pytest.mark.django_db
def test_a_request_is_part_of_what_its_client_does(traced, client):
    client.get("/voiceid/count", headers={"traceparent": TRACEPARENT})
    request = traced()[-1]
    assert (f"{request.context.trace_id:x}".zfill(32), f"{request.parent.span_id:x}") == (TRACE, PARENT)
    assert (request.name, request.attributes["openvpr.result"]) == ("abcpen count", "refused")
    assert request.status.status_code is StatusCode.UNSET


@pytest.mark.django_db
@pytest.mark.parametrize("nonsense", ["", "00-1-2-01", "é", "x" * 9000, f"00-{'0' * 32}-{PARENT}-01"])
def test_nonsense_about_what_a_client_does_is_passed_over(traced, client, nonsense):
    client.get("/voiceid/count", headers={"traceparent": nonsense, "tracestate": nonsense})
    assert traced()[-1].parent is None


@pytest.mark.django_db
def test_a_clients_own_words_about_what_it_does_are_not_passed_on(traced, client):
    client.get("/voiceid/count", headers={"traceparent": TRACEPARENT, "tracestate": "susan=such-a-word"})
    assert traced()[-1].parent is not None
    assert "such-a-word" not in "".join(span.to_json() for span in traced())


@pytest.mark.django_db
def test_what_an_interface_answers_as_its_own_failure_is_told_with_its_reason(traced, client, monkeypatch):
    monkeypatch.setattr("api.protocol.DialectViewSet.initial", broken_inside)
    assert client.get("/api/v1/speakers").status_code == 500
    assert (traced()[-1].status.status_code, traced()[-1].status.description) == (StatusCode.ERROR, "ZeroDivisionError")


def broken_inside(*_, **__):
    raise ZeroDivisionError("such a text")


@pytest.fixture
def alice(acme):
    return enrolled(acme, "alice")[0]


@pytest.fixture
def messages(monkeypatch):
    """What workers are told, and of what it is a part."""
    sent = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **_: sent.append((name, bool(carried()))))
    with through_the_queue():
        yield sent


@pytest.mark.django_db(transaction=True)
def test_what_a_request_begins_is_part_of_it_and_what_others_began_is_not(alice, acme, traced, messages):
    with spanned("something"):
        job = bulk.begin_export(acme, LibraryKey(alice.library.org_id, alice.library.tag_id))
        assert messages.pop() == (work.RUN_JOB, True)
        tell_no_more(job, dispatched=LONG_AGO)
        work.dispatch_forgotten()
        assert messages.pop() == (work.RUN_JOB, False)
        tell_no_more(job, dispatched=None)
        work.dispatch_next(acme)
        assert messages.pop() == (work.RUN_JOB, False)
        assert work.claimed(acme.pk, job.pk)
        erasure.erase_person(acme, "alice")
        assert sorted(messages) == [(erasure.GO_ON, True), (work.RUN_JOB, False)]
        messages.clear()
        erasure.tend()
        assert messages == [(erasure.GO_ON, False)]


def tell_no_more(job, *, dispatched):
    with acting_as(job.tenant):
        job.tenant.jobs.filter(pk=job.pk).update(dispatched=dispatched)


@pytest.mark.django_db
def test_static_files_leave_no_spans(traced, client):
    assert b"".join(client.get("/static/console/icon.svg"))
    assert traced() == ()


@pytest.mark.django_db
def test_of_a_statement_with_many_values_only_the_beginning_is_told(traced):
    with connection.execute_wrapper(tracing.traced_query), connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 WHERE 1 IN ({', '.join(['%s'] * 5000)})", [0] * 5000)
    (told,) = [span.attributes["db.query.text"] for span in traced()]
    assert told.startswith("SELECT 1 WHERE 1 IN (%s")
    assert len(told) == tracing.LONGEST_STATEMENT


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/voiceid/count", "/console/login/", "/", "/nothing"])
def test_a_method_that_nobody_knows_is_no_name(path, traced, client):
    client.generic("SUCH-A-WORD", path)
    assert traced()[-1].attributes["http.request.method"] == "_OTHER"
    assert "SUCH-A-WORD" not in traced()[-1].to_json()


@pytest.mark.django_db
def test_what_broke_is_told_by_its_class(traced, monkeypatch):
    def broken(_):
        raise ZeroDivisionError("such a text")

    monkeypatch.setattr(urls.urlpatterns[2], "callback", broken)
    monkeypatch.setattr(tracing, "ASKED_ALL_THE_TIME", ())
    assert Client(raise_request_exception=False).get("/health/live").status_code == 500
    assert (traced()[-1].status.status_code, traced()[-1].status.description) == (StatusCode.ERROR, "ZeroDivisionError")
    assert "such a text" not in "".join(span.to_json() for span in traced())


def test_an_error_on_the_way_is_told_by_its_class(traced):
    with pytest.raises(ValueError, match="such a text"), spanned("something"):
        raise ValueError("such a text")
    (span,) = traced()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError")
    assert "such a text" not in span.to_json()


@pytest.mark.django_db
def test_monitors_leave_no_spans(traced, client):
    for path in ("/health/live", "/health/ready", "/metrics"):
        client.get(path)
    assert traced() == ()


def test_a_line_of_the_log_tells_its_trace(traced):
    with spanned("something") as span:
        told = line_of()
    assert told["trace_id"] == f"{span.get_span_context().trace_id:x}".zfill(32)


@pytest.fixture
def a_task():
    """One that breaks, of a worker that traces."""

    @current_app.task(name="tests.broken")
    def broken():
        raise ZeroDivisionError("such a text")

    receivers = {
        signals.task_prerun: tracing.begin_task,
        signals.task_failure: tracing.tell_what_broke,
        signals.task_postrun: tracing.end_task,
    }
    for signal, receiver in receivers.items():
        signal.connect(receiver)
    yield broken
    for signal, receiver in receivers.items():
        signal.disconnect(receiver)
    del current_app.tasks[broken.name]


def test_a_task_is_part_of_whatever_had_it_sent(traced, a_task):
    headers = {}
    with spanned("something") as something:
        tracing.tell_of_what_it_is_a_part(headers=headers)
    # As a worker does with the headers of a message.
    a_task.push_request(**headers)
    tracing.begin_task("id", a_task)
    tracing.end_task("id")
    a_task.pop_request()
    assert named(traced(), "tests.broken").parent.span_id == something.get_span_context().span_id


def test_what_broke_in_a_task_is_told_by_its_class(traced, a_task):
    a_task.apply(throw=False)
    task = named(traced(), "tests.broken")
    assert (task.kind, task.status.description) == (SpanKind.CONSUMER, "ZeroDivisionError")
    assert "such a text" not in task.to_json()


def test_a_task_that_nobody_asked_for_is_part_of_nothing(traced, a_task):
    with spanned("something"):
        a_task.apply(throw=False)
    assert named(traced(), "tests.broken").parent is None


class Collector:
    """What speaks OTLP over HTTP: takes all it is sent."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []

    @property
    def spans(self):
        return [
            (self._service(resource), span)
            for request in list(self.requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def of_trace(self, number: bytes):
        return [(service, span) for service, span in self.spans if span.trace_id == number]

    @staticmethod
    def _service(resource):
        (name,) = [one.value.string_value for one in resource.resource.attributes if one.key == "service.name"]
        return name


@contextmanager
def collecting() -> Iterator[tuple[Collector, int]]:
    collector = Collector()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield collector, server.server_port
        server.shutdown()


SENDING = f"""
import threading
import django
from config import tracing
from tenants.tracing import spanned

django.setup()
tracing.begin("somebody")
with spanned("something", caller={{"traceparent": "00-{TRACE}-{PARENT}-00"}}):
    pass
tracing.end()
print(any(thread.name.startswith("OtelBatch") for thread in threading.enumerate()))
"""


def test_what_has_not_been_sent_yet_is_sent_on_the_way_out():
    with collecting() as (collector, port):
        sending({"OPENVPR_TRACES_TO": f"http://127.0.0.1:{port}"})
    assert [(service, span.name) for service, span in collector.spans] == [("openvpr-somebody", "something")]


def test_who_ends_does_not_wait_until_a_silent_collector_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        to = {"OPENVPR_TRACES_TO": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        assert sending(to).stdout == "True\n"


@pytest.mark.parametrize(("sampler", "found"), [("", 1), ("parentbased_always_on", 0)])
def test_a_client_cannot_make_itself_unseen_unless_somebody_wants_that(sampler, found):
    with collecting() as (collector, port):
        sending({"OPENVPR_TRACES_TO": f"http://127.0.0.1:{port}", "OTEL_TRACES_SAMPLER": sampler})
    assert len(collector.spans) == found


def test_what_a_collector_wants_to_be_told_is_not_logged_where_it_is_written_wrongly():
    with collecting() as (collector, port):
        headers = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization: Bearer such-a-secret"}
        said = sending({"OPENVPR_TRACES_TO": f"http://127.0.0.1:{port}"} | headers).stderr
    assert collector.spans
    assert "such-a-secret" not in said


@pytest.mark.parametrize(
    "nonsense",
    [
        {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "100000"},
        {"OTEL_SPAN_EVENT_COUNT_LIMIT": "-1"},
        {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many"},
        {"OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER": "nobody"},
    ],
)
def test_where_the_sdk_refuses_its_settings_nothing_is_sent_and_all_else_works(nonsense):
    with collecting() as (collector, port):
        ended = sending({"OPENVPR_TRACES_TO": f"http://127.0.0.1:{port}"} | nonsense)
    assert not collector.spans
    assert "no traces are sent" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("collects", [True, False])
def test_no_variable_chooses_another_source_of_spans_nor_breaks_anything_with_it(collects):
    with collecting() as (collector, port):
        to = {"OPENVPR_TRACES_TO": f"http://127.0.0.1:{port}" if collects else ""}
        ended = sending(to | {"OTEL_PYTHON_TRACER_PROVIDER": "nobody"})
    assert (len(collector.spans), ended.stderr) == (collects, "")


def test_who_collects_nothing_loads_nothing_that_sends():
    loaded = "import sys, config.wsgi; print([name for name in sys.modules if name.startswith(%r)])"
    sends = ("opentelemetry.sdk.trace", "opentelemetry.exporter")
    assert subprocess.check_output([sys.executable, "-c", loaded % (sends,)], cwd=settings.BASE_DIR) == b"[]\n"


def sending(environment):
    """Says in the end whether something is still being sent."""
    return subprocess.run(
        [sys.executable, "-c", SENDING],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.platform
@pytest.mark.timeout(300)
def test_a_request_is_followed_into_the_worker_that_measures_and_nobody_waits_for_a_collector_that_went_away():
    wanted = {"abcpen register", "wait for voiceprints.analyze", "voiceprints.analyze"}
    with installation() as platform:
        with collecting() as (collector, port):
            platform.environment["OPENVPR_TRACES_TO"] = f"http://127.0.0.1:{port}"
            platform.start()
            assert is_success(platform.enroll())
            platform.wait_for(lambda: wanted <= {span.name for _, span in collector.spans})
        assert is_success(platform.identify())
        assert platform.stop() == 0
        logs = "".join(log.read_text() for log in (platform.home / "logs").glob("*.log"))
    assert "Traceback" not in logs
    enrolled = next(span for _, span in collector.spans if span.name == "abcpen register")
    parts = {span.name: (service, span) for service, span in collector.of_trace(enrolled.trace_id)}
    waiting, measuring = parts["wait for voiceprints.analyze"], parts["voiceprints.analyze"]
    assert (parts["abcpen register"][0], waiting[0], measuring[0]) == ("openvpr-web", "openvpr-web", "openvpr-embed")
    assert (waiting[1].parent_span_id, measuring[1].parent_span_id) == (enrolled.span_id, waiting[1].span_id)
    told = {one.key: one.value.string_value for one in enrolled.attributes}
    assert (told["openvpr.tenant"], told["openvpr.result"]) == ("demo", "ok")
    whole = "".join(str(request) for request in collector.requests)
    assert not [secret for secret in (*platform.credential, "susan", "signa=") if secret in whole]
