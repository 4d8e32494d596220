"""Bringing a database up to date: what is applied, refused, made again, and left alone."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.console import UserError
from app.database import connect
from app.embedded import find_binaries
from app.schema import MIGRATIONS_DIR, SQL_DIR, MigrationReport, migrate, plan_migration
from app.schema.stamps import stale_stamps, write_stamps
from app.schema.statements import split_statements

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import asyncpg

    from tests.support.databases import Databases
    from tests.support.runner import Run

    Connection = asyncpg.Connection[asyncpg.Record]

ROOT = Path(__file__).resolve().parents[1]

PEOPLE = "CREATE TABLE public.people (id integer PRIMARY KEY, city text);\n"
SCHEMA = "CREATE SCHEMA IF NOT EXISTS recommender;\n"
CITIES = "CREATE OR REPLACE VIEW recommender.cities AS SELECT p.city FROM public.people AS p;\n"
CITY_COUNTS = """
CREATE OR REPLACE VIEW recommender.city_counts AS
SELECT
    c.city,
    count(*) AS people
FROM recommender.cities AS c
GROUP BY c.city;
"""
BIG_CITIES = """
CREATE MATERIALIZED VIEW IF NOT EXISTS recommender.big_cities AS
SELECT
    c.city,
    c.people
FROM recommender.city_counts AS c
WHERE c.people > 1;

CREATE UNIQUE INDEX IF NOT EXISTS big_cities_key ON recommender.big_cities (city);

COMMENT ON MATERIALIZED VIEW recommender.big_cities IS 'Where more than one lives; it''s cached.';
"""
PEOPLE_IN = """
CREATE OR REPLACE FUNCTION recommender.people_in(p_city text)
RETURNS bigint
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT CASE WHEN count(*) = 0 THEN 0 ELSE max(c.people) END
    FROM recommender.city_counts AS c
    WHERE c.city = p_city;
END;
"""
CHAIN = {
    "schema.sql": SCHEMA,
    "source/cities.sql": CITIES,
    "feature/city_counts.sql": CITY_COUNTS,
    "feature/big_cities.sql": BIG_CITIES,
    "feature/people_in.sql": PEOPLE_IN,
}
WIDER_CITIES = """
CREATE OR REPLACE VIEW recommender.cities AS
SELECT
    p.id AS person_id,
    p.city
FROM public.people AS p;
"""


class Project:
    """A small migrations/ and sql/, and the connection they are applied over."""

    def __init__(self, directory: Path, url: str, connection: Connection) -> None:
        self.migrations = directory / "migrations"
        self.sql = directory / "sql"
        self.url = url
        self.connection = connection
        self.said: list[str] = []
        self.migrations.mkdir(parents=True)
        self.sql.mkdir()
        self.write_migrations({"0001_people.sql": PEOPLE})
        self.write_sql({"schema.sql": SCHEMA})

    def write_migrations(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            (self.migrations / name).write_text(text)

    def write_sql(self, files: dict[str, str]) -> None:
        """Make sql/ consist of these files, in this order."""
        for path in self.sql.rglob("*.sql"):
            path.unlink()
        for name, text in files.items():
            (self.sql / name).parent.mkdir(exist_ok=True)
            (self.sql / name).write_text(text)
        lines = [f"\\ir {name}\n" for name in [*files, "stamp.sql"]]
        (self.sql / "install.sql").write_text("".join(lines))

    async def migrate(
        self, connection: Connection | None = None, *, force: bool = False, patience: float = 2.0
    ) -> MigrationReport:
        return await migrate(
            connection or self.connection,
            migrations_dir=self.migrations,
            sql_dir=self.sql,
            lock_timeout=patience,
            force=force,
            say=self.said.append,
        )

    async def refusal(self) -> str:
        with pytest.raises(UserError) as refusal:
            await self.migrate()
        return str(refusal.value)

    async def scalar(self, query: str) -> object:
        return await self.connection.fetchval(query)

    async def ledger(self) -> list[str]:
        rows = await self.connection.fetch(
            "SELECT m.name FROM public.eventrank_migrations AS m ORDER BY m.name"
        )
        return [row["name"] for row in rows]


@pytest.fixture
def project(databases: Databases, tmp_path: Path, run: Run) -> Iterator[Project]:
    with databases.empty() as url:
        connection = run(connect(url))
        yield Project(tmp_path / "project", url, connection)
        run(connection.close())


@pytest.fixture
def chain(project: Project, run: Run) -> Project:
    """A table with rows under a view, a view on it, and on that a cached view and a function."""
    project.write_sql(CHAIN)
    run(project.migrate())
    run(
        project.connection.execute(
            "INSERT INTO people VALUES (1, 'Cluj'), (2, 'Cluj'), (3, 'Iasi');"
            "REFRESH MATERIALIZED VIEW recommender.big_cities"
        )
    )
    return project


@asynccontextmanager
async def another(url: str) -> AsyncIterator[Connection]:
    connection = await connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def role(project: Project, run: Run) -> Iterator[str]:
    """A role of this test's own; roles belong to the server, not to the database."""
    name = f"eventrank_test_{secrets.token_hex(4)}"
    run(project.connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'"))
    yield name
    run(
        project.connection.execute(
            f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}; DROP ROLE {name}"
        )
    )


