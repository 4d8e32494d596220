"""One student's list from the twins equals the definition, and what happened since is in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.random_worlds import worlds
from tests.support.worlds import AS_OF, MICROSECOND, World, days, hours, open_session
from tests.test_exactness import (
    crowded_world,
    empty_world,
    equal_world,
    full_diary_world,
    opposed_world,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from asyncpg import Connection, Record

    from tests.support.runner import Run

    Ranked = dict[int, float]

TOLERANCE = 1e-9
ALL = 10_000

# One student's list, straight from the definition.
DEFINITION = """
SELECT
    s.event_id,
    s.logit
FROM (
    SELECT
        f.event_id,
        f.bias * m.weights[1]
        + f.overlap_interest_ratio * m.weights[2]
        + f.overlap_history_ratio * m.weights[3]
        + f.same_city * m.weights[4]
        + f.category_match * m.weights[5]
        + f.organizer_match * m.weights[6]
        + f.popularity * m.weights[7]
        + f.days_until * m.weights[8] AS logit
    FROM recommender.user_event_features AS f
    INNER JOIN recommender.eligible_events AS e ON e.event_id = f.event_id
    CROSS JOIN public.recommender_models AS m
    WHERE f.user_id = $1 AND NOT EXISTS (
        SELECT FROM recommender.source_registrations AS r
        WHERE r.user_id = f.user_id AND r.event_id = f.event_id
    )
) AS s
ORDER BY recommender.sort_key(s.logit) DESC, s.event_id
LIMIT $2
"""

TWIN_DIFFERENCES = """
SELECT v.*, t.*
FROM (
    SELECT x.event_id, x.feature, x.attribute, x.value
    FROM (
        SELECT a.event_id, a.feature, a.attribute, a.value FROM recommender.event_attributes AS a
        UNION ALL
        SELECT f.event_id, 'popularity', '', f.popularity FROM recommender.event_features AS f
    ) AS x
    INNER JOIN recommender.source_events AS e ON e.event_id = x.event_id
    WHERE e.is_published AND e.is_known AND e.start_time >= recommender.as_of()
) AS v
FULL OUTER JOIN recommender.upcoming_attributes_snapshot AS t
    ON t.event_id = v.event_id AND t.feature = v.feature AND t.attribute = v.attribute
