#!/usr/bin/env python3
"""Measure the full rescore against its definition, a hand-written query and the floor.

Everything happens in a database made for this run and removed after it: a server of its own in a
temporary directory, or --database-url's. The contenders take turns. They must have written the
same lists, and the definition must take at least three times as long as ours, else this exits 1.
"""

from __future__ import annotations

import argparse
import json
import os
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
from app.population import Plan, generate_population, settle, shape
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
    from asyncpg import Connection, Record

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOP_N = 50
REQUIRED_RATIO = 3.0
TOLERANCE = 1e-9
MODEL = "bench"
WEIGHTS = [-1.5, 2.0, 1.2, 0.7, 0.9, 0.5, 0.6, -0.4]
"""In the order of recommender.feature_names(); of the size that training gives."""
LARGER_WORK_MEM = "256MB"
MOST_NONLINEAR = 1.3

TARGET = """
    DROP TABLE IF EXISTS bench.{name};
    CREATE TABLE bench.{name} (
        LIKE public.user_recommendations,
        PRIMARY KEY (user_id, rank)
    ) WITH (fillfactor = 50)
"""

DEFINITION = """
    INSERT INTO bench.definition (user_id, rank, event_id, score, model_version, generated_at)
    WITH scored AS (
        SELECT
            f.user_id,
            f.event_id,
            m.weights[1] * f.bias
            + m.weights[2] * f.overlap_interest_ratio
            + m.weights[3] * f.overlap_history_ratio
            + m.weights[4] * f.same_city
            + m.weights[5] * f.category_match
            + m.weights[6] * f.organizer_match
            + m.weights[7] * f.popularity
            + m.weights[8] * f.days_until AS logit,
            m.model_version
        FROM recommender.user_event_features AS f
        INNER JOIN recommender.eligible_events AS e ON e.event_id = f.event_id
        CROSS JOIN public.recommender_models AS m
        WHERE
            m.is_active
            AND f.user_id BETWEEN $1 AND $2
            AND NOT EXISTS (
                SELECT FROM recommender.source_registrations AS r
                WHERE r.user_id = f.user_id AND r.event_id = f.event_id
            )
    ),

    ranked AS (
        SELECT
            s.user_id,
            row_number() OVER (
                PARTITION BY s.user_id
                ORDER BY recommender.sort_key(s.logit) DESC, s.event_id
            ) AS rank,
            s.event_id,
            s.logit,
            s.model_version
        FROM scored AS s
    )

    SELECT
        k.user_id, k.rank, k.event_id, recommender.sigmoid(k.logit), k.model_version,
        recommender.as_of()
    FROM ranked AS k
    WHERE k.rank <= $3
"""

BY_HAND_TABLES = """
    CREATE TABLE bench.student_attributes AS
    SELECT a.user_id, a.feature, a.attribute, a.weight
    FROM recommender.user_attributes AS a;

    CREATE TABLE bench.events AS
    SELECT f.event_id, f.popularity, f.days_until
    FROM recommender.event_features AS f
    INNER JOIN recommender.eligible_events AS e ON e.event_id = f.event_id;

    CREATE TABLE bench.event_attributes AS
    SELECT a.event_id, a.feature, a.attribute, a.value
    FROM recommender.event_attributes AS a
    INNER JOIN bench.events AS e ON e.event_id = a.event_id;

    CREATE TABLE bench.weights AS
    SELECT w.feature, w.weight
    FROM public.recommender_models AS m
    CROSS JOIN unnest(m.feature_names, m.weights) AS w (feature, weight)
    WHERE m.is_active;

    VACUUM ANALYZE bench.student_attributes, bench.events, bench.event_attributes, bench.weights
"""

