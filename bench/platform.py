"""The platform over HTTP beside the bare `analyze()` of the same bytes: `make bench` starts one and runs this."""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import count
from typing import Any

import django
import numpy as np
import psutil

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402

from api.abcpen.client import Client, multipart, signed_headers  # noqa: E402
from audio.analysis import analyze  # noqa: E402
from audio.catalogue import DEFAULT_MODEL, find_model  # noqa: E402
from audio.results import Embedding  # noqa: E402
from bench.analysis import five_seconds  # noqa: E402
from bench.dialects import DOES_MORE, RECOGNIZE, REGISTER, side_by_side  # noqa: E402
from tenants.context import acting_as  # noqa: E402
from tenants.models import Credential, Tenant  # noqa: E402
from tenants.services import create_tenant  # noqa: E402
from voiceprints.decisions import decision_for  # noqa: E402
from voiceprints.models import Library, Speaker, Voiceprint  # noqa: E402
from voiceprints.search import nearest_speakers  # noqa: E402

TURNS, REQUESTS_PER_TURN = 12, 10
THROUGHPUT_SECONDS = 12.0
LIBRARY_SIZE = 10_000
SEARCHES = 200
TOP_K = 10
WEB_LIMIT_MB, CHILD_LIMIT_MB = 150, 300


def main() -> None:
    credential = create_tenant("bench")
    Tenant.objects.filter(pk=credential.tenant_id).update(max_concurrent_analyses=1000)
    content = five_seconds()
    overhead(credential, content)
    dialects(credential)
    throughput(credential, content)
    search(credential.tenant)
    search_over_http(credential, content)
    memory()


# --- What HTTP, queue, database and storage add to one request -------------------------------------------------------


def overhead(credential: Credential, content: bytes) -> None:
    """Turns of a few requests each, so that a machine that changes its speed is unfair to none."""
    title("One request at a time, 5 s of speech: what the platform adds to analyze()")
    send = sender(credential, content)
    names = (f"speaker {number}" for number in count())
    operations = {
        "register": lambda: send("register", org_id="bench", tag_id="overhead", spk_name=next(names)),
        "recognize": lambda: send("recognize", org_id="bench"),
    }
    extra: dict[str, list[float]] = {operation: [] for operation in operations}
    for _ in range(TURNS):
        bare = np.median([milliseconds(lambda: analyze(content)) for _ in range(REQUESTS_PER_TURN)])
        for operation, request in operations.items():
            extra[operation] += [milliseconds(request) - bare for _ in range(REQUESTS_PER_TURN)]
    for operation, times in extra.items():
        verdict(f"{operation} p50", np.percentile(times, 50), "ms", at_most=15)
        verdict(f"{operation} p95", np.percentile(times, 95), "ms", at_most=40)


def sender(credential: Credential, content: bytes) -> Callable[..., None]:
    """Sends the recording to an operation over one kept connection, as barely as the standard library can."""
    connection = http.client.HTTPConnection(settings.LOCAL_URL.removeprefix("http://"))

    def send(operation: str, **fields: str) -> None:
        content_type, body = multipart(fields, content)
        headers = signed_headers(credential.key_id, credential.secret) | {"Content-Type": content_type}
        connection.request("POST", f"/voiceid/{operation}", body, headers)
        reply = json.loads(connection.getresponse().read())
        if reply["code"] != "0":
            sys.exit(f"{operation}: {reply}")

    return send


# --- What a dialect adds ---------------------------------------------------------------------------------------------


def dialects(credential: Credential) -> None:
    title("The same 5 s of speech to every dialect: what each takes longer than ABCPen, p50")
    figures = side_by_side(credential)
    for counterpart, beyond in [(RECOGNIZE, figures.beyond_recognize), (REGISTER, figures.beyond_register)]:
        verdict(counterpart, figures.absolute[counterpart], "ms")
        for name, milliseconds_more in beyond.items():
            verdict(f"  {name}", milliseconds_more, "ms", at_most=None if name in DOES_MORE else 2)
    verdict("speakin compare, no recording", figures.absolute["speakin compare, no recording"], "ms")


# --- How much of the machine is left for analysis --------------------------------------------------------------------


def throughput(credential: Credential, content: bytes) -> None:
    """The bare rate is taken before and after, since the machine may change its speed in between."""
    title(f"Throughput with {settings.WORKERS} workers, recognize")
    before = bare_rate(content)
    over_http = http_rate(credential, content)
    after = bare_rate(content)
    bare = (before + after) / 2
    print(f"  bare analyze() in {settings.WORKERS} processes  {bare:6.1f} per second")
    print(f"  over HTTP                        {over_http:6.1f} per second")
    verdict("HTTP / bare", over_http / bare, "", at_least=0.85)


def bare_rate(content: bytes) -> float:
    with ProcessPoolExecutor(settings.WORKERS) as pool:
        list(pool.map(count_analyses, [content] * settings.WORKERS, [0.5] * settings.WORKERS))
        counted = pool.map(count_analyses, [content] * settings.WORKERS, [THROUGHPUT_SECONDS] * settings.WORKERS)
        return sum(counted) / THROUGHPUT_SECONDS


def count_analyses(content: bytes, seconds: float) -> int:
    ends, done = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        analyze(content)
        done += 1
    return done


