"""One call takes a batch of telemetry whole or not at all: its answers, its limits, its traces."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from app.database import connect
from tests.support.learning import Learner, Settings, largest_difference
from tests.support.locks import until_waiting
from tests.support.telemetry import Telemetry, interaction, record
from tests.support.worlds import AS_OF, World, days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.learning import Interaction
    from tests.support.runner import Run
    from tests.support.telemetry import Answer

EVERYTHING_ON = {
    "recommendations_online_learning_enabled": "true",
    "task_queue_enabled": "true",
    "recommendations_realtime_refresh_enabled": "true",
}
TRACES = """
SELECT
    (SELECT count(*) FROM event_interactions),
    (SELECT count(*) FROM user_implicit_interest_tags)
    + (SELECT count(*) FROM user_implicit_interest_categories)
    + (SELECT count(*) FROM user_implicit_interest_cities),
    (SELECT count(*) FROM background_jobs),
    (SELECT count(*) FROM interaction_receipts)
"""
JOBS = "SELECT status, run_at - created_at FROM background_jobs ORDER BY id"
INTERVAL = timedelta(seconds=300)


class Scene:
    """A student, an organizer, a visitor, an event of theirs and a model."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        world = World()
        self.organizer = world.organizer()
        self.student = world.student()
        self.other = world.student()
        self.inactive = world.student(is_active=False)
        self.event = world.event(
            self.organizer, tags=["rock", "jazz"], category="music", city="Cluj"
        )
        self.deleted = world.event(self.organizer, category="music", deleted=days(-1))
        world.model(1)
        self.world = world
        telemetry.write(world)

    def click(self, **fields: object) -> Interaction:
        return {"interaction_type": "click", "event_id": self.event, **fields}

    def post(self, *batch: Interaction, user: int | None = 0) -> Answer:
        """Post as the student, or as somebody else."""
        return self.telemetry.post(self.student if user == 0 else user, batch)

    def traces(self) -> tuple[int, ...]:
        """Count what was stored, learned, enqueued and receipted."""
        (row,) = self.telemetry.rows(TRACES)
        return row


@pytest.fixture(scope="module")
def telemetry(database_url: str, run: Run) -> Iterator[Telemetry]:
    telemetry = Telemetry(database_url, run, **EVERYTHING_ON)
    yield telemetry
    telemetry.close()


@pytest.fixture
def scene(telemetry: Telemetry) -> Scene:
    return Scene(telemetry)


# What is taken and what is refused


def test_a_batch_leaves_all_its_traces(scene: Scene) -> None:
    answer = scene.post(scene.click(client_id=str(uuid4())))
    assert (answer.status, answer.counts, answer.problem) == (204, (1, 0, 0), {})
    assert scene.traces() == (1, 4, 1, 1)


