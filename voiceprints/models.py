"""Libraries of speakers, what they said, and the voiceprints made of it."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime

from django.core.files.storage import Storage, storages
from django.db import models
from django.db.models import Q
from django.db.models.functions import Collate
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from pgvector.django import VectorField

from audio.results import SpeechQuality
from audio.store import ModelCard
from tenants.fields import EncryptedTextField
from tenants.models import MODEL_NAME_LENGTH, Tenant, period
from tenants.names import of_library, visible
from voiceprints.querysets import JobQuerySet, LibraryQuerySet, SpeakerQuerySet, UtteranceQuerySet, VoiceprintQuerySet


def recordings_storage() -> Storage:
    return storages["recordings"]


class EmbeddingModel(models.Model):
    """A speaker model that rows were made with. No tenant owns it; it ties a model's name to its dimension and file."""

    name = models.CharField(_("name"), max_length=MODEL_NAME_LENGTH, primary_key=True)
    dimension = models.PositiveSmallIntegerField(_("dimension"))
    sha256 = models.CharField(max_length=64, blank=True)
    """Of the weights, in hex; "" where that was not noted."""
    engine = models.CharField(max_length=32, blank=True)
    """By which the weights are run, which decides what they hear; "" where that was not noted."""

    class Meta:
        verbose_name = _("embedding model")
        verbose_name_plural = _("embedding models")

    def __str__(self) -> str:
        return self.name

    def is_as(self, card: ModelCard) -> bool:
        """The same weights, run in the same way, as far as that was noted."""
        noted = self.dimension, self.sha256 or card.sha256, self.engine or card.engine
        return noted == (card.dimension, card.sha256, card.engine)


class ModelCalibration(models.Model):
    """How a model's cosines are read: what `Calibration.to_json` says. Rows never change; the newest is in force."""

    model = models.ForeignKey(EmbeddingModel, models.CASCADE, related_name="calibrations", verbose_name=_("model"))
    record = models.JSONField(_("calibration"))
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("calibration")
        verbose_name_plural = _("calibrations")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"calibration {self.pk} of {self.model_id}"


class OwnCalibration(models.Model):
    """The same for one tenant, learned from its own recordings; it goes before that of the installation."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="calibrations", verbose_name=_("tenant"))
    model = models.ForeignKey(EmbeddingModel, models.CASCADE, related_name="+", verbose_name=_("model"))
    record = models.JSONField(_("calibration"))
    created = models.DateTimeField(_("created"), auto_now_add=True)

    all_tenants = models.Manager["OwnCalibration"]()

    class Meta:
        verbose_name = _("own calibration")
        verbose_name_plural = _("own calibrations")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"own calibration {self.pk} of {self.model_id}"


class Library(models.Model):
    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="libraries", verbose_name=_("tenant"), db_index=False
    )
    org_id = models.CharField(_("organisation"), max_length=64)
    tag_id = models.CharField(_("tag"), max_length=64, blank=True)
    name = models.CharField(_("name"), max_length=256, blank=True)
    info = models.TextField(_("info"), blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    own_period = models.BooleanField(default=False, db_default=False, editable=False)
    """Whether its recordings are kept for a period of its own, and not for the tenant's."""
    recordings_kept_days = period(_("recordings"))

    all_tenants = LibraryQuerySet.as_manager()

    class Meta:
        verbose_name = _("library")
        verbose_name_plural = _("libraries")
        ordering = ["org_id", "tag_id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "org_id", "tag_id"], name="one_library_per_org_and_tag"),
            models.CheckConstraint(
                condition=Q(own_period=True) | Q(recordings_kept_days=None), name="only_an_own_period_is_noted"
            ),
        ]

    def __str__(self) -> str:
        return visible(of_library(self.org_id, self.tag_id))


