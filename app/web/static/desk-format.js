// Numbers and times as people read them. The pages' language is English, and so are their numbers.

const LOCALE = "en-GB";
const NARROW_SPACE = "\u202f";
const UNITS = [
    ["year", 365 * 86400], ["month", 30 * 86400], ["day", 86400], ["hour", 3600], ["minute", 60],
    ["second", 1],
];

/** What stands for a number that there is not. */
export const NONE = "–";

function isNumber(value) {
    return typeof value === "number" && Number.isFinite(value);
}

/** A count: 12,345. */
export function count(value) {
    return isNumber(value) ? value.toLocaleString(LOCALE) : NONE;
}

/** "1 list", "2 lists". */
export function counted(value, one, many = `${one}s`) {
    return `${count(value)} ${value === 1 ? one : many}`;
}

/** A number with so many decimals: 0.467. */
export function decimal(value, digits = 3) {
    if (!isNumber(value)) return NONE;
    const shown = value.toLocaleString(LOCALE, {
        minimumFractionDigits: digits, maximumFractionDigits: digits,
    });
    // Minus zero is a rounding error, and the typographic minus is as wide as the plus.
    return /^-[0.,]*$/.test(shown) ? shown.slice(1) : shown.replace("-", "−");
}

/** The same with its sign, for differences and contributions. */
export function signed(value, digits = 2) {
    const shown = decimal(value, digits);
    return isNumber(value) && value > 0 && /[1-9]/.test(shown) ? `+${shown}` : shown;
}

/** A share of one: 12.1 %. */
export function percent(value, digits = 1) {
    return isNumber(value) ? `${decimal(100 * value, digits)}${NARROW_SPACE}%` : NONE;
}

/** A rate with its interval: 12.1 % [11.2, 13.0]. */
export function rate(value, low, high, digits = 1) {
    if (!isNumber(value)) return NONE;
    if (!isNumber(low) || !isNumber(high)) return percent(value, digits);
    return `${percent(value, digits)} ${interval(low, high, digits)}`;
}

/** The interval of a rate alone, in percent: [11.2, 13.0]. */
export function interval(low, high, digits = 1) {
    return `[${decimal(100 * low, digits)}, ${decimal(100 * high, digits)}]`;
}

/** How long something takes: "3 minutes". */
export function duration(seconds) {
    if (!isNumber(seconds)) return NONE;
    const whole = Math.abs(seconds);
    // As far as 90 minutes and 36 hours, the smaller unit says more.
    const unit = UNITS.find(([, size]) => whole >= 1.5 * size) ?? UNITS.at(-1);
    return counted(Math.round(whole / unit[1]), unit[0]);
}

/** A moment from now: "3 minutes ago", "in 5 hours". */
export function relative(moment, now = Date.now()) {
    const seconds = (new Date(moment).getTime() - now) / 1000;
    if (Math.abs(seconds) < 5) return "now";
    return seconds < 0 ? `${duration(seconds)} ago` : `in ${duration(seconds)}`;
}

/** A moment on the reader's clock: 30 Nov 2026, 15:55:46 GMT. */
export function exact(moment) {
    return new Date(moment).toLocaleString(LOCALE, {
        day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
        second: "2-digit", timeZoneName: "short",
    });
}

/** A moment as short as it is clear: 30 Nov, 15:55. */
export function clock(moment) {
    return new Date(moment).toLocaleString(LOCALE, {
        day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
    });
}

/** The time of day: 15:55. */
export function timeOfDay(moment) {
    return new Date(moment).toLocaleTimeString(LOCALE, { hour: "2-digit", minute: "2-digit" });
}

/** A day of UTC, such as 2026-11-30: Mon 30 Nov. */
export function day(date) {
    return new Date(`${date.slice(0, 10)}T12:00:00Z`).toLocaleDateString(LOCALE, {
        weekday: "short", day: "numeric", month: "short", timeZone: "UTC",
    });
}

/** Words out of a name: skip_low_volume is "skip low volume". */
export function words(name) {
    return String(name).replaceAll("_", " ");
}

/** A sentence's first letter in upper case. */
export function sentence(text) {
    return text ? text[0].toUpperCase() + text.slice(1) : "";
}
