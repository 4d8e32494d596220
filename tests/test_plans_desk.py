"""How the desk gets at the rows: a few days cost a few days, and a student's page one student."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.population import generate_population, settle
from tests.support.worlds import AS_OF, FEATURES, open_session
from tests.test_plans import (
    FLUSHED,
    LISTS,
    NO_AUTOVACUUM,
    POPULATION,
    STUDENT_SIDE,
    TABLE_OF,
    Planner,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

    Node = dict[str, Any]

ADMIN = 1_000_000


@pytest.fixture(scope="module")
def desk(database_url: str, run: Run) -> Iterator[Planner]:
    async def populate() -> tuple[Connection[Record], dict[str, str]]:
        connection = await open_session(database_url, AS_OF)
        await connection.execute(NO_AUTOVACUUM)
        await connection.execute(FLUSHED)
        await generate_population(connection, POPULATION)
        await settle(connection)
        await connection.execute(
            "INSERT INTO users (id, email, role) VALUES ($1, 'boss@example.org', 'admin')", ADMIN
        )
        weights = [-2.0, 1.5, 0.8, 0.6, 0.5, 0.4, 0.3, -0.2]
        await connection.execute(
            "SELECT recommender.store_model('m1', $1, $2, '{}')", FEATURES, weights
        )
        await connection.execute("SELECT recommender.refresh_features()")
        await connection.execute("CALL recommender.score_all(30)")
        await connection.execute("VACUUM (ANALYZE)")
        rows = await connection.fetch(TABLE_OF)
        return connection, {row["relation"]: row["of_table"] for row in rows}

    connection, table_of = run(populate())
    if not run(connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
        pytest.skip("only a superuser may load auto_explain")
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


def telemetry_rows(plans: dict[str, Node]) -> int:
    """Count the rows of telemetry that the statements looked at."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for plan in plans.values()
        for node in walk(plan)
        if node.get("Relation Name", "").startswith("event_interactions")
    )


def since(desk: Planner, days: int) -> int:
    """Count the interactions of the last days, today included."""
    start = AS_OF.replace(hour=0) - timedelta(days=days - 1)
    query = "SELECT count(*) FROM event_interactions WHERE occurred_at BETWEEN $1 AND $2"
    return int(desk.run(desk.connection.fetchval(query, start, AS_OF)))


@pytest.mark.parametrize("days", [1, 2, 7])
def test_variants_read_the_telemetry_of_the_days_asked_for(days: int, desk: Planner) -> None:
    call = "SELECT * FROM recommender.get_desk_variants($1, $2)"
    plans = desk.nested_plans(call, ADMIN, str(days))
    read, whole = telemetry_rows(plans), since(desk, 100)
    assert 0 < read <= since(desk, days) < whole / 3


@pytest.mark.parametrize(
    "call", ["get_desk_overview($1)", "get_desk_models($1)", "get_desk_jobs($1)"]
)
def test_other_pages_read_no_telemetry(call: str, desk: Planner) -> None:
    plans = desk.nested_plans(f"SELECT * FROM recommender.{call}", ADMIN)  # noqa: S608
    assert len(plans) > 1
    assert telemetry_rows(plans) == 0


def test_a_students_page_reads_no_other_students_rows(desk: Planner) -> None:
    query = "SELECT min(s.user_id) + 700 FROM recommender.source_students AS s"
    student = desk.run(desk.connection.fetchval(query))
    call = "SELECT * FROM recommender.get_desk_student($1, $2)"
    for _ in range(6):
        desk.run(desk.connection.execute(call, ADMIN, student))
    plans = desk.nested_plans(call, ADMIN, student)
    assert any("user_recommendations" in str(plan) for plan in plans.values())
    for text, plan in plans.items():
        assert set(desk.read_whole(plan)) & (STUDENT_SIDE | LISTS) == set(), text
