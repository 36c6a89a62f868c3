"""What the product does. Every interface — the dialects, the console, the commands, the tasks — calls these.

Each service takes the tenant first and opens its own transactions: none stays open while a recording is measured.
`libraries` is a queryset that begins at the tenant, such as tenant.libraries.within(org_id); no match is no error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from django.conf import settings
from django.db.models import QuerySet

from audio.catalogue import DEFAULT_MODEL, find_model
from audio.results import Analysis
from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints import gallery, jobs, recordings
from voiceprints.errors import LibraryNotFound, SpeakerExists, SpeakerNotEnrolled, SpeakerNotFound, UtteranceNotFound
from voiceprints.models import Library, Speaker, Voiceprint
from voiceprints.results import (
    AudioInput,
    Candidate,
    Comparison,
    Enrollment,
    Identification,
    LibraryKey,
    Listed,
    Removal,
    Verification,
)
from voiceprints.scoring import cosine

DEFAULT_TOP_K = 10


def enroll(
    tenant: Tenant,
    key: LibraryKey,
    external_id: str,
    audios: Sequence[AudioInput],
    *,
    info: str = "",
    required_utterances: int = 1,
) -> Enrollment:
    """Add utterances of a speaker, who is new or still enrolling, and complete the enrollment once there are enough.

    Raises SpeakerExists for a speaker enrolled already. The library is made when it is new.
    """
    with acting_as(tenant):
        _refuse_enrolled(tenant, key, external_id)
        paths = recordings.plan(tenant, key.org_id, len(audios))
    with _heard_and_written(tenant, audios, paths) as analyses, acting_as(tenant):
        speaker, earlier = gallery.admit(tenant, key, external_id, info, complete=len(audios) >= required_utterances)
        return gallery.add_utterances(speaker, earlier, analyses, paths, required_utterances)


def update(
    tenant: Tenant, key: LibraryKey, external_id: str, audios: Sequence[AudioInput], *, merge: bool = False
) -> Enrollment:
    """Replace an enrolled speaker's utterances by these, or merge these with them. Raises SpeakerNotFound."""
    with acting_as(tenant):
        _speaker(tenant, key, external_id)
        paths = recordings.plan(tenant, key.org_id, len(audios))
    with _heard_and_written(tenant, audios, paths) as analyses, acting_as(tenant):
        speaker = gallery.locked_speaker(_speaker(tenant, key, external_id))
        if not merge:
            gallery.forget(speaker)
        return gallery.add_utterances(speaker, gallery.embeddings_of(speaker), analyses, paths, required_utterances=1)


def verify(tenant: Tenant, key: LibraryKey, external_id: str, audio: AudioInput) -> Verification:
    """1:1. Raises SpeakerNotFound, or SpeakerNotEnrolled for one whose enrollment is not complete."""
    with acting_as(tenant):
        _voiceprint(_speaker(tenant, key, external_id))
    analysis = hear(tenant, audio)
    with acting_as(tenant):
        speaker = _speaker(tenant, key, external_id)
        score = cosine(_voiceprint(speaker, analysis.model).embedding, analysis.embedding)
    return Verification(
        model=analysis.model,
        score=score,
        threshold=find_model(analysis.model).accept_threshold,
        qualities=(analysis.quality,),
        speaker=speaker,
    )


def identify(
    tenant: Tenant, libraries: QuerySet[Library], audio: AudioInput, *, top_k: int = DEFAULT_TOP_K
) -> Identification:
    """1:N over one library, several or a whole organisation, exact."""
    analysis = hear(tenant, audio)
    with acting_as(tenant):
        candidates = _nearest(tenant, libraries, analysis, top_k)
    return Identification(
        model=analysis.model,
        threshold=find_model(analysis.model).accept_threshold,
        candidates=candidates,
        quality=analysis.quality,
    )


def compare(tenant: Tenant, one: AudioInput, other: AudioInput) -> Comparison:
    """Two recordings, nothing stored."""
    first, second = hear_all(tenant, [one, other])
    return Comparison(
        model=first.model,
        score=cosine(first.embedding, second.embedding),
        threshold=find_model(first.model).accept_threshold,
        qualities=(first.quality, second.quality),
    )


def list_speakers(tenant: Tenant, libraries: QuerySet[Library], *, offset: int = 0, limit: int = 100) -> list[Listed]:
    """Oldest enrollment first."""
    with acting_as(tenant):
        page = tenant.speakers.in_libraries(libraries).select_related("library").oldest_first()[offset : offset + limit]
        paths = _latest_recordings(tenant, [speaker.pk for speaker in page])
        return [Listed(speaker, paths.get(speaker.pk, "")) for speaker in page]


def count_speakers(tenant: Tenant, libraries: QuerySet[Library]) -> int:
    with acting_as(tenant):
        return tenant.speakers.in_libraries(libraries).count()


def find_recording(tenant: Tenant, libraries: QuerySet[Library], external_id: str) -> Listed:
    """The newest recording of a speaker; of several libraries, the first enrolled. Raises SpeakerNotFound."""
    with acting_as(tenant):
        speakers = tenant.speakers.in_libraries(libraries).named(external_id).select_related("library")
        speaker = speakers.oldest_first().first()
        if speaker is None:
            raise SpeakerNotFound(external_id=external_id)
        return Listed(speaker, _latest_recordings(tenant, [speaker.pk]).get(speaker.pk, ""))


