"""Students with latent tastes, and what they do with the events that a list shows them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from app.population.world import DAY, HOUR, NEVER, draw_by_weight, draw_one, generator

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from numpy.typing import NDArray

    from app.population.world import Flags, Ints, Plan, Reals, World

    Texts = NDArray[np.bytes_]

    class Offer(Protocol):
        """What tastes look at in some events; a World is one."""

        @property
        def tags(self) -> Ints:
            """One row an event, padded with the number of tags (which is no tag)."""

        @property
        def tag_count(self) -> Ints:
            """At least 1."""

        @property
        def topic(self) -> Ints:
            """Columns of Tastes.topics."""

        @property
        def organizer(self) -> Ints:
            """By the plan's numbers."""

        @property
        def city(self) -> Ints:
            """By the plan's numbers."""


CHUNK = 2000
"""Students made at once; a constant, because the random streams hang on it."""

NOTHING = np.int64(-1)
"""Stands for NULL in an array of ids."""

SECOND = 1_000_000
FAVOURITE_TAGS = 10
PAGE = 12
CANDIDATES = 36
PER_VISIT = 10.0
"""Interactions that one look at the list leads to, on average (measured)."""
EXPERIMENT = "personalization_ml_sort"


@dataclass(kw_only=True)
class Interactions:
    """Interactions of one type; `event` is NOTHING and `meta` rows are padded JSON."""

    kind: str
    student: Ints
    event: Ints
    at: Ints
    meta: Texts


@dataclass(kw_only=True)
class Chunk:
    """Rows of some students; people are numbered from 0 over the whole population."""

    first: int
    city: Ints
    is_active: Flags
    speaks_romanian: Flags
    created: Ints
    name: Ints
    interests: tuple[Ints, Ints]
    hidden: tuple[Ints, Ints]
    blocked: tuple[Ints, Ints]
    registered: tuple[Ints, Ints]
    registered_at: Ints
    attended: Flags
    unregistered_at: Ints
    favourites: tuple[Ints, Ints]
    favourite_at: Ints
    interactions: list[Interactions] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Visits:
    """One row is one look at the list of events."""

    student: Ints
    at: Ints
    is_treated: Flags
    """Whether the experiment shows this student the recommended order."""


@dataclass(frozen=True, kw_only=True)
class Tastes:
    """What some students like; never written down, only visible in what they do."""

    topics: Reals
    """Per student and topic, the best loved one is 1."""
    favourites: Ints
    tags: Reals
    """Per student and tag, with one more column of zeros for "no tag"."""
    organizer: Ints
    city: Ints

    def affinity(self, offer: Offer, student: Ints, event: Ints) -> Reals:
        """Say how much students like events: about 0.1 for a stranger's, above 1 for their own."""
        tags = self.tags[student[..., None], offer.tags[event]].sum(axis=-1)
        return np.asarray(
            0.9 * tags / offer.tag_count[event]
            + 0.4 * self.topics[student, offer.topic[event]]
            + 0.3 * (self.organizer[student] == offer.organizer[event])
            + 0.2 * (self.city[student] == offer.city[event]),
            dtype=np.float32,
        )


def draw_tastes(
    rng: np.random.Generator,
    plan: Plan,
    world: World,
    size: int,
    *,
    favourites: int = FAVOURITE_TAGS,
) -> Tastes:
    """Draw a mixture over topics (Dirichlet, sparse), and what follows from it."""
    topics = rng.gamma(0.15, size=(size, plan.categories)).astype(np.float32) + np.float32(1e-4)
    topics /= topics.max(axis=1, keepdims=True)
    law = np.sqrt(world.tag_law).astype(np.float32)
    loved = draw_by_weight(
        rng, _positive(topics[:, world.tag_topic] * law), min(favourites, plan.tags)
    )
    tags = np.zeros((size, plan.tags + 1), dtype=np.float32)
    tags[:, :-1] = 0.5 * topics[:, world.tag_topic]
    np.put_along_axis(tags, loved, np.float32(1.2), axis=1)
    return Tastes(
        topics=topics,
        favourites=loved,
        tags=tags,
        organizer=draw_by_weight(rng, _positive(topics @ world.organizer_topics.T), 1)[:, 0],
        city=draw_one(rng, world.city_law, size),
    )


