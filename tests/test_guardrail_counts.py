"""What guardrails count of the telemetry: for each student and sort, and as the golden set does."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.database import connect
from app.dataset import load_dataset
from tests.support.worlds import AS_OF, World, days, hours, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from asyncpg import Connection, Record

    from tests.support.databases import Databases
    from tests.support.runner import Run

STUDENTS = """
SELECT variant, user_id, impressions, clicks, conversions
FROM recommender._guardrail_students($1, $2, $3) ORDER BY variant, user_id
"""
EXPLAIN = """
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT * FROM recommender._guardrail_students($1, $2, 72)
"""
WEEK = AS_OF - timedelta(days=7)
RECOMMENDED = {"source": "events_list", "sort": "recommended"}
TIME = {"source": "events_list", "sort": "time"}
METRICS = ("impressions", "clicks", "conversions")

Counts = dict[tuple[str, int], tuple[int, int, int]]
"""Impressions, clicks and conversions by variant and student."""


@pytest.fixture(scope="module")
def session(database_url: str, run: Run) -> Iterator[Connection[Record]]:
    connection = run(open_session(database_url))
    yield connection
    run(connection.close())


def crowd(students: int = 2, events: int = 3) -> World:
    world = World()
    for _ in range(students):
        world.student()
    organizer = world.organizer()
    for _ in range(events):
        world.event(organizer)
    return world


async def count(
    connection: Connection[Record],
    world: World,
    *,
    start: datetime = WEEK,
    end: datetime = AS_OF,
    window: int = 72,
) -> Counts:
    await world.write(connection)
    rows = await connection.fetch(STUDENTS, start, end, window)
    return {
        (row["variant"], row["user_id"]): (row["impressions"], row["clicks"], row["conversions"])
        for row in rows
    }


def test_each_student_and_sort_has_a_row(session: Connection[Record], run: Run) -> None:
    world = crowd()
    world.interact(1, "impression", 1, meta=RECOMMENDED)
    world.interact(1, "impression", 2, meta=RECOMMENDED)
    world.interact(1, "impression", 1, meta=TIME)
    world.interact(2, "impression", 1, meta=TIME)
    world.interact(2, "click", 1, meta=TIME)
    assert run(count(session, world)) == {
        ("recommended", 1): (2, 0, 0),
        ("time", 1): (1, 0, 0),
        ("time", 2): (1, 1, 0),
    }


def test_a_register_counts_once_for_the_last_click_before_it(
    session: Connection[Record], run: Run
) -> None:
    world = crowd()
    world.interact(1, "click", 1, at=hours(-9), meta=RECOMMENDED)
    world.interact(1, "click", 1, at=hours(-8), meta=TIME)
    world.interact(1, "register", 1, at=hours(-7))
    world.interact(1, "click", 1, at=hours(-6), meta=RECOMMENDED)
    assert run(count(session, world)) == {("recommended", 1): (0, 2, 0), ("time", 1): (0, 1, 1)}


def test_a_click_is_converted_once(session: Connection[Record], run: Run) -> None:
    world = crowd()
    world.interact(1, "click", 1, at=hours(-9), meta=TIME)
    world.interact(1, "register", 1, at=hours(-8))
    world.interact(1, "unregister", 1, at=hours(-7))
    world.interact(1, "register", 1, at=hours(-6))
    assert run(count(session, world)) == {("time", 1): (0, 1, 1)}


def test_each_of_two_clicks_has_the_register_that_follows_it(
    session: Connection[Record], run: Run
) -> None:
    world = crowd()
    world.interact(1, "click", 1, at=hours(-9), meta=TIME)
    world.interact(1, "register", 1, at=hours(-8))
    world.interact(1, "click", 1, at=hours(-7), meta=RECOMMENDED)
    world.interact(1, "register", 1, at=hours(-6))
    assert run(count(session, world)) == {("recommended", 1): (0, 1, 1), ("time", 1): (0, 1, 1)}


@pytest.mark.parametrize(("late", "expected"), [(0, 1), (1e-6, 0)])
def test_the_window_after_a_click_includes_its_end(
    session: Connection[Record], run: Run, late: float, expected: int
) -> None:
    world = crowd()
    world.interact(1, "click", 1, at=hours(-72), meta=TIME)
    world.interact(1, "register", 1, at=hours(-24) + timedelta(seconds=late))
    assert run(count(session, world, window=48)) == {("time", 1): (0, 1, expected)}


def test_a_register_of_the_same_moment_follows_the_click(
    session: Connection[Record], run: Run
) -> None:
    world = crowd()
    world.interact(1, "register", 1, meta={"source": "event_detail"})
    world.interact(1, "click", 1, meta=TIME)
    assert run(count(session, world)) == {("time", 1): (0, 1, 1)}


def test_other_people_and_events_do_not_convert_a_click(
    session: Connection[Record], run: Run
) -> None:
    world = crowd()
    world.interact(1, "click", 1, at=hours(-9), meta=TIME)
    world.interact(1, "register", 2, at=hours(-8))
    world.interact(2, "register", 1, at=hours(-8))
    assert run(count(session, world)) == {("time", 1): (0, 1, 0)}


def test_source_and_sort_are_compared_normalised(session: Connection[Record], run: Run) -> None:
    world = crowd()
    world.interact(1, "impression", 1, meta={"source": "\u00a0EVENTS_list\t", "sort": " Time\n"})
    world.interact(1, "impression", 1, meta={"source": ["events_list"], "sort": "time"})
    world.interact(1, "impression", 1, meta={"source": "events_list", "sort": ["time"]})
    world.interact(1, "impression", 1, meta={"source": "home", "sort": "time"})
    world.interact(1, "impression", 1, meta={"source": "events_list", "sort": "popular"})
    world.interact(1, "impression", 1, meta={"source": "events_list"})
    world.interact(1, "impression", 1, meta=["events_list", "time"])
    world.interact(1, "impression", 1)
    world.interact(1, "Impression", 1, meta=TIME)
    assert run(count(session, world)) == {("time", 1): (1, 0, 0)}


def test_both_ends_of_the_time_looked_at_are_included(
    session: Connection[Record], run: Run
) -> None:
    world = crowd()
    moment = timedelta(microseconds=1)
    for at in (days(-7) - moment, days(-7), days(-1), days(-1) + moment):
        world.interact(1, "impression", 1, at=at, meta=TIME)
    assert run(count(session, world, end=AS_OF - timedelta(days=1))) == {("time", 1): (2, 0, 0)}


def test_what_happens_after_the_moment_is_not_seen(session: Connection[Record], run: Run) -> None:
    world = crowd()
    world.interact(1, "impression", 1, at=days(1), meta=TIME)
    assert run(count(session, world, end=AS_OF + timedelta(days=2))) == {}


def test_visitors_and_rows_without_event_do_not_count(
    session: Connection[Record], run: Run
) -> None:
    world = crowd()
    world.interact(None, "impression", 1, meta=TIME)
    world.interact(1, "impression", meta=TIME)
    assert run(count(session, world)) == {}


@dataclass(frozen=True)
class Row:
    """An interaction of a random world."""

    student: int
    event: int
    kind: str
    hour: int
    meta: dict[str, str] | None


ROWS = st.lists(
    st.builds(
        Row,
        student=st.integers(1, 2),
        event=st.integers(1, 2),
        kind=st.sampled_from(("impression", "click", "click", "register", "view")),
        hour=st.integers(-8, 0),
        meta=st.sampled_from((RECOMMENDED, TIME, None)),
    ),
    max_size=30,
)


def count_row_by_row(rows: list[Row], window: int, first_hour: int) -> Counts:
    """Do by hand what the function does in one statement."""
    counts: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    last_clicks: dict[tuple[int, int], tuple[int, str]] = {}
    order = sorted(range(len(rows)), key=lambda n: (rows[n].hour, rows[n].kind == "register", n))
    for row in (rows[number] for number in order):
        if row.hour < first_hour:
            continue
        pair = (row.student, row.event)
        if row.kind in ("impression", "click") and row.meta:
            counts[row.meta["sort"], row.student][row.kind == "click"] += 1
            if row.kind == "click":
                last_clicks[pair] = (row.hour, row.meta["sort"])
        elif row.kind == "register" and pair in last_clicks:
            hour, sort = last_clicks.pop(pair)
            counts[sort, row.student][2] += row.hour - hour <= window
    return {key: (n[0], n[1], n[2]) for key, n in counts.items()}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS, window=st.integers(1, 4), first_hour=st.integers(-8, -4))
def test_counting_row_by_row_gives_the_same(
    session: Connection[Record], run: Run, rows: list[Row], window: int, first_hour: int
) -> None:
    world = crowd()
    for row in rows:
        world.interact(row.student, row.kind, row.event, at=hours(row.hour), meta=row.meta)
    counted = run(count(session, world, start=AS_OF + hours(first_hour), window=window))
    assert counted == count_row_by_row(rows, window, first_hour)


def test_only_the_partitions_looked_at_are_read(database_url: str, run: Run) -> None:
    """A new database has partitions for the months around the day it was made."""

    async def months(start: datetime, end: datetime) -> int:
        connection = await open_session(database_url, end)
        try:
            rows = await connection.fetch(EXPLAIN, start, end)
        finally:
            await connection.close()
        lines = [row[0] for row in rows if "never executed" not in row[0]]
        return len(set(re.findall(r"on event_interactions_(\d{4}_\d{2})", "\n".join(lines))))

    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    day = timedelta(days=1)
    assert run(months(month + day, month + 8 * day)) == 1
    assert run(months(month - 2 * day, month + 5 * day)) == 2


@dataclass(frozen=True)
class Scenario:
    """One of the golden scenarios."""

    name: str
    days: int
    hours: int
    rows: list[tuple[Any, ...]]
    result: dict[str, Any]


MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def scenarios(golden_dir: Path) -> list[Scenario]:
    rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    path = golden_dir / "guardrail_logs.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows[row["scenario"]].append(
                (
                    int(row["user_id"]) if row["user_id"] else None,
                    int(row["event_id"]) if row["event_id"] else None,
                    row["interaction_type"],
                    datetime.fromisoformat(row["occurred_at"]),
                    row["meta_json"] or None,
                )
            )
    return [
        Scenario(
            name=item["name"],
            days=item["payload"].get("days", item["settings"]["personalization_guardrails_days"]),
            hours=item["settings"]["personalization_guardrails_click_to_register_window_hours"],
            rows=rows[item["name"]],
            result=result,
        )
        for item in json.loads((golden_dir / "guardrail_results.json").read_text("utf-8"))
        for result in item["results"][:1]
    ]


@pytest.mark.golden
def test_the_golden_scenarios_agree_in_every_metric(
    databases: Databases, scenarios: list[Scenario], golden_dir: Path, run: Run
) -> None:
    async def metrics(connection: Connection[Record], scenario: Scenario) -> dict[str, Any]:
        await connection.execute("TRUNCATE event_interactions")
        await connection.copy_records_to_table(
            "event_interactions",
            records=scenario.rows,
            columns=["user_id", "event_id", "interaction_type", "occurred_at", "meta"],
        )
        start = MOMENT - timedelta(days=scenario.days)
        rows = await connection.fetch(STUDENTS, start, MOMENT, scenario.hours)
        return {
            metric: {
                variant: sum(row[metric] for row in rows if row["variant"] == variant)
                for variant in ("recommended", "time")
            }
            for metric in METRICS
        }

    async def compare(url: str) -> dict[str, tuple[object, object]]:
        connection = await connect(url, **{"recommender.as_of": MOMENT.isoformat()})
        try:
            await load_dataset(connection, golden_dir / "input")
            found = {s.name: await metrics(connection, s) for s in scenarios if len(s.result) > 1}
        finally:
            await connection.close()
        return {
            s.name: (found[s.name], {metric: s.result[metric] for metric in METRICS})
            for s in scenarios
            if s.name in found
        }

    with databases.migrated() as url:
        compared = run(compare(url))
    assert len(scenarios) == 20
    # One is switched off, and has no metrics.
    assert len(compared) == 19
    assert {name: pair[0] for name, pair in compared.items()} == {
        name: pair[1] for name, pair in compared.items()
    }
