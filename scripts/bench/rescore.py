#!/usr/bin/env python3
"""Measure the full rescore against its definition, numpy, a hand-written query and the floor.

Everything happens in a database made for this run and removed after it: a server of its own in a
temporary directory, or --database-url's. The contenders take turns, each round with another model,
so that every rescore rewrites every list. All must have written the same lists, and ours and numpy
the same reasons, else this exits 1 with the first difference. So it does when a bound is missed.

The bounds hold at the standard size, 20,000 students and 2,000 events, whose shape is checked
first, and for --dataset. At other sizes the ratios are shown, and only a loose bound must be met.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.table import Table

from app.arguments import moment, whole_number
from app.console import UsageError, UserError, run
from app.dataset import find_files
from scripts.bench.bounds import Bound, print_bounds
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
from scripts.bench.numpy_processes import NumpyProcesses
from scripts.bench.rescore_world import (
    CORES,
    TOLERANCE,
    TOP_N,
    World,
    generate_world,
    load_world,
    median_steps,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

STANDARD = (20_000, 2_000)
"""Students and events at which the bounds are meant."""
REPORTED_AS_OF = datetime(2017, 5, 8, tzinfo=UTC)
MOST_NONLINEAR = 1.3
LINEARITY_TRIES = 4
STUDENTS_COMPARED = 20
FEWEST_TAGS_USED = 450
ZIPF_EXPONENTS = (0.5, 1.2)
"""What a Zipf law of 500 tags comes to: events take each tag once, which flattens its head."""

TARGET = """
    DROP TABLE IF EXISTS bench.{name};
    CREATE TABLE bench.{name} (
        LIKE public.user_recommendations,
        PRIMARY KEY (user_id, rank)
    ) WITH (fillfactor = 50)
"""

FEATURES = """
    SELECT
        s.user_id,
        e.event_id,
        1.0::double precision AS bias,
        coalesce(p.overlap_interest_ratio, 0) AS overlap_interest_ratio,
        coalesce(p.overlap_history_ratio, 0) AS overlap_history_ratio,
        coalesce(p.same_city, 0) AS same_city,
        coalesce(p.category_match, 0) AS category_match,
        coalesce(p.organizer_match, 0) AS organizer_match,
        e.popularity,
        e.days_until
    FROM recommender.source_students AS s
    CROSS JOIN bench.events AS e
    LEFT JOIN (
        SELECT
            ua.user_id,
            ea.event_id,
            sum(ua.weight * ea.value) FILTER (
                WHERE ea.feature = 'overlap_interest_ratio'
            ) AS overlap_interest_ratio,
            sum(ua.weight * ea.value) FILTER (
                WHERE ea.feature = 'overlap_history_ratio'
            ) AS overlap_history_ratio,
            sum(ua.weight * ea.value) FILTER (WHERE ea.feature = 'same_city') AS same_city,
            sum(ua.weight * ea.value) FILTER (
                WHERE ea.feature = 'category_match'
            ) AS category_match,
            sum(ua.weight * ea.value) FILTER (
                WHERE ea.feature = 'organizer_match'
            ) AS organizer_match
        FROM bench.student_attributes AS ua
        INNER JOIN bench.event_attributes AS ea
            ON ea.feature = ua.feature AND ea.attribute = ua.attribute
        WHERE ua.user_id BETWEEN $1 AND $2
        GROUP BY ua.user_id, ea.event_id
    ) AS p ON p.user_id = s.user_id AND p.event_id = e.event_id
    WHERE s.user_id BETWEEN $1 AND $2
