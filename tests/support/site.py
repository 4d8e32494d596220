"""A server, the database behind it at a frozen moment, and the questions tests ask of them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.api_server import ApiServer, serve, token
from tests.support.worlds import AS_OF, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from asyncpg import Connection, Record

    from tests.support.runner import Run
    from tests.support.worlds import World

Json = dict[str, Any]

INTERACTIONS = "/api/analytics/interactions"


@dataclass
class Site:
    """What the tests of the HTTP API ask: as this user, for that, in a world written by hand."""

    server: ApiServer
    database_url: str
    connection: Connection[Record]
    run: Run

    def write(self, world: World) -> None:
        """Make this world all there is, with default settings."""
        self.run(self.connection.execute("TRUNCATE recommender_settings"))
        self.run(world.write(self.connection))

    def execute(self, sql: str, *arguments: object) -> None:
        """Commit one statement, as the app's other parts would."""
        self.run(self.connection.execute(sql, *arguments))

    def value(self, sql: str, *arguments: object) -> Any:
        return self.run(self.connection.fetchval(sql, *arguments))

    def set(self, **settings: object) -> None:
        for name, value in settings.items():
            self.execute(
                "INSERT INTO recommender_settings (name, value, source) VALUES ($1, $2, 'admin')"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                name,
                str(value),
            )

    def ask(
        self,
        path: str,
        user: int | None = None,
        *,
        method: str = "GET",
        languages: str | None = None,
        **parameters: object,
    ) -> httpx.Response:
        """Send one request; a user's comes with a token, a list is a repeated parameter."""
        headers = {} if user is None else {"Authorization": f"Bearer {token(user)}"}
        if languages is not None:
            headers["Accept-Language"] = languages
        given: Any = {name: value for name, value in parameters.items() if value is not None}
        # Given {}, httpx takes away the parameters that are in the path.
        return self.server.client.request(method, path, headers=headers, params=given or None)

    def post(
        self, batch: bytes | list[Json], user: int | None = None, **headers: str
    ) -> httpx.Response:
        """Send interactions, or a body as it is; in a header's name _ stands for -."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if user is not None:
            given["Authorization"] = f"Bearer {token(user)}"
        content = batch if isinstance(batch, bytes) else json.dumps({"events": batch}).encode()
        return self.server.client.post(INTERACTIONS, content=content, headers=given)

    def recommendations(self, user: int, languages: str | None = None) -> list[Json]:
        answer = self.ask("/api/recommendations", user, languages=languages)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        items = answer.json()
        assert isinstance(items, list)
        assert len(items) <= 10
        assert len(ids(items)) == len(set(ids(items)))
        assert all(item["recommendation_reason"] for item in items)
        return items

    def recommended(self, user: int) -> list[int]:
        """The ids of the events recommended to a student, the best one first."""
        return ids(self.recommendations(user))

    def page(self, user: int | None = None, **parameters: object) -> Json:
        answer = self.ask("/api/events", user, **parameters)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        page = answer.json()
        assert set(page) == {"items", "total", "page", "page_size", "sort"}
        assert page["sort"] in {"time", "recommended"}
        assert len(page["items"]) <= page["page_size"]
        assert len(page["items"]) <= page["total"]
        return dict(page)

    def listed(self, user: int | None = None, **parameters: object) -> list[int]:
        """The ids on one page of events, in its order."""
        return ids(self.page(user, **parameters)["items"])


@contextmanager
def open_site(database_url: str, run: Run, **environment: str) -> Iterator[Site]:
    """Start a server on the database, whose sessions all stand at AS_OF from now on."""
    connection = run(open_session(database_url))
    try:
        name = run(connection.fetchval("SELECT quote_ident(current_database())"))
        moment = AS_OF.isoformat()
        run(connection.execute(f"ALTER DATABASE {name} SET recommender.as_of = '{moment}'"))
        with serve(database_url, **environment) as server:
            yield Site(server, database_url, connection, run)
    finally:
        run(connection.close())


def ids(items: list[Json]) -> list[int]:
    return [item["id"] for item in items]


def assert_problem(answer: httpx.Response, status: int) -> Json:
    """See that an answer is a problem of RFC 9457 with this status, and give its members."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    return dict(problem)


def taken(answer: httpx.Response) -> tuple[int, int, int]:
    """See that a batch was taken, and give how much of it was stored, repeated and dropped."""
    assert answer.status_code == 204, answer.text
    assert answer.content == b""
    stored, repeated, dropped = (
        int(answer.headers[f"interactions-{outcome}"])
        for outcome in ("stored", "repeated", "dropped")
    )
    return stored, repeated, dropped


def refused_interactions(answer: httpx.Response) -> list[tuple[int | None, str | None]]:
    """See that a batch was refused, each fault with what was expected, and give their places."""
    errors = assert_problem(answer, 422)["errors"]
    assert errors
    assert all(set(error) == {"index", "field", "detail"} for error in errors)
    assert all(error["detail"].startswith("expected ") for error in errors)
    return [(error["index"], error["field"]) for error in errors]


def refused_parameters(answer: httpx.Response) -> set[str]:
    """See that parameters were refused, each with what is wrong with it, and name them."""
    errors = assert_problem(answer, 422)["errors"]
    assert all(error["detail"] for error in errors)
    return {error["parameter"] for error in errors}
