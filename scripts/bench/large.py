#!/usr/bin/env python3
"""Rescore a million students with ten thousand events, once, and watch time and memory.

Everything happens on a server of its own in a temporary directory, with room for about 40 GB there.
The command itself is run, `recompute_recommendations_ml.py --skip-training`, as a process of its
own, and its progress is shown. Every 15 seconds the memory of that process and of all processes of
the server is noted, each shared page counted once. Afterwards the floor: the finished rows as
CREATE TABLE AS with a primary key. Exits 1 when a list is missing or a bound is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console

from app.arguments import whole_number
from app.console import UserError, run
from scripts.bench.bounds import Bound, print_bounds
from scripts.bench.measure import (
    add_common_arguments,
    clean_up_on_termination,
    machine_facts,
    machine_lines,
    say,
    throw_away_database,
)
from scripts.bench.rescore_world import AS_OF, TOP_N, generate_students, write_floor

COMMAND = Path(__file__).resolve().parents[1] / "recompute_recommendations_ml.py"
SECONDS_BETWEEN_READINGS = 15
MOST_PYTHON_MB = 300
MOST_GROWTH = 1.2
"""The server's memory in the last third of the run over that in the second."""
SERVER_SETTINGS = {"shared_buffers": "2GB", "maintenance_work_mem": "512MB"}
LISTS = "SELECT count(*), coalesce(sum(l.item_count), 0) FROM recommendation_lists AS l"


@dataclass
class Memory:
    """What was seen in the course of a run, in MB."""

    python: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)

    @property
    def growth(self) -> float | None:
        """How much larger the server is in the last third than in the second."""
        third = len(self.server) // 3
        if third < 2:
            return None
        return statistics.median(self.server[-third:]) / statistics.median(
            self.server[third : 2 * third]
        )


async def main() -> int:
    """Run the command."""
    options = _parse_arguments()
    if not Path("/proc/self/smaps_rollup").exists():
        raise UserError("memory is read from /proc, which this system does not have")
    clean_up_on_termination()
    async with throw_away_database(options.database_url, **SERVER_SETTINGS) as url:
        report = await _measure(url, options)
    _print_report(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if all(bound["is_met"] for bound in report["bounds"]) else 1


async def _measure(url: str, options: argparse.Namespace) -> dict[str, Any]:
    connection = await generate_students(
        url, students=options.students, events=options.events, seed=options.seed
    )
    try:
        await connection.execute("VACUUM (ANALYZE)")
        postmaster = await connection.fetchval(
            "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::integer"
        )
        say(f"rescoring {options.students:,} students with {options.jobs} connections")
        memory = Memory()
        started = time.perf_counter()
        await _run_command(url, options.jobs, postmaster, memory)
        seconds = time.perf_counter() - started
        row = await connection.fetchrow(LISTS)
        assert row is not None
        lists, rows = row
        say("writing the floor")
        started = time.perf_counter()
        await write_floor(connection)
        floor = time.perf_counter() - started
        facts = await machine_facts(connection)
    finally:
        connection.terminate()
    bounds = [
        Bound("lists written / students", lists / options.students, required=1.0),
        Bound(
            "Python's largest memory, MB", max(memory.python), required=MOST_PYTHON_MB,
            is_upper=True,
        ),
        Bound(
            "the server's memory, last third / second third", memory.growth,
            required=MOST_GROWTH, is_upper=True,
        ),
    ]  # fmt: skip
    return {
        "students": options.students,
        "events": options.events,
        "jobs": options.jobs,
        "seconds": round(seconds, 1),
        "floor_seconds": round(floor, 1),
        "rows": rows,
        "python_mb": round(max(memory.python), 1),
        "server_mb": {
            "median": round(statistics.median(memory.server), 1),
            "largest": round(max(memory.server), 1),
        },
        "bounds": [bound.facts() | {"text": str(bound)} for bound in bounds],
        "machine": facts,
    }


async def _run_command(url: str, jobs: int, postmaster: int, memory: Memory) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(COMMAND), "--skip-training", "--top-n", str(TOP_N),
        "--as-of", AS_OF.isoformat(), "--jobs", str(jobs),
        env=os.environ | {"DATABASE_URL": url},
    )  # fmt: skip
    end = asyncio.create_task(process.wait())
    try:
        while not end.done():
            memory.python.append(_megabytes(process.pid))
            memory.server.append(sum(map(_megabytes, [postmaster, *_children(postmaster)])))
            await asyncio.wait([end], timeout=SECONDS_BETWEEN_READINGS)
    finally:
        if process.returncode is None:
            process.terminate()
            await end
    if process.returncode:
        raise UserError(f"the command ended with exit code {process.returncode}")


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(child) for child in text.split()]


def _megabytes(pid: int) -> float:
    """Give the proportional memory of a process: a page that ten share counts a tenth each."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:  # it has ended, or is not ours to look at
        return 0.0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024


def _print_report(report: dict[str, Any]) -> None:
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    minutes, floor = report["seconds"] / 60, report["floor_seconds"] / 60
    memory = report["server_mb"]
    lines = [
        (
            f"{report['students']:,} students, {report['events']:,} events, {report['rows']:,} rows"
            f" by {report['jobs']} connections: {minutes:.1f} minutes, features refreshed included"
            f" ({1000 * report['seconds'] / report['students']:.2f} ms a student);"
            f" the floor {floor:.1f} minutes"
        ),
        (
            f"memory: Python at most {report['python_mb']:,} MB, the server"
            f" {memory['median']:,} MB, at most {memory['largest']:,} MB"
        ),
    ]
    for line in (*lines, *machine_lines(report["machine"])):
        out.print(line, soft_wrap=True, markup=False)
    print_bounds(out, report["bounds"])


def _parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--students",
        type=whole_number(10, 10_000_000),
        default=1_000_000,
        metavar="N",
        help="students to generate (default: %(default)s)",
    )
    add(
        "--events",
        type=whole_number(1, 1_000_000),
        default=10_000,
        metavar="N",
        help="eligible events to generate (default: %(default)s)",
    )
    add(
        "--jobs",
        type=whole_number(1, 64),
        default=os.cpu_count() or 1,
        metavar="N",
        help="connections (default: cores, %(default)s here)",
    )
    add_common_arguments(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main())
