"""Wire → keyword arguments of a service, result → wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any, ClassVar

from rest_framework import serializers

from api.native.fields import Choice, Integer, Items, Lines, Moment, Recording, Switch, Text
from api.native.operations import Strict
from api.native.paging import Cursor, CursorField
from audio.results import RawPcm
from voiceprints.consents import Given, refuse_impossible
from voiceprints.manifests import LONGEST_INFO
from voiceprints.models import Speaker
from voiceprints.paging import Order, Page
from voiceprints.results import AudioInput, Identification, LibraryKey, WhenEnrolled

LARGEST_ID = 10**18 - 1
LARGEST_PAGE = 200
MOST_UTTERANCES = 10
MOST_REQUIRED = 100
MOST_MOVED = 1000
MOST_CANDIDATES = 100
LOWEST_SAMPLE_RATE, HIGHEST_SAMPLE_RATE = 4_000, 192_000
MOST_CHANNELS = 8

STATUSES = [str(Speaker.Status.ENROLLING), str(Speaker.Status.ENROLLED)]

Fields = dict[str, "serializers.Field[Any, Any, Any, Any]"]


def org_id(**options: Any) -> Text:
    return Text(max_length=64, help_text="The organisation that the library belongs to.", **options)


def tag_id(help_text: str = "Tells the libraries of an organisation apart.", **options: Any) -> Text:
    return Text(max_length=64, allow_blank=True, help_text=help_text, **options)


def external_id(**options: Any) -> Text:
    return Text(max_length=128, help_text="Your own name for the speaker, unique in its library.", **options)


def info(**options: Any) -> Lines:
    return Lines(max_length=LONGEST_INFO, allow_blank=True, help_text="Whatever you want to keep with it.", **options)


def number(help_text: str = "", **options: Any) -> Integer:
    return Integer(min_value=1, max_value=LARGEST_ID, help_text=help_text, **options)


def moment(help_text: str, **options: Any) -> serializers.DateTimeField:
    return serializers.DateTimeField(default_timezone=UTC, help_text=help_text, **options)


# --- Which rows -------------------------------------------------------------------------------------------------------


class PageQuery(Strict):
    """`filters`: parameter → look-up."""

    orders: ClassVar[Mapping[str, Order]] = {
        "created": Order(("created", "pk")),
        "-created": Order(("created", "pk"), descending=True),
    }
    filters: ClassVar[Mapping[str, str]] = {}

    created_from = Moment(required=False, help_text="Made at this moment or later.")
    created_before = Moment(required=False, help_text="Made earlier than this moment.")
    limit = Integer(default=50, min_value=1, max_value=LARGEST_PAGE, help_text="How many rows a page has at most.")

    def get_fields(self) -> Fields:
        ordering = Choice(
            list(self.orders),
            default=next(iter(self.orders)),
            help_text="A minus sign turns it round. A cursor brings its own.",
        )
        help_text = "`next_cursor` of the page before."
        cursor = CursorField(type(self).__name__, self.orders, required=False, help_text=help_text)
        return super().get_fields() | {"ordering": ordering, "cursor": cursor}

    @classmethod
    def page(cls, query: Mapping[str, Any]) -> dict[str, Any]:
        """Keyword arguments of a listing."""
        cursor: Cursor | None = query.get("cursor")
        filters = {"created_from": "created__gte", "created_before": "created__lt", **cls.filters}
        return {
            "where": {lookup: query[name] for name, lookup in filters.items() if name in query},
            "order": cls.orders[cursor.ordering if cursor else query["ordering"]],
            "after": cursor.position if cursor else None,
            "limit": query["limit"],
        }


class LibraryQuery(PageQuery):
    orders = {
        **PageQuery.orders,
        "org_id": Order(("org_id", "tag_id", "pk")),
        "-org_id": Order(("org_id", "tag_id", "pk"), descending=True),
    }
    filters = {"org_id": "org_id", "tag_id": "tag_id"}

    org_id = org_id(required=False)
    tag_id = tag_id(required=False)


class SpeakerQuery(PageQuery):
    orders = {
        **PageQuery.orders,
        "external_id": Order(("external_id", "pk")),
        "-external_id": Order(("external_id", "pk"), descending=True),
    }
    filters = {
        "org_id": "library__org_id",
        "tag_id": "library__tag_id",
        "library_id": "library",
        "external_id": "external_id",
        "status": "status",
    }

    org_id = org_id(required=False)
    tag_id = tag_id(required=False)
    library_id = number(required=False)
    external_id = external_id(required=False)
    status = Choice(STATUSES, required=False)


class UtteranceQuery(PageQuery):
    filters = {
        "org_id": "speaker__library__org_id",
        "tag_id": "speaker__library__tag_id",
        "external_id": "speaker__external_id",
        "speaker_id": "speaker",
    }

    org_id = org_id(required=False)
    tag_id = tag_id(required=False)
    external_id = external_id(required=False)
    speaker_id = number(required=False)


# --- What is sent -----------------------------------------------------------------------------------------------------


class NewLibrary(Strict):
    org_id = org_id()
    tag_id = tag_id(default="")
    name = Text(max_length=256, allow_blank=True, default="", help_text="For people.")
    info = info(default="")

    @staticmethod
    def arguments(sent: dict[str, Any]) -> dict[str, Any]:
        return {"key": LibraryKey(sent["org_id"], sent["tag_id"]), "name": sent["name"], "info": sent["info"]}


class LibraryChanges(Strict):
    name = Text(max_length=256, allow_blank=True, required=False, help_text="For people.")
    info = info(required=False)


class Consenting(Strict):
    """Where a speaker's consent is found, and what of it is known."""

    consent_reference = Text(
        max_length=200,
        allow_blank=True,
        default="",
        help_text="Where the speaker's consent is found, such as the number of a form. A tenant may ask for it.",
    )
    consent_version = Text(max_length=64, allow_blank=True, default="", help_text="Of what was consented to.")
    consent_source = Text(max_length=64, allow_blank=True, default="", help_text="How it was given.")
    consent_given = Moment(
        required=False,
        validators=[refuse_impossible],
        help_text="When it was given: after 1900, and at most a day ahead of our clock.",
    )

    def get_fields(self) -> Fields:
        """Behind what else is asked for."""
        fields = super().get_fields()
        told = {name: fields.pop(name) for name in Consenting._declared_fields}
        return fields | told

    @staticmethod
    def consent(sent: Mapping[str, Any]) -> Given | None:
        about = {name: sent.get(f"consent_{name}") for name in ("reference", "version", "source", "given")}
        return Given(**about) if about["reference"] else None  # type: ignore[arg-type]


