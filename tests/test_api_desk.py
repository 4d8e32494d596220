"""What the admins' desk asks for: who may, and that its numbers are those of the definition."""

from __future__ import annotations

import json
import math
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from app.api.openapi import openapi_document
from app.api.openapi_desk import desk_paths
from tests.support.api_server import token
from tests.support.site import Site, assert_problem, open_site
from tests.support.worlds import AS_OF, EXTENDED_FEATURES, FEATURES, World, days, hours

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.support.runner import Run

    Json = dict[str, Any]

ADMIN = "/api/admin/personalization"
OVERVIEW, VARIANTS, MODELS = f"{ADMIN}/overview", f"{ADMIN}/variants", f"{ADMIN}/models"
GUARDRAILS, JOBS, STUDENTS = f"{ADMIN}/guardrails", f"{ADMIN}/jobs", f"{ADMIN}/students"
PATH_IDS = {"{id}": "2", "{event_id}": "1", "{job_id}": "1"}
BOSS, STUDENT, CLUB, FIRED = 1, 2, 3, 4

QUEUE_JOB = """
INSERT INTO background_jobs (
    job_type, dedupe_key, status, attempts, last_error, created_at, finished_at, run_at, locked_at,
    locked_by
)
SELECT
    job_type, dedupe_key, status, attempts, last_error, created_at, finished_at, run_at, locked_at,
    locked_by
FROM jsonb_populate_record(NULL::background_jobs, $1::jsonb)
RETURNING id
"""

COUNTS = ("impressions", "clicks", "conversions")
RECOMMENDED = {"source": "events_list", "sort": "recommended"}
TIME = {"source": "events_list", "sort": "time"}


@pytest.fixture(scope="module")
def opened(database_url: str, run: Run) -> Iterator[Site]:
    with open_site(database_url, run) as site:
        yield site


def people(world: World) -> World:
    assert world.student(role="admin") == BOSS
    assert world.student(full_name="Ana Pop", city="Cluj", interests=["jazz"]) == STUDENT
    assert world.organizer("Open Studio") == CLUB
    assert world.student(role="admin", is_active=False) == FIRED
    return world


@pytest.fixture
def site(opened: Site) -> Site:
    """An admin, a student, an organizer and an admin who left; no model, no events."""
    opened.write(people(World()))
    return opened


@pytest.fixture
def known(site: Site) -> Site:
    """Thirty events, a list of some of them, and a student of whom much is known."""
    world = people(World())
    for number in range(30):
        world.event(
            CLUB,
            title=f"Event {number + 1}",
            tags=["Jazz "] if number % 3 == 0 else ["rock"],
            category="Music" if number % 2 else "Art",
            starts=days(number + 1),
        )
    gone = world.event(CLUB, title="Gone", deleted=-days(2), starts=days(3))
    world.model(0.1, 2, 0.5, 0.3, 0.7, 0.2, -0.1, 0.4)
    world.recommend(STUDENT, 4, 7, 1, 10, at=-hours(1))
    world.register(STUDENT, 7)
    world.like_tag(STUDENT, "rock", "5", seen=-days(3))
    world.like_category(STUDENT, "Art", "NaN", seen=-days(1))
    world.hide(STUDENT, "karaoke")
    other = world.organizer("Noise")
    world.block(STUDENT, other)
    for number in range(25):
        world.interact(STUDENT, "view", 1 + number, at=-hours(number + 1), meta={"n": number})
    world.interact(STUDENT, "click", gone, at=-hours(0.5))
    world.interact(STUDENT, "impression", 2, at=-hours(0.4))
    world.interact(STUDENT, "search", at=-hours(0.2), meta={"tags": ["x"]})
    world.interact(STUDENT, "click", 1, at=hours(2))
    site.write(world)
    return site


def whole(path: str) -> str:
    for name, value in PATH_IDS.items():
        path = path.replace(name, value)
    return path


def asked(site: Site, path: str, **parameters: object) -> Json:
    """Ask as an admin, and see that the answer is what the document says."""
    answer = site.ask(path, BOSS, **parameters)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    assert_fits(path, answer.json())
    return dict(answer.json())


def assert_fits(path: str, value: object, method: str = "get") -> None:
    document = openapi_document()
    (template,) = [
        name for name in document["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", name), path)
    ]
    answer = document["paths"][template][method]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    whole_schema = {**schema, "components": document["components"]}
    jsonschema_rs.validate(whole_schema, value, validate_formats=True)


def wilson(hits: int, trials: int) -> tuple[float, float] | tuple[None, None]:
    """Find the interval by bisection: where the normal test of 95 % just does not refuse."""
    if trials == 0:
        return None, None
    share = hits / trials

    def refuses(truth: float) -> bool:
        error = math.sqrt(truth * (1 - truth) / trials)
        return abs(share - truth) > 1.959963984540054 * error

    def edge(inside: float, outside: float) -> float:
        if not refuses(outside):
            return outside
        for _ in range(200):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if refuses(middle) else (middle, outside)
        return inside

    return edge(share, 0), edge(share, 1)


def assert_rates(counts: Json) -> None:
    """See that the rates and their intervals are those of the counts."""
    for rate, hits, trials in (
        ("ctr", counts["clicks"], counts["impressions"]),
        ("conversion", counts["conversions"], counts["clicks"]),
    ):
        found = [counts[rate], counts[f"{rate}_low"], counts[f"{rate}_high"]]
        expected = [hits / trials if trials else None, *wilson(hits, trials)]
        assert found == pytest.approx(expected, abs=1e-9)


