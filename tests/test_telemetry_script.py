"""telemetry.js tells each thing once: seen for a second, whatever is scrolled, hidden or lost."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.support.bad_line import BadLine, Fault, bad_line
from tests.support.demo_site import (
    DemoSite,
    Town,
    Visit,
    open_demo_site,
    town,
    until,
    visit,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from asyncpg import Record
    from playwright.async_api import Browser, Page

    from tests.support.runner import Run

ENDPOINT = "/api/analytics/interactions"
TRY = "/try"

PAGE = """<!DOCTYPE html>
<title>A site of its own</title>
<style>
  body { margin: 0 } [data-event-id] { height: 300px; margin-bottom: 100px; background: #ddd }
</style>
<main></main>
<script type="module">
import { startTelemetry } from "SCRIPT";
const options = new URLSearchParams(location.search);
window.telemetry = startTelemetry({
    endpoint: "/api/analytics/interactions",
    user: options.get("user") ?? undefined,
    headers: () => window.headers,
});
window.draw = (ids) => {
    const cards = ids.map((id) => {
        const card = document.createElement("article");
        card.dataset.eventId = id;
        card.innerHTML = `<a href="#${id}">Event ${id}</a> <button>Why?</button>`;
        return card;
    });
    document.querySelector("main").replaceChildren(...cards);
    return cards;
};
window.observe = (ids, options) => {
    window.list = telemetry.observeList(draw(ids), options);
};
// Whoever observes later hears later: what this one was told, the list was told before.
window.looked = () => new Promise((told) => {
    const probe = new IntersectionObserver(
        () => { probe.disconnect(); told(); }, { threshold: 0.5 },
    );
    document.querySelectorAll("[data-event-id]").forEach((card) => probe.observe(card));
});
let state = "visible";
Object.defineProperty(document, "visibilityState", { get: () => state });
window.become = (next) => {
    state = next;
    document.dispatchEvent(new Event("visibilitychange"));
};
document.documentElement.dataset.ready = "true";
</script>
"""
"""A page that is no page of ours. Tabs cannot be hidden in a browser that tests drive: Chromium
calls them visible, so that document.visibilityState is what the test says."""

NETWORK = "Failed to load resource"
"""What Chromium's console says of each request that fails."""

Meta = dict[str, Any]


@pytest.fixture(scope="module")
def site(database_url: str, run: Run) -> Iterator[DemoSite]:
    with open_demo_site(database_url, run, worker=False) as site:
        yield site


@pytest.fixture
def places(site: DemoSite, run: Run) -> Town:
    places = town()
    run(site.write(places.world))
    return places


class Reader:
    """Somebody who looks at a page, at a time that the test lets pass."""

    def __init__(self, visit: Visit, script: str, line: BadLine) -> None:
        self.visit = visit
        self.line = line
        self.page = visit.page
        self.site = visit.site
        self._script = script

    async def open(self, page: Page | None = None, search: str = "") -> None:
        page = page or self.page
        content = PAGE.replace("SCRIPT", self._script)
        await page.route(
            f"**{TRY}*", lambda route: route.fulfill(body=content, content_type="text/html")
        )
        await page.goto(f"{self.visit.url}{TRY}{search}")
        await page.locator("html[data-ready]").wait_for(state="attached")

    async def observe(self, ids: list[int], **options: object) -> None:
        await self.page.evaluate("([ids, options]) => observe(ids, options)", [ids, options])
        await self.look()

    async def look(self) -> None:
        """Wait until the browser has said which cards are in view."""
        await self.page.evaluate("looked()")

    async def pass_time(self, seconds: float) -> None:
        await self.page.clock.run_for(round(seconds * 1000))

    async def scroll(self, top: int) -> None:
        await self.page.evaluate("top => scrollTo(0, top)", top)
        await self.look()

    async def scroll_back_and_forth(self) -> None:
        for top in (0, 5000, 0, 5000, 0):
            await self.scroll(top)
            await self.pass_time(1.2)

    async def become(self, state: str) -> None:
        await self.page.evaluate("state => become(state)", state)

    async def track(self, *arguments: object) -> None:
        """Tell something: once it is stored, all that was told before it is."""
        await self.page.evaluate("arguments => telemetry.track(...arguments)", list(arguments))

    async def stored(self, *, but: str = "search") -> list[tuple[str, int | None, Meta]]:
        """Tell one thing more, and give all that is stored when that is."""
        await self.track(but, None, {})
        await self.wait_for(lambda rows: len(rows) == 1, but)
        rows = await self.site.interactions()
        return [
            (row["interaction_type"], row["event_id"], json.loads(row["meta"] or "{}"))
            for row in rows
            if row["interaction_type"] != but
        ]

    async def wait_for(
        self, condition: Callable[[list[Record]], bool], *types: str
    ) -> list[Record]:
        """Let time pass until what is stored is so, and give it."""
        rows: list[Record] = []

        async def holds() -> bool:
            nonlocal rows
            await self.pass_time(1)
            rows = await self.site.interactions(*types)
            return condition(rows)

        await until(holds, lambda: f"stored is {[tuple(row) for row in rows]}")
        return rows

    async def is_done(self) -> bool:
        """Say whether nothing waits any more, some time later."""
        await self.pass_time(1)
        return await self.kept() == 0

    async def kept(self) -> int:
        """Count what the browser keeps until it is known to have arrived."""
        return int(await self.page.evaluate("localStorage.length"))

    async def seen(self) -> list[int]:
        """Give the events of the impressions that are stored, in their order."""
        rows = await self.stored()
        return [event for kind, event, _meta in rows if kind == "impression" and event]


class Reading(Protocol):
    """Opens a page for a reader; `complaints` are the words that its console may have."""

    def __call__(self, *, complaints: str | None = None) -> AbstractAsyncContextManager[Reader]: ...


@pytest.fixture
def reading(browser: Browser, site: DemoSite, places: Town) -> Reading:
    @asynccontextmanager
    async def read(*, complaints: str | None = None) -> AsyncIterator[Reader]:
        shell = site.server.client.get("/").text
        found = re.search(r'"(/static/[^/"]+)/', shell)
        assert found
        with bad_line(site.server.url, ENDPOINT) as line:
            async with visit(
                browser, site, student=places.ana, complaints=complaints, url=line.url
            ) as visited:
                clock = visited.page.clock
                await clock.install(time=datetime.now(UTC) - timedelta(minutes=1))
                reader = Reader(visited, f"{found[1]}/telemetry.js", line)
                await reader.open()
                await clock.pause_at(datetime.now(UTC))
                yield reader

    return read


# Impressions


def test_a_card_counts_when_half_of_it_was_in_view_for_a_second(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading() as reader:
            # Two are in view, and of the third (800 to 1100, of 844) less than half.
            await reader.observe(places.hikes[:4], source="events_list", sort="time")
            await reader.pass_time(0.9)
            await reader.scroll(900)
            await reader.pass_time(0.5)
            await reader.scroll(0)
            await reader.pass_time(0.9)
            assert await reader.kept() == 0
            await reader.pass_time(0.2)
            assert await reader.seen() == places.hikes[:2]

    run(look())


def test_what_is_sent_says_which_list_what_order_and_what_place(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading() as reader:
            await reader.observe(
                places.hikes[:2],
                source="events_list",
                sort="recommended",
                startPosition=24,
                meta={"sort_explicit": True},
            )
            await reader.pass_time(1.1)
            await reader.page.locator("a").nth(1).click()
            await reader.page.locator("button").nth(1).click()
            common = {"source": "events_list", "sort": "recommended", "sort_explicit": True}
            assert await reader.stored() == [
                ("impression", places.hikes[0], {**common, "position": 24}),
                ("impression", places.hikes[1], {**common, "position": 25}),
                ("click", places.hikes[1], {**common, "position": 25}),
            ]
            assert await reader.site.value("SELECT min(user_id) FROM event_interactions") == (
                places.ana
            )

    run(look())


def test_scrolling_up_and_down_counts_nothing_twice(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading() as reader:
            await reader.observe(places.hikes[:4], source="events_list", sort="time")
            await reader.scroll_back_and_forth()
            assert sorted(await reader.seen()) == places.hikes[:4]

    run(look())


def test_a_hidden_page_is_not_looked_at(reading: Reading, places: Town, run: Run) -> None:
    async def look() -> None:
        async with reading() as reader:
            await reader.observe(places.hikes[:1], source="events_list", sort="time")
            await reader.pass_time(0.8)
            await reader.become("hidden")
            await reader.pass_time(60)
            await reader.become("visible")
            await reader.pass_time(0.8)
            assert await reader.kept() == 0
            await reader.pass_time(0.3)
            await reader.become("hidden")
            await reader.become("visible")
            await reader.pass_time(5)
            assert await reader.seen() == places.hikes[:1]

    run(look())


def test_a_list_in_a_tab_behind_counts_when_one_looks_there(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading() as reader:
            await reader.become("hidden")
            await reader.observe(places.hikes[:1], source="events_list", sort="time")
            await reader.page.evaluate("id => { telemetry.view(id) }", places.jazz[0])
            await reader.pass_time(30)
            assert await reader.kept() == 0
            await reader.become("visible")
            await reader.pass_time(1.1)
            rows = await reader.stored()
            assert [(kind, event) for kind, event, _meta in rows] == [
                ("view", places.jazz[0]),
                ("impression", places.hikes[0]),
            ]

    run(look())


def test_the_same_list_counts_once_in_all_its_pages_and_another_one_anew(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading() as reader:
            for name in ("first", "first", "second"):
                await reader.open()
                await reader.observe(places.hikes[:2], list=name, source="x", sort="time")
                await reader.pass_time(1.1)
            assert await reader.seen() == [*places.hikes[:2], *places.hikes[:2]]

    run(look())


def test_a_list_that_changes_counts_what_is_new_in_it(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading() as reader:
            await reader.observe(places.hikes[:2], source="x", sort="time")
            await reader.pass_time(1.1)
            await reader.page.evaluate(
                "ids => list.update(draw(ids))", [places.hikes[2], places.hikes[0]]
            )
            await reader.look()
            await reader.pass_time(1.1)
            rows = await reader.stored()
            assert [(event, meta["position"]) for _type, event, meta in rows] == [
                (places.hikes[0], 0),
                (places.hikes[1], 1),
                (places.hikes[2], 0),
            ]

    run(look())


# Dwell


def test_dwell_is_the_time_a_page_could_be_seen(reading: Reading, places: Town, run: Run) -> None:
    async def look() -> None:
        async with reading() as reader:
            await reader.page.evaluate("id => { telemetry.view(id) }", places.jazz[0])
            await reader.pass_time(5)
            await reader.become("hidden")
            await reader.pass_time(600)
            await reader.become("visible")
            await reader.pass_time(2.5)
            await reader.become("hidden")
            await reader.open()
            rows = await reader.stored()
            assert [(kind, event) for kind, event, _meta in rows] == [
                ("view", places.jazz[0]),
                ("dwell", places.jazz[0]),
            ]
            assert rows[1][2] == {"seconds": 7.5}

    run(look())


def test_a_page_that_stays_in_the_background_is_told_of_by_another_one(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading() as reader:
            other = await reader.visit.context.new_page()
            reader.visit.watch(other)
            await reader.open(other)
            await other.evaluate("id => { telemetry.view(id) }", places.jazz[0])
            await reader.pass_time(4)
            await other.evaluate("become('hidden')")
            await reader.pass_time(60)
            assert await reader.site.interactions("dwell") == []
            # A phone may have ended it by then.
            await reader.pass_time(1800)
            await reader.track("filter", None, {})
            await reader.pass_time(2)
            rows = await reader.wait_for(lambda rows: len(rows) == 1, "dwell")
            assert json.loads(rows[0]["meta"]) == {"seconds": 4}
            # Should it come back after all, only what follows is told.
            await other.evaluate("become('visible')")
            await reader.pass_time(3)
            await other.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
            await reader.pass_time(2)
            rows = await reader.wait_for(lambda rows: len(rows) == 2, "dwell")
            assert json.loads(rows[1]["meta"]) == {"seconds": 3}

    run(look())


def test_a_page_out_of_the_back_forward_cache_is_looked_at_a_second_time(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading() as reader:
            await reader.page.evaluate("id => { telemetry.view(id) }", places.jazz[0])
            await reader.pass_time(3)
            await reader.page.evaluate(
                """() => {
                    dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
                    become("hidden");
                }"""
            )
            await reader.pass_time(100)
            await reader.page.evaluate(
                """() => {
                    become("visible");
                    dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
                }"""
            )
            await reader.pass_time(2)
            await reader.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
            rows = await reader.stored()
            assert [(kind, meta.get("seconds")) for kind, _event, meta in rows] == [
                ("view", None),
                ("dwell", 3),
                ("view", None),
                ("dwell", 2),
            ]

    run(look())


# Sending


@pytest.mark.parametrize("fault", Fault)
def test_what_was_not_answered_is_sent_again_and_stored_once(
    reading: Reading, places: Town, run: Run, fault: Fault
) -> None:
    async def look() -> None:
        async with reading(complaints=NETWORK) as reader:
            reader.line.faults = [fault, fault]
            await reader.observe(places.hikes[:2], source="x", sort="time")
            await reader.pass_time(1.1)
            await reader.track("search", None, {})
            await until(reader.is_done)
            assert reader.line.faults == []
            assert [
                (row["interaction_type"], row["event_id"])
                for row in await reader.site.interactions()
            ] == [
                ("impression", places.hikes[0]),
                ("impression", places.hikes[1]),
                ("search", None),
            ]

    run(look())


def test_many_at_once_that_fail_are_sent_again_without_anything_that_follows(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading(complaints=NETWORK) as reader:
            reader.line.faults = [Fault.NO_REQUEST, Fault.NO_ANSWER, Fault.UNAVAILABLE]
            await reader.page.evaluate(
                "id => { for (let n = 0; n < 30; n++) telemetry.share(id, { n }) }", places.jazz[0]
            )
            await until(reader.is_done)
            assert len(await reader.site.interactions("share")) == 30

    run(look())


def test_who_is_asked_to_wait_waits(reading: Reading, places: Town, run: Run) -> None:
    async def look() -> None:
        async with reading(complaints=NETWORK) as reader:
            reader.line.faults = [Fault.TOO_MANY]
            async with reader.page.expect_response(f"**{ENDPOINT}"):
                await reader.track("share", places.jazz[0], None)
                await reader.pass_time(1.1)
            await reader.page.evaluate("telemetry.flush()")
            for _ in range(5):
                await reader.pass_time(1)
            # Not even on leaving.
            await reader.become("hidden")
            await reader.become("visible")
            assert await reader.site.interactions() == []
            assert [event for _type, event, _meta in await reader.stored()] == [places.jazz[0]]

    run(look())


def test_what_could_not_be_sent_is_sent_by_the_next_page_of_the_same_user(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading(complaints=NETWORK) as reader:
            await reader.open(search="?user=ana")
            reader.line.is_down = True
            await reader.track("share", places.jazz[0], None)
            async with reader.page.expect_event("requestfailed"):
                await reader.pass_time(1.1)
            await reader.open(search="?user=bob")
            reader.line.is_down = False
            await reader.pass_time(60)
            await reader.track("favorite", places.jazz[0], None)
            await reader.wait_for(lambda rows: len(rows) == 1, "favorite")
            assert await reader.site.interactions("share") == []
            await reader.open(search="?user=ana")
            await reader.wait_for(lambda rows: len(rows) == 1, "share")

    run(look())


def test_what_could_not_be_sent_is_sent_by_a_page_where_nothing_is_done(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading(complaints=NETWORK) as reader:
            reader.line.is_down = True
            await reader.track("share", places.jazz[0], None)
            async with reader.page.expect_event("requestfailed"):
                await reader.pass_time(1.1)
            await reader.open()
            reader.line.is_down = False
            await reader.pass_time(5)
            assert await reader.site.interactions("share") == []
            await reader.wait_for(lambda rows: len(rows) == 1, "share")

    run(look())


def test_nothing_is_sent_while_there_are_no_headers_for_it(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading() as reader:
            await reader.page.evaluate("window.headers = null")
            await reader.track("share", places.jazz[0], None)
            await reader.pass_time(30)
            await reader.become("hidden")
            await reader.become("visible")
            assert not any(ENDPOINT in url for url in reader.visit.asked)
            assert await reader.kept() == 1
            await reader.page.evaluate("window.headers = {}")
            await reader.wait_for(lambda rows: len(rows) == 1, "share")

    run(look())


def test_a_page_that_is_left_at_once_has_told_all(reading: Reading, places: Town, run: Run) -> None:
    async def look() -> None:
        async with reading() as reader:
            await reader.track("click", places.jazz[0], {"position": 0})
            await reader.page.goto(f"{reader.visit.url}/healthz")
            rows = await reader.wait_for(lambda rows: len(rows) == 1)
            assert rows[0]["user_id"] == places.ana

    run(look())


def test_two_tabs_lose_nothing_and_count_nothing_twice(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading(complaints=NETWORK) as reader:
            other = await reader.visit.context.new_page()
            reader.visit.watch(other)
            await reader.open(other)
            reader.line.is_down = True
            await reader.track("share", places.jazz[0], None)
            await other.evaluate("id => telemetry.share(id)", places.jazz[1])
            await reader.pass_time(20)
            assert await reader.kept() == 2
            reader.line.is_down = False
            await reader.pass_time(120)
            rows = await reader.wait_for(lambda rows: len(rows) >= 2, "share")
            assert sorted(row["event_id"] for row in rows) == places.jazz[:2]
            # Both have sent both by now, or have seen that the other one has.
            await reader.pass_time(120)
            assert len(await reader.stored()) == 2
            await until(reader.is_done)

    run(look())


def test_one_that_is_refused_takes_no_other_along_and_is_not_sent_for_ever(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading(complaints="422") as reader:
            await reader.track("share", places.jazz[0], None)
            await reader.track("nonsense", places.jazz[0], None)
            await reader.track("share", places.jazz[1], None)
            await reader.pass_time(1.1)
            await until(lambda: reader.page.evaluate("localStorage.length === 2"))
            await reader.pass_time(1.1)
            assert [event for _type, event, _meta in await reader.stored()] == places.jazz[:2]
            assert any("telemetry: 422" in text for text in reader.visit.complaints)
            await until(reader.is_done)

    run(look())


def test_what_waits_is_bounded_and_the_newest_stay(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading(complaints=NETWORK) as reader:
            reader.line.is_down = True
            for _ in range(2):
                await reader.page.evaluate(
                    "id => { for (let n = 0; n < 300; n++) telemetry.share(id, { n }) }",
                    places.jazz[0],
                )
                await reader.pass_time(0.1)
            assert await reader.kept() == 500
            reader.line.is_down = False
            await reader.pass_time(70)
            await until(reader.is_done)
            rows = await reader.stored()
            assert len(rows) == 500
            assert {meta["n"] for _type, _event, meta in rows} >= set(range(300))

    run(look())


def test_it_works_where_nothing_can_be_stored_and_the_page_came_by_plain_http(
    reading: Reading, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with reading() as reader:
            await reader.page.add_init_script(
                """for (const name of ["localStorage", "sessionStorage"]) {
                    const get = () => { throw new DOMException("not here"); };
                    Object.defineProperty(window, name, { get });
                }
                crypto.randomUUID = undefined;"""
            )
            await reader.open()
            await reader.observe(places.hikes[:2], source="x", sort="time")
            await reader.pass_time(1.1)
            assert await reader.seen() == places.hikes[:2]

    run(look())
