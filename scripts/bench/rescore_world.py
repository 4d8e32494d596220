"""A world to rescore: students, events, three models in turn, and ways to write its lists."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.console import UserError, console
from app.database import connect
from app.dataset import load_dataset
from app.lists import write_lists
from app.population import Plan, generate_population, settle, shape
from app.schema import migrate
from scripts.bench.measure import say
from scripts.bench.numpy_pipeline import (
    Steps,
    Work,
    build_key,
    make_target,
    write_lists_by_numpy,
)

if TYPE_CHECKING:
    from pathlib import Path

    from asyncpg import Connection, Record

    from app.population import Shape
    from scripts.bench.numpy_processes import NumpyProcesses

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOP_N = 50
TOLERANCE = 1e-9
CORES = os.cpu_count() or 1
LARGER_WORK_MEM = "256MB"
MODELS = {
    "bench a": [-1.5, 2.0, 1.2, 0.7, 0.9, 0.5, 0.6, -0.4],
    "bench b": [-0.5, 0.9, 2.1, 1.4, 0.4, 1.1, 1.3, 0.5],
    "bench c": [-2.5, 1.4, 0.5, 0.3, 1.8, 1.6, 0.2, -1.1],
}
"""Weights in the order of recommender.feature_names(), of the size that training gives.

They differ so much that each orders every list anew: no rescore finds its rows there already.
"""
STUDENTS = """
    SELECT min(s.user_id) AS first, max(s.user_id) AS last, count(*) AS students
    FROM recommender.source_students AS s
"""
STALE = """
    SELECT count(*) FROM public.user_recommendations AS r WHERE r.model_version = $1
"""
LISTS = ("public.user_recommendations", "public.recommendation_lists")
NO_AUTOVACUUM = "ALTER TABLE {table} SET (autovacuum_enabled = false)"
"""It would clean up after ours in the turn of whoever comes next."""
VACUUM_LISTS = f"VACUUM (ANALYZE) {', '.join(LISTS)}"
FLOOR = """
    CREATE TABLE bench.floor WITH (fillfactor = 50) AS
    SELECT
        r.user_id, r.rank, r.event_id, r.score, r.model_version, r.generated_at, r.reason
    FROM public.user_recommendations AS r;

    ALTER TABLE bench.floor ADD PRIMARY KEY (user_id, rank)
"""
NO_FLOOR = "DROP TABLE IF EXISTS bench.floor"
DIFFERENCES = """
    SELECT
        coalesce(o.user_id, t.user_id) AS user_id,
        coalesce(o.rank, t.rank) AS rank,
        format('event %s, score %s, model %s of %s, reason "%s"',
            o.event_id, o.score, o.model_version, o.generated_at, o.reason) AS ours,
        format('event %s, score %s, model %s of %s, reason "%s"',
            t.event_id, t.score, t.model_version, t.generated_at, t.reason) AS theirs,
        count(*) OVER () AS differences
    FROM (
        SELECT r.*
        FROM public.user_recommendations AS r
        WHERE r.user_id BETWEEN $1 AND $2
    ) AS o
    FULL JOIN bench.{name} AS t ON t.user_id = o.user_id AND t.rank = o.rank
    WHERE
        o.event_id IS DISTINCT FROM t.event_id
        OR (abs(o.score - t.score) <= $3) IS NOT TRUE
        OR o.model_version IS DISTINCT FROM t.model_version
        OR o.generated_at IS DISTINCT FROM t.generated_at
        OR ($4 AND o.reason IS DISTINCT FROM t.reason)
    ORDER BY 1, 2
    LIMIT 1
