// What the guardrails may decide, in words, and how good or bad that is.

import { words } from "./desk-format.js";
import { chip } from "./desk-parts.js";

const DECISIONS = {
    ok: ["ok", "good"],
    rollback: ["rolled back", "bad"],
    disabled: ["switched off", ""],
    skip_no_traffic: ["no traffic", ""],
    skip_low_volume: ["too little traffic", ""],
    skip_sample_ratio: ["groups do not fit", "warn"],
    skip_pinned: ["worse, but pinned", "warn"],
    skip_cooldown: ["worse, but just activated", "warn"],
    no_previous_model: ["worse, nothing to go back to", "bad"],
    no_active_model: ["worse, no model active", "bad"],
};

/** A decision in words. */
export const decided = (action) => DECISIONS[action]?.[0] ?? words(action);

/** The same as a mark. */
export const decisionChip = (action) => chip(decided(action), DECISIONS[action]?.[1] ?? "");
