"""The operations. Each parses, calls one service, and renders."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from api.native import serializers
from api.native.auth import ADMIN, ENROLL, LISTEN, READ, RECOGNISE
from api.native.operations import NO_CONTENT, operation
from api.native.viewsets import NativeViewSet
from api.native.wire import stand_in
from audio.errors import AudioError
from tenants.models import Operation
from voiceprints import bulk, curation, reports, services
from voiceprints.errors import (
    ConsentMissing,
    LibraryExists,
    LibraryNotFound,
    OptedOut,
    Outdated,
    RecordingNotFound,
    SpeakerExists,
    SpeakerMismatch,
    SpeakerNotEnrolled,
    SpeakerNotFound,
    SpeakersExhausted,
    SpeakersExist,
    StorageExhausted,
    UtteranceNotFound,
)
from voiceprints.results import Enrollment
from voiceprints.serving import handed_out

FLAC = "audio/flac"


class LibraryViewSet(NativeViewSet):
    tag = "libraries"
    operations = {
        "list": Operation.READ,
        "create": Operation.MANAGE,
        "retrieve": Operation.READ,
        "partial_update": Operation.MANAGE,
        "destroy": Operation.DELETE,
        "empty": Operation.DELETE,
    }

    @operation("List libraries", READ, query=serializers.LibraryQuery, reply=serializers.LibraryPage)
    def list(self, request: Request) -> Response:
        page = curation.browse_libraries(self.tenant, **serializers.LibraryQuery.page(self.query))
        return self.page(page)

    @operation(
        "Make a library",
        ENROLL,
        body=serializers.NewLibrary,
        reply=serializers.LibraryReply,
        status=201,
        refuses=(LibraryExists,),
        headers=("ETag", "Location"),
    )
    def create(self, request: Request) -> Response:
        library = serializers.NewLibrary.arguments(self.body(request))
        with self.atomically():
            row = curation.make_library(self.tenant, **library)
            location = reverse("native-library", args=[row.library.pk])
            return self.kept(self.reply(row, etag=row.version, Location=location))

    @operation("Get a library", READ, reply=serializers.LibraryReply, refuses=(LibraryNotFound,), conditional=True)
    def retrieve(self, request: Request, library_id: int) -> Response:
        row = curation.find_library(self.tenant, library_id)
        return self.reply(row, etag=row.version)

    @operation(
        "Change a library",
        ADMIN,
        body=serializers.LibraryChanges,
        reply=serializers.LibraryReply,
        refuses=(LibraryNotFound, Outdated),
        conditional=True,
    )
    def partial_update(self, request: Request, library_id: int) -> Response:
        """What is left out stays."""
        row = curation.change_library(
            self.tenant, library_id, self.body(request), versions=self.expected_versions(request)
        )
        return self.reply(row, etag=row.version)

    @operation(
        "Delete a library",
        ADMIN,
        status=NO_CONTENT,
        refuses=(LibraryNotFound, Outdated),
        conditional=True,
    )
    def destroy(self, request: Request, library_id: int) -> Response:
        """With everybody in it and everything they said."""
        curation.remove_library(self.tenant, library_id, versions=self.expected_versions(request))
        return self.reply()

    @operation(
        "Empty a library",
        ADMIN,
        reply=serializers.EmptiedReply,
        refuses=(LibraryNotFound, Outdated),
        conditional=True,
    )
    def empty(self, request: Request, library_id: int) -> Response:
        """Everybody in it goes, with everything they said; the library stays."""
        versions = self.expected_versions(request)
        with self.atomically():
            return self.kept(self.reply(curation.empty_library(self.tenant, library_id, versions=versions)))


class SpeakerViewSet(NativeViewSet):
    tag = "speakers"
    operations = {
        "list": Operation.READ,
        "retrieve": Operation.READ,
        "partial_update": Operation.UPDATE,
        "destroy": Operation.DELETE,
        "move": Operation.UPDATE,
    }

    @operation("List speakers", READ, query=serializers.SpeakerQuery, reply=serializers.SpeakerPage)
    def list(self, request: Request) -> Response:
        return self.page(curation.browse_speakers(self.tenant, **serializers.SpeakerQuery.page(self.query)))

    @operation("Get a speaker", READ, reply=serializers.SpeakerReply, refuses=(SpeakerNotFound,), conditional=True)
    def retrieve(self, request: Request, speaker_id: int) -> Response:
        row = curation.find_speaker(self.tenant, speaker_id)
        return self.reply(row, etag=row.version)

    @operation(
        "Change a speaker",
        ENROLL,
        body=serializers.SpeakerChanges,
        reply=serializers.SpeakerReply,
        refuses=(SpeakerNotFound, Outdated),
        conditional=True,
    )
    def partial_update(self, request: Request, speaker_id: int) -> Response:
        """What is left out stays."""
        wanted = serializers.SpeakerChanges.arguments(self.body(request))
        row = curation.change_speaker(self.tenant, speaker_id, versions=self.expected_versions(request), **wanted)
        return self.reply(row, etag=row.version)

    @operation("Delete a speaker", ENROLL, status=NO_CONTENT, refuses=(SpeakerNotFound, Outdated), conditional=True)
    def destroy(self, request: Request, speaker_id: int) -> Response:
        """With everything they said."""
        curation.remove_speaker(self.tenant, speaker_id, versions=self.expected_versions(request))
        return self.reply()

    @operation(
        "Move speakers",
        ENROLL,
        body=serializers.Moving,
        reply=serializers.MovedReply,
        refuses=(LibraryNotFound, SpeakersExist),
    )
    def move(self, request: Request) -> Response:
        """To another library: all of them, or nobody when a name is taken there. Their recordings keep their paths."""
        wanted = serializers.Moving.arguments(self.body(request))
        with self.atomically():
            return self.kept(self.reply({"speakers": services.move_speakers(self.tenant, **wanted)}))


class UtteranceViewSet(NativeViewSet):
    tag = "utterances"
    operations = {"list": Operation.READ, "retrieve": Operation.READ, "destroy": Operation.DELETE}

    @operation("List utterances", READ, query=serializers.UtteranceQuery, reply=serializers.UtterancePage)
    def list(self, request: Request) -> Response:
        return self.page(curation.browse_utterances(self.tenant, **serializers.UtteranceQuery.page(self.query)))

    @operation("Get an utterance", READ, reply=serializers.UtteranceReply, refuses=(UtteranceNotFound,))
    def retrieve(self, request: Request, utterance_id: int) -> Response:
        return self.reply(curation.find_utterance(self.tenant, utterance_id))

    @operation("Delete an utterance", ENROLL, status=NO_CONTENT, refuses=(UtteranceNotFound,))
    def destroy(self, request: Request, utterance_id: int) -> Response:
        """The voiceprint is made anew of what is left. Without any utterance the speaker is enrolling again."""
        services.delete_utterance(self.tenant, utterance_id)
        return self.reply()


class RecordingViewSet(NativeViewSet):
    tag = "utterances"
    operations = {"play": Operation.LISTEN}
    renderer_classes = [stand_in(FLAC)]

    @operation("Get the recording of an utterance", LISTEN, refuses=(UtteranceNotFound, RecordingNotFound), file=FLAC)
    def play(self, request: Request, utterance_id: int) -> HttpResponseBase:
        """As it was heard: FLAC, mono, 16 kHz. One range of bytes may be asked for."""
        utterance = curation.find_utterance(self.tenant, utterance_id)
        return handed_out(request._request, utterance)


class RecognitionViewSet(NativeViewSet):
    tag = "recognition"
    operations = {
        "enroll": Operation.ENROLL,
        "verify": Operation.VERIFY,
        "identify": Operation.IDENTIFY,
        "compare": Operation.COMPARE,
        "analyze": Operation.ANALYZE,
    }

    @property
    def counted_as(self) -> Operation | None:
        """An enrollment that nobody waits for is counted once a job has done it."""
        counted = super().counted_as
        return Operation.JOB if counted == Operation.ENROLL and self.prefers_job else counted

    @operation(
        "Enroll a speaker",
        ENROLL,
        body=serializers.Enrolling,
        reply=serializers.EnrollmentReply,
        status=201,
        refuses=(
            AudioError,
            SpeakerExists,
            SpeakerMismatch,
            LibraryNotFound,
            ConsentMissing,
            OptedOut,
            SpeakersExhausted,
            StorageExhausted,
        ),
        headers=("Location",),
        as_job=True,
    )
    def enroll(self, request: Request) -> Response:
        """The answer tells how good the utterances are, whether they agree, and who else sounds like this."""
        wanted = serializers.Enrolling.arguments(self.body(request))
        if self.prefers_job:
            return self.begin(bulk.begin_enrollment, answer=self.dialect, **wanted)
        return self.answer(services.enroll, self.enrolled, **wanted)

    def enrolled(self, enrollment: Enrollment) -> Response:
        report = reports.enrollment_report(self.tenant, enrollment)
        return self.reply(report, Location=reverse("native-speaker", args=[enrollment.speaker.pk]))

    @operation(
        "Verify a speaker",
        RECOGNISE,
        body=serializers.Verifying,
        reply=serializers.VerificationReply,
        refuses=(AudioError, SpeakerNotFound, SpeakerNotEnrolled),
    )
    def verify(self, request: Request) -> Response:
        """1:1: is this the one they say they are?"""
        sent = self.body(request)
        library = self.tenant.libraries.within(sent["org_id"], sent["tag_id"])
        audio = serializers.Heard.heard(sent["audio"], sent)
        return self.reply(self.judged(services.verify(self.tenant, library, sent["external_id"], audio)))

    @operation(
        "Identify a speaker",
        RECOGNISE,
        body=serializers.Identifying,
        reply=serializers.IdentificationReply,
        refuses=(AudioError,),
    )
    def identify(self, request: Request) -> Response:
        """1:N over an open set: who of them is it, if any? A library that is not there has nobody in it."""
        sent = self.body(request)
        libraries = self.tenant.libraries.within(sent["org_id"], sent.get("tag_id"))
        audio = serializers.Heard.heard(sent["audio"], sent)
        found = self.judged(services.identify(self.tenant, libraries, audio, top_k=sent["top_k"]))
        return self.reply(serializers.identified(found))

    @operation(
        "Compare two recordings",
        RECOGNISE,
        body=serializers.Comparing,
        reply=serializers.ComparedReply,
        refuses=(AudioError,),
    )
    def compare(self, request: Request) -> Response:
        """Is it the same speaker in both? Nothing is stored."""
        sent = self.body(request)
        one, other = (serializers.Heard.heard(sent[name], sent) for name in ("one", "other"))
        return self.reply(services.compare(self.tenant, one, other))

    @operation(
        "Analyze a recording",
        RECOGNISE,
        body=serializers.Analyzing,
        reply=serializers.AnalysisReply,
        refuses=(AudioError,),
    )
    def analyze(self, request: Request) -> Response:
        """How good it is. Nothing is stored."""
        sent = self.body(request)
        return self.reply(services.hear(self.tenant, serializers.Heard.heard(sent["audio"], sent)))
