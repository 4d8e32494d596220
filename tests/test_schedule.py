"""What runs by itself: each occurrence once, whoever looks, whatever was missed or raised."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.support.locks import PATIENCE_SECONDS, until_waiting
from tests.support.worlds import AS_OF, World, days, hours, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runner import Run

    Connection = asyncpg.Connection[asyncpg.Record]

PAGE = Path(__file__).parents[1] / "docs/schedule.md"

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
MINUTES = timedelta(minutes=1)

GUARDRAILS = "evaluate_personalization_guardrails"
RECOMPUTE = "recompute_recommendations_ml"
UPCOMING = "refresh_upcoming_events"
RETENTION = "apply_analytics_retention"

CALL = "CALL recommender.run_schedule()"
SET = "SELECT * FROM recommender.set_schedule($1, $2, $3)"
RUNS = """
SELECT r.name, r.occurrence_at, r.missed_count, r.result, r.error
FROM schedule_runs AS r
WHERE r.finished_at IS NOT NULL
ORDER BY r.occurrence_at, r.name
"""
BREAK = """
CREATE FUNCTION refuse_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = 'the disk is full', HINT = 'buy one';
END
$$;
CREATE TRIGGER refuse BEFORE INSERT ON background_jobs
FOR EACH ROW WHEN (NEW.job_type = 'refresh_upcoming_events') EXECUTE FUNCTION refuse_job()
"""
MEND = "DROP FUNCTION IF EXISTS refuse_job CASCADE"


class Schedule:
    """A database with a schedule, and a session that runs what is due at one moment or another."""

    def __init__(self, database_url: str, run: Run) -> None:
        self._url = database_url
        self._opened: list[Connection] = []
        self.run = run
        self.warnings: list[str] = []
        self.connection = self.open()
        self.connection.add_log_listener(lambda _, message: self.warnings.append(message.message))

    def open(self, **settings: str) -> Connection:
        """Open a session; the queue is on in it unless it is said otherwise."""
        named = {"task_queue_enabled": "true"} | settings
        self._opened.append(self.run(open_session(self._url, AS_OF, **named)))
        return self._opened[-1]

    def close(self) -> None:
        for connection in self._opened:
            if not connection.is_closed():
                self.run(connection.close(timeout=10))

    def execute(self, sql: str, *arguments: object) -> None:
        self.run(self.connection.execute(sql, *arguments))

    def value(self, sql: str, *arguments: object) -> Any:
        return self.run(self.connection.fetchval(sql, *arguments))

    def rows(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        return list(self.run(self.connection.fetch(sql, *arguments)))

    async def ticking(
        self, moment: datetime, connection: Connection | None = None
    ) -> tuple[int, float | None]:
        """Run what is due at a moment; give how many, and the seconds until something is."""
        session = connection or self.connection
        await session.execute(f"SET recommender.as_of = '{moment.isoformat()}'")
        row = await session.fetchrow(CALL)
        assert row is not None
        return row["run_count"], row["next_seconds"]

    def tick(self, moment: datetime, connection: Connection | None = None) -> int:
        return self.run(self.ticking(moment, connection))[0]

    def start(self, *names: str, at: datetime = MIDNIGHT) -> None:
        """Have a first look, with all entries switched off but these."""
        self.tick(at)
        for row in self.rows("SELECT name FROM recommender.schedule"):
            self.set(row["name"], is_enabled=row["name"] in names)

    def set(
        self, name: str | None, cron: str | None = None, is_enabled: bool | None = None
    ) -> asyncpg.Record:
        row = self.run(self.connection.fetchrow(SET, name, cron, is_enabled))
        assert row is not None
        return row

    def entry(self, name: str) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM recommender.schedule WHERE name = $1", name)
        return dict(row)

    def runs(self) -> list[tuple[str, timedelta, int]]:
        """What was run: the entry, its occurrence as seen from MIDNIGHT, and how many it missed."""
        return [
            (row["name"], row["occurrence_at"] - MIDNIGHT, row["missed_count"])
            for row in self.rows(RUNS)
        ]

    def jobs(self) -> list[tuple[str, str, str]]:
        rows = self.rows("SELECT job_type, dedupe_key, payload FROM background_jobs ORDER BY id")
        return [(row["job_type"], row["dedupe_key"], row["payload"]) for row in rows]

    def gauge(self, name: str) -> dict[str, float]:
        """A gauge by entry."""
        rows = self.rows(
            "SELECT labels, value FROM recommender.gauges WHERE name = $1",
            f"eventrank_schedule_{name}",
        )
        return {json.loads(row["labels"])["name"]: row["value"] for row in rows}


@pytest.fixture(scope="module")
def opened(database_url: str, run: Run) -> Iterator[Schedule]:
    schedule = Schedule(database_url, run)
    yield schedule
    schedule.close()


@pytest.fixture
def schedule(opened: Schedule) -> Iterator[Schedule]:
    opened.execute(
        "TRUNCATE schedule_runs, recommender_schedule, background_jobs, recommender_settings"
    )
    opened.warnings.clear()
    yield opened
    opened.execute(MEND)


def test_it_comes_with_these_entries(schedule: Schedule) -> None:
    rows = schedule.rows("SELECT name, cron, is_enabled, last_run_at FROM recommender.schedule")
    assert [tuple(row) for row in rows] == [
        ("guardrails", "0 3 * * *", True, None),
        ("nightly", "30 3 * * *", True, None),
        ("changed", "20 * * * *", True, None),
        ("upcoming_events", "*/5 * * * *", True, None),
        ("stale_jobs", "* * * * *", True, None),
        ("retention", "15 2 * * *", True, None),
        ("freshness", "*/15 * * * *", True, None),
    ]


def test_the_page_lists_them(schedule: Schedule) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for row in schedule.rows("SELECT name, cron FROM recommender.schedule_defaults"):
        assert f"| `{row['name']}` | `{row['cron']}` |" in page


def test_a_new_schedule_begins_with_the_next_occurrences(schedule: Schedule) -> None:
    assert schedule.run(schedule.ticking(MIDNIGHT + 10 * hours(1))) == (0, 60)
    assert schedule.runs() == []
    assert schedule.entry("nightly")["next_run_at"] == MIDNIGHT + hours(27.5)
    assert schedule.tick(MIDNIGHT + 10 * hours(1) + 59.9 * timedelta(seconds=1)) == 0
    assert schedule.tick(MIDNIGHT + 10 * hours(1) + MINUTES) == 1
    assert schedule.runs() == [("stale_jobs", hours(10) + MINUTES, 0)]
    assert schedule.warnings == []


def test_a_night_queues_what_the_script_queues_guardrails_before_the_training(
    schedule: Schedule,
) -> None:
    schedule.start("guardrails", "nightly", "retention", "upcoming_events")
    for number in range(1, 61):
        schedule.tick(MIDNIGHT + number * 5 * MINUTES)
    runs = schedule.runs()
    assert [run for run in runs if run[0] != "upcoming_events"] == [
        ("retention", hours(2.25), 0),
        ("guardrails", hours(3), 0),
        ("nightly", hours(3.5), 0),
    ]
    assert [run for run in runs if run[0] == "upcoming_events"] == [
        ("upcoming_events", number * 5 * MINUTES, 0) for number in range(1, 61)
    ]
    assert schedule.jobs() == [
        (job_type, "all", "{}") for job_type in (UPCOMING, RETENTION, GUARDRAILS, RECOMPUTE)
    ]


def test_a_job_that_is_queued_already_is_not_queued_again(schedule: Schedule) -> None:
    results = [
        json.loads(schedule.value("SELECT recommender._enqueue_scheduled($1)", UPCOMING))
        for _ in range(2)
    ]
    job_id = schedule.value("SELECT id FROM background_jobs")
    assert results == [
        {"job_id": job_id, "outcome": "queued"},
        {"job_id": job_id, "outcome": "already queued"},
    ]


def test_what_is_due_together_is_run_in_the_order_of_the_schedule(schedule: Schedule) -> None:
    schedule.start("guardrails", "nightly", "retention")
    schedule.tick(MIDNIGHT + hours(12))
    assert [job_type for job_type, _, _ in schedule.jobs()] == [GUARDRAILS, RECOMPUTE, RETENTION]


def test_an_occurrence_is_run_once(schedule: Schedule) -> None:
    schedule.start("guardrails")
    assert schedule.tick(MIDNIGHT + hours(3)) == 1
    for moment in (hours(3), hours(3) + MINUTES, hours(26.9)):
        assert schedule.tick(MIDNIGHT + moment) == 0
    assert schedule.tick(MIDNIGHT + hours(27)) == 1
    # The clock is set back, and goes on.
    for moment in (hours(4), hours(27), hours(30)):
        assert schedule.tick(MIDNIGHT + moment) == 0
    assert schedule.runs() == [("guardrails", hours(3), 0), ("guardrails", hours(27), 0)]


def test_the_view_tells_of_the_last_run_and_the_next(schedule: Schedule) -> None:
    schedule.start("guardrails")
    late = MIDNIGHT + hours(3) + timedelta(seconds=7)
    schedule.execute(f"SET recommender.as_of = '{late.isoformat()}'")
    assert schedule.entry("guardrails")["next_run_at"] == MIDNIGHT + hours(3), "it is due"
    schedule.tick(late)
    entry = schedule.entry("guardrails")
    assert entry["last_run_at"] == late
    assert entry["next_run_at"] == MIDNIGHT + hours(27)
    assert json.loads(entry["last_result"])["outcome"] == "queued"
    assert (entry["last_error"], entry["missed_count"]) == (None, 0)
    assert schedule.entry("nightly")["next_run_at"] is None, "it is switched off"
    # What is later than the moment has not happened yet.
    schedule.execute(f"SET recommender.as_of = '{MIDNIGHT.isoformat()}'")
    assert schedule.entry("guardrails")["last_run_at"] is None


def test_who_ran_it_is_noted(schedule: Schedule) -> None:
    schedule.start("guardrails")
    named, nameless = schedule.open(), schedule.open()
    schedule.run(named.execute("SET application_name = 'the night watch'"))
    schedule.run(nameless.execute("SET application_name = ''"))
    schedule.tick(MIDNIGHT + hours(3), named)
    schedule.tick(MIDNIGHT + hours(27), nameless)
    rows = schedule.rows(
        "SELECT started_by FROM schedule_runs WHERE finished_at IS NOT NULL ORDER BY occurrence_at"
    )
    assert [row["started_by"] for row in rows] == [
        "the night watch",
        f"session {nameless.get_server_pid()}",
    ]


def test_after_downtime_an_entry_is_run_once_and_says_for_how_many(schedule: Schedule) -> None:
    schedule.start("guardrails", "upcoming_events")
    schedule.tick(MIDNIGHT + hours(3))
    schedule.warnings.clear()
    assert schedule.tick(MIDNIGHT + days(3) + hours(3.01)) == 2
    assert schedule.runs()[2:] == [
        ("guardrails", hours(75), 2),
        ("upcoming_events", hours(75), 3 * 288 - 1),
    ]
    assert schedule.warnings == [
        f"schedule: {name} was run once, at its occurrence of 2026-03-05T03:00:00+00:00,"
        f" for the {count} before it that nobody ran"
        for name, count in (("guardrails", 2), ("upcoming_events", 863))
    ]
    assert schedule.entry("guardrails")["missed_count"] == 2
    schedule.tick(MIDNIGHT + days(4) + hours(3))
    assert schedule.entry("guardrails")["missed_count"] == 0


def test_what_is_switched_off_is_not_run_nor_made_up_for(schedule: Schedule) -> None:
    schedule.start("guardrails")
    schedule.set("guardrails", is_enabled=False)
    assert schedule.run(schedule.ticking(MIDNIGHT + hours(30))) == (0, None)
    assert schedule.set("guardrails", is_enabled=True)["next_run_at"] == MIDNIGHT + hours(51)
    assert schedule.tick(MIDNIGHT + hours(30)) == 0
    assert schedule.tick(MIDNIGHT + hours(51)) == 1
    assert schedule.runs() == [("guardrails", hours(51), 0)]


def test_another_cron_expression_goes_on_with_its_next_occurrence(schedule: Schedule) -> None:
    schedule.start("guardrails")
    schedule.tick(MIDNIGHT + hours(12.5))
    assert tuple(schedule.set("guardrails", "0 */2 * * *")) == (
        *("guardrails", "0 */2 * * *", True),
        MIDNIGHT + hours(14),
    )
    assert schedule.tick(MIDNIGHT + hours(12.5)) == 0
    assert schedule.tick(MIDNIGHT + hours(14)) == 1
    # The default goes back to as it comes, and the switch stays as it is.
    schedule.set("guardrails", is_enabled=False)
    assert tuple(schedule.set("guardrails", "0 3 * * *"))[1:] == ("0 3 * * *", False, None)
    row = schedule.rows("SELECT * FROM recommender_schedule WHERE name = 'guardrails'")[0]
    assert tuple(row) == ("guardrails", None, False)


@pytest.mark.parametrize("name", ["", "nighty", None])
def test_an_entry_that_is_not_there_cannot_be_changed(schedule: Schedule, name: str | None) -> None:
    with pytest.raises(asyncpg.PostgresError, match="the schedule has no entry") as refusal:
        schedule.set(name, is_enabled=False)
    assert refusal.value.sqlstate == "ER052"


def test_a_cron_expression_that_is_not_valid_is_refused_and_changes_nothing(
    schedule: Schedule,
) -> None:
    with pytest.raises(asyncpg.PostgresError, match='the hour is "25"') as refusal:
        schedule.set("nightly", "30 25 * * *", is_enabled=False)
    assert refusal.value.sqlstate == "ER053"
    entry = schedule.entry("nightly")
    assert (entry["cron"], entry["is_enabled"]) == ("30 3 * * *", True)


def test_what_somebody_wrote_by_hand_stops_nobody_else_and_is_no_command(
    schedule: Schedule,
) -> None:
    schedule.start("guardrails", "nightly")
    schedule.execute(
        "UPDATE recommender_schedule SET cron = '0 24 * * *' WHERE name = 'guardrails'"
    )
    schedule.execute("INSERT INTO recommender_schedule (name, cron) VALUES ('mine', '* * * * *')")
    assert schedule.tick(MIDNIGHT + hours(4)) == 1
    assert schedule.runs() == [("nightly", hours(3.5), 0)]
    entry = schedule.entry("guardrails")
    assert entry["last_error"].startswith(
        'ER053: the cron expression is not valid: the hour is "24"'
    )
    assert entry["next_run_at"] is None
    assert schedule.gauge("failed")["guardrails"] == 1
    assert schedule.gauge("lag_seconds")["guardrails"] == 0
    assert schedule.set("guardrails", "0 3 * * *")["next_run_at"] == MIDNIGHT + hours(27)


def test_an_entry_that_raises_is_noted_and_stops_no_other(schedule: Schedule) -> None:
    schedule.start("guardrails", "upcoming_events", "retention")
    schedule.execute(BREAK)
    schedule.set("upcoming_events", "0 1 * * *")
    assert schedule.tick(MIDNIGHT + hours(3)) == 3
    error = "P0001: the disk is full; buy one"
    assert schedule.entry("upcoming_events")["last_error"] == error
    assert schedule.entry("upcoming_events")["last_result"] is None
    assert schedule.warnings == [f"schedule: upcoming_events failed: {error}"]
    assert [job_type for job_type, _, _ in schedule.jobs()] == [GUARDRAILS, RETENTION]
    assert schedule.gauge("failed")["upcoming_events"] == 1
    assert schedule.gauge("failed")["guardrails"] == 0
    freshness = json.loads(schedule.value("SELECT recommender.check_freshness()"))
    assert f"the schedule's entry upcoming_events has failed: {error}" in freshness["warnings"]
    # The occurrence counts as run; the next one has another chance.
    assert schedule.tick(MIDNIGHT + hours(4)) == 0
    schedule.execute(MEND)
    assert schedule.tick(MIDNIGHT + hours(25)) == 1
    assert schedule.entry("upcoming_events")["last_error"] is None
    assert schedule.gauge("failed")["upcoming_events"] == 0


def test_while_the_queue_is_off_nothing_is_queued_and_the_result_says_so(
    schedule: Schedule,
) -> None:
    schedule.start(*(row["name"] for row in schedule.rows("SELECT name FROM recommender.schedule")))
    off = schedule.open(task_queue_enabled="false")
    assert schedule.tick(MIDNIGHT + hours(12), off) == 7
    assert schedule.tick(MIDNIGHT + hours(12)) == 0
    assert schedule.jobs() == []
    for name in ("guardrails", "nightly", "changed", "upcoming_events", "retention"):
        result = json.loads(schedule.entry(name)["last_result"])
        assert result == {"skipped": "task_queue_enabled is false"}
    assert json.loads(schedule.entry("stale_jobs")["last_result"]) == {"handed_back": 0}
    (warning,) = [
        text
        for text in json.loads(schedule.entry("freshness")["last_result"])["warnings"]
        if "TASK_QUEUE_ENABLED is false" in text
    ]
    assert warning.startswith("the queue is off")


def test_jobs_of_silent_workers_are_handed_back(schedule: Schedule) -> None:
    schedule.start("stale_jobs")
    schedule.execute("SELECT recommender.enqueue_job($1)", RETENTION)
    schedule.execute("SELECT recommender.claim_job('gone')")
    schedule.execute("UPDATE background_jobs SET locked_at = '2020-01-01'")
    schedule.tick(MIDNIGHT + MINUTES)
    assert json.loads(schedule.entry("stale_jobs")["last_result"]) == {"handed_back": 1}
    assert schedule.value("SELECT status FROM background_jobs") == "queued"


def test_sessions_that_look_at_the_same_time_run_it_once(schedule: Schedule) -> None:
    schedule.start("guardrails", "nightly")
    holder, *sessions = [schedule.open() for _ in range(4)]
    moments = [MIDNIGHT + hours(time) for time in (3.5, 3.5, 3.6)]

    async def play() -> list[tuple[int, float | None]]:
        async with holder.transaction():
            # The first is in the middle of its entry, the others have come meanwhile.
            await holder.execute("LOCK TABLE background_jobs IN ACCESS EXCLUSIVE MODE")
            ticks = []
            for moment, session in zip(moments, sessions, strict=True):
                ticks.append(asyncio.create_task(schedule.ticking(moment, session)))
                await until_waiting(schedule.connection, session, ticks[-1])
            assert not any(tick.done() for tick in ticks)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.gather(*ticks)

    counts = [count for count, _ in schedule.run(play())]
    assert sum(counts) == 2
    assert schedule.runs() == [("guardrails", hours(3), 0), ("nightly", hours(3.5), 0)]
    assert [job_type for job_type, _, _ in schedule.jobs()] == [GUARDRAILS, RECOMPUTE]


def test_what_another_session_is_at_is_not_taken_for_missed(schedule: Schedule) -> None:
    schedule.start("upcoming_events")
    holder, first, second = [schedule.open() for _ in range(3)]

    async def play() -> None:
        async with holder.transaction():
            await holder.execute("LOCK TABLE background_jobs IN ACCESS EXCLUSIVE MODE")
            slow = asyncio.create_task(schedule.ticking(MIDNIGHT + 5 * MINUTES, first))
            await until_waiting(schedule.connection, first, slow)
            later = asyncio.create_task(schedule.ticking(MIDNIGHT + 10 * MINUTES, second))
            await until_waiting(schedule.connection, second, later)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(slow, later)

    schedule.run(play())
    assert schedule.runs() == [
        ("upcoming_events", 5 * MINUTES, 0),
        ("upcoming_events", 10 * MINUTES, 0),
    ]


def test_a_claim_is_the_row_whose_key_lets_nobody_else_in(schedule: Schedule) -> None:
    schedule.start("guardrails")
    holder, session = schedule.open(), schedule.open()

    async def play() -> tuple[int, float | None]:
        async with holder.transaction():
            await holder.execute(
                "INSERT INTO schedule_runs (name, occurrence_at, started_at, started_by,"
                " finished_at) VALUES ('guardrails', $1, $1, 'another', $1)",
                MIDNIGHT + hours(3),
            )
            tick = asyncio.create_task(schedule.ticking(MIDNIGHT + hours(3), session))
            await until_waiting(schedule.connection, session, tick)
        return await asyncio.wait_for(tick, PATIENCE_SECONDS)

    assert schedule.run(play())[0] == 0
    assert schedule.jobs() == []


def test_a_session_killed_in_the_middle_leaves_nothing_and_the_next_one_runs_it(
    schedule: Schedule,
) -> None:
    schedule.start("guardrails", "nightly")
    holder, victim = schedule.open(), schedule.open()

    async def kill() -> None:
        async with holder.transaction():
            await holder.execute(
                "INSERT INTO background_jobs (job_type, dedupe_key, payload) VALUES ($1, 'all',"
                " '{}')",
                RECOMPUTE,
            )
            # guardrails is committed, nightly is claimed and waits.
            tick = asyncio.create_task(schedule.ticking(MIDNIGHT + hours(4), victim))
            await until_waiting(schedule.connection, victim, tick)
            await schedule.connection.execute(
                "SELECT pg_terminate_backend($1, 10000)", victim.get_server_pid()
            )
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await tick
            await holder.execute("DELETE FROM background_jobs WHERE job_type = $1", RECOMPUTE)

    schedule.run(kill())
    assert schedule.runs() == [("guardrails", hours(3), 0)]
    assert schedule.value("SELECT count(*) FROM schedule_runs WHERE name = 'nightly'") == 1
    assert schedule.tick(MIDNIGHT + hours(4) + MINUTES) == 1
    assert schedule.runs() == [("guardrails", hours(3), 0), ("nightly", hours(3.5), 0)]
    assert sorted(job_type for job_type, _, _ in schedule.jobs()) == [GUARDRAILS, RECOMPUTE]


@pytest.mark.parametrize("zone", ["Europe/Bucharest", "America/St_Johns"])
def test_the_change_to_summer_time_does_not_matter(schedule: Schedule, zone: str) -> None:
    schedule.start("nightly", at=datetime(2026, 3, 28, tzinfo=UTC))
    session = schedule.open()
    schedule.run(session.execute(f"SET timezone = '{zone}'"))
    for hour in range(48):
        schedule.tick(datetime(2026, 3, 28, tzinfo=UTC) + hours(hour), session)
    assert [row["occurrence_at"] for row in schedule.rows(RUNS)] == [
        datetime(2026, 3, day, 3, 30, tzinfo=UTC) for day in (28, 29)
    ]


@pytest.mark.parametrize("year", [1970, 9999])
def test_it_runs_at_any_time(schedule: Schedule, year: int) -> None:
    start = datetime(year, 1, 1, tzinfo=UTC)
    schedule.start("nightly", "stale_jobs", at=start)
    assert schedule.tick(start + hours(3.5)) == 2
    assert schedule.entry("nightly")["last_run_at"] == start + hours(3.5)
    assert schedule.entry("stale_jobs")["missed_count"] == 209


def test_a_look_from_far_in_the_future_does_not_stop_the_present(schedule: Schedule) -> None:
    schedule.start("nightly")
    schedule.tick(MIDNIGHT + hours(3.5))
    assert schedule.tick(MIDNIGHT + days(36_525)) == 1
    assert schedule.tick(MIDNIGHT + hours(27.5)) == 0, "it begins again"
    assert schedule.tick(MIDNIGHT + hours(51.5)) == 1


def test_runs_are_kept_for_thirty_days(schedule: Schedule) -> None:
    schedule.start("nightly")
    for day in range(33):
        schedule.tick(MIDNIGHT + days(day) + hours(3.5))
    kept = [at - hours(3.5) for _, at, _ in schedule.runs()]
    assert kept == [days(day) for day in range(2, 33)]


def test_it_is_not_called_within_a_transaction(schedule: Schedule) -> None:
    schedule.start("nightly")

    async def call() -> None:
        async with schedule.connection.transaction():
            await schedule.ticking(MIDNIGHT + hours(4))

    with pytest.raises(asyncpg.InvalidTransactionTerminationError):
        schedule.run(call())
    assert schedule.runs() == []


def test_the_gauge_tells_how_long_nobody_has_run_it(schedule: Schedule) -> None:
    schedule.start("guardrails", "upcoming_events")
    for time, lag in ((0, (0, 0)), (4.5 / 60, (0, 0)), (1, (0, 3300)), (4, (3600, 14100))):
        moment = MIDNIGHT + hours(time)
        schedule.execute(f"SET recommender.as_of = '{moment.isoformat()}'")
        lags = schedule.gauge("lag_seconds")
        assert (lags["guardrails"], lags["upcoming_events"]) == lag
        assert lags["nightly"] == 0, "it is switched off"
    schedule.tick(MIDNIGHT + hours(4))
    assert set(schedule.gauge("lag_seconds").values()) == {0}


def small_world() -> World:
    world = World()
    student = world.student(interests=["rock"])
    event = world.event(world.organizer(), tags=["rock"])
    world.recommend(student, event, version=world.model(0, 1))
    return world


def test_freshness_says_in_words_what_is_out_of_date_stuck_or_failed(schedule: Schedule) -> None:
    def warnings(moment: datetime = AS_OF) -> list[str]:
        schedule.execute(f"SET recommender.as_of = '{moment.isoformat()}'")
        found = json.loads(schedule.value("SELECT recommender.check_freshness()"))["warnings"]
        assert isinstance(found, list)
        return found

    schedule.run(small_world().write(schedule.connection))
    schedule.execute("UPDATE recommender_models SET created_at = $1", AS_OF - days(3))
    schedule.execute(f"SET recommender.as_of = '{AS_OF.isoformat()}'")
    schedule.execute("SELECT recommender.refresh_upcoming_events()")
    assert warnings() == []
    assert warnings(AS_OF + 30 * MINUTES) == [
        "the active model m1 is older than 3 days: is anybody training? (python -m app.worker)"
    ]
    _, no_list, no_twin = warnings(AS_OF + days(4))
    assert no_list == "no student has a fresh list: all are shown events by tags and popularity"
    assert no_twin.startswith("the twin of the upcoming events is not of the last 30 minutes: new")
    schedule.execute("UPDATE recommender_models SET is_active = false")
    assert warnings() == [
        "no model is active: students are shown events by tags and popularity until one is trained"
    ]
    schedule.execute("UPDATE recommender_models SET is_active = true")
    schedule.execute("SELECT recommender.enqueue_job($1)", RECOMPUTE)
    assert warnings() == []
    schedule.execute("UPDATE background_jobs SET run_at = now() - interval '16 minutes'")
    (stuck,) = warnings()
    assert stuck.endswith(
        f"({RECOMPUTE}) has been due for more than 15 minutes: does a worker of the lane training"
        " run?"
    )
    # What waits for one of its kind is not stuck.
    schedule.execute("SELECT recommender.claim_job('a worker')")
    schedule.execute("SELECT recommender.enqueue_job($1)", RECOMPUTE)
    schedule.execute(
        "UPDATE background_jobs SET run_at = now() - interval '1 h' WHERE status = 'queued'"
    )
    assert warnings() == []
    schedule.execute(
        "UPDATE background_jobs SET status = 'failed', last_error = 'no', locked_at = NULL,"
        " locked_by = NULL, finished_at = now()"
    )
    schedule.execute(
        "INSERT INTO background_jobs (job_type, status, finished_at)"
        " VALUES ('send_email', 'failed', now())"
    )
    (failed,) = warnings()
    assert failed.startswith(f"of the jobs {RECOMPUTE}, 2 failed")


def test_without_pg_cron_it_cannot_be_registered_there(schedule: Schedule) -> None:
    if schedule.value("SELECT to_regclass('cron.job')") is not None:
        pytest.skip("pg_cron is installed in the tests' database")
    with pytest.raises(asyncpg.PostgresError, match="pg_cron is not installed") as refusal:
        schedule.execute("SELECT recommender.install_cron()")
    assert refusal.value.sqlstate == "ER054"
    assert "CREATE EXTENSION pg_cron" in str(refusal.value)
    assert schedule.value("SELECT recommender.uninstall_cron()") == 0


def test_an_entry_that_is_set_to_what_it_is_stays_due(schedule: Schedule) -> None:
    schedule.start("retention")
    schedule.execute(f"SET recommender.as_of = '{(MIDNIGHT + timedelta(days=3)).isoformat()}'")
    due = schedule.entry("retention")["next_run_at"]
    assert due < MIDNIGHT + timedelta(days=3)
    schedule.set("retention")
    schedule.set("retention", schedule.entry("retention")["cron"], is_enabled=True)
    assert schedule.entry("retention")["next_run_at"] == due
    schedule.set("retention", "0 0 * * *")
    assert schedule.entry("retention")["next_run_at"] > due


def test_an_entry_that_met_a_lock_stays_due(schedule: Schedule) -> None:
    schedule.start("retention")
    later = MIDNIGHT + timedelta(days=1)
    holder, caller = schedule.open(), schedule.open()
    schedule.run(caller.execute("SET lock_timeout = '100ms'"))
    schedule.run(holder.execute("BEGIN; LOCK TABLE background_jobs IN EXCLUSIVE MODE"))
    assert schedule.tick(later, caller) == 0
    assert schedule.jobs() == []
    schedule.run(holder.execute("ROLLBACK"))
    assert schedule.tick(later, caller) == 1
    assert [job[0] for job in schedule.jobs()] == ["apply_analytics_retention"]
    assert schedule.entry("retention")["last_error"] is None
