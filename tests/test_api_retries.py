"""Batches sent again until they are acknowledged, whatever ends meanwhile, are stored once."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.console import UserError
from app.database import connect
from app.schema import migrate
from tests.support.api_server import ANSWER_SECONDS, serve, token
from tests.support.http_load import POLL_SECONDS, wait_for
from tests.support.server import own_server
from tests.support.site import INTERACTIONS, Json
from tests.support.worlds import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.embedded import EmbeddedServer
    from tests.support.runner import Run

    Connection = asyncpg.Connection[asyncpg.Record]

DATABASE = "retries"
STUDENTS = range(1, 9)
EVENTS = range(1, 6)
BATCH = 5
PATIENCE_SECONDS = 10
"""What a client waits for an answer before it sends the batch again."""

SETTINGS = """
INSERT INTO recommender_settings (name, value, source) VALUES
    ('analytics_rate_limit', '1000000', 'admin'),
    ('recommendations_online_learning_enabled', 'true', 'admin'),
    ('recommendations_online_learning_max_score', '1000000', 'admin'),
    ('recommendations_online_learning_decay_half_life_hours', '1000000', 'admin')
"""
STORED = """
SELECT i.user_id, i.event_id, i.meta ->> 'sent', count(*)
FROM event_interactions AS i GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
LEARNED = "SELECT t.user_id, t.tag_id, t.score FROM user_implicit_interest_tags AS t"
SESSIONS = """
SELECT a.pid FROM pg_stat_activity AS a
WHERE
    a.datname = current_database()
    AND a.application_name = 'eventrank server'
    AND a.backend_type = 'client backend'
"""
LOCKS = """
SELECT count(*) FROM pg_locks AS l
WHERE l.pid <> pg_backend_pid() AND l.relation = 'event_interactions'::regclass
"""


class Clients:
    """One client a student: it sends a batch until that is acknowledged, then the next one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(s,)) for s in STUDENTS]
        self.acknowledged: list[tuple[int, Json]] = []
        self.retried = 0
        self.unexpected: list[str] = []

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int) -> None:
        """Wait until so many more batches have been acknowledged."""
        due = len(self.acknowledged) + more * BATCH
        wait_for(
            lambda: len(self.acknowledged) >= due or bool(self.unexpected),
            lambda: f"no answers: {len(self.acknowledged)} of {due}",
        )

    def _send(self, student: int) -> None:
        headers = {"Authorization": f"Bearer {token(student)}"}
        with httpx.Client(timeout=PATIENCE_SECONDS, trust_env=False, headers=headers) as client:
            while not self._stopped.is_set():
                batch: list[Json] = [
                    {
                        "interaction_type": "click",
                        "event_id": event,
                        "client_id": str(uuid4()),
                        "meta": {"sent": str(uuid4())},
                    }
                    for event in EVENTS
                ]
                # Also once the clients are stopped: a batch that was begun is brought to its end.
                while not self._is_acknowledged(client, batch):
                    self.retried += 1
                    time.sleep(POLL_SECONDS)
                self.acknowledged += [(student, interaction) for interaction in batch]

    def _is_acknowledged(self, client: httpx.Client, batch: list[Json]) -> bool:
        try:
            answer = client.post(self._url + INTERACTIONS, json={"events": batch})
        except httpx.HTTPError:
            return False
        if answer.status_code not in {204, 503}:
            self.unexpected.append(f"{answer.status_code} {answer.text}")
        return answer.status_code != 503


@pytest.fixture(scope="module")
def database() -> Iterator[EmbeddedServer]:
    """A PostgreSQL that nobody else needs, and that keeps what it acknowledged."""
    with own_server(synchronous_commit="on") as server:
        server.create_database(DATABASE)
        yield server


@pytest.fixture
def url(database: EmbeddedServer, run: Run) -> str:
    database.start()
    url = database.url(DATABASE)
    run(fill(url))
    return url


async def fill(url: str) -> None:
    world = World()
    for _ in STUDENTS:
        world.student()
    club = world.organizer()
    for event in EVENTS:
        world.event(club, tags=[f"tag {event}"])
    connection = await connect(url)
    try:
        await migrate(connection)
        await world.write(connection)
        await connection.execute("TRUNCATE recommender_settings")
        await connection.execute(SETTINGS)
    finally:
        await connection.close()


async def assert_all_is_there_once(url: str, clients: Clients) -> None:
    assert clients.unexpected == []
    connection = await connect(url)
    try:
        stored = [tuple(row) for row in await connection.fetch(STORED)]
        assert stored == sorted(
            (student, sent["event_id"], sent["meta"]["sent"], 1)
            for student, sent in clients.acknowledged
        )
        learned = {row[:2]: row[2] for row in await connection.fetch(LEARNED)}
        clicks = [(student, sent["event_id"]) for student, sent in clients.acknowledged]
        assert learned == pytest.approx({key: clicks.count(key) for key in set(clicks)}, rel=1e-6)
        assert await connection.fetchval(LOCKS) == 0
    finally:
        await connection.close()


def test_a_server_that_is_killed_while_batches_arrive_loses_and_repeats_none(
    url: str, run: Run
) -> None:
    with ExitStack() as servers:
        server = servers.enter_context(serve(url))
        port = server.url.rpartition(":")[2]
        with Clients(server.url) as clients:
            for _ in range(3):
                clients.wait_for(20)
                server.kill()
                server = servers.enter_context(serve(url, PORT=port))
            clients.wait_for(20)
    assert clients.retried > 0
    run(assert_all_is_there_once(url, clients))


def test_a_database_that_is_killed_while_batches_arrive_loses_and_repeats_none(
    database: EmbeddedServer, url: str, run: Run
) -> None:
    with serve(url) as server, Clients(server.url) as clients:
        for _ in range(3):
            clients.wait_for(20)
            os.kill(run(a_session(url)), signal.SIGKILL)
        clients.wait_for(20)
        postmaster = database.process_id()
        assert postmaster is not None
        os.kill(postmaster, signal.SIGQUIT)
        wait_for(lambda: database.process_id() is None, lambda: "PostgreSQL did not end")
        database.start()
        clients.wait_for(20)
    assert clients.retried > 0
    run(assert_all_is_there_once(url, clients))


async def a_session(url: str) -> int:
    """Give the process of one of the server's connections, which may be recovering from a crash."""
    async with asyncio.timeout(ANSWER_SECONDS):
        while True:
            with suppress(asyncpg.PostgresError, OSError, UserError):
                connection = await connect(url)
                try:
                    if pid := await connection.fetchval(SESSIONS):
                        return int(pid)
                finally:
                    await connection.close()
            await asyncio.sleep(POLL_SECONDS)
