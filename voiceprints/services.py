"""What the product does. Every interface — the dialects, the console, the commands, the tasks — calls these.

Each service takes the tenant first and opens its own transactions: none stays open while a recording is measured.
`libraries` is a queryset that begins at the tenant, such as tenant.libraries.within(org_id); no match is no error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import QuerySet

from audio.results import Analysis, Embedding
from tenants.actions import Action
from tenants.context import acting_as
from tenants.generations import keeping_models
from tenants.models import Tenant
from tenants.trail import note
from voiceprints import agreement, consents, gallery, jobs, metrics, optouts, recordings, retention, stock, turns
from voiceprints.consents import Given
from voiceprints.decisions import decision_for
from voiceprints.errors import (
    LibraryNotFound,
    NobodyEnrolled,
    SpeakerExists,
    SpeakerNotEnrolled,
    SpeakerNotFound,
    UtteranceNotFound,
)
from voiceprints.models import Library, Speaker, Utterance, Voiceprint
from voiceprints.results import (
    AudioInput,
    Candidate,
    Comparison,
    Enrollment,
    Identification,
    LibraryKey,
    Listed,
    Measured,
    Removal,
    SpeakerComparison,
    Turn,
    Verification,
    WhenEnrolled,
)
from voiceprints.scoring import cosine
from voiceprints.search import nearest_speakers
from voiceprints.targets import library_target, speaker_target

DEFAULT_TOP_K = 10

Found = TypeVar("Found")


def enroll(
    tenant: Tenant,
    key: LibraryKey,
    external_id: str,
    audios: Sequence[AudioInput],
    *,
    info: str = "",
    required_utterances: int = 1,
    when_enrolled: WhenEnrolled = WhenEnrolled.REFUSE,
    create_library: bool = True,
    probe: bool = False,
    consent: Given | None = None,
    also: Callable[[Enrollment], object] = lambda _: None,
) -> Enrollment:
    """Add utterances of a speaker, who is new or still enrolling, and complete the enrollment once there are enough.

    Raises SpeakerExists for a speaker enrolled already, unless `when_enrolled` says what to do; without
    `create_library` LibraryNotFound; OptedOut; ConsentMissing; and SpeakerMismatch where the tenant refuses utterances
    that disagree. A `probe` is kept to be compared by name and is never found by a search. `also` is done in the
    transaction that stores the enrollment, and what it raises undoes it. Like all that stores a recording, raises
    SpeakersExhausted and StorageExhausted.
    """
    complete = len(audios) >= required_utterances
    status = Speaker.Status.ENROLLED if complete else Speaker.Status.ENROLLING
    newcomer = Speaker(external_id=external_id, info=info, status=Speaker.Status.PROBE if probe else status)

    def refuse_in_vain() -> None:
        optouts.refuse(tenant, key, external_id)
        consents.refuse_missing(tenant, tenant.speakers.in_library(key).named(external_id), consent)
        if not create_library:
            gallery.find_library(tenant, key)
        if when_enrolled is WhenEnrolled.REFUSE:
            _refuse_enrolled(tenant, key, external_id)
        if not probe:
            _refuse_newcomer(tenant, tenant.speakers.in_library(key).named(external_id))

    def store(measured: list[Measured]) -> Enrollment:
        speaker, earlier = gallery.admit(tenant, key, newcomer, when_enrolled, create_library=create_library)
        consents.record(tenant, speaker, consent)
        agreement.refuse_another_voice(tenant, speaker, earlier, [analysis for analysis, _ in measured])
        enrollment = gallery.add_utterances(tenant, speaker, earlier, measured, required_utterances)
        _note_said(tenant, Action.ENROLLED, enrollment, when_enrolled=when_enrolled)
        also(enrollment)
        return enrollment

    return _heard_and_stored(tenant, key, audios, refuse_in_vain, store)


def enroll_turn(
    tenant: Tenant,
    key: LibraryKey,
    external_id: str,
    audio: AudioInput,
    *,
    turn: Turn,
    within: QuerySet[Library],
) -> Enrollment:
    """Take a numbered turn of an enrollment with one utterance; the last completes it.

    The name belongs to one speaker in all libraries of `within`, who comes to the library `key` with each turn. The
    turn taken last may be taken again and replaces what was said. Raises TurnsCompleted, TurnPassed or TurnTooEarly
    whatever the audio is, and SpeakerMismatch for another voice than that of the first turn.
    """

    def refuse_untimely() -> None:
        optouts.refuse(tenant, key, external_id)
        consents.refuse_missing(tenant, tenant.speakers.in_libraries(within).named(external_id), None)
        turns.refuse_untimely(tenant, within, external_id, turn)
        _refuse_newcomer(tenant, tenant.speakers.in_libraries(within).named(external_id))

    def store(measured: list[Measured]) -> Enrollment:
        speaker, earlier = turns.take(tenant, within, key, external_id, turn)
        consents.record(tenant, speaker, None)
        turns.refuse_another_voice(speaker, earlier, measured[0][0])
        enrollment = gallery.add_utterances(tenant, speaker, earlier, measured, turn.turns)
        _note_said(tenant, Action.ENROLLED, enrollment, turn=turn.number, turns=turn.turns)
        return enrollment

    return _heard_and_stored(tenant, key, [audio], refuse_untimely, store)


def update(
    tenant: Tenant,
    key: LibraryKey,
    external_id: str,
    audios: Sequence[AudioInput],
    *,
    merge: bool = False,
    info: str | None = None,
) -> Enrollment:
    """Replace a speaker's utterances by these, or merge these with them; `info` None keeps the old text.

    Raises SpeakerNotFound, and SpeakerMismatch where the tenant refuses utterances that disagree.
    """
    library = tenant.libraries.within(key.org_id, key.tag_id)

    def refuse_unknown() -> None:
        _speaker(tenant, library, external_id)

    def store(measured: list[Measured]) -> Enrollment:
        speaker = gallery.locked_speaker(_speaker(tenant, library, external_id))
        if not merge:
            gallery.forget(speaker)
        changed = {} if info in (None, speaker.info) else {"fields": ["info"]}
        if info is not None:
            gallery.set_info(speaker, info)
        earlier = gallery.embeddings_of(speaker)
        agreement.refuse_another_voice(tenant, speaker, earlier, [analysis for analysis, _ in measured])
        enrollment = gallery.add_utterances(tenant, speaker, earlier, measured, required_utterances=1)
        _note_said(tenant, Action.UTTERANCES_ADDED if merge else Action.UTTERANCES_REPLACED, enrollment, **changed)
        return enrollment

    return _heard_and_stored(tenant, key, audios, refuse_unknown, store)


def replace_utterance(tenant: Tenant, utterance_id: int, audio: AudioInput) -> Enrollment:
    """One recording in the place of another of the same speaker, or nothing changes.

    Raises UtteranceNotFound, and SpeakerMismatch where the tenant refuses utterances that disagree with the others.
    """
    with acting_as(tenant):
        library = _utterance(tenant, utterance_id).speaker.library

    def refuse_unknown() -> None:
        _utterance(tenant, utterance_id)

    def store(measured: list[Measured]) -> Enrollment:
        speaker = gallery.locked_speaker(_utterance(tenant, utterance_id).speaker)
        said = gallery.embeddings_of(speaker)
        earlier = [row for row in said if row.utterance_id != utterance_id]
        replaced = tuple(row for row in said if row.utterance_id == utterance_id)
        gallery.forget_utterance(speaker, utterance_id)
        agreement.refuse_another_voice(tenant, speaker, earlier, [analysis for analysis, _ in measured])
        enrollment = gallery.add_utterances(tenant, speaker, earlier, measured, required_utterances=1)
        _note_said(tenant, Action.UTTERANCES_REPLACED, enrollment, replaced=utterance_id)
        return replace(enrollment, replaced=replaced)

    return _heard_and_stored(tenant, LibraryKey(library.org_id, library.tag_id), [audio], refuse_unknown, store)


def verify(tenant: Tenant, libraries: QuerySet[Library], external_id: str, audio: AudioInput) -> Verification:
    """1:1, against whoever bears the name; of several libraries, the first enrolled.

    Raises SpeakerNotFound, or SpeakerNotEnrolled for one whose enrollment is not complete, whatever the audio is.
    """

    def claimed() -> tuple[Speaker, Voiceprint]:
        speaker = _speaker(tenant, libraries, external_id)
        return speaker, _voiceprint(tenant, speaker)

    analysis, (speaker, voiceprint) = _heard(tenant, audio, claimed)
    model = voiceprint.model
    score = cosine(voiceprint.embedding, analysis.embeddings[model])
    metrics.scored(model, "verify", score)
    return Verification(
        model=model,
        score=score,
        threshold=decision_for(tenant, model).threshold(voiceprint.speech_seconds, analysis.quality.speech_seconds),
        qualities=(analysis.quality,),
        speaker=speaker,
    )


def identify(
    tenant: Tenant,
    libraries: QuerySet[Library],
    audio: AudioInput,
    *,
    top_k: int = DEFAULT_TOP_K,
    refuse_no_library: bool = False,
    refuse_nobody: bool = False,
) -> Identification:
    """1:N over one library, several or a whole organisation, exact.

    With `refuse_no_library` raises LibraryNotFound when there is none, with `refuse_nobody` NobodyEnrolled when nobody
    can be found in any, both whatever the audio is.
    """

    def searched() -> list[Library]:
        chosen = list(libraries)
        if refuse_no_library and not chosen:
            raise LibraryNotFound
        if refuse_nobody and not tenant.voiceprints.of_models(tenant.answering_models).in_libraries(chosen).exists():
            raise NobodyEnrolled
        return chosen

    analysis, chosen = _heard(tenant, audio, searched)
    # One more than wanted, so that the best has a runner-up even when only the best is wanted.
    nearest = _nearest_speakers(tenant, chosen, analysis, limit=top_k + 1)
    if refuse_nobody and not nearest:
        raise NobodyEnrolled
    if nearest:
        metrics.scored(nearest[0].model, "identify", nearest[0].score)
    return Identification(
        model=analysis.model,
        candidates=nearest[:top_k],
        margin=nearest[0].calibrated - nearest[1].calibrated if len(nearest) > 1 else None,
        quality=analysis.quality,
    )


def near_duplicates(
    tenant: Tenant, speaker: Speaker, embedding: Embedding, speech_seconds: float, *, model: str, limit: int
) -> tuple[Candidate, ...]:
    """Others of the speaker's library who would be accepted with this embedding of so much speech, nearest first."""
    bar = decision_for(tenant, model).bar(speech_seconds)
    with acting_as(tenant):
        # One more than wanted, for the speaker is among them.
        nearest = nearest_speakers(tenant, [speaker.library], model, embedding, bar, limit=limit + 1)
    others = (candidate for candidate in nearest if candidate.accepted and candidate.speaker != speaker)
    return tuple(islice(others, limit))


