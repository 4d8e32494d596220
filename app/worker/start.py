"""What has to be so before the worker runs its first job."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from app.console import UsageError, UserError
from app.schema import plan_migration
from app.settings import store_environment
from app.worker.sessions import close, open_session
from app.worker.troubles import PAUSES, TROUBLE

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    from app.worker.worker import Worker

logger = logging.getLogger("eventrank.worker")

MIGRATE = "run .venv/bin/python scripts/migrate.py first"
QUEUE_IS_OFF = (
    "the queue is off: TASK_QUEUE_ENABLED is false. set it to true for the worker (or the row"
    " task_queue_enabled in recommender_settings) to have jobs run"
)


async def prepare(worker: Worker) -> None:
    """Wait for the database, store the environment's settings there, and see whether jobs may run.

    A schema of another version is a UserError, a queue that is off a UsageError.
    """
    pause, longest = PAUSES
    while True:
        try:
            fault = await _try(worker)
        except UsageError:
            raise
        except TROUBLE as error:
            worker.troubles.note("start", error)
        else:
            worker.troubles.over("start")
            if fault:
                raise fault
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, longest)


async def _try(worker: Worker) -> UserError | None:
    connection = await open_session(worker.address)
    try:
        if fault := await _schema_fault(connection):
            return fault
        await store_environment(connection, logger.info)
        await worker.pace.read(connection)
    finally:
        await close(connection)
    return None if worker.pace.queue_enabled else UsageError(QUEUE_IS_OFF)


async def _schema_fault(connection: Connection[Record]) -> UserError | None:
    try:
        plan = await plan_migration(connection)
    except UserError as error:
        return error
    if plan.pending:
        missing = plan.pending[0].name
        return UserError(f"the migration {missing} is missing in the database: {MIGRATE}")
    if not plan.is_logic_current:
        return UserError(f"the functions of the database are of another version: {MIGRATE}")
    return None
