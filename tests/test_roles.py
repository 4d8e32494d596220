"""The four roles: what each may do, object by object, and that no more is needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest

from app.database import connect
from app.schema import SQL_DIR, migrate
from app.schema.roles import ROLES, ROLES_DIR
from app.schema.stamps import stamps
from tests.support.api_server import KEPT_VARIABLES, ROOT, serve
from tests.support.http_load import wait_for
from tests.support.roles_matrix import MATRIX, draw_matrix
from tests.support.server import own_server
from tests.support.site import Site, taken
from tests.support.worker import working
from tests.support.worlds import AS_OF, World, days, open_session
from tests.test_api_rights import PASSWORD, with_user

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from asyncpg import Connection, Record

    from tests.support.databases import Databases
    from tests.support.runner import Run

API, WORKER, ADMIN, READER = ROLES
MATRIX_COMMAND = "python -m tests.support.roles_matrix"
PATIENCE_SECONDS = 60

DENIED = asyncpg.InsufficientPrivilegeError

# By their texts: what is written in a function that a role may call, as which statement.
NEEDS = """
WITH bodies AS (
    -- Without texts and comments, which only name things.
    SELECT p.oid, p.proname, regexp_replace(
        coalesce(pg_get_function_sqlbody(p.oid), p.prosrc), $$'([^']|'')*'|--[^\\n]*$$, '', 'g'
    ) AS body
    FROM pg_proc AS p
    WHERE p.pronamespace = 'recommender'::regnamespace AND NOT p.prosecdef
),

needs AS (
    SELECT
        b.oid, b.proname, m.found[2] AS relation,
        CASE m.found[1]
            WHEN 'INSERT INTO' THEN 'INSERT' WHEN 'DELETE FROM' THEN 'DELETE' ELSE 'UPDATE'
        END AS privilege
    FROM bodies AS b
    CROSS JOIN LATERAL regexp_matches(
        b.body, '(INSERT INTO|UPDATE|DELETE FROM)\\s+((?:public|recommender)\\.\\w+)', 'g'
    ) AS m (found)
    UNION
    SELECT b.oid, b.proname, m.found[1], 'SELECT'
    FROM bodies AS b
    CROSS JOIN LATERAL regexp_matches(
        b.body, '(?:FROM|JOIN)\\s+((?:public|recommender)\\.\\w+)\\M(?!\\()', 'g'
    ) AS m (found)
)

SELECT r.role, n.proname, n.privilege, n.relation
FROM needs AS n
CROSS JOIN unnest($1::text[]) AS r (role)
WHERE
    to_regclass(n.relation) IS NOT NULL
    AND has_function_privilege(r.role, n.oid, 'EXECUTE')
    AND NOT has_table_privilege(r.role, to_regclass(n.relation), n.privilege)
