// What the guardrails look at, what they decided, and the numbers behind each decision.

import { el } from "./dom.js";
import { get } from "./api.js";
import { Chart, faint } from "./desk-charts.js";
import { clock, count, counted, decimal, NONE, percent, sentence, words } from "./desk-format.js";
import { API, filler, openDesk } from "./desk-frame.js";
import { decided, decisionChip } from "./desk-decisions.js";
import { evaluateButton } from "./desk-guardrail-button.js";
import { empty, facts, fold, part, table, time } from "./desk-parts.js";

const SORTS = [["recommended", "by the model"], ["time", "by time"]];
const RATES = {
    ctr: { name: "CTR", drop: "ctr_drop_ratio" },
    conversion: { name: "Conversion", drop: "conversion_drop_ratio" },
};

const version = (name) => el("span", { class: "version" }, name);

function drawSettings(settings, evidenceFrom) {
    return el(
        "div",
        { class: "card" },
        !settings.enabled && el(
            "p", { class: "note warn" },
            "The guardrails are switched off: a model that does badly stays until somebody acts."
            + " Switch them on with ",
            el("code", {}, "PERSONALIZATION_GUARDRAILS_ENABLED=true"), ".",
        ),
        el("p", {}, rule(settings)),
        facts(
            ["Method", settings.method === "sequential"
                ? "sequential: worse beyond chance, however often one looks"
                : "ratio: the two rates as they are, chance included"],
            ["Evidence", evidenceFrom
                ? ["since ", time(evidenceFrom), ", the last rollback or activation by hand, and at"
                    + ` most ${counted(settings.days, "day")}`]
                : `the last ${counted(settings.days, "day")}`],
            ["Cooldown", cooldown(settings)],
        ),
    );
}

function rule(settings) {
    return [
        "A model is rolled back when, sorted by it, the share of clicks is more than ",
        el("strong", {}, percent(settings.ctr_drop_ratio, 0)),
        " below that of sorting by time, or registrations a click are more than ",
        el("strong", {}, percent(settings.conversion_drop_ratio, 0)),
        ` below; each sort has to have ${counted(settings.min_impressions, "impression")}. A`
        + ` registration counts up to ${counted(settings.click_to_register_window_hours, "hour")}`
        + " after its click.",
    ];
}

function cooldown({ cooldown_hours: hours }) {
    return hours ? `none within ${counted(hours, "hour")} of a rollback or an activation by hand`
        : "none";
}

/** A rate of an evaluation by the model, as a share of that by time; null where there is none. */
function relation(evaluation, name) {
    const byTime = evaluation[`time_${name}`];
    const byModel = evaluation[`recommended_${name}`];
    return byTime && byModel !== null ? byModel / byTime : null;
}

const judged = (items) => items.filter((one) => relation(one, "ctr") !== null);

function relationsChart() {
    return new Chart({
        title: "The model beside sorting by time, at each evaluation",
        height: 280,
        summary: ({ items }) => {
            const last = judged(items)[0];
            if (!last) return "No evaluation had anything to compare.";
            return `At the last one with traffic (${clock(last.evaluated_at)}), the model's CTR `
                + `was ${percent(relation(last, "ctr"), 0)} of that by time`
                + (relation(last, "conversion") === null ? ". "
                    : ` and its conversion ${percent(relation(last, "conversion"), 0)}. `)
                + "100 % is as good as by time; dotted lines are the least that is allowed.";
        },
        draw: ({ items, settings }, colors) => {
            const rows = judged(items).toSorted(
                (one, other) => new Date(one.evaluated_at) - new Date(other.evaluated_at),
            );
            const x = rows.map((one) => new Date(one.evaluated_at).toISOString().slice(0, 19));
            const series = [
                ["ctr", colors["series-1"], "circle", "solid"],
                ["conversion", colors["series-2"], "square", "dash"],
            ];
            return {
                traces: series.map(([name, color, symbol, dash]) => ({
                    type: "scatter",
                    mode: "lines+markers",
                    name: RATES[name].name,
                    x,
                    y: rows.map((one) => relation(one, name)),
                    line: { color, width: 1.5, dash },
                    marker: {
                        symbol: rows.map((one) => (one.action === "rollback" ? "x" : symbol)),
                        opacity: 1,
                        size: rows.map((one) => (one.action === "rollback" ? 12 : 8)),
                        color: rows.map((one) => (one.action === "rollback" ? colors.bad : color)),
                    },
                    customdata: rows.map((one) => `${clock(one.evaluated_at)}: `
                        + `${decided(one.action)}<br>`
                        + `${RATES[name].name} ${percent(one[`recommended_${name}`])} by the model`
                        + `, ${percent(one[`time_${name}`])} by time`),
                    hovertemplate: "%{customdata}<extra></extra>",
                })),
                layout: {
                    showlegend: true,
                    legend: {
                        orientation: "h", x: 0, y: 1.02, yanchor: "bottom",
                        itemclick: false, itemdoubleclick: false,
                    },
                    margin: { l: 8, r: 12, t: 34, b: 8 },
                    hovermode: "closest",
                    xaxis: { type: "date", showgrid: false, nticks: 7 },
                    yaxis: { tickformat: ".0%", rangemode: "tozero", nticks: 6, zeroline: true },
                    shapes: [
                        across(1, colors.quiet, "solid"),
                        ...series.map(([name, color]) => across(
                            1 - (settings[RATES[name].drop] ?? 0), faint(color, 0.9), "dot",
                        )),
                    ],
                },
            };
        },
        table: ({ items }) => table("Rates at each evaluation", [
            { name: "When", header: true, value: (one) => time(one.evaluated_at) },
            ...Object.entries(RATES).map(([name, { name: said }]) => ({
                name: `${said}, share of that by time`, number: true,
                value: (one) => percent(relation(one, name), 0),
            })),
            { name: "Decision", value: (one) => decisionChip(one.action) },
        ], judged(items)),
    });
}

