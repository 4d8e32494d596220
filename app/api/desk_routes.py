"""The endpoints of the admins' desk: what its pages show, for any client of an admin."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.routing import Route

from app.api.parameters import MAX_JOB_ID, read_id
from app.api.routes import ADMIN, BodyEndpoint, SqlEndpoint

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

    def user_and_ids(*names: str) -> Arguments:
        def arguments(scope: Scope) -> tuple[object, ...]:
            # What is no id is NULL: who asks comes first, so SQL says that there is no such thing.
            return *user(scope), *(read_id(scope["path_params"][name]) for name in names)

        return arguments

    def user_and_job(scope: Scope) -> tuple[object, ...]:
        return *user(scope), read_id(scope["path_params"]["job_id"], MAX_JOB_ID)

    def read(path: str, call: str, arguments: Arguments) -> Route:
        return Route(f"{ADMIN}/{path}", SqlEndpoint(database, call, arguments), methods=["GET"])

    retry = SqlEndpoint(database, "request_job_retry($1, $2)", user_and_job, is_read=False)
    preview = BodyEndpoint(
        database, "preview_desk_weights($1, $2, $3::jsonb)", user_and_ids("id"), is_read=True
    )
    student = "students/{id}"
    return [
        read("overview", "get_desk_overview($1)", user),
        read("variants", "get_desk_variants($1, $2)", user_and("days")),
        read("models", "get_desk_models($1)", user),
        read("guardrails", "get_desk_guardrails($1)", user),
        read("jobs", "get_desk_jobs($1)", user),
        Route(f"{ADMIN}/jobs/{{job_id}}/retry", retry, methods=["POST"]),
        read("students", "get_desk_students($1, $2)", user_and("search")),
        read(student, "get_desk_student($1, $2)", user_and_ids("id")),
        read(
            f"{student}/events/{{event_id}}",
            "get_desk_explanation($1, $2, $3)",
            user_and_ids("id", "event_id"),
        ),
        Route(f"{ADMIN}/{student}/preview", preview, methods=["POST"]),
    ]
