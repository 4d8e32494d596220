"""What a backtest asks: at which cutoffs, about which events, of how many students."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing import TypeAlias

Array: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Numbers: TypeAlias = NDArray[np.int64]

GROUPS = ("all", "discovery", "cold")
"""Students with a registration before the cutoff; the same, among organizers they never attended;
students without one."""


@dataclass(frozen=True)
class Protocol:
    """What is a candidate, and who is judged."""

    horizon: timedelta = timedelta(days=14)
    """Candidates start before it."""
    lead: timedelta = timedelta(hours=2)
    """And not before this."""
    students: int | None = 5_000
    """At most so many a cutoff, drawn by a hash; None: all."""
    seed: int = 1337
    negatives_per_positive: int = 3
    """Of the pairs calibration is measured on, as of those that are trained on."""
    only_students: bool = False
    """Leave out the registrations of accounts that are no students."""


def last_cutoff(known_at: datetime, horizon: timedelta) -> datetime:
    """Give the latest midnight (UTC) whose window has ended."""
    last = (known_at - horizon).astimezone(UTC)
    return last.replace(hour=0, minute=0, second=0, microsecond=0)


def regular_cutoffs(last: datetime, count: int, every: timedelta) -> list[datetime]:
    """Give `count` cutoffs up to the last one, the earliest first."""
    return [last - every * number for number in reversed(range(count))]
