"""A site that learns from what is sent to it: what the benchmarks of telemetry begin with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.database import connect
from app.lists import write_lists
from app.population import Plan, generate_population
from app.schema import migrate
from scripts.bench.measure import say

if TYPE_CHECKING:
    import argparse

    from asyncpg import Connection, Record

INTERACTIONS = "/api/analytics/interactions"
TOP_N = 50
MODEL = "bench"
WEIGHTS = [-1.5, 2.0, 1.2, 0.7, 0.9, 0.5, 0.6, -0.4]
"""In the order of recommender.feature_names(); of the size that training gives."""
SETTINGS = {
    "TASK_QUEUE_ENABLED": "true",
    "RECOMMENDATIONS_ONLINE_LEARNING_ENABLED": "true",
    "RECOMMENDATIONS_REALTIME_REFRESH_ENABLED": "true",
    # A student here sends in a second what a page sends in an hour.
    "ANALYTICS_RATE_LIMIT": "1000000",
}
"""What the processes of the site have in their environment."""
THROTTLE = """
    INSERT INTO public.recommender_settings AS s (name, value, source)
    VALUES ('recommendations_realtime_refresh_min_interval_seconds', $1, 'admin')
    ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
STUDENTS = """
    SELECT s.user_id
    FROM recommender.source_students AS s
    INNER JOIN recommender.source_users AS u ON u.user_id = s.user_id
    WHERE u.is_active
    ORDER BY s.user_id
"""


async def build_site(
    url: str, connection: Connection[Record], options: argparse.Namespace
) -> list[int]:
    """Make students, events, a model and lists, as of now; give the students that may ask."""
    say("migrating")
    await migrate(connection)
    say(f"generating {options.students:,} students and {options.events:,} upcoming events")
    plan = Plan(
        as_of=datetime.now(UTC).replace(microsecond=0),
        shape="lively",
        students=options.students,
        upcoming_events=options.events,
        past_events=min(options.events, 2000),
        organizers=max(6, options.events // 12),
        tags=500,
        categories=16,
        cities=8,
        days=90,
        interactions_per_student=60.0,
        experiment_percent=50,
        zipf=1.0,
        seed=options.seed,
    )
    await generate_population(connection, plan)
    await connection.execute("VACUUM (ANALYZE)")
    await connection.fetchval(
        "SELECT recommender.store_model($1, recommender.feature_names(), $2, '{}')", MODEL, WEIGHTS
    )
    say(f"writing lists of {TOP_N}")
    await write_lists(lambda: connect(url), top_n=TOP_N, as_of=None, jobs=2)
    await connection.execute("VACUUM (ANALYZE)")
    return [row["user_id"] for row in await connection.fetch(STUDENTS)]


async def set_throttle(connection: Connection[Record], seconds: int) -> None:
    """Set the least time between two refreshes of a student; it counts from the next batch on."""
    await connection.execute(THROTTLE, str(seconds))
