"""What the product does that takes longer than a request: each begins a job, and the job can be asked for.

The table of contents of long work, as services.py is of what is answered at once. `also` is done in the transaction
that stores the job, and what it raises undoes it; `by` is who asks for it, in words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import IO, Any

from audio.results import RawPcm, RecordingForm
from tenants.context import acting_as
from tenants.locks import one_at_a_time
from tenants.models import Tenant
from voiceprints import (
    archives,
    exchange,
    gallery,
    generations,
    imports,
    recordings,
    reembedding,
    services,
    serving,
    work,
)
from voiceprints.consents import Given
from voiceprints.errors import GenerationNotFound, JobFileNotFound, JobNotFound
from voiceprints.manifests import is_csv
from voiceprints.models import Job, JobRow
from voiceprints.paging import Order, Page, Position, page_of
from voiceprints.results import AudioInput, Enrollment, LibraryKey, WhenEnrolled
from voiceprints.work import Product, Run

NO_LIBRARY = LibraryKey("")
OLDEST_FIRST = Order(("created", "pk"))
BY_NUMBER = Order(("number",))

Also = Callable[[Job], object]
Answer = Callable[[Tenant, Enrollment], dict[str, Any]]
"""What a request would have been answered, as plain values."""
_answers: dict[str, Answer] = {}


def answers_enrollments(name: str, answer: Answer) -> None:
    """An interface that begins enrollments says, once it is loaded, how it answers them."""
    _answers[name] = answer


def begin_enrollment(
    tenant: Tenant,
    key: LibraryKey,
    external_id: str,
    audios: Sequence[AudioInput],
    *,
    answer: str,
    by: str = "",
    also: Also = lambda _: None,
    **options: Any,
) -> Job:
    """What services.enroll does, with the same `options`, later; `answer` names who says what came of it.

    Raises TooBusy when the tenant has too many jobs under way, StorageFailed, and what reading the recordings raises.
    """
    consent: Given | None = options.pop("consent", None)
    options["consent"] = consent and consent.to_wire()
    parameters = {
        "key": asdict(key),
        "external_id": external_id,
        "audios": [asdict(replace(audio, read=bytes)) | {"read": None} for audio in audios],
        "options": options,
        "answer": answer,
    }
    with work.uploads(tenant) as paths:
        paths.extend(_kept(tenant, audio) for audio in audios)
        return work.submit(tenant, Job.Kind.ENROLL, parameters, inputs=paths, by=by, also=also)


def _kept(tenant: Tenant, audio: AudioInput) -> str:
    with archives.copied([audio.read()]) as file:
        return work.stored(tenant, file)


def begin_import(
    tenant: Tenant,
    *,
    archive: IO[bytes] | None = None,
    manifest: IO[bytes] | None = None,
    manifest_name: str = "manifest.jsonl",
    key: LibraryKey = NO_LIBRARY,
    when_enrolled: WhenEnrolled = WhenEnrolled.REFUSE,
    by: str = "",
    also: Also = lambda _: None,
) -> Job:
    """Enroll the speakers of a list, or bring in an export.

    The list, CSV or JSON lines by its name, is the `manifest` or lies in the `archive`; without an archive the
    recordings lie in the tenant's import folder. `key` is the library of lines that name none, and of an export that is
    to go elsewhere. Raises TooBusy, StorageFailed.
    """
    # Not as it was called: a file may be named after somebody.
    listed = "manifest.csv" if is_csv(manifest_name) else "manifest.jsonl"
    parameters = {"manifest": listed if manifest else "", "when_enrolled": when_enrolled}
    given = [file for file in (manifest, archive) if file is not None]
    with work.uploads(tenant) as paths:
        paths.extend(work.stored(tenant, file) for file in given)
        return work.submit(tenant, Job.Kind.IMPORT, parameters | asdict(key), inputs=paths, by=by, also=also)


def begin_export(
    tenant: Tenant,
    key: LibraryKey,
    *,
    recordings: bool = False,
    embeddings: bool = False,
    form: str = "",
    by: str = "",
    also: Also = lambda _: None,
) -> Job:
    """Write a library into one file, with what is asked for beside who is in it.

    `form`: what tells a form from all others; sent again it is the same job, as long as that has or may have a file.
    Raises LibraryNotFound, TooBusy.
    """
    with acting_as(tenant):
        gallery.find_library(tenant, key)
        parameters = asdict(key) | {"recordings": recordings, "embeddings": embeddings, "form": form}
        one_at_a_time(tenant, work.JOBS)
        useful = tenant.jobs.under_way() | tenant.jobs.exports_kept()
        begun: Job | None = useful.filter(kind=Job.Kind.EXPORT, parameters=parameters).first() if form else None
        return begun or work.submit(tenant, Job.Kind.EXPORT, parameters, by=by, also=also)


def find_job(tenant: Tenant, job_id: int) -> Job:
    """Raises JobNotFound."""
    with acting_as(tenant):
        job: Job | None = tenant.jobs.filter(pk=job_id).first()
    if job is None:
        raise JobNotFound(job_id=str(job_id))
    return job


def page_jobs(
    tenant: Tenant,
    *,
    where: dict[str, Any],
    order: Order = OLDEST_FIRST,
    after: Position | None = None,
    limit: int = 50,
) -> Page[Job]:
    with acting_as(tenant):
        return page_of(tenant.jobs.filter(**where), order, after=after, limit=limit)


def page_rows(
    tenant: Tenant,
    job_id: int,
    *,
    where: dict[str, Any],
    order: Order = BY_NUMBER,
    after: Position | None = None,
    limit: int = 50,
) -> Page[JobRow]:
    """What became of the lines of an import so far. Raises JobNotFound."""
    job = find_job(tenant, job_id)
    with acting_as(tenant):
        return page_of(tenant.job_rows.filter(job=job, **where).defer("fields"), order, after=after, limit=limit)


def cancel_job(tenant: Tenant, job_id: int) -> Job:
    """From here on it changes nothing more; what it did stays. Raises JobNotFound, JobFinished."""
    return work.cancel(tenant, job_id)


def pause_job(tenant: Tenant, job_id: int) -> Job:
    """It changes nothing more until it is resumed. Raises JobNotFound, JobFinished."""
    return work.pause(tenant, job_id)


def resume_job(tenant: Tenant, job_id: int) -> Job:
    """Raises JobNotFound, JobFinished."""
    return work.resume(tenant, job_id)


def retry_job(tenant: Tenant, job_id: int, *, by: str = "") -> Job:
    """What failed is done again: by the job itself, or of a re-embedding by the job that does so now.

    Raises JobNotFound, JobUnderWay, NothingToRetry, UploadsGone, GenerationNotFound, TooBusy.
    """
    job = find_job(tenant, job_id)
    return _embed_again(tenant, job, by) if job.kind == Job.Kind.REEMBED else work.retry(tenant, job_id)


def _embed_again(tenant: Tenant, job: Job, by: str) -> Job:
    model, rate = job.parameters["model"], job.parameters["rate"]
    with acting_as(tenant):
        work.refuse_to_retry(job)
    if model not in tenant.models:
        raise GenerationNotFound(model=model)
    return generations.begin(tenant, model, rate=rate, by=by)


def file_of(tenant: Tenant, job_id: int) -> str:
    """The path in the storage of the file that the job made. Raises JobNotFound, JobFileNotFound."""
    job = find_job(tenant, job_id)
    if not job.has_file:
        raise JobFileNotFound(job_id=str(job_id))
    return job.output


def delete_file(tenant: Tenant, job_id: int) -> Job:
    """What the job made, before its time is over. Raises JobNotFound, JobFileNotFound."""
    return work.delete_output(tenant, job_id)


def copy_file(tenant: Tenant, job_id: int, target: IO[bytes]) -> None:
    """Raises JobNotFound, JobFileNotFound, StorageFailed."""
    path = file_of(tenant, job_id)
    try:
        file = recordings.opened(path)
    except FileNotFoundError:
        raise JobFileNotFound(job_id=str(job_id)) from None
    serving.note_fetched(tenant, job_id)
    with file:
        for piece in recordings.pieces(file, path):
            target.write(piece)


# --- What the jobs do ------------------------------------------------------------------------------------------------


def run_enrollment(run: Run) -> None:
    """The job ends in the transaction that stores the enrollment."""
    said = run.job.parameters
    run.measure(
        lambda: services.enroll(
            run.tenant,
            LibraryKey(**said["key"]),
            said["external_id"],
            [_audio(about, path) for about, path in zip(said["audios"], run.job.inputs, strict=True)],
            **_options(said["options"]),
            also=lambda enrollment: run.succeed(Product(_answers[said["answer"]](run.tenant, enrollment))),
        )
    )


def _options(said: dict[str, Any]) -> dict[str, Any]:
    given = said.get("consent")
    options = said | {"consent": Given.from_wire(given) if given else None}
    return options | ({"when_enrolled": WhenEnrolled(said["when_enrolled"])} if "when_enrolled" in said else {})


def _audio(about: dict[str, Any], path: str) -> AudioInput:
    raw_pcm = RawPcm(**about["raw_pcm"]) if about["raw_pcm"] else None
    form = RecordingForm(**about["form"] | {"containers": tuple(about["form"]["containers"])})
    said = about | {"raw_pcm": raw_pcm, "form": form}
    return AudioInput(**said | {"read": lambda: _read(path)})


def _read(path: str) -> bytes:
    with imports.opened_input(path) as file:
        return file.read()


RUNNERS: dict[str, Callable[[Run], Product | None]] = {
    Job.Kind.ENROLL: run_enrollment,
    Job.Kind.IMPORT: imports.run_import,
    Job.Kind.EXPORT: exchange.run_export,
    Job.Kind.REEMBED: reembedding.run_reembedding,
}