"""
"""recommender.user_event_features over attributes that were built before the clock."""

OTHER_FEATURES = """
    SELECT d.user_id, d.event_id
    FROM ({features}) AS d
    FULL JOIN (
        SELECT f.*
        FROM recommender.user_event_features AS f
        WHERE f.user_id BETWEEN $1 AND $2
            AND f.event_id IN (SELECT e.event_id FROM bench.events AS e)
    ) AS v ON v.user_id = d.user_id AND v.event_id = d.event_id
    WHERE
        (
            abs(d.bias - v.bias)
            + abs(d.overlap_interest_ratio - v.overlap_interest_ratio)
            + abs(d.overlap_history_ratio - v.overlap_history_ratio)
            + abs(d.same_city - v.same_city)
            + abs(d.category_match - v.category_match)
            + abs(d.organizer_match - v.organizer_match)
            + abs(d.popularity - v.popularity)
            + abs(d.days_until - v.days_until) <= $3
        ) IS NOT TRUE
    LIMIT 1
"""

DEFINITION = """
    INSERT INTO bench.definition (user_id, rank, event_id, score, model_version, generated_at)
    WITH model AS (
        SELECT m.model_version, m.weights FROM public.recommender_models AS m WHERE m.is_active
    ),

    scored AS (
        SELECT
            f.user_id,
            f.event_id,
            (SELECT m.weights[1] FROM model AS m) * f.bias
            + (SELECT m.weights[2] FROM model AS m) * f.overlap_interest_ratio
            + (SELECT m.weights[3] FROM model AS m) * f.overlap_history_ratio
            + (SELECT m.weights[4] FROM model AS m) * f.same_city
            + (SELECT m.weights[5] FROM model AS m) * f.category_match
            + (SELECT m.weights[6] FROM model AS m) * f.organizer_match
            + (SELECT m.weights[7] FROM model AS m) * f.popularity
            + (SELECT m.weights[8] FROM model AS m) * f.days_until AS logit
        FROM ({features}) AS f
        WHERE NOT EXISTS (
            SELECT FROM recommender.source_registrations AS r
            WHERE r.user_id = f.user_id AND r.event_id = f.event_id
        )
        -- Computed once, before the sort.
        OFFSET 0
    ),

    ranked AS (
        SELECT
            s.user_id,
            row_number() OVER (
                PARTITION BY s.user_id
                ORDER BY recommender.sort_key(s.logit) DESC, s.event_id
            ) AS rank,
            s.event_id,
            s.logit
        FROM scored AS s
    )

    SELECT
        k.user_id, k.rank, k.event_id, recommender.sigmoid(k.logit),
        (SELECT m.model_version FROM model AS m), recommender.as_of()
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

    VACUUM ANALYZE bench.student_attributes, bench.events, bench.event_attributes
"""

WEIGHTS_TABLE = """
    DROP TABLE IF EXISTS bench.weights;

    CREATE TABLE bench.weights AS
    SELECT w.feature, w.weight
    FROM public.recommender_models AS m
    CROSS JOIN unnest(m.feature_names, m.weights) AS w (feature, weight)
    WHERE m.is_active;

    ANALYZE bench.weights
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
        WHERE s.user_id BETWEEN $4 AND $5
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
            AND u.id BETWEEN $4 AND $5
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

NTH_STUDENT = """
    SELECT s.user_id
    FROM recommender.source_students AS s
    WHERE s.user_id >= $1
    ORDER BY s.user_id
    LIMIT 1 OFFSET $2
"""


