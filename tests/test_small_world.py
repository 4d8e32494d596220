"""The definition on worlds small enough to work out by hand: features, eligibility, reasons."""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from asyncpg import PostgresError

from app.database import connect
from app.schema import migrate
from tests.support.worlds import AS_OF, FEATURES, MICROSECOND, NOW, World, days, hours, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from asyncpg import Connection, Record

    from tests.support.databases import Databases
    from tests.support.runner import Run


class Database:
    """A session at AS_OF, and what the tests ask it."""

    def __init__(self, connection: Connection[Record], run: Run) -> None:
        self.connection = connection
        self.run = run

    def write(self, world: World) -> None:
        self.run(world.write(self.connection))

    def features(self, world: World, student: int, event: int) -> dict[str, float]:
        """Write the world and compute one pair's features."""
        self.write(world)
        row = self.run(
            self.connection.fetchrow(
                "SELECT * FROM recommender.user_event_features"
                " WHERE user_id = $1 AND event_id = $2",
                student,
                event,
            )
        )
        assert row is not None, "there is no such pair"
        assert tuple(row.keys()) == ("user_id", "event_id", *FEATURES)
        return {name: row[name] for name in FEATURES}

    def feature(self, world: World, student: int, event: int, name: str) -> float:
        return self.features(world, student, event)[name]

    def eligible(self, world: World) -> set[int]:
        self.write(world)
        rows = self.run(self.connection.fetch("SELECT event_id FROM recommender.eligible_events"))
        return {row["event_id"] for row in rows}

    def reasons(self, world: World, student: int) -> dict[int, str]:
        """Write the world, give it a model and rank the student's events."""
        if "recommender_models" not in world.rows:
            world.model(1)
        self.write(world)
        rows = self.run(
            self.connection.fetch("SELECT * FROM recommender.rank_events($1, 50)", student)
        )
        return {row["event_id"]: row["reason"] for row in rows}

    def value(self, sql: str, *arguments: object) -> object:
        return self.run(self.connection.fetchval(sql, *arguments))


@pytest.fixture(scope="module")
def database(database_url: str, run: Run) -> Iterator[Database]:
    connection = run(open_session(database_url))
    yield Database(connection, run)
    run(connection.close())


# The eight features


def test_all_eight_features_of_one_pair(database: Database) -> None:
    world = World()
    club = world.organizer()
    ana = world.student(city="Cluj", interests=["rock"])
    seen = world.event(club, tags=["jazz"], category="Music", starts=days(-20))
    world.register(ana, seen)
    world.like_tag(ana, "folk", 5)
    event = world.event(
        club, tags=["rock", "jazz", "folk", "indie"], category="music", city="cluj", starts=days(90)
    )
    for _ in range(2):
        world.register(world.student(), event)

    assert database.features(world, ana, event) == pytest.approx(
        {
            "bias": 1.0,
            "overlap_interest_ratio": (1 + 0.5) / 4,
            "overlap_history_ratio": 1 / 4,
            "same_city": 1.0,
            "category_match": 1.0,
            "organizer_match": 1.0,
            "popularity": math.log(3) / 5,
            "days_until": 0.5,
        },
        abs=1e-12,
    )


def test_a_pair_that_shares_nothing_has_only_what_the_event_has(database: Database) -> None:
    world = World()
    ana = world.student(city="Cluj", interests=["rock"])
    event = world.event(
        world.organizer(), tags=["chess"], category="games", city="Iași", starts=days(18)
    )
    assert database.features(world, ana, event) == pytest.approx(
        dict.fromkeys(FEATURES, 0.0) | {"bias": 1.0, "days_until": 0.1}, abs=1e-12
    )


def test_an_event_without_tags_city_and_category_matches_nobody_by_them(
    database: Database,
) -> None:
    world = World()
    club = world.organizer()
    ana = world.student(interests=["rock"])
    bare = world.event(club)
    world.favorite(ana, world.event(world.organizer(), starts=days(-1)))
    features = database.features(world, ana, bare)
    assert {name: features[name] for name in FEATURES[1:6]} == dict.fromkeys(FEATURES[1:6], 0.0)


