"""The command that trains and writes lists, as a process: exit codes, flags, interruptions."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.population import Plan, generate_population, settle
from app.training.examples import FEATURE_NAMES
from app.training.model import Recipe
from scripts.recompute_recommendations_ml import parse_arguments
from tests.support.worlds import AS_OF, World, days, hours, open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from asyncpg import Connection, Record

    from tests.support.databases import Databases
    from tests.support.runner import Run

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "recompute_recommendations_ml.py"
SECONDS = 60
"""No process here takes longer, or the test fails."""

STUDENTS = 250
POPULATION = Plan(
    as_of=AS_OF,
    shape="lively",
    students=STUDENTS,
    upcoming_events=40,
    past_events=40,
    organizers=8,
    tags=120,
    categories=6,
    cities=3,
    days=60,
    interactions_per_student=20,
    experiment_percent=50,
    zipf=1.0,
    seed=9,
)


@dataclass
class Command:
    """The command on one database, and a session that looks at what it did."""

    url: str
    connection: Connection[Record]
    run: Run

    def __call__(
        self, *flags: str, version: str = "", url: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(SCRIPT), *flags],
            env=self.environment(version, url),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def start(self, *flags: str) -> subprocess.Popen[str]:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # A run in the background of a shell ignores it, and so would its children.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), *flags],
            env=self.environment("", None),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def environment(self, version: str, url: str | None) -> dict[str, str]:
        return os.environ | {
            "DATABASE_URL": url or self.url,
            "RECOMMENDER_MODEL_VERSION": version,
            "COLUMNS": "200",
        }

    def write(self, world: World, *statements: str) -> None:
        self.run(world.write(self.connection))
        for statement in statements:
            self.run(self.connection.execute(statement))

    def rows(self, sql: str, *arguments: object) -> list[Record]:
        return self.run(self.connection.fetch(sql, *arguments))

    def value(self, sql: str, *arguments: object) -> object:
        return self.run(self.connection.fetchval(sql, *arguments))

    def models(self) -> list[str]:
        return [
            row["model_version"]
            for row in self.rows("SELECT model_version FROM recommender_models ORDER BY id")
        ]

    def lists(self) -> list[tuple[object, ...]]:
        return [
            tuple(row)
            for row in self.rows("SELECT * FROM user_recommendations ORDER BY user_id, rank")
        ]

    def checksums(self) -> dict[str, str]:
        """Give a checksum of every table and materialized view that is not of this session."""
        names = self.rows(
            "SELECT c.oid::regclass::text AS name FROM pg_class AS c"
            " WHERE c.relkind IN ('r', 'p', 'm')"
            " AND c.relnamespace IN ('public'::regnamespace, 'recommender'::regnamespace)"
        )
        return {
            row["name"]: str(
                self.value(
                    "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"  # noqa: S608
                    f" FROM {row['name']} AS t"
                )
            )
            for row in names
        }


@pytest.fixture(scope="module")
def command(database_url: str, run: Run) -> Iterator[Command]:
    """The command on a database for worlds written by hand."""
    connection = run(open_session(database_url))
    yield Command(database_url, connection, run)
    run(connection.close())


@pytest.fixture(scope="module")
def populated(databases: Databases, run: Run) -> Iterator[Command]:
    """The command on a generated population, trained and scored once at AS_OF."""
    with databases.migrated() as url:
        connection = run(open_session(url))
        run(generate_population(connection, POPULATION))
        run(settle(connection))
        command = Command(url, connection, run)
        succeed(command("--as-of", AS_OF.isoformat(), "--top-n", "10"))
        yield command
        run(connection.close())


def small_world() -> World:
    """Three students, eight events, and enough signals to learn from."""
    world = World()
    clubs = [world.organizer() for _ in range(2)]
    students = [world.student(city="Cluj", interests=["rock"]) for _ in range(3)]
    events = [
        world.event(clubs[number % 2], tags=["rock" if number % 2 else "jazz"], city="Cluj")
        for number in range(8)
    ]
    for number, student in enumerate(students):
        world.register(student, events[number])
        world.favorite(student, events[number + 3])
        world.interact(student, "click", events[number + 4])
    return world


def succeed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def fail_with(done: subprocess.CompletedProcess[str], sentence: str, code: int = 1) -> None:
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert sentence in line


def at(moment: timedelta) -> str:
    return (AS_OF + moment).isoformat()


# What it says when it cannot


def test_without_students_it_says_so(command: Command) -> None:
    world = World()
    world.event(world.organizer())
    command.write(world)
    fail_with(command("--as-of", at(days(0))), "there are no students")


def test_without_events_it_says_so(command: Command) -> None:
    world = World()
    world.student()
    command.write(world)
    fail_with(command("--as-of", at(days(0))), "there are no events known at 2026-03-01 12:00:00")


def test_without_positives_it_says_so(command: Command) -> None:
    world = World()
    world.student()
    world.event(world.organizer())
    command.write(world)
    fail_with(command("--as-of", at(days(0))), "there is nothing to learn from by 2026-03-01")
    assert command.models() == []


@pytest.mark.parametrize("flags", [(), ("--user-id", "3")])
def test_without_a_model_skipping_training_says_how_to_get_one(
    command: Command, flags: tuple[str, ...]
) -> None:
    command.write(small_world())
    fail_with(command("--skip-training", *flags), "there is no model yet. train one: python")
    assert command.lists() == []


def test_skipping_training_refuses_a_model_version_that_is_not_there(command: Command) -> None:
    world = small_world()
    world.model(1, version="m1")
    command.write(world)
    fail_with(
        command("--skip-training", version="m2"),
        'there is no model "m2". it is pinned by RECOMMENDER_MODEL_VERSION',
    )
    assert command.lists() == []


def test_training_refuses_a_model_version_that_exists(command: Command) -> None:
    world = small_world()
    world.model(1, version="m1")
    command.write(world)
    fail_with(command(version="m1"), "model 'm1' exists already: give RECOMMENDER_MODEL_VERSION")
    assert command.models() == ["m1"]


def test_a_model_of_other_features_is_refused(command: Command) -> None:
    world = small_world()
    world.model(1, version="m1")
    command.write(
        world, "UPDATE recommender_models SET feature_names[2] = 'luck' WHERE model_version = 'm1'"
    )
    fail_with(command("--skip-training"), 'model "m1" was trained on other features')
    fail_with(
        command("--skip-training", "--user-id", "3"), 'model "m1" was trained on other features'
    )
    assert command.lists() == []


@pytest.mark.parametrize("user_id", ["1", "999"], ids=["organizer", "nobody"])
def test_the_list_of_somebody_who_is_no_student_is_refused(command: Command, user_id: str) -> None:
    world = small_world()
    world.model(1)
    command.write(world)
    fail_with(
        command("--skip-training", "--user-id", user_id), f"there is no student {user_id}. lists"
    )


def test_nothing_is_trained_for_somebody_who_is_no_student(command: Command) -> None:
    world = small_world()
    world.model(1, version="m1")
    command.write(world)
    fail_with(command("--user-id", "99999"), "there is no student 99999. lists")
    assert command.models() == ["m1"]


def test_without_an_interrupted_run_there_is_nothing_to_resume(command: Command) -> None:
    world = small_world()
    world.model(1)
    command.write(world)
    fail_with(command("--resume"), "there is no interrupted run to resume")


def test_a_server_that_is_away_is_named_without_the_password(command: Command) -> None:
    done = command(url="postgresql://me:secret@127.0.0.1:1/events")
    fail_with(done, "cannot reach the database events on 127.0.0.1:1 as user me")
    assert "secret" not in done.stderr


def test_a_database_without_the_schema_is_refused(
    command: Command, empty_database_url: str
) -> None:
    for flags in ((), ("--skip-training",), ("--dry-run",), ("--resume",)):
        fail_with(
            command(*flags, url=empty_database_url), "run .venv/bin/python scripts/migrate.py first"
        )


# Flags


@pytest.mark.parametrize(
    "flags",
    [
        "--top-n 0",
        "--top-n 10001",
        "--top-n ten",
        "--top-n 1.5",
        "--user-id 0",
        "--user-id 2147483648",
        "--user-id ana",
        "--jobs 0",
        "--jobs 65",
        "--epochs 0",
        "--epochs 1e3",
        "--lr 0",
        "--lr -1",
        "--lr nan",
        "--lr inf",
        "--l2 -0.1",
        "--l2 nan",
        "--seed -1",
        "--seed 4611686018427387905",
        "--negatives-per-positive -1",
        "--negatives-per-positive 101",
        "--eval-negatives -1",
        "--eval-negatives 10001",
        "--solver adam",
        "--history some",
        "--as-of yesterday",
        "--as-of 2026-13-01",
        "--as-of 9999-12-31T23:59:59-12:00",
        "--unknown",
        "student",
        "--resume --user-id 3",
        "--resume --as-of 2026-03-01",
        "--resume --dry-run",
        "--resume --top-n 10",
        "--dry-run --skip-training",
        "--changed --user-id 3",
        "--changed --resume",
        "--changed --dry-run",
        "--force --changed",
        "--force --skip-training",
    ],
)
def test_a_wrong_flag_is_refused_by_name(flags: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        parse_arguments(flags.split())
    assert refusal.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert flags.split(maxsplit=1)[0] in said.err.splitlines()[-1]


def test_a_wrong_flag_ends_the_process_with_2_before_the_database_is_asked(
    command: Command,
) -> None:
    done = command("--top-n", "0", url="postgresql://me@127.0.0.1:1/events")
    assert (done.returncode, done.stdout) == (2, "")
    assert "argument --top-n: '0' is not a whole number from 1 to 10,000" in done.stderr


def test_flags_not_given_mean_what_ranked_best_and_else_what_the_reference_says() -> None:
    options = parse_arguments([])
    assert {name: getattr(options, name) for name in vars(Recipe())} == {
        "recipe": "auto",
        "feature_set": "site",
        "windows": 4,
        "window_days": 14,
        "penalty": "auto",
        "solver": "newton",
        "history": "leave-one-out",
        "epochs": 6,
        "lr": 0.35,
        "l2": 0.0003,
        "seed": 1337,
        "negatives_per_positive": 3,
        "eval_negatives": 50,
    }
    assert (options.top_n, options.user_id, options.as_of) == (50, None, None)
    switches = ("skip_training", "dry_run", "overwrite", "resume", "changed")
    assert [getattr(options, name) for name in switches] == [False] * 5


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2017-05-08T00:00:00+00:00", datetime(2017, 5, 8, tzinfo=UTC)),
        ("2017-05-08", datetime(2017, 5, 8, tzinfo=UTC)),
        ("2017-05-08T02:00:00+02:00", datetime(2017, 5, 8, tzinfo=UTC)),
    ],
)
def test_a_moment_without_a_zone_is_utc(text: str, moment: datetime) -> None:
    assert parse_arguments(["--as-of", text]).as_of == moment


# What it writes


def test_it_trains_stores_activates_and_writes_every_list(command: Command) -> None:
    command.write(small_world())
    said = succeed(command("--as-of", at(days(0)), "--top-n", "4"))
    assert command.models() == ["ml-v1-20260301T120000Z"]
    assert command.value("SELECT is_active FROM recommender_models") is True
    assert said.splitlines()[-1].startswith("lists: 3 students, 12 rows, 3 written in ")
    assert said.endswith(" by model ml-v1-20260301T120000Z as of 2026-03-01T12:00:00+0000\n")
    headers = command.rows(
        "SELECT user_id, model_version, generated_at, item_count FROM recommendation_lists"
        " ORDER BY user_id"
    )
    assert [tuple(row) for row in headers] == [
        (student, "ml-v1-20260301T120000Z", AS_OF, 4) for student in (3, 4, 5)
    ]


def test_training_twice_at_one_moment_keeps_both_models(command: Command) -> None:
    command.write(small_world())
    for _ in range(2):
        succeed(command("--as-of", at(days(0))))
    models = command.rows("SELECT * FROM recommender_models ORDER BY id")
    assert [(row["model_version"], row["is_active"]) for row in models] == [
        ("ml-v1-20260301T120000Z", False),
        ("ml-v1-20260301T120000Z-2", True),
    ]
    assert models[0]["weights"] == models[1]["weights"]
    first, second = (json.loads(row["meta"]) for row in models)
    assert (first["compared_with"], first["compared_loss"]) == (None, None)
    assert second["compared_with"] == models[0]["model_version"]
    assert second["compared_loss"] == second["held_out_loss"] == first["held_out_loss"]
    for meta in (first, second):
        assert meta.pop("verdict")
        del meta["compared_with"], meta["compared_loss"]
    assert first == second
    assert {row[4] for row in command.lists()} == {"ml-v1-20260301T120000Z-2"}


def test_the_environment_names_the_model_when_training_and_when_not(command: Command) -> None:
    command.write(small_world())
    for version in ("first", "second"):
        said = succeed(command("--as-of", at(days(0)), version=version))
        assert f" by model {version} as of " in said
    assert command.models() == ["first", "second"]
    assert " by model first as of " in succeed(
        command("--as-of", at(days(0)), "--skip-training", version="first")
    )
    assert " by model second as of " in succeed(command("--as-of", at(days(0)), "--skip-training"))
    assert command.models() == ["first", "second"]


def test_training_keeps_what_the_flags_said(command: Command) -> None:
    command.write(small_world())
    succeed(
        command(
            *("--as-of", at(days(0)), "--solver", "newton", "--history", "all", "--seed", "5"),
            *("--l2", "0.5", "--negatives-per-positive", "2", "--eval-negatives", "4"),
        )
    )
    (meta,) = command.rows(
        "SELECT m.* FROM recommender_models AS r, jsonb_to_record(r.meta) AS m"
        " (solver text, history text, seed int, l2 float8, negatives_per_positive int,"
        " eval_negatives int, as_of timestamptz)"
    )
    assert tuple(meta) == ("newton", "all", 5, 0.5, 2, 4, AS_OF)


def test_user_id_writes_one_list_and_leaves_the_others(command: Command) -> None:
    world = small_world()
    world.model(1, version="m1")
    command.write(world)
    succeed(command("--as-of", at(days(0)), "--skip-training", "--top-n", "5"))
    before = [row for row in command.lists() if row[0] != 4]
    said = succeed(
        command("--as-of", at(days(1)), "--skip-training", "--user-id", "4", "--top-n", "2")
    )
    assert said == "wrote the list of student 4: 2 events\n"
    assert [row for row in command.lists() if row[0] != 4] == before
    assert [row[5] for row in command.lists() if row[0] == 4] == [AS_OF + days(1)] * 2


def test_a_dry_run_prints_and_changes_nothing(populated: Command) -> None:
    before = populated.checksums()
    assert {"users", "recommender_models", "recommender.event_attributes_snapshot"} < set(before)
    said = succeed(populated("--dry-run", "--as-of", at(days(-1)), "--solver", "newton"))
    assert said.startswith("hitrate@10 0.")
    (student,) = populated.rows("SELECT min(user_id) FROM recommendation_lists")
    said = succeed(
        populated(
            *("--dry-run", "--skip-training", "--as-of", at(days(0))),
            *("--user-id", str(student[0]), "--top-n", "10"),
        )
    )
    printed = [line.split("\t") for line in said.splitlines()]
    assert [(int(line[0]), int(line[1])) for line in printed] == [
        (row[1], row[2]) for row in populated.lists() if row[0] == student[0]
    ]
    assert populated.checksums() == before


def test_a_dry_run_for_one_student_ranks_with_the_model_it_trained(command: Command) -> None:
    command.write(small_world())
    before = command.checksums()
    said = succeed(command("--dry-run", "--as-of", at(days(0)), "--user-id", "3", "--top-n", "4"))
    ranked = [line.split("\t")[:3] for line in said.splitlines() if "\t" in line]
    assert [line[0] for line in ranked] == ["1", "2", "3", "4"]
    assert command.checksums() == before
    succeed(command("--as-of", at(days(0)), "--user-id", "3", "--top-n", "4"))
    assert [[str(row[1]), str(row[2]), f"{row[3]:.6f}"] for row in command.lists()] == ranked


def test_any_number_of_connections_writes_the_same_lists(populated: Command) -> None:
    before = populated.lists()
    assert len(before) == 10 * STUDENTS
    for jobs in ("1", "3"):
        populated.run(
            populated.connection.execute(
                "TRUNCATE user_recommendations, recommendation_lists, recommendation_runs"
            )
        )
        succeed(
            populated(*("--skip-training", "--as-of", at(days(0)), "--top-n", "10", "--jobs", jobs))
        )
        assert populated.lists() == before


def test_a_past_moment_replaces_lists_only_when_told_to(command: Command) -> None:
    world = small_world()
    world.model(1, version="m1")
    command.write(world)
    succeed(command("--as-of", at(days(0)), "--skip-training"))
    before = command.checksums()
    for flags in ((), ("--skip-training",), ("--user-id", "3"), ("--skip-training", "--user-id=3")):
        fail_with(
            command("--as-of", at(hours(-1)), *flags),
            "later than 2026-03-01 11:00:00+00. an earlier moment replaces it only with",
        )
    assert command.checksums() == before
    succeed(command("--as-of", at(hours(-1)), "--skip-training", "--overwrite"))
    assert {row[5] for row in command.lists()} == {AS_OF - hours(1)}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_changed_writes_those_who_changed_and_says_how_many(command: Command, jobs: str) -> None:
    world = small_world()
    world.model(1, version="m1")
    command.write(world)
    changed = ("--as-of", at(days(0)), "--changed", "--jobs", jobs)
    said = succeed(command(*changed, "--top-n", "5"))
    assert said.startswith("lists: 3 students, 15 rows, 3 written in "), "there was no run of all"
    before = [row for row in command.lists() if row[0] != 4]
    assert succeed(command(*changed)).startswith("lists: 0 of 3 were due, ")
    command.value("UPDATE users SET city = 'Sibiu' WHERE id = 4")
    said = succeed(command(*changed))
    assert said.startswith("lists: 1 of 3 were due, 3 students, 15 rows, 1 written in ")
    assert [row for row in command.lists() if row[0] != 4] == before


def test_the_present_is_the_moment_of_a_run_that_names_none(command: Command) -> None:
    world = small_world()
    world.model(1)
    command.write(world, "UPDATE events SET start_time = now() + interval '1 day'")
    before = datetime.now(UTC)
    succeed(command("--skip-training"))
    (moment,) = {row[5] for row in command.lists()}
    assert isinstance(moment, datetime)
    assert before - timedelta(minutes=1) < moment < datetime.now(UTC) + timedelta(minutes=1)


# Interruptions and company


# For a moment connections wait for the one that notes the events of the run, and for autovacuum.
WAITING = """
SELECT count(*) FROM pg_stat_activity AS a
WHERE
    a.datname = current_database()
    AND a.wait_event_type = 'Lock'
    AND a.backend_type = 'client backend'
    AND a.query NOT LIKE '%prepare_run%'
    AND a.query NOT LIKE 'VACUUM%'
