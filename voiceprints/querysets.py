"""Small words for queries. Every sentence begins at a tenant: tenant.speakers.in_library(library).named(…)."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Collate
from django.utils import timezone

if TYPE_CHECKING:
    from voiceprints.models import Job, Library, Speaker, Utterance, Voiceprint  # noqa: F401
    from voiceprints.results import LibraryKey


class LibraryQuerySet(models.QuerySet["Library"]):
    def within(self, org_id: str, tag_id: str | None = None) -> LibraryQuerySet:
        """The one library with exactly this tag; None means every tag of the organisation."""
        libraries = self.filter(org_id=org_id)
        return libraries if tag_id is None else libraries.filter(tag_id=tag_id)

    def of_organisations(self, org_ids: Iterable[str], tag_id: str) -> LibraryQuerySet:
        """The libraries with exactly this tag of several organisations."""
        return self.filter(org_id__in=list(org_ids), tag_id=tag_id)


class SpeakerQuerySet(models.QuerySet["Speaker"]):
    def in_libraries(self, libraries: models.QuerySet[Library] | Iterable[Library]) -> SpeakerQuerySet:
        return self.filter(library__in=libraries)

    def in_library(self, key: LibraryKey) -> SpeakerQuerySet:
        return self.filter(library__org_id=key.org_id, library__tag_id=key.tag_id)

    def named(self, external_id: str) -> SpeakerQuerySet:
        return self.filter(external_id=external_id)

    def beginning_with(self, text: str) -> SpeakerQuerySet:
        """Letter by letter. As a range, because behind row-level security no index serves a LIKE."""
        beyond = text + chr(sys.maxunicode)
        return self.alias(name=Collate("external_id", "C")).filter(name__gte=text, name__lt=beyond)

    def enrolled(self) -> SpeakerQuerySet:
        return self.filter(status="enrolled")

    def without_probes(self) -> SpeakerQuerySet:
        return self.exclude(status="probe")

    def probes_before(self, moment: datetime) -> SpeakerQuerySet:
        return self.filter(status="probe", created__lt=moment)

    def by_name(self) -> SpeakerQuerySet:
        return self.order_by(Collate("external_id", "C"), "id")

    def oldest_first(self) -> SpeakerQuerySet:
        return self.order_by("created", "id")


class UtteranceQuerySet(models.QuerySet["Utterance"]):
    def counted_of(self, speakers: Iterable[int]) -> models.QuerySet[Utterance, tuple[int, int, datetime]]:
        """(speaker id, how many utterances, when the newest came) of those who have any."""
        said = self.filter(speaker__in=speakers).order_by("speaker_id").values("speaker_id")
        return said.annotate(count=models.Count("pk"), newest=models.Max("created")).values_list(
            "speaker_id", "count", "newest"
        )

    def numbered(self) -> UtteranceQuerySet:
        """Each with its `number` among the speaker's, from 1 for the oldest."""
        up_to_it = self.model.all_tenants.filter(speaker=models.OuterRef("speaker"), pk__lte=models.OuterRef("pk"))
        counted = up_to_it.order_by().values("speaker").annotate(count=models.Count("pk"))
        return self.annotate(number=models.Subquery(counted.values("count")))

    def unsized(self) -> UtteranceQuerySet:
        """Those with a file whose size was not noted."""
        return self.filter(size_bytes=None).exclude(recording="")

    def latest_of(self, speakers: Iterable[int]) -> UtteranceQuerySet:
        """The newest utterance of each of these speakers that was kept as a recording."""
        return (
            self.filter(speaker__in=speakers).exclude(recording="").order_by("speaker_id", "-id").distinct("speaker_id")
        )


class VoiceprintQuerySet(models.QuerySet["Voiceprint"]):
    def of_model(self, model: str) -> VoiceprintQuerySet:
        return self.filter(model=model)

    def of_models(self, models: Iterable[str]) -> VoiceprintQuerySet:
        return self.filter(model__in=list(models))

    def in_libraries(self, libraries: models.QuerySet[Library] | Iterable[Library]) -> VoiceprintQuerySet:
        return self.filter(library__in=libraries)


class JobQuerySet(models.QuerySet["Job"]):
    def exports_kept(self) -> JobQuerySet:
        """Those whose file may be had."""
        return self.filter(kind="export", expires__gt=timezone.now()).exclude(output="")

    def under_way(self) -> JobQuerySet:
        return self.filter(finished=None)

    def unclaimed(self, heard_before: datetime) -> JobQuerySet:
        """Nobody has it, or whoever has was last heard of before this moment."""
        return self.under_way().filter(models.Q(state="queued") | models.Q(state="running", heartbeat__lt=heard_before))

    def unspoken_of(self, before: datetime) -> JobQuerySet:
        """No message was sent since this moment, nor since its runner was last heard of."""
        unheard = models.Q(state="running", dispatched__lte=models.F("heartbeat"))
        return self.filter(models.Q(dispatched__lt=before) | unheard)

    def without_room(self) -> JobQuerySet:
        """They wait until another job of their tenant ends."""
        return self.under_way().filter(state="queued", dispatched=None)
