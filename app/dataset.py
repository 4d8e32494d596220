"""Fill the app's tables from a folder of CSV files: everything or nothing."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import asyncpg

from app.console import UsageError, UserError
from app.csv_table import NULL, CsvTable, shorten
from app.refused_row import explain_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    Connection = asyncpg.Connection[asyncpg.Record]

TABLES = (
    "users",
    "tags",
    "events",
    "event_tags",
    "user_interest_tags",
    "user_hidden_tags",
    "user_blocked_organizers",
    "registrations",
    "favorite_events",
    "event_interactions",
    "user_implicit_interest_tags",
    "user_implicit_interest_categories",
    "user_implicit_interest_cities",
)
"""What a dataset may hold, each table after those it refers to."""

SUFFIXES = (".csv.gz", ".csv")
LOCK_NAME = "eventrank load_dataset"

COLUMNS_SQL = """
SELECT
    wanted.table_name,
    attribute.attname::text AS column_name,
    attribute.attgenerated <> '' AS is_generated,
    attribute.attnotnull
    AND NOT attribute.atthasdef
    AND attribute.attidentity = '' AS is_required
FROM unnest($1::text[]) AS wanted (table_name)
INNER JOIN pg_attribute AS attribute
    ON attribute.attrelid = to_regclass(format('public.%I', wanted.table_name))
WHERE attribute.attnum > 0 AND NOT attribute.attisdropped
ORDER BY wanted.table_name, attribute.attnum
"""

# Every table that refers to one of ours, or to one that does; a partition counts as its parent.
DEPENDANTS_SQL = """
WITH RECURSIVE emptied AS (
    SELECT format('public.%I', given.table_name)::regclass AS relation
    FROM unnest($1::text[]) AS given (table_name)
    UNION
    SELECT coalesce(pg_partition_root(reference.conrelid), reference.conrelid)::regclass
    FROM emptied
    INNER JOIN pg_constraint AS reference ON reference.confrelid = emptied.relation
    WHERE reference.contype = 'f'
)
SELECT
    emptied.relation::text AS table_name,
    emptied.relation <> ALL (
        SELECT format('public.%I', given.table_name)::regclass
        FROM unnest($1::text[]) AS given (table_name)
    ) AS is_foreign,
    format('SELECT EXISTS (SELECT FROM %s)', emptied.relation) AS has_rows_sql
FROM emptied
ORDER BY table_name
"""

# One statement per sequence that numbers a loaded table, owned or only used as the default.
SEQUENCES_SQL = """
SELECT
    format(
        'SELECT setval(%L, max(%I)) FROM %s HAVING max(%I) >= (SELECT last_value FROM %s)',
        counter.sequence_name,
        attribute.attname,
        attribute.attrelid::regclass,
        attribute.attname,
        counter.sequence_name
    )
FROM unnest($1::text[]) AS loaded (table_name)
INNER JOIN pg_attribute AS attribute
    ON attribute.attrelid = format('public.%I', loaded.table_name)::regclass
INNER JOIN LATERAL (
    SELECT DISTINCT sequence.oid::regclass::text AS sequence_name
    FROM pg_class AS sequence
    INNER JOIN pg_depend AS dependency
        ON dependency.classid = 'pg_class'::regclass
        AND dependency.objid = sequence.oid
        AND dependency.refobjid = attribute.attrelid
        AND dependency.refobjsubid = attribute.attnum
        OR dependency.classid = 'pg_attrdef'::regclass
        AND dependency.refobjid = sequence.oid
        AND dependency.objid = (
            SELECT column_default.oid
            FROM pg_attrdef AS column_default
            WHERE
                column_default.adrelid = attribute.attrelid
                AND column_default.adnum = attribute.attnum
        )
    WHERE sequence.relkind = 'S'
) AS counter ON true
WHERE attribute.attnum > 0 AND NOT attribute.attisdropped
"""


class _RefusedError(Exception):
    """The database refused a file; explained once the transaction is rolled back."""

    def __init__(self, file: CsvTable, error: asyncpg.PostgresError) -> None:
        super().__init__(file.name)
        self.file = file
        self.error = error


async def load_dataset(
    connection: Connection,
    directory: Path,
    *,
    only: Collection[str] = (),
    replace: bool = False,
    on_file: Callable[[CsvTable], None] = lambda _: None,
) -> dict[str, int]:
    """Load the folder's files in one transaction and return the rows loaded per table."""
    files = find_files(directory, only)
    tables = [file.table for file in files]
    try:
        async with connection.transaction():
            counts = await _load(connection, files, replace=replace, on_file=on_file)
    except _RefusedError as refused:
        message = await explain_refusal(connection, refused.file, refused.error)
        raise UserError(message) from refused.error
    # Index-only scans, which scoring lives on, need the visibility map that VACUUM writes.
    names = ", ".join(f"public.{table}" for table in tables)
    is_nested = connection.is_in_transaction()
    await connection.execute(f"ANALYZE {names}" if is_nested else f"VACUUM (ANALYZE) {names}")
    return counts


