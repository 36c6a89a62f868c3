"""Changing a tenant's model while others are being recognised: how fast the job is, and what they notice of it.

    python -m config python -m bench.reembed [UTTERANCES]

Starts no platform of its own: the first three words do, in OPENVPR_HOME. The recordings are those of the voice samples
again and again, each under a name of its own, so that what is read and stored is as much as for as many people.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from pathlib import Path

from audio.threads import use_one_thread

# As the workers do, or the bare analysis would be held up by threads that wait for nothing.
use_one_thread()

import django  # noqa: E402
import numpy as np  # noqa: E402

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402

from audio.analysis import analyze  # noqa: E402
from audio.catalogue import GE2E  # noqa: E402
from audio.store import BUNDLED, ModelCard  # noqa: E402
from bench.analysis import SAMPLES, five_seconds  # noqa: E402
from bench.platform import milliseconds, sender, title, verdict  # noqa: E402
from tenants.context import acting_as  # noqa: E402
from tenants.models import Credential, Tenant  # noqa: E402
from tenants.services import create_tenant  # noqa: E402
from voiceprints import bulk, generations, installed, services  # noqa: E402
from voiceprints.models import Job, Speaker, Utterance, UtteranceEmbedding, Voiceprint  # noqa: E402
from voiceprints.results import AudioInput, LibraryKey  # noqa: E402

UTTERANCES = 400
PER_SPEAKER = 4
# So many times the samples, to take long enough for the noise of a machine to even out.
BARE_ROUNDS = 8
REQUESTS = 60
BETWEEN_REQUESTS_SECONDS = 0.3
ANOTHER = "ge2e-again"
LIBRARY = LibraryKey("bench", "reembed")


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else UTTERANCES
    credential = create_tenant(f"reembed-{os.getpid()}")
    tenant = credential.tenant
    same_weights_under_another_name()
    title(f"Embedding {wanted} utterances with another model, {settings.WORKERS} workers")
    contents = fill(tenant, wanted)
    before = bare_rate(contents)
    rate, quiet, disturbed = job_rate(credential, wanted)
    after = bare_rate(contents)
    print(f"  bare analyze() in {settings.WORKERS} processes      {before:6.1f} per second before, {after:.1f} after")
    print(f"  the job, nobody else there           {rate:6.1f} per second")
    verdict("job / bare", 2 * rate / (before + after), "", at_least=0.9)
    verdict("recognize p95, no job", np.percentile(quiet, 95), "ms")
    verdict("recognize p95, during the job", np.percentile(disturbed, 95), "ms")
    verdict("during / without", np.percentile(disturbed, 95) / np.percentile(quiet, 95), "", at_most=1.5)


def same_weights_under_another_name() -> None:
    """Another model to everybody but the reader of this file."""
    card = ModelCard(ANOTHER, BUNDLED.engine, BUNDLED.dimension, BUNDLED.sha256, BUNDLED.size_bytes)
    installed.install(GE2E.path, card)


def fill(tenant: Tenant, wanted: int) -> list[bytes]:
    """So many utterances, and the recordings that they repeat."""
    spoken = [path.read_bytes() for path in sorted(SAMPLES.glob("*/*.opus"))]
    audios = [AudioInput(lambda content=content: content, len(content)) for content in spoken]  # type: ignore[misc]
    enrolled = [services.enroll(tenant, LIBRARY, f"voice {n}", [one]) for n, one in enumerate(audios)]
    first = [enrollment.utterances[0] for enrollment in enrolled]
    with acting_as(tenant):
        multiply(tenant, first, wanted - len(first))
    root = Path(settings.STORAGES["recordings"]["OPTIONS"]["location"])
    return [(root / str(utterance.recording)).read_bytes() for utterance in first]


def multiply(tenant: Tenant, first: list[Utterance], count: int) -> None:
    library = tenant.libraries.get()
    speakers = Speaker.all_tenants.bulk_create(
        Speaker(tenant=tenant, library=library, external_id=f"copy {number}", status="enrolled")
        for number in range(-(-count // PER_SPEAKER))
    )
    known = {row.utterance_id: row for row in UtteranceEmbedding.all_tenants.filter(utterance__in=first)}
    originals = [original for original, _ in zip(cycle(first), range(count), strict=False)]
    copies = Utterance.all_tenants.bulk_create(
        copied(original, speakers[number // PER_SPEAKER], number) for number, original in enumerate(originals)
    )
    rows = [(copy, known[original.pk]) for copy, original in zip(copies, originals, strict=True)]
    UtteranceEmbedding.all_tenants.bulk_create(
        UtteranceEmbedding(
            tenant=tenant, utterance=copy, model=row.model, dimension=row.dimension, embedding=row.embedding
        )
        for copy, row in rows
    )
    Voiceprint.all_tenants.bulk_create(
        Voiceprint(
            tenant=tenant,
            library=library,
            speaker_id=copy.speaker_id,
            model=row.model,
            dimension=row.dimension,
            embedding=row.embedding,
            utterance_count=1,
            speech_seconds=copy.speech_seconds,
        )
        for copy, row in rows[::PER_SPEAKER]
    )


def copied(original: Utterance, speaker: Speaker, number: int) -> Utterance:
    root = Path(settings.STORAGES["recordings"]["OPTIONS"]["location"])
    path = f"bench/copies/{os.getpid()}-{number}.flac"
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root / str(original.recording), root / path)
    figures = {name: value for name, value in vars(original).items() if name.endswith(("seconds", "db", "ratio"))}
    figures |= {"level_dbfs": original.level_dbfs, "trimmed": original.trimmed}
    return Utterance(tenant_id=original.tenant_id, speaker=speaker, recording=path, **figures)


# --- The measurements ------------------------------------------------------------------------------------------------


def bare_rate(contents: list[bytes]) -> float:
    """Per second, of the same recordings again and again, all cores, nothing kept."""
    with ProcessPoolExecutor(settings.WORKERS) as pool:
        list(pool.map(analyze_all, [contents[:2]] * settings.WORKERS))
        began = time.perf_counter()
        list(pool.map(analyze_all, [contents * BARE_ROUNDS] * settings.WORKERS))
        return settings.WORKERS * len(contents) * BARE_ROUNDS / (time.perf_counter() - began)


def analyze_all(contents: list[bytes]) -> None:
    for content in contents:
        analyze(content, keep=False)


def job_rate(credential: Credential, wanted: int) -> tuple[float, list[float], list[float]]:
    """Utterances per second of a job that is alone, and how long requests take without and during another."""
    tenant = credential.tenant
    began = time.perf_counter()
    ended(tenant, generations.begin(tenant, ANOTHER))
    rate = wanted / (time.perf_counter() - began)
    generations.drop(tenant, ANOTHER)
    quiet = requests(credential, lambda: True)
    job = generations.begin(tenant, ANOTHER)
    disturbed = requests(credential, lambda: not bulk.find_job(tenant, job.pk).is_over)
    if not bulk.find_job(tenant, job.pk).is_over:
        bulk.cancel_job(tenant, job.pk)
    return rate, quiet, disturbed


def requests(credential: Credential, goes_on: Callable[[], bool]) -> list[float]:
    """Milliseconds of each, as long as it goes on."""
    send = sender(credential, five_seconds())
    send("recognize", org_id="bench")
    times = []
    while len(times) < REQUESTS and goes_on():
        times.append(milliseconds(lambda: send("recognize", org_id="bench")))
        time.sleep(BETWEEN_REQUESTS_SECONDS)
    return times


def ended(tenant: Tenant, job: Job) -> None:
    while not bulk.find_job(tenant, job.pk).is_over:
        time.sleep(0.05)


if __name__ == "__main__":
    main()