def _positive(weights: NDArray[np.floating]) -> Reals:
    return weights.astype(np.float32).clip(np.float32(1e-7))


def experiment_bucket(user_id: int) -> int:
    """Place a student in one of 100 buckets, as the server does."""
    digest = hashlib.sha256(f"{EXPERIMENT}:{user_id}".encode()).hexdigest()
    return int(digest[:8], 16) % 100


def recall_tastes(plan: Plan, world: World, number: int, size: int) -> Tastes:
    """Give the tastes that draw_lively_chunk gave the students of a chunk."""
    return draw_tastes(generator(plan, 1, number), plan, world, size)


def draw_lively_chunk(
    plan: Plan, world: World, number: int, size: int, first_user_id: int
) -> Chunk:
    """Make students, show them lists for the length of the history, and write down what they do."""
    rng = generator(plan, 1, number)
    tastes = draw_tastes(rng, plan, world, size)
    first = number * CHUNK
    created = plan.now - rng.integers(0, plan.days * DAY + 200 * DAY, size) - DAY
    is_active = rng.random(size) >= 0.04
    buckets = [experiment_bucket(first_user_id + first + n) for n in range(size)]
    is_treated = np.array(buckets) < plan.experiment_percent
    visits = _draw_visits(rng, plan, created, is_active, is_treated)
    shown, position = _show_lists(rng, world, tastes, visits)
    clicked = _click(rng, world, tastes, shown, position)
    followed = follow_up(rng, world, tastes, clicked)
    saved, joined = followed[-2:]
    unregistered_at = give_back(rng, world.start[joined.event], plan.last_visit, joined)
    gone = unregistered_at != NEVER
    asked = ask(rng, plan, world, tastes, visits)
    interactions = [shown, clicked, *followed, unregistered(joined, unregistered_at), *asked]
    for written in interactions:
        written.student = written.student + first
    is_over = world.end[joined.event] < plan.now
    return Chunk(
        first=first,
        city=np.where(rng.random(size) < 0.05, NOTHING, tastes.city),
        is_active=is_active,
        speaks_romanian=rng.random(size) < 0.6,
        created=created,
        name=rng.integers(0, 2**31, size),
        interests=_shift(_declare_interests(rng, tastes), first),
        hidden=_shift(_hide_tags(rng, plan, tastes), first),
        blocked=_shift(_block_organizers(rng, plan, tastes), first),
        registered=(joined.student, joined.event),
        registered_at=joined.at,
        attended=is_over & ~gone & (rng.random(joined.at.size) < 0.78),
        unregistered_at=unregistered_at,
        favourites=(saved.student, saved.event),
        favourite_at=saved.at,
        interactions=interactions,
    )


