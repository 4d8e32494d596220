#!/usr/bin/env python3
"""Measure POST /api/analytics/interactions against a plain INSERT of the same rows.

Everything happens in a database made for this run and removed after it, on the server that
--database-url names or on one of its own in a temporary directory. The app runs as one process,
with online learning, the queue and refreshes switched on, and one more route that inserts the rows
and does nothing else. Both take the same batches of 20 interactions of many students, in turn; what
is stored is counted. Then both statements run in one session without HTTP, to see where the time
goes. Exits 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import statistics
import sys
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import asyncpg
from rich.console import Console
from rich.table import Table

from app.arguments import number, whole_number
from app.console import UserError, console, run
from app.database import connect
from scripts.bench.app_process import make_tokens, run_app
from scripts.bench.asking import Asked, Effort, Turn, ask_app
from scripts.bench.bounds import Bound, print_bounds
from scripts.bench.cpu import Clocks, postmaster_of
from scripts.bench.measure import (
    add_common_arguments,
    clean_up_on_termination,
    machine_facts,
    machine_lines,
    say,
    throw_away_database,
)
from scripts.bench.plain_insert import PLAIN_INSERT
from scripts.bench.telemetry import INTERACTIONS, SETTINGS, build_site, set_throttle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

ROWS_A_BATCH = 20
BATCHES_A_STUDENT = 3
REQUIRED_RATIO = 0.25

LAUNCHER = Path(__file__).with_name("serve_plain_insert.py")
PLAIN = "/api/plain-insert"
FORGET_JOBS = "DELETE FROM public.background_jobs"
STORED = "SELECT count(*) FROM public.event_interactions"
RECORD = """
    SELECT r.status
    FROM recommender.record_interactions($1, ($2::jsonb) -> 'events', '127.0.0.1') AS r
"""
PARTS = {
    "_refuse_request": "account, switches, rate limit",
    "_read_batch": "reading and validating",
    "_sign_receipts": "client ids",
    "_store_interactions": "storing",
    "_learn_interests": "learning",
    "_request_refresh": "asking for a refresh",
}
"""The functions of recommender.record_interactions that are timed on their own."""
FUNCTION_SECONDS = """
    SELECT f.funcname, f.total_time / 1000
    FROM pg_catalog.pg_stat_user_functions AS f
    WHERE f.schemaname = 'recommender' AND f.funcname = ANY ($1)
"""
WORDS = """
    SELECT
        ARRAY(SELECT e.event_id FROM recommender.eligible_events AS e ORDER BY e.event_id) AS events,
        ARRAY(
            SELECT DISTINCT e.category_name FROM recommender.source_events AS e
            WHERE e.category_name IS NOT NULL ORDER BY e.category_name
        ) AS categories,
        ARRAY(
            SELECT DISTINCT e.city_name FROM recommender.source_events AS e
            WHERE e.city_name IS NOT NULL ORDER BY e.city_name
        ) AS cities,
        ARRAY(SELECT t.name FROM recommender.source_tags AS t ORDER BY t.tag_id) AS tags
"""  # noqa: E501


@dataclass(frozen=True)
class Batch:
    """What a student's page sends at once."""

    user_id: int
    events: list[dict[str, Any]]

    def body(self, *, with_ids: bool = False) -> str:
        """Write the body of the request, with ids that were never there before if so wished."""
        if not with_ids:
            return json.dumps({"events": self.events})
        return json.dumps({"events": [e | {"client_id": str(uuid.uuid4())} for e in self.events]})


@dataclass
class Bench:
    """The database, the app on it, and what is sent."""

    connection: Connection[Record]
    batches: list[Batch]
    effort: Effort
    port: int = 0
    clocks: Clocks = field(default_factory=lambda: Clocks(None, None))
    tokens: dict[int, str] = field(default_factory=dict)

    def asked(self) -> dict[str, Asked]:
        """List who takes turns."""
        return {
            "plain": Asked("plain INSERT", lambda: self.send(PLAIN)),
            "ours": Asked("interactions", lambda: self.send(INTERACTIONS)),
            "ids": Asked(
                "interactions with client ids", lambda: self.send(INTERACTIONS, with_ids=True)
            ),
            "unthrottled": Asked(
                "interactions, refresh at once", lambda: self.send(INTERACTIONS, throttle=0)
            ),
        }

    async def send(self, path: str, *, with_ids: bool = False, throttle: int = 300) -> Turn:
        """Let the load generator send batches for a while; all of their rows must be there then."""
        await set_throttle(self.connection, throttle)
        await self.connection.execute(FORGET_JOBS)
        before = await self.connection.fetchval(STORED)
        requests = {
            key: self._request(path, batch.user_id, batch.body(with_ids=with_ids))
            for key, batch in enumerate(self.batches)
        }
        answers = await ask_app(self.port, requests, self.effort, self.clocks)
        stored = await self.connection.fetchval(STORED) - before
        expected = answers.count * ROWS_A_BATCH
        if with_ids:
            # Batches that went round a second time were known by their ids.
            expected = min(expected, len(requests) * ROWS_A_BATCH)
        if stored != expected:
            raise UserError(f"{path}: {stored:,} rows were stored, not {expected:,}")
        if with_ids and answers.count > len(requests):
            raise UserError(
                f"the batches were all sent before the turn was over: raise --students to"
                f" {2 * answers.count // BATCHES_A_STUDENT}, or lower --seconds"
            )
        return answers.turn

    def _request(self, path: str, user_id: int, body: str) -> str:
        return (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"Authorization: Bearer {self.tokens[user_id]}\r\n\r\n{body}"
        )


