"""What is shown equals its definition: over random worlds, after everything changed underneath."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from asyncpg import InsufficientPrivilegeError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.database import connect
from app.schema import MIGRATIONS_DIR, migrate
from app.settings import store_environment
from tests.support.random_worlds import TAGS, some, worlds
from tests.support.worlds import AS_OF, World, days, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

HTTP_API_PAGE = Path(__file__).parents[1] / "docs" / "http-api.md"
APP_TABLES = (
    "0001_users_and_events.sql",
    "0002_interests_and_exclusions.sql",
    "0003_registrations_and_favorites.sql",
)
TOP_N = 4
LONG = 40
AT_ANY_TIME = "NULL, NULL, true, NULL, 1, 20"

# Every student with every event that may be shown to them, in one flat statement: no step ends
# early, nothing is gathered in arrays, texts are compared as texts.
SHOWN_BY_DEFINITION = """
WITH followed AS (
    SELECT it.user_id, it.tag FROM recommender.source_interest_tags AS it
    UNION
    SELECT h.user_id, et.tag
    FROM recommender.history AS h
    INNER JOIN recommender.source_event_tags AS et ON et.event_id = h.event_id
)

SELECT
    x.user_id,
    x.event_id,
    CASE WHEN x.rank IS NOT NULL THEN 'list' WHEN x.shared > 0 THEN 'tags' ELSE 'popular' END
        AS source
FROM (
    SELECT
        s.user_id,
        e.event_id,
        e.start_time,
        e.seats_taken,
        r.rank,
        (
            SELECT count(DISTINCT et.tag)
            FROM recommender.source_event_tags AS et
            INNER JOIN followed AS f ON f.tag = et.tag AND f.user_id = s.user_id
            WHERE et.event_id = e.event_id
        ) AS shared
    FROM recommender.source_students AS s
    CROSS JOIN recommender.eligible_events AS e
    LEFT JOIN recommender.fresh_lists AS l ON l.user_id = s.user_id
    LEFT JOIN user_recommendations AS r
        ON r.user_id = l.user_id AND r.event_id = e.event_id
    WHERE
        NOT EXISTS (
            SELECT FROM recommender.source_registrations AS g
            WHERE g.user_id = s.user_id AND g.event_id = e.event_id
        )
        AND NOT EXISTS (
            SELECT FROM user_hidden_tags AS ht
            INNER JOIN tags AS t ON t.id = ht.tag_id
            INNER JOIN recommender.source_event_tags AS et
                ON et.event_id = e.event_id AND et.tag = recommender.normalize_text(t.name)
            WHERE ht.user_id = s.user_id
        )
        AND NOT EXISTS (
            SELECT FROM user_blocked_organizers AS bo
            WHERE bo.user_id = s.user_id AND bo.organizer_id = e.organizer_id
        )
) AS x
ORDER BY
    x.user_id,
    x.rank,
    x.shared = 0,
    CASE WHEN x.shared > 0 THEN -x.shared ELSE -x.seats_taken END,
    x.start_time,
    x.event_id
"""

PAGES_BY_DEFINITION = """
SELECT e.event_id
FROM recommender.source_events AS e
LEFT JOIN recommender.fresh_lists AS l ON l.user_id = $1 AND $2
LEFT JOIN user_recommendations AS r
    ON r.user_id = l.user_id
    AND r.event_id = e.event_id
    AND r.event_id IN (SELECT o.event_id FROM recommender.eligible_events AS o)
    AND r.event_id NOT IN (
        SELECT g.event_id FROM recommender.source_registrations AS g WHERE g.user_id = $1
    )
WHERE
    e.is_published
    AND e.is_known
    AND (e.start_time >= recommender.as_of() OR $3)
    AND NOT EXISTS (
        SELECT FROM user_hidden_tags AS ht
        INNER JOIN tags AS t ON t.id = ht.tag_id
        INNER JOIN recommender.source_event_tags AS et
            ON et.event_id = e.event_id AND et.tag = recommender.normalize_text(t.name)
        WHERE ht.user_id = $1
    )
    AND NOT EXISTS (
        SELECT FROM user_blocked_organizers AS bo
        WHERE bo.user_id = $1 AND bo.organizer_id = e.organizer_id
    )
    AND ($4::text[] IS NULL OR EXISTS (
        SELECT FROM recommender.source_event_tags AS et
        WHERE
            et.event_id = e.event_id
            AND et.tag IN (SELECT recommender.normalize_text(x) FROM unnest($4::text[]) AS x)
    ))
