"""The synthetic population: believable, repeatable, and of the shape that benchmarks need."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.database import connect
from app.population import Plan, generate_population, shape
from app.population.students import experiment_bucket
from app.population.writing import TABLES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asyncpg import Connection, Record

    from tests.support.databases import Databases
    from tests.support.runner import Run

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "generate_population.py"
AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)

LIVELY = Plan(
    as_of=AS_OF,
    shape="lively",
    students=300,
    upcoming_events=120,
    past_events=120,
    organizers=20,
    tags=500,
    categories=16,
    cities=8,
    days=90,
    interactions_per_student=60,
    experiment_percent=50,
    zipf=1.0,
    seed=1337,
)
BENCH = replace(
    LIVELY,
    shape="bench",
    students=1000,
    upcoming_events=2000,
    past_events=2000,
    organizers=200,
    categories=20,
    cities=24,
    interactions_per_student=8,
)


@asynccontextmanager
async def population(url: str, plan: Plan) -> AsyncIterator[Connection[Record]]:
    """Generate in a transaction that is never committed."""
    connection = await connect(url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await generate_population(connection, plan)
        await connection.execute(
            "SELECT set_config('recommender.as_of', $1, true)", plan.as_of.isoformat()
        )
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


@pytest.fixture(scope="module")
def lively(databases: Databases, run: Run) -> Iterator[Connection[Record]]:
    """A population to look at, in a database of its own: its transaction stays open."""
    with databases.migrated() as url:
        context = population(url, LIVELY)
        yield run(context.__aenter__())
        run(context.__aexit__(None, None, None))


@pytest.fixture
def target_url(databases: Databases) -> Iterator[str]:
    """A database that the command may fill."""
    with databases.migrated() as url:
        yield url


async def checksums(connection: Connection[Record]) -> dict[str, str]:
    return {
        table: await connection.fetchval(
            f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM public.{table} AS t"  # noqa: S608
        )
        for table in TABLES
    }


async def checksums_of(url: str, plan: Plan) -> dict[str, str]:
    async with population(url, plan) as connection:
        return await checksums(connection)


def generate(url: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *flags],
        env=os.environ | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


SMALL = ("--students", "20", "--events", "20", "--as-of", "2026-03-01T12:00:00+00:00")


class TestRepeatability:
    def test_the_same_plan_gives_the_same_rows(
        self, lively: Connection[Record], database_url: str, run: Run
    ) -> None:
        first = run(checksums(lively))
        assert all(first.values())
        assert run(checksums_of(database_url, LIVELY)) == first

    def test_another_seed_gives_other_rows_in_every_table_but_that_of_the_tags(
        self, lively: Connection[Record], database_url: str, run: Run
    ) -> None:
        first = run(checksums(lively))
        second = run(checksums_of(database_url, replace(LIVELY, seed=1)))
        assert [table for table in TABLES if first[table] == second[table]] == ["tags"]

    def test_moving_the_moment_moves_every_row_with_it(
        self, lively: Connection[Record], database_url: str, run: Run
    ) -> None:
        moments = (
            "SELECT array_agg(i.occurred_at - $1::timestamptz ORDER BY i.id)"
            " FROM public.event_interactions AS i"
        )

        async def moved() -> list[timedelta]:
            later = AS_OF + timedelta(days=365)
            async with population(database_url, replace(LIVELY, as_of=later)) as connection:
                return list(await connection.fetchval(moments, later))

        assert run(moved()) == run(lively.fetchval(moments, AS_OF))


class TestTastes:
    def test_students_register_for_tags_they_named_far_more_than_strangers_would(
        self, lively: Connection[Record], run: Run
    ) -> None:
        [(mine, strangers)] = run(
            lively.fetch(
                """
                WITH pairs AS (
                    SELECT r.user_id, r.event_id, r.user_id + 7 AS stranger
                    FROM public.registrations AS r
                    WHERE r.user_id + 7 <= (SELECT max(u.id) FROM public.users AS u)
                ),
                matches AS (
                    SELECT i.user_id, et.event_id
                    FROM public.user_interest_tags AS i
                    INNER JOIN public.event_tags AS et ON et.tag_id = i.tag_id
                    GROUP BY i.user_id, et.event_id
                )
                SELECT
                    count(*) FILTER (WHERE (p.user_id, p.event_id) IN (TABLE matches)),
                    count(*) FILTER (WHERE (p.stranger, p.event_id) IN (TABLE matches))
                FROM pairs AS p
                """
            )
        )
        assert mine > 3 * strangers > 0

    def test_a_students_registrations_share_a_category_far_more_often_than_two_students(
        self, lively: Connection[Record], run: Run
    ) -> None:
        [(own, others)] = run(
            lively.fetch(
                """
                WITH visits AS (
                    SELECT r.user_id, r.event_id, e.category
                    FROM public.registrations AS r
                    INNER JOIN public.events AS e ON e.id = r.event_id
                )
                SELECT
                    avg((a.category = b.category)::int) FILTER (WHERE a.user_id = b.user_id),
                    avg((a.category = b.category)::int) FILTER (WHERE a.user_id <> b.user_id)
                FROM visits AS a
                INNER JOIN visits AS b ON b.event_id > a.event_id
                """
            )
        )
        assert own > 3 * others > 0

    def test_clicks_fall_with_the_position_in_the_list(
        self, lively: Connection[Record], run: Run
    ) -> None:
        rows = run(
            lively.fetch(
                """
                SELECT
                    count(*) FILTER (WHERE i.interaction_type = 'click')::float8
                    / count(*) FILTER (WHERE i.interaction_type = 'impression') AS rate
                FROM public.event_interactions AS i
                WHERE i.meta ->> 'sort' = 'time'
                GROUP BY (i.meta ->> 'position')::int / 4
                ORDER BY (i.meta ->> 'position')::int / 4
                """
            )
        )
        top, middle, bottom = (row["rate"] for row in rows)
        assert top > middle > bottom > 0

    def test_lists_sorted_by_taste_are_clicked_more(
        self, lively: Connection[Record], run: Run
    ) -> None:
        rates = {
            row["sort"]: row["rate"]
            for row in run(
                lively.fetch(
                    """
                    SELECT
                        i.meta ->> 'sort' AS sort,
                        avg((i.interaction_type = 'click')::int)::float8 AS rate
                    FROM public.event_interactions AS i
                    WHERE i.meta ->> 'source' = 'events_list'
                    GROUP BY 1
                    """
                )
            )
        }
        assert rates["recommended"] > 1.3 * rates["time"]

    def test_the_experiments_buckets_decide_how_a_students_lists_are_sorted(
        self, lively: Connection[Record], run: Run
    ) -> None:
        rows = run(
            lively.fetch(
                "SELECT DISTINCT i.user_id, i.meta ->> 'sort' AS sort"
                " FROM public.event_interactions AS i WHERE i.interaction_type = 'impression'"
            )
        )
        assert len(rows) > 200
        for row in rows:
            treated = experiment_bucket(row["user_id"]) < LIVELY.experiment_percent
            assert row["sort"] == ("recommended" if treated else "time")


def test_the_experiment_bucket_is_that_of_the_written_rule() -> None:
    # sha256("personalization_ml_sort:1") begins with 99ac09d4.
    assert experiment_bucket(1) == 0x99AC09D4 % 100 == 56


NEVER_TRUE = {
    "something happens after the moment": """
        SELECT i.id FROM public.event_interactions AS i WHERE i.occurred_at >= recommender.as_of()
        UNION ALL
        SELECT r.id FROM public.registrations AS r
        WHERE greatest(r.registration_time, r.deleted_at) >= recommender.as_of()
        UNION ALL SELECT f.id FROM public.favorite_events AS f
        WHERE f.created_at >= recommender.as_of()
        UNION ALL SELECT u.id FROM public.users AS u WHERE u.created_at >= recommender.as_of()
        UNION ALL SELECT e.id FROM public.events AS e
        WHERE greatest(e.created_at, e.deleted_at) >= recommender.as_of()
    """,
    "somebody acts before having an account": """
        SELECT i.id
        FROM public.event_interactions AS i
        INNER JOIN public.users AS u ON u.id = i.user_id
        WHERE i.occurred_at < u.created_at - interval '1 minute'
    """,
    "an event is shown before it is public, after it began or after it was called off": """
        SELECT i.id
        FROM public.event_interactions AS i
        INNER JOIN public.events AS e ON e.id = i.event_id
        WHERE i.interaction_type = 'impression'
        AND (
            e.status <> 'published'
            OR i.occurred_at < greatest(e.created_at, e.publish_at)
            OR i.occurred_at >= e.start_time
            OR i.occurred_at >= e.deleted_at + interval '1 minute'
        )
    """,
    "a seat is taken or given back after the event began": """
        SELECT r.id
        FROM public.registrations AS r
        INNER JOIN public.events AS e ON e.id = r.event_id
        WHERE greatest(r.registration_time, r.deleted_at) >= e.start_time
    """,
    "somebody attended what is not over, or what they had left": """
        SELECT r.id
        FROM public.registrations AS r
        INNER JOIN public.events AS e ON e.id = r.event_id
        WHERE r.attended AND (e.end_time >= recommender.as_of() OR r.deleted_at IS NOT NULL)
    """,
    "a registration or favourite is without its interaction, or the other way round": """
        (
            SELECT r.user_id, r.event_id, 'register', r.registration_time
            FROM public.registrations AS r
            UNION ALL
            SELECT r.user_id, r.event_id, 'unregister', r.deleted_at
            FROM public.registrations AS r
            WHERE r.deleted_at IS NOT NULL
            UNION ALL
            SELECT f.user_id, f.event_id, 'favorite', f.created_at
            FROM public.favorite_events AS f
            EXCEPT
            SELECT i.user_id, i.event_id, i.interaction_type, i.occurred_at
            FROM public.event_interactions AS i
        )
        UNION ALL
        (
            SELECT i.user_id, i.event_id, i.interaction_type, i.occurred_at
            FROM public.event_interactions AS i
            WHERE i.interaction_type IN ('register', 'unregister', 'favorite')
            EXCEPT
            SELECT r.user_id, r.event_id, t.kind, t.at
            FROM public.registrations AS r
            CROSS JOIN LATERAL (
                VALUES ('register', r.registration_time), ('unregister', r.deleted_at)
            ) AS t (kind, at)
            EXCEPT
            SELECT f.user_id, f.event_id, 'favorite', f.created_at
            FROM public.favorite_events AS f
        )
    """,
    "a student registers twice for one event": """
        SELECT r.user_id
        FROM public.registrations AS r
        GROUP BY r.user_id, r.event_id
        HAVING count(*) > 1
    """,
    "an event has more guests than seats": """
        SELECT e.id
        FROM public.events AS e
        WHERE e.max_seats < (
            SELECT count(*) FROM public.registrations AS r
            WHERE r.event_id = e.id AND r.deleted_at IS NULL
        )
    """,
    "an event has fewer than 3 or more than 6 tags, or ends before it starts": """
        SELECT e.id
        FROM public.events AS e
        INNER JOIN public.event_tags AS et ON et.event_id = e.id
        GROUP BY e.id
        HAVING count(*) NOT BETWEEN 3 AND 6 OR e.end_time <= e.start_time
    """,
    "a search asks for nothing, or for what does not exist": """
        SELECT i.id
        FROM public.event_interactions AS i
        WHERE i.interaction_type IN ('search', 'filter')
        AND (
            i.event_id IS NOT NULL
            OR NOT i.meta ?| ARRAY['tags', 'category', 'city']
            OR i.meta #>> '{tags,0}' NOT IN (SELECT t.name FROM public.tags AS t)
            OR i.meta ->> 'category' NOT IN (SELECT e.category FROM public.events AS e)
        )
    """,
}


@pytest.mark.parametrize("what", NEVER_TRUE)
def test_it_never_happens_that(what: str, lively: Connection[Record], run: Run) -> None:
    assert run(lively.fetch(NEVER_TRUE[what])) == []


def test_a_crowd_at_few_events_finds_seats(database_url: str, run: Run) -> None:
    crowded = replace(LIVELY, students=1500, upcoming_events=8, past_events=8)

    async def overbooked() -> tuple[int, list[Record]]:
        async with population(database_url, crowded) as connection:
            largest = await connection.fetchval("SELECT max(e.max_seats) FROM public.events AS e")
            return largest, await connection.fetch(
                NEVER_TRUE["an event has more guests than seats"]
            )

    largest, found = run(overbooked())
    assert largest > 120, "no event outgrew the seats it was planned with"
    assert found == []


ALWAYS_SOME = {
    "upcoming and past events": """
        SELECT
            count(*) FILTER (WHERE e.start_time >= recommender.as_of()),
            count(*) FILTER (WHERE e.end_time < recommender.as_of())
        FROM public.events AS e
    """,
    "drafts, cancelled, scheduled and limited events": """
        SELECT
            count(*) FILTER (WHERE e.status = 'draft'),
            count(*) FILTER (WHERE e.deleted_at IS NOT NULL),
            count(*) FILTER (WHERE e.publish_at > recommender.as_of()),
            count(*) FILTER (WHERE e.max_seats IS NOT NULL)
        FROM public.events AS e
    """,
    "full upcoming events": """
        SELECT count(*)
        FROM public.events AS e
        WHERE e.start_time > recommender.as_of() AND e.max_seats = (
            SELECT count(*) FROM public.registrations AS r
            WHERE r.event_id = e.id AND r.deleted_at IS NULL
        )
    """,
    "students of both languages, inactive ones, some without a city": """
        SELECT
            count(*) FILTER (WHERE u.language_preference = 'en'),
            count(*) FILTER (WHERE u.language_preference = 'ro'),
            count(*) FILTER (WHERE NOT u.is_active),
            count(*) FILTER (WHERE u.city IS NULL)
        FROM public.users AS u
        WHERE u.role = 'student'
    """,
    "guests who came and guests who did not": """
        SELECT count(*) FILTER (WHERE r.attended), count(*) FILTER (WHERE NOT r.attended)
        FROM public.registrations AS r
        INNER JOIN public.events AS e ON e.id = r.event_id
        WHERE e.end_time < recommender.as_of() AND r.deleted_at IS NULL
    """,
    "every kind of interaction": """
        SELECT count(*) FILTER (WHERE i.interaction_type = k.kind)
        FROM public.event_interactions AS i
        CROSS JOIN unnest(
            '{impression,click,view,dwell,share,favorite,register,unregister,search,filter}'::text[]
        ) AS k (kind)
        GROUP BY k.kind
    """,
    "hidden tags and blocked organizers": """
        SELECT
            (SELECT count(*) FROM public.user_hidden_tags AS h),
            (
                SELECT count(*)
                FROM public.user_blocked_organizers AS b
                INNER JOIN public.users AS u ON u.id = b.organizer_id AND u.role = 'organizer'
            )
    """,
}


@pytest.mark.parametrize("what", ALWAYS_SOME)
def test_there_are(what: str, lively: Connection[Record], run: Run) -> None:
    rows = run(lively.fetch(ALWAYS_SOME[what]))
    assert rows
    assert all(count > 0 for row in rows for count in row)


def test_there_is_one_admin_and_the_numbers_of_the_plan_are_kept(
    lively: Connection[Record], run: Run
) -> None:
    roles = run(lively.fetch("SELECT u.role, count(*) FROM public.users AS u GROUP BY u.role"))
    assert dict(map(tuple, roles)) == {"admin": 1, "organizer": 20, "student": 300}
    assert run(lively.fetchval("SELECT count(*) FROM public.tags")) == 500
    rows = run(lively.fetchval("SELECT count(*) FROM public.event_interactions"))
    assert 0.8 < rows / (300 * LIVELY.interactions_per_student) < 1.2


class TestBenchShape:
    def test_the_population_has_the_shape_benchmarks_are_compared_on(
        self, database_url: str, run: Run
    ) -> None:
        async def measure() -> tuple[list[str], list[int], list[int]]:
            async with population(database_url, BENCH) as connection:
                figures = await shape(connection, AS_OF)
                seen = await connection.fetchrow(
                    """
                    WITH
                    catalogue AS (
                        SELECT e.feature, e.attribute, count(*) AS events
                        FROM recommender.event_attributes AS e
                        INNER JOIN recommender.eligible_events AS g ON g.event_id = e.event_id
                        GROUP BY e.feature, e.attribute
                    ),
                    students AS (
                        SELECT count(*) AS attributes, sum(c.events) AS postings
                        FROM recommender.user_attributes AS u
                        LEFT JOIN catalogue AS c USING (feature, attribute)
                        GROUP BY u.user_id
                    )
                    SELECT
                        (SELECT count(*) FROM recommender.eligible_events),
                        min(s.attributes), max(s.attributes), min(s.postings), max(s.postings)
                    FROM students AS s
                    """
                )
                assert seen is not None
                measured = [
                    figures.eligible_events,
                    figures.fewest_attributes,
                    figures.most_attributes,
                    figures.fewest_postings,
                    figures.most_postings,
                ]
                return figures.departures(), measured, list(seen)

        departures, measured, seen = run(measure())
        assert departures == []
        assert measured == seen

    def test_a_share_of_students_can_come_from_few_profiles(
        self, database_url: str, run: Run
    ) -> None:
        plan = replace(
            BENCH, upcoming_events=200, past_events=200, repeat_share=0.6, repeat_profiles=10
        )

        async def distinct() -> int:
            async with population(database_url, plan) as connection:
                return (await shape(connection, AS_OF)).distinct_profiles

        assert 350 < run(distinct()) < 450

    def test_a_lively_population_is_recognised_as_another_shape(
        self, lively: Connection[Record], run: Run
    ) -> None:
        lacking = run(shape(lively, AS_OF)).departures()
        assert "20 to 24 attributes a student" in lacking
        assert "every upcoming event eligible" in lacking


class TestCommand:
    def test_a_filled_database_is_refused_unless_appending(self, target_url: str, run: Run) -> None:
        first = generate(target_url, *SMALL)
        assert first.returncode == 0, first.stderr
        assert first.stdout.startswith("20 students, 20 events (10 upcoming), ")
        again = generate(target_url, *SMALL)
        assert again.returncode == 1
        assert "already has users or events" in again.stderr
        assert "--append" in again.stderr

        async def ids() -> tuple[int, int, int, int]:
            connection = await connect(target_url)
            try:
                users = await connection.fetchval("SELECT count(*) FROM public.users")
                highest = await connection.fetchval("SELECT max(u.id) FROM public.users AS u")
                tags = await connection.fetchval("SELECT count(*) FROM public.tags")
                await connection.execute("BEGIN")
                fresh = await connection.fetchval(
                    "INSERT INTO public.users (email) VALUES ('new@eventrank.example') RETURNING id"
                )
                await connection.execute("ROLLBACK")
                return users, highest, tags, fresh - highest
            finally:
                await connection.close()

        users, highest, tags, _ = run(ids())
        assert generate(target_url, *SMALL, "--append", "--seed", "2").returncode == 0
        assert run(ids()) == (2 * users, 2 * highest, tags, 1)

    @pytest.mark.parametrize(
        ("flags", "named"),
        [
            (["--students", "many"], ["--students", "'many'"]),
            (["--students", "0"], ["--students", "'0'"]),
            (["--cities", "99"], ["--cities", "'99'"]),
            (["--tags", "5000"], ["--tags", "5000"]),
            (["--as-of", "yesterday"], ["--as-of", "'yesterday'"]),
            (["--events", "10", "--past-events", "10"], ["--past-events", "10"]),
            (["--repeat-share", "0.5"], ["--repeat-share", "bench"]),
        ],
    )
    def test_a_wrong_flag_is_named_with_its_value(self, flags: list[str], named: list[str]) -> None:
        refused = generate("postgresql://nobody@127.0.0.1:1/none", *flags)
        assert refused.returncode == 2
        assert all(part in refused.stderr for part in named)
        assert "Traceback" not in refused.stderr

    def test_a_database_without_tables_is_told_to_migrate(self, empty_database_url: str) -> None:
        refused = generate(empty_database_url, *SMALL)
        assert refused.returncode == 1
        assert "scripts/migrate.py" in refused.stderr
        assert "Traceback" not in refused.stderr

    def test_a_population_that_lacks_the_bench_shape_fails_the_assertion(
        self, target_url: str
    ) -> None:
        refused = generate(target_url, *SMALL, "--shape", "bench", "--tags", "6", "--assert-shape")
        assert refused.returncode == 1
        assert "it lacks 20 to 24 attributes a student" in refused.stderr
