"""The golden guardrail scenarios: every metric and action agrees."""

from __future__ import annotations

import csv
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from app.database import connect
from app.dataset import load_dataset
from tests.support.worlds import AS_OF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from asyncpg import Connection, Record

    from tests.support.runner import Run

pytestmark = pytest.mark.golden

Scenario = dict[str, Any]

INSERT = """
INSERT INTO event_interactions (user_id, event_id, interaction_type, occurred_at, meta)
SELECT user_id, event_id, interaction_type, occurred_at, meta_json::jsonb
FROM jsonb_to_recordset($1::jsonb) AS r (
    user_id integer, event_id integer, interaction_type text, occurred_at timestamptz,
    meta_json text
)
"""
COUNTED = ("impressions", "clicks", "conversions", "ctr", "conversion")


@pytest.fixture(scope="module")
def connection(database_url: str, golden_dir: Path, run: Run) -> Iterator[Connection[Record]]:
    async def open_world() -> Connection[Record]:
        connection = await connect(database_url, **{"recommender.as_of": AS_OF.isoformat()})
        await load_dataset(connection, golden_dir / "input")
        return connection

    connection = run(open_world())
    yield connection
    run(connection.close())


async def play(connection: Connection[Record], scenario: Scenario, rows: list[Any]) -> list[Any]:
    """Play a scenario in a transaction that is rolled back; give its results and what is left."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("TRUNCATE event_interactions, recommender_models")
        await connection.execute(INSERT, json.dumps(rows))
        await connection.execute("SET LOCAL recommender.as_of = '2026-01-01Z'")
        for version, is_active in scenario["models_before"]:
            await connection.execute(
                "SELECT recommender.store_model($1, recommender.feature_names(),"
                " array_fill(1.0::double precision, '{8}'), '{}', $2)",
                version,
                is_active or version == "m-old",
            )
        if not any(is_active for _, is_active in scenario["models_before"]):
            await connection.execute("UPDATE recommender_models SET is_active = false")
        await connection.execute(f"SET LOCAL recommender.as_of = '{AS_OF.isoformat()}'")
        for name, value in scenario["settings"].items():
            await connection.execute(
                "INSERT INTO recommender_settings (name, value) VALUES ($1, $2)",
                name,
                str(value).lower(),
            )
        outcomes = [
            json.loads(
                await connection.fetchval(
                    "SELECT recommender.evaluate_guardrails($1)", json.dumps(scenario["payload"])
                )
            )
            for _ in scenario["results"]
        ]
        models = await connection.fetch(
            "SELECT model_version, is_active FROM recommender_models ORDER BY id"
        )
        jobs = await connection.fetch("SELECT job_type, payload, status FROM background_jobs")
        replayed = await connection.fetch("SELECT action, replayed_verdict FROM guardrails")
    finally:
        await transaction.rollback()
    return [outcomes, [[*row] for row in models], jobs, replayed]


def test_every_scenario_agrees(
    connection: Connection[Record], golden_dir: Path, run: Run, note: Callable[[str], None]
) -> None:
    scenarios = json.loads((golden_dir / "guardrail_results.json").read_text(encoding="utf-8"))
    with gzip.open(golden_dir / "guardrail_logs.csv.gz", "rt", encoding="utf-8") as file:
        log = [{name: value or None for name, value in row.items()} for row in csv.DictReader(file)]
    run(connection.execute("SET search_path = public, recommender"))
    assert len(scenarios) == 20
    for scenario in scenarios:
        rows = [row for row in log if row["scenario"] == scenario["name"]]
        outcomes, models, jobs, replayed = run(play(connection, scenario, rows))
        for outcome, expected in zip(outcomes, scenario["results"], strict=True):
            action = expected.get("action", "disabled")
            assert outcome["action"] == action, scenario["name"]
            for name in COUNTED:
                assert outcome.get(name) == pytest.approx(expected.get(name), abs=1e-12), (
                    scenario["name"],
                    name,
                )
            for name in ("ctr_ok", "conversion_ok", "rolled_back_from", "rolled_back_to"):
                assert outcome.get(name) == expected.get(name), (scenario["name"], name)
        assert models == scenario["models_after"], scenario["name"]
        assert [(job["job_type"], json.loads(job["payload"]), job["status"]) for job in jobs] == [
            (job_type, payload, status) for job_type, _, payload, status in scenario["jobs_after"]
        ], scenario["name"]
        for row in replayed:
            worse = {"rollback", "no_previous_model", "no_active_model", "skip_cooldown"}
            verdict = "worse" if row["action"] in worse else row["action"]
            assert row["replayed_verdict"] == verdict, scenario["name"]
    note(f"golden: {len(scenarios)} guardrail scenarios agree in every metric and action")