ORDER BY r.rank, e.start_time, e.event_id
"""

EVENTS = """
SELECT g.status, g.headers, g.body
FROM recommender.get_events(
    $1, '{en}', NULL, NULL, NULL, NULL, $4, NULL, NULL, $3, $2, $5, $6
) AS g
"""

# What a running app does to the lists between their writing and their reading.
CHANGES = (
    "UPDATE events SET status = 'draft' WHERE id = $1",
    "UPDATE events SET start_time = $2::timestamptz - interval '1 microsecond' WHERE id = $1",
    "UPDATE events SET deleted_at = $2 WHERE id = $1",
    "UPDATE events SET max_seats = 0 WHERE id = $1",
    "UPDATE events SET publish_at = $2::timestamptz + interval '1 microsecond' WHERE id = $1",
    (
        "INSERT INTO registrations (user_id, event_id, registration_time)"
        " SELECT max(id), $1, $2::timestamptz FROM users WHERE role = 'student'"
    ),
)


@st.composite
def changed_worlds(draw: st.DrawFn) -> tuple[World, list[tuple[str, int]]]:
    """Draw a world whose students hide and block, and what happens after the lists are written."""
    world = draw(worlds())
    for user in world.rows["users"]:
        if user["role"] == "student":
            for tag in draw(st.lists(st.sampled_from(TAGS), max_size=1)):
                world.hide(int(str(user["id"])), tag)
            if draw(st.integers(0, 3)) == 0:
                world.block(int(str(user["id"])), 1)
    events = [int(str(event["id"])) for event in world.rows.get("events", [])]
    changes = st.tuples(st.sampled_from(CHANGES), some(events)) if events else st.nothing()
    return world, draw(st.lists(changes, max_size=3)) if events else []


def well_filled_world() -> tuple[World, list[tuple[str, int]]]:
    """More than a list of everything: ranked, followed and popular events, full and hidden ones."""
    world = World()
    club, other = world.organizer(), world.organizer()
    events = [
        world.event(
            club if n % 3 else other,
            tags=[["rock"], ["jazz", "folk"], []][n % 3],
            starts=days(40 - n),
        )
        for n in range(15)
    ]
    student, crowd = world.student(interests=["ROCK "]), world.student(city="Cluj")
    world.favorite(student, events[1])
    for event in events[4:8]:
        world.register(crowd, event)
    world.hide(student, "folk")
    world.block(crowd, other)
    world.model(0, 1, 1, 0, 0, 0, 1, 0)
    return world, [(CHANGES[0], events[0]), (CHANGES[5], events[1])]


class Checker:
    """One database, filled again and again."""

    def __init__(self, connection: Connection[Record], run: Run) -> None:
        self.connection = connection
        self.run = run

    async def prepare(self, world: World, changes: list[tuple[str, int]], age: int) -> None:
        await world.write(self.connection)
        await self.connection.execute("CALL recommender.score_all($1)", TOP_N)
        await self.connection.execute(
            "UPDATE recommendation_lists SET generated_at = generated_at - $1 * interval '1 hour'"
            " WHERE user_id % 2 = 0",
            age,
        )
        for statement, event_id in changes:
            arguments = (event_id, AS_OF) if "$2" in statement else (event_id,)
            await self.connection.execute(statement, *arguments)

    async def check_picks(self, world: World) -> None:
        rows = await self.connection.fetch(SHOWN_BY_DEFINITION)
        for user in world.rows["users"]:
            if user["role"] != "student":
                continue
            expected = [
                (row["event_id"], row["source"]) for row in rows if row["user_id"] == user["id"]
            ]
            for limit in (1, 2, 5, LONG):
                picked = await self.connection.fetch(
                    "SELECT * FROM recommender.pick_events($1, $2)", user["id"], limit
                )
                assert [(p["event_id"], p["source"]) for p in picked] == expected[:limit]
                assert [p["place"] for p in picked] == list(range(1, len(picked) + 1))
                assert all(p["reason"] for p in picked)
            answer = await self.connection.fetchrow(
                "SELECT * FROM recommender.get_recommendations($1)", user["id"]
            )
            assert answer is not None
            if user["is_active"]:
                shown = [item["id"] for item in json.loads(answer["body"])]
                assert shown == [event_id for event_id, _ in expected[:10]]
            else:
                assert answer["status"] == 403

    async def check_pages(self, world: World, page_size: int, tags: list[str] | None) -> None:
        active = [user["id"] for user in world.rows["users"] if user["is_active"]]
        for user_id in [None, *active]:
            for sort, include_past in (("time", False), ("recommended", False), (None, True)):
                first = await self._page(user_id, sort, include_past, tags, 1, page_size)
                expected = [
                    row["event_id"]
                    for row in await self.connection.fetch(
                        PAGES_BY_DEFINITION,
                        user_id,
                        first["sort"] == "recommended",
                        include_past,
                        tags,
                    )
                ]
                assert first["total"] == len(expected)
                seen = []
                for page in range(1, len(expected) // page_size + 2):
                    answer = await self._page(user_id, sort, include_past, tags, page, page_size)
                    seen += [item["id"] for item in answer["items"]]
                    assert len(answer["items"]) <= page_size
                assert seen == expected

    async def _page(self, *arguments: Any) -> dict[str, Any]:
        user_id, sort, include_past, tags, page, page_size = arguments
        answer = await self.connection.fetchrow(
            EVENTS, user_id, sort, include_past, tags, page, page_size
        )
        assert answer is not None
        assert answer["status"] == 200
        body: dict[str, Any] = json.loads(answer["body"])
        return body


@pytest.fixture(scope="module")
def checker(database_url: str, run: Run) -> Iterator[Checker]:
    connection = run(
        open_session(database_url, experiments_personalization_ml_percent="50", jit="off")
    )
    yield Checker(connection, run)
    run(connection.close())


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changed=changed_worlds(), age=st.sampled_from([0, 24, 25]))
@example(changed=well_filled_world(), age=0)
@example(changed=well_filled_world(), age=25)
def test_what_a_student_is_shown_is_the_definition(
    changed: tuple[World, list[tuple[str, int]]], age: int, checker: Checker
) -> None:
    async def check() -> None:
        await checker.prepare(*changed, age)
        await checker.check_picks(changed[0])

    checker.run(check())


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    changed=changed_worlds(),
    page_size=st.sampled_from([1, 3, 100]),
    tags=st.sampled_from([None, None, ["rock"], ["JAZZ", " șah"], ["no such tag"], []]),
)
@example(changed=well_filled_world(), page_size=4, tags=None)
@example(changed=well_filled_world(), page_size=2, tags=["rock", "jazz"])
def test_the_pages_of_events_are_the_definition(
    changed: tuple[World, list[tuple[str, int]]],
    page_size: int,
    tags: list[str] | None,
    checker: Checker,
) -> None:
    async def check() -> None:
        await checker.prepare(*changed, 0)
        await checker.check_pages(changed[0], page_size, tags)

    checker.run(check())


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=worlds())
def test_a_reason_rendered_again_is_what_a_rescore_would_write(
    world: World, checker: Checker
) -> None:
    """Lists written in English and read in Romanian say what a Romanian's list would say."""

    async def check() -> None:
        await world.write(checker.connection)
        await checker.connection.execute("UPDATE users SET language_preference = 'en'")
        await checker.connection.execute("CALL recommender.score_all($1)", TOP_N)
        picked = [
            await checker.connection.fetch(
                "SELECT p.* FROM recommender.source_students AS s,"
                " recommender.pick_events(s.user_id, $1, $2) AS p"
                " WHERE p.source = 'list' ORDER BY s.user_id, p.place",
                LONG,
                "ro",
            )
        ]
        await checker.connection.execute("UPDATE users SET language_preference = 'ro'")
        await checker.connection.execute("CALL recommender.score_all($1)", TOP_N)
        languages = await checker.connection.fetch(
            "SELECT DISTINCT language FROM recommendation_lists"
        )
        assert [row["language"] for row in languages] == ["ro"]
        picked.append(
            await checker.connection.fetch(
                "SELECT p.* FROM recommender.source_students AS s,"
                " recommender.pick_events(s.user_id, $1) AS p"
                " WHERE p.source = 'list' ORDER BY s.user_id, p.place",
                LONG,
            )
        )
        assert picked[0] == picked[1]

    checker.run(check())


