"""The plans of the populations in a database: tastes are drawn from them again, never stored."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app.population.world import Plan

if TYPE_CHECKING:
    from asyncpg import Connection, Record

TABLE = """
    CREATE SCHEMA IF NOT EXISTS population;
    CREATE TABLE IF NOT EXISTS population.plans (
        first_student_id bigint PRIMARY KEY,
        first_organizer_id bigint NOT NULL,
        plan jsonb NOT NULL
    );
    COMMENT ON SCHEMA population IS
    'Made by scripts/generate_population.py, for scripts/simulate_traffic.py and the demo only.';
    COMMENT ON TABLE population.plans IS
    'One row is one synthetic population: its first ids, and the plan all of it is drawn from.';
"""
FORGET = "DELETE FROM population.plans WHERE first_student_id >= $1"
"""A population's ids begin above all there are: whoever had such ones is gone."""
KEEP = """
    INSERT INTO population.plans (first_student_id, first_organizer_id, plan)
    VALUES ($1, $2, $3::text::jsonb)
"""
HAS_PLANS = "SELECT to_regclass('population.plans') IS NOT NULL"
PLANS = """
    SELECT p.first_student_id, p.first_organizer_id, p.plan::text AS plan
    FROM population.plans AS p
    WHERE p.plan ->> 'shape' = 'lively'
    ORDER BY p.first_student_id
"""


@dataclass(frozen=True, kw_only=True)
class KeptPlan:
    """A population that is in the database."""

    plan: Plan
    first_student_id: int
    first_organizer_id: int


async def keep_plan(
    connection: Connection[Record], plan: Plan, first_student_id: int, first_organizer_id: int
) -> None:
    """Write down what the population was drawn from."""
    await connection.execute(TABLE)
    await connection.execute(FORGET, first_student_id)
    fields = asdict(plan) | {"as_of": plan.as_of.isoformat()}
    await connection.execute(KEEP, first_student_id, first_organizer_id, json.dumps(fields))


async def kept_plans(connection: Connection[Record]) -> list[KeptPlan]:
    """Give the lively populations of the database; none where it has other users only."""
    if not await connection.fetchval(HAS_PLANS):
        return []
    return [
        KeptPlan(
            plan=_read_plan(row["plan"]),
            first_student_id=row["first_student_id"],
            first_organizer_id=row["first_organizer_id"],
        )
        for row in await connection.fetch(PLANS)
    ]


def _read_plan(text: str) -> Plan:
    fields = json.loads(text)
    return Plan(**fields | {"as_of": datetime.fromisoformat(fields["as_of"])})