def test_an_interest_chosen_and_implicit_counts_once_as_chosen(database: Database) -> None:
    world = World()
    ana = world.student(interests=["rock"])
    world.like_tag(ana, "rock", 4)
    event = world.event(world.organizer(), tags=["rock", "jazz"])
    assert database.feature(world, ana, event, "overlap_interest_ratio") == 0.5


def test_an_implicit_interest_counts_for_its_own_student_only(database: Database) -> None:
    world = World()
    ana, dan = world.student(), world.student()
    world.like_tag(dan, "rock", 10)
    world.like_city(dan, "Cluj", 10)
    world.like_category(dan, "music", 10)
    event = world.event(world.organizer(), tags=["rock"], city="Cluj", category="music")
    features = database.features(world, ana, event)
    assert {name: features[name] for name in FEATURES[1:6]} == dict.fromkeys(FEATURES[1:6], 0.0)


def test_an_implicit_category_weighs_its_share_of_the_cap(database: Database) -> None:
    world = World()
    ana = world.student()
    world.like_category(ana, "Music", 2.5)
    event = world.event(world.organizer(), category="music")
    assert database.feature(world, ana, event, "category_match") == 0.25


def test_a_category_that_was_searched_for_matches(database: Database) -> None:
    world = World()
    ana = world.student()
    world.interact(ana, "filter", meta={"category": " MUSIC "})
    event = world.event(world.organizer(), category="music")
    assert database.feature(world, ana, event, "category_match") == 1


@pytest.mark.parametrize(("seats", "popularity"), [(0, 0.0), (1, math.log(2) / 5), (200, 1.0)])
def test_popularity_grows_with_the_logarithm_of_the_seats_up_to_one(
    seats: int, popularity: float, database: Database
) -> None:
    world = World()
    ana = world.student()
    event = world.event(world.organizer())
    for _ in range(seats):
        world.register(world.student(), event)
    assert database.feature(world, ana, event, "popularity") == pytest.approx(popularity)


def test_popularity_counts_the_registrations_in_force_at_the_moment(database: Database) -> None:
    world = World()
    ana = world.student()
    event = world.event(world.organizer())
    world.register(world.student(), event)
    world.register(world.student(), event, deleted=days(-0.5))
    world.register(world.student(), event, deleted=days(1))
    world.register(world.student(), event, at=MICROSECOND)
    assert database.feature(world, ana, event, "popularity") == pytest.approx(math.log(3) / 5)


@pytest.mark.parametrize(
    ("starts", "days_until"),
    [(days(-5), 0.0), (days(0), 0.0), (days(45), 0.25), (days(180), 1.0), (days(181), 1.0)],
)
def test_days_until_runs_from_zero_to_one_over_180_days(
    starts: timedelta, days_until: float, database: Database
) -> None:
    world = World()
    ana = world.student()
    event = world.event(world.organizer(), starts=starts)
    assert database.feature(world, ana, event, "days_until") == pytest.approx(days_until)


def test_inactive_students_have_features_and_organizers_have_none(database: Database) -> None:
    world = World()
    club = world.organizer()
    asleep = world.student(is_active=False)
    world.event(club)
    database.write(world)
    rows = database.run(
        database.connection.fetch("SELECT user_id FROM recommender.user_event_features")
    )
    assert [row["user_id"] for row in rows] == [asleep]


# What may be shown


def test_an_event_may_be_shown_until_the_moment_it_starts(database: Database) -> None:
    world = World()
    club = world.organizer()
    now = world.event(club, starts=days(0))
    world.event(club, starts=-MICROSECOND)
    assert database.eligible(world) == {now}


