"""Everybody's lists by numpy and scipy: what a good engineer would write instead of the SQL.

What is known comes out of PostgreSQL by binary COPY, a few arrays at a time. A sparse product gives
the logits of a block of students, a partition their best events, and the finished rows go back by
binary COPY while the next block is computed in a thread. The key is built at the end.
"""

from __future__ import annotations

import asyncio
import struct
import time
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy import sparse

from app.console import UserError
from app.population.tables import HEADER, TRAILER
from app.population.world import EPOCH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from asyncpg import Connection, Record
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Reals = NDArray[np.float64]
    Array = NDArray[Any]

BLOCK = 128
"""Students at a time: their logits of 2,000 events stay in the second-level cache."""
BLOCKS_AT_ONCE = 8
SORTED_DIGITS = 1e9
"""recommender.sort_key: lists are sorted by round(logit * 1e9)."""
INTEREST, CITY = "overlap_interest_ratio", "same_city"
NEAR = 0.5
"""From this weight on an event's city is near: the rule of score_students."""
NAMED = 3
"""So many shared interests a reason names."""
NONE = np.uint16(65535)

MODEL = """
    SELECT m.feature_names, m.weights FROM public.recommender_models AS m WHERE m.model_version = $1
"""
# Numbered in order of the text, as reasons name them.
EVENT_TABLES = """
    CREATE TEMPORARY TABLE numpy_events ON COMMIT DROP AS
    SELECT
        e.event_id,
        recommender.base_logit($1, $2, $3, e.seats_taken, e.start_time, $4) AS base
    FROM recommender.eligible_events AS e
"""
ATTRIBUTE_TABLE = """
    CREATE TEMPORARY TABLE numpy_attributes ON COMMIT DROP AS
    SELECT
        (row_number() OVER (ORDER BY a.attribute COLLATE "C", a.feature) - 1)::integer
        AS attribute_no,
        a.feature,
        a.attribute
    FROM recommender.event_attributes_snapshot AS a
    WHERE a.event_id IN (SELECT e.event_id FROM numpy_events AS e)
    GROUP BY a.feature, a.attribute
"""
EVENTS = """
    SELECT array_agg(e.event_id ORDER BY e.event_id), array_agg(e.base ORDER BY e.event_id)
    FROM numpy_events AS e
"""
ATTRIBUTES = "SELECT d.feature, d.attribute FROM numpy_attributes AS d ORDER BY d.attribute_no"
EVENT_ATTRIBUTES = """
    SELECT array_agg(a.event_id), array_agg(d.attribute_no), array_agg(a.value)
    FROM recommender.event_attributes_snapshot AS a
    INNER JOIN numpy_events AS e ON e.event_id = a.event_id
    INNER JOIN numpy_attributes AS d ON d.attribute = a.attribute AND d.feature = a.feature
"""
TEMPLATES = """
    SELECT l.language, t.interests, t.near_you, t.generic
    FROM (
        SELECT NULL AS language
        UNION ALL
        SELECT DISTINCT r.language FROM public.recommendation_reasons AS r
    ) AS l
    CROSS JOIN LATERAL recommender.templates_for(l.language) AS t
    ORDER BY l.language NULLS FIRST
"""
STUDENTS = """
    SELECT
        array_agg(s.user_id ORDER BY s.user_id),
        array_agg(coalesce(array_position($1::text[], s.language), 1) - 1 ORDER BY s.user_id)
    FROM recommender.source_students AS s
    WHERE s.user_id BETWEEN $2 AND $3
"""
# What user_attributes_snapshot says, but for its GROUP BY: numpy takes the largest of a run.
USER_ATTRIBUTES = """
    SELECT
        array_agg(s.user_id),
        array_agg(d.attribute_no),
        array_agg(
            CASE
                WHEN s.source <> 'implicit' THEN 1
                ELSE recommender.attribute_weight(
                    s.source,
                    s.score,
                    s.last_seen_at,
                    (SELECT recommender.as_of()),
                    (SELECT p.decay_half_life_hours FROM recommender.parameters AS p),
                    (SELECT p.implicit_score_cap FROM recommender.parameters AS p)
                )
            END
        )
    FROM recommender.user_attribute_sources_snapshot AS s
    INNER JOIN numpy_attributes AS d ON d.attribute = s.attribute AND d.feature = s.feature
    WHERE s.user_id BETWEEN $1 AND $2
"""
REGISTRATIONS = """
    SELECT array_agg(r.user_id), array_agg(r.event_id)
    FROM recommender.source_registrations AS r
    INNER JOIN numpy_events AS e ON e.event_id = r.event_id
    WHERE r.user_id BETWEEN $1 AND $2
"""
TARGET = (
    "DROP TABLE IF EXISTS bench.{name}",
    "CREATE TABLE bench.{name} (LIKE public.user_recommendations) WITH (fillfactor = 50)",
)
KEY = "ALTER TABLE bench.{name} ADD PRIMARY KEY (user_id, rank)"
COLUMNS = ("user_id", "rank", "event_id", "score", "model_version", "generated_at", "reason")