class TestWhoMayAsk:
    @pytest.mark.parametrize(
        ("path", "method"),
        [
            (path, method)
            for path, item in desk_paths().items()
            for method in item.keys() - {"parameters"}
        ],
    )
    def test_it_is_for_active_admins(self, path: str, method: str, site: Site) -> None:
        path = whole(path)
        for nobody in (None, 99):
            assert_problem(site.ask(path, nobody, method=method.upper()), 401)
        for user in (STUDENT, CLUB, FIRED):
            assert_problem(site.ask(path, user, method=method.upper()), 403)

    @pytest.mark.parametrize(
        "call",
        [
            "recommender.get_desk_overview(NULL)",
            "recommender.get_desk_variants(NULL, NULL)",
            "recommender.get_desk_models(NULL)",
            "recommender.get_desk_guardrails(NULL)",
            "recommender.get_desk_jobs(NULL)",
            "recommender.request_job_retry(NULL, NULL)",
            "recommender.get_desk_students(NULL, NULL)",
            "recommender.get_desk_student(NULL, NULL)",
            "recommender.get_desk_explanation(NULL, NULL, NULL)",
            "recommender.preview_desk_weights(NULL, NULL, NULL)",
            "recommender.get_desk_account(NULL, NULL)",
        ],
    )
    def test_each_route_is_one_function_with_one_answer(self, call: str, site: Site) -> None:
        rows = site.run(site.connection.fetch(f"SELECT status FROM {call}"))  # noqa: S608
        assert [row["status"] for row in rows] == [401]


