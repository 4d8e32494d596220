"""The OpenAPI document says what the server does: its routes, parameters, answers and fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
import schemathesis
from starlette.routing import Route

from app.api.application import create_app
from app.api.openapi import openapi_document
from app.api.parameters import EXPECTED, MAX_ID, MAX_JOB_ID
from app.api.settings import ServerSettings
from app.web.pages import DESK_PAGES
from tests.support.api_server import token
from tests.support.site import Site, open_site
from tests.support.worlds import World, days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runner import Run

EVENT_FIELDS = [
    *("id", "title", "description", "category", "start_time", "end_time", "city", "location"),
    *("max_seats", "cover_url", "owner_id", "owner_name", "tags", "seats_taken"),
    *("recommendation_reason", "status", "publish_at"),
]
DOCUMENT = openapi_document()
OPERATIONS = {
    (path, method): operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
}
OF_PAGES = {
    "/api/admin/session",
    *(f"/{shelf}/{{shelf}}/{{name}}" for shelf in ("docs", "static", "charts")),
    *(page.path for page in DESK_PAGES),
}
"""Pages, what they are made of, and how one signs in to them are no program's interface."""


@pytest.fixture(scope="module")
def site(database_url: str, run: Run) -> Iterator[Site]:
    with open_site(database_url, run) as site:
        yield site


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    found: Any = DOCUMENT
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)


def assert_fits(value: object, schema: dict[str, Any]) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema_rs.validate(whole, value, validate_formats=True)


def contents() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path} {status}", content)
        for (path, method), operation in OPERATIONS.items()
        for status, answer in operation["responses"].items()
        for content in resolved(answer).get("content", {}).values()
    ]


def test_it_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_it_names_the_routes_there_are_and_no_others() -> None:
    settings = ServerSettings.model_validate(
        {"secret_key": "x" * 32, "database_url": "postgresql://nobody@localhost/nowhere"}
    )
    routes = {
        (route.path, method.lower())
        for route in create_app(settings).routes
        if isinstance(route, Route) and route.path not in OF_PAGES
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert set(OPERATIONS) == routes


def test_every_operation_has_a_name_of_its_own_and_says_what_it_is_for() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for operation in OPERATIONS.values())
    assert all("security" in operation for operation in OPERATIONS.values())


def test_every_example_fits_its_schema() -> None:
    examples = [(name, content) for name, content in contents() if "example" in content]
    assert examples
    for _name, content in examples:
        assert_fits(content["example"], content["schema"])


def test_errors_are_problems_with_the_status_they_come_with() -> None:
    errors = [
        (int(status), resolved(answer))
        for operation in OPERATIONS.values()
        for status, answer in operation["responses"].items()
        if int(status) >= 400
    ]
    for status, answer in errors:
        (content,) = [answer["content"]["application/problem+json"]]
        assert content["example"]["status"] == status
    assert {status for status, _answer in errors} == {
        *(401, 403, 404, 408, 409, 413, 422, 429, 500, 503)
    }


def test_the_sentences_shown_are_those_that_are_said(site: Site) -> None:
    world = World()
    ana, eve = world.student(), world.student(is_active=False)
    site.write(world)
    hidden = "/api/me/personalization/hidden-tags/9"
    expired = {"Authorization": f"Bearer {token(ana, expires_in=-60)}"}
    answers = [
        site.server.client.get("/api/events", headers=expired),
        site.ask("/api/events", eve),
        site.ask(hidden, ana, method="POST"),
        site.server.client.post(hidden, content=b"x" * 3_000_000),
        site.ask("/api/events", page=-1),
    ]
    for answer in answers:
        example = DOCUMENT["components"]["responses"][str(answer.status_code)]
        assert answer.json() == example["content"]["application/problem+json"]["example"]
    assert [answer.status_code for answer in answers] == [401, 403, 404, 413, 422]
    wrong = [{"interaction_type": "click"}] * 2 + [{"interaction_type": "click", "event_id": 0}]
    answer = site.server.client.post("/api/analytics/interactions", json={"events": wrong})
    example = DOCUMENT["components"]["responses"]["422-interactions"]
    assert answer.json() == example["content"]["application/problem+json"]["example"]


def test_the_query_of_events_is_documented_with_its_bounds() -> None:
    parameters = OPERATIONS["/api/events", "get"]["parameters"]
    query = {item["name"]: item for item in parameters if item["in"] == "query"}
    assert list(query) == list(EXPECTED)
    assert all(item["description"] for item in query.values())
    schemas = {name: item["schema"] for name, item in query.items()}
    assert schemas["page"] == {
        "type": "integer",
        "default": 1,
        "minimum": 1,
        "maximum": 1_000_000_000,
    }
    assert schemas["page_size"]["maximum"] == 100
    assert schemas["search"]["maxLength"] == 200
    assert schemas["tags"]["maxItems"] == 50
    assert schemas["tags"]["items"]["maxLength"] == 100
    assert schemas["sort"]["enum"] == ["time", "recommended"]
    assert schemas["start_date"]["format"] == "date"
    assert schemas["include_past"] == {"type": "boolean", "default": False}


