#!/usr/bin/env python3
"""Measure the HTTP server against its own SELECT 1 and against pgbench running the same SQL.

Everything happens in a database made for this run and removed after it, on the server that
--database-url names or on one of its own in a temporary directory. The app runs as one process; a
process beside it asks for many different students over a few connections kept open. All take short
turns, and a sample of each turn's answers is compared with what the database says. Exits 1 when a
bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.table import Table

from app.arguments import number, whole_number
from app.console import UserError, console, run
from app.database import connect
from app.lists import write_lists
from app.population import Plan, generate_population
from app.schema import migrate
from scripts.bench.app_process import make_tokens, run_app
from scripts.bench.asking import Asked, Effort, Turn, ask_app, ask_by_pgbench
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

if TYPE_CHECKING:
    from asyncpg import Connection, Record

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOP_N = 50
COLD_STUDENTS = 100
"""So many students there are besides, whose lists are taken away again."""
MODEL = "bench"
WEIGHTS = [-1.5, 2.0, 1.2, 0.7, 0.9, 0.5, 0.6, -0.4]
"""In the order of recommender.feature_names(); of the size that training gives."""
LANGUAGE = "en"

LAUNCHER = Path(__file__).with_name("serve_select_1.py")

SELECT_1 = "/api/select-1"
RECOMMENDATIONS = "/api/recommendations"
EVENTS = "/api/events?page_size=20"
RECOMMENDED_EVENTS = "/api/events?sort=recommended&page_size=20"

RECOMMENDATIONS_SQL = "SELECT status, headers, body FROM recommender.get_recommendations($1, $2)"
EVENTS_SQL = """
    SELECT status, headers, body
    FROM recommender.get_events(
        $1, $2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, $3, 1, 20
    )
"""
EXPLAIN = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {RECOMMENDATIONS_SQL}"
PGBENCH_SCRIPT = """
\\set user random({first}, {last})
SELECT status, headers, body FROM recommender.get_recommendations(:user, :languages);
"""

ACTIVATE = "UPDATE public.users SET is_active = true WHERE role = 'student' AND NOT is_active"
"""pgbench draws its students from a range, and each of them has to have an answer."""
STUDENTS = "SELECT min(s.user_id), max(s.user_id), count(*) FROM recommender.source_students AS s"
FORGET_LISTS = (
    "DELETE FROM public.user_recommendations WHERE user_id >= $1",
    "DELETE FROM public.recommendation_lists WHERE user_id >= $1",
)
ROWS_A_LIST = """
    SELECT avg(l.item_count)::double precision
    FROM public.recommendation_lists AS l
    WHERE l.user_id < $1
"""
FREEZE = (
    "SELECT format('ALTER DATABASE %I SET recommender.as_of = %L', current_database(), $1::text)"
)
EXTENSION = "CREATE SCHEMA bench; CREATE EXTENSION pg_stat_statements SCHEMA bench"
FORGET_STATEMENTS = """
    SELECT bench.pg_stat_statements_reset(0, d.oid, 0)
    FROM pg_catalog.pg_database AS d
    WHERE d.datname = current_database()
"""
STATEMENTS = """
    SELECT
        s.query,
        s.calls,
        (s.shared_blks_hit + s.shared_blks_read) / s.calls::double precision AS buffers
    FROM bench.pg_stat_statements AS s
    INNER JOIN pg_catalog.pg_database AS d ON d.oid = s.dbid
    WHERE d.datname = current_database() AND s.query NOT LIKE '%bench.pg_stat_statements%'
    ORDER BY s.calls DESC, s.query
