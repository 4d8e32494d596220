// The first page: what is recommended, and all events with filters.

import { get, query } from "./api.js";
import { announce, el, fill, ready } from "./dom.js";
import { eventCard, skeletons } from "./site-card.js";
import { FilterForm, isBackward, isNarrowed, readFilters } from "./site-filters.js";
import { count, nameOf } from "./site-format.js";
import { go, listKey } from "./site-lists.js";
import { failure } from "./site-notices.js";
import { openPage, signInPath } from "./site-shell.js";
import { Strip } from "./site-strip.js";

const PAGE_SIZE = 12;
const NO_DAY = { items: [], total: 0, page: 1, page_size: PAGE_SIZE };
const SORTS = [
    ["time", "By date"],
    ["recommended", "Best for you"],
];

const { student, telemetry } = await openPage();
const main = document.getElementById("main");
const grid = el("div", { class: "grid" });
const summary = el("p", { class: "summary quiet", role: "status" });
const pager = el("nav", { class: "pager", "aria-label": "Pages of events" });
const heading = el("h2", { id: "events-title", tabindex: "-1" }, "All events");
const sorts = el(
    "div",
    { class: "sorts", role: "group", "aria-label": "Order" },
    SORTS.map(sortButton),
);
const events = el(
    "section",
    { id: "events", "aria-labelledby": "events-title" },
    el("div", { class: "section-head" }, heading, sorts),
);
const form = new FilterForm(changed);
const unoffered = el("div");
events.append(form.element, unoffered, summary, grid, pager);

const strip =
    student &&
    new Strip({
        telemetry,
        student,
        source: "recommendations",
        list: listKey("strip"),
        memory: "strip",
    });

fill(main, introduction(), events);

let facets = { categories: [], cities: [], tags: [] };
let watched = null;
let asked = 0;
form.show(readFilters());
addEventListener("popstate", () => show(readFilters()));
addEventListener("pageshow", (event) => event.persisted && strip?.check());

await Promise.all([showFacets(), show(readFilters()), strip?.load()]);
ready();

function introduction() {
    if (!student) {
        return el(
            "section",
            { class: "welcome" },
            el("h1", {}, "Find something worth going to"),
            el(
                "p",
                {},
                "Choose one of the demo's students, and this page recommends events to them: it",
                " learns from what they click on while you look.",
            ),
            el("a", { class: "button primary", href: signInPath() }, "Choose a student"),
        );
    }
    return el(
        "section",
        { class: "for-you", "aria-labelledby": "for-you-title" },
        el(
            "div",
            { class: "section-head" },
            el("h1", { id: "for-you-title" }, `For you, ${firstName(student)}`),
            strip.elements[0],
        ),
        el("h2", { class: "for-readers" }, "Recommended events, best first"),
        strip.elements[1],
    );
}

function firstName(student) {
    return student.full_name?.trim() ? nameOf(student).split(/\s+/)[0] : nameOf(student);
}

async function showFacets() {
    try {
        facets = await get("/api/demo/facets");
        fill(unoffered);
        form.offer(facets);
        form.show(readFilters());
    } catch (error) {
        fill(unoffered, failure(error, tryAgain));
    }
}

/** Ask again for whatever is missing of the list and its filters. */
function tryAgain() {
    if (unoffered.children.length) showFacets();
    if (events.dataset.state === "failed") show(readFilters());
}

/** Somebody has set a filter: the address says so, and telemetry. */
function changed(filters, how) {
    const { search } = readFilters();
    // One entry in the history for a search, however many pauses its typing had.
    const isTypingOn = how === "search" && search && filters.search;
    go(address(filters), ["strip"], Boolean(isTypingOn));
    show(readFilters(), how === "search");
    // One may set a filter before the pause that ends the typing is over.
    if (filters.search && filters.search !== search) tell("search", filters);
    if (how === "filter" && isNarrowed(filters)) tell("filter", filters);
    // The button that was pressed is gone.
    if (how === "clear") heading.focus({ preventScroll: true });
}

function tell(type, { search, tags, category, city }) {
    const meta = { tags: [...tags], category, city, query: search };
    // Who searches for the name of a tag is interested in that.
    const named = facets.tags.find(({ name }) => name.toLowerCase() === search.toLowerCase());
    if (named && !meta.tags.includes(named.name)) meta.tags.push(named.name);
    for (const [name, value] of Object.entries(meta)) if (!value?.length) delete meta[name];
    telemetry[type](meta);
    strip?.watch();
}

function address({ page, ...filters }) {
    return `/${query({ ...filters, page: page > 1 ? page : "" })}`;
}

