"""The solvers against scikit-learn, closed forms and simulated truth; no database needed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression

from app.training import solver
from app.training.solver import (
    Fit,
    bias_shift,
    check_weights,
    fit_newton,
    fit_sgd,
    objective,
    standard_errors,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Examples = tuple[Array, Array, Array]

L2 = 0.01
SEEDS = (1337, 1, 2, 3, 4, 5, 6, 7)


def sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


def with_bias(*columns: Array) -> Array:
    return np.column_stack([np.ones(len(columns[0])), *columns])


def positives_of(share: float, z: Array, rng: np.random.Generator) -> Array:
    """Draw labels with the log-odds z, moved so that about this share is positive."""
    low, high = -50.0, 50.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(z + middle).mean() < share else (low, middle)
    y = (rng.random(len(z)) < sigmoid(z + low)).astype(np.float64)
    y[0], y[1] = 1.0, 0.0
    return y


def recommender_examples(rows: int, share: float, seed: int) -> Examples:
    """Seven features like the recommender's: rare, skewed, correlated, twins, constants."""
    rng = np.random.default_rng(seed)
    interest = rng.beta(0.3, 3, rows)
    history = np.clip(interest * 0.8 + rng.normal(0, 0.05, rows), 0, 1)
    city = (rng.random(rows) < 0.4).astype(np.float64)
    organizer = (rng.random(rows) < 0.004).astype(np.float64)
    popularity = rng.random(rows) ** 3
    x = with_bias(interest, history, city, organizer, popularity, np.full(rows, 0.3), city)
    y = positives_of(share, x @ np.array([0, 2, 1, 1.5, 4, -0.5, 0, 0]), rng)
    w = rng.choice([0.05, 0.35, 0.5, 1.0, 2.0], rows)
    return x, y, w


@st.composite
def small_examples(draw: st.DrawFn) -> Examples:
    rows, columns = draw(st.integers(2, 40)), draw(st.integers(1, 5))
    value = st.sampled_from([0.0, 0.25, 1 / 3, 1.0]) | st.floats(0, 1, width=32)
    x = draw(hnp.arrays(np.float64, (rows, columns), elements=value))
    y = draw(hnp.arrays(np.float64, rows, elements=st.sampled_from([0.0, 1.0])))
    y[0], y[1] = 0.0, 1.0
    w = draw(hnp.arrays(np.float64, rows, elements=st.floats(0.05, 2)))
    return with_bias(*x.T), y, w


def scikit_learn_optimum(examples: Examples, l2: float) -> Array:
    """Solve the same objective: C weighs the summed loss, and the intercept is not penalised."""
    x, y, w = examples
    reference = LogisticRegression(
        C=1 / (l2 * w.sum()), solver="newton-cholesky", tol=1e-12, max_iter=1000
    )
    reference.fit(x[:, 1:], y, sample_weight=w)
    return np.concatenate([reference.intercept_, reference.coef_[0]])


def numeric_gradient(function: Callable[[Array], float], beta: Array, step: float = 1e-5) -> Array:
    units = np.eye(len(beta)) * step
    return np.array([(function(beta + u) - function(beta - u)) / (2 * step) for u in units])


# The objective


def test_objective_is_the_weighted_mean_loss_plus_the_penalty_without_the_bias() -> None:
    x, y, w = np.array([[1.0, 0.5], [1.0, 1.0]]), np.array([1.0, 0.0]), np.array([1.0, 3.0])
    losses = -np.log([sigmoid(np.array(1.0)), 1 - sigmoid(np.array(0.0))])
    expected = (1 * losses[0] + 3 * losses[1]) / 4 + 0.1 / 2 * (-2.0) ** 2
    assert objective([2.0, -2.0], x, y, w, 0.1) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("logit", [1e6, -1e6, 800.0, -800.0])
def test_objective_of_an_extreme_logit_is_exact(logit: float) -> None:
    x, w = np.ones((2, 1)), np.ones(2)
    assert objective([logit], x, [0, 0], w, 0.0) == max(logit, 0)
    assert objective([logit], x, [1, 1], w, 0.0) == max(-logit, 0)


