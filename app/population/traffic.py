"""Days of visits to the list of events: what students were shown then, and what they did.

A student in the experiment sees the list that the recommender ranks at the beginning of the day,
with the model that was active; others see what starts next. Whether they click is a matter of
their own tastes, which no model knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from app.console import UserError
from app.population.catalogue import UNKNOWN, describe_events, fetch_events
from app.population.crowd import chunk_sizes, gather_crowd
from app.population.plans import kept_plans
from app.population.students import (
    NOTHING,
    SECOND,
    Interactions,
    Visits,
    ask,
    follow_up,
    give_back,
    render,
    unregistered,
)
from app.population.tables import BulkWriter
from app.population.world import DAY, HOUR, NEVER, build_world, microseconds, moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from asyncpg import Connection, Record
    from numpy.typing import NDArray

    from app.population.catalogue import Catalogue, Seats
    from app.population.crowd import Crowd
    from app.population.plans import KeptPlan
    from app.population.tables import Column
    from app.population.world import Flags, Ints, World

PAGE = 20
RANKED = 50
SORTS = ("time", "recommended")
LISTED = [
    {"source": "events_list", "sort": sort, "position": position, "sort_explicit": False}
    for sort in SORTS
    for position in range(PAGE)
]
LAST_ENTRY = 20 * HOUR // 60
"""Before the end of a day: what follows a visit ends within it."""

HOURS = np.array(
    [1, 1, 1, 1, 1, 2, 4, 7, 9, 10, 11, 12, 12, 11, 10, 10, 11, 13, 15, 16, 14, 10, 6, 3]
)
"""How many come in each hour of the day, UTC, beside each other."""
WEEKDAYS = (1.08, 1.1, 1.06, 1.04, 0.9, 0.84, 0.98)
"""Monday to Sunday; day 0 of PostgreSQL is a Saturday."""
MODEL = """
    SELECT coalesce(
        (
            SELECT a.model_version
            FROM public.model_activations AS a
            WHERE a.activated_at <= $1 AND a.model_version IN (
                SELECT m.model_version FROM public.recommender_models AS m
            )
            ORDER BY a.activated_at DESC, a.id DESC
            LIMIT 1
        ),
        -- Before the first one: the one there is.
        (recommender.current_model()).model_version
    )
"""
STAND_AT = """
    SELECT
        set_config('recommender.as_of', $1, true),
        set_config('recommender.recommender_model_version', $2, true)
"""
RANK = """
    SELECT v.user_id, array_agg(k.event_id ORDER BY k.rank) AS event_ids
    FROM unnest($1::integer[]) AS v (user_id)
    CROSS JOIN LATERAL recommender.rank_events(v.user_id, $2) AS k
    GROUP BY v.user_id
"""
LAST_ID = "SELECT coalesce(max(i.id), 0) FROM public.event_interactions AS i"
LEARN = """
    SELECT count(recommender._learn_interests(v.user_id, v.types, v.event_ids, v.metas, v.at))
    FROM (
        SELECT
            i.user_id,
            array_agg(i.interaction_type ORDER BY i.id) AS types,
            array_agg(i.event_id ORDER BY i.id) AS event_ids,
            array_agg(i.meta ORDER BY i.id) AS metas,
            max(i.occurred_at) AS at
        FROM public.event_interactions AS i
        WHERE i.id > $1 AND i.user_id = ANY ($2) AND i.interaction_type <> 'impression'
        GROUP BY i.user_id
        ORDER BY i.user_id
    ) AS v
"""
IS_LEARNING = "SELECT p.learning_enabled FROM recommender.parameters AS p"
PARTITIONS = "SELECT recommender.create_interaction_partitions($1::date, $2::date)"


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Which days, and how busy they are. Same traffic on the same database, same rows."""

    until: datetime
    days: int
    visits: float
    """Of a student a day, on average; at most one is made."""
    seed: int

    def starts(self) -> list[int]:
        """Give the beginning of each day, which need not be midnight, as PostgreSQL's moments."""
        return [microseconds(self.until) - day * DAY for day in range(self.days, 0, -1)]


