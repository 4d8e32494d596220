"""The golden set: what an independent implementation of the reference computes on messy data."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from app.database import connect
from app.dataset import load_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from asyncpg import Connection, Record

    from tests.support.runner import Run

pytestmark = pytest.mark.golden

MOMENT = "2026-03-01T12:00:00+00:00"
TOLERANCE = 1e-9
FEATURES = (
    "bias",
    "overlap_interest_ratio",
    "overlap_history_ratio",
    "same_city",
    "category_match",
    "organizer_match",
    "popularity",
    "days_until",
)


@dataclass(frozen=True)
class Difference:
    """What we may say instead of what the golden set says, to whom and why."""

    language: str
    theirs: str
    ours: str
    why: str


NO_SENTENCES = "no sentences in this language: English is the default here, Romanian was theirs"
NO_LANGUAGE = "no language chosen: English is the default here, Romanian was theirs"

ALLOWED = tuple(
    Difference(language, theirs, ours, why)
    for language, why in (("de", NO_SENTENCES), ("system", NO_LANGUAGE))
    for theirs, ours in (
        ("Interesele tale: ", "Your interests: "),
        ("În apropiere", "Near you"),
        ("Recomandat pentru tine", "Recommended for you"),
    )
)

Pair = tuple[int, int]
Place = tuple[int, int]
"""A student and a rank."""


@dataclass(frozen=True)
class Golden:
    """What the folder holds."""

    eligible: list[int]
    vectors: dict[Pair, tuple[float, ...]]
    logits: dict[Pair, float]
    scores: dict[Pair, float]
    lists: dict[Place, tuple[int, float, str]]


def read_table(directory: Path, name: str) -> list[dict[str, str]]:
    with gzip.open(directory / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> Golden:
    pairs = read_table(golden_dir, "features")
    keys = [(int(row["user_id"]), int(row["event_id"])) for row in pairs]
    return Golden(
        eligible=[int(row["event_id"]) for row in read_table(golden_dir, "eligible_events")],
        vectors={
            key: tuple(float(row[feature]) for feature in FEATURES)
            for key, row in zip(keys, pairs, strict=True)
        },
        logits={key: float(row["z"]) for key, row in zip(keys, pairs, strict=True)},
        scores={key: float(row["score"]) for key, row in zip(keys, pairs, strict=True)},
        lists={
            (int(row["user_id"]), int(row["rank"])): (
                int(row["event_id"]),
                float(row["score"]),
                row["reason"],
            )
            for row in read_table(golden_dir, "user_recommendations")
        },
    )


@pytest.fixture(scope="module")
def connection(database_url: str, golden_dir: Path, run: Run) -> Iterator[Connection[Record]]:
    """Open a session that stands at the frozen moment, the input and the weights loaded."""
    model = json.loads((golden_dir / "weights.json").read_text(encoding="utf-8"))

    async def open_world() -> Connection[Record]:
        connection = await connect(database_url, **{"recommender.as_of": MOMENT})
        await load_dataset(connection, golden_dir / "input")
        await connection.fetchval(
            "SELECT recommender.store_model('golden', $1, $2, '{}')",
            model["feature_names"],
            model["weights"],
        )
        return connection

    connection = run(open_world())
    yield connection
    run(connection.close())


def largest_difference(ours: Mapping[Pair, float], theirs: Mapping[Pair, float]) -> float:
    assert ours.keys() == theirs.keys()
    differences = (abs(ours[key] - theirs[key]) for key in theirs)
    return max(math.inf if math.isnan(difference) else difference for difference in differences)


def test_the_same_events_are_eligible(
    connection: Connection[Record],
    golden: Golden,
    run: Run,
    note: Callable[[str], None],
) -> None:
    rows = run(connection.fetch("SELECT event_id FROM recommender.eligible_events ORDER BY 1"))
    assert [row["event_id"] for row in rows] == sorted(golden.eligible)
    assert len(rows) == 133
    note(f"golden: {len(rows)} eligible events, the same")


def test_every_feature_of_every_pair_agrees(
    connection: Connection[Record],
    golden: Golden,
    run: Run,
    note: Callable[[str], None],
) -> None:
    rows = run(
        connection.fetch(
            "SELECT f.* FROM recommender.user_event_features AS f"
            " INNER JOIN recommender.eligible_events AS e ON e.event_id = f.event_id"
        )
    )
    assert tuple(rows[0].keys()) == ("user_id", "event_id", *FEATURES)
    vectors = {(row["user_id"], row["event_id"]): tuple(row)[2:] for row in rows}
    assert len(rows) == len(vectors) == len(golden.vectors) == 39_900
    worst = {}
    for index, feature in enumerate(FEATURES):
        worst[feature] = largest_difference(
            {key: vector[index] for key, vector in vectors.items()},
            {key: vector[index] for key, vector in golden.vectors.items()},
        )
    assert {feature: size for feature, size in worst.items() if not size <= TOLERANCE} == {}
    note(
        f"golden: {len(rows)} feature vectors agree, largest difference"
        f" {max(worst.values()):.1e} ({max(worst, key=lambda name: worst[name])})"
    )


def test_logit_and_score_of_every_pair_agree(
    connection: Connection[Record],
    golden: Golden,
    run: Run,
    note: Callable[[str], None],
) -> None:
    rows = run(
        connection.fetch(
            """
            SELECT p.user_id, p.event_id, p.logit, recommender.sigmoid(p.logit) AS score
            FROM (
                SELECT
                    f.user_id,
                    f.event_id,
                    (
                        SELECT sum(x.value * x.weight)
                        FROM unnest(
                            ARRAY[
                                f.bias, f.overlap_interest_ratio, f.overlap_history_ratio,
                                f.same_city, f.category_match, f.organizer_match,
                                f.popularity, f.days_until
                            ],
                            m.weights
                        ) AS x (value, weight)
                    ) AS logit
                FROM recommender.current_model() AS m
                CROSS JOIN recommender.user_event_features AS f
                INNER JOIN recommender.eligible_events AS e ON e.event_id = f.event_id
            ) AS p
            """
        )
    )
    logits = {(row["user_id"], row["event_id"]): row["logit"] for row in rows}
    scores = {(row["user_id"], row["event_id"]): row["score"] for row in rows}
    of_logits = largest_difference(logits, golden.logits)
    of_scores = largest_difference(scores, golden.scores)
    assert of_logits <= TOLERANCE
    assert of_scores <= TOLERANCE
    note(f"golden: logits within {of_logits:.1e}, scores within {of_scores:.1e}")


def test_explain_adds_up_to_the_golden_logit(
    connection: Connection[Record], golden: Golden, run: Run
) -> None:
    pairs = sorted(golden.logits)[::401]
    rows = run(
        connection.fetch(
            "SELECT p.user_id, p.event_id, sum(x.contribution) AS logit"
            " FROM unnest($1::integer[], $2::integer[]) AS p (user_id, event_id)"
            " CROSS JOIN LATERAL recommender.explain(p.user_id, p.event_id) AS x"
            " GROUP BY p.user_id, p.event_id",
            [user_id for user_id, _ in pairs],
            [event_id for _, event_id in pairs],
        )
    )
    logits = {(row["user_id"], row["event_id"]): row["logit"] for row in rows}
    expected = {pair: golden.logits[pair] for pair in pairs}
    assert largest_difference(logits, expected) <= TOLERANCE


SCORE_ALL = "CALL recommender.score_all(50, '2026-03-01T12:00:00+00:00')"
SCORE_EACH = "SELECT recommender.score_user(s.user_id, 50) FROM recommender.source_students AS s"


@pytest.mark.parametrize(
    "command", [SCORE_ALL, SCORE_EACH], ids=["score_all", "score_user of each student"]
)
def test_the_lists_hold_the_same_events_in_the_same_order(
    command: str,
    connection: Connection[Record],
    golden: Golden,
    run: Run,
    note: Callable[[str], None],
) -> None:
    run(connection.execute("TRUNCATE user_recommendations, recommendation_lists"))
    run(connection.execute(command))
    rows = run(connection.fetch("SELECT * FROM user_recommendations ORDER BY user_id, rank"))

    assert len(rows) == len(golden.lists) == 15_000
    places = {(row["user_id"], row["rank"]): row for row in rows}
    assert {place: row["event_id"] for place, row in places.items()} == {
        place: event_id for place, (event_id, _, _) in golden.lists.items()
    }
    worst = largest_difference(
        {place: row["score"] for place, row in places.items()},
        {place: score for place, (_, score, _) in golden.lists.items()},
    )
    assert worst <= TOLERANCE
    name = "score_all" if command is SCORE_ALL else "score_user"
    note(f"golden: {name} writes the {len(rows)} rows in order, scores within {worst:.1e}")

    used = assert_reasons_follow_the_rule(connection, golden, places, run)
    allowed = ", ".join(f"{item.language} {item.ours!r} {used[item]}" for item in ALLOWED)
    note(
        f"golden: {name} gives the same reason in {len(rows) - used.total()} rows, and in"
        f" {used.total()} one that is allowed to differ: {allowed}"
    )


def assert_reasons_follow_the_rule(
    connection: Connection[Record], golden: Golden, places: dict[Place, Record], run: Run
) -> Counter[Difference]:
    students = run(
        connection.fetch("SELECT id, lower(btrim(language_preference)) AS language FROM users")
    )
    languages = {student["id"]: student["language"] for student in students}
    used: Counter[Difference] = Counter()
    wrong = []
    for place, (_, _, theirs) in golden.lists.items():
        ours = places[place]["reason"]
        if ours == theirs:
            continue
        for item in ALLOWED:
            if (
                item.language == languages[place[0]]
                and theirs.startswith(item.theirs)
                and ours == item.ours + theirs.removeprefix(item.theirs)
            ):
                used[item] += 1
                break
        else:
            wrong.append((place, theirs, ours))
    assert wrong == []
    assert {item for item in ALLOWED if not used[item]} == set(), "a difference that never occurs"
    return used