def _draw_visits(
    rng: np.random.Generator, plan: Plan, created: Ints, is_active: Flags, is_treated: Flags
) -> Visits:
    """Let students look at the list, some often, some never; the inactive ones stopped halfway."""
    size = created.size
    mean = plan.interactions_per_student / PER_VISIT * rng.gamma(1.6, 1 / 1.6, size)
    count = rng.poisson(mean * ((plan.days - plan.quiet_days) / plan.days))
    count[rng.random(size) < 0.06] = 0
    student = np.repeat(np.arange(size), count)
    since = np.maximum(created, plan.now - plan.days * DAY)[student]
    halfway = min(plan.now - plan.days * DAY // 2, plan.last_visit)
    until = np.where(is_active, plan.last_visit, halfway)[student] - HOUR
    at = since + (rng.random(student.size) * (until - since)).astype(np.int64)
    kept = until > since
    return Visits(student=student[kept], at=at[kept], is_treated=is_treated[student[kept]])


def _shift(rows: tuple[Ints, Ints], first: int) -> tuple[Ints, Ints]:
    return rows[0] + first, rows[1]


def render(values: Iterable[object], chosen: Ints) -> Texts:
    """Give each row one of a few JSON values; padded to one width, which JSON does not mind."""
    texts = [json.dumps(value, ensure_ascii=False).encode() for value in values] or [b"{}"]
    width = max(map(len, texts))
    return np.array([text.ljust(width) for text in texts])[chosen]


LISTED = [
    {"source": "events_list", "sort": sort, "position": position}
    for sort in ("time", "recommended")
    for position in range(PAGE)
]


LONGEST = 600
DETAIL = [{"source": "event_detail"}]
DWELT = [{"source": "event_detail", "seconds": seconds} for seconds in range(LONGEST + 1)]


def _show_lists(
    rng: np.random.Generator, world: World, tastes: Tastes, visits: Visits
) -> tuple[Interactions, Ints]:
    """Show each visitor a list, by start or by what they like; give the positions, too."""
    lowest = np.searchsorted(world.start, visits.at + HOUR)
    highest = np.searchsorted(world.start, visits.at + 45 * DAY)
    reach = rng.random((visits.at.size, CANDIDATES)) * (highest - lowest)[:, None]
    candidate = np.sort(lowest[:, None] + reach.astype(np.int64), axis=1)
    candidate = np.minimum(candidate, world.start.size - 1)
    at = visits.at[:, None]
    is_live = (world.deleted_at[candidate] == NEVER) | (world.deleted_at[candidate] > at)
    usable = world.is_published[candidate] & is_live & (world.visible_from[candidate] <= at)
    usable &= (highest > lowest)[:, None]
    usable[:, 1:] &= candidate[:, 1:] != candidate[:, :-1]

    treated = visits.is_treated[:, None]
    liking = tastes.affinity(world, visits.student[:, None], candidate)
    liking += rng.normal(0, 0.25, liking.shape).astype(np.float32)
    chance = rng.random(liking.shape, dtype=np.float32)
    key = np.where(usable, np.where(treated, liking, chance), -np.inf)
    best = np.argsort(-key, axis=1, kind="stable")[:, :PAGE]
    best = np.where(np.take_along_axis(usable, best, axis=1), best, CANDIDATES)
    picked = np.where(treated, best, np.sort(best, axis=1))
    depth = rng.integers(4, PAGE + 1, visits.at.size)
    seen = (np.arange(PAGE) < depth[:, None]) & (picked < CANDIDATES)
    row, position = np.nonzero(seen)
    impressions = Interactions(
        kind="impression",
        student=visits.student[row],
        event=candidate[row, picked[row, position]],
        at=visits.at[row] + position * SECOND,
        meta=render(LISTED, visits.is_treated[row] * PAGE + position),
    )
    return impressions, position


def _click(
    rng: np.random.Generator, world: World, tastes: Tastes, shown: Interactions, position: Ints
) -> Interactions:
    """Click what is liked, less and less down the list."""
    liking = tastes.affinity(world, shown.student, shown.event)
    chance = 1 / (1 + np.exp(3.4 - 4.2 * liking)) / (1 + 0.3 * position)
    hit = rng.random(chance.size) < chance
    return Interactions(
        kind="click",
        student=shown.student[hit],
        event=shown.event[hit],
        at=shown.at[hit] + rng.integers(4, 60, int(hit.sum())) * SECOND,
        meta=shown.meta[hit],
    )


def follow_up(
    rng: np.random.Generator, offer: Offer, tastes: Tastes, clicked: Interactions
) -> list[Interactions]:
    """Let those who clicked look, stay, share, save and register, the more the better it suits."""
    liking = tastes.affinity(offer, clicked.student, clicked.event)
    drawn = rng.random((5, liking.size))
    viewed = drawn[0] < 0.92
    stayed = viewed & (drawn[1] < 0.65)
    shared = viewed & (drawn[2] < 0.06 * liking)
    saved = viewed & (drawn[3] < 0.18 * liking)
    joined = viewed & (drawn[4] < 1 / (1 + np.exp(1.7 - 2.6 * liking)))
    seconds = (4 + rng.exponential(20 + 60 * liking.clip(0, 2))).astype(np.int64).clip(4, LONGEST)

    def detail(kind: str, chosen: Ints, delay: int) -> Interactions:
        return Interactions(
            kind=kind,
            student=clicked.student[chosen],
            event=clicked.event[chosen],
            at=clicked.at[chosen] + delay * SECOND,
            meta=render(DETAIL, np.zeros(chosen.size, dtype=np.int64)),
        )

    dwelt = detail("dwell", np.flatnonzero(stayed), 1)
    dwelt.at = dwelt.at + seconds[stayed] * SECOND
    dwelt.meta = render(DWELT, seconds[stayed])
    return [
        detail("view", np.flatnonzero(viewed), 1),
        dwelt,
        detail("share", np.flatnonzero(shared), 90),
        detail("favorite", _first_times(clicked, saved), 120),
        detail("register", _first_times(clicked, joined), 180),
    ]


def _first_times(clicked: Interactions, chosen: Flags) -> Ints:
    """Keep the earliest of a student's chosen clicks on one event."""
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(clicked.at[rows], kind="stable")]
    pairs = clicked.student[rows] << 32 | clicked.event[rows]
    return np.sort(rows[np.unique(pairs, return_index=True)[1]])


