#!/usr/bin/env python3
"""Bring the database up to date: migrations/ once each, then sql/ whenever it changed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.arguments import number
from app.console import EXIT_FAILURE, console, run
from app.database import connect
from app.schema import DEFAULT_LOCK_TIMEOUT, MIGRATIONS_DIR, SQL_DIR, migrate, plan_migration
from app.schema.stamps import write_stamps
from app.settings import read_settings

if TYPE_CHECKING:
    import asyncpg


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="DATABASE_URL names the database; unset, the embedded server is used. "
        "Any number of these may run at once: one works, the others wait.",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="change nothing; say what would be done, and exit with 1 if there is anything",
    )
    parser.add_argument(
        "--lock-timeout",
        type=number(0, 3600, above=True),
        default=DEFAULT_LOCK_TIMEOUT,
        metavar="SECONDS",
        help="how long a migration waits for a table, each of five times (default: %(default)g)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="re-apply sql/ although it has not changed, to mend what was altered by hand",
    )
    parser.add_argument(
        "--write-stamps",
        action="store_true",
        help="only write the generated files (migrations/install.sql, migrations/applied.sql, "
        "sql/stamp.sql) anew, after a file was added or edited; needs no database",
    )
    return parser.parse_args(arguments)


async def main() -> int:
    """Run the command."""
    arguments = parse_arguments()
    if arguments.write_stamps:
        return _write_stamps()
    read_settings()  # a wrong one is refused before anything is changed
    connection = await connect()
    try:
        if arguments.check:
            return await _check(connection)
        report = await migrate(
            connection,
            lock_timeout=arguments.lock_timeout,
            force=arguments.force,
            say=_say,
        )
    finally:
        await connection.close()
    _say(str(report))
    return 0


async def _check(connection: asyncpg.Connection) -> int:
    plan = await plan_migration(connection)
    for file in plan.pending:
        _say(f"would apply {file.name}")
    if not plan.is_logic_current:
        _say(f"would re-apply sql/ ({len(plan.logic.objects)} objects)")
    if plan.is_empty:
        _say("nothing to do")
        return 0
    return EXIT_FAILURE


def _write_stamps() -> int:
    written = write_stamps(MIGRATIONS_DIR, SQL_DIR)
    for path in written:
        _say(f"wrote {path.parent.name}/{path.name}")
    if not written:
        _say("nothing to do")
    return 0


def _say(message: str) -> None:
    console.print(message, markup=False, soft_wrap=True)


if __name__ == "__main__":
    run(main())
