// Tells the recommender what people see and do. It needs no other file, and works in any site:
// docs/telemetry.md says how, and what it promises.

const IN_VIEW_MS = 1000;
const WAIT_MS = 1000; // An interaction waits so long for others,
const ENOUGH = 20; // or until so many wait.
const BATCH_COUNT = 100; // The API takes no more at once,
const BATCH_BYTES = 30_000; // and browsers keep 64 KiB alive behind a page that was left.
const KEPT_COUNT = 500;
const KEPT_MS = 6 * 86_400_000; // The API knows an id again for seven days.
const ORPHANED_MS = 10_000; // What another page has not got rid of by then, this one sends.
const ASIDE_MS = 1_800_000;
const RETRY_MS = [1000, 60_000];
const ANSWER_MS = 30_000;
const SEEN_KEY = "eventrank.telemetry.seen";
const SEEN_LISTS = 50;

/**
 * Begin to tell `endpoint` what happens; gives the functions to say so.
 *
 * `headers`: an object, or a function that gives one for each request (a fresh token, say), or
 * null where nothing may be sent now, as the session is over.
 * `user`: whose interactions these are; what could not be sent waits for that user's next page.
 */
export function startTelemetry({ endpoint, headers = {}, user = "visitor" }) {
    const queue = new Queue(`eventrank.telemetry.${user}.`);
    const sender = new Sender(queue, endpoint, headers);
    const stays = new Set();
    const lists = new Set();
    const ended = new AbortController();

    function track(type, eventId, meta) {
        const told = interaction(type, eventId, meta);
        queue.put(keyOf(told), told);
        sender.soon();
    }

    function pause() {
        for (const part of [...stays, ...lists]) part.pause();
        sender.leave();
    }

    function leave() {
        for (const stay of stays) stay.end();
        pause();
    }

    function resume() {
        for (const part of [...stays, ...lists]) part.resume();
        sender.soon();
    }

    const listen = (target, name, react) =>
        target.addEventListener(name, react, { signal: ended.signal });
    listen(document, "visibilitychange", () => (isVisible() ? resume() : pause()));
    listen(window, "pagehide", leave);
    listen(window, "pageshow", (event) => {
        // Out of the back/forward cache. To its reader the page was opened again.
        if (!event.persisted) return;
        for (const stay of stays) stay.begin();
        resume();
    });
    listen(window, "online", () => sender.retryNow());
    sender.soon();

    return {
        track,
        click: (eventId, meta) => track("click", eventId, meta),
        share: (eventId, meta) => track("share", eventId, meta),
        favorite: (eventId, meta) => track("favorite", eventId, meta),
        register: (eventId, meta) => track("register", eventId, meta),
        unregister: (eventId, meta) => track("unregister", eventId, meta),
        search: (meta) => track("search", null, meta),
        filter: (meta) => track("filter", null, meta),

        /** An event's page is open: a view, and a dwell when it is left. Gives what ends it. */
        view(eventId, meta) {
            const stay = new Stay(queue, eventId, () => track("view", eventId, meta));
            stays.add(stay);
            stay.begin();
            return () => {
                stay.end();
                stays.delete(stay);
                sender.soon();
            };
        },

        /**
         * Watch a list: an impression of each card that is half in view for a second, and a click
         * for each link in one. Cards have `data-event-id`, and come in order or as the element
         * they are in. No event counts twice under one `list`, in this tab. Gives
         * `{update(cards), stop()}`.
         */
        observeList(cards, { list = newId(), source, sort, startPosition = 0, meta = {} }) {
            const watched = new WatchedList(list, startPosition, (type, eventId, position) =>
                track(type, eventId, { ...meta, source, sort, position }),
            );
            watched.update(cards);
            lists.add(watched);
            return {
                update: (others) => watched.update(others),
                stop() {
                    watched.update([]);
                    lists.delete(watched);
                },
            };
        },

        /** Send what waits; resolves when an answer, or none, has come. */
        flush: () => sender.flush(),

        /** End all of it. What waits is not sent any more, but by that user's next page. */
        stop() {
            ended.abort();
            sender.stop();
            for (const stay of stays) stay.end();
            for (const list of lists) list.update([]);
        },
    };
}