def neighbours(
    tenant: Tenant, speaker: Speaker, libraries: Iterable[Library], *, limit: int = DEFAULT_TOP_K
) -> tuple[Candidate, ...]:
    """Who else sounds most like the speaker, by the voiceprints that are stored; best first.

    Raises SpeakerNotEnrolled.
    """
    with acting_as(tenant):
        voiceprint = _voiceprint(tenant, speaker)
        model, embedding = voiceprint.model, voiceprint.embedding
        bar = decision_for(tenant, model).bar(voiceprint.speech_seconds)
        # One more than wanted, for the speaker may be among them.
        nearest = nearest_speakers(tenant, libraries, model, embedding, bar, limit=limit + 1)
    return tuple(islice((candidate for candidate in nearest if candidate.speaker != speaker), limit))


def compare(tenant: Tenant, one: AudioInput, other: AudioInput) -> Comparison:
    """Two recordings, nothing stored."""
    first, second = hear(tenant, one), hear(tenant, other)
    score = cosine(first.embedding, second.embedding)
    metrics.scored(first.model, "compare", score)
    return Comparison(
        model=first.model,
        score=score,
        threshold=decision_for(tenant, first.model).threshold(
            first.quality.speech_seconds, second.quality.speech_seconds
        ),
        qualities=(first.quality, second.quality),
    )


