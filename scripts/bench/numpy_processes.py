"""The numpy pipeline in one process per core; they are started and warm before any clock."""

from __future__ import annotations

import asyncio
import multiprocessing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.console import UserError
from app.database import connect
from scripts.bench.numpy_pipeline import Steps, Work, build_key, write_lists_by_numpy

if TYPE_CHECKING:
    from multiprocessing.connection import Connection as Pipe
    from multiprocessing.context import SpawnProcess

    from asyncpg import Connection, Record

START_SECONDS = 120.0
STOP_SECONDS = 10.0
READY = "ready"

SHARES = """
    SELECT min(n.user_id) AS first_user_id, max(n.user_id) AS last_user_id
    FROM (
        SELECT s.user_id, ntile($1::integer) OVER (ORDER BY s.user_id) AS share
        FROM recommender.source_students AS s
    ) AS n
    GROUP BY n.share
    ORDER BY n.share
"""


@dataclass
class _Helper:
    process: SpawnProcess
    pipe: Pipe[object, object]

    async def answer(self) -> object:
        """Wait for what it says next."""
        try:
            answer = await asyncio.to_thread(self.pipe.recv)
        except EOFError:
            raise UserError(
                "a process of the numpy pipeline ended; its reason stands above"
            ) from None
        if isinstance(answer, str) and answer != READY:
            raise UserError(f"a process of the numpy pipeline failed: {answer}")
        return answer


class NumpyProcesses:
    """Processes with a connection each, that write their share of the students when told to."""

    def __init__(self, url: str, count: int) -> None:
        self._url = url
        self._count = count
        self._helpers: list[_Helper] = []

    async def start(self) -> None:
        """Start them, and wait until each has its imports done and its connection open."""
        context = multiprocessing.get_context("spawn")
        for _ in range(self._count):
            pipe, far_end = context.Pipe()
            process = context.Process(target=_serve, args=(far_end, self._url), daemon=True)
            process.start()
            far_end.close()
            self._helpers.append(_Helper(process, pipe))
        for helper in self._helpers:
            async with asyncio.timeout(START_SECONDS):
                await helper.answer()

    async def write(self, connection: Connection[Record], work: Work) -> Steps:
        """Let each write its share into the one table, then build the key.

        Of the steps that all do at once the longest counts.
        """
        shares = await connection.fetch(SHARES, self._count)
        busy = self._helpers[: len(shares)]
        for helper, share in zip(busy, shares, strict=True):
            helper.pipe.send(replace(work, **dict(share)))
        answers = await asyncio.gather(*(helper.answer() for helper in busy))
        steps = Steps()
        for answer in answers:
            assert isinstance(answer, Steps)
            steps.take_longer(answer)
        steps.key = await build_key(connection, work.table)
        return steps

    def stop(self) -> None:
        """End them."""
        for helper in self._helpers:
            helper.pipe.close()
        for helper in self._helpers:
            helper.process.join(STOP_SECONDS)
            if helper.process.is_alive():
                helper.process.kill()
        self._helpers.clear()


def _serve(pipe: Pipe[object, object], url: str) -> None:
    try:
        asyncio.run(_work_off(pipe, url))
    except (EOFError, KeyboardInterrupt):
        pass
    except Exception as error:  # noqa: BLE001
        pipe.send(f"{type(error).__name__}: {error}")


async def _work_off(pipe: Pipe[object, object], url: str) -> None:
    connection = await connect(url)
    pipe.send(READY)
    try:
        while True:
            work = await asyncio.to_thread(pipe.recv)
            assert isinstance(work, Work)
            pipe.send(await write_lists_by_numpy(connection, work))
    finally:
        connection.terminate()
