"""Training end to end: the same weights every time, the optimum, honest figures, extremes."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from asyncpg import PostgresError
from numpy.testing import assert_allclose

from app.console import UserError
from app.dataset import load_dataset
from app.population import Plan, generate_population
from app.training.examples import FEATURE_NAMES, Examples, read_examples
from app.training.model import Recipe, TrainedModel, fit_examples, store_model, train_model
from tests.support.worlds import AS_OF, World, days, open_session
from tests.test_solver import scikit_learn_optimum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from asyncpg import Connection, Record

    from tests.support.databases import Databases
    from tests.support.runner import Run

POPULATION = Plan(
    as_of=AS_OF,
    shape="lively",
    students=120,
    upcoming_events=60,
    past_events=60,
    organizers=12,
    tags=200,
    categories=8,
    cities=4,
    days=60,
    interactions_per_student=90,
    experiment_percent=50,
    zipf=1.0,
    seed=5,
)
IMPLICIT_SCORES = """
INSERT INTO user_implicit_interest_tags (user_id, tag_id, score, last_seen_at)
SELECT u.id, t.id, (u.id * 7 + t.id) % 100 / 7.0, $1::timestamptz - u.id * interval '1 hour'
FROM users AS u INNER JOIN tags AS t ON (u.id + t.id) % 11 = 0
"""
TABLES = (
    "users", "tags", "events", "event_tags", "user_interest_tags", "user_hidden_tags",
    "user_blocked_organizers", "registrations", "favorite_events", "event_interactions",
    "user_implicit_interest_tags", "user_implicit_interest_categories",
    "user_implicit_interest_cities", "interaction_history",
)  # fmt: skip
NEWTON = Recipe(recipe="reference", solver="newton", penalty="plain")


@pytest.fixture(scope="module")
def population(databases: Databases, run: Run) -> Iterator[Connection[Record]]:
    """A session on a generated population whose rows the tests may move, but not change."""
    with databases.migrated() as url:
        connection = run(open_session(url))
        run(generate_population(connection, POPULATION))
        run(connection.execute(IMPLICIT_SCORES, AS_OF))
        yield connection
        run(connection.close())


@pytest.fixture(scope="module")
def connection(database_url: str, run: Run) -> Iterator[Connection[Record]]:
    """A session for worlds written by hand."""
    connection = run(open_session(database_url))
    yield connection
    run(connection.close())


async def train(
    connection: Connection[Record], recipe: Recipe = NEWTON
) -> tuple[TrainedModel, Examples]:
    """Train, and give the examples it was trained on."""
    model = await train_model(connection, recipe)
    return model, await read_examples(connection)


def bits(model: TrainedModel, examples: Examples) -> tuple[bytes, ...]:
    return (
        examples.features.tobytes(),
        examples.labels.tobytes(),
        examples.weights.tobytes(),
        model.fit.weights.tobytes(),
        json.dumps(model.meta()).encode(),
    )


async def count_of(connection: Connection[Record], table: str) -> int:
    return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608


# The same weights every time


async def rewrite_rows(connection: Connection[Record]) -> None:
    await connection.execute("UPDATE events SET title = title")
    await connection.execute("UPDATE registrations SET attended = attended WHERE user_id % 2 = 0")
    await connection.execute("UPDATE event_interactions SET meta = meta WHERE event_id % 3 = 0")


async def insert_rows_in_another_order(connection: Connection[Record]) -> None:
    async with connection.transaction():
        for table in TABLES:
            await connection.execute(
                f"CREATE TEMPORARY TABLE moved_{table} ON COMMIT DROP AS SELECT * FROM {table}"  # noqa: S608
            )
        await connection.execute(f"TRUNCATE {', '.join(TABLES)}")
        for table in TABLES:
            await connection.execute(
                f"INSERT INTO {table} SELECT t.* FROM moved_{table} AS t ORDER BY md5(t::text)"  # noqa: S608
            )


async def vacuum_full(connection: Connection[Record]) -> None:
    await connection.execute(f"VACUUM (FULL, ANALYZE) {', '.join(TABLES)}")


async def plan_otherwise(connection: Connection[Record]) -> None:
    await connection.execute("SET enable_hashjoin = off; SET enable_hashagg = off")


@pytest.mark.parametrize(
    "change", [rewrite_rows, insert_rows_in_another_order, vacuum_full, plan_otherwise]
)
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(recipe="windows"),
        Recipe(recipe="reference"),
        Recipe(recipe="reference", history="all"),
    ],
    ids=["windows", "leave-one-out", "all"],
)
def test_the_same_seed_gives_the_same_bits_however_the_rows_lie(
    population: Connection[Record],
    run: Run,
    change: Callable[[Connection[Record]], object],
    recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.training.model.FEWEST_CALIBRATION_POSITIVES", 1)
    model, examples = run(train(population, recipe))
    assert (model.bias_shift is not None) == (recipe.recipe == "windows")
    before = bits(model, examples)
    run(change(population))  # type: ignore[arg-type]
    try:
        assert bits(*run(train(population, recipe))) == before
    finally:
        run(population.execute("RESET enable_hashjoin; RESET enable_hashagg"))


def test_another_seed_gives_other_weights_that_nearly_agree(
    population: Connection[Record], run: Run
) -> None:
    weights = [run(train(population, replace(NEWTON, seed=seed)))[0].fit.weights for seed in (1, 2)]
    assert (weights[0] != weights[1]).all()
    errors = run(train(population))[0].errors
    assert (np.abs(weights[0] - weights[1]) < 6 * errors).all()


def test_training_stands_at_one_moment_and_leaves_no_trace(
    population: Connection[Record], run: Run
) -> None:
    model, _ = run(train(population))
    assert model.as_of == AS_OF
    assert run(count_of(population, "recommender_models")) == 0


# The optimum


def test_newton_on_these_examples_is_the_optimum_of_scikit_learn(
    population: Connection[Record], run: Run
) -> None:
    model, examples = run(train(population))
    expected = scikit_learn_optimum(
        (examples.features, examples.labels, examples.weights), NEWTON.l2
    )
    assert_allclose(model.fit.weights, expected, rtol=0, atol=1e-6)
    assert model.fit.converged
    assert len(examples) == sum(
        count for kind, count in model.example_counts.items() if not kind.startswith("holdout")
    )


@pytest.mark.parametrize("seed", [0, 1337, 2**62])
@pytest.mark.parametrize("history", ["leave-one-out", "all"])
def test_sgd_comes_within_one_percent_of_newtons_loss(
    population: Connection[Record], run: Run, seed: int, history: str
) -> None:
    recipe = Recipe(seed=seed, history="all" if history == "all" else "leave-one-out")
    sgd, examples = run(train(population, recipe))
    newton, _ = fit_examples(examples, replace(recipe, solver="newton"))
    assert newton.loss <= sgd.fit.loss <= 1.01 * newton.loss


@pytest.mark.golden
def test_sgd_comes_within_one_percent_of_newtons_loss_on_the_golden_set(
    databases: Databases, run: Run, golden_dir: Path, note: Callable[[str], None]
) -> None:
    async def trained(url: str) -> tuple[TrainedModel, Examples]:
        connection = await open_session(url)
        try:
            await load_dataset(connection, golden_dir / "input")
            return await train(connection, Recipe())
        finally:
            await connection.close()

    with databases.migrated() as url:
        sgd, examples = run(trained(url))
    newton, _ = fit_examples(examples, NEWTON)
    assert newton.loss <= sgd.fit.loss <= 1.01 * newton.loss
    assert_allclose(
        newton.weights,
        scikit_learn_optimum((examples.features, examples.labels, examples.weights), NEWTON.l2),
        rtol=0,
        atol=1e-6,
    )
    note(
        f"golden: {len(examples):,} examples, sgd {sgd.fit.loss / newton.loss - 1:.4%} above the "
        f"optimum, hitrate@10 {sgd.hitrate:.3f}, chance {sgd.chance:.3f}"
    )


def test_the_names_of_the_features_are_the_databases(
    connection: Connection[Record], run: Run
) -> None:
    names = run(connection.fetchval("SELECT recommender.feature_names()"))
    assert tuple(names) == FEATURE_NAMES


# Honest figures


def tasteless_world(students: int, events: int, wanted: int) -> World:
    """Everybody wants events by lot; what the events are like says nothing."""
    lot = random.Random(11)
    world = World()
    clubs = [world.organizer() for _ in range(20)]
    people = [
        world.student(
            city=lot.choice(["Cluj", "Iași", None]), interests=lot.sample("abcdefghij", 3)
        )
        for _ in range(students)
    ]
    shown = [
        world.event(
            lot.choice(clubs),
            tags=lot.sample("abcdefghij", 2),
            category=f"category {lot.randrange(10)}",
            city=lot.choice(["Cluj", "Iași"]),
            starts=days(lot.uniform(1, 180)),
        )
        for _ in range(events)
    ]
    for person in people:
        for event in lot.sample(shown, wanted):
            world.register(person, event)
    return world


def separation(model: TrainedModel, examples: Examples) -> float:
    """Give how often a positive example's logit is above a negative's (area under the ROC)."""
    logits = examples.features @ model.fit.weights
    positive, negative = logits[examples.labels == 1], logits[examples.labels == 0]
    above = positive[:, None] > negative[None, :]
    equal = positive[:, None] == negative[None, :]
    return float(above.mean() + equal.mean() / 2)


def test_where_there_is_no_taste_leave_one_out_finds_none_and_the_leak_is_seen(
    connection: Connection[Record], run: Run
) -> None:
    run(tasteless_world(students=400, events=200, wanted=8).write(connection))
    honest, honest_examples = run(train(connection))
    leaky, leaky_examples = run(train(connection, replace(NEWTON, history="all")))

    assert honest.student_count == 400
    assert honest.chance == pytest.approx(10 / 51)
    chance = 10 / 51
    deviation = (chance * (1 - chance) / honest.student_count) ** 0.5
    assert honest.hitrate is not None
    assert abs(honest.hitrate - chance) < 4 * deviation
    assert separation(honest, honest_examples) < 0.6
    assert separation(leaky, leaky_examples) > 0.9


def test_where_there_is_taste_the_model_beats_chance(
    population: Connection[Record], run: Run
) -> None:
    model, _ = run(train(population))
    assert model.hitrate is not None
    assert model.chance is not None
    deviation = (model.chance * (1 - model.chance) / model.student_count) ** 0.5
    assert model.hitrate > model.chance + 4 * deviation


def test_hitrate_is_the_share_of_held_out_events_among_the_first_ten(
    connection: Connection[Record], run: Run
) -> None:
    world = World()
    club = world.organizer()
    students = [world.student() for _ in range(6)]
    liked = [world.event(club, starts=days(180 - number)) for number in range(2)]
    for number in range(30):
        world.event(club, starts=days(100 - number))
    for student in students:
        for event in liked:
            world.favorite(student, event)
    run(world.write(connection))
    model, _ = run(train(connection, replace(NEWTON, eval_negatives=20)))
    assert model.student_count == 6
    assert model.chance == pytest.approx(10 / 21)

    async def hitrate(weight: float) -> float:
        row = await connection.fetchrow(
            "SELECT * FROM recommender.evaluate_holdouts($1)", [0.0] * 7 + [weight]
        )
        assert row is not None
        return float(row["hitrate_at_10"])

    # The two liked events are the last to start.
    assert run(hitrate(1.0)) == 1
    assert run(hitrate(-1.0)) == 0
    # All equal: the order is that of lists, event_id ascending, and the liked ones come first.
    assert run(hitrate(0.0)) == 1


def test_a_weight_the_examples_say_nothing_about_has_no_standard_error(
    connection: Connection[Record], run: Run
) -> None:
    world = World()
    club, other = world.organizer(), world.organizer()
    for number in range(8):
        student = world.student(city="Cluj")
        world.favorite(student, world.event(club, city="Cluj" if number % 4 else "Iași"))
    for number in range(8):
        world.event(other, city="Iași" if number % 4 else "Cluj")
    run(world.write(connection))
    model, _ = run(train(connection))
    errors = model.meta()["standard_errors"]
    assert list(errors) == list(FEATURE_NAMES)
    assert errors["overlap_history_ratio"] is None
    assert errors["days_until"] is None
    assert errors["same_city"] > 0
    run(store_model(connection, model, "with gaps"))
    stored = run(
        connection.fetchrow(
            "SELECT weights, is_active, meta #>> '{standard_errors,days_until}' AS missing,"
            " (meta #>> '{standard_errors,same_city}')::float8 AS known,"
            " meta ->> 'history' AS history, (meta ->> 'seed')::int AS seed"
            " FROM recommender_models"
        )
    )
    assert stored is not None
    assert stored["weights"] == model.fit.weights.tolist()
    assert (stored["is_active"], stored["missing"], stored["known"]) == (
        True,
        None,
        errors["same_city"],
    )
    assert (stored["history"], stored["seed"]) == ("leave-one-out", 1337)


# What cannot be learned from


def nobody() -> World:
    world = World()
    world.event(world.organizer())
    return world


def nothing_known() -> World:
    world = World()
    ana, club = world.student(), world.organizer()
    world.favorite(ana, world.event(club, publish=days(1)))
    world.event(club, deleted=days(-1))
    return world


def nothing_wanted() -> World:
    world = World()
    world.event(world.organizer())
    world.interact(world.student(), "impression", 1)
    return world


def only_refused() -> World:
    world = World()
    world.event(world.organizer())
    world.interact(world.student(), "unregister", 1)
    return world


def everything_wanted() -> World:
    world = World()
    for event in [world.event(world.organizer()) for _ in range(3)]:
        world.favorite(1, event)
    ana = world.student()
    for event in range(1, 4):
        world.favorite(ana, event)
    return world


def only_searched() -> World:
    world = World()
    world.event(world.organizer(), category="music")
    world.interact(world.student(), "search", meta={"category": "music"})
    return world


@pytest.mark.parametrize(
    ("world", "sentence"),
    [
        (World, "there are no students"),
        (nobody, "there are no students"),
        (nothing_known, "there are no events known at 2026-03-01 12:00:00"),
        (nothing_wanted, "there is nothing to learn from by 2026-03-01 12:00:00"),
        (only_refused, "there is nothing to learn from by 2026-03-01 12:00:00"),
        (everything_wanted, "every student wanted every event"),
        (only_searched, "nobody has registered for, saved or opened an event yet"),
    ],
)
def test_a_world_without_anything_to_learn_is_refused_with_the_reason(
    connection: Connection[Record], run: Run, world: Callable[[], World], sentence: str
) -> None:
    run(world().write(connection))
    with pytest.raises(UserError, match=sentence):
        run(train_model(connection, Recipe()))


def test_searches_and_an_unregister_are_enough(connection: Connection[Record], run: Run) -> None:
    world = only_searched()
    world.interact(2, "unregister", world.event(1))
    run(world.write(connection))
    model, examples = run(train(connection))
    assert dict(model.example_counts) == {"unregister": 1, "weak_positive": 1}
    assert sorted(examples.labels) == [0, 1]
    assert model.hitrate is None


# Keeping a model


@pytest.mark.parametrize(
    "weights",
    [
        [float("nan"), *[0.0] * 7],
        [*[0.0] * 7, float("nan")],
        [float("inf"), *[0.0] * 7],
        [*[0.0] * 7, float("-inf")],
        [1000001.0, *[0.0] * 7],
        [*[0.0] * 7, -1000001.0],
        [0.0] * 7,
        [0.0] * 9,
        [],
        [None, *[0.0] * 7],
        None,
    ],
)
def test_weights_that_are_no_weights_are_not_stored(
    connection: Connection[Record], run: Run, weights: list[float | None] | None
) -> None:
    run(World().write(connection))
    with pytest.raises(PostgresError, match='weights of model "odd" are unusable') as refusal:
        run(
            connection.execute(
                "SELECT recommender.store_model('odd', $1, $2, '{}')", FEATURE_NAMES, weights
            )
        )
    assert refusal.value.sqlstate == "ER013"
    assert run(count_of(connection, "recommender_models")) == 0


@pytest.mark.parametrize(
    "names", [FEATURE_NAMES[::-1], FEATURE_NAMES[:7], (*FEATURE_NAMES, "luck"), (), None]
)
def test_a_model_of_other_features_is_not_stored(
    connection: Connection[Record], run: Run, names: tuple[str, ...] | None
) -> None:
    with pytest.raises(PostgresError, match="was trained on other features") as refusal:
        run(
            connection.execute(
                "SELECT recommender.store_model('odd', $1, $2, '{}')",
                names,
                [0.0] * len(names or ()),
            )
        )
    assert refusal.value.sqlstate == "ER012"


def test_a_stored_model_is_the_only_active_one_and_is_never_overwritten(
    connection: Connection[Record], run: Run
) -> None:
    run(World().write(connection))
    store = "SELECT recommender.store_model($1, $2, $3, '{}', $4)"

    async def models() -> dict[str, tuple[bool, float]]:
        rows = await connection.fetch("SELECT * FROM recommender_models ORDER BY id")
        return {row["model_version"]: (row["is_active"], row["weights"][0]) for row in rows}

    for version, weight, is_active in (("a", 1.0, True), ("b", 2.0, False), ("c", 1e6, True)):
        run(connection.execute(store, version, FEATURE_NAMES, [weight, *[0.0] * 7], is_active))
    assert run(models()) == {"a": (False, 1), "b": (False, 2), "c": (True, 1e6)}
    with pytest.raises(PostgresError, match='model "a" exists already') as refusal:
        run(connection.execute(store, "a", FEATURE_NAMES, [5.0, *[0.0] * 7], True))
    assert refusal.value.sqlstate == "ER014"
    assert run(models()) == {"a": (False, 1), "b": (False, 2), "c": (True, 1e6)}


# Extremes


def test_a_student_who_wants_everything_and_an_event_with_500_tags_are_trained_on_and_scored(
    connection: Connection[Record], run: Run
) -> None:
    world = World()
    clubs = [world.organizer() for _ in range(3)]
    tags = [f"tag {number}" for number in range(500)]
    eager = world.student(interests=tags)
    others = [world.student(interests=tags[number : number + 5]) for number in range(10)]
    events = [
        world.event(clubs[number % 3], tags=tags[number : number + 3], category=f"{number % 4}")
        for number in range(60)
    ]
    events.append(world.event(clubs[0], tags=tags))
    for event in events:
        world.favorite(eager, event)
    for number, student in enumerate(others):
        world.register(student, events[number])
        world.register(student, events[-1])
    run(world.write(connection))
    model, _ = run(train(connection, Recipe()))
    run(store_model(connection, model, "m"))
    assert run(connection.fetchval("SELECT recommender.score_user($1, 100)", eager)) == 61
    run(connection.execute("CALL recommender.score_all(100)"))
    counts = run(connection.fetch("SELECT item_count FROM recommendation_lists ORDER BY user_id"))
    assert [row["item_count"] for row in counts] == [61, *[59] * 10]


MANY = 200_000
"""A million takes some 30 s here, most of it loading them; it was tried by hand."""

LOAD_MANY = """
INSERT INTO event_interactions (user_id, event_id, interaction_type, occurred_at, meta)
SELECT
    $1,
    CASE WHEN n % 10 = 9 THEN NULL ELSE 1 + n % 80 END,
    (ARRAY['click', 'view', 'dwell', 'impression', 'impression', 'impression', 'share', 'click',
        'view', 'search'])[1 + n % 10],
    $2::timestamptz - n * interval '1 second',
    CASE n % 10
        WHEN 2 THEN jsonb_build_object('seconds', n % 300)
        WHEN 9 THEN '{"category": "category 1", "tags": ["a"]}'::jsonb
        ELSE jsonb_build_object('position', n % 40)
    END
