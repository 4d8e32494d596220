"""Implicit interests: what a batch adds, however it is cut, mixed and posted at once."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.dataset import load_dataset
from tests.support.learning import Learner, Settings, largest_difference, names_sought
from tests.support.random_worlds import AGES, CATEGORIES, CITIES, ODD_SCORES, TAGS, some
from tests.support.telemetry import Telemetry, interaction, read_interests
from tests.support.worlds import AS_OF, FEATURES, World, days, hours, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.databases import Databases
    from tests.support.learning import Interaction
    from tests.support.runner import Run

TOLERANCE = 1e-9

LEARNING = {
    "recommendations_online_learning_enabled": "true",
    "analytics_rate_limit": "1000000",
}


class Undone(Exception):  # noqa: N818
    """Rolls a test's own changes back."""


@pytest.fixture(scope="module")
def telemetry(database_url: str, run: Run) -> Iterator[Telemetry]:
    telemetry = Telemetry(database_url, run, **LEARNING)
    yield telemetry
    telemetry.close()


# The golden set


CLOCK_WENT_BACK = {
    ("clock_back_50h_no_growth", "technical"),
    ("clock_back_50h_no_growth", "craiova"),
    ("untouched_rows_keep_age", "technical"),
    ("untouched_rows_keep_age", "craiova"),
    *(("clock_back_50h_no_growth", tag) for tag in (8, 11, 32, 39)),
    *(("untouched_rows_keep_age", tag) for tag in (8, 11, 32, 39)),
}
"""Step and row whose last_seen_at differs on purpose: with us it never moves back."""


@pytest.fixture(scope="module")
def golden_telemetry(databases: Databases, golden_dir: Path, run: Run) -> Iterator[Telemetry]:
    with databases.migrated() as url:
        telemetry = Telemetry(url, run, **LEARNING)
        run(load_dataset(telemetry.connection, golden_dir / "input"))
        run(
            telemetry.connection.execute(
                "TRUNCATE user_implicit_interest_tags, user_implicit_interest_categories,"
                " user_implicit_interest_cities, event_interactions"
            )
        )
        yield telemetry
        telemetry.close()


@pytest.mark.golden
def test_every_golden_step_leaves_the_same_interests(
    golden_telemetry: Telemetry, golden_dir: Path, note: Callable[[str], None]
) -> None:
    with gzip.open(golden_dir / "online_learning.jsonl.gz", "rt", encoding="utf-8") as file:
        steps = [json.loads(line) for line in file]
    worst = 0.0
    moved = set()
    for step in steps:
        user = step["user_id"]
        golden_telemetry.stand_at(datetime.fromisoformat(step["now"]))
        before = golden_telemetry.interests()
        answer = golden_telemetry.post(user, step["events"])
        assert answer.status == step["status"], step["name"]
        assert answer.counts[0] == step["interactions_stored"], step["name"]
        after = golden_telemetry.interests()
        if step["after"] is None:
            assert after == before
            continue
        expected = {
            (kind, user, name): (score, datetime.fromisoformat(seen))
            for kind, rows in step["after"].items()
            for name, score, seen in rows
        }
        ours = {key: interest for key, interest in after.items() if key[1] == user}
        worst = max(worst, largest_difference(ours, expected))
        assert worst <= TOLERANCE, step["name"]
        moved |= {(step["name"], key[2]) for key in ours if ours[key][1] != expected[key][1]}
        assert {key: interest for key, interest in after.items() if key[1] != user} == {
            key: interest for key, interest in before.items() if key[1] != user
        }
    assert moved == CLOCK_WENT_BACK
    assert len(steps) == 28
    note(f"golden: {len(steps)} steps of online learning, scores within {worst:.1e}")


# Any split, any order, any interleaving

