"""Rescores leave the lists as small as they were: every row is rewritten, none elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.database import connect
from scripts.bench.bloat import MOST_BLOAT, RESCORES, Bloat, populate, rescore_often

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run


@pytest.fixture(scope="module")
def connection(database_url: str, run: Run) -> Iterator[Connection[Record]]:
    connection = run(connect(database_url))
    run(populate(connection, students=300, events=300, seed=1337))
    yield connection
    run(connection.close())


@pytest.fixture(scope="module", params=[False, True], ids=["never vacuumed", "vacuumed"])
def bloat(
    request: pytest.FixtureRequest, database_url: str, connection: Connection[Record], run: Run
) -> Bloat:
    return run(rescore_often(connection, database_url, top_n=20, vacuums=request.param))


def test_ten_rescores_take_no_more_than_twice_the_room_of_a_fresh_build(bloat: Bloat) -> None:
    assert len(bloat.sizes) == 1 + RESCORES
    assert sum(bloat.fresh.values()) > 1_000_000
    assert bloat.ratio <= MOST_BLOAT


def test_the_lists_stop_growing_after_the_second_rescore(bloat: Bloat) -> None:
    """Half of each page is free for the next versions of its rows, and pruned for those after."""
    lists = [sizes["public.user_recommendations"] for sizes in bloat.sizes]
    assert lists[-1] <= 1.25 * lists[2]
