// What a page says beside what it shows: errors with a way out, and short messages with an undo.

import { announce, el } from "./dom.js";

const MESSAGE_MS = 9000;

/** Say what went wrong, and offer to try again. */
export function failure(error, retry) {
    return el(
        "div",
        { class: "note bad", role: "alert" },
        el("p", {}, error.message),
        el("button", { type: "button", onclick: retry }, "Try again"),
    );
}

/** Show a message for a while; `undo` takes back what it tells of. */
export function toast(message, undo) {
    document.querySelector(".toast")?.remove();
    const shown = el(
        "div",
        { class: "toast" },
        el("span", {}, message),
        undo &&
            el(
                "button",
                {
                    type: "button",
                    onclick: () => {
                        shown.remove();
                        undo();
                    },
                },
                "Undo",
            ),
    );
    document.body.append(shown);
    announce(message);
    let timer = 0;
    const fade = () => {
        clearTimeout(timer);
        timer = setTimeout(() => shown.remove(), MESSAGE_MS);
    };
    // It waits for who reads it or is about to press the button.
    for (const name of ["pointerenter", "focusin"]) {
        shown.addEventListener(name, () => clearTimeout(timer));
    }
    for (const name of ["pointerleave", "focusout"]) shown.addEventListener(name, fade);
    fade();
}
