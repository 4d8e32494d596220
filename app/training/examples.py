"""Examples out of PostgreSQL as arrays: one binary COPY, read without a loop over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.copy_rows import Column, RowReader, row_type

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

_ROWS_AT_FIRST = 4096

TRAINED_ON = ("positive", "unregister", "negative", "weak_positive")
CALIBRATION = ("calibration",)
"""Pairs of the newest window, drawn as those of the windows trained on."""

EXAMPLES = """
SELECT m.label::double precision, m.weight{columns}
FROM pg_temp.training_matrix AS m
WHERE m.kind IN ({kinds})
ORDER BY m.example_no
"""


def examples_query(feature_names: Sequence[str], kinds: Sequence[str] = TRAINED_ON) -> str:
    """Give the query of examples: label, weight, and the features but the bias.

    The bias is 1 in every row, so it does not travel.
    """
    columns = "".join(f', m."{name}"' for name in feature_names[1:])
    return EXAMPLES.format(columns=columns, kinds=", ".join(f"'{kind}'" for kind in kinds))


def example_row(feature_names: Sequence[str]) -> np.dtype[np.void]:
    """Give a row of that query as COPY sends it: value_0, value_1 …, none NULL."""
    return row_type(*(Column(f"value_{number}") for number in range(1 + len(feature_names))))


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples: features (n × k), labels (n, 0 or 1) and weights (n, above 0)."""

    features: Array
    labels: Array
    weights: Array

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.labels)


class _Collector:
    """Keeps what comes in arrays that grow."""

    def __init__(self, features: int) -> None:
        self.count = 0
        self._features = np.empty((_ROWS_AT_FIRST, features))
        self._labels = np.empty(_ROWS_AT_FIRST)
        self._weights = np.empty(_ROWS_AT_FIRST)

    def keep(self, rows: NDArray[np.void]) -> None:
        """Add rows."""
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
    connection: Connection[Record],
    feature_names: Sequence[str] = FEATURE_NAMES,
    kinds: Sequence[str] = TRAINED_ON,
) -> Examples:
    """Read pg_temp.training_matrix of this session, in its own order."""
    collector = _Collector(len(feature_names))
    reader = RowReader(example_row(feature_names), collector.keep)
    await connection.copy_from_query(
        examples_query(feature_names, kinds), output=reader.take, format="binary"
    )
    return collector.examples()
