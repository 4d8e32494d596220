"""Whether a model is better than the popularity of organizers: for the gate of activation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.backtest.bootstrap import Difference, paired_difference
from app.backtest.metrics import METRICS
from app.backtest.window import evaluate_cutoff

if TYPE_CHECKING:
    from datetime import datetime

    from asyncpg import Connection, Record

    from app.backtest.protocol import Protocol
    from app.backtest.window import Contender


async def compare_with_popularity(
    connection: Connection[Record],
    contender: Contender,
    cutoff: datetime,
    protocol: Protocol | None = None,
) -> Difference | None:
    """Give NDCG@10 of a model less that of popularity, of students with a history at the cutoff.

    What came is what is known at recommender.as_of(); None when there is nobody to judge.
    """
    result = await evaluate_cutoff(connection, cutoff, [contender], protocol)
    judged = result.groups.get("all")
    if judged is None or not len(judged.users):
        return None
    column = METRICS.index("ndcg@10")
    return paired_difference(
        judged.metrics[contender.name][:, column],
        judged.metrics["popularity"][:, column],
        judged.users,
    )
