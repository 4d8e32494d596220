// The page of one event: what it is, and all that a student may do about it.

import { get, post, remove } from "./api.js";
import { announce, el, fill, ready } from "./dom.js";
import { namedCover, reason } from "./site-card.js";
import { place, seats, titleOf, when } from "./site-format.js";
import { listKey } from "./site-lists.js";
import { failure, toast } from "./site-notices.js";
import { shareLink } from "./site-share.js";
import { openPage, signInPath } from "./site-shell.js";
import { Strip } from "./site-strip.js";
import { openWhy } from "./site-why.js";

const STATES = {
    registered: "You are going.",
    full: "All seats are taken.",
    over: "This event has begun or is over.",
    cancelled: "This event was cancelled.",
    hidden: "You hide one of its tags or block its organizer, so your lists leave it out.",
};

const { student, telemetry } = await openPage();
const id = Number(location.pathname.split("/").pop());
const main = document.getElementById("main");
const path = `/api/demo/events/${id}`;
let event = null;
let strip = null;
let isActing = false;
let exclusions = { hidden_tags: [], blocked_organizers: [] };

const banner = el("div", { class: "banner" });
const about = el("div", { class: "about" });
const actions = el("section", { class: "card actions-card", "aria-label": "Taking part" });
const unwanted = el("section", { class: "unwanted" });

await open();
ready();

async function open() {
    try {
        [event, exclusions] = await Promise.all([
            get(path),
            student ? get("/api/me/personalization") : exclusions,
        ]);
    } catch (error) {
        if (error.status === 404) gone();
        else
            fill(
                main,
                failure(error, () => open()),
            );
        return;
    }
    document.title = `${titleOf(event)} · eventrank demo`;
    const next =
        student && el("aside", { class: "next", "aria-labelledby": "next-title" });
    fill(
        main,
        el("p", { class: "back" }, el("a", { href: "/" }, "← All events")),
        banner,
        el(
            "div",
            { class: "event-page" },
            about,
            el("div", { class: "side" }, actions, next),
            student && unwanted,
        ),
    );
    draw();
    telemetry.view(id);
    if (student) {
        strip = new Strip({
            telemetry,
            student,
            source: "event_page",
            list: listKey("next"),
            limit: 5,
            without: id,
            memory: null,
        });
        fill(next, el("h2", { id: "next-title" }, "Next for you"), strip.elements);
        await strip.load();
        strip.watch();
    }
}

function gone() {
    fill(
        main,
        el(
            "div",
            { class: "empty" },
            el("h1", {}, "There is no such event"),
            el("p", {}, "It may have been taken back by its organizer."),
            el("a", { class: "button primary", href: "/" }, "See all events"),
        ),
    );
}

function draw() {
    fill(banner, namedCover(event));
    const facts = [
        ["When", when(event, true)],
        ["Where", place(event, true)],
        ["By", event.owner_name],
    ];
    fill(
        about,
        el("h1", {}, titleOf(event)),
        el(
            "dl",
            { class: "facts" },
            facts
                .filter(([, value]) => value)
                .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
        ),
        event.recommendation_reason &&
            el(
                "div",
                { class: "because" },
                reason(event.recommendation_reason),
            ),
        event.description && el("p", { class: "description" }, event.description),
        event.tags.length > 0 &&
            el(
                "ul",
                { class: "chips", "aria-label": "Tags" },
                event.tags.map(({ name }) =>
                    el(
                        "li",
                        {},
                        el(
                            "a",
                            { class: "chip", href: `/?tags=${encodeURIComponent(name)}` },
                            name,
                        ),
                    ),
                ),
            ),
    );
    drawActions();
    if (student) drawUnwanted();
}

function drawActions() {
    const { max_seats: most, seats_taken: taken } = event;
    const state = STATES[event.state];
    const meter =
        most > 0 &&
        el("meter", {
            min: 0,
            max: most,
            value: taken,
            "aria-label": `${taken} of ${most} seats are taken`,
        });
    fill(
        actions,
        el("p", { class: "seats" }, el("strong", { id: "seats" }, seats(event))),
        meter,
        state && el("p", { id: "state", "data-state": event.state }, state),
        student
            ? [
                  registerButton(),
                  el(
                      "div",
                      { class: "pair" },
                      el(
                          "button",
                          {
                              type: "button",
                              id: "favorite",
                              "aria-pressed": String(event.favorite),
                              onclick: act(favorite),
                          },
                          el("span", { "aria-hidden": "true" }, event.favorite ? "♥ " : "♡ "),
                          event.favorite ? "Favourite" : "Add to favourites",
                      ),
                      shareButton(),
                  ),
                  // No list has a cancelled event, so there is nothing to explain.
                  event.state !== "cancelled" &&
                      el(
                          "button",
                          {
                              type: "button",
                              id: "why",
                              class: "plain",
                              onclick: () => openWhy(event),
                          },
                          "Why am I seeing this?",
                      ),
              ]
            : [
                  el(
                      "a",
                      { class: "button primary", href: signInPath() },
                      "Choose a student to register",
                  ),
                  shareButton(),
              ],
        el("div", { class: "trouble", role: "alert" }),
    );
}