class Speaker(models.Model):
    class Status(models.TextChoices):
        ENROLLING = "enrolling", _("enrolling")
        ENROLLED = "enrolled", _("enrolled")
        PROBE = "probe", _("probe")

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="speakers", verbose_name=_("tenant"), db_index=False
    )
    library = models.ForeignKey(
        Library, models.CASCADE, related_name="speakers", verbose_name=_("library"), db_index=False
    )
    external_id = models.CharField(_("speaker"), max_length=128)
    info = models.TextField(_("info"), blank=True)
    status = models.CharField(_("status"), max_length=16, choices=Status.choices, default=Status.ENROLLING)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    completed = models.DateTimeField(null=True, editable=False)
    """When the enrollment was first complete. Whoever is enrolling again since is no incomplete enrollment."""

    is_new = False
    """Whether this transaction brought the speaker."""

    all_tenants = SpeakerQuerySet.as_manager()

    class Meta:
        verbose_name = _("speaker")
        verbose_name_plural = _("speakers")
        ordering = ["library_id", "created", "id"]
        constraints = [
            models.UniqueConstraint(fields=["library", "external_id"], name="external_id_is_unique_in_its_library"),
            models.CheckConstraint(
                condition=Q(status__in=["enrolling", "enrolled", "probe"]), name="status_is_one_of_three"
            ),
        ]
        indexes = [
            models.Index(fields=["library", "created", "id"], name="speakers_oldest_first"),
            models.Index(fields=["tenant", "created", "id"], name="speakers_of_a_tenant_by_age"),
            # In the order of bytes, whatever the database's own is, so that a prefix is a range.
            models.Index("tenant", Collate("external_id", "C"), "id", name="speakers_of_a_tenant_by_name"),
            models.Index(
                fields=["tenant", "status", "created"],
                condition=~Q(status="enrolled"),
                name="speakers_not_enrolled_by_age",
            ),
        ]

    def __str__(self) -> str:
        return visible(self.external_id)

    @property
    def enrolled(self) -> bool:
        return self.status == self.Status.ENROLLED

    @property
    def is_probe(self) -> bool:
        """Kept to be compared with others by name: nobody whom a search finds or a count counts."""
        return self.status == self.Status.PROBE


class Utterance(models.Model):
    """One recording of a speaker and what was measured in it."""

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="utterances", verbose_name=_("tenant"), db_index=False
    )
    speaker = models.ForeignKey(Speaker, models.CASCADE, related_name="utterances", verbose_name=_("speaker"))
    recording = models.FileField(_("recording"), storage=recordings_storage, max_length=255, blank=True)
    """"" where only the embedding came, from another installation, or where it is not kept any longer."""
    recording_expired = models.DateTimeField(null=True, editable=False)
    """When the recording went because its period was over, or was not kept at all; None in every other case."""
    size_bytes = models.PositiveBigIntegerField(null=True)
    """Of the file; None for a while where it was stored before sizes were noted."""
    source_digest = models.CharField(max_length=64, blank=True)
    """SHA-256, in hex, of the recording as it came; "" where that was not noted."""
    denoised = models.BooleanField(default=False)
    """Whether it was cleaned before it was embedded; what is kept is as it came."""
    trimmed = models.BooleanField(default=True)
    """Whether long pauses were left out of what was embedded."""
    created = models.DateTimeField(_("created"), auto_now_add=True)
    duration_seconds = models.FloatField(_("duration (s)"))
    speech_seconds = models.FloatField(_("speech (s)"))
    snr_db = models.FloatField(_("SNR (dB)"))
    level_dbfs = models.FloatField(_("level (dBFS)"))
    clipped_ratio = models.FloatField(_("clipped"))
    dropout_ratio = models.FloatField(_("dropped out"))

    all_tenants = UtteranceQuerySet.as_manager()

    class Meta:
        verbose_name = _("utterance")
        verbose_name_plural = _("utterances")
        ordering = ["speaker_id", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["recording"], condition=~Q(recording=""), name="one_utterance_per_recording"
            )
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(size_bytes__isnull=True) & ~Q(recording=""),
                name="recordings_of_unknown_size",
            ),
            models.Index(fields=["tenant", "speaker"], name="utterances_of_a_tenant"),
            models.Index(fields=["tenant", "id"], condition=Q(recording=""), name="utterances_without_recording"),
            models.Index(fields=["tenant", "created", "id"], condition=~Q(recording=""), name="recordings_by_age"),
        ]

    def __str__(self) -> str:
        return str(self.recording)

    @property
    def quality(self) -> SpeechQuality:
        return SpeechQuality(**{figure.name: getattr(self, figure.name) for figure in fields(SpeechQuality)})


class StockChange(models.Model):
    """How many speakers and recordings came to a tenant, or went: added up, what it has.

    Triggers write it in the transaction that stores or removes (voiceprints/stock.py). It points at no tenant, so that
    one can be removed with all it has.
    """

    tenant_id = models.BigIntegerField(db_index=True)
    speakers = models.BigIntegerField()
    stored_bytes = models.BigIntegerField()
    # Without a default of the database: a process of an earlier version that adds up without them must fail.
    recordings = models.BigIntegerField(default=0)
    audio_milliseconds = models.BigIntegerField(default=0)

    all_tenants = models.Manager["StockChange"]()

    def __str__(self) -> str:
        return f"{self.speakers:+} speakers, {self.stored_bytes:+} bytes"


