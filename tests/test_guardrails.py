"""recommender.evaluate_guardrails: what is decided, on which evidence, and what a rollback does."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from app.database import connect
from tests.support.locks import until_waiting
from tests.support.worlds import AS_OF, World, days, hours, open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

STUDENTS = 40
EVENT = 1
EVALUATE = "SELECT recommender.evaluate_guardrails($1)"
STORE = """
SELECT recommender.store_model(
    $1, recommender.feature_names(), array_fill($2::double precision, '{8}'), '{}'
)
"""
SHOW = """
INSERT INTO event_interactions (user_id, event_id, interaction_type, occurred_at, meta)
SELECT
    $1 + n % $2, 1, $3, $4::timestamptz + n * interval '1 second',
    jsonb_build_object('source', 'events_list', 'sort', $5::text)
FROM generate_series(0, $6::integer - 1) AS n
"""


class Desk:
    """A session that stands at a moment of its own, and what happened until then."""

    def __init__(self, connection: Connection[Record], run: Run) -> None:
        self.connection = connection
        self.run = run
        self.now = AS_OF

    def at(self, moment: datetime) -> None:
        self.now = moment
        self.run(self.connection.execute(f"SET recommender.as_of = '{moment.isoformat()}'"))

    def store(self, version: str) -> None:
        self.run(self.connection.execute(STORE, version, float(self.count("recommender_models"))))

    def activate(self, version: str) -> None:
        self.run(self.connection.execute("SELECT recommender.activate_model($1)", version))

    def show(self, sort: str, impressions: int, clicks: int, since: datetime | None = None) -> None:
        """Let the events list be looked at and clicked on, by students of its own each."""
        first = 2 if sort == "recommended" else 2 + STUDENTS // 2
        began = since or self.now - hours(20)
        for kind, count in (("impression", impressions), ("click", clicks)):
            self.run(self.connection.execute(SHOW, first, STUDENTS // 2, kind, began, sort, count))

    def bad_day(self) -> None:
        self.show("recommended", 400, 10)
        self.show("time", 400, 80)

    def good_day(self) -> None:
        self.show("recommended", 400, 90)
        self.show("time", 400, 80)

    def evaluate(self, **payload: object) -> dict[str, Any]:
        outcome: dict[str, Any] = json.loads(
            self.run(self.connection.fetchval(EVALUATE, json.dumps(payload)))
        )
        return outcome

    def set(self, **values: object) -> None:
        for name, value in values.items():
            self.run(
                self.connection.execute(
                    "INSERT INTO recommender_settings (name, value) VALUES ($1, $2)"
                    " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    name,
                    str(value),
                )
            )

    def count(self, table: str) -> int:
        number = self.run(self.connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608
        assert isinstance(number, int)
        return number

    def active(self) -> object:
        return self.run(
            self.connection.fetchval("SELECT model_version FROM recommender_models WHERE is_active")
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.run(self.connection.fetch(sql))]


@pytest.fixture
def desk(database_url: str, run: Run) -> Iterator[Desk]:
    """Guardrails are on, m-old was active before m-new, and nobody has looked at anything."""
    connection = run(open_session(database_url))
    world = World()
    world.event(world.organizer())
    for _ in range(STUDENTS):
        world.student()
    run(world.write(connection))
    run(connection.execute("TRUNCATE recommender_settings"))
    desk = Desk(connection, run)
    desk.set(personalization_guardrails_enabled="true")
    for age, version in ((30, "m-old"), (20, "m-new")):
        desk.at(AS_OF - days(age))
        desk.store(version)
    desk.at(AS_OF)
    yield desk
    run(connection.execute("TRUNCATE recommender_settings"))
    run(connection.close())


def test_a_bad_week_rolls_back_once_however_often_it_is_looked_at(desk: Desk) -> None:
    desk.bad_day()
    actions = []
    for number in range(3):
        desk.at(AS_OF + hours(number))
        actions.append(desk.evaluate()["action"])
    assert actions == ["rollback", "skip_no_traffic", "skip_no_traffic"]
    assert desk.active() == "m-old"
    assert desk.count("guardrail_evaluations") == 3
    assert desk.rows("SELECT kind FROM model_activations WHERE kind = 'rollback'") == [
        ("rollback",)
    ]


def test_a_rollback_queues_the_lists_and_says_who_why_and_from_what(desk: Desk) -> None:
    desk.bad_day()
    outcome = desk.evaluate()
    assert (outcome["rolled_back_from"], outcome["rolled_back_to"]) == ("m-new", "m-old")
    assert outcome["impressions"] == {"recommended": 400, "time": 400}
    assert outcome["ctr"] == {"recommended": 0.025, "time": 0.2}
    assert outcome["reason"] == (
        "the click-through rate is 2.5 % beside 20.0 % when sorted by time"
    )
    jobs = desk.rows("SELECT id, job_type, payload::text, status FROM background_jobs")
    assert jobs == [
        (
            outcome["rescore_job_id"],
            "recompute_recommendations_ml",
            '{"top_n": 50, "skip_training": true}',
            "queued",
        )
    ]
    activation = desk.rows(
        "SELECT model_version, previous_version, kind, reason, activated_at"
        " FROM model_activations ORDER BY id DESC LIMIT 1"
    )
    assert activation == [("m-old", "m-new", "rollback", "guardrails: " + outcome["reason"], AS_OF)]


def test_the_decision_can_be_made_again_from_its_row(desk: Desk) -> None:
    desk.bad_day()
    desk.evaluate()
    desk.evaluate()
    desk.evaluate(min_impressions=1000)
    read = "SELECT action, replayed_verdict, recommended_impressions FROM recommender.guardrails"
    assert desk.rows(read) == [
        ("skip_no_traffic", "skip_no_traffic", 0),
        ("skip_no_traffic", "skip_no_traffic", 0),
        ("rollback", "worse", 400),
    ]
    desk.run(desk.connection.execute("UPDATE guardrail_evaluations SET recommended_clicks = 40"))
    assert desk.rows(read)[2] == ("rollback", "ok", 400)


@pytest.mark.parametrize(
    ("recommended", "by_time", "payload", "action"),
    [
        ((0, 0), (0, 0), {}, "skip_no_traffic"),
        ((199, 0), (400, 80), {}, "skip_low_volume"),
        ((400, 80), (199, 0), {}, "skip_low_volume"),
        ((199, 0), (400, 80), {"min_impressions": 199}, "rollback"),
        # Half of the rate is allowed, and a click less is not: in whole numbers, not in floats.
        ((400, 40), (400, 80), {}, "ok"),
        ((400, 39), (400, 80), {}, "rollback"),
        ((300, 63), (400, 120), {"ctr_drop_ratio": 0.3}, "ok"),
        ((300, 62), (400, 120), {"ctr_drop_ratio": 0.3}, "rollback"),
        ((400, 0), (400, 0), {}, "ok"),
        ((400, 0), (400, 80), {"ctr_drop_ratio": 1}, "ok"),
        ((400, 79), (400, 80), {"ctr_drop_ratio": 0}, "rollback"),
    ],
)
def test_the_reference_rule(
    recommended: tuple[int, int],
    by_time: tuple[int, int],
    payload: dict[str, object],
    action: str,
    desk: Desk,
) -> None:
    desk.show("recommended", *recommended)
    desk.show("time", *by_time)
    assert desk.evaluate(**payload)["action"] == action


def test_conversion_alone_rolls_back(desk: Desk) -> None:
    for sort in ("recommended", "time"):
        desk.show(sort, 400, 20)
    assert desk.evaluate()["action"] == "ok"
    # Of the twenty who clicked sorted by time, ten register; of the others four.
    for first, count in ((2, 4), (2 + STUDENTS // 2, 10)):
        desk.run(
            desk.connection.execute(
                "INSERT INTO event_interactions (user_id, event_id, interaction_type, occurred_at)"
                " SELECT $1 + n, 1, 'register', $2 FROM generate_series(0, $3::integer - 1) AS n",
                first,
                desk.now - hours(1),
                count,
            )
        )
    outcome = desk.evaluate()
    assert outcome["conversions"] == {"recommended": 4, "time": 10}
    assert (outcome["ctr_ok"], outcome["conversion_ok"]) == (True, False)
    assert outcome["action"] == "rollback"


def test_what_was_seen_before_a_choice_by_hand_does_not_count(desk: Desk) -> None:
    desk.bad_day()
    desk.activate("m-old")
    desk.activate("m-new")
    assert desk.evaluate()["action"] == "skip_no_traffic"


def test_a_training_does_not_end_the_evidence(desk: Desk) -> None:
    desk.bad_day()
    desk.store("m-tonight")
    outcome = desk.evaluate()
    assert (outcome["action"], outcome["rolled_back_to"]) == ("rollback", "m-new")


def test_within_the_cool_down_a_second_bad_model_stays(desk: Desk) -> None:
    desk.bad_day()
    assert desk.evaluate()["action"] == "rollback"
    desk.store("m-tonight")
    desk.at(AS_OF + hours(23))
    desk.bad_day()
    # Only what came after the rollback counts, and that is bad, too.
    outcome = desk.evaluate()
    assert (outcome["action"], desk.active()) == ("skip_cooldown", "m-tonight")
    desk.at(AS_OF + hours(24))
    assert desk.evaluate()["action"] == "rollback"


def test_rollbacks_never_come_back_to_a_model_that_was_rolled_back(desk: Desk) -> None:
    targets = []
    for number in range(3):
        desk.at(AS_OF + days(2 * number))
        desk.bad_day()
        outcome = desk.evaluate()
        targets.append((outcome["action"], desk.active()))
    assert targets == [
        ("rollback", "m-old"),
        ("no_previous_model", "m-old"),
        ("no_previous_model", "m-old"),
    ]
    # By hand it comes back, and is judged anew.
    desk.activate("m-new")
    desk.at(AS_OF + days(9))
    desk.bad_day()
    assert desk.evaluate()["rolled_back_to"] == "m-old"


def test_a_model_that_was_never_active_is_no_target(desk: Desk) -> None:
    desk.run(
        desk.connection.execute(
            "SELECT recommender.store_model('m-kept', recommender.feature_names(),"
            " array_fill(9.0::double precision, '{8}'), '{}', false)"
        )
    )
    desk.bad_day()
    assert desk.evaluate()["rolled_back_to"] == "m-old"


def test_without_an_active_model_nothing_changes(desk: Desk) -> None:
    desk.run(desk.connection.execute("UPDATE recommender_models SET is_active = false"))
    desk.bad_day()
    assert desk.evaluate()["action"] == "no_active_model"
    assert desk.count("background_jobs") == 0


def test_switched_off_is_a_decision_too(desk: Desk) -> None:
    desk.set(personalization_guardrails_enabled="false")
    desk.bad_day()
    outcome = desk.evaluate()
    assert (outcome["action"], outcome["enabled"]) == ("disabled", False)
    assert outcome["reason"] == "personalization_guardrails_enabled is false"
    assert "impressions" not in outcome
    assert desk.rows("SELECT action, replayed_verdict FROM recommender.guardrails") == [
        ("disabled", "disabled")
    ]
    assert desk.active() == "m-new"


@pytest.mark.parametrize("payload", ['{"days": 0}', '{"days": "7"}', '{"nights": 7}', "[]"])
def test_a_wrong_payload_is_refused(payload: str, desk: Desk) -> None:
    with pytest.raises(asyncpg.PostgresError) as raised:
        desk.run(desk.connection.fetchval(EVALUATE, payload))
    assert raised.value.sqlstate == "ER042"
    assert desk.count("guardrail_evaluations") == 0


def test_a_method_that_is_none_is_refused(desk: Desk) -> None:
    desk.set(personalization_guardrails_method="feeling")
    with pytest.raises(asyncpg.PostgresError, match='"feeling", which is not valid') as raised:
        desk.evaluate()
    assert raised.value.sqlstate == "ER002"


def test_who_chooses_a_model_meanwhile_is_not_overruled(
    desk: Desk, database_url: str, run: Run
) -> None:
    desk.bad_day()
    desk.store("m-next")
    desk.activate("m-new")
    desk.run(desk.connection.execute("UPDATE model_activations SET kind = 'training'"))

    async def choose_while_it_is_judged() -> dict[str, Any]:
        admin = await connect(database_url, **{"recommender.as_of": AS_OF.isoformat()})
        try:
            async with admin.transaction():
                await admin.execute("SELECT recommender.activate_model('m-next')")
                judging = asyncio.ensure_future(desk.connection.fetchval(EVALUATE, "{}"))
                await until_waiting(admin, desk.connection)
            return dict(json.loads(await judging))
        finally:
            await admin.close()

    outcome = run(choose_while_it_is_judged())
    assert (outcome["action"], outcome["model_version"]) == ("skip_no_traffic", "m-next")
    assert desk.active() == "m-next"


def test_two_evaluations_at_once_roll_back_once(desk: Desk, database_url: str, run: Run) -> None:
    desk.bad_day()

    async def both() -> list[str]:
        other = await connect(database_url, **{"recommender.as_of": AS_OF.isoformat()})
        try:
            async with other.transaction():
                first = json.loads(await other.fetchval(EVALUATE, "{}"))
                second = asyncio.ensure_future(desk.connection.fetchval(EVALUATE, "{}"))
                await until_waiting(other, desk.connection)
            return [first["action"], json.loads(await second)["action"]]
        finally:
            await other.close()

    assert run(both()) == ["rollback", "skip_no_traffic"]


def test_a_rollback_is_all_or_nothing(desk: Desk) -> None:
    desk.bad_day()
    desk.run(
        desk.connection.execute(
            "ALTER TABLE guardrail_evaluations ADD CONSTRAINT refused CHECK (action <> 'rollback')"
        )
    )
    try:
        with pytest.raises(asyncpg.CheckViolationError):
            desk.evaluate()
    finally:
        desk.run(
            desk.connection.execute("ALTER TABLE guardrail_evaluations DROP CONSTRAINT refused")
        )
    assert desk.active() == "m-new"
    assert desk.count("background_jobs") == 0


def test_fourteen_nights_with_one_bad_model_roll_back_once(desk: Desk) -> None:
    desk.set(personalization_guardrails_days="1")
    bad = 6
    for night in range(14):
        desk.at(AS_OF + days(night) + hours(15))
        (desk.bad_day if desk.active() == f"night-{bad}" else desk.good_day)()
        outcome = desk.evaluate()
        assert outcome["action"] == ("rollback" if night == bad + 1 else "ok")
        desk.at(AS_OF + days(night) + hours(15.5))
        desk.store(f"night-{night}")
    rollbacks = desk.rows(
        "SELECT previous_version, model_version FROM model_activations WHERE kind = 'rollback'"
    )
    assert rollbacks == [(f"night-{bad}", f"night-{bad - 1}")]
    assert desk.active() == "night-13"


def test_training_rollback_and_choice_at_once_leave_one_model_and_its_lists(
    desk: Desk, database_url: str, run: Run
) -> None:
    desk.bad_day()
    desk.set(task_queue_enabled="true")

    async def act(sql: str, *arguments: object) -> None:
        connection = await connect(database_url, **{"recommender.as_of": AS_OF.isoformat()})
        try:
            await connection.execute(sql, *arguments)
        finally:
            await connection.close()

    async def all_at_once() -> None:
        await asyncio.gather(
            act("CALL recommender.score_all(5)"),
            act(STORE, "m-tonight", 3.0),
            act(EVALUATE, "{}"),
            act("SELECT recommender.activate_model('m-old')"),
            act("SELECT recommender.score_user(2, 5)"),
            return_exceptions=True,  # a rescore may be told that the model changed under it
        )
        await act(
            "SELECT recommender.enqueue_job('recompute_recommendations_ml',"
            """ '{"skip_training": true, "top_n": 5}', 'all')"""
        )
        await act("CALL recommender.run_jobs(100)")

    run(all_at_once())
    assert desk.count("recommender_models WHERE is_active") == 1
    lists = desk.rows("SELECT DISTINCT model_version FROM recommendation_lists")
    assert lists == [(desk.active(),)]
    assert desk.count("recommendation_lists") == STUDENTS
    assert desk.count("background_jobs WHERE status <> 'succeeded'") == 0


def test_a_window_of_days_begins_to_the_microsecond(desk: Desk) -> None:
    began = AS_OF - days(7)
    desk.show("recommended", 1, 0, since=began - timedelta(microseconds=1))
    desk.show("recommended", 1, 0, since=began)
    assert desk.evaluate()["impressions"] == {"recommended": 1, "time": 0}


@pytest.fixture
def sequential(desk: Desk) -> Desk:
    """Enough students in each sort that a test may judge."""
    world = World()
    world.event(world.organizer())
    for _ in range(400):
        world.student()
    desk.run(world.write(desk.connection))
    desk.set(personalization_guardrails_method="sequential")
    for age, version in ((30, "m-old"), (20, "m-new")):
        desk.at(AS_OF - days(age))
        desk.store(version)
    desk.at(AS_OF)
    return desk


SHOW_TO_MANY = """
INSERT INTO event_interactions (user_id, event_id, interaction_type, occurred_at, meta)
SELECT
    u, 1, kind, $1::timestamptz + n * interval '1 second',
    jsonb_build_object('source', 'events_list', 'sort', $2::text)
