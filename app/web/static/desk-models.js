// Which models there are, how two of them differ, and making another one the active one.

import { el } from "./dom.js";
import { get, post } from "./api.js";
import { Chart, escaped, shortened } from "./desk-charts.js";
import { confirm, field, tellDone, tick } from "./desk-dialog.js";
import { count, decimal, NONE, sentence, signed, words } from "./desk-format.js";
import { API, filler, openDesk } from "./desk-frame.js";
import { evaluateButton } from "./desk-guardrail-button.js";
import { chip, empty, facts, fold, part, table, time } from "./desk-parts.js";

const KINDS = { training: "by training", manual: "by hand", rollback: "by a rollback" };
/** What of a recipe is of use to compare first; the rest follows as it is called. */
const RECIPE_FIRST = ["as_of", "recipe", "feature_set", "solver", "windows", "window_days", "l2"];
const RECIPE_LEFT_OUT = ["verdict", "compared_loss", "compared_with"];
/** 95 % of a normal distribution lie within so many standard errors. */
const WHISKER = 1.96;

const version = (name) => el("span", { class: "version" }, name);

let chosen = null;
let page = null;

function drawTable(models) {
    if (models.length === 0) {
        return empty(
            "There is no model yet",
            "Until there is one, students are shown events by tags and popularity. Press Retrain"
            + " while a worker runs, or run python scripts/recompute_recommendations_ml.py.",
        );
    }
    return el("div", { class: "card" }, table("Stored models, the newest first", [
        {
            name: "Model", header: true,
            value: (one) => [version(one.model_version), " ", one.is_active && chip(
                "active", "good",
            )],
        },
        { name: "Stored", value: (one) => time(one.created_at) },
        { name: "Features", value: (one) => one.feature_set ?? chip("unknown", "warn") },
        { name: "Examples", number: true, value: (one) => count(one.example_count) },
        { name: "Held-out loss", number: true, value: (one) => decimal(one.held_out_loss, 4) },
        { name: "Hitrate@10", number: true, value: (one) => decimal(one.hitrate_at_10) },
        { name: "By chance", number: true, value: (one) => decimal(one.chance_at_10) },
        { name: "Against popularity", number: true, value: againstPopularity },
        { name: "Last activated", class: "activated", value: activation },
        { name: el("span", { class: "for-readers" }, "Activate"), value: activateButton },
    ], models, { hideCaption: true, row: (one) => ({ "data-model": one.model_version }) }));
}

function againstPopularity(model) {
    const gap = model.against_popularity;
    if (!gap || typeof gap.difference !== "number") return NONE;
    return el(
        "span",
        { title: `NDCG@10 minus that of the most popular events, ${count(gap.students)} students` },
        `${signed(gap.difference)} [${signed(gap.low)}, ${signed(gap.high)}]`,
    );
}

function activation({ activation: last, activation_count: times }) {
    if (!last) return el("span", { class: "quiet" }, "never");
    return [
        time(last.activated_at), " ", KINDS[last.kind] ?? words(last.kind),
        el(
            "div", { class: "quiet small" },
            [last.activated_by, times > 1 && `${times} times so far`].filter(Boolean).join(", "),
        ),
        last.reason && fold(
            `reason ${last.activated_at}`, "Reason", el("span", { class: "small" }, last.reason),
        ),
    ];
}

function activateButton(model) {
    if (model.is_active) return null;
    if (!model.can_activate) {
        return el("span", { class: "small quiet" }, sentence(model.trouble));
    }
    return el(
        "button",
        {
            type: "button", class: "small", "data-key": `activate ${model.model_version}`,
            "aria-label": `Activate ${model.model_version}`, onclick: () => activate(model),
        },
        "Activate …",
    );
}

