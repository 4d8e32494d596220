#!/usr/bin/env python3
"""Measure how much room the lists take after ten full rescores, next to lists built afresh.

Everything happens in a database made for this run and removed after it, on the server that
--database-url names or on one of its own in a temporary directory. Each rescore has another model
and is an hour later, so that every row changes. Autovacuum is kept away: what it would do depends
on when it comes. Once nobody vacuums the lists in between, once they are vacuumed after each
rescore. Exits 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.table import Table

from app.arguments import whole_number
from app.console import run
from app.database import connect
from app.lists import write_lists
from app.population import Plan, generate_population, settle
from app.schema import migrate
from scripts.bench.bounds import Bound, print_bounds
from scripts.bench.measure import (
    add_common_arguments,
    clean_up_on_termination,
    machine_facts,
    machine_lines,
    say,
    throw_away_database,
)

if TYPE_CHECKING:
    from asyncpg import Connection, Record

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
RESCORES = 10
MOST_BLOAT = 2.0
STORED = (
    "public.user_recommendations",
    "public.recommendation_lists",
    "recommender.event_attributes_snapshot",
    "recommender.user_attribute_sources_snapshot",
    "recommender.upcoming_attributes_snapshot",
)
VACUUM = "VACUUM public.user_recommendations, public.recommendation_lists"
FORGET = "TRUNCATE public.user_recommendations, public.recommendation_lists"
NO_AUTOVACUUM = """
    SELECT format(
        'ALTER %s %s SET (autovacuum_enabled = false)',
        CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
        c.oid::regclass
    )
    FROM pg_catalog.pg_class AS c
    WHERE c.oid = ANY ($1::regclass[]::oid[])
"""
STORE = "SELECT recommender.store_model($1, recommender.feature_names(), $2, '{}')"
SIZES = """
    SELECT n.name, pg_catalog.pg_total_relation_size(n.name::regclass) AS bytes
    FROM unnest($1::text[]) AS n (name)
"""
BUILD_AFRESH = """
    SELECT format(
        'CREATE TABLE fresh.%1$I (LIKE %2$s INCLUDING ALL) WITH (fillfactor = %3$s);'
        ' INSERT INTO fresh.%1$I SELECT * FROM %2$s ORDER BY 1, 2',
        c.relname,
        c.oid::regclass,
        coalesce(
            (
                SELECT o.option_value
                FROM pg_catalog.pg_options_to_table(c.reloptions) AS o
                WHERE o.option_name = 'fillfactor'
            ),
            '100'
        )
    )
    FROM pg_catalog.pg_class AS c
    WHERE c.oid = ANY ($1::regclass[]::oid[])
"""
OF_THE_LAST_MODEL = """
    SELECT count(*) = count(*) FILTER (WHERE r.model_version = $1) AND count(*) > 0
    FROM public.user_recommendations AS r