async function show(filters, isTyping = false) {
    const number = ++asked;
    form.show(filters, isTyping);
    events.dataset.state = "loading";
    grid.setAttribute("aria-busy", "true");
    // What is there stays while the next is on its way, if that is soon.
    const patience = setTimeout(() => fill(grid, skeletons(6)), grid.children.length ? 250 : 0);
    try {
        const answer = isBackward(filters) ? NO_DAY : await get(path(filters));
        if (number === asked) draw(filters, answer);
    } catch (error) {
        if (number !== asked) return;
        fill(grid, failure(error, tryAgain));
        fill(summary);
        fill(pager);
        events.dataset.state = "failed";
    } finally {
        clearTimeout(patience);
        if (number === asked) grid.removeAttribute("aria-busy");
    }
}

function path(filters) {
    return `/api/events${query({ ...filters, page_size: PAGE_SIZE })}`;
}

function draw(filters, answer) {
    const cards = answer.items.map(eventCard);
    fill(grid, cards.length ? cards : nothing(filters, answer));
    watched?.stop();
    watched = telemetry.observeList(cards, {
        list: listKey("events"),
        source: "events_list",
        sort: answer.sort,
        startPosition: (answer.page - 1) * answer.page_size,
        meta: filters.sort ? { sort_explicit: true } : {},
    });
    for (const button of sorts.children) {
        button.setAttribute("aria-pressed", String(button.dataset.sort === answer.sort));
    }
    fill(summary, summarize(filters, answer));
    drawPager(filters, answer);
    events.dataset.state = "settled";
}

function summarize(filters, { total, sort }) {
    const said = isNarrowed(filters)
        ? `${count(total, "event")} ${total === 1 ? "matches" : "match"}. `
        : `${count(total, "event")} to come. `;
    if (filters.sort === "recommended" && sort === "time") {
        const why = student
            ? "there is no fresh list for you yet"
            : "nobody is signed in to recommend them to";
        return `${said}Shown by date: ${why}.`;
    }
    if (!filters.sort && sort === "recommended") {
        return `${said}Best for you first, since you have not chosen an order.`;
    }
    return said;
}

function sortButton([value, name]) {
    const choose = () => {
        go(address({ ...readFilters(), sort: value, page: 1 }), ["strip"]);
        show(readFilters());
    };
    return el("button", { type: "button", "data-sort": value, onclick: choose }, name);
}

function nothing(filters, { total, page_size: size }) {
    if (total > 0) {
        const last = Math.ceil(total / size);
        return el(
            "div",
            { class: "empty" },
            el("p", {}, `There is no page ${filters.page}: the last one is ${last}.`),
            pageLink(filters, last, "Go to the last page", true),
        );
    }
    if (!isNarrowed(filters)) {
        return el("div", { class: "empty" }, "There is no event to come. Look in again later.");
    }
    return el(
        "div",
        { class: "empty" },
        el(
            "p",
            {},
            isBackward(filters)
                ? "The day under “Until” is before the one under “From”."
                : "No event matches all of this.",
        ),
        el("button", { type: "button", onclick: () => form.clear() }, "Clear the filters"),
    );
}

function drawPager(filters, { total, page, page_size: size }) {
    const last = Math.max(Math.ceil(total / size), 1);
    pager.hidden = last === 1 && page === 1;
    const near = new Set([1, page - 1, page, page + 1, last].filter((n) => n >= 1 && n <= last));
    const numbers = [...near].sort((a, b) => a - b);
    fill(
        pager,
        pageLink(filters, Math.min(page - 1, last), "Previous", page > 1),
        numbers.map((number, index) => [
            index > 0 && number > numbers[index - 1] + 1 && el("span", { class: "gap" }, "…"),
            pageLink(filters, number, String(number), true, number === page),
        ]),
        pageLink(filters, page + 1, "Next", page < last),
    );
}

function pageLink(filters, page, name, isThere, isCurrent = false) {
    if (!isThere) return el("span", { class: "button off", "aria-hidden": "true" }, name);
    return el(
        "a",
        {
            class: "button",
            href: address({ ...filters, page }),
            "aria-label": /^\d/.test(name) ? `Page ${name}` : null,
            "aria-current": isCurrent ? "page" : null,
            onclick: (event) => {
                if (event.ctrlKey || event.metaKey || event.shiftKey) return;
                event.preventDefault();
                go(address({ ...filters, page }), ["strip"]);
                show(readFilters()).then(() => announce(`Page ${page}`));
                heading.focus({ preventScroll: true });
                heading.scrollIntoView({ block: "start" });
            },
        },
        name,
    );
}
