"""Fit the model's weights: logistic regression on weighted examples, exactly or by SGD.

Everything here minimises one objective over the weights beta:

    sum(w * logloss(y, sigmoid(x @ beta))) / sum(w)  +  l2 / 2 * ||beta without the bias||^2

Column 0 of ``x`` is the bias, the constant 1, and is never penalised. Only the proportions of the
example weights ``w`` matter, so doubling all of them, or giving every row twice, changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Array: TypeAlias = NDArray[np.float64]

LARGEST_WEIGHT = 1e6
"""A feature lies in [0, 1], and a logit of 40 is certainty: no honest weight comes near this."""

LARGEST_VALUE = 1e100
"""Beyond it, the products that the Hessian is made of overflow."""

SMALLEST_SHARE = 1e-12
"""An example that weighs less, next to the heaviest one, is lost in the rounding of the sums."""

NO_OPTIMUM = (
    "the weights have no finite optimum, because the features separate positive from negative"
    " examples without exception: fit with l2 above 0 or with more examples"
)

_ROWS_AT_A_TIME = 1_024
"""What is computed per row stays in the cache, however many rows. BLAS starts threads for more than
this, and waits for each of them at every product: on a busy machine many times as long."""

_NULL_EIGENVALUE = 1e-10
"""Below it, an eigenvalue of a matrix with unit diagonal is the rounding of a zero."""

_FLAT = 1e-15
"""Curvature, as a share of its bound, that is only rounding: all rows that could bend the loss in
some direction are certain of their labels."""

_FIRST_MOVE = 2.0
"""Newton's first steps go no further, in logits, than this times 2, 4, 8 …: where positives are
rare, curvature is low at the start, and a whole step leaps to where there is none at all."""

_SMALLEST_BATCH = 256
"""Rows a step: enough for a few positives at 1 in 100."""

_BATCHES_PER_PASS = 512
"""Large data gets larger batches, not more steps: fewer round trips through Python."""

_STEPS_PER_EPOCH = 64
"""At least: small data is passed over several times an epoch, or six epochs would not arrive."""

_STEP_DECAY = 16.0
"""Steps fall as 16 / t. The error left of the start then falls as t^-16, the noise as 1 / t."""

_START_STEPS = 4.0
"""The steps' worth of trust in the curvature at the start. It never fades out entirely, so a rare
feature that no batch has met yet is not taken for one without curvature."""

_LONGEST_MOVE = 1.0
"""No step moves the logit of a row in its batch further: beyond, the curvature says nothing."""

_AVERAGING = 3.0
"""Polynomial-decay averaging: step t counts as t^3. Shamir and Zhang, "Stochastic gradient descent
for non-smooth optimization", ICML 2013."""

_SGD_TOLERANCE = 0.002
"""Of the loss. SGD is to end within 1 %; the rest is room for the quadratic to be wrong."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Fitted weights in the order of the columns, and how the solver came to them."""

    weights: Array
    loss: float
    """The objective at these weights, penalty included."""
    iterations: int
    """Newton: linear systems solved. SGD: mini-batches taken."""
    converged: bool
    """Newton: the optimum within rounding. SGD: well within 1 % of its loss, by the curvature."""
    solver: Literal["newton", "sgd"]


@dataclass(frozen=True, eq=False)
class _Problem:
    """Checked examples; the weights of the rows sum to 1."""

    x: Array
    y: Array
    w: Array
    l2: float

    @property
    def penalty(self) -> Array:
        penalty = np.full(self.x.shape[1], self.l2)
        penalty[0] = 0.0
        return penalty

    def chunks(self) -> Iterator[slice]:
        rows = len(self.y)
        return (slice(start, start + _ROWS_AT_A_TIME) for start in range(0, rows, _ROWS_AT_A_TIME))