async def main() -> int:
    """Build a population, let all take turns, report; 1 when a bound is missed."""
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
    try:
        bench = await _build(url, connection, options)
        secret = secrets.token_urlsafe(48)
        bench.tokens = make_tokens(secret, {batch.user_id for batch in bench.batches})
        say("starting the app")
        with run_app(url, secret, LAUNCHER, PLAIN, **SETTINGS) as (process_id, bench.port):
            bench.clocks = Clocks(process_id, await postmaster_of(connection))
            asked = bench.asked()
            await _take_turns(asked, "warming up")
            for one in asked.values():
                one.turns.clear()
            for turn in range(options.rounds):
                await _take_turns(asked, f"round {turn + 1} of {options.rounds}")
        say("without HTTP, in one session")
        await set_throttle(connection, 300)
        alone = await _measure_alone(connection, bench.batches)
        facts = await machine_facts(connection)
    finally:
        connection.terminate()
    return _report(options, asked, alone, facts)


async def _build(url: str, connection: Connection[Record], options: argparse.Namespace) -> Bench:
    students = await build_site(url, connection, options)
    words = await connection.fetchrow(WORDS)
    assert words is not None
    return Bench(
        connection,
        list(_make_batches(students * BATCHES_A_STUDENT, words, options.seed)),
        Effort(options.concurrency, options.warm_seconds, options.seconds, options.seed),
    )


def _make_batches(students: list[int], words: Record, seed: int) -> Iterator[Batch]:
    """Make what pages send: events that were seen, two that were opened and read, a search."""
    draw = random.Random(seed)
    searches = (
        lambda: {"query": draw.choice(words["tags"])},
        lambda: {"category": draw.choice(words["categories"])},
        lambda: {"city": draw.choice(words["cities"]), "sort": "recommended"},
        lambda: {"tags": draw.sample(words["tags"], 2)},
    )
    for user_id in students:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        seen = draw.sample(words["events"], 13)
        events: list[dict[str, Any]] = [
            _interaction("impression", now, event_id, source="events_list", position=position)
            for position, event_id in enumerate(seen)
        ]
        for event_id in seen[:2]:
            events += [
                _interaction("click", now, event_id, source="events_list", sort="recommended"),
                _interaction("view", now, event_id, source="event_detail"),
                _interaction("dwell", now, event_id, seconds=draw.randint(2, 90)),
            ]
        kind = draw.choice(("search", "filter"))
        events.append(
            {"interaction_type": kind, "occurred_at": now, "meta": draw.choice(searches)()}
        )
        assert len(events) == ROWS_A_BATCH
        yield Batch(user_id, events)


def _interaction(kind: str, now: str, event_id: int, **meta: Any) -> dict[str, Any]:
    return {"interaction_type": kind, "event_id": event_id, "occurred_at": now, "meta": meta}


async def _measure_alone(connection: Connection[Record], batches: list[Batch]) -> dict[str, Any]:
    """Time both statements in one session, in turn, and then the parts of ours."""
    arguments = [(batch.user_id, batch.body()) for batch in batches[:1000]]
    seconds: dict[str, list[float]] = {"plain": [], "ours": []}
    loop = asyncio.get_running_loop()
    for turn in range(4):
        for name, statement in (("plain", PLAIN_INSERT), ("ours", RECORD)):
            prepared = await connection.prepare(statement)
            started = loop.time()
            for user_id, body in arguments:
                await prepared.fetchval(user_id, body)
            if turn:
                seconds[name].append(loop.time() - started)
    medians = {name: statistics.median(given) / len(arguments) for name, given in seconds.items()}
    return {
        "rows_per_second": {name: ROWS_A_BATCH / given for name, given in medians.items()},
        "ms_a_batch": {name: 1000 * given for name, given in medians.items()},
        "parts_ms": await _measure_parts(connection, arguments),
    }


