"""/api/demo/: what the demo's site asks beyond the API, over the app's own tables."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.database import connect
from app.schema import SQL_DIR
from tests.support.api_server import serve
from tests.support.locks import until_waiting
from tests.support.roles_matrix import MATRIX
from tests.support.site import Json, Site, assert_problem, ids, open_site
from tests.support.worlds import (
    AS_OF,
    EXTENDED_FEATURES,
    FEATURES,
    LAST_MONTH,
    NOW,
    YESTERDAY,
    World,
    days,
)
from tests.test_api_personalization import HIDDEN_TAGS, IMPOSSIBLE_IDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

DEMO = "/api/demo"
FAR = days(3650)
"""A day that is to come for the frozen clock and for the real one."""

READS = ("list", "events/1", "events/1/explanation", "facets", "interests", "tags", "students")
WRITES = ("events/1/registration", "events/1/favorite", "interests/1")
ROUTES = [
    *(("GET", path) for path in READS),
    *((method, path) for path in WRITES for method in ("POST", "DELETE")),
]
FOR_STUDENTS = [
    (method, path)
    for method, path in ROUTES
    if method != "GET" or path in {"list", "events/1/explanation", "interests"}
]


@pytest.fixture(scope="module")
def site(database_url: str, run: Run) -> Iterator[Site]:
    with open_site(database_url, run, DEMO_MODE="true") as site:
        yield site


def get(site: Site, path: str, user: int | None = None, search: str | None = None) -> Json:
    answer = site.ask(f"{DEMO}/{path}", user, search=search)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return dict(answer.json())


def register(site: Site, event: int, user: int) -> httpx.Response:
    return site.ask(f"{DEMO}/events/{event}/registration", user, method="POST")


def unregister(site: Site, event: int, user: int) -> httpx.Response:
    return site.ask(f"{DEMO}/events/{event}/registration", user, method="DELETE")


def registrations(site: Site) -> list[tuple[Any, ...]]:
    """What the table holds: who, where, since when, until when."""
    return [
        tuple(row)
        for row in site.run(
            site.connection.fetch(
                "SELECT user_id, event_id, registration_time, deleted_at FROM registrations"
                " ORDER BY id"
            )
        )
    ]


# An event's page


def test_an_event_is_the_one_of_the_list_and_how_it_stands(site: Site) -> None:
    world = World()
    ana, club = world.student(), world.organizer("The Club")
    event = world.event(
        club, title="Chess", description="All night", tags=["chess", "night"], category="Games",
        city="Cluj", location="Hall 2", max_seats=30, cover_url="/a.png", ends=days(11),
    )  # fmt: skip
    world.register(world.student(), event)
    site.write(world)
    more = {"registered", "favorite", "can_register", "state"}
    for user in (None, ana):
        found = get(site, f"events/{event}", user)
        (listed,) = site.page(user)["items"]
        assert {name: found[name] for name in listed} == listed
        assert found.keys() - listed.keys() == more
        assert {name: found[name] for name in more} == {
            "registered": False,
            "favorite": False,
            "can_register": user == ana,
            "state": "open",
        }


def test_each_state_has_its_name(site: Site) -> None:
    world = World()
    ana, club, other = world.student(), world.organizer(), world.organizer()
    world.hide(ana, "loud")
    world.block(ana, other)
    expected = {
        world.event(club): ("open", True),
        world.event(club, starts=NOW): ("open", True),
        world.event(club, starts=YESTERDAY): ("over", False),
        world.event(club, max_seats=0): ("full", False),
        world.event(club, status="cancelled"): ("cancelled", False),
        world.event(club, deleted=YESTERDAY, tags=["a"], title="Gone"): ("cancelled", False),
        world.event(club, deleted=days(1)): ("open", True),
        world.event(club, tags=[" LOUD"]): ("hidden", True),
        world.event(other): ("hidden", True),
    }
    taken = world.event(club, max_seats=1)
    world.register(ana, taken)
    expected[taken] = ("registered", False)
    site.write(world)
    for event, state in expected.items():
        found = get(site, f"events/{event}", ana)
        assert (found["state"], found["can_register"]) == state
        assert found["id"] == event
        assert found["registered"] == (event == taken)
    gone = get(site, "events/6", ana)
    assert (gone["title"], [tag["name"] for tag in gone["tags"]]) == ("Gone", ["a"])
    assert gone.keys() == get(site, "events/1", ana).keys()


def test_an_event_that_nobody_may_see_is_not_found(site: Site) -> None:
    world = World()
    ana, club = world.student(), world.organizer()
    world.event(club, status="draft")
    world.event(club, publish=days(1))
    world.event(club, publish=None, created=days(1))
    world.event(club, status="draft", deleted=YESTERDAY)
    site.write(world)
    for event in (1, 2, 3, 4, 4711):
        for user in (None, ana, club):
            problem = assert_problem(site.ask(f"{DEMO}/events/{event}", user), 404)
            assert problem["detail"] == "there is no event with this id"
        assert_problem(register(site, event, ana), 404)
        assert_problem(unregister(site, event, ana), 404)
        for method in ("POST", "DELETE"):
            answer = site.ask(f"{DEMO}/events/{event}/favorite", ana, method=method)
            assert_problem(answer, 404)
        assert_problem(site.ask(f"{DEMO}/events/{event}/explanation", ana), 404)
    assert registrations(site) == []


def test_the_reason_is_that_of_the_list(site: Site) -> None:
    world = World()
    ana, bob, club = world.student(city="Cluj"), world.student(), world.organizer()
    event, other = world.event(club, city=" CLUJ "), world.event(club)
    world.model()
    world.recommend(ana, event, reason="You like it")
    world.recommend(bob, event, at=days(-30))
    site.write(world)
    (item,) = (item for item in site.recommendations(ana) if item["id"] == event)
    assert item["recommendation_reason"] == "You like it · Near you: CLUJ"
    for path, name in ((f"events/{event}", "recommendation_reason"),
                       (f"events/{event}/explanation", "reason")):  # fmt: skip
        assert get(site, path, ana)[name] == item["recommendation_reason"]
        # His list is too old to be shown.
        assert get(site, path, bob)[name] is None
    assert get(site, f"events/{other}", ana)["recommendation_reason"] is None


def test_whoever_is_no_student_sees_an_event_and_cannot_register(site: Site) -> None:
    world = World()
    club, eve = world.organizer(), world.student(is_active=False)
    event = world.event(club)
    site.write(world)
    found = get(site, f"events/{event}", club)
    assert (found["state"], found["can_register"]) == ("open", False)
    for path in (f"events/{event}", "facets"):
        assert_problem(site.ask(f"{DEMO}/{path}", eve), 403)
        assert_problem(site.ask(f"{DEMO}/{path}", 4711), 401)


# Registrations


def test_a_registration_takes_a_seat_and_the_event_leaves_the_list_at_once(site: Site) -> None:
    world = World()
    ana, bob, club = world.student(), world.student(), world.organizer()
    events = [world.event(club, max_seats=5) for _ in range(3)]
    world.recommend(ana, *events)
    world.recommend(bob, *events)
    world.register(bob, events[1])
    site.write(world)
    assert site.recommended(ana) == events
    for is_new in (True, False):
        answer = register(site, events[1], ana)
        assert answer.status_code == 201
        assert answer.json() == {"registered": True, "seats_taken": 2, "is_new": is_new}
        assert site.recommended(ana) == [events[0], events[2]]
        found = get(site, f"events/{events[1]}", ana)
        assert (found["state"], found["registered"], found["seats_taken"]) == (
            "registered", True, 2,
        )  # fmt: skip
        assert registrations(site)[1:] == [(ana, events[1], AS_OF, None)]
    for _ in range(2):
        answer = unregister(site, events[1], ana)
        assert (answer.status_code, answer.content) == (204, b"")
        assert site.recommended(ana) == events
        assert get(site, f"events/{events[1]}", ana)["seats_taken"] == 1
        assert registrations(site)[1:] == [(ana, events[1], AS_OF, AS_OF)]
    assert get(site, f"events/{events[1]}", bob)["registered"] is True


def test_a_registration_that_was_withdrawn_comes_back_as_the_same_row(site: Site) -> None:
    world = World()
    ana, club = world.student(), world.organizer()
    event = world.event(club, max_seats=1)
    world.register(ana, event, at=days(-9), deleted=days(-8))
    world.register(ana, event, at=days(-7), deleted=days(-6))
    site.write(world)
    assert get(site, f"events/{event}", ana)["state"] == "open"
    assert register(site, event, ana).json()["is_new"] is True
    assert registrations(site) == [
        (ana, event, AS_OF - days(9), AS_OF - days(8)),
        (ana, event, AS_OF, None),
    ]


def test_what_is_full_cancelled_or_has_started_is_a_conflict_that_says_so(site: Site) -> None:
    world = World()
    ana, bob, club = world.student(), world.student(), world.organizer()
    full = world.event(club, max_seats=1)
    world.register(bob, full)
    expected = {
        full: "this event is full: all its seats are taken",
        world.event(club, starts=YESTERDAY): "this event has already started",
        world.event(club, status="cancelled"): "this event is cancelled",
        world.event(club, deleted=YESTERDAY): "this event is cancelled",
    }
    site.write(world)
    for event, detail in expected.items():
        assert assert_problem(register(site, event, ana), 409)["detail"] == detail
        # There is nothing to give back, and that is no conflict.
        assert unregister(site, event, ana).status_code == 204
    # Who has a seat keeps it.
    kept = register(site, full, bob).json()
    assert kept == {"registered": True, "seats_taken": 1, "is_new": False}
    assert len(registrations(site)) == 1


def test_a_seat_can_be_given_back_until_the_event_starts(site: Site) -> None:
    world = World()
    ana, club = world.student(), world.organizer()
    over = world.event(club, starts=YESTERDAY)
    others = [
        world.event(club, status="cancelled"),
        world.event(club, deleted=YESTERDAY),
        world.event(club, status="draft"),
    ]
    for event in (over, *others):
        world.register(ana, event, at=LAST_MONTH)
    site.write(world)
    problem = assert_problem(unregister(site, over, ana), 409)
    assert problem["detail"] == "this event has already started"
    for event in others:
        assert unregister(site, event, ana).status_code == 204
    assert [row[3] for row in registrations(site)] == [None, AS_OF, AS_OF, AS_OF]


def test_a_hidden_event_can_be_had_all_the_same(site: Site) -> None:
    world = World()
    ana, club = world.student(), world.organizer()
    event = world.event(club, tags=["loud"])
    site.write(world)
    assert site.ask(f"{HIDDEN_TAGS}/1", ana, method="POST").status_code == 201
    assert get(site, f"events/{event}", ana)["state"] == "hidden"
    assert register(site, event, ana).status_code == 201
    assert get(site, f"events/{event}", ana)["state"] == "registered"


def test_what_happened_later_than_the_moment_is_not_seen_and_not_doubled(site: Site) -> None:
    """The site may stand at a past moment: as_of is an input."""
    world = World()
    ana, bob, club = world.student(), world.student(), world.organizer()
    event, cancelled_later = world.event(club, max_seats=1), world.event(club, deleted=days(2))
    world.register(ana, event, at=days(1))
    world.register(bob, event, at=days(2))
    world.favorite(ana, event, at=days(1))
    world.register(ana, cancelled_later, at=YESTERDAY, deleted=days(1))
    site.write(world)
    found = get(site, f"events/{event}", ana)
    assert (found["state"], found["favorite"], found["seats_taken"]) == ("open", False, 0)
    assert get(site, f"events/{cancelled_later}", ana)["state"] == "registered"
    assert get(site, "students", search="1")["items"][0]["registrations"] == 1

    assert register(site, event, ana).json()["is_new"] is True
    answer = site.ask(f"{DEMO}/events/{event}/favorite", ana, method="POST")
    assert answer.status_code == 201
    assert registrations(site)[0] == (ana, event, AS_OF, None)
    assert [row[:2] for row in registrations(site)].count((ana, event)) == 1
    assert site.value("SELECT array_agg(created_at) FROM favorite_events") == [AS_OF]
    assert get(site, f"events/{event}", ana)["favorite"] is True
    assert_problem(register(site, event, bob), 409)


REGISTER = "SELECT status, body FROM recommender.set_demo_registration($1, $2, true)"


@asynccontextmanager
async def two_at_now(url: str) -> AsyncIterator[tuple[Connection[Record], Connection[Record]]]:
    """Give two sessions at the real clock, and end them whatever they are at."""
    first = await connect(url, **{"recommender.as_of": ""})
    second = await connect(url, **{"recommender.as_of": ""})
    try:
        yield first, second
    finally:
        first.terminate()
        second.terminate()


def one_seat() -> tuple[World, int, int]:
    world = World()
    ana, bob = world.student(), world.student()
    world.event(world.organizer(), max_seats=1, starts=FAR)
    return world, ana, bob


@pytest.mark.parametrize(("end", "statuses"), [("COMMIT", (201, 409)), ("ROLLBACK", (201, 201))])
def test_the_last_seat_is_given_once(
    site: Site, run: Run, end: str, statuses: tuple[int, int]
) -> None:
    """Who comes second waits, and then sees who took it, though the other began later."""
    world, ana, bob = one_seat()
    site.write(world)

    async def race() -> tuple[int, int]:
        async with two_at_now(site.database_url) as (first, second):
            await second.execute("BEGIN")
            await second.fetchval("SELECT now()")
            await first.execute("BEGIN")
            taken = await first.fetchval(REGISTER, ana, 1)
            waiting = asyncio.ensure_future(second.fetchval(REGISTER, bob, 1))
            await until_waiting(first, second, waiting)
            assert not waiting.done(), waiting.result()
            await first.execute(end)
            refused = await waiting
            await second.execute("COMMIT")
            return int(taken), int(refused)

    assert run(race()) == statuses
    assert len(registrations(site)) == 1


def test_a_seat_taken_since_a_transaction_began_counts(site: Site, run: Run) -> None:
    world, ana, bob = one_seat()
    site.write(world)

    async def answers() -> list[int]:
        async with two_at_now(site.database_url) as (late, early):
            await early.execute("BEGIN")
            await early.fetchval("SELECT now()")
            answers = [
                await late.fetchval(REGISTER, ana, 1),
                await early.fetchval(REGISTER, bob, 1),
                await early.fetchval(
                    "SELECT status FROM recommender.set_demo_registration($1, 1, false)", ana
                ),
                await early.fetchval(REGISTER, bob, 1),
            ]
            await early.execute("COMMIT")
            return answers

    assert run(answers()) == [201, 409, 204, 201]


def test_a_rush_gives_each_seat_once(site: Site) -> None:
    world = World()
    students = [world.student() for _ in range(24)]
    event = world.event(world.organizer(), max_seats=7)
    site.write(world)
    with ThreadPoolExecutor(12) as pool:
        # Each asks twice.
        answers = [*pool.map(lambda user: register(site, event, user), students * 2)]
    winners = {row[0] for row in registrations(site)}
    assert len(winners) == len(registrations(site)) == 7
    for user, answer in zip(students * 2, answers, strict=True):
        assert answer.status_code == (201 if user in winners else 409)
    assert get(site, f"events/{event}")["state"] == "full"


def test_an_event_deleted_meanwhile_is_not_found(site: Site, run: Run) -> None:
    world, ana, _ = one_seat()
    site.write(world)
    deletion = site.connection.transaction()
    run(deletion.start())
    site.execute("DELETE FROM events WHERE id = 1")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(register, site, 1, ana)
        while not site.value(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            assert not answer.done(), answer.result().text
        run(deletion.commit())
        assert_problem(answer.result(), 404)


# Favourites


def test_a_favourite_is_kept_once_and_taken_back(site: Site) -> None:
    world = World()
    ana, bob, club = world.student(), world.student(), world.organizer()
    event = world.event(club)
    world.favorite(bob, event)
    site.write(world)
    path = f"{DEMO}/events/{event}/favorite"
    for _ in range(2):
        answer = site.ask(path, ana, method="POST")
        assert (answer.status_code, answer.json()) == (201, {"favorite": True})
        assert get(site, f"events/{event}", ana)["favorite"] is True
    assert site.value("SELECT count(*) FROM favorite_events") == 2
    for _ in range(2):
        answer = site.ask(path, ana, method="DELETE")
        assert (answer.status_code, answer.content) == (204, b"")
        assert get(site, f"events/{event}", ana)["favorite"] is False
    assert get(site, f"events/{event}", bob)["favorite"] is True


def test_a_favourite_clicked_twice_at_once_is_one_row(site: Site, run: Run) -> None:
    world, ana, _ = one_seat()
    site.write(world)
    save = "SELECT status FROM recommender.set_demo_favorite($1, 1, true)"

    async def race() -> list[int]:
        async with two_at_now(site.database_url) as (first, second):
            await first.execute("BEGIN")
            saved = await first.fetchval(save, ana)
            waiting = asyncio.ensure_future(second.fetchval(save, ana))
            await until_waiting(first, second, waiting)
            await first.execute("COMMIT")
            return [saved, await waiting]

    assert run(race()) == [201, 201]
    assert site.value("SELECT count(*) FROM favorite_events") == 1


# Why


def explainable() -> tuple[World, int, int]:
    world = World()
    ana = world.student(city="Cluj", interests=["chess", "jazz"])
    event = world.event(
        world.organizer(), title="Chess in the park", tags=["chess"], category="Games", city="Cluj"
    )
    return world, ana, event


def test_an_explanation_is_that_of_explain_in_words_and_adds_up(site: Site) -> None:
    world, ana, event = explainable()
    world.model(-1.5, 2, 0.5, 0.75, 1, 1, -0.25, 0.1)
    site.write(world)
    found = get(site, f"events/{event}/explanation", ana)
    assert found.keys() == {
        "event_id", "title", "model_version", "score", "logit", "reason", "features",
    }  # fmt: skip
    assert (found["event_id"], found["title"]) == (event, "Chess in the park")
    assert found["model_version"] == "m1"
    rows = site.run(site.connection.fetch("SELECT * FROM recommender.explain($1, $2)", ana, event))
    features = found["features"]
    assert {feature["feature"]: feature["contribution"] for feature in features} == {
        row["feature"]: row["contribution"] for row in rows
    }
    assert all(f["contribution"] == pytest.approx(f["value"] * f["weight"]) for f in features)
    assert found["logit"] == pytest.approx(sum(f["contribution"] for f in features))
    assert found["score"] == site.value("SELECT recommender.sigmoid($1)", found["logit"])
    assert features[-1]["feature"] == "bias"
    sizes = [abs(feature["contribution"]) for feature in features[:-1]]
    assert sizes == sorted(sizes, reverse=True)
    assert features[0] == {
        "feature": "overlap_interest_ratio",
        "label": "About what interests you",
        "value": 1.0,
        "weight": 2.0,
        "contribution": 2.0,
    }


def test_an_explanation_speaks_the_students_language(site: Site) -> None:
    world, _, event = explainable()
    ion = world.student(language="ro")
    any_language = world.student(language="system")
    world.model()
    site.write(world)
    path = f"{DEMO}/events/{event}/explanation"
    for user, accepted, language, label in (
        (ion, "en", "ro", "În orașul tău"),
        (any_language, "ro-RO, en;q=0.5", "ro", "În orașul tău"),
        (any_language, "de", "en", "In your city"),
    ):
        answer = site.ask(path, user, languages=accepted)
        assert answer.headers["content-language"] == language
        labels = {f["feature"]: f["label"] for f in answer.json()["features"]}
        assert labels["same_city"] == label


def test_a_model_of_the_extended_set_is_explained_too(site: Site) -> None:
    world, ana, event = explainable()
    world.model(-1, 1, 1, 1, features=EXTENDED_FEATURES)
    site.write(world)
    features = get(site, f"events/{event}/explanation", ana)["features"]
    assert {feature["feature"] for feature in features} == set(EXTENDED_FEATURES)
    assert features[-1]["feature"] == "bias"


def test_an_event_is_explained_also_when_it_is_not_in_the_list(site: Site) -> None:
    world, ana, _ = explainable()
    over = world.event(1 + ana, starts=YESTERDAY)
    world.register(ana, over)
    world.model(1)
    site.write(world)
    found = get(site, f"events/{over}/explanation", ana)
    assert found["reason"] is None
    assert found["logit"] == pytest.approx(1)


def test_without_a_model_there_is_nothing_to_explain(site: Site) -> None:
    world, ana, event = explainable()
    site.write(world)
    problem = assert_problem(site.ask(f"{DEMO}/events/{event}/explanation", ana), 409)
    assert problem["detail"] == "there is no model yet"


@pytest.mark.parametrize("language", ["en", "ro"])
def test_every_feature_has_a_label_of_its_own(site: Site, language: str) -> None:
    features = {*FEATURES, *EXTENDED_FEATURES}
    in_sql = "SELECT recommender.feature_names('base') || recommender.feature_names('extended')"
    assert set(site.value(in_sql)) == features
    labels = {
        feature: site.value("SELECT recommender.feature_label($1, $2)", feature, language)
        for feature in features
    }
    assert len(set(labels.values())) == len(features)
    for feature, label in labels.items():
        assert label.lower() != feature.replace("_", " ")
        assert "_" not in label
        assert label[0].isupper()
        assert len(label) <= 45
    assert site.value("SELECT recommender.feature_label('of_an_app')") == "of an app"
    assert site.value("SELECT recommender.feature_label('same_city', 'de')") == "In your city"
    assert site.value("SELECT recommender.feature_label('same_city', NULL)") == "In your city"


# Interests


def test_interests_are_what_was_chosen_and_what_was_learned(site: Site) -> None:
    world = World()
    ana = world.student(interests=["jazz", "chess"])
    bob = world.student(interests=["rock"])
    club = world.organizer("The Club")
    world.event(club, category="Games", city="Cluj")
    world.event(club, category="Games", city="Cluj")
    world.event(club, category="GAMES", city="CLUJ")
    world.like_tag(ana, "jazz", 10, seen=days(-3))
    world.like_tag(ana, "Jazz", 1, seen=NOW)
    world.like_category(ana, "games", 10, seen=NOW)
    world.like_city(ana, "atlantis", 1, seen=days(-1))
    world.like_tag(bob, "rock", 3)
    world.like_tag(ana, "old", 1, seen=days(-3000))
    world.hide(ana, "loud")
    world.block(ana, club)
    site.write(world)
    found = get(site, "interests", ana)
    assert found["chosen"] == [{"id": 2, "name": "chess"}, {"id": 1, "name": "jazz"}]
    assert found["hidden_tags"] == [{"id": world.tag("loud"), "name": "loud"}]
    assert found["blocked_organizers"] == [{"id": club, "org_name": "The Club", "full_name": None}]
    assert found.keys() == {"chosen", "learned", "hidden_tags", "blocked_organizers"}
    learned = found["learned"]
    assert [(item["kind"], item["name"]) for item in learned] == [
        ("category", "Games"), ("tag", "Jazz"), ("city", "atlantis"),
    ]  # fmt: skip
    # A cap of 10, and a half life of three days.
    assert [item["weight"] for item in learned] == pytest.approx([1, 0.5, 0.1 * 0.5 ** (1 / 3)])
    assert learned[2]["last_seen_at"] == "2026-02-28T12:00:00+00:00"


def test_an_interest_is_chosen_once_and_taken_back(site: Site) -> None:
    world = World()
    ana, bob = world.student(), world.student(interests=["chess"])
    jazz = world.tag("Jazz")
    site.write(world)
    nothing: Json = {"chosen": [], "learned": [], "hidden_tags": [], "blocked_organizers": []}
    assert get(site, "interests", ana) == nothing
    for _ in range(2):
        answer = site.ask(f"{DEMO}/interests/{jazz}", ana, method="POST")
        assert (answer.status_code, answer.json()) == (201, {"id": jazz, "name": "Jazz"})
        assert get(site, "interests", ana)["chosen"] == [{"id": jazz, "name": "Jazz"}]
    for _ in range(2):
        answer = site.ask(f"{DEMO}/interests/{jazz}", ana, method="DELETE")
        assert (answer.status_code, answer.content) == (204, b"")
        assert get(site, "interests", ana) == nothing
    assert len(get(site, "interests", bob)["chosen"]) == 1
    for method in ("POST", "DELETE"):
        problem = assert_problem(site.ask(f"{DEMO}/interests/4711", ana, method=method), 404)
        assert problem["detail"] == "there is no tag with this id"


def test_an_interest_has_the_list_refreshed(site: Site) -> None:
    world = World()
    ana = world.student()
    world.tag("Jazz")
    world.model(*range(8), version="m")
    for method in ("POST", "DELETE"):
        site.write(world)
        site.set(task_queue_enabled=True, recommendations_realtime_refresh_enabled=True)
        assert site.ask(f"{DEMO}/interests/1", ana, method=method).is_success
        assert get(site, "list", ana)["is_refreshing"] is True


def test_a_chosen_interest_speaks_at_once_where_there_is_no_list(site: Site) -> None:
    world = World()
    ana, club = world.student(), world.organizer()
    popular, jazz = world.event(club), world.event(club, tags=["jazz"], starts=days(20))
    world.register(world.student(), popular)
    site.write(world)
    assert site.recommended(ana) == [popular, jazz]
    assert site.ask(f"{DEMO}/interests/1", ana, method="POST").status_code == 201
    assert site.recommended(ana) == [jazz, popular]


def test_tags_are_found_by_a_part_of_their_name(site: Site) -> None:
    world = World()
    club = world.organizer()
    names = ("Jazz dance", "acid jazz", "chess", "jazz")
    tags = {name: world.tag(name) for name in names}
    world.tag("\u00a0")
    for _ in range(2):
        world.event(club, tags=["acid jazz", "chess"])
    world.event(club, tags=["jazz"])
    world.event(club, tags=["Jazz dance"], starts=YESTERDAY)
    world.event(club, tags=["Jazz dance"], status="draft")
    site.write(world)

    def found(search: str | None = None) -> list[tuple[str, int]]:
        items = get(site, "tags", search=search)["items"]
        assert all(item["id"] == tags[item["name"]] for item in items)
        return [(item["name"], item["count"]) for item in items]

    assert found("JAZZ ") == [("jazz", 1), ("Jazz dance", 0), ("acid jazz", 2)]
    assert found() == [("acid jazz", 2), ("chess", 2), ("jazz", 1), ("Jazz dance", 0)]
    assert found(" ") == found()
    for nothing in ("%", "_", "\0", "jazzz", "'"):
        assert found(nothing) == []


def test_there_are_twenty_tags_at_most(site: Site) -> None:
    world = World()
    for number in range(30):
        world.tag(f"tag {number:02}")
    site.write(world)
    assert [item["name"] for item in get(site, "tags")["items"]] == [
        f"tag {number:02}" for number in range(20)
    ]


# Whom to be, and what to filter by


def test_students_whose_lists_say_something_come_first(site: Site) -> None:
    world = World()
    plain = world.student(full_name="Ana Pop", city="Cluj-Napoca")
    stale, generic, personal = (world.student() for _ in range(3))
    world.student(full_name="Eve", is_active=False)
    romanian = world.student(language="ro")
    club = world.organizer(full_name="Club")
    event = world.event(club)
    busy = world.student(
        full_name="Ștefan", interests=["b", "a", "f", "e", "d", "c"], city=" Iași "
    )
    world.register(busy, event)
    world.register(busy, world.event(club), deleted=YESTERDAY)
    world.recommend(stale, event, at=days(-30), reason="You like it")
    world.recommend(generic, event)
    world.recommend(personal, event, reason="You like it")
    world.recommend(romanian, event, reason="You like it")
    world.recommend(busy)
    site.write(world)
    items = get(site, "students")["items"]
    assert ids(items) == [personal, generic, romanian, stale, plain, busy]
    assert [item["has_list"] for item in items] == [True, True, True, False, False, False]
    assert items[-1] == {
        "id": busy,
        "full_name": "Ștefan",
        "city": " Iași ",
        "interests": ["a", "b", "c", "d", "e"],
        "registrations": 1,
        "has_list": False,
    }

    def found(search: str) -> list[int]:
        return ids(get(site, "students", search=search)["items"])

    assert found("ana") == [plain]
    assert found("ȘTEF") == found("iași") == found(str(busy)) == [busy]
    assert found("eve") == found("club") == found("%") == found("\0") == []


def test_there_are_twenty_four_students_at_most(site: Site) -> None:
    world = World()
    for _ in range(30):
        world.student()
    site.write(world)
    assert ids(get(site, "students")["items"]) == list(range(1, 25))


def test_facets_count_what_the_list_has(site: Site) -> None:
    world = World()
    ana, club, other = world.student(), world.organizer(), world.organizer()
    for category, city, tags in (
        ("Games", "Cluj", ["chess", "Chess"]),
        ("Games", " Cluj ", ["chess"]),
        ("GAMES", "Iași", ["loud"]),
        (None, None, []),
    ):
        world.event(club, category=category, city=city, tags=tags)
    world.event(other, category="Music", city="Iași", tags=["jazz"])
    unseen: dict[str, Any] = {"category": "Unseen", "city": "Unseen", "tags": ["unseen"]}
    world.event(club, starts=YESTERDAY, **unseen)
    world.event(club, status="draft", **unseen)
    world.event(club, deleted=YESTERDAY, **unseen)
    world.event(club, publish=days(1), **unseen)
    site.write(world)
    chess, loud, jazz = (world.tag(name) for name in ("chess", "loud", "jazz"))
    everything = {
        "categories": [{"name": "Games", "count": 3}, {"name": "Music", "count": 1}],
        "cities": [{"name": "Cluj", "count": 2}, {"name": "Iași", "count": 2}],
        "tags": [
            {"id": chess, "name": "chess", "count": 2},
            {"id": jazz, "name": "jazz", "count": 1},
            {"id": loud, "name": "loud", "count": 1},
        ],
    }
    assert get(site, "facets") == get(site, "facets", ana) == everything
    parameters = {"categories": "category", "cities": "city", "tags": "tags"}
    for kind, facets in everything.items():
        for facet in facets:
            answer = site.server.client.get(
                "/api/events", params={parameters[kind]: str(facet["name"])}
            )
            assert answer.json()["total"] == facet["count"]

    answers = [
        site.ask(f"{HIDDEN_TAGS}/{loud}", ana, method="POST"),
        site.ask(f"/api/me/personalization/blocked-organizers/{other}", ana, method="POST"),
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert get(site, "facets", ana) == {
        "categories": [{"name": "Games", "count": 2}],
        "cities": [{"name": "Cluj", "count": 2}],
        "tags": [{"id": chess, "name": "chess", "count": 2}],
    }
    assert get(site, "facets") == everything


def test_a_site_without_events_has_empty_facets(site: Site) -> None:
    site.write(World())
    assert get(site, "facets") == {"categories": [], "cities": [], "tags": []}
    assert get(site, "tags") == get(site, "students") == {"items": []}


def test_there_are_forty_tags_among_the_facets_at_most(site: Site) -> None:
    world = World()
    club = world.organizer()
    for number in range(50):
        world.event(club, tags=["everywhere", f"tag {number:02}"])
    site.write(world)
    tags = get(site, "facets")["tags"]
    assert len(tags) == 40
    assert tags[0] == {"id": 1, "name": "everywhere", "count": 50}


# The list that changes


def test_the_list_tells_when_it_was_written_and_that_it_is_being_written(site: Site) -> None:
    world = World()
    ana, bob, club = world.student(), world.student(), world.organizer()
    world.recommend(ana, world.event(club), world.event(club), at=YESTERDAY)
    site.write(world)
    written = {
        "model_version": "m1",
        "generated_at": "2026-02-28T12:00:00+00:00",
        "item_count": 2,
        "is_refreshing": False,
    }
    assert get(site, "list", ana) == written
    assert get(site, "list", bob) == {
        "model_version": None,
        "generated_at": None,
        "item_count": 0,
        "is_refreshing": False,
    }
    site.execute(
        "SELECT recommender.enqueue_job('refresh_user_recommendations_ml',"
        " jsonb_build_object('user_id', $1::integer), NULL, now() + interval '1 hour')",
        ana,
    )
    for status, is_refreshing in (
        ("queued", True), ("running", True), ("succeeded", False), ("failed", False),
    ):  # fmt: skip
        site.execute("UPDATE background_jobs SET status = $1", status)
        assert get(site, "list", ana) == written | {"is_refreshing": is_refreshing}
        assert get(site, "list", bob)["is_refreshing"] is False


def test_a_click_refreshes_the_list_and_the_page_can_see_it(site: Site) -> None:
    world = World()
    ana, club = world.student(), world.organizer()
    jazz = world.event(club, tags=["jazz"])
    more_jazz = world.event(club, tags=["jazz"], starts=days(12))
    chess = world.event(club, tags=["chess"], starts=days(5))
    world.model(0, 5)
    world.recommend(ana, chess, jazz, more_jazz, at=YESTERDAY)
    site.write(world)
    site.set(
        task_queue_enabled=True,
        recommendations_realtime_refresh_enabled=True,
        recommendations_online_learning_enabled=True,
    )
    before = get(site, "list", ana)
    assert site.post([{"interaction_type": "click", "event_id": jazz}], ana).status_code == 204
    assert get(site, "list", ana) == before | {"is_refreshing": True}
    site.execute("CALL recommender.run_jobs()")
    after = get(site, "list", ana)
    assert after["is_refreshing"] is False
    assert after["generated_at"] != before["generated_at"]
    assert site.recommended(ana) != [chess, jazz, more_jazz]


# What holds for all of it


@pytest.mark.parametrize("number", IMPOSSIBLE_IDS)
def test_what_is_no_id_is_not_found_once_it_is_known_who_asks(site: Site, number: str) -> None:
    world = World()
    ana, club = world.student(), world.organizer()
    site.write(world)
    for method, path in ROUTES:
        if "/1" not in path:
            continue
        asked = f"{DEMO}/{path.replace('/1', f'/{number}')}"
        problem = assert_problem(site.ask(asked, ana, method=method), 404)
        noun = "tag" if path == "interests/1" else "event"
        assert problem["detail"] == f"there is no {noun} with this id"
        if (method, path) in FOR_STUDENTS:
            assert_problem(site.ask(asked, club, method=method), 403)
            assert_problem(site.ask(asked, method=method), 401)


@pytest.mark.parametrize(("method", "path"), FOR_STUDENTS)
def test_it_is_for_students_alone(site: Site, method: str, path: str) -> None:
    world = World()
    club = world.organizer()
    world.event(club, tags=["loud"])
    others = [world.student(role=role) for role in ("admin", "organizer", "organizator")]
    others.append(world.student(is_active=False))
    site.write(world)
    answer = site.ask(f"{DEMO}/{path}", method=method)
    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert_problem(site.ask(f"{DEMO}/{path}", 4711, method=method), 401)
    for user in others:
        assert_problem(site.ask(f"{DEMO}/{path}", user, method=method), 403)
    for table in ("registrations", "favorite_events", "user_interest_tags"):
        assert site.value(f"SELECT count(*) FROM {table}") == 0  # noqa: S608


@pytest.mark.parametrize("path", READS)
def test_a_wrong_token_is_refused_also_where_none_is_needed(site: Site, path: str) -> None:
    headers = {"Authorization": "Bearer nonsense"}
    assert_problem(site.server.client.get(f"{DEMO}/{path}", headers=headers), 401)


@pytest.mark.parametrize("path", [*READS, *WRITES])
def test_other_methods_are_refused_with_those_that_are_not(site: Site, path: str) -> None:
    allowed = {"GET", "HEAD"} if path in READS else {"POST", "DELETE"}
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - allowed:
        answer = site.ask(f"{DEMO}/{path}", 1, method=method)
        assert_problem(answer, 405)
        assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_answers_are_kept_by_nobody_else(site: Site, method: str, path: str) -> None:
    world, ana, _ = explainable()
    world.model()
    site.write(world)
    answer = site.ask(f"{DEMO}/{path}", ana, method=method)
    assert answer.status_code < 300, answer.text
    assert answer.headers["cache-control"] == "private, no-store"


def test_a_student_who_signed_in_on_a_page_needs_no_token(site: Site) -> None:
    world = World()
    ana = world.student(full_name="Ana Pop", city="Cluj")
    event = world.event(world.organizer())
    site.write(world)
    own = {"Origin": site.server.url}
    with httpx.Client(base_url=site.server.url, trust_env=False) as page:
        assert page.get(f"{DEMO}/events/{event}").json()["can_register"] is False
        answer = page.post(f"{DEMO}/session", json={"user_id": ana}, headers=own)
        assert answer.status_code == 200, answer.text
        assert answer.json()["student"] == {"id": ana, "full_name": "Ana Pop", "city": "Cluj"}
        assert page.get(f"{DEMO}/events/{event}").json()["can_register"] is True
        path = f"{DEMO}/events/{event}/registration"
        assert_problem(page.post(path), 403)
        assert registrations(site) == []
        assert page.post(path, headers=own).status_code == 201
        assert page.get(f"{DEMO}/events/{event}").json()["state"] == "registered"


def test_the_demo_knows_its_active_students_and_its_first_admin(site: Site) -> None:
    world = World()
    ana, eve = world.student(city=" Cluj"), world.student(is_active=False)
    club = world.organizer()
    world.student(role="admin", is_active=False)
    boss = world.student(role="admin", full_name="The Boss")
    world.student(role="admin")

    def answer(call: str, *arguments: object) -> tuple[int, Json]:
        row = site.run(
            site.connection.fetchrow(f"SELECT * FROM {call}", *arguments)  # noqa: S608
        )
        assert row is not None
        return row["status"], json.loads(row["body"])

    site.write(World())
    assert answer("recommender.get_demo_admin()")[0] == 404
    site.write(world)
    assert answer("recommender.get_demo_admin()") == (
        200,
        {"user_id": boss, "full_name": "The Boss"},
    )
    found = {"student": {"id": ana, "full_name": None, "city": " Cluj"}}
    assert answer("recommender.get_demo_student($1)", ana) == (200, found)
    for user in (eve, club, boss, 4711, None):
        assert answer("recommender.get_demo_student($1)", user)[0] == 404


def test_without_demo_mode_there_is_nothing_of_it(site: Site) -> None:
    world, ana, _ = explainable()
    site.write(world)
    for mode in ({}, {"DEMO_MODE": "false"}):
        with serve(site.database_url, **mode) as server:
            plain = Site(server, site.database_url, site.connection, site.run)
            for method, path in (
                *ROUTES, ("GET", "session"), ("POST", "session"), ("POST", "desk-session"),
            ):  # fmt: skip
                for user in (ana, None):
                    problem = assert_problem(plain.ask(f"{DEMO}/{path}", user, method=method), 404)
                    assert problem["detail"] == "there is nothing at this path"
    assert registrations(site) == []


IN_PSQL = {
    "GET list": "recommender.get_demo_list(1)",
    "GET events/1": "recommender.get_demo_event(1, '{}', 1)",
    "GET events/1/explanation": "recommender.get_demo_explanation(1, '{}', 1)",
    "GET facets": "recommender.get_demo_facets(1)",
    "GET interests": "recommender.get_demo_interests(1)",
    "GET tags": "recommender.get_demo_tags(NULL)",
    "GET students": "recommender.get_demo_students(NULL)",
    "POST events/1/registration": "recommender.set_demo_registration(1, 1, true)",
    "DELETE events/1/registration": "recommender.set_demo_registration(1, 1, false)",
    "POST events/1/favorite": "recommender.set_demo_favorite(1, 1, true)",
    "DELETE events/1/favorite": "recommender.set_demo_favorite(1, 1, false)",
    "POST interests/1": "recommender.set_demo_interest(1, 1, true)",
    "DELETE interests/1": "recommender.set_demo_interest(1, 1, false)",
}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_psql_gives_the_same_answers(site: Site, method: str, path: str) -> None:
    world, ana, event = explainable()
    assert (ana, event) == (1, 1)
    world.model()
    site.write(world)
    call = IN_PSQL[f"{method} {path}"]

    async def in_psql() -> Record | None:
        # And taken back: an answer may say whether it was the first.
        transaction = site.connection.transaction()
        await transaction.start()
        row = await site.connection.fetchrow(f"SELECT status, body FROM {call}")  # noqa: S608
        await transaction.rollback()
        return row

    row = site.run(in_psql())
    answer = site.ask(f"{DEMO}/{path}", ana, method=method)
    assert row is not None
    assert answer.status_code == row["status"]
    body = None if row["body"] is None else json.loads(row["body"])
    assert (answer.json() if answer.content else None) == body


def test_no_role_may_call_what_is_the_demos() -> None:
    """Its label of a feature changes nothing, and may be of use to others."""
    matrix = MATRIX.read_text(encoding="utf-8").splitlines()
    demo = {path.stem for path in (SQL_DIR / "demo").glob("*.sql")} - {"feature_label"}
    lines = {
        name: line.split()[:5]
        for line in matrix
        for name in demo
        if f" recommender.{name}(" in line
    }
    assert lines.keys() == demo
    assert {right for rights in lines.values() for right in rights} == {"."}
