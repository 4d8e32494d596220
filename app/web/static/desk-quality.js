// What was shown, and what came of it: by the model and by time, day by day, with how sure one is.

import { el } from "./dom.js";
import { get } from "./api.js";
import { Chart, escaped, faint } from "./desk-charts.js";
import {
    clock, count, day, decimal, percent, rate, sentence,
} from "./desk-format.js";
import { decided } from "./desk-decisions.js";
import { API, filler, openDesk } from "./desk-frame.js";
import { chip, empty, part, table, tile, tiles, time } from "./desk-parts.js";

const SPANS = [7, 14, 30, 90];
const DEFAULT_DAYS = 14;
const VARIANTS = {
    recommended: { name: "by the model", color: "series-1", symbol: "circle", dash: "solid" },
    time: { name: "by time", color: "series-2", symbol: "square", dash: "dash" },
};
const RATES = {
    ctr: { title: "Clicks of what is shown", of: "impressions", are: "clicks" },
    conversion: { title: "Registrations of what is clicked", of: "clicks", are: "conversions" },
};
const KINDS = {
    training: { words: "activated by training", symbol: "triangle-up", color: "accent" },
    manual: { words: "activated by hand", symbol: "star", color: "accent" },
    rollback: { words: "rolled back to", symbol: "x", color: "bad" },
};

function asked() {
    const days = Number(new URLSearchParams(location.search).get("days"));
    return SPANS.includes(days) ? days : DEFAULT_DAYS;
}

const total = (data, variant) => data.totals.find((one) => one.variant === variant) ?? {};

/**
 * The difference of two rates with its interval, out of theirs (Newcombe's square-and-add); null
 * where one of them has nothing to divide by.
 */
function difference(one, other, name) {
    const [p, low, high] = [one[name], one[`${name}_low`], one[`${name}_high`]];
    const [q, otherLow, otherHigh] = [other[name], other[`${name}_low`], other[`${name}_high`]];
    if (p === null || q === null || p === undefined || q === undefined) return null;
    return {
        value: p - q,
        low: p - q - Math.hypot(p - low, otherHigh - q),
        high: p - q + Math.hypot(high - p, q - otherLow),
    };
}

/** The totals of a rate in a sentence that says what may be said of them. */
function verdict(data, name) {
    const [model, byTime] = [total(data, "recommended"), total(data, "time")];
    const verb = name === "ctr" ? "of what is shown is clicked"
        : "of clicks end in a registration";
    const told = `Sorting by the model, ${ratesOf(model, name)} ${verb}; by time, `
        + `${ratesOf(byTime, name)}.`;
    const gap = difference(model, byTime, name);
    if (!gap) return { told, judged: "There is nothing to compare yet.", kind: "" };
    const points = `${decimal(100 * Math.abs(gap.value), 1)} points`;
    const bounds = `[${decimal(100 * gap.low, 1)}, ${decimal(100 * gap.high, 1)}]`;
    if (gap.low > 0) {
        return { told, judged: `The model is ${points} ahead ${bounds}.`, kind: "good" };
    }
    if (gap.high < 0) {
        return { told, judged: `The model is ${points} behind ${bounds}.`, kind: "bad" };
    }
    return { told, judged: `The difference of ${points} ${bounds} may be chance.`, kind: "" };
}

function ratesOf(one, name) {
    if (typeof one[name] !== "number") return `nothing (no ${RATES[name].of})`;
    return rate(one[name], one[`${name}_low`], one[`${name}_high`]);
}

function drawTotals(data) {
    return [
        tiles(
            Object.entries(RATES).flatMap(([name, of]) => Object.entries(VARIANTS).map(
                ([variant, { name: sorted, color }]) => {
                    const one = total(data, variant);
                    return tile(
                        `${name === "ctr" ? "CTR" : "Conversion"}, ${sorted}`,
                        el("span", { "data-figure": `${variant}-${name}` }, percent(one[name])),
                        `${count(one[of.are])} of ${count(one[of.of])} ${of.of}`,
                        color,
                    );
                },
            )),
        ),
        Object.keys(RATES).map((name) => {
            const { told, judged, kind } = verdict(data, name);
            return el("p", { class: `note ${kind}` }, told, " ", el("strong", {}, judged));
        }),
    ];
}

