// The parts that the desk's pages are made of: tables, times, tiles, chips, empty states.

import { el } from "./dom.js";
import { exact, NONE, relative } from "./desk-format.js";

const TIMES_SECONDS = 20;

/** A moment as people say it, which goes on counting; the exact one is its title. */
export function time(moment) {
    if (!moment) return el("span", { class: "quiet" }, NONE);
    return el(
        "time", { datetime: moment, title: exact(moment), "data-relative": true }, relative(moment),
    );
}

setInterval(() => {
    for (const one of document.querySelectorAll("time[data-relative]")) {
        const said = relative(one.dateTime);
        if (one.textContent !== said) one.textContent = said;
    }
}, 1000 * TIMES_SECONDS);

/**
 * A table. Columns are `{name, value(row), number, header}`: what a cell shows, whether it is a
 * number, and whether it names its row. `row(item)` may give attributes of a row. On a narrow
 * screen each row becomes a block with a line a cell, which takes the roles away that elements of
 * a table have by themselves.
 */
export function table(caption, columns, items, { row = () => ({}), hideCaption = false } = {}) {
    return el(
        "div",
        // What scrolls has to be reachable by keyboard.
        { class: "wide", tabindex: 0, role: "region", "aria-label": caption },
        el(
            "table",
            { role: "table" },
            el("caption", { class: hideCaption && "for-readers" }, caption),
            el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, columns.map(head))),
            el("tbody", { role: "rowgroup" }, items.map((item) => el(
                "tr", { role: "row", ...row(item) }, columns.map((column) => cell(column, item)),
            ))),
        ),
    );
}

function head(column) {
    return el(
        "th",
        { scope: "col", role: "columnheader", class: column.number && "number" },
        column.name,
    );
}

function cell(column, item) {
    const content = [column.value(item)].flat(Infinity).filter(
        (one) => one !== null && one !== undefined && one !== false && one !== "",
    );
    const classes = [column.number && "number", column.class, content.length === 0 && "blank"];
    return el(
        column.header ? "th" : "td",
        {
            scope: column.header && "row",
            role: column.header ? "rowheader" : "cell",
            class: classes.filter(Boolean).join(" ") || null,
            "data-label": column.header ? null : column.label ?? column.name?.textContent
                ?? column.name,
        },
        // One node, so that label and content are side by side on a narrow screen.
        el("div", {}, content),
    );
}

/** A short mark: good, warn, bad, accent or plain. */
export function chip(words, kind = "") {
    return el("span", { class: `chip ${kind}`.trim() }, words);
}

/** A figure with what it is; small print below. */
export function tile(name, value, more, kind = "") {
    return el(
        "div",
        { class: `tile ${kind}`.trim() },
        el("dt", {}, name),
        el("dd", { class: "figure" }, value),
        more && el("dd", { class: "small quiet" }, more),
    );
}

/** Tiles side by side. */
export function tiles(...each) {
    return el("dl", { class: "tiles" }, each);
}

/** What stands where there is nothing: why, and what to do. */
export function empty(title, ...what) {
    return el("div", { class: "empty" }, el("strong", {}, title), el("p", {}, what));
}

/** A section with its heading and what may be done about it. */
export function section(title, ...content) {
    const { node, body } = part(title);
    body.append(...content.flat(Infinity).filter((one) => one instanceof Node || one));
    return node;
}

/** The same, of which the body is filled again and again. */
export function part(title, { actions = [], intro, id } = {}) {
    const body = el("div", { class: "body" });
    const node = el(
        "section",
        { id, "aria-label": title },
        el("div", { class: "heading" }, el("h2", {}, title), actions),
        intro && el("p", { class: "quiet intro" }, intro),
        body,
    );
    return { node, body };
}

/** A list of names and what they have. */
export function facts(...pairs) {
    return el(
        "dl",
        { class: "facts" },
        pairs.filter(Boolean).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
    );
}

/** What may be opened and stays open when the page is filled again: `key` says which it is. */
export function fold(key, summary, ...content) {
    return el(
        "details",
        {
            open: opened.has(key),
            ontoggle: (event) => {
                if (event.target.open) opened.add(key);
                else opened.delete(key);
            },
        },
        el("summary", {}, summary),
        content,
    );
}
const opened = new Set();
