"""Ask the app, or PostgreSQL by pgbench, for a while: throughput, latency, processor time."""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from app.console import UserError
from app.embedded import find_binaries

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Awaitable, Callable

    from scripts.bench.cpu import Clocks

LOAD = Path(__file__).with_name("load.py")
SAMPLE_EVERY = 97
STUCK_SECONDS = 120.0

PGBENCH_THREADS = 2
PGBENCH_CONNECT_SECONDS = 1.0
PGBENCH_TAIL_SECONDS = 1.0


@dataclass(frozen=True)
class Effort:
    """How hard and how long to ask."""

    connections: int
    warm_seconds: float
    seconds: float
    seed: int


@dataclass(frozen=True)
class Turn:
    """What came of asking for a while."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    app_cpu_ms: float | None
    """A request; None where it cannot be measured, or no app is asked."""
    server_cpu_ms: float | None
    """A request, of all processes of PostgreSQL."""


@dataclass(frozen=True)
class Answers:
    """A turn, how many answers there were with those before the clock, and some of the bodies."""

    turn: Turn
    count: int
    samples: list[tuple[int, str]]
    """The key of the request, and the body of its answer."""


@dataclass
class Asked:
    """Something that is asked in turn with others."""

    name: str
    ask: Callable[[], Awaitable[Turn]]
    turns: list[Turn] = field(default_factory=list)

    def median(self, figure: str) -> float | None:
        """Give the median of a figure over the turns."""
        values = [getattr(turn, figure) for turn in self.turns]
        return None if None in values else statistics.median(values)

    @property
    def cpu_ms(self) -> float | None:
        """Processor time of app and server a request."""
        server = self.median("server_cpu_ms")
        return None if server is None else server + (self.median("app_cpu_ms") or 0.0)

    def ratios_to(self, other: Asked) -> list[float]:
        """Compare throughputs round by round, so that a slow minute strikes both."""
        return [
            ours.requests_per_second / theirs.requests_per_second
            for ours, theirs in zip(self.turns, other.turns, strict=True)
        ]

    def facts(self) -> dict[str, Any]:
        """Give what a JSON report says of it."""
        medians = {figure.name: self.median(figure.name) for figure in fields(Turn)}
        return {
            "name": self.name,
            **_rounded(medians | {"cpu_ms": self.cpu_ms}),
            "turns": [_rounded(asdict(turn)) for turn in self.turns],
        }


async def ask_app(port: int, requests: dict[int, str], effort: Effort, clocks: Clocks) -> Answers:
    """Let load.py ask the app: each request in an order of the seed, again and again."""
    keys = random.Random(effort.seed).sample(sorted(requests), len(requests))
    with tempfile.TemporaryDirectory(prefix="eventrank-load-") as directory:
        answer = Path(directory, "result.json")
        task = {
            "port": port,
            "requests": [requests[key] for key in keys],
            "connections": effort.connections,
            "warm_seconds": effort.warm_seconds,
            "seconds": effort.seconds,
            "sample_every": SAMPLE_EVERY,
            "result": str(answer),
        }
        async with _program(
            sys.executable, LOAD, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(task).encode() + b"\n")
            await _wait_for(b"ready\n", process.stdout)
            before = clocks.read()
            process.stdin.write(b"begin\n")
            await _wait_for(b"done\n", process.stdout)
            after = clocks.read()
        result = json.loads(answer.read_text(encoding="utf-8"))
    if failures := result["failures"]:
        raise UserError(
            f"{len(failures)} of {result['answers']} requests failed, the first with: {failures[0]}"
        )
    app, server = before.until(after, result["measured"])
    turn = _turn(result["latencies"], result["seconds"], app, server)
    samples = [(keys[number], body) for number, body in result["samples"]]
    return Answers(turn, result["answers"], samples)


async def ask_by_pgbench(
    url: str,
    script: str,
    variables: dict[str, str],
    effort: Effort,
    clocks: Clocks,
    *,
    rate: float | None = None,
) -> Turn:
    """Let pgbench run a script, and count what it did after all its connections were warm.

    Without a rate, each connection asks again as soon as it has its answer. With one, requests are
    due at random times, so many a second, whether or not the ones before have been answered, and
    their latency counts from when they were due.
    """
    warm = PGBENCH_CONNECT_SECONDS + effort.warm_seconds
    url, environment = _without_password(url)
    with tempfile.TemporaryDirectory(prefix="eventrank-pgbench-") as directory:
        Path(directory, "script.sql").write_text(script, encoding="utf-8")
        async with _program(
            *(find_binaries() / "pgbench", "-n", "-M", "prepared", "-f", "script.sql"),
            *("-c", str(effort.connections), "-j", str(PGBENCH_THREADS)),
            *("-T", str(int(warm + effort.seconds + PGBENCH_TAIL_SECONDS + 0.5))),
            *("-l", "--log-prefix", "done"),
            *(() if rate is None else (f"--rate={rate:.3f}", f"--random-seed={effort.seed}")),
            *(f"--define={name}={value}" for name, value in variables.items()),
            url,
            cwd=directory,
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        ) as process:
            await asyncio.sleep(warm)
            began, before = time.time(), clocks.read()
            await asyncio.sleep(effort.seconds)
            ended, after = time.time(), clocks.read()
            _, errors = await asyncio.wait_for(process.communicate(), STUCK_SECONDS)
        latencies = _logged_latencies(Path(directory), began, ended)
    if process.returncode or not latencies:
        raise UserError(f"pgbench failed: {errors.decode(errors='replace').strip()}")
    _, server = before.until(after, len(latencies))
    return _turn(latencies, ended - began, None, server)


def _logged_latencies(directory: Path, began: float, ended: float) -> list[float]:
    """Read the log: client, number, microseconds, script, second and microsecond of its end."""
    latencies = []
    for log in directory.glob("done.*"):
        for line in log.read_text(encoding="utf-8").splitlines():
            _, _, latency, _, second, microsecond = line.split()[:6]
            if began < int(second) + int(microsecond) / 1e6 <= ended:
                latencies.append(int(latency) / 1e6)
    return latencies


def _turn(latencies: list[float], seconds: float, app: float | None, server: float | None) -> Turn:
    percentiles = statistics.quantiles(latencies, n=100, method="inclusive")
    return Turn(
        requests_per_second=len(latencies) / seconds,
        p50_ms=1000 * percentiles[49],
        p99_ms=1000 * percentiles[98],
        app_cpu_ms=app,
        server_cpu_ms=server,
    )


@asynccontextmanager
async def _program(*arguments: Any, **options: Any) -> AsyncIterator[Process]:
    """Run a program that does not outlive the block."""
    process = await asyncio.create_subprocess_exec(*arguments, **options)
    try:
        yield process
    finally:
        if process.returncode is None and sys.exc_info()[0]:
            process.kill()
        await process.wait()


async def _wait_for(word: bytes, stream: asyncio.StreamReader) -> None:
    if await asyncio.wait_for(stream.readline(), STUCK_SECONDS) != word:
        raise UserError("the load generator failed; its reason stands above")


def _without_password(url: str) -> tuple[str, dict[str, str]]:
    """Move the password from the arguments, which everybody can read, to the environment."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    environment = os.environ | {"PGOPTIONS": "-c jit=off -c timezone=UTC"}
    if password:
        environment["PGPASSWORD"] = unquote(password)
    return parts._replace(netloc=user + at + hosts).geturl(), environment


def _rounded(figures: dict[str, float | None]) -> dict[str, float | None]:
    return {name: value and round(value, 4) for name, value in figures.items()}
