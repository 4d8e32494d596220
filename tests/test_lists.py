"""Lists are whole: whoever writes them, at once, interrupted or with another model."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.support.locks import until_waiting
from tests.support.worlds import AS_OF, FEATURES, World, days, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator
    from typing import Any

    from tests.support.runner import Run

    Connection = asyncpg.Connection[asyncpg.Record]
    Open = Callable[..., Connection]
    Lists = dict[int, list[int]]

BATCH = 200
"""How many students score_all passes in one transaction."""
STUDENTS = 450
EVENTS = 8
TOP_N = 5
PATIENCE_SECONDS = 60
GATE = 4242

# One row is one list as a reader finds it, header and events in one snapshot.
READ_LISTS = """
SELECT
    l.user_id,
    l.model_version,
    l.item_count,
    array_remove(array_agg(r.event_id ORDER BY r.rank), NULL) AS event_ids,
    array_remove(array_agg(r.rank ORDER BY r.rank), NULL) AS ranks,
    array_remove(array_agg(DISTINCT r.model_version), NULL) AS model_versions
FROM recommendation_lists AS l
LEFT JOIN user_recommendations AS r ON r.user_id = l.user_id
GROUP BY l.user_id
ORDER BY l.user_id
"""

# What a batch passes when it has written student $1, once it is put up; AFTER: the rows are
# written, the headers are not.
PUT_UP_GATE = """
CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(4242);
    RETURN NULL;
END
$$;
CREATE TRIGGER gate AFTER INSERT OR UPDATE ON user_recommendations
FOR EACH ROW WHEN (NEW.user_id = 250) EXECUTE FUNCTION pass_gate()
"""
GATED_STUDENT = 250
TAKE_DOWN_GATE = "DROP FUNCTION IF EXISTS pass_gate CASCADE"

REFRESH_LOCK = "recommender._lock_key('refresh_features')"


@pytest.fixture
def opened(database_url: str, run: Run) -> Iterator[Open]:
    """Open sessions at AS_OF that end with the test."""
    connections: list[Connection] = []

    def open_one(**settings: str) -> Connection:
        connections.append(run(open_session(database_url, AS_OF, **settings)))
        return connections[-1]

    yield open_one
    for connection in connections:
        run(connection.close(timeout=10))


@pytest.fixture
def connection(opened: Open, run: Run) -> Iterator[Connection]:
    connection = opened()
    yield connection
    if not connection.is_closed():
        run(connection.execute(TAKE_DOWN_GATE))
        run(connection.execute("TRUNCATE recommender_settings"))


def small_world(students: int, events: int = EVENTS) -> World:
    """Students 1…; model m1 (active) prefers late events, m2 early ones."""
    world = World()
    for number in range(students):
        world.student(interests=["rock"] if number % 2 else ["jazz"])
    club = world.organizer()
    for number in range(events):
        world.event(club, tags=["rock", "jazz"][number % 2 :][:1], starts=days(10 + number))
    world.model(0, 0.001, 0, 0, 0, 0, 0, 1, version="m1")
    world.model(0, 0.001, 0, 0, 0, 0, 0, -1, version="m2", is_active=False)
    return world


def read(run: Run, connection: Connection) -> dict[int, asyncpg.Record]:
    """Read all lists and see that each is whole."""
    rows = run(connection.fetch(READ_LISTS))
    for row in rows:
        assert_whole(row)
    return {row["user_id"]: row for row in rows}


def assert_whole(row: asyncpg.Record) -> None:
    assert row["ranks"] == list(range(1, row["item_count"] + 1)), dict(row)
    assert row["model_versions"] == [row["model_version"]] or not row["item_count"], dict(row)


def models(lists: dict[int, asyncpg.Record]) -> dict[int, str]:
    return {user_id: row["model_version"] for user_id, row in lists.items()}


async def bounded(work: Coroutine[Any, Any, Any]) -> Any:
    return await asyncio.wait_for(work, PATIENCE_SECONDS)


def refused(run: Run, connection: Connection, sql: str, *arguments: object) -> str:
    """Run what must be refused; give its SQLSTATE."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        run(connection.execute(sql, *arguments))
    return str(caught.value.sqlstate)


# Readers


class Traffic:
    """Readers that check every list they see, as long as there are writers."""

    def __init__(self, expected: dict[str, Lists]) -> None:
        self.expected = expected
        self.writers = 0
        self.reads = 0
        self.seen: set[str] = set()

    async def read(self, reader: Connection) -> None:
        while self.writers:
            rows = await reader.fetch(READ_LISTS)
            assert [row["user_id"] for row in rows] == list(self.expected["m1"])
            for row in rows:
                assert_whole(row)
                assert row["event_ids"] == self.expected[row["model_version"]][row["user_id"]]
                self.seen.add(row["model_version"])
            self.reads += 1

    async def write(self, statements: Iterable[str], writer: Connection) -> None:
        """Run statements one after another; another model may stop a bulk run."""
        self.writers += 1
        try:
            for statement in statements:
                with contextlib.suppress(ModelReplacedError):
                    await run_as_writer(writer, statement)
        finally:
            self.writers -= 1


