"""Weeks of traffic that never was, judged by the guardrails' own SQL at a daily look."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

METHODS = ("ratio", "sequential")

# A student has a habit of 1 to 5 impressions a day, and a day 0 to twice that; so 3 on average. The
# student's rates are drawn from Beta(1, 1 / mean - 1), whose quantile is a formula, and the effect
# multiplies them. Each draw is a hash of seed, week, student and what it is for: hashint8extended
# would XOR the halves of its key, so each key has a round of its own. The 53 lower bits of a hash,
# as a share of 2^53, are a uniform number.
SIMULATE = """
WITH plan AS (
    SELECT
        $3::bigint AS seed,
        $4::integer AS students,
        $5::integer AS treated_students,
        $6::float8 AS ctr,
        $7::float8 AS conversion,
        1 + $8::float8 AS ctr_factor,
        1 + $9::float8 AS conversion_factor
),

students AS MATERIALIZED (
    SELECT
        w.week,
        s.student,
        s.student <= p.treated_students AS is_treated,
        h.hash,
        1 + (hashint4extended(-1, h.hash) & 9007199254740991) % 5 AS habit,
        (
            least(1, CASE WHEN s.student <= p.treated_students THEN p.ctr_factor ELSE 1 END * (
                1 - ((hashint4extended(-2, h.hash) & 9007199254740991) / 9007199254740992.0::float8)
                ^ (p.ctr / (1 - p.ctr))
            )) * 9007199254740992
        )::bigint AS click_below,
        (
            least(
                1, CASE WHEN s.student <= p.treated_students THEN p.conversion_factor ELSE 1 END * (
                    1 - (
                        (hashint4extended(-3, h.hash) & 9007199254740991)
                        / 9007199254740992.0::float8
                    ) ^ (p.conversion / (1 - p.conversion))
                )
            ) * 9007199254740992
        )::bigint AS register_below
    FROM plan AS p
    CROSS JOIN generate_series($1::integer, $2::integer) AS w (week)
    CROSS JOIN generate_series(1, p.students) AS s (student)
    CROSS JOIN LATERAL (
        SELECT hashint4extended(s.student, hashint4extended(w.week, p.seed)) AS hash
    ) AS h
),

student_days AS (
    SELECT
        s.week,
        s.student,
        s.is_treated,
        d.day,
        i.impressions,
        c.clicks,
        c.conversions
    FROM students AS s
    CROSS JOIN generate_series(1, $10::integer) AS d (day)
    CROSS JOIN LATERAL (SELECT hashint4extended(d.day, s.hash) AS hash) AS h
    CROSS JOIN LATERAL (
        SELECT ((h.hash & 9007199254740991) % (2 * s.habit + 1))::integer AS impressions
    ) AS i
    CROSS JOIN LATERAL (
        SELECT
            count(*)::integer AS clicks,
            count(*) FILTER (
                WHERE (hashint4extended(-n.draw, h.hash) & 9007199254740991) < s.register_below
            )::integer AS conversions
        FROM generate_series(1, i.impressions) AS n (draw)
        WHERE (hashint4extended(n.draw, h.hash) & 9007199254740991) < s.click_below
    ) AS c
),

totals AS (
    SELECT
        d.week,
        d.day,
        d.is_treated,
        (sum(d.impressions) OVER looked_at)::integer AS impressions,
        (sum(d.clicks) OVER looked_at)::integer AS clicks,
        (sum(d.conversions) OVER looked_at)::integer AS conversions
    FROM student_days AS d
    WINDOW looked_at AS (
        PARTITION BY d.week, d.student
        ORDER BY d.day
        ROWS BETWEEN $14::integer - 1 PRECEDING AND CURRENT ROW
    )
),

sums AS (
    SELECT
        t.week,
        t.day,
        t.is_treated,
        sum(t.impressions) AS impressions,
        sum(t.clicks) AS clicks,
        sum(t.conversions) AS conversions,
        jsonb_build_object(
            'trials', sum(t.impressions),
            'hits', sum(t.clicks),
            'trial_squares', sum(t.impressions * t.impressions),
            'trial_hits', sum(t.impressions * t.clicks),
            'hit_squares', sum(t.clicks * t.clicks)
        ) AS ctr,
        jsonb_build_object(
            'trials', sum(t.clicks),
            'hits', sum(t.conversions),
            'trial_squares', sum(t.clicks * t.clicks),
            'trial_hits', sum(t.clicks * t.conversions),
            'hit_squares', sum(t.conversions * t.conversions)
        ) AS conversion
    FROM totals AS t
    GROUP BY t.week, t.day, t.is_treated
),

