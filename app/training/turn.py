"""Trainings take turns: one at a time on a database, whoever asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncpg import Connection, Record

TRY_TURN = "SELECT pg_try_advisory_lock(recommender._lock_key('recompute'))"
TAKE_TURN = "SELECT pg_advisory_lock(recommender._lock_key('recompute'))"


async def take_turn(
    connection: Connection[Record], on_wait: Callable[[], None] = lambda: None
) -> None:
    """Hold the lock of recomputes until the connection closes; two at once take turns."""
    if not await connection.fetchval(TRY_TURN):
        on_wait()
        await connection.execute(TAKE_TURN)
