"""PostgreSQL's own grammar reads every file; what sqlfluff does not see is looked at here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pglast import parse_plpgsql, parse_sql

from app.lineage import read_lineage
from app.schema import MIGRATIONS_DIR, SQL_DIR
from app.sql_api import read_failures

if TYPE_CHECKING:
    from collections.abc import Iterator

MAPS = {"install.sql"}
"""Files of psql's \\ir lines."""

TYPES_OF_OURS = re.compile(r"\b((?:[pv]_\w+|RETURNS)\s+(?:SETOF\s+)?)recommender\.\w+(\[\])?")
"""libpg_query knows no schema but public and pg_catalog; to the grammar every type is alike."""

ERROR_LEVEL = 21
OPTIONS = {0: "ERRCODE", 1: "MESSAGE", 2: "DETAIL", 3: "HINT"}
LITERAL = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
LOGIC = [path for path in sorted(SQL_DIR.rglob("*.sql")) if path.name not in MAPS]
FILES = [*LOGIC, *(path for path in sorted(MIGRATIONS_DIR.glob("*.sql")) if path.name not in MAPS)]
PLPGSQL = [
    path for path in FILES if re.search(r"LANGUAGE plpgsql|\bDO \$", path.read_text("utf-8"))
]


def name_of(path: Path) -> str:
    return path.relative_to(SQL_DIR.parent).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_postgresql_can_read_it(path: Path) -> None:
    assert parse_sql(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PLPGSQL, ids=name_of)
def test_plpgsql_can_read_its_body(path: Path) -> None:
    assert read_bodies(path)


def test_a_body_that_is_no_plpgsql_is_found() -> None:
    with pytest.raises(Exception, match="syntax error"):
        parse_plpgsql("DO $$ BEGIN IF true THEN RETURN; END; $$ LANGUAGE plpgsql;")


@pytest.mark.parametrize("path", [path for path in PLPGSQL if path in LOGIC], ids=name_of)
def test_every_error_has_a_code_a_message_and_a_hint(path: Path) -> None:
    for statement in raised(read_bodies(path)):
        if statement.get("elog_level") != ERROR_LEVEL:
            continue
        options = {
            OPTIONS[option["PLpgSQL_raise_option"].get("opt_type", 0)]: query_of(option)
            for option in statement.get("options", [])
        }
        assert re.fullmatch(r"'ER0\d\d'", options.get("ERRCODE", "")), statement
        assert options.get("MESSAGE"), statement
        assert options.get("HINT"), statement


def test_the_page_knows_every_error() -> None:
    count = sum(
        statement.get("elog_level") == ERROR_LEVEL
        for path in PLPGSQL
        if path in LOGIC
        for statement in raised(read_bodies(path))
    )
    texts = "".join(path.read_text(encoding="utf-8") for path in LOGIC)
    assert len(re.findall(r"\bERRCODE = '", texts)) == count
    failures = read_failures(SQL_DIR)
    assert {failure.code for failure in failures} == set(re.findall(r"ERRCODE = '(\w+)'", texts))
    assert all(failure.message and failure.hint for failure in failures)


@pytest.mark.parametrize("path", LOGIC, ids=name_of)
def test_lines_are_short_and_indented_by_fours(path: Path) -> None:
    text = LITERAL.sub(blank, path.read_text(encoding="utf-8"))
    for number, line in enumerate(text.splitlines(), start=1):
        indent = len(line) - len(line.lstrip())
        assert indent % 4 == 0, f"line {number} is indented by {indent}"
        assert "\t" not in line, f"line {number} has a tab"
        assert line == line.rstrip() or "\0" in line, f"line {number} ends in a blank"
        assert len(line) <= 100, f"line {number} has {len(line)} characters"


def test_every_function_is_called_by_a_test_or_by_another_object() -> None:
    """plpgsql finds a wrong name only when it runs, so something has to run it."""
    objects = read_lineage(SQL_DIR)
    called = {name for item in objects for name in item.reads}
    tests = "".join(
        path.read_text(encoding="utf-8")
        for path in Path(__file__).parent.rglob("*")
        if path.suffix in {".py", ".sql"}
    )
    uncalled = [
        item.name
        for item in objects
        if item.is_routine
        and item.name not in called
        and not re.search(rf"\b{re.escape(item.name)}\b", tests)
    ]
    assert uncalled == []


def read_bodies(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    bodies: list[dict[str, Any]] = parse_plpgsql(TYPES_OF_OURS.sub(as_builtin, text))
    return bodies


def as_builtin(match: re.Match[str]) -> str:
    return match[1] + ("text[]" if match[2] else "record")


def raised(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "PLpgSQL_stmt_raise":
                yield value
            yield from raised(value)
    elif isinstance(node, list):
        for value in node:
            yield from raised(value)


def query_of(option: dict[str, Any]) -> str:
    return str(option["PLpgSQL_raise_option"]["expr"]["PLpgSQL_expr"]["query"])


def blank(match: re.Match[str]) -> str:
    """Take the text out of a literal or comment; what a person wrote there has its own measure."""
    if match.group().startswith("--"):
        return match.group()
    return re.sub(r"[^\n]+", "\0", match.group())