"""


@dataclass(frozen=True)
class Bloat:
    """Bytes of each table after each rescore, the first of them into empty tables."""

    sizes: list[dict[str, int]]
    fresh: dict[str, int]
    """Of tables made for the rows of the last one."""

    @property
    def ratio(self) -> float:
        """How many times the room of a fresh build all of them take."""
        return sum(self.sizes[-1].values()) / sum(self.fresh.values())

    def facts(self) -> dict[str, Any]:
        """Give what a JSON report says of it."""
        return {"bytes": self.sizes, "fresh_bytes": self.fresh, "ratio": round(self.ratio, 4)}


async def rescore_often(
    connection: Connection[Record],
    url: str,
    *,
    rescores: int = RESCORES,
    top_n: int = 50,
    vacuums: bool,
    seed: int = 1337,
) -> Bloat:
    """Fill empty lists, rescore everybody so many times, and build the same rows afresh."""
    await keep_autovacuum_out(connection)
    await connection.execute(FORGET)
    draw = random.Random(seed)
    models = await connection.fetchval("SELECT count(*) FROM public.recommender_models")
    sizes = []
    for turn in range(rescores + 1):
        version = f"bloat-{models + turn}"
        weights = [draw.uniform(-2, 2) for _ in range(8)]
        await connection.execute(STORE, version, weights)
        moment = AS_OF + timedelta(hours=turn)
        await write_lists(lambda: connect(url), top_n=top_n, as_of=moment, jobs=1, overwrite=True)
        assert await connection.fetchval(OF_THE_LAST_MODEL, version)
        if vacuums:
            await connection.execute(VACUUM)
        sizes.append(await _sizes(connection, STORED))
    return Bloat(sizes, await _build_afresh(connection))


async def keep_autovacuum_out(connection: Connection[Record]) -> None:
    """Let nobody but this vacuum the tables that are measured."""
    for row in await connection.fetch(NO_AUTOVACUUM, list(STORED)):
        await connection.execute(row[0])


async def _build_afresh(connection: Connection[Record]) -> dict[str, int]:
    await connection.execute("CREATE SCHEMA fresh")
    try:
        for row in await connection.fetch(BUILD_AFRESH, list(STORED)):
            await connection.execute(row[0])
        names = {f"fresh.{name.partition('.')[2]}": name for name in STORED}
        sizes = await _sizes(connection, tuple(names))
        return {names[name]: size for name, size in sizes.items()}
    finally:
        await connection.execute("DROP SCHEMA fresh CASCADE")


async def _sizes(connection: Connection[Record], names: tuple[str, ...]) -> dict[str, int]:
    return {row["name"]: row["bytes"] for row in await connection.fetch(SIZES, list(names))}


async def populate(
    connection: Connection[Record], *, students: int, events: int, seed: int
) -> None:
    """Generate students and events."""
    plan = Plan(
        as_of=AS_OF,
        shape="lively",
        students=students,
        upcoming_events=events,
        past_events=min(events, 2000),
        organizers=max(6, events // 12),
        tags=500,
        categories=16,
        cities=8,
        days=90,
        interactions_per_student=20.0,
        experiment_percent=50,
        zipf=1.0,
        seed=seed,
    )
    await generate_population(connection, plan)
    await settle(connection)


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
    connection = await connect(url)
    try:
        say("migrating")
        await migrate(connection)
        say(f"generating {options.students:,} students and {options.events:,} upcoming events")
        await populate(
            connection, students=options.students, events=options.events, seed=options.seed
        )
        found = {}
        for name, vacuums in (("never vacuumed", False), ("vacuumed after each", True)):
            say(f"{RESCORES} rescores, {name}")
            found[name] = await rescore_often(connection, url, vacuums=vacuums, seed=options.seed)
        facts = await machine_facts(connection)
    finally:
        connection.terminate()
    bounds = [
        Bound(f"size after {RESCORES} rescores / built afresh, {name}", bloat.ratio,
              MOST_BLOAT, is_upper=True)
        for name, bloat in found.items()
    ]  # fmt: skip
    return {
        "students": options.students,
        "events": options.events,
        "seed": options.seed,
        "found": {name: bloat.facts() for name, bloat in found.items()},
        "bounds": [bound.facts() | {"text": str(bound)} for bound in bounds],
        "machine": facts,
    }


def _print_report(report: dict[str, Any]) -> None:
    # A file or a pipe has no width of its own, and 80 columns break every name.
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    for title, found in report["found"].items():
        table = Table(title=f"{RESCORES} rescores of {report['students']:,} students, {title}")
        table.add_column("MiB of")
        columns = {"first fill": 0, "2nd rescore": 2, f"{RESCORES}th": RESCORES}
        for column in (*columns, "afresh", "ratio"):
            table.add_column(column, justify="right")
        for name, fresh in found["fresh_bytes"].items():
            sizes = [found["bytes"][turn][name] for turn in columns.values()]
            table.add_row(
                name,
                *(f"{size / 2**20:.2f}" for size in (*sizes, fresh)),
                f"{sizes[-1] / fresh:.2f}",
            )
        out.print(table)
    for line in machine_lines(report["machine"]):
        out.print(line, soft_wrap=True, markup=False)
    print_bounds(out, report["bounds"])


def _parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--students",
        type=whole_number(100, 10_000_000),
        default=500,
        metavar="N",
        help="students to generate (default: %(default)s)",
    )
    parser.add_argument(
        "--events",
        type=whole_number(100, 1_000_000),
        default=500,
        metavar="N",
        help="upcoming events, as many past ones besides, at most 2,000 (default: %(default)s)",
    )
    add_common_arguments(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main())
