"""The way of the rows, cut down to what a person can follow: tables, views, entry points, lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.lineage.reading import APP_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.lineage.reading import LineageObject

LEFT_OUT = frozenset({"setting", "desk"})
"""Stages through which no rows flow: settings, which everything asks, and the admins' desk, which
asks everything."""

STAND_IN = "demo"
"""The stage that does what the app would do, and is no part of the way."""

TABLES = "tables"
TRAINER = "app.training"
TRAINER_READS = "pg_temp.training_matrix"
TRAINER_CALLS = "recommender.store_judged_model"
"""The one step that is no SQL: Python fetches the examples, fits the weights and stores them."""


@dataclass(frozen=True)
class Node:
    """A box of the picture."""

    name: str
    kind: str
    stage: str


@dataclass(frozen=True)
class Flow:
    """The boxes, in order of their stages, and the arrows between them."""

    stages: tuple[str, ...]
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    returns: tuple[tuple[str, str], ...]
    """Arrows that lead back: what is written for an earlier stage, or its own writer, to read."""


def read_flow(objects: Sequence[LineageObject]) -> Flow:
    """Follow the rows; routines that serve only others are part of those that call them."""
    objects = [item for item in objects if item.stage != STAND_IN]
    drawn = [item for item in objects if item.stage not in LEFT_OUT]
    stages = (TABLES, *dict.fromkeys(item.stage for item in drawn))
    routines = {item.name: item for item in objects if item.is_routine}
    called = {name for item in drawn for name in item.reads if name in routines}
    nodes = {}
    edges: set[tuple[str, str]] = set()
    for item in drawn:
        if item.is_routine and item.name in called:
            continue
        reads, writes = _all_reads_and_writes(item, routines)
        if item.is_routine and not (reads - writes):
            reads = frozenset()
        else:
            edges.update((name, item.name) for name in reads - writes)
        if reads or writes or not item.is_routine:
            nodes[item.name] = Node(item.name, item.kind, item.stage)
            edges.update((item.name, name) for name in writes)
    edges.update({(TRAINER_READS, TRAINER), (TRAINER, TRAINER_CALLS)})
    nodes[TRAINER] = Node(TRAINER, "program", nodes[TRAINER_CALLS].stage)
    edges = _past_temporary_tables(edges)
    for name in sorted({end for edge in edges for end in edge} - set(nodes)):
        users = [nodes[source].stage for source, target in edges if target == name]
        users = users or [nodes[target].stage for source, target in edges if source == name]
        stage = TABLES if name in APP_TABLES else min(users, key=stages.index)
        nodes[name] = Node(name, "table", stage)
    place = {name: stages.index(node.stage) for name, node in nodes.items()}
    returns = {(a, b) for a, b in edges if place[b] < place[a]}
    written = {(a, b) for a, b in edges - returns if nodes[b].kind == "table"}
    returns |= _leading_back(written, edges - returns)
    forward = _reduced(edges - returns, set(nodes))
    linked = {end for edge in forward for end in edge}
    kept = sorted((n for n in nodes.values() if n.name in linked), key=lambda n: _order(n, stages))
    return Flow(
        tuple(stage for stage in stages if any(node.stage == stage for node in kept)),
        tuple(kept),
        tuple(sorted(forward)),
        tuple(sorted(returns)),
    )


def layers(flow: Flow) -> dict[str, int]:
    """Give each node its column: behind all it comes from, and no stage begins in another's."""
    columns: dict[str, int] = {}
    start = 0
    for stage in flow.stages:
        names = [node.name for node in flow.nodes if node.stage == stage]
        depth = dict.fromkeys(names, 0)
        for _ in names:
            for source, target in flow.edges:
                if source in depth and target in depth:
                    depth[target] = max(depth[target], depth[source] + 1)
        columns.update({name: start + depth[name] for name in names})
        start += 1 + max(depth.values())
    return columns


def _order(node: Node, stages: Sequence[str]) -> tuple[int, str]:
    return stages.index(node.stage), node.name


def _all_reads_and_writes(
    item: LineageObject, routines: Mapping[str, LineageObject]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the relations an object and all it calls read and write; settings left out."""
    reads: set[str] = set()
    writes: set[str] = set()
    waiting, seen = [item], {item.name}
    while waiting:
        current = waiting.pop()
        writes |= current.writes
        for name in current.reads - seen:
            seen.add(name)
            if name not in routines:
                reads.add(name)
            elif routines[name].stage not in LEFT_OUT:
                waiting.append(routines[name])
    reads = {name for name in reads if name not in _SETTINGS}
    return frozenset(reads), frozenset(writes)


_SETTINGS = frozenset(
    {"public.recommender_settings", "recommender.parameters", "recommender.setting_defaults"}
)


def _past_temporary_tables(edges: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Let who fills a session's temporary table point at who reads it."""
    writers: dict[str, set[str]] = {}
    for source, target in edges:
        if target.startswith("pg_temp."):
            writers.setdefault(target, set()).add(source)
    return {
        (writer, target)
        for source, target in edges
        if not target.startswith("pg_temp.")
        for writer in writers.get(source, {source})
    }


def _leading_back(
    written: set[tuple[str, str]], edges: set[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Give the arrows to tables from which arrows lead to who wrote them: a circle has no order."""
    after: dict[str, set[str]] = {}
    for source, target in edges:
        after.setdefault(source, set()).add(target)

    def leads(table: str, writer: str) -> bool:
        waiting, seen = [table], {table}
        while waiting:
            following = after.get(waiting.pop(), set()) - seen
            seen |= following
            waiting += following
        return writer in seen

    return {(writer, table) for writer, table in written if leads(table, writer)}


def _reduced(edges: set[tuple[str, str]], names: set[str]) -> set[tuple[str, str]]:
    """Drop each arrow that a longer way already stands for."""
    after: dict[str, set[str]] = {name: set() for name in names}
    for source, target in edges:
        after[source].add(target)
    reach: dict[str, set[str]] = {}

    def reachable(name: str) -> set[str]:
        if name not in reach:
            reach[name] = set()
            for following in after[name]:
                reach[name] |= {following} | reachable(following)
        return reach[name]

    return {
        (source, target)
        for source, target in edges
        if not any(target in reachable(other) for other in after[source] - {target})
    }
