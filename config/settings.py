"""Every setting of an installation, read from the environment. docs/settings.md lists them for people."""

from __future__ import annotations

import base64
import logging
import os
import re
import secrets
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import available_timezones

from botocore.config import Config
from celery.schedules import crontab
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy
from environs import EnvError, FileAwareEnv, validate

from config.home import stored_secret

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
USUAL_HOME = BASE_DIR / "var"
MEBIBYTE = 1024 * 1024
SHORTEST_SECRET_KEY = 32
DAY = 24 * 3600
LONGEST_LINK_SECONDS = 10 * 365 * 24 * 3600
BULK_JOBS = 16
"""Jobs that one bulk process runs at once."""
PROCESSOR_ALONE = ["CPUExecutionProvider"]
ED25519_BYTES = 32
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104

# --- Reading the environment -----------------------------------------------------------------------------------------

# The value of NAME may be the content of the file that NAME_FILE names, as container platforms hand out secrets.
env = FileAwareEnv(strip_whitespace=True)


def required_in_production(name: str) -> str:
    """The text of `name`, or "" outside production, where the caller has a default of its own."""
    try:
        value = env.str(name, "").strip()
    except ValueError as error:
        raise ImproperlyConfigured(str(error)) from None
    if PRODUCTION and not value:
        raise ImproperlyConfigured(f"{name} must be set when OPENVPR_PRODUCTION is on")
    return value


def secret(name: str, file_name: str, **generate: Any) -> str:
    SECRETS[name] = required_in_production(name)
    if not SECRETS[name]:
        SECRET_FILES[name] = HOME / "secrets" / file_name
        SECRETS[name] = stored_secret(SECRET_FILES[name], **generate)
    return SECRETS[name]


def fernet_keys(text: str) -> list[str]:
    keys = [key.strip() for key in text.split(",") if key.strip()]
    try:
        for key in keys:
            Fernet(key)
    except ValueError:
        raise ImproperlyConfigured(
            "OPENVPR_FIELD_KEYS must hold Fernet keys (32 bytes, URL-safe base64), separated by commas"
        ) from None
    return keys


def receipt_keys(text: str) -> list[str]:
    """Seeds of Ed25519 keys, as text."""
    keys = [key.strip() for key in text.split(",") if key.strip()]
    try:
        seeds = [base64.b64decode(key, altchars=b"-_", validate=True) for key in keys]
    except ValueError:
        seeds = [b""]
    if not seeds or any(len(seed) != ED25519_BYTES for seed in seeds):
        raise ImproperlyConfigured(
            "OPENVPR_RECEIPT_KEYS must hold Ed25519 keys (32 bytes, URL-safe base64), separated by commas"
        )
    return keys


def redis_url(url: str) -> str:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ImproperlyConfigured("REDIS_URL must start with redis://, rediss:// or unix://")
    if "db" in parse_qs(urlsplit(url).query):
        raise ImproperlyConfigured("REDIS_URL must not choose a database by ?db=; write redis://host/3")
    return url


def port_is_possible(url: str) -> bool:
    """Also where it names none."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def refuse_unless_web_addresses(name: str, urls: list[str]) -> None:
    """Raise ImproperlyConfigured unless each, if any, is http(s) with a host, and with no credentials to pass on."""
    for url in filter(None, urls):
        if "@" in re.sub(r"^\w+:/*", "", url).partition("/")[0]:
            raise ImproperlyConfigured(f"{name} must hold no user name or password: it is written down and shown")
        if not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", url):
            raise ImproperlyConfigured(f"{name} must begin with http:// or https:// and a host; it is {url!r}")
        if not port_is_possible(url):
            raise ImproperlyConfigured(f"{name} names a host or a port that there cannot be; it is {url!r}")


SAMPLERS = ("always_on", "always_off", "traceidratio")
"""Of OpenTelemetry, each also with `parentbased_` before it."""


def traces_sampler(name: str, share: str) -> str:
    """As OpenTelemetry names it, "" where nothing is said. The SDK would do otherwise where it does not understand."""
    if name and name.removeprefix("parentbased_") not in SAMPLERS:
        raise ImproperlyConfigured(f"OTEL_TRACES_SAMPLER names a sampler such as traceidratio; it is {name!r}")
    try:
        is_share = not share or 0 <= float(share) <= 1
    except ValueError:
        is_share = False
    if name.endswith("traceidratio") and not is_share:
        raise ImproperlyConfigured(f"OTEL_TRACES_SAMPLER_ARG is a number from 0 to 1; it is {share!r}")
    return name


def onnx_providers(names: list[str]) -> list[str]:
    """ONNX Runtime's names, the preferred first. Whether this machine has them is seen when a model is loaded."""
    providers = [name.strip() for name in names]
    if not providers or not all(re.fullmatch(r"[A-Za-z]+ExecutionProvider", name) for name in providers):
        raise ImproperlyConfigured(
            "OPENVPR_ONNX_PROVIDERS holds names such as CUDAExecutionProvider,CPUExecutionProvider, separated by commas"
        )
    return providers


