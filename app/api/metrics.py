"""What Prometheus reads: requests, the pool, faults, and what the database says of itself."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.responses import Response

from app.api.database import DatabaseFault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncpg import Record
    from prometheus_client.metrics_core import Metric
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.api.database import Database

PREFIX = "eventrank_"
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""Stands for methods and paths that are not ours: a stranger must not make label values."""

CLIENT_LEFT = 499
"""As nginx calls a request whose client went away before it was answered: no fault of ours."""

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

GAUGES = "SELECT name, labels, value, help FROM recommender.gauges"
GAUGES_SECONDS = 2.0
"""How long a scrape waits for the database's own gauges, and how long an answer is kept."""

_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class Metrics:
    """The numbers of one server process."""

    def __init__(self) -> None:
        # Moments of first use, one more series for each; Prometheus does without.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._requests = Counter(
            f"{PREFIX}http_requests_total",
            "Requests answered, by route, method and status (499: the client left before)",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            f"{PREFIX}http_request_seconds",
            "Time from a request's headers to the end of its answer",
            ("route",),
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._in_flight = Gauge(
            f"{PREFIX}http_requests_in_flight",
            "Requests being answered now",
            registry=self.registry,
        )
        self._faults = Counter(
            f"{PREFIX}database_faults_total",
            "Statements that failed, by class of SQLSTATE, or late (no answer in time), or away",
            ("kind",),
            registry=self.registry,
        )
        self._interactions = Counter(
            f"{PREFIX}interactions_total",
            "Interactions taken in: stored, repeated (their client_id was stored before), or"
            " dropped (their event is unknown or deleted)",
            ("outcome",),
            registry=self.registry,
        )
        for outcome in ("stored", "repeated", "dropped"):
            self._interactions.labels(outcome)
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def count_fault(self, kind: str) -> None:
        """Count a statement that failed."""
        self._faults.labels(kind).inc()

    def count_interactions(self, outcome: str, count: int) -> None:
        """Count interactions of a batch by what became of them."""
        self._interactions.labels(outcome).inc(count)

    def begin(self) -> None:
        """Count a request in."""
        self._in_flight.inc()

    def end(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request out, under the template of its path."""
        self._in_flight.dec()
        route = getattr(scope.get("route"), "path", OTHER)
        key = (route, scope["method"] if scope["method"] in KNOWN_METHODS else OTHER, status)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._requests.labels(*key)
        counter.inc()
        histogram = self._histograms.get(route)
        if histogram is None:
            histogram = self._histograms[route] = self._seconds.labels(route)
        histogram.observe(seconds)


class Measured:
    """Counts and times every request; only its id comes before."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        self._metrics.begin()
        try:
            await self._app(scope, receive, note_status)
            status = status or CLIENT_LEFT
        finally:
            self._metrics.end(scope, status or 500, time.perf_counter() - began)


class DatabaseGauges(Collector):
    """The pool's numbers, and the rows of recommender.gauges as they were last read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: list[Record] | None = None
        self._read_at = float("-inf")

    async def refresh(self) -> None:
        """Read the rows again when they are old; without them the rest is still shown."""
        if time.monotonic() - self._read_at < GAUGES_SECONDS:
            return
        seconds = min(GAUGES_SECONDS, self._database.timeout_seconds)
        try:
            self._rows = await self._database.fetch(GAUGES, seconds=seconds)
        except DatabaseFault:
            self._rows = None
        self._read_at = time.monotonic()

    def collect(self) -> Iterable[Metric]:
        """Give the numbers of this moment."""
        pool, waiting = self._database.pool, self._database.waiting
        for name, text, value in (
            ("connections", "Connections of the pool, idle or not", pool.get_size()),
            ("connections_idle", "Connections of the pool that nobody uses", pool.get_idle_size()),
            ("connections_waiting", "Requests that wait for a connection", waiting),
            (
                "gauges_available",
                "1 when the database could be asked for its own gauges",
                int(self._rows is not None),
            ),
        ):
            yield GaugeMetricFamily(f"{PREFIX}database_{name}", text, value)
        yield from _families(self._rows or [])


def _families(rows: list[Record]) -> list[Metric]:
    families: dict[str, tuple[GaugeMetricFamily, list[str]]] = {}
    for row in rows:
        if not _NAME.fullmatch(row["name"]) or row["value"] is None:
            continue
        labels = json.loads(row["labels"] or "{}")
        name = PREFIX + row["name"].removeprefix(PREFIX)
        if name not in families:
            families[name] = (GaugeMetricFamily(name, row["help"], labels=labels), list(labels))
        family, label_names = families[name]
        family.add_metric([str(labels.get(label, "")) for label in label_names], row["value"])
    return [family for family, _ in families.values()]


class MetricsPage:
    """Answers /metrics."""

    def __init__(self, metrics: Metrics, database: Database) -> None:
        self._registry = metrics.registry
        self._gauges = DatabaseGauges(database)
        self._registry.register(self._gauges)

    async def show(self, _request: Request) -> Response:
        """Give all numbers as text."""
        await self._gauges.refresh()
        return Response(
            generate_latest(self._registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
        )
