"""What can go wrong in the domain, in its own words and with its numbers. No HTTP, no vendor."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime

from voiceprints.naming import without_paths


class VoiceprintError(Exception):
    """Base of everything the services refuse."""


class LibraryNotFound(VoiceprintError):
    """Named by `org_id` and `tag_id`, or by `library_id`."""

    def __init__(self, *, org_id: str = "", tag_id: str = "", library_id: int | None = None) -> None:
        if library_id is None:
            self.org_id, self.tag_id = org_id, tag_id
            super().__init__(f"no library {org_id!r} / {tag_id!r}")
        else:
            self.library_id = library_id
            super().__init__(f"no library {library_id}")


class LibraryExists(VoiceprintError):
    def __init__(self, *, org_id: str, tag_id: str) -> None:
        self.org_id, self.tag_id = org_id, tag_id
        super().__init__(f"library {org_id!r} / {tag_id!r} exists already")


class SpeakerNotFound(VoiceprintError):
    """Named by `external_id`, or by `speaker_id`."""

    def __init__(self, *, external_id: str = "", speaker_id: int | None = None) -> None:
        if speaker_id is None:
            self.external_id = external_id
            super().__init__(f"no speaker {external_id!r}")
        else:
            self.speaker_id = speaker_id
            super().__init__(f"no speaker {speaker_id}")


class SpeakerExists(VoiceprintError):
    def __init__(self, *, external_id: str) -> None:
        self.external_id = external_id
        super().__init__(f"speaker {external_id!r} exists already")


class SpeakersExist(VoiceprintError):
    """Several could not come to a library where others bear their `names`, or they bear one name themselves."""

    def __init__(self, *, names: Sequence[str]) -> None:
        self.names = list(names)
        super().__init__(f"speakers {', '.join(map(repr, self.names))} exist already")


class SpeakerNotEnrolled(VoiceprintError):
    """The speaker is known, but too few utterances were given to compare with."""

    def __init__(self, *, external_id: str, utterances: int) -> None:
        self.external_id, self.utterances = external_id, utterances
        super().__init__(f"speaker {external_id!r} is not enrolled yet, with {utterances} utterances so far")


class NobodyEnrolled(VoiceprintError):
    """Nobody in the libraries could be found by any search."""


class SpeakerMismatch(VoiceprintError):
    """An utterance that does not sound like what the speaker said first: raw cosine, and the model's threshold."""

    def __init__(self, *, external_id: str, score: float, threshold: float) -> None:
        self.external_id, self.score, self.threshold = external_id, score, threshold
        super().__init__(f"not the voice of speaker {external_id!r}: score {score:.3f}, threshold {threshold:.3f}")


class TurnRefused(VoiceprintError):
    """An enrollment in numbered turns is elsewhere: `done` of `turns` were taken, and it is not the turn of `turn`."""

    def __init__(self, *, external_id: str, turn: int, done: int, turns: int) -> None:
        self.external_id, self.turn, self.done, self.turns = external_id, turn, done, turns
        super().__init__(f"turn {turn} of speaker {external_id!r}, who has taken {done} of {turns}")


class TurnsCompleted(TurnRefused):
    """All were taken."""


class TurnPassed(TurnRefused):
    """A later one was taken."""


class TurnTooEarly(TurnRefused):
    """An earlier one is missing."""


class UtteranceNotFound(VoiceprintError):
    def __init__(self, *, utterance_id: int) -> None:
        self.utterance_id = utterance_id
        super().__init__(f"no utterance {utterance_id}")


class RecordingNotFound(VoiceprintError):
    """No such recording, or not one that this caller may hear."""

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(f"no recording {path!r}")


class PeriodRefused(VoiceprintError):
    """No number of days for which anything is kept."""

    def __init__(self, *, days: int, most: int) -> None:
        self.days, self.most = days, most
        super().__init__(f"{days} days; 0 to {most} can be kept")


class Outdated(VoiceprintError):
    """The row is not in a version that the caller expects: somebody changed it meanwhile."""


