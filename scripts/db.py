#!/usr/bin/env python3
"""Start, stop and look at the embedded PostgreSQL, or open psql on whatever DATABASE_URL names."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.console import EXIT_FAILURE, UserError, console, run
from app.database import (
    configured_url,
    connect,
    database_url,
    describe_url,
    embedded_server,
)
from app.embedded import find_binaries

ACTIONS = {
    "start": "start the embedded server, unless it runs already",
    "stop": "shut the embedded server down cleanly",
    "restart": "stop it and start it again, with the settings of this version",
    "status": "say which server is used and whether it runs (exit code 1 if it does not)",
    "url": "print its address, password included; starts the embedded server when needed",
    "psql": "open psql on it; what follows is passed on: psql -c 'SELECT 1'",
}


def parse_arguments() -> tuple[str, list[str]]:
    """Give the action, and what is to be passed on to psql."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {action:<8} {does}" for action, does in ACTIONS.items()),
    )
    parser.add_argument("action", choices=ACTIONS, metavar="|".join(ACTIONS))
    if sys.argv[1:2] == ["psql"]:
        return "psql", sys.argv[2:]
    return parser.parse_args().action, []


async def main() -> int:
    """Do what the command line asks for."""
    action, rest = parse_arguments()
    if action == "psql":
        open_psql(rest)
    if action == "url":
        sys.stdout.write(database_url() + "\n")
        return 0
    foreign = configured_url()
    if action == "status":
        return await show_status(foreign)
    if foreign:
        somebody_elses = f"DATABASE_URL names somebody else's server, {describe_url(foreign)}"
        if action != "start":
            raise UserError(f"{somebody_elses}: {action} it where it runs")
        console.print(f"{somebody_elses}: nothing to start", markup=False, soft_wrap=True)
        return 0
    if action in {"stop", "restart"}:
        stop_embedded()
    if action in {"start", "restart"}:
        database_url()
        console.print(f"the embedded server runs: {embedded_server().data_dir}", soft_wrap=True)
    return 0


def stop_embedded() -> None:
    """Stop the embedded server and say so."""
    server = embedded_server()
    was_running = server.is_running()
    server.stop()
    console.print(f"the embedded server {'is stopped' if was_running else 'was not running'}")


async def show_status(foreign: str | None) -> int:
    """Print which server is used, and whether it answers."""
    server = embedded_server()
    if foreign is None and not server.is_running():
        sys.stdout.write(f"embedded, not running: {server.data_dir}\n")
        return EXIT_FAILURE
    connection = await connect(foreign or server.url("postgres"))
    try:
        version = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    if foreign:
        sys.stdout.write(f"DATABASE_URL, PostgreSQL {version}: {describe_url(foreign)}\n")
    else:
        sys.stdout.write(
            f"embedded, PostgreSQL {version}, process {server.process_id()}: {server.data_dir}\n"
            f"log: {server.log_file}\n"
        )
    return 0


def open_psql(arguments: list[str]) -> None:
    """Become psql; the password goes by the environment, which other users cannot read."""
    url = database_url()
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    if password:
        os.environ["PGPASSWORD"] = unquote(password)
        url = parts._replace(netloc=user + at + hosts).geturl()
    psql = find_binaries() / "psql"
    os.execv(psql, [str(psql), "-d", url, *arguments])


if __name__ == "__main__":
    run(main())
