"""Rows out of PostgreSQL as arrays: a binary COPY, read without a loop over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

HEADER_BYTES = 19
"""PostgreSQL's binary COPY format: signature, flags and extension length; -1 as int16 ends it."""


@dataclass(frozen=True)
class Column:
    """A column that is never NULL: integer (>i4), double precision (>f8), or an array of it."""

    name: str
    type: str = ">f8"
    elements: int = 0
    """How many an array has in every row; 0: it is no array."""


def row_type(*columns: Column) -> np.dtype[np.void]:
    """Give a row as COPY sends it: every value with its length, an array with its dimensions."""
    fields: list[object] = [("column_count", ">i2")]
    for column in columns:
        fields.append((f"length of {column.name}", ">i4"))
        if column.elements:
            element = np.dtype([("length", ">i4"), ("value", column.type)])
            fields.append((f"dimensions of {column.name}", ">i4", (5,)))
            fields.append((column.name, element, (column.elements,)))
        else:
            fields.append((column.name, column.type))
    return np.dtype(fields)


class RowReader:
    """Takes the COPY piece by piece, so that it is parsed while PostgreSQL sends the rest."""

    def __init__(self, row: np.dtype[np.void], keep: Callable[[NDArray[np.void]], None]) -> None:
        self._row = row
        self._keep = keep
        self._rest = b""
        self._skip = HEADER_BYTES

    async def take(self, data: bytes) -> None:
        """Keep the whole rows of a piece, and its end for the next one; the trailer is no row."""
        pending = self._rest + data
        begin = min(self._skip, len(pending))
        self._skip -= begin
        count = (len(pending) - begin) // self._row.itemsize
        end = begin + count * self._row.itemsize
        self._rest = pending[end:]
        self._keep(np.frombuffer(pending, dtype=self._row, count=count, offset=begin))