KINDS = ["click", "view", "dwell", "share", "favorite", "register", "unregister", "impression"]
EVENT_METAS: list[Any] = [
    None,
    {},
    *({"seconds": seconds} for seconds in (9.999, 10, 10.001, 30, 60, 61, 0, -5, 1e300, 1e-300)),
    *({"seconds": seconds} for seconds in ("30", [30], {"s": 30}, True, None)),
    {"tags": ["rock"], "category": "music", "city": "Cluj"},
]
SOUGHT_TAGS: list[Any] = [["ROCK", "rock "], ["jazz", 5, None, "", "\u00a0", ["folk"]], "rock", []]
SOUGHT_NAMES: list[Any] = ["games", " GAMES\u00a0", "cluj", "", 3, None, ["Cluj"], "x" * 101]
UNKNOWN_EVENT = 2_000_000


class Post(NamedTuple):
    user: int | None
    batch: list[Interaction]


@st.composite
def classrooms(draw: st.DrawFn) -> World:
    """Draw students who hide tags and have learned before, and events that lack this or that."""
    world = World()
    club = world.organizer()
    for tag in draw(st.permutations([*TAGS, "\u3000rock", "unused"])):
        world.tag(tag)
    for _ in range(draw(st.integers(1, 5))):
        world.event(
            club,
            tags=draw(st.lists(st.sampled_from([*TAGS, "\u3000rock"]), max_size=4, unique=True)),
            category=draw(st.sampled_from([*CATEGORIES, "y" * 101])),
            city=draw(st.sampled_from(CITIES)),
            deleted=draw(st.sampled_from([None, None, None, days(-1), hours(30)])),
        )
    for _ in range(draw(st.integers(1, 2))):
        student = world.student()
        for tag in draw(st.lists(st.sampled_from(TAGS), max_size=2, unique=True)):
            world.hide(student, tag)
        for tag in draw(st.lists(st.sampled_from(TAGS), max_size=3, unique=True)):
            world.like_tag(student, tag, draw(ODD_SCORES), seen=draw(AGES))
        for name in draw(st.lists(st.sampled_from(["music", "games"]), max_size=2, unique=True)):
            world.like_category(student, name, draw(ODD_SCORES), seen=draw(AGES))
        for name in draw(st.lists(st.sampled_from(["cluj", "sibiu"]), max_size=2, unique=True)):
            world.like_city(student, name, draw(ODD_SCORES), seen=draw(AGES))
    world.student(is_active=False)
    return world


@st.composite
def deeds(draw: st.DrawFn, events: int) -> Interaction:
    if draw(st.integers(0, 2)):
        event = draw(st.sampled_from([*range(1, events + 1), UNKNOWN_EVENT, None]))
        deed = interaction(draw(st.sampled_from(KINDS)), event)
        deed["meta"] = draw(st.sampled_from(EVENT_METAS))
        return deed
    return {
        "interaction_type": draw(st.sampled_from(["search", "filter"])),
        "event_id": draw(st.sampled_from([None, None, None, 1])),
        "meta": {
            "tags": draw(some(SOUGHT_TAGS)),
            "category": draw(some(SOUGHT_NAMES)),
            "city": draw(some(SOUGHT_NAMES)),
        },
    }


def bound_together(things: list[Interaction]) -> list[list[Interaction]]:
    """Group what has to be in one batch: what shares an event, or a name that is sought."""
    groups: list[tuple[set[Any], list[Interaction]]] = []
    for thing in things:
        marks: set[Any] = {thing["event_id"]} - {None} | names_sought([thing])
        group = [thing]
        for other in [other for other in groups if other[0] & marks]:
            groups.remove(other)
            marks |= other[0]
            group += other[1]
        groups.append((marks, group))
    return [group for _, group in groups]


@st.composite
def diaries(draw: st.DrawFn) -> tuple[World, list[Post]]:
    """Draw a world, and what its people post: each one's batches in order, the people mixed."""
    world = draw(classrooms())
    events = len(world.rows["events"])
    posts = []
    for user in [None, *range(1, len(world.rows["users"]) + 1)]:
        batches: dict[int, list[Interaction]] = {}
        for group in bound_together(draw(st.lists(deeds(events), max_size=8))):
            batches.setdefault(draw(st.integers(1, 4)), []).extend(group)
        posts += [Post(user, draw(st.permutations(batch))) for batch in batches.values()]
    return world, draw(st.permutations(posts))


