"""PgBouncer as Debian packages it, in front of an embedded server, on a port of its own."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app.embedded.account import choose_account
from app.embedded.data_directory import SOCKET_PORT, SUPERUSER
from app.embedded.processes import wait_until
from tests.support.api_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.embedded import EmbeddedServer

START_SECONDS = 20

CONFIGURATION = """
[databases]
{database} = host={socket} port={socket_port} user={user} dbname={database}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
logfile = {log}
"""
"""No more than what makes it run: ignore_startup_parameters is left as everybody has it."""


def program() -> str | None:
    """Find PgBouncer; Debian puts it where only root looks."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextmanager
def pgbouncer(
    server: EmbeddedServer, database: str, *, pool_size: int, port: int | None = None
) -> Iterator[str]:
    """Run PgBouncer in transaction mode before a database, and give its address there."""
    found = program()
    assert found
    port = port or free_port()
    directory = server.data_dir.parent / f"pgbouncer-{port}"
    directory.mkdir(exist_ok=True)
    configuration = directory / "pgbouncer.ini"
    configuration.write_text(
        CONFIGURATION.format(
            database=database,
            socket=server.data_dir,
            socket_port=SOCKET_PORT,
            user=SUPERUSER,
            port=port,
            pool_size=pool_size,
            log=directory / "log",
        )
    )
    # It refuses to be root, as the server does, and the server's socket is not for everybody.
    account = choose_account(server.data_dir, Path(found))
    account.adopt_tree(directory)
    process = subprocess.Popen(
        [*account.prefix, found, configuration],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **account.process_options(),
    )
    try:
        log = directory / "log"
        assert wait_until(
            lambda: (
                (log.exists() and "process up" in log.read_text()) or process.poll() is not None
            ),
            START_SECONDS,
        )
        assert process.poll() is None, log.read_text()[-2000:]
        yield f"postgresql://{SUPERUSER}@127.0.0.1:{port}/{database}"
    finally:
        process.kill()
        process.wait(START_SECONDS)


def _is_up(log: Path) -> bool:
    return log.exists() and "process up" in log.read_text()
