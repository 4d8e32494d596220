"""The worker's ear: one connection that hears of new jobs, and looks after what nobody tells."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from app.worker.sessions import close, open_session
from app.worker.troubles import PAUSES, TROUBLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncpg import Connection, Record

    from app.worker.lanes import Bell
    from app.worker.worker import Worker

CHANNEL = "recommender_jobs"
REFRESH_TYPE = "refresh_user_recommendations_ml"
SWEEP = "SELECT recommender.requeue_stale_jobs()"

SILENCE_SECONDS = 60.0
"""A connection that says nothing for so long is taken for dead, and the lanes' with it: after a
partition of the network, say, nothing would ever come through them."""


class Watch:
    """Rings the lanes' bells, keeps their pace up to date and sweeps for silent workers."""

    def __init__(
        self, worker: Worker, bells: dict[str, Bell], on_silence: Callable[[], None]
    ) -> None:
        self._worker = worker
        self._bells = bells
        self._on_silence = on_silence

    async def run(self) -> None:
        """Listen until cancelled; a connection that is lost is opened again."""
        pause, longest = PAUSES
        while True:
            try:
                connection = await open_session(self._worker.address)
                try:
                    await self._listen(connection)
                finally:
                    await close(connection)
                pause = PAUSES[0]
            except TROUBLE as error:
                self._worker.troubles.note("watch", error)
                pause = min(pause * 2, longest)
            await asyncio.sleep(pause)

    async def _listen(self, connection: Connection[Record]) -> None:
        """Listen until the connection is lost."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection: lost.set())
        await connection.add_listener(CHANNEL, self._hear)
        # For what was said while nobody listened.
        for bell in self._bells.values():
            bell.ring()
        while not lost.is_set():
            await self._look(connection)
            self._worker.troubles.over("watch")
            with suppress(TimeoutError):
                async with asyncio.timeout(self._worker.pace.look_seconds):
                    await lost.wait()

    async def _look(self, connection: Connection[Record]) -> None:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await self._worker.pace.read(connection)
                if self._worker.pace.queue_enabled:
                    await connection.execute(SWEEP)
        except TimeoutError:
            self._on_silence()
            raise

    def _hear(self, _connection: object, _pid: int, _channel: str, job_type: object) -> None:
        if job_type == REFRESH_TYPE:
            self._bells["refresh"].ring()
        else:
            self._bells["batch"].ring()
            self._bells["training"].ring()
