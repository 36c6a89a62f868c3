"""Whoever opts out is erased and is not enrolled again, through no interface; and the list names nobody."""

from __future__ import annotations

import json
from threading import Event

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from tenants.context import acting_as
from tests import searching
from tests.api.native.client import Native, problem
from tests.archives import zipped
from tests.cast import KEN, LIBRARY, OTHER_TAG, SUSAN, WEI, audio, recording
from tests.console.people import client_for, enrolled
from tests.threads import all_at_once, making_a_backup
from voiceprints import bulk, erasure, gallery, opting_out, recordings, services, traces
from voiceprints.errors import OptedOut, OptOutNotFound, StorageFailed
from voiceprints.results import Turn, WhenEnrolled

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/console/opt-outs/acme/"


@pytest.fixture
def native(client, acme):
    return Native(client, acme)


@pytest.fixture
def stranger(client, globex):
    return Native(client, globex)


def enroll(tenant, name, key=LIBRARY, **options):
    return services.enroll(tenant, key, name, [audio(SUSAN)], **options)


def somebody_waits():
    ours = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND {ours})")
        return cursor.fetchone()[0]


def people(tenant):
    with acting_as(tenant):
        return sorted(tenant.speakers.values_list("external_id", "library__tag_id"))


def test_whoever_opts_out_is_erased_and_not_enrolled_again(acme, recordings_folder):
    enroll(acme, SUSAN)
    added = opting_out.opt_out(acme, SUSAN)
    assert erasure.find_erasure(acme, added.erasure.pk).is_done
    for options in ({}, {"probe": True}, {"when_enrolled": WhenEnrolled.REPLACE}):
        with pytest.raises(OptedOut):
            enroll(acme, SUSAN, OTHER_TAG, **options)
    turn = {"turn": Turn(1, 3), "within": acme.libraries.all()}
    with pytest.raises(OptedOut):
        services.enroll_turn(acme, LIBRARY, SUSAN, audio(SUSAN), **turn)
    assert people(acme) == []
    assert searching.files(recordings_folder) == {}


def test_the_job_of_an_enrollment_that_is_refused_names_nobody(acme):
    opting_out.opt_out(acme, SUSAN)
    job = bulk.find_job(acme, bulk.begin_enrollment(acme, LIBRARY, SUSAN, [audio(SUSAN)], answer="native").pk)
    assert job.problem["kind"] == "OptedOut"
    assert SUSAN not in str(job.parameters)


def test_whoever_is_being_enrolled_while_they_opt_out_is_erased_as_well(acme, monkeypatch):
    admitted, opted_out, admit = Event(), Event(), gallery.admit

    def admit_and_wait(*arguments, **options):
        speaker = admit(*arguments, **options)
        admitted.set()
        while not (opted_out.wait(0.02) or somebody_waits()):
            pass
        return speaker

    def opt_out():
        admitted.wait(30)
        opting_out.opt_out(acme, SUSAN)
        opted_out.set()

    monkeypatch.setattr(gallery, "admit", admit_and_wait)
    all_at_once(lambda: enroll(acme, SUSAN), opt_out)
    assert people(acme) == []


def test_the_list_names_nobody(acme):
    enroll(acme, "kunde-4711")
    opting_out.opt_out(acme, "kunde-4711")
    assert "kunde-4711" not in searching.dumped_without("tenants_auditevent")


def test_of_one_library_others_stay_open(acme):
    for key in (LIBRARY, OTHER_TAG):
        enroll(acme, SUSAN, key)
    opting_out.opt_out(acme, SUSAN, LIBRARY)
    assert people(acme) == [(SUSAN, "guests")]
    with pytest.raises(OptedOut):
        enroll(acme, SUSAN, LIBRARY)
    with acting_as(acme):
        moving = list(acme.speakers.values_list("pk", flat=True))
    with pytest.raises(OptedOut):
        services.move_speakers(acme, moving, LIBRARY)
    assert people(acme) == [(SUSAN, "guests")]


