"""The stress of serving: clients read what writers, a rescorer and two models keep changing."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from app.database import connect
from tests.support.api_server import token
from tests.support.plain_http import Answer, Client, open_client
from tests.support.serving_truth import Change, Judge, Ledger, Read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncpg import Connection, Record

ORGANIZERS = range(1, 11)
TAGS = range(1, 11)
EVENTS = range(1, 101)
"""Event n starts in n days; ten events carry each tag, ten others belong to each organizer."""
STUDENTS = range(101, 121)
PICKY = range(116, 121)
"""They hide eight tags of ten, so their lists do not suffice to fill an answer."""
HIDDEN_TAGS = range(1, 9)
FILLER = 201
"""Takes last seats; two others took the first two of three."""
LIST_LENGTH = 50

PATHS = (
    "/api/recommendations",
    "/api/recommendations",
    "/api/events?sort=recommended&page_size=100",
    "/api/events?sort=recommended&page={page}",
)

WRITERS = 2
HELD = 12
"""Changes a writer leaves as they are before it undoes the oldest."""
KEPT_FAULTS = 200
ANSWER_SECONDS = 30

WORLD = """
INSERT INTO users (id, email, role, org_name)
SELECT n, n || '@organizer.example', 'organizer', 'Club ' || n FROM generate_series(1, 10) AS n;
INSERT INTO users (id, email)
SELECT n, n || '@student.example' FROM generate_series(101, 120) AS n;
INSERT INTO users (id, email)
SELECT n, n || '@student.example' FROM generate_series(201, 203) AS n;
INSERT INTO tags (id, name) SELECT n, 'tag ' || n FROM generate_series(1, 10) AS n;
INSERT INTO events (id, title, start_time, max_seats, owner_id, created_at)
SELECT
    n,
    'Event ' || n,
    date_trunc('day', now()) + n * interval '1 day',
    CASE WHEN n % 3 = 0 THEN 3 END,
    1 + (n - 1) / 10,
    now() - interval '30 days'
FROM generate_series(1, 100) AS n;
INSERT INTO event_tags (event_id, tag_id) SELECT n, 1 + n % 10 FROM generate_series(1, 100) AS n;
INSERT INTO registrations (user_id, event_id, registration_time)
SELECT u.id, e.id, now() - interval '1 day'
FROM events AS e CROSS JOIN users AS u
WHERE e.max_seats = 3 AND u.id IN (202, 203);
INSERT INTO user_interest_tags (user_id, tag_id)
SELECT u.id, 1 + u.id % 10 FROM users AS u WHERE u.id BETWEEN 101 AND 120 AND u.id % 4 <> 0;
INSERT INTO user_hidden_tags (user_id, tag_id)
SELECT u.id, t.id FROM users AS u CROSS JOIN tags AS t
WHERE u.id BETWEEN 116 AND 120 AND t.id <= 8;
INSERT INTO recommender_models (model_version, feature_names, weights, is_active)
SELECT
    v.model_version,
    recommender.feature_names(),
    array_agg(
        CASE f.name WHEN 'overlap_interest_ratio' THEN 5 WHEN 'days_until' THEN 1 ELSE 0 END
        * v.sign
        ORDER BY f.number
    ),
    v.sign = 1
FROM (VALUES ('m1', 1), ('m2', -1)) AS v (model_version, sign)
CROSS JOIN unnest(recommender.feature_names()) WITH ORDINALITY AS f (name, number)
GROUP BY v.model_version, v.sign;
"""
"""Model m1 puts what a student likes first, and what is late; m2 is exactly its reverse."""

PIN = "SELECT set_config('recommender.recommender_model_version', $1, false)"
ORDER = "SELECT array_agg(k.event_id ORDER BY k.rank) FROM recommender.rank_events($1, 1000) AS k"

# One row is one list and its header as one snapshot has them.
LISTS = """
SELECT
    l.user_id,
    l.model_version,
    l.item_count,
    r.event_ids,
    r.model_versions,
    r.last_rank
