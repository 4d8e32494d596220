#!/usr/bin/env python3
"""Create recommender_api, _worker, _admin and _reader, and give them what they need here."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.console import console, run
from app.database import connect
from app.schema.reapply import ADVISORY_LOCK
from app.schema.roles import install_roles, uninstall_roles


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        description=__doc__,
        epilog="DATABASE_URL names the database; unset, the embedded server is used. To create"
        " roles takes a superuser or CREATEROLE, to grant the owner of the schema recommender."
        " Any number of times does no harm, and psql -f scripts/roles/install.sql does the same."
        " Nobody can log in as one of the four: grant them to users of yours, see docs/roles.md.",
    )
    parser.add_argument(
        "--uninstall",
        action="store_true",
        help="take their rights in this database back, and drop those that no other database of"
        " the server knows",
    )
    return parser.parse_args(arguments)


async def main() -> int:
    """Run the command."""
    arguments = parse_arguments()
    connection = await connect()
    try:
        if arguments.uninstall:
            dropped, said = await uninstall_roles(connection, ADVISORY_LOCK)
            _say("the roles have no rights in this database")
            for line in said:
                _say(line)
            if dropped:
                _say(f"dropped {', '.join(dropped)}")
            return 0
        created = await install_roles(connection, ADVISORY_LOCK)
        if created:
            _say(f"created {', '.join(created)}")
        _say("the roles have their rights in this database")
    finally:
        await connection.close()
    return 0


def _say(message: str) -> None:
    console.print(message, markup=False, soft_wrap=True)


if __name__ == "__main__":
    run(main())
