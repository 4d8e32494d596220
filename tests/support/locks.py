"""Waits until a session waits for a lock: from there on a test knows where it stands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncpg import Connection, Record

PATIENCE_SECONDS = 60
WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = $1"


async def until_waiting(
    control: Connection[Record],
    waiter: Connection[Record],
    work: asyncio.Future[Any] | None = None,
) -> None:
    """Come back when a session waits for a lock, or when its work is done without one."""
    pid = waiter.get_server_pid()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (await control.fetchval(WAITS, pid) or (work and work.done())):
            await asyncio.sleep(0.002)
