"""A tenant never sees another's rows: whatever the code asks, the database answers for one tenant only."""

from contextlib import nullcontext

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection, transaction

from api.native.models import KeptAnswer
from config.embedded import as_superuser
from tenants.context import acting_as, acting_as_platform, memberships_of, naming_credential, reading_of
from tenants.invitations import invite
from tenants.isolation import refuse_unsafe_database
from tenants.models import Credential, Membership, Operation, Tenant, UsageDay
from tenants.services import issue_token
from voiceprints.models import (
    Consent,
    DoomedRecording,
    Job,
    JobRow,
    Library,
    OptOut,
    OwnCalibration,
    Speaker,
    Utterance,
    UtteranceEmbedding,
    Voiceprint,
)

pytestmark = pytest.mark.django_db

OWNED = [
    model
    for model in apps.get_models()
    if model is not Tenant and any(field.name == "tenant" for field in model._meta.get_fields() if field.concrete)
]


def rows_of(tenant, django_user_model):
    """One row of every table that a tenant owns."""
    user = django_user_model.objects.create(username=f"someone at {tenant.slug}")
    vector = [1.0] + [0.0] * 255
    made_by = {"tenant": tenant, "model": "ge2e", "dimension": 256, "embedding": vector}
    quality = dict.fromkeys(
        ["duration_seconds", "speech_seconds", "snr_db", "level_dbfs", "clipped_ratio", "dropout_ratio"], 1.0
    )
    token, _ = issue_token(tenant, scopes=["read"])
    invite(tenant, role="viewer")
    with acting_as(tenant):
        Membership.all_tenants.create(tenant=tenant, user=user)
        library = Library.all_tenants.create(tenant=tenant, org_id="org")
        speaker = Speaker.all_tenants.create(tenant=tenant, library=library, external_id="anna")
        path = f"{tenant.slug}/1.flac"
        utterance = Utterance.all_tenants.create(tenant=tenant, speaker=speaker, recording=path, **quality)
        UtteranceEmbedding.all_tenants.create(utterance=utterance, **made_by)
        Voiceprint.all_tenants.create(library=library, speaker=speaker, utterance_count=1, speech_seconds=1, **made_by)
        OwnCalibration.all_tenants.create(tenant=tenant, model_id="ge2e", record={})
        DoomedRecording.all_tenants.create(tenant=tenant, path=path, not_before="2030-01-01T00:00Z")
        job = Job.all_tenants.create(tenant=tenant, kind=Job.Kind.IMPORT)
        JobRow.all_tenants.create(tenant=tenant, job=job, number=1, outcome=JobRow.Outcome.FAILED)
        UsageDay.all_tenants.create(
            tenant=tenant, day="2030-01-01", operation=Operation.VERIFY, dialect="x", outcome="ok", count=1, latency=[1]
        )
        KeptAnswer.all_tenants.create(tenant=tenant, token=token, key="key", expires="2030-01-01T00:00Z")
        OptOut.all_tenants.create(tenant=tenant, digest="d")
        Consent.all_tenants.create(tenant=tenant, speaker=speaker, interface="x", by_kind="user")
        return {model: model._default_manager.get().pk for model in OWNED}


@pytest.fixture
def acme_rows(acme, django_user_model):
    return rows_of(acme, django_user_model)


