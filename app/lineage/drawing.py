"""The picture of the flow: Mermaid text, and an SVG."""

from __future__ import annotations

import hashlib
import math
from html import escape
from typing import TYPE_CHECKING

from app.lineage.flow import Flow, Node, layers
from app.lineage.layout import BOX_HEIGHT as _BOX_HEIGHT
from app.lineage.layout import place, plan_tracks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SHAPES = {
    "table": '[("{}")]',
    "view": '("{}")',
    "materialized view": '(["{}"])',
    "function": '["{}"]',
    "procedure": '["{}"]',
    "program": '{{{{"{}"}}}}',
}
_FILLS = {
    "table": "#e8e8ed",
    "view": "#dcebfb",
    "materialized view": "#b5d4f4",
    "function": "#fdf0d0",
    "procedure": "#fdf0d0",
    "program": "#d9f2dd",
}
_FONT = 13
_CHARACTER = 0.62 * _FONT
_LINE = 16
_LONGEST_LINE = 17
_GAP = 46
_TOP = 70
_MARGIN = 16

_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"
  viewBox="0 0 {width:.0f} {height:.0f}" font-size="{font}"
  font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace">
<title>Lineage of eventrank: from tables to lists</title>
<desc>{fingerprint}</desc>
<style>.flow {{ fill: none; stroke: #8a94a0; stroke-width: 1.3 }}</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
  orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#66707c"/></marker></defs>"""

Point = tuple[float, float]


def mermaid(flow: Flow) -> str:
    """Write the flow as a Mermaid flowchart."""
    number = {node.name: f"n{index}" for index, node in enumerate(flow.nodes)}
    lines = ["flowchart LR"]
    for stage in flow.stages:
        lines.append(f"    subgraph {stage}")
        lines.extend(
            f"        {number[node.name]}{_SHAPES[node.kind].format(label(node))}"
            for node in flow.nodes
            if node.stage == stage
        )
        lines.append("    end")
    lines.extend(f"    {number[source]} --> {number[target]}" for source, target in flow.edges)
    return "\n".join(lines) + "\n"


def fingerprint(flow: Flow) -> str:
    """Return what tells one flow from another; the SVG carries it."""
    return hashlib.sha256(mermaid(flow).encode()).hexdigest()[:16]


def label(node: Node) -> str:
    """Return the name without the schema, which the stage and the shape tell."""
    return node.name if node.kind == "program" else node.name.partition(".")[2]


def svg(flow: Flow) -> str:
    """Draw the flow from left to right, a band for each stage."""
    columns = layers(flow)
    plan = plan_tracks(flow, columns)
    rows = place(plan)
    lefts, widths = _column_positions(flow, columns)
    width = lefts[-1] + widths[-1] + _MARGIN + 10
    bottom = _TOP + max(rows) + _BOX_HEIGHT / 2
    height = bottom + 2 * _MARGIN + 24
    parts = [
        _HEAD.format(width=width, height=height, font=_FONT, fingerprint=fingerprint(flow)),
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        *_bands(flow, columns, lefts, widths, bottom),
    ]
    for source, target in plan.links:
        column = plan.columns[source]
        start = (lefts[column] + widths[column], _TOP + rows[source])
        end = (lefts[column + 1], _TOP + rows[target])
        tip = ' marker-end="url(#tip)"' if target < plan.box_count else ""
        parts.append(f'<path class="flow" d="M{_point(start)} {_bend(start, end)}"{tip}/>')
    for track in range(plan.box_count, len(rows)):
        column = plan.columns[track]
        start = (lefts[column], _TOP + rows[track])
        end = (lefts[column] + widths[column], start[1])
        parts.append(f'<path class="flow" d="M{_point(start)} L{_point(end)}"/>')
    for node, row in zip(flow.nodes, rows, strict=False):
        column = columns[node.name]
        parts.append(_box(node, lefts[column], _TOP + row, widths[column]))
    parts.extend(_legend(flow, bottom + _MARGIN + 12))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _column_positions(flow: Flow, columns: Mapping[str, int]) -> tuple[list[float], list[float]]:
    count = 1 + max(columns.values())
    widths = [0.0] * count
    for node in flow.nodes:
        longest = max(map(len, _wrapped(label(node))))
        column = columns[node.name]
        widths[column] = max(widths[column], longest * _CHARACTER + 16)
    lefts = [_MARGIN + 10 + sum(widths[:column]) + column * _GAP for column in range(count)]
    return lefts, widths


def _wrapped(text: str) -> Sequence[str]:
    """Break a long name at the underscore that comes nearest to its middle."""
    breaks = [index + 1 for index, character in enumerate(text[:-1]) if character == "_"]
    if len(text) <= _LONGEST_LINE or not breaks:
        return (text,)
    cut = min(breaks, key=lambda index: (abs(index - len(text) / 2), index))
    return (text[:cut], text[cut:])


def _point(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"


def _bend(here: Point, there: Point) -> str:
    half = (here[0] + there[0]) / 2
    return f"C{half:.1f} {here[1]:.1f} {half:.1f} {there[1]:.1f} {_point(there)}"


def _bands(
    flow: Flow,
    columns: Mapping[str, int],
    lefts: Sequence[float],
    widths: Sequence[float],
    bottom: float,
) -> Iterable[str]:
    for index, stage in enumerate(flow.stages):
        own = [columns[node.name] for node in flow.nodes if node.stage == stage]
        left = lefts[min(own)] - _GAP / 2 + 4
        right = lefts[max(own)] + widths[max(own)] + _GAP / 2 - 4
        fill = "#f6f7f9" if index % 2 else "#f0f2f5"
        yield (
            f'<rect x="{left:.1f}" y="{_MARGIN}" width="{right - left:.1f}" '
            f'height="{bottom:.1f}" rx="8" fill="{fill}"/>'
        )
        yield (
            f'<text x="{(left + right) / 2:.1f}" y="{_MARGIN + 26}" text-anchor="middle" '
            f'font-size="18" font-weight="bold" fill="#3b4450">{escape(stage)}</text>'
        )


def _box(node: Node, left: float, middle: float, width: float) -> str:
    lines = _wrapped(label(node))
    radius = {"view": 10, "materialized view": _BOX_HEIGHT / 2}.get(node.kind, 2)
    first = middle - (len(lines) - 1) * _LINE / 2 + 4.5
    texts = "".join(
        f'<text x="{left + width / 2:.1f}" y="{first + index * _LINE:.1f}" '
        f'text-anchor="middle" fill="#1c2126">{escape(line)}</text>'
        for index, line in enumerate(lines)
    )
    return (
        f'<g><title>{escape(node.kind)} {escape(node.name)}</title><rect x="{left:.1f}" '
        f'y="{middle - _BOX_HEIGHT / 2:.1f}" width="{width:.1f}" height="{_BOX_HEIGHT}" '
        f'rx="{radius:g}" fill="{_FILLS[node.kind]}" stroke="#7b8794"/>{texts}</g>'
    )


def _legend(flow: Flow, row: float) -> Iterable[str]:
    left = float(_MARGIN + 10)
    for kind, fill in _FILLS.items():
        if not any(node.kind == kind for node in flow.nodes):
            continue
        yield (
            f'<rect x="{left:.1f}" y="{row - 1:.1f}" width="18" height="14" rx="2" fill="{fill}" '
            f'stroke="#7b8794"/><text x="{left + 25:.1f}" y="{row + 10.5:.1f}" '
            f'fill="#3b4450">{kind}</text>'
        )
        left += 25 + math.ceil(len(kind) * _CHARACTER) + 24
