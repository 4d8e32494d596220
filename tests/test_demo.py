"""make demo: from an empty database to answers over HTTP, and a clean end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest

from app.database import connect
from tests.support.api_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.databases import Databases
    from tests.support.runner import Run

pytestmark = pytest.mark.any_server

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "demo.py"
SECRET = "correct-horse-battery-staple-0123"
SMALL = ("--students=40", "--events=60")
SECONDS = 300


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    with databases.empty() as url:
        yield url


def start(database_url: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *SMALL, *arguments],
        env=os.environ
        | {"DATABASE_URL": database_url, "SECRET_KEY": SECRET, "HOST": "127.0.0.1"}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        return process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        process.wait()


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """Read lines of stderr until one matches; the end of the stream is a failure."""
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if re.search(pattern, line):
            return seen
    raise AssertionError(f"the demo ended without {pattern!r}:\n{seen}")


def test_it_ends_serving_and_its_curls_work_until_it_is_interrupted(
    url: str,
) -> None:
    port = free_port()
    demo = start(url, PORT=str(port))
    try:
        read_until(demo, rf"serving on http://127\.0\.0\.1:{port}")
        assert demo.stdout is not None
        printed = ""
        while "/docs" not in printed:
            line = demo.stdout.readline()
            assert line, printed
            printed += line
        curls = re.findall(r"curl -H '([^:]+): ([^']+)' '?([^'\s]+)'?", printed)
        assert len(curls) == 2
        with httpx.Client(trust_env=False, timeout=60) as client:
            answers = [
                client.get(address, headers={header: value}).raise_for_status()
                for header, value, address in curls
            ]
            recommended, page = (answer.json() for answer in answers)
            assert len(recommended) == 10
            assert page["sort"] == "recommended"
            assert [item["id"] for item in page["items"]] == [
                item["id"] for item in recommended[:5]
            ]
            assert client.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
            assert client.get(f"http://127.0.0.1:{port}/docs").status_code == 200
            opened = re.findall(rf"^  (http://127\.0\.0\.1:{port}/\S*) ", printed, re.M)
            assert [urlsplit(page).path for page in opened] == ["/", "/desk"]
            assert all(client.get(page).status_code == 200 for page in opened)
            (click,) = re.findall(r"curl -d '([^']+)'", printed)
            headers = dict([re.findall(r"-H '([^:]+): ([^']+)'", printed)[0]])
            site = f"http://127.0.0.1:{port}/api"
            answer = client.post(f"{site}/analytics/interactions", content=click, headers=headers)
            assert answer.status_code == 204
            assert answer.headers["Interactions-Stored"] == "1"
            clicked = json.loads(click)["events"][0]["event_id"]
            deadline = time.monotonic() + SECONDS
            while clicked not in [
                item["id"] for item in client.get(f"{site}/recommendations", headers=headers).json()
            ]:
                assert time.monotonic() < deadline, "the click did not reach the list"
                time.sleep(0.05)
        demo.send_signal(signal.SIGINT)
        _, log = finish(demo)
        assert demo.returncode == 0
        assert "Traceback" not in log
        assert SECRET not in printed + log
        assert all(value.split()[1] not in log for _header, value, _address in curls)
    finally:
        demo.kill()
        demo.wait()


def test_without_serving_it_ends_with_a_site_that_looks_alive_and_stays_so(
    url: str, run: Run
) -> None:
    demo = start(url, "--students=200", "--events=200", "--no-serve", PORT="not looked at")
    printed, log = finish(demo)
    assert demo.returncode == 0, log
    assert "200 lists" in printed
    assert "curl" not in printed
    assert "guardrails: ok" in printed

    async def fetch(sql: str) -> list[Any]:
        connection = await connect(url)
        try:
            return await connection.fetch(sql)
        finally:
            await connection.close()

    assert run(fetch("SELECT count(*) FROM recommendation_lists"))[0][0] == 200
    [first, second] = run(fetch(MODELS))
    assert 13 < first["age_days"] < 15
    assert first["activated_at"] == first["created_at"]
    assert second["age_days"] < 1
    fate = "was not activated" if second["activated_at"] is None else "is active"
    assert f"model {first['model_version']} " in printed
    assert f"model {second['model_version']} {fate}: " in printed
    [evaluation] = run(fetch("SELECT * FROM recommender.guardrails"))
    assert evaluation["action"] == "ok"
    assert evaluation["model_version"] == first["model_version"]
    days = run(fetch(DAYS))
    assert len(days) >= 14
    assert all(day["recommended"] > 0 and day["time"] > 0 for day in days)
    [rates] = run(fetch(RATES))
    assert rates["recommended"] > 1.3 * rates["time"] > 0
    switched_on = run(fetch(SWITCHED_ON))
    assert len(switched_on) == 5

    counted = "SELECT count(*) FROM event_interactions"
    interactions = run(fetch(counted))
    demo = start(url, "--no-serve")
    printed, log = finish(demo)
    assert demo.returncode == 0, log
    assert "the population is kept as it is" in log
    assert run(fetch(counted)) == interactions
    assert len(run(fetch(MODELS))) == 3
    assert len(run(fetch("SELECT * FROM recommender.guardrails"))) == 1


MODELS = """
    SELECT
        m.model_version,
        m.created_at,
        a.activated_at,
        date_part('epoch', now() - m.created_at) / 86400 AS age_days
    FROM recommender_models AS m
    LEFT JOIN model_activations AS a ON a.model_version = m.model_version
    ORDER BY m.id
