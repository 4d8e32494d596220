"""The desk's pages in Chromium, on a real server and worker: what an admin sees and does there."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import pytest

from app.web.pages import DESK_PAGES
from tests.support.api_server import serve, token
from tests.support.browser import CONTRAST, LEAPS, NAMELESS, OWN, Visit, visiting
from tests.support.site import Site, open_site
from tests.support.worker import working
from tests.support.worlds import AS_OF, FEATURES, World, days, hours

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from playwright.async_api import Browser, Locator, Response, Route

    from tests.support.runner import Run

ADMIN = "/api/admin/personalization"
BOSS, ANA, BEN, CLUB = 1, 2, 3, 4
JAZZ, ROCK, POEMS, CHESS = 1, 2, 3, 4
TITLES = {JAZZ: "Jazz night", ROCK: "Rock night", POEMS: "Poems", CHESS: "Chess <b>club</b>"}

ALL_PAGES = [page.path.format(id=ANA) for page in DESK_PAGES]
SEEN_PAGES = [path for path in ALL_PAGES if path != "/desk/sign-in"]

NO_SESSION = "401 (Unauthorized)"
"""What Chromium itself writes of such an answer."""

OLD_WEIGHTS = (-1.5, 0.2, 0.1, 0.2, 0.1, 0.0, 2.0, -0.1)
NEW_WEIGHTS = (-1.0, 3.0, 1.0, 0.5, 0.8, 0.2, 0.1, -0.3)
META = {
    "recipe": "windows",
    "loss": 0.48,
    "held_out_loss": 0.467,
    "hitrate_at_10": 0.526,
    "chance_at_10": 0.202,
    "examples": {"positive": 1145, "negative": 3435},
    "standard_errors": {name: 0.05 * (place + 1) for place, name in enumerate(FEATURES)},
    "against_popularity": {"low": 0.18, "high": 0.53, "difference": 0.36, "students": 64},
}
ACTIVATED = """
INSERT INTO model_activations (
    model_version, previous_version, kind, activated_by, activated_at
)
VALUES
    ('m-old', NULL, 'training', 'worker', $1::timestamptz - interval '5 days'),
    ('m-new', 'm-old', 'training', 'worker', $1::timestamptz - interval '2 days')
"""
FAILED = """
INSERT INTO background_jobs (
    job_type, payload, status, attempts, last_error, run_at, created_at, finished_at
)
VALUES (
    'refresh_user_recommendations_ml', '{"user_id": 2, "top_n": 50, "skip_training": true}',
    'failed', 3, 'canceling statement due to lock timeout: ' || repeat('while locking ', 20),
    $1, $1, $1
)
RETURNING id
"""


@pytest.fixture(scope="module")
def opened(database_url: str, run: Run) -> Iterator[Site]:
    with open_site(database_url, run, DEMO_MODE="true") as site:
        yield site


def people() -> World:
    world = World()
    assert world.student(role="admin", full_name="Ada Admin") == BOSS
    assert world.student(full_name="Ana Pop", city="Cluj", interests=["jazz"]) == ANA
    assert world.student(full_name="Ben Ionescu", interests=["chess"]) == BEN
    assert world.organizer("Open Studio") == CLUB
    return world


@pytest.fixture
def site(opened: Site) -> Site:
    """A small town: two models, lists, a week of traffic that the model does well with."""
    world = people()
    for event, tag in ((JAZZ, "jazz"), (ROCK, "rock"), (POEMS, "poetry"), (CHESS, "chess")):
        assert event == world.event(
            CLUB, tags=[tag], title=TITLES[event], city="Cluj", starts=days(3 + event)
        )
    world.model(*OLD_WEIGHTS, version="m-old", is_active=False)
    world.model(*NEW_WEIGHTS, version="m-new")
    world.recommend(ANA, JAZZ, ROCK, POEMS, CHESS, at=-hours(2), version="m-new")
    world.recommend(BEN, CHESS, JAZZ, at=-hours(30), version="m-old")
    world.like_category(ANA, "music", 4, seen=-days(2))
    for day in range(6):
        for sort, clicked in (("recommended", 4), ("time", 2)):
            meta = {"source": "events_list", "sort": sort}
            for shown in range(10):
                at = -days(day) - hours(1 + shown / 10)
                world.interact(ANA, "impression", JAZZ, at=at, meta=meta)
                if shown < clicked:
                    world.interact(ANA, "click", JAZZ, at=at, meta=meta)
    opened.write(world)
    opened.execute("UPDATE recommender_models SET meta = $1::jsonb", json.dumps(META))
    opened.execute(ACTIVATED, AS_OF)
    opened.set(task_queue_enabled="true", personalization_guardrails_min_impressions=20)
    return opened


@pytest.fixture
def empty(opened: Site) -> Site:
    """Nobody but an admin, and nothing else."""
    world = World()
    assert world.student(role="admin") == BOSS
    opened.write(world)
    return opened


@asynccontextmanager
async def desk(
    browser: Browser,
    site: Site,
    path: str = "/desk",
    *,
    user: int = BOSS,
    **options: Any,
) -> AsyncIterator[Visit]:
    """Sit down at the desk, signed in, with a page open."""
    async with visiting(browser, site.server.url, **options) as visit:
        await sign_in(visit, user)
        await visit.open(path)
        yield visit


async def sign_in(visit: Visit, user: int = BOSS, expires_in: float = 3600) -> None:
    answer = await visit.context.request.post(
        f"{visit.url}/api/admin/session",
        data={"token": token(user, expires_in=expires_in)},
        headers=OWN,
    )
    assert answer.ok, await answer.text()


async def texts(found: Locator) -> list[str]:
    """What these say, with blanks as a reader takes them."""
    return [re.sub(r"\s+", " ", one).strip() for one in await found.all_inner_texts()]


async def text(found: Locator) -> str:
    (said,) = await texts(found)
    return said


async def table_of(figure: Locator) -> list[list[str]]:
    """A chart's numbers, as its table has them."""
    await figure.get_by_role("button", name="Show as table").click()
    rows = figure.locator("tbody tr")
    return [await texts(row.locator("th, td")) for row in await rows.all()]


def percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f} %"


# Signing in


def test_a_token_of_an_admin_opens_the_page_one_came_for(
    browser: Browser, site: Site, run: Run
) -> None:
    async def look() -> None:
        allowed = [NO_SESSION, "403 (Forbidden)"]
        async with visiting(browser, site.server.url, allowed=allowed) as visit:
            page = visit.page
            await page.goto(f"{visit.url}/desk/quality?days=30")
            await page.wait_for_url("**/desk/sign-in?**")
            await visit.until_ready()
            alert = page.get_by_role("alert")
            for given, said in (
                ("nonsense", "the token is malformed"),
                (token(BOSS, expires_in=-90), "the token has expired"),
                (token(ANA), "this is for admins, and the account's role is student"),
            ):
                await page.get_by_label("Token").fill(given)
                await page.get_by_role("button", name="Sign in", exact=True).click()
                await alert.filter(has_text=said).wait_for()
            # By keyboard, and with the blanks that copying brings.
            await page.get_by_label("Token").fill(f"  {token(BOSS)}\n")
            await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**/desk/quality?days=30")
            await visit.until_ready()
            assert "Ada Admin" in await text(page.locator("header .who"))
            await page.get_by_role("button", name="Sign out").click()
            await page.wait_for_url("**/desk/sign-in")
            assert [one["name"] for one in await visit.context.cookies()] == []
            # Nor does the browser bring back what it keeps of the page.
            await page.go_back()
            await page.wait_for_url("**/desk/sign-in?**")

    run(look())


def test_in_the_demo_no_token_is_needed(browser: Browser, site: Site, run: Run) -> None:
    async def look() -> None:
        async with visiting(browser, site.server.url) as visit:
            await visit.open("/desk/sign-in")
            await visit.page.get_by_role("button", name="Sign in as the demo's admin").click()
            await visit.page.wait_for_url("**/desk")
            await visit.until_ready()
            assert "Ada Admin" in await text(visit.page.locator("header .who"))

    run(look())


def test_where_students_are_real_there_is_no_such_button(
    browser: Browser, site: Site, database_url: str, run: Run
) -> None:
    async def look(url: str) -> int:
        async with visiting(browser, url) as visit:
            await visit.open("/desk/sign-in")
            return await visit.page.get_by_role("button", name="demo").count()

    with serve(database_url) as server:
        assert run(look(server.url)) == 0


@pytest.mark.parametrize(
    "where",
    [
        "https://elsewhere.example/desk",
        "//elsewhere.example/desk",
        "/\\elsewhere.example/desk",
        "javascript:alert(1)",
        "/deskelsewhere",
        "/desk/sign-in",
        "",
    ],
)
def test_signing_in_leads_nowhere_but_to_the_desk(
    browser: Browser, site: Site, run: Run, where: str
) -> None:
    async def look() -> None:
        async with visiting(browser, site.server.url) as visit:
            page = visit.page
            await page.goto(f"{visit.url}/desk/sign-in")
            await page.evaluate(
                "where => history.replaceState(null, '', '?next=' + encodeURIComponent(where))",
                where,
            )
            await page.reload()
            await visit.until_ready()
            await page.get_by_role("button", name="demo").click()
            await page.wait_for_url(f"{visit.url}/desk")

    run(look())


def test_a_session_that_ends_leads_to_signing_in_and_back(
    browser: Browser, site: Site, run: Run
) -> None:
    async def look() -> None:
        async with visiting(browser, site.server.url, allowed=[NO_SESSION]) as visit:
            page = visit.page
            await sign_in(visit, expires_in=4)
            await page.goto(f"{visit.url}/desk/jobs")
            # Nobody touches anything.
            await page.wait_for_url("**/desk/sign-in?**why=ended")
            await visit.until_ready()
            assert "session is over" in await text(page.get_by_role("status").first)
            await page.get_by_role("button", name="demo").click()
            await page.wait_for_url("**/desk/jobs")
            await visit.until_ready()
            # It may also end elsewhere: what is asked next finds out.
            await visit.context.clear_cookies()
            await page.get_by_role("button", name="Refresh").click()
            await page.wait_for_url("**/desk/sign-in?**")

    run(look())


def test_a_wrong_clock_ends_no_session(browser: Browser, site: Site, run: Run) -> None:
    async def look() -> None:
        async with visiting(browser, site.server.url) as visit:
            await sign_in(visit)
            await visit.page.clock.set_fixed_time(AS_OF + days(36500))
            # Asked again, since by this clock it is over; and nobody is led away.
            asked = []

            def is_second(answer: Response) -> bool:
                asked.extend([answer.status] if answer.url.endswith("/session") else [])
                return len(asked) == 2

            async with visit.page.expect_response(is_second):
                await visit.open("/desk/jobs")
            assert asked == [200, 200]
            assert await visit.page.get_by_role("heading", name="Schedule").count() == 1
            assert visit.page.url.endswith("/desk/jobs")

    run(look())


def test_who_is_no_admin_any_more_is_told_so(browser: Browser, site: Site, run: Run) -> None:
    async def look() -> None:
        async with desk(browser, site, allowed=["403 (Forbidden)"]) as visit:
            await site.connection.execute("UPDATE users SET role = 'student' WHERE id = $1", BOSS)
            await visit.page.reload()
            alert = visit.page.get_by_role("alert")
            await alert.wait_for()
            assert "The desk is for admins" in await text(alert)
            await alert.get_by_role("link", name="Sign in as somebody else").click()
            await visit.page.wait_for_url("**/desk/sign-in")

    run(look())