TEXTS = ['""', '"1"', '"x"']
NUMBERS = ["0", "5", "-1", "1.5", "1e400", "1e-400"]
OTHERS = ["true", "[]", "{}", "[1]"]
WRONG = {
    "interaction_type": [
        *TEXTS, *NUMBERS, *OTHERS, "null", '"Click"', '" click"', '"click\\n"', '"unknown"',
    ],
    "event_id": [
        *TEXTS, *OTHERS, "0", "-1", "1.5", "1e400", "1e-400", "2147483648",
        "9223372036854775808", "99999999999999999999", "1e100000",
    ],
    "client_id": [
        *TEXTS, *NUMBERS, *OTHERS, '"0b0f5bb57c3e4d0c9a513f9d2a6f1c11"',
        '"{0b0f5bb5-7c3e-4d0c-9a51-3f9d2a6f1c11}"', '"0b0f5bb5-7c3e-4d0c-9a51-3f9d2a6f1c1g"',
        '"0b0f5bb5-7c3e-4d0c-9a51-3f9d2a6f1c11 "',
        '"0b0f5bb5-7c3e-4d0c-9a51-3f9d2a6f1c11\\n0b0f5bb5-7c3e-4d0c-9a51-3f9d2a6f1c11"',
        '"0b0f5bb5-7c3e-4d0c-9a51-3f9d2a6f1c111"',
    ],
    "meta": [
        *TEXTS, *NUMBERS, "true", "[]", "[1]", '{"a": 1e309}', '{"a": -1e309}',
        '{"a": {"b": [1, 1e400]}}', json.dumps({"a": "x" * 4088}), json.dumps({"a": "ș" * 2044}),
        '{"a": {"b": {"c": {"d": {"e": {}}}}}}', '{"a": [[[[[]]]]]}',
        '{"a":' * 600 + "1" + "}" * 600,
    ],
    "occurred_at": [
        *TEXTS, *NUMBERS, *OTHERS, '"now"', '"today"', '"infinity"', '"-infinity"', '"epoch"',
        '"2026-03-01"', '"2026-03-01T12:00:00"', '"2026-03-01T12:00Z"', '"20260301T120000Z"',
        '"2026-03-01T12:00:00+02"', '"2026-03-01T12:00:00+0200"', '"2026-03-01T12:00:00 CET"',
        '"2026-03-01T12:00:00.Z"', '"2026-03-01T12:00:00,5Z"', '" 2026-03-01T12:00:00Z"',
        '"2026-03-01T12:00:00Z\\n"', '"2026-03-01T12:00:00Z\\n2026-03-01T12:00:00Z"',
        '"2026-03-01T12:00:00Z BC"', '"0000-01-01T00:00:00Z"',
        '"2026-02-30T12:00:00Z"', '"2025-02-29T12:00:00Z"', '"2026-13-01T12:00:00Z"',
        '"2026-00-01T12:00:00Z"', '"2026-01-00T12:00:00Z"', '"2026-03-01T24:00:00Z"',
        '"2026-03-01T12:60:00Z"', '"2026-03-01T12:00:61Z"', '"2026-03-01T12:00:00+24:00"',
        '"2026-03-01T12:00:00+00:60"', '"10000-01-01T00:00:00Z"', '"-2026-01-01T00:00:00Z"',
        '"２０２６-03-01T12:00:00Z"', '"2026-03-01T12:00:00−02:00"',
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param(field, value, id=f"{field}-{number}")
        for field, values in WRONG.items()
        for number, value in enumerate(values)
    ],
)
def test_a_wrong_value_is_named_and_nothing_of_its_batch_is_kept(
    field: str, value: str, scene: Scene
) -> None:
    good = json.dumps(scene.click(client_id=str(uuid4())))
    # What would be dropped has to be sound, too.
    for event in (scene.event, 999_999, "null"):
        bad = {"interaction_type": '"click"', "event_id": event, field: value}
        text = ", ".join(f'"{name}": {given}' for name, given in bad.items())
        answer = scene.telemetry.post(scene.student, f"[{good}, {{{text}}}, {good}]")
        assert answer.faults == [(1, field)]
        assert answer.problem["detail"].startswith(f"events[1].{field}: expected ")
    assert scene.traces() == (0, 0, 0, 0)


RIGHT = {
    "interaction_type": [
        '"impression"', '"click"', '"view"', '"dwell"', '"share"', '"favorite"', '"register"',
        '"unregister"', '"search"', '"filter"',
    ],
    "event_id": ["null", "1", "1e0", "2147483647"],
    "client_id": ["null", '"0b0f5bb5-7c3e-4d0c-9a51-3f9d2a6f1c11"'],
    "meta": [
        "null", "{}", '{"a": 1.7976931348623157e308}', '{"a": -1.7976931348623157e308}',
        '{"a": 1e-400}', json.dumps({"a": "x" * 4087}), json.dumps({"a": "ș" * 2043}),
        '{"a": {"b": {"c": {"d": {"e": 1}}}}}', '{"a": [[[[1]]]]}', '{"": null, "\\u00e9": [true]}',
    ],
    "user_id": ["7", '"x"'],
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in RIGHT.items() for value in values]
)
def test_a_value_within_its_bounds_is_taken(field: str, value: str, scene: Scene) -> None:
    given = {"interaction_type": '"click"', field: value}
    text = ", ".join(f'"{name}": {text}' for name, text in given.items())
    answer = scene.telemetry.post(scene.student, f"[{{{text}}}]")
    assert answer.status == 204, answer
    owners = scene.telemetry.rows("SELECT DISTINCT user_id FROM event_interactions")
    assert owners in ([(scene.student,)], [])


