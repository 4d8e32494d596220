"""What the server knows of our objects: which exist, who depends on them, who may use them."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from app.console import UserError
from app.schema.logic import DEFINITION_MARK, SCHEMA, SchemaObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Address = tuple[int, int]
"""A row of the catalog: the oid of the catalog table and the oid of the object."""

_RESOLVE = """
    WITH wanted AS (
        SELECT
            w.n,
            w.kind,
            w.name,
            (
                SELECT coalesce(string_agg(coalesce(to_regtype(t.type_name)::oid, 0)::text, ' '
                    ORDER BY t.n), '')
                FROM json_array_elements_text(w.arguments::json)
                    WITH ORDINALITY AS t (type_name, n)
            ) AS argument_oids
        FROM unnest($2::text[], $3::text[], $4::text[])
            WITH ORDINALITY AS w (kind, name, arguments, n)
    )

    SELECT
        w.n,
        'pg_class'::regclass::oid::bigint AS class_id,
        c.oid::bigint AS object_id
    FROM wanted AS w
    INNER JOIN pg_class AS c ON c.relname = w.name AND c.relnamespace = to_regnamespace($1)
        AND c.relkind = CASE w.kind
            WHEN 'view' THEN 'v' WHEN 'materialized view' THEN 'm' WHEN 'index' THEN 'i' END
    UNION ALL
    SELECT
        w.n,
        'pg_proc'::regclass::oid::bigint AS class_id,
        p.oid::bigint AS object_id
    FROM wanted AS w
    INNER JOIN pg_proc AS p ON p.proname = w.name AND p.pronamespace = to_regnamespace($1)
        AND p.proargtypes::text = w.argument_oids
        AND p.prokind = CASE w.kind WHEN 'function' THEN 'f' WHEN 'procedure' THEN 'p' END
"""

_DEPENDANTS = """
    SELECT
        d.refclassid::bigint AS on_class,
        d.refobjid::bigint AS on_object,
        CASE
            WHEN r.ev_class IS NULL THEN d.classid ELSE 'pg_class'::regclass
        END::bigint AS class_id,
        coalesce(r.ev_class, d.objid)::bigint AS object_id,
        bool_or(
            (d.deptype = 'i' AND r.ev_class IS NULL)
            OR coalesce(c.relnamespace = 'pg_toast'::regnamespace, false)
        ) AS is_part
    FROM unnest($1::oid[], $2::oid[]) AS n (class_id, object_id)
    INNER JOIN pg_depend AS d ON d.refclassid = n.class_id AND d.refobjid = n.object_id
    LEFT JOIN pg_rewrite AS r
        ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.rulename = '_RETURN'
    LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    GROUP BY d.refclassid, d.refobjid, d.classid, d.objid, r.ev_class
"""

_DESCRIBE = """
    SELECT
        n.class_id::bigint AS class_id,
        n.object_id::bigint AS object_id,
        i.type AS kind,
        i.identity
    FROM unnest($1::oid[], $2::oid[]) AS n (class_id, object_id)
    CROSS JOIN LATERAL pg_identify_object(n.class_id, n.object_id, 0) AS i
    ORDER BY i.type, i.identity
"""

_PRIVILEGES = """
    WITH lists AS (
        SELECT
            n.class_id,
            n.object_id,
            CASE WHEN c.oid IS NULL THEN upper(i.type) ELSE 'TABLE' END AS keyword,
            i.identity,
            coalesce(p.proowner, c.relowner) AS owner,
            '' AS column_name,
            coalesce(
                p.proacl, c.relacl,
                CASE WHEN c.oid IS NULL
                    THEN acldefault('f', p.proowner) ELSE acldefault('r', c.relowner)
                END
            ) AS acl
        FROM unnest($1::oid[], $2::oid[]) AS n (class_id, object_id)
        CROSS JOIN LATERAL pg_identify_object(n.class_id, n.object_id, 0) AS i
        LEFT JOIN pg_proc AS p ON n.class_id = 'pg_proc'::regclass AND p.oid = n.object_id
        LEFT JOIN pg_class AS c ON n.class_id = 'pg_class'::regclass AND c.oid = n.object_id
        WHERE c.relkind IS DISTINCT FROM 'i'
    ),

    all_lists AS (
        SELECT l.* FROM lists AS l
        UNION ALL
        SELECT
            l.class_id, l.object_id, l.keyword, l.identity, l.owner, quote_ident(a.attname),
            a.attacl
        FROM lists AS l
        INNER JOIN pg_attribute AS a ON a.attrelid = l.object_id AND a.attacl IS NOT NULL
        WHERE l.keyword = 'TABLE'
    )

    SELECT
        l.class_id::bigint AS class_id,
        l.object_id::bigint AS object_id,
        l.keyword,
        l.identity,
        quote_ident(pg_get_userbyid(l.owner)) AS owner,
        l.column_name,
        CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
            AS grantee,
        x.privilege_type AS privilege,
        coalesce(x.is_grantable, false) AS is_grantable
    FROM all_lists AS l
    LEFT JOIN LATERAL aclexplode(l.acl) AS x ON true