class SpeakerChanges(Consenting):
    info = info(required=False)

    @classmethod
    def arguments(cls, sent: dict[str, Any]) -> dict[str, Any]:
        return {"changes": {name: sent[name] for name in ("info",) if name in sent}, "consent": cls.consent(sent)}


class Heard(Strict):
    """What goes with every recording."""

    denoise = Switch(default=False, help_text="Clean the recording before it is heard. What is kept stays as it is.")
    trim_silence = Switch(default=True, help_text="Leave long pauses out of what is heard.")
    pcm_sample_rate = Integer(
        required=False,
        min_value=LOWEST_SAMPLE_RATE,
        max_value=HIGHEST_SAMPLE_RATE,
        help_text="The recording is headerless 16-bit little-endian PCM of so many samples per second.",
    )
    pcm_channels = Integer(
        default=1, min_value=1, max_value=MOST_CHANNELS, help_text="Of headerless PCM; looked at only there."
    )

    def get_fields(self) -> Fields:
        """What is asked for stands before what is optional everywhere."""
        fields = super().get_fields()
        options = {name: fields.pop(name) for name in Heard._declared_fields}
        return fields | options

    @staticmethod
    def heard(audio: AudioInput, sent: Mapping[str, Any]) -> AudioInput:
        rate = sent.get("pcm_sample_rate")
        raw_pcm = RawPcm(rate, sent["pcm_channels"]) if rate else None
        return replace(audio, raw_pcm=raw_pcm, denoise=sent["denoise"], trim_silence=sent["trim_silence"])


class Enrolling(Heard, Consenting):
    org_id = org_id()
    tag_id = tag_id(default="")
    external_id = external_id()
    audio = Items(
        child=Recording(),
        min_length=1,
        max_length=MOST_UTTERANCES,
        help_text="The utterances. All of them are enrolled, or none.",
    )
    info = info(default="")
    required_utterances = Integer(
        default=1,
        min_value=1,
        max_value=MOST_REQUIRED,
        help_text="The enrollment is complete with so many utterances, which may come in several calls.",
    )
    when_enrolled = Choice(
        [str(choice) for choice in WhenEnrolled],
        default=str(WhenEnrolled.REFUSE),
        help_text="When the speaker is enrolled already: refuse, replace all they said, or add to it.",
    )
    create_library = Switch(default=True, help_text="Whether a library that is not there is made.")

    @classmethod
    def arguments(cls, sent: dict[str, Any]) -> dict[str, Any]:
        return {
            "key": LibraryKey(sent["org_id"], sent["tag_id"]),
            "external_id": sent["external_id"],
            "audios": [cls.heard(audio, sent) for audio in sent["audio"]],
            "info": sent["info"],
            "required_utterances": sent["required_utterances"],
            "when_enrolled": WhenEnrolled(sent["when_enrolled"]),
            "create_library": sent["create_library"],
            "consent": cls.consent(sent),
        }


