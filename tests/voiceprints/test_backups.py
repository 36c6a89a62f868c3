"""A backup is made while everybody goes on, and brought back elsewhere: the same answers, chains, numbers and walls."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress

import pytest
from django.conf import settings as configured
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command
from django.db import Error as DatabaseFailed
from django.db import OperationalError, connection
from django.utils import timezone

from config.embedded import as_superuser
from tenants import sealing
from tenants.actions import Action
from tenants.context import acting_as, acting_as_platform
from tenants.models import AuditEvent, Tenant
from tests.cast import KEN, LIBRARY, SUSAN, WEI, audio
from tests.ctrl_c import STOPPED, stopped_when
from tests.disks import no_file_longer_than, small_disk
from tests.fresh import files_in, fresh_database, in_database, keep_recordings_in
from voiceprints import (
    backup_lock,
    backups,
    erasure,
    path_list,
    recordings,
    restored_files,
    restoring,
    services,
    tables,
)
from voiceprints.backup_format import BackupReader, BackupWriter, Head, Section
from voiceprints.backups import LARGE_BYTES
from voiceprints.disk import Disk
from voiceprints.encrypted_files import Damaged, Truncated, WrongKey, key_of_text, new_key
from voiceprints.errors import BackupHoldsFiles, BackupUnderWay, StorageFailed
from voiceprints.models import DoomedRecording, Speaker, Utterance
from voiceprints.stored import RESTORING
from voiceprints.tables import DatabaseInUse, NotMigrated, OfOtherVersion

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["fresh_database"]

MEBIBYTE = 1024 * 1024
KEY_TEXT = new_key()
KEY = key_of_text(KEY_TEXT)
ROW_SECURITY_AND_TRIGGERS = """
SELECT relname, relrowsecurity, relforcerowsecurity, tgname, tgenabled FROM pg_class
LEFT JOIN pg_trigger ON tgrelid = pg_class.oid AND NOT tgisinternal
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' ORDER BY relname, tgname
"""


@pytest.fixture
def voices(acme, globex):
    """Two tenants with speakers, one of whom left."""
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 1), audio(SUSAN, 3)])
    services.enroll(acme, LIBRARY, WEI, [audio(WEI)])
    services.enroll(acme, LIBRARY, KEN, [audio(KEN)])
    services.enroll(globex, LIBRARY, KEN, [audio(KEN)])
    services.delete_speakers(acme, acme.libraries.all(), [WEI])
    sealing.seal_all()
    return acme, globex


def ignored(*_):
    """Progress that nobody watches."""


def made(progress=ignored):
    target = io.BytesIO()
    backups.back_up(target, KEY, progress)
    return target.getvalue()


def sections(content):
    """Name → the whole of it."""
    return {
        section.name: b"".join(section.pieces)
        for section in BackupReader(io.BytesIO(content), KEY).sections()
        if isinstance(section, Section)
    }


def restored(content):
    return restoring.restore(io.BytesIO(content), KEY, ignored)


def answers(slug):
    tenant = Tenant.objects.get(slug=slug)
    found = services.identify(tenant, tenant.libraries.all(), audio(SUSAN, 2))
    return [(one.speaker.external_id, one.score) for one in found.candidates]


def guards():
    with connection.cursor() as cursor:
        cursor.execute(ROW_SECURITY_AND_TRIGGERS)
        return cursor.fetchall()


def audited(action):
    with acting_as_platform():
        return AuditEvent.all_tenants.filter(action=action).count()


@pytest.fixture
def elsewhere(fresh_database, settings, tmp_path):
    """An empty database, and an empty folder for recordings that is in use from now on."""
    folder = tmp_path / "elsewhere"

    def move():
        keep_recordings_in(settings, folder)
        return in_database(fresh_database)

    move.folder = folder
    return move


# --- There and back --------------------------------------------------------------------------------------------------


def test_what_is_restored_is_what_was_backed_up(voices, elsewhere, recordings_folder):
    before = {slug: answers(slug) for slug in ("acme", "globex")}
    walls, files = guards(), files_in(recordings_folder)
    with acting_as_platform():
        newest = Speaker.all_tenants.order_by("pk").last().pk
    content = made()
    with elsewhere():
        outcome = restored(content)
        assert {slug: answers(slug) for slug in before} == before
        assert before["acme"][0][0] == SUSAN
        assert guards() == walls
        assert files_in(elsewhere.folder) == files
        found = restoring.look_over()
        assert found.absent_models == found.broken_chains == outcome.differing == []
        assert all(sealing.verify(chain).intact for chain in sealing.chains())
        assert sealing.verify(Tenant.objects.get(slug="acme").pk).sealed > 0
        assert audited(Action.BACKUP_RESTORED) == 1
        again, original = sections(made()), sections(content)
        changed = {name for name, rows in again.items() if original[name] != rows}
        assert changed <= {"tenants_auditevent", "tenants_audithead", "tenants_auditcheck"}
        assert again.keys() == original.keys()
        # Who left had the newest number but one, which nobody gets again.
        acme = Tenant.objects.get(slug="acme")
        services.enroll(acme, LIBRARY, WEI, [audio(WEI)])
        with acting_as(acme):
            assert acme.speakers.get(external_id=WEI).pk > newest
        with pytest.raises(Exception, match="append-only"), acting_as_platform():
            AuditEvent.all_tenants.all().delete()


def test_by_command_into_a_home_of_its_own(acme_credential, fresh_database, recordings_folder, tmp_path, capsys):
    services.enroll(acme_credential.tenant, LIBRARY, SUSAN, [audio(SUSAN, 1), audio(SUSAN, 3)])
    key, folder, home = tmp_path / "key", tmp_path / "backups", tmp_path / "home"
    folder.mkdir()
    call_command("backup", "new-key", str(key))
    capsys.readouterr()
    call_command("backup", "make", str(folder), "--key-file", str(key))
    said = json.loads(capsys.readouterr().out)
    assert [said["file"]] == [str(path) for path in folder.iterdir()]
    assert (said["files"], said["missing"], audited(Action.BACKUP_MADE)) == (2, 0, 1)
    call_command("backup", "verify", said["file"], "--key-file", str(key), "--manifest", str(tmp_path / "manifest"))
    lines = [json.loads(line) for line in (tmp_path / "manifest").read_text().splitlines()]
    assert {line["path"] for line in lines[:-1]} == files_in(recordings_folder).keys()
    assert lines[-1]["rows"]["voiceprints_utterance"] == 2

    def elsewhere(*words):
        database = configured.DATABASES["default"]
        host = database["HOST"].replace("/", "%2F")
        address = f"postgresql://{database['USER']}:{database['PASSWORD']}@{host}/{fresh_database}"
        environment = os.environ | {"OPENVPR_HOME": str(home), "DATABASE_URL": address}
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=configured.BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
        )

    run = elsewhere("restore", said["file"], "--key-file", str(key))
    assert (run.returncode, run.stderr) == (0, "")
    assert elsewhere("audit", "verify").stdout.count("intact") == 2
    assert files_in(home / "recordings") == files_in(recordings_folder)
    # The secrets came along, so that of the credential can be read.
    shown = f"from tenants.services import known_credential as f; print(f({acme_credential.key_id!r}).secret)"
    assert elsewhere("shell", "--no-imports", "-c", shown).stdout.strip() == acme_credential.secret
    assert (home / "secrets" / "fields").read_text() == ",".join(configured.FIELD_KEYS)
    shown = elsewhere("backup", "secrets", said["file"], "--key-file", str(key)).stdout.splitlines()
    assert shown == [f"{name}={value}" for name, value in configured.SECRETS.items()]
    assert len(shown) >= 2


def test_every_table_is_in_it_but_sessions(voices):
    with connection.cursor() as cursor:
        there = {table.name for table in connection.introspection.get_table_list(cursor)}
    assert {table.name for table in tables.tables()} == there - {"tenants_consolesession", "django_migrations"}


def test_one_of_an_older_version_is_brought_up_to_date(voices, elsewhere, tmp_path):
    """Made in a database as it was before jobs knew who had begun them."""
    older = [
        ("tenants", "0010_one_statement_each"),
        ("voiceprints", "0011_large_tenants"),
        ("native", "0001_kept_answers"),
    ]
    now = tables.migrations()
    with elsewhere():
        content = io.BytesIO()
        with pytest.raises(NotMigrated), connection.cursor() as cursor:
            tables.make_tables(older, "0.0.1")
            cursor.execute(
                "INSERT INTO voiceprints_embeddingmodel (name, dimension, sha256) VALUES ('ge2e', 256, '');"
                "INSERT INTO tenants_tenant SELECT (jsonb_populate_record(NULL::tenants_tenant, %s::jsonb)).*",
                [json.dumps(OLD_TENANT)],
            )
            head = Head("0.0.1", "2026-01-01", older, tables.tables(), KEYS)
            writer = BackupWriter(content, KEY, head)
            for table in head.tables:
                writer.table(table.name, tables.rows_of(table))
            writer.sequences({})
            writer.finish()
            tables.migrations()
        with connection.cursor() as cursor:
            cursor.execute("DROP OWNED BY CURRENT_USER")
        restored(content.getvalue())
        assert tables.migrations() == now
        assert Tenant.objects.get().slug == "acme"


OLD_TENANT = {
    "id": 7,
    "slug": "acme",
    "name": "Acme",
    "app_id": "acme",
    "active": True,
    "created": "2026-01-01T00:00:00Z",
    "required_speech_seconds": 1.1,
    "false_accept_rate": 0.01,
    "consistency": "warn",
    "max_concurrent_analyses": 16,
    "model": "ge2e",
    "other_models": [],
    "fallback_model": "",
    "previous_model": "",
    "two_factor_required": False,
    "dialects": [],
}
KEYS = {"OPENVPR_FIELD_KEYS": ",".join(configured.FIELD_KEYS)}


def before(last, applied):
    """Of these migrations all that no app had after its last one."""
    return [(app, name) for app, name in applied if name <= last.get(app, "~")]


# --- While everybody goes on -----------------------------------------------------------------------------------------


def test_what_is_deleted_meanwhile_is_in_the_backup_and_goes_afterwards(voices, elsewhere, recordings_folder):
    acme, globex = voices
    files = files_in(recordings_folder)

    def delete_everything(done, total):
        if done == 1:
            services.delete_libraries(acme, acme.libraries.all())
            services.enroll(globex, LIBRARY, WEI, [audio(WEI)])
            assert recordings.sweep() == 0

    in_another_thread = threading.Thread

    def at_once(*progress):
        run = in_another_thread(target=lambda: [delete_everything(*progress), connection.close()])
        run.start()
        run.join()

    content = made(at_once)
    assert {path: whole for path, whole in sections(content).items() if path.endswith(".flac")} == files
    recordings.sweep()
    with acting_as_platform():
        assert sorted(files_in(recordings_folder)) == sorted(Utterance.all_tenants.values_list("recording", flat=True))
        assert not DoomedRecording.all_tenants.exists()
    with elsewhere():
        restored(content)
        assert answers("acme")[0][0] == SUSAN
        assert [name for name, _ in answers("globex")] == [KEN]


def test_backups_made_while_many_enroll_and_leave_hold_together(voices, recordings_folder):
    acme, _ = voices
    over = threading.Event()

    def come_and_go(voice):
        while not over.is_set():
            services.enroll(acme, LIBRARY, f"{voice} again", [audio(voice)])
            services.delete_speakers(acme, acme.libraries.all(), [f"{voice} again"])
        connection.close()

    crowd = [threading.Thread(target=come_and_go, args=(voice,)) for voice in (SUSAN, KEN, WEI)]
    for one in crowd:
        one.start()
    contents = [made() for _ in range(5)]
    over.set()
    for one in crowd:
        one.join()
    for content in contents:
        backup = backups.verify(io.BytesIO(content), KEY, ignored)
        assert backup.contents.missing == 0
        assert backup.contents.files == backup.contents.rows["voiceprints_utterance"] >= 4
    recordings.sweep()
    assert len(files_in(recordings_folder)) == 4


def test_two_backups_at_once_are_one_too_many(voices, monkeypatch):
    monkeypatch.setattr(backup_lock, "BACKUP_WAITS", "SET LOCAL lock_timeout = '50ms'")
    refused = []

    def another(*_):
        try:
            made()
        except BackupUnderWay as error:
            refused.append(error)
        connection.close()

    def at_once(*_):
        run = threading.Thread(target=another)
        run.start()
        run.join()

    made(at_once)
    assert re.search(rf"another backup is being made \(backup on .+, process {os.getpid()}, since 20", str(refused[0]))
    assert made()


def test_whoever_is_erased_meanwhile_waits_for_the_backup_and_is_told_so(voices, caplog):
    acme, _ = voices
    said = []

    def erase(*_):
        begun = erasure.erase_person(acme, SUSAN)
        with pytest.raises(BackupHoldsFiles) as held:
            erasure.go_on(acme, begun.pk)
        said.append(str(held.value))
        connection.close()

    def at_once(done, _):
        if done == 1:
            run = threading.Thread(target=erase)
            run.start()
            run.join()

    made(at_once)
    assert re.fullmatch(rf"a backup is being made \(backup on .+, process {os.getpid()}, since 20.+", *said)
    assert f"an erasure waits: {said[0]}" in caplog.messages
    assert erasure.go_on(acme, erasure.newest_of(acme).pk).is_done


def test_nobody_holds_the_files_once_a_backup_is_made(voices):
    made()
    assert backup_lock.holder() is None


MAKE_TO_NOBODY = """
import sys
from config.wsgi import application
from django.core.management import execute_from_command_line
from voiceprints.management import stuck
stuck.STUCK_AFTER_SECONDS = 1
execute_from_command_line(["manage.py", "backup", "make", "-", "--key-file", sys.argv[1]])
"""


def test_a_backup_that_nobody_takes_gives_up_and_lets_files_go(voices, recordings_folder, tmp_path):
    key = tmp_path / "key"
    call_command("backup", "new-key", str(key))
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    database = configured.DATABASES["default"]
    address = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST'].replace('/', '%2F')}"
    run = subprocess.run(
        [sys.executable, "-c", MAKE_TO_NOBODY, str(key)],
        cwd=configured.BASE_DIR,
        env=os.environ | {"DATABASE_URL": f"{address}/{database['NAME']}", "OPENVPR_HOME": str(configured.HOME)},
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(read)
    os.close(write)
    assert run.returncode == 1
    said = "nothing was read or written for 1 s: the backup is given up, and files may go again"
    assert run.stderr == f"CommandError: {said}\n"
    assert backup_lock.holder() is None
    assert audited(Action.BACKUP_MADE) == 0


def test_a_backup_that_fails_holds_nobody_up(voices, recordings_folder):
    def fail(*_):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        made(fail)
    acme, _ = voices
    services.delete_libraries(acme, acme.libraries.all())
    assert len(files_in(recordings_folder)) == 1


@pytest.fixture
def many_rows(acme):
    """More than are written at one go."""
    with acting_as(acme):
        paths = [f"{number:0200}" for number in range(20_000)]
        recordings.doom(acme, paths, not_before=timezone.now())


@pytest.mark.usefixtures("many_rows")
@pytest.mark.timeout(60, method="thread")
def test_a_backup_whose_target_fails_in_the_midst_of_a_table_ends_at_once(tmp_path):
    backup = tmp_path / "backup"
    with backup.open("wb", buffering=0) as target, no_file_longer_than(MEBIBYTE), pytest.raises(OSError, match="large"):
        backups.back_up(target, KEY, ignored)
    assert backup_lock.holder() is None


def test_a_recording_that_was_lost_before_is_told_of(voices, recordings_folder, elsewhere):
    with acting_as_platform():
        lost = str(Utterance.all_tenants.first().recording)
    (recordings_folder / lost).unlink()
    content = made()
    with elsewhere():
        assert restored(content).contents.missing == 1
        assert lost not in files_in(elsewhere.folder)


def test_the_command_says_that_a_recording_is_missing(voices, recordings_folder, tmp_path, capsys):
    with acting_as_platform():
        (recordings_folder / str(Utterance.all_tenants.first().recording)).unlink()
    key = tmp_path / "key"
    call_command("backup", "new-key", str(key))
    call_command("backup", "make", str(tmp_path), "--key-file", str(key))
    assert "recordings missing in the storage, and so in the backup: 1" in capsys.readouterr().err


# --- All of it or nothing --------------------------------------------------------------------------------------------


def is_untouched(elsewhere):
    return not has_tables() and files_in(elsewhere.folder) == {}


@pytest.mark.parametrize("spoil", [lambda content: content[:-1], lambda content: content[:-40] + bytes(40)])
def test_one_whose_end_is_missing_or_damaged_leaves_nothing(voices, elsewhere, spoil):
    spoiled = spoil(made())
    with elsewhere():
        with pytest.raises((Truncated, Damaged)):
            restored(spoiled)
        assert is_untouched(elsewhere)


def test_a_used_database_and_a_used_storage_are_left_alone(voices, elsewhere, recordings_folder):
    content = made()
    with pytest.raises(DatabaseInUse):
        restored(content)
    with elsewhere():
        (elsewhere.folder / "acme").mkdir(parents=True)
        (elsewhere.folder / "acme" / "1.flac").write_bytes(b"somebody's")
        with pytest.raises(restored_files.StorageInUse):
            restored(content)
        assert files_in(elsewhere.folder) == {"acme/1.flac": b"somebody's"}


def of_version_9():
    said = BackupReader(io.BytesIO(made()), KEY).head
    content = io.BytesIO()
    head = Head("9.0", said.created, [*said.migrations, ("tenants", "9999_future")], said.tables, said.secrets)
    writer = BackupWriter(content, KEY, head)
    writer.finish()
    return content.getvalue()


def test_one_of_another_version_is_refused(voices, elsewhere):
    content = of_version_9()
    with elsewhere():
        with pytest.raises(OfOtherVersion, match=r"another OpenVPR, 9\.0, which had tenants\.9999_future"):
            restored(content)
        assert is_untouched(elsewhere)


def test_field_keys_that_somebody_set_must_be_those_of_the_backup(voices, elsewhere, settings):
    content = made()
    settings.SECRET_FILES, settings.FIELD_KEYS = {}, ["another"]
    with elsewhere(), pytest.raises(restoring.OtherFieldKeys):
        restored(content)


class DyingStorage(FileSystemStorage):
    """The process dies when it has stored some of the files."""

    lives = 3

    def _save(self, name, content):
        stored = super()._save(name, content)
        type(self).lives -= 1
        if not type(self).lives:
            os.kill(os.getpid(), signal.SIGKILL)
        return stored


def dies_at(statement):
    def execute(run, sql, *rest):
        if str(sql).startswith(statement):
            os.kill(os.getpid(), signal.SIGKILL)
        return run(sql, *rest)

    return execute


def in_a_process_of_its_own(deed):
    """How that ends, as `os.waitpid` says it."""
    connection.close()
    child = os.fork()
    if child == 0:
        try:
            deed()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


@pytest.fixture
def killed(request, voices, elsewhere, settings):
    """A restoration; the whole content of the backup, and the files that were left."""
    content, where = made(), request.param

    def dies():
        if where == "the third file":
            dying = {"BACKEND": f"{__name__}.DyingStorage", "OPTIONS": {"location": elsewhere.folder}}
            settings.STORAGES = settings.STORAGES | {"recordings": dying}
        with connection.execute_wrapper(dies_at(where)):
            restored(content)

    with elsewhere():
        assert in_a_process_of_its_own(dies) == signal.SIGKILL
    return content, files_in(elsewhere.folder)


def without_mark(files):
    return {path: content for path, content in files.items() if path not in marks(files)}


def marks(files):
    return [path for path in files if path.startswith(RESTORING)]


def has_tables():
    with connection.cursor() as cursor:
        cursor.execute(tables.HOW_MANY)
        return cursor.fetchone() != (0,)


@pytest.mark.parametrize("killed", ["the third file", "SET CONSTRAINTS ALL IMMEDIATE; "], indirect=True)
def test_a_restoration_that_is_killed_leaves_no_installation_and_can_be_done_again(killed, elsewhere):
    content, left = killed
    assert len(marks(left)) == 1
    with elsewhere():
        assert not has_tables()
        restored(content)
        with acting_as_platform():
            kept = Utterance.all_tenants.values_list("recording", flat=True)
            assert sorted(files_in(elsewhere.folder)) == sorted(kept)
        assert answers("acme")[0][0] == SUSAN


@pytest.mark.usefixtures("voices")
def test_a_mark_alone_is_nothing_that_is_left(elsewhere):
    newer = of_version_9()
    with elsewhere():
        recordings.write([RESTORING + 32 * "0"], [b""])
        with pytest.raises(OfOtherVersion) as refused:
            restored(newer)
        assert refused.value.__notes__ == ["nothing was restored"]
        assert is_untouched(elsewhere)


def test_what_the_database_refuses_of_a_row_is_said_in_one_line(to_restore, elsewhere, monkeypatch):
    """As that its disk is full."""
    make = tables.make_tables

    def with_a_rule_of_its_own(*about):
        make(*about)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE tenants_tenant ADD CHECK (slug <> 'acme')")

    monkeypatch.setattr(tables, "make_tables", with_a_rule_of_its_own)
    with elsewhere(), pytest.raises(CommandError) as refused:
        call_command(*to_restore)
    assert re.fullmatch('new row .* violates check constraint ".*"; nothing was restored', str(refused.value))


@pytest.mark.parametrize("killed", ["the third file"], indirect=True)
@pytest.mark.parametrize("why", ["its mark cannot be written", "it fails"])
def test_what_an_earlier_one_has_left_stays_marked(why, killed, elsewhere, monkeypatch):
    content, left = killed
    newer = of_version_9()
    if why == "its mark cannot be written":
        monkeypatch.setattr(Disk, "_save", resists)
    with elsewhere():
        with pytest.raises((StorageFailed, OfOtherVersion)) as failed:
            restored(newer)
        assert failed.value.__notes__ == [restored_files.FILES_LEFT]
        assert without_mark(files_in(elsewhere.folder)) == without_mark(left)
        assert len(marks(files_in(elsewhere.folder))) == 1
        monkeypatch.undo()
        restored(content)


@pytest.mark.usefixtures("voices")
def test_a_disk_that_is_full_leaves_nothing_and_says_so(elsewhere):
    content = made()

    def fails():
        with no_file_longer_than(100), pytest.raises((OSError, StorageFailed), match="File too large") as full:
            restored(content)
        assert full.value.__notes__ == ["nothing was restored"]

    with elsewhere():
        assert in_a_process_of_its_own(fails) == 0
        assert is_untouched(elsewhere)


def test_a_full_disk_for_temporary_files_is_named(voices, elsewhere, recordings_folder, tmp_path, key_file):
    (recordings_folder / next(iter(files_in(recordings_folder)))).write_bytes(bytes(LARGE_BYTES + 1))
    backup = tmp_path / "backup"
    backup.write_bytes(made())
    with elsewhere(), no_file_longer_than(LARGE_BYTES), pytest.raises(CommandError) as full:
        call_command("restore", str(backup), "--key-file", str(key_file))
    assert str(full.value) == f"{tempfile.gettempdir()}: File too large; nothing was restored"


def test_a_full_disk_for_secrets_is_named_and_none_of_them_is_lost(to_restore, elsewhere, settings, tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    secret = folder / "secret-key"
    settings.SECRET_FILES = {"OPENVPR_SECRET_KEY": secret}
    with small_disk(folder, "8k"), elsewhere():
        secret.write_text("another")
        with pytest.raises(CommandError) as full:
            call_command(*to_restore)
        assert str(full.value) == f"{folder}/.secret-key.restored: No space left on device; nothing was restored"
        assert files_in(folder) == dict.fromkeys(["secret-key", "secret-key.before-restoration"], b"another")
        assert is_untouched(elsewhere)


@pytest.mark.usefixtures("voices")
def test_where_nothing_can_be_written_down_nothing_is_stored(elsewhere, settings, tmp_path):
    content = made()
    settings.HOME = tmp_path / "absent"
    with elsewhere():
        with pytest.raises(FileNotFoundError):
            restored(content)
        assert is_untouched(elsewhere)


@pytest.mark.usefixtures("voices")
def test_a_mark_that_resists_is_told_of(elsewhere, monkeypatch):
    newer = of_version_9()
    monkeypatch.setattr(Disk, "delete", resists)
    with elsewhere():
        with pytest.raises(OfOtherVersion) as refused:
            restored(newer)
        assert refused.value.__notes__ == [restored_files.FILES_LEFT]


@pytest.mark.usefixtures("voices")
def test_two_restorations_at_once_are_one_too_many_until_the_first_has_undone_all(elsewhere, monkeypatch):
    content, newer, undo = made(), of_version_9(), restored_files.Storing.undo

    def another(storing):
        said = rf"^another backup is being restored \(restoration on .+, process {os.getpid()}, since .+\); try again"
        with pytest.raises(backup_lock.RestorationUnderWay, match=said):
            restored(content)
        return undo(storing)

    monkeypatch.setattr(restored_files.Storing, "undo", another)
    with elsewhere():
        with pytest.raises(OfOtherVersion):
            restored(newer)
        assert is_untouched(elsewhere)


def test_what_goes_wrong_is_said_in_one_line(voices, tmp_path):
    key, other, file = tmp_path / "key", tmp_path / "other", tmp_path / "file.backup"
    key.write_text(new_key())
    other.write_text(new_key())
    call_command("backup", "make", str(file), "--key-file", str(key))
    (tmp_path / "cut").write_bytes(file.read_bytes()[:-1])
    (tmp_path / "recording").write_bytes(b"fLaC")
    for words in (
        ["backup", "make", str(file), "--key-file", str(key)],
        ["backup", "make", str(tmp_path / "no" / "folder"), "--key-file", str(key)],
        ["backup", "make", str(tmp_path / "new"), "--key-file", str(tmp_path / "none")],
        ["backup", "make", str(tmp_path / "new"), "--passphrase-file", str(tmp_path / "recording")],
        ["backup", "new-key", str(key)],
        ["backup", "verify", str(file), "--key-file", str(other)],
        ["backup", "verify", str(tmp_path / "cut"), "--key-file", str(key)],
        ["backup", "verify", str(tmp_path / "recording"), "--key-file", str(key)],
        ["backup", "secrets", str(file), "--key-file", str(other)],
        ["restore", str(file), "--key-file", str(key)],
        ["restore", str(tmp_path / "cut"), "--key-file", str(key), "--recordings-only"],
        ["restore", str(tmp_path / "none"), "--key-file", str(key)],
    ):
        with pytest.raises(CommandError) as refused:
            call_command(*words)
        assert len(str(refused.value).splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        "key",
        "other",
        "file.backup",
        "cut",
        "recording",
    }


def test_the_wrong_key_is_refused_before_anything_is_done(voices, elsewhere):
    content = made()
    with elsewhere():
        with pytest.raises(WrongKey):
            restoring.restore(io.BytesIO(content), key_of_text(new_key()), ignored)
        assert is_untouched(elsewhere)


# --- Recordings that were lost ---------------------------------------------------------------------------------------


def test_lost_and_broken_recordings_come_back_and_nothing_else(voices, recordings_folder):
    acme, _ = voices
    content, whole = made(), files_in(recordings_folder)
    services.delete_speakers(acme, acme.libraries.all(), [KEN])
    lost, broken, _ = wanted = sorted(files_in(recordings_folder))
    (recordings_folder / lost).unlink()
    (recordings_folder / broken).write_bytes(whole[broken][:100])
    returned = restoring.return_recordings(io.BytesIO(content), KEY, ignored)
    assert files_in(recordings_folder) == {path: whole[path] for path in wanted}
    assert (returned.restored, returned.there, returned.unwanted) == (2, 1, 1)
    assert audited(Action.RECORDING_RESTORED) == 2


# --- Ctrl-C ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def key_file(tmp_path):
    file = tmp_path / "key"
    file.write_text(KEY_TEXT)
    return file


@contextmanager
def piped(content, folder):
    """What comes through it and never ends."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    done = threading.Event()

    def feed():
        with suppress(BrokenPipeError), pipe.open("wb") as fed:
            fed.write(content)
            done.wait()

    feeding = threading.Thread(target=feed, daemon=True)
    feeding.start()
    try:
        yield pipe
    finally:
        done.set()
        feeding.join(30)


