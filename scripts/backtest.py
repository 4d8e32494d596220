#!/usr/bin/env python3
"""Judge models on the past: train at cutoffs, rank what was to come, compare with what came.

At each cutoff a model is trained on what was known, and ranks every event that could have been
recommended; the truth are the registrations that came after. Plain rules are judged beside it, and
every figure has a 95 % interval. Nothing is stored: neither models nor lists nor tables change.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.arguments import file_to_write, moment, number, whole_number
from app.backtest.picture import draw, find_matplotlib
from app.backtest.protocol import Protocol, last_cutoff, regular_cutoffs
from app.backtest.report import as_json, as_lines, result_line, summarize
from app.backtest.window import Contender, judge_window, open_window, standing_at
from app.console import UsageError, UserError, console, print_result, run
from app.database import connect
from app.training.flags import add_recipe_flags
from app.training.model import Recipe, train_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg import Connection, Record

    from app.backtest.window import CutoffResult, Window

INSTALLED = "SELECT to_regclass('recommender.installed_objects') IS NOT NULL"
STAND = "SELECT set_config('recommender.as_of', $1, false)"
NOW = "SELECT recommender.as_of()"
MODEL = """
SELECT m.feature_names, m.weights, m.meta::text AS meta
FROM public.recommender_models AS m
WHERE m.model_version = $1
"""

OURS = "ours"
DEFAULTS = Protocol()
DEFAULT_CUTOFFS = 6
DEFAULT_DAYS = 14.0


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="DATABASE_URL names the database (unset: the embedded one).",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_protocol_flags(parser.add_argument_group("what is judged"))
    training = parser.add_argument_group("training at each cutoff")
    add_recipe_flags(training, without=["seed", "negatives_per_positive"])
    parser.add_argument(
        "--json", type=file_to_write, metavar="FILE", help="also write all figures as JSON"
    )
    parser.add_argument(
        "--picture",
        type=file_to_write,
        metavar="FILE.svg",
        help="also draw NDCG@10 and calibration (needs matplotlib: make bench has it)",
    )
    options = parser.parse_args(arguments)
    if options.cutoff and (options.cutoffs or options.every or options.until):
        parser.error("--cutoff names each moment: leave out --cutoffs, --every and --until")
    if options.lead_hours >= 24 * options.horizon:
        parser.error(
            f"--lead-hours {options.lead_hours:g} is not less than --horizon "
            f"{options.horizon:g} days: no event is between them"
        )
    if options.picture:
        find_matplotlib()
    return options


def _add_protocol_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--cutoff",
        type=moment,
        action="append",
        default=[],
        metavar="TIMESTAMP",
        help="a moment to stand at, e.g. 2017-05-08 (no zone: UTC); may be repeated",
    )
    group.add_argument(
        "--cutoffs",
        type=whole_number(1, 1_000),
        metavar="N",
        help=f"so many cutoffs up to --until (default: {DEFAULT_CUTOFFS})",
    )
    group.add_argument(
        "--every",
        type=number(0, 36_500, above=True),
        metavar="DAYS",
        help=f"days from one to the next (default: {DEFAULT_DAYS:g})",
    )
    group.add_argument(
        "--until",
        type=moment,
        metavar="TIMESTAMP",
        help="the last cutoff (default: the last midnight whose --horizon is over)",
    )
    group.add_argument(
        "--as-of",
        type=moment,
        metavar="TIMESTAMP",
        help="what came is what is known at this moment (default: now)",
    )
    group.add_argument(
        "--horizon",
        type=number(0, 3_650, above=True),
        default=DEFAULTS.horizon.total_seconds() / 86_400,
        metavar="DAYS",
        help="candidates start within so many days (default: %(default)g)",
    )
    group.add_argument(
        "--lead-hours",
        type=number(0, 87_600),
        default=DEFAULTS.lead.total_seconds() / 3_600,
        metavar="HOURS",
        help="but not sooner than in so many hours (default: %(default)g)",
    )
    group.add_argument(
        "--students",
        type=whole_number(1, 2**31 - 1),
        default=DEFAULTS.students,
        metavar="N",
        help="judge at most so many a cutoff, drawn by a hash (default: %(default)s)",
    )
    group.add_argument(
        "--only-students",
        action="store_true",
        help="leave out the registrations of accounts that are no students (organizers go to "
        "events as well, but get no lists)",
    )
    group.add_argument(
        "--seed",
        type=whole_number(0, 2**62),
        default=Recipe.seed,
        help="seed of all sampling, of training too (default: %(default)s)",
    )
    group.add_argument(
        "--negatives-per-positive",
        type=whole_number(0, 100),
        default=Recipe.negatives_per_positive,
        metavar="N",
        help="sampled negatives for each positive, in training and where calibration is measured "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="VERSION",
        help="judge this stored model as it is, instead of training; may be repeated",
    )


async def main() -> int:
    """Run the command."""
    options = parse_arguments()
    started = perf_counter()
    connection = await connect()
    try:
        if not await connection.fetchval(INSTALLED):
            raise UserError(
                "the recommender is not installed here: run .venv/bin/python scripts/migrate.py "
                "first"
            )
        await connection.fetchval(STAND, options.as_of.isoformat() if options.as_of else "")
        protocol = _protocol(options)
        cutoffs = _cutoffs(options, await connection.fetchval(NOW))
        stored = [await _stored_model(connection, version) for version in options.model]
        results = await _judge_all(connection, options, protocol, cutoffs, stored)
    finally:
        await connection.close()
    names = [contender.name for contender, _ in stored] or [OURS]
    with console.status("drawing students again, 1,000 times …"):
        report = summarize(results, names, protocol)
    for line in as_lines(report):
        print_result(line)
    seconds = perf_counter() - started
    if options.json:
        document = as_json(report, _about(options, stored)) | {"seconds": round(seconds, 1)}
        options.json.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
    if options.picture:
        draw(report, options.picture)
    print_result("")
    print_result(result_line(report, seconds))
    return 0


def _protocol(options: argparse.Namespace) -> Protocol:
    return Protocol(
        horizon=timedelta(days=options.horizon),
        lead=timedelta(hours=options.lead_hours),
        students=options.students,
        seed=options.seed,
        negatives_per_positive=options.negatives_per_positive,
        only_students=options.only_students,
    )


def _cutoffs(options: argparse.Namespace, known_at: datetime) -> list[datetime]:
    horizon = timedelta(days=options.horizon)
    cutoffs = sorted(set(options.cutoff))
    try:
        if not cutoffs:
            cutoffs = regular_cutoffs(
                options.until or last_cutoff(known_at, horizon),
                options.cutoffs or DEFAULT_CUTOFFS,
                timedelta(days=options.every or DEFAULT_DAYS),
            )
        end = cutoffs[-1] + horizon
    except OverflowError:
        raise UsageError(
            "the calendar does not reach to these cutoffs: give fewer, or nearer ones"
        ) from None
    if end > known_at:
        raise UsageError(
            f"the {options.horizon:g} days of the cutoff {_say(cutoffs[-1])} end at {_say(end)}, "
            f"and what comes after {_say(known_at)} is not known: give an earlier one"
        )
    return cutoffs


async def _stored_model(
    connection: Connection[Record], version: str
) -> tuple[Contender, dict[str, Any]]:
    row = await connection.fetchrow(MODEL, version)
    if row is None:
        raise UserError(f"there is no model {version!r}; recommender.models shows those there are")
    names, weights = tuple(row["feature_names"]), np.array(row["weights"], dtype=np.float64)
    if len(names) != len(weights) or not np.isfinite(weights).all():
        raise UserError(f"the weights of model {version!r} are not a finite number for each name")
    return Contender(version, names, weights), json.loads(row["meta"] or "{}")


def _about(
    options: argparse.Namespace, stored: Sequence[tuple[Contender, dict[str, Any]]]
) -> dict[str, Any]:
    """Say in the JSON what each model is."""
    if not stored:
        return {OURS: {"trained": "at each cutoff", **asdict(Recipe.of(vars(options)))}}
    return {
        contender.name: {
            "trained": "before, with these weights",
            "as_of": meta.get("as_of"),
            "feature_names": list(contender.feature_names),
        }
        for contender, meta in stored
    }


async def _judge_all(
    connection: Connection[Record],
    options: argparse.Namespace,
    protocol: Protocol,
    cutoffs: Sequence[datetime],
    stored: Sequence[tuple[Contender, dict[str, Any]]],
) -> list[CutoffResult]:
    for contender, meta in stored:
        _warn_of_seen_truth(contender.name, meta, cutoffs[0])
    results, empty = [], []
    recipe = Recipe.of(vars(options))
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    with progress:
        task = progress.add_task("", total=len(cutoffs))
        for number, cutoff in enumerate(cutoffs):
            progress.update(task, description=f"{_say(cutoff)}: finding out who came")
            window = await open_window(connection, cutoff, protocol)
            if window.emptiness:
                empty.append(window.emptiness)
                console.print(f"warning: {window.emptiness}", style="yellow", soft_wrap=True)
                continue
            started = perf_counter()
            contenders = [contender for contender, _ in stored]
            if not stored:
                progress.update(task, description=f"{_say(cutoff)}: training")
                contenders = [await _train(connection, window, recipe)]
            trained = perf_counter()
            progress.update(task, description=f"{_say(cutoff)}: ranking")

            def show(done: int, total: int, number: int = number) -> None:
                progress.update(task, completed=number + done / total)

            results.append(await judge_window(connection, window, contenders, show))
            console.print(
                f"{_say(cutoff)}: {len(window.candidates):,} candidates, {len(window.users):,} "
                f"lists; trained in {trained - started:.1f} s, ranked in "
                f"{perf_counter() - trained:.1f} s",
                soft_wrap=True,
            )
    if not results:
        several = f"none of the {len(cutoffs)} cutoffs can be judged: " if len(empty) > 1 else ""
        raise UserError(f"{several}{empty[-1]}")
    return results


async def _train(connection: Connection[Record], window: Window, recipe: Recipe) -> Contender:
    try:
        async with standing_at(connection, window.cutoff):
            model = await train_model(connection, recipe)
    except UserError as error:
        raise UserError(f"at the cutoff {_say(window.cutoff)} {error}") from None
    return Contender(OURS, model.feature_names, model.fit.weights)


def _warn_of_seen_truth(version: str, meta: dict[str, Any], first: datetime) -> None:
    trained_at = meta.get("as_of")
    if trained_at and datetime.fromisoformat(trained_at) <= first:
        return
    said = f"was trained at {trained_at}" if trained_at else "does not say when it was trained"
    console.print(
        f"warning: model {version} {said}: it may have learned from what it is judged on, which "
        f"begins at {_say(first)}",
        style="yellow",
        markup=False,
        soft_wrap=True,
    )


def _say(when: datetime) -> str:
    when = when.astimezone(UTC)
    is_midnight = (when.hour, when.minute, when.second, when.microsecond) == (0, 0, 0, 0)
    return f"{when:%Y-%m-%d}" if is_midnight else f"{when:%Y-%m-%d %H:%M:%S}"


if __name__ == "__main__":
    run(main())
