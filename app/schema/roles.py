"""The four roles: scripts/roles/*.sql says what each may do, here it is run as psql would."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from app.console import UserError, describe_database_error
from app.schema.statements import read_sql_file

if TYPE_CHECKING:
    from asyncpg import Connection, PostgresLogMessage, Record

ROLES_DIR = Path(__file__).resolve().parents[2] / "scripts" / "roles"
ROLES = ("recommender_api", "recommender_worker", "recommender_admin", "recommender_reader")

HAVE_RIGHTS_HERE = """
SELECT EXISTS (
    SELECT
    FROM pg_catalog.pg_namespace AS n
    CROSS JOIN LATERAL aclexplode(n.nspacl) AS a
    INNER JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
    WHERE n.nspname = 'recommender' AND r.rolname = ANY ($1)
)
"""
EXISTING = "SELECT r.rolname FROM pg_catalog.pg_roles AS r WHERE r.rolname = ANY ($1)"
WAIT_FOR_MIGRATIONS = "SELECT pg_advisory_xact_lock($1)"


async def install_roles(connection: Connection[Record], lock: int) -> list[str]:
    """Create the roles that are missing and give all their rights here; name those created."""
    before = await _existing(connection)
    async with connection.transaction():
        await connection.execute(WAIT_FOR_MIGRATIONS, lock)
        try:
            await _run(connection, "create.sql")
        except asyncpg.InsufficientPrivilegeError as error:
            raise UserError(
                f"{describe_database_error(error)} Roles belong to the whole server: have a"
                " superuser, or a role with CREATEROLE, run psql -f scripts/roles/create.sql once;"
                " after that the owner of the schema recommender can do the rest"
            ) from error
        await grant_rights(connection)
    return sorted(await _existing(connection) - before)


async def uninstall_roles(connection: Connection[Record], lock: int) -> tuple[list[str], list[str]]:
    """Take the rights back here; name the roles dropped, and say of others why they stay."""
    async with connection.transaction():
        await connection.execute(WAIT_FOR_MIGRATIONS, lock)
        try:
            await _run(connection, "revoke.sql")
        except asyncpg.InsufficientPrivilegeError as error:
            raise UserError(
                f"{describe_database_error(error)} Take the rights back as the owner of the schema"
                " recommender, or as a superuser"
            ) from error
    before = await _existing(connection)
    try:
        async with connection.transaction():
            said = await _run(connection, "drop.sql")
    except asyncpg.InsufficientPrivilegeError as error:
        raise UserError(
            f"the roles have no rights in this database any more, but stay:"
            f" {describe_database_error(error)} To drop them takes a superuser, or a role with"
            " CREATEROLE (and ADMIN on them, from PostgreSQL 16 on)"
        ) from error
    return sorted(before - await _existing(connection)), said


async def have_rights_here(connection: Connection[Record]) -> bool:
    """Tell whether the roles were installed in this database."""
    return bool(await connection.fetchval(HAVE_RIGHTS_HERE, ROLES))


async def grant_rights(connection: Connection[Record]) -> None:
    """Give the roles that exist their rights here, and take away what they no longer need."""
    said = await _run(connection, "grants.sql")
    if said:
        # PostgreSQL warns, and goes on, where a grant of somebody without the right had no effect.
        raise UserError(
            f"not all could be granted: {said[0]}; run this as the owner of the tables, or as a"
            " superuser"
        )


async def _existing(connection: Connection[Record]) -> set[str]:
    return {row["rolname"] for row in await connection.fetch(EXISTING, ROLES)}


async def _run(connection: Connection[Record], name: str) -> list[str]:
    """Run a file of scripts/roles/; give the notices and warnings that came with it."""
    said: list[str] = []

    def hear(_connection: object, message: PostgresLogMessage) -> None:
        if message.severity_en in {"NOTICE", "WARNING"}:
            said.append(str(message.message))

    connection.add_log_listener(hear)
    try:
        for statement in read_sql_file(ROLES_DIR / name, f"scripts/roles/{name}").statements:
            await connection.execute(statement.text)
    finally:
        connection.remove_log_listener(hear)
    return said
