// What if the weights were others: a slider for each, and a student's list that moves with them.

import { announce, el, fill } from "./dom.js";
import { post } from "./api.js";
import { count, counted, decimal, sentence, signed } from "./desk-format.js";
import { guarded } from "./desk-frame.js";
import { chip, empty, part } from "./desk-parts.js";

const PAUSE_MILLISECONDS = 180;
const MOVE_MILLISECONDS = 420;
const LEAST_REACH = 5;
const STEP = 0.05;
const MOST = 1e6;
/** So many places a list has here; what left them is shown below. */
const PLACES = 20;

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

/** The section: `show(weights)` begins with a model's weights. */
export class WhatIf {
    constructor(path) {
        this.path = path;
        this.rows = new Map();
        this.asked = 0;
        this.reset = el(
            "button",
            { type: "button", class: "small", disabled: true, onclick: () => this.resetAll() },
            "Reset all",
        );
        const section = part("What if the weights were others", {
            id: "what-if",
            actions: [this.reset],
            intro: "Move a weight and see what the first places of this student would be."
                + " Nothing is stored: no list, no model, and no other student changes.",
        });
        this.node = section.node;
        this.sliders = el("div", { class: "sliders card" });
        this.list = el("ol", { class: "ranks card", "aria-label": "The list with these weights" });
        this.note = el("p", { class: "small quiet", role: "status" });
        this.body = section.body;
        this.grid = el(
            "div", { class: "student what-if" }, el("div", {}, this.sliders),
            el("div", {}, this.list),
        );
    }

    /** Begin with these weights; the same ones as before change nothing. */
    show(weights, trouble) {
        const key = JSON.stringify([weights, trouble]);
        if (key === this.key) return null;
        this.key = key;
        this.active = weights ?? [];
        this.reset.hidden = this.active.length === 0;
        if (this.active.length === 0) {
            fill(this.body, empty(
                "There is no model whose weights could be moved",
                trouble ? `${sentence(trouble)}. ` : "",
                el("a", { href: "/desk/models" }, "Models"),
            ));
            return null;
        }
        const reach = Math.max(
            LEAST_REACH, ...this.active.map((one) => Math.ceil(1.5 * Math.abs(one.weight))),
        );
        this.controls = this.active.map((one) => new Slider(one, reach, () => this.changed()));
        fill(this.sliders, this.controls.map((one) => one.node));
        fill(this.body, this.note, this.grid);
        return this.ask();
    }

    resetAll() {
        for (const control of this.controls) control.reset();
        this.changed();
    }

    changed() {
        const isChanged = this.controls.some((one) => one.isChanged);
        this.reset.disabled = !isChanged;
        clearTimeout(this.pause);
        this.pause = setTimeout(() => this.ask(), PAUSE_MILLISECONDS);
    }

    async ask() {
        const number = (this.asked += 1);
        const weights = Object.fromEntries(
            this.controls.filter((one) => one.isChanged).map((one) => [one.feature, one.value]),
        );
        try {
            const { items } = await guarded(post(`${this.path}/preview`, { weights }));
            // An earlier answer may come later.
            if (number === this.asked) this.draw(items, Object.keys(weights).length > 0);
        } catch (error) {
            if (number === this.asked) {
                fill(this.note, el("span", { class: "soon" }, error.message));
            }
        }
    }

    draw(items, isChanged) {
        const before = places(this.rows);
        const rows = new Map();
        for (const item of items) {
            const row = this.rows.get(item.event_id) ?? el("li", { "data-event": item.event_id });
            fill(row, rankRow(item));
            rows.set(item.event_id, row);
        }
        this.rows = rows;
        // The rows themselves move, so that one can follow them.
        fill(this.list, [...rows.values()]);
        moveFrom(before, rows);
        this.tell(items, isChanged);
    }

    tell(items, isChanged) {
        if (items.length === 0) {
            fill(this.note, "There is no event that this student may be shown.");
            return;
        }
        const moved = items.filter((one) => one.old_rank !== one.new_rank).length;
        const said = isChanged
            ? `${moved === 0 ? "No event moves" : `${counted(moved, "event")} would move`}; `
                + `first would be “${items[0].title}”.`
            : "These are the weights of the active model.";
        fill(this.note, said);
        if (isChanged) announce(said);
    }
}

