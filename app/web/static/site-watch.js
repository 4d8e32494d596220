// Whether a student's list was written anew: asked after something was told that may change it.

import { get } from "./api.js";

const ASK_MS = 350;
const QUIET_MS = 1500;

/**
 * Wait until the list is another than that of `generatedAt`, and no refresh goes on; give what is
 * known of it then. Waiting ends, too, if no refresh begins in a while, or when `within`
 * milliseconds are over: the answer says by itself whether there is more to come.
 */
export async function waitForNewList(generatedAt, within) {
    const began = performance.now();
    let lastBusy = began;
    for (;;) {
        const list = await get("/api/demo/list");
        if (list.generated_at !== generatedAt && !list.is_refreshing) return list;
        const now = performance.now();
        if (list.is_refreshing) lastBusy = now;
        if (now - lastBusy > QUIET_MS || now - began > within) return list;
        await new Promise((wake) => setTimeout(wake, ASK_MS));
    }
}
