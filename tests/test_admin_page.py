"""docs/admin.md shows what the desk answers, and has an example of everything it offers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from app.lineage import read_lineage
from app.schema import SQL_DIR
from tests.support.admin_page import PAGE, PART, answer, renew
from tests.support.worlds import open_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = [match["sql"] for match in PART.finditer(TEXT) if match["sql"]]


@pytest.fixture(scope="module")
def connection(database_url: str, run: Run) -> Iterator[Connection[Record]]:
    connection = run(open_session(database_url))
    yield connection
    run(connection.close())


def test_the_answers_shown_are_the_answers_got(connection: Connection[Record], run: Run) -> None:
    renewed = run(renew(connection, TEXT))
    assert renewed == TEXT, "python -m tests.support.admin_page"


def test_every_block_of_sql_is_an_example(connection: Connection[Record]) -> None:
    assert TEXT.count("```sql\n") == len(EXAMPLES)
    assert TEXT.count("```text\n") == sum(bool(match["answer"]) for match in PART.finditer(TEXT))


def test_everything_of_the_desk_has_an_example() -> None:
    offered = {
        item.name
        for item in read_lineage(SQL_DIR)
        if item.stage == "admin" and not item.name.startswith("recommender._")
    }
    shown = set(re.findall(r"recommender\.\w+", "".join(EXAMPLES)))
    assert offered - shown == set()
    assert len(offered) >= 8


def test_an_answer_is_aligned_as_psql_does(connection: Connection[Record], run: Run) -> None:
    shown = run(
        answer(
            connection, "SELECT 1 AS id, 'one' AS name, true AS ok UNION ALL SELECT 20, NULL, NULL"
        )
    )
    assert shown == " id | name | ok\n----+------+----\n  1 | one  | t\n 20 |      |\n"


def test_an_answer_that_is_not_got_is_found(connection: Connection[Record], run: Run) -> None:
    wrong = TEXT.replace("2 of its 2 seats", "1 of its 2 seats")
    assert wrong != TEXT
    assert run(renew(connection, wrong)) == TEXT
