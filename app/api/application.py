"""The Starlette application: its layers, its routes, and what happens when it starts and ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

import asyncpg
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import Route

from app.api.authentication import Authenticator
from app.api.body_limit import BodyLimit
from app.api.database import CLIENT_ERRORS, Database, DatabaseFault
from app.api.desk_routes import desk_routes
from app.api.documentation import documentation_routes
from app.api.metrics import Measured, Metrics, MetricsPage
from app.api.problems import Problem
from app.api.request_ids import HEADER, RequestIds, headers_of_request
from app.api.routes import SqlEndpoint, api_routes
from app.console import UserError, describe_database_error
from app.errors import AWAY, TOO_LATE, outcome
from app.schema import MIGRATIONS_DIR, SQL_DIR
from app.schema.logic import read_logic
from app.schema.migrations import read_migrations
from app.settings import store_environment
from app.web.demo import demo_routes
from app.web.pages import web_routes
from app.web.sessions import DESK, STUDENT, DemoSessions, Desk, SessionReader, Sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import Message, Receive, Scope, Send

    from app.api.settings import ServerSettings

logger = logging.getLogger("eventrank")

STORE_RETRY_SECONDS = (1.0, 10.0)
"""The first and the longest pause between two tries to store the environment's settings."""

SENTENCES = {
    HTTPStatus.NOT_FOUND: "there is nothing at this path",
    HTTPStatus.METHOD_NOT_ALLOWED: "this path does not take this method",
}


def create_app(settings: ServerSettings, extra_routes: Sequence[BaseRoute] = ()) -> Starlette:
    """Make the application; extra routes find the database as `request.app.state.database`."""
    metrics = Metrics()
    database = Database(
        settings.address(),
        pool_size=settings.database_pool_size,
        timeout_seconds=settings.database_timeout_seconds,
        prepared_statements=settings.database_prepared_statements,
        on_fault=metrics.count_fault,
    )
    authenticator = Authenticator(settings.secret_key.get_secret_value())
    readiness = Readiness(database)
    sessions = Sessions(settings.secret_key.get_secret_value())
    middleware = [
        Middleware(RequestIds),
        Middleware(Measured, metrics),
        Middleware(BodyLimit, settings.max_body_bytes),
    ]
    seats = [
        *([DESK] if settings.desk_enabled else []),
        *([STUDENT] if settings.demo_mode else []),
    ]
    if seats:
        middleware.append(Middleware(SessionReader, sessions, seats))
    if settings.cors_origins:
        middleware.insert(
            2,
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=("GET", "POST", "DELETE"),
                allow_headers=("Authorization", HEADER),
                expose_headers=(
                    "Content-Language",
                    "Interactions-Dropped",
                    "Interactions-Repeated",
                    "Interactions-Stored",
                    "Retry-After",
                    "WWW-Authenticate",
                    HEADER,
                ),
            ),
        )
    application = Starlette(
        routes=[
            *api_routes(database, authenticator, metrics),
            *desk_routes(database, authenticator),
            *_operations_routes(readiness, MetricsPage(metrics, database)),
            *documentation_routes(),
            *_face_routes(settings, database, authenticator, sessions),
            *extra_routes,
        ],
        middleware=middleware,
        exception_handlers={
            Problem: _answer_problem,
            HTTPStatus.NOT_FOUND: _answer_router,
            HTTPStatus.METHOD_NOT_ALLOWED: _answer_router,
            Exception: _answer_bug,
        },
        lifespan=_lifespan,
    )
    # A redirect to the same path with a slash would be one more answer to document.
    application.router.redirect_slashes = False
    application.state.database = database
    application.state.readiness = readiness
    return application


def _face_routes(
    settings: ServerSettings, database: Database, authenticator: Authenticator, sessions: Sessions
) -> list[Route]:
    """Give the pages that are switched on, and what they ask beyond the API."""
    desk = Desk(database, authenticator, sessions) if settings.desk_enabled else None
    routes = web_routes(desk=settings.desk_enabled, demo=settings.demo_mode)
    if desk:
        routes.append(desk.route())
    if settings.demo_mode:
        routes += DemoSessions(database, sessions, desk).routes()
        routes += demo_routes(database, authenticator)
    return routes