def _check_examples(
    x: ArrayLike, y: ArrayLike, w: ArrayLike, l2: float, *, both_labels: bool = True
) -> _Problem:
    """Return the examples as float64 arrays, or raise ValueError with what is wrong with them."""
    features = np.ascontiguousarray(x, dtype=np.float64)
    labels = np.ascontiguousarray(y, dtype=np.float64)
    shares = np.ascontiguousarray(w, dtype=np.float64)
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(
            f"the features must be a table of at least one row and column, not {features.shape}"
        )
    rows = len(features)
    for name, values in (("labels", labels), ("example weights", shares)):
        if values.shape != (rows,):
            raise ValueError(f"{rows} examples need {rows} {name}, not {values.shape}")
    if not (features.max() <= LARGEST_VALUE and features.min() >= -LARGEST_VALUE):
        raise ValueError(f"a feature is NaN, infinite or beyond {LARGEST_VALUE:g}")
    if not (features[:, 0] == 1).all():
        raise ValueError("the first column must be the bias, which is 1 in every row")
    if not ((labels == 0) | (labels == 1)).all():
        raise ValueError("every label must be 0 or 1")
    if both_labels and labels.min() == labels.max():
        raise ValueError(
            "there is nothing to learn from examples that are all"
            f" {'positive' if labels[0] else 'negative'}"
        )
    if not (shares.min() > 0 and shares.max() < np.inf):
        raise ValueError("every example weight must be a finite number above 0")
    if not 0 <= l2 < np.inf:
        raise ValueError(f"l2 must be a finite number of at least 0, not {l2}")
    shares = shares / shares.max()
    if shares.min() < SMALLEST_SHARE:
        raise ValueError(
            f"the example weights differ by more than a factor of {1 / SMALLEST_SHARE:g}"
        )
    return _Problem(features, labels, shares / shares.sum(), float(l2))


def _check_beta(beta: ArrayLike, columns: int) -> Array:
    weights = np.asarray(beta, dtype=np.float64)
    if weights.shape != (columns,):
        raise ValueError(f"{columns} features need {columns} model weights, not {weights.shape}")
    if not np.isfinite(weights).all():
        raise ValueError("a model weight is NaN or infinite")
    return weights


def check_weights(weights: ArrayLike, feature_names: Sequence[str]) -> None:
    """Refuse weights that must not be stored: NaN, infinite, or too large to be meant.

    The ValueError names the feature.
    """
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (len(feature_names),):
        raise ValueError(
            f"{len(feature_names)} features need {len(feature_names)} weights, not {values.shape}"
        )
    for name, value in zip(feature_names, values.tolist(), strict=True):
        if not math.isfinite(value):
            raise ValueError(f"the weight of {name} is {value}, not a finite number")
        if abs(value) > LARGEST_WEIGHT:
            raise ValueError(f"the weight of {name} is {value:g}, beyond ±{LARGEST_WEIGHT:g}")


def bias_shift(logits: Array, y: Array, w: Array) -> float:
    """Return what added to the logits makes the mean prediction the share of positives.

    Newton in one dimension; steps of at most 1 always come nearer. Both labels are needed.
    """
    shares = w / w.sum()
    share, shift = float(shares @ y), 0.0
    for _ in range(100):
        p = _sigmoid(logits + shift)
        gap, slope = share - float(shares @ p), float(shares @ (p * (1.0 - p)))
        step = min(1.0, max(-1.0, gap / max(slope, 1e-300)))
        shift += step
        if abs(step) < 1e-12:
            break
    return shift


def column_scales(x: Array, w: Array) -> Array:
    """Return the weighted standard deviation of each column; 1 for a constant one, as the bias."""
    shares = w / w.sum()
    means = shares @ x
    deviations = np.zeros(x.shape[1])
    for start in range(0, len(x), _ROWS_AT_A_TIME):
        rows = slice(start, start + _ROWS_AT_A_TIME)
        deviations += shares[rows] @ (x[rows] - means) ** 2
    scales = np.sqrt(deviations)
    return np.asarray(np.where(scales > 1e-9 * np.maximum(np.abs(means), 1e-300), scales, 1.0))


def _sigmoid(z: Array) -> Array:
    decay = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1.0, decay) / (1.0 + decay))


def _loss_at(problem: _Problem, beta: Array, z: Array) -> float:
    """Return the objective at beta, whose logits are z."""
    total = 0.0
    for rows in problem.chunks():
        part = z[rows]
        losses = np.maximum(part, 0.0) - problem.y[rows] * part + np.log1p(np.exp(-np.abs(part)))
        total += float(problem.w[rows] @ losses)
    return total + float(problem.penalty @ beta**2) / 2


