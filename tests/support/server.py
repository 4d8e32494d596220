"""Which PostgreSQL the tests run on: the one a variable names, Docker, or an embedded one."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import tempfile
import warnings
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.console import UserError
from app.database import describe_url, normalized_url
from app.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

IMAGE = "postgres:18"
TEMPORARY_PREFIX = "eventrank-tests-"

FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""A database that lives as long as the run has nothing to lose in a crash."""


class DockerUnavailableError(Exception):
    """Docker cannot give a PostgreSQL; the message says why."""


@dataclass
class ChosenServer:
    """The server of this run: an address that may create databases, and how to let go of it."""

    url: str
    description: str
    passed_over: list[str] = field(default_factory=list)
    resources: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        self.resources.close()


def choose_server(environment: Mapping[str, str]) -> ChosenServer:
    """Take the first that is there, and remember why the others were not taken.

    Of a server that a variable names, only databases made for the run are touched.
    """
    for variable in ("TEST_DATABASE_URL", "DATABASE_URL"):
        if given := environment.get(variable, "").strip():
            url = normalized_url(given, variable)
            return ChosenServer(url, f"{variable}, {describe_url(url)}")
    try:
        return start_container()
    except DockerUnavailableError as reason:
        server = start_embedded()
        server.passed_over.append(f"Docker is not used: {reason}")
        return server


def start_container() -> ChosenServer:
    """Start PostgreSQL in a container, where an engine answers and has (or gets) the image."""
    if reason := _engine_trouble():
        raise DockerUnavailableError(reason)
    # The reaper is one more image to fetch; the container is removed at the end of the run.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.community.postgres import PostgresContainer

    options = " ".join(f"-c {name}={value}" for name, value in FAST_SETTINGS.items())
    resources = ExitStack()
    try:
        container = PostgresContainer(IMAGE, driver=None).with_command(f"postgres {options}")
        resources.callback(container.stop)
        container.start()
        url = container.get_connection_url()
    except Exception as error:  # noqa: BLE001 - whatever the engine cannot do, the next choice can
        resources.close()
        raise DockerUnavailableError(f"{IMAGE} cannot be run ({_first_line(error)})") from None
    return ChosenServer(url, f"Docker, {IMAGE}", resources=resources)


def _engine_trouble() -> str | None:
    """Ask the engine for a sign of life; the answer is what is wrong."""
    try:
        import docker
        from docker.errors import DockerException
        from requests.exceptions import RequestException
    except ImportError as error:
        return f"{error.name} is not installed"
    trouble = None
    with warnings.catch_warnings():
        # docker does not close the socket of a connection that failed.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            with closing(docker.from_env(timeout=2)) as client:
                client.ping()
        except (DockerException, RequestException) as error:
            trouble = f"no engine answers ({_first_line(error)})"
        gc.collect()
    return trouble


def start_embedded() -> ChosenServer:
    """Start the embedded server in a temporary directory that goes with the run."""
    resources = ExitStack()
    server = resources.enter_context(own_server())
    return ChosenServer(
        server.url("postgres"), f"embedded, programs of {server.bin_dir}", resources=resources
    )


@contextmanager
def own_server(bin_dir: Path | None = None, **settings: str) -> Iterator[EmbeddedServer]:
    """Start an embedded server in a temporary directory, of these programs or those of the run.

    Both go with the block.
    """
    remove_abandoned()
    directory = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX))
    with ExitStack() as resources:
        resources.callback(shutil.rmtree, directory, ignore_errors=True)
        owner = os.open(directory / "owner", os.O_RDWR | os.O_CREAT, 0o600)
        resources.callback(os.close, owner)
        fcntl.flock(owner, fcntl.LOCK_EX)
        server = EmbeddedServer(directory / "postgres", bin_dir, FAST_SETTINGS | settings)
        resources.callback(server.stop)
        server.start()
        yield server


def remove_abandoned() -> None:
    """Stop and remove the servers of runs that were killed: their owner's lock is free."""
    for directory in Path(tempfile.gettempdir()).glob(TEMPORARY_PREFIX + "*"):
        try:
            owner = os.open(directory / "owner", os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            EmbeddedServer(directory / "postgres").stop()
            shutil.rmtree(directory, ignore_errors=True)
        except (BlockingIOError, UserError):
            continue
        finally:
            os.close(owner)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
