"""The launcher: starts one server on a data directory, finds it again, stops it."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from app.console import UserError
from app.embedded.account import Account, choose_account
from app.embedded.data_directory import SOCKET_PORT, SUPERUSER, DataDirectory
from app.embedded.failures import plain_errors, server_failure
from app.embedded.processes import (
    end_orphans,
    is_alive,
    serves,
    unannounced_postmaster,
    wait_until,
)
from app.embedded.programs import find_binaries, major_version, server_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

START_SECONDS = 300.0
"""A start after a crash replays the log first."""
STOP_SECONDS = 120.0
ANNOUNCE_SECONDS = 10.0

DEFAULT_SETTINGS: Mapping[str, str] = {
    "checkpoint_timeout": "15min",
    "effective_cache_size": "1GB",
    "jit": "off",
    "lc_messages": "C",
    "log_timezone": "UTC",
    "maintenance_work_mem": "128MB",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "wal_level": "replica",
    "work_mem": "32MB",
}
"""For a development machine of two cores and some gigabytes."""

CREATE_DATABASE = r"""
SELECT format('CREATE DATABASE %I', :'name')
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_database AS d WHERE d.datname = :'name')
\gexec
"""


class EmbeddedServer:
    """A PostgreSQL server on a data directory, found again by every command that names it."""

    def __init__(
        self,
        data_dir: Path,
        bin_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = Path(data_dir).absolute()
        self.settings = {**DEFAULT_SETTINGS, **(settings or {})}
        self._bin_dir = bin_dir
        self._directory = DataDirectory(self.data_dir)

    @property
    def bin_dir(self) -> Path:
        """The directory of postgres, initdb and psql."""
        if self._bin_dir is None:
            self._bin_dir = find_binaries()
        return self._bin_dir

    @property
    def log_file(self) -> Path:
        """Where the server writes its messages."""
        return self._directory.log_file

    def start(self) -> None:
        """Make sure that the server runs and answers; any number of commands may ask at once."""
        with plain_errors(self.data_dir):
            if self._is_ready():
                return
            self.data_dir.parent.mkdir(parents=True, exist_ok=True)
            with self._exclusively():
                if not self._wait_for_postmaster():
                    self._start_afresh()

    def _start_afresh(self) -> None:
        account = choose_account(self.data_dir, self.bin_dir / "postgres")
        self._prepare_directory(account)
        if self._wait_for_announcement():
            return
        end_orphans(self.data_dir)
        self._directory.remove_stale_locks()
        self._launch(account)

    def stop(self) -> None:
        """Shut the server down cleanly; open connections are closed."""
        with plain_errors(self.data_dir):
            if self._directory.postmaster() is None:
                return
            with self._exclusively():
                if (postmaster := self._directory.postmaster()) is None:
                    return
                os.kill(postmaster.pid, signal.SIGINT)
                if not wait_until(lambda: not serves(postmaster.pid, self.data_dir), STOP_SECONDS):
                    raise UserError(
                        f"the server (process {postmaster.pid}) did not stop within"
                        f" {STOP_SECONDS:g} seconds: see {self.log_file}"
                    )

    def is_running(self) -> bool:
        """Say whether a server is alive on this data directory."""
        return self.process_id() is not None

    def process_id(self) -> int | None:
        """Give the server's process id while it is alive."""
        with plain_errors(self.data_dir):
            postmaster = self._directory.postmaster()
            return postmaster.pid if postmaster else None

    def url(self, database: str = "eventrank") -> str:
        """Give the address that asyncpg and psql understand alike."""
        with plain_errors(self.data_dir):
            password = "" if self._directory.has_socket() else f":{self._directory.password}"
            return self._url(password, database)

    def _url(self, password: str, database: str) -> str:
        login, path = SUPERUSER + password, quote(database, safe="")
        if self._directory.has_socket():
            directory = quote(str(self.data_dir), safe="/")
            return f"postgresql://{login}@/{path}?host={directory}&port={SOCKET_PORT}"
        if (postmaster := self._directory.postmaster()) is None:
            raise UserError(f"the embedded server in {self.data_dir} is not running")
        return f"postgresql://{login}@127.0.0.1:{postmaster.port}/{path}?sslmode=disable"

    def create_database(self, name: str) -> None:
        """Create the database unless it is there."""
        created = self._run_sql(CREATE_DATABASE, name=name)
        if created.returncode != 0:
            # Another command may have created it in between; then there is nothing left to do.
            created = self._run_sql(CREATE_DATABASE, name=name)
        if created.returncode != 0:
            what = f"cannot create the database {name}"
            raise server_failure(self.data_dir, what, created.stderr)

    def _run_sql(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        with plain_errors(self.data_dir):
            password = self._directory.password
        return subprocess.run(
            [
                *(self.bin_dir / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"),
                *(f"--set={name}={value}" for name, value in variables.items()),
                *("-d", self._url("", "postgres")),
            ],
            # Not among the arguments, where every user of the machine could read it.
            env=server_environment() | {"PGPASSWORD": password},
            input=script,
            capture_output=True,
            text=True,
            check=False,
        )

    def _is_ready(self) -> bool:
        postmaster = self._directory.postmaster()
        return postmaster is not None and postmaster.status == "ready"

    def _wait_for_postmaster(self) -> bool:
        """Wait while a living server starts or stops; say whether it is ready."""
        settled = wait_until(
            lambda: self._is_ready() or self._directory.postmaster() is None, START_SECONDS
        )
        if not settled:
            raise UserError(
                f"the server in {self.data_dir} is there but has not answered for"
                f" {START_SECONDS:g} seconds: see {self.log_file}"
            )
        return self._is_ready()

    def _wait_for_announcement(self) -> bool:
        """Let a server come up whose starter was killed before it wrote postmaster.pid."""
        if (pid := unannounced_postmaster(self.data_dir)) is None:
            return False
        wait_until(
            lambda: self._directory.postmaster() is not None or not is_alive(pid), ANNOUNCE_SECONDS
        )
        if self._directory.postmaster() is None and is_alive(pid):
            raise UserError(
                f"process {pid} serves {self.data_dir} from another container: stop it there, or"
                " set DATABASE_URL"
            )
        return self._wait_for_postmaster()

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        lock_file = self.data_dir.with_name(self.data_dir.name + ".lock")
        descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.geteuid() == 0:
                parent = self.data_dir.parent.stat()
                os.fchown(descriptor, parent.st_uid, parent.st_gid)
            if not wait_until(lambda: _try_lock(descriptor), START_SECONDS):
                raise UserError(
                    f"another command has held {lock_file} for {START_SECONDS:g} seconds: end it"
                    " and try again"
                )
            yield
        finally:
            os.close(descriptor)

    def _prepare_directory(self, account: Account) -> None:
        programs = major_version(self.bin_dir)
        self._directory.clear_half_made()
        if not self._directory.is_whole():
            self._directory.initialise(self.bin_dir, account, self.settings)
        elif (maker := self._directory.major_version) != programs:
            raise UserError(
                f"the data directory {self.data_dir} was made by PostgreSQL {maker}, and the"
                f" programs in {self.bin_dir} are PostgreSQL {programs}: set EVENTRANK_PG_BIN to"
                f" the bin directory of a PostgreSQL {maker}, or move the data directory away to"
                " start with an empty one"
            )
        account.adopt_tree(self.data_dir)

    def _launch(self, account: Account) -> None:
        while True:
            tcp_port = None if self._directory.has_socket() else _free_port()
            self._directory.configure(account, self.settings, tcp_port)
            with self.log_file.open("ab") as log:
                account.adopt(self.log_file)
                log_start = log.tell()
                pid = self._detach(account, log.fileno())
            wait_until(lambda: self._is_ready() or not is_alive(pid), START_SECONDS)  # noqa: B023
            # If it died, then perhaps because a start that was cut short has one coming up.
            if self._wait_for_postmaster():
                return
            if tcp_port is None or _is_free(tcp_port):
                raise self._start_failure(log_start)

    def _detach(self, account: Account, log: int) -> int:
        """Launch the server in a session of its own: no Ctrl-C of ours reaches it.

        The shell between leaves at once, so that the server is not our child and no zombie of
        ours when it ends.
        """
        shell = subprocess.run(
            [
                *("sh", "-c", '"$@" >&2 & echo $!', "sh", *account.prefix),
                *(self.bin_dir / "postgres", "-D", self.data_dir),
            ],
            env=server_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            check=True,
            **account.process_options(),
        )
        return int(shell.stdout)

    def _start_failure(self, log_start: int) -> UserError:
        with self.log_file.open("rb") as log:
            log.seek(log_start)
            messages = log.read().decode(errors="replace")
        what = f"the embedded server did not start, and its log {self.log_file} ends with"
        return server_failure(self.data_dir, what, messages)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