class TestVariants:
    @pytest.fixture
    def busy(self, site: Site) -> Site:
        """Ten days of two students and a visitor; the third event is clicked over midnights."""
        world = people(World())
        other = world.student()
        events = [world.event(CLUB) for _ in range(3)]
        for day in range(10):
            for number, event in enumerate(events):
                sort = RECOMMENDED if (day + number) % 2 else TIME
                for student in (STUDENT, other):
                    at = -days(day) - hours(number + 1)
                    world.interact(student, "impression", event, at=at, meta=sort)
                    if (day + number + student) % 3 == 0:
                        world.interact(student, "click", event, at=at, meta=sort)
                    if (day + student) % 4 == 0:
                        # The first event's come on the day after the click, or two.
                        later = at + hours(20 if number else 40)
                        if later <= timedelta(0):
                            world.interact(student, "register", event, at=later)
        world.interact(None, "impression", events[0], meta=TIME)
        world.interact(STUDENT, "impression", events[0], meta={"source": "map", "sort": "time"})
        site.write(world)
        return site

    def counts(self, site: Site, start: Any, end: Any, window: int = 72) -> dict[str, list[int]]:
        rows = site.run(
            site.connection.fetch(
                "SELECT * FROM recommender.guardrail_metrics($1, $2, $3)", start, end, window
            )
        )
        return {row["variant"]: [row[name] for name in COUNTS] for row in rows}

    @pytest.mark.parametrize("number", [1, 3, 10, 90])
    @pytest.mark.parametrize("window", [72, 24, 1])
    def test_the_days_and_the_totals_are_what_the_guardrails_count(
        self, number: int, window: int, busy: Site
    ) -> None:
        busy.set(personalization_guardrails_click_to_register_window_hours=window)
        answer = asked(busy, VARIANTS, days=number)
        midnight = AS_OF.replace(hour=0)
        first = midnight - timedelta(days=number - 1)
        assert answer["from"] == first.isoformat()
        assert answer["to"] == AS_OF.isoformat()
        assert answer["window_hours"] == window
        expected = self.counts(busy, first, AS_OF, window)
        for total in answer["totals"]:
            assert [total[name] for name in COUNTS] == expected[total["variant"]]
            assert_rates(total)
        assert [total["variant"] for total in answer["totals"]] == ["recommended", "time"]
        assert len(answer["days"]) == 2 * number
        for place, day in enumerate(answer["days"]):
            start = first + timedelta(days=place // 2)
            assert day["date"] == start.date().isoformat()
            assert day["variant"] == ("recommended", "time")[place % 2]
            # What clicks from this day on lead to, less what those from the next day on do.
            since = self.counts(busy, start, AS_OF, window)[day["variant"]]
            after = self.counts(busy, start + timedelta(days=1), AS_OF, window)[day["variant"]]
            counted = [day[name] for name in COUNTS]
            assert counted == [one - other for one, other in zip(since, after, strict=True)]
            assert_rates(day)
        if number == 10 and window == 72:
            assert all(total["conversions"] > 2 for total in answer["totals"])

    def test_a_registration_belongs_to_the_day_of_its_last_click(self, site: Site) -> None:
        world = people(World())
        event = world.event(CLUB)
        for at in (days(3), days(2)):
            world.interact(STUDENT, "click", event, at=-at, meta=RECOMMENDED)
        world.interact(STUDENT, "register", event, at=-days(1))
        world.interact(STUDENT, "register", event, at=-hours(1))
        site.write(world)
        answer = asked(site, VARIANTS, days=4)
        assert [
            (day["date"], day["clicks"], day["conversions"])
            for day in answer["days"]
            if day["variant"] == "recommended"
        ] == [
            *(("2026-02-26", 1, 0), ("2026-02-27", 1, 1)),
            *(("2026-02-28", 0, 0), ("2026-03-01", 0, 0)),
        ]

    def test_what_there_is_nothing_of_has_no_rate(self, site: Site) -> None:
        answer = asked(site, VARIANTS)
        assert len(answer["days"]) == 28
        for counts in answer["days"] + answer["totals"]:
            assert [counts[name] for name in COUNTS] == [0, 0, 0]
            assert {value for name, value in counts.items() if "c" in name and "_" in name} == {
                None
            }
            assert_rates(counts)
        assert (answer["activations"], answer["evaluations"]) == ([], [])

    def test_more_clicks_than_impressions_have_a_rate_and_no_interval(self, site: Site) -> None:
        world = people(World())
        event = world.event(CLUB)
        for at in (1, 2, 3):
            world.interact(STUDENT, "click", event, at=-hours(at), meta=TIME)
        world.interact(STUDENT, "impression", event, at=-hours(4), meta=TIME)
        site.write(world)
        (total,) = [
            total for total in asked(site, VARIANTS)["totals"] if total["variant"] == "time"
        ]
        assert (total["ctr"], total["ctr_low"], total["ctr_high"]) == (3, None, None)

    def test_activations_and_evaluations_of_the_days_are_told(self, site: Site) -> None:
        world = people(World())
        world.model(version="m-old", is_active=False)
        world.model(version="m-new")
        site.write(world)
        site.execute("SELECT recommender.activate_model('m-old', 'better', 'manual', 'user 1')")
        site.execute("SELECT recommender.evaluate_guardrails('{}')")
        site.execute(
            "INSERT INTO model_activations (model_version, kind, activated_by, activated_at)"
            " VALUES ('m-old', 'training', 'x', $1), ('m-old', 'training', 'x', $2)",
            *(AS_OF - timedelta(days=30), AS_OF + timedelta(days=1)),
        )
        answer = asked(site, VARIANTS, days=2)
        (activation,) = answer["activations"]
        assert activation.pop("activation_id")
        assert activation == {
            "activated_at": AS_OF.isoformat(),
            "model_version": "m-old",
            "previous_version": "m-new",
            "kind": "manual",
            "reason": "better",
            "activated_by": "user 1",
        }
        (evaluation,) = answer["evaluations"]
        assert evaluation["action"] == "disabled"

    @pytest.mark.parametrize("given", ["0", "91", "-1", "x", "1.0", "9" * 50, "\0", "٣"])
    def test_days_out_of_bounds_are_refused(self, given: str, site: Site) -> None:
        problem = assert_problem(site.ask(VARIANTS, BOSS, days=given), 422)
        (error,) = problem["errors"]
        assert (error["parameter"], error["detail"]) == (
            *("days", "expected a whole number from 1 to 90"),
        )

    @pytest.mark.parametrize(
        ("hits", "trials"), [(0, 1), (1, 1), (0, 7), (7, 7), (3, 10), (60, 400), (1, 10**9)]
    )
    def test_an_interval_is_what_the_test_of_95_percent_does_not_refuse(
        self, hits: int, trials: int, site: Site
    ) -> None:
        row = site.run(
            site.connection.fetchrow(
                "SELECT low, high FROM recommender._wilson_interval($1, $2)", hits, trials
            )
        )
        assert row is not None
        assert tuple(row) == pytest.approx(wilson(hits, trials), abs=1e-9)
        assert 0 <= row["low"] <= hits / trials <= row["high"] <= 1


class TestModels:
    @pytest.mark.parametrize("features", [FEATURES, EXTENDED_FEATURES])
    def test_every_feature_has_a_label_of_its_own(
        self, features: tuple[str, ...], site: Site
    ) -> None:
        labels = site.value(
            "SELECT array_agg(recommender._feature_label(f)) FROM unnest($1::text[]) AS f", features
        )
        assert len(set(labels)) == len(features)
        assert not set(labels) & (set(features) - {"popularity"})

    def test_without_a_model_there_are_no_items(self, site: Site) -> None:
        assert asked(site, MODELS) == {"items": []}

    def test_a_model_is_shown_beside_the_one_before(self, site: Site) -> None:
        site.execute("SELECT recommender.store_model('m1', $1, $2, '{}')", FEATURES, [1.0] * 8)
        meta = {
            "loss": 0.5,
            "held_out_loss": 0.6,
            "hitrate_at_10": 0.4,
            "chance_at_10": 0.2,
            "examples": {"positive": 3, "negative": 9, "holdout": 5},
            "standard_errors": {"same_city": 0.25, "days_until": None},
            "against_popularity": {"difference": 0.1, "low": 0, "high": 0.2, "students": 7},
            "seed": 7,
        }
        weights = [0.5 * number for number in range(len(EXTENDED_FEATURES))]
        site.execute(
            "SELECT recommender.store_model('m2', $1, $2, $3::jsonb)",
            *(EXTENDED_FEATURES, weights, json.dumps(meta)),
        )
        new, old = asked(site, MODELS)["items"]
        assert [item["model_version"] for item in (new, old)] == ["m2", "m1"]
        assert (new["is_active"], old["is_active"]) == (True, False)
        assert (new["feature_set"], old["feature_set"]) == ("extended", "base")
        assert all(item["can_activate"] and item["trouble"] is None for item in (new, old))
        assert [feature["feature"] for feature in new["features"]] == list(EXTENDED_FEATURES)
        assert [feature["weight"] for feature in new["features"]] == weights
        features = {feature["feature"]: feature for feature in new["features"]}
        assert features["same_city"] == {
            "feature": "same_city",
            "label": "in the student's city",
            "weight": 1.5,
            "standard_error": 0.25,
            "previous_weight": 1,
        }
        assert features["co_attendance"]["previous_weight"] is None
        assert features["bias"]["standard_error"] is None
        assert new["example_count"] == 12
        assert new["against_popularity"] == meta["against_popularity"]
        assert new["recipe"] == {"examples": meta["examples"], "seed": 7}
        assert new["activation"]["previous_version"] == "m1"
        assert (new["activation"]["kind"], new["activation_count"]) == ("training", 1)
        site.execute("SELECT recommender.activate_model('m1')")
        site.execute("SELECT recommender.activate_model('m2')")
        new, old = asked(site, MODELS)["items"]
        assert (new["activation_count"], old["activation_count"]) == (2, 2)

    @pytest.mark.parametrize(
        "columns",
        [
            "'{a,b}', '{1,2}', '{}'",
            "recommender.feature_names(), '[0:7]={1,2,3,4,5,6,7,8}', '[1, 2]'",
            "recommender.feature_names() || 'x'::text, array_fill(1::float8, '{9}'), '\"odd\"'",
            "recommender.feature_names(), '{1,2,3,4,5,6,7,8}', '{\"recipe\": 1e999}'",
            "recommender.feature_names('extended'), array_fill(1::float8, '{22}'), '{}'",
        ],
    )
    def test_what_cannot_be_activated_is_told_by_the_words_of_who_activates(
        self, columns: str, site: Site
    ) -> None:
        site.execute(
            "INSERT INTO recommender_models (model_version, feature_names, weights, meta)"  # noqa: S608
            f" VALUES ('odd', {columns})"
        )
        (item,) = asked(site, MODELS)["items"]
        body = {"model_version": "odd", "recompute": False}
        answer = site.server.client.post(
            f"{MODELS}/activate", json=body, headers=site.ask(MODELS, BOSS).request.headers
        )
        assert item["can_activate"] is (answer.status_code == 200)
        if item["can_activate"]:
            assert item["trouble"] is None
        else:
            assert answer.status_code == 409
            assert answer.json()["detail"] == f"{item['trouble']}, so it cannot score"

    def test_of_many_the_newest_hundred_and_the_active_one(self, site: Site) -> None:
        site.execute(
            "INSERT INTO recommender_models (model_version, feature_names, weights, is_active)"
            " SELECT 'm' || n, '{x}', '{0}', n = 3 FROM generate_series(1, 110) AS n"
        )
        versions = [item["model_version"] for item in asked(site, MODELS)["items"]]
        assert versions == [*(f"m{number}" for number in range(110, 10, -1)), "m3"]


class TestOverview:
    def test_an_empty_site_is_told_what_to_do(self, site: Site) -> None:
        site.write(World(rows={"users": people(World()).rows["users"][:1]}))
        answer = asked(site, OVERVIEW)
        assert answer["moment"] == AS_OF.isoformat()
        assert any(item["warning"] for item in answer["items"])
        ages = answer["lists"].pop("ages")
        assert [age["up_to_hours"] for age in ages] == [1, 6, 12, 24, 48, 168, None]
        assert {age["lists"] for age in ages} == {0}
        assert answer["lists"] == {
            "students": 0,
            "with_list": 0,
            "fresh": 0,
            "empty": 0,
            "median_age_seconds": None,
            "models": [],
        }
        assert answer["coverage"] == {
            "eligible_events": 0,
            "in_lists": 0,
            "in_first_ten": 0,
            "first_ten_share": None,
        }

    def test_the_items_are_the_status(self, site: Site) -> None:
        rows = site.run(site.connection.fetch("SELECT * FROM recommender.status"))
        assert asked(site, OVERVIEW)["items"] == [dict(row) for row in rows]

    def test_lists_are_counted_by_age_and_model_and_events_by_place(self, site: Site) -> None:
        world = people(World())
        events = [world.event(CLUB) for _ in range(14)]
        past = world.event(CLUB, starts=-days(1))
        world.event(CLUB, max_seats=0)
        for number, age in enumerate((0, 1, 1.5, 23, 30, 100, 500)):
            student = world.student()
            listed = [*events[: 12 - number], past] if number < 6 else []
            world.recommend(student, *listed, at=-hours(age), version="m2" if number else "m1")
        world.recommend(STUDENT, events[0], at=hours(2), version="m2")
        world.recommend(BOSS, events[13])
        site.write(world)
        answer = asked(site, OVERVIEW)
        lists = answer["lists"]
        ages = {age["up_to_hours"]: age["lists"] for age in lists["ages"]}
        assert list(ages.values()) == [3, 1, 0, 1, 1, 1, 1]
        assert (lists["students"], lists["with_list"], lists["empty"]) == (8, 8, 1)
        assert lists["fresh"] == site.value(
            "SELECT count(*) FROM recommender.fresh_lists WHERE user_id <> $1", BOSS
        )
        assert lists["median_age_seconds"] == 1.5 * 3600
        assert lists["models"] == [
            {"model_version": "m2", "lists": 7},
            {"model_version": "m1", "lists": 1},
        ]
        # The twelfth event and the boss's, which is nobody's who is a student: it is a list.
        assert answer["coverage"] == {
            "eligible_events": 14,
            "in_lists": 13,
            "in_first_ten": 11,
            "first_ten_share": pytest.approx(11 / 14),
        }

    def test_a_setting_that_is_not_valid_does_not_hide_the_rest(self, site: Site) -> None:
        site.set(recommendations_cache_max_age_seconds="soon")
        answer = asked(site, OVERVIEW)
        assert answer["lists"]["fresh"] is None
        assert any("not valid" in (item["warning"] or "") for item in answer["items"])


class TestGuardrails:
    def test_the_settings_are_typed_and_a_wrong_one_is_null(self, site: Site) -> None:
        site.set(
            personalization_guardrails_enabled="on",
            personalization_guardrails_method="sequential",
            personalization_guardrails_ctr_drop_ratio="0.25",
            personalization_guardrails_days="many",
        )
        answer = asked(site, GUARDRAILS)
        assert answer["settings"] == {
            "enabled": True,
            "method": "sequential",
            "days": None,
            "min_impressions": 200,
            "ctr_drop_ratio": 0.25,
            "conversion_drop_ratio": 0.5,
            "click_to_register_window_hours": 72,
            "cooldown_hours": 24,
        }
        assert (answer["evidence_from"], answer["items"]) == (None, [])

    @pytest.mark.parametrize("method", ["ratio", "sequential"])
    def test_an_evaluation_is_shown_with_the_numbers_behind_it(
        self, method: str, site: Site
    ) -> None:
        world = people(World())
        world.model(version="m-old", is_active=False)
        world.model(version="m-new")
        event = world.event(CLUB)
        for sort, clicks in ((RECOMMENDED, 1), (TIME, 4)):
            for number in range(5):
                at = -hours(number + 1)
                world.interact(STUDENT, "impression", event, at=at, meta=sort)
                if number < clicks:
                    world.interact(STUDENT, "click", event, at=at, meta=sort)
        site.write(world)
        site.execute("SELECT recommender.evaluate_guardrails('{}')")
        site.set(
            personalization_guardrails_enabled="true",
            personalization_guardrails_min_impressions=5,
            personalization_guardrails_method=method,
            task_queue_enabled="true",
        )
        site.execute("SELECT recommender.activate_model('m-old')")
        site.execute("SELECT recommender.activate_model('m-new')")
        site.execute("UPDATE model_activations SET activated_at = activated_at - interval '2 days'")
        site.execute("SELECT recommender.evaluate_guardrails('{}')")
        answer = asked(site, GUARDRAILS)
        judged, disabled = answer["items"]
        assert (disabled["action"], disabled["window_from"]) == ("disabled", None)
        assert {value for name, value in disabled.items() if name.startswith("recommended_")} == {
            None
        }
        assert judged["recommended_impressions"] == judged["time_impressions"] == 5
        assert (judged["recommended_clicks"], judged["time_clicks"]) == (1, 4)
        assert (judged["recommended_ctr"], judged["time_ctr"]) == (0.2, 0.8)
        assert (judged["recommended_conversions"], judged["recommended_conversion"]) == (0, 0)
        # Everything the view says of it, as it says it where there is something to divide by.
        row = site.value(
            "SELECT row_to_json(g) FROM recommender.guardrails AS g"
            " WHERE evaluation_id = (SELECT max(id) FROM guardrail_evaluations)"
        )
        assert judged | json.loads(row) == judged
        if method == "ratio":
            assert (judged["action"], judged["ctr_ok"]) == ("rollback", False)
            assert (judged["model_version"], judged["target_version"]) == ("m-new", "m-old")
            assert judged["rescore_job_id"]
            assert answer["evidence_from"] == AS_OF.isoformat()
        else:
            assert judged["action"] == "skip_low_volume"
            assert judged["statistics"]["moments"]

    def test_a_rate_of_nothing_is_null(self, site: Site) -> None:
        site.set(personalization_guardrails_enabled="true")
        site.execute("SELECT recommender.evaluate_guardrails('{}')")
        (item,) = asked(site, GUARDRAILS)["items"]
        assert item["action"] == "skip_no_traffic"
        for sort in ("recommended", "time"):
            assert item[f"{sort}_impressions"] == 0
            assert (item[f"{sort}_ctr"], item[f"{sort}_conversion"]) == (None, None)


class TestJobs:
    @pytest.fixture(autouse=True)
    def _switched_on(self, site: Site) -> None:
        site.set(task_queue_enabled="true")

    def job(self, site: Site, status: str = "failed", **columns: object) -> int:
        given = {
            "job_type": "recompute_recommendations_ml",
            "dedupe_key": "all",
            "status": status,
            "attempts": 3,
            "last_error": "no luck" if status == "failed" else None,
            "created_at": "2026-03-01T11:00:00Z",
            "finished_at": "2026-03-01T11:30:00Z" if status in {"failed", "succeeded"} else None,
            "run_at": "2026-03-01T11:00:00Z",
            "locked_at": "2026-03-01T11:59:00Z" if status == "running" else None,
            **columns,
        }
        return int(site.value(QUEUE_JOB, json.dumps(given)))

    def retry(self, site: Site, job: object, user: int = BOSS) -> httpx.Response:
        return site.ask(f"{JOBS}/{job}/retry", user, method="POST")

    def test_the_queue_and_the_schedule_are_shown(self, site: Site) -> None:
        failed, running = self.job(site), self.job(site, "running", locked_by="w1")
        waiting = self.job(site, "queued", run_at="2026-03-01T12:00:30Z", attempts=0)
        own = self.job(site, job_type="send_mail", dedupe_key=None)
        self.job(site, "succeeded", finished_at="2026-03-01T10:00:00Z")
        answer = asked(site, JOBS)
        assert answer["queue_enabled"] is True
        rows = site.run(site.connection.fetch("SELECT * FROM recommender.queue"))
        assert [job["id"] for job in answer["jobs"]] == [row["id"] for row in rows]
        for job, row in zip(answer["jobs"], rows, strict=True):
            assert [job[name] for name in ("job_type", "status", "what_to_do", "last_error")] == [
                row[name] for name in ("job_type", "status", "what_to_do", "last_error")
            ]
            for name in ("due_in", "waiting_for", "silent_for"):
                seconds = row[name] and row[name].total_seconds()
                assert job[f"{name}_seconds"] == seconds
        jobs = {job["id"]: job for job in answer["jobs"]}
        assert [jobs[id_]["can_retry"] for id_ in (failed, running, waiting, own)] == [
            *(True, False, False, False)
        ]
        assert jobs[waiting]["due_in_seconds"] == 30
        assert jobs[running]["silent_for_seconds"] == 60
        assert jobs[failed]["finished_at"] == "2026-03-01T11:30:00+00:00"
        names = site.run(site.connection.fetch("SELECT name FROM recommender.schedule"))
        assert [entry["name"] for entry in answer["schedule"]] == [row["name"] for row in names]
        assert answer["schedule"]

    def test_of_many_jobs_the_first_two_hundred(self, site: Site) -> None:
        site.execute(
            "INSERT INTO background_jobs (job_type, dedupe_key, run_at)"
            " SELECT 'refresh_user_recommendations_ml', n, recommender.as_of() - n * interval '1s'"
            " FROM generate_series(1, 300) AS n"
        )
        jobs = asked(site, JOBS)["jobs"]
        keys = site.run(site.connection.fetch("SELECT id FROM recommender.queue LIMIT 200"))
        assert [job["id"] for job in jobs] == [row["id"] for row in keys]

    def test_a_failed_job_gets_another_chance(self, site: Site) -> None:
        job = self.job(site)
        answer = self.retry(site, job)
        assert answer.status_code == 200, answer.text
        assert_fits(f"{JOBS}/1/retry", answer.json(), "post")
        assert answer.json() == {
            "job_id": job,
            "job_type": "recompute_recommendations_ml",
            "status": "queued",
            "merged_into": None,
        }
        assert site.value("SELECT attempts FROM background_jobs WHERE id = $1", job) == 0
        again = assert_problem(self.retry(site, job), 409)
        assert again["detail"] == f"job {job} is queued, not failed"

    def test_where_one_of_the_same_meaning_waits_it_is_merged(self, site: Site) -> None:
        failed, waiting = self.job(site), self.job(site, "queued", attempts=0)
        answer = self.retry(site, failed).json()
        assert_fits(f"{JOBS}/1/retry", answer, "post")
        assert (answer["status"], answer["merged_into"]) == ("succeeded", waiting)

    @pytest.mark.parametrize("status", ["queued", "running", "succeeded"])
    def test_what_has_not_failed_is_not_retried(self, status: str, site: Site) -> None:
        job = self.job(site, status)
        assert assert_problem(self.retry(site, job), 409)["detail"] == (
            f"job {job} is {status}, not failed"
        )
        assert site.value("SELECT status FROM background_jobs WHERE id = $1", job) == status

    def test_a_job_of_the_apps_own_is_the_apps(self, site: Site) -> None:
        job = self.job(site, job_type="send_mail", dedupe_key=None)
        assert "not the recommender's" in assert_problem(self.retry(site, job), 409)["detail"]

    @pytest.mark.parametrize("job", ["0", "-1", "x", "999", str(2**53 - 1), "9" * 30, "1.0"])
    def test_an_unknown_one_is_404(self, job: str, site: Site) -> None:
        assert (
            assert_problem(self.retry(site, job), 404)["detail"] == "there is no job with this id"
        )

    def test_while_the_queue_is_off_it_is_409_and_nothing_changes(self, site: Site) -> None:
        job = self.job(site)
        site.set(task_queue_enabled="false")
        assert "TASK_QUEUE_ENABLED" in assert_problem(self.retry(site, job), 409)["detail"]
        assert asked(site, JOBS)["queue_enabled"] is False
        assert site.value("SELECT status FROM background_jobs WHERE id = $1", job) == "failed"

    def test_who_may_not_ask_changes_nothing(self, site: Site) -> None:
        job = self.job(site)
        assert_problem(self.retry(site, job, STUDENT), 403)
        assert site.value("SELECT status FROM background_jobs WHERE id = $1", job) == "failed"


class TestStudents:
    @pytest.fixture
    def named(self, site: Site) -> Site:
        world = people(World())
        for number in range(60):
            world.student(full_name=f"Student {number}", is_active=number != 7)
        world.recommend(5, version="m1", at=-days(1))
        site.write(world)
        return site

    def found(self, site: Site, search: str | None = None) -> list[int]:
        answer = asked(site, STUDENTS, search=search)
        return [item["id"] for item in answer["items"]]

    def test_the_first_fifty_by_id(self, named: Site) -> None:
        assert self.found(named) == [STUDENT, *range(5, 54)]
        assert self.found(named, "  ") == self.found(named)
        items = asked(named, STUDENTS)["items"]
        assert items[0] == {
            "id": STUDENT,
            "full_name": "Ana Pop",
            "email": "2@example.org",
            "city": "Cluj",
            "is_active": True,
            "model_version": None,
            "generated_at": None,
            "item_count": None,
        }
        assert (items[1]["model_version"], items[1]["item_count"]) == ("m1", 0)
        assert [item["id"] for item in items if not item["is_active"]] == [12]

    @pytest.mark.parametrize(
        ("search", "found"),
        [
            ("ana", [2]),
            (" ANA pop ", [2]),
            ("2@EXAMPLE", [2, 12, 22, 32, 42, 52, 62]),
            ("63", [63]),
            # The id itself first, then names and addresses that contain it.
            ("55", [55, 60]),
            ("1", [5 + 1, *range(10, 20)]),
            ("%", []),
            ("_", []),
            ("nobody", []),
            ("\0", []),
            # An organizer and an admin are no students.
            (str(CLUB), None),
        ],
    )
    def test_they_are_found_by_name_address_or_id(
        self, search: str, found: list[int] | None, named: Site
    ) -> None:
        ids = self.found(named, search)
        if found is None:
            assert CLUB not in ids
        else:
            assert ids[: len(found)] == found if search == "1" else ids == found

    def test_it_says_whether_there_are_more(self, named: Site) -> None:
        assert asked(named, STUDENTS)["has_more"] is True
        # Fifty and no more, after eleven were made no students.
        named.execute("UPDATE users SET role = 'admin' WHERE id > 53 AND role = 'student'")
        told = asked(named, STUDENTS)
        assert (len(told["items"]), told["has_more"]) == (50, False)
        told = asked(named, STUDENTS, search="nobody")
        assert told == {"items": [], "has_more": False}

    def test_a_search_that_is_too_long_is_refused(self, site: Site) -> None:
        problem = assert_problem(site.ask(STUDENTS, BOSS, search="x" * 201), 422)
        assert [error["parameter"] for error in problem["errors"]] == ["search"]
        assert self.found(site, "x" * 200) == []


class TestStudent:
    def test_a_student_is_shown_as_the_recommender_knows_one(self, known: Site) -> None:
        page = asked(known, f"{STUDENTS}/{STUDENT}")
        assert (page["id"], page["full_name"], page["email"], page["city"]) == (
            *(STUDENT, "Ana Pop", "2@example.org", "Cluj"),
        )
        assert page["bucket"] == known.value(
            "SELECT recommender.experiment_bucket('personalization_ml_sort', $1)", STUDENT
        )
        assert page["variant"] == "time"
        known.set(experiments_personalization_ml_percent=100)
        assert asked(known, f"{STUDENTS}/{STUDENT}")["variant"] == "recommended"
        assert page["list"] == {
            "model_version": "m1",
            "generated_at": (AS_OF - hours(1)).isoformat(),
            "item_count": 4,
            "is_fresh": True,
        }
        rows = known.run(known.connection.fetch("SELECT * FROM recommender.student($1)", STUDENT))
        assert [(item["feature"], item["attribute"]) for item in page["profile"]] == [
            (row["feature"], row["attribute"]) for row in rows
        ]
        profile = {(item["feature"], item["attribute"]): item for item in page["profile"]}
        assert profile["overlap_interest_ratio", "jazz"]["name"] == "Jazz"
        assert profile["overlap_history_ratio", "jazz"]["sources"] == ["history"]
        assert profile["overlap_interest_ratio", "rock"]["score"] == 5
        assert profile["organizer_match", str(CLUB)]["name"] == "Open Studio"
        assert profile["category_match", "art"]["score"] is None
        assert [tag["name"] for tag in page["hidden_tags"]] == ["karaoke"]
        assert [organizer["org_name"] for organizer in page["blocked_organizers"]] == ["Noise"]
        assert page["trouble"] is None
        assert [item["weight"] for item in page["weights"]] == [
            *(0.1, 2, 0.5, 0.3, 0.7, 0.2, -0.1, 0.4)
        ]

    @pytest.mark.parametrize(
        ("feature", "attribute", "name"),
        [
            ("overlap_history_ratio", "jazz", "Jazz"),
            ("overlap_history_ratio", "no such tag", "no such tag"),
            ("co_attendance", str(CLUB), "Open Studio"),
            ("series_share", f"{CLUB} life drawing", "Open Studio: life drawing"),
            ("organizer_match", "999", "999"),
            ("organizer_match", "9" * 30, "9" * 30),
            ("series_share", "", ""),
            ("same_city", str(CLUB), str(CLUB)),
        ],
    )
    def test_an_attribute_has_a_name(
        self, feature: str, attribute: str, name: str, known: Site
    ) -> None:
        query = "SELECT recommender._attribute_name($1, $2)"
        assert known.value(query, feature, attribute) == name

    def test_what_is_shown_now_is_what_serving_picks(self, known: Site) -> None:
        page = asked(known, f"{STUDENTS}/{STUDENT}")
        rows = known.run(
            known.connection.fetch("SELECT * FROM recommender.pick_events($1, 20)", STUDENT)
        )
        names = ("place", "event_id", "source", "reason")
        assert [[item[name] for name in names] for item in page["items"]] == [
            [row[name] for name in names] for row in rows
        ]
        assert known.recommended(STUDENT) == [item["event_id"] for item in page["items"]][:10]
        assert [
            (item["event_id"], item["rank"], item["score"])
            for item in page["items"]
            if item["source"] == "list"
        ] == [(4, 1, 0.999), (1, 3, 0.997), (10, 4, 0.996)]
        assert {item["rank"] for item in page["items"] if item["source"] != "list"} == {None}

    def test_the_last_twenty_interactions_without_what_was_merely_shown(self, known: Site) -> None:
        done = asked(known, f"{STUDENTS}/{STUDENT}")["interactions"]
        assert [(item["interaction_type"], item["event_id"]) for item in done] == [
            *(("search", None), ("click", 31)),
            *(("view", number) for number in range(1, 19)),
        ]
        assert done[0]["meta"] == {"tags": ["x"]}
        assert [item["title"] for item in done[:3]] == [None, None, "Event 1"]

    def test_a_student_of_whom_nothing_is_known_without_a_model(self, site: Site) -> None:
        world = people(World())
        nobody = world.student(is_active=False, language="system")
        site.write(world)
        page = asked(site, f"{STUDENTS}/{nobody}")
        assert page["trouble"] == "there is no model yet"
        assert (page["list"], page["is_active"], page["model_version"]) == (None, False, None)
        for name in ("profile", "items", "weights", "interactions", "hidden_tags"):
            assert page[name] == []

    @pytest.mark.parametrize("who", [str(CLUB), str(BOSS), "999", "0", "x", "9" * 20, "2147483648"])
    def test_who_is_no_student_is_404(self, who: str, site: Site) -> None:
        for path in ("", "/events/1"):
            problem = assert_problem(site.ask(f"{STUDENTS}/{who}{path}", BOSS), 404)
            assert problem["detail"] == "there is no student with this id"
        problem = assert_problem(site.ask(f"{STUDENTS}/{who}/preview", BOSS, method="POST"), 404)

    @pytest.mark.parametrize("features", [FEATURES, EXTENDED_FEATURES])
    @pytest.mark.parametrize("event", [1, 7, 29])
    def test_an_explanation_adds_up_to_the_score(
        self, features: tuple[str, ...], event: int, known: Site
    ) -> None:
        weights = [0.1 * (number - 3) for number in range(len(features))]
        known.execute("SELECT recommender.store_model('m2', $1, $2, '{}')", features, weights)
        answer = asked(known, f"{STUDENTS}/{STUDENT}/events/{event}")
        assert answer["model_version"] == "m2"
        assert [item["feature"] for item in answer["features"]] == list(features)
        assert [item["weight"] for item in answer["features"]] == weights
        logit = sum(item["value"] * item["weight"] for item in answer["features"])
        assert answer["logit"] == pytest.approx(logit, abs=1e-9)
        assert answer["score"] == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-12)
        rows = known.run(
            known.connection.fetch("SELECT * FROM recommender.why_not($1, $2)", STUDENT, event)
        )
        assert answer["checks"] == [dict(row) for row in rows]
        assert answer["checks"][-1]["passed"] is (event == 1)
        student = asked(known, f"{STUDENTS}/{STUDENT}")
        assert [item["feature"] for item in student["weights"]] == list(features)

    def test_a_deleted_event_and_no_model_have_checks_alone(self, known: Site) -> None:
        deleted = asked(known, f"{STUDENTS}/{STUDENT}/events/31")
        known.execute("TRUNCATE recommender_models")
        untrained = asked(known, f"{STUDENTS}/{STUDENT}/events/1")
        for answer, trouble in (
            (deleted, "what is deleted has no score"),
            (untrained, "there is no model yet"),
        ):
            assert (answer["trouble"], answer["score"], answer["logit"]) == (trouble, None, None)
            assert answer["features"] == []
            assert answer["checks"]

    @pytest.mark.parametrize("event", ["999", "0", "x", "9" * 12])
    def test_an_unknown_event_is_404(self, event: str, known: Site) -> None:
        problem = assert_problem(known.ask(f"{STUDENTS}/{STUDENT}/events/{event}", BOSS), 404)
        assert problem["detail"] == "there is no event with this id"


