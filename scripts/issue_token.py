#!/usr/bin/env python3
"""Print a bearer token for a user, signed with the server's key; no database is asked."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.api.parameters import MAX_ID
from app.arguments import number, whole_number
from app.console import print_result, run
from app.tokens import issue_token, secret_key


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="The key is SECRET_KEY, else the one that the demo made in .data/secret_key.",
    )
    parser.add_argument(
        "--user-id", type=whole_number(1, MAX_ID), required=True, help="an id of the table users"
    )
    parser.add_argument(
        "--hours",
        type=number(0, 87_600, above=True),
        default=24,
        help="how long it is good for (default: %(default)s)",
    )
    return parser.parse_args()


async def main() -> int:
    """Run the command."""
    options = parse_arguments()
    print_result(issue_token(options.user_id, options.hours, secret_key()))
    return 0


if __name__ == "__main__":
    run(main())