@pytest.mark.parametrize(
    ("preference", "accepted", "language"),
    [
        ("ro", ["en"], "ro"),
        ("system", ["ro", "en"], "ro"),
        (None, ["de", "ro"], "ro"),
        ("de", [], "en"),
        (None, [], "en"),
        (None, None, "en"),
    ],
)
def test_the_first_language_with_sentences_is_spoken(
    preference: str | None,
    accepted: list[str] | None,
    language: str,
    checker: Checker,
) -> None:
    spoken = checker.run(
        checker.connection.fetchval(
            "SELECT recommender.choose_language($1, $2)", preference, accepted
        )
    )
    assert spoken == language


def test_a_list_remembers_the_language_it_was_written_in(checker: Checker) -> None:
    world = World()
    world.event(world.organizer())
    world.student(language="ro"), world.student(language="de"), world.student(language="system")
    world.model(1)

    async def languages() -> list[list[str]]:
        await world.write(checker.connection)
        read = "SELECT language FROM recommendation_lists ORDER BY user_id"
        await checker.connection.execute("CALL recommender.score_all(5)")
        bulk = [row["language"] for row in await checker.connection.fetch(read)]
        await checker.connection.execute("UPDATE recommendation_lists SET language = NULL")
        await checker.connection.execute(
            "SELECT recommender.score_user(id, 5) FROM users WHERE role = 'student'"
        )
        single = [row["language"] for row in await checker.connection.fetch(read)]
        return [bulk, single]

    assert checker.run(languages()) == [["ro", "en", "en"]] * 2


