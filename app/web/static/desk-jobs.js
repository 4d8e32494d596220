// The queue and the schedule: what runs, what waits, what failed, and what to do about it.

import { el } from "./dom.js";
import { get, post } from "./api.js";
import { tellDone } from "./desk-dialog.js";
import { count, counted, duration, NONE, sentence, words } from "./desk-format.js";
import { API, filler, guarded, openDesk } from "./desk-frame.js";
import { chip, empty, fold, part, table, tile, tiles, time } from "./desk-parts.js";

const JOBS = {
    refresh_user_recommendations_ml: "Rewrite a student's list",
    recompute_recommendations_ml: "Train a model, rewrite all lists",
    rescore_changed: "Rewrite the lists of who changed",
    refresh_upcoming_events: "Take in new and edited events",
    evaluate_personalization_guardrails: "Evaluate the guardrails",
    apply_analytics_retention: "Remove old telemetry",
};
const STATUSES = {
    running: ["running", "accent"], queued: ["waiting", ""], failed: ["failed", "bad"],
    succeeded: ["done", "good"],
};
const LONG_ERROR = 90;

function jobName(job) {
    if (job.job_type === "recompute_recommendations_ml" && job.payload?.skip_training) {
        return "Rewrite all lists";
    }
    return JOBS[job.job_type] ?? sentence(words(job.job_type));
}

/** What a job was given, but for what its name says already. */
function payload(job) {
    const given = Object.entries(job.payload ?? {}).filter(([name]) => name !== "skip_training");
    return given.map(([name, value]) => (name === "user_id"
        ? el("a", { href: `/desk/students/${value}` }, `student ${value}`)
        : `${words(name)} ${typeof value === "object" ? JSON.stringify(value) : value}`))
        .flatMap((one, place) => (place ? [", ", one] : [one]));
}

function drawTiles({ jobs, queue_enabled: isOn }) {
    const number = (status) => jobs.filter((one) => one.status === status).length;
    return [
        !isOn && el(
            "p", { class: "note warn" },
            isOn === null ? "The setting of the queue is not valid" : "The queue is switched off",
            ": nobody runs jobs, and none can be queued. Set ",
            el("code", {}, "TASK_QUEUE_ENABLED=true"), " where the server and the worker start.",
        ),
        tiles(
            tile("Running", count(number("running"))),
            tile("Waiting", count(number("queued"))),
            tile(
                "Failed", count(number("failed")),
                number("failed") > 0 ? "read the error, mend it, retry" : "nothing to do",
            ),
            tile("Done in the last hour", count(number("succeeded"))),
        ),
    ];
}

function drawJobs(jobs, title, hint) {
    if (jobs.length === 0) return empty(title, hint);
    return el("div", { class: "card" }, table("Jobs", [
        {
            name: "Job", header: true,
            value: (job) => [
                jobName(job), el("div", { class: "quiet small" }, `${job.id}`,
                    payload(job).length > 0 && ": ", payload(job)),
            ],
        },
        { name: "Status", value: (job) => chip(...STATUSES[job.status] ?? [job.status]) },
        { name: "When", value: when },
        {
            name: "Attempts", number: true,
            value: (job) => `${job.attempts} of ${job.max_attempts}`,
        },
        { name: "What came of it", value: outcome },
        { name: "What to do", value: todo },
    ], jobs, { hideCaption: true, row: (job) => ({ "data-job": job.id }) }));
}

function when(job) {
    if (job.status === "succeeded" || job.status === "failed") {
        return job.finished_at ? time(job.finished_at) : NONE;
    }
    if (job.status === "running") {
        return [
            `by ${job.worker}`,
            el("div", { class: "quiet small" }, `heard of ${duration(job.silent_for_seconds)} ago`),
        ];
    }
    return job.due_in_seconds > 0 ? `due in ${duration(job.due_in_seconds)}`
        : `for ${duration(job.waiting_for_seconds)}`;
}

function outcome(job) {
    return [
        job.last_error && errorText(job),
        job.result && el("span", { class: "small" }, resultText(job.result)),
    ];
}

function errorText(job) {
    if (job.last_error.length <= LONG_ERROR) {
        return el("div", { class: "job-error break" }, job.last_error);
    }
    return fold(
        `error ${job.id}`, `${job.last_error.slice(0, LONG_ERROR)}…`,
        el("pre", { class: "job-error" }, job.last_error),
    );
}

