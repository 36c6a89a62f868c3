import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from tenants.context import acting_as, acting_as_platform
from tenants.models import Credential, Tenant
from tenants.services import known_credential, note_use

pytestmark = pytest.mark.django_db


def run(*args, **options):
    return call_command(*args, **options)


def test_create_tenant_prints_everything_a_client_needs(capsys):
    run("create_tenant", "acme")
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"tenant", "app_id", "key_id", "secret"}
    assert printed["tenant"] == "acme"


def test_the_printed_secret_is_the_one_that_signs(capsys):
    run("create_tenant", "acme")
    printed = json.loads(capsys.readouterr().out)
    assert known_credential(printed["key_id"]).secret == printed["secret"]


def test_a_slug_taken_is_refused_in_one_line(acme):
    with pytest.raises(CommandError, match="already exists"):
        run("create_tenant", "acme")


def test_a_refused_tenant_leaves_nothing(acme):
    with pytest.raises(CommandError):
        run("create_tenant", "Not A Slug")
    assert list(Tenant.objects.values_list("slug", flat=True)) == ["acme"]


def test_a_customer_keeps_the_keys_its_clients_have(acme, capsys):
    run("issue_credential", "acme", key_id="test1", secret="2258ACC4-199B", app_id="595f23df")
    found = known_credential("test1")
    assert (found.secret, found.tenant.app_id) == ("2258ACC4-199B", "595f23df")


def test_a_key_id_of_another_tenant_is_refused(acme_credential, globex):
    with pytest.raises(CommandError, match="taken"):
        run("issue_credential", "globex", key_id=acme_credential.key_id, secret="SecretKeyExample")


@pytest.mark.parametrize("secret", ["x", "elevenchars"])
def test_a_secret_that_is_easily_guessed_is_refused_and_changes_nothing(acme, secret):
    with pytest.raises(CommandError, match=f"at least 12 characters .it has {len(secret)}"):
        run("issue_credential", "acme", key_id="test1", secret=secret, app_id="595f23df")
    assert known_credential("test1") is None
    assert Tenant.objects.get(slug="acme").app_id != "595f23df"


def test_a_secret_is_encrypted_at_rest(acme_credential):
    with acting_as_platform(), connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM tenants_credential")
        (stored,) = cursor.fetchone()
    assert acme_credential.secret not in stored


def test_after_rotation_both_key_pairs_work(acme_credential, capsys):
    run("rotate_credential", "acme", acme_credential.key_id)
    successor = json.loads(capsys.readouterr().out)
    assert known_credential(acme_credential.key_id).usable
    assert known_credential(successor["key_id"]).usable


def test_after_the_overlap_only_the_successor_works(acme_credential, capsys):
    run("rotate_credential", "acme", acme_credential.key_id, overlap_hours=0.0)
    successor = json.loads(capsys.readouterr().out)
    assert not known_credential(acme_credential.key_id).usable
    assert known_credential(successor["key_id"]).usable


def test_a_rotation_that_is_overtaken_says_so_in_a_line(acme_credential, capsys, monkeypatch):
    """`acme_credential` is as it was read before the other rotation."""
    run("rotate_credential", "acme", acme_credential.key_id)
    monkeypatch.setattr("tenants.management.commands.rotate_credential.credential_named", lambda *_: acme_credential)
    with pytest.raises(CommandError, match="rotated already"):
        run("rotate_credential", "acme", acme_credential.key_id)


def test_a_disabled_key_is_of_no_use_until_it_is_enabled(acme_credential):
    run("credential", "disable", "acme", acme_credential.key_id)
    assert not known_credential(acme_credential.key_id).usable
    run("credential", "enable", "acme", acme_credential.key_id)
    assert known_credential(acme_credential.key_id).usable


def test_a_deleted_key_is_gone(acme_credential):
    run("credential", "delete", "acme", acme_credential.key_id)
    with acting_as_platform():
        assert not Credential.all_tenants.exists()


def test_a_key_of_another_tenant_cannot_be_named(acme_credential, globex):
    with pytest.raises(CommandError, match="no credential"):
        run("credential", "delete", "globex", acme_credential.key_id)


def test_use_is_noted(acme_credential, acme):
    note_use(acme_credential)
    with acting_as(acme):
        assert acme.credentials.get().last_used


def test_use_is_noted_once_a_minute(acme_credential, acme):
    earlier = timezone.now() - timedelta(seconds=30)
    with acting_as(acme):
        acme.credentials.update(last_used=earlier)
    note_use(known_credential(acme_credential.key_id))
    with acting_as(acme):
        assert acme.credentials.get().last_used == earlier


@pytest.mark.parametrize("overlap", ["-1", "nan", "1e300", "soon"])
def test_an_overlap_that_makes_no_sense_is_refused(acme_credential, overlap):
    with pytest.raises(CommandError, match="overlap-hours"):
        run("rotate_credential", "acme", acme_credential.key_id, f"--overlap-hours={overlap}")


def test_a_second_rotation_does_not_revive_a_key_that_ended(acme_credential):
    run("rotate_credential", "acme", acme_credential.key_id, overlap_hours=0.0)
    run("rotate_credential", "acme", acme_credential.key_id, overlap_hours=1.0)
    assert not known_credential(acme_credential.key_id).usable


def test_a_refusal_names_the_field(acme):
    with pytest.raises(CommandError, match="slug: "):
        run("create_tenant", "")