class TestStatements:
    def test_semicolons_inside_quotes_bodies_and_comments_do_not_end_a_statement(self) -> None:
        source = """-- first; comment
        SELECT ';', E'it\\'s;', "odd;name", $a$ ; $$ ; $a$; /* ; /* ; */ ; */
        CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC
            SELECT CASE WHEN true THEN 1 END; SELECT 2;
        END;
        CREATE RULE r AS ON DELETE TO t DO (SELECT 1; SELECT 2);
        SELECT 1"""
        statements = split_statements(source, "a.sql")
        assert [statement.plain.split()[0:2] for statement in statements] == [
            ["SELECT", "';',"],
            ["CREATE", "FUNCTION"],
            ["CREATE", "RULE"],
            ["SELECT", "1"],
        ]
        assert [statement.line for statement in statements] == [2, 3, 6, 7]

    def test_a_quote_that_never_ends_is_refused_with_its_line(self) -> None:
        with pytest.raises(UserError, match=r"^a.sql, line 2: the quote or comment"):
            split_statements("SELECT 1;\nSELECT 'abc;\n", "a.sql")

    def test_comments_and_blanks_do_not_change_what_a_statement_says(self) -> None:
        (one,) = split_statements("SELECT  1, ' a  b' -- why\n  FROM t;", "a.sql")
        (two,) = split_statements("SELECT 1, /* how */ ' a  b'\nFROM t;", "a.sql")
        assert one.plain == two.plain


