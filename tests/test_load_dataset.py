"""Loading a folder of CSV files: what arrives, what is refused and in which words."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import re
import subprocess
import sys
import tracemalloc
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.console import UsageError, UserError
from app.csv_table import CsvTable, split_record
from app.database import connect
from app.dataset import TABLES, load_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

    import asyncpg

    from tests.support.runner import Run

    Connection = asyncpg.Connection[asyncpg.Record]

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "load_dataset.py"

USERS = "id,email,role\n1,ana@example.org,student\n2,club@example.org,organizer\n"
TAGS = "id,name\n1,music\n2,sport\n"
EVENTS = "id,owner_id,start_time\n1,2,2026-03-01T12:00:00+00:00\n"

COUNT_SQL = """
SELECT
    (SELECT count(*) FROM users) + (SELECT count(*) FROM tags) + (SELECT count(*) FROM events)
    + (SELECT count(*) FROM event_tags) + (SELECT count(*) FROM registrations)
    + (SELECT count(*) FROM event_interactions)
"""


@pytest.fixture(scope="module")
def open_connection(database_url: str, run: Run) -> Iterator[Connection]:
    connection = run(connect(database_url))
    yield connection
    run(connection.close())


@pytest.fixture
def connection(open_connection: Connection, run: Run) -> Connection:
    tables = ", ".join(TABLES)
    run(open_connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    return open_connection


@dataclass
class Folder:
    path: Path

    def write(self, **files: str | bytes) -> Folder:
        """Write each table's file, gzipped; a trailing _csv makes it a plain .csv."""
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            table = name.removesuffix("_csv")
            if table == name:
                (self.path / f"{table}.csv.gz").write_bytes(gzip.compress(data, 1))
            else:
                (self.path / f"{table}.csv").write_bytes(data)
        return self


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "dataset"
    path.mkdir()
    return Folder(path)


def refusal(run: Run, connection: Connection, folder: Folder) -> str:
    """Load what must not load; give the sentence, after seeing that nothing was loaded."""
    before = run(connection.fetchval(COUNT_SQL))
    with pytest.raises(UserError) as caught:
        run(load_dataset(connection, folder.path))
    assert run(connection.fetchval(COUNT_SQL)) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What arrives


def test_any_subset_of_columns_in_any_order_loads_and_the_rest_takes_defaults(
    folder: Folder, connection: Connection, run: Run
) -> None:
    folder.write(users="role,city,id,email\nstudent,Cluj,7,ana@example.org\n")
    assert run(load_dataset(connection, folder.path)) == {"users": 1}
    row = run(connection.fetchrow("SELECT * FROM users"))
    assert row is not None
    assert (row["id"], row["email"], row["city"]) == (7, "ana@example.org", "Cluj")
    assert (row["language_preference"], row["is_active"], row["full_name"]) == (
        "system",
        True,
        None,
    )


def test_plain_and_gzipped_files_load_together_whatever_order_their_names_have(
    folder: Folder, connection: Connection, run: Run
) -> None:
    folder.write(events_csv=EVENTS, event_tags="event_id,tag_id\n1,2\n", tags=TAGS, users_csv=USERS)
    counts = run(load_dataset(connection, folder.path))
    assert counts == {"users": 2, "tags": 2, "events": 1, "event_tags": 1}
    assert list(counts) == ["users", "tags", "events", "event_tags"]


def test_only_an_unquoted_backslash_n_is_null(
    folder: Folder, connection: Connection, run: Run
) -> None:
    folder.write(
        users='id,email,role,city,org_name\n1,a@example.org,student,\\N,"\\N"\n'
        '2,b@example.org,student,,""\n'
    )
    run(load_dataset(connection, folder.path))
    rows = run(connection.fetch("SELECT city, org_name FROM users ORDER BY id"))
    assert [tuple(row) for row in rows] == [(None, "\\N"), ("", "")]