def http_rate(credential: Credential, content: bytes) -> float:
    clients = 2 * settings.WORKERS
    started = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        done = sum(pool.map(lambda _: count_requests(credential, content, started), range(clients)))
    return done / (time.monotonic() - started)


def count_requests(credential: Credential, content: bytes, started: float) -> int:
    send, done = sender(credential, content), 0
    while time.monotonic() < started + THROUGHPUT_SECONDS:
        send("recognize", org_id="bench")
        done += 1
    return done


# --- Searching a large library ---------------------------------------------------------------------------------------


def search(tenant: Tenant) -> None:
    title(f"Search among {LIBRARY_SIZE} speakers of one library")
    embeddings = voiceprints(LIBRARY_SIZE)
    fill(tenant, embeddings)
    times, found = [], 0
    for probe in probes(embeddings):
        started = time.perf_counter()
        ours = nearest(tenant, probe)
        times.append(1000 * (time.perf_counter() - started))
        found += len(set(ours) & set(np.argsort(-(embeddings @ probe))[:TOP_K]))
    verdict("search p50", np.percentile(times, 50), "ms")
    verdict("search p95", np.percentile(times, 95), "ms", at_most=15)
    verdict(f"recall of the top {TOP_K}", found / (SEARCHES * TOP_K), "", at_least=1.0)


def voiceprints(count: int) -> Embedding:
    """Random directions with the spread of real ones: all-positive, as this model's are. Shape (count, D)."""
    numbers = np.random.default_rng(1).gamma(0.5, size=(count, find_model(DEFAULT_MODEL).dimension))
    return np.asarray(numbers / np.linalg.norm(numbers, axis=1, keepdims=True), dtype=np.float32)


def probes(embeddings: Embedding) -> Iterator[Embedding]:
    random = np.random.default_rng(2)
    for known in random.choice(len(embeddings), SEARCHES, replace=False):
        moved = embeddings[known] + random.normal(0, 0.02, embeddings.shape[1])
        yield (moved / np.linalg.norm(moved)).astype(np.float32)


def fill(tenant: Tenant, embeddings: Embedding) -> None:
    with acting_as(tenant):
        library = Library.all_tenants.create(tenant=tenant, org_id="large")
        names = (
            Speaker(tenant=tenant, library=library, external_id=str(n), status="enrolled")
            for n in range(len(embeddings))
        )
        speakers = Speaker.all_tenants.bulk_create(names, batch_size=1000)
        common: dict[str, Any] = {
            "tenant": tenant,
            "library": library,
            "model": DEFAULT_MODEL,
            "utterance_count": 1,
            "speech_seconds": 3.0,
        }
        rows = (
            Voiceprint(speaker=speaker, embedding=embedding, dimension=len(embedding), **common)
            for speaker, embedding in zip(speakers, embeddings, strict=True)
        )
        Voiceprint.all_tenants.bulk_create(rows, batch_size=1000)


def nearest(tenant: Tenant, probe: Embedding) -> list[int]:
    """As the service asks: one transaction under row-level security, with each speaker's name."""
    with acting_as(tenant):
        libraries = list(tenant.libraries.within("large"))
        bar = decision_for(tenant, tenant.model).bar(probe_seconds=3.0)
        candidates = nearest_speakers(tenant, libraries, tenant.model, probe, bar, limit=TOP_K)
        return [int(candidate.speaker.external_id) for candidate in candidates]


def search_over_http(credential: Credential, content: bytes) -> None:
    with client_of(credential) as client:
        extra = []
        for _ in range(TURNS * REQUESTS_PER_TURN // 2):
            bare = milliseconds(lambda: analyze(content))
            extra.append(milliseconds(lambda: client.recognize(content, org_id="large")) - bare)
    verdict("recognize there p50, beyond analyze()", np.percentile(extra, 50), "ms")


# --- Memory ----------------------------------------------------------------------------------------------------------


def memory() -> None:
    title("Resident memory after all that")
    verdict("largest web process", max(children_of("gunicorn")), "MB", at_most=WEB_LIMIT_MB)
    verdict("largest worker child", max(children_of("embed@")), "MB", at_most=CHILD_LIMIT_MB)


def children_of(word: str) -> list[float]:
    """Megabytes of every process whose parent has this word on its command line, and so has itself."""
    processes = psutil.Process(os.getppid()).children(recursive=True)
    named = {process.pid: process for process in processes if word in " ".join(process.cmdline())}
    return [process.memory_info().rss / 2**20 for process in named.values() if process.ppid() in named]


# --- Common ----------------------------------------------------------------------------------------------------------


def client_of(credential: Credential) -> Client:
    return Client(settings.LOCAL_URL, credential.key_id, credential.secret)


def milliseconds(deed: Callable[[], object]) -> float:
    started = time.perf_counter()
    deed()
    return 1000 * (time.perf_counter() - started)


def title(text: str) -> None:
    print(f"\n{text}")


def verdict(name: str, value: float, unit: str, *, at_most: float | None = None, at_least: float | None = None) -> None:
    """One line: the figure, and whether it is where the project wants it."""
    wanted = f"at most {at_most:g}" if at_most is not None else f"at least {at_least:g}" if at_least is not None else ""
    kept = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
    goal = f"({wanted}: {'yes' if kept else 'NO'})" if wanted else ""
    print(f"  {name:40} {value:8.2f} {unit:3} {goal}")


if __name__ == "__main__":
    main()
