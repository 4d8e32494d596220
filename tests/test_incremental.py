"""Rescoring what changed: the lists of a full rescore, and nobody else's written."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.locks import until_waiting
from tests.support.random_worlds import CATEGORIES, CITIES, STARTS, TAGS, worlds
from tests.support.worlds import AS_OF, World, days, hours, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.support.runner import Run

    Connection = asyncpg.Connection[asyncpg.Record]
    Open = Callable[[], Connection]
    Change = tuple[str, tuple[object, ...]]

TOLERANCE = 1e-9
TOP_N = 3
EVERYTHING = 1e9
"""A share that keeps a run from becoming one of all students."""
GATE = 4242

ROWS = """
SELECT r.user_id, r.rank, r.event_id, r.model_version, r.generated_at, r.reason, r.score
FROM user_recommendations AS r
ORDER BY r.user_id, r.rank
"""
HEADERS = """
SELECT l.user_id, l.model_version, l.generated_at, l.item_count, l.language, l.due_run_id
FROM recommendation_lists AS l
ORDER BY l.user_id
"""
NOTED = "SELECT n.* FROM recommendation_run_events AS n ORDER BY n.event_id"
# What a row is replaced by is another row.
VERSIONS = """
SELECT 'row', r.user_id, r.rank, r.xmin::text, r.ctid::text FROM user_recommendations AS r
UNION ALL
SELECT 'header', l.user_id, 0, l.xmin::text, l.ctid::text FROM recommendation_lists AS l
"""
LAST_RUN = "SELECT r.* FROM recommendation_runs AS r ORDER BY r.id DESC LIMIT 1"
WRITTEN = """
SELECT l.user_id FROM recommendation_lists AS l
WHERE l.run_id = (SELECT max(r.id) FROM recommendation_runs AS r)
ORDER BY l.user_id
"""


class Desk:
    """One database at AS_OF, and what is done to its lists."""

    def __init__(self, connection: Connection, run: Run) -> None:
        self.connection = connection
        self.run = run

    def write(self, world: World) -> None:
        self.run(world.write(self.connection))

    def execute(self, sql: str, *arguments: object) -> None:
        self.run(self.connection.execute(sql, *arguments))

    def value(self, sql: str, *arguments: object) -> Any:
        return self.run(self.connection.fetchval(sql, *arguments))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.run(self.connection.fetch(sql))]

    def versions(self, user_id: int | None = None) -> set[tuple[Any, ...]]:
        return {row for row in self.rows(VERSIONS) if user_id in {None, row[1]}}

    def written(self) -> list[int]:
        """The students whose lists the last run wrote."""
        return [row[0] for row in self.rows(WRITTEN)]

    def last_run(self) -> asyncpg.Record:
        row = self.run(self.connection.fetchrow(LAST_RUN))
        assert row is not None
        return row

    def score_all(self, top_n: int = TOP_N) -> None:
        self.execute("CALL recommender.score_all($1)", top_n)

    def rescore_changed(self) -> None:
        """Rescore what changed, however much that is."""
        run_id = self.value("SELECT (recommender._start_changed_run()).id")
        self.execute("SELECT recommender._refresh_for_run($1)", run_id)
        self.execute("SELECT recommender._mark_due($1, $2, $2)", run_id, EVERYTHING)
        self.execute("CALL recommender._pass_run($1, false)", run_id)

    def stand_at(self, moment: object) -> None:
        self.execute("SELECT set_config('recommender.as_of', $1, false)", str(moment))


@pytest.fixture(scope="module")
def module_desk(database_url: str, run: Run) -> Iterator[Desk]:
    connection = run(open_session(database_url))
    yield Desk(connection, run)
    run(connection.close())


@pytest.fixture
def desk(module_desk: Desk) -> Desk:
    module_desk.stand_at(AS_OF.isoformat())
    return module_desk


@pytest.fixture
def opened(database_url: str, run: Run) -> Iterator[Open]:
    """Open sessions at AS_OF that end with the test."""
    connections: list[Connection] = []

    def open_one() -> Connection:
        connections.append(run(open_session(database_url)))
        return connections[-1]

    yield open_one
    for connection in connections:
        run(connection.close(timeout=10))


def assert_same_rows(ours: Sequence[tuple[Any, ...]], full: Sequence[tuple[Any, ...]]) -> None:
    assert [row[:-1] for row in ours] == [row[:-1] for row in full]
    assert [row[-1] for row in ours] == pytest.approx([row[-1] for row in full], abs=TOLERANCE)


def assert_as_full(desk: Desk, top_n: int = TOP_N) -> None:
    """See that the lists are those of a full rescore at this moment."""
    rows, headers = desk.rows(ROWS), desk.rows(HEADERS)
    desk.score_all(top_n)
    assert_same_rows(rows, desk.rows(ROWS))
    assert headers == desk.rows(HEADERS)


# Random changes to random worlds

NEW = 1000
"""Ids from here on are of what came after the full run."""
ONE_EVENT = st.integers(1, 14)
ONE_STUDENT = st.integers(1, 8)
PAST = st.sampled_from([AS_OF + days(-3), AS_OF + hours(-1), AS_OF])


def changed(sql: str, *values: st.SearchStrategy[Any]) -> st.SearchStrategy[Change]:
    return st.tuples(st.just(sql), st.tuples(*values))


TAG = st.sampled_from(TAGS)
STUDENTS_CHANGES = (
    changed(
        "INSERT INTO user_interest_tags SELECT u.id, t.id FROM users AS u, tags AS t"
        " WHERE u.id = $1 AND t.name = $2 ON CONFLICT DO NOTHING",
        ONE_STUDENT,
        TAG,
    ),
    changed("DELETE FROM user_interest_tags WHERE user_id = $1", ONE_STUDENT),
    changed("UPDATE users SET city = $2 WHERE id = $1", ONE_STUDENT, st.sampled_from(CITIES)),
    changed(
        "UPDATE users SET language_preference = $2 WHERE id = $1",
        ONE_STUDENT,
        st.sampled_from(["en", "ro", "de", "system"]),
    ),
    changed(
        "UPDATE users SET role = $2 WHERE id = $1",
        ONE_STUDENT,
        st.sampled_from(["student", "organizer"]),
    ),
    changed(
        "INSERT INTO favorite_events (user_id, event_id, created_at)"
        " SELECT u.id, e.id, $3 FROM users AS u, events AS e WHERE u.id = $1 AND e.id = $2",
        ONE_STUDENT,
        ONE_EVENT,
        PAST,
    ),
    changed("DELETE FROM favorite_events WHERE user_id = $1", ONE_STUDENT),
    changed(
        "INSERT INTO registrations (user_id, event_id, registration_time)"
        " SELECT u.id, e.id, $3 FROM users AS u, events AS e WHERE u.id = $1 AND e.id = $2",
        ONE_STUDENT,
        ONE_EVENT,
        PAST,
    ),
    changed(
        "UPDATE registrations SET deleted_at = $3 WHERE user_id = $1 OR event_id = $2",
        ONE_STUDENT,
        ONE_EVENT,
        PAST,
    ),
    changed("DELETE FROM registrations WHERE event_id = $1", ONE_EVENT),
    changed(
        "INSERT INTO event_interactions (id, user_id, event_id, interaction_type, occurred_at)"
        " SELECT 5000 + (SELECT count(*) FROM event_interactions), u.id, e.id, $3, $4"
        " FROM users AS u, events AS e WHERE u.id = $1 AND e.id = $2",
        ONE_STUDENT,
        ONE_EVENT,
        st.sampled_from(["click", "view", "unregister", "impression"]),
        PAST,
    ),
    changed(
        "INSERT INTO user_implicit_interest_tags (user_id, tag_id, score, last_seen_at)"
        " SELECT u.id, t.id, $3, $4 FROM users AS u, tags AS t WHERE u.id = $1 AND t.name = $2"
        " ON CONFLICT (user_id, tag_id) DO UPDATE SET score = excluded.score",
        ONE_STUDENT,
        TAG,
        st.sampled_from([0.0, 2.5, 9.0]),
        PAST,
    ),
    changed("DELETE FROM user_implicit_interest_cities WHERE user_id = $1", ONE_STUDENT),
    changed(
        "INSERT INTO users (id, email, role, city, language_preference)"
        " SELECT n, n || '@example.org', 'student', $1, 'en'"
        " FROM (SELECT 1000 + count(*) AS n FROM users) AS c",
        st.sampled_from(CITIES),
    ),
    changed("DELETE FROM users WHERE id = $1 AND role = 'student'", ONE_STUDENT),
    changed(
        "SELECT recommender.score_user(s.user_id, 2) FROM recommender.source_students AS s"
        " WHERE s.user_id = $1",
        ONE_STUDENT,
    ),
)
EVENTS_CHANGES = (
    changed("DELETE FROM event_tags WHERE event_id = $1", ONE_EVENT),
    changed(
        "INSERT INTO event_tags SELECT e.id, t.id FROM events AS e, tags AS t"
        " WHERE e.id = $1 AND t.name = $2 ON CONFLICT DO NOTHING",
        ONE_EVENT,
        TAG,
    ),
    changed("UPDATE events SET city = $2 WHERE id = $1", ONE_EVENT, st.sampled_from(CITIES)),
    changed(
        "UPDATE events SET category = $2 WHERE id = $1", ONE_EVENT, st.sampled_from(CATEGORIES)
    ),
    changed(
        "UPDATE events SET owner_id = (SELECT max(id) FROM users WHERE role = 'organizer')"
        " WHERE id = $1",
        ONE_EVENT,
    ),
    changed(
        "UPDATE events SET start_time = $2 WHERE id = $1",
        ONE_EVENT,
        st.sampled_from([AS_OF + start for start in [*STARTS, days(30)]]),
    ),
    changed(
        "UPDATE events SET max_seats = $2 WHERE id = $1",
        ONE_EVENT,
        st.sampled_from([None, 0, 1, 2]),
    ),
    changed(
        "UPDATE events SET status = $2 WHERE id = $1",
        ONE_EVENT,
        st.sampled_from(["draft", "published"]),
    ),
    changed(
        "UPDATE events SET deleted_at = $2 WHERE id = $1",
        ONE_EVENT,
        st.sampled_from([None, AS_OF + days(-1)]),
    ),
    changed("DELETE FROM events WHERE id = $1", ONE_EVENT),
    changed("UPDATE tags SET name = name || $2 WHERE id = $1", st.integers(1, 4), st.just("x")),
    changed(
        "INSERT INTO events (id, owner_id, start_time, city, category, publish_at)"
        " SELECT n, (SELECT min(id) FROM users WHERE role = 'organizer'), $1, $2, $3, $4"
        " FROM (SELECT 1000 + count(*) AS n FROM events) AS c",
        st.sampled_from([AS_OF + days(10), AS_OF + days(60)]),
        st.sampled_from(CITIES),
        st.sampled_from(CATEGORIES),
        PAST,
    ),
)
CHANGES = st.lists(st.one_of(*STUDENTS_CHANGES, *EVENTS_CHANGES), max_size=4)


def tied_world() -> World:
    """Many events that tie at the end of the list, and students who are alike."""
    world = World()
    club = world.organizer()
    for number in range(10):
        world.event(club, tags=["rock"] if number % 2 else [], city="Cluj")
    for _ in range(4):
        world.student(city="Cluj", interests=["rock"])
    world.student()
    world.model(0, 1, 1, 1, 0, 0, 0, 0)
    return world


KEPT = {"students": 0, "all": 0}
"""How many of the property's students were left alone."""


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(world=worlds(), first=CHANGES, then=CHANGES, top_n=st.sampled_from([1, 2, 3, 5, 50]))
@example(
    world=tied_world(),
    # It ties with the last of the list, before and behind it.
    first=[("UPDATE events SET start_time = start_time + interval '1 day' WHERE id = 9", ())],
    then=[("UPDATE events SET start_time = start_time + interval '1 day' WHERE id = 2", ())],
    top_n=3,
)
def test_the_lists_are_those_of_a_full_rescore_whatever_changed(
    module_desk: Desk, world: World, first: list[Change], then: list[Change], top_n: int
) -> None:
    desk = module_desk
    desk.stand_at(AS_OF.isoformat())
    desk.write(world)
    desk.score_all(top_n)
    noted = desk.rows(NOTED)
    for changes in (first, then):
        for sql, arguments in changes:
            desk.execute(sql, *arguments)
        before = desk.versions()
        desk.rescore_changed()
        assert not desk.last_run()["is_full"]
        assert desk.last_run()["finished_at"] is not None
        written = set(desk.written())
        students = {row[0] for row in desk.rows(HEADERS)}
        kept = students - written
        assert {row for row in before if row[1] in kept} == {
            row for row in desk.versions() if row[1] in kept
        }
        KEPT["students"] += len(kept)
        KEPT["all"] += len(students)
    if not first and not then:
        assert desk.rows(NOTED) == noted
    rows, headers, noted = desk.rows(ROWS), desk.rows(HEADERS), desk.rows(NOTED)
    desk.score_all(top_n)
    assert_same_rows(rows, desk.rows(ROWS))
    assert headers == desk.rows(HEADERS)
    assert noted == desk.rows(NOTED)


def test_that_property_left_students_alone() -> None:
    # Rescoring everybody would pass the property as well.
    assert KEPT["students"] > 0.3 * KEPT["all"]