FROM generate_series($3::integer, $3 + 199) AS u
CROSS JOIN generate_series(1, 20) AS n
CROSS JOIN LATERAL (VALUES ('impression'), ('click')) AS k (kind)
WHERE kind = 'impression' OR (u * 7 + n * 13) % 100 < $4
"""


def show_to_many(desk: Desk, *, recommended: int, by_time: int) -> None:
    """Twenty impressions for each of 200 students a sort, so many in a hundred of them clicked."""
    for sort, first, percent in (("recommended", 2, recommended), ("time", 202, by_time)):
        desk.run(desk.connection.execute(SHOW_TO_MANY, desk.now - hours(20), sort, first, percent))


def test_the_sequential_rule_rolls_back_what_is_surely_worse(sequential: Desk) -> None:
    show_to_many(sequential, recommended=3, by_time=30)
    outcome = sequential.evaluate(ctr_drop_ratio=0.3)
    assert (outcome["action"], outcome["method"]) == ("rollback", "sequential")
    assert outcome["statistics"]["is_ctr_worse"] is True
    read = "SELECT action, replayed_verdict FROM recommender.guardrails"
    assert sequential.rows(read) == [("rollback", "worse")]
    # The verdict is made anew from the sums, not read from where it was written.
    sequential.run(
        sequential.connection.execute(
            'UPDATE guardrail_evaluations SET statistics = statistics || \'{"verdict": "x"}\''
        )
    )
    assert sequential.rows(read) == [("rollback", "worse")]


def test_the_sequential_rule_waits_where_the_ratio_would_not(sequential: Desk) -> None:
    # A drop of three in ten where three in ten are allowed: the next student decides the ratio.
    show_to_many(sequential, recommended=20, by_time=30)
    assert sequential.evaluate(ctr_drop_ratio=0.3)["action"] == "ok"
    sequential.set(personalization_guardrails_method="ratio")
    assert sequential.evaluate(ctr_drop_ratio=0.3)["action"] == "rollback"


def test_a_few_busy_students_are_not_judged(sequential: Desk) -> None:
    sequential.show("recommended", 400, 10)
    sequential.show("time", 400, 80)
    outcome = sequential.evaluate()
    assert (outcome["action"], sequential.active()) == ("skip_low_volume", "m-new")
    assert "30 students" in outcome["reason"]


def test_groups_of_the_wrong_size_block_the_verdict(sequential: Desk) -> None:
    sequential.set(experiments_personalization_ml_percent="50")
    # Half of the students are meant to see each sort; of one half three in four never came.
    sequential.run(
        sequential.connection.execute(
            "DELETE FROM users WHERE id > 1 AND id <= 401 AND"
            " recommender.experiment_bucket('personalization_ml_sort', id) >= 50 AND id % 4 > 0"
        )
    )
    show = """
    INSERT INTO event_interactions (user_id, event_id, interaction_type, occurred_at, meta)
    SELECT u.id, 1, 'impression', $1, jsonb_build_object(
        'source', 'events_list',
        'sort', CASE WHEN recommender.experiment_bucket('personalization_ml_sort', u.id) < 50
            THEN 'recommended' ELSE 'time' END
    )
    FROM users AS u CROSS JOIN generate_series(1, 30)
    WHERE u.role = 'student'
    """
    sequential.run(sequential.connection.execute(show, sequential.now - hours(2)))
    outcome = sequential.evaluate()
    assert outcome["statistics"]["sample_ratio"]["is_mismatch"] is True
    assert (outcome["action"], sequential.active()) == ("skip_sample_ratio", "m-new")


async def after_a_wait(desk: Desk, url: str, meanwhile: str) -> dict[str, Any]:
    """Evaluate by the clock, in a transaction that began before somebody else did something."""
    async with AsyncExitStack() as stack:
        holder, other = [
            await stack.enter_async_context(aclosing_connection(await connect(url)))
            for _ in range(2)
        ]
        await desk.connection.execute("RESET recommender.as_of")
        async with holder.transaction():
            await holder.execute(
                "SELECT pg_advisory_xact_lock(recommender._lock_key('guardrails'))"
            )
            judging = asyncio.ensure_future(desk.connection.fetchval(EVALUATE, "{}"))
            await until_waiting(holder, desk.connection)
            if meanwhile:
                await other.execute(meanwhile)
            else:
                await holder.execute(EVALUATE.replace("$1", "'{}'"))
        return dict(json.loads(await judging))


@asynccontextmanager
async def aclosing_connection(
    connection: Connection[Record],
) -> AsyncIterator[Connection[Record]]:
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("meanwhile", ["SELECT recommender.activate_model('m-old')", ""])
def test_what_changed_since_the_transaction_began_ends_the_evidence(
    meanwhile: str, desk: Desk, database_url: str, run: Run
) -> None:
    desk.now = datetime.now(UTC)
    desk.bad_day()
    outcome = run(after_a_wait(desk, database_url, meanwhile))
    assert (outcome["action"], desk.active()) == ("skip_no_traffic", "m-old")


def test_a_pinned_model_is_not_rolled_back(desk: Desk) -> None:
    desk.set(recommender_model_version="m-old")
    desk.bad_day()
    outcome = desk.evaluate()
    assert (outcome["action"], desk.active()) == ("skip_pinned", "m-new")
    assert "RECOMMENDER_MODEL_VERSION" in outcome["reason"]
