"""Examples of windows: what was known at the start of a fortnight, and who came in it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import asyncpg
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.console import UserError
from app.population import Plan, generate_population
from app.training.examples import CALIBRATION, read_examples
from app.training.model import (
    FEWEST_CALIBRATION_POSITIVES,
    FEWEST_WINDOW_POSITIVES,
    Recipe,
    fit_examples,
    train_model,
)
from tests.support.random_worlds import worlds
from tests.support.worlds import AS_OF, FEATURES, World, days, hours, open_session
from tests.test_training import IMPLICIT_SCORES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asyncpg import Connection, Record

    from tests.support.databases import Databases
    from tests.support.runner import Run

POPULATION = Plan(
    as_of=AS_OF,
    shape="lively",
    students=150,
    upcoming_events=60,
    past_events=120,
    organizers=8,
    tags=120,
    categories=6,
    cities=3,
    days=120,
    interactions_per_student=60,
    experiment_percent=50,
    zipf=1.0,
    seed=5,
)
BUILD = "SELECT * FROM recommender.build_training_windows($1, $2, $3, $4, $5)"
MATRIX = "SELECT * FROM pg_temp.training_matrix ORDER BY example_no"
STAND_AT = "SELECT set_config('recommender.as_of', $1, false)"
DEFINITION = """
SELECT f.* FROM recommender.user_event_features AS f
WHERE f.user_id = ANY ($1) AND f.event_id = ANY ($2)
"""


class Windows:
    """A session at AS_OF that builds the windows of the worlds it is given."""

    def __init__(self, connection: Connection[Record], run: Run) -> None:
        self.connection = connection
        self.run = run

    def build(
        self,
        world: World | None = None,
        *,
        negatives: int = 3,
        eval_negatives: int = 0,
        windows: int = 4,
        window_days: int = 14,
        seed: int = 1337,
    ) -> list[Record]:
        if world:
            self.run(world.write(self.connection))
        self.run(
            self.connection.fetch(BUILD, seed, negatives, eval_negatives, windows, window_days)
        )
        return self.run(self.connection.fetch(MATRIX))

    def stand_at(self, moment: object) -> None:
        self.run(self.connection.execute(STAND_AT, str(moment)))

    def definition(self, rows: Sequence[Record]) -> dict[tuple[int, int], list[float]]:
        users, events = ({row[name] for row in rows} for name in ("user_id", "event_id"))
        found = self.run(self.connection.fetch(DEFINITION, [*users], [*events]))
        return {(row["user_id"], row["event_id"]): features(row) for row in found}


@pytest.fixture(scope="module")
def session(database_url: str, run: Run) -> Iterator[Connection[Record]]:
    connection = run(open_session(database_url))
    yield connection
    run(connection.close())


@pytest.fixture
def windows(session: Connection[Record], run: Run) -> Iterator[Windows]:
    """A session for worlds written by hand."""
    yield (windows := Windows(session, run))
    windows.stand_at(AS_OF)


@pytest.fixture(scope="module")
def population(databases: Databases, run: Run) -> Iterator[Windows]:
    """A session on a generated population, which the tests do not change."""
    with databases.migrated() as url:
        connection = run(open_session(url))
        run(generate_population(connection, POPULATION))
        yield Windows(connection, run)
        run(connection.close())


def features(row: Record) -> list[float]:
    return [row[name] for name in FEATURES]


def labelled(rows: Sequence[Record]) -> dict[tuple[int, int], tuple[int, str, float]]:
    """Give window, kind and weight of every pair that is no negative, without calibration."""
    return {
        (row["user_id"], row["event_id"]): (row["window_no"], row["kind"], row["weight"])
        for row in rows
        if "negative" not in row["kind"] and row["kind"] != "calibration"
    }


def fortnight(number: int) -> object:
    """The start of a window."""
    return AS_OF - days(14 * (number + 1))


# Which examples


def test_a_registration_is_an_example_of_the_window_it_came_in(windows: Windows) -> None:
    world = World()
    club, student = world.organizer(), world.student()
    events = [
        world.event(club, starts=days(-start), publish=days(-300)) for start in (1, 15, 29, 43, 57)
    ]
    for event, start in zip(events, (1, 15, 29, 43, 57), strict=True):
        world.register(student, event, at=days(-start) - hours(1))
    rows = windows.build(world, negatives=0, windows=3)
    assert labelled(rows) == {
        (student, events[0]): (0, "holdout", 1.0),
        (student, events[1]): (1, "positive", 1.0),
        (student, events[2]): (2, "positive", 1.0),
        (student, events[3]): (3, "positive", 1.0),
    }


def test_the_strongest_signal_of_the_window_is_the_weight(windows: Windows) -> None:
    world = World()
    student, event = world.student(), world.event(world.organizer(), starts=days(-15))
    world.interact(student, "click", event, at=days(-20))
    world.favorite(student, event, at=days(-19))
    world.register(student, event, at=days(-16))
    assert labelled(windows.build(world)) == {(student, event): (1, "positive", 1.2)}


def test_an_unregister_in_the_window_is_a_loud_no(windows: Windows) -> None:
    world = World()
    student, event = world.student(), world.event(world.organizer(), starts=days(-15))
    world.interact(student, "click", event, at=days(-20))
    world.interact(student, "unregister", event, at=days(-19))
    rows = windows.build(world)
    assert labelled(rows) == {(student, event): (1, "unregister", 2.0)}
    assert [row["label"] for row in rows] == [0]


def test_what_was_known_before_the_window_is_no_example_of_it(windows: Windows) -> None:
    """Clicked in one window, registered for in the next: an example of the first."""
    world = World()
    student = world.student()
    event = world.event(world.organizer(), starts=days(-15), publish=days(-300))
    other = world.event(world.organizer(), starts=days(-16), publish=days(-300))
    world.interact(student, "click", event, at=days(-40))
    world.register(student, event, at=days(-16))
    world.register(student, other, at=days(-17))
    rows = windows.build(world, negatives=50)
    assert labelled(rows) == {
        (student, event): (2, "positive", 0.4),
        (student, other): (1, "positive", 1.0),
    }
    assert not [row for row in rows if row["kind"] == "negative" and row["event_id"] == event]


@pytest.mark.parametrize(
    "changes",
    [
        {"publish": days(-20)},
        {"publish": None, "created": days(-20)},
        {"status": "draft"},
        {"starts": days(-29)},
        {"max_seats": 0},
        {"deleted": days(-29)},
    ],
)
def test_only_what_could_be_recommended_at_the_start_is_an_example(
    windows: Windows, changes: dict[str, object]
) -> None:
    world = World()
    club, student = world.organizer(), world.student()
    good = world.event(club, starts=days(-16), publish=days(-60))
    event = world.event(club, **{"starts": days(-15), "publish": days(-60)} | changes)  # type: ignore[arg-type]
    for wanted in (good, event):
        world.register(student, wanted, at=days(-17))
    assert set(labelled(windows.build(world))) == {(student, good)}


def test_events_far_ahead_count_where_people_register_for_such(windows: Windows) -> None:
    """19 of 20 start within the horizon; the twentieth is out of it."""
    world = World()
    club = world.organizer()
    students = [world.student() for _ in range(20)]
    near = world.event(club, starts=days(21), publish=days(-300))
    far = world.event(club, starts=days(300), publish=days(-300))
    for number, student in enumerate(students):
        world.register(student, far if number == 0 else near, at=days(-15))
    rows = windows.build(world, negatives=0, windows=1)
    assert {row["event_id"] for row in rows} == {near}
    assert {row["window_no"] for row in rows} == {1}
    assert len(rows) == 19


def test_negatives_are_events_of_the_same_window_that_nobody_spoke_of(population: Windows) -> None:
    rows = population.build(negatives=3, eval_negatives=20)
    kinds = Counter(row["kind"] for row in rows)
    assert kinds["positive"] >= FEWEST_WINDOW_POSITIVES
    assert 0.9 * 3 * kinds["positive"] < kinds["negative"] <= 3 * kinds["positive"]
    for number in range(5):
        of_window = [row for row in rows if row["window_no"] == number]
        start = AS_OF - days(14 * (number + 1))
        population.stand_at(AS_OF - days(14 * number))
        said = {
            (row["user_id"], row["event_id"])
            for row in population.run(
                population.connection.fetch("SELECT * FROM recommender.training_labels")
            )
        }
        population.stand_at(start)
        eligible = {
            row["event_id"]
            for row in population.run(
                population.connection.fetch("SELECT * FROM recommender.eligible_events")
            )
        }
        assert of_window
        assert {row["event_id"] for row in of_window} <= eligible
        negatives = {
            (row["user_id"], row["event_id"])
            for row in of_window
            if row["label"] == 0 and row["kind"] != "unregister"
        }
        assert negatives.isdisjoint(said)
    population.stand_at(AS_OF)


def test_the_newest_window_only_judges(population: Windows) -> None:
    rows = population.build(eval_negatives=20)
    newest = [row for row in rows if row["window_no"] == 0]
    of_newest = {"calibration", "holdout", "holdout_negative"}
    assert {row["kind"] for row in newest} == of_newest
    assert of_newest.isdisjoint(row["kind"] for row in rows if row["window_no"])
    holdouts = Counter(row["user_id"] for row in newest if row["kind"] == "holdout")
    assert set(holdouts.values()) == {1}
    against = Counter(row["user_id"] for row in newest if row["kind"] == "holdout_negative")
    assert set(against) == set(holdouts)
    assert max(against.values()) <= 20


def test_the_newest_window_is_sampled_for_calibration_as_it_is_for_training_later(
    population: Windows,
) -> None:
    """But for the seed's hash of the window and the loud noes, which are drawn for no bin."""
    rows = population.build(negatives=50)
    newest = [row for row in rows if row["kind"] == "calibration"]
    population.stand_at(AS_OF + days(14))
    later = [row for row in population.build(negatives=50) if row["window_no"] == 1]
    population.stand_at(AS_OF)

    def positives(of: Sequence[Record]) -> dict[tuple[int, int], tuple[float, list[float]]]:
        return {
            (row["user_id"], row["event_id"]): (row["weight"], features(row))
            for row in of
            if row["label"] == 1
        }

    said = positives(newest)
    assert said
    assert said == positives(later)
    holdouts = {(row["user_id"], row["event_id"]) for row in rows if row["kind"] == "holdout"}
    assert holdouts < set(said)
    negatives = [row for row in newest if row["label"] == 0]
    assert {row["weight"] for row in negatives} == {1.0}
    assert len(negatives) == sum(row["kind"] == "negative" for row in later)
    assert said.keys().isdisjoint((row["user_id"], row["event_id"]) for row in negatives)