class ModelReplacedError(Exception):
    """A bulk run found another model than it began with."""


async def run_as_writer(writer: Connection, statement: str) -> None:
    try:
        await writer.execute(statement)
    except asyncpg.PostgresError as error:
        if error.sqlstate != "ER031":
            raise
        raise ModelReplacedError from None


def test_readers_see_whole_lists_of_one_model_while_everything_writes(
    connection: Connection, opened: Open, run: Run
) -> None:
    students = range(1, 61)
    run(small_world(len(students), events=30).write(connection))
    expected: dict[str, Lists] = {}
    for version in ("m2", "m1"):
        pinned = opened(recommender_model_version=version)
        run(pinned.execute("CALL recommender.score_all(20)"))
        expected[version] = {
            user_id: row["event_ids"] for user_id, row in read(run, connection).items()
        }
    assert expected["m1"][1] != expected["m2"][1]

    traffic = Traffic(expected)
    bulk = ["CALL recommender.score_all(20)"] * 6
    each = [f"SELECT recommender.score_user({student}, 20)" for student in students]
    switches = [
        statement
        for number in range(20)
        for statement in (
            f"SELECT recommender.activate_model('{('m2', 'm1')[number % 2]}')",
            f"SELECT recommender.score_user({number + 1}, 20)",
        )
    ]

    async def everything() -> None:
        writers = [
            traffic.write(statements, opens.pop())
            for statements in (bulk, bulk, each * 3, switches)
        ]
        readers = [traffic.read(reader) for reader in opens]
        await asyncio.gather(*writers, *readers)

    opens = [opened() for _ in range(6)]
    run(bounded(everything()))
    assert traffic.seen == {"m1", "m2"}
    assert traffic.reads > 20


def test_several_connections_share_a_run(connection: Connection, opened: Open, run: Run) -> None:
    run(small_world(60).write(connection))
    run(connection.execute("CALL recommender.score_all(3)"))
    run_id = run(connection.fetchval("SELECT (recommender.start_run(5)).id"))
    run(connection.execute("SELECT recommender._refresh_for_run($1)", run_id))
    batches = run(connection.fetch("SELECT * FROM recommender.run_batches($1, 4)", run_id))
    assert sum(batch["student_count"] for batch in batches) == 60

    async def work(worker: Connection, share: list[asyncpg.Record]) -> int:
        await worker.execute("SELECT recommender.prepare_run($1)", run_id)
        return sum(
            [
                await worker.fetchval(
                    "SELECT recommender.score_students($1, $2)", run_id, batch["user_ids"]
                )
                for batch in share
            ]
        )

    async def together() -> int:
        return sum(
            await asyncio.gather(*(work(worker, batches[n::3]) for n, worker in enumerate(workers)))
        )

    workers = [opened() for _ in range(3)]
    assert run(bounded(together())) == 60
    assert {row["item_count"] for row in read(run, connection).values()} == {5}
    assert run(connection.fetch("SELECT * FROM recommender.run_batches($1)", run_id)) == []


def test_a_rebuild_of_the_twins_and_a_batch_do_not_wait_for_each_other(
    connection: Connection, opened: Open, run: Run
) -> None:
    run(small_world(4).write(connection))
    run_id = run(connection.fetchval("SELECT (recommender.start_run(5)).id"))
    batch, rebuild = opened(), opened()
    run(batch.execute("SELECT recommender._refresh_for_run($1)", run_id))
    run(batch.execute("SELECT recommender.prepare_run($1)", run_id))

    async def both() -> None:
        holder = connection.transaction()
        await holder.start()
        await connection.execute("SELECT FROM recommendation_lists WHERE user_id = 2 FOR UPDATE")
        scored = asyncio.ensure_future(
            batch.execute("SELECT recommender.score_students($1, ARRAY[1, 2, 3, 4], true)", run_id)
        )
        await until_waiting(connection, batch)
        rebuilt = asyncio.ensure_future(rebuild.execute("SELECT recommender.refresh_features()"))
        await until_waiting(connection, rebuild, rebuilt)
        await holder.commit()
        await asyncio.gather(scored, rebuilt)

    run(bounded(both()))
    assert {row["item_count"] for row in read(run, connection).values()} == {5}