def compare_speakers(
    tenant: Tenant, key: LibraryKey, external_id: str, others: Sequence[str]
) -> tuple[SpeakerComparison, ...]:
    """A stored voiceprint with stored ones of the same library, probes or not, in the order of `others`.

    Names may repeat. Raises SpeakerNotFound or SpeakerNotEnrolled when any of them cannot be compared.
    """
    with acting_as(tenant):
        speakers = _speakers(tenant, key, [external_id, *others])
        voiceprints = _voiceprints(tenant, speakers.values())
    ours = voiceprints[speakers[external_id].pk]

    def held_against(other: Speaker) -> SpeakerComparison:
        theirs = voiceprints[other.pk]
        model = _common_model(tenant, ours, theirs)
        if model is None:
            raise SpeakerNotEnrolled(external_id=other.external_id, utterances=other.utterances.count())
        one, another = ours[model], theirs[model]
        threshold = decision_for(tenant, model).threshold(another.speech_seconds, one.speech_seconds)
        return SpeakerComparison(cosine(one.embedding, another.embedding), threshold, model, other)

    with acting_as(tenant):
        return tuple(held_against(speakers[name]) for name in others)


def list_speakers(
    tenant: Tenant,
    libraries: QuerySet[Library],
    *,
    offset: int = 0,
    limit: int | None = 100,
    by_name: bool = False,
) -> list[Listed]:
    """Oldest enrollment first, or by name as bytes are ordered. Probes are nobody."""
    with acting_as(tenant):
        speakers = tenant.speakers.in_libraries(libraries).without_probes().select_related("library")
        ordered = speakers.by_name() if by_name else speakers.oldest_first()
        return _listed(tenant, ordered[offset : None if limit is None else offset + limit])


