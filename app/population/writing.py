"""Write a population: the world first, then students chunk by chunk, in one transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.console import UserError, console
from app.population.plans import keep_plan
from app.population.profiles import draw_bench_chunk, lay_in_stock
from app.population.students import CHUNK, NOTHING, draw_lively_chunk
from app.population.tables import BulkWriter
from app.population.vocabulary import FIRST_NAMES, LAST_NAMES
from app.population.world import DAY, EPOCH, NEVER, build_world, generator, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asyncpg import Connection, Record

    from app.population.students import Chunk
    from app.population.tables import Column
    from app.population.world import Flags, Ints, Plan, World

NUMBERED = ("users", "tags", "events", "registrations", "favorite_events", "event_interactions")
"""Tables with an id of their own."""
TABLES = (
    *NUMBERED,
    "event_tags",
    "user_interest_tags",
    "user_hidden_tags",
    "user_blocked_organizers",
)
NEXT_IDS = """
    SELECT 'users' AS table_name, coalesce(max(t.id), 0) + 1 AS next_id FROM public.users AS t
    UNION ALL SELECT 'tags', coalesce(max(t.id), 0) + 1 FROM public.tags AS t
    UNION ALL SELECT 'events', coalesce(max(t.id), 0) + 1 FROM public.events AS t
    UNION ALL SELECT 'registrations', coalesce(max(t.id), 0) + 1 FROM public.registrations AS t
    UNION ALL SELECT 'favorite_events', coalesce(max(t.id), 0) + 1 FROM public.favorite_events AS t
    UNION ALL
    SELECT 'event_interactions', coalesce(max(t.id), 0) + 1 FROM public.event_interactions AS t
"""
MAY_SKIP_CHECKS = "SELECT has_parameter_privilege('session_replication_role', 'SET')"
"""Every row refers to rows of this very transaction; checking each took two thirds of the time."""
SETTLE = """
    VACUUM (ANALYZE)
        public.users, public.tags, public.events, public.registrations, public.favorite_events,
        public.event_interactions, public.event_tags, public.user_interest_tags,
        public.user_hidden_tags, public.user_blocked_organizers