"""

CALLED = re.compile(r"\brecommender\.(\w+)")


@dataclass
class Installed:
    """A database with the roles in it, and a user for each who can do nothing else."""

    url: str
    connection: Connection[Record]
    run: Run
    users: dict[str, str]

    def url_of(self, role: str) -> str:
        return with_user(self.url, self.users[role])

    def execute(self, sql: str, *arguments: object) -> None:
        self.run(self.connection.execute(sql, *arguments))

    def value(self, sql: str, *arguments: object) -> Any:
        return self.run(self.connection.fetchval(sql, *arguments))

    def write(self, world: World) -> None:
        self.execute("TRUNCATE recommender_settings")
        self.run(world.write(self.connection))

    @contextmanager
    def session(self, role: str) -> Iterator[Connection[Record]]:
        connection = self.run(open_session(self.url_of(role)))
        try:
            yield connection
        finally:
            self.run(connection.close())


@pytest.fixture(scope="module")
def installed(database_url: str, run: Run) -> Iterator[Installed]:
    connection = run(open_session(database_url))
    users = {role: f"eventrank_{uuid4().hex[:12]}" for role in ROLES}
    had = run(connection.fetchval("SELECT to_regrole($1) IS NOT NULL", API))
    done = install(database_url)
    if "permission denied to create role" in done.stderr:
        pytest.skip("only a role that may create roles can try this")
    assert done.returncode == 0, done.stderr
    try:
        name = run(connection.fetchval("SELECT quote_ident(current_database())"))
        run(connection.execute(f"ALTER DATABASE {name} SET recommender.as_of = '{AS_OF}'"))
        for role, user in users.items():
            run(
                connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}' IN ROLE {role}")
            )
        yield Installed(database_url, connection, run, users)
    finally:
        for user in users.values():
            run(connection.execute(f"DROP ROLE IF EXISTS {user}"))
        run(connection.close())
        if not had:
            install(database_url, "--uninstall")


def script(name: str, *arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / name, *arguments],
        env=kept | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def install(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return script("install_roles.py", *arguments, url=url)


def small_world() -> World:
    """Two students, an admin and an organizer, enough to learn from, and a model."""
    world = World()
    students = [world.student(city="Cluj", interests=["rock"]) for _ in range(3)]
    club = world.organizer("Club")
    world.student(role="admin")
    events = [
        world.event(club, tags=["rock" if number % 2 else "jazz"], category="music", city="Cluj")
        for number in range(6)
    ]
    for number, student in enumerate(students):
        world.register(student, events[number])
        world.interact(student, "click", events[number + 3])
    world.hide(students[0], "loud")
    world.model()
    return world


# Who may do what


def test_the_matrix_is_as_it_was_agreed(installed: Installed) -> None:
    drawn = installed.run(draw_matrix(installed.connection))
    assert drawn == MATRIX.read_text(encoding="utf-8"), MATRIX_COMMAND


def test_nobody_reads_password_hashes(installed: Installed) -> None:
    for role in ROLES:
        with installed.session(role) as session:
            for statement in (
                "SELECT password_hash FROM users",
                "SELECT * FROM users",
                "SELECT u.id FROM users AS u",
                "COPY users TO STDOUT",
            ):
                with pytest.raises(DENIED):
                    installed.run(session.execute(statement))
        assert not installed.value("SELECT has_any_column_privilege($1, 'users', 'SELECT')", role)


@pytest.mark.parametrize("role", ROLES)
def test_the_apps_tables_are_out_of_reach(installed: Installed, role: str) -> None:
    with installed.session(role) as session:
        for statement in (
            "DELETE FROM users",
            "UPDATE users SET role = 'admin'",
            "UPDATE recommender.source_users SET role = 'admin'",
            "DELETE FROM registrations",
            "DELETE FROM event_interactions",
            "TRUNCATE event_interactions",
            "DROP TABLE event_interactions_default",
            "SELECT meta FROM event_interactions_default",
            "CREATE TABLE recommender.mine ()",
            "DROP VIEW recommender.settings",
        ):
            with pytest.raises(DENIED):
                installed.run(session.execute(statement))


def test_partitions_have_no_rights_of_their_own(installed: Installed) -> None:
    installed.execute("SELECT recommender.create_interaction_partitions($1, $1)", date(2031, 5, 1))
    granted = "SELECT count(*) FROM pg_class WHERE relispartition AND relacl IS NOT NULL"
    assert installed.value(granted) == 0


def test_functions_of_the_owners_rights_are_few_and_not_for_everybody(installed: Installed) -> None:
    rows = installed.run(
        installed.connection.fetch(
            "SELECT p.proname::text AS name, p.proconfig FROM pg_proc AS p"
            " WHERE p.pronamespace = 'recommender'::regnamespace AND p.prosecdef"
        )
    )
    assert {row["name"] for row in rows} == {
        "_rebuild_twin",
        "_step_retention",
        "create_interaction_partitions",
    }
    for row in rows:
        assert any(value.startswith("search_path=pg_catalog, ") for value in row["proconfig"])
        for role in ("public", API, READER):
            is_allowed = installed.value(
                "SELECT bool_or(has_function_privilege($1, p.oid, 'EXECUTE'))"
                " FROM pg_proc AS p WHERE p.proname = $2",
                role,
                row["name"],
            )
            assert not is_allowed, (role, row["name"])


# That it is enough


def test_whoever_may_call_a_function_may_do_what_it_does(installed: Installed) -> None:
    rows = installed.run(installed.connection.fetch(NEEDS, list(ROLES)))
    assert [tuple(row) for row in rows] == []


@pytest.mark.parametrize(
    ("role", "folders"), [(API, ["api"]), (WORKER, ["worker", "training"])], ids=["api", "worker"]
)
def test_python_asks_for_nothing_else(installed: Installed, role: str, folders: list[str]) -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for folder in folders
        for path in sorted((ROOT / "app" / folder).glob("*.py"))
    ]
    names = {name for text in texts for name in CALLED.findall(text)}
    # Routes name their function without its schema.
    names |= {name for text in texts for name in re.findall(r"\"(\w+)\(\$1", text)}
    denied = installed.run(
        installed.connection.fetch(
            """
            SELECT p.proname::text AS name FROM pg_proc AS p
            WHERE
                p.pronamespace = 'recommender'::regnamespace AND p.proname = ANY ($2)
                AND NOT has_function_privilege($1, p.oid, 'EXECUTE')
            UNION
            SELECT c.relname::text FROM pg_class AS c
            WHERE
                c.relnamespace = 'recommender'::regnamespace AND c.relname = ANY ($2)
                AND NOT has_table_privilege($1, c.oid, 'SELECT')
            """,
            role,
            sorted(names),
        )
    )
    assert [row["name"] for row in denied] == []


def test_the_server_needs_only_recommender_api(installed: Installed) -> None:
    world = small_world()
    world.recommend(1, 4, 5)
    installed.write(world)
    with serve(
        installed.url_of(API),
        TASK_QUEUE_ENABLED="true",
        RECOMMENDATIONS_REALTIME_REFRESH_ENABLED="true",
        RECOMMENDATIONS_ONLINE_LEARNING_ENABLED="true",
    ) as server:
        site = Site(server, installed.url, installed.connection, installed.run)
        assert server.client.get("/readyz").status_code == 200
        assert len(site.recommended(1)) > 0
        assert len(site.recommended(2)) > 0
        assert site.page(1, sort="recommended")["sort"] == "recommended"
        assert site.page(search="event", tags="rock")["sort"] == "time"
        batch: list[dict[str, Any]] = [
            {"interaction_type": "click", "event_id": 4, "client_id": str(uuid4())},
            {"interaction_type": "search", "meta": {"tags": ["rock"], "city": "Cluj"}},
        ]
        assert taken(site.post(batch, 1)) == (2, 0, 0)
        assert taken(site.post(batch[:1], 1)) == (0, 1, 0)
        assert taken(site.post(batch)) == (2, 0, 0)
        for thing, number in (("hidden-tags", 1), ("blocked-organizers", 4)):
            path = f"/api/me/personalization/{thing}/{number}"
            assert site.ask(path, 1, method="POST").status_code == 201
            assert site.ask(path, 1, method="DELETE").status_code == 204
        assert site.ask("/api/me/personalization", 1).status_code == 200
        metrics = server.client.get("/metrics").text
        assert "eventrank_database_gauges_available 1.0" in metrics
        assert 'eventrank_jobs{job_type="refresh_user_recommendations_ml"' in metrics
        assert "permission denied" not in server.log()
    assert installed.value("SELECT count(*) FROM user_implicit_interest_tags") > 0
    assert installed.value("SELECT count(*) FROM background_jobs") == 1
    assert installed.value("SELECT value FROM recommender_settings LIMIT 1") == "true"


JOBS: tuple[tuple[str, dict[str, object], str], ...] = (
    ("refresh_user_recommendations_ml", {"user_id": 1, "top_n": 5}, "refresh-1"),
    ("refresh_upcoming_events", {}, "all"),
    ("recompute_recommendations_ml", {"skip_training": True, "top_n": 5}, "all"),
    ("recompute_recommendations_ml", {"epochs": 2, "top_n": 4}, "training"),
    ("evaluate_personalization_guardrails", {}, "all"),
    ("apply_analytics_retention", {}, "all"),
)


def test_the_worker_needs_only_recommender_worker(installed: Installed) -> None:
    world = small_world()
    world.interact(2, "view", 1, at=days(-400))
    installed.write(world)
    month = (AS_OF + days(-400)).date()
    installed.execute("SELECT recommender.create_interaction_partitions($1, $1)", month)
    partition = f"event_interactions_{month:%Y_%m}"
    with working(installed.url_of(WORKER), ANALYTICS_RETENTION_DAYS="90") as worker:
        for job_type, payload, key in JOBS:
            installed.execute(
                "SELECT recommender.enqueue_job($1, $2::jsonb, $3)",
                job_type,
                json.dumps(payload),
                key,
            )
        waiting = "SELECT count(*) FROM background_jobs WHERE status IN ('queued', 'running')"
        wait_for(lambda: installed.value(waiting) == 0, worker.log, PATIENCE_SECONDS)
        failed = "SELECT string_agg(last_error, '; ') FROM background_jobs WHERE status = 'failed'"
        assert installed.value(failed) is None, worker.log()
        assert "permission denied" not in worker.log()
    # The training has asked for one more rescore.
    assert installed.value("SELECT count(*) FROM background_jobs") == len(JOBS) + 1
    assert installed.value("SELECT max(item_count) FROM recommendation_lists") == 4
    assert installed.value("SELECT to_regclass($1)", partition) is None
    assert installed.value("SELECT count(*) FROM interaction_history") == 1
    partitions = "SELECT DISTINCT c.relowner = r.relowner FROM pg_class AS c, pg_class AS r"
    where = "WHERE c.relispartition AND c.relkind = 'r' AND r.oid = 'event_interactions'::regclass"
    assert installed.value(f"{partitions} {where}") is True


def test_a_worker_may_recompute_from_the_command_line(installed: Installed) -> None:
    installed.write(small_world())
    done = script(
        "recompute_recommendations_ml.py",
        *("--top-n", "3", "--as-of", AS_OF.isoformat()),
        url=installed.url_of(WORKER),
    )
    assert done.returncode == 0, done.stderr
    assert installed.value("SELECT max(item_count) FROM recommendation_lists") == 3


def test_an_admin_runs_the_desk_and_writes_no_list(installed: Installed) -> None:
    world = small_world()
    world.recommend(1, 4)
    world.model(version="m2", is_active=False)
    installed.write(world)
    with installed.session(ADMIN) as session:
        run = installed.run
        run(session.execute("INSERT INTO recommender_settings VALUES ('task_queue_enabled', 'on')"))
        run(session.execute("SELECT recommender.activate_model('m2')"))
        newest = "SELECT activated_by FROM model_activations ORDER BY id DESC LIMIT 1"
        assert installed.value(newest) == installed.users[ADMIN]
        job = "SELECT j.id FROM recommender.enqueue_job('apply_analytics_retention') AS j"
        job_id = run(session.fetchval(job))
        run(session.execute("UPDATE background_jobs SET status = 'failed' WHERE id = $1", job_id))
        run(session.execute("SELECT recommender.retry_job($1)", job_id))
        run(session.execute("SELECT recommender.refresh_features()"))
        assert run(session.fetch("SELECT * FROM recommender.explain(1, 4)"))
        for statement in (
            "DELETE FROM user_recommendations",
            "INSERT INTO event_interactions (interaction_type) VALUES ('click')",
            "INSERT INTO recommender.source_hidden_tags (user_id, tag_id) VALUES (1, 1)",
            "SELECT recommender.score_user(1, 5)",
            "DELETE FROM recommender_models",
        ):
            with pytest.raises(DENIED):
                run(session.execute(statement))


def test_a_reader_reads_every_view_and_writes_nothing(installed: Installed) -> None:
    world = small_world()
    world.recommend(1, 4)
    installed.write(world)
    installed.execute("SELECT recommender.refresh_features()")
    views = installed.run(
        installed.connection.fetch(
            "SELECT c.relname FROM pg_class AS c"
            " WHERE c.relnamespace = 'recommender'::regnamespace AND c.relkind IN ('v', 'm')"
        )
    )
    with installed.session(READER) as session:
        run = installed.run
        for view in views:
            run(session.execute(f"TABLE recommender.{view['relname']}"))
        assert run(session.fetch("SELECT * FROM recommender.explain(1, 4)"))
        assert run(session.fetch("SELECT * FROM recommender.rank_events(1, 5)"))
        assert run(session.fetch("SELECT * FROM user_recommendations"))
        for statement in (
            "INSERT INTO recommender_settings VALUES ('task_queue_enabled', 'true')",
            "UPDATE recommender_models SET is_active = false",
            "DELETE FROM background_jobs",
            "SELECT recommender.enqueue_job('apply_analytics_retention')",
            "SELECT recommender.activate_model('m1')",
            "SELECT recommender.refresh_features()",
            "SELECT recommender._rebuild_twin('event_attributes_snapshot')",
            "SELECT recommender._step_retention('{}')",
            "SELECT recommender.create_interaction_partitions('2030-01-01', '2030-01-01')",
            "CALL recommender.run_jobs(1)",
        ):
            with pytest.raises(DENIED):
                run(session.execute(statement))


# Installing


def test_installing_again_changes_nothing(installed: Installed) -> None:
    before = installed.run(draw_matrix(installed.connection))
    assert install(installed.url).returncode == 0
    assert installed.run(draw_matrix(installed.connection)) == before
    changed = "SELECT count(*) FROM pg_class WHERE xmin::text = pg_current_xact_id()::text"
    grants = (ROLES_DIR / "grants.sql").read_text(encoding="utf-8")

    async def count_changes() -> int:
        async with installed.connection.transaction():
            await installed.connection.execute(grants)
            return int(await installed.connection.fetchval(changed))

    assert installed.run(count_changes()) == 0


def test_what_is_no_longer_needed_is_taken_back_and_what_was_lost_given_again(
    installed: Installed,
) -> None:
    before = installed.run(draw_matrix(installed.connection))
    installed.execute(f"GRANT DELETE ON user_recommendations TO {READER}")
    installed.execute(f"REVOKE ALL ON recommender.settings FROM {API}")
    installed.execute("GRANT EXECUTE ON FUNCTION recommender.setting TO PUBLIC")
    assert installed.run(draw_matrix(installed.connection)) != before
    assert install(installed.url).returncode == 0
    assert installed.run(draw_matrix(installed.connection)) == before


def test_plain_psql_does_the_same(installed: Installed) -> None:
    before = installed.run(draw_matrix(installed.connection))
    for file in ("uninstall", "install"):
        done = script(
            "db.py",
            "psql",
            "-Xqv",
            "ON_ERROR_STOP=1",
            "-f",
            str(ROLES_DIR / f"{file}.sql"),
            url=installed.url,
        )
        assert done.returncode == 0, done.stderr
        if file == "uninstall":
            nobody = installed.run(draw_matrix_without_roles(installed.connection))
            assert nobody == []
    for role, user in installed.users.items():
        installed.execute(f"GRANT {role} TO {user}")
    assert installed.run(draw_matrix(installed.connection)) == before


async def draw_matrix_without_roles(connection: Connection[Record]) -> list[str]:
    """What of ours still names one of the roles, or keeps a function from everybody."""
    rows = await connection.fetch(
        """
        SELECT p.proname::text AS name FROM pg_proc AS p
        WHERE
            p.pronamespace = 'recommender'::regnamespace AND NOT p.prosecdef
            AND NOT has_function_privilege('public', p.oid, 'EXECUTE')
        UNION ALL
        SELECT c.relname::text FROM pg_class AS c WHERE c.relacl::text LIKE '%recommender\\_%=%'
        """
    )
    return [row["name"] for row in rows]


def test_reapplying_sql_keeps_the_rights_and_gives_them_on_what_is_new(
    installed: Installed, tmp_path: Path
) -> None:
    before = installed.run(draw_matrix(installed.connection))
    changed = tmp_path / "sql"
    shutil.copytree(SQL_DIR, changed)
    (changed / "serving" / "newest.sql").write_text(
        "CREATE VIEW recommender.newest AS SELECT max(event_id) AS event_id"
        " FROM recommender.source_events;\n"
    )
    (changed / "admin" / "say.sql").write_text(
        "CREATE FUNCTION recommender.say() RETURNS integer LANGUAGE sql STABLE"
        " BEGIN ATOMIC SELECT n.event_id FROM recommender.newest AS n; END;\n"
    )
    gauges = changed / "serving" / "gauges.sql"  # a column more: dropped, and made again
    text = gauges.read_text(encoding="utf-8")
    branch = re.compile(r"^    (?='[a-z_]+' AS name,|g\.name,)", re.MULTILINE)
    gauges.write_text(branch.sub("    1 AS n, ", text))
    with (changed / "install.sql").open("a", encoding="utf-8") as install_map:
        install_map.write("\\ir serving/newest.sql\n\\ir admin/say.sql\n")
    for path, stamp in stamps(SQL_DIR.parent / "migrations", changed).items():
        if path.is_relative_to(changed):
            path.write_text(stamp, encoding="utf-8")
    report = installed.run(migrate(installed.connection, sql_dir=changed))
    try:
        assert "view recommender.gauges" in report.remade
        drawn = installed.run(draw_matrix(installed.connection)).splitlines()
        new = [line for line in drawn if line not in before.splitlines()]
        assert [line.split() for line in new] == [
            [".", "r", ".", "r", "r", "recommender.newest"],
            [".", ".", ".", "X", "X", "recommender.say()"],
        ]
    finally:
        installed.run(migrate(installed.connection))
    assert installed.run(draw_matrix(installed.connection)) == before


def test_a_database_without_the_roles_is_left_alone(
    installed: Installed, databases: Databases, run: Run
) -> None:
    with databases.migrated() as url:
        connection = run(connect(url))
        try:
            run(migrate(connection, force=True))
            assert run(
                connection.fetchval(
                    "SELECT has_function_privilege('public', 'recommender.as_of()', 'EXECUTE')"
                    f" AND NOT has_table_privilege('{READER}', 'recommender.settings', 'SELECT')"
                )
            )
        finally:
            run(connection.close())


def test_roles_that_another_database_uses_stay(installed: Installed, databases: Databases) -> None:
    with databases.migrated() as url:
        assert install(url).returncode == 0
        done = install(url, "--uninstall")
        assert done.returncode == 0, done.stderr
        assert f"the role {API} stays: it still has rights in " in done.stderr
        assert "dropped" not in done.stderr
    assert installed.value("SELECT to_regrole($1) IS NOT NULL", API)


def test_who_may_not_is_told_who_may(installed: Installed, empty_database_url: str) -> None:
    for arguments in ([], ["--uninstall"]):
        done = install(installed.url_of(READER), *arguments)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "superuser" in done.stderr
    done = install(empty_database_url)
    assert (done.returncode, "scripts/migrate.py first" in done.stderr) == (1, True)
    assert install(installed.url, "--everything").returncode == 2
    assert "docs/roles.md" in install(installed.url, "--help").stdout


def test_an_owner_who_may_not_create_roles_needs_somebody_who_may_once(run: Run) -> None:
    with own_server() as server:
        boss = run(connect(server.url("postgres")))
        try:
            run(boss.execute(f"CREATE ROLE site LOGIN PASSWORD '{PASSWORD}'"))
            run(boss.execute("CREATE DATABASE site OWNER site"))
            url = with_user(server.url("site"), "site")
            assert script("migrate.py", url=url).returncode == 0
            done = install(url)
            assert done.returncode == 1
            assert "psql -f scripts/roles/create.sql once" in done.stderr
            run(boss.execute((ROLES_DIR / "create.sql").read_text(encoding="utf-8")))
            done = install(url)
            assert done.returncode == 0, done.stderr
            assert done.stderr == "the roles have their rights in this database\n"
            owner = run(connect(url))
            drawn = run(draw_matrix(owner))
            assert drawn == MATRIX.read_text(encoding="utf-8")
            # The owner needs none of the roles; taken back, everybody calls functions again.
            done = install(url, "--uninstall")
            assert done.returncode == 1
            assert "To drop them takes a superuser" in done.stderr
            assert run(draw_matrix_without_roles(owner)) == []
            run(owner.close())
        finally:
            run(boss.close())


def test_a_grant_without_effect_is_an_error(installed: Installed) -> None:
    """An app's own table may belong to somebody else."""
    owner = f"eventrank_{uuid4().hex[:12]}"
    schema_owner = installed.value("SELECT current_user")
    installed.execute(f"CREATE ROLE {owner}")
    try:
        installed.execute(f"ALTER TABLE interaction_receipts OWNER TO {owner}")
        installed.execute(f"REVOKE ALL ON interaction_receipts FROM {API}")
        user = installed.users[READER]
        installed.execute(f"GRANT SELECT ON interaction_receipts TO {user}")
        installed.execute(f"ALTER SCHEMA recommender OWNER TO {user}")
        done = install(installed.url_of(READER))
        assert done.returncode == 1
        assert "not all could be granted" in done.stderr
    finally:
        installed.execute(f"ALTER SCHEMA recommender OWNER TO {schema_owner}")
        installed.execute(f"ALTER TABLE interaction_receipts OWNER TO {schema_owner}")
        installed.execute(f"REVOKE ALL ON interaction_receipts FROM {installed.users[READER]}")
        installed.execute(f"DROP ROLE {owner}")
    assert install(installed.url).returncode == 0
    drawn = installed.run(draw_matrix(installed.connection))
    assert drawn == MATRIX.read_text(encoding="utf-8")


def test_rows_of_an_apps_own_table_may_be_numbered_by_a_serial(
    installed: Installed, databases: Databases, run: Run
) -> None:
    with databases.empty() as url:
        owner = run(connect(url))
        run(
            owner.execute(
                "CREATE TABLE event_interactions (id serial PRIMARY KEY, user_id integer,"
                " event_id integer, interaction_type text NOT NULL, occurred_at timestamptz"
                " NOT NULL DEFAULT now(), meta json)"
            )
        )
        run(migrate(owner))
        assert install(url).returncode == 0
        session = run(connect(with_user(url, installed.users[API])))
        try:
            batch = json.dumps([{"interaction_type": "search", "meta": {"city": "Cluj"}}])
            answer = run(
                session.fetchrow("SELECT * FROM recommender.record_interactions(NULL, $1)", batch)
            )
            assert answer is not None
            assert answer["status"] == 204
            assert run(owner.fetchval("SELECT count(*) FROM event_interactions")) == 1
        finally:
            run(session.close())
            run(owner.close())


def test_half_a_flag_takes_nothing_away(installed: Installed) -> None:
    done = install(installed.url, "--uninstal")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert installed.value("SELECT to_regrole($1) IS NOT NULL", API)
