"""The lane of training: one job at a time, in a process, kept alive by heartbeats from here."""

from __future__ import annotations

import asyncio
import json
import logging
from time import perf_counter
from typing import TYPE_CHECKING

from app.logs import about
from app.training.job import HEARTBEAT, Claim
from app.worker.lanes import log_end
from app.worker.sessions import GIVE_UP_CLAIMS, Session
from app.worker.training_process import Answer, training

if TYPE_CHECKING:
    from asyncpg import Record

    from app.worker.lanes import Bell
    from app.worker.worker import Worker

logger = logging.getLogger("eventrank.worker")

CLAIM = """
SELECT j.id, j.job_type, j.payload, j.attempts, j.max_attempts
FROM recommender.claim_job($1, ARRAY['training']) AS j
"""
NEXT = "SELECT recommender._seconds_to_next_job(ARRAY['training'])"
FAIL = "SELECT recommender.fail_job($1, $2, $3, $4, $5)"

SECONDS_TO_ANSWER = 2.0
"""Who ends its job loses its claim, too, just before it says so."""


class TrainingLane:
    """Claims training jobs and sees them through."""

    def __init__(self, worker: Worker, bell: Bell) -> None:
        self.session = Session(worker, "training")
        self._worker = worker
        self._bell = bell

    async def run(self) -> None:
        """Run jobs until cancelled."""
        try:
            while True:
                if not self._worker.pace.queue_enabled:
                    await self._bell.wait(self._worker.pace.poll_seconds)
                    continue
                # Should a claim have succeeded whose answer was lost with the connection.
                await self.session.ask(GIVE_UP_CLAIMS, self.session.name)
                job = await self.session.ask(CLAIM, self.session.name)
                if job["id"] is not None:
                    await self._work(job)
                    continue
                (next_seconds,) = await self.session.ask(NEXT)
                pace = self._worker.pace
                await self._bell.wait(pace.pause_seconds(next_seconds, pace.poll_seconds))
        finally:
            await self.session.close()

    async def _work(self, job: Record) -> None:
        started = perf_counter()
        claim = Claim(job["id"], self.session.name, job["attempts"])
        with about(job_id=claim.job_id, job_type=job["job_type"], attempt=claim.attempt):
            status, error = await self._train(claim, job)
        log_end(
            job_id=claim.job_id,
            job_type=job["job_type"],
            attempt=claim.attempt,
            status=status,
            error="the claim was lost" if status == "lost" else error,
            seconds=perf_counter() - started,
        )

    async def _train(self, claim: Claim, job: Record) -> tuple[str, str | None]:
        payload = json.loads(job["payload"])
        async with training(self._worker.address, claim, payload) as answering:
            answer = await self._keep_alive(claim, answering)
        status, error = answer["outcome"], answer.get("error")
        if status == "failed":
            (is_noted,) = await self.session.ask(
                FAIL, *claim.arguments(), error, answer["is_final"]
            )
            if not is_noted:
                status = "lost"
            elif not answer["is_final"] and claim.attempt < job["max_attempts"]:
                status = "queued"
        return status, error

    async def _keep_alive(self, claim: Claim, answering: asyncio.Task[Answer]) -> Answer:
        """Give signs of life until there is an answer, or the job is somebody else's."""
        while True:
            done, _ = await asyncio.wait({answering}, timeout=self._worker.pace.heartbeat_seconds)
            if not done:
                (is_ours,) = await self.session.ask(HEARTBEAT, *claim.arguments())
                if is_ours:
                    continue
                done, _ = await asyncio.wait({answering}, timeout=SECONDS_TO_ANSWER)
            return answering.result() if done else {"outcome": "lost"}