"""
FULL_SHARE = 0.04
"""Share of the upcoming events, the best visited ones, whose last seat is taken."""
USER_COLUMNS = (
    "id", "email", "role", "full_name", "org_name", "city", "language_preference", "is_active",
    "created_at",
)  # fmt: skip


@dataclass(kw_only=True)
class Numbering:
    """The ids that rows get; what was there before keeps its own."""

    admin: int
    organizer: int
    student: int
    event: Ints
    tag: Ints
    next_id: dict[str, int]

    def take(self, table: str, count: int) -> Ints:
        """Hand out the next ids of a table."""
        begin = self.next_id[table]
        self.next_id[table] += count
        return np.arange(begin, begin + count)


async def generate_population(
    connection: Connection[Record], plan: Plan, *, append: bool = False
) -> dict[str, int]:
    """Write all rows of a plan and give the number per table; all or nothing."""
    async with connection.transaction():
        await _check_target(connection, append=append)
        if not append and await connection.fetchval(MAY_SKIP_CHECKS):
            await connection.execute("SET LOCAL session_replication_role = replica")
        await _make_partitions(connection, plan)
        world = build_world(plan)
        writer = BulkWriter(connection)
        numbering = await _write_world(connection, writer, plan, world)
        await keep_plan(connection, plan, numbering.student, numbering.organizer)
        seats_taken = await _write_students(writer, plan, world, numbering)
        await _settle_seats(connection, plan, world, numbering, seats_taken)
        for table in NUMBERED:
            await connection.execute(
                "SELECT setval(s.name, $2::bigint, false)"
                " FROM (SELECT pg_get_serial_sequence('public.' || $1::text, 'id') AS name) AS s"
                " WHERE s.name IS NOT NULL",
                table,
                numbering.next_id[table],
            )
    return writer.written


async def settle(connection: Connection[Record]) -> None:
    """Give the planner statistics and visibility maps, so that the first query is a fair one."""
    await connection.execute(SETTLE)


async def _check_target(connection: Connection[Record], *, append: bool) -> None:
    missing = await connection.fetchval(
        "SELECT string_agg(t.name, ', ') FROM unnest($1::text[]) AS t (name)"
        " WHERE to_regclass('public.' || t.name) IS NULL",
        list(TABLES),
    )
    if missing:
        raise UserError(
            f"the database has no table {missing}: run .venv/bin/python scripts/migrate.py first"
        )
    taken = await connection.fetchrow(
        "SELECT EXISTS (SELECT FROM public.users) AS users,"
        " EXISTS (SELECT FROM public.events) AS events"
    )
    if taken and (taken["users"] or taken["events"]) and not append:
        raise UserError(
            "the database already has users or events, and nothing was written: name an empty"
            " database, or give --append to add to what is there"
        )


async def _make_partitions(connection: Connection[Record], plan: Plan) -> None:
    """Have a partition for every month of the history, where the recommender is installed."""
    if await connection.fetchval(
        "SELECT to_regprocedure('recommender.create_interaction_partitions(date, date)')"
    ):
        await connection.execute(
            "SELECT recommender.create_interaction_partitions($1::date, $2::date)",
            (plan.as_of - timedelta(days=plan.days)).date(),
            plan.as_of.date(),
        )


async def _write_world(
    connection: Connection[Record], writer: BulkWriter, plan: Plan, world: World
) -> Numbering:
    """Write tags, people who are no students, events and their tags."""
    next_id = {row["table_name"]: row["next_id"] for row in await connection.fetch(NEXT_IDS)}
    admin = next_id["users"]
    next_id["users"] += 1 + plan.organizers
    tag = await _write_tags(connection, writer, world, next_id)
    count = world.start.size
    event = np.empty(count, dtype=np.int64)
    event[np.argsort(world.created, kind="stable")] = np.arange(count) + next_id["events"]
    next_id["events"] += count
    numbering = Numbering(
        admin=admin,
        organizer=admin + 1,
        student=next_id["users"],
        event=event,
        tag=tag,
        next_id=next_id,
    )
    founded = moment(plan.now - (plan.days + 700) * DAY)
    people = [(admin, f"admin.{admin}@eventrank.example", "admin", "Admin", None, None, "en", True,
               founded)]  # fmt: skip
    hosts = [
        (
            user_id,
            f"organizer.{user_id}@eventrank.example",
            "organizer",
            _person(3 * user_id),
            name,
            world.city_names[city],
            "ro",
            True,
            founded,
        )
        for user_id, name, city in zip(
            range(admin + 1, admin + 1 + plan.organizers),
            world.organizer_names,
            world.organizer_city,
            strict=True,
        )
    ]
    await writer.write_records("users", USER_COLUMNS, [*people, *hosts])
    await _write_events(writer, world, numbering)
    row, place = np.nonzero(world.tags < len(world.tag_names))
    await writer.write(
        "event_tags", {"event_id": event[row], "tag_id": tag[world.tags[row, place]]}
    )
    return numbering


async def _write_tags(
    connection: Connection[Record], writer: BulkWriter, world: World, next_id: dict[str, int]
) -> Ints:
    """Write the tags that are not there yet; give the id of each."""
    known = {
        row["name"]: row["id"]
        for row in await connection.fetch("SELECT t.name, t.id FROM public.tags AS t")
    }
    new = [name for name in world.tag_names if name not in known]
    known |= {name: next_id["tags"] + place for place, name in enumerate(new)}
    next_id["tags"] += len(new)
    await writer.write_records("tags", ("id", "name"), [(known[name], name) for name in new])
    return np.array([known[name] for name in world.tag_names])


async def _write_events(writer: BulkWriter, world: World, numbering: Numbering) -> None:
    columns = (
        "id", "title", "description", "category", "start_time", "end_time", "location", "city",
        "max_seats", "owner_id", "created_at", "status", "publish_at", "deleted_at",
    )  # fmt: skip
    records = [
        (
            int(numbering.event[place]),
            world.titles[place],
            world.descriptions[place],
            world.category_names[world.topic[place]],
            moment(world.start[place]),
            moment(world.end[place]),
            world.locations[place],
            world.city_names[world.city[place]],
            int(world.seats[place]) or None,
            numbering.organizer + int(world.organizer[place]),
            moment(world.created[place]),
            "published" if world.is_published[place] else "draft",
            moment(world.publish_at[place]),
            moment(world.deleted_at[place]),
        )
        for place in np.argsort(numbering.event)
    ]
    await writer.write_records("events", columns, records)


async def _write_students(
    writer: BulkWriter, plan: Plan, world: World, numbering: Numbering
) -> Ints:
    """Draw a chunk while the one before it is being written; count the seats taken by event."""
    numbering.next_id["users"] += plan.students
    draw = _chunk_maker(plan, world, numbering)
    chunks = -(-plan.students // CHUNK)
    seats_taken = np.zeros(world.start.size, dtype=np.int64)
    with _progress() as progress:
        task = progress.add_task("students", total=plan.students)
        upcoming = asyncio.create_task(asyncio.to_thread(draw, 0))
        for number in range(chunks):
            chunk = await upcoming
            if number + 1 < chunks:
                upcoming = asyncio.create_task(asyncio.to_thread(draw, number + 1))
            try:
                await _write_chunk(writer, world, numbering, chunk)
            except BaseException:
                upcoming.cancel()
                raise
            kept = chunk.registered[1][chunk.unregistered_at == NEVER]
            seats_taken += np.bincount(kept, minlength=seats_taken.size)
            progress.advance(task, chunk.city.size)
    return seats_taken


def _chunk_maker(plan: Plan, world: World, numbering: Numbering) -> Callable[[int], Chunk]:
    def size(number: int) -> int:
        return min(CHUNK, plan.students - number * CHUNK)

    if plan.shape == "lively":
        return lambda number: draw_lively_chunk(
            plan, world, number, size(number), numbering.student
        )
    stock = lay_in_stock(plan, world)
    return lambda number: draw_bench_chunk(plan, world, stock, number, size(number))


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def _person(number: int) -> str:
    first, last = number % len(FIRST_NAMES), number // len(FIRST_NAMES) % len(LAST_NAMES)
    return f"{FIRST_NAMES[first]} {LAST_NAMES[last]}"


async def _write_chunk(
    writer: BulkWriter, world: World, numbering: Numbering, chunk: Chunk
) -> None:
    student, event, tag = numbering.student, numbering.event, numbering.tag
    await writer.write_records("users", USER_COLUMNS, _student_records(world, numbering, chunk))
    pairs = (
        ("user_interest_tags", "tag_id", chunk.interests[0], tag[chunk.interests[1]]),
        ("user_hidden_tags", "tag_id", chunk.hidden[0], tag[chunk.hidden[1]]),
        (
            "user_blocked_organizers",
            "organizer_id",
            chunk.blocked[0],
            numbering.organizer + chunk.blocked[1],
        ),
    )
    for table, column, owner, value in pairs:
        await writer.write(table, {"user_id": student + owner, column: value})
    who, where = chunk.registered
    registrations: dict[str, Column] = {
        "id": numbering.take("registrations", who.size),
        "user_id": student + who,
        "event_id": event[where],
        "registration_time": chunk.registered_at,
        "attended": chunk.attended,
        "deleted_at": chunk.unregistered_at,
    }
    kept = chunk.unregistered_at == NEVER
    await writer.write(
        "registrations",
        _rows(registrations, kept) | {"deleted_at": None},
        _rows(registrations, ~kept),
    )
    who, where = chunk.favourites
    await writer.write(
        "favorite_events",
        {
            "id": numbering.take("favorite_events", who.size),
            "user_id": student + who,
            "event_id": event[where],
            "created_at": chunk.favourite_at,
        },
    )
    await writer.write("event_interactions", *_interaction_groups(numbering, chunk))


def _rows(columns: Mapping[str, Column], chosen: Flags) -> dict[str, Column]:
    return {
        name: column[chosen] if isinstance(column, np.ndarray) else column
        for name, column in columns.items()
    }


def _interaction_groups(numbering: Numbering, chunk: Chunk) -> list[dict[str, Column]]:
    return [
        {
            "id": numbering.take("event_interactions", done.at.size),
            "user_id": numbering.student + done.student,
            "event_id": None if (done.event == NOTHING).all() else numbering.event[done.event],
            "interaction_type": done.kind.encode(),
            "occurred_at": done.at,
            "meta": done.meta,
        }
        for done in chunk.interactions
    ]


def _student_records(world: World, numbering: Numbering, chunk: Chunk) -> list[tuple[object, ...]]:
    first = numbering.student + chunk.first
    return [
        (
            first + place,
            f"student.{first + place}@eventrank.example",
            "student",
            _person(int(name)),
            None,
            None if city == NOTHING else world.city_names[city],
            "ro" if romanian else "en",
            bool(active),
            EPOCH + timedelta(microseconds=int(created)),
        )
        for place, (name, city, romanian, active, created) in enumerate(
            zip(
                chunk.name,
                chunk.city,
                chunk.speaks_romanian,
                chunk.is_active,
                chunk.created,
                strict=True,
            )
        )
    ]


async def _settle_seats(
    connection: Connection[Record],
    plan: Plan,
    world: World,
    numbering: Numbering,
    seats_taken: Ints,
) -> None:
    """Make room for everybody who registered, and let the best visited upcoming events be full."""
    if plan.shape == "bench":
        return
    spare = generator(plan, 4).integers(1, 12, seats_taken.size)
    seats = np.where(world.seats > 0, np.maximum(world.seats, seats_taken + spare), 0)
    running = np.flatnonzero(world.is_upcoming & world.is_published & (world.deleted_at == NEVER))
    popular = running[np.argsort(-seats_taken[running], kind="stable")]
    full = popular[: round(FULL_SHARE * running.size)]
    full = full[seats_taken[full] > 0]
    seats[full] = seats_taken[full]
    changed = np.flatnonzero(seats != world.seats)
    await connection.execute(
        "UPDATE public.events AS e SET max_seats = n.seats"
        " FROM unnest($1::bigint[], $2::integer[]) AS n (event_id, seats)"
        " WHERE e.id = n.event_id",
        numbering.event[changed].tolist(),
        seats[changed].tolist(),
    )
