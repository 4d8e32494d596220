"""Train a model: SQL builds the examples, numpy fits the weights, SQL keeps them."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from app.console import UserError
from app.training.examples import CALIBRATION, FEATURE_NAMES, Examples, read_examples
from app.training.gate import (
    Comparison,
    Verdict,
    compare_with_active,
    compare_with_popularity,
)
from app.training.solver import (
    Fit,
    bias_shift,
    check_weights,
    column_scales,
    fit_newton,
    fit_sgd,
    standard_errors,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from asyncpg import Connection, Record

    from app.training.solver import Array

Solver = Literal["sgd", "newton"]
History = Literal["leave-one-out", "all"]
ExamplesOf = Literal["auto", "windows", "reference"]
FeatureSet = Literal["site", "base", "extended"]
Penalty = Literal["auto", "plain", "standardized"]

FEWEST_WINDOW_POSITIVES = 200
"""Below it, windows say too little to fit a score of weights; the reference's examples are more."""

FEWEST_CALIBRATION_POSITIVES = 200
"""Below it, the newest window says too little of how often a pair comes."""

SHARE_OF_SHIFT = 0.5
"""How much of the shift the newest window asks for the bias gets: the next window is between that
one and those before (docs/quality.md)."""

COUNT_INPUTS = """
SELECT
    (SELECT count(*) FROM recommender.source_students) AS students,
    (SELECT count(*) FROM recommender.source_events AS e WHERE e.is_known) AS events
"""

FEATURE_SET = "SELECT p.feature_set FROM recommender.parameters AS p"
NAMES = "SELECT recommender.feature_names($1)"
ACTIVE_NAMES = """
SELECT m.feature_names FROM public.recommender_models AS m
WHERE m.is_active AND recommender.feature_set(m.feature_names) IS NOT NULL
"""

BUILD = "SELECT b.kind, b.example_count FROM recommender.build_training_matrix($1, $2, $3, $4) AS b"
BUILD_WINDOWS = """
SELECT b.kind, b.example_count
FROM recommender.build_training_windows($1, $2, $3, $4, $5, $6) AS b
"""

EVALUATE = """
SELECT h.student_count, h.hitrate_at_10, h.chance_at_10
FROM recommender.evaluate_holdouts($1, $2) AS h
"""

