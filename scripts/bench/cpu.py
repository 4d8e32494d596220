"""Processor time of processes, from /proc: of the app, and of a server with all its backends."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncpg import Connection, Record

PROC = Path("/proc")


@dataclass(frozen=True)
class Reading:
    """Seconds the app and the server have run so far; None: not to be measured."""

    app: float | None
    server: float | None

    def until(self, later: Reading, requests: int) -> tuple[float | None, float | None]:
        """Give the milliseconds of app and server a request."""

        def cost(begin: float | None, end: float | None) -> float | None:
            return None if begin is None or end is None else 1000 * (end - begin) / requests

        return cost(self.app, later.app), cost(self.server, later.server)


@dataclass(frozen=True)
class Clocks:
    """Which processes are measured."""

    app: int | None
    postmaster: int | None

    def read(self) -> Reading:
        """Read their processor time so far."""
        app = _read(self.app) if self.app else None
        return Reading(
            app=app.own if app else None,
            server=_server_seconds(self.postmaster) if self.postmaster else None,
        )


async def postmaster_of(connection: Connection[Record]) -> int | None:
    """Give the process above a connection's backend; None when the server runs elsewhere."""
    row = await connection.fetchrow("SELECT pg_backend_pid(), current_database()::text")
    assert row is not None
    return _find_postmaster(*row)


def _find_postmaster(backend_id: int, database: str) -> int | None:
    try:
        title = (PROC / str(backend_id) / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return None
    # On another machine's word alone it could be any process of this one.
    stat = _read(backend_id)
    return stat.parent if stat and "postgres" in title and database in title else None


@dataclass(frozen=True)
class _Stat:
    parent: int
    own: float
    ended_children: float


def _server_seconds(postmaster: int) -> float:
    """Add up the postmaster, its children that live, and those that have ended."""
    seconds = 0.0
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or (stat := _read(int(entry.name))) is None:
            continue
        if int(entry.name) == postmaster:
            seconds += stat.own + stat.ended_children
        elif stat.parent == postmaster:
            seconds += stat.own
    return seconds


def _read(process_id: int) -> _Stat | None:
    try:
        text = (PROC / str(process_id) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The program's name, in parentheses, may hold blanks and parentheses of its own.
    fields = text.rpartition(")")[2].split()
    parent, ticks = int(fields[1]), os.sysconf("SC_CLK_TCK")
    user, system, children_user, children_system = (int(field) / ticks for field in fields[11:15])
    return _Stat(parent, user + system, children_user + children_system)