def local_url(host: str, port: int) -> str:
    """How this machine reaches the web server, whatever addresses it listens on."""
    reachable = EVERY_ADDRESS.get(host, host)
    return f"http://{f'[{reachable}]' if ':' in reachable else reachable}:{port}"


def mail_server(url: str, sender: str) -> dict[str, Any]:
    if not re.match(r"(smtp|smtps|submission|smtp\+tls|smtp\+ssl)://", url):
        raise ImproperlyConfigured("OPENVPR_EMAIL_URL must be an address like submission://user:password@host:587")
    if "@" not in sender:
        raise ImproperlyConfigured("OPENVPR_EMAIL_URL needs OPENVPR_EMAIL_FROM, the address that mail comes from")
    server: dict[str, Any] = env.dj_email_url("OPENVPR_EMAIL_URL")
    return {"EMAIL_USE_TLS": False, "EMAIL_USE_SSL": False} | server


def postgresql(database: dict[str, Any]) -> dict[str, Any]:
    if database["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured("DATABASE_URL must be a postgresql:// address")
    return database


def s3_recordings(bucket: str, endpoint: str) -> dict[str, Any]:
    """Credentials and region come from where boto3 finds them: its own variables, files, or the machine's role."""
    options = {
        "bucket_name": bucket,
        "endpoint_url": endpoint or None,
        "default_acl": None,
        "file_overwrite": False,
        "querystring_auth": True,
        # What is read of an archive lies on the disk beyond this, not in memory.
        "max_memory_size": 8 * MEBIBYTE,
        "client_config": Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2}),
    }
    return {"BACKEND": "voiceprints.bucket.Bucket", "OPTIONS": options}


