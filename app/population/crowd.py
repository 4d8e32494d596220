"""Students of a population, as they are in the database, with the tastes they were made with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from app.population.students import CHUNK, Tastes, recall_tastes
from app.population.world import NEVER, microseconds

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    from app.population.catalogue import Catalogue
    from app.population.plans import KeptPlan
    from app.population.world import Flags, Ints, World

STUDENTS = """
    SELECT u.id, u.created_at
    FROM public.users AS u
    WHERE u.id >= $1 AND u.id < $2 AND u.role = 'student' AND u.is_active
    ORDER BY u.id
"""
HIDDEN_TAGS = """
    SELECT h.user_id, array_agg(h.tag_id) AS ids
    FROM public.user_hidden_tags AS h
    WHERE h.user_id >= $1 AND h.user_id < $2
    GROUP BY h.user_id
"""
BLOCKED_ORGANIZERS = """
    SELECT b.user_id, array_agg(b.organizer_id) AS ids
    FROM public.user_blocked_organizers AS b
    WHERE b.user_id >= $1 AND b.user_id < $2
    GROUP BY b.user_id
"""
REGISTERED = """
    SELECT r.user_id, array_agg(r.event_id) AS ids
    FROM public.registrations AS r
    WHERE r.user_id >= $1 AND r.user_id < $2
    GROUP BY r.user_id
"""
SAVED = """
    SELECT f.user_id, array_agg(f.event_id) AS ids
    FROM public.favorite_events AS f
    WHERE f.user_id >= $1 AND f.user_id < $2
    GROUP BY f.user_id
"""
IN_EXPERIMENT = """
    SELECT
        recommender.experiment_bucket('personalization_ml_sort', s.user_id)
        < (SELECT p.experiment_percent FROM recommender.parameters AS p) AS is_treated
    FROM unnest($1::integer[]) WITH ORDINALITY AS s (user_id, place)
    ORDER BY s.place
"""


@dataclass(kw_only=True)
class Crowd:
    """One chunk of students, numbered from 0; the tables are students by events."""

    user_id: Ints
    created: Ints
    """NEVER: not there any more, or not active."""
    is_treated: Flags
    tastes: Tastes
    """As they were made: what students ask for."""
    liking: Tastes
    """The same, with a topic more that nobody likes, for what the plan has no word for."""
    excluded: Flags
    registered: Flags
    saved: Flags
    clicked: Flags
    seen: Ints


def chunk_sizes(kept: KeptPlan) -> list[int]:
    """Give the sizes of a population's chunks."""
    students = kept.plan.students
    return [min(CHUNK, students - first) for first in range(0, students, CHUNK)]


async def gather_crowd(
    connection: Connection[Record],
    kept: KeptPlan,
    world: World,
    catalogue: Catalogue,
    number: int,
) -> Crowd:
    """Read one chunk of students, and recall what they like."""
    size = chunk_sizes(kept)[number]
    first = kept.first_student_id + number * CHUNK
    bounds = first, first + size
    created = np.full(size, NEVER)
    for row in await connection.fetch(STUDENTS, *bounds):
        created[row["id"] - first] = microseconds(row["created_at"])
    user_id = np.arange(*bounds)
    treated = await connection.fetch(IN_EXPERIMENT, user_id.tolist())
    tastes = recall_tastes(kept.plan, world, number, size)
    shape = size, catalogue.id.size
    excluded, registered, saved = (np.zeros(shape, dtype=np.bool_) for _ in range(3))
    for row in await connection.fetch(HIDDEN_TAGS, *bounds):
        hidden = set(row["ids"])
        excluded[row["user_id"] - first] = [not hidden.isdisjoint(t) for t in catalogue.tag_ids]
    for row in await connection.fetch(BLOCKED_ORGANIZERS, *bounds):
        excluded[row["user_id"] - first] |= np.isin(catalogue.owner, row["ids"])
    for query, table in ((REGISTERED, registered), (SAVED, saved)):
        for row in await connection.fetch(query, *bounds):
            table[row["user_id"] - first] = np.isin(catalogue.id, row["ids"])
    nobodys = np.zeros((size, 1), dtype=np.float32)
    return Crowd(
        user_id=user_id,
        created=created,
        is_treated=np.array([row["is_treated"] for row in treated], dtype=np.bool_),
        tastes=tastes,
        liking=replace(tastes, topics=np.concatenate([tastes.topics, nobodys], axis=1)),
        excluded=excluded,
        registered=registered,
        saved=saved,
        clicked=np.zeros(shape, dtype=np.bool_),
        seen=np.zeros(shape, dtype=np.int64),
    )
