"""What may befall the database under a worker, and how that is told: once a kind, not per try."""

from __future__ import annotations

import logging

import asyncpg

from app.console import UserError, describe_database_error

logger = logging.getLogger("eventrank.worker")

TROUBLE = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    UserError,
)
"""A statement that failed, a connection that broke, and one that could not be opened."""

PAUSES = (0.1, 5.0)
"""The first and the longest pause, in seconds, before the database is tried again."""


class TroubleLog:
    """Tells each kind of trouble once, however many lanes meet it, and when all are out of it."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._troubled: set[str] = set()

    def note(self, lane: str, error: BaseException) -> None:
        """Log what a lane met, unless it is known."""
        self._troubled.add(lane)
        message = describe(error)
        if message not in self._told:
            self._told.add(message)
            logger.warning("trying again: %s", message)

    def has(self, lane: str) -> bool:
        """Say whether a lane is in trouble."""
        return lane in self._troubled

    def over(self, lane: str) -> None:
        """Note that a lane got its answer."""
        if lane in self._troubled:
            self._troubled.remove(lane)
            if not self._troubled:
                self._told.clear()
                logger.info("the database answers again")


def describe(error: BaseException) -> str:
    """Say what happened in one line."""
    if isinstance(error, asyncpg.PostgresError):
        return f"{error.sqlstate}: {describe_database_error(error)}"
    if isinstance(error, TimeoutError):
        return "the database did not answer in time"
    return str(error) or type(error).__name__
