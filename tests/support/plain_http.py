"""One connection over which requests are sent one after the other, at little cost for the client.

httpx takes more of the processor than the server it asks, where thousands of requests are sent.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LONGEST_HEAD = 2**16


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


class Client:
    """Speaks as much HTTP/1.1 as our server answers with: lengths, no chunks, kept alive."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._seconds = seconds

    async def ask(self, path: str, token: str, method: str = "GET") -> Answer:
        """Give the answer; a TimeoutError where there is none in time."""
        async with asyncio.timeout(self._seconds):
            return await self._ask(path, token, method)

    async def _ask(self, path: str, token: str, method: str) -> Answer:
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        _, _, length = head.partition("\r\ncontent-length:")
        body = await self._reader.readexactly(int(length.partition("\r\n")[0] or 0))
        return Answer(status, body)


@asynccontextmanager
async def open_client(url: str, seconds: float) -> AsyncIterator[Client]:
    """Connect to a server that answers each request within some seconds."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(
        address.hostname, address.port, limit=LONGEST_HEAD
    )
    try:
        yield Client(reader, writer, seconds)
    finally:
        writer.close()
        await writer.wait_closed()
