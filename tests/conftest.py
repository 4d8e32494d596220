"""The run's database, its fixtures, and the optional data sets."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.console import UserError
from tests.support.browser import open_browser
from tests.support.databases import Databases, server_version
from tests.support.server import ChosenServer, choose_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.async_api import Browser

    from tests.support.runner import Run

OPTIONAL_DATA = {"golden": "GOLDEN_DIR", "dataset": "DATASET_DIR"}
"""Marker of the tests that need the data, and the variable that names its directory."""

SERVER = pytest.StashKey[ChosenServer]()
HEADER = pytest.StashKey[list[str]]()
NOTES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[HEADER] = []
    config.stash[NOTES] = []
    for marker, variable in OPTIONAL_DATA.items():
        config.addinivalue_line("markers", f"{marker}: needs the data in ${variable}")
        directory = os.environ.get(variable)
        if directory and not Path(directory).is_dir():
            raise pytest.UsageError(f"{variable} names {directory}, which is not a directory")
        config.stash[HEADER].append(
            f"{variable}: {directory}"
            if directory
            else f"{variable}: not set, the {marker} tests are left out"
        )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    try:
        server = choose_server(os.environ)
        session.config.add_cleanup(server.close)
        version = asyncio.run(server_version(server.url))
    except UserError as error:
        raise pytest.UsageError(f"no database for the tests: {error}") from None
    session.config.stash[SERVER] = server
    session.config.stash[HEADER][:0] = [
        f"database: PostgreSQL {version} ({server.description})",
        *server.passed_over,
    ]


def pytest_report_header(config: pytest.Config) -> list[str]:
    return config.stash[HEADER]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.stash[NOTES]:
        terminalreporter.section("measured", sep="-")
        for line in config.stash[NOTES]:
            terminalreporter.write_line(line)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("any_server")
    missing = {marker for marker, variable in OPTIONAL_DATA.items() if not os.environ.get(variable)}
    left_out = [item for item in items if any(map(item.get_closest_marker, missing))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def databases(pytestconfig: pytest.Config) -> Iterator[Databases]:
    databases = Databases(pytestconfig.stash[SERVER].url)
    yield databases
    databases.close()


@pytest.fixture(scope="module")
def database_url(databases: Databases) -> Iterator[str]:
    """The address of a fresh database of the module with migrations and sql/ applied."""
    with databases.migrated() as url:
        yield url


@pytest.fixture(scope="module")
def empty_database_url(databases: Databases) -> Iterator[str]:
    """The address of an empty database of the module."""
    with databases.empty() as url:
        yield url


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs the module's coroutines on one event loop, so that they may share connections."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture(scope="module")
def browser(run: Run) -> Iterator[Browser]:
    """Chromium; what asks for it is marked so."""
    with open_browser(run) as browser:
        yield browser


@pytest.fixture(scope="session")
def note(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Keep a line for the end of the run: what a test measured."""
    return pytestconfig.stash[NOTES].append


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    return Path(os.environ["GOLDEN_DIR"])


@pytest.fixture(scope="session")
def dataset_dir() -> Path:
    return Path(os.environ["DATASET_DIR"])
