"""The files for production: each is what its own tool takes, and together they run what `python -m config` runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import httpx
import psycopg
import pytest
import yaml
from compose_spec import PyCompose
from cryptography.fernet import Fernet
from django.conf import settings

from config import embedded, programs

ROOT = settings.BASE_DIR
DEPLOY = ROOT / "deploy"
UNIT_FOLDER = DEPLOY / "systemd"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UNITS = {path.stem.removeprefix("openvpr-"): path.read_text() for path in UNIT_FOLDER.glob("openvpr-*.service")}
PROGRAMS = {program.name: program for program in programs.programs() if program.stage is not programs.Stage.SERVICES}
PATIENCE_SECONDS = 90


# --- What runs -------------------------------------------------------------------------------------------------------


def essence(words):
    """A command without what each installation decides: the interpreter, how much at once, and where."""
    text = re.sub(r"^(nice -n 19 )?(\S*python\S* -m )?", "", shlex.join(words))
    return re.sub(r" --concurrency \S+", "", text)


def instruction(name):
    """The last of its kind in the Dockerfile."""
    return re.findall(rf"^ *{name} ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)[-1]


def compose_command(name):
    return [str(word) for word in SERVICES[name].get("command") or json.loads(instruction("CMD"))]


def unit_command(name):
    (line,) = re.findall(r"^ExecStart=(.+)$", UNITS[name], re.MULTILINE)
    return shlex.split(line.replace("%%", "%"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_process_runs_the_same_everywhere(name):
    wanted = PROGRAMS[name].command
    assert essence(compose_command(name)) == essence(unit_command(name)) == essence(wanted)
    assert (compose_command(name)[0] == "nice") == ("Nice=19" in UNITS[name]) == (wanted[0] == "nice")


def test_nothing_is_run_besides():
    assert SERVICES.keys() - PROGRAMS == {"migrate", "postgres", "redis", "nginx"}
    assert UNITS.keys() - PROGRAMS == {"backup", "failed@"}
    assert sorted(re.findall(r"openvpr-(\w+)\.service", (UNIT_FOLDER / "openvpr.target").read_text())) == sorted(
        PROGRAMS
    )


# --- What the tools say ----------------------------------------------------------------------------------------------


def tool(name):
    """.ci/run installs it."""
    places = [os.environ["PATH"], str(Path(sys.executable).parent), "/usr/sbin", "/sbin"]
    found = shutil.which(name, path=":".join(places))
    if not found and "CI" not in os.environ:
        pytest.skip(f"{name} is not installed")
    return found or pytest.fail(f"{name} is not installed")


def complaints(*command):
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    return "" if run.returncode == 0 else run.stdout + run.stderr


def test_hadolint_finds_nothing_in_the_dockerfile():
    assert complaints(tool("hadolint"), ROOT / "Dockerfile") == ""


def test_the_compose_file_follows_its_specification():
    # It knows no merge keys, which are YAML's own.
    assert set(PyCompose.from_json(json.dumps(COMPOSE)).service_names()) == SERVICES.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_uses_is_there(name):
    service = SERVICES[name]
    for kind in ("secrets", "networks"):
        assert set(service.get(kind, [])) <= COMPOSE[kind].keys()
    assert set(service.get("depends_on", {})) <= SERVICES.keys()
    for volume in service.get("volumes", []):
        source = volume.partition(":")[0]
        assert source in COMPOSE["volumes"] or source == "./deploy/tls" or (ROOT / source).exists()


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_large_on_its_way_lies_on_a_disk(name):
    folder = dict(re.findall(r"(\w+)=(\S+)", instruction("ENV")))["TMPDIR"]
    assert folder in [volume.split(":")[1] for volume in SERVICES[name]["volumes"]]
    assert f" TMPDIR={folder} " in UNITS[name]


@pytest.mark.parametrize("unit", sorted(path.name for path in UNIT_FOLDER.iterdir()))
def test_systemd_takes_the_units(unit, tmp_path):
    for path in UNIT_FOLDER.iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("/opt/openvpr/.venv/bin/python", sys.executable))
    assert complaints(tool("systemd-analyze"), "verify", "--man=no", tmp_path / unit) == ""


def test_old_backups_go_once_a_new_one_is_made(tmp_path):
    (line,) = re.findall(r"^ExecStartPost=(.+)$", UNITS["backup"], re.MULTILINE)
    ages = {"openvpr-1.backup": 31, "openvpr-2.backup": 29, "openvpr-3.backup.x.part": 40, "key": 99}
    for name, days in ages.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - days * 86400 - 3600,) * 2)
    subprocess.run(shlex.split(line.replace("/var/backups/openvpr", str(tmp_path))), check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"openvpr-2.backup", "key"}


def test_nginx_takes_its_file_where_the_platform_is_not_up(tmp_path):
    """It asks for the address of `web` with each request: a container started anew may have another."""
    certificate = ["-keyout", tmp_path / "privkey.pem", "-out", tmp_path / "fullchain.pem"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=voice.example.com", *certificate]
    subprocess.run(make, check=True, capture_output=True)
    said = (DEPLOY / "nginx" / "openvpr.conf").read_text()
    said = said.replace("/etc/nginx/tls", str(tmp_path)).replace("/var/log/nginx", str(tmp_path))
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid; events {{}} http {{ {said} }}")
    assert complaints(tool("nginx"), "-t", "-e", tmp_path / "error.log", "-c", tmp_path / "nginx.conf") == ""


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def refusing_nginx(tmp_path_factory):
    """nginx with its file, where nobody answers behind it and a body may have a kilobyte; returns how to ask."""
    folder, port, plain = tmp_path_factory.mktemp("nginx"), free_port(), free_port()
    certificate = ["-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", *certificate]
    subprocess.run(make, check=True, capture_output=True)
    said = re.sub(r" *listen \[::\].*\n", "", (DEPLOY / "nginx" / "openvpr.conf").read_text())
    said = said.replace("listen 443", f"listen 127.0.0.1:{port}").replace("listen 80", f"listen 127.0.0.1:{plain}")
    said = said.replace("http://web:8000", "http://127.0.0.1:1").replace(
        "client_max_body_size 65m", "client_max_body_size 1k"
    )
    said = said.replace("client_max_body_size 4097m", "client_max_body_size 2k")
    said = said.replace("/etc/nginx/tls", str(folder)).replace("/var/log/nginx", str(folder))
    (folder / "nginx.conf").write_text(f"pid {folder}/pid; daemon off; events {{}} http {{ {said} }}")
    command = [tool("nginx"), "-e", folder / "error.log", "-c", folder / "nginx.conf"]
    server = subprocess.Popen(list(map(str, command)))

    def asked(path, content):
        reply = httpx.post(f"https://127.0.0.1:{port}{path}", content=content, verify=False)
        return reply.status_code, reply.headers.get_list("content-type"), reply.text

    gives_up = time.monotonic() + PATIENCE_SECONDS
    while not is_open(port) and time.monotonic() < gives_up:
        time.sleep(0.1)
    yield asked
    server.terminate()
    server.wait(10)


PROBLEM = "urn:openvpr:problem:"
# Of each interface: a path, where its answer has the code, and what stands there.
REFUSALS = [
    ("/api/v1/enroll", "type", f"{PROBLEM}too-large", f"{PROBLEM}unavailable"),
    ("/api/v1/imports", "type", f"{PROBLEM}too-large", f"{PROBLEM}unavailable"),
    ("/voiceid/register", "code", "10107", "10700"),
    ("/dolphin/1/enroll", "status", "22152", "22151"),
    ("/v1/private/s782b4996", "header code", 10163, 11503),
    ("/jdai/vpr", "result status", 61002, None),
    ("/dev/num/compare", "message", "internal error", "internal error"),
]


@pytest.mark.parametrize(("path", "code", "too_large", "no_answer"), REFUSALS)
def test_nginx_refuses_in_the_words_of_the_interface(refusing_nginx, path, code, too_large, no_answer):
    def found(text):
        value = json.loads(text)
        for name in code.split():
            value = value.get(name) if value else None
        return value

    kind = "application/problem+json" if path.startswith("/api/v1/") else "application/json"
    status, kinds, text = refusing_nginx(path, bytes(5000))
    assert (status, kinds, found(text)) == (413, [kind], too_large)
    status, kinds, text = refusing_nginx(path, b"")
    assert (status, kinds, found(text)) == (503, [kind], no_answer)


@pytest.mark.parametrize("path", ["/console/login/", "/console/jobs/acme/import/"])
def test_nginx_says_to_people_what_is_wrong_on_a_page(refusing_nginx, path):
    status, kinds, text = refusing_nginx(path, bytes(5000))
    assert (status, kinds, "This is too large." in text) == (413, ["text/html"], True)
    status, kinds, text = refusing_nginx(path, b"")
    assert (status, kinds, "The platform does not answer at the moment." in text) == (503, ["text/html"], True)


# --- What containers would do, without containers --------------------------------------------------------------------


@pytest.fixture(scope="module")
def deployed():
    """Where deploy/make-secrets was run, on files that were fetched with a umask of 077."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "deploy"
        shutil.copytree(DEPLOY, place, ignore=shutil.ignore_patterns("secrets", "tls", "*.env"))
        subprocess.run(["chmod", "-R", "go=", place], check=True)
        subprocess.run([place / "make-secrets", "voice.example.com"], check=True, capture_output=True)
        yield place