def test_quotes_commas_and_line_ends_inside_a_value_survive(
    folder: Folder, connection: Connection, run: Run
) -> None:
    value = 'He said "no, never"\nand left\r\n\\.\n'
    quoted = value.replace('"', '""')
    folder.write(users=USERS, events=f'id,owner_id,start_time,title\n1,2,2026-03-01Z,"{quoted}"\n')
    run(load_dataset(connection, folder.path))
    assert run(connection.fetchval("SELECT title FROM events")) == value


def test_a_timestamp_keeps_its_moment_and_without_a_zone_means_utc(
    folder: Folder, connection: Connection, run: Run
) -> None:
    folder.write(
        users=USERS,
        events="id,owner_id,start_time\n1,2,2026-03-01T14:00:00+02:00\n2,2,2026-03-01 12:00\n",
    )
    run(connection.execute("SET timezone = 'Asia/Tokyo'"))
    run(load_dataset(connection, folder.path))
    run(connection.execute("RESET timezone"))
    moments = run(connection.fetch("SELECT DISTINCT start_time FROM events"))
    assert [row["start_time"] for row in moments] == [datetime(2026, 3, 1, 12, tzinfo=UTC)]


def test_a_file_with_windows_line_ends_and_a_byte_order_mark_loads(
    folder: Folder, connection: Connection, run: Run
) -> None:
    folder.write(users=b"\xef\xbb\xbf" + USERS.replace("\n", "\r\n").encode())
    assert run(load_dataset(connection, folder.path)) == {"users": 2}
    assert run(connection.fetchval("SELECT role FROM users WHERE id = 2")) == "organizer"


def test_a_header_alone_loads_no_rows(folder: Folder, connection: Connection, run: Run) -> None:
    folder.write(users="id,email\n", tags_csv="name")
    assert run(load_dataset(connection, folder.path)) == {"users": 0, "tags": 0}


def test_interactions_of_any_date_load(folder: Folder, connection: Connection, run: Run) -> None:
    days = ["1999-12-31", "2016-02-29", "2026-11-15", "2199-01-01"]
    rows = "".join(f"{n},1,click,{day} 23:59:59.999999+00\n" for n, day in enumerate(days, 1))
    folder.write(users=USERS, event_interactions=f"id,user_id,interaction_type,occurred_at\n{rows}")
    run(load_dataset(connection, folder.path))
    loaded = run(
        connection.fetch("SELECT occurred_at::date::text AS day FROM event_interactions ORDER BY 1")
    )
    assert [row["day"] for row in loaded] == days


def test_new_rows_get_ids_above_the_loaded_ones(
    folder: Folder, connection: Connection, run: Run
) -> None:
    folder.write(
        users="id,email\n41,a@example.org\n40,b@example.org\n",
        event_interactions="id,interaction_type\n9000000000,view\n",
    )
    run(load_dataset(connection, folder.path))
    new_user = "INSERT INTO users (email) VALUES ('c@example.org') RETURNING id"
    new_view = "INSERT INTO event_interactions (interaction_type) VALUES ('view') RETURNING id"
    assert run(connection.fetchval(new_user)) == 42
    assert run(connection.fetchval(new_view)) == 9000000001


def test_ids_never_go_back(folder: Folder, connection: Connection, run: Run) -> None:
    run(connection.execute("ALTER TABLE users ALTER COLUMN id RESTART WITH 500"))
    folder.write(users=USERS)
    run(load_dataset(connection, folder.path))
    new_user = "INSERT INTO users (email) VALUES ('c@example.org') RETURNING id"
    assert run(connection.fetchval(new_user)) == 500