def count_speakers(tenant: Tenant, libraries: QuerySet[Library]) -> int:
    with acting_as(tenant):
        return tenant.speakers.in_libraries(libraries).without_probes().count()


def find_speaker(tenant: Tenant, libraries: QuerySet[Library], external_id: str) -> Listed:
    """Whoever bears the name, with the newest recording; of several libraries, the first enrolled.

    Raises SpeakerNotFound.
    """
    with acting_as(tenant):
        return _listed(tenant, [_speaker(tenant, libraries, external_id)])[0]


def find_library(tenant: Tenant, key: LibraryKey) -> Library:
    """Raises LibraryNotFound."""
    with acting_as(tenant):
        return gallery.find_library(tenant, key)


def save_library(tenant: Tenant, key: LibraryKey, *, name: str | None = None, info: str | None = None) -> Library:
    """Make the library, or change of one that is there what is given; its speakers stay."""
    given = {field: text for field, text in {"name": name, "info": info}.items() if text is not None}
    with acting_as(tenant):
        library, is_new = tenant.libraries.update_or_create(org_id=key.org_id, tag_id=key.tag_id, defaults=given)
        action = Action.LIBRARY_MADE if is_new else Action.LIBRARY_CHANGED
        note(tenant, action, library_target(library), fields=sorted(given))
        return library


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
        doomed = gallery.locked_and_named(named)
        for speaker in doomed:
            note(tenant, Action.SPEAKER_DELETED, speaker_target(speaker))
        return gallery.drop_speakers(tenant, tenant.speakers.filter(pk__in=[speaker.pk for speaker in doomed]))