BY_HAND = """
    INSERT INTO bench.by_hand (user_id, rank, event_id, score, model_version, generated_at)
    WITH shared AS (
        SELECT
            s.user_id,
            e.event_id,
            sum(s.weight * e.value * w.weight) AS logit
        FROM bench.student_attributes AS s
        INNER JOIN bench.event_attributes AS e
            ON e.feature = s.feature AND e.attribute = s.attribute
        INNER JOIN bench.weights AS w ON w.feature = s.feature
        GROUP BY s.user_id, e.event_id
    ),

    weights AS (
        SELECT
            max(w.weight) FILTER (WHERE w.feature = 'bias') AS bias,
            max(w.weight) FILTER (WHERE w.feature = 'popularity') AS popularity,
            max(w.weight) FILTER (WHERE w.feature = 'days_until') AS days_until
        FROM bench.weights AS w
    ),

    scored AS (
        SELECT
            u.id AS user_id,
            e.event_id,
            w.bias + w.popularity * e.popularity + w.days_until * e.days_until
            + coalesce(s.logit, 0) AS logit
        FROM public.users AS u
        CROSS JOIN bench.events AS e
        CROSS JOIN weights AS w
        LEFT JOIN shared AS s ON s.user_id = u.id AND s.event_id = e.event_id
        WHERE
            u.role = 'student'
            AND NOT EXISTS (
                SELECT FROM public.registrations AS r
                WHERE
                    r.user_id = u.id
                    AND r.event_id = e.event_id
                    AND r.registration_time <= $1
                    AND (r.deleted_at IS NULL OR r.deleted_at > $1)
            )
    ),

    ranked AS (
        SELECT
            s.user_id,
            row_number() OVER (
                PARTITION BY s.user_id ORDER BY round(s.logit * 1e9) DESC, s.event_id
            ) AS rank,
            s.event_id,
            s.logit
        FROM scored AS s
    )

    SELECT k.user_id, k.rank, k.event_id, 1 / (1 + exp(-k.logit)), $2, $1
    FROM ranked AS k
    WHERE k.rank <= $3
"""

FLOOR = """
    CREATE TABLE bench.floor WITH (fillfactor = 50) AS
    SELECT
        r.user_id, r.rank, r.event_id, r.score, r.model_version, r.generated_at, r.reason
    FROM public.user_recommendations AS r
    ORDER BY r.user_id, r.rank;

    ALTER TABLE bench.floor ADD PRIMARY KEY (user_id, rank)
"""

DIFFERENCES = """
    SELECT
        coalesce(o.user_id, t.user_id) AS user_id,
        coalesce(o.rank, t.rank) AS rank,
        o.event_id AS ours,
        t.event_id AS theirs,
        count(*) OVER () AS differences
    FROM (
        SELECT r.user_id, r.rank, r.event_id, r.score
        FROM public.user_recommendations AS r
        WHERE r.user_id BETWEEN $1 AND $2
    ) AS o
    FULL JOIN bench.{name} AS t ON t.user_id = o.user_id AND t.rank = o.rank
    WHERE o.event_id IS DISTINCT FROM t.event_id OR (abs(o.score - t.score) <= $3) IS NOT TRUE
    ORDER BY 1, 2
    LIMIT 1
"""


@dataclass
class Bench:
    """A generated world, and what is measured on it."""

    url: str
    connection: Connection[Record]
    students: int
    first_user_id: int
    sample: int
    """The first so many students are what the definition works on."""
    prepared: dict[int, list[float]] = field(default_factory=dict)
    """By connections: seconds until the first list could be scored."""

    @property
    def last_sampled(self) -> int:
        """The last user_id the definition works on."""
        return self.first_user_id + self.sample - 1

    async def open_connection(self) -> Connection[Record]:
        """Open a session that stands at the moment of the population."""
        return await connect(self.url, **{"recommender.as_of": AS_OF.isoformat()})

    async def write_ours(self, jobs: int) -> None:
        """Rescore everybody the way the command does it, refreshing the features first."""
        started = time.perf_counter()

        def note_start(done: int, _total: int) -> None:
            if done == 0:
                self.prepared.setdefault(jobs, []).append(time.perf_counter() - started)

        await write_lists(
            self.open_connection,
            top_n=TOP_N,
            as_of=AS_OF,
            jobs=jobs,
            overwrite=True,
            on_progress=note_start,
        )

    async def make_target(self, name: str) -> None:
        """Make the empty table a contender writes into."""
        await self.connection.execute(TARGET.format(name=name))

    async def write_by_definition(self, last_user_id: int) -> None:
        """Score and rank all pairs of user_event_features in one statement."""
        await self.connection.execute(DEFINITION, self.first_user_id, last_user_id, TOP_N)

    async def write_by_hand(self) -> None:
        """Score and rank all pairs the way one would write it for these tables alone."""
        await self.connection.execute(BY_HAND, AS_OF, MODEL, TOP_N)

    async def write_floor(self) -> None:
        """Write the finished rows."""
        await self.connection.execute(FLOOR)

    async def check_same(self, name: str, first_user_id: int, last_user_id: int) -> None:
        """Refuse to compare times of different results."""
        row = await self.connection.fetchrow(
            DIFFERENCES.format(name=name), first_user_id, last_user_id, TOLERANCE
        )
        if row:
            raise UserError(
                f"ours and bench.{name} differ in {row['differences']:,} rows, first at student"
                f" {row['user_id']}, rank {row['rank']}: event {row['ours']} and {row['theirs']}"
            )


