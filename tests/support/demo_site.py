"""The demo as its visitors have it: a server, a worker, a lively world, and a browser to look."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.database import connect
from tests.support.api_server import ApiServer, serve
from tests.support.worker import working
from tests.support.worlds import AS_OF, World, days

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from asyncpg import Connection, Record
    from playwright.async_api import Browser, BrowserContext, Page

    from tests.support.runner import Run

SECONDS = 30
"""The bound of whatever is waited for; nothing takes nearly as long."""

LIVELY = {
    "DEMO_MODE": "true",
    "TASK_QUEUE_ENABLED": "true",
    "TASK_QUEUE_POLL_INTERVAL_SECONDS": "0.2",
    "RECOMMENDATIONS_ONLINE_LEARNING_ENABLED": "true",
    "RECOMMENDATIONS_REALTIME_REFRESH_ENABLED": "true",
    "RECOMMENDATIONS_REALTIME_REFRESH_MIN_INTERVAL_SECONDS": "0",
    "ANALYTICS_RATE_LIMIT": "10000",
}

TO_THE_PRESENT = """
UPDATE public.events SET
    start_time = start_time + (date_trunc('hour', now()) - $1::timestamptz),
    end_time = end_time + (date_trunc('hour', now()) - $1::timestamptz),
    created_at = created_at + (date_trunc('hour', now()) - $1::timestamptz),
    publish_at = publish_at + (date_trunc('hour', now()) - $1::timestamptz)
"""

INTERACTIONS = """
SELECT i.interaction_type, i.event_id, i.user_id, i.meta::text AS meta
FROM public.event_interactions AS i
ORDER BY i.occurred_at, i.id
"""


@dataclass
class DemoSite:
    """A server in demo mode on a database whose worlds stand in the present."""

    server: ApiServer
    connection: Connection[Record]
    has_worker: bool

    async def write(self, world: World) -> None:
        """Make this world all there is, moved to now, with a list for each student."""
        if self.has_worker:
            await until(self._is_idle)
        await world.write(self.connection)
        await self.connection.execute(TO_THE_PRESENT, AS_OF)
        await self.connection.execute("SELECT recommender.refresh_features()")
        await self.connection.execute("CALL recommender.score_all(50)")

    async def _is_idle(self) -> bool:
        """Say whether no job waits or runs: it would be in the way of a TRUNCATE."""
        return not await self.value(
            "SELECT count(*) FROM background_jobs WHERE status IN ('queued', 'running')"
        )

    async def value(self, sql: str, *arguments: object) -> Any:
        return await self.connection.fetchval(sql, *arguments)

    async def interactions(self, *types: str) -> list[Record]:
        """Give what is stored, oldest first; of all types, or of these."""
        rows = await self.connection.fetch(INTERACTIONS)
        return [row for row in rows if not types or row["interaction_type"] in types]


async def until(
    condition: Callable[[], Awaitable[bool]], what: Callable[[], str] = lambda: "it never was so"
) -> None:
    """Wait for a condition, within bounds."""
    deadline = time.monotonic() + SECONDS
    while not await condition():
        assert time.monotonic() < deadline, what()
        await asyncio.sleep(0.05)


@contextmanager
def open_demo_site(database_url: str, run: Run, *, worker: bool) -> Iterator[DemoSite]:
    """Start the server, and the worker where lists are to follow what students do."""
    connection = run(connect(database_url))
    try:
        with (
            serve(database_url, **LIVELY) as server,
            working(database_url, **LIVELY) if worker else nullcontext(),
        ):
            yield DemoSite(server, connection, worker)
    finally:
        run(connection.close())


@dataclass
class Visit:
    """A page that somebody has open, what it asked for and what it complained of."""

    page: Page
    context: BrowserContext
    site: DemoSite
    url: str
    """Where the browser finds the site."""
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Hear what a page asks for and complains of."""
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def open(self, path: str) -> None:
        """Go to a page, and wait until it shows what it has to show."""
        await self.page.goto(f"{self.url}{path}")
        await self.shown()

    async def shown(self) -> None:
        """Wait until the page says that it shows what it has to show."""
        await self.page.locator("html[data-ready]").wait_for(state="attached")

    async def back(self) -> None:
        """Press the browser's button; Playwright's own waits for ever for a page that was kept."""
        await self._step("back")

    async def forward(self) -> None:
        await self._step("forward")

    async def _step(self, way: str) -> None:
        before = await self.page.evaluate("performance.timeOrigin + location.href")
        await self.page.evaluate(f"setTimeout(() => history.{way}())")
        await self.page.wait_for_function(
            "before => performance.timeOrigin + location.href !== before", arg=before
        )

    async def sign_in(self, student: int) -> None:
        answer = await self.context.request.post(
            f"{self.url}/api/demo/session",
            data={"user_id": student},
            headers={"Origin": self.url, "Sec-Fetch-Site": "same-origin"},
        )
        assert answer.status == 200, await answer.text()


