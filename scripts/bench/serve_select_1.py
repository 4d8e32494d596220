#!/usr/bin/env python3
"""Serve the app as `python -m app` does, with one more route: SELECT 1, at the path given.

It goes the whole way of the other routes under /api/: uvicorn, the layers, the router, the token,
Accept-Language, a connection of the pool, one statement within the timeout, the same headers. What
it spares is the SQL behind them, and sending and passing on what that answers.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from starlette.routing import Route

from app import __main__ as server
from app.api.application import create_app
from app.api.authentication import Authenticator
from app.api.languages import accepted_languages
from app.api.routes import JSON_HEADERS
from app.api.settings import read_server_settings

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class Select1:
    """Answers 1, which it has from the database."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Do what SqlEndpoint does, around another statement."""
        self._authenticator.user_id(scope["headers"])
        accepted_languages(scope["headers"])
        (one,) = await scope["app"].state.database.fetchrow("SELECT 1")
        content = str(one).encode()
        headers = [*JSON_HEADERS, (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def main(path: str) -> None:
    """Start the server."""
    authenticator = Authenticator(read_server_settings().secret_key.get_secret_value())
    route = Route(path, Select1(authenticator), methods=["GET"])
    server.create_app = partial(create_app, extra_routes=[route])  # type: ignore[attr-defined]
    server.main([])


if __name__ == "__main__":
    main(sys.argv[1])
