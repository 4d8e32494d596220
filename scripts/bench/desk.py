#!/usr/bin/env python3
"""Measure what an admin asks in psql, with as many students as there will ever be.

A database is made for this run and removed after it: students, events, telemetry, a list for
everybody, and a queue with many jobs behind it. Each view and function of sql/admin/ takes its
turn, round by round; a median beyond the aim is printed in yellow.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.table import Table

from app.arguments import whole_number
from app.console import run
from app.database import connect
from app.lists import write_lists
from app.population import Plan, generate_population, settle
from app.schema import migrate
from scripts.bench.measure import (
    Contender,
    add_common_arguments,
    clean_up_on_termination,
    machine_facts,
    machine_lines,
    say,
    take_turns,
    throw_away_database,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncpg import Connection, Record

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOP_N = 50
DAYS = 90
JOBS = 100_000
AIMED_SECONDS = 1.0
WEIGHTS = {
    "before": [-1.0, 1.5, 1.0, 0.5, 0.5, 0.5, 0.5, -0.2],
    "bench": [-1.5, 2.0, 1.2, 0.7, 0.9, 0.5, 0.6, -0.4],
}
"""In the order of recommender.feature_names(); of the size that training gives."""

PARTITIONS = "SELECT recommender.create_interaction_partitions($1, $2)"
STORE = "SELECT recommender.store_model($1, recommender.feature_names(), $2, '{}')"
# A week of refreshes, as retention leaves them; a few wait, a few have failed.
FILL_QUEUE = """
    INSERT INTO public.background_jobs (
        job_type, dedupe_key, payload, status, attempts, run_at, created_at, finished_at,
        last_error
    )
    SELECT
        'refresh_user_recommendations_ml',
        n::text,
        jsonb_build_object('user_id', n, 'top_n', 50, 'skip_training', true),
        CASE WHEN n % 1000 = 0 THEN 'queued' WHEN n % 1000 = 1 THEN 'failed' ELSE 'succeeded' END,
        CASE WHEN n % 1000 = 0 THEN 0 ELSE 1 END,
        q.moment,
        q.moment,
        CASE WHEN n % 1000 = 0 THEN NULL ELSE q.moment END,
        CASE WHEN n % 1000 = 1 THEN 'it was interrupted' END
    FROM generate_series(1, $1::integer) AS n
    CROSS JOIN LATERAL (
        SELECT recommender.as_of() - interval '7 days' * n / $1 AS moment
    ) AS q
"""
STUDENTS = """
    SELECT s.user_id
    FROM recommender.source_students AS s
    ORDER BY md5(s.user_id::text)
    LIMIT $1
"""
EVENTS = "SELECT e.event_id FROM recommender.eligible_events AS e ORDER BY md5(e.event_id::text)"

QUESTIONS = {
    "status": "SELECT * FROM recommender.status",
    "models": "SELECT * FROM recommender.models",
    "queue": "SELECT * FROM recommender.queue",
    "metrics(30)": "SELECT * FROM recommender.metrics(30)",
    "metrics(365)": "SELECT * FROM recommender.metrics(365)",
    "student": "SELECT * FROM recommender.student($1)",
    "explain": "SELECT * FROM recommender.explain($1, $2)",
    "preview_weights": """
        SELECT *
        FROM recommender.preview_weights('{-1.2, 1.0, 1.2, 1.4, 0.9, 0.5, 1.2, -0.4}', $1)
    """,
    "why_not": "SELECT * FROM recommender.why_not($1, $2)",
}


async def main() -> int:
    """Run the command."""
    options = _parse_arguments()
    clean_up_on_termination()
    async with throw_away_database(options.database_url) as url:
        connection = await connect(url, **{"recommender.as_of": AS_OF.isoformat()})
        try:
            await _build(url, connection, options)
            contenders = await _contenders(connection, options)
            await take_turns(contenders)
            facts = await machine_facts(connection)
        finally:
            connection.terminate()
    report = {
        "students": options.students,
        "events": options.events,
        "jobs": JOBS,
        "seed": options.seed,
        "aim_seconds": AIMED_SECONDS,
        "contenders": [contender.facts() for contender in contenders],
        "machine": facts,
    }
    _print_report(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


async def _build(url: str, connection: Connection[Record], options: argparse.Namespace) -> None:
    say(f"generating {options.students:,} students and {options.events:,} upcoming events")
    await migrate(connection)
    await connection.execute(PARTITIONS, AS_OF.replace(year=AS_OF.year - 1).date(), AS_OF.date())
    plan = Plan(
        as_of=AS_OF,
        shape="bench",
        students=options.students,
        upcoming_events=options.events,
        past_events=min(options.events, 2000),
        organizers=max(1, options.events // 10),
        tags=500,
        categories=20,
        cities=24,
        days=DAYS,
        interactions_per_student=8.0,
        experiment_percent=50,
        zipf=1.0,
        seed=options.seed,
    )
    await generate_population(connection, plan)
    await settle(connection)
    for version, weights in WEIGHTS.items():
        await connection.execute(STORE, version, weights)
    await connection.execute(FILL_QUEUE, JOBS)

    async def open_connection() -> Connection[Record]:
        return await connect(url, **{"recommender.as_of": AS_OF.isoformat()})

    say("a list for everybody, not timed")
    await write_lists(open_connection, top_n=TOP_N, as_of=AS_OF, jobs=1)
    await connection.execute("VACUUM (ANALYZE)")


async def _contenders(
    connection: Connection[Record], options: argparse.Namespace
) -> list[Contender]:
    students = [row["user_id"] for row in await connection.fetch(STUDENTS, options.rounds)]
    events = [row["event_id"] for row in await connection.fetch(EVENTS)]

    def asking(sql: str) -> Callable[[], Awaitable[None]]:
        turns = iter(range(len(students)))

        async def ask() -> None:
            turn = next(turns)
            arguments = (students[turn], events[turn % len(events)])
            await connection.fetch(sql, *arguments[: sql.count("$")])

        return ask

    return [Contender(name, asking(sql), options.rounds) for name, sql in QUESTIONS.items()]


def _print_report(report: dict[str, Any]) -> None:
    # A file or a pipe has no width of its own, and 80 columns break every name.
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(
        title=f"the desk: {report['students']:,} students, {report['events']:,} upcoming events,"
        f" {report['jobs']:,} jobs"
    )
    table.add_column("question")
    for column in ("median ms", "first ms", "slowest ms"):
        table.add_column(column, justify="right")
    for contender in report["contenders"]:
        seconds = contender["seconds"]
        table.add_row(
            contender["name"],
            f"{1000 * contender['median_seconds']:.1f}",
            f"{1000 * seconds[0]:.1f}",
            f"{1000 * max(seconds):.1f}",
            style="green" if contender["median_seconds"] <= report["aim_seconds"] else "yellow",
        )
    out.print(table)
    for line in machine_lines(report["machine"]):
        out.print(line, soft_wrap=True, markup=False)


def _parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--students",
        type=whole_number(10, 10_000_000),
        default=100_000,
        metavar="N",
        help="students to generate (default: %(default)s)",
    )
    add(
        "--events",
        type=whole_number(10, 1_000_000),
        default=2000,
        metavar="N",
        help="upcoming events (default: %(default)s)",
    )
    add(
        "--rounds",
        type=whole_number(1, 100),
        default=10,
        metavar="N",
        help="turns of each question (default: %(default)s)",
    )
    add_common_arguments(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main())