class TooBusy(VoiceprintError):
    """More is being measured already than the platform or the tenant allows: `limit`, of `what`."""

    def __init__(self, *, what: str, limit: int) -> None:
        self.what, self.limit = what, limit
        super().__init__(f"limit of {limit} {what} reached")


class TooManyAtOnce(TooBusy):
    """The tenant has as many recordings measured at once as it may."""


class QuotaExhausted(VoiceprintError):
    """The tenant has as much as it may have: something has to go, or somebody to allow more."""


class SpeakersExhausted(QuotaExhausted):
    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        super().__init__(f"limit of {limit} speakers reached")


class StorageExhausted(QuotaExhausted):
    """There would be no room for the recording, or for another."""

    def __init__(self, *, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(f"limit of {limit_bytes} bytes of recordings reached")


class AnalysisTimedOut(VoiceprintError):
    def __init__(self, *, deadline_seconds: float) -> None:
        self.deadline_seconds = deadline_seconds
        super().__init__(f"not measured within {deadline_seconds:g} s")


class EngineFailed(VoiceprintError):
    """The worker that measured the recording died or broke; the recording itself may be fine."""


class EngineUnreachable(VoiceprintError):
    """The broker between us and the workers does not answer."""


class StorageFailed(VoiceprintError):
    """The recording could not be written or read."""

    @classmethod
    def by(cls, error: Exception, what: str = "the storage of recordings") -> StorageFailed:
        return cls(f"{what}: {without_paths(error)}")


class FilesInHand(StorageFailed):
    """Somebody else, such as a sweep, is just removing them."""


OUR_FAULT = (AnalysisTimedOut, EngineFailed, EngineUnreachable, StorageFailed)
"""Of these, whoever asked is not to blame."""


class JobNotFound(VoiceprintError):
    def __init__(self, *, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(f"no job {job_id!r}")


class JobFinished(VoiceprintError):
    """What is over cannot be cancelled."""

    def __init__(self, *, state: str) -> None:
        self.state = state
        super().__init__(f"the job is {state} already")


class JobUnderWay(VoiceprintError):
    """What is not over cannot be tried again."""

    def __init__(self, *, state: str) -> None:
        self.state = state
        super().__init__(f"the job is {state}")


class NothingToRetry(VoiceprintError):
    """Nothing of the job failed."""

    def __init__(self, *, state: str) -> None:
        self.state = state
        super().__init__(f"the job {state} and nothing of it failed")


class UploadsGone(VoiceprintError):
    """What was uploaded for the job is not kept any more: it has to be sent again."""

    def __init__(self, *, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(f"what was uploaded for job {job_id!r} is gone")


class JobFileNotFound(VoiceprintError):
    """The job made no file, or has not made it yet, or the file has expired."""

    def __init__(self, *, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(f"no file of job {job_id!r}")


class JobAbandoned(VoiceprintError):
    """A job that went down with its worker time and again, `attempts` times without getting any further."""

    def __init__(self, *, attempts: int) -> None:
        self.attempts = attempts
        super().__init__(f"given up after {attempts} attempts")


class SubjectErased(VoiceprintError):
    """An upload of the job named somebody who was erased, or may have, as it could not be read; so it went, too."""

    def __init__(self) -> None:
        super().__init__("somebody was erased whom an upload of the job names or may name")


class ErasureNotFound(VoiceprintError):
    def __init__(self, *, erasure_id: int) -> None:
        self.erasure_id = erasure_id
        super().__init__(f"no erasure {erasure_id}")


class ErasureUnfinished(VoiceprintError):
    """There is no receipt before everything is gone."""

    def __init__(self, *, state: str) -> None:
        self.state = state
        super().__init__(f"the erasure is not done yet: {state}")


class ConsentMissing(VoiceprintError):
    """The tenant enrolls nobody without a reference to their consent."""

    def __init__(self) -> None:
        super().__init__("a reference to the consent of the speaker is needed")


class OptedOut(VoiceprintError):
    """Whoever bears the name does not want to be enrolled. It does not say who that is."""

    def __init__(self) -> None:
        super().__init__("this speaker has opted out of being enrolled")


class OptOutNotFound(VoiceprintError):
    """No such opt-out."""

    def __init__(self) -> None:
        super().__init__("no such opt-out")


class TenantStays(VoiceprintError):
    """What was not closed to be erased cannot be restored."""

    def __init__(self, *, slug: str) -> None:
        self.slug = slug
        super().__init__(f"tenant {slug!r} is not to be erased")


class TenantErasing(VoiceprintError):
    """The time to restore it is over."""

    def __init__(self, *, slug: str) -> None:
        self.slug = slug
        super().__init__(f"tenant {slug!r} is being erased or gone")


class ModelNotFound(VoiceprintError):
    """No model of that name was ever made known here."""

    def __init__(self, *, model: str) -> None:
        self.model = model
        super().__init__(f"no model {model!r} is known here")


class ModelUnusable(EngineFailed):
    """A worker cannot embed with the model: not installed there, or not as it was. Trying again mends nothing.

    `reason` names the file, and what to do about it.
    """

    def __init__(self, *, model: str, reason: str) -> None:
        self.model, self.reason = model, printable(reason)
        super().__init__(self.reason)


class ModelInUse(VoiceprintError):
    """Of a model: `tenants` that use it, `vectors` that were made with it, or it is what new tenants begin with."""

    def __init__(self, *, name: str, tenants: int, vectors: int, is_default: bool) -> None:
        self.name, self.tenants, self.vectors, self.is_default = name, tenants, vectors, is_default
        reasons = [
            f"{tenants} tenant{'s use' if tenants > 1 else ' uses'} it" if tenants else "",
            f"{vectors} vector{'s were' if vectors > 1 else ' was'} made with it" if vectors else "",
            "new tenants begin with it" if is_default else "",
        ]
        super().__init__(f"model {name!r} stays: {', '.join(filter(None, reasons))}")


class EmbeddingUnfinished(VoiceprintError):
    """So many utterances could not be embedded, for reasons that are none of their recordings': how often which."""

    def __init__(self, *, model: str, undone: int, reason: str) -> None:
        self.model, self.undone, self.reason = model, undone, reason
        super().__init__(f"{undone} utterances were not embedded with {model!r}: {reason}; mend it and begin again")


class GenerationNotFound(VoiceprintError):
    """The tenant keeps no vectors of that model."""

    def __init__(self, *, model: str) -> None:
        self.model = model
        super().__init__(f"no vectors of model {model!r} are kept up; begin with a re-embedding")


class CalibratedAlready(VoiceprintError):
    """The tenant has a calibration of its own of that model."""

    def __init__(self, *, model: str) -> None:
        self.model = model
        super().__init__(f"there is an own calibration of {model!r} already; --replace makes a new one")


class CalibrationNoBetter(VoiceprintError):
    """Cllr, in bits: of what a tenant's own recordings teach about speakers held out, and of the installation's."""

    def __init__(self, *, model: str, cllr: float, installations_cllr: float) -> None:
        self.model, self.cllr, self.installations_cllr = model, cllr, installations_cllr
        super().__init__(
            f"an own calibration of {model!r} would be no better: Cllr {cllr:.4f} on speakers held out, and "
            f"{installations_cllr:.4f} as the installation has it; --accept-worse takes it all the same"
        )


class TooFewPairs(VoiceprintError):
    """A tenant's own recordings say too little; each figure with the least that is asked for."""

    def __init__(self, *, targets: int, impostors: int, speakers: int, least: tuple[int, int, int]) -> None:
        self.targets, self.impostors, self.speakers, self.least = targets, impostors, speakers, least
        super().__init__(
            f"{targets} pairs of one speaker, {impostors} of two of one library, {speakers} speakers: "
            f"at least {least[0]}, {least[1]} and {least[2]} are needed"
        )


class GenerationIncomplete(VoiceprintError):
    """Of the tenant's `utterances` that have a recording, `missing` were not embedded with the model yet.

    The recordings of `failed` more cannot be used.
    """

    def __init__(self, *, model: str, missing: int, failed: int, utterances: int) -> None:
        self.model, self.missing, self.failed, self.utterances = model, missing, failed, utterances
        said = [
            f"{missing} of {utterances} utterances were not embedded with {model!r} yet" if missing else "",
            f"the recordings of {failed} of {utterances} utterances cannot be embedded with {model!r}"
            if failed
            else "",
        ]
        super().__init__("; ".join(filter(None, said)))


class GenerationInUse(VoiceprintError):
    """Requests are answered with the model, or may be for `seconds` more."""

    def __init__(self, *, model: str, seconds: int | None = None) -> None:
        self.model, self.seconds = model, seconds
        until = "answers requests" if seconds is None else f"may answer requests for {seconds} s more"
        super().__init__(f"model {model!r} {until}")


class NothingToRollBack(VoiceprintError):
    """No earlier model is kept up that the tenant could go back to."""

    def __init__(self) -> None:
        super().__init__("no earlier model is kept up")


class ArchiveRefused(VoiceprintError):
    """No archive we read: damaged, or made to do harm. `member`: the name in it that gave the reason, if one did."""

    def __init__(self, reason: str, *, member: str = "") -> None:
        self.reason, self.member = reason, printable(member)[:LONGEST_NAME_SHOWN]
        super().__init__(f"{reason}: {self.member}" if member else reason)


class ManifestRefused(VoiceprintError):
    """No list of speakers we can read; `line` counts from 1, 0 when it is about all of it."""

    def __init__(self, reason: str, *, line: int = 0) -> None:
        self.reason, self.line = reason, line
        super().__init__(f"line {line}: {reason}" if line else reason)


class RowRefused(VoiceprintError):
    """A line of a manifest that cannot be meant: `field` is missing, unfit, or said elsewhere already."""

    def __init__(self, reason: str, *, field: str) -> None:
        self.reason, self.field = reason, field
        super().__init__(f"{field}: {reason}")


class FileMissing(VoiceprintError):
    """A file that a manifest names is not where it should be."""

    def __init__(self, *, name: str) -> None:
        self.name = printable(name)[:LONGEST_NAME_SHOWN]
        super().__init__(f"no file {self.name!r}")


LONGEST_NAME_SHOWN = 200
# What Python quotes in a reason or a message, in either way it does so.
QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")


def printable(text: str) -> str:
    """The text without what no database takes and no person can read: controls, and halves of characters."""
    return "".join("?" if unicodedata.category(character) in {"Cc", "Cs"} else character for character in text)


class BackupUnderWay(VoiceprintError):
    """`backup`: who makes it; None where none is made, and recordings are being removed."""

    def __init__(self, backup: object) -> None:
        self.backup = backup
        under_way = f"another backup is being made ({backup})" if backup else "recordings are being removed"
        super().__init__(f"{under_way}; try again when that is over")


class BackupHoldsFiles(VoiceprintError):
    """What is to be removed is removed once `backup` is done."""

    def __init__(self, backup: object) -> None:
        self.backup = backup
        super().__init__(f"a backup is being made ({backup}); files go once it is done")


class FilesAwaited(VoiceprintError):
    """What somebody is writing, or was when they died, is removed once it is there, or `until` has passed.

    Whoever is still at it then puts that off.
    """

    def __init__(self, *, until: datetime) -> None:
        self.until = until
        super().__init__(f"files may still be written, until {until:%Y-%m-%d %H:%M} UTC if nobody is at them any more")


class BackupStuck(VoiceprintError):
    def __init__(self, *, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"nothing was read or written for {seconds} s: the backup is given up, and files may go again")


class BackupInterrupted(VoiceprintError):
    """Files may have gone that the backup should have had."""

    def __init__(self) -> None:
        super().__init__("the connection to the database was lost meanwhile; the backup has to be made anew")