def test_an_event_may_be_shown_from_the_moment_it_is_published(database: Database) -> None:
    world = World()
    club = world.organizer()
    now = world.event(club, publish=days(0))
    world.event(club, publish=MICROSECOND)
    assert database.eligible(world) == {now}


def test_an_event_without_a_publication_time_is_there_since_it_was_created(
    database: Database,
) -> None:
    world = World()
    club = world.organizer()
    old = world.event(club, publish=None)
    world.event(club, publish=None, created=MICROSECOND)
    assert database.eligible(world) == {old}


def test_a_full_event_is_not_shown(database: Database) -> None:
    world = World()
    club = world.organizer()
    full = world.event(club, max_seats=1)
    free = world.event(club, max_seats=2)
    world.event(club, max_seats=0)
    endless = world.event(club, max_seats=None)
    for event in (full, free, endless):
        world.register(world.student(), event)
    assert database.eligible(world) == {free, endless}


def test_a_seat_given_back_or_not_yet_taken_is_free(database: Database) -> None:
    world = World()
    club = world.organizer()
    returned, later, kept = (world.event(club, max_seats=1) for _ in range(3))
    world.register(world.student(), returned, deleted=days(-0.5))
    world.register(world.student(), later, at=MICROSECOND)
    world.register(world.student(), kept, deleted=MICROSECOND)
    assert database.eligible(world) == {returned, later}


def test_an_event_deleted_later_than_the_moment_is_live(database: Database) -> None:
    world = World()
    club = world.organizer()
    later = world.event(club, deleted=MICROSECOND)
    world.event(club, deleted=days(0))
    world.event(club, deleted=days(-1))
    assert database.eligible(world) == {later}


@pytest.mark.parametrize("status", ["draft", "Published", " published", ""])
def test_only_the_exact_status_published_is_published(status: str, database: Database) -> None:
    world = World()
    world.event(world.organizer(), status=status)
    assert database.eligible(world) == set()


# History


def history_match(database: Database, world: World, student: int, organizer: int) -> float:
    """Tell by organizer_match whether the organizer's events are in the history."""
    return database.feature(world, student, world.event(organizer), "organizer_match")


@pytest.mark.parametrize("kind", ["click", "view", "dwell", "share", "favorite", "register"])
def test_what_a_student_did_is_history(kind: str, database: Database) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    world.interact(ana, kind, world.event(club, starts=days(-3)))
    assert history_match(database, world, ana, club) == 1


@pytest.mark.parametrize("kind", ["impression", "unregister", "search", "Click", "click "])
def test_what_a_student_only_saw_or_wrote_otherwise_is_not_history(
    kind: str, database: Database
) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    world.interact(ana, kind, world.event(club, starts=days(-3)))
    assert history_match(database, world, ana, club) == 0


def test_registrations_and_favourites_are_history(database: Database) -> None:
    world = World()
    ana = world.student()
    clubs = [world.organizer(), world.organizer()]
    world.register(ana, world.event(clubs[0], starts=days(-3)))
    world.favorite(ana, world.event(clubs[1], starts=days(-3)))
    assert [history_match(database, world, ana, club) for club in clubs] == [1, 1]


@pytest.mark.parametrize("unregistered", [days(-9), days(-1)], ids=["before", "after"])
def test_an_unregister_removes_every_positive_whatever_came_first(
    unregistered: timedelta, database: Database
) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    event = world.event(club, starts=days(-3))
    world.register(ana, event, at=days(-5))
    world.favorite(ana, event, at=days(-5))
    world.interact(ana, "click", event, at=days(-5))
    world.interact(ana, "unregister", event, at=unregistered)
    assert history_match(database, world, ana, club) == 0


def test_an_unregister_removes_only_its_own_event_and_student(database: Database) -> None:
    world = World()
    club, other = world.organizer(), world.organizer()
    ana, dan = world.student(), world.student()
    event = world.event(club, starts=days(-3))
    world.interact(ana, "click", event)
    world.interact(dan, "unregister", event)
    world.interact(ana, "unregister", world.event(other))
    assert history_match(database, world, ana, club) == 1


