"""GET /api/recommendations: the list, then tags, then what is popular, and only what may be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.site import Site, assert_problem, open_site
from tests.support.worlds import AS_OF, MICROSECOND, NOW, World, days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runner import Run

DAY_SECONDS = 86400
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def site(database_url: str, run: Run) -> Iterator[Site]:
    with open_site(database_url, run) as site:
        yield site


# Where the events come from


def test_a_fresh_list_is_served_in_the_order_of_its_ranks(site: Site) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    one, two, three = (world.event(club, starts=days(number)) for number in (1, 2, 3))
    world.recommend(ana, three, one, two)
    # What others took matters only when nothing is left.
    world.register(world.student(), one)
    site.write(world)
    assert site.recommended(ana) == site.listed(ana, sort="recommended") == [three, one, two]


def test_the_list_a_model_wrote_is_served_as_it_stands(site: Site) -> None:
    world = World()
    club, ana = world.organizer(), world.student(interests=["rock"])
    plain = [world.event(club, starts=days(number)) for number in (1, 2)]
    rock = [world.event(club, tags=["rock"], starts=days(number)) for number in (30, 60)]
    world.model(0, 2, 0, 0, 0, 0, 0, 1)
    site.write(world)
    assert site.value("SELECT recommender.score_user($1)", ana) == 4
    assert site.recommended(ana) == [*reversed(rock), *reversed(plain)]


def test_ten_events_of_a_longer_list_are_served(site: Site) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    events = [world.event(club, starts=days(40 - number)) for number in range(12)]
    world.recommend(ana, *events)
    site.write(world)
    assert site.recommended(ana) == events[:10]


def test_a_short_list_is_filled_by_tags_and_then_by_popularity(site: Site) -> None:
    world = World()
    club, ana = world.organizer(), world.student(interests=["rock"])
    soon = world.event(club, starts=days(1))
    crowded = world.event(club, starts=days(9))
    later = world.event(club, starts=days(2))
    tagged = world.event(club, tags=["rock"], starts=days(20))
    ranked = world.event(club, starts=days(30))
    world.register(world.student(), crowded)
    world.recommend(ana, ranked)
    site.write(world)
    assert site.recommended(ana) == [ranked, tagged, crowded, soon, later]


def test_a_gap_in_the_list_is_filled_from_further_down_before_anything_else(site: Site) -> None:
    world = World()
    club, ana = world.organizer(), world.student(interests=["rock"])
    tagged = world.event(club, tags=["rock"], starts=days(1))
    ranked = [world.event(club, starts=days(60 - number)) for number in range(12)]
    world.recommend(ana, *ranked)
    site.write(world)
    site.execute("UPDATE events SET status = 'draft' WHERE id = ANY ($1)", ranked[:2])
    assert site.recommended(ana) == ranked[2:]
    site.execute("UPDATE events SET status = 'draft' WHERE id = ANY ($1)", ranked[:3])
    assert site.recommended(ana) == [*ranked[3:], tagged]


def test_without_a_list_tags_of_the_profile_come_first_and_popular_events_follow(
    site: Site,
) -> None:
    world = World()
    club, ana = world.organizer(), world.student(interests=["Rock "])
    soon = world.event(club, starts=days(1))
    crowded = world.event(club, tags=["jazz"], starts=days(9))
    tagged = world.event(club, tags=["chess", " rock"], starts=days(20))
    for _ in range(3):
        world.register(world.student(), crowded)
    site.write(world)
    assert site.recommended(ana) == [tagged, crowded, soon]


def test_more_shared_tags_come_first_then_what_starts_first(site: Site) -> None:
    world = World()
    club, ana = world.organizer(), world.student(interests=["rock", "jazz", "folk"])
    one = world.event(club, tags=["rock", "chess", "opera"], starts=days(1))
    late_one = world.event(club, tags=["folk"], starts=days(2))
    two = world.event(club, tags=["jazz", "rock"], starts=days(8))
    # Three rows, but one tag.
    spelled = world.event(club, tags=["folk ", "FOLK", "Folk"], starts=days(3))
    three = world.event(club, tags=["jazz", "folk", "rock"], starts=days(9))
    site.write(world)
    assert site.recommended(ana) == [three, two, one, late_one, spelled]
    assert reasons(site, ana)[:3] == [
        "Like what you follow: folk, jazz, rock",
        "Like what you follow: jazz, rock",
        "Like what you follow: rock",
    ]


@pytest.mark.parametrize("kind", ["registration", "favorite", "click"])
def test_without_a_list_tags_of_the_history_count_like_those_of_the_profile(
    site: Site, kind: str
) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    seen = world.event(club, tags=["jazz"], starts=days(-5))
    if kind == "registration":
        world.register(ana, seen, at=days(-9))
    elif kind == "favorite":
        world.favorite(ana, seen, at=days(-9))
    else:
        world.interact(ana, kind, seen, at=days(-9))
    soon = world.event(club, tags=["rock"], starts=days(1))
    jazz = world.event(club, tags=["jazz"], starts=days(20))
    site.write(world)
    assert site.recommended(ana) == [jazz, soon]


def test_who_has_neither_list_nor_tags_gets_what_is_popular_then_what_starts_first(
    site: Site,
) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    late, two_seats, soon, one_seat = (world.event(club, starts=days(n)) for n in (9, 8, 3, 4))
    same_start = world.event(club, starts=days(3))
    for _ in range(2):
        world.register(world.student(), two_seats)
    world.register(world.student(), one_seat)
    for _ in range(3):
        world.register(world.student(), soon, deleted=days(-1), at=days(-2))
    site.write(world)
    assert site.recommended(ana) == [two_seats, one_seat, soon, same_start, late]


def test_ten_are_served_wherever_they_come_from(site: Site) -> None:
    world = World()
    club, ana = world.organizer(), world.student(interests=["rock"])
    popular = [world.event(club, starts=days(1 + number)) for number in range(9)]
    tagged = [world.event(club, tags=["rock"], starts=days(30 + number)) for number in range(3)]
    ranked = [world.event(club, starts=days(60 + number)) for number in range(2)]
    world.recommend(ana, *ranked)
    site.write(world)
    assert site.recommended(ana) == [*ranked, *tagged, *popular[:5]]


def test_there_is_an_empty_answer_only_when_nothing_is_eligible(site: Site) -> None:
    world = World()
    club, ana = world.organizer(), world.student(interests=["rock"])
    gone = world.event(club, tags=["rock"], starts=-MICROSECOND)
    world.recommend(ana, gone)
    site.write(world)
    assert site.recommendations(ana) == []


def test_a_list_of_somebody_else_says_nothing(site: Site) -> None:
    world = World()
    club, ana, bob = world.organizer(), world.student(), world.student()
    one, two = (world.event(club, starts=days(number)) for number in (1, 2))
    world.recommend(bob, two, one)
    site.write(world)
    assert site.recommended(ana) == [one, two]
    assert site.recommended(bob) == [two, one]


# When the list counts


def listed_world(at: timedelta = NOW) -> tuple[World, int, list[int], list[int]]:
    """A student with a list, its events by rank, and the order there would be without it."""
    world = World()
    club, ana = world.organizer(), world.student(interests=["rock"])
    tagged = world.event(club, tags=["rock"], starts=days(5))
    soon, late = (world.event(club, starts=days(number)) for number in (1, 9))
    world.recommend(ana, late, soon, tagged, at=at)
    return world, ana, [late, soon, tagged], [tagged, soon, late]


def test_a_list_counts_until_its_age_is_beyond_the_maximum(site: Site) -> None:
    world, ana, ranked, _ = listed_world(at=-DAY_SECONDS * SECOND)
    site.write(world)
    assert site.recommended(ana) == ranked
    world, ana, _, unranked = listed_world(at=-(DAY_SECONDS + 1) * SECOND)
    site.write(world)
    assert site.recommended(ana) == unranked


def test_a_list_of_a_later_moment_does_not_count_yet(site: Site) -> None:
    world, ana, _, unranked = listed_world(at=MICROSECOND)
    site.write(world)
    assert site.recommended(ana) == unranked


def test_the_maximum_age_is_a_setting_that_holds_at_once(site: Site) -> None:
    world, ana, ranked, unranked = listed_world(at=-60 * SECOND)
    site.write(world)
    site.set(recommendations_cache_max_age_seconds=59)
    assert site.recommended(ana) == unranked
    site.set(recommendations_cache_max_age_seconds=60)
    assert site.recommended(ana) == ranked


def test_lists_can_be_switched_off(site: Site) -> None:
    world, ana, ranked, unranked = listed_world()
    site.write(world)
    site.set(recommendations_use_ml_cache="false")
    assert site.recommended(ana) == unranked
    site.set(recommendations_use_ml_cache="true")
    assert site.recommended(ana) == ranked


def test_an_empty_list_is_filled_like_none(site: Site) -> None:
    world, ana, _, unranked = listed_world()
    world.rows["user_recommendations"] = []
    world.rows["recommendation_lists"][0]["item_count"] = 0
    site.write(world)
    assert site.recommended(ana) == unranked


def test_a_header_that_was_never_written_counts_as_no_list(site: Site) -> None:
    world, ana, _, unranked = listed_world()
    world.rows["user_recommendations"] = []
    world.rows["recommendation_lists"][0] |= {
        "model_version": None,
        "generated_at": None,
        "item_count": 0,
    }
    site.write(world)
    assert site.recommended(ana) == unranked


# What may be shown

EXCLUSIONS = (
    "has started",
    "is full",
    "is unpublished",
    "is published later",
    "is deleted",
    "is taken by the student",
    "has a hidden tag",
    "is by a blocked organizer",
)


def exclude(site: Site, why: str, student: int, event: int) -> None:
    """Commit what takes an event out of a student's sight."""
    match why:
        case "has started":
            site.execute(
                "UPDATE events SET start_time = $2 WHERE id = $1", event, AS_OF - MICROSECOND
            )
        case "is full":
            site.execute("UPDATE events SET max_seats = 1 WHERE id = $1", event)
            site.execute(
                "INSERT INTO registrations (user_id, event_id, registration_time)"
                " SELECT max(id), $1, $2 FROM users WHERE id <> $3",
                event,
                AS_OF,
                student,
            )
        case "is unpublished":
            site.execute("UPDATE events SET status = 'draft' WHERE id = $1", event)
        case "is published later":
            site.execute(
                "UPDATE events SET publish_at = $2 WHERE id = $1", event, AS_OF + MICROSECOND
            )
        case "is deleted":
            site.execute("UPDATE events SET deleted_at = $2 WHERE id = $1", event, AS_OF)
        case "is taken by the student":
            site.execute(
                "INSERT INTO registrations (user_id, event_id, registration_time)"
                " VALUES ($1, $2, $3)",
                student,
                event,
                AS_OF,
            )
        case "has a hidden tag":
            site.execute(
                "INSERT INTO user_hidden_tags (user_id, tag_id)"
                " SELECT $1, t.id FROM tags AS t WHERE t.name = 'Loud '",
                student,
            )
        case "is by a blocked organizer":
            site.execute(
                "INSERT INTO user_blocked_organizers (user_id, organizer_id)"
                " SELECT $1, e.owner_id FROM events AS e WHERE e.id = $2",
                student,
                event,
            )