@pytest.fixture
def broken_off(voices, recordings_folder):
    """A backup without its end, so long that some of the recordings before it can be read."""
    for path in files_in(recordings_folder):
        (recordings_folder / path).write_bytes(os.urandom(MEBIBYTE))
    return made()[:-100]


def some_files_in(folder):
    return lambda: any(folder.rglob("*.flac"))


def test_a_backup_that_is_stopped_says_so_and_leaves_no_file(voices, tmp_path, key_file):
    folder = tmp_path / "backups"
    folder.mkdir()
    with as_superuser(connection.settings_dict["NAME"]) as superuser, superuser.transaction():
        superuser.execute("LOCK TABLE voiceprints_utterance")
        with stopped_when(lambda: any(folder.iterdir())) as said:
            call_command("backup", "make", str(folder), "--key-file", str(key_file))
    assert said == ["stopped"]
    assert list(folder.iterdir()) == []


def test_a_restoration_that_is_stopped_says_so_and_leaves_nothing(broken_off, elsewhere, tmp_path, key_file):
    with piped(broken_off, tmp_path) as pipe, elsewhere():
        with stopped_when(some_files_in(elsewhere.folder)) as said:
            call_command("restore", str(pipe), "--key-file", str(key_file))
        assert said == ["stopped; nothing was restored"]
        assert is_untouched(elsewhere)