FROM public.recommendation_lists AS l
CROSS JOIN LATERAL (
    SELECT
        coalesce(array_agg(u.event_id ORDER BY u.rank), '{}') AS event_ids,
        array_agg(DISTINCT u.model_version) AS model_versions,
        max(u.rank) AS last_rank
    FROM public.user_recommendations AS u
    WHERE u.user_id = l.user_id
) AS r
WHERE l.user_id BETWEEN 101 AND 120
"""

REGISTER = "INSERT INTO registrations (user_id, event_id) VALUES ($2, $1)"
CANCEL = """
UPDATE registrations SET deleted_at = now()
WHERE event_id = $1 AND user_id = $2 AND deleted_at IS NULL
"""

STATEMENTS = {
    "register": (REGISTER, CANCEL),
    "fill": (REGISTER, CANCEL),
    "unpublish": (
        "UPDATE events SET status = 'draft' WHERE id = $1",
        "UPDATE events SET status = 'published' WHERE id = $1",
    ),
    "postpone": (
        "UPDATE events SET publish_at = now() + interval '1 day' WHERE id = $1",
        "UPDATE events SET publish_at = NULL WHERE id = $1",
    ),
    "delete": (
        "UPDATE events SET deleted_at = now() WHERE id = $1",
        "UPDATE events SET deleted_at = NULL WHERE id = $1",
    ),
    "start": (
        "UPDATE events SET start_time = start_time - interval '400 days' WHERE id = $1",
        "UPDATE events SET start_time = start_time + interval '400 days' WHERE id = $1",
    ),
}
"""By kind of change: what does it and what undoes it, of an event ($1) and a student ($2)."""

ROUTES = {"hide_tag": "hidden-tags", "block_organizer": "blocked-organizers"}
"""What students do themselves, they do through the API."""

KINDS = (*STATEMENTS, *ROUTES, "register", "register")
"""What is drawn from; a registration concerns one student of many, and so is drawn more often."""


async def prepare(database_url: str) -> None:
    """Fill a migrated, empty database with the world, and write everybody's list."""
    connection = await connect(database_url)
    try:
        await connection.execute(WORLD)
        await connection.execute(f"CALL recommender.score_all({LIST_LENGTH})")
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def open_judge(connection: Connection[Record]) -> Judge:
    """Ask the definition for every order, while nothing is changed yet."""
    orders: dict[int, dict[str, list[int]]] = {student: {} for student in STUDENTS}
    for version in ("m1", "m2"):
        await connection.execute(PIN, version)
        for student in STUDENTS:
            orders[student][version] = await connection.fetchval(ORDER, student)
    await connection.execute(PIN, "")
    for order in orders.values():
        assert sorted(order["m1"]) == list(EVENTS)
        assert order["m1"] == order["m2"][::-1], "a mixture could pass for a whole list"
    hidden = frozenset().union(*map(_tagged, HIDDEN_TAGS))
    visible = {
        student: frozenset(EVENTS) - (hidden if student in PICKY else frozenset())
        for student in STUDENTS
    }
    return Judge(visible, orders, LIST_LENGTH, Ledger())


def _tagged(tag: int) -> frozenset[int]:
    return frozenset(event for event in EVENTS if 1 + event % 10 == tag)


