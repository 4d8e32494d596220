"""The order of sql/, who reads what, and that PostgreSQL sees the same dependencies."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
import sqlglot
from sqlglot import exp

from app.console import UserError
from app.database import connect
from app.lineage import APP_TABLES, LineageObject, migrated_tables, read_lineage
from app.lineage.flow import STAND_IN, layers, read_flow
from app.lineage.reading import names_in, order_violations, without_quoted
from app.schema import MIGRATIONS_DIR, SQL_DIR
from scripts.draw_lineage import DOCS_DIR, stale_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.runner import Run

DEPENDENCIES = """
    WITH owners AS (
        SELECT 'pg_rewrite'::regclass AS class_id, r.oid, r.ev_class::regclass::text AS name
        FROM pg_rewrite AS r
        UNION ALL
        SELECT 'pg_proc'::regclass, p.oid, p.oid::regproc::text
        FROM pg_proc AS p
        WHERE p.prosqlbody IS NOT NULL
    )

    SELECT DISTINCT
        o.name,
        CASE d.refclassid
            WHEN 'pg_class'::regclass THEN d.refobjid::regclass::text
            WHEN 'pg_proc'::regclass THEN d.refobjid::regproc::text
        END AS needs
    FROM owners AS o
    INNER JOIN pg_depend AS d ON d.classid = o.class_id AND d.objid = o.oid AND d.deptype = 'n'
    WHERE
        o.name LIKE 'recommender.%'
        AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass)
"""


@pytest.fixture(scope="module")
def objects() -> tuple[LineageObject, ...]:
    return read_lineage(SQL_DIR)


@pytest.fixture(scope="module")
def tables() -> frozenset[str]:
    return migrated_tables(MIGRATIONS_DIR)


def test_install_loads_every_file_once() -> None:
    lines = (SQL_DIR / "install.sql").read_text(encoding="utf-8").splitlines()
    loaded = [line.removeprefix("\\ir ").strip() for line in lines if line.startswith("\\ir ")]
    files = [path.relative_to(SQL_DIR).as_posix() for path in SQL_DIR.rglob("*.sql")]
    assert sorted(loaded) == sorted(set(files) - {"install.sql"})


def test_install_creates_everything_before_what_needs_it(
    objects: tuple[LineageObject, ...], tables: frozenset[str]
) -> None:
    assert order_violations(objects, tables) == []


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("feature/event_seats.sql", "feature/event_features.sql"),
        ("job/_job_lane.sql", "job/_seconds_to_next_job.sql"),
        ("scoring/reason_templates.sql", "scoring/reason_text.sql"),
        ("scoring/reason_templates.sql", "scoring/templates_for.sql"),
        ("scoring/reason_templates.sql", "scoring/rank_events.sql"),
    ],
    ids=["view", "atomic body", "argument type", "result type", "variable's type"],
)
def test_an_object_loaded_before_what_it_needs_is_found(
    first: str, then: str, tables: frozenset[str], tmp_path: Path
) -> None:
    shutil.copytree(SQL_DIR, tmp_path / "sql")
    install = tmp_path / "sql" / "install.sql"
    lines = install.read_text(encoding="utf-8").splitlines()
    lines.remove(f"\\ir {first}")
    lines.insert(lines.index(f"\\ir {then}") + 1, f"\\ir {first}")
    install.write_text("\n".join(lines) + "\n", encoding="utf-8")
    violations = order_violations(read_lineage(tmp_path / "sql"), tables)
    assert (f"sql/{then}", _object_name(first)) in {(item.file, name) for item, name in violations}


def test_a_relation_without_its_schema_is_refused(tmp_path: Path) -> None:
    view = "CREATE OR REPLACE VIEW recommender.a AS\nSELECT u.id FROM users AS u;\n"
    _write(tmp_path, {"source/a.sql": view})
    with pytest.raises(UserError, match="users needs its schema"):
        read_lineage(tmp_path)


def test_a_cte_is_no_relation(tmp_path: Path) -> None:
    view = """\
CREATE OR REPLACE VIEW recommender.a AS
WITH known_users AS (SELECT u.id FROM public.users AS u)
SELECT k.id FROM known_users AS k CROSS JOIN unnest(ARRAY[1]) AS n (n);
"""
    _write(tmp_path, {"source/a.sql": view})
    (item,) = read_lineage(tmp_path)
    assert item.reads == {"public.users"}
    assert item.columns == ("id",)


def test_a_body_tells_reads_from_writes_and_ignores_comments_and_texts(tmp_path: Path) -> None:
    function = """\
CREATE OR REPLACE FUNCTION recommender.a(p_list public.recommendation_lists)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_run public.recommendation_runs;
BEGIN
    -- recommender.never is only talked about, 'tis no reference
    PERFORM recommender.b('recommender.c');
    CREATE TEMPORARY TABLE d AS SELECT x.id FROM public.events AS x FOR UPDATE SKIP LOCKED;
    INSERT INTO public.tags (id) SELECT e.id FROM pg_temp.d AS e
    ON CONFLICT (id) DO UPDATE SET id = 1;
    ANALYZE pg_temp.d, pg_temp.e;
