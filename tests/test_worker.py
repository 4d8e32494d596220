"""`python -m app.worker` as a process: what it runs, what it shares, and what befalls it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from app.console import UsageError
from app.database import connect
from app.schema import migrate
from app.settings import FOR_ONE_COMMAND, settings_model
from app.worker.lanes import Bell
from app.worker.pace import Pace
from app.worker.schedule import pause_seconds
from app.worker.sessions import Session
from app.worker.settings import WorkerSettings, read_worker_settings
from app.worker.watch import Watch
from app.worker.worker import Worker
from tests.support.api_server import ROOT
from tests.support.http_load import wait_for
from tests.support.server import own_server
from tests.support.worker import WorkerProcess, is_alive, launch_worker, working
from tests.support.worlds import AS_OF, World, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from asyncpg import Connection, Record

    from tests.support.runner import Run

REFRESH = "refresh_user_recommendations_ml"
RECOMPUTE = "recompute_recommendations_ml"
RESCORE = {"skip_training": True, "top_n": 5}

PATIENCE_SECONDS = 60
NOT_POLLING = {"TASK_QUEUE_POLL_INTERVAL_SECONDS": "3600"}
SOON_STALE = {"TASK_QUEUE_STALE_AFTER_SECONDS": "1"}

TURN = "SELECT pg_advisory_lock(recommender._lock_key('recompute'))"
MANY_STUDENTS = 450
"""Three batches of a rescore."""

LEFT_BEHIND = """
SELECT a.pid, a.query
FROM pg_stat_activity AS a
WHERE a.datname = current_database() AND a.application_name = 'eventrank worker'
"""
LOCKED = """
SELECT count(DISTINCT a.pid)
FROM pg_stat_activity AS a
INNER JOIN pg_locks AS l ON l.pid = a.pid AND NOT l.granted
WHERE
    a.datname = current_database() AND a.application_name = 'eventrank worker'
    AND NOT (
        -- Lanes that claim at the same moment wait for each other, too, but not for long.
        l.locktype = 'advisory'
        AND (l.classid::bigint << 32 | l.objid::bigint) = recommender._lock_key('claim')
    )
"""
END_LOCKED = """
SELECT pg_terminate_backend(a.pid, 10000) FROM pg_stat_activity AS a
WHERE
    a.datname = current_database() AND a.application_name = 'eventrank worker'
    AND a.wait_event_type = 'Lock'
"""
LISTENING = """
SELECT a.pid FROM pg_stat_activity AS a
WHERE
    a.datname = current_database() AND a.application_name = 'eventrank worker'
    AND a.query ~ 'requeue_stale|LISTEN'
"""

AT_THE_SCHEDULE = "SELECT pg_advisory_xact_lock(recommender._lock_key('schedule'))"
RUNS = """
SELECT r.name, r.missed_count FROM schedule_runs AS r
WHERE r.finished_at IS NOT NULL
ORDER BY r.name
"""
# Nobody has run it for two nights; everything else counts from now on.
GUARDRAILS_ARE_DUE = """
INSERT INTO schedule_runs (name, occurrence_at, started_at, started_by)
SELECT
    d.name,
    recommender.as_of() - CASE d.name WHEN 'guardrails' THEN 2 ELSE 0 END * interval '1 day',
    recommender.as_of(),
    'test'
