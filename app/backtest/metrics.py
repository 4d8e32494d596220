"""What a ranking is worth to each student: pure functions on arrays, a row a student.

`keys` is what candidates are sorted by, descending; equal keys go to the smaller column, and
columns are in the order of event_id. `allowed` are the candidates of a student, `truth` those the
student registered for. Every row has a truth, and truth is within allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.backtest.protocol import Array, Flags, Numbers

METRICS = ("hit@10", "ndcg@10", "recall@50", "auc")
TOP = 10
RECALL_AT = 50

_PAIRS_AT_A_TIME = 1 << 21
"""Comparisons in memory at once."""


def list_keys(logits: Array) -> Array:
    """Give what lists are sorted by: recommender.sort_key."""
    return np.asarray(np.rint(logits * 1e9), dtype=np.float64)


def measure(keys: Array, allowed: Flags, truth: Flags) -> Array:
    """Give METRICS of every row; auc is NaN where there is nothing but truth.

    hit@10: a truth is among the first ten. ndcg@10: each of them counts 1 / log2(1 + rank), over
    the most that so many truths can reach. recall@50: the share of the truths among the first
    fifty. auc: the share of the other candidates that a truth is before; ties count half.
    """
    rows, columns = np.nonzero(truth)
    ahead, others_ahead = _count_ahead(keys, allowed, truth, rows, columns)
    rank = 1.0 + ahead
    count = truth.sum(axis=1)
    others = (allowed & ~truth).sum(axis=1)

    def total(values: NDArray[np.floating[Any]]) -> Array:
        return np.asarray(np.bincount(rows, weights=values, minlength=len(truth)), dtype=np.float64)

    gain: Array = np.where(rank <= TOP, 1.0 / np.log2(1.0 + rank), 0.0)
    ideal = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(2.0 + np.arange(TOP)))])
    with np.errstate(invalid="ignore", divide="ignore"):
        behind = (others[rows] - others_ahead) / others[rows]
    result = np.empty((len(truth), len(METRICS)))
    result[:, 0] = total(1.0 * (rank <= TOP)) > 0
    result[:, 1] = total(gain) / ideal[np.minimum(count, TOP)]
    result[:, 2] = total(1.0 * (rank <= RECALL_AT)) / count
    result[:, 3] = total(behind) / count
    return result


def _count_ahead(
    keys: Array, allowed: Flags, truth: Flags, rows: Numbers, columns: Numbers
) -> tuple[Array, Array]:
    """Count for each truth the candidates before it, and the others, of which equals count half."""
    ahead, others_ahead = np.empty(len(rows)), np.empty(len(rows))
    width = keys.shape[1]
    step = max(1, _PAIRS_AT_A_TIME // max(1, width))
    for first in range(0, len(rows), step):
        part = slice(first, first + step)
        row, column = rows[part], columns[part, None]
        mine = np.take_along_axis(keys[row], column, axis=1)
        higher = (keys[row] > mine) & allowed[row]
        equal = (keys[row] == mine) & allowed[row]
        ahead[part] = (higher | (equal & (np.arange(width) < column))).sum(axis=1)
        is_other = ~truth[row]
        others_ahead[part] = (higher & is_other).sum(axis=1) + (equal & is_other).sum(axis=1) / 2
    return ahead, others_ahead


def first_columns(keys: Array, allowed: Flags, count: int = TOP) -> Numbers:
    """Give the columns of the first candidates of every row; -1 where there are fewer."""
    rest = np.where(allowed, keys, -np.inf)
    rows = np.arange(len(rest))
    first = np.full((len(rest), count), -1, dtype=np.int64)
    for place in range(min(count, rest.shape[1])):
        # argmax gives the smallest column of equals, as the order of lists does.
        best = rest.argmax(axis=1)
        first[:, place] = np.where(np.isneginf(rest[rows, best]), -1, best)
        rest[rows, best] = -np.inf
    return first
