#!/usr/bin/env python3
"""Let the students of a synthetic population visit the list of events for some days.

Those in the experiment (EXPERIMENTS_PERSONALIZATION_ML_PERCENT) see what the recommender would have
shown them on that day, the others what starts next; they click by tastes of their own, register
while there are seats, save, search, and leave. The same flags on the same database give the same
rows; more traffic for the same days is another --seed. All or nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.arguments import moment, number, whole_number
from app.console import UsageError, UserError, console, print_result, run
from app.database import connect
from app.population import Totals, Traffic, settle, simulate_traffic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg import Connection, Record

INSTALLED = "SELECT to_regproc('recommender.rank_events') IS NOT NULL"
HAS_MODEL = "SELECT EXISTS (SELECT FROM public.recommender_models)"


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="DATABASE_URL names the database (unset: the embedded one).",
    )
    add = parser.add_argument
    add(
        "--days",
        type=whole_number(1, 3650),
        metavar="N",
        default=14,
        help="how many days, up to --as-of (default: %(default)s)",
    )
    add(
        "--visits",
        type=number(0, 100, above=True),
        metavar="N",
        default=0.35,
        help="looks at the list a student a day, on average; more than one is not made"
        " (default: %(default)s)",
    )
    add(
        "--seed",
        type=whole_number(0, 2**63 - 1),
        metavar="N",
        default=1337,
        help="(default: %(default)s)",
    )
    add(
        "--as-of",
        type=moment,
        metavar="MOMENT",
        help="the end of the last day, ISO 8601, UTC unless it says otherwise"
        " (default: now, truncated to the hour)",
    )
    return parser.parse_args(arguments)


async def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = parse_arguments(arguments)
    now = datetime.now(UTC)
    until = options.as_of or now.replace(minute=0, second=0, microsecond=0)
    if until > now:
        raise UsageError(f"--as-of {until.isoformat()} has not come yet: name a past moment")
    traffic = Traffic(until=until, days=options.days, visits=options.visits, seed=options.seed)
    started = time.monotonic()
    connection = await connect()
    try:
        await _check_recommender(connection)
        with _progress() as progress:
            task = progress.add_task("days", total=None)
            totals = await simulate_traffic(
                connection,
                traffic,
                lambda done, total: progress.update(task, completed=done, total=total),
            )
        with console.status("vacuum and analyze"):
            await settle(connection)
    finally:
        await connection.close()
    days = "1 day" if traffic.days == 1 else f"{traffic.days:,} days"
    print_result(
        f"{days} to {until.isoformat()}: {_describe(totals)} in {time.monotonic() - started:.1f} s"
    )
    return 0


async def _check_recommender(connection: Connection[Record]) -> None:
    if not await connection.fetchval(INSTALLED):
        raise UserError(
            "the recommender is not installed here: run .venv/bin/python scripts/migrate.py first"
        )
    if not await connection.fetchval(HAS_MODEL):
        raise UserError(
            "there is no model whose lists students could see: train one with"
            " .venv/bin/python scripts/recompute_recommendations_ml.py, with --as-of as of the"
            " first day"
        )


def _describe(totals: Totals) -> str:
    sorts = [
        f"{totals.impressions[sort]:,} impressions by {name}, {totals.clicks[sort]:,} clicked"
        f" ({totals.clicks[sort] / max(1, totals.impressions[sort]):.1%})"
        for sort, name in (("recommended", "taste"), ("time", "time"))
    ]
    return (
        f"{totals.visits:,} visits, {', '.join(sorts)}, {totals.registrations:,} registrations,"
        f" {totals.favourites:,} favourites"
    )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


if __name__ == "__main__":
    run(main())
