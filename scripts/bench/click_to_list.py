#!/usr/bin/env python3
"""Measure how long a click takes to reach the student's list, with `python -m app.worker` running.

Everything happens in a database made for this run and removed after it, on the server that
--database-url names or on one of its own in a temporary directory. The app and the worker run as
processes of their own, refreshes are not throttled. Clients post one click each of many students;
the clock runs from the 204 until the refreshed list has come from GET /api/recommendations: one
client first, then several at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.table import Table

from app.arguments import whole_number
from app.console import UserError, console, run
from app.database import connect
from scripts.bench.app_process import ROOT, kept_environment, make_tokens, run_app, stop
from scripts.bench.bounds import Bound, print_bounds
from scripts.bench.measure import (
    add_common_arguments,
    clean_up_on_termination,
    machine_facts,
    machine_lines,
    say,
    throw_away_database,
)
from scripts.bench.telemetry import INTERACTIONS, SETTINGS, build_site, set_throttle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from asyncpg import Connection, Record

RECOMMENDATIONS = "/api/recommendations"
WARM_CLICKS = 30
LOOK_SECONDS = 0.001
STUCK_SECONDS = 60.0
AIM_MS = 100.0
MOST_CLICKING = 0.8
"""The share of students that may click; some accounts are not active."""

LISTS = """
    SELECT l.user_id, l.generated_at
    FROM public.recommendation_lists AS l
    WHERE l.user_id = ANY ($1)
"""
EVENTS = "SELECT e.event_id FROM recommender.eligible_events AS e ORDER BY e.event_id"
JOBS = """
    SELECT
        (j.payload ->> 'user_id')::integer AS user_id,
        j.status,
        j.finished_at,
        l.generated_at
    FROM public.background_jobs AS j
    INNER JOIN public.recommendation_lists AS l ON l.user_id = (j.payload ->> 'user_id')::integer
    WHERE j.job_type = 'refresh_user_recommendations_ml'
"""
STEPS = (
    "woken and claimed",
    "scored and written",
    "committed and seen",
    "read by GET",
)
"""What comes after the 204. The job's transaction begins with the second."""


@dataclass
class Click:
    """When what happened to a click, in seconds of the machine's clock."""

    user_id: int
    posted_at: float
    answered_at: float
    seen_at: float
    """When the list's header was seen to be new."""
    read_at: float
    """When the list had come."""

    @property
    def total_ms(self) -> float:
        """From the 204 to the list."""
        return 1000 * (self.read_at - self.answered_at)


@dataclass
class Watch:
    """Looks for new lists, for all clients at once: the fewer look, the less they disturb."""

    connection: Connection[Record]
    waiting: dict[int, tuple[datetime, asyncio.Future[float]]] = field(default_factory=dict)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            if self.waiting:
                for user_id, generated_at in await self.connection.fetch(LISTS, [*self.waiting]):
                    before, seen = self.waiting[user_id]
                    if generated_at > before:
                        del self.waiting[user_id]
                        seen.set_result(time.time())
            await asyncio.sleep(LOOK_SECONDS)

    def expect(self, user_id: int, before: datetime) -> asyncio.Future[float]:
        """Give the time at which a list newer than this one is seen."""
        seen: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.waiting[user_id] = before, seen
        return seen


