"""One cutoff: SQL finds candidates, students and features, numpy measures, block by block."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import numpy as np

from app.backtest.calibration import Predictions, sample_pairs
from app.backtest.metrics import first_columns, list_keys, measure
from app.backtest.protocol import GROUPS, Protocol
from app.backtest.rules import rule_keys
from app.copy_rows import Column, RowReader, row_type

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from datetime import datetime

    from asyncpg import Connection, Record
    from numpy.typing import NDArray

    from app.backtest.protocol import Array, Flags, Numbers

SET = "SELECT set_config($1, $2, false)"
SHOW = "SELECT coalesce(current_setting($1, true), '')"

PREPARE = """
SELECT p.known_at, p.candidate_count, p.student_count, p.judged_count
FROM recommender.backtest_prepare($1, $2, $3, $4, $5, $6) AS p
"""

CANDIDATES = """
SELECT
    c.event_id,
    c.organizer_popularity,
    coalesce(extract(EPOCH FROM c.publish_at)::double precision, '-infinity') AS published,
    extract(EPOCH FROM c.start_time)::double precision AS starts
FROM pg_temp.backtest_candidates AS c
ORDER BY c.event_no
"""

STUDENTS = """
SELECT s.user_id, s.is_cold::integer FROM pg_temp.backtest_students AS s ORDER BY s.student_no
"""

MARKS = """
SELECT
    m.student_no,
    m.event_no,
    CASE m.mark WHEN 'truth' THEN 0 WHEN 'masked' THEN 1 ELSE 2 END,
    m.value
FROM pg_temp.backtest_marks AS m
ORDER BY m.student_no, m.event_no, m.mark
"""

BUILD = "SELECT recommender.backtest_features($1, $2, $3)"
FEATURES = "SELECT f.features FROM pg_temp.pair_features AS f ORDER BY f.pair_no"

CANDIDATE_ROW = row_type(
    Column("event_id", ">i4"), Column("popularity"), Column("published"), Column("starts")
)
STUDENT_ROW = row_type(Column("user_id", ">i4"), Column("is_cold", ">i4"))
MARK_ROW = row_type(
    Column("student_no", ">i4"), Column("event_no", ">i4"), Column("mark", ">i4"), Column("value")
)

PAIRS_A_BLOCK = 400_000
"""Of students and candidates, in memory and in temporary tables at once."""


@dataclass(frozen=True, eq=False)
class Contender:
    """A model that is judged: its weights, in the order of its own names."""

    name: str
    feature_names: tuple[str, ...]
    weights: Array


@dataclass(frozen=True, eq=False)
class Window:
    """What is judged at a cutoff; the session's temporary tables hold the same."""

    cutoff: datetime
    known_at: datetime
    protocol: Protocol
    student_count: int
    """People with a truth, before a sample of them was drawn."""
    candidates: NDArray[np.void]
    users: Numbers
    is_cold: Flags
    marks: NDArray[np.void]

    @property
    def emptiness(self) -> str | None:
        """Say in words why there is nothing to judge, if there is nothing."""
        if not len(self.candidates):
            return (
                f"no event that was published by {self.cutoff:%Y-%m-%d %H:%M} starts in the "
                f"{_in_words(self.protocol)} after it"
            )
        if not len(self.users):
            return (
                f"nobody registered after {self.cutoff:%Y-%m-%d %H:%M} for one of its "
                f"{len(self.candidates):,} candidates"
            )
        return None


@dataclass(frozen=True, eq=False)
class Judged:
    """One group of students at one cutoff, a row a list, for every contender and rule."""

    users: Numbers
    metrics: Mapping[str, Array]
    """A column for each of METRICS."""
    tops: Mapping[str, Numbers]
    """The first ten, as columns of the candidates; -1: there were fewer."""


@dataclass(frozen=True, eq=False)
class CutoffResult:
    """What came of a cutoff."""

    cutoff: datetime
    known_at: datetime
    candidate_count: int
    student_count: int
    judged_count: int
    groups: Mapping[str, Judged]
    predictions: Mapping[str, Predictions]
    """Of every contender, on pairs sampled as in training."""