def _gradient_and_hessian(problem: _Problem, beta: Array, z: Array) -> tuple[Array, Array]:
    """Return both derivatives of the objective at beta, whose logits are z."""
    gradient = problem.penalty * beta
    hessian = np.diag(problem.penalty)
    for rows in problem.chunks():
        x, w, p = problem.x[rows], problem.w[rows], _sigmoid(z[rows])
        gradient += x.T @ (w * (p - problem.y[rows]))
        hessian += _gram(x, w * p * (1.0 - p))
    return gradient, hessian


def _gram(x: Array, w: Array) -> Array:
    return np.asarray(x.T @ (x * w[:, None]))


def _data_gram(problem: _Problem) -> Array:
    columns = problem.x.shape[1]
    gram = np.zeros((columns, columns))
    for rows in problem.chunks():
        gram += _gram(problem.x[rows], problem.w[rows])
    return gram


def _scale(matrix: Array) -> Array:
    """Return the square root of the diagonal, and 1 where that is 0."""
    diagonal = np.sqrt(np.diag(matrix))
    return np.asarray(np.where(diagonal > 0, diagonal, 1.0))


def _split_directions(matrix: Array) -> tuple[Array, Array]:
    """Return bases (as columns) of the directions that the matrix sees and of those it does not.

    In the basis of the seen directions the matrix is the identity.
    """
    scale = _scale(matrix)
    eigenvalues, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    vectors = vectors / scale[:, None]
    seen = eigenvalues > _NULL_EIGENVALUE
    return vectors[:, seen] / np.sqrt(eigenvalues[seen]), vectors[:, ~seen]


def _directions(problem: _Problem) -> tuple[Array, Array]:
    """Split by the bound X'WX / 4 + l2 on every Hessian: what it does not see, changes no loss.

    D. Böhning, "Multinomial logistic regression algorithm", Annals of the Institute of Statistical
    Mathematics 44 (1992).
    """
    return _split_directions(_data_gram(problem) / 4 + np.diag(problem.penalty))


def _smallest_equivalent(beta: Array, unseen: Array) -> Array:
    """Move beta along unseen directions to the smallest norm without the bias.

    That is where the optimum goes as l2 goes to 0: a constant 0 gets 0, twins get equal shares,
    and a feature that is the same for everybody leaves its effect to the bias.
    """
    if unseen.shape[1] == 0:
        return beta
    shift = np.linalg.lstsq(unseen[1:], -beta[1:], rcond=None)[0]
    return np.asarray(beta + unseen @ shift)


def _start(problem: _Problem) -> Array:
    """Return the optimum of the bias alone: the log-odds of the share of positives."""
    beta = np.zeros(problem.x.shape[1])
    positive, negative = problem.w @ problem.y, problem.w @ (1.0 - problem.y)
    beta[0] = math.log(positive) - math.log(negative)
    return beta


def _newton_step(
    problem: _Problem, beta: Array, z: Array, seen: Array
) -> tuple[Array, float, bool]:
    """Return the step to the minimum of the local quadratic, its gain, and whether that is flat."""
    gradient, hessian = _gradient_and_hessian(problem, beta, z)
    slope = seen.T @ gradient
    curvature, axes = np.linalg.eigh(seen.T @ hessian @ seen)
    flat = bool(curvature[0] <= _FLAT)
    curvature = np.maximum(curvature, max(curvature[-1] * 1e-15, 1e-300))
    move = -axes @ ((axes.T @ slope) / curvature)
    return np.asarray(seen @ move), float(-slope @ move) / 2, flat


def _separates(problem: _Problem, z: Array) -> bool:
    """Tell whether the logits z are on the right side of 0, or at 0, in every row."""
    lowest, highest = np.inf, 0.0
    for rows in problem.chunks():
        margin = np.where(problem.y[rows] == 1, z[rows], -z[rows])
        lowest, highest = min(lowest, float(margin.min())), max(highest, float(margin.max()))
    return highest > 0 and lowest >= -1e-9 * highest