class TestMigrations:
    def test_files_are_applied_once_and_in_order(self, project: Project, run: Run) -> None:
        project.write_migrations({"0013_names.sql": "ALTER TABLE people ADD COLUMN name text;"})
        first = run(project.migrate())
        assert first.applied == ["migrations/0001_people.sql", "migrations/0013_names.sql"]
        assert str(first) == "2 migrations applied, sql/ re-applied (1 objects)"
        assert str(run(project.migrate())) == "nothing to do"
        project.write_migrations({"0014_ages.sql": "ALTER TABLE people ADD COLUMN age integer;"})
        assert str(run(project.migrate())) == "1 migration applied"

    def test_a_changed_applied_file_is_refused_before_anything_is_done(
        self, project: Project, run: Run
    ) -> None:
        run(project.migrate())
        project.write_migrations(
            {"0001_people.sql": PEOPLE + "-- more", "0002_more.sql": "CREATE TABLE more ();"}
        )
        assert "migrations/0001_people.sql was changed after it had been applied" in run(
            project.refusal()
        )
        assert run(project.ledger()) == ["0001_people.sql"]

    def test_a_missing_applied_file_is_refused(self, project: Project, run: Run) -> None:
        run(project.migrate())
        (project.migrations / "0001_people.sql").unlink()
        assert run(project.refusal()).startswith("0001_people.sql was applied to this database")

    def test_line_ends_of_another_system_are_no_change(self, project: Project, run: Run) -> None:
        run(project.migrate())
        path = project.migrations / "0001_people.sql"
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        assert str(run(project.migrate())) == "nothing to do"

    def test_a_file_put_before_an_applied_one_is_refused(self, project: Project, run: Run) -> None:
        run(project.migrate())
        project.write_migrations({"0000_earlier.sql": "SELECT 1;"})
        assert "0000_earlier.sql comes before 0001_people.sql" in run(project.refusal())

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("0001_again.sql", "SELECT 1;", "has the number of 0001_again.sql"),
            ("people.sql", "SELECT 1;", "is not named like 0013_what_it_does.sql"),
            ("0002_a.sql", "SELECT 1;\ncommit;", "0002_a.sql, line 2: COMMIT is not allowed"),
            ("0002_a.sql", "\\i other.sql", "psql commands"),
        ],
    )
    def test_a_file_that_breaks_a_rule_is_refused_before_anything_is_done(
        self, project: Project, run: Run, name: str, text: str, message: str
    ) -> None:
        project.write_migrations({name: text})
        assert message in run(project.refusal())
        assert run(project.scalar("SELECT to_regclass('public.people')")) is None

    @pytest.mark.parametrize(
        ("text", "line", "message"),
        [
            ("CREATE TABLE a ();\n\n-- why\nCREATE TABLE people ();", 4, "already exists"),
            ("CREATE TABLE a ();\nSELECT 1,\n  nothing\nFROM people;", 3, "does not exist"),
            ("DO $$\nBEGIN\n  RAISE 'no cities';\nEND $$;", 1, "no cities"),
        ],
    )
    def test_a_failing_migration_says_where_and_leaves_nothing(
        self, project: Project, run: Run, text: str, line: int, message: str
    ) -> None:
        project.write_migrations({"0002_a.sql": text})
        refusal = run(project.refusal())
        assert refusal.startswith(f"migrations/0002_a.sql, line {line}: ")
        assert message in refusal
        assert run(project.ledger()) == ["0001_people.sql"]
        assert run(project.scalar("SELECT to_regclass('public.a')")) is None

    def test_a_table_that_stays_locked_is_named_with_who_holds_it(
        self, project: Project, run: Run
    ) -> None:
        async def scenario() -> str:
            await project.migrate()
            project.write_migrations({"0002_a.sql": "ALTER TABLE people ADD COLUMN a integer;"})
            async with another(project.url) as reader, reader.transaction():
                await reader.execute("SELECT count(*) FROM people")
                with pytest.raises(UserError) as refusal:
                    await project.migrate(patience=0.01)
            return str(refusal.value)

        refusal = run(scenario())
        assert refusal.startswith("migrations/0002_a.sql could not lock a table within 0.01 s")
        assert "eventrank, idle in transaction" in refusal
        assert str(run(project.migrate())) == "1 migration applied"

    def test_twenty_at_once_apply_everything_once(self, project: Project, run: Run) -> None:
        project.write_migrations({"0002_row.sql": "INSERT INTO people VALUES (1, 'Cluj');"})
        project.write_sql(CHAIN)

        async def migrate_once() -> str:
            async with another(project.url) as connection:
                return str(await project.migrate(connection))

        async def scenario() -> list[str]:
            return await asyncio.gather(*(migrate_once() for _ in range(20)))

        results = run(scenario())
        assert sorted(results) == [
            "2 migrations applied, sql/ re-applied (6 objects)",
            *["nothing to do"] * 19,
        ]
        assert any("which is migrating this database" in message for message in project.said)

    def test_a_process_killed_in_the_middle_leaves_neither_lock_nor_half_a_file(
        self, project: Project, run: Run
    ) -> None:
        sleeping = "CREATE TABLE half ();\nSELECT pg_sleep(600);"
        project.write_migrations({"0002_half.sql": sleeping})
        program = (
            "import asyncio, sys; from pathlib import Path\n"
            "from app.database import connect; from app.schema import migrate\n"
            "async def main():\n"
            "    c = await connect(sys.argv[1], application_name='to be killed')\n"
            "    await migrate(c, migrations_dir=Path(sys.argv[2]), sql_dir=Path(sys.argv[3]))\n"
            "asyncio.run(main())"
        )
        arguments = [project.url, str(project.migrations), str(project.sql)]
        process = subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=ROOT)

        async def scenario() -> str:
            while not await project.scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%'"
                " AND application_name = 'to be killed'"
            ):
                assert process.poll() is None
                await asyncio.sleep(0.02)
            process.kill()
            process.wait()
            assert await project.scalar("SELECT to_regclass('public.half')") is None
            project.write_migrations({"0002_half.sql": "CREATE TABLE half ();"})
            return str(await project.migrate())

        try:
            assert run(scenario()).startswith("1 migration applied")
        finally:
            process.kill()
            process.wait()


