"""Examples out of PostgreSQL as arrays: one binary COPY, read without a loop over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from asyncpg import Connection, Record
    from numpy.typing import NDArray

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
    m.label::double precision, m.weight, m.overlap_interest_ratio, m.overlap_history_ratio,
    m.same_city, m.category_match, m.organizer_match, m.popularity, m.days_until
FROM pg_temp.training_matrix AS m
WHERE m.kind IN ('positive', 'unregister', 'negative', 'weak_positive')
ORDER BY m.example_no
"""
"""The bias is 1 in every row, so it does not travel."""

COPY_HEADER_BYTES = 19
"""PostgreSQL's binary COPY format: signature, flags and extension length; -1 as int16 ends it."""

_ROWS_AT_FIRST = 4096

COLUMNS = 1 + len(FEATURE_NAMES)
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


class _Reader:
    """Takes the COPY piece by piece, so that it is parsed while PostgreSQL sends the rest."""

    def __init__(self) -> None:
        self.count = 0
        self._features = np.empty((_ROWS_AT_FIRST, len(FEATURE_NAMES)))
        self._labels = np.empty(_ROWS_AT_FIRST)
        self._weights = np.empty(_ROWS_AT_FIRST)
        self._rest = b""
        self._skip = COPY_HEADER_BYTES

    async def take(self, data: bytes) -> None:
        """Keep the whole rows of a piece, and its end for the next one; the trailer is no row."""
        pending = self._rest + data
        begin = min(self._skip, len(pending))
        self._skip -= begin
        count = (len(pending) - begin) // ROW.itemsize
        end = begin + count * ROW.itemsize
        self._rest = pending[end:]
        self._keep(np.frombuffer(pending, dtype=ROW, count=count, offset=begin))

    def _keep(self, rows: NDArray[np.void]) -> None:
        first, self.count = self.count, self.count + len(rows)
        if self.count > len(self._labels):
            self._resize(max(self.count, 2 * len(self._labels)))
        self._features[first : self.count, 0] = 1.0
        for column in range(1, len(FEATURE_NAMES)):
            self._features[first : self.count, column] = rows[f"value_{column + 1}"]
        self._labels[first : self.count] = rows["value_0"]
        self._weights[first : self.count] = rows["value_1"]

    def _resize(self, rows: int) -> None:
        self._features.resize((rows, len(FEATURE_NAMES)), refcheck=False)
        self._labels.resize(rows, refcheck=False)
        self._weights.resize(rows, refcheck=False)

    def examples(self) -> Examples:
        """Give all that came."""
        self._resize(self.count)
        return Examples(self._features, self._labels, self._weights)


async def read_examples(connection: Connection[Record]) -> Examples:
    """Read pg_temp.training_matrix of this session, in its own order."""
    reader = _Reader()
    await connection.copy_from_query(EXAMPLES, output=reader.take, format="binary")
    return reader.examples()
