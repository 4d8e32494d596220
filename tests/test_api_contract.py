"""The description of the API, tried out: whatever it allows is answered as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import allow_header_conformance

from tests.support.api_server import token
from tests.support.site import Site, open_site
from tests.support.worlds import World, days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis.schemas import APIOperation

    from tests.support.runner import Run

    Operations = dict[str, APIOperation[Any, Any, Any, Any]]

STUDENT, ADMIN = 1, 4
"""Who asks: the operations for admins are an admin's."""

pytestmark = pytest.mark.any_server

EXAMPLES = 60
"""Tries an operation and mode."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    allow_header_conformance,
]


@pytest.fixture(scope="module")
def site(database_url: str, run: Run) -> Iterator[Site]:
    """A server with enough in it that answers have something to say."""
    with open_site(database_url, run) as site:
        world = World()
        ana = world.student(city="Cluj", interests=["rock"])
        clubs = [world.organizer("The Club"), world.organizer(full_name="Ion Pop")]
        events = [
            world.event(
                clubs[number % 2],
                title=f"Event {number}",
                tags=["rock", "jazz"][number % 2 :],
                city="Cluj" if number % 3 else None,
                category="music" if number % 4 else None,
                description="loud" if number % 5 else None,
                starts=days(number - 3),
                ends=days(number) if number % 2 else None,
                max_seats=number if number % 6 else None,
                publish=days(-9) if number % 7 else None,
            )
            for number in range(30)
        ]
        world.recommend(ana, *reversed(events))
        world.model(1)
        assert world.student(role="admin") == ADMIN
        site.write(world)
        site.set(analytics_rate_limit=1_000_000, task_queue_enabled="true")
        yield site


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture(scope="module")
def operations(site: Site) -> Operations:
    document = site.ask("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    found: Operations = {}
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        found[operation.label] = operation
    return found


OPERATIONS = (
    "GET /api/recommendations",
    "GET /api/events",
    "GET /api/me/personalization",
    "POST /api/me/personalization/hidden-tags/{id}",
    "DELETE /api/me/personalization/hidden-tags/{id}",
    "POST /api/me/personalization/blocked-organizers/{id}",
    "DELETE /api/me/personalization/blocked-organizers/{id}",
    "POST /api/analytics/interactions",
    "GET /api/admin/personalization/status",
    "GET /api/admin/personalization/metrics",
    "POST /api/admin/personalization/guardrails/evaluate",
    "POST /api/admin/personalization/models/activate",
    "POST /api/admin/personalization/retrain",
    "GET /api/admin/personalization/overview",
    "GET /api/admin/personalization/variants",
    "GET /api/admin/personalization/models",
    "GET /api/admin/personalization/guardrails",
    "GET /api/admin/personalization/jobs",
    "POST /api/admin/personalization/jobs/{job_id}/retry",
    "GET /api/admin/personalization/students",
    "GET /api/admin/personalization/students/{id}",
    "GET /api/admin/personalization/students/{id}/events/{event_id}",
    "POST /api/admin/personalization/students/{id}/preview",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /docs",
)

WITH_PARAMETERS = tuple(
    label
    for label in OPERATIONS
    if "{" in label or any(word in label for word in ("events", "recomm", "interactions", "admin"))
)


def test_no_operation_is_left_out(operations: Operations) -> None:
    assert set(operations) == set(OPERATIONS)


@pytest.mark.parametrize("label", OPERATIONS)
def test_what_the_description_allows_is_answered_as_it_says(
    operations: Operations, site: Site, session: requests.Session, label: str
) -> None:
    try_out(operations[label], GenerationMode.POSITIVE, site, session)


@pytest.mark.parametrize("label", WITH_PARAMETERS)
def test_what_the_description_forbids_is_refused_as_it_says(
    operations: Operations, site: Site, session: requests.Session, label: str
) -> None:
    try_out(operations[label], GenerationMode.NEGATIVE, site, session)


def try_out(
    operation: APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    site: Site,
    session: requests.Session,
) -> None:
    """Make requests of the operation, the same ones in every run, and hold answers to it."""

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        answer = case.call(base_url=site.server.url, session=session)
        case.validate_response(answer, checks=CHECKS)

    asker = ADMIN if "/admin/" in operation.path else STUDENT
    session.headers["Authorization"] = f"Bearer {token(asker)}"
    check()