def find_files(directory: Path, only: Collection[str] = ()) -> list[CsvTable]:
    """Find the folder's tables, in the order they must be loaded, and read their headers."""
    known = ", ".join(TABLES)
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a folder")
    paths: dict[str, Path] = {}
    unknown: list[str] = []
    try:
        present = sorted(directory.iterdir())
    except OSError as error:
        raise UsageError(f"{directory} cannot be read: {error.strerror}") from error
    for path in present:
        suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
        if suffix is None:
            continue
        table = path.name.removesuffix(suffix)
        if only and table not in only:
            continue
        if table not in TABLES:
            unknown.append(path.name)
        elif table in paths:
            raise UserError(f"{directory} holds both {paths[table].name} and {path.name}: keep one")
        else:
            paths[table] = path
    if missing := [table for table in only if table not in paths]:
        raise UsageError(f"{directory} has no {missing[0]}.csv.gz or {missing[0]}.csv")
    if not paths:
        raise UsageError(f"{directory} has no <table>.csv.gz or <table>.csv of these: {known}")
    if unknown:
        raise UserError(
            f"{', '.join(unknown)}: no such table; a dataset may hold {known}"
            " (rename or remove the file, or name what to load with --only)"
        )
    return [CsvTable(paths[table], table) for table in TABLES if table in paths]


async def _load(
    connection: Connection,
    files: Sequence[CsvTable],
    *,
    replace: bool,
    on_file: Callable[[CsvTable], None],
) -> dict[str, int]:
    if not await connection.fetchval("SELECT pg_try_advisory_xact_lock(hashtext($1))", LOCK_NAME):
        raise UserError("another load_dataset.py is filling this database: wait for its end")
    # A timestamp without a zone means UTC, whatever the server's own settings are.
    await connection.execute("SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'")
    # Rows whose commit is not flushed yet cannot be marked all-visible by the VACUUM that follows.
    await connection.execute("SET LOCAL synchronous_commit = on")
    await _check_columns(connection, files)
    if replace:
        await _empty(connection, [file.table for file in files])
    counts: dict[str, int] = {}
    for file in files:
        on_file(file)
        counts[file.table] = await _copy(connection, file)
    try:
        await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except asyncpg.PostgresError as error:
        refused = next((file for file in files if file.table == error.table_name), files[-1])
        raise _RefusedError(refused, error) from error
    for (statement,) in await connection.fetch(SEQUENCES_SQL, list(counts)):
        await connection.execute(statement)
    return counts


async def _check_columns(connection: Connection, files: Sequence[CsvTable]) -> None:
    rows = await connection.fetch(COLUMNS_SQL, [file.table for file in files])
    for file in files:
        columns = {row["column_name"]: row for row in rows if row["table_name"] == file.table}
        if not columns:
            raise UserError(
                f"the database has no table {file.table} for {file.name}:"
                " run .venv/bin/python scripts/migrate.py first"
            )
        for position, name in enumerate(file.columns):
            if name not in columns:
                raise UserError(
                    f"{file.name}, line 1, column {position + 1}: table {file.table} has no column"
                    f" '{shorten(name)}', it has {', '.join(columns)}; the first line must name"
                    " the columns"
                )
            if columns[name]["is_generated"]:
                raise UserError(
                    f"{file.name}, line 1, column {name}: the database computes this column;"
                    " leave it out"
                )
            if name in file.columns[:position]:
                raise UserError(f"{file.name}, line 1, column {name}: it is there twice")
        for name, column in columns.items():
            if column["is_required"] and name not in file.columns:
                raise UserError(
                    f"{file.name}, line 1: column {name} is missing, and table {file.table}"
                    " has no default for it"
                )


async def _empty(connection: Connection, tables: Sequence[str]) -> None:
    """Empty the tables, and those that refer to them only if they are empty anyway."""
    rows = await connection.fetch(DEPENDANTS_SQL, tables)
    names = ", ".join(row["table_name"] for row in rows)
    try:
        await connection.execute("SET LOCAL lock_timeout = '10s'")
        await connection.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
        await connection.execute("SET LOCAL lock_timeout = DEFAULT")
    except asyncpg.LockNotAvailableError as error:
        raise UserError(
            f"--replace could not lock {names} within 10 seconds:"
            " another session is using them; try again when it is done"
        ) from error
    in_the_way = [
        row["table_name"]
        for row in rows
        if row["is_foreign"] and await connection.fetchval(row["has_rows_sql"])
    ]
    if in_the_way:
        raise UserError(
            f"--replace would have to empty {', '.join(in_the_way)} as well, which the folder has"
            " no file for and whose rows refer to what it replaces; add a file for each (a header"
            " alone empties it), or empty them yourself first"
        )
    await connection.execute(f"TRUNCATE {names}")


async def _copy(connection: Connection, file: CsvTable) -> int:
    try:
        async with aclosing(file.stream()) as source:
            status = await connection.copy_to_table(
                file.table,
                schema_name="public",
                columns=file.columns,
                source=source,
                format="csv",
                header=True,
                null=NULL,
            )
    except asyncpg.PostgresError as error:
        raise _RefusedError(file, error) from error
    return int(status.removeprefix("COPY "))
