"""One statement a request: asked within a time, retried where that is safe, faults made plain."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self, cast

import asyncpg

from app import logs
from app.api.problems import Problem
from app.errors import AWAY, TOO_LATE, UNKNOWN, Outcome, outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from asyncpg import Connection, Pool, Record
    from asyncpg.pool import PoolConnectionProxy

logger = logging.getLogger("eventrank.database")

SESSION = {"application_name": "eventrank server", "client_encoding": "UTF8", "timezone": "UTC"}
"""What PgBouncer accepts, too. asyncpg by itself calls the encoding 'utf-8': PgBouncer takes that
for another one than the server's UTF8, and sends a SET before every statement."""

OUTDATED = ("0A000", "23503", "26000", "40", "42703", "42883", "42P01", "42P05", "3F000", "XX000")
"""The statement did nothing, and may well succeed if it is sent again: sql/ was re-applied
meanwhile (plans and look-ups of what is gone), what is referred to was deleted (the second try says
404), or two transactions got into each other's way."""

CLIENT_ERRORS = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises of its own; InternalClientError, too, where a statement meets the server's
goodbye."""

LOST = ("08", "57P01", "57P02", "57P05")
"""The connection ended; whether the statement was carried out is unknown."""

POOLER_SIGNS = {"26000", "42P05"}
POOLER_HINT = (
    "a connection pooler in transaction mode (PgBouncer) seems to stand before the database:"
    " set DATABASE_PREPARED_STATEMENTS=false"
)
SECONDS_BETWEEN_LOGS = 1.0

CLOSE_SECONDS = 2.0
"""How long a connection may take to cancel its statement and say goodbye."""


class DatabaseFault(Problem):
    """The database did not do what it was asked; the client hears only what app.errors says."""

    def __init__(self, told: Outcome, sqlstate: str | None = None) -> None:
        super().__init__(told.status, told.detail)
        self.sqlstate = sqlstate


class Database:
    """The PostgreSQL behind the API: `async with` opens and closes the pool of its connections."""

    pool: Pool[Record]

    def __init__(
        self,
        address: str,
        *,
        pool_size: int,
        timeout_seconds: float,
        prepared_statements: bool = True,
        on_fault: Callable[[str], None] = lambda _kind: None,
    ) -> None:
        self.timeout_seconds = timeout_seconds
        self.waiting = 0
        """How many requests wait for a connection that is free, or being opened."""
        self._address = address
        self._pool_size = pool_size
        self._on_fault = on_fault
        self._log = FaultLog()
        self._closing: set[asyncio.Task[None]] = set()
        self._session = dict(SESSION)
        self._cached_statements = 100 if prepared_statements else 0
        if prepared_statements:
            # Startup parameters that PgBouncer refuses. The server's own timeout is for the case
            # that nobody is left to cancel.
            self._session |= {
                # What a site sets for its own sessions would make clicks of one student collide.
                "default_transaction_isolation": "read committed",
                "jit": "off",
                "statement_timeout": f"{max(round(timeout_seconds * 1000), 1)}ms",
            }

    async def __aenter__(self) -> Self:
        """Be ready to connect; the first request does."""
        self.pool = await asyncpg.create_pool(
            self._address,
            min_size=0,
            max_size=self._pool_size,
            reset=_leave_as_it_is,
            server_settings=self._session,
            statement_cache_size=self._cached_statements,
            max_cached_statement_lifetime=0,
        )
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close the connections; those that do not close in time are cut."""
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.pool.close()

    async def fetchrow(
        self,
        statement: str,
        *arguments: object,
        is_read: bool = True,
        seconds: float | None = None,
    ) -> Record:
        """Run a statement of one row; raises DatabaseFault, and always within the timeout.

        What failed without having had an effect is tried once more; a read also when the
        connection broke under it.
        """
        try:
            async with asyncio.timeout(seconds or self.timeout_seconds):
                row = await self._try_twice(statement, arguments, is_read=is_read)
        except (TimeoutError, asyncpg.PostgresError, *CLIENT_ERRORS) as error:
            raise self._fault(error) from None
        if row is None:
            raise self._fault(asyncpg.NoDataFoundError("the statement gave no row"))
        return row

    async def fetch(self, statement: str, *, seconds: float) -> list[Record]:
        """Run a reading statement of any number of rows, as fetchrow does."""
        try:
            async with asyncio.timeout(seconds), self.connection() as connection:
                return await connection.fetch(statement)
        except (TimeoutError, asyncpg.PostgresError, *CLIENT_ERRORS) as error:
            raise self._fault(error) from None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection[Record]]:
        """Lend a connection for several statements; its errors are asyncpg's."""
        connection = await self._acquire()
        async with self._given_back(connection):
            yield cast("Connection[Record]", connection)

    async def _try_twice(
        self, statement: str, arguments: tuple[object, ...], *, is_read: bool
    ) -> Record | None:
        # Outside of the try: failing to connect is final.
        connection = await self._acquire()
        try:
            async with self._given_back(connection):
                return await connection.fetchrow(statement, *arguments)
        except (asyncpg.PostgresError, *CLIENT_ERRORS) as error:
            if not _may_repeat(error, is_read=is_read):
                raise
            if _is_lost(error):
                # What ended one connection has often ended all.
                await self.pool.expire_connections()
            self._log.note(f"tried again after {_describe(error)}", logging.INFO)
        async with self.connection() as another:
            return await another.fetchrow(statement, *arguments)

    async def _acquire(self) -> PoolConnectionProxy[Record]:
        self.waiting += 1
        try:
            return await self.pool.acquire()
        finally:
            self.waiting -= 1

    @asynccontextmanager
    async def _given_back(self, connection: PoolConnectionProxy[Record]) -> AsyncIterator[None]:
        """Return a connection to the pool, or close it when nobody should use it again.

        asyncpg waits without end for the server to confirm that a statement given up is cancelled.
        Our caller has no time left then, so closing happens behind the scenes.
        """
        is_spoiled = True
        try:
            yield
            is_spoiled = False
        except asyncpg.PostgresError as error:
            is_spoiled = _is_lost(error) or error.sqlstate in POOLER_SIGNS
            raise
        finally:
            if is_spoiled:
                closing = asyncio.create_task(_close(connection))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
            else:
                await self.pool.release(connection)

    def _fault(self, error: Exception) -> DatabaseFault:
        sqlstate = _sqlstate(error)
        if sqlstate is not None:
            told = outcome(sqlstate)
        elif isinstance(error, TimeoutError):
            told = TOO_LATE
        else:
            told = UNKNOWN if isinstance(error, asyncpg.DataError) else AWAY
        kind = "late" if told is TOO_LATE else "away"
        self._on_fault(sqlstate[:2] if sqlstate else kind)
        # For the line of the access log: what follows here is said once a second at most.
        logs.note(fault=sqlstate or kind)
        self._log.note(
            _describe(error), logging.ERROR if told.status == UNKNOWN.status else logging.WARNING
        )
        return DatabaseFault(told, sqlstate)