def test_connections_that_find_the_twins_of_another_moment_go_on_at_their_own(
    connection: Connection, opened: Open, run: Run
) -> None:
    world = small_world(4)
    for student in range(1, 5):
        world.interact(student, "click", student, at=days(-1))
    world.rows["recommender_models"][0]["weights"] = [0, 0, 9.0, 0, 0, 0, 0, 1]
    run(world.write(connection))
    expected = {
        student: [
            row["event_id"]
            for row in run(
                connection.fetch("SELECT * FROM recommender.rank_events($1, 5)", student)
            )
        ]
        for student in range(1, 5)
    }
    run_id = run(connection.fetchval("SELECT (recommender.start_run(5)).id"))
    run(connection.execute("SELECT recommender._refresh_for_run($1)", run_id))
    workers = [opened(), opened()]
    for worker in workers:
        run(worker.execute("SELECT recommender.prepare_run($1)", run_id))
    run(connection.execute("SELECT set_config('recommender.as_of', '2026-02-10', false)"))
    run(connection.execute("SELECT recommender.refresh_features()"))

    async def both() -> None:
        await connection.execute(f"SELECT pg_advisory_lock({REFRESH_LOCK})")
        scored = [
            asyncio.ensure_future(
                worker.execute(
                    "SELECT recommender.score_students($1, ARRAY[$2, $2 + 1])", run_id, 2 * n + 1
                )
            )
            for n, worker in enumerate(workers)
        ]
        for worker in workers:
            await until_waiting(connection, worker)
        await connection.execute(f"SELECT pg_advisory_unlock({REFRESH_LOCK})")
        await asyncio.gather(*scored)

    run(bounded(both()))
    assert {student: row["event_ids"] for student, row in read(run, connection).items()} == expected


def test_a_rebuild_before_the_events_are_prepared_leaves_the_run_at_its_moment(
    connection: Connection, opened: Open, run: Run
) -> None:
    world = small_world(2)
    # Events that were there at the moment of the run, and are gone by now.
    for event in world.rows["events"]:
        event["deleted_at"] = AS_OF - days(1)
    run(world.write(connection))
    past = "2026-02-20 00:00:00+00"
    run_id = run(
        connection.fetchval("SELECT (recommender.start_run(5, $1::text::timestamptz)).id", past)
    )
    run(connection.execute("SELECT recommender._refresh_for_run($1)", run_id))
    run(opened().execute("SELECT recommender.refresh_features()"))
    run(connection.execute("SELECT recommender.prepare_run($1)", run_id))
    assert run(connection.fetchval("SELECT count(*) FROM pg_temp.scoring_postings")) > 0


def test_an_event_that_the_twins_do_not_know_yet_waits_for_the_next_run(
    connection: Connection, run: Run
) -> None:
    world = small_world(1)
    world.event(1, tags=["jazz"], deleted=days(-1))
    world.rows["recommender_models"][0]["weights"] = [0, 9.0, 0, 0, 0, 0, 0, 1]
    run(world.write(connection))
    brought_back = EVENTS + 1
    run_id = run(connection.fetchval("SELECT (recommender.start_run(20)).id"))
    run(connection.execute("SELECT recommender._refresh_for_run($1)", run_id))
    run(connection.execute("UPDATE events SET deleted_at = NULL"))
    run(connection.execute("SELECT recommender.prepare_run($1)", run_id))
    run(connection.execute("SELECT recommender.score_students($1, ARRAY[1])", run_id))
    # Scored without its tag it would come last.
    assert brought_back not in read(run, connection)[1]["event_ids"]
    run(connection.execute("CALL recommender.score_all(20)"))
    expected = run(connection.fetch("SELECT event_id FROM recommender.rank_events(1, 20)"))
    assert read(run, connection)[1]["event_ids"] == [row["event_id"] for row in expected]
    assert brought_back in read(run, connection)[1]["event_ids"]


def test_a_rebuild_for_another_moment_waits_for_a_batch_and_the_next_batch_rebuilds(
    connection: Connection, opened: Open, run: Run
) -> None:
    run(small_world(9).write(connection))
    run_id = run(connection.fetchval("SELECT (recommender.start_run(5)).id"))
    batch, rebuild = opened(), opened()
    run(batch.execute("SELECT recommender._refresh_for_run($1)", run_id))
    run(batch.execute("SELECT recommender.prepare_run($1)", run_id))
    run(rebuild.execute("SELECT set_config('recommender.as_of', '2026-02-10', false)"))

    async def meanwhile() -> None:
        transaction = batch.transaction()
        await transaction.start()
        assert (
            await batch.fetchval("SELECT recommender.score_students($1, ARRAY[1, 2, 3, 4])", run_id)
            == 4
        )
        rebuilt = asyncio.ensure_future(rebuild.execute("SELECT recommender.refresh_features()"))
        await until_waiting(connection, rebuild)
        await transaction.commit()
        await rebuilt
        assert (
            await batch.fetchval(
                "SELECT recommender.score_students($1, ARRAY[5, 6, 7, 8, 9])", run_id
            )
            == 5
        )

    run(bounded(meanwhile()))
    assert {row["item_count"] for row in read(run, connection).values()} == {5}


