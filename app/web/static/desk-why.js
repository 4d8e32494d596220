// Why an event has its score with a student: what adds up to it, and every check of serving.

import { el, fill } from "./dom.js";
import { get } from "./api.js";
import { Chart, escaped, shortened } from "./desk-charts.js";
import { counted, decimal, signed, words } from "./desk-format.js";
import { guarded } from "./desk-frame.js";
import { table } from "./desk-parts.js";

const MARKS = new Map([[true, ["✓", "yes", "Yes"]], [false, ["✕", "no", "No"]]]);
const NO_MARK = ["·", "quiet", "Note"];

/** Fill a panel with why this event has its place; errors say so there. */
export async function whyPanel(panel, path, eventId) {
    fill(panel, el("p", { class: "quiet small" }, "Loading …"));
    let told;
    try {
        told = await guarded(get(`${path}/events/${eventId}`));
    } catch (error) {
        fill(
            panel,
            el("p", { class: "note bad" }, error.message),
            el("button", { type: "button", class: "small", onclick: () => whyPanel(
                panel, path, eventId,
            ) }, "Try again"),
        );
        return;
    }
    const features = told.features ?? [];
    const chart = features.length > 0 && contributions(told);
    fill(
        panel,
        chart && chart.element,
        chart ? null : el("p", { class: "note" }, `No score: ${told.trouble ?? "no model"}.`),
        el("h3", {}, "Is it shown?"),
        el("ul", { class: "checks" }, told.checks.map((check) => {
            const [mark, kind, said] = MARKS.get(check.passed) ?? NO_MARK;
            return el(
                "li", {},
                el("span", { class: `mark ${kind}`, role: "img", "aria-label": said }, mark),
                el("span", { class: "quiet" }, words(check.check_name)),
                el("span", {}, check.detail),
            );
        })),
    );
    if (chart) await chart.update(told);
}

/** What says anything, the bias first and then what weighs most. */
function saying(features) {
    const rows = features.filter((one) => one.feature === "bias" || one.contribution !== 0);
    const weight = (one) => (one.feature === "bias" ? Infinity : Math.abs(one.contribution));
    return rows.toSorted((one, other) => weight(other) - weight(one));
}

function contributions(of) {
    const rows = saying(of.features);
    return new Chart({
        title: "What adds up to its score",
        height: 84 + 27 * (rows.length + 1),
        summary: (told) => {
            const silent = told.features.length - rows.length;
            return `The contributions add up to a logit of ${decimal(told.logit)}, which is a `
                + `score of ${decimal(told.score)}.`
                + (silent > 0 ? ` ${counted(silent, "feature")} of no effect here ${
                    silent === 1 ? "is" : "are"} left out.` : "");
        },
        draw: (told, colors, isNarrow) => ({
            traces: [{
                type: "waterfall",
                orientation: "h",
                y: [...rows.map((one) => label(one, isNarrow)), "logit"],
                x: [...rows.map((one) => one.contribution), told.logit],
                measure: [...rows.map(() => "relative"), "total"],
                text: [...rows.map((one) => signed(one.contribution)), decimal(told.logit, 2)],
                textposition: "outside",
                cliponaxis: false,
                constraintext: "none",
                increasing: { marker: { color: colors.good } },
                decreasing: { marker: { color: colors.bad } },
                totals: { marker: { color: colors.accent } },
                connector: { line: { color: colors.line, width: 1 } },
                customdata: [...rows.map((one) => `${escaped(one.label)}: value ${decimal(one.value)} × `
                    + `weight ${signed(one.weight, 3)} = ${signed(one.contribution, 3)}`),
                `logit ${decimal(told.logit)}, score ${decimal(told.score)}`],
                hovertemplate: "%{customdata}<extra></extra>",
            }],
            layout: {
                bargap: 0.35,
                margin: { l: 8, r: 12, t: 4, b: 8 },
                xaxis: { zeroline: true, nticks: 6, range: reach(rows) },
                yaxis: { autorange: "reversed", showgrid: false, type: "category" },
            },
        }),
        table: (told) => table("Contributions", [
            { name: "Feature", header: true, value: (one) => one.label },
            { name: "Value", number: true, value: (one) => decimal(one.value) },
            { name: "Weight", number: true, value: (one) => signed(one.weight, 3) },
            { name: "Contribution", number: true, value: (one) => signed(one.contribution, 3) },
        ], [...told.features, {
            label: "Together: the logit", value: null, weight: null, contribution: told.logit,
        }]),
    });
}

/** From the least to the most of what adds up, with room for the numbers beside the bars. */
function reach(rows) {
    let sum = 0;
    const sums = [0, ...rows.map((one) => (sum += one.contribution))];
    const [low, high] = [Math.min(...sums), Math.max(...sums)];
    const room = 0.14 * (high - low || 1);
    return [low - room, high + room];
}

function label(one, isNarrow) {
    return isNarrow ? shortened(one.label, 20) : escaped(one.label);
}