@pytest.mark.parametrize("batch", ["[]", "{}", "null", "5", '"x"', "true", None])
def test_what_is_no_batch_is_refused(batch: str | None, scene: Scene) -> None:
    row = scene.telemetry.run(
        scene.telemetry.connection.fetchrow(
            "SELECT * FROM recommender.record_interactions($1, $2)", scene.student, batch
        )
    )
    assert row
    assert row["status"] == 422
    (error,) = json.loads(row["body"])["errors"]
    assert (error["index"], error["field"]) == (None, "events")


@pytest.mark.parametrize(("size", "status"), [(1, 204), (100, 204), (101, 422)])
def test_a_batch_has_at_most_a_hundred(size: int, status: int, scene: Scene) -> None:
    answer = scene.post(*[scene.click()] * size)
    assert answer.status == status
    assert scene.traces()[0] == (size if status == 204 else 0)


@pytest.mark.parametrize("item", ["null", "5", '"click"', "[]", "true"])
def test_an_interaction_is_an_object(item: str, scene: Scene) -> None:
    good = json.dumps(scene.click())
    assert scene.telemetry.post(scene.student, f"[{good}, {item}]").faults == [(1, None)]
    assert scene.traces() == (0, 0, 0, 0)


def test_every_fault_is_named_in_the_batchs_order(scene: Scene) -> None:
    answer = scene.post(
        {"interaction_type": "click", "event_id": "x"},
        scene.click(),
        {"occurred_at": 5, "client_id": 5, "meta": 5, "event_id": 0},
    )
    assert answer.faults == [
        (0, "event_id"),
        *((2, field) for field in sorted(WRONG)),
    ]
    assert answer.problem["detail"].endswith("(and 5 more)")


def test_a_meta_keeps_what_the_client_wrote(scene: Scene) -> None:
    meta = {"sort": "recommended", "position": 3, "deep": {"er": [1, None, "ș"]}}
    scene.post(scene.click(meta=meta), scene.click(meta=None), scene.click())
    stored = scene.telemetry.rows("SELECT meta FROM event_interactions ORDER BY id")
    assert [row[0] and json.loads(row[0]) for row in stored] == [meta, None, None]


WEEK_AGO, SOON = AS_OF - timedelta(days=7), AS_OF + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (None, AS_OF),
        ("2026-03-01T12:00:00Z", AS_OF),
        ("2026-03-01t12:00:00z", AS_OF),
        ("2026-03-01 12:00:00Z", AS_OF),
        ("2026-03-01T14:00:00+02:00", AS_OF),
        ("2026-03-01T12:00:00-00:00", AS_OF),
        ("2026-02-28T23:00:00-13:00", AS_OF),
        ("2026-03-01T11:59:59.123456Z", datetime(2026, 3, 1, 11, 59, 59, 123456, UTC)),
        ("2026-03-01T11:59:59.1234564Z", datetime(2026, 3, 1, 11, 59, 59, 123456, UTC)),
        ("2026-02-28T23:59:60Z", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-02-22T12:00:00Z", WEEK_AGO),
        ("2026-02-22T12:00:00.000001Z", WEEK_AGO + timedelta(microseconds=1)),
        ("2026-02-22T11:59:59.999999Z", WEEK_AGO),
        ("1970-01-01T00:00:00Z", WEEK_AGO),
        ("0001-01-01T00:00:00+14:00", WEEK_AGO),
        ("2026-03-01T12:05:00Z", SOON),
        ("2026-03-01T12:05:00.000001Z", SOON),
        ("9999-12-31T23:59:59.999999999Z", SOON),
    ],
)
def test_a_time_is_kept_within_a_week_and_five_minutes(
    given: str | None, stored: datetime, scene: Scene
) -> None:
    scene.telemetry.run(
        scene.telemetry.connection.execute(
            "SET timezone = 'Asia/Tokyo'; SET datestyle = 'SQL, DMY'"
        )
    )
    assert scene.post(scene.click(occurred_at=given)).status == 204
    assert scene.telemetry.value("SELECT occurred_at FROM event_interactions") == stored