/** A rate over time: a line with its interval for each variant, and marks of what happened. */
function rateChart(name) {
    const { title, of, are } = RATES[name];
    return new Chart({
        title,
        height: 330,
        level: 2,
        summary: (data) => {
            const days = data.days.filter((one) => one.variant === "time").length;
            const { told } = verdict(data, name);
            return [
                `${days} days up to ${day(data.to)} (UTC; the last one so far). The band is the`
                    + " 95 % interval of each day. ",
                // The page has said so just before; who lands here by a key has not heard it.
                el("span", { class: "for-readers" }, told),
            ];
        },
        draw: (data, colors, isNarrow) => {
            const traces = [];
            for (const [variant, { color }] of Object.entries(VARIANTS)) {
                const days = data.days.filter((one) => one.variant === variant);
                traces.push(...bands(days, name, colors[color]));
            }
            for (const [variant, style] of Object.entries(VARIANTS)) {
                const days = data.days.filter((one) => one.variant === variant);
                traces.push(line(days, name, style, colors));
            }
            const marks = happened(data);
            traces.push(...markTraces(marks, colors));
            return {
                traces,
                layout: {
                    showlegend: true,
                    legend: {
                        orientation: "h", x: 0, y: 1.02, yanchor: "bottom",
                        itemclick: false, itemdoubleclick: false,
                    },
                    hovermode: "closest",
                    margin: { l: 8, r: 12, t: 34, b: 8 },
                    xaxis: {
                        type: "date",
                        range: [noZone(data.from), endOfDay(data.to)],
                        tickformat: isNarrow ? "%-d %b" : "%a %-d %b",
                        nticks: isNarrow ? 5 : 9,
                        showgrid: false,
                    },
                    yaxis: {
                        tickformat: ".0%", range: [0, highest(data, name)], nticks: 5,
                        zeroline: true,
                    },
                    // What happened has a scale of its own, along the upper edge.
                    yaxis2: { overlaying: "y", range: [0, 1], visible: false },
                    shapes: marks.filter((one) => one.isChange).map((one) => ({
                        type: "line", xref: "x", yref: "paper", y0: 0, y1: 0.95,
                        x0: noZone(one.at), x1: noZone(one.at),
                        line: { color: colors[one.color], width: 1, dash: "dot" },
                    })),
                },
            };
        },
        table: (data) => table(title, [
            { name: "Day (UTC)", header: true, value: (row) => day(row.date) },
            ...Object.entries(VARIANTS).flatMap(([variant, { name: sorted }]) => [
                {
                    name: `${sentence(are)}/${of}, ${sorted}`, number: true,
                    value: (row) => `${count(row[variant][are])}/${count(row[variant][of])}`,
                },
                {
                    name: `Rate, ${sorted}`, number: true,
                    value: (row) => rate(
                        row[variant][name], row[variant][`${name}_low`],
                        row[variant][`${name}_high`],
                    ),
                },
            ]),
        ], byDay(data.days).reverse()),
    });
}

function byDay(days) {
    return [...Map.groupBy(days, (one) => one.date)].map(([date, both]) => ({
        date,
        ...Object.fromEntries(Object.keys(VARIANTS).map((variant) => [
            variant, both.find((one) => one.variant === variant) ?? {},
        ])),
    }));
}

/** Plotly takes moments as they are written; all of them are of UTC here, as the days are. */
function noZone(moment) {
    return new Date(moment).toISOString().slice(0, 19);
}

/** A day's point is at its noon, so that what happened at three in the night is before it. */
const noon = (date) => `${date.slice(0, 10)}T12:00:00`;
const endOfDay = (moment) => `${noZone(moment).slice(0, 10)}T23:59:59`;

/** As high as the rates need, and the intervals of most days; a day of three clicks has 0 to 1. */
function highest(data, name) {
    const rates = data.days.map((one) => one[name]).filter((one) => one !== null);
    const highs = data.days.map((one) => one[`${name}_high`]).filter((one) => one !== null);
    if (rates.length === 0) return 1;
    return Math.min(1, Math.max(0.02, 1.15 * Math.max(...rates),
        Math.min(1.06 * Math.max(...highs), 1.8 * Math.max(...rates))));
}

function line(days, name, { name: sorted, color, symbol, dash }, colors) {
    const { of, are } = RATES[name];
    return {
        type: "scatter",
        mode: "lines+markers",
        name: sorted,
        x: days.map((one) => noon(one.date)),
        y: days.map((one) => one[name]),
        line: { color: colors[color], width: 2, dash },
        marker: { symbol, size: 7, color: colors[color] },
        customdata: days.map((one) => `${day(one.date)}, sorted ${sorted}<br>`
            + `${rate(one[name], one[`${name}_low`], one[`${name}_high`])}<br>`
            + `${count(one[are])} of ${count(one[of])} ${of}`),
        hovertemplate: "%{customdata}<extra></extra>",
    };
}

/** The interval of each run of days that have one. */
function bands(days, name, color) {
    const runs = [[]];
    for (const one of days) {
        if (one[name] === null) runs.push([]);
        else runs.at(-1).push(one);
    }
    return runs.filter((run) => run.length > 1).map((run) => ({
        type: "scatter",
        mode: "lines",
        x: [...run, ...run.toReversed()].map((one) => noon(one.date)),
        y: [
            ...run.map((one) => one[`${name}_high`]),
            ...run.toReversed().map((one) => one[`${name}_low`]),
        ],
        fill: "toself",
        fillcolor: faint(color, 0.16),
        line: { width: 0 },
        hoverinfo: "skip",
        showlegend: false,
    }));
}