def test_a_sequence_that_is_only_the_default_is_moved_too(
    folder: Folder, connection: Connection, run: Run
) -> None:
    run(
        connection.execute(
            "ALTER TABLE tags ALTER COLUMN id DROP IDENTITY; CREATE SEQUENCE tag_numbers;"
            " ALTER TABLE tags ALTER COLUMN id SET DEFAULT nextval('tag_numbers')"
        )
    )
    folder.write(tags=TAGS)
    run(load_dataset(connection, folder.path))
    assert run(connection.fetchval("INSERT INTO tags (name) VALUES ('x') RETURNING id")) == 3
    run(
        connection.execute(
            "ALTER TABLE tags ALTER COLUMN id DROP DEFAULT; DROP SEQUENCE tag_numbers;"
            " ALTER TABLE tags ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY"
        )
    )


def test_loaded_tables_are_vacuumed_and_analyzed(
    folder: Folder, connection: Connection, run: Run
) -> None:
    rows = "".join(f"{n},u{n}@example.org\n" for n in range(1, 501))
    folder.write(users=f"id,email\n{rows}")
    run(load_dataset(connection, folder.path))
    seen = run(
        connection.fetchrow(
            "SELECT reltuples, relallvisible, relpages FROM pg_class"
            " WHERE oid = 'public.users'::regclass"
        )
    )
    assert seen is not None
    assert seen["reltuples"] == 500
    assert seen["relallvisible"] == seen["relpages"] > 0


def test_a_load_inside_the_callers_transaction_goes_when_that_is_rolled_back(
    folder: Folder, connection: Connection, run: Run
) -> None:
    folder.write(users=USERS)

    async def load_and_roll_back() -> None:
        transaction = connection.transaction()
        await transaction.start()
        assert await load_dataset(connection, folder.path) == {"users": 2}
        await transaction.rollback()

    run(load_and_roll_back())
    assert run(connection.fetchval(COUNT_SQL)) == 0


def test_memory_does_not_grow_with_the_file(folder: Folder) -> None:
    block = "".join(f"{n},user{n}@example.org,student\n" for n in range(20_000))
    folder.write(users="id,email,role\n" + block * 40)
    file = CsvTable(folder.path / "users.csv.gz", "users")

    async def read() -> int:
        return sum([len(piece) async for piece in file.stream()])

    tracemalloc.start()
    try:
        size = asyncio.run(read())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 20_000_000
    assert peak < 4_000_000


# What is refused

