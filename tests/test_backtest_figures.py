"""The backtest's arithmetic against slow, obvious versions of it: ranks, intervals, calibration."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backtest.bootstrap import Bootstrap, paired_difference
from app.backtest.calibration import Predictions, calibrate, probabilities, sample_pairs
from app.backtest.metrics import METRICS, first_columns, list_keys, measure
from app.backtest.rules import RULES, draw_fractions, rule_keys

if TYPE_CHECKING:
    from app.backtest.protocol import Array, Flags

KEYS = st.sampled_from([-2.0, 0.0, 0.0, 1.0, 3.0])


class Rankings:
    """Some students' candidates: keys with ties, what is allowed, and what came."""

    def __init__(self, keys: Array, allowed: Flags, truth: Flags) -> None:
        self.keys, self.allowed, self.truth = keys, allowed, truth

    def order(self, row: int) -> list[int]:
        columns = np.flatnonzero(self.allowed[row])
        return sorted(columns.tolist(), key=lambda column: (-self.keys[row, column], column))

    def slow_metrics(self, row: int) -> list[float]:
        order = self.order(row)
        truths = np.flatnonzero(self.truth[row]).tolist()
        ranks = sorted(order.index(column) + 1 for column in truths)
        gain = sum(1 / math.log2(1 + rank) for rank in ranks if rank <= 10)
        ideal = sum(1 / math.log2(1 + place) for place in range(1, min(10, len(ranks)) + 1))
        others = [column for column in order if column not in truths]
        wins = [
            (self.keys[row, t] > self.keys[row, o]) + (self.keys[row, t] == self.keys[row, o]) / 2
            for t in truths
            for o in others
        ]
        return [
            float(ranks[0] <= 10),
            gain / ideal,
            sum(rank <= 50 for rank in ranks) / len(ranks),
            sum(wins) / len(wins) if wins else math.nan,
        ]


@st.composite
def rankings(draw: st.DrawFn) -> Rankings:
    width, height = draw(st.integers(1, 70)), draw(st.integers(1, 4))
    size = width * height
    keys = draw(st.lists(KEYS, min_size=size, max_size=size))
    kinds = draw(st.lists(st.sampled_from([0, 1, 1, 1, 1, 1, 2]), min_size=size, max_size=size))
    kind = np.array(kinds).reshape(height, width)
    kind[:, draw(st.integers(0, width - 1))] = 2
    return Rankings(np.array(keys).reshape(height, width), kind > 0, kind == 2)


@given(rankings())
def test_metrics_are_those_of_a_sorted_list(case: Rankings) -> None:
    expected = [case.slow_metrics(row) for row in range(len(case.keys))]
    figures = measure(case.keys, case.allowed, case.truth)
    assert figures.shape == (len(case.keys), len(METRICS))
    np.testing.assert_allclose(figures, expected, atol=1e-12)


@given(rankings())
def test_the_first_ten_are_those_of_a_sorted_list(case: Rankings) -> None:
    for row, first in enumerate(first_columns(case.keys, case.allowed)):
        order = case.order(row)[:10]
        assert first.tolist() == order + [-1] * (10 - len(order))


@given(rankings())
def test_what_is_not_allowed_changes_nothing(case: Rankings) -> None:
    other = np.where(case.allowed, case.keys, 1e6)
    np.testing.assert_array_equal(
        measure(case.keys, case.allowed, case.truth), measure(other, case.allowed, case.truth)
    )
    np.testing.assert_array_equal(
        first_columns(case.keys, case.allowed), first_columns(other, case.allowed)
    )


def test_lists_are_sorted_by_rounded_logits() -> None:
    logits = np.array([[1.0, 1.0 + 1e-12, 1.0 + 2e-9, -0.5]])
    keys = list_keys(logits)
    assert first_columns(keys, np.ones_like(logits, dtype=bool))[0, :4].tolist() == [2, 0, 1, 3]


def rules(
    *,
    users: list[int],
    events: list[int],
    popularity: list[float],
    published: list[float],
    visits: list[list[float]],
    seed: int = 1,
) -> dict[str, list[list[int]]]:
    """Give each rule's order of the events, a list a student."""
    keys = rule_keys(
        users=np.array(users),
        event_ids=np.array(events),
        popularity=np.array(popularity),
        published=np.array(published),
        starts=np.array([40.0, 30.0, 20.0, 10.0][: len(events)]),
        visits=np.array(visits),
        seed=seed,
    )
    assert list(keys) == list(RULES)
    allowed = np.ones((len(users), len(events)), dtype=bool)
    return {
        name: [
            [events[column] for column in row if column >= 0] for row in first_columns(key, allowed)
        ]
        for name, key in keys.items()
    }