def test_others_of_the_tenant_and_other_tenants_are_enrolled(acme, globex):
    opting_out.opt_out(acme, SUSAN)
    enroll(acme, KEN)
    enroll(globex, SUSAN)
    assert (people(acme), people(globex)) == ([(KEN, "staff")], [(SUSAN, "staff")])


def test_an_opt_out_that_is_lifted_blocks_nobody(acme):
    added = opting_out.opt_out(acme, SUSAN)
    assert added.erasure is None
    opting_out.lift(acme, added.opt_out.pk)
    enroll(acme, SUSAN)
    with pytest.raises(OptOutNotFound):
        opting_out.lift(acme, added.opt_out.pk)


def test_opting_out_again_is_the_same_and_found_by_name(acme):
    first, again = (opting_out.opt_out(acme, SUSAN).opt_out for _ in range(2))
    opting_out.opt_out(acme, KEN)
    assert first == again
    assert opting_out.page_opt_outs(acme, where={}, external_id=SUSAN).rows == (first,)
    assert opting_out.page_opt_outs(acme, where={}, external_id="nobody").rows == ()


def test_an_opt_out_outlives_a_new_field_key(acme, settings):
    first = opting_out.opt_out(acme, SUSAN).opt_out
    settings.FIELD_KEYS = ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", *settings.FIELD_KEYS]
    with pytest.raises(OptedOut):
        enroll(acme, SUSAN)
    assert opting_out.opt_out(acme, SUSAN).opt_out == first


def test_another_tenants_opt_outs_are_not_found(acme, globex):
    added = opting_out.opt_out(acme, SUSAN).opt_out
    for look in (opting_out.find_opt_out, opting_out.lift):
        with pytest.raises(OptOutNotFound):
            look(globex, added.pk)
    assert opting_out.page_opt_outs(globex, where={}).rows == ()


def test_an_import_passes_them_over_and_keeps_no_name(acme):
    opting_out.opt_out(acme, "unwilling")
    job = bulk.begin_import(acme, archive=_archive("unwilling", "willing"))
    rows = bulk.page_rows(acme, job.pk, where={}).rows
    assert [(row.outcome, row.external_id) for row in rows] == [("failed", ""), ("enrolled", "willing")]
    assert rows[0].problem["kind"] == "OptedOut"


def test_an_export_brings_them_back_nowhere(acme, globex):
    enroll(acme, SUSAN)
    enroll(acme, KEN, when_enrolled=WhenEnrolled.REFUSE)
    exported = bulk.begin_export(acme, LIBRARY, embeddings=True, recordings=True)
    opting_out.opt_out(globex, SUSAN)
    with file_of(acme, exported) as file:
        bulk.begin_import(globex, archive=file)
    assert [name for name, _ in people(globex)] == [KEN]


def file_of(tenant, job):
    return recordings.opened(bulk.file_of(tenant, job.pk))


def _archive(*names):
    lines = [{"org_id": "acme", "external_id": name, "audio": "susan.opus"} for name in names]
    content = "\n".join(map(json.dumps, lines)).encode()
    return zipped({"manifest.jsonl": content, "susan.opus": recording(SUSAN)})


# --- API, command, console -------------------------------------------------------------------------------------------


def test_a_program_adds_finds_and_lifts_one(native, acme):
    native.enroll(SUSAN, recording(SUSAN))
    added = native.post("opt-outs", {"external_id": SUSAN})
    assert (added.status_code, bool(added.json()["erasure_id"])) == (201, True)
    assert problem(native.enroll(SUSAN, recording(SUSAN))) == (403, "opted-out")
    assert [one["id"] for one in native.get("opt-outs", external_id=SUSAN).json()["items"]] == [added.json()["id"]]
    assert native.delete(f"opt-outs/{added.json()['id']}").status_code == 204
    assert native.enroll(SUSAN, recording(SUSAN)).status_code == 201


def test_another_tenants_program_finds_none(native, stranger):
    added = native.post("opt-outs", {"external_id": SUSAN}).json()
    assert problem(stranger.get(f"opt-outs/{added['id']}")) == (404, "opt-out-not-found")
    assert problem(stranger.delete(f"opt-outs/{added['id']}")) == (404, "opt-out-not-found")
    assert stranger.get("opt-outs", external_id=SUSAN).json()["items"] == []