def test_interactions_with_events_that_are_not_there_are_dropped_and_counted(
    scene: Scene,
) -> None:
    gone = [interaction("click", event) for event in (999_999, 2**31 - 1, scene.deleted)]
    answer = scene.post(*gone, scene.click(), interaction("search", category="music"))
    assert answer.counts == (2, 0, 3)
    assert scene.telemetry.rows("SELECT event_id FROM event_interactions ORDER BY id") == [
        (scene.event,),
        (None,),
    ]
    assert scene.post(*gone).counts == (0, 0, 3)
    assert scene.traces()[0] == 2


def test_what_is_dropped_leaves_no_receipt(scene: Scene) -> None:
    assert scene.post(interaction("click", 999_999) | {"client_id": str(uuid4())}).counts == (
        0, 0, 1,
    )  # fmt: skip
    assert scene.traces() == (0, 0, 0, 0)


@pytest.mark.parametrize(("name", "status"), [("inactive", 403), ("nobody", 401)])
def test_an_account_that_may_not_ask_is_told_so(name: str, status: int, scene: Scene) -> None:
    user = scene.inactive if name == "inactive" else 4711
    assert scene.post(scene.click(), user=user).status == status
    assert scene.traces() == (0, 0, 0, 0)
    assert scene.telemetry.value("SELECT count(*) FROM analytics_rate_limits") == 0


def test_nothing_is_looked_at_while_telemetry_is_switched_off(scene: Scene) -> None:
    scene.telemetry.set(analytics_enabled=False)
    for batch in ([scene.click()], "[]", '"x"'):
        answer = scene.telemetry.post(scene.student, batch)
        assert (answer.status, answer.headers, answer.problem) == (204, {}, {})
    assert scene.traces() == (0, 0, 0, 0)
    assert scene.telemetry.value("SELECT count(*) FROM analytics_rate_limits") == 0


# The rate limit


def statuses(
    scene: Scene, count: int, user: int | None = 0, client: str | None = None
) -> list[int]:
    user = scene.student if user == 0 else user
    return [scene.telemetry.post(user, [scene.click()], client).status for _ in range(count)]


def move_window(scene: Scene, by: str) -> None:
    """Let all windows end this much after now."""
    scene.telemetry.value(
        "UPDATE analytics_rate_limits SET window_ends_at = now() + $1::text::interval", by
    )


def test_one_request_more_than_the_limit_is_told_when_to_come_back(scene: Scene) -> None:
    scene.telemetry.set(analytics_rate_limit=3, analytics_rate_window_seconds=40)
    assert statuses(scene, 3) == [204] * 3
    refused = scene.post(scene.click(client_id=str(uuid4())))
    assert refused.status == refused.problem["status"] == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 40
    assert scene.traces() == (3, 4, 1, 0)
    assert statuses(scene, 3, scene.other) == [204] * 3
    assert statuses(scene, 4, None, "192.0.2.1") == [204, 204, 204, 429]
    assert statuses(scene, 1, None, "192.0.2.2") == [204]
    assert statuses(scene, 5, None) == [204] * 5


def test_a_refused_batch_counts_as_a_request(scene: Scene) -> None:
    scene.telemetry.set(analytics_rate_limit=2)
    assert [scene.telemetry.post(scene.student, "[]").status for _ in range(3)] == [422, 422, 429]


def test_a_window_ends_a_window_after_its_first_request(scene: Scene) -> None:
    scene.telemetry.set(analytics_rate_limit=2, analytics_rate_window_seconds=50)
    assert statuses(scene, 3) == [204, 204, 429]
    first = scene.telemetry.value("SELECT window_ends_at FROM analytics_rate_limits")
    assert statuses(scene, 1) == [429]
    assert scene.telemetry.value("SELECT window_ends_at FROM analytics_rate_limits") == first
    move_window(scene, "0 seconds")
    assert statuses(scene, 3) == [204, 204, 429]


