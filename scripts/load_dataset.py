#!/usr/bin/env python3
"""Load a folder of <table>.csv.gz (or <table>.csv) files into the database: everything or nothing.

Each file's first line names the columns it has: any of the table's, in any order; the others take
the table's defaults. Values are separated by commas, quoted with " where needed, NULL is \\N,
timestamps carry a zone (without one they are UTC), the text is UTF-8.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from app.console import console, run
from app.database import connect
from app.dataset import TABLES, find_files, load_dataset


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", metavar="DIR", type=Path, help="the folder with the files")
    parser.add_argument(
        "--only",
        metavar="TABLE",
        action="append",
        choices=TABLES,
        default=[],
        help="load this table's file and no other; may be repeated (default: every file in DIR)."
        f" Tables: {', '.join(TABLES)}",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="empty the tables DIR has files for before loading, in the same transaction; refused"
        " when rows of a table without a file refer to them (default: add to what is there)."
        " Lists computed from the old rows stay until the next recompute",
    )
    return parser.parse_args()


async def main() -> int:
    """Load the folder and say what was loaded."""
    arguments = parse_arguments()
    started = time.monotonic()
    find_files(arguments.directory, arguments.only)
    connection = await connect()
    try:
        with console.status("Loading …") as status:
            counts = await load_dataset(
                connection,
                arguments.directory,
                only=arguments.only,
                replace=arguments.replace,
                on_file=lambda file: status.update(f"Loading {file.name} …"),
            )
    finally:
        await connection.close()
    report(counts, arguments.directory, time.monotonic() - started)
    return 0


def report(counts: dict[str, int], directory: Path, seconds: float) -> None:
    """Show the rows per table and the result in one line."""
    table = Table("table")
    table.add_column("rows", justify="right")
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    output = Console(highlight=False)
    output.print(table)
    noun = "table" if len(counts) == 1 else "tables"
    output.print(
        f"Loaded {sum(counts.values()):,} rows into {len(counts)} {noun} from {directory}"
        f" in {seconds:.1f} s.",
        markup=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    run(main())
