// How everything is, in plain words, and what to do first.

import { el } from "./dom.js";
import { get } from "./api.js";
import { Chart, wholeAxis } from "./desk-charts.js";
import { count, counted, duration, percent, sentence, words } from "./desk-format.js";
import { decided } from "./desk-decisions.js";
import { API, filler, openDesk } from "./desk-frame.js";
import { chip, part, table, tile, tiles, time } from "./desk-parts.js";

const AREAS = {
    data: "Data", model: "Model", lists: "Lists", features: "Features", queue: "Queue",
    schedule: "Schedule", guardrails: "Guardrails", settings: "Settings",
};
/** Where there is more to see of an area. */
const MORE = {
    model: ["/desk/models", "Models"],
    queue: ["/desk/jobs", "Jobs"],
    schedule: ["/desk/jobs#schedule", "Schedule"],
    guardrails: ["/desk/guardrails", "Guardrails"],
};
/** A setting, what it is called, and what it means on and off. */
const SWITCHES = [
    [
        "task_queue_enabled", "Job queue",
        "workers run jobs, and the schedule queues them",
        "jobs wait, and nothing runs by itself",
    ],
    [
        "recommendations_use_ml_cache", "Recommended lists",
        "students are shown the lists that the model wrote",
        "students are shown events by tags and popularity instead",
    ],
    [
        "recommendations_realtime_refresh_enabled", "Refresh after a click",
        "a click rewrites a student's list",
        "lists change when they are all rewritten, not after a click",
    ],
    [
        "recommendations_online_learning_enabled", "Learning from clicks",
        "clicks and searches teach what a student likes",
        "clicks and searches teach nothing about a student",
    ],
    [
        "personalization_guardrails_enabled", "Guardrails",
        "a model that does worse than sorting by time is rolled back",
        "a model that does badly stays until somebody acts",
    ],
];

function drawFirst(items) {
    const warnings = items.filter((one) => one.warning && one.item !== "do first");
    if (warnings.length === 0) {
        return el(
            "div", { class: "note good first" },
            el("h2", {}, "All is well"), el("p", {}, "There is nothing to do."),
        );
    }
    // One trouble may show in several places; it is one thing to do.
    const distinct = [...new Map(warnings.map((one) => [one.warning, one])).values()];
    return el(
        "div",
        { class: "note warn first" },
        el("h2", {}, "To do first"),
        el(
            "p", {},
            el("strong", { class: "do-first" }, sentence(distinct[0].warning)), ". ",
            placeOf(distinct[0].area),
        ),
        distinct.length > 1 && [
            el("h3", {}, "Then"),
            el("ol", { start: 2 }, distinct.slice(1).map((one) => el(
                "li", {}, sentence(one.warning), ". ", placeOf(one.area),
            ))),
        ],
    );
}

/** The page of the desk where more of an area is, if there is one. */
function placeOf(area) {
    return MORE[area] && el("a", { class: "small", href: MORE[area][0] }, MORE[area][1]);
}

function drawAreas(items) {
    // Switches that are off are a table of their own.
    const shown = items.filter((one) => one.area in AREAS
        && (one.area !== "settings" || one.warning));
    const areas = Map.groupBy(shown, (one) => one.area);
    return el("div", { class: "areas" }, [...areas].map(([area, lines]) => el(
        "section",
        { class: "card area", "aria-label": AREAS[area] },
        el(
            "div",
            { class: "heading" },
            el("h3", {}, AREAS[area]),
            placeOf(area),
        ),
        el("dl", {}, lines.map((one) => el(
            "div",
            { class: "line" },
            el("dt", {}, area === "settings" ? el("code", {}, one.item)
                : sentence(words(one.item))),
            el("dd", {}, one.value),
            one.warning && el("dd", { class: "warning small" }, sentence(one.warning)),
        ))),
    )));
}

