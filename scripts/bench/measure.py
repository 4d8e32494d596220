"""What every benchmark needs: a database of its own, interleaved timings, facts of the machine."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import secrets
import signal
import statistics
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.arguments import whole_number
from app.console import UserError, console
from app.database import connect, normalized_url
from app.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from asyncpg import Connection, Record

DATABASE = "eventrank_bench"
SERVER_SETTINGS = {"checkpoint_timeout": "1h", "max_wal_size": "8GB", "shared_buffers": "512MB"}
"""A checkpoint in the middle of one contender's turn would be its bad luck."""

REPORTED_SETTINGS = (
    "shared_buffers",
    "work_mem",
    "effective_cache_size",
    "random_page_cost",
    "max_wal_size",
    "checkpoint_timeout",
    "fsync",
    "synchronous_commit",
    "wal_level",
    "autovacuum",
    "max_parallel_workers_per_gather",
    "jit",
)


@dataclass
class Contender:
    """One way to do the work, and how long each of its turns took."""

    name: str
    work: Callable[[], Awaitable[float | None]]
    """Does the work once; only this is timed. With a clock of its own it gives the seconds."""
    rounds: int
    prepare: Callable[[], Awaitable[None]] | None = None
    """Runs before each turn, outside the clock."""
    scale: float = 1.0
    """What a turn is multiplied by when it does a part of the work."""
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of the turns, for the whole work."""
        return statistics.median(self.seconds) * self.scale

    def facts(self) -> dict[str, Any]:
        """Give what a JSON report says of it."""
        return {
            "name": self.name,
            "rounds": len(self.seconds),
            "scaled_by": self.scale,
            "seconds": [round(seconds * self.scale, 4) for seconds in self.seconds],
            "median_seconds": round(self.median, 4),
        }


def say(message: str) -> None:
    """Tell what begins now, with the time of day: some of it takes minutes."""
    now = datetime.now().astimezone()
    console.print(f"{now:%H:%M:%S} {message}", markup=False, soft_wrap=True)


async def take_turns(
    contenders: list[Contender],
    *,
    before_round: Callable[[int], Awaitable[None]] | None = None,
    after_round: Callable[[int], Awaitable[None]] | None = None,
) -> None:
    """Time the contenders in turn, round by round, so that a slow minute strikes them all.

    What comes before and after a round, which is given its number from 0, is outside the clock.
    """
    for number in range(max(contender.rounds for contender in contenders)):
        if before_round:
            await before_round(number)
        for contender in contenders:
            if number >= contender.rounds:
                continue
            turn = f"round {number + 1} of {contender.rounds}: {contender.name}"
            if contender.prepare:
                with console.status(f"preparing {turn}"):
                    await contender.prepare()
            with console.status(turn):
                started = time.perf_counter()
                seconds = await contender.work()
                if seconds is None:
                    seconds = time.perf_counter() - started
                contender.seconds.append(seconds)
            say(f"{turn}: {contender.seconds[-1]:.2f} s")
        if after_round:
            await after_round(number)


@asynccontextmanager
async def throw_away_database(given_url: str | None, **server_settings: str) -> AsyncIterator[str]:
    """Give an empty database: on a server of its own, or a new one on the server that is given.

    The settings are for a server of its own only.
    """
    if given_url:
        async with database_on(given_url) as url:
            yield url
        return
    with tempfile.TemporaryDirectory(prefix="eventrank-bench-") as directory:
        # As root the server may have to run as somebody else, who has to get through here.
        Path(directory).chmod(0o711)
        settings = SERVER_SETTINGS | server_settings
        server = EmbeddedServer(Path(directory) / "postgres", settings=settings)
        try:
            server.start()
            server.create_database(DATABASE)
            yield server.url(DATABASE)
        finally:
            server.stop()


@asynccontextmanager
async def database_on(server_url: str) -> AsyncIterator[str]:
    """Give one more empty database on a server, and drop it afterwards."""
    name = f"{DATABASE}_{os.getpid()}_{secrets.token_hex(3)}"
    connection = await connect(server_url)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        try:
            yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
        finally:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await connection.close()


async def machine_facts(connection: Connection[Record]) -> dict[str, Any]:
    """Say what the figures were measured on."""
    version = await connection.fetchval("SHOW server_version")
    settings = {
        name: await connection.fetchval("SELECT current_setting($1)", name)
        for name in REPORTED_SETTINGS
    }
    return {
        "cores": os.cpu_count(),
        "processor": await asyncio.to_thread(_processor),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "postgresql": str(version).split()[0],
        "settings": settings,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine_lines(facts: dict[str, Any]) -> list[str]:
    """Put the facts of the machine into lines."""
    settings = ", ".join(f"{name} = {value}" for name, value in facts["settings"].items())
    machine = (
        f"machine: {facts['cores']} cores ({facts['processor']}), {facts['memory_gib']} GiB,"
        f" {facts['system']}, Python {facts['python']}, PostgreSQL {facts['postgresql']}"
    )
    return [machine, f"settings: {settings}"]


def clean_up_on_termination() -> None:
    """Leave no server behind when told to end, just as after Ctrl-C."""
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, lambda: signal.raise_signal(signal.SIGINT)
    )


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every benchmark is told in the same words."""
    add = parser.add_argument
    add(
        "--seed",
        type=whole_number(0, 2**62),
        default=1337,
        metavar="N",
        help="seed of the population (default: %(default)s)",
    )
    add(
        "--database-url",
        type=_address,
        metavar="URL",
        help="make the database for this run on that server, and drop it afterwards (default: a"
        " server of its own in a temporary directory; DATABASE_URL is not looked at)",
    )
    add("--json", type=new_file, metavar="FILE", help="also write all figures to this file")


def _address(text: str) -> str:
    """Take the address of a PostgreSQL server from the command line."""
    try:
        return normalized_url(text, "it")
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def new_file(text: str) -> Path:
    """Take the name of a file to write from the command line."""
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a file in a folder that exists")
    return path