@pytest.mark.parametrize("source", ["list", "tags", "popular"])
@pytest.mark.parametrize("why", EXCLUSIONS)
def test_an_event_that_may_no_longer_be_shown_goes_at_once(
    site: Site, why: str, source: str
) -> None:
    world = World()
    ana = world.student(interests=["rock"] if source == "tags" else [])
    shady, club = world.organizer(), world.organizer()
    world.tag("Loud ")
    going = world.event(shady, tags=["rock", "loud"], starts=days(1))
    staying = [world.event(club, starts=days(2 + number)) for number in range(10)]
    world.student()
    if source == "list":
        world.recommend(ana, going, *staying)
    site.write(world)
    assert site.recommended(ana) == [going, *staying[:9]]
    exclude(site, why, ana, going)
    assert site.recommended(ana) == staying


@pytest.mark.parametrize("source", ["list", "tags", "popular"])
def test_a_seat_given_back_brings_the_event_back(site: Site, source: str) -> None:
    world = World()
    club, bob = world.organizer(), world.student()
    ana = world.student(interests=["rock"] if source == "tags" else [])
    event = world.event(club, tags=["rock"], max_seats=1)
    world.register(bob, event)
    if source == "list":
        world.recommend(ana, event)
    site.write(world)
    assert site.recommended(ana) == []
    site.execute("UPDATE registrations SET deleted_at = $1", AS_OF)
    assert site.recommended(ana) == [event]
    assert site.recommendations(ana)[0]["seats_taken"] == 0