function drawSwitches(status) {
    return [
        el("div", { class: "card" }, table(
            "What is switched on, and what it means where it is not",
            [
                { name: "Switch", header: true, value: ([, name]) => name },
                { name: "Now", value: ([key]) => onOrOff(status[key]) },
                {
                    name: "Meaning",
                    value: ([key, , ...meanings]) => meaningOf(status[key], ...meanings),
                },
                { name: "Setting", value: ([key]) => el("code", {}, key.toUpperCase()) },
            ],
            SWITCHES,
            { hideCaption: true },
        )),
        el("p", { class: "quiet small after" }, experiment(status), " Settings are environment "
            + "variables of the server and the worker, or rows of recommender_settings."),
    ];
}

function onOrOff(value) {
    if (value === null) return chip("not valid", "bad");
    return value ? chip("on", "good") : chip("off");
}

function meaningOf(value, on, off) {
    if (value === null) return "The value is not valid; what needs it fails";
    return value ? el("span", { class: "quiet" }, sentence(on)) : sentence(off);
}

function experiment(status) {
    const share = status.experiments_personalization_ml_percent;
    if (share === null) return "The experiment's percentage is not valid.";
    if (share === 0) {
        return "No experiment runs: the events list is sorted by time unless somebody asks for"
            + " recommendations.";
    }
    return `The experiment sorts the events list by the model for ${share} % of the students.`;
}

/** What a span of ages is called: it begins where the one before ends. */
function spans(ages, isNarrow = false) {
    return ages.map((age, place) => {
        const from = place === 0 ? null : ages[place - 1].up_to_hours;
        const to = age.up_to_hours;
        const hours = (value) => (value >= 48 ? `${value / 24} d` : `${value} h`);
        if (isNarrow) return to === null ? "more" : `–${hours(to)}`;
        if (from === null) return `up to ${hours(to)}`;
        if (to === null) return `over ${hours(from)}`;
        return `${hours(from)}–${hours(to)}`;
    });
}

function agesChart() {
    return new Chart({
        title: "How old the lists are",
        height: 240,
        summary: ({ lists }) => (lists.with_list === 0
            ? "No student has a list yet."
            : `${counted(lists.with_list, "list")}, half of them younger than `
                + `${duration(lists.median_age_seconds)}. `
                + (lists.fresh === null ? "" : `${count(lists.fresh)} are fresh.`)),
        draw: ({ lists }, colors, isNarrow) => {
            const total = lists.ages.reduce((sum, age) => sum + age.lists, 0);
            return {
                traces: [{
                    type: "bar",
                    x: spans(lists.ages, isNarrow),
                    y: lists.ages.map((age) => age.lists),
                    marker: { color: colors.accent },
                    text: lists.ages.map((age) => (age.lists ? count(age.lists) : "")),
                    textposition: "outside",
                    cliponaxis: false,
                    hovertemplate: "%{x}: %{y} lists, %{customdata}<extra></extra>",
                    customdata: lists.ages.map((age) => percent(total ? age.lists / total : 0)),
                }],
                layout: {
                    bargap: 0.25,
                    margin: { l: 8, r: 8, t: 24, b: 8 },
                    xaxis: { type: "category", showgrid: false, tickangle: 0 },
                    yaxis: wholeAxis(lists.ages.map((age) => age.lists), 4),
                },
            };
        },
        table: ({ lists }) => table("Lists by age", [
            { name: "Age", header: true, value: ([span]) => span },
            { name: "Lists", number: true, value: ([, number]) => count(number) },
        ], spans(lists.ages).map((span, place) => [span, lists.ages[place].lists])),
    });
}

function coverageRows({ coverage }) {
    const all = coverage.eligible_events;
    return [
        ["may be recommended", all],
        ["in some list", coverage.in_lists],
        ["in somebody's first ten", coverage.in_first_ten],
    ].map(([name, events]) => ({ name, events, share: all ? events / all : null }));
}