def dimension_check(name: str) -> models.CheckConstraint:
    """Together with the foreign key on (model, dimension): no vector of a wrong length for its model."""
    return models.CheckConstraint(
        condition=Q(dimension=models.Func("embedding", function="vector_dims", output_field=models.IntegerField())),
        name=name,
    )


class UtteranceEmbedding(models.Model):
    """The L2-normalised embedding of one utterance by one model, kept so that a voiceprint can be made anew."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="utterance_embeddings", db_index=False)
    utterance = models.ForeignKey(Utterance, models.CASCADE, related_name="embeddings", db_index=False)
    model = models.CharField(max_length=MODEL_NAME_LENGTH)
    dimension = models.PositiveSmallIntegerField()
    embedding = VectorField()

    all_tenants = models.Manager["UtteranceEmbedding"]()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["utterance", "model"], name="one_embedding_per_utterance_and_model"),
            dimension_check("utterance_embedding_has_the_dimension_of_its_model"),
        ]
        indexes = [models.Index(fields=["tenant", "model", "utterance"], name="embeddings_of_a_model")]

    def __str__(self) -> str:
        return f"{self.model} of utterance {self.utterance_id}"


class Voiceprint(models.Model):
    """The normalised mean of a speaker's utterance embeddings by one model.

    Whoever has one with a library is found by a search there; that of a probe has none.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="voiceprints")
    library = models.ForeignKey(Library, models.CASCADE, related_name="voiceprints", null=True, db_index=False)
    speaker = models.ForeignKey(Speaker, models.CASCADE, related_name="voiceprints", db_index=False)
    model = models.CharField(max_length=MODEL_NAME_LENGTH)
    dimension = models.PositiveSmallIntegerField()
    embedding = VectorField()
    utterance_count = models.PositiveIntegerField()
    speech_seconds = models.FloatField()
    """Of all these utterances together: how much a score with it is worth."""

    all_tenants = VoiceprintQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["speaker", "model"], name="one_voiceprint_per_speaker_and_model"),
            dimension_check("voiceprint_has_the_dimension_of_its_model"),
        ]
        indexes = [
            models.Index(fields=["library", "model"], name="voiceprints_of_a_library"),
            models.Index(
                fields=["tenant", "model", "library", "speaker"],
                condition=Q(library__isnull=False),
                name="voiceprints_by_model",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} of speaker {self.speaker_id}"


class DoomedRecording(models.Model):
    """A file that must go unless somebody claims it: written before a file appears and before a row lets go of one.

    Whatever happens in between, the sweep finds here what to remove, so no file outlives its row.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="doomed_recordings")
    path = models.CharField(max_length=255, unique=True)
    not_before = models.DateTimeField()
    planned = models.BooleanField(default=False, db_default=False)
    """Until `not_before` it may still be written, so that whoever removes it earlier cannot say that it is gone."""

    all_tenants = models.Manager["DoomedRecording"]()

    class Meta:
        indexes = [models.Index(fields=["not_before"], name="doomed_recordings_by_time")]

    def __str__(self) -> str:
        return self.path


class StorageFinding(models.Model):
    """A file without a row, or a row without its file, that the last sweep of the storage came upon."""

    class Kind(models.TextChoices):
        STRAY = "stray", _("file without a row")
        FOREIGN = "foreign", _("file of somebody else")
        LOST = "lost", _("row without its file")

    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    path = models.CharField(_("path"), max_length=1024, unique=True)
    size_bytes = models.PositiveBigIntegerField(_("bytes"), null=True)
    tenant_slug = models.CharField(_("tenant"), max_length=63, blank=True)
    utterance = models.BigIntegerField(_("utterance"), null=True)
    found = models.DateTimeField(_("found"))
    """When a sweep first came upon it."""
    seen = models.DateTimeField(_("last seen"))

    class Meta:
        verbose_name = _("storage finding")
        verbose_name_plural = _("storage findings")
        ordering = ["kind", "path"]
        indexes = [models.Index(fields=["kind", "found"], name="findings_by_age")]

    def __str__(self) -> str:
        return self.path


class Job(models.Model):
    """Work that outlives its request. The row is the truth; the message in the queue only says that there is one."""

    class Kind(models.TextChoices):
        ENROLL = "enroll", _("enrollment")
        IMPORT = "import", _("import")
        EXPORT = "export", _("export")
        REEMBED = "reembed", _("re-embedding")

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="jobs", verbose_name=_("tenant"), db_index=False)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.QUEUED)
    parameters = models.JSONField(default=dict)
    begun_by = models.CharField(_("begun by"), max_length=150, blank=True)
    """The user or the access token; "" for a command."""
    origin = models.JSONField(default=dict)
    """Who submitted it, as `Origin` says."""
    inputs = models.JSONField(default=list)
    """Paths of files in the storage, which go when the job is over, or at `inputs_expire`."""
    inputs_expire = models.DateTimeField(null=True)
    """Until when what failed may be tried again with them."""
    done = models.PositiveIntegerField(_("done"), default=0)
    total = models.PositiveIntegerField(_("total"), null=True)
    result = models.JSONField(null=True)
    problem = models.JSONField(null=True)
    output = models.CharField(max_length=255, blank=True)
    """Path of the file it made, which goes at `expires`."""
    expires = models.DateTimeField(_("expires"), null=True)
    files_erased = models.DateTimeField(null=True)
    """When an erasure took the inputs or the output of one that was over."""
    created = models.DateTimeField(_("created"), auto_now_add=True)
    started = models.DateTimeField(_("started"), null=True)
    finished = models.DateTimeField(_("finished"), null=True)
    heartbeat = models.DateTimeField(null=True)
    dispatched = models.DateTimeField(null=True)
    """When a message that speaks of it was sent; None while it waits until another job of its tenant ends."""
    runner = models.UUIDField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    """How often it was begun since it last got any further."""

    all_tenants = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-created", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="running", runner__isnull=False) | ~Q(state="running") & Q(runner__isnull=True),
                name="who_runs_a_job_is_known_while_it_runs",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "paused"], finished__isnull=True)
                | Q(state__in=["succeeded", "failed", "cancelled"], finished__isnull=False),
                name="a_job_is_finished_or_under_way",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "created", "id"], name="jobs_oldest_first"),
            models.Index(fields=["dispatched"], name="jobs_under_way", condition=Q(finished__isnull=True)),
            models.Index(fields=["tenant", "id"], name="jobs_that_embed_anew", condition=Q(kind="reembed")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def has_file(self) -> bool:
        """One whose time is over is there until the sweep, and is given to nobody."""
        return bool(self.output) and (self.expires is None or self.expires > timezone.now())

    @property
    def expires_with_file(self) -> datetime | None:
        return self.expires if self.has_file else None

    @property
    def is_over(self) -> bool:
        return self.finished is not None

    @property
    def failed_rows(self) -> models.QuerySet[JobRow]:
        return self.rows.filter(outcome=JobRow.Outcome.FAILED)


class JobRow(models.Model):
    """What became of one line of an import; there is none for a line that was not come to yet.

    Of a re-embedding, one for each utterance that failed; its number is the utterance's.
    """

    class Outcome(models.TextChoices):
        ENROLLED = "enrolled", _("enrolled")
        REPLACED = "replaced", _("replaced")
        ADDED = "added", _("added")
        UNCHANGED = "unchanged", _("unchanged")
        FAILED = "failed", _("failed")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="job_rows")
    job = models.ForeignKey(Job, models.CASCADE, related_name="rows", db_index=False)
    number = models.PositiveBigIntegerField(_("line"))
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome.choices)
    org_id = models.CharField(_("organisation"), max_length=64, blank=True)
    tag_id = models.CharField(_("tag"), max_length=64, blank=True)
    external_id = models.CharField(_("speaker"), max_length=128, blank=True)
    problem = models.JSONField(null=True)
    fields = models.JSONField(null=True)
    """Of a line that failed: the texts under each column of a list, so that it can be mended and imported again."""
    created = models.DateTimeField(auto_now_add=True)

    all_tenants = models.Manager["JobRow"]()

    class Meta:
        ordering = ["job_id", "number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="one_result_per_job_and_line")]

    def __str__(self) -> str:
        return f"line {self.number} of job {self.job_id}"


class Consent(models.Model):
    """That a speaker agreed to be enrolled: where that is written, and through whom it came."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="consents", verbose_name=_("tenant"))
    speaker = models.OneToOneField(Speaker, models.CASCADE, related_name="consent", verbose_name=_("speaker"))
    reference = models.CharField(_("reference"), max_length=200, blank=True)
    """"" where the interface takes the consent elsewhere."""
    version = models.CharField(_("version"), max_length=64, blank=True)
    source = models.CharField(_("source"), max_length=64, blank=True)
    given = models.DateTimeField(_("given"), null=True)
    interface = models.CharField(_("interface"), max_length=32)
    by_kind = models.CharField(max_length=16)
    by_number = models.BigIntegerField(null=True)
    """Who told, as `Origin` says."""
    created = models.DateTimeField(_("created"), auto_now_add=True)

    all_tenants = models.Manager["Consent"]()

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")

    def __str__(self) -> str:
        return f"consent {self.pk}"


class OptOut(models.Model):
    """That nobody of a name is to be enrolled, in one library or, without an `org_id`, in any. It names nobody."""

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="opt_outs", verbose_name=_("tenant"), db_index=False
    )
    org_id = models.CharField(_("organisation"), max_length=64, blank=True)
    tag_id = models.CharField(_("tag"), max_length=64, blank=True)
    digest = models.CharField(max_length=64)
    """A keyed one of the tenant, the library and the external id (voiceprints/optouts.py)."""
    created = models.DateTimeField(_("created"), auto_now_add=True)

    all_tenants = models.Manager["OptOut"]()

    class Meta:
        verbose_name = _("opt-out")
        verbose_name_plural = _("opt-outs")
        ordering = ["tenant_id", "created", "id"]
        constraints = [models.UniqueConstraint(fields=["tenant", "digest"], name="one_opt_out_per_digest")]

    def __str__(self) -> str:
        return f"opt-out {self.pk}"

    @property
    def where(self) -> str:
        """The library, "" for all of them."""
        return visible(of_library(self.org_id, self.tag_id))


