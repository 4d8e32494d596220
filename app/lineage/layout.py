"""Where boxes and arrows go: igraph finds an order with few crossings, then rows are spaced."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import igraph  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.lineage.flow import Flow

BOX_HEIGHT = 42
_BOX_GAP = 12
_TRACK = 12
_TRIES = 300
_PASSES = 60


@dataclass(frozen=True)
class Plan:
    """Boxes first, then tracks: the places where the arrows of one box cross a column."""

    box_count: int
    columns: tuple[int, ...]
    links: tuple[tuple[int, int], ...]
    """Each leads from one column to the next."""


def plan_tracks(flow: Flow, columns: Mapping[str, int]) -> Plan:
    """Let all arrows of a box share one track as far as they go the same way."""
    number = {node.name: index for index, node in enumerate(flow.nodes)}
    levels = [columns[node.name] for node in flow.nodes]
    tracks: dict[tuple[int, int], int] = {}
    links: dict[tuple[int, int], None] = {}
    for source, target in flow.edges:
        here = number[source]
        for column in range(columns[source] + 1, columns[target]):
            key = (number[source], column)
            if key not in tracks:
                tracks[key] = len(levels)
                levels.append(column)
            links[here, tracks[key]] = None
            here = tracks[key]
        links[here, number[target]] = None
    return Plan(len(flow.nodes), tuple(levels), tuple(links))


def place(plan: Plan) -> list[float]:
    """Return the height of the middle of each box and track, from 0 down."""
    orders = _best_orders(plan)
    near: list[list[int]] = [[] for _ in plan.columns]
    for source, target in plan.links:
        near[source].append(target)
        near[target].append(source)
    rows = [0.0] * len(plan.columns)
    for order in orders:
        for index, vertex in enumerate(order):
            rows[vertex] = float(index * (BOX_HEIGHT + _BOX_GAP))
    for turn in range(_PASSES):
        for order in orders if turn % 2 else reversed(orders):
            wished = [
                sum(rows[other] for other in near[vertex]) / len(near[vertex])
                if near[vertex]
                else rows[vertex]
                for vertex in order
            ]
            for vertex, row in zip(order, _spread(order, wished, plan), strict=True):
                rows[vertex] = row
    top = min(
        row - (BOX_HEIGHT / 2 if vertex < plan.box_count else 0) for vertex, row in enumerate(rows)
    )
    return [row - top + BOX_HEIGHT / 2 for row in rows]


def _best_orders(plan: Plan) -> list[list[int]]:
    """Try igraph's heuristic from several starting orders; keep the one with fewest crossings."""
    count = len(plan.columns)
    shuffle = random.Random(0)
    best: tuple[int, list[list[int]]] | None = None
    names = list(range(count))
    for _ in range(_TRIES):
        position = {name: index for index, name in enumerate(names)}
        graph = igraph.Graph(
            n=count, edges=[(position[a], position[b]) for a, b in plan.links], directed=True
        )
        coordinates = graph.layout_sugiyama(
            layers=[plan.columns[name] for name in names], hgap=1, vgap=1, maxiter=200
        ).coords
        orders = [
            sorted(
                (name for name in names if plan.columns[name] == column),
                key=lambda name: coordinates[position[name]][0],
            )
            for column in range(1 + max(plan.columns))
        ]
        crossings = _count_crossings(plan, orders)
        if best is None or crossings < best[0]:
            best = (crossings, orders)
        shuffle.shuffle(names)
    assert best is not None  # there is at least one try
    return best[1]


def _count_crossings(plan: Plan, orders: Sequence[Sequence[int]]) -> int:
    rank = {vertex: index for order in orders for index, vertex in enumerate(order)}
    by_column: dict[int, list[tuple[int, int]]] = {}
    for source, target in plan.links:
        by_column.setdefault(plan.columns[source], []).append((rank[source], rank[target]))
    return sum(
        (a[0] - b[0]) * (a[1] - b[1]) < 0
        for links in by_column.values()
        for index, a in enumerate(links)
        for b in links[:index]
    )


def _spread(order: Sequence[int], wished: Sequence[float], plan: Plan) -> list[float]:
    """Return the rows nearest to the wished ones that keep the order and the distances."""
    offsets = [0.0]
    for above, below in pairwise(order):
        boxes = (above < plan.box_count) + (below < plan.box_count)
        gap = {0: _TRACK, 1: BOX_HEIGHT / 2 + _TRACK, 2: BOX_HEIGHT + _BOX_GAP}[boxes]
        offsets.append(offsets[-1] + gap)
    # Pool adjacent violators: blocks of neighbours that all want to be in each other's place.
    blocks: list[tuple[float, int]] = []
    for wish, offset in zip(wished, offsets, strict=True):
        mean, size = wish - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, count = blocks.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        blocks.append((mean, size))
    means = [mean for mean, size in blocks for _ in range(size)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
