"""Who owns what, and who may come in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.validators import (
    MaxLengthValidator,
    MaxValueValidator,
    MinLengthValidator,
    MinValueValidator,
    RegexValidator,
)
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.fields import EncryptedTextField

LAST_USED_RESOLUTION = timedelta(minutes=1)
LONGEST_PERIOD_DAYS = 36_500
MODEL_NAME_LENGTH = 100
BUNDLED_MODEL = "ge2e"
"""What speakers are told apart with where nobody chose another model. Here it is a name and no more."""

slug_validator = RegexValidator(
    r"\A[a-z0-9][a-z0-9-]{0,62}\Z",
    _("Lower-case letters, digits and hyphens, at most 63, beginning with a letter or digit."),
)
key_validator = RegexValidator(r"\A[\x21-\x7e]{1,128}\Z", _("1 to 128 visible ASCII characters."))
# Whoever sees one signed request can try secrets against it at home. No vendor is known to issue shorter ones.
SHORTEST_SECRET = 12
LONGEST_SECRET = 256
secret_validators = [MinLengthValidator(SHORTEST_SECRET), MaxLengthValidator(LONGEST_SECRET)]


def period(what: Any, *, default: int | None = None) -> models.PositiveIntegerField[int | None, int | None]:
    """How many days something is kept; None: for ever."""
    longest = MaxValueValidator(LONGEST_PERIOD_DAYS)
    return models.PositiveIntegerField(
        what, null=True, blank=True, default=default, editable=False, validators=[longest]
    )


class Consistency(models.TextChoices):
    """What to do with an utterance that does not sound like the speaker's earlier ones."""

    REFUSE = "refuse", _("refuse")
    WARN = "warn", _("warn")
    ACCEPT = "accept", _("accept")


class Defaults(models.Model):
    """What a new tenant begins with: one row, or none as long as nobody chose anything."""

    model = models.CharField(max_length=MODEL_NAME_LENGTH)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_row_of_defaults")]

    def __str__(self) -> str:
        return self.model


