"""Simulated traffic: what students were shown by the recommender, and a history that could be."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.database import connect
from app.population import Plan, Traffic, generate_population, settle, simulate_traffic
from app.population.students import experiment_bucket
from tests.test_generate_population import NEVER_TRUE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.databases import Databases
    from tests.support.runner import Run

    Rows = dict[str, list[tuple[Any, ...]]]
    """By table."""

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEGIN = AS_OF - timedelta(days=14)
PLAN = Plan(
    as_of=AS_OF,
    shape="lively",
    students=150,
    upcoming_events=60,
    past_events=60,
    organizers=10,
    tags=300,
    categories=12,
    cities=6,
    days=90,
    interactions_per_student=120,
    experiment_percent=50,
    zipf=1.0,
    seed=1337,
    quiet_days=14,
)
TRAFFIC = Traffic(until=AS_OF, days=14, visits=0.5, seed=7)
SETTINGS = """
    INSERT INTO recommender_settings (name, value, source)
    VALUES
    ('experiments_personalization_ml_percent', '50', 'admin'),
    ('recommendations_online_learning_enabled', 'true', 'admin')
"""
ONE_SEAT_LEFT = """
    UPDATE events AS e SET max_seats = 1 + (
        SELECT count(*) FROM registrations AS r WHERE r.event_id = e.id AND r.deleted_at IS NULL
    )
    WHERE e.id % 3 = 0
"""
LEARNING = "SELECT set_config('recommender.recommendations_online_learning_enabled', $1, true)"
STAND_AT = "SELECT set_config('recommender.as_of', $1, true)"
PAGES = """
    SELECT
        i.user_id,
        array_agg(i.event_id ORDER BY (i.meta ->> 'position')::integer) AS event_ids,
        array_agg((i.meta ->> 'position')::integer ORDER BY i.occurred_at) AS positions
    FROM event_interactions AS i
    WHERE
        i.interaction_type = 'impression'
        AND i.meta ->> 'sort' = 'recommended'
        AND i.occurred_at BETWEEN $1 AND $1 + interval '1 day'
    GROUP BY i.user_id
    ORDER BY i.user_id
    LIMIT 20
