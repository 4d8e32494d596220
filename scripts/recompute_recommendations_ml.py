#!/usr/bin/env python3
"""Train a model on what the database knows, and write every student's list with it."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.arguments import moment, whole_number
from app.console import UserError, console, print_result, run
from app.database import connect, database_url
from app.lists import ListsWritten, write_lists
from app.training.flags import add_recipe_flags
from app.training.gate import Verdict, judge
from app.training.model import Recipe, TrainedModel, store_model, train_for_activation
from app.training.turn import take_turn
from app.training.versions import model_exists, pinned_version, store_under

if TYPE_CHECKING:
    from asyncpg import Connection, Record

INSTALLED = "SELECT to_regclass('recommender.installed_objects') IS NOT NULL"
RANK = "SELECT k.rank, k.event_id, k.score, k.reason FROM recommender.rank_events($1, $2) AS k"

REFUSE_NEWER = "SELECT recommender.refuse_newer_lists(recommender.as_of(), $1)"

IS_STUDENT = "SELECT EXISTS (SELECT FROM recommender.source_students AS s WHERE s.user_id = $1)"

VERSION_VARIABLE = "RECOMMENDER_MODEL_VERSION"
PIN = "SELECT set_config('recommender.recommender_model_version', $1, $2)"
SECONDS_BETWEEN_LINES = 10
"""Of progress, where there is no terminal to draw a bar on."""
DEFAULT_TOP_N = 50


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"DATABASE_URL names the database (unset: the embedded one). {VERSION_VARIABLE} "
        "names the model: the new one's version when training, the one to use with "
        "--skip-training.",
    )
    _add_training_flags(parser.add_argument_group("training"))
    _add_list_flags(parser.add_argument_group("lists"))
    parser.add_argument(
        "--as-of",
        type=moment,
        metavar="TIMESTAMP",
        help="stand at this moment, e.g. 2017-05-08T00:00:00+00:00 (no zone: UTC; default: now)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="train and evaluate (or rank for --user-id) and print; write nothing",
    )
    options = parser.parse_args(arguments)
    options.skip_training |= options.resume or options.changed
    if options.resume and (
        options.user_id or options.as_of or options.top_n or options.dry_run or options.overwrite
    ):
        parser.error(
            "--resume takes moment, students and length of the interrupted run: "
            "leave out --user-id, --as-of, --top-n, --overwrite and --dry-run"
        )
    if options.changed and (options.user_id or options.resume or options.dry_run):
        parser.error(
            "--changed finds the students itself: leave out --user-id, --resume, --dry-run"
        )
    if options.force and options.skip_training:
        parser.error("--force is about the model that is trained, and nothing is: leave it out")
    if not options.changed:
        options.top_n = options.top_n or DEFAULT_TOP_N
    if options.dry_run and options.skip_training and not options.user_id:
        parser.error("--dry-run with --skip-training has nothing to do without --user-id")
    return options


def _add_training_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--skip-training",
        action="store_true",
        help=f"use the model {VERSION_VARIABLE} names, else the active, else the newest one",
    )
    add_recipe_flags(group)
    group.add_argument(
        "--force",
        action="store_true",
        help="activate the model even where its held-out loss is worse than the active one's by "
        "more than RECOMMENDER_MAX_LOSS_INCREASE",
    )


def _add_list_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--top-n",
        type=whole_number(1, 10_000),
        metavar="N",
        help=f"events in a list (default: {DEFAULT_TOP_N})",
    )
    group.add_argument(
        "--user-id",
        type=whole_number(1, 2**31 - 1),
        metavar="ID",
        help="write only this student's list",
    )
    group.add_argument(
        "--changed",
        action="store_true",
        help="write only the lists of students who changed, or whom changed events concern, since "
        "the last run of all, as long as they were (implies --skip-training)",
    )
    group.add_argument(
        "--jobs",
        type=whole_number(1, 64),
        default=os.cpu_count() or 1,
        metavar="N",
        help="connections that write lists at once (default: cores, %(default)s here)",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run that was interrupted (implies --skip-training)",
    )
    group.add_argument(
        "--overwrite",
        action="store_true",
        help="let a past moment replace lists that speak for a later one",
    )


async def main() -> int:
    """Run the command."""
    options = parse_arguments()
    options.pinned = os.environ.get(VERSION_VARIABLE, "").strip()
    url = database_url()
    connection = await _open(url, options)
    try:
        await _check_schema(connection)
        if not (options.user_id or options.dry_run):
            await take_turn(connection, _say_waiting)
        if not (options.overwrite or options.dry_run or options.resume):
            # A model trained at an earlier moment would take the place of everybody's.
            await connection.execute(
                REFUSE_NEWER, options.user_id if options.skip_training else None
            )
        if options.user_id and not await connection.fetchval(IS_STUDENT, options.user_id):
            raise UserError(
                f"there is no student {options.user_id}. lists are for users whose role is student"
            )
        model = None if options.skip_training else await _train(connection, options)
        if options.user_id and options.dry_run:
            await _print_list(connection, options, model)
        elif options.user_id:
            await _write_list(connection, options)
        elif not options.dry_run:
            await _write_lists(url, options)
    finally:
        await connection.close()
    return 0


async def _open(url: str, options: argparse.Namespace) -> Connection[Record]:
    connection = await connect(url)
    await connection.execute(
        "SELECT set_config('recommender.as_of', $1, false)",
        options.as_of.isoformat() if options.as_of else "",
    )
    await connection.execute(PIN, options.pinned, False)
    return connection


def _say_waiting() -> None:
    console.print("another recompute is running: waiting for it to end …")


async def _check_schema(connection: Connection[Record]) -> None:
    if not await connection.fetchval(INSTALLED):
        raise UserError(
            "the recommender is not installed here: run .venv/bin/python scripts/migrate.py first"
        )


async def _train(connection: Connection[Record], options: argparse.Namespace) -> TrainedModel:
    version = await pinned_version(connection)
    if version and await model_exists(connection, version):
        raise UserError(
            f"model {version!r} exists already: give {VERSION_VARIABLE} (environment or "
            "recommender_settings) a new name to train, or --skip-training to use it"
        )
    recipe = Recipe.of(vars(options))
    started = perf_counter()
    with console.status("building examples and fitting weights …"):
        model = await train_for_activation(connection, recipe)
    if options.dry_run:
        version = version or "(dry run: not stored)"
        verdict = await judge(
            connection, model.comparison, model.student_count, force=options.force
        )
    else:
        version, verdict = await store_under(connection, model, version, force=options.force)
    _print_model(model, version, perf_counter() - started)
    _print_verdict(verdict, version, is_dry_run=options.dry_run)
    if not (verdict.is_activated or options.dry_run):
        # The environment named the new model, but the lists are to be the active one's.
        options.pinned = ""
        await connection.execute(PIN, "", False)
    return model


def _print_verdict(verdict: Verdict, version: str, *, is_dry_run: bool) -> None:
    if not verdict.is_activated:
        fate = (
            "the model would not be activated"
            if is_dry_run
            else f"model {version} is stored but not activated"
        )
        line = f"warning: {fate}: {verdict.reason}; --force activates it all the same"
    else:
        fate = "would be activated" if is_dry_run else "activated"
        line = f"{'warning: ' if verdict.is_warning else '  '}{fate}: {verdict.reason}"
    console.print(
        line, style="yellow" if verdict.is_warning else None, markup=False, soft_wrap=True
    )


def _print_model(model: TrainedModel, version: str, seconds: float) -> None:
    counts = ", ".join(
        f"{count:,} {kind.replace('_', ' ')}"
        for kind, count in model.example_counts.items()
        if not kind.startswith("holdout")
    )
    console.print(f"model {version}", style="bold", markup=False)
    console.print(
        f"  {_say_recipe(model.recipe)}, {model.recipe.solver}, loss {model.fit.loss:.6f}, "
        f"{seconds:.1f} s"
    )
    console.print(f"  examples: {counts}")
    table = Table(box=None, padding=(0, 2))
    for title in ("feature", "weight", "± standard error"):
        table.add_column(title, justify="left" if title == "feature" else "right")
    for name, weight, error in zip(
        model.feature_names, model.fit.weights, model.errors, strict=True
    ):
        table.add_row(
            name, f"{weight:+.4f}", "no evidence" if math.isnan(error) else f"{error:.4f}"
        )
    console.print(table)
    if not model.fit.converged:
        console.print(
            "  warning: the solver stopped before the optimum; try --solver newton", style="yellow"
        )
    if model.hitrate is None:
        print_result(
            "hitrate@10 not measured: no student has two positives, or --eval-negatives is 0"
        )
    else:
        print_result(
            f"hitrate@10 {model.hitrate:.3f}, chance {model.chance:.3f} "
            f"({model.student_count:,} students with one positive held out)"
        )


def _say_recipe(recipe: Recipe) -> str:
    if recipe.recipe == "windows":
        return f"{recipe.windows} windows of {recipe.window_days} days"
    return f"the reference's examples, history {recipe.history}"


async def _print_list(
    connection: Connection[Record], options: argparse.Namespace, model: TrainedModel | None
) -> None:
    transaction = connection.transaction()
    await transaction.start()
    try:
        if model:
            version = f"dry run {os.getpid()}"
            await store_model(connection, model, version, activate=False)
            await connection.execute(PIN, version, True)
        rows = await connection.fetch(RANK, options.user_id, options.top_n)
    finally:
        await transaction.rollback()
    for row in rows:
        print_result(f"{row['rank']}\t{row['event_id']}\t{row['score']:.6f}\t{row['reason']}")


async def _write_list(connection: Connection[Record], options: argparse.Namespace) -> None:
    count = await connection.fetchval(
        "SELECT recommender.score_user($1, $2, $3)",
        options.user_id,
        options.top_n,
        options.overwrite,
    )
    print_result(f"wrote the list of student {options.user_id}: {count} events")


async def _write_lists(url: str, options: argparse.Namespace) -> None:
    started = perf_counter()
    progress = Progress(
        TextColumn("writing lists"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    said_at = started

    def show(done: int, total: int) -> None:
        nonlocal said_at
        progress.update(task, completed=done, total=total)
        if not console.is_terminal and perf_counter() - said_at > SECONDS_BETWEEN_LINES:
            said_at = perf_counter()
            console.print(f"{done:,} of {total:,} lists written")

    with progress:
        task = progress.add_task("", total=None)
        try:
            written = await write_lists(
                lambda: _open(url, options),
                top_n=options.top_n,
                as_of=options.as_of,
                jobs=options.jobs,
                resume=options.resume,
                overwrite=options.overwrite,
                only_changed=options.changed,
                on_progress=show,
            )
        except asyncio.CancelledError:
            done = progress.tasks[0].completed
            console.print(
                f"interrupted: {done:,.0f} lists are written and whole; --resume writes the rest",
                style="yellow",
            )
            raise
    _print_lists(written, perf_counter() - started)
    if written.lists and not written.rows:
        console.print(
            f"warning: no event is eligible at {written.as_of:%Y-%m-%dT%H:%M:%S%z}, so every "
            "list is empty now: is any event to come, published and not full?",
            style="yellow",
        )


def _print_lists(written: ListsWritten, seconds: float) -> None:
    due = "" if written.is_full else f"{written.scored:,} of {written.lists:,} were due, "
    print_result(
        f"lists: {due}{written.lists:,} students, {written.rows:,} rows, {written.scored:,} "
        f"written in {seconds:.1f} s by model {written.model_version} as of "
        f"{written.as_of:%Y-%m-%dT%H:%M:%S%z}"
    )


if __name__ == "__main__":
    run(main())
