"""How telemetry gets at the rows: a batch costs what is in it, however many there are of all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from app.population import Plan, generate_population, settle
from tests.support.telemetry import interaction
from tests.support.worlds import AS_OF, FEATURES, open_session
from tests.test_plans import FLUSHED, TABLE_OF, Planner, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

    Node = dict[str, Any]

POPULATION = Plan(
    as_of=AS_OF,
    shape="bench",
    students=5000,
    upcoming_events=2000,
    past_events=2000,
    organizers=200,
    tags=1280,
    categories=20,
    cities=24,
    days=60,
    interactions_per_student=8,
    experiment_percent=50,
    zipf=1.0,
    seed=1337,
)
SETTINGS = {
    "recommendations_online_learning_enabled": "true",
    "task_queue_enabled": "true",
    "recommendations_realtime_refresh_enabled": "true",
    "analytics_rate_limit": "1000000",
}
# What a site has after a while: lists, hidden tags, interests, a queue with a past, receipts.
FILL = """
INSERT INTO recommendation_lists (user_id, model_version, generated_at, item_count)
SELECT s.user_id, 'm1', recommender.as_of(), 0 FROM recommender.source_students AS s;
INSERT INTO user_hidden_tags (user_id, tag_id)
SELECT s.user_id, 1 + s.user_id % 1000 FROM recommender.source_students AS s;
INSERT INTO user_implicit_interest_tags (user_id, tag_id, score)
SELECT s.user_id, n, 1 FROM recommender.source_students AS s, generate_series(1, 10) AS n;
INSERT INTO user_implicit_interest_categories (user_id, category, score)
SELECT s.user_id, n, 1 FROM recommender.source_students AS s, generate_series(1, 5) AS n;
INSERT INTO user_implicit_interest_cities (user_id, city, score)
SELECT s.user_id, n, 1 FROM recommender.source_students AS s, generate_series(1, 3) AS n;
INSERT INTO background_jobs (job_type, dedupe_key, payload, status)
SELECT
    'refresh_user_recommendations_ml',
    s.user_id,
    jsonb_build_object('user_id', s.user_id, 'top_n', 50, 'skip_training', true),
    CASE WHEN s.user_id % 5 = 0 THEN 'queued' ELSE 'succeeded' END
FROM recommender.source_students AS s;
INSERT INTO interaction_receipts (user_id, client_id, received_at)
SELECT s.user_id, gen_random_uuid(), recommender.as_of()
FROM recommender.source_students AS s, generate_series(1, 4);
INSERT INTO analytics_rate_limits (client, request_count, window_ends_at)
SELECT 'user ' || s.user_id, 1, recommender.as_of() FROM recommender.source_students AS s
"""
GROWS = {
    "users",
    "events",
    "event_tags",
    "event_interactions",
    "user_hidden_tags",
    "user_implicit_interest_tags",
    "user_implicit_interest_categories",
    "user_implicit_interest_cities",
    "recommendation_lists",
    "background_jobs",
    "interaction_receipts",
    "analytics_rate_limits",
}
CALL = "SELECT * FROM recommender.record_interactions($1, $2)"


@pytest.fixture(scope="module")
def explainer(database_url: str, run: Run) -> Iterator[Planner]:
    async def populate() -> tuple[Connection[Record], dict[str, str]]:
        connection = await open_session(database_url, AS_OF, **SETTINGS)
        await connection.execute(FLUSHED)
        await generate_population(connection, POPULATION)
        await settle(connection)
        await connection.execute(
            "SELECT recommender.store_model('m1', $1, $2, '{}')", FEATURES, [0.0] * 8
        )
        await connection.execute(FILL)
        await connection.execute("VACUUM (ANALYZE)")
        rows = await connection.fetch(TABLE_OF)
        return connection, {row["relation"]: row["of_table"] for row in rows}

    connection, table_of = run(populate())
    if not run(connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
        pytest.skip("only a superuser may load auto_explain")
    assert set(table_of.values()) >= GROWS
    run(
        connection.execute(
            "LOAD 'auto_explain';"
            " SET auto_explain.log_min_duration = -1; SET auto_explain.log_format = json;"
            " SET auto_explain.log_analyze = on; SET auto_explain.log_timing = off;"
            " SET auto_explain.log_nested_statements = on; SET auto_explain.log_level = notice"
        )
    )
    yield Planner(connection, run, table_of)
    run(connection.close())


@pytest.fixture(scope="module")
def student(explainer: Planner) -> int:
    query = "SELECT min(s.user_id) + 1000 FROM recommender.source_students AS s"
    return int(explainer.run(explainer.connection.fetchval(query)))


def clicks() -> str:
    """Give a batch of twenty: eighteen events, a search, and an event that is not there."""
    batch = [interaction("click", event * 37 + 3) for event in range(18)]
    batch += [
        interaction("search", tags=["jazz", "no such tag"], category="Music", city="Cluj"),
        interaction("click", 99_999_999),
    ]
    return json.dumps([deed | {"client_id": str(uuid4())} for deed in batch])


def plans_of(explainer: Planner, student: int | None, batch: str) -> dict[str, Node]:
    """Explain a call that has come before, so that the plans are those that stay."""
    for _ in range(6):
        explainer.run(explainer.connection.execute(CALL, student, clicks()))
    return explainer.nested_plans(CALL, student, batch)


@pytest.mark.parametrize("name", ["student", "visitor"])
def test_a_batch_reads_whole_no_table_that_grows(
    name: str, explainer: Planner, student: int
) -> None:
    plans = plans_of(explainer, student if name == "student" else None, clicks())
    assert any("INSERT INTO public.event_interactions" in text for text in plans)
    for text, plan in plans.items():
        assert set(explainer.read_whole(plan)) & GROWS == set(), text


def test_events_and_tags_are_looked_up_one_by_one(explainer: Planner, student: int) -> None:
    """A hash join would read all events for a batch of twenty."""
    plans = plans_of(explainer, student, clicks())
    asked = {
        text: plan
        for text, plan in plans.items()
        if {"events", "event_tags"} & {node.get("Relation Name") for node in walk(plan)}
    }
    assert any("source_event_tags" in text for text in asked)
    for text, plan in asked.items():
        kinds = {node["Node Type"] for node in walk(plan)}
        assert kinds & {"Hash Join", "Merge Join", "Bitmap Heap Scan"} == set(), text


def test_only_a_search_goes_through_the_tags(explainer: Planner, student: int) -> None:
    def whole(batch: str) -> list[str]:
        return [
            text
            for text, plan in plans_of(explainer, student, batch).items()
            if "tags" in explainer.read_whole(plan)
        ]

    assert whole(json.dumps([interaction("click", 40)])) == []
    (search,) = whole(json.dumps([interaction("search", tags=["jazz"])]))
    assert "char_length" in search, "names of another length are not normalised"


def test_a_batch_of_impressions_touches_no_interest(explainer: Planner, student: int) -> None:
    batch = json.dumps([interaction("impression", event) for event in range(1, 21)])
    for text in plans_of(explainer, student, batch):
        assert "INSERT INTO public.user_implicit" not in text
        assert "source_hidden_tags" not in text
        assert "enqueue_job" not in text
