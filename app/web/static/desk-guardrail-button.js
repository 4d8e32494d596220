// "Evaluate now": asks, queues the evaluation, and waits for what comes of it.

import { el } from "./dom.js";
import { get, post } from "./api.js";
import { confirm, field, tellDone } from "./desk-dialog.js";
import { decided } from "./desk-decisions.js";
import { sentence } from "./desk-format.js";
import { API, guarded } from "./desk-frame.js";
import { fold } from "./desk-parts.js";

const LOOK_SECONDS = 1;
const WAIT_SECONDS = 45;

/** A button that evaluates the guardrails; `onDone(evaluation)` hears of it once there is one. */
export function evaluateButton(onDone) {
    const button = el("button", { type: "button", id: "evaluate" }, "Evaluate guardrails …");
    button.addEventListener("click", async () => {
        const before = newest().catch(() => null);
        const job = await ask();
        if (!job) return;
        tellDone(["Job ", el("a", { href: "/desk/jobs" }, String(job.job_id)), " is queued."]);
        button.disabled = true;
        button.setAttribute("aria-busy", "true");
        const evaluation = await appeared((await before)?.evaluation_id ?? 0);
        button.disabled = false;
        button.removeAttribute("aria-busy");
        tellOutcome(job, evaluation);
        onDone(evaluation);
    });
    return button;
}

function ask() {
    return confirm({
        title: "Evaluate the guardrails now?",
        body: [
            el(
                "ul",
                {},
                el("li", {}, "A job counts what was shown and clicked since the evidence begins."),
                el("li", {}, "If the active model does worse than is allowed, it is rolled back:"
                    + " the model before it is active again, and all lists are rewritten."),
                el("li", {}, "What was decided stays here, with its numbers."),
            ),
            fold("evaluate", "Other bounds, for this once", el(
                "div",
                { class: "field-grid" },
                field("Days", { name: "days", type: "number", min: 1, max: 365 }),
                field("Impressions a sort, at least", {
                    name: "min_impressions", type: "number", min: 1,
                }),
                field("Allowed drop of the CTR", {
                    name: "ctr_drop_ratio", type: "number", min: 0, max: 1, step: "any",
                }, "A share: 0.3 is 30 %."),
                field("Allowed drop of the conversion", {
                    name: "conversion_drop_ratio", type: "number", min: 0, max: 1, step: "any",
                }),
                field("Hours from click to registration", {
                    name: "click_to_register_window_hours", type: "number", min: 1,
                }),
            )),
        ],
        action: "Evaluate",
        act: (values) => post(`${API}/guardrails/evaluate`, values),
    });
}

async function newest() {
    return (await guarded(get(`${API}/guardrails`))).items[0] ?? null;
}

/** The evaluation after this one, or null when there is none for a while. */
async function appeared(afterId) {
    for (let waited = 0; waited < WAIT_SECONDS; waited += LOOK_SECONDS) {
        await new Promise((resolve) => setTimeout(resolve, 1000 * LOOK_SECONDS));
        try {
            const evaluation = await newest();
            if (evaluation && evaluation.evaluation_id > afterId) return evaluation;
        } catch {
            // The server may be away for a moment; the next look may find it.
        }
    }
    return null;
}

function tellOutcome(job, evaluation) {
    if (evaluation) {
        tellDone(
            `Evaluated: ${decided(evaluation.action)}. ${sentence(evaluation.reason)}.`,
            evaluation.action === "rollback" ? "warn" : "good",
        );
    } else {
        tellDone(
            [
                "Job ", el("a", { href: "/desk/jobs" }, String(job.job_id)),
                " has not ended yet. See that a worker runs: python -m app.worker",
            ],
            "warn",
        );
    }
}
