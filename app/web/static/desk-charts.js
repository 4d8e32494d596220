// Charts by plotly.js in the page's own colours, each with a sentence and a table of the same.

import { el, fill } from "./dom.js";

const TOKENS = [
    "text", "quiet", "line", "surface", "accent", "good", "warn", "bad", "series-1", "series-2",
];
const CONFIG = { displayModeBar: false, doubleClick: false, showTips: false };
const NARROW = 560;

const charts = new Set();
const darkness = matchMedia("(prefers-color-scheme: dark)");
darkness.addEventListener("change", () => {
    for (const chart of charts) chart.draw();
});

/** The library is large, and no page has to wait for it: it comes when there is a chart. */
let library;
function plotly() {
    library ??= new Promise((resolve, reject) => {
        const script = el("script", {
            src: document.documentElement.dataset.charts,
            onload: () => resolve(globalThis.Plotly),
            onerror: () => {
                library = undefined;
                script.remove();
                reject(new Error("the chart library did not load"));
            },
        });
        document.head.append(script);
    });
    return library;
}

/** The colours as the page has them now, which plotly can read: rgb(…). */
function palette() {
    const probe = el("span", { class: "for-readers" });
    document.body.append(probe);
    const colors = {};
    for (const name of TOKENS) {
        // light-dark() in a variable is resolved where it is used, not where it is read.
        probe.style.color = `var(--${name})`;
        colors[name] = getComputedStyle(probe).color;
    }
    probe.remove();
    return colors;
}

/** A colour of the palette that lets others through. */
export function faint(color, alpha) {
    const [red, green, blue] = color.match(/[\d.]+/g);
    return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}

/** Plotly reads a little HTML in its texts, and what people wrote is none. */
export function escaped(text) {
    return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** A text that plotly shows in a line of its own, such as a name: escaped, and not too long. */
export function shortened(text, letters = 40) {
    return escaped(text.length > letters ? `${text.slice(0, letters - 1)}…` : text);
}

/** An axis of counts: what is between two whole numbers is no count. */
export function wholeAxis(counts, nticks) {
    const ticks = Math.max(0, ...counts) < nticks ? { dtick: 1 } : { nticks };
    return { rangemode: "tozero", tickformat: ",d", ...ticks };
}

/**
 * A chart. `draw(data, colors, isNarrow)` gives `{traces, layout}` for plotly, `summary(data)` a
 * sentence, `table(data)` the same numbers as a table. Its `element` goes into the page, under a
 * heading of this `level`, and `update(data)` draws.
 */
export class Chart {
    constructor({ title, draw, summary, table, height = 300, level = 3 }) {
        this.spec = { draw, summary, table, height };
        this.plot = el("div", { class: "plot", role: "img" });
        this.plot.style.minHeight = `${height}px`;
        this.words = el("p", { class: "summary" });
        this.rows = el("div", { class: "as-table", hidden: true });
        this.toggle = el(
            "button",
            { type: "button", class: "plain small", "aria-expanded": "false" },
            "Show as table",
        );
        this.toggle.addEventListener("click", () => this.switch());
        this.element = el(
            "figure",
            { class: "card chart", "aria-label": title },
            el("div", { class: "heading" }, el(`h${level}`, {}, title), this.toggle),
            this.words,
            this.plot,
            this.rows,
        );
        new ResizeObserver(() => this.resize()).observe(this.plot);
        charts.add(this);
    }

    get isTable() {
        return !this.rows.hidden;
    }

    switch() {
        this.rows.hidden = this.isTable;
        this.plot.hidden = this.isTable;
        this.toggle.setAttribute("aria-expanded", String(this.isTable));
        this.toggle.textContent = this.isTable ? "Show as chart" : "Show as table";
        if (!this.isTable) this.draw();
    }

    /** Show this data. The promise ends when it is drawn. */
    async update(data) {
        const key = JSON.stringify(data);
        if (key === this.key) return;
        this.key = key;
        this.data = data;
        const summary = this.spec.summary(data);
        fill(this.words, summary);
        this.plot.setAttribute("aria-label", this.words.textContent);
        fill(this.rows, this.spec.table(data));
        await this.draw();
    }

    async draw() {
        if (this.data === undefined || this.isTable) return;
        let Plotly;
        try {
            Plotly = await plotly();
        } catch (error) {
            this.key = undefined;
            fill(this.plot, el("p", { class: "empty" }, `No chart: ${error.message}.`));
            return;
        }
        const width = this.plot.clientWidth;
        if (width === 0) return;
        this.width = width;
        const colors = palette();
        const { traces, layout } = this.spec.draw(this.data, colors, width < NARROW);
        const whole = dressed(layout, colors, width, this.spec.height);
        this.plot.style.minHeight = `${whole.height}px`;
        await Plotly.react(this.plot, traces, whole, CONFIG);
    }

    resize() {
        const width = this.plot.clientWidth;
        if (this.width && width && width !== this.width) this.draw();
    }
}

/** Put what all charts have in common around a layout. */
function dressed(layout, colors, width, height) {
    const axis = {
        gridcolor: faint(colors.line, 0.7), linecolor: colors.line, zerolinecolor: colors.line,
        tickcolor: colors.line, automargin: true, fixedrange: true,
    };
    const axes = Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name));
    return {
        width,
        height,
        margin: { l: 8, r: 8, t: 8, b: 8, pad: 4 },
        paper_bgcolor: "rgba(0, 0, 0, 0)",
        plot_bgcolor: "rgba(0, 0, 0, 0)",
        font: {
            family: getComputedStyle(document.body).fontFamily, size: 12.5, color: colors.quiet,
        },
        hoverlabel: {
            bgcolor: colors.surface, bordercolor: colors.line, align: "left",
            font: { color: colors.text, size: 12.5 },
        },
        // A finger that drags wants to scroll the page.
        dragmode: false,
        showlegend: false,
        ...layout,
        ...Object.fromEntries(axes.map((name) => [name, { ...axis, ...layout[name] }])),
    };
}
