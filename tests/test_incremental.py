"""Rescoring what changed: the lists of a full rescore, and nobody else's written."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.locks import until_waiting
from tests.support.random_worlds import (
    CATEGORIES,
    CITIES,
    STARTS,
    TAGS,
    attended_worlds,
    worlds,
)
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
WITHOUT_POPULARITY = "UPDATE recommender_models SET weights[7] = 0"
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
def desk(module_desk: Desk) -> Iterator[Desk]:
    module_desk.stand_at(AS_OF.isoformat())
    yield module_desk
    module_desk.execute("TRUNCATE recommender_settings")


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
CHANGES = st.lists(
    st.one_of(st.one_of(*STUDENTS_CHANGES), st.one_of(*EVENTS_CHANGES), st.one_of(*EVENTS_CHANGES)),
    max_size=4,
)


@st.composite
def crowds(draw: st.DrawFn) -> World:
    """Lists that are full, and end with different events: what changes concerns some of them."""
    world = World()
    clubs = [world.organizer(), world.organizer()]
    some = st.sampled_from
    for _ in range(12):
        world.event(
            draw(some(clubs)),
            tags=draw(st.lists(some(TAGS[2:5]), max_size=2, unique=True)),
            category=draw(some([None, "Music", "games"])),
            city=draw(some([None, "Cluj", "Iași"])),
            starts=draw(some([days(10), days(10), days(20), days(60)])),
            max_seats=draw(some([None, None, 1])),
        )
    for _ in range(6):
        student = world.student(
            city=draw(some([None, "Cluj", "Iași"])),
            language=draw(some(["en", "ro"])),
            interests=draw(st.lists(some(TAGS[2:5]), max_size=2, unique=True)),
        )
        if draw(st.booleans()):
            world.register(student, draw(st.integers(1, 12)))
    weights = some([0.0, 1.0, 0.25, -0.7, 3.0])
    world.model(*(draw(weights) for _ in range(8)))
    return world


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
@given(
    world=st.one_of(crowds(), crowds(), worlds()),
    first=CHANGES,
    then=CHANGES,
    top_n=st.sampled_from([1, 2, 3, 50]),
)
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
    check_changes(module_desk, world, (first, then), top_n)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    world=attended_worlds(st.one_of(crowds(), crowds(), worlds())),
    first=CHANGES,
    then=CHANGES,
    top_n=st.sampled_from([1, 2, 3, 50]),
)
def test_the_same_holds_for_extended_features(
    module_desk: Desk, world: World, first: list[Change], then: list[Change], top_n: int
) -> None:
    check_changes(module_desk, world, (first, then), top_n)


def check_changes(desk: Desk, world: World, rounds: Sequence[list[Change]], top_n: int) -> None:
    desk.stand_at(AS_OF.isoformat())
    desk.write(world)
    desk.score_all(top_n)
    noted = desk.rows(NOTED)
    for changes in rounds:
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
    if not any(rounds):
        assert desk.rows(NOTED) == noted
    rows, headers, noted = desk.rows(ROWS), desk.rows(HEADERS), desk.rows(NOTED)
    desk.score_all(top_n)
    assert_same_rows(rows, desk.rows(ROWS))
    assert headers == desk.rows(HEADERS)
    # Seats without a weight of their popularity change nothing, and are not noted anew.
    assert [row[:-1] for row in noted] == [row[:-1] for row in desk.rows(NOTED)]


def test_that_property_left_students_alone() -> None:
    # Rescoring everybody would pass the property as well.
    assert KEPT["students"] > 0.3 * KEPT["all"]


# Who is written

CLUB, ROCK, JAZZ = 1, [2, 3, 4, 5], [6, 7, 8, 9]
EVERYBODY = [*ROCK, *JAZZ]
CHANGED = "CALL recommender.rescore_changed()"


def two_crowds() -> World:
    """Lists of rock fans are events 1 to 3, those of jazz fans 5 to 7; 9 and 10 are in none."""
    world = World()
    club = world.organizer()
    for tag in ("rock", "jazz"):
        for _ in range(4):
            world.student(interests=[tag])
    for tags in (["rock"], ["jazz"], []):
        for _ in range(4 if tags else 2):
            world.event(club, tags=tags)
    world.model(0, 2, 0, 0, 0, 0, 1, -1, version="m1")
    world.model(0, 1, 0, 0, 0, 0, 1, 1, version="m2", is_active=False)
    return world


NEW_EVENT = (
    "WITH made AS (INSERT INTO events (id, owner_id, start_time, publish_at) VALUES"
    " (50, 1, '2026-03-11 12:00+00', '2026-02-01') RETURNING id)"
    " INSERT INTO event_tags SELECT m.id, t.id FROM made AS m, tags AS t WHERE t.name = ANY ({})"
)
REGISTER = (
    "INSERT INTO registrations (user_id, event_id, registration_time) VALUES ({}, {}, '2026-02-20')"
)


@pytest.mark.parametrize(
    ("change", "written"),
    [
        ("SELECT 1", []),
        ("UPDATE users SET full_name = 'x'; UPDATE events SET title = 'x'", []),
        ("INSERT INTO user_hidden_tags VALUES (2, 1)", []),
        ("UPDATE users SET city = 'Cluj' WHERE id = 4", [4]),
        ("UPDATE users SET language_preference = 'ro' WHERE id IN (4, 7)", [4, 7]),
        ("DELETE FROM user_interest_tags WHERE user_id = 2", [2]),
        ("SELECT recommender.score_user(3, 3)", [3]),
        ("UPDATE users SET role = 'student' WHERE id = 1", [1]),
        (REGISTER.format(3, 9), [3]),
        # It makes an event of their lists more popular.
        (REGISTER.format(3, 2), ROCK),
        ("UPDATE events SET city = 'Cluj' WHERE id = 9", []),
        ("UPDATE events SET status = 'draft' WHERE id = 9", []),
        ("UPDATE events SET status = 'draft' WHERE id = 2", ROCK),
        ("UPDATE events SET max_seats = 0 WHERE id = 7", JAZZ),
        ("DELETE FROM events WHERE id = 5", JAZZ),
        ("UPDATE events SET start_time = '2026-03-05' WHERE id = 9", []),
        ("INSERT INTO event_tags SELECT 10, id FROM tags WHERE name = 'jazz'", JAZZ),
        # It takes half of the tag's value.
        ("INSERT INTO event_tags SELECT 4, id FROM tags WHERE name = 'jazz'", []),
        (NEW_EVENT.format("'{}'"), []),
        (NEW_EVENT.format("'{rock}'"), ROCK),
    ],
)
def test_only_those_are_written_whom_it_concerns(
    desk: Desk, change: str, written: list[int]
) -> None:
    desk.write(two_crowds())
    desk.score_all()
    desk.execute(change)
    before, rows = desk.versions(), desk.rows(ROWS)
    desk.execute(CHANGED)
    assert desk.written() == written
    run = desk.last_run()
    assert (run["is_full"], run["due_count"]) == (False, len(written))
    untouched = {version for version in before if version[1] not in written}
    assert untouched <= desk.versions()
    if not written:
        assert desk.versions() == before
        assert desk.rows(ROWS) == rows
    assert_as_full(desk)


def test_by_its_base_alone_an_event_may_enter_any_list(desk: Desk) -> None:
    world = two_crowds()
    for number in range(300):
        guest = world.organizer()
        if number < 250:
            world.register(guest, 9)
    world.rows["recommender_models"][0]["weights"] = [0, 0.5, 0, 0, 0, 0, 1, -1]
    world.rows["events"][8]["status"] = "draft"
    desk.write(world)
    desk.score_all()
    desk.execute("UPDATE events SET status = 'published' WHERE id = 9")
    desk.rescore_changed()
    assert desk.written() == EVERYBODY
    assert_as_full(desk)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET city = 'Cluj' WHERE id IN (9, 10)",
        "UPDATE users SET city = 'Cluj' WHERE id IN (2, 3, 4, 6, 7)",
        "SELECT recommender.activate_model('m2')",
        "UPDATE recommender_models SET weights[2] = 3 WHERE model_version = 'm1'",
        (
            "INSERT INTO recommender_settings (name, value)"
            " VALUES ('recommendations_online_learning_decay_half_life_hours', '24')"
        ),
        "UPDATE recommendation_reasons SET template = 'For you' WHERE kind = 'generic'",
        "UPDATE recommendation_runs SET finished_at = NULL",
        "DELETE FROM recommendation_runs",
    ],
)
def test_everybody_is_rescored_where_too_much_changed(desk: Desk, run: Run, change: str) -> None:
    desk.write(two_crowds())
    desk.score_all()
    try:
        desk.execute(change)
        if "DELETE" in change:
            desk.execute("CALL recommender.rescore_changed(p_top_n => 3)")
        else:
            desk.execute(CHANGED)
        assert desk.last_run()["is_full"]
        assert desk.written() == EVERYBODY
        assert_as_full(desk)
        desk.execute(CHANGED)
        assert desk.written() == []
    finally:
        desk.execute(
            "UPDATE recommendation_reasons SET template = 'Recommended for you'"
            " WHERE language = 'en' AND kind = 'generic'"
        )
        desk.execute(
            "UPDATE recommendation_reasons SET template = 'Recomandat pentru tine'"
            " WHERE language = 'ro' AND kind = 'generic'"
        )


def test_lists_keep_the_length_of_the_last_run_of_all_unless_another_is_given(desk: Desk) -> None:
    desk.write(two_crowds())
    desk.score_all(4)
    desk.execute("SELECT recommender.score_user(2, 2)")
    desk.execute(CHANGED)
    assert desk.written() == [2]
    assert_as_full(desk, 4)
    desk.execute("CALL recommender.score_all(2, p_user_ids => ARRAY[3])")
    desk.execute(CHANGED)
    assert desk.written() == [3]
    desk.execute("CALL recommender.rescore_changed(p_top_n => 5)")
    assert desk.written() == EVERYBODY


def test_given_students_are_written_and_nobody_else(desk: Desk) -> None:
    desk.write(two_crowds())
    desk.score_all()
    desk.execute("UPDATE users SET city = 'Cluj' WHERE id IN (2, 3)")
    before = desk.versions()
    # 1 is no student, 999 is nobody.
    desk.execute("CALL recommender.score_all(3, p_user_ids => ARRAY[1, 3, 7, 999, 3])")
    assert desk.written() == [3, 7]
    assert (desk.last_run()["is_full"], desk.last_run()["due_count"]) == (False, 2)
    assert {row for row in before if row[1] not in {3, 7}} <= desk.versions()
    desk.execute(CHANGED)
    assert desk.written() == [2]
    assert_as_full(desk)


def test_given_students_are_written_from_the_twins_that_are_there(desk: Desk) -> None:
    desk.write(two_crowds())
    desk.score_all()
    desk.execute("DELETE FROM user_interest_tags")
    desk.execute("CALL recommender.score_all(3, p_user_ids => ARRAY[2], p_refresh => false)")
    assert desk.value("SELECT array_agg(event_id) FROM user_recommendations WHERE user_id = 2") == [
        1,
        2,
        3,
    ]
    assert desk.value("SELECT reason FROM user_recommendations WHERE user_id = 2 LIMIT 1") == (
        "Your interests: rock"
    )
    desk.rescore_changed()
    assert_as_full(desk)


# What happens meanwhile


def test_what_a_preparation_finds_otherwise_is_looked_at_again(desk: Desk) -> None:
    desk.write(two_crowds())
    desk.score_all()
    desk.execute("UPDATE users SET city = 'Cluj' WHERE id = 2")
    run_id = desk.value("SELECT (recommender._start_changed_run()).id")
    desk.execute("SELECT recommender._refresh_for_run($1)", run_id)
    assert desk.value("SELECT recommender._mark_due($1)", run_id) == 1
    desk.execute("UPDATE events SET status = 'draft' WHERE id = 1")
    desk.execute("CALL recommender._pass_run($1, false)", run_id)
    assert desk.value("SELECT min(event_id) FROM user_recommendations WHERE user_id = 2") == 2
    # As it was when it was noted: only the note says that one list knows it otherwise.
    desk.execute("UPDATE events SET status = 'published' WHERE id = 1")
    desk.execute(CHANGED)
    assert desk.written() == ROCK
    assert_as_full(desk)


def test_an_event_that_changed_while_a_run_of_all_was_interrupted_is_looked_at_again(
    desk: Desk,
) -> None:
    desk.write(two_crowds())
    run_id = desk.value("SELECT (recommender.start_run(3)).id")
    desk.execute("SELECT recommender.prepare_run($1)", run_id)
    desk.execute("SELECT recommender.score_students($1, ARRAY[2, 3])", run_id)
    desk.execute("UPDATE events SET status = 'draft' WHERE id = 1")
    desk.execute("CALL recommender.score_all(p_resume => true)")
    unknown = "SELECT event_id FROM recommendation_run_events WHERE attributes_hash IS NULL"
    assert desk.rows(unknown) == [(1,)]
    desk.execute(CHANGED)
    assert desk.written() == [2, 3]
    assert_as_full(desk)


def test_the_lists_of_a_run_that_was_left_are_taken_over(desk: Desk) -> None:
    desk.write(two_crowds())
    desk.score_all()
    desk.execute("UPDATE users SET city = 'Cluj' WHERE id IN (2, 6)")
    run_id = desk.value("SELECT (recommender._start_changed_run()).id")
    desk.execute("SELECT recommender._refresh_for_run($1)", run_id)
    assert desk.value("SELECT recommender._mark_due($1)", run_id) == 2
    assert desk.value("SELECT recommender._mark_due($1)", run_id) == 2, "it is found once"
    desk.execute(CHANGED)
    assert desk.written() == [2, 6]
    desk.execute("SELECT recommender.prepare_run($1)", run_id)
    assert desk.value("SELECT recommender.score_students($1, ARRAY[2, 6])", run_id) == 0
    assert_as_full(desk)


STUDENTS = 450
PUT_UP_GATE = """
CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(4242);
    RETURN NULL;
