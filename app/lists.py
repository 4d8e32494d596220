"""Write lists, everybody's or those that are due: connections share the batches SQL passes."""

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
START_CHANGED = """
SELECT r.id, r.model_version, r.as_of, r.top_n
FROM recommender._start_changed_run($1, $2, $3) AS r
"""
REFRESH = "SELECT recommender._refresh_for_run($1)"
SNAPSHOTS = (
    "recommender.event_attributes_snapshot",
    "recommender.user_attribute_sources_snapshot",
    "recommender.user_profiles_snapshot",
)
MARK_DUE = "SELECT recommender._mark_due($1)"
IS_FULL = "SELECT r.is_full FROM public.recommendation_runs AS r WHERE r.id = $1"
PREPARE = "SELECT recommender.prepare_run($1)"
BATCHES = "SELECT b.user_ids FROM recommender.run_batches($1) AS b"
REMAINING = "SELECT count(*) FROM recommender._remaining_lists($1) AS l"
SCORE = "SELECT recommender.score_students($1, $2, $3)"
SUMMARY = """
SELECT count(*) AS lists, coalesce(sum(l.item_count), 0)::bigint AS rows
FROM public.recommendation_lists AS l
"""


@dataclass(frozen=True)
class ListsWritten:
    """What a run left behind."""

    run_id: int
    model_version: str
    as_of: datetime
    top_n: int
    scored: int
    """Lists this call passed; fewer than all when it resumed."""
    is_full: bool
    """Of all students; else of those who were due."""
    lists: int
    """All there are, whoever wrote them."""
    rows: int


async def write_lists(
    open_connection: Callable[[], Awaitable[Connection[Record]]],
    *,
    top_n: int | None,
    as_of: datetime | None,
    jobs: int,
    resume: bool = False,
    overwrite: bool = False,
    only_changed: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ListsWritten:
    """Write every student's list; interrupted, the lists already written stay whole.

    With `only_changed` those are written that a rescore of all would change; `top_n` None leaves
    them as long as they are.
    `open_connection` is called once for each of the `jobs`. `on_progress` gets lists done and
    lists to do.
    """
    connections = [await open_connection() for _ in range(jobs)]
    try:
        first = connections[0]
        if only_changed:
            run = await first.fetchrow(START_CHANGED, top_n, as_of, overwrite)
        else:
            run = await first.fetchrow(START, top_n, as_of, resume, overwrite)
        assert run is not None
        await first.execute(REFRESH, run["id"])
        # A resumed run may have been interrupted before it found who is due.
        await _until_done(first, MARK_DUE, run["id"])
        is_full = await first.fetchval(IS_FULL, run["id"])
        await first.execute("SET synchronous_commit = on")
        if is_full:
            # Index-only scans want the visibility map of what was just built.
            for snapshot in SNAPSHOTS:
                await first.execute(f"VACUUM (ANALYZE) {snapshot}")
        total = await first.fetchval(REMAINING, run["id"])
        on_progress(0, total)
        scored = await _score(connections, run["id"], total, on_progress) if total else 0
        await first.execute("SELECT recommender.finish_run($1)", run["id"])
        summary = await first.fetchrow(SUMMARY)
        assert summary is not None
        return ListsWritten(
            run["id"], run["model_version"], run["as_of"], run["top_n"], scored, is_full, *summary
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
            # Not in one statement: the sum of before would be the one that is added to.
            passed = await _until_done(connection, SCORE, run_id, user_ids, waits)
            scored += passed
            on_progress(scored, total)

    await _at_once(_until_done(connection, PREPARE, run_id) for connection in connections)
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


async def _until_done(connection: Connection[Record], sql: str, *arguments: object) -> int:
    done: int | None = None
    while done is None:
        # None: the twins were being rebuilt at that moment.
        done = await connection.fetchval(sql, *arguments)
    return done