"""


@dataclass(frozen=True)
class Dependants:
    """Who needs certain objects: ours with the objects themselves, and those of somebody else."""

    order: list[Address]
    """The objects and what of ours needs them, dependants first."""
    foreign: dict[Address, Address]
    """What is not ours, each with the object of ours that it needs."""


@dataclass(frozen=True)
class Grant:
    """One privilege that one role has on an object or on one of its columns."""

    column: str
    grantee: str
    privilege: str
    is_grantable: bool


@dataclass(frozen=True)
class Access:
    """Who owns an object and who may use it; the names are quoted as SQL wants them."""

    keyword: str
    identity: str
    owner: str
    grants: frozenset[Grant]


async def read_stamp(connection: asyncpg.Connection) -> str | None:
    """Return the hash of the sql/ that the schema was made from, None if it has no stamp."""
    comment = await connection.fetchval(
        "SELECT obj_description(to_regnamespace($1), 'pg_namespace')", SCHEMA
    )
    lines = str(comment or "").split()
    return lines[-1] if lines and len(lines[-1]) == 64 else None


async def read_installed(connection: asyncpg.Connection) -> list[SchemaObject]:
    """Return what the last re-apply installed, nothing where there was none."""
    if await connection.fetchval("SELECT to_regclass($1)", f"{SCHEMA}.installed_objects") is None:
        return []
    rows = await connection.fetch(
        "SELECT o.kind, o.name, o.arguments, o.file FROM recommender.installed_objects AS o"
    )
    return [
        SchemaObject(
            row["kind"],
            row["name"],
            None if row["arguments"] is None else tuple(row["arguments"]),
            row["file"],
        )
        for row in rows
    ]


async def resolve(
    connection: asyncpg.Connection, objects: Sequence[SchemaObject]
) -> dict[SchemaObject, Address]:
    """Find the objects that exist, each in the kind and with the arguments it is written with."""
    rows = await connection.fetch(
        _RESOLVE,
        SCHEMA,
        [item.kind for item in objects],
        [item.name for item in objects],
        [_as_json(item.arguments or ()) for item in objects],
    )
    return {objects[row["n"] - 1]: (row["class_id"], row["object_id"]) for row in rows}


async def relation_names(connection: asyncpg.Connection) -> set[str]:
    """Return the names that no new view or index of the schema can take."""
    rows = await connection.fetch(
        """
        SELECT c.relname AS name
        FROM pg_class AS c
        WHERE c.relnamespace = to_regnamespace($1)
        """,
        SCHEMA,
    )
    return {row["name"] for row in rows}


async def read_definitions(connection: asyncpg.Connection) -> dict[str, str]:
    """Return the hash that each materialized view of the schema carries."""
    rows = await connection.fetch(
        """
        SELECT c.relname AS name, coalesce(obj_description(c.oid, 'pg_class'), '') AS comment
        FROM pg_class AS c
        WHERE c.relnamespace = to_regnamespace($1) AND c.relkind = 'm'
        """,
        SCHEMA,
    )
    return {row["name"]: row["comment"].rpartition(DEFINITION_MARK)[2] for row in rows}


async def read_dependants(
    connection: asyncpg.Connection, targets: Iterable[Address], ours: set[Address]
) -> Dependants:
    """Follow the server's record of who needs whom, upwards from the targets."""
    needs: dict[Address, list[Address]] = defaultdict(list)
    holder: dict[Address, Address] = {}
    foreign: dict[Address, Address] = {}
    waiting = list(targets)
    found = set(waiting)
    while waiting:
        rows = await connection.fetch(
            _DEPENDANTS, [node[0] for node in waiting], [node[1] for node in waiting]
        )
        waiting = []
        for row in rows:
            on = (row["on_class"], row["on_object"])
            on = holder.get(on, on)
            node = (row["class_id"], row["object_id"])
            if node == on:
                continue
            if row["is_part"]:
                if node not in holder:
                    holder[node] = on
                    waiting.append(node)
            elif node in ours:
                needs[on].append(node)
                if node not in found:
                    found.add(node)
                    waiting.append(node)
            else:
                foreign.setdefault(node, on)
    return Dependants(_dependants_first(found, needs), foreign)


