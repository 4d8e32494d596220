// What every page of the site begins with: who is signed in, the header, telemetry.

import { get } from "./api.js";
import { el, fill } from "./dom.js";
import { startTelemetry } from "./telemetry.js";

const STUDENT_KEY = "eventrank.site.student";
const LINKS = [
    ["/", "Events"],
    ["/profile", "Your interests"],
];

/** Draw the header and give {student, telemetry}; student is null where nobody is signed in. */
export async function openPage() {
    drawHeader(undefined);
    const answer = await get("/api/demo/session").catch(() => null);
    const student = answer?.student ?? null;
    drawHeader(student);
    const telemetry = startTelemetry({
        endpoint: "/api/analytics/interactions",
        user: student ? `student-${student.id}` : "visitor",
    });
    if (answer) stayOneStudent(student, telemetry);
    return { student, telemetry };
}

/** Where choosing a student leads back to this page. */
export function signInPath() {
    const here = location.pathname + location.search;
    return here === "/" ? "/sign-in" : `/sign-in?next=${encodeURIComponent(here)}`;
}

/**
 * All tabs share one cookie: what this page would tell from now on would be another student's
 * doing once another tab has switched.
 */
function stayOneStudent(student, telemetry) {
    const own = String(student?.id ?? "");
    localStorage.setItem(STUDENT_KEY, own);
    const check = () => {
        if (localStorage.getItem(STUDENT_KEY) === own) return;
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
            el("a", { href: "/desk", class: "to-desk" }, "Desk"),
        ),
        student !== undefined &&
            el(
                "div",
                { class: "who" },
                student && avatar(student),
                student && el("span", { class: "who-name" }, student.full_name),
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
    const words = (student.full_name ?? "?").split(/\s+/);
    const letters = words.slice(0, 2).map((word) => word[0]);
    return el("span", { class: "avatar", "aria-hidden": "true" }, letters.join(""));
}
