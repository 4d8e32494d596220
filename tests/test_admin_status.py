"""One screen tells how everything is, on an empty database as well, and what to do about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.worlds import AS_OF, World, days, hours, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from asyncpg import Connection, Record

    from tests.support.runner import Run

EMPTY = "TRUNCATE model_activations, guardrail_evaluations, schedule_runs, recommender_settings"
AREAS = [
    "now",
    "data",
    "model",
    "lists",
    "features",
    "queue",
    "schedule",
    "guardrails",
    "settings",
]
RESCORE = "CALL recommender.score_all()"
REFRESH = "SELECT recommender.refresh_features()"
JOB = """
INSERT INTO background_jobs (job_type, status, run_at, locked_at, locked_by, finished_at)
VALUES ('refresh_upcoming_events', $1, $2, $2, 'worker 1', $2)
"""
RUN = """
INSERT INTO schedule_runs (
    name, occurrence_at, started_at, finished_at, started_by, missed_count, error
)
VALUES ('guardrails', $1, $1, $1, 'worker 1', $2, $3)
"""
EVALUATION = """
INSERT INTO guardrail_evaluations (
    evaluated_at, method, days, min_impressions, ctr_drop_ratio, conversion_drop_ratio,
    click_to_register_window_hours, action, reason
)
VALUES ($1, 'ratio', 7, 200, 0.5, 0.5, 72, $2, 'because')
"""


class Screen:
    """A session at AS_OF, and what its status says."""

    def __init__(self, connection: Connection[Record], run: Run) -> None:
        self.connection = connection
        self.run = run

    def write(self, world: World | None = None) -> None:
        self.execute(EMPTY)
        self.run((world or World()).write(self.connection))

    def execute(self, sql: str, *arguments: object) -> None:
        self.run(self.connection.execute(sql, *arguments))

    def setting(self, name: str, value: str) -> None:
        self.execute("INSERT INTO recommender_settings (name, value) VALUES ($1, $2)", name, value)

    def rows(self) -> list[Record]:
        return self.run(self.connection.fetch("SELECT * FROM recommender.status"))

    def item(self, area: str, item: str) -> tuple[str, str | None]:
        ((value, warning),) = (
            (row["value"], row["warning"])
            for row in self.rows()
            if (row["area"], row["item"]) == (area, item)
        )
        return value, warning

    def warnings(self) -> dict[str, str]:
        return {row["item"]: row["warning"] for row in self.rows() if row["warning"]}


@pytest.fixture(scope="module")
def screen(database_url: str, run: Run) -> Iterator[Screen]:
    connection = run(open_session(database_url))
    yield Screen(connection, run)
    run(connection.close())


def town() -> tuple[World, list[int], int]:
    world = World()
    event = world.event(world.organizer(), tags=["rock"])
    return world, [world.student() for _ in range(8)], event


def scored(screen: Screen) -> None:
    """Give the town a model and everybody a list, all of this moment."""
    screen.execute(
        "SELECT recommender.store_model('m1', recommender.feature_names(), $1, $2)",
        [0, 1, 0, 0, 0, 0, 0, 0],
        json.dumps(
            {
                "hitrate_at_10": 0.25,
                "chance_at_10": 0.2,
                "examples": {"positive": 1200},
                "as_of": "2026-03-01T12:00:00+00:00",
                "held_out_loss": 0.5,
            }
        ),
    )
    screen.execute("CALL recommender.score_all(5)")


def test_an_empty_database_says_what_to_do_first(screen: Screen) -> None:
    screen.write()
    rows = screen.rows()
    assert list(dict.fromkeys(row["area"] for row in rows)) == AREAS
    assert all(row["value"] for row in rows)
    value, first = screen.item("now", "do first")
    assert value == "3 warnings"
    assert first is not None
    assert first.startswith("there are no students: load the app's tables")
    assert screen.item("model", "active model")[0] == "none"
    assert screen.item("now", "moment") == ("2026-03-01 12:00 UTC", None)


def test_students_and_events_without_a_model_want_one(screen: Screen) -> None:
    screen.write(town()[0])
    assert screen.item("data", "students") == ("8", None)
    assert screen.item("data", "events to recommend") == ("1", None)
    assert screen.item("now", "do first")[1] == (
        "no model is active: train one with python scripts/recompute_recommendations_ml.py"
    )
    warning = screen.item("lists", "students with a list")[1]
    assert warning == (
        "8 students have no list, tags and popularity choose for them:"
        " train a model first, then CALL recommender.score_all()"
    )


def test_when_all_is_well_there_is_nothing_to_do(screen: Screen) -> None:
    screen.write(town()[0])
    scored(screen)
    assert screen.warnings() == {}
    assert screen.item("now", "do first") == ("nothing", None)
    value, _ = screen.item("model", "active model")
    assert value.startswith("m1, for 0 seconds (training, by ")
    assert screen.item("model", "trained on")[0] == "1,200 examples as of 2026-03-01"
    assert screen.item("model", "held out")[0] == "hitrate@10 0.250, chance 0.200, loss 0.5000"
    assert screen.item("lists", "fresh lists")[0] == "8 of 8 (100 %)"
    assert screen.item("lists", "written by")[0] == "m1: 8"


@pytest.mark.parametrize(
    ("change", "item", "said"),
    [
        (
            "UPDATE recommender_models SET is_active = false",
            "active model",
            "no model is active: SELECT recommender.activate_model('m1')",
        ),
        (
            "UPDATE recommender_models SET feature_names = '{a,b,c,d,e,f,g,h}'",
            "active model",
            'model "m1" was trained on other features',
        ),
        (
            'UPDATE recommender_models SET meta = \'{"hitrate_at_10": 0.1, "chance_at_10": 0.2}\'',
            "held out",
            "the model is no better than chance: look at its weights in recommender.models",
        ),
        (
            "INSERT INTO recommender_settings VALUES ('recommender_model_version', 'm1')",
            "pinned model",
            "RECOMMENDER_MODEL_VERSION scores, whichever model is active: take it away when done",
        ),
        (
            "DELETE FROM recommendation_lists WHERE user_id = 3",
            "students with a list",
            f"1 student has no list, tags and popularity choose for them: {RESCORE}",
        ),
        (
            "UPDATE recommendation_lists SET generated_at = '2026-02-28 11:00Z' WHERE user_id = 3",
            "fresh lists",
            f"13 % of the lists are stale: {RESCORE}, and see that it runs every night",
        ),
        (
            "UPDATE recommendation_lists SET model_version = 'm0' WHERE user_id < 5",
            "written by",
            f"3 lists are of another model than the one that scores: {RESCORE}",
        ),
        (
            "DELETE FROM recommender_snapshot",
            "age of the features",
            f"the twins of bulk scoring are not built every night: {REFRESH}",
        ),
        (
            "UPDATE events SET status = 'draft'",
            "events to recommend",
            "no event can be recommended: none is published, to come and not full",
        ),
    ],
)
def test_what_is_wrong_is_a_warning(screen: Screen, change: str, item: str, said: str) -> None:
    screen.write(town()[0])
    scored(screen)
    screen.execute(change)
    warnings = screen.warnings()
    assert warnings[item] == said
    assert set(warnings) == {"do first", item}


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("recommendations_use_ml_cache", "RECOMMENDATIONS_USE_ML_CACHE"),
        ("analytics_enabled", "ANALYTICS_ENABLED"),
    ],
)
def test_a_part_that_is_switched_off_is_listed(screen: Screen, name: str, item: str) -> None:
    screen.write(town()[0])
    scored(screen)
    screen.setting(name, "off")
    value, warning = screen.item("settings", item)
    assert value == "off (admin)"
    assert warning


def test_optional_parts_are_listed_while_they_are_off_without_a_warning(screen: Screen) -> None:
    screen.write()
    off = {row["item"] for row in screen.rows() if row["area"] == "settings"}
    assert off == {
        "EXPERIMENTS_PERSONALIZATION_ML_PERCENT",
        "PERSONALIZATION_GUARDRAILS_ENABLED",
        "RECOMMENDATIONS_ONLINE_LEARNING_ENABLED",
        "RECOMMENDATIONS_REALTIME_REFRESH_ENABLED",
        "TASK_QUEUE_ENABLED",
    }
    screen.setting("task_queue_enabled", "yes")
    screen.setting("experiments_personalization_ml_percent", "20")
    still = {row["item"] for row in screen.rows() if row["area"] == "settings"}
    assert off - still == {"EXPERIMENTS_PERSONALIZATION_ML_PERCENT", "TASK_QUEUE_ENABLED"}


@pytest.mark.parametrize(
    "name",
    [
        "recommendations_use_ml_cache",
        "recommendations_cache_max_age_seconds",
        "task_queue_enabled",
        "task_queue_stale_after_seconds",
        "recommendations_realtime_refresh_enabled",
        "personalization_guardrails_enabled",
        "experiments_personalization_ml_percent",
    ],
)
def test_a_setting_that_is_not_valid_comes_first_and_stops_nothing(
    screen: Screen, name: str
) -> None:
    screen.write(town()[0])
    scored(screen)
    screen.setting(name, "perhaps")
    said = "this value is not valid: correct or delete its row in recommender_settings"
    assert screen.item("settings", name.upper()) == ("perhaps (admin)", said)
    assert screen.item("now", "do first")[1] == said
    assert {"lists", "queue"}.isdisjoint(row["area"] for row in screen.rows())


@pytest.mark.parametrize(
    ("status", "at", "value", "said"),
    [
        (
            "queued",
            hours(-1),
            "1, the oldest is due for 60 minutes",
            "jobs are waiting: see that a worker runs, python -m app.worker",
        ),
        ("queued", hours(1), "1", None),
        ("running", hours(0), "1", None),
        ("running", hours(-1), "1", "1 worker is silent: SELECT recommender.requeue_stale_jobs()"),
        ("failed", hours(-1), "1", "1 job has failed: SELECT * FROM recommender.queue says why"),
    ],
)
def test_the_queue_tells_whether_somebody_is_at_it(
    screen: Screen, status: str, at: timedelta, value: str, said: str | None
) -> None:
    screen.write()
    screen.setting("task_queue_enabled", "true")
    screen.execute(JOB, status, AS_OF + at)
    assert screen.item("queue", status) == (value, said)


def test_a_queue_that_is_off_is_a_warning_once_a_job_waits(screen: Screen) -> None:
    screen.write()
    assert screen.item("queue", "queued") == ("0", None)
    screen.execute(JOB, "queued", AS_OF + hours(1))
    said = "nobody runs jobs: TASK_QUEUE_ENABLED is false"
    assert screen.item("queue", "queued") == ("1", said)


def test_the_schedule_tells_the_last_run_and_its_error(screen: Screen) -> None:
    screen.write()
    screen.setting("task_queue_enabled", "true")
    value, warning = screen.item("schedule", "last run")
    assert (value, warning) == (
        "never",
        "nothing has run by itself yet: a worker does it, or pg_cron",
    )
    # From now on occurrences count; nothing was run.
    screen.execute("SELECT recommender._start_schedule_entry('guardrails')")
    assert screen.item("schedule", "last run") == ("never", None)
    screen.execute(RUN, AS_OF - days(2), 0, "out of memory")
    assert screen.item("schedule", "guardrails") == (
        "2 days ago, by worker 1",
        "it failed: out of memory",
    )
    screen.execute(RUN, AS_OF - hours(5), 2, None)
    assert screen.item("schedule", "guardrails") == (
        "5 hours ago, by worker 1, after 2 missed runs",
        None,
    )


def test_the_guardrails_tell_their_last_decision(screen: Screen) -> None:
    screen.write()
    assert screen.item("guardrails", "last evaluation") == ("never, and switched off", None)
    screen.setting("personalization_guardrails_enabled", "true")
    value, warning = screen.item("guardrails", "last evaluation")
    assert value == "never"
    assert warning is not None
    assert warning.startswith("nobody watches the quality")
    screen.execute(EVALUATION, AS_OF - days(1), "rollback")
    assert screen.item("guardrails", "last evaluation") == (
        "rollback, 24 hours ago: because",
        "a model was rolled back: SELECT * FROM recommender.models",
    )
    screen.execute(EVALUATION, AS_OF - hours(3), "keep")
    assert screen.item("guardrails", "last evaluation") == ("keep, 3 hours ago: because", None)


def test_refreshes_want_the_upcoming_events_fresh(screen: Screen) -> None:
    screen.write(town()[0])
    scored(screen)
    screen.setting("recommendations_realtime_refresh_enabled", "true")
    assert screen.item("features", "age of the upcoming events") == ("0 seconds", None)
    screen.execute(
        "UPDATE recommender_snapshot SET upcoming_as_of = upcoming_as_of - interval '20 minutes'"
    )
    value, warning = screen.item("features", "age of the upcoming events")
    assert value == "20 minutes"
    assert warning is not None
    assert "SELECT recommender.refresh_upcoming_events()" in warning


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, None),
        (-5, "0 seconds"),
        (0.4, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7199, "119 minutes"),
        (7200, "2 hours"),
        (172_799, "47 hours"),
        (172_800, "2 days"),
        (40 * 86_400, "40 days"),
    ],
)
def test_an_age_is_in_the_largest_unit_of_which_there_are_two(
    screen: Screen, seconds: float | None, said: str | None
) -> None:
    shown = screen.run(
        screen.connection.fetchval(
            "SELECT recommender._age_text($1::float8 * interval '1 second')", seconds
        )
    )
    assert shown == said
