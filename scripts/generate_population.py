#!/usr/bin/env python3
"""Fill an empty database with a synthetic population: students with tastes, organizers, events.

Students see lists, click what they like, register, come or cancel, search and save; a model
trained on it has something to find. The same flags give the same rows. All or nothing: an
interrupted run leaves no row behind.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.arguments import moment, number, whole_number
from app.console import UsageError, UserError, console, run
from app.database import connect
from app.population import Plan, generate_population, settle, shape
from app.population.vocabulary import CITIES, TOPICS, tag_vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg import Connection, Record

DEFAULTS: dict[str, dict[str, Any]] = {
    "lively": {
        "students": 400,
        "events": 300,
        "cities": 8,
        "categories": 16,
        "interactions_per_student": 60.0,
        "zipf": 1.0,
    },
    "bench": {
        "students": 20_000,
        "events": 2000,
        "cities": 24,
        "categories": 20,
        "interactions_per_student": 8.0,
        "zipf": 1.0,
    },
}
"""What flags that are not given mean, by --shape."""

EARLIEST = datetime(2001, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _moment(text: str) -> datetime:
    value = moment(text)
    if not EARLIEST <= value <= LATEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not between the years 2001 and 2200")
    return value


def _parser() -> argparse.ArgumentParser:
    lively, bench = DEFAULTS["lively"], DEFAULTS["bench"]

    def either(flag: str) -> str:
        return f"(default: {lively[flag]:,}; bench: {bench[flag]:,})"

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--shape",
        choices=sorted(DEFAULTS),
        default="lively",
        help="lively: believable behaviour, for demos and training; bench: hardly two students"
        " alike, 20-24 attributes each, every upcoming event eligible, for measuring"
        " (default: lively)",
    )
    add(
        "--students",
        type=whole_number(1, 20_000_000),
        metavar="N",
        help=f"students to make {either('students')}",
    )
    add(
        "--events",
        type=whole_number(2, 1_000_000),
        metavar="N",
        help=f"events, past and upcoming; bench: the upcoming ones only {either('events')}",
    )
    add(
        "--past-events",
        type=whole_number(1, 1_000_000),
        metavar="N",
        help="how many of --events are over; bench: how many there are besides them"
        " (default: half of --events; bench: as many again, at most 2,000)",
    )
    add(
        "--organizers",
        type=whole_number(1, 100_000),
        metavar="N",
        help="organizers (default: one for 12 events, at least 6; bench: one for 10)",
    )
    add(
        "--tags",
        type=whole_number(6, 1_000_000),
        metavar="N",
        default=500,
        help="distinct tags (default: 500)",
    )
    add(
        "--categories",
        type=whole_number(1, len(TOPICS)),
        metavar="N",
        help=f"categories, at most {len(TOPICS)} {either('categories')}",
    )
    add(
        "--cities",
        type=whole_number(1, len(CITIES)),
        metavar="N",
        help=f"cities, at most {len(CITIES)} {either('cities')}",
    )
    add(
        "--days",
        type=whole_number(2, 3650),
        metavar="N",
        default=90,
        help="length of the history in days (default: 90)",
    )
    add(
        "--quiet-days",
        type=whole_number(0, 3650),
        metavar="N",
        default=0,
        help="the last days of the history, in which nobody looks at a list:"
        " scripts/simulate_traffic.py fills them (default: 0)",
    )
    add(
        "--interactions-per-student",
        type=number(0, 1000),
        metavar="N",
        help=f"mean number of interactions {either('interactions_per_student')}",
    )
    add(
        "--experiment-percent",
        type=whole_number(0, 100),
        metavar="N",
        default=50,
        help="share of students whose lists were sorted by taste, by the experiment's buckets"
        " (default: 50)",
    )
    add(
        "--zipf",
        type=number(0, 3),
        metavar="S",
        help=f"exponent of the law by which tags are common {either('zipf')}",
    )
    add(
        "--repeat-share",
        type=number(0, 1),
        metavar="X",
        default=0.0,
        help="bench: share of students drawn from few profiles (default: 0)",
    )
    add(
        "--repeat-profiles",
        type=whole_number(1, 100_000),
        metavar="N",
        default=100,
        help="bench: how many profiles they are drawn from (default: 100)",
    )
    add(
        "--seed", type=whole_number(0, 2**63 - 1), default=1337, metavar="N", help="(default: 1337)"
    )
    add(
        "--as-of",
        type=_moment,
        metavar="MOMENT",
        help="the moment between past and upcoming, ISO 8601, UTC unless it says otherwise"
        " (default: now, truncated to the hour)",
    )
    add("--append", action="store_true", help="add to a database that already has users or events")
    add(
        "--assert-shape",
        action="store_true",
        help="bench: exit 1 unless the population has the shape benchmarks are compared on",
    )
    return parser


def _plan(arguments: argparse.Namespace) -> Plan:
    """Fill in what was not given, and refuse what does not fit together."""
    defaults = DEFAULTS[arguments.shape]
    given = {
        name: defaults[name] if getattr(arguments, name) is None else getattr(arguments, name)
        for name in defaults
    }
    events, is_bench = given.pop("events"), arguments.shape == "bench"
    past = arguments.past_events or (min(events, 2000) if is_bench else events // 2)
    if not is_bench and past >= events:
        raise UsageError(
            f"--past-events {past} leaves no upcoming event of --events {events}: give fewer"
        )
    if not is_bench and (arguments.repeat_share or arguments.assert_shape):
        flag = "--assert-shape" if arguments.assert_shape else "--repeat-share"
        raise UsageError(f"{flag} needs --shape bench, and --shape is {arguments.shape}")
    if arguments.quiet_days and is_bench:
        raise UsageError("--quiet-days needs --shape lively, and --shape is bench")
    if arguments.quiet_days >= arguments.days:
        raise UsageError(
            f"--quiet-days {arguments.quiet_days} leaves nothing of --days {arguments.days}:"
            " give fewer"
        )
    words = len(tag_vocabulary(given["categories"]))
    if arguments.tags > words:
        raise UsageError(
            f"--tags {arguments.tags} is more than the {words} tags that --categories"
            f" {given['categories']} can name"
        )
    return Plan(
        **given,
        shape=arguments.shape,
        as_of=arguments.as_of or datetime.now(UTC).replace(minute=0, second=0, microsecond=0),
        upcoming_events=events if is_bench else events - past,
        past_events=past,
        organizers=arguments.organizers
        or (events // 10 or 1 if is_bench else max(6, events // 12)),
        tags=arguments.tags,
        days=arguments.days,
        experiment_percent=arguments.experiment_percent,
        seed=arguments.seed,
        repeat_share=arguments.repeat_share,
        repeat_profiles=arguments.repeat_profiles,
        quiet_days=arguments.quiet_days,
    )


async def _report_shape(connection: Connection[Record], plan: Plan, *, is_asserted: bool) -> None:
    figures = await shape(connection, plan.as_of)
    for line in figures.lines():
        console.print(line)
    departures = figures.departures(distinct_share=1 - plan.repeat_share)
    if is_asserted and departures:
        raise UserError(
            f"the population is not of the bench shape, it lacks {'; '.join(departures)}"
        )


async def main(argv: Sequence[str] | None = None) -> int:
    """Generate, load, settle, and say what is there now."""
    arguments = _parser().parse_args(argv)
    plan = _plan(arguments)
    started = time.monotonic()
    connection = await connect()
    try:
        written = await generate_population(connection, plan, append=arguments.append)
        with console.status("vacuum and analyze"):
            await settle(connection)
        if plan.shape == "bench":
            await _report_shape(connection, plan, is_asserted=arguments.assert_shape)
    finally:
        await connection.close()
    sys.stdout.write(
        f"{plan.students:,} students, {written['events']:,} events"
        f" ({plan.upcoming_events:,} upcoming), {written['registrations']:,} registrations and"
        f" {written['event_interactions']:,} interactions as of"
        f" {plan.as_of.isoformat()} in {time.monotonic() - started:.1f} s\n"
    )
    return 0


if __name__ == "__main__":
    run(main())