"""
DAYS = """
    SELECT
        count(*) FILTER (WHERE i.meta ->> 'sort' = 'recommended') AS recommended,
        count(*) FILTER (WHERE i.meta ->> 'sort' = 'time') AS time
    FROM event_interactions AS i
    WHERE i.interaction_type = 'impression' AND i.occurred_at > now() - interval '14 days'
    GROUP BY (i.occurred_at AT TIME ZONE 'UTC')::date
"""
RATES = """
    SELECT
        sum(m.clicks) FILTER (WHERE m.variant = 'recommended')::float8
        / sum(m.impressions) FILTER (WHERE m.variant = 'recommended') AS recommended,
        sum(m.clicks) FILTER (WHERE m.variant = 'time')::float8
        / sum(m.impressions) FILTER (WHERE m.variant = 'time') AS time
    FROM recommender.guardrail_metrics(now() - interval '14 days', now(), 72) AS m
"""
SWITCHED_ON = """
    SELECT s.name
    FROM recommender.settings AS s
    WHERE (s.name, s.value) IN (
        ('experiments_personalization_ml_percent', '50'),
        ('personalization_guardrails_enabled', 'true'),
        ('recommendations_online_learning_enabled', 'true'),
        ('recommendations_realtime_refresh_enabled', 'true'),
        ('task_queue_enabled', 'true')
    )
