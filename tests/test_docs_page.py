"""/docs works without a network: all it loads comes from the server, and nothing else may load."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import pytest

from app.api.documentation import START_SCRIPT, newest_swagger_ui
from tests.support.api_server import ApiServer, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = Path("/usr/bin/chromium")
LOADS = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("form", "action")}


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[ApiServer]:
    with serve(database_url) as server:
        yield server


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
            if (tag, name) in LOADS or name == "data-document":
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


def test_the_style_sheet_loads_nothing(server: ApiServer) -> None:
    (path,) = [path for path in page_of(server).loaded if path.endswith(".css")]
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


def test_the_newest_bundled_version_is_served() -> None:
    versions = sorted(
        [int(part) for part in path.name.removeprefix("swagger-ui-").split(".")]
        for path in newest_swagger_ui().parent.iterdir()
    )
    newest = ".".join(str(part) for part in versions[-1])
    assert newest_swagger_ui().name == f"swagger-ui-{newest}"


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


@pytest.mark.skipif(
    not CHROMIUM.exists() or not find_spec("playwright"), reason="needs chromium and playwright"
)
def test_a_browser_shows_the_page_and_asks_nobody_else(server: ApiServer) -> None:
    from playwright.sync_api import sync_playwright  # type: ignore[import-not-found,unused-ignore]

    asked: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{server.url}/docs")
        page.click("#operations-events-getEvents .opblock-summary")
        page.click("#operations-events-getEvents button.execute")
        page.wait_for_selector("#operations-events-getEvents .live-responses-table")
        browser.close()
    assert complaints == []
    assert any("/api/events?" in url for url in asked)
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {
        urlsplit(server.url).netloc
    }
