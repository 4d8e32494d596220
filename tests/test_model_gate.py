"""Retraining puts no model in the active one's place that is worse on what was held out."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from asyncpg import PostgresError

from app.console import UserError
from app.population import Plan, generate_population, settle
from app.training.gate import (
    Comparison,
    Verdict,
    compare_with_active,
    compare_with_popularity,
    judge,
)
from app.training.job import JOB_TYPE, Claim, run_training_job
from app.training.model import Recipe, TrainedModel, train_for_activation, train_model
from app.training.versions import store_under
from tests.support.locks import until_waiting
from tests.support.worlds import AS_OF, FEATURES, open_session
from tests.test_recompute import Command, fail_with, succeed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.databases import Databases
    from tests.support.runner import Run

POPULATION = Plan(
    as_of=AS_OF,
    shape="lively",
    students=120,
    upcoming_events=40,
    past_events=40,
    organizers=8,
    tags=100,
    categories=6,
    cities=3,
    days=60,
    interactions_per_student=40,
    experiment_percent=50,
    zipf=1.0,
    seed=7,
)

GOOD = Recipe(recipe="reference", solver="newton")
BAD = Recipe(recipe="reference", solver="newton", l2=1e6)
"""Nothing but a bias is left of it."""

EMPTY = """
TRUNCATE
    recommender_models, model_activations, background_jobs, recommender_settings,
    user_recommendations, recommendation_lists, recommendation_runs
"""
HELD_OUT = """
SELECT
    m.label, m.weight, m.bias, m.overlap_interest_ratio, m.overlap_history_ratio, m.same_city,
    m.category_match, m.organizer_match, m.popularity, m.days_until,
    m.kind IN ('holdout', 'holdout_negative') AS is_held_out