class TestReapplying:
    def test_an_unchanged_folder_is_not_applied_again(self, chain: Project, run: Run) -> None:
        before = run(chain.scalar("SELECT 'recommender.cities'::regclass::oid"))
        assert str(run(chain.migrate())) == "nothing to do"
        assert run(chain.migrate(force=True)).sql_objects == 6
        assert run(chain.scalar("SELECT 'recommender.cities'::regclass::oid")) == before

    def test_what_was_dropped_by_hand_comes_back(self, chain: Project, run: Run) -> None:
        run(chain.connection.execute("DROP FUNCTION recommender.people_in"))
        assert run(chain.migrate()).sql_objects == 6
        assert run(chain.scalar("SELECT recommender.people_in('Cluj')")) == 2

    def test_a_view_in_the_middle_may_change_its_columns(self, chain: Project, run: Run) -> None:
        chain.write_sql(CHAIN | {"source/cities.sql": WIDER_CITIES})
        report = run(chain.migrate())
        assert set(report.remade) == {
            "view recommender.cities",
            "view recommender.city_counts",
            "materialized view recommender.big_cities",
            "index recommender.big_cities_key",
            "function recommender.people_in(text)",
        }
        assert report.dropped == []
        assert run(chain.scalar("SELECT sum(person_id) FROM recommender.cities")) == 6
        assert run(chain.scalar("SELECT recommender.people_in('Cluj')")) == 2
        assert run(chain.scalar("SELECT people FROM recommender.big_cities")) == 2
        assert str(run(chain.migrate())) == "nothing to do"

    def test_a_function_may_change_its_return_type_and_its_arguments(
        self, chain: Project, run: Run
    ) -> None:
        caller = """
            CREATE OR REPLACE VIEW recommender.crowds AS
            SELECT recommender.people_in(p.city) AS crowd FROM public.people AS p;
        """
        chain.write_sql(CHAIN | {"feature/crowds.sql": caller})
        run(chain.migrate())
        returns_text = PEOPLE_IN.replace("bigint", "text").replace("max(c.people)", "1")
        returns_text = returns_text.replace("SELECT CASE", "SELECT 'n' || CASE")
        chain.write_sql(
            CHAIN | {"feature/people_in.sql": returns_text, "feature/crowds.sql": caller}
        )
        report = run(chain.migrate())
        assert sorted(report.remade) == [
            "function recommender.people_in(text)",
            "view recommender.crowds",
        ]
        assert run(chain.scalar("SELECT recommender.people_in('Cluj')")) == "n1"
        two_arguments = PEOPLE_IN.replace("p_city text", "p_city text, p_more numeric(9, 2) = 1")
        chain.write_sql(
            CHAIN | {"feature/people_in.sql": two_arguments, "feature/crowds.sql": caller}
        )
        run(chain.migrate())
        assert run(chain.scalar("SELECT count(*) FROM pg_proc WHERE proname = 'people_in'")) == 1
        assert run(chain.scalar("SELECT max(crowd) FROM recommender.crowds")) == 2

    def test_a_view_may_become_a_materialized_one_and_a_function_a_procedure(
        self, chain: Project, run: Run
    ) -> None:
        cached = CITY_COUNTS.replace("OR REPLACE VIEW", "MATERIALIZED VIEW IF NOT EXISTS")
        procedure = (
            "CREATE OR REPLACE PROCEDURE recommender.people_in(p_city text)\n"
            "LANGUAGE sql AS $$ SELECT p_city; $$;"
        )
        chain.write_sql(
            CHAIN | {"feature/city_counts.sql": cached, "feature/people_in.sql": procedure}
        )
        run(chain.migrate())
        kinds = "SELECT relkind::text FROM pg_class WHERE relname = 'city_counts'"
        assert run(chain.scalar(kinds)) == "m"
        assert (
            run(chain.scalar("SELECT prokind::text FROM pg_proc WHERE proname = 'people_in'"))
            == "p"
        )
        assert str(run(chain.migrate())) == "nothing to do"

    def test_functions_that_return_rows_of_a_changed_view_are_made_again(
        self, chain: Project, run: Run
    ) -> None:
        rows = """
            CREATE OR REPLACE FUNCTION recommender.all_cities()
            RETURNS SETOF recommender.cities LANGUAGE sql STABLE
            AS $$ SELECT * FROM recommender.cities $$;
        """
        chain.write_sql(CHAIN | {"feature/all_cities.sql": rows})
        run(chain.migrate())
        chain.write_sql(CHAIN | {"source/cities.sql": WIDER_CITIES, "feature/all_cities.sql": rows})
        assert "function recommender.all_cities()" in run(chain.migrate()).remade
        assert run(chain.scalar("SELECT sum(a.person_id) FROM recommender.all_cities() AS a")) == 6

    def test_what_left_the_folder_is_dropped_and_what_was_never_in_it_stays(
        self, chain: Project, run: Run
    ) -> None:
        run(chain.connection.execute("CREATE VIEW recommender.mine AS SELECT 1 AS one"))
        fewer = {name: text for name, text in CHAIN.items() if "big" not in name}
        chain.write_sql(fewer)
        report = run(chain.migrate())
        assert report.dropped == [
            "index recommender.big_cities_key",
            "materialized view recommender.big_cities",
        ]
        assert run(chain.scalar("SELECT to_regclass('recommender.big_cities')")) is None
        assert run(chain.scalar("SELECT one FROM recommender.mine")) == 1

    @pytest.mark.parametrize(
        ("definition", "name"),
        [
            ("CREATE VIEW weekly AS SELECT city FROM recommender.cities", "view public.weekly"),
            (
                "CREATE VIEW recommender.mine AS SELECT c FROM recommender.cities AS c",
                "view recommender.mine",
            ),
            (
                "CREATE FUNCTION n() RETURNS boolean RETURN EXISTS (TABLE recommender.big_cities)",
                "function public.n()",
            ),
            (
                "CREATE INDEX extra ON recommender.big_cities (people)",
                "index recommender.extra",
            ),
            (
                "CREATE TABLE seen (city recommender.cities)",
                "table public.seen",
            ),
        ],
    )
    def test_a_foreign_dependant_stops_it_and_is_named(
        self, chain: Project, run: Run, definition: str, name: str
    ) -> None:
        run(chain.connection.execute(definition))
        chain.write_sql(CHAIN | {"source/cities.sql": WIDER_CITIES})
        refusal = run(chain.refusal())
        assert refusal.startswith(
            "sql/source/cities.sql, line 2: cannot change name of view column"
        )
        assert f"but {name}, which is not from sql/, depends on it" in refusal
        assert run(chain.scalar("SELECT recommender.people_in('Cluj')")) == 2

    def test_a_foreign_object_of_the_same_name_is_not_overwritten(
        self, chain: Project, run: Run
    ) -> None:
        run(
            chain.connection.execute(
                "CREATE VIEW recommender.mine AS SELECT 1 AS one;"
                "CREATE FUNCTION recommender.my_own(a integer) RETURNS integer"
                " LANGUAGE sql AS 'SELECT 1'"
            )
        )
        chain.write_sql(
            CHAIN | {"mine.sql": "CREATE OR REPLACE VIEW recommender.mine AS SELECT 2;"}
        )
        assert "sql/mine.sql creates the view recommender.mine, but" in run(chain.refusal())
        function = (
            "CREATE OR REPLACE FUNCTION recommender.my_own(p_a int4) RETURNS integer"
            " LANGUAGE sql AS 'SELECT 2';"
        )
        chain.write_sql(CHAIN | {"my_own.sql": function})
        assert "recommender.my_own(int4), but something" in run(chain.refusal())
        assert run(chain.scalar("SELECT recommender.my_own(1)")) == 1

    def test_a_file_that_fails_says_where_and_nothing_is_changed(
        self, chain: Project, run: Run
    ) -> None:
        broken = CITY_COUNTS.replace("c.city,", "c.town,", 1)
        chain.write_sql(
            CHAIN | {"source/cities.sql": WIDER_CITIES, "feature/city_counts.sql": broken}
        )
        assert run(chain.refusal()).startswith(
            "sql/feature/city_counts.sql, line 4: column c.town does not exist."
        )
        assert run(chain.scalar("SELECT recommender.people_in('Cluj')")) == 2

    def test_a_body_that_returns_the_wrong_type_is_not_mistaken_for_a_changed_shape(
        self, chain: Project, run: Run
    ) -> None:
        wrong = PEOPLE_IN.replace("SELECT CASE", "SELECT 'n' || CASE")
        chain.write_sql(CHAIN | {"feature/people_in.sql": wrong})
        assert "people_in.sql, line 2: return type mismatch" in run(chain.refusal())

    @pytest.mark.parametrize(
        ("files", "message"),
        [
            (
                {"a.sql": "CREATE TABLE recommender.a ();"},
                "a.sql, line 1: a file of sql/ may create",
            ),
            ({"a.sql": "CREATE VIEW public.a AS SELECT 1;"}, "a file of sql/ may create"),
            ({"a.sql": CITIES, "b.sql": CITIES}, "sql/b.sql defines recommender.cities, which"),
        ],
    )
    def test_only_rebuildable_things_may_be_in_the_folder(
        self, project: Project, run: Run, files: dict[str, str], message: str
    ) -> None:
        project.write_sql({"schema.sql": SCHEMA} | files)
        assert message in run(project.refusal())

    def test_the_map_must_name_every_file_once(self, project: Project, run: Run) -> None:
        (project.sql / "forgotten.sql").write_text(CITIES)
        assert "sql/forgotten.sql is not in sql/install.sql" in run(project.refusal())
        (project.sql / "install.sql").write_text("\\ir schema.sql\n\\ir schema.sql\n")
        assert "sql/install.sql, line 2: schema.sql is listed twice" in run(project.refusal())
        (project.sql / "install.sql").write_text("SELECT 1;\n")
        assert "sql/install.sql, line 1: expected \\ir" in run(project.refusal())
        (project.sql / "install.sql").write_text(
            "\\ir gone.sql\n\\ir forgotten.sql\n\\ir schema.sql"
        )
        assert "sql/gone.sql does not exist" in run(project.refusal())


