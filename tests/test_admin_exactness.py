"""The desk says what ranking and serving do: what-if and why-not over random small worlds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.random_worlds import WEIGHTS, worlds
from tests.support.worlds import AS_OF, MICROSECOND, NOW, World, days, hours, open_session
from tests.test_serving import changed_worlds, well_filled_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

TOLERANCE = 1e-9
ALL = 10_000
CHECKS = (
    "account",
    "deleted",
    "published",
    "publish_at",
    "started",
    "full",
    "registered",
    "hidden tag",
    "blocked organizer",
)
SOURCES = {"list": "from the list", "tags": "by tags", "popular": "by popularity"}

RANKED = "SELECT k.event_id, k.rank, k.score FROM recommender.rank_events($1, $2) AS k"
PREVIEW = "SELECT * FROM recommender.preview_weights($1, $2, $3)"
WHY_NOT = "SELECT * FROM recommender.why_not($1, $2, $3)"
STORE = "SELECT recommender.store_model('what if', recommender.feature_names(), $1, '{}')"

# Where an event would stand among what the student may be recommended, from the definition.
RANK_BY_DEFINITION = """
WITH logits AS (
    SELECT
        f.event_id,
        recommender.sort_key(
            f.bias * m.weights[1]
            + f.overlap_interest_ratio * m.weights[2]
            + f.overlap_history_ratio * m.weights[3]
            + f.same_city * m.weights[4]
            + f.category_match * m.weights[5]
            + f.organizer_match * m.weights[6]
            + f.popularity * m.weights[7]
            + f.days_until * m.weights[8]
        ) AS sort_key,
        f.event_id IN (SELECT e.event_id FROM recommender.eligible_events AS e)
        AND f.event_id NOT IN (
            SELECT r.event_id FROM recommender.source_registrations AS r WHERE r.user_id = $1
        ) AS is_ranked
    FROM recommender.user_event_features AS f
    CROSS JOIN public.recommender_models AS m
    WHERE f.user_id = $1
)

SELECT 1 + count(o.event_id)
FROM logits AS l
LEFT JOIN logits AS o
    ON o.is_ranked
    AND (o.sort_key > l.sort_key OR (o.sort_key = l.sort_key AND o.event_id < l.event_id))
