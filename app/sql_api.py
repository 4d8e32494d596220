"""The page about the SQL interface, written from COMMENT ON as the database has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.lineage import migrated_tables
from app.schema.catalog import read_installed, resolve
from app.schema.logic import DEFINITION_MARK, SCHEMA, SchemaObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import asyncpg

APPS_OWN = frozenset(
    f"public.{name}"
    for name in (
        "users",
        "events",
        "tags",
        "event_tags",
        "user_interest_tags",
        "user_hidden_tags",
        "user_blocked_organizers",
        "registrations",
        "favorite_events",
    )
)
"""Tables that belong to the app; eventrank only makes them where they are missing."""

TABLES = "tables"
_HIDDEN = {"installed_objects"}
_LONG = 96

_ROUTINES = """
    SELECT
        p.oid::bigint AS object_id,
        pg_get_function_arguments(p.oid) AS arguments,
        pg_get_function_result(p.oid) AS result,
        obj_description(p.oid, 'pg_proc') AS comment
    FROM pg_proc AS p
    WHERE p.oid = ANY ($1::oid[])
"""
_RELATIONS = """
    SELECT
        c.oid::bigint AS object_id,
        obj_description(c.oid, 'pg_class') AS comment
    FROM pg_class AS c
    WHERE c.oid = ANY ($1::oid[])
"""
_COLUMNS = """
    SELECT
        a.attrelid::bigint AS object_id,
        a.attname AS name,
        format_type(a.atttypid, a.atttypmod) AS type,
        a.attnotnull AS is_not_null,
        col_description(a.attrelid, a.attnum) AS comment
    FROM pg_attribute AS a
    WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum
"""
_TABLES = """
    SELECT
        c.relname AS name,
        c.oid::bigint AS object_id
    FROM unnest($1::text[]) AS t (name)
    INNER JOIN pg_class AS c ON c.oid = to_regclass(t.name) AND NOT c.relispartition
"""

_RAISE = re.compile(r"\bRAISE EXCEPTION USING((?:'(?:[^']|'')*'|[^';])*);", re.IGNORECASE)
_OPTION = re.compile(r"\b(ERRCODE|MESSAGE|HINT)\s*=\s*(?:format\(\s*)?'((?:[^']|'')*)'")


@dataclass(frozen=True)
class Column:
    """A column of a relation; `comment` is None where the name says enough."""

    name: str
    type: str
    is_not_null: bool
    comment: str | None


@dataclass(frozen=True)
class Entry:
    """One object of the interface."""

    kind: str
    name: str
    stage: str
    file: str
    comment: str | None
    signature: str = ""
    columns: tuple[Column, ...] = ()

    @property
    def is_private(self) -> bool:
        """Tell whether the name asks to be left alone."""
        return self.name.startswith("_") or self.name in _HIDDEN


@dataclass(frozen=True, order=True)
class Failure:
    """One RAISE of a function of ours; … stands for a value."""

    code: str
    message: str
    hint: str
    raised_by: str


async def read_entries(connection: asyncpg.Connection, migrations_dir: Path) -> list[Entry]:
    """Read what the database says of our objects, private ones as well, in order of their names."""
    installed = [item for item in await read_installed(connection) if item.kind != "index"]
    addresses = await resolve(connection, installed)
    oids = [oid for _, oid in addresses.values()]
    names = sorted(migrated_tables(migrations_dir) - APPS_OWN)
    tables = {row["object_id"]: row["name"] for row in await connection.fetch(_TABLES, names)}
    routines = {row["object_id"]: row for row in await connection.fetch(_ROUTINES, oids)}
    relations = {
        row["object_id"]: row for row in await connection.fetch(_RELATIONS, [*oids, *tables])
    }
    columns: dict[int, list[Column]] = {}
    for row in await connection.fetch(_COLUMNS, [*relations]):
        column = Column(row["name"], row["type"], row["is_not_null"], row["comment"])
        columns.setdefault(row["object_id"], []).append(column)
    entries = [
        Entry("table", name, TABLES, "", relations[oid]["comment"], columns=tuple(columns[oid]))
        for oid, name in tables.items()
    ]
    for item, (_, oid) in addresses.items():
        if item.arguments is None:
            comment = _without_mark(relations[oid]["comment"])
            entries.append(_entry(item, comment, columns=tuple(columns[oid])))
        else:
            row = routines[oid]
            signature = _signature(item, row["arguments"], row["result"])
            entries.append(_entry(item, row["comment"], signature=signature))
    return sorted(entries, key=lambda entry: (entry.name, entry.signature))


def read_failures(directory: Path) -> list[Failure]:
    """Find every RAISE in sql/ that has an SQLSTATE of ours."""
    failures = set()
    for path in sorted(directory.rglob("*.sql")):
        for match in _RAISE.finditer(path.read_text(encoding="utf-8")):
            options = dict(_OPTION.findall(match.group(1)))
            code, message, hint = (
                options.get(name, "").replace("''", "'").replace("%s", "…")
                for name in ("ERRCODE", "MESSAGE", "HINT")
            )
            failures.add(Failure(code, message, hint, path.stem))
    return sorted(failures)


def page(entries: Sequence[Entry], failures: Sequence[Failure], stages: Sequence[str]) -> str:
    """Write the page: a section for each stage, the tables, the errors."""
    public = [entry for entry in entries if not entry.is_private]
    sections = [
        f"## {stage}\n\n" + "\n".join(map(_describe, own))
        for stage in (*stages, TABLES)
        if (own := [entry for entry in public if entry.stage == stage])
    ]
    return f"""\