"""
EVENTS = "SELECT count(*) FROM recommender.eligible_events"


@dataclass
class FeaturesKnown:
    """The clock of ours: it begins when the features are known, which is when on_progress is told.

    Before that write_lists opens its connections and its run, rebuilds the twins and vacuums them.
    Everything after counts: preparing the events, scoring, the headers, closing the run.
    """

    opened: float = field(default_factory=time.perf_counter)
    began: float | None = None

    def note(self, done: int, total: int) -> None:
        """Take what write_lists says of its progress."""
        del done, total
        if self.began is None:
            self.began = time.perf_counter()

    def seconds(self) -> tuple[float, float]:
        """Give how long making the features known took, and all the rest until now."""
        assert self.began is not None
        return self.began - self.opened, time.perf_counter() - self.began


@dataclass
class World:
    """Students and events in a database, and what is measured on them."""

    url: str
    connection: Connection[Record]
    as_of: datetime
    students: int
    events: int
    first_user_id: int
    last_user_id: int
    figures: Shape
    model: str = ""
    """The active one."""
    refreshing: list[float] = field(default_factory=list)
    """Seconds of ours before its clock."""
    steps: dict[str, list[Steps]] = field(default_factory=dict)
    """By table: what the turns of the numpy pipeline consist of."""

    async def open_connection(self) -> Connection[Record]:
        """Open a session that stands at the moment of the world."""
        return await connect(self.url, **{"recommender.as_of": self.as_of.isoformat()})

    async def activate(self, number: int) -> None:
        """Make one of the models the active one."""
        self.model = list(MODELS)[number % len(MODELS)]
        await self.connection.execute("SELECT recommender.activate_model($1)", self.model)

    async def write_ours(self, jobs: int) -> float:
        """Rescore everybody as the command does; give the seconds since the features are known."""
        clock = FeaturesKnown()
        await write_lists(
            self.open_connection,
            top_n=TOP_N,
            as_of=self.as_of,
            jobs=jobs,
            overwrite=True,
            on_progress=clock.note,
        )
        refreshing, seconds = clock.seconds()
        self.refreshing.append(refreshing)
        return seconds

    async def clean_lists(self) -> None:
        """Vacuum what rescoring left behind, for autovacuum is kept off."""
        await self.connection.execute(VACUUM_LISTS)

    async def check_stale(self) -> None:
        """Refuse to time a rescore that finds its own rows there."""
        if count := await self.connection.fetchval(STALE, self.model):
            raise UserError(f"{count:,} rows are of the model that is about to write them")

    async def make_stale(self) -> None:
        """Write the lists of the next model; the active one stays the same."""
        number = list(MODELS).index(self.model)
        await self.activate(number + 1)
        await self.write_ours(CORES)
        self.refreshing.pop()
        await self.activate(number)
        await self.check_stale()
        await self.clean_lists()

    def numpy_work(self, table: str, *, has_reasons: bool) -> Work:
        """Say what the numpy pipeline has to write."""
        return Work(
            model=self.model,
            as_of=self.as_of,
            top_n=TOP_N,
            table=table,
            has_reasons=has_reasons,
        )

    async def make_target(self, table: str) -> None:
        """Make the empty table for the numpy pipeline."""
        await make_target(self.connection, table)

    async def write_by_numpy(self, table: str, *, has_reasons: bool) -> None:
        """Let one process with one connection write all lists, then build the key."""
        work = self.numpy_work(table, has_reasons=has_reasons)
        steps = await write_lists_by_numpy(self.connection, work)
        steps.key = await build_key(self.connection, table)
        self.steps.setdefault(table, []).append(steps)

    async def write_by_processes(self, processes: NumpyProcesses, table: str) -> None:
        """Let one process per core write its share of the lists, then build the key."""
        work = self.numpy_work(table, has_reasons=True)
        steps = await processes.write(self.connection, work)
        self.steps.setdefault(table, []).append(steps)

    async def drop_floor(self) -> None:
        """Make room for the floor's table."""
        await self.connection.execute(NO_FLOOR)

    async def write_floor(self) -> None:
        """Write the finished rows and their key."""
        await write_floor(self.connection)

    async def check_same(
        self, table: str, last_user_id: int | None = None, *, has_reasons: bool
    ) -> None:
        """Refuse to compare times of different results."""
        last = self.last_user_id if last_user_id is None else last_user_id
        with console.status(f"comparing our lists with bench.{table}"):
            row = await self.connection.fetchrow(
                DIFFERENCES.format(name=table), self.first_user_id, last, TOLERANCE, has_reasons
            )
        if row:
            raise UserError(
                f"ours and bench.{table} differ in {row['differences']:,} rows, first at student"
                f" {row['user_id']}, rank {row['rank']}: {row['ours']} and {row['theirs']}"
            )


async def generate_world(
    url: str, *, students: int, events: int, seed: int, repeat_share: float = 0.0
) -> World:
    """Make a database of the bench shape, with models and first lists."""
    connection = await generate_students(
        url, students=students, events=events, seed=seed, repeat_share=repeat_share
    )
    return await _finish(url, connection, AS_OF)


async def generate_students(
    url: str, *, students: int, events: int, seed: int, repeat_share: float = 0.0
) -> Connection[Record]:
    """Make a database of the bench shape with the models, and no lists."""
    connection = await _open(url, AS_OF)
    say(f"generating {students:,} students and {events:,} upcoming events")
    plan = Plan(
        as_of=AS_OF,
        shape="bench",
        students=students,
        upcoming_events=events,
        past_events=min(events, 2000),
        organizers=max(1, events // 10),
        tags=500,
        categories=20,
        cities=24,
        days=90,
        interactions_per_student=8.0,
        experiment_percent=50,
        zipf=1.0,
        seed=seed,
        repeat_share=repeat_share,
    )
    await generate_population(connection, plan)
    await settle(connection)
    await _store_models(connection)
    return connection


async def write_floor(connection: Connection[Record]) -> None:
    """Write the finished rows and their key."""
    await connection.execute(FLOOR)


async def load_world(url: str, directory: Path, as_of: datetime) -> World:
    """Make a database of a folder of CSV files, with models and first lists."""
    connection = await _open(url, as_of)
    say(f"loading {directory}")
    await load_dataset(connection, directory)
    await _store_models(connection)
    return await _finish(url, connection, as_of)


async def _open(url: str, as_of: datetime) -> Connection[Record]:
    settings = {"recommender.as_of": as_of.isoformat(), "work_mem": LARGER_WORK_MEM}
    connection = await connect(url, **settings)
    say("migrating")
    await migrate(connection)
    return connection


async def _store_models(connection: Connection[Record]) -> None:
    for name, weights in MODELS.items():
        await connection.fetchval(
            "SELECT recommender.store_model($1, recommender.feature_names(), $2, '{}')",
            name,
            weights,
        )
    await connection.execute("CREATE SCHEMA bench")


async def _finish(url: str, connection: Connection[Record], as_of: datetime) -> World:
    for table in LISTS:
        await connection.execute(NO_AUTOVACUUM.format(table=table))
    row = await connection.fetchrow(STUDENTS)
    assert row is not None
    if not row["students"]:
        raise UserError("there are no students: nobody to write a list for")
    world = World(
        url,
        connection,
        as_of,
        row["students"],
        await connection.fetchval(EVENTS),
        row["first"],
        row["last"],
        await shape(connection, as_of),
    )
    say("first fill of the lists, not timed")
    await world.activate(-1)
    await world.write_ours(CORES)
    world.refreshing.clear()
    return world


def median_steps(turns: list[Steps]) -> dict[str, Any]:
    """Give the median of each step over the turns."""
    names = vars(turns[0])
    middle = len(turns) // 2
    return {name: round(sorted(getattr(turn, name) for turn in turns)[middle], 4) for name in names}
