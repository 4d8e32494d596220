"""Arrays to tables: binary COPY straight out of numpy, whatever width the table's ids have."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from app.console import UserError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from asyncpg import Connection, Record
    from numpy.typing import NDArray

    Column = NDArray[Any] | bytes | None
    """A value a row, one value for all rows (text), or NULL for all rows."""

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
JSONB_VERSION = 1
ROWS_AT_ONCE = 50_000
NUMBERS = {
    "smallint": ">i2",
    "integer": ">i4",
    "bigint": ">i8",
    "boolean": "i1",
    "timestamp with time zone": ">i8",
}


class BulkWriter:
    """Writes columns of numpy arrays into tables of the schema public."""

    def __init__(self, connection: Connection[Record]) -> None:
        self._connection = connection
        self._types: dict[str, dict[str, str]] = {}
        self.written: dict[str, int] = {}

    async def write(self, table: str, *groups: Mapping[str, Column]) -> None:
        """COPY groups of rows: within a group a column is all NULL or never NULL."""
        types = await self._column_types(table)
        blocks = [block for group in groups if (block := _pack(table, types, group)).size]
        if blocks:
            await self._connection.copy_to_table(
                table,
                schema_name="public",
                columns=list(groups[0]),
                format="binary",
                source=_stream(blocks),
            )
        self._count(table, sum(block.size for block in blocks))

    async def write_records(
        self, table: str, columns: Sequence[str], records: Sequence[tuple[object, ...]]
    ) -> None:
        """COPY rows of texts, which have no fixed width."""
        await self._connection.copy_records_to_table(
            table, schema_name="public", columns=columns, records=records
        )
        self._count(table, len(records))

    def _count(self, table: str, rows: int) -> None:
        self.written[table] = self.written.get(table, 0) + rows

    async def _column_types(self, table: str) -> dict[str, str]:
        if table not in self._types:
            rows = await self._connection.fetch(
                "SELECT a.attname, format_type(a.atttypid, NULL) AS type FROM pg_attribute AS a"
                " WHERE a.attrelid = format('public.%I', $1::text)::regclass AND a.attnum > 0",
                table,
            )
            self._types[table] = {row["attname"]: row["type"] for row in rows}
        return self._types[table]


def _pack(table: str, types: Mapping[str, str], group: Mapping[str, Column]) -> NDArray[Any]:
    """Lay rows out as COPY wants them: a field count, then length and value of each field."""
    parts: list[tuple[str, str]] = [("fields", ">i2")]
    values: dict[str, Any] = {"fields": len(group)}
    for name, column in group.items():
        kind = types.get(name, "missing")
        parts.append((f"{name}:length", ">i4"))
        if column is None:
            values[f"{name}:length"] = -1
            continue
        is_text = isinstance(column, bytes) or column.dtype.kind == "S"
        if not is_text and kind not in NUMBERS:
            raise UserError(
                f"cannot fill {table}.{name}: its type is {kind}, expected one of"
                f" {', '.join(NUMBERS)}"
            )
        dtype = np.dtype(np.asarray(column).dtype if is_text else NUMBERS[kind])
        values[f"{name}:length"] = dtype.itemsize + (kind == "jsonb")
        if kind == "jsonb":
            parts.append((f"{name}:version", "i1"))
            values[f"{name}:version"] = JSONB_VERSION
        parts.append((name, dtype.str))
        values[name] = column
    size = max(column.size for column in group.values() if isinstance(column, np.ndarray))
    block = np.empty(size, dtype=parts)
    for part, _ in parts:
        block[part] = values[part]
    return block


async def _stream(blocks: Sequence[NDArray[Any]]) -> AsyncIterator[bytes]:
    yield HEADER
    for block in blocks:
        for begin in range(0, block.size, ROWS_AT_ONCE):
            yield block[begin : begin + ROWS_AT_ONCE].tobytes()
    yield TRAILER
