"""What retention removes, what history keeps of it, and who else may be at work meanwhile."""

from __future__ import annotations

import asyncio
import json
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.database import connect
from tests.support.locks import until_waiting
from tests.support.random_worlds import worlds
from tests.support.worlds import AS_OF, World, days, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.databases import Databases
    from tests.support.runner import Run

    Progress = dict[str, Any]

STEP = "SELECT recommender._continue_retention($1)"
CREATE = "SELECT recommender.create_interaction_partitions($1, $2)"
FIRST_MONTH, LAST_MONTH = date(2025, 9, 1), date(2026, 6, 30)
"""Around the moment of the worlds: the months in which a test may have partitions."""

HISTORY = "SELECT user_id, event_id FROM recommender.history ORDER BY 1, 2"
FEATURES = "SELECT * FROM recommender.user_event_features ORDER BY user_id, event_id"
PAIRS = "SELECT user_id, event_id, label, weight FROM training_pairs ORDER BY 1, 2"
KEPT = """
SELECT user_id, event_id, interaction_type, occurred_at, meta
FROM interaction_history ORDER BY user_id, event_id
"""
PARTITIONS = """
SELECT c.relname::text AS name
FROM pg_inherits AS h INNER JOIN pg_class AS c ON c.oid = h.inhrelid
WHERE h.inhparent = 'event_interactions'::regclass ORDER BY 1
"""
TIMES = "SELECT occurred_at FROM event_interactions ORDER BY occurred_at"

# A world's months stand at another moment than the database's own partitions.
CLEAR = """
DO $$
DECLARE
    v_name text;
BEGIN
    FOR v_name IN
        SELECT c.relname FROM pg_inherits AS h INNER JOIN pg_class AS c ON c.oid = h.inhrelid
        WHERE
            h.inhparent = 'event_interactions'::regclass
            AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'
    LOOP
        EXECUTE format('DROP TABLE %I', v_name);
    END LOOP;
END
$$
"""


@pytest.fixture
def session(database_url: str, run: Run) -> Iterator[Connection[Record]]:
    """A session at the worlds' moment that keeps telemetry for 30 days: since January 30, 12:00."""
    connection = run(open_session(database_url, analytics_retention_days="30"))
    run(World().write(connection))
    run(connection.execute(CLEAR))
    yield connection
    run(connection.close())


def small_world() -> World:
    world = World()
    organizer = world.organizer()
    for _ in range(3):
        world.event(organizer, tags=["rock"], category="music", city="Cluj")
    for _ in range(3):
        world.student()
    return world


async def step(connection: Connection[Record], progress: Progress | None) -> Progress:
    given = None if progress is None else json.dumps(progress)
    result: Progress = json.loads(await connection.fetchval(STEP, given))
    return result


async def finish(connection: Connection[Record], progress: Progress | None = None) -> Progress:
    """Go on to the end, a transaction a step."""
    for _ in range(1000):
        progress = await step(connection, progress)
        if progress.get("is_done"):
            return progress
    raise AssertionError(f"there is no end: {progress}")


async def names(connection: Connection[Record]) -> list[str]:
    return [row["name"] for row in await connection.fetch(PARTITIONS)]


async def times(connection: Connection[Record]) -> list[timedelta]:
    return [row["occurred_at"] - AS_OF for row in await connection.fetch(TIMES)]


async def kept(connection: Connection[Record]) -> list[tuple[Any, ...]]:
    return [
        (*row[:4], None if row["meta"] is None else json.loads(row["meta"]))
        for row in await connection.fetch(KEPT)
    ]


def test_months_that_are_old_in_the_whole_go(session: Connection[Record], run: Run) -> None:
    run(session.execute(CREATE, date(2025, 12, 1), date(2026, 2, 1)))
    world = small_world()
    for at in (days(-80), days(-40), days(-31), days(-29)):
        world.interact(3, "click", 1, at=at)
    run(world.write(session))
    progress = run(finish(session))
    # The other days of January are old, but January 31 is not.
    assert run(times(session)) == [days(-40), days(-31), days(-29)]
    assert run(names(session)) == [
        "event_interactions_2026_01",
        "event_interactions_2026_02",
        *(f"event_interactions_2026_0{month}" for month in (3, 4, 5, 6)),
        "event_interactions_default",
    ]
    assert progress["partitions_made"] == 4
    assert progress["partitions_dropped"] == 1
    assert progress["rows_removed"] == progress["rows_kept"] == 1