def test_a_shorter_window_holds_at_once(scene: Scene) -> None:
    scene.telemetry.set(analytics_rate_limit=1, analytics_rate_window_seconds=3600)
    assert statuses(scene, 2) == [204, 429]
    scene.telemetry.set(analytics_rate_window_seconds=60)
    assert statuses(scene, 2) == [204, 429]
    assert int(scene.post(scene.click()).headers["Retry-After"]) <= 60


def test_a_clock_that_was_put_back_locks_nobody_out(scene: Scene) -> None:
    scene.telemetry.set(analytics_rate_limit=1, analytics_rate_window_seconds=60)
    assert statuses(scene, 2) == [204, 429]
    move_window(scene, "1 day")
    assert statuses(scene, 2) == [204, 429]


def test_a_lower_limit_holds_at_once(scene: Scene) -> None:
    assert statuses(scene, 5) == [204] * 5
    scene.telemetry.set(analytics_rate_limit=3)
    assert statuses(scene, 1) == [429]


def test_a_client_may_have_any_name(scene: Scene) -> None:
    name = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9000))
    assert statuses(scene, 1, None, name) == [204]


def test_a_request_that_waited_opens_no_window_of_its_own(scene: Scene, run: Run) -> None:
    """A transaction that began before the window did must not take it for a clock put back."""
    scene.telemetry.set(analytics_rate_limit=2)

    async def wait_and_post() -> int:
        async with (
            scene.telemetry.session(analytics_rate_limit="2") as connection,
            connection.transaction(),
        ):
            await connection.fetchval("SELECT now()")
            for _ in range(2):
                await record(scene.telemetry.connection, scene.student, [scene.click()])
            return (await record(connection, scene.student, [scene.click()])).status

    assert run(wait_and_post()) == 429


def test_requests_at_once_never_exceed_the_limit(scene: Scene, run: Run) -> None:
    async def post(count: int) -> list[int]:
        async with scene.telemetry.session(analytics_rate_limit="40") as connection:
            return [
                (await record(connection, scene.student, [scene.click()])).status
                for _ in range(count)
            ]

    async def all_at_once() -> list[int]:
        answers = await asyncio.gather(*(post(5) for _ in range(16)))
        return sorted(chain.from_iterable(answers))

    assert run(all_at_once()) == [204] * 40 + [429] * 40
    assert scene.traces()[0] == 40


# Receipts


def batch_with_ids(scene: Scene, count: int = 3) -> list[Interaction]:
    return [scene.click(client_id=str(uuid4())) for _ in range(count)]


def test_a_retried_batch_is_stored_once(scene: Scene) -> None:
    batch = batch_with_ids(scene)
    assert scene.post(*batch).counts == (3, 0, 0)
    learned = scene.telemetry.interests()
    scene.telemetry.value("TRUNCATE background_jobs")
    assert scene.post(*batch).counts == (0, 3, 0)
    assert scene.traces() == (3, 4, 0, 3)
    assert scene.telemetry.interests() == learned


def test_of_a_batch_that_grew_only_what_is_new_is_stored_and_learned(scene: Scene) -> None:
    first, *others = batch_with_ids(scene)
    scene.post(first)
    unnamed = interaction("search", city="Sibiu")
    assert scene.post(unnamed, first, *others, unnamed).counts == (4, 1, 0)
    learner = Learner(scene.world)
    learner.learn(scene.student, [first], AS_OF)
    learner.learn(scene.student, [unnamed, *others, unnamed], AS_OF)
    assert largest_difference(scene.telemetry.interests(), learner.interests) <= 1e-9


def test_an_id_twice_in_a_batch_stands_for_its_first_interaction(scene: Scene) -> None:
    name = uuid4()
    answer = scene.post(
        interaction("view", scene.event) | {"client_id": str(name)},
        scene.click(client_id=str(name).upper()),
        scene.click(client_id=str(uuid4())),
    )
    assert answer.counts == (2, 1, 0)
    kinds = scene.telemetry.rows("SELECT interaction_type FROM event_interactions ORDER BY id")
    assert kinds == [("view",), ("click",)]


