"""The pool of the server on a real database: never more connections than allowed, none lost."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from app.api.database import Database, DatabaseFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.runner import Run

SIZE = 3
COUNT = """
SELECT count(*)::integer FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'eventrank server'
"""
SLEEP = "SELECT pg_sleep($1)"
END_OTHERS = """
SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity AS a
WHERE a.datname = current_database() AND a.application_name = 'eventrank server'
    AND a.pid <> pg_backend_pid()
"""
END_MYSELF = "SELECT pg_terminate_backend(pg_backend_pid())"


@asynccontextmanager
async def database(url: str, timeout_seconds: float = 20) -> AsyncIterator[Database]:
    async with Database(url, pool_size=SIZE, timeout_seconds=timeout_seconds) as database:
        yield database
    assert database.pool.get_size() == database.waiting == 0


def test_many_requests_share_a_few_connections(empty_database_url: str, run: Run) -> None:
    async def ask() -> None:
        async with database(empty_database_url) as asked:
            rows = await asyncio.gather(*(asked.fetchrow(COUNT) for _ in range(50)))
            assert all(1 <= row[0] <= SIZE for row in rows)
            assert 1 <= asked.pool.get_idle_size() == asked.pool.get_size() <= SIZE
            assert asked.waiting == 0

    run(ask())


def test_who_waits_too_long_is_told_so_and_takes_nothing_along(
    empty_database_url: str, run: Run
) -> None:
    async def ask() -> None:
        async with database(empty_database_url) as asked:
            busy = [asyncio.create_task(asked.fetchrow(SLEEP, 1.0)) for _ in range(SIZE)]
            await asyncio.sleep(0.2)
            with pytest.raises(DatabaseFault) as fault:
                await asked.fetchrow(COUNT, seconds=0.1)
            assert fault.value.status == 503
            assert asked.waiting == 0
            await asyncio.gather(*busy)
            assert asked.pool.get_idle_size() == asked.pool.get_size() == SIZE

    run(ask())


def test_a_statement_that_takes_too_long_is_cancelled(empty_database_url: str, run: Run) -> None:
    async def ask() -> None:
        async with database(empty_database_url) as asked:
            with pytest.raises(DatabaseFault) as fault:
                await asked.fetchrow(SLEEP, 60.0, seconds=0.1)
            assert fault.value.status == 503
            async with asyncio.timeout(10):  # it is cancelled behind the scenes
                while (await asked.fetchrow(COUNT))[0] > 1:
                    await asyncio.sleep(0.01)

    run(ask())


def test_connections_that_ended_are_replaced_unnoticed(empty_database_url: str, run: Run) -> None:
    async def ask() -> None:
        async with database(empty_database_url) as asked:
            for _ in range(5):
                await asyncio.gather(*(asked.fetchrow(SLEEP, 0.01) for _ in range(SIZE)))
                await asked.fetchrow(END_OTHERS)
                rows = await asyncio.gather(*(asked.fetchrow(COUNT) for _ in range(20)))
                assert all(row[0] <= SIZE for row in rows)

    run(ask())


def test_a_change_is_not_repeated_when_its_connection_breaks(
    empty_database_url: str, run: Run
) -> None:
    async def ask() -> None:
        async with database(empty_database_url) as asked:
            with pytest.raises(DatabaseFault) as fault:
                await asked.fetchrow(END_MYSELF, is_read=False)
            assert fault.value.status == 503
            assert (await asked.fetchrow(COUNT))[0] == 1

    run(ask())


def test_whatever_is_given_up_when_no_place_is_lost(empty_database_url: str, run: Run) -> None:
    async def ask() -> None:
        chance = random.Random(20)
        async with database(empty_database_url) as asked:

            async def give_up() -> None:
                task = asyncio.create_task(asked.fetchrow(SLEEP, chance.uniform(0, 0.02)))
                await asyncio.sleep(chance.uniform(0, 0.05))
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

            for _ in range(10):
                await asyncio.gather(*(give_up() for _ in range(20)))
            assert asked.waiting == 0
            rows = await asyncio.gather(*(asked.fetchrow(SLEEP, 0.05) for _ in range(SIZE)))
            assert len(rows) == asked.pool.get_idle_size() == asked.pool.get_size() == SIZE

    run(ask())


def test_a_server_that_is_not_there_is_a_fault_each_time_and_leaves_nothing(run: Run) -> None:
    async def ask() -> None:
        async with database("postgresql://nobody@127.0.0.1:1/nothing") as asked:
            answers = await asyncio.gather(
                *(asked.fetchrow(COUNT) for _ in range(20)), return_exceptions=True
            )
            assert all(isinstance(answer, DatabaseFault) for answer in answers)
            assert asked.pool.get_size() == asked.waiting == 0

    run(ask())
