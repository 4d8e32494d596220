// What is around every page of the desk: who sits there, the way about, errors, refreshing.

import { announce, el, fill, ready } from "./dom.js";
import { ApiError, get, remove } from "./api.js";
import { exact, relative, timeOfDay } from "./desk-format.js";

const PAGES = [
    ["/desk", "Status"],
    ["/desk/quality", "Quality"],
    ["/desk/models", "Models"],
    ["/desk/guardrails", "Guardrails"],
    ["/desk/jobs", "Jobs"],
    ["/desk/students", "Students"],
];
const SIGN_IN = "/desk/sign-in";
const SOON_SECONDS = 300;
const AGAIN_SECONDS = 30;

/** The base of the Desk API. */
export const API = "/api/admin/personalization";

/** Leave for the page to sign in, which leads back here. */
export function signIn(why) {
    const here = location.pathname + location.search;
    const parts = new URLSearchParams({ next: here });
    if (why) parts.set("why", why);
    location.assign(`${SIGN_IN}?${parts}`);
    // Nothing that waits for an answer goes on while the browser leaves.
    return new Promise(() => {});
}

/** Do as asked; somebody whose session is over is led to the page to sign in. */
export async function guarded(request) {
    try {
        return await request;
    } catch (error) {
        if (error instanceof ApiError && error.status === 401) return signIn("ended");
        throw error;
    }
}

/** What went wrong, and with what of that which was sent. */
export function faultText(error) {
    const errors = error.problem?.errors ?? [];
    if (errors.length === 0) return error.message;
    return errors.map((one) => `${one.field ?? one.parameter}: ${one.detail}`).join("; ");
}

/**
 * Open a page of the desk. `load()` asks for what it shows; `build(main)` makes its parts once and
 * gives a function that fills them with what was loaded. With `every`, that is done again after so
 * many seconds, unless somebody paused it. Gives `{refresh}`.
 */
export async function openDesk({ title, intro, load, build, every }) {
    const main = document.getElementById("main");
    drawHeader(null);
    const heading = el("div", { class: "page-head" }, el("h1", {}, title));
    const place = el("div", { class: "place", "aria-busy": "true" });
    fill(main, heading, intro && el("p", { class: "quiet intro" }, intro), place);
    // Nobody sees a flash of it where the answer comes at once.
    const waiting = setTimeout(
        () => fill(place, el("p", { class: "empty loading" }, "Loading …")), 300,
    );

    const session = await welcome(place);
    clearTimeout(waiting);
    if (!session) return { refresh: () => {} };
    drawHeader(session);

    const desk = new Refresher(heading, place, load, build, every);
    await desk.start();
    ready();
    return { refresh: () => desk.refresh() };
}

// A page that the browser kept whole may be of somebody who has signed out since.
addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
});

/** Ask who sits here; errors are shown, with a way on. */
async function welcome(place) {
    try {
        return await guarded(get("/api/admin/session"));
    } catch (error) {
        showError(place, error, () => location.reload());
        ready();
        return null;
    }
}

function drawHeader(session) {
    const here = location.pathname;
    fill(
        document.getElementById("header"),
        el("a", { class: "brand", href: "/desk" }, "eventrank desk"),
        session && el("div", { class: "who small" }, whoIsHere(session)),
        el("nav", { "aria-label": "Desk" }, PAGES.map(([path, name]) => el(
            "a",
            {
                href: path,
                "aria-current": (path === "/desk" ? here === path : here.startsWith(path))
                    && (here === path ? "page" : "true"),
            },
            name,
        ))),
    );
    // On a narrow screen the way about scrolls: where we are has to be in sight.
    document.querySelector("#header [aria-current]")?.scrollIntoView({
        block: "nearest", inline: "center",
    });
}

function whoIsHere(session) {
    const ends = new Date(session.expires_at).getTime();
    const until = el(
        "span",
        { class: "quiet", title: `The session ends ${exact(session.expires_at)}` },
    );
    const look = () => {
        const left = (ends - Date.now()) / 1000;
        if (left <= 0) {
            // By this clock, which may be wrong: the server knows.
            until.textContent = "session ends";
            guarded(get("/api/admin/session")).catch(() => {}).then(
                () => setTimeout(look, 1000 * AGAIN_SECONDS),
            );
            return;
        }
        const isSoon = left < SOON_SECONDS;
        until.textContent = isSoon
            ? `session ends ${relative(session.expires_at)}`
            : `until ${timeOfDay(session.expires_at)}`;
        until.classList.toggle("soon", isSoon);
        setTimeout(look, Math.min(isSoon ? 1000 : 10_000, 1000 * left));
    };
    look();
    return [
        el("strong", {}, session.full_name || `Admin ${session.user_id}`),
        until,
        el("button", { type: "button", class: "plain small", onclick: signOut }, "Sign out"),
    ];
}