@settings(deadline=None, max_examples=60)
@given(small_examples(), st.floats(0, 10), st.integers(0, 2**32))
def test_derivatives_agree_with_finite_differences(
    examples: Examples, l2: float, seed: int
) -> None:
    x, y, w = examples
    beta: Array = np.random.default_rng(seed).normal(0, 2, (x.shape[1],))
    problem = solver._check_examples(x, y, w, l2)

    def gradient_at(b: Array) -> Array:
        return solver._gradient_and_hessian(problem, b, x @ b)[0]

    gradient, hessian = solver._gradient_and_hessian(problem, beta, x @ beta)
    assert_allclose(
        gradient, numeric_gradient(lambda b: objective(b, x, y, w, l2), beta), atol=1e-6
    )
    columns = [
        (gradient_at(beta + u) - gradient_at(beta - u)) / 2e-5 for u in np.eye(len(beta)) * 1e-5
    ]
    assert_allclose(hessian, np.array(columns), atol=1e-6)


# The bias alone


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.floats(-40, 40), st.floats(0.1, 2)), min_size=2, max_size=20),
    st.integers(0, 2**32),
)
def test_the_shift_makes_the_mean_prediction_the_share_of_positives(
    rows: list[tuple[float, float]], seed: int
) -> None:
    logits, w = np.array(rows).T
    y = (np.arange(len(rows)) % 2).astype(np.float64)
    np.random.default_rng(seed).shuffle(y)
    shift = bias_shift(logits, y, w)
    assert np.average(sigmoid(logits + shift), weights=w) == pytest.approx(
        np.average(y, weights=w), abs=1e-9
    )


# Newton


@settings(deadline=None, max_examples=150)
@given(small_examples(), st.sampled_from([1e-3, 0.01, 0.1, 1.0, 100.0]))
def test_newton_finds_the_optimum_of_scikit_learn(examples: Examples, l2: float) -> None:
    fit = fit_newton(*examples, l2)
    assert fit.converged
    assert_allclose(fit.weights, scikit_learn_optimum(examples, l2), rtol=0, atol=1e-6)
    assert fit.loss == objective(fit.weights, *examples, l2)


@pytest.mark.parametrize(("rows", "share"), [(50, 0.5), (2_000, 0.01), (60_000, 0.05)])
def test_newton_finds_the_optimum_of_scikit_learn_on_recommender_like_data(
    rows: int, share: float
) -> None:
    examples = recommender_examples(rows, share, seed=rows)
    fit = fit_newton(*examples, L2)
    assert_allclose(fit.weights, scikit_learn_optimum(examples, L2), rtol=0, atol=1e-6)
    assert fit.iterations <= 10


@settings(deadline=None, max_examples=60)
@given(small_examples(), st.sampled_from([1e-6, 1e-3, 0.01, 1.0]))
def test_gradient_is_zero_at_newtons_optimum(examples: Examples, l2: float) -> None:
    problem = solver._check_examples(*examples, l2)
    weights = fit_newton(*examples, l2).weights
    gradient, _ = solver._gradient_and_hessian(problem, weights, problem.x @ weights)
    assert np.abs(gradient).max() < 1e-9


@settings(deadline=None, max_examples=40)
@given(small_examples(), st.sampled_from([3.0, 0.01, 1e9]))
def test_newton_ignores_the_scale_of_the_weights_and_repeated_rows(
    examples: Examples, factor: float
) -> None:
    x, y, w = examples
    weights = fit_newton(x, y, w, L2).weights
    assert_allclose(fit_newton(x, y, w * factor, L2).weights, weights, atol=1e-9)
    doubled = (np.repeat(x, 2, axis=0), np.repeat(y, 2), np.repeat(w, 2))
    assert_allclose(fit_newton(*doubled, L2).weights, weights, atol=1e-9)


def test_a_row_of_weight_two_is_two_rows() -> None:
    x, y, _ = recommender_examples(200, 0.3, seed=4)
    w = np.where(np.arange(200) % 3 == 0, 2.0, 1.0)
    repeated = w.astype(int)
    fit = fit_newton(x, y, w, L2)
    again = fit_newton(x.repeat(repeated, 0), y.repeat(repeated), np.ones(repeated.sum()), L2)
    assert_allclose(fit.weights, again.weights, atol=1e-9)


