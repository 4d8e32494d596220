#!/usr/bin/env python3
"""Measure what readers notice of a full rescore: their slowest answers, and whether any is wrong.

Everything happens in a database made for this run and removed after it, on the server that
--database-url names or on one of its own in a temporary directory. pgbench asks for
recommendations by the statement of the app: first as fast as it can, which is the capacity, then
30 % of that, at rest and while one connection rescores everybody with another model each time.
Requests are due at times of their own, and their latency counts from then, so that an answer that
is late makes those behind it late too. Exits 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.table import Table

from app.arguments import number, whole_number
from app.console import UserError, run
from app.database import connect
from app.lists import write_lists
from app.population import Plan, generate_population, settle
from app.schema import migrate
from scripts.bench.asking import Effort, Turn, ask_by_pgbench
from scripts.bench.bounds import Bound, print_bounds
from scripts.bench.cpu import Clocks
from scripts.bench.measure import (
    add_common_arguments,
    clean_up_on_termination,
    machine_facts,
    machine_lines,
    say,
    throw_away_database,
)

if TYPE_CHECKING:
    from asyncpg import Connection, Record

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOP_N = 50
SHARE = 0.3
MOST_SLOWER = 5.0
CHECKS_A_SECOND = 20.0
WEIGHTS = (
    [-1.5, 2.0, 1.2, 0.7, 0.9, 0.5, 0.6, -0.4],
    [-1.2, 0.4, 0.9, 1.9, 0.3, 1.4, -0.5, 1.1],
)
"""Two orders that have little in common, taken in turn."""

SCRIPT = """
\\set user random({first}, {last})
SELECT
    r.status, r.headers, r.body,
    1 / (r.status = 200 AND json_array_length(r.body) = 10)::integer AS is_whole
FROM recommender.get_recommendations(:user, :languages) AS r;
"""
"""A short answer divides by zero, which ends pgbench."""
CHECK = """
    SELECT
        g.body,
        (
            SELECT l.model_version
            FROM public.recommendation_lists AS l WHERE l.user_id = $1
        ) AS header,
        (
            SELECT array_agg(DISTINCT r.model_version)
            FROM public.user_recommendations AS r WHERE r.user_id = $1
        ) AS versions,
        (
            SELECT array_agg(r.event_id)
            FROM public.user_recommendations AS r WHERE r.user_id = $1
        ) AS event_ids
    FROM recommender.get_recommendations($1, '{en}') AS g
