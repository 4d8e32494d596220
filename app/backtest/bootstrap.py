"""How sure a figure is: students drawn again, with all their lists, a thousand times.

B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979). What is
drawn are students, not lists: those of one student at several cutoffs are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.backtest.protocol import Array, Numbers

REPLICATES = 1_000
COVERAGE_REPLICATES = 200
"""For a standard deviation fewer are enough."""
SEED = 1337
TAILS = (0.025, 0.975)
NORMAL = 1.959964
"""A normal distribution is within so many standard deviations 95 times in 100."""

_COUNTS_AT_A_TIME = 1 << 22


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; None where there is nothing to compute it from."""

    value: float | None
    low: float | None
    high: float | None

    def rounded(self) -> dict[str, float | None]:
        """Give it as JSON says it."""
        return {
            name: None if value is None else round(value, 6) for name, value in vars(self).items()
        }


NOTHING = Estimate(None, None, None)


class Difference(NamedTuple):
    """The mean of a paired difference, its 95 % interval, and how many students it is of."""

    mean: float
    low: float
    high: float
    students: int


class Bootstrap:
    """The same draws of students for every figure, so that differences are paired."""

    def __init__(self, users: Numbers, *, seed: int = SEED, replicates: int = REPLICATES) -> None:
        """Take the student of each row; there is at least one."""
        students, self._student_of = np.unique(users, return_inverse=True)
        self.students = len(students)
        self.replicates = replicates
        self._seed = seed

    def draws(self, replicates: int) -> Iterator[Array]:
        """Give how often each student is drawn, a row a draw, in blocks: all may be gigabytes."""
        generator = np.random.default_rng(self._seed)
        step = max(1, _COUNTS_AT_A_TIME // self.students)
        for first in range(0, replicates, step):
            counts = np.empty((min(step, replicates - first), self.students))
            for row in counts:
                drawn = generator.integers(0, self.students, self.students)
                row[:] = np.bincount(drawn, minlength=self.students)
            yield counts

    def totals(self, columns: Array) -> tuple[Array, Array]:
        """Sum the columns over all rows, and over those of every draw (a row a draw)."""
        by_student = np.zeros((self.students, columns.shape[1]))
        np.add.at(by_student, self._student_of, columns)
        drawn = [counts @ by_student for counts in self.draws(self.replicates)]
        return by_student.sum(axis=0), np.concatenate(drawn)

    def ratios(self, over: Array, under: Array) -> list[Estimate]:
        """Give for each column the sum of `over` by that of `under`."""
        width = over.shape[1]
        value, drawn = self.totals(np.column_stack([over, under]))
        with np.errstate(invalid="ignore", divide="ignore"):
            values, samples = value[:width] / value[width:], drawn[:, :width] / drawn[:, width:]
        return [_estimate(values[column], samples[:, column]) for column in range(width)]

    def means(self, values: Array) -> list[Estimate]:
        """Give the mean of each column without its NaN."""
        known = ~np.isnan(values)
        return self.ratios(np.where(known, values, 0.0), known.astype(np.float64))

    def coverage(self, tops: Numbers, candidates: int) -> Estimate:
        """Give the share of the candidates that stand in a row of `tops` (-1: nothing).

        A draw has fewer different students than there are, and they cover less: its quantiles
        would leave the figure itself out. The interval is 1.96 standard deviations to each side.
        """
        value = _covered(tops, candidates)
        shares = [
            _covered(tops[(row > 0)[self._student_of]], candidates)
            for counts in self.draws(min(self.replicates, COVERAGE_REPLICATES))
            for row in counts
        ]
        reach = NORMAL * float(np.std(shares))
        return Estimate(value, max(0.0, value - reach), min(1.0, value + reach))


def paired_difference(
    a: Array, b: Array, users: Numbers, *, seed: int = SEED, replicates: int = REPLICATES
) -> Difference:
    """Give the mean of a - b, row by row, and its interval by student, without rows with a NaN.

    The three arrays have a row for each list. Without any row the mean is 0, the interval infinite.
    """
    known = ~(np.isnan(a) | np.isnan(b))
    if not known.any():
        return Difference(0.0, -np.inf, np.inf, 0)
    bootstrap = Bootstrap(users[known], seed=seed, replicates=replicates)
    (estimate,) = bootstrap.means((a - b)[known][:, None])
    assert estimate.value is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return Difference(estimate.value, estimate.low, estimate.high, bootstrap.students)


def _covered(tops: Numbers, candidates: int) -> float:
    is_covered = np.zeros(candidates + 1, dtype=bool)
    is_covered[tops.ravel()] = True
    return float(is_covered[:candidates].sum() / candidates)


def _estimate(value: float, drawn: Array) -> Estimate:
    if not np.isfinite(value):
        return NOTHING
    low, high = np.nanquantile(drawn, TAILS)
    return Estimate(float(value), float(low), float(high))