REFUSED_FILES: dict[str, tuple[dict[str, str | bytes], str]] = {
    "unknown table": (
        {"users": USERS, "people": "id\n1\n"},
        (
            f"people.csv.gz: no such table; a dataset may hold {', '.join(TABLES)} (rename or"
            " remove the file, or name what to load with --only)"
        ),
    ),
    "two files of one table": (
        {"users": USERS, "users_csv": USERS},
        "DIR holds both users.csv and users.csv.gz: keep one",
    ),
    "unknown column": (
        {"tags": "id,label\n1,music\n"},
        (
            "tags.csv.gz, line 1, column 2: table tags has no column 'label', it has id, name;"
            " the first line must name the columns"
        ),
    ),
    "missing header": (
        {"tags": "1,music\n2,sport\n"},
        (
            "tags.csv.gz, line 1, column 1: table tags has no column '1', it has id, name;"
            " the first line must name the columns"
        ),
    ),
    "column twice": (
        {"tags": "id,name,id\n1,music,1\n"},
        "tags.csv.gz, line 1, column id: it is there twice",
    ),
    "column without default missing": (
        {"users": "id,role\n1,student\n"},
        "users.csv.gz, line 1: column email is missing, and table users has no default for it",
    ),
    "empty file": (
        {"tags_csv": ""},
        "tags.csv has no header: its first line must name the columns",
    ),
    "header without line end": (
        {"tags": "id,name\r1,music\r"},
        (
            "tags.csv.gz: the header must be one line that ends with LF or CRLF,"
            " column names separated by commas"
        ),
    ),
    "too few values": (
        {"users": USERS, "tags": "id,name\n1,music\n2\n"},
        "tags.csv.gz, line 3: 1 value where the header names 2 columns",
    ),
    "blank line": (
        {"users": USERS + "\n"},
        "users.csv.gz, line 4: 1 value where the header names 3 columns",
    ),
    "too many values": (
        {"users": USERS, "tags": "id,name\n1,rock, pop\n"},
        "tags.csv.gz, line 2: 3 values where the header names 2 columns",
    ),
    "unquoted comma before other values": (
        {"users": "full_name,id,email\nAna,1,a@example.org\nPop, Ana,2,b@example.org\n"},
        "users.csv.gz, line 3: 4 values where the header names 3 columns",
    ),
    "open quote": (
        {"tags": 'id,name\n1,"music\n2,sport\n3,art\n'},
        "tags.csv.gz, line 2: a quote that opens in this row is never closed",
    ),
    "bad number": (
        {"users": USERS, "tags": "id,name\n1,music\ntwo,sport\n"},
        'tags.csv.gz, line 3, column id: invalid input syntax for type integer: "two"',
    ),
    "number out of range": (
        {"tags": "id,name\n3000000000,music\n"},
        'tags.csv.gz, line 2, column id: value "3000000000" is out of range for type integer',
    ),
    "empty instead of NULL": (
        {"tags": "id,name\n,music\n"},
        (
            'tags.csv.gz, line 2, column id: invalid input syntax for type integer: ""'
            " (NULL is written \\N)"
        ),
    ),
    "bad moment": (
        {"users": USERS, "events": "id,owner_id,start_time\n1,2,tomorrowish\n"},
        (
            "events.csv.gz, line 2, column start_time: invalid input syntax for type timestamp with"
            ' time zone: "tomorrowish"'
        ),
    ),
    "long value": (
        {"tags": f"id,name\n{'9' * 5000},music\n"},
        f'tags.csv.gz, line 2, column id: value "{"9" * 60}…" is out of range for type integer',
    ),
    "NULL where a value is needed": (
        {"users": "email,role\na@example.org,student\nb@example.org,\\N\n"},
        "users.csv.gz, line 3, column role: a value is required here, not NULL (\\N)",
    ),
    "broken rule": (
        {"users": "email,role\na@example.org,boss\n"},
        (
            "users.csv.gz, line 2, column role: 'boss' breaks the rule role_is_known: CHECK ("
            "(role = ANY (ARRAY['student'::text, 'organizer'::text, 'organizator'::text,"
            " 'admin'::text])))"
        ),
    ),
    "key twice in the file": (
        {"users": USERS, "tags": "name,id\nmusic,1\nsport,2\nart,1\n"},
        "tags.csv.gz, line 4: id = 1 is on line 2 already (tags_pkey)",
    ),
    "unknown user": (
        {
            "users": USERS,
            "events": EVENTS,
            "registrations": "user_id,event_id\n1,1\n99,1\n98,1\n",
        },
        (
            "registrations.csv.gz, line 3, column user_id: 99 is not in table users"
            " (registrations_user_id_fkey)"
        ),
    ),
    "unknown event of an interaction": (
        {"users": USERS, "event_interactions": "event_id,interaction_type\n\\N,search\n5,view\n"},
        (
            "event_interactions.csv.gz, line 3, column event_id: 5 is not in table events"
            " (event_interactions_event_id_fkey)"
        ),
    ),
    "broken gzip": (
        {"users": USERS, "tags_csv": TAGS},
        (
            "users.csv.gz is not a whole gzip file: "
            "Compressed file ended before the end-of-stream marker was reached"
        ),
    ),
    "NUL byte": (
        {"tags": "id,name\n1,mu\0sic\n"},
        "tags.csv.gz, line 2: there is a NUL byte, which PostgreSQL cannot store",
    ),
    "not UTF-8": (
        {"tags": b"id,name\n1,music\n2,caf\xe9\n"},
        "tags.csv.gz, line 3: the byte 0xe9 is not UTF-8; save the file as UTF-8",
    ),
    "end of data marker": (
        {"tags": "name\nmusic\n\\.\nsport\n"},
        (
            "tags.csv.gz, line 3: a line with nothing but \\. ends the data of a COPY; remove it,"
            " or quote it if it is a value"
        ),
    ),
}