async def main() -> int:
    """Run the command."""
    options = _parse_arguments()
    clean_up_on_termination()
    async with throw_away_database(options.database_url) as url:
        report = await _measure(url, options)
    _print_report(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if report["definition_per_ours"] >= REQUIRED_RATIO else 1


async def _measure(url: str, options: argparse.Namespace) -> dict[str, Any]:
    bench = await _build(url, options)
    try:
        contenders = await _compete(bench, options)
        facts = await machine_facts(bench.connection)
        figures = await shape(bench.connection, AS_OF)
    finally:
        bench.connection.terminate()
    return _report(bench, options, contenders, facts, figures.lines())


async def _build(url: str, options: argparse.Namespace) -> Bench:
    settings = {"recommender.as_of": AS_OF.isoformat(), "work_mem": LARGER_WORK_MEM}
    connection = await connect(url, **settings)
    say("migrating")
    await migrate(connection)
    say(f"generating {options.students:,} students and {options.events:,} upcoming events")
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
    say("building the tables of the hand-written query")
    await connection.execute("CREATE SCHEMA bench")
    *tables, vacuum = BY_HAND_TABLES.split(";")
    for statement in (*tables, vacuum):
        await connection.execute(statement)
    first_user_id = await connection.fetchval(
        "SELECT min(s.user_id) FROM recommender.source_students AS s"
    )
    sample = min(options.definition_students or options.students, options.students)
    return Bench(url, connection, options.students, first_user_id, sample)


async def _compete(bench: Bench, options: argparse.Namespace) -> dict[str, Contender]:
    last_user_id = bench.first_user_id + bench.students - 1
    say("first fill of the lists, not timed")
    await bench.write_ours(options.jobs)
    bench.prepared.clear()
    say("checking the hand-written query's lists, not timed")
    await bench.make_target("by_hand")
    await bench.write_by_hand()
    await bench.check_same("by_hand", bench.first_user_id, last_user_id)

    async def define() -> None:
        await bench.write_by_definition(bench.last_sampled)

    scale = bench.students / bench.sample
    is_sampled = bench.sample < bench.students
    contenders = {
        "ours": Contender(_ours(options.jobs), lambda: bench.write_ours(options.jobs),
                          options.rounds),
        "ours_alone": Contender(_ours(1), lambda: bench.write_ours(1), options.rounds),
        "definition": Contender(
            f"the definition, first {bench.sample:,} students" if is_sampled else "the definition",
            define, options.definition_rounds, lambda: bench.make_target("definition"), scale,
        ),
        "by_hand": Contender("one hand-written statement", bench.write_by_hand, options.rounds,
                             lambda: bench.make_target("by_hand")),
        "floor": Contender(
            "the floor: the finished rows", bench.write_floor, options.rounds,
            lambda: _execute(bench.connection, "DROP TABLE IF EXISTS bench.floor"),
        ),
    }  # fmt: skip
    if options.jobs == 1:
        contenders["ours"] = contenders.pop("ours_alone")
    if is_sampled:
        await _check_linearity(bench)
    await take_turns(list(contenders.values()))
    say("checking that all wrote the same lists")
    await bench.check_same("definition", bench.first_user_id, bench.last_sampled)
    await bench.check_same("by_hand", bench.first_user_id, last_user_id)
    return contenders


async def _check_linearity(bench: Bench) -> None:
    """Refuse to scale a sample up when half of it does not take about half the time."""
    half, whole = bench.sample // 2, bench.sample
    costs: dict[int, float] = {}
    # The better of two turns each: a busy moment of the machine is not a curve.
    for students in (half, whole, half, whole):
        await bench.make_target("definition")
        started = time.perf_counter()
        await bench.write_by_definition(bench.first_user_id + students - 1)
        cost = 1000 * (time.perf_counter() - started) / students
        say(f"is the definition linear? {students:,} students: {cost:.2f} ms a student")
        costs[students] = min(cost, costs.get(students, cost))
    if max(costs.values()) > MOST_NONLINEAR * min(costs.values()):
        raise UserError(
            "the definition's time does not grow with the students, so that a sample says nothing:"
            " leave out --definition-students, or sample more"
        )


async def _execute(connection: Connection[Record], statement: str) -> None:
    await connection.execute(statement)


def _report(
    bench: Bench,
    options: argparse.Namespace,
    contenders: dict[str, Contender],
    facts: dict[str, Any],
    figures: list[str],
) -> dict[str, Any]:
    ours = contenders["ours"].median
    return {
        "students": options.students,
        "events": options.events,
        "seed": options.seed,
        "top_n": TOP_N,
        "as_of": AS_OF.isoformat(),
        "shape": figures,
        "definition_students": bench.sample,
        "contenders": {
            key: contender.facts()
            | {
                "ms_per_student": round(1000 * contender.median / options.students, 4),
                "ratio_to_ours": round(contender.median / ours, 3),
            }
            for key, contender in contenders.items()
        },
        "ours_refreshing_features_seconds": {
            _ours(jobs): [round(seconds, 3) for seconds in prepared]
            for jobs, prepared in bench.prepared.items()
        },
        "machine": facts,
        "definition_per_ours": round(contenders["definition"].median / ours, 2),
        "definition_per_hand": round(
            contenders["definition"].median / contenders["by_hand"].median, 2
        ),
        "required": REQUIRED_RATIO,
    }


def _print_report(report: dict[str, Any]) -> None:
    # A file or a pipe has no width of its own, and 80 columns break every name.
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(
        title=f"full rescore: {report['students']:,} students, {report['events']:,} eligible"
        f" events, top {report['top_n']}"
    )
    table.add_column("contender")
    for column in ("median s", "min - max s", "rounds", "ms a student", "ratio to ours"):
        table.add_column(column, justify="right")
    for contender in report["contenders"].values():
        seconds = contender["seconds"]
        table.add_row(
            contender["name"],
            f"{contender['median_seconds']:.2f}",
            f"{min(seconds):.2f} - {max(seconds):.2f}",
            f"{contender['rounds']}",
            f"{contender['ms_per_student']:.2f}",
            f"{contender['ratio_to_ours']:.2f}",
        )
    out.print(table)
    for line in (*_notes(report), *machine_lines(report["machine"])):
        out.print(line, soft_wrap=True, markup=False)
    ratio = report["definition_per_ours"]
    passed = ratio >= report["required"]
    out.print(
        f"definition / ours = {ratio:.2f} (must be at least {report['required']:g})",
        style="green" if passed else "red",
    )


def _notes(report: dict[str, Any]) -> list[str]:
    notes = [
        "settings are those of the definition; ours has the server's work_mem",
        "same lists from all (user_id, rank, event_id; scores within 1e-9); only ours has reasons",
        "ours rewrites lists that exist, the others fill empty tables; fillfactor 50 for all",
        *(
            f"{name} includes refreshing the features: {', '.join(f'{s:.2f}' for s in seconds)} s"
            for name, seconds in report["ours_refreshing_features_seconds"].items()
        ),
        f"definition / hand-written = {report['definition_per_hand']:.2f}",
    ]
    if report["definition_students"] < report["students"]:
        notes.append(
            f"the definition ran for {report['definition_students']:,} students and was scaled to"
            f" {report['students']:,}; half as many took about half the time"
        )
    return [*notes, *report["shape"]]


def _ours(jobs: int) -> str:
    return f"ours, {jobs} connection{'s' if jobs > 1 else ''}"


def _parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--students",
        type=whole_number(2, 10_000_000),
        default=5000,
        metavar="N",
        help="students to generate (default: %(default)s)",
    )
    add(
        "--events",
        type=whole_number(1, 1_000_000),
        default=2000,
        metavar="N",
        help="eligible events to generate, as many past ones besides, at most 2,000"
        " (default: %(default)s)",
    )
    add(
        "--rounds",
        type=whole_number(1, 100),
        default=3,
        metavar="N",
        help="turns of each contender but the definition (default: %(default)s)",
    )
    add(
        "--definition-rounds",
        type=whole_number(1, 100),
        default=1,
        metavar="N",
        help="turns of the definition, which is slow (default: %(default)s)",
    )
    add(
        "--definition-students",
        type=whole_number(2, 10_000_000),
        metavar="N",
        help="let the definition do only the first N students, and scale its time up after a"
        " check that it grows linearly (default: everybody)",
    )
    add(
        "--jobs",
        type=whole_number(1, 64),
        default=os.cpu_count() or 1,
        metavar="N",
        help="connections of ours; it also runs with one (default: cores, %(default)s here)",
    )
    add_common_arguments(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main())
