// The recommended events, best first. After a click they come in another order: this shows how.

import { get } from "./api.js";
import { announce, el, fill } from "./dom.js";
import { cover, reason, skeletons } from "./site-card.js";
import { flip } from "./site-flip.js";
import { count, place, titleOf, when } from "./site-format.js";
import { failure } from "./site-notices.js";
import { waitForNewList } from "./site-watch.js";
import { openWhy } from "./site-why.js";

const WITHIN_MS = 10_000;
const LOOK_MS = 500; // Long enough to see where things are before they move.
const UP_TO_DATE = "Your list is up to date";
const LATE = "Your list will follow a little later";

/**
 * `list` is the key of telemetry's list: an order that changes while one looks at it stays that
 * list, so only events that are new in it count as seen once more. `memory` names where to keep
 * what was shown last; with it, a page one comes back to shows that before it shows the change.
 */
export class Strip {
    #root;
    #status;
    #options;
    #cards = new Map();
    #items = [];
    #generatedAt = null;
    #isWatching = false;
    #isAskedAgain = false;
    #observed = null;

    constructor({ telemetry, student, source, list, limit = 10, memory = null, without = null }) {
        this.#options = { telemetry, student, source, list, limit, memory, without };
        this.#status = el("p", { class: "strip-status", "data-state": "" });
        this.#root = el("ol", { class: "strip", "aria-label": "Recommended events, best first" });
    }