# Their features


def test_features_are_those_of_the_definition_at_the_start_of_the_window(
    population: Windows,
) -> None:
    rows = population.build(eval_negatives=5)
    for number in range(5):
        of_window = [row for row in rows if row["window_no"] == number]
        population.stand_at(fortnight(number))
        defined = population.definition(of_window)
        for row in of_window:
            assert features(row) == pytest.approx(
                defined[row["user_id"], row["event_id"]], rel=0, abs=1e-12
            )
    population.stand_at(AS_OF)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(world=worlds(), back=st.sampled_from([days(0), days(3), days(-2), hours(72)]))
def test_features_of_any_pair_are_those_of_the_definition(
    windows: Windows, world: World, back: object
) -> None:
    """Where nothing was learned after the moment, the pairs are the view."""
    windows.run(world.write(windows.connection))
    windows.stand_at(AS_OF - back)  # type: ignore[operator]
    windows.run(windows.connection.execute(FORGET_LATER))
    windows.run(windows.connection.execute(ALL_PAIRS))
    windows.run(
        windows.connection.execute("SELECT recommender._build_pair_features($1)", [*FEATURES])
    )
    found = windows.run(windows.connection.fetch("SELECT * FROM pg_temp.pair_features"))
    defined = {
        (row["user_id"], row["event_id"]): features(row)
        for row in windows.run(
            windows.connection.fetch("SELECT * FROM recommender.user_event_features")
        )
    }
    assert {(row["user_id"], row["event_id"]) for row in found} == set(defined)
    for row in found:
        assert row["features"] == pytest.approx(
            defined[row["user_id"], row["event_id"]], rel=1e-12, abs=1e-12
        )
    windows.stand_at(AS_OF)