def raw(statement, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else cursor.rowcount


def table(model):
    return model._meta.db_table


@pytest.mark.parametrize("model", OWNED, ids=table)
def test_every_owned_table_is_in_the_cast(model, acme_rows):
    assert acme_rows[model]


@pytest.mark.parametrize("model", OWNED, ids=table)
def test_raw_sql_without_context_returns_nothing(model, acme_rows):
    assert raw(f"SELECT * FROM {table(model)}") == []


@pytest.mark.parametrize("model", OWNED, ids=table)
def test_raw_sql_in_the_context_returns_the_row(model, acme_rows, acme):
    with acting_as(acme):
        assert len(raw(f"SELECT * FROM {table(model)}")) == 1


@pytest.mark.parametrize("model", OWNED, ids=table)
def test_another_tenant_sees_only_its_own_row(model, acme_rows, globex, django_user_model):
    own = rows_of(globex, django_user_model)
    with acting_as(globex):
        assert raw(f"SELECT id FROM {table(model)}") == [(own[model],)]


@pytest.mark.parametrize("model", OWNED, ids=table)
def test_another_tenant_changes_no_row(model, acme_rows, globex):
    with acting_as(globex):
        assert raw(f"UPDATE {table(model)} SET id = id WHERE id = %s", acme_rows[model]) == 0


@pytest.mark.parametrize("model", OWNED, ids=table)
def test_another_tenant_deletes_no_row(model, acme_rows, globex):
    with acting_as(globex):
        assert raw(f"DELETE FROM {table(model)} WHERE id = %s", acme_rows[model]) == 0


@pytest.mark.parametrize("model", OWNED, ids=table)
def test_a_row_cannot_be_given_to_another_tenant(model, acme_rows, acme, globex):
    with pytest.raises(DatabaseError, match="row-level security"), acting_as(acme):
        raw(f"UPDATE {table(model)} SET tenant_id = %s WHERE id = %s", globex.pk, acme_rows[model])


@pytest.mark.parametrize("model", OWNED, ids=table)
def test_the_platform_sees_every_tenants_rows(model, acme_rows, globex, django_user_model):
    rows_of(globex, django_user_model)
    with acting_as_platform():
        assert len(raw(f"SELECT * FROM {table(model)}")) == 2


@pytest.mark.parametrize("model", OWNED, ids=table)
def test_row_level_security_binds_the_owner_of_the_table(model):
    ((enabled, forced),) = raw(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", table(model)
    )
    assert enabled
    assert forced


@pytest.mark.parametrize("model", OWNED, ids=table)
def test_the_policy_is_evaluated_once_per_query(model, acme_rows, acme):
    with acting_as(acme):
        plan = "\n".join(line for (line,) in raw(f"EXPLAIN (COSTS OFF) SELECT * FROM {table(model)}"))
    filters = [line for line in plan.splitlines() if "Filter" in line or "Cond" in line]
    assert "InitPlan" in plan
    assert not any("current_setting" in line for line in filters)


def test_a_speaker_cannot_point_into_another_tenants_library(acme_rows, globex):
    with pytest.raises(DatabaseError, match="of_same_tenant"), transaction.atomic(), acting_as(globex):
        Speaker.all_tenants.create(tenant=globex, library_id=acme_rows[Library], external_id="spy")


def test_a_vector_must_have_the_dimension_of_its_model(acme_rows, acme):
    with pytest.raises(DatabaseError, match="dimension"), acting_as(acme):
        Voiceprint.all_tenants.update(embedding=[1.0, 0.0])


def test_a_vector_cannot_claim_another_dimension_for_its_model(acme_rows, acme):
    with pytest.raises(DatabaseError, match="of_a_known_model"), acting_as(acme):
        Voiceprint.all_tenants.update(embedding=[1.0, 0.0], dimension=2)


def test_the_inner_context_ends_before_the_outer(acme_rows, acme, globex):
    with acting_as(acme):
        with acting_as(globex):
            assert not acme.speakers.exists()
        assert acme.speakers.exists()


def test_the_outer_context_returns_after_an_exception(acme_rows, acme, globex):
    with acting_as(acme):
        with pytest.raises(ZeroDivisionError), acting_as(globex):
            1 / 0
        assert acme.speakers.exists()


def test_the_context_ends_with_its_transaction(acme_rows, acme):
    with acting_as(acme):
        pass
    assert not acme.speakers.exists()


@pytest.mark.parametrize("outer", ["nothing", "the tenant", "the platform", "another tenant"])
def test_a_tenants_rows_are_read_from_every_view(outer, acme_rows, acme, globex, django_user_model):
    rows_of(globex, django_user_model)
    views = {"the tenant": acting_as(acme), "the platform": acting_as_platform(), "another tenant": acting_as(globex)}
    with views.get(outer, nullcontext()):
        before = raw("SELECT current_setting('app.tenant', true), current_setting('app.platform', true)")
        with reading_of(acme):
            assert acme.speakers.get().pk == acme_rows[Speaker]
        assert raw("SELECT current_setting('app.tenant', true), current_setting('app.platform', true)") == before


@pytest.mark.parametrize("view", [acting_as_platform, lambda: acting_as(Tenant.objects.get())])
def test_a_view_that_shows_them_already_is_not_told_again(view, acme_rows, acme, django_assert_num_queries):
    with view(), django_assert_num_queries(1), reading_of(acme):
        assert acme.speakers.count() == 1


def test_naming_a_key_shows_that_credential_alone(acme_credential, globex_credential):
    with naming_credential(acme_credential.key_id):
        assert list(Credential.all_tenants.all()) == [acme_credential]


def test_naming_a_key_allows_no_change(acme_credential):
    with naming_credential(acme_credential.key_id):
        assert Credential.all_tenants.update(enabled=False) == 0


def test_a_user_sees_its_own_memberships_alone(acme, globex, django_user_model):
    rows_of(acme, django_user_model)
    rows_of(globex, django_user_model)
    user = django_user_model.objects.get(username="someone at acme")
    with memberships_of(user):
        assert [membership.user for membership in Membership.all_tenants.select_related("user")] == [user]


def test_our_role_may_serve(db):
    refuse_unsafe_database()


@pytest.mark.parametrize(("attribute", "undo"), [("SUPERUSER", "NOSUPERUSER"), ("BYPASSRLS", "NOBYPASSRLS")])
def test_a_role_above_row_level_security_may_not_serve(attribute, undo):
    with as_superuser() as superuser:
        superuser.execute(f"ALTER ROLE openvpr {attribute}")
        try:
            with pytest.raises(ImproperlyConfigured, match="bypasses row-level security"):
                refuse_unsafe_database()
        finally:
            superuser.execute(f"ALTER ROLE openvpr {undo}")


@pytest.mark.parametrize(
    ("version", "acceptable"), [("0.7.4", False), ("0.8.0", True), ("0.10.1", True), ("1.0", True)]
)
def test_pgvector_must_be_recent_enough(version, acceptable):
    raw(f"CREATE TEMP VIEW pg_available_extensions AS SELECT 'vector' AS name, '{version}' AS installed_version")
    raw("SET LOCAL search_path = pg_temp, pg_catalog, public")
    with nullcontext() if acceptable else pytest.raises(ImproperlyConfigured, match=f"found {version}"):
        refuse_unsafe_database()


def test_pgvector_must_be_there():
    raw("CREATE TEMP VIEW pg_available_extensions AS SELECT '' AS name, '' AS installed_version")
    raw("SET LOCAL search_path = pg_temp, pg_catalog, public")
    with pytest.raises(ImproperlyConfigured, match="found none"):
        refuse_unsafe_database()