class Erasure(models.Model):
    """That somebody is erased for good: how far it is, and in the end a signed receipt. docs/erasure.md tells about it.

    It points at nothing: what it tells of is gone. Whom it is about stands here, encrypted, only until it is done.
    """

    class Kind(models.TextChoices):
        SPEAKER = "speaker", _("speaker")
        PERSON = "person", _("person in all libraries")
        TENANT = "tenant", _("the whole tenant")

    class State(models.TextChoices):
        BEGUN = "begun", _("begun")
        """Nothing is removed yet."""
        REMOVING = "removing", _("removing")
        """The rows are gone, and so will be what hangs on them."""
        REMOVED = "removed", _("removed")
        """All is gone, and the audit trail says so; the receipt is still to be signed."""
        DONE = "done", _("done")

    tenant_id = models.BigIntegerField()
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.BEGUN)
    library = models.BigIntegerField(null=True)
    """Of one speaker alone."""
    subject = EncryptedTextField(blank=True)
    """The external id, or the slug of a tenant; "" once nothing more has to be looked for."""
    salt = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    """Of the external id, as `receipts.digest_of` makes it."""
    origin = models.JSONField(default=dict)
    """Who wanted it, as `Origin` says."""
    held = models.JSONField(default=list)
    """Jobs that wait until somebody has looked whether their uploads name the subject."""
    paths = models.JSONField(default=list)
    """Exports and recordings that were being written when it was begun: they are waited for."""
    looked_through = models.DateTimeField(null=True)
    """When files were, and none named the subject, of whom no row told."""
    forgotten_elsewhere = models.BooleanField(default=False, db_default=False)
    """By other rooms, since rows went: not again at each try while the end waits, as somebody new may be there."""
    counts = models.JSONField(default=dict)
    """How much of what was removed."""
    created = models.DateTimeField(_("begun"), auto_now_add=True)
    done = models.DateTimeField(_("done"), null=True)
    vacuumed = models.DateTimeField(_("vacuumed"), null=True)
    """When the database last cleared away what was removed."""
    receipt = models.JSONField(null=True)

    waits_for_backup_since: datetime | None = None
    waits_for_files_until: datetime | None = None
    waits_for_export_since: datetime | None = None
    """What `erasure.tell_what_keeps` found out; no columns."""

    all_tenants = models.Manager["Erasure"]()

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")
        ordering = ["-created", "-id"]
        indexes = [
            models.Index(fields=["tenant_id", "created", "id"], name="erasures_by_time"),
            models.Index(fields=["id"], condition=~Q(state="done"), name="erasures_under_way"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.digest[:12]}"

    @property
    def is_done(self) -> bool:
        return self.state == self.State.DONE

    @property
    def slug(self) -> str:
        """Of a tenant that is erased as a whole, or, of whoever was in one, once that is done."""
        return str(self.receipt["receipt"]["tenant"]["slug"] if self.receipt else self.subject)