@pytest.mark.parametrize("case", REFUSED_FILES)
def test_a_bad_file_is_refused_whole_with_its_name_and_place(
    case: str, folder: Folder, connection: Connection, run: Run
) -> None:
    files, message = REFUSED_FILES[case]
    folder.write(**files)
    if case == "broken gzip":
        path = folder.path / "users.csv.gz"
        path.write_bytes(path.read_bytes()[:-12])
    assert refusal(run, connection, folder) == message.replace("DIR", str(folder.path))


def test_bad_json_is_refused_with_its_place_and_value(
    folder: Folder, connection: Connection, run: Run
) -> None:
    folder.write(
        event_interactions='interaction_type,meta\nview,"{""a"": 1}"\nview,{a}\n',
    )
    message = refusal(run, connection, folder)
    assert message.startswith("event_interactions.csv.gz, line 3, column meta: '{a}': ")
    assert "json" in message


def test_a_quote_that_swallows_the_rest_of_a_large_file_is_found_where_it_opens(
    folder: Folder, connection: Connection, run: Run
) -> None:
    rows = "".join(f"{n},tag {n}\n" for n in range(2, 50_000))
    folder.write(tags='id,name\n1,"music\n' + rows)
    message = refusal(run, connection, folder)
    assert message == "tags.csv.gz, line 2: a quote that opens in this row is never closed"


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_line_is_the_files_own_after_values_that_span_lines(
    line_end: str, folder: Folder, connection: Connection, run: Run
) -> None:
    lines = [
        "id,name",
        '1,"two',
        'lines"',
        '2,"four',
        "",
        'lines"" with a quote',
        'inside"',
        'x,"two',
        'lines"',
    ]
    folder.write(tags=line_end.join(lines))
    assert refusal(run, connection, folder).startswith("tags.csv.gz, line 8, column id: ")


def test_a_bare_line_feed_in_a_windows_file_does_not_shift_the_line(
    folder: Folder, connection: Connection, run: Run
) -> None:
    folder.write(tags='id,name\r\n1,"a\nb\nc"\r\n2,d\r\nx,e\r\n')
    assert refusal(run, connection, folder).startswith("tags.csv.gz, line 6, column id: ")


def test_a_bad_byte_far_into_a_file_undoes_what_was_sent_before(
    folder: Folder, connection: Connection, run: Run
) -> None:
    rows = b"".join(b"%d,user%d@example.org\n" % (n, n) for n in range(1, 40_001))
    folder.write(tags=TAGS, users=b"id,email\n" + rows + b"40001,\xff@example.org\n")
    message = refusal(run, connection, folder)
    assert message == "users.csv.gz, line 40002: the byte 0xff is not UTF-8; save the file as UTF-8"
    assert run(connection.fetchval("SELECT 1")) == 1


def test_a_damaged_end_of_a_large_gzip_file_undoes_what_was_sent_before(
    folder: Folder, connection: Connection, run: Run
) -> None:
    generator = random.Random(1)
    rows = "".join(f"{n},{generator.random()}@example.org\n" for n in range(1, 40_001))
    folder.write(users="id,email\n" + rows)
    path = folder.path / "users.csv.gz"
    path.write_bytes(path.read_bytes()[:-2000])
    assert refusal(run, connection, folder).startswith("users.csv.gz is not a whole gzip file: ")


def test_a_key_that_is_in_the_table_is_refused_with_the_way_out(
    folder: Folder, connection: Connection, run: Run
) -> None:
    folder.write(users=USERS)
    run(load_dataset(connection, folder.path))
    assert refusal(run, connection, folder) == (
        "users.csv.gz, line 2: id = 1 is in table users already;"
        " --replace empties the table first (users_pkey)"
    )