# Every page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_can_be_read_and_say_what_can_be_used(
    browser: Browser, site: Site, run: Run, width: int, scheme: str
) -> None:
    site.execute(FAILED, AS_OF)
    site.execute("SELECT recommender.evaluate_guardrails('{}')")

    async def look() -> None:
        async with desk(browser, site, width=width, scheme=scheme) as visit:
            for path in ALL_PAGES:
                await visit.open(path)
                assert await visit.width() == width, path
                assert await visit.page.evaluate(CONTRAST) == [], path
                assert await visit.page.evaluate(NAMELESS) == [], path
                assert await visit.page.evaluate(LEAPS) == [], path
                assert await visit.page.locator("h1").count() == 1

    run(look())


@pytest.mark.parametrize("path", ALL_PAGES)
def test_a_page_is_light_apart_from_the_chart_library(
    browser: Browser, site: Site, run: Run, path: str
) -> None:
    async def look() -> tuple[int, bool]:
        async with visiting(browser, site.server.url) as visit:
            await sign_in(visit)
            await visit.open(path)
            charts = any(one.endswith("plotly.min.js") for one in visit.asked)
            return await visit.weight("plotly.min.js"), charts

    weight, has_charts = run(look())
    assert 1000 < weight < 300_000
    # The library is not for pages without a chart.
    without = ("/desk/jobs", "/desk/students", "/desk/sign-in", f"/desk/students/{ANA}")
    assert has_charts is (path not in without)


def test_an_empty_database_says_what_to_do(browser: Browser, empty: Site, run: Run) -> None:
    async def look() -> None:
        async with desk(browser, empty) as visit:
            page = visit.page
            assert "There are no students" in await text(page.locator(".do-first"))
            for path, said in (
                ("/desk/quality", "Nobody was shown the events list in these days"),
                ("/desk/models", "There is no model yet"),
                ("/desk/guardrails", "Nothing was evaluated yet"),
                ("/desk/jobs", "No job waits or runs"),
                ("/desk/students", "There are no students"),
            ):
                await visit.open(path)
                shown = await texts(page.locator(".empty:visible"))
                assert any(one.startswith(said) for one in shown), (path, shown)
            await visit.open("/desk")
            ages = page.get_by_role("figure", name="How old the lists are")
            assert await ages.locator(".ytick text").all_text_contents() == ["0", "1"]
            await visit.open("/desk/jobs")
            assert "The queue is switched off" in await text(page.locator(".note.warn"))
            await visit.open("/desk/guardrails")
            assert "switched off" in await text(page.locator(".note.warn"))

    run(look())


def test_a_student_without_a_model_or_a_list(browser: Browser, empty: Site, run: Run) -> None:
    world = people()
    world.event(CLUB, title="Open day")
    empty.write(world)

    async def look() -> None:
        async with desk(browser, empty, f"/desk/students/{BEN}") as visit:
            page = visit.page
            assert "none yet" in await text(page.locator(".facts"))
            assert "no model whose weights" in await text(page.locator("#what-if .empty"))
            row = page.locator("li[data-event]")
            await row.get_by_role("button").click()
            await row.locator(".checks li").first.wait_for()
            assert "No score: " in await text(row.locator(".note"))

    run(look())


def test_a_server_that_is_away_is_told_and_tried_again(
    browser: Browser, site: Site, run: Run
) -> None:
    async def look() -> None:
        async with desk(browser, site, allowed=["net::ERR_INTERNET_DISCONNECTED"]) as visit:
            page = visit.page
            await visit.context.set_offline(True)
            await page.get_by_role("button", name="Refresh").click()
            await page.get_by_text("Not refreshed, shown as of").wait_for()
            # What was there stays.
            assert await page.locator(".tile").count() == 4
            await visit.context.set_offline(False)
            await page.get_by_role("button", name="Refresh").click()
            await page.get_by_text("Not refreshed").wait_for(state="hidden")

    run(look())


def test_a_page_that_does_not_come_says_so_and_comes_later(
    browser: Browser, site: Site, run: Run
) -> None:
    async def look() -> None:
        async with desk(browser, site, allowed=["net::ERR_FAILED"]) as visit:
            page = visit.page
            await page.route("**/overview", lambda route: route.abort())
            await visit.open("/desk")
            alert = page.get_by_role("alert")
            assert "The server is away" in await text(alert)
            await page.unroute("**/overview")
            await alert.get_by_role("button", name="Try again").click()
            await page.locator(".tile").first.wait_for()
            assert await alert.count() == 0

    run(look())


def test_there_is_no_such_student(browser: Browser, site: Site, run: Run) -> None:
    async def look() -> None:
        async with desk(browser, site, allowed=["404 (Not Found)"]) as visit:
            for student in (99, BOSS, "x"):
                await visit.open(f"/desk/students/{student}")
                assert "There is no such thing" in await text(visit.page.get_by_role("alert"))

    run(look())


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_charts_follow_the_colours_while_they_are_open(
    browser: Browser, site: Site, run: Run, motion: Literal["no-preference", "reduce"]
) -> None:
    drawn = """() => getComputedStyle(
        document.querySelector(".plot .xtick text")).fill"""
    written = """() => getComputedStyle(document.querySelector(".quiet")).color"""

    async def look() -> tuple[str, str]:
        async with desk(browser, site) as visit:
            await visit.page.emulate_media(reduced_motion=motion)
            await visit.open("/desk/quality")
            light = await visit.page.evaluate(drawn)
            assert light == await visit.page.evaluate(written)
            await visit.page.emulate_media(color_scheme="dark")
            await visit.page.wait_for_function(f"light => ({drawn})() !== light", arg=light)
            dark = await visit.page.evaluate(drawn)
            assert await visit.page.evaluate(CONTRAST) == []
            return light, dark

    light, dark = run(look())
    assert light != dark