"""
END_WAITING = """
SELECT pg_terminate_backend(a.pid, 10000) FROM pg_stat_activity AS a
WHERE a.datname = current_database() AND a.wait_event_type = 'Lock'
"""
UNEVEN = """
SELECT l.user_id
FROM recommendation_lists AS l
LEFT JOIN user_recommendations AS r ON r.user_id = l.user_id
GROUP BY l.user_id
HAVING
    count(r.rank) <> l.item_count
    OR max(r.rank) IS DISTINCT FROM nullif(l.item_count, 0)
    OR count(DISTINCT r.event_id) <> count(r.rank)
    OR bool_or((r.model_version, r.generated_at) <> (l.model_version, l.generated_at))
"""


@asynccontextmanager
async def locked(url: str, statement: str) -> AsyncIterator[None]:
    """Hold the locks of a statement."""
    connection = await open_session(url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
        yield
    finally:
        await transaction.rollback()
        await connection.close()


async def until_waiting(
    connection: Connection[Record], process: subprocess.Popen[str], count: int = 1
) -> None:
    """Come back when so many sessions wait for a lock."""
    deadline = time.monotonic() + SECONDS
    while await connection.fetchval(WAITING) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline


def some_lists(students: int) -> str:
    return (
        "SELECT l.user_id FROM recommendation_lists AS l WHERE l.user_id IN"  # noqa: S608
        f" (SELECT user_id FROM recommendation_lists ORDER BY user_id LIMIT {students})"
        " FOR UPDATE"
    )


def interrupt(
    command: Command, signal_number: signal.Signals, moment: str, statement: str, *flags: str
) -> tuple[int, str, str]:
    """Send the signal while the run waits for what the statement locks."""

    async def interrupted() -> tuple[int, str, str]:
        async with locked(command.url, statement):
            process = command.start("--as-of", moment, "--top-n", "10", *flags)
            await until_waiting(command.connection, process)
            process.send_signal(signal_number)
            out, err = process.communicate(timeout=SECONDS)
            # The server's side of a client that is gone would go on once the lock is free.
            await command.connection.fetch(END_WAITING)
            return process.returncode, out, err

    return command.run(interrupted())


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_leaves_whole_lists_and_resume_writes_the_rest(
    populated: Command, signal_number: signal.Signals, jobs: str
) -> None:
    # A moment of its own for each of the four.
    later = hours(1 + int(jobs) + 2 * (signal_number == signal.SIGKILL))
    waiting = 30
    code, out, err = interrupt(
        populated, signal_number, at(later), some_lists(waiting), "--skip-training", "--jobs", jobs
    )
    assert out == ""
    if signal_number == signal.SIGINT:
        assert code == 130
        assert f"interrupted: {STUDENTS - waiting} lists are written and whole" in err
        assert "Traceback" not in err
    else:
        assert code == -signal.SIGKILL

    def written() -> object:
        return populated.value(
            "SELECT count(*) FROM recommendation_lists WHERE generated_at = $1", AS_OF + later
        )

    assert populated.rows(UNEVEN) == []
    assert written() == STUDENTS - waiting
    said = succeed(populated("--resume", "--jobs", jobs))
    assert f"lists: {STUDENTS} students, {10 * STUDENTS:,} rows, {waiting} written in " in said
    assert populated.rows(UNEVEN) == []
    assert written() == STUDENTS
    fail_with(populated("--resume"), "there is no interrupted run to resume")


def test_interrupted_while_training_it_stores_nothing(populated: Command) -> None:
    before = populated.checksums()
    code, out, err = interrupt(populated, signal.SIGINT, at(days(1)), "LOCK TABLE favorite_events")
    assert (code, out) == (130, "")
    assert "Traceback" not in err
    assert "interrupted" in err
    assert populated.checksums() == before


def test_a_model_activated_meanwhile_ends_the_run_with_one_sentence(populated: Command) -> None:
    async def overtaken() -> tuple[int, str, str]:
        active = await populated.connection.fetchval(
            "SELECT (recommender.current_model()).model_version"
        )
        await populated.connection.execute(
            "SELECT recommender.store_model('overtaking', $1, $2, '{}', false)",
            FEATURE_NAMES,
            [1.0] * 8,
        )
        other = await open_session(populated.url)
        try:
            async with locked(populated.url, some_lists(STUDENTS)):
                process = populated.start(
                    *("--skip-training", "--as-of", at(days(2)), "--top-n", "10", "--jobs", "1")
                )
                await until_waiting(populated.connection, process)
                activation = asyncio.create_task(
                    other.execute("SELECT recommender.activate_model('overtaking')")
                )
                await until_waiting(populated.connection, process, 2)
            # The first 200 lists are written, then the model is activated, then it is noticed.
            out, err = await asyncio.to_thread(process.communicate, timeout=SECONDS)
            await activation
            await other.execute("SELECT recommender.activate_model($1)", active)
            return process.returncode, out, err
        finally:
            await other.close()

    code, out, err = populated.run(overtaken())
    assert (code, out) == (1, "")
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert 'but "overtaking" scores now. start a new run' in line
    assert populated.rows(UNEVEN) == []
    moments = populated.rows(
        "SELECT generated_at = $1 AS is_new, count(*) FROM recommendation_lists GROUP BY 1"
        " ORDER BY 1",
        AS_OF + days(2),
    )
    assert [tuple(row) for row in moments] == [(False, STUDENTS - 200), (True, 200)]
    assert f"{STUDENTS - 200} written in" in succeed(populated("--resume"))


def test_two_runs_at_once_both_write_all_lists(populated: Command) -> None:
    processes = [
        populated.start("--skip-training", "--as-of", at(days(3)), "--top-n", "10")
        for _ in range(2)
    ]
    for process in processes:
        out, err = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, err
        assert f"lists: {STUDENTS} students, {10 * STUDENTS:,} rows" in out
    assert populated.rows(UNEVEN) == []
    assert populated.rows(
        "SELECT model_version, generated_at FROM recommendation_lists GROUP BY 1, 2"
    ) == populated.rows(
        "SELECT model_version, $1::timestamptz AS generated_at FROM recommender.current_model()",
        AS_OF + days(3),
    )


def test_two_trainings_at_once_give_two_models_and_lists_of_the_last(populated: Command) -> None:
    before = populated.models()
    processes = [
        populated.start("--as-of", at(days(4)), "--top-n", "10", "--solver", "newton")
        for _ in range(2)
    ]
    for process in processes:
        out, err = process.communicate(timeout=SECONDS)
        assert "Traceback" not in err
        if process.returncode:
            assert process.returncode == 1
            assert "scores now. start a new run" in err
        else:
            assert f"lists: {STUDENTS} students, {10 * STUDENTS:,} rows" in out
    assert [process.returncode for process in processes].count(0) >= 1
    assert sorted(set(populated.models()) - set(before)) == [
        "ml-v1-20260305T120000Z",
        "ml-v1-20260305T120000Z-2",
    ]
    assert populated.rows(UNEVEN) == []
    assert populated.rows(
        "SELECT model_version FROM recommendation_lists GROUP BY 1"
    ) == populated.rows("SELECT model_version FROM recommender_models WHERE is_active")


def test_a_version_taken_while_training_is_passed_over(command: Command) -> None:
    world = small_world()
    named = world.model(1, version="ml-v1-20260301T120000Z", is_active=False)
    command.write(
        world, "CREATE TABLE taken AS TABLE recommender_models", "TRUNCATE recommender_models"
    )

    async def overtaken() -> tuple[int, str, str]:
        other = await open_session(command.url)
        try:
            async with other.transaction():
                await other.execute("INSERT INTO recommender_models TABLE taken")
                process = command.start("--as-of", at(days(0)))
                await until_waiting(command.connection, process)
            out, err = await asyncio.to_thread(process.communicate, timeout=SECONDS)
            await other.execute("DROP TABLE taken")
        finally:
            await other.close()
        return process.returncode, out, err

    code, out, err = command.run(overtaken())
    assert code == 0, err
    assert f"by model {named}-2 as of" in out
    assert command.models() == [named, f"{named}-2"]


# Memory

# A process of its own: a child's peak starts from that of the process it was forked from.
PEAK = """
import resource, subprocess, sys
subprocess.run(
    [sys.executable, sys.argv[1], "--skip-training", *sys.argv[2:]],
    check=True, stdout=subprocess.DEVNULL,
)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_memory_does_not_grow_with_students_times_events(
    databases: Databases, run: Run, note: Callable[[str], None]
) -> None:
    def peak_megabytes(size: int) -> float:
        async def prepare(url: str) -> None:
            connection = await open_session(url)
            try:
                await generate_population(
                    connection,
                    Plan(
                        **vars(POPULATION)
                        | {
                            "students": size,
                            "upcoming_events": size,
                            "organizers": 40,
                            "interactions_per_student": 2,
                        }
                    ),
                )
                await settle(connection)
                await connection.execute(
                    "SELECT recommender.store_model('m', $1, $2, '{}')", FEATURE_NAMES, [1.0] * 8
                )
            finally:
                await connection.close()

        with databases.migrated() as url:
            run(prepare(url))
            done = subprocess.run(
                [sys.executable, "-c", PEAK, str(SCRIPT), "--as-of", AS_OF.isoformat()],
                env=os.environ | {"DATABASE_URL": url, "RECOMMENDER_MODEL_VERSION": ""},
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        return int(done.stdout) / (1024 if sys.platform == "linux" else 1024 * 1024)

    small, large = peak_megabytes(200), peak_megabytes(800)
    note(f"memory of the scoring process: {small:.1f} MB at 200 × 200, {large:.1f} MB at 800 × 800")
    # One float64 for each pair would be 5 MB, the eight features 40.
    assert large < small + 4
