"""Whatever befalls the database or the server: 200 or 503 in time, and all is well afterwards."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from app.database import connect
from app.embedded.account import choose_account
from app.embedded.programs import server_environment
from app.schema import SQL_DIR, migrate
from tests.support.api_server import ApiServer, serve, token
from tests.support.http_load import ask, load, wait_for
from tests.support.server import own_server
from tests.support.serving_stress import STUDENTS, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.embedded import EmbeddedServer
    from tests.support.runner import Run

    Connection = asyncpg.Connection[asyncpg.Record]

ROOT = Path(__file__).resolve().parents[1]
DATABASE = "outages"
MAX_CONNECTIONS = 30
POOL_SIZE = 4
STUDENT = STUDENTS[0]

TIMEOUT_SECONDS = 1
"""What the server is told to wait for the database."""
PATIENCE_SECONDS = TIMEOUT_SECONDS + 4
"""What a client waits; the rest is for two cores that are busy. A request not answered by then is
an answer 0."""

UNHURRIED = {"DATABASE_TIMEOUT_SECONDS": "30"}
"""While sql/ is applied its views are locked; on busy cores that is longer than a second."""

SESSIONS = """
SELECT a.pid
FROM pg_stat_activity AS a
WHERE a.datname = $1 AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
"""

STORED = """
SELECT s.value, s.source FROM recommender_settings AS s
WHERE s.name = 'recommendations_cache_max_age_seconds'
"""

WIDER = """
CREATE OR REPLACE FUNCTION recommender.get_recommendations(
    p_user_id integer, p_languages text[] DEFAULT '{}'
)
RETURNS TABLE (status integer, headers json, body json, more integer)
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT a.status, a.headers, a.body, 1
    FROM recommender._narrow_answer(p_user_id, p_languages) AS a;
