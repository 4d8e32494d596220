"""The endpoints: each is one call of one SQL function, whose row is the answer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.routing import Route

from app.api.body_limit import read_body
from app.api.clients import client_key
from app.api.json_bodies import read_json
from app.api.languages import accepted_languages
from app.api.parameters import read_event_query, read_id
from app.api.problems import API_HEADERS, PROBLEM_JSON, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asyncpg import Record
    from starlette.types import ASGIApp, Receive, Scope, Send

    from app.api.authentication import Authenticator
    from app.api.database import Database
    from app.api.metrics import Metrics

    Arguments = Callable[[Scope], tuple[object, ...]]
    Answer = tuple[int, str | None, str | None]

HEADERS = [(name.lower().encode(), value.encode()) for name, value in API_HEADERS.items()]
JSON_HEADERS = [*HEADERS, (b"content-type", b"application/json")]
PROBLEM_HEADERS = [*HEADERS, (b"content-type", PROBLEM_JSON.encode())]

ADMIN = "/api/admin/personalization"

INTERACTIONS = "Interactions-"
"""Begins the names of the headers that count what became of a batch."""

QUICK_BODY_BYTES = 65_536
"""Up to here other requests do not notice that a body is read; a larger one has a thread."""


class SqlEndpoint:
    """Answers with the row (status, headers, body) of a function; the body is passed through."""

    def __init__(
        self,
        database: Database,
        call: str,
        arguments: Arguments,
        *,
        is_read: bool = True,
    ) -> None:
        self._database = database
        self._statement = f"SELECT status, headers, body FROM recommender.{call}"  # noqa: S608
        self._arguments = arguments
        self._is_read = is_read

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Ask the database and send what it says."""
        row = await self._database.fetchrow(
            self._statement, *self._arguments(scope), is_read=self._is_read
        )
        await send_row(row, send)


class TelemetryEndpoint:
    """Hands a body of interactions to SQL, and counts what became of them.

    Where the connection breaks meanwhile, nothing is repeated here: whether the batch was stored
    is unknown then, and only a client that gives its interactions ids can send them again.
    """

    STATEMENT = """
    SELECT status, headers, body
    FROM recommender.record_interactions($1, ($2::jsonb) -> 'events', $3)
    """

    def __init__(self, database: Database, authenticator: Authenticator, metrics: Metrics) -> None:
        self._database = database
        self._authenticator = authenticator
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body once it is known who sends it, and answer as the database says."""
        user_id = self._authenticator.asker(scope)
        body = await read_body(receive)
        if body is None:
            return
        text, problem = await _read_text(body)
        row = await self._database.fetchrow(
            self.STATEMENT, user_id, text, client_key(scope), is_read=False
        )
        if problem and row["status"] == problem.status:
            # Who may not ask, or asks too often, is told that instead.
            raise problem
        for name, count in (await send_row(row, send)).items():
            if name.startswith(INTERACTIONS):
                outcome = name.removeprefix(INTERACTIONS).lower()
                self._metrics.count_interactions(outcome, int(count))


class BodyEndpoint:
    """Hands a JSON body to a function of SQL, last of its arguments; an empty one is {}."""

    def __init__(
        self, database: Database, call: str, arguments: Arguments, *, is_read: bool = False
    ) -> None:
        self._database = database
        self._statement = f"SELECT status, headers, body FROM recommender.{call}"  # noqa: S608
        self._arguments = arguments
        self._is_read = is_read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body once it is known who sends it, and answer as the database says."""
        arguments = self._arguments(scope)
        body = await read_body(receive)
        if body is None:
            return
        # What is no JSON is NULL: who may not ask is told that, others what is wrong with it.
        text, problem = await _read_text(body) if body.strip() else ("{}", None)
        row = await self._database.fetchrow(
            self._statement, *arguments, None if problem else text, is_read=self._is_read
        )
        if problem and row["status"] == problem.status:
            raise problem
        await send_row(row, send)


async def _read_text(body: bytes) -> tuple[str, Problem | None]:
    try:
        if len(body) <= QUICK_BODY_BYTES:
            return read_json(body), None
        return await asyncio.to_thread(read_json, body), None
    except Problem as refusal:
        return "{}", refusal


