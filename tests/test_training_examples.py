"""What training learns from: labels, negatives, weak positives, holdouts and their features."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import asyncpg
import pytest
from asyncpg import PostgresError

from app.population import Plan, generate_population
from tests.support.worlds import AS_OF, FEATURES, MICROSECOND, NOW, World, days, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from asyncpg import Connection, Record

    from tests.support.databases import Databases
    from tests.support.runner import Run

POPULATION = Plan(
    as_of=AS_OF,
    shape="lively",
    students=100,
    upcoming_events=40,
    past_events=40,
    organizers=8,
    tags=120,
    categories=6,
    cities=3,
    days=60,
    interactions_per_student=90,
    experiment_percent=50,
    zipf=1.0,
    seed=3,
)
EVENT_SIGNALS = ("click", "view", "dwell", "share", "favorite", "register")


class Training:
    """A session at AS_OF that builds examples of the worlds it is given."""

    def __init__(self, connection: Connection[Record], run: Run) -> None:
        self.connection = connection
        self.run = run

    def build(
        self,
        world: World | None = None,
        *statements: str,
        negatives: int = 3,
        eval_negatives: int = 0,
        history: str = "leave-one-out",
        seed: int = 1337,
    ) -> list[Record]:
        """Write the world, change it by the statements and give the examples in their order."""
        if world:
            self.run(world.write(self.connection))
        for statement in statements:
            self.run(self.connection.execute(statement))
        self.run(
            self.connection.fetch(
                "SELECT * FROM recommender.build_training_matrix($1, $2, $3, $4)",
                seed,
                negatives,
                eval_negatives,
                history,
            )
        )
        return self.rows("SELECT * FROM pg_temp.training_matrix ORDER BY example_no")

    def labels(self, world: World, *statements: str) -> dict[tuple[int, int], object]:
        """Give label and weight of every pair with a signal."""
        self.build(world, *statements)
        rows = self.rows("SELECT user_id, event_id, label, weight FROM pg_temp.training_pairs")
        return {(row["user_id"], row["event_id"]): (row["label"], row["weight"]) for row in rows}

    def rows(self, sql: str, *arguments: object) -> list[Record]:
        return self.run(self.connection.fetch(sql, *arguments))


@pytest.fixture(scope="module")
def training(database_url: str, run: Run) -> Iterator[Training]:
    connection = run(open_session(database_url))
    yield Training(connection, run)
    run(connection.close())


@pytest.fixture(scope="module")
def population(databases: Databases, run: Run) -> Iterator[Training]:
    """A session on a generated population, which the tests do not change."""
    with databases.migrated() as url:
        connection = run(open_session(url))
        run(generate_population(connection, POPULATION))
        yield Training(connection, run)
        run(connection.close())


def of_kind(rows: Sequence[Record], kind: str, student: int | None = None) -> list[Record]:
    return [row for row in rows if row["kind"] == kind and student in (None, row["user_id"])]


def events_of(rows: Sequence[Record], kind: str, student: int | None = None) -> set[int]:
    return {row["event_id"] for row in of_kind(rows, kind, student)}


def features(row: Record) -> dict[str, float]:
    return {name: row[name] for name in FEATURES}


# Labels


@pytest.mark.parametrize(
    ("kind", "weight"),
    [
        ("click", 0.4),
        ("view", 0.25),
        ("dwell", 0.35),
        ("share", 0.6),
        ("favorite", 1.2),
        ("register", 1.0),
    ],
)
def test_an_interaction_is_a_positive_of_its_weight(
    training: Training, kind: str, weight: float
) -> None:
    world = World()
    ana, event = world.student(), world.event(world.organizer())
    world.interact(ana, kind, event)
    assert training.labels(world) == {(ana, event): (1, pytest.approx(weight))}


def test_registered_is_1_attended_is_one_and_a_half_and_saved_is_1_2(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    registered, attended, saved = (world.event(club) for _ in range(3))
    world.register(ana, registered)
    world.register(ana, attended)
    world.favorite(ana, saved)
    attend = f"UPDATE registrations SET attended = true WHERE event_id = {attended}"  # noqa: S608
    assert training.labels(world, attend) == {
        (ana, registered): (1, 1.0),
        (ana, attended): (1, 1.5),
        (ana, saved): (1, 1.2),
    }


@pytest.mark.parametrize(
    ("meta", "weight"),
    [
        ("null", 0.35),
        ("{}", 0.35),
        ('{"seconds": 0}', 0.35),
        ('{"seconds": 48}', 0.45),
        ('{"seconds": 96.0}', 0.55),
        ('{"seconds": 215.9}', 0.35 + 215.9 / 480),
        ('{"seconds": 216}', 0.8),
        ('{"seconds": 100000}', 0.8),
        ('{"seconds": 1e400}', 0.8),
        ('{"seconds": 1e-400}', 0.35),
        ('{"seconds": -600}', 0.35),
        ('{"seconds": -1e400}', 0.35),
        ('{"seconds": "600"}', 0.35),
        ('{"seconds": "soon"}', 0.35),
        ('{"seconds": null}', 0.35),
        ('{"seconds": true}', 0.35),
        ('{"seconds": [600]}', 0.35),
        ('{"seconds": {"seconds": 600}}', 0.35),
        ("[600]", 0.35),
        ('["seconds"]', 0.35),
        ('"seconds"', 0.35),
        ("600", 0.35),
    ],
)
def test_a_dwell_grows_with_its_seconds_and_forgives_odd_ones(
    training: Training, meta: str, weight: float
) -> None:
    world = World()
    ana, event = world.student(), world.event(world.organizer())
    world.interact(ana, "dwell", event)
    set_meta = f"UPDATE event_interactions SET meta = '{meta}'"  # noqa: S608
    assert training.labels(world, set_meta) == {(ana, event): (1, pytest.approx(weight))}


def test_the_strongest_of_several_signals_counts(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    opened, wanted = world.event(club), world.event(club)
    world.interact(ana, "view", opened)
    world.interact(ana, "click", opened)
    world.interact(ana, "dwell", opened, meta={"seconds": 60})
    world.interact(ana, "click", wanted)
    world.register(ana, wanted)
    world.favorite(ana, wanted)
    assert training.labels(world) == {
        (ana, opened): (1, pytest.approx(0.475)),
        (ana, wanted): (1, 1.2),
    }


@pytest.mark.parametrize("unregistered", [days(-3), days(-1)], ids=["before", "after"])
def test_an_unregister_makes_a_negative_of_weight_2_whatever_else_there_is(
    training: Training, unregistered: timedelta
) -> None:
    world = World()
    ana, event = world.student(), world.event(world.organizer())
    world.register(ana, event, at=days(-2))
    world.favorite(ana, event, at=days(-2))
    world.interact(ana, "unregister", event, at=unregistered)
    rows = training.build(world)
    assert [(row["kind"], row["event_id"], row["label"], row["weight"]) for row in rows] == [
        ("unregister", event, 0, 2.0)
    ]


def test_an_unregister_without_any_positive_is_a_negative_too(training: Training) -> None:
    world = World()
    ana, event = world.student(), world.event(world.organizer())
    world.interact(ana, "unregister", event)
    assert training.labels(world) == {(ana, event): (0, 2.0)}


def test_only_students_label_events(training: Training) -> None:
    world = World()
    club, admin, ana = world.organizer(), world.student(role="admin"), world.student()
    event = world.event(club)
    for person in (club, admin, ana):
        world.register(person, event)
        world.interact(person, "click", event)
    world.interact(None, "click", event)
    world.interact(None, "unregister", event)
    assert training.labels(world) == {(ana, event): (1, 1.0)}


def test_inactive_students_label_events_like_others(training: Training) -> None:
    world = World()
    ana, event = world.student(is_active=False), world.event(world.organizer())
    world.register(ana, event)
    assert training.labels(world) == {(ana, event): (1, 1.0)}


def test_deleted_events_are_not_learned_from(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    gone, going = world.event(club, deleted=NOW), world.event(club, deleted=MICROSECOND)
    for event in (gone, going):
        world.register(ana, event)
        world.interact(ana, "unregister", gone)
    assert training.labels(world) == {(ana, going): (1, 1.0)}


@pytest.mark.parametrize("kind", [*EVENT_SIGNALS, "unregister", "registration", "favorite row"])
def test_signals_after_the_moment_are_not_known(training: Training, kind: str) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    now, later = world.event(club), world.event(club)
    for event, at in ((now, NOW), (later, MICROSECOND)):
        if kind == "registration":
            world.register(ana, event, at=at)
        elif kind == "favorite row":
            world.favorite(ana, event, at=at)
        else:
            world.interact(ana, kind, event, at=at)
    assert set(training.labels(world)) == {(ana, now)}


def test_a_registration_withdrawn_after_the_moment_still_counts(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    withdrawn, not_yet = world.event(club), world.event(club)
    world.register(ana, withdrawn, deleted=NOW)
    world.register(ana, not_yet, deleted=MICROSECOND)
    assert training.labels(world) == {(ana, not_yet): (1, 1.0)}


# Negatives


@pytest.mark.parametrize(
    ("meta", "weight"),
    [
        ('{"position": 0}', 0.25),
        ('{"position": 2}', 0.25),
        ('{"position": 2.5}', 0.15),
        ('{"position": 3}', 0.15),
        ('{"position": 5}', 0.15),
        ('{"position": 6}', 0.10),
        ('{"position": 10}', 0.10),
        ('{"position": 11}', 0.05),
        ('{"position": 1e400}', 0.05),
        ('{"position": -1}', 0.05),
        ('{"position": "0"}', 0.05),
        ('{"position": "first"}', 0.05),
        ('{"position": null}', 0.05),
        ('{"position": false}', 0.05),
        ('{"position": [0]}', 0.05),
        ("{}", 0.05),
        ("null", 0.05),
        ("[0]", 0.05),
        ('"position"', 0.05),
    ],
)
def test_a_negative_weighs_by_the_position_it_was_shown_at(
    training: Training, meta: str, weight: float
) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    wanted, shown, _never_shown = (world.event(club) for _ in range(3))
    world.register(ana, wanted)
    world.interact(ana, "impression", shown)
    set_meta = f"UPDATE event_interactions SET meta = '{meta}'"  # noqa: S608
    negatives = of_kind(training.build(world, set_meta), "negative")
    assert [(row["event_id"], row["weight"]) for row in negatives] == [(shown, weight)] * 3


def test_the_best_of_several_positions_counts(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    wanted, shown = world.event(club), world.event(club)
    world.register(ana, wanted)
    for position in (9, None, 4, -1, 30):
        world.interact(ana, "impression", shown, meta={"position": position})
    negatives = of_kind(training.build(world), "negative")
    assert [(row["event_id"], row["weight"]) for row in negatives] == [(shown, 0.15)] * 3


def test_negatives_are_drawn_from_the_fifty_best_placed_impressions(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    wanted = world.event(club)
    world.register(ana, wanted)
    shown = [world.event(club) for _ in range(80)]
    # The later an event's id, the better its place; the last ten have none.
    for place, event in enumerate(reversed(shown[:70])):
        world.interact(ana, "impression", event, meta={"position": place})
    for event in shown[70:]:
        world.interact(ana, "impression", event)
    negatives = of_kind(training.build(world, negatives=100), "negative")
    best = set(shown[20:70])
    drawn = {row["event_id"] for row in negatives}
    assert len(negatives) == 100
    assert drawn <= best
    # 100 draws out of 50 miss about 7 of them.
    assert len(drawn) > 30
    assert any(row["event_id"] in shown[20:25] for row in negatives)
    assert {row["weight"] for row in negatives if row["event_id"] in shown[67:70]} <= {0.25}
    assert {row["weight"] for row in negatives if row["event_id"] in shown[20:59]} == {0.05}


def test_impressions_of_unknown_place_come_after_all_known_places(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    world.register(ana, world.event(club))
    unknown = [world.event(club) for _ in range(30)]
    known = [world.event(club) for _ in range(50)]
    for event in unknown:
        world.interact(ana, "impression", event)
    for event in known:
        world.interact(ana, "impression", event, meta={"position": 1000})
    assert events_of(training.build(world, negatives=100), "negative") <= set(known)


def test_an_event_with_any_signal_is_no_negative_however_it_was_shown(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    registered, clicked, refused, ignored = (world.event(club) for _ in range(4))
    for event in (registered, clicked, refused, ignored):
        world.interact(ana, "impression", event, meta={"position": 0})
    world.register(ana, registered)
    world.interact(ana, "click", clicked)
    world.interact(ana, "unregister", refused)
    rows = training.build(world)
    assert Counter(row["event_id"] for row in of_kind(rows, "negative")) == {ignored: 6}
    assert events_of(rows, "unregister") == {refused}


def test_another_students_impressions_are_not_mine(training: Training) -> None:
    world = World()
    club, ana, bob = world.organizer(), world.student(), world.student()
    wanted, shown_to_bob, other = (world.event(club) for _ in range(3))
    world.register(ana, wanted)
    world.interact(bob, "impression", shown_to_bob)
    negatives = of_kind(training.build(world, negatives=50), "negative")
    assert {row["event_id"] for row in negatives} == {shown_to_bob, other}
    assert {row["weight"] for row in negatives} == {1.0}


def test_without_impressions_negatives_are_any_known_events_at_full_weight(
    training: Training,
) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    wanted = world.event(club)
    world.register(ana, wanted)
    known = {
        world.event(club, starts=days(-5)),
        world.event(club, status="draft"),
        world.event(club, max_seats=0),
        world.event(club, publish=None, created=NOW),
        world.event(club, publish=NOW),
    }
    world.event(club, publish=MICROSECOND)
    world.event(club, publish=None, created=MICROSECOND)
    world.event(club, deleted=NOW)
    negatives = of_kind(training.build(world, negatives=100), "negative")
    assert {row["event_id"] for row in negatives} == known
    assert {(row["label"], row["weight"]) for row in negatives} == {(0, 1.0)}
    assert len(negatives) == 100


@pytest.mark.parametrize("impression", [MICROSECOND, None], ids=["later", "deleted"])
def test_impressions_that_do_not_count_are_as_good_as_none(
    training: Training, impression: timedelta | None
) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    world.register(ana, world.event(club))
    shown = world.event(club, deleted=None if impression else NOW)
    others = {world.event(club) for _ in range(3)} | ({shown} if impression else set())
    world.interact(ana, "impression", shown, at=impression or NOW, meta={"position": 0})
    negatives = of_kind(training.build(world, negatives=60), "negative")
    assert {row["event_id"] for row in negatives} == others
    assert {row["weight"] for row in negatives} == {1.0}


def test_every_positive_gets_exactly_as_many_negatives_as_asked_for(population: Training) -> None:
    for negatives in (0, 1, 3, 7):
        rows = population.build(negatives=negatives)
        positives = Counter(row["user_id"] for row in of_kind(rows, "positive"))
        assert sum(positives.values()) > 300
        assert Counter(row["user_id"] for row in of_kind(rows, "negative")) == {
            student: negatives * count for student, count in positives.items() if negatives
        }


def test_no_negative_has_a_signal_and_all_are_labelled_0(population: Training) -> None:
    rows = population.build(eval_negatives=10)
    signals = {
        (row["user_id"], row["event_id"])
        for row in population.rows("SELECT user_id, event_id FROM pg_temp.training_pairs")
    }
    for row in of_kind(rows, "negative"):
        assert (row["user_id"], row["event_id"]) not in signals
    assert {(row["kind"], row["label"]) for row in rows} == {
        ("positive", 1),
        ("weak_positive", 1),
        ("holdout", 1),
        ("negative", 0),
        ("unregister", 0),
        ("holdout_negative", 0),
    }


def test_who_wants_every_event_has_no_negatives(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    for _ in range(20):
        world.favorite(ana, world.event(club))
    rows = training.build(world, eval_negatives=5)
    assert Counter(row["kind"] for row in rows) == {"positive": 19, "holdout": 1}


def test_who_wants_all_events_but_one_gets_that_one(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    for _ in range(9):
        world.favorite(ana, world.event(club))
    left = world.event(club)
    negatives = of_kind(training.build(world), "negative")
    assert {row["event_id"] for row in negatives} == {left}
    # A draw gives up after 32 tries, each of which finds the one with probability 1 / 10.
    assert 20 <= len(negatives) <= 27


# Weak positives


@pytest.mark.parametrize(
    "meta",
    [
        {"tags": ["Chess", " ROCK "]},
        {"category": "  Music "},
        {"city": "cluj"},
        {"tags": [], "category": "", "city": "Cluj"},
    ],
)
@pytest.mark.parametrize("kind", ["search", "filter"])
def test_what_was_looked_for_makes_weak_positives(
    training: Training, kind: str, meta: dict[str, object]
) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    for _ in range(20):
        world.event(club, tags=["jazz"], category="Sport", city="Iași")
    matching = {
        world.event(club, tags=["rock", "folk"], category="music", city="Cluj") for _ in range(2)
    }
    world.interact(ana, kind, meta=meta)
    weak = of_kind(training.build(world), "weak_positive")
    assert {row["event_id"] for row in weak} == matching
    assert [(row["user_id"], row["label"], row["weight"]) for row in weak] == [(ana, 1, 0.15)] * 2


def test_a_student_has_at_most_three_weak_positives_of_different_events(training: Training) -> None:
    world = World()
    club, ana, bob = world.organizer(), world.student(), world.student()
    matching = {world.event(club, category="music") for _ in range(10)}
    for student in (ana, bob):
        for _ in range(4):
            world.interact(student, "search", meta={"category": "music"})
    world.register(bob, world.event(club, category="sport"))
    rows = training.build(world)
    for student in (ana, bob):
        assert len(of_kind(rows, "weak_positive", student)) == 3
        assert len(events_of(rows, "weak_positive", student) & matching) == 3


def test_events_with_a_signal_are_no_weak_positives(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    registered, clicked, refused, left = (world.event(club, category="music") for _ in range(4))
    world.register(ana, registered)
    world.interact(ana, "click", clicked)
    world.interact(ana, "unregister", refused)
    world.interact(ana, "filter", meta={"category": "music"})
    assert events_of(training.build(world), "weak_positive") == {left}


@pytest.mark.parametrize(
    "meta",
    [
        {"tags": "rock"},
        {"tags": [1, None, True, ["rock"], {"tag": "rock"}]},
        {"tags": {"rock": "rock"}},
        {"tags": ["", "   "]},
        {"category": ["music"]},
        {"category": 5},
        {"city": {"name": "Cluj"}},
        {"city": None},
        {"tags": ["chess"], "category": "sport", "city": "Iași"},
        {"query": "rock music Cluj"},
        ["rock", "music", "Cluj"],
        "rock",
        None,
    ],
)
def test_what_is_no_text_or_matches_nothing_makes_no_weak_positive(
    training: Training, meta: object
) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    for _ in range(5):
        world.event(club, tags=["rock", "1", "true"], category="music", city="Cluj")
    world.event(club)
    world.interact(ana, "search", meta=meta)
    assert training.build(world) == []


def test_only_searches_of_students_without_an_event_and_before_the_moment_count(
    training: Training,
) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    event = world.event(club, category="music")
    world.interact(club, "search", meta={"category": "music"})
    world.interact(None, "search", meta={"category": "music"})
    world.interact(ana, "search", event, meta={"category": "music"})
    world.interact(ana, "impression", meta={"category": "music"})
    world.interact(ana, "search", at=MICROSECOND, meta={"category": "music"})
    assert training.build(world) == []


def test_a_weak_positive_does_not_see_the_search_it_was_made_of(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    event = world.event(club, category="music", city="Cluj")
    world.interact(ana, "search", meta={"category": "music", "city": "Cluj"})
    (weak,) = training.build(world)
    assert (weak["kind"], weak["event_id"]) == ("weak_positive", event)
    assert (weak["category_match"], weak["same_city"]) == (0, 0)
    (weak,) = training.build(history="all")
    assert (weak["category_match"], weak["same_city"]) == (1, 1)


# Holdouts


def test_one_positive_of_each_student_with_two_is_held_out(population: Training) -> None:
    rows = population.build(eval_negatives=10)
    pairs = population.rows("SELECT * FROM pg_temp.training_pairs")
    positives = Counter(pair["user_id"] for pair in pairs if pair["label"] == 1)
    assert Counter(row["user_id"] for row in of_kind(rows, "holdout")) == {
        student: 1 for student, count in positives.items() if count >= 2
    }
    assert len(of_kind(rows, "holdout")) > 50


def test_a_held_out_event_is_in_no_example(population: Training) -> None:
    rows = population.build(eval_negatives=10)
    held_out = {(row["user_id"], row["event_id"]) for row in of_kind(rows, "holdout")}
    others = {(row["user_id"], row["event_id"]) for row in rows if row["kind"] != "holdout"}
    assert held_out
    assert not held_out & others


def test_nothing_is_held_out_without_anything_to_beat(population: Training) -> None:
    assert not {row["kind"] for row in population.build()} & {"holdout", "holdout_negative"}


def test_an_only_positive_is_not_held_out(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    world.register(ana, world.event(club))
    world.event(club)
    rows = training.build(world, eval_negatives=5)
    assert {row["kind"] for row in rows} == {"positive", "negative"}


@pytest.mark.parametrize("history", ["leave-one-out", "all"])
def test_a_held_out_event_is_not_in_the_history(training: Training, history: str) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    events = [world.event(club, tags=[tag], category=tag) for tag in ("rock", "jazz")]
    twins = [world.event(world.organizer(), tags=[tag], category=tag) for tag in ("rock", "jazz")]
    for event in events:
        world.register(ana, event)
    rows = training.build(world, negatives=50, eval_negatives=5, history=history)
    (held_out,), (kept,) = of_kind(rows, "holdout"), of_kind(rows, "positive")
    assert {held_out["event_id"], kept["event_id"]} == set(events)
    # The club is in the history by the event that was kept; the rest is not.
    assert held_out["organizer_match"] == 1
    assert (held_out["category_match"], held_out["overlap_history_ratio"]) == (0, 0)
    by_event = {row["event_id"]: row for row in of_kind(rows, "negative")}
    like_held_out = by_event[twins[events.index(held_out["event_id"])]]
    like_kept = by_event[twins[events.index(kept["event_id"])]]
    assert (like_held_out["category_match"], like_kept["category_match"]) == (0, 1)
    own = 1 if history == "all" else 0
    assert (kept["category_match"], kept["overlap_history_ratio"], kept["organizer_match"]) == (
        own,
        own,
        own,
    )


def test_a_held_out_event_has_to_beat_different_events_that_were_not_wanted(
    population: Training,
) -> None:
    rows = population.build(eval_negatives=25)
    wanted = population.rows("SELECT user_id, event_id FROM pg_temp.training_pairs WHERE label = 1")
    beaten = of_kind(rows, "holdout_negative")
    pairs = {(row["user_id"], row["event_id"]) for row in beaten}
    assert len(pairs) == len(beaten)
    assert not pairs & {(row["user_id"], row["event_id"]) for row in wanted}
    counts = Counter(row["user_id"] for row in beaten)
    assert set(counts) == {row["user_id"] for row in of_kind(rows, "holdout")}
    assert set(counts.values()) == {25}


# Features


def one_wanted_event() -> World:
    """Ana registered for one of Club's events and clicked it, which taught three scores."""
    world = World()
    club, ana = world.organizer(), world.student()
    event = world.event(club, tags=["rock", "jazz"], category="Music", city="Cluj", starts=days(90))
    world.register(ana, event)
    world.register(world.organizer(), event)
    world.interact(ana, "click", event, at=NOW)
    # A click is worth 1, shared by two tags; the cap is 10. Rock was liked before.
    world.like_tag(ana, "rock", 4.5)
    world.like_tag(ana, "jazz", 0.5)
    world.like_category(ana, "music", 1)
    world.like_city(ana, "cluj", 1)
    return world


