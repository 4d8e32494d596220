#!/usr/bin/env python3
"""Measure how the full rescore grows with students and events, and what repeated profiles save.

Each size is a database of its own, made for this run and removed after it, all on one server: one
of its own in a temporary directory, or --database-url's. In each round every size is rescored by
ours, written by the one-process numpy pipeline, and written as finished rows (the floor); the
rounds take three models in turn. Exits 1 when a bound is missed or lists differ.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.table import Table

from app.arguments import number, whole_number
from app.console import UsageError, run
from scripts.bench.bounds import Bound, print_bounds
from scripts.bench.measure import (
    Contender,
    add_common_arguments,
    clean_up_on_termination,
    database_on,
    machine_facts,
    machine_lines,
    new_file,
    say,
    take_turns,
    throw_away_database,
)
from scripts.bench.rescore_world import CORES, TOP_N, World, generate_world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

STUDENTS = (5_000, 10_000, 20_000)
EVENTS = (1_000, 2_000, 5_000, 10_000)
STUDENTS_EVENTS = 2_000
EVENTS_STUDENTS = 5_000
REPEAT_SHARE = 0.6
KINDS = ("ours", "numpy", "floor")
SERVER_SETTINGS = {"shared_buffers": "4GB", "max_wal_size": "32GB"}
"""All sizes fit into memory together: growth is to be the work's, not that of the cache."""
SLACK = 1.1
"""Students times four may cost 4.4 times as much."""
EVENTS_GROWTH = {"required": 4.0, "aim": 2.0}
"""Events times ten."""
REPEATED = {"required": 0.5}
FEWEST = (5_000, 1_000)
"""From so many students and events on what each rescore costs once hides nothing."""
COLORS = {"ours": "#1b6ca8", "numpy": "#d9822b", "floor": "#7a7a7a"}
NAMES = {"ours": "ours", "numpy": "numpy, one process", "floor": "the floor"}


@dataclass(frozen=True)
class Size:
    """One population."""

    students: int
    events: int
    repeat_share: float = 0.0

    def __str__(self) -> str:
        repeated = f", {self.repeat_share:.0%} of 100 profiles" if self.repeat_share else ""
        return f"{self.students:,} x {self.events:,}{repeated}"


@dataclass
class Point:
    """A size, its world, and what writing its lists took."""

    size: Size
    world: World
    contenders: dict[str, Contender]

    @property
    def above_floor(self) -> list[float]:
        """What ours took beyond the floor, round by round."""
        ours, floor = self.contenders["ours"].seconds, self.contenders["floor"].seconds
        return [a - b for a, b in zip(ours, floor, strict=True)]

    def ratio(self, kind: str) -> float:
        """Give the median of ours / another, taken round by round."""
        ours, other = self.contenders["ours"].seconds, self.contenders[kind].seconds
        return statistics.median(a / b for a, b in zip(ours, other, strict=True))

    def facts(self) -> dict[str, Any]:
        """Give what a JSON report says of it."""
        return {
            "students": self.size.students,
            "events": self.size.events,
            "repeat_share": self.size.repeat_share,
            "distinct_profiles": self.world.figures.distinct_profiles,
            "mean_postings": round(self.world.figures.mean_postings),
            "refreshing_features_seconds": [round(s, 3) for s in self.world.refreshing],
            **{kind: contender.facts() for kind, contender in self.contenders.items()},
            "ours_ms_a_student": round(
                1000 * self.contenders["ours"].median / self.size.students, 4
            ),
            "ours_per_floor": round(self.ratio("floor"), 3),
            "ours_per_numpy": round(self.ratio("numpy"), 3),
        }


