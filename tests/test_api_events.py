"""GET /api/events: one set of events in two orders, filters, pages and the experiment."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.site import Site, assert_problem, ids, open_site, refused_parameters
from tests.support.worlds import AS_OF, MICROSECOND, NOW, World, days, hours

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.runner import Run

EXPERIMENT = "personalization_ml_sort"


@pytest.fixture(scope="module")
def site(database_url: str, run: Run) -> Iterator[Site]:
    with open_site(database_url, run) as site:
        yield site


# The set


@pytest.mark.parametrize("role", [None, "student", "organizer", "organizator", "admin"])
def test_anybody_sees_what_is_published_and_to_come_in_order_of_time(
    site: Site, role: str | None
) -> None:
    world = World()
    user = world.student(role=role) if role else None
    club = world.organizer()
    late, soon, full, now = (
        world.event(club, starts=days(9)),
        world.event(club, starts=days(1)),
        world.event(club, starts=days(2), max_seats=0),
        world.event(club, starts=NOW, publish=None),
    )
    same_start = world.event(club, starts=days(1), publish=NOW)
    for _ in range(2):
        world.register(world.student(), late)
    if user:
        world.register(user, late)
    world.event(club, starts=-MICROSECOND)
    world.event(club, status="draft")
    world.event(club, status="Published")
    world.event(club, publish=MICROSECOND)
    world.event(club, deleted=NOW)
    site.write(world)
    page = site.page(user)
    assert ids(page["items"]) == [now, soon, same_start, full, late]
    assert (page["total"], page["page"], page["page_size"], page["sort"]) == (5, 1, 20, "time")
    assert [item["seats_taken"] for item in page["items"]] == [0, 0, 0, 0, 3 if user else 2]
    assert [item["recommendation_reason"] for item in page["items"]] == [None] * 5


@pytest.mark.parametrize("include_past", ["true", "1", "True"])
def test_past_events_can_be_included_and_come_first_by_time(site: Site, include_past: str) -> None:
    world = World()
    club = world.organizer()
    coming, gone = world.event(club, starts=days(1)), world.event(club, starts=days(-400))
    world.event(club, starts=days(-1), deleted=days(-2))
    site.write(world)
    assert site.listed(include_past=include_past) == [gone, coming]
    for nothing in ("false", "0", ""):
        assert site.listed(include_past=nothing) == [coming]


def test_an_event_has_the_same_fields_as_in_recommendations(site: Site) -> None:
    world = World()
    ana = world.student()
    event = world.event(
        world.organizer("The Club"),
        title="Rock",
        description="Loud",
        category="Music",
        city="Cluj",
        location="Hall 3",
        cover_url="https://example.org/cover.png",
        tags=["rock"],
        ends=days(11),
        max_seats=2,
    )
    world.recommend(ana, event)
    site.write(world)
    [recommended] = site.recommendations(ana)
    assert recommended["recommendation_reason"] == "Recommended for you"
    assert site.page(ana, sort="recommended")["items"] == [recommended]
    assert site.page(ana)["items"] == [recommended | {"recommendation_reason": None}]
    assert site.page()["items"] == [recommended | {"recommendation_reason": None}]


@pytest.mark.parametrize("sort", ["time", "recommended"])
def test_hidden_tags_and_blocked_organizers_hold_in_both_sorts(site: Site, sort: str) -> None:
    world = World()
    ana, bob = world.student(), world.student()
    shady, club = world.organizer(), world.organizer()
    events = [
        world.event(shady, starts=days(1)),
        world.event(club, tags=["loud", "rock"], starts=days(2)),
        world.event(club, tags=[" LOUD"], starts=days(3)),
        world.event(club, tags=["rock"], starts=days(4)),
    ]
    for student in (ana, bob):
        world.recommend(student, *events)
    world.block(ana, shady)
    world.hide(ana, "loud")
    site.write(world)
    page = site.page(ana, sort=sort)
    assert (ids(page["items"]), page["total"], page["sort"]) == (events[3:], 1, sort)
    page = site.page(bob, sort=sort)
    assert (ids(page["items"]), page["total"]) == (events, 4)
    assert site.listed() == events
    assert site.recommended(ana) == events[3:]


def test_what_is_committed_shows_at_once_in_both_sorts(site: Site) -> None:
    world = World()
    ana, club = world.student(), world.organizer()
    events = [world.event(club, starts=days(1 + number)) for number in range(3)]
    world.recommend(ana, *reversed(events))
    site.write(world)
    assert site.listed(ana, sort="recommended") == [*reversed(events)]
    site.execute("UPDATE events SET status = 'draft' WHERE id = $1", events[2])
    assert site.listed(ana, sort="recommended") == [events[1], events[0]]
    assert site.listed(ana, sort="time") == events[:2]
    site.execute("UPDATE events SET deleted_at = $2 WHERE id = $1", events[0], AS_OF)
    assert site.listed(ana, sort="recommended") == [events[1]]
    assert site.listed() == [events[1]]


# The two orders


def ranked_world() -> tuple[World, int, list[int], list[int]]:
    """A student, the events in recommended order and in order of time."""
    world = World()
    ana, club = world.student(), world.organizer()
    full = world.event(club, starts=days(1), max_seats=0)
    taken = world.event(club, starts=days(2))
    unranked = world.event(club, starts=days(3))
    first = world.event(club, starts=days(9))
    second = world.event(club, starts=days(4))
    late_full = world.event(club, starts=days(20), max_seats=1)
    world.register(world.student(), late_full)
    world.register(ana, taken)
    world.recommend(ana, full, first, taken, second, late_full)
    by_time = [full, taken, unranked, second, first, late_full]
    return world, ana, [first, second, full, taken, unranked, late_full], by_time


def test_recommended_is_by_rank_and_what_cannot_be_taken_follows_by_time(site: Site) -> None:
    world, ana, by_rank, by_time = ranked_world()
    site.write(world)
    recommended, by_start = site.page(ana, sort="recommended"), site.page(ana, sort="time")
    assert (ids(recommended["items"]), recommended["sort"]) == (by_rank, "recommended")
    assert (ids(by_start["items"]), by_start["sort"]) == (by_time, "time")
    assert recommended["total"] == by_start["total"] == len(by_rank) == len(set(by_rank))
    reasons = [item["recommendation_reason"] for item in recommended["items"]]
    assert reasons == ["Recommended for you"] * 2 + [None] * 4


def test_both_endpoints_agree_on_the_order(site: Site) -> None:
    world = World()
    ana, club = world.student(), world.organizer()
    events = [world.event(club, starts=days(1 + number)) for number in range(30)]
    ranked = [events[(number * 7) % 30] for number in range(25)]
    world.recommend(ana, *ranked)
    site.write(world)
    dropped = ranked[1::4]
    site.execute("UPDATE events SET max_seats = 0 WHERE id = ANY ($1)", dropped)
    standing = [event for event in ranked if event not in dropped]
    assert site.recommended(ana) == standing[:10]
    assert site.listed(ana, sort="recommended", page_size=100)[: len(standing)] == standing


def test_pages_of_both_orders_hold_the_same_events_once_each(site: Site) -> None:
    world, ana, by_rank, by_time = ranked_world()
    site.write(world)
    for sort, expected in (("recommended", by_rank), ("time", by_time)):
        for page_size in (1, 2, 4, 6, 100):
            pages = range(1, -(-len(expected) // page_size) + 1)
            found = [
                event
                for page in pages
                for event in site.listed(ana, sort=sort, page=page, page_size=page_size)
            ]
            assert found == expected


@pytest.mark.parametrize(
    "why",
    [
        "nobody",
        "an admin",
        "an organizer",
        "without a list",
        "an old list",
        "an unwritten list",
        "lists are off",
    ],
)
def test_without_a_fresh_list_recommended_is_served_as_time_and_says_so(
    site: Site, why: str
) -> None:
    world, ana, _, by_time = ranked_world()
    user: int | None = ana
    [header] = world.rows["recommendation_lists"]
    match why:
        case "nobody":
            user = None
        case "an admin" | "an organizer":
            role = why.split()[1]
            user = world.student(role=role)
            world.recommend(user, *reversed(by_time))
        case "without a list":
            user = world.student()
        case "an old list":
            header["generated_at"] = AS_OF - days(1) - MICROSECOND
        case "an unwritten list":
            header["generated_at"] = header["model_version"] = None
    site.write(world)
    if why == "lists are off":
        site.set(recommendations_use_ml_cache="no")
    site.set(experiments_personalization_ml_percent=100)
    for sort in ("recommended", None):
        page = site.page(user, sort=sort)
        assert (ids(page["items"]), page["sort"]) == (by_time, "time")
        assert [item["recommendation_reason"] for item in page["items"]] == [None] * 6


def test_a_list_is_fresh_up_to_its_last_second(site: Site) -> None:
    world, ana, by_rank, _ = ranked_world()
    world.rows["recommendation_lists"][0]["generated_at"] = AS_OF - days(1)
    site.write(world)
    page = site.page(ana, sort="recommended")
    assert (ids(page["items"]), page["sort"]) == (by_rank, "recommended")


def test_an_empty_fresh_list_orders_by_time_whatever_it_is_called(site: Site) -> None:
    world = World()
    ana, club = world.student(), world.organizer()
    late, soon = world.event(club, starts=days(9)), world.event(club, starts=days(1))
    world.recommend(ana)
    site.write(world)
    assert site.listed(ana, sort="recommended") == [soon, late]


def test_filters_and_past_events_keep_recommended_order(site: Site) -> None:
    world = World()
    ana, club = world.student(), world.organizer()
    gone = world.event(club, category="music", starts=days(-1))
    unranked = world.event(club, category="music", starts=days(1))
    ranked = [world.event(club, category="music", starts=days(n)) for n in (30, 20, 10)]
    other = world.event(club, category="chess", starts=days(2))
    world.recommend(ana, gone, ranked[0], other, ranked[1], ranked[2])
    site.write(world)
    assert site.listed(ana, sort="recommended", category="music") == [*ranked, unranked]
    page = site.page(ana, sort="recommended", category="music", include_past="true")
    assert (ids(page["items"]), page["total"]) == ([*ranked, gone, unranked], 5)


def test_reasons_come_in_the_language_asked_for(site: Site) -> None:
    world = World()
    ana = world.student(city="Cluj", language="system", interests=["rock"])
    event = world.event(world.organizer(), tags=["rock"], city="Cluj")
    world.model(0, 1)
    site.write(world)
    site.value("SELECT recommender.score_user($1)", ana)
    expected = {
        "en": "Your interests: rock · Near you: Cluj",
        "ro": "Interesele tale: rock · În apropiere: Cluj",
    }
    for language, reason in expected.items():
        answer = site.ask("/api/events", ana, languages=language, sort="recommended")
        assert answer.headers["content-language"] == language
        [item] = answer.json()["items"]
        assert (item["id"], item["recommendation_reason"]) == (event, reason)
        assert site.recommendations(ana, language) == [item]


# The experiment


def sort_of(site: Site, user: int, **parameters: object) -> str:
    return str(site.page(user, **parameters)["sort"])


def bucket(user: int) -> int:
    return int(hashlib.sha256(f"{EXPERIMENT}:{user}".encode()).hexdigest()[:8], 16) % 100


def test_the_experiment_sorts_for_its_percentage_of_students_who_did_not_choose(
    site: Site,
) -> None:
    world = World()
    students = [world.student() for _ in range(12)]
    event = world.event(world.organizer())
    for student in students:
        world.recommend(student, event)
    site.write(world)
    assert [bucket(student) for student in students[:4]] == [56, 88, 3, 77]
    for percent in (None, 0, 3, 4, 57, 88, 89, 100):
        if percent is not None:
            site.set(experiments_personalization_ml_percent=percent)
        for student in students:
            treated = bucket(student) < (percent or 0)
            assert sort_of(site, student) == ("recommended" if treated else "time")
            assert sort_of(site, student, sort="") == ("recommended" if treated else "time")


@pytest.mark.parametrize("percent", [0, 100])
def test_who_chooses_a_sort_gets_it_whatever_the_experiment_says(site: Site, percent: int) -> None:
    world, ana, _, _ = ranked_world()
    site.write(world)
    site.set(experiments_personalization_ml_percent=percent)
    for sort in ("time", "recommended"):
        assert sort_of(site, ana, sort=sort) == sort


def test_nobody_but_a_student_takes_part_in_the_experiment(site: Site) -> None:
    world, _, _, _ = ranked_world()
    admin = world.student(role="admin")
    site.write(world)
    site.set(experiments_personalization_ml_percent=100)
    assert site.page()["sort"] == "time"
    assert sort_of(site, admin) == "time"


def test_a_bucket_is_the_start_of_a_hash(site: Site) -> None:
    for user in (1, 2, 3, 4, 4711, 2**31 - 1):
        found = site.value("SELECT recommender.experiment_bucket($1, $2)", EXPERIMENT, user)
        assert found == bucket(user)


@pytest.mark.golden
def test_buckets_are_those_of_the_golden_set(site: Site, golden_dir: Path) -> None:
    with gzip.open(golden_dir / "experiment_buckets.csv.gz", "rt", encoding="utf-8") as rows:
        expected = {int(row["user_id"]): int(row["bucket"]) for row in csv.DictReader(rows)}
    assert len(expected) == 2000
    found = site.run(
        site.connection.fetch(
            "SELECT i AS user_id, recommender.experiment_bucket($1, i) AS bucket"
            " FROM unnest($2::integer[]) AS i",
            EXPERIMENT,
            list(expected),
        )
    )
    assert {row["user_id"]: row["bucket"] for row in found} == expected


# Filters


@pytest.fixture(scope="module")
def catalogue(site: Site) -> dict[str, int]:
    """A world for reading: seven events by name. The tests that use it follow one another."""
    world = World()
    club = world.organizer()
    event = {
        "gig": world.event(
            club,
            title="Rock night",
            description="Guitars, 100% loud",
            category="Music",
            city="Cluj",
            location="Main Hall, 3rd floor",
            tags=["rock", "live"],
            starts=days(1),
        ),
        "blues": world.event(
            club,
            title="Blues_evening",
            description=None,
            category=" music\u00a0",
            city="CLUJ ",
            location="Cellar",
            tags=["Blues", "live"],
            starts=days(2),
        ),
        "chess": world.event(
            club,
            title="Turneu de ȘAH",
            description="Not a rock concert",
            category="Games",
            city="Iași",
            location="main hall",
            tags=["chess"],
            starts=days(3),
        ),
        "talk": world.event(
            club,
            title="",
            description="",
            category="music theory",
            city="Cluj-Napoca",
            tags=["theory", " ROCK\t"],
            starts=days(4),
        ),
        "bare": world.event(club, title="x' OR '1'='1", starts=days(5)),
        "midnight": world.event(club, title="Midnight", starts=days(10.5)),
        "last": world.event(club, title="Last minute", starts=days(11.5) - MICROSECOND),
    }
    site.write(world)
    return event


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "gig blues chess talk bare midnight last"),
        ({"search": "rock"}, "gig chess"),
        ({"search": "ROCK "}, "gig chess"),
        ({"search": "rock night"}, "gig"),
        ({"search": "night guitars"}, ""),
        ({"search": "șah"}, "chess"),
        ({"search": "ȘAH"}, "chess"),
        ({"search": "%"}, "gig"),
        ({"search": "100%"}, "gig"),
        ({"search": "_"}, "blues"),
        ({"search": "\\"}, ""),
        ({"search": "'"}, "bare"),
        ({"search": "x' OR '1'='1"}, "bare"),
        ({"search": ""}, "gig blues chess talk bare midnight last"),
        ({"search": " \t"}, "gig blues chess talk bare midnight last"),
        ({"search": "\u00a0"}, "gig blues chess talk bare midnight last"),
        ({"category": "music"}, "gig blues"),
        ({"category": "\u00a0MUSIC "}, "gig blues"),
        ({"category": "mus"}, ""),
        ({"category": "mus%"}, ""),
        ({"category": ""}, "gig blues chess talk bare midnight last"),
        ({"city": "cluj"}, "gig blues"),
        ({"city": "IAȘI"}, "chess"),
        ({"city": "cluj-napoca"}, "talk"),
        ({"city": "nowhere"}, ""),
        ({"location": "hall"}, "gig chess"),
        ({"location": "MAIN hall"}, "gig chess"),
        ({"location": "3RD"}, "gig"),
        ({"location": "%"}, ""),
        ({"tags": "rock"}, "gig talk"),
        ({"tags": "ROCK"}, "gig talk"),
        ({"tags": ["blues", "chess"]}, "blues chess"),
        ({"tags": ["live", "live", "rock"]}, "gig blues talk"),
        ({"tags": ["unknown"]}, ""),
        ({"tags": ["unknown", "chess"]}, "chess"),
        ({"tags": ["", "chess"]}, "chess"),
        ({"tags": ""}, "gig blues chess talk bare midnight last"),
        ({"tags": "chess,blues"}, ""),
        ({"tags_csv": "chess,blues"}, "blues chess"),
        ({"tags_csv": " chess , Blues ,, "}, "blues chess"),
        ({"tags_csv": ","}, "gig blues chess talk bare midnight last"),
        ({"tags_csv": "chess", "tags": ["blues"]}, "blues chess"),
        ({"search": "rock", "category": "music"}, "gig"),
        ({"category": "music", "tags": "live", "city": "cluj", "location": "cellar"}, "blues"),
        ({"category": "games", "city": "cluj"}, ""),
        ({"start_date": "2026-03-11"}, "midnight last"),
        ({"start_date": "2026-03-12"}, "midnight last"),
        ({"start_date": "2026-03-13"}, ""),
        ({"end_date": "2026-03-11"}, "gig blues chess talk bare"),
        ({"end_date": "2026-03-12"}, "gig blues chess talk bare midnight last"),
        ({"start_date": "2026-03-12", "end_date": "2026-03-12"}, "midnight last"),
        ({"start_date": "2026-03-03", "end_date": "2026-03-04"}, "blues chess"),
        ({"end_date": "2026-02-28"}, ""),
        ({"start_date": "0001-01-01", "end_date": "9999-12-31", "tags": "live"}, "gig blues"),
        ({"start_date": "", "end_date": " "}, "gig blues chess talk bare midnight last"),
        ({"unknown": "1", "sort_by": "x"}, "gig blues chess talk bare midnight last"),
    ],
)  # fmt: skip
def test_filters(
    site: Site, catalogue: dict[str, int], parameters: dict[str, Any], expected: str
) -> None:
    page = site.page(**parameters)
    names = {event: name for name, event in catalogue.items()}
    assert [names[event] for event in ids(page["items"])] == expected.split()
    assert page["total"] == len(expected.split())


def test_a_day_is_a_day_of_utc_whatever_the_session_thinks(site: Site) -> None:
    world = World()
    club = world.organizer()
    events = [world.event(club, starts=hours(number)) for number in (11, 12, 35, 36)]
    site.write(world)
    day = "2026-03-02"
    assert site.listed(start_date=day, end_date=day) == events[1:3]
    site.execute("SET timezone = 'Asia/Tokyo'")
    try:
        body = site.value(
            "SELECT body FROM recommender.get_events(NULL, '{}', NULL, NULL, NULL, NULL, NULL,"
            " '2026-03-02', '2026-03-02', false, NULL, 1, 20)"
        )
    finally:
        site.execute("SET timezone = 'UTC'")
    assert json.loads(body) == site.page(start_date=day, end_date=day)


def test_days_reach_into_the_past_only_with_past_events(site: Site) -> None:
    world = World()
    club = world.organizer()
    earlier_today, later_today = world.event(club, starts=hours(-1)), world.event(club, starts=NOW)
    world.event(club, starts=days(-1))
    site.write(world)
    day = "2026-03-01"
    assert site.listed(start_date=day, end_date=day) == [later_today]
    both = site.listed(start_date=day, end_date=day, include_past="true")
    assert both == [earlier_today, later_today]


# Pages


def test_a_page_beyond_the_end_is_empty_and_knows_the_total(site: Site) -> None:
    world = World()
    club = world.organizer()
    events = [world.event(club, starts=days(1 + number)) for number in range(5)]
    site.write(world)
    page = site.page(page=3, page_size=2)
    assert (ids(page["items"]), page["total"], page["page"], page["page_size"]) == (
        events[4:],
        5,
        3,
        2,
    )
    for number in (4, 1_000_000_000):
        page = site.page(page=number, page_size=100)
        assert (page["items"], page["total"], page["page"]) == ([], 5, number)


def test_a_page_has_twenty_events_unless_asked_for_another_number(site: Site) -> None:
    world = World()
    club = world.organizer()
    events = [world.event(club, starts=days(1 + number)) for number in range(120)]
    site.write(world)
    assert site.listed() == events[:20]
    assert site.listed(page=2) == events[20:40]
    assert site.listed(page_size="") == events[:20]
    assert site.listed(page_size=100) == events[:100]
    assert site.listed(page=2, page_size=100) == events[100:]
    assert site.page(page_size=1)["total"] == 120


def test_no_event_is_an_empty_page(site: Site) -> None:
    site.write(World())
    assert site.page() == {"items": [], "total": 0, "page": 1, "page_size": 20, "sort": "time"}


# What is refused


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"page": "0"}, {"page"}),
        ({"page": "-1"}, {"page"}),
        ({"page": "1000000000000"}, {"page"}),
        ({"page": "1.5"}, {"page"}),
        ({"page": "one"}, {"page"}),
        ({"page": "1_0"}, {"page"}),
        ({"page": "٣"}, {"page"}),
        ({"page_size": "0"}, {"page_size"}),
        ({"page_size": "101"}, {"page_size"}),
        ({"page_size": "1e2"}, {"page_size"}),
        ({"sort": "score"}, {"sort"}),
        ({"sort": "TIME; --"}, {"sort"}),
        ({"include_past": "maybe"}, {"include_past"}),
        ({"include_past": "2"}, {"include_past"}),
        ({"start_date": "yesterday"}, {"start_date"}),
        ({"start_date": "2026-02-29"}, {"start_date"}),
        ({"start_date": "20260301"}, {"start_date"}),
        ({"start_date": "2026-3-1"}, {"start_date"}),
        ({"start_date": "2026-03-01T00:00:00Z"}, {"start_date"}),
        ({"start_date": "infinity"}, {"start_date"}),
        ({"start_date": "0000-01-01"}, {"start_date"}),
        ({"end_date": "10000-01-01"}, {"end_date"}),
        ({"start_date": "2026-03-02", "end_date": "2026-03-01"}, {"start_date", "end_date"}),
        ({"search": "x" * 201}, {"search"}),
        ({"category": "x" * 201}, {"category"}),
        ({"city": "x" * 201}, {"city"}),
        ({"location": "x" * 201}, {"location"}),
        ({"tags": "x" * 101}, {"tags"}),
        ({"tags_csv": "a," + "x" * 101}, {"tags_csv"}),
        ({"tags": [f"tag {number}" for number in range(51)]}, {"tags"}),
        ({"tags_csv": ",".join(f"tag {number}" for number in range(51))}, {"tags_csv"}),
        ({"page": ["1", "2"]}, {"page"}),
        ({"search": ["rock", "jazz"]}, {"search"}),
        ({"tags_csv": ["rock", "jazz"]}, {"tags_csv"}),
        ({"search": "a\0b"}, {"search"}),
        ({"tags": ["rock", "a\0b"]}, {"tags"}),
        ({"page": "0", "page_size": "0", "sort": "x", "end_date": "x", "city": "\0"},
         {"page", "page_size", "sort", "end_date", "city"}),
    ],
)  # fmt: skip
def test_each_bad_parameter_is_named(
    site: Site, parameters: dict[str, Any], named: set[str]
) -> None:
    assert refused_parameters(site.ask("/api/events", **parameters)) == named


@pytest.mark.parametrize(
    "parameters",
    [
        {"search": "x" * 200, "category": "ș" * 200, "city": "x" * 200, "location": "x" * 200},
        {"tags": [f"{number:0100}" for number in range(50)]},
        {"tags_csv": ",".join(f"{number:0100}" for number in range(50))},
        {"page": "1000000000", "page_size": "100"},
        {"page": "0000000001"},
    ],
)
def test_the_longest_that_is_allowed_is_answered(site: Site, parameters: dict[str, Any]) -> None:
    site.page(**parameters)


def test_a_bad_parameter_is_named_before_anybody_is_asked_who_they_are(site: Site) -> None:
    site.write(World())
    assert refused_parameters(site.ask("/api/events", 4711, page="0")) == {"page"}


def test_a_token_of_nobody_is_refused_though_none_is_needed(site: Site) -> None:
    site.write(World())
    answer = site.ask("/api/events", 4711)
    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')


@pytest.mark.parametrize("role", ["student", "organizer", "admin"])
def test_an_account_that_is_not_active_is_refused(site: Site, role: str) -> None:
    world = World()
    user = world.student(role=role, is_active=False)
    site.write(world)
    assert_problem(site.ask("/api/events", user), 403)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_events_can_only_be_read(site: Site, method: str) -> None:
    answer = site.ask("/api/events", method=method)
    assert_problem(answer, 405)
    assert "GET" in answer.headers["allow"].split(", ")


def test_answers_are_kept_by_nobody_else(site: Site) -> None:
    site.write(World())
    for parameters in ({}, {"page": "0"}):
        answer = site.ask("/api/events", **parameters)  # type: ignore[arg-type]
        assert answer.headers["cache-control"] == "private, no-store"
        assert {part.strip() for part in answer.headers["vary"].split(",")} >= {
            "Authorization",
            "Accept-Language",
        }
