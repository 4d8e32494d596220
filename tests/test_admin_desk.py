"""What an admin reads in psql about models, days, jobs and a student, and what is refused."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from asyncpg import PostgresError

from tests.support.worlds import (
    AS_OF,
    FEATURES,
    LAST_MONTH,
    MICROSECOND,
    NOW,
    YESTERDAY,
    World,
    days,
    hours,
    open_session,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

LIST = {"source": "events_list", "sort": "time"}
EMPTY = "TRUNCATE model_activations, guardrail_evaluations, schedule_runs, recommender_settings"
STORE = "SELECT recommender.store_model($1, recommender.feature_names(), $2, $3)"
MODEL_BEFORE = [0.5, 1, 0, 0, 0, 0, 1, 0]
MODEL_AFTER = [0.25, 2, 0, 0, 0, 0, 0.5, -1]
PREVIEW = "SELECT * FROM recommender.preview_weights($1, $2)"


class Desk:
    """A session at AS_OF, and what the tests ask it."""

    def __init__(self, connection: Connection[Record], run: Run) -> None:
        self.connection = connection
        self.run = run

    def write(self, world: World | None = None) -> None:
        self.execute(EMPTY)
        self.run((world or World()).write(self.connection))

    def execute(self, sql: str, *arguments: object) -> None:
        self.run(self.connection.execute(sql, *arguments))

    def rows(self, sql: str, *arguments: object) -> list[dict[str, Any]]:
        return [dict(row) for row in self.run(self.connection.fetch(sql, *arguments))]

    def row(self, sql: str, *arguments: object) -> dict[str, Any]:
        (row,) = self.rows(sql, *arguments)
        return row

    def store(self, version: str, weights: list[float], **meta: object) -> None:
        self.execute(STORE, version, weights, json.dumps(meta))

    def job(self, status: str, **columns: object) -> int:
        """Queue a job that is due and waiting, but for the columns that are given."""
        row = {
            "job_type": "refresh_upcoming_events",
            "payload": {},
            "status": status,
            "attempts": 0 if status == "queued" else 1,
            "max_attempts": 3,
            "run_at": AS_OF - hours(1),
            "created_at": AS_OF - hours(2),
            **columns,
        }
        names = ", ".join(row)
        return int(
            self.run(
                self.connection.fetchval(
                    f"INSERT INTO background_jobs ({names}) SELECT {names}"  # noqa: S608
                    " FROM jsonb_populate_record(NULL::background_jobs, $1) RETURNING id",
                    json.dumps(row, default=str),
                )
            )
        )

    def refusal(self, sql: str, *arguments: object) -> tuple[str, str, str | None, str | None]:
        with pytest.raises(PostgresError) as refused:
            self.rows(sql, *arguments)
        error: Any = refused.value
        return error.sqlstate, error.args[0].splitlines()[0], error.detail, error.hint


@pytest.fixture(scope="module")
def desk(database_url: str, run: Run) -> Iterator[Desk]:
    connection = run(open_session(database_url))
    yield Desk(connection, run)
    run(connection.close())


# Models


def test_a_model_is_shown_with_its_metrics_and_what_it_changed(desk: Desk) -> None:
    desk.write()
    desk.store("m1", MODEL_BEFORE, loss=0.7)
    desk.store(
        "m2",
        MODEL_AFTER,
        loss=0.5,
        held_out_loss=0.6,
        hitrate_at_10=0.4,
        chance_at_10=0.2,
        examples={"positive": 10, "negative": 30, "holdout": 5, "holdout_negative": 250},
    )
    newest, oldest = desk.rows("SELECT * FROM recommender.models")
    assert (newest["model_version"], newest["is_active"]) == ("m2", True)
    assert (newest["loss"], newest["held_out_loss"]) == (0.5, 0.6)
    assert (newest["hitrate_at_10"], newest["chance_at_10"]) == (0.4, 0.2)
    assert newest["example_count"] == 40
    assert json.loads(newest["weights"]) == dict(zip(FEATURES, MODEL_AFTER, strict=True))
    assert newest["previous_version"] == "m1"
    assert json.loads(newest["previous_weights"]) == dict(zip(FEATURES, MODEL_BEFORE, strict=True))
    assert json.loads(newest["weight_changes"]) == {
        name: after - before
        for name, before, after in zip(FEATURES, MODEL_BEFORE, MODEL_AFTER, strict=True)
    }
    assert (newest["activated_at"], newest["activation_kind"]) == (AS_OF, "training")
    assert (oldest["model_version"], oldest["is_active"]) == ("m1", False)
    assert (oldest["loss"], oldest["held_out_loss"], oldest["example_count"]) == (0.7, None, None)
    assert (oldest["previous_version"], oldest["weight_changes"]) == (None, None)


def test_the_last_activation_is_the_one_that_is_shown(desk: Desk) -> None:
    desk.write()
    desk.store("m1", MODEL_BEFORE)
    desk.store("m2", MODEL_AFTER)
    desk.execute("SELECT recommender.activate_model('m1', 'm2 was worse', 'rollback', 'user 7')")
    _, first = desk.rows("SELECT * FROM recommender.models")
    assert first["is_active"]
    assert first["previous_version"] == "m2"
    assert first["activation_kind"] == "rollback"
    assert first["activation_reason"] == "m2 was worse"
    assert first["activated_by"] == "user 7"


def test_a_model_that_was_never_active_and_odd_meta_are_shown(desk: Desk) -> None:
    desk.write()
    desk.execute(
        "INSERT INTO recommender_models (model_version, feature_names, weights, meta)"
        " VALUES ('odd', '{height}', '{1}',"
        ' \'{"loss": "low", "examples": 3, "hitrate_at_10": 1e999, "chance_at_10": -1e-999}\')'
    )
    model = desk.row("SELECT * FROM recommender.models")
    assert json.loads(model["weights"]) == {"height": 1}
    for name in ("loss", "example_count", "activated_at", "activated_by", "previous_weights"):
        assert model[name] is None
    assert (model["hitrate_at_10"], model["chance_at_10"]) == (None, None)


# Metrics


def test_a_day_counts_what_the_events_list_showed_and_all_registers(desk: Desk) -> None:
    world = World()
    student, event = world.student(), world.event(world.organizer())
    for at, kind, user, meta in (
        (NOW, "impression", student, LIST),
        (NOW, "impression", student, {"source": " Events_List", "sort": "recommended"}),
        (NOW, "impression", None, LIST),
        (NOW, "impression", student, {"source": "home"}),
        (NOW, "impression", student, None),
        (NOW, "click", None, LIST),
        (NOW, "click", student, LIST),
        (NOW, "click", student, ["events_list"]),
        (NOW, "view", student, LIST),
        (NOW, "register", student, None),
        (MICROSECOND, "click", student, LIST),
        (YESTERDAY, "register", student, None),
        (LAST_MONTH, "impression", student, LIST),
    ):
        world.interact(user, kind, event, at=at, meta=meta)
    desk.write(world)
    before, yesterday, today = desk.rows("SELECT * FROM recommender.metrics(3)")
    assert today == {
        "date": AS_OF.date(),
        "impressions": 3,
        "clicks": 2,
        "registrations": 1,
        "ctr": 2 / 3,
        "registration_conversion": 0.5,
    }
    assert (yesterday["registrations"], yesterday["registration_conversion"]) == (1, 0)
    assert list(before.values()) == [AS_OF.date() - days(2), 0, 0, 0, 0, 0]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_a_day_is_one_of_utc_whatever_the_session_thinks(desk: Desk, zone: str) -> None:
    world = World()
    student, event = world.student(), world.event(world.organizer())
    midnight = AS_OF.replace(hour=0) - AS_OF
    for at in (midnight - MICROSECOND, midnight, midnight - days(1), midnight - days(1)):
        world.interact(student, "click", event, at=at, meta=LIST)
    world.interact(student, "click", event, at=midnight - days(1) - MICROSECOND, meta=LIST)
    desk.write(world)
    desk.execute(f"SET TIME ZONE '{zone}'")
    counted = desk.rows("SELECT m.date, m.clicks FROM recommender.metrics(2) AS m")
    desk.execute("RESET TIME ZONE")
    assert [(row["date"].day, row["clicks"]) for row in counted] == [(28, 3), (1, 1)]


def test_what_retention_kept_is_no_traffic(desk: Desk) -> None:
    world = World()
    student, event = world.student(), world.event(world.organizer())
    desk.write(world)
    desk.execute(
        "INSERT INTO interaction_history (user_id, event_id, interaction_type, occurred_at)"
        " VALUES ($1, $2, 'register', $3)",
        student,
        event,
        AS_OF,
    )
    assert desk.row("SELECT m.registrations FROM recommender.metrics(1) AS m") == {
        "registrations": 0
    }


def test_a_year_is_365_rows_of_zeros_when_nothing_happened(desk: Desk) -> None:
    desk.write()
    counted = desk.rows("SELECT * FROM recommender.metrics(365)")
    assert [row["date"] for row in counted] == [
        AS_OF.date() - timedelta(days=number) for number in range(364, -1, -1)
    ]
    assert {tuple(row.values())[1:] for row in counted} == {(0, 0, 0, 0, 0)}


def test_metrics_open_the_partitions_of_their_days_only(desk: Desk) -> None:
    desk.write()
    desk.execute("SELECT recommender.create_interaction_partitions('2025-06-01', '2026-03-01')")
    desk.execute("LOAD 'auto_explain'")
    plans: list[str] = []
    desk.connection.add_log_listener(lambda _, message: plans.append(str(message)))
    for name, value in (
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_nested_statements", "on"),
        ("auto_explain.log_analyze", "on"),
        ("client_min_messages", "log"),
    ):
        desk.execute(f"SET {name} = '{value}'")
    desk.rows("SELECT * FROM recommender.metrics(40)")
    desk.execute("RESET client_min_messages")
    desk.execute("RESET auto_explain.log_min_duration")
    (plan,) = (text for text in plans if "event_interactions" in text)
    lines = plan.splitlines()
    opened = {
        name
        for line in lines
        for name in ("2025_12", "2026_01", "2026_02", "2026_03", "default")
        if f"event_interactions_{name}" in line and "never executed" not in line
    }
    assert opened == {"2026_01", "2026_02", "2026_03"}


# The queue


@pytest.mark.parametrize(
    ("status", "columns", "advice"),
    [
        ("queued", {}, "see that a worker runs (python -m app.worker), or: CALL"),
        ("queued", {"job_type": "recompute_recommendations_ml"}, "see that a worker runs, train"),
        ("queued", {"run_at": AS_OF}, "nothing: it is due"),
        ("queued", {"run_at": AS_OF + hours(1)}, "nothing: it is not due yet"),
        ("running", {"locked_at": AS_OF, "locked_by": "w"}, "nothing: it runs"),
        (
            "running",
            {"locked_at": AS_OF - hours(1), "locked_by": "w"},
            "its worker is silent; hand it to another: SELECT recommender.requeue_stale_jobs()",
        ),
        ("failed", {}, "read last_error, mend that, then: SELECT recommender.retry_job({id})"),
        ("succeeded", {"finished_at": AS_OF - hours(0.5)}, "nothing: it is done"),
        ("failed", {"job_type": "send_mail"}, "nothing here: it is a job of the app's own"),
    ],
)
def test_a_job_says_what_to_do(
    desk: Desk, status: str, columns: dict[str, object], advice: str
) -> None:
    desk.write()
    desk.execute("SET recommender.task_queue_enabled = 'true'")
    number = desk.job(status, **columns)
    job = desk.row("SELECT * FROM recommender.queue")
    assert (job["id"], job["status"]) == (number, status)
    assert job["what_to_do"].startswith(advice.format(id=number))


def test_a_queue_that_is_off_says_so(desk: Desk) -> None:
    desk.write()
    desk.execute("SET recommender.task_queue_enabled = 'false'")
    desk.job("queued")
    assert "TASK_QUEUE_ENABLED" in desk.row("SELECT * FROM recommender.queue")["what_to_do"]


def test_a_job_that_waits_for_its_like_says_so(desk: Desk) -> None:
    desk.write()
    desk.execute("SET recommender.task_queue_enabled = 'true'")
    desk.job("queued")
    desk.job("running", locked_at=AS_OF, locked_by="worker 1")
    running, waiting = desk.rows("SELECT * FROM recommender.queue")
    assert (running["worker"], running["silent_for"]) == ("worker 1", timedelta(0))
    assert (waiting["waiting_for"], waiting["due_in"]) == (hours(2), None)
    assert waiting["what_to_do"] == "nothing: it waits for one that does the same"


def test_the_queue_has_what_matters_in_its_order(desk: Desk) -> None:
    desk.write()
    numbers = [
        desk.job("succeeded", finished_at=AS_OF - hours(1)),
        desk.job("succeeded", finished_at=AS_OF - hours(0.5)),
        desk.job("failed", finished_at=AS_OF - days(3), last_error="no such thing"),
        desk.job("queued", run_at=AS_OF + hours(2)),
        desk.job("queued", run_at=AS_OF - hours(2)),
        desk.job("running", locked_at=AS_OF),
    ]
    jobs = desk.rows("SELECT * FROM recommender.queue")
    assert [numbers.index(job["id"]) for job in jobs] == [5, 4, 3, 2, 1]
    assert [job["due_in"] for job in jobs[:3]] == [None, None, hours(2)]
    assert jobs[3]["last_error"] == "no such thing"


# A student


def test_a_student_is_what_they_chose_did_and_looked_for(desk: Desk) -> None:
    world = World()
    club = world.organizer()
    student = world.student(city="Cluj", interests=["Rock"])
    seen = world.event(club, tags=["jazz"], category="Music")
    world.favorite(student, seen)
    world.interact(student, "search", meta={"category": "Games"})
    world.like_tag(student, "rock", 8, seen=hours(-72))
    world.like_tag(student, "folk", 5, seen=hours(-72))
    world.like_city(student, "iași", 2.5)
    desk.write(world)
    profile = desk.rows("SELECT * FROM recommender.student($1)", student)
    assert [tuple(row.values()) for row in profile] == [
        ("overlap_interest_ratio", "rock", 1, ["implicit", "interest"], 8, AS_OF - days(3)),
        ("overlap_interest_ratio", "folk", 0.25, ["implicit"], 5, AS_OF - days(3)),
        ("overlap_history_ratio", "jazz", 1, ["history"], None, None),
        ("same_city", "cluj", 1, ["profile"], None, None),
        ("same_city", "iași", 0.25, ["implicit"], 2.5, AS_OF),
        ("category_match", "games", 1, ["search"], None, None),
        ("category_match", "music", 1, ["history"], None, None),
        ("organizer_match", str(club), 1, ["history"], None, None),
    ]


def test_a_student_of_whom_nothing_is_known_has_no_rows(desk: Desk) -> None:
    world = World()
    student = world.student()
    desk.write(world)
    assert desk.rows("SELECT * FROM recommender.student($1)", student) == []


# What is refused

NO_STUDENT = "lists are for users whose role is student"


@pytest.mark.parametrize(("number", "said"), [(0, "0"), (-1, "-1"), (366, "366"), (None, "NULL")])
def test_a_number_of_days_out_of_bounds_is_refused(
    desk: Desk, number: int | None, said: str
) -> None:
    code, message, _, hint = desk.refusal("SELECT * FROM recommender.metrics($1)", number)
    assert (code, message) == ("ER050", f"the number of days is {said}")
    assert hint == "give a number of days from 1 to 365"


@pytest.mark.parametrize(
    "weights",
    [
        None,
        [],
        [0.0] * 7,
        [0.0] * 9,
        [0.0] * 7 + [None],
        [0.0] * 7 + [float("nan")],
        [0.0] * 7 + [float("inf")],
        [0.0] * 7 + [1e7],
        [[0.0] * 8],
    ],
    ids=["NULL", "none", "seven", "nine", "a NULL", "NaN", "infinite", "absurd", "nested"],
)
def test_weights_that_nothing_can_be_scored_with_are_refused(desk: Desk, weights: Any) -> None:
    world = World()
    student = world.student()
    world.model(1)
    desk.write(world)
    code, message, detail, hint = desk.refusal(PREVIEW, weights, student)
    assert (code, message) == ("ER051", "these weights cannot be scored with")
    assert detail is not None
    assert detail.startswith("They are ")
    assert hint is not None
    assert hint.startswith("give 8 numbers between -1e6 and 1e6: the weights of bias, overlap")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM recommender.student($1)",
        "SELECT * FROM recommender.preview_weights('{1,0,0,0,0,0,0,0}', $1)",
        "SELECT * FROM recommender.why_not($1, 1)",
    ],
)
@pytest.mark.parametrize("asked", ["organizer", "nobody", "NULL"])
def test_somebody_who_is_no_student_is_refused(desk: Desk, sql: str, asked: str) -> None:
    world = World()
    world.model(1)
    organizer = world.organizer()
    world.event(organizer)
    desk.write(world)
    number = {"organizer": organizer, "nobody": 99, "NULL": None}[asked]
    code, message, _, hint = desk.refusal(sql, number)
    assert (code, hint) == ("ER020", NO_STUDENT)
    assert message == f"there is no student {'NULL' if number is None else number}"


@pytest.mark.parametrize("event", [99, None])
def test_an_event_that_never_existed_is_refused(desk: Desk, event: int | None) -> None:
    world = World()
    student = world.student()
    desk.write(world)
    code, message, _, hint = desk.refusal(
        "SELECT * FROM recommender.why_not($1, $2)", student, event
    )
    assert (code, hint) == ("ER021", "it never existed")
    assert message == f"there is no event {'NULL' if event is None else event}"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM recommender.preview_weights('{1,0,0,0,0,0,0,0}', $1, 0)",
        "SELECT * FROM recommender.why_not($1, 1, 0)",
    ],
)
def test_a_list_of_no_length_is_refused(desk: Desk, sql: str) -> None:
    world = World()
    student = world.student()
    world.model(1)
    desk.write(world)
    assert desk.refusal(sql, student)[:2] == ("ER003", "top_n is 0")


def test_without_a_model_there_is_nothing_to_compare_with(desk: Desk) -> None:
    world = World()
    student = world.student()
    desk.write(world)
    assert desk.refusal(PREVIEW, [0.0] * 8, student)[:2] == ("ER010", "there is no model yet")