# SQL interface

Written by `make docs` from the comments in the database (`\\d+` and `\\df+` in psql show them too).
Views and functions live in the schema `{SCHEMA}`, tables in `public`. Names that begin with `_`
are private. Everything that depends on time speaks for `recommender.as_of()`.

{chr(10).join(sections)}
## Errors

What the functions raise by themselves; … stands for a value.

| SQLSTATE | meaning | what to do | raised by |
|---|---|---|---|
{"".join(_failure_rows(failures))}"""


def _entry(
    item: SchemaObject,
    comment: str | None,
    *,
    signature: str = "",
    columns: tuple[Column, ...] = (),
) -> Entry:
    stage = item.file.split("/")[1]
    return Entry(item.kind, item.name, stage, item.file, comment, signature, columns)


def _without_mark(comment: str | None) -> str | None:
    """Cut off the line by which the migrator recognises a materialized view's definition."""
    lines = (comment or "").splitlines()
    if lines and lines[-1].startswith(DEFINITION_MARK):
        lines.pop()
    return "\n".join(lines) or None


def _signature(item: SchemaObject, arguments: str, result: str | None) -> str:
    """Write how a routine is called, an argument a line where one line would be long."""
    call = "CALL " if item.kind == "procedure" else ""
    returns = f" → {result}" if result else ""
    line = f"{call}{SCHEMA}.{item.name}({arguments}){returns}"
    if len(line) <= _LONG:
        return line
    split = ",\n    ".join(_split(arguments))
    if result and result.startswith("TABLE("):
        returns = " → TABLE(\n    " + ",\n    ".join(_split(result[6:-1])) + "\n)"
    inner = f"\n    {split}\n" if arguments else ""
    return f"{call}{SCHEMA}.{item.name}({inner}){returns}"


def _split(arguments: str) -> list[str]:
    """Cut at commas outside parentheses and quotes."""
    parts, depth, is_quoted, start = [], 0, False, 0
    for position, character in enumerate(arguments):
        is_quoted ^= character == "'"
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0 and not is_quoted:
            parts.append(arguments[start:position].strip())
            start = position + 1
    return [*parts, arguments[start:].strip()]


def _describe(entry: Entry) -> str:
    source = f", `{entry.file}`" if entry.file else ""
    lines = [f"### {entry.name}", "", f"{entry.kind}{source}", ""]
    if entry.signature:
        lines += ["```", entry.signature, "```", ""]
    if entry.comment:
        lines += [_text(entry.comment), ""]
    if any(map(_notes, entry.columns)):
        lines += ["| column | type | |", "|---|---|---|"]
        lines += [f"| `{c.name}` | {c.type} | {_cell(_notes(c))} |" for c in entry.columns]
        lines.append("")
    elif entry.columns:
        lines += ["| column | type |", "|---|---|"]
        lines += [f"| `{column.name}` | {column.type} |" for column in entry.columns]
        lines.append("")
    return "\n".join(lines)


def _notes(column: Column) -> str:
    notes = ("not null" if column.is_not_null else "", _text(column.comment or ""))
    return "; ".join(note for note in notes if note)


def _failure_rows(failures: Iterable[Failure]) -> Iterable[str]:
    raised: dict[tuple[str, str, str], list[str]] = {}
    for failure in failures:
        key = (failure.code, failure.message, failure.hint)
        raised.setdefault(key, []).append(failure.raised_by)
    for (code, message, hint), functions in raised.items():
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(functions))
        yield f"| {code} | {_cell(message)} | {_cell(hint)} | {names} |\n"


def _text(comment: str) -> str:
    """Keep Markdown from reading stars, brackets and the like in a plain text."""
    return re.sub(r"([\\`*<>\[\]])", r"\\\1", " ".join(comment.split()))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
