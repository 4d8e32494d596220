"""Connections that requests share: opened when needed, handed on as they are.

asyncpg's own pool starts a task for each release and one more for each timeout, which is most of
what a short statement costs in Python, and its reset is a second statement. Nothing here changes
the state of a session, so there is nothing to reset.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncpg import Connection, Record

CLOSE_SECONDS = 2.0
"""How long a connection may take to cancel its statement and say goodbye."""


class Pool:
    """At most `max_size` connections, the one used last handed out first.

    Waiting and opening take as long as they take: whoever acquires sets a timeout around it.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection[Record]]], max_size: int) -> None:
        self._connect = connect
        self._max_size = max_size
        self._taken = 0
        """Places in use: connections that are idle, at work, being opened or being closed."""
        self._idle: list[Connection[Record]] = []
        self._waiting: deque[asyncio.Future[Connection[Record] | None]] = deque()
        self._closing: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def size(self) -> int:
        """How many connections there are."""
        return self._taken

    @property
    def idle(self) -> int:
        """How many of them nobody uses."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """How many requests wait for one."""
        return len(self._waiting)

    async def acquire(self) -> Connection[Record]:
        """Give a connection that was alive a moment ago; it has to come back by release."""
        while True:
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
                self._taken -= 1
            if self._taken < self._max_size:
                return await self._open()
            handed_over = await self._wait()
            if handed_over is not None:
                return handed_over

    def release(self, connection: Connection[Record]) -> None:
        """Take a connection back, and hand it to whoever waits longest."""
        if connection.is_closed():
            self._free_place()
        elif self._is_closed:
            self.discard(connection)
        elif waiter := self._next_waiter():
            waiter.set_result(connection)
        else:
            self._idle.append(connection)

    def discard(self, connection: Connection[Record]) -> None:
        """Take back a connection that nobody should use again; it is closed behind the scenes."""
        if connection.is_closed():
            self._free_place()
            return
        task = asyncio.get_running_loop().create_task(self._close(connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def discard_idle(self) -> None:
        """Let go of every idle connection: what ended one has often ended all."""
        idle, self._idle = self._idle, []
        for connection in idle:
            self.discard(connection)

    async def close(self) -> None:
        """Close what is idle now, and the rest as it comes back."""
        self._is_closed = True
        self.discard_idle()
        while self._closing:
            await asyncio.wait(self._closing)

    async def _open(self) -> Connection[Record]:
        self._taken += 1
        try:
            return await self._connect()
        except BaseException:
            self._free_place()
            raise

    async def _close(self, connection: Connection[Record]) -> None:
        try:
            # asyncpg aborts by itself what does not close in time.
            await connection.close(timeout=CLOSE_SECONDS)
        except Exception:  # noqa: BLE001 - whatever it was, the connection is gone
            connection.terminate()
        finally:
            self._free_place()

    async def _wait(self) -> Connection[Record] | None:
        """Wait for a connection, or for a place to open one (None)."""
        waiter: asyncio.Future[Connection[Record] | None] = (
            asyncio.get_running_loop().create_future()
        )
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with contextlib.suppress(ValueError):  # passed over already
                    self._waiting.remove(waiter)
            elif connection := waiter.result():
                self.release(connection)  # it came in the moment we gave up
            else:
                self._wake_next()
            raise

    def _free_place(self) -> None:
        self._taken -= 1
        self._wake_next()

    def _wake_next(self) -> None:
        if waiter := self._next_waiter():
            waiter.set_result(None)

    def _next_waiter(self) -> asyncio.Future[Connection[Record] | None] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None
