"""recommender.run_jobs: what is due is done inside the database, step by step, crash or not."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.support.locks import until_waiting
from tests.support.worlds import AS_OF, World, days, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.runner import Run

    Connection = asyncpg.Connection[asyncpg.Record]

BATCH = 200
"""How many students a step of a rescore passes."""
STUDENTS = 450
TOP_N = 5
PATIENCE_SECONDS = 60

REFRESH = "refresh_user_recommendations_ml"
RECOMPUTE = "recompute_recommendations_ml"
GUARDRAILS = "evaluate_personalization_guardrails"
RETENTION = "apply_analytics_retention"
RESCORE = {"skip_training": True, "top_n": TOP_N}

CALL = "CALL recommender.run_jobs($1, $2, $3)"
LISTS = """
SELECT r.user_id, r.rank, r.event_id, r.score, r.reason, r.model_version, r.generated_at
FROM user_recommendations AS r ORDER BY r.user_id, r.rank
"""
BROKEN_LISTS = """
SELECT l.user_id
FROM recommendation_lists AS l
LEFT JOIN user_recommendations AS r ON r.user_id = l.user_id
GROUP BY l.user_id
HAVING
    count(r.user_id) <> l.item_count
    OR coalesce(max(r.rank), 0) <> l.item_count
    OR bool_or(r.model_version <> l.model_version)
    OR l.item_count IS NULL
"""

# Whoever writes the list of student $1 waits here while somebody has the gate alone.
PUT_UP_GATE = """
CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(4242);
    RETURN NULL;
