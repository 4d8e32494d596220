"""Monthly partitions of the telemetry: made once, with the rows that had no month yet."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import asyncpg
import pytest

from app.database import connect
from tests.support.locks import until_waiting

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


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("'infinity'", "'infinity'"),
        ("'-infinity'", "'2026-01-01'"),
        ("NULL", "'2026-01-01'"),
        ("'2026-01-01'", "NULL"),
        ("'0001-01-01 BC'", "'0001-02-28 BC'"),
        ("'9999-12-01'", "'10000-01-01'"),
    ],
)
def test_a_range_without_an_end_or_out_of_time_is_refused(
    first: str, last: str, connection: asyncpg.Connection, run: Run
) -> None:
    sql = f"SELECT recommender.create_interaction_partitions({first}, {last})"
    with pytest.raises(asyncpg.PostgresError) as raised:
        run(connection.fetchval(sql))
    assert raised.value.sqlstate == "ER003"


def test_where_somebody_reads_for_long_it_gives_up_and_says_so(
    database_url: str, connection: asyncpg.Connection, run: Run
) -> None:
    async def make_while_it_is_read() -> str | None:
        reader = await connect(database_url)
        try:
            async with reader.transaction():
                await reader.fetch("SELECT FROM event_interactions")
                await connection.execute("SET LOCAL lock_timeout = '300ms'")
                made = asyncio.ensure_future(
                    connection.fetchval(CREATE, date(2001, 1, 1), date(2001, 1, 1))
                )
                await until_waiting(reader, connection, made)
                with pytest.raises(asyncpg.PostgresError, match="is in use") as raised:
                    await made
                return raised.value.sqlstate
        finally:
            await reader.close()

    assert run(make_while_it_is_read()) == "ER045"


def test_how_long_it_waits_is_nobody_elses_setting(
    connection: asyncpg.Connection, run: Run
) -> None:
    assert run(connection.fetchval(CREATE, date(2001, 1, 1), date(2001, 1, 1))) == 1
    assert run(connection.fetchval("SHOW lock_timeout")) == "0"
