"""The events site in a browser: what students do on it, what it tells of that, and what follows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.support.bad_line import Fault, bad_line
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
    from collections.abc import Iterator

    from playwright.async_api import Browser, Locator, Response, Route

    from tests.support.runner import Run

MAX_BYTES = 300_000
NO_CONTENT = 204
WIDTHS = (1280, 390)
TELEMETRY = "/api/analytics/interactions"
NETWORK = "Failed to load resource"
"""What Chromium's console says of each request that fails."""
PATHS = ("/", "/sign-in", "/profile", "/events/1", "/events/999999")

expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def site(database_url: str, run: Run) -> Iterator[DemoSite]:
    with open_demo_site(database_url, run, worker=True) as site:
        yield site


@pytest.fixture
def places(site: DemoSite, run: Run) -> Town:
    places = town()
    run(site.write(places.world))
    return places


async def ids(cards: Locator) -> list[int]:
    """Give the events of these cards, in their order."""
    given = await cards.evaluate_all("cards => cards.map((card) => Number(card.dataset.eventId))")
    return list(given)


def strip(visited: Visit) -> Locator:
    return visited.page.locator(".strip-card")


def listed(visited: Visit) -> Locator:
    return visited.page.locator(".grid .event-card[data-event-id]")


async def settled(visited: Visit) -> None:
    """Wait until the list is what it is to be, for now."""
    await expect(visited.page.locator(".strip-status")).to_have_attribute("data-state", "settled")


async def events_settled(visited: Visit) -> None:
    await expect(visited.page.locator("#events")).to_have_attribute("data-state", "settled")


# Looking around


def test_a_student_is_chosen_and_greeted(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site) as visited:
            page = visited.page
            await visited.open("/profile")
            await page.get_by_role("main").get_by_role("link", name="Choose a student").click()
            await visited.shown()
            await page.get_by_label("Find a student").fill("ana pop")
            await expect(page.locator(".student-card")).to_have_count(1)
            await page.locator(".student-card").click()
            await expect(page).to_have_url(f"{visited.url}/profile")
            await page.get_by_role("link", name="Events", exact=True).click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("For you, Ana")
            await expect(page.locator(".who")).to_contain_text("Ana Popescu")
            await visited.shown()
            assert (await ids(strip(visited)))[:3] == places.jazz
            assert await strip(visited).count() == 10
            await expect(strip(visited).first.locator(".reason")).to_contain_text("jazz")

            await page.get_by_role("link", name="Switch student").click()
            await page.get_by_role("button", name="Sign out Ana").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text(
                "Find something worth going to"
            )

    run(look())


