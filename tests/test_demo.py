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

import httpx
import jwt
import pytest

from app.database import connect
from tests.support.api_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.databases import Databases
    from tests.support.runner import Run

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


def test_without_serving_it_ends_when_the_lists_are_there(url: str, run: Run) -> None:
    demo = start(url, "--no-serve", PORT="not looked at")
    printed, log = finish(demo)
    assert demo.returncode == 0, log
    assert "40 lists" in printed
    assert "curl" not in printed

    async def lists() -> object:
        connection = await connect(url)
        try:
            return await connection.fetchval("SELECT count(*) FROM recommendation_lists")
        finally:
            await connection.close()

    assert run(lists()) == 40


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