"""


@dataclass
class Bench:
    """The database, the app on it, and whom to ask for."""

    url: str
    connection: Connection[Record]
    students: range
    cold_students: range
    effort: Effort
    has_statements: bool
    """Whether pg_stat_statements is there."""
    rows_a_list: float
    port: int = 0
    clocks: Clocks = field(default_factory=lambda: Clocks(None, None))
    tokens: dict[int, str] = field(default_factory=dict)
    statements: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By path: each statement the server executed, with its calls a request and its buffers."""

    def asked(self) -> dict[str, Asked]:
        """List who takes turns."""

        def app(name: str, path: str, students: range) -> Asked:
            return Asked(name, lambda: self.ask(path, students))

        return {
            "select_1": app("SELECT 1", SELECT_1, self.students),
            "recommendations": app("recommendations", RECOMMENDATIONS, self.students),
            "pgbench": Asked("recommendations, by pgbench", self.ask_by_pgbench),
            "events": app("events by time", EVENTS, self.students),
            "recommended_events": app("events as recommended", RECOMMENDED_EVENTS, self.students),
            "cold": app("recommendations, no list", RECOMMENDATIONS, self.cold_students),
        }

    async def ask(self, path: str, students: range, *, counts: bool = False) -> Turn:
        """Let the load generator ask the app for a while, and look at some of the answers."""
        if counts:
            await self.connection.execute(FORGET_STATEMENTS)
        requests = {user_id: self._request(path, user_id) for user_id in students}
        answers = await ask_app(self.port, requests, self.effort, self.clocks)
        if counts:
            self.statements[path] = [
                {
                    "query": " ".join(row["query"].split()),
                    "a_request": row["calls"] / answers.count,
                    "mean_buffers": round(row["buffers"], 1),
                }
                for row in await self.connection.fetch(STATEMENTS)
            ]
        for user_id, body in answers.samples:
            await self._check(path, user_id, body)
        return answers.turn

    async def ask_by_pgbench(self) -> Turn:
        """Let pgbench run what the app runs for recommendations."""
        script = PGBENCH_SCRIPT.format(first=self.students[0], last=self.students[-1])
        languages = {"languages": f"{{{LANGUAGE}}}"}
        return await ask_by_pgbench(self.url, script, languages, self.effort, self.clocks)

    def _request(self, path: str, user_id: int) -> str:
        return (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAccept: application/json\r\n"
            f"Accept-Language: {LANGUAGE}\r\nAuthorization: Bearer {self.tokens[user_id]}\r\n\r\n"
        )

    async def _check(self, path: str, user_id: int, body: str) -> None:
        """Refuse to measure answers that are not what the database says."""
        if path == SELECT_1:
            expected = "1"
        elif path == RECOMMENDATIONS:
            expected = await self._answer(RECOMMENDATIONS_SQL, user_id, [LANGUAGE])
            _check_items(path, user_id, json.loads(body), 10)
        else:
            sort = "recommended" if path == RECOMMENDED_EVENTS else None
            expected = await self._answer(EVENTS_SQL, user_id, [LANGUAGE], sort)
            page = json.loads(body)
            _check_items(path, user_id, page["items"], 20)
            if page["sort"] != (sort or "time") or page["total"] <= 20:
                raise UserError(f"{path} of student {user_id} is another page: {body[-200:]}")
        if body != expected:
            raise UserError(
                f"{path} of student {user_id} answered {body[:300]} where the database says"
                f" {expected[:300]}"
            )

    async def _answer(self, query: str, *arguments: Any) -> str:
        row = await self.connection.fetchrow(query, *arguments)
        assert row is not None
        return str(row["body"])

    async def buffers(self, students: range) -> list[int]:
        """Count the pages of shared buffers that each student's recommendations look at."""
        plans = []
        # A session's first calls read the catalogue.
        for user_id in (*students[:20], *students):
            plan = await self.connection.fetchval(EXPLAIN, user_id, [LANGUAGE])
            plans.append(json.loads(plan)[0]["Plan"])
        return [plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for plan in plans[20:]]


def _check_items(path: str, user_id: int, items: list[dict[str, Any]], count: int) -> None:
    if len({item["id"] for item in items}) != count:
        raise UserError(f"{path} of student {user_id} has not {count} different events: {items}")