ELEMENTS = {20: ">i8", 23: ">i4", 701: ">f8"}
"""By the oid of the type: how an element of an array is sent."""


@dataclass(frozen=True)
class Work:
    """Whose lists of which model go where."""

    model: str
    as_of: datetime
    top_n: int
    table: str
    has_reasons: bool = True
    first_user_id: int = 0
    last_user_id: int = 2**31 - 1


@dataclass
class Steps:
    """Seconds of a turn. The rows are computed while the server takes in those before them."""

    pull: float = 0.0
    product: float = 0.0
    """In the thread: products and the best events."""
    reasons: float = 0.0
    """In the thread: which interests are shared, and their texts."""
    rows: float = 0.0
    """In the thread: laying the rows out."""
    push: float = 0.0
    """From the first block to the end of COPY; the three above happen meanwhile."""
    key: float = 0.0

    def take_longer(self, other: Steps) -> None:
        """Of what two did at once, keep what took longer."""
        for step in fields(self):
            longer = max(getattr(self, step.name), getattr(other, step.name))
            setattr(self, step.name, longer)


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Pieces that reasons are put together from; piece 0 is empty."""

    pieces: Array
    """Padded to one width."""
    lengths: Ints
    lead: Ints
    """By language and interest: the beginning of a sentence and the first name."""
    more: Ints
    """By interest: a further name."""
    tail: Ints
    near: Ints
    generic: Ints


@dataclass(frozen=True, kw_only=True)
class Known:
    """What was pulled, as arrays; events in order of their id."""

    event_ids: Ints
    base: Reals
    """Times 1e9, as the products are."""
    contributions: Any
    """Attributes x events, sparse: weight of the feature times value, times 1e9."""
    interest_of: Ints
    """By attribute: its number among the interests; -1: it is none."""
    city_of: Ints
    event_interests: Array
    """Places x events: numbers of interests in order of their names, padded."""
    event_cities: Array
    user_ids: Ints
    language: Ints
    weights: Any
    """Students x attributes, sparse."""
    registered: tuple[Ints, Ints]
    """Rows, in order, and columns."""
    texts: Texts | None
    is_small: bool = field(default=True)
    """Whether the logits leave room for the number of the event in a float64."""


async def write_lists_by_numpy(connection: Connection[Record], work: Work) -> Steps:
    """Pull, score and COPY the rows of a range of students, in one transaction; no key yet."""
    steps = Steps()
    async with connection.transaction(isolation="repeatable_read"):
        started = time.perf_counter()
        known = await _pull(connection, work)
        steps.pull = time.perf_counter() - started
        started = time.perf_counter()
        await connection.copy_to_table(
            work.table,
            schema_name="bench",
            columns=COLUMNS,
            format="binary",
            source=_stream(known, work, steps),
        )
        steps.push = time.perf_counter() - started
    return steps


async def make_target(connection: Connection[Record], table: str) -> None:
    """Make the empty table; outside the clock."""
    for statement in TARGET:
        await connection.execute(statement.format(name=table))


async def build_key(connection: Connection[Record], table: str) -> float:
    """Build the primary key, and give the seconds."""
    started = time.perf_counter()
    await connection.execute(KEY.format(name=table))
    return time.perf_counter() - started


async def _pull(connection: Connection[Record], work: Work) -> Known:
    row = await connection.fetchrow(MODEL, work.model)
    if row is None:
        raise UserError(f"there is no model {work.model}")
    weight = dict(zip(row["feature_names"], row["weights"], strict=True))
    await connection.execute("SELECT set_config('recommender.as_of', $1, true)", str(work.as_of))
    await connection.execute(
        EVENT_TABLES, weight["bias"], weight["popularity"], weight["days_until"], work.as_of
    )
    await connection.execute(ATTRIBUTE_TABLE)
    await connection.execute("ANALYZE numpy_events, numpy_attributes")
    users = (work.first_user_id, work.last_user_id)
    event_ids, base = await _arrays(connection, EVENTS)
    attributes = await connection.fetch(ATTRIBUTES)
    templates = await connection.fetch(TEMPLATES)
    languages = [row["language"] or "" for row in templates]
    event_attributes = await _arrays(connection, EVENT_ATTRIBUTES)
    user_ids, language = await _arrays(connection, STUDENTS, languages, *users)
    owner, attribute, value = await _arrays(connection, USER_ATTRIBUTES, *users)
    registered = await _arrays(connection, REGISTRATIONS, *users)

    features = np.array([row["feature"] for row in attributes], dtype=object)
    interest_of = _number(features == INTEREST)
    city_of = _number(features == CITY)
    factor = np.array([weight[feature] for feature in features], dtype=np.float64)
    place = np.searchsorted(event_ids, event_attributes[0])
    postings = sparse.csr_matrix(
        (
            event_attributes[2] * (factor[event_attributes[1]] * SORTED_DIGITS),
            (event_attributes[1], place),
        ),
        shape=(len(attributes), event_ids.size),
    )
    names = [row["attribute"] for row in attributes if row["feature"] == INTEREST]
    rows = np.searchsorted(user_ids, registered[0])
    known_rows = (
        np.flatnonzero(user_ids[np.minimum(rows, user_ids.size - 1)] == registered[0])
        if (user_ids.size)
        else np.empty(0, dtype=np.int64)
    )
    rows, columns = rows[known_rows], np.searchsorted(event_ids, registered[1][known_rows])
    order = np.argsort(rows, kind="stable")
    weights = _profiles(user_ids, owner, attribute, value, len(attributes))
    most = np.abs(base).max(initial=0.0) * SORTED_DIGITS + (
        np.abs(postings.data).max(initial=0.0) * np.diff(weights.indptr).max(initial=0)
    )
    return Known(
        event_ids=event_ids,
        base=base * SORTED_DIGITS,
        contributions=postings,
        interest_of=interest_of,
        city_of=city_of,
        event_interests=_by_event(place, interest_of[event_attributes[1]], event_ids.size),
        event_cities=_by_event(place, city_of[event_attributes[1]], event_ids.size),
        user_ids=user_ids,
        language=language,
        weights=weights,
        registered=(rows[order], columns[order]),
        texts=_texts(templates, names) if work.has_reasons else None,
        is_small=most * (1 << event_ids.size.bit_length()) < 2**52,
    )


async def _arrays(connection: Connection[Record], query: str, *arguments: Any) -> list[Array]:
    """Fetch one row of arrays: an element costs a tenth of a row."""
    parts: list[bytes] = []

    async def keep(part: bytes) -> None:
        parts.append(part)

    await connection.copy_from_query(query, *arguments, output=keep, format="binary")
    data = b"".join(parts)
    at = len(HEADER)
    (count,) = struct.unpack_from(">h", data, at)
    at += 2
    arrays = []
    for _ in range(count):
        (length,) = struct.unpack_from(">i", data, at)
        at += 4
        arrays.append(_array(data, at) if length > 0 else np.empty(0, dtype=np.int64))
        at += max(length, 0)
    return arrays


def _array(data: bytes, at: int) -> Array:
    dimensions, _, oid = struct.unpack_from(">iii", data, at)
    if dimensions == 0:
        return np.empty(0, dtype=np.int64)
    (size,) = struct.unpack_from(">i", data, at + 12)
    kind = ELEMENTS[oid]
    elements = np.frombuffer(data, [("length", ">i4"), ("value", kind)], size, at + 20)
    values: Array = elements["value"].astype(np.float64 if kind == ">f8" else np.int64)
    return values


def _number(is_one: NDArray[np.bool_]) -> Ints:
    return np.where(is_one, np.cumsum(is_one) - 1, -1)


def _profiles(user_ids: Ints, owner: Ints, attribute: Ints, value: Reals, width: int) -> Any:
    """Make the matrix of students by attributes, in which the largest weight of several counts."""
    key = owner * width + attribute
    if (key[1:] < key[:-1]).any():
        order = np.argsort(key, kind="stable")
        key, owner, attribute, value = key[order], owner[order], attribute[order], value[order]
    is_new = np.ones(key.size, dtype=np.bool_)
    is_new[1:] = key[1:] != key[:-1]
    if not is_new.all():
        begins = np.flatnonzero(is_new)
        value = np.maximum.reduceat(value, begins)
        owner, attribute = owner[begins], attribute[begins]
    # Somebody may have been a student once: what lies between the students' ranges is left out.
    if user_ids.size == 0 or not np.isin(owner, user_ids, assume_unique=False).all():
        kept = np.isin(owner, user_ids)
        owner, attribute, value = owner[kept], attribute[kept], value[kept]
    bounds = np.append(np.searchsorted(owner, user_ids), owner.size)
    return sparse.csr_matrix((value, attribute, bounds), shape=(user_ids.size, width))


def _by_event(place: Ints, numbers: Ints, events: int) -> Array:
    """Lay the numbers of each event below one another; -1, of those without one, are dropped."""
    place, numbers = place[numbers >= 0], numbers[numbers >= 0]
    order = np.lexsort((numbers, place))
    place, numbers = place[order], numbers[order]
    begins = np.searchsorted(place, np.arange(events))
    turn = np.arange(place.size) - begins[place]
    table = np.full((turn.max(initial=-1) + 1, events), -1, dtype=np.int64)
    table[turn, place] = numbers
    return table


def _texts(templates: Sequence[Record], names: Sequence[str]) -> Texts:
    pieces = [b""]

    def add(texts: Sequence[str]) -> Ints:
        pieces.extend(text.encode() for text in texts)
        return np.arange(len(pieces) - len(texts), len(pieces))

    halves = []
    for row in templates:
        if None in (row["interests"], row["near_you"], row["generic"]):
            raise UserError("English lacks a sentence in recommendation_reasons")
        before, *rest = row["interests"].split("%s")
        if len(rest) != 1:
            raise UserError(f"the numpy pipeline fills one %s a sentence: {row['interests']!r}")
        halves.append((before, rest[0]))
    lead = np.array([add([before + name for name in names]) for before, _ in halves])
    more = add([", " + name for name in names])
    tail = np.array([add([after])[0] if after else 0 for _, after in halves])
    near = add([row["near_you"] for row in templates])
    generic = add([row["generic"] for row in templates])
    width = max(map(len, pieces))
    padded = np.zeros(len(pieces), dtype=f"S{width}")
    padded[:] = pieces
    return Texts(
        pieces=padded.view(f"V{width}"),
        lengths=np.array([len(piece) for piece in pieces]),
        lead=lead,
        more=more,
        tail=tail,
        near=near,
        generic=generic,
    )


async def _stream(known: Known, work: Work, steps: Steps) -> AsyncIterator[bytes]:
    """Give the rows block by block, while a thread makes those of the next."""
    yield HEADER
    scratch = _scratch(known, work)
    students = known.user_ids.size if known.event_ids.size else 0
    begins = range(0, students, BLOCK * BLOCKS_AT_ONCE)
    upcoming: asyncio.Task[list[Array]] | None = None

    def make(begin: int) -> list[Array]:
        ends = range(begin, min(begin + BLOCK * BLOCKS_AT_ONCE, students), BLOCK)
        return [_make_block(known, work, scratch, first, steps) for first in ends]

    for number, begin in enumerate(begins):
        if upcoming is None:
            upcoming = asyncio.create_task(asyncio.to_thread(make, begin))
        blocks = await upcoming
        if number + 1 < len(begins):
            upcoming = asyncio.create_task(asyncio.to_thread(make, begins[number + 1]))
        for block in blocks:
            # A view is as good as bytes to asyncpg, and spares a copy.
            yield cast("bytes", block.data)
    yield TRAILER


@dataclass(frozen=True)
class Scratch:
    """Room that all blocks use in turn: new memory costs as much as what is done in it."""

    logits: Reals
    keys: Reals
    places: Reals
    """By column: its place from the end."""
    rows: Array
    """What is the same in all blocks stands in them already."""


def _scratch(known: Known, work: Work) -> Scratch:
    events = known.event_ids.size
    return Scratch(
        logits=np.empty((BLOCK, events)),
        keys=np.empty((BLOCK, events)),
        places=np.arange(events - 1, -1, -1.0),
        rows=_layout(work),
    )


def _layout(work: Work) -> Array:
    model = work.model.encode()
    parts = [
        ("fields", ">i2"), ("user:length", ">i4"), ("user", ">i4"), ("rank:length", ">i4"),
        ("rank", ">i4"), ("event:length", ">i4"), ("event", ">i4"), ("score:length", ">i4"),
        ("score", ">f8"), ("model:length", ">i4"), ("model", f"S{len(model)}"),
        ("moment:length", ">i4"), ("moment", ">i8"), ("reason:length", ">i4"),
    ]  # fmt: skip
    rows = np.empty(BLOCK * work.top_n, dtype=parts)
    for name in ("user", "rank", "event"):
        rows[f"{name}:length"] = 4
    for name in ("score", "moment"):
        rows[f"{name}:length"] = 8
    rows["fields"] = len(COLUMNS)
    rows["rank"] = np.tile(np.arange(1, work.top_n + 1), BLOCK)
    rows["model:length"] = len(model)
    rows["model"] = model
    rows["moment"] = (work.as_of - EPOCH).total_seconds() * 1e6
    rows["reason:length"] = -1
    return rows


def _make_block(known: Known, work: Work, scratch: Scratch, first: int, steps: Steps) -> Array:
    """Make the rows of some students, as COPY wants them."""
    started = time.perf_counter()
    last = min(first + BLOCK, known.user_ids.size)
    weights = known.weights[first:last]
    columns, logits, is_there = _best(known, weights, scratch, first, work.top_n)
    scored = time.perf_counter()
    steps.product += scored - started
    pieces = None
    if known.texts is not None:
        pieces = _reason_pieces(known, known.texts, weights, known.language[first:last], columns)
        steps.reasons += time.perf_counter() - scored
        scored = time.perf_counter()
    size, width = columns.shape
    rows = scratch.rows.reshape(BLOCK, work.top_n)[:size, :width]
    rows["user"] = known.user_ids[first:last, None]
    rows["event"] = known.event_ids[columns]
    rows["score"] = _sigmoid(logits)
    if is_there.all():
        rows = rows.reshape(-1)
    else:
        rows = rows[is_there]
        pieces = None if pieces is None else pieces[is_there.ravel()]
    if pieces is None or known.texts is None:
        block = rows.copy().view(np.uint8)
    else:
        block = _with_texts(np.ascontiguousarray(rows), pieces, known.texts)
    steps.rows += time.perf_counter() - scored
    return block


def _best(
    known: Known, weights: Any, scratch: Scratch, first: int, top_n: int
) -> tuple[Ints, Reals, NDArray[np.bool_]]:
    """Give the columns of the best events, best first, their logits, and which are there."""
    size, events = weights.shape[0], known.event_ids.size
    width = min(top_n, events)
    shared = weights @ known.contributions
    logits, keys = scratch.logits[:size], scratch.keys[:size]
    logits[:] = known.base
    at = np.repeat(np.arange(0, logits.size, events), np.diff(shared.indptr))
    at += shared.indices
    logits.ravel()[at] += shared.data
    np.rint(logits, out=keys)
    begin, end = np.searchsorted(known.registered[0], (first, first + size))
    registered = known.registered[0][begin:end] - first, known.registered[1][begin:end]
    if known.is_small:
        # Ties go to the smaller event: its place from the end is the last digits of the key.
        digits = 1 << events.bit_length()
        keys *= digits
        keys += scratch.places
        keys[registered] = -np.inf
        best = _largest(keys, width)
        is_there = best > -np.inf
        if not is_there.all():
            best[~is_there] = 0
        columns = best.astype(np.int64)
        columns &= digits - 1
        np.subtract(events - 1, columns, out=columns)
        columns[~is_there] = 0
    else:
        keys[registered] = -np.inf
        columns = np.argsort(-keys, axis=1, kind="stable")[:, :width]
        is_there = np.take_along_axis(keys, columns, axis=1) > -np.inf
    at = columns + np.arange(0, logits.size, events)[:, None]
    return columns, logits.ravel().take(at) / SORTED_DIGITS, is_there


def _largest(keys: Reals, width: int) -> Reals:
    """Give the largest of each row, in order.

    Of the largest of groups the width-th is a bound that at least so many reach, and few more do:
    that is three times as fast as a partition of all.
    """
    size, events = keys.shape
    groups = 1 << (2 * width).bit_length()
    if events < 4 * groups:
        best = np.partition(keys, events - width, axis=1)[:, events - width :]
        best.sort(axis=1)
        return best[:, ::-1].copy()
    depth = events // groups
    tops = keys[:, : depth * groups].reshape(size, depth, groups).max(axis=1)
    tops.sort(axis=1)
    at = np.flatnonzero(keys >= tops[:, groups - width, None])
    row = at // events
    counts = np.bincount(row, minlength=size)
    turn = np.arange(at.size) - np.repeat(np.cumsum(counts) - counts, counts)
    found = np.full((size, counts.max()), -np.inf)
    found[row, turn] = keys.ravel()[at]
    found.sort(axis=1)
    return found[:, : -width - 1 : -1].copy()


def _sigmoid(logits: Reals) -> Reals:
    tail = np.exp(-np.minimum(np.abs(logits), 700))
    scores: Reals = np.where(logits >= 0, 1, tail) / (1 + tail)
    return scores


def _reason_pieces(known: Known, texts: Texts, weights: Any, language: Ints, columns: Ints) -> Ints:
    """Say of which pieces the reason of each row consists."""
    students = columns.shape[0]
    row = np.repeat(np.arange(students), np.diff(weights.indptr))
    language = np.repeat(language, columns.shape[1])
    at = columns.ravel()
    owner = np.repeat(np.arange(students), columns.shape[1])

    cities = known.city_of.max(initial=-1) + 2
    is_near = np.zeros((students, cities), dtype=np.bool_)
    city = known.city_of[weights.indices]
    lives = (city >= 0) & (weights.data >= NEAR)
    is_near[row[lives], city[lives]] = True
    near = np.zeros(at.size, dtype=np.bool_)
    for place in known.event_cities:
        near |= is_near[owner, place[at]]

    interest = known.interest_of[weights.indices]
    has = (interest >= 0) & (weights.data > 0)
    row, interest, weight = row[has], interest[has], weights.data[has]
    if (weight != 1).any():
        order = np.lexsort((interest, -weight, row))
        row, interest = row[order], interest[order]
    turn = np.arange(row.size) - np.searchsorted(row, np.arange(students))[row]
    interests = known.interest_of.max(initial=-1) + 2
    # By student and interest: how many they have that are heavier. The last column stands for -1.
    turns = np.full((students, interests), NONE, dtype=np.uint16)
    turns[row, interest] = turn
    by_turn = np.zeros((students, turn.max(initial=0) + 1), dtype=np.int64)
    by_turn[row, turn] = interest

    base = owner * interests
    shared = np.empty((known.event_interests.shape[0], at.size), dtype=np.uint16)
    for place, numbers in enumerate(known.event_interests):
        where = base + np.where(numbers < 0, interests - 1, numbers)[at]
        shared[place] = turns.ravel().take(where)
    pieces = np.zeros((at.size, NAMED + 1), dtype=np.int64)
    for named in range(min(NAMED, shared.shape[0])):
        lightest = shared.min(axis=0)
        rows = np.flatnonzero(lightest != NONE)
        if not rows.size:
            break
        name = by_turn[owner[rows], lightest[rows]]
        pieces[rows, named] = texts.more[name] if named else texts.lead[language[rows], name]
        shared[shared == lightest] = NONE
        if named == 0:
            pieces[rows, NAMED] = texts.tail[language[rows]]
    nothing = np.flatnonzero(pieces[:, 0] == 0)
    pieces[nothing, 0] = np.where(
        near[nothing], texts.near[language[nothing]], texts.generic[language[nothing]]
    )
    return pieces


def _with_texts(rows: Array, pieces: Ints, texts: Texts) -> Array:
    """Put the texts behind the rows.

    A piece is written in its padded width, at any byte; what it writes beyond its end is written
    over by the pieces after it, which come later, and by the rows, which come last.
    """
    size, width = rows.dtype.itemsize, texts.pieces.dtype.itemsize
    lengths = texts.lengths[pieces]
    total = lengths.sum(axis=1)
    rows["reason:length"] = total
    ends = np.cumsum(total + size)
    begins = ends - total - size
    out = np.empty(int(ends[-1]) + width if ends.size else 0, dtype=np.uint8)
    at = np.cumsum(lengths, axis=1) - lengths + (begins + size)[:, None]
    is_used = pieces > 0
    _anywhere(out, width)[at[is_used]] = texts.pieces[pieces[is_used]]
    _anywhere(out, size)[begins] = rows.view(f"V{size}")
    return out[: int(ends[-1])] if ends.size else out


def _anywhere(out: Array, width: int) -> Array:
    """See a buffer as items of that width, one beginning at each byte."""
    return np.ndarray(
        max(out.size - width + 1, 0), dtype=f"V{width}", buffer=out.data, strides=(1,)
    )
