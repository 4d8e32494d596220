"""Bodies larger or slower than allowed are refused before anything reads them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


SECONDS_TO_ARRIVE = 10.0
"""How long a body may take; nothing is asked of the database meanwhile."""


class BodyLimit:
    """Answers 413 for a body that is, or turns out to be, too long, and 408 for one too slow.

    The HTTP parser holds a client to its Content-Length, and only who wants such a body waits for
    it, by read_body. A chunked one says how long it is only at its end, so it is read, up to the
    limit, before the application sees the request.
    """

    def __init__(
        self, app: ASGIApp, max_bytes: int, seconds_to_arrive: float = SECONDS_TO_ARRIVE
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds_to_arrive = seconds_to_arrive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless its body is too large or does not arrive."""
        if scope["type"] == "http":
            try:
                for name, value in scope["headers"]:
                    if name == b"content-length":
                        self._check(int(value))
                    elif name == b"transfer-encoding":
                        body = await read_body(receive, self._seconds_to_arrive, self._check)
                        if body is None:
                            return
                        receive = _replay(body, receive)
            except Problem as problem:
                await problem.response(scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, length: int) -> None:
        if length > self._max_bytes:
            raise Problem(413, f"a body may have {self._max_bytes} bytes at most")


async def read_body(
    receive: Receive,
    seconds_to_arrive: float = SECONDS_TO_ARRIVE,
    check_length: Callable[[int], None] = lambda _length: None,
) -> bytes | None:
    """Read a body; None when the client left. The time is for all of it, however it drips."""
    body, is_more = bytearray(), True
    try:
        async with asyncio.timeout(seconds_to_arrive):
            while is_more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                check_length(len(body))
                is_more = message.get("more_body", False)
    except TimeoutError:
        raise Problem(
            408,
            f"the body did not arrive within {seconds_to_arrive:g} seconds",
            headers={"Connection": "close"},
        ) from None
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    is_read = False

    async def receive_again() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
