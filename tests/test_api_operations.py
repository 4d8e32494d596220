"""What keeps a server running: health, readiness, metrics, and the description of the API."""

from __future__ import annotations

import re
import socket
import time
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.api_server import ANSWER_SECONDS, ApiServer, free_port, serve, token
from tests.support.site import Json, Site, assert_problem, open_site
from tests.support.worlds import World, days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runner import Run

OPERATIONS = {
    ("get", "/api/recommendations"),
    ("get", "/api/events"),
    ("get", "/api/me/personalization"),
    ("post", "/api/me/personalization/hidden-tags/{id}"),
    ("delete", "/api/me/personalization/hidden-tags/{id}"),
    ("post", "/api/me/personalization/blocked-organizers/{id}"),
    ("delete", "/api/me/personalization/blocked-organizers/{id}"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
}


@pytest.fixture(scope="module")
def site(database_url: str, run: Run) -> Iterator[Site]:
    with open_site(database_url, run) as site:
        yield site


@pytest.fixture(scope="module")
def lonely() -> Iterator[ApiServer]:
    """A server whose database is not there."""
    with serve(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing") as server:
        yield server


# Health and readiness


def test_a_server_that_answers_is_alive(site: Site, lonely: ApiServer) -> None:
    for client in (site.server.client, lonely.client):
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert answer.headers["content-type"] == "application/json"


def test_with_a_model_it_is_ready_and_names_it(site: Site) -> None:
    world = World()
    world.model(1, version="m7")
    site.write(world)
    answer = site.ask("/readyz")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "status": "ready",
        "database": "reachable",
        "migrations": "current",
        "active_model_version": "m7",
        "reason": None,
    }


def test_without_a_model_it_is_ready_and_says_what_serves_instead(site: Site) -> None:
    site.write(World())
    answer = site.ask("/readyz")
    assert answer.status_code == 200, answer.text
    assert answer.json()["active_model_version"] is None
    assert "no model" in answer.json()["reason"]


def test_it_is_not_ready_while_a_migration_is_missing(site: Site) -> None:
    newest = site.value("SELECT max(name) FROM eventrank_migrations")
    site.execute("UPDATE eventrank_migrations SET name = 'x' || name WHERE name = $1", newest)
    try:
        answer = site.ask("/readyz")
    finally:
        site.execute("UPDATE eventrank_migrations SET name = $1 WHERE name = 'x' || $1", newest)
    assert newest in assert_problem(answer, 503)["detail"]
    assert answer.headers["retry-after"]
    assert site.ask("/readyz").status_code == 200


def test_it_is_not_ready_with_the_functions_of_another_version(site: Site) -> None:
    comment = site.value("SELECT obj_description('recommender'::regnamespace, 'pg_namespace')")
    site.execute("COMMENT ON SCHEMA recommender IS 'something else'")
    try:
        assert "migrate.py" in assert_problem(site.ask("/readyz"), 503)["detail"]
        site.execute("COMMENT ON SCHEMA recommender IS NULL")
        assert_problem(site.ask("/readyz"), 503)
    finally:
        site.execute(f"COMMENT ON SCHEMA recommender IS '{comment}'")
    assert site.ask("/readyz").status_code == 200


def test_before_its_schema_is_there_it_is_alive_and_not_ready(empty_database_url: str) -> None:
    with serve(empty_database_url) as server:
        assert server.client.get("/healthz").status_code == 200
        answer = server.client.get("/readyz")
        assert "schema" in assert_problem(answer, 503)["detail"]
        assert_problem(server.client.get("/api/events"), 503)


def test_without_its_database_it_says_when_to_come_again(lonely: ApiServer) -> None:
    headers = {"Authorization": f"Bearer {token(1)}"}
    for method, path in (
        ("GET", "/readyz"),
        ("GET", "/api/events"),
        ("GET", "/api/recommendations"),
        ("GET", "/api/me/personalization"),
        ("POST", "/api/me/personalization/hidden-tags/1"),
    ):
        answer = lonely.client.request(method, path, headers=headers)
        assert_problem(answer, 503)
        assert answer.headers["retry-after"] == "1"


def test_without_its_database_it_still_knows_what_is_wrong_with_a_request(
    lonely: ApiServer,
) -> None:
    assert_problem(lonely.client.get("/api/events?page=0"), 422)
    assert_problem(lonely.client.get("/nowhere"), 404)
    assert_problem(lonely.client.post("/api/events"), 405)
    answer = lonely.client.get("/api/events", headers={"Authorization": "Bearer x"})
    assert_problem(answer, 401)


def test_what_a_server_is_asked_to_stop_it_stops(database_url: str) -> None:
    with serve(database_url) as server:
        assert server.client.get("/healthz").status_code == 200
        assert server.stop() == 0
    assert "Traceback" not in server_log(server)


def server_log(server: ApiServer) -> str:
    return server.log() if server.log_file.exists() else ""


# Metrics

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(client: Any) -> Samples:
    """Read /metrics as Prometheus would."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def grown(before: Samples, after: Samples) -> dict[str, set[frozenset[tuple[str, str]]]]:
    """Give the labels of what is more than before, by name."""
    more: dict[str, set[frozenset[tuple[str, str]]]] = {}
    for (name, labels), value in after.items():
        if value > before.get((name, labels), 0):
            more.setdefault(name, set()).add(labels)
    return more


def test_requests_are_counted_and_timed_by_route_and_status(site: Site) -> None:
    world = World()
    ana = world.student()
    world.tag("loud")
    site.write(world)
    client = site.server.client
    before = scrape(client)
    site.recommended(ana)
    site.ask("/api/recommendations")
    for number in (1, 4711):
        site.ask(f"/api/me/personalization/hidden-tags/{number}", ana, method="DELETE")
    site.ask("/api/events", page="0")
    site.ask("/nowhere/4711")
    more = grown(before, scrape(client))
    [counter] = [name for name in more if name.endswith("requests_total")]
    assert any(name.endswith("seconds_bucket") for name in more)
    seen = {frozenset(dict(labels).values()) for labels in more[counter]}
    assert seen >= {
        frozenset({"GET", "/api/recommendations", "200"}),
        frozenset({"GET", "/api/recommendations", "401"}),
        frozenset({"DELETE", "/api/me/personalization/hidden-tags/{id}", "204"}),
        frozenset({"DELETE", "/api/me/personalization/hidden-tags/{id}", "404"}),
        frozenset({"GET", "/api/events", "422"}),
    }
    # As many series as there are routes, whatever clients ask for.
    assert not any("4711" in value for labels in more[counter] for _, value in labels)


def test_a_client_that_leaves_is_no_fault_of_the_servers(lonely: ApiServer) -> None:
    def count(status: str) -> float:
        return sum(
            value
            for (name, labels), value in scrape(lonely.client).items()
            if name == "eventrank_http_requests_total" and ("status", status) in labels
        )

    left, faults = count("499"), count("500")
    address = urlsplit(lonely.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(
            b"POST /healthz HTTP/1.1\r\nHost: localhost\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel"
        )
    deadline = time.monotonic() + ANSWER_SECONDS
    while (count("499"), count("500")) == (left, faults) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (count("499"), count("500")) == (left + 1, faults)


def test_the_database_tells_how_fresh_its_lists_are(site: Site) -> None:
    world = World()
    ana, bob, eve = world.student(), world.student(), world.student()
    world.recommend(ana, at=days(0))
    world.recommend(bob, at=days(-0.5))
    world.recommend(eve, at=days(-2))
    world.model(1, version='m"1\\n')
    site.write(world)
    # A server of its own: answers are kept for some seconds.
    with serve(site.database_url) as server:
        samples = scrape(server.client)
    assert samples["eventrank_lists", frozenset({("state", "fresh")})] == 2
    assert samples["eventrank_lists", frozenset({("state", "stale")})] == 1
    ages = {
        dict(labels)["list"]: value
        for (name, labels), value in samples.items()
        if name == "eventrank_list_age_seconds"
    }
    assert ages == {"oldest": 172800, "median": 43200, "newest": 0}
    [labels] = [
        dict(labels) for name, labels in samples if name == "eventrank_active_model_age_seconds"
    ]
    assert labels["model_version"] == 'm"1\\n'


def test_metrics_of_the_server_itself_need_no_database(lonely: ApiServer) -> None:
    samples = scrape(lonely.client)
    assert any(name.endswith("requests_total") for name, _ in samples)
    assert not any(name == "eventrank_lists" for name, _ in samples)


# The description


def test_the_description_covers_every_route_and_what_it_may_answer(lonely: ApiServer) -> None:
    answer = lonely.client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document["openapi"].startswith("3.1.")
    operations = {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in {"get", "post", "put", "patch", "delete"}
    }
    assert {(method, re.sub(r"\{\w+\}", "{id}", path)) for method, path in operations} >= OPERATIONS
    names = [operation["operationId"] for operation in operations.values()]
    assert len(names) == len(set(names))
    for (_, path), operation in operations.items():
        assert operation["summary"]
        statuses = set(operation["responses"])
        if path.startswith("/api/"):
            assert statuses >= {"401", "403", "503"}
        if "{" in path:
            assert "404" in statuses
        if path == "/api/events":
            assert "422" in statuses
            parameters = {p["name"] for p in map(resolver(document), operation["parameters"])}
            assert parameters >= {
                *("search", "category", "city", "location", "tags", "tags_csv"),
                *("start_date", "end_date", "include_past", "sort", "page", "page_size"),
            }


def resolver(document: Json) -> Any:
    def resolve(node: Json) -> Json:
        while "$ref" in node:
            found: Any = document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    return resolve


def test_every_reference_in_the_description_leads_somewhere(lonely: ApiServer) -> None:
    document = lonely.client.get("/openapi.json").json()
    resolve = resolver(document)

    def walk(node: object) -> None:
        if isinstance(node, dict):
            assert resolve(node) is not None
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(document)


class Links(HTMLParser):
    """The addresses a page loads or leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in {"src", "href"} and value]