def test_a_run_speaks_for_its_moment_whatever_the_sessions_date_style(
    connection: Connection, run: Run
) -> None:
    run(small_world(2).write(connection))
    run(connection.execute("SET timezone = 'Asia/Kolkata'; SET datestyle = 'SQL, DMY'"))
    try:
        run(connection.execute("CALL recommender.score_all(3, '2026-03-02 10:00:00.123456+00')"))
    finally:
        run(connection.execute("RESET timezone; RESET datestyle"))
    moments = """
        SELECT
            l.generated_at AT TIME ZONE 'UTC' = '2026-03-02 10:00:00.123456',
            m.as_of = l.generated_at
        FROM recommendation_lists AS l CROSS JOIN recommender.snapshot_moment AS m
    """
    assert {tuple(row) for row in run(connection.fetch(moments))} == {(True, True)}


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "0044-03-15 BC"])
def test_a_moment_outside_the_calendar_is_refused(
    connection: Connection, run: Run, moment: str
) -> None:
    run(small_world(1).write(connection))
    assert refused(run, connection, f"CALL recommender.score_all(5, '{moment}')") == "ER003"


def test_readers_and_other_students_do_not_wait_for_a_batch(
    connection: Connection, opened: Open, run: Run
) -> None:
    run(small_world(9).write(connection))
    run(connection.execute("CALL recommender.score_all(3)"))
    run_id = run(connection.fetchval("SELECT (recommender.start_run(5)).id"))
    run(connection.execute("SELECT recommender.prepare_run($1)", run_id))
    batch = connection.transaction()
    run(batch.start())
    assert (
        run(connection.fetchval("SELECT recommender.score_students($1, ARRAY[1, 2, 3, 4])", run_id))
        == 4
    )

    other = opened()
    run(other.execute("SET lock_timeout = '300ms'"))
    assert {row["item_count"] for row in read(run, other).values()} == {3}
    assert run(other.fetchval("SELECT recommender.score_user(5, 4)")) == 4
    assert refused(run, other, "SELECT recommender.score_user(4, 4)") == "55P03"
    # Another connection of the same run leaves them out and goes on.
    run(other.execute("SELECT recommender.prepare_run($1)", run_id))
    assert (
        run(
            other.fetchval(
                "SELECT recommender.score_students($1, ARRAY[1, 2, 3, 4, 5, 6, 7, 8, 9])", run_id
            )
        )
        == 5
    )

    run(batch.commit())
    assert {row["item_count"] for row in read(run, other).values()} == {5}
    assert run(other.fetchval("SELECT recommender.score_user(4, 4)")) == 4


def test_a_model_is_activated_between_batches_and_not_within(
    connection: Connection, opened: Open, run: Run
) -> None:
    run(small_world(9).write(connection))
    run_id = run(connection.fetchval("SELECT (recommender.start_run(5)).id"))
    run(connection.execute("SELECT recommender._refresh_for_run($1)", run_id))
    run(connection.execute("SELECT recommender.prepare_run($1)", run_id))
    batch = connection.transaction()
    run(batch.start())
    run(connection.fetchval("SELECT recommender.score_students($1, ARRAY[1, 2, 3, 4])", run_id))
    other = opened()
    run(other.execute("SET lock_timeout = '100ms'"))
    assert refused(run, other, "SELECT recommender.activate_model('m2')") == "55P03"
    run(batch.commit())
    run(other.execute("SELECT recommender.activate_model('m2')"))
    assert (
        refused(
            run, connection, f"SELECT recommender.score_students({run_id}, ARRAY[5, 6, 7, 8, 9])"
        )
        == "ER031"
    )
    assert models(read(run, connection)) == {
        **dict.fromkeys(range(1, 5), "m1"),
        **dict.fromkeys(range(5, 10), None),
    }


def test_score_user_waits_for_whoever_writes_that_list(
    connection: Connection, opened: Open, run: Run
) -> None:
    run(small_world(3).write(connection))
    other = opened()

    async def both() -> None:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT recommender.score_user(2, 5)")
        waiting = asyncio.ensure_future(other.fetchval("SELECT recommender.score_user(2, 3)"))
        await until_waiting(watcher, other)
        assert not waiting.done()
        await transaction.commit()
        assert await bounded(waiting) == 3  # type: ignore[arg-type]

    watcher = opened()
    run(bounded(both()))
    assert read(run, connection)[2]["item_count"] == 3


# Interrupted runs


def put_up_gate(run: Run, connection: Connection) -> None:
    """Stop whoever writes the gated student until the connection lets go of the gate."""
    run(connection.execute(PUT_UP_GATE))
    run(connection.execute("SELECT pg_advisory_lock($1)", GATE))


