// What a student has chosen, what was learned from what they did, and what they do not want to see.

import { get, post, query, remove } from "./api.js";
import { announce, el, fill, ready } from "./dom.js";
import { ago } from "./site-format.js";
import { failure, toast } from "./site-notices.js";
import { openPage, signInPath } from "./site-shell.js";

const TYPING_MS = 250;

const { student } = await openPage();
const main = document.getElementById("main");
let interests = null;
let timer = 0;
let asked = 0;

const chosen = el("ul", { class: "chips", id: "chosen", "aria-label": "Chosen interests" });
const learned = el("div", { id: "learned" });
const hidden = el("ul", { class: "plain-list", id: "hidden-tags", "aria-label": "Hidden tags" });
const blocked = el("ul", {
    class: "plain-list",
    id: "blocked-organizers",
    "aria-label": "Blocked organizers",
});
const found = el("ul", { class: "chips", id: "found", "aria-live": "polite" });
const search = el("input", {
    type: "search",
    id: "tag-search",
    placeholder: "jazz, hiking, chess …",
    autocomplete: "off",
    oninput: () => soon(),
});

if (student) {
    drawPage();
    await Promise.all([load(), find()]);
    if (location.hash === "#hidden") document.getElementById("hidden").scrollIntoView();
} else {
    fill(
        main,
        el(
            "div",
            { class: "empty" },
            el("h1", {}, "Whose interests?"),
            el("p", {}, "Interests belong to a student: choose one first."),
            el("a", { class: "button primary", href: signInPath() }, "Choose a student"),
        ),
    );
}
ready();

function drawPage() {
    fill(
        main,
        el("h1", {}, "Your interests"),
        el(
            "div",
            { class: "profile" },
            section(
                "chosen-title",
                "What you chose",
                "These count in full for as long as you keep them.",
                chosen,
                el(
                    "div",
                    { class: "field add-interest" },
                    el("label", { for: "tag-search" }, "Add an interest"),
                    search,
                ),
                found,
            ),
            section(
                "learned-title",
                "What was learned from what you do",
                "Each click, view and search adds a little; it fades within days.",
                learned,
            ),
            section(
                "hidden",
                "What you do not want to see",
                "Left out of all your lists, from the next answer on.",
                el("h3", {}, "Hidden tags"),
                hidden,
                el("h3", {}, "Blocked organizers"),
                blocked,
            ),
        ),
    );
}

function section(id, title, text, ...content) {
    return el(
        "section",
        { class: "card", "aria-labelledby": id },
        el("h2", { id, tabindex: "-1" }, title),
        el("p", { class: "quiet small" }, text),
        content,
    );
}

async function load() {
    try {
        interests = await get("/api/demo/interests");
        draw();
    } catch (error) {
        fill(learned, failure(error, load));
    }
}

function draw() {
    fill(
        chosen,
        interests.chosen.length
            ? interests.chosen.map((tag) =>
                  el(
                      "li",
                      {},
                      el(
                          "button",
                          {
                              type: "button",
                              class: "chip-button chosen-chip",
                              "data-tag-id": tag.id,
                              "aria-label": `Remove ${tag.name} from your interests`,
                              onclick: () => drop(tag),
                          },
                          tag.name,
                          el("span", { "aria-hidden": "true" }, " ×"),
                      ),
                  ),
              )
            : el("li", { class: "quiet" }, "Nothing yet. Add what you like below."),
    );
    drawLearned();
    drawUnwanted(hidden, interests.hidden_tags, "hidden-tags", ({ name }) => name, "Show again");
    drawUnwanted(
        blocked,
        interests.blocked_organizers,
        "blocked-organizers",
        (one) => one.org_name ?? one.full_name ?? `Organizer ${one.id}`,
        "Unblock",
    );
}

