"""The contract of the SQL interface: every object says what it is, and the page says the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from app.database import connect
from app.schema import MIGRATIONS_DIR, SQL_DIR
from app.schema.logic import DEFINITION_MARK
from app.sql_api import TABLES, Entry, page, read_entries, read_failures
from scripts.write_sql_api import PAGE, read_stages, write_page

if TYPE_CHECKING:
    from tests.support.runner import Run

SAYS_ENOUGH = re.compile(
    r"""
    (user|event|tag|organizer|run)_id | id | .*_at | is_.* | .*_count | .*_time | .*_days
    | name | title | description | feature | attribute | category | city | tag | language
    | rank | reason | model_version | feature_names | bias | popularity | days_until | same_city
    | overlap_(interest|history)_ratio | category_match | organizer_match | top_n | as_of
    | .*_(hours|seconds|cap|type|value|key) | payload | attempts | locked_by | last_error
    | checksum | kind | template | attended | seats_taken | .*_name | location | cover_url | status
    """,
    re.VERBOSE,
)
"""Names that say unit and meaning, most of them words of the glossary."""


@pytest.fixture(scope="module")
def entries(database_url: str, run: Run) -> list[Entry]:
    async def read() -> list[Entry]:
        connection = await connect(database_url)
        try:
            return await read_entries(connection, MIGRATIONS_DIR)
        finally:
            await connection.close()

    return run(read())


def test_every_object_of_the_schema_has_a_comment(database_url: str, run: Run) -> None:
    async def uncommented() -> list[str]:
        connection = await connect(database_url)
        try:
            rows = await connection.fetch("""
                SELECT c.oid::regclass::text AS name
                FROM pg_class AS c
                WHERE
                    c.relnamespace = 'recommender'::regnamespace
                    AND c.relkind NOT IN ('i', 'I', 'S')
                    AND coalesce(obj_description(c.oid, 'pg_class'), '') = ''
                UNION ALL
                SELECT p.oid::regprocedure::text AS name
                FROM pg_proc AS p
                WHERE
                    p.pronamespace = 'recommender'::regnamespace
                    AND coalesce(obj_description(p.oid, 'pg_proc'), '') = ''
            """)
        finally:
            await connection.close()
        return [row["name"] for row in rows]

    assert run(uncommented()) == []


def test_a_column_whose_name_does_not_say_enough_is_explained(entries: list[Entry]) -> None:
    comments = {entry.name: entry.comment or "" for entry in entries}
    unexplained = [
        f"{entry.name}.{column.name}"
        for entry in entries
        if entry.stage != TABLES and not entry.is_private
        for column in entry.columns
        if not SAYS_ENOUGH.fullmatch(column.name)
        and column.comment is None
        and not re.search(rf"\b{column.name}\b", _with_its_original(entry, comments))
    ]
    assert unexplained == []


def test_the_page_is_current(database_url: str, run: Run) -> None:
    async def text() -> str:
        connection = await connect(database_url)
        try:
            return await write_page(connection)
        finally:
            await connection.close()

    assert PAGE.read_text(encoding="utf-8") == run(text()), "make docs"


def test_the_page_has_every_public_object_and_no_private_one(entries: list[Entry]) -> None:
    text = page(entries, read_failures(SQL_DIR), read_stages(SQL_DIR))
    headings = re.findall(r"^### (\S+)$", text, re.MULTILINE)
    assert sorted(headings) == sorted(entry.name for entry in entries if not entry.is_private)
    assert not any(heading.startswith("_") for heading in headings)


def test_the_migrators_mark_is_not_part_of_a_contract(entries: list[Entry]) -> None:
    twins = [entry for entry in entries if entry.kind == "materialized view"]
    assert twins
    assert all(entry.comment and DEFINITION_MARK not in entry.comment for entry in twins)


def test_every_error_a_comment_announces_is_raised_somewhere(entries: list[Entry]) -> None:
    raised = {failure.code for failure in read_failures(SQL_DIR)}
    announced = {
        code for entry in entries for code in re.findall(r"\bER\d{3}\b", entry.comment or "")
    }
    assert announced <= raised


def _with_its_original(entry: Entry, comments: dict[str, str]) -> str:
    """A twin has the columns of the view it is named after."""
    return comments[entry.name] + comments.get(entry.name.removesuffix("_snapshot"), "")
