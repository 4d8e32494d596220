"""/docs works without a network: all it loads comes from the server, and nothing else may load."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import pytest

from app.api.documentation import START_SCRIPT
from app.api.openapi import openapi_document
from tests.support.api_server import ApiServer, token
from tests.support.site import Site, ids, open_site
from tests.support.worlds import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from playwright.async_api import Browser
    from playwright.async_api import Page as BrowserPage

    from tests.support.runner import Run

LOADS = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("form", "action")}


@pytest.fixture(scope="module")
def site(database_url: str, run: Run) -> Iterator[Site]:
    with open_site(database_url, run) as site:
        yield site


@pytest.fixture(scope="module")
def server(site: Site) -> ApiServer:
    return site.server


class Page(HTMLParser):
    """Collects what a page loads and what it brings inline."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self._is_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if (tag, name) in LOADS:
                self.loaded.append(value or "")
            if name.startswith("on") or name == "style":
                self.inline.append(f"{tag} {name}")
        self._is_script = tag in {"script", "style"}

    def handle_data(self, data: str) -> None:
        if self._is_script and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._is_script = False


def page_of(server: ApiServer) -> Page:
    return Page(server.client.get("/docs").text)


def test_everything_the_page_loads_comes_from_the_server(server: ApiServer) -> None:
    loaded = page_of(server).loaded
    assert len(loaded) == 5
    for reference in loaded:
        url = urljoin(f"{server.url}/docs", reference)
        assert urlsplit(url).netloc == urlsplit(server.url).netloc
        answer = server.client.get(url)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_style_sheets_load_nothing(server: ApiServer) -> None:
    paths = [path for path in page_of(server).loaded if path.endswith(".css")]
    assert len(paths) == 2
    for path in paths:
        answer = server.client.get(f"/{path}")
        assert answer.headers["content-type"].startswith("text/css")
        references = re.findall(r"""url\(\s*['"]?([^'")]{1,40})""", answer.text)
        assert [text for text in references if not text.startswith("data:")] == []
        assert "@import" not in answer.text


def test_a_browser_is_told_to_load_nothing_else_and_to_run_nothing_inline(
    server: ApiServer,
) -> None:
    answer = server.client.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    directives = {
        name: sources
        for name, *sources in (
            part.split() for part in answer.headers["content-security-policy"].split(";")
        )
    }
    assert directives["default-src"] == ["'none'"]
    assert directives["script-src"] == directives["style-src"] == ["'self'"]
    assert directives["connect-src"] == ["'self'"]
    assert {source for sources in directives.values() for source in sources} <= {
        "'none'",
        "'self'",
        "data:",
    }
    assert Page(answer.text).inline == []


def test_swagger_ui_asks_no_validator_elsewhere() -> None:
    assert "validatorUrl: null" in START_SCRIPT
    assert "http" not in START_SCRIPT


@pytest.mark.parametrize(
    "path",
    [
        "/docs/",
        "/docs/x/start.js",
        "/docs/{shelf}/index.html",
        "/docs/{shelf}/oauth2-redirect.html",
        "/docs/{shelf}/..%2f..%2f__init__.py",
        "/docs/{shelf}/%00",
    ],
)
def test_nothing_but_what_the_page_needs_is_served(server: ApiServer, path: str) -> None:
    shelf = page_of(server).loaded[0].split("/")[1]
    answer = server.client.get(path.format(shelf=shelf))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


# In a browser


@dataclass
class Visit:
    """A page that is open in a browser, and all that it asked for and complained of."""

    page: BrowserPage
    asked: list[str]
    complaints: list[str]

    async def execute(self, operation: str) -> tuple[str, str]:
        """Open an operation and press Execute; give the status and the body that are shown."""
        block = self.page.locator(f"#operations-{operation}")
        await block.locator(".opblock-summary-control").click()
        await block.locator("button.execute").click()
        shown = block.locator(".live-responses-table tbody")
        return (
            await shown.locator(".response-col_status").first.inner_text(),
            await shown.locator(".response-col_description pre").first.inner_text(),
        )


@asynccontextmanager
async def visit(browser: Browser, site: Site, width: int = 1280) -> AsyncIterator[Visit]:
    """Open the page, and see in the end that it asked nobody else and complained of nothing."""
    page = await browser.new_page(viewport={"width": width, "height": 844})
    visit = Visit(page, [], [])
    page.on("request", lambda request: visit.asked.append(request.url))
    page.on("console", lambda message: visit.complaints.append(message.text))
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    await page.goto(f"{site.server.url}/docs")
    await page.locator(".opblock").first.wait_for()
    yield visit
    await page.close()
    assert visit.complaints == []
    assert {urlsplit(url).netloc for url in visit.asked} == {urlsplit(site.server.url).netloc}


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_every_operation_and_nothing_beyond_its_edge(
    browser: Browser, site: Site, run: Run, width: int
) -> None:
    async def look() -> tuple[set[str], str, int]:
        async with visit(browser, site, width) as visited:
            page = visited.page
            operations = await page.locator(".opblock-summary").evaluate_all(
                """rows => rows.map(row =>
                    row.querySelector(".opblock-summary-method").textContent.toLowerCase()
                    + " " + row.querySelector("[data-path]").dataset.path)"""
            )
            await visited.execute("events-getEvents")
            version = await page.locator(".version-stamp").last.inner_text()
            return (
                set(operations),
                version,
                await page.evaluate("document.documentElement.scrollWidth"),
            )

    operations, version, shown_width = run(look())
    assert operations == {
        f"{method} {path}"
        for path, item in openapi_document()["paths"].items()
        for method in item.keys() - {"parameters"}
    }
    assert version == "OAS 3.1"
    assert shown_width == width


def test_an_operation_may_be_tried_in_a_browser(browser: Browser, site: Site, run: Run) -> None:
    world = World()
    event = world.event(world.organizer())
    site.write(world)

    async def look() -> tuple[str, str]:
        async with visit(browser, site) as visited:
            shown = await visited.execute("events-getEvents")
            assert any(urlsplit(url).path == "/api/events" for url in visited.asked)
            return shown

    status, body = run(look())
    assert status == "200"
    assert ids(json.loads(body)["items"]) == [event]


def test_a_browser_sends_the_token_it_was_given(browser: Browser, site: Site, run: Run) -> None:
    world = World()
    student = world.student()
    site.write(world)

    async def look() -> tuple[str, str]:
        async with visit(browser, site) as visited:
            page = visited.page
            await page.locator(".auth-wrapper .authorize").click()
            await page.locator(".modal-ux input").fill(token(student))
            await page.locator(".modal-ux .authorize").click()
            await page.locator(".modal-ux .btn-done").click()
            return await visited.execute("personalization-getPersonalization")

    status, body = run(look())
    assert status == "200"
    assert json.loads(body) == {"hidden_tags": [], "blocked_organizers": []}
