"""Which database the tests choose, and what a run says about it."""

from __future__ import annotations

import asyncio
import http.server
import os
import re
import socketserver
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.console import UserError
from app.database import connect
from tests.support.databases import server_version
from tests.support.server import TEMPORARY_PREFIX, choose_server

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]

RUN_THAT_IS_KILLED = """
import os, signal
from tests.support.server import start_embedded
server = start_embedded()
os.kill(os.getpid(), signal.SIGKILL)
"""


class EngineWithoutImages(http.server.BaseHTTPRequestHandler):
    """A Docker engine that is alive, and knows no image and no registry."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        is_version = self.path.endswith("/version")
        self._answer(200, b'{"ApiVersion": "1.47"}' if is_version else b"{}")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        self._answer(404, b'{"message": "no such image"}')

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass


@contextmanager
def listening_engine(directory: str) -> Iterator[str]:
    path = f"{directory}/engine.sock"
    with socketserver.ThreadingUnixStreamServer(path, EngineWithoutImages) as engine:
        thread = threading.Thread(target=engine.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            engine.shutdown()
            thread.join()


@pytest.fixture
def temporary_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for temporary files in which no other run's servers are."""
    with tempfile.TemporaryDirectory(prefix="er-") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        monkeypatch.setenv("TMPDIR", name)
        yield Path(name)


@pytest.fixture
def no_engine(temporary_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{temporary_place}/no-engine.sock")


def pytest_run(*arguments: str | Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run pytest with this project's conftest, and give its exit code and what it printed."""
    kept = {k: v for k, v in os.environ.items() if k not in {"GOLDEN_DIR", "DATASET_DIR"}}
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.conftest", "--rootdir", ROOT),
            *("-c", ROOT / "pyproject.toml", "-p", "no:asyncio", "-p", "no:cacheprovider"),
            *arguments,
        ],
        env=kept | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])} | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.returncode, finished.stdout + finished.stderr


@pytest.mark.usefixtures("no_engine")
def test_test_database_url_comes_first(empty_database_url: str) -> None:
    server = choose_server({"TEST_DATABASE_URL": empty_database_url})
    assert server.url == empty_database_url
    assert server.description.startswith("TEST_DATABASE_URL, the database eventrank_test_")
    assert server.passed_over == []
    server.close()
    assert asyncio.run(server_version(empty_database_url))


def test_a_wrong_test_database_url_is_not_passed_over() -> None:
    with pytest.raises(UserError, match="TEST_DATABASE_URL is not a PostgreSQL address"):
        choose_server({"TEST_DATABASE_URL": "sqlite:///tests.db"})


@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_the_embedded_server_is_taken_and_the_reason_kept(
    temporary_place: Path,
) -> None:
    server = choose_server({})
    try:
        assert server.description.startswith("embedded, ")
        assert [reason.partition(" (")[0] for reason in server.passed_over] == [
            "Docker is not used: no engine answers"
        ]
        assert asyncio.run(server_version(server.url))
    finally:
        server.close()
    assert list(temporary_place.iterdir()) == []


def test_an_engine_that_cannot_have_the_image_is_passed_over(
    temporary_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening_engine(str(temporary_place)) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        server = choose_server({})
    server.close()
    assert [reason.partition(" (")[0] for reason in server.passed_over] == [
        "Docker is not used: postgres:18 cannot be run"
    ]


def test_the_server_of_a_killed_run_goes_with_the_next_run(temporary_place: Path) -> None:
    subprocess.run([sys.executable, "-c", RUN_THAT_IS_KILLED], cwd=ROOT, check=False)
    (abandoned,) = temporary_place.glob(TEMPORARY_PREFIX + "*")
    assert (abandoned / "postgres" / "postmaster.pid").exists()
    server = choose_server({"DOCKER_HOST": ""})
    try:
        assert not abandoned.exists()
        assert asyncio.run(server_version(server.url))
    finally:
        server.close()


A_FEW_TESTS = """
import pytest
from app.database import connect

@pytest.mark.golden
def test_golden(golden_dir):
    assert golden_dir.is_dir()

@pytest.mark.dataset
def test_dataset(dataset_dir):
    assert dataset_dir.is_dir()

def test_database(run, empty_database_url):
    connection = run(connect(empty_database_url))
    print(run(connection.fetchval("SELECT 'name=' || current_database()")))
    assert run(connection.fetchval("SHOW plpgsql.extra_errors")) == "all"
    run(connection.close())
"""


@pytest.fixture
def a_few_tests(tmp_path: Path) -> Path:
    (tmp_path / "test_a_few.py").write_text(A_FEW_TESTS)
    return tmp_path / "test_a_few.py"


def test_a_run_prints_its_database_and_the_data_it_was_not_given(
    a_few_tests: Path, empty_database_url: str
) -> None:
    environment = {"TEST_DATABASE_URL": empty_database_url}
    exit_code, printed = pytest_run(a_few_tests, environment=environment)
    assert exit_code == pytest.ExitCode.OK, printed
    version = asyncio.run(server_version(empty_database_url))
    assert f"database: PostgreSQL {version} (TEST_DATABASE_URL, the database " in printed
    assert "GOLDEN_DIR: not set, the golden tests are left out" in printed
    assert "DATASET_DIR: not set, the dataset tests are left out" in printed
    assert "1 passed, 2 deselected" in printed


def test_a_run_uses_the_data_it_was_given_and_drops_its_databases(
    a_few_tests: Path, tmp_path: Path, empty_database_url: str
) -> None:
    environment = {"TEST_DATABASE_URL": empty_database_url, "GOLDEN_DIR": str(tmp_path)}
    exit_code, printed = pytest_run("-s", a_few_tests, environment=environment)
    assert exit_code == pytest.ExitCode.OK, printed
    assert f"GOLDEN_DIR: {tmp_path}" in printed
    assert "2 passed, 1 deselected" in printed
    used = re.search(r"name=(\w+)", printed)
    assert used is not None
    assert used[1] not in asyncio.run(database_names(empty_database_url))


@pytest.mark.parametrize("variable", ["GOLDEN_DIR", "DATASET_DIR"])
def test_data_that_is_not_there_fails_the_whole_run(a_few_tests: Path, variable: str) -> None:
    exit_code, printed = pytest_run(a_few_tests, environment={variable: "/nowhere"})
    assert exit_code == pytest.ExitCode.USAGE_ERROR
    assert f"{variable} names /nowhere, which is not a directory" in printed


def test_a_database_that_is_not_there_fails_the_whole_run(a_few_tests: Path) -> None:
    environment = {"TEST_DATABASE_URL": "postgresql://me:s3cret@/db?host=/nowhere"}
    exit_code, printed = pytest_run(a_few_tests, environment=environment)
    assert exit_code == pytest.ExitCode.USAGE_ERROR
    assert "no database for the tests: cannot reach the database db on /nowhere" in printed
    assert "s3cret" not in printed


async def database_names(url: str) -> set[str]:
    connection = await connect(url)
    try:
        return {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
    finally:
        await connection.close()
