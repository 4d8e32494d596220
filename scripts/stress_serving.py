#!/usr/bin/env python3
"""Read beside writers that keep changing what may be shown, and count answers that are stale.

A server process and a database of their own: clients read /api/recommendations and /api/events
while two writers register, fill, unpublish, delete, start, hide and block, and undo it, and lists
are rescored by one model after the other. Exit code 1 when an answer showed what was over before
it was asked for, showed something twice, had a gap, or mixed two models.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.arguments import whole_number
from app.console import EXIT_FAILURE, console, print_result, run
from app.database import configured_url, connect
from app.schema import migrate
from scripts.bench.measure import throw_away_database

try:
    from tests.support.api_server import serve
    from tests.support.serving_stress import Stress, prepare
except ImportError as error:
    console.print(f"error: {error.name} is missing: pip install -e '.[dev]'", markup=False)
    sys.exit(EXIT_FAILURE)

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN_FAULTS = 20
SECONDS_BETWEEN_LINES = 10
"""Of progress, where there is no terminal to draw a bar on."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="DATABASE_URL names the server on which a database is made and dropped again; "
        "unset, an embedded one is started for the run.",
    )
    number = whole_number(1, 100_000_000)
    parser.add_argument(
        "--reads", type=number, default=50_000, metavar="N", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--writes", type=number, default=10_000, metavar="N", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--clients",
        type=whole_number(1, 1000),
        default=16,
        metavar="N",
        help="clients that read at once (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0, 2**62),
        default=1,
        metavar="N",
        help="of the changes that are drawn (default: %(default)s)",
    )
    return parser.parse_args(arguments)


class _Progress:
    """A bar for the reads on a terminal, a line now and then anywhere else."""

    def __init__(self, reads: int) -> None:
        self._bar = Progress(
            TextColumn("reads"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("writes {task.fields[writes]:,}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("reads", total=reads, writes=0)
        self._reads = reads
        self._said = time.monotonic()

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def update(self, reads: int, writes: int) -> None:
        self._bar.update(self._task, completed=min(reads, self._reads), writes=writes)
        if not console.is_terminal and time.monotonic() > self._said + SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            console.print(f"{reads:,} of {self._reads:,} reads, {writes:,} writes")


async def main() -> int:
    """Run the command."""
    options = parse_arguments()
    async with throw_away_database(configured_url()) as url:
        connection = await connect(url)
        try:
            await migrate(connection)
        finally:
            await connection.close()
        await prepare(url)
        with serve(url) as server, _Progress(options.reads) as progress:
            stress = Stress(
                url,
                server.url,
                reads=options.reads,
                writes=options.writes,
                clients=options.clients,
                seed=options.seed,
                progress=progress.update,
            )
            report = await stress.run()
    for fault in report.faults[:SHOWN_FAULTS]:
        console.print(fault, markup=False, soft_wrap=True)
    print_result(str(report))
    return EXIT_FAILURE if report.faulty else 0


if __name__ == "__main__":
    run(main())
