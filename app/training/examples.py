"""Examples out of PostgreSQL as arrays: one binary COPY, read without a loop over rows."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    from app.training.solver import Array

FEATURE_NAMES = (
    "bias",
    "overlap_interest_ratio",
    "overlap_history_ratio",
    "same_city",
    "category_match",
    "organizer_match",
    "popularity",
    "days_until",
)
"""The order of recommender.feature_names(), checked when a model is stored and by a test."""

EXAMPLES = """
SELECT
    m.label::double precision, m.weight, m.bias, m.overlap_interest_ratio,
    m.overlap_history_ratio, m.same_city, m.category_match, m.organizer_match, m.popularity,
    m.days_until
FROM pg_temp.training_matrix AS m
WHERE m.kind IN ('positive', 'unregister', 'negative', 'weak_positive')
ORDER BY m.example_no
"""

COPY_HEADER_BYTES = 19
COPY_TRAILER_BYTES = 2
"""PostgreSQL's binary COPY format: signature, flags and extension length; then -1 as int16."""

COLUMNS = 2 + len(FEATURE_NAMES)
ROW = np.dtype(
    [("column_count", ">i2")]
    + [
        field
        for column in range(COLUMNS)
        for field in ((f"length_{column}", ">i4"), (f"value_{column}", ">f8"))
    ]
)


@dataclass(frozen=True, eq=False)
class Examples:
    """Training examples: features (n × 8), labels (n, 0 or 1) and weights (n, above 0)."""

    features: Array
    labels: Array
    weights: Array

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.labels)


async def read_examples(connection: Connection[Record]) -> Examples:
    """Read pg_temp.training_matrix of this session, in its own order."""
    buffer = io.BytesIO()
    await connection.copy_from_query(EXAMPLES, output=buffer, format="binary")
    rows = np.frombuffer(
        buffer.getbuffer()[COPY_HEADER_BYTES : buffer.tell() - COPY_TRAILER_BYTES], dtype=ROW
    )
    features = np.empty((len(rows), len(FEATURE_NAMES)))
    for column in range(len(FEATURE_NAMES)):
        features[:, column] = rows[f"value_{column + 2}"]
    return Examples(features, rows["value_0"].astype(float), rows["value_1"].astype(float))