def test_filters_are_in_the_address_and_back_and_forward_work(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            page = visited.page
            await visited.open("/")
            assert (await ids(listed(visited)))[:4] == places.chess
            await page.get_by_role("link", name="Page 2").click()
            await expect(page).to_have_url(re.compile("page=2$"))
            await expect(listed(visited)).to_have_count(8)
            second_page = await ids(listed(visited))

            await page.get_by_label("Category").select_option("Music")
            await expect(listed(visited)).to_have_count(4)
            assert await ids(listed(visited)) == [places.small, *places.jazz]
            await page.get_by_label("Search").fill("quartet")
            await expect(listed(visited)).to_have_count(3)
            await expect(page).to_have_url(re.compile(r"\?search=quartet&category=Music$"))

            await visited.back()
            await expect(listed(visited)).to_have_count(4)
            await expect(page.get_by_label("Search")).to_have_value("")
            await visited.back()
            await expect(listed(visited)).to_have_count(8)
            assert await ids(listed(visited)) == second_page
            await expect(page.get_by_label("Category")).to_have_value("")
            await visited.forward()
            await visited.forward()
            await expect(listed(visited)).to_have_count(3)

            await page.get_by_label("Search").fill("nothing has this")
            await page.get_by_role("button", name="Clear the filters").click()
            await expect(listed(visited)).to_have_count(12)
            assert page.url.endswith("/")

            await until_stored(visited, 2, "search")
            rows = await site.interactions("search", "filter")
            assert [(row["interaction_type"], json.loads(row["meta"])) for row in rows] == [
                ("filter", {"category": "Music"}),
                ("search", {"category": "Music", "query": "quartet"}),
                ("search", {"category": "Music", "query": "nothing has this"}),
            ]

    run(look())


async def until_stored(visited: Visit, number: int, *types: str) -> list[Any]:
    """Wait until so many interactions are stored, and give them."""
    rows: list[Any] = []

    async def are_there() -> bool:
        nonlocal rows
        rows = await visited.site.interactions(*types)
        return len(rows) >= number

    await until(are_there, lambda: f"stored is {[tuple(row) for row in rows]}")
    return rows


def test_a_tag_and_a_day_narrow_the_list_down(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site) as visited:
            page = visited.page
            await visited.open("/?tags=jazz&tags=chess")
            assert await ids(listed(visited)) == [*places.chess, *places.jazz]
            await page.get_by_role("button", name="Remove the tag jazz").click()
            await expect(listed(visited)).to_have_count(4)
            day = await site.value(
                "SELECT (start_time AT TIME ZONE 'UTC')::date::text FROM events WHERE id = $1",
                places.chess[1],
            )
            await page.get_by_label("From").fill(day)
            await page.get_by_label("Until").fill(day)
            await expect(listed(visited)).to_have_count(1)
            assert await ids(listed(visited)) == [places.chess[1]]
            await page.get_by_label("Tag", exact=True).select_option("jazz")
            await expect(page.locator(".chosen-tags li")).to_have_count(2)

    run(look())


def test_the_order_that_is_shown_is_the_one_that_was_served(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site) as visited:
            page = visited.page
            await visited.open("/")
            await page.get_by_role("button", name="Best for you").click()
            await expect(page.locator(".summary")).to_contain_text("Shown by date: nobody is")
            by_date = page.get_by_role("button", name="By date")
            await expect(by_date).to_have_attribute("aria-pressed", "true")

            await visited.sign_in(places.ana)
            await visited.open("/?sort=recommended")
            await expect(by_date).to_have_attribute("aria-pressed", "false")
            assert (await ids(listed(visited)))[:3] == places.jazz

    run(look())


def test_a_failure_says_what_to_do_and_that_works(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(
            browser, site, student=places.ana, complaints="Failed to load resource"
        ) as visited:
            page = visited.page
            for path in ("**/api/events?*", "**/api/recommendations"):
                await page.route(path, lambda route: route.abort(), times=1)
            await visited.open("/")
            for place in ("#events", ".strip"):
                part = page.locator(place)
                await expect(part.get_by_role("alert")).to_contain_text("cannot be reached")
                await part.get_by_role("button", name="Try again").click()
            await expect(listed(visited)).to_have_count(12)
            await expect(strip(visited)).to_have_count(10)

    run(look())


# The list follows


def test_after_a_click_the_list_is_another_one_and_one_sees_how(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            page = visited.page
            await visited.open("/")
            await settled(visited)
            before = await ids(strip(visited))
            assert not set(before) & set(places.chess)

            await listed(visited).get_by_role("link", name="Chess night 1").click()
            await expect(page).to_have_url(f"{visited.url}/events/{places.chess[0]}")
            await visited.shown()
            # On the event's page already: what else is like it comes in.
            next_card = strip(visited).filter(has_text="Chess night 2")
            await expect(next_card).to_have_count(1)
            await settled(visited)

            await page.get_by_role("link", name="All events").click()
            await expect(page).to_have_url(f"{visited.url}/")
            await visited.shown()
            await settled(visited)
            after = await ids(strip(visited))
            assert after[:3] == places.jazz
            assert set(after[3:7]) == set(places.chess)
            assert len(after) == 10
            for card in await strip(visited).filter(has_text="Chess night").all():
                await expect(card.locator(".moved")).to_have_text("new")
            fallen = strip(visited).filter(has_text="Hike").first.locator(".moved")
            await expect(fallen).to_contain_text("down 4 places")
            said = "Your list has changed: 4 new"
            await expect(page.locator(".strip-status")).to_have_text(said)
            await expect(page.locator("#announcer")).to_have_text(said)

    run(look())


def test_a_search_changes_the_list_while_one_looks(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            page = visited.page
            await visited.open("/")
            await page.get_by_label("Search").fill("chess")
            await expect(strip(visited).filter(has_text="Chess night")).to_have_count(4)
            await settled(visited)
            await expect(page.locator(".moved.up").first).to_have_text("new")

    run(look())


def test_a_hidden_tag_takes_its_events_along_and_gives_them_back(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            page = visited.page
            await visited.open(f"/events/{places.jazz[0]}")
            await expect(strip(visited).filter(has_text="Jazz evening 2")).to_have_count(1)
            await page.get_by_role("button", name="Hide events about jazz").click()
            await expect(page.locator("#state")).to_have_attribute("data-state", "hidden")
            await expect(strip(visited).filter(has_text="Jazz evening")).to_have_count(0)
            assert await site.value("SELECT count(*) FROM user_hidden_tags") == 1

            await page.locator(".toast").get_by_role("button", name="Undo").click()
            await expect(page.locator("#state")).to_have_count(0)
            await expect(strip(visited).filter(has_text="Jazz evening 2")).to_have_count(1)

            await page.get_by_role("button", name="Hide events about jazz").click()
            await expect(page.locator("#state")).to_have_attribute("data-state", "hidden")
            await visited.open("/?category=Music")
            assert await ids(listed(visited)) == [places.small]
            assert not set(await ids(strip(visited))) & set(places.jazz)

            await visited.open("/profile")
            await page.get_by_role("button", name="Show again: jazz").click()
            await expect(page.locator("#hidden-tags")).to_have_text("None.")
            await visited.open("/?category=Music")
            assert await ids(listed(visited)) == [places.small, *places.jazz]

    run(look())


def test_a_blocked_organizer_is_left_out_until_unblocked(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            page = visited.page
            await visited.open(f"/events/{places.chess[0]}")
            await page.get_by_role("button", name="Block Chess Guild").click()
            await expect(page.locator("#block")).to_have_count(0)
            await page.get_by_role("link", name="your interests", exact=True).click()
            await expect(page).to_have_url(f"{visited.url}/profile#hidden")
            await expect(page.locator("#blocked-organizers")).to_contain_text("Chess Guild")
            await visited.open("/")
            assert not set(await ids(listed(visited))) & set(places.chess)
            await visited.open("/profile")
            await page.get_by_role("button", name="Unblock: Chess Guild").click()
            await expect(page.locator("#blocked-organizers")).to_have_text("None.")
            await page.locator(".toast").get_by_role("button", name="Undo").click()
            await expect(page.locator("#blocked-organizers")).to_contain_text("Chess Guild")

    run(look())


# Taking part


def test_a_registration_takes_a_seat_and_the_event_off_the_list(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    registered = "SELECT count(*) FROM registrations WHERE user_id = $1 AND deleted_at IS NULL"

    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            page = visited.page
            await visited.open(f"/events/{places.jazz[0]}")
            await expect(page.locator("#seats")).to_have_text("20 of 20 seats left")
            await page.get_by_role("button", name="Register").click()
            await expect(page.locator("#seats")).to_have_text("19 of 20 seats left")
            await expect(page.locator("#state")).to_have_text("You are going.")
            await expect(page.locator("#unregister")).to_be_focused()
            assert await site.value(registered, places.ana) == 1
            await until_stored(visited, 1, "register")
            await settled(visited)

            await visited.open("/")
            await settled(visited)
            assert places.jazz[0] not in await ids(strip(visited))

            await visited.open(f"/events/{places.jazz[0]}")
            await page.get_by_role("button", name="Take it back").click()
            await expect(page.locator("#seats")).to_have_text("20 of 20 seats left")
            assert await site.value(registered, places.ana) == 0
            await until_stored(visited, 1, "unregister")

    run(look())


def test_the_last_seat_is_taken_once_and_who_comes_late_is_told(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with (
            visit(browser, site, student=places.ana) as anas,
            visit(
                browser, site, student=places.bob, complaints="the server responded with a status"
            ) as bobs,
        ):
            for visited in (anas, bobs):
                await visited.open(f"/events/{places.small}")
            await anas.page.get_by_role("button", name="Register").click()
            await expect(anas.page.locator("#state")).to_have_text("You are going.")
            await bobs.page.get_by_role("button", name="Register").click()
            await expect(bobs.page.locator(".trouble")).not_to_be_empty()
            await expect(bobs.page.locator("#seats")).to_have_text("Full")
            await expect(bobs.page.get_by_role("button", name="Register")).to_be_disabled()
            await until_stored(anas, 1, "register")
            assert len(await site.interactions("register")) == 1

    run(look())


def test_a_favourite_is_kept_and_taken_back(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            button = visited.page.locator("#favorite")
            await visited.open(f"/events/{places.jazz[1]}")
            await button.click()
            await expect(button).to_have_attribute("aria-pressed", "true")
            assert await site.value("SELECT event_id FROM favorite_events") == places.jazz[1]
            await until_stored(visited, 1, "favorite")
            await visited.open(f"/events/{places.jazz[1]}")
            await expect(button).to_have_text("♥ Favourite")
            await button.click()
            await expect(button).to_have_attribute("aria-pressed", "false")
            assert await site.value("SELECT count(*) FROM favorite_events") == 0
            await visited.page.get_by_role("link", name="All events").click()
            await visited.shown()
            assert len(await site.interactions("favorite")) == 1

    run(look())


def test_a_link_is_shared_by_the_clipboard_or_by_hand(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            page = visited.page
            await page.add_init_script(
                """navigator.share = undefined;
                if (navigator.clipboard) navigator.clipboard.writeText = async (text) => {
                    if (window.copied === "refuse") throw new DOMException("no");
                    window.copied = text;
                };"""
            )
            await visited.open(f"/events/{places.jazz[1]}")
            await page.get_by_role("button", name="Share").click()
            await expect(page.locator(".toast")).to_contain_text("The link is copied.")
            assert await page.evaluate("copied") == page.url
            await page.evaluate("window.copied = 'refuse'")
            await page.get_by_role("button", name="Share").click()
            await expect(page.get_by_label("Copy the link")).to_have_value(page.url)
            await expect(page.get_by_label("Copy the link")).to_be_focused()
            rows = await until_stored(visited, 2, "share")
            assert [json.loads(row["meta"]) for row in rows] == [
                {"how": "copied"},
                {"how": "shown"},
            ]

    run(look())


# Why, and what for


def test_why_opens_what_adds_up_and_closes_where_it_came_from(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            page = visited.page
            await visited.open("/")
            button = strip(visited).first.get_by_role("button", name="Why am I seeing this?")
            await button.focus()
            await page.keyboard.press("Enter")
            dialog = page.get_by_role("dialog", name="Why am I seeing this?")
            await expect(dialog.locator("tbody tr").first).to_have_attribute(
                "data-feature", "overlap_interest_ratio"
            )
            numbers = await dialog.locator("tbody .number").all_inner_texts()
            total = await dialog.locator("tfoot .number").inner_text()
            parts = [float(text.replace("−", "-")) for text in numbers]
            assert sum(parts) == pytest.approx(float(total.replace("−", "-")), abs=0.03)
            assert len(parts) >= 3
            widths = await dialog.locator("tbody span").evaluate_all(
                "bars => bars.map((bar) => bar.getBoundingClientRect().width)"
            )
            by_part = sorted(zip(map(abs, parts), widths, strict=True))
            assert [width for _part, width in by_part] == sorted(widths)
            await page.keyboard.press("Escape")
            await expect(dialog).to_have_count(0)
            await expect(button).to_be_focused()

    run(look())


def test_interests_are_chosen_dropped_and_learned(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    chosen = """
        SELECT array_agg(t.name ORDER BY t.name)
        FROM user_interest_tags AS i
        INNER JOIN tags AS t ON t.id = i.tag_id
        WHERE i.user_id = $1
    """

    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            page = visited.page
            await visited.open(f"/events/{places.chess[0]}")
            await until_stored(visited, 1, "view")
            await visited.open("/profile")
            await expect(page.locator("#learned")).to_contain_text("chess")
            await expect(page.locator("#learned")).to_contain_text("Games")

            await page.get_by_label("Add an interest").fill("hik")
            await page.get_by_role("button", name="Add hiking").click()
            await expect(page.locator("#chosen")).to_contain_text("hiking")
            assert await site.value(chosen, places.ana) == ["hiking", "jazz"]
            await page.get_by_role("button", name="Remove jazz from your interests").click()
            await expect(page.locator("#chosen")).not_to_contain_text("jazz")
            assert await site.value(chosen, places.ana) == ["hiking"]
            await page.locator(".toast").get_by_role("button", name="Undo").click()
            await expect(page.locator("#chosen")).to_contain_text("jazz")
            assert await site.value(chosen, places.ana) == ["hiking", "jazz"]

    run(look())


# Telling


async def seen(visited: Visit, source: str = "events_list") -> list[tuple[int, Any]]:
    """Give event and meta of the impressions of a list that are stored."""
    rows = await visited.site.interactions("impression")
    metas = [(row["event_id"], json.loads(row["meta"])) for row in rows]
    return [(event, meta) for event, meta in metas if meta["source"] == source]


async def until_seen(visited: Visit, events: set[int]) -> None:
    """Wait until these were counted, and with them whatever was told before."""

    async def are_there() -> bool:
        return {event for event, _meta in await seen(visited)} >= events

    await until(are_there)


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "loaded anew"])
def test_a_list_counts_once_however_one_comes_back_to_it(
    browser: Browser, site: DemoSite, places: Town, run: Run, *, is_kept: bool
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            page = visited.page
            if not is_kept:
                # What listens for this is not put into the back/forward cache.
                await page.add_init_script("addEventListener('unload', () => {})")
            await visited.open("/?sort=time")
            first = await ids(listed(visited))
            assert len(first) == 12

            # Up and down, but not yet to the last row.
            for number in (0, 4, 0, 8, 0):
                await listed(visited).nth(number).scroll_into_view_if_needed()
                await until_seen(visited, {first[number]})
            await until_seen(visited, set(first[:9]))
            assert not set(first[9:]) & {event for event, _meta in await seen(visited)}

            # To another page of the site, and back: the second row in view with the last one.
            await listed(visited).first.get_by_role("link").click()
            await expect(page).to_have_url(f"{visited.url}/events/{first[0]}")
            await visited.shown()
            await visited.back()
            await visited.shown()
            await events_settled(visited)
            await listed(visited).last.scroll_into_view_if_needed()
            await until_seen(visited, set(first))

            # To the second page of the list but for its last row, and back and forward.
            await page.get_by_role("link", name="Page 2").click()
            await expect(listed(visited)).to_have_count(8)
            second = await ids(listed(visited))
            await until_seen(visited, set(second[:3]))
            await visited.back()
            await expect(listed(visited)).to_have_count(12)
            await visited.forward()
            await expect(listed(visited)).to_have_count(8)
            await listed(visited).last.scroll_into_view_if_needed()
            await until_seen(visited, set(second))

            counted = await seen(visited)
            assert sorted(event for event, _meta in counted) == sorted([*first, *second])
            assert {event: meta["position"] for event, meta in counted} == {
                event: position for position, event in enumerate([*first, *second])
            }
            assert {(meta["sort"], meta["sort_explicit"]) for _event, meta in counted} == {
                ("time", True)
            }
            clicks = await site.interactions("click")
            assert [(row["event_id"], json.loads(row["meta"])["position"]) for row in clicks] == [
                (first[0], 0)
            ]

    run(look())


def test_a_list_that_is_reloaded_is_another_list(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site) as visited:
            await visited.open("/?tags=chess")
            in_view = set(places.chess[:3])
            await until_seen(visited, in_view)
            await visited.page.reload()

            async def is_counted_anew() -> bool:
                return len(await seen(visited)) == 2 * len(in_view)

            await until(is_counted_anew)
            assert await site.value("SELECT count(user_id) FROM event_interactions") == 0

    run(look())


def test_the_pages_tell_of_a_stay_and_what_came_before_it(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            page = visited.page
            await visited.open("/")
            await strip(visited).nth(1).get_by_role("link").click()
            await expect(page).to_have_url(re.compile(r"/events/\d+$"))
            await visited.shown()
            entered = await page.evaluate("performance.now()")
            await until_stored(visited, 1, "view")
            await page.wait_for_function(
                "entered => performance.now() > entered + 1100", arg=entered
            )
            await page.get_by_role("link", name="All events").click()
            rows = await until_stored(visited, 1, "dwell")
            assert rows[0]["event_id"] == places.jazz[1]
            assert 1 <= json.loads(rows[0]["meta"])["seconds"] < 20
            click = (await site.interactions("click"))[0]
            assert json.loads(click["meta"]) == {
                "source": "recommendations",
                "sort": "recommended",
                "position": 1,
            }
            kinds = [row["interaction_type"] for row in await site.interactions()]
            assert [kind for kind in kinds if kind != "impression"] == ["click", "view", "dwell"]

    run(look())


def test_another_tab_that_switches_the_student_switches_this_one_too(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            await visited.open(f"/events/{places.chess[0]}")
            await until_stored(visited, 1, "view")
            other = await visited.context.new_page()
            visited.watch(other)
            await visited.sign_in(places.bob)
            await other.goto(f"{visited.url}/")
            await expect(visited.page.locator(".who-name")).to_have_text("Bob Ionescu")
            rows = await until_stored(visited, 2, "view")
            assert [row["user_id"] for row in rows] == [places.ana, places.bob]

    run(look())


async def choose(visited: Visit, name: str) -> None:
    await visited.page.locator(".student-card").filter(has_text=name).click()


def test_what_waits_when_the_student_is_switched_stays_the_first_ones(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        with bad_line(site.server.url, TELEMETRY) as line:
            async with visit(
                browser, site, student=places.ana, complaints=NETWORK, url=line.url
            ) as visited:
                page = visited.page
                await page.clock.install()
                line.is_down = True
                async with page.expect_event("requestfailed"):
                    await visited.open("/")
                await visited.open("/sign-in?next=/profile")
                await page.clock.fast_forward(15_000)

                async def mend(route: Route) -> None:
                    line.is_down = False
                    await route.continue_()

                await page.route("**/api/demo/session", mend, times=1)
                await choose(visited, "Bob Ionescu")
                await expect(page.locator(".who-name")).to_have_text("Bob Ionescu")
                await visited.shown()
                await visited.open("/sign-in?next=/profile")
                await choose(visited, "Ana Popescu")
                await page.wait_for_url("**/profile")
                await visited.shown()
                await page.clock.fast_forward(15_000)
                rows = await until_stored(visited, 5, "impression")
                assert {row["user_id"] for row in rows} == {places.ana}

    run(look())


def test_who_acts_when_the_session_is_over_signs_in_and_is_back(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana, complaints="status of 401") as visited:
            page = visited.page
            path = f"/events/{places.jazz[1]}"
            await visited.open(path)
            await settled(visited)
            await visited.context.clear_cookies()
            await page.get_by_role("button", name="Register").click()
            await page.wait_for_url("**/sign-in?*why=ended")
            await expect(page.get_by_text("The session is over.")).to_be_visible()
            await choose(visited, "Ana Popescu")
            await expect(page).to_have_url(f"{visited.url}{path}")
            await page.get_by_role("button", name="Register").click()
            await expect(page.locator("#unregister")).to_be_visible()

    run(look())


def test_what_was_stored_before_the_session_ended_is_not_stored_again_after_it(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        with bad_line(site.server.url, TELEMETRY) as line:
            async with visit(
                browser, site, student=places.ana, complaints=NETWORK, url=line.url
            ) as visited:
                page = visited.page
                await page.clock.install()
                line.faults = [Fault.NO_ANSWER, *[Fault.NO_REQUEST] * 50]
                path = f"/events/{places.jazz[1]}"

                async def shorten(route: Route) -> None:
                    answer = await route.fetch()
                    await route.fulfill(json={**await answer.json(), "expires_in": 5})

                await page.route("**/api/demo/session", shorten, times=1)
                await visited.open(path)
                await until_stored(visited, 1, "view")

                async def forget(route: Route) -> None:
                    # Browsers forget the cookie by then, too.
                    await visited.context.clear_cookies()
                    line.faults.clear()
                    await route.continue_()

                await page.route("**/sign-in?*", forget, times=1)
                await page.wait_for_url("**/sign-in?*why=ended")
                await visited.shown()
                await choose(visited, "Ana Popescu")
                await page.wait_for_url(f"**{path}")
                await until_stored(visited, 2, "view")
                await page.clock.fast_forward(15_000)
                await until(
                    lambda: page.evaluate(
                        "!Object.keys(localStorage).some((key) => key.includes('.telemetry.'))"
                    )
                )
                rows = await site.interactions()
                assert {row["user_id"] for row in rows} == {places.ana}
                assert len([row for row in rows if row["interaction_type"] == "view"]) == 2

    run(look())


@pytest.mark.parametrize("wished", ["/.//example.org/", "//example.org/", "https://example.org/"])
def test_signing_in_leads_to_no_other_site(
    browser: Browser, site: DemoSite, places: Town, run: Run, wished: str
) -> None:
    async def look() -> None:
        async with visit(browser, site, complaints="status of 404") as visited:
            await visited.open(f"/sign-in?next={wished}")
            async with visited.page.expect_navigation():
                await choose(visited, "Ana Popescu")
            assert visited.page.url.startswith(f"{visited.url}/")

    run(look())


def test_a_student_without_a_name_has_all_pages(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        await site.connection.execute("UPDATE users SET full_name = NULL WHERE id = $1", places.ana)
        async with visit(browser, site) as visited:
            page = visited.page
            await visited.open("/sign-in")
            await choose(visited, f"Student {places.ana}")
            await expect(page.get_by_role("heading", level=1)).to_have_text(
                f"For you, Student {places.ana}"
            )
            await expect(page.locator(".who-name")).to_have_text(f"Student {places.ana}")
            await visited.shown()

    run(look())


def test_who_is_signed_in_is_asked_again_where_there_was_no_answer(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana, complaints=NETWORK) as visited:
            page = visited.page
            for path in ("**/api/demo/session", "**/api/demo/facets"):
                await page.route(
                    path, lambda route: route.fulfill(status=503, json={"detail": "busy"}), times=1
                )
            await visited.open("/")
            await expect(page.locator(".who-name")).to_have_count(0)
            await expect(page.get_by_role("link", name="Choose a student")).to_have_count(0)
            await page.get_by_role("button", name="Try again").click()
            await expect(page.locator(".who-name")).to_have_text("Ana Popescu")
            await page.locator("#events").get_by_role("button", name="Try again").click()
            await page.get_by_label("Category").select_option("Music")
            await expect(listed(visited)).to_have_count(4)
            await expect(page.get_by_role("alert")).to_have_count(0)

    run(look())


# What is odd


def test_odd_events_are_shown_as_far_as_they_go(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        for sql in (
            "UPDATE events SET start_time = 'infinity', end_time = NULL, title = '' WHERE id = $1",
            "UPDATE events SET max_seats = 0, status = 'cancelled' WHERE id = $1 + 1",
            "UPDATE tags SET name = repeat('x', 95) WHERE name = 'jazz' AND $1 > 0",
        ):
            await site.connection.execute(sql, places.jazz[0])
        for width in WIDTHS:
            async with visit(browser, site, student=places.ana, width=width) as visited:
                page = visited.page
                await visited.open("/?category=Music")
                await expect(listed(visited)).to_have_count(3)
                card = page.locator(f".grid [data-event-id='{places.jazz[0]}']")
                await expect(card.get_by_role("link")).to_have_text("Untitled event")
                await expect(card).to_contain_text("Date unknown")
                await visited.open(f"/events/{places.jazz[0]}")
                await expect(page.get_by_role("heading", level=1)).to_have_text("Untitled event")
                assert await page.evaluate("document.documentElement.scrollWidth") == width
                await visited.open(f"/events/{places.jazz[1]}")
                actions = page.locator(".actions-card")
                assert (await actions.inner_text()).splitlines()[0] == "Full"
                assert "0" not in (await actions.inner_text()).split()
                await expect(page.locator("#why")).to_have_count(0)
                await visited.open("/profile")
                assert await page.evaluate("document.documentElement.scrollWidth") == width

    run(look())


def test_a_page_beyond_the_last_and_days_the_wrong_way_round_say_so(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site) as visited:
            page = visited.page
            await visited.open("/?page=9999")
            await expect(page.locator(".empty")).to_contain_text("There is no page 9999")
            await page.get_by_role("link", name="Go to the last page").click()
            await expect(listed(visited)).to_have_count(8)
            await visited.open("/?start_date=2031-05-02&end_date=2031-05-01")
            await expect(page.locator("#events")).to_contain_text("before the one under “From”")
            await expect(page.get_by_label("From")).to_have_attribute("max", "2031-05-01")
            await page.get_by_role("button", name="Clear all").click()
            await expect(listed(visited)).to_have_count(12)
            await expect(page.get_by_role("heading", name="All events")).to_be_focused()

    run(look())


def test_a_search_counts_though_a_filter_is_set_before_its_pause(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            await visited.open("/")
            await visited.page.evaluate(
                """() => {
                    const { search, category } = document.forms[0].elements;
                    search.value = "quartet";
                    search.dispatchEvent(new Event("input", { bubbles: true }));
                    category.value = "Music";
                    category.dispatchEvent(new Event("change", { bubbles: true }));
                }"""
            )
            await until_stored(visited, 2, "search", "filter")
            rows = await site.interactions("search", "filter")
            assert [row["interaction_type"] for row in rows] == ["search", "filter"]

    run(look())


def test_two_tabs_that_register_are_one_registration_and_one_interaction(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana) as visited:
            path = f"/events/{places.jazz[1]}"
            await visited.open(path)
            other = await visited.context.new_page()
            visited.watch(other)
            await other.goto(f"{visited.url}{path}")
            for page in (visited.page, other):
                await page.locator("#register").click()
                await expect(page.locator("#unregister")).to_be_visible()
            await other.locator("#favorite").click()
            await until_stored(visited, 1, "favorite")
            assert len(await site.interactions("register")) == 1

    run(look())


def test_what_fails_offline_on_the_page_to_sign_in_says_so(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look() -> None:
        async with visit(browser, site, student=places.ana, complaints=NETWORK) as visited:
            page = visited.page
            await visited.open("/sign-in")
            await page.route("**/api/demo/session", lambda route: route.abort(), times=1)
            await page.get_by_role("button", name="Sign out Ana").click()
            await expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
            await page.get_by_role("button", name="Try again").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text(
                "Find something worth going to"
            )

    run(look())


# For everybody


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_light_fits_its_window_and_names_all_its_parts(
    browser: Browser, site: DemoSite, places: Town, run: Run, path: str
) -> None:
    async def look(width: int) -> None:
        async with visit(
            browser, site, student=places.ana, width=width, complaints="status of 404"
        ) as visited:
            page = visited.page
            loaded: list[Response] = []

            def keep(answer: Response) -> None:
                loaded.append(answer)

            page.on("response", keep)
            await visited.open(path)
            bodies = [await answer.body() for answer in loaded if answer.status != NO_CONTENT]
            assert len(bodies) > 5
            assert sum(map(len, bodies)) < MAX_BYTES
            assert await page.evaluate("document.documentElement.scrollWidth") == width
            assert await page.locator("h1").count() == 1
            assert (await page.title()).endswith("· eventrank demo")
            unnamed = await page.evaluate(
                """() => [...document.querySelectorAll("input, select, button, a[href], dialog")]
                    .filter((one) => one.checkVisibility())
                    .filter((one) => !(one.labels?.length || one.textContent.trim()
                        || one.ariaLabel || one.getAttribute("aria-labelledby")))
                    .map((one) => one.outerHTML)"""
            )
            assert unnamed == []
            assert await page.evaluate(
                "new Set([...document.querySelectorAll('[id]')].map((one) => one.id)).size"
                " === document.querySelectorAll('[id]').length"
            )

    for width in WIDTHS:
        run(look(width))


def test_what_moves_for_others_does_not_for_who_wants_it_still(
    browser: Browser, site: DemoSite, places: Town, run: Run
) -> None:
    async def look(motion: Any) -> int:
        async with visit(browser, site, student=places.bob) as visited:
            page = visited.page
            await page.emulate_media(reduced_motion=motion)
            await page.add_init_script(
                """window.moves = 0;
                const { animate } = Element.prototype;
                Element.prototype.animate = function (...how) {
                    if (this.matches(".strip-card")) window.moves += 1;
                    return animate.apply(this, how);
                };"""
            )
            await visited.open("/")
            await page.evaluate("window.moves = 0")
            await page.get_by_label("Search").fill("hiking")
            await expect(page.locator(".strip-status")).to_contain_text(
                re.compile("has changed|up to date")
            )
            return int(await page.evaluate("window.moves"))

    assert run(look("no-preference")) > 0
    run(site.write(places.world))
    assert run(look("reduce")) == 0