TRIES = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@given(diaries())
@TRIES
def test_how_a_students_interactions_are_cut_and_mixed_changes_nothing(
    telemetry: Telemetry, diary: tuple[World, list[Post]]
) -> None:
    world, posts = diary
    telemetry.write(world)
    at_once: dict[int | None, list[Interaction]] = {}
    for post in posts:
        at_once.setdefault(post.user, []).extend(post.batch)
        telemetry.post(*post)
    learner = Learner(world)
    for user, batch in at_once.items():
        learner.learn(user, batch, AS_OF)
    ours = telemetry.interests()
    assert largest_difference(ours, learner.interests) <= TOLERANCE
    assert {key: seen for key, (_, seen) in ours.items()} == {
        key: seen for key, (_, seen) in learner.interests.items()
    }


@given(diaries(), st.data())
@TRIES
def test_what_is_learned_while_time_passes_is_what_the_oracle_says(
    telemetry: Telemetry, diary: tuple[World, list[Post]], data: st.DataObject
) -> None:
    world, posts = diary
    telemetry.write(world)
    rules = Settings(
        half_life_hours=data.draw(st.sampled_from([72.0, 0.5, 1000.0])),
        cap=data.draw(st.sampled_from([10.0, 1.0, 2.5])),
        dwell_threshold_seconds=data.draw(st.sampled_from([10.0, 0.0, 30.5])),
    )
    telemetry.set(
        recommendations_online_learning_decay_half_life_hours=rules.half_life_hours,
        recommendations_online_learning_max_score=rules.cap,
        recommendations_online_learning_dwell_threshold_seconds=rules.dwell_threshold_seconds,
    )
    learner = Learner(world, rules)
    moment = AS_OF
    for post in posts:
        moment += data.draw(st.sampled_from([days(0), hours(1), hours(72), hours(-50), days(400)]))
        telemetry.stand_at(moment)
        telemetry.post(*post)
        learner.learn(post.user, post.batch, moment)
    ours = telemetry.interests()
    assert largest_difference(ours, learner.interests) <= TOLERANCE
    assert {key: seen for key, (_, seen) in ours.items()} == {
        key: seen for key, (_, seen) in learner.interests.items()
    }


# One by one


def lone_event(**event: Any) -> tuple[World, int, int]:
    """Give a world of one event and one student."""
    world = World()
    made = world.event(world.organizer(), **event)
    return world, world.student(), made


def test_nothing_is_learned_while_it_is_switched_off(telemetry: Telemetry) -> None:
    world, user, event = lone_event(category="music")
    telemetry.write(world)
    telemetry.set(recommendations_online_learning_enabled=False)
    assert telemetry.post(user, [interaction("click", event)]).counts == (1, 0, 0)
    assert telemetry.interests() == {}


@pytest.mark.parametrize("role", ["organizer", "organizator", "admin"])
def test_only_students_learn(role: str, telemetry: Telemetry) -> None:
    world, _, event = lone_event(tags=["rock"], category="music", city="Cluj")
    other = world.student(role=role)
    telemetry.write(world)
    batch = [interaction("click", event), interaction("search", tags=["rock"])]
    assert telemetry.post(other, batch).counts[0] == 2
    assert telemetry.post(None, batch).counts[0] == 2
    assert telemetry.interests() == {}


def test_a_name_too_long_for_a_key_is_stored_and_not_learned(telemetry: Telemetry) -> None:
    name = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=3900))
    world, user, event = lone_event(category=name, city=name)
    telemetry.write(world)
    batch = [interaction("click", event), interaction("search", category=name)]
    assert telemetry.post(user, [*batch, interaction("filter", city="x" * 100)]).counts[0] == 3
    assert list(telemetry.interests()) == [("cities", user, "x" * 100)]