FROM generate_series(1, $3::integer) AS g (n)
"""


def test_a_student_with_very_many_interactions_is_trained_on_and_scored(
    databases: Databases, run: Run, note: Callable[[str], None]
) -> None:
    async def seconds(url: str) -> list[float]:
        connection = await open_session(url)
        laps = [time.perf_counter()]
        try:
            await tasteless_world(students=20, events=100, wanted=3).write(connection)
            student = await connection.fetchval("SELECT min(user_id) FROM registrations")
            # The foreign keys of rows that are known to refer to something cost half the time.
            await connection.execute(
                "SELECT set_config('session_replication_role', 'replica', false)"
                " WHERE has_parameter_privilege('session_replication_role', 'SET')"
            )
            await connection.execute(LOAD_MANY, student, AS_OF, MANY)
            await connection.execute("RESET session_replication_role")
            await connection.execute("VACUUM (ANALYZE) event_interactions")
            laps.append(time.perf_counter())
            model, _ = await train(connection, Recipe())
            await store_model(connection, model, "m")
            laps.append(time.perf_counter())
            assert await connection.fetchval("SELECT recommender.score_user($1, 10)", student) == 10
            laps.append(time.perf_counter())
            await connection.execute("CALL recommender.score_all(10)")
            laps.append(time.perf_counter())
            lists = await connection.fetch("SELECT item_count FROM recommendation_lists")
            assert [row["item_count"] for row in lists] == [10] * 20
        finally:
            await connection.close()
        return [after - before for before, after in pairwise(laps)]

    with databases.migrated() as url:
        load, training, score_user, score_all = run(seconds(url))
    note(
        f"{MANY:,} interactions of one student: loaded in {load:.1f} s, training {training:.1f} s, "
        f"score_user {score_user:.1f} s, score_all {score_all:.1f} s"
    )


def test_a_session_in_another_time_zone_trains_the_same(
    population: Connection[Record], run: Run
) -> None:
    before = bits(*run(train(population)))
    run(population.execute("SET timezone = 'Pacific/Auckland'"))
    try:
        assert bits(*run(train(population))) == before
    finally:
        run(population.execute("SET timezone = 'UTC'"))


def test_the_fit_holds_no_lock_on_what_others_write(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []

    def look(examples: Examples, recipe: Recipe, names: Sequence[str]) -> object:
        held.append(connection.is_in_transaction())
        return fit_examples(examples, recipe, names)

    monkeypatch.setattr("app.training.model.fit_examples", look)
    world = only_searched()
    world.interact(2, "unregister", world.event(1))
    run(world.write(connection))
    run(train_model(connection, Recipe()))
    assert held == [False]