def _operations_routes(readiness: Readiness, page: MetricsPage) -> list[Route]:
    return [
        Route("/healthz", _show_health, methods=["GET"]),
        Route("/readyz", readiness, methods=["GET"]),
        Route("/metrics", page.show, methods=["GET"]),
    ]


async def _show_health(_request: Request) -> Response:
    return Response(
        b'{"status":"ok"}', media_type="application/json", headers={"Cache-Control": "no-store"}
    )


class Readiness:
    """Answers /readyz: whether the database is there, is as these files describe, and as set."""

    def __init__(self, database: Database) -> None:
        self.tried_to_set = asyncio.Event()
        self.unset: str | None = None
        """Why the environment's settings could not be stored, when that was last tried."""
        # Read now: these are the files the process was started from.
        self._version = ("", "")
        self._trouble: str | None = None
        try:
            newest = read_migrations(MIGRATIONS_DIR)[-1].name.rpartition("/")[2]
            self._version = (newest, read_logic(SQL_DIR).checksum)
        except UserError as error:
            self._trouble = f"the server cannot tell which schema it needs: {error}"
            logger.warning(self._trouble)
        self._endpoint = SqlEndpoint(
            database, "get_readiness($1, $2)", lambda _scope: self._version
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the database; whatever is wrong with it, the server is not ready."""
        if self._trouble:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, self._trouble)

        async def send_if_set(message: Message) -> None:
            if message.get("status") == HTTPStatus.OK:
                # Just after the start; with a database that answers, that takes no time.
                await self.tried_to_set.wait()
                if self.unset:
                    raise Problem(
                        HTTPStatus.SERVICE_UNAVAILABLE,
                        f"the environment's settings are not stored yet: {self.unset}",
                    )
            await send(message)

        try:
            await self._endpoint(scope, receive, send_if_set)
        except DatabaseFault as fault:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, fault.detail) from None


@contextlib.asynccontextmanager
async def _lifespan(application: Starlette) -> AsyncIterator[None]:
    database: Database = application.state.database
    async with database:
        storing = asyncio.create_task(_store_settings(database, application.state.readiness))
        try:
            yield
        finally:
            storing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await storing


async def _store_settings(database: Database, readiness: Readiness) -> None:
    """Store the environment's settings as soon as there is a database that takes them."""
    pause, longest = STORE_RETRY_SECONDS
    while True:
        try:
            async with asyncio.timeout(database.timeout_seconds), database.connection() as lent:
                await store_environment(lent, logger.info)
        except (UserError, asyncpg.PostgresError, *CLIENT_ERRORS) as error:
            if isinstance(error, asyncpg.PostgresError):
                reason = describe_database_error(error)
                readiness.unset = outcome(error.sqlstate or "").detail
            else:
                reason = str(error) or type(error).__name__
                readiness.unset = (TOO_LATE if isinstance(error, TimeoutError) else AWAY).detail
            logger.warning("settings are not stored yet, trying again in %g s: %s", pause, reason)
        else:
            readiness.unset = None
            return
        finally:
            readiness.tried_to_set.set()
        await asyncio.sleep(pause)
        pause = min(pause * 2, longest)


async def _answer_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return problem.response(request.scope)


async def _answer_router(request: Request, error: Exception) -> Response:
    """Say what the router says, as a problem."""
    status = HTTPStatus(getattr(error, "status_code", 500))
    headers = dict(getattr(error, "headers", None) or {})
    if "Allow" in headers:
        headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
    return Problem(status, SENTENCES[status], headers=headers).response(request.scope)


async def _answer_bug(request: Request, _error: Exception) -> Response:
    """Say nothing of what happened; the server logs the traceback."""
    problem = Problem(
        500, "the server made a mistake; its log says which", headers=headers_of_request()
    )
    return problem.response(request.scope)