function resultText(result) {
    if (typeof result !== "object" || result === null) return String(result);
    return Object.entries(result).filter(([, value]) => value !== null)
        .map(([name, value]) => `${words(name)}: ${
            typeof value === "object" ? JSON.stringify(value)
                : typeof value === "number" ? count(value) : value}`).join(", ");
}

function todo(job) {
    if (job.can_retry) {
        const button = el(
            "button",
            {
                type: "button", class: "small", "data-key": `retry ${job.id}`,
                "aria-label": `Retry job ${job.id}`,
            },
            "Retry",
        );
        button.addEventListener("click", () => retry(job, button));
        return button;
    }
    const said = job.what_to_do ?? "";
    return said.startsWith("nothing")
        ? el("span", { class: "quiet" }, said) : el("strong", {}, sentence(said));
}

async function retry(job, button) {
    button.disabled = true;
    try {
        const { merged_into: other } = await guarded(post(`${API}/jobs/${job.id}/retry`));
        tellDone(other ? `Job ${other} waits already and does the same.`
            : `Job ${job.id} waits again, with all its attempts.`);
    } catch (error) {
        tellDone(error.message, "bad");
        button.disabled = false;
    }
    page.refresh();
}

function drawSchedule(schedule) {
    if (schedule.length === 0) return empty("There is no schedule");
    return el("div", { class: "card" }, table("Schedule (cron expressions are of UTC)", [
        {
            name: "Entry", header: true,
            value: (one) => [sentence(words(one.name)), !one.is_enabled && [" ", chip("off")]],
        },
        { name: "What", value: (one) => el("span", { class: "small" }, one.description ?? "") },
        { name: "Cron", value: (one) => el("code", { class: "nowrap" }, one.cron) },
        { name: "Last run", value: lastRun },
        { name: "Next run", value: nextRun },
        { name: "What came of it", value: scheduleOutcome },
    ], schedule));
}

function lastRun(one) {
    if (!one.last_run_at) return el("span", { class: "quiet" }, "never");
    return [
        time(one.last_run_at),
        one.missed_count > 0 && el("div", { class: "quiet small" },
            `for ${counted(one.missed_count, "earlier one", "earlier ones")} missed`),
    ];
}

function nextRun(one) {
    if (!one.is_enabled) return chip("switched off");
    if (!one.next_run_at) return NONE;
    const isOverdue = new Date(one.next_run_at) < Date.now() - 120_000;
    return [time(one.next_run_at), isOverdue && el("div", {}, chip("nobody calls", "warn"))];
}

function scheduleOutcome(one) {
    if (one.last_error) {
        return fold(`schedule ${one.name}`, chip("failed", "bad"), el("pre", {}, one.last_error));
    }
    if (!one.last_result) return NONE;
    const said = resultText(one.last_result);
    return said.length <= LONG_ERROR ? el("span", { class: "small" }, said)
        : fold(`schedule ${one.name}`, "Result", el("span", { class: "small" }, said));
}

function build(place) {
    const figures = el("div");
    const failed = part("Failed");
    const live = part("Running and waiting");
    const done = part("Done in the last hour");
    const schedule = part("Schedule", {
        id: "schedule",
        intro: "What happens by itself. A worker or pg_cron calls once a minute and runs what is"
            + " due.",
    });
    place.append(figures, failed.node, live.node, done.node, schedule.node);
    const fillFigures = filler(figures, drawTiles);
    const fillFailed = filler(failed.body, (jobs) => drawJobs(jobs, "No job has failed"));
    const fillLive = filler(live.body, (jobs) => drawJobs(
        jobs, "No job waits or runs", "What is asked for by a click or the schedule shows here.",
    ));
    const fillDone = filler(done.body, (jobs) => fold(
        "done", counted(jobs.length, "job"), drawJobs(jobs, "None"),
    ));
    const fillSchedule = filler(schedule.body, drawSchedule);
    let isFirst = true;
    return (data) => {
        const of = (...statuses) => data.jobs.filter((one) => statuses.includes(one.status));
        fillFigures({ ...data, schedule: null });
        failed.node.hidden = of("failed").length === 0;
        fillFailed(of("failed"));
        fillLive(of("running", "queued"));
        done.node.hidden = of("succeeded").length === 0;
        fillDone(of("succeeded"));
        fillSchedule(data.schedule);
        // The address may name a part that was not there yet.
        if (isFirst && location.hash) document.querySelector(location.hash)?.scrollIntoView();
        isFirst = false;
    };
}

const page = await openDesk({
    title: "Jobs",
    intro: "What takes longer than a request waits in a queue, and workers run it.",
    load: () => get(`${API}/jobs`),
    build,
    every: 5,
});