def move_speakers(tenant: Tenant, speaker_ids: Iterable[int], key: LibraryKey) -> int:
    """Those that are there, to the library `key`, with their voiceprints: all of them or nobody.

    Their recordings stay under the paths that clients know. Returns how many moved. Raises LibraryNotFound, and
    SpeakersExist for names that are taken there.
    """
    # In here nobody opts out of the library before all have moved in.
    with keeping_models(tenant):
        return gallery.move(tenant, tenant.speakers.without_probes().filter(pk__in=list(speaker_ids)), key)


def delete_probes(tenant: Tenant, libraries: QuerySet[Library], *, before: datetime) -> Removal:
    """Those that were kept before that moment."""
    with acting_as(tenant):
        removal = gallery.drop_speakers(tenant, tenant.speakers.in_libraries(libraries).probes_before(before))
        note(tenant, Action.PROBES_DELETED, before=before, probes=removal.speakers)
        return removal


def empty_libraries(tenant: Tenant, libraries: QuerySet[Library]) -> Removal:
    with acting_as(tenant):
        chosen = list(libraries)
        people = gallery.locked_people(tenant, chosen)
        for library in chosen:
            note(tenant, Action.LIBRARY_EMPTIED, library_target(library), speakers=people[library.pk])
        return gallery.drop_speakers(tenant, tenant.speakers.in_libraries(chosen))


def delete_libraries(tenant: Tenant, libraries: QuerySet[Library]) -> Removal:
    with acting_as(tenant):
        chosen = list(libraries)
        # Speakers first, as everybody locks them before their library; then whoever came in meanwhile.
        people = gallery.locked_people(tenant, chosen)
        removal = gallery.drop_speakers(tenant, tenant.speakers.in_libraries(chosen))
        locked = list(tenant.libraries.filter(pk__in=[one.pk for one in chosen]).select_for_update().order_by("pk"))
        people += gallery.locked_people(tenant, locked)
        for library in locked:
            note(tenant, Action.LIBRARY_DELETED, library_target(library), speakers=people[library.pk])
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
    with keeping_models(tenant):
        speaker = gallery.locked_speaker(_utterance(tenant, utterance_id).speaker)
        gallery.drop_utterances(tenant, speaker.utterances.filter(pk=utterance_id))
        note(tenant, Action.UTTERANCE_DELETED, speaker_target(speaker), utterance=utterance_id)
        gallery.remake_voiceprints(tenant, speaker)
        return speaker


def hear(
    tenant: Tenant,
    audio: AudioInput,
    *,
    keep: bool = False,
    models: Sequence[str] = (),
    standing_by: Sequence[str] = (),
    meanwhile: Callable[[], None] = lambda: None,
) -> Analysis:
    """Fetch and measure a recording with the tenant's model or with `models`; to `keep` it, its FLAC comes along.

    It is embedded with those `standing_by` too, as far as the worker has them.

    `meanwhile` is done before the answer in any case, as jobs.analyze says. Raises what it raises, AudioError, and what
    jobs.analyze raises.
    """
    required = audio.required_speech_seconds
    options = {
        "encoders": models or [tenant.model],
        "standing_by": standing_by,
        "denoise": audio.denoise,
        "trim_silence": audio.trim_silence,
        "required_speech_seconds": tenant.required_speech_seconds if required is None else required,
        "raw_pcm": asdict(audio.raw_pcm) if audio.raw_pcm else None,
        "form": asdict(audio.form),
        "keep": keep,
        "max_bytes": settings.MAX_UPLOAD_BYTES,
    }
    return jobs.analyze(tenant, audio, options, meanwhile)


def _heard(
    tenant: Tenant, audio: AudioInput, look_up: Callable[[], Found], *, keep: bool = False
) -> tuple[Analysis, Found]:
    """The recording measured, and what was looked up in a transaction of its own meanwhile. Raises what that raises.

    It is heard by the models that answer, and to `keep` it by those that stand by.
    """
    found: list[Found] = []

    def meanwhile() -> None:
        with acting_as(tenant):
            found.append(look_up())

    return _heard_by_all(tenant, audio, keep=keep, meanwhile=meanwhile), found[0]


