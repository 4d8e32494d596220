"""State: the numbered files of migrations/, each applied once and never changed afterwards."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from app.console import UserError
from app.schema.statements import SqlFile, read_sql_file, statement_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

INSTALL_FILE = "install.sql"
APPLIED_FILE = "applied.sql"
_NAME = re.compile(r"(\d{4})_\w+\.sql")

# Not schema_migrations: that name belongs to Rails, with another shape.
CREATE_LEDGER = """\
CREATE TABLE IF NOT EXISTS public.eventrank_migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE public.eventrank_migrations IS
'One row is one file of migrations/ that was applied, with the SHA-256 it had.';
"""

_LOCK_TRIES = 5


@dataclass(frozen=True)
class AppliedMigration:
    """What the database remembers of a migration."""

    name: str
    checksum: str


def read_migrations(directory: Path) -> list[SqlFile]:
    """Read the numbered files in order; a name that breaks the rule is refused."""
    if not directory.is_dir():
        raise UserError(f"{directory} is not a folder: it should hold the migrations")
    numbers: dict[str, str] = {}
    files = []
    for path in sorted(directory.glob("*.sql")):
        if path.name in {INSTALL_FILE, APPLIED_FILE}:
            continue
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise UserError(
                f"{directory.name}/{path.name} is not named like 0013_what_it_does.sql: rename it"
            )
        number = match.group(1)
        if number in numbers:
            raise UserError(
                f"{directory.name}/{path.name} has the number of {numbers[number]}: "
                "give the newer one the next free number"
            )
        numbers[number] = path.name
        files.append(read_sql_file(path, f"{directory.name}/{path.name}"))
    return files


def pending_migrations(
    files: Sequence[SqlFile], applied: Sequence[AppliedMigration]
) -> list[SqlFile]:
    """Return the files still to apply; history that was rewritten is refused."""
    by_name = {_base_name(file): file for file in files}
    for migration in applied:
        file = by_name.get(migration.name)
        if file is None:
            raise UserError(
                f"{migration.name} was applied to this database but is missing from migrations/: "
                "restore the file, or use the version of eventrank that has it"
            )
        if file.checksum != migration.checksum:
            raise UserError(
                f"{file.name} was changed after it had been applied to this database: "
                "restore it, and put the change into a new migration"
            )
    done = {migration.name for migration in applied}
    last = max(done, default="")
    pending = [file for file in files if _base_name(file) not in done]
    for file in pending:
        if _base_name(file) < last:
            raise UserError(
                f"{file.name} comes before {last}, which is applied already: "
                "migrations are only appended, give it a number after the last one"
            )
    return pending


async def read_applied(connection: asyncpg.Connection) -> list[AppliedMigration]:
    """Return what was applied, in order; nothing on a database never migrated."""
    if not await connection.fetchval(
        "SELECT to_regclass('public.eventrank_migrations') IS NOT NULL"
    ):
        return []
    rows = await connection.fetch(
        "SELECT m.name, m.checksum FROM public.eventrank_migrations AS m ORDER BY m.name"
    )
    return [AppliedMigration(row["name"], row["checksum"]) for row in rows]


async def apply_migration(
    connection: asyncpg.Connection,
    file: SqlFile,
    lock_timeout: float,
    say: Callable[[str], None],
) -> None:
    """Apply one file in one transaction; a lock that cannot be had is asked for a few times."""
    for attempt in range(1, _LOCK_TRIES + 1):
        try:
            await _run_once(connection, file, lock_timeout)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if attempt == _LOCK_TRIES:
                break
            say(f"{file.name}: a table is busy, trying again ({attempt} of {_LOCK_TRIES - 1})")
            await asyncio.sleep(0.05 * 2**attempt)
        else:
            return
    raise UserError(
        f"{file.name} could not lock a table within {lock_timeout:g} s, {_LOCK_TRIES} times: "
        f"{await oldest_transaction(connection)}; nothing of this file was applied"
    )


async def oldest_transaction(connection: asyncpg.Connection) -> str:
    """Name the session that most likely holds the lock, and what to do about it."""
    row = await connection.fetchrow("""
        SELECT
            a.pid,
            coalesce(nullif(a.application_name, ''), 'unnamed') AS application,
            coalesce(a.state, 'running') AS state,
            extract(epoch FROM clock_timestamp() - a.xact_start)::integer AS seconds
        FROM pg_stat_activity AS a
        WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
            AND a.xact_start IS NOT NULL AND a.backend_type = 'client backend'
        ORDER BY a.xact_start, a.pid
        LIMIT 1
    """)
    if row is None:
        return "look for long transactions in pg_stat_activity, then try again"
    return (
        f"the oldest transaction is pid {row['pid']} ({row['application']}, {row['state']}, "
        f"{row['seconds']} s); end it or wait, then try again"
    )


async def _run_once(connection: asyncpg.Connection, file: SqlFile, lock_timeout: float) -> None:
    async with connection.transaction():
        await set_local(connection, lock_timeout)
        for statement in file.statements:
            try:
                await connection.execute(statement.text)
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                raise
            except asyncpg.PostgresError as error:
                raise statement_error(error, file, statement) from error
        await connection.execute(CREATE_LEDGER)
        await connection.execute(
            "INSERT INTO public.eventrank_migrations (name, checksum) VALUES ($1, $2)",
            _base_name(file),
            file.checksum,
        )


async def set_local(connection: asyncpg.Connection, lock_timeout: float) -> None:
    """Prepare the transaction: bounded waits for locks, unqualified names mean public first."""
    await connection.execute(
        """
        SELECT
            set_config('lock_timeout', $1, true),
            set_config('statement_timeout', '0', true),
            set_config(
                'search_path',
                concat_ws(', ', 'public', nullif(current_setting('search_path'), '')),
                true
            )
        """,
        f"{max(round(lock_timeout * 1000), 1)}ms",
    )


def _base_name(file: SqlFile) -> str:
    return file.name.rpartition("/")[2]
