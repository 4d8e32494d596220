#!/usr/bin/env python3
"""Simulate weeks of an experiment, and count how often the guardrails would roll back.

Every week is a fresh crowd of students, each with click and registration rates of its own; every
day the guardrails look at the week so far, and a week ends with the first rollback. Nothing
is written to the database: its functions judge traffic that exists in one statement only.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.arguments import number, whole_number
from app.console import UserError, console, print_result, run
from app.database import connect, database_url
from app.guardrail_simulation import (
    METHODS,
    Experiment,
    Summary,
    Week,
    describe,
    simulate_weeks,
    summarize,
    to_json,
)

if TYPE_CHECKING:
    from asyncpg import Connection, Record

INSTALLED = "SELECT to_regproc('recommender._decide_sequential') IS NOT NULL"
DEFAULTS = Experiment()


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="DATABASE_URL names the database (unset: the embedded one).",
    )
    _add_traffic_flags(parser.add_argument_group("traffic"))
    _add_truth_flags(parser.add_argument_group("truth"))
    _add_rule_flags(parser.add_argument_group("rule"))
    group = parser.add_argument_group("result")
    group.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    group.add_argument(
        "--at-most",
        type=number(0, 1),
        metavar="SHARE",
        help="exit 1 if a method rolls back in a larger share of the weeks",
    )
    group.add_argument(
        "--at-least",
        type=number(0, 1),
        metavar="SHARE",
        help="exit 1 if a method rolls back in a smaller share of the weeks",
    )
    options = parser.parse_args(arguments)
    if not 0 < chosen_experiment(options).treated_students < options.students:
        parser.error(
            f"--percent {options.percent} of --students {options.students} leaves a sort without "
            "students"
        )
    return options


def _add_traffic_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--weeks",
        type=whole_number(1, 1_000_000),
        default=DEFAULTS.weeks,
        metavar="N",
        help="(default: %(default)s)",
    )
    group.add_argument(
        "--students",
        type=whole_number(2, 100_000),
        default=DEFAULTS.students,
        metavar="N",
        help="in both sorts together, 3 impressions a day each on average (default: %(default)s)",
    )
    group.add_argument(
        "--percent",
        type=whole_number(1, 99),
        default=DEFAULTS.percent,
        metavar="N",
        help="of the students who see the recommended sort (default: %(default)s)",
    )
    group.add_argument(
        "--days",
        type=whole_number(1, 365),
        default=DEFAULTS.days,
        metavar="N",
        help="of a week, with a look at the end of each (default: %(default)s)",
    )
    group.add_argument(
        "--seed",
        type=whole_number(0, 2**62),
        default=DEFAULTS.seed,
        metavar="N",
        help="the same seed gives the same weeks (default: %(default)s)",
    )


def _add_truth_flags(group: argparse._ArgumentGroup) -> None:
    for flag, text in (
        ("--ctr", "mean clicks an impression in the time sort"),
        ("--conversion", "mean registrations a click in the time sort"),
    ):
        group.add_argument(
            flag,
            type=number(0.001, 0.9),
            default=getattr(DEFAULTS, flag.removeprefix("--")),
            metavar="X",
            help=f"{text} (default: %(default)s)",
        )
    for flag, text in (
        ("--effect", "relative change of clicks in the recommended sort: -0.6 is 60 %% fewer"),
        ("--conversion-effect", "relative change of registrations a click"),
    ):
        group.add_argument(
            flag, type=number(-1, 10), default=0.0, metavar="X", help=f"{text} (default: 0)"
        )


def _add_rule_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--method",
        choices=(*METHODS, "both"),
        default="both",
        help="which rules to count (default: %(default)s)",
    )
    group.add_argument(
        "--window-days",
        type=whole_number(1, 365),
        default=DEFAULTS.window_days,
        metavar="N",
        help="that a look goes back; fewer than --days let the evidence slide (default: all)",
    )
    group.add_argument(
        "--drop",
        type=number(0, 1),
        default=DEFAULTS.drop,
        metavar="X",
        help="relative drop of clicks that is allowed (default: %(default)s)",
    )
    group.add_argument(
        "--conversion-drop",
        type=number(0, 1),
        metavar="X",
        help="relative drop of registrations a click that is allowed (default: --drop)",
    )
    group.add_argument(
        "--min-impressions",
        type=whole_number(1, 1_000_000_000),
        default=DEFAULTS.min_impressions,
        metavar="N",
        help="in each sort, before anything is decided (default: %(default)s)",
    )


def chosen_experiment(options: argparse.Namespace) -> Experiment:
    """Give what is to be simulated."""
    given = {name: getattr(options, name) for name in vars(DEFAULTS)}
    if given["conversion_drop"] is None:
        given["conversion_drop"] = options.drop
    return Experiment(**given)


async def main() -> int:
    """Run the command."""
    options = parse_arguments()
    experiment = chosen_experiment(options)
    connection = await connect(database_url())
    try:
        if not await connection.fetchval(INSTALLED):
            raise UserError(
                "there are no guardrails here: run .venv/bin/python scripts/migrate.py first"
            )
        weeks = await _simulate(connection, experiment)
    finally:
        await connection.close()
    methods = METHODS if options.method == "both" else (options.method,)
    summaries = [summarize(weeks, method) for method in methods]
    for line in (
        [to_json(experiment, weeks, summaries)] if options.json else map(describe, summaries)
    ):
        print_result(line)
    _check(summaries, options.at_most, options.at_least)
    return 0


async def _simulate(connection: Connection[Record], experiment: Experiment) -> list[Week]:
    weeks: list[Week] = []
    with Progress(
        TextColumn("weeks"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("weeks", total=experiment.weeks)
        for first, last in experiment.batches():
            weeks += await simulate_weeks(connection, experiment, first, last)
            progress.update(task, completed=last)
    return weeks


def _check(summaries: list[Summary], at_most: float | None, at_least: float | None) -> None:
    for summary in summaries:
        if at_most is not None and summary.share > at_most:
            raise UserError(f"{summary.method} rolled back in more than {at_most:.1%} of weeks")
        if at_least is not None and summary.share < at_least:
            raise UserError(f"{summary.method} rolled back in less than {at_least:.1%} of weeks")


if __name__ == "__main__":
    run(main())