def local_recordings(folder: Path) -> dict[str, Any]:
    options = {"location": folder, "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
    return {"BACKEND": "voiceprints.disk.Disk", "OPTIONS": options}


# --- The installation ------------------------------------------------------------------------------------------------

try:
    PRODUCTION = env.bool("OPENVPR_PRODUCTION", False)
    DEBUG = env.bool("OPENVPR_DEBUG", False)
    HOME = Path(env.str("OPENVPR_HOME", str(USUAL_HOME))).expanduser().absolute()
    HOST = env.str("OPENVPR_HOST", "127.0.0.1", validate=validate.Length(min=1)).strip("[]")
    PORT = env.int("OPENVPR_PORT", 8000, validate=validate.Range(1, 65535))
    PUBLIC_URL = env.str("OPENVPR_PUBLIC_URL", "").rstrip("/")
    WEB_PROCESSES = env.int("OPENVPR_WEB_PROCESSES", 2, validate=validate.Range(1, 64))
    WEB_THREADS = env.int("OPENVPR_WEB_THREADS", 32, validate=validate.Range(1, 256))
    WORKERS = env.int("OPENVPR_WORKERS", os.cpu_count() or 1, validate=validate.Range(1, 256))
    QUEUE_DEPTH = env.int("OPENVPR_QUEUE_DEPTH", 32, validate=validate.Range(1, 10_000))
    QUEUE_BYTES = env.int("OPENVPR_QUEUE_MB", 256, validate=validate.Range(1, 100_000)) * MEBIBYTE
    ANALYSIS_DEADLINE_SECONDS = env.float("OPENVPR_DEADLINE_SECONDS", 20.0, validate=validate.Range(1, 600))
    MAX_UPLOAD_BYTES = env.int("OPENVPR_MAX_UPLOAD_MB", 64, validate=validate.Range(1, 512)) * MEBIBYTE
    WORKER_MEMORY_KB = env.int("OPENVPR_WORKER_MEMORY_MB", 600, validate=validate.Range(256, 64_000)) * 1024
    MODEL = env.str("OPENVPR_MODEL", "").strip()
    MODEL_MIRROR = env.str("OPENVPR_MODEL_MIRROR", "").strip().rstrip("/")
    ONNX_PROVIDERS = onnx_providers(env.list("OPENVPR_ONNX_PROVIDERS", PROCESSOR_ALONE))
    ONNX_THREADS = env.int("OPENVPR_ONNX_THREADS", 1, validate=validate.Range(1, 256))
    RECORDING_LINK_SECONDS = env.int(
        "OPENVPR_RECORDING_LINK_SECONDS", 7 * 24 * 3600, validate=validate.Range(60, LONGEST_LINK_SECONDS)
    )
    MAX_IMPORT_BYTES = env.int("OPENVPR_MAX_IMPORT_MB", 4096, validate=validate.Range(1, 1_000_000)) * MEBIBYTE
    BULK_CONCURRENCY = env.int("OPENVPR_BULK_CONCURRENCY", WORKERS + 1, validate=validate.Range(1, 256))
    JOBS_PER_TENANT = env.int("OPENVPR_JOBS_PER_TENANT", 200, validate=validate.Range(1, 100_000))
    JOBS_KEPT_DAYS = env.int("OPENVPR_JOBS_KEPT_DAYS", 30, validate=validate.Range(1, 3650))
    AUDIT_KEPT_DAYS = env.int("OPENVPR_AUDIT_KEPT_DAYS", 0, validate=validate.Range(0, 36_500))
    ANSWERS_KEPT_SECONDS = env.int("OPENVPR_ANSWERS_KEPT_SECONDS", DAY, validate=validate.Range(60, 30 * DAY))
    SESSION_COOKIE_AGE = env.int("OPENVPR_SESSION_SECONDS", DAY // 2, validate=validate.Range(300, 30 * DAY))
    FAILURES_KEPT_SECONDS = env.int("OPENVPR_FAILURES_KEPT_SECONDS", DAY, validate=validate.Range(3600, 30 * DAY))
    CLEANUPS_KEPT_DAYS = env.int("OPENVPR_CLEANUPS_KEPT_DAYS", 90, validate=validate.Range(1, 3650))
    BACKUP_WITHIN_DAYS = env.int("OPENVPR_BACKUP_WITHIN_DAYS", 2, validate=validate.Range(0, 3650))
    STRAYS_KEPT_DAYS = env.int("OPENVPR_STRAYS_KEPT_DAYS", 7, validate=validate.Range(0, 3650))
    EXPORT_KEPT_SECONDS = env.int("OPENVPR_EXPORT_KEPT_SECONDS", 24 * 3600, validate=validate.Range(60, 30 * 24 * 3600))
    UPLOADS_KEPT_SECONDS = env.int(
        "OPENVPR_UPLOADS_KEPT_SECONDS", 24 * 3600, validate=validate.Range(0, 30 * 24 * 3600)
    )
    DOWNLOAD_SECONDS = env.float("OPENVPR_DOWNLOAD_SECONDS", 10.0, validate=validate.Range(1, 120))
    LOG_LEVEL = env.str("OPENVPR_LOG_LEVEL", "INFO", validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]))
    LOG_FORMAT = env.str("OPENVPR_LOG_FORMAT", "text", validate=validate.OneOf(["text", "json"]))
    METRICS_TOKEN = env.str("OPENVPR_METRICS_TOKEN", "").strip()
    TRACES_TO = env.str("OPENVPR_TRACES_TO", "").strip().rstrip("/")
    CELERY_TASK_ALWAYS_EAGER = env.bool("OPENVPR_EAGER", False)
    ALLOWED_HOSTS = [
        host.strip() for host in required_in_production("OPENVPR_ALLOWED_HOSTS").split(",") if host.strip()
    ]
    CSRF_TRUSTED_ORIGINS: list[str] = env.list("OPENVPR_TRUSTED_ORIGINS", [])
    BEHIND_TLS_PROXY = env.bool("OPENVPR_BEHIND_TLS_PROXY", False)
    EMAIL_URL = env.str("OPENVPR_EMAIL_URL", "").strip()
    DEFAULT_FROM_EMAIL = env.str("OPENVPR_EMAIL_FROM", "").strip()
    STAFF_NEED_TWO_FACTORS = env.bool("OPENVPR_STAFF_TWO_FACTOR", False)
    S3_BUCKET = env.str("OPENVPR_S3_BUCKET", "")
    S3_ENDPOINT = env.str("OPENVPR_S3_ENDPOINT", "")