def test_the_bias_alone_is_the_log_odds() -> None:
    fit = fit_newton(np.ones((5, 1)), [1, 0, 0, 0, 0], np.ones(5), 123.0)
    assert_allclose(fit.weights, [np.log(1 / 4)], atol=1e-12)


def test_without_penalty_a_single_yes_or_no_feature_gets_the_log_odds_ratio() -> None:
    counts = {(1, 1): 7, (1, 0): 13, (0, 1): 5, (0, 0): 45}
    x = with_bias(np.concatenate([np.full(n, float(f)) for (f, _), n in counts.items()]))
    y = np.concatenate([np.full(n, label) for (_, label), n in counts.items()])
    fit = fit_newton(x, y, np.ones(len(y)), 0.0)
    assert_allclose(fit.weights, [np.log(5 / 45), np.log(7 * 45 / (13 * 5))], atol=1e-9)


def test_without_penalty_columns_that_say_nothing_new_get_the_smallest_weights() -> None:
    x, y, w = recommender_examples(500, 0.3, seed=5)
    city, organizer = x[:, 3], x[:, 1]
    alone = fit_newton(with_bias(city, organizer), y, w, 0.0).weights
    nothing, ones = np.zeros(500), np.ones(500)
    fit = fit_newton(with_bias(city, nothing, organizer, city, ones), y, w, 0.0)
    assert fit.converged
    assert_allclose(fit.weights, [alone[0], alone[1] / 2, 0, alone[2], alone[1] / 2, 0], atol=1e-8)


def test_without_penalty_a_sum_of_columns_is_where_a_vanishing_penalty_leads() -> None:
    x, y, w = recommender_examples(500, 0.3, seed=6)
    x = with_bias(x[:, 1], x[:, 3], x[:, 1] + x[:, 3])
    assert_allclose(fit_newton(x, y, w, 0.0).weights, fit_newton(x, y, w, 1e-8).weights, atol=1e-4)


SEPARABLE = {
    "completely": ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]),
    "but for a tie": ([0.0, 0.5, 0.5, 1.0], [0, 0, 1, 1]),
    "by a feature that only positives have": ([0.0] * 30 + [1.0], [1, 0, 0] * 10 + [1]),
    "by a rare feature among few positives": ([0.0] * 999 + [1.0], [1] + [0] * 998 + [1]),
}


@pytest.mark.parametrize("case", SEPARABLE)
def test_newton_without_penalty_refuses_separable_labels(case: str) -> None:
    feature, y = SEPARABLE[case]
    x = with_bias(np.array(feature))
    with pytest.raises(ValueError, match="no finite optimum"):
        fit_newton(x, y, np.ones(len(y)), 0.0)


def test_newton_without_penalty_is_not_fooled_by_certainty_beyond_rounding() -> None:
    """All rows below the highest feature can be certain, and their curvature rounds to nothing."""
    third = 0.333
    one = [0.001, 0.081, 0.001, 0.058, 0.02, 0.008, 0.055]
    thirds, none = [0.045, 0.006, 0.144, 0.042], [0.03, 0.001, 0.044, 0.05, 0.0, 0.038]
    feature = np.repeat([1.0, third, 0.0, 2 * third], [7, 4, 6, 3])
    x = with_bias(feature, np.array([*one, *thirds, *none, 0.0, 0.164, 0.619]))
    y = np.zeros(20)
    y[[1, 6]] = 1
    w = np.array([0.5, 1, 1, 1, 1, 1, 0.35, 1, 1, 0.5, 1, 0.5, 0.5, 0.5, 0.5, 1, 1, 1, 0.05, 0.05])
    with pytest.raises(ValueError, match="no finite optimum"):
        fit_newton(x, y, w, 0.0)


@pytest.mark.parametrize("case", SEPARABLE)
@pytest.mark.parametrize("l2", [1e-6, L2])
def test_any_penalty_keeps_separable_labels_finite(case: str, l2: float) -> None:
    feature, y = SEPARABLE[case]
    examples = (with_bias(np.array(feature)), np.array(y, dtype=np.float64), np.ones(len(y)))
    fit = fit_newton(*examples, l2)
    assert fit.converged
    check_weights(fit.weights, ["bias", "feature"])
    problem = solver._check_examples(*examples, l2)
    gradient, _ = solver._gradient_and_hessian(problem, fit.weights, problem.x @ fit.weights)
    assert np.abs(gradient).max() < 1e-9


