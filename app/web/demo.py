"""The demo's own routes: what the app that eventrank serves would do, for a site to try it on."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.routing import Route

from app.api.languages import accepted_languages
from app.api.parameters import read_id
from app.api.routes import ByMethod, SqlEndpoint

if TYPE_CHECKING:
    from starlette.types import Scope

    from app.api.authentication import Authenticator
    from app.api.database import Database
    from app.api.routes import Arguments

DEMO = "/api/demo"


def demo_routes(database: Database, authenticator: Authenticator) -> list[Route]:
    """Give the routes under /api/demo/ but those of the sessions; for the demo mode alone."""

    def user(scope: Scope) -> tuple[object, ...]:
        return (authenticator.asker(scope),)

    def user_and_id(scope: Scope) -> tuple[object, ...]:
        # What is no id is NULL, as in app.api.routes.
        return *user(scope), read_id(scope["path_params"]["id"])

    def reader_and_id(scope: Scope) -> tuple[object, ...]:
        user_id, number = user_and_id(scope)
        return user_id, accepted_languages(scope["headers"]), number

    def search(scope: Scope) -> tuple[object, ...]:
        # A token that is wrong is refused, though none is needed.
        user(scope)
        return (_search(scope),)

    def reading(path: str, call: str, arguments: Arguments) -> Route:
        return Route(f"{DEMO}/{path}", SqlEndpoint(database, call, arguments), methods=["GET"])

    def switching(path: str, function: str) -> Route:
        by_method = ByMethod(
            {
                method: SqlEndpoint(
                    database, f"{function}($1, $2, {is_on})", user_and_id, is_read=False
                )
                for method, is_on in {"POST": "true", "DELETE": "false"}.items()
            }
        )
        return Route(f"{DEMO}/{path}", by_method, methods=["POST", "DELETE"])

    return [
        reading("list", "get_demo_list($1)", user),
        reading("events/{id}", "get_demo_event($1, $2, $3)", reader_and_id),
        reading("events/{id}/explanation", "get_demo_explanation($1, $2, $3)", reader_and_id),
        switching("events/{id}/registration", "set_demo_registration"),
        switching("events/{id}/favorite", "set_demo_favorite"),
        reading("facets", "get_demo_facets($1)", user),
        reading("interests", "get_demo_interests($1)", user),
        switching("interests/{id}", "set_demo_interest"),
        reading("tags", "get_demo_tags($1)", search),
        reading("students", "get_demo_students($1)", search),
    ]


def _search(scope: Scope) -> str | None:
    given = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    # PostgreSQL's text has no NUL, and no name has one.
    return given.get("search", "").replace("\0", "\ufffd") or None