def test_rules_sort_as_they_say_and_by_event_id_between_equals() -> None:
    orders = rules(
        users=[5, 6],
        events=[11, 12, 13, 14],
        popularity=[2.0, 9.0, 2.0, 9.0],
        published=[100.0, 300.0, -math.inf, 300.0],
        visits=[[0, 0, 0, 0], [0, 0.001, 3.5, 0]],
    )
    assert orders["popularity"] == [[12, 14, 11, 13]] * 2
    assert orders["newest"] == [[12, 14, 11, 13]] * 2
    assert orders["soonest"] == [[14, 13, 12, 11]] * 2
    assert orders["same organizer"] == [[12, 14, 11, 13], [13, 12, 14, 11]]


def test_the_random_rule_is_the_same_for_the_same_student_and_event() -> None:
    alone = draw_fractions(7, np.array([[3]]), np.array([[20, 21, 22]]))
    among = draw_fractions(7, np.array([[2], [3]]), np.array([[19, 20, 21, 22]]))
    np.testing.assert_array_equal(alone[0], among[1, 1:])
    assert not np.array_equal(alone, draw_fractions(8, np.array([[3]]), np.array([[20, 21, 22]])))


def test_random_fractions_look_random() -> None:
    fractions = draw_fractions(1337, np.arange(400)[:, None], np.arange(500)[None, :])
    assert fractions.min() >= 0
    assert fractions.max() < 1
    counts, _ = np.histogram(fractions, bins=20, range=(0, 1))
    assert np.abs(counts / 10_000 - 1).max() < 0.05
    # Neither rows nor columns, nor the sum of both, are alike.
    assert abs(np.corrcoef(fractions[:-1].ravel(), fractions[1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(fractions[1:, :-1].ravel(), fractions[:-1, 1:].ravel())[0, 1]) < 0.01


# Intervals


def test_a_bootstrap_draws_students_with_all_their_lists() -> None:
    users = np.array([7, 3, 7, 9, 3, 7])
    values = np.array([[1.0], [0.0], [0.5], [0.25], [1.0], [0.0]])
    bootstrap = Bootstrap(users, seed=5, replicates=50)
    assert bootstrap.students == 3
    total, drawn = bootstrap.totals(values)
    assert total[0] == values.sum()
    sums = {3: 1.0, 7: 1.5, 9: 0.25}
    counts = np.concatenate(list(bootstrap.draws(50)))
    assert set(counts.sum(axis=1)) == {3.0}
    np.testing.assert_allclose(drawn[:, 0], counts @ list(sums.values()))


@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from([0.0, 0.25, 1.0, math.nan])), min_size=1)
)
def test_means_leave_out_what_is_not_known(rows: list[tuple[int, float]]) -> None:
    users = np.array([user for user, _ in rows])
    values = np.array([[value] for _, value in rows])
    (estimate,) = Bootstrap(users, replicates=40).means(values)
    known = [value for _, value in rows if not math.isnan(value)]
    if not known:
        assert (estimate.value, estimate.low, estimate.high) == (None, None, None)
        return
    assert estimate.value == pytest.approx(sum(known) / len(known))
    assert estimate.low is not None
    assert estimate.high is not None
    assert min(known) - 1e-12 <= estimate.low <= estimate.high <= max(known) + 1e-12


def test_the_same_seed_gives_the_same_intervals() -> None:
    users = np.arange(300) // 2
    values = np.random.default_rng(1).random((300, 2))
    first, second = (Bootstrap(users, seed=3).means(values) for _ in range(2))
    assert first == second
    assert Bootstrap(users, seed=4).means(values) != first


def test_an_interval_is_as_wide_as_theory_says() -> None:
    values = (np.random.default_rng(2).random(4_000) < 0.3).astype(float)
    (estimate,) = Bootstrap(np.arange(4_000)).means(values[:, None])
    assert estimate.value is not None
    assert estimate.low is not None
    assert estimate.high is not None
    error = math.sqrt(estimate.value * (1 - estimate.value) / 4_000)
    assert (estimate.high - estimate.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.1)


def test_lists_of_one_student_do_not_make_it_surer() -> None:
    values = np.random.default_rng(3).random(500)
    once = paired_difference(values, np.zeros(500), np.arange(500))
    often = paired_difference(np.tile(values, 6), np.zeros(3_000), np.tile(np.arange(500), 6))
    assert often.students == once.students == 500
    assert (often.mean, often.low, often.high) == pytest.approx((once.mean, once.low, once.high))


def test_a_paired_difference_is_surer_than_two_means() -> None:
    generator = np.random.default_rng(4)
    base = generator.random(800)
    better = base + 0.01 + 0.01 * generator.standard_normal(800)
    difference = paired_difference(better, base, np.arange(800))
    assert difference.low > 0
    assert difference.mean == pytest.approx((better - base).mean())
    assert difference.high - difference.low < 0.002
    assert difference.students == 800