# Status


def test_the_status_says_what_to_do_first(browser: Browser, site: Site, run: Run) -> None:
    site.execute(FAILED, AS_OF)
    overview = site.ask(f"{ADMIN}/overview", BOSS).json()
    warnings = [one["warning"] for one in overview["items"] if one["warning"]]

    async def look() -> None:
        async with desk(browser, site) as visit:
            page = visit.page
            first = await text(page.locator(".do-first"))
            assert first.lower() == warnings[0].lower()
            areas = await texts(page.locator(".area"))
            for one in overview["items"]:
                if one["area"] not in {"now", "settings"}:
                    value = re.sub(r"\s+", " ", one["value"])
                    assert any(value in area for area in areas), one
            ages = page.get_by_role("figure", name="How old the lists are")
            assert [row[1] for row in await table_of(ages)] == [
                str(one["lists"]) for one in overview["lists"]["ages"]
            ]
            coverage = page.get_by_role("figure", name="How many of the events anybody is shown")
            assert [row[1] for row in await table_of(coverage)] == ["4", "4", "4"]

    run(look())


# Quality


def test_the_figures_are_those_of_the_api_and_move_with_clicks(
    browser: Browser, site: Site, run: Run
) -> None:
    def told() -> dict[str, Any]:
        answer = site.ask(f"{ADMIN}/variants", BOSS, days=14).json()
        return {one["variant"]: one for one in answer["totals"]}

    async def figure(visit: Visit) -> str:
        return await text(visit.page.locator("[data-figure=recommended-ctr]"))

    async def look() -> None:
        async with desk(browser, site, "/desk/quality") as visit:
            page = visit.page
            totals = told_before
            assert await figure(visit) == percent(totals["recommended"]["ctr"]) == "40.0 %"
            notes = await texts(page.locator(".note"))
            one = totals["recommended"]
            bounds = f"[{100 * one['ctr_low']:.1f}, {100 * one['ctr_high']:.1f}]"
            assert notes[0].startswith(
                f"Sorting by the model, 40.0 % {bounds} of what is shown is clicked; by time, 20."
            )
            assert "The model is 20.0 points ahead" in notes[0]
            rows = await table_of(page.get_by_role("figure", name="Clicks of what is shown"))
            assert len(rows) == 14
            assert rows[0][:3] == ["Sun 1 Mar", "4/10", rows[0][2]]
            assert rows[0][2].startswith("40.0 % [")

            # A student looks at the list, and clicks nothing.
            meta = {"source": "events_list", "sort": "recommended"}
            seen = [
                {"interaction_type": "impression", "event_id": ROCK, "meta": meta}
                for _ in range(20)
            ]
            answer = await visit.context.request.post(
                f"{visit.url}/api/analytics/interactions",
                data={"events": seen},
                headers={"Authorization": f"Bearer {token(BEN)}"},
            )
            assert answer.status == 204
            await page.get_by_role("button", name="Refresh").click()
            await page.locator("[data-figure=recommended-ctr]", has_text="30.0").wait_for()
            shown.append(await figure(visit))

    told_before = told()
    shown: list[str] = []
    run(look())
    assert shown == [percent(told()["recommended"]["ctr"])] == ["30.0 %"]


def test_a_page_refreshes_itself_and_stays_where_it_is(
    browser: Browser, site: Site, run: Run
) -> None:
    async def look() -> None:
        async with visiting(browser, site.server.url) as visit:
            page = visit.page
            await sign_in(visit)
            await page.clock.install()
            await visit.open("/desk/quality")
            figure = page.get_by_role("figure", name="Registrations of what is clicked")
            toggle = figure.get_by_role("button")
            await toggle.click()
            await page.evaluate("scrollTo(0, 500)")
            before = await page.evaluate("scrollY")
            await site.connection.execute(
                "INSERT INTO event_interactions (id, user_id, event_id, interaction_type,"
                " occurred_at, meta) SELECT -id, user_id, event_id, interaction_type, occurred_at,"
                " meta FROM event_interactions WHERE interaction_type = 'impression'"
            )
            await page.clock.fast_forward(31_000)
            await page.locator("[data-figure=recommended-ctr]", has_text="20.0").wait_for()
            assert await page.evaluate("scrollY") == before > 0
            assert await text(toggle) == "Show as chart"
            # Paused it stays as it is.
            await page.get_by_role("button", name="Pause").click()
            asked = len(visit.asked)
            await page.clock.fast_forward(120_000)
            assert len(visit.asked) == asked

    run(look())


def test_what_happened_is_marked_and_listed(browser: Browser, site: Site, run: Run) -> None:
    site.set(personalization_guardrails_enabled="true")
    site.execute("SELECT recommender.evaluate_guardrails('{}')")
    site.execute("SELECT recommender.activate_model('m-old', 'odd & <b>bold</b>', 'manual', 'me')")

    async def look() -> None:
        async with desk(browser, site, "/desk/quality") as visit:
            page = visit.page
            rows = await texts(page.locator("section").last.locator("tbody tr"))
            assert len(rows) == 4
            # Both are of the moment at which this town stands.
            assert sorted("guardrail: ok" in row for row in rows[:2]) == [False, True]
            assert any("activated by hand m-old me odd & <b>bold</b>" in row for row in rows[:2])
            # Two trainings and one by hand, each a line through the days.
            figure = page.get_by_role("figure", name="Clicks of what is shown")
            assert await figure.locator(".shapelayer path").count() == 3
            for days_ in (7, 30, 90):
                await page.get_by_role("button", name=f"{days_} days").click()
                await page.wait_for_url(f"**?days={days_}")
            await page.reload()
            await visit.until_ready()
            pressed = page.get_by_role("button", pressed=True)
            assert await text(pressed) == "90 days"
            assert len(await table_of(figure)) == 90

    run(look())