"""
RANKED = "SELECT k.event_id FROM recommender.rank_events($1, 50) AS k ORDER BY k.rank"
WRITTEN = {
    "event_interactions": (
        "SELECT i.user_id, i.event_id, i.interaction_type, i.occurred_at, i.meta::text"
        " FROM event_interactions AS i WHERE i.occurred_at >= $1 ORDER BY 1, 4, 3, 2, 5"
    ),
    "registrations": (
        "SELECT r.user_id, r.event_id, r.registration_time, r.attended, r.deleted_at"
        " FROM registrations AS r WHERE r.registration_time >= $1 ORDER BY 1, 2, 3"
    ),
    "favorite_events": (
        "SELECT f.user_id, f.event_id, f.created_at"
        " FROM favorite_events AS f WHERE f.created_at >= $1 ORDER BY 1, 2, 3"
    ),
}


def command(url: str, script: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPTS / script), *flags],
        env=os.environ | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def quiet(databases: Databases, run: Run) -> Iterator[str]:
    """A population of which nobody has been seen for two weeks, and a model of that moment."""

    async def make(url: str) -> None:
        connection = await connect(url)
        try:
            await generate_population(connection, PLAN)
            await settle(connection)
            await connection.execute(SETTINGS)
            await connection.execute(ONE_SEAT_LEFT)
        finally:
            await connection.close()

    with databases.migrated() as url:
        run(make(url))
        trained = command(
            url, "recompute_recommendations_ml.py", f"--as-of={BEGIN.isoformat()}", "--jobs=1"
        )
        assert trained.returncode == 0, trained.stderr
        yield url


@contextmanager
def visited(
    url: str, run: Run, traffic: Traffic, *, is_learning: bool = True
) -> Iterator[Connection[Record]]:
    """Let them visit in a transaction that is never committed."""
    connection = run(connect(url))
    transaction = connection.transaction()
    run(transaction.start())
    try:
        run(connection.execute(LEARNING, str(is_learning).lower()))
        run(simulate_traffic(connection, traffic))
        run(connection.execute(STAND_AT, str(AS_OF)))
        yield connection
    finally:
        run(transaction.rollback())
        run(connection.close())


@pytest.fixture(scope="module")
def attempts(quiet: str, run: Run) -> list[Rows]:
    """What three traffics write, one after the other: they would wait for each other."""
    rows = []
    for seed in (TRAFFIC.seed, TRAFFIC.seed, 8):
        with visited(quiet, run, replace(TRAFFIC, days=4, seed=seed)) as connection:
            rows.append(written(connection, run))
    return rows


@pytest.fixture(scope="module")
def pages(quiet: str, run: Run) -> list[tuple[Record, list[int]]]:
    """Recommended pages of one day, each with what the recommender ranked when it began.

    Nothing is learned: implicit interests are state, and no past moment brings them back.
    """
    begin = AS_OF - timedelta(days=2)
    with visited(quiet, run, replace(TRAFFIC, days=3), is_learning=False) as connection:
        seen = run(connection.fetch(PAGES, begin))
        run(connection.execute(STAND_AT, str(begin)))
        return [
            (page, [row["event_id"] for row in run(connection.fetch(RANKED, page["user_id"]))])
            for page in seen
        ]


@pytest.fixture(scope="module")
def busy(
    quiet: str, run: Run, attempts: list[Rows], pages: list[tuple[Record, list[int]]]
) -> Iterator[Connection[Record]]:
    """The database after TRAFFIC; its transaction stays open, so it comes after the others."""
    assert attempts
    assert pages
    with visited(quiet, run, TRAFFIC) as connection:
        yield connection


def written(connection: Connection[Record], run: Run) -> Rows:
    return {
        table: [tuple(row) for row in run(connection.fetch(sql, BEGIN))]
        for table, sql in WRITTEN.items()
    }


class TestRepeatability:
    def test_the_same_traffic_gives_the_same_rows(self, attempts: list[Rows]) -> None:
        first, again, _ = attempts
        assert all(first.values())
        assert again == first

    def test_another_seed_gives_other_rows(self, attempts: list[Rows]) -> None:
        first, _, other = attempts
        assert all(first[table] != other[table] for table in WRITTEN)


@pytest.mark.parametrize("what", NEVER_TRUE)
def test_it_never_happens_that(what: str, busy: Connection[Record], run: Run) -> None:
    assert run(busy.fetch(NEVER_TRUE[what])) == []


def test_the_last_seats_are_taken_and_no_more(busy: Connection[Record], run: Run) -> None:
    full = run(
        busy.fetch(
            "SELECT e.max_seats, e.seats_taken FROM (SELECT e.id, e.max_seats, ("
            " SELECT count(*) FROM registrations AS r WHERE r.event_id = e.id"
            " AND r.deleted_at IS NULL) AS seats_taken FROM events AS e) AS e"
            " WHERE e.id IN (SELECT r.event_id FROM registrations AS r"
            " WHERE r.registration_time >= $1) AND e.seats_taken >= e.max_seats",
            BEGIN,
        )
    )
    assert len(full) > 3
    assert all(row["seats_taken"] == row["max_seats"] for row in full)


def test_a_page_of_the_treated_is_what_the_recommender_ranked_when_the_day_began(
    pages: list[tuple[Record, list[int]]],
) -> None:
    assert len(pages) > 10
    for page, ranked in pages:
        shown = page["event_ids"]
        assert page["positions"] == list(range(len(shown)))
        # What began or was taken in the course of the day is left out, nothing else changes.
        assert shown == [event_id for event_id in ranked if event_id in shown]
        assert ranked.index(shown[-1]) < len(shown) + 3


def test_the_experiments_buckets_decide_how_a_students_lists_are_sorted(
    busy: Connection[Record], run: Run
) -> None:
    rows = run(
        busy.fetch(
            "SELECT DISTINCT i.user_id, i.meta ->> 'sort' AS sort, i.meta -> 'sort_explicit' AS x"
            " FROM event_interactions AS i"
            " WHERE i.interaction_type = 'impression' AND i.occurred_at >= $1",
            BEGIN,
        )
    )
    assert len(rows) > 100
    for row in rows:
        is_treated = experiment_bucket(row["user_id"]) < 50
        assert row["sort"] == ("recommended" if is_treated else "time")
        assert row["x"] == "false"


def test_recommended_lists_are_clicked_more_and_the_top_of_a_list_more_than_its_end(
    busy: Connection[Record], run: Run
) -> None:
    rates = {
        (row["sort"], row["is_top"]): row["rate"]
        for row in run(
            busy.fetch(
                """
                SELECT
                    i.meta ->> 'sort' AS sort,
                    (i.meta ->> 'position')::integer < 5 AS is_top,
                    count(*) FILTER (WHERE i.interaction_type = 'click')::float8
                    / count(*) FILTER (WHERE i.interaction_type = 'impression') AS rate
                FROM event_interactions AS i
                WHERE i.meta ->> 'source' = 'events_list' AND i.occurred_at >= $1
                GROUP BY 1, 2
                """,
                BEGIN,
            )
        )
    }
    assert rates["recommended", True] > 1.2 * rates["time", True]
    assert rates["recommended", True] > rates["recommended", False] > 0
    assert rates["time", True] > rates["time", False] > 0


def test_interests_are_learned_from_what_was_done(busy: Connection[Record], run: Run) -> None:
    [(learned, latest)] = run(
        busy.fetch(
            "SELECT count(DISTINCT t.user_id), max(t.last_seen_at)"
            " FROM user_implicit_interest_tags AS t"
        )
    )
    assert learned > 50
    assert BEGIN < latest < AS_OF


class TestCommand:
    def test_it_says_in_a_line_what_came_of_it(self, databases: Databases) -> None:
        with databases.migrated() as url:
            made = command(
                url,
                "generate_population.py",
                "--students=20",
                "--events=20",
                f"--as-of={AS_OF.isoformat()}",
            )
            assert made.returncode == 0, made.stderr
            refused = command(url, "simulate_traffic.py", f"--as-of={AS_OF.isoformat()}")
            assert refused.returncode == 1
            assert "there is no model whose lists students could see" in refused.stderr
            assert "recompute_recommendations_ml.py" in refused.stderr
            trained = command(
                url, "recompute_recommendations_ml.py", f"--as-of={AS_OF.isoformat()}"
            )
            assert trained.returncode == 0, trained.stderr
            done = command(
                url, "simulate_traffic.py", f"--as-of={AS_OF.isoformat()}", "--days=2", "--visits=2"
            )
            assert done.returncode == 0, done.stderr
            [line] = done.stdout.splitlines()
            assert line.startswith("2 days to 2026-03-01T12:00:00+00:00: ")
            # Nobody is in the experiment as long as nothing says so.
            assert " 0 impressions by taste" in line

    def test_students_whose_tastes_are_not_known_are_left_alone(
        self, databases: Databases, run: Run
    ) -> None:
        async def prepare(url: str) -> None:
            connection = await connect(url)
            try:
                await connection.execute(
                    "INSERT INTO recommender_models (model_version, feature_names, weights)"
                    " SELECT 'm', recommender.feature_names(), array_fill(0.1::float8, ARRAY[8])"
                )
            finally:
                await connection.close()

        with databases.migrated() as url:
            run(prepare(url))
            refused = command(url, "simulate_traffic.py")
        assert refused.returncode == 1
        assert "no synthetic population" in refused.stderr
        assert "generate_population.py" in refused.stderr

    def test_a_database_without_the_recommender_is_told_to_migrate(
        self, empty_database_url: str
    ) -> None:
        refused = command(empty_database_url, "simulate_traffic.py")
        assert refused.returncode == 1
        assert "scripts/migrate.py" in refused.stderr

    @pytest.mark.parametrize(
        ("flags", "named"),
        [
            (["--days", "0"], ["--days", "'0'"]),
            (["--visits", "many"], ["--visits", "'many'"]),
            (["--seed", "-1"], ["--seed", "'-1'"]),
            (["--as-of", "2150-01-01"], ["--as-of", "2150-01-01", "not come yet"]),
        ],
    )
    def test_a_wrong_flag_is_named_with_its_value(self, flags: list[str], named: list[str]) -> None:
        refused = command("postgresql://nobody@127.0.0.1:1/none", "simulate_traffic.py", *flags)
        assert refused.returncode == 2
        assert all(part in refused.stderr for part in named)
        assert "Traceback" not in refused.stderr


class TestQuietDays:
    def test_nobody_does_anything_in_the_quiet_days(self, quiet: str, run: Run) -> None:
        async def later() -> int:
            connection = await connect(quiet)
            try:
                return int(
                    await connection.fetchval(
                        "SELECT (SELECT count(*) FROM event_interactions WHERE occurred_at >= $1)"
                        " + (SELECT count(*) FROM registrations"
                        " WHERE greatest(registration_time, deleted_at) >= $1)",
                        BEGIN,
                    )
                )
            finally:
                await connection.close()

        assert run(later()) == 0

    @pytest.mark.parametrize(
        ("flags", "named"),
        [
            (["--days=30", "--quiet-days=30"], ["--quiet-days 30", "--days 30"]),
            (["--shape=bench", "--quiet-days=3"], ["--quiet-days", "bench"]),
        ],
    )
    def test_days_that_leave_no_history_are_refused(
        self, flags: list[str], named: list[str]
    ) -> None:
        refused = command("postgresql://nobody@127.0.0.1:1/none", "generate_population.py", *flags)
        assert refused.returncode == 2
        assert all(part in refused.stderr for part in named)