class TestCachedViews:
    async def built(self, chain: Project) -> object:
        return await chain.scalar("SELECT 'recommender.big_cities'::regclass::oid")

    def test_they_are_kept_while_their_definition_is_the_same(
        self, chain: Project, run: Run
    ) -> None:
        before = run(self.built(chain))
        reworded = "-- Another comment.\n" + BIG_CITIES.replace("\n    ", "\n  ")
        chain.write_sql(CHAIN | {"feature/big_cities.sql": reworded})
        assert run(chain.migrate()).remade == []
        assert run(self.built(chain)) == before
        assert "kept as last refreshed: recommender.big_cities" in chain.said

    @pytest.mark.parametrize(
        "definition",
        [
            BIG_CITIES.replace("> 1", "> 0"),
            BIG_CITIES.replace("(city)", "(city, people)"),
        ],
    )
    def test_another_definition_or_index_builds_them_anew(
        self, chain: Project, run: Run, definition: str
    ) -> None:
        before = run(self.built(chain))
        chain.write_sql(CHAIN | {"feature/big_cities.sql": definition})
        run(chain.migrate())
        assert run(self.built(chain)) != before
        assert str(run(chain.migrate())) == "nothing to do"

    def test_one_made_by_hand_under_the_same_name_is_built_anew(
        self, chain: Project, run: Run
    ) -> None:
        run(
            chain.connection.execute(
                "DROP MATERIALIZED VIEW recommender.big_cities;"
                "CREATE MATERIALIZED VIEW recommender.big_cities AS SELECT 'Arad' AS city"
            )
        )
        run(chain.migrate())
        assert run(chain.scalar("SELECT people FROM recommender.big_cities")) == 2

    def test_their_comment_keeps_its_words_and_carries_the_hash(
        self, chain: Project, run: Run
    ) -> None:
        comment = run(chain.scalar("SELECT obj_description('recommender.big_cities'::regclass)"))
        assert re.fullmatch(
            r"Where more than one lives; it's cached\.\nDefinition sha256:[0-9a-f]{64}",
            str(comment),
        )