def test_a_reference_checked_only_at_commit_is_explained_too(
    folder: Folder, connection: Connection, run: Run
) -> None:
    alter = "ALTER TABLE event_tags ALTER CONSTRAINT event_tags_tag_id_fkey"
    run(connection.execute(f"{alter} DEFERRABLE INITIALLY DEFERRED"))
    folder.write(users=USERS, events=EVENTS, event_tags="event_id,tag_id\n1,77\n")
    message = refusal(run, connection, folder)
    run(connection.execute(f"{alter} NOT DEFERRABLE"))
    assert message == (
        "event_tags.csv.gz, line 2, column tag_id: 77 is not in table tags (event_tags_tag_id_fkey)"
    )


def test_a_table_the_database_lacks_is_named(
    folder: Folder, empty_database_url: str, run: Run
) -> None:
    folder.write(users=USERS)

    async def load() -> None:
        connection = await connect(empty_database_url)
        try:
            await load_dataset(connection, folder.path)
        finally:
            await connection.close()

    with pytest.raises(
        UserError, match=re.escape("no table users for users.csv.gz: run .venv/bin/python")
    ):
        run(load())


def test_a_second_load_at_the_same_time_is_told_to_wait(
    folder: Folder, connection: Connection, database_url: str, run: Run
) -> None:
    folder.write(users=USERS)

    async def load_beside_another() -> str:
        other = await connect(database_url)
        try:
            async with other.transaction():
                await load_dataset(other, folder.path)
                with pytest.raises(UserError) as caught:
                    await load_dataset(connection, folder.path)
                return str(caught.value)
        finally:
            await other.close()

    assert "another load_dataset.py is filling this database" in run(load_beside_another())


# --replace and --only


def test_replace_empties_exactly_the_tables_of_the_folder(
    folder: Folder, connection: Connection, run: Run
) -> None:
    run(load_dataset(connection, folder.write(users=USERS, tags=TAGS).path))
    (folder.path / "tags.csv.gz").unlink()
    folder.write(users="id,email\n1,new@example.org\n")
    assert run(load_dataset(connection, folder.path, replace=True)) == {"users": 1}
    assert run(connection.fetchval("SELECT email FROM users")) == "new@example.org"
    assert run(connection.fetchval("SELECT count(*) FROM tags")) == 2


def test_replace_refuses_to_take_rows_of_other_tables_along(
    folder: Folder, connection: Connection, run: Run
) -> None:
    folder.write(users=USERS, tags=TAGS, events=EVENTS, event_tags="event_id,tag_id\n1,1\n")
    run(load_dataset(connection, folder.path))
    (folder.path / "event_tags.csv.gz").unlink()
    with pytest.raises(UserError, match=r"would have to empty event_tags as well"):
        run(load_dataset(connection, folder.path, replace=True))
    assert run(connection.fetchval(COUNT_SQL)) == 6
    folder.write(event_tags="event_id,tag_id\n")
    run(load_dataset(connection, folder.path, replace=True))
    assert run(connection.fetchval(COUNT_SQL)) == 5


def test_a_failed_replace_leaves_the_old_rows(
    folder: Folder, connection: Connection, run: Run
) -> None:
    run(load_dataset(connection, folder.write(tags=TAGS).path))
    folder.write(tags="id,name\n1,new\n1,newer\n")
    with pytest.raises(UserError, match=r"line 3: id = 1 is on line 2 already"):
        run(load_dataset(connection, folder.path, replace=True))
    rows = run(connection.fetch("SELECT name FROM tags ORDER BY id"))
    assert [row["name"] for row in rows] == ["music", "sport"]


