// How moments, seats and names are written: in the visitor's own language and time zone.

import { el } from "./dom.js";

const DAY = { weekday: "short", day: "numeric", month: "short" };
const TIME = { hour: "2-digit", minute: "2-digit" };
const LONG = { weekday: "long", day: "numeric", month: "long", year: "numeric", ...TIME };
const YEAR_SAID_MS = 270 * 86_400_000;

const UNITS = [
    ["day", 86_400],
    ["hour", 3600],
    ["minute", 60],
];

/** Write when an event is: short for a card, long for its page. */
export function when(event, isLong = false) {
    const start = new Date(event.start_time);
    const end = event.end_time ? new Date(event.end_time) : null;
    // PostgreSQL knows moments that JavaScript does not: infinity, and the year 294000.
    if (!isMoment(start)) return el("span", {}, "Date unknown");
    // The year of an event that is soon goes without saying.
    const isFar = Math.abs(start - Date.now()) > YEAR_SAID_MS;
    const short = { ...DAY, ...TIME, ...(isFar ? { year: "numeric" } : {}) };
    const format = new Intl.DateTimeFormat(undefined, isLong ? LONG : short);
    const text = isLong && end && isMoment(end) && end >= start ? format.formatRange(start, end) : format.format(start);
    return el("time", { datetime: event.start_time }, text);
}

function isMoment(date) {
    return !Number.isNaN(date.getTime());
}

/** What to call an event: its organizer may have left the title empty. */
export function titleOf({ title }) {
    return title?.trim() || "Untitled event";
}

/** Write how long ago something was, such as "2 hours ago". */
export function ago(moment) {
    const seconds = (Date.now() - Date.parse(moment)) / 1000;
    const words = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
    for (const [unit, length] of UNITS) {
        if (seconds >= length) return words.format(-Math.floor(seconds / length), unit);
    }
    return "just now";
}

/** Say how many seats there are, or how many people go where there is no limit. */
export function seats(event) {
    if (event.max_seats === null) {
        return event.seats_taken ? `${event.seats_taken} going` : "Be the first to go";
    }
    if (isFull(event)) return "Full";
    return `${event.max_seats - event.seats_taken} of ${event.max_seats} seats left`;
}

/** Say whether all seats are taken. */
export function isFull(event) {
    return event.max_seats !== null && event.seats_taken >= event.max_seats;
}

/** Count things: `count(1, "event")`, `count(3, "event")`. */
export function count(number, noun) {
    return `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
}

/** Write a number with its sign, as in a sum. */
export function signed(number) {
    const text = Math.abs(number).toFixed(2);
    return Number(text) === 0 ? "0.00" : `${number < 0 ? "−" : "+"}${text}`;
}

/** What to call a student: not all have a name. */
export function nameOf({ id, full_name: name }) {
    return name?.trim() || `Student ${id}`;
}

/** Where an event is, as far as is known. */
export function place(event, isLong = false) {
    return [isLong && event.location, event.city].filter(Boolean).join(", ");
}
