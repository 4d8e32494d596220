"""The database's schema: migrations/ for state, applied once; sql/ for logic, re-applied."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from app.console import UserError, describe_database_error
from app.schema.logic import Logic, read_logic
from app.schema.migrations import (
    apply_migration,
    pending_migrations,
    read_applied,
    read_migrations,
)
from app.schema.reapply import ADVISORY_LOCK, is_current, reapply, safe_lock_timeout
from app.settings import store_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.schema.statements import SqlFile

__all__ = ["MIGRATIONS_DIR", "SQL_DIR", "MigrationReport", "Plan", "migrate", "plan_migration"]

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS_DIR = ROOT / "migrations"
SQL_DIR = ROOT / "sql"
DEFAULT_LOCK_TIMEOUT = 2.0


@dataclass(frozen=True)
class Plan:
    """What a migration would do."""

    pending: list[SqlFile]
    logic: Logic
    is_logic_current: bool

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to do."""
        return not self.pending and self.is_logic_current


@dataclass
class MigrationReport:
    """What a migration did."""

    applied: list[str] = field(default_factory=list)
    sql_objects: int = 0
    """How many objects sql/ defines, if it was re-applied."""
    remade: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the result in one sentence."""
        done = []
        if self.applied:
            count = len(self.applied)
            done.append(f"{count} migration{'s' if count > 1 else ''} applied")
        if self.sql_objects:
            done.append(f"sql/ re-applied ({self.sql_objects} objects)")
        if self.settings:
            done.append(f"settings stored: {', '.join(self.settings)}")
        return ", ".join(done) or "nothing to do"


async def plan_migration(
    connection: asyncpg.Connection,
    *,
    migrations_dir: Path = MIGRATIONS_DIR,
    sql_dir: Path = SQL_DIR,
) -> Plan:
    """Compare the files with the database, and change nothing."""
    async with _clear_about_rights(connection):
        return await _plan(connection, migrations_dir, sql_dir)


async def _plan(connection: asyncpg.Connection, migrations_dir: Path, sql_dir: Path) -> Plan:
    files = read_migrations(migrations_dir)
    logic = read_logic(sql_dir)
    pending = pending_migrations(files, await read_applied(connection))
    return Plan(pending, logic, await is_current(connection, logic))


async def migrate(
    connection: asyncpg.Connection,
    *,
    migrations_dir: Path = MIGRATIONS_DIR,
    sql_dir: Path = SQL_DIR,
    lock_timeout: float = DEFAULT_LOCK_TIMEOUT,
    force: bool = False,
    say: Callable[[str], None] = lambda _message: None,
) -> MigrationReport:
    """Bring the database to the state of the files; `say` hears of each step as it is done."""
    report = MigrationReport()
    async with _migration_lock(connection, say), _clear_about_rights(connection):
        plan = await _plan(connection, migrations_dir, sql_dir)
        if not plan.is_empty or force:
            await _refuse_read_only(connection)
        for file in plan.pending:
            await apply_migration(connection, file, lock_timeout, say)
            report.applied.append(file.name)
            say(f"applied {file.name}")
        if force or not plan.is_logic_current:
            await _reapply_logic(connection, plan.logic, lock_timeout, say, report)
        report.settings = await _store_environment(connection)
    return report


async def _reapply_logic(
    connection: asyncpg.Connection,
    logic: Logic,
    lock_timeout: float,
    say: Callable[[str], None],
    report: MigrationReport,
) -> None:
    changes = await reapply(
        connection, logic, await safe_lock_timeout(connection, lock_timeout), say
    )
    report.sql_objects = len(logic.objects)
    report.remade, report.dropped = changes.remade, changes.dropped
    for name in changes.remade:
        say(f"made again {name}")
    for name in changes.dropped:
        say(f"dropped {name}")
    for name in changes.filled:
        # The planner has to know the new rows, and index-only scans need them marked visible.
        await connection.execute(f"VACUUM (ANALYZE, SKIP_LOCKED) {name}")
    if changes.kept:
        say(f"kept as last refreshed: {', '.join(changes.kept)}")


@contextlib.asynccontextmanager
async def _migration_lock(
    connection: asyncpg.Connection, say: Callable[[str], None]
) -> AsyncIterator[None]:
    """Let one process migrate at a time; the server frees the lock when a process dies."""
    with contextlib.suppress(asyncpg.InvalidParameterValueError):  # not on every platform
        await connection.execute("SET client_connection_check_interval = '1s'")
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", ADVISORY_LOCK):
        say(f"waiting for {await _lock_holder(connection)}, which is migrating this database")
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
            await connection.execute("SELECT pg_advisory_lock($1)", ADVISORY_LOCK)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", ADVISORY_LOCK)
            with contextlib.suppress(asyncpg.InvalidParameterValueError):
                await connection.execute("RESET client_connection_check_interval")


async def _refuse_read_only(connection: asyncpg.Connection) -> None:
    row = await connection.fetchrow("""
        SELECT
            pg_is_in_recovery() AS is_standby,
            current_setting('transaction_read_only') = 'on' AS is_read_only
    """)
    if row is not None and row["is_standby"]:
        raise UserError("the server is a standby: migrate its primary, the standby follows")
    if row is not None and row["is_read_only"]:
        raise UserError(
            "this connection is read-only (default_transaction_read_only): migrate as a role and "
            "on a database that may write"
        )


async def _lock_holder(connection: asyncpg.Connection) -> str:
    pid = await connection.fetchval(
        """
        SELECT l.pid
        FROM pg_locks AS l
        INNER JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.classid::bigint << 32 | l.objid::bigint = $1
        """,
        ADVISORY_LOCK,
    )
    return f"the session with pid {pid}" if pid else "another session"


@contextlib.asynccontextmanager
async def _clear_about_rights(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Add who could do it to the server's complaint that this role may not."""
    try:
        yield
    except UserError as error:
        if isinstance(error.__cause__, asyncpg.InsufficientPrivilegeError):
            raise UserError(f"{error} {await _who_may(connection)}") from error
        raise
    except asyncpg.InsufficientPrivilegeError as error:
        message = describe_database_error(error)
        raise UserError(f"{message} {await _who_may(connection)}") from error


async def _who_may(connection: asyncpg.Connection) -> str:
    row = await connection.fetchrow("""
        SELECT
            current_user::text AS role,
            pg_get_userbyid(coalesce(n.nspowner, d.datdba))::text AS owner
        FROM pg_database AS d
        LEFT JOIN pg_namespace AS n ON n.nspname = 'recommender'
        WHERE d.datname = current_database()
    """)
    assert row is not None  # the current database exists
    return f"This is the role {row['role']}; migrate as {row['owner']} or as a superuser"


async def _store_environment(connection: asyncpg.Connection) -> list[str]:
    """Store the environment's settings, where sql/ has settings at all."""
    if await connection.fetchval("SELECT to_regclass('recommender.setting_defaults') IS NULL"):
        return []
    return await store_environment(connection)
