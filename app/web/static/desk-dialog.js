// Asking before something is done: what will happen, a way back, and what went wrong.

import { announce, el, fill } from "./dom.js";
import { faultText, guarded } from "./desk-frame.js";

/**
 * Ask before something is done. `body` says what will happen; `act(values)` does it, with what the
 * dialog's fields hold, and the dialog stays open with the error when it fails. Gives what `act`
 * gave, or null when nothing was done. What has begun cannot be cancelled.
 */
export function confirm({ title, body, action, isDangerous = false, act }) {
    return new Promise((resolve) => {
        const fault = el("p", { class: "note bad", role: "alert", hidden: true });
        const go = el(
            "button",
            { type: "submit", class: isDangerous ? "danger" : "primary" },
            action,
        );
        const cancel = el("button", { type: "button", autofocus: true }, "Cancel");
        const form = el(
            "form",
            { class: "dialog-form", novalidate: true },
            el("h2", { id: "dialog-title" }, title),
            body,
            fault,
            el("div", { class: "actions" }, go, cancel),
        );
        const dialog = el("dialog", { "aria-labelledby": "dialog-title" }, form);
        let result = null;
        let isBusy = false;
        const setBusy = (is) => {
            isBusy = go.disabled = cancel.disabled = is;
            form.setAttribute("aria-busy", String(is));
        };
        const say = (message) => {
            fill(fault, message);
            fault.hidden = false;
        };
        const end = () => {
            if (isBusy || dialog.open) return;
            dialog.remove();
            resolve(result);
        };
        cancel.addEventListener("click", () => dialog.close());
        form.addEventListener("submit", async (event) => {
            event.preventDefault();
            if (isBusy) return;
            const wrong = noNumber(form);
            if (wrong) {
                say(`${wrong.labels[0].textContent}: this is not a number.`);
                wrong.closest("details")?.setAttribute("open", "");
                wrong.focus();
                return;
            }
            fault.hidden = true;
            setBusy(true);
            try {
                result = await guarded(act(valuesOf(form)));
                dialog.close();
            } catch (error) {
                say(faultText(error));
                if (!dialog.open) tellDone(faultText(error), "bad");
            }
            setBusy(false);
            end();
        });
        dialog.addEventListener("cancel", (event) => {
            if (isBusy) event.preventDefault();
        });
        // Browsers let nobody be held for ever: closed all the same, it ends with the request.
        dialog.addEventListener("close", end);
        document.body.append(dialog);
        dialog.showModal();
    });
}

/** The first field of a number that holds none: its value would read as blank. */
function noNumber(form) {
    return [...form.elements].find((one) => one.validity.badInput);
}

/** Give the fields by name; what is blank is not there, numbers are numbers. */
function valuesOf(form) {
    const values = {};
    for (const field of form.elements) {
        if (!field.name) continue;
        if (field.type === "checkbox") values[field.name] = field.checked;
        else if (field.value.trim() === "") continue;
        else if (field.type === "number") values[field.name] = Number(field.value);
        else values[field.name] = field.value.trim();
    }
    return values;
}

/** A field with its label, as the dialogs have them. */
export function field(label, attributes, hint) {
    const id = `field-${attributes.name}`;
    return el(
        "div",
        { class: "field" },
        el("label", { for: id }, label),
        el("input", { id, "aria-describedby": hint && `${id}-hint`, ...attributes }),
        hint && el("span", { id: `${id}-hint`, class: "small quiet" }, hint),
    );
}

/** A box to tick, with its label. */
export function tick(label, attributes) {
    const id = `field-${attributes.name}`;
    return el(
        "div",
        { class: "tick" },
        el("input", { id, type: "checkbox", ...attributes }),
        el("label", { for: id }, label),
    );
}

/** Say what was done, to everybody: in a note that stays for a while, and to readers. */
export function tellDone(message, kind = "good") {
    document.querySelector(".toast")?.remove();
    const toast = el("div", { class: `toast note ${kind}` }, message);
    document.body.append(toast);
    announce(toast.textContent);
    setTimeout(() => toast.remove(), 8000);
    return toast;
}
