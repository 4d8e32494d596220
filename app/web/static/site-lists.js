// The key of each list for telemetry. It is kept with the page's entry in the browser's history:
// who comes back to an entry comes back to the same list, and who reloads it asks for another.

import { newId } from "./telemetry.js";

const { type } = performance.getEntriesByType("navigation")[0] ?? {};
if (type !== "back_forward") history.replaceState(null, "");

/** Give the key of the list of this name, in this entry of the history. */
export function listKey(name) {
    const known = history.state?.lists?.[name];
    if (known) return known;
    const lists = { ...history.state?.lists, [name]: newId() };
    history.replaceState({ ...history.state, lists }, "");
    return lists[name];
}

/** Go to another address of the same page; the lists named in `kept` stay what they are. */
export function go(path, kept, isReplacing = false) {
    const lists = {};
    for (const name of kept) if (history.state?.lists?.[name]) lists[name] = listKey(name);
    history[isReplacing ? "replaceState" : "pushState"]({ lists }, "", path);
}