def _heard_by_all(
    tenant: Tenant, audio: AudioInput, *, keep: bool = True, meanwhile: Callable[[], None] = lambda: None
) -> Analysis:
    standing_by = tenant.standing_by if keep else ()
    return hear(tenant, audio, keep=keep, models=tenant.answering_models, standing_by=standing_by, meanwhile=meanwhile)


def _heard_and_stored(
    tenant: Tenant,
    key: LibraryKey,
    audios: Sequence[AudioInput],
    refuse_in_vain: Callable[[], None],
    store: Callable[[list[Measured]], Enrollment],
) -> Enrollment:
    """The recordings measured, written to paths of their own, and stored in one transaction; all or nothing.

    The tenant's models may change while they are measured: what another has still to hear is heard before it is stored.
    One that stands by and cannot be used now is left out; a re-embedding catches up with it. Where the library keeps no
    recordings none is written.
    """
    paths: list[str] = []
    asked = set(tenant.models)

    def prepare() -> None:
        refuse_in_vain()
        if retention.keeps_recordings(tenant, key):
            stock.refuse_full(tenant, newcomer=False, recorded=True)
            paths.extend(recordings.new_path(key.org_id) for _ in audios)
            recordings.plan(tenant, paths)

    with recordings.removed_on_failure(tenant, paths):
        first, _ = _heard(tenant, audios[0], prepare, keep=True)
        analyses = [first, *(_heard_by_all(tenant, audio) for audio in audios[1:])]
        if paths:
            recordings.write(paths, [analysis.flac for analysis in analyses])
        while True:
            with keeping_models(tenant):
                if asked.issuperset(tenant.models) and all(_will_do(tenant, analysis) for analysis in analyses):
                    measured = [analysis.by(_known_to(tenant, analysis)) for analysis in analyses]
                    return store(list(zip(measured, paths or [""] * len(measured), strict=True)))
            asked.update(tenant.models)
            analyses = [_heard_again(tenant, analysis) for analysis in analyses]


def _note_said(tenant: Tenant, action: Action, enrollment: Enrollment, **about: Any) -> None:
    speaker, said = enrollment.speaker, [utterance.pk for utterance in enrollment.utterances]
    about |= {"utterances": said, "of": enrollment.utterance_count, "status": speaker.status}
    note(tenant, action, speaker_target(speaker), **about)


def _will_do(tenant: Tenant, analysis: Analysis) -> bool:
    return analysis.embeddings.keys() >= set(tenant.answering_models)


def _known_to(tenant: Tenant, analysis: Analysis) -> list[str]:
    return [model for model in tenant.models if model in analysis.embeddings]


def _heard_again(tenant: Tenant, analysis: Analysis) -> Analysis:
    """What is kept of the recording embedded in the same way with those models that have not heard it."""
    if analysis.embeddings.keys() >= set(tenant.models):
        return analysis
    kept = AudioInput(
        lambda: analysis.flac,
        len(analysis.flac),
        denoise=analysis.denoised,
        trim_silence=analysis.trimmed,
        required_speech_seconds=0.0,
    )
    missing = [model for model in tenant.answering_models if model not in analysis.embeddings]
    standing_by = [model for model in tenant.standing_by if model not in analysis.embeddings]
    heard = hear(tenant, kept, models=missing, standing_by=standing_by)
    return replace(analysis, embeddings={**heard.embeddings, **analysis.embeddings})


def _refuse_enrolled(tenant: Tenant, key: LibraryKey, external_id: str) -> None:
    if tenant.speakers.in_library(key).named(external_id).enrolled().exists():
        raise SpeakerExists(external_id=external_id)


def _refuse_newcomer(tenant: Tenant, bearers: QuerySet[Speaker]) -> None:
    """Where nobody bears the name yet and there is no room for one more, raises SpeakersExhausted."""
    if tenant.max_speakers is not None and not bearers.exists():
        stock.refuse_full(tenant, newcomer=True, recorded=False)


