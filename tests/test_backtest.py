"""The backtest on a database: who is judged on what, that nothing leaks, that nothing changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from asyncpg import PostgresError
from hypothesis import HealthCheck, given, settings

from app.backtest.comparison import compare_with_popularity
from app.backtest.metrics import first_columns, list_keys
from app.backtest.protocol import Protocol
from app.backtest.report import summarize
from app.backtest.rules import RULES
from app.backtest.window import (
    Contender,
    CutoffResult,
    evaluate_cutoff,
    judge_window,
    open_window,
    standing_at,
)
from app.console import UsageError
from app.dataset import load_dataset
from app.population import Plan, generate_population, settle
from app.training.examples import FEATURE_NAMES
from app.training.model import Recipe, train_model
from scripts.backtest import parse_arguments
from tests.support.random_worlds import worlds
from tests.support.worlds import AS_OF, MICROSECOND, World, days, hours, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncpg import Connection, Record

    from app.backtest.window import Window
    from tests.support.databases import Databases
    from tests.support.runner import Run

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "backtest.py"
SECONDS = 120
CUTOFF = AS_OF - days(14)
ZERO = Contender("zero", FEATURE_NAMES, np.zeros(len(FEATURE_NAMES)))
LARGE = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
POPULATION = Plan(
    as_of=AS_OF,
    shape="lively",
    students=150,
    upcoming_events=30,
    past_events=120,
    organizers=10,
    tags=60,
    categories=6,
    cities=3,
    days=80,
    interactions_per_student=40,
    experiment_percent=50,
    zipf=1.0,
    seed=11,
)


class Backtest:
    """A session at AS_OF that judges at CUTOFF on the worlds it is given."""

    def __init__(self, connection: Connection[Record], run: Run) -> None:
        self.connection = connection
        self.run = run

    def window(
        self, world: World | None = None, cutoff: datetime = CUTOFF, **protocol: Any
    ) -> Window:
        if world is not None:
            self.run(world.write(self.connection))
        return self.run(open_window(self.connection, cutoff, Protocol(**protocol)))

    def candidates(self, world: World, **protocol: Any) -> list[int]:
        return [int(event) for event in self.window(world, **protocol).candidates["event_id"]]

    def pairs(self, world: World | None = None, **protocol: Any) -> dict[str, set[tuple[int, int]]]:
        """Give the (user, event) pairs of each mark."""
        self.window(world, **protocol)
        rows = self.rows(
            "SELECT m.mark, s.user_id, c.event_id FROM pg_temp.backtest_marks AS m"
            " INNER JOIN pg_temp.backtest_students AS s ON s.student_no = m.student_no"
            " INNER JOIN pg_temp.backtest_candidates AS c ON c.event_no = m.event_no"
        )
        found: dict[str, set[tuple[int, int]]] = {
            "truth": set(),
            "masked": set(),
            "attended": set(),
        }
        for row in rows:
            found[row["mark"]].add((row["user_id"], row["event_id"]))
        assert sum(map(len, found.values())) == len(rows)
        return found

    def judge(self, *contenders: Contender, world: World | None = None) -> CutoffResult:
        window = self.window(world)
        return self.run(judge_window(self.connection, window, contenders))

    def rows(self, sql: str, *arguments: object) -> list[Record]:
        return self.run(self.connection.fetch(sql, *arguments))

    def execute(self, *statements: str) -> None:
        for statement in statements:
            self.run(self.connection.execute(statement))


@pytest.fixture(scope="module")
def backtest(database_url: str, run: Run) -> Iterator[Backtest]:
    connection = run(open_session(database_url))
    yield Backtest(connection, run)
    run(connection.close())


IN_WINDOW = days(-10)
"""The start of a candidate, seen from AS_OF; the window is 14 days before it."""


# Candidates


def test_candidates_start_from_the_lead_to_the_horizon(backtest: Backtest) -> None:
    world = World()
    club = world.organizer()
    starts = [hours(2) - MICROSECOND, hours(2), days(14) - MICROSECOND, days(14)]
    events = [world.event(club, starts=days(-14) + start) for start in starts]
    assert backtest.candidates(world) == events[1:3]
    assert backtest.candidates(world, lead=hours(0), horizon=hours(2)) == events[:1]


def test_candidates_were_published_and_not_deleted_at_the_cutoff(backtest: Backtest) -> None:
    world = World()
    club = world.organizer()

    def event(**columns: Any) -> int:
        return world.event(club, starts=IN_WINDOW, **columns)

    known = [
        event(publish=days(-14)),
        event(publish=None, created=days(-14)),
        event(deleted=days(-14) + MICROSECOND),
        event(max_seats=0),
    ]
    event(publish=days(-14) + MICROSECOND)
    event(publish=None, created=days(-13))
    event(deleted=days(-14))
    event(status="draft")
    assert backtest.candidates(world) == known


# Truth and masks


def test_truth_came_after_the_cutoff_and_is_known_now(backtest: Backtest) -> None:
    world = World()
    club = world.organizer()
    students = [world.student() for _ in range(6)]
    event = world.event(club, starts=IN_WINDOW)
    for student, at, deleted in zip(
        students,
        [days(-14), days(-14) + MICROSECOND, days(-12), days(-12), days(-20), MICROSECOND],
        [None, None, days(-11), days(1), days(-11), None],
        strict=True,
    ):
        world.register(student, event, at=at, deleted=deleted)
    pairs = backtest.pairs(world)
    assert pairs["truth"] == {(students[1], event), (students[3], event)}
    # Nobody else is judged, so nobody else has marks.
    assert pairs["masked"] == set()


def test_what_was_registered_before_is_neither_candidate_nor_truth(backtest: Backtest) -> None:
    world = World()
    club = world.organizer()
    student = world.student()
    masked, withdrawn, truth = (world.event(club, starts=IN_WINDOW) for _ in range(3))
    world.register(student, masked, at=days(-15))
    world.register(student, withdrawn, at=days(-16), deleted=days(-15))
    world.register(student, truth, at=days(-12))
    pairs = backtest.pairs(world)
    assert pairs["masked"] == {(student, masked)}
    assert pairs["truth"] == {(student, truth)}
    (rank,) = backtest.judge().groups["all"].tops["soonest"]
    assert rank.tolist() == [1, 2, *[-1] * 8]


def test_whoever_registers_is_judged_and_students_alone_if_asked(backtest: Backtest) -> None:
    world = World()
    club, other = world.organizer(), world.organizer()
    student = world.student()
    event = world.event(club, starts=IN_WINDOW)
    world.register(student, event, at=days(-12))
    world.register(other, event, at=days(-12))
    assert backtest.pairs(world)["truth"] == {(student, event), (other, event)}
    assert backtest.pairs(only_students=True)["truth"] == {(student, event)}


# Groups


def test_discovery_is_among_organizers_never_attended(backtest: Backtest) -> None:
    world = World()
    known, planned, new = (world.organizer() for _ in range(3))
    student = world.student()
    world.register(student, world.event(known, starts=days(-14)), at=days(-20))
    # Registered for, but not attended: it starts after the cutoff.
    world.register(student, world.event(planned, starts=days(-13)), at=days(-20))
    candidates = [world.event(club, starts=IN_WINDOW) for club in (known, planned, new)]
    for event in candidates[:2]:
        world.register(student, event, at=days(-12))
    result = backtest.judge(world=world)
    # Event 2 is a candidate as well, masked.
    assert result.candidate_count == 4
    everything, discovery = result.groups["all"], result.groups["discovery"]
    assert everything.users.tolist() == discovery.users.tolist() == [student]
    assert everything.tops["popularity"][0].tolist()[:4] == [1, 2, 3, -1]
    assert discovery.tops["popularity"][0].tolist()[:3] == [2, 3, -1]
    assert not len(result.groups["cold"].users)


def test_without_a_new_organizer_in_the_truth_there_is_no_discovery(backtest: Backtest) -> None:
    world = World()
    known, new = world.organizer(), world.organizer()
    student = world.student()
    world.register(student, world.event(known, starts=days(-20)), at=days(-30))
    world.event(new, starts=IN_WINDOW)
    world.register(student, world.event(known, starts=IN_WINDOW), at=days(-12))
    groups = backtest.judge(world=world).groups
    assert len(groups["all"].users) == 1
    assert not len(groups["discovery"].users)


def test_students_without_a_registration_before_are_cold(backtest: Backtest) -> None:
    world = World()
    club = world.organizer()
    warm, cold, gone = (world.student() for _ in range(3))
    world.register(warm, world.event(club, starts=days(-40)), at=days(-50))
    world.register(gone, world.event(club, starts=days(-40)), at=days(-50), deleted=days(-45))
    event = world.event(club, starts=IN_WINDOW)
    for student in (warm, cold, gone):
        world.register(student, event, at=days(-12))
    groups = backtest.judge(world=world).groups
    assert groups["all"].users.tolist() == [warm]
    assert groups["cold"].users.tolist() == [cold, gone]


def test_popularity_is_the_organizers_registrations_per_event_in_90_days(
    backtest: Backtest,
) -> None:
    world = World()
    clubs = [world.organizer() for _ in range(3)]
    students = [world.student() for _ in range(3)]

    def past(club: int, starts: timedelta, *registered: int) -> None:
        event = world.event(club, starts=starts, publish=days(-300))
        for student in registered:
            world.register(student, event, at=days(-200))

    past(clubs[0], days(-14 - 89), *students)
    past(clubs[0], days(-20))
    past(clubs[1], days(-14), *students[:1])
    past(clubs[1], days(-14 - 90), *students)
    past(clubs[2], days(-14 - 91), *students)
    for club in clubs:
        world.event(club, starts=IN_WINDOW)
    assert backtest.window(world).candidates["popularity"].tolist() == [1.5, 1.0, 0.0]


def test_visits_halve_every_sixty_days(backtest: Backtest) -> None:
    world = World()
    club = world.organizer()
    student = world.student()
    for age in (0, 60, 6_000 * 3):
        world.register(student, world.event(club, starts=days(-14 - age)), at=days(-20_000))
    event = world.event(club, starts=IN_WINDOW)
    world.register(student, event, at=days(-12))
    marks = backtest.window(world).marks
    (visits,) = marks["value"][marks["mark"] == 2]
    assert visits == pytest.approx(1.5)


def test_a_sample_of_students_is_the_same_wherever_it_is_drawn(backtest: Backtest) -> None:
    world = World()
    club = world.organizer()
    students = [world.student() for _ in range(40)]
    events = [world.event(club, starts=IN_WINDOW) for _ in range(2)]
    for number, student in enumerate(students):
        world.register(student, events[number % 2], at=days(-12))
    everybody = backtest.window(world)
    assert everybody.users.tolist() == students
    ten, twenty = (backtest.window(students=count) for count in (10, 20))
    assert ten.student_count == 40
    assert len(ten.users) == 10
    assert set(ten.users) < set(twenty.users)
    assert set(backtest.window(students=10, seed=5).users) != set(ten.users)


@LARGE
@given(world=worlds())
def test_marks_are_those_of_a_slow_reading(backtest: Backtest, world: World) -> None:
    cutoff = AS_OF - days(3)
    backtest.window(world, cutoff, horizon=days(70), lead=hours(0))
    expected = slow_marks(world, cutoff, days(70))
    rows = backtest.rows(
        "SELECT m.mark, s.user_id, c.event_id, s.is_cold FROM pg_temp.backtest_marks AS m"
        " INNER JOIN pg_temp.backtest_students AS s ON s.student_no = m.student_no"
        " INNER JOIN pg_temp.backtest_candidates AS c ON c.event_no = m.event_no"
    )
    assert sorted(tuple(row) for row in rows) == expected


def slow_marks(world: World, cutoff: datetime, horizon: timedelta) -> list[tuple[Any, ...]]:
    """Work out the marks from the rows of a world, one after the other."""

    def in_force(row: dict[str, Any], moment: datetime) -> bool:
        return row["registration_time"] <= moment and (
            row["deleted_at"] is None or row["deleted_at"] > moment
        )

    events: dict[int, Any] = {row["id"]: row for row in world.rows.get("events", [])}  # type: ignore[misc]
    registrations: list[dict[str, Any]] = world.rows.get("registrations", [])
    live = {
        number: event
        for number, event in events.items()
        if event["deleted_at"] is None or event["deleted_at"] > cutoff
    }
    candidates = {
        number
        for number, event in live.items()
        if event["status"] == "published"
        and (event["publish_at"] or event["created_at"])
        <= cutoff
        <= event["start_time"]
        < cutoff + horizon
    }
    before = {(r["user_id"], r["event_id"]) for r in registrations if in_force(r, cutoff)}
    after = {(r["user_id"], r["event_id"]) for r in registrations if in_force(r, AS_OF)}
    truth = {pair for pair in after - before if pair[1] in candidates}
    judged = {user for user, _ in truth}
    attended = {
        (user, live[event]["owner_id"])
        for user, event in before
        if event in live and live[event]["start_time"] <= cutoff
    }
    marks = [("truth", *pair) for pair in truth]
    marks += [("masked", *pair) for pair in before if pair[0] in judged and pair[1] in candidates]
    marks += [
        ("attended", user, event)
        for user in judged
        for event in candidates
        if (user, events[event]["owner_id"]) in attended
    ]
    warm = {user for user, _ in before}
    return sorted((*mark, mark[1] not in warm) for mark in marks)


# Rankings


@LARGE
@given(world=worlds())
def test_rankings_are_those_of_the_definition(backtest: Backtest, world: World) -> None:
    """The order of user_event_features at the cutoff, implicit interests left out."""
    cutoff = AS_OF - days(3)
    window = backtest.window(world, cutoff, horizon=days(200), lead=hours(0))
    weights = np.array(world.rows["recommender_models"][0]["weights"], dtype=np.float64)
    model = Contender("m", FEATURE_NAMES, weights)
    result = backtest.run(judge_window(backtest.connection, window, [model]))

    async def defined() -> list[Record]:
        async with standing_at(backtest.connection, cutoff):
            return await backtest.connection.fetch(
                """
                SELECT
                    s.student_no, c.event_no, s.is_cold, recommender.sort_key(
                        ($1::float8[])[1] * f.bias + $1[2] * f.overlap_interest_ratio
                        + $1[3] * f.overlap_history_ratio + $1[4] * f.same_city
                        + $1[5] * f.category_match + $1[6] * f.organizer_match
                        + $1[7] * f.popularity + $1[8] * f.days_until
                    ) AS key
                FROM pg_temp.backtest_students AS s
                CROSS JOIN pg_temp.backtest_candidates AS c
                INNER JOIN recommender.user_event_features AS f
                    ON f.user_id = s.user_id AND f.event_id = c.event_id
                WHERE NOT EXISTS (
                    SELECT FROM pg_temp.backtest_marks AS m
                    WHERE m.student_no = s.student_no AND m.event_no = c.event_no
                        AND m.mark = 'masked'
                )
                """,
                weights.tolist(),
            )

    rows = backtest.run(defined())
    for group in ("all", "cold"):
        expected: dict[int, list[tuple[float, int]]] = {}
        for row in rows:
            if row["is_cold"] == (group == "cold"):
                expected.setdefault(row["student_no"], []).append((-row["key"], row["event_no"]))
        tops = result.groups[group].tops.get("m", np.empty((0, 10)))
        assert [[c for c in top.tolist() if c >= 0] for top in tops] == [
            [event for _, event in sorted(pairs)[:10]] for _, pairs in sorted(expected.items())
        ]


def test_blocks_change_nothing(
    backtest: Backtest, monkeypatch: pytest.MonkeyPatch, populated_rows: None
) -> None:
    model = Contender("m", FEATURE_NAMES, np.array([-3, 1, 1, 0.5, 0.7, 2, 0.3, -0.2]))
    whole = backtest.judge(model)
    steps: list[tuple[int, int]] = []
    monkeypatch.setattr("app.backtest.window.PAIRS_A_BLOCK", 7 * whole.candidate_count)
    window = backtest.window()
    parts = backtest.run(
        judge_window(backtest.connection, window, [model], lambda *step: steps.append(step))
    )
    assert len(steps) > 2
    assert steps[-1] == (len(window.users), len(window.users))
    for group, judged in whole.groups.items():
        other = parts.groups[group]
        np.testing.assert_array_equal(judged.users, other.users)
        for name, metrics in judged.metrics.items():
            np.testing.assert_array_equal(metrics, other.metrics[name])
            np.testing.assert_array_equal(judged.tops[name], other.tops[name])
    bins, same = (
        summarize([result], ["m"], Protocol(), replicates=50).calibration["m"]
        for result in (whole, parts)
    )
    assert [each.rounded() for each in bins] == [each.rounded() for each in same]


@pytest.fixture
def populated_rows(backtest: Backtest) -> None:
    """Make a lively population all the database has."""
    backtest.run(World().write(backtest.connection))
    backtest.run(generate_population(backtest.connection, POPULATION))


def test_a_window_can_be_judged_within_a_transaction(
    backtest: Backtest, populated_rows: None
) -> None:
    async def judge() -> tuple[CutoffResult, str]:
        async with backtest.connection.transaction():
            result = await evaluate_cutoff(backtest.connection, CUTOFF, [ZERO])
        return result, await backtest.connection.fetchval("SELECT recommender.as_of()::text")

    result, moment = backtest.run(judge())
    assert len(result.groups["all"].users) > 20
    assert datetime.fromisoformat(moment) == AS_OF


def test_a_contender_may_have_its_features_in_another_order(
    backtest: Backtest, populated_rows: None
) -> None:
    weights = np.array([-3, 1, 1, 0.5, 0.7, 2, 0.3, -0.2])
    there = Contender("there", FEATURE_NAMES, weights)
    back = Contender("back", FEATURE_NAMES[::-1], weights[::-1])
    judged = backtest.judge(there, back).groups["all"]
    np.testing.assert_array_equal(judged.tops["there"], judged.tops["back"])


def test_a_model_is_compared_with_popularity_by_student(
    backtest: Backtest, populated_rows: None
) -> None:
    good = Contender("m", FEATURE_NAMES, np.array([-3, 1, 1, 0.5, 0.7, 2, 0.3, -0.2]))
    bad = Contender("m", FEATURE_NAMES, -good.weights)
    backtest.window()
    students = backtest.rows(
        "SELECT count(*) FROM pg_temp.backtest_students AS s WHERE NOT s.is_cold"
    )[0][0]
    better, worse = (
        backtest.run(compare_with_popularity(backtest.connection, model, CUTOFF))
        for model in (good, bad)
    )
    assert better is not None
    assert worse is not None
    assert better.students == worse.students == students
    assert worse.low <= worse.mean <= worse.high < 0 < better.low <= better.mean <= better.high
    figures = summarize([backtest.judge(good)], ["m"], Protocol()).groups["all"]
    difference = figures.differences["m"]["popularity"]["ndcg@10"]
    assert difference.value == pytest.approx(better.mean)
    assert (difference.low, difference.high) == pytest.approx((better.low, better.high))


def test_without_anybody_there_is_no_comparison(backtest: Backtest) -> None:
    backtest.run(World().write(backtest.connection))
    assert backtest.run(compare_with_popularity(backtest.connection, ZERO, CUTOFF)) is None


# Nothing leaks

IMPLICIT = (
    # Half of them seen after the cutoff.
    """
    INSERT INTO user_implicit_interest_tags (user_id, tag_id, score, last_seen_at)
    SELECT u.id, t.id, 3, $1::timestamptz + interval '1 day' * (u.id % 2 - 0.5)
    FROM users AS u CROSS JOIN tags AS t WHERE (u.id + t.id) % 7 = 0
    """,
    """
    INSERT INTO user_implicit_interest_categories (user_id, category, score, last_seen_at)
    SELECT DISTINCT u.id, e.category, 4, $1::timestamptz + interval '1 day' * (u.id % 2 - 0.5)
    FROM users AS u CROSS JOIN events AS e WHERE (u.id + e.id) % 50 = 0 AND e.category IS NOT NULL
    """,
    """
    INSERT INTO user_implicit_interest_cities (user_id, city, score, last_seen_at)
    SELECT DISTINCT u.id, e.city, 5, $1::timestamptz + interval '1 day' * (u.id % 2 - 0.5)
    FROM users AS u CROSS JOIN events AS e WHERE (u.id + e.id) % 50 = 0 AND e.city IS NOT NULL
    """,
)

CHANGES_AFTER = (
    # Everything that has a time after the cutoff, in every way it can be otherwise.
    "DELETE FROM registrations WHERE registration_time > $1 AND id % 3 = 0",
    """
    UPDATE registrations SET registration_time = registration_time + interval '1 hour'
    WHERE registration_time > $1
    """,
    """
    INSERT INTO registrations (user_id, event_id, registration_time)
    SELECT u.id, e.id, $1::timestamptz + interval '1 microsecond'
    FROM users AS u CROSS JOIN events AS e
    WHERE (u.id + e.id) % 9 = 0 AND NOT EXISTS (
        SELECT FROM registrations AS r WHERE r.user_id = u.id AND r.event_id = e.id
    )
    """,
    """
    UPDATE registrations SET deleted_at = CASE
        WHEN deleted_at > $1 AND id % 2 = 0 THEN NULL
        ELSE $1::timestamptz + interval '1 day'
    END
    WHERE deleted_at > $1 OR (deleted_at IS NULL AND id % 5 = 0)
    """,
    # Attendance has no time of its own; it comes with the event.
    """
    UPDATE registrations AS r SET attended = NOT coalesce(r.attended, false)
    FROM events AS e WHERE e.id = r.event_id AND e.start_time > $1
    """,
    "DELETE FROM favorite_events WHERE created_at > $1",
    """
    INSERT INTO favorite_events (user_id, event_id, created_at)
    SELECT u.id, e.id, $1::timestamptz + interval '1 microsecond'
    FROM users AS u CROSS JOIN events AS e
    WHERE (u.id + e.id) % 11 = 0 AND NOT EXISTS (
        SELECT FROM favorite_events AS f WHERE f.user_id = u.id AND f.event_id = e.id
    )
    """,
    "DELETE FROM event_interactions WHERE occurred_at > $1 AND id % 2 = 0",
    """
    UPDATE event_interactions SET interaction_type = 'unregister', meta = NULL
    WHERE occurred_at > $1 AND event_id IS NOT NULL
    """,
    """
    UPDATE event_interactions SET meta = '{"city": "Atlantis", "category": "music"}'
    WHERE occurred_at > $1 AND event_id IS NULL
    """,
    "UPDATE events SET publish_at = publish_at + interval '2 days' WHERE publish_at > $1",
    """
    UPDATE events SET deleted_at = CASE
        WHEN deleted_at > $1 AND id % 2 = 0 THEN NULL
        ELSE $1::timestamptz + interval '1 hour'
    END
    WHERE deleted_at > $1 OR (deleted_at IS NULL AND id % 7 = 0)
    """,
    """
    UPDATE events SET title = 'other', category = 'other', city = 'Atlantis'
    WHERE publish_at > $1
    """,
    """
    UPDATE user_implicit_interest_tags SET score = score + 5 WHERE last_seen_at > $1
    """,
    "DELETE FROM user_implicit_interest_tags WHERE last_seen_at > $1 AND user_id % 3 = 0",
    "UPDATE user_implicit_interest_categories SET score = score * 2 WHERE last_seen_at > $1",
    "DELETE FROM user_implicit_interest_categories WHERE last_seen_at > $1 AND user_id % 3 = 0",
    "UPDATE user_implicit_interest_cities SET score = score / 7 WHERE last_seen_at > $1",
    "DELETE FROM user_implicit_interest_cities WHERE last_seen_at > $1 AND user_id % 3 = 0",
)

COPIED = (
    "SELECT * FROM pg_temp.training_matrix AS m ORDER BY m.example_no",
    "SELECT * FROM pg_temp.backtest_candidates AS c ORDER BY c.event_no",
    "SELECT f.* FROM pg_temp.pair_features AS f ORDER BY f.pair_no",
)


async def copied(connection: Connection[Record]) -> list[bytes]:
    """Give the training matrix, the candidates and the features of all pairs, as bytes."""
    copies = []
    for query in COPIED:
        pieces: list[bytes] = []

        async def take(piece: bytes, pieces: list[bytes] = pieces) -> None:
            pieces.append(piece)

        await connection.copy_from_query(query, output=take, format="binary")
        copies.append(b"".join(pieces))
    return copies


async def what_is_seen(
    connection: Connection[Record], recipe: Recipe, feature_set: str
) -> list[bytes]:
    """Give the training matrix, and every student's features and list, as bytes."""
    await connection.execute("SELECT recommender.backtest_prepare($1)", CUTOFF)
    # All students, whoever has a truth: what came may change, and who is judged with it.
    await connection.execute(
        "DROP TABLE pg_temp.backtest_students; CREATE TEMPORARY TABLE backtest_students AS"
        " SELECT row_number() OVER (ORDER BY u.id)::integer - 1 AS student_no, u.id AS user_id"
        " FROM users AS u WHERE u.role = 'student'"
    )
    async with standing_at(connection, CUTOFF):
        model = await train_model(connection, recipe)
        weights, names = model.fit.weights, model.feature_names
        if feature_set != "base":
            names = tuple(
                await connection.fetchval("SELECT recommender.feature_names($1)", feature_set)
            )
            await connection.fetch(
                "SELECT * FROM recommender.build_training_windows(1337, 3, 50, 4, 14, $1)",
                list(names),
            )
            weights = np.cos(np.arange(len(names)))
        await connection.execute("SELECT recommender.backtest_features(0, 100000, $1)", list(names))
    copies = await copied(connection)
    rows = await connection.fetch(
        "SELECT f.features FROM pg_temp.pair_features AS f ORDER BY f.pair_no"
    )
    features = np.array([row["features"] for row in rows])
    # Each feature says something, or its being the same says nothing.
    dead = [name for name, column in zip(names, features.T, strict=True) if not column.any()]
    assert dead == []
    students = await connection.fetchval("SELECT count(*) FROM pg_temp.backtest_students")
    keys = list_keys(features @ weights).reshape(students, -1)
    lists = first_columns(keys, np.ones(keys.shape, dtype=bool), 50)
    return [*copies, model.fit.weights.tobytes(), lists.tobytes()]


