"""Training in a process of its own: `python -m app.worker.training_process`, for the worker alone.

It reads the job from its standard input, which the worker keeps open as long as it lives, and
writes how it went to its standard output, as one line of JSON each.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, Any

import asyncpg

from app.console import UserError
from app.logs import begin, set_up_logs
from app.training.job import JOB_TYPE, Claim, run_training_job
from app.worker.sessions import close, open_session
from app.worker.settings import read_worker_settings
from app.worker.troubles import TROUBLE, describe

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

logger = logging.getLogger("eventrank.training")

ROOT = Path(__file__).resolve().parents[2]

SECONDS_TO_CANCEL = 3.0
"""What a training gets to cancel its statement, once nobody wants it any more."""

SIGNALS = {signal.SIGINT, signal.SIGTERM}

Answer = dict[str, Any]
"""outcome succeeded (with result), lost, or failed (with error, and whether that is_final)."""


@asynccontextmanager
async def training(
    address: str, claim: Claim, payload: dict[str, Any]
) -> AsyncIterator[asyncio.Task[Answer]]:
    """Train in a process, which ends with the block; the task gives its answer.

    This is not a ProcessPoolExecutor: what that started cannot be ended, and is sent the
    terminal's Ctrl-C.
    """
    # Blocked here, so blocked there: a supervisor may send its signal to all of us, and it is for
    # the worker to say what becomes of the training.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.worker.training_process"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    job = {"address": address, "claim": vars(claim), "payload": payload}
    asking = asyncio.create_task(_ask(process, job))
    try:
        yield asking
    finally:
        asking.cancel()
        await _end(process)


async def _ask(process: Process, job: dict[str, Any]) -> Answer:
    assert process.stdin
    assert process.stdout
    with suppress(ConnectionError):  # it died; its exit code says more
        process.stdin.write(json.dumps(job).encode() + b"\n")
        await process.stdin.drain()
    said = await process.stdout.read()
    try:
        answer: Answer = json.loads(said)
    except ValueError:
        code = await process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
        return failure(f"the training process ended with {how}", is_final=False)
    return answer


async def _end(process: Process) -> None:
    assert process.stdin
    process.stdin.close()
    try:
        async with asyncio.timeout(SECONDS_TO_CANCEL):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def failure(error: str, *, is_final: bool) -> Answer:
    """Give the answer of a training that failed."""
    return {"outcome": "failed", "error": error, "is_final": is_final}


def main() -> None:
    """Train, and answer."""
    settings = read_worker_settings()
    set_up_logs(settings.log_level, settings.log_format)
    job = json.loads(sys.stdin.buffer.readline())
    claim = job["claim"]
    begin(job_id=claim["job_id"], job_type=JOB_TYPE, attempt=claim["attempt"])
    with suppress(asyncio.CancelledError):
        sys.stdout.write(json.dumps(asyncio.run(_answer(job))))


async def _answer(job: dict[str, Any]) -> Answer:
    task = asyncio.create_task(_train(**job))
    loop = asyncio.get_running_loop()
    Thread(target=_end_with_worker, args=(loop, task), daemon=True).start()
    return await task


def _end_with_worker(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Answer]) -> None:
    """Wait until the worker closes our standard input, by intent or by dying, and end, too."""
    os.read(sys.stdin.fileno(), 1)
    with suppress(RuntimeError):  # the loop is closed: all is done
        loop.call_soon_threadsafe(task.cancel)
    sleep(SECONDS_TO_CANCEL)
    os._exit(1)


async def _train(address: str, claim: dict[str, Any], payload: dict[str, Any]) -> Answer:
    try:
        connection = await open_session(address)
    except TROUBLE as error:
        return failure(describe(error), is_final=False)
    try:
        result = await run_training_job(connection, Claim(**claim), payload)
    except UserError as error:
        return failure(str(error), is_final=True)
    except asyncpg.PostgresError as error:
        # What our own functions refuse, they will refuse again.
        return failure(describe(error), is_final=(error.sqlstate or "").startswith("ER"))
    except Exception as error:
        if not isinstance(error, TROUBLE):
            logger.exception("training failed")
        return failure(describe(error), is_final=False)
    finally:
        await close(connection)
    return {"outcome": "succeeded", "result": result} if result else {"outcome": "lost"}


if __name__ == "__main__":
    main()
