// Sharing a link: by what the device has for it, else over the clipboard, else by hand.

import { el } from "./dom.js";

/** Give how it was shared ("shared", "copied", "shown"), or null where somebody thought better. */
export async function shareLink(title, url) {
    if (navigator.share) {
        try {
            await navigator.share({ title, url });
            return "shared";
        } catch (error) {
            if (error.name === "AbortError") return null;
        }
    }
    try {
        await navigator.clipboard.writeText(url);
        return "copied";
    } catch {
        // No permission, or a page that came by plain HTTP.
        return showLink(url);
    }
}

function showLink(url) {
    const field = el("input", { id: "share-link", readonly: true, value: url });
    const dialog = el(
        "dialog",
        { "aria-labelledby": "share-title" },
        el("h2", { id: "share-title" }, "Share this event"),
        el("div", { class: "field" }, el("label", { for: "share-link" }, "Copy the link"), field),
        el(
            "form",
            { method: "dialog", class: "actions" },
            el("button", { class: "primary" }, "Close"),
        ),
    );
    document.body.append(dialog);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.showModal();
    field.focus();
    field.select();
    return "shown";
}