class Tenant(models.Model):
    slug = models.CharField(_("slug"), max_length=63, unique=True, validators=[slug_validator])
    name = models.CharField(_("name"), max_length=200)
    app_id = models.CharField(_("application id"), max_length=128, unique=True, validators=[key_validator])
    active = models.BooleanField(_("active"), default=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    required_speech_seconds = models.FloatField(
        _("required speech in seconds"),
        default=1.1,
        validators=[MinValueValidator(0.5), MaxValueValidator(60)],
        help_text=_("A recording with less speech is refused."),
    )
    false_accept_rate = models.FloatField(
        _("false accept rate"),
        default=0.01,
        validators=[MinValueValidator(0.0001), MaxValueValidator(0.2)],
        help_text=_("The share of strangers who may be taken for somebody: lower is stricter, and rejects more."),
    )
    consistency = models.CharField(
        _("utterances that disagree"),
        max_length=8,
        choices=Consistency.choices,
        default=Consistency.WARN,
        help_text=_("What to do with an utterance that does not sound like the speaker's earlier ones."),
    )
    max_concurrent_analyses = models.PositiveIntegerField(
        _("concurrent analyses"),
        default=16,
        validators=[MinValueValidator(1)],
        help_text=_("Further recordings are refused as busy while so many are being measured."),
    )
    requests_per_minute = models.PositiveIntegerField(
        _("requests per minute"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Further requests of the minute are refused; empty means no limit."),
    )
    requests_per_second = models.PositiveIntegerField(
        _("requests per second"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("As many may come at once; after that, so many a second. Empty means no limit."),
    )
    requests_per_day = models.PositiveIntegerField(
        _("requests per day"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Further requests of the day are refused; empty means no limit."),
    )
    max_speakers = models.PositiveIntegerField(
        _("speakers at most"),
        null=True,
        blank=True,
        help_text=_("Further speakers are refused; who is there stays. Empty means no limit."),
    )
    max_storage_bytes = models.PositiveBigIntegerField(_("storage"), null=True, blank=True)
    recordings_kept_days = period(_("recordings"))
    """0 keeps none: what was measured in them stays."""
    probes_kept_days = period(_("probes"), default=30)
    enrollments_kept_days = period(_("incomplete enrollments"), default=30)
    model = models.CharField(_("model"), max_length=MODEL_NAME_LENGTH, default=BUNDLED_MODEL, editable=False)
    """The speaker model that answers."""
    other_models = ArrayField(
        models.CharField(max_length=MODEL_NAME_LENGTH), verbose_name=_("other models"), default=list, editable=False
    )
    """Models whose vectors are kept up beside it, to change to one of them at once."""
    fallback_model = models.CharField(max_length=MODEL_NAME_LENGTH, blank=True, editable=False)
    """Of these, the one that answers for speakers of whom the answering model knows nothing; "" for none."""
    previous_model = models.CharField(max_length=MODEL_NAME_LENGTH, blank=True, editable=False)
    """Of these, the one that answered before, to go back to; "" for none."""
    switched = models.DateTimeField(null=True, editable=False)
    """When another model last came to answer."""
    consent_required = models.BooleanField(
        _("consent required"),
        default=False,
        editable=False,
        help_text=_("An enrollment needs a reference to the consent of the speaker."),
    )
    consent_elsewhere = ArrayField(
        models.CharField(max_length=32), verbose_name=_("consent taken elsewhere"), default=list, editable=False
    )
    """Interfaces whose clients ask for consent before they enroll anybody, and do not tell."""
    erased_from = models.DateTimeField(_("erased from"), null=True, editable=False)
    """From then on everything of the tenant goes for good; None for one that stays."""
    two_factor_required = models.BooleanField(
        _("two-factor sign-in required"),
        default=False,
        help_text=_("Members without a second factor set one up before they see anything else."),
    )
    dialects = ArrayField(
        models.CharField(max_length=32),
        verbose_name=_("dialects"),
        default=list,
        blank=True,
        help_text=_("The interfaces this tenant may use; none chosen means all of them."),
    )

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                condition=Q(false_accept_rate__gte=0.0001, false_accept_rate__lte=0.2),
                name="false_accept_rate_is_one_that_can_be_kept",
            )
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def models(self) -> tuple[str, ...]:
        """With which an enrollment is embedded: the one that answers first."""
        return (self.model, *self.other_models)

    @property
    def answering_models(self) -> tuple[str, ...]:
        """With which requests are answered: for each speaker, the first that knows a voiceprint."""
        return (self.model, self.fallback_model) if self.fallback_model else (self.model,)

    @property
    def standing_by(self) -> tuple[str, ...]:
        """Whose vectors are kept up without answering: being built, or kept to go back to."""
        return tuple(model for model in self.other_models if model != self.fallback_model)

    def speaks(self, dialect: str) -> bool:
        """Whether this tenant may use that interface."""
        return not self.dialects or dialect in self.dialects


class Role(models.TextChoices):
    OWNER = "owner", _("owner")
    OPERATOR = "operator", _("operator")
    AUDITOR = "auditor", _("auditor")
    VIEWER = "viewer", _("viewer")


class Membership(models.Model):
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="memberships", verbose_name=_("tenant"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships", verbose_name=_("user")
    )
    role = models.CharField(_("role"), max_length=16, choices=Role.choices, default=Role.VIEWER)

    all_tenants = models.Manager["Membership"]()

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        ordering = ["tenant_id", "user_id"]
        constraints = [models.UniqueConstraint(fields=["tenant", "user"], name="one_membership_per_tenant_and_user")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"

    @property
    def may_change(self) -> bool:
        return self.role in {Role.OWNER, Role.OPERATOR}

    @property
    def may_manage_credentials(self) -> bool:
        return self.role == Role.OWNER

    @property
    def may_read_audit(self) -> bool:
        return self.role in {Role.OWNER, Role.AUDITOR}

    @property
    def may_listen(self) -> bool:
        return self.role in {Role.OWNER, Role.OPERATOR}


class Invitation(models.Model):
    """A way into a tenant for whoever holds its link, once; only the digest of the link's secret is kept."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="invitations", verbose_name=_("tenant"))
    email = models.EmailField(_("e-mail address"), blank=True)
    role = models.CharField(_("role"), max_length=16, choices=Role.choices, default=Role.VIEWER)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    expires = models.DateTimeField(_("expires"))
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, verbose_name=_("invited by")
    )

    all_tenants = models.Manager["Invitation"]()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["tenant_id", "-created"]

    def __str__(self) -> str:
        return self.email or f"#{self.pk}"

    @property
    def usable(self) -> bool:
        return self.expires > timezone.now()


class Usable(models.Model):
    """What opens a tenant's door, for as long as it is enabled and has not expired."""

    enabled = models.BooleanField(_("enabled"), default=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    expires = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    all_tenants: models.Manager[Any] = models.Manager()

    class Meta:
        abstract = True

    @property
    def usable(self) -> bool:
        return self.enabled and (self.expires is None or self.expires > timezone.now())

    def use_is_news(self) -> bool:
        return self.last_used is None or timezone.now() - self.last_used > LAST_USED_RESOLUTION

    def note_use(self) -> None:
        """Of several processes that note the same minute, one writes."""
        now = timezone.now()
        stale = Q(last_used=None) | Q(last_used__lt=now - LAST_USED_RESOLUTION)
        type(self).all_tenants.filter(stale, pk=self.pk).update(last_used=now)


class Credential(Usable):
    """A key pair with which a client of the tenant signs its requests, in every dialect."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="credentials", verbose_name=_("tenant"))
    label = models.CharField(_("label"), max_length=100, blank=True)
    """For people; a successor has that of its predecessor."""
    key_id = models.CharField(_("key id"), max_length=128, unique=True, validators=[key_validator])
    secret = EncryptedTextField(_("secret"), validators=secret_validators)

    class Meta:
        verbose_name = _("credential")
        verbose_name_plural = _("credentials")
        ordering = ["tenant_id", "-created"]

    def __str__(self) -> str:
        return self.key_id


class Scope(models.TextChoices):
    """What the bearer of an access token may do."""

    READ = "read", _("read")
    LISTEN = "listen", _("listen")
    ENROLL = "enroll", _("enroll")
    RECOGNISE = "recognise", _("recognise")
    ADMIN = "admin", _("administer")
    PATH = "path", _("secret path, for a client that cannot sign")


class AccessToken(Usable):
    """A secret that is shown once and sent along by a client that does not sign; only its digest is kept."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="access_tokens", verbose_name=_("tenant"))
    label = models.CharField(_("label"), max_length=100, blank=True)
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope.choices), verbose_name=_("scopes"))
    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)

    class Meta:
        verbose_name = _("access token")
        verbose_name_plural = _("access tokens")
        ordering = ["tenant_id", "-created"]

    def __str__(self) -> str:
        return self.label or f"#{self.pk}"


class ConsoleSession(AbstractBaseSession):
    """A browser in the console. Its row is the session: without it nobody is signed in there any more."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="console_sessions")
    begun = models.DateTimeField(default=timezone.now)
    seen = models.DateTimeField(default=timezone.now)
    address = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=100, blank=True)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")


class SecondFactor(models.Model):
    """What an authenticator app shares with us. Until it is confirmed by a first code it protects nothing."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="second_factor")
    seed = EncryptedTextField()
    confirmed = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0)
    """The half minute whose code was accepted last; it and those before it are spent."""

    def __str__(self) -> str:
        return str(self.user)


class RecoveryCode(models.Model):
    """Stands in once for the authenticator app; only its digest is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="one_recovery_code_per_digest")]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Guesses(models.Model):
    """Failed attempts to sign in under one name, or from one address, whether or not there is such an account."""

    key = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, verbose_name=_("user"))
    address = models.CharField(_("address"), max_length=45, blank=True)
    failures = models.PositiveIntegerField(_("failures"))
    last = models.DateTimeField(_("last attempt"))
    paused_until = models.DateTimeField(_("locked until"), db_index=True)

    class Meta:
        verbose_name = _("lock-out")
        verbose_name_plural = _("lock-outs")
        ordering = ["-last"]

    def __str__(self) -> str:
        return self.address or (self.user.get_username() if self.user else str(_("unknown name")))


class Operation(models.TextChoices):
    """What was asked for, in our own words, whatever a dialect calls it."""

    ENROLL = "enroll", _("enroll")
    UPDATE = "update", _("update")
    VERIFY = "verify", _("verify")
    IDENTIFY = "identify", _("identify")
    COMPARE = "compare", _("compare")
    ANALYZE = "analyze", _("analyze")
    DELETE = "delete", _("delete")
    READ = "read", _("look up")
    LISTEN = "listen", _("fetch recordings")
    MANAGE = "manage", _("manage libraries and jobs")
    JOB = "job", _("begin jobs")
    UNKNOWN = "unknown", _("not said")


class UsageDay(models.Model):
    """How often a tenant asked for something on a day, with which outcome, and how long that took.

    No content, and nobody's name. `metering.py` adds to it.
    """

    class Outcome(models.TextChoices):
        OK = "ok", _("done")
        ACCEPTED = "accepted", _("accepted")
        REJECTED = "rejected", _("rejected")
        REFUSED = "refused", _("refused")
        FAILED = "failed", _("failed")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="usage_days", verbose_name=_("tenant"))
    day = models.DateField(_("day"))
    """In the time zone of the installation."""
    operation = models.CharField(_("operation"), max_length=16, choices=Operation.choices)
    dialect = models.CharField(_("interface"), max_length=32)
    """"jobs" for what jobs did, "console" for what people did there."""
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome.choices)
    reason = models.CharField(_("reason"), max_length=64, blank=True)
    """The class of the error by which it was refused or failed."""
    count = models.PositiveBigIntegerField(_("count"))
    latency = ArrayField(models.PositiveBigIntegerField(), verbose_name=_("latency"))
    """How many of them took as long as each of `latency.BOUNDS_MS` says; of jobs, none."""

    all_tenants = models.Manager["UsageDay"]()

    class Meta:
        verbose_name = _("usage")
        verbose_name_plural = _("usage")
        ordering = ["day", "operation", "dialect", "outcome", "reason"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "day", "operation", "dialect", "outcome", "reason"],
                name="one_count_per_tenant_day_and_kind_of_request",
            )
        ]
        indexes = [models.Index(fields=["day"], name="usage_by_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.operation} {self.outcome}"


class CleanupRun(models.Model):
    """One run of a task of the schedule. Of those that found nothing to do only the last of each job is kept."""

    class Job(models.TextChoices):
        RECORDINGS = "recordings", _("recordings whose time is over")
        PROBES = "probes", _("probes whose time is over")
        ENROLLMENTS = "enrollments", _("enrollments never completed")
        FILES = "files", _("files nobody needs any more")
        STORAGE = "storage", _("the storage looked through")
        JOBS = "jobs", _("jobs long over")
        ANSWERS = "answers", _("answers kept for repeated requests")
        SIGN_INS = "sign-ins", _("sessions, invitations and failed sign-ins")
        AUDIT = "audit", _("the audit trail verified and trimmed")
        SEALS = "seals", _("the audit trail sealed")
        SIZES = "sizes", _("sizes of recordings noted")
        STOCK = "stock", _("speakers and storage added up")
        WAITING_JOBS = "waiting-jobs", _("forgotten jobs sent again")
        ERASURES = "erasures", _("erasures carried on")
        VACUUM = "vacuum", _("the database's files cleared of what was erased")

    job = models.CharField(_("job"), max_length=32, choices=Job.choices)
    started = models.DateTimeField(_("started"), default=timezone.now)
    finished = models.DateTimeField(_("finished"), null=True)
    """None while it runs, and where its process died."""
    counts = models.JSONField(_("removed"), default=dict)
    """How many of what; written by the transactions that remove it."""
    problem = models.CharField(_("problem"), max_length=100, blank=True)
    """The class of the error by which it ended."""
    findings = models.JSONField(_("what was wrong"), default=list)
    """Of each broken chain of the audit trail: the `chain`, at how many `places` it is broken, and the first of them,
    with the `number` of the event, and of the last one in `until` where it is several, and what is `said` of it."""

    class Meta:
        verbose_name = _("clean-up run")
        verbose_name_plural = _("clean-up runs")
        ordering = ["-started", "-id"]
        indexes = [
            models.Index(fields=["job", "-started"], name="runs_of_a_job"),
            models.Index(fields=["started"], name="runs_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.get_job_display()} {self.pk}"


class AuditEvent(models.Model):
    """Somebody did something. Rows are inserted by tenants/trail.py and never change; docs/audit.md tells about them.

    They point at nothing: what they tell of may be gone long since. `number`, `at`, `previous` and `digest` are the
    database's doing (tenants/chains.py).
    """

    tenant_id = models.BigIntegerField()
    """0 for what concerns the platform and no tenant."""
    number = models.BigIntegerField(_("number"))
    at = models.DateTimeField(_("when"))
    actor_kind = models.TextField(_("who"))
    actor_number = models.BigIntegerField(null=True)
    actor_name = models.TextField(blank=True)
    interface = models.TextField(blank=True)
    address = models.TextField(blank=True)
    request_id = models.TextField(blank=True)
    job = models.BigIntegerField(null=True)
    action = models.TextField(_("what"))
    outcome = models.TextField(_("outcome"))
    object_kind = models.TextField(blank=True)
    object_number = models.BigIntegerField(null=True)
    object_name = models.TextField(blank=True)
    org_id = models.TextField(blank=True)
    tag_id = models.TextField(blank=True)
    details = models.JSONField(default=dict)
    previous = models.BinaryField()
    digest = models.BinaryField()

    all_tenants = models.Manager["AuditEvent"]()

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        ordering = ["tenant_id", "number"]
        constraints = [models.UniqueConstraint(fields=["tenant_id", "number"], name="one_event_per_link")]
        indexes = [
            models.Index(fields=["tenant_id", "at"], name="audit_by_time"),
            models.Index(fields=["tenant_id", "action", "number"], name="audit_by_action"),
            models.Index(fields=["tenant_id", "actor_name", "number"], name="audit_by_actor"),
            models.Index(fields=["tenant_id", "object_name", "number"], name="audit_by_object"),
            models.Index(fields=["tenant_id", "object_kind", "object_number", "number"], name="audit_of_an_object"),
        ]

    def __str__(self) -> str:
        return f"{self.action} #{self.number}"


class AuditHead(models.Model):
    """How long a chain is and the digest of its last event, kept apart from the events. Only their trigger moves it."""

    tenant_id = models.BigIntegerField(primary_key=True)
    number = models.BigIntegerField()
    digest = models.BinaryField()

    all_tenants = models.Manager["AuditHead"]()

    def __str__(self) -> str:
        return f"head of chain {self.tenant_id}: {self.number}"


class AuditSeal(models.Model):
    """That a chain was as it is up to an event, under a key that the database does not have. Rows never change.

    A checkpoint says besides that everything up to there may have been trimmed.
    """

    tenant_id = models.BigIntegerField()
    number = models.BigIntegerField()
    digest = models.BinaryField()
    checkpoint = models.BooleanField(default=False)
    mac = models.BinaryField()
    at = models.DateTimeField(auto_now_add=True)

    all_tenants = models.Manager["AuditSeal"]()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "number", "checkpoint"], name="one_seal_per_link_and_kind")
        ]

    def __str__(self) -> str:
        return f"{'checkpoint' if self.checkpoint else 'seal'} of chain {self.tenant_id} at {self.number}"


class AuditCheck(models.Model):
    """What the last verification of a chain came to."""

    tenant_id = models.BigIntegerField(primary_key=True)
    number = models.BigIntegerField()
    """Up to which event."""
    at = models.DateTimeField()
    problems = models.JSONField(default=list)

    all_tenants = models.Manager["AuditCheck"]()

    def __str__(self) -> str:
        return f"verification of chain {self.tenant_id} up to {self.number}"
