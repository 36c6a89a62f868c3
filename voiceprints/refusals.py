"""What was refused to a person at the console, in their words."""

from __future__ import annotations

import re
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.formats import localize
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audio.errors import (
    AudioError,
    Damaged,
    NotEnoughSpeech,
    PoorQuality,
    TooExpensive,
    TooLarge,
    TooLong,
    TooShort,
    Undecodable,
    Unrecognised,
)
from tenants.names import visible
from tenants.sentences import listed
from voiceprints import usage_reasons
from voiceprints.errors import (
    AnalysisTimedOut,
    ArchiveRefused,
    ConsentMissing,
    EmbeddingUnfinished,
    EngineFailed,
    EngineUnreachable,
    FileMissing,
    GenerationIncomplete,
    GenerationInUse,
    GenerationNotFound,
    JobAbandoned,
    JobFileNotFound,
    JobFinished,
    JobNotFound,
    JobUnderWay,
    LibraryNotFound,
    ManifestRefused,
    ModelNotFound,
    ModelUnusable,
    NobodyEnrolled,
    NothingToRetry,
    NothingToRollBack,
    OptedOut,
    OptOutNotFound,
    RowRefused,
    SpeakerExists,
    SpeakerMismatch,
    SpeakerNotEnrolled,
    SpeakerNotFound,
    SpeakersExhausted,
    SpeakersExist,
    StorageExhausted,
    StorageFailed,
    SubjectErased,
    TenantErasing,
    TenantStays,
    TooBusy,
    UploadsGone,
    UtteranceNotFound,
)
from voiceprints.manifests import LACKING
from voiceprints.model_changes import RateRefused
from voiceprints.reasons import reason_in_words

NAMES_SHOWN = 10

REFUSALS = {
    ModelNotFound: gettext_lazy("No model %(model)s is known here."),
    ModelUnusable: gettext_lazy("A worker could not use the model %(model)s. Is it installed there?"),
    EmbeddingUnfinished: gettext_lazy(
        "%(undone)s recordings were not embedded with %(model)s: %(reason)s. Mend that, and prepare the model again."
    ),
    GenerationNotFound: gettext_lazy("Nothing is kept up for the model %(model)s. Prepare it first."),
    NothingToRollBack: gettext_lazy("There is no earlier model to go back to."),
    TooBusy: gettext_lazy("Too much is under way already, at most %(limit)s at once. Try again in a moment."),
    SpeakersExhausted: gettext_lazy(
        "The tenant has as many speakers as it may have, %(limit)s. Delete some, or ask platform staff for more."
    ),
    StorageExhausted: gettext_lazy(
        "There is no room for another recording: the tenant may keep %(limit)s of them. Delete some, or ask "
        "platform staff for more."
    ),
    JobNotFound: gettext_lazy("Nothing is being embedded with this model."),
    JobFileNotFound: gettext_lazy("The job has no file, or has none any more."),
    JobFinished: gettext_lazy("The job is over already."),
    JobUnderWay: gettext_lazy("The job is not over yet."),
    NothingToRetry: gettext_lazy("Nothing of the job failed."),
    UploadsGone: gettext_lazy("What was uploaded for the job is gone. Send it again: what is there stays as it is."),
    ArchiveRefused: gettext_lazy("The archive cannot be used: %(reason)s."),
    ManifestRefused: gettext_lazy("The list cannot be used: %(reason)s."),
    RowRefused: gettext_lazy("%(field)s: %(reason)s."),
    FileMissing: gettext_lazy("There is no file %(name)s."),
    JobAbandoned: gettext_lazy("Given up: the worker went down %(attempts)s times without getting any further."),
    SubjectErased: gettext_lazy(
        "Ended by an erasure: what was uploaded names somebody who was erased, or may do so, as it could not be read. "
        "What was done stays."
    ),
    StorageFailed: gettext_lazy("The storage of the recordings did not answer."),
    NotEnoughSpeech: gettext_lazy(
        "Not enough speech: %(speech_seconds)s s were heard, %(required_seconds)s s are needed. Speak longer."
    ),
    PoorQuality: gettext_lazy(
        "Too much of the speech is clipped to tell a voice by. Speak further from the microphone."
    ),
    TooShort: gettext_lazy("The recording is only %(seconds)s s long; %(required_seconds)s s are needed."),
    TooLong: gettext_lazy("The recording is %(seconds)s s long; at most %(limit_seconds)s s are taken."),
    TooLarge: gettext_lazy("The file is too large: at most %(limit)s are taken."),
    TooExpensive: gettext_lazy("The file takes too long to decode. Save it as WAV and try again."),
    Unrecognised: gettext_lazy("This is not a recording of a kind that can be read here."),
    Damaged: gettext_lazy("The file begins as a recording and cannot be read to the end: it is damaged."),
    Undecodable: gettext_lazy("No sound could be read from this file."),
    SpeakerMismatch: gettext_lazy(
        "Another voice: it does not sound like what %(external_id)s said before "
        "(cosine %(score)s, needed %(threshold)s)."
    ),
    SpeakerExists: gettext_lazy("A speaker %(external_id)s is there already. Choose another id, or open that speaker."),
    SpeakerNotFound: gettext_lazy("There is no such speaker here."),
    SpeakerNotEnrolled: gettext_lazy("%(external_id)s is not enrolled yet, so there is nothing to compare with."),
    NobodyEnrolled: gettext_lazy("Nobody is enrolled in this library."),
    LibraryNotFound: gettext_lazy("There is no such library any more."),
    UtteranceNotFound: gettext_lazy("This recording was deleted meanwhile."),
    ConsentMissing: gettext_lazy("Say where the consent of the speaker is found: nobody is enrolled without it."),
    OptedOut: gettext_lazy("This speaker has opted out of being enrolled."),
    OptOutNotFound: gettext_lazy("There is no such opt-out."),
    TenantErasing: gettext_lazy("The tenant is being erased or gone: there is no way back."),
    TenantStays: gettext_lazy("The tenant is not to be erased."),
    AnalysisTimedOut: gettext_lazy("Nothing was measured within %(deadline_seconds)s s. Try again."),
    EngineFailed: gettext_lazy("The worker that measured the recording failed. Try again."),
    EngineUnreachable: gettext_lazy("The workers cannot be reached now. Try again in a moment."),
    RateRefused: gettext_lazy("The rate must be a number of recordings per second, from 0.1 to 1000, or empty."),
}

