"""Whether a prediction of so many in a hundred comes true so often: pure functions on arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.backtest.bootstrap import Bootstrap, Estimate
from app.backtest.rules import draw_fractions

if TYPE_CHECKING:
    from app.backtest.protocol import Array, Flags, Numbers

BINS = 10
_PAIRS_AT_A_TIME = 1 << 21


@dataclass(frozen=True, eq=False)
class Predictions:
    """Pairs sampled as in training: who, the logit, the label, and what the pair weighs."""

    users: Numbers
    logits: Array
    labels: Array
    weights: Array

    @classmethod
    def joined(cls, parts: list[Predictions]) -> Predictions:
        """Put those of several blocks or cutoffs one after the other."""
        return cls(
            np.concatenate([part.users for part in parts]),
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.weights for part in parts]),
        )


@dataclass(frozen=True)
class Bin:
    """Pairs of about the same prediction: what was predicted, and what came."""

    pairs: int
    predicted: float
    observed: Estimate

    @property
    def is_within(self) -> bool:
        """Say whether the prediction lies in the interval of what came."""
        low, high = self.observed.low, self.observed.high
        return low is not None and high is not None and low <= self.predicted <= high

    def rounded(self) -> dict[str, Any]:
        """Give it as JSON says it."""
        return {
            "pairs": self.pairs,
            "predicted": round(self.predicted, 6),
            "observed": self.observed.rounded(),
            "is_within": self.is_within,
        }


def sample_pairs(
    allowed: Flags,
    truth: Flags,
    users: Numbers,
    event_ids: Numbers,
    *,
    negatives_per_positive: int,
    seed: int,
) -> tuple[Numbers, Numbers, Array]:
    """Give rows, columns and labels: every truth, and so many draws of other candidates for each.

    Draws are independent, as those of training are, so that a candidate may come twice; whoever
    wanted every candidate has no negative.
    """
    rows, columns = np.nonzero(truth)
    negative_rows, negative_columns = [], []
    step = max(1, _PAIRS_AT_A_TIME // max(1, truth.shape[1]))
    for first in range(0, len(rows), step):
        row, column = rows[first : first + step], columns[first : first + step]
        free = allowed[row] & ~truth[row]
        free_count = free.sum(axis=1)
        # The free columns come first, in their order.
        order = np.argsort(~free, axis=1, kind="stable")
        for draw in range(negatives_per_positive):
            key = np.full(len(row), draw, dtype=np.int64)
            fraction = draw_fractions(seed, users[row], event_ids[column], key)
            drawn = order[np.arange(len(row)), (fraction * free_count).astype(np.int64)]
            negative_rows.append(row[free_count > 0])
            negative_columns.append(drawn[free_count > 0])
    labels = np.zeros(len(rows) + sum(map(len, negative_rows)))
    labels[: len(rows)] = 1.0
    return (
        np.concatenate([rows, *negative_rows]),
        np.concatenate([columns, *negative_columns]),
        labels,
    )


def probabilities(logits: Array) -> Array:
    """Give the sigmoid of logits of any size."""
    small = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1.0 / (1.0 + small), small / (1.0 + small)))


def calibrate(
    predictions: Predictions, *, bins: int = BINS, seed: int, replicates: int
) -> list[Bin]:
    """Cut the pairs by what was predicted into bins of equal weight, and compare with what came.

    Equal predictions stay together, so that there may be fewer bins, of unequal weight.
    """
    if not len(predictions.users):
        return []
    predicted = probabilities(predictions.logits)
    bin_of = _cut(predicted, predictions.weights, bins)
    count = int(bin_of.max()) + 1
    rows = np.arange(len(bin_of))
    weights = np.zeros((len(bin_of), count))
    weights[rows, bin_of] = predictions.weights
    bootstrap = Bootstrap(predictions.users, seed=seed, replicates=replicates)
    observed = bootstrap.ratios(weights * predictions.labels[:, None], weights)
    return [
        Bin(
            int((bin_of == number).sum()),
            float(
                np.average(predicted[bin_of == number], weights=weights[bin_of == number, number])
            ),
            estimate,
        )
        for number, estimate in enumerate(observed)
    ]


def _cut(predicted: Array, weights: Array, bins: int) -> Numbers:
    """Number the bins from 0; a bin begins where the weight of all smaller predictions says so."""
    values, place = np.unique(predicted, return_inverse=True)
    weight = np.bincount(place, weights=weights)
    middle = np.cumsum(weight) - weight / 2
    raw = np.minimum((middle * bins / weight.sum()).astype(np.int64), bins - 1)
    _, number = np.unique(raw, return_inverse=True)
    assert len(values) == len(number)
    return np.asarray(number[place], dtype=np.int64)