# Guardrails


def test_an_evaluation_is_asked_for_done_by_the_worker_and_shown(
    browser: Browser, site: Site, database_url: str, run: Run
) -> None:
    site.set(personalization_guardrails_enabled="true")

    async def look() -> None:
        async with desk(browser, site, "/desk/guardrails") as visit:
            page = visit.page
            assert "Nothing was evaluated yet" in await text(page.locator(".empty:visible"))
            ask = page.get_by_role("button", name="Evaluate guardrails")
            dialog = page.get_by_role("dialog")
            await ask.click()
            await dialog.get_by_text("it is rolled back").wait_for()
            await dialog.get_by_role("button", name="Cancel").click()
            await dialog.wait_for(state="detached")
            assert await site.connection.fetchval("SELECT count(*) FROM background_jobs") == 0

            await ask.click()
            await dialog.get_by_role("button", name="Evaluate").click()
            article = page.locator("[data-evaluation]")
            await article.wait_for()
            assert "ok" in await texts(article.locator(".chip"))
            await article.locator("summary").click()
            rows = [
                await texts(row.locator("th, td"))
                for row in await article.locator("tbody tr").all()
            ]
            # 40 % by the model and 20 % by time, of ten a day.
            assert [row[0] for row in rows] == ["by the model", "by time"]
            assert [row[4] for row in rows] == ["40.00 %", "20.00 %"]
            stored = await site.connection.fetchrow("SELECT * FROM guardrail_evaluations")
            assert stored is not None
            assert rows[0][1:4] == [
                str(stored[f"recommended_{name}"])
                for name in ("impressions", "clicks", "conversions")
            ]

    with working(database_url):
        run(look())


def test_a_worse_model_is_rolled_back_before_ones_eyes(
    browser: Browser, site: Site, database_url: str, run: Run
) -> None:
    site.set(
        personalization_guardrails_enabled="true", personalization_guardrails_ctr_drop_ratio=0.3
    )
    site.execute(
        "UPDATE event_interactions SET meta = jsonb_set(meta, '{sort}', CASE meta ->> 'sort'"
        " WHEN 'time' THEN '\"recommended\"'::jsonb ELSE '\"time\"'::jsonb END)"
    )

    async def look() -> None:
        async with desk(browser, site, "/desk/models") as visit:
            page = visit.page
            await page.get_by_role("button", name="Evaluate guardrails").click()
            await page.get_by_role("dialog").get_by_role("button", name="Evaluate").click()
            await page.locator(".toast", has_text="Evaluated: rolled back").wait_for()
            await page.locator("tr[data-model=m-old] .chip", has_text="active").wait_for()
            await visit.open("/desk/guardrails")
            article = page.locator("[data-evaluation]")
            assert "rolled back" in await texts(article.locator(".chip"))
            assert "It went back to m-old." in await text(article)

    with working(database_url):
        run(look())
    assert site.value("SELECT model_version FROM recommender_models WHERE is_active") == "m-old"


# Models


def active(site: Site) -> Coroutine[Any, Any, Any]:
    return site.connection.fetchval("SELECT model_version FROM recommender_models WHERE is_active")


def test_a_model_is_activated_and_taken_back_with_a_confirmation(
    browser: Browser, site: Site, run: Run
) -> None:
    async def look() -> None:
        async with desk(browser, site, "/desk/models") as visit:
            page = visit.page
            dialog = page.get_by_role("dialog")
            button = page.get_by_role("button", name="Activate m-old")
            for key in ("Enter", "Escape"):
                await button.click()
                assert "Guardrails judge it by what comes from now on" in await text(dialog)
                # The way back is what the first key finds.
                await page.keyboard.press(key)
                await dialog.wait_for(state="detached")
                # Who came by keyboard is back where they were.
                assert await button.evaluate("one => one === document.activeElement")
            assert await active(site) == "m-new"

            await button.click()
            await dialog.get_by_label("Why").fill("complaints about the ranking")
            await dialog.get_by_role("button", name="Activate").click()
            await page.locator("tr[data-model=m-old] .chip", has_text="active").wait_for()
            assert await active(site) == "m-old"
            noted = await site.connection.fetchrow(
                "SELECT * FROM model_activations ORDER BY id DESC LIMIT 1"
            )
            assert noted is not None
            assert (noted["kind"], noted["reason"], noted["activated_by"]) == (
                *("manual", "complaints about the ranking", f"user {BOSS}"),
            )
            jobs = await site.connection.fetch("SELECT job_type, payload FROM background_jobs")
            assert [json.loads(job["payload"])["skip_training"] for job in jobs] == [True]

            # And back, without the job.
            await page.get_by_role("button", name="Activate m-new").click()
            await dialog.get_by_label("Rewrite everybody's list").uncheck()
            await dialog.get_by_role("button", name="Activate").click()
            await page.locator("tr[data-model=m-new] .chip", has_text="active").wait_for()
            assert await active(site) == "m-new"
            assert await site.connection.fetchval("SELECT count(*) FROM background_jobs") == 1

    run(look())


def test_two_models_are_beside_each_other(browser: Browser, site: Site, run: Run) -> None:
    async def look() -> None:
        async with desk(browser, site, "/desk/models") as visit:
            page = visit.page
            assert await page.get_by_label("One model").input_value() == "m-new"
            assert await page.get_by_label("The other").input_value() == "m-old"
            figure = page.get_by_role("figure", name="What counts for how much")
            assert await figure.locator(".trace .point").count() == 16
            assert await figure.locator(".errorbar").count() == 16
            rows = await table_of(figure)
            assert len(rows) == 8
            (interest,) = [row for row in rows if row[0] == "tags of interest"]
            assert interest[1:] == ["+3.000 ± 0.100", "+0.200 ± 0.100", "+2.800"]
            await page.get_by_label("One model").select_option("m-old")
            await page.get_by_label("The other").select_option("m-new")
            (interest,) = [
                row
                for row in [
                    await texts(row.locator("th, td"))
                    for row in await figure.locator("tbody tr").all()
                ]
                if row[0] == "tags of interest"
            ]
            assert interest[1:] == ["+0.200 ± 0.100", "+3.000 ± 0.100", "−2.800"]

    run(look())