FORGET_LATER = """
DELETE FROM user_implicit_interest_tags WHERE last_seen_at > recommender.as_of();
DELETE FROM user_implicit_interest_categories WHERE last_seen_at > recommender.as_of();
DELETE FROM user_implicit_interest_cities WHERE last_seen_at > recommender.as_of();
"""
ALL_PAIRS = """
DROP TABLE IF EXISTS pg_temp.feature_pairs;
CREATE TEMPORARY TABLE feature_pairs AS
SELECT
    row_number() OVER (ORDER BY s.user_id, e.event_id) AS pair_no,
    s.user_id,
    e.event_id
FROM recommender.source_students AS s
CROSS JOIN recommender.source_events AS e
"""


def test_what_was_clicked_since_is_taken_out_of_implicit_interests(
    windows: Windows, run: Run
) -> None:
    """The folded weights are those that were stored at the moment, before the later clicks."""
    world = World()
    club = world.organizer()
    student = world.student()
    first = world.event(club, tags=["rock", "jazz"], category="music", city="Cluj")
    second = world.event(club, tags=["jazz", "folk"], category="music", city="Cluj")
    run(world.write(windows.connection))

    async def learn(moment: object, *interactions: tuple[str, int | None, str | None]) -> None:
        await windows.connection.execute(STAND_AT, str(moment))
        for kind, event, meta in interactions:
            await windows.connection.execute(
                "INSERT INTO event_interactions"
                " (user_id, event_id, interaction_type, occurred_at, meta)"
                " VALUES ($1, $2, $3, recommender.as_of(), $4::jsonb)",
                student,
                event,
                kind,
                meta,
            )
        kinds, events, metas = zip(*interactions, strict=True)
        await windows.connection.execute(
            "SELECT recommender._learn_interests($1, $2, $3, $4::text[]::jsonb[],"
            " recommender.as_of())",
            student,
            [*kinds],
            [*events],
            [*metas],
        )

    def weights() -> dict[tuple[str, str], float]:
        rows = run(
            windows.connection.fetch(
                "SELECT feature, attribute, weight FROM recommender.user_attributes"
                " WHERE user_id = $1 AND feature <> 'overlap_history_ratio' AND weight < 1",
                student,
            )
        )
        return {(row["feature"], row["attribute"]): row["weight"] for row in rows}

    moment = AS_OF - days(20)
    run(learn(AS_OF - days(25), ("click", first, None), ("share", first, None)))
    run(learn(AS_OF - days(22), ("view", second, None), ("filter", None, '{"tags": ["Folk"]}')))
    windows.stand_at(moment)
    before = weights()
    assert len(before) == 3
    run(learn(AS_OF - days(3), ("click", second, None), ("register", first, None)))
    windows.stand_at(moment)
    assert weights() != pytest.approx(before)
    run(windows.connection.execute("SELECT recommender._fold_implicit_interests()"))
    folded = {
        (row["feature"], row["attribute"]): row["weight"]
        for row in run(windows.connection.fetch("SELECT * FROM pg_temp.past_interests"))
    }
    # Its category is in the history, which weighs 1 in user_attributes.
    assert {key: folded[key] for key in before} == pytest.approx(before, rel=1e-9)
    windows.stand_at(AS_OF)


