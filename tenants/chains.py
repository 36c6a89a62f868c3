"""The audit trail in the database: how an event is linked to the one before, and that no event changes any more."""

from __future__ import annotations

from typing import Any, Final

from django.db.migrations import RunSQL

from tenants.isolation import OWN_ROWS
from tenants.isolation import PLATFORM as PLATFORM_VIEW

EVENTS, HEADS, SEALS = "tenants_auditevent", "tenants_audithead", "tenants_auditseal"
LINK_FORMAT: Final = 1
LINKED_COLUMNS: Final = (
    "actor_kind",
    "actor_number",
    "actor_name",
    "interface",
    "address",
    "request_id",
    "job",
    "action",
    "outcome",
    "object_kind",
    "object_number",
    "object_name",
    "org_id",
    "tag_id",
    "details",
)


def linked_text(row: str) -> str:
    """SQL for all that an event says, as one text: what is hashed behind the digest of the event before."""
    moment = f"(extract(epoch FROM {row}.at) * 1000000)::bigint"
    columns = ", ".join(f"{row}.{column}" for column in LINKED_COLUMNS)
    return f"jsonb_build_array({LINK_FORMAT}, {row}.tenant_id, {row}.number, {moment}, {columns})::text"


# The head is locked until the transaction ends: whoever comes next hangs on what was committed before.
LINK = f"""
CREATE FUNCTION openvpr_audit_link() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE head {HEADS}%ROWTYPE;
BEGIN
    SELECT * INTO head FROM {HEADS} WHERE tenant_id = NEW.tenant_id FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO {HEADS} VALUES (NEW.tenant_id, 0, '') ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT head FROM {HEADS} WHERE tenant_id = NEW.tenant_id FOR UPDATE;
    END IF;
    NEW.number := head.number + 1;
    NEW.at := clock_timestamp();
    NEW.previous := head.digest;
    NEW.digest := sha256(head.digest || convert_to({linked_text("NEW")}, 'UTF8'));
    UPDATE {HEADS} SET number = NEW.number, digest = NEW.digest WHERE tenant_id = NEW.tenant_id;
    RETURN NEW;
END $$
"""  # noqa: S608 - of constants
# Nothing but the trigger of an event moves a head.
GUARD_HEAD = """
CREATE FUNCTION openvpr_audit_guard_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'the head of an audit chain moves with its events alone';
    END IF;
    RETURN NEW;
END $$
"""
# What lies under a checkpoint may be trimmed; whether the checkpoint is ours is seen when the chain is verified.
KEEP = f"""
CREATE FUNCTION openvpr_audit_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (
        SELECT FROM {SEALS} AS seal WHERE seal.checkpoint AND seal.tenant_id = OLD.tenant_id
        AND seal.number >= OLD.number AND NOT (TG_TABLE_NAME = '{SEALS}' AND seal.number = OLD.number)
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only';
END $$
"""
KEEP_ALL = """
CREATE FUNCTION openvpr_audit_keep_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only';
END $$
"""
TRIGGERS = {
    "audit_link": f"BEFORE INSERT ON {EVENTS} FOR EACH ROW EXECUTE FUNCTION openvpr_audit_link()",
    "audit_events_stay": f"BEFORE UPDATE OR DELETE ON {EVENTS} FOR EACH ROW EXECUTE FUNCTION openvpr_audit_keep()",
    "audit_seals_stay": f"BEFORE UPDATE OR DELETE ON {SEALS} FOR EACH ROW EXECUTE FUNCTION openvpr_audit_keep()",
    "audit_heads_follow": f"BEFORE INSERT OR UPDATE OR DELETE ON {HEADS} "
    "FOR EACH ROW EXECUTE FUNCTION openvpr_audit_guard_head()",
    **{
        f"{table}_is_kept": f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION openvpr_audit_keep_all()"
        for table in (EVENTS, HEADS, SEALS)
    },
}
FUNCTIONS = ("link", "guard_head", "keep", "keep_all")


def chained() -> RunSQL:
    """The migration step that makes the functions and triggers."""
    made: list[Any] = [LINK, GUARD_HEAD, KEEP, KEEP_ALL]
    made += [f"CREATE TRIGGER {name} {trigger}" for name, trigger in TRIGGERS.items()]
    return RunSQL(made, [f"DROP FUNCTION openvpr_audit_{name} CASCADE" for name in FUNCTIONS])


def readable_and_extensible(table: str) -> RunSQL:
    """The migration step that lets a tenant read and add rows of its own, and the platform trim them as well."""
    policies = {
        "tenant_sees_own_rows": f"FOR SELECT USING ({OWN_ROWS})",
        "tenant_adds_own_rows": f"FOR INSERT WITH CHECK ({OWN_ROWS})",
        "platform_sees_all_rows": f"FOR SELECT USING ({PLATFORM_VIEW})",
        "platform_adds_rows": f"FOR INSERT WITH CHECK ({PLATFORM_VIEW})",
        "platform_trims_rows": f"FOR DELETE USING ({PLATFORM_VIEW})",
    }
    made: list[Any] = [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        *(f"CREATE POLICY {name} ON {table} {rule}" for name, rule in policies.items()),
    ]
    undone: list[Any] = [f"DROP POLICY {name} ON {table}" for name in policies]
    return RunSQL(made, [*undone, f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"])


HEAD_RESTS, HEAD_CATCHES_UP = "rests", "catches up"
"""Values of the setting app.head, which is empty as a rule: the head moves with every event."""
# A row that a transaction changes again and again takes the longer the more often. So of very many events all but the
# last leave the head where it is, and each hangs on the one before by itself. Were the last missing, the next event of
# the chain would have a number that is taken.
LINK_MANY = f"""
CREATE OR REPLACE FUNCTION openvpr_audit_link() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head {HEADS}%ROWTYPE;
    newest {EVENTS}%ROWTYPE;
    moving text := coalesce(current_setting('app.head', true), '');
BEGIN
    SELECT * INTO head FROM {HEADS} WHERE tenant_id = NEW.tenant_id FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO {HEADS} VALUES (NEW.tenant_id, 0, '') ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT head FROM {HEADS} WHERE tenant_id = NEW.tenant_id FOR UPDATE;
    END IF;
    IF moving <> '' THEN
        SELECT * INTO newest FROM {EVENTS} WHERE tenant_id = NEW.tenant_id AND number > head.number
        ORDER BY number DESC LIMIT 1;
        IF FOUND THEN
            head.number := newest.number;
            head.digest := newest.digest;
        END IF;
    END IF;
    NEW.number := head.number + 1;
    NEW.at := clock_timestamp();
    NEW.previous := head.digest;
    NEW.digest := sha256(head.digest || convert_to({linked_text("NEW")}, 'UTF8'));
    IF moving <> '{HEAD_RESTS}' THEN
        UPDATE {HEADS} SET number = NEW.number, digest = NEW.digest WHERE tenant_id = NEW.tenant_id;
    END IF;
    RETURN NEW;
END $$
"""  # noqa: S608 - of constants


def linked_by_the_thousand() -> RunSQL:
    """The migration step after which very many events of one transaction take no longer each than a few."""
    return RunSQL([LINK_MANY], [LINK.replace("CREATE", "CREATE OR REPLACE", 1)])
