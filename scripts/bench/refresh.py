#!/usr/bin/env python3
"""Measure the refresh of one student's list against its definition, as the events grow.

For each number of upcoming events a database is made for this run and removed after it. The same
students take turns: score_user with fresh twins, score_user from the plain views alone, and the
definition, which only ranks. The lists written must be the definition's, and the definition must
take at least three times as long as ours, else this exits 1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.table import Table

from app.arguments import whole_number
from app.console import UserError, run
from app.database import connect
from app.lists import write_lists
from app.population import Plan, generate_population, settle
from app.schema import migrate
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
EVENTS = (500, 1000, 2000, 4000)
REQUIRED_RATIO = 3.0
AIMED_MILLISECONDS = 5.0
AIMED_EVENTS = 2000
TOLERANCE = 1e-9
MODEL = "bench"
WEIGHTS = [-1.5, 2.0, 1.2, 0.7, 0.9, 0.5, 0.6, -0.4]
"""In the order of recommender.feature_names(); of the size that training gives."""
WARM_CALLS = 10
"""A session's first calls plan its statements; a worker stays connected."""

STUDENTS = """
    SELECT s.user_id
    FROM recommender.source_students AS s
    ORDER BY md5(s.user_id::text)
    LIMIT $1
"""
SCORE = f"SELECT recommender.score_user($1, {TOP_N})"
DEFINITION = """
    SELECT k.event_id, recommender.sigmoid(k.logit) AS score
    FROM (
        SELECT
            f.event_id,
            m.weights[1] * f.bias
            + m.weights[2] * f.overlap_interest_ratio
            + m.weights[3] * f.overlap_history_ratio
            + m.weights[4] * f.same_city
            + m.weights[5] * f.category_match
            + m.weights[6] * f.organizer_match
            + m.weights[7] * f.popularity
            + m.weights[8] * f.days_until AS logit
        FROM recommender.user_event_features AS f
        INNER JOIN recommender.eligible_events AS e ON e.event_id = f.event_id
        CROSS JOIN public.recommender_models AS m
        WHERE
            m.is_active
            AND f.user_id = $1
            AND NOT EXISTS (
                SELECT FROM recommender.source_registrations AS r
                WHERE r.user_id = f.user_id AND r.event_id = f.event_id
            )
    ) AS k
    ORDER BY recommender.sort_key(k.logit) DESC, k.event_id
    LIMIT $2
"""
LIST = """
    SELECT r.event_id, r.score
    FROM public.user_recommendations AS r
    WHERE r.user_id = $1
    ORDER BY r.rank
"""
REFRESH = "SELECT recommender.refresh_features()"
FORGET = "DELETE FROM public.recommender_snapshot"

CONTENDERS = {
    "fresh": "score_user, twins fresh",
    "plain": "score_user, plain views",
    "definition": "the definition, ranking only",
}


@dataclass
class Size:
    """What was measured at one number of events."""

    events: int
    refresh_seconds: float = 0.0
    """The event side's refresh when nothing has changed."""
    milliseconds: dict[str, list[float]] = field(
        default_factory=lambda: {key: [] for key in CONTENDERS}
    )

    def median(self, key: str) -> float:
        """Give the median of a contender's calls."""
        return statistics.median(self.milliseconds[key])

    def facts(self) -> dict[str, Any]:
        """Give what the report says of it."""
        return {
            "events": self.events,
            "refresh_features_seconds": round(self.refresh_seconds, 3),
            "definition_per_ours": round(self.median("definition") / self.median("fresh"), 2),
            "contenders": {
                key: {
                    "calls": len(calls),
                    "median_ms": round(self.median(key), 3),
                    "p95_ms": round(statistics.quantiles(calls, n=20)[-1], 3),
                    "min_ms": round(min(calls), 3),
                    "ratio_to_ours": round(self.median(key) / self.median("fresh"), 2),
                }
                for key, calls in self.milliseconds.items()
            },
        }


