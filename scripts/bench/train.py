#!/usr/bin/env python3
"""Measure the fit of a model against numpy that reads the same arrays.

Everything happens in a database made for this run and removed after it, on the server that
--database-url names or on one of its own in a temporary directory. The examples are built once by
recommender.build_training_matrix, with the plans of its statements; then the fits take turns. All
must come to the same optimum. Exits 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import re
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from rich.console import Console
from rich.table import Table

from app.arguments import whole_number
from app.console import UserError, run
from app.copy_rows import HEADER_BYTES
from app.database import connect
from app.population import Plan, generate_population, settle
from app.schema import migrate
from app.training.examples import FEATURE_NAMES, example_row, examples_query, read_examples
from app.training.model import Recipe, fit_examples
from scripts.bench.bounds import Bound, print_bounds
from scripts.bench.measure import (
    Contender,
    add_common_arguments,
    clean_up_on_termination,
    machine_facts,
    machine_lines,
    say,
    take_turns,
    throw_away_database,
)

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    from app.training.solver import Array

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
EXAMPLES_A_STUDENT = 15.1
"""Of the lively population below, as counted."""
MOST_FIT = 2.0
MOST_MEBIBYTES = 300.0
SAME_LOSS = 1e-9
NEAR_LOSS = 0.01
"""What SGD may be off, as its own tests have it."""
BOOK = Recipe(penalty="plain")
"""The objective that the book minimises as well: the features as they are."""
L2 = BOOK.l2
TOLERANCE = 1e-13

BUILD = "SELECT b.kind, b.example_count FROM recommender.build_training_matrix($1) AS b"
ACTIVATE_PLANS = """
    LOAD 'auto_explain';
    SET auto_explain.log_min_duration = '{ms}ms';
    SET auto_explain.log_analyze = on;
    SET auto_explain.log_timing = {timing};
    SET auto_explain.log_nested_statements = on;
    SET auto_explain.log_level = warning;
    SET auto_explain.log_format = json
"""
STAND_IN = """
    CREATE TEMPORARY TABLE training_matrix AS
    SELECT
        g.n AS example_no,
        CASE WHEN g.n % 4 = 0 THEN 'positive' ELSE 'negative' END AS kind,
        (g.n % 4 = 0)::integer AS label,
        1.0::double precision AS weight,
        1.0::double precision AS bias,
        random() AS overlap_interest_ratio,
        random() AS overlap_history_ratio,
        round(random()) AS same_city,
        round(random()) AS category_match,
        round(random()) AS organizer_match,
        random() AS popularity,
        random() AS days_until
    FROM generate_series(1, $1::bigint) AS g (n)
"""
"""As many examples of any kind: the real ones belong to the session that built them."""
FORGET_PLANS = "SET auto_explain.log_min_duration = -1"
SHOWN_STATEMENTS = 8
SHOWN_NODES = 10
DURATION = re.compile(r"duration: ([\d.]+) ms")


@dataclass
class Bench:
    """A session whose temporary tables hold the examples, and files that hold the same."""

    connection: Connection[Record]
    directory: Path
    losses: dict[str, float] = field(default_factory=dict)
    reading: list[float] = field(default_factory=list)
    """Seconds of ours until the arrays were there."""
    fitting: list[float] = field(default_factory=list)
    """Seconds of ours, newton, from there to weights and standard errors."""

    async def fit(self, solver: str) -> None:
        """Do what the command does once the examples are built: read, fit, standard errors."""
        started = time.perf_counter()
        examples = await read_examples(self.connection)
        self.reading.append(time.perf_counter() - started)
        recipe = replace(BOOK, solver="newton" if solver == "newton" else "sgd")
        read = time.perf_counter()
        fit, _ = fit_examples(examples, recipe)
        if solver == "newton":
            self.fitting.append(time.perf_counter() - read)
        self.losses[solver] = fit.loss

    async def fit_files(self) -> None:
        """Read three .npy files, and go Newton's steps as a textbook has them."""
        x, y, w = (np.load(self.directory / f"{name}.npy") for name in "xyw")
        self.losses["files"] = fit_by_the_book(x, y, w)

    async def fit_copy(self) -> None:
        """Let COPY write the matrix to a file, read that whole, go the same steps."""
        path = self.directory / "matrix.copy"
        with path.open("wb") as file:
            await self.connection.copy_from_query(
                examples_query(FEATURE_NAMES), output=file, format="binary"
            )
        row = example_row(FEATURE_NAMES)
        rows = np.frombuffer(path.read_bytes()[HEADER_BYTES:-2], dtype=row)
        columns = [
            rows[f"value_{column}"].astype(float) for column in range(1 + len(FEATURE_NAMES))
        ]
        features = np.column_stack([np.ones(len(rows)), *columns[2:]])
        self.losses["copy"] = fit_by_the_book(features, columns[0], columns[1])

    async def write_files(self) -> int:
        """Write the arrays as files, which the clock does not see; count the examples."""
        examples = await read_examples(self.connection)
        for name, array in zip(
            "xyw", (examples.features, examples.labels, examples.weights), strict=True
        ):
            np.save(self.directory / f"{name}.npy", array)
        return len(examples)