def test_who_gives_a_seat_back_may_be_shown_the_event_again(site: Site) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    event = world.event(club)
    world.register(ana, event)
    world.recommend(ana, event)
    site.write(world)
    assert site.recommended(ana) == []
    site.execute("UPDATE registrations SET deleted_at = $1", AS_OF)
    assert site.recommended(ana) == [event]


@pytest.mark.parametrize("source", ["list", "popular"])
def test_the_edges_of_what_may_be_shown(site: Site, source: str) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    starts_now = world.event(club, starts=NOW)
    published_now = world.event(club, starts=days(1), publish=NOW)
    last_seat = world.event(club, starts=days(2), max_seats=1)
    never_announced = world.event(club, starts=days(3), publish=None)
    hidden_from_all = [
        world.event(club, starts=-MICROSECOND),
        world.event(club, publish=MICROSECOND),
        world.event(club, max_seats=0),
        world.event(club, status="Published"),
        world.event(club, status="draft"),
        world.event(club, deleted=NOW),
    ]
    shown = [starts_now, published_now, last_seat, never_announced]
    if source == "list":
        world.recommend(ana, *hidden_from_all, *shown)
    site.write(world)
    assert site.recommended(ana) == shown


def test_a_list_whose_events_are_all_gone_is_replaced_whole(site: Site) -> None:
    world = World()
    club, ana = world.organizer(), world.student(interests=["rock"])
    gone = [world.event(club, starts=days(1 + number)) for number in range(10)]
    tagged = world.event(club, tags=["rock"], starts=days(50))
    plain = world.event(club, starts=days(40))
    world.recommend(ana, *gone)
    site.write(world)
    site.execute("UPDATE events SET status = 'cancelled' WHERE id = ANY ($1)", gone)
    assert site.recommended(ana) == [tagged, plain]


