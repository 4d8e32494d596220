"""What students meet: tags, cities, organizers with a profile, and events around one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np

from app.population.vocabulary import (
    CITIES,
    DESCRIPTIONS,
    ORGANIZER_KINDS,
    TITLES,
    TOPICS,
    VENUES,
    tag_vocabulary,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Reals = NDArray[np.float32]
    Flags = NDArray[np.bool_]

HOUR = 3_600_000_000
DAY = 24 * HOUR
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""PostgreSQL counts microseconds from here; so does every moment in this package."""

NEVER = np.int64(-(2**63))
"""Stands for NULL in an array of moments."""

FEWEST_TAGS, MOST_TAGS = 3, 6
TAGS_IN_TOPIC = 300.0
"""How much likelier an event takes a tag of its own topic than an equally common other one."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large and of what shape the population is. Same plan, same rows."""

    as_of: datetime
    shape: Literal["lively", "bench"]
    students: int
    upcoming_events: int
    past_events: int
    organizers: int
    tags: int
    categories: int
    cities: int
    days: int
    interactions_per_student: float
    experiment_percent: int
    zipf: float
    seed: int
    repeat_share: float = 0.0
    repeat_profiles: int = 100
    quiet_days: int = 0
    """How many days before the moment nobody looks at a list, for traffic.py to fill."""

    @property
    def now(self) -> int:
        """The moment of the plan, as PostgreSQL's microseconds."""
        return microseconds(self.as_of)

    @property
    def last_visit(self) -> int:
        """When the history of visits ends."""
        return self.now - self.quiet_days * DAY


def generator(plan: Plan, *stage: int) -> np.random.Generator:
    """Give every stage and chunk its own stream, so that none depends on another's draws."""
    return np.random.default_rng([plan.seed, *stage])


