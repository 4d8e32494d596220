"""Students for benchmarks: profiles of a prescribed size, hardly two of them alike."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from app.population.students import CHUNK, Chunk, Interactions, draw_tastes, render
from app.population.world import DAY, HOUR, NEVER, generator

if TYPE_CHECKING:
    from app.population.world import Flags, Ints, Plan, World

FEWEST_ATTRIBUTES, MOST_ATTRIBUTES = 20, 24
VISITED = 2
"""Past events each student registered for."""
TRIES = 40
AIM = 0.33
"""Which quantile of freely drawn postings all students are to be near: about 900 of 2,000 events.
The middle would be more, because the commonest tags of a Zipf law are in many histories."""
TOLERANCE = 0.07
"""How far a student's postings may lie from the aim, while there are tries left."""


@dataclass(frozen=True, kw_only=True)
class Profiles:
    """What some benchmark students are made of."""

    city: Ints
    visited: Ints
    interests: Ints
    """Tags in the order they are taken."""
    interest_count: Ints

    def take(self, rows: Ints) -> Profiles:
        """Give the profiles of these rows, repeated as often as named."""
        return Profiles(**{part.name: getattr(self, part.name)[rows] for part in fields(self)})

    def put(self, rows: Ints, others: Profiles) -> None:
        """Replace the profiles of these rows."""
        for part in fields(self):
            getattr(self, part.name)[rows] = getattr(others, part.name)


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """How many eligible events carry each attribute, and the postings a profile should come to."""

    tag: Ints
    category: Ints
    organizer: Ints
    city: Ints
    wanted: float


def count_catalogue(plan: Plan, world: World) -> Catalogue:
    """Count the upcoming events by attribute; a trial draw gives the postings to aim at."""
    upcoming = world.is_upcoming
    tag = np.bincount(world.tags[upcoming].ravel(), minlength=plan.tags + 1)
    tag[plan.tags] = 0
    counted = Catalogue(
        tag=tag,
        category=np.bincount(world.topic[upcoming], minlength=plan.categories),
        organizer=np.bincount(world.organizer[upcoming], minlength=plan.organizers),
        city=np.bincount(world.city[upcoming], minlength=plan.cities),
        wanted=0.0,
    )
    rng = generator(plan, 2)
    _, postings = _propose(rng, plan, world, counted, CHUNK)
    return replace(counted, wanted=float(np.quantile(postings, AIM)))


def draw_profiles(
    rng: np.random.Generator, plan: Plan, world: World, catalogue: Catalogue, size: int
) -> Profiles:
    """Draw profiles, and draw those again whose postings are far from what is wanted."""
    profiles, postings = _propose(rng, plan, world, catalogue, size)
    for _ in range(TRIES):
        wide = np.flatnonzero(np.abs(postings - catalogue.wanted) > TOLERANCE * catalogue.wanted)
        if not wide.size:
            break
        others, found = _propose(rng, plan, world, catalogue, wide.size)
        better = np.abs(found - catalogue.wanted) < np.abs(postings[wide] - catalogue.wanted)
        postings[wide[better]] = found[better]
        profiles.put(wide[better], others.take(np.flatnonzero(better)))
    return profiles


