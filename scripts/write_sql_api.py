#!/usr/bin/env python3
"""Write docs/sql-api.md: what each function, view and table is for, as the database says it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.console import EXIT_FAILURE, UserError, console, run
from app.database import connect
from app.schema import MIGRATIONS_DIR, SQL_DIR, plan_migration
from app.sql_api import page, read_entries, read_failures

if TYPE_CHECKING:
    import asyncpg

PAGE = Path(__file__).resolve().parents[1] / "docs" / "sql-api.md"


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="DATABASE_URL names a database that scripts/migrate.py has brought up to date; "
        "unset, the embedded server is used.",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=PAGE,
        metavar="FILE",
        help="the file to write (default: docs/sql-api.md of the project)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit with 1 if what is there is not current",
    )
    return parser.parse_args()


async def main() -> int:
    """Run the command."""
    arguments = parse_arguments()
    connection = await connect()
    try:
        plan = await plan_migration(connection)
        if not plan.is_empty:
            raise UserError(
                "the database is not up to date: run .venv/bin/python scripts/migrate.py first"
            )
        text = await write_page(connection)
    finally:
        await connection.close()
    path: Path = arguments.output
    if arguments.check:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return 0
        console.print(f"{path.name} is not current: make docs", markup=False)
        return EXIT_FAILURE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    console.print(f"wrote {path.name}", markup=False)
    return 0


async def write_page(connection: asyncpg.Connection) -> str:
    """Return the page for the connection's database."""
    entries = await read_entries(connection, MIGRATIONS_DIR)
    return page(entries, read_failures(SQL_DIR), read_stages(SQL_DIR))


def read_stages(directory: Path) -> list[str]:
    """Return the folders of sql/ in the order in which they are first loaded."""
    lines = (directory / "install.sql").read_text(encoding="utf-8").splitlines()
    files = [line.removeprefix("\\ir ") for line in lines if line.startswith("\\ir ")]
    return list(dict.fromkeys(file.partition("/")[0] for file in files if "/" in file))


if __name__ == "__main__":
    run(main())
