"""Make the schema recommender equal to sql/, in one transaction, with everybody at work."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from app.console import UserError
from app.schema import catalog
from app.schema.logic import SCHEMA, Logic, SchemaObject, stamp_sql
from app.schema.migrations import oldest_transaction, set_local
from app.schema.roles import grant_rights, have_rights_here
from app.schema.statements import SqlFile, Statement, split_statements, statement_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.schema.catalog import Access, Address

ADVISORY_LOCK = 0x6576_656E_7472_616E  # "eventran" in ASCII: one key for all who change the schema

_TRIES = 12
_SHORTEST_LOCK_TIMEOUT = 0.05
_LONGEST_PAUSE = 5.0

# What CREATE OR REPLACE raises when an object changed its shape: columns of a view, return type or
# argument names of a function, a view that became a table, dependants in the way.
_SHAPE_ERRORS = (
    asyncpg.InvalidTableDefinitionError,
    asyncpg.InvalidFunctionDefinitionError,
    asyncpg.WrongObjectTypeError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.DependentObjectsStillExistError,
)
_BUSY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)


@dataclass
class Changes:
    """What re-applying did to objects that were there before."""

    remade: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    filled: list[str] = field(default_factory=list)
    """The materialized views that were built, and so hold rows of now."""
    kept: list[str] = field(default_factory=list)
    """The materialized views that were left alone, and hold rows of their last refresh."""


async def is_current(connection: asyncpg.Connection, logic: Logic) -> bool:
    """Tell whether the schema carries the stamp of these files and nothing of it is missing."""
    if await catalog.read_stamp(connection) != logic.checksum:
        return False
    return len(await catalog.resolve(connection, logic.objects)) == len(logic.objects)


async def reapply(
    connection: asyncpg.Connection,
    logic: Logic,
    lock_timeout: float,
    say: Callable[[str], None],
) -> Changes:
    """Re-apply all files; a lock that cannot be had at once is asked for again, after a pause.

    Readers that meet the views in another order than we do would lock us and themselves out for
    good. So the views are locked first, every other try the other way round, with a patience that
    grows as the pauses do: who gives way is always us.
    """
    changed_shape: set[SchemaObject] = set()
    for attempt in range(1, _TRIES + 1):
        patience = min(_SHORTEST_LOCK_TIMEOUT * 2 ** (attempt // 2), lock_timeout)
        one_try = _Reapplication(connection, logic, changed_shape)
        try:
            async with connection.transaction():
                return await one_try.run(patience, bases_first=attempt % 2 == 0)
        except _BUSY:
            if attempt == _TRIES:
                break
            pause = min(0.05 * 2**attempt, _LONGEST_PAUSE)
            say(f"{SCHEMA} is busy, trying again in {pause:g} s ({attempt} of {_TRIES - 1})")
            await asyncio.sleep(pause)
    raise UserError(
        f"sql/ could not lock the schema {SCHEMA} within {lock_timeout:g} s, {_TRIES} times: "
        f"{await oldest_transaction(connection)}; nothing of sql/ was changed"
    )


async def safe_lock_timeout(connection: asyncpg.Connection, wished: float) -> float:
    """Stay below the deadlock timeout, so that it is we who give way, never a reader."""
    deadlock_timeout = await connection.fetchval("""
        SELECT s.setting::integer FROM pg_settings AS s WHERE s.name = 'deadlock_timeout'
    """)
    return min(wished, 0.5 * float(deadlock_timeout) / 1000)


class _Reapplication:
    """One try, inside a transaction that its caller begins and ends."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        logic: Logic,
        changed_shape: set[SchemaObject],
    ) -> None:
        self.connection = connection
        self.logic = logic
        self.changed_shape = changed_shape
        self.installed: list[SchemaObject] = []
        self.dropped: dict[SchemaObject, Access | None] = {}
        self.kept: set[Address] = set()
        self.done: set[str] = set()

    async def run(self, lock_timeout: float, *, bases_first: bool) -> Changes:
        await self.connection.fetchval("SELECT pg_advisory_xact_lock($1)", ADVISORY_LOCK)
        await set_local(self.connection, lock_timeout)
        self.installed = await catalog.read_installed(self.connection)
        if not self.installed and await catalog.read_stamp(self.connection):
            self.installed = list(self.logic.objects)  # the list itself was dropped by hand
        await self._refuse_to_overwrite()
        self.kept.update((await catalog.resolve(self.connection, self.logic.objects)).values())
        first = await self._must_be_dropped_first()
        await self._lock(first, bases_first=bases_first)
        await self._drop(first)
        await self._run_files()
        await self._drop_what_left()
        changes = await self._restore_access()
        await self._stamp()
        if await have_rights_here(self.connection):
            # In the same transaction, so that nobody meets an object that is not theirs yet.
            await grant_rights(self.connection)
        return changes

    async def _refuse_to_overwrite(self) -> None:
        """Stop where a name of sql/ is taken by something that sql/ never made."""
        old = await catalog.resolve(self.connection, self.installed)
        new = await catalog.resolve(self.connection, self.logic.objects)
        known = set(old.values())
        taken = await catalog.relation_names(self.connection)
        ours = {item.name for item in old}
        for item in self.logic.objects:
            is_foreign = (
                new[item] not in known
                if item in new
                else (item.arguments is None and item.name in taken - ours)
            )
            if is_foreign:
                raise UserError(
                    f"{item.file} creates the {item.kind} {item}, but something of that name is "
                    "there which is not from sql/: rename it (or, after an interrupted "
                    f"installation by psql, drop the schema {SCHEMA}), then run migrate.py again"
                )

    async def _must_be_dropped_first(self) -> set[Address]:
        """Return what no CREATE OR REPLACE can change.

        That is what keeps its name with another kind or other arguments, a materialized view with
        another definition, and what an earlier try found to have changed its shape.
        """
        old = await catalog.resolve(self.connection, self.installed)
        new = await catalog.resolve(self.connection, self.logic.objects)
        names = {item.name for item in self.logic.objects}
        kept = set(new.values())
        first = {
            address for item, address in old.items() if item.name in names and address not in kept
        }
        definitions = await catalog.read_definitions(self.connection)
        first.update(
            address
            for item, address in new.items()
            if item.kind == "materialized view"
            and definitions.get(item.name) != self.logic.definitions[item.name]
        )
        first.update(new[item] for item in self.changed_shape if item in new)
        return first

    async def _lock(self, to_drop: set[Address], *, bases_first: bool) -> None:
        """Lock every view, since all are replaced, and the materialized ones that are dropped."""
        ours = await self._ours()
        views = {address for address, item in ours.items() if item.kind == "view"}
        dropped = await catalog.read_dependants(self.connection, to_drop, set(ours))
        locked = views.union(dropped.order)
        order = (await catalog.read_dependants(self.connection, locked, set(ours))).order
        order = [address for address in order if address in locked]
        await catalog.lock_relations(self.connection, order[::-1] if bases_first else order)

    async def _ours(self) -> dict[Address, SchemaObject]:
        known = await catalog.resolve(self.connection, [*self.logic.objects, *self.installed])
        return {address: item for item, address in known.items()}

    async def _run_files(self) -> None:
        while True:
            waiting = [file for file in self.logic.files if file.name not in self.done]
            if not waiting:
                return
            for file in waiting:
                failure = await self._run_file(file)
                if failure is not None:
                    await self._drop_what_changed_shape(file, *failure)
                    break

    async def _run_file(self, file: SqlFile) -> tuple[Statement, asyncpg.PostgresError] | None:
        """Run a file; return the statement that met another shape, if one did."""
        statement = Statement("", "", 1)
        try:
            async with self.connection.transaction():
                for statement in file.statements:
                    await self.connection.execute(statement.text)
        except _BUSY:
            raise
        except _SHAPE_ERRORS as error:
            return statement, error
        except asyncpg.PostgresError as error:
            raise statement_error(error, file, statement) from error
        self.done.add(file.name)
        return None

    async def _drop_what_changed_shape(
        self, file: SqlFile, statement: Statement, error: asyncpg.PostgresError
    ) -> None:
        """Drop the objects of a file that could not be replaced; they are made again."""
        existing = await catalog.resolve(self.connection, self.logic.objects_of(file))
        if not existing:
            raise statement_error(error, file, statement) from error
        self.changed_shape.update(existing)
        try:
            await self._drop(set(existing.values()))
        except UserError as refusal:
            raise UserError(f"{statement_error(error, file, statement)} {refusal}") from error

    async def _drop_what_left(self) -> None:
        old = await catalog.resolve(self.connection, self.installed)
        new = await catalog.resolve(self.connection, self.logic.objects)
        await self._drop(set(old.values()) - set(new.values()))

    async def _drop(self, targets: set[Address]) -> None:
        """Drop by name, after what of ours depends on it; whatever sql/ still has is made again."""
        if not targets:
            return
        ours = await self._ours()
        dependants = await catalog.read_dependants(self.connection, targets, set(ours))
        await catalog.refuse_foreign(self.connection, dependants.foreign)
        order = dependants.order
        access = await catalog.read_access(self.connection, order)
        for address in order:
            await catalog.drop(self.connection, address)
            self.dropped.setdefault(ours[address], access.get(address))
            self.done.discard(ours[address].file)
        self.kept.difference_update(order)

    async def _restore_access(self) -> Changes:
        """Give what was made again its owner and privileges, then grant again what sql/ grants."""
        existing = await catalog.resolve(self.connection, self.logic.objects)
        changes = Changes()
        for item, address in existing.items():
            if item.kind == "materialized view":
                (changes.kept if address in self.kept else changes.filled).append(str(item))
        for item, access in self.dropped.items():
            successor = self._successor(item)
            if successor is None:
                changes.dropped.append(f"{item.kind} {item}")
                continue
            changes.remade.append(f"{successor.kind} {successor}")
            if access is not None:
                address = existing[successor]
                now = await catalog.read_access(self.connection, [address])
                await catalog.restore_access(self.connection, now[address], access)
        if changes.remade:
            await self._grant_again()
        return changes

    def _successor(self, item: SchemaObject) -> SchemaObject | None:
        """Return what of sql/ now stands in an object's place: itself, else its namesake."""
        namesakes = [other for other in self.logic.objects if other.name == item.name]
        same = [other for other in namesakes if other.arguments == item.arguments]
        return same[0] if same else namesakes[0] if len(namesakes) == 1 else None

    async def _grant_again(self) -> None:
        for file in self.logic.files:
            for statement in file.statements:
                if statement.plain.upper().startswith(("GRANT ", "REVOKE ")):
                    await self.connection.execute(statement.text)

    async def _stamp(self) -> None:
        for statement in split_statements(stamp_sql(self.logic), "sql/stamp.sql"):
            await self.connection.execute(statement.text)
        existing = await catalog.resolve(self.connection, self.logic.objects)
        for item in self.logic.objects:
            if item not in existing:
                raise UserError(f"{item.file} was run, but {item} does not exist afterwards")