END
$$;
CREATE TRIGGER gate AFTER INSERT OR UPDATE ON user_recommendations
FOR EACH ROW WHEN (NEW.user_id = 250) EXECUTE FUNCTION pass_gate()
"""
POISON = """
CREATE FUNCTION swallow_poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'student % is poisoned', NEW.user_id;
END
$$;
CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON user_recommendations
FOR EACH ROW WHEN (NEW.user_id = 250) EXECUTE FUNCTION swallow_poison()
"""
GATED_STUDENT = POISONED_STUDENT = 250
CLEAN = """
DROP FUNCTION IF EXISTS pass_gate, swallow_poison CASCADE;
TRUNCATE background_jobs, recommender_settings
"""
SILENCE = "UPDATE background_jobs SET locked_at = '2020-01-01' WHERE status = 'running'"
DUE = "UPDATE background_jobs SET run_at = now() WHERE status = 'queued'"


class Site:
    """A database with students and events, and sessions that run its jobs at AS_OF."""

    def __init__(self, database_url: str, run: Run) -> None:
        self._url = database_url
        self._opened: list[Connection] = []
        self.run = run
        self.connection = self.open()

    def open(self, **settings: str) -> Connection:
        """Open a session; the queue is on in it unless it is said otherwise."""
        named = {"task_queue_enabled": "true"} | settings
        self._opened.append(self.run(open_session(self._url, AS_OF, **named)))
        return self._opened[-1]

    def close(self) -> None:
        for connection in self._opened:
            if not connection.is_closed():
                self.run(connection.close(timeout=10))

    def write(self, students: int = 3) -> None:
        """Write students 1…; model m1 (active) prefers late events, m2 early ones."""
        world = World()
        for number in range(students):
            world.student(interests=["rock"] if number % 2 else ["jazz"])
        club = world.organizer()
        for number in range(8):
            world.event(club, tags=["rock", "jazz"][number % 2 :][:1], starts=days(10 + number))
        world.model(0, 0.001, 0, 0, 0, 0, 0, 1, version="m1")
        world.model(0, 0.001, 0, 0, 0, 0, 0, -1, version="m2", is_active=False)
        self.execute(CLEAN)
        self.run(world.write(self.connection))
        # A refresh that finds it old would ask for it by a job.
        self.execute("SELECT recommender.refresh_upcoming_events()")

    def enqueue(self, job_type: str, payload: object = None, after: int = 0) -> int:
        """Queue a job that is due after so many seconds; give its id."""
        job_id = self.value(
            "SELECT (recommender.enqueue_job($1, $2, NULL, now() + $3 * interval '1 second')).id",
            job_type,
            None if payload is None else json.dumps(payload),
            after,
        )
        assert isinstance(job_id, int)
        return job_id

    def refresh(self, user_id: int, after: int = 0) -> int:
        return self.enqueue(REFRESH, {"user_id": user_id, "top_n": TOP_N}, after)

    def run_jobs(
        self,
        limit: int = 100,
        worker: str | None = None,
        lanes: str = "refresh batch",
        connection: Connection | None = None,
    ) -> tuple[int, float | None]:
        """Give how many jobs were run, and the seconds until another is due."""
        return self.run(self.running(limit, worker, lanes, connection))

    async def running(
        self,
        limit: int = 100,
        worker: str | None = None,
        lanes: str = "refresh batch",
        connection: Connection | None = None,
    ) -> tuple[int, float | None]:
        row = await asyncio.wait_for(
            (connection or self.connection).fetchrow(CALL, limit, worker, lanes.split()),
            PATIENCE_SECONDS,
        )
        assert row is not None
        return row["job_count"], row["next_seconds"]

    def job(self, job_id: int) -> asyncpg.Record:
        (row,) = self.rows("SELECT j.* FROM background_jobs AS j WHERE j.id = $1", job_id)
        return row

    def result(self, job_id: int) -> dict[str, Any]:
        return dict(json.loads(self.job(job_id)["result"]))

    def statuses(self) -> list[str]:
        return [
            row["status"] for row in self.rows("SELECT status FROM background_jobs ORDER BY id")
        ]

    def models(self) -> set[str]:
        """Whose lists there are; sees that each of them is whole."""
        assert self.rows(BROKEN_LISTS) == []
        return {row["model_version"] for row in self.rows(LISTS)}

    def rows(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        return self.run(self.connection.fetch(sql, *arguments))

    def value(self, sql: str, *arguments: object) -> object:
        return self.run(self.connection.fetchval(sql, *arguments))

    def execute(self, sql: str, *arguments: object) -> None:
        self.run(self.connection.execute(sql, *arguments))


@pytest.fixture
def site(database_url: str, run: Run) -> Iterator[Site]:
    site = Site(database_url, run)
    site.write()
    yield site
    site.execute(CLEAN)
    site.close()


@pytest.fixture
def crowd(site: Site) -> Site:
    """A site with more students than a step passes."""
    site.write(STUDENTS)
    return site


def in_the_middle(site: Site, act: Callable[[Connection], Any]) -> BaseException | None:
    """Run the jobs; act while the step that holds the gated student waits."""
    runner, gate = site.open(), site.open()
    site.execute(PUT_UP_GATE)

    async def play() -> BaseException | None:
        await gate.execute("SELECT pg_advisory_lock(4242)")
        running = asyncio.create_task(site.running(connection=runner))
        await until_waiting(site.connection, runner)
        await act(runner)
        await gate.execute("SELECT pg_advisory_unlock(4242)")
        await asyncio.wait([running], timeout=PATIENCE_SECONDS)
        return running.exception()

    return site.run(play())


def test_what_is_due_is_run_and_the_next_is_announced(site: Site) -> None:
    jobs = [site.refresh(user_id) for user_id in (1, 2)]
    later = site.refresh(3, after=300)
    count, next_seconds = site.run_jobs()
    assert count == 2
    assert next_seconds is not None
    assert 200 < next_seconds <= 300
    assert site.statuses() == ["succeeded", "succeeded", "queued"]
    for job_id in jobs:
        job = site.job(job_id)
        assert (job["attempts"], site.result(job_id)) == (1, {"item_count": TOP_N})
    assert site.job(later)["attempts"] == 0
    assert {row["user_id"] for row in site.rows(LISTS)} == {1, 2}
    assert site.models() == {"m1"}


def test_a_refresh_writes_what_rank_events_says_at_the_sessions_moment(site: Site) -> None:
    site.refresh(1)
    site.run_jobs()
    written = site.rows("SELECT rank, event_id, score, reason FROM user_recommendations")
    assert written == site.rows("SELECT * FROM recommender.rank_events(1, $1)", TOP_N)
    assert site.value("SELECT generated_at FROM recommendation_lists WHERE user_id = 1") == AS_OF


def test_an_empty_queue_is_no_work(site: Site) -> None:
    assert site.run_jobs() == (0, None)


def test_refreshes_that_find_the_events_twin_old_have_it_rebuilt_once(site: Site) -> None:
    site.execute(
        "UPDATE recommender_snapshot SET upcoming_refreshed_at = now() - interval '6 minutes'"
    )
    for user_id in (1, 2):
        site.refresh(user_id)
    count, _ = site.run_jobs()
    assert count == 3
    assert site.statuses() == ["succeeded"] * 3
    assert site.value("SELECT job_type FROM background_jobs ORDER BY id DESC LIMIT 1") == (
        "refresh_upcoming_events"
    )
    assert site.value(
        "SELECT upcoming_refreshed_at > now() - interval '1 minute' FROM recommender_snapshot"
    )
    site.refresh(3)
    assert site.run_jobs()[0] == 1


def test_no_more_jobs_than_asked_for_are_run(site: Site) -> None:
    for user_id in (1, 2, 3):
        site.refresh(user_id)
    count, next_seconds = site.run_jobs(limit=2)
    assert count == 2
    assert next_seconds is not None
    assert next_seconds <= 0
    assert site.run_jobs(limit=2) == (1, None)


def test_only_the_lanes_asked_for_are_run_and_never_training(site: Site) -> None:
    training = site.enqueue(RECOMPUTE)
    retention = site.enqueue(RETENTION)
    refresh = site.refresh(1)
    assert site.run_jobs(lanes="refresh") == (1, None)
    assert site.job(refresh)["status"] == "succeeded"
    assert site.run_jobs(lanes="batch") == (1, None)
    assert site.job(retention)["status"] == "succeeded"
    assert site.run_jobs()[0] == 0
    assert site.job(training)["status"] == "queued"


@pytest.mark.parametrize(
    ("limit", "lanes"), [(0, "refresh"), (-1, "refresh"), (1, "refesh"), (1, "batch training")]
)
def test_a_call_that_could_never_run_anything_is_refused(
    site: Site, limit: int, lanes: str
) -> None:
    with pytest.raises(asyncpg.PostgresError, match="cannot run") as refusal:
        site.run_jobs(limit=limit, lanes=lanes)
    assert refusal.value.sqlstate == "ER042"


def test_jobs_of_the_app_in_the_same_table_are_left_alone(site: Site) -> None:
    site.execute(
        "INSERT INTO background_jobs (job_type, status, locked_at, locked_by, finished_at)"
        " VALUES ('send_email', 'queued', NULL, NULL, NULL),"
        " ('send_email', 'running', '2020-01-01', 'them', NULL),"
        " ('send_email', 'succeeded', NULL, NULL, '2020-01-01')"
    )
    site.enqueue(RETENTION)
    assert site.run_jobs() == (1, None)
    assert sorted(site.statuses()) == ["queued", "running", "succeeded", "succeeded"]


def test_a_job_that_is_never_due_does_not_stand_in_the_way(site: Site) -> None:
    with pytest.raises(asyncpg.PostgresError, match="due at infinity") as refusal:
        site.execute(
            "SELECT recommender.enqueue_job('apply_analytics_retention', p_run_at => 'infinity')"
        )
    assert refusal.value.sqlstate == "ER042"
    site.refresh(1)
    site.execute("UPDATE background_jobs SET run_at = 'infinity'")
    assert site.run_jobs() == (0, None)


def test_a_refresh_does_not_wait_for_the_job_that_rebuilds_the_events_twin(site: Site) -> None:
    site.execute(
        "UPDATE recommender_snapshot SET upcoming_refreshed_at = now() - interval '6 minutes'"
    )
    site.enqueue("refresh_upcoming_events")
    site.refresh(1)
    holder = site.open()

    async def play() -> None:
        async with holder.transaction():
            await holder.execute(
                "SELECT FROM background_jobs WHERE job_type = 'refresh_upcoming_events' FOR UPDATE"
            )
            assert (await site.running(lanes="refresh"))[0] == 1

    site.run(play())


def test_nothing_runs_while_the_queue_is_off(site: Site) -> None:
    site.refresh(1)
    off = site.open(task_queue_enabled="false")
    with pytest.raises(asyncpg.PostgresError, match="TASK_QUEUE_ENABLED is false") as refusal:
        site.run_jobs(connection=off)
    assert refusal.value.sqlstate == "ER040"
    assert site.statuses() == ["queued"]


def test_it_is_not_called_within_a_transaction(site: Site) -> None:
    site.refresh(1)

    async def call() -> None:
        async with site.connection.transaction():
            await site.running()

    with pytest.raises(asyncpg.InvalidTransactionTerminationError):
        site.run(call())
    assert site.statuses() == ["queued"]


def test_a_job_tells_who_runs_it(crowd: Site) -> None:
    job_id = crowd.enqueue(RECOMPUTE, RESCORE)
    seen: list[object] = []

    async def look(runner: Connection) -> None:
        job = await crowd.connection.fetchrow("SELECT * FROM background_jobs WHERE id = $1", job_id)
        assert job is not None
        assert job["locked_by"] == f"session {runner.get_server_pid()}"
        # The first step is done, and is seen to be.
        seen.append(json.loads(job["result"])["lists"])

    assert in_the_middle(crowd, look) is None
    assert seen == [BATCH]
    assert crowd.result(job_id)["lists"] == STUDENTS


def test_a_rescore_writes_the_lists_that_score_all_writes(crowd: Site) -> None:
    job_id = crowd.enqueue(RECOMPUTE, RESCORE)
    assert crowd.run_jobs() == (1, None)
    result = crowd.result(job_id)
    assert result == {"run_id": result["run_id"], "model_version": "m1", "lists": STUDENTS}
    assert crowd.models() == {"m1"}
    written = crowd.rows(LISTS)
    crowd.execute("TRUNCATE user_recommendations, recommendation_lists")
    crowd.execute("CALL recommender.score_all($1)", TOP_N)
    assert crowd.rows(LISTS) == written
    assert len(written) == STUDENTS * TOP_N


def test_a_rescore_sees_what_changed_at_the_moment_it_stands_at(site: Site) -> None:
    site.enqueue(RECOMPUTE, RESCORE)
    site.run_jobs()
    # The clock is frozen: the twins are of this moment, but not of these interests.
    site.execute("UPDATE user_interest_tags SET tag_id = 3 - tag_id")
    site.enqueue(RECOMPUTE, RESCORE)
    site.run_jobs()
    site_lists = (
        "SELECT rank, event_id, reason FROM user_recommendations WHERE user_id = 1 ORDER BY rank"
    )
    fresh = "SELECT rank, event_id, reason FROM recommender.rank_events(1, $1)"
    assert site.rows(site_lists) == site.rows(fresh, TOP_N)


def test_a_rescore_killed_in_the_middle_is_taken_up_where_it_was(crowd: Site) -> None:
    job_id = crowd.enqueue(RECOMPUTE, RESCORE)

    async def kill(runner: Connection) -> None:
        pid = runner.get_server_pid()
        await crowd.connection.execute("SELECT pg_terminate_backend($1)", pid)
        while await crowd.connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid
        ):
            await asyncio.sleep(0.002)

    assert in_the_middle(crowd, kill) is not None
    broken = crowd.result(job_id)
    assert (crowd.job(job_id)["status"], broken["lists"]) == ("running", BATCH)
    # Nobody knows yet that it died.
    assert crowd.run_jobs() == (0, None)
    crowd.execute(SILENCE)
    assert crowd.run_jobs() == (1, None)
    job, result = crowd.job(job_id), crowd.result(job_id)
    assert (job["status"], job["attempts"]) == ("succeeded", 2)
    assert (result["run_id"], result["lists"]) == (broken["run_id"], STUDENTS)
    assert crowd.models() == {"m1"}
    assert crowd.value("SELECT count(*) FROM recommendation_runs WHERE finished_at IS NULL") == 0
    written = crowd.rows(LISTS)
    crowd.execute("CALL recommender.score_all($1)", TOP_N)
    assert crowd.rows(LISTS) == written


def test_a_rescore_starts_over_when_another_model_scores(crowd: Site) -> None:
    job_id = crowd.enqueue(RECOMPUTE, RESCORE)
    activator = crowd.open()
    activating: list[asyncio.Future[Any]] = []

    async def activate(_: Connection) -> None:
        # It waits for the step, and comes before the next.
        activating.append(
            asyncio.create_task(activator.execute("SELECT recommender.activate_model('m2')"))
        )
        await until_waiting(crowd.connection, activator)

    assert in_the_middle(crowd, activate) is None
    crowd.run(asyncio.wait_for(activating[0], PATIENCE_SECONDS))
    job, result = crowd.job(job_id), crowd.result(job_id)
    assert (job["status"], job["attempts"], result["model_version"]) == ("succeeded", 1, "m2")
    assert result["lists"] == STUDENTS
    assert crowd.models() == {"m2"}


def test_a_poisoned_step_leaves_what_was_done_and_is_tried_again(crowd: Site) -> None:
    crowd.execute(POISON)
    job_id = crowd.enqueue(RECOMPUTE, RESCORE)
    retention = crowd.enqueue(RETENTION)
    count, next_seconds = crowd.run_jobs()
    assert count == 2
    assert next_seconds is not None
    assert 0 < next_seconds <= 4
    job = crowd.job(job_id)
    assert (job["status"], job["attempts"]) == ("queued", 1)
    assert job["last_error"] == f"P0001: student {POISONED_STUDENT} is poisoned"
    assert crowd.result(job_id)["lists"] == BATCH
    assert crowd.job(retention)["status"] == "succeeded"
    crowd.execute("DROP FUNCTION swallow_poison CASCADE")
    crowd.execute(DUE)
    assert crowd.run_jobs() == (1, None)
    assert (crowd.job(job_id)["status"], crowd.result(job_id)["lists"]) == ("succeeded", STUDENTS)
    assert crowd.job(job_id)["last_error"] is None


def test_a_poisoned_student_fails_for_good_and_alone(crowd: Site) -> None:
    crowd.execute(POISON)
    ids = [249, 250, 251]
    jobs = [crowd.refresh(user_id) for user_id in ids]
    assert crowd.run_jobs()[0] == 3
    for _ in range(2):
        crowd.execute(DUE)
        assert crowd.run_jobs()[0] == 1
    assert crowd.run_jobs() == (0, None)
    assert crowd.statuses() == ["succeeded", "failed", "succeeded"]
    job = crowd.job(jobs[1])
    assert (job["attempts"], job["last_error"]) == (3, "P0001: student 250 is poisoned")
    # The lists of the others are there; a retry has all attempts again.
    crowd.execute("DROP FUNCTION swallow_poison CASCADE")
    crowd.execute("SELECT recommender.retry_job($1)", job["id"])
    assert crowd.run_jobs() == (1, None)
    assert [
        row["user_id"]
        for row in crowd.rows("SELECT DISTINCT user_id FROM user_recommendations ORDER BY 1")
    ] == ids


def test_a_student_who_left_is_no_failure(site: Site) -> None:
    jobs = [site.refresh(user_id) for user_id in (1, 2)]
    site.execute("DELETE FROM users WHERE id = 1")
    assert site.run_jobs() == (2, None)
    assert site.statuses() == ["succeeded", "succeeded"]
    assert site.result(jobs[0]) == {"item_count": 0, "reason": "user 1 is not a student"}
    assert {row["user_id"] for row in site.rows(LISTS)} == {2}


def test_what_will_be_refused_again_is_not_tried_again(site: Site) -> None:
    site.execute("SELECT recommender.score_user(1)")
    past = site.open()
    site.run(past.execute(f"SET recommender.as_of = '{AS_OF - days(1)}'"))
    refused = site.refresh(1)
    assert site.run_jobs(connection=past) == (1, None)
    job = site.job(refused)
    assert (job["status"], job["attempts"]) == ("failed", 1)
    assert job["last_error"].startswith("ER030: the list of student 1 is of ")
    assert "p_overwrite => true" in job["last_error"]


@pytest.mark.parametrize("payload", [{"user_id": 1}, RESCORE])
def test_without_a_model_a_job_fails_and_says_what_to_do(
    payload: dict[str, object], site: Site
) -> None:
    site.execute("TRUNCATE recommender_models")
    job_id = site.enqueue(REFRESH if "user_id" in payload else RECOMPUTE, payload)
    assert site.run_jobs() == (1, None)
    job = site.job(job_id)
    assert (job["status"], job["attempts"]) == ("failed", 1)
    assert job["last_error"].startswith("ER010: there is no model yet; train one")


def test_guardrails_that_are_off_decide_nothing(site: Site) -> None:
    job_id = site.enqueue(GUARDRAILS)
    assert site.run_jobs() == (1, None)
    assert site.result(job_id)["action"] == "disabled"
    assert site.value("SELECT action FROM guardrail_evaluations") == "disabled"


def test_several_callers_share_the_work(crowd: Site) -> None:
    crowd.execute(
        "SELECT recommender.enqueue_job($1, jsonb_build_object('user_id', n, 'top_n', 5))"
        " FROM generate_series(1, 100) AS n",
        REFRESH,
    )
    sessions = [crowd.open() for _ in range(4)]

    async def run_all() -> list[tuple[int, float | None]]:
        return await asyncio.gather(*(crowd.running(connection=one) for one in sessions))

    counts = [count for count, _ in crowd.run(run_all())]
    assert sum(counts) == 100
    assert set(crowd.statuses()) == {"succeeded"}
    assert crowd.value("SELECT max(attempts) FROM background_jobs") == 1
    assert crowd.models() == {"m1"}


def test_refreshes_go_on_while_everybody_is_rescored(crowd: Site) -> None:
    rescore = crowd.enqueue(RECOMPUTE, RESCORE)
    crowd.execute(
        "SELECT recommender.enqueue_job($1, jsonb_build_object('user_id', n, 'top_n', 5))"
        " FROM generate_series(150, 450, 5) AS n",
        REFRESH,
    )
    refresher, batcher = crowd.open(), crowd.open()

    async def run_both() -> None:
        await asyncio.gather(
            crowd.running(lanes="batch", connection=batcher),
            crowd.running(lanes="refresh", connection=refresher),
        )

    crowd.run(run_both())
    assert set(crowd.statuses()) == {"succeeded"}
    assert crowd.result(rescore)["lists"] == STUDENTS
    assert crowd.models() == {"m1"}
    assert crowd.value("SELECT count(*) FROM user_recommendations") == STUDENTS * TOP_N


def test_refreshes_are_not_held_up_by_a_step_of_a_rescore(crowd: Site) -> None:
    crowd.enqueue(RECOMPUTE, RESCORE)
    other = crowd.open()

    async def refresh(_: Connection) -> None:
        await crowd.connection.execute("SELECT recommender.enqueue_job($1, $2)", REFRESH, USER_450)
        count, next_seconds = await crowd.running(connection=other)
        assert (count, next_seconds) == (1, None)

    assert in_the_middle(crowd, refresh) is None
    assert set(crowd.statuses()) == {"succeeded"}


USER_450 = '{"user_id": 450}'


def test_a_signal_while_a_refresh_runs_causes_another(crowd: Site) -> None:
    crowd.refresh(GATED_STUDENT)

    async def signal(_: Connection) -> None:
        await crowd.connection.execute(
            "SELECT recommender.enqueue_job($1, $2)",
            REFRESH,
            json.dumps({"user_id": GATED_STUDENT}),
        )
        other = await crowd.running(connection=bystander)
        assert other == (0, None)

    bystander = crowd.open()
    assert in_the_middle(crowd, signal) is None
    assert crowd.statuses() == ["succeeded", "succeeded"]


def test_whoever_lost_the_claim_takes_no_step(site: Site) -> None:
    job_id = site.refresh(1)
    site.execute("SELECT recommender.claim_job('paused')")
    site.execute(SILENCE)
    site.execute("SELECT recommender.requeue_stale_jobs()")
    site.execute("SELECT recommender.claim_job('other')")
    before = site.job(job_id)
    assert site.value("SELECT recommender._step_job($1, 'paused', 1)", job_id) is True
    assert site.job(job_id) == before
    assert site.rows(LISTS) == []


def test_a_retried_rescore_starts_over(crowd: Site) -> None:
    crowd.execute(POISON)
    job_id = crowd.enqueue(RECOMPUTE, RESCORE)
    crowd.run_jobs()
    first = crowd.result(job_id)["run_id"]
    crowd.execute("UPDATE background_jobs SET status = 'failed'")
    crowd.execute("DROP FUNCTION swallow_poison CASCADE")
    crowd.execute("SELECT recommender.retry_job($1)", job_id)
    crowd.run_jobs()
    result = crowd.result(job_id)
    assert result["run_id"] > first
    assert result["lists"] == STUDENTS
