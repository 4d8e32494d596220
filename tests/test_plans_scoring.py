"""What a session plans when tables are empty must not stay when they are huge.

One session a plan cache mode is open from the first row on; each call has come ten times before its
plans are looked at, so that what `auto` settles on is settled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.support.telemetry import interaction
from tests.support.worlds import AS_OF, FEATURES, open_session
from tests.test_plans import FLUSHED, NO_AUTOVACUUM, Planner, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

MODES = ("force_custom_plan", "force_generic_plan", "auto")
STAGES = ("empty", "tiny", "huge")
TIMES_BEFORE = 10
STUDENT = 1
SETTINGS = {
    "recommendations_online_learning_enabled": "true",
    "task_queue_enabled": "true",
    "recommendations_realtime_refresh_enabled": "true",
    "analytics_rate_limit": "1000000",
}

# Rows refer to rows that are there; checking each of them would take most of the time.
FILL = """
SET LOCAL session_replication_role = replica;
INSERT INTO users (id, email, role, city, language_preference)
SELECT n, n || '@example.org', 'student', 'City ' || n % 50, 'en'
FROM generate_series({first}, {students}) AS n;
INSERT INTO users (id, email, role, org_name)
SELECT 1000000 + n, 'organizer' || n || '@example.org', 'organizer', 'Organizer ' || n
FROM generate_series({first}, {events} / 100 + 1) AS n;
INSERT INTO tags (id, name)
SELECT n, 'tag ' || n FROM generate_series({first}, {events} / 200 + 1) AS n;
INSERT INTO events (
    id, title, category, city, start_time, owner_id, created_at, publish_at, status, max_seats
)
SELECT
    n, 'Event ' || n, 'Category ' || n % 20, 'City ' || n % 50,
    recommender.as_of()
    + CASE WHEN n <= {upcoming} THEN 1 + n % 60 ELSE - 1 - n % 700 END * interval '1 day',
    1000000 + 1 + n % ({events} / 100 + 1),
    recommender.as_of() - interval '800 days', recommender.as_of() - interval '800 days',
    'published', 1000
FROM generate_series({first}, {events}) AS n;
INSERT INTO event_tags (event_id, tag_id)
SELECT n, 1 + (n * k) % ({events} / 200 + 1)
FROM generate_series({first}, {events}) AS n, generate_series(1, 3) AS k
ON CONFLICT DO NOTHING;
INSERT INTO user_interest_tags (user_id, tag_id)
SELECT n, 1 + (n * k) % ({events} / 200 + 1)
FROM generate_series({first}, {students}) AS n, generate_series(1, 5) AS k
ON CONFLICT DO NOTHING;
INSERT INTO registrations (user_id, event_id, registration_time)
SELECT
    n, 1 + ({upcoming} + n * 31 + k * 977) % {events}, recommender.as_of() - interval '1 day'
FROM generate_series({first}, {students}) AS n, generate_series(1, {each}) AS k
ON CONFLICT DO NOTHING;
INSERT INTO event_interactions (user_id, event_id, interaction_type, occurred_at)
SELECT n, 1 + (n * 17 + k) % {events}, 'click', recommender.as_of() - k * interval '1 hour'
FROM generate_series({first}, {students}) AS n, generate_series(1, {each}) AS k;
INSERT INTO user_recommendations (
    user_id, rank, event_id, score, model_version, generated_at, reason
)
SELECT
    n, k, 1 + (n * 13 + k) % {upcoming}, 1 - k / 1000.0, 'm1', recommender.as_of(),
    'Recommended for you'
FROM generate_series({first}, {students}) AS n, generate_series(1, least(50, {upcoming})) AS k;
INSERT INTO recommendation_lists (user_id, model_version, generated_at, item_count, language)
SELECT n, 'm1', recommender.as_of(), least(50, {upcoming}), 'en'
FROM generate_series({first}, {students}) AS n
"""
SIZES = {
    "tiny": {"first": 1, "students": 1, "events": 1, "upcoming": 1, "each": 1},
    "huge": {"first": 2, "students": 10_000, "events": 200_000, "upcoming": 2000, "each": 20},
}

TABLE_OF = """
SELECT
    c.relname::text AS relation,
    coalesce(pg_partition_root(c.oid), c.oid)::regclass::text AS of_table
FROM pg_class AS c
WHERE
    c.relkind IN ('r', 'm')
    AND c.reltuples >= 5000
    AND c.relnamespace IN ('public'::regnamespace, 'recommender'::regnamespace)
