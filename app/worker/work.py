"""The worker as a whole: its lanes, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

from app.worker.lanes import Bell, SqlLane
from app.worker.schedule import Schedule
from app.worker.sessions import Session
from app.worker.start import prepare
from app.worker.training_lane import TrainingLane
from app.worker.watch import Watch
from app.worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

logger = logging.getLogger("eventrank.worker")

RELEASE = "SELECT sum(recommender.release_jobs(w.name)) FROM unnest($1::text[]) AS w (name)"

SECONDS_TO_FINISH = 5.0
"""What refreshes that run get to end in when the worker is stopped."""
SECONDS_TO_RELEASE = 5.0


async def work(address: str, concurrency: int, *, until_stdin_closes: bool = False) -> None:
    """Run jobs until a signal comes; what runs then is ended or handed back."""
    stopping = _stop_at_signals()
    if until_stdin_closes:
        _stop_with_stdin(stopping)
    worker = Worker(f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}", address)
    if not await _unless(stopping, prepare(worker)):
        return
    bells = {"refresh": Bell(concurrency), "batch": Bell(), "training": Bell()}
    refresh_lanes = [
        SqlLane(worker, "refresh", bells["refresh"], number) for number in range(1, concurrency + 1)
    ]
    batch_lane = SqlLane(worker, "batch", bells["batch"])
    training_lane = TrainingLane(worker, bells["training"])
    schedule = Schedule(worker)
    sessions = [lane.session for lane in (*refresh_lanes, batch_lane)] + [training_lane.session]

    def abort() -> None:
        for session in (*sessions, schedule.session):
            session.abort()

    watch = Watch(worker, bells, on_silence=abort)
    refreshing = {asyncio.create_task(lane.run()): lane for lane in refresh_lanes}
    others = [
        asyncio.create_task(part.run()) for part in (watch, batch_lane, training_lane, schedule)
    ]
    logger.info("worker %s runs jobs, %s refreshes at once", worker.name, concurrency)
    stop = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait({*refreshing, *others, stop}, return_when="FIRST_COMPLETED")
    logger.info("stopping")
    await _end(refreshing, [*others, stop])
    await _release(worker, [session.name for session in sessions])
    for task in done:
        task.result()  # a lane ends by itself only by a mistake of ours


def _stop_at_signals() -> asyncio.Event:
    """Give the event of the first SIGTERM or SIGINT; the second one ends the process at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopping


def _stop_with_stdin(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            continue
        with suppress(RuntimeError):  # the loop is closed: all is done
            loop.call_soon_threadsafe(stopping.set)

    Thread(target=wait, daemon=True).start()


async def _unless(stopping: asyncio.Event, coroutine: Coroutine[Any, Any, None]) -> bool:
    """Say whether it came to its end before the signal did."""
    task = asyncio.create_task(coroutine)
    stop = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait({task, stop}, return_when="FIRST_COMPLETED")
    if task in done:
        stop.cancel()
        await task
        return True
    await _cancel([task])
    return False


async def _end(
    refreshing: dict[asyncio.Task[None], SqlLane], others: list[asyncio.Task[Any]]
) -> None:
    """End the lanes: refreshes that run may finish, everything else is cancelled."""
    for lane in refreshing.values():
        lane.stop()
    finishing = {task for task, lane in refreshing.items() if lane.session.is_busy}
    ending = asyncio.create_task(_cancel([*others, *(refreshing.keys() - finishing)]))
    if finishing:
        await asyncio.wait(finishing, timeout=SECONDS_TO_FINISH)
    await _cancel(finishing)
    await ending


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _release(worker: Worker, names: list[str]) -> None:
    session = Session(worker, "release")
    try:
        async with asyncio.timeout(SECONDS_TO_RELEASE):
            (count,) = await session.ask(RELEASE, names)
    except TimeoutError:
        logger.warning("jobs that ran are not handed back: they are taken over when they are stale")
    else:
        if count:
            logger.info("%s handed back", f"{count} job{'s' if count > 1 else ''}")
    finally:
        await session.close()