@asynccontextmanager
async def visit(
    browser: Browser,
    site: DemoSite,
    *,
    student: int | None = None,
    width: int = 1280,
    complaints: str | None = None,
    url: str | None = None,
) -> AsyncIterator[Visit]:
    """Open a browser window of its own; in the end see that all it asked for came from the server.

    Nothing may be complained of, but what has these words in it.
    """
    context = await browser.new_context(viewport={"width": width, "height": 844}, locale="en-GB")
    context.set_default_timeout(SECONDS * 1000)
    page = await context.new_page()
    visit = Visit(page, context, site, url or site.server.url)
    visit.watch(page)
    if student is not None:
        await visit.sign_in(student)
    try:
        yield visit
    finally:
        # What pages tell on being left is on its way before the next test begins.
        for open_page in context.pages:
            await open_page.goto("about:blank")
        await context.close()
    unexpected = [text for text in visit.complaints if not complaints or complaints not in text]
    assert not unexpected, unexpected
    elsewhere = [url for url in visit.asked if urlsplit(url).netloc != urlsplit(visit.url).netloc]
    assert not elsewhere, elsewhere


@dataclass(frozen=True)
class Town:
    """A small world to look around in, and what is in it."""

    world: World
    ana: int
    bob: int
    jazz: list[int]
    chess: list[int]
    hikes: list[int]
    small: int
    """An event with a single seat."""
    chess_guild: int


def town() -> Town:
    """Write a world where Ana likes jazz, and each click shows: whatever overlaps comes first."""
    world = World()
    jazz_society = world.organizer("Jazz Society")
    outdoors = world.organizer("Outdoors Network")
    chess_guild = world.organizer("Chess Guild")
    ana = world.student(full_name="Ana Popescu", city="Cluj-Napoca", interests=["jazz"])
    bob = world.student(full_name="Bob Ionescu", city="Sibiu", interests=["chess"])
    jazz = [
        world.event(
            jazz_society,
            title=f"Jazz evening {number}",
            tags=["jazz"],
            category="Music",
            city="Cluj-Napoca",
            max_seats=20,
            starts=days(10 + number),
            description="A quartet, and whoever brings an instrument.",
        )
        for number in range(1, 4)
    ]
    hikes = [
        world.event(
            outdoors,
            title=f"Hike {number}",
            tags=["hiking", "mountains"],
            category="Outdoors",
            city="Brașov",
            starts=days(20 + number),
        )
        for number in range(1, 13)
    ]
    chess = [
        world.event(
            chess_guild,
            title=f"Chess night {number}",
            tags=["chess"],
            category="Games",
            city="Iași",
            starts=days(1 + number),
        )
        for number in range(1, 5)
    ]
    small = world.event(
        jazz_society,
        title="A lesson for one",
        tags=["lessons"],
        category="Music",
        city="Sibiu",
        max_seats=1,
        starts=days(6),
    )
    # bias, interests, history, city, category, organizer
    world.model(-1.0, 4.0, 0.5, 0.3, 0.5, 0.1)
    return Town(world, ana, bob, jazz, chess, hikes, small, chess_guild)