def _finish(
    problem: _Problem,
    beta: Array,
    *,
    iterations: int,
    converged: bool,
    solver: Literal["newton", "sgd"],
) -> Fit:
    beta.setflags(write=False)
    loss = _loss_at(problem, beta, problem.x @ beta)
    return Fit(beta, loss, iterations, converged, solver)


def objective(beta: ArrayLike, x: ArrayLike, y: ArrayLike, w: ArrayLike, l2: float) -> float:
    """Return the value that the solvers minimise; logits of any size neither overflow nor warn."""
    problem = _check_examples(x, y, w, l2, both_labels=False)
    weights = _check_beta(beta, problem.x.shape[1])
    return _loss_at(problem, weights, problem.x @ weights)


def fit_newton(
    x: ArrayLike,
    y: ArrayLike,
    w: ArrayLike,
    l2: float,
    *,
    max_iterations: int = 100,
    tolerance: float = 1e-13,
) -> Fit:
    """Return the exact optimum, by Newton's method with a line search that never goes uphill.

    It ends when the next step promises less than ``tolerance`` of the loss, after taking it.
    Where columns are constant or collinear and l2 is 0, many weights are optimal; the one with the
    smallest norm without the bias is returned. Where l2 is 0 and the features separate the labels,
    none is, and a ValueError says so.
    """
    problem = _check_examples(x, y, w, l2)
    seen, unseen = _directions(problem)
    beta = _start(problem)
    z = problem.x @ beta
    loss = _loss_at(problem, beta, z)
    converged = flat = False
    iterations = 0
    while not converged and iterations < max_iterations:
        iterations += 1
        step, gain, flat = _newton_step(problem, beta, z, seen)
        dz = problem.x @ step
        if problem.l2 == 0 and gain > 0 and (_separates(problem, dz) or _separates(problem, z)):
            raise ValueError(NO_OPTIMUM)
        furthest = max(float(dz.max()), -float(dz.min()))
        converged = gain <= tolerance * loss
        size = min(1.0, _FIRST_MOVE * 2.0**iterations / max(furthest, 1e-300))
        while size > 1e-12:
            moved_loss = _loss_at(problem, beta + size * step, z + size * dz)
            if moved_loss <= loss + 1e-13 * loss - 1e-4 * size * gain:
                break
            size /= 2
        else:
            break
        beta, z, loss = beta + size * step, z + size * dz, moved_loss
    if problem.l2 == 0 and flat:
        raise ValueError(NO_OPTIMUM)
    return _finish(
        problem,
        _smallest_equivalent(beta, unseen),
        iterations=iterations,
        converged=converged,
        solver="newton",
    )


def _check_steps(epochs: int, lr: float, seed: int) -> None:
    if not (1 <= epochs < np.inf and epochs == int(epochs)):
        raise ValueError(f"epochs must be a whole number of at least 1, not {epochs}")
    if not 0 < lr < np.inf:
        raise ValueError(f"the learning rate must be a finite number above 0, not {lr}")
    if seed < 0:
        raise ValueError(f"the seed must be 0 or more, not {seed}")


