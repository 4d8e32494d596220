"""scripts/enqueue_scheduled_jobs.py, as cron runs it: what is queued, said and refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.console import EXIT_FAILURE, EXIT_USAGE
from app.database import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "enqueue_scheduled_jobs.py"
SECONDS = 60

GUARDRAILS = "evaluate_personalization_guardrails"
RETRAINING = "recompute_recommendations_ml"
RETENTION = "apply_analytics_retention"


class Cron:
    """The command on one database, and a session that looks at what it did."""

    def __init__(self, url: str, connection: Connection[Record], run: Run) -> None:
        self.url = url
        self.connection = connection
        self.run = run

    def __call__(self, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", str(SCRIPT), *flags],
            env=os.environ
            | {"DATABASE_URL": self.url, "SECRET_KEY": "any-value", "COLUMNS": "200"}
            | environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def jobs(self) -> list[tuple[object, ...]]:
        """Type, key and payload of what is queued, the first one first."""
        rows = self.run(
            self.connection.fetch(
                "SELECT job_type, dedupe_key, payload FROM background_jobs"
                " WHERE status = 'queued' AND run_at <= now() ORDER BY id"
            )
        )
        return [(row["job_type"], row["dedupe_key"], json.loads(row["payload"])) for row in rows]

    def switch_queue(self, value: str) -> None:
        self.run(
            self.connection.execute(
                "INSERT INTO recommender_settings (name, value) VALUES ('task_queue_enabled', $1)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                value,
            )
        )


@pytest.fixture
def cron(database_url: str, run: Run) -> Iterator[Cron]:
    connection = run(connect(database_url))
    run(connection.execute("TRUNCATE background_jobs, recommender_settings RESTART IDENTITY"))
    cron = Cron(database_url, connection, run)
    cron.switch_queue("true")
    yield cron
    run(connection.close())


@pytest.mark.parametrize(
    ("flags", "jobs"),
    [
        (["--retrain-ml"], [(RETRAINING, "all", {})]),
        (["--retrain-ml", "--top-n", "50"], [(RETRAINING, "all", {"top_n": 50})]),
        (["--guardrails"], [(GUARDRAILS, "all", {})]),
        (["--retention"], [(RETENTION, "all", {})]),
        # The old model is judged before there is a new one.
        (["--retrain-ml", "--guardrails"], [(GUARDRAILS, "all", {}), (RETRAINING, "all", {})]),
        (
            ["--all", "--top-n", "20"],
            [(GUARDRAILS, "all", {}), (RETRAINING, "all", {"top_n": 20}), (RETENTION, "all", {})],
        ),
    ],
)
def test_what_is_chosen_is_queued_and_said(
    flags: list[str], jobs: list[tuple[object, ...]], cron: Cron
) -> None:
    done = cron(*flags)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [f"{number}\t{job[0]}\tqueued\n" for number, job in enumerate(jobs, 1)]
    assert done.stdout == "".join(lines)
    assert cron.jobs() == jobs


def test_a_job_that_waits_still_is_not_queued_again(cron: Cron) -> None:
    cron("--guardrails")
    done = cron("--guardrails", "--retention")
    assert done.returncode == 0
    first, second = done.stdout.splitlines()
    assert first == f"1\t{GUARDRAILS}\talready queued"
    assert second.endswith(f"\t{RETENTION}\tqueued")
    assert len(cron.jobs()) == 2


def test_a_retraining_of_another_length_is_another_job(cron: Cron) -> None:
    cron("--retrain-ml", "--top-n", "20")
    assert "\tqueued" in cron("--retrain-ml", "--top-n", "30").stdout
    assert [payload for *_, payload in cron.jobs()] == [{"top_n": 20}, {"top_n": 30}]


def test_while_the_queue_is_off_the_jobs_wait_and_a_warning_says_so(cron: Cron) -> None:
    cron.switch_queue("false")
    done = cron("--retention")
    assert (done.returncode, done.stdout) == (0, f"1\t{RETENTION}\tqueued\n")
    assert done.stderr.startswith("warning: TASK_QUEUE_ENABLED is false in this database")
    assert done.stderr.count("\n") == 1
    assert len(cron.jobs()) == 1


def test_the_environments_setting_is_not_the_databases(cron: Cron) -> None:
    assert cron("--retention", TASK_QUEUE_ENABLED="false").stderr == ""


def test_no_key_is_needed(cron: Cron) -> None:
    assert cron("--retention", SECRET_KEY="").returncode == 0


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "nothing to enqueue: give --retrain-ml, --guardrails, --retention or --all"),
        (["--top-n", "50"], "nothing to enqueue"),
        (["--guardrails", "--top-n", "50"], "--top-n belongs to --retrain-ml (or --all)"),
        (["--retrain-ml", "--top-n", "0"], "'0' is not a whole number from 1 to 10,000"),
        (["--train"], "unrecognized arguments: --train"),
        (["--retrain-ml", "now"], "unrecognized arguments: now"),
    ],
)
def test_a_wrong_call_queues_nothing(flags: list[str], sentence: str, cron: Cron) -> None:
    done = cron(*flags)
    assert (done.returncode, done.stdout) == (EXIT_USAGE, "")
    assert sentence in done.stderr
    assert cron.jobs() == []


def test_without_the_schema_one_sentence_says_what_to_run(
    empty_database_url: str, cron: Cron
) -> None:
    done = cron("--all", DATABASE_URL=empty_database_url)
    assert (done.returncode, done.stdout) == (EXIT_FAILURE, "")
    assert done.stderr == (
        "error: there is no queue here: run .venv/bin/python scripts/migrate.py first\n"
    )


def test_a_wrong_address_is_a_wrong_call(cron: Cron) -> None:
    done = cron("--all", DATABASE_URL="mysql://localhost/x")
    assert done.returncode == EXIT_USAGE
    assert done.stderr.startswith("error: DATABASE_URL is not a PostgreSQL address")