END;
$$;
"""
    _write(tmp_path, {"source/a.sql": function})
    (item,) = read_lineage(tmp_path)
    assert item.needs == {"public.recommendation_lists", "public.recommendation_runs"}
    assert item.reads == {"recommender.b", "public.events", "pg_temp.d"}
    assert item.writes == {"pg_temp.d", "public.tags"}


def test_postgresql_sees_the_same_dependencies(
    objects: tuple[LineageObject, ...], database_url: str, run: Run
) -> None:
    async def dependencies() -> dict[str, set[str]]:
        connection = await connect(database_url)
        try:
            await connection.execute("SET search_path = pg_catalog")
            rows = await connection.fetch(DEPENDENCIES)
        finally:
            await connection.close()
        found: dict[str, set[str]] = {}
        for row in rows:
            if row["needs"].startswith(("recommender.", "public.")):
                found.setdefault(row["name"], set()).add(row["needs"])
        return {name: needs - {name} for name, needs in found.items()}

    seen = run(dependencies())
    atomic = set(seen) | {item.name for item in objects if not item.is_routine}
    parsed = {item.name: set(item.needs) for item in objects if item.name in atomic}
    assert parsed == {name: seen.get(name, set()) for name in parsed}


def test_only_the_source_stage_reads_the_tables_of_the_app(
    objects: tuple[LineageObject, ...],
) -> None:
    """The demo writes them, too: it stands in for the app."""
    offenders = {
        item.name: sorted(item.reads & APP_TABLES)
        for item in objects
        if item.stage not in {"source", STAND_IN} and item.reads & APP_TABLES
    }
    assert offenders == {}


def test_no_table_is_named_without_its_schema(tables: frozenset[str]) -> None:
    names = "|".join(sorted(name.partition(".")[2] for name in tables))
    bare = re.compile(rf"\b(?:FROM|JOIN|INTO|UPDATE|ONLY)\s+(?:{names})\b", re.IGNORECASE)
    offenders = [
        (path.name, match.group())
        for path in SQL_DIR.rglob("*.sql")
        for match in bare.finditer(without_quoted(path.read_text(encoding="utf-8")))
    ]
    assert offenders == []


def test_every_table_that_sql_names_is_made_by_a_migration(tables: frozenset[str]) -> None:
    named = {
        name
        for path in SQL_DIR.rglob("*.sql")
        for name in names_in(path.read_text(encoding="utf-8"))
        if name.startswith("public.")
    }
    assert named - tables == set()
    assert APP_TABLES - tables == set()


def test_the_columns_of_user_event_features_are_the_features_in_order(
    objects: tuple[LineageObject, ...],
) -> None:
    (view,) = (item for item in objects if item.name == "recommender.user_event_features")
    text = (SQL_DIR / "feature" / "feature_names.sql").read_text(encoding="utf-8")
    start = text.index("ARRAY[")
    array = sqlglot.parse_one(text[start : text.index("]", start) + 1], dialect="postgres")
    assert isinstance(array, exp.Array)
    assert view.columns == ("user_id", "event_id", *(name.name for name in array.expressions))


def test_the_database_has_the_features_in_the_same_order(database_url: str, run: Run) -> None:
    async def columns_and_features() -> tuple[list[str], list[str]]:
        connection = await connect(database_url)
        try:
            columns = await connection.fetch("""
                SELECT a.attname
                FROM pg_attribute AS a
                WHERE a.attrelid = 'recommender.user_event_features'::regclass AND a.attnum > 0
                ORDER BY a.attnum
            """)
            features = await connection.fetchval("SELECT recommender.feature_names()")
        finally:
            await connection.close()
        return [row["attname"] for row in columns], features

    columns, features = run(columns_and_features())
    assert columns == ["user_id", "event_id", *features]


def test_the_picture_leads_from_the_tables_to_the_lists(
    objects: tuple[LineageObject, ...],
) -> None:
    flow = read_flow(objects)
    reached, waiting = set(), ["public.registrations"]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting.extend(b for a, b in flow.edges if a == name and b not in reached)
    assert {
        "recommender.user_event_features",
        "public.recommender_models",
        "public.user_recommendations",
        "recommender.explain",
    } <= reached


def test_the_picture_is_of_what_a_site_installs(objects: tuple[LineageObject, ...]) -> None:
    assert any(item.stage == STAND_IN for item in objects)
    with_demo = read_flow(objects)
    assert with_demo == read_flow([item for item in objects if item.stage != STAND_IN])


def test_no_arrow_of_the_picture_leads_back(objects: tuple[LineageObject, ...]) -> None:
    flow = read_flow(objects)
    columns = layers(flow)
    assert all(columns[source] < columns[target] for source, target in flow.edges)


def test_the_picture_is_current(objects: tuple[LineageObject, ...]) -> None:
    assert stale_files(read_flow(objects), DOCS_DIR) == [], "make docs"


def test_a_picture_of_another_sql_is_not_current(
    objects: tuple[LineageObject, ...], tmp_path: Path
) -> None:
    flow = read_flow([item for item in objects if item.name != "recommender.history"])
    shutil.copytree(DOCS_DIR, tmp_path / "docs")
    assert stale_files(flow, tmp_path / "docs") == ["lineage.md", "lineage.svg"]


def _write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    map_text = "".join(f"\\ir {name}\n" for name in files)
    (directory / "install.sql").write_text(map_text, encoding="utf-8")


def _object_name(file: str) -> str:
    return "recommender." + file.rpartition("/")[2].removesuffix(".sql")