"""
"""Nobody minds that a small one is read from end to end."""

HUGE = {
    "users", "events", "event_tags", "user_interest_tags", "registrations", "event_interactions",
    "user_recommendations", "recommendation_lists",
}  # fmt: skip
PAGE = """
SELECT * FROM recommender.get_events(
    $1, '{en}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, $2, 1, 20
)
"""


def batch() -> str:
    deeds = [interaction("click", event) for event in range(1, 11)]
    deeds.append(interaction("search", tags=["tag 7"], category="Category 3", city="City 4"))
    return json.dumps([deed | {"client_id": str(uuid4())} for deed in deeds])


CALLS: dict[str, tuple[str, Callable[[], tuple[object, ...]]]] = {
    "rank_events": ("SELECT * FROM recommender.rank_events($1, 20)", lambda: (STUDENT,)),
    "get_recommendations": (
        "SELECT * FROM recommender.get_recommendations($1, '{en}')", lambda: (STUDENT,),
    ),
    "get_events by time": (
        PAGE, lambda: (STUDENT, None),
    ),
    "get_events as recommended": (
        PAGE, lambda: (STUDENT, "recommended"),
    ),
    "record_interactions": (
        "SELECT * FROM recommender.record_interactions($1, $2)", lambda: (STUDENT, batch()),
    ),
}  # fmt: skip

MAY_READ_WHOLE = {
    # The answer's total counts the events.
    "get_events by time": {"events"},
    "get_events as recommended": {"events"},
}


@dataclass(frozen=True)
class Planned:
    """What the last of some calls did."""

    read_whole: dict[str, list[str]]
    """By the text of each statement in it, the big tables read from end to end."""
    indexes: set[str]


@pytest.fixture(scope="module")
def planned(database_url: str, run: Run) -> Iterator[dict[tuple[str, str, str], Planned]]:
    """Every call in every mode at every stage."""
    writer = run(open_session(database_url, AS_OF, **SETTINGS))
    if not run(writer.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
        run(writer.close())
        pytest.skip("only a superuser may load auto_explain")
    run(writer.execute(NO_AUTOVACUUM))
    run(writer.execute(FLUSHED))
    store = "SELECT recommender.store_model('m1', $1, $2, '{}')"
    run(writer.execute(store, FEATURES, [-1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, -0.5]))
    sessions = {mode: run(_open(database_url, mode)) for mode in MODES}
    found = {}
    for stage in STAGES:
        if stage in SIZES:
            run(writer.execute(FILL.format(**SIZES[stage])))
        run(writer.execute("SELECT recommender.refresh_upcoming_events()"))
        run(writer.execute("VACUUM (ANALYZE)"))
        table_of = {row["relation"]: row["of_table"] for row in run(writer.fetch(TABLE_OF))}
        assert set(table_of.values()) >= (HUGE if stage == "huge" else set())
        for mode, connection in sessions.items():
            planner = Planner(connection, run, table_of)
            for name, (sql, arguments) in CALLS.items():
                if name == "rank_events" and stage == "empty":
                    continue
                for _ in range(TIMES_BEFORE):
                    run(connection.fetch(sql, *arguments()))
                plans = planner.nested_plans(sql, *arguments())
                found[stage, mode, name] = Planned(
                    {text: planner.read_whole(plan) for text, plan in plans.items()},
                    {
                        node["Index Name"]
                        for plan in plans.values()
                        for node in walk(plan)
                        if "Index Name" in node
                    },
                )
    yield found
    for connection in (writer, *sessions.values()):
        run(connection.close())


async def _open(url: str, mode: str) -> Connection[Record]:
    connection = await open_session(url, AS_OF, **SETTINGS)
    await connection.execute(
        "LOAD 'auto_explain';"
        " SET auto_explain.log_min_duration = -1; SET auto_explain.log_format = json;"
        " SET auto_explain.log_analyze = on; SET auto_explain.log_timing = off;"
        " SET auto_explain.log_nested_statements = on; SET auto_explain.log_level = notice"
    )
    await connection.execute("SELECT set_config('plan_cache_mode', $1, false)", mode)
    return connection


def test_the_statements_inside_were_seen(planned: dict[tuple[str, str, str], Planned]) -> None:
    assert len(planned) == len(MODES) * (len(STAGES) * len(CALLS) - 1)
    assert all(len(seen.read_whole) >= 3 for seen in planned.values())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CALLS)
def test_no_call_reads_a_huge_table_from_end_to_end(
    name: str, mode: str, planned: dict[tuple[str, str, str], Planned]
) -> None:
    for text, tables in planned["huge", mode, name].read_whole.items():
        assert set(tables) <= MAY_READ_WHOLE.get(name, set()), text


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("name", "indexes"),
    [
        ("rank_events", {"registrations_user_event_idx"}),
        ("get_recommendations", {"user_recommendations_pkey", "registrations_user_event_idx"}),
        ("get_events as recommended", {"user_recommendations_pkey"}),
    ],
)
def test_what_belongs_to_a_student_is_found_by_the_students_index(
    name: str, indexes: set[str], mode: str, planned: dict[tuple[str, str, str], Planned]
) -> None:
    assert indexes <= planned["huge", mode, name].indexes