def _speaker(tenant: Tenant, libraries: QuerySet[Library], external_id: str) -> Speaker:
    named = tenant.speakers.in_libraries(libraries).named(external_id).select_related("library")
    speaker: Speaker | None = named.oldest_first().first()
    if speaker is None:
        raise SpeakerNotFound(external_id=external_id)
    return speaker


def _utterance(tenant: Tenant, utterance_id: int) -> Utterance:
    utterance: Utterance | None = tenant.utterances.select_related("speaker__library").filter(pk=utterance_id).first()
    if utterance is None:
        raise UtteranceNotFound(utterance_id=utterance_id)
    return utterance


def _speakers(tenant: Tenant, key: LibraryKey, external_ids: Sequence[str]) -> dict[str, Speaker]:
    """By name. Raises SpeakerNotFound for the first name that nobody bears."""
    named = tenant.speakers.in_library(key).filter(external_id__in=external_ids).select_related("library")
    speakers = {speaker.external_id: speaker for speaker in named}
    for external_id in external_ids:
        if external_id not in speakers:
            raise SpeakerNotFound(external_id=external_id)
    return speakers


def _voiceprint(tenant: Tenant, speaker: Speaker) -> Voiceprint:
    """By the first of the models that answer which knows the speaker. Raises SpeakerNotEnrolled."""
    known = _voiceprints(tenant, [speaker])[speaker.pk]
    return next(known[model] for model in tenant.answering_models if model in known)


def _voiceprints(tenant: Tenant, speakers: Collection[Speaker]) -> dict[int, dict[str, Voiceprint]]:
    """Of the models that answer, by speaker id and model. Raises SpeakerNotEnrolled for one whom none knows."""
    found: dict[int, dict[str, Voiceprint]] = {}
    for voiceprint in tenant.voiceprints.of_models(tenant.answering_models).filter(speaker__in=speakers):
        found.setdefault(voiceprint.speaker_id, {})[voiceprint.model] = voiceprint
    for speaker in speakers:
        if speaker.pk not in found:
            raise SpeakerNotEnrolled(external_id=speaker.external_id, utterances=speaker.utterances.count())
    return found


def _common_model(tenant: Tenant, one: Mapping[str, Voiceprint], other: Mapping[str, Voiceprint]) -> str | None:
    """The first of the models that answer which knows both: no vector is compared with another model's."""
    return next((model for model in tenant.answering_models if model in one and model in other), None)


def _nearest_speakers(
    tenant: Tenant, libraries: Sequence[Library], probe: Analysis, *, limit: int
) -> tuple[Candidate, ...]:
    """Best first, each speaker once: compared by the first of the models that answer which knows the speaker.

    What several models say is put in order on the scale on which everybody's threshold lies at the same place.
    """
    found: list[Candidate] = []
    with acting_as(tenant):
        for number, model in enumerate(tenant.answering_models):
            bar = decision_for(tenant, model).bar(probe.quality.speech_seconds)
            known_to = tenant.answering_models[:number]
            embedding = probe.embeddings[model]
            found += nearest_speakers(tenant, libraries, model, embedding, bar, limit=limit, not_known_to=known_to)
    found.sort(key=lambda candidate: (-candidate.calibrated, candidate.speaker.pk))
    return tuple(found[:limit])


def _listed(tenant: Tenant, speakers: Iterable[Speaker]) -> list[Listed]:
    keys = {speaker.pk: speaker for speaker in speakers}
    paths = _latest_recordings(tenant, keys)
    said = {pk: (count, newest) for pk, count, newest in tenant.utterances.counted_of(keys)}
    return [Listed(speaker, paths.get(pk, ""), *said.get(pk, (0, None))) for pk, speaker in keys.items()]


def _latest_recordings(tenant: Tenant, speakers: Iterable[int]) -> dict[int, str]:
    return dict(tenant.utterances.latest_of(speakers).values_list("speaker_id", "recording"))