def test_a_training_is_queued_with_what_was_chosen(browser: Browser, site: Site, run: Run) -> None:
    async def look() -> None:
        async with desk(browser, site, "/desk/models", allowed=["422"]) as visit:
            page = visit.page
            dialog = page.get_by_role("dialog")
            await page.get_by_role("button", name="Retrain").click()
            await dialog.get_by_text("Options").click()
            await dialog.get_by_label("Events a list").fill("0")
            await dialog.get_by_role("button", name="Train").click()
            # What the server says of it stays in the dialog.
            await dialog.get_by_role("alert").filter(has_text="top_n").wait_for()
            await dialog.get_by_label("Events a list").fill("20")
            await dialog.get_by_label("Version").fill("spring")
            await dialog.get_by_label("Activate it though it is worse").check()
            await dialog.get_by_role("button", name="Train").click()
            await dialog.wait_for(state="detached")
            await page.locator(".toast", has_text="is queued: it trains").wait_for()
            await page.locator(".toast a").click()
            await page.wait_for_url("**/desk/jobs")
            await page.locator("[data-job]", has_text="Train a model").wait_for()

    run(look())
    (job,) = site.run(site.connection.fetch("SELECT job_type, payload FROM background_jobs"))
    assert job["job_type"] == "recompute_recommendations_ml"
    assert json.loads(job["payload"]) == {"top_n": 20, "model_version": "spring", "force": True}


@pytest.mark.parametrize(
    ("path", "buttons", "fold", "fields"),
    [
        (
            *("/desk/guardrails", ("Evaluate guardrails", "Evaluate"), "Other bounds"),
            ("Allowed drop of the CTR", "Days"),
        ),
        ("/desk/models", ("Retrain", "Train"), "Options", ("L2 penalty", "Seed")),
    ],
)
def test_what_is_no_number_is_named_and_not_sent(  # noqa: PLR0917
    browser: Browser,
    site: Site,
    run: Run,
    path: str,
    buttons: tuple[str, str],
    fold: str,
    fields: tuple[str, str],
) -> None:
    button, action = buttons
    wrong, right = fields

    async def look() -> None:
        async with desk(browser, site, path) as visit:
            page = visit.page
            dialog = page.get_by_role("dialog")
            await page.get_by_role("button", name=button).click()
            await dialog.get_by_text(fold).click()
            await dialog.get_by_label(wrong).press_sequentially("0.1e")
            await dialog.get_by_label(right).fill("7")
            # Folded away, it comes into sight again.
            await dialog.get_by_text(fold).click()
            await dialog.get_by_role("button", name=action).click()
            await dialog.get_by_role("alert").filter(has_text=f"{wrong}: this is not").wait_for()
            field = dialog.get_by_label(wrong)
            assert await field.evaluate("one => one === document.activeElement")
            assert await site.connection.fetchval("SELECT count(*) FROM background_jobs") == 0
            await field.fill("0.1")
            await dialog.get_by_role("button", name=action).click()
            await page.locator(".toast", has_text="is queued").wait_for()

    run(look())
    payload = json.loads(site.value("SELECT payload FROM background_jobs"))
    assert sorted(payload.values()) == [0.1, 7]


@pytest.mark.parametrize("escapes", [1, 2])
def test_what_has_begun_cannot_be_cancelled(
    browser: Browser, site: Site, run: Run, escapes: int
) -> None:
    async def look() -> None:
        async with desk(browser, site, "/desk/models") as visit:
            page = visit.page
            dialog = page.get_by_role("dialog")
            begun, may_go_on = asyncio.Event(), asyncio.Event()

            async def slowly(route: Route) -> None:
                begun.set()
                await may_go_on.wait()
                await route.continue_()

            await page.route("**/activate", slowly)
            await page.get_by_role("button", name="Activate m-old").click()
            await dialog.get_by_role("button", name="Activate").click()
            await begun.wait()
            if escapes == 1:
                assert await dialog.get_by_role("button", name="Cancel").is_disabled()
            # The second one closes a dialog whatever the page says, and the outcome is told.
            for _ in range(escapes):
                await page.keyboard.press("Escape")
            may_go_on.set()
            await page.locator(".toast", has_text="m-old is active").wait_for()
            await page.locator("tr[data-model=m-old] .chip", has_text="active").wait_for()
            await dialog.wait_for(state="detached")

    run(look())


def test_a_queue_that_is_off_is_named_in_the_dialog(browser: Browser, site: Site, run: Run) -> None:
    site.set(task_queue_enabled="false")

    async def look() -> str:
        async with desk(browser, site, "/desk/models", allowed=["409"]) as visit:
            await visit.page.get_by_role("button", name="Retrain").click()
            dialog = visit.page.get_by_role("dialog")
            await dialog.get_by_role("button", name="Train").click()
            alert = dialog.get_by_role("alert")
            await alert.wait_for()
            return await text(alert)

    assert "TASK_QUEUE_ENABLED is false" in run(look())