END
$$;
CREATE TRIGGER gate AFTER INSERT OR UPDATE ON user_recommendations
FOR EACH ROW WHEN (NEW.user_id = 448) EXECUTE FUNCTION pass_gate()
"""
TAKE_DOWN_GATE = "DROP FUNCTION IF EXISTS pass_gate CASCADE"
EVEN = "UPDATE users SET city = 'Cluj' WHERE id % 2 = 0"


@pytest.fixture
def crowd(desk: Desk) -> Iterator[Desk]:
    """Students 2 to 451 with lists, of whom the even ones have moved; the second batch waits."""
    world = two_crowds()
    for _ in range(STUDENTS - len(EVERYBODY)):
        world.student(interests=["rock"])
    desk.write(world)
    desk.score_all()
    desk.execute(EVEN)
    desk.execute(PUT_UP_GATE)
    desk.execute("SELECT pg_advisory_lock($1)", GATE)
    yield desk
    desk.execute("SELECT pg_advisory_unlock_all()")
    desk.execute(TAKE_DOWN_GATE)


def let_go(crowd: Desk) -> None:
    crowd.execute("SELECT pg_advisory_unlock($1)", GATE)


@pytest.mark.parametrize("again", ["CALL recommender.score_all(p_resume => true)", CHANGED])
def test_killed_in_the_middle_it_goes_on_with_the_rest(
    crowd: Desk, opened: Open, run: Run, again: str
) -> None:
    victim = opened()
    control = crowd.connection

    async def kill_in_the_second_batch() -> None:
        rescore = asyncio.ensure_future(victim.execute(CHANGED))
        await until_waiting(control, victim)
        await control.execute("SELECT pg_terminate_backend($1)", victim.get_server_pid())
        with pytest.raises((asyncpg.PostgresError, ConnectionError)):
            await rescore

    run(kill_in_the_second_batch())
    let_go(crowd)
    done = set(crowd.written())
    assert len(done) == 200
    before = {row for row in crowd.versions() if row[1] in done or row[1] % 2}
    crowd.execute(again)
    assert before <= crowd.versions()
    assert crowd.value("SELECT count(due_run_id) FROM recommendation_lists") == 0
    assert_as_full(crowd)


def test_two_at_once_write_each_list_once(crowd: Desk, opened: Open, run: Run) -> None:
    let_go(crowd)
    writers = [opened(), opened()]

    async def both() -> None:
        await asyncio.gather(*(writer.execute(CHANGED) for writer in writers))

    run(both())
    runs = "SELECT is_full, finished_at IS NOT NULL FROM recommendation_runs ORDER BY id"
    assert crowd.rows(runs) == [(True, True), (False, True), (False, True)]
    counts = """
        SELECT r.is_full, count(*) FROM recommendation_lists AS l
        INNER JOIN recommendation_runs AS r ON r.id = l.run_id GROUP BY 1 ORDER BY 1
    """
    assert crowd.rows(counts) == [(False, 225), (True, 225)]
    assert_as_full(crowd)


def test_a_run_of_another_moment_takes_over_the_lists_that_are_left(
    crowd: Desk, opened: Open, run: Run
) -> None:
    given, changed = opened(), opened()
    control = crowd.connection
    some = "CALL recommender.score_all(3, p_user_ids => $1)"
    students = list(range(2, 452))

    async def both() -> None:
        stand = "SELECT set_config('recommender.as_of', $1, false)"
        await changed.execute(stand, (AS_OF + hours(1)).isoformat())
        first = asyncio.ensure_future(given.execute(some, students))
        # It holds the headers of a batch, with more to come.
        await until_waiting(control, given)
        second = asyncio.ensure_future(changed.execute(CHANGED))
        await until_waiting(control, changed)
        await control.execute("SELECT pg_advisory_unlock($1)", GATE)
        await asyncio.gather(first, second)

    run(both())
    assert crowd.value("SELECT count(due_run_id) FROM recommendation_lists") == 0
    crowd.stand_at((AS_OF + hours(1)).isoformat())
    crowd.execute(CHANGED)
    crowd.score_all()
    crowd.rescore_changed()
    assert crowd.written() == []


def test_a_batch_takes_no_other_runs_preparation(desk: Desk) -> None:
    desk.write(two_crowds())
    runs = [desk.value("SELECT (recommender.start_run(3)).id") for _ in range(2)]
    desk.execute("SELECT recommender._refresh_for_run($1)", runs[0])
    desk.execute("SELECT recommender.prepare_run($1)", runs[0])
    with pytest.raises(asyncpg.PostgresError, match="is not prepared in this session") as caught:
        desk.execute("SELECT recommender.score_students($1, ARRAY[2])", runs[1])
    assert caught.value.sqlstate == "ER056"
    assert desk.value("SELECT recommender.score_students($1, ARRAY[2])", runs[0]) == 1


@pytest.mark.parametrize(
    ("change", "back"),
    [
        (
            "UPDATE users SET language_preference = 'ro' WHERE id = 2",
            "UPDATE users SET language_preference = 'en' WHERE id = 2",
        ),
        (
            REGISTER.format(2, 1),
            "DELETE FROM registrations WHERE user_id = 2 AND event_id = 1",
        ),
    ],
)
def test_what_was_read_live_and_not_from_the_twins_is_noted(
    desk: Desk, change: str, back: str
) -> None:
    desk.write(two_crowds())
    desk.execute(WITHOUT_POPULARITY)
    desk.score_all()
    desk.execute(change)
    desk.execute("CALL recommender.score_all(3, p_user_ids => ARRAY[2], p_refresh => false)")
    desk.execute(back)
    desk.rescore_changed()
    assert 2 in desk.written()
    assert_as_full(desk)


def test_a_run_leaves_what_a_later_one_has_written(desk: Desk, opened: Open, run: Run) -> None:
    desk.write(two_crowds())
    earlier = opened()
    run_id = desk.value("SELECT (recommender.start_run(3)).id")
    run(earlier.execute("SELECT recommender._refresh_for_run($1)", run_id))
    run(earlier.execute("SELECT recommender.prepare_run($1)", run_id))
    desk.execute("DELETE FROM event_tags WHERE event_id = 1")
    desk.score_all()
    late = "SELECT recommender.score_students($1, ARRAY(SELECT generate_series(1, 500)))"
    assert run(earlier.fetchval(late, run_id)) == 0
    run(earlier.execute("SELECT recommender.finish_run($1)", run_id))
    desk.rescore_changed()
    assert_as_full(desk)


def test_a_run_of_all_is_resumed_after_one_of_some(desk: Desk) -> None:
    desk.write(two_crowds())
    run_id = desk.value("SELECT (recommender.start_run(3)).id")
    desk.execute("CALL recommender.score_all(3, p_user_ids => ARRAY[2, NULL, 3])")
    desk.execute("CALL recommender.score_all(3, p_resume => true)")
    unfinished = "SELECT count(*) FROM recommendation_runs WHERE finished_at IS NULL"
    assert desk.value(unfinished) == 0
    assert desk.value("SELECT count(*) FROM recommendation_lists WHERE run_id = $1", run_id) == (
        len(EVERYBODY) - 2
    )
    with pytest.raises(asyncpg.PostgresError) as caught:
        desk.execute("CALL recommender.score_all(3, p_resume => true)")
    assert caught.value.sqlstate == "ER032"


def test_no_id_is_nobody_not_everybody(desk: Desk) -> None:
    desk.write(two_crowds())
    desk.score_all()
    desk.stand_at((AS_OF + hours(1)).isoformat())
    desk.execute("SELECT recommender.score_user(3, 3)")
    desk.stand_at((AS_OF + hours(0.5)).isoformat())
    desk.execute("CALL recommender.score_all(3, p_user_ids => ARRAY[2, NULL])")
    assert desk.value("SELECT generated_at FROM recommendation_lists WHERE user_id = 2") == (
        AS_OF + hours(0.5)
    )


def test_a_model_that_is_activated_meanwhile_stops_it_and_the_next_rescores_everybody(
    crowd: Desk, opened: Open, run: Run
) -> None:
    writer, activator = opened(), opened()
    control = crowd.connection

    async def activate_in_the_second_batch() -> str:
        rescore = asyncio.ensure_future(writer.execute(CHANGED))
        await until_waiting(control, writer)
        activate = asyncio.ensure_future(
            activator.execute("SELECT recommender.activate_model('m2')")
        )
        await until_waiting(control, activator)
        await control.execute("SELECT pg_advisory_unlock($1)", GATE)
        await activate
        try:
            await rescore
        except asyncpg.PostgresError as error:
            return str(error.sqlstate)
        return "it ended before"

    # The gated batch is the last one or not: either way nothing of m1 stays.
    assert run(activate_in_the_second_batch()) in {"ER031", "it ended before"}
    crowd.execute(CHANGED)
    assert crowd.last_run()["is_full"]
    assert crowd.rows("SELECT DISTINCT model_version FROM user_recommendations") == [("m2",)]
    assert_as_full(crowd)


# Drift

SOON = """
SELECT r.user_id, r.event_id, ln(r.score / (1 - r.score)) AS logit
FROM user_recommendations AS r
ORDER BY r.user_id, r.rank
"""


def test_later_the_others_keep_started_events_and_the_nearness_of_before(desk: Desk) -> None:
    world = two_crowds()
    world.rows["events"][0]["start_time"] = AS_OF + hours(12)
    desk.write(world)
    desk.score_all(2)
    desk.stand_at((AS_OF + days(1)).isoformat())
    before, kept = desk.versions(), desk.rows(SOON)
    assert [row[1] for row in kept if row[0] in ROCK] == [1, 2] * 4
    desk.execute(CHANGED)
    assert desk.written() == []
    assert desk.versions() == before

    desk.score_all(2)
    full = desk.rows(SOON)
    assert [row[1] for row in full if row[0] in ROCK] == [2, 3] * 4
    # A day of the window of 180, times the weight, which is -1.
    now = {row[:2]: row[2] for row in full}
    for user_id, event_id, logit in kept:
        if event_id != 1:
            assert now[user_id, event_id] - logit == pytest.approx(1 / 180, abs=TOLERANCE)


def test_at_the_moment_of_the_full_run_one_registration_more_counts(desk: Desk) -> None:
    world = two_crowds()
    guests = [world.organizer() for _ in range(41)]
    for guest in guests[:40]:
        world.register(guest, 1)
    desk.write(world)
    desk.score_all()
    desk.execute(REGISTER.format(guests[40], 1))
    desk.execute(CHANGED)
    assert desk.written() == ROCK
    assert_as_full(desk)


def test_later_one_registration_more_concerns_nobody_but_many_do(desk: Desk) -> None:
    world = two_crowds()
    guests = [world.organizer() for _ in range(60)]
    for guest in guests[:40]:
        world.register(guest, 1)
    desk.write(world)
    desk.score_all()
    desk.stand_at((AS_OF + hours(1)).isoformat())
    noted = "SELECT seats_taken FROM recommendation_run_events WHERE event_id = 1"
    for guest in guests[40:50]:
        # Ten more: ln(51 / 41) / 5 is 0.044 logits.
        desk.execute(REGISTER.format(guest, 1))
    desk.execute(CHANGED)
    assert (desk.written(), desk.value(noted)) == ([], 40)
    for guest in guests[50:55]:
        desk.execute(REGISTER.format(guest, 1))
    desk.execute(CHANGED)
    assert (desk.written(), desk.value(noted)) == (ROCK, 55)


# As a job


def test_as_a_job_it_says_how_many_were_due(desk: Desk) -> None:
    enqueue = "SELECT (recommender.enqueue_job('rescore_changed', '{}', 'all')).id"
    result = "SELECT result FROM background_jobs WHERE id = $1"
    desk.execute(
        "INSERT INTO recommender_settings (name, value) VALUES ('task_queue_enabled', 'true')"
    )
    world = two_crowds()
    models = world.rows.pop("recommender_models")
    desk.write(world)
    job_id = desk.value(enqueue)
    assert desk.value(enqueue) == job_id, "it is merged with itself"
    desk.execute("CALL recommender.run_jobs()")
    assert json.loads(desk.value(result, job_id)) == {"skipped": "there is no model yet"}

    world.rows["recommender_models"] = models
    desk.write(world)
    for change, is_full, due_count, lists in (
        ("SELECT 1", True, None, 8),
        ("SELECT 1", False, 0, 0),
        ("UPDATE users SET city = 'Cluj' WHERE id IN (2, 9)", False, 2, 2),
    ):
        desk.execute(change)
        job_id = desk.value(enqueue)
        desk.execute("CALL recommender.run_jobs()")
        found = json.loads(desk.value(result, job_id))
        assert (found["is_full"], found["due_count"], found["lists"]) == (is_full, due_count, lists)
        assert desk.last_run()["finished_at"] is not None
    assert_as_full(desk, desk.last_run()["top_n"])


def test_as_a_job_it_waits_for_a_rescore_of_everybody(desk: Desk) -> None:
    desk.write(two_crowds())
    rescore = "SELECT recommender.enqueue_job('recompute_recommendations_ml', $1)"
    desk.execute(rescore, '{"skip_training": true}')
    claim = "SELECT job_type FROM recommender.claim_job('w')"
    assert desk.value(claim) == "recompute_recommendations_ml"
    desk.execute("SELECT recommender.enqueue_job('rescore_changed')")
    assert desk.value(claim) is None
    desk.execute("DELETE FROM background_jobs WHERE status = 'running'")
    assert desk.value(claim) == "rescore_changed"
