"""The worker's clock: it has the database look, each full minute, what of the schedule is due."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from app.worker.sessions import Session

if TYPE_CHECKING:
    from asyncpg import PostgresLogMessage

    from app.worker.worker import Worker

logger = logging.getLogger("eventrank.worker")

RUN = "CALL recommender.run_schedule()"

PAUSES = (0.05, 60.0)
"""The shortest and the longest, in seconds, between two looks: entries may change meanwhile."""


class Schedule:
    """One connection that runs the schedule; which of several workers is first does not matter."""

    def __init__(self, worker: Worker) -> None:
        self.session = Session(worker, "schedule", on_message=_hear)

    async def run(self) -> None:
        """Run what is due, again and again, until cancelled."""
        try:
            while True:
                run_count, next_seconds = await self.session.ask(RUN)
                if run_count:
                    logger.debug("schedule: entries run: %s", run_count)
                await asyncio.sleep(pause_seconds(next_seconds))
        finally:
            await self.session.close()


def pause_seconds(next_seconds: float | None) -> float:
    """Give how long to rest when the next occurrence is so far away; None: there is none."""
    shortest, longest = PAUSES
    return longest if next_seconds is None else min(max(next_seconds, shortest), longest)


def _hear(_connection: object, message: PostgresLogMessage) -> None:
    """Log what the database says of missed occurrences and of entries that failed."""
    if message.severity_en == "WARNING":
        logger.warning("%s", message.message)