def test_an_unregister_after_the_moment_has_not_happened(database: Database) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    event = world.event(club, starts=days(-3))
    world.interact(ana, "click", event)
    world.interact(ana, "unregister", event, at=MICROSECOND)
    assert history_match(database, world, ana, club) == 1


def test_what_happens_after_the_moment_is_not_history(database: Database) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    event = world.event(club, starts=days(-3))
    world.register(ana, event, at=MICROSECOND)
    world.favorite(ana, event, at=MICROSECOND)
    world.interact(ana, "click", event, at=MICROSECOND)
    assert history_match(database, world, ana, club) == 0


def test_what_happens_at_the_moment_is_history(database: Database) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    world.interact(ana, "click", world.event(club, starts=days(-3)), at=days(0))
    assert history_match(database, world, ana, club) == 1


def test_a_withdrawn_registration_is_not_history(database: Database) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    world.register(ana, world.event(club, starts=days(-3)), deleted=days(-0.5))
    assert history_match(database, world, ana, club) == 0


def test_a_deleted_event_is_not_history(database: Database) -> None:
    world = World()
    club, other, ana = world.organizer(), world.organizer(), world.student()
    world.interact(ana, "click", world.event(club, deleted=days(-2)))
    world.interact(ana, "click", world.event(other, deleted=days(2)))
    assert history_match(database, world, ana, club) == 0
    assert history_match(database, world, ana, other) == 1


def test_an_anonymous_click_is_nobodys_history(database: Database) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    world.interact(None, "click", world.event(club))
    assert history_match(database, world, ana, club) == 0


def test_drafts_and_past_events_are_history_too(database: Database) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    world.interact(ana, "click", world.event(club, status="draft", starts=days(-300)))
    assert history_match(database, world, ana, club) == 1


# The student's city


def same_city(database: Database, world: World, student: int, city: str) -> float:
    return database.feature(world, student, world.event(world.organizer(), city=city), "same_city")


def test_the_profile_city_comes_before_what_was_searched_and_clicked(database: Database) -> None:
    world = World()
    ana = world.student(city=" Cluj ")
    world.interact(ana, "search", meta={"city": "Iași"})
    world.like_city(ana, "Sibiu", 5)
    assert same_city(database, world, ana, "cluj") == 1
    assert same_city(database, world, ana, "iași") == 0
    assert same_city(database, world, ana, "sibiu") == 0.5


def test_without_a_profile_city_the_last_search_that_names_one_counts(database: Database) -> None:
    world = World()
    ana = world.student(city="  ")
    world.interact(ana, "filter", at=days(-2), meta={"city": "Iași"})
    world.interact(ana, "search", at=days(-5), meta={"city": "Cluj"})
    world.interact(ana, "search", at=days(-1), meta={"category": "music"})
    world.like_city(ana, "Sibiu", 10)
    assert same_city(database, world, ana, "Iași") == 1
    assert same_city(database, world, ana, "Cluj") == 0


def test_of_two_searches_at_the_same_time_the_later_row_counts(database: Database) -> None:
    world = World()
    ana = world.student()
    world.interact(ana, "search", meta={"city": "Cluj"})
    world.interact(ana, "search", meta={"city": "Iași"})
    assert same_city(database, world, ana, "Iași") == 1
    assert same_city(database, world, ana, "Cluj") == 0


@pytest.mark.parametrize(
    "meta",
    [{"city": ["Cluj"]}, {"city": 7}, {"city": None}, {"city": " "}, ["Cluj"], "Cluj", 3, None],
    ids=repr,
)
def test_a_search_whose_city_is_not_a_text_names_none(meta: object, database: Database) -> None:
    world = World()
    ana = world.student()
    world.interact(ana, "search", at=days(-3), meta={"city": "Cluj", "category": "music"})
    world.interact(ana, "search", meta=meta)
    assert same_city(database, world, ana, "Cluj") == 1