def test_a_difference_of_nothing_is_unsure() -> None:
    nothing = paired_difference(np.array([math.nan]), np.array([1.0]), np.array([1]))
    assert (nothing.mean, nothing.low, nothing.high, nothing.students) == (
        0.0, -math.inf, math.inf, 0,
    )  # fmt: skip


def test_coverage_counts_every_candidate_once() -> None:
    tops = np.array([[0, 1, -1], [1, 2, 0], [1, 0, -1]])
    estimate = Bootstrap(np.array([1, 2, 3])).coverage(tops, 6)
    assert estimate.value == 0.5
    assert estimate.low is not None
    assert estimate.high is not None
    assert 0 <= estimate.low < 0.5 < estimate.high <= 1


# Calibration


def sampled(count: int, *, shift: float = 0.0, seed: int = 6) -> Predictions:
    """Give pairs whose labels come true as often as the logits, moved by a shift, say."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(-1, 1.5, count)
    labels = (generator.random(count) < probabilities(logits + shift)).astype(float)
    return Predictions(np.arange(count) // 3, logits, labels, np.ones(count))


def test_a_model_that_tells_the_truth_is_within_its_intervals() -> None:
    bins = calibrate(sampled(30_000), seed=1, replicates=400)
    assert len(bins) == 10
    assert sum(each.pairs for each in bins) == 30_000
    assert {each.pairs for each in bins} == {3_000}
    assert sum(each.is_within for each in bins) >= 8
    predicted = [each.predicted for each in bins]
    assert predicted == sorted(predicted)


def test_a_model_that_exaggerates_is_found_out() -> None:
    bins = calibrate(sampled(30_000, shift=-0.5), seed=1, replicates=400)
    assert sum(each.is_within for each in bins) <= 2
    assert all(each.observed.value < each.predicted for each in bins if each.observed.value)


def test_weights_count_as_so_many_pairs() -> None:
    pairs = sampled(3_000)
    twice = Predictions.joined([pairs, pairs])
    heavy = Predictions(pairs.users, pairs.logits, pairs.labels, 2 * pairs.weights)
    for one, other in zip(
        calibrate(twice, seed=1, replicates=50), calibrate(heavy, seed=1, replicates=50),
        strict=True,
    ):  # fmt: skip
        assert one.predicted == pytest.approx(other.predicted)
        assert one.observed.value == pytest.approx(other.observed.value)


def test_equal_predictions_share_a_bin() -> None:
    logits = np.repeat([-2.0, 0.0, 1.0], [600, 300, 100])
    labels = np.zeros(1_000)
    bins = calibrate(Predictions(np.arange(1_000), logits, labels, np.ones(1_000)), seed=1,
                     replicates=20)  # fmt: skip
    assert [each.pairs for each in bins] == [600, 300, 100]
    assert [each.predicted for each in bins] == pytest.approx(probabilities(np.array([-2, 0, 1])))


def test_without_pairs_there_is_no_bin() -> None:
    nothing = np.zeros(0)
    assert calibrate(Predictions(np.zeros(0, int), nothing, nothing, nothing), seed=1,
                     replicates=5) == []  # fmt: skip


def test_probabilities_of_any_logit_are_finite() -> None:
    with np.errstate(all="raise", under="ignore"):
        assert probabilities(np.array([-800.0, 0.0, 800.0])).tolist() == [0.0, 0.5, 1.0]


@given(rankings(), st.integers(0, 4), st.integers(0, 3))
def test_sampled_pairs_are_every_truth_and_as_many_others(
    case: Rankings, negatives: int, seed: int
) -> None:
    height, width = case.truth.shape
    users, events = np.arange(height) + 40, np.arange(width) + 900

    def sample(rows: slice) -> list[tuple[int, int, float]]:
        found = sample_pairs(
            case.allowed[rows], case.truth[rows], users[rows], events,
            negatives_per_positive=negatives, seed=seed,
        )  # fmt: skip
        first = rows.start or 0
        return [(int(r) + first, int(c), float(y)) for r, c, y in zip(*found, strict=True)]

    pairs = sample(slice(None))
    positives = [(row, column) for row, column, label in pairs if label == 1]
    assert positives == list(zip(*map(np.ndarray.tolist, np.nonzero(case.truth)), strict=True))
    for row in range(height):
        free = case.allowed[row] & ~case.truth[row]
        drawn = [column for r, column, label in pairs if r == row and label == 0]
        assert all(free[column] for column in drawn)
        expected = negatives * int(case.truth[row].sum()) if free.any() else 0
        assert len(drawn) == expected
    # In whatever blocks the students come.
    assert sorted(pairs) == sorted(
        pair for row in range(height) for pair in sample(slice(row, row + 1))
    )
