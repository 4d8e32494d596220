// Signing in: a token becomes a session of at most an hour, and leads back to where one was.

import { el, fill, ready } from "./dom.js";
import { post } from "./api.js";

const IS_DEMO = document.documentElement.dataset.demo === "true";
const COMMAND = "python scripts/issue_token.py --user-id 1";

/** Where to go on: a page of the desk, whatever the address says. */
function next() {
    const asked = new URLSearchParams(location.search).get("next") ?? "";
    try {
        const url = new URL(asked, location.origin);
        const isDesk = url.pathname === "/desk" || url.pathname.startsWith("/desk/");
        if (url.origin === location.origin && isDesk && url.pathname !== location.pathname) {
            return url.pathname + url.search;
        }
    } catch {
        // No address at all: the first page, then.
    }
    return "/desk";
}

/** Sign in by this request; what it says instead is shown. */
async function begin(button, fault, request) {
    button.disabled = true;
    fault.hidden = true;
    try {
        await request();
        location.assign(next());
    } catch (error) {
        fill(fault, said(error));
        fault.hidden = false;
        button.disabled = false;
    }
}

function said(error) {
    if (error.status === 401) return `This token is not good: ${error.message}.`;
    if (error.status === 403) {
        return `This token is good, but ${error.message}. Make one for an admin's user id.`;
    }
    return error.message;
}

function tokenForm() {
    const fault = el("p", { class: "note bad", role: "alert", hidden: true });
    const input = el("textarea", {
        id: "token", required: true, autocomplete: "off", spellcheck: "false",
        autocapitalize: "off", "aria-describedby": "token-hint",
    });
    const button = el("button", { type: "submit", class: "primary" }, "Sign in");
    return el(
        "form",
        {
            class: "card",
            onsubmit: (event) => {
                event.preventDefault();
                const token = input.value.trim();
                if (token) {
                    begin(button, fault, () => post("/api/admin/session", { token }));
                } else {
                    fill(fault, "Paste a token first.");
                    fault.hidden = false;
                    input.focus();
                }
            },
            novalidate: true,
        },
        el("h2", {}, "With a token"),
        el(
            "p",
            { class: "quiet small", id: "token-hint" },
            "An admin's bearer token, from the app that logs users in, or made on the server by ",
            el("code", {}, COMMAND),
            " (the id of an admin). It is exchanged for a session of at most an hour and kept"
                + " nowhere in this page.",
        ),
        el("div", { class: "field" }, el("label", { for: "token" }, "Token"), input),
        fault,
        el("div", { class: "actions" }, button),
    );
}

function demoForm() {
    const fault = el("p", { class: "note bad", role: "alert", hidden: true });
    const button = el(
        "button", { type: "button", class: "primary" }, "Sign in as the demo's admin",
    );
    button.addEventListener("click", () => {
        begin(button, fault, () => post("/api/demo/desk-session"));
    });
    return el(
        "div",
        { class: "card" },
        el("h2", {}, "In the demo"),
        el("p", { class: "quiet small" }, "Nobody in it is real, so no token is needed."),
        fault,
        el("div", { class: "actions" }, button),
    );
}

function open() {
    const why = new URLSearchParams(location.search).get("why");
    fill(document.getElementById("header"), el("span", { class: "brand" }, "eventrank desk"));
    fill(document.getElementById("main"), el(
        "div",
        { class: "sign-in" },
        el("h1", {}, "Sign in to the desk"),
        el(
            "p",
            { class: "quiet intro" },
            "How the recommender does, and what may be done about it. For admins.",
        ),
        why === "ended" && el(
            "p",
            { class: "note warn", role: "status" },
            "The session is over, or there was none. Sign in, and you are back where you were.",
        ),
        IS_DEMO && demoForm(),
        tokenForm(),
    ));
    if (!IS_DEMO) document.getElementById("token").focus();
    ready();
}

open();