def microseconds(at: datetime) -> int:
    """Turn a datetime into PostgreSQL's microseconds."""
    return (at - EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> datetime | None:
    """Turn PostgreSQL's microseconds into a datetime; NEVER into None."""
    return None if at == NEVER else EPOCH + timedelta(microseconds=int(at))


def draw_by_weight(rng: np.random.Generator, weights: Reals, count: int) -> Ints:
    """Draw `count` different columns per row, likelier where the weight is larger, best first."""
    keys = rng.standard_exponential(weights.shape, dtype=np.float32)
    keys /= weights
    if count >= weights.shape[1]:
        return keys.argsort(axis=1).astype(np.int64)
    chosen = np.argpartition(keys, count - 1, axis=1)[:, :count]
    order = np.take_along_axis(keys, chosen, axis=1).argsort(axis=1)
    return np.take_along_axis(chosen, order, axis=1).astype(np.int64)


def draw_one(rng: np.random.Generator, probabilities: NDArray[np.float64], size: int) -> Ints:
    """Draw `size` indexes with these probabilities."""
    return np.searchsorted(np.cumsum(probabilities), rng.random(size)).clip(
        0, len(probabilities) - 1
    )


def power_law(rng: np.random.Generator, size: int, exponent: float) -> NDArray[np.float64]:
    """Give probabilities proportional to rank^-exponent, the ranks dealt at random."""
    weights = rng.permutation(np.arange(1, size + 1).astype(np.float64) ** -exponent)
    return np.asarray(weights / weights.sum())


@dataclass(frozen=True, kw_only=True)
class World:
    """All tags, organizers and events of a plan. Events stand in order of their start."""

    tag_names: list[str]
    tag_subjects: list[str]
    tag_topic: Ints
    tag_law: NDArray[np.float64]
    city_names: list[str]
    city_law: NDArray[np.float64]
    category_names: list[str]
    organizer_names: list[str]
    organizer_city: Ints
    organizer_topics: Reals
    start: Ints
    end: Ints
    created: Ints
    publish_at: Ints
    visible_from: Ints
    deleted_at: Ints
    is_published: Flags
    is_upcoming: Flags
    seats: Ints
    topic: Ints
    city: Ints
    organizer: Ints
    tags: Ints
    """One row an event, padded with the number of tags (which is no tag)."""
    tag_count: Ints
    titles: list[str]
    descriptions: list[str]
    locations: list[str]


def build_world(plan: Plan) -> World:
    """Draw everything but the students."""
    rng = generator(plan, 0)
    vocabulary = tag_vocabulary(plan.categories)[: plan.tags]
    tag_topic = np.array([topic for _, _, topic in vocabulary])
    tag_law = power_law(rng, plan.tags, plan.zipf)
    city_names = list(CITIES[: plan.cities])
    uniform = plan.shape == "bench"
    city_law = np.arange(1, plan.cities + 1).astype(np.float64) ** (0.0 if uniform else -0.6)
    city_law /= city_law.sum()
    topic_law = power_law(rng, plan.categories, 0.0 if uniform else 0.4)

    organizer_city = draw_one(rng, city_law, plan.organizers)
    organizer_topics = rng.gamma(0.2, size=(plan.organizers, plan.categories)) + 0.002
    organizer_topics /= organizer_topics.sum(axis=1, keepdims=True)
    activity = power_law(rng, plan.organizers, 0.0 if uniform else 0.7)

    count = plan.past_events + plan.upcoming_events
    start = _draw_starts(rng, plan)
    topic = draw_one(rng, topic_law, count)
    organizer = _draw_organizers(rng, organizer_topics * activity[:, None], topic)
    elsewhere = rng.random(count) < (0.9 if uniform else 0.15)
    city = np.where(elsewhere, draw_one(rng, city_law, count), organizer_city[organizer])
    tags, tag_count = _draw_tags(rng, tag_law, tag_topic, topic)

    created = np.minimum(start - _between(rng, 14 * DAY, 45 * DAY, count), plan.now - 2 * DAY)
    if plan.quiet_days:
        created = _spread_announcements(plan, created)
    publish_at = np.where(rng.random(count) < 0.5, NEVER, created + _between(rng, 0, DAY, count))
    visible_from = np.maximum(created, publish_at)
    is_published = np.ones(count, dtype=np.bool_)
    deleted_at = np.full(count, NEVER)
    seats = np.zeros(count, dtype=np.int64)
    is_upcoming = start >= plan.now
    if not uniform:
        fate = rng.random(count)
        is_published = fate >= 0.03
        announced_later = is_upcoming & (fate >= 0.03) & (fate < 0.05)
        publish_at[announced_later] = plan.now + 12 * HOUR
        visible_from = np.maximum(created, publish_at)
        cancelled = (fate >= 0.05) & (fate < 0.08)
        called_off = np.minimum(created + _between(rng, DAY, 12 * DAY, count), plan.now - HOUR)
        deleted_at[cancelled] = called_off[cancelled]
        seats = np.where(rng.random(count) < 0.6, rng.integers(3, 25, count) * 5, 0)

    subjects = [subject for _, subject, _ in vocabulary]
    names = [name for name, _, _ in vocabulary]
    return World(
        tag_names=names,
        tag_subjects=subjects,
        tag_topic=tag_topic,
        tag_law=tag_law,
        city_names=city_names,
        city_law=city_law,
        category_names=list(TOPICS)[: plan.categories],
        organizer_names=_name_organizers(rng, organizer_topics, organizer_city, city_names),
        organizer_city=organizer_city,
        organizer_topics=organizer_topics.astype(np.float32),
        start=start,
        end=start + rng.integers(2, 9, count) * (HOUR // 2),
        created=created,
        publish_at=publish_at,
        visible_from=visible_from,
        deleted_at=deleted_at,
        is_published=is_published,
        is_upcoming=is_upcoming,
        seats=seats,
        topic=topic,
        city=city,
        organizer=organizer,
        tags=tags,
        tag_count=tag_count,
        titles=_write_titles(rng, [subjects[tag] for tag in tags[:, 0]], city, city_names),
        descriptions=_write_descriptions(rng, tags, tag_count, names),
        locations=[VENUES[venue] for venue in rng.integers(0, len(VENUES), count)],
    )


def _between(rng: np.random.Generator, low: int, high: int, size: int) -> Ints:
    """Draw durations in whole minutes."""
    minute = HOUR // 60
    return rng.integers(low // minute, high // minute, size) * minute


def _draw_starts(rng: np.random.Generator, plan: Plan) -> Ints:
    """Past events fill the history, upcoming ones the next two months; doors open 8:00-19:30."""
    past = plan.now - _between(rng, 3 * HOUR, plan.days * DAY, plan.past_events)
    upcoming = plan.now + _between(rng, 3 * HOUR, 60 * DAY, plan.upcoming_events)
    start = np.concatenate([past, upcoming])
    opened = start // DAY * DAY + rng.integers(16, 40, start.size) * (HOUR // 2)
    same_side = (opened < plan.now - 2 * HOUR) == (start < plan.now)
    reachable = np.abs(opened - plan.now) > 2 * HOUR
    return np.sort(np.where(same_side & reachable, opened, start // HOUR * HOUR))


def _spread_announcements(plan: Plan, created: Ints) -> Ints:
    """Let what would be announced two days ago, all at once, come in over the last weeks."""
    earlier = _between(generator(plan, 5), 0, (plan.quiet_days + 14) * DAY, created.size)
    return np.where(created == plan.now - 2 * DAY, created - earlier, created)


def _draw_organizers(rng: np.random.Generator, weights: NDArray[np.float64], topic: Ints) -> Ints:
    """Let each event be held by somebody whose profile has its topic."""
    organizer = np.empty(topic.size, dtype=np.int64)
    for number in range(weights.shape[1]):
        mine = np.flatnonzero(topic == number)
        organizer[mine] = draw_one(rng, weights[:, number] / weights[:, number].sum(), mine.size)
    return organizer


def _draw_tags(
    rng: np.random.Generator, tag_law: NDArray[np.float64], tag_topic: Ints, topic: Ints
) -> tuple[Ints, Ints]:
    """Give each event its tags by the power law, those of its own topic more often."""
    absent = tag_topic.size
    most = min(MOST_TAGS, absent)
    tag_count = rng.integers(min(FEWEST_TAGS, most), most + 1, topic.size)
    tags = np.empty((topic.size, most), dtype=np.int64)
    for begin in range(0, topic.size, 2000):
        rows = slice(begin, begin + 2000)
        own = tag_topic[None, :] == topic[rows, None]
        weights = (tag_law * np.where(own, TAGS_IN_TOPIC, 1.0)).astype(np.float32)
        tags[rows] = draw_by_weight(rng, weights, most)
    tags[np.arange(most) >= tag_count[:, None]] = absent
    return tags, tag_count


def _name_organizers(
    rng: np.random.Generator, profile: NDArray[np.float64], city: Ints, city_names: list[str]
) -> list[str]:
    """Name each after its leading topic and its home; a number tells namesakes apart."""
    topics, seen, names = list(TOPICS), dict[str, int](), []
    kinds = rng.integers(0, len(ORGANIZER_KINDS), len(city))
    for leading, home, kind in zip(profile.argmax(axis=1), city, kinds, strict=True):
        name = f"{city_names[home]} {topics[leading]} {ORGANIZER_KINDS[kind]}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return names


def _write_titles(
    rng: np.random.Generator, subjects: list[str], city: Ints, city_names: list[str]
) -> list[str]:
    """Write a title about the event's first tag."""
    forms = rng.integers(0, len(TITLES), len(subjects))
    titles = (
        TITLES[form].format(subject=subject, city=city_names[place])
        for form, subject, place in zip(forms, subjects, city, strict=True)
    )
    return [title[0].upper() + title[1:] for title in titles]


def _write_descriptions(
    rng: np.random.Generator, tags: Ints, tag_count: Ints, names: list[str]
) -> list[str]:
    """Write a sentence or two that mentions every tag."""
    forms = rng.integers(0, len(DESCRIPTIONS), len(tags))
    descriptions = []
    for form, row, count in zip(forms, tags, tag_count, strict=True):
        words = [names[tag] for tag in row[:count]]
        listed = " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
        descriptions.append(DESCRIPTIONS[form].format(tags=listed))
    return descriptions