class TestGrants:
    async def privileges(self, chain: Project, role: str) -> list[tuple[object, ...]]:
        rows = await chain.connection.fetch(
            """
            SELECT c.relname AS name, a.privilege_type AS privilege, a.is_grantable
            FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS a
            WHERE a.grantee = $1::regrole
            UNION ALL
            SELECT t.attname, a.privilege_type, a.is_grantable
            FROM pg_attribute AS t CROSS JOIN aclexplode(t.attacl) AS a
            WHERE a.grantee = $1::regrole
            UNION ALL
            SELECT p.proname, a.privilege_type, a.is_grantable
            FROM pg_proc AS p CROSS JOIN aclexplode(p.proacl) AS a
            WHERE a.grantee = $1::regrole
            ORDER BY 1, 2
            """,
            role,
        )
        return [tuple(row) for row in rows]

    def test_what_is_made_again_keeps_its_privileges(
        self, chain: Project, role: str, run: Run
    ) -> None:
        run(
            chain.connection.execute(
                f"GRANT SELECT ON recommender.cities TO {role} WITH GRANT OPTION;"  # noqa: S608
                f"GRANT SELECT (people) ON recommender.city_counts TO {role};"
                f"GRANT SELECT ON recommender.big_cities TO {role};"
                f"GRANT EXECUTE ON FUNCTION recommender.people_in TO {role};"
                "REVOKE EXECUTE ON FUNCTION recommender.people_in FROM PUBLIC"
            )
        )
        before = run(self.privileges(chain, role))
        assert len(before) == 4
        chain.write_sql(CHAIN | {"source/cities.sql": WIDER_CITIES})
        assert len(run(chain.migrate()).remade) == 5
        assert run(self.privileges(chain, role)) == before
        may_anybody = (
            "SELECT has_function_privilege('public', 'recommender.people_in(text)', 'EXECUTE')"
        )
        assert run(chain.scalar(may_anybody)) is False

    def test_a_new_grant_in_a_file_is_added_to_those_restored(
        self, chain: Project, role: str, run: Run
    ) -> None:
        granting = f"{WIDER_CITIES}\nGRANT SELECT ON recommender.cities TO {role};"
        chain.write_sql(CHAIN | {"source/cities.sql": granting})
        run(chain.migrate())
        assert run(self.privileges(chain, role)) == [("cities", "SELECT", False)]

    def test_what_is_made_again_keeps_its_owner(self, chain: Project, role: str, run: Run) -> None:
        run(
            chain.connection.execute(
                f"GRANT ALL ON SCHEMA recommender TO {role};"
                f"GRANT SELECT ON public.people TO {role};"
                f"ALTER VIEW recommender.cities OWNER TO {role};"
                f"ALTER FUNCTION recommender.people_in OWNER TO {role}"
            )
        )
        chain.write_sql(CHAIN | {"source/cities.sql": WIDER_CITIES})
        run(chain.migrate())
        owners = """
            SELECT string_agg(c.relname, ' ' ORDER BY c.relname)
            FROM (SELECT relname, relowner FROM pg_class UNION ALL
                  SELECT proname, proowner FROM pg_proc) AS c
        """
        assert (
            run(chain.scalar(f"{owners} WHERE c.relowner = '{role}'::regrole"))
            == "cities people_in"
        )

    def test_a_role_without_the_rights_is_told_who_has_them(
        self, chain: Project, role: str, run: Run
    ) -> None:
        chain.write_sql(CHAIN | {"source/cities.sql": WIDER_CITIES})

        async def scenario() -> str:
            await chain.connection.execute(
                f"GRANT USAGE ON SCHEMA recommender TO {role};"
                f"GRANT SELECT ON public.eventrank_migrations TO {role};"
                f"GRANT SELECT ON recommender.installed_objects TO {role}"
            )
            async with another(chain.url) as connection:
                await connection.execute(f"SET ROLE {role}")
                with pytest.raises(UserError) as refusal:
                    await chain.migrate(connection)
            return str(refusal.value)

        refusal = run(scenario())
        assert refusal.startswith("must be owner of view ")
        assert f"This is the role {role}; migrate as " in refusal


