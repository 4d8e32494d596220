"""Rows of a binary COPY as arrays, whatever the pieces they arrive in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from app.copy_rows import Column, RowReader, row_type
from app.database import connect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.support.runner import Run

ROW = row_type(Column("number", ">i4"), Column("value"), Column("features", elements=3))
QUERY = """
SELECT n, n / 8.0::double precision, ARRAY[n, -n, 0.5]::double precision[]
FROM generate_series(1, 40) AS g (n)
"""


@pytest.fixture(scope="module")
def sent(database_url: str, run: Run) -> bytes:
    async def copy() -> bytes:
        pieces: list[bytes] = []

        async def take(piece: bytes) -> None:
            pieces.append(piece)

        connection = await connect(database_url)
        await connection.copy_from_query(QUERY, output=take, format="binary")
        await connection.close()
        return b"".join(pieces)

    return run(copy())


@pytest.mark.parametrize("size", [1, 7, 19, 20, 93, 94, 1_000, 100_000])
def test_rows_are_the_same_in_pieces_of_any_size(sent: bytes, size: int) -> None:
    pieces: list[NDArray[np.void]] = []
    reader = RowReader(ROW, lambda rows: pieces.append(rows.copy()))
    for first in range(0, len(sent), size):
        asyncio.run(reader.take(sent[first : first + size]))
    rows = np.concatenate(pieces)
    numbers = np.arange(1, 41)
    assert rows["number"].tolist() == numbers.tolist()
    assert rows["value"].tolist() == (numbers / 8).tolist()
    assert rows["features"]["value"].tolist() == [[n, -n, 0.5] for n in range(1, 41)]


def test_a_query_without_rows_gives_none() -> None:
    pieces: list[NDArray[np.void]] = []
    reader = RowReader(ROW, pieces.append)
    asyncio.run(reader.take(b"PGCOPY\n\xff\r\n\x00" + bytes(8) + b"\xff\xff"))
    assert sum(map(len, pieces)) == 0