@pytest.mark.parametrize("width", [1280, 390])
def test_names_of_any_length_and_letters_are_text_and_fit(
    browser: Browser, site: Site, run: Run, width: int
) -> None:
    name = '<b>m</b><img src="x" onerror="alert(1)">' + 160 * "m"
    site.execute(
        "INSERT INTO recommender_models (model_version, feature_names, weights, meta)"
        " SELECT $1, feature_names, weights, meta FROM recommender_models WHERE is_active",
        name,
    )
    site.execute("SELECT recommender.activate_model($1, $2, 'manual', 'me')", name, 400 * "w")
    site.execute(
        "UPDATE users SET full_name = repeat('Ana', 80), email = repeat('a', 240) WHERE id = $1",
        ANA,
    )
    site.execute("UPDATE events SET title = repeat('Jazz', 60)")

    async def look() -> None:
        async with desk(browser, site, "/desk/models", width=width) as visit:
            figure = visit.page.get_by_role("figure", name="What counts for how much")
            # A narrow screen has no legend.
            legend = await figure.locator(".legendtext").all_text_contents()
            assert legend[:1] == ([f"{name[:39]}…"] if width > 1000 else [])
            for path in SEEN_PAGES:
                await visit.open(path)
                assert await visit.width() == width, path
            await visit.open("/desk/models")
            await figure.get_by_role("button", name="Show as table").click()
            assert await visit.width() == width

    run(look())


# Jobs


def test_a_failed_job_is_read_and_tried_again(
    browser: Browser, site: Site, database_url: str, run: Run
) -> None:
    job = site.value(FAILED, AS_OF)

    async def look() -> None:
        async with desk(browser, site, "/desk/jobs") as visit:
            page = visit.page
            row = page.locator(f"[data-job='{job}']")
            assert "failed" in await texts(row.locator(".chip"))
            await row.locator("summary").click()
            assert "while locking while locking" in await text(row.locator(".job-error"))
            await row.get_by_role("link", name="student 2").wait_for()
            await row.get_by_role("button", name=f"Retry job {job}").click()
            # The worker does it, and the page finds out by itself.
            await row.locator(".chip", has_text="done").wait_for(state="attached", timeout=60_000)

    with working(database_url):
        run(look())
    assert site.value("SELECT status FROM background_jobs WHERE id = $1", job) == "succeeded"


def test_the_schedule_tells_when_and_what_came_of_it(
    browser: Browser, site: Site, run: Run
) -> None:
    site.execute("CALL recommender.run_schedule()")

    async def look() -> None:
        async with desk(browser, site, "/desk/jobs#schedule") as visit:
            rows = await texts(visit.page.locator("#schedule tbody tr"))
            names = await site.connection.fetch("SELECT name, cron FROM recommender.schedule")
            assert len(rows) == len(names) > 5
            for row, entry in zip(rows, names, strict=True):
                assert entry["name"].replace("_", " ") in row.lower()
                assert entry["cron"] in row

    run(look())


# Students


def test_students_are_found_by_name_mail_and_id(browser: Browser, site: Site, run: Run) -> None:
    async def look() -> None:
        async with desk(browser, site, "/desk/students") as visit:
            page = visit.page
            search = page.get_by_label("Search students")
            rows = page.locator("tbody tr")
            assert await rows.count() == 2
            for given, name in (("ionesc", "Ben"), ("2@example", "Ana"), (str(BEN), "Ben")):
                await search.fill(given)
                await page.locator(f"tbody tr:only-child:has-text('{name}')").wait_for()
            await page.wait_for_url(f"**?search={BEN}")
            await search.fill("nobody")
            await page.get_by_text("Nobody is called that").wait_for()
            await search.fill("ana")
            await page.get_by_role("link", name="Ana Pop").click()
            await page.wait_for_url(f"**/desk/students/{ANA}")

    run(look())


def test_a_search_that_fails_says_so(browser: Browser, site: Site, run: Run) -> None:
    async def look() -> None:
        allowed = ["net::ERR_INTERNET_DISCONNECTED", "422"]
        async with desk(browser, site, "/desk/students?search=Ana", allowed=allowed) as visit:
            page = visit.page
            search = page.get_by_label("Search students")
            note = page.get_by_text("Not refreshed, shown as of")
            assert await note.count() == 0
            await visit.context.set_offline(True)
            await search.fill("Ben")
            await note.filter(has_text="cannot be reached").wait_for()
            assert "cannot be reached" in await text(page.locator("#announcer"))
            await visit.context.set_offline(False)
            await search.fill("x" * 250)
            await note.filter(has_text="at most 200 characters").wait_for()
            # What was found before stays until something is found again.
            assert "Ana Pop" in await text(page.locator("tbody"))
            await search.fill("Ben")
            await page.locator("tbody tr:only-child:has-text('Ben')").wait_for()
            await note.wait_for(state="hidden")

    run(look())


def test_a_students_page_tells_what_is_known_and_why_they_see_what(
    browser: Browser, site: Site, run: Run
) -> None:
    told = site.ask(f"{ADMIN}/students/{ANA}", BOSS).json()
    why = site.ask(f"{ADMIN}/students/{ANA}/events/{JAZZ}", BOSS).json()

    async def look() -> None:
        async with desk(browser, site, f"/desk/students/{ANA}") as visit:
            page = visit.page
            assert await text(page.locator("h1")) == "Ana Pop"
            for source, said in (("Chosen", "jazz"), ("Chosen", "cluj"), ("Learned", "music")):
                group = page.locator(f"[data-source={source}] li")
                assert any(one.startswith(said) for one in await texts(group)), (source, said)
            assert await page.locator(".profile li").count() == len(told["profile"])
            rows = page.locator(".ranks").first.locator("> li")
            assert [
                int(await row.get_attribute("data-event") or 0) for row in await rows.all()
            ] == [item["event_id"] for item in told["items"]]
            # Titles are text, whatever organizers write.
            assert any("Chess <b>club</b>" in row for row in await texts(rows))

            row = page.locator(f".ranks li[data-event='{JAZZ}']").first
            await row.get_by_role("button").first.click()
            figure = row.get_by_role("figure")
            await figure.locator(".plot .bars").first.wait_for()
            table = await table_of(figure)
            parts = [float(cells[3].replace("−", "-")) for cells in table[:-1]]
            assert sum(parts) == pytest.approx(why["logit"], abs=0.005)
            assert float(table[-1][3].replace("−", "-")) == pytest.approx(why["logit"], abs=0.001)
            assert f"score of {why['score']:.3f}" in await text(figure.locator(".summary"))
            checks = await texts(row.locator(".checks li"))
            assert len(checks) == len(why["checks"])
            for shown, check in zip(checks, why["checks"], strict=True):
                mark = {True: "✓", False: "✕", None: "·"}[check["passed"]]
                assert shown.startswith(mark)
                assert re.sub(r"\s+", " ", check["detail"]) in shown
            assert await page.evaluate(CONTRAST) == []
            rows = page.locator("section").last.locator("tbody tr")
            assert await rows.count() == len(told["interactions"]) == 20
            assert all(" Click Jazz night " in row for row in await texts(rows))

    run(look())