function coverageChart() {
    return new Chart({
        title: "How many of the events anybody is shown",
        height: 240,
        summary: ({ coverage }) => (coverage.eligible_events === 0
            ? "There is no event to recommend: none is published, to come and not full."
            : `Of ${counted(coverage.eligible_events, "event")} that may be recommended, `
                + `${percent(coverage.in_lists / coverage.eligible_events, 0)} are in some list `
                + `and ${percent(coverage.first_ten_share, 0)} among somebody's first ten.`),
        draw: (data, colors) => {
            const rows = coverageRows(data).reverse();
            return {
                traces: [{
                    type: "bar",
                    orientation: "h",
                    y: rows.map((row) => row.name),
                    x: rows.map((row) => row.events),
                    marker: { color: [colors.accent, colors.accent, colors.line] },
                    text: rows.map((row) => `${count(row.events)} (${percent(row.share, 0)})`),
                    textposition: "auto",
                    insidetextanchor: "end",
                    textfont: { color: [colors.surface, colors.surface, colors.text] },
                    outsidetextfont: { color: colors.text },
                    constraintext: "none",
                    hovertemplate: "%{y}: %{text}<extra></extra>",
                }],
                layout: {
                    bargap: 0.35,
                    xaxis: wholeAxis(rows.map((row) => row.events), 5),
                    yaxis: { type: "category", showgrid: false },
                },
            };
        },
        table: (data) => table("Events and lists", [
            { name: "Events", header: true, value: (row) => row.name },
            { name: "Number", number: true, value: (row) => count(row.events) },
            { name: "Share", number: true, value: (row) => percent(row.share) },
        ], coverageRows(data)),
    });
}

function drawTiles({ lists, coverage, status }) {
    const lastGuardrail = status.last_guardrail;
    return tiles(
        tile(
            "Active model",
            el("span", { class: "version" }, status.active_model_version ?? "none"),
            status.active_model_created_at
                ? ["trained ", time(status.active_model_created_at)] : "train one first",
        ),
        tile(
            "Students with a fresh list",
            lists.fresh === null ? "not known" : percent(
                lists.students ? lists.fresh / lists.students : null, 0,
            ),
            `${count(lists.fresh)} of ${count(lists.students)}`,
        ),
        tile(
            "Events in somebody's first ten",
            percent(coverage.first_ten_share, 0),
            `${count(coverage.in_first_ten)} of ${count(coverage.eligible_events)}`,
        ),
        tile(
            "Last guardrail",
            lastGuardrail ? decided(lastGuardrail.action) : "none yet",
            lastGuardrail ? time(lastGuardrail.evaluated_at) : "nothing was judged",
        ),
    );
}

function build(place) {
    const first = el("div");
    const figures = el("div");
    const ages = agesChart();
    const coverage = coverageChart();
    const lists = part("Lists and events");
    lists.body.append(el("div", { class: "halves" }, ages.element, coverage.element));
    const models = el("div");
    lists.body.append(models);
    const areas = part("Everything, by area");
    const switches = part("Switches");
    place.append(first, figures, lists.node, areas.node, switches.node);

    const fillFirst = filler(first, drawFirst);
    const fillFigures = filler(figures, drawTiles);
    const fillModels = filler(models, drawModels);
    const fillAreas = filler(areas.body, drawAreas);
    const fillSwitches = filler(switches.body, drawSwitches);
    return async ([overview, status]) => {
        fillFirst(overview.items);
        fillFigures({ lists: overview.lists, coverage: overview.coverage, status });
        fillModels(overview.lists.models);
        fillAreas(overview.items);
        fillSwitches(status);
        await Promise.all([ages.update(overview), coverage.update(overview)]);
    };
}

function drawModels(models) {
    if (models.length === 0) return null;
    return el("p", { class: "quiet small after" }, "Written by ", models.map((one, place) => [
        place > 0 && ", ",
        el("span", { class: "version" }, one.model_version), ` (${counted(one.lists, "list")})`,
    ]), ".");
}

openDesk({
    title: "Status",
    load: () => Promise.all([get(`${API}/overview`), get(`${API}/status`)]),
    build,
    every: 30,
});