def test_without_a_limit_telemetry_stays_for_ever(session: Connection[Record], run: Run) -> None:
    run(session.execute("SET recommender.analytics_retention_days = 0"))
    run(session.execute(CREATE, date(2025, 9, 1), date(2025, 9, 1)))
    world = small_world()
    world.interact(3, "click", 1, at=days(-10_000))
    world.interact(3, "click", 1, at=days(-180))
    run(world.write(session))
    progress = run(finish(session))
    assert progress["rows_removed"] == progress["partitions_dropped"] == 0
    assert run(times(session)) == [days(-10_000), days(-180)]
    assert progress["partitions_made"] == 4


def test_bounds_say_what_a_partition_holds_not_its_name(
    session: Connection[Record], run: Run
) -> None:
    run(
        session.execute("""
            CREATE TABLE event_interactions_2025_10 PARTITION OF event_interactions
            FOR VALUES FROM ('2026-03-01Z') TO ('2026-04-01Z');
            CREATE TABLE "Old 'news" PARTITION OF event_interactions
            FOR VALUES FROM ('2025-10-01Z') TO ('2025-11-01Z');
            CREATE TABLE a_quarter PARTITION OF event_interactions
            FOR VALUES FROM ('2025-01-01Z') TO ('2025-04-01Z');
            CREATE TABLE before PARTITION OF event_interactions
            FOR VALUES FROM (MINVALUE) TO ('2024-01-01Z');
            SET timezone = 'Asia/Kolkata';
            SET datestyle = 'SQL, DMY'
        """)
    )
    world = small_world()
    for event, at in enumerate((days(-1000), days(-400), days(-130)), 1):
        world.interact(3, "click", event, at=at)
    world.interact(3, "click", 1, at=days(0))
    run(world.write(session))
    progress = run(finish(session))
    assert progress["partitions_dropped"] == 1
    assert run(times(session)) == [days(0)]
    assert [row[1] for row in run(kept(session))] == [1, 2, 3]
    left = run(names(session))
    assert {"event_interactions_2025_10", "a_quarter", "before"} <= set(left)
    assert "Old 'news" not in left
    # March is there under another name already.
    assert [name for name in left if "2026" in name] == [
        f"event_interactions_2026_0{month}" for month in (4, 5, 6)
    ]


def test_what_waits_in_the_default_partition_moves(session: Connection[Record], run: Run) -> None:
    world = small_world()
    world.interact(3, "click", 1, at=days(0))
    world.interact(3, "click", 1, at=days(40))
    run(world.write(session))
    assert run(finish(session))["partitions_made"] == 4
    assert run(times(session)) == [days(0), days(40)]
    assert run(session.fetchval("SELECT count(*) FROM event_interactions_default")) == 0


def test_an_unregister_is_kept_else_the_strongest_signal(
    session: Connection[Record], run: Run
) -> None:
    run(session.execute(CREATE, date(2025, 11, 1), date(2025, 11, 1)))
    world = small_world()
    for kind, event, at, meta in (
        ("register", 1, -100, None),
        ("unregister", 1, -150, None),
        ("unregister", 1, -200, {"why": "rain"}),
        ("unregister", 1, -99, None),
        ("dwell", 2, -100, {"seconds": 30, "source": "list"}),
        ("click", 2, -101, {"source": "list"}),
        ("view", 2, -200, None),
        ("impression", 3, -100, {"position": 1}),
    ):
        world.interact(3, kind, event, at=days(at), meta=meta)
    world.interact(4, "dwell", 2, at=days(-100), meta={"seconds": "30"})
    world.interact(4, "view", 2, at=days(-120))
    world.interact(None, "click", 2, at=days(-100))
    world.interact(3, "search", at=days(-100), meta={"category": "games"})
    run(world.write(session))
    progress = run(finish(session))
    assert run(kept(session)) == [
        (3, 1, "unregister", AS_OF - days(200), None),
        (3, 2, "dwell", AS_OF - days(100), {"seconds": 30}),
        (4, 2, "dwell", AS_OF - days(100), None),
    ]
    assert progress["rows_removed"] == 12
    assert run(times(session)) == []