/** What happened to the model, the earliest first. */
function happened(data) {
    const activations = data.activations.map((one) => {
        const kind = KINDS[one.kind] ?? KINDS.manual;
        return {
            at: one.activated_at, isChange: true, ...kind, name: kind.words,
            model: one.model_version, by: one.activated_by, reason: one.reason,
            group: one.kind === "rollback" ? "rollback" : "activation",
        };
    });
    const evaluations = data.evaluations.map((one) => ({
        at: one.evaluated_at, isChange: false, symbol: "diamond-open", name: "guardrail: "
            + decided(one.action), reason: one.reason, group: "evaluation",
        color: one.action === "rollback" ? "bad" : "quiet",
    }));
    return [...activations, ...evaluations].sort((one, other) => new Date(one.at) - new Date(
        other.at,
    ));
}

const MARK_PLACES = { evaluation: 0.9, activation: 0.96, rollback: 0.96 };

function markTraces(marks, colors) {
    return [...Map.groupBy(marks, (one) => one.group)].map(([group, these]) => ({
        type: "scatter",
        mode: "markers",
        name: group,
        yaxis: "y2",
        x: these.map((one) => noZone(one.at)),
        y: these.map(() => MARK_PLACES[group]),
        marker: {
            symbol: these.map((one) => one.symbol),
            size: 10,
            color: these.map((one) => colors[one.color]),
        },
        customdata: these.map(markText),
        hovertemplate: "%{customdata}<extra></extra>",
    }));
}

function markText(mark) {
    return [
        `${clock(mark.at)}: ${mark.name} ${mark.model ?? ""}`.trim(),
        mark.by && `by ${mark.by}`,
        ...folded(mark.reason),
    ].filter(Boolean).map(escaped).join("<br>");
}

/** Lines of about fifty letters: plotly breaks none. */
function folded(text) {
    return (text ?? "").match(/.{1,50}(?:\s|$)|.{1,50}/g) ?? [];
}

function drawHappened(data) {
    const marks = happened(data).reverse();
    if (marks.length === 0) {
        return empty(
            "Nothing happened to the model in these days",
            "Activations, rollbacks and evaluations of the guardrails would be here.",
        );
    }
    return el("div", { class: "card" }, table("Activations, rollbacks and evaluations", [
        { name: "When", value: (one) => time(one.at) },
        {
            name: "What", header: true,
            value: (one) => chip(one.name, { bad: "bad", accent: "accent" }[one.color] ?? ""),
        },
        { name: "Model", value: (one) => el("span", { class: "version" }, one.model ?? "") },
        { name: "Who", value: (one) => one.by ?? "" },
        { name: "Why", value: (one) => one.reason ?? "" },
    ], marks, { hideCaption: true }));
}

function drawNothing(data) {
    const shown = data.totals.reduce((sum, one) => sum + one.impressions, 0);
    return shown > 0 ? null : empty(
        "Nobody was shown the events list in these days",
        "Clients tell by POST /api/analytics/interactions which events they showed, with"
            + " meta.source events_list and meta.sort recommended or time. Without that there is"
            + " nothing to measure, and the guardrails have nothing to judge by.",
    );
}

function drawSpans(refresh) {
    const buttons = SPANS.map((days) => el(
        "button",
        { type: "button", "aria-pressed": String(days === asked()), "data-days": days },
        `${days} days`,
    ));
    for (const button of buttons) {
        button.addEventListener("click", () => {
            history.replaceState(null, "", `?days=${button.dataset.days}`);
            for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
            refresh();
        });
    }
    return el("fieldset", { class: "segments" },
        el("legend", { class: "for-readers" }, "How many days"), buttons);
}

function build(place) {
    const nothing = el("div");
    const totals = el("div");
    const ctr = rateChart("ctr");
    const conversion = rateChart("conversion");
    const marks = part("What happened meanwhile");
    place.append(
        el("div", { class: "heading" }, drawSpans(() => desk.then((one) => one.refresh()))),
        nothing,
        totals,
        ctr.element,
        el("section", {}, conversion.element),
        marks.node,
        el(
            "p", { class: "quiet small after" },
            "Impressions and clicks of the events list by signed-in students; a conversion is a"
            + " registration that followed such a click. Intervals are Wilson's at 95 % and take"
            + " each impression for itself; students who look often make them a little too"
            + " narrow. The guardrails judge by students.",
        ),
    );
    const fillNothing = filler(nothing, drawNothing);
    const fillTotals = filler(totals, drawTotals);
    const fillMarks = filler(marks.body, drawHappened);
    return async (data) => {
        fillNothing(data);
        fillTotals(data);
        fillMarks(data);
        await Promise.all([ctr.update(data), conversion.update(data)]);
    };
}

const desk = openDesk({
    title: "Quality",
    intro: "What students do with the events list, sorted by the model and sorted by time.",
    load: () => get(`${API}/variants?days=${asked()}`),
    build,
    every: 30,
});