def test_who_is_stopped_while_recordings_come_back_keeps_those_that_have(
    broken_off, recordings_folder, tmp_path, key_file
):
    whole = files_in(recordings_folder)
    for path in whole:
        (recordings_folder / path).unlink()
    with piped(broken_off, tmp_path) as pipe, stopped_when(some_files_in(recordings_folder)) as said:
        call_command("restore", str(pipe), "--key-file", str(key_file), "--recordings-only")
    assert said == ["stopped; recordings that have come back stay, and the same command goes on with the others"]
    assert files_in(recordings_folder).items() <= whole.items()


@pytest.fixture
def ctrl_c():
    """Pressed by whoever calls it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda *_: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def to_restore(voices, tmp_path, key_file):
    """The command, with a backup."""
    (tmp_path / "backup").write_bytes(made())
    return ["restore", str(tmp_path / "backup"), "--key-file", str(key_file)]


ALL_RESTORED = r"^all is restored; stopped before it was seen whether the audit trail is intact"


def test_ctrl_c_after_all_was_restored_says_that_it_was(to_restore, elsewhere, ctrl_c, monkeypatch, capsys):
    monkeypatch.setattr(sealing, "verify", ctrl_c)
    with elsewhere():
        with pytest.raises(CommandError, match=ALL_RESTORED) as ended:
            call_command(*to_restore)
        assert ended.value.returncode == STOPPED
        assert answers("acme")[0][0] == SUSAN
    assert json.loads(capsys.readouterr().out)["files"] == 4


@pytest.mark.parametrize("moment", ["commit", "removal of the mark"])
def test_ctrl_c_in_the_last_moment_comes_too_late(moment, to_restore, elsewhere, ctrl_c, monkeypatch):
    with elsewhere():
        connection.ensure_connection()
        where, name = (connection, "commit") if moment == "commit" else (recordings, "remove_file")
        does, said, is_stored = getattr(where, name), io.StringIO(), some_files_in(elsewhere.folder)

        def interrupted(*about):
            does(*about)
            if is_stored():
                monkeypatch.undo()
                ctrl_c()

        monkeypatch.setattr(where, name, interrupted)
        with pytest.raises(CommandError, match=ALL_RESTORED):
            call_command(*to_restore, stdout=said)
        assert json.loads(said.getvalue())["files"] == 4
        assert not marks(files_in(elsewhere.folder))
        assert len(files_in(elsewhere.folder)) == 4
        assert answers("acme")[0][0] == SUSAN


@pytest.mark.usefixtures("voices")
def test_a_commit_of_which_nobody_heard_is_one(elsewhere, monkeypatch):
    content = made()
    with elsewhere():
        connection.ensure_connection()
        commit = connection.commit

        def lost():
            commit()
            monkeypatch.undo()
            raise OperationalError("the server closed the connection")

        monkeypatch.setattr(connection, "commit", lost)
        assert restored(content).contents.files == len(files_in(elsewhere.folder)) == 4
        assert answers("acme")[0][0] == SUSAN


@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
def test_the_database_says_whether_a_transaction_was_committed_once_it_is_over(ends, monkeypatch):
    monkeypatch.setattr(tables, "AT_IT_SECONDS", 0.3)
    with as_superuser(connection.settings_dict["NAME"]) as superuser:
        superuser.execute("BEGIN")
        ((number,),) = superuser.execute("SELECT pg_current_xact_id()::text").fetchall()
        assert tables.was_committed(number) is None
        superuser.execute(ends)
    assert tables.was_committed(number) is (ends == "COMMIT")


@pytest.mark.usefixtures("key_file")
def test_who_is_stopped_again_while_files_are_removed_is_told_that_some_are_left(
    broken_off, elsewhere, tmp_path, ctrl_c, monkeypatch
):
    monkeypatch.setattr(restored_files.Storing, "undo", ctrl_c)
    with piped(broken_off, tmp_path) as pipe, elsewhere():
        with stopped_when(some_files_in(elsewhere.folder)) as said:
            call_command("restore", str(pipe), "--key-file", str(tmp_path / "key"))
        assert said == ["stopped; nothing was restored, but files are left, which the next restoration writes over"]
        assert len(marks(files_in(elsewhere.folder))) == 1


@pytest.mark.usefixtures("voices")
def test_tables_that_somebody_else_makes_meanwhile_are_no_success(elsewhere, fresh_database, monkeypatch):
    content, make = made(), tables.make_tables

    def too_late(*about):
        with as_superuser(fresh_database) as superuser:
            superuser.execute("CREATE TABLE tenants_tenant (id bigint)")
        make(*about)

    monkeypatch.setattr(tables, "make_tables", too_late)
    with elsewhere():
        with pytest.raises(DatabaseFailed):
            restored(content)
        assert files_in(elsewhere.folder) == {}


@pytest.mark.parametrize("moment", ["before anything", "before a file", "after everything"])
def test_ctrl_c_before_and_after_it_all_says_what_has_become_of_it(moment, to_restore, elsewhere, ctrl_c, monkeypatch):
    def pressed_as_it_is_closed():
        with path_list.path_list() as paths:
            yield paths
        ctrl_c()

    if moment == "before anything":
        monkeypatch.setattr(restoring, "refuse_unsafe_database", ctrl_c)
    elif moment == "before a file":
        monkeypatch.setattr(restored_files, "stored_files", ctrl_c)
    else:
        monkeypatch.setattr(restored_files, "path_list", contextmanager(pressed_as_it_is_closed))
    with elsewhere():
        with pytest.raises(CommandError) as ended:
            call_command(*to_restore)
        assert ended.value.returncode == STOPPED
        said = restored_files.TABLES_TELL if has_tables() else "nothing was restored"
        assert str(ended.value) == f"stopped; {said}"
        assert has_tables() == (moment == "after everything")


@pytest.mark.usefixtures("voices")
@pytest.mark.parametrize("other", ["is still at it", "is over", "begins later"])
def test_who_is_stopped_removes_no_file_that_another_restoration_made_its_own(other, elsewhere, ctrl_c, monkeypatch):
    """As into the bucket of another database."""
    content, stored, removes = made(), {}, recordings.remove_file

    def removed_one(path):
        monkeypatch.undo()
        gone = removes(path)
        another()
        return gone

    def another():
        stored.update(files_in(elsewhere.folder))
        with restored_files.storing():
            if other == "is still at it":
                ctrl_c()

    def stops(done):
        if done < 4:
            return
        if other == "begins later":
            monkeypatch.setattr(recordings, "remove_file", removed_one)
        else:
            another()
        ctrl_c()

    with elsewhere():
        with pytest.raises(restored_files.Interrupted, match=restored_files.FILES_LEFT):
            restoring.restore(io.BytesIO(content), KEY, stops)
        kept = without_mark(stored)
        assert len(kept) == (3 if other == "begins later" else 4)
        assert files_in(elsewhere.folder).items() >= kept.items()


@pytest.mark.usefixtures("voices")
def test_whose_storage_another_restoration_has_taken_restores_nothing(elsewhere):
    """That one might be stopped, and remove what it has stored of the same files."""
    content = made()

    def another(done):
        if done == 4:
            with restored_files.storing():
                pass

    with elsewhere():
        with pytest.raises(restored_files.StorageTaken) as refused:
            restoring.restore(io.BytesIO(content), KEY, another)
        assert refused.value.__notes__ == [restored_files.FILES_LEFT]
        assert not has_tables()


def lost(*_):
    raise OperationalError("the server closed the connection")


def resists(*_):
    raise PermissionError(errno.EACCES, "of somebody else")


@pytest.mark.parametrize("pressed", [True, False])
def test_where_nobody_says_whether_it_was_committed_everything_stays(
    pressed, to_restore, elsewhere, ctrl_c, monkeypatch
):
    ends = ctrl_c if pressed else lost
    with elsewhere():
        connection.ensure_connection()
        monkeypatch.setattr(connection, "commit", ends)
        monkeypatch.setattr(connection, "connect", lost)
        monkeypatch.setattr(tables, "AT_IT_SECONDS", 0.3)
        with pytest.raises(CommandError) as ended:
            call_command(*to_restore)
        begins = "stopped" if pressed else "the server closed the connection"
        assert str(ended.value) == f"{begins}; {restored_files.TABLES_TELL}"
        assert ended.value.returncode == (STOPPED if pressed else 1)
        kept = files_in(elsewhere.folder)
        assert (len(without_mark(kept)), len(marks(kept))) == (4, 1)


@pytest.mark.usefixtures("voices")
def test_a_server_that_is_started_anew_is_waited_for(elsewhere, monkeypatch):
    content, answers_again = made(), []
    with elsewhere():
        connection.ensure_connection()
        commit, connect = connection.commit, connection.connect

        def lost_when_done():
            commit()
            monkeypatch.setattr(connection, "connect", starting)
            lost()

        def starting():
            answers_again.append(len(answers_again) == 2)
            return connect() if answers_again[-1] else lost()

        monkeypatch.setattr(connection, "commit", lost_when_done)
        assert restored(content).contents.files == 4
        assert answers_again == [False, False, True]


@pytest.mark.usefixtures("voices")
def test_who_presses_ctrl_c_again_while_files_are_stored_leaves_none(elsewhere, ctrl_c, monkeypatch):
    content, end, store = made(), threading.Event(), recordings.write_file
    pools, shut_down = [], backups.ThreadPoolExecutor.shutdown

    def slowly(path, file):
        if not marks([path]):
            assert end.wait(30)
        store(path, file)

    def again(pool, **_):
        pools.append(pool)
        threading.Timer(0.5, end.set).start()
        ctrl_c()

    monkeypatch.setattr(recordings, "write_file", slowly)
    monkeypatch.setattr(backups.Future, "result", ctrl_c)
    monkeypatch.setattr(backups.ThreadPoolExecutor, "shutdown", again)
    with elsewhere():
        with pytest.raises(restored_files.Interrupted, match=r"^nothing was restored$"):
            restored(content)
        shut_down(*pools)
        assert is_untouched(elsewhere)


# Of what no thread had taken yet, nobody closes the file, which has no name.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_files_that_are_left_of_a_restoration_that_failed_are_told_of(
    broken_off, elsewhere, tmp_path, key_file, monkeypatch
):
    (tmp_path / "cut").write_bytes(broken_off)
    monkeypatch.setattr(Disk, "delete", resists)
    with elsewhere():
        with pytest.raises(CommandError, match=f"^the backup ends too early, .*; {restored_files.FILES_LEFT}$"):
            call_command("restore", str(tmp_path / "cut"), "--key-file", str(key_file))
        assert len(marks(files_in(elsewhere.folder))) == 1
