"""Feature sets: what the extended features are, who pays for them, and who may be scored with."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.random_worlds import attended_worlds, surround
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

    from tests.support.runner import Run

    Connection = asyncpg.Connection[asyncpg.Record]

DAY = AS_OF.replace(hour=0)
DEFINITION = """
SELECT f.* FROM recommender.extended_user_event_features AS f ORDER BY f.user_id, f.event_id
"""
EXTENDED_ROWS = """
SELECT
    (
        SELECT count(*) FROM recommender.user_attributes AS u
        WHERE u.feature <> ALL (recommender.feature_names('base'))
    ) + (
        SELECT count(*) FROM recommender.event_attributes AS e
        WHERE e.feature <> ALL (recommender.feature_names('base'))
    )
"""
SCORE_ALL = "CALL recommender.score_all(50)"
PREVIEW = "SELECT * FROM recommender.preview_weights($1, $2, 50)"
REASONS = """
SELECT r.event_id, r.reason FROM user_recommendations AS r WHERE r.user_id = $1
"""


class Desk:
    """One database at AS_OF."""

    def __init__(self, connection: Connection, run: Run) -> None:
        self.connection = connection
        self.run = run

    def write(self, world: World) -> None:
        self.run(world.write(self.connection))

    def execute(self, sql: str, *arguments: object) -> None:
        self.run(self.connection.execute(sql, *arguments))

    def value(self, sql: str, *arguments: object) -> Any:
        return self.run(self.connection.fetchval(sql, *arguments))

    def rows(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        return list(self.run(self.connection.fetch(sql, *arguments)))

    def stand_at(self, moment: object) -> None:
        self.execute("SELECT set_config('recommender.as_of', $1, false)", str(moment))

    def features(self) -> dict[tuple[int, int], dict[str, float]]:
        return {
            (row["user_id"], row["event_id"]): {name: row[name] for name in EXTENDED_FEATURES}
            for row in self.rows(DEFINITION)
        }


@pytest.fixture(scope="module")
def module_desk(database_url: str, run: Run) -> Iterator[Desk]:
    connection = run(open_session(database_url))
    yield Desk(connection, run)
    run(connection.close())


@pytest.fixture
def desk(module_desk: Desk) -> Iterator[Desk]:
    module_desk.stand_at(AS_OF.isoformat())
    yield module_desk
    module_desk.execute("TRUNCATE recommender_settings")
    module_desk.execute("RESET recommender.recommender_feature_set")


def code_of(desk: Desk, sql: str, *arguments: object) -> str | None:
    with pytest.raises(asyncpg.PostgresError) as refused:
        desk.execute(sql, *arguments)
    return refused.value.sqlstate


# The features again, in Python


def normal(text: Any) -> str | None:
    return (text or "").strip().lower() or None


def letters(title: str) -> str:
    return re.sub(r"[^a-zà-ɏ]", "", title.lower())


def words(title: str) -> set[str]:
    return {word for word in re.split(r"[^a-zà-ɏ]+", title.lower()) if len(word) >= 3}


class Record:
    """What took place before the day, and who was there."""

    def __init__(self, world: World) -> None:
        self.events: dict[int, dict[str, Any]] = {
            row["id"]: row  # type: ignore[misc]
            for row in world.rows.get("events", [])
            if row["deleted_at"] is None or row["deleted_at"] > AS_OF  # type: ignore[operator]
        }
        self.held = {
            number: event
            for number, event in self.events.items()
            if event["status"] == "published"
            and (event["publish_at"] or event["created_at"]) <= AS_OF
            and event["start_time"] < DAY
        }
        in_force: set[tuple[int, int]] = {
            (row["user_id"], row["event_id"])  # type: ignore[misc]
            for row in world.rows.get("registrations", [])
            if row["registration_time"] <= AS_OF  # type: ignore[operator]
            and (row["deleted_at"] is None or row["deleted_at"] > AS_OF)  # type: ignore[operator]
        }
        self.visits = {(user, event) for user, event in in_force if event in self.held}
        self.users = {user for user, _ in self.visits}
        self.word_counts: dict[str, int] = {}
        for event in self.held.values():
            for word in words(event["title"]):
                self.word_counts[word] = self.word_counts.get(word, 0) + 1

    def at(self, user: int) -> list[dict[str, Any]]:
        return [self.held[event] for visitor, event in self.visits if visitor == user]

    def held_by(self, organizer: int, past_days: float = math.inf) -> list[dict[str, Any]]:
        return [
            event
            for event in self.held.values()
            if event["owner_id"] == organizer and recent(event, past_days)
        ]

    def visitors(self, organizer: int, past_days: float = math.inf) -> set[int]:
        return {
            user
            for user, event in self.visits
            if self.held[event]["owner_id"] == organizer and recent(self.held[event], past_days)
        }

    def series(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        key = letters(event["title"])
        return [held for held in self.held_by(event["owner_id"]) if letters(held["title"]) == key]

    def affinity(self, one: int, other: int) -> float:
        ours, theirs = self.visitors(one), self.visitors(other)
        common = len(ours & theirs)
        if common < 2:
            return 0
        expected = len(ours) * len(theirs) + 25
        return max(0.0, math.log((common + 0.5) * len(self.users) / expected))

    def category_visitors(self, category: str) -> set[int]:
        return {
            user for user, event in self.visits if normal(self.held[event]["category"]) == category
        }

    def category_affinity(self, one: str | None, other: str) -> float:
        ours, theirs = self.category_visitors(one or ""), self.category_visitors(other)
        if not ours or not theirs:
            return 0
        anybody = {user for user, event in self.visits if normal(self.held[event]["category"])}
        expected = len(ours) * len(theirs) + 25
        affinity = math.log((len(ours & theirs) + 0.5) * len(anybody) / expected)
        return affinity if abs(affinity) >= 0.3 else 0

    def rarity(self, word: str) -> int:
        count = self.word_counts.get(word, 0)
        rarity = round(1000 * math.log((1 + len(self.held)) / (1 + count))) if count else 0
        return rarity if rarity > 2302 else 0

    def newcomers(self, organizer: int) -> int:
        count = 0
        for user in self.users:
            first = min(self.at(user), key=lambda event: (event["start_time"], event["id"]))
            count += first["owner_id"] == organizer and recent(first, 90)
        return count

    def features(self, user: int, event: dict[str, Any]) -> dict[str, float]:
        if event["start_time"] < AS_OF or (event["publish_at"] or event["created_at"]) > AS_OF:
            mine = self.at(user)
            return dict.fromkeys(EXTENDED_FEATURES[6:], 0.0) | {
                "student_activity": math.log1p(len(mine))
            }
        mine, club = self.at(user), event["owner_id"]
        with_club = [visit for visit in mine if visit["owner_id"] == club]
        age = max((DAY - held["start_time"]).days // 7 for held in self.held_by(club) or [event])
        age = max(age, 0)
        series = self.series(event)
        has_title = bool(letters(event["title"]))
        recent_series = [held for held in series if recent(held, 180)]
        is_new = has_title and not series
        categories: dict[str, int] = {}
        for _, visited in self.visits:
            if category := normal(self.held[visited]["category"]):
                categories[category] = categories.get(category, 0) + 1
        category = normal(event["category"])
        total = sum(count + 1 for count in categories.values())
        vocabulary = set().union(*(words(visit["title"]) for visit in mine))
        rarities = {word: self.rarity(word) for word in words(event["title"])}
        norm = math.sqrt(sum(rarity**2 for rarity in rarities.values())) or 1
        last = max((visit["start_time"] for visit in mine), default=AS_OF)
        recency: dict[int, int] = {}
        of_category: dict[str, int] = {}
        for visit in mine:
            amount = round(1e6 * 0.5 ** ((last - visit["start_time"]).days / 60))
            recency[visit["owner_id"]] = recency.get(visit["owner_id"], 0) + amount
            if attended := normal(visit["category"]):
                of_category[attended] = of_category.get(attended, 0) + amount
        weights = {
            name: math.sqrt(amount / sum(of_category.values()))
            for name, amount in of_category.items()
            if amount
        }
        clubs = self.held_by(club, 90)
        return {
            "series_share": len([visit for visit in mine if visit in recent_series])
            / (1 + len(recent_series))
            if has_title
            else 0,
            "new_series_share": len([visit for visit in with_club if recent(visit, 180)])
            / (1 + len(self.held_by(club, 180)))
            * is_new,
            "attended_organizer_age": bool(with_club) * math.log1p(age),
            "co_attendance": sum(
                math.sqrt(amount / sum(recency.values())) * self.affinity(club, other)
                for other, amount in recency.items()
            ),
            "category_affinity": sum(
                weight * self.category_affinity(category, other)
                for other, weight in weights.items()
            ),
            "category_rarity": weights[category] * -math.log((categories[category] + 1) / total)
            if category in weights
            else 0,
            "title_words": sum(
                rarity**2 / 1000 / norm for word, rarity in rarities.items() if word in vocabulary
            )
            / (math.sqrt(len(vocabulary)) or 1),
            "newcomer_appeal": 0 if mine else math.log1p(self.newcomers(club) / max(1, len(clubs))),
            "organizer_event_count": math.log1p(len(clubs)),
            "organizer_audience": math.log1p(len(self.visitors(club, 180))),
            "organizer_age": math.log1p(age),
            "series_is_new": float(is_new),
            "series_audience": math.log1p(
                sum(self.seats(held["id"]) for held in series) / max(1, len(series))
            )
            if has_title
            else 0,
            "student_activity": math.log1p(len(mine)),
            "category_activity": (
                math.log1p(len(mine))
                if category in {normal(visit["category"]) for visit in mine} - {None}
                else 0
            ),
            "attended_organizer_audience": bool(with_club)
            * math.log1p(len(self.visitors(club, 180))),
        }

    def seats(self, event: int) -> int:
        return sum(visited == event for _, visited in self.visits)


def recent(event: dict[str, Any], past_days: float) -> bool:
    return bool(math.isinf(past_days) or event["start_time"] >= DAY - timedelta(days=past_days))


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(world=attended_worlds())
def test_extended_features_are_what_the_page_says(module_desk: Desk, world: World) -> None:
    module_desk.stand_at(AS_OF.isoformat())
    # Counted twice, a seat is taken twice: the page leaves that open.
    seen = set()
    world.rows["registrations"] = [
        row
        for row in world.rows.get("registrations", [])
        if not ((key := (row["user_id"], row["event_id"])) in seen or seen.add(key))  # type: ignore[func-returns-value]
    ]
    module_desk.write(world)
    record = Record(world)
    for (user, event), features in module_desk.features().items():
        expected = record.features(user, record.events[event])
        assert {name: features[name] for name in EXTENDED_FEATURES[6:]} == pytest.approx(
            expected, abs=1e-9
        ), (user, event)


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(world=attended_worlds())
def test_features_of_pairs_are_those_of_the_definition_whatever_scores(
    module_desk: Desk, world: World
) -> None:
    desk = module_desk
    desk.stand_at(AS_OF.isoformat())
    desk.write(world)
    expected = desk.features()
    desk.execute("DELETE FROM recommender_models")
    desk.execute(
        "DROP TABLE IF EXISTS pg_temp.feature_pairs; CREATE TEMPORARY TABLE feature_pairs AS"
        " SELECT row_number() OVER () AS pair_no, s.user_id, e.event_id"
        " FROM recommender.source_students AS s CROSS JOIN recommender.source_events AS e"
    )
    desk.execute("SELECT recommender._build_pair_features($1)", EXTENDED_FEATURES)
    found = desk.rows("SELECT p.user_id, p.event_id, p.features FROM pg_temp.pair_features AS p")
    assert {(row["user_id"], row["event_id"]) for row in found} == set(expected)
    for row in found:
        # Of the base features, implicit interests are folded again for a past moment.
        values = list(expected[row["user_id"], row["event_id"]].values())[6:]
        assert row["features"][6:] == pytest.approx(values, abs=1e-9)
    assert desk.value(EXTENDED_ROWS) == 0


# Names and sets


def test_the_columns_of_the_definitions_are_the_names_of_the_sets(desk: Desk) -> None:
    for name, features, definition in (
        ("base", FEATURES, "user_event_features"),
        ("extended", EXTENDED_FEATURES, "extended_user_event_features"),
    ):
        assert tuple(desk.value("SELECT recommender.feature_names($1)", name)) == features
        columns = desk.rows(
            "SELECT a.attname FROM pg_attribute AS a"
            " WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 ORDER BY a.attnum",
            f"recommender.{definition}",
        )
        assert tuple(row[0] for row in columns) == ("user_id", "event_id", *features)
        assert desk.value("SELECT recommender.feature_set($1)", features) == name
        assert desk.value("SELECT recommender.feature_set($1)", features[::-1]) is None
    assert desk.value("SELECT recommender.feature_names()") == list(FEATURES)
    for unknown in ("all", None):
        assert code_of(desk, "SELECT recommender.feature_names($1)", unknown) == "ER003"


def lively_world() -> World:
    world = World()
    clubs = [world.organizer("Club"), world.organizer("Other")]
    for number in range(4):
        world.student(language=["en", "ro"][number % 2])
    for number in range(6):
        world.event(
            clubs[number % 2],
            title=["Rock night", "Rock chess", "Something new"][number % 3],
            category=["Music", "games"][number % 2],
            starts=days(3 + number),
        )
    surround(world, clubs)
    return world


def extended_model(world: World, version: str = "m1", **weights: float) -> None:
    world.model(
        *(weights.get(name, 0) for name in EXTENDED_FEATURES),
        features=EXTENDED_FEATURES,
        version=version,
        is_active=False,
    )
    for row in world.rows["recommender_models"]:
        row["is_active"] = row["model_version"] == version


def test_who_stays_with_the_base_set_has_no_row_of_the_others(desk: Desk) -> None:
    world = lively_world()
    world.model(1, 1)
    desk.write(world)
    assert desk.value(EXTENDED_ROWS) == 0
    desk.execute("SET recommender.recommender_feature_set = 'extended'")
    assert desk.value(EXTENDED_ROWS) > 100
    desk.execute("RESET recommender.recommender_feature_set")
    extended_model(world, "m2")
    desk.write(world)
    assert desk.value(EXTENDED_ROWS) > 100
    desk.execute("SET recommender.recommender_model_version = 'm1'")
    assert desk.value(EXTENDED_ROWS) == 0
    desk.execute("RESET recommender.recommender_model_version")


def test_a_setting_out_of_its_values_is_refused(desk: Desk) -> None:
    desk.execute("SET recommender.recommender_feature_set = 'all'")
    assert code_of(desk, "SELECT recommender.setting('recommender_feature_set')") == "ER002"


def test_numbers_have_views_of_their_own(desk: Desk) -> None:
    world = lively_world()
    extended_model(world)
    desk.write(world)
    features = desk.features()
    numbers = {
        (row["event_id"], row["feature"]): row["value"]
        for row in desk.rows("SELECT * FROM recommender.event_numbers")
    }
    names = {feature for _, feature in numbers}
    assert names == {
        name
        for name in {*FEATURES, *EXTENDED_FEATURES}
        if desk.value("SELECT recommender.feature_kind($1)", name) == "event"
    }
    for (_, event), values in features.items():
        for name in names & set(EXTENDED_FEATURES):
            assert values[name] == numbers.get((event, name), 0)
    own = {
        row["user_id"]: row["value"] for row in desk.rows("SELECT * FROM recommender.user_numbers")
    }
    for (user, _), values in features.items():
        assert values["student_activity"] == own.get(user, 0)
    assert {row["feature"] for row in desk.rows("SELECT * FROM recommender.user_numbers")} == {
        "student_activity"
    }


def test_what_happens_later_is_not_counted(desk: Desk) -> None:
    world = lively_world()
    extended_model(world)
    desk.write(world)
    before = desk.rows(DEFINITION)
    student = next(row["id"] for row in world.rows["users"] if row["role"] == "student")
    later = world.event(1, title="Rock night", category="games", starts=hours(-2))
    for event in (later, 7, 8, 9):
        world.register(student, event, at=timedelta(microseconds=1))  # type: ignore[arg-type]
    desk.write(world)
    after = desk.rows(DEFINITION)
    assert [row for row in after if row["event_id"] != later] == before


def test_a_day_holds_still(desk: Desk) -> None:
    world = lively_world()
    extended_model(world)
    desk.write(world)
    parts = "SELECT a.* FROM recommender.{} AS a ORDER BY 1, 2, 3"
    views = [
        parts.format(name) for name in ("attendance_attributes", "attendance_event_attributes")
    ]
    before = [desk.rows(view) for view in views]
    desk.stand_at((AS_OF + hours(11)).isoformat())
    assert [desk.rows(view) for view in views] == before
    desk.stand_at((AS_OF + hours(13)).isoformat())
    assert desk.rows(views[0]) == before[0]


# Models


def test_a_model_is_of_a_set_or_does_not_score(desk: Desk) -> None:
    store = "SELECT recommender.store_model($1, $2, $3, '{}')"
    world = lively_world()
    world.model(1, version="base")
    desk.write(world)
    count = len(EXTENDED_FEATURES)
    desk.execute(store, "extended", EXTENDED_FEATURES, [1.0] * count)
    assert desk.value("SELECT (recommender.current_model()).model_version") == "extended"
    assert code_of(desk, store, "turned", EXTENDED_FEATURES[::-1], [1.0] * count) == "ER012"
    assert code_of(desk, store, "mixed", FEATURES, [1.0] * count) == "ER013"
    desk.execute("SELECT recommender.activate_model('base')")
    assert desk.value("SELECT (recommender.current_model()).feature_names") == list(FEATURES)


def test_another_set_at_the_same_moment_gets_twins_of_its_own(desk: Desk) -> None:
    world = lively_world()
    world.model(1, 1, version="m0")
    desk.write(world)
    desk.execute(SCORE_ALL)
    assert desk.value("SELECT m.is_extended FROM recommender.snapshot_moment AS m") is False
    desk.execute(
        "SELECT recommender.store_model('m2', $1, $2, '{}')",
        EXTENDED_FEATURES,
        [0.0, *[1.0] * (len(EXTENDED_FEATURES) - 1)],
    )
    desk.execute(SCORE_ALL)
    bulk = desk.rows("SELECT r.* FROM user_recommendations AS r ORDER BY r.user_id, r.rank")
    assert desk.value("SELECT m.is_extended FROM recommender.snapshot_moment AS m") is True
    # Fresh twins, other twins, and the views.
    for prepare in (
        "SELECT recommender.refresh_features()",
        (
            "SELECT recommender.activate_model('m0'); SELECT recommender.refresh_features();"
            " SELECT recommender.activate_model('m2')"
        ),
        "DELETE FROM recommender_snapshot",
    ):
        desk.execute(prepare)
        desk.execute(
            "SELECT recommender.score_user(s.user_id, 50) FROM recommender.source_students AS s"
        )
        single = desk.rows("SELECT r.* FROM user_recommendations AS r ORDER BY r.user_id, r.rank")
        assert [(row["user_id"], row["event_id"], row["reason"]) for row in single] == [
            (row["user_id"], row["event_id"], row["reason"]) for row in bulk
        ]
        assert [row["score"] for row in single] == pytest.approx([row["score"] for row in bulk])


def test_an_event_published_a_moment_ago_has_its_features_at_once(desk: Desk) -> None:
    world = lively_world()
    extended_model(world, series_share=3, organizer_age=1, attended_organizer_age=1)
    desk.write(world)
    desk.execute("SELECT recommender.refresh_features()")
    student = next(row["id"] for row in world.rows["users"] if row["role"] == "student")
    desk.execute(
        "INSERT INTO events (id, title, owner_id, start_time, publish_at)"
        " VALUES (900, 'Rock chess!', 1, $1, $2)",
        AS_OF + days(2),
        AS_OF,
    )
    (logit,) = desk.rows(
        "SELECT sum(x.contribution) FROM recommender.explain($1, 900) AS x", student
    )[0]
    ranked = {
        row["event_id"]: row["score"]
        for row in desk.rows("SELECT * FROM recommender.rank_events($1, 50)", student)
    }
    assert logit > 3
    assert ranked[900] == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-12)


@pytest.mark.parametrize(("features", "jobs"), [(FEATURES, 0), (EXTENDED_FEATURES, 1)])
def test_an_event_that_the_twin_lacks_has_it_rebuilt(
    desk: Desk, features: tuple[str, ...], jobs: int
) -> None:
    world = lively_world()
    world.model(1, 1, features=features)
    desk.write(world)
    desk.execute("SELECT recommender.refresh_features()")
    student = next(row["id"] for row in world.rows["users"] if row["role"] == "student")
    refresh = "SELECT recommender._refresh_student($1, 20)"
    count = "SELECT count(*) FROM background_jobs WHERE job_type = 'refresh_upcoming_events'"
    desk.execute(refresh, student)
    assert desk.value(count) == 0
    desk.execute(
        "INSERT INTO events (id, title, owner_id, start_time, publish_at)"
        " VALUES (900, 'Rock chess!', 1, $1, $2)",
        AS_OF + days(2),
        AS_OF,
    )
    for _ in range(2):
        desk.execute(refresh, student)
    assert desk.value(count) == jobs


def test_previews_and_ranks_follow_the_set(desk: Desk) -> None:
    world = lively_world()
    weights = {"co_attendance": 1, "title_words": 0.5, "student_activity": 2, "organizer_age": -1}
    extended_model(world, "m1", **weights)
    desk.write(world)
    student = next(row["id"] for row in world.rows["users"] if row["role"] == "student")
    ranked = desk.rows("SELECT * FROM recommender.rank_events($1, 50)", student)
    values = [weights.get(name, 0.0) for name in EXTENDED_FEATURES]
    for moment in ("DELETE FROM recommender_snapshot", "SELECT recommender.refresh_features()"):
        desk.execute(moment)
        preview = desk.rows(PREVIEW, values, student)
        assert [(row["event_id"], row["old_rank"]) for row in preview] == [
            (row["event_id"], row["rank"]) for row in ranked
        ]
        assert [row["new_score"] for row in preview] == pytest.approx(
            [row["score"] for row in ranked], abs=1e-12
        )
    for row in ranked:
        details = desk.rows("SELECT * FROM recommender.why_not($1, $2)", student, row["event_id"])
        assert any(f"would rank it {row['rank']}" in str(tuple(detail)) for detail in details)
    assert (
        code_of(desk, "SELECT recommender.preview_weights($1, $2)", [1.0] * 8, student) == "ER051"
    )


def test_a_student_is_shown_with_attendances(desk: Desk) -> None:
    world = lively_world()
    extended_model(world)
    desk.write(world)
    student = next(row["id"] for row in world.rows["users"] if row["role"] == "student")
    rows = desk.rows("SELECT * FROM recommender.student($1)", student)
    mine = [row for row in rows if row["sources"] == ["attendance"]]
    assert {row["feature"] for row in mine} >= {"series_share", "co_attendance", "title_words"}
    assert {row["score"] for row in mine} == {None}


# Reasons


def test_a_click_alone_is_no_visit(desk: Desk) -> None:
    world = lively_world()
    world.rows["registrations"] = []
    student = next(row["id"] for row in world.rows["users"] if row["role"] == "student")
    world.interact(student, "click", 1)  # type: ignore[arg-type]
    extended_model(world, organizer_match=5)
    desk.write(world)
    desk.execute(SCORE_ALL)
    reasons = dict(tuple(row) for row in desk.rows(REASONS, student))
    assert set(reasons.values()) == {"Recommended for you"}


def test_an_interest_that_says_more_speaks(desk: Desk) -> None:
    world = lively_world()
    event = world.event(1, title="Rock night", tags=["rock"], starts=days(3))
    fan = world.student(interests=["rock"])
    world.register(fan, next(
        row["id"] for row in world.rows["events"] if row["title"] == "ROCK chess"  # type: ignore[arg-type]
    ))  # fmt: skip
    for interest, reason in ((9, "Your interests: rock"), (1, "You have been to events of Club")):
        extended_model(
            world, f"m{interest}", overlap_interest_ratio=interest, attended_organizer_age=2
        )
        desk.write(world)
        desk.execute(SCORE_ALL)
        assert dict(tuple(row) for row in desk.rows(REASONS, fan))[event] == reason


def test_without_a_name_the_reference_speaks(desk: Desk) -> None:
    world = lively_world()
    for row in world.rows["users"]:
        row["org_name"] = row["full_name"] = " "
    extended_model(world, attended_organizer_age=2)
    desk.write(world)
    desk.execute(SCORE_ALL)
    reasons = desk.rows("SELECT DISTINCT r.reason FROM user_recommendations AS r ORDER BY 1")
    assert {row[0] for row in reasons} <= {"Recommended for you", "Recomandat pentru tine"}


def test_reasons_are_rendered_in_another_language_by_the_same_rule(desk: Desk) -> None:
    world = lively_world()
    extended_model(world, series_share=3, attended_organizer_age=1, co_attendance=1)
    desk.write(world)
    desk.execute(SCORE_ALL)
    student = next(row["id"] for row in world.rows["users"] if row["role"] == "student")
    listed = desk.rows(
        "SELECT r.event_id, r.reason FROM user_recommendations AS r"
        " WHERE r.user_id = $1 ORDER BY r.rank",
        student,
    )
    for language, is_same in (("en", True), ("ro", False)):
        rendered = desk.value(
            "SELECT recommender._render_reasons(array_agg(r ORDER BY r.rank),"
            " recommender.templates_for($2)) FROM recommender.ranked_events AS r"
            " WHERE r.user_id = $1",
            student,
            language,
        )
        assert (rendered == [row["reason"] for row in listed]) is is_same
    assert any("Club" in reason for reason in rendered)
    # However old the twin is: a request does not wait for all to be counted.
    desk.execute("UPDATE recommender_snapshot SET upcoming_refreshed_at = '2020-01-01'")
    again = desk.value(
        "SELECT recommender._render_reasons(array_agg(r ORDER BY r.rank),"
        " recommender.templates_for('ro')) FROM recommender.ranked_events AS r"
        " WHERE r.user_id = $1",
        student,
    )
    assert again == rendered