function across(y, color, dash) {
    return {
        type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line: { color, width: 1, dash },
    };
}

function drawHistory(items, newId) {
    if (items.length === 0) {
        return empty(
            "Nothing was evaluated yet",
            "The schedule evaluates every night while the queue is on and a worker runs. Press"
            + " Evaluate guardrails to have it done now.",
        );
    }
    return items.map((one) => drawDecision(one, one.evaluation_id === newId));
}

function drawDecision(one, isNew) {
    return el(
        "article",
        {
            class: `card decision ${isNew ? "new" : ""}`.trim(),
            "data-evaluation": one.evaluation_id,
        },
        el(
            "header",
            {},
            decisionChip(one.action),
            el("strong", {}, time(one.evaluated_at)),
            el("span", { class: "reason" }, sentence(one.reason), "."),
            one.model_version && el("span", { class: "quiet small" }, version(one.model_version)),
        ),
        one.target_version && el("p", {}, "It went back to ", version(one.target_version), "."),
        one.window_from && fold(
            `evaluation ${one.evaluation_id}`,
            one.recommended_ctr === null || one.time_ctr === null ? "Numbers"
                : `Numbers: CTR ${percent(one.recommended_ctr)} by the model, ${
                    percent(one.time_ctr)} by time`,
            numbers(one),
            bounds(one),
            one.statistics && statistics(one.statistics),
        ),
    );
}

function numbers(one) {
    return table("What was counted", [
        { name: "Sorted", header: true, value: ([, said]) => said },
        ...["impressions", "clicks", "conversions"].map((of) => ({
            name: sentence(of), number: true, value: ([sort]) => count(one[`${sort}_${of}`]),
        })),
        { name: "CTR", number: true, value: ([sort]) => percent(one[`${sort}_ctr`], 2) },
        {
            name: "Conversion", number: true,
            value: ([sort]) => percent(one[`${sort}_conversion`], 2),
        },
    ], SORTS, { hideCaption: true });
}

function bounds(one) {
    return facts(
        ["Window", [time(one.window_from), " to ", time(one.window_to)]],
        one.days !== undefined && ["Bounds", `${counted(one.days, "day")} at most, ${
            counted(one.min_impressions, "impression")} a sort at least, a drop of ${
            percent(one.ctr_drop_ratio, 0)} of the CTR and ${
            percent(one.conversion_drop_ratio, 0)} of the conversion allowed, ${
            counted(one.click_to_register_window_hours, "hour")} from click to registration`],
        ["Method", one.method],
        one.replayed_verdict && ["Judged again from these numbers", words(one.replayed_verdict)],
    );
}

function statistics(told) {
    const tests = Object.entries(RATES).filter(([name]) => told[name]);
    const ratio = told.sample_ratio;
    return [
        tests.length > 0 && table("The test against chance", [
            { name: "Rate", header: true, value: ([, { name }]) => name },
            {
                name: "Model / time", number: true,
                value: ([name]) => percent(told[name].ratio, 1),
            },
            {
                name: "At most", number: true,
                value: ([name]) => percent(told[name].ratio_upper_bound, 1),
            },
            { name: "z", number: true, value: ([name]) => decimal(told[name].z, 2) },
            {
                name: "Worse below", number: true,
                value: ([name]) => decimal(-Math.abs(told[name].z_bound), 2),
            },
            { name: "p, at any look", number: true, value: ([name]) => pValue(told[name].p_value) },
            { name: "Worse", value: ([name]) => (told[name].is_worse ? "yes" : "no") },
        ], tests),
        el("p", { class: "small quiet" }, `Verdict: ${words(told.verdict)}. `,
            ratio?.is_applicable && `The groups have ${ratio.is_mismatch ? "not " : ""}the sizes `
                + `the experiment gives them (p ${pValue(ratio.p_value)}).`),
    ];
}

function pValue(value) {
    if (typeof value !== "number") return NONE;
    return value < 0.001 ? "< 0.001" : decimal(value);
}

function build(place) {
    let newId = null;
    const settings = part("What they look at", {
        actions: [evaluateButton((evaluation) => {
            newId = evaluation?.evaluation_id ?? null;
            page.refresh();
        })],
    });
    const chart = relationsChart();
    const history = part("What was decided", { intro: "The last hundred, the newest first." });
    place.append(settings.node, el("section", {}, chart.element), history.node);
    const fillSettings = filler(settings.body, drawSettings);
    const fillHistory = filler(history.body, drawHistory);
    return (data) => {
        fillSettings(data.settings, data.evidence_from);
        fillHistory(data.items, newId);
        chart.element.parentNode.hidden = judged(data.items).length < 2;
        return chart.update(data);
    };
}

const page = await openDesk({
    title: "Guardrails",
    intro: "A model that does worse than sorting by time goes, and the one before it comes back.",
    load: () => get(`${API}/guardrails`),
    build,
    every: 30,
});
