"""The queue's transitions: what merges, who claims, who may end a job, and their races."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from app.database import connect
from tests.support.locks import until_waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.runner import Run

    Connection = asyncpg.Connection[asyncpg.Record]
    Open = Callable[..., Connection]
    Node = dict[str, Any]

PATIENCE_SECONDS = 60

REFRESH = "refresh_user_recommendations_ml"
RECOMPUTE = "recompute_recommendations_ml"
GUARDRAILS = "evaluate_personalization_guardrails"
RETENTION = "apply_analytics_retention"
RESCORE = {"skip_training": True}
ALL_LANES = ["refresh", "batch", "training"]

ENQUEUE = "SELECT j.* FROM recommender.enqueue_job($1, $2, $3, $4) AS j"
# As if the job had waited for so many seconds by now.
AGE = "UPDATE background_jobs SET run_at = now() - $2 * interval '1 second' WHERE id = $1"
SILENCE = "UPDATE background_jobs SET locked_at = locked_at - interval '301 s' WHERE id = $1"
DUE = """
UPDATE background_jobs SET run_at = now()
-- In order: two that do this at once must not wait for each other.
WHERE id IN (SELECT id FROM background_jobs WHERE status = 'queued' ORDER BY id FOR UPDATE)
"""


class Queue:
    """The queue as one session works with it."""

    def __init__(self, connection: Connection, run: Run) -> None:
        self.connection = connection
        self.run = run

    def enqueue(
        self, job_type: str, payload: object = None, key: str | None = None, after: float = 0
    ) -> asyncpg.Record:
        """Queue a job that is due after so many seconds."""
        return self.run(self.enqueueing(job_type, payload, key, after))

    async def enqueueing(
        self, job_type: str, payload: object = None, key: str | None = None, after: float = 0
    ) -> asyncpg.Record:
        run_at = await self.connection.fetchval("SELECT now() + $1 * interval '1 second'", after)
        row = await self.connection.fetchrow(
            ENQUEUE, job_type, None if payload is None else json.dumps(payload), key, run_at
        )
        assert row is not None
        return row

    def refresh(self, user_id: int = 1, after: float = 0, **payload: object) -> asyncpg.Record:
        return self.enqueue(REFRESH, {"user_id": user_id, **payload}, after=after)

    def claim(self, worker: str = "w", *lanes: str) -> asyncpg.Record | None:
        return self.run(self.claiming(worker, *lanes))

    async def claiming(self, worker: str = "w", *lanes: str) -> asyncpg.Record | None:
        row = await self.connection.fetchrow(
            "SELECT j.* FROM recommender.claim_job($1, $2) AS j", worker, lanes or ALL_LANES
        )
        assert row is not None
        return None if row["id"] is None else row

    def must_claim(self, worker: str = "w", *lanes: str) -> asyncpg.Record:
        job = self.claim(worker, *lanes)
        assert job is not None
        return job

    def call(self, function: str, claim: asyncpg.Record, *more: object) -> bool:
        """Call what needs a claim: heartbeat, hold, finish, fail."""
        arguments = (claim["id"], claim["locked_by"], claim["attempts"], *more)
        places = ", ".join(f"${number}" for number in range(1, len(arguments) + 1))
        return bool(self.value(f"SELECT recommender.{function}_job({places})", *arguments))

    def sweep(self) -> object:
        return self.value("SELECT recommender.requeue_stale_jobs()")

    def retry(self, job_id: int) -> asyncpg.Record:
        (row,) = self.rows("SELECT j.* FROM recommender.retry_job($1) AS j", job_id)
        return row

    def job(self, job_id: int) -> asyncpg.Record:
        (row,) = self.rows("SELECT j.* FROM background_jobs AS j WHERE j.id = $1", job_id)
        return row

    def statuses(self) -> list[str]:
        return [
            row["status"] for row in self.rows("SELECT status FROM background_jobs ORDER BY id")
        ]

    def rows(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        return self.run(self.connection.fetch(sql, *arguments))

    def value(self, sql: str, *arguments: object) -> object:
        return self.run(self.connection.fetchval(sql, *arguments))

    def execute(self, sql: str, *arguments: object) -> None:
        self.run(self.connection.execute(sql, *arguments))

    def refused(self, sql: str, *arguments: object) -> tuple[str, str]:
        """Run what must be refused; give its SQLSTATE and message."""
        with pytest.raises(asyncpg.PostgresError) as caught:
            self.run(self.connection.fetchrow(sql, *arguments))
        return str(caught.value.sqlstate), str(caught.value).partition("\n")[0]


@pytest.fixture
def opened(database_url: str, run: Run) -> Iterator[Callable[[], Queue]]:
    """Open sessions on the queue that end with the test."""
    queues: list[Queue] = []

    def open_one() -> Queue:
        queues.append(Queue(run(connect(database_url)), run))
        return queues[-1]

    yield open_one
    for queue in queues:
        run(queue.connection.close(timeout=10))


@pytest.fixture
def queue(opened: Callable[[], Queue]) -> Queue:
    """An empty queue with default settings."""
    queue = opened()
    queue.execute("TRUNCATE background_jobs, recommender_settings")
    return queue


def payload_of(job: asyncpg.Record) -> object:
    return json.loads(job["payload"])


def test_a_job_waits_with_what_it_was_given(queue: Queue) -> None:
    job = queue.enqueue(RECOMPUTE, {"top_n": 20, "solver": "newton"}, "all")
    assert payload_of(job) == {"top_n": 20, "solver": "newton"}
    assert (job["status"], job["attempts"], job["max_attempts"]) == ("queued", 0, 3)
    assert job["locked_at"] is job["locked_by"] is job["finished_at"] is job["result"] is None
    assert job == queue.job(job["id"])


def test_how_often_a_job_is_tried_is_a_setting(queue: Queue) -> None:
    queue.execute("INSERT INTO recommender_settings VALUES ('task_queue_max_attempts', '7')")
    assert queue.refresh()["max_attempts"] == 7


def test_jobs_of_one_type_key_and_payload_are_one_while_it_is_queued(queue: Queue) -> None:
    first = queue.enqueue(GUARDRAILS, {"days": 7}, "all")
    assert queue.enqueue(GUARDRAILS, {"days": 7}, "all")["id"] == first["id"]
    assert queue.must_claim()["id"] == first["id"]
    assert queue.enqueue(GUARDRAILS, {"days": 7}, "all")["id"] != first["id"]
    assert queue.statuses() == ["running", "queued"]


@pytest.mark.parametrize(
    ("job_type", "payload", "key"),
    [
        (RECOMPUTE, {"top_n": 50}, "all"),
        (RECOMPUTE, RESCORE, "all"),
        (RECOMPUTE, {"skip_training": False}, "all"),
        (RECOMPUTE, {}, "other"),
        (RECOMPUTE, {}, None),
        (RETENTION, {}, "all"),
    ],
)
def test_what_means_something_else_is_another_job(
    job_type: str, payload: object, key: str | None, queue: Queue
) -> None:
    first = queue.enqueue(RECOMPUTE, {}, "all")
    other = queue.enqueue(job_type, payload, key)
    assert other["id"] != first["id"]
    assert payload_of(other) == payload
    assert payload_of(queue.job(first["id"])) == {}


def test_without_a_key_nothing_is_merged(queue: Queue) -> None:
    assert queue.enqueue(RETENTION)["id"] != queue.enqueue(RETENTION)["id"]


def test_a_number_is_the_same_however_it_is_written(queue: Queue) -> None:
    first = queue.enqueue(RECOMPUTE, {"top_n": 50.0, "lr": 0.10}, "all")
    assert queue.value("SELECT payload::text FROM background_jobs") == '{"lr": 0.1, "top_n": 50}'
    row = queue.rows(ENQUEUE, RECOMPUTE, '{"lr": 0.100, "top_n": 5.0e1}', "all", None)[0]
    assert row["id"] == first["id"]


@pytest.mark.parametrize(("first", "second"), [(10, 20), (20, 10)])
def test_the_longer_list_serves_both_refreshes(first: int, second: int, queue: Queue) -> None:
    job = queue.refresh(top_n=first)
    merged = queue.refresh(top_n=second)
    assert merged["id"] == job["id"]
    assert payload_of(merged) == {"user_id": 1, "top_n": 20, "skip_training": True}


def test_a_refresh_without_a_length_takes_the_settings(queue: Queue) -> None:
    queue.execute(
        "INSERT INTO recommender_settings VALUES ('recommendations_realtime_refresh_top_n', '17')"
    )
    assert payload_of(queue.refresh()) == {"user_id": 1, "top_n": 17, "skip_training": True}


@pytest.mark.parametrize(("first", "second"), [(300, 60), (60, 300)])
def test_the_earlier_moment_serves_both(first: float, second: float, queue: Queue) -> None:
    jobs = [queue.refresh(after=first), queue.refresh(after=second)]
    assert jobs[0]["id"] == jobs[1]["id"]
    earlier = jobs[0]["run_at"] if first < second else jobs[1]["run_at"]
    assert jobs[1]["run_at"] == earlier
    assert queue.value("SELECT run_at < now() + interval '90 s' FROM background_jobs") is True


def test_refreshes_of_one_student_merge_whatever_the_key_and_others_do_not(queue: Queue) -> None:
    first = queue.enqueue(REFRESH, {"user_id": 1}, "a")
    assert first["dedupe_key"] == "1"
    assert queue.enqueue(REFRESH, {"user_id": 1})["id"] == first["id"]
    assert queue.refresh(2)["id"] != first["id"]


def test_a_running_refresh_is_not_merged_into(queue: Queue) -> None:
    first = queue.refresh()
    queue.claim()
    second = queue.refresh()
    assert second["id"] != first["id"]
    assert queue.refresh()["id"] == second["id"]
    assert queue.statuses() == ["running", "queued"]


@pytest.mark.parametrize("job_type", ["reindex", "", None])
def test_an_unknown_type_is_refused(job_type: str | None, queue: Queue) -> None:
    state, message = queue.refused(ENQUEUE, job_type, "{}", None, None)
    assert (state, message.startswith("there is no job type")) == ("ER041", True)
    assert queue.statuses() == []


@pytest.mark.parametrize(
    ("job_type", "payload", "fault"),
    [
        (REFRESH, "{}", "user_id is missing"),
        (REFRESH, '{"user_id": "1"}', 'user_id is "1", expected an integer'),
        (REFRESH, '{"user_id": 1.5}', "user_id is 1.5"),
        (REFRESH, '{"user_id": 0}', "user_id is 0"),
        (REFRESH, '{"user_id": 2147483648}', "user_id is 2147483648"),
        (REFRESH, '{"user_id": null}', "user_id is null"),
        (REFRESH, '{"user_id": 1, "top_n": 10001}', "top_n is 10001"),
        (REFRESH, '{"user_id": 1, "skip_training": false}', "skip_training is false"),
        (RECOMPUTE, '{"topn": 5}', "topn is 5, expected no key of this name"),
        (RECOMPUTE, '{"skip_training": "true"}', 'skip_training is "true"'),
        (RECOMPUTE, '{"solver": true}', "solver is true, expected one of sgd, newton"),
        (RECOMPUTE, '{"lr": 0}', "lr is 0"),
        (RECOMPUTE, '{"l2": 1e400}', "l2 is 1"),
        (RECOMPUTE, '{"model_version": " "}', "expected text that is not blank"),
        (GUARDRAILS, '{"days": 366}', "days is 366"),
        (RETENTION, '{"days": 3}', "days is 3, expected no key of this name"),
        (RETENTION, "[]", "expected an object, not []"),
        (RETENTION, "null", "expected an object, not null"),
    ],
)
def test_a_payload_a_job_does_not_take_is_refused(
    job_type: str, payload: str, fault: str, queue: Queue
) -> None:
    state, message = queue.refused(ENQUEUE, job_type, payload, "all", None)
    assert state == "ER042"
    assert message.startswith(f"the payload of {job_type} is wrong: ")
    assert fault in message
    assert queue.statuses() == []


def test_the_job_that_waited_longest_is_claimed_first(queue: Queue) -> None:
    ids = [queue.refresh(user_id)["id"] for user_id in range(1, 5)]
    for job_id, seconds in zip(ids, (10.0, 30.0, 20.0, 30.0), strict=True):
        queue.execute(AGE, job_id, seconds)
    claimed = [queue.must_claim()["id"] for _ in ids]
    order = queue.rows("SELECT id FROM background_jobs ORDER BY run_at, id")
    assert claimed == [row["id"] for row in order]
    assert claimed[-1] == ids[0]
    assert queue.claim() is None


def test_a_claim_is_a_worker_and_an_attempt(queue: Queue) -> None:
    job = queue.refresh()
    claim = queue.must_claim("ana")
    assert claim["id"] == job["id"]
    assert (claim["status"], claim["locked_by"], claim["attempts"]) == ("running", "ana", 1)
    assert claim["locked_at"] is not None


def test_a_postponed_job_is_not_claimed_before_its_time(queue: Queue) -> None:
    job = queue.refresh(after=60)
    assert queue.claim() is None
    queue.execute(AGE, job["id"], 0.0)
    assert queue.must_claim()["id"] == job["id"]


@pytest.mark.parametrize(
    ("job_type", "payload", "lane"),
    [
        (REFRESH, {"user_id": 1}, "refresh"),
        (RECOMPUTE, {}, "training"),
        (RECOMPUTE, {"skip_training": False}, "training"),
        (RECOMPUTE, RESCORE, "batch"),
        (GUARDRAILS, {}, "batch"),
        (RETENTION, {}, "batch"),
    ],
)
def test_a_job_is_claimed_in_its_lane_only(
    job_type: str, payload: object, lane: str, queue: Queue
) -> None:
    job = queue.enqueue(job_type, payload, "all")
    assert queue.claim("w", *(other for other in ALL_LANES if other != lane)) is None
    assert queue.must_claim("w", lane)["id"] == job["id"]
    lanes = {row["job_type"]: row["lane"] for row in queue.rows("TABLE recommender.job_types")}
    assert lanes[job_type] == lane or payload == RESCORE


def test_of_one_students_refreshes_one_runs_at_a_time(queue: Queue) -> None:
    queue.refresh(1)
    first = queue.must_claim("a")
    queue.refresh(1)
    other = queue.refresh(2)
    assert queue.must_claim("b")["id"] == other["id"]
    assert queue.claim("c") is None
    assert queue.call("finish", first)
    assert queue.must_claim("c")["dedupe_key"] == "1"


@pytest.mark.parametrize("job_type", [RECOMPUTE, GUARDRAILS, RETENTION])
def test_of_every_other_type_one_runs_at_a_time(job_type: str, queue: Queue) -> None:
    queue.enqueue(job_type, {}, "a")
    queue.enqueue(job_type, {}, "b")
    refresh = queue.refresh()
    first = queue.must_claim()
    assert queue.must_claim()["id"] == refresh["id"]
    assert queue.claim() is None
    assert queue.call("finish", first)
    assert queue.must_claim()["dedupe_key"] == "b"


def test_two_workers_that_claim_at_once_do_not_run_two_of_a_type(
    queue: Queue, opened: Callable[[], Queue], run: Run
) -> None:
    workers = [opened() for _ in range(6)]

    async def claim_all() -> list[asyncpg.Record | None]:
        return await asyncio.gather(
            *(worker.claiming(str(number)) for number, worker in enumerate(workers))
        )

    for _ in range(15):
        queue.execute("TRUNCATE background_jobs")
        for key in "abcd":
            queue.enqueue(RECOMPUTE, {}, key)
            queue.enqueue(RETENTION, {}, key)
            queue.enqueue(GUARDRAILS, {}, key)
        claims = [claim for claim in run(claim_all()) if claim]
        assert Counter(claim["job_type"] for claim in claims) == {
            RECOMPUTE: 1,
            RETENTION: 1,
            GUARDRAILS: 1,
        }


def test_a_claim_not_committed_yet_blocks_the_others_of_its_type(
    queue: Queue, opened: Callable[[], Queue], run: Run
) -> None:
    queue.enqueue(RECOMPUTE, {}, "a")
    queue.enqueue(RECOMPUTE, {}, "b")
    first, second = opened(), opened()

    async def race() -> asyncpg.Record | None:
        async with first.connection.transaction():
            assert await first.claiming("a")
            rival = asyncio.create_task(second.claiming("b"))
            await until_waiting(queue.connection, second.connection)
        return await asyncio.wait_for(rival, PATIENCE_SECONDS)

    assert run(race()) is None
    assert queue.statuses() == ["running", "queued"]


def test_eight_claimers_take_each_of_two_hundred_jobs_once(
    queue: Queue, opened: Callable[[], Queue], run: Run
) -> None:
    queue.execute(
        "SELECT recommender.enqueue_job($1, jsonb_build_object('user_id', n))"
        " FROM generate_series(1, 200) AS n",
        REFRESH,
    )
    workers = [opened() for _ in range(8)]

    async def drain(worker: Queue, name: str) -> list[int]:
        ids = []
        while claim := await worker.claiming(name, "refresh"):
            ids.append(claim["id"])
        return ids

    async def drain_all() -> list[list[int]]:
        return await asyncio.gather(*(drain(w, str(n)) for n, w in enumerate(workers)))

    ids = [job_id for taken in run(drain_all()) for job_id in taken]
    assert len(ids) == len(set(ids)) == 200
    rows = queue.rows("SELECT DISTINCT status, attempts FROM background_jobs")
    assert [tuple(row) for row in rows] == [("running", 1)]


def test_a_job_locked_by_somebody_is_skipped_and_not_waited_for(
    queue: Queue, opened: Callable[[], Queue], run: Run
) -> None:
    locked, free = queue.refresh(1), queue.refresh(2)
    queue.execute(AGE, locked["id"], 60.0)
    holder = opened()

    async def hold() -> asyncpg.Record | None:
        async with holder.connection.transaction():
            # A signal that merges into it locks it until its commit.
            merged = await holder.enqueueing(REFRESH, {"user_id": 1})
            assert merged["id"] == locked["id"]
            claim = await asyncio.wait_for(queue.claiming(), PATIENCE_SECONDS)
            assert claim is not None
            assert claim["id"] == free["id"]
            assert await queue.claiming() is None
            overdue = await queue.connection.fetchval(
                "SELECT recommender._seconds_to_next_job('{refresh}')"
            )
            assert overdue < 0
        return await queue.claiming()

    claim = run(hold())
    assert claim is not None
    assert claim["id"] == locked["id"]


def test_a_signal_that_meets_a_claim_waits_for_it_and_is_another_job(
    queue: Queue, opened: Callable[[], Queue], run: Run
) -> None:
    job = queue.refresh()
    worker, signal = opened(), opened()

    async def race() -> asyncpg.Record:
        async with worker.connection.transaction():
            assert await worker.claiming()
            enqueueing = asyncio.create_task(signal.enqueueing(REFRESH, {"user_id": 1}))
            await until_waiting(queue.connection, signal.connection)
        return await asyncio.wait_for(enqueueing, PATIENCE_SECONDS)

    assert run(race())["id"] != job["id"]
    assert queue.statuses() == ["running", "queued"]


def test_two_signals_at_once_are_one_job(
    queue: Queue, opened: Callable[[], Queue], run: Run
) -> None:
    sessions = [opened() for _ in range(8)]

    async def signal_all() -> set[int]:
        jobs = await asyncio.gather(
            *(s.enqueueing(REFRESH, {"user_id": 1, "top_n": n + 1}) for n, s in enumerate(sessions))
        )
        return {job["id"] for job in jobs}

    for _ in range(10):
        queue.execute("TRUNCATE background_jobs")
        (job_id,) = run(signal_all())
        assert json.loads(queue.job(job_id)["payload"])["top_n"] == 8


def test_a_signal_rolled_back_leaves_no_job(queue: Queue, run: Run) -> None:
    async def roll_back() -> None:
        transaction = queue.connection.transaction()
        await transaction.start()
        await queue.enqueueing(REFRESH, {"user_id": 1})
        await transaction.rollback()

    run(roll_back())
    assert queue.statuses() == []


@pytest.fixture(params=["silent", "handed back"])
def lost(request: pytest.FixtureRequest, queue: Queue) -> asyncpg.Record:
    """A claim that was taken or given away, and that another worker has by now."""
    queue.refresh()
    claim = queue.must_claim("paused")
    if request.param == "silent":
        queue.execute(SILENCE, claim["id"])
        assert queue.sweep() == 1
    else:
        queue.value("SELECT recommender.release_jobs('paused')")
    queue.must_claim("other")
    return claim


@pytest.mark.parametrize(
    ("function", "more"),
    [
        ("heartbeat", ()),
        ("hold", ()),
        ("finish", ("{}",)),
        ("fail", ("late", False)),
        ("fail", ("late", True)),
    ],
)
def test_a_lost_claim_changes_nothing(
    function: str, more: tuple[object, ...], lost: asyncpg.Record, queue: Queue
) -> None:
    before = queue.job(lost["id"])
    assert queue.call(function, lost, *more) is False
    assert queue.job(lost["id"]) == before
    assert (before["status"], before["locked_by"]) == ("running", "other")


def test_the_same_worker_has_lost_an_earlier_attempt(queue: Queue) -> None:
    queue.refresh()
    first = queue.must_claim("w")
    queue.execute(SILENCE, first["id"])
    queue.sweep()
    second = queue.must_claim("w")
    assert not queue.call("hold", first)
    assert not queue.call("heartbeat", first)
    assert not queue.call("fail", first, "late")
    assert not queue.call("finish", first, "{}")
    assert queue.call("hold", second)
    assert queue.call("heartbeat", second)
    assert queue.call("finish", second, "{}")


def test_an_ended_job_is_ended_once(queue: Queue) -> None:
    queue.refresh()
    claim = queue.must_claim()
    assert queue.call("finish", claim, '{"item_count": 3}')
    assert queue.call("finish", claim, '{"item_count": 4}') is False
    assert queue.call("fail", claim, "no", True) is False
    job = queue.job(claim["id"])
    assert (job["status"], json.loads(job["result"])) == ("succeeded", {"item_count": 3})
    assert job["locked_at"] is job["locked_by"] is job["last_error"] is None
    assert job["finished_at"] is not None


def test_a_failed_attempt_waits_four_times_longer_each_time(queue: Queue) -> None:
    queue.execute("INSERT INTO recommender_settings VALUES ('task_queue_max_attempts', '8')")
    job_id = queue.refresh()["id"]
    waits = []
    for attempt in range(1, 9):
        claim = queue.must_claim()
        assert claim["attempts"] == attempt
        assert queue.call("fail", claim, f"error {attempt}")
        job = queue.job(job_id)
        assert job["last_error"] == f"error {attempt}"
        assert job["locked_at"] is job["locked_by"] is None
        waits.append(round((job["run_at"] - claim["locked_at"]).total_seconds()))
        queue.execute(DUE)
    assert waits[:7] == [4, 16, 64, 256, 1024, 3600, 3600]
    assert queue.job(job_id)["status"] == "failed"
    assert queue.job(job_id)["finished_at"] is not None
    assert queue.claim() is None


def test_a_final_failure_is_not_tried_again(queue: Queue) -> None:
    queue.refresh()
    claim = queue.must_claim()
    assert queue.call("fail", claim, "never", True)
    assert queue.statuses() == ["failed"]
    assert queue.job(claim["id"])["last_error"] == "never"


def test_a_success_after_a_failure_forgets_the_error(queue: Queue) -> None:
    queue.refresh()
    queue.call("fail", queue.must_claim(), "once")
    queue.execute(DUE)
    claim = queue.must_claim()
    assert claim["last_error"] == "once"
    queue.call("finish", claim, None)
    assert queue.job(claim["id"])["last_error"] is None


def test_a_worker_that_is_heard_of_keeps_its_job(queue: Queue) -> None:
    queue.refresh()
    claim = queue.must_claim()
    queue.execute(SILENCE, claim["id"])
    assert queue.call("heartbeat", claim)
    assert queue.sweep() == 0
    assert queue.statuses() == ["running"]


def test_a_silent_workers_job_is_queued_again_until_its_attempts_are_used_up(queue: Queue) -> None:
    job_id = queue.refresh()["id"]
    for attempt in range(1, 4):
        claim = queue.must_claim("gone")
        assert claim["attempts"] == attempt
        assert queue.sweep() == 0
        queue.execute(SILENCE, job_id)
        assert queue.sweep() == 1
    job = queue.job(job_id)
    assert job["status"] == "failed"
    assert job["last_error"].startswith("worker gone has not been heard of since 20")


def test_how_long_silence_is_borne_is_a_setting(queue: Queue) -> None:
    queue.execute("INSERT INTO recommender_settings VALUES ('task_queue_stale_after_seconds', '9')")
    queue.refresh()
    queue.must_claim()
    queue.execute("UPDATE background_jobs SET locked_at = locked_at - interval '10 seconds'")
    assert queue.sweep() == 1


def test_the_sweep_passes_by_a_job_in_the_middle_of_a_step(
    queue: Queue, opened: Callable[[], Queue], run: Run
) -> None:
    queue.refresh()
    claim = queue.must_claim()
    queue.execute(SILENCE, claim["id"])
    worker = opened()

    async def step() -> object:
        async with worker.connection.transaction():
            assert await worker.connection.fetchval(
                "SELECT recommender.hold_job($1, $2, $3)", claim["id"], "w", 1
            )
            return await asyncio.wait_for(
                queue.connection.fetchval("SELECT recommender.requeue_stale_jobs()"),
                PATIENCE_SECONDS,
            )

    assert run(step()) == 0
    assert queue.statuses() == ["running"]
    assert queue.sweep() == 1


def test_a_worker_that_stops_hands_back_its_own_jobs_uncounted(queue: Queue) -> None:
    jobs = [queue.refresh(user_id) for user_id in (1, 2, 3)]
    queue.must_claim("mine")
    queue.must_claim("mine")
    other = queue.must_claim("other")
    assert queue.value("SELECT recommender.release_jobs('mine')") == 2
    assert queue.statuses() == ["queued", "queued", "running"]
    assert queue.job(other["id"])["attempts"] == 1
    assert {queue.job(job["id"])["attempts"] for job in jobs[:2]} == {0}
    assert queue.must_claim("next")["attempts"] == 1


def test_a_job_that_fails_while_its_like_is_queued_is_merged_into_that(queue: Queue) -> None:
    first = queue.refresh(top_n=30)
    claim = queue.must_claim()
    second = queue.refresh(top_n=20, after=600)
    assert queue.call("fail", claim, "oops")
    job = queue.job(first["id"])
    assert job["status"] == "succeeded"
    assert json.loads(job["result"]) == {"merged_into": second["id"]}
    assert job["last_error"] == "oops"
    twin = queue.job(second["id"])
    assert json.loads(twin["payload"])["top_n"] == 30
    # It runs no later than the first would have been tried again.
    assert twin["run_at"] < second["run_at"]
    assert queue.statuses() == ["succeeded", "queued"]


@pytest.fixture
def twins(queue: Queue) -> tuple[int, int]:
    """Two rescores that mean the same, one running, the other queued since and due later."""
    first = queue.enqueue(RECOMPUTE, RESCORE, "all")
    queue.must_claim("w")
    return first["id"], queue.enqueue(RECOMPUTE, RESCORE, "all", after=600)["id"]


def test_a_silent_workers_job_is_merged_into_its_like(twins: tuple[int, int], queue: Queue) -> None:
    first, second = twins
    queue.execute(SILENCE, first)
    assert queue.sweep() == 1
    job = queue.job(first)
    assert (job["status"], job["attempts"]) == ("succeeded", 1)
    assert job["last_error"].startswith("worker w has not been heard of since")
    assert json.loads(job["result"]) == {"merged_into": second}
    assert queue.must_claim()["id"] == second


def test_a_job_handed_back_is_merged_into_its_like_without_an_error(
    twins: tuple[int, int], queue: Queue
) -> None:
    first, second = twins
    assert queue.value("SELECT recommender.release_jobs('w')") == 1
    job = queue.job(first)
    assert (job["status"], job["attempts"], job["last_error"]) == ("succeeded", 0, None)
    assert json.loads(job["result"]) == {"merged_into": second}
    assert job["locked_by"] is None
    assert queue.must_claim()["id"] == second


def test_a_job_of_another_meaning_is_no_reason_to_give_up(queue: Queue) -> None:
    first = queue.enqueue(RECOMPUTE, {"epochs": 3}, "all")
    claim = queue.must_claim()
    queue.enqueue(RECOMPUTE, {"epochs": 4}, "all")
    queue.call("fail", claim, "oops")
    assert queue.job(first["id"])["status"] == "queued"


@pytest.mark.parametrize("commits", [True, False])
def test_a_job_that_fails_while_its_like_is_being_queued_waits_to_see(
    commits: bool, queue: Queue, opened: Callable[[], Queue], run: Run
) -> None:
    queue.refresh()
    claim = queue.must_claim()
    worker, signal = opened(), opened()

    async def race() -> None:
        transaction = signal.connection.transaction()
        await transaction.start()
        await signal.enqueueing(REFRESH, {"user_id": 1})
        failing = asyncio.create_task(
            worker.connection.fetchval(
                "SELECT recommender.fail_job($1, 'w', 1, 'oops')", claim["id"]
            )
        )
        await until_waiting(queue.connection, worker.connection)
        await (transaction.commit() if commits else transaction.rollback())
        assert await asyncio.wait_for(failing, PATIENCE_SECONDS) is True

    run(race())
    assert queue.statuses() == (["succeeded", "queued"] if commits else ["queued"])


def test_a_failed_job_gets_another_chance_with_all_attempts(queue: Queue) -> None:
    job_id = queue.enqueue(RECOMPUTE, RESCORE)["id"]
    claim = queue.must_claim()
    queue.execute("""UPDATE background_jobs SET result = '{"run_id": 1, "lists": 200}'""")
    queue.call("fail", claim, "oops", True)
    retried = queue.retry(job_id)
    assert (retried["id"], retried["status"], retried["attempts"]) == (job_id, "queued", 0)
    assert retried["finished_at"] is None
    assert retried["last_error"] == "oops"
    # It starts over, at the moment of the new attempt.
    assert retried["result"] is None
    assert queue.must_claim()["id"] == job_id


def test_a_retried_job_whose_like_is_queued_is_merged_into_it(queue: Queue) -> None:
    job_id = queue.refresh(top_n=60)["id"]
    queue.call("fail", queue.must_claim(), "oops", True)
    like = queue.refresh(top_n=50, after=60)
    retried = queue.retry(job_id)
    assert (retried["id"], retried["status"], retried["last_error"]) == (job_id, "succeeded", None)
    assert json.loads(retried["result"]) == {"merged_into": like["id"]}
    claim = queue.must_claim()
    assert (claim["id"], json.loads(claim["payload"])["top_n"]) == (like["id"], 60)


def test_only_what_failed_is_retried(queue: Queue) -> None:
    call = "SELECT recommender.retry_job($1)"
    assert queue.refused(call, 404) == ("ER043", "there is no job 404")
    assert queue.refused(call, None) == ("ER043", "there is no job NULL")
    job_id = queue.refresh()["id"]
    assert queue.refused(call, job_id) == ("ER044", f"job {job_id} is queued, not failed")
    claim = queue.must_claim()
    assert queue.refused(call, job_id)[0] == "ER044"
    queue.call("finish", claim)
    assert queue.refused(call, job_id) == ("ER044", f"job {job_id} is succeeded, not failed")


def test_workers_hear_of_what_is_due_and_of_nothing_else(
    queue: Queue, opened: Callable[[], Queue], run: Run
) -> None:
    heard: list[object] = []
    listener = opened()

    def hear(*notification: object) -> None:
        heard.append(notification[-1])

    async def hearing() -> list[object]:
        # What was sent before this answer has been delivered with it.
        await listener.connection.execute("SELECT 1")
        await asyncio.sleep(0)
        news = heard.copy()
        heard.clear()
        return news

    run(listener.connection.add_listener("recommender_jobs", hear))
    queue.refresh(after=60)
    assert run(hearing()) == []
    queue.refresh()
    assert run(hearing()) == [REFRESH]
    queue.enqueue(RETENTION)
    assert run(hearing()) == [RETENTION]
    claim = queue.must_claim()
    queue.call("fail", claim, "later")
    assert run(hearing()) == []
    queue.value("SELECT recommender.release_jobs('w')")
    queue.must_claim()
    queue.value("SELECT recommender.release_jobs('w')")
    assert run(hearing()) == [RETENTION]
    run(listener.connection.remove_listener("recommender_jobs", hear))


TWO_AT_ONCE = """
DO $$
BEGIN
    PERFORM recommender.enqueue_job('refresh_user_recommendations_ml', '{"user_id": 1}');
    COMMIT;
    PERFORM recommender.enqueue_job('refresh_user_recommendations_ml', '{"user_id": 2}');
