// Choosing whom to be: the demo has students, and no passwords.

import { ApiError, get, post, query, remove } from "./api.js";
import { el, fill, ready } from "./dom.js";
import { count, nameOf } from "./site-format.js";
import { failure } from "./site-notices.js";
import { avatar, openPage, switchStudent } from "./site-shell.js";

const TYPING_MS = 250;

const visitor = await openPage();
const { student } = visitor;
const address = new URLSearchParams(location.search);
const main = document.getElementById("main");
const students = el("ul", { class: "students", "aria-live": "polite" });
const problem = el("div");
const search = el("input", {
    type: "search",
    id: "student-search",
    placeholder: "A name or a city",
    autocomplete: "off",
    oninput: () => soon(),
});
let timer = 0;
let asked = 0;

fill(
    main,
    el("h1", {}, "Who do you want to be?"),
    el(
        "p",
        { class: "lead" },
        "This is a demo: everybody may be any of its students. What you do here is what they do,",
        " and their recommendations follow.",
    ),
    address.get("why") === "ended" &&
        !student &&
        el(
            "p",
            { class: "note warn", role: "status" },
            "The session is over. Choose a student, and you are back where you were.",
        ),
    el(
        "div",
        { class: "sign-in-bar" },
        el(
            "div",
            { class: "field" },
            el("label", { for: "student-search" }, "Find a student"),
            search,
        ),
        student &&
            el(
                "button",
                { type: "button", id: "sign-out", onclick: signOut },
                `Sign out ${nameOf(student)}`,
            ),
        el("a", { class: "button", href: "/" }, "Look around without"),
    ),
    problem,
    students,
);
await show();
ready();

function soon() {
    clearTimeout(timer);
    timer = setTimeout(show, TYPING_MS);
}

async function show() {
    const number = ++asked;
    students.dataset.state = "loading";
    try {
        const { items } = await get(`/api/demo/students${query({ search: search.value.trim() })}`);
        if (number !== asked) return;
        fill(problem);
        fill(
            students,
            items.length
                ? items.map(card)
                : el("li", { class: "empty" }, nobody()),
        );
        students.dataset.state = "settled";
    } catch (error) {
        fill(problem, failure(error, show));
        students.dataset.state = "failed";
    }
}

function nobody() {
    return search.value.trim()
        ? "No active student has such a name or city."
        : "There is no active student yet.";
}

function card(one) {
    const { id, city, interests, registrations, has_list: hasList } = one;
    return el(
        "li",
        {},
        el(
            "button",
            {
                type: "button",
                class: "student-card",
                "data-student-id": id,
                "aria-current": id === student?.id ? "true" : null,
                onclick: () => signIn(id),
            },
            avatar(one),
            el(
                "span",
                { class: "student-text" },
                el("strong", {}, nameOf(one)),
                el(
                    "span",
                    { class: "quiet small" },
                    [city, count(registrations, "registration"), !hasList && "no list yet"]
                        .filter(Boolean)
                        .join(" · "),
                ),
                interests.length
                    ? el(
                          "span",
                          { class: "chips" },
                          interests.map((interest) => el("span", { class: "chip" }, interest)),
                      )
                    : el("span", { class: "quiet small" }, "No interests chosen yet"),
            ),
        ),
    );
}

async function signIn(id) {
    try {
        await switchStudent(visitor, id, () => post("/api/demo/session", { user_id: id }));
        location.assign(nextPath());
    } catch (error) {
        const isGone = error instanceof ApiError && error.status === 404;
        fill(
            problem,
            failure(isGone ? new Error("This student is not active any more.") : error, show),
        );
        problem.scrollIntoView();
    }
}

async function signOut() {
    try {
        await switchStudent(visitor, null, () => remove("/api/demo/session"));
        location.assign("/");
    } catch (error) {
        fill(problem, failure(error, signOut));
    }
}

/** Give where to go on: a page of this site, whatever the address claims. */
function nextPath() {
    const wished = address.get("next") ?? "/";
    if (!URL.canParse(wished, location.origin)) return "/";
    const url = new URL(wished, location.origin);
    // The whole of it: a path may begin with two slashes, and then name another site.
    const isOther = url.origin === location.origin && url.pathname !== location.pathname;
    return isOther ? url.href : "/";
}
