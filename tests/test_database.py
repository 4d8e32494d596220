"""Opening a connection: the session it gives, and the sentence for everything that is wrong."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from app import database
from app.console import UsageError, UserError
from app.database import connect, describe_url, normalized_url
from app.embedded import EmbeddedServer
from app.embedded.data_directory import LONGEST_SOCKET_PATH
from tests.support.pgbouncer import pgbouncer, program
from tests.support.server import FAST_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runner import Run

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "s3cret"


@pytest.fixture(scope="module")
def server_with_password() -> Iterator[EmbeddedServer]:
    """A server on TCP, which asks for a password."""
    with tempfile.TemporaryDirectory(prefix="er-") as name:
        data_dir = Path(name) / ("x" * LONGEST_SOCKET_PATH) / "pg"
        server = EmbeddedServer(data_dir, settings=FAST_SETTINGS)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def embedded_elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedServer]:
    """The embedded server every command uses, but in a directory that goes with the test."""
    with tempfile.TemporaryDirectory(prefix="er-") as name:
        monkeypatch.setattr(database, "EMBEDDED_DATA_DIR", Path(name) / "postgres")
        monkeypatch.delenv("DATABASE_URL", raising=False)
        yield database.embedded_server()
        database.embedded_server().stop()


async def fetch(url: str | None, query: str, **settings: str) -> Any:
    connection = await connect(url, **settings)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def failure(run: Run, url: str) -> str:
    with pytest.raises(UserError) as caught:
        run(connect(url))
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def with_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def with_login(url: str, login: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}").geturl()


def test_a_session_counts_in_utc_and_compiles_nothing(run: Run, empty_database_url: str) -> None:
    settings = {"jit": "off", "TimeZone": "UTC", "application_name": "eventrank"}
    for name, value in settings.items():
        assert run(fetch(empty_database_url, f"SHOW {name}")) == value


def test_a_session_takes_the_callers_settings(run: Run, empty_database_url: str) -> None:
    shown = run(fetch(empty_database_url, "SHOW work_mem", work_mem="7MB"))
    assert shown == "7MB"
    name = run(fetch(empty_database_url, "SHOW application_name", application_name="worker"))
    assert name == "worker"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_usual_scheme_is_understood(
    run: Run, empty_database_url: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", scheme + empty_database_url.removeprefix("postgresql"))
    assert database.database_url() == empty_database_url
    name = empty_database_url.partition("?")[0].rpartition("/")[2]
    assert run(fetch(None, "SELECT current_database()")) == name


def test_without_database_url_the_embedded_server_starts_with_its_database(
    run: Run, embedded_elsewhere: EmbeddedServer
) -> None:
    assert run(fetch(None, "SELECT current_database()")) == "eventrank"
    assert embedded_elsewhere.is_running()


def test_a_dropped_database_of_the_embedded_server_is_made_again(
    run: Run, embedded_elsewhere: EmbeddedServer
) -> None:
    database.database_url()
    run(fetch(embedded_elsewhere.url("postgres"), "DROP DATABASE eventrank"))
    assert run(fetch(None, "SELECT current_database()")) == "eventrank"


def test_a_wrong_password(run: Run, server_with_password: EmbeddedServer) -> None:
    url = with_login(server_with_password.url("postgres"), f"postgres:{PASSWORD}")
    told = failure(run, url)
    assert told.startswith("cannot log in to the database postgres on 127.0.0.1:")
    assert "as user postgres: wrong password" in told


def test_an_unknown_user(run: Run, server_with_password: EmbeddedServer) -> None:
    url = with_login(server_with_password.url("postgres"), f"nemo:{PASSWORD}")
    assert "as user nemo: wrong password, or a user without access" in failure(run, url)


def test_an_unknown_database(run: Run, empty_database_url: str) -> None:
    told = failure(run, with_database(empty_database_url, "atlantis"))
    assert told.startswith("there is no such database: the database atlantis on ")
    assert "createdb" in told


def test_a_port_where_nothing_listens(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert failure(run, f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/db") == (
        f"cannot reach the database db on 127.0.0.1:{port} as user me: nothing listens there; is"
        " the server started?"
    )


def test_a_name_with_several_addresses_where_nothing_listens(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    told = failure(run, f"postgresql://me:{PASSWORD}@localhost:{port}/db")
    assert told.startswith(f"cannot reach the database db on localhost:{port} as user me: ")


def test_a_socket_directory_without_a_socket(run: Run) -> None:
    told = failure(run, "postgresql://me@/db?host=/nowhere")
    assert told == (
        "cannot reach the database db on /nowhere as user me: there is no socket; is the server"
        " started?"
    )


def test_a_host_without_an_address(run: Run) -> None:
    told = failure(run, f"postgresql://me:{PASSWORD}@nowhere.invalid/db")
    assert told.startswith("cannot reach the database db on nowhere.invalid as user me: ")


def test_a_server_that_does_not_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CONNECT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        told = failure(run, f"postgresql://me@127.0.0.1:{server.getsockname()[1]}/db")
    assert told.endswith("no answer within 0.05 seconds")


def test_an_option_that_does_not_exist(run: Run) -> None:
    told = failure(run, f"postgresql://me:{PASSWORD}@127.0.0.1/db?sslmode=perhaps")
    assert "sslmode" in told


def test_a_server_that_is_too_old(
    run: Run, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "OLDEST_MAJOR", 999)
    told = failure(run, empty_database_url)
    assert told.startswith("PostgreSQL 999 or newer is needed, and the database ")


def test_a_database_in_another_encoding(run: Run, empty_database_url: str) -> None:
    name = run(fetch(empty_database_url, "SELECT current_database()")) + "_latin1"
    create = f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    run(fetch(empty_database_url, create))
    try:
        told = failure(run, with_database(empty_database_url, name))
        assert f"the database {name} on " in told
        assert "is LATIN1, and UTF8 is needed" in told
    finally:
        run(fetch(empty_database_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.mark.parametrize(
    "given",
    [
        f"host=localhost password={PASSWORD}",
        f"mysql://me:{PASSWORD}@localhost/db",
        f"//me:{PASSWORD}@localhost/db",
        f"postgresql://me:{PASSWORD}@localhost:port/db",
        f"postgresql://me:12/{PASSWORD}@localhost/db",
        f"postgresql://me:12?{PASSWORD}@localhost/db",
        f"postgresql://me:12#{PASSWORD}@localhost/db",
        f"postgresql://me:@{PASSWORD}@localhost/db",
        f"postgresql://me:{PASSWORD}@[::1/db",
    ],
)
def test_a_malformed_address_is_refused_without_repeating_it(given: str) -> None:
    with pytest.raises(UserError, match=r"^DATABASE_URL is .*postgresql://user:password@host"):
        normalized_url(given, "DATABASE_URL")
    with pytest.raises(UsageError) as caught:
        normalized_url(given, "DATABASE_URL")
    assert PASSWORD not in str(caught.value)


def test_a_malformed_address_is_a_wrong_call_for_every_command() -> None:
    environment = os.environ | {"DATABASE_URL": "foo"}
    for script in ("migrate.py", "db.py", "recompute_recommendations_ml.py"):
        arguments = ["status"] if script == "db.py" else []
        done = subprocess.run(
            [sys.executable, ROOT / "scripts" / script, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr.startswith("error: DATABASE_URL is not a PostgreSQL address")


@pytest.mark.skipif(program() is None, reason="PgBouncer is not installed")
def test_a_command_behind_a_pooler_is_told_what_it_needs(
    run: Run, server_with_password: EmbeddedServer
) -> None:
    with pgbouncer(server_with_password, "postgres", pool_size=1) as url:
        told = failure(run, url)
    assert "startup parameter" in told
    assert "connect to PostgreSQL itself" in told


@pytest.mark.parametrize(
    ("url", "described"),
    [
        (f"postgresql://me:{PASSWORD}@h:1/db", "the database db on h:1 as user me"),
        (f"postgresql://me:{PASSWORD}@h,i:2/db", "the database db on h,i:2 as user me"),
        ("postgresql://m%20e@[::1]:5/d%2Fb", "the database d/b on [::1]:5 as user m e"),
        ("postgresql://me@/db?host=/run/pg", "the database db on /run/pg as user me"),
        (f"postgresql:///db?user=me&password={PASSWORD}", "the database db on here as user me"),
        ("postgresql://h", "h"),
        (f"postgresql://me:{PASSWORD}#@h/db", "the given address"),
    ],
)
def test_an_address_is_described_without_its_password(
    url: str, described: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "here")
    assert describe_url(url) == described


def db_script(*arguments: str, url: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "db.py", *arguments],
        env=environment | ({"DATABASE_URL": url} if url is not None else {}),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def test_psql_opens_on_database_url_and_takes_arguments(
    server_with_password: EmbeddedServer,
) -> None:
    url = server_with_password.url("postgres")
    shown = db_script("psql", "-XAtc", "SELECT 'it''s me'", url=url)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "it's me\n", "")


def test_somebody_elses_server_is_shown_but_not_stopped(
    server_with_password: EmbeddedServer,
) -> None:
    url = server_with_password.url("postgres")
    password = urlsplit(url).password
    assert password
    for action, exit_code in {"status": 0, "start": 0, "stop": 1, "restart": 1}.items():
        told = db_script(action, url=url)
        assert told.returncode == exit_code
        assert "the database postgres on 127.0.0.1:" in told.stdout + told.stderr
        assert password not in told.stdout + told.stderr
    assert server_with_password.is_running()


def test_the_script_refuses_what_it_does_not_know() -> None:
    assert db_script("explode", url=None).returncode == 2