def fit_by_the_book(x: Array, y: Array, w: Array) -> float:
    """Give the loss at the optimum, by whole Newton steps over whole arrays; nothing is checked."""
    w = w / w.sum()
    penalty = np.full(x.shape[1], L2)
    penalty[0] = 0.0
    beta = np.zeros(x.shape[1])
    for _ in range(100):
        z = x @ beta
        p = 1.0 / (1.0 + np.exp(-z))
        gradient = x.T @ (w * (p - y)) + penalty * beta
        hessian = x.T @ (x * (w * p * (1.0 - p))[:, None]) + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        loss = w @ (np.logaddexp(0.0, z) - y * z) + penalty @ beta**2 / 2
        beta = beta - step
        if gradient @ step / 2 <= TOLERANCE * loss:
            return float(loss)
    raise UserError("Newton's whole steps do not come to an end on these examples")


async def main() -> int:
    """Run the command."""
    options = _parse_arguments()
    clean_up_on_termination()
    async with throw_away_database(options.database_url) as url:
        report = await _measure(url, options)
    _print_report(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if all(bound["is_met"] for bound in report["bounds"]) else 1


async def _measure(url: str, options: argparse.Namespace) -> dict[str, Any]:
    connection = await connect(url, **{"recommender.as_of": AS_OF.isoformat()})
    try:
        await _populate(connection, options)
        say("building the examples")
        started = time.perf_counter()
        counts = {
            row["kind"]: row["example_count"] for row in await connection.fetch(BUILD, options.seed)
        }
        seconds = time.perf_counter() - started
        say(f"built in {seconds:.1f} s; building them once more, with plans")
        plans = await _explain(connection, options.seed)
        with tempfile.TemporaryDirectory(prefix="eventrank-train-") as directory:
            bench = Bench(connection, Path(directory))
            count = await bench.write_files()
            contenders = _contenders(bench, options.rounds)
            await take_turns(list(contenders.values()))
        mebibytes = await asyncio.to_thread(_peak_memory, url, count)
        facts = await machine_facts(connection)
    finally:
        connection.terminate()
    _check_losses(bench.losses)
    build = {"seconds": round(seconds, 2), "examples_by_kind": counts, "plans": plans}
    return _report(options, bench, contenders, facts, count=count, build=build, mebibytes=mebibytes)


async def _populate(connection: Connection[Record], options: argparse.Namespace) -> None:
    say("migrating")
    await migrate(connection)
    students = max(100, round(options.examples / EXAMPLES_A_STUDENT))
    say(f"generating {students:,} students")
    plan = Plan(
        as_of=AS_OF,
        shape="lively",
        students=students,
        upcoming_events=2000,
        past_events=2000,
        organizers=200,
        tags=500,
        categories=20,
        cities=24,
        days=90,
        interactions_per_student=60.0,
        experiment_percent=50,
        zipf=1.0,
        seed=options.seed,
    )
    await generate_population(connection, plan)
    await settle(connection)


async def _explain(connection: Connection[Record], seed: int) -> dict[str, Any] | None:
    """Build them twice more: for the time of each statement, then for that of each node."""
    if not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        return None
    statements = await _logged(connection, seed, timing="off")
    nodes = await _logged(connection, seed, timing="on")
    return {
        "statements": _add_up((text, seconds) for text, seconds, _ in statements),
        "nodes": _add_up(own for _, _, plan in nodes for own in _own_seconds(plan)),
    }


async def _logged(
    connection: Connection[Record], seed: int, *, timing: str
) -> list[tuple[str, float, dict[str, Any]]]:
    """Build the examples; give text, seconds and plan of each statement in it."""
    messages: list[str] = []

    def keep(_: object, message: Any) -> None:
        messages.append(message.message)

    await connection.execute(ACTIVATE_PLANS.format(ms=5, timing=timing))
    connection.add_log_listener(keep)
    try:
        await connection.fetch(BUILD, seed)
    finally:
        await connection.execute(FORGET_PLANS)
        # Listeners are called one turn of the loop later.
        await connection.fetchval("SELECT 1")
        connection.remove_log_listener(keep)
    found = []
    for message in messages:
        head, brace, rest = message.partition("{")
        duration = DURATION.search(head)
        if brace and duration:
            entry = json.loads(brace + rest)
            text = " ".join(entry["Query Text"].split())
            # What calls another function is counted where its statements are.
            if not text.startswith(("SELECT recommender.", "SELECT b.kind")):
                found.append((text[:90], float(duration[1]) / 1000, entry["Plan"]))
    return found


def _own_seconds(plan: dict[str, Any]) -> list[tuple[str, float]]:
    """Give the nodes of a plan, with what each took without those below it."""

    def whole(node: dict[str, Any]) -> float:
        return float(node["Actual Total Time"] * node["Actual Loops"]) / 1000

    below = plan.get("Plans", ())
    name = " ".join(
        plan[key]
        for key in ("Node Type", "Join Type", "Relation Name", "CTE Name", "Function Name")
        if key in plan
    )
    own = max(0.0, whole(plan) - sum(whole(node) for node in below))
    return [(name, own), *(found for node in below for found in _own_seconds(node))]


def _add_up(seconds: Any) -> list[dict[str, Any]]:
    totals: dict[str, float] = {}
    for name, some in seconds:
        totals[name] = totals.get(name, 0.0) + some
    ordered = sorted(totals.items(), key=lambda total: -total[1])
    return [{"what": name, "seconds": round(total, 3)} for name, total in ordered]


def _contenders(bench: Bench, rounds: int) -> dict[str, Contender]:
    return {
        "newton": Contender("ours, newton", lambda: bench.fit("newton"), rounds),
        "sgd": Contender("ours, sgd", lambda: bench.fit("sgd"), rounds),
        "files": Contender("numpy, arrays from .npy files", bench.fit_files, rounds),
        "copy": Contender("numpy, a COPY to a file", bench.fit_copy, rounds),
    }


def _check_losses(losses: dict[str, float]) -> None:
    """Refuse to compare times of different results."""
    best = losses["newton"]
    for name, limit in (("files", SAME_LOSS), ("copy", SAME_LOSS), ("sgd", NEAR_LOSS)):
        if abs(losses[name] / best - 1) > limit:
            raise UserError(f"the losses differ: {losses}")


def _peak_memory(url: str, count: int) -> float | None:
    """Fit once more in a process of its own, which did nothing else; give its peak in MiB.

    None where there is no /proc.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_fit_alone, url, count).result()


def _fit_alone(url: str, count: int) -> float | None:
    async def fit() -> None:
        connection = await connect(url)
        try:
            await connection.execute(STAND_IN, count)
            await connection.execute("ANALYZE pg_temp.training_matrix")
            fit_examples(await read_examples(connection), replace(BOOK, solver="newton"))
        finally:
            connection.terminate()

    asyncio.run(fit())
    # Not ru_maxrss: that of a new process begins with what its parent had.
    path = Path("/proc/self/status")
    status = path.read_text(encoding="utf-8") if path.exists() else ""
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(peak[1]) / 1024 if peak else None


def _report(
    options: argparse.Namespace,
    bench: Bench,
    contenders: dict[str, Contender],
    facts: dict[str, Any],
    *,
    count: int,
    build: dict[str, Any],
    mebibytes: float | None,
) -> dict[str, Any]:
    ours, files, copy = (contenders[name].seconds for name in ("newton", "files", "copy"))

    def bound(what: str, above: list[float], below: list[float], **wanted: float) -> Bound:
        rounds = tuple(a / b for a, b in zip(above, below, strict=True))
        return Bound(what, statistics.median(rounds), is_upper=True, rounds=rounds, **wanted)

    bounds = [
        bound("ours, newton / numpy, arrays from .npy files", ours, files, required=MOST_FIT),
        bound("ours, newton / numpy, a COPY to a file", ours, copy, required=MOST_FIT),
        # Like with like: neither reads from the database.
        bound("ours, newton, arrays there / numpy, arrays from .npy files", bench.fitting, files,
              required=MOST_FIT),
    ]  # fmt: skip
    bounds.append(
        Bound("peak memory of a process that fits, MiB", mebibytes, aim=MOST_MEBIBYTES,
              is_upper=True)
    )  # fmt: skip
    return {
        "examples": count,
        "seed": options.seed,
        "rounds": options.rounds,
        "build": build,
        "reading_median_seconds": round(statistics.median(bench.reading), 3),
        "fitting_median_seconds": round(statistics.median(bench.fitting), 3),
        "losses": bench.losses,
        "contenders": {key: contender.facts() for key, contender in contenders.items()},
        "bounds": [bound.facts() | {"text": str(bound)} for bound in bounds],
        "machine": facts,
    }


def _print_report(report: dict[str, Any]) -> None:
    # A file or a pipe has no width of its own, and 80 columns break every name.
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(title=f"fit of {report['examples']:,} examples")
    table.add_column("contender")
    for column in ("median s", "min - max s", "loss"):
        table.add_column(column, justify="right")
    for key, contender in report["contenders"].items():
        seconds = contender["seconds"]
        table.add_row(
            contender["name"],
            f"{contender['median_seconds']:.2f}",
            f"{min(seconds):.2f} - {max(seconds):.2f}",
            f"{report['losses'][key]:.8f}",
        )
    out.print(table)
    build = report["build"]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in build["examples_by_kind"].items())
    lines = [
        f"reading is {report['reading_median_seconds']:.2f} s of ours; files were written before",
        f"building the examples: {build['seconds']:.1f} s ({kinds})",
    ]
    if build["plans"]:
        lines.append("  statements, seconds:")
        lines += _top(build["plans"]["statements"], SHOWN_STATEMENTS)
        lines.append("  nodes of their plans, own seconds, timed:")
        lines += _top(build["plans"]["nodes"], SHOWN_NODES)
    for line in (*lines, *machine_lines(report["machine"])):
        out.print(line, soft_wrap=True, markup=False)
    print_bounds(out, report["bounds"])


def _top(totals: list[dict[str, Any]], count: int) -> list[str]:
    return [f"  {total['seconds']:8.2f}  {total['what']}" for total in totals[:count]]


def _parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="The bounds are meant for a million examples on an otherwise quiet machine.",
    )
    parser.add_argument(
        "--examples",
        type=whole_number(2000, 20_000_000),
        default=100_000,
        metavar="N",
        help="about how many examples to train on: the population is made as large as that needs"
        " (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds",
        type=whole_number(1, 100),
        default=5,
        metavar="N",
        help="turns of each contender (default: %(default)s)",
    )
    add_common_arguments(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main())