async def main() -> int:
    """Run the command."""
    options = _parse_arguments()
    clean_up_on_termination()
    async with AsyncExitStack() as stack:
        server_url = await stack.enter_async_context(
            throw_away_database(options.database_url, **SERVER_SETTINGS)
        )
        points = []
        for size in _sizes(options):
            url = await stack.enter_async_context(database_on(server_url))
            world = await generate_world(
                url,
                students=size.students,
                events=size.events,
                seed=options.seed,
                repeat_share=size.repeat_share,
            )
            stack.callback(world.connection.terminate)
            points.append(Point(size, world, _contenders(world, size, options)))
        await _measure(points)
        facts = await machine_facts(points[0].world.connection)
    report = _report(points, options, facts)
    _print_report(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.picture:
        _draw(points, options)
    return 0 if all(bound["is_met"] for bound in report["bounds"]) else 1


def _sizes(options: argparse.Namespace) -> list[Size]:
    sizes = [Size(students, options.students_events) for students in options.students]
    # Next to the size it is compared with: the nearer in time, the better they compare.
    sizes.append(Size(max(options.students), options.students_events, options.repeat_share))
    sizes += [Size(options.events_students, events) for events in options.events]
    return list(dict.fromkeys(sizes))


def _contenders(world: World, size: Size, options: argparse.Namespace) -> dict[str, Contender]:
    return {
        "ours": Contender(
            f"{size}: ours",
            lambda: world.write_ours(options.jobs),
            options.rounds,
            world.clean_lists,
        ),
        "numpy": Contender(
            f"{size}: numpy, one process",
            lambda: world.write_by_numpy("numpy", has_reasons=True),
            options.rounds,
            lambda: world.make_target("numpy"),
        ),
        "floor": Contender(
            f"{size}: the floor", world.write_floor, options.rounds, world.drop_floor
        ),
    }


async def _measure(points: list[Point]) -> None:
    async def activate(round_number: int) -> None:
        for point in points:
            await point.world.activate(round_number)
            await point.world.check_stale()

    async def check(round_number: int) -> None:
        say(f"checking that ours and numpy wrote the same lists in round {round_number + 1}")
        for point in points:
            await point.world.check_same("numpy", has_reasons=True)

    contenders = [point.contenders[kind] for point in points for kind in KINDS]
    await take_turns(contenders, before_round=activate, after_round=check)


def _bounds(points: list[Point], options: argparse.Namespace) -> list[Bound]:
    by_size = {point.size: point for point in points}

    def ratio(what: str, first: list[float], second: list[float], **wanted: Any) -> Bound:
        ratios = [a / b for a, b in zip(first, second, strict=True)]
        return Bound(what, statistics.median(ratios), is_upper=True, rounds=tuple(ratios), **wanted)

    def growth(what: str, small: Size, large: Size, **wanted: Any) -> Bound:
        first, second = (by_size[size].contenders["ours"].seconds for size in (large, small))
        return ratio(what, first, second, **wanted)

    fewest, most = min(options.students), max(options.students)
    few_events, many_events = min(options.events), max(options.events)
    is_tenfold = many_events == 10 * few_events and few_events >= FEWEST[1]
    whole = by_size[Size(most, options.students_events)]
    repeated = by_size[Size(most, options.students_events, options.repeat_share)]
    return [
        growth(
            f"students x {most / fewest:g} ({fewest:,} to {most:,}) at"
            f" {options.students_events:,} events, ours",
            Size(fewest, options.students_events),
            Size(most, options.students_events),
            required=SLACK * most / fewest if fewest >= FEWEST[0] else None,
        ),
        growth(
            f"events x {many_events / few_events:g} ({few_events:,} to {many_events:,}) at"
            f" {options.events_students:,} students, ours",
            Size(options.events_students, few_events),
            Size(options.events_students, many_events),
            **(EVENTS_GROWTH if is_tenfold else {}),
        ),
        ratio(
            f"(ours - floor) with {options.repeat_share:.0%} of the students drawn from 100"
            f" profiles / (ours - floor) with all distinct, {whole.size}",
            repeated.above_floor,
            whole.above_floor,
            **(REPEATED if options.repeat_share == REPEAT_SHARE and most >= FEWEST[0] else {}),
        ),
    ]


def _report(
    points: list[Point], options: argparse.Namespace, facts: dict[str, Any]
) -> dict[str, Any]:
    return {
        "top_n": TOP_N,
        "seed": options.seed,
        "jobs": options.jobs,
        "rounds": options.rounds,
        "points": [point.facts() for point in points],
        "bounds": [bound.facts() | {"text": str(bound)} for bound in _bounds(points, options)],
        "machine": facts,
    }


def _print_report(report: dict[str, Any]) -> None:
    # A file or a pipe has no width of its own, and 80 columns break every name.
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(
        title=f"growth of the full rescore: top {report['top_n']}, {report['jobs']} connections of"
        f" ours, medians of {report['rounds']} rounds"
    )
    for column in (
        "students", "events", "distinct profiles", "ours s", "min - max s", "ms a student",
        "floor s", "numpy s", "ours / floor", "ours / numpy",
    ):  # fmt: skip
        table.add_column(column, justify="right", no_wrap=column == "min - max s")
    for point in report["points"]:
        seconds = point["ours"]["seconds"]
        table.add_row(
            f"{point['students']:,}",
            f"{point['events']:,}",
            f"{point['distinct_profiles']:,}",
            f"{point['ours']['median_seconds']:.2f}",
            f"{min(seconds):.2f} - {max(seconds):.2f}",
            f"{point['ours_ms_a_student']:.3f}",
            f"{point['floor']['median_seconds']:.2f}",
            f"{point['numpy']['median_seconds']:.2f}",
            f"{point['ours_per_floor']:.2f}",
            f"{point['ours_per_numpy']:.2f}",
        )
    out.print(table)
    for line in (
        "all sizes take turns in each round; the features are known before the clock",
        "ours and numpy wrote the same lists and reasons in every round",
        *machine_lines(report["machine"]),
    ):
        out.print(line, soft_wrap=True, markup=False)
    print_bounds(out, report["bounds"])


def _draw(points: list[Point], options: argparse.Namespace) -> None:
    """Draw seconds over students and over events, both axes by powers, with medians as curves."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("svg")
    # Text stays text, and two runs of the same figures give the same file.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "eventrank"})
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    by_size = {point.size: point for point in points}
    by_students = [
        by_size[Size(count, options.students_events)] for count in sorted(set(options.students))
    ]
    by_events = [
        by_size[Size(options.events_students, count)] for count in sorted(set(options.events))
    ]
    _draw_curves(
        left, by_students, [point.size.students for point in by_students], "students",
        f"{options.students_events:,} events",
    )  # fmt: skip
    _draw_curves(
        right, by_events, [point.size.events for point in by_events], "eligible events",
        f"{options.events_students:,} students",
    )  # fmt: skip
    repeated = by_size[Size(max(options.students), options.students_events, options.repeat_share)]
    left.plot(
        [repeated.size.students],
        [repeated.contenders["ours"].median],
        marker="D",
        linestyle="none",
        color=COLORS["ours"],
        markerfacecolor="white",
        label=f"ours, {options.repeat_share:.0%} of 100 profiles",
    )
    figure.legend(
        *left.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=5,
        frameon=False,
        fontsize=8,
    )
    figure.savefig(options.picture, format="svg", metadata={"Date": None})


def _draw_curves(
    axes: Axes, points: Sequence[Point], counts: Sequence[int], what: str, title: str
) -> None:
    for kind in KINDS:
        contenders = [point.contenders[kind] for point in points]
        medians = [contender.median for contender in contenders]
        color = COLORS[kind]
        axes.plot(counts, medians, marker="o", markersize=4, color=color, label=NAMES[kind])
        axes.fill_between(
            counts,
            [min(contender.seconds) for contender in contenders],
            [max(contender.seconds) for contender in contenders],
            color=color,
            alpha=0.15,
            linewidth=0,
        )
    first = points[0].contenders["ours"].median
    axes.plot(
        counts,
        [first * count / counts[0] for count in counts],
        linestyle=":",
        linewidth=1,
        color="#b0b0b0",
        label="in proportion",
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.minorticks_off()
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200]
    least, most = axes.get_ylim()
    axes.set_yticks(
        [tick for tick in ticks if least <= tick <= most],
        [f"{tick:g}" for tick in ticks if least <= tick <= most],
    )
    axes.set_xlabel(what)
    axes.set_ylabel("seconds")
    axes.set_title(title, fontsize=10)
    axes.grid(visible=True, color="#e6e6e6", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--students",
        type=whole_number(10, 10_000_000),
        default=list(STUDENTS),
        help=f"numbers of students at --students-events events, two or more (default:"
        f" {' '.join(map(str, STUDENTS))})",
        nargs="+",
        metavar="N",
    )
    add(
        "--students-events",
        type=whole_number(10, 1_000_000),
        default=STUDENTS_EVENTS,
        metavar="N",
        help="eligible events while the students grow (default: %(default)s)",
    )
    add(
        "--events",
        type=whole_number(10, 1_000_000),
        default=list(EVENTS),
        help=f"numbers of eligible events at --events-students students, two or more (default:"
        f" {' '.join(map(str, EVENTS))}); the bound is meant for ten times as many",
        nargs="+",
        metavar="N",
    )
    add(
        "--events-students",
        type=whole_number(10, 10_000_000),
        default=EVENTS_STUDENTS,
        metavar="N",
        help="students while the events grow (default: %(default)s)",
    )
    add(
        "--repeat-share",
        type=number(0, 1, above=True),
        default=REPEAT_SHARE,
        metavar="SHARE",
        help="share of the students drawn from 100 profiles in one more population of the largest"
        " number of students (default: %(default)s)",
    )
    add(
        "--rounds",
        type=whole_number(1, 100),
        default=3,
        metavar="N",
        help="turns of each at each size (default: %(default)s)",
    )
    add(
        "--jobs",
        type=whole_number(1, 64),
        default=CORES,
        metavar="N",
        help="connections of ours (default: cores, %(default)s here)",
    )
    add(
        "--picture",
        type=new_file,
        metavar="FILE",
        help="also draw the curves into this file, as SVG (needs matplotlib: make bench has it)",
    )
    add_common_arguments(parser)
    options = parser.parse_args(arguments)
    for name in ("students", "events"):
        counts_given = getattr(options, name)
        if len(set(counts_given)) < 2:
            parser.error(f"--{name} takes two different numbers or more: growth has two ends")
        if any(a >= b for a, b in pairwise(counts_given)):
            parser.error(f"--{name} takes numbers that grow")
    if options.picture:
        _find_matplotlib()
    return options


def _find_matplotlib() -> None:
    """Say that it is missing before minutes are spent."""
    try:
        import matplotlib as mpl  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            "--picture needs matplotlib: .venv/bin/python -m pip install -e '.[bench]'"
        ) from None
    del mpl


if __name__ == "__main__":
    run(main())
