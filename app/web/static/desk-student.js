// One student: what is known of them and from where, what they are shown, and why.

import { el } from "./dom.js";
import { get } from "./api.js";
import { counted, decimal, exact, NONE, sentence, words } from "./desk-format.js";
import { API, filler, openDesk } from "./desk-frame.js";
import { chip, empty, facts, part, table, time } from "./desk-parts.js";
import { whyPanel } from "./desk-why.js";
import { WhatIf } from "./desk-what-if.js";

const ID = location.pathname.split("/").at(-1);
const PATH = `${API}/students/${encodeURIComponent(ID)}`;

/** Where an attribute is from, and what that is called. */
const SOURCES = {
    interest: "chosen", profile: "profile", implicit: "learned", implicit_home: "learned home",
    search: "searched", history: "history", attendance: "attended",
};
/** What weighs by where it is from: an attribute is under the first of these that it has. */
const GROUPS = [
    ["Chosen", "accent", ["interest", "profile"], "what they said of themselves"],
    ["Learned", "good", ["implicit", "implicit_home", "search"], "from clicks and searches"],
    ["History", "", ["history", "attendance"], "from what they registered for and saved"],
];
const SHOWN_BY = { list: null, tags: "by tags", popular: "by popularity" };

function drawWho(student) {
    const { list } = student;
    return el("div", { class: "card" }, facts(
        ["E-mail", student.email],
        ["City", student.city ?? NONE],
        ["Language", student.language ?? NONE],
        ["Account", [
            student.is_active ? chip("active", "good") : chip("inactive", "warn"),
            student.created_at && [" since ", time(student.created_at)],
        ]],
        ["Events list", [
            `sorted ${student.variant === "recommended" ? "by the model" : "by time"}`,
            el("span", { class: "quiet" }, ` (bucket ${student.bucket} of the experiment)`),
        ]],
        student.trouble && ["Model", el("span", { class: "soon" }, sentence(student.trouble))],
        ["List", list ? [
            `${counted(list.item_count, "event")}, written `, time(list.generated_at), " by ",
            el("span", { class: "version" }, list.model_version), " ",
            list.is_fresh ? chip("fresh", "good") : chip("stale", "warn"),
        ] : "none yet: events are chosen by tags and popularity"],
        student.hidden_tags?.length > 0 && ["Hides", names(student.hidden_tags)],
        student.blocked_organizers?.length > 0 && ["Blocks", names(student.blocked_organizers)],
    ));
}

function names(items) {
    return items.map((one) => one.name ?? one.org_name ?? one.full_name ?? one.id).join(", ");
}

function drawProfile(profile) {
    if (profile.length === 0) {
        return empty(
            "Nothing is known of this student",
            "Until they choose interests, click or register, events are chosen by what is popular.",
        );
    }
    const groups = Map.groupBy(profile, (one) => GROUPS.find(
        ([, , sources]) => sources.some((source) => one.sources.includes(source)),
    ) ?? GROUPS.at(-1));
    return [el(
        "p", { class: "quiet small" }, "Numbers are weights; without one it is 1, the whole.",
    ), GROUPS.filter((group) => groups.has(group)).map((group) => {
        const [title, kind, , meaning] = group;
        return el(
            "div",
            { class: "card profile", "data-source": title },
            el("h3", {}, title, " ", el("span", { class: "quiet small" }, meaning)),
            [...Map.groupBy(groups.get(group), (one) => one.label)].map(([label, rows]) => [
                el("h4", {}, sentence(label)),
                el("ul", { class: "attributes" }, rows.map((one) => el(
                    "li", {}, attribute(one, kind, group),
                ))),
            ]),
        );
    })];
}

/** An attribute with its weight; the title has the rest. */
function attribute(one, kind, [, , sources]) {
    const others = one.sources.filter((source) => !sources.includes(source));
    const made = chip([
        one.name ?? one.attribute,
        // The title says it of all; in sight it is where it is not the whole.
        one.weight < 0.995 && [" ", el("strong", {}, decimal(one.weight, 2))],
        others.length > 0 && ` (also ${others.map(sourceName).join(", ")})`,
    ].flat().filter(Boolean), kind);
    made.title = [
        `weight ${decimal(one.weight, 3)}`, one.sources.map(sourceName).join(", "),
        one.score !== null && `learned score ${decimal(one.score, 2)} before it fades`,
        one.last_seen_at && `last seen ${exact(one.last_seen_at)}`,
    ].filter(Boolean).join("; ");
    return made;
}