function rankRow(item) {
    const isOut = item.new_rank > PLACES;
    return el(
        "div",
        { class: "rank" },
        el("span", { class: "place" }, count(item.new_rank)),
        el(
            "span", { class: "what" }, item.title,
            isOut && el("small", {}, `no longer among the first ${PLACES}`),
        ),
        el(
            "span", { class: "score" }, movedChip(item), " ",
            el(
                "span", { title: `Score now ${decimal(item.old_score)}` },
                decimal(item.new_score),
            ),
        ),
    );
}

function movedChip({ old_rank: before, new_rank: after }) {
    const by = before - after;
    const said = el("span", { class: "moved" });
    if (by === 0) {
        said.append(el("span", { class: "quiet", title: "The same place" }, "="));
    } else {
        const mark = chip(by > 0 ? `↑ ${count(by)}` : `↓ ${count(-by)}`, by > 0 ? "good" : "bad");
        mark.title = `From place ${before} to ${after}`;
        mark.setAttribute("aria-label", `${by > 0 ? "up" : "down"} ${Math.abs(by)}, was ${before}`);
        mark.setAttribute("role", "img");
        said.append(mark);
    }
    return said;
}

function places(rows) {
    return new Map([...rows].map(([id, row]) => [id, row.getBoundingClientRect().top]));
}

/** Let each row come from where it was. */
function moveFrom(before, rows) {
    if (stillness.matches || before.size === 0) return;
    for (const [id, row] of rows) {
        const was = before.get(id);
        const is = row.getBoundingClientRect().top;
        if (was === undefined) {
            row.animate([{ opacity: 0 }, { opacity: 1 }], MOVE_MILLISECONDS);
        } else if (was !== is) {
            row.animate(
                [{ transform: `translateY(${was - is}px)` }, { transform: "none" }],
                { duration: MOVE_MILLISECONDS, easing: "cubic-bezier(0.2, 0.7, 0.2, 1)" },
            );
        }
    }
}

/** A weight: a slider, and a field for the exact number. */
class Slider {
    constructor({ feature, label, weight, standard_error: error }, reach, onChange) {
        this.feature = feature;
        this.weight = weight;
        this.value = weight;
        this.onChange = onChange;
        const id = `weight-${feature}`;
        this.range = el("input", {
            // Steps count from the least: they have to meet the weight, to come back to it.
            id, type: "range", min: weight - STEP * Math.ceil((weight + reach) / STEP), max: reach,
            step: STEP, value: weight,
            oninput: () => this.set(this.range.valueAsNumber),
        });
        this.number = el("input", {
            // Without bounds, its steps count from the value it has here.
            type: "number", step: STEP, value: rounded(weight),
            "aria-label": `${label}, exactly`, "aria-describedby": `${id}-fault`,
            oninput: () => {
                const given = this.number.valueAsNumber;
                if (Math.abs(given) <= MOST) this.set(given);
                else this.showFault(true);
            },
        });
        this.fault = el("span", { id: `${id}-fault`, class: "small soon", hidden: true });
        const now = typeof error === "number"
            ? `${signed(weight)} ± ${decimal(error, 2)}` : signed(weight);
        this.node = el(
            "div",
            { class: "slider", "data-feature": feature },
            el("label", { for: id }, el("span", {}, label), el(
                "span", { class: "quiet small", title: "The weight now, and its standard error" },
                `now ${now}`,
            )),
            this.range,
            this.number,
            this.fault,
        );
    }

    get isChanged() {
        return this.value !== this.weight;
    }

    set(value) {
        // Steps there and back have a rounding error, and the field shows three digits.
        const isSame = value === rounded(this.weight) || Math.abs(value - this.weight) < 1e-6;
        this.value = isSame ? this.weight : value;
        this.showFault(false);
        if (document.activeElement !== this.range) this.range.value = String(value);
        if (document.activeElement !== this.number) this.number.value = String(rounded(value));
        this.node.classList.toggle("changed", this.isChanged);
        this.onChange();
    }

    /** Say that the list is not of what the field holds. */
    showFault(is) {
        this.number.setAttribute("aria-invalid", String(is));
        this.fault.hidden = !is;
        fill(this.fault, is && `A number from ${decimal(-MOST, 0)} to ${count(MOST)}, please: the list`
            + ` is of ${signed(this.value, 3)}.`);
    }

    reset() {
        this.value = this.weight;
        this.showFault(false);
        this.range.value = String(this.weight);
        this.number.value = String(rounded(this.weight));
        this.node.classList.remove("changed");
    }
}

/** As many digits as anybody wants to see, and none of them noise. */
function rounded(value) {
    return Math.round(1000 * value) / 1000;
}
