"""Signing in to a page: a cookie made from a token, good for an hour and for pages alone."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import jwt
from starlette.requests import cookie_parser
from starlette.routing import Route

from app.api.authentication import ALGORITHM, SESSION_USER
from app.api.body_limit import read_body
from app.api.json_bodies import read_json
from app.api.parameters import MAX_ID
from app.api.problems import API_PREFIX, Problem
from app.api.routes import ByMethod, send_row

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from asyncpg import Record
    from starlette.types import ASGIApp, Receive, Scope, Send

    from app.api.authentication import Authenticator
    from app.api.database import Database
    from app.api.routes import Answer

Value = TypeVar("Value", str, int)

LIFE_SECONDS = 3600
"""How long a session lasts, at most; one made from a token ends with it."""

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Seat:
    """A face of the server as somebody sits before it: its cookie, and where that is sent."""

    cookie: str
    path: str


DESK = Seat("eventrank_desk", "/api/admin/")
STUDENT = Seat("eventrank_student", API_PREFIX)


@dataclass(frozen=True)
class Session:
    """Who has signed in, and until when, in seconds since 1970."""

    user_id: int
    expires_at: int


class Sessions:
    """Writes and reads the cookies. They are tokens for an audience that the API itself refuses."""

    def __init__(self, secret_key: str) -> None:
        self._key = secret_key.encode()

    def cookie(self, seat: Seat, session: Session, scope: Scope) -> str:
        """Give the header Set-Cookie that begins a session."""
        claims = {
            "sub": str(session.user_id),
            "exp": session.expires_at,
            "aud": seat.cookie,
        }
        value = jwt.encode(claims, self._key, ALGORITHM)
        return self._set_cookie(seat, value, session.expires_at - int(time.time()), scope)

    def no_cookie(self, seat: Seat, scope: Scope) -> str:
        """Give the header Set-Cookie that ends a session."""
        return self._set_cookie(seat, "", 0, scope)

    def read(self, seat: Seat, scope: Scope) -> Session | None:
        """Give the session whose cookie came with a request, if it is good and not over."""
        for name, value in scope["headers"]:
            if name == b"cookie":
                token = cookie_parser(value.decode("latin-1")).get(seat.cookie)
                if token:
                    return self._read(seat, token)
        return None

    def _read(self, seat: Seat, token: str) -> Session | None:
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=seat.cookie,
                options={"require": ["exp", "sub", "aud"]},
            )
            return Session(int(claims["sub"]), int(claims["exp"]))
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return None

    def _set_cookie(self, seat: Seat, value: str, seconds: int, scope: Scope) -> str:
        secure = "; Secure" if scope["scheme"] == "https" else ""
        return (
            f"{seat.cookie}={value}; Path={seat.path}; Max-Age={max(seconds, 0)};"
            f" HttpOnly; SameSite=Strict{secure}"
        )


class SessionReader:
    """Tells the API who asks where a page does: by the cookie, if there is no token.

    What changes anything has to come from a page of this server itself. SameSite keeps the cookie
    from other sites' requests already; this also keeps out other origins of the same site.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, seats: Collection[Seat]) -> None:
        self._app = app
        self._sessions = sessions
        self._seats = seats
        """The faces that are switched on: cookies of others are good for nothing."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its user."""
        if scope["type"] == "http" and scope["path"].startswith(API_PREFIX):
            seat = DESK if scope["path"].startswith(DESK.path) else STUDENT
            headers = dict(scope["headers"])
            may_sit = seat in self._seats and b"authorization" not in headers
            if may_sit and b"cookie" in headers:
                session = self._sessions.read(seat, scope)
                if session:
                    try:
                        if scope["method"] not in SAFE_METHODS:
                            refuse_other_origins(scope)
                    except Problem as problem:
                        await problem.response(scope)(scope, receive, send)
                        return
                    scope[SESSION_USER] = session.user_id
        await self._app(scope, receive, send)


def refuse_other_origins(scope: Scope) -> None:
    """Raise a 403 unless a browser says that the request comes from this server's own page.

    Browsers say so in Sec-Fetch-Site; older ones name at least the origin.
    """
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        is_own = site == b"same-origin"
    else:
        is_own = _origin_host(headers) == headers.get(b"host")
    if not is_own:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "this was not sent by a page of this server; programs send a token instead of a cookie",
        )


def _origin_host(headers: Mapping[bytes, bytes]) -> bytes:
    """Give the host that the header Origin names; empty where it names none."""
    try:
        return urlsplit(headers.get(b"origin", b"")).netloc
    except ValueError:
        return b""


