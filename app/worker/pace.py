"""How often the worker looks: the database's settings, as they were when last read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncpg import Connection, Record

READ_PACE = """
SELECT
    recommender.setting('task_queue_poll_interval_seconds')::double precision AS poll_seconds,
    (SELECT p.stale_after_seconds FROM recommender.parameters AS p)::double precision
        AS stale_seconds,
    (SELECT p.queue_enabled FROM recommender.parameters AS p) AS queue_enabled
"""

LONGEST_HEARTBEAT_SECONDS = 30.0
LONGEST_LOOK_SECONDS = 10.0


@dataclass
class Pace:
    """One for the whole worker; the watch reads it again and again."""

    poll_seconds: float = 1.0
    stale_seconds: float = 300.0
    queue_enabled: bool = True

    @property
    def heartbeat_seconds(self) -> float:
        """Between two signs of life: two may be lost before the job is taken away."""
        return min(self.stale_seconds / 3, LONGEST_HEARTBEAT_SECONDS)

    def pause_seconds(self, next_seconds: float | None, look_again: float) -> float:
        """Give how long to wait for a ring: until the next job is due, if it is not, or a while."""
        pause = min(look_again, self.poll_seconds)
        return min(next_seconds, pause) if next_seconds and next_seconds > 0 else pause

    @property
    def look_seconds(self) -> float:
        """Between two looks at the settings, and for jobs whose workers are silent."""
        return min(self.stale_seconds / 3, LONGEST_LOOK_SECONDS)

    async def read(self, connection: Connection[Record]) -> None:
        """Read the settings that are in effect now."""
        row = await connection.fetchrow(READ_PACE)
        assert row is not None
        self.poll_seconds = row["poll_seconds"]
        self.stale_seconds = row["stale_seconds"]
        self.queue_enabled = row["queue_enabled"]
