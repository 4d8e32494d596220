"""The endpoints of the admins' desk: what its pages show, for any client of an admin."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.routing import Route

from app.api.routes import ADMIN, SqlEndpoint

if TYPE_CHECKING:
    from starlette.types import Scope

    from app.api.authentication import Authenticator
    from app.api.database import Database
    from app.api.routes import Arguments


def desk_routes(database: Database, authenticator: Authenticator) -> list[Route]:
    """Give the routes."""

    def user(scope: Scope) -> tuple[object, ...]:
        return (authenticator.asker(scope),)

    def user_and(parameter: str) -> Arguments:
        def arguments(scope: Scope) -> tuple[object, ...]:
            given = dict(parse_qsl(scope["query_string"].decode("latin-1")))
            # PostgreSQL's text has no NUL.
            return *user(scope), given.get(parameter, "").replace("\0", "?")

        return arguments

    def read(path: str, call: str, arguments: Arguments) -> Route:
        return Route(f"{ADMIN}/{path}", SqlEndpoint(database, call, arguments), methods=["GET"])

    return [
        read("overview", "get_desk_overview($1)", user),
        read("variants", "get_desk_variants($1, $2)", user_and("days")),
        read("models", "get_desk_models($1)", user),
    ]