def delete_speaker(tenant: Tenant, libraries: QuerySet[Library], external_id: str) -> Removal:
    """Whoever bears the name, in each of the libraries. Raises SpeakerNotFound when nobody does."""
    removal = delete_speakers(tenant, libraries, [external_id])
    if removal.speakers == 0:
        raise SpeakerNotFound(external_id=external_id)
    return removal


def delete_speakers(tenant: Tenant, libraries: QuerySet[Library], external_ids: Iterable[str]) -> Removal:
    """Those of the names that are there, with everything they said. Unknown names are passed over."""
    with acting_as(tenant):
        named = tenant.speakers.in_libraries(libraries).filter(external_id__in=list(external_ids))
        return gallery.drop_speakers(tenant, named)


def empty_libraries(tenant: Tenant, libraries: QuerySet[Library]) -> Removal:
    with acting_as(tenant):
        return gallery.drop_speakers(tenant, tenant.speakers.in_libraries(libraries))


def delete_libraries(tenant: Tenant, libraries: QuerySet[Library]) -> Removal:
    with acting_as(tenant):
        chosen = list(libraries.values_list("pk", flat=True))
        # Speakers first, as everybody locks them before their library; then whoever came in meanwhile.
        removal = gallery.drop_speakers(tenant, tenant.speakers.filter(library__in=chosen))
        locked = list(tenant.libraries.filter(pk__in=chosen).select_for_update().order_by("pk"))
        late = gallery.drop_speakers(tenant, tenant.speakers.filter(library__in=locked))
        tenant.libraries.filter(pk__in=[library.pk for library in locked]).delete()
    return Removal(len(locked), removal.speakers + late.speakers, removal.recordings + late.recordings)


def delete_library(tenant: Tenant, key: LibraryKey) -> Removal:
    """Raises LibraryNotFound."""
    removal = delete_libraries(tenant, tenant.libraries.within(key.org_id, key.tag_id))
    if removal.libraries == 0:
        raise LibraryNotFound(org_id=key.org_id, tag_id=key.tag_id)
    return removal


def delete_utterance(tenant: Tenant, utterance_id: int) -> Speaker:
    """Remove one recording and remake the voiceprint of what is left; without any the speaker is enrolling again."""
    with acting_as(tenant):
        utterance = tenant.utterances.select_related("speaker").filter(pk=utterance_id).first()
        if utterance is None:
            raise UtteranceNotFound(utterance_id=utterance_id)
        speaker = gallery.locked_speaker(utterance.speaker)
        gallery.drop_utterances(tenant, speaker.utterances.filter(pk=utterance_id))
        if speaker.enrolled:
            gallery.remake_voiceprints(speaker)
        return speaker


def hear(tenant: Tenant, audio: AudioInput, *, keep: bool = False) -> Analysis:
    """Fetch and measure a recording with the tenant's model; `keep` brings its FLAC along.

    Raises AudioError, and what jobs.analyze raises.
    """
    required = audio.required_speech_seconds
    options = {
        "encoder": DEFAULT_MODEL,
        "denoise": audio.denoise,
        "trim_silence": audio.trim_silence,
        "required_speech_seconds": tenant.required_speech_seconds if required is None else required,
        "raw_pcm": vars(audio.raw_pcm) if audio.raw_pcm else None,
        "keep": keep,
        "max_bytes": settings.MAX_UPLOAD_BYTES,
    }
    return jobs.analyze(tenant, audio, options)


def hear_all(tenant: Tenant, audios: Iterable[AudioInput], *, keep: bool = False) -> list[Analysis]:
    return [hear(tenant, audio, keep=keep) for audio in audios]


@contextmanager
def _heard_and_written(tenant: Tenant, audios: Sequence[AudioInput], paths: Sequence[str]) -> Iterator[list[Analysis]]:
    """The recordings measured, and written to their paths for as long as the block succeeds."""
    with recordings.removed_on_failure(tenant, paths):
        analyses = hear_all(tenant, audios, keep=True)
        recordings.write(paths, [analysis.flac for analysis in analyses])
        yield analyses


def _refuse_enrolled(tenant: Tenant, key: LibraryKey, external_id: str) -> None:
    if tenant.speakers.in_library(key).named(external_id).enrolled().exists():
        raise SpeakerExists(external_id=external_id)


def _speaker(tenant: Tenant, key: LibraryKey, external_id: str) -> Speaker:
    named = tenant.speakers.in_library(key).named(external_id)
    speaker: Speaker | None = named.select_related("library").first()
    if speaker is None:
        raise SpeakerNotFound(external_id=external_id)
    return speaker


def _voiceprint(speaker: Speaker, model: str = DEFAULT_MODEL) -> Voiceprint:
    voiceprint: Voiceprint | None = speaker.voiceprints.of_model(model).first()
    if voiceprint is None:
        raise SpeakerNotEnrolled(external_id=speaker.external_id, utterances=speaker.utterances.count())
    return voiceprint


def _nearest(tenant: Tenant, libraries: QuerySet[Library], analysis: Analysis, top_k: int) -> tuple[Candidate, ...]:
    searched = tenant.voiceprints.of_model(analysis.model).in_libraries(list(libraries))
    scores = dict(searched.nearest(analysis.embedding, top_k))
    speakers = tenant.speakers.select_related("library").in_bulk(scores)
    paths = _latest_recordings(tenant, scores)
    return tuple(Candidate(speakers[pk], score, paths.get(pk, "")) for pk, score in scores.items() if pk in speakers)


def _latest_recordings(tenant: Tenant, speakers: Iterable[int]) -> dict[int, str]:
    return dict(tenant.utterances.latest_of(speakers).values_list("speaker_id", "recording"))