END
$$
"""


def test_of_refreshes_that_come_at_once_workers_hear_once(
    queue: Queue, opened: Callable[[], Queue], run: Run
) -> None:
    heard: list[object] = []
    listener = opened()

    def hear(*notification: object) -> None:
        heard.append(notification[-1])

    async def hearing(statement: str) -> list[object]:
        await queue.connection.execute("DELETE FROM background_jobs")
        await queue.connection.execute(statement)
        await listener.connection.execute("SELECT 1")
        await asyncio.sleep(0)
        news = heard.copy()
        heard.clear()
        return news

    run(listener.connection.add_listener("recommender_jobs", hear))
    # A machine that is busy elsewhere may take longer between the two than they count as one.
    assert any(run(hearing(TWO_AT_ONCE)) == [REFRESH] for _ in range(50))
    apart = TWO_AT_ONCE.replace("COMMIT;", "COMMIT; PERFORM pg_sleep(0.06); COMMIT;")
    assert run(hearing(apart)) == [REFRESH, REFRESH]
    other = TWO_AT_ONCE.replace("ml', '{\"user_id\": 2}", "ml', '{\"user_id\": 1}")
    assert run(hearing(other)) == [REFRESH]
    run(listener.connection.remove_listener("recommender_jobs", hear))


def test_a_signal_not_committed_wakes_nobody(
    queue: Queue, opened: Callable[[], Queue], run: Run
) -> None:
    heard: list[object] = []
    listener = opened()

    def hear(*notification: object) -> None:
        heard.append(notification[-1])

    async def signal() -> None:
        await listener.connection.add_listener("recommender_jobs", hear)
        transaction = queue.connection.transaction()
        await transaction.start()
        await queue.enqueueing(REFRESH, {"user_id": 1})
        await listener.connection.execute("SELECT 1")
        await asyncio.sleep(0)
        assert heard == []
        await transaction.commit()
        await listener.connection.execute("SELECT 1")
        await asyncio.sleep(0)
        assert heard == [REFRESH]
        await listener.connection.remove_listener("recommender_jobs", hear)

    run(signal())


def test_monitoring_counts_jobs_by_status_and_what_is_due(queue: Queue) -> None:
    queue.execute(AGE, queue.refresh(1)["id"], 90.0)
    queue.call("finish", queue.must_claim())
    queue.refresh(1)
    queue.call("fail", queue.must_claim(), "no", True)
    for user_id in (2, 3):
        queue.execute(AGE, queue.refresh(user_id)["id"], 90.0)
    queue.must_claim()
    counts = {
        (labels["job_type"], labels["status"]): row["value"]
        for row in queue.rows("SELECT * FROM recommender.gauges WHERE name = 'eventrank_jobs'")
        for labels in [json.loads(row["labels"])]
    }
    assert counts == {(REFRESH, "queued"): 1, (REFRESH, "running"): 1, (REFRESH, "failed"): 1}
    due = queue.value(
        "SELECT value FROM recommender.gauges WHERE name = 'eventrank_jobs_due_seconds'"
    )
    assert isinstance(due, float)
    assert 90 <= due < 90 + PATIENCE_SECONDS


# One row is one rule that the queue breaks at this moment.
BROKEN_RULES = """
SELECT 'two run' AS rule, j.job_type || ' ' || coalesce(j.dedupe_key, '') AS about
FROM background_jobs AS j
WHERE j.status = 'running' AND j.job_type = $1
GROUP BY j.job_type, j.dedupe_key HAVING count(*) > 1
UNION ALL
SELECT 'two run', j.job_type
FROM background_jobs AS j
WHERE j.status = 'running' AND j.job_type <> $1
GROUP BY j.job_type HAVING count(*) > 1
UNION ALL
SELECT 'two queued', j.job_type || ' ' || j.dedupe_key
FROM background_jobs AS j
WHERE j.status = 'queued' AND j.dedupe_key IS NOT NULL
GROUP BY
    j.job_type, j.dedupe_key, CASE WHEN j.job_type <> $1 THEN j.payload::text END