def test_exclusions_are_written_through_the_source_views(checker: Checker) -> None:
    world = World()
    club, student = world.organizer(), world.student()
    tag = world.tag("rock")
    world.event(club, tags=["rock"], starts=days(3))

    async def statuses() -> list[int]:
        await world.write(checker.connection)
        calls = [
            ("recommender.set_tag_hidden", [tag, tag, 99], True),
            ("recommender.set_tag_hidden", [tag, tag, 99], False),
            ("recommender.set_organizer_blocked", [club, club, student], True),
            ("recommender.set_organizer_blocked", [club, club, 99], False),
        ]
        return [
            await checker.connection.fetchval(
                f"SELECT status FROM {name}($1, $2, $3)",  # noqa: S608
                student,
                number,
                is_set,
            )
            for name, numbers, is_set in calls
            for number in numbers
        ]

    hiding = [201, 201, 404, 204, 204, 404]
    blocking = [201, 201, 404, 204, 204, 404]
    assert checker.run(statuses()) == [*hiding, *blocking]


def test_readiness_says_what_is_wrong(checker: Checker) -> None:
    async def answers() -> list[tuple[int, str]]:
        connection = checker.connection
        stamp = await connection.fetchval(
            "SELECT right(obj_description('recommender'::regnamespace), 64)"
        )
        newest = await connection.fetchval("SELECT max(name) FROM eventrank_migrations")
        read = "SELECT status, body FROM recommender.get_readiness($1, $2)"
        rows = [
            await connection.fetchrow(read, "9999_not_yet.sql", stamp),
            await connection.fetchrow(read, newest, "0" * 64),
            await connection.fetchrow(read, newest, stamp),
        ]
        await connection.execute("SET default_transaction_read_only = on")
        rows.append(await connection.fetchrow(read, newest, stamp))
        await connection.execute("RESET default_transaction_read_only")
        return [(row["status"], row["body"]) for row in rows if row is not None]

    answered = checker.run(answers())
    assert [status for status, _ in answered] == [503, 503, 200, 503]
    missing, other, _, read_only = (body for _, body in answered)
    assert "9999_not_yet.sql is missing" in missing
    assert "another version" in other
    assert "read-only" in read_only