async function signOut() {
    try {
        await remove("/api/admin/session");
    } catch (error) {
        announce(error.message);
        return;
    }
    location.assign(SIGN_IN);
}

/** Say what went wrong and what to do about it. */
export function showError(place, error, retry) {
    const { title, advice } = explained(error);
    place.removeAttribute("aria-busy");
    fill(place, el(
        "div",
        { class: "note bad error", role: "alert" },
        el("h2", {}, title),
        el("p", {}, faultText(error)),
        advice && el("p", {}, advice),
        el(
            "div",
            { class: "actions" },
            retry && el("button", { type: "button", onclick: retry }, "Try again"),
            error.status === 403
                && el("a", { class: "button", href: SIGN_IN }, "Sign in as somebody else"),
        ),
    ));
}

function explained(error) {
    if (!(error instanceof ApiError)) {
        // A mistake of the page's own belongs in the console, too.
        reportError(error);
        return { title: "This page has a mistake" };
    }
    if (error.status === 0) return { title: "The server is away" };
    if (error.status === 403) {
        return {
            title: "The desk is for admins",
            advice: "An account is one while its role is admin and it is active.",
        };
    }
    if (error.status === 404) return { title: "There is no such thing" };
    if (error.status === 503) {
        return {
            title: "The database is away or busy",
            advice: "The server is up. See that PostgreSQL runs and takes connections.",
        };
    }
    if (error.status >= 500) {
        return { title: "The server failed", advice: "Its log says why." };
    }
    return { title: "The server refused this" };
}

/** Fills a page, and fills it again. */
class Refresher {
    constructor(heading, place, load, build, every) {
        this.place = place;
        this.load = load;
        this.build = build;
        this.every = every;
        this.isPaused = false;
        this.updatedAt = null;
        this.note = el("span", { class: "small quiet" });
        heading.append(every ? this.controls() : this.note);
    }

    controls() {
        const pause = el("button", { type: "button", class: "plain small" }, "Pause");
        pause.addEventListener("click", () => {
            this.isPaused = !this.isPaused;
            pause.textContent = this.isPaused ? "Go on" : "Pause";
            this.tell();
            if (!this.isPaused) this.refresh();
        });
        return el(
            "div",
            { class: "refresher" },
            this.note,
            pause,
            el(
                "button",
                { type: "button", class: "plain small", onclick: () => this.refresh() },
                "Refresh",
            ),
        );
    }

    async start() {
        try {
            const data = await guarded(this.load());
            this.place.removeAttribute("aria-busy");
            this.place.replaceChildren();
            this.update = this.build(this.place);
            await this.show(data);
        } catch (error) {
            this.update = null;
            showError(this.place, error, () => this.start());
        }
        if (this.every && !this.timer) {
            this.timer = setInterval(() => this.tick(), 1000);
            document.addEventListener("visibilitychange", () => this.tick());
        }
    }

    tick() {
        this.tell();
        if (!this.update || this.isPaused || this.isBusy || document.hidden) return;
        // Whoever is about to confirm something should find the page as it was.
        if (document.querySelector("dialog[open]")) return;
        if (Date.now() - this.triedAt >= 1000 * this.every) this.refresh();
    }

    async refresh() {
        if (!this.update) {
            await this.start();
            return;
        }
        if (this.isBusy) {
            // What is asked for may be something else by now.
            this.isOutdated = true;
            return;
        }
        this.isBusy = true;
        this.isOutdated = false;
        this.triedAt = Date.now();
        try {
            const data = await guarded(this.load());
            if (this.fault) announce("Refreshed");
            this.fault = null;
            await this.show(data);
        } catch (error) {
            // What is shown is old, and better than nothing.
            const fault = faultText(error);
            if (this.fault !== fault) announce(`The page could not be refreshed. ${fault}`);
            this.fault = fault;
        }
        this.isBusy = false;
        this.tell();
        if (this.isOutdated) await this.refresh();
    }

    async show(data) {
        await this.update(data);
        this.updatedAt = this.triedAt = Date.now();
        this.tell();
    }

    tell() {
        // Without a timer nothing counts on; what was asked for once has no age worth telling.
        const age = this.updatedAt && (this.every ? relative : timeOfDay)(this.updatedAt);
        const said = this.fault
            ? `Not refreshed, shown as of ${age}: ${this.fault}`
            : this.every && age && `${this.isPaused ? "Paused, as of" : "As of"} ${age}`;
        if (this.note.textContent !== (said || "")) this.note.textContent = said || "";
        this.note.classList.toggle("soon", Boolean(this.fault));
    }
}

/** Give a function that fills an element only when what it shows has changed, and keeps focus. */
export function filler(body, draw) {
    let shown;
    return (data, ...more) => {
        const now = JSON.stringify([data, ...more]);
        if (now === shown) return;
        const focused = body.contains(document.activeElement)
            && document.activeElement.dataset.key;
        shown = now;
        fill(body, draw(data, ...more));
        if (focused) body.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    };
}