looks AS (
    SELECT
        r.week,
        r.day,
        r.impressions,
        -- The decision itself, of a row as an evaluation would store it.
        jsonb_build_object(
            'window_from', '1970-01-01Z',
            'min_impressions', $13::integer,
            'ctr_drop_ratio', $11::float8,
            'conversion_drop_ratio', $12::float8,
            'recommended_impressions', r.impressions,
            'recommended_clicks', r.clicks,
            'recommended_conversions', r.conversions,
            'time_impressions', t.impressions,
            'time_clicks', t.clicks,
            'time_conversions', t.conversions,
            'statistics', jsonb_build_object('moments', jsonb_build_object(
                'ctr', jsonb_build_object('recommended', r.ctr, 'time', t.ctr),
                'conversion', jsonb_build_object('recommended', r.conversion, 'time', t.conversion)
            ))
        ) AS evaluation
    FROM sums AS r
    INNER JOIN sums AS t ON t.week = r.week AND t.day = r.day AND NOT t.is_treated
    WHERE r.is_treated
)

SELECT
    k.week,
    max(k.impressions)::bigint AS impressions,
    min(k.day) FILTER (WHERE j.verdict = 'worse' AND m.method = 'ratio') AS ratio,
    min(k.day) FILTER (WHERE j.verdict = 'worse' AND m.method = 'sequential') AS sequential
FROM looks AS k
CROSS JOIN (VALUES ('ratio'), ('sequential')) AS m (method)
CROSS JOIN LATERAL recommender._judge_guardrail(jsonb_populate_record(
    NULL::public.guardrail_evaluations, k.evaluation || jsonb_build_object('method', m.method)
)) AS j
GROUP BY k.week
ORDER BY k.week
"""

BATCH_STUDENTS = 100_000
"""As many students are simulated in one statement, in whole weeks."""


@dataclass(frozen=True)
class Experiment:
    """What is true of the students, and what the guardrails allow. Rates and drops are shares."""

    weeks: int = 1000
    students: int = 1900
    percent: int = 50
    days: int = 7
    window_days: int = 365
    ctr: float = 0.1
    conversion: float = 0.2
    drop: float = 0.3
    conversion_drop: float = 0.3
    effect: float = 0.0
    conversion_effect: float = 0.0
    min_impressions: int = 200
    seed: int = 1337

    @property
    def treated_students(self) -> int:
        """How many students see the recommended sort."""
        return round(self.students * self.percent / 100)

    def batches(self) -> Iterator[tuple[int, int]]:
        """Give the first and the last week of each statement."""
        size = max(1, BATCH_STUDENTS // self.students)
        for first in range(1, self.weeks + 1, size):
            yield first, min(first + size - 1, self.weeks)


@dataclass(frozen=True)
class Week:
    """Impressions of the recommended sort, and the day on which each method rolled back."""

    impressions: int
    ratio: int | None
    sequential: int | None


async def simulate_weeks(
    connection: Connection[Record], experiment: Experiment, first: int, last: int
) -> list[Week]:
    """Simulate some of the weeks; which other weeks there are makes no difference to them."""
    rows = await connection.fetch(
        SIMULATE,
        first,
        last,
        experiment.seed,
        experiment.students,
        experiment.treated_students,
        experiment.ctr,
        experiment.conversion,
        experiment.effect,
        experiment.conversion_effect,
        experiment.days,
        experiment.drop,
        experiment.conversion_drop,
        experiment.min_impressions,
        experiment.window_days,
    )
    return [Week(row["impressions"], row["ratio"], row["sequential"]) for row in rows]


@dataclass(frozen=True)
class Summary:
    """How often a method rolled back, and after how many days where it did."""

    method: str
    weeks: int
    rollbacks: int
    mean_days: float | None

    @property
    def share(self) -> float:
        """The share of weeks with a rollback."""
        return self.rollbacks / self.weeks

    def as_json(self) -> dict[str, Any]:
        """Give the figures as an object."""
        return {
            "method": self.method,
            "weeks": self.weeks,
            "rollbacks": self.rollbacks,
            "share": self.share,
            "mean_days": self.mean_days,
        }


def summarize(weeks: list[Week], method: str) -> Summary:
    """Count the weeks in which the method rolled back."""
    days = [day for week in weeks if (day := getattr(week, method)) is not None]
    return Summary(method, len(weeks), len(days), sum(days) / len(days) if days else None)


def describe(summary: Summary) -> str:
    """Say one method's result in a line."""
    when = "" if summary.mean_days is None else f", after {summary.mean_days:.1f} days on average"
    return (
        f"{summary.method}: rolled back in {summary.rollbacks:,} of {summary.weeks:,} weeks"
        f" ({summary.share:.1%}){when}"
    )


def to_json(experiment: Experiment, weeks: list[Week], summaries: list[Summary]) -> str:
    """Give everything as one JSON document."""
    return json.dumps(
        {
            "experiment": vars(experiment),
            "mean_impressions": sum(week.impressions for week in weeks) / len(weeks),
            "methods": [summary.as_json() for summary in summaries],
        }
    )
