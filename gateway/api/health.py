"""``/healthz``, ``/readyz`` and ``/metrics``: for whoever watches the service. They say nothing about cases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.api.services import Doors, Services
from gateway.processes.messages import Sample
from gateway.refusals import Refusal

CHECK_SECONDS = 3.0


class HttpMetrics:
    """The registry of one app: its own requests, the live hub, and what the workers reported."""

    def __init__(self, services: Services) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "gateway_http_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "gateway_http_request_seconds", "Time to the end of the answer.", ("route",), registry=self.registry
        )
        self.registry.register(_Reported(services))

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


class _Reported(Collector):
    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        live = self._services.live
        yield GaugeMetricFamily("gateway_live_listeners", "Open event streams.", value=live.listeners)
        yield CounterMetricFamily("gateway_live_dropped", "Notices lost to slow event streams.", value=live.dropped)
        yield from families(self._services.extra_metrics())


def families(samples: Iterable[Sample]) -> Iterator[Metric]:
    """Samples of one name made into one metric; a sample whose labels differ from the first of its name is left out."""
    found: dict[str, tuple[tuple[str, ...], GaugeMetricFamily | CounterMetricFamily]] = {}
    for sample in samples:
        labels = tuple(sorted(sample.labels))
        if sample.name not in found:
            family: GaugeMetricFamily | CounterMetricFamily
            if sample.kind == "counter":
                family = CounterMetricFamily(sample.name, sample.name, labels=labels)
            else:
                family = GaugeMetricFamily(sample.name, sample.name, labels=labels)
            found[sample.name] = (labels, family)
        names, family = found[sample.name]
        if names == labels:
            family.add_metric([sample.labels[name] for name in names], sample.value)
    for _, family in found.values():
        yield family


router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(doors: Doors) -> JSONResponse:
    """The service can do its work: database and workers, each by name; 503 while one is not ready. ``failing`` names
    the periodic works whose last turn failed, and why: they are tried again, and cost no readiness."""
    database = "ok"
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await doors.db.check()
    except Refusal as refusal:
        database = refusal.reason
    except TimeoutError:
        database = "database_unavailable"
    workers = dict(doors.workers_ready())
    ready = database == "ok" and all(workers.values())
    failing = dict(doors.works_failing())
    shown = {"ready": ready, "database": database, "workers": workers, "failing": failing}
    return JSONResponse(shown, 200 if ready else 503)


def metrics_router(metrics: HttpMetrics) -> APIRouter:
    made = APIRouter(tags=["health"])

    @made.get("/metrics", response_class=Response)
    async def read_metrics() -> Response:
        """Prometheus text format."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return made
