"""Monthly partitions of the telemetry: made once, with the rows that had no month yet."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import asyncpg
import pytest

from app.database import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runner import Run

CREATE = "SELECT recommender.create_interaction_partitions($1, $2)"


@pytest.fixture
def connection(database_url: str, run: Run) -> Iterator[asyncpg.Connection]:
    connection = run(connect(database_url))
    transaction = connection.transaction()
    run(transaction.start())
    yield connection
    run(transaction.rollback())
    run(connection.close())


def test_every_month_of_the_range_gets_one(connection: asyncpg.Connection, run: Run) -> None:
    made = run(connection.fetchval(CREATE, date(2001, 12, 31), date(2002, 2, 1)))
    assert made == 3
    assert run(connection.fetchval(CREATE, date(2001, 12, 1), date(2002, 2, 28))) == 0


def test_a_month_ends_where_the_next_begins_in_utc(
    connection: asyncpg.Connection, run: Run
) -> None:
    run(connection.execute("SET LOCAL timezone = 'Asia/Tokyo'"))
    run(connection.fetchval(CREATE, date(2001, 1, 1), date(2001, 2, 1)))
    for moment in (
        datetime(2001, 1, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2001, 2, 1, tzinfo=UTC),
    ):
        run(record(connection, moment))
    assert run(partitions(connection)) == [
        "event_interactions_2001_01",
        "event_interactions_2001_02",
    ]


def test_the_style_a_session_writes_times_in_does_not_matter(
    connection: asyncpg.Connection, run: Run
) -> None:
    run(connection.execute("SET LOCAL datestyle = 'SQL, DMY'; SET LOCAL timezone = 'Asia/Kolkata'"))
    assert run(connection.fetchval(CREATE, date(2001, 3, 1), date(2001, 4, 1))) == 2
    run(record(connection, datetime(2001, 3, 31, 23, 59, 59, tzinfo=UTC)))
    assert run(partitions(connection)) == ["event_interactions_2001_03"]


def test_a_month_that_others_hold_in_part_is_left_alone(
    connection: asyncpg.Connection, run: Run
) -> None:
    run(
        connection.execute(
            "CREATE TABLE a_week PARTITION OF event_interactions"
            " FOR VALUES FROM ('2001-01-29Z') TO ('2001-02-05Z');"
            " CREATE TABLE event_interactions_2001_03 ()"
        )
    )
    assert run(connection.fetchval(CREATE, date(2001, 1, 1), date(2001, 4, 1))) == 1
    run(record(connection, datetime(2001, 4, 1, tzinfo=UTC)))
    assert run(partitions(connection)) == ["event_interactions_2001_04"]


def test_what_the_default_partition_holds_moves(connection: asyncpg.Connection, run: Run) -> None:
    run(record(connection, datetime(2001, 1, 15, tzinfo=UTC)))
    run(record(connection, datetime(2001, 3, 15, tzinfo=UTC)))
    assert run(partitions(connection)) == ["event_interactions_default"] * 2
    run(connection.fetchval(CREATE, date(2001, 1, 1), date(2001, 1, 1)))
    assert run(partitions(connection)) == [
        "event_interactions_2001_01",
        "event_interactions_default",
    ]


def test_a_range_that_ends_before_it_begins_is_refused(
    connection: asyncpg.Connection, run: Run
) -> None:
    with pytest.raises(asyncpg.PostgresError, match="there are no months") as refusal:
        run(connection.fetchval(CREATE, date(2001, 2, 1), date(2001, 1, 1)))
    assert refusal.value.sqlstate == "ER003"


def test_a_table_without_partitions_is_left_alone(connection: asyncpg.Connection, run: Run) -> None:
    run(connection.execute("ALTER TABLE public.event_interactions RENAME TO telemetry"))
    run(connection.execute("CREATE TABLE public.event_interactions (LIKE public.telemetry)"))
    assert run(connection.fetchval(CREATE, date(2001, 1, 1), date(2001, 1, 1))) == 0


async def record(connection: asyncpg.Connection, moment: datetime) -> None:
    await connection.execute(
        "INSERT INTO public.event_interactions (interaction_type, occurred_at) VALUES ('view', $1)",
        moment,
    )


async def partitions(connection: asyncpg.Connection) -> list[str]:
    """Return the partition of each row, oldest row first."""
    rows = await connection.fetch("""
        SELECT c.relname::text AS name
        FROM public.event_interactions AS i
        INNER JOIN pg_class AS c ON c.oid = i.tableoid
        ORDER BY i.occurred_at
    """)
    return [row["name"] for row in rows]