@asynccontextmanager
async def standing_at(connection: Connection[Record], cutoff: datetime) -> AsyncIterator[None]:
    """Let the session stand at a moment as a backtest; afterwards it is as it was.

    A backtest sees no implicit interests: the tables keep only their present, and that knows what
    happened later.
    """
    before = {
        name: await connection.fetchval(SHOW, name)
        for name in ("recommender.as_of", "recommender.is_backtest")
    }
    try:
        await connection.fetchval(SET, "recommender.as_of", cutoff.isoformat())
        await connection.fetchval(SET, "recommender.is_backtest", "on")
        yield
    except BaseException:
        # In a transaction that failed nothing can be set: its rollback does it.
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError):
            await _restore(connection, before)
        raise
    await _restore(connection, before)


async def _restore(connection: Connection[Record], settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        await connection.fetchval(SET, name, value)


async def open_window(
    connection: Connection[Record], cutoff: datetime, protocol: Protocol
) -> Window:
    """Find candidates and students; what is known at recommender.as_of() is the truth."""
    row = await connection.fetchrow(
        PREPARE,
        cutoff,
        protocol.lead,
        protocol.horizon,
        protocol.students,
        protocol.seed,
        protocol.only_students,
    )
    assert row is not None
    students = await _read(connection, STUDENTS, STUDENT_ROW)
    return Window(
        cutoff=cutoff,
        known_at=row["known_at"],
        protocol=protocol,
        student_count=row["student_count"],
        candidates=await _read(connection, CANDIDATES, CANDIDATE_ROW),
        users=students["user_id"].astype(np.int64),
        is_cold=students["is_cold"] == 1,
        marks=await _read(connection, MARKS, MARK_ROW),
    )


async def judge_window(
    connection: Connection[Record],
    window: Window,
    contenders: Sequence[Contender],
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> CutoffResult:
    """Rank every student's candidates by every contender and rule, and measure.

    The session is the one that opened the window. Memory holds a block of students at a time, and
    a few numbers for each student.
    """
    total, width = len(window.users), len(window.candidates)
    step = max(1, PAIRS_A_BLOCK // max(1, width))
    parts: dict[str, list[Judged]] = {group: [] for group in GROUPS}
    predictions: dict[str, list[Predictions]] = {c.name: [] for c in contenders}
    async with standing_at(connection, window.cutoff):
        for first in range(0, total if width else 0, step):
            block = _Block.of(window, first, min(step, total - first))
            keys = dict(block.rules)
            # A set of features at a time: models of one set are never scored with another's.
            for names in dict.fromkeys(contender.feature_names for contender in contenders):
                await connection.execute(BUILD, first, len(block.users), list(names))
                features = await _read_features(connection, len(block.users) * width, len(names))
                for contender in contenders:
                    if contender.feature_names == names:
                        logits = (features @ contender.weights).reshape(block.truth.shape)
                        keys[contender.name] = list_keys(logits)
                        predictions[contender.name].append(block.predictions(logits))
            for group in GROUPS:
                parts[group].append(block.judge(group, keys))
            on_progress(first + len(block.users), total)
    return CutoffResult(
        cutoff=window.cutoff,
        known_at=window.known_at,
        candidate_count=width,
        student_count=window.student_count,
        judged_count=total,
        groups={group: _joined(blocks) for group, blocks in parts.items()},
        predictions={
            name: Predictions.joined(blocks) for name, blocks in predictions.items() if blocks
        },
    )


async def evaluate_cutoff(
    connection: Connection[Record],
    cutoff: datetime,
    contenders: Sequence[Contender],
    protocol: Protocol | None = None,
) -> CutoffResult:
    """Judge models on what happened after a cutoff, up to recommender.as_of().

    Weights that were fitted to what happened after the cutoff are judged on what they have seen.
    Without candidates, or without anybody to judge, the groups are empty.
    """
    window = await open_window(connection, cutoff, protocol or Protocol())
    return await judge_window(connection, window, contenders)


@dataclass(frozen=True, eq=False)
class _Block:
    """Some students with all candidates: a row a student, a column a candidate."""

    window: Window
    users: Numbers
    is_cold: Flags
    allowed: Flags
    truth_weights: Array
    """What a registration after the cutoff weighs in training; 0: there was none."""
    visits: Array
    rules: Mapping[str, Array]

    @classmethod
    def of(cls, window: Window, first: int, count: int) -> _Block:
        users = window.users[first : first + count]
        marks, candidates = window.marks, window.candidates
        begin, end = np.searchsorted(marks["student_no"], [first, first + count])
        marks = marks[begin:end]
        shape = (count, len(candidates))
        place = (marks["student_no"] - first, marks["event_no"])
        values = np.zeros((3, *shape))
        values[(marks["mark"], *place)] = marks["value"]
        truth_weights, masked, visits = values
        return cls(
            window=window,
            users=users,
            is_cold=window.is_cold[first : first + count],
            allowed=masked == 0,
            truth_weights=truth_weights,
            visits=visits,
            rules=rule_keys(
                users=users,
                event_ids=candidates["event_id"].astype(np.int64),
                popularity=candidates["popularity"],
                published=candidates["published"],
                starts=candidates["starts"],
                visits=visits,
                seed=window.protocol.seed,
            ),
        )

    @property
    def truth(self) -> Flags:
        """What came."""
        return np.asarray(self.truth_weights > 0)

    def judge(self, group: str, keys: Mapping[str, Array]) -> Judged:
        """Measure every ranking of the students of a group who have a truth in it."""
        is_new = self.visits == 0 if group == "discovery" else True
        allowed, truth = self.allowed & is_new, self.truth & is_new
        rows = truth.any(axis=1) & (self.is_cold == (group == "cold"))
        allowed, truth = allowed[rows], truth[rows]
        return Judged(
            self.users[rows],
            {name: measure(key[rows], allowed, truth) for name, key in keys.items()},
            {name: first_columns(key[rows], allowed) for name, key in keys.items()},
        )

    def predictions(self, logits: Array) -> Predictions:
        """Give the logits of pairs sampled as in training."""
        protocol = self.window.protocol
        rows, columns, labels = sample_pairs(
            self.allowed,
            self.truth,
            self.users,
            self.window.candidates["event_id"].astype(np.int64),
            negatives_per_positive=protocol.negatives_per_positive,
            seed=protocol.seed,
        )
        weights = np.where(labels == 1, self.truth_weights[rows, columns], 1.0)
        return Predictions(self.users[rows], logits[rows, columns], labels, weights)


def _joined(blocks: list[Judged]) -> Judged:
    if not blocks:
        return Judged(np.empty(0, dtype=np.int64), {}, {})
    names = blocks[0].metrics
    return Judged(
        np.concatenate([block.users for block in blocks]),
        {name: np.concatenate([block.metrics[name] for block in blocks]) for name in names},
        {name: np.concatenate([block.tops[name] for block in blocks]) for name in names},
    )


async def _read(
    connection: Connection[Record], query: str, row: np.dtype[np.void]
) -> NDArray[np.void]:
    """Read all rows of a query; numbers are in the machine's byte order afterwards."""
    pieces: list[NDArray[np.void]] = []
    native = np.dtype(
        [
            (name, row[name].newbyteorder("="))
            for name in row.names or ()
            if not name.startswith(("length of", "column_count"))
        ]
    )
    reader = RowReader(
        row, lambda rows: pieces.append(rows[list(native.names or ())].astype(native))
    )
    await connection.copy_from_query(query, output=reader.take, format="binary")
    return np.concatenate(pieces) if pieces else np.empty(0, native)


async def _read_features(connection: Connection[Record], pairs: int, width: int) -> Array:
    """Read pg_temp.pair_features in the order of pair_no, which is that of the block."""
    features = np.empty((pairs, width))
    count = 0

    def keep(rows: NDArray[np.void]) -> None:
        nonlocal count
        features[count : count + len(rows)] = rows["features"]["value"]
        count += len(rows)

    reader = RowReader(row_type(Column("features", elements=width)), keep)
    await connection.copy_from_query(FEATURES, output=reader.take, format="binary")
    assert count == pairs, f"{count} of {pairs} pairs have features"
    return features


def _in_words(protocol: Protocol) -> str:
    days = protocol.horizon.total_seconds() / 86_400
    return f"{days:g} days"