async function activate(model) {
    const done = await confirm({
        title: "Activate this model?",
        body: [
            el("p", {}, version(model.model_version), " will score from now on."),
            el(
                "ul",
                {},
                el("li", {}, "Guardrails judge it by what comes from now on; what was seen before"
                    + " is not used against it."),
                el("li", {}, "If it does worse than sorting by time, they roll it back."),
                el("li", {}, "Lists keep their order until they are rewritten."),
            ),
            tick("Rewrite everybody's list with it (a job)", { name: "recompute", checked: true }),
            field("Why", { name: "reason", maxlength: 500 }, "Kept with the activation."),
        ],
        action: "Activate",
        act: (values) => post(`${API}/models/activate`, {
            model_version: model.model_version, ...values,
        }),
    });
    if (!done) return;
    const job = done.recompute_job;
    tellDone([
        `${done.active_model_version} is active. `,
        job
            ? ["Job ", el("a", { href: "/desk/jobs" }, String(job.job_id)), " rewrites the lists."]
            : "The lists are as they were.",
    ]);
    page.refresh();
}

/** The settings of a training that are worth naming; the rest is for the command. */
function retrainFields() {
    return fold("retrain", "Options", el(
        "div",
        { class: "dialog-form" },
        el(
            "div",
            { class: "field-grid" },
            field("Events a list", { name: "top_n", type: "number", min: 1, max: 10000 }),
            field("Version", { name: "model_version" }, "Blank: the time it begins."),
            field("Seed", { name: "seed", type: "number", min: 0 }),
            field("L2 penalty", { name: "l2", type: "number", min: 0, step: "any" }),
            field("Epochs", { name: "epochs", type: "number", min: 1 }, "Of the solver sgd."),
            field("Step size", { name: "lr", type: "number", min: 0, step: "any" }, "Likewise."),
        ),
        tick("Activate it though it is worse", { name: "force" }),
    ));
}

async function retrain() {
    const job = await confirm({
        title: "Train a new model?",
        body: [
            el(
                "ul",
                {},
                el("li", {}, "A job trains it on what is known now. That takes a worker"
                    + " (python -m app.worker) and some time."),
                el("li", {}, "It becomes the active one unless it is worse than the one there is;"
                    + " then it is stored only."),
                el("li", {}, "After that, everybody's list is rewritten."),
            ),
            retrainFields(),
        ],
        action: "Train",
        act: ({ force, ...values }) => post(`${API}/retrain`, {
            ...values, ...(force ? { force } : {}),
        }),
    });
    if (job) tellJob(job, "trains");
}

function tellJob(job, does) {
    const link = el("a", { href: "/desk/jobs" }, String(job.job_id));
    tellDone(["Job ", link, ` is queued: it ${does}.`]);
}

/** The two that are compared: what was chosen, else the active one and the one before it. */
function pair(models) {
    const find = (name) => models.find((one) => one.model_version === name);
    const active = models.find((one) => one.is_active) ?? models[0];
    const before = find(active.activation?.previous_version)
        ?? models.find((one) => one !== active) ?? active;
    return [find(chosen?.[0]) ?? active, find(chosen?.[1]) ?? before];
}

function drawPick(names, one, other, choose) {
    const select = (label, id, key, value, place) => el(
        "div",
        { class: "field" },
        el("label", { for: id }, el("span", { class: `key ${key}`.trim() }), label),
        el(
            "select",
            {
                id, "data-key": id, onchange: (event) => {
                    chosen = [one, other];
                    chosen[place] = event.target.value;
                    choose();
                },
            },
            names.map((name) => el("option", { value: name, selected: name === value }, name)),
        ),
    );
    return el("div", { class: "pick" },
        select("One model", "model-one", "", one, 0),
        select("The other", "model-two", "two", other, 1));
}

/** The features of either model, in the order of the first. */
function features([one, other]) {
    const found = new Map();
    for (const [place, model] of [one, other].entries()) {
        for (const of of model.features ?? []) {
            const row = found.get(of.feature) ?? { feature: of.feature, label: of.label };
            row[place] = of;
            found.set(of.feature, row);
        }
    }
    const rows = [...found.values()];
    // The bias says how often anybody comes at all, and nothing of what matters.
    return [...rows.filter((row) => row.feature !== "bias"),
        ...rows.filter((row) => row.feature === "bias")];
}