def test_a_tag_is_found_whatever_blanks_and_capitals_its_row_has(telemetry: Telemetry) -> None:
    world, user, _ = lone_event()
    blanks = [chr(code) for code in range(1, 0x3001) if chr(code).isspace()]
    spellings = [
        *(f"{blank}Jazz{number}" for number, blank in enumerate(blanks)),
        *(f"JAZZ{number}{blank}" for number, blank in enumerate(blanks)),
        "ȘahȘ",
        "日本",
        "\u3000日本語 ",
        "İstanbul",
        "ΑΘΉΝΑ",
        "a",
    ]
    for spelling in spellings:
        world.tag(spelling)
    telemetry.write(world)
    sought = [spelling.upper() for spelling in spellings if spelling != "İstanbul"]
    batch = [interaction("search", tags=sought), interaction("search", tags=["İSTANBUL"])]
    telemetry.post(user, batch)
    learner = Learner(world)
    learner.learn(user, batch, AS_OF)
    ours = telemetry.interests()
    assert len(ours) == len(blanks) + 6
    assert largest_difference(ours, learner.interests) == 0


def test_last_seen_never_moves_back(telemetry: Telemetry) -> None:
    world, user, event = lone_event(category="music")
    telemetry.write(world)
    telemetry.post(user, [interaction("click", event)])
    telemetry.stand_at(AS_OF - timedelta(days=2))
    telemetry.post(user, [interaction("click", event)])
    assert telemetry.interests() == {("categories", user, "music"): (2.0, AS_OF)}


def test_a_batch_that_fails_later_teaches_nothing(telemetry: Telemetry) -> None:
    """The call is one transaction: here storing fails, as a full disk would make it."""
    world, user, event = lone_event(category="music")
    telemetry.write(world)
    run, connection = telemetry.run, telemetry.connection

    async def post_and_fail() -> None:
        async with connection.transaction():
            await connection.execute(
                "ALTER TABLE background_jobs ADD CONSTRAINT refuses CHECK (job_type = 'none')"
            )
            for name in ("task_queue_enabled", "recommendations_realtime_refresh_enabled"):
                await connection.execute(f"SET LOCAL recommender.{name} = true")
            await connection.fetchval(
                "SELECT recommender.store_model('m1', $1, $2, '{}')", FEATURES, [0.0] * 8
            )
            try:
                async with connection.transaction():
                    await connection.execute(
                        "SELECT recommender.record_interactions($1, $2)",
                        user,
                        json.dumps([interaction("click", event)]),
                    )
            except asyncpg.CheckViolationError:
                stored = await connection.fetchval("SELECT count(*) FROM event_interactions")
                assert stored == 0
                assert await read_interests(connection) == {}
                raise Undone from None

    with pytest.raises(Undone):
        run(post_and_fail())


# At once


def test_sixteen_connections_lose_no_update_and_never_wait_in_a_circle(
    database_url: str, telemetry: Telemetry
) -> None:
    """Below the rate limit's row, which makes the requests of one student take turns."""
    world = World()
    club = world.organizer()
    drawn = random.Random(7)
    tags = [f"tag {number}" for number in range(40)]
    events = [
        world.event(
            club,
            tags=drawn.sample(tags, 8),
            category=drawn.choice(["music", "games", "art", "film"]),
            city=drawn.choice(["Cluj", "Sibiu", "Iași"]),
        )
        for _ in range(30)
    ]
    user = world.student()
    telemetry.write(world)
    batches = [
        [interaction(drawn.choice(["click", "view"]), e) for e in drawn.sample(events, 12)]
        for _ in range(16 * 12)
    ]
    learner = Learner(world, Settings(cap=1e6))
    for batch in batches:
        learner.learn(user, batch, AS_OF)

    async def learn(batches: list[list[Interaction]]) -> None:
        connection = await open_session(
            database_url, AS_OF, recommendations_online_learning_max_score="1000000"
        )
        try:
            for batch in batches:
                await connection.execute(
                    "SELECT recommender._learn_interests($1, $2, $3, $4, recommender.as_of())",
                    user,
                    [deed["interaction_type"] for deed in batch],
                    [deed["event_id"] for deed in batch],
                    [None for _ in batch],
                )
        finally:
            await connection.close()

    async def all_at_once() -> None:
        await asyncio.gather(*(learn(batches[first::16]) for first in range(16)))

    telemetry.run(all_at_once())
    assert largest_difference(telemetry.interests(), learner.interests) <= TOLERANCE
