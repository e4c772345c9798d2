"""The database: reachable, current, durable; and who may call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from features.errors import shorten
from serving.doctor.findings import Finding, fault, fine, warn
from serving.records.retention import SHORTEST_DAYS, too_short
from serving.settings import ServeSettings
from serving.store.facts import NEWEST, KeyFacts, StoreFacts

__all__ = ["check_age", "check_callers", "check_database"]

SOON = timedelta(days=14)
UNUSED = timedelta(days=90)
LATE = timedelta(days=2)
"""Pruning runs once a day; what is older than the limit by more than this was not pruned."""


def check_database(facts: StoreFacts) -> list[Finding]:
    """Look at version, tables and durability."""
    return [_tables(facts), *(_sqlite(facts) if facts.backend == "sqlite" else _server(facts))]


def _tables(facts: StoreFacts) -> Finding:
    if not facts.tables:
        advice = "lead-serve migrate, or start the service, which does the same."
        return warn("tables", "The database has no tables yet.", advice)
    if facts.tables < NEWEST:
        told = f"The tables are at version {facts.tables}; this program needs {NEWEST}."
        return fault("tables", told, "lead-serve backup FILE, then lead-serve migrate.")
    if facts.tables > NEWEST:
        told = f"The tables are at version {facts.tables}, of a newer program ({NEWEST} is ours)."
        return fault("tables", told, "Start the newer program, or restore a backup of this one.")
    n_rows = ", ".join(f"{n:,} {name}" for name, n in facts.n_rows.items() if n)
    return fine("tables", f"The tables are current (version {NEWEST}): {n_rows or 'empty'}.")


def _sqlite(facts: StoreFacts) -> list[Finding]:
    journal, synchronous = facts.modes["journal_mode"], facts.modes["synchronous"]
    why = (
        "its write-ahead log is safe"
        if facts.is_wal_safe
        else "in this version the write-ahead log can damage a file that two processes write, so "
        "it is not used"
    )
    found = [fine("database", f"SQLite {facts.version}, journal {journal}: {why}.")]
    if not facts.is_wal_safe:
        found.append(
            fine(
                "database",
                "Many writes a second? The write-ahead log is faster: PostgreSQL, or a Python with "
                "SQLite 3.51.3 or newer.",
            )
        )
    if synchronous not in ("2", "3"):
        told = f"SQLite's synchronous is {synchronous}: what was answered may be lost."
        found.append(fault("database", told, "This is a bug of the service. Report it."))
    return found


def _server(facts: StoreFacts) -> list[Finding]:
    commits, flushes = facts.modes.get("synchronous_commit", ""), facts.modes.get("fsync", "")
    told = f"PostgreSQL {facts.version}, synchronous_commit={commits}, fsync={flushes}."
    found = [fine("database", told)]
    if commits == "off":
        told = "The server has synchronous_commit=off; this service turns it on for itself."
        found.append(warn("database", told, "Set it to on for the database, so all agree."))
    if flushes == "off":
        told = "The server has fsync=off: a loss of power may damage the whole database."
        found.append(fault("database", told, "Set fsync=on in postgresql.conf."))
    if facts.modes.get("server_encoding", "UTF8") != "UTF8":
        told = f"The database's encoding is {facts.modes['server_encoding']}."
        found.append(
            fault("database", told, "Make a database with encoding UTF8; restore into it.")
        )
    return found


def check_callers(settings: ServeSettings, facts: StoreFacts, now: datetime) -> list[Finding]:
    """Look at keys and accounts: are there any, do they end soon, does anybody use them."""
    if settings.access == "open":
        return []
    valid = [key for key in facts.keys if key.is_valid(now)]
    found = []
    if not valid:
        told = "There is no valid key, so no program can call."
        found.append(warn("keys", told, "lead-serve key add --name NAME --scope score"))
    if not facts.n_accounts and not settings.proxy_header:
        told = "There is no account, so nobody can see the pages."
        found.append(warn("accounts", told, "lead-serve account add NAME --scope read"))
    found += _ending(valid, now)
    unused = [key for key in valid if _is_unused(key, now)]
    if unused:
        told = f"Not used for {UNUSED.days} days: {_named(unused)}."
        found.append(warn("keys", told, "lead-serve key revoke KEY_ID, if nobody needs them."))
    counted = f"{len(valid)} valid key(s), {facts.n_accounts} account(s)."
    return [fine("keys", counted), *found] if valid or facts.n_accounts else found


def _ending(valid: Sequence[KeyFacts], now: datetime) -> list[Finding]:
    ending = [key for key in valid if key.expires_at is not None and key.expires_at - now < SOON]
    if not ending:
        return []
    told = f"Ends within {SOON.days} days: {_named(ending)}."
    return [warn("keys", told, "lead-serve key rotate KEY_ID, and give the new one to the caller.")]


def _is_unused(key: KeyFacts, now: datetime) -> bool:
    return now - (key.last_used_at or key.made_at) > UNUSED


def _named(keys: Sequence[KeyFacts]) -> str:
    return f"key {shorten([key.key_id for key in keys])}"


def check_age(settings: ServeSettings, facts: StoreFacts, now: datetime) -> list[Finding]:
    """Compare what is stored with how long it may be kept, and that with what the line needs."""
    found = []
    if told := too_short(settings.retention_days):
        advice = f"Set LEAD_RETENTION_DAYS to {SHORTEST_DAYS} or more, or to 0."
        found = [warn("retention", told, advice)]
    if facts.oldest is None:
        return found
    days = (now - facts.oldest).days
    if not settings.retention_days:
        told = f"Nothing is ever deleted (LEAD_RETENTION_DAYS=0); the oldest is {days} days old."
        return [fine("retention", told)]
    if now - facts.oldest > timedelta(days=settings.retention_days) + LATE:
        told = f"Records of {days} days are there; {settings.retention_days} are agreed."
        advice = "lead-serve prune; a running service does so every day."
        return [*found, warn("retention", told, advice)]
    told = f"The oldest record is {days} days old; {settings.retention_days} are agreed."
    return [*found, fine("retention", told)]