@dataclass
class Totals:
    """What a traffic came to."""

    visits: int = 0
    registrations: int = 0
    favourites: int = 0
    impressions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SORTS, 0))
    clicks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SORTS, 0))


async def simulate_traffic(
    connection: Connection[Record],
    traffic: Traffic,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Totals:
    """Let the students of the synthetic populations visit; all or nothing."""
    totals, done = Totals(), 0
    since = traffic.until - timedelta(days=traffic.days)
    async with connection.transaction():
        kept = await kept_plans(connection)
        if not kept:
            raise UserError(
                "there is no synthetic population here whose tastes are known, and nothing was"
                " written: make one in an empty database with"
                " .venv/bin/python scripts/generate_population.py"
            )
        await connection.execute(PARTITIONS, since.date(), traffic.until.date())
        rows, seats = await fetch_events(connection, since)
        writer = BulkWriter(connection)
        is_learning = bool(await connection.fetchval(IS_LEARNING))
        total = traffic.days * sum(len(chunk_sizes(one)) for one in kept)
        for one in kept:
            world = build_world(one.plan)
            catalogue = describe_events(rows, one, world)
            for number, size in enumerate(chunk_sizes(one)):
                crowd = await gather_crowd(connection, one, world, catalogue, number)
                street = Street(
                    connection=connection,
                    writer=writer,
                    traffic=traffic,
                    kept=one,
                    world=world,
                    catalogue=catalogue,
                    seats=seats,
                    crowd=crowd,
                    is_learning=is_learning,
                    habit=_rng(traffic, one, number).gamma(1.6, 1 / 1.6, size),
                    totals=totals,
                )
                for start in traffic.starts():
                    await street.pass_day(_rng(traffic, one, number, start // HOUR % 2**32), start)
                    done += 1
                    on_progress(done, total)
    return totals


def _rng(traffic: Traffic, kept: KeptPlan, *stage: int) -> np.random.Generator:
    return np.random.default_rng([traffic.seed, kept.plan.seed, kept.first_student_id, *stage])


@dataclass(kw_only=True)
class Street:
    """What one chunk of students needs to go through its days."""

    connection: Connection[Record]
    writer: BulkWriter
    traffic: Traffic
    kept: KeptPlan
    world: World
    catalogue: Catalogue
    seats: Seats
    crowd: Crowd
    is_learning: bool
    habit: NDArray[np.float64]
    """How often each student comes, beside the others."""
    totals: Totals

    async def pass_day(self, rng: np.random.Generator, start: int) -> None:
        """Let those come who come on this day, and write down what they do."""
        crowd, catalogue = self.crowd, self.catalogue
        visits = self._draw_visits(rng, start)
        ranked = await self._rank(visits, start)
        shown, position, is_recommended = self._show_lists(rng, visits, ranked)
        clicked = self._click(rng, shown, position)
        viewed, dwelt, shared, saved, joined = (
            self._in_time(done) for done in follow_up(rng, catalogue, crowd.liking, clicked)
        )
        saved = _keep(saved, self._first_saves(saved))
        joined = _keep(joined, self._seated(joined))
        until = microseconds(self.traffic.until)
        left_at = give_back(rng, catalogue.gone_at[joined.event], until, joined)
        asked = ask(rng, self.kept.plan, self.world, crowd.tastes, visits)
        interactions = [shown, clicked, viewed, dwelt, shared, saved, joined]
        interactions += [unregistered(joined, left_at), *asked]
        is_over = (catalogue.end[joined.event] < until) & (left_at == NEVER)
        attended = is_over & (rng.random(joined.at.size) < 0.78)
        await self._write_seats(joined, left_at, attended, saved)
        await self._write_interactions(interactions, visits)
        self.totals.visits += visits.student.size
        self.totals.registrations += joined.student.size
        self.totals.favourites += saved.student.size
        self._count(shown, clicked, visits.student[is_recommended])

    def _draw_visits(self, rng: np.random.Generator, start: int) -> Visits:
        size = self.crowd.user_id.size
        weekday = int((start + DAY // 2) // DAY - 2) % 7
        busy = WEEKDAYS[weekday] * rng.lognormal(0, 0.12)
        comes = rng.random(size) < -np.expm1(-self.traffic.visits * busy * self.habit)
        hour = rng.choice(24, size, p=HOURS / HOURS.sum())
        minute = hour * HOUR + rng.integers(0, HOUR, size)
        at = start + (minute - start) % DAY
        comes &= (at > start + HOUR // 60) & (at < start + DAY - LAST_ENTRY)
        comes &= (self.crowd.created != NEVER) & (self.crowd.created < at)
        student = np.flatnonzero(comes)
        return Visits(student=student, at=at[student], is_treated=self.crowd.is_treated[student])

    async def _rank(self, visits: Visits, start: int) -> Ints:
        """Give the list of each visitor who is shown one, as it was when the day began."""
        ranked = np.full((visits.student.size, RANKED), UNKNOWN)
        has_list = visits.is_treated & (self.crowd.created[visits.student] < start)
        ids = self.crowd.user_id[visits.student[has_list]]
        at = moment(start)
        assert at is not None
        version = await self.connection.fetchval(MODEL, at)
        await self.connection.execute(STAND_AT, at.isoformat(), version)
        place_of = dict(zip(ids.tolist(), np.flatnonzero(has_list).tolist(), strict=True))
        for row in await self.connection.fetch(RANK, ids.tolist(), RANKED):
            found = np.array(row["event_ids"], dtype=np.int64)
            ranked[place_of[row["user_id"]], : found.size] = self.catalogue.places(found)
        await self.connection.execute(STAND_AT, "", "")
        return ranked

    def _show_lists(
        self, rng: np.random.Generator, visits: Visits, ranked: Ints
    ) -> tuple[Interactions, Ints, Flags]:
        """Show a page to each visitor; give the positions, and who saw a recommended one."""
        student, count = visits.student, self.catalogue.id.size
        listed = self.catalogue.shown_at(visits.at) & ~self.crowd.excluded[student]
        # As the server: who registered, and what is full, is left in the list by time.
        open_to = listed & ~self.crowd.registered[student] & (self.seats.left > 0)
        is_ranked = ranked != UNKNOWN
        if count:
            is_ranked &= np.take_along_axis(open_to, ranked.clip(0), axis=1)
        is_recommended = is_ranked.any(axis=1)
        page = np.where(
            is_recommended[:, None],
            _first_page(np.where(is_ranked, ranked, UNKNOWN)),
            _first_page(np.where(listed, np.arange(count), UNKNOWN)),
        )
        depth = np.minimum(PAGE, 3 + rng.geometric(0.14, student.size))
        row, position = np.nonzero((np.arange(PAGE) < depth[:, None]) & (page != UNKNOWN))
        shown = Interactions(
            kind="impression",
            student=student[row],
            event=page[row, position],
            at=visits.at[row] + (1 + position) * SECOND,
            meta=render(LISTED, is_recommended[row] * PAGE + position),
        )
        kept = shown.at < self.catalogue.gone_at[shown.event]
        return _keep(shown, kept), position[kept], is_recommended

    def _click(self, rng: np.random.Generator, shown: Interactions, position: Ints) -> Interactions:
        """Click what is liked, less down the list, and less what was seen or clicked before."""
        crowd, pair = self.crowd, (shown.student, shown.event)
        liking = crowd.liking.affinity(self.catalogue, *pair)
        chance = 1 / (1 + np.exp(3.5 - 3.3 * liking)) / (1 + 0.1 * position)
        chance *= 0.94 ** crowd.seen[pair].clip(max=8)
        chance *= np.where(crowd.clicked[pair] | crowd.registered[pair], 0.4, 1)
        hit = rng.random(chance.size) < chance
        clicked = _keep(shown, hit)
        clicked.kind = "click"
        clicked.at = clicked.at + rng.integers(4, 60, int(hit.sum())) * SECOND
        clicked = self._in_time(clicked)
        crowd.seen[pair] += 1
        crowd.clicked[clicked.student, clicked.event] = True
        return clicked

    def _in_time(self, done: Interactions) -> Interactions:
        """Leave out what would be done with an event that has begun or was called off."""
        return _keep(done, done.at < self.catalogue.gone_at[done.event])

    def _first_saves(self, saved: Interactions) -> Flags:
        pair = saved.student, saved.event
        new = ~self.crowd.saved[pair]
        self.crowd.saved[pair] = True
        return new

    def _seated(self, joined: Interactions) -> Flags:
        """Give the seats that are left to those who come first."""
        seated = np.zeros(joined.at.size, dtype=np.bool_)
        for row in np.argsort(joined.at, kind="stable"):
            pair = joined.student[row], joined.event[row]
            if not self.crowd.registered[pair] and self.seats.take(joined.event[row]):
                self.crowd.registered[pair] = seated[row] = True
        return seated

    async def _write_seats(
        self, joined: Interactions, left_at: Ints, attended: Flags, saved: Interactions
    ) -> None:
        kept = left_at == NEVER

        def registrations(chosen: Flags) -> dict[str, Column]:
            return {
                "user_id": self.crowd.user_id[joined.student[chosen]],
                "event_id": self.catalogue.id[joined.event[chosen]],
                "registration_time": joined.at[chosen],
                "attended": attended[chosen],
                "deleted_at": left_at[chosen],
            }

        await self.writer.write(
            "registrations", registrations(kept) | {"deleted_at": None}, registrations(~kept)
        )
        await self.writer.write(
            "favorite_events",
            {
                "user_id": self.crowd.user_id[saved.student],
                "event_id": self.catalogue.id[saved.event],
                "created_at": saved.at,
            },
        )

    async def _write_interactions(self, interactions: list[Interactions], visits: Visits) -> None:
        before = await self.connection.fetchval(LAST_ID)
        await self.writer.write(
            "event_interactions",
            *(
                {
                    "user_id": self.crowd.user_id[done.student],
                    "event_id": None
                    if (done.event == NOTHING).all()
                    else self.catalogue.id[done.event],
                    "interaction_type": done.kind.encode(),
                    "occurred_at": done.at,
                    "meta": done.meta,
                }
                for done in interactions
            ),
        )
        if self.is_learning:
            ids = self.crowd.user_id[visits.student].tolist()
            await self.connection.execute(LEARN, before, ids)

    def _count(self, shown: Interactions, clicked: Interactions, recommended_to: Ints) -> None:
        counted = (self.totals.impressions, shown), (self.totals.clicks, clicked)
        for counts, done in counted:
            recommended = int(np.isin(done.student, recommended_to).sum())
            counts["recommended"] += recommended
            counts["time"] += done.student.size - recommended


def _first_page(events: Ints) -> Ints:
    """Move what is UNKNOWN behind the rest, and give one page of each row."""
    order = np.argsort(events == UNKNOWN, axis=1, kind="stable")[:, :PAGE]
    page = np.full((len(events), PAGE), UNKNOWN)
    page[:, : order.shape[1]] = np.take_along_axis(events, order, axis=1)
    return page


def _keep(done: Interactions, chosen: Flags) -> Interactions:
    return Interactions(
        kind=done.kind,
        student=done.student[chosen],
        event=done.event[chosen],
        at=done.at[chosen],
        meta=done.meta[chosen],
    )