WHERE (abs(v.value - t.value) <= 1e-9) IS NOT TRUE
"""

REGISTER = (
    "INSERT INTO registrations (user_id, event_id, registration_time)"
    " VALUES ($1, $2, recommender.as_of())"
)
CLICK = (
    "INSERT INTO event_interactions (id, user_id, event_id, interaction_type, occurred_at)"
    " SELECT coalesce(max(i.id), 0) + 1, $1, $2, 'click', recommender.as_of()"
    " FROM event_interactions AS i"
)
TAG = (
    "INSERT INTO event_tags (event_id, tag_id) SELECT $1, t.id FROM tags AS t WHERE t.name = $2"
    " ON CONFLICT DO NOTHING"
)
ADD = (
    "INSERT INTO events (id, owner_id, category, city, start_time, created_at)"
    " SELECT (SELECT max(n.id) + 1 FROM events AS n), e.owner_id, 'games', 'Cluj', $2, e.created_at"
    " FROM events AS e WHERE e.id = $1"
    " RETURNING id"
)


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-700.0, min(700.0, logit))))


class Session:
    """One database at one moment at a time."""

    def __init__(self, connection: Connection[Record], run: Run) -> None:
        self._connection = connection
        self._run = run

    def fill(self, world: World) -> None:
        self.stand_at(AS_OF)
        self._run(world.write(self._connection))

    def stand_at(self, moment: datetime) -> None:
        self.do("SELECT set_config('recommender.as_of', $1, false)", moment.isoformat())

    def refresh(self) -> None:
        self.do("SELECT recommender.refresh_features()")

    def do(self, sql: str, *arguments: object) -> None:
        self._run(self._connection.execute(sql, *arguments))

    def value(self, sql: str, *arguments: object) -> object:
        return self._run(self._connection.fetchval(sql, *arguments))

    def fetch(self, sql: str, *arguments: object) -> list[Record]:
        return self._run(self._connection.fetch(sql, *arguments))

    def students(self) -> list[int]:
        rows = self.fetch("SELECT s.user_id FROM recommender.source_students AS s ORDER BY 1")
        return [row["user_id"] for row in rows]

    def define(self, student: int, top_n: int = ALL) -> Ranked:
        rows = self.fetch(DEFINITION, student, top_n)
        return {row["event_id"]: sigmoid(row["logit"]) for row in rows}

    def rank(self, student: int, top_n: int = ALL) -> list[Record]:
        ranked = self.fetch("SELECT * FROM recommender.rank_events($1, $2)", student, top_n)
        assert [row["rank"] for row in ranked] == list(range(1, len(ranked) + 1))
        return ranked

    def scores(self, student: int) -> Ranked:
        return {row["event_id"]: row["score"] for row in self.rank(student)}

    def assert_is_defined(self, student: int, top_n: int = ALL) -> list[Record]:
        """Compare a list with its definition; give it."""
        expected, ranked = self.define(student, top_n), self.rank(student, top_n)
        assert [row["event_id"] for row in ranked] == list(expected)
        for row in ranked:
            assert row["score"] == pytest.approx(expected[row["event_id"]], abs=TOLERANCE)
        return ranked


@pytest.fixture(scope="module")
def connection(database_url: str, run: Run) -> Iterator[Connection[Record]]:
    connection = run(open_session(database_url))
    yield connection
    run(connection.close())


@pytest.fixture(scope="module")
def session(connection: Connection[Record], run: Run) -> Session:
    return Session(connection, run)


def random_world(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


# Nothing changed since


@random_world(40)
@given(world=worlds(), top_n=st.sampled_from([1, 2, 3, 50, ALL]))
@example(world=crowded_world(), top_n=50)
@example(world=equal_world(), top_n=5)
@example(world=full_diary_world(), top_n=3)
@example(world=empty_world(), top_n=50)
@example(world=opposed_world(), top_n=4)
def test_lists_from_fresh_twins_equal_the_definition_with_the_same_reasons(
    session: Session, world: World, top_n: int
) -> None:
    session.fill(world)
    without_twins = {student: session.rank(student, top_n) for student in session.students()}
    session.refresh()
    assert session.fetch(TWIN_DIFFERENCES) == []
    for student, expected in without_twins.items():
        ranked = session.assert_is_defined(student, top_n)
        assert [row["reason"] for row in ranked] == [row["reason"] for row in expected]


@random_world(10)
@given(world=worlds(), minutes=st.sampled_from([1, 9, 10]))
def test_a_moment_that_moved_on_still_gives_the_definition_of_that_moment(
    session: Session, world: World, minutes: int
) -> None:
    # Nobody registers, and nothing is published, in these minutes.
    for row in world.rows.get("events", ()):
        row["deleted_at"] = None
    world.rows.pop("registrations", None)
    session.fill(world)
    session.refresh()
    session.stand_at(AS_OF + hours(minutes / 60))
    for student in session.students():
        session.assert_is_defined(student)


def test_the_helper_of_days_until_equals_it_to_the_last_bit(session: Session) -> None:
    different = """
    SELECT m.start_time, m.as_of
    FROM (
        SELECT
            '2026-03-01 12:00+00'::timestamptz + (n * n * 7919.123457) * interval '1 second',
            '2026-03-01 12:00+00'::timestamptz + (n * 104729.654321) * interval '1 second'
        FROM generate_series(-300, 300) AS n
        UNION ALL VALUES (NULL, now()), (now(), now())
    ) AS m (start_time, as_of)
    WHERE recommender._days_until_epoch(
        date_part('epoch', m.start_time), date_part('epoch', m.as_of)
    ) IS DISTINCT FROM recommender.days_until(m.start_time, m.as_of)
    """
    assert session.fetch(different) == []


# What happened since

STUDENT, OTHER = 2, 3
PLAIN, ROCK, FULL, DRAFT, PAST = 1, 2, 3, 4, 5


def changing_world() -> World:
    world = World()
    club = world.organizer()
    student = world.student(city="Cluj", interests=["rock"])
    other = world.student()
    assert (student, other) == (STUDENT, OTHER)
    world.event(club, max_seats=1)
    world.event(club, tags=["rock", "jazz"], max_seats=1)
    full = world.event(club, tags=["rock"], max_seats=1)
    world.event(club, tags=["rock"], status="draft")
    world.event(club, tags=["rock"], starts=days(-5))
    world.register(other, full)
    world.model(0, 2, 1, 1, 1, 1, 0.5, -0.5)
    return world


@pytest.fixture
def changed(session: Session) -> Session:
    """A session whose twins are as old as the moment, before anything changes."""
    session.fill(changing_world())
    session.refresh()
    assert list(session.scores(STUDENT)) == [ROCK, PLAIN]
    return session


def test_an_event_added_since_counts_with_its_attributes_and_seats(changed: Session) -> None:
    event = changed.value(ADD, PLAIN, AS_OF + days(3))
    changed.do(TAG, event, "rock")
    changed.do(REGISTER, OTHER, event)
    (first, *_) = changed.assert_is_defined(STUDENT)
    assert (first["event_id"], first["reason"]) == (event, "Your interests: rock")


def test_events_published_and_postponed_since_count_with_their_attributes(
    changed: Session,
) -> None:
    changed.do("UPDATE events SET status = 'published' WHERE id = $1", DRAFT)
    changed.do("UPDATE events SET start_time = $2 WHERE id = $1", PAST, AS_OF + days(8))
    changed.assert_is_defined(STUDENT)
    assert set(changed.scores(STUDENT)) == {PLAIN, ROCK, DRAFT, PAST}


def test_an_event_that_filled_up_since_is_left_out_and_one_with_room_again_is_not(
    changed: Session,
) -> None:
    changed.do(REGISTER, OTHER, ROCK)
    changed.do("DELETE FROM registrations WHERE event_id = $1", FULL)
    assert list(changed.scores(STUDENT)) == list(changed.define(STUDENT)) == [FULL, PLAIN]
    assert [row["event_id"] for row in changed.rank(STUDENT, 1)] == [FULL]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET deleted_at = recommender.as_of() WHERE id = $1",
        "DELETE FROM events WHERE id = $1",
        "UPDATE events SET status = 'draft' WHERE id = $1",
        "UPDATE events SET start_time = recommender.as_of() - interval '1 second' WHERE id = $1",
        "UPDATE events SET publish_at = recommender.as_of() + interval '1 day' WHERE id = $1",
        "UPDATE events SET max_seats = 0 WHERE id = $1",
    ],
)
def test_an_event_that_may_no_longer_be_shown_is_left_out(change: str, changed: Session) -> None:
    changed.do(change, ROCK)
    assert [row["event_id"] for row in changed.assert_is_defined(STUDENT)] == [PLAIN]


def test_an_event_that_began_since_is_left_out(changed: Session) -> None:
    changed.do("UPDATE events SET start_time = $2 WHERE id = $1", ROCK, AS_OF + MICROSECOND)
    changed.refresh()
    assert ROCK in changed.scores(STUDENT)
    changed.stand_at(AS_OF + 2 * MICROSECOND)
    assert list(changed.scores(STUDENT)) == [PLAIN]


def test_what_the_student_did_since_counts_at_once(changed: Session) -> None:
    changed.do(CLICK, STUDENT, PLAIN)
    changed.do("INSERT INTO user_interest_tags (user_id, tag_id) SELECT $1, 2", STUDENT)
    changed.assert_is_defined(STUDENT)
    changed.do(REGISTER, STUDENT, ROCK)
    assert list(changed.scores(STUDENT)) == [PLAIN]


def test_tags_of_an_edited_event_count_from_the_next_refresh_on(changed: Session) -> None:
    before = changed.scores(STUDENT)
    changed.do(TAG, PLAIN, "rock")
    assert changed.scores(STUDENT) == before
    changed.refresh()
    changed.assert_is_defined(STUDENT)
    assert changed.scores(STUDENT) != before


@random_world(30)
@given(world=worlds(), data=st.data())
def test_after_any_changes_the_same_events_are_listed_and_new_ones_by_definition(
    session: Session, world: World, data: st.DataObject
) -> None:
    session.fill(world)
    session.refresh()
    events = [row["id"] for row in world.rows.get("events", ())]
    students = session.students()
    touched: set[object] = set()
    for _ in range(data.draw(st.integers(1, 4)) if events else 0):
        event, student = data.draw(st.sampled_from(events)), data.draw(st.sampled_from(students))
        match data.draw(st.sampled_from(["add", "publish", "hide", "seats", "register", "click"])):
            case "add":
                new = session.value(ADD, event, AS_OF + days(3))
                session.do(TAG, new, "rock")
            case "publish":
                session.do("UPDATE events SET status = 'published' WHERE id = $1", event)
            case "hide":
                session.do("UPDATE events SET status = 'draft' WHERE id = $1", event)
            case "seats":
                session.do("UPDATE events SET max_seats = 1 WHERE id = $1", event)
            case "register":
                session.do(REGISTER, student, event)
                touched.add(event)
            case "click":
                session.do(CLICK, student, event)
    for student in students:
        expected, scores = session.define(student), session.scores(student)
        assert scores.keys() == expected.keys()
        # Only the popularity of events somebody registered for may be that of the twin.
        known = [event for event in expected if event not in touched]
        assert [event for event in scores if event not in touched] == known
        for event in known:
            assert scores[event] == pytest.approx(expected[event], abs=TOLERANCE)


# Twins that are not fresh


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM recommender_snapshot",
        "UPDATE recommender_snapshot SET upcoming_as_of = upcoming_as_of + interval '1 us'",
        "UPDATE recommender_snapshot SET upcoming_as_of = upcoming_as_of - interval '601 s'",
        "UPDATE recommender_snapshot SET upcoming_refreshed_at = now() - interval '11 minutes'",
    ],
    ids=["absent", "of a later moment", "of an earlier moment", "built long ago"],
)
def test_twins_that_are_not_fresh_are_not_read(change: str, changed: Session) -> None:
    before = changed.scores(STUDENT)
    changed.do(TAG, PLAIN, "rock")
    changed.do(change)
    changed.assert_is_defined(STUDENT)
    assert changed.scores(STUDENT) != before


def test_a_student_without_anything_has_the_events_by_their_base(changed: Session) -> None:
    ranked = changed.assert_is_defined(OTHER)
    assert {row["reason"] for row in ranked} == {"Recommended for you"}
