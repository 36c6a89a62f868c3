"""Nonsense in the environment is refused with one line, and production refuses to start half-configured."""

import os
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet
from django.conf import settings

PRODUCTION = {
    "OPENVPR_PRODUCTION": "1",
    "OPENVPR_SECRET_KEY": "k" * 50,
    "OPENVPR_FIELD_KEYS": Fernet.generate_key().decode(),
    "OPENVPR_RECEIPT_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "OPENVPR_ALLOWED_HOSTS": "voice.example.com",
    "DATABASE_URL": "postgresql://openvpr:secret@db.example.com/openvpr",
    "REDIS_URL": "redis://redis.example.com/0",
}


def start(tmp_path, **environment):
    """What a command says when it starts with these variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENVPR", "DATABASE", "REDIS"))}
    return subprocess.run(
        [sys.executable, "manage.py", "diffsettings"],
        cwd=settings.BASE_DIR,
        env=kept | {"OPENVPR_HOME": str(tmp_path)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_needs_to_be_set(tmp_path):
    assert start(tmp_path).returncode == 0


def test_a_secret_may_be_the_content_of_a_file(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s" * 50 + "\n")
    from_files = {f"{name}_FILE": str(tmp_path / name.lower()) for name in ("DATABASE_URL", "OPENVPR_FIELD_KEYS")}
    for name, file in from_files.items():
        with open(file, "w") as opened:
            opened.write(PRODUCTION[name.removesuffix("_FILE")] + "\n")
    given = {name: value for name, value in PRODUCTION.items() if f"{name}_FILE" not in from_files}
    del given["OPENVPR_SECRET_KEY"]
    shown = start(tmp_path, **given, **from_files, OPENVPR_SECRET_KEY_FILE=str(secret)).stdout
    assert f"SECRET_KEY = '{'s' * 50}'" in shown
    assert "db.example.com" in shown


def test_a_file_that_cannot_be_read_is_named_in_one_line(tmp_path):
    refused = start(tmp_path, OPENVPR_SECRET_KEY_FILE=str(tmp_path / "none"))
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "OPENVPR_SECRET_KEY_FILE" in refused.stderr


@pytest.mark.parametrize(
    ("name", "nonsense"),
    [
        ("OPENVPR_PORT", "eight thousand"),
        ("OPENVPR_PORT", "70000"),
        ("OPENVPR_WORKERS", "0"),
        ("OPENVPR_DEBUG", "perhaps"),
        ("OPENVPR_DEADLINE_SECONDS", "-1"),
        ("OPENVPR_LOG_LEVEL", "LOUD"),
        ("OPENVPR_FIELD_KEYS", "short"),
        ("OPENVPR_RECEIPT_KEYS", "short"),
        ("OPENVPR_PUBLIC_URL", "voice.example.com"),
        ("DATABASE_URL", "mysql://root@localhost/openvpr"),
        ("DATABASE_URL", "nonsense"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "unix:///run/redis.sock?db=3"),
        ("OPENVPR_TIME_ZONE", "Mars/Olympus"),
        ("OPENVPR_TRUSTED_ORIGINS", "voice.example.com"),
        ("OPENVPR_S3_ENDPOINT", "nonsense"),
        ("OPENVPR_SECRET_KEY", "k"),
        ("OPENVPR_TRUSTED_ORIGINS", "https://voice.example.com/console"),
        ("OPENVPR_PUBLIC_URL", "http://x y/?q"),
        ("OPENVPR_RECORDING_LINK_SECONDS", "99999999999999"),
        ("OPENVPR_HOME", "/proc/nowhere"),
        ("OPENVPR_ONNX_PROVIDERS", "cuda"),
        ("OPENVPR_ONNX_PROVIDERS", "CPUExecutionProvider;CUDAExecutionProvider"),
        ("OPENVPR_ONNX_THREADS", "0"),
        ("OPENVPR_ONNX_THREADS", "many"),
        ("OPENVPR_MODEL_MIRROR", "models.example.com"),
        ("OPENVPR_TRACES_TO", "collector:4318"),
        ("OPENVPR_TRACES_TO", "http://collector:99999"),
    ],
)
def test_nonsense_is_refused_with_one_line_that_names_it(tmp_path, name, nonsense):
    refused = start(tmp_path, **{name: nonsense})
    assert refused.returncode != 0
    assert len(refused.stderr.splitlines()) == 1
    assert name in refused.stderr


@pytest.mark.parametrize(
    ("name", "nonsense"),
    [
        ("OTEL_TRACES_SAMPLER", "traceidratoi"),
        ("OTEL_TRACES_SAMPLER", "parentbased_"),
        ("OTEL_TRACES_SAMPLER", "always_on "),
        ("OTEL_TRACES_SAMPLER_ARG", "10%"),
        ("OTEL_TRACES_SAMPLER_ARG", "10"),
    ],
)
def test_nonsense_about_traces_is_refused_where_they_are_collected(tmp_path, name, nonsense):
    said = {"OTEL_TRACES_SAMPLER": "traceidratio", name: nonsense}
    assert start(tmp_path, **said).returncode == 0
    unread = {"OTEL_TRACES_SAMPLER": "Always_On", "OTEL_TRACES_SAMPLER_ARG": nonsense}
    assert start(tmp_path, **unread, OPENVPR_TRACES_TO="http://localhost:4318").returncode == 0
    refused = start(tmp_path, **said, OPENVPR_TRACES_TO="http://localhost:4318")
    assert refused.returncode != 0
    assert len(refused.stderr.splitlines()) == 1
    assert name in refused.stderr


@pytest.mark.parametrize("address", ["https://anna:Sesame@models.example.com/wespeaker", "https:/anna:Sesame@models"])
@pytest.mark.parametrize(
    "name", ["OPENVPR_MODEL_MIRROR", "OPENVPR_PUBLIC_URL", "OPENVPR_S3_ENDPOINT", "OPENVPR_TRACES_TO"]
)
def test_an_address_with_a_password_is_refused_without_repeating_it(tmp_path, name, address):
    refused = start(tmp_path, **{name: address})
    assert refused.returncode != 0
    assert len(refused.stderr.splitlines()) == 1
    assert f"{name} must hold no user name or password" in refused.stderr
    assert "Sesame" not in refused.stderr


def test_production_starts_when_everything_is_set(tmp_path):
    assert start(tmp_path, **PRODUCTION).returncode == 0


@pytest.mark.parametrize("name", [name for name in PRODUCTION if name != "OPENVPR_PRODUCTION"])
def test_production_refuses_to_start_without(tmp_path, name):
    refused = start(tmp_path, **{key: value for key, value in PRODUCTION.items() if key != name})
    assert refused.returncode != 0
    assert len(refused.stderr.splitlines()) == 1
    assert name in refused.stderr


def test_production_refuses_to_debug(tmp_path):
    refused = start(tmp_path, **PRODUCTION, OPENVPR_DEBUG="1")
    assert "OPENVPR_DEBUG must be off" in refused.stderr


def test_generated_secrets_are_their_owners_alone(tmp_path):
    start(tmp_path)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o600}


def test_generated_secrets_stay(tmp_path):
    start(tmp_path)
    first = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    start(tmp_path)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == first


def test_two_processes_that_start_at_once_agree_on_the_secrets(tmp_path):
    both = [sys.executable, "-c", "from config import settings; print(settings.SECRET_KEY)"]
    environment = os.environ | {"OPENVPR_HOME": str(tmp_path)}
    pair = [subprocess.Popen(both, cwd=settings.BASE_DIR, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
    keys = {process.communicate()[0] for process in pair}
    assert len(keys) == 1
