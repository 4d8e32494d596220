"""/api/me/personalization: what a student does not want to see, and that it holds at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.site import Json, Site, assert_problem, open_site
from tests.support.worlds import World, days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runner import Run

PERSONALIZATION = "/api/me/personalization"
HIDDEN_TAGS = f"{PERSONALIZATION}/hidden-tags"
BLOCKED_ORGANIZERS = f"{PERSONALIZATION}/blocked-organizers"

IMPOSSIBLE_IDS = (
    "0",
    "-1",
    "+1",
    "01",
    "1.0",
    "1e3",
    "abc",
    "NaN",
    "٣",
    "%00",
    "1%00",
    "1%20",
    "1;drop table tags",
    "2147483648",
    "1000000000000",
    "9" * 400,
)


@pytest.fixture(scope="module")
def site(database_url: str, run: Run) -> Iterator[Site]:
    with open_site(database_url, run) as site:
        yield site


def exclusions(site: Site, user: int) -> Json:
    answer = site.ask(PERSONALIZATION, user)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert set(found) == {"hidden_tags", "blocked_organizers"}
    return dict(found)


NOTHING: Json = {"hidden_tags": [], "blocked_organizers": []}


def test_a_student_reads_their_own_exclusions(site: Site) -> None:
    world = World()
    ana, bob = world.student(), world.student()
    club = world.organizer(org_name="The Club", full_name="Ion Pop")
    nameless = world.student(role="organizator")
    loud, chess = world.tag("loud"), world.tag("Chess")
    world.hide(ana, "loud")
    world.hide(ana, "Chess")
    world.block(ana, nameless)
    world.block(ana, club)
    site.write(world)
    assert exclusions(site, ana) == {
        "hidden_tags": [{"id": chess, "name": "Chess"}, {"id": loud, "name": "loud"}],
        "blocked_organizers": [
            {"id": club, "org_name": "The Club", "full_name": "Ion Pop"},
            {"id": nameless, "org_name": None, "full_name": None},
        ],
    }
    assert exclusions(site, bob) == NOTHING


def excluding_world() -> tuple[World, int, int, list[int]]:
    """A student with a list, an organizer and the events: hers, a loud one and one more."""
    world = World()
    ana, club, other = world.student(), world.organizer("The Club"), world.organizer()
    events = [
        world.event(club, starts=days(1)),
        world.event(other, tags=["loud"], starts=days(2)),
        world.event(other, starts=days(3)),
    ]
    world.recommend(ana, *events)
    return world, ana, club, events


def assert_seen(site: Site, user: int, events: list[int]) -> None:
    """See that both endpoints and both sorts show these, as they are to start."""
    assert site.recommended(user) == events
    for sort in ("time", "recommended"):
        page = site.page(user, sort=sort)
        assert [item["id"] for item in page["items"]] == events
        assert (page["total"], page["sort"]) == (len(events), sort)


def test_a_tag_is_hidden_and_shown_again_at_once(site: Site) -> None:
    world, ana, _, [hers, loud_one, other] = excluding_world()
    bob = world.student()
    world.recommend(bob, hers, loud_one, other)
    loud = world.tag("loud")
    site.write(world)
    assert_seen(site, ana, [hers, loud_one, other])

    for _ in range(2):
        answer = site.ask(f"{HIDDEN_TAGS}/{loud}", ana, method="POST")
        assert answer.status_code == 201
        assert answer.json() == {"id": loud, "name": "loud"}
        assert exclusions(site, ana) == NOTHING | {"hidden_tags": [{"id": loud, "name": "loud"}]}
        assert_seen(site, ana, [hers, other])
        assert_seen(site, bob, [hers, loud_one, other])

    for _ in range(2):
        answer = site.ask(f"{HIDDEN_TAGS}/{loud}", ana, method="DELETE")
        assert (answer.status_code, answer.content) == (204, b"")
        assert exclusions(site, ana) == NOTHING
        assert_seen(site, ana, [hers, loud_one, other])


def test_an_organizer_is_blocked_and_let_in_again_at_once(site: Site) -> None:
    world, ana, club, [hers, loud_one, other] = excluding_world()
    bob = world.student()
    world.recommend(bob, hers, loud_one, other)
    site.write(world)
    assert_seen(site, ana, [hers, loud_one, other])
    blocked = {"id": club, "org_name": "The Club", "full_name": None}

    for _ in range(2):
        answer = site.ask(f"{BLOCKED_ORGANIZERS}/{club}", ana, method="POST")
        assert answer.status_code == 201
        assert answer.json() == blocked
        assert exclusions(site, ana) == NOTHING | {"blocked_organizers": [blocked]}
        assert_seen(site, ana, [loud_one, other])
        assert_seen(site, bob, [hers, loud_one, other])

    for _ in range(2):
        answer = site.ask(f"{BLOCKED_ORGANIZERS}/{club}", ana, method="DELETE")
        assert (answer.status_code, answer.content) == (204, b"")
        assert exclusions(site, ana) == NOTHING
        assert_seen(site, ana, [hers, loud_one, other])


def test_a_hidden_tag_hides_every_spelling_of_it(site: Site) -> None:
    world = World()
    ana, club = world.student(), world.organizer()
    world.event(club, tags=[" LOUD\u00a0"])
    quiet = world.event(club, tags=["loud music"])
    loud = world.tag("Loud")
    site.write(world)
    assert site.ask(f"{HIDDEN_TAGS}/{loud}", ana, method="POST").status_code == 201
    assert site.recommended(ana) == site.listed(ana) == [quiet]


def test_all_that_is_hidden_and_blocked_holds_together(site: Site) -> None:
    world = World()
    ana, clubs = world.student(), [world.organizer() for _ in range(4)]
    quiet = world.event(clubs[0], tags=["quiet"])
    for name in ("loud", "late", "cold"):
        world.event(clubs[0], tags=["quiet", name])
        world.hide(ana, name)
    for club in clubs[1:]:
        world.event(club)
        world.block(ana, club)
    site.write(world)
    assert site.recommended(ana) == site.listed(ana) == [quiet]
    assert site.ask(f"{HIDDEN_TAGS}/{world.tag('late')}", ana, method="DELETE").status_code == 204
    assert site.ask(f"{BLOCKED_ORGANIZERS}/{clubs[2]}", ana, method="DELETE").status_code == 204
    assert site.recommended(ana) == site.listed(ana) == [quiet, 3, 6]
    found = exclusions(site, ana)
    assert [tag["name"] for tag in found["hidden_tags"]] == ["cold", "loud"]
    assert [club["id"] for club in found["blocked_organizers"]] == [clubs[1], clubs[3]]


@pytest.mark.parametrize("role", ["organizer", "organizator", "admin"])
def test_whoever_may_own_events_can_be_blocked(site: Site, role: str) -> None:
    world = World()
    ana, owner = world.student(), world.student(role=role, is_active=False)
    world.event(owner)
    site.write(world)
    assert site.ask(f"{BLOCKED_ORGANIZERS}/{owner}", ana, method="POST").status_code == 201
    assert site.recommended(ana) == site.listed(ana) == []


def test_what_does_not_exist_cannot_be_excluded(site: Site) -> None:
    world = World()
    ana, bob = world.student(), world.student()
    world.tag("loud")
    site.write(world)
    for path in (
        f"{HIDDEN_TAGS}/4711",
        f"{BLOCKED_ORGANIZERS}/4711",
        f"{HIDDEN_TAGS}/2147483647",
        f"{BLOCKED_ORGANIZERS}/2147483647",
    ):
        for method in ("POST", "DELETE"):
            assert_problem(site.ask(path, ana, method=method), 404)
    assert_problem(site.ask(f"{BLOCKED_ORGANIZERS}/{bob}", ana, method="POST"), 404)
    assert_problem(site.ask(f"{BLOCKED_ORGANIZERS}/{ana}", ana, method="POST"), 404)
    assert exclusions(site, ana) == NOTHING


@pytest.mark.parametrize("number", IMPOSSIBLE_IDS)
@pytest.mark.parametrize("place", [HIDDEN_TAGS, BLOCKED_ORGANIZERS])
def test_what_is_no_id_is_not_found_once_it_is_known_who_asks(
    site: Site, place: str, number: str
) -> None:
    world = World()
    ana, eve, club = world.student(), world.student(is_active=False), world.organizer()
    site.write(world)
    answers = {None: 401, 4711: 401, eve: 403, club: 403, ana: 404}
    for method in ("POST", "DELETE"):
        for user, status in answers.items():
            problem = assert_problem(site.ask(f"{place}/{number}", user, method=method), status)
            if status == 404:
                noun = "tag" if place == HIDDEN_TAGS else "organizer"
                assert problem["detail"] == f"there is no {noun} with this id"


def test_nothing_beside_the_routes_is_found(site: Site) -> None:
    for path in (
        HIDDEN_TAGS,
        f"{HIDDEN_TAGS}/",
        f"{HIDDEN_TAGS}/1/2",
        f"{PERSONALIZATION}/hidden",
        "/api/me",
        "/api",
        "/api/../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
    ):
        assert_problem(site.ask(path, 1), 404)


ROUTES = (
    ("GET", PERSONALIZATION),
    ("POST", f"{HIDDEN_TAGS}/1"),
    ("DELETE", f"{HIDDEN_TAGS}/1"),
    ("POST", f"{BLOCKED_ORGANIZERS}/1"),
    ("DELETE", f"{BLOCKED_ORGANIZERS}/1"),
)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_it_is_for_students_alone(site: Site, method: str, path: str) -> None:
    world = World()
    world.organizer()
    world.tag("loud")
    others = [world.student(role=role) for role in ("admin", "organizer", "organizator")]
    others.append(world.student(is_active=False))
    site.write(world)
    answer = site.ask(path, method=method)
    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    answer = site.ask(path, 4711, method=method)
    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    for user in others:
        assert_problem(site.ask(path, user, method=method), 403)
    assert site.value("SELECT count(*) FROM user_hidden_tags") == 0
    assert site.value("SELECT count(*) FROM user_blocked_organizers") == 0


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", PERSONALIZATION, {"GET"}),
        ("DELETE", PERSONALIZATION, {"GET"}),
        ("GET", f"{HIDDEN_TAGS}/1", {"POST", "DELETE"}),
        ("PUT", f"{HIDDEN_TAGS}/1", {"POST", "DELETE"}),
        ("GET", f"{BLOCKED_ORGANIZERS}/1", {"POST", "DELETE"}),
        ("PATCH", f"{BLOCKED_ORGANIZERS}/1", {"POST", "DELETE"}),
    ],
)
def test_other_methods_are_refused_with_those_that_are_not(
    site: Site, method: str, path: str, allowed: set[str]
) -> None:
    answer = site.ask(path, 1, method=method)
    assert_problem(answer, 405)
    assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == allowed


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_answers_are_kept_by_nobody_else(site: Site, method: str, path: str) -> None:
    world = World()
    world.organizer()
    world.tag("loud")
    ana = world.student()
    site.write(world)
    for user in (ana, None):
        answer = site.ask(path, user, method=method)
        assert answer.headers["cache-control"] == "private, no-store"
        assert {part.strip() for part in answer.headers["vary"].split(",")} >= {"Authorization"}


@pytest.mark.parametrize(("path", "doomed"), [(HIDDEN_TAGS, "tags"), (BLOCKED_ORGANIZERS, "users")])
def test_what_is_deleted_while_it_is_being_hidden_is_unknown(
    path: str, doomed: str, site: Site
) -> None:
    """The insert waits for the deletion, and then refers to nothing."""
    world = World()
    organizer, student, tag = world.organizer(), world.student(), world.tag("rock")
    site.write(world)
    number = {"tags": tag, "users": organizer}[doomed]
    deletion = site.connection.transaction()
    site.run(deletion.start())
    site.execute(f"DELETE FROM {doomed} WHERE id = $1", number)  # noqa: S608
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(site.ask, f"{path}/{number}", student, method="POST")
        waiting = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while not site.value(waiting):
            assert not answer.done(), answer.result().text
        site.run(deletion.commit())
        assert_problem(answer.result(), 404)
    assert exclusions(site, student) == NOTHING