def test_a_search_that_carries_an_event_is_no_search(database: Database) -> None:
    world = World()
    ana = world.student()
    world.interact(
        ana, "search", world.event(world.organizer()), meta={"city": "Cluj", "category": "music"}
    )
    event = world.event(world.organizer(), city="Cluj", category="music")
    features = database.features(world, ana, event)
    assert (features["same_city"], features["category_match"]) == (0, 0)


def test_a_search_after_the_moment_names_no_city_yet(database: Database) -> None:
    world = World()
    ana = world.student()
    world.interact(ana, "search", at=MICROSECOND, meta={"city": "Cluj"})
    assert same_city(database, world, ana, "Cluj") == 0


def test_else_the_implicit_city_of_the_highest_decayed_score_is_home(database: Database) -> None:
    world = World()
    ana = world.student()
    world.like_city(ana, "Cluj", 8, seen=hours(-144))
    world.like_city(ana, "Iași", 4)
    assert same_city(database, world, ana, "Iași") == 1
    assert same_city(database, world, ana, "Cluj") == pytest.approx(0.2)


def test_implicit_cities_of_equal_score_are_taken_by_name(database: Database) -> None:
    world = World()
    ana = world.student()
    world.like_city(ana, "Sibiu", 4)
    world.like_city(ana, "Cluj", 4)
    assert same_city(database, world, ana, "Cluj") == 1
    assert same_city(database, world, ana, "Sibiu") == pytest.approx(0.4)


def test_an_implicit_city_without_a_score_is_no_home(database: Database) -> None:
    world = World()
    ana = world.student()
    world.like_city(ana, "Cluj", -3)
    assert same_city(database, world, ana, "Cluj") == 0


# Text


@pytest.mark.parametrize(
    ("given", "normalized"),
    [
        ("  Rock ", "rock"),
        ("\u00a0Rock\u00a0", "rock"),
        ("\tRock\n", "rock"),
        ("\u2003Rock\u3000", "rock"),
        ("İstanbul", "istanbul"),
        ("ȘTIINȚĂ", "știință"),
        ("a  B", "a  b"),
        ("", None),
        (" \u00a0\t", None),
        (None, None),
    ],
    ids=repr,
)
def test_text_is_compared_without_blanks_around_it_and_in_lower_case(
    given: str | None, normalized: str | None, database: Database
) -> None:
    assert database.value("SELECT recommender.normalize_text($1)", given) == normalized


def test_tags_cities_and_categories_match_whatever_their_case_and_blanks(
    database: Database,
) -> None:
    world = World()
    ana = world.student(city="\u00a0İzmir\t", interests=["\tȘAH\u00a0"])
    world.like_category(ana, "Jocuri\n", 10)
    event = world.event(world.organizer(), tags=["Șah"], city="izmir", category="\u2003JOCURI")
    features = database.features(world, ana, event)
    assert [features[name] for name in FEATURES[1:5]] == [1, 0, 1, 1]


def test_an_empty_tag_does_not_exist(database: Database) -> None:
    world = World()
    ana = world.student(interests=["rock", " "])
    event = world.event(world.organizer(), tags=["rock", " ", "\u00a0"])
    assert database.feature(world, ana, event, "overlap_interest_ratio") == 1


def test_two_tags_that_read_the_same_are_one(database: Database) -> None:
    world = World()
    ana = world.student(interests=["rock", "ROCK"])
    event = world.event(world.organizer(), tags=["Rock", " rock", "jazz"])
    assert database.feature(world, ana, event, "overlap_interest_ratio") == 0.5


