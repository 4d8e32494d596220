// "Why am I seeing this": what speaks for an event and what against it, as bars that add up.

import { get } from "./api.js";
import { el, fill } from "./dom.js";
import { failure } from "./site-notices.js";
import { reason } from "./site-card.js";
import { signed, titleOf } from "./site-format.js";

/** Open the dialog. It is modal: the browser keeps the focus in it, and gives it back. */
export function openWhy(event) {
    const adding = el("p", { class: "quiet" }, "Adding up…");
    const content = el("div", { "aria-live": "polite" }, adding);
    const dialog = el(
        "dialog",
        { class: "why", "aria-labelledby": "why-title" },
        el("h2", { id: "why-title" }, "Why am I seeing this?"),
        el("p", { class: "why-event" }, titleOf(event)),
        content,
        el(
            "form",
            { method: "dialog", class: "actions" },
            el("button", { class: "primary", autofocus: true }, "Close"),
        ),
    );
    dialog.addEventListener("close", () => dialog.remove());
    dialog.addEventListener("click", (click) => click.target === dialog && dialog.close());
    document.body.append(dialog);
    dialog.showModal();
    show(event, content);
}

async function show(event, content) {
    try {
        const explanation = await get(`/api/demo/events/${event.id}/explanation`);
        fill(content, contributions(explanation));
    } catch (error) {
        fill(
            content,
            failure(error, () => show(event, content)),
        );
    }
}

function contributions(explanation) {
    // A feature this event does not have says nothing about it.
    const parts = explanation.features.filter(
        ({ feature, contribution }) => feature === "bias" || Math.abs(contribution) >= 0.005,
    );
    const largest = Math.max(...parts.map(({ contribution }) => Math.abs(contribution)), 0.01);
    const percent = Math.round(explanation.score * 100);
    return [
        explanation.reason && reason(explanation.reason),
        el(
            "table",
            { class: "bars" },
            el("caption", {}, "What speaks for it, and what against it"),
            el(
                "thead",
                { class: "for-readers" },
                el(
                    "tr",
                    {},
                    ["What", "How much, as a bar", "How much"].map((name) =>
                        el("th", { scope: "col" }, name),
                    ),
                ),
            ),
            el(
                "tbody",
                {},
                parts.map((part) => row(part, largest)),
            ),
            el(
                "tfoot",
                {},
                el(
                    "tr",
                    {},
                    el("th", { scope: "row" }, "Together"),
                    el("td"),
                    el("td", { class: "number" }, signed(explanation.logit)),
                ),
            ),
        ),
        el(
            "p",
            { class: "small quiet" },
            `That makes a score of ${percent} out of 100. The list begins with the highest. `,
            `Model ${explanation.model_version}.`,
        ),
    ];
}

function row({ feature, label, contribution }, largest) {
    const bar = el("span", { class: contribution < 0 ? "bar-against" : "bar-for" });
    bar.style.setProperty("--length", String(Math.abs(contribution) / largest));
    return el(
        "tr",
        { "data-feature": feature },
        el("th", { scope: "row" }, label),
        el("td", { class: "bar-cell", "aria-hidden": "true" }, bar),
        el("td", { class: "number" }, signed(contribution)),
    );
}