@dataclass
class Client:
    """One connection to the app."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, method: str, path: str, token: str, body: str = "") -> int:
        """Ask, read the whole answer, and give its status."""
        self.writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        _, found, rest = head.partition(b"\r\ncontent-length:")
        if found:
            await self.reader.readexactly(int(rest.split(b"\r\n", 1)[0]))
        return int(head[9:12])


@dataclass
class Bench:
    """The site, and who has not clicked yet."""

    connection: Connection[Record]
    watch: Watch
    port: int
    tokens: dict[int, str]
    students: Iterator[int]
    events: list[int]
    draw: random.Random

    async def click(self, clients: int, clicks: int) -> list[Click]:
        """Let clients click, each again when it has seen its list."""
        before = dict(tuple(row) for row in await self.connection.fetch(LISTS, list(self.tokens)))
        left = iter(range(clicks))

        async def work() -> list[Click]:
            client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
            done = []
            for _ in left:
                user_id = next(self.students)
                done.append(await self._click_once(client, user_id, before[user_id]))
            client.writer.close()
            return done

        rounds = await asyncio.wait_for(
            asyncio.gather(*(work() for _ in range(clients))), STUCK_SECONDS + clicks
        )
        return [click for done in rounds for click in done]

    async def _click_once(self, client: Client, user_id: int, before: datetime) -> Click:
        token = self.tokens[user_id]
        body = json.dumps(
            {"events": [{"interaction_type": "click", "event_id": self.draw.choice(self.events)}]}
        )
        seen = self.watch.expect(user_id, before)
        posted_at = time.time()
        if (status := await client.ask("POST", INTERACTIONS, token, body)) != 204:
            raise UserError(f"a click was answered with {status}")
        answered_at = time.time()
        try:
            seen_at = await asyncio.wait_for(seen, STUCK_SECONDS)
        except TimeoutError:
            raise UserError(
                f"the list of student {user_id} was not refreshed within {STUCK_SECONDS:g} s"
            ) from None
        if (status := await client.ask("GET", RECOMMENDATIONS, token)) != 200:
            raise UserError(f"recommendations were answered with {status}")
        # A list may be there before the 204 is: the client reads it after both.
        return Click(user_id, posted_at, answered_at, max(seen_at, answered_at), time.time())


async def main() -> int:
    """Build a population, click, report; 1 when a bound is missed."""
    options = _parse_arguments()
    clean_up_on_termination()
    async with throw_away_database(options.database_url) as url:
        report = await _measure(url, options)
    _print_report(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if all(bound["is_met"] for bound in report["bounds"]) else 1


async def _measure(url: str, options: argparse.Namespace) -> dict[str, Any]:
    connection = await connect(url)
    watching = await connect(url)
    try:
        students = await build_site(url, connection, options)
        await set_throttle(connection, 0)
        secret = secrets.token_urlsafe(48)
        draw = random.Random(options.seed)
        draw.shuffle(students)
        bench = Bench(
            connection,
            Watch(watching),
            0,
            make_tokens(secret, students),
            iter(students),
            [row["event_id"] for row in await connection.fetch(EVENTS)],
            draw,
        )
        say("starting the app and the worker")
        with (
            run_app(url, secret, "-m", "app", **SETTINGS) as (_, bench.port),
            _run_worker(url),
        ):
            looking = asyncio.create_task(bench.watch.run())
            try:
                await bench.click(2, WARM_CLICKS)
                measured = {}
                for clients in (1, options.clients):
                    with console.status(f"{options.clicks} clicks, {clients} at once"):
                        clicks = await bench.click(clients, options.clicks)
                    measured[clients] = await _describe(connection, clicks)
                    say(f"{clients} at once: {measured[clients]['total']['p50']:.1f} ms")
            finally:
                looking.cancel()
        facts = await machine_facts(connection)
    finally:
        connection.terminate()
        watching.terminate()
    return _report(options, measured, facts)


@contextmanager
def _run_worker(url: str) -> Iterator[None]:
    """Run `python -m app.worker`; the first clicks wait until it is there."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.worker"],
            cwd=ROOT,
            env=kept_environment() | SETTINGS | {"DATABASE_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
        except UserError as error:
            log.seek(0)
            text = log.read().decode(errors="replace")
            raise UserError(f"{error}; the worker's log ends with:\n{text[-3000:]}") from None
        finally:
            stop(process)


async def _describe(connection: Connection[Record], clicks: list[Click]) -> dict[str, Any]:
    """Give the percentiles of clicks and of what they waited for."""
    jobs = {row["user_id"]: row for row in await connection.fetch(JOBS)}
    failed = [click.user_id for click in clicks if jobs[click.user_id]["status"] != "succeeded"]
    if failed:
        raise UserError(f"the refreshes of {len(failed)} students did not succeed")
    steps: dict[str, list[float]] = {"post": [], "total": [], **{step: [] for step in STEPS}}
    for click in clicks:
        job = jobs[click.user_id]
        begun_at, ended_at = job["generated_at"].timestamp(), job["finished_at"].timestamp()
        steps["post"].append(1000 * (click.answered_at - click.posted_at))
        steps["total"].append(click.total_ms)
        moments = (click.answered_at, begun_at, ended_at, click.seen_at, click.read_at)
        for step, since, until in zip(STEPS, moments, moments[1:], strict=False):
            steps[step].append(1000 * (until - since))
    return {step: _percentiles(values) for step, values in steps.items()}


def _percentiles(values: list[float]) -> dict[str, float]:
    quantiles = statistics.quantiles(values, n=100, method="inclusive")
    return {
        "p50": round(quantiles[49], 3),
        "p95": round(quantiles[94], 3),
        "max": round(max(values), 3),
    }


def _report(
    options: argparse.Namespace, measured: dict[int, dict[str, Any]], facts: dict[str, Any]
) -> dict[str, Any]:
    bounds = [
        Bound(
            f"204 of a click to the list, p95 ms, {clients} at once",
            figures["total"]["p95"],
            aim=AIM_MS,
            is_upper=True,
        )
        for clients, figures in measured.items()
    ]
    return {
        "students": options.students,
        "events": options.events,
        "clicks": options.clicks,
        "seed": options.seed,
        "clients": {str(clients): figures for clients, figures in measured.items()},
        "bounds": [bound.facts() | {"text": str(bound)} for bound in bounds],
        "machine": facts,
    }


def _print_report(report: dict[str, Any]) -> None:
    # A file or a pipe has no width of its own, and 80 columns break every name.
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(
        title=f"click to list: {report['students']:,} students, {report['events']:,} events ahead"
    )
    table.add_column("clients", justify="right")
    table.add_column("what took how long")
    for column in ("median ms", "p95 ms", "max ms"):
        table.add_column(column, justify="right")
    names = {"post": "the POST itself", "total": "204 to list"} | {step: step for step in STEPS}
    for clients, figures in report["clients"].items():
        for key, name in names.items():
            table.add_row(
                clients,
                name,
                *(f"{figures[key][figure]:.1f}" for figure in ("p50", "p95", "max")),
                end_section=key == STEPS[-1],
            )
    out.print(table)
    for line in machine_lines(report["machine"]):
        out.print(line, soft_wrap=True, markup=False)
    print_bounds(out, report["bounds"])


def _parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="The bounds are meant for the default sizes on an otherwise quiet machine.",
    )
    add = parser.add_argument
    add(
        "--students",
        type=whole_number(100, 1_000_000),
        default=5000,
        metavar="N",
        help="students, some of whom click (default: %(default)s)",
    )
    add(
        "--events",
        type=whole_number(100, 1_000_000),
        default=2000,
        metavar="N",
        help="upcoming events, as many past ones besides, at most 2,000 (default: %(default)s)",
    )
    add(
        "--clicks",
        type=whole_number(10, 100_000),
        default=400,
        metavar="N",
        help="clicks by one client, and as many by several (default: %(default)s)",
    )
    add(
        "--clients",
        type=whole_number(2, 200),
        default=8,
        metavar="N",
        help="how many the several clients are (default: %(default)s)",
    )
    add_common_arguments(parser)
    options = parser.parse_args(arguments)
    if WARM_CLICKS + 2 * options.clicks > options.students * MOST_CLICKING:
        parser.error(
            f"each click is another student's: --clicks {options.clicks} needs --students"
            f" {math.ceil((WARM_CLICKS + 2 * options.clicks) / MOST_CLICKING)} or more"
        )
    return options


if __name__ == "__main__":
    run(main())