FROM recommender.schedule_defaults AS d
"""

MAKE_LOOKS_FAIL = """
CREATE FUNCTION refuse_look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'not now';
END
$$;
CREATE TRIGGER refuse BEFORE INSERT ON schedule_runs EXECUTE FUNCTION refuse_look()
"""


@dataclass
class Queue:
    """A database with jobs, and a session that asks for some and looks what became of them."""

    url: str
    connection: Connection[Record]
    run: Run

    def write(self, world: World) -> None:
        """Make this world all there is: no jobs, no settings."""
        self.execute("TRUNCATE recommender_settings")
        self.run(world.write(self.connection))

    def execute(self, sql: str, *arguments: object) -> None:
        self.run(self.connection.execute(sql, *arguments))

    def value(self, sql: str, *arguments: object) -> Any:
        return self.run(self.connection.fetchval(sql, *arguments))

    def enqueue(self, job_type: str, payload: dict[str, object], key: str | None = None) -> int:
        return int(
            self.value(
                "SELECT j.id FROM recommender.enqueue_job($1, $2::jsonb, $3) AS j",
                job_type,
                json.dumps(payload),
                key,
            )
        )

    def refresh(self, student: int, top_n: int = 50) -> int:
        return self.enqueue(REFRESH, {"user_id": student, "top_n": top_n})

    def job(self, job_id: int) -> Record:
        row = self.run(
            self.connection.fetchrow("SELECT * FROM background_jobs WHERE id = $1", job_id)
        )
        assert row is not None
        return row

    def wait_for_job(self, job_id: int, status: str = "succeeded") -> Record:
        """Come back when the job has this status; a job that ended otherwise fails the test."""

        def is_so() -> bool:
            now = self.job(job_id)["status"]
            assert now in {status, "queued", "running"}, self.job(job_id)
            return bool(now == status)

        wait_for(is_so, lambda: f"not {status}: {self.job(job_id)}", PATIENCE_SECONDS)
        return self.job(job_id)

    def wait_until_locked(self, count: int = 1) -> None:
        """Come back when so many sessions of workers wait for a lock."""
        wait_for(
            lambda: bool(self.value(LOCKED) >= count),
            lambda: f"nobody waits: {self.run(self.connection.fetch(LEFT_BEHIND))}",
        )

    def list_of(self, student: int) -> list[int]:
        rows = self.run(
            self.connection.fetch(
                "SELECT event_id FROM user_recommendations WHERE user_id = $1 ORDER BY rank",
                student,
            )
        )
        return [row["event_id"] for row in rows]

    @contextmanager
    def holding(self, statement: str, *arguments: object) -> Iterator[None]:
        """Keep what the statement locks."""
        holder = self.run(open_session(self.url))
        try:
            self.run(holder.execute("BEGIN"))
            self.run(holder.execute(statement, *arguments))
            yield
        finally:
            holder.terminate()

    def holding_lists(self, *students: int) -> Any:
        return self.holding(
            "SELECT FROM recommendation_lists WHERE user_id = ANY ($1) FOR UPDATE", students
        )

    def holding_the_last_list(self) -> Any:
        """Let a rescore of many students get far, and no further."""
        self.execute("SELECT recommender.start_run(5)")  # gives everybody a header to lock
        return self.holding_lists(self.value("SELECT max(user_id) FROM recommendation_lists"))

    def assert_nothing_left(self) -> None:
        """See that no session of a worker is there any more, and no job runs."""
        wait_for(
            lambda: self.run(self.connection.fetch(LEFT_BEHIND)) == [],
            lambda: f"left behind: {self.run(self.connection.fetch(LEFT_BEHIND))}",
        )
        assert self.value("SELECT count(*) FROM background_jobs WHERE status = 'running'") == 0


@pytest.fixture(scope="module")
def queue(database_url: str, run: Run) -> Iterator[Queue]:
    connection = run(open_session(database_url))
    stand_at_as_of(connection, run)
    yield Queue(database_url, connection, run)
    run(connection.close())


def stand_at_as_of(connection: Connection[Record], run: Run) -> None:
    """Let all sessions of the database stand at the moment of the worlds."""
    name = run(connection.fetchval("SELECT quote_ident(current_database())"))
    run(connection.execute(f"ALTER DATABASE {name} SET recommender.as_of = '{AS_OF.isoformat()}'"))


STUDENTS = (3, 4, 5)


def small_world(model: str | None = "m1") -> World:
    """Three students, eight events of two kinds, and enough signals to learn from."""
    world = World()
    clubs = [world.organizer() for _ in range(2)]
    for _ in STUDENTS:
        world.student(city="Cluj", interests=["rock"])
    events = [
        world.event(clubs[number % 2], tags=["rock" if number % 2 else "jazz"], city="Cluj")
        for number in range(8)
    ]
    for number, student in enumerate(STUDENTS):
        world.register(student, events[number])
        world.favorite(student, events[number + 3])
        world.interact(student, "click", events[number + 4])
    if model:
        world.model(0, 1, version=model)
        for student in STUDENTS:
            world.recommend(student, *events, version=model)
    return world


def large_world() -> World:
    world = small_world()
    while len(world.rows["users"]) < MANY_STUDENTS + 2:
        world.student(city="Cluj")
    return world


# Refreshes


def test_a_worker_that_is_told_refreshes_the_list_at_once(queue: Queue) -> None:
    queue.write(small_world())
    with working(queue.url, **NOT_POLLING) as worker:
        for top_n in (5, 3, 4):
            ended = queue.wait_for_job(queue.refresh(STUDENTS[0], top_n))
            assert len(queue.list_of(STUDENTS[0])) == top_n
            assert (ended["attempts"], json.loads(ended["result"])) == (1, {"item_count": top_n})
        (one, *_) = (line for line in worker.log().splitlines() if ": job " in line)
        assert re.search(rf"job \d+ {REFRESH}, attempt 1: succeeded after \d+\.\d+ s$", one), (
            worker.log()
        )
        assert worker.stop() == 0
    queue.assert_nothing_left()


def test_a_job_that_was_queued_before_the_worker_came_is_run(queue: Queue) -> None:
    queue.write(small_world())
    jobs = [queue.refresh(student) for student in STUDENTS]
    with working(queue.url, **NOT_POLLING):
        for job in jobs:
            queue.wait_for_job(job)


def test_a_job_that_is_due_later_is_run_then(queue: Queue) -> None:
    queue.write(small_world())
    with working(queue.url, **NOT_POLLING):
        job = queue.value(
            "SELECT j.id FROM recommender.enqueue_job($1, $2::jsonb, NULL,"
            " clock_timestamp() + interval '0.5 seconds') AS j",
            REFRESH,
            json.dumps({"user_id": STUDENTS[0]}),
        )
        # Only a look at the queue shows when it is due; anything that ends in a look will do.
        queue.refresh(STUDENTS[1])
        ended = queue.wait_for_job(job)
    assert ended["finished_at"] >= ended["run_at"]


def test_a_job_queued_while_another_runs_is_not_missed(queue: Queue) -> None:
    queue.write(small_world())
    with working(queue.url, WORKER_CONCURRENCY="1", **NOT_POLLING):
        with queue.holding_lists(STUDENTS[0]):
            jobs = [queue.refresh(STUDENTS[0])]
            queue.wait_until_locked()
            jobs += [queue.refresh(student) for student in STUDENTS]
        for job in jobs:
            queue.wait_for_job(job)
    assert len(set(jobs)) == 4


def test_several_students_are_refreshed_at_once_and_one_student_never_twice(queue: Queue) -> None:
    queue.write(small_world())
    with working(queue.url, WORKER_CONCURRENCY="3", **NOT_POLLING):
        with queue.holding_lists(*STUDENTS):
            jobs = [queue.refresh(student) for student in STUDENTS[:2]]
            queue.wait_until_locked(2)
            again = queue.refresh(STUDENTS[0])
            third = queue.refresh(STUDENTS[2])
            queue.wait_until_locked(3)
            assert [queue.job(job)["status"] for job in (*jobs, third)] == ["running"] * 3
            assert queue.job(again)["status"] == "queued"
        for job in (*jobs, again, third):
            queue.wait_for_job(job)


def test_jobs_of_one_commit_wake_more_than_one_lane(queue: Queue) -> None:
    queue.write(small_world())
    held = queue.holding_lists(*STUDENTS[1:])
    with working(queue.url, WORKER_CONCURRENCY="3", **NOT_POLLING), held:
        # One NOTIFY for all of them, and the lane that takes the first ends it at once.
        queue.execute(
            "SELECT recommender.enqueue_job($1, jsonb_build_object('user_id', s))"
            " FROM unnest($2::integer[]) AS s",
            REFRESH,
            STUDENTS,
        )
        queue.wait_until_locked(2)


def test_two_workers_share_the_jobs_and_each_is_run_once(queue: Queue) -> None:
    queue.write(large_world())
    with working(queue.url) as first, working(queue.url) as second:
        asked = queue.value(
            "SELECT array_agg(j.id ORDER BY j.id) FROM recommender.source_students AS s,"
            " recommender.enqueue_job($1, jsonb_build_object('user_id', s.user_id)) AS j"
            " WHERE s.user_id <= 202",
            REFRESH,
        )
        wait_for(
            lambda: (
                queue.value("SELECT count(*) FROM background_jobs WHERE status <> 'succeeded'") == 0
            ),
            lambda: first.log()[-1500:] + second.log()[-1500:],
        )
        assert queue.value("SELECT max(attempts) FROM background_jobs") == 1
        assert (first.stop(), second.stop()) == (0, 0)
        ended = [worker.ended_jobs(REFRESH) for worker in (first, second)]
    assert all(ended)
    assert sorted(ended[0] + ended[1]) == asked


def test_a_job_that_cannot_succeed_stays_to_be_seen(queue: Queue) -> None:
    queue.write(small_world(model=None))
    with working(queue.url) as worker:
        failed = queue.wait_for_job(queue.refresh(STUDENTS[0]), "failed")
        assert "ER010" in failed["last_error"]
        assert (failed["attempts"], failed["locked_by"]) == (1, None)
        wait_for(lambda: "attempt 1: failed" in worker.log(), worker.log)
        assert "ER010" in worker.log()
        # And nothing else suffers from it.
        queue.run(small_world().write(queue.connection))
        queue.wait_for_job(queue.refresh(STUDENTS[0]))


# Rescores and training


def test_a_training_job_trains_activates_and_has_everybody_rescored(queue: Queue) -> None:
    queue.write(small_world())
    payload = {"solver": "newton", "l2": 0.5, "seed": 7, "top_n": 4, "epochs": 3}
    with working(queue.url, **NOT_POLLING):
        ended = queue.wait_for_job(queue.enqueue(RECOMPUTE, payload))
        result = json.loads(ended["result"])
        assert ended["attempts"] == 1
        assert result.keys() == {
            "model_version",
            "activated",
            "reason",
            "hitrate_at_10",
            "loss",
            "rescore_job_id",
        }
        assert result["model_version"] == "ml-v1-20260301T120000Z"
        rescore = queue.wait_for_job(result["rescore_job_id"])
        assert json.loads(rescore["payload"]) == {"skip_training": True, "top_n": 4}
        assert rescore["dedupe_key"] == "all"
    meta = json.loads(queue.value("SELECT meta FROM recommender_models WHERE is_active"))
    assert {name: meta[name] for name in payload if name != "top_n"} == {
        name: value for name, value in payload.items() if name != "top_n"
    }
    assert [len(queue.list_of(student)) for student in STUDENTS] == [4, 4, 4]
    assert queue.value("SELECT array_agg(DISTINCT model_version) FROM user_recommendations") == [
        result["model_version"]
    ]
    queue.assert_nothing_left()


@pytest.mark.parametrize(
    ("world", "payload", "sentence"),
    [
        (World(), {}, "there are no students"),
        (small_world(), {"model_version": "m1"}, "model 'm1' exists already"),
    ],
    ids=["nothing to learn from", "a version that exists"],
)
def test_a_training_that_is_refused_says_why_and_is_not_tried_again(
    queue: Queue, world: World, payload: dict[str, object], sentence: str
) -> None:
    queue.write(world)
    with working(queue.url) as worker:
        failed = queue.wait_for_job(queue.enqueue(RECOMPUTE, payload), "failed")
        assert failed["last_error"].startswith(sentence)
        assert failed["attempts"] == 1
        wait_for(lambda: sentence in worker.log(), worker.log)
        assert "Traceback" not in worker.log()


def test_a_training_whose_process_dies_is_tried_again(queue: Queue) -> None:
    queue.write(small_world())
    with working(queue.url) as worker:
        with queue.holding(TURN):
            job = queue.enqueue(RECOMPUTE, {})
            queue.wait_until_locked()
            (training,) = worker.trainings()
            os.kill(training, signal.SIGKILL)
            waiting = queue.wait_for_job(job, "queued")
        assert waiting["last_error"] == "the training process ended with signal SIGKILL"
        assert waiting["attempts"] == 1
        queue.execute("UPDATE background_jobs SET run_at = now()")
        assert queue.wait_for_job(job)["attempts"] == 2


def test_a_long_training_is_kept_alive(queue: Queue) -> None:
    queue.write(small_world())
    with working(queue.url, **SOON_STALE):
        with queue.holding(TURN):
            job = queue.enqueue(RECOMPUTE, {})
            queue.wait_until_locked()
            first_sign = queue.job(job)["locked_at"]
            wait_for(
                lambda: (queue.job(job)["locked_at"] - first_sign).total_seconds() > 2,
                lambda: f"no signs of life: {queue.job(job)}",
            )
        assert queue.wait_for_job(job)["attempts"] == 1


def test_refreshes_go_on_while_a_training_runs(queue: Queue) -> None:
    queue.write(small_world())
    with working(queue.url):
        with queue.holding(TURN):
            job = queue.enqueue(RECOMPUTE, {})
            queue.wait_until_locked()
            queue.wait_for_job(queue.refresh(STUDENTS[0]))
            assert queue.job(job)["status"] == "running"
        queue.wait_for_job(job)


def test_refreshes_go_on_while_a_rescore_runs(queue: Queue) -> None:
    queue.write(large_world())
    with working(queue.url):
        with queue.holding_the_last_list():
            job = queue.enqueue(RECOMPUTE, dict(RESCORE))
            queue.wait_until_locked()
            queue.wait_for_job(queue.refresh(STUDENTS[0]))
            assert queue.job(job)["status"] == "running"
        queue.wait_for_job(job)


# Workers that are killed, paused or told to stop


@pytest.mark.parametrize("kind", ["refresh", "rescore", "training"])
def test_what_a_killed_worker_ran_is_done_by_another(queue: Queue, kind: str) -> None:
    queue.write(small_world())
    holding = queue.holding(TURN) if kind == "training" else queue.holding_lists(STUDENTS[0])
    with working(queue.url, **SOON_STALE) as killed:
        with holding:
            if kind == "refresh":
                job = queue.refresh(STUDENTS[0])
            else:
                job = queue.enqueue(RECOMPUTE, dict(RESCORE) if kind == "rescore" else {})
            queue.wait_until_locked()
            processes = killed.trainings()
            assert len(processes) == (kind == "training")
            killed.kill()
            # No session, lock or process outlives the worker for long.
            wait_for(
                lambda: (
                    queue.run(queue.connection.fetch(LEFT_BEHIND)) == []
                    and not any(is_alive(pid) for pid in processes)
                ),
                lambda: f"left behind: {queue.run(queue.connection.fetch(LEFT_BEHIND))}",
            )
            assert queue.job(job)["status"] == "running"
        with working(queue.url, **SOON_STALE):
            ended = queue.wait_for_job(job)
    assert ended["attempts"] == 2
    assert queue.value("SELECT count(*) FROM recommender_models") == 1 + (kind == "training")


def test_a_worker_that_was_paused_too_long_stores_no_second_model(queue: Queue) -> None:
    queue.write(small_world())
    with working(queue.url, **SOON_STALE) as first, working(queue.url, **SOON_STALE) as second:
        with queue.holding(TURN):
            job = queue.enqueue(RECOMPUTE, {})
            queue.wait_until_locked()
            paused = first if first.trainings() else second
            (training,) = paused.trainings()
            paused.signal(signal.SIGSTOP)
            wait_for(lambda: queue.job(job)["attempts"] == 2, lambda: str(queue.job(job)))
            # Both trainings wait for their turn, and the one in vain is the first in the queue.
            queue.wait_until_locked(2)
        ended = queue.wait_for_job(job)
        paused.signal(signal.SIGCONT)
        wait_for(lambda: "the claim was lost" in paused.log(), paused.log)
        wait_for(lambda: not is_alive(training), paused.log)
        assert queue.job(job) == ended
        assert (first.stop(), second.stop()) == (0, 0)
    assert ended["attempts"] == 2
    assert queue.value("SELECT count(*) FROM recommender_models") == 2
    assert queue.value("SELECT count(*) FROM background_jobs WHERE id > $1", job) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_stops_hands_back_its_training(queue: Queue, number: signal.Signals) -> None:
    queue.write(small_world())
    with queue.holding(TURN):
        with working(queue.url) as stopped:
            job = queue.enqueue(RECOMPUTE, {})
            queue.wait_until_locked()
            processes = stopped.trainings()
            for pid in processes:
                # As from a supervisor that signals all it started: that is for the worker to heed.
                os.kill(pid, number)
            stopped.signal(number)
            assert stopped.wait() == 0
            assert not any(is_alive(pid) for pid in processes)
            assert "1 job handed back" in stopped.log()
            assert "Traceback" not in stopped.log()
        row = queue.job(job)
        assert (row["status"], row["attempts"], row["locked_by"]) == ("queued", 0, None)
        queue.assert_nothing_left()
    with working(queue.url):
        assert queue.wait_for_job(job)["attempts"] == 1


def test_a_rescore_goes_on_where_a_stopped_worker_left_it(queue: Queue) -> None:
    queue.write(large_world())
    with queue.holding_the_last_list(), working(queue.url) as stopped:
        job = queue.enqueue(RECOMPUTE, dict(RESCORE))
        wait_for(
            lambda: '"lists": 400' in (queue.job(job)["result"] or ""), lambda: str(queue.job(job))
        )
        queue.wait_until_locked()
        assert stopped.stop() == 0
        assert "Traceback" not in stopped.log()
        handed_back = queue.job(job)
        assert (handed_back["status"], handed_back["attempts"]) == ("queued", 0)
        progress = json.loads(handed_back["result"])
        assert progress["lists"] == 400
        queue.assert_nothing_left()
    with working(queue.url):
        result = json.loads(queue.wait_for_job(job)["result"])
    assert result["run_id"] == progress["run_id"]
    assert result["lists"] == MANY_STUDENTS


def test_a_refresh_that_runs_is_ended_before_the_worker_stops(queue: Queue) -> None:
    queue.write(small_world())
    with working(queue.url) as worker:
        with queue.holding_lists(STUDENTS[0]):
            jobs = [queue.refresh(STUDENTS[0])]
            queue.wait_until_locked()
            worker.signal(signal.SIGTERM)
            wait_for(lambda: "stopping" in worker.log(), worker.log)
            jobs.append(queue.refresh(STUDENTS[1]))
        assert worker.wait() == 0
    assert [queue.job(job)["status"] for job in jobs] == ["succeeded", "queued"]
    queue.assert_nothing_left()


def test_a_second_signal_ends_the_worker_at_once(queue: Queue) -> None:
    queue.write(small_world())
    with working(queue.url) as worker, queue.holding_lists(STUDENTS[0]):
        job = queue.refresh(STUDENTS[0])
        queue.wait_until_locked()
        worker.signal(signal.SIGTERM)
        wait_for(lambda: "stopping" in worker.log(), worker.log)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == -signal.SIGTERM
        assert queue.job(job)["status"] == "running"


# A database that goes away, and a queue that is switched off


def test_a_lane_that_lost_its_connection_has_its_job_tried_again(queue: Queue) -> None:
    queue.write(small_world())
    with working(queue.url) as worker:
        with queue.holding_lists(STUDENTS[0]):
            job = queue.refresh(STUDENTS[0])
            queue.wait_until_locked()
            queue.execute(END_LOCKED)
            waiting = queue.wait_for_job(job, "queued")
        assert waiting["last_error"] == "the worker lost its connection while the job ran"
        assert waiting["run_at"] > waiting["created_at"]
        queue.execute("UPDATE background_jobs SET run_at = now()")
        assert queue.wait_for_job(job)["attempts"] == 2
        assert worker.log().count("trying again") == 1, worker.log()


def test_it_hears_again_after_the_connection_that_listens_was_lost(queue: Queue) -> None:
    queue.write(small_world())
    with working(queue.url, **NOT_POLLING):
        queue.wait_for_job(queue.refresh(STUDENTS[0]))
        wait_for(lambda: queue.value(LISTENING) is not None, lambda: "nobody listens")
        lost = queue.value(LISTENING)
        queue.execute("SELECT pg_terminate_backend($1, 10000)", lost)
        wait_for(lambda: queue.value(LISTENING) not in {None, lost}, lambda: "nobody listens")
        queue.wait_for_job(queue.refresh(STUDENTS[0]))


def test_a_database_that_falls_silent_costs_the_lanes_their_connections(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.write(small_world())
    monkeypatch.setattr("app.worker.watch.SILENCE_SECONDS", 0.2)

    async def hear_nothing() -> None:
        worker = Worker("a worker", queue.url)
        session = Session(worker, "a lane")
        silent = asyncio.Event()

        def abort() -> None:
            session.abort()
            silent.set()

        bells = {name: Bell() for name in ("refresh", "batch", "training")}
        parts = [
            asyncio.create_task(session.ask("SELECT pg_sleep(3600)::text")),
            asyncio.create_task(Watch(worker, bells, abort).run()),
        ]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await silent.wait()
                # The lane's statement is sent anew, through another connection.
                while not worker.troubles.has("a worker/a lane") or not session.is_busy:
                    await asyncio.sleep(0.01)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            await session.close()

    with queue.holding("LOCK TABLE recommender_settings IN ACCESS EXCLUSIVE MODE"):
        queue.run(hear_nothing())


def test_jobs_are_run_after_the_logic_was_applied_again(queue: Queue) -> None:
    queue.write(small_world())
    with working(queue.url, **NOT_POLLING) as worker:
        for _ in range(2):
            queue.wait_for_job(queue.refresh(STUDENTS[0]))
            queue.wait_for_job(queue.enqueue(RECOMPUTE, {}))
            queue.run(migrate(queue.connection, force=True))
        queue.wait_for_job(queue.refresh(STUDENTS[0]))
        assert " failed" not in worker.log()


def test_a_worker_outlives_restarts_of_its_database_and_says_so_once(run: Run) -> None:
    with own_server() as server:
        server.create_database("outages")
        url = server.url("outages")
        connection = run(connect(url))
        run(migrate(connection))
        stand_at_as_of(connection, run)
        queue = Queue(url, connection, run)
        queue.write(small_world())
        connection.terminate()
        server.stop()
        with working(url, until="trying again") as worker:
            assert worker.log().count("nothing listens") + worker.log().count("no socket") == 1
            for _ in range(2):
                recoveries = worker.log().count("answers again")
                server.start()
                queue.connection = run(open_session(url))
                queue.wait_for_job(queue.refresh(STUDENTS[0]))
                queue.connection.terminate()
                # Before all lanes are out of the last outage, the next one is nothing new to say.
                wait_for(
                    lambda: worker.log().count("answers again") > recoveries,  # noqa: B023
                    worker.log,
                )
                said = worker.log()
                server.stop()
                wait_for(lambda: worker.log() != said, worker.log)  # noqa: B023
            server.start()
            queue.connection = run(open_session(url))
            queue.wait_for_job(queue.refresh(STUDENTS[0]))
            queue.connection.terminate()
            lines = [line for line in worker.log().splitlines() if "trying again" in line]
            assert len(lines) <= 3 * 5, worker.log()
            assert "Traceback" not in worker.log()
            assert worker.stop() == 0


def due_schedule(queue: Queue) -> None:
    queue.write(small_world())
    queue.execute("TRUNCATE schedule_runs, recommender_schedule")
    queue.execute(GUARDRAILS_ARE_DUE)


def wait_for_runs(queue: Queue, *expected: tuple[str, int]) -> None:
    def runs() -> list[tuple[str, int]]:
        return [tuple(row) for row in queue.run(queue.connection.fetch(RUNS))]

    wait_for(lambda: runs() == list(expected), lambda: f"run: {runs()}")


def test_it_runs_what_the_schedule_has_due_and_says_what_was_missed(queue: Queue) -> None:
    due_schedule(queue)
    with working(queue.url, **NOT_POLLING) as worker:
        wait_for_runs(queue, ("guardrails", 1))
        queue.wait_for_job(queue.value("SELECT min(id) FROM background_jobs"))
        wait_for(lambda: "guardrails was run once" in worker.log(), worker.log)
    queue.assert_nothing_left()
    assert queue.value("SELECT count(*) FROM background_jobs") == 1
    assert (
        queue.value("SELECT started_by FROM schedule_runs WHERE finished_at IS NOT NULL")
        == "eventrank worker"
    )


def test_several_workers_run_an_occurrence_once(queue: Queue) -> None:
    due_schedule(queue)
    with queue.holding(AT_THE_SCHEDULE), working(queue.url) as one, working(queue.url) as another:
        queue.wait_until_locked(2)
        # One of them loses its connection just then, and looks again.
        queue.execute(f"{END_LOCKED} LIMIT 1")
        wait_for(lambda: "trying again" in one.log() + another.log(), one.log)
        queue.wait_until_locked(2)
        assert queue.value("SELECT count(*) FROM background_jobs") == 0
        holding_ends = queue.value(
            "SELECT pg_terminate_backend(l.pid, 10000) FROM pg_locks AS l"
            " WHERE l.locktype = 'advisory' AND l.granted"
            " AND (l.classid::bigint << 32 | l.objid::bigint) = recommender._lock_key('schedule')"
        )
        assert holding_ends
        wait_for_runs(queue, ("guardrails", 1))
    queue.assert_nothing_left()
    assert queue.value("SELECT count(*) FROM background_jobs") == 1


def test_a_look_at_the_schedule_that_fails_is_told_and_tried_again(queue: Queue) -> None:
    due_schedule(queue)
    queue.execute(MAKE_LOOKS_FAIL)
    with working(queue.url, until="trying again: P0001: not now") as worker:
        queue.wait_for_job(queue.refresh(STUDENTS[0]))
        queue.execute("DROP FUNCTION refuse_look CASCADE")
        wait_for_runs(queue, ("guardrails", 1))
        wait_for(lambda: "the database answers again" in worker.log(), worker.log)
        assert worker.log().count("trying again") == 1
    queue.assert_nothing_left()


@pytest.mark.parametrize(
    ("next_seconds", "pause"), [(None, 60), (3600, 60), (59.5, 59.5), (0, 0.05), (-300, 0.05)]
)
def test_it_looks_at_the_schedule_when_something_is_due_and_once_a_minute(
    next_seconds: float | None, pause: float
) -> None:
    assert pause_seconds(next_seconds) == pause


def test_a_queue_that_is_switched_off_rests_until_it_is_on_again(queue: Queue) -> None:
    queue.write(small_world())
    switch = "UPDATE recommender_settings SET value = $1 WHERE name = 'task_queue_enabled'"
    with working(queue.url, **SOON_STALE) as worker:
        queue.execute(switch, "false")
        wait_for(lambda: "TASK_QUEUE_ENABLED" in worker.log(), worker.log)
        jobs = [queue.refresh(STUDENTS[0]), queue.enqueue(RECOMPUTE, {})]
        # It looks again, and says nothing more.
        time.sleep(0.5)
        assert worker.log().count("TASK_QUEUE_ENABLED") == 1
        assert queue.job(jobs[0])["status"] == "queued"
        queue.execute(switch, "true")
        for job in jobs:
            queue.wait_for_job(job)


# How it starts


NOWHERE = "postgresql://somebody:a-password-nobody-should-see@127.0.0.1:1/nothing"


def refused(tmp_path: Path, url: str, **environment: str) -> tuple[int, str]:
    """Start a worker that does not start; give its exit code and the one line it said."""
    log = tmp_path / "log"
    worker = WorkerProcess(launch_worker(url, log, **environment), log)
    try:
        code = worker.wait()
    finally:
        worker.kill()
    assert "a-password-nobody-should-see" not in worker.log()
    *lines, last = worker.log().splitlines()
    assert all(" is now " in line for line in lines), lines
    assert last.startswith("error: ")
    return code, last


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "mysql://somebody:a-password-nobody-should-see@localhost/x"),
        ("WORKER_CONCURRENCY", "0"),
        ("WORKER_CONCURRENCY", "2.0"),
        ("WORKER_CONCURRENCY", "many"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_setting_is_refused_by_the_variables_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=variable) as refusal:
        read_worker_settings()
    assert "a-password-nobody-should-see" not in str(refusal.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("WORKER_CONCURRENCY", "65"), ("TASK_QUEUE_POLL_INTERVAL_SECONDS", "-1")],
)
def test_a_wrong_setting_ends_the_process_with_2(tmp_path: Path, variable: str, value: str) -> None:
    code, line = refused(tmp_path, NOWHERE, **{variable: value})
    assert code == 2
    assert variable in line


@pytest.mark.parametrize("value", ["", "false"])
def test_a_queue_that_is_off_is_refused_by_the_variables_name(
    queue: Queue, tmp_path: Path, value: str
) -> None:
    queue.write(World())
    code, line = refused(tmp_path, queue.url, TASK_QUEUE_ENABLED=value)
    assert code == 2
    assert "TASK_QUEUE_ENABLED is false" in line
    # Who is refused changes nothing for the others.
    assert not queue.value("SELECT count(*) FROM recommender_settings WHERE value = 'false'")


def test_an_address_that_cannot_work_is_refused(tmp_path: Path) -> None:
    for wrong, word in (("1/x?sslmode=foo", "sslmode"), ("99999/x", "port")):
        code, line = refused(tmp_path, f"postgresql://127.0.0.1:{wrong}")
        assert (code, word in line) == (2, True), line


def test_a_queue_that_is_on_in_the_database_needs_no_variable(queue: Queue) -> None:
    queue.write(World())
    queue.execute(
        "INSERT INTO recommender_settings (name, value, source)"
        " VALUES ('task_queue_enabled', 'true', 'admin')"
    )
    with working(queue.url, TASK_QUEUE_ENABLED="") as worker:
        assert worker.stop() == 0


def test_it_stores_the_environments_settings(queue: Queue) -> None:
    queue.write(World())
    with working(queue.url, RECOMMENDATIONS_REALTIME_REFRESH_TOP_N="7") as worker:
        assert "recommendations_realtime_refresh_top_n is now 7" in worker.log()
    assert queue.value("SELECT refresh_top_n FROM recommender.parameters") == 7


def test_a_database_without_the_schema_is_refused(tmp_path: Path, empty_database_url: str) -> None:
    code, line = refused(tmp_path, empty_database_url)
    assert code == 1
    assert "run .venv/bin/python scripts/migrate.py first" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_while_it_waits_for_its_database(number: signal.Signals) -> None:
    with working(NOWHERE, until="trying again") as worker:
        worker.signal(number)
        assert worker.wait() == 0
        assert "Traceback" not in worker.log()
        assert "a-password-nobody-should-see" not in worker.log()


def test_help_names_every_variable_and_the_page() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.worker", "--help"],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    named = set(re.findall(r"^  ([A-Z_]+)", done.stdout, re.M))
    fields = WorkerSettings.model_fields.keys() | settings_model().model_fields.keys()
    assert named == {name.upper() for name in fields - {FOR_ONE_COMMAND}}
    assert "docs/jobs.md" in done.stdout


# How it waits


def test_a_ring_wakes_one_lane_now_or_when_it_next_waits(run: Run) -> None:
    async def waits(bell: Bell) -> bool:
        started = time.monotonic()
        await bell.wait(0.2)
        return time.monotonic() - started >= 0.2

    async def rings() -> None:
        bell = Bell(2)
        for _ in range(5):
            bell.ring()
        assert [await waits(bell) for _ in range(3)] == [False, False, True]
        waiting = [asyncio.create_task(waits(bell)) for _ in range(2)]
        await asyncio.sleep(0)
        bell.ring()
        assert sorted(await asyncio.gather(*waiting)) == [False, True]

    run(rings())


def test_it_waits_for_the_next_job_and_never_longer_than_the_poll_interval() -> None:
    pace = Pace(poll_seconds=2, stale_seconds=6)
    assert pace.pause_seconds(None, 40) == 2
    assert pace.pause_seconds(None, 0.02) == 0.02
    assert pace.pause_seconds(0.5, 40) == 0.5
    assert pace.pause_seconds(60, 40) == 2
    assert pace.pause_seconds(-1, 0.02) == 0.02
    assert pace.pause_seconds(0, 40) == 2
    assert (pace.heartbeat_seconds, pace.look_seconds) == (2, 2)
    assert Pace(stale_seconds=86400).heartbeat_seconds == 30