"""
"""One statement, one snapshot: the answer, and the list it comes from."""
ACTIVATE = "UPDATE public.users SET is_active = true WHERE role = 'student' AND NOT is_active"
STUDENTS = "SELECT min(s.user_id), max(s.user_id), count(*) FROM recommender.source_students AS s"
FREEZE = (
    "SELECT format('ALTER DATABASE %I SET recommender.as_of = %L', current_database(), $1::text)"
)
STORE = "SELECT recommender.store_model($1, recommender.feature_names(), $2, '{}')"


@dataclass
class Bench:
    """The database, who reads, and what was seen on the way."""

    url: str
    connection: Connection[Record]
    students: range
    effort: Effort
    rate: float = 0.0
    models: int = 0
    rescore_seconds: list[float] = field(default_factory=list)
    checks: int = 0
    versions: set[str] = field(default_factory=set)
    """What the checked answers were of."""
    mixtures: list[str] = field(default_factory=list)

    async def ask(self, rate: float | None = None) -> Turn:
        """Let pgbench ask for a while."""
        script = SCRIPT.format(first=self.students[0], last=self.students[-1])
        return await ask_by_pgbench(
            self.url, script, {"languages": "{en}"}, self.effort, Clocks(None, None), rate=rate
        )

    async def rescore(self) -> None:
        """Rescore everybody over one connection, with a model that ranks otherwise."""
        self.models += 1
        weights = WEIGHTS[self.models % len(WEIGHTS)]
        await self.connection.execute(STORE, f"bench-{self.models}", weights)
        started = time.perf_counter()
        written = await write_lists(
            lambda: connect(self.url), top_n=TOP_N, as_of=AS_OF, jobs=1, overwrite=True
        )
        self.rescore_seconds.append(time.perf_counter() - started)
        if written.scored != len(self.students):
            raise UserError(f"{written.scored:,} lists were written, not {len(self.students):,}")

    async def ask_at_rest(self) -> Turn:
        """Ask while nothing else is done, but for the checks."""
        return await self._ask_and_check()

    async def ask_while_rescoring(self) -> Turn:
        """Ask while everybody is rescored, again and again until the time is over."""
        asking = asyncio.create_task(self._ask_and_check())
        try:
            while not asking.done():
                await self.rescore()
        finally:
            if not asking.done():
                asking.cancel()
        return await asking

    async def _ask_and_check(self) -> Turn:
        checking = asyncio.create_task(self._check())
        try:
            return await self.ask(self.rate)
        finally:
            checking.cancel()
            await asyncio.gather(checking, return_exceptions=True)

    async def _check(self) -> None:
        """Look at whole answers beside the lists they come from, until cancelled."""
        draw = random.Random(self.effort.seed)
        connection = await connect(self.url)
        try:
            while True:
                user_id = draw.choice(self.students)
                row = await connection.fetchrow(CHECK, user_id)
                assert row is not None
                self.checks += 1
                self.versions.add(row["header"])
                shown = {item["id"] for item in json.loads(row["body"])}
                if row["versions"] != [row["header"]] or not shown <= set(row["event_ids"]):
                    self.mixtures.append(
                        f"student {user_id}: header of {row['header']}, rows of {row['versions']}"
                    )
                await asyncio.sleep(1 / CHECKS_A_SECOND)
        finally:
            connection.terminate()


async def main() -> int:
    """Run the command."""
    options = _parse_arguments()
    clean_up_on_termination()
    async with throw_away_database(options.database_url) as url:
        report = await _measure(url, options)
    _print_report(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if all(bound["is_met"] for bound in report["bounds"]) else 1


async def _measure(url: str, options: argparse.Namespace) -> dict[str, Any]:
    connection = await connect(url, **{"recommender.as_of": AS_OF.isoformat()})
    try:
        bench = await _build(url, connection, options)
        rest, rescoring = [], []
        capacity = (await bench.ask()).requests_per_second
        bench.rate = SHARE * capacity
        say(f"capacity {capacity:,.0f} requests/s, so {bench.rate:,.0f} are sent")
        bench.rescore_seconds.clear()
        for turn in range(options.rounds):
            rest.append(await bench.ask_at_rest())
            rescoring.append(await bench.ask_while_rescoring())
            say(
                f"round {turn + 1} of {options.rounds}, p99: at rest {rest[-1].p99_ms:.1f} ms,"
                f" during rescores {rescoring[-1].p99_ms:.1f} ms"
            )
        facts = await machine_facts(connection)
    finally:
        connection.terminate()
    return _report(options, bench, capacity, {"rest": rest, "rescoring": rescoring}, facts)


async def _build(url: str, connection: Connection[Record], options: argparse.Namespace) -> Bench:
    say("migrating")
    await migrate(connection)
    say(f"generating {options.students:,} students and {options.events:,} upcoming events")
    plan = Plan(
        as_of=AS_OF,
        shape="lively",
        students=options.students,
        upcoming_events=options.events,
        past_events=min(options.events, 2000),
        organizers=max(6, options.events // 12),
        tags=500,
        categories=16,
        cities=8,
        days=90,
        interactions_per_student=20.0,
        experiment_percent=50,
        zipf=1.0,
        seed=options.seed,
    )
    await generate_population(connection, plan)
    await connection.execute(ACTIVATE)
    await settle(connection)
    await connection.execute(await connection.fetchval(FREEZE, AS_OF.isoformat()))
    row = await connection.fetchrow(STUDENTS)
    assert row is not None
    first, last, found = row
    if last - first + 1 != found:
        raise UserError("the students' numbers have gaps, over which pgbench would stumble")
    effort = Effort(options.concurrency, 1.0, options.seconds, options.seed)
    bench = Bench(url, connection, range(first, last + 1), effort)
    say("first fill of the lists, not timed")
    await bench.rescore()
    await bench.rescore()
    await connection.execute("VACUUM (ANALYZE)")
    return bench


def _report(
    options: argparse.Namespace,
    bench: Bench,
    capacity: float,
    turns: dict[str, list[Turn]],
    facts: dict[str, Any],
) -> dict[str, Any]:
    ratios = tuple(
        busy.p99_ms / rest.p99_ms
        for busy, rest in zip(turns["rescoring"], turns["rest"], strict=True)
    )
    bounds = [
        Bound("p99 during a rescore / at rest", statistics.median(ratios), MOST_SLOWER,
              is_upper=True, rounds=ratios),
        Bound("answers whose rows are of two models", len(bench.mixtures), required=0,
              is_upper=True),
    ]  # fmt: skip
    return {
        "students": options.students,
        "events": options.events,
        "concurrency": options.concurrency,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "seed": options.seed,
        "capacity": round(capacity, 1),
        "rate": round(bench.rate, 1),
        "turns": {name: [asdict(turn) for turn in given] for name, given in turns.items()},
        "rescore_seconds": [round(seconds, 2) for seconds in bench.rescore_seconds],
        "checks": bench.checks,
        "versions_seen": len(bench.versions),
        "mixtures": bench.mixtures[:10],
        "bounds": [bound.facts() | {"text": str(bound)} for bound in bounds],
        "machine": facts,
    }


def _print_report(report: dict[str, Any]) -> None:
    # A file or a pipe has no width of its own, and 80 columns break every name.
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(
        title=f"readers: {report['students']:,} students, {report['rate']:,.0f} requests/s of"
        f" {report['capacity']:,.0f}, {report['concurrency']} connections"
    )
    table.add_column("")
    for column in ("requests/s", "p50 ms", "p99 ms", "p99 of each round"):
        table.add_column(column, justify="right")
    for name, turns in report["turns"].items():
        medians = {
            figure: statistics.median(turn[figure] for turn in turns)
            for figure in ("requests_per_second", "p50_ms", "p99_ms")
        }
        table.add_row(
            {"rest": "at rest", "rescoring": "during rescores"}[name],
            f"{medians['requests_per_second']:,.0f}",
            f"{medians['p50_ms']:.2f}",
            f"{medians['p99_ms']:.2f}",
            ", ".join(f"{turn['p99_ms']:.1f}" for turn in turns),
        )
    out.print(table)
    seconds = ", ".join(f"{some:.1f}" for some in report["rescore_seconds"])
    out.print(f"rescores by one connection meanwhile, seconds: {seconds}", soft_wrap=True)
    out.print(
        f"{report['checks']:,} answers were compared with their lists, of"
        f" {report['versions_seen']} models; pgbench had no error and no answer of less than ten"
        " events",
        soft_wrap=True,
    )
    for line in (*report["mixtures"], *machine_lines(report["machine"])):
        out.print(line, soft_wrap=True, markup=False)
    print_bounds(out, report["bounds"])


def _parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="The bounds are meant for an otherwise quiet machine.",
    )
    add = parser.add_argument
    add(
        "--students",
        type=whole_number(100, 1_000_000),
        default=2000,
        metavar="N",
        help="students, all with a list (default: %(default)s)",
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
        default=3,
        metavar="N",
        help="turns at rest and during rescores (default: %(default)s)",
    )
    add(
        "--seconds",
        type=number(1, 600),
        default=8.0,
        metavar="S",
        help="length of a turn (default: %(default)s)",
    )
    add(
        "--concurrency",
        type=whole_number(1, 1000),
        default=8,
        metavar="N",
        help="connections of the readers (default: %(default)s)",
    )
    add_common_arguments(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main())