HAVING count(*) > 1
UNION ALL
SELECT 'attempts', j::text FROM background_jobs AS j
WHERE j.attempts > j.max_attempts OR (j.status = 'running' AND j.attempts = 0)
UNION ALL
SELECT 'whose', j::text FROM background_jobs AS j
WHERE
    (j.status = 'running') <> (j.locked_by IS NOT NULL)
    OR (j.status = 'running') <> (j.locked_at IS NOT NULL)
    OR (j.status IN ('succeeded', 'failed')) <> (j.finished_at IS NOT NULL)
    OR (j.status = 'failed' AND j.last_error IS NULL)
"""
SILENCE_SOMEBODY = """
UPDATE background_jobs SET locked_at = locked_at - interval '301 seconds'
WHERE id = (
    SELECT id FROM background_jobs WHERE status = 'running'
    ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED
)
"""
RETRY_SOMETHING = """
SELECT recommender.retry_job(id) FROM (
    SELECT id FROM background_jobs WHERE status = 'failed'
    ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED
) AS f
"""
# What was merged into another has succeeded as well, but nobody finished it.
SUCCEEDED = """
SELECT id FROM background_jobs
WHERE status = 'succeeded' AND NOT result ? 'merged_into' ORDER BY id
"""
OPERATIONS = 1000
SESSIONS = 6


class Anybody:
    """One of several who do anything the queue allows, in any order."""

    def __init__(self, queue: Queue, name: str) -> None:
        self.queue = queue
        self.name = name
        self.random = random.Random(name)
        self.claims: list[asyncpg.Record] = []
        self.finished: list[int] = []

    async def act(self) -> None:
        actions = {
            self.enqueue: 6,
            self.claim: 6,
            self.finish: 4,
            self.fail: 2,
            self.heartbeat: 1,
            self.release: 0.5,
            self.time_passes: 1,
            self.disturb: 2,
        }
        (action,) = self.random.choices(list(actions), list(actions.values()))
        await action()

    async def enqueue(self) -> None:
        job_type, payload, key = self.random.choice(
            [
                (REFRESH, {"user_id": self.random.randint(1, 5)}, None),
                (REFRESH, {"user_id": 1, "top_n": self.random.randint(1, 99)}, None),
                (RECOMPUTE, {}, "all"),
                (RECOMPUTE, RESCORE, "all"),
                (RETENTION, {}, None),
            ]
        )
        await self.queue.enqueueing(job_type, payload, key, self.random.choice([0, 0, 300]))

    async def claim(self) -> None:
        lanes = self.random.choice([["refresh"], ["batch", "training"], ALL_LANES])
        if claim := await self.queue.claiming(self.name, *lanes):
            self.claims.append(claim)

    def any_claim(self) -> tuple[int, str, int]:
        """Give one of the claims ever had, mostly the newest, lost or not."""
        claim = self.random.choice(self.claims[-3:])
        return claim["id"], claim["locked_by"], claim["attempts"]

    async def finish(self) -> None:
        if self.claims:
            claim = self.any_claim()
            if await self.ask("SELECT recommender.finish_job($1, $2, $3, '{}')", *claim):
                self.finished.append(claim[0])

    async def fail(self) -> None:
        if self.claims:
            is_final = self.random.random() < 0.2
            await self.ask(
                "SELECT recommender.fail_job($1, $2, $3, 'oops', $4)", *self.any_claim(), is_final
            )

    async def heartbeat(self) -> None:
        if self.claims:
            await self.ask("SELECT recommender.heartbeat_job($1, $2, $3)", *self.any_claim())

    async def release(self) -> None:
        # Its claims are forgotten, as by a process that ends.
        self.claims.clear()
        await self.ask("SELECT recommender.release_jobs($1)", self.name)

    async def time_passes(self) -> None:
        await self.ask(self.random.choice([DUE, SILENCE_SOMEBODY]))

    async def disturb(self) -> None:
        await self.ask(
            self.random.choice(["SELECT recommender.requeue_stale_jobs()", RETRY_SOMETHING])
        )

    async def ask(self, sql: str, *arguments: object) -> object:
        return await self.queue.connection.fetchval(sql, *arguments)


def test_whatever_everybody_does_at_once_the_queue_keeps_its_rules(
    queue: Queue, opened: Callable[[], Queue], run: Run
) -> None:
    everybody = [Anybody(opened(), f"worker {number}") for number in range(SESSIONS)]
    broken: list[asyncpg.Record] = []

    async def work(somebody: Anybody) -> None:
        for _ in range(OPERATIONS // SESSIONS):
            await somebody.act()

    async def watch(workers: asyncio.Future[Any]) -> None:
        while not (workers.done() or broken):
            broken.extend(await queue.connection.fetch(BROKEN_RULES, REFRESH))

    async def play() -> None:
        workers = asyncio.gather(*map(work, everybody))
        await watch(workers)
        await asyncio.wait_for(workers, PATIENCE_SECONDS)

    run(play())
    assert broken == []
    # Whatever is left comes to an end.
    queue.execute("UPDATE background_jobs SET locked_at = '2020-01-01' WHERE status = 'running'")
    queue.sweep()
    queue.execute(DUE)
    while claim := queue.claim("last"):
        assert queue.call("finish", claim, "{}")
        everybody[0].finished.append(claim["id"])
    assert queue.rows(BROKEN_RULES, REFRESH) == []
    assert set(queue.statuses()) <= {"succeeded", "failed"}
    # Nothing was finished twice, and nothing that was not.
    finished = sorted(job_id for somebody in everybody for job_id in somebody.finished)
    rows = queue.rows(SUCCEEDED)
    assert finished == [row["id"] for row in rows]
    assert len(finished) > OPERATIONS / 20


ENDED = 100_000
QUEUED = 10_000
FILL = """
INSERT INTO background_jobs (job_type, dedupe_key, payload, status, finished_at)
SELECT $1, n::text, jsonb_build_object('user_id', n, 'top_n', 50), 'succeeded', now()
FROM generate_series(1, $2) AS n
"""
FILL_QUEUE = """
INSERT INTO background_jobs (job_type, dedupe_key, payload, run_at)
SELECT
    $1, n::text, jsonb_build_object('user_id', n, 'top_n', 50, 'skip_training', true),
    now() + (n % 2 * 2 - 1) * n * interval '1 second'