function weightsChart() {
    return new Chart({
        title: "What counts for how much",
        height: 420,
        summary: (models) => weightsSummary(models),
        draw: (models, colors, isNarrow) => {
            const rows = features(models).reverse();
            const styles = [
                { color: colors["series-1"], symbol: "circle", shift: 0.16 },
                { color: colors["series-2"], symbol: "square", shift: -0.16 },
            ];
            return {
                traces: styles.map((style, place) => whiskers(models, rows, style, place)),
                layout: {
                    height: Math.max(300, 90 + 34 * rows.length),
                    showlegend: !isNarrow,
                    legend: {
                        orientation: "h", x: 0, y: 1.01, yanchor: "bottom",
                        itemclick: false, itemdoubleclick: false,
                    },
                    margin: { l: 8, r: 12, t: isNarrow ? 8 : 32, b: 8 },
                    hovermode: "closest",
                    xaxis: {
                        title: { text: "weight, in logit units", font: { size: 12 } },
                        zeroline: true, zerolinewidth: 2,
                    },
                    yaxis: {
                        tickvals: rows.map((row, place) => place),
                        ticktext: rows.map((row) => (isNarrow ? broken(row.label) : escaped(row.label))),
                        range: [-0.6, rows.length - 0.4],
                        showgrid: true, zeroline: false,
                    },
                },
            };
        },
        table: (models) => table("Weights and their standard errors", [
            { name: "Feature", header: true, value: (row) => row.label },
            ...models.flatMap((model, place) => [
                {
                    name: version(model.model_version), number: true,
                    value: (row) => weightOf(row[place]),
                },
            ]),
            {
                name: "Difference", number: true,
                value: (row) => (row[0] && row[1]
                    ? signed(row[0].weight - row[1].weight, 3) : NONE),
            },
        ], features(models)),
    });
}

/** A label in lines of about fifteen letters, for a narrow screen. */
function broken(label) {
    return label.match(/.{1,16}(?:\s|$)|\S+/g).map((one) => escaped(one.trim())).join("<br>");
}

function weightOf(feature) {
    if (!feature) return NONE;
    return typeof feature.standard_error === "number"
        ? `${signed(feature.weight, 3)} ± ${decimal(feature.standard_error)}`
        : signed(feature.weight, 3);
}

function whiskers(models, rows, { color, symbol, shift }, place) {
    const here = rows.map((row, at) => ({ ...row[place], row, at })).filter((one) => one.feature);
    return {
        type: "scatter",
        mode: "markers",
        name: shortened(models[place].model_version),
        x: here.map((one) => one.weight),
        y: here.map((one) => one.at + shift),
        error_x: {
            type: "data",
            array: here.map((one) => WHISKER * (one.standard_error ?? 0)),
            color, thickness: 1.6, width: 3,
        },
        marker: { color, symbol, size: 9 },
        customdata: here.map((one) => `${escaped(one.row.label)}<br>${weightOf(one)}`
            + `<br>${shortened(models[place].model_version)}`),
        hovertemplate: "%{customdata}<extra></extra>",
    };
}

function weightsSummary(models) {
    const [one, other] = models;
    const rows = features(models).filter((row) => row[0] && row.feature !== "bias");
    if (rows.length === 0) return "The model has no features.";
    const heaviest = rows.toSorted(
        (first, second) => Math.abs(second[0].weight) - Math.abs(first[0].weight),
    )[0];
    const said = `In ${one.model_version}, “${heaviest.label}” has the heaviest weight `
        + `(${weightOf(heaviest[0])}).`;
    if (one === other) return `${said} Whiskers are 95 % intervals.`;
    const apart = rows.filter((row) => row[1]
        && typeof row[0].standard_error === "number" && typeof row[1].standard_error === "number"
        && Math.abs(row[0].weight - row[1].weight)
            > WHISKER * Math.hypot(row[0].standard_error, row[1].standard_error));
    const changed = apart.length === 0
        ? "No weight differs from the other model's by more than chance would explain."
        : `More than by chance differ: ${apart.map((row) => `“${row.label}”`).join(", ")}.`;
    return `${said} ${changed} Whiskers are 95 % intervals.`;
}