def test_two_users_may_have_the_same_id(scene: Scene) -> None:
    batch = batch_with_ids(scene, 1)
    for user in (scene.student, scene.other, scene.organizer, None):
        assert scene.post(*batch, user=user).counts == (1, 0, 0)
    assert scene.post(*batch, user=None).counts == (0, 1, 0)
    receipts = scene.telemetry.rows(
        "SELECT user_id, client_id FROM interaction_receipts ORDER BY user_id"
    )
    name = UUID(batch[0]["client_id"])
    users = [0, scene.organizer, scene.student, scene.other]
    assert receipts == [(user, name) for user in users]


def test_interactions_without_an_id_are_stored_as_often_as_they_come(scene: Scene) -> None:
    for _ in range(2):
        assert scene.post(scene.click(), scene.click()).counts == (2, 0, 0)


@pytest.mark.parametrize("name", ["student", "visitor"])
@pytest.mark.parametrize("ends_well", [True, False])
def test_a_retry_waits_for_the_first_try(
    name: str, ends_well: bool, scene: Scene, run: Run
) -> None:
    user = scene.student if name == "student" else None
    batch = batch_with_ids(scene)

    async def retry_while_the_first_is_open() -> Answer:
        async with scene.telemetry.session() as first, scene.telemetry.session() as second:
            transaction = first.transaction()
            await transaction.start()
            await record(first, user, batch)
            retry = asyncio.create_task(record(second, user, batch[::-1]))
            await until_waiting(scene.telemetry.connection, second)
            await (transaction.commit() if ends_well else transaction.rollback())
            return await retry

    answer = run(retry_while_the_first_is_open())
    assert answer.counts == ((0, 3, 0) if ends_well else (3, 0, 0))
    assert scene.traces()[0] == scene.traces()[3] == 3


@pytest.mark.parametrize("name", ["student", "visitor"])
def test_of_sixteen_tries_at_once_one_stores(name: str, scene: Scene, run: Run) -> None:
    user = scene.student if name == "student" else None
    batch = batch_with_ids(scene, 10)

    async def post(seed: int) -> tuple[int, int, int]:
        mixed = random.Random(seed).sample(batch, len(batch))
        async with scene.telemetry.session() as connection:
            return (await record(connection, user, mixed)).counts

    async def all_at_once() -> list[tuple[int, int, int]]:
        return sorted(await asyncio.gather(*(post(seed) for seed in range(16))))

    assert run(all_at_once()) == [(0, 10, 0)] * 15 + [(10, 0, 0)]
    assert scene.traces()[0] == 10


# Everybody at once


def test_mixed_batches_at_once_are_stored_and_learned_as_one_after_the_other(
    telemetry: Telemetry, run: Run
) -> None:
    world = World()
    club = world.organizer()
    drawn = random.Random(11)
    events = [
        world.event(
            club,
            tags=drawn.sample(["rock", "jazz", "folk", "chess", "art"], 3),
            category=drawn.choice(["music", "games"]),
            city=drawn.choice(["Cluj", "Iași"]),
        )
        for _ in range(20)
    ]
    users = [None, club, *(world.student() for _ in range(6))]
    world.model(1)
    telemetry.write(world)
    learner = Learner(world, Settings(cap=1e6))
    posts = []
    for _ in range(320):
        user = drawn.choice(users)
        batch = [
            interaction(drawn.choice(["click", "view", "impression"]), event)
            | {"client_id": str(uuid4())}
            for event in drawn.sample(events, drawn.randint(1, 8))
        ]
        posts.append((user, batch))
        learner.learn(user, batch, AS_OF)

    async def post_some(first: int) -> int:
        stored = 0
        async with telemetry.session(
            analytics_rate_limit="1000",
            recommendations_online_learning_max_score="1000000",
        ) as connection:
            for user, batch in posts[first::16]:
                stored += (await record(connection, user, batch)).counts[0]
        return stored

    async def all_at_once() -> int:
        return sum(await asyncio.gather(*(post_some(first) for first in range(16))))

    acknowledged = run(all_at_once())
    assert acknowledged == sum(len(batch) for _, batch in posts)
    assert telemetry.value("SELECT count(*) FROM event_interactions") == acknowledged
    assert largest_difference(telemetry.interests(), learner.interests) <= 1e-9
    assert telemetry.value("SELECT count(*) FROM background_jobs") == 6


