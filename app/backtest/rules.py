"""The plain rules a model has to beat: what each sorts candidates by, a row a student.

Ties go to the smaller event_id, as in lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from app.backtest.protocol import Array, Numbers

RULES = {
    "random": "in the order of a hash of seed, student and event",
    "popularity": "the organizer's registrations per event in 90 days",
    "newest": "what was published last",
    "soonest": "what starts first",
    "same organizer": "organizers by the student's visits (each halved every 60 days), then the "
    "others by popularity",
}
"""What each rule sorts by, in words."""


def rule_keys(
    *,
    users: Numbers,
    event_ids: Numbers,
    popularity: Array,
    published: Array,
    starts: Array,
    visits: Array,
    seed: int,
) -> Mapping[str, Array]:
    """Give the keys of every rule; visits has a row a student, what is an event's has one value.

    Times are seconds; an event without a time of publication has -inf, and counts as the oldest.
    """
    shape = (len(users), len(event_ids))
    oldest = np.where(np.isneginf(published), np.finfo(np.float64).min, published)
    most = popularity.max(initial=0.0)
    return {
        "random": draw_fractions(seed, users[:, None], event_ids[None, :]),
        "popularity": np.broadcast_to(popularity, shape),
        "newest": np.broadcast_to(oldest, shape),
        "soonest": np.broadcast_to(-starts, shape),
        "same organizer": np.where(visits > 0, most + 1.0 + visits, popularity),
    }


def draw_fractions(seed: int, *keys: Numbers) -> Array:
    """Give a number in [0, 1) that looks random and is always the same for the same keys.

    One round of splitmix64 a key: Steele, Lea, Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014.
    """
    state: NDArray[np.uint64] = np.array(seed, dtype=np.uint64)
    for key in keys:
        state = _mix(state ^ _mix(key.astype(np.uint64)))
    return np.asarray((state >> np.uint64(11)) * np.float64(2.0**-53), dtype=np.float64)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        z = value + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))