def test_newton_copes_with_features_of_very_different_scales() -> None:
    x, y, w = recommender_examples(500, 0.2, seed=8)
    x = x[:, [0, 1, 3, 5]]
    scales = np.array([1.0, 1e-6, 1e6, 1e3])
    scaled = fit_newton(x * scales, y, w, 0.0)
    assert_allclose(scaled.weights * scales, fit_newton(x, y, w, 0.0).weights, rtol=1e-6)


# SGD


@pytest.mark.parametrize("rows", [20, 60, 257, 1_000, 5_000, 30_000])
@pytest.mark.parametrize("share", [0.5, 0.2, 0.01])
def test_sgd_ends_within_one_percent_of_newton_for_every_seed(rows: int, share: float) -> None:
    examples = recommender_examples(rows, share, seed=rows)
    best = fit_newton(*examples, L2).loss
    fits = [fit_sgd(*examples, L2, seed=seed) for seed in SEEDS]
    assert all(best - 1e-12 <= fit.loss <= 1.01 * best for fit in fits), [
        fit.loss / best for fit in fits
    ]
    assert all(fit.converged for fit in fits)


@settings(deadline=None, max_examples=30)
@given(small_examples(), st.integers(0, 2**32))
def test_sgd_ends_within_one_percent_of_newton_on_small_data(examples: Examples, seed: int) -> None:
    assert fit_sgd(*examples, L2, seed=seed).loss <= 1.01 * fit_newton(*examples, L2).loss


def test_sgd_ends_within_one_percent_of_newton_on_the_largest_data() -> None:
    examples = recommender_examples(700_000, 0.01, seed=9)
    assert fit_sgd(*examples, L2).loss <= 1.01 * fit_newton(*examples, L2).loss


def test_sgd_stays_stable_where_importance_and_imbalance_add_up() -> None:
    x, y, _ = recommender_examples(10_000, 0.01, seed=10)
    for positive, negative in ((2.0, 0.05), (0.05, 2.0)):
        w = np.where(y == 1, positive, negative)
        best = fit_newton(x, y, w, L2).loss
        losses = [fit_sgd(x, y, w, L2, seed=seed).loss for seed in SEEDS]
        assert max(losses) <= 1.01 * best


def test_the_same_seed_gives_the_same_bits() -> None:
    examples = recommender_examples(3_000, 0.1, seed=11)
    assert fit_sgd(*examples, L2).weights.tobytes() == fit_sgd(*examples, L2).weights.tobytes()