STORE = "SELECT recommender.store_model($1, $2, $3, $4::jsonb, $5)"
STORE_JUDGED = """
SELECT s.is_activated, s.is_warning, s.reason
FROM recommender.store_judged_model($1, $2, $3, $4::jsonb, $5) AS s
"""


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are what ranked best (docs/quality.md)."""

    recipe: ExamplesOf = "auto"
    """Where examples come from: windows before now, or all at one moment as in the reference; auto
    takes windows unless they hold too few positives."""
    solver: Solver = "newton"
    history: History = "leave-one-out"
    epochs: int = 6
    lr: float = 0.35
    l2: float = 0.0003
    penalty: Penalty = "auto"
    """What l2 weighs: the weights as they are (plain), or each times the standard deviation of its
    feature. auto: plain with the base set, whose features are all between 0 and 1."""
    seed: int = 1337
    negatives_per_positive: int = 3
    eval_negatives: int = 50
    feature_set: FeatureSet = "site"
    """site: what RECOMMENDER_FEATURE_SET says."""
    windows: int = 4
    window_days: int = 14

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Recipe:
        """Take the arguments that are part of it; a whole number in JSON may be written 6.0."""
        return cls(
            **{
                part.name: type(getattr(cls, part.name))(arguments[part.name])
                for part in fields(cls)
                if part.name in arguments
            }
        )


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """Fitted weights, one for each feature name, and what is known about them."""

    feature_names: tuple[str, ...]
    fit: Fit
    errors: Array
    """Standard errors; NaN where the examples say nothing about a weight."""
    example_counts: Mapping[str, int]
    student_count: int
    """Students with a held-out positive."""
    hitrate: float | None
    """Share of held-out positives among the first ten; None without any."""
    chance: float | None
    """The same for a random order."""
    comparison: Comparison
    recipe: Recipe
    as_of: datetime
    bias_shift: float | None
    """What was added to the fitted bias; None: the newest window has too few positives."""

    def meta(self) -> dict[str, Any]:
        """Give what recommender_models.meta keeps, as JSON can hold it."""
        return {
            **vars(self.recipe),
            "as_of": self.as_of.isoformat(),
            "examples": dict(self.example_counts),
            "loss": self.fit.loss,
            "iterations": self.fit.iterations,
            "converged": self.fit.converged,
            "bias_shift": self.bias_shift,
            "standard_errors": {
                name: None if np.isnan(error) else float(error)
                for name, error in zip(self.feature_names, self.errors, strict=True)
            },
            "hitrate_at_10": self.hitrate,
            "chance_at_10": self.chance,
            "holdout_students": self.student_count,
            **vars(self.comparison),
        }


async def train_model(connection: Connection[Record], recipe: Recipe) -> TrainedModel:
    """Train on what was known at recommender.as_of(), in one snapshot; nothing shared changes.

    The snapshot ends before the fit, which may take minutes: a transaction that stays open keeps
    its locks on every partition of the telemetry, and vacuum from its work. What is evaluated after
    it are temporary tables of this session.

    Without students, events or positives there is nothing to learn: a UserError each. The model is
    not compared with popularity yet: train_for_activation does that.
    """
    async with connection.transaction(isolation="repeatable_read"):
        as_of = await connection.fetchval("SELECT recommender.as_of()")
        await _check_inputs(connection, as_of)
        recipe, names = await _choose_features(connection, recipe)
        recipe, counts = await _build_examples(connection, recipe, names)
        examples = await read_examples(connection, names)
        newest = await read_examples(connection, names, CALIBRATION)
        _check_labels(counts, recipe, as_of)
    fit, errors = fit_examples(examples, recipe, names)
    fit, shift = calibrate(fit, newest)
    score = await connection.fetchrow(EVALUATE, fit.weights.tolist(), list(names))
    comparison = await compare_with_active(connection, fit.weights, names)
    assert score is not None
    return TrainedModel(
        feature_names=names,
        fit=fit,
        errors=errors,
        example_counts=counts,
        student_count=score["student_count"],
        hitrate=score["hitrate_at_10"],
        chance=score["chance_at_10"],
        comparison=comparison,
        recipe=recipe,
        as_of=as_of,
        bias_shift=shift,
    )


async def train_for_activation(connection: Connection[Record], recipe: Recipe) -> TrainedModel:
    """Train, and see whether the model beats popularity on the newest window."""
    model = await train_model(connection, recipe)
    popularity = await compare_with_popularity(
        connection,
        model.fit.weights,
        model.feature_names,
        timedelta(days=recipe.window_days),
    )
    return replace(model, comparison=replace(model.comparison, against_popularity=popularity))


async def _choose_features(
    connection: Connection[Record], recipe: Recipe
) -> tuple[Recipe, tuple[str, ...]]:
    """Give the recipe with its feature set, and the names of that."""
    chosen = recipe.feature_set
    if chosen == "site":
        chosen = await connection.fetchval(FEATURE_SET)
    if chosen == "extended" and (recipe.recipe == "reference" or recipe.history == "all"):
        raise UserError(
            "the extended features are of the start of a window, which the reference's examples do "
            "not have: give --recipe windows, or --feature-set base"
        )
    names = tuple(await connection.fetchval(NAMES, chosen))
    penalty = recipe.penalty
    if penalty == "auto":
        penalty = "plain" if chosen == "base" else "standardized"
    return replace(recipe, feature_set=chosen, penalty=penalty), names


async def _build_examples(
    connection: Connection[Record], recipe: Recipe, names: Sequence[str]
) -> tuple[Recipe, Mapping[str, int]]:
    """Fill pg_temp.training_matrix; give the recipe that did it, and its examples by kind."""
    sampling = (recipe.seed, recipe.negatives_per_positive, recipe.eval_negatives)
    # A history that keeps the example's own event is a question about the reference's examples.
    if recipe.recipe == "windows" or (recipe.recipe == "auto" and recipe.history != "all"):
        # The active model is judged on the same rows, by its own features.
        all_names = dict.fromkeys([*names, *(await connection.fetchval(ACTIVE_NAMES) or ())])
        counts = _by_kind(
            await connection.fetch(
                BUILD_WINDOWS, *sampling, recipe.windows, recipe.window_days, [*all_names]
            )
        )
        if (
            recipe.recipe == "windows"
            or recipe.feature_set == "extended"
            or counts.get("positive", 0) >= FEWEST_WINDOW_POSITIVES
        ):
            return replace(recipe, recipe="windows"), counts
    counts = _by_kind(await connection.fetch(BUILD, *sampling, recipe.history))
    return replace(recipe, recipe="reference"), counts


def _by_kind(rows: Sequence[Record]) -> dict[str, int]:
    return {row["kind"]: row["example_count"] for row in rows}


def fit_examples(
    examples: Examples, recipe: Recipe, feature_names: Sequence[str] = FEATURE_NAMES
) -> tuple[Fit, Array]:
    """Fit the weights and their standard errors; what the solver refuses is a UserError.

    A standardized penalty sees columns of standard deviation 1; the weights are those of the
    features as they are.
    """
    x, y, w = examples.features, examples.labels, examples.weights
    try:
        scales = np.ones(x.shape[1])
        if recipe.penalty == "standardized":
            scales = column_scales(x, w)
            x = x / scales
        if recipe.solver == "newton":
            fit = fit_newton(x, y, w, recipe.l2)
        else:
            fit = fit_sgd(x, y, w, recipe.l2, epochs=recipe.epochs, lr=recipe.lr, seed=recipe.seed)
        weights = fit.weights / scales
        check_weights(weights, feature_names)
        errors = standard_errors(fit.weights, x, y, w, recipe.l2) / scales
        return replace(fit, weights=weights), errors
    except ValueError as error:
        raise UserError(f"the model could not be fitted: {error}") from error


def calibrate(fit: Fit, newest: Examples) -> tuple[Fit, float | None]:
    """Move the bias towards what examples of the newest window say, and say how far.

    The order of lists stays; loss stays that of the weights as fitted. None: too few positives.
    """
    positives = np.count_nonzero(newest.labels)
    if positives < FEWEST_CALIBRATION_POSITIVES or positives == len(newest):
        return fit, None
    logits = newest.features @ fit.weights
    shift = SHARE_OF_SHIFT * bias_shift(logits, newest.labels, newest.weights)
    weights = fit.weights.copy()
    weights[0] += shift
    return replace(fit, weights=weights), shift


async def store_model(
    connection: Connection[Record], model: TrainedModel, version: str, *, activate: bool = True
) -> None:
    """Keep the model under a version of its own; activate it, whatever it is worth."""
    await connection.execute(STORE, *_columns(model, version), activate)


async def store_judged_model(
    connection: Connection[Record], model: TrainedModel, version: str, *, force: bool = False
) -> Verdict:
    """Keep the model under a version of its own; activate it unless it is worse than the active.

    ER031 when another model is active by now than the one it was compared with.
    """
    return Verdict.of(await connection.fetchrow(STORE_JUDGED, *_columns(model, version), force))


def _columns(model: TrainedModel, version: str) -> tuple[str, list[str], list[float], str]:
    meta = json.dumps(model.meta(), allow_nan=False)
    return version, list(model.feature_names), model.fit.weights.tolist(), meta


async def _check_inputs(connection: Connection[Record], as_of: datetime) -> None:
    row = await connection.fetchrow(COUNT_INPUTS)
    assert row is not None
    if not row["students"]:
        raise UserError("there are no students: users with role student are what lists are for")
    if not row["events"]:
        raise UserError(f"there are no events known at {as_of:%Y-%m-%d %H:%M:%S%z}")


def _check_labels(counts: Mapping[str, int], recipe: Recipe, as_of: datetime) -> None:
    positives = counts.get("positive", 0) + counts.get("weak_positive", 0)
    if not positives and recipe.recipe == "windows":
        way_out = "--feature-set base" if recipe.feature_set == "extended" else "--recipe reference"
        raise UserError(
            f"there is nothing to learn from in {recipe.windows} windows of {recipe.window_days} "
            f"days that end {recipe.window_days} days before {as_of:%Y-%m-%d %H:%M:%S%z}: give "
            f"{way_out}, or another --windows or --window-days"
        )
    if not positives:
        raise UserError(
            f"there is nothing to learn from by {as_of:%Y-%m-%d %H:%M:%S%z}: no student has "
            "registered for, saved, opened or searched for anything yet"
        )
    if not counts.get("negative", 0) + counts.get("unregister", 0):
        if not counts.get("positive", 0):
            raise UserError(
                "nobody has registered for, saved or opened an event yet: searches and filters "
                "alone say what is wanted, but not what is not"
            )
        raise UserError(
            "there is nothing to tell positives from: every student wanted every event, or "
            "--negatives-per-positive is 0"
        )
