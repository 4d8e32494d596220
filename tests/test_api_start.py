"""`python -m app` as a command: what it refuses, what it says, what it takes from its variables."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from app.api.settings import ServerSettings
from app.database import connect
from app.schema import migrate
from app.settings import FOR_ONE_COMMAND, settings_model
from tests.support.api_server import ROOT, SECRET, STOP_SECONDS, free_port, launch, serve
from tests.support.site import assert_problem

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.runner import Run

NOWHERE = "postgresql://somebody:a-password-nobody-should-see@127.0.0.1:1/nothing"
ORIGIN = "https://app.example.org"
PATIENCE_SECONDS = 60


def refused(tmp_path: Path, database_url: str = NOWHERE, **environment: str) -> tuple[int, str]:
    """Start a server that does not start; give its exit code and what it said."""
    log = tmp_path / "log"
    process = launch(database_url, log, **environment)
    try:
        code = process.wait(PATIENCE_SECONDS)
    finally:
        process.kill()
        process.wait(STOP_SECONDS)
    said = log.read_text(encoding="utf-8")
    assert "Traceback" not in said
    assert SECRET not in said
    assert "a-password-nobody-should-see" not in said
    return code, said


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "   "),
        ("DATABASE_URL", "mysql://somebody:a-password-nobody-should-see@localhost/x"),
        ("PORT", "http"),
        ("DATABASE_POOL_SIZE", "0"),
        ("CORS_ORIGINS", "app.example.org"),
        ("RECOMMENDATIONS_CACHE_MAX_AGE_SECONDS", "a day"),
        ("EXPERIMENTS_PERSONALIZATION_ML_PERCENT", "101"),
    ],
)
def test_a_wrong_setting_is_refused_by_the_variables_name(
    tmp_path: Path, variable: str, value: str
) -> None:
    code, said = refused(tmp_path, **{variable: value})
    assert code == 2
    assert variable in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("--port", "1234"), ("--port=1234",), ("serve",)])
def test_arguments_are_refused_since_variables_configure_it(arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert " ".join(arguments) in done.stderr


def test_help_names_every_variable_and_the_page() -> None:
    done = command("--help")
    assert (done.returncode, done.stderr) == (0, "")
    named = set(re.findall(r"^  ([A-Z_]+)", done.stdout, re.M))
    fields = ServerSettings.model_fields.keys() | settings_model().model_fields.keys()
    assert named == {name.upper() for name in fields - {FOR_ONE_COMMAND}}
    assert "docs/http-api.md" in done.stdout


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it without any of its variables."""
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, said = refused(tmp_path, PORT=port)
    assert code == 1
    assert port in said


@pytest.mark.parametrize(("secret", "warned"), [("x" * 31, True), ("x" * 32, False)])
def test_a_key_that_can_be_guessed_is_warned_of_and_not_shown(secret: str, warned: bool) -> None:
    with serve(NOWHERE, SECRET_KEY=secret) as server:
        assert ("SECRET_KEY" in server.log()) is warned
        assert secret not in server.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(number: signal.Signals) -> None:
    with serve(NOWHERE) as server:
        server.process.send_signal(number)
        assert server.process.wait(STOP_SECONDS) == 0
        assert "Traceback" not in server.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_starts_ends_it_well(tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "log"
    for pause in (0, 0.001, 0.005):
        process = launch(NOWHERE, log)
        try:
            while "serving on" not in log.read_text():
                assert process.poll() is None
            time.sleep(pause)
            process.send_signal(number)
            assert process.wait(STOP_SECONDS) == 0
        finally:
            process.kill()
            process.wait()
        assert "Traceback" not in log.read_text()


def test_it_starts_before_its_schema_and_serves_when_that_is_there(
    empty_database_url: str, run: Run
) -> None:
    settings = {"RECOMMENDATIONS_CACHE_MAX_AGE_SECONDS": "4711", "PERSONALIZATION_X": "1"}
    with serve(empty_database_url, **settings) as server:
        assert_problem(server.client.get("/api/events"), 503)
        connection = run(connect(empty_database_url))
        try:
            run(migrate(connection))
            assert server.client.get("/api/events").status_code == 200
            # It tries again by itself, after pauses of some seconds.
            deadline = time.monotonic() + PATIENCE_SECONDS
            while (answer := server.client.get("/readyz")).status_code != 200:
                assert time.monotonic() < deadline, answer.text
                time.sleep(0.1)
            stored = run(connection.fetchrow("SELECT * FROM recommender_settings"))
        finally:
            run(connection.close())
    assert stored is not None
    assert (stored["name"], stored["value"], stored["source"]) == (
        "recommendations_cache_max_age_seconds",
        "4711",
        "environment",
    )


# Pages of other sites


def test_pages_of_other_sites_are_kept_out_unless_they_are_named() -> None:
    preflight = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    path = "/api/me/personalization/hidden-tags/1"
    with serve(NOWHERE) as server:
        answer = server.client.options(path, headers=preflight)
        assert_problem(answer, 405)
        assert not any(name.startswith("access-control") for name in answer.headers)
        answer = server.client.get("/healthz", headers={"Origin": ORIGIN})
        assert not any(name.startswith("access-control") for name in answer.headers)
    with serve(NOWHERE, CORS_ORIGINS=f"https://other.example.org, {ORIGIN}") as server:
        answer = server.client.options(path, headers=preflight)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "authorization" in answer.headers["access-control-allow-headers"].lower()
        assert "access-control-allow-credentials" not in answer.headers
        answer = server.client.get("/api/recommendations", headers={"Origin": ORIGIN})
        assert_problem(answer, 503)
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        stranger = {**preflight, "Origin": "https://evil.example.org"}
        answer = server.client.options(path, headers=stranger)
        assert answer.status_code == 400
        assert "access-control-allow-origin" not in answer.headers


def test_a_body_may_be_as_large_as_its_setting_says() -> None:
    with serve(NOWHERE, MAX_BODY_BYTES="2000") as server:
        assert_problem(server.client.post("/healthz", content=b"x" * 2000), 405)
        assert_problem(server.client.post("/healthz", content=b"x" * 2001), 413)
        assert_problem(server.client.post("/healthz", content=iter([b"x" * 1000] * 3)), 413)


def test_the_log_can_be_made_quiet() -> None:
    with serve(NOWHERE, LOG_LEVEL="error", PORT=str(free_port())) as server:
        server.client.get("/healthz")
        assert "/healthz" not in server.log()
    with serve(NOWHERE) as server:
        server.client.get("/healthz?page=1")
        assert "/healthz" in server.log()


def test_the_log_names_paths_and_not_what_is_asked_of_them() -> None:
    with serve(NOWHERE) as server:
        for path in ("/healthz", "/api/events", "/nowhere%3F"):
            server.client.get(f"{path}?access_token=a-token&search=a-secret?wish")
        log = server.log()
    assert '"GET /healthz HTTP/1.1" 200' in log
    assert '"GET /api/events HTTP/1.1" 503' in log
    assert '"GET /nowhere%3F HTTP/1.1" 404' in log
    assert not any(word in log for word in ("access_token", "a-token", "search", "wish"))
