#!/usr/bin/env python3
"""Put the jobs of a schedule into the queue: what cron runs at night."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.arguments import whole_number
from app.console import UserError, console, print_result, run
from app.database import connect, database_url

if TYPE_CHECKING:
    from asyncpg import Connection, Record

INSTALLED = "SELECT to_regproc('recommender.enqueue_job') IS NOT NULL"
QUEUE_ENABLED = "SELECT p.queue_enabled FROM recommender.parameters AS p"

# A job is as old as the transaction that queued it.
ENQUEUE = """
SELECT j.id, j.created_at = now() AS is_new
FROM recommender.enqueue_job($1, $2, 'all') AS j
"""


@dataclass(frozen=True)
class ScheduledJob:
    """A job to put into the queue."""

    job_type: str
    payload: dict[str, int] = field(default_factory=dict)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="DATABASE_URL names the database (unset: the embedded one). A job that is queued "
        "already is not queued again.",
    )
    parser.add_argument(
        "--retrain-ml",
        action="store_true",
        help="train a model, activate it, and write everybody's list (python -m app.worker does)",
    )
    parser.add_argument(
        "--guardrails",
        action="store_true",
        help="compare the sorts of the events list, and roll the model back when it does worse",
    )
    parser.add_argument(
        "--retention",
        action="store_true",
        help="make partitions ahead, and remove telemetry and ended jobs that are old enough",
    )
    parser.add_argument("--all", action="store_true", help="all of these")
    parser.add_argument(
        "--top-n",
        type=whole_number(1, 10_000),
        metavar="N",
        help="events in a list that the retrained model writes",
    )
    options = parser.parse_args(arguments)
    if not (options.all or options.retrain_ml or options.guardrails or options.retention):
        parser.error("nothing to enqueue: give --retrain-ml, --guardrails, --retention or --all")
    if options.top_n and not (options.all or options.retrain_ml):
        parser.error("--top-n belongs to --retrain-ml (or --all)")
    return options


def chosen_jobs(options: argparse.Namespace) -> list[ScheduledJob]:
    """Give the jobs asked for; guardrails come first, to judge before there is another model."""
    jobs = []
    if options.all or options.guardrails:
        jobs.append(ScheduledJob("evaluate_personalization_guardrails"))
    if options.all or options.retrain_ml:
        payload = {"top_n": options.top_n} if options.top_n else {}
        jobs.append(ScheduledJob("recompute_recommendations_ml", payload))
    if options.all or options.retention:
        jobs.append(ScheduledJob("apply_analytics_retention"))
    return jobs


async def main() -> int:
    """Run the command."""
    jobs = chosen_jobs(parse_arguments())
    connection = await connect(database_url())
    try:
        if not await connection.fetchval(INSTALLED):
            raise UserError("there is no queue here: run .venv/bin/python scripts/migrate.py first")
        lines = await _enqueue(connection, jobs)
        is_enabled = await connection.fetchval(QUEUE_ENABLED)
    finally:
        await connection.close()
    for line in lines:
        print_result(line)
    if not is_enabled:
        console.print(
            "warning: TASK_QUEUE_ENABLED is false in this database, so nothing runs these jobs: "
            "they wait until it is true",
            style="yellow",
            soft_wrap=True,
        )
    return 0


async def _enqueue(connection: Connection[Record], jobs: list[ScheduledJob]) -> list[str]:
    lines = []
    async with connection.transaction():
        for job in jobs:
            row = await connection.fetchrow(ENQUEUE, job.job_type, json.dumps(job.payload))
            assert row is not None
            outcome = "queued" if row["is_new"] else "already queued"
            lines.append(f"{row['id']}\t{job.job_type}\t{outcome}")
    return lines


if __name__ == "__main__":
    run(main())
