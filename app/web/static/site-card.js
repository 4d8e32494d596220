// An event as a card, with a cover that is drawn: pictures from elsewhere are not loaded.

import { el } from "./dom.js";
import { isFull, place, seats, titleOf, when } from "./site-format.js";

const PATTERNS = 5;

/** Draw a cover that is the same for all events of a category. */
export function cover(category, ...children) {
    const made = el("div", { class: "cover" }, ...children);
    let hash = 5;
    for (const letter of category ?? "") hash = (hash * 33 + letter.codePointAt(0)) % 65_521;
    made.style.setProperty("--hue", String(hash % 360));
    made.classList.add(`pattern-${(hash >> 4) % PATTERNS}`);
    return made;
}

/** Draw a cover that names its category. */
export function namedCover({ category }) {
    return cover(category, category && el("span", { class: "category" }, category));
}

/** A card of the events list. */
export function eventCard(event) {
    return el(
        "article",
        { class: "event-card", "data-event-id": event.id },
        namedCover(event),
        el(
            "div",
            { class: "card-text" },
            el("p", { class: "card-when" }, when(event)),
            el("h3", {}, el("a", { class: "whole", href: `/events/${event.id}` }, titleOf(event))),
            el(
                "p",
                { class: "card-where" },
                [place(event), event.owner_name].filter(Boolean).join(" · "),
            ),
            event.recommendation_reason && reason(event.recommendation_reason),
            el(
                "p",
                { class: "card-seats" },
                isFull(event) ? el("span", { class: "chip warn" }, "Full") : seats(event),
            ),
        ),
    );
}

/** The sentence that says why an event is recommended. */
export function reason(text) {
    return el("p", { class: "reason" }, el("span", { "aria-hidden": "true" }, "✦ "), text);
}

/** What stands where cards will be. */
export function skeletons(number) {
    return Array.from({ length: number }, () =>
        el(
            "div",
            { class: "event-card skeleton", "aria-hidden": "true" },
            el("div", { class: "cover" }),
            el("div", { class: "card-text" }, el("i"), el("i"), el("i")),
        ),
    );
}
