"""The fast paths equal the definition: lists, twins and explanations over random small worlds."""

from __future__ import annotations

import math
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.random_worlds import attended_worlds, surround, worlds
from tests.support.worlds import (
    AS_OF,
    EXTENDED_FEATURES,
    FEATURES,
    World,
    days,
    hours,
    open_session,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

TOLERANCE = 1e-9
MOST_TAGS = 500

# Every pair a list may hold, straight from the definition.
CANDIDATES = """
SELECT f.*
FROM recommender.{} AS f
INNER JOIN recommender.eligible_events AS e ON e.event_id = f.event_id
WHERE NOT EXISTS (
    SELECT FROM recommender.source_registrations AS r
    WHERE r.user_id = f.user_id AND r.event_id = f.event_id
)
"""
DEFINITIONS = {
    FEATURES: "user_event_features",
    EXTENDED_FEATURES: "extended_user_event_features",
}
OWN_FEATURES = {"student_activity"}
"""The same for all of a student's events: they move scores and order nothing."""
MET: set[str] = set()
"""Features that were not 0 in some world, and reasons that were given."""

LISTS = """
SELECT r.user_id, r.rank, r.event_id, r.score, r.reason
FROM public.user_recommendations AS r
ORDER BY r.user_id, r.rank
"""

# Some ranks are there and wrong, some are missing.
SPOIL_LISTS = """
DELETE FROM user_recommendations WHERE (user_id + rank) % 3 = 0;
UPDATE user_recommendations SET event_id = -rank, score = 2, reason = NULL
"""

# Rows of a twin that its view does not have, or the other way round, or of another value.
EVENT_TWIN_DIFFERENCES = """
SELECT v.*, t.*
FROM recommender.event_attributes AS v
FULL OUTER JOIN recommender.event_attributes_snapshot AS t
    ON t.event_id = v.event_id AND t.feature = v.feature AND t.attribute = v.attribute
WHERE (abs(v.value - t.value) <= 1e-9) IS NOT TRUE
"""

USER_TWIN_DIFFERENCES = """
SELECT v.*, t.*
FROM recommender.user_attributes AS v
FULL OUTER JOIN recommender.user_attributes_snapshot AS t
    ON t.user_id = v.user_id AND t.feature = v.feature AND t.attribute = v.attribute
WHERE (abs(v.weight - t.weight) <= 1e-9) IS NOT TRUE
"""

EXPLAINED = """
SELECT sum(x.contribution) AS logit
FROM recommender.explain($1, $2) AS x
"""

# Worlds


def crowded_world() -> World:
    """One event carries 500 tags, and one student likes them all."""
    world = World()
    club = world.organizer()
    tags = [f"tag {number}" for number in range(MOST_TAGS)]
    world.event(club, tags=tags)
    world.event(club, tags=tags[:3], city="Cluj")
    world.event(club)
    fan = world.student(city="Cluj", interests=tags[::2])
    for tag in tags[1::2]:
        world.like_tag(fan, tag, 5, seen=hours(-10))
    world.student()
    world.model(0.5, 2, 1, -1, 0.25, 0.1, 1, -0.5)
    return world


def equal_world() -> World:
    """Everything ties with everything."""
    world = World()
    club = world.organizer()
    for _ in range(12):
        world.event(club, tags=["rock"], city="Cluj")
    for _ in range(3):
        world.student(city="Cluj", interests=["rock"])
    world.model(0, 1, 1, 1, 1, 1)
    return world


def full_diary_world() -> World:
    """A student is registered for all there is, and another for all but one."""
    world = World()
    club = world.organizer()
    events = [world.event(club, tags=["rock"]) for _ in range(5)]
    busy, nearly = world.student(), world.student(interests=["rock"])
    for event in events:
        world.register(busy, event)
        if event != events[2]:
            world.register(nearly, event)
    world.model(0, 1)
    return world


def empty_world() -> World:
    world = World()
    world.student(city="Cluj", interests=["rock"])
    world.model(1)
    return world


def opposed_world() -> World:
    """What students share with an event speaks against it, so the best share nothing."""
    world = World()
    club, other = world.organizer(), world.organizer()
    for number in range(10):
        if number % 2:
            world.event(club, tags=["rock"], city="Cluj", starts=days(5 + number))
        else:
            world.event(other, tags=["chess"], city="Iași", starts=days(100 - number))
    world.student(city="Cluj", interests=["rock"])
    world.student(city="Iași", interests=["chess"])
    world.model(1, -3, 0, -2, 0, 0, 0, -0.5)
    return world


def series_world(*weights: float) -> World:
    """Events of two series, their starts so close together that rounding decides between them."""
    world = World()
    club, other = world.organizer(), world.organizer()
    series = []
    for owner, tags in ((club, ["rock"]), (other, ["rock", "chess"])):
        for number in range(8):
            # From a microsecond, which no list shows, to seconds, which each does.
            apart = timedelta(microseconds=(-1) ** number * 11**number)
            series.append(world.event(owner, tags=tags, starts=days(30) + apart))
    for heads in range(4):
        fan = world.student(interests=["rock", "chess"][: 1 + heads % 2], city="Cluj")
        for event in series[heads::4]:
            world.register(fan, event)
    for _ in range(2):
        # The same student twice.
        twin = world.student(interests=["chess"])
        world.register(twin, series[3])
    world.student(interests=["chess"])
    world.model(*weights)
    return world


def near_world() -> World:
    """The first event by id is behind by less than is rounded to; its better twin comes last."""
    world = World()
    club = world.organizer()
    for tag, later in (("rock", 1), ("chess", 0), ("rock", 0)):
        world.event(club, tags=[tag], starts=days(30) + timedelta(microseconds=later))
    world.student()
    world.model(0.1, 1, 0, 0, 0, 0, 0, -0.4)
    return world


def lowered_world() -> World:
    """More events than are read by base at once are best by base, and all shared: held against."""
    world = World()
    club = world.organizer()
    for number in range(120):
        world.event(club, tags=["rock", f"tag {number}"], starts=days(1 + number / 100))
    for number in range(4):
        world.event(club, tags=["chess"], starts=days(100 + number))
    world.student(interests=["rock"])
    world.student()
    world.model(1, -3, 0, 0, 0, 0, 0, -0.5)
    return world


def likely_world() -> World:
    """Students have the same attributes: alike, otherwise weighed, or in another language."""
    world = World()
    club = world.organizer()
    for tags in (["rock"], ["chess"], ["rock", "chess"], []):
        world.event(club, tags=tags)
    for rock, chess, language in ((5, 1, "en"), (1, 5, "en"), (5, 1, "en"), (5, 1, "ro")):
        fan = world.student(language=language)
        world.like_tag(fan, "rock", rock, seen=hours(-10))
        world.like_tag(fan, "chess", chess)
    world.model(0, 1)
    return world


def attended_world(*weights: float) -> World:
    """Students who go often, rarely, elsewhere or never, and two organizers who share guests."""
    world = World()
    clubs = [world.organizer("Club"), world.organizer(full_name="Ana")]
    students = [world.student(language=language) for language in ("en", "ro", "en", "en", "ro")]
    for number in range(12):
        world.event(
            clubs[number % 2],
            title=["Rock night", "ROCK chess", "New things"][number % 3],
            category=["Music", "games"][number % 2],
            starts=days(5 + number),
        )
    surround(world, clubs)
    for weeks in range(1, 9):
        event = world.event(
            clubs[0], title=f"Rock night {weeks}", category="music", starts=days(-7 * weeks)
        )
        for student in students[: 1 + weeks % 3]:
            world.register(student, event, at=days(-8 * weeks))
    chess = world.event(clubs[1], title="Chess", category="games", starts=days(-9))
    for student in students[2:4]:
        world.register(student, chess, at=days(-10))
    world.model(-1, 1, 1, 1, 1, 1, *weights, features=EXTENDED_FEATURES)
    return world


# What must hold


def is_eligible(event: dict[str, object], registrations: list[dict[str, object]]) -> bool:
    """Say so again, from the rows alone."""
    taken = sum(
        row["event_id"] == event["id"]
        and row["registration_time"] <= AS_OF  # type: ignore[operator]
        and (row["deleted_at"] is None or row["deleted_at"] > AS_OF)  # type: ignore[operator]
        for row in registrations
    )
    return bool(
        event["status"] == "published"
        and (event["publish_at"] or event["created_at"]) <= AS_OF  # type: ignore[operator]
        and event["start_time"] >= AS_OF  # type: ignore[operator]
        and (event["deleted_at"] is None or event["deleted_at"] > AS_OF)  # type: ignore[operator]
        and (event["max_seats"] is None or taken < event["max_seats"])  # type: ignore[operator]
    )


class Checker:
    """One database, filled again and again."""

    def __init__(self, connection: Connection[Record], run: Run) -> None:
        self.connection = connection
        self.run = run

    def check(self, world: World, top_n: int) -> None:
        self.run(self._check(world, top_n))

    async def _check(self, world: World, top_n: int) -> None:
        await world.write(self.connection)
        expected = await self._rank_by_definition(world, top_n)

        await self.connection.execute(
            "SELECT recommender.score_user(s.user_id, $1) FROM recommender.source_students AS s",
            top_n,
        )
        single = await self._lists()
        await self._assert_lists_are(expected, single)

        await self.connection.execute(SPOIL_LISTS)
        await self.connection.execute("UPDATE recommendation_lists SET item_count = -1")
        await self.connection.execute("CALL recommender.score_all($1)", top_n)
        bulk = await self._lists()
        await self._assert_lists_are(expected, bulk)

        assert [row["reason"] for row in bulk] == [row["reason"] for row in single]
        assert None not in {row["reason"] for row in bulk}
        MET.update(row["reason"] for row in bulk)

        assert await self.connection.fetch(EVENT_TWIN_DIFFERENCES) == []
        assert await self.connection.fetch(USER_TWIN_DIFFERENCES) == []

    async def _rank_by_definition(self, world: World, top_n: int) -> dict[int, dict[int, float]]:
        """Give each student's events and their logits in the order of the list."""
        shown = {
            event["id"]
            for event in world.rows.get("events", [])
            if is_eligible(event, world.rows.get("registrations", []))
        }
        model = world.rows["recommender_models"][0]
        features: tuple[str, ...] = tuple(model["feature_names"])  # type: ignore[arg-type]
        weights = dict(zip(features, model["weights"], strict=True))  # type: ignore[call-overload]
        candidates = await self.connection.fetch(CANDIDATES.format(DEFINITIONS[features]))
        assert {row["event_id"] for row in candidates} <= shown
        logits: dict[int, dict[int, float]] = {
            row["id"]: {}  # type: ignore[misc]
            for row in world.rows["users"]
            if row["role"] == "student"
        }
        owns = dict.fromkeys(logits, 0.0)
        for row in candidates:
            assert tuple(row.keys()) == ("user_id", "event_id", *features)
            MET.update(name for name in features if row[name])
            logits[row["user_id"]][row["event_id"]] = sum(
                row[name] * weights[name] for name in features if name not in OWN_FEATURES
            )
            owns[row["user_id"]] = sum(
                row[name] * weights[name] for name in features if name in OWN_FEATURES
            )
        for pair in candidates[:: max(1, len(candidates) // 3)]:
            explained = await self.connection.fetchval(EXPLAINED, pair["user_id"], pair["event_id"])
            assert explained == pytest.approx(
                logits[pair["user_id"]][pair["event_id"]] + owns[pair["user_id"]], abs=TOLERANCE
            )
        return {
            student: {
                event: logit + owns[student]
                for event, logit in sorted(
                    events.items(), key=lambda item: (-round(item[1] * 1e9), item[0])
                )[:top_n]
            }
            for student, events in logits.items()
        }

    async def _lists(self) -> list[Record]:
        return await self.connection.fetch(LISTS)

    async def _assert_lists_are(
        self, expected: dict[int, dict[int, float]], rows: list[Record]
    ) -> None:
        lists = {
            student: list(of_student)
            for student, of_student in groupby(rows, key=lambda row: row["user_id"])
        }
        assert {
            student: [row["event_id"] for row in of_student]
            for student, of_student in lists.items()
        } == {student: list(events) for student, events in expected.items() if events}
        for student, of_student in lists.items():
            assert [row["rank"] for row in of_student] == list(range(1, len(of_student) + 1))
            for row in of_student:
                logit = expected[student][row["event_id"]]
                assert row["score"] == pytest.approx(sigmoid(logit), abs=TOLERANCE)
        headers = await self.connection.fetch("SELECT * FROM recommendation_lists")
        assert {row["user_id"]: row["item_count"] for row in headers} == {
            student: len(events) for student, events in expected.items()
        }


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-700.0, min(700.0, logit))))