@dataclass
class Sample:
    """The slow statements, on the first so many students."""

    world: World
    students: int
    last_user_id: int

    @property
    def scale(self) -> float:
        """What their time is multiplied by for all students."""
        return self.world.students / self.students

    @property
    def is_part(self) -> bool:
        """Whether it is not everybody."""
        return self.students < self.world.students

    async def make_target(self, name: str) -> None:
        """Make the empty table, with its key, for a statement."""
        await self.world.connection.execute(TARGET.format(name=name))

    async def write_by_definition(self, last_user_id: int) -> None:
        """Score and rank all pairs of user_event_features in one statement."""
        await self.world.connection.execute(
            DEFINITION.format(features=FEATURES), self.world.first_user_id, last_user_id, TOP_N
        )

    async def check_features(self) -> None:
        """Refuse to call it the definition when its features are not user_event_features."""
        say("comparing the definition's features with recommender.user_event_features, not timed")
        first = self.world.first_user_id
        last = await self.world.connection.fetchval(
            NTH_STUDENT, first, min(self.students, STUDENTS_COMPARED) - 1
        )
        query = OTHER_FEATURES.format(features=FEATURES)
        if row := await self.world.connection.fetchrow(query, first, last, TOLERANCE):
            raise UserError(
                f"the features of student {row['user_id']} and event {row['event_id']} are not"
                " those of recommender.user_event_features"
            )

    async def write_by_hand(self, last_user_id: int) -> None:
        """Score and rank all pairs the way one would write it for these tables alone."""
        world = self.world
        await world.connection.execute(
            BY_HAND, world.as_of, world.model, TOP_N, world.first_user_id, last_user_id
        )

    async def prepare_by_hand(self) -> None:
        """Build the tables of the hand-written query."""
        say("building the tables of the hand-written query")
        for statement in BY_HAND_TABLES.split(";"):
            await self.world.connection.execute(statement)

    async def check_linearity(self, name: str, write: Callable[[int], Awaitable[None]]) -> None:
        """Refuse to scale a sample up when half of it does not take about half the time."""
        half = self.students // 2
        middle = await self.world.connection.fetchval(
            NTH_STUDENT, self.world.first_user_id, half - 1
        )
        costs: dict[int, float] = {}
        # The best of several turns each: a busy moment of the machine is not a curve.
        for _ in range(LINEARITY_TRIES):
            for students, last in ((half, middle), (self.students, self.last_user_id)):
                await self.make_target(name)
                started = time.perf_counter()
                await write(last)
                cost = 1000 * (time.perf_counter() - started) / students
                say(f"is {name} linear? {students:,} students: {cost:.2f} ms a student")
                costs[students] = min(cost, costs.get(students, cost))
            if max(costs.values()) <= MOST_NONLINEAR * min(costs.values()):
                return
        raise UserError(
            f"the time of {name} does not grow with the students, so that a sample says nothing:"
            " give a larger --definition-students, or 0 for everybody"
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
    return 0 if all(bound["is_met"] for bound in report["bounds"]) else 1


async def _measure(url: str, options: argparse.Namespace) -> dict[str, Any]:
    processes = NumpyProcesses(url, options.jobs)
    world: World | None = None
    try:
        if options.dataset:
            world = await load_world(url, options.dataset, options.as_of)
        else:
            world = await generate_world(
                url, students=options.students, events=options.events, seed=options.seed
            )
            _check_shape(world)
        say(f"starting {options.jobs} processes for numpy")
        await processes.start()
        contenders = await _compete(world, processes, options)
        facts = await machine_facts(world.connection)
    finally:
        processes.stop()
        if world:
            world.connection.terminate()
    return _report(world, options, contenders, facts)


def _check_shape(world: World) -> None:
    """Refuse to measure the standard size on a population of another shape."""
    figures = world.figures
    departures = figures.departures()
    least, most = ZIPF_EXPONENTS
    if not (FEWEST_TAGS_USED <= figures.used_tags <= 500 and least <= figures.tag_exponent <= most):
        departures.append("500 tags by Zipf")
    for line in figures.lines():
        say(line)
    if departures and _is_standard(world):
        raise UserError(f"this run is void: the population lacks {', '.join(departures)}")


def _is_standard(world: World) -> bool:
    return (world.students, world.events) == STANDARD


async def _compete(
    world: World, processes: NumpyProcesses, options: argparse.Namespace
) -> dict[str, Contender]:
    contenders = _quick_contenders(world, processes, options)
    sample: Sample | None = None
    if not options.dataset:
        sample = await _take_sample(world, options.definition_students)
        contenders |= _slow_contenders(sample, options)

    async def activate(number: int) -> None:
        await world.activate(number)
        if sample:
            for statement in WEIGHTS_TABLE.split(";"):
                await world.connection.execute(statement)
        await world.check_stale()

    async def check(number: int) -> None:
        say(f"checking that all wrote the same lists in round {number + 1}")
        for table, has_reasons in NUMPY_TABLES.items():
            if table in contenders:
                await world.check_same(table, has_reasons=has_reasons)
        if sample and number < options.definition_rounds:
            for table in ("definition", "by_hand"):
                await world.check_same(table, sample.last_user_id, has_reasons=False)

    say("a turn of numpy, not timed")
    for contender in contenders.values():
        if contender.name.startswith("numpy"):
            assert contender.prepare
            await contender.prepare()
            await contender.work()
    world.steps.clear()
    if sample and sample.is_part:
        await activate(0)
        await sample.check_linearity("definition", sample.write_by_definition)
        await sample.check_linearity("by_hand", sample.write_by_hand)
    await take_turns(list(contenders.values()), before_round=activate, after_round=check)
    return contenders


NUMPY_TABLES = {"numpy": True, "numpy_processes": True, "numpy_bare": False}
"""What the variants write into, and whether with reasons."""


def _quick_contenders(
    world: World, processes: NumpyProcesses, options: argparse.Namespace
) -> dict[str, Contender]:
    def target(table: str) -> Callable[[], Awaitable[None]]:
        return lambda: world.make_target(table)

    contenders = {
        "ours": Contender(
            _ours(options.jobs),
            lambda: world.write_ours(options.jobs),
            options.rounds,
            world.clean_lists,
        ),
        "numpy": Contender(
            "numpy, one process",
            lambda: world.write_by_numpy("numpy", has_reasons=True),
            options.rounds,
            target("numpy"),
        ),
        "numpy_processes": Contender(
            f"numpy, {options.jobs} processes",
            lambda: world.write_by_processes(processes, "numpy_processes"),
            options.rounds,
            target("numpy_processes"),
        ),
        "numpy_bare": Contender(
            "numpy, one process, no reasons",
            lambda: world.write_by_numpy("numpy_bare", has_reasons=False),
            options.rounds,
            target("numpy_bare"),
        ),
        "floor": Contender(
            "the floor: the finished rows", world.write_floor, options.rounds, world.drop_floor
        ),
    }
    if options.jobs == 1:
        del contenders["numpy_processes"]
    else:
        contenders["ours_alone"] = Contender(
            _ours(1), lambda: world.write_ours(1), options.rounds, world.make_stale
        )
    return contenders


async def _take_sample(world: World, wanted: int) -> Sample:
    students = min(wanted or world.students, world.students)
    last = await world.connection.fetchval(NTH_STUDENT, world.first_user_id, students - 1)
    sample = Sample(world, students, last)
    await sample.prepare_by_hand()
    await sample.check_features()
    return sample


def _slow_contenders(sample: Sample, options: argparse.Namespace) -> dict[str, Contender]:
    of_whom = f", first {sample.students:,} students" if sample.is_part else ""
    return {
        "definition": Contender(
            f"the definition{of_whom}",
            lambda: sample.write_by_definition(sample.last_user_id),
            options.definition_rounds,
            lambda: sample.make_target("definition"),
            sample.scale,
        ),
        "by_hand": Contender(
            f"one hand-written statement{of_whom}",
            lambda: sample.write_by_hand(sample.last_user_id),
            options.definition_rounds,
            lambda: sample.make_target("by_hand"),
            sample.scale,
        ),
    }


def _bounds(
    world: World, options: argparse.Namespace, contenders: dict[str, Contender]
) -> list[Bound]:
    def ratio(
        one: str,
        other: str,
        *,
        required: float | None,
        aim: float | None = None,
        is_upper: bool = True,
        meaning: str = "",
    ) -> Bound:
        first, second = contenders[one], contenders[other]
        ratios = [
            a * first.scale / (b * second.scale)
            for a, b in zip(first.seconds, second.seconds, strict=False)
        ]
        return Bound(
            f"{meaning}{first.name} / {second.name}",
            statistics.median(ratios),
            required,
            aim,
            is_upper=is_upper,
            rounds=tuple(ratios),
        )

    processes = []
    if options.jobs > 1:
        processes.append(ratio("ours", "numpy_processes", required=None, aim=1.0))
    if options.dataset:
        return [
            ratio("ours", "numpy", required=0.8, aim=0.5),
            *processes,
            ratio("ours", "floor", required=None, aim=3.0),
        ]
    standard = _is_standard(world)

    def only_at_standard(bound: float) -> float | None:
        return bound if standard else None

    return [
        ratio("ours", "numpy", required=only_at_standard(1.5), aim=1.0),
        *processes,
        ratio("ours", "floor", required=only_at_standard(6.0), aim=3.0),
        ratio("definition", "ours", required=20.0 if standard else 3.0, aim=20.0, is_upper=False),
        ratio("numpy_bare", "floor", required=only_at_standard(2.2), aim=2.2, meaning="fairness: "),
        ratio(
            "definition", "by_hand", required=only_at_standard(1.5), aim=1.5, meaning="fairness: "
        ),
    ]


def _report(
    world: World,
    options: argparse.Namespace,
    contenders: dict[str, Contender],
    facts: dict[str, Any],
) -> dict[str, Any]:
    ours = contenders["ours"].median
    return {
        "dataset": options.dataset and options.dataset.name,
        "students": world.students,
        "events": world.events,
        "seed": options.seed,
        "top_n": TOP_N,
        "as_of": world.as_of.isoformat(),
        "shape": world.figures.lines(),
        "contenders": {
            key: contender.facts()
            | {
                "ms_per_student": round(1000 * contender.median / world.students, 4),
                "ratio_to_ours": round(contender.median / ours, 3),
            }
            for key, contender in contenders.items()
        },
        "numpy_steps": {
            contenders[table].name: {
                "median_seconds": median_steps(turns),
                "turns": [asdict(steps) for steps in turns],
            }
            for table, turns in world.steps.items()
        },
        "refreshing_features_seconds": [round(seconds, 3) for seconds in world.refreshing],
        "bounds": [
            bound.facts() | {"text": str(bound)} for bound in _bounds(world, options, contenders)
        ],
        "machine": facts,
    }


def _print_report(report: dict[str, Any]) -> None:
    # A file or a pipe has no width of its own, and 80 columns break every name.
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(
        title=f"full rescore: {report['students']:,} students, {report['events']:,} eligible"
        f" events, top {report['top_n']}"
        + (f", {report['dataset']} at {report['as_of']}" if report["dataset"] else "")
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
            f"{contender['ms_per_student']:.3f}",
            f"{contender['ratio_to_ours']:.2f}",
        )
    out.print(table)
    out.print(_steps_table(report))
    for line in (*_notes(report), *report["shape"], *machine_lines(report["machine"])):
        out.print(line, soft_wrap=True, markup=False)
    print_bounds(out, report["bounds"])
    if missed := [
        bound["text"]
        for bound in report["bounds"]
        if not bound["is_met"] and bound["what"].startswith("fairness")
    ]:
        out.print(
            f"this run is void, a contender is too slow to compare with: {'; '.join(missed)}",
            style="red",
            soft_wrap=True,
            markup=False,
        )


def _steps_table(report: dict[str, Any]) -> Table:
    table = Table(title="what numpy's time consists of, ms a student (medians)")
    table.add_column("contender")
    for column in ("pull", "push", "key", "product, best", "reasons", "rows"):
        table.add_column(column, justify="right")
    for name, steps in report["numpy_steps"].items():
        medians = steps["median_seconds"]
        table.add_row(
            name,
            *(
                f"{1000 * medians[step] / report['students']:.4f}"
                for step in ("pull", "push", "key", "product", "reasons", "rows")
            ),
        )
    return table


def _notes(report: dict[str, Any]) -> list[str]:
    refreshing = report["refreshing_features_seconds"]
    notes = [
        (
            "pull, push and key follow one another; product, reasons and rows are made in a thread"
            " during push"
        ),
        (
            "the features are known before every clock but the definition's; making them known, and"
            f" opening the run, took ours {min(refreshing):.2f} to {max(refreshing):.2f} s, which"
            " are not counted"
        ),
        "the processes of numpy are started, connected and warm before the clock",
        "each round has another of three models, and no rescore found a row of its model there",
        (
            "same lists from all in every round (rank, event_id, moment, model; scores within"
            " 1e-9), and the same reasons from ours and numpy with reasons"
        ),
        "ours rewrites lists that exist, the others fill empty tables; fillfactor 50 for all",
        "the lists are vacuumed before each turn of ours, outside the clock, and never else",
        "ratios of the bounds are taken round by round; their median counts",
    ]
    if scaled := [
        contender["name"]
        for contender in report["contenders"].values()
        if contender["scaled_by"] != 1
    ]:
        notes.append(
            f"scaled up to all students, after half as many took about half the time:"
            f" {'; '.join(scaled)}"
        )
    return notes


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
        metavar="N",
        help="students to generate (default: 5000; the standard is 20000)",
    )
    add(
        "--events",
        type=whole_number(1, 1_000_000),
        metavar="N",
        help="eligible events to generate, as many past ones besides, at most 2,000"
        " (default: 2000, the standard)",
    )
    add(
        "--dataset",
        type=Path,
        metavar="DIR",
        help="rescore the students of a folder of <table>.csv.gz files instead; without the"
        " definition and the hand-written statement",
    )
    add(
        "--as-of",
        type=moment,
        metavar="TIME",
        help="the moment to rescore the dataset for (default: 2017-05-08T00:00:00+00:00)",
    )
    add(
        "--rounds",
        type=whole_number(1, 100),
        default=3,
        metavar="N",
        help="turns of each contender but the slow statements (default: %(default)s)",
    )
    add(
        "--definition-rounds",
        type=whole_number(1, 100),
        default=2,
        metavar="N",
        help="turns of the definition and the hand-written statement, at most --rounds"
        " (default: %(default)s)",
    )
    add(
        "--definition-students",
        type=whole_number(0, 10_000_000),
        default=1000,
        metavar="N",
        help="let the definition and the hand-written statement do only the first N students, and"
        " scale their time up after a check that it grows linearly; 0: everybody"
        " (default: %(default)s)",
    )
    add(
        "--jobs",
        type=whole_number(1, 64),
        default=CORES,
        metavar="N",
        help="connections of ours, and processes of numpy; both also run with one (default: cores,"
        " %(default)s here)",
    )
    add_common_arguments(parser)
    options = parser.parse_args(arguments)
    if options.dataset:
        if options.students or options.events:
            parser.error("--dataset brings its own students and events: leave out the numbers")
        _find_dataset(options.dataset)
    elif options.as_of:
        parser.error("--as-of goes with --dataset: generated students have a moment of their own")
    # Their lists are compared with those ours wrote in the same round.
    options.definition_rounds = min(options.definition_rounds, options.rounds)
    options.students = options.students or 5000
    options.events = options.events or 2000
    options.as_of = options.as_of or REPORTED_AS_OF
    if options.definition_students == 1:
        parser.error("--definition-students 1 cannot be halved: give at least 2, or 0")
    return options


def _find_dataset(directory: Path) -> None:
    """Say what is wrong with the folder before a server is started."""
    tables = {file.table for file in find_files(directory)}
    if missing := {"users", "events"} - tables:
        raise UsageError(f"{directory} has no {' and no '.join(sorted(missing))}")


if __name__ == "__main__":
    run(main())