function registerButton() {
    if (event.registered) {
        if (event.state === "over") return null;
        return el(
            "button",
            { type: "button", id: "unregister", onclick: act(unregister) },
            "Take it back",
        );
    }
    return el(
        "button",
        {
            type: "button",
            id: "register",
            class: "primary",
            disabled: !event.can_register,
            onclick: act(register),
        },
        "Register",
    );
}

function shareButton() {
    return el("button", { type: "button", id: "share", onclick: act(share) }, "Share");
}

/** Do something that a button is for: one thing at a time, and saying so if it fails. */
function act(action) {
    return async () => {
        // Not by disabling the button: that would take the focus away from it.
        if (isActing) return;
        isActing = true;
        try {
            await action();
        } catch (error) {
            if (error.status === 409) event = await get(path).catch(() => event);
            drawActions();
            fill(actions.querySelector(".trouble"), el("p", { class: "note bad" }, error.message));
        } finally {
            isActing = false;
        }
    };
}

async function register() {
    const { is_new: isNew } = await post(`${path}/registration`);
    // Another tab may have done it, and has told of it then.
    if (isNew) telemetry.register(id);
    await redraw("register", "unregister");
    announce(`You are registered. ${seats(event)}.`);
}

async function unregister() {
    await remove(`${path}/registration`);
    telemetry.unregister(id);
    await redraw("unregister", "register");
    announce("You are no longer registered.");
}

async function favorite() {
    if (event.favorite) {
        await remove(`${path}/favorite`);
    } else {
        await post(`${path}/favorite`);
        telemetry.favorite(id);
    }
    await redraw("favorite", "favorite");
    announce(event.favorite ? "It is one of your favourites." : "No longer a favourite.");
}

async function share() {
    const how = await shareLink(titleOf(event), location.href);
    if (!how) return;
    telemetry.share(id, { how });
    if (how === "copied") toast("The link is copied.");
    strip?.watch();
}

/** Show what is now true; the focus goes on to what took the button's place. */
async function redraw(from, to) {
    const hadFocus = document.activeElement?.id === from;
    event = await get(path);
    drawActions();
    if (hadFocus) document.getElementById(to)?.focus();
    strip?.watch();
}

function drawUnwanted() {
    const hidden = new Set(exclusions.hidden_tags.map((tag) => tag.id));
    const isBlocked = exclusions.blocked_organizers.some((one) => one.id === event.owner_id);
    const tags = event.tags.filter((tag) => !hidden.has(tag.id));
    fill(
        unwanted,
        el("h2", {}, "Not for you?"),
        tags.length > 0 && el("p", { class: "quiet" }, "See no more events about"),
        el(
            "div",
            { class: "chips" },
            tags.map((tag) =>
                el(
                    "button",
                    {
                        type: "button",
                        class: "chip-button",
                        "data-hide-tag": tag.id,
                        "aria-label": `Hide events about ${tag.name}`,
                        onclick: () =>
                            exclude("hidden-tags", tag.id, `Events about ${tag.name} are hidden.`),
                    },
                    tag.name,
                    el("span", { "aria-hidden": "true" }, " ×"),
                ),
            ),
        ),
        !isBlocked &&
            el(
                "p",
                {},
                el(
                    "button",
                    {
                        type: "button",
                        id: "block",
                        onclick: () =>
                            exclude(
                                "blocked-organizers",
                                event.owner_id,
                                `Events by ${event.owner_name ?? "this organizer"} are left out.`,
                            ),
                    },
                    `Block ${event.owner_name ?? "the organizer"}`,
                ),
            ),
        event.state === "hidden" &&
            el(
                "p",
                { class: "small" },
                "What you hide and block is listed under ",
                el("a", { href: "/profile#hidden" }, "your interests"),
                ".",
            ),
    );
}

async function exclude(kind, which, message) {
    const where = `/api/me/personalization/${kind}/${which}`;
    try {
        await post(where);
        await excluded();
        toast(message, async () => {
            await remove(where).catch((error) => toast(error.message));
            await excluded();
        });
    } catch (error) {
        toast(error.message);
    }
}

async function excluded() {
    [event, exclusions] = await Promise.all([get(path), get("/api/me/personalization")]);
    draw();
    // The button that was pressed is gone: go on beside it.
    if (document.activeElement === document.body) unwanted.querySelector("button, a")?.focus();
    await strip.reload();
}