def test_a_list_with_events_that_were_erased_is_served_without_them(site: Site) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    event = world.event(club)
    world.recommend(ana, 4711, event, 4712)
    site.write(world)
    assert site.recommended(ana) == [event]


# Why


def reasons(site: Site, user: int, languages: str | None = None) -> list[str]:
    return [item["recommendation_reason"] for item in site.recommendations(user, languages)]


def reasoned_world(language: str, city: str | None = None) -> tuple[World, int]:
    """A student who gets one event from the list, one by tags and one that is popular."""
    world = World()
    club = world.organizer()
    ana = world.student(language=language, city=city, interests=["rock"])
    jazz = world.event(club, tags=["jazz"], starts=days(-20))
    world.register(ana, jazz, at=days(-25))
    for tags in (["rock"], ["jazz"], []):
        world.event(club, tags=tags, city="Cluj")
    world.model(0, 1)
    return world, ana


def score_one(site: Site, student: int) -> None:
    assert site.value("SELECT recommender.score_user($1, 1)", student) == 1


IN_ENGLISH = ["Your interests: rock", "Like what you follow: jazz", "Popular and coming up"]
IN_ROMANIAN = ["Interesele tale: rock", "Ca ce urmărești: jazz", "Popular, în curând"]


@pytest.mark.parametrize(
    ("preference", "accepted", "language"),
    [
        ("en", None, "en"),
        ("ro", None, "ro"),
        ("ro", "en", "ro"),
        ("en", "ro", "en"),
        ("system", None, "en"),
        ("system", "ro", "ro"),
        ("system", "ro-RO", "ro"),
        ("system", "RO-ro;q=0.9, de", "ro"),
        ("system", "en;q=0.4, ro;q=0.5", "ro"),
        ("system", "en, ro;q=0.5", "en"),
        ("system", "ro;q=0", "en"),
        ("system", "de, fr;q=0.9", "en"),
        ("system", "*", "en"),
        ("system", "", "en"),
        ("system", ";;;q=,,ro;q=abc", "en"),
    ],
)
def test_each_item_says_why_in_the_students_language(
    site: Site, preference: str, accepted: str | None, language: str
) -> None:
    world, ana = reasoned_world(preference)
    site.write(world)
    score_one(site, ana)
    expected = IN_ROMANIAN if language == "ro" else IN_ENGLISH
    assert reasons(site, ana, accepted) == expected
    answer = site.ask("/api/recommendations", ana, languages=accepted)
    assert answer.headers["content-language"] == language