def test_a_role_with_the_rights_of_the_page_can_do_what_the_server_does(checker: Checker) -> None:
    page = HTTP_API_PAGE.read_text(encoding="utf-8")
    (grants,) = re.findall(r"```sql\n(CREATE ROLE eventrank_server .*?)```", page, re.DOTALL)
    role = f"eventrank_{uuid4().hex[:12]}"
    world = World()
    club, student = world.organizer(), world.student(language="ro")
    tag = world.tag("rock")
    world.recommend(student, world.event(club, tags=["rock"]))
    world.event(club)
    world.model(1)

    async def statuses() -> list[int]:
        connection = checker.connection
        await world.write(connection)
        try:
            await connection.execute(grants.replace("eventrank_server", role))
        except InsufficientPrivilegeError:
            pytest.skip("only a role that may create roles can try this")
        try:
            await connection.execute(f"SET ROLE {role}")
            answers = [
                await connection.fetchval(f"SELECT status FROM recommender.{call}")  # noqa: S608
                for call in (
                    f"get_recommendations({student}, '{{en}}')",
                    f"get_events({student}, '{{}}', {'NULL, ' * 7} true, 'recommended', 1, 20)",
                    f"get_events(NULL, '{{}}', 'a', 'b', 'c', 'd', '{{e}}', {AT_ANY_TIME})",
                    f"set_tag_hidden({student}, {tag}, true)",
                    f"get_recommendations({student}, '{{ro}}')",
                    f"set_organizer_blocked({student}, {club}, true)",
                    f"get_personalization({student})",
                    f"set_organizer_blocked({student}, {club}, false)",
                    f"set_tag_hidden({student}, {tag}, false)",
                    "get_readiness('9999', '')",
                )
            ]
            assert await connection.fetch("SELECT g.name FROM recommender.gauges AS g")
            await store_environment(connection)
            with pytest.raises(InsufficientPrivilegeError):
                await connection.fetch("SELECT password_hash FROM users")
        finally:
            await connection.execute("RESET ROLE")
            await connection.execute(f"DROP OWNED BY {role}")
            await connection.execute(f"DROP ROLE {role}")
        return answers

    assert checker.run(statuses()) == [200, 200, 200, 201, 200, 201, 200, 204, 204, 503]


def test_a_list_written_since_the_reader_began_is_served(
    checker: Checker, database_url: str, run: Run
) -> None:
    """Between a statement's now() and its snapshot there may be a round trip."""
    world = World()
    world.event(world.organizer())
    student = world.student()
    world.model(1)

    async def sources() -> list[tuple[str, str]]:
        await world.write(checker.connection)
        reader, writer = await connect(database_url), await connect(database_url)
        await writer.execute("UPDATE events SET start_time = now() + interval '9 days'")
        await reader.execute("BEGIN")
        await reader.fetchval("SELECT now()")
        await writer.fetchval("SELECT recommender.score_user($1, 5)", student)
        rows = await reader.fetch(
            "SELECT p.source, e.body ->> 'sort' AS sort"
            " FROM recommender.pick_events($1, 5) AS p, recommender.get_events("
            " $1, '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, 'recommended', 1, 5) AS e",
            student,
        )
        await reader.close()
        await writer.close()
        return [(row["source"], row["sort"]) for row in rows]

    assert run(sources()) == [("list", "recommended")]


def test_the_app_may_have_columns_of_varchar(empty_database_url: str, run: Run) -> None:
    async def answers() -> list[tuple[int, str]]:
        connection = await connect(empty_database_url)
        for name in APP_TABLES:
            text = (MIGRATIONS_DIR / name).read_text(encoding="utf-8")
            await connection.execute(text.replace(" text", " varchar(200)"))
        await migrate(connection)
        await connection.execute("""
            INSERT INTO users (id, email, role, city)
            VALUES (1, 'a', 'organizer', 'Cluj'), (2, 'b', 'student', 'Cluj');
            INSERT INTO tags (id, name) VALUES (1, 'rock');
            INSERT INTO user_interest_tags (user_id, tag_id) VALUES (2, 1);
            INSERT INTO events (id, title, start_time, city, owner_id)
            SELECT n, 'a', now() + interval '9 days', 'Cluj', 1 FROM generate_series(1, 3) AS n;
            INSERT INTO event_tags (event_id, tag_id) VALUES (2, 1)
        """)
        rows = [
            await connection.fetchrow(f"SELECT * FROM recommender.{call}")  # noqa: S608
            for call in (
                "get_recommendations(2)",
                f"get_events(2, '{{ro}}', {'NULL, ' * 7} true, 'recommended', 1, 20)",
                "get_personalization(2)",
                "set_tag_hidden(2, 1, true)",
            )
        ]
        await connection.close()
        return [(row["status"], row["body"]) for row in rows if row is not None]

    answered = run(answers())
    assert [status for status, _ in answered] == [200, 200, 200, 201]
    reasons = [item["recommendation_reason"] for item in json.loads(answered[0][1])]
    assert reasons == [
        "Like what you follow: rock · Near you: Cluj",
        "Popular and coming up · Near you: Cluj",
        "Popular and coming up · Near you: Cluj",
    ]


