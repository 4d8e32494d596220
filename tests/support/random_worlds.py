"""Small worlds drawn at random, with ties, NULLs, blanks, old dates and what nobody would do."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import strategies as st

from tests.support.worlds import EXTENDED_FEATURES, MICROSECOND, NOW, World, days, hours

TAGS = ["rock", "Rock ", "jazz", "folk", "\u00a0", "șah", "ȘAH"]
CITIES = [None, "Cluj", " cluj", "Iași", "Sibiu", ""]
CATEGORIES = [None, "Music", "music ", "games", "\t"]
WEIGHTS = st.sampled_from([0.0, 0.0, 1.0, -1.0, 0.25, -0.7, 3.0, 0.001, -20.0, 700.0])
AGES = st.sampled_from([days(-20_500), days(-40), hours(-72), hours(-1), NOW, days(2)])
ODD_SCORES: st.SearchStrategy[float | str] = st.sampled_from(
    [0, 1, 2.5, 5, 9.99, 10, 25, -3, 1e-300, "NaN", "Infinity"]
)
PAST = st.sampled_from([days(-40), days(-3), -MICROSECOND, NOW, MICROSECOND])
KINDS = st.sampled_from(
    ["impression", "click", "view", "dwell", "share", "favorite", "register", "unregister"]
)
METAS = st.sampled_from(
    [
        {"city": "Sibiu"},
        {"city": "CLUJ", "category": "games"},
        {"city": ["x"], "category": 3},
        {"category": " MUSIC"},
        None,
    ]
)


Value = TypeVar("Value")


def some(values: list[Value]) -> st.SearchStrategy[Value]:
    return st.sampled_from(values)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    world = World()
    organizers = [world.organizer() for _ in range(draw(st.integers(1, 3)))]
    events = [
        world.event(
            draw(some(organizers)),
            tags=draw(st.lists(st.sampled_from(TAGS), max_size=4, unique=True)),
            category=draw(st.sampled_from(CATEGORIES)),
            city=draw(st.sampled_from(CITIES)),
            starts=draw(st.sampled_from(STARTS)),
            max_seats=draw(st.sampled_from([None, None, None, 1, 2, 0])),
            status=draw(st.sampled_from(["published"] * 5 + ["draft"])),
            publish=draw(st.sampled_from([days(-9), days(-9), None, NOW, MICROSECOND])),
            deleted=draw(st.sampled_from([None, None, None, None, days(-1), days(1)])),
        )
        for _ in range(draw(st.integers(0, 12)))
    ]
    if draw(st.booleans()) and events:
        # Two of a kind: a tie for everybody.
        first, second = world.rows["events"][0], world.rows["events"][-1]
        second.update({name: first[name] for name in first if name not in {"id", "max_seats"}})
    for _ in range(draw(st.integers(1, 5))):
        student = world.student(
            city=draw(st.sampled_from(CITIES)),
            language=draw(st.sampled_from(["en", "ro", "de"])),
            is_active=draw(st.booleans()),
            interests=draw(st.lists(st.sampled_from(TAGS), max_size=3, unique=True)),
        )
        behave(draw, world, student, events)
    world.model(*(draw(WEIGHTS) for _ in range(8)))
    return world


TITLES = ["Rock night", "ROCK night #2", "Chess at the club", "Șah la club", "12!", "", "\u00a0"]
HELD = [days(-1), days(-5), days(-100), days(-170), days(-700), hours(-11), hours(-13), days(-9000)]


@st.composite
def attended_worlds(draw: st.DrawFn, base: st.SearchStrategy[World] | None = None) -> World:
    """A random world in which students have been to events, and a model that asks for it."""
    world = draw(worlds() if base is None else base)
    people = world.rows["users"]
    for person in people:
        if person["role"] == "organizer":
            person["org_name"] = draw(st.sampled_from(["Club", " ", None]))
            person["full_name"] = draw(st.sampled_from(["Ana", None]))
    for row in world.rows.get("events", []):
        row["title"] = draw(st.sampled_from(TITLES))
    clubs = [person["id"] for person in people if person["role"] == "organizer"]
    students = [person["id"] for person in people if person["role"] == "student"]
    for _ in range(draw(st.integers(0, 8))):
        event = world.event(
            draw(st.sampled_from(clubs)),  # type: ignore[arg-type]
            title=draw(st.sampled_from(TITLES)),
            category=draw(st.sampled_from(CATEGORIES)),
            starts=draw(st.sampled_from(HELD)),
            publish=days(-9001),
            status=draw(st.sampled_from(["published"] * 4 + ["draft"])),
        )
        for student in draw(st.lists(st.sampled_from(students), max_size=4)):
            world.register(student, event, at=draw(PAST))  # type: ignore[arg-type]
    if draw(st.booleans()):
        surround(world, clubs)  # type: ignore[arg-type]
    world.rows["recommender_models"] = []
    world.model(*(draw(WEIGHTS) for _ in EXTENDED_FEATURES), features=EXTENDED_FEATURES)
    return world


def surround(world: World, clubs: list[int]) -> None:
    """Hold more events and let others come, so that what is rare or shared by chance shows."""
    for number in range(20):
        world.event(clubs[0], title=f"{chr(97 + number) * 3} evening", starts=days(-200 + number))
    held = [
        world.event(club, title="Opening", category=category, starts=days(-90), publish=days(-99))
        for club, category in zip([clubs[0], clubs[-1]], ["Music", "games"], strict=True)
    ]
    rare = [
        world.event(club, title="ROCK chess", starts=days(-30), publish=days(-99))
        for club in (clubs[0], clubs[-1])
    ]
    for student in [row["id"] for row in world.rows["users"] if row["role"] == "student"][::2]:
        world.register(student, rare[0], at=days(-40))  # type: ignore[arg-type]
    for number in range(30):
        guest = world.student(role="admin")
        for event in (held if number % 3 else rare)[: 1 + number % 2]:
            world.register(guest, event, at=days(-95))
    elsewhere = world.event(world.organizer("Elsewhere"), starts=days(-20), publish=days(-99))
    for _ in range(40):
        world.register(world.student(role="admin"), elsewhere, at=days(-21))


STARTS = [days(10), days(10), days(60), days(181), NOW, -MICROSECOND, days(-5)]


def behave(draw: st.DrawFn, world: World, student: int, events: list[int]) -> None:
    """Let a student do things, half of them at random and some of them to everything."""
    for _ in range(draw(st.integers(0, 3))):
        world.interact(student, "search", at=draw(PAST), meta=draw(METAS))
    for tag in draw(st.lists(st.sampled_from(TAGS), max_size=3, unique=True)):
        world.like_tag(student, tag, draw(ODD_SCORES), seen=draw(AGES))
    for category in draw(st.lists(st.sampled_from(CATEGORIES[1:]), max_size=2, unique=True)):
        world.like_category(student, str(category), draw(ODD_SCORES), seen=draw(AGES))
    for city in draw(st.lists(st.sampled_from(CITIES[1:]), max_size=3, unique=True)):
        world.like_city(student, str(city), draw(ODD_SCORES), seen=draw(AGES))
    if not events:
        return
    for _ in range(draw(st.integers(0, 4))):
        world.interact(student, draw(KINDS), draw(some(events)), at=draw(PAST))
    if draw(st.booleans()):
        world.favorite(student, draw(some(events)), at=draw(PAST))
    everything = draw(st.integers(0, 4)) == 0
    registered = events if everything else draw(st.lists(some(events), max_size=2))
    for event in registered:
        world.register(
            student,
            event,
            at=days(-2) if everything else draw(PAST),
            deleted=None if everything else draw(st.sampled_from([None, None, -MICROSECOND, NOW])),
        )