FROM generate_series(1, $2) AS n
"""
# What this session has read of the table, and not reported yet.
READ = """
SELECT seq_scan, idx_tup_fetch
FROM pg_stat_xact_user_tables WHERE relid = 'public.background_jobs'::regclass
"""


@pytest.fixture(scope="module")
def busy(database_url: str, run: Run) -> Iterator[Queue]:
    """A queue with a long past, and a long way to go."""
    queue = Queue(run(connect(database_url)), run)
    queue.execute("TRUNCATE background_jobs, recommender_settings")
    queue.execute(FILL, REFRESH, ENDED)
    queue.execute(FILL_QUEUE, REFRESH, QUEUED)
    queue.execute("ANALYZE background_jobs")
    yield queue
    queue.execute("TRUNCATE background_jobs")
    run(queue.connection.close())


@pytest.mark.parametrize(
    ("call", "rows"),
    [
        ("SELECT recommender.claim_job('w')", 2),
        ("SELECT recommender.claim_job('w', '{refresh}')", 2),
        ("SELECT recommender.enqueue_job('apply_analytics_retention', '{}', 'all')", 1),
        # The newest of those that wait, postponed: merged, and found where it waits.
        (f"SELECT recommender.enqueue_job('{REFRESH}', '{{\"user_id\": 9999}}')", 2),
        (f"SELECT recommender.enqueue_job('{REFRESH}', '{{\"user_id\": 10000}}')", 2),
        ("SELECT recommender.requeue_stale_jobs()", 0),
        ("SELECT recommender.release_jobs('nobody')", 0),
        ("SELECT recommender.finish_job(1, 'w', 1, '{}')", 1),
        ("SELECT recommender._seconds_to_next_job('{refresh,batch}')", 1),
        (f"SELECT recommender._is_job_blocked('{REFRESH}', '1')", 0),
    ],
)
def test_no_step_of_a_job_reads_the_others(call: str, rows: int, busy: Queue) -> None:
    connection = busy.connection

    async def read() -> tuple[int, int]:
        transaction = connection.transaction()
        await transaction.start()
        before = await connection.fetchrow(READ)
        await connection.execute(call)
        after = await connection.fetchrow(READ)
        await transaction.rollback()
        assert before is not None
        assert after is not None
        return after["seq_scan"] - before["seq_scan"], after["idx_tup_fetch"] - before[
            "idx_tup_fetch"
        ]

    # More often than plans are made anew.
    for _ in range(8):
        scans, rows_read = busy.run(read())
        assert scans == 0
        assert rows_read <= rows


RAW = """
INSERT INTO background_jobs (
    job_type, dedupe_key, payload, status, attempts, max_attempts, locked_at, locked_by
)
VALUES ($1, $2, $3, $4, $5, 3, $6, $7)
RETURNING id
"""


def raw(queue: Queue, *columns: object) -> int:
    """Write a row that enqueue_job did not."""
    job_id = queue.value(RAW, *columns)
    assert isinstance(job_id, int)
    return job_id


def test_a_row_that_cannot_be_queued_again_fails_alone(queue: Queue) -> None:
    silent = datetime.now(UTC) - timedelta(days=1)
    odd = raw(queue, REFRESH, "44", '{"user_id": 44, "top_n": "50"}', "running", 1, silent, "w")
    queue.refresh(44, after=3600)
    sound = raw(queue, REFRESH, "45", '{"user_id": 45, "top_n": 50}', "running", 1, silent, "w")
    assert queue.sweep() == 2
    assert [queue.job(job)["status"] for job in (odd, sound)] == ["failed", "queued"]
    assert "ER042: the payload of" in queue.job(odd)["last_error"]


@pytest.mark.parametrize("payload", ['{"user_id": 46, "top_n": "abc"}', '{"user_id": 46}'])
def test_a_queued_row_of_somebody_else_is_merged_into_nonetheless(
    payload: str, queue: Queue
) -> None:
    raw(queue, REFRESH, "46", payload, "queued", 0, None, None)
    assert json.loads(queue.refresh(46, top_n=20)["payload"])["top_n"] == 20
    assert queue.statuses() == ["queued"]


@pytest.mark.parametrize(("moment", "worker"), [(True, None), (False, "w"), (False, None)])
def test_whoever_claimed_it_and_whenever_a_silent_job_ends(
    moment: bool, worker: str | None, queue: Queue
) -> None:
    since = datetime.now(UTC) - timedelta(days=1) if moment else None
    job = raw(queue, GUARDRAILS, "all", "{}", "running", 3, since, worker)
    assert (queue.sweep(), queue.sweep()) == (1, 0)
    assert queue.job(job)["status"] == "failed"


@pytest.mark.parametrize(
    "claim", ["NULL, '{batch}'", "'w', '{foo}'", "'w', NULL", "'w', '{batch,foo}'"]
)
def test_a_claim_without_a_name_or_a_lane_is_refused(claim: str, queue: Queue) -> None:
    assert queue.refused(f"SELECT recommender.claim_job({claim})")[0] == "ER042"


def test_jobs_of_the_app_are_left_to_the_app(queue: Queue) -> None:
    failed = raw(queue, "send_email", None, "{}", "failed", 3, None, None)
    running = raw(queue, "send_email", None, "{}", "running", 0, None, "w")
    assert queue.refused("SELECT recommender.retry_job($1)", failed)[0] == "ER041"
    assert queue.value("SELECT recommender.release_jobs('w')") == 0
    assert queue.job(running)["status"] == "running"


def test_a_key_that_is_too_long_is_refused(queue: Queue) -> None:
    sql = "SELECT recommender.enqueue_job('apply_analytics_retention', '{}', $1)"
    assert queue.refused(sql, "x" * 201)[0] == "ER042"
    queue.execute(sql, "é" * 200)