function drawLearned() {
    if (interests.learned.length === 0) {
        fill(
            learned,
            el(
                "p",
                { class: "empty" },
                "Nothing yet. ",
                el("a", { href: "/" }, "Look at some events"),
                ", and come back.",
            ),
        );
        return;
    }
    fill(
        learned,
        el(
            "div",
            { class: "wide" },
            el(
                "table",
                { class: "learned" },
                el(
                    "thead",
                    {},
                    el(
                        "tr",
                        {},
                        ["Interest", "Weight", "Last seen"].map((name) =>
                            el("th", { scope: "col" }, name),
                        ),
                    ),
                ),
                el(
                    "tbody",
                    {},
                    interests.learned.map((one) =>
                        el(
                            "tr",
                            { "data-kind": one.kind },
                            el(
                                "th",
                                { scope: "row" },
                                one.name,
                                el("span", { class: "kind" }, ` ${one.kind}`),
                            ),
                            el("td", { class: "weight" }, weightBar(one.weight)),
                            el("td", { class: "quiet" }, ago(one.last_seen_at)),
                        ),
                    ),
                ),
            ),
        ),
    );
}

function weightBar(weight) {
    const bar = el("span", { class: "bar-for", "aria-hidden": "true" });
    bar.style.setProperty("--length", String(weight));
    return [
        el("span", { class: "bar-cell" }, bar),
        el("span", { class: "number" }, weight.toFixed(2)),
    ];
}

function drawUnwanted(list, items, kind, nameOf, word) {
    fill(
        list,
        items.length
            ? items.map((one) =>
                  el(
                      "li",
                      { "data-id": one.id },
                      nameOf(one),
                      el(
                          "button",
                          {
                              type: "button",
                              "aria-label": `${word}: ${nameOf(one)}`,
                              onclick: () => readmit(kind, one, nameOf(one)),
                          },
                          word,
                      ),
                  ),
              )
            : el("li", { class: "quiet" }, "None."),
    );
}

function soon() {
    clearTimeout(timer);
    timer = setTimeout(find, TYPING_MS);
}

/** Offer tags that are not chosen yet: those with most events, or those searched for. */
async function find() {
    const number = ++asked;
    const text = search.value.trim();
    try {
        const { items } = await get(`/api/demo/tags${query({ search: text })}`);
        if (number !== asked) return;
        const known = new Set((interests?.chosen ?? []).map((tag) => tag.id));
        const others = items.filter((tag) => !known.has(tag.id)).slice(0, 9);
        fill(
            found,
            others.length
                ? others.map((tag) =>
                      el(
                          "li",
                          {},
                          el(
                              "button",
                              {
                                  type: "button",
                                  class: "chip-button",
                                  "data-add-tag": tag.id,
                                  onclick: () => add(tag),
                              },
                              el("span", { "aria-hidden": "true" }, "+ "),
                              el("span", { class: "for-readers" }, "Add "),
                              tag.name,
                              tag.count > 0 && el("span", { class: "quiet" }, ` ${tag.count}`),
                              tag.count > 0 && el("span", { class: "for-readers" }, " events"),
                          ),
                      ),
                  )
                : el("li", { class: "quiet" }, text && `No tag is called “${text}”.`),
        );
        found.dataset.state = text;
    } catch (error) {
        fill(
            found,
            el("li", {}, failure(error, find)),
        );
    }
}

async function add(tag) {
    await change(post(`/api/demo/interests/${tag.id}`), `${tag.name} is one of your interests.`);
    search.focus();
}

async function drop(tag) {
    const path = `/api/demo/interests/${tag.id}`;
    const undo = () => change(post(path), `${tag.name} is back.`);
    if (await change(remove(path))) toast(`${tag.name} is no longer an interest.`, undo);
    search.focus();
}

async function readmit(kind, one, name) {
    const path = `/api/me/personalization/${kind}/${one.id}`;
    if (await change(remove(path))) toast(`${name} may be shown again.`, () => change(post(path)));
    if (document.activeElement === document.body) document.getElementById("hidden").focus();
}

/** Wait for a change and show what is true then; say whether it worked. */
async function change(request, message) {
    try {
        await request;
        await Promise.all([load(), find()]);
        if (message) announce(message);
        return true;
    } catch (error) {
        toast(error.message);
        return false;
    }
}