    get elements() {
        return [this.#status, this.#root];
    }

    /** Show the list, or where it was another one when last seen, how it has changed since. */
    async load() {
        this.#setState("loading");
        fill(
            this.#root,
            skeletons(this.#options.limit).map((one) => el("li", {}, one)),
        );
        try {
            const [list, items] = await this.#ask();
            const before = this.#recall();
            const isChanged = before && before.generatedAt !== list.generated_at;
            this.#generatedAt = list.generated_at;
            if (isChanged) {
                this.#draw(before.items);
                await new Promise((wake) => setTimeout(wake, LOOK_MS));
            }
            this.#show(items, isChanged);
            this.#setState("settled");
            if (list.is_refreshing) this.watch();
        } catch (error) {
            fill(this.#root);
            fill(
                this.#root,
                el(
                    "li",
                    { class: "strip-failure" },
                    failure(error, () => this.load()),
                ),
            );
            this.#setState("failed");
        }
    }

    /** Ask for the events again: what may be shown has changed, if not the list behind it. */
    async reload() {
        const [list, items] = await this.#ask();
        this.#generatedAt = list.generated_at;
        this.#show(items, true);
    }

    /** Something was told that may change the list: wait for it, and show it. */
    async watch() {
        if (!this.#options.student) return;
        this.#isAskedAgain = true;
        if (this.#isWatching) return;
        this.#isWatching = true;
        this.#setState("updating", "Updating your list");
        let isLate = false;
        try {
            while (this.#isAskedAgain) {
                this.#isAskedAgain = false;
                await this.#options.telemetry.flush();
                const list = await waitForNewList(this.#generatedAt, WITHIN_MS);
                isLate = list.is_refreshing;
                if (list.generated_at !== this.#generatedAt) await this.reload();
            }
            this.#setState("settled", isLate ? LATE : undefined);
        } catch {
            // What is shown is still right; the next page shows the change.
            this.#setState("settled");
        } finally {
            this.#isWatching = false;
        }
    }

    /** The page is looked at again: has the list changed in the meantime? */
    async check() {
        const list = await get("/api/demo/list").catch(() => null);
        if (list?.is_refreshing || (list && list.generated_at !== this.#generatedAt)) this.watch();
    }

    async #ask() {
        const [list, items] = await Promise.all([
            get("/api/demo/list"),
            get("/api/recommendations"),
        ]);
        const { limit, without } = this.#options;
        return [list, items.filter(({ id }) => id !== without).slice(0, limit)];
    }

    #show(items, isChange) {
        const before = this.#items.map(({ id }) => id);
        flip(
            () => [...this.#root.querySelectorAll(".strip-card")],
            () => this.#draw(items),
        );
        this.#remember(items);
        if (!isChange || before.length === 0) return;
        const moves = items.map(({ id }, place) => [id, move(before.indexOf(id), place)]);
        for (const [id, moved] of moves) this.#mark(id, moved);
        this.#tell(moves.map(([, moved]) => moved));
    }

    #draw(items) {
        this.#items = items;
        const cards = items.map((event, place) => this.#card(event, place + 1));
        this.#cards = new Map(cards.map((card, place) => [items[place].id, card]));
        if (items.length) fill(this.#root, cards);
        else fill(this.#root, el("li", { class: "empty" }, "There is no event left to recommend."));
        const { telemetry, source, list } = this.#options;
        if (this.#observed) this.#observed.update(cards);
        else this.#observed = telemetry.observeList(cards, { source, list, sort: "recommended" });
    }

    #card(event, rank) {
        const known = this.#cards.get(event.id);
        const card = known ?? el("li", { class: "strip-card", "data-event-id": event.id });
        return fill(
            card,
            cover(
                event.category,
                el(
                    "span",
                    { class: "rank" },
                    el("span", { class: "for-readers" }, "Place "),
                    rank,
                ),
                event.category && el("span", { class: "category" }, event.category),
                el("span", { class: "moved", hidden: true }),
            ),
            el(
                "div",
                { class: "card-text" },
                el("p", { class: "card-when" }, when(event)),
                el("h3", {}, el("a", { class: "whole", href: `/events/${event.id}` }, titleOf(event))),
                place(event) && el("p", { class: "card-where" }, place(event)),
                reason(event.recommendation_reason),
                el(
                    "button",
                    { type: "button", class: "plain why-button", onclick: () => openWhy(event) },
                    "Why am I seeing this?",
                    el("span", { class: "for-readers" }, ` ${titleOf(event)}`),
                ),
            ),
        );
    }

    #mark(id, moved) {
        const mark = this.#cards.get(id).querySelector(".moved");
        mark.hidden = moved === 0;
        if (moved === 0) return;
        mark.classList.add(moved > 0 ? "up" : "down");
        if (moved === Infinity) fill(mark, "new");
        else {
            const [arrow, word] = moved > 0 ? ["↑", "up"] : ["↓", "down"];
            const text = `${word} ${count(Math.abs(moved), "place")}`;
            fill(
                mark,
                el("span", { "aria-hidden": "true" }, `${arrow}${Math.abs(moved)}`),
                el("span", { class: "for-readers" }, text),
            );
        }
    }

    #tell(moves) {
        const fresh = moves.filter((moved) => moved === Infinity).length;
        const up = moves.filter((moved) => moved > 0).length - fresh;
        const parts = [up && `${count(up, "event")} moved up`, fresh && `${fresh} new`];
        const said = parts.filter(Boolean).join(", ");
        this.#setState("settled", said ? `Your list has changed: ${said}` : UP_TO_DATE);
        announce(this.#status.textContent);
    }

    #setState(state, text) {
        this.#status.dataset.state = state;
        if (text !== undefined) fill(this.#status, text);
        else if (state === "settled" && this.#status.textContent.startsWith("Updating")) {
            fill(this.#status, UP_TO_DATE);
        }
    }

    #memoryKey() {
        return `eventrank.site.${this.#options.memory}.${this.#options.student.id}`;
    }

    #remember(items) {
        if (!this.#options.memory) return;
        const shown = { generatedAt: this.#generatedAt, items };
        sessionStorage.setItem(this.#memoryKey(), JSON.stringify(shown));
    }

    #recall() {
        if (!this.#options.memory) return null;
        return JSON.parse(sessionStorage.getItem(this.#memoryKey()) ?? "null");
    }
}

/** By how many places something moved up; Infinity if it was not there. */
function move(before, now) {
    return before < 0 ? Infinity : before - now;
}