def secret(deployed, name):
    return (deployed / "secrets" / name).read_text()


def test_secrets_are_made_once_and_fit(deployed):
    names = {Path(declared["file"]).name for declared in COMPOSE["secrets"].values()}
    assert {path.name for path in (deployed / "secrets").iterdir()} == names
    before = {name: secret(deployed, name) for name in names}
    subprocess.run([deployed / "make-secrets", "other.example.com"], check=True, capture_output=True)
    assert {name: secret(deployed, name) for name in names} == before
    assert (deployed / "secrets").stat().st_mode & 0o777 == 0o700
    Fernet(before["field_keys"])
    assert before["database_password"] in before["database_url"]


def test_the_account_of_postgresql_may_run_its_script(deployed):
    assert (deployed / "postgres" / "init.sh").stat().st_mode & 0o777 == 0o755


@pytest.fixture(scope="module")
def database(deployed):
    """What deploy/postgres/init.sh makes, under a name that the tests do not use themselves: where, and as whom."""
    said = (DEPLOY / "postgres" / "init.sh").read_text()
    (deployed / "init.sh").write_text(re.sub(r"\bopenvpr\b", "production", said))
    environment = os.environ | {
        "PATH": f"{embedded.postgres_program('psql').parent}:{os.environ['PATH']}",
        "PGHOST": str(settings.POSTGRES_DATA),
        "PGPASSWORD": (settings.HOME / "secrets" / "postgres-superuser").read_text(),
        "OPENVPR_PASSWORD_FILE": str(deployed / "secrets" / "database_password"),
    }
    subprocess.run(["sh", deployed / "init.sh"], env=environment, check=True)
    password = secret(deployed, "database_password")
    yield {"host": str(settings.POSTGRES_DATA), "dbname": "production", "user": "production", "password": password}
    with embedded.as_superuser() as superuser:
        superuser.execute("DROP DATABASE production WITH (FORCE)")
        superuser.execute("DROP ROLE production")


