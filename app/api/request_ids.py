"""Every request has an id: the caller's, if it is one, else a new one."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from app import logs

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-ID"

_HEADER = HEADER.lower().encode()
_WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class RequestIds:
    """Gives a request its id, for its log lines and its answer; the outermost layer of all."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its id back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given(scope) or os.urandom(16).hex()
        logs.begin(request_id=request_id)
        header = (_HEADER, request_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A list of its own: the one given may belong to an answer that is kept.
                message["headers"] = [*message["headers"], header]
            await send(message)

        await self._app(scope, receive, send_with_id)


def headers_of_request() -> dict[str, str]:
    """Give the header for an answer that goes past this layer: the one to a bug."""
    request_id = logs.noted("request_id")
    return {HEADER: str(request_id)} if request_id else {}


def _given(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == _HEADER:
            # Anything else could forge a line of a log, or fill it.
            return value.decode() if _WELL_FORMED.fullmatch(value) else None
    return None
