"""Bodies larger than allowed are refused before anything reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api.problems import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Answers 413 for a body that is, or turns out to be, too long.

    The HTTP parser holds a client to its Content-Length. A chunked body says how long it is only
    at its end, so it is read, up to the limit, before the application sees the request.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless it is too large."""
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == b"content-length":
                    if int(value) > self._max_bytes:
                        await self._refuse(scope, receive, send)
                        return
                elif name == b"transfer-encoding":
                    body = await self._read(receive)
                    if body is None:
                        return
                    if len(body) > self._max_bytes:
                        await self._refuse(scope, receive, send)
                        return
                    receive = _replay(bytes(body), receive)
        await self._app(scope, receive, send)

    async def _read(self, receive: Receive) -> bytearray | None:
        """Read the body, or the beginning of one that is too long; None when the client left."""
        body, is_more = bytearray(), True
        while is_more and len(body) <= self._max_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            is_more = message.get("more_body", False)
        return body

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = Problem(413, f"a body may have {self._max_bytes} bytes at most")
        await problem.response(scope)(scope, receive, send)


def _replay(body: bytes, receive: Receive) -> Receive:
    is_read = False

    async def receive_again() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