def test_of_two_implicit_rows_that_read_the_same_the_heavier_counts(database: Database) -> None:
    world = World()
    ana = world.student()
    world.like_tag(ana, "Rock", 3)
    world.like_tag(ana, "rock", 7)
    world.like_category(ana, "Music", 2)
    world.like_category(ana, "music ", 1)
    event = world.event(world.organizer(), tags=["rock"], category="music")
    features = database.features(world, ana, event)
    assert features["overlap_interest_ratio"] == pytest.approx(0.7)
    assert features["category_match"] == pytest.approx(0.2)


def test_single_characters_normalise_as_in_python(database: Database) -> None:
    characters = [chr(code) for code in range(1, 0x1C80) if chr(code) != "İ"]
    rows = database.run(
        database.connection.fetch(
            "SELECT recommender.normalize_text(c) AS text FROM unnest($1::text[])"
            " WITH ORDINALITY AS x (c, n) ORDER BY x.n",
            characters,
        )
    )
    different = [
        (hex(ord(character)), row["text"])
        for character, row in zip(characters, rows, strict=True)
        if row["text"] != (character.strip().lower() or None)
    ]
    assert different == []


def test_text_normalises_to_the_same_under_every_locale(databases: Databases, run: Run) -> None:
    telling = [
        chr(code)
        for code in range(1, 0x110000)
        if chr(code).isspace() or chr(code).swapcase() != chr(code)
    ]

    async def normalized(url: str) -> list[str]:
        connection = await connect(url)
        try:
            await migrate(connection)
            rows = await connection.fetch(
                "SELECT recommender.normalize_text('x ' || c || 'I Ș' || c) AS text"
                " FROM unnest($1::text[]) WITH ORDINALITY AS x (c, n) ORDER BY x.n",
                telling,
            )
            return [row["text"] for row in rows]
        finally:
            await connection.close()

    with ExitStack() as stack:
        urls = [stack.enter_context(databases.empty(locale)) for locale in ("C", "C.UTF-8")]
        texts = [run(normalized(url)) for url in urls]
    assert texts[0] == texts[1]
    assert texts[0][telling.index("É")] == "x éi șé"


# Decay


def implicit_weight(database: Database, score: float | str, *, seen: timedelta = NOW) -> float:
    """Give the weight of an implicit tag as the only tag of an event shows it."""
    world = World()
    ana = world.student()
    world.like_tag(ana, "rock", score, seen=seen)
    event = world.event(world.organizer(), tags=["rock"])
    return database.feature(world, ana, event, "overlap_interest_ratio")


def test_an_implicit_score_halves_every_72_hours(database: Database) -> None:
    assert implicit_weight(database, 8) == pytest.approx(0.8)
    assert implicit_weight(database, 8, seen=hours(-72)) == pytest.approx(0.4)
    assert implicit_weight(database, 8, seen=hours(-36)) == pytest.approx(0.8 * math.sqrt(0.5))


def test_half_life_and_cap_are_settings(database_url: str, run: Run) -> None:
    connection = run(
        open_session(
            database_url,
            recommendations_online_learning_decay_half_life_hours="24",
            recommendations_online_learning_max_score="4",
        )
    )
    try:
        assert implicit_weight(Database(connection, run), 3, seen=hours(-24)) == pytest.approx(
            3 / 2 / 4
        )
    finally:
        run(connection.close())


def test_a_score_seen_in_the_future_does_not_grow(database: Database) -> None:
    assert implicit_weight(database, 6, seen=days(30)) == pytest.approx(0.6)


def test_the_cap_holds_after_decay_and_not_before(database: Database) -> None:
    assert implicit_weight(database, 50) == 1
    assert implicit_weight(database, 15, seen=hours(-72)) == pytest.approx(0.75)
    assert implicit_weight(database, "Infinity") == 1


@pytest.mark.parametrize("score", [-4, 0, "NaN", "-Infinity", 1e-320])
def test_a_score_that_is_nothing_weighs_nothing(score: float | str, database: Database) -> None:
    assert implicit_weight(database, score, seen=hours(-1)) == 0


def test_a_score_last_seen_in_1970_weighs_nothing_and_raises_nothing(database: Database) -> None:
    assert implicit_weight(database, 10, seen=days(-20_500)) == 0


