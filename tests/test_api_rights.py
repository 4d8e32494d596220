"""A server whose role may not do all it should: it says so, names no table, and gets well again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from tests.support.api_server import serve, token
from tests.support.site import Site, assert_problem, open_site
from tests.support.worlds import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.runner import Run

PASSWORD = "a-password-of-the-tests"
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def site(database_url: str, run: Run) -> Iterator[Site]:
    with open_site(database_url, run) as site:
        yield site


@pytest.fixture
def reader(site: Site) -> Iterator[str]:
    """The address for a role that may read all and write nothing."""
    role = f"eventrank_{uuid4().hex[:12]}"
    try:
        site.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    except asyncpg.InsufficientPrivilegeError:
        pytest.skip("only a role that may create roles can try this")
    try:
        site.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public, recommender TO {role}")
        yield with_user(site.database_url, role)
    finally:
        site.execute(f"DROP OWNED BY {role}")
        site.execute(f"DROP ROLE {role}")


def with_user(url: str, role: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role}:{PASSWORD}@{host}").geturl()


def test_it_is_not_ready_until_its_settings_are_stored(site: Site, reader: str) -> None:
    site.write(World())
    with serve(reader, TASK_QUEUE_ENABLED="true") as server:
        detail = assert_problem(server.client.get("/readyz"), 503)["detail"]
        assert detail.startswith("the environment's settings are not stored yet: ")
        assert "lacks a right" in detail
        assert "permission denied for table recommender_settings" in server.log()
        assert server.client.get("/api/events").status_code == 200
        role = urlsplit(reader).username
        site.execute(f"GRANT INSERT, UPDATE ON recommender_settings TO {role}")
        wait_until(lambda: server.client.get("/readyz").status_code == 200)
    assert site.value("SELECT value FROM recommender_settings") == "true"


def test_a_right_that_is_missing_is_503_and_the_log_says_which(site: Site, reader: str) -> None:
    world = World()
    student, tag = world.student(), world.tag("loud")
    site.write(world)
    with serve(reader) as server:
        answer = server.client.post(
            f"/api/me/personalization/hidden-tags/{tag}",
            headers={"Authorization": f"Bearer {token(student)}"},
        )
        assert "lacks a right" in assert_problem(answer, 503)["detail"]
        assert "source_hidden_tags" not in answer.text
        assert "permission denied for view source_hidden_tags" in server.log()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
