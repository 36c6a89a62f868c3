from django.db import migrations
from django.db.migrations import RunSQL

# Whoever can name a key or the digest of a token sees the row, and its tenant, in one statement without a transaction
# of its own. The setting that row-level security reads is gone again when it ends.
NAMED = """
CREATE FUNCTION {table}_named(wanted text) RETURNS TABLE (opener {table}, tenant tenants_tenant)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('{setting}', wanted, true);
    RETURN QUERY
        SELECT named, owner FROM {table} AS named JOIN tenants_tenant AS owner ON owner.id = named.tenant_id
        WHERE named.{column} = wanted;
    PERFORM set_config('{setting}', '', true);
END $$
"""

# Two statements inside, so that what is read was committed before the lock was granted.
KEPT = """
CREATE FUNCTION tenants_tenant_kept(wanted bigint, lock_name text) RETURNS SETOF tenants_tenant
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(lock_name, 0));
    RETURN QUERY SELECT * FROM tenants_tenant WHERE id = wanted;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0009_invitations")]

    operations = [
        RunSQL(
            NAMED.format(table="tenants_credential", setting="app.key_id", column="key_id"),
            "DROP FUNCTION tenants_credential_named(text)",
        ),
        RunSQL(
            NAMED.format(table="tenants_accesstoken", setting="app.token", column="digest"),
            "DROP FUNCTION tenants_accesstoken_named(text)",
        ),
        RunSQL(KEPT, "DROP FUNCTION tenants_tenant_kept(bigint, text)"),
    ]