WORD = re.compile(r"[A-Za-z]+")
STRANGE = {"external_id", "member"}
"""Names that strangers gave."""
WITH_REASON = (ArchiveRefused, ManifestRefused, RowRefused)


def in_words(error: Exception) -> str:
    if isinstance(error, GenerationInUse):
        return _in_use(error)
    if isinstance(error, GenerationIncomplete):
        return _incomplete(error)
    if isinstance(error, SpeakersExist):
        return _taken(error)
    if isinstance(error, RowRefused) and error.reason == LACKING:
        return _("The line has no %(field)s.") % {"field": error.field}
    if isinstance(error, ArchiveRefused) and error.member:
        return _("The archive cannot be used: %(reason)s (%(member)s).") % _figures(error)
    words = REFUSALS.get(type(error))
    return str(words) % _figures(error) if words else str(error)


def _figures(error: Exception) -> dict[str, Any]:
    numbers = error.numbers if isinstance(error, AudioError) else vars(error)
    if isinstance(error, WITH_REASON):
        numbers = numbers | {"reason": reason_in_words(error.reason)}
    if "limit_bytes" in numbers:
        numbers = numbers | {"limit": filesizeformat(numbers["limit_bytes"])}
    if isinstance(error, EmbeddingUnfinished):
        numbers = numbers | {"reason": WORD.sub(lambda kind: usage_reasons.in_words(kind[0]), error.reason)}
    numbers = numbers | {name: visible(numbers[name]) for name in STRANGE & numbers.keys()}
    return {name: localize(round(one, 2)) if isinstance(one, float) else one for name, one in numbers.items()}


def _taken(error: SpeakersExist) -> str:
    more = len(error.names) - NAMES_SHOWN
    words = _("Nobody was moved. These names are taken there: %s") % listed(map(visible, error.names[:NAMES_SHOWN]))
    return words + (ngettext(" and %d more.", " and %d more.", more) % more if more > 0 else ".")


def _in_use(error: GenerationInUse) -> str:
    if error.seconds is None:
        return _("Requests are answered with %(model)s. Let another model answer first.") % {"model": error.model}
    words = _("Requests that began before the switch may still need %(model)s. Try again in %(seconds)s s.")
    return words % vars(error)


def _incomplete(error: GenerationIncomplete) -> str:
    missing = _(
        "%(missing)s of %(utterances)s recordings were not embedded with %(model)s yet. Prepare it to the end first."
    )
    failed = _("%(failed)s of %(utterances)s recordings could not be used with %(model)s.")
    return (missing if error.missing else failed) % vars(error)