WHERE l.event_id = $2
GROUP BY l.event_id
"""

EXPLAINED = """
SELECT x.feature, x.contribution FROM recommender.explain($1, $2) AS x
"""

TURNED = [0.0, -1.0, 2.0, -2.0, 1.0, 0.5, 1.0, 1.0]

any_world = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


def students_of(world: World) -> list[dict[str, Any]]:
    return [user for user in world.rows["users"] if user["role"] == "student"]


def changing_world() -> World:
    """A student whose list other weights turn round."""
    world = World()
    club, other = world.organizer(), world.organizer()
    for number in range(9):
        world.event(
            club if number % 3 else other,
            tags=["rock", "jazz"][: number % 3],
            city=["Cluj", "Iași"][number % 2],
            category="Music" if number > 4 else None,
            starts=days(4 + 9 * number),
        )
    student = world.student(city="Cluj", interests=["rock"])
    world.favorite(student, 2)
    world.like_tag(student, "jazz", 4, seen=hours(-20))
    crowd = world.student()
    for event in (1, 4, 6):
        world.register(crowd, event)
    world.model(0, 1, 0.5, 1, 0, 0, 0, -1)
    return world


def edges_world() -> tuple[World, list[tuple[str, int]]]:
    """Events on either side of each limit: by a microsecond, by a seat, by a spelling."""
    world = World()
    club, blocked = world.organizer(), world.organizer()
    student, other = world.student(), world.student(is_active=False)
    for start in (NOW, -MICROSECOND):
        world.event(club, starts=start)
    for publish in (NOW, MICROSECOND, None):
        world.event(club, publish=publish)
    world.event(club, publish=None, created=MICROSECOND)
    for deleted in (NOW, MICROSECOND):
        world.event(club, deleted=deleted)
    for seats in (0, 1, 2):
        world.register(other, world.event(club, max_seats=seats))
    world.register(student, world.event(club))
    world.register(student, world.event(club), deleted=NOW)
    for tag in ("Rock ", "jazz"):
        world.event(club, tags=[tag])
    world.event(club, status="draft")
    world.event(blocked)
    world.hide(student, "rock")
    world.block(student, blocked)
    world.model(1)
    return world, []


class Checker:
    """One database, filled again and again."""

    def __init__(self, connection: Connection[Record], run: Run) -> None:
        self.connection = connection
        self.run = run

    async def write(self, world: World, *, is_fresh: bool) -> None:
        await world.write(self.connection)
        if not is_fresh:
            return
        await self.connection.execute("SELECT recommender.refresh_features()")
        # What came after the twin: it is not seen by either, or by both.
        await self.connection.execute(
            "INSERT INTO event_tags SELECT e.id, t.id FROM events AS e, tags AS t"
            " WHERE e.id = 1 ON CONFLICT DO NOTHING"
        )
        await self.connection.execute(
            "INSERT INTO events (id, title, owner_id, city, start_time, created_at)"
            " SELECT 100, e.title, e.owner_id, e.city, e.start_time, e.created_at"
            " FROM events AS e WHERE e.id = 2"
        )

    async def ranked(self, student: int) -> dict[int, tuple[int, float]]:
        rows = await self.connection.fetch(RANKED, student, ALL)
        return {row["event_id"]: (row["rank"], row["score"]) for row in rows}

    async def ranked_with(self, weights: list[float], student: int) -> dict[int, tuple[int, float]]:
        transaction = self.connection.transaction()
        await transaction.start()
        try:
            await self.connection.execute(STORE, weights)
            return await self.ranked(student)
        finally:
            await transaction.rollback()

    async def check_preview(self, world: World, weights: list[float], top_n: int) -> None:
        for user in students_of(world):
            student = user["id"]
            old, new = await self.ranked(student), await self.ranked_with(weights, student)
            rows = await self.connection.fetch(PREVIEW, weights, student, top_n)
            assert [row["event_id"] for row in rows] == [
                event for event, (rank, _) in new.items() if rank <= top_n or old[event][0] <= top_n
            ]
            for row in rows:
                for ranks, side in ((old, "old"), (new, "new")):
                    rank, score = ranks[row["event_id"]]
                    assert row[f"{side}_rank"] == rank
                    assert row[f"{side}_score"] == pytest.approx(score, abs=TOLERANCE)

    async def check_changes(self, world: World, weights: list[float]) -> None:
        for user in students_of(world):
            for row in await self.connection.fetch(
                "SELECT p.event_id, c.key, c.value::float8 AS change"
                " FROM recommender.preview_weights($1, $2, 10000) AS p"
                " CROSS JOIN jsonb_each(p.change) AS c",
                weights,
                user["id"],
            ):
                explained = await self.connection.fetch(EXPLAINED, user["id"], row["event_id"])
                old = {x["feature"]: x["contribution"] for x in explained}
                index = list(old).index(row["key"])
                stored = await self.connection.fetchval(
                    "SELECT m.weights[$1] FROM recommender_models AS m", index + 1
                )
                if stored:
                    expected = old[row["key"]] / stored * (weights[index] - stored)
                    assert row["change"] == pytest.approx(expected, rel=1e-6, abs=1e-6)

    async def check_student(self, user: dict[str, Any], events: list[int], top_n: int) -> None:
        picks = await self.connection.fetch(
            "SELECT * FROM recommender.pick_events($1, $2)", user["id"], ALL
        )
        by_event = {pick["event_id"]: pick for pick in picks}
        for event in events:
            await self.check_why_not(user, event, top_n, by_event.get(event))

    async def check_why_not(
        self, user: dict[str, Any], event: int, top_n: int, pick: Record | None
    ) -> None:
        rows = await self.connection.fetch(WHY_NOT, user["id"], event, top_n)
        passed = {row["check_name"]: row["passed"] for row in rows}
        said = {row["check_name"]: row["detail"] for row in rows}
        is_picked = pick is not None and pick["place"] <= top_n
        assert list(passed)[-4:] == ["list", "rank", "place", "shown"]
        assert passed["list"] is passed["rank"] is None
        assert passed["account"] == user["is_active"]
        assert passed["place"] == is_picked
        assert passed["shown"] == (is_picked and user["is_active"])
        assert passed["shown"] == all(value is not False for value in passed.values())
        assert all(said.values())
        if pick:
            assert all(passed[name] for name in CHECKS[1:])
            assert said["place"].startswith(f"place {pick['place']}, {SOURCES[pick['source']]};")
        else:
            assert not all(passed.get(name, True) for name in CHECKS[1:])
        if passed.get("deleted"):
            assert tuple(passed)[:-4] == CHECKS
            await self.check_rank(user["id"], event, said["rank"])

    async def check_rank(self, student: int, event: int, said: str) -> None:
        written = re.search(r"would rank it (\d+)$", said)
        assert written
        expected = await self.connection.fetchval(RANK_BY_DEFINITION, student, event)
        assert int(written[1]) == expected


@pytest.fixture(scope="module")
def checker(database_url: str, run: Run) -> Iterator[Checker]:
    connection = run(open_session(database_url, jit="off"))
    yield Checker(connection, run)
    run(connection.close())


@any_world
@given(
    world=worlds(),
    weights=st.lists(WEIGHTS, min_size=8, max_size=8),
    top_n=st.sampled_from([1, 3, ALL]),
    is_fresh=st.booleans(),
)
@example(world=changing_world(), weights=TURNED, top_n=3, is_fresh=True)
@example(world=changing_world(), weights=TURNED, top_n=ALL, is_fresh=False)
def test_a_preview_is_what_a_model_with_these_weights_would_rank(
    world: World,
    weights: list[float],
    top_n: int,
    is_fresh: bool,
    checker: Checker,
) -> None:
    async def check() -> None:
        await checker.write(world, is_fresh=is_fresh)
        await checker.check_preview(world, weights, top_n)

    checker.run(check())


@settings(any_world, max_examples=15)
@given(world=worlds(), weights=st.lists(WEIGHTS, min_size=8, max_size=8))
@example(world=changing_world(), weights=TURNED)
def test_a_change_is_the_feature_times_the_change_of_its_weight(
    world: World, weights: list[float], checker: Checker
) -> None:
    async def check() -> None:
        await checker.write(world, is_fresh=False)
        await checker.check_changes(world, weights)

    checker.run(check())


@settings(any_world, max_examples=25)
@given(
    changed=changed_worlds(),
    age=st.sampled_from([0, 24, 25]),
    top_n=st.sampled_from([1, 3, 10]),
)
@example(changed=edges_world(), age=0, top_n=10)
@example(changed=well_filled_world(), age=0, top_n=10)
@example(changed=well_filled_world(), age=25, top_n=3)
def test_why_not_is_what_serving_does(
    changed: tuple[World, list[tuple[str, int]]], age: int, top_n: int, checker: Checker
) -> None:
    world, changes = changed

    async def check() -> None:
        await world.write(checker.connection)
        await checker.connection.execute("CALL recommender.score_all(4)")
        await checker.connection.execute("DELETE FROM recommender_snapshot")
        await checker.connection.execute(
            "UPDATE recommendation_lists SET generated_at = generated_at - $1 * interval '1 hour'"
            " WHERE user_id % 2 = 0",
            age,
        )
        for statement, event in changes:
            arguments = (event, *[AS_OF] * ("$2" in statement))
            await checker.connection.execute(statement, *arguments)
        events = [int(str(row["id"])) for row in world.rows.get("events", [])]
        for user in students_of(world)[:2]:
            await checker.check_student(user, events, top_n)

    checker.run(check())


def test_why_not_names_what_is_in_the_way(checker: Checker) -> None:
    world = World()
    club = world.organizer("Jazz Club")
    student, other = world.student(is_active=False), world.student()
    event = world.event(
        club,
        tags=["jazz", "folk", "rock"],
        max_seats=1,
        status="draft",
        publish=days(1),
        starts=days(-1),
    )
    gone = world.event(club, deleted=days(-2))
    world.register(other, event)
    world.register(student, event)
    for tag in ("jazz", "folk"):
        world.hide(student, tag)
    world.block(student, club)

    async def ask() -> tuple[list[Record], list[Record]]:
        await world.write(checker.connection)
        return (
            await checker.connection.fetch(WHY_NOT, student, event, 10),
            await checker.connection.fetch(WHY_NOT, student, gone, 10),
        )

    rows, of_deleted = checker.run(ask())
    assert [tuple(row) for row in rows] == [
        ("account", False, "the account is inactive: the API refuses it"),
        ("deleted", True, "it is not deleted"),
        ("published", False, "its status is draft"),
        ("publish_at", False, "it comes out 2026-03-02 12:00 UTC"),
        ("started", False, "it started 2026-02-28 12:00 UTC"),
        ("full", False, "2 of its 1 seats are taken"),
        ("registered", False, "the student is registered for it"),
        ("hidden tag", False, "the student hides folk, jazz"),
        ("blocked organizer", False, "the student blocks organizer Jazz Club"),
        ("list", None, "there is no list yet: tags and popularity choose"),
        ("rank", None, "there is no model yet"),
        ("place", False, "none: a check before this one failed"),
        (
            "shown",
            False,
            "no: " + "; ".join(str(row["detail"]) for row in rows[:9] if not row["passed"]),
        ),
    ]
    assert [row["check_name"] for row in of_deleted] == [
        "account",
        "deleted",
        "list",
        "rank",
        "place",
        "shown",
    ]
    assert of_deleted[1]["detail"] == "it was deleted 2026-02-27 12:00 UTC"


@pytest.mark.parametrize(
    ("age", "setting", "said"),
    [
        (0, "true", "the list of 2026-03-01 12:00 UTC is fresh: 1 event, by model m1"),
        (-36, "true", "the list of 2026-02-28 00:00 UTC is stale, it may be 24 hours old: tags"),
        (1, "true", "the list is of a later moment, 2026-03-01 13:00 UTC: tags"),
        (0, "false", "no list is served, RECOMMENDATIONS_USE_ML_CACHE is false: tags"),
    ],
)
def test_why_not_says_whether_the_list_serves(
    checker: Checker, age: int, setting: str, said: str
) -> None:
    world = World()
    student, event = world.student(), world.event(world.organizer())
    world.model(1)
    world.recommend(student, event, at=hours(age))

    async def ask() -> list[Record]:
        await world.write(checker.connection)
        async with checker.connection.transaction():
            await checker.connection.execute(
                f"SET LOCAL recommender.recommendations_use_ml_cache = '{setting}'"
            )
            return await checker.connection.fetch(WHY_NOT, student, event, 10)

    details = {row["check_name"]: row["detail"] for row in checker.run(ask())}
    assert details["list"].startswith(said)
    assert details["rank"] == "rank 1 of the 1 in the list; written now, model m1 would rank it 1"
    assert (
        details["shown"]
        == f"yes: place 1, {SOURCES['popular' if age or setting == 'false' else 'list']}"
    )