def give_back(rng: np.random.Generator, start: Ints, until: int, joined: Interactions) -> Ints:
    """Let a few give their seat back before the event; NEVER for those who keep it."""
    later = joined.at + rng.integers(60, 4000, joined.at.size) * (HOUR // 60)
    possible = later < np.minimum(start, until)
    return np.where(possible & (rng.random(later.size) < 0.08), later, NEVER)


def unregistered(joined: Interactions, at: Ints) -> Interactions:
    """Give the interactions of those who gave their seat back."""
    gone = at != NEVER
    return Interactions(
        kind="unregister",
        student=joined.student[gone],
        event=joined.event[gone],
        at=at[gone],
        meta=joined.meta[gone],
    )


def ask(
    rng: np.random.Generator, plan: Plan, world: World, tastes: Tastes, visits: Visits
) -> list[Interactions]:
    """Let some visitors search for their tags, or filter by their category or city."""
    asked = {
        "search": rng.random(visits.at.size) < 0.14,
        "filter": rng.random(visits.at.size) < 0.10,
    }
    written = []
    for kind, chosen in asked.items():
        student = visits.student[chosen]
        topic = draw_by_weight(rng, tastes.topics[student], 1)[:, 0]
        tag = tastes.favourites[student, rng.integers(0, tastes.favourites.shape[1], student.size)]
        stray = rng.random(student.size) < 0.1
        tag = np.where(stray, rng.integers(0, plan.tags, student.size), tag)
        coin = rng.random(student.size)
        texts = []
        for row, (wish, word, place) in enumerate(
            zip(topic, tag, tastes.city[student], strict=True)
        ):
            meta: dict[str, object] = {}
            if kind == "search":
                meta["tags"] = [world.tag_names[word]]
            if kind == "filter" and coin[row] < 0.75:
                meta["category"] = world.category_names[wish]
            if not meta or coin[row] < 0.35:
                meta["city"] = world.city_names[place]
            texts.append(meta)
        written.append(
            Interactions(
                kind=kind,
                student=student,
                event=np.full(student.size, NOTHING),
                at=visits.at[chosen] - 20 * SECOND,
                meta=render(texts, np.arange(student.size)),
            )
        )
    return written


def _declare_interests(rng: np.random.Generator, tastes: Tastes) -> tuple[Ints, Ints]:
    """Seven in ten name two to seven of the tags they love."""
    size, most = tastes.favourites.shape
    named = np.where(rng.random(size) < 0.7, rng.integers(2, 8, size), 0)
    student, place = np.nonzero(np.arange(most) < named[:, None])
    return student, tastes.favourites[student, place]


def _hide_tags(rng: np.random.Generator, plan: Plan, tastes: Tastes) -> tuple[Ints, Ints]:
    """One in twenty hides a tag that means nothing to them."""
    student = np.flatnonzero(rng.random(len(tastes.city)) < 0.05)
    tag = rng.integers(0, plan.tags, student.size)
    strange = tastes.tags[student, tag] < 0.05
    return student[strange], tag[strange]


def _block_organizers(rng: np.random.Generator, plan: Plan, tastes: Tastes) -> tuple[Ints, Ints]:
    """One in thirty blocks an organizer, never the one they like best."""
    student = np.flatnonzero(rng.random(len(tastes.city)) < 0.033)
    organizer = rng.integers(0, plan.organizers, student.size)
    other = organizer != tastes.organizer[student]
    return student[other], organizer[other]