def test_a_killed_run_leaves_whole_lists_and_resumes_with_the_rest_only(
    connection: Connection, opened: Open, run: Run
) -> None:
    run(small_world(STUDENTS).write(connection))
    run(connection.execute("CALL recommender.score_all(8)"))
    run(connection.execute("SELECT recommender.activate_model('m2')"))
    put_up_gate(run, connection)
    victim = opened()

    async def kill_in_the_second_batch() -> None:
        rescore = asyncio.ensure_future(victim.execute("CALL recommender.score_all(5)"))
        await until_waiting(connection, victim)
        await connection.execute("SELECT pg_terminate_backend($1)", victim.get_server_pid())
        with pytest.raises((asyncpg.PostgresError, ConnectionError)):
            await rescore

    run(bounded(kill_in_the_second_batch()))
    run(connection.execute("SELECT pg_advisory_unlock($1)", GATE))
    run(connection.execute(TAKE_DOWN_GATE))

    interrupted = read(run, connection)
    done = {user_id for user_id, model in models(interrupted).items() if model == "m2"}
    assert len(done) == BATCH
    assert GATED_STUDENT not in done
    assert set(models(interrupted).values()) == {"m1", "m2"}
    assert {row["item_count"] for row in interrupted.values()} == {5, 8}

    versions = "SELECT user_id, rank, xmin::text FROM user_recommendations WHERE user_id = ANY ($1)"
    before = run(connection.fetch(versions, sorted(done)))
    # The run goes on as it was started, whatever length is given now.
    run(connection.execute("CALL recommender.score_all(3, p_resume => true)"))
    assert models(read(run, connection)) == dict.fromkeys(range(1, STUDENTS + 1), "m2")
    assert {row["item_count"] for row in read(run, connection).values()} == {5}
    assert set(run(connection.fetch(versions, sorted(done)))) == set(before)
    assert len(before) == BATCH * 5
    assert refused(run, connection, "CALL recommender.score_all(5, p_resume => true)") == "ER032"


def test_a_run_whose_model_was_replaced_stops_and_is_not_resumed(
    connection: Connection, opened: Open, run: Run
) -> None:
    run(small_world(STUDENTS).write(connection))
    put_up_gate(run, connection)
    writer, activator = opened(), opened()

    async def activate_in_the_second_batch() -> str:
        rescore = asyncio.ensure_future(writer.execute("CALL recommender.score_all(5)"))
        await until_waiting(connection, writer)
        activate = asyncio.ensure_future(
            activator.execute("SELECT recommender.activate_model('m2')")
        )
        await until_waiting(connection, activator)
        await connection.execute("SELECT pg_advisory_unlock($1)", GATE)
        await activate
        with pytest.raises(asyncpg.PostgresError) as caught:
            await rescore
        return str(caught.value.sqlstate)

    assert run(bounded(activate_in_the_second_batch())) == "ER031"
    lists = models(read(run, connection))
    assert Counter(lists.values()) == {"m1": 2 * BATCH, None: STUDENTS - 2 * BATCH}
    assert lists[GATED_STUDENT] == "m1"
    assert refused(run, connection, "CALL recommender.score_all(5, p_resume => true)") == "ER031"
    run(connection.execute("CALL recommender.score_all(5)"))
    assert set(models(read(run, connection)).values()) == {"m2"}


def test_two_runs_at_once_end_with_complete_lists_of_one_model(
    connection: Connection, opened: Open, run: Run
) -> None:
    run(small_world(STUDENTS).write(connection))
    writers = [opened(), opened()]

    async def both() -> None:
        await asyncio.gather(
            *(writer.execute("CALL recommender.score_all(5)") for writer in writers)
        )

    run(bounded(both()))
    lists = read(run, connection)
    assert models(lists) == dict.fromkeys(range(1, STUDENTS + 1), "m1")
    assert {row["item_count"] for row in lists.values()} == {5}
    assert run(connection.fetchval("SELECT count(finished_at) FROM recommendation_runs")) == 2


def test_a_registration_removed_while_a_batch_writes_leaves_the_list_whole(
    connection: Connection, opened: Open, run: Run
) -> None:
    run(small_world(GATED_STUDENT).write(connection))
    run(connection.execute(f"CALL recommender.score_all({EVENTS})"))
    run(
        connection.execute(
            "INSERT INTO registrations (user_id, event_id, registration_time) VALUES ($1, 1, $2)",
            GATED_STUDENT,
            AS_OF,
        )
    )
    run(connection.execute("SELECT recommender.activate_model('m2')"))
    put_up_gate(run, connection)
    writer = opened()

    async def remove_between_rows_and_headers() -> None:
        rescore = asyncio.ensure_future(writer.execute(f"CALL recommender.score_all({EVENTS})"))
        await until_waiting(connection, writer)
        await connection.execute("DELETE FROM registrations")
        await connection.execute("SELECT pg_advisory_unlock($1)", GATE)
        await rescore

    run(bounded(remove_between_rows_and_headers()))
    # The last rank of the old list must not fill the place that became free.
    assert set(models(read(run, connection)).values()) == {"m2"}