def test_the_command_adds_lists_and_lifts(acme, capsys):
    enroll(acme, SUSAN)
    with pytest.raises(CommandError, match="--yes"):
        call_command("opt_out", "add", "acme", SUSAN)
    call_command("opt_out", "add", "acme", SUSAN, "--yes")
    assert json.loads(capsys.readouterr().out)["erasure"]
    call_command("opt_out", "list", "acme", "--external-id", SUSAN)
    number = json.loads(capsys.readouterr().out)["id"]
    call_command("opt_out", "lift", "acme", str(number))
    enroll(acme, SUSAN)


def test_the_command_adds_also_while_the_erasure_waits(acme, capsys):
    with acting_as(acme):
        recordings.doom(acme, ["stuck.flac"], not_before=timezone.now())
    with making_a_backup():
        call_command("opt_out", "add", "acme", SUSAN, "--yes")
        said = capsys.readouterr()
    number = json.loads(said.out)["erasure"]
    assert f"erasure {number} goes on by itself, and then `erase receipt acme {number}` prints its receipt" in said.err
    with pytest.raises(OptedOut):
        enroll(acme, SUSAN)
    erasure.tend()
    assert erasure.receipt_of(acme, number)


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_the_console_adds_and_lifts(who, acme, globex):
    enrolled(acme, "alice")
    client = client_for(who, acme, globex)
    assert client.post(PAGE, {"external_id": "alice", "typed": "alicia"}).context["form"].errors["typed"]
    assert len(people(acme)) == 1
    client.post(PAGE, {"external_id": "alice", "typed": "alice"})
    assert people(acme) == []
    (one,) = client.get(PAGE).context["opt_outs"]
    client.post(f"{PAGE}{one.pk}/lift/", {"confirmed": "yes"})
    assert opting_out.page_opt_outs(acme, where={}).rows == ()


def test_another_tenant_lifts_none_of_acme_in_the_console(acme, globex):
    added = opting_out.opt_out(acme, SUSAN).opt_out
    client = client_for("globex", acme, globex)
    assert client.post(f"{PAGE}{added.pk}/lift/").status_code == 404
    assert client.post(f"/console/opt-outs/globex/{added.pk}/lift/").status_code == 404
    assert opting_out.find_opt_out(acme, added.pk)


@pytest.fixture
def exported(acme, recordings_folder):
    enroll(acme, KEN)
    bulk.begin_export(acme, LIBRARY)


@pytest.fixture
def storage_is_away(exported, monkeypatch):
    def fail(*_):
        raise StorageFailed("TimeoutError")

    monkeypatch.setattr(recordings, "opened", fail)


@pytest.mark.usefixtures("storage_is_away")
def test_whoever_opts_out_while_files_cannot_be_reached_is_not_enrolled_and_is_erased(native, acme):
    answer = native.post("opt-outs", {"external_id": SUSAN})
    assert answer.status_code == 201
    assert answer.json()["erasure_id"]
    with pytest.raises(OptedOut):
        enroll(acme, SUSAN)


@pytest.mark.usefixtures("storage_is_away")
def test_the_console_takes_an_opt_out_while_files_cannot_be_reached(acme, globex):
    sent = {"external_id": SUSAN, "library": "", "typed": SUSAN}
    page = client_for("owner", acme, globex).post(PAGE, sent, follow=True)
    assert "Nobody is enrolled under this id. Jobs and files are looked through for it" in page.content.decode()
    with acting_as(acme):
        assert acme.opt_outs.count() == 1


def test_others_may_store_while_an_opt_out_looks_beyond_rows(native, acme, monkeypatch):
    looked, look = [], traces.may_be_known_elsewhere

    def look_while_somebody_enrolls(*about):
        looked.extend(all_at_once(lambda: enroll(acme, WEI)))
        return look(*about)

    monkeypatch.setattr(traces, "may_be_known_elsewhere", look_while_somebody_enrolls)
    assert native.post("opt-outs", {"external_id": SUSAN}).json()["erasure_id"] is None
    assert [enrollment.speaker.external_id for enrollment in looked] == [WEI]