function drawFigures([one, other]) {
    const figures = [
        ["Loss (less is better)", "loss", 4],
        ["Held-out loss (less is better)", "held_out_loss", 4],
        ["Hitrate@10 (more is better)", "hitrate_at_10", 3],
        ["The same by chance", "chance_at_10", 3],
        ["Examples", "example_count", 0],
    ];
    const known = (model, key) => typeof model[key] === "number";
    const rows = figures.map(([name, key, digits]) => ({
        name, one: decimal(one[key], digits), other: decimal(other[key], digits),
        gap: known(one, key) && known(other, key) ? signed(one[key] - other[key], digits) : NONE,
    }));
    rows.push({
        name: "NDCG@10 above that of the most popular events",
        one: againstPopularity(one), other: againstPopularity(other), gap: NONE,
    });
    return el(
        "div",
        { class: "card" },
        table("On examples that were held out", [
            { name: "Figure", header: true, value: (row) => row.name },
            { name: version(one.model_version), number: true, value: (row) => row.one },
            { name: version(other.model_version), number: true, value: (row) => row.other },
            { name: "Difference", number: true, value: (row) => row.gap },
        ], rows),
        el("p", { class: "quiet small after" }, "Each model was held against examples of its own"
            + " time, so small differences say little. In brackets: 95 % intervals. More in"
            + " scripts/backtest.py."),
        verdicts(one, other),
    );
}

function verdicts(...models) {
    const told = [...new Set(models)].filter((one) => one.recipe?.verdict);
    return told.length > 0 && el("dl", { class: "facts after versions" }, told.map((one) => [
        el("dt", {}, version(one.model_version)), el("dd", {}, sentence(one.recipe.verdict), "."),
    ]));
}

function drawRecipe([one, other]) {
    const keys = new Set([...RECIPE_FIRST, ...Object.keys(one.recipe ?? {}),
        ...Object.keys(other.recipe ?? {})]);
    const rows = [...keys].filter((key) => !RECIPE_LEFT_OUT.includes(key)
        && (one.recipe?.[key] !== undefined || other.recipe?.[key] !== undefined));
    const differ = (key) => JSON.stringify(one.recipe?.[key]) !== JSON.stringify(
        other.recipe?.[key],
    );
    return el("div", { class: "card" }, fold("recipe", "How they were trained", table(
        "Recipes",
        [
            { name: "What", header: true, value: (key) => sentence(words(key)) },
            { name: version(one.model_version), value: (key) => ingredient(one.recipe?.[key]) },
            { name: version(other.model_version), value: (key) => ingredient(other.recipe?.[key]) },
            {
                name: el("span", { class: "for-readers" }, "Same or not"),
                value: (key) => one !== other && differ(key) && chip("differs", "accent"),
            },
        ],
        rows,
        { hideCaption: true },
    )));
}

function ingredient(value) {
    if (value === null || value === undefined) return NONE;
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (typeof value === "string") {
        return /^\d{4}-\d\d-\d\dT/.test(value) ? time(value) : value;
    }
    if (typeof value !== "object") return String(value);
    if (Array.isArray(value)) return value.join(", ");
    return Object.entries(value).map(([name, one]) => `${words(name)} ${
        typeof one === "number" && Number.isInteger(one) ? count(one) : one}`).join(", ");
}

function build(place) {
    const list = part("All models", {
        actions: [
            evaluateButton(() => page.refresh()),
            el(
                "button", { type: "button", class: "primary", id: "retrain", onclick: retrain },
                "Retrain …",
            ),
        ],
    });
    const comparison = part("Two models beside each other");
    const pick = el("div");
    const figures = el("div");
    const recipe = el("div");
    const weights = weightsChart();
    comparison.body.append(
        pick, el("div", { class: "stack" }, weights.element, figures, recipe),
    );
    place.append(list.node, comparison.node);

    const fillList = filler(list.body, drawTable);
    const fillFigures = filler(figures, drawFigures);
    const fillRecipe = filler(recipe, drawRecipe);
    let models = [];
    const fillPick = filler(pick, (names, one, other) => drawPick(names, one, other, compare));

    function compare() {
        comparison.node.hidden = models.length === 0;
        if (models.length === 0) return null;
        const two = pair(models);
        fillPick(models.map((one) => one.model_version), two[0].model_version,
            two[1].model_version);
        fillFigures(two);
        fillRecipe(two);
        return weights.update(two);
    }
    return (data) => {
        models = data.items;
        fillList(models);
        return compare();
    };
}

page = await openDesk({
    title: "Models",
    intro: "A model is a weight for each feature. One of them is active: it scores all lists.",
    load: () => get(`${API}/models`),
    build,
    every: 30,
});