async def send_row(row: Record | Answer, send: Send) -> dict[str, str]:
    """Send the answer that a function gave as a row, and give the headers that came with it."""
    status, given, body = row
    content = b"" if body is None else body.encode()
    if body is None:
        headers = HEADERS.copy()
    else:
        headers = (PROBLEM_HEADERS if status >= 400 else JSON_HEADERS).copy()
        headers.append((b"content-length", b"%d" % len(content)))
    more: dict[str, str] = {} if given is None else json.loads(given)
    headers += [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in more.items()
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
    return more


class ByMethod:
    """Several endpoints of one path, so that a 405 names all that the path allows."""

    def __init__(self, endpoints: Mapping[str, ASGIApp]) -> None:
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the endpoint of its method."""
        await self._endpoints[scope["method"]](scope, receive, send)


def api_routes(database: Database, authenticator: Authenticator, metrics: Metrics) -> list[Route]:
    """Give the routes under /api/, those that are asked most first."""

    def reader(scope: Scope) -> tuple[object, ...]:
        return authenticator.asker(scope), accepted_languages(scope["headers"])

    def reader_and_query(scope: Scope) -> tuple[object, ...]:
        # The token comes first: whoever sends a bad one learns nothing else.
        return *reader(scope), *_event_query(scope)

    def user(scope: Scope) -> tuple[object, ...]:
        return (authenticator.asker(scope),)

    def user_and_id(scope: Scope) -> tuple[object, ...]:
        # What is no id is NULL: who asks comes first, so SQL says that there is no such thing.
        return authenticator.asker(scope), read_id(scope["path_params"]["id"])

    def endpoint(call: str, arguments: Arguments, **options: Any) -> SqlEndpoint:
        return SqlEndpoint(database, call, arguments, **options)

    def exclusion(path: str, function: str) -> Route:
        by_method = ByMethod(
            {
                "POST": endpoint(f"{function}($1, $2, true)", user_and_id, is_read=False),
                "DELETE": endpoint(f"{function}($1, $2, false)", user_and_id, is_read=False),
            }
        )
        return Route(path, by_method, methods=["POST", "DELETE"])

    def user_and_days(scope: Scope) -> tuple[object, ...]:
        given = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        # PostgreSQL's text has no NUL; what is no number is refused by the function either way.
        days = given.get("days", "").replace("\0", "?")
        return authenticator.asker(scope), days

    def admin(path: str, function: str) -> Route:
        endpoint = BodyEndpoint(database, f"{function}($1, $2::jsonb)", user)
        return Route(f"{ADMIN}/{path}", endpoint, methods=["POST"])

    events = "get_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
    personalization = "/api/me/personalization"
    return [
        Route(
            "/api/recommendations",
            endpoint("get_recommendations($1, $2)", reader),
            methods=["GET"],
        ),
        Route("/api/events", endpoint(events, reader_and_query), methods=["GET"]),
        Route(
            "/api/analytics/interactions",
            TelemetryEndpoint(database, authenticator, metrics),
            methods=["POST"],
        ),
        Route(personalization, endpoint("get_personalization($1)", user), methods=["GET"]),
        exclusion(f"{personalization}/hidden-tags/{{id}}", "set_tag_hidden"),
        exclusion(f"{personalization}/blocked-organizers/{{id}}", "set_organizer_blocked"),
        Route(f"{ADMIN}/status", endpoint("get_admin_status($1)", user), methods=["GET"]),
        Route(
            f"{ADMIN}/metrics",
            endpoint("get_admin_metrics($1, $2)", user_and_days),
            methods=["GET"],
        ),
        admin("guardrails/evaluate", "request_guardrails"),
        admin("models/activate", "request_activation"),
        admin("retrain", "request_training"),
    ]


def _event_query(scope: Scope) -> tuple[object, ...]:
    text = scope["query_string"].decode("latin-1")
    query = read_event_query(parse_qsl(text) if text else ())
    if isinstance(query, list):
        names = ", ".join(bad["parameter"] for bad in query)
        raise Problem(422, f"these parameters are wrong: {names}", errors=query)
    return (
        query.search,
        query.category,
        query.city,
        query.location,
        query.tags,
        query.start_date,
        query.end_date,
        query.include_past,
        query.sort,
        query.page,
        query.page_size,
    )
