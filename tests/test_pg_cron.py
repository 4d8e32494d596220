"""pg_cron, the real one: what install_cron registers with it, and that it fires."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.database import connect
from app.schema import migrate
from tests.support.server import own_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

DEBIAN = Path("/usr/lib/postgresql")
DATABASE = "eventrank"
SETTINGS = {
    "shared_preload_libraries": "pg_cron",
    "cron.database_name": DATABASE,
    "cron.use_background_workers": "on",
    "max_worker_processes": "16",
}

PATIENCE_SECONDS = 180
"""It fires at full minutes."""

REGISTERED = [
    ("eventrank schedule", "* * * * *", "CALL recommender.run_schedule()"),
    (
        "eventrank refreshes",
        "* * * * *",
        "CALL recommender.run_jobs(p_limit => 10000, p_lanes => '{refresh}')",
    ),
    ("eventrank batch", "* * * * *", "CALL recommender.run_jobs(p_lanes => '{batch}')"),
]
INSTALL = "SELECT job_id, job_name, cron, command FROM recommender.install_cron()"
JOBS = "SELECT jobid, jobname, schedule, command FROM cron.job ORDER BY jobid"
ENDED = """
SELECT DISTINCT j.jobname, d.status
FROM cron.job_run_details AS d
INNER JOIN cron.job AS j ON j.jobid = d.jobid
WHERE d.end_time IS NOT NULL
ORDER BY 1, 2
"""
# The full minutes since the entry was first seen and before the one that was run.
MISSED = """
SELECT count(*)
FROM generate_series(date_trunc('minute', (
    SELECT r.occurrence_at FROM schedule_runs AS r
    WHERE r.name = 'stale_jobs' AND r.finished_at IS NULL
)) + interval '1 minute', $1::timestamptz - interval '1 minute', '1 minute')
"""
DETAILS = "SELECT d.command, d.status, d.return_message FROM cron.job_run_details AS d"


def programs_with_pg_cron() -> Path | None:
    """Give the programs of the oldest PostgreSQL of this machine that pg_cron is installed for."""
    libraries = sorted(DEBIAN.glob("*/lib/pg_cron.so"), key=lambda path: int(path.parts[-3]))
    return libraries[0].parents[1] / "bin" if libraries else None


@pytest.fixture(scope="module")
def session(run: Run) -> Iterator[Connection[Record]]:
    """A session of a server of its own, on which pg_cron is loaded."""
    programs = programs_with_pg_cron()
    if programs is None:
        pytest.skip("pg_cron is not installed here (Debian's postgresql-15-cron)")
    with own_server(programs, **SETTINGS) as server:
        server.create_database(DATABASE)
        connection = run(connect(server.url(DATABASE)))
        run(migrate(connection))
        run(connection.execute("CREATE EXTENSION pg_cron"))
        yield connection
        run(connection.close())


def rows(session: Connection[Record], run: Run, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in run(session.fetch(sql))]


def test_it_registers_two_jobs_however_often_it_is_called(
    session: Connection[Record], run: Run
) -> None:
    for _ in range(2):
        returned = rows(session, run, INSTALL)
        assert [row[1:] for row in returned] == REGISTERED
        assert rows(session, run, JOBS) == returned


def test_jobs_of_others_are_left_alone(session: Connection[Record], run: Run) -> None:
    run(session.execute("SELECT cron.schedule('theirs', '0 4 * * *', 'VACUUM')"))
    run(session.fetch(INSTALL))
    assert run(session.fetchval("SELECT recommender.uninstall_cron()")) == 3
    assert run(session.fetchval("SELECT recommender.uninstall_cron()")) == 0
    assert [row[1] for row in rows(session, run, JOBS)] == ["theirs"]


def test_what_another_role_registered_is_replaced(session: Connection[Record], run: Run) -> None:
    run(session.execute("CREATE ROLE another; GRANT USAGE ON SCHEMA cron TO another"))
    run(session.execute("SET ROLE another"))
    run(session.fetch("SELECT recommender.install_cron()"))
    run(session.execute("RESET ROLE"))
    run(session.fetch(INSTALL))
    found = rows(session, run, "SELECT jobname, username FROM cron.job WHERE jobname ~ '^event'")
    assert found == [(name, "postgres") for name, _, _ in REGISTERED]


def test_it_fires(session: Connection[Record], run: Run) -> None:
    run(
        session.execute(
            "INSERT INTO recommender_settings (name, value, source)"
            " VALUES ('task_queue_enabled', 'true', 'admin')"
        )
    )
    run(session.execute("SELECT recommender.enqueue_job('apply_analytics_retention')"))
    run(session.execute("CALL recommender.run_schedule()"))
    run(session.fetch(INSTALL))

    async def until_all_have_run() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(await session.fetch(ENDED)) < 3:
                await asyncio.sleep(0.2)

    run(until_all_have_run())
    details = rows(session, run, DETAILS)
    assert rows(session, run, ENDED) == [
        ("eventrank batch", "succeeded"),
        ("eventrank refreshes", "succeeded"),
        ("eventrank schedule", "succeeded"),
    ], details
    (ran,) = run(
        session.fetch(
            "SELECT * FROM schedule_runs WHERE name = 'stale_jobs' AND finished_at IS NOT NULL"
            " ORDER BY occurrence_at LIMIT 1"
        )
    )
    # Registered at the turn of a minute, it fires a minute later, and says so.
    missed = run(session.fetchval(MISSED, ran["occurrence_at"]))
    assert (ran["started_by"], ran["error"], ran["missed_count"]) == ("pg_cron", None, missed)
    assert ran["occurrence_at"].second == ran["occurrence_at"].microsecond == 0
    job = "SELECT status FROM background_jobs WHERE job_type = 'apply_analytics_retention'"
    assert run(session.fetchval(job)) == "succeeded"
