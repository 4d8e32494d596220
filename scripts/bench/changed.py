#!/usr/bin/env python3
"""Measure rescoring what changed against a full rescore.

Everything happens in a database made for this run and removed after it. Round by round: everybody's
lists, those of 1 % of the students given by id, then another 1 % move to another city, are found,
and written. All must have found just those, and left the lists a full rescore writes. Exits 1
unless ids given take at most 0.05 of a full rescore, and finding who changed at most 0.5.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.table import Table

from app.arguments import whole_number
from app.console import UserError, run
from app.database import connect
from app.lists import write_lists
from app.population import Plan, generate_population, settle
from app.schema import migrate
from scripts.bench.bounds import Bound, print_bounds
from scripts.bench.measure import (
    Contender,
    add_common_arguments,
    clean_up_on_termination,
    machine_facts,
    machine_lines,
    say,
    take_turns,
    throw_away_database,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg import Connection, Record

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOP_N = 50
SHARE = 0.01
MOST_FOR_IDS = 0.05
MOST_FOR_FINDING = 0.5
MODEL = "bench"
WEIGHTS = [-1.5, 2.0, 1.2, 0.7, 0.9, 0.5, 0.6, -0.4]
"""In the order of recommender.feature_names(); of the size that training gives."""

# Another hundredth each time, spread over the table.
SAMPLE = """
    SELECT array_agg(k.user_id)
    FROM (
        SELECT s.user_id
        FROM recommender.source_students AS s
        ORDER BY md5($1 || s.user_id::text)
        LIMIT $2
    ) AS k
"""
GIVEN = "CALL recommender.score_all($1, $2, p_user_ids => $3, p_refresh => false)"
GIVEN_FRESH = "CALL recommender.score_all($1, $2, p_user_ids => $3)"
MOVE = "UPDATE public.users AS u SET city = $2 WHERE u.id = ANY ($1)"
RETAG = """
    UPDATE public.events AS e SET category = $2
    WHERE e.id IN (
        SELECT v.event_id FROM recommender.eligible_events AS v
        ORDER BY md5($2 || v.event_id::text) LIMIT $1
    )
"""
START = "SELECT r.id FROM recommender._start_changed_run() AS r"
REFRESH = "SELECT recommender._refresh_for_run($1)"
MARK = "SELECT recommender._mark_due($1)"
PASS = "CALL recommender._pass_run($1, false)"
FOUND = """
    SELECT r.is_full, r.due_count FROM public.recommendation_runs AS r WHERE r.id = $1
"""
LISTS = """
    SELECT count(*), bit_xor(hash_record_extended(k, 0))
    FROM public.user_recommendations AS r
    CROSS JOIN LATERAL (
        SELECT r.user_id, r.rank, r.event_id, round(r.score::numeric, 9) AS score, r.reason
    ) AS k