def test_the_role_that_init_makes_is_plain_and_has_the_extension(database):
    rights = (
        "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
    )
    with psycopg.connect(**database) as there:
        assert there.execute(rights).fetchone() == (False,)
        assert there.execute("SELECT count(*) FROM pg_extension WHERE extname = 'vector'").fetchone() == (1,)
        assert there.execute("SHOW log_min_error_statement").fetchone() == ("panic",)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The files that the image gets, fetched with a umask of 077 and made into what the Dockerfile makes of them."""
    wanted = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "app"
        app.mkdir()
        for name in wanted:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, app / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, app / name)
        subprocess.run(["chmod", "-R", "go=", app], check=True)
        prepare = re.search(r"^COPY \. /app\n(?:#.*\n)*RUN python (.+)$", DOCKERFILE, re.MULTILINE)[1]
        subprocess.run(f"{sys.executable} {prepare.replace('/app', str(app))}", shell=True, check=True)
        Path(folder).chmod(0o711)
        yield app


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory):
    """A Redis that accounts other than ours reach, with the options of compose.yaml."""
    port = free_port()
    program = embedded.redis_command()[0]
    options = SERVICES["redis"]["command"][1:]
    folder = tmp_path_factory.mktemp("redis")
    redis = subprocess.Popen([program, *options, "--port", str(port), "--dir", folder], stdout=subprocess.DEVNULL)
    yield port
    redis.terminate()
    redis.wait(10)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def unprivileged():
    """Becomes the account of the image, which owns nothing here. It may read what is root's, as our Python may be."""
    if os.geteuid() != 0:
        return []
    account, rights = instruction("USER").partition(":")[0], "-all,+dac_read_search"
    capabilities = [f"--{kind}={rights}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    return ["setpriv", f"--reuid={account}", f"--regid={account}", "--clear-groups", "--no-new-privs", *capabilities]


@pytest.fixture
def container(deployed, database, image, redis_port):
    """Where and with what a command of compose.yaml is run here."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        if os.geteuid() == 0:
            os.chown(home, *map(int, instruction("USER").split(":")))
        yield {"cwd": image, "env": environment(deployed, database, home, redis_port)}


def environment(deployed, database, home, redis_port):
    """That of the Dockerfile and of compose.yaml, with the servers and the folder of this test."""
    url = deployed.parent / "database_url"
    host = database["host"].replace("/", "%2F")
    url.write_text(f"postgresql://production:{database['password']}@{host}/production\n")
    url.chmod(0o644)
    deployed.parent.chmod(0o711)
    return {
        **dict(re.findall(r"(\w+)=(\S+)", instruction("ENV"))),
        **dict(line.split("=", 1) for line in (deployed / "openvpr.env").read_text().splitlines()),
        **{f"OPENVPR_{name.upper()}": secret(deployed, name) for name in ("secret_key", "field_keys", "receipt_keys")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OPENVPR_HOME": home,
        "OPENVPR_HOST": "127.0.0.1",
        "OPENVPR_PORT": str(free_port()),
        "DATABASE_URL_FILE": str(url),
        "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
    }


def words(name):
    return [*unprivileged(), *(word.replace("${OPENVPR_WORKERS:-2}", "1") for word in compose_command(name))]


def health_check():
    return [*unprivileged(), *json.loads(re.search(r"HEALTHCHECK.*\\\n *CMD (\[.*\])", DOCKERFILE)[1])]


@pytest.mark.platform
@pytest.mark.timeout(300)
def test_the_platform_becomes_healthy_as_it_would_in_containers(container):
    subprocess.run(words("migrate"), check=True, **container)
    with tempfile.TemporaryFile("w+") as log, ExitStack() as stack:
        for name in ("web", "worker"):
            process = subprocess.Popen(words(name), stdout=log, stderr=log, **container)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
        gives_up = time.monotonic() + PATIENCE_SECONDS
        while (asked := subprocess.run(health_check(), capture_output=True, text=True, **container)).returncode:
            log.seek(0)
            assert time.monotonic() < gives_up, log.read()[-3000:]
            time.sleep(1)
        assert json.loads(asked.stdout)["parts"]["embed"] == "ok"
        with urlopen(f"http://127.0.0.1:{container['env']['OPENVPR_PORT']}/console/login/") as page:
            assert page.status == 200
