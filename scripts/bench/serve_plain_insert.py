#!/usr/bin/env python3
"""Serve the app as `python -m app` does, with one more route: plain INSERT, at the path given.

It takes the same bodies as POST /api/analytics/interactions and goes the same way: uvicorn, the
layers, the router, the token, the body, JSON that jsonb can hold, a connection of the pool, one
statement within the timeout. The statement inserts the rows and does nothing else.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from starlette.routing import Route

from app import __main__ as server
from app.api.application import create_app
from app.api.authentication import Authenticator
from app.api.body_limit import read_body
from app.api.json_bodies import read_json
from app.api.routes import HEADERS
from app.api.settings import read_server_settings
from scripts.bench.plain_insert import PLAIN_INSERT

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class PlainInsert:
    """Stores the interactions of a body, whatever they are."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do what TelemetryEndpoint does, around another statement."""
        user_id = self._authenticator.user_id(scope["headers"])
        body = await read_body(receive)
        if body is None:
            return
        database = scope["app"].state.database
        async with asyncio.timeout(database.timeout_seconds), database.connection() as connection:
            await connection.fetchrow(PLAIN_INSERT, user_id, read_json(body))
        await send({"type": "http.response.start", "status": 204, "headers": HEADERS})
        await send({"type": "http.response.body", "body": b""})


def main(path: str) -> None:
    """Start the server."""
    authenticator = Authenticator(read_server_settings().secret_key.get_secret_value())
    route = Route(path, PlainInsert(authenticator), methods=["POST"])
    server.create_app = partial(create_app, extra_routes=[route])  # type: ignore[attr-defined]
    server.main([])


if __name__ == "__main__":
    main(sys.argv[1])
