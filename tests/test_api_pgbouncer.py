"""One statement a request, over the server's own pool and behind PgBouncer in transaction mode."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from app.database import connect
from app.schema import migrate
from tests.support.api_server import ApiServer, free_port, serve, token
from tests.support.http_load import load
from tests.support.pgbouncer import pgbouncer, program
from tests.support.server import own_server
from tests.support.serving_stress import STUDENTS, Stress, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.embedded import EmbeddedServer
    from tests.support.runner import Run

DATABASE = "pooled"
CLIENTS = 16
POOL_SIZE = 2

LOGGED = re.compile(r"^@eventrank server@\S* LOG:  (?:statement|execute [^:]*): (.*)$", re.M)
"""A statement as log_statement = all has it."""
CALL = re.compile(r"SELECT status, headers, body FROM recommender\.(\w+)\([^()]*\)")

FUNCTIONS = {
    "/api/recommendations": "get_recommendations",
    "/api/events?sort=recommended": "get_events",
    "/api/me/personalization": "get_personalization",
}
"""What answers each path of the load."""

STUDENT, ORGANIZER, UNKNOWN = STUDENTS[0], 1, 999_999
REQUESTS = (
    ("GET", "/api/recommendations", STUDENT, "get_recommendations"),
    ("GET", "/api/recommendations", ORGANIZER, "get_recommendations"),
    ("GET", "/api/recommendations", UNKNOWN, "get_recommendations"),
    ("GET", "/api/recommendations", None, "get_recommendations"),
    ("GET", "/api/events", None, "get_events"),
    ("GET", "/api/events?search=Event&tags=tag+1&tags=tag+2&page=2", STUDENT, "get_events"),
    ("GET", "/api/me/personalization", STUDENT, "get_personalization"),
    ("POST", "/api/me/personalization/hidden-tags/1", STUDENT, "set_tag_hidden"),
    ("DELETE", "/api/me/personalization/hidden-tags/1", STUDENT, "set_tag_hidden"),
    ("POST", "/api/me/personalization/blocked-organizers/1", STUDENT, "set_organizer_blocked"),
    ("DELETE", "/api/me/personalization/blocked-organizers/1", STUDENT, "set_organizer_blocked"),
    ("POST", "/api/me/personalization/hidden-tags/4242", STUDENT, "set_tag_hidden"),
)
"""Method, path, user, and the one function that answers."""

WAITING = "SELECT count(*) FROM pg_stat_activity AS a WHERE a.wait_event_type = 'Lock'"

needs_pgbouncer = pytest.mark.skipif(
    program() is None, reason="PgBouncer is not installed (Debian: apt-get install pgbouncer)"
)


@pytest.fixture(scope="module")
def database() -> Iterator[EmbeddedServer]:
    with own_server(log_line_prefix="@%a@%d ", log_statement="all") as server:
        server.create_database(DATABASE)
        asyncio.run(fill(server.url(DATABASE)))
        yield server


async def fill(url: str) -> None:
    connection = await connect(url)
    try:
        await migrate(connection)
    finally:
        await connection.close()
    await prepare(url)


@pytest.fixture(params=["own pool", pytest.param("PgBouncer", marks=needs_pgbouncer)])
def server(request: pytest.FixtureRequest, database: EmbeddedServer) -> Iterator[ApiServer]:
    """A server on its own connections, and one behind two connections of PgBouncer."""
    if request.param == "own pool":
        with serve(database.url(DATABASE)) as server:
            yield server
        return
    with pgbouncer(database, DATABASE, pool_size=POOL_SIZE) as url, pooled(url) as server:
        yield server


@contextmanager
def pooled(url: str, **environment: str) -> Iterator[ApiServer]:
    with serve(url, DATABASE_PREPARED_STATEMENTS="false", **environment) as server:
        yield server


def test_sixteen_clients_get_what_is_theirs_while_all_changes(
    server: ApiServer, database: EmbeddedServer, run: Run
) -> None:
    url = database.url(DATABASE)
    report = run(Stress(url, server.url, reads=800, writes=200, clients=CLIENTS).run())
    assert report.faults == []


def test_each_request_is_one_statement(server: ApiServer, database: EmbeddedServer) -> None:
    with load(server.url, STUDENTS, clients=CLIENTS) as warm_up:
        warm_up.wait_for(200, more=100)
    before = database.log_file.stat().st_size
    counted = Counter[str]()
    for method, path, user, function in REQUESTS * 5:
        headers = {"Authorization": f"Bearer {token(user)}"} if user else {}
        assert server.client.request(method, path, headers=headers).status_code < 500
        counted[function] += 1
    assert statements(database, before) == counted


def test_each_request_of_many_at_once_is_one_statement(
    server: ApiServer, database: EmbeddedServer
) -> None:
    with load(server.url, STUDENTS, clients=CLIENTS) as warm_up:
        warm_up.wait_for(200, more=100)
    before = database.log_file.stat().st_size
    with load(server.url, STUDENTS, clients=CLIENTS) as clients:
        clients.wait_for(200, more=300)
    clients.assert_statuses(200)
    counted = Counter(FUNCTIONS[answer.path] for answer in clients.answers)
    assert statements(database, before) == counted


def statements(database: EmbeddedServer, start: int) -> Counter[str]:
    """Count what PostgreSQL was sent by the server since then, by the function it called."""
    with database.log_file.open("rb") as log:
        log.seek(start)
        found = LOGGED.findall(log.read().decode())
    called = [CALL.fullmatch(statement) for statement in found]
    return Counter(
        call[1] if call else statement for call, statement in zip(called, found, strict=True)
    )


@needs_pgbouncer
def test_prepared_statements_behind_pgbouncer_are_503_and_the_log_names_the_variable(
    database: EmbeddedServer,
) -> None:
    with (
        pgbouncer(database, DATABASE, pool_size=POOL_SIZE) as url,
        serve(url) as server,
    ):
        answer = server.client.get("/api/events")
        assert answer.status_code == 503
        assert "DATABASE_PREPARED_STATEMENTS" in server.log()


@needs_pgbouncer
def test_a_pgbouncer_that_is_started_again_is_found_again(database: EmbeddedServer) -> None:
    port = free_port()
    with ExitStack() as first:
        url = first.enter_context(pgbouncer(database, DATABASE, pool_size=POOL_SIZE, port=port))
        with pooled(url) as server, load(server.url, STUDENTS, clients=CLIENTS) as clients:
            clients.wait_for(200)
            first.close()
            clients.wait_for(503)
            with pgbouncer(database, DATABASE, pool_size=POOL_SIZE, port=port):
                clients.wait_for(200)
                clients.stop()
    clients.assert_statuses(200, 503)


@needs_pgbouncer
def test_a_lock_behind_pgbouncer_is_503_and_leaves_no_statement_behind(
    database: EmbeddedServer, run: Run
) -> None:
    connection = run(connect(database.url(DATABASE)))
    try:
        with (
            pgbouncer(database, DATABASE, pool_size=POOL_SIZE) as url,
            pooled(url, DATABASE_TIMEOUT_SECONDS="1") as server,
            load(server.url, STUDENTS, clients=CLIENTS) as clients,
        ):
            clients.wait_for(200)
            run(connection.execute("BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
            clients.wait_for(503, more=16)
            assert run(connection.fetchval(WAITING)) <= 2 * POOL_SIZE
            run(connection.execute("ROLLBACK"))
            clients.wait_for(200)
        clients.assert_statuses(200, 503)
    finally:
        connection.terminate()