def _organized(organizer: int) -> frozenset[int]:
    return frozenset(event for event in EVENTS if 1 + (event - 1) // 10 == organizer)


@dataclass
class Report:
    """What was done, and what was wrong."""

    reads: int = 0
    writes: int = 0
    rescored: int = 0
    activated: int = 0
    lists_checked: int = 0
    chances: int = 0
    """Events that were out all the time of a read, summed over the reads: what could be shown."""
    faulty: int = 0
    """Answers and lists with a fault."""
    faults: list[str] = field(default_factory=list)
    """What was wrong, as far as kept."""
    seconds: float = 0

    def add(self, what: str, faults: list[str]) -> None:
        self.faulty += bool(faults)
        if faults and len(self.faults) < KEPT_FAULTS:
            self.faults.append(f"{what}: {'; '.join(faults)}")

    def __str__(self) -> str:
        return (
            f"{self.faulty} faulty of {self.reads:,} answers beside {self.writes:,} writes,"
            f" {self.rescored:,} rescored lists and {self.activated:,} activations"
            f" ({self.chances:,} chances to show what was out) in {self.seconds:.1f} s"
        )


@dataclass(frozen=True)
class Writer:
    """Who changes what is shown, in SQL and over HTTP, at random."""

    connection: Connection[Record]
    client: Client
    chance: random.Random


@dataclass
class Stress:
    """One run against a server and its database, which holds the world that prepare wrote."""

    database_url: str
    server_url: str
    reads: int
    writes: int
    clients: int = 16
    seed: int = 1
    progress: Callable[[int, int], None] = lambda _reads, _writes: None
    report: Report = field(default_factory=Report)
    _asked: dict[int, float] = field(default_factory=dict)
    """By client: when the request that is under way was sent."""
    _targets: set[tuple[object, ...]] = field(default_factory=set)
    """What is changed now, so that no change undoes another's."""

    async def run(self) -> Report:
        """Read and write until there was enough of both; whatever is wrong is in the report."""
        started = time.monotonic()
        async with AsyncExitStack() as stack:
            writers = [await self._open_writer(stack, number) for number in range(WRITERS)]
            rescorer, watcher = await self._connect(stack), await self._connect(stack)
            self._judge = await open_judge(watcher)
            async with asyncio.TaskGroup() as tasks:
                for number in range(self.clients):
                    tasks.create_task(self._read(number))
                for writer in writers:
                    tasks.create_task(self._write(writer))
                tasks.create_task(self._rescore(rescorer))
                tasks.create_task(self._watch(watcher))
        self.report.seconds = time.monotonic() - started
        return self.report

    async def _open_writer(self, stack: AsyncExitStack, number: int) -> Writer:
        return Writer(
            await self._connect(stack),
            await stack.enter_async_context(open_client(self.server_url, ANSWER_SECONDS)),
            random.Random(self.seed + number),
        )

    async def _connect(self, stack: AsyncExitStack) -> Connection[Record]:
        connection = await connect(self.database_url)
        stack.push_async_callback(connection.close)
        return connection

    @property
    def _is_over(self) -> bool:
        return self.report.reads >= self.reads and self.report.writes >= self.writes

    async def _read(self, number: int) -> None:
        chance = random.Random(self.seed * 1000 + number)
        async with open_client(self.server_url, ANSWER_SECONDS) as client:
            while not self._is_over:
                student = chance.choice(STUDENTS)
                path = chance.choice(PATHS).format(page=chance.randint(1, 4))
                asked = self._asked[number] = time.monotonic()
                answer = await client.ask(path, _token(student))
                read = Read(student, asked, time.monotonic())
                self.report.add(f"student {student}, {path}", self._judged(path, read, answer))
                self.report.chances += len(self._judge.ledger.out(read).certainly)
                del self._asked[number]
                self._judge.ledger.forget(min(self._asked.values(), default=read.asked))
                self.report.reads += 1
                self.progress(self.report.reads, self.report.writes)

    def _judged(self, path: str, read: Read, answer: Answer) -> list[str]:
        if answer.status != HTTPStatus.OK:
            return [_said(answer)]
        shown = json.loads(answer.body)
        if path == "/api/recommendations":
            return self._judge.recommendations(read, shown)
        return self._judge.events(read, shown)

    async def _write(self, writer: Writer) -> None:
        held: list[tuple[Change, int, tuple[object, ...]]] = []
        while not self._is_over:
            if self.report.writes * self.reads > self.report.reads * self.writes:
                await asyncio.sleep(0.001)  # as many of the reads are done as of the writes
                continue
            if len(held) >= HELD:
                await self._undo(writer, *held.pop(0))
            else:
                held.append(await self._do(writer))
        for change in held:
            await self._undo(writer, *change)

    async def _do(self, writer: Writer) -> tuple[Change, int, tuple[object, ...]]:
        change, subject, target = next(
            drawn for drawn in self._draws(writer.chance) if drawn[2] not in self._targets
        )
        self._targets.add(target)
        change.sent = time.monotonic()
        self._judge.ledger.changes.append(change)
        await self._send(writer, change, subject, is_undo=False)
        change.since = time.monotonic()
        return change, subject, target

    async def _undo(
        self,
        writer: Writer,
        change: Change,
        subject: int,
        target: tuple[object, ...],
    ) -> None:
        change.undo_sent = time.monotonic()
        await self._send(writer, change, subject, is_undo=True)
        change.undone = time.monotonic()
        self._targets.remove(target)

    def _draws(self, chance: random.Random) -> Iterator[tuple[Change, int, tuple[object, ...]]]:
        """Draw changes: what is changed, and under which name nothing else may be meanwhile."""
        while True:
            kind = chance.choice(KINDS)
            student = chance.choice(STUDENTS)
            if kind in ROUTES:
                subject = chance.choice(ORGANIZERS if kind == "block_organizer" else TAGS)
                events = _organized(subject) if kind == "block_organizer" else _tagged(subject)
                # One at a time, so that enough of everybody's list is left to tell its model by.
                if student not in PICKY or kind == "block_organizer":
                    yield Change(kind, events, student), subject, ("exclusion", student)
                continue
            if kind == "register":
                # For what the student is about to be shown; last seats are for the filler.
                order = chance.choice(list(self._judge.orders[student].values()))
                event = chance.choice([event for event in order[:20] if event % 3])
                yield Change(kind, frozenset({event}), student), event, (kind, event, student)
            else:
                event = chance.choice([e for e in EVENTS if kind != "fill" or e % 3 == 0])
                yield Change(kind, frozenset({event})), event, (kind, event)

    async def _send(self, writer: Writer, change: Change, subject: int, *, is_undo: bool) -> None:
        if change.kind in STATEMENTS:
            statement = STATEMENTS[change.kind][is_undo]
            student = [change.student or FILLER] if "$2" in statement else []
            done = await writer.connection.execute(statement, subject, *student)
            assert done in {"INSERT 0 1", "UPDATE 1"}, f"{change.kind}: {done}"
        else:
            assert change.student is not None
            path = f"/api/me/personalization/{ROUTES[change.kind]}/{subject}"
            method = "DELETE" if is_undo else "POST"
            answer = await writer.client.ask(path, _token(change.student), method)
            if answer.status != (HTTPStatus.NO_CONTENT if is_undo else HTTPStatus.CREATED):
                self.report.add(f"{method} {path}", [_said(answer)])
        self.report.writes += 1

    async def _rescore(self, connection: Connection[Record]) -> None:
        chance = random.Random(self.seed)
        versions = ("m2", "m1")
        while not self._is_over:
            started = time.monotonic()
            version = versions[self.report.activated % 2]
            await connection.execute("SELECT recommender.activate_model($1)", version)
            self.report.activated += 1
            for student in chance.sample(STUDENTS, 10):
                await connection.execute(
                    "SELECT recommender.score_user($1, $2)", student, LIST_LENGTH
                )
                self.report.rescored += 1
            await connection.execute(f"CALL recommender.score_all({LIST_LENGTH})")
            self.report.rescored += len(STUDENTS)
            await asyncio.sleep(time.monotonic() - started)  # half of the time is for the readers

    async def _watch(self, connection: Connection[Record]) -> None:
        """See in SQL that every list is whole and of one model, snapshot by snapshot."""
        while not self._is_over:
            for row in await connection.fetch(LISTS):
                faults = self._judge.written_list(
                    row["user_id"], row["model_version"], row["event_ids"]
                )
                if row["model_versions"] != [row["model_version"]]:
                    faults.append(f"{row['model_version']} holds {row['model_versions']}")
                if not row["item_count"] == row["last_rank"] == len(row["event_ids"]):
                    faults.append(f"{row['item_count']} items, last rank {row['last_rank']}")
                self.report.add(f"the list of student {row['user_id']}", faults)
                self.report.lists_checked += 1
            await asyncio.sleep(0.2)


def _said(answer: Answer) -> str:
    return f"{answer.status} {answer.body[:200].decode(errors='replace')}"


@cache
def _token(student: int) -> str:
    return token(student, expires_in=1e6)