class Desk:
    """/api/admin/session: an admin signs in with a token, asks who is signed in, and leaves."""

    def __init__(
        self, database: Database, authenticator: Authenticator, sessions: Sessions
    ) -> None:
        self._database = database
        self._authenticator = authenticator
        self._sessions = sessions

    def route(self) -> Route:
        """Give the route."""
        by_method = ByMethod(
            {"GET": self._show, "HEAD": self._show, "POST": self._begin, "DELETE": self._end}
        )
        return Route("/api/admin/session", by_method, methods=["GET", "POST", "DELETE"])

    async def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        refuse_other_origins(scope)
        token = await _read_field(receive, "token", str)
        user_id, expires_at = self._authenticator.verify(token.encode())
        await self.admit(scope, send, user_id, int(expires_at))

    async def admit(self, scope: Scope, send: Send, user_id: int, expires_at: float) -> None:
        """Begin a session for an admin; anybody else is told what the API would say."""
        session = Session(user_id, int(min(expires_at, time.time() + LIFE_SECONDS)))
        if session.expires_at <= time.time():
            # The API is lenient with clocks that differ, but this would end as it begins.
            raise Problem(HTTPStatus.UNAUTHORIZED, "the token has expired")
        row = await self._account(session)
        if row["status"] == HTTPStatus.OK:
            cookie = self._sessions.cookie(DESK, session, scope)
            await _send_with_cookie(row, cookie, send)
        else:
            await send_row(row, send)

    async def _show(self, scope: Scope, _receive: Receive, send: Send) -> None:
        session = self._sessions.read(DESK, scope)
        if session is None:
            raise Problem(HTTPStatus.UNAUTHORIZED, "nobody is signed in at the desk")
        await send_row(await self._account(session), send)

    async def _end(self, scope: Scope, _receive: Receive, send: Send) -> None:
        refuse_other_origins(scope)
        await _send_gone(self._sessions.no_cookie(DESK, scope), send)

    async def _account(self, session: Session) -> Record:
        return await self._database.fetchrow(
            "SELECT status, headers, body FROM recommender.get_desk_account($1, $2)",
            session.user_id,
            datetime.fromtimestamp(session.expires_at, UTC),
        )


class DemoSessions:
    """/api/demo/session: become a student of the demo; and /api/demo/desk-session: its admin."""

    def __init__(self, database: Database, sessions: Sessions, desk: Desk | None) -> None:
        self._database = database
        self._sessions = sessions
        self._desk = desk

    def routes(self) -> list[Route]:
        """Give the routes."""
        by_method = ByMethod(
            {"GET": self._show, "HEAD": self._show, "POST": self._begin, "DELETE": self._end}
        )
        routes = [Route("/api/demo/session", by_method, methods=["GET", "POST", "DELETE"])]
        if self._desk:
            endpoint = _DemoDesk(self._database, self._desk)
            routes.append(Route("/api/demo/desk-session", endpoint, methods=["POST"]))
        return routes

    async def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        refuse_other_origins(scope)
        user_id = await _read_field(receive, "user_id", int)
        if not 1 <= user_id <= MAX_ID:
            raise _wrong_field("user_id", int)
        row = await self._student(user_id)
        if row["status"] != HTTPStatus.OK:
            await send_row(row, send)
            return
        session = Session(user_id, int(time.time()) + LIFE_SECONDS)
        cookie = self._sessions.cookie(STUDENT, session, scope)
        await _send_with_cookie(_with_end(row, session), cookie, send)

    async def _show(self, scope: Scope, _receive: Receive, send: Send) -> None:
        session = self._sessions.read(STUDENT, scope)
        row = await self._student(session.user_id if session else None)
        if session and row["status"] == HTTPStatus.OK:
            await send_row(_with_end(row, session), send)
        else:
            await send_row((200, None, '{"student": null}'), send)

    async def _end(self, scope: Scope, _receive: Receive, send: Send) -> None:
        refuse_other_origins(scope)
        await _send_gone(self._sessions.no_cookie(STUDENT, scope), send)

    async def _student(self, user_id: int | None) -> Record:
        return await self._database.fetchrow(
            "SELECT status, headers, body FROM recommender.get_demo_student($1)", user_id
        )


class _DemoDesk:
    """POST /api/demo/desk-session: in the demo, anybody may be its admin."""

    def __init__(self, database: Database, desk: Desk) -> None:
        self._database = database
        self._desk = desk

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Begin a session for the demo's admin."""
        refuse_other_origins(scope)
        row = await self._database.fetchrow(
            "SELECT status, headers, body FROM recommender.get_demo_admin()"
        )
        if row["status"] != HTTPStatus.OK:
            await send_row(row, send)
            return
        user_id = json.loads(row["body"])["user_id"]
        await self._desk.admit(scope, send, user_id, time.time() + LIFE_SECONDS)


def _with_end(row: Record, session: Session) -> Answer:
    """Add when the session ends: as a moment, and in seconds, since clocks differ."""
    end = {
        "expires_at": datetime.fromtimestamp(session.expires_at, UTC).isoformat(),
        "expires_in": max(session.expires_at - int(time.time()), 0),
    }
    return row["status"], row["headers"], json.dumps({**json.loads(row["body"]), **end})


async def _read_field(receive: Receive, name: str, kind: type[Value]) -> Value:
    """Give the one field of a body."""
    body = await read_body(receive)
    given: Any = json.loads(read_json(body)) if body else {}
    value = given.get(name) if isinstance(given, dict) else None
    if type(value) is not kind:
        raise _wrong_field(name, kind)
    return value


def _wrong_field(name: str, kind: type) -> Problem:
    expected = {str: "a text", int: "the id of a user"}[kind]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"the body is wrong: {name}",
        errors=[{"field": name, "detail": f"expected {expected}"}],
    )


async def _send_with_cookie(row: Record | Answer, cookie: str, send: Send) -> None:
    status, headers, body = row
    more = json.loads(headers or "{}")
    await send_row((status, json.dumps({**more, "Set-Cookie": cookie}), body), send)


async def _send_gone(cookie: str, send: Send) -> None:
    await send_row((HTTPStatus.NO_CONTENT, json.dumps({"Set-Cookie": cookie}), None), send)
