"""The data directory: made whole or not at all, and its files that matter to a launcher."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.console import UserError
from app.embedded.failures import server_failure
from app.embedded.processes import serves
from app.embedded.programs import server_environment, utf8_locale

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.embedded.account import Account

SUPERUSER = "postgres"
SOCKET_PORT = 5432
SOCKET_NAME = f".s.PGSQL.{SOCKET_PORT}"
LONGEST_SOCKET_PATH = 107
"""sockaddr_un.sun_path has 108 bytes on Linux, one of them for the closing NUL."""

CONFIGURATION_NAME = "eventrank.conf"
"""Included by postgresql.conf; the last file of a new directory, so it also marks it whole."""
PASSWORD_NAME = "eventrank.password"
LOG_NAME = "server.log"

SMALL_SHARED_MEMORY = 512 * 2**20
"""Containers get a /dev/shm of 64 MB, which parallel hash joins outgrow."""

MADE_BY_INITDB = re.compile(r"PG_VERSION|base|global|pg_\w+(\.conf)?|postgresql[.\w]*\.conf")


@dataclass(frozen=True)
class Postmaster:
    """What postmaster.pid says of a server that is alive."""

    pid: int
    port: int
    status: str


class DataDirectory:
    """The files of one server."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log_file = path / LOG_NAME

    @property
    def major_version(self) -> int:
        """The version of the programs that made it."""
        return int((self.path / "PG_VERSION").read_text())

    @property
    def password(self) -> str:
        """The superuser's password; needed over TCP, where any user of the machine may knock."""
        return (self.path / PASSWORD_NAME).read_text().strip()

    def has_socket(self) -> bool:
        """Say whether clients can name the server's socket."""
        try:
            path = str(self.path / SOCKET_NAME).encode()
        except UnicodeEncodeError:
            return False
        # A comma separates hosts in an address, escaped or not.
        return len(path) <= LONGEST_SOCKET_PATH and b"," not in path

    def postmaster(self) -> Postmaster | None:
        """Give the server that is alive on this directory."""
        try:
            lines = (self.path / "postmaster.pid").read_text().splitlines()
            pid = abs(int(lines[0]))
        except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
            return None
        if not serves(pid, self.path):
            return None
        # The file is written in steps; what is not there yet means that the server starts.
        if len(lines) < 8:
            return Postmaster(pid, 0, "starting")
        return Postmaster(pid, int(lines[3]), lines[7].strip())

    def remove_stale_locks(self) -> None:
        """Remove what a dead server left; its process id may be somebody else's by now."""
        for name in ("postmaster.pid", f"{SOCKET_NAME}.lock", SOCKET_NAME):
            (self.path / name).unlink(missing_ok=True)

    def is_whole(self) -> bool:
        """Say whether it was made to the end."""
        names = ("PG_VERSION", "global/pg_control", CONFIGURATION_NAME)
        return all((self.path / name).exists() for name in names)

    def clear_half_made(self) -> None:
        """Remove what an interrupted initdb left; what may hold data is not touched."""
        for leftover in self.path.parent.glob(f"{self.path.name}.initdb-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if self.is_whole() or not self.path.exists():
            return
        has_data = (self.path / "global" / "pg_control").exists()
        if has_data or not all(MADE_BY_INITDB.fullmatch(p.name) for p in self.path.iterdir()):
            raise UserError(
                f"{self.path} is not a data directory of the embedded server: move it away, or"
                " set DATABASE_URL"
            )
        shutil.rmtree(self.path)

    def initialise(self, bin_dir: Path, account: Account, settings: Mapping[str, str]) -> None:
        """Make it beside its place, and move it there when it is whole."""
        staging = Path(tempfile.mkdtemp(prefix=f"{self.path.name}.initdb-", dir=self.path.parent))
        try:
            fresh, password_file = DataDirectory(staging / "data"), staging / PASSWORD_NAME
            password_file.touch(mode=0o600)
            password_file.write_text(secrets.token_urlsafe(24) + "\n")
            for path in (staging, password_file):
                account.adopt(path)
            self._run_initdb(fresh.path, password_file, bin_dir, account, settings)
            password_file.rename(fresh.path / PASSWORD_NAME)
            with (fresh.path / "postgresql.conf").open("a") as configuration:
                configuration.write(f"\ninclude_if_exists = '{CONFIGURATION_NAME}'\n")
            fresh.configure(account, settings)
            fresh.path.rename(self.path)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _run_initdb(
        self,
        target: Path,
        password_file: Path,
        bin_dir: Path,
        account: Account,
        settings: Mapping[str, str],
    ) -> None:
        command: list[str | Path] = [
            *account.prefix,
            *(bin_dir / "initdb", "-D", target, "-U", SUPERUSER, f"--pwfile={password_file}"),
            # The socket lies in the data directory, which is closed to everybody else.
            *("--auth-local=trust", "--auth-host=scram-sha-256"),
            *("-E", "UTF8", "--locale-provider=libc", f"--locale={utf8_locale()}"),
        ]
        if settings.get("fsync") == "off":
            command.append("--no-sync")
        initdb = subprocess.run(
            command,
            env=server_environment(),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **account.process_options(),
        )
        if initdb.returncode != 0:
            what = f"initdb could not make {self.path}"
            raise server_failure(self.path, what, initdb.stderr)

    def configure(
        self, account: Account, settings: Mapping[str, str], tcp_port: int | None = None
    ) -> None:
        """Write the settings of the next start; ALTER SYSTEM overrules them."""
        if tcp_port is None:
            # The server works in its data directory: "." is right whatever the path is.
            own = {"listen_addresses": "", "unix_socket_directories": ".", "port": str(SOCKET_PORT)}
            own["unix_socket_permissions"] = "0700"
        else:
            own = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
            own["port"] = str(tcp_port)
        if _shared_memory_is_small():
            own["dynamic_shared_memory_type"] = "mmap"
        lines = ["# Written anew at every start. Your own settings: ALTER SYSTEM SET."]
        for name, value in sorted((own | dict(settings)).items()):
            quoted = value.replace("'", "''")
            lines.append(f"{name} = '{quoted}'")
        configuration = self.path / CONFIGURATION_NAME
        configuration.write_text("\n".join(lines) + "\n")
        account.adopt(configuration)


def _shared_memory_is_small() -> bool:
    try:
        shared_memory = os.statvfs("/dev/shm")
    except OSError:
        return False
    return shared_memory.f_frsize * shared_memory.f_blocks < SMALL_SHARED_MEMORY