"""


@dataclass
class Bench:
    """A generated world, and the turns taken on it."""

    url: str
    connection: Connection[Record]
    options: argparse.Namespace
    moves: int = 0
    user_ids: Sequence[int] = ()
    run_id: int = 0

    @property
    def sample_size(self) -> int:
        """A hundredth of the students."""
        return max(1, int(SHARE * self.options.students))

    async def open_connection(self) -> Connection[Record]:
        """Open a session that stands at the moment of the population."""
        return await connect(self.url, **{"recommender.as_of": AS_OF.isoformat()})

    async def write_all(self) -> None:
        """Rescore everybody as the command does it."""
        await write_lists(
            self.open_connection, top_n=TOP_N, as_of=AS_OF, jobs=self.options.jobs, overwrite=True
        )

    async def choose(self) -> None:
        """Choose another hundredth of the students."""
        self.moves += 1
        self.user_ids = await self.connection.fetchval(SAMPLE, str(self.moves), self.sample_size)

    async def write_given(self, statement: str) -> None:
        """Rescore a hundredth of the students by their ids."""
        await self.connection.execute(statement, TOP_N, AS_OF, self.user_ids)

    async def move(self) -> None:
        """Let a hundredth of the students move."""
        await self.choose()
        await self.connection.execute(MOVE, self.user_ids, f"City {self.moves}")

    async def find(self) -> None:
        """Find who is due, from the tables on."""
        self.run_id = await self.connection.fetchval(START)
        await self.connection.execute(REFRESH, self.run_id)
        await self.connection.execute(MARK, self.run_id)

    async def check_found(self) -> None:
        """See that just those were found who moved."""
        is_full, due_count = await self.connection.fetchrow(FOUND, self.run_id) or (None, None)
        if is_full or due_count != self.sample_size:
            raise UserError(
                f"{self.sample_size} students moved, {due_count} were found (is_full: {is_full})"
            )

    async def write_found(self) -> None:
        """Write the lists of those who were found."""
        await self.connection.execute(PASS, self.run_id)

    async def change_events(self) -> None:
        """Give a two-hundredth of the events another category."""
        count = max(1, round(SHARE / 2 * self.options.events))
        await self.connection.execute(RETAG, count, f"Category {self.moves}")


async def main() -> int:
    """Run the command."""
    options = _parse_arguments()
    clean_up_on_termination()
    async with throw_away_database(options.database_url) as url:
        report = await _measure(url, options)
    _print_report(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if all(bound["is_met"] for bound in report["bounds"]) else 1


async def _measure(url: str, options: argparse.Namespace) -> dict[str, Any]:
    bench = Bench(url, await connect(url, **{"recommender.as_of": AS_OF.isoformat()}), options)
    try:
        await _build(bench)
        contenders, due = await _compete(bench)
        facts = await machine_facts(bench.connection)
    finally:
        bench.connection.terminate()
    return _report(options, contenders, due, facts)


async def _build(bench: Bench) -> None:
    options = bench.options
    say("migrating")
    await migrate(bench.connection)
    say(f"generating {options.students:,} students and {options.events:,} upcoming events")
    plan = Plan(
        as_of=AS_OF,
        shape="bench",
        students=options.students,
        upcoming_events=options.events,
        past_events=min(options.events, 2000),
        organizers=max(1, options.events // 10),
        tags=500,
        categories=20,
        cities=24,
        days=90,
        interactions_per_student=8.0,
        experiment_percent=50,
        zipf=1.0,
        seed=options.seed,
    )
    await generate_population(bench.connection, plan)
    await settle(bench.connection)
    await bench.connection.fetchval(
        "SELECT recommender.store_model($1, recommender.feature_names(), $2, '{}')", MODEL, WEIGHTS
    )
    say("first fill of the lists, not timed")
    await bench.write_all()


async def _compete(bench: Bench) -> tuple[dict[str, Contender], int | None]:
    rounds = bench.options.rounds
    contenders = {
        "full": Contender(f"everybody, {bench.options.jobs} connections", bench.write_all, rounds),
        "given": Contender(
            "ids given, twins as they are", lambda: bench.write_given(GIVEN), rounds, bench.choose
        ),
        "fresh": Contender(
            "ids given, twins refreshed first", lambda: bench.write_given(GIVEN_FRESH), rounds
        ),
        "find": Contender("finding those who moved", bench.find, rounds, bench.move),
        "write": Contender("writing those", bench.write_found, rounds, bench.check_found),
    }
    await take_turns(list(contenders.values()))
    say("checking that the lists are those of a full rescore")
    ours = await bench.connection.fetchrow(LISTS)
    await bench.write_all()
    if ours != await bench.connection.fetchrow(LISTS):
        raise UserError("after rescoring what changed, the lists are not those of a full rescore")
    contenders["events"] = Contender(
        "finding whom changed events concern", bench.find, rounds, bench.change_events
    )
    due = None
    for _ in range(rounds):
        turn = Contender(contenders["events"].name, bench.find, 1, bench.change_events)
        await take_turns([turn])
        contenders["events"].seconds += turn.seconds
        _, due = await bench.connection.fetchrow(FOUND, bench.run_id) or (None, None)
        await bench.write_found()
        bench.moves += 1
    return contenders, due


def _report(
    options: argparse.Namespace,
    contenders: dict[str, Contender],
    due: int | None,
    facts: dict[str, Any],
) -> dict[str, Any]:
    full = contenders["full"].seconds

    def ratio(what: str, key: str, required: float | None) -> Bound:
        ratios = [ours / all_ for ours, all_ in zip(contenders[key].seconds, full, strict=True)]
        return Bound(
            f"{what} / everybody",
            statistics.median(ratios),
            required,
            is_upper=True,
            rounds=tuple(ratios),
        )

    bounds = [
        ratio("ids of 1 % given", "given", MOST_FOR_IDS),
        ratio("finding the 1 % that moved", "find", MOST_FOR_FINDING),
    ]
    return {
        "students": options.students,
        "events": options.events,
        "contenders": {
            key: contender.facts()
            | {"ratio_to_full": round(contender.median / contenders["full"].median, 4)}
            for key, contender in contenders.items()
        },
        "due_by_events": due,
        "bounds": [bound.facts() | {"text": str(bound)} for bound in bounds],
        "machine": facts,
    }


def _print_report(report: dict[str, Any]) -> None:
    # A file or a pipe has no width of its own, and 80 columns break every name.
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(
        title=f"rescoring what changed: {report['students']:,} students, {report['events']:,}"
        f" eligible events, top {TOP_N}"
    )
    table.add_column("contender")
    for column in ("median s", "min - max s", "rounds", "ratio to everybody"):
        table.add_column(column, justify="right")
    for contender in report["contenders"].values():
        seconds = contender["seconds"]
        table.add_row(
            contender["name"],
            f"{contender['median_seconds']:.2f}",
            f"{min(seconds):.2f} - {max(seconds):.2f}",
            f"{contender['rounds']}",
            f"{contender['ratio_to_full']:.3f}",
        )
    out.print(table)
    due = report["due_by_events"]
    found = "so many that everybody was rescored" if due is None else f"{due:,} students"
    out.print(f"changed events (0.5 % of them, another category) concerned {found}")
    for line in machine_lines(report["machine"]):
        out.print(line, soft_wrap=True, markup=False)
    print_bounds(out, report["bounds"])


def _parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--students",
        type=whole_number(200, 10_000_000),
        default=5000,
        metavar="N",
        help="students to generate (default: %(default)s)",
    )
    add(
        "--events",
        type=whole_number(1, 1_000_000),
        default=500,
        metavar="N",
        help="eligible events to generate (default: %(default)s)",
    )
    add(
        "--rounds",
        type=whole_number(1, 100),
        default=3,
        metavar="N",
        help="turns of each (default: %(default)s)",
    )
    add(
        "--jobs",
        type=whole_number(1, 64),
        default=1,
        metavar="N",
        help="connections that rescore everybody; all else has one (default: %(default)s)",
    )
    add_common_arguments(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main())