async def main() -> int:
    """Run the command."""
    options = _parse_arguments()
    clean_up_on_termination()
    preload = {"shared_preload_libraries": "pg_stat_statements"}
    async with throw_away_database(options.database_url, **preload) as url:
        report = await _measure(url, options)
    _print_report(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if all(bound["is_met"] for bound in report["bounds"]) else 1


async def _measure(url: str, options: argparse.Namespace) -> dict[str, Any]:
    connection = await connect(url, **{"recommender.as_of": AS_OF.isoformat()})
    try:
        bench = await _build(url, connection, options)
        secret = secrets.token_urlsafe(48)
        bench.tokens = make_tokens(secret, (*bench.students, *bench.cold_students))
        say("starting the app")
        with run_app(url, secret, LAUNCHER, SELECT_1) as (process_id, bench.port):
            bench.clocks = Clocks(process_id, await postmaster_of(connection))
            asked = bench.asked()
            await _warm_up(bench, asked)
            for turn in range(options.rounds):
                await _take_turns(asked, f"round {turn + 1} of {options.rounds}")
        say("counting buffers")
        buffers = {
            "with a list": await bench.buffers(bench.students),
            "without a list": await bench.buffers(bench.cold_students),
        }
        facts = await machine_facts(connection)
    finally:
        connection.terminate()
    return _report(bench, options, asked, buffers, facts)


async def _build(url: str, connection: Connection[Record], options: argparse.Namespace) -> Bench:
    say("migrating")
    await migrate(connection)
    count = options.students + COLD_STUDENTS
    say(f"generating {count:,} students and {options.events:,} upcoming events")
    plan = Plan(
        as_of=AS_OF,
        shape="lively",
        students=count,
        upcoming_events=options.events,
        past_events=min(options.events, 2000),
        organizers=max(6, options.events // 12),
        tags=500,
        categories=16,
        cities=8,
        days=90,
        interactions_per_student=60.0,
        experiment_percent=50,
        zipf=1.0,
        seed=options.seed,
    )
    await generate_population(connection, plan)
    await connection.execute(ACTIVATE)
    await connection.execute("VACUUM (ANALYZE)")
    await connection.fetchval(
        "SELECT recommender.store_model($1, recommender.feature_names(), $2, '{}')", MODEL, WEIGHTS
    )
    say(f"writing lists of {TOP_N}")
    await write_lists(lambda: connect(url), top_n=TOP_N, as_of=AS_OF, jobs=os.cpu_count() or 1)
    first, last, found = await connection.fetchrow(STUDENTS) or (0, 0, 0)
    if last - first + 1 != found:
        raise UserError("the students' numbers have gaps, over which pgbench would stumble")
    first_cold = last - COLD_STUDENTS + 1
    for statement in FORGET_LISTS:
        await connection.execute(statement, first_cold)
    await connection.execute("VACUUM (ANALYZE)")
    await connection.execute(await connection.fetchval(FREEZE, AS_OF.isoformat()))
    return Bench(
        url,
        connection,
        students=range(first, first_cold),
        cold_students=range(first_cold, last + 1),
        effort=Effort(options.concurrency, options.warm_seconds, options.seconds, options.seed),
        has_statements=await _has_statements(connection),
        rows_a_list=await connection.fetchval(ROWS_A_LIST, first_cold),
    )


async def _has_statements(connection: Connection[Record]) -> bool:
    preloaded = await connection.fetchval(
        "SELECT current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%'"
    )
    if preloaded:
        await connection.execute(EXTENSION)
    else:
        say("statements are not counted: pg_stat_statements is not preloaded on that server")
    return bool(preloaded)


async def _warm_up(bench: Bench, asked: dict[str, Asked]) -> None:
    """Ask once for everything, not timed, then count the statements of what is counted."""
    await _take_turns(asked, "warming up")
    for one in asked.values():
        one.turns.clear()
    if bench.has_statements:
        say("counting statements")
        for path in (SELECT_1, RECOMMENDATIONS, EVENTS, RECOMMENDED_EVENTS):
            await bench.ask(path, bench.students, counts=True)


async def _take_turns(asked: dict[str, Asked], what: str) -> None:
    with console.status(what) as status:
        for one in asked.values():
            status.update(f"{what}: {one.name}")
            one.turns.append(await one.ask())
    rates = (f"{one.name} {one.turns[-1].requests_per_second:,.0f}" for one in asked.values())
    say(f"{what}, requests/s: {'; '.join(rates)}")


def _report(
    bench: Bench,
    options: argparse.Namespace,
    asked: dict[str, Asked],
    buffers: dict[str, list[int]],
    facts: dict[str, Any],
) -> dict[str, Any]:
    recommendations = asked["recommendations"]
    bounds = [
        _ratio("SELECT 1", recommendations, asked["select_1"], required=0.3, aim=0.4),
        _ratio("pgbench with the same SQL", recommendations, asked["pgbench"], required=0.5,
               aim=0.65),
        Bound("recommendations, shared buffers of a call at most",
              max(buffers["with a list"]), required=400, is_upper=True),
        *(
            Bound(f"statements a request of {path}", _statement_count(bench, path), required=1,
                  is_upper=True)
            for path in (RECOMMENDATIONS, EVENTS, RECOMMENDED_EVENTS)
        ),
        Bound("recommendations, CPU ms of app and server a request", recommendations.cpu_ms,
              aim=1.2, is_upper=True),
        Bound("events by time, CPU ms of app and server a request", asked["events"].cpu_ms,
              aim=1.5, is_upper=True),
        Bound("events as recommended, CPU ms of app and server a request",
              asked["recommended_events"].cpu_ms, aim=1.5, is_upper=True),
    ]  # fmt: skip
    return {
        "students": options.students,
        "events": options.events,
        "rows_a_list": round(bench.rows_a_list, 2),
        "concurrency": options.concurrency,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "seed": options.seed,
        "asked": {key: one.facts() for key, one in asked.items()},
        "statements": bench.statements,
        "buffers": {
            name: {"mean": round(statistics.mean(counts), 1), "max": max(counts)}
            for name, counts in buffers.items()
        },
        "bounds": [bound.facts() | {"text": str(bound)} for bound in bounds],
        "machine": facts,
    }


def _ratio(name: str, ours: Asked, theirs: Asked, *, required: float, aim: float) -> Bound:
    ratios = ours.ratios_to(theirs)
    return Bound(
        f"recommendations / {name}, requests/s",
        statistics.median(ratios),
        required,
        aim,
        rounds=tuple(ratios),
    )


def _statement_count(bench: Bench, path: str) -> float | None:
    if path not in bench.statements:
        return None
    return float(sum(statement["a_request"] for statement in bench.statements[path]))


def _print_report(report: dict[str, Any]) -> None:
    # A file or a pipe has no width of its own, and 80 columns break every name.
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(
        title=f"serving: {report['students']:,} students, {report['events']:,} upcoming events,"
        f" {report['rows_a_list']:g} rows a list, {report['concurrency']} connections"
    )
    table.add_column("asked for")
    for column in ("requests/s", "min - max", "p50 ms", "p99 ms", "CPU ms", "app", "server"):
        table.add_column(column, justify="right")
    for one in report["asked"].values():
        rates = [turn["requests_per_second"] for turn in one["turns"]]
        table.add_row(
            one["name"],
            f"{one['requests_per_second']:,.0f}",
            f"{min(rates):,.0f} - {max(rates):,.0f}",
            f"{one['p50_ms']:.1f}",
            f"{one['p99_ms']:.1f}",
            *(
                "" if one[figure] is None else f"{one[figure]:.2f}"
                for figure in ("cpu_ms", "app_cpu_ms", "server_cpu_ms")
            ),
        )
    out.print(table)
    buffers = (
        f"{name} {counts['mean']:.0f} on average, {counts['max']} at most"
        for name, counts in report["buffers"].items()
    )
    out.print(f"shared buffers of recommendations: {'; '.join(buffers)}", soft_wrap=True)
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
        default=1000,
        metavar="N",
        help=f"students with a list, {COLD_STUDENTS} without come besides (default: %(default)s)",
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
        help="connections that ask at once (default: %(default)s)",
    )
    add_common_arguments(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main())