def _propose(
    rng: np.random.Generator, plan: Plan, world: World, catalogue: Catalogue, size: int
) -> tuple[Profiles, Ints]:
    """Draw students who went to those they liked best of a dozen events; count their postings."""
    tastes = draw_tastes(rng, plan, world, size, favourites=MOST_ATTRIBUTES)
    offered = rng.integers(0, plan.past_events, (size, 6 * VISITED))
    liking = tastes.affinity(world, np.arange(size)[:, None], offered)
    liking += rng.normal(0, 0.2, liking.shape).astype(np.float32)
    liking[_repeats(offered)] = -np.inf
    best = np.argsort(-liking, axis=1, kind="stable")[:, :VISITED]
    visited = np.take_along_axis(offered, best, axis=1)

    tags = world.tags[visited].reshape(size, -1)
    known = ~_repeats(tags) & (tags < plan.tags)
    count = 1 + known.sum(axis=1)
    postings = catalogue.city[tastes.city] + (catalogue.tag[tags] * known).sum(axis=1)
    kinds = (
        (world.topic[visited], catalogue.category),
        (world.organizer[visited], catalogue.organizer),
    )
    for values, events in kinds:
        new = ~_repeats(values)
        count += new.sum(axis=1)
        postings += (events[values] * new).sum(axis=1)
    named = rng.integers(FEWEST_ATTRIBUTES, MOST_ATTRIBUTES + 1, size) - count
    named = named.clip(1, tastes.favourites.shape[1])
    is_named = np.arange(tastes.favourites.shape[1]) < named[:, None]
    postings += (catalogue.tag[tastes.favourites] * is_named).sum(axis=1)
    return Profiles(
        city=tastes.city, visited=visited, interests=tastes.favourites, interest_count=named
    ), postings


def _repeats(values: Ints) -> Flags:
    """Mark what stands in the same row already, further left."""
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    again = np.zeros(values.shape, dtype=np.bool_)
    np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return again


@dataclass(frozen=True, kw_only=True)
class Stock:
    """What all chunks of a benchmark population share."""

    catalogue: Catalogue
    common: Profiles
    """The few profiles that `repeat_share` of the students have in common."""


def lay_in_stock(plan: Plan, world: World) -> Stock:
    """Prepare what the chunks share."""
    catalogue = count_catalogue(plan, world)
    common = draw_profiles(generator(plan, 3), plan, world, catalogue, plan.repeat_profiles)
    return Stock(catalogue=catalogue, common=common)


def draw_bench_chunk(plan: Plan, world: World, stock: Stock, number: int, size: int) -> Chunk:
    """Make students whose only positives are the past events of their profile."""
    rng = generator(plan, 1, number)
    profiles = draw_profiles(rng, plan, world, stock.catalogue, size)
    repeating = np.flatnonzero(rng.random(size) < plan.repeat_share)
    drawn = rng.integers(0, plan.repeat_profiles, repeating.size)
    profiles.put(repeating, stock.common.take(drawn))

    first = number * CHUNK
    student = np.repeat(np.arange(size), VISITED) + first
    event = profiles.visited.ravel()
    registered_at = world.start[event] - rng.integers(2 * HOUR, 10 * DAY, event.size)
    ignored = max(0, round(plan.interactions_per_student) - VISITED)
    shown_to = np.repeat(np.arange(size), ignored) + first
    shown = rng.integers(0, plan.past_events, shown_to.size)
    place = np.tile(np.arange(ignored), size)
    listed = [
        {"source": "events_list", "sort": "time", "position": position}
        for position in range(max(1, ignored))
    ]
    nobody = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    return Chunk(
        first=first,
        city=profiles.city,
        is_active=np.ones(size, dtype=np.bool_),
        speaks_romanian=rng.random(size) < 0.6,
        created=plan.now - (plan.days + 60) * DAY - rng.integers(0, 200 * DAY, size),
        name=rng.integers(0, 2**31, size),
        interests=_list_interests(profiles, first),
        hidden=nobody,
        blocked=nobody,
        registered=(student, event),
        registered_at=registered_at,
        attended=rng.random(event.size) < 0.78,
        unregistered_at=np.full(event.size, NEVER),
        favourites=nobody,
        favourite_at=nobody[0],
        interactions=[
            Interactions(
                kind="impression",
                student=shown_to,
                event=shown,
                at=world.start[shown] - rng.integers(11 * DAY, 13 * DAY, shown.size),
                meta=render(listed, place),
            ),
            Interactions(
                kind="register",
                student=student,
                event=event,
                at=registered_at,
                meta=render([{"source": "event_detail"}], np.zeros_like(event)),
            ),
        ],
    )


def _list_interests(profiles: Profiles, first: int) -> tuple[Ints, Ints]:
    most = profiles.interests.shape[1]
    student, place = np.nonzero(np.arange(most) < profiles.interest_count[:, None])
    return student + first, profiles.interests[student, place]