def test_a_list_in_another_language_is_told_again_and_not_rewritten(site: Site) -> None:
    world, ana = reasoned_world("system")
    site.write(world)
    score_one(site, ana)
    for accepted, expected in (("ro", IN_ROMANIAN), ("en", IN_ENGLISH), ("ro", IN_ROMANIAN)):
        assert reasons(site, ana, accepted) == expected
    assert site.value("SELECT reason FROM user_recommendations") == "Your interests: rock"


def test_a_reason_of_the_list_is_served_as_it_was_written(site: Site) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    world.recommend(ana, world.event(club), reason="Because we say so")
    site.write(world)
    assert reasons(site, ana) == ["Because we say so"]


def test_a_list_that_does_not_say_its_language_is_in_the_students(site: Site) -> None:
    world, ana = reasoned_world("ro")
    world.recommend(ana, 2, reason="Pentru că da", language=None)
    site.write(world)
    assert reasons(site, ana)[0] == "Pentru că da"


def test_an_item_of_the_list_without_a_reason_gets_a_general_one(site: Site) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    world.recommend(ana, world.event(club))
    site.write(world)
    site.execute("UPDATE user_recommendations SET reason = NULL")
    assert reasons(site, ana) == ["Recommended for you"]


@pytest.mark.parametrize(("language", "near"), [("en", "Near you"), ("ro", "În apropiere")])
def test_that_an_event_is_near_is_said_once_with_its_city(
    site: Site, language: str, near: str
) -> None:
    world, ana = reasoned_world(language, city=" cluj")
    site.write(world)
    score_one(site, ana)
    expected = IN_ROMANIAN if language == "ro" else IN_ENGLISH
    assert reasons(site, ana) == [f"{reason} · {near}: Cluj" for reason in expected]


@pytest.mark.parametrize("accepted", ["en", "ro"])
def test_a_reason_that_is_only_that_it_is_near_names_the_city_once(
    site: Site, accepted: str
) -> None:
    world = World()
    club, ana = world.organizer(), world.student(city="Cluj", language="system")
    world.event(club, city="Cluj")
    world.model(1)
    site.write(world)
    score_one(site, ana)
    near = {"en": "Near you: Cluj", "ro": "În apropiere: Cluj"}[accepted]
    assert reasons(site, ana, accepted) == [near]


def test_nothing_is_near_in_another_city_or_in_none(site: Site) -> None:
    for city in ("Iași", None):
        world, ana = reasoned_world("en", city=city)
        site.write(world)
        score_one(site, ana)
        assert reasons(site, ana) == IN_ENGLISH


# An event in the answer


def test_an_event_has_all_its_fields(site: Site) -> None:
    world = World()
    club = world.organizer(org_name="The Club", full_name="Ion Pop")
    ana = world.student()
    event = world.event(
        club,
        title="Rock & „Roll” <b>",
        description="Line one\nLine two",
        category=" Music",
        city="Cluj ",
        location="Hall 3",
        cover_url="https://example.org/cover.png",
        tags=["rock", "Jazz"],
        starts=days(1),
        ends=days(1.125),
        max_seats=30,
        publish=days(-2),
    )
    world.register(world.student(), event)
    world.register(world.student(), event, deleted=days(-0.5))
    site.write(world)
    [item] = site.recommendations(ana)
    times = [datetime.fromisoformat(item.pop(n)) for n in ("start_time", "end_time", "publish_at")]
    assert times == [AS_OF + days(1), AS_OF + days(1.125), AS_OF + days(-2)]
    assert all(moment.utcoffset() == timedelta() for moment in times)
    assert item == {
        "id": event,
        "title": "Rock & „Roll” <b>",
        "description": "Line one\nLine two",
        "category": " Music",
        "city": "Cluj ",
        "location": "Hall 3",
        "max_seats": 30,
        "cover_url": "https://example.org/cover.png",
        "owner_id": club,
        "owner_name": "The Club",
        "tags": [
            {"id": world.tag("Jazz"), "name": "Jazz"},
            {"id": world.tag("rock"), "name": "rock"},
        ],
        "seats_taken": 1,
        "recommendation_reason": "Popular and coming up",
        "status": "published",
    }


