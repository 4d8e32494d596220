"""hitrate@10 of hand-made candidates, where every rank can be counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.database import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.runner import Run

WEIGHTS = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]
"""Only popularity counts."""

Candidate = tuple[int, int, str, float]
"""user_id, event_id, kind, popularity"""


def test_a_holdout_among_the_first_ten_is_a_hit(database_url: str, run: Run) -> None:
    rivals: list[Candidate] = [(1, event, "holdout_negative", 0.9) for event in range(2, 11)]
    result = run(evaluate(database_url, [(1, 1, "holdout", 0.5), *rivals]))
    assert result == (1, 1.0, 1.0)


def test_a_holdout_behind_ten_others_is_a_miss(database_url: str, run: Run) -> None:
    rivals: list[Candidate] = [(1, event, "holdout_negative", 0.9) for event in range(2, 12)]
    students, hitrate, chance = run(evaluate(database_url, [(1, 1, "holdout", 0.5), *rivals]))
    assert (students, hitrate) == (1, 0.0)
    assert chance == pytest.approx(10 / 11)


def test_a_tie_goes_to_the_smaller_event_id(database_url: str, run: Run) -> None:
    rivals: list[Candidate] = [(1, event, "holdout_negative", 0.5) for event in range(10, 20)]
    last = run(evaluate(database_url, [(1, 20, "holdout", 0.5), *rivals]))
    first = run(evaluate(database_url, [(1, 1, "holdout", 0.5), *rivals]))
    assert (last[1], first[1]) == (0.0, 1.0)


def test_examples_that_are_trained_on_are_no_candidates(database_url: str, run: Run) -> None:
    rivals: list[Candidate] = [(1, event, "negative", 0.9) for event in range(2, 40)]
    assert run(evaluate(database_url, [(1, 1, "holdout", 0.5), *rivals])) == (1, 1.0, 1.0)


def test_without_holdouts_there_is_no_rate(database_url: str, run: Run) -> None:
    assert run(evaluate(database_url, [(1, 1, "positive", 0.5)])) == (0, None, None)


async def evaluate(
    url: str, candidates: Sequence[Candidate]
) -> tuple[int, float | None, float | None]:
    connection = await connect(url)
    try:
        await connection.execute("""
            CREATE TEMPORARY TABLE training_matrix (
                user_id integer, event_id integer, kind text, popularity double precision,
                label integer, example_no bigint GENERATED ALWAYS AS IDENTITY,
                weight double precision DEFAULT 1,
                bias double precision DEFAULT 1,
                overlap_interest_ratio double precision DEFAULT 0,
                overlap_history_ratio double precision DEFAULT 0,
                same_city double precision DEFAULT 0,
                category_match double precision DEFAULT 0,
                organizer_match double precision DEFAULT 0,
                days_until double precision DEFAULT 0
            )
        """)
        await connection.executemany(
            "INSERT INTO training_matrix (user_id, event_id, kind, popularity, label)"
            " VALUES ($1, $2, $3, $4, ($3 IN ('holdout', 'positive'))::integer)",
            candidates,
        )
        row = await connection.fetchrow(
            "SELECT h.student_count, h.hitrate_at_10, h.chance_at_10"
            " FROM recommender.evaluate_holdouts($1) AS h",
            WEIGHTS,
        )
    finally:
        await connection.close()
    assert row is not None
    return row["student_count"], row["hitrate_at_10"], row["chance_at_10"]