def test_the_same_seed_gives_the_same_bits_in_another_process() -> None:
    script = (
        "import hashlib; from tests.test_solver import *;"
        "f = fit_sgd(*recommender_examples(3_000, 0.1, seed=11), L2);"
        "print(hashlib.sha256(f.weights.tobytes()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    here = fit_sgd(*recommender_examples(3_000, 0.1, seed=11), L2)
    assert done.stdout.strip() == hashlib.sha256(here.weights.tobytes()).hexdigest()


def test_other_seeds_give_other_weights_and_nearly_the_same_ranking() -> None:
    x, y, w = recommender_examples(5_000, 0.05, seed=12)
    weights = np.array([fit_sgd(x, y, w, L2, seed=seed).weights for seed in SEEDS])
    assert len({row.tobytes() for row in weights}) == len(SEEDS)
    exact = fit_newton(x, y, w, L2).weights
    large = np.abs(exact) > 0.05
    assert (np.sign(weights[:, large]) == np.sign(exact[large])).all()
    candidates = recommender_examples(1_000, 0.05, seed=13)[0]
    ranks = np.argsort(np.argsort(candidates @ weights.T, axis=0), axis=0)
    correlation = np.corrcoef(ranks.T)
    assert correlation.min() > 0.999


def test_more_epochs_come_closer_to_the_optimum() -> None:
    examples = recommender_examples(5_000, 0.05, seed=14)
    fits = [fit_sgd(*examples, L2, epochs=epochs) for epochs in (1, 4, 16)]
    assert [fit.loss for fit in fits] == sorted((fit.loss for fit in fits), reverse=True)
    assert [fit.iterations for fit in fits] == [80, 320, 1280]


def test_a_higher_learning_rate_leaves_the_start_faster() -> None:
    examples = recommender_examples(5_000, 0.05, seed=14)
    losses = [fit_sgd(*examples, L2, lr=lr).loss for lr in (1e-6, 1e-4, 1e-3, 1e-2, 0.35)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("lr", [1.0, 10.0, 1e308])
@pytest.mark.parametrize("share", [0.05, 0.001])
def test_no_learning_rate_diverges(lr: float, share: float) -> None:
    examples = recommender_examples(5_000, share, seed=7)
    assert fit_sgd(*examples, L2, lr=lr).loss <= 1.01 * fit_newton(*examples, L2).loss


def test_sgd_gives_twins_equal_weights_and_constants_none() -> None:
    x, y, w = recommender_examples(2_000, 0.1, seed=16)
    for l2 in (0.0, L2):
        weights = fit_sgd(x, y, w, l2).weights
        assert weights[3] == pytest.approx(weights[7], abs=1e-9)
        assert_allclose(fit_sgd(with_bias(np.zeros(2_000)), y, w, l2).weights[1], 0)
    assert weights[6] == pytest.approx(0, abs=0.01)


def test_sgd_without_penalty_waits_for_a_feature_that_early_batches_have_not_met() -> None:
    x, y, w = recommender_examples(20_000, 0.2, seed=23)
    rare = (np.arange(20_000) % 5_000 == 0).astype(np.float64)
    y[rare == 1] = [1, 0, 0, 1]
    examples = (np.column_stack([x[:, :4], rare]), y, w)
    best = fit_newton(*examples, 0.0).loss
    assert all(fit_sgd(*examples, 0.0, seed=seed).loss <= 1.01 * best for seed in SEEDS)


@pytest.mark.parametrize("case", SEPARABLE)
def test_sgd_stays_finite_on_separable_labels_without_penalty(case: str) -> None:
    feature, y = SEPARABLE[case]
    fit = fit_sgd(with_bias(np.array(feature)), y, np.ones(len(y)), 0.0)
    assert np.abs(fit.weights).max() < 1_000


def test_sgd_says_when_it_has_not_arrived() -> None:
    feature, y = SEPARABLE["completely"]
    assert not fit_sgd(with_bias(np.array(feature)), y, np.ones(4), 0.0).converged
    examples = recommender_examples(5_000, 0.05, seed=14)
    assert not fit_sgd(*examples, L2, lr=1e-4).converged


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, not 0"),
        ({"epochs": -3}, "epochs must be"),
        ({"epochs": 1.5}, "epochs must be"),
        ({"epochs": float("nan")}, "epochs must be"),
        ({"epochs": float("inf")}, "epochs must be"),
        ({"lr": 0.0}, "the learning rate must be a finite number above 0, not 0.0"),
        ({"lr": -0.35}, "the learning rate must be"),
        ({"lr": float("nan")}, "the learning rate must be"),
        ({"lr": float("inf")}, "the learning rate must be"),
        ({"seed": -1}, "the seed must be 0 or more, not -1"),
    ],
)
def test_sgd_refuses_flags_without_meaning(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        fit_sgd(*recommender_examples(20, 0.5, seed=1), L2, **arguments)


# Standard errors


def test_standard_error_of_the_bias_alone_is_the_binomial_one() -> None:
    y = np.array([1.0] * 30 + [0.0] * 70)
    x, w = np.ones((100, 1)), np.full(100, 0.7)
    errors = standard_errors(fit_newton(x, y, w, 0.0).weights, x, y, w, 0.0)
    assert_allclose(errors, [1 / np.sqrt(100 * 0.3 * 0.7)], rtol=1e-9)


def test_standard_error_of_a_yes_or_no_feature_is_the_log_odds_ratios() -> None:
    counts = {(1, 1): 7, (1, 0): 13, (0, 1): 5, (0, 0): 45}
    x = with_bias(np.concatenate([np.full(n, float(f)) for (f, _), n in counts.items()]))
    y = np.concatenate([np.full(n, float(label)) for (_, label), n in counts.items()])
    w = np.ones(len(y))
    errors = standard_errors(fit_newton(x, y, w, 0.0).weights, x, y, w, 0.0)
    expected = [np.sqrt(1 / 5 + 1 / 45), np.sqrt(1 / 7 + 1 / 13 + 1 / 5 + 1 / 45)]
    assert_allclose(errors, expected, rtol=1e-8)


@pytest.mark.parametrize("l2", [0.0, L2])
def test_standard_errors_are_the_spread_of_the_weights_over_repeated_samples(l2: float) -> None:
    rng = np.random.default_rng(17)
    weights, errors = [], []
    for _ in range(300):
        a, b = rng.random(600), (rng.random(600) < 0.3).astype(np.float64)
        y = (rng.random(600) < sigmoid(-1 + 2 * a - 1.5 * b + 2 * a * b)).astype(np.float64)
        w = np.where(a > 0.5, 2.0, 0.05 + 0.5 * b)
        x = with_bias(a, b)
        weights.append(fit_newton(x, y, w, l2).weights)
        errors.append(standard_errors(weights[-1], x, y, w, l2))
    assert_allclose(np.mean(errors, axis=0), np.std(weights, axis=0), rtol=0.12)


def test_standard_errors_ignore_the_scale_of_the_weights_and_halve_with_four_times_the_rows() -> (
    None
):
    x, y, w = recommender_examples(800, 0.2, seed=18)
    beta = fit_newton(x, y, w, L2).weights
    errors = standard_errors(beta, x, y, w, L2)
    assert_allclose(standard_errors(beta, x, y, w * 50, L2), errors, rtol=1e-9)
    four = (np.tile(x, (4, 1)), np.tile(y, 4), np.tile(w, 4))
    assert_allclose(standard_errors(beta, *four, L2), errors / 2, rtol=1e-9)


@pytest.mark.parametrize("l2", [0.0, L2])
def test_standard_errors_are_nan_where_the_examples_say_nothing(l2: float) -> None:
    x, y, w = recommender_examples(800, 0.2, seed=19)
    x = with_bias(x[:, 1], np.zeros(800), x[:, 3], x[:, 3])
    beta = fit_newton(x, y, w, l2).weights
    assert_array_equal(
        np.isnan(standard_errors(beta, x, y, w, l2)), [False, False, True, True, True]
    )
    constant = with_bias(np.full(800, 0.5), x[:, 3])
    beta = fit_newton(constant, y, w, l2).weights
    assert_array_equal(np.isnan(standard_errors(beta, constant, y, w, l2)), [True, True, False])


def test_standard_errors_are_nan_where_certainty_leaves_no_curvature() -> None:
    x, y = np.ones((4, 1)), np.array([1.0, 1.0, 1.0, 1.0])
    assert np.isnan(standard_errors([800.0], x, y, np.ones(4), 0.0)).all()


# What goes in and what comes out


def break_example(name: str) -> dict[str, Any]:
    x, y, w = recommender_examples(20, 0.5, seed=1)
    good: dict[str, Any] = {"x": x, "y": y, "w": w, "l2": L2}
    broken = x.copy()
    broken[3, 2] = {"nan": np.nan, "infinite": -np.inf}.get(name, 1e200)
    changes: dict[str, dict[str, Any]] = {
        "one-dimensional features": {"x": y},
        "no rows": {"x": np.empty((0, 8)), "y": [], "w": []},
        "no columns": {"x": np.empty((20, 0))},
        "too few labels": {"y": y[1:]},
        "too many weights": {"w": np.ones(21)},
        "nan": {"x": broken},
        "infinite": {"x": broken},
        "too large": {"x": broken},
        "no bias": {"x": x[:, 1:]},
        "label of 0.5": {"y": y * 0.5},
        "label of NaN": {"y": np.where(y == 1, np.nan, y)},
        "only positives": {"y": np.ones(20)},
        "only negatives": {"y": np.zeros(20)},
        "weight of 0": {"w": np.where(y == 1, 0.0, w)},
        "negative weight": {"w": -w},
        "weight of NaN": {"w": np.where(y == 1, np.nan, w)},
        "infinite weight": {"w": np.where(y == 1, np.inf, w)},
        "weights far apart": {"w": np.where(y == 1, 1e-200, w)},
        "negative l2": {"l2": -0.1},
        "l2 of NaN": {"l2": np.nan},
        "infinite l2": {"l2": np.inf},
    }
    return good | changes[name]


@pytest.mark.parametrize("fit", [fit_newton, fit_sgd])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("one-dimensional features", "must be a table"),
        ("no rows", r"must be a table of at least one row and column, not \(0, 8\)"),
        ("no columns", "must be a table"),
        ("too few labels", r"20 examples need 20 labels, not \(19,\)"),
        ("too many weights", r"20 examples need 20 example weights, not \(21,\)"),
        ("nan", "a feature is NaN, infinite or beyond"),
        ("infinite", "a feature is NaN, infinite or beyond"),
        ("too large", "a feature is NaN, infinite or beyond"),
        ("no bias", "the first column must be the bias"),
        ("label of 0.5", "every label must be 0 or 1"),
        ("label of NaN", "every label must be 0 or 1"),
        ("only positives", "nothing to learn from examples that are all positive"),
        ("only negatives", "nothing to learn from examples that are all negative"),
        ("weight of 0", "every example weight must be a finite number above 0"),
        ("negative weight", "every example weight must be"),
        ("weight of NaN", "every example weight must be"),
        ("infinite weight", "every example weight must be"),
        ("weights far apart", "the example weights differ by more than a factor of 1e"),
        ("negative l2", "l2 must be a finite number of at least 0, not -0.1"),
        ("l2 of NaN", "l2 must be"),
        ("infinite l2", "l2 must be"),
    ],
)
def test_examples_that_cannot_be_fitted_are_refused(
    fit: Callable[..., Fit], name: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        fit(**break_example(name))


def test_model_weights_that_do_not_fit_the_features_are_refused() -> None:
    x, y, w = recommender_examples(20, 0.5, seed=1)
    for call in (objective, standard_errors):
        with pytest.raises(ValueError, match=r"8 features need 8 model weights, not \(3,\)"):
            call([0.0, 0.0, 0.0], x, y, w, L2)
        with pytest.raises(ValueError, match="a model weight is NaN or infinite"):
            call([np.nan] * 8, x, y, w, L2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1.01e6, -2e6])