# Moments


def test_an_earlier_moment_does_not_silently_replace_a_list(
    connection: Connection, run: Run
) -> None:
    run(small_world(3).write(connection))
    run(connection.execute("CALL recommender.score_all(5)"))
    run(connection.execute("SELECT set_config('recommender.as_of', '2026-02-20', false)"))
    lists = run(connection.fetch("SELECT * FROM recommendation_lists ORDER BY user_id"))

    assert refused(run, connection, "CALL recommender.score_all(3)") == "ER030"
    assert refused(run, connection, "CALL recommender.score_all(3, '2026-02-21')") == "ER030"
    assert refused(run, connection, "SELECT recommender.score_user(1, 3)") == "ER030"
    assert run(connection.fetch("SELECT * FROM recommendation_lists ORDER BY user_id")) == lists
    assert {row["item_count"] for row in read(run, connection).values()} == {5}

    assert run(connection.fetchval("SELECT recommender.score_user(1, 3, true)")) == 3
    assert {row["item_count"] for row in read(run, connection).values()} == {3, 5}
    run(connection.execute("CALL recommender.score_all(4, p_overwrite => true)"))
    assert {row["item_count"] for row in read(run, connection).values()} == {4}
    moments = "SELECT DISTINCT generated_at::text FROM recommendation_lists"
    assert [tuple(row) for row in run(connection.fetch(moments))] == [("2026-02-20 00:00:00+00",)]


def test_a_resumed_run_still_may_replace_later_lists(connection: Connection, run: Run) -> None:
    run(small_world(3).write(connection))
    run(connection.execute("CALL recommender.score_all(5)"))
    past = "2026-02-20 00:00:00+00"
    run_id = run(
        connection.fetchval(
            "SELECT (recommender.start_run(4, $1::text::timestamptz, false, true)).id", past
        )
    )
    run(connection.execute("SELECT recommender._refresh_for_run($1)", run_id))
    run(connection.execute("SELECT recommender.prepare_run($1)", run_id))
    run(connection.execute("SELECT recommender.score_students($1, ARRAY[1])", run_id))
    run(connection.execute("CALL recommender.score_all(p_resume => true)"))
    moments = "SELECT DISTINCT generated_at::text, item_count FROM recommendation_lists"
    assert [tuple(row) for row in run(connection.fetch(moments))] == [(past, 4)]


def test_the_moment_of_a_run_is_the_one_given_and_not_the_sessions(
    connection: Connection, run: Run
) -> None:
    run(small_world(2).write(connection))
    run(connection.execute("CALL recommender.score_all(8, '2026-03-14 12:00+00')"))
    lists = read(run, connection)
    assert {tuple(sorted(row["event_ids"])) for row in lists.values()} == {(4, 5, 6, 7, 8)}
    assert run(connection.fetchval("SELECT recommender.as_of()")) == AS_OF


# What a list loses


def test_a_shorter_list_leaves_nothing_of_the_longer_one(connection: Connection, run: Run) -> None:
    run(small_world(4).write(connection))
    run(connection.execute("CALL recommender.score_all(8)"))
    run(connection.execute("CALL recommender.score_all(6)"))
    assert {row["item_count"] for row in read(run, connection).values()} == {6}
    run(connection.execute("SELECT recommender.score_user(2, 3)"))
    assert [row["item_count"] for row in read(run, connection).values()] == [6, 3, 6, 6]


@pytest.mark.parametrize("command", ["CALL recommender.score_all(5)", "each"])
def test_a_student_with_nothing_to_go_to_loses_the_old_list(
    command: str, connection: Connection, run: Run
) -> None:
    run(small_world(4).write(connection))
    run(connection.execute("CALL recommender.score_all(5)"))
    run(
        connection.execute(
            "INSERT INTO registrations (user_id, event_id, registration_time)"
            " SELECT 2, id, '2026-02-01' FROM events"
        )
    )
    if command == "each":
        command = "SELECT recommender.score_user(n, 5) FROM generate_series(1, 4) AS n"
    run(connection.execute(command))
    assert [row["item_count"] for row in read(run, connection).values()] == [5, 0, 5, 5]
    run(connection.execute("UPDATE events SET status = 'draft'"))
    run(connection.execute(command))
    assert [row["item_count"] for row in read(run, connection).values()] == [0, 0, 0, 0]
    assert run(connection.fetchval("SELECT count(*) FROM user_recommendations")) == 0