class Moving(Strict):
    speakers = Items(
        child=number(),
        min_length=1,
        max_length=MOST_MOVED,
        help_text="Numbers of speakers. Those of nobody count for none.",
    )
    org_id = org_id()
    tag_id = tag_id(default="")

    @staticmethod
    def arguments(sent: dict[str, Any]) -> dict[str, Any]:
        return {"speaker_ids": sent["speakers"], "key": LibraryKey(sent["org_id"], sent["tag_id"])}


class Verifying(Heard):
    org_id = org_id()
    tag_id = tag_id(default="")
    external_id = external_id()
    audio = Recording(help_text="What was said now.")


class Identifying(Heard):
    org_id = org_id()
    tag_id = tag_id("The library to search; left out, all of the organisation's are.", required=False)
    audio = Recording(help_text="What was said now.")
    top_k = Integer(default=5, min_value=1, max_value=MOST_CANDIDATES, help_text="How many candidates to name at most.")


class Comparing(Heard):
    one = Recording()
    other = Recording()


class Analyzing(Heard):
    audio = Recording()


# --- What is answered -------------------------------------------------------------------------------------------------


class LibraryReply(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="library.pk")
    org_id = serializers.CharField(source="library.org_id")
    tag_id = serializers.CharField(source="library.tag_id")
    name = serializers.CharField(source="library.name")
    info = serializers.CharField(source="library.info")
    speaker_count = serializers.IntegerField(help_text="Enrolled or enrolling.")
    created = moment("", source="library.created")


class SpeakerReply(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="speaker.pk")
    library_id = serializers.IntegerField(source="speaker.library_id")
    org_id = serializers.CharField(source="speaker.library.org_id")
    tag_id = serializers.CharField(source="speaker.library.tag_id")
    external_id = serializers.CharField(source="speaker.external_id")
    info = serializers.CharField(source="speaker.info")
    status = serializers.ChoiceField(STATUSES, source="speaker.status")
    utterance_count = serializers.IntegerField()
    created = moment("", source="speaker.created")
    last_heard = moment("When the newest utterance was stored.", allow_null=True)


class QualityReply(serializers.Serializer[Any]):
    duration_seconds = serializers.FloatField()
    speech_seconds = serializers.FloatField()
    snr_db = serializers.FloatField(help_text="Speech over noise.")
    level_dbfs = serializers.FloatField(help_text="Of the speech, relative to full scale.")
    clipped_ratio = serializers.FloatField(help_text="Share of the speech that is clipped.")
    dropout_ratio = serializers.FloatField(help_text="Share of the speech that is lost.")
    warnings = serializers.ListField(
        child=serializers.ChoiceField(["noisy", "low_level", "clipped", "dropouts"]),
        help_text="What makes a comparison with this recording less sure.",
    )


class UtteranceReply(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="pk")
    speaker_id = serializers.IntegerField()
    org_id = serializers.CharField(source="speaker.library.org_id")
    tag_id = serializers.CharField(source="speaker.library.tag_id")
    external_id = serializers.CharField(source="speaker.external_id")
    created = moment("")
    quality = QualityReply()
    has_recording = serializers.BooleanField(
        source="recording",
        help_text="Whether its recording can be fetched; false where only the embedding came, or is kept.",
    )
    recording_expired = moment(
        "When its recording went because its period was over, or was not kept at all; null in every other case.",
        allow_null=True,
    )


class PageReply(serializers.Serializer[Any]):
    """A Page and the query that it answers."""

    next_cursor = serializers.CharField(allow_null=True, help_text="`cursor` of the next page, null on the last.")


class LibraryPage(PageReply):
    items = LibraryReply(many=True)


class SpeakerPage(PageReply):
    items = SpeakerReply(many=True)


class UtterancePage(PageReply):
    items = UtteranceReply(many=True)


def paged(page: Page[Any], listing: type[Strict], query: Mapping[str, Any]) -> dict[str, Any]:
    """What a PageReply renders."""
    ordering = query["cursor"].ordering if query.get("cursor") else query["ordering"]
    following = Cursor(listing.__name__, ordering, page.last) if page.last else None
    return {"items": page.rows, "next_cursor": following and str(following)}