def _dependants_first(nodes: set[Address], needs: dict[Address, list[Address]]) -> list[Address]:
    order: list[Address] = []
    visited: set[Address] = set()

    def visit(node: Address) -> None:
        if node in visited:
            return
        visited.add(node)
        for dependant in sorted(needs[node]):
            visit(dependant)
        order.append(node)

    for node in sorted(nodes):
        visit(node)
    return order


async def refuse_foreign(connection: asyncpg.Connection, foreign: dict[Address, Address]) -> None:
    """Stop because of somebody else's objects, and name one of them."""
    if not foreign:
        return
    names = await describe(connection, [*foreign, *foreign.values()])
    node, on = min(foreign.items(), key=lambda pair: names[pair[0]])
    others = f" (and {len(foreign) - 1} more)" if len(foreign) > 1 else ""
    raise UserError(
        f"{names[on]} has to be made again, but {names[node]}{others}, which is not from sql/, "
        "depends on it: save that definition, drop it, run migrate.py again and create it anew"
    )


async def describe(
    connection: asyncpg.Connection, addresses: Sequence[Address]
) -> dict[Address, str]:
    """Return kind and qualified name of each, such as `view reports.weekly`."""
    rows = await connection.fetch(
        _DESCRIBE, [node[0] for node in addresses], [node[1] for node in addresses]
    )
    return {(row["class_id"], row["object_id"]): f"{row['kind']} {row['identity']}" for row in rows}


async def lock_relations(connection: asyncpg.Connection, addresses: Sequence[Address]) -> None:
    """Lock views against readers, in this order.

    LOCK TABLE would lock the tables below them as well; giving a view the owner that it has does
    not. All in one round trip, so that nobody waits longer than the waiting itself takes.
    """
    statements = await connection.fetchval(
        """
        SELECT string_agg(
            format('ALTER TABLE %s OWNER TO %I;', c.oid::regclass, pg_get_userbyid(c.relowner)), ' '
            ORDER BY n.position
        )
        FROM unnest($1::oid[]) WITH ORDINALITY AS n (object_id, position)
        INNER JOIN pg_class AS c ON c.oid = n.object_id AND c.relkind IN ('v', 'm')
        """,
        [object_id for _, object_id in addresses],
    )
    if statements:
        await connection.execute(statements)


async def drop(connection: asyncpg.Connection, address: Address) -> str:
    """Drop one object by name, never more; return its kind and name."""
    names = await describe(connection, [address])
    await connection.execute(f"DROP {names[address]}")
    return names[address]


async def read_access(
    connection: asyncpg.Connection, addresses: Sequence[Address]
) -> dict[Address, Access]:
    """Return owner and privileges of relations and routines."""
    rows = await connection.fetch(
        _PRIVILEGES, [node[0] for node in addresses], [node[1] for node in addresses]
    )
    grants: dict[Address, set[Grant]] = defaultdict(set)
    heads = {}
    for row in rows:
        address = (row["class_id"], row["object_id"])
        heads[address] = (row["keyword"], row["identity"], row["owner"])
        if row["privilege"] is not None:
            grants[address].add(
                Grant(row["column_name"], row["grantee"], row["privilege"], row["is_grantable"])
            )
    return {address: Access(*head, frozenset(grants[address])) for address, head in heads.items()}


async def restore_access(connection: asyncpg.Connection, now: Access, before: Access) -> None:
    """Give a re-made object the owner and exactly the privileges that it had."""
    if now.owner != before.owner:
        await connection.execute(f"ALTER {now.keyword} {now.identity} OWNER TO {before.owner}")
        address_owner = {now.owner: before.owner}
        now = Access(
            now.keyword,
            now.identity,
            before.owner,
            frozenset(
                Grant(
                    g.column, address_owner.get(g.grantee, g.grantee), g.privilege, g.is_grantable
                )
                for g in now.grants
            ),
        )
    for grant in sorted(now.grants - before.grants, key=str):
        await connection.execute(
            f"REVOKE {_privilege(grant)} ON {now.keyword} {now.identity} FROM {grant.grantee}"
        )
    for grant in sorted(before.grants - now.grants, key=str):
        option = " WITH GRANT OPTION" if grant.is_grantable else ""
        # A privilege on a column that is no more has nothing to be restored to.
        with contextlib.suppress(asyncpg.UndefinedColumnError):
            async with connection.transaction():
                await connection.execute(
                    f"GRANT {_privilege(grant)} ON {now.keyword} {now.identity} "
                    f"TO {grant.grantee}{option}"
                )


def _privilege(grant: Grant) -> str:
    return f"{grant.privilege} ({grant.column})" if grant.column else grant.privilege


def _as_json(arguments: Iterable[str]) -> str:
    return json.dumps(list(arguments))