@pytest.fixture(scope="module")
def checker(database_url: str, run: Run) -> Iterator[Checker]:
    connection = run(open_session(database_url))
    yield Checker(connection, run)
    run(connection.close())


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(world=worlds(), top_n=st.sampled_from([1, 2, 3, 5, 50, 10_000]))
@example(world=crowded_world(), top_n=50)
@example(world=equal_world(), top_n=5)
@example(world=full_diary_world(), top_n=3)
@example(world=empty_world(), top_n=50)
@example(world=opposed_world(), top_n=4)
@example(world=lowered_world(), top_n=4)
@example(world=likely_world(), top_n=4)
@example(world=near_world(), top_n=1)
@example(world=series_world(0.1, 0.7, 0.3, 0, 0, 0.2, 0, -0.4), top_n=1)
@example(world=series_world(0.1, 0.7, 0.3, 0, 0, 0.2, 0, -0.4), top_n=7)
@example(world=series_world(0.1, -0.7, 0.3, 0, 0, -0.2, 0, 0.4), top_n=3)
def test_bulk_and_single_lists_equal_the_ranked_definition(
    checker: Checker, world: World, top_n: int
) -> None:
    checker.check(world, top_n)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(world=attended_worlds(), top_n=st.sampled_from([1, 2, 3, 5, 50, 10_000]))
@example(world=attended_world(9, 1, 0.1, 1, 1, 1, 1, 1, -1, 1, 1, 1, 1, 0.5, 0.2, 0.1), top_n=50)
@example(
    world=attended_world(0, 0, 0.1, 9, -1, 0, 0, 1, 1, 1, -1, -1, 1, -0.5, -0.2, 0.1), top_n=50
)
@example(world=attended_world(-1, 2, -1, -3, 1, 1, -2, 1, 1, -1, 1, 1, -1, 1, 1, -1), top_n=4)
def test_the_same_holds_for_extended_features(checker: Checker, world: World, top_n: int) -> None:
    checker.check(world, top_n)


def test_those_properties_met_every_feature_and_reason() -> None:
    # Features that are always 0 would pass them as well.
    assert set(FEATURES) | set(EXTENDED_FEATURES) <= MET
    assert {
        "You go to this series often",
        "You have been to events of Club",
        "People who go to Club also go here",
        "Mergi des la această serie",
    } <= MET
