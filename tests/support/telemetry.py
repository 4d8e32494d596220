"""A session that posts telemetry for anybody, as the route does: one call of one SQL function."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.worlds import AS_OF, open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from asyncpg import Connection, Record

    from tests.support.learning import Interaction, Interest, Key
    from tests.support.runner import Run
    from tests.support.worlds import World

RECORD = "SELECT * FROM recommender.record_interactions($1, $2, $3)"
INTERESTS = """
SELECT 'tags' AS kind, t.user_id, to_jsonb(t.tag_id) AS name, t.score, t.last_seen_at
FROM public.user_implicit_interest_tags AS t
UNION ALL
SELECT 'categories', c.user_id, to_jsonb(c.category), c.score, c.last_seen_at
FROM public.user_implicit_interest_categories AS c
UNION ALL
SELECT 'cities', c.user_id, to_jsonb(c.city), c.score, c.last_seen_at
FROM public.user_implicit_interest_cities AS c
"""


@dataclass(frozen=True)
class Answer:
    """What the call says: status, headers and the problem there is, if any."""

    status: int
    headers: dict[str, str]
    problem: dict[str, Any]

    @property
    def counts(self) -> tuple[int, int, int]:
        """Interactions stored, repeated and dropped."""
        stored, repeated, dropped = (
            int(self.headers[f"Interactions-{word}"]) for word in ("Stored", "Repeated", "Dropped")
        )
        return stored, repeated, dropped

    @property
    def faults(self) -> list[tuple[int | None, str | None]]:
        """Index and field of each fault that a 422 names."""
        assert self.status == 422, self
        assert all(error["detail"] for error in self.problem["errors"])
        return [(error["index"], error["field"]) for error in self.problem["errors"]]


async def record(
    connection: Connection[Record],
    user: int | None,
    batch: Sequence[Interaction] | str,
    client: str | None = None,
) -> Answer:
    """Post a batch, or the text of what should have been one."""
    text = batch if isinstance(batch, str) else json.dumps(batch)
    row = await connection.fetchrow(RECORD, user, text, client)
    assert row
    return Answer(
        row["status"], json.loads(row["headers"] or "{}"), json.loads(row["body"] or "{}")
    )


async def read_interests(connection: Connection[Record]) -> dict[Key, Interest]:
    return {
        (row["kind"], row["user_id"], json.loads(row["name"])): (row["score"], row["last_seen_at"])
        for row in await connection.fetch(INTERESTS)
    }


class Telemetry:
    """One session, for tests without an event loop of their own."""

    def __init__(self, url: str, run: Run, **settings: str) -> None:
        self.url = url
        self.run = run
        self._settings = settings
        self.connection = run(open_session(url, AS_OF, **settings))

    def close(self) -> None:
        self.run(self.connection.close())

    @asynccontextmanager
    async def session(self, **settings: str) -> AsyncIterator[Connection[Record]]:
        """Open another session like this one, for what happens at the same time."""
        connection = await open_session(self.url, AS_OF, **{**self._settings, **settings})
        try:
            yield connection
        finally:
            await connection.close()

    def write(self, world: World) -> None:
        """Make this world all there is, at its moment and with the settings of the start."""
        self.run(self.connection.execute("RESET ALL"))
        self.run(world.write(self.connection))

    def stand_at(self, moment: datetime) -> None:
        self.set(as_of=moment.isoformat())

    def set(self, **settings: object) -> None:
        for name, value in settings.items():
            self.value(
                "SELECT set_config($1, $2, false)", f"recommender.{name}", str(value).lower()
            )

    def post(
        self,
        user: int | None,
        batch: Sequence[Interaction] | str,
        client: str | None = None,
    ) -> Answer:
        return self.run(record(self.connection, user, batch, client))

    def value(self, sql: str, *arguments: object) -> Any:
        return self.run(self.connection.fetchval(sql, *arguments))

    def rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.run(self.connection.fetch(sql, *arguments))]

    def interests(self) -> dict[Key, Interest]:
        return self.run(read_interests(self.connection))


def interaction(kind: str, event: int | None = None, **meta: object) -> Interaction:
    return {"interaction_type": kind, "event_id": event, "meta": meta or None}
