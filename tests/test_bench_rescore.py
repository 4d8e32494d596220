"""The benchmark's numpy pipeline is a fair contender: it writes the lists and reasons of ours."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from app.console import UserError
from app.lists import write_lists
from scripts.bench.numpy_pipeline import Work, build_key, make_target, write_lists_by_numpy
from scripts.bench.numpy_processes import NumpyProcesses
from scripts.bench.rescore_world import MODELS
from tests.support.worlds import AS_OF, World, days, hours, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection as AnyConnection
    from asyncpg import Record

    from tests.support.runner import Run

    Connection = AnyConnection[Record]
    Row = tuple[object, ...]

TAGS = ["rock", "Jazz", "folk", "șah", "ȚARĂ", "a", "zither, small", "%s", "opera buffa and more"]
CITIES = ["Cluj", "Iași", "Sibiu"]
CATEGORIES = ["music", "games", None]
EVENTS = 80
STUDENTS = 150
"""More than a block of students."""
ROWS = """
    SELECT r.user_id, r.rank, r.event_id, r.score, r.model_version, r.generated_at, r.reason
    FROM {table} AS r
    ORDER BY r.user_id, r.rank
"""


def crowded_world() -> World:
    """Ties, registered events, students without attributes, languages with and without texts."""
    draw = random.Random(5)
    world = World()
    organizers = [world.organizer() for _ in range(4)]
    events = []
    for number in range(EVENTS // 2):
        tags, category = draw.sample(TAGS, draw.randrange(6)), draw.choice(CATEGORIES)
        city, starts = draw.choice([*CITIES, None]), days(draw.choice([1, 10, 10, 200]))
        # Two of a kind: a tie for everybody.
        for _ in range(2):
            organizer = draw.choice(organizers)
            events.append(
                world.event(organizer, tags=tags, category=category, city=city, starts=starts)
            )
        if number % 10 == 0:
            world.event(organizers[0], tags=TAGS, starts=days(-3))
            world.event(organizers[0], tags=TAGS, status="draft")
            world.event(organizers[0], tags=TAGS, max_seats=0)
    for number in range(STUDENTS):
        if number % 7 == 0:
            world.student(language=draw.choice(["en", "ro"]))
            continue
        student = world.student(
            city=draw.choice([*CITIES, "Elsewhere", None]),
            language=draw.choice(["en", "ro", "RO ", "de", "system"]),
            interests=draw.sample(TAGS, draw.randrange(5)),
        )
        for tag in draw.sample(TAGS, draw.randrange(4)):
            score = draw.choice([0, 2.5, 2.5, 9.99, 10, 25])
            world.like_tag(student, tag, score, seen=hours(draw.choice([-72, 0, -500])))
        world.like_city(student, draw.choice(CITIES), draw.choice([4.9, 5, 5.1]))
        for event in draw.sample(events, draw.randrange(8)):
            world.register(student, event)
        world.favorite(student, draw.choice(events))
    everywhere = world.student(city="Cluj")
    for event in events:
        world.register(everywhere, event)
    for version, weights in MODELS.items():
        world.model(*weights, version=version, is_active=False)
    world.model(0, -1, 3, 0.001, version="flat", is_active=False)
    # Beyond what leaves room for an event's number beside its logit.
    world.model(*8 * [9e5], version="huge", is_active=False)
    return world


@pytest.fixture(scope="module")
def connection(database_url: str, run: Run) -> Iterator[Connection]:
    connection = run(open_session(database_url))
    run(connection.execute("CREATE SCHEMA bench"))
    run(crowded_world().write(connection))
    yield connection
    run(connection.close(timeout=10))


async def ours(connection: Connection, url: str, model: str, top_n: int) -> list[Row]:
    await connection.execute("SELECT recommender.activate_model($1)", model)
    await write_lists(lambda: open_session(url), top_n=top_n, as_of=AS_OF, jobs=1, overwrite=True)
    return await rows(connection, "public.user_recommendations")


async def rows(connection: Connection, table: str) -> list[Row]:
    return [tuple(row) for row in await connection.fetch(ROWS.format(table=table))]


def expect_same(found: list[Row], expected: list[Row], *, has_reasons: bool = True) -> None:
    assert expected
    scores = [row[3] for row in expected]
    assert [row[3] for row in found] == pytest.approx(scores, abs=1e-9, rel=0)
    last = None if has_reasons else 6
    assert [row[:3] + row[4:last] for row in found] == [row[:3] + row[4:last] for row in expected]
    if not has_reasons:
        assert {row[6] for row in found} == {None}


@pytest.mark.parametrize("top_n", [5, 50, 500])
@pytest.mark.parametrize("model", [*MODELS, "flat", "huge"])
def test_one_process_writes_the_lists_and_reasons_of_ours(
    connection: Connection, database_url: str, run: Run, model: str, top_n: int
) -> None:
    expected = run(ours(connection, database_url, model, top_n))
    for has_reasons in (True, False):
        work = Work(model, AS_OF, top_n, "numpy", has_reasons)
        run(make_target(connection, "numpy"))
        run(write_lists_by_numpy(connection, work))
        run(build_key(connection, "numpy"))
        expect_same(run(rows(connection, "bench.numpy")), expected, has_reasons=has_reasons)


def test_several_processes_write_the_lists_and_reasons_of_ours(
    connection: Connection, database_url: str, run: Run
) -> None:
    model = next(iter(MODELS))
    expected = run(ours(connection, database_url, model, 50))
    processes = NumpyProcesses(database_url, 2)
    try:
        run(processes.start())
        for _ in range(2):
            run(make_target(connection, "processes"))
            run(processes.write(connection, Work(model, AS_OF, 50, "processes")))
            expect_same(run(rows(connection, "bench.processes")), expected)
        with pytest.raises(UserError, match="UndefinedTableError"):
            run(processes.write(connection, Work(model, AS_OF, 50, "nowhere")))
    finally:
        processes.stop()


def test_reasons_of_the_world_are_of_every_kind(
    connection: Connection, database_url: str, run: Run
) -> None:
    lists = run(ours(connection, database_url, next(iter(MODELS)), 50))
    reasons = {str(row[6]) for row in lists}
    assert {"Near you", "În apropiere", "Recommended for you", "Recomandat pentru tine"} <= reasons
    named = [reason for reason in reasons if reason.startswith(("Your interests", "Interesele"))]
    assert {reason.count(", ") for reason in named if "zither" not in reason} == {0, 1, 2}


@pytest.mark.parametrize("rows_of", ["users", "events"])
def test_nobody_and_nothing_make_no_lists(connection: Connection, run: Run, rows_of: str) -> None:
    async def write() -> list[Row]:
        world = World()
        organizer = world.organizer()
        if rows_of == "events":
            world.event(organizer)
        else:
            world.student()
        world.model(0, 1)
        await world.write(connection)
        await connection.execute("SELECT recommender.refresh_features()")
        await make_target(connection, "numpy")
        await write_lists_by_numpy(connection, Work("m1", AS_OF, 50, "numpy"))
        return await rows(connection, "bench.numpy")

    assert run(write()) == []