class TestPreview:
    PATH = f"{STUDENTS}/{STUDENT}/preview"

    def post(self, site: Site, body: object, user: int = BOSS) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token(user)}"}
        return site.server.client.post(self.PATH, content=content, headers=headers)

    def previewed(self, site: Site, body: object) -> list[Json]:
        answer = self.post(site, body)
        assert answer.status_code == 200, answer.text
        assert_fits(self.PATH, answer.json(), "post")
        items: list[Json] = answer.json()["items"]
        return items

    @pytest.mark.parametrize("body", [b"", {}, {"weights": {}}, {"weights": None}])
    def test_without_weights_nothing_moves(self, body: object, known: Site) -> None:
        items = self.previewed(known, body)
        assert len(items) == 20
        assert all(item["old_rank"] == item["new_rank"] for item in items)
        assert all(item["old_score"] == item["new_score"] for item in items)

    @pytest.mark.parametrize("features", [FEATURES, EXTENDED_FEATURES])
    def test_weights_that_are_given_take_the_place_of_the_models(
        self, features: tuple[str, ...], known: Site
    ) -> None:
        weights = [0.1 * (number - 3) for number in range(len(features))]
        known.execute("SELECT recommender.store_model('m2', $1, $2, '{}')", features, weights)
        given = {"overlap_interest_ratio": 3, features[-1]: 2.5, "same_city": None}
        items = self.previewed(known, {"weights": given})
        changed = [
            weight if given.get(name) is None else float(given[name] or 0)
            for name, weight in zip(features, weights, strict=True)
        ]
        rows = known.run(
            known.connection.fetch(
                "SELECT event_id, title, old_rank, new_rank, old_score, new_score"
                " FROM recommender.preview_weights($1, $2, 20)",
                *(changed, STUDENT),
            )
        )
        assert items == [dict(row) for row in rows]
        assert any(item["old_rank"] != item["new_rank"] for item in items)
        # Where they stand is what a model of these weights would give.
        known.execute("SELECT recommender.store_model('m3', $1, $2, '{}')", features, changed)
        ranked = known.run(
            known.connection.fetch("SELECT * FROM recommender.rank_events($1, 20)", STUDENT)
        )
        first = [item["event_id"] for item in items if item["new_rank"] <= 20]
        assert first == [row["event_id"] for row in ranked]

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({"weights": {"height": 1}}, ["weights.height"]),
            ({"weights": {"co_attendance": 1}}, ["weights.co_attendance"]),
            ({"weights": {"same_city": "1"}}, ["weights.same_city"]),
            ({"weights": {"same_city": True, "bias": [1]}}, ["weights.bias", "weights.same_city"]),
            ({"weights": {"same_city": 1_000_001}}, ["weights.same_city"]),
            ({"weights": {"same_city": -1e300, "bias": 1}}, ["weights.same_city"]),
            ({"weights": [1, 2]}, ["weights"]),
            ({"weights": 7}, ["weights"]),
            ({"weight": {"bias": 1}}, ["weight"]),
            ({"weights": {f"x{number}": 1 for number in range(99)}}, None),
        ],
    )
    def test_a_wrong_body_is_told_what_was_expected(
        self, body: object, fields: list[str] | None, known: Site
    ) -> None:
        errors = assert_problem(self.post(known, body), 422)["errors"]
        if fields is None:
            assert len(errors) == 20
        else:
            assert [error["field"] for error in errors] == fields
        assert all(error["detail"].startswith("expected ") for error in errors)

    @pytest.mark.parametrize(
        "body",
        [
            *(b'{"weights": {"bias": NaN}}', b'{"weights": {"bias": Infinity}}', b"[]", b"{"),
            *(b'{"weights": {"bias": 1e999}}', b'{"weights": {"\\u0000": 1}}'),
        ],
    )
    def test_what_is_no_json_is_refused(self, body: bytes, known: Site) -> None:
        assert_problem(self.post(known, body), 422)
        assert_problem(self.post(known, body, STUDENT), 403)

    def test_without_a_model_there_is_nothing_to_compare_with(self, site: Site) -> None:
        problem = assert_problem(self.post(site, {}), 409)
        assert problem["detail"] == "there is no model yet"

    def test_nothing_is_stored(self, known: Site) -> None:
        before = known.value("SELECT array_agg(r ORDER BY r) FROM user_recommendations AS r")
        self.previewed(known, {"weights": {"bias": 5}})
        after = known.value("SELECT array_agg(r ORDER BY r) FROM user_recommendations AS r")
        assert before == after
        assert known.value("SELECT count(*) FROM recommender_models") == 1