def test_what_is_kept_weighs_as_much_as_in_training(session: Connection[Record], run: Run) -> None:
    ranks = run(
        session.fetch("""
            SELECT k.kind, recommender._keeping_rank(k.kind, '{"seconds": 48}') AS rank
            FROM unnest(ARRAY[
                'unregister', 'favorite', 'register', 'share', 'dwell', 'click', 'view',
                'impression', 'search', 'filter', 'purchase'
            ]) AS k (kind)
        """)
    )
    assert [row["rank"] for row in ranks] == [
        *(float("inf"), 1.2, 1.0, 0.6, 0.45, 0.4, 0.25),
        *(None, None, None, None),
    ]


def test_searches_and_impressions_are_forgotten(session: Connection[Record], run: Run) -> None:
    world = small_world()
    world.interact(3, "search", at=days(-40), meta={"category": "music", "city": "Cluj"})
    world.interact(3, "impression", 1, at=days(-40), meta={"position": 0})
    run(world.write(session))
    query = "SELECT count(*) FROM recommender.user_attributes WHERE user_id = 3"
    impressions = "SELECT count(*) FROM recommender.training_impressions"
    assert run(session.fetchval(query)) == 2
    assert run(session.fetchval(impressions)) == 1
    run(finish(session))
    assert run(session.fetchval(query)) == run(session.fetchval(impressions)) == 0


KINDS = st.sampled_from(
    ["click", "view", "dwell", "share", "favorite", "register", "unregister", "impression"]
)
METAS = st.sampled_from(
    [None, {"seconds": 24}, {"seconds": 1e3}, {"seconds": 999}, {"seconds": -1}, {"seconds": "9"}]
)
MONTHS = st.lists(st.integers(0, 9), unique=True, max_size=6)


@st.composite
def telemetry(draw: st.DrawFn) -> World:
    """A world with months of interactions, few pairs and many ties, and no searches."""
    world = draw(worlds())
    rows = world.rows.setdefault("event_interactions", [])
    rows[:] = [row for row in rows if row["interaction_type"] != "search"]
    events = len(world.rows.get("events", ()))
    users = enumerate(world.rows["users"], 1)
    students = [number for number, row in users if row["role"] == "student"]
    for _ in range(draw(st.integers(0, 25)) if events else 0):
        world.interact(
            draw(st.sampled_from(students)),
            draw(KINDS),
            draw(st.integers(1, min(events, 3))),
            at=days(draw(st.sampled_from([-160, -100, -75, -75, -45, -31, -30, -29, -10]))),
            meta=draw(METAS),
        )
    for number, row in enumerate(rows, 1):
        row["id"] = number
    return world


async def seen(connection: Connection[Record]) -> list[list[Record]]:
    """What must be the same before and after."""
    await connection.execute("SELECT recommender.build_training_pairs(1, false)")
    return [await connection.fetch(query) for query in (HISTORY, PAIRS, FEATURES)]


def weight(row: dict[str, Any]) -> Fraction:
    """Say how strongly an interaction is kept, in the words of the documentation."""
    weights = {"unregister": "9", "favorite": "1.2", "register": "1", "share": "0.6"}
    if row["interaction_type"] == "dwell":
        seconds = (row["meta"] or {}).get("seconds")
        length = Fraction(max(seconds, 0)) if isinstance(seconds, int | float) else Fraction(0)
        return min(Fraction("0.8"), Fraction("0.35") + length / 480)
    return Fraction({**weights, "click": "0.4", "view": "0.25"}[row["interaction_type"]])


def expected(world: World, left: set[int]) -> dict[tuple[int, int], set[tuple[Any, ...]]]:
    """Give what may be kept of each pair whose rows went: the strongest, of these the earliest."""
    gone: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in world.rows["event_interactions"]:
        item: dict[str, Any] = dict(row)
        is_kept = item["user_id"] and item["event_id"] and item["interaction_type"] != "impression"
        if is_kept and item["id"] not in left:
            gone.setdefault((item["user_id"], item["event_id"]), []).append(item)
    kept = {}
    for pair, rows in gone.items():
        best = min((-weight(row), row["occurred_at"]) for row in rows)
        kept[pair] = {
            (row["interaction_type"], row["occurred_at"])
            for row in rows
            if (-weight(row), row["occurred_at"]) == best
        }
    return kept


