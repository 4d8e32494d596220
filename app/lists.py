"""Write everybody's lists: SQL does the work, several connections share the batches."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable
    from datetime import datetime

    from asyncpg import Connection, Record

START = """
SELECT r.id, r.model_version, r.as_of, r.top_n
FROM recommender.start_run($1, $2, $3, $4) AS r
"""
REFRESH = "SELECT recommender._refresh_for_run($1)"
SNAPSHOTS = (
    "recommender.event_attributes_snapshot",
    "recommender.user_attribute_sources_snapshot",
    "recommender.user_profiles_snapshot",
)
PREPARE = "SELECT recommender.prepare_run($1)"
BATCHES = "SELECT b.user_ids FROM recommender.run_batches($1) AS b"
REMAINING = """
SELECT count(*) FROM public.recommendation_lists AS l WHERE l.run_id IS DISTINCT FROM $1
"""
SCORE = "SELECT recommender.score_students($1, $2, $3)"
SUMMARY = """
SELECT count(*) AS lists, coalesce(sum(l.item_count), 0)::bigint AS rows
FROM public.recommendation_lists AS l
"""


@dataclass(frozen=True)
class ListsWritten:
    """What a run of all students left behind."""

    run_id: int
    model_version: str
    as_of: datetime
    top_n: int
    scored: int
    """Lists this call passed; fewer than all when it resumed."""
    lists: int
    rows: int


async def write_lists(
    open_connection: Callable[[], Awaitable[Connection[Record]]],
    *,
    top_n: int,
    as_of: datetime | None,
    jobs: int,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ListsWritten:
    """Write every student's list; interrupted, the lists already written stay whole.

    `open_connection` is called once for each of the `jobs`. `on_progress` gets lists done and
    lists to do.
    """
    connections = [await open_connection() for _ in range(jobs)]
    try:
        first = connections[0]
        run = await first.fetchrow(START, top_n, as_of, resume, overwrite)
        assert run is not None
        await first.execute(REFRESH, run["id"])
        # Index-only scans want the visibility map of what was just built.
        await first.execute("SET synchronous_commit = on")
        for snapshot in SNAPSHOTS:
            await first.execute(f"VACUUM (ANALYZE) {snapshot}")
        total = await first.fetchval(REMAINING, run["id"])
        on_progress(0, total)
        scored = await _score(connections, run["id"], total, on_progress)
        await first.execute("SELECT recommender.finish_run($1)", run["id"])
        summary = await first.fetchrow(SUMMARY)
        assert summary is not None
        return ListsWritten(
            run["id"], run["model_version"], run["as_of"], run["top_n"], scored, *summary
        )
    finally:
        for connection in connections:
            connection.terminate()


async def _score(
    connections: list[Connection[Record]],
    run_id: int,
    total: int,
    on_progress: Callable[[int, int], None],
) -> int:
    scored = 0

    async def work(connection: Connection[Record], waits: bool) -> None:
        nonlocal scored
        while batches:
            user_ids = batches.pop()
            passed = None
            while passed is None:
                passed = await connection.fetchval(SCORE, run_id, user_ids, waits)
            scored += passed
            on_progress(scored, total)

    await _at_once(_prepare(connection, run_id) for connection in connections)
    # The second pass waits for the lists somebody else was writing during the first.
    for waits in (False, True):
        batches = [row[0] for row in await connections[0].fetch(BATCHES, run_id)][::-1]
        await _at_once(work(connection, waits) for connection in connections)
    return scored


async def _at_once(works: Iterable[Coroutine[Any, Any, object]]) -> None:
    """Run them together; the first failure ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _prepare(connection: Connection[Record], run_id: int) -> None:
    while await connection.fetchval(PREPARE, run_id) is None:
        continue  # the twins were being rebuilt at that moment
