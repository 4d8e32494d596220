"""Logic: the files of sql/, the objects they define, and the stamp that says so in the database."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.console import UserError
from app.schema.statements import SqlFile, Statement, read_sql_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SCHEMA = "recommender"
INSTALL_FILE = "install.sql"
STAMP_FILE = "stamp.sql"
DEFINITION_MARK = "Definition sha256:"

_INCLUDE = re.compile(r"\\ir\s+'?([\w./-]+)'?\s*")
_IDENTIFIER = r'"?(\w+)"?'
_CREATE = re.compile(
    rf"""
    CREATE \s (?:OR \s REPLACE \s)?
    (?: (?P<index> (?:UNIQUE \s)? INDEX) \s (?:IF \s NOT \s EXISTS \s)? {_IDENTIFIER}
        \s ON \s (?:ONLY \s)? {SCHEMA}\.{_IDENTIFIER}
      | (?P<kind> VIEW | MATERIALIZED \s VIEW | FUNCTION | PROCEDURE) \s
        (?:IF \s NOT \s EXISTS \s)? {SCHEMA}\.{_IDENTIFIER} \s? (?P<rest> .*) )
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_CREATE_SCHEMA = re.compile(
    rf"CREATE SCHEMA (?:IF NOT EXISTS )?{SCHEMA}\b(?! CREATE)", re.IGNORECASE
)
_COMMENT = re.compile(
    rf"COMMENT ON MATERIALIZED VIEW {SCHEMA}\.{_IDENTIFIER} IS ('(?:[^']|'')*')",
    re.IGNORECASE | re.DOTALL,
)
_ARGUMENT_MODE = re.compile(r"(IN OUT|INOUT|IN|OUT|VARIADIC)\s+", re.IGNORECASE)
_ARGUMENT_DEFAULT = re.compile(r"\s+DEFAULT\s.*|\s*:?=.*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, order=True)
class SchemaObject:
    """A thing that sql/ defines; `arguments` are the input types of a routine, as written."""

    kind: str
    name: str
    arguments: tuple[str, ...] | None
    file: str

    def __str__(self) -> str:
        """Return how a person names it."""
        arguments = "" if self.arguments is None else f"({', '.join(self.arguments)})"
        return f"{SCHEMA}.{self.name}{arguments}"


@dataclass(frozen=True)
class Logic:
    """The whole of sql/ in load order."""

    files: tuple[SqlFile, ...]
    objects: tuple[SchemaObject, ...]
    definitions: dict[str, str]
    """The hash of each materialized view's definition, its indexes included."""
    checksum: str

    def objects_of(self, file: SqlFile) -> list[SchemaObject]:
        """Return what one file defines."""
        return [item for item in self.objects if item.file == file.name]


def read_logic(directory: Path) -> Logic:
    """Read sql/ by its map; a file that the map forgets or repeats is refused."""
    map_name = f"{directory.name}/{INSTALL_FILE}"
    names = _read_map(directory / INSTALL_FILE, map_name)
    on_disk = {path.relative_to(directory).as_posix() for path in directory.rglob("*.sql")}
    forgotten = sorted(on_disk - set(names) - {INSTALL_FILE, STAMP_FILE})
    if forgotten:
        raise UserError(f"{directory.name}/{forgotten[0]} is not in {map_name}: add or remove it")
    files = tuple(
        read_sql_file(directory / name, f"{directory.name}/{name}")
        for name in names
        if name != STAMP_FILE
    )
    objects: list[SchemaObject] = []
    for file in files:
        objects.extend(_objects_of(file))
    _refuse_duplicates(objects)
    stamp = f"{directory.name}/{STAMP_FILE}"
    objects.append(SchemaObject("view", "installed_objects", None, stamp))
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name.partition('/')[2]} {file.checksum}\n".encode())
    return Logic(files, tuple(objects), dict(_definitions(files)), digest.hexdigest())


def stamp_sql(logic: Logic) -> str:
    """Write the statements that record, inside the schema, what was installed into it."""
    rows = ",\n".join(_stamp_row(item) for item in sorted(logic.objects))
    comments = "".join(_definition_comments(logic))
    return f"""\
-- Written by scripts/migrate.py --write-stamps: which objects are ours, and from which files.

CREATE OR REPLACE VIEW {SCHEMA}.installed_objects AS
SELECT
    o.kind,
    o.name,
    o.arguments,
    o.file
FROM (
    VALUES
{rows}
) AS o (kind, name, arguments, file);

COMMENT ON VIEW {SCHEMA}.installed_objects IS
'One row is one object that a file of sql/ defines. What is not listed here is never dropped.';

{comments}COMMENT ON SCHEMA {SCHEMA} IS
'Views and functions of eventrank, all made by the files of sql/; their sha256 is
{logic.checksum}';
"""  # noqa: S608 (text for a file of ours, every name in it is quoted)