async def run_interrupted(connection: Connection[Record], faults: list[str]) -> None:
    """Run retention with steps that are lost, or whose progress is, as after a crash."""
    progress: Progress | None = None
    for _ in range(1000):
        fault = faults.pop() if faults else "none"
        if fault == "lost step":
            transaction = connection.transaction()
            await transaction.start()
            await step(connection, progress)
            await transaction.rollback()
        progress = await step(connection, progress)
        if progress.get("is_done"):
            return
        if fault == "lost progress":
            progress = None
    raise AssertionError(f"there is no end: {progress}")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    world=telemetry(),
    months=MONTHS,
    runs=st.lists(st.sampled_from([100, 80, 40, 30, 1]), min_size=1, max_size=3),
    faults=st.lists(st.sampled_from(["none", "lost step", "lost progress"]), max_size=12),
)
def test_history_labels_and_features_outlive_the_rows(  # noqa: PLR0917
    world: World,
    months: list[int],
    runs: list[int],
    faults: list[str],
    session: Connection[Record],
    run: Run,
) -> None:
    run(World().write(session))
    run(session.execute(CLEAR))
    for number in months:
        month = date(2025 + (8 + number) // 12, (8 + number) % 12 + 1, 1)
        run(session.execute(CREATE, month, month))
    run(world.write(session))
    before = run(seen(session))
    for number in runs:
        run(session.execute(f"SET recommender.analytics_retention_days = {number}"))
        run(run_interrupted(session, faults))
        assert run(seen(session)) == before
    cutoff = AS_OF - days(min(runs))
    default = "SELECT min(occurred_at) >= $1 FROM event_interactions_default"
    assert run(session.fetchval(default, cutoff)) in {None, True}
    left = {row["id"] for row in run(session.fetch("SELECT id FROM event_interactions"))}
    young = {
        row["id"]
        for row in world.rows.get("event_interactions", ())
        if row["occurred_at"] >= cutoff  # type: ignore[operator]
    }
    assert young <= left
    wanted = expected(world, left) if world.rows.get("event_interactions") else {}
    found = {tuple(row[:2]): row[2:4] for row in run(kept(session))}
    assert found.keys() == wanted.keys()
    assert all(found[pair] in wanted[pair] for pair in found)


def test_what_comes_while_a_partition_is_read_is_kept_too(
    session: Connection[Record], run: Run
) -> None:
    run(session.execute(CREATE, date(2025, 11, 1), date(2025, 11, 1)))
    world = small_world()
    world.interact(3, "view", 1, at=days(-110))
    run(world.write(session))
    progress = run(step(session, None))
    while "read_page" not in progress.get("at", {}):
        progress = run(step(session, progress))
    late = "INSERT INTO event_interactions (user_id, event_id, interaction_type, occurred_at)"
    for kind, event in (("register", 1), ("click", 2)):
        run(session.execute(f"{late} VALUES (3, $1, $2, $3)", event, kind, AS_OF - days(109)))
    progress = run(finish(session, progress))
    assert progress["partitions_dropped"] == 1
    assert [row[:3] for row in run(kept(session))] == [(3, 1, "register"), (3, 2, "click")]


def test_a_partition_somebody_reads_is_left_for_the_next_run(
    session: Connection[Record], database_url: str, run: Run
) -> None:
    run(session.execute(CREATE, date(2025, 11, 1), date(2025, 11, 1)))
    world = small_world()
    world.interact(3, "view", 1, at=days(-110))
    run(world.write(session))
    reader = run(connect(database_url))
    try:
        transaction = reader.transaction()
        run(transaction.start())
        run(reader.fetchval("SELECT count(*) FROM event_interactions"))
        progress = run(finish(session))
        assert progress["skipped"] == [
            "partitions from 2026-03 on: busy",
            "event_interactions_2025_11: busy",
        ]
        assert progress["partitions_dropped"] == 0
        assert run(reader.fetchval("SELECT count(*) FROM event_interactions")) == 1
        run(transaction.rollback())
    finally:
        run(reader.close())
    progress = run(finish(session))
    assert (progress["partitions_made"], progress["partitions_dropped"]) == (4, 1)


def test_a_partition_something_depends_on_is_emptied(session: Connection[Record], run: Run) -> None:
    run(session.execute(CREATE, date(2025, 11, 1), date(2025, 11, 1)))
    world = small_world()
    world.interact(3, "view", 1, at=days(-110))
    run(world.write(session))
    run(session.execute("CREATE VIEW november AS SELECT * FROM event_interactions_2025_11"))
    try:
        progress = run(finish(session))
        assert progress["skipped"] == [
            "event_interactions_2025_11: emptied but not dropped, because something depends on it"
        ]
        assert progress["rows_removed"] == progress["rows_kept"] == 1
        assert run(session.fetchval("SELECT count(*) FROM november")) == 0
    finally:
        run(session.execute("DROP VIEW november"))


def test_more_rows_than_a_step_takes_go_in_several(session: Connection[Record], run: Run) -> None:
    run(small_world().write(session))
    run(
        session.execute(
            "INSERT INTO event_interactions (user_id, event_id, interaction_type, occurred_at)"
            " SELECT 3 + n % 2, 1 + n % 3, 'click', $1::timestamptz - n * interval '1 second'"
            " FROM generate_series(1, 25000) AS n",
            AS_OF - days(30),
        )
    )
    first = run(step(session, None))
    while first["stage"] != "interactions" or not first["rows_removed"]:
        first = run(step(session, first))
    assert 10_000 <= first["rows_removed"] < 20_000
    progress = run(finish(session, first))
    assert progress["rows_removed"] == 25_000
    # Of each pair the earliest: the last six of all.
    ages = [AS_OF - days(30) - row[3] for row in run(kept(session))]
    assert sorted(ages) == [timedelta(seconds=seconds) for seconds in range(24_995, 25_001)]


def test_receipts_ended_windows_and_old_jobs_go(session: Connection[Record], run: Run) -> None:
    run(
        session.execute("""
            INSERT INTO interaction_receipts (user_id, client_id, received_at)
            SELECT 0, gen_random_uuid(), now() - interval '7 days 1 second'
            FROM generate_series(1, 10001);
            INSERT INTO interaction_receipts (user_id, client_id, received_at)
            VALUES (1, gen_random_uuid(), now() - interval '6 days 23 hours');
            INSERT INTO analytics_rate_limits (client, request_count, window_ends_at)
            VALUES ('a', 1, now() - interval '1 second'), ('b', 1, now() + interval '1 hour');
            INSERT INTO background_jobs (job_type, status, finished_at)
            SELECT 'apply_analytics_retention', s.status, now() - s.age
            FROM (
                VALUES
                ('succeeded', interval '8 days'), ('succeeded', interval '6 days'),
                ('failed', interval '80 days'), ('queued', NULL)
            ) AS s (status, age)
        """)
    )
    progress = run(finish(session))
    assert progress["receipts_removed"] == 10_001
    assert progress["rate_limits_removed"] == 1
    assert progress["jobs_removed"] == 1
    left = "SELECT array_agg(status ORDER BY status) FROM background_jobs"
    assert run(session.fetchval(left)) == ["failed", "queued", "succeeded"]
    assert run(session.fetchval("SELECT client FROM analytics_rate_limits")) == "b"
    assert run(session.fetchval("SELECT user_id FROM interaction_receipts")) == 1


def test_the_job_says_what_it_did(session: Connection[Record], run: Run) -> None:
    world = small_world()
    world.interact(3, "click", 1, at=days(-40))
    run(world.write(session))
    run(session.execute("SET recommender.task_queue_enabled = 'true'"))
    run(session.execute("SELECT recommender.enqueue_job('apply_analytics_retention')"))
    assert run(session.fetchval("CALL recommender.run_jobs()")) == 1
    succeeded = "SELECT result FROM background_jobs WHERE status = 'succeeded'"
    counts = json.loads(run(session.fetchval(succeeded)))
    assert (counts["rows_removed"], counts["rows_kept"], counts["skipped"]) == (1, 1, [])
    assert datetime.fromisoformat(counts["cutoff"]) == AS_OF - days(30)


OWN_TABLE = """
DROP TABLE event_interactions CASCADE;
CREATE TABLE event_interactions (
    id serial PRIMARY KEY, user_id integer, event_id integer, interaction_type varchar(30),
    occurred_at timestamptz NOT NULL, meta json, comment text DEFAULT 'theirs'
);
CREATE TABLE deleted (id integer);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO deleted VALUES (old.id); RETURN old; END $$;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER note BEFORE DELETE ON event_interactions FOR EACH ROW EXECUTE FUNCTION note()
"""
OWN_ROWS = """
DROP INDEX IF EXISTS by_time;
TRUNCATE event_interactions, deleted, interaction_history;
INSERT INTO event_interactions (user_id, event_id, interaction_type, occurred_at, meta)
VALUES
(3, 1, 'dwell', '2025-01-01Z', '{"seconds": 480, "odd": "\\u0000"}'),
(3, 2, 'dwell', '2025-01-01Z', '{"seconds": 480}'),
(3, 99, 'click', '2025-01-01Z', NULL),
(99, 1, 'click', '2025-01-01Z', NULL),
(NULL, 1, 'click', '2025-01-01Z', '[]'),
(3, 3, 'purchase', '2025-01-01Z', NULL),
(3, 3, 'click', '2026-02-28Z', NULL);
INSERT INTO event_interactions (user_id, event_id, interaction_type, occurred_at, meta)
SELECT 4, 1, 'view', '2025-02-01Z'::timestamptz + n * interval '1 second', '{"a": 1}'
FROM generate_series(1, 12000) AS n
"""


@pytest.fixture(scope="module")
def own_table(databases: Databases, run: Run) -> Iterator[Connection[Record]]:
    """A database whose app has its own table of interactions, without partitions and keys."""

    async def prepare(url: str) -> Connection[Record]:
        from app.schema import migrate

        connection = await open_session(url, analytics_retention_days="30")
        await small_world().write(connection)
        await connection.execute(OWN_TABLE)
        await migrate(connection, force=True)
        return connection

    with databases.migrated() as url:
        connection = run(prepare(url))
        yield connection
        run(connection.close())


@pytest.mark.parametrize(
    "index", ["", "; CREATE INDEX by_time ON event_interactions (occurred_at)"]
)
def test_an_apps_own_table_is_only_deleted_from(
    index: str, own_table: Connection[Record], run: Run
) -> None:
    run(own_table.execute(OWN_ROWS + index))
    progress = run(finish(own_table))
    assert progress["partitions_made"] == progress["partitions_dropped"] == 0
    assert progress["rows_removed"] == 12_006
    assert run(own_table.fetchval("SELECT count(*) FROM deleted")) == 12_006
    rows = run(own_table.fetch("SELECT event_id, comment FROM event_interactions"))
    assert [tuple(row) for row in rows] == [(3, "theirs")]
    assert [(*row[:3], row[4]) for row in run(kept(own_table))] == [
        # What jsonb cannot hold counts as a dwell without seconds, now as before.
        (3, 1, "dwell", None),
        (3, 2, "dwell", {"seconds": 480}),
        (4, 1, "view", None),
    ]


@pytest.mark.parametrize(
    "index", ["", "; CREATE INDEX by_time ON event_interactions (occurred_at)"]
)
def test_rows_that_a_trigger_keeps_do_not_keep_it_busy(
    index: str, own_table: Connection[Record], run: Run
) -> None:
    run(own_table.execute(OWN_ROWS + index))
    run(
        own_table.execute(
            "CREATE TRIGGER refuse BEFORE DELETE ON event_interactions FOR EACH ROW"
            " WHEN (old.interaction_type = 'view') EXECUTE FUNCTION refuse()"
        )
    )
    try:
        assert run(finish(own_table))["rows_removed"] == 6
    finally:
        run(own_table.execute("DROP TRIGGER refuse ON event_interactions"))


def test_a_table_partitioned_by_somebody_else_is_only_deleted_from(
    databases: Databases, run: Run
) -> None:
    async def retain(url: str) -> tuple[Progress, list[timedelta], int]:
        connection = await open_session(url, analytics_retention_days="30")
        await small_world().write(connection)
        await connection.execute("""
            ALTER TABLE event_interactions RENAME TO theirs;
            CREATE TABLE event_interactions (LIKE theirs INCLUDING DEFAULTS)
            PARTITION BY LIST (interaction_type);
            CREATE TABLE clicks PARTITION OF event_interactions FOR VALUES IN ('click');
            CREATE TABLE others PARTITION OF event_interactions DEFAULT
            PARTITION BY RANGE (occurred_at);
            CREATE TABLE november PARTITION OF others
            FOR VALUES FROM ('2025-11-01Z') TO ('2025-12-01Z');
            CREATE TABLE rest PARTITION OF others DEFAULT;
            INSERT INTO event_interactions (
                id, user_id, event_id, interaction_type, occurred_at
            )
            SELECT n, 3, n % 3 + 1, (ARRAY['click', 'view'])[n % 2 + 1], '2025-11-01Z'
            FROM generate_series(1, 10) AS n;
            INSERT INTO event_interactions (
                id, user_id, event_id, interaction_type, occurred_at
            )
            VALUES (11, 3, 1, 'view', '2026-03-01 12:00Z')
        """)
        try:
            progress = await finish(connection)
            return progress, await times(connection), len(await kept(connection))
        finally:
            await connection.close()

    with databases.migrated() as url:
        progress, left, count = run(retain(url))
    assert (left, count) == ([days(0)], 3)
    assert (progress["rows_removed"], progress["partitions_dropped"]) == (10, 0)
    assert progress["partitions_made"] == 0


CROWD = """
INSERT INTO users (id, email, role) SELECT n, n || '@example.org', 'student'
FROM generate_series(1, 300) AS n;
INSERT INTO events (id, title, owner_id, start_time) SELECT n, '', 1, now() + interval '9 days'
FROM generate_series(1, 100) AS n;
INSERT INTO recommender_settings (name, value)
VALUES ('analytics_retention_days', '30'), ('analytics_rate_limit', '100000')
"""
OLD_CLICKS = """
INSERT INTO event_interactions (user_id, event_id, interaction_type, occurred_at)
SELECT u, e, 'click', now() - make_interval(months => 3 + e % $1)
FROM generate_series(1, 300) AS u CROSS JOIN generate_series(1, 100) AS e
"""
LAST_DEFAULT_ROW = (
    "SELECT FROM event_interactions_default AS i"
    " WHERE i.ctid = (SELECT max(l.ctid) FROM event_interactions_default AS l) FOR UPDATE"
)
OLD_PARTITION = """
SELECT i.tableoid::regclass::text
FROM event_interactions AS i
WHERE
    i.tableoid <> 'event_interactions_default'::regclass
    AND i.occurred_at < now() - interval '1 month'
LIMIT 1
"""
ALL_PAIRS = """
SELECT count(*) AS rows, count(DISTINCT (i.user_id, i.event_id)) AS pairs
FROM recommender.source_interactions AS i
WHERE i.occurred_at < now() - interval '40 days'
"""


@pytest.fixture
def crowd_url(databases: Databases, run: Run) -> Iterator[str]:
    """A database of its own, which lives now and keeps telemetry for 30 days."""

    async def prepare(url: str) -> None:
        connection = await connect(url)
        try:
            await connection.execute(CLEAR)
            await connection.execute(CROWD)
        finally:
            await connection.close()

    with databases.migrated() as url:
        run(prepare(url))
        yield url


async def retain(url: str) -> Record:
    connection = await connect(url)
    try:
        row = await connection.fetchrow("CALL recommender.apply_retention()")
        assert row is not None
        return row
    finally:
        await connection.close()


def test_nothing_is_lost_when_it_is_killed_and_called_again(crowd_url: str, run: Run) -> None:
    async def kill(admin: Connection[Record], hold: str) -> tuple[int, int]:
        """Kill a run that waits for what is held; give what it had removed and kept."""
        holder, victim = await connect(crowd_url), await connect(crowd_url)
        try:
            await holder.execute(f"BEGIN; {hold}")
            call = asyncio.ensure_future(victim.fetchrow("CALL recommender.apply_retention()"))
            await until_waiting(admin, victim, call)
            await admin.execute("SELECT pg_terminate_backend($1)", victim.get_server_pid())
            with pytest.raises((asyncpg.PostgresError, ConnectionError)):
                await call
        finally:
            victim.terminate()
            await holder.close()
        # A month that has been read and not yet dropped is there twice, which no pair minds.
        row = await admin.fetchrow(ALL_PAIRS)
        assert row is not None
        assert row["pairs"] == 30_000
        left = await admin.fetchval("SELECT count(*) FROM event_interactions")
        return 30_000 - left, await admin.fetchval("SELECT count(*) FROM interaction_history")

    async def scenario() -> None:
        admin = await connect(crowd_url)
        try:
            # One month has a partition of its own, the other four are in the default one.
            today = await admin.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
            await admin.execute(CREATE, today, today + timedelta(days=100))
            month = await admin.fetchval("SELECT (now() - interval '3 months')::date")
            await admin.execute(CREATE, month, month)
            await admin.execute(OLD_CLICKS, 5)
            # Between the history of the last rows of the default partition and their removal.
            removed, kept_pairs = await kill(admin, LAST_DEFAULT_ROW)
            assert 0 < removed == kept_pairs < 24_000
            # Between the history of the month and its end.
            partition = await admin.fetchval(OLD_PARTITION)
            assert await kill(admin, f"LOCK TABLE {partition} IN ROW EXCLUSIVE MODE") == (
                24_000,
                30_000,
            )
            row = await retain(crowd_url)
            assert (row["rows_removed"], row["partitions_dropped"]) == (6_000, 1)
            assert row["skipped"] == "[]"
            assert await admin.fetchval("SELECT count(*) FROM event_interactions") == 0
            assert tuple(await admin.fetchrow(ALL_PAIRS) or ()) == (30_000, 30_000)
        finally:
            await admin.close()

    run(scenario())


def test_two_at_once_and_visitors_meanwhile_lose_nothing(crowd_url: str, run: Run) -> None:
    batches, clicks = 30, 5

    async def visit(user_id: int) -> None:
        connection = await connect(crowd_url)
        try:
            for number in range(batches):
                events = [
                    {"interaction_type": "click", "event_id": 1 + event, "meta": {"batch": number}}
                    for event in range(clicks)
                ]
                status = await connection.fetchval(
                    "SELECT r.status FROM recommender.record_interactions($1, $2) AS r",
                    user_id,
                    json.dumps(events),
                )
                assert status == 204
                await asyncio.sleep(0.01)
        finally:
            await connection.close()

    async def scenario() -> None:
        admin = await connect(crowd_url)
        try:
            first = await admin.fetchval("SELECT (now() - interval '4 months')::date")
            await admin.execute(CREATE, first, first + timedelta(days=70))
            await admin.execute(OLD_CLICKS, 5)
            visitors = [asyncio.ensure_future(visit(user_id)) for user_id in range(1, 7)]
            rows = [*await asyncio.gather(retain(crowd_url), retain(crowd_url))]
            await asyncio.gather(*visitors)
            rows.append(await retain(crowd_url))
            assert sum(row["rows_removed"] for row in rows) == 30_000
            assert sum(row["partitions_made"] for row in rows) == 4
            recent = await admin.fetch(
                "SELECT user_id, event_id, meta FROM event_interactions"
                " WHERE occurred_at > now() - interval '1 hour'"
            )
            assert len(recent) == len(set(map(tuple, recent))) == 6 * batches * clicks
            assert await admin.fetchval("SELECT count(*) FROM event_interactions") == len(recent)
            assert tuple(await admin.fetchrow(ALL_PAIRS) or ()) == (30_000, 30_000)
        finally:
            await admin.close()

    run(scenario())


@pytest.mark.parametrize(
    "asked",
    [
        "SELECT * FROM recommender.history WHERE user_id = 100",
        "SELECT * FROM recommender.history WHERE user_id = ANY ('{100, 200}')",
        "SELECT * FROM recommender.source_interactions WHERE user_id = (SELECT 100)",
        "SELECT * FROM users AS u, recommender.source_interactions WHERE user_id = u.id LIMIT 9",
    ],
)
def test_one_students_look_ups_read_no_other_students_history(
    asked: str, crowd_url: str, run: Run
) -> None:
    async def explain() -> str:
        connection = await connect(crowd_url)
        try:
            await connection.execute(OLD_CLICKS, 2)
            await connection.execute(
                "INSERT INTO interaction_history (user_id, event_id, interaction_type, occurred_at)"
                " SELECT user_id, event_id, interaction_type, occurred_at FROM event_interactions;"
                " ANALYZE"
            )
            rows = await connection.fetch(f"EXPLAIN {asked}")
            return "\n".join(row[0] for row in rows)
        finally:
            await connection.close()

    plan = run(explain())
    assert "interaction_history" in plan
    assert "Seq Scan on interaction_history" not in plan
    assert "Seq Scan on event_interactions_default" not in plan