@pytest.mark.parametrize(
    ("recipe", "feature_set"),
    [
        (Recipe(recipe="windows"), "base"),
        (Recipe(recipe="windows"), "extended"),
        (Recipe(recipe="reference"), "base"),
        (Recipe(recipe="reference", history="all"), "base"),
    ],
    ids=["windows", "extended", "reference", "all history"],
)
def test_what_came_later_is_not_seen(
    backtest: Backtest, populated_rows: None, recipe: Recipe, feature_set: str
) -> None:
    # Whose home city is not told by the profile, may have it from clicks.
    backtest.execute("UPDATE users SET city = NULL WHERE role = 'student' AND id % 4 < 2")
    for statement in IMPLICIT:
        backtest.run(backtest.connection.execute(statement, CUTOFF))
    before = backtest.run(what_is_seen(backtest.connection, recipe, feature_set))
    assert len(before[0]) > 100_000
    assert len(before[2]) > 100_000
    truth = "SELECT t.user_id, t.event_no FROM pg_temp.backtest_truth AS t ORDER BY 1, 2"
    came = backtest.rows(truth)
    for statement in CHANGES_AFTER:
        done = backtest.run(backtest.connection.execute(statement, CUTOFF))
        assert int(done.split()[-1]) > 0, f"changed nothing: {statement}"
    assert backtest.run(what_is_seen(backtest.connection, recipe, feature_set)) == before
    # And that was not for want of change.
    assert backtest.rows(truth) != came


