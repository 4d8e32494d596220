// What every page of the site begins with: who is signed in, the header, telemetry.

import { get, onSignedOut, query } from "./api.js";
import { el, fill, ready } from "./dom.js";
import { nameOf } from "./site-format.js";
import { failure } from "./site-notices.js";
import { startTelemetry } from "./telemetry.js";

const STUDENT_KEY = "eventrank.site.student";
const SWITCHING = "switching";
const LAST_WORDS_MS = 2000;
const LINKS = [
    ["/", "Events"],
    ["/profile", "Your interests"],
];

/** Draw the header and give {student, telemetry}; student is null where nobody is signed in. */
export async function openPage() {
    drawHeader(undefined);
    const { student, expires_in: seconds } = await askWhoIsHere();
    const endsAt = student ? Date.now() + seconds * 1000 : Infinity;
    const own = String(student?.id ?? "");
    drawHeader(student);
    localStorage.setItem(STUDENT_KEY, own);
    const telemetry = startTelemetry({
        endpoint: "/api/analytics/interactions",
        user: student ? `student-${student.id}` : "visitor",
        // The cookie says whose it is: where that is somebody else by now, it has to wait.
        headers: () =>
            Date.now() < endsAt && localStorage.getItem(STUDENT_KEY) === own ? {} : null,
    });
    stayOneStudent(own, telemetry);
    if (student) endWithSession(endsAt, telemetry);
    return { student, telemetry };
}

/** Without an answer nobody knows whose page this is: say so, until there is one. */
async function askWhoIsHere() {
    const main = document.getElementById("main");
    for (;;) {
        try {
            return await get("/api/demo/session");
        } catch (error) {
            await new Promise((again) => {
                fill(main, failure(error, again));
                ready();
            });
            fill(main);
        }
    }
}

/**
 * Become another student, or nobody, by this request. What waits is sent before, if it can be:
 * whatever is sent after it would be the other one's.
 */
export async function switchStudent({ student, telemetry }, id, request) {
    await Promise.race([
        telemetry.flush(),
        new Promise((wake) => setTimeout(wake, LAST_WORDS_MS)),
    ]);
    telemetry.stop();
    localStorage.setItem(STUDENT_KEY, SWITCHING);
    let next = String(student?.id ?? "");
    try {
        await request();
        next = String(id ?? "");
    } finally {
        localStorage.setItem(STUDENT_KEY, next);
    }
}

/** Where choosing a student leads back to this page. */
export function signInPath(more = {}) {
    const here = location.pathname + location.search;
    return `/sign-in${query({ next: here === "/" ? "" : here, ...more })}`;
}

/** Lead to signing in, and back, when the session is over or the API knows of none. */
function endWithSession(endsAt, telemetry) {
    const end = () => {
        telemetry.stop();
        if (location.pathname === "/sign-in") location.reload();
        else location.assign(signInPath({ why: "ended" }));
        // Nothing that waits for an answer goes on while the browser leaves.
        return new Promise(() => {});
    };
    const check = () => Date.now() >= endsAt && end();
    onSignedOut(end);
    setTimeout(check, endsAt - Date.now() + 100);
    // Timers stand still while a machine sleeps.
    document.addEventListener("visibilitychange", check);
    addEventListener("pageshow", check);
}

/**
 * All tabs share one cookie: what this page would tell from now on would be another student's
 * doing once another tab has switched.
 */
function stayOneStudent(own, telemetry) {
    const check = () => {
        if ([own, SWITCHING].includes(localStorage.getItem(STUDENT_KEY))) return;
        telemetry.stop();
        location.reload();
    };
    addEventListener("storage", (event) => event.key === STUDENT_KEY && check());
    addEventListener("pageshow", (event) => event.persisted && check());
}

function drawHeader(student) {
    fill(
        document.getElementById("header"),
        el("a", { class: "brand", href: "/" }, el("span", { class: "mark" }), "eventrank"),
        el(
            "nav",
            { "aria-label": "Pages" },
            LINKS.map(([path, name]) =>
                el(
                    "a",
                    { href: path, "aria-current": location.pathname === path ? "page" : null },
                    name,
                ),
            ),
            document.documentElement.dataset.desk === "true" &&
                el("a", { href: "/desk", class: "to-desk" }, "Desk"),
        ),
        student !== undefined &&
            el(
                "div",
                { class: "who" },
                student && avatar(student),
                student && el("span", { class: "who-name" }, nameOf(student)),
                location.pathname !== "/sign-in" &&
                    el(
                        "a",
                        { class: student ? "switch" : "button primary", href: signInPath() },
                        student ? "Switch student" : "Choose a student",
                    ),
            ),
    );
}

/** The first letters of a student's name, in a circle. */
export function avatar(student) {
    const words = nameOf(student).split(/\s+/);
    const letters = words.slice(0, 2).map((word) => word[0]);
    return el("span", { class: "avatar", "aria-hidden": "true" }, letters.join(""));
}
