"""Whether a trained model takes the active one's place: SQL compares and judges."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.backtest.comparison import compare_with_popularity as backtest_with_popularity
from app.backtest.protocol import Protocol
from app.backtest.window import Contender

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from asyncpg import Connection, Record

    from app.training.solver import Array

COMPARE = """
SELECT c.training_odds, c.held_out_loss, c.compared_with, c.compared_loss
FROM recommender.compare_with_active($1, $2) AS c
"""

JUDGE = """
SELECT j.is_activated, j.is_warning, j.reason
FROM recommender.judge_model($1, $2, $3, $4, $5, $6::jsonb) AS j
"""


@dataclass(frozen=True)
class Comparison:
    """Losses on the same held-out rows; None where there is nothing to compute one from."""

    training_odds: float | None
    """Weight of the positives per weight of the negatives the new model was fitted to."""
    held_out_loss: float | None
    compared_with: str | None
    """The model that was active; None: no model was."""
    compared_loss: float | None
    against_popularity: dict[str, float] | None = None
    """students, and NDCG@10 of the model less popularity's on the newest window: difference, low
    and high of its 95 % interval. None: not compared."""


@dataclass(frozen=True)
class Verdict:
    """What recommender.judge_model says of a model."""

    is_activated: bool
    is_warning: bool
    reason: str

    @classmethod
    def of(cls, row: Record | None) -> Verdict:
        """Take the row of judge_model, or of what asks it."""
        assert row is not None
        values: dict[str, Any] = dict(row)
        return cls(**values)


async def compare_with_active(
    connection: Connection[Record], weights: Array, feature_names: Sequence[str]
) -> Comparison:
    """Compare weights with the active model on what this session's training held out."""
    row = await connection.fetchrow(COMPARE, weights.tolist(), list(feature_names))
    assert row is not None
    return Comparison(*row)


async def compare_with_popularity(
    connection: Connection[Record], weights: Array, feature_names: Sequence[str], window: timedelta
) -> dict[str, float]:
    """Rank what could be recommended one window ago, and see who came: by weights, by popularity.

    The window is the newest one before recommender.as_of(). Only the number of students, 0, where
    nobody with a history came.
    """
    as_of = await connection.fetchval("SELECT recommender.as_of()")
    difference = await backtest_with_popularity(
        connection,
        Contender("model", tuple(feature_names), weights),
        as_of - window,
        Protocol(horizon=window, only_students=True),
    )
    if difference is None or not difference.students:
        return {"students": 0}
    return {
        "students": difference.students,
        "difference": difference.mean,
        "low": difference.low,
        "high": difference.high,
    }


async def judge(
    connection: Connection[Record], comparison: Comparison, student_count: int, *, force: bool
) -> Verdict:
    """Say what would become of a model that nobody stores."""
    return Verdict.of(
        await connection.fetchrow(
            JUDGE,
            comparison.held_out_loss,
            comparison.compared_with,
            comparison.compared_loss,
            student_count,
            force,
            json.dumps(comparison.against_popularity),
        )
    )