# The command


class Command:
    """The command on one database."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(SCRIPT), *flags],
            env=os.environ | {"DATABASE_URL": self.url, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@pytest.fixture(scope="module")
def command(database_url: str) -> Command:
    return Command(database_url)


@pytest.fixture(scope="module")
def populated(databases: Databases, run: Run) -> Iterator[tuple[Command, Connection[Record]]]:
    """The command on a generated population, and a session that looks at what it did."""
    with databases.migrated() as url:
        connection = run(open_session(url))
        run(generate_population(connection, POPULATION))
        run(settle(connection))
        yield Command(url), connection
        run(connection.close())


def succeed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def fail_with(done: subprocess.CompletedProcess[str], sentence: str, code: int = 1) -> None:
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert "error: " in line
    assert sentence in line
    assert "Traceback" not in done.stderr


def checksums(connection: Connection[Record], run: Run) -> dict[str, str]:
    """Give a checksum of every table and materialized view that is not of a session."""
    names = run(
        connection.fetch(
            "SELECT c.oid::regclass::text AS name FROM pg_class AS c"
            " WHERE c.relkind IN ('r', 'p', 'm')"
            " AND c.relnamespace IN ('public'::regnamespace, 'recommender'::regnamespace)"
        )
    )
    return {
        row["name"]: run(
            connection.fetchval(
                "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"  # noqa: S608
                f" FROM {row['name']} AS t"
            )
        )
        for row in names
    }


def test_it_says_in_text_and_json_what_came_and_changes_nothing(
    populated: tuple[Command, Connection[Record]], run: Run, tmp_path: Path
) -> None:
    command, connection = populated
    before = checksums(connection, run)
    flags = ("--as-of", AS_OF.isoformat(), "--cutoffs", "2", "--horizon", "7", "--every", "7")
    first = command(*flags, "--json", str(tmp_path / "a.json"))
    printed = succeed(first)
    assert checksums(connection, run) == before
    assert [line for line in first.stderr.splitlines() if "candidates" in line]
    report = json.loads((tmp_path / "a.json").read_text())
    assert [cutoff["cutoff"] for cutoff in report["cutoffs"]] == [
        "2026-02-15T00:00:00+00:00",
        "2026-02-22T00:00:00+00:00",
    ]
    groups = report["groups"]
    assert list(groups["all"]["figures"]) == ["ours", *RULES]
    for group in groups.values():
        for figures in group["figures"].values():
            assert list(figures) == ["hit@10", "ndcg@10", "recall@50", "auc", "coverage"]
            for estimate in figures.values():
                assert 0 <= estimate["low"] <= estimate["value"] <= estimate["high"] <= 1
        for by_rule in group["differences"]["ours"].values():
            assert set(by_rule) == {"hit@10", "ndcg@10", "recall@50", "auc"}
    assert f"all: {groups['all']['lists']:,} lists" in printed
    value = groups["all"]["figures"]["ours"]["ndcg@10"]["value"]
    assert f"NDCG@10 of ours: {value:.3f} [" in printed.splitlines()[-1]
    # Another run says the same.
    succeed(command(*flags, "--json", str(tmp_path / "b.json")))
    again = json.loads((tmp_path / "b.json").read_text())
    assert {**again, "seconds": 0} == {**report, "seconds": 0}


def test_a_stored_model_is_judged_as_it_is(
    populated: tuple[Command, Connection[Record]], run: Run, tmp_path: Path
) -> None:
    command, connection = populated
    store = "SELECT recommender.store_model($1, $2, $3, $4::jsonb, false)"
    weights = [-3, 1, 1, 0.5, 0.7, 2, 0.3, -0.2]
    for version, as_of in (("old", days(-300)), ("new", days(-1)), ("random", days(-99))):
        meta = json.dumps({"as_of": (AS_OF + as_of).isoformat()})
        run(connection.execute(store, version, list(FEATURE_NAMES), weights, meta))
    done = command(
        "--as-of", AS_OF.isoformat(), "--cutoff", CUTOFF.isoformat(),
        "--model", "old", "--model", "new", "--json", str(tmp_path / "a.json"),
    )  # fmt: skip
    succeed(done)
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1
    assert "model new was trained at 2026-02-28" in warnings[0]
    figures = json.loads((tmp_path / "a.json").read_text())["groups"]["all"]["figures"]
    assert figures["old"] == figures["new"]
    differences = json.loads((tmp_path / "a.json").read_text())["groups"]["all"]["differences"]
    assert list(differences["old"]) == ["new", *RULES]
    assert differences["old"]["new"]["ndcg@10"] == {"value": 0, "low": 0, "high": 0}
    done = command(
        "--as-of", AS_OF.isoformat(), "--cutoff", CUTOFF.isoformat(),
        "--model", "old", "--model", "random", "--model", "old", "--json", "/dev/full",
    )  # fmt: skip
    assert done.returncode == 1
    assert "  model random  " in done.stdout
    assert "error: /dev/full cannot be written: No space left on device" in done.stderr
    fail_with(command("--as-of", AS_OF.isoformat(), "--model", "none"), "there is no model 'none'")


def test_the_picture_is_drawn_and_the_same_each_time(
    populated: tuple[Command, Connection[Record]], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    command, _ = populated
    for name in ("a.svg", "b.svg"):
        succeed(
            command(
                "--as-of", AS_OF.isoformat(), "--cutoff", CUTOFF.isoformat(),
                "--picture", str(tmp_path / name),
            )
        )  # fmt: skip
    picture = (tmp_path / "a.svg").read_text()
    assert "NDCG@10" in picture
    assert "calibration" in picture
    assert picture == (tmp_path / "b.svg").read_text()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--cutoff", "soon"], "'soon' is not a timestamp"),
        (["--cutoff", "2017-05-08", "--cutoffs", "3"], "leave out --cutoffs"),
        (["--cutoffs", "0"], "'0' is not a whole number from 1"),
        (["--every", "0"], "'0' is not a number above 0"),
        (["--horizon", "nan"], "'nan' is not a number above 0"),
        (["--horizon", "1", "--lead-hours", "24"], "no event is between them"),
        (["--students", "0"], "'0' is not a whole number from 1"),
        (["--solver", "magic"], "invalid choice: 'magic'"),
        (["--l2", "-1"], "'-1' is not a number from 0"),
        (["--json", "/nowhere/at/all.json"], "is not a file in a folder that exists"),
        (["--picture", "."], "'.' is not a file"),
    ],
)
def test_wrong_flags_are_named(
    flags: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse_arguments(flags)
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_picture_without_matplotlib_is_refused_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="--picture needs matplotlib"):
        parse_arguments(["--picture", str(tmp_path / "a.svg")])


def test_every_part_of_a_recipe_has_a_flag() -> None:
    options = parse_arguments(["--l2", "0.5", "--seed", "7", "--negatives-per-positive", "2"])
    assert Recipe.of(vars(options)) == Recipe(l2=0.5, seed=7, negatives_per_positive=2)


def test_a_window_that_is_not_over_is_refused(command: Command) -> None:
    fail_with(
        command("--as-of", AS_OF.isoformat(), "--cutoff", "2026-02-20"),
        "the 14 days of the cutoff 2026-02-20 end at 2026-03-06, and what comes after "
        "2026-03-01 12:00:00 is not known",
        code=2,
    )
    fail_with(
        command("--as-of", AS_OF.isoformat(), "--cutoffs", "1000", "--every", "36500"),
        "the calendar does not reach to these cutoffs",
        code=2,
    )


def test_without_anything_to_judge_it_says_so(backtest: Backtest, command: Command) -> None:
    flags = ("--as-of", AS_OF.isoformat(), "--cutoff", CUTOFF.isoformat())
    world = World()
    backtest.run(world.write(backtest.connection))
    fail_with(command(*flags), "no event that was published by 2026-02-15 12:00 starts in the 14")
    student = world.student()
    event = world.event(world.organizer(), starts=IN_WINDOW)
    backtest.run(world.write(backtest.connection))
    fail_with(command(*flags), "nobody registered after 2026-02-15 12:00 for one of its 1 cand")
    world.register(student, event, at=days(-12))
    backtest.run(world.write(backtest.connection))
    fail_with(command(*flags), "at the cutoff 2026-02-15 12:00:00 there is nothing to learn from")
    world.register(student, world.event(1, starts=days(-30)), at=days(-40))
    world.event(1, starts=days(-30))
    backtest.run(world.write(backtest.connection))
    done = command("--as-of", AS_OF.isoformat(), "--cutoff", CUTOFF.isoformat(), "--cutoff",
                   (CUTOFF - days(50)).isoformat())  # fmt: skip
    printed = succeed(done)
    assert "warning: no event that was published by 2025-12-27 12:00" in done.stderr
    assert "all: 1 lists of 1 students" in printed


def test_a_database_without_the_recommender_is_told_so(empty_database_url: str) -> None:
    fail_with(Command(empty_database_url)(), "the recommender is not installed here")


@pytest.mark.parametrize(
    "arguments",
    [
        (AS_OF, hours(2), days(14), None, 1),
        (None, hours(2), days(14), None, 1),
        (CUTOFF, days(14), days(14), None, 1),
        (CUTOFF, -hours(1), days(14), None, 1),
        (CUTOFF, hours(2), days(14), 0, 1),
        (CUTOFF, hours(2), days(14), None, None),
    ],
)
def test_bounds_without_sense_are_refused(
    backtest: Backtest, arguments: tuple[object, ...]
) -> None:
    with pytest.raises(PostgresError) as raised:
        backtest.rows("SELECT * FROM recommender.backtest_prepare($1, $2, $3, $4, $5)", *arguments)
    assert raised.value.sqlstate == "ER003"


# Real data

REFERENCE = {
    # data/README.md, with the half-widths of its 95 % intervals: .009, discovery .019.
    ("random", "all"): (0.035, 0.012, 0.116),
    ("popularity", "all"): (0.195, 0.088, 0.431),
    ("same organizer", "all"): (0.797, 0.561, 0.848),
    ("random", "discovery"): (0.028, 0.011, None),
    ("popularity", "discovery"): (0.232, 0.103, None),
    ("same organizer", "discovery"): (0.231, 0.100, None),
}


@pytest.mark.dataset
def test_the_rules_reach_the_figures_of_the_reference(
    databases: Databases, run: Run, dataset_dir: Path, note: Callable[[str], None]
) -> None:
    first = datetime(2017, 5, 8, tzinfo=UTC)
    with databases.migrated() as url:
        connection = run(open_session(url, datetime(2017, 8, 1, tzinfo=UTC)))
        run(load_dataset(connection, dataset_dir))
        run(settle(connection))
        results = [
            run(evaluate_cutoff(connection, first + number * days(14), [])) for number in range(6)
        ]
        run(connection.close())
    counts = [result.candidate_count for result in results]
    assert (min(counts), max(counts)) == (373, 475)
    report = summarize(results, [], Protocol(), replicates=200)
    lists = {group: figures.lists for group, figures in report.groups.items()}
    assert lists == {"all": 9_082, "discovery": 2_427, "cold": 2_678}
    for (rule, group), expected in REFERENCE.items():
        figures = report.groups[group].figures[rule]
        half = 0.009 if group == "all" else 0.019
        for metric, value in zip(("hit@10", "ndcg@10", "recall@50"), expected, strict=True):
            found = figures[metric].value
            if value is not None:
                assert found == pytest.approx(value, abs=half), (rule, group, metric)
                note(f"{rule}, {group}, {metric}: {found:.3f}, reference {value:.3f}")
