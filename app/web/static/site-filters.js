// What the events list is asked for: it is in the address, so back and forward work.

import { el, fill } from "./dom.js";

const TYPING_MS = 450;
const NAMES = ["search", "category", "city", "start_date", "end_date", "sort"];

/** Read the filters out of the address. */
export function readFilters(search = location.search) {
    const given = new URLSearchParams(search);
    const filters = { tags: given.getAll("tags"), page: Number(given.get("page")) || 1 };
    for (const name of NAMES) filters[name] = given.get(name) ?? "";
    return filters;
}

/** Say whether anything narrows the list down. */
export function isNarrowed({ search, category, city, tags, start_date: from, end_date: to }) {
    return Boolean(search || category || city || tags.length || from || to);
}

/** Say whether the days leave none between them. */
export function isBackward({ start_date: from, end_date: to }) {
    return Boolean(from && to && from > to);
}

/**
 * The form with the filters. `change(filters, how)` is told what somebody has set; how is "search",
 * "filter" or "sort".
 */
export class FilterForm {
    #filters;
    #change;
    #form;
    #tags;
    #clear;
    #more;
    #timer = 0;

    constructor(change) {
        this.#change = change;
        this.#tags = el("ul", { class: "chosen-tags", "aria-label": "Chosen tags" });
        this.#clear = el(
            "button",
            { type: "button", class: "plain", onclick: () => this.clear() },
            "Clear all",
        );
        // On a phone the events are not to be a screen of fields away.
        this.#more = el(
            "button",
            {
                type: "button",
                class: "more-filters",
                "aria-expanded": "false",
                onclick: () => this.#unfold(!this.#form.classList.contains("open")),
            },
            "Filters",
        );
        this.#form = el(
            "form",
            { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
            field("Search", input("search", "search", { maxlength: 200 }), "wide"),
            this.#more,
            field("Category", el("select", { name: "category" })),
            field("City", el("select", { name: "city" })),
            field("Tag", el("select", { name: "tag" })),
            field("From", input("date", "start_date")),
            field("Until", input("date", "end_date")),
            el("div", { class: "chosen" }, this.#tags, this.#clear),
        );
        this.#form.addEventListener("input", (event) => {
            if (event.target.name === "search") this.#typed();
        });
        this.#form.addEventListener("change", (event) => {
            if (event.target.name === "tag") this.#addTag(event.target.value);
            else if (event.target.name !== "search") this.#set({}, "filter");
        });
        this.#form.addEventListener("submit", () => this.#typed(0));
    }

    get element() {
        return this.#form;
    }

    /** Offer what there is. */
    offer({ categories, cities, tags }) {
        const { category, city, tag } = this.#form.elements;
        options(category, "All", categories);
        options(city, "All", cities);
        options(tag, "Add a tag…", tags);
    }

    /** Show what the address says, but for a search that somebody may still be typing on. */
    show(filters, isTyping = false) {
        this.#filters = filters;
        const { elements } = this.#form;
        for (const name of ["category", "city"]) {
            const select = elements[name];
            // An address may name what no event has now; the form then says so, too.
            if (![...select.options].some(({ value }) => value === filters[name])) {
                select.append(el("option", { value: filters[name] }, filters[name]));
            }
            select.value = filters[name];
        }
        for (const name of ["search", "start_date", "end_date"]) {
            if (name !== "search" || !isTyping) elements[name].value = filters[name];
        }
        elements.start_date.max = filters.end_date;
        elements.end_date.min = filters.start_date;
        elements.tag.value = "";
        fill(
            this.#tags,
            filters.tags.map((name) =>
                el(
                    "li",
                    {},
                    el(
                        "button",
                        {
                            type: "button",
                            class: "chip-button",
                            "aria-label": `Remove the tag ${name}`,
                            onclick: () => this.#removeTag(name),
                        },
                        name,
                        el("span", { "aria-hidden": "true" }, " ×"),
                    ),
                ),
            ),
        );
        this.#clear.hidden = !isNarrowed(filters);
        if (isNarrowed({ ...filters, search: "" })) this.#unfold(true);
    }

    clear() {
        this.#form.reset();
        this.#set({ search: "", category: "", city: "", tags: [] }, "clear");
    }

    #unfold(isOpen) {
        this.#form.classList.toggle("open", isOpen);
        this.#more.setAttribute("aria-expanded", String(isOpen));
    }

    #typed(wait = TYPING_MS) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => {
            const search = this.#form.elements.search.value.trim();
            if (search !== this.#filters.search) this.#set({}, "search");
        }, wait);
    }

    #addTag(name) {
        if (name) this.#set({ tags: [...new Set([...this.#filters.tags, name])] }, "filter");
    }

    #removeTag(name) {
        this.#set({ tags: this.#filters.tags.filter((other) => other !== name) }, "filter");
        this.#form.elements.tag.focus();
    }

    #set(more, how) {
        clearTimeout(this.#timer);
        const { elements } = this.#form;
        const typed = {};
        for (const name of NAMES) if (elements[name]) typed[name] = elements[name].value.trim();
        this.#change({ ...this.#filters, ...typed, ...more, page: 1 }, how);
    }
}

function input(type, name, more = {}) {
    return el("input", { type, name, ...more });
}

function field(name, control, kind = "") {
    control.id = `filter-${control.name}`;
    return el("div", { class: `field ${kind}` }, el("label", { for: control.id }, name), control);
}

function options(select, first, items) {
    const chosen = select.value;
    fill(
        select,
        el("option", { value: "" }, first),
        items.map(({ name, count }) => el("option", { value: name }, `${name} (${count})`)),
    );
    if (chosen) select.value = chosen;
}