END;
$$;
"""


@pytest.fixture(scope="module")
def database() -> Iterator[EmbeddedServer]:
    """A PostgreSQL that nobody else needs, holding the world of the stress."""
    with own_server(max_connections=str(MAX_CONNECTIONS)) as server:
        server.create_database(DATABASE)
        asyncio.run(fill(server.url(DATABASE)))
        yield server


@pytest.fixture
def url(database: EmbeddedServer) -> str:
    database.start()
    return database.url(DATABASE)


@pytest.fixture
def connection(url: str, run: Run) -> Iterator[Connection]:
    connection = run(connect(url))
    yield connection
    connection.terminate()


async def fill(url: str) -> None:
    connection = await connect(url)
    try:
        await migrate(connection)
    finally:
        await connection.close()
    await prepare(url)


@contextmanager
def serving(url: str, **environment: str) -> Iterator[ApiServer]:
    environment.setdefault("DATABASE_TIMEOUT_SECONDS", str(TIMEOUT_SECONDS))
    with serve(url, DATABASE_POOL_SIZE=str(POOL_SIZE), **environment) as server:
        server.client.timeout = PATIENCE_SECONDS
        server.client.headers["Authorization"] = f"Bearer {token(STUDENT)}"
        yield server


def status(server: ApiServer, path: str = "/api/recommendations", method: str = "GET") -> int:
    """Ask once; whoever is turned away is told how."""
    answer = ask(server.client, path, method)
    if answer.status >= 400:
        assert answer.content_type == "application/problem+json", answer
    if answer.status == 503:
        assert answer.retry_after, answer
    return answer.status


def wait_for_status(server: ApiServer, due: int, path: str = "/api/recommendations") -> None:
    """Ask until it is so; before that only 200 and 503 are in order."""

    def is_due() -> bool:
        got = status(server, path)
        assert got in {200, 503}
        return got == due

    wait_for(is_due, lambda: f"{path} did not answer {due}\n{server.log()[-3000:]}")


def pg_ctl(database: EmbeddedServer, *arguments: str) -> None:
    account = choose_account(database.data_dir, database.bin_dir / "postgres")
    program = str(database.bin_dir / "pg_ctl")
    where = "-w", "-D", str(database.data_dir), "-l", str(database.log_file)
    subprocess.run(
        [*account.prefix, program, *where, *arguments],
        env=server_environment(),
        cwd="/",
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        **account.process_options(),
    )


def test_the_pool_recovers_when_the_database_crashes_under_load(
    database: EmbeddedServer, url: str
) -> None:
    with serving(url) as server, load(server.url, STUDENTS, patience=PATIENCE_SECONDS) as clients:
        for _ in range(3):
            clients.wait_for(200)
            pg_ctl(database, "restart", "-m", "immediate")
            clients.wait_for(200)
    clients.assert_statuses(200, 503)


def test_a_database_that_is_down_for_a_while_is_503_until_it_is_back(
    database: EmbeddedServer, url: str
) -> None:
    with serving(url) as server, load(server.url, STUDENTS, patience=PATIENCE_SECONDS) as clients:
        clients.wait_for(200)
        database.stop()
        clients.wait_for(503)
        assert status(server, "/healthz") == 200
        assert status(server, "/readyz") == 503
        database.start()
        clients.wait_for(200)
        wait_for_status(server, 200, "/readyz")
    clients.assert_statuses(200, 503)


def test_a_server_may_start_before_its_database_and_stores_its_settings_later(
    database: EmbeddedServer, url: str, run: Run
) -> None:
    database.stop()
    with serving(url, RECOMMENDATIONS_CACHE_MAX_AGE_SECONDS="4321") as server:
        assert status(server) == 503
        assert status(server, "/healthz") == 200
        assert status(server, "/readyz") == 503
        database.start()
        wait_for_status(server, 200)
        wait_for(
            lambda: run(fetch(url, STORED)) == [("4321", "environment")],
            lambda: f"the setting was not stored\n{server.log()}",
        )
    run(fetch(url, "TRUNCATE recommender_settings"))


async def fetch(url: str, query: str) -> list[tuple[Any, ...]]:
    connection = await connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


def test_a_killed_server_leaves_nothing_behind_that_hinders_the_next(
    url: str, connection: Connection, run: Run
) -> None:
    with serving(url) as first:
        port = first.url.rpartition(":")[2]
        with load(first.url, STUDENTS, patience=PATIENCE_SECONDS) as clients:
            clients.wait_for(200)
            first.kill()
            clients.wait_for(0, more=8)
            with serving(url, PORT=port) as second:
                clients.wait_for(200)
                assert status(second) == 200
                wait_for(
                    lambda: len(run(connection.fetch(SESSIONS, DATABASE))) <= POOL_SIZE,
                    lambda: "the sessions of the killed server are still there",
                )
                clients.stop()
    clients.assert_statuses(0, 200)


def test_an_address_that_never_answers_is_503() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://someone:secret@127.0.0.1:{silent.getsockname()[1]}/nothing"
        with serving(address) as server:
            with load(server.url, STUDENTS, patience=PATIENCE_SECONDS) as clients:
                clients.wait_for(503, more=16)
                assert status(server, "/healthz") == 200
                assert status(server, "/readyz") == 503
            clients.assert_statuses(503)
            assert "secret" not in server.log().replace("a-secret-of", "")


def test_a_database_that_falls_silent_is_503_until_it_speaks_again(
    database: EmbeddedServer, url: str, connection: Connection, run: Run
) -> None:
    with serving(url) as server, load(server.url, STUDENTS, patience=PATIENCE_SECONDS) as clients:
        clients.wait_for(200)
        postmaster = database.process_id()
        assert postmaster is not None
        sessions = [row["pid"] for row in run(connection.fetch(SESSIONS, DATABASE))]
        frozen = [postmaster, *sessions]
        try:
            signal_all(frozen, signal.SIGSTOP)
            clients.wait_for(503, more=16)
            assert status(server, "/healthz") == 200
        finally:
            signal_all(frozen, signal.SIGCONT)
        clients.wait_for(200)
    clients.assert_statuses(200, 503)


def signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def test_a_lock_that_is_not_let_go_is_503_and_no_sessions_pile_up(
    url: str, connection: Connection, run: Run
) -> None:
    with serving(url) as server, load(server.url, STUDENTS, patience=PATIENCE_SECONDS) as clients:
        clients.wait_for(200)
        run(connection.execute("BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        clients.wait_for(503, more=16)
        assert status(server, "/healthz") == 200
        assert len(run(connection.fetch(SESSIONS, DATABASE))) <= 2 * POOL_SIZE
        run(connection.execute("ROLLBACK"))
        clients.wait_for(200)
    clients.assert_statuses(200, 503)


def test_a_database_without_a_free_connection_is_503_until_there_is_one(url: str, run: Run) -> None:
    taken = run(take_all_connections(url))
    try:
        with serving(url) as server:
            assert {status(server) for _ in range(5)} == {503}
            assert status(server, "/readyz") == 503
            for connection in taken:
                connection.terminate()
            wait_for_status(server, 200)
    finally:
        for connection in taken:
            connection.terminate()


async def take_all_connections(url: str) -> list[Connection]:
    taken: list[Connection] = []
    with suppress(asyncpg.TooManyConnectionsError):
        while len(taken) <= MAX_CONNECTIONS:
            taken.append(await asyncpg.connect(url))
    return taken


def test_a_read_only_database_serves_reads_and_refuses_writes(
    url: str, connection: Connection, run: Run
) -> None:
    with serving(url) as server:
        assert status(server) == 200
        run(connection.execute("ALTER SYSTEM SET default_transaction_read_only = on"))
        run(connection.execute("SELECT pg_reload_conf()"))
        try:
            wait_for_status(server, 503, "/readyz")
            assert status(server) == 200
            assert status(server, "/api/events?sort=recommended") == 200
            assert status(server, "/api/me/personalization/hidden-tags/1", "POST") == 503
            with serving(url) as started_meanwhile:
                assert status(started_meanwhile) == 200
        finally:
            run(connection.execute("ALTER SYSTEM RESET default_transaction_read_only"))
            run(connection.execute("SELECT pg_reload_conf()"))
        wait_for_status(server, 200, "/readyz")
        assert status(server, "/api/me/personalization/hidden-tags/1", "POST") == 201
        assert status(server, "/api/me/personalization/hidden-tags/1", "DELETE") == 204


def test_no_client_notices_that_the_logic_is_applied_again(url: str) -> None:
    with serving(url, **UNHURRIED) as server, load(server.url, STUDENTS) as clients:
        clients.wait_for(200)
        for _ in range(2):
            migration = [sys.executable, str(ROOT / "scripts" / "migrate.py"), "--force"]
            subprocess.run(
                migration,
                env=os.environ | {"DATABASE_URL": url},
                check=True,
                stderr=subprocess.DEVNULL,
            )
            clients.wait_for(200)
    clients.assert_statuses(200)


def test_no_client_notices_that_an_answer_changed_its_shape_and_back(
    url: str, run: Run, tmp_path: Path
) -> None:
    changed = tmp_path / "sql"
    shutil.copytree(SQL_DIR, changed)
    file = changed / "serving" / "get_recommendations.sql"
    file.write_text(file.read_text().replace(".get_recommendations(", "._narrow_answer("))
    (changed / "serving" / "wider.sql").write_text(WIDER)
    with (changed / "install.sql").open("a") as install:
        install.write("\\ir serving/wider.sql\n")
    with serving(url, **UNHURRIED) as server, load(server.url, STUDENTS) as clients:
        clients.wait_for(200)
        for sql_dir in (changed, SQL_DIR):
            run(apply(url, sql_dir))
            clients.wait_for(200)
    clients.assert_statuses(200)


async def apply(url: str, sql_dir: Path) -> None:
    connection = await connect(url)
    try:
        await migrate(connection, sql_dir=sql_dir)
    finally:
        await connection.close()


def test_two_servers_on_one_database_show_the_same(url: str) -> None:
    with serving(url) as first, serving(url) as second:
        tag = "/api/me/personalization/hidden-tags/1"
        assert status(first, tag, "POST") == 201
        for server in (second, first):
            for path in ("/api/recommendations", "/api/events?page_size=100"):
                answer = server.client.get(path).json()
                items = answer if isinstance(answer, list) else answer["items"]
                assert items
                assert not any(t["id"] == 1 for item in items for t in item["tags"])
        assert status(second, tag, "DELETE") == 204
        answers = [server.client.get("/api/events").json() for server in (first, second)]
        assert answers[0] == answers[1]
