"""What each object of sql/ reads, calls and writes.

sqlglot parses the views. The bodies of functions and procedures are opaque to it; there a scan for
qualified names has to do, which is why every name in sql/ carries its schema.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from app.console import UserError
from app.schema.logic import SCHEMA, SchemaObject, read_logic

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.schema.statements import SqlFile, Statement

APP_TABLES = frozenset(
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
        "event_interactions",
        "user_implicit_interest_tags",
        "user_implicit_interest_categories",
        "user_implicit_interest_cities",
    )
)
"""What is kept about people and events; only the source stage reads it, and the demo's."""

_CREATE = re.compile(
    rf"CREATE (?:OR REPLACE )?(?P<kind>VIEW|MATERIALIZED VIEW|FUNCTION|PROCEDURE) "
    rf"(?:IF NOT EXISTS )?{SCHEMA}\.(?P<name>\w+)",
    re.IGNORECASE,
)
_NAME = re.compile(rf"\b(?:{SCHEMA}|public|pg_temp)\.\w+")
_QUOTED = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
_BODY = re.compile(r"\bAS \$\w*\$|\bBEGIN ATOMIC\b", re.IGNORECASE)
_TYPED = re.compile(rf"\b[pv]_\w+\s+(?:CONSTANT\s+)?((?:{SCHEMA}|public)\.\w+)", re.IGNORECASE)
_WRITE = re.compile(
    rf"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+((?:{SCHEMA}|public|pg_temp)\.\w+)"
    r"|\bCREATE\s+TEMPORARY\s+TABLE\s+(\w+)",
    re.IGNORECASE,
)
_UPKEEP = re.compile(
    r"\b(?:ANALYZE|REFRESH\s+MATERIALIZED\s+VIEW|(?:DROP|LOCK|ALTER)\s+TABLE"
    r"|CREATE\s+(?:UNIQUE\s+)?INDEX)\b[^;]*;",
    re.IGNORECASE,
)
_CREATE_TABLE = re.compile(
    r"\bCREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(public\.\w+)", re.IGNORECASE
)


@dataclass(frozen=True)
class LineageObject:
    """A view, function or procedure of sql/; all names carry their schema."""

    name: str
    kind: str
    file: str
    needs: frozenset[str]
    """What has to exist when it is created."""
    reads: frozenset[str]
    """The relations it reads and the routines it calls."""
    writes: frozenset[str]
    """The tables it changes; pg_temp ones are those of the session."""
    columns: tuple[str, ...] = ()

    @property
    def stage(self) -> str:
        """Return the folder: a stage of the pipeline."""
        return self.file.split("/")[1]

    @property
    def is_routine(self) -> bool:
        """Tell a function or procedure from a view."""
        return self.kind in {"function", "procedure"}


def read_lineage(directory: Path) -> tuple[LineageObject, ...]:
    """Read sql/ in the order in which it is loaded."""
    return tuple(
        item
        for file in read_logic(directory).files
        for statement in file.statements
        for item in _read_statement(file, statement)
    )


def migrated_tables(directory: Path) -> frozenset[str]:
    """Return the tables that migrations/ creates."""
    return frozenset(
        name
        for path in directory.glob("*.sql")
        for name in _CREATE_TABLE.findall(without_quoted(path.read_text(encoding="utf-8")))
    )


def order_violations(
    objects: Iterable[LineageObject], tables: Iterable[str]
) -> list[tuple[LineageObject, str]]:
    """Return each object with what it needs and what does not exist yet when it is created."""
    existing = set(tables)
    violations: list[tuple[LineageObject, str]] = []
    for item in objects:
        violations.extend((item, name) for name in sorted(item.needs - existing))
        existing.add(item.name)
    return violations


def without_quoted(text: str) -> str:
    """Blank comments and literals: a name in them is no reference."""
    return _QUOTED.sub(" ", text)


def names_in(text: str) -> frozenset[str]:
    """Return the names with a schema in a piece of SQL."""
    return frozenset(_NAME.findall(without_quoted(text)))


def _read_statement(file: SqlFile, statement: Statement) -> Iterable[LineageObject]:
    match = _CREATE.match(statement.plain)
    if match is None:
        return
    item = SchemaObject(match["kind"].lower(), match["name"], None, file.name)
    read = _read_view if item.kind.endswith("view") else _read_routine
    yield read(item, statement)


def _read_view(item: SchemaObject, statement: Statement) -> LineageObject:
    tree = sqlglot.parse_one(statement.text, dialect="postgres")
    query = tree.args.get("expression")
    if not isinstance(tree, exp.Create) or not isinstance(query, exp.Query):
        raise UserError(f"{item.file}, line {statement.line}: sqlglot cannot read this view")
    reads = set(_called(query))
    ctes = {cte.alias for cte in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        if table.db:
            reads.add(f"{table.db}.{table.this.name}")
        elif isinstance(table.this, exp.Identifier) and table.name not in ctes:
            raise UserError(f"{item.file}: the relation {table.name} needs its schema")
    found = frozenset(reads)
    columns = tuple(query.named_selects)
    return LineageObject(str(item), item.kind, item.file, found, found, frozenset(), columns)


def _called(query: exp.Query) -> Iterable[str]:
    for dot in query.find_all(exp.Dot):
        if isinstance(dot.expression, exp.Anonymous):
            yield f"{dot.this.name}.{dot.expression.name}"


def _read_routine(item: SchemaObject, statement: Statement) -> LineageObject:
    name = str(item)
    split = _BODY.search(statement.text)
    if split is None:
        raise UserError(f"{item.file}, line {statement.line}: {name} has no body")
    header = names_in(statement.text[: split.start()]) - {name}
    body = without_quoted(statement.text[split.end() :])
    is_atomic = split.group().upper() == "BEGIN ATOMIC"
    # plpgsql looks up the types of its variables at once, everything else when it runs.
    needs = header | (names_in(body) if is_atomic else frozenset(_TYPED.findall(body)))
    body = _UPKEEP.sub(" ", _TYPED.sub(" ", body))
    writes = {table or f"pg_temp.{temporary}" for table, temporary in _WRITE.findall(body)}
    reads = names_in(_WRITE.sub(" ", body))
    return LineageObject(
        name, item.kind, item.file, needs - {name}, reads - {name}, frozenset(writes)
    )