class TestOthersAtWork:
    def test_readers_see_the_old_or_the_new_answer_and_never_an_error(
        self, chain: Project, run: Run
    ) -> None:
        narrow, wide = dict(CHAIN), CHAIN | {"source/cities.sql": WIDER_CITIES}

        async def read(answers: list[object], stop: asyncio.Event) -> None:
            async with another(chain.url) as connection:
                while not stop.is_set():
                    answers.append(
                        await connection.fetchval(
                            "SELECT recommender.people_in('Cluj') + count(*)"
                            " FROM recommender.cities"
                        )
                    )

        async def scenario() -> list[object]:
            answers: list[object] = []
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                for _ in range(3):
                    tasks.create_task(read(answers, stop))
                for files in [wide, narrow] * 4:
                    chain.write_sql(files)
                    assert (await chain.migrate()).sql_objects
                stop.set()
            return answers

        answers = run(scenario())
        assert len(answers) > 8
        assert set(answers) == {5}

    def test_a_long_reader_is_waited_for_and_other_readers_go_on(
        self, chain: Project, run: Run
    ) -> None:
        chain.write_sql(CHAIN | {"source/cities.sql": WIDER_CITIES})

        async def scenario() -> MigrationReport:
            async with another(chain.url) as long, another(chain.url) as short:
                transaction = long.transaction()
                await transaction.start()
                await long.execute("SELECT count(*) FROM recommender.cities")
                migration = asyncio.create_task(chain.migrate(patience=0.05))
                while not any("recommender is busy" in message for message in chain.said):
                    assert not migration.done()
                    assert await short.fetchval("SELECT recommender.people_in('Cluj')") == 2
                await transaction.rollback()
                return await migration

        assert len(run(scenario()).remade) == 5

    def test_a_read_only_connection_is_told_so(self, project: Project, run: Run) -> None:
        async def scenario() -> str:
            await project.connection.execute("SET default_transaction_read_only = on")
            return await project.refusal()

        assert "read-only" in run(scenario())

    def test_the_plan_changes_nothing(self, project: Project, run: Run) -> None:
        async def scenario() -> bool:
            await project.connection.execute("SET default_transaction_read_only = on")
            plan = await plan_migration(
                project.connection, migrations_dir=project.migrations, sql_dir=project.sql
            )
            return plan.is_empty

        assert run(scenario()) is False


