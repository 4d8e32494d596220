"""What the admins' desk asks for: who may, and that its numbers are those of the definition."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from app.api.openapi import openapi_document
from app.api.openapi_desk import desk_paths
from tests.support.site import Site, assert_problem, open_site
from tests.support.worlds import AS_OF, EXTENDED_FEATURES, FEATURES, World, days, hours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runner import Run

    Json = dict[str, Any]

ADMIN = "/api/admin/personalization"
OVERVIEW, VARIANTS, MODELS = f"{ADMIN}/overview", f"{ADMIN}/variants", f"{ADMIN}/models"
PATH_IDS = {"{id}": "2", "{event_id}": "1", "{job_id}": "1"}
BOSS, STUDENT, CLUB, FIRED = 1, 2, 3, 4

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
    template = path
    for name in document["paths"]:
        if whole(name) == path:
            template = name
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
            "recommender.feature_names('extended'), array_fill(1::float8, '{20}'), '{}'",
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