def test_an_only_positive_is_seen_as_if_it_had_not_happened(training: Training) -> None:
    (row,) = training.build(one_wanted_event(), negatives=0)
    assert features(row) == pytest.approx(
        {
            "bias": 1.0,
            "overlap_interest_ratio": (0.45 - 0.05) / 2,
            "overlap_history_ratio": 0.0,
            "same_city": 0.0,
            "category_match": 0.0,
            "organizer_match": 0.0,
            "popularity": math.log(2) / 5,
            "days_until": 0.5,
        },
        abs=1e-12,
    )


def test_history_all_keeps_an_examples_own_event_in(training: Training) -> None:
    (row,) = training.build(one_wanted_event(), negatives=0, history="all")
    assert features(row) == pytest.approx(
        {
            "bias": 1.0,
            "overlap_interest_ratio": (0.45 + 0.05) / 2,
            "overlap_history_ratio": 1.0,
            "same_city": 1.0,
            "category_match": 1.0,
            "organizer_match": 1.0,
            "popularity": math.log(3) / 5,
            "days_until": 0.5,
        },
        abs=1e-12,
    )


def test_the_own_share_of_an_implicit_score_has_decayed_like_the_score(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student(city="Iași")
    event = world.event(club, tags=["rock"], city="Cluj")
    # Three days are the half life: of the share of 2.5 there is 1.25 left, of the score of 8, 4.
    world.interact(ana, "register", event, at=days(-3))
    world.like_tag(ana, "rock", 8, seen=days(-3))
    world.like_city(ana, "cluj", 2.5, seen=days(-3))
    (row,) = training.build(world, negatives=0)
    assert row["overlap_interest_ratio"] == pytest.approx((4 - 1.25) / 10)
    assert row["same_city"] == pytest.approx(0, abs=1e-12)


def test_an_inferred_home_city_stays_home_without_the_example_if_other_clicks_say_so(
    training: Training,
) -> None:
    world = World()
    club, ana, bob = world.organizer(), world.student(), world.student()
    events = [world.event(club, city="Cluj") for _ in range(3)]
    elsewhere = world.event(club, city="Iași")
    for event in events:
        world.interact(ana, "click", event, at=NOW)
    world.like_city(ana, "cluj", 3)
    # Bob's home is Cluj by one click only; without it, it would be Iași.
    world.interact(bob, "click", events[0], at=NOW)
    world.interact(bob, "click", elsewhere, at=NOW)
    world.like_city(bob, "cluj", 1.5)
    world.like_city(bob, "iași", 1)
    rows = of_kind(training.build(world, negatives=0), "positive")
    cities = {(row["user_id"], row["event_id"]): row["same_city"] for row in rows}
    assert [cities[ana, event] for event in events] == [1, 1, 1]
    assert cities[bob, events[0]] == pytest.approx(0.05)


def test_a_dwell_too_short_to_be_learned_is_not_taken_out(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    event = world.event(club, tags=["rock"])
    world.interact(ana, "dwell", event, at=NOW, meta={"seconds": 3})
    world.like_tag(ana, "rock", 5)
    (row,) = of_kind(training.build(world, negatives=0), "positive")
    assert row["overlap_interest_ratio"] == pytest.approx(0.5)


@pytest.mark.parametrize("arguments", [(None, 3, 50), (1, None, 50), (1, -3, 50), (1, 3, None)])
def test_numbers_that_are_none_are_refused(
    training: Training, arguments: tuple[int | None, ...]
) -> None:
    with pytest.raises(asyncpg.PostgresError) as refusal:
        training.rows("SELECT * FROM recommender.build_training_matrix($1, $2, $3)", *arguments)
    assert refusal.value.sqlstate == "ER003"


def test_what_others_and_other_events_taught_stays(training: Training) -> None:
    world = World()
    club, ana, bob = world.organizer(), world.student(), world.student()
    event, other = (world.event(club, tags=["rock"], category="music") for _ in range(2))
    world.register(ana, event)
    world.interact(ana, "click", other, at=NOW)
    world.interact(bob, "click", event, at=NOW)
    world.like_tag(ana, "rock", 1)
    rows = of_kind(training.build(world, negatives=0), "positive", ana)
    mine = {row["event_id"]: row for row in rows}
    assert mine[event]["overlap_interest_ratio"] == pytest.approx(0.1)
    assert mine[other]["overlap_interest_ratio"] == pytest.approx(0.0)
    # Each has the other one in its history.
    for row in mine.values():
        assert (row["overlap_history_ratio"], row["category_match"], row["organizer_match"]) == (
            1,
            1,
            1,
        )


def test_a_stated_interest_or_home_city_stays_whatever_was_clicked(training: Training) -> None:
    world = World()
    club = world.organizer()
    ana = world.student(city="Cluj", interests=["rock"])
    event = world.event(club, tags=["rock"], city="Cluj")
    world.interact(ana, "click", event, at=NOW)
    (row,) = training.build(world, negatives=0)
    assert (row["overlap_interest_ratio"], row["same_city"]) == (1, 1)


def test_with_history_all_an_examples_features_are_those_of_the_definition(
    population: Training,
) -> None:
    rows = population.build(history="all")
    assert len(rows) > 1000
    different = population.rows(
        """
        SELECT m.*
        FROM pg_temp.training_matrix AS m
        LEFT JOIN recommender.user_event_features AS f
            ON f.user_id = m.user_id AND f.event_id = m.event_id
        WHERE (
            m.bias = f.bias
            AND abs(m.overlap_interest_ratio - f.overlap_interest_ratio) < 1e-12
            AND abs(m.overlap_history_ratio - f.overlap_history_ratio) < 1e-12
            AND m.same_city = f.same_city
            AND m.category_match = f.category_match
            AND m.organizer_match = f.organizer_match
            AND m.popularity = f.popularity
            AND m.days_until = f.days_until
        ) IS NOT TRUE
        """
    )
    assert different == []


def test_leave_one_out_is_the_definition_in_a_world_without_the_examples_own_signals(
    population: Training,
) -> None:
    positives = of_kind(population.build(), "positive")[::23]
    assert len(positives) > 20
    connection = population.connection

    async def without_own_signals(row: Record) -> Record | None:
        pair = row["user_id"], row["event_id"]
        transaction = connection.transaction()
        await transaction.start()
        try:
            for table in ("registrations", "favorite_events", "event_interactions"):
                await connection.execute(
                    f"DELETE FROM {table} WHERE user_id = $1 AND event_id = $2",  # noqa: S608
                    *pair,
                )
            return await connection.fetchrow(
                "SELECT * FROM recommender.user_event_features"
                " WHERE user_id = $1 AND event_id = $2",
                *pair,
            )
        finally:
            await transaction.rollback()

    for row in positives:
        expected = population.run(without_own_signals(row))
        assert expected is not None
        assert features(row) == pytest.approx(features(expected), abs=1e-12)


def test_five_hundred_tags_share_one_event_evenly(training: Training) -> None:
    world = World()
    club = world.organizer()
    tags = [f"tag {number}" for number in range(500)]
    ana = world.student(interests=tags[:250])
    other = world.event(club, tags=tags[200:201])
    event = world.event(club, tags=tags)
    world.favorite(ana, event)
    world.favorite(ana, other)
    rows = {row["event_id"]: row for row in training.build(world, negatives=0)}
    assert rows[event]["overlap_interest_ratio"] == pytest.approx(0.5, abs=1e-12)
    assert rows[event]["overlap_history_ratio"] == pytest.approx(1 / 500, abs=1e-12)
    assert rows[other]["overlap_history_ratio"] == 1


# Reproducibility and refusals


def test_another_seed_draws_other_negatives_and_keeps_the_labels(population: Training) -> None:
    def drawn(seed: int) -> tuple[list[tuple[int, int, float]], list[tuple[int, int]]]:
        rows = population.build(seed=seed)
        return (
            [(row["user_id"], row["event_id"], row["weight"]) for row in of_kind(rows, "positive")],
            [(row["user_id"], row["event_id"]) for row in of_kind(rows, "negative")],
        )

    labels, negatives = drawn(1337)
    assert drawn(1337) == (labels, negatives)
    other_labels, other_negatives = drawn(1338)
    assert labels == other_labels
    repeated = sum(a == b for a, b in zip(negatives, other_negatives, strict=True))
    assert repeated < len(negatives) / 2


@pytest.mark.parametrize(
    "key", ["u.n, 5, d.n", "u.n, d.n, 5", "5, u.n, d.n", "u.n, 5, -d.n"], ids=str
)
def test_draws_spread_evenly_over_what_may_be_drawn(training: Training, key: str) -> None:
    (row,) = training.rows(
        f"""
        SELECT sum(power(b.draws - 1000, 2) / 1000) AS chi_square, count(*) AS buckets
        FROM (
            SELECT count(*) AS draws
            FROM generate_series(1, 100) AS u (n)
            CROSS JOIN generate_series(1, 1000) AS d (n)
            GROUP BY recommender.training_hash(7, {key}, 100)
        ) AS b
        """  # noqa: S608
    )
    assert row["buckets"] == 100
    # Chi-square of 99 degrees of freedom: mean 99, standard deviation 14.
    assert 45 < row["chi_square"] < 170


@pytest.mark.parametrize("history", ["everything", "", None])
def test_an_unknown_history_is_refused(training: Training, history: str | None) -> None:
    with pytest.raises(PostgresError, match="history is") as refusal:
        training.rows(
            "SELECT * FROM recommender.build_training_matrix(1, 3, 50, $1)",
            history,
        )
    assert refusal.value.sqlstate == "ER003"


def test_a_world_without_anything_has_no_examples(training: Training) -> None:
    assert training.build(World(), eval_negatives=5) == []


def test_signals_of_events_nobody_may_know_yet_have_no_negatives(training: Training) -> None:
    world = World()
    club, ana = world.organizer(), world.student()
    for _ in range(3):
        world.favorite(ana, world.event(club, publish=days(1)))
    world.interact(ana, "search", meta={"category": "music"})
    rows = training.build(world, eval_negatives=5)
    assert Counter(row["kind"] for row in rows) == {"positive": 2, "holdout": 1}