def _read_map(path: Path, name: str) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{name} does not exist: it lists the files of sql/ in order") from None
    names: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("--"):
            continue
        match = _INCLUDE.fullmatch(line)
        if match is None:
            raise UserError(f"{name}, line {number}: expected \\ir and a file, found {line!r}")
        if match.group(1) in names:
            raise UserError(f"{name}, line {number}: {match.group(1)} is listed twice")
        names.append(match.group(1))
    return names


def _objects_of(file: SqlFile) -> Iterable[SchemaObject]:
    for statement in file.statements:
        if not statement.plain.upper().startswith("CREATE "):
            continue
        if _CREATE_SCHEMA.match(statement.plain):
            continue
        match = _CREATE.match(statement.plain)
        if match is None:
            raise UserError(
                f"{file.name}, line {statement.line}: a file of sql/ may create views, "
                f"materialized views and their indexes, functions and procedures in {SCHEMA}, "
                f"not this: {statement.plain[:60]}"
            )
        index, index_name, _table, kind, name, rest = match.groups()
        if index:
            yield SchemaObject("index", index_name.lower(), None, file.name)
            continue
        kind = kind.lower()
        arguments = None if kind.endswith("view") else _argument_types(rest, file, statement)
        yield SchemaObject(kind, name.lower(), arguments, file.name)


def _argument_types(rest: str, file: SqlFile, statement: Statement) -> tuple[str, ...]:
    """Return the input types of `(p_user_id integer, p_top_n integer DEFAULT 50) RETURNS …`."""
    types = []
    for argument in _split_arguments(rest):
        mode = _ARGUMENT_MODE.match(argument)
        if mode and mode.group(1).upper() == "OUT":
            continue
        declared = _ARGUMENT_DEFAULT.sub("", argument[mode.end() :] if mode else argument)
        name, _, type_name = declared.strip().partition(" ")
        if not type_name:
            raise UserError(
                f"{file.name}, line {statement.line}: the argument {name} needs a name and a type"
            )
        types.append(type_name.strip())
    return tuple(types)


def _split_arguments(rest: str) -> list[str]:
    """Cut the first parenthesis of the text at its own commas."""
    arguments, depth, start, quoted = [], 0, 1, False
    for position, character in enumerate(rest):
        if character == "'":
            quoted = not quoted
        if quoted:
            continue
        if character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        if depth == 0 or (depth == 1 and character == ","):
            arguments.append(rest[start:position].strip())
            start = position + 1
        if depth == 0:
            break
    return [argument for argument in arguments if argument]


def _refuse_duplicates(objects: Iterable[SchemaObject]) -> None:
    seen: dict[tuple[str, tuple[str, ...] | None], SchemaObject] = {}
    for item in objects:
        first = seen.setdefault((item.name, item.arguments), item)
        if first is not item:
            raise UserError(f"{item.file} defines {item}, which {first.file} defines already")


def _definitions(files: Iterable[SqlFile]) -> Iterable[tuple[str, str]]:
    for file in files:
        views = [item.name for item in _objects_of(file) if item.kind == "materialized view"]
        if not views:
            continue
        creates = [s.plain for s in file.statements if s.plain.upper().startswith("CREATE ")]
        digest = hashlib.sha256("\n".join(creates).encode()).hexdigest()
        for view in views:
            yield view, digest


def _definition_comments(logic: Logic) -> Iterable[str]:
    written = {}
    for file in logic.files:
        for statement in file.statements:
            match = _COMMENT.match(statement.plain)
            if match:
                written[match.group(1).lower()] = match.group(2)[1:-1] + "\n"
    for name, digest in logic.definitions.items():
        yield (
            f"COMMENT ON MATERIALIZED VIEW {SCHEMA}.{name} IS\n"
            f"'{written.get(name, '')}{DEFINITION_MARK}{digest}';\n\n"
        )


def _stamp_row(item: SchemaObject) -> str:
    if item.arguments is None:
        arguments = "NULL::text[]"
    elif item.arguments:
        arguments = f"ARRAY[{', '.join(map(_literal, item.arguments))}]"
    else:
        arguments = "ARRAY[]::text[]"
    cells = (_literal(item.kind), _literal(item.name), arguments, _literal(item.file))
    row = f"    ({', '.join(cells)})"
    if len(row) < 100:
        return row
    if len(arguments) > 90 and item.arguments:
        types = ",\n            ".join(map(_literal, item.arguments))
        cells = (*cells[:2], f"ARRAY[\n            {types}\n        ]", cells[3])
    return "    (\n        " + ",\n        ".join(cells) + "\n    )"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
