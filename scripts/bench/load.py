#!/usr/bin/env python3
"""Ask one HTTP server the same requests over and over, from a few connections kept open.

A process of its own, for serve.py. On stdin: one line of JSON with what to ask, then a line to
begin after "ready" has come on stdout; "done" follows, and the result is written to a file. It does
as little as possible per answer, since it takes its processor time from the server it measures.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_CONTENT = b"204"
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
STUCK_SECONDS = 30.0
MOST_SAMPLES = 40


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to ask."""

    port: int
    requests: list[str]
    """Whole HTTP requests, asked in turn."""
    connections: int
    warm_seconds: float
    seconds: float
    sample_every: int
    """How many answers lie between two whose bodies are kept."""
    result: str
    """The file that gets what came back, as JSON."""


@dataclass
class Result:
    """What came back."""

    answers: int = 0
    """Since the start, those that warmed the server up too."""
    measured: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    samples: list[tuple[int, str]] = field(default_factory=list)
    """Which request, and the body of its answer."""
    failures: list[str] = field(default_factory=list)
    """Answers other than 200 and 204, as they came, and lost connections."""


class Load:
    """The requests and the answers of all connections."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.requests = [request.encode("latin-1") for request in task.requests]
        self.turns: Iterator[int] = cycle(range(len(self.requests)))
        self.numbers = count(1)
        self.result = Result()
        self.deadline = 0.0

    async def run(self) -> Result:
        """Warm up, wait to be told, measure."""
        loop = asyncio.get_running_loop()
        clients = []
        for _ in range(self.task.connections):
            _, client = await loop.create_connection(
                lambda: Client(self), "127.0.0.1", self.task.port
            )
            clients.append(client)
        await self._ask(clients, self.task.warm_seconds)
        self.result.latencies.clear()
        self.result.samples.clear()
        warmed = self.result.answers
        _tell("ready")
        sys.stdin.readline()
        started = time.perf_counter()
        await self._ask(clients, self.task.seconds)
        self.result.seconds = time.perf_counter() - started
        self.result.measured = self.result.answers - warmed
        return self.result

    async def _ask(self, clients: list[Client], seconds: float) -> None:
        self.deadline = time.perf_counter() + seconds
        await asyncio.wait_for(
            asyncio.gather(*(client.ask_until_deadline() for client in clients)),
            seconds + STUCK_SECONDS,
        )

    def take(self, turn: int, latency: float, answer: bytes, body_at: int) -> None:
        """Keep what is wanted of an answer."""
        result = self.result
        result.answers += 1
        result.latencies.append(latency)
        if answer[9:12] not in {b"200", NO_CONTENT}:
            result.failures.append(answer.decode(errors="replace"))
        elif (
            next(self.numbers) % self.task.sample_every == 0 and len(result.samples) < MOST_SAMPLES
        ):
            result.samples.append((turn, answer[body_at:].decode(errors="replace")))


class Client(asyncio.Protocol):
    """One connection, which asks again as soon as it has its answer."""

    transport: asyncio.Transport
    done: asyncio.Future[None]

    def __init__(self, load: Load) -> None:
        self.load = load
        self.received = b""
        self.is_open = True

    def ask_until_deadline(self) -> asyncio.Future[None]:
        """Begin asking; the future is done with the last answer before the deadline."""
        self.done = asyncio.get_running_loop().create_future()
        self._ask()
        return self.done

    def _ask(self) -> None:
        if not self.is_open or time.perf_counter() >= self.load.deadline:
            self.done.set_result(None)
            return
        self.turn = next(self.load.turns)
        self.asked_at = time.perf_counter()
        self.transport.write(self.load.requests[self.turn])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be connected."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take an answer when it is there wholly, and ask again."""
        self.received += data
        body_at = self.received.find(b"\r\n\r\n") + 4
        if body_at < 4:
            return
        if self.received[9:12] == NO_CONTENT:
            length = 0
        elif given := CONTENT_LENGTH.search(self.received, 0, body_at):
            length = int(given[1])
        else:
            self._fail(f"an answer without Content-Length: {self.received!r}")
            return
        if len(self.received) >= body_at + length:
            answer, self.received = self.received, b""
            self.load.take(self.turn, time.perf_counter() - self.asked_at, answer, body_at)
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note a connection that was not kept open."""
        self.is_open = False
        if not self.done.done():
            self._fail(f"the server closed the connection ({exc})")

    def _fail(self, message: str) -> None:
        self.load.result.failures.append(message)
        self.is_open = False
        self.done.set_result(None)


def main() -> None:
    """Read the task, do it, write the result."""
    given: dict[str, Any] = json.loads(sys.stdin.readline())
    task = Task(**given)
    loop_factory = None
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        result = runner.run(Load(task).run())
    _tell("done")
    Path(task.result).write_text(json.dumps(asdict(result)), encoding="utf-8")


def _tell(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
