"""What telemetry teaches, told again in plain Python from the reference: the tests' second opinion.

Nothing here is read from the SQL. Numbers and rules are those of the reference and of the notes on
the golden set; what they leave open is said where it is decided.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tests.support.worlds import World

Interaction = dict[str, Any]
Key = tuple[str, int, int | str]
"""Kind of interest (tags, categories, cities), student, and tag id or name."""
Interest = tuple[float, Any]
"""Score and the moment it was last seen."""

DELTAS = {"click": 1.0, "view": 0.6, "share": 1.3, "favorite": 2.0, "register": 2.5}
FOR_A_NAME = 0.2
LONGEST_NAME = 100
"""Ours: what is longer names no category and no city."""
LAST_HALVING = 300
"""Ours: after so many nothing is left, not even of an infinite score."""


@dataclass(frozen=True)
class Settings:
    half_life_hours: float = 72
    cap: float = 10
    dwell_threshold_seconds: float = 10


@dataclass
class Learner:
    """The implicit interests of a world's students, and what a batch does to them."""

    world: World
    settings: Settings = Settings()
    interests: dict[Key, Interest] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, table, name in (
            ("tags", "user_implicit_interest_tags", "tag_id"),
            ("categories", "user_implicit_interest_categories", "category"),
            ("cities", "user_implicit_interest_cities", "city"),
        ):
            for row in self._rows(table):
                key = (kind, row["user_id"], row[name])
                self.interests[key] = (float(row["score"]), row["last_seen_at"])

    def learn(self, user: int | None, batch: Sequence[Interaction], at: datetime) -> None:
        roles = {row["id"]: row["role"] for row in self._rows("users") if row["is_active"]}
        if roles.get(user) != "student":
            return
        assert user is not None
        hidden = self._hidden(user)
        earned: defaultdict[Key, float] = defaultdict(float)
        for event, delta in self._event_deltas(batch, at):
            spellings = self._event_tags(event["id"])
            for tag, tag_id in spellings.items():
                if tag not in hidden:
                    earned["tags", user, tag_id] += delta / len(spellings)
            for kind, name in (
                ("categories", normalized(event["category"])),
                ("cities", normalized(event["city"])),
            ):
                if name and len(name) <= LONGEST_NAME:
                    earned[kind, user, name] += delta
        for kind, name in names_sought(batch):
            if kind == "tags":
                ids = [row["id"] for row in self._rows("tags") if normalized(row["name"]) == name]
                if ids and name not in hidden:
                    earned[kind, user, min(ids)] += FOR_A_NAME
            elif len(name) <= LONGEST_NAME:
                earned[kind, user, name] += FOR_A_NAME
        for key, amount in earned.items():
            score, seen = self.interests.get(key, (0.0, at))
            kept = self._decayed(score, seen, at)
            self.interests[key] = (min(self.settings.cap, kept + amount), max(seen, at))

    def _event_deltas(self, batch: Iterable[Interaction], at: datetime) -> list[tuple[Any, float]]:
        """Give what each event of the batch that is known and not deleted is worth."""
        worth: dict[int, float] = {}
        for interaction in batch:
            delta = self._delta(interaction)
            if delta > 0:
                event_id = interaction.get("event_id") or 0
                worth[event_id] = max(worth.get(event_id, 0), delta)
        return [
            (row, worth[row["id"]])
            for row in self._rows("events")
            if row["id"] in worth and (row["deleted_at"] is None or row["deleted_at"] > at)
        ]

    def _delta(self, interaction: Interaction) -> float:
        kind = interaction["interaction_type"]
        if kind != "dwell":
            return DELTAS.get(kind, 0)
        seconds = (interaction.get("meta") or {}).get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            return 0
        if seconds < self.settings.dwell_threshold_seconds:
            return 0
        return 0.8 + 0.4 * min(1, max(0, seconds / 60))

    def _decayed(self, score: float, seen: datetime, at: datetime) -> float:
        """Halve a score every half life; an app may have left any number in the table."""
        if math.isnan(score) or score <= 0:
            return 0
        age = max(0.0, (at - seen).total_seconds() / 3600)
        halvings = age / self.settings.half_life_hours
        if halvings >= LAST_HALVING:
            return 0
        return min(self.settings.cap, score * math.pow(0.5, halvings))

    def _event_tags(self, event_id: int) -> dict[str, int]:
        """Give the distinct tags of an event, each with the first of its rows."""
        names = {row["id"]: normalized(row["name"]) for row in self._rows("tags")}
        tags: dict[str, int] = {}
        for row in self._rows("event_tags"):
            name = names[row["tag_id"]]
            if row["event_id"] == event_id and name:
                tags[name] = min(tags.get(name, row["tag_id"]), row["tag_id"])
        return tags

    def _hidden(self, user: int) -> set[str]:
        names = {row["id"]: normalized(row["name"]) for row in self._rows("tags")}
        return {
            names[row["tag_id"]] for row in self._rows("user_hidden_tags") if row["user_id"] == user
        }

    def _rows(self, table: str) -> Iterable[Any]:
        return self.world.rows.get(table, ())


def names_sought(batch: Iterable[Interaction]) -> set[tuple[str, str]]:
    """Give what was searched or filtered for: kind and normalised name, each once."""
    found: set[tuple[str, str]] = set()
    for interaction in batch:
        if interaction["interaction_type"] not in {"search", "filter"}:
            continue
        if interaction.get("event_id") is not None:
            continue
        meta = interaction.get("meta") or {}
        tags = meta.get("tags")
        sought = [("tags", tag) for tag in tags] if isinstance(tags, list) else []
        sought += [("categories", meta.get("category")), ("cities", meta.get("city"))]
        found |= {
            (kind, name)
            for kind, given in sought
            if isinstance(given, str) and (name := normalized(given))
        }
    return found


def normalized(text: str | None) -> str:
    """Trim and lower, character by character: Unicode's full mapping would make İ two."""
    return "".join(character.lower()[0] for character in (text or "").strip())


def largest_difference(ours: Mapping[Key, Interest], theirs: Mapping[Key, Interest]) -> float:
    """Compare the scores; infinite when a row is there on one side only."""
    if ours.keys() != theirs.keys():
        return math.inf
    return max((_difference(ours[key][0], theirs[key][0]) for key in ours), default=0.0)


def _difference(one: float, other: float) -> float:
    """Compare two numbers as rows have them: a NaN that nobody touched is still the same."""
    if one == other or (math.isnan(one) and math.isnan(other)):
        return 0
    difference = abs(one - other)
    return math.inf if math.isnan(difference) else difference