FROM pg_temp.training_matrix AS m
WHERE m.kind <> 'calibration'
"""
LOSS = "SELECT recommender.evaluate_loss($1)"
LOSS_AT_ODDS = "SELECT recommender.evaluate_loss($1, $2)"
ACTIVE = "SELECT m.model_version FROM recommender_models AS m WHERE m.is_active"
MODELS = "SELECT array_agg(m.model_version ORDER BY m.id) FROM recommender_models AS m"
REASONS = "SELECT a.reason FROM model_activations AS a ORDER BY a.id"


@dataclass
class Gate:
    """A session that trains on one population, which nothing here changes."""

    url: str
    connection: Connection[Record]
    run: Run

    def value(self, sql: str, *arguments: object) -> Any:
        return self.run(self.connection.fetchval(sql, *arguments))

    def train(self, recipe: Recipe = GOOD) -> TrainedModel:
        return self.run(train_model(self.connection, recipe))

    def store(
        self, version: str, recipe: Recipe = GOOD, *, force: bool = False
    ) -> tuple[TrainedModel, Verdict]:
        """Train and store."""
        return self.run(self._store(version, recipe, force=force))

    async def _store(
        self, version: str, recipe: Recipe, *, force: bool
    ) -> tuple[TrainedModel, Verdict]:
        model = await train_model(self.connection, recipe)
        _, verdict = await store_under(self.connection, model, version, force=force)
        return model, verdict

    def set(self, name: str, value: float) -> None:
        self.value(
            "INSERT INTO recommender_settings (name, value, source) VALUES ($1, $2, 'admin')",
            name,
            str(value),
        )

    def meta(self, version: str) -> dict[str, Any]:
        meta: dict[str, Any] = json.loads(
            self.value("SELECT meta FROM recommender_models WHERE model_version = $1", version)
        )
        return meta

    def train_as_job(self, **payload: object) -> dict[str, Any]:
        """Queue a training, claim it and run it."""
        return self.run(self._train_as_job(payload))

    async def _train_as_job(self, payload: dict[str, object]) -> dict[str, Any]:
        await self.connection.execute(
            "SELECT recommender.enqueue_job($1, $2::jsonb)", JOB_TYPE, json.dumps(payload)
        )
        job = await self.connection.fetchrow(
            "SELECT j.* FROM recommender.claim_job('w1', ARRAY['training']) AS j"
        )
        assert job is not None
        session = await open_session(self.url)
        try:
            claim = Claim(job["id"], "w1", job["attempts"])
            result = await run_training_job(session, claim, payload)
        finally:
            await session.close()
        assert result is not None
        return result


@pytest.fixture(scope="module")
def populated(databases: Databases, run: Run) -> Iterator[Gate]:
    with databases.migrated() as url:
        connection = run(open_session(url))
        run(generate_population(connection, POPULATION))
        run(settle(connection))
        yield Gate(url, connection, run)
        run(connection.close())


@pytest.fixture
def gate(populated: Gate) -> Gate:
    """The population without any model, list or setting."""
    populated.value(EMPTY)
    return populated


def loss_by_numpy(
    rows: list[Record], weights: list[float], fitted_odds: float | None = None
) -> float:
    """Compute what recommender.evaluate_loss should, from the same rows."""
    table = np.array([[float(value) for value in row] for row in rows])
    is_held_out = table[:, 10] == 1
    labels, example_weights, features = table[:, 0], table[:, 1], table[:, 2:10]

    def total(held_out: bool, label: int) -> float:
        return float(example_weights[(is_held_out == held_out) & (labels == label)].sum())

    odds = total(False, 1) / total(False, 0)
    logits = features[is_held_out] @ np.array(weights)
    if fitted_odds:
        logits = logits + math.log(odds / fitted_odds)
    y = labels[is_held_out]
    w = example_weights[is_held_out].copy()
    w[y == 0] *= total(True, 1) / odds / total(True, 0)
    losses = np.logaddexp(0, np.where(y == 1, -logits, logits))
    return float(w @ losses / w.sum())


# The loss


@pytest.mark.parametrize(
    "weights",
    [
        [0.0] * 8,
        [-1.5, 2.0, 0.5, 1.0, 0.7, -0.3, 0.9, 0.1],
        [40.0, -80.0, 120.0, 0.0, -60.0, 3.0, -900.0, 800.0],
        [1e6] * 8,
        [-1e6, 1e6, -1e6, 1e6, -1e6, 1e6, -1e6, 1e6],
    ],
)
def test_the_held_out_loss_is_that_of_numpy_on_the_same_rows(
    gate: Gate, weights: list[float]
) -> None:
    gate.train()
    rows = gate.run(gate.connection.fetch(HELD_OUT))
    loss = gate.value(LOSS, weights)
    assert math.isfinite(loss)
    assert loss == pytest.approx(loss_by_numpy(rows, weights), rel=1e-12)
    assert gate.value(LOSS_AT_ODDS, weights, 0.02) == pytest.approx(
        loss_by_numpy(rows, weights, 0.02), rel=1e-12
    )


def test_a_model_keeps_both_losses(gate: Gate) -> None:
    first, _ = gate.store("first")
    second, _ = gate.store("second", replace(GOOD, l2=0.02))
    rows = gate.run(gate.connection.fetch(HELD_OUT))
    losses = [loss_by_numpy(rows, model.fit.weights.tolist()) for model in (first, second)]
    meta = gate.meta("second")
    assert meta["held_out_loss"] == pytest.approx(losses[1], rel=1e-12)
    assert (meta["compared_with"], meta["compared_loss"]) == (
        "first",
        pytest.approx(losses[0], rel=1e-12),
    )
    assert meta["held_out_loss"] < math.log(2)


def test_the_loss_is_near_that_of_training(gate: Gate) -> None:
    """As it is where negatives weigh as in training, and is not where fifty stand for three."""
    model = gate.train()
    assert model.comparison.held_out_loss == pytest.approx(model.fit.loss, rel=0.3)


@pytest.mark.parametrize("logit", [0.0, 1e-9, 0.5, 1.0, 36.0, 37.0, 699.0, 701.0, 1e7, 1e300])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("label", [0, 1])
def test_the_loss_of_any_logit_is_finite_and_right(
    gate: Gate, logit: float, sign: int, label: int
) -> None:
    loss = gate.value("SELECT recommender.log_loss($1, $2)", sign * logit, label)
    margin = sign * logit * (1 if label else -1)
    assert loss == pytest.approx(np.logaddexp(0, -margin), rel=1e-15, abs=1e-15)
    assert loss >= 0


def test_without_held_out_events_there_is_no_loss(gate: Gate) -> None:
    model = gate.train(replace(GOOD, eval_negatives=0))
    assert model.comparison.held_out_loss is None
    assert gate.value(LOSS, [1.0] * 8) is None


def test_another_ratio_of_negatives_moves_the_bias_and_not_the_verdict(gate: Gate) -> None:
    """A bias fitted to four times as many negatives is lower, which changes no list."""
    for version, ratio in (("three", 3), ("twelve", 12), ("three again", 3)):
        model, verdict = gate.store(version, replace(GOOD, negatives_per_positive=ratio))
        assert (verdict.is_activated, verdict.is_warning) == (True, False)
    at_its_odds = model.comparison.compared_loss
    gate.value("UPDATE recommender_models SET is_active = false")
    gate.value(
        "UPDATE recommender_models SET is_active = true, meta = meta - 'training_odds'"
        " WHERE model_version = 'twelve'"
    )
    as_it_is = gate.run(compare_with_active(gate.connection, model.fit.weights, FEATURES))
    assert as_it_is.compared_with == model.comparison.compared_with == "twelve"
    assert at_its_odds is not None
    assert as_it_is.compared_loss is not None
    assert as_it_is.compared_loss > 1.05 * at_its_odds


def test_models_of_both_sets_are_judged_on_the_same_rows(gate: Gate) -> None:
    """Each by its own features: the extended set lacks some of the base set, and the other way."""
    windows = Recipe(recipe="windows")
    base, _ = gate.store("base", windows)
    extended, _ = gate.store("extended", replace(windows, feature_set="extended"))
    assert set(extended.feature_names) - set(base.feature_names)
    assert set(base.feature_names) - set(extended.feature_names)
    assert extended.comparison.compared_with == "base"
    assert extended.comparison.compared_loss == pytest.approx(
        base.comparison.held_out_loss, rel=1e-9
    )
    gate.value("SELECT recommender.activate_model('extended')")
    again, _ = gate.store("base again", windows)
    assert again.comparison.compared_with == "extended"
    assert again.comparison.compared_loss == pytest.approx(
        extended.comparison.held_out_loss, rel=1e-9
    )


def test_extended_features_are_of_windows(gate: Gate) -> None:
    for recipe in (
        Recipe(recipe="reference", feature_set="extended"),
        Recipe(history="all", feature_set="extended"),
    ):
        with pytest.raises(UserError, match="give --recipe windows, or --feature-set base"):
            gate.train(recipe)


# The rule


def verdict_on(
    gate: Gate,
    loss: float | None,
    active_loss: float | None,
    *,
    active: str | None = "m1",
    students: int = 50,
    force: bool = False,
    popularity: dict[str, float] | None = None,
) -> Verdict:
    comparison = Comparison(0.3, loss, active, active_loss, popularity)
    return gate.run(judge(gate.connection, comparison, students, force=force))


@pytest.mark.parametrize("active_loss", [0.1, 0.3, 0.4, 0.5, 0.6931471805599453, 0.7, 123.0])
def test_exactly_at_the_boundary_it_is_activated(gate: Gate, active_loss: float) -> None:
    at_it = verdict_on(gate, float(f"{active_loss * 1.05:.15g}"), active_loss)
    assert (at_it.is_activated, at_it.is_warning) == (True, False)
    beyond = verdict_on(gate, active_loss * 1.050001, active_loss)
    assert (beyond.is_activated, beyond.is_warning) == (False, True)


def test_a_better_or_equal_one_is_activated(gate: Gate) -> None:
    for loss in (0.0, 0.2, 0.4):
        assert verdict_on(gate, loss, 0.4).is_activated
    assert verdict_on(gate, 0.4, 0.4).reason == (
        'held-out loss 0.400000, that of the active model "m1" 0.400000 (50 students)'
    )


def test_the_setting_says_how_much_worse_is_too_much(gate: Gate) -> None:
    gate.set("recommender_max_loss_increase", 0.5)
    assert verdict_on(gate, 0.6, 0.4).is_activated
    assert not verdict_on(gate, 0.61, 0.4).is_activated
    gate.value("UPDATE recommender_settings SET value = '0'")
    assert verdict_on(gate, 0.4, 0.4).is_activated
    assert not verdict_on(gate, 0.4001, 0.4).is_activated


def test_the_sentence_of_one_that_is_kept_back_has_both_losses(gate: Gate) -> None:
    assert verdict_on(gate, 0.5, 0.4).reason == (
        'held-out loss 0.500000, that of the active model "m1" 0.400000 (50 students): worse by '
        "more than the share of it that RECOMMENDER_MAX_LOSS_INCREASE allows, 0.05"
    )
    forced = verdict_on(gate, 0.5, 0.4, force=True)
    assert (forced.is_activated, forced.is_warning) == (True, True)
    assert forced.reason.startswith("forced in spite of held-out loss 0.500000, that of the act")
    needless = verdict_on(gate, 0.3, 0.4, force=True)
    assert (needless.is_warning, needless.reason.startswith("held-out")) == (False, True)


def test_without_an_active_model_nothing_is_compared(gate: Gate) -> None:
    assert verdict_on(gate, 9.0, None, active=None, students=0) == Verdict(
        is_activated=True, is_warning=False, reason="no model was active"
    )


def difference(mean: float, low: float, high: float, students: int = 50) -> dict[str, float]:
    return {"students": students, "difference": mean, "low": low, "high": high}


def test_one_that_loses_to_popularity_is_kept_back(gate: Gate) -> None:
    """However good its loss is; what the interval does not exclude is no loss."""
    worse = verdict_on(gate, 0.1, 0.4, popularity=difference(-0.0312, -0.05, -0.001))
    assert (worse.is_activated, worse.is_warning) == (False, True)
    assert worse.reason == (
        'held-out loss 0.100000, that of the active model "m1" 0.400000 (50 students): '
        "NDCG@10 0.031 below popularity's (-0.050 to -0.001, 50 students)"
    )
    unsure = verdict_on(gate, 0.1, 0.4, popularity=difference(-0.02, -0.05, 0.0))
    assert (unsure.is_activated, unsure.is_warning) == (True, False)
    better = verdict_on(gate, 0.1, 0.4, popularity=difference(0.2, 0.1, 0.3))
    assert (better.is_activated, better.is_warning) == (True, False)
    assert better.reason.endswith(
        "; NDCG@10 0.200 above popularity's (0.100 to 0.300, 50 students)"
    )
    forced = verdict_on(gate, 0.1, 0.4, popularity=difference(-0.3, -0.5, -0.1), force=True)
    assert (forced.is_activated, forced.is_warning) == (True, True)
    assert forced.reason.startswith("forced in spite of ")


def test_what_loses_twice_says_both(gate: Gate) -> None:
    verdict = verdict_on(gate, 0.9, 0.4, popularity=difference(-0.3, -0.5, -0.1))
    assert verdict.reason.endswith(
        "worse by more than the share of it that RECOMMENDER_MAX_LOSS_INCREASE allows, 0.05, and "
        "NDCG@10 0.300 below popularity's (-0.500 to -0.100, 50 students)"
    )


def test_with_none_to_keep_one_that_loses_to_popularity_is_activated_with_a_warning(
    gate: Gate,
) -> None:
    verdict = verdict_on(gate, 0.4, None, active=None, popularity=difference(-0.3, -0.5, -0.1))
    assert (verdict.is_activated, verdict.is_warning) == (True, True)
    assert verdict.reason == (
        "no model was active; NDCG@10 0.300 below popularity's (-0.500 to -0.100, 50 students)"
    )


def test_too_few_in_the_newest_window_judge_nothing(gate: Gate) -> None:
    nobody: dict[str, float] = {"students": 0}
    for few in (difference(-0.3, -0.5, -0.1, students=49), nobody):
        verdict = verdict_on(gate, 0.1, 0.4, popularity=few)
        assert (verdict.is_activated, verdict.is_warning) == (True, True)
        assert verdict.reason.endswith(
            f"; not compared with popularity: {few['students']} students came in the newest window"
        )


def test_a_training_is_compared_with_popularity_on_the_newest_window(gate: Gate) -> None:
    """The same weights upside down lose to it, and leave the active model where it is."""
    gate.set("recommender_max_loss_increase", 1000)
    gate.set("recommender_min_holdout_students", 5)
    result = gate.train_as_job(recipe="windows")
    assert result["activated"]
    assert "NDCG@10" in result["reason"]
    good = gate.meta(result["model_version"])["against_popularity"]
    assert good["low"] > 0

    model = gate.run(train_for_activation(gate.connection, Recipe(recipe="windows")))
    assert model.comparison.against_popularity == good
    upside_down = -model.fit.weights
    bad = gate.run(
        compare_with_popularity(gate.connection, upside_down, FEATURES, timedelta(days=14))
    )
    assert bad["high"] < 0
    worse = replace(
        model,
        fit=replace(model.fit, weights=upside_down),
        comparison=replace(model.comparison, against_popularity=bad),
    )
    _, verdict = gate.run(store_under(gate.connection, worse, "bad"))
    assert not verdict.is_activated
    assert "below popularity's" in verdict.reason
    assert gate.value(ACTIVE) == result["model_version"]
    assert gate.meta("bad")["against_popularity"] == bad
    _, verdict = gate.run(store_under(gate.connection, worse, "forced", force=True))
    assert verdict.is_activated
    assert gate.value(ACTIVE) == "forced"


def test_too_few_students_judge_nothing(gate: Gate) -> None:
    few = verdict_on(gate, 9.0, 0.4, students=49)
    assert (few.is_activated, few.is_warning) == (True, True)
    assert "49 students have a held-out positive" in few.reason
    assert "RECOMMENDER_MIN_HOLDOUT_STUDENTS is 50" in few.reason
    gate.set("recommender_min_holdout_students", 49)
    assert not verdict_on(gate, 9.0, 0.4, students=49).is_activated


def test_a_loss_that_is_not_there_judges_nothing(gate: Gate) -> None:
    for loss, active_loss, why in (
        (0.4, None, "it was trained on other features"),
        (None, 0.4, "there are no held-out negatives"),
    ):
        verdict = verdict_on(gate, loss, active_loss)
        assert (verdict.is_activated, verdict.is_warning) == (True, True)
        assert verdict.reason == f'not compared with the active model "m1": {why}'


# What is stored


def test_the_first_model_is_activated_and_says_why(gate: Gate) -> None:
    _, verdict = gate.store("first", BAD)
    assert (verdict.is_activated, verdict.is_warning) == (True, False)
    assert gate.value(ACTIVE) == "first"
    assert gate.value(REASONS) == "no model was active"


def test_a_worse_model_is_stored_and_the_active_one_stays(gate: Gate) -> None:
    gate.store("good")
    bad, verdict = gate.store("bad", BAD)
    assert bad.student_count >= 50
    assert (verdict.is_activated, verdict.is_warning) == (False, True)
    assert (gate.value(ACTIVE), gate.value(MODELS)) == ("good", ["good", "bad"])
    assert gate.value("SELECT count(*) FROM model_activations") == 1
    meta = gate.meta("bad")
    assert meta["held_out_loss"] > 1.05 * meta["compared_loss"]


def test_the_same_model_again_and_a_better_one_are_activated(gate: Gate) -> None:
    gate.store("bad", BAD)
    for version in ("good", "the same"):
        _, verdict = gate.store(version)
        assert (verdict.is_activated, verdict.is_warning) == (True, False)
        assert gate.value(ACTIVE) == version
        row = gate.run(
            gate.connection.fetchrow("SELECT * FROM model_activations ORDER BY id DESC LIMIT 1")
        )
        assert row is not None
        assert (row["kind"], row["reason"]) == ("training", verdict.reason)


def test_forced_a_worse_model_is_activated(gate: Gate) -> None:
    gate.store("good")
    _, verdict = gate.store("bad", BAD, force=True)
    assert (verdict.is_activated, verdict.is_warning) == (True, True)
    assert gate.value(ACTIVE) == "bad"
    assert gate.value(f"{REASONS} DESC LIMIT 1") == verdict.reason
    assert verdict.reason.startswith("forced in spite of")


def test_with_few_students_a_worse_model_is_activated_with_a_warning(gate: Gate) -> None:
    gate.store("good")
    gate.set("recommender_min_holdout_students", 121)
    _, verdict = gate.store("bad", BAD)
    assert (verdict.is_activated, verdict.is_warning) == (True, True)
    assert gate.value(ACTIVE) == "bad"


@pytest.mark.parametrize("names", [("luck",), (*FEATURES, "luck")])
def test_an_active_model_of_other_features_is_no_measure(
    gate: Gate, names: tuple[str, ...]
) -> None:
    gate.value(
        "INSERT INTO recommender_models (model_version, feature_names, weights, is_active)"
        " VALUES ('other', $1, $2, true)",
        names,
        [1.0] * len(names),
    )
    model, verdict = gate.store("bad", BAD)
    assert (model.comparison.compared_with, model.comparison.compared_loss) == ("other", None)
    assert (verdict.is_activated, verdict.is_warning) == (True, True)
    assert "it was trained on other features" in verdict.reason
    assert gate.value(ACTIVE) == "bad"


def test_an_active_model_of_some_of_the_features_is_judged_by_those(gate: Gate) -> None:
    """As a model of the base set is beside one of more features."""
    bias, city = FEATURES.index("bias"), FEATURES.index("same_city")
    model, _ = gate.store("whole")
    gate.value("UPDATE recommender_models SET is_active = false")
    gate.value(
        "INSERT INTO recommender_models (model_version, feature_names, weights, is_active)"
        " VALUES ('few', $1, $2, true)",
        [FEATURES[city], FEATURES[bias]],
        [1.5, -2.0],
    )
    weights = np.zeros(len(FEATURES))
    weights[[city, bias]] = 1.5, -2.0
    compared = gate.run(compare_with_active(gate.connection, model.fit.weights, FEATURES))
    assert compared.compared_with == "few"
    assert compared.compared_loss == pytest.approx(gate.value(LOSS, weights.tolist()), rel=1e-12)


def test_a_model_is_compared_with_the_largest_weights_there_can_be(gate: Gate) -> None:
    gate.value(
        "INSERT INTO recommender_models (model_version, feature_names, weights, is_active, meta)"
        " VALUES ('sure', $1, $2, true, '{\"training_odds\": \"many\"}')",
        FEATURES,
        [1e6, -1e6] * 4,
    )
    model, verdict = gate.store("good")
    assert model.comparison.compared_loss is not None
    assert 1 < model.comparison.compared_loss < 1e7
    assert (verdict.is_activated, verdict.is_warning) == (True, False)


def test_a_pin_that_makes_a_worse_model_score_is_named(gate: Gate) -> None:
    gate.store("good")
    gate.value(
        "INSERT INTO recommender_settings (name, value, source)"
        " VALUES ('recommender_model_version', 'bad', 'admin')"
    )
    _, verdict = gate.store("bad", BAD)
    assert not verdict.is_activated
    assert verdict.reason.endswith("it scores nevertheless, because recommender_settings pins it")


# Another activation between training and storing


def test_a_model_activated_meanwhile_is_what_the_new_one_is_compared_with(gate: Gate) -> None:
    gate.store("good")
    gate.store("bad", BAD, force=True)
    model = gate.train(BAD)
    assert model.comparison.compared_with == "bad"
    gate.value("SELECT recommender.activate_model('good')")
    version, verdict = gate.run(store_under(gate.connection, model, None))
    assert not verdict.is_activated
    assert gate.value(ACTIVE) == "good"
    assert gate.meta(version)["compared_with"] == "good"


def test_an_activation_that_is_not_committed_yet_is_waited_for(gate: Gate) -> None:
    gate.store("good")
    gate.store("bad", BAD, force=True)
    model = gate.train(BAD)

    async def activate_meanwhile() -> tuple[str, Verdict]:
        admin, control = [await open_session(gate.url) for _ in range(2)]
        try:
            async with admin.transaction():
                await admin.execute("SELECT recommender.activate_model('good')")
                storing = asyncio.create_task(store_under(gate.connection, model, "new"))
                await until_waiting(control, gate.connection, storing)
                assert not storing.done()
            return await storing
        finally:
            await admin.close()
            await control.close()

    _, verdict = gate.run(activate_meanwhile())
    assert not verdict.is_activated
    assert gate.value(ACTIVE) == "good"
    assert gate.meta("new")["compared_with"] == "good"


def test_an_activation_waits_until_the_judged_model_is_stored(gate: Gate) -> None:
    gate.store("bad", BAD)
    gate.store("other", BAD, force=True)
    model = gate.train(GOOD)

    async def store_meanwhile() -> None:
        admin, control = [await open_session(gate.url) for _ in range(2)]
        try:
            async with gate.connection.transaction():
                await store_under(gate.connection, model, "good")
                activation = asyncio.create_task(
                    admin.execute("SELECT recommender.activate_model('bad')")
                )
                await until_waiting(control, admin, activation)
                assert not activation.done()
            await activation
        finally:
            await admin.close()
            await control.close()

    gate.run(store_meanwhile())
    assert gate.value(ACTIVE) == "bad"
    assert (
        gate.value("SELECT previous_version FROM model_activations ORDER BY id DESC LIMIT 1")
        == "good"
    )


@pytest.mark.parametrize("compared_with", ["other", None])
def test_sql_stores_no_model_that_was_compared_with_another(
    gate: Gate, compared_with: str | None
) -> None:
    gate.store("good")
    with pytest.raises(PostgresError, match='but "good" is active now') as refusal:
        gate.value(
            "SELECT recommender.store_judged_model('new', $1, $2, $3::jsonb, true)",
            FEATURES,
            [0.0] * 8,
            json.dumps({"compared_with": compared_with, "holdout_students": 100}),
        )
    assert refusal.value.sqlstate == "ER031"
    assert refusal.value.hint == "compare it again: recommender.compare_with_active"
    assert gate.value(MODELS) == ["good"]


# As a job


def test_a_job_whose_model_is_kept_back_says_so_and_asks_for_the_lists(gate: Gate) -> None:
    gate.store("good")
    result = gate.train_as_job(l2=1e6, solver="newton", model_version="bad", top_n=7)
    assert (result["model_version"], result["activated"]) == ("bad", False)
    assert "worse by more than" in result["reason"]
    assert gate.value(ACTIVE) == "good"
    payload = gate.value(
        "SELECT payload FROM background_jobs WHERE id = $1", result["rescore_job_id"]
    )
    assert json.loads(payload) == {"skip_training": True, "top_n": 7}
    forced = gate.train_as_job(l2=1e6, solver="newton", model_version="worse", force=True)
    assert forced["activated"] is True
    assert gate.value(ACTIVE) == "worse"


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_force_is_true_or_false(gate: Gate, value: object) -> None:
    with pytest.raises(PostgresError, match="expected one of true, false") as refusal:
        gate.train_as_job(force=value)
    assert refusal.value.sqlstate == "ER042"


# On the command line


def test_the_command_keeps_a_worse_model_back_and_writes_the_lists_of_the_active_one(
    gate: Gate,
) -> None:
    gate.store("good")
    command = Command(gate.url, gate.connection, gate.run)
    bad = ("--as-of", AS_OF.isoformat(), "--top-n", "5", "--solver", "newton", "--l2", "1e6")
    before = command.checksums()
    dry = command(*bad, "--dry-run")
    succeed(dry)
    assert "warning: the model would not be activated: held-out loss 0." in dry.stderr
    assert command.checksums() == before

    done = command(*bad, version="bad")
    assert " by model good as of " in succeed(done)
    (line,) = [line for line in done.stderr.splitlines() if "not activated" in line]
    meta = gate.meta("bad")
    assert line.startswith("warning: model bad is stored but not activated: held-out loss ")
    assert f"{meta['held_out_loss']:.6f}" in line
    assert f'"good" {meta["compared_loss"]:.6f}' in line
    assert line.endswith("; --force activates it all the same")
    assert {row[4] for row in command.lists()} == {"good"}
    assert gate.value(ACTIVE) == "good"

    student = gate.value("SELECT min(user_id) FROM recommendation_lists")
    succeed(command(*bad, "--user-id", str(student), version="bad again"))
    assert {row[4] for row in command.lists()} == {"good"}

    forced = command(*bad, "--force", version="forced")
    assert " by model forced as of " in succeed(forced)
    assert "warning: activated: forced in spite of held-out loss " in forced.stderr
    assert {row[4] for row in command.lists()} == {"forced"}
    fail_with(command(*bad, version="bad"), "model 'bad' exists already")