except (EnvError, ValueError) as error:
    raise ImproperlyConfigured(str(error)) from None

MODELS = HOME / "models"
METRICS = HOME / "run" / "metrics"
DIALECTS = ["abcpen", "native", "speakin", "jdcloud", "dolphin", "iflytek"]

if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("OPENVPR_DEBUG must be off when OPENVPR_PRODUCTION is on")
CSRF_TRUSTED_ORIGINS = [origin.strip().rstrip("/") for origin in CSRF_TRUSTED_ORIGINS]
if any("/" in origin.partition("://")[2] for origin in CSRF_TRUSTED_ORIGINS):
    raise ImproperlyConfigured(
        "OPENVPR_TRUSTED_ORIGINS holds origins such as https://voice.example.com, without a path"
    )
for _name, _urls in (
    ("OPENVPR_PUBLIC_URL", [PUBLIC_URL]),
    ("OPENVPR_MODEL_MIRROR", [MODEL_MIRROR]),
    ("OPENVPR_S3_ENDPOINT", [S3_ENDPOINT]),
    ("OPENVPR_TRACES_TO", [TRACES_TO]),
    ("OPENVPR_TRUSTED_ORIGINS", CSRF_TRUSTED_ORIGINS),
):
    refuse_unless_web_addresses(_name, _urls)
TRACES_SAMPLER = TRACES_TO and traces_sampler(
    os.environ.get("OTEL_TRACES_SAMPLER", "").lower(), os.environ.get("OTEL_TRACES_SAMPLER_ARG", "")
)
if S3_ENDPOINT and not S3_BUCKET:
    raise ImproperlyConfigured("OPENVPR_S3_ENDPOINT needs OPENVPR_S3_BUCKET")

# This machine may always ask itself whether it lives.
LOCAL_URL = local_url(HOST, PORT)
LOCAL_HOST = LOCAL_URL.removeprefix("http://").removesuffix(f":{PORT}")
ALLOWED_HOSTS = [*ALLOWED_HOSTS, LOCAL_HOST, "127.0.0.1", "localhost", "[::1]"] if ALLOWED_HOSTS else ["*"]

# --- Secrets ---------------------------------------------------------------------------------------------------------

SECRETS: dict[str, str] = {}
"""By the names of their settings."""
SECRET_FILES: dict[str, Path] = {}
"""Where those lie that nobody set."""
SECRET_KEY = secret("OPENVPR_SECRET_KEY", "django")
if len(SECRET_KEY) < SHORTEST_SECRET_KEY:
    raise ImproperlyConfigured(f"OPENVPR_SECRET_KEY must have at least {SHORTEST_SECRET_KEY} characters")
FIELD_KEYS = fernet_keys(secret("OPENVPR_FIELD_KEYS", "fields", generate=lambda: Fernet.generate_key().decode()))
RECEIPT_KEYS = receipt_keys(
    secret(
        "OPENVPR_RECEIPT_KEYS",
        "receipts",
        generate=lambda: base64.urlsafe_b64encode(secrets.token_bytes(ED25519_BYTES)).decode(),
    )
)

# --- PostgreSQL and Redis: real ones by address, else the embedded ones in OPENVPR_HOME ------------------------------

EMBEDDED_POSTGRES = not required_in_production("DATABASE_URL")
EMBEDDED_REDIS = not required_in_production("REDIS_URL")
POSTGRES_DATA = HOME / "postgres"
REDIS_SOCKET = HOME / "run" / "redis.sock"

if EMBEDDED_POSTGRES:
    DATABASE: dict[str, Any] = {
        "HOST": str(POSTGRES_DATA),
        "NAME": "openvpr",
        "USER": "openvpr",
        "PASSWORD": stored_secret(HOME / "secrets" / "postgres"),
    }
