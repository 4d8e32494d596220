"""/api/admin/personalization: who may ask, what it takes, and what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.api_server import token
from tests.support.site import Site, assert_problem, open_site
from tests.support.worlds import World, days

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.support.runner import Run

ADMIN = "/api/admin/personalization"
STATUS = f"{ADMIN}/status"
METRICS = f"{ADMIN}/metrics"
EVALUATE = f"{ADMIN}/guardrails/evaluate"
ACTIVATE = f"{ADMIN}/models/activate"
RETRAIN = f"{ADMIN}/retrain"
POSTS = (EVALUATE, ACTIVATE, RETRAIN)
ROUTES = [("GET", STATUS), ("GET", METRICS), *(("POST", path) for path in POSTS)]

BOSS, STUDENT, CLUB, FIRED = 1, 2, 3, 4
JOBS = "SELECT count(*) FROM background_jobs"


@pytest.fixture(scope="module")
def opened(database_url: str, run: Run) -> Iterator[Site]:
    with open_site(database_url, run) as site:
        yield site


@pytest.fixture
def site(opened: Site) -> Site:
    """An admin, a student, an organizer, an admin who left, and two models."""
    world = World()
    assert world.student(role="admin") == BOSS
    assert world.student() == STUDENT
    assert world.organizer() == CLUB
    assert world.student(role="admin", is_active=False) == FIRED
    world.event(CLUB)
    world.model(*range(8), version="m-old", is_active=False)
    world.model(*range(8), version="m-new")
    opened.write(world)
    opened.set(task_queue_enabled="true")
    return opened


def post(site: Site, path: str, body: bytes | dict[str, Any], user: int = BOSS) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token(user)}"}
    if isinstance(body, bytes):
        return site.server.client.post(path, content=body, headers=headers)
    return site.server.client.post(path, json=body, headers=headers)


def payload(site: Site, job_id: int) -> tuple[str, str]:
    row = site.run(
        site.connection.fetchrow(
            "SELECT job_type, payload::text FROM background_jobs WHERE id = $1", job_id
        )
    )
    assert row is not None
    return row["job_type"], row["payload"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_it_is_for_active_admins(method: str, path: str, site: Site) -> None:
    assert_problem(site.ask(path, method=method), 401)
    assert_problem(site.ask(path, 99, method=method), 401)
    for user, word in ((STUDENT, "student"), (CLUB, "organizer")):
        problem = assert_problem(site.ask(path, user, method=method), 403)
        assert problem["detail"] == f"this is for admins, and the account's role is {word}"
    assert_problem(site.ask(path, FIRED, method=method), 403)
    assert site.value(JOBS) == 0


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", [b"{", b'{"days": NaN}', b"\xff", b"[" * 5000, b'"\\u0000"'])
def test_who_may_not_ask_learns_nothing_of_the_body(path: str, body: bytes, site: Site) -> None:
    assert_problem(post(site, path, body, STUDENT), 403)
    assert_problem(post(site, path, body), 422)
    assert site.value(JOBS) == 0


def test_an_evaluation_is_queued_once(site: Site) -> None:
    answer = post(site, EVALUATE, {"days": 14, "ctr_drop_ratio": 0.25, "min_impressions": None})
    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert (job["job_type"], job["status"]) == ("evaluate_personalization_guardrails", "queued")
    assert payload(site, job["job_id"])[1] == '{"days": 14, "ctr_drop_ratio": 0.25}'
    again = post(site, EVALUATE, {"ctr_drop_ratio": 0.25, "days": 14.0})
    assert again.json()["job_id"] == job["job_id"]
    # No body is none that says anything.
    assert post(site, EVALUATE, b"").status_code == 201


def test_a_training_is_queued_with_what_was_asked_for(site: Site) -> None:
    body = {"top_n": 20, "epochs": 3, "lr": 0.1, "l2": 0.5, "seed": 7, "model_version": "mine"}
    answer = post(site, RETRAIN, body)
    assert answer.status_code == 201, answer.text
    job_type, stored = payload(site, answer.json()["job_id"])
    assert job_type == "recompute_recommendations_ml"
    assert site.value("SELECT $1::jsonb = $2::jsonb", stored, answer.request.content.decode())
    assert_problem(post(site, RETRAIN, {"model_version": "m-old"}), 409)
    # The same again is the same job; another one under this version could never be stored.
    assert post(site, RETRAIN, body).json()["job_id"] == answer.json()["job_id"]
    problem = assert_problem(post(site, RETRAIN, body | {"seed": 8}), 409)
    assert f"job {answer.json()['job_id']} trains model" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        (EVALUATE, {"days": 0}, ["days"]),
        (EVALUATE, {"days": "7"}, ["days"]),
        (EVALUATE, {"days": 1e400}, []),
        (EVALUATE, {"ctr_drop_ratio": 1.5, "days": 366}, ["ctr_drop_ratio", "days"]),
        (EVALUATE, {"nights": 7}, ["nights"]),
        (RETRAIN, {"skip_training": True}, ["skip_training"]),
        (RETRAIN, {"seed": -1, "top_n": 0, "epochs": 0}, ["epochs", "seed", "top_n"]),
        (RETRAIN, {"model_version": " "}, ["model_version"]),
        (ACTIVATE, {"model_version": 7}, ["model_version"]),
        (ACTIVATE, {"model_version": "m-old", "recompute": "yes"}, ["recompute"]),
    ],
)
def test_a_wrong_body_is_told_what_was_expected(
    path: str, body: dict[str, Any], fields: list[str], site: Site
) -> None:
    if fields:
        problem = assert_problem(post(site, path, body), 422)
        assert [error["field"] for error in problem["errors"]] == fields
        assert all(error["detail"].startswith("expected ") for error in problem["errors"])
    else:
        assert_problem(post(site, path, b'{"days": 1e400}'), 422)
    assert site.value(JOBS) == 0
    assert site.value("SELECT model_version FROM recommender_models WHERE is_active") == "m-new"


def test_a_model_is_activated_at_once_and_the_lists_by_a_job(site: Site) -> None:
    answer = post(site, ACTIVATE, {"model_version": "m-old", "top_n": 9, "reason": "too odd"})
    assert answer.status_code == 200, answer.text
    activation = answer.json()
    assert activation["active_model_version"] == "m-old"
    assert site.value("SELECT model_version FROM recommender_models WHERE is_active") == "m-old"
    assert payload(site, activation["recompute_job"]["job_id"]) == (
        "recompute_recommendations_ml",
        '{"top_n": 9, "skip_training": true}',
    )
    noted = site.run(site.connection.fetchrow("SELECT * FROM model_activations ORDER BY id DESC"))
    assert noted is not None
    assert (noted["kind"], noted["activated_by"], noted["reason"]) == (
        *("manual", f"user {BOSS}", "too odd"),
    )
    assert noted["previous_version"] == "m-new"


def test_without_recompute_no_job_is_needed(site: Site) -> None:
    site.set(task_queue_enabled="false")
    refused = assert_problem(post(site, ACTIVATE, {"model_version": "m-old"}), 409)
    assert refused["detail"] == "the task queue is switched off: TASK_QUEUE_ENABLED is false"
    answer = post(site, ACTIVATE, {"model_version": "m-old", "recompute": False})
    assert answer.json() == {"active_model_version": "m-old", "recompute_job": None}
    assert site.value(JOBS) == 0


@pytest.mark.parametrize("path", [EVALUATE, RETRAIN])
def test_a_queue_that_is_off_is_named(path: str, site: Site) -> None:
    site.set(task_queue_enabled="false")
    assert "TASK_QUEUE_ENABLED" in assert_problem(post(site, path, {}), 409)["detail"]


def test_an_unknown_model_is_404_and_a_missing_one_422(site: Site) -> None:
    problem = assert_problem(post(site, ACTIVATE, {"model_version": "nope"}), 404)
    assert problem["detail"] == 'there is no model "nope"'
    assert_problem(post(site, ACTIVATE, {}), 422)


def test_the_status_says_what_is_on_and_what_is_active(site: Site) -> None:
    status = site.ask(STATUS, BOSS).json()
    assert (status["task_queue_enabled"], status["personalization_guardrails_enabled"]) == (
        *(True, False),
    )
    assert status["active_model_version"] == "m-new"
    assert status["last_guardrail"] is None
    assert status["warnings"]
    site.set(personalization_guardrails_enabled="true")
    site.execute("SELECT recommender.evaluate_guardrails('{}')")
    last = site.ask(STATUS, BOSS).json()["last_guardrail"]
    assert last["action"] == "skip_no_traffic"


def test_the_metrics_of_a_day_and_of_all(site: Site) -> None:
    world = World()
    boss, student = world.student(role="admin"), world.student()
    event = world.event(world.organizer())
    seen = {"source": "events_list", "sort": "time"}
    for age in (0.1, 0.2, 2):
        world.interact(student, "impression", event, at=-days(age), meta=seen)
    world.interact(student, "click", event, at=-days(0.1), meta=seen)
    site.write(world)
    found = site.ask(METRICS, boss, days=3).json()
    assert [item["impressions"] for item in found["items"]] == [1, 0, 2]
    assert [item["date"] for item in found["items"]] == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert found["totals"]["clicks"] == 1
    assert found["totals"]["ctr"] == pytest.approx(1 / 3)
    assert len(site.ask(METRICS, boss).json()["items"]) == 30


@pytest.mark.parametrize("given", ["0", "366", "-1", "x", "1.0", "9" * 50, "\0"])
def test_days_out_of_bounds_are_refused(given: str, site: Site) -> None:
    problem = assert_problem(site.ask(METRICS, BOSS, days=given), 422)
    assert [error["parameter"] for error in problem["errors"]] == ["days"]


@pytest.mark.parametrize(
    "question",
    [
        "SELECT status FROM recommender.get_admin_status(NULL)",
        "SELECT status FROM recommender.get_admin_metrics(NULL, NULL)",
        "SELECT status FROM recommender.request_guardrails(NULL, NULL)",
        "SELECT status FROM recommender.request_activation(NULL, NULL)",
        "SELECT status FROM recommender.request_training(NULL, NULL)",
    ],
)
def test_each_route_is_one_function_with_one_answer(question: str, site: Site) -> None:
    rows = site.run(site.connection.fetch(question))
    assert [row["status"] for row in rows] == [401]


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ("'{a,b}', '{1,2}'", "other features"),
        ("(recommender.feature_names())[1:7] || 'x'::text, '{1,2,3,4,5,6,7,8}'", "other features"),
    ],
)
def test_a_model_that_cannot_score_is_not_activated(columns: str, word: str, site: Site) -> None:
    site.execute(
        "INSERT INTO recommender_models (model_version, feature_names, weights)"  # noqa: S608
        f" VALUES ('odd', {columns})"
    )
    assert word in assert_problem(post(site, ACTIVATE, {"model_version": "odd"}), 409)["detail"]
    assert site.value("SELECT model_version FROM recommender_models WHERE is_active") == "m-new"


def test_the_status_tells_of_settings_that_are_not_valid(site: Site) -> None:
    site.set(
        experiments_personalization_ml_percent=200, personalization_guardrails_enabled="perhaps"
    )
    status = site.ask(STATUS, BOSS).json()
    assert status["experiments_personalization_ml_percent"] is None
    assert status["personalization_guardrails_enabled"] is None
    for name in ("experiments_personalization_ml_percent", "personalization_guardrails_enabled"):
        (warning,) = [one for one in status["warnings"] if one.startswith(name.upper())]
        assert "not valid" in warning
