"""Counting in the database what tenants have: triggers write down what comes and goes, in the transaction that does it.

A change is a row of its own, so nobody waits for anybody; `stock.fold` adds them up every minute. Whatever stores or
removes speakers and recordings, in whatever way, is counted.
"""

from __future__ import annotations

from typing import Any, Final

from django.db.migrations import RunSQL

CHANGES: Final = "voiceprints_stockchange"
COLUMNS: Final = f"INSERT INTO {CHANGES} (tenant_id, speakers, stored_bytes)"

# A probe is nobody, although its recording is kept.
SPEAKERS = f"""
CREATE FUNCTION openvpr_stock_speakers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {COLUMNS} SELECT tenant_id, TG_ARGV[0]::int * count(*), 0 FROM changed WHERE status <> 'probe' GROUP BY tenant_id;
    RETURN NULL;
END $$
"""  # noqa: S608 - of constants
BYTES = f"""
CREATE FUNCTION openvpr_stock_bytes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {COLUMNS} SELECT tenant_id, 0, TG_ARGV[0]::int * sum(size_bytes) FROM changed WHERE size_bytes > 0
    GROUP BY tenant_id;
    RETURN NULL;
END $$
"""  # noqa: S608 - of constants
RESIZED = f"""
CREATE FUNCTION openvpr_stock_resized() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {COLUMNS} VALUES (NEW.tenant_id, 0, coalesce(NEW.size_bytes, 0) - coalesce(OLD.size_bytes, 0));
    RETURN NULL;
END $$
"""

CAME, WENT = "NEW TABLE AS changed", "OLD TABLE AS changed"
# Name: when, on which table, seeing what, and what is done.
TRIGGERS: Final = {
    "stock_speakers_came": ("INSERT", "voiceprints_speaker", CAME, "openvpr_stock_speakers('1')"),
    "stock_speakers_went": ("DELETE", "voiceprints_speaker", WENT, "openvpr_stock_speakers('-1')"),
    "stock_bytes_came": ("INSERT", "voiceprints_utterance", CAME, "openvpr_stock_bytes('1')"),
    "stock_bytes_went": ("DELETE", "voiceprints_utterance", WENT, "openvpr_stock_bytes('-1')"),
}
RESIZING: Final = """
CREATE TRIGGER stock_bytes_changed AFTER UPDATE OF size_bytes ON voiceprints_utterance
FOR EACH ROW WHEN (OLD.size_bytes IS DISTINCT FROM NEW.size_bytes) EXECUTE FUNCTION openvpr_stock_resized()
"""
# Of every tenant, which takes the view of the platform; nobody stores anything between this and the triggers.
WHAT_IS_THERE = f"""
SELECT set_config('app.platform', 'on', true);
LOCK TABLE voiceprints_speaker, voiceprints_utterance IN SHARE ROW EXCLUSIVE MODE;
{COLUMNS} SELECT tenant_id, count(*), 0 FROM voiceprints_speaker WHERE status <> 'probe' GROUP BY tenant_id;
{COLUMNS} SELECT tenant_id, 0, sum(size_bytes) FROM voiceprints_utterance WHERE size_bytes > 0 GROUP BY tenant_id;
SELECT set_config('app.platform', '', true);
"""  # noqa: S608 - of constants


def counted() -> RunSQL:
    """The migration step that counts the speakers and bytes that are there, and from then on what comes and goes."""
    made: list[Any] = [WHAT_IS_THERE, SPEAKERS, BYTES, RESIZED, RESIZING]
    made += [
        f"CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {seen} FOR EACH STATEMENT EXECUTE FUNCTION {deed}"
        for name, (event, table, seen, deed) in TRIGGERS.items()
    ]
    return RunSQL(made, [f"DROP FUNCTION openvpr_stock_{name} CASCADE" for name in ("speakers", "bytes", "resized")])


RECORDINGS: Final = f"INSERT INTO {CHANGES} (tenant_id, speakers, stored_bytes, recordings, audio_milliseconds)"
# The same functions for a table with more columns, none of which has a default.
SPEAKERS_ALONE, BYTES_ALONE, RESIZED_ALONE = (
    function.replace("CREATE", "CREATE OR REPLACE", 1).replace(COLUMNS, RECORDINGS)
    for function in (
        SPEAKERS.replace("count(*), 0 FROM", "count(*), 0, 0, 0 FROM"),
        BYTES.replace("sum(size_bytes) FROM", "sum(size_bytes), 0, 0 FROM"),
        RESIZED.replace("coalesce(OLD.size_bytes, 0));", "coalesce(OLD.size_bytes, 0), 0, 0);"),
    )
)
# In whole milliseconds, so that what goes takes away exactly what came.
SAID: Final = "sum(size_bytes), count(*), sum(round(duration_seconds * 1000))"
RECORDINGS_TOO = f"""
CREATE OR REPLACE FUNCTION openvpr_stock_bytes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {RECORDINGS} SELECT tenant_id, 0, sign * coalesce(stored, 0), sign * said, sign * heard
    FROM (SELECT tenant_id, TG_ARGV[0]::int, {SAID} FROM changed GROUP BY tenant_id)
    AS all_of_it (tenant_id, sign, stored, said, heard);
    RETURN NULL;
END $$
"""  # noqa: S608 - of constants
RECORDINGS_THERE = f"""
SELECT set_config('app.platform', 'on', true);
LOCK TABLE voiceprints_utterance IN SHARE ROW EXCLUSIVE MODE;
{RECORDINGS} SELECT tenant_id, 0, 0, said, heard
FROM (SELECT tenant_id, {SAID} FROM voiceprints_utterance GROUP BY tenant_id)
AS all_of_it (tenant_id, stored, said, heard);
SELECT set_config('app.platform', '', true);
"""  # noqa: S608 - of constants


def with_recordings() -> RunSQL:
    """The migration step after the columns for recordings were added: nothing is counted in them yet."""
    before: list[Any] = [function.replace("CREATE", "CREATE OR REPLACE", 1) for function in (SPEAKERS, BYTES, RESIZED)]
    return RunSQL([SPEAKERS_ALONE, BYTES_ALONE, RESIZED_ALONE], before)


def recordings_counted() -> RunSQL:
    """The migration step that counts the recordings as well, and how long they are."""
    return RunSQL([RECORDINGS_THERE, RECORDINGS_TOO], [BYTES_ALONE])
