"""The events of a database, in the words of a population's plan: what its tastes look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.population.world import NEVER, microseconds

if TYPE_CHECKING:
    from datetime import datetime

    from asyncpg import Connection, Record

    from app.population.plans import KeptPlan
    from app.population.world import Flags, Ints, World

UNKNOWN = -1
"""Stands for a city or an organizer that the plan does not have."""

FOREVER = np.int64(2**62)

EVENTS = """
    SELECT
        e.id,
        e.start_time,
        e.end_time,
        e.deleted_at,
        coalesce(e.publish_at, e.created_at) AS visible_from,
        e.category,
        e.city,
        e.owner_id,
        e.max_seats,
        (
            -- A seat that was given back since is not given away again: no moment has too many.
            SELECT count(*)
            FROM public.registrations AS r
            WHERE r.event_id = e.id AND (r.deleted_at IS NULL OR r.deleted_at > $1)
        ) AS taken,
        ARRAY(
            SELECT t.name
            FROM public.event_tags AS et
            INNER JOIN public.tags AS t ON t.id = et.tag_id
            WHERE et.event_id = e.id
            ORDER BY t.id
        ) AS tags,
        ARRAY(
            SELECT et.tag_id
            FROM public.event_tags AS et
            WHERE et.event_id = e.id
            ORDER BY et.tag_id
        ) AS tag_ids
    FROM public.events AS e
    WHERE
        e.status = 'published'
        AND e.start_time > $1
        AND (e.deleted_at IS NULL OR e.deleted_at > $1)
    ORDER BY e.start_time, e.id
"""


@dataclass(kw_only=True)
class Seats:
    """How many seats are left in each event."""

    left: Ints

    def take(self, event: int) -> bool:
        """Take a seat if one is left."""
        if self.left[event] <= 0:
            return False
        self.left[event] -= 1
        return True


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Published events that had not started when the traffic begins, in order of their start."""

    id: Ints
    visible_from: Ints
    gone_at: Ints
    """When it is no longer shown: it starts, or is called off."""
    end: Ints
    owner: Ints
    tag_ids: list[list[int]]
    tags: Ints
    tag_count: Ints
    topic: Ints
    organizer: Ints
    city: Ints

    def shown_at(self, at: Ints) -> Flags:
        """Say which events are listed at which moments, one row a moment."""
        moments = at[:, None]
        return (self.visible_from <= moments) & (moments < self.gone_at)

    def places(self, event_ids: Ints) -> Ints:
        """Find events by their id; UNKNOWN where there is none."""
        order = np.argsort(self.id)
        if not order.size:
            return np.full(event_ids.shape, UNKNOWN)
        place = order[np.searchsorted(self.id[order], event_ids).clip(max=order.size - 1)]
        return np.where(self.id[place] == event_ids, place, UNKNOWN)


async def fetch_events(
    connection: Connection[Record], since: datetime
) -> tuple[list[Record], Seats]:
    """Read the events, and the seats that are left in each."""
    rows = await connection.fetch(EVENTS, since)
    left = [
        FOREVER if row["max_seats"] is None else row["max_seats"] - row["taken"] for row in rows
    ]
    return rows, Seats(left=np.array(left, dtype=np.int64))


def describe_events(rows: list[Record], kept: KeptPlan, world: World) -> Catalogue:
    """Put events into the words of a plan; what its students have no word for, they ignore."""
    plan = kept.plan
    tag_of = {name: place for place, name in enumerate(world.tag_names)}
    topic_of = {name: place for place, name in enumerate(world.category_names)}
    city_of = {name: place for place, name in enumerate(world.city_names)}
    tags = np.full((len(rows), max((len(row["tags"]) for row in rows), default=1)), plan.tags)
    for place, row in enumerate(rows):
        tags[place, : len(row["tags"])] = [tag_of.get(name, plan.tags) for name in row["tags"]]
    organizer = np.array([row["owner_id"] or 0 for row in rows], dtype=np.int64)
    own = (organizer >= kept.first_organizer_id) & (organizer < kept.first_student_id)
    starts = np.array([microseconds(row["start_time"]) for row in rows], dtype=np.int64)
    called_off = np.array([_or_else(row["deleted_at"], FOREVER) for row in rows], dtype=np.int64)
    return Catalogue(
        id=np.array([row["id"] for row in rows], dtype=np.int64),
        visible_from=np.array(
            [_or_else(row["visible_from"], NEVER) for row in rows], dtype=np.int64
        ),
        gone_at=np.minimum(starts, called_off),
        end=np.array(
            [microseconds(row["end_time"] or row["start_time"]) for row in rows], dtype=np.int64
        ),
        owner=organizer,
        tag_ids=[row["tag_ids"] for row in rows],
        tags=tags,
        tag_count=np.array([max(1, len(row["tags"])) for row in rows], dtype=np.int64),
        topic=np.array(
            [topic_of.get(row["category"], plan.categories) for row in rows], dtype=np.int64
        ),
        organizer=np.where(own, organizer - kept.first_organizer_id, UNKNOWN),
        city=np.array([city_of.get(row["city"], UNKNOWN) for row in rows], dtype=np.int64),
    )


def _or_else(at: datetime | None, otherwise: np.int64) -> int:
    return int(otherwise) if at is None else microseconds(at)