def test_a_score_without_an_age_is_read_without_an_error(database: Database) -> None:
    decayed = "SELECT recommender.decayed_score(8, $1::text::timestamptz, $2::timestamptz, 72, 10)"
    assert database.value(decayed, "-infinity", AS_OF) == 0
    assert database.value(decayed, "infinity", AS_OF) == 8
    assert database.value(decayed, None, AS_OF) == 0


# Reasons


def test_the_reason_names_three_matching_interests_by_weight_then_name(
    database: Database,
) -> None:
    world = World()
    ana = world.student(city="Cluj", interests=["violin"])
    for tag, score in (("oboe", 9), ("harp", 5), ("drum", 5), ("flute", 1)):
        world.like_tag(ana, tag, score)
    world.like_tag(ana, "absent", 10)
    tags = ["flute", "harp", "drum", "oboe", "violin", "strange"]
    four = world.event(world.organizer(), tags=tags, city="Cluj")
    two = world.event(world.organizer(), tags=["Flute ", "HARP"], city="Cluj")
    assert database.reasons(world, ana) == {
        four: "Your interests: violin, oboe, drum",
        two: "Your interests: harp, flute",
    }


def test_an_interest_that_weighs_nothing_is_no_reason(database: Database) -> None:
    world = World()
    ana = world.student()
    world.like_tag(ana, "rock", -1)
    world.like_tag(ana, "jazz", 10, seen=days(-20_500))
    event = world.event(world.organizer(), tags=["rock", "jazz"])
    assert database.reasons(world, ana) == {event: "Recommended for you"}


def test_tags_of_the_history_alone_are_no_reason(database: Database) -> None:
    world = World()
    ana = world.student()
    world.interact(ana, "click", world.event(world.organizer(), tags=["rock"], starts=days(-1)))
    event = world.event(world.organizer(), tags=["rock"])
    assert database.reasons(world, ana) == {event: "Recommended for you"}


def test_without_interests_the_reason_is_that_the_event_is_near(database: Database) -> None:
    world = World()
    ana = world.student(city="Cluj", interests=["rock"])
    world.like_city(ana, "Iași", 5)
    world.like_city(ana, "Sibiu", 4.9)
    events = [world.event(world.organizer(), city=city) for city in ("Cluj", "Iași", "Sibiu", None)]
    assert database.reasons(world, ana) == dict(
        zip(
            events,
            ("Near you", "Near you", "Recommended for you", "Recommended for you"),
            strict=True,
        )
    )


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("en", ("Your interests: rock", "Near you", "Recommended for you")),
        (" EN ", ("Your interests: rock", "Near you", "Recommended for you")),
        ("ro", ("Interesele tale: rock", "În apropiere", "Recomandat pentru tine")),
        ("Ro", ("Interesele tale: rock", "În apropiere", "Recomandat pentru tine")),
        ("de", ("Your interests: rock", "Near you", "Recommended for you")),
        ("system", ("Your interests: rock", "Near you", "Recommended for you")),
        ("", ("Your interests: rock", "Near you", "Recommended for you")),
    ],
)
def test_reasons_speak_the_students_language_or_english(
    language: str, sentences: tuple[str, str, str], database: Database
) -> None:
    world = World()
    ana = world.student(city="Cluj", interests=["rock"], language=language)
    club = world.organizer()
    events = [world.event(club, tags=["rock"]), world.event(club, city="Cluj"), world.event(club)]
    assert database.reasons(world, ana) == dict(zip(events, sentences, strict=True))