# Refreshes

ASK = ["click", "view", "share", "favorite", "register", "unregister", "search", "filter"]


@pytest.mark.parametrize("kind", ASK)
def test_a_signal_asks_for_a_refresh(kind: str, scene: Scene) -> None:
    scene.post(interaction("impression", scene.event), interaction(kind, None))
    ((job_type, key, payload, status),) = scene.telemetry.rows(
        "SELECT job_type, dedupe_key, payload::text, status FROM background_jobs"
    )
    assert (job_type, key, status) == (
        "refresh_user_recommendations_ml",
        str(scene.student),
        "queued",
    )
    assert json.loads(payload) == {"user_id": scene.student, "top_n": 50, "skip_training": True}


@pytest.mark.parametrize(
    ("seconds", "asks"), [(29.9, False), (30, True), (31, True), ("31", False), (None, False)]
)
def test_a_dwell_asks_from_its_threshold_on(seconds: object, asks: bool, scene: Scene) -> None:
    scene.telemetry.set(recommendations_online_learning_dwell_threshold_seconds=30)
    scene.post(interaction("dwell", scene.event, seconds=seconds))
    assert scene.traces()[2] == asks


def test_an_impression_asks_for_nothing(scene: Scene) -> None:
    scene.post(interaction("impression", scene.event))
    assert scene.traces() == (1, 0, 0, 0)


@pytest.mark.parametrize(
    "name",
    [
        "task_queue_enabled",
        "recommendations_use_ml_cache",
        "recommendations_realtime_refresh_enabled",
    ],
)
def test_nothing_is_asked_while_a_switch_is_off(name: str, scene: Scene) -> None:
    scene.telemetry.set(**{name: False})
    scene.post(scene.click())
    assert scene.traces() == (1, 4, 0, 0)


def test_nothing_is_asked_without_a_model(scene: Scene) -> None:
    scene.telemetry.value("TRUNCATE recommender_models")
    scene.post(scene.click())
    assert scene.traces() == (1, 4, 0, 0)


def test_only_students_have_lists_to_refresh(scene: Scene) -> None:
    for user in (scene.organizer, None):
        scene.post(scene.click(), user=user)
    assert scene.traces() == (2, 0, 0, 0)


def list_written(scene: Scene, ago: timedelta) -> None:
    scene.telemetry.value(
        "INSERT INTO recommendation_lists (user_id, model_version, generated_at, item_count)"
        " VALUES ($1, 'm1', $2, 0)",
        scene.student,
        AS_OF - ago,
    )


@pytest.mark.parametrize(
    ("age", "wait"),
    [
        (timedelta(0), INTERVAL),
        (timedelta(seconds=100), timedelta(seconds=200)),
        (INTERVAL, timedelta(0)),
        (timedelta(days=9), timedelta(0)),
        (timedelta(days=-9), timedelta(0)),
    ],
)
def test_a_young_list_is_refreshed_when_it_is_as_old_as_the_interval(
    age: timedelta, wait: timedelta, scene: Scene
) -> None:
    list_written(scene, age)
    for _ in range(3):
        scene.post(scene.click())
    assert scene.telemetry.rows(JOBS) == [("queued", wait)]


def test_without_a_list_a_refresh_is_due_at_once(scene: Scene) -> None:
    scene.post(scene.click())
    assert scene.telemetry.rows(JOBS) == [("queued", timedelta(0))]


def test_without_an_interval_every_refresh_is_due_at_once(scene: Scene) -> None:
    list_written(scene, timedelta(0))
    scene.post(scene.click())
    scene.telemetry.set(recommendations_realtime_refresh_min_interval_seconds=0)
    scene.post(scene.click())
    ((status, wait),) = scene.telemetry.rows(JOBS)
    assert status == "queued"
    assert wait < timedelta(seconds=60), "the one that was postponed is moved forward"


