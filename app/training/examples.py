"""Examples out of PostgreSQL as arrays: one binary COPY, read without a loop over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

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
"""The base set, in the order of recommender.feature_names(); a test compares them."""

COPY_HEADER_BYTES = 19
"""PostgreSQL's binary COPY format: signature, flags and extension length; -1 as int16 ends it."""

_ROWS_AT_FIRST = 4096

EXAMPLES = """
SELECT m.label::double precision, m.weight{columns}
FROM pg_temp.training_matrix AS m
WHERE m.kind IN ('positive', 'unregister', 'negative', 'weak_positive')
ORDER BY m.example_no
"""


def examples_query(feature_names: Sequence[str]) -> str:
    """Give the query of what is trained on: label, weight, and the features but the bias.

    The bias is 1 in every row, so it does not travel.
    """
    columns = "".join(f', m."{name}"' for name in feature_names[1:])
    return EXAMPLES.format(columns=columns)


def row_type(columns: int) -> np.dtype[np.void]:
    """Give a row of so many float8 columns, none NULL, as binary COPY sends it."""
    return np.dtype(
        [("column_count", ">i2")]
        + [
            field
            for column in range(columns)
            for field in ((f"length_{column}", ">i4"), (f"value_{column}", ">f8"))
        ]
    )


@dataclass(frozen=True, eq=False)
class Examples:
    """Training examples: features (n × k), labels (n, 0 or 1) and weights (n, above 0)."""

    features: Array
    labels: Array
    weights: Array

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.labels)


class _Reader:
    """Takes the COPY piece by piece, so that it is parsed while PostgreSQL sends the rest."""

    def __init__(self, features: int) -> None:
        self.count = 0
        self._row = row_type(1 + features)
        self._features = np.empty((_ROWS_AT_FIRST, features))
        self._labels = np.empty(_ROWS_AT_FIRST)
        self._weights = np.empty(_ROWS_AT_FIRST)
        self._rest = b""
        self._skip = COPY_HEADER_BYTES

    async def take(self, data: bytes) -> None:
        """Keep the whole rows of a piece, and its end for the next one; the trailer is no row."""
        pending = self._rest + data
        begin = min(self._skip, len(pending))
        self._skip -= begin
        count = (len(pending) - begin) // self._row.itemsize
        end = begin + count * self._row.itemsize
        self._rest = pending[end:]
        self._keep(np.frombuffer(pending, dtype=self._row, count=count, offset=begin))

    def _keep(self, rows: NDArray[np.void]) -> None:
        first, self.count = self.count, self.count + len(rows)
        if self.count > len(self._labels):
            self._resize(max(self.count, 2 * len(self._labels)))
        self._features[first : self.count, 0] = 1.0
        for column in range(1, self._features.shape[1]):
            self._features[first : self.count, column] = rows[f"value_{column + 1}"]
        self._labels[first : self.count] = rows["value_0"]
        self._weights[first : self.count] = rows["value_1"]

    def _resize(self, rows: int) -> None:
        self._features.resize((rows, self._features.shape[1]), refcheck=False)
        self._labels.resize(rows, refcheck=False)
        self._weights.resize(rows, refcheck=False)

    def examples(self) -> Examples:
        """Give all that came."""
        self._resize(self.count)
        return Examples(self._features, self._labels, self._weights)


async def read_examples(
    connection: Connection[Record], feature_names: Sequence[str] = FEATURE_NAMES
) -> Examples:
    """Read pg_temp.training_matrix of this session, in its own order."""
    reader = _Reader(len(feature_names))
    await connection.copy_from_query(
        examples_query(feature_names), output=reader.take, format="binary"
    )
    return reader.examples()