def _mini_batches(rows: int, epochs: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each step: shuffled passes over all rows, in batches of even size."""
    generator = np.random.default_rng(seed)
    size = max(_SMALLEST_BATCH, math.ceil(rows / _BATCHES_PER_PASS))
    batches = math.ceil(rows / size)
    edges = [rows * batch // batches for batch in range(batches + 1)]
    for _ in range(epochs * math.ceil(_STEPS_PER_EPOCH / batches)):
        order = generator.permutation(rows)
        for first, last in pairwise(edges):
            yield order[first:last]


def fit_sgd(
    x: ArrayLike,
    y: ArrayLike,
    w: ArrayLike,
    l2: float,
    *,
    epochs: int = 6,
    lr: float = 0.35,
    seed: int = 1337,
) -> Fit:
    """Return weights near the optimum by mini-batch SGD: decaying steps, averaged weights.

    Step t (from 0) follows the gradient of one mini-batch, the penalty included once, for the share
    min(1, 1 / (1 / lr + t / 16)) of a Newton step, whose curvature is the mean over the batches
    seen so far. A larger ``lr`` is a longer step at every t, but never more than a whole one; more
    ``epochs`` are more steps. An epoch passes over all rows, and as often as it takes for 64 steps.
    A batch is 256 rows, or a 512th of all; up to 256 rows, every batch is all of them and ``seed``
    changes nothing.

    The curvature averaged over batches follows B. Bercu, A. Godichon, B. Portier, "An efficient
    stochastic Newton algorithm for parameter estimation in logistic regressions", SIAM Journal on
    Control and Optimization 58 (2020).
    """
    problem = _check_examples(x, y, w, l2)
    _check_steps(epochs, lr, seed)
    seen, unseen = _directions(problem)
    penalty = problem.penalty
    rows = len(problem.y)
    beta = average = _start(problem)
    _, curvature = _gradient_and_hessian(problem, beta, problem.x @ beta)
    steps = 0
    for batch in _mini_batches(rows, epochs, seed):
        x_batch = problem.x.take(batch, axis=0)
        w_batch = problem.w.take(batch) * (rows / len(batch))
        p = _sigmoid(x_batch @ beta)
        gradient = x_batch.T @ (w_batch * (p - problem.y.take(batch))) + penalty * beta
        batch_curvature = _gram(x_batch, w_batch * p * (1.0 - p)) + np.diag(penalty)
        curvature = curvature + (batch_curvature - curvature) / (_START_STEPS + steps + 1)
        move = seen @ np.linalg.solve(seen.T @ curvature @ seen, seen.T @ gradient)
        share = min(1.0, 1.0 / (1.0 / lr + steps / _STEP_DECAY))
        furthest = share * float(np.abs(x_batch @ move).max())
        beta = beta - share * min(1.0, _LONGEST_MOVE / max(furthest, 1e-300)) * move
        steps += 1
        average = average + (beta - average) * ((1.0 + _AVERAGING) / (steps + _AVERAGING))
    average = _smallest_equivalent(average, unseen)
    z = problem.x @ average
    _, gain, _ = _newton_step(problem, average, z, seen)
    return _finish(
        problem,
        average,
        iterations=steps,
        converged=gain <= _SGD_TOLERANCE * _loss_at(problem, average, z),
        solver="sgd",
    )


def standard_errors(beta: ArrayLike, x: ArrayLike, y: ArrayLike, w: ArrayLike, l2: float) -> Array:
    """Return the standard error of each weight; NaN where the examples say nothing about it.

    The sandwich A⁻¹ B A⁻¹: A is the Hessian of the objective, B the sum over the rows of the outer
    product of their gradients. It stays right when the model is wrong and when the example weights
    are importances rather than counts, where the inverse Hessian alone does not. Huber, "The
    behavior of maximum likelihood estimates under nonstandard conditions" (1967); White, "Maximum
    likelihood estimation of misspecified models", Econometrica 50 (1982). Rows count as
    independent: where one student gives many, the true error is larger. With l2 it is the error
    around the penalised weight, not around the one that no penalty would have shrunk.

    A feature that is constant, or a combination of others, gets NaN, and so do those others.
    """
    problem = _check_examples(x, y, w, l2, both_labels=False)
    weights = _check_beta(beta, problem.x.shape[1])
    z = problem.x @ weights
    seen, _ = _directions(problem)
    _, hessian = _gradient_and_hessian(problem, weights, z)
    curvature, axes = np.linalg.eigh(seen.T @ hessian @ seen)
    if curvature[0] <= _FLAT:
        return np.full(len(weights), np.nan)
    meat = np.zeros_like(hessian)
    for rows in problem.chunks():
        residual = problem.w[rows] * (_sigmoid(z[rows]) - problem.y[rows])
        meat += _gram(problem.x[rows], residual**2)
    bread = seen @ (axes / curvature) @ axes.T @ seen.T
    errors = np.sqrt(np.maximum(np.diag(bread @ meat @ bread), 0.0))
    gram = _data_gram(problem)
    _, unseen = _split_directions(gram)
    unknown = (np.abs(unseen * _scale(gram)[:, None]) > 1e-6).any(axis=1)
    return np.asarray(np.where(unknown, np.nan, errors))