@pytest.mark.parametrize(
    ("tags", "fits"),
    [
        ("jazz, blues", True),
        ("", True),
        (",".join("x" * 50), True),
        (",".join("x" * 51), False),
        ("a,\0", False),
        ("x" * 101, False),
    ],
)
def test_the_pattern_of_a_list_of_tags_is_what_is_taken(tags: str, fits: bool) -> None:
    (schema,) = [
        item["schema"]
        for item in OPERATIONS["/api/events", "get"]["parameters"]
        if item["name"] == "tags_csv"
    ]
    assert jsonschema_rs.is_valid(schema, tags) is fits


def test_ids_of_paths_are_those_of_the_database() -> None:
    for path, item in DOCUMENT["paths"].items():
        named = re.findall(r"\{(\w+)\}", path)
        assert [parameter["name"] for parameter in item.get("parameters", ())] == named
        for parameter in item.get("parameters", ()):
            largest = MAX_JOB_ID if parameter["name"] == "job_id" else MAX_ID
            assert parameter["schema"] == {"type": "integer", "minimum": 1, "maximum": largest}


def test_an_event_has_the_fields_of_the_design_in_that_order() -> None:
    event = DOCUMENT["components"]["schemas"]["Event"]
    assert list(event["properties"]) == EVENT_FIELDS
    assert event["required"] == EVENT_FIELDS


@pytest.mark.parametrize(
    ("field", "value", "fits"),
    [
        ("interaction_type", "click", True),
        ("interaction_type", "clik", False),
        ("interaction_type", None, False),
        ("event_id", None, True),
        ("event_id", 0, False),
        ("event_id", MAX_ID + 1, False),
        ("event_id", "7", False),
        ("occurred_at", "2026-03-01T12:00:00.5+02:00", True),
        ("occurred_at", "2026-03-01T12:00:00", False),
        ("occurred_at", "2026-02-30T12:00:00Z", False),
        ("occurred_at", "infinity", False),
        ("client_id", "0B0F5BB5-7c3e-4d0c-9a51-3f9d2a6f1c11", True),
        ("client_id", "0b0f5bb57c3e4d0c9a513f9d2a6f1c11", False),
        ("meta", {"seconds": 1}, True),
        ("meta", [], False),
    ],
)
def test_an_interaction_is_described_as_it_is_taken(
    site: Site, field: str, value: object, fits: bool
) -> None:
    interaction = {"interaction_type": "view", field: value}
    schema = {**DOCUMENT["components"]["schemas"]["Batch"], "components": DOCUMENT["components"]}
    batch = {"events": [interaction]}
    assert jsonschema_rs.is_valid(schema, batch, validate_formats=True) is fits
    answer = site.server.client.post("/api/analytics/interactions", json=batch)
    assert answer.status_code == (204 if fits else 422), answer.text


def test_the_server_serves_the_document(site: Site) -> None:
    answer = site.ask("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == DOCUMENT


def test_answers_fit_and_have_all_the_fields_with_and_without_values(site: Site) -> None:
    world = World()
    ana = world.student(interests=["rock"], city="Cluj")
    club = world.organizer()
    for number in range(3):
        world.event(club, tags=["rock"], city="Cluj", starts=days(number + 1))
    world.event(club, starts=days(9))
    site.write(world)
    site.execute(
        "UPDATE events SET description = 'd', end_time = start_time, location = 'l',"
        " max_seats = 9, cover_url = 'u', category = 'c', publish_at = created_at WHERE id = 1"
    )
    schemas = DOCUMENT["components"]["schemas"]
    recommended = site.recommendations(ana)
    assert len(recommended) == 4
    assert_fits(recommended, {"type": "array", "items": schemas["RecommendedEvent"]})
    for user in (ana, None):
        page = site.page(user, sort="recommended")
        assert_fits(page, schemas["EventPage"])
        assert [list(item) for item in page["items"]] == [EVENT_FIELDS] * 4
    site.ask("/api/me/personalization/hidden-tags/1", ana, method="POST").raise_for_status()
    site.ask(f"/api/me/personalization/blocked-organizers/{club}", ana, method="POST")
    personalization = site.ask("/api/me/personalization", ana).json()
    assert_fits(personalization, schemas["Personalization"])
    assert all(personalization.values())
    assert_fits(site.ask("/readyz").json(), schemas["Readiness"])
    assert_fits(site.ask("/healthz").json(), schemas["Health"])
    assert_fits(site.ask("/api/me/personalization").json(), schemas["Problem"])
    wrong = site.ask("/api/events", page="-1", sort="x").json()
    assert_fits(wrong, schemas["InvalidParameters"])
    for body in (b'{"events":[{}, 7]}', b'{"events":[]}', b'{"events":[{"meta":NaN}]}', b"[]"):
        answer = site.server.client.post("/api/analytics/interactions", content=body)
        assert_fits(answer.json(), schemas["InvalidBatch"])
