"""The lanes whose jobs run inside the database: one call runs what is due, then they wait."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING

from app.logs import FIELDS
from app.worker.sessions import Session

if TYPE_CHECKING:
    from asyncpg import PostgresLogMessage

    from app.worker.worker import Worker

logger = logging.getLogger("eventrank.worker")

RUN = "CALL recommender.run_jobs($1, $2, ARRAY[$3])"
JOBS_A_CALL = 20
"""So that a worker that is told to stop has soon done so."""

JOB_ENDED = "job ended"
"""The message, of level debug, with which the database tells of each job."""

LOOK_AGAIN_SECONDS = 0.02
"""When nothing could be claimed: what is due may be locked by a transaction that is about to
commit, and a job that comes just after another is not rung for. The pause doubles up to the poll
interval."""

SESSIONS = {
    # The list and the end of its job are one commit. What a crash of the server loses of the last
    # moments is therefore lost together, and done again.
    "refresh": {"synchronous_commit": "off"},
    "batch": {},
}


class Bell:
    """Wakes the lanes of a kind: each ring is heard by one of them, now or when it next waits."""

    def __init__(self, lanes: int = 1) -> None:
        self._rings: asyncio.Queue[None] = asyncio.Queue(lanes)

    def ring(self) -> None:
        """Wake a lane. More rings than lanes are as good as one for each."""
        with suppress(asyncio.QueueFull):
            self._rings.put_nowait(None)

    async def wait(self, seconds: float) -> bool:
        """Come back at a ring, at the latest after so many seconds; say whether it rang."""
        try:
            async with asyncio.timeout(seconds):
                await self._rings.get()
        except TimeoutError:
            return False
        return True


class SqlLane:
    """One connection that runs jobs of the lane refresh or batch, one after the other."""

    def __init__(self, worker: Worker, lane: str, bell: Bell, number: int = 1) -> None:
        self.session = Session(
            worker,
            f"{lane}-{number}",
            gives_up_claims=True,
            on_message=self._hear,
            client_min_messages="debug1",
            **SESSIONS[lane],
        )
        self._worker = worker
        self._lane = lane
        self._bell = bell
        self._is_stopping = False
        self._last_ended = 0.0

    async def run(self) -> None:
        """Run jobs until told to stop, or cancelled."""
        limit, look_again = 1, LOOK_AGAIN_SECONDS
        try:
            while not self._is_stopping:
                job_count, next_seconds = await self._call(limit)
                if job_count:
                    look_again = LOOK_AGAIN_SECONDS
                is_more_due = next_seconds is not None and next_seconds <= 0
                if is_more_due and job_count == limit:
                    self._bell.ring()  # for another lane: one NOTIFY may stand for many jobs
                    limit = JOBS_A_CALL
                    continue
                if self._is_stopping:
                    break
                pause = self._worker.pace.pause_seconds(next_seconds, look_again)
                if await self._bell.wait(pause):
                    look_again = LOOK_AGAIN_SECONDS
                else:
                    look_again = min(look_again * 2, self._worker.pace.poll_seconds)
                limit = 1
        finally:
            await self.session.close()

    def stop(self) -> None:
        """End after the call that runs, if one does."""
        self._is_stopping = True

    async def _call(self, limit: int) -> tuple[int, float | None]:
        row = await self.session.ask(RUN, limit, self.session.name, self._lane)
        return row["job_count"], row["next_seconds"]

    def _hear(self, _connection: object, message: PostgresLogMessage) -> None:
        if message.message != JOB_ENDED or message.detail is None:
            return
        now = perf_counter()
        log_end(
            **json.loads(message.detail),
            seconds=now - max(self._last_ended, self.session.asked_at),
        )
        self._last_ended = now


def log_end(
    *,
    job_id: int,
    job_type: str,
    attempt: int,
    status: str,
    error: str | None,
    seconds: float,
) -> None:
    """Log what became of a job: one line, without its payload."""
    outcome = {"queued": "to be tried again"}.get(status, status)
    logger.log(
        logging.WARNING if error else logging.INFO,
        "job %s %s, attempt %s: %s after %.3f s%s",
        *(job_id, job_type, attempt, outcome, seconds, f": {error}" if error else ""),
        extra={
            FIELDS: {
                "job_id": job_id,
                "job_type": job_type,
                "attempt": attempt,
                "status": status,
                "seconds": round(seconds, 6),
            }
        },
    )