def test_only_loads_the_named_tables_and_looks_at_no_other_file(
    folder: Folder, connection: Connection, run: Run
) -> None:
    folder.write(users=USERS, tags=TAGS, people="what,ever\n", events=b"\xff\0")
    counts = run(load_dataset(connection, folder.path, only=["tags", "users"]))
    assert counts == {"users": 2, "tags": 2}


def test_only_asks_for_a_file_that_is_not_there(
    folder: Folder, connection: Connection, run: Run
) -> None:
    folder.write(users=USERS)
    with pytest.raises(UsageError, match=r"has no tags\.csv\.gz or tags\.csv"):
        run(load_dataset(connection, folder.path, only=["tags"]))


def test_other_files_in_the_folder_are_no_concern(
    folder: Folder, connection: Connection, run: Run
) -> None:
    folder.write(users=USERS)
    (folder.path / "README.md").write_text("About these files.")
    assert run(load_dataset(connection, folder.path)) == {"users": 2}


# The command


def load_by_script(url: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        capture_output=True,
        check=False,
        cwd="/",
        env=os.environ | {"DATABASE_URL": url},
        text=True,
        timeout=60,
    )


def test_the_command_shows_rows_per_table_and_one_result_line(
    folder: Folder, connection: Connection, database_url: str, run: Run
) -> None:
    folder.write(users=USERS, tags=TAGS, events=EVENTS)
    done = load_by_script(database_url, folder.path, "--only", "users", "--only", "tags")
    assert done.returncode == 0, done.stderr
    assert re.search(r"users\s+│\s+2 ", done.stdout)
    last_line = done.stdout.splitlines()[-1]
    assert last_line.startswith(f"Loaded 4 rows into 2 tables from {folder.path} in ")
    assert run(connection.fetchval(COUNT_SQL)) == 4


def test_the_command_fails_with_one_sentence(
    folder: Folder, connection: Connection, database_url: str
) -> None:
    folder.write(users=USERS + "3,ana@example.org,student\n")
    done = load_by_script(database_url, folder.path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        (
            "error: users.csv.gz, line 4: email = ana@example.org is on line 2 already"
            " (users_email_key)"
        )
    ]


@pytest.mark.parametrize("contents", [None, "nothing", "something else"])
def test_a_folder_without_a_dataset_is_a_usage_error(
    contents: str | None, folder: Folder, database_url: str
) -> None:
    path = folder.path / "missing" if contents is None else folder.path
    if contents == "something else":
        folder.write(features="a,b\n1,2\n")
    done = load_by_script(database_url, path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {path} ")
    assert len(done.stderr.splitlines()) == 1


# Details of the format


@pytest.mark.parametrize(
    ("record", "values"),
    [
        ("a,b\n", ["a", "b"]),
        (",\r\n", ["", ""]),
        ('"a,b",c', ["a,b", "c"]),
        ('"","""",""""""', ["", '"', '""']),
        ('a"b,c"d,e', ["ab,cd", "e"]),
        ('"two\nlines",x\n', ["two\nlines", "x"]),
        ('"never closed,x', ["never closed,x"]),
    ],
)
def test_a_record_splits_as_copy_splits_it(record: str, values: list[str]) -> None:
    assert split_record(record) == values


@pytest.mark.dataset
def test_the_real_data_loads(dataset_dir: Path, connection: Connection, run: Run) -> None:
    assert run(load_dataset(connection, dataset_dir)) == {
        "users": 21_204,
        "tags": 300,
        "events": 16_175,
        "event_tags": 33_928,
        "registrations": 93_005,
    }


@pytest.mark.golden
def test_the_golden_input_loads(golden_dir: Path, connection: Connection, run: Run) -> None:
    counts = run(load_dataset(connection, golden_dir / "input"))
    assert len(counts) == 13
    assert (counts["users"], counts["events"]) == (311, 250)
    assert run(connection.fetchval("SELECT city FROM events WHERE id = 8")) == "\xa0Cluj-Napoca\n"
