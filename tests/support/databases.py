"""The databases of a run: one template with the whole schema, and clones of it."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.database import connect

if TYPE_CHECKING:
    from collections.abc import Iterator


class Databases:
    """Creates databases on one server under names of this run, and drops them."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._run = f"eventrank_test_{os.getpid()}_{secrets.token_hex(3)}"
        self._count = 0
        self._template: str | None = None

    @contextmanager
    def empty(self, locale: str | None = None) -> Iterator[str]:
        """Give the address of an empty database, of the server's locale unless one is named."""
        options = f" LOCALE '{locale}'" if locale else ""
        with self._database(f"template0 ENCODING 'UTF8'{options}") as name:
            yield self.url(name)

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """Give the address of a fresh database with migrations and sql/ applied."""
        with self._database(self._template_name()) as name:
            yield self.url(name)

    def close(self) -> None:
        """Drop the template."""
        if self._template:
            asyncio.run(self._drop(self._template))

    def url(self, database: str) -> str:
        return urlsplit(self._server_url)._replace(path=f"/{database}").geturl()

    def _template_name(self) -> str:
        if self._template is None:
            name = asyncio.run(self._create("template0 ENCODING 'UTF8'"))
            try:
                asyncio.run(_migrate(self.url(name)))
            except BaseException:
                asyncio.run(self._drop(name))
                raise
            self._template = name
        return self._template

    @contextmanager
    def _database(self, template: str) -> Iterator[str]:
        name = asyncio.run(self._create(template))
        try:
            yield name
        finally:
            asyncio.run(self._drop(name))

    async def _create(self, template: str) -> str:
        self._count += 1
        name = f"{self._run}_{self._count}"
        connection = await connect(self._server_url)
        try:
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
            # Not part of what a clone inherits. It catches a variable that shadows another.
            await connection.execute(f"ALTER DATABASE {name} SET plpgsql.extra_errors = 'all'")
        finally:
            await connection.close()
        return name

    async def _drop(self, name: str) -> None:
        connection = await connect(self._server_url)
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        finally:
            await connection.close()


async def _migrate(url: str) -> None:
    from app.schema import migrate

    connection = await connect(url)
    try:
        await migrate(connection)
    finally:
        await connection.close()


async def server_version(url: str) -> str:
    connection = await connect(url)
    try:
        return str(await connection.fetchval("SHOW server_version")).split()[0]
    finally:
        await connection.close()