class TestStamps:
    def test_the_generated_files_follow_the_written_ones(self, project: Project) -> None:
        project.write_sql(CHAIN)
        written = write_stamps(project.migrations, project.sql)
        assert [path.name for path in written] == ["install.sql", "applied.sql", "stamp.sql"]
        assert stale_stamps(project.migrations, project.sql) == []
        project.write_migrations({"0002_more.sql": "SELECT 1;"})
        stale = stale_stamps(project.migrations, project.sql)
        assert [path.name for path in stale] == ["install.sql", "applied.sql"]

    def test_those_of_this_project_are_current(self) -> None:
        assert stale_stamps(MIGRATIONS_DIR, SQL_DIR) == [], "run scripts/migrate.py --write-stamps"


def psql(url: str, *arguments: str) -> None:
    command = [str(find_binaries() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *arguments, url]
    result = subprocess.run(
        command,
        env=os.environ | {"PGOPTIONS": "-c client_min_messages=warning"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")


def dump(url: str) -> str:
    command = [str(find_binaries() / "pg_dump"), "--schema-only", url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.MULTILINE)


class TestThisProject:
    def test_psql_installs_the_same_schema_and_leaves_nothing_to_do(
        self, databases: Databases, run: Run
    ) -> None:
        async def migrate_url(url: str) -> str:
            async with another(url) as connection:
                return str(await migrate(connection))

        with databases.empty() as by_psql, databases.empty() as by_migrate:
            files = [str(MIGRATIONS_DIR / "install.sql"), str(SQL_DIR / "install.sql")]
            psql(by_psql, "-f", files[0], "-f", files[1])
            assert "sql/ re-applied" in run(migrate_url(by_migrate))
            assert dump(by_psql) == dump(by_migrate)
            assert run(migrate_url(by_psql)) == "nothing to do"

    def test_a_database_that_has_the_apps_tables_keeps_them_and_their_rows(
        self, databases: Databases, run: Run
    ) -> None:
        app_tables = [path for path in sorted(MIGRATIONS_DIR.glob("00*.sql")) if path.name < "0013"]
        rows = """
            CREATE TABLE public.event_interactions (
                id serial PRIMARY KEY,
                user_id integer,
                event_id integer,
                interaction_type varchar(40) NOT NULL,
                occurred_at timestamptz NOT NULL DEFAULT now(),
                meta json
            );
            INSERT INTO public.users (email, password_hash, role)
            SELECT 'u' || n || '@example.org', 'x', 'student' FROM generate_series(1, 3) AS n;
            INSERT INTO public.event_interactions (user_id, interaction_type)
            VALUES (1, 'search');
        """
        what_is_there = """
            SELECT
                (SELECT count(*) FROM public.users),
                (SELECT count(*) FROM public.event_interactions),
                (SELECT relkind::text FROM pg_class WHERE oid = 'event_interactions'::regclass)
        """

        async def scenario(url: str) -> list[str]:
            async with another(url) as connection:
                for path in app_tables:
                    await connection.execute(path.read_text())
                await connection.execute(rows)
                report = await migrate(connection)
                assert tuple(await connection.fetchrow(what_is_there) or ()) == (3, 1, "r")
                assert str(await migrate(connection)) == "nothing to do"
                return report.applied

        with databases.empty() as url:
            applied = run(scenario(url))
        assert {
            "migrations/0013_user_recommendations_cache.sql",
            "migrations/0014_event_interactions.sql",
        } <= set(applied)


class TestCommand:
    def migrate_command(self, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, ROOT / "scripts" / "migrate.py", *arguments],
            env=os.environ | {"DATABASE_URL": url, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )

    def test_check_says_what_would_be_done_and_exits_1_until_it_is(
        self, databases: Databases
    ) -> None:
        with databases.empty() as url:
            before = self.migrate_command(url, "--check")
            assert before.returncode == 1
            assert "would apply migrations/0013_user_recommendations_cache.sql" in before.stderr
            assert "would re-apply sql/" in before.stderr
            done = self.migrate_command(url)
            assert done.returncode == 0
            assert "migrations applied, sql/ re-applied (" in done.stderr.splitlines()[-1]
            after = self.migrate_command(url, "--check")
            assert (after.returncode, after.stderr) == (0, "nothing to do\n")

    def test_a_wrong_flag_exits_2_without_a_traceback(self) -> None:
        result = self.migrate_command("postgresql://nowhere", "--lock-timeout", "soon")
        assert result.returncode == 2
        assert "'soon' is not a number above 0" in result.stderr
        assert "Traceback" not in result.stderr