def test_who_stopped_being_a_student_loses_the_list(connection: Connection, run: Run) -> None:
    run(small_world(4).write(connection))
    run(connection.execute("CALL recommender.score_all(5)"))
    run(connection.execute("UPDATE users SET role = 'organizer' WHERE id = 2"))
    assert refused(run, connection, "SELECT recommender.score_user(2)") == "ER020"
    run(connection.execute("CALL recommender.score_all(5)"))
    assert list(read(run, connection)) == [1, 3, 4]
    remaining = run(
        connection.fetchval("SELECT array_agg(DISTINCT user_id) FROM user_recommendations")
    )
    assert remaining == [1, 3, 4]


def test_inactive_students_have_lists(connection: Connection, run: Run) -> None:
    run(small_world(2).write(connection))
    run(connection.execute("UPDATE users SET is_active = false"))
    run(connection.execute("CALL recommender.score_all(5)"))
    assert [row["item_count"] for row in read(run, connection).values()] == [5, 5]


def test_a_click_committed_a_moment_ago_counts_for_the_student_alone(
    connection: Connection, run: Run
) -> None:
    world = small_world(2)
    world.rows["recommender_models"][0]["weights"] = [0.0, 9.0, 0, 0, 0, 0, 0, 0]
    run(world.write(connection))
    run(connection.execute("CALL recommender.score_all(1)"))
    run(
        connection.execute(
            "INSERT INTO user_implicit_interest_tags (user_id, tag_id, score, last_seen_at)"
            " SELECT 1, id, 10, $1 FROM tags WHERE name = 'rock'",
            AS_OF,
        )
    )
    run(connection.execute("DELETE FROM user_interest_tags"))
    run(connection.execute("SELECT recommender.score_user(1, 1)"))
    lists = read(run, connection)
    assert lists[1]["event_ids"] == [1]
    assert lists[2]["event_ids"] == [1]


# Models


@pytest.mark.parametrize("weight", ["NaN", "Infinity", "-Infinity", "1e7", "-1e7"])
def test_weights_that_cannot_be_scored_with_are_refused(
    weight: str, connection: Connection, run: Run
) -> None:
    run(small_world(1).write(connection))
    weights = [0.5] * 7 + [float(weight)]
    store = "SELECT recommender.store_model('bad', $1, $2, '{}')"
    assert refused(run, connection, store, FEATURES, weights) == "ER013"
    insert = (
        "INSERT INTO recommender_models (model_version, feature_names, weights)"
        " VALUES ('bad', $1, $2)"
    )
    assert refused(run, connection, insert, FEATURES, weights) == "23514"
    assert run(connection.fetchval("SELECT model_version FROM recommender.current_model()")) == "m1"


@pytest.mark.parametrize("weights", [None, [], [1.0] * 7, [1.0] * 9, [1.0] * 7 + [None]], ids=repr)
def test_weights_that_do_not_match_the_features_are_refused(
    weights: list[float] | None, connection: Connection, run: Run
) -> None:
    store = "SELECT recommender.store_model('bad', $1, $2, '{}')"
    assert refused(run, connection, store, FEATURES, weights) == "ER013"
    assert refused(run, connection, store, FEATURES[::-1], [1.0] * 8) == "ER012"


def test_a_stored_model_is_never_overwritten(connection: Connection, run: Run) -> None:
    run(small_world(1).write(connection))
    store = "SELECT recommender.store_model('m2', $1, $2, '{}')"
    assert refused(run, connection, store, FEATURES, [1.0] * 8) == "ER014"


def test_the_largest_weights_score_without_an_error(connection: Connection, run: Run) -> None:
    world = small_world(2)
    world.rows["recommender_models"][0]["weights"] = [1e6, 1e6, 1e6, -1e6, 1e6, 1e6, 1e6, -1e6]
    run(world.write(connection))
    run(connection.execute("CALL recommender.score_all(5)"))
    run(connection.execute("SELECT recommender.score_user(1, 5)"))
    assert run(connection.fetchval("SELECT max(score) FROM user_recommendations")) == 1
    run(connection.execute("UPDATE recommender_models SET weights[1] = -1e6, weights[2] = 0"))
    run(connection.execute("CALL recommender.score_all(5)"))
    assert run(connection.fetchval("SELECT max(score) FROM user_recommendations")) < 1e-300


def test_a_pinned_model_scores_instead_of_the_active_one(
    connection: Connection, opened: Open, run: Run
) -> None:
    run(small_world(2).write(connection))
    pinned = opened(recommender_model_version="m2")
    run(pinned.execute("CALL recommender.score_all(5)"))
    assert models(read(run, connection)) == {1: "m2", 2: "m2"}
    run(connection.execute("SELECT recommender.score_user(1, 5)"))
    assert models(read(run, connection)) == {1: "m1", 2: "m2"}
    run(
        connection.execute(
            "INSERT INTO recommender_settings (name, value)"
            " VALUES ('recommender_model_version', 'm2')"
        )
    )
    run(connection.execute("SELECT recommender.score_user(1, 5)"))
    assert models(read(run, connection)) == {1: "m2", 2: "m2"}

    missing = opened(recommender_model_version="nothing")
    for command in (
        "CALL recommender.score_all(5)",
        "SELECT recommender.score_user(1, 5)",
        "SELECT recommender.explain(1, 1)",
    ):
        assert refused(run, missing, command) == "ER011"


