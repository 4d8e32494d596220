"""The picture of a backtest: NDCG@10 of every model and rule, and the calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.console import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from app.backtest.calibration import Bin
    from app.backtest.report import Report

COLORS = ("#0b6e4f", "#7a4fa3", "#b5651d", "#1f5fa8")
GRAY = "#8a8f98"
SHOWN = ("all", "discovery")


def find_matplotlib() -> None:
    """Say that it is missing before minutes are spent."""
    try:
        import matplotlib as mpl  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            "--picture needs matplotlib: .venv/bin/python -m pip install -e '.[bench]'"
        ) from None
    del mpl


def draw(report: Report, path: Path) -> None:
    """Write the picture as SVG; the same report gives the same file."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("svg")
    # Text stays text, and ids do not change from run to run.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "eventrank"})
    from matplotlib.figure import Figure  # noqa: PLC0415

    groups = [group for group in SHOWN if group in report.groups]
    count = len(groups) + bool(report.models)
    figure = Figure(figsize=(4.2 * max(count, 1), 3.6), layout="constrained")
    panels = figure.subplots(1, max(count, 1), squeeze=False)[0]
    for axes, group in zip(panels, groups, strict=False):
        _draw_group(axes, report, group)
    if report.models:
        _draw_calibration(panels[-1], report)
    figure.savefig(path, format="svg", metadata={"Date": None})


def _draw_group(axes: Axes, report: Report, group: str) -> None:
    figures = report.groups[group]
    rows = [
        (name, each["ndcg@10"])
        for name, each in figures.figures.items()
        if each["ndcg@10"].value is not None
    ]
    for place, (name, estimate) in enumerate(reversed(rows)):
        assert estimate.value is not None
        assert estimate.low is not None
        assert estimate.high is not None
        reach = [[estimate.value - estimate.low], [estimate.high - estimate.value]]
        color = COLORS[report.models.index(name) % len(COLORS)] if name in report.models else GRAY
        axes.errorbar([estimate.value], [place], xerr=reach, fmt="o", color=color, capsize=3)
        axes.annotate(
            f"{estimate.value:.3f}",
            (estimate.high, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=color,
        )
    axes.set_yticks(range(len(rows)), [name for name, _ in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(left=0)
    axes.margins(x=0.18)
    axes.set_xlabel("NDCG@10")
    axes.set_title(f"{group}: {figures.lists:,} lists", fontsize=10)
    _clear(axes)


def _draw_calibration(axes: Axes, report: Report) -> None:
    axes.plot([0, 1], [0, 1], linestyle=":", color=GRAY, linewidth=1)
    for number, (name, bins) in enumerate(report.calibration.items()):
        _draw_bins(axes, name, bins, COLORS[number % len(COLORS)])
    axes.set_xlabel("predicted")
    axes.set_ylabel("came")
    axes.set_title("calibration, 95 % intervals", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    _clear(axes)


def _draw_bins(axes: Axes, name: str, bins: Sequence[Bin], color: str) -> None:
    known = [
        (each.predicted, each.observed.value, each.observed.low, each.observed.high)
        for each in bins
        if each.observed.value is not None
        and each.observed.low is not None
        and each.observed.high is not None
    ]
    axes.errorbar(
        [predicted for predicted, _, _, _ in known],
        [value for _, value, _, _ in known],
        yerr=[
            [value - low for _, value, low, _ in known],
            [high - value for _, value, _, high in known],
        ],
        fmt="o-",
        markersize=4,
        linewidth=1,
        capsize=3,
        color=color,
        label=name,
    )


def _clear(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