const sourceName = (source) => SOURCES[source] ?? words(source);

function drawShown(items, student) {
    if (items.length === 0) {
        return empty(
            "There is nothing to show",
            "No event is published, to come, not full, and of a kind that this student neither"
            + " hides nor has registered for.",
        );
    }
    return el(
        "ol",
        { class: "ranks card" },
        items.map((one) => el("li", { "data-event": one.event_id }, rankRow(one, student))),
    );
}

function rankRow(one, student) {
    const id = `why-${one.event_id}`;
    const panel = el("div", { class: "why", id, hidden: true });
    const button = el(
        "button",
        {
            type: "button", class: "rank", "aria-expanded": "false", "aria-controls": id,
            "data-key": id,
        },
        el("span", { class: "place" }, one.place),
        el(
            "span", { class: "what" }, one.title,
            el("small", {}, [
                one.reason, SHOWN_BY[one.source],
                one.rank && one.rank !== one.place && `rank ${one.rank}`,
            ].filter(Boolean).join(" · ")),
        ),
        el(
            "span", { class: "score" }, one.score === null ? NONE : decimal(one.score),
            el("small", {}, time(one.start_time)),
        ),
    );
    button.addEventListener("click", () => {
        const isOpen = panel.hidden;
        panel.hidden = !isOpen;
        button.setAttribute("aria-expanded", String(isOpen));
        if (isOpen && !panel.hasChildNodes()) whyPanel(panel, PATH, one.event_id, student);
    });
    return [button, panel];
}

function drawInteractions(interactions) {
    if (interactions.length === 0) {
        return empty(
            "No interactions",
            "Nothing this student did was recorded; what was merely shown does not count.",
        );
    }
    return el("div", { class: "card" }, table("The last twenty, without impressions", [
        { name: "When", value: (one) => time(one.occurred_at) },
        { name: "What", header: true, value: (one) => sentence(words(one.interaction_type)) },
        { name: "Event", value: (one) => one.title ?? "" },
        { name: "More", value: (one) => el("span", { class: "small quiet break" }, meta(one)) },
    ], interactions, { hideCaption: true }));
}

function meta({ meta: told }) {
    if (told === null || told === undefined) return "";
    if (typeof told !== "object") return JSON.stringify(told);
    return Object.entries(told).map(([name, value]) => `${words(name)} ${
        typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
}

function build(place) {
    const who = el("div");
    const shown = part("What they are shown now", {
        intro: "Open an event to see what adds up to its score, and what might keep it away.",
    });
    const whatIf = new WhatIf(PATH);
    const profile = part("What is known of them");
    const interactions = part("What they did");
    place.append(
        el("p", { class: "crumbs small" }, el("a", { href: "/desk/students" }, "All students")),
        el(
            "div",
            { class: "student" },
            el("div", {}, shown.node),
            el("div", {}, el("section", { "aria-label": "Account" }, who), profile.node),
        ),
        whatIf.node,
        interactions.node,
    );
    const heading = document.querySelector("h1");
    const fillWho = filler(who, drawWho);
    const fillShown = filler(shown.body, drawShown);
    const fillProfile = filler(profile.body, drawProfile);
    const fillInteractions = filler(interactions.body, drawInteractions);
    return (student) => {
        heading.textContent = student.full_name || `Student ${student.id}`;
        document.title = `${heading.textContent} · eventrank desk`;
        fillWho({ ...student, items: null, interactions: null });
        fillShown(student.items, { id: student.id });
        fillProfile(student.profile);
        fillInteractions(student.interactions);
        return whatIf.show(student.weights, student.trouble);
    };
}

openDesk({ title: "Student", load: () => get(PATH), build });