def test_what_happens_after_the_start_of_a_window_changes_none_of_its_features(
    databases: Databases, run: Run
) -> None:
    """The same examples before and after all that followed is made otherwise."""
    with databases.migrated() as url:
        connection = run(open_session(url))
        population = Windows(connection, run)
        run(generate_population(connection, POPULATION))
        run(connection.execute(IMPLICIT_SCORES, AS_OF))
        start = AS_OF - days(14 * 3)

        def of_pairs() -> list[Record]:
            population.stand_at(start)
            run(connection.execute(ALL_PAIRS))
            run(connection.execute("SELECT recommender._build_pair_features($1)", [*FEATURES]))
            return run(
                connection.fetch("SELECT p.* FROM pg_temp.pair_features AS p ORDER BY p.pair_no")
            )

        before = of_pairs()
        for statement in CHANGE_WHAT_FOLLOWS:
            assert run(connection.execute(statement, start)) not in {"UPDATE 0", "DELETE 0"}
        assert of_pairs() == before
        run(connection.close())


CHANGE_WHAT_FOLLOWS = [
    "DELETE FROM registrations WHERE registration_time > $1 AND user_id % 2 = 0",
    (
        "UPDATE registrations SET registration_time = registration_time + interval '1 day',"
        " attended = true WHERE registration_time > $1"
    ),
    "DELETE FROM favorite_events WHERE created_at > $1",
    (
        "UPDATE event_interactions SET interaction_type = 'unregister', meta = NULL"
        " WHERE occurred_at > $1"
    ),
    "UPDATE events SET publish_at = publish_at + interval '1 day' WHERE publish_at > $1",
    (
        "UPDATE events SET deleted_at = $1::timestamptz + interval '1 hour'"
        " WHERE id % 7 = 0 AND deleted_at IS NULL"
    ),
    "UPDATE user_implicit_interest_tags SET score = 9 WHERE last_seen_at > $1",
]
"""Each changes rows after the moment, whatever is left of those before."""


