"""What each role may do with each object, as a table: `python -m tests.support.roles_matrix`.

Run so, it writes tests/roles_matrix.txt anew, from a server of its own: look at the difference
before you commit it. What a role may do includes what everybody may.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from app.database import connect
from app.schema import migrate
from app.schema.reapply import ADVISORY_LOCK
from app.schema.roles import ROLES, install_roles
from tests.support.server import own_server

if TYPE_CHECKING:
    from asyncpg import Connection, Record

MATRIX = Path(__file__).resolve().parents[1] / "roles_matrix.txt"
WHO = ("public", *ROLES)
HEAD = """\
What each role may do, by itself or as everybody may: r SELECT, a INSERT, w UPDATE, d DELETE,
D TRUNCATE, x REFERENCES, t TRIGGER, X EXECUTE, U USAGE, C CREATE; c: some columns only; *: runs as
its owner. Partitions of event_interactions are left out. Written by
python -m tests.support.roles_matrix

"""

RIGHTS = """
WITH objects AS (
    SELECT 'schema' AS class, 1 AS place, n.oid, n.nspname::text AS name
    FROM pg_namespace AS n WHERE n.nspname IN ('public', 'recommender')
    UNION ALL
    SELECT
        'table',
        CASE c.relnamespace::regnamespace::text WHEN 'public' THEN 2 ELSE 3 END,
        c.oid,
        format('%s.%s', c.relnamespace::regnamespace, c.relname)
    FROM pg_class AS c
    WHERE
        c.relnamespace IN ('public'::regnamespace, 'recommender'::regnamespace)
        AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
    UNION ALL
    SELECT 'function', 4, p.oid, format(
        'recommender.%s(%s)%s',
        p.proname,
        (
            SELECT string_agg(format_type(a.type, NULL), ', ' ORDER BY a.n)
            FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, n)
        ),
        CASE WHEN p.prosecdef THEN ' *' END
    )
    FROM pg_proc AS p WHERE p.pronamespace = 'recommender'::regnamespace
),

privileges (class, letter, name) AS (
    VALUES
    ('schema', 'U', 'USAGE'), ('schema', 'C', 'CREATE'), ('function', 'X', 'EXECUTE'),
    ('table', 'r', 'SELECT'), ('table', 'a', 'INSERT'), ('table', 'w', 'UPDATE'),
    ('table', 'd', 'DELETE'), ('table', 'D', 'TRUNCATE'), ('table', 'x', 'REFERENCES'),
    ('table', 't', 'TRIGGER')
)

SELECT o.name, string_agg(
    CASE
        WHEN CASE o.class
            WHEN 'schema' THEN has_schema_privilege(w.role, o.oid, p.name)
            WHEN 'table' THEN has_table_privilege(w.role, o.oid, p.name)
            ELSE has_function_privilege(w.role, o.oid, p.name)
        END THEN p.letter
        WHEN p.letter IN ('r', 'a', 'w', 'x')
            AND has_any_column_privilege(w.role, o.oid, p.name) THEN p.letter || 'c'
    END,
    '' ORDER BY strpos('UCrawdDxtX', p.letter)
) AS letters
FROM objects AS o
CROSS JOIN unnest($1::text[]) WITH ORDINALITY AS w (role, n)
INNER JOIN privileges AS p ON p.class = o.class
GROUP BY o.place, o.oid, o.name, w.role, w.n
ORDER BY o.place, o.name COLLATE "C", w.n
"""


async def draw_matrix(connection: Connection[Record]) -> str:
    """Give the table as text, one object a line."""
    rows = await connection.fetch(RIGHTS, list(WHO))
    cells = [row["letters"] or "." for row in rows]
    columns = [name.removeprefix("recommender_") for name in WHO]
    width = max(map(len, [*cells, *columns])) + 1
    lines = ["".join(name.ljust(width) for name in columns) + "object"]
    for start in range(0, len(rows), len(WHO)):
        right = "".join(cell.ljust(width) for cell in cells[start : start + len(WHO)])
        lines.append(right + rows[start]["name"])
    return HEAD + "\n".join(lines) + "\n"


async def _write(url: str) -> None:
    connection = await connect(url)
    try:
        await migrate(connection)
        await install_roles(connection, ADVISORY_LOCK)
        MATRIX.write_text(await draw_matrix(connection), encoding="utf-8")
    finally:
        await connection.close()


def main() -> None:
    """Write the file."""
    with own_server() as server:
        server.create_database("matrix")
        asyncio.run(_write(server.url("matrix")))


if __name__ == "__main__":
    main()