"""


def test_a_demo_that_was_interrupted_is_finished_by_the_next_one(url: str, run: Run) -> None:
    async def fetch(sql: str) -> Any:
        connection = await connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    visits = "SELECT count(*) FROM event_interactions WHERE occurred_at > now() - interval '9 days'"
    demo = start(url, "--no-serve")
    assert demo.stdout is not None
    line = ""
    while "students" not in line:
        line = demo.stdout.readline()
        assert line, "no population was made"
    demo.send_signal(signal.SIGINT)
    finish(demo)
    assert run(fetch("SELECT count(*) FROM users WHERE role = 'student'")) == 40
    assert run(fetch(visits)) == 0
    demo = start(url, "--no-serve")
    _, log = finish(demo)
    assert demo.returncode == 0, log
    assert run(fetch(visits)) > 0
    assert run(fetch("SELECT count(*) FROM recommender.guardrails")) == 1


def test_in_somebody_elses_database_nobody_visits_and_the_site_stays_closed(
    databases: Databases, run: Run
) -> None:
    async def prepare(url: str) -> None:
        connection = await connect(url)
        try:
            await connection.execute(OTHER_USERS)
        finally:
            await connection.close()

    async def interactions(url: str) -> Any:
        connection = await connect(url)
        try:
            return await connection.fetchval("SELECT count(*) FROM event_interactions")
        finally:
            await connection.close()

    with databases.migrated() as url:
        run(prepare(url))
        demo = start(url, PORT="0")
        try:
            log = read_until(demo, "serving on")
            (site,) = re.findall(r"serving on (\S+)", log)
            with httpx.Client(trust_env=False, timeout=60) as client:
                assert client.get(f"{site}/").status_code == 404
                assert client.get(f"{site}/desk").status_code == 200
            demo.send_signal(signal.SIGINT)
            printed, _ = finish(demo)
        finally:
            demo.kill()
            demo.wait()
        assert "the events site is closed" in printed
        assert run(interactions(url)) == 0


OTHER_USERS = """
    INSERT INTO users (email, role) SELECT 's' || n || '@uni.example', 'student'
    FROM generate_series(1, 9) AS n;
    INSERT INTO events (title, start_time, owner_id, status, category)
    SELECT 'Event ' || n, now() + n * interval '5 days', 1, 'published', 'Music'
    FROM generate_series(-5, 5) AS n;
    INSERT INTO registrations (user_id, event_id, registration_time)
    SELECT u.id, e.id, e.start_time - interval '1 day'
    FROM users AS u CROSS JOIN events AS e
    WHERE e.start_time < now() AND (u.id + e.id) % 2 = 0;
"""


def test_a_token_is_a_students_whatever_their_language_and_nobodys_where_there_is_none(
    url: str, run: Run
) -> None:
    finish(start(url, "--no-serve"))

    async def execute(sql: str, *arguments: object) -> Any:
        connection = await connect(url)
        try:
            return await connection.fetchval(sql, *arguments)
        finally:
            await connection.close()

    run(execute("UPDATE users SET language_preference = 'ro'"))
    printed = serve_and_interrupt(url)
    (shown,) = re.findall(r"^as student (\d+),", printed, re.M)
    (bearer,) = set(re.findall(r"Bearer ([\w.-]+)", printed))
    assert jwt.decode(bearer, SECRET, algorithms=["HS256"])["sub"] == shown
    is_student = "SELECT role = 'student' AND is_active FROM users WHERE id = $1"
    assert run(execute(is_student, int(shown)))
    assert "\n.venv/bin/python scripts/issue_token.py" in printed

    run(execute("UPDATE users SET is_active = false WHERE role = 'student'"))
    printed = serve_and_interrupt(url)
    assert "there is no active student" in printed
    assert "Bearer" not in printed


def serve_and_interrupt(url: str) -> str:
    demo = start(url, PORT="0")
    try:
        read_until(demo, "serving on")
        demo.send_signal(signal.SIGINT)
        printed, _log = finish(demo)
    finally:
        demo.kill()
        demo.wait()
    assert demo.returncode == 0
    return printed


def test_a_port_that_is_taken_is_named_before_anything_is_done(url: str, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = start(url, PORT=str(port))
        _, log = finish(demo)
    assert demo.returncode == 1
    assert log.startswith(f"error: cannot listen on 127.0.0.1:{port}: address already in use")
    assert "PORT" in log

    async def tables() -> object:
        connection = await connect(url)
        try:
            return await connection.fetchval("SELECT to_regclass('public.users')")
        finally:
            await connection.close()

    assert run(tables()) is None


def test_a_wrong_port_is_named_before_anything_is_done(url: str) -> None:
    demo = start(url, PORT="http")
    _, log = finish(demo)
    assert demo.returncode == 2
    assert log.startswith("error: PORT is 'http': expected an integer from 0 to 65535")