def test_a_language_is_added_by_rows(database: Database) -> None:
    world = World()
    ana = world.student(city="Cluj", interests=["rock"], language="de")
    club = world.organizer()
    events = [world.event(club, tags=["rock"]), world.event(club, city="Cluj"), world.event(club)]
    database.run(
        database.connection.execute(
            "INSERT INTO recommendation_reasons (language, kind, template) VALUES"
            " ('de', 'interests', 'Du magst %s'), ('de', 'near_you', 'In der Nähe'),"
            " ('de', 'generic', 'Für dich')"
        )
    )
    try:
        assert list(database.reasons(world, ana).values()) == [
            "Du magst rock",
            "In der Nähe",
            "Für dich",
        ]
        assert len(events) == 3
    finally:
        database.run(
            database.connection.execute("DELETE FROM recommendation_reasons WHERE language = 'de'")
        )


# Ranking


def test_a_registered_event_is_not_recommended_and_a_withdrawn_one_is(
    database: Database,
) -> None:
    world = World()
    ana = world.student()
    club = world.organizer()
    taken, withdrawn, other = (world.event(club) for _ in range(3))
    world.register(ana, taken)
    world.interact(ana, "unregister", taken)
    world.register(ana, withdrawn, deleted=days(-0.5))
    assert database.reasons(world, ana).keys() == {withdrawn, other}


def test_better_events_come_first_and_ties_by_the_smaller_id(database: Database) -> None:
    world = World()
    ana = world.student(city="Cluj")
    club = world.organizer()
    first, second = world.event(club), world.event(club)
    near = world.event(club, city="Cluj")
    far = world.event(club, starts=days(90))
    world.model(-1, 0, 0, 2, 0, 0, 0, -4)
    assert list(database.reasons(world, ana)) == [near, first, second, far]
    row = database.run(
        database.connection.fetchrow("SELECT * FROM recommender.rank_events($1, 1)", ana)
    )
    assert row is not None
    assert row["event_id"] == near
    assert row["score"] == pytest.approx(1 / (1 + math.exp(-(-1 + 2 - 4 * 10 / 180))), abs=1e-12)


def test_logits_a_rounding_error_apart_are_a_tie(database: Database) -> None:
    tags = ["a", "b", "c", "d", "e"]
    assert sum(0.1 * (1 / len(tags)) for _ in tags) > 0.1
    world = World()
    ana = world.student(interests=tags)
    club = world.organizer()
    one_tag = world.event(club, tags=tags[:1], starts=NOW)
    same_in_parts = world.event(club, tags=tags, starts=NOW)
    world.model(0, 0.1)
    assert list(database.reasons(world, ana)) == [one_tag, same_in_parts]


def test_explain_gives_each_feature_its_part_of_the_logit(database: Database) -> None:
    world = World()
    ana = world.student(city="Cluj", interests=["rock"])
    event = world.event(world.organizer(), city="Cluj", tags=["rock", "jazz"], starts=days(90))
    world.model(-1, 2, 3, 0.5, 4, 5, 6, -7)
    database.write(world)
    rows = database.run(
        database.connection.fetch("SELECT * FROM recommender.explain($1, $2)", ana, event)
    )
    assert [tuple(row) for row in rows] == [
        ("bias", 1, -1, -1),
        ("overlap_interest_ratio", 0.5, 2, 1),
        ("overlap_history_ratio", 0, 3, 0),
        ("same_city", 1, 0.5, 0.5),
        ("category_match", 0, 4, 0),
        ("organizer_match", 0, 5, 0),
        ("popularity", 0, 6, 0),
        ("days_until", 0.5, -7, -3.5),
    ]


@pytest.mark.parametrize(
    ("student", "event", "sqlstate"), [(1, 99, "ER021"), (99, 1, "ER020"), (2, 1, "ER020")]
)
def test_explain_names_the_student_or_event_that_is_missing(
    student: int, event: int, sqlstate: str, database: Database
) -> None:
    world = World()
    world.student()
    world.event(world.organizer())
    world.model(1)
    database.write(world)
    with pytest.raises(PostgresError) as caught:
        database.value("SELECT count(*) FROM recommender.explain($1, $2)", student, event)
    assert caught.value.sqlstate == sqlstate