class FaultLog:
    """Logs each kind of fault once a second at most: an outage is one line a second, not 1,000."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def note(self, message: str, level: int) -> None:
        """Log the message, or count it for the next time."""
        now = time.monotonic()
        if now - self._last.get(message, -SECONDS_BETWEEN_LOGS) < SECONDS_BETWEEN_LOGS:
            self._unsaid[message] = self._unsaid.get(message, 0) + 1
            return
        if len(self._last) > 100:
            self._last.clear()
            self._unsaid.clear()
        self._last[message] = now
        more = self._unsaid.pop(message, 0)
        logger.log(level, "%s%s", message, f" (and {more} times before)" if more else "")


async def _leave_as_it_is(_connection: Connection[Record]) -> None:
    """Reset nothing: no statement here changes the session, and a reset would be one more."""


async def _close(connection: PoolConnectionProxy[Record]) -> None:
    """Close a connection; its place in the pool is free then, whatever happens."""
    with suppress(Exception):
        await connection.close(timeout=CLOSE_SECONDS)


def _sqlstate(error: Exception) -> str | None:
    """Give the SQLSTATE of what the server sent or asyncpg made up for it."""
    return getattr(error, "sqlstate", None) if isinstance(error, asyncpg.PostgresError) else None


def _is_lost(error: Exception) -> bool:
    sqlstate = _sqlstate(error)
    if sqlstate is not None:
        return sqlstate.startswith(LOST)
    return not isinstance(error, asyncpg.DataError)


def _may_repeat(error: Exception, *, is_read: bool) -> bool:
    sqlstate = _sqlstate(error)
    if sqlstate is not None and sqlstate.startswith(OUTDATED):
        return True
    return is_read and _is_lost(error)


def _describe(error: Exception) -> str:
    """Say what happened in one line: SQLSTATE and message, not the detail, which holds values."""
    sqlstate = _sqlstate(error)
    if sqlstate is not None:
        message = str(error.args[0]) if error.args else type(error).__name__
        hint = f"; {POOLER_HINT}" if _is_pooler(sqlstate, message) else ""
        return f"the database answered {sqlstate}: {message}{hint}"
    if isinstance(error, TimeoutError):
        return "the database did not answer in time"
    return f"the database cannot be reached: {error or type(error).__name__}"


def _is_pooler(sqlstate: str, message: str) -> bool:
    return sqlstate in POOLER_SIGNS or (sqlstate == "08P01" and "startup parameter" in message)