/** A UUID; crypto.randomUUID is missing where a page came by plain HTTP. */
export function newId() {
    if (crypto.randomUUID) return crypto.randomUUID();
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function interaction(type, eventId, meta) {
    return {
        interaction_type: type,
        event_id: eventId === null || eventId === undefined ? null : Number(eventId),
        occurred_at: new Date().toISOString(),
        meta: meta ?? null,
        client_id: newId(),
    };
}

let counter = 0;

/** Where an interaction is kept; keys sort as interactions happened. */
function keyOf(told) {
    counter += 1;
    return `${told.occurred_at}.${String(counter).padStart(6, "0")}.${told.client_id}`;
}

function isVisible() {
    return document.visibilityState === "visible";
}

/** What is known to have arrived is taken out of here, and nothing else but the too old. */
class Queue {
    // Each interaction is an item of its own in localStorage, so that tabs neither overwrite nor
    // lose each other's. Where nothing can be stored, what this page has in memory has to do.
    #own = new Map();
    #prefix;

    constructor(prefix) {
        this.#prefix = prefix;
    }

    put(key, told) {
        this.#own.set(key, { told, isStored: this.#store(key, told, Date.now()) });
        for (const old of this.#keys().slice(0, -KEPT_COUNT)) this.remove([old]);
    }

    /** Keep what another page is to send if this one is never seen again; false: cannot. */
    putAside(key, told) {
        return this.#store(key, told, Date.now() + ASIDE_MS);
    }

    /** Take that back, and say whether it was still there. */
    takeBack(key) {
        const isThere = this.#read(key) !== null;
        this.remove([key]);
        return isThere;
    }

    /** Give the oldest, as [key, interaction], as many as one request may carry. */
    take(isTaken) {
        const batch = [];
        let bytes = 0;
        for (const key of this.#keys().filter((one) => !isTaken(one))) {
            const told = this.#sendable(key);
            if (!told) continue;
            bytes += new TextEncoder().encode(JSON.stringify(told)).length + 1;
            if (batch.length === BATCH_COUNT || (batch.length && bytes > BATCH_BYTES)) break;
            batch.push([key, told]);
        }
        return batch;
    }

    /** In how many milliseconds something that another page has left may be sent, or null. */
    orphanedIn() {
        const others = this.#keys().filter((key) => !this.#own.has(key));
        const since = others.map((key) => this.#read(key)?.since).filter(Number.isFinite);
        return since.length ? Math.min(...since) + ORPHANED_MS - Date.now() : null;
    }

    remove(keys) {
        for (const key of keys) {
            this.#own.delete(key);
            storage()?.removeItem(this.#prefix + key);
        }
    }

    #sendable(key) {
        const own = this.#own.get(key);
        const kept = this.#read(key);
        const told = own?.told ?? kept?.told;
        // Another tab has delivered it, or it is so old that the API may not know its id any more.
        const isGone = own?.isStored && !kept;
        if (isGone || !told || Date.parse(told.occurred_at) < Date.now() - KEPT_MS) {
            this.remove([key]);
            return null;
        }
        return own || kept.since < Date.now() - ORPHANED_MS ? told : null;
    }

    #keys() {
        const keys = new Set(this.#own.keys());
        for (const key of Object.keys(storage() ?? {})) {
            if (key.startsWith(this.#prefix)) keys.add(key.slice(this.#prefix.length));
        }
        return [...keys].sort();
    }

    #read(key) {
        try {
            return JSON.parse(storage()?.getItem(this.#prefix + key) ?? "null");
        } catch {
            return null;
        }
    }

    #store(key, told, since) {
        try {
            storage().setItem(this.#prefix + key, JSON.stringify({ since, told }));
            return true;
        } catch {
            return false;
        }
    }
}

function storage() {
    try {
        return localStorage;
    } catch {
        return null;
    }
}

/** Sends batches, one at a time but for the last, and again what may not have arrived. */
class Sender {
    #queue;
    #endpoint;
    #headers;
    #timer = 0;
    #wakesAt = 0;
    #underway = new Set();
    #current = null;
    #isStopped = false;
    #failures = 0;
    #notBefore = 0;
    #closedUntil = 0;

    constructor(queue, endpoint, headers) {
        this.#queue = queue;
        this.#endpoint = endpoint;
        this.#headers = headers;
    }

    soon() {
        const waiting = this.#waiting();
        if (waiting.length >= ENOUGH && Date.now() >= this.#notBefore) this.#flush(false);
        else this.#wait(WAIT_MS);
    }

    retryNow() {
        this.#notBefore = this.#closedUntil;
        this.#flush(false);
    }

    stop() {
        clearTimeout(this.#timer);
        this.#isStopped = true;
    }

    /** Send what waits, and wait for the answer, also for one that is under way. */
    async flush() {
        await this.#current;
        await this.#flush(false);
    }

    leave() {
        this.#flush(true);
    }

    async #flush(isLeaving) {
        // Whatever comes in the meantime is seen to when the answer is there.
        if (this.#isStopped || (this.#current && !isLeaving)) return;
        if (Date.now() < (isLeaving ? this.#closedUntil : this.#notBefore)) {
            this.#wait(0);
            return;
        }
        const batch = this.#waiting();
        if (batch.length) {
            clearTimeout(this.#timer);
            this.#timer = 0;
            this.#current = this.#send(batch);
            await this.#current;
        }
        if (this.#waiting().length) this.#wait(WAIT_MS);
        else this.#waitForOrphans();
    }

    /** Nobody may do anything on this page: what another one has left is sent all the same. */
    #waitForOrphans() {
        const ms = this.#queue.orphanedIn();
        if (ms !== null) this.#wait(Math.max(ms + 1, WAIT_MS));
    }

    async #send(batch) {
        const keys = batch.map(([key]) => key);
        for (const key of keys) this.#underway.add(key);
        const answer = await this.#post(JSON.stringify({ events: batch.map(([, it]) => it) }));
        for (const key of keys) this.#underway.delete(key);
        await this.#conclude(keys, answer);
        this.#current = null;
    }

    #waiting() {
        return this.#queue.take((key) => this.#underway.has(key));
    }

    #wait(ms) {
        const wait = Math.max(ms, this.#notBefore - Date.now());
        if (this.#isStopped || (this.#timer && this.#wakesAt <= Date.now() + wait)) return;
        clearTimeout(this.#timer);
        this.#wakesAt = Date.now() + wait;
        this.#timer = setTimeout(() => {
            this.#timer = 0;
            this.#flush(false);
        }, wait);
    }

    /** Give the answer, or null where there was none: then nobody knows whether it arrived. */
    async #post(body) {
        try {
            // Nothing is awaited that need not be: a page that is being left goes no further.
            const headers =
                typeof this.#headers === "function" ? await this.#headers() : this.#headers;
            if (headers === null) return null;
            return await fetch(this.#endpoint, {
                method: "POST",
                headers: { "Content-Type": "application/json", ...headers },
                body,
                keepalive: true,
                signal: AbortSignal.timeout?.(ANSWER_MS),
            });
        } catch {
            return null;
        }
    }

    async #conclude(keys, answer) {
        const status = answer?.status ?? 0;
        if (answer?.ok) {
            this.#queue.remove(keys);
        } else if (status === 0 || status === 408 || status === 429 || status >= 500) {
            const told = retryAfter(answer);
            const backoff = Math.min(RETRY_MS[0] * 2 ** this.#failures, RETRY_MS[1]);
            this.#failures += 1;
            // Not all clients at once after an outage.
            this.#notBefore = Date.now() + Math.max(told, backoff * (0.75 + Math.random() / 2));
            this.#closedUntil = told ? this.#notBefore : 0;
            return;
        } else {
            const problem = await answer.json().catch(() => null);
            const wrong = (problem?.errors ?? []).map(({ index }) => keys[index]).filter(Boolean);
            this.#queue.remove(wrong.length ? wrong : keys);
            console.warn(`telemetry: ${status}, not sent again:`, problem?.detail ?? "");
        }
        this.#failures = 0;
        this.#notBefore = 0;
        this.#closedUntil = 0;
    }
}

/** Give the milliseconds for which the server asks to be left alone, or 0. */
function retryAfter(answer) {
    const text = answer?.headers.get("Retry-After");
    if (!text) return 0;
    const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
    return Math.max(ms || 0, 0);
}

/** A stay on an event's page, measured while the page can be seen. */
class Stay {
    #queue;
    #eventId;
    #tellView;
    #isOpen = false;
    #isViewed = false;
    #visibleSince = null;
    #visibleMs = 0;
    #aside = null;

    constructor(queue, eventId, tellView) {
        this.#queue = queue;
        this.#eventId = eventId;
        this.#tellView = tellView;
    }

    begin() {
        this.#isOpen = true;
        this.#isViewed = false;
        this.#visibleMs = 0;
        if (isVisible()) this.resume();
    }

    resume() {
        if (!this.#isOpen || this.#visibleSince !== null) return;
        this.#takeBack();
        this.#visibleSince = performance.now();
        // A page that was opened in a tab behind this one is viewed when that is looked at.
        if (!this.#isViewed) this.#tellView();
        this.#isViewed = true;
    }

    pause() {
        if (!this.#isOpen || this.#visibleSince === null) return;
        this.#count();
        // On a phone this may be the last that the page hears.
        const told = this.#dwell();
        const key = keyOf(told);
        this.#aside = this.#queue.putAside(key, told) ? key : null;
    }

    end() {
        if (!this.#isOpen) return;
        this.#isOpen = false;
        this.#count();
        this.#takeBack();
        if (this.#visibleMs < 1000) return;
        const told = this.#dwell();
        this.#queue.put(keyOf(told), told);
    }

    #count() {
        if (this.#visibleSince !== null) this.#visibleMs += performance.now() - this.#visibleSince;
        this.#visibleSince = null;
    }

    #takeBack() {
        // What somebody else has sent in the meantime is not to be told again.
        if (this.#aside && !this.#queue.takeBack(this.#aside)) this.#visibleMs = 0;
        this.#aside = null;
    }

    #dwell() {
        return interaction("dwell", this.#eventId, { seconds: Math.round(this.#visibleMs) / 1000 });
    }
}

/** A list on the page: which of its cards were looked at, and which were clicked on. */
class WatchedList {
    #list;
    #startPosition;
    #tell;
    #seen;
    #positions = new Map();
    #timers = new Map();
    #inView = new Set();
    #listeners = new AbortController();
    #observer;

    constructor(list, startPosition, tell) {
        this.#list = list;
        this.#startPosition = startPosition;
        this.#tell = tell;
        this.#seen = new Set(seenLists()[list]);
        this.#observer = new IntersectionObserver((entries) => this.#look(entries), {
            threshold: 0.5,
        });
    }

    update(cards) {
        this.pause();
        this.#observer.disconnect();
        this.#listeners.abort();
        this.#listeners = new AbortController();
        this.#inView.clear();
        this.#positions.clear();
        const given = cards instanceof Element ? cards.querySelectorAll("[data-event-id]") : cards;
        [...given].forEach((card, index) => {
            this.#positions.set(card, this.#startPosition + index);
            this.#observer.observe(card);
            for (const name of ["click", "auxclick"]) {
                card.addEventListener(name, (event) => this.#click(event, card), {
                    signal: this.#listeners.signal,
                });
            }
        });
    }

    pause() {
        for (const timer of this.#timers.values()) clearTimeout(timer);
        this.#timers.clear();
    }

    resume() {
        for (const card of this.#inView) this.#wait(card);
    }

    #look(entries) {
        for (const { target, isIntersecting, intersectionRatio } of entries) {
            if (isIntersecting && intersectionRatio >= 0.5) {
                this.#inView.add(target);
                this.#wait(target);
            } else {
                this.#inView.delete(target);
                clearTimeout(this.#timers.get(target));
                this.#timers.delete(target);
            }
        }
    }

    #wait(card) {
        if (!isVisible() || this.#timers.has(card) || this.#seen.has(card.dataset.eventId)) return;
        this.#timers.set(
            card,
            setTimeout(() => this.#see(card), IN_VIEW_MS),
        );
    }

    #see(card) {
        this.#timers.delete(card);
        const eventId = card.dataset.eventId;
        if (this.#seen.has(eventId)) return;
        this.#seen.add(eventId);
        rememberSeen(this.#list, this.#seen);
        this.#tell("impression", eventId, this.#positions.get(card));
    }

    #click(event, card) {
        // The second button opens a link, too, in another tab; the third opens a menu.
        if (event.button > 1 || !event.target.closest("a[href]")) return;
        this.#tell("click", card.dataset.eventId, this.#positions.get(card));
    }
}

function seenLists() {
    try {
        return JSON.parse(sessionStorage.getItem(SEEN_KEY)) ?? {};
    } catch {
        return {};
    }
}

function rememberSeen(list, seen) {
    const { [list]: _before, ...others } = seenLists();
    const kept = Object.entries(others).slice(1 - SEEN_LISTS);
    try {
        const lists = Object.fromEntries([...kept, [list, [...seen]]]);
        sessionStorage.setItem(SEEN_KEY, JSON.stringify(lists));
    } catch {
        // Then each page counts for itself.
    }
}