async def _measure_parts(
    connection: Connection[Record], arguments: list[tuple[int, str]]
) -> dict[str, float] | None:
    """Let PostgreSQL time the functions; None where this role may not ask for it."""
    try:
        await connection.execute("SET track_functions = 'pl'")
    except asyncpg.InsufficientPrivilegeError:
        return None
    whole = "record_interactions"
    names = [whole, *PARTS]
    await connection.execute("SELECT pg_stat_force_next_flush()")
    before: dict[str, float] = dict(map(tuple, await connection.fetch(FUNCTION_SECONDS, names)))
    prepared = await connection.prepare(RECORD)
    for user_id, body in arguments:
        await prepared.fetchval(user_id, body)
    await connection.execute("SELECT pg_stat_force_next_flush()")
    after: dict[str, float] = dict(map(tuple, await connection.fetch(FUNCTION_SECONDS, names)))
    ms = {
        name: 1000 * (after.get(name, 0.0) - before.get(name, 0.0)) / len(arguments)
        for name in names
    }
    parts = {PARTS[name]: ms[name] for name in PARTS if ms[name]}
    return parts | {"the rest": ms[whole] - sum(parts.values())}


async def _take_turns(asked: dict[str, Asked], what: str) -> None:
    with console.status(what) as status:
        for one in asked.values():
            status.update(f"{what}: {one.name}")
            one.turns.append(await one.ask())
    rates = (
        f"{one.name} {one.turns[-1].requests_per_second * ROWS_A_BATCH:,.0f}"
        for one in asked.values()
    )
    say(f"{what}, rows/s: {'; '.join(rates)}")


def _report(
    options: argparse.Namespace,
    asked: dict[str, Asked],
    alone: dict[str, Any],
    facts: dict[str, Any],
) -> dict[str, Any]:
    bounds = []
    for name in ("ours", "ids", "unthrottled"):
        ratios = asked[name].ratios_to(asked["plain"])
        bounds.append(
            Bound(
                f"{asked[name].name} / plain INSERT, rows/s",
                statistics.median(ratios),
                # A job a batch is no bound: their commits pass one by one, as NOTIFY has it.
                required=None if name == "unthrottled" else REQUIRED_RATIO,
                aim=REQUIRED_RATIO if name == "unthrottled" else None,
                rounds=tuple(ratios),
            )
        )
    return {
        "students": options.students,
        "events": options.events,
        "rows_a_batch": ROWS_A_BATCH,
        "concurrency": options.concurrency,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "seed": options.seed,
        "asked": {key: one.facts() for key, one in asked.items()},
        "alone": alone,
        "bounds": [bound.facts() | {"text": str(bound)} for bound in bounds],
        "machine": facts,
    }


def _print_report(report: dict[str, Any]) -> None:
    # A file or a pipe has no width of its own, and 80 columns break every name.
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(
        title=f"ingest: batches of {report['rows_a_batch']} by {report['students']:,} students,"
        f" {report['concurrency']} connections"
    )
    table.add_column("sent to")
    for column in ("rows/s", "min - max", "p50 ms", "p99 ms", "CPU ms a batch", "app", "server"):
        table.add_column(column, justify="right")
    for one in report["asked"].values():
        rates = [turn["requests_per_second"] * report["rows_a_batch"] for turn in one["turns"]]
        table.add_row(
            one["name"],
            f"{one['requests_per_second'] * report['rows_a_batch']:,.0f}",
            f"{min(rates):,.0f} - {max(rates):,.0f}",
            f"{one['p50_ms']:.1f}",
            f"{one['p99_ms']:.1f}",
            *(
                "" if one[figure] is None else f"{one[figure]:.2f}"
                for figure in ("cpu_ms", "app_cpu_ms", "server_cpu_ms")
            ),
        )
    out.print(table)
    alone = report["alone"]
    out.print(
        "one session, no HTTP: "
        + "; ".join(
            f"{name} {alone['rows_per_second'][key]:,.0f} rows/s ({alone['ms_a_batch'][key]:.2f} ms"
            " a batch)"
            for key, name in (("plain", "plain INSERT"), ("ours", "interactions"))
        ),
        soft_wrap=True,
    )
    if alone["parts_ms"]:
        parts = (f"{name} {ms:.2f}" for name, ms in alone["parts_ms"].items())
        out.print(f"ms of a batch of ours: {', '.join(parts)}", soft_wrap=True)
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
        default=2000,
        metavar="N",
        help=f"students, each with {BATCHES_A_STUDENT} batches (default: %(default)s)",
    )
    add(
        "--events",
        type=whole_number(100, 1_000_000),
        default=1000,
        metavar="N",
        help="upcoming events, as many past ones besides, at most 2,000 (default: %(default)s)",
    )
    add(
        "--rounds",
        type=whole_number(1, 100),
        default=5,
        metavar="N",
        help="turns each (default: %(default)s)",
    )
    add(
        "--seconds",
        type=number(0.5, 600),
        default=2.0,
        metavar="S",
        help="length of a turn (default: %(default)s)",
    )
    add(
        "--warm-seconds",
        type=number(0.1, 60),
        default=0.5,
        metavar="S",
        help="what goes before each turn and is not measured (default: %(default)s)",
    )
    add(
        "--concurrency",
        type=whole_number(1, 1000),
        default=16,
        metavar="N",
        help="connections that send at once (default: %(default)s)",
    )
    add_common_arguments(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main())