class MovedReply(serializers.Serializer[Any]):
    speakers = serializers.IntegerField(help_text="How many are in that library now, of those who were named.")


class EmptiedReply(serializers.Serializer[Any]):
    speakers = serializers.IntegerField()
    recordings = serializers.IntegerField()


class ComparisonReply(serializers.Serializer[Any]):
    """`score` is the raw cosine of the embeddings."""

    score = serializers.FloatField(help_text="Raw cosine, from -1 to 1.")
    calibrated = serializers.FloatField(help_text="From 0 to 1; 0.5 is the threshold.")
    threshold = serializers.FloatField(
        help_text="The raw cosine from which on it counts as the same speaker, by how much speech there was."
    )
    accepted = serializers.BooleanField(help_text="Whether it counts as the same speaker.")
    model = serializers.CharField(help_text="Which model made the embeddings.")


class ComparedReply(ComparisonReply):
    qualities = QualityReply(many=True, help_text="Of the one recording and of the other.")


class CandidateReply(serializers.Serializer[Any]):
    speaker_id = serializers.IntegerField(source="speaker.pk")
    org_id = serializers.CharField(source="speaker.library.org_id")
    tag_id = serializers.CharField(source="speaker.library.tag_id")
    external_id = serializers.CharField(source="speaker.external_id")
    score = serializers.FloatField(help_text="Raw cosine, from -1 to 1.")
    calibrated = serializers.FloatField(help_text="From 0 to 1; 0.5 is the threshold.")
    threshold = serializers.FloatField(
        help_text="The raw cosine from which on it counts as the same speaker, by how much speech there was."
    )
    accepted = serializers.BooleanField(help_text="Whether it counts as the same speaker.")


class VerificationReply(ComparisonReply):
    speaker_id = serializers.IntegerField(source="speaker.pk")
    external_id = serializers.CharField(source="speaker.external_id")
    quality = QualityReply(help_text="Of what was said now.")


class IdentificationReply(serializers.Serializer[Any]):
    """Open set: nobody need be the one."""

    unknown = serializers.BooleanField(help_text="Nobody in the libraries is accepted.")
    best = CandidateReply(allow_null=True, help_text="The accepted speaker with the highest score.")
    margin = serializers.FloatField(
        allow_null=True,
        help_text="How far the first candidate is above the second, both calibrated; null without a second.",
    )
    candidates = CandidateReply(many=True, help_text="Best first, accepted or not.")
    model = serializers.CharField(help_text="Which model made the embeddings.")
    quality = QualityReply(help_text="Of what was said now.")


def identified(identification: Identification) -> dict[str, Any]:
    """What an IdentificationReply renders."""
    return vars(identification) | {"unknown": identification.best is None, "best": identification.best}


class ConsistencyReply(serializers.Serializer[Any]):
    lowest = serializers.FloatField()
    mean = serializers.FloatField()


class AgreementReply(serializers.Serializer[Any]):
    score = serializers.FloatField(help_text="Raw cosine, from -1 to 1.")
    calibrated = serializers.FloatField(help_text="From 0 to 1; 0.5 is the threshold.")
    threshold = serializers.FloatField(
        help_text="The raw cosine from which on it counts as the same speaker, by how much speech there was."
    )
    accepted = serializers.BooleanField(help_text="Whether it counts as the same speaker.")


class EnrolledUtteranceReply(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="utterance.pk")
    quality = QualityReply()
    consistency = ConsistencyReply(
        allow_null=True, help_text="Raw cosines with each other utterance of the speaker; null when there is none."
    )
    agreement = AgreementReply(
        allow_null=True, help_text="With all that the speaker said before it; null for the first."
    )


class EnrollmentReply(serializers.Serializer[Any]):
    speaker = SpeakerReply()
    complete = serializers.BooleanField(help_text="Whether the speaker can be verified and identified now.")
    required_utterances = serializers.IntegerField()
    utterances = EnrolledUtteranceReply(many=True, help_text="Those of this call, in its order.")
    warnings = serializers.ListField(
        child=serializers.ChoiceField(["inconsistent", "near_duplicates"]),
        help_text="inconsistent: two utterances hardly come from one speaker. near_duplicates: somebody else does.",
    )
    near_duplicates = CandidateReply(
        many=True, help_text="Other speakers of the library who would be accepted in this one's place, nearest first."
    )
    model = serializers.CharField(help_text="Which model made the embeddings.")


class AnalysisReply(serializers.Serializer[Any]):
    quality = QualityReply()
    model = serializers.CharField(help_text="Which model would hear it.")