def test_what_an_event_does_not_have_is_null(site: Site) -> None:
    world = World()
    ana = world.student()
    event = world.event(world.organizer(), publish=None)
    site.write(world)
    [item] = site.recommendations(ana)
    assert datetime.fromisoformat(item.pop("start_time")) == AS_OF + days(10)
    assert item == {
        "id": event,
        "title": "",
        "owner_id": 2,
        "tags": [],
        "seats_taken": 0,
        "recommendation_reason": "Popular and coming up",
        "status": "published",
    } | dict.fromkeys(
        (
            "description",
            "category",
            "end_time",
            "city",
            "location",
            "max_seats",
            "cover_url",
            "owner_name",
            "publish_at",
        )
    )


def test_an_organizer_without_an_organisation_is_named_by_their_own_name(site: Site) -> None:
    world = World()
    ana = world.student()
    world.event(world.organizer(org_name="  ", full_name="Ion Pop"))
    site.write(world)
    assert site.recommendations(ana)[0]["owner_name"] == "Ion Pop"


# Who may ask


def test_who_brings_no_token_is_asked_for_one(site: Site) -> None:
    site.write(World())
    answer = site.ask("/api/recommendations")
    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_of_nobody_is_refused(site: Site) -> None:
    site.write(World())
    answer = site.ask("/api/recommendations", 4711)
    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')


@pytest.mark.parametrize("role", ["admin", "organizer", "organizator"])
def test_recommendations_are_for_students(site: Site, role: str) -> None:
    world = World()
    user = world.student(role=role)
    world.event(world.organizer())
    site.write(world)
    assert role in assert_problem(site.ask("/api/recommendations", user), 403)["detail"]


def test_an_account_that_is_not_active_is_refused_and_let_in_again(site: Site) -> None:
    world = World()
    ana = world.student(is_active=False)
    world.event(world.organizer())
    site.write(world)
    assert_problem(site.ask("/api/recommendations", ana), 403)
    site.execute("UPDATE users SET is_active = true")
    assert len(site.recommended(ana)) == 1
    site.execute("UPDATE users SET role = 'organizer'")
    assert_problem(site.ask("/api/recommendations", ana), 403)


def test_an_account_that_was_erased_is_refused_at_once(site: Site) -> None:
    world = World()
    ana = world.student()
    site.write(world)
    assert site.recommended(ana) == []
    site.execute("DELETE FROM users WHERE id = $1", ana)
    assert_problem(site.ask("/api/recommendations", ana), 401)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_recommendations_can_only_be_read(site: Site, method: str) -> None:
    answer = site.ask("/api/recommendations", 1, method=method)
    assert_problem(answer, 405)
    assert "GET" in answer.headers["allow"].split(", ")


@pytest.mark.parametrize("path", ["/api/recommendations", "/api/events"])
def test_only_the_head_of_an_answer_can_be_asked_for(site: Site, path: str) -> None:
    world = World()
    ana = world.student()
    world.event(world.organizer())
    site.write(world)
    whole, head = site.ask(path, ana), site.ask(path, ana, method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    assert site.recommended(ana) == [1]


def test_answers_are_kept_by_nobody_else(site: Site) -> None:
    world = World()
    ana = world.student()
    site.write(world)
    for user in (ana, None):
        answer = site.ask("/api/recommendations", user)
        assert answer.headers["cache-control"] == "private, no-store"
        assert {part.strip() for part in answer.headers["vary"].split(",")} >= {
            "Authorization",
            "Accept-Language",
        }


def test_parameters_it_does_not_know_change_nothing(site: Site) -> None:
    world, ana, ranked, _ = listed_world()
    site.write(world)
    answer = site.ask("/api/recommendations", ana, limit="1", page="-1", sort="time")
    assert [item["id"] for item in answer.json()] == ranked