async def main() -> int:
    """Run the command."""
    options = _parse_arguments()
    clean_up_on_termination()
    sizes, facts = [], {}
    for events in options.events:
        async with throw_away_database(options.database_url) as url:
            connection = await connect(url, **{"recommender.as_of": AS_OF.isoformat()})
            try:
                await _build(url, connection, events, options)
                sizes.append(await _measure(connection, events, options))
                facts = await machine_facts(connection)
            finally:
                connection.terminate()
    report = {
        "students": options.students,
        "sample": options.sample,
        "seed": options.seed,
        "top_n": TOP_N,
        "sizes": [size.facts() for size in sizes],
        "machine": facts,
        "required": REQUIRED_RATIO,
    }
    _print_report(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    is_met = all(size["definition_per_ours"] >= REQUIRED_RATIO for size in report["sizes"])
    return 0 if is_met else 1


async def _build(
    url: str, connection: Connection[Record], events: int, options: argparse.Namespace
) -> None:
    say(f"generating {options.students:,} students and {events:,} upcoming events")
    await migrate(connection)
    plan = Plan(
        as_of=AS_OF,
        shape="bench",
        students=options.students,
        upcoming_events=events,
        past_events=min(events, 2000),
        organizers=max(1, events // 10),
        tags=500,
        categories=20,
        cities=24,
        days=90,
        interactions_per_student=8.0,
        experiment_percent=50,
        zipf=1.0,
        seed=options.seed,
    )
    await generate_population(connection, plan)
    await settle(connection)
    await connection.fetchval(
        "SELECT recommender.store_model($1, recommender.feature_names(), $2, '{}')", MODEL, WEIGHTS
    )

    async def open_connection() -> Connection[Record]:
        return await connect(url, **{"recommender.as_of": AS_OF.isoformat()})

    say("first fill of the lists, not timed")
    await write_lists(open_connection, top_n=TOP_N, as_of=AS_OF, jobs=1)
    await connection.execute("VACUUM (ANALYZE)")


async def _measure(
    connection: Connection[Record], events: int, options: argparse.Namespace
) -> Size:
    size = Size(events)
    students = [row["user_id"] for row in await connection.fetch(STUDENTS, options.sample)]
    started = time.perf_counter()
    await connection.execute(REFRESH)
    size.refresh_seconds = time.perf_counter() - started
    for number in range(options.rounds):
        say(f"round {number + 1} of {options.rounds}: {len(students)} students, in turn")
        await connection.execute(REFRESH)
        for student in (*students[:WARM_CALLS], *students):
            await _time(connection, size, "fresh", SCORE, student)
            written = await connection.fetch(LIST, student)
            defined = await _time(connection, size, "definition", DEFINITION, student, TOP_N)
            _check_same(student, written, defined)
        await connection.execute(FORGET)
        for student in (*students[:WARM_CALLS], *students):
            await _time(connection, size, "plain", SCORE, student)
        for calls in size.milliseconds.values():
            del calls[number * len(students) : number * len(students) + WARM_CALLS]
    return size


async def _time(
    connection: Connection[Record], size: Size, key: str, sql: str, *arguments: object
) -> list[Record]:
    started = time.perf_counter()
    rows = await connection.fetch(sql, *arguments)
    size.milliseconds[key].append(1000 * (time.perf_counter() - started))
    return rows


def _check_same(student: int, written: list[Record], defined: list[Record]) -> None:
    """Refuse to compare times of different results."""
    is_same = [row["event_id"] for row in written] == [row["event_id"] for row in defined] and all(
        abs(ours["score"] - theirs["score"]) <= TOLERANCE
        for ours, theirs in zip(written, defined, strict=True)
    )
    if not is_same:
        raise UserError(f"the list of student {student} is not the definition's")


def _print_report(report: dict[str, Any]) -> None:
    # A file or a pipe has no width of its own, and 80 columns break every name.
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(
        title=f"refresh of one student's list: {report['students']:,} students,"
        f" {report['sample']:,} of them asked, top {report['top_n']}"
    )
    table.add_column("events", justify="right")
    table.add_column("contender")
    for column in ("median ms", "p95 ms", "min ms", "ratio to ours"):
        table.add_column(column, justify="right")
    for size in report["sizes"]:
        for key, contender in size["contenders"].items():
            table.add_row(
                f"{size['events']:,}",
                CONTENDERS[key],
                *(f"{contender[name]:.2f}" for name in ("median_ms", "p95_ms", "min_ms")),
                f"{contender['ratio_to_ours']:.2f}",
            )
    out.print(table)
    refreshes = ", ".join(
        f"{size['refresh_features_seconds']:.2f} s at {size['events']:,} events"
        for size in report["sizes"]
    )
    notes = [
        "same lists from both (order, scores within 1e-9); only ours writes them and has reasons",
        f"refresh_features with nothing changed: {refreshes}",
        *machine_lines(report["machine"]),
    ]
    for line in notes:
        out.print(line, soft_wrap=True, markup=False)
    for size in report["sizes"]:
        ratio, median = size["definition_per_ours"], size["contenders"]["fresh"]["median_ms"]
        aim = ""
        if size["events"] == AIMED_EVENTS:
            aim = f"; {median:.2f} ms, meant to be at most {AIMED_MILLISECONDS:g}"
        out.print(
            f"{size['events']:,} events: definition / ours = {ratio:.2f}"
            f" (must be at least {report['required']:g}){aim}",
            style="green" if ratio >= report["required"] else "red",
        )


def _parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--students",
        type=whole_number(WARM_CALLS, 10_000_000),
        default=5000,
        metavar="N",
        help="students to generate (default: %(default)s)",
    )
    add(
        "--events",
        type=whole_number(1, 1_000_000),
        nargs="+",
        default=EVENTS,
        metavar="N",
        help="numbers of upcoming events, one database each (default: 500 1000 2000 4000)",
    )
    add(
        "--sample",
        type=whole_number(WARM_CALLS, 100_000),
        default=100,
        metavar="N",
        help="students whose lists are refreshed (default: %(default)s)",
    )
    add(
        "--rounds",
        type=whole_number(1, 100),
        default=3,
        metavar="N",
        help="turns of each contender with all of them (default: %(default)s)",
    )
    add_common_arguments(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main())