def test_there_may_be_more_students_than_are_shown(browser: Browser, site: Site, run: Run) -> None:
    async def look() -> None:
        async with desk(browser, site, "/desk/students") as visit:
            caption = visit.page.locator("caption")
            assert await text(caption) == "2 students"
            await site.connection.execute(
                "INSERT INTO users (id, email, full_name, role, is_active) SELECT n,"
                " n || '@example.org', 'Many ' || n, 'student', true"
                " FROM generate_series(100, 149) AS n"
            )
            await visit.page.get_by_label("Search students").fill("many")
            await caption.filter(has_text="50 students").wait_for()
            await visit.page.get_by_label("Search students").fill("")
            await caption.filter(has_text="The first 50 of more: search for others").wait_for()

    run(look())


STORED = """
SELECT md5(string_agg(x::text, '' ORDER BY x::text))
FROM (
    SELECT r::text AS x FROM user_recommendations AS r
    UNION ALL SELECT m::text FROM recommender_models AS m
    UNION ALL SELECT l::text FROM recommendation_lists AS l
    UNION ALL SELECT j::text FROM background_jobs AS j
) AS s
"""


def test_other_weights_move_the_ranks_and_store_nothing(
    browser: Browser, site: Site, run: Run
) -> None:
    async def ranks(visit: Visit) -> list[int]:
        rows = visit.page.locator("#what-if .ranks > li")
        return [int(await row.get_attribute("data-event") or 0) for row in await rows.all()]

    async def look() -> None:
        async with desk(browser, site, f"/desk/students/{ANA}") as visit:
            page = visit.page
            what_if = page.locator("#what-if")
            assert "Nothing is stored" in await text(what_if.locator(".intro"))
            await what_if.locator(".ranks > li").first.wait_for()
            before = await ranks(visit)
            assert before[0] == JAZZ
            assert await what_if.get_by_text("↑").count() == 0

            # By keyboard: to the least there is.
            slider = what_if.get_by_role("slider", name="tags of interest")
            await slider.focus()
            await page.keyboard.press("Home")
            await what_if.locator(f"li[data-event='{JAZZ}'] .chip", has_text="↓ 3").wait_for()
            moved = await ranks(visit)
            assert moved[-1] == JAZZ
            assert await what_if.get_by_text("↑ 1").count() == 3
            assert "4 events would move" in await text(what_if.get_by_role("status"))
            told = await visit.context.request.post(
                f"{visit.url}{ADMIN}/students/{ANA}/preview",
                data={"weights": {"overlap_interest_ratio": -5}},
                headers={"Authorization": f"Bearer {token(BOSS)}"},
            )
            assert [item["event_id"] for item in (await told.json())["items"]] == moved

            # The exact number does the same, and reset takes all back.
            number = what_if.get_by_label("tags of interest, exactly")
            assert await number.input_value() == "-5"
            await what_if.get_by_role("button", name="Reset all").click()
            await what_if.get_by_text("These are the weights of the active model").wait_for()
            assert await ranks(visit) == before
            await number.fill("-4.5")
            await what_if.locator(f"li[data-event='{JAZZ}'] .chip", has_text="↓").wait_for()

    stored = site.value(STORED)
    run(look())
    assert site.value(STORED) == stored


def test_a_weight_comes_back_and_one_out_of_bounds_is_refused(
    browser: Browser, site: Site, run: Run
) -> None:
    site.execute("UPDATE recommender_models SET weights[2] = -1.7903123456789 WHERE is_active")

    async def look() -> None:
        async with desk(browser, site, f"/desk/students/{ANA}") as visit:
            what_if = visit.page.locator("#what-if")
            number = what_if.get_by_label("tags of interest, exactly")
            reset = what_if.get_by_role("button", name="Reset all")
            slider = what_if.get_by_role("slider", name="tags of interest")
            for field, keys in (
                (slider, ("ArrowRight", "ArrowLeft")),
                (number, ("ArrowDown", "ArrowUp")),
            ):
                assert await reset.is_disabled()
                await field.focus()
                await visit.page.keyboard.press(keys[0])
                assert await number.input_value() in {"-1.74", "-1.84"}
                assert not await reset.is_disabled()
                await visit.page.keyboard.press(keys[1])
                assert await number.input_value() == "-1.79"
                assert await reset.is_disabled()

            fault = what_if.locator("[data-feature=overlap_interest_ratio] .soon")
            assert not await fault.is_visible()
            for wrong in ("1e7", ""):
                await number.fill("2")
                await fault.wait_for(state="hidden")
                await number.fill(wrong)
                await fault.wait_for()
                assert await text(fault) == (
                    "A number from −1,000,000 to 1,000,000, please: the list is of +2.000."
                )
            await reset.click()
            await fault.wait_for(state="hidden")

    run(look())
