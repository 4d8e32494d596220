// Finding a student.

import { announce, el } from "./dom.js";
import { get, query } from "./api.js";
import { count, counted } from "./desk-format.js";
import { API, filler, openDesk } from "./desk-frame.js";
import { chip, empty, table, time } from "./desk-parts.js";

const PAUSE_MILLISECONDS = 250;

let sought = new URLSearchParams(location.search).get("search") ?? "";
let page = null;

function drawFound({ items, has_more: hasMore }, search) {
    if (items.length === 0) {
        return search
            ? empty("Nobody is called that", "Search by a part of the name or the e-mail address,"
                + " or by the id.")
            : empty("There are no students", "Load the app's tables (scripts/load_dataset.py), or"
                + " make some up (scripts/generate_population.py).");
    }
    return el("div", { class: "card" }, table(
        hasMore ? `The first ${count(items.length)} of more: search for others`
            : counted(items.length, "student"),
        [
            {
                name: "Name", header: true,
                value: (one) => [
                    el("a", { href: `/desk/students/${one.id}` }, one.full_name
                        || `Student ${one.id}`),
                    !one.is_active && [" ", chip("inactive", "warn")],
                ],
            },
            { name: "Id", number: true, value: (one) => one.id },
            { name: "E-mail", class: "break", value: (one) => one.email },
            { name: "City", value: (one) => one.city ?? "" },
            { name: "List", value: (one) => (one.generated_at
                ? counted(one.item_count, "event") : el("span", { class: "quiet" }, "none")) },
            { name: "Written", value: (one) => time(one.generated_at) },
            {
                name: "By model",
                value: (one) => el("span", { class: "version" }, one.model_version ?? ""),
            },
        ],
        items,
    ));
}

function build(place) {
    const input = el("input", {
        id: "search", type: "search", value: sought, autocomplete: "off",
        placeholder: "Name, e-mail or id",
    });
    let pause;
    const search = () => {
        clearTimeout(pause);
        sought = input.value.trim();
        history.replaceState(null, "", query({ search: sought }) || location.pathname);
        page.refresh();
    };
    input.addEventListener("input", () => {
        clearTimeout(pause);
        pause = setTimeout(search, PAUSE_MILLISECONDS);
    });
    const found = el("div", { id: "found" });
    place.append(
        el(
            "form",
            {
                role: "search", class: "search-row", onsubmit: (event) => {
                    event.preventDefault();
                    search();
                },
            },
            el("div", { class: "field" }, el("label", { for: "search" }, "Search students"), input),
        ),
        found,
    );
    input.focus();
    const fillFound = filler(found, drawFound);
    return ({ search: asked, ...told }) => {
        fillFound(told, asked);
        const { items, has_more: hasMore } = told;
        if (asked) announce(`${hasMore ? "More than " : ""}${count(items.length)} found`);
    };
}

async function load() {
    const asked = sought;
    const told = await get(`${API}/students${query({ search: asked })}`);
    return { ...told, search: asked };
}

page = await openDesk({
    title: "Students",
    intro: "What is known of a student, what they are shown, and why.",
    load,
    build,
});
