"""What the parts of one worker share."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.worker.pace import Pace
from app.worker.troubles import TroubleLog


@dataclass(frozen=True)
class Worker:
    """A worker's name, by which the queue knows its claims, and its database."""

    name: str
    address: str
    pace: Pace = field(default_factory=Pace)
    troubles: TroubleLog = field(default_factory=TroubleLog)