def test_a_bad_weight_is_refused_by_the_name_of_its_feature(bad: float) -> None:
    with pytest.raises(ValueError, match="the weight of same_city is"):
        check_weights([0.0, 1.0, bad], ["bias", "category_match", "same_city"])


def test_weights_up_to_the_limit_are_accepted() -> None:
    check_weights([0.0, 1e6, -1e6], ["bias", "category_match", "same_city"])


def test_a_missing_weight_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2 features need 2 weights, not \(1,\)"):
        check_weights([0.0], ["bias", "same_city"])


@pytest.mark.parametrize("fit", [fit_newton, fit_sgd])
def test_arrays_as_they_come_from_a_binary_copy_are_fitted_and_left_alone(
    fit: Callable[..., Fit],
) -> None:
    x, y, w = recommender_examples(300, 0.2, seed=20)
    expected = fit(x, y, w, L2).weights
    copied = [array.astype(">f8") for array in (np.asfortranarray(x), y, w)]
    for array in copied:
        array.setflags(write=False)
    assert_array_equal(fit(*copied, L2).weights, expected)
    assert_array_equal(fit(x, y.astype(bool), w, L2).weights, expected)
    before = [array.copy() for array in (x, y, w)]
    fit(x, y, w, L2)
    for array, copy in zip((x, y, w), before, strict=True):
        assert_array_equal(array, copy)


@pytest.mark.parametrize("fit", [fit_newton, fit_sgd])
def test_a_fit_needs_less_memory_than_a_copy_of_the_features(fit: Callable[..., Fit]) -> None:
    examples = recommender_examples(200_000, 0.05, seed=21)
    tracemalloc.start()
    try:
        fit(*examples, L2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < examples[0].nbytes


def test_a_fit_says_what_it_is_and_cannot_be_changed() -> None:
    examples = recommender_examples(50, 0.5, seed=22)
    for name, fit in (("newton", fit_newton(*examples, L2)), ("sgd", fit_sgd(*examples, L2))):
        assert fit.solver == name
        assert type(fit.converged) is bool
        with pytest.raises(ValueError, match="read-only"):
            fit.weights[0] = 1.0