else:
    try:
        DATABASE = postgresql(env.dj_db_url("DATABASE_URL"))
    except (EnvError, ValueError):
        raise ImproperlyConfigured(
            "DATABASE_URL must be an address like postgresql://user:password@host/name"
        ) from None

DATABASES = {
    "default": DATABASE | {"ENGINE": "tenants.postgresql", "CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = f"unix://{REDIS_SOCKET}" if EMBEDDED_REDIS else redis_url(env.str("REDIS_URL"))

# --- Django ----------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "django_celery_beat",
    "tenants",
    "voiceprints",
    *(f"api.{dialect}" for dialect in DIALECTS),
    "rest_framework",
    "drf_spectacular_sidecar",
    "config.apps.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.forms",
]

# Fields of forms are drawn by our templates, too.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # After what serves static files, which nobody wants to follow.
    *(["config.tracing.TracingMiddleware"] if TRACES_TO else []),
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "config.hosts.HostMiddleware",
    "config.limits.ConsoleBodyMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.csp.ConsolePolicyMiddleware",
    "config.problems.ProblemPageMiddleware",
    "config.htmx.WholePageMiddleware",
    "tenants.middleware.ConsoleTenantMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
CONSOLE_PATH = "/console/"
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
CSRF_FAILURE_VIEW = "config.problems.forgery"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "config.formats"
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.str("OPENVPR_TIME_ZONE", "UTC")
if TIME_ZONE not in available_timezones():
    raise ImproperlyConfigured(f"OPENVPR_TIME_ZONE {TIME_ZONE!r} is no time zone, such as Asia/Shanghai")

# --- Mail: only of invitations, and none without an address of a server ----------------------------------------------

SENDS_MAIL = bool(EMAIL_URL)
EMAIL_TIMEOUT = 10
if EMAIL_URL:
    MAIL_SERVER = mail_server(EMAIL_URL, DEFAULT_FROM_EMAIL)
    EMAIL_HOST, EMAIL_PORT = MAIL_SERVER["EMAIL_HOST"], MAIL_SERVER["EMAIL_PORT"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL_SERVER["EMAIL_HOST_USER"], MAIL_SERVER["EMAIL_HOST_PASSWORD"]
    EMAIL_USE_TLS, EMAIL_USE_SSL = MAIL_SERVER["EMAIL_USE_TLS"], MAIL_SERVER["EMAIL_USE_SSL"]

# --- What browsers and proxies must respect --------------------------------------------------------------------------

SESSION_ENGINE = "tenants.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = BEHIND_TLS_PROXY
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if BEHIND_TLS_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 365 * 24 * 3600

DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_UPLOAD_BYTES
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000
DATA_UPLOAD_MAX_NUMBER_FILES = 20
FILE_UPLOAD_MAX_MEMORY_SIZE = 8 * MEBIBYTE

# --- Recordings and static files -------------------------------------------------------------------------------------

RECORDINGS = s3_recordings(S3_BUCKET, S3_ENDPOINT) if S3_BUCKET else local_recordings(HOME / "recordings")

STORAGES = {
    "recordings": RECORDINGS,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True

# --- REST framework: JSON in and out, every room brings its own authentication and error table -----------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
    "UNICODE_JSON": True,
    "COMPACT_JSON": True,
}

SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "OpenVPR",
    "DESCRIPTION": "Who is speaking: enroll speakers, verify that it is the one they say they are, identify them.\n\n"
    "Send an access token as `Authorization: Bearer …`. A body is JSON, with recordings in base64, or a form, with "
    "recordings as files. Whatever goes wrong is answered with problem details (RFC 9457): decide by `type`.",
    "VERSION": "1",
    "POSTPROCESSING_HOOKS": [],
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PATH_CONVERTER_OVERRIDES": {"row": {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}},
}

# --- Celery ----------------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_TASK_SERIALIZER = "msgpack"
CELERY_ACCEPT_CONTENT = ["msgpack"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_EAGER_PROPAGATES = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_MEMORY_PER_CHILD = WORKER_MEMORY_KB
# A process that comes in another's place loads its models first, and would be killed for being slow, one after another.
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 120.0
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "health_check_interval": 10,
    "max_retries": 1,
    "interval_start": 0,
    "interval_max": 0.2,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "maintenance"
CELERY_TASK_ROUTES = {
    "voiceprints.run_job": {"queue": "bulk"},
    "voiceprints.expire_*": {"queue": "cleanup"},
    "*.sweep_*": {"queue": "cleanup"},
    "voiceprints.note_sizes": {"queue": "cleanup"},
    "tenants.check_trail": {"queue": "cleanup"},
    "tenants.verify_chain": {"queue": "cleanup"},
}
CELERY_TIMEZONE = "UTC"
HOURLY = {"expires": 3500}
CELERY_BEAT_SCHEDULER = "config.beat:Scheduler"
# What an installation begins with. Whatever is in the database already is as somebody wants it (config/beat.py).
CELERY_BEAT_SCHEDULE = {
    "expire-recordings": {"task": "voiceprints.expire_recordings", "schedule": crontab(minute=7), "options": HOURLY},
    "expire-probes": {"task": "voiceprints.expire_probes", "schedule": crontab(minute=17), "options": HOURLY},
    "expire-enrollments": {"task": "voiceprints.expire_enrollments", "schedule": crontab(minute=27), "options": HOURLY},
    "sweep-storage": {
        "task": "voiceprints.sweep_storage",
        "schedule": crontab(hour=2, minute=37, day_of_week="sunday"),
    },
    "sweep-recordings": {"task": "voiceprints.sweep_recordings", "schedule": 60.0, "options": {"expires": 55}},
    "note-sizes": {"task": "voiceprints.note_sizes", "schedule": 60.0, "options": {"expires": 55}},
    "fold-stock": {"task": "voiceprints.fold_stock", "schedule": 60.0, "options": {"expires": 55}},
    "sweep-answers": {"task": "native.sweep_answers", "schedule": 600.0, "options": {"expires": 590}},
    "sweep-sign-ins": {"task": "tenants.sweep_sign_ins", "schedule": 3600.0, "options": HOURLY},
    "seal-trail": {"task": "tenants.seal_trail", "schedule": 300.0, "options": {"expires": 290}},
    "check-trail": {"task": "tenants.check_trail", "schedule": crontab(hour=3, minute=17)},
    "tend-jobs": {"task": "voiceprints.tend_jobs", "schedule": 5.0, "options": {"expires": 4}},
    "tend-erasures": {"task": "voiceprints.tend_erasures", "schedule": 60.0, "options": {"expires": 55}},
    "vacuum-erased": {"task": "voiceprints.vacuum_erased", "schedule": crontab(hour=3, minute=43)},
    "sweep-jobs": {"task": "voiceprints.sweep_jobs", "schedule": 60.0, "options": {"expires": 55}},
}

# --- Logging: one line per request at the edge; never audio, embeddings, secrets or signatures -----------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "{asctime} {levelname} {name} {message}", "style": "{"},
        "json": {"()": "config.logs.JsonLines"},
    },
    "filters": {
        "without_addresses": {"()": "config.logs.WithoutAddresses"},
        "refusals_in_one_line": {"()": "config.logs.RefusalsInOneLine"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["refusals_in_one_line"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": ["console"], "propagate": False},
        "django.request": {"filters": ["without_addresses"]},
        "django.security.csrf": {"filters": ["without_addresses"]},
        "httpcore": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "matplotlib": {"level": "WARNING"},
        # One line for what could not be sent, and none for each try.
        "opentelemetry.exporter": {"level": "ERROR"},
        # It repeats a header that it does not understand, which may be a secret.
        "opentelemetry.util.re": {"level": "ERROR"},
        # Said to the client already, and at anybody's will.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # One line per request is written at the edge; Celery's own two per task say nothing more.
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
    },
}

# What Python itself has to say, in the same form.
logging.captureWarnings(LOG_FORMAT == "json")

# --- Console ---------------------------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "OpenVPR",
    "SITE_HEADER": "OpenVPR",
    "SITE_SUBHEADER": "config.console.subheader",
    "SITE_SYMBOL": "graphic_eq",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "config.console.favicon"}],
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "SCRIPTS": [
        "config.console.script",
        "config.console.once_script",
        "config.console.files_script",
        "config.console.choices_script",
    ],
    "STYLES": ["config.console.style", "config.console.voices_style"],
    "SIDEBAR": {"navigation": "config.console.navigation"},
    "ACCOUNT": {"navigation": "config.console.account_links"},
}