def test_a_language_without_all_sentences_says_near_you_in_its_own_words(
    checker: Checker,
) -> None:
    world = World()
    world.event(world.organizer(), city="Cluj")
    student = world.student(city="Cluj", language="de")
    world.model(1)

    async def reason() -> str:
        connection = checker.connection
        await world.write(connection)
        async with connection.transaction():
            await connection.execute(
                "INSERT INTO recommendation_reasons (language, kind, template)"
                " VALUES ('de', 'near_you', 'In deiner Nähe')"
            )
            await connection.execute("SELECT recommender.score_user($1, 5)", student)
            said = await connection.fetchval(
                "SELECT p.reason FROM recommender.pick_events($1, 5) AS p", student
            )
            await connection.execute("DELETE FROM recommendation_reasons WHERE language = 'de'")
        return str(said)

    assert checker.run(reason()) == "In deiner Nähe: Cluj"


def test_near_you_is_said_of_the_city_that_is_known(checker: Checker) -> None:
    """By the profile, else by what was searched for; and no more once the event has moved."""
    world = World()
    club = world.organizer()
    world.event(club, city="Cluj", starts=days(5))
    moving = world.event(club, city=" CLUJ ", starts=days(6))
    settled, searching, stranger = world.student(city="cluj"), world.student(), world.student()
    world.interact(searching, "search", meta={"city": "Cluj"})
    world.model(1)

    async def reasons() -> dict[int, list[str]]:
        await world.write(checker.connection)
        await checker.connection.execute("CALL recommender.score_all(5)")
        await checker.connection.execute("UPDATE events SET city = 'Iași' WHERE id = $1", moving)
        return {
            student: [
                row["reason"]
                for row in await checker.connection.fetch(
                    "SELECT p.reason FROM recommender.pick_events($1, 5) AS p ORDER BY p.event_id",
                    student,
                )
            ]
            for student in (settled, searching, stranger)
        }

    assert checker.run(reasons()) == {
        settled: ["Near you: Cluj", "Near you"],
        searching: ["Near you: Cluj", "Near you"],
        stranger: ["Recommended for you", "Recommended for you"],
    }


def test_what_was_excluded_can_be_taken_back_whatever_became_of_it(checker: Checker) -> None:
    world = World()
    club, student = world.organizer(), world.student()
    first, second, blank = world.tag("żółw "), world.tag("Żółw"), world.tag("jazz")
    world.event(club, tags=["Żółw", "jazz"])

    async def left() -> tuple[list[int], int]:
        connection = checker.connection
        await world.write(connection)
        for call in (
            f"set_tag_hidden({student}, {first}, true)",
            f"set_tag_hidden({student}, {blank}, true)",
            f"set_organizer_blocked({student}, {club}, true)",
        ):
            await connection.execute(f"SELECT recommender.{call}")
        await connection.execute("UPDATE tags SET name = ' ' WHERE id = $1", blank)
        await connection.execute("UPDATE users SET role = 'student' WHERE id = $1", club)
        statuses = [
            await connection.fetchval(f"SELECT status FROM recommender.{call}")  # noqa: S608
            for call in (
                f"set_tag_hidden({student}, {second}, false)",
                f"set_tag_hidden({student}, {blank}, false)",
                f"set_tag_hidden({student}, {blank}, false)",
                f"set_organizer_blocked({student}, {club}, false)",
                f"set_organizer_blocked({student}, {club}, false)",
            )
        ]
        return statuses, await connection.fetchval(
            "SELECT (SELECT count(*) FROM user_hidden_tags)"
            " + (SELECT count(*) FROM user_blocked_organizers)"
        )

    assert checker.run(left()) == ([204, 204, 404, 204, 404], 0)


def test_a_setting_that_is_not_valid_makes_the_database_not_ready(checker: Checker) -> None:
    async def answer() -> Record | None:
        connection = checker.connection
        stamp = await connection.fetchval(
            "SELECT right(obj_description('recommender'::regnamespace), 64)"
        )
        newest = await connection.fetchval("SELECT max(name) FROM eventrank_migrations")
        async with connection.transaction():
            await connection.execute(
                "INSERT INTO recommender_settings (name, value)"
                " VALUES ('recommendations_cache_max_age_seconds', '1e3')"
            )
            row = await connection.fetchrow(
                "SELECT status, body FROM recommender.get_readiness($1, $2)", newest, stamp
            )
            await connection.execute("DELETE FROM recommender_settings")
        return row

    row = checker.run(answer())
    assert row is not None
    assert row["status"] == 503
    assert (
        'setting recommendations_cache_max_age_seconds is "1e3" (admin)'
        in json.loads(row["body"])["detail"]
    )
