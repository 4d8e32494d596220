"""The worlds of docs/admin.md, and its examples as psql shows them.

Run as a module it writes the answers of the page anew, from a database made for it.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.databases import Databases
from tests.support.server import choose_server
from tests.support.worlds import AS_OF, NOW, YESTERDAY, World, days, hours, open_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncpg import Connection, Record

PAGE = Path(__file__).parents[2] / "docs" / "admin.md"
PART = re.compile(
    r"<!-- world: (?P<world>\w+) -->"
    r"|```sql\n(?P<sql>.*?)```\n(?:\n```text\n(?P<answer>.*?)```\n)?",
    re.DOTALL,
)
NUMBERS = {"int2", "int4", "int8", "float4", "float8", "numeric"}

LIST = {"source": "events_list"}
SHOWN = {"time": 40, "recommended": 40}
CLICKED = {"time": 4, "recommended": 6}

NIGHT = AS_OF - hours(9)

MODELS = {
    "2026-02-27": [-1.25, 1.5, 1.0, 0.5, 0.75, 0.25, 0.5, -0.5],
    "2026-02-28": [-1.5, 2.0, 1.25, 0.75, 0.5, 0.25, 0.75, -0.5],
}
META = {
    "2026-02-27": {"loss": 0.521, "held_out_loss": 0.548, "hitrate_at_10": 0.31},
    "2026-02-28": {"loss": 0.507, "held_out_loss": 0.541, "hitrate_at_10": 0.34},
}
BEHIND_THE_SCENES = """
INSERT INTO background_jobs (
    id, job_type, dedupe_key, payload, status, attempts, run_at, locked_at, locked_by,
    last_error, created_at, finished_at
)
VALUES
    (
        5, 'refresh_user_recommendations_ml', '4', '{"user_id": 4}', 'succeeded', 1,
        $1::timestamptz - interval '20 minutes', NULL, NULL, NULL,
        $1::timestamptz - interval '20 minutes', $1::timestamptz - interval '19 minutes'
    ),
    (
        6, 'refresh_upcoming_events', NULL, '{}', 'running', 1,
        $1::timestamptz - interval '1 minute', $1::timestamptz - interval '3 seconds', 'worker 1',
        NULL, $1::timestamptz - interval '1 minute', NULL
    ),
    (
        7, 'refresh_user_recommendations_ml', '5', '{"user_id": 5}', 'failed', 3,
        $1::timestamptz - interval '2 hours', NULL, NULL, 'canceling statement due to lock timeout',
        $1::timestamptz - interval '3 hours', $1::timestamptz - interval '2 hours'
    ),
    (
        8, 'apply_analytics_retention', 'nightly', '{}', 'queued', 0,
        $1::timestamptz + interval '14 hours', NULL, NULL, NULL,
        $1::timestamptz - interval '10 hours', NULL
    );
INSERT INTO schedule_runs (name, occurrence_at, started_at, finished_at, started_by, missed_count)
VALUES (
    'guardrails', $1::timestamptz - interval '9 hours', $1::timestamptz - interval '9 hours',
    $1::timestamptz - interval '9 hours', 'worker 1', 0
);
INSERT INTO guardrail_evaluations (
    evaluated_at, method, days, min_impressions, ctr_drop_ratio, conversion_drop_ratio,
    click_to_register_window_hours, action, reason, model_version
)
VALUES (
    $1::timestamptz - interval '9 hours', 'ratio', 7, 200, 0.5, 0.5, 72, 'skip_low_volume',
    '40 impressions of the 200 that each sort needs', '2026-02-28'
);
INSERT INTO recommender_settings (name, value)
VALUES ('task_queue_enabled', 'true'), ('personalization_guardrails_enabled', 'true');
UPDATE recommender_models SET created_at = $1::timestamptz - interval '9 hours';
UPDATE model_activations SET
    activated_by = 'worker',
    activated_at = $1::timestamptz - CASE id % 2 WHEN 1 THEN interval '33 hours' ELSE '9 hours' END;
