"""manage.py erase: nothing without --yes, a receipt on standard output, and receipts that verify or do not."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tenants.context import acting_as
from tenants.models import Tenant
from tests.cast import KEN, LIBRARY, OTHER_TAG, SUSAN, audio
from tests.servers import through_the_queue
from tests.threads import making_a_backup
from voiceprints import bulk, erasure, receipts, recordings, services, work
from voiceprints.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people(acme):
    for key in (LIBRARY, OTHER_TAG):
        for name in (SUSAN, KEN):
            services.enroll(acme, key, name, [audio(name)])


def said(capsys, *arguments):
    call_command("erase", *arguments)
    return capsys.readouterr().out


def left(tenant):
    with acting_as(tenant):
        return sorted(tenant.speakers.values_list("external_id", "library__tag_id"))


def test_nobody_is_erased_without_a_yes(acme, people):
    with pytest.raises(CommandError, match="--yes"):
        call_command("erase", "person", "acme", SUSAN)
    assert len(left(acme)) == 4


def test_a_person_is_erased_and_the_receipt_printed(acme, people, capsys):
    document = json.loads(said(capsys, "person", "acme", SUSAN, "--yes"))
    assert receipts.is_about(document, SUSAN)
    assert document["receipt"]["by"]["kind"] == "command"
    assert left(acme) == [(KEN, "guests"), (KEN, "staff")]


def test_one_speaker_is_erased(acme, people, capsys):
    said(capsys, "speaker", "acme", "acme", SUSAN, "--tag-id", "guests", "--yes")
    assert left(acme) == [(KEN, "guests"), (KEN, "staff"), (SUSAN, "staff")]


def test_another_tenants_people_are_not_found(acme, people, globex):
    with pytest.raises(CommandError, match="no speaker"):
        call_command("erase", "person", "globex", SUSAN, "--yes")
    assert len(left(acme)) == 4


def test_a_receipt_is_printed_again_and_verified(acme, people, capsys, tmp_path):
    said(capsys, "person", "acme", SUSAN, "--yes")
    number = json.loads(said(capsys, "list", "acme"))["id"]
    (tmp_path / "receipt.json").write_text(said(capsys, "receipt", "acme", str(number)))
    verdict = json.loads(said(capsys, "verify", str(tmp_path / "receipt.json"), "--external-id", SUSAN))
    assert verdict["intact"]
    with pytest.raises(CommandError, match="not about"):
        call_command("erase", "verify", str(tmp_path / "receipt.json"), "--external-id", KEN)


def test_a_receipt_that_was_changed_is_refused(acme, people, capsys, tmp_path):
    text = said(capsys, "person", "acme", SUSAN, "--yes")
    (tmp_path / "receipt.json").write_text(text.replace('"speakers": 2', '"speakers": 3'))
    with pytest.raises(CommandError, match="signature"):
        call_command("erase", "verify", str(tmp_path / "receipt.json"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"receipt": {"format": "another"}}'])
def test_what_is_no_receipt_is_refused(text, tmp_path, db):
    (tmp_path / "receipt.json").write_text(text)
    with pytest.raises(CommandError, match="no "):
        call_command("erase", "verify", str(tmp_path / "receipt.json"))


def test_receipts_of_an_earlier_key_verify_on(acme, people, capsys, tmp_path, settings):
    (tmp_path / "receipt.json").write_text(said(capsys, "person", "acme", SUSAN, "--yes"))
    (tmp_path / "key.pem").write_text(said(capsys, "public-key"))
    settings.RECEIPT_KEYS = [said(capsys, "new-key").strip(), *settings.RECEIPT_KEYS]
    newer = json.loads(said(capsys, "person", "acme", KEN, "--yes"))
    assert newer["key"] != json.loads((tmp_path / "receipt.json").read_text())["key"]
    assert "intact" in said(capsys, "verify", str(tmp_path / "receipt.json"))
    settings.RECEIPT_KEYS = settings.RECEIPT_KEYS[:1]
    with pytest.raises(CommandError, match="not known here"):
        call_command("erase", "verify", str(tmp_path / "receipt.json"))
    assert "intact" in said(capsys, "verify", str(tmp_path / "receipt.json"), "--key", str(tmp_path / "key.pem"))


@pytest.mark.parametrize("how", [["--vacuum"], ["--vacuum", "full"]])
def test_an_erasure_that_was_vacuumed_says_so(how, acme, people, capsys):
    said(capsys, "person", "acme", SUSAN, "--yes", *how)
    assert erasure.page_erasures(acme, where={}).rows[0].vacuumed


# --- A whole tenant --------------------------------------------------------------------------------------------------


def test_a_tenant_is_closed_and_restored(acme, people, capsys):
    told = json.loads(said(capsys, "tenant", "acme", "--yes"))["erased_from"]
    assert told == Tenant.objects.get(slug="acme").erased_from.isoformat()
    assert not Tenant.objects.get(slug="acme").active
    call_command("restore_tenant", "acme")
    restored = Tenant.objects.get(slug="acme")
    assert (restored.active, restored.erased_from) == (True, None)
    assert len(left(acme)) == 4
    with pytest.raises(CommandError, match="not to be erased"):
        call_command("restore_tenant", "acme")


def test_a_tenant_without_grace_is_erased_at_once(acme, people, capsys):
    before = json.loads(said(capsys, "person", "acme", KEN, "--yes"))
    document = json.loads(said(capsys, "tenant", "acme", "--grace-days", "0", "--yes", "--vacuum"))
    assert receipts.is_about(document, "acme")
    assert document["receipt"]["by"]["interface"] == "manage.py erase"
    assert document["receipt"]["removed"]["speakers"] == 2
    assert not Tenant.objects.filter(slug="acme").exists()
    one, person = map(json.loads, said(capsys, "list", "platform").splitlines())
    assert [(of["tenant"], of["kind"]) for of in (one, person)] == [("acme", "tenant"), ("acme", "person")]
    assert json.loads(said(capsys, "receipt", "platform", str(one["id"]))) == document
    assert json.loads(said(capsys, "receipt", "platform", str(person["id"]))) == before
    with pytest.raises(CommandError, match="no erasure"):
        call_command("erase", "receipt", "platform", str(one["id"] + 1))


def test_whoever_erases_a_tenant_of_which_a_file_is_being_written_is_told_that_it_goes_on_by_itself(acme, people):
    path = recordings.new_path("acme")
    with acting_as(acme):
        recordings.plan(acme, [path])
        until = acme.doomed_recordings.get().not_before
    with pytest.raises(CommandError) as waits:
        call_command("erase", "tenant", "acme", "--grace-days", "0", "--yes")
    number = erasure.newest_of(acme).pk
    assert str(waits.value) == (
        f"files may still be written, until {until:%Y-%m-%d %H:%M} UTC if nobody is at them any more; "
        f"erasure {number} goes on by itself, and then `erase receipt platform {number}` prints its receipt"
    )
    assert left(acme) == []
    with acting_as(acme):
        acme.doomed_recordings.update(not_before=timezone.now())
    erasure.tend()
    assert erasure.receipt_of_gone(number)


@pytest.mark.parametrize("days", ["-1", "366"])
def test_a_grace_that_cannot_be_is_refused(days, acme, people):
    with pytest.raises(CommandError, match="0 to 365"):
        call_command("erase", "tenant", "acme", "--grace-days", days, "--yes")
    assert Tenant.objects.get(slug="acme").active


def test_whoever_erases_while_an_export_may_have_read_them_is_told_how_to_get_the_receipt(acme, people, capsys):
    with through_the_queue():
        run = work.claimed(acme.pk, bulk.begin_export(acme, LIBRARY).pk)
        with pytest.raises(CommandError) as waits:
            call_command("erase", "person", "acme", "nobody-known", "--yes")
        number = erasure.newest_of(acme).pk
        assert str(waits.value) == (
            "the erasure is not done yet: begun; "
            f"erasure {number} goes on by itself, and then `erase receipt acme {number}` prints its receipt"
        )
        run.succeed(bulk.RUNNERS[Job.Kind.EXPORT](run))
        erasure.go_on(acme, number)
    assert receipts.is_about(json.loads(said(capsys, "receipt", "acme", str(number))), "nobody-known")


def test_whoever_erases_while_a_backup_is_made_is_told_how_to_get_the_receipt(acme, people):
    with making_a_backup(), pytest.raises(CommandError) as held:
        call_command("erase", "person", "acme", SUSAN, "--yes")
    number = erasure.newest_of(acme).pk
    assert str(held.value).startswith("a backup is being made (backup on ")
    assert str(held.value).endswith(
        f"erasure {number} goes on by itself, and then `erase receipt acme {number}` prints its receipt"
    )


def test_whoever_erases_somebody_whose_files_resist_is_told_that_it_goes_on_by_itself(acme, people, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("django.core.files.storage.FileSystemStorage.delete", _refuse)
        with pytest.raises(CommandError) as waits:
            call_command("erase", "person", "acme", SUSAN, "--yes")
    number = erasure.newest_of(acme).pk
    assert f"could not be removed; erasure {number} goes on by itself" in str(waits.value)
    erasure.tend()
    assert erasure.receipt_of(acme, number)


def _refuse(*_):
    raise PermissionError