# The recipe


def test_few_positives_in_the_windows_leave_the_reference_recipe(
    windows: Windows, run: Run
) -> None:
    world = World()
    club = world.organizer()
    students = [world.student() for _ in range(4)]
    events = [world.event(club, starts=days(3), publish=days(-60)) for _ in range(6)]
    for number, student in enumerate(students):
        world.register(student, events[number], at=days(-20))
    run(world.write(windows.connection))
    assert run(train_model(windows.connection, Recipe())).recipe.recipe == "reference"
    assert run(train_model(windows.connection, Recipe(recipe="windows"))).recipe.recipe == "windows"


@pytest.mark.parametrize(
    ("recipe", "way_out"),
    [
        (Recipe(recipe="windows"), "give --recipe reference, or another --windows"),
        (Recipe(feature_set="extended"), "give --feature-set base, or another --windows"),
    ],
)
def test_windows_without_positives_are_refused_with_a_way_out(
    windows: Windows, run: Run, recipe: Recipe, way_out: str
) -> None:
    world = World()
    student, event = world.student(), world.event(world.organizer(), starts=days(3))
    world.register(student, event)
    run(world.write(windows.connection))
    with pytest.raises(UserError, match=way_out):
        run(train_model(windows.connection, recipe))


def test_windows_are_what_an_old_database_is_trained_on(population: Windows, run: Run) -> None:
    model = run(train_model(population.connection, Recipe()))
    assert model.recipe.recipe == "windows"
    assert model.example_counts["positive"] >= FEWEST_WINDOW_POSITIVES
    kept = run(train_model(population.connection, Recipe(history="all")))
    assert kept.recipe.recipe == "reference"


def test_the_bias_goes_half_the_way_to_what_the_newest_window_says(
    population: Windows, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.training.model.FEWEST_CALIBRATION_POSITIVES", 100)
    model = run(train_model(population.connection, Recipe()))
    fitted, _ = fit_examples(run(read_examples(population.connection)), model.recipe)
    assert model.bias_shift
    assert model.meta()["bias_shift"] == model.bias_shift
    assert model.fit.weights[0] == fitted.weights[0] + model.bias_shift
    assert model.fit.weights[1:].tolist() == fitted.weights[1:].tolist()

    newest = run(read_examples(population.connection, kinds=CALIBRATION))
    logits = newest.features @ fitted.weights + 2 * model.bias_shift
    predicted = np.average(1 / (1 + np.exp(-logits)), weights=newest.weights)
    assert predicted == pytest.approx(np.average(newest.labels, weights=newest.weights), abs=1e-9)


def test_few_positives_in_the_newest_window_move_no_bias(population: Windows, run: Run) -> None:
    model = run(train_model(population.connection, Recipe()))
    assert model.recipe.recipe == "windows"
    fitted, _ = fit_examples(run(read_examples(population.connection)), model.recipe)
    newest = run(read_examples(population.connection, kinds=CALIBRATION))
    assert 0 < newest.labels.sum() < FEWEST_CALIBRATION_POSITIVES
    assert model.bias_shift is None
    assert model.fit.weights.tolist() == fitted.weights.tolist()


def test_building_leaves_the_session_at_its_moment(population: Windows) -> None:
    population.build()
    assert population.run(population.connection.fetchval("SELECT recommender.as_of()")) == AS_OF


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, 3, 50, 4, 14), "seed, negatives per positive and evaluation negatives are NULL"),
        ((1, 101, 50, 4, 14), "are 1, 101, 50"),
        ((1, 3, 50, 0, 14), "number and days of the windows are 0, 14"),
        ((1, 3, 50, 4, 0), "number and days of the windows are 4, 0"),
        ((1, 3, 50, None, 14), "number and days of the windows are NULL, 14"),
    ],
)
def test_numbers_out_of_bounds_are_refused(
    windows: Windows, arguments: tuple[object, ...], message: str
) -> None:
    with pytest.raises(asyncpg.PostgresError, match=message) as refused:
        windows.run(windows.connection.fetch(BUILD, *arguments))
    assert refused.value.sqlstate == "ER003"