def test_without_an_active_model_the_newest_scores(connection: Connection, run: Run) -> None:
    world = small_world(1)
    world.rows["recommender_models"][0]["is_active"] = False
    run(world.write(connection))
    run(connection.execute("SELECT recommender.score_user(1, 5)"))
    assert models(read(run, connection)) == {1: "m2"}


def test_without_a_model_nothing_is_scored(connection: Connection, run: Run) -> None:
    world = small_world(1)
    del world.rows["recommender_models"]
    run(world.write(connection))
    for command in (
        "CALL recommender.score_all(5)",
        "SELECT recommender.score_user(1, 5)",
        "SELECT recommender.explain(1, 1)",
    ):
        assert refused(run, connection, command) == "ER010"
    assert refused(run, connection, "SELECT recommender.activate_model('m1')") == "ER011"
    assert run(connection.fetchval("SELECT count(*) FROM recommendation_lists")) == 0


def test_a_model_of_other_features_does_not_score(connection: Connection, run: Run) -> None:
    world = small_world(1)
    world.rows["recommender_models"][0]["feature_names"] = FEATURES[::-1]
    run(world.write(connection))
    assert refused(run, connection, "CALL recommender.score_all(5)") == "ER012"
    assert refused(run, connection, "SELECT recommender.score_user(1, 5)") == "ER012"


@pytest.mark.parametrize("top_n", ["0", "-1", "NULL", "10001"])
def test_a_length_that_is_none_is_refused(top_n: str, connection: Connection, run: Run) -> None:
    run(small_world(1).write(connection))
    assert refused(run, connection, f"CALL recommender.score_all({top_n})") == "ER003"
    assert refused(run, connection, f"SELECT recommender.score_user(1, {top_n})") == "ER003"
    assert run(connection.fetchval("SELECT count(*) FROM recommendation_runs")) == 0


# Settings

CACHE_AGE = "recommendations_cache_max_age_seconds"
EFFECTIVE = "SELECT value, source FROM recommender.settings WHERE name = $1"


def test_a_sessions_setting_beats_the_stored_one_and_that_the_default(
    connection: Connection, run: Run
) -> None:
    def effective() -> tuple[str, str, int]:
        row = run(connection.fetchrow(EFFECTIVE, CACHE_AGE))
        assert row is not None
        value = run(connection.fetchval("SELECT recommender.setting($1)", CACHE_AGE))
        assert value == row["value"]
        typed = run(connection.fetchval("SELECT cache_max_age_seconds FROM recommender.parameters"))
        return row["value"], row["source"], typed

    assert effective() == ("86400", "default", 86400)
    insert = "INSERT INTO recommender_settings (name, value) VALUES ($1, '600')"
    run(connection.execute(insert, CACHE_AGE))
    assert effective() == ("600", "admin", 600)
    run(connection.execute(f"SET recommender.{CACHE_AGE} = '30'"))
    assert effective() == ("30", "session", 30)
    run(connection.execute(f"RESET recommender.{CACHE_AGE}"))
    assert effective() == ("600", "admin", 600)


def test_a_setting_of_one_transaction_leaves_nothing_behind(
    connection: Connection, run: Run
) -> None:
    transaction = connection.transaction()
    run(transaction.start())
    run(connection.execute(f"SET LOCAL recommender.{CACHE_AGE} = '30'"))
    run(connection.execute("SET LOCAL recommender.recommender_model_version = 'm2'"))
    run(transaction.commit())
    assert run(connection.fetchval("SELECT recommender.setting($1)", CACHE_AGE)) == "86400"
    assert run(connection.fetchval("SELECT model_version FROM recommender.parameters")) is None


def test_an_unknown_setting_is_refused(connection: Connection, run: Run) -> None:
    assert refused(run, connection, "SELECT recommender.setting('secret_key')") == "ER001"
    assert refused(run, connection, "SELECT recommender.setting(NULL)") == "ER001"


@pytest.mark.parametrize("value", ["abc", "1.5", "-1", "1e3", " 60", "400000000", "99999999999"])
def test_a_value_out_of_type_or_bounds_is_refused(
    value: str, connection: Connection, run: Run
) -> None:
    setting = "SELECT recommender.setting($1)"
    run(connection.execute("SELECT set_config($1, $2, false)", f"recommender.{CACHE_AGE}", value))
    assert refused(run, connection, setting, CACHE_AGE) == "ER002"
    row = run(
        connection.fetchrow("SELECT is_valid FROM recommender.settings WHERE name = $1", CACHE_AGE)
    )
    assert row is not None
    assert row["is_valid"] is False
