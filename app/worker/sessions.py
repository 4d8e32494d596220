"""Connections of the worker: opened when needed and again when they broke, asked until answered."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING

import asyncpg

from app.database import connect
from app.worker.troubles import PAUSES, TROUBLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncpg import Connection, PostgresLogMessage, Record

    from app.worker.worker import Worker

SESSION = {
    "application_name": "eventrank worker",
    "default_transaction_isolation": "read committed",
    # A machine that is gone without a word must not keep its locks for two hours.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}

NO_TIMEOUTS = """
SELECT set_config(s.name, '0', false)
FROM pg_catalog.pg_settings AS s
WHERE s.name IN (
    'statement_timeout', 'lock_timeout', 'idle_session_timeout',
    'idle_in_transaction_session_timeout', 'transaction_timeout'
)
"""
"""A rescore takes as long as it takes; what a site sets for its own roles is for requests."""

GIVE_UP_CLAIMS = """
SELECT count(recommender.fail_job(
    j.id, j.locked_by, j.attempts, 'the worker lost its connection while the job ran'
))
FROM public.background_jobs AS j
WHERE j.status = 'running' AND j.locked_by = $1
"""
"""What a lane still holds when it has nothing to do with it any more. The attempt counts: a job
that makes the server crash must not do so for ever."""

NOTICE_DEATH = "SET client_connection_check_interval = '1s'"
"""So that nothing goes on, and no lock is left, when the worker is killed in mid-statement."""

CLOSE_SECONDS = 2.0
"""How long a connection may take to cancel its statement and say goodbye."""


async def open_session(address: str, **server_settings: str) -> Connection[Record]:
    """Open a session for work that may take long and that nobody waits for."""
    connection = await connect(address, **SESSION | server_settings)
    try:
        await connection.execute(NO_TIMEOUTS)
        with suppress(asyncpg.PostgresError):  # not every platform can tell
            await connection.execute(NOTICE_DEATH)
    except BaseException:
        connection.terminate()
        raise
    return connection


class Session:
    """The connection of one lane, and the name by which the queue knows the lane's claims.

    With `gives_up_claims`, what was claimed through a connection that is lost is queued again as
    soon as there is another.
    """

    def __init__(
        self,
        worker: Worker,
        lane: str,
        *,
        gives_up_claims: bool = False,
        on_message: Callable[[object, PostgresLogMessage], None] | None = None,
        **server_settings: str,
    ) -> None:
        self.is_busy = False
        """Whether the database is at a statement."""
        self.asked_at = 0.0
        """When the last statement was sent, by time.perf_counter()."""
        self.name = f"{worker.name}/{lane}"
        self._worker = worker
        self._gives_up_claims = gives_up_claims
        self._on_message = on_message
        self._server_settings = server_settings
        self._connection: Connection[Record] | None = None

    async def ask(self, statement: str, *arguments: object) -> Record:
        """Run a statement of one row until the database has answered it, with pauses between.

        Every statement of the queue may be sent again: what it did then is fenced by the claim.
        """
        pause, longest = PAUSES
        while True:
            try:
                row = await self._try(statement, arguments)
            except TROUBLE as error:
                self._worker.troubles.note(self.name, error)
                await self.close()
            else:
                self._worker.troubles.over(self.name)
                return row
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)

    async def _try(self, statement: str, arguments: tuple[object, ...]) -> Record:
        if self._connection is None or self._connection.is_closed():
            self._connection = await open_session(self._worker.address, **self._server_settings)
            if self._on_message:
                self._connection.add_log_listener(self._on_message)
            if self._gives_up_claims:
                await self._connection.execute(GIVE_UP_CLAIMS, self.name)
        self.is_busy = True
        self.asked_at = perf_counter()
        try:
            row = await self._connection.fetchrow(statement, *arguments)
        finally:
            self.is_busy = False
        if row is None:
            raise asyncpg.NoDataFoundError("the statement gave no row")
        return row

    def abort(self) -> None:
        """Give up on a connection that does not answer; whoever waits for it tries again."""
        if self._connection:
            self._connection.terminate()

    async def close(self) -> None:
        """Close the connection, and cancel what it is at."""
        connection, self._connection = self._connection, None
        if connection:
            await close(connection)


async def close(connection: Connection[Record]) -> None:
    """Close a connection; one that does not close in time is cut."""
    with suppress(*TROUBLE):
        await connection.close(timeout=CLOSE_SECONDS)
    connection.terminate()