CLAIM = "SELECT (recommender.claim_job($1, '{refresh}')).id"


def test_a_click_while_a_refresh_runs_queues_exactly_one_more(scene: Scene) -> None:
    scene.post(scene.click())
    assert scene.telemetry.value(CLAIM, "worker") is not None
    for _ in range(3):
        scene.post(scene.click())
    # The list that is being written is as young as can be.
    assert scene.telemetry.rows(JOBS) == [("running", timedelta(0)), ("queued", INTERVAL)]
    assert scene.telemetry.value(CLAIM, "another") is None


def test_a_refresh_is_not_claimed_before_the_click_that_counts_on_it_is_committed(
    scene: Scene, run: Run
) -> None:
    scene.post(scene.click())

    async def claim_while_a_click_is_open() -> tuple[object, object]:
        async with scene.telemetry.session() as clicking, scene.telemetry.session() as claiming:
            async with clicking.transaction():
                await record(clicking, scene.student, [scene.click()])
                early = await claiming.fetchval(CLAIM, "worker")
            return early, await claiming.fetchval(CLAIM, "worker")

    early, late = run(claim_while_a_click_is_open())
    assert early is None
    assert late is not None
    assert [status for status, _ in scene.telemetry.rows(JOBS)] == ["running"]


def test_a_click_waits_for_a_claim_and_then_queues_its_own_refresh(scene: Scene, run: Run) -> None:
    scene.post(scene.click())

    async def click_while_a_claim_is_open() -> None:
        async with scene.telemetry.session() as clicking, scene.telemetry.session() as claiming:
            async with claiming.transaction():
                assert await claiming.fetchval(CLAIM, "worker") is not None
                click = asyncio.create_task(record(clicking, scene.student, [scene.click()]))
                await until_waiting(scene.telemetry.connection, clicking)
            assert (await click).status == 204

    run(click_while_a_claim_is_open())
    assert [status for status, _ in scene.telemetry.rows(JOBS)] == ["running", "queued"]


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ("SELECT 1", None),
        (
            "ALTER TABLE event_interactions ALTER COLUMN user_id SET NOT NULL",
            "user_id is NOT NULL, which visitors and searches are",
        ),
        (
            "ALTER TABLE event_interactions DETACH PARTITION event_interactions_default",
            "it has no default partition",
        ),
        (
            """CREATE TYPE kind AS ENUM ('click');
            DROP TABLE event_interactions CASCADE;
            CREATE TABLE event_interactions (user_id integer, interaction_type kind)""",
            "interaction_type is kind, expected text or varchar",
        ),
    ],
)
def test_a_table_of_the_app_that_cannot_take_telemetry_is_not_ready(
    change: str, trouble: str | None, database_url: str, run: Run
) -> None:
    async def trouble_after_the_change() -> str | None:
        connection = await connect(database_url)
        try:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("TRUNCATE event_interactions")
            await connection.execute(change)
            told: str | None = await connection.fetchval("SELECT recommender._telemetry_trouble()")
            await transaction.rollback()
            return told
        finally:
            await connection.close()

    told = run(trouble_after_the_change())
    expected = trouble and f"event_interactions does not take telemetry: {trouble}"
    assert told == expected


def test_searches_do_not_grow_a_students_interests_without_end(scene: Scene) -> None:
    for part in range(8):
        names = [f"place {part * 100 + number}" for number in range(100)]
        batch = [interaction("search", city=name, category=name) for name in names]
        assert scene.post(*batch).counts == (100, 0, 0)
    counted = "SELECT count(*) FROM user_implicit_interest_{} WHERE user_id = $1"
    for kind in ("cities", "categories"):
        assert scene.telemetry.value(counted.format(kind), scene.student) == 500
    # What is known goes on growing.
    score = (
        "SELECT score FROM user_implicit_interest_cities WHERE user_id = $1 AND city = 'place 3'"
    )
    before = scene.telemetry.value(score, scene.student)
    scene.post(interaction("search", city="Place 3"))
    assert scene.telemetry.value(score, scene.student) == pytest.approx(before + 0.2)
