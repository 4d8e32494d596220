"""What came of all cutoffs together: figures with their intervals, as JSON and as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.backtest.bootstrap import REPLICATES, Bootstrap, Estimate
from app.backtest.calibration import Bin, Predictions, calibrate
from app.backtest.metrics import METRICS
from app.backtest.protocol import GROUPS
from app.backtest.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from app.backtest.protocol import Protocol
    from app.backtest.window import CutoffResult, Judged

COVERAGE = "coverage"
TITLES = {"hit@10": "hit@10", "ndcg@10": "NDCG@10", "recall@50": "recall@50", "auc": "AUC"}


@dataclass(frozen=True)
class GroupFigures:
    """One group of students over all cutoffs."""

    lists: int
    students: int
    figures: Mapping[str, Mapping[str, Estimate]]
    """Of every model and rule: METRICS and coverage."""
    differences: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    """Of every model, less each rule: METRICS, paired by list."""


@dataclass(frozen=True)
class Report:
    """Everything a backtest found out."""

    protocol: Protocol
    results: Sequence[CutoffResult]
    groups: Mapping[str, GroupFigures]
    calibration: Mapping[str, Sequence[Bin]]

    @property
    def models(self) -> list[str]:
        """Name the models, without the rules."""
        return list(self.calibration)


def summarize(
    results: Sequence[CutoffResult],
    models: Sequence[str],
    protocol: Protocol,
    *,
    replicates: int = REPLICATES,
) -> Report:
    """Put the cutoffs together; a group that nobody is in is left out."""
    groups = {}
    for group in GROUPS:
        parts = [
            (result, result.groups[group]) for result in results if len(result.groups[group].users)
        ]
        if parts:
            groups[group] = _summarize_group(parts, models, protocol.seed, replicates)
    return Report(
        protocol,
        results,
        groups,
        {
            name: calibrate(
                Predictions.joined([result.predictions[name] for result in results]),
                seed=protocol.seed,
                replicates=replicates,
            )
            for name in models
        },
    )


def _summarize_group(
    parts: Sequence[tuple[CutoffResult, Judged]],
    models: Sequence[str],
    seed: int,
    replicates: int,
) -> GroupFigures:
    users = np.concatenate([judged.users for _, judged in parts])
    names = [*models, *RULES]
    values = {name: np.concatenate([judged.metrics[name] for _, judged in parts]) for name in names}
    pairs = [(model, rule) for model in models for rule in RULES]
    bootstrap = Bootstrap(users, seed=seed, replicates=replicates)
    estimates = iter(
        bootstrap.means(
            np.column_stack(
                [*(values[name] for name in names), *(values[a] - values[b] for a, b in pairs)]
            )
        )
    )
    figures = {name: _take(estimates) for name in names}
    differences: dict[str, dict[str, Mapping[str, Estimate]]] = {model: {} for model in models}
    for model, rule in pairs:
        differences[model][rule] = _take(estimates)
    candidates = [result.candidate_count for result, _ in parts]
    for name in names:
        # The candidates of all cutoffs, one after the other.
        tops = np.concatenate(
            [
                np.where(judged.tops[name] < 0, -1, judged.tops[name] + sum(candidates[:number]))
                for number, (_, judged) in enumerate(parts)
            ]
        )
        figures[name][COVERAGE] = bootstrap.coverage(tops, sum(candidates))
    return GroupFigures(len(users), bootstrap.students, figures, differences)


def _take(estimates: Iterator[Estimate]) -> dict[str, Estimate]:
    return {metric: next(estimates) for metric in METRICS}


def as_json(report: Report, about: Mapping[str, Any]) -> dict[str, Any]:
    """Give all figures; `about` says what the models are."""
    protocol = report.protocol
    return {
        "protocol": {
            "horizon_days": protocol.horizon.total_seconds() / 86_400,
            "lead_hours": protocol.lead.total_seconds() / 3_600,
            "students_at_most": protocol.students,
            "only_students": protocol.only_students,
            "seed": protocol.seed,
            "negatives_per_positive": protocol.negatives_per_positive,
            "implicit_interests": "left out",
            "interval": "bootstrap, 95 %, by student",
        },
        "cutoffs": [
            {
                "cutoff": result.cutoff.isoformat(),
                "known_at": result.known_at.isoformat(),
                "candidates": result.candidate_count,
                "students": result.student_count,
                "judged": result.judged_count,
            }
            for result in report.results
        ],
        "models": dict(about),
        "rules": RULES,
        "groups": {
            group: {
                "lists": figures.lists,
                "students": figures.students,
                "figures": {name: _rounded(each) for name, each in figures.figures.items()},
                "differences": {
                    model: {rule: _rounded(each) for rule, each in by_rule.items()}
                    for model, by_rule in figures.differences.items()
                },
            }
            for group, figures in report.groups.items()
        },
        "calibration": {
            name: {
                "bins": [each.rounded() for each in bins],
                "within": sum(each.is_within for each in bins),
            }
            for name, bins in report.calibration.items()
        },
    }


def _rounded(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {metric: estimate.rounded() for metric, estimate in estimates.items()}


def as_lines(report: Report) -> Iterator[str]:
    """Give the report as text, a table a group."""
    yield from _head(report)
    for group, figures in report.groups.items():
        yield ""
        yield f"{group}: {figures.lists:,} lists of {figures.students:,} students"
        rows = [["", *TITLES.values(), COVERAGE]]
        rows += [
            [name, *(_with_interval(each[metric]) for metric in (*METRICS, COVERAGE))]
            for name, each in figures.figures.items()
        ]
        yield from _aligned(rows)
    for model in report.models:
        yield ""
        yield f"NDCG@10 of {model} less that of"
        rows = [["", *report.groups]]
        rows += [
            [
                rule,
                *(
                    _with_interval(figures.differences[model][rule]["ndcg@10"], sign="+")
                    for figures in report.groups.values()
                ),
            ]
            for rule in RULES
        ]
        yield from _aligned(rows)
    for model, bins in report.calibration.items():
        yield ""
        yield (
            f"calibration of {model}: {sum(each.is_within for each in bins)} of {len(bins)} "
            "predictions within the interval of what came"
        )
        rows = [["pairs", "predicted", "came", ""]]
        rows += [
            [
                f"{each.pairs:,}",
                f"{each.predicted:.4f}",
                _with_interval(each.observed, digits=4),
                "" if each.is_within else "outside",
            ]
            for each in bins
        ]
        yield from _aligned(rows)


def _head(report: Report) -> Iterator[str]:
    results, protocol = report.results, report.protocol
    first, last = results[0].cutoff, results[-1].cutoff
    counts = [result.candidate_count for result in results]
    span = f"{first:%Y-%m-%d}" if len(results) == 1 else f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    yield (
        f"{len(results)} cutoff{'s' if len(results) > 1 else ''}, {span}, as known at "
        f"{results[-1].known_at:%Y-%m-%d %H:%M}"
    )
    yield (
        f"candidates start within {protocol.lead.total_seconds() / 3_600:g} hours to "
        f"{protocol.horizon.total_seconds() / 86_400:g} days: {min(counts):,} to {max(counts):,} "
        "a cutoff"
    )
    drawn, there = (
        sum(result.judged_count for result in results),
        sum(result.student_count for result in results),
    )
    if drawn < there:
        yield f"{drawn:,} of {there:,} lists were drawn (--students)"
    yield "implicit interests are left out: the tables keep only their present"
    yield "in brackets: 95 % intervals, bootstrap by student; rules break ties by event_id"


def _with_interval(estimate: Estimate, *, digits: int = 3, sign: str = "") -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "–"
    return (
        f"{estimate.value:{sign}.{digits}f} "
        f"[{estimate.low:{sign}.{digits}f}, {estimate.high:{sign}.{digits}f}]"
    )


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  " + "  ".join(cells).rstrip()


def result_line(report: Report, seconds: float) -> str:
    """Say the figure that matters most in one line."""
    name = report.models[0] if report.models else "popularity"
    parts = ", ".join(
        f"{_with_interval(figures.figures[name]['ndcg@10'])} {group} ({figures.lists:,})"
        for group, figures in report.groups.items()
    )
    count = len(report.results)
    return f"NDCG@10 of {name}: {parts}; {count} cutoff{'s' if count > 1 else ''}, {seconds:.1f} s"
