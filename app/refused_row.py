"""Say in one sentence which row of which file the database refused, and why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from app.console import describe_database_error
from app.csv_table import NULL, CsvTable, Record, shorten, split_record

if TYPE_CHECKING:
    from collections.abc import Sequence

# The words of these messages follow the server's language, their punctuation does not.
COPY_CONTEXT = re.compile(r"^COPY [^,]+, \D+ (\d+)(?:, \w+ (\w+))?", re.MULTILINE)
KEY_DETAIL = re.compile(r"\(([^()]+)\)=\((.*)\)", re.DOTALL)

CHECK_SQL = """
SELECT
    pg_get_constraintdef(rule.oid) AS definition,
    ARRAY(
        SELECT attribute.attname::text
        FROM pg_attribute AS attribute
        WHERE attribute.attrelid = rule.conrelid AND attribute.attnum = ANY (rule.conkey)
    ) AS column_names
FROM pg_constraint AS rule
WHERE rule.conname = $1 AND rule.contype = 'c'
ORDER BY rule.conrelid = to_regclass(format('public.%I', $2::text)) DESC
LIMIT 1
"""


class Place(NamedTuple):
    """Where in a file the database stopped, as far as it said."""

    record: Record | None
    column: str | None


async def explain_refusal(
    connection: asyncpg.Connection[asyncpg.Record], file: CsvTable, error: asyncpg.PostgresError
) -> str:
    """Turn the error of a COPY, already rolled back, into a sentence about the file."""
    place = _find_place(file, error)
    names, values = _key(error)
    message: str | None = None
    match error:
        case asyncpg.ForeignKeyViolationError() if names:
            message = _explain_reference(file, error, names, values)
        case asyncpg.UniqueViolationError() if names:
            message = _explain_duplicate(file, error, place, names, values)
        case asyncpg.CheckViolationError() if error.constraint_name:
            rule = await connection.fetchrow(CHECK_SQL, error.constraint_name, file.table)
            message = _explain_check(file, error, place, rule) if rule else None
        case asyncpg.NotNullViolationError():
            message = f"{_at(file, place)}: a value is required here, not NULL ({NULL})"
        case asyncpg.DataError() if place.record is not None:
            message = _explain_shape(file, place.record)
    return message or f"{_at(file, place)}: {_describe(file, error, place)}"


def _explain_shape(file: CsvTable, record: Record) -> str | None:
    """Blame the row before the value: an unquoted comma makes the values after it wrong."""
    where = _at(file, Place(record, None))
    if not record.is_closed:
        return f"{where}: a quote that opens in this row is never closed"
    is_cut = record.text.count('"') % 2 == 1
    found, named = len(split_record(record.text)), len(file.columns)
    if is_cut or found == named:
        return None
    return f"{where}: {_count(found, 'value')} where the header names {_count(named, 'column')}"


def _explain_reference(
    file: CsvTable, error: asyncpg.PostgresError, names: Sequence[str], values: Sequence[str]
) -> str:
    place = Place(_find_values(file, names, values), ", ".join(names))
    target = re.search(r'"([^"]+)"[^"]*$', error.detail or "")
    there = f"table {target[1]}" if target else "the table it refers to"
    return (
        f"{_at(file, place)}: {shorten(', '.join(values))} is not in {there}"
        f" ({error.constraint_name})"
    )


def _explain_duplicate(
    file: CsvTable,
    error: asyncpg.PostgresError,
    place: Place,
    names: Sequence[str],
    values: Sequence[str],
) -> str:
    # The file may write a value otherwise than the database does (a moment, a number).
    written = _values(file, place.record, names) if set(names) <= set(file.columns) else []
    first = _find_values(file, names, written)
    if first is not None and place.record is not None and first.line < place.record.line:
        cause = f"is on line {first.line} already"
    elif written == values:
        cause = f"is in table {file.table} already; --replace empties the table first"
    else:
        cause = f"is further up or in table {file.table} already; --replace empties the table first"
    return (
        f"{_at(file, Place(place.record, None))}: {', '.join(names)} ="
        f" {shorten(', '.join(values))} {cause} ({error.constraint_name})"
    )


def _explain_check(
    file: CsvTable, error: asyncpg.PostgresError, place: Place, rule: asyncpg.Record
) -> str:
    names = [name for name in rule["column_names"] if name in file.columns]
    shown = [f"'{shorten(value)}'" for value in _values(file, place.record, names)]
    return (
        f"{_at(file, Place(place.record, ', '.join(names) or None))}: {', '.join(shown)} breaks"
        f" the rule {error.constraint_name}: {rule['definition']}"
    )


def _describe(file: CsvTable, error: asyncpg.PostgresError, place: Place) -> str:
    message = describe_database_error(error).removesuffix(".")
    if place.record is not None and place.column in file.columns:
        (value,) = _values(file, place.record, [place.column])
        shown = shorten(value)
        message = message.replace(value, shown) if value else rf"{message} (NULL is written {NULL})"
        if shown not in message:
            message = f"'{shown}': {message}"
    return "".join(c if c.isprintable() else " " for c in message)


def _find_place(file: CsvTable, error: asyncpg.PostgresError) -> Place:
    context = COPY_CONTEXT.search(error.context or "")
    if context is None:
        return Place(None, error.column_name)
    reported_line = int(context[1])
    record = next((r for r in file.records() if r.reported_line >= reported_line), None)
    return Place(record, error.column_name or context[2])


def _find_values(file: CsvTable, names: Sequence[str], values: Sequence[str]) -> Record | None:
    if not values or not set(names) <= set(file.columns):
        return None
    wanted = list(values)
    return next((r for r in file.records() if _values(file, r, names) == wanted), None)


def _values(file: CsvTable, record: Record | None, names: Sequence[str]) -> list[str]:
    if record is None:
        return []
    row = dict(zip(file.columns, split_record(record.text), strict=False))
    return [row.get(name, "") for name in names]


def _key(error: asyncpg.PostgresError) -> tuple[list[str], list[str]]:
    """Read the names and values of the key that was refused: "Key (a, b)=(1, 2) …"."""
    found = KEY_DETAIL.search(error.detail or "")
    if found is None:
        return [], []
    names = found[1].split(", ")
    return names, found[2].split(", ", len(names) - 1)


def _at(file: CsvTable, place: Place) -> str:
    parts = [file.name]
    if place.record is not None:
        parts.append(f"line {place.record.line}")
    if place.column:
        parts.append(f"column {place.column}")
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