def test_the_documentation_needs_nothing_from_elsewhere(lonely: ApiServer) -> None:
    page = lonely.client.get("/docs", follow_redirects=True)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    links = Links()
    links.feed(page.text)
    assert links.found
    assert "openapi.json" in page.text + "".join(
        lonely.client.get(urljoin(str(page.url), link)).text for link in links.found
    )
    for link in links.found:
        address = urljoin(str(page.url), link)
        assert address.startswith(lonely.url)
        answer = lonely.client.get(address)
        assert answer.status_code == 200, link
        kind = answer.headers["content-type"]
        if link.endswith(".js"):
            assert "javascript" in kind
        elif link.endswith(".css"):
            assert kind.startswith("text/css")
            assert "@import" not in answer.text
            assert not re.search(r"url\(['\"]?https?:", answer.text)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_operations_can_only_be_read(site: Site, method: str, path: str) -> None:
    answer = site.ask(path, method=method)
    assert_problem(answer, 405)
    assert "GET" in answer.headers["allow"].split(", ")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])
def test_operations_ask_nobody_who_they_are(site: Site, path: str) -> None:
    site.write(World())
    headers = {"Authorization": "Bearer nonsense"}
    answer = site.server.client.get(path, headers=headers, follow_redirects=True)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", ["/docs/../app/settings.py", "/docs/%2e%2e/%2e%2e/etc/passwd"])
def test_the_documentation_leads_to_no_other_file(site: Site, path: str) -> None:
    assert_problem(site.ask(path), 404)
