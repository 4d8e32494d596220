"""Chromium as the tests drive it: pages that load from here alone and complain of nothing."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.async_api import async_playwright

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from playwright.async_api import Browser, BrowserContext, Page, Response

    from tests.support.runner import Run

CHROMIUM = shutil.which("chromium")
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"]
"""Root may have no sandbox, and a container little shared memory."""

TIMEOUT_MILLISECONDS = 20_000
"""The bound of a page gone wrong; nothing takes nearly as long."""

OWN = {"Sec-Fetch-Site": "same-origin"}
"""What a browser says of a request that a page of the server itself sends."""

CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const parsed = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], [R, G, B]) => [
        r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a),
    ];
    const light = (rgb) => {
        const [r, g, b] = rgb.map((one) => one / 255).map(
            (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (node) => {
        const layers = [];
        for (let one = node; one; one = one.parentElement) {
            const color = parsed(getComputedStyle(one).backgroundColor);
            layers.push(color);
            if (color[3] === 1) break;
        }
        return layers.reverse().reduce((below, color) => over(color, below), [255, 255, 255]);
    };
    const poor = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !node.checkVisibility({
            opacityProperty: true, visibilityProperty: true }) || node.closest(":disabled")
            || node.closest(".for-readers, .skip, option, .barlayer, .waterfalllayer")) continue;
        const style = getComputedStyle(node);
        const isDrawn = node instanceof SVGElement;
        const below = ground(isDrawn ? node.closest("div") : node);
        const color = parsed(isDrawn ? style.fill : style.color);
        const [one, other] = [light(over(color, below)), light(below)];
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        const size = parseFloat(style.fontSize);
        const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        if (ratio < (isLarge ? 3 : 4.5)) {
            poor.push(`${ratio.toFixed(2)}: ${walker.currentNode.data.trim().slice(0, 40)}`);
        }
    }
    return [...new Set(poor)];
}"""
"""The texts of a page that WCAG's AA finds too faint, with their ratios."""

NAMELESS = """() => [...document.querySelectorAll("button, input, select, textarea, a, dialog")]
    .filter((one) => one.checkVisibility())
    .filter((one) => {
        const labels = [...one.labels ?? []].map((label) => label.textContent);
        const named = (one.getAttribute("aria-labelledby") ?? "").split(" ").map(
            (id) => document.getElementById(id)?.textContent ?? "");
        return ![one.getAttribute("aria-label"), one.textContent, ...labels, ...named].some(
            (name) => name?.trim());
    })
    .map((one) => one.outerHTML.slice(0, 120))"""
"""What may be used on a page and has no name to say."""

LEAPS = """() => {
    const headings = [...document.querySelectorAll("h1, h2, h3, h4")].filter(
        (one) => one.checkVisibility());
    const level = (one) => Number(one?.localName[1] ?? 0);
    return headings.filter((one, place) => level(one) > level(headings[place - 1]) + 1)
        .map((one) => one.outerHTML.slice(0, 120));
}"""
"""Headings that are more than one level below the one before."""


@dataclass
class Visit:
    """A page that is open in a browser, and all that it asked for and complained of."""

    page: Page
    context: BrowserContext
    url: str
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)

    async def open(self, path: str) -> None:
        """Go to a page, and wait until it shows what it has to show."""
        await self.page.goto(self.url + path)
        await self.until_ready()

    async def until_ready(self) -> None:
        await self.page.wait_for_selector("html[data-ready]", state="attached")

    async def width(self) -> int:
        """How wide the page is; more than the screen is a page that has to be pushed about."""
        return int(await self.page.evaluate("document.documentElement.scrollWidth"))

    async def weight(self, *left_out: str) -> int:
        """Bytes of everything that was loaded so far, unpacked, but for what is left out."""
        total = 0
        for answer in self.answers:
            if answer.ok and not answer.url.endswith(left_out):
                total += len(await answer.body())
        return total


@asynccontextmanager
async def visiting(
    browser: Browser,
    url: str,
    *,
    width: int = 1280,
    scheme: str = "light",
    allowed: Sequence[str] = (),
) -> AsyncIterator[Visit]:
    """Open a browser's window, and see in the end that nothing was wrong with what it showed.

    `allowed` are parts of complaints that belong to what is tested, such as an answer of 401.
    """
    context = await browser.new_context(
        viewport={"width": width, "height": 844},
        color_scheme=scheme,  # type: ignore[arg-type]
        locale="en-GB",
        timezone_id="UTC",
    )
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    page = await context.new_page()
    visit = Visit(page, context, url)
    page.on("request", lambda request: visit.asked.append(request.url))
    page.on("response", lambda answer: visit.answers.append(answer))  # noqa: PLW0108
    page.on("console", lambda message: visit.complaints.append(message.text))
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    try:
        yield visit
    finally:
        await context.close()
    assert [one for one in visit.complaints if not any(part in one for part in allowed)] == []
    assert {urlsplit(one).netloc for one in visit.asked if not one.startswith("data:")} <= {
        urlsplit(url).netloc
    }


@contextmanager
def open_browser(run: Run) -> Iterator[Browser]:
    """Start Chromium; where it is not installed, the test that asks is skipped."""
    if not CHROMIUM:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    playwright = run(async_playwright().start())
    try:
        browser = run(
            playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=CHROMIUM_ARGUMENTS,
                # People's browsers have it, and it is where dwell may be counted twice.
                ignore_default_args=["--disable-back-forward-cache"],
            )
        )
        try:
            yield browser
        finally:
            run(browser.close())
    finally:
        run(playwright.stop())