"""


def day_world() -> World:
    """Build a small university town on an ordinary Sunday."""
    world = World()
    club = world.organizer("Rock Club")
    university = world.organizer("University")
    ana = world.student(city="Cluj", interests=["rock"])
    dan, eva = world.student(city="Cluj"), world.student(city="Iași", interests=["chess"])
    world.student(city="Cluj", interests=["jazz"], is_active=False)
    concert = world.event(club, title="Open air", tags=["rock"], category="music", city="Cluj")
    for title, tags, category, city, start, seats in (
        ("Jam session", ["jazz", "rock"], "music", "Cluj", 3, 40),
        ("Battle of bands", ["rock"], "music", "Cluj", 20, 2),
        ("Chess night", ["chess"], "games", "Cluj", 5, None),
        ("Chess open", ["chess"], "games", "Iași", 30, 60),
        ("Career fair", ["jobs"], "study", "Cluj", 12, None),
        ("Night of museums", ["art"], "culture", "Iași", 45, None),
        ("Poetry slam", ["art", "poetry"], "culture", "Cluj", 8, 30),
    ):
        world.event(
            club if category == "music" else university,
            title=title,
            tags=tags,
            category=category,
            city=city,
            starts=days(start),
            max_seats=seats,
        )
    past = world.event(club, title="Winter gig", tags=["rock"], category="music", starts=days(-20))
    world.favorite(ana, past, at=days(-19))
    for student in (dan, eva):
        world.register(student, 3)
    world.register(dan, concert)
    world.like_category(ana, "games", 5, seen=hours(-72))
    world.interact(ana, "search", at=days(-2), meta={"category": "Culture"})
    world.hide(ana, "poetry")
    for sort, shown_count in SHOWN.items():
        for day in (YESTERDAY, NOW):
            for number in range(shown_count // 2):
                meta = {**LIST, "sort": sort, "position": number % 8}
                world.interact(dan, "impression", number % 8 + 1, at=day, meta=meta)
            for number in range(CLICKED[sort] // 2):
                world.interact(dan, "click", number + 1, at=day, meta={**LIST, "sort": sort})
    world.interact(dan, "register", concert, at=YESTERDAY)
    return world


async def write_empty(connection: Connection[Record]) -> None:
    """Leave what a fresh installation has."""
    await World().write(connection)
    await connection.execute(
        "TRUNCATE model_activations, guardrail_evaluations, schedule_runs, recommender_settings"
        " RESTART IDENTITY"
    )


async def write_day(connection: Connection[Record]) -> None:
    """Leave what the town's database has at noon."""
    await write_empty(connection)
    await day_world().write(connection)
    for version, weights in MODELS.items():
        meta = META[version] | {
            "chance_at_10": 0.2,
            "examples": {"positive": 310, "negative": 930},
            "as_of": f"{version}T03:00:00+00:00",
        }
        await connection.execute(
            "SELECT recommender.store_model($1, recommender.feature_names(), $2, $3)",
            version,
            weights,
            json.dumps(meta),
        )
    await connection.execute("CALL recommender.score_all(5, $1)", NIGHT)
    for statement in BEHIND_THE_SCENES.split(";\n"):
        if statement.strip():
            arguments = [AS_OF] if "$1" in statement else []
            await connection.execute(statement, *arguments)
    # One list was left behind: by the night, and by the last model.
    await connection.execute(
        "UPDATE recommendation_lists SET generated_at = $1, model_version = '2026-02-27'"
        " WHERE user_id = 5",
        AS_OF - days(2),
    )


WORLDS = {"empty": write_empty, "day": write_day}


async def answer(connection: Connection[Record], sql: str) -> str:
    """Run one statement and give what psql prints, but for the number of rows."""
    query = sql.strip().removesuffix(";")
    statement = await connection.prepare(query)
    if not statement.get_attributes() or not query.startswith("SELECT"):
        await connection.execute(query)
        return ""
    types = [attribute.type.name for attribute in statement.get_attributes()]
    out = io.BytesIO()
    await connection.copy_from_query(query, output=out, format="csv", header=True)
    rows = list(csv.reader(io.StringIO(out.getvalue().decode())))
    return "\n".join(_aligned(rows, types)) + "\n"


def _aligned(rows: list[list[str]], types: list[str]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides: list[Callable[[str, int], str]] = [
        str.rjust if name in NUMBERS else str.ljust for name in types
    ]
    head = " " + " | ".join(
        f"{' ' * ((width - len(cell)) // 2)}{cell}".ljust(width)
        for cell, width in zip(rows[0], widths, strict=True)
    )
    lines = [
        " "
        + " | ".join(
            side(cell, width) for side, cell, width in zip(sides, row, widths, strict=True)
        )
        for row in rows[1:]
    ]
    rule = "-" + "-+-".join("-" * width for width in widths) + "-"
    return [line.rstrip() for line in (head, rule, *lines)]


async def renew(connection: Connection[Record], text: str) -> str:
    """Give the page with the answers that its examples have now, one after the other."""
    parts, end = [], 0
    for match in PART.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        if match["world"]:
            await WORLDS[match["world"]](connection)
            parts.append(match[0])
            continue
        got = await answer(connection, match["sql"])
        parts.append(f"```sql\n{match['sql']}```\n" + (f"\n```text\n{got}```\n" if got else ""))
    return "".join([*parts, text[end:]])


async def _write_page(url: str) -> None:
    connection = await open_session(url)
    try:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(await renew(connection, text), encoding="utf-8")
    finally:
        await connection.close()


if __name__ == "__main__":
    server = choose_server(os.environ)
    databases = Databases(server.url)
    try:
        with databases.migrated() as url:
            asyncio.run(_write_page(url))
    finally:
        databases.close()
        server.close()
