"""The HTTP doors put together: one router for each resource, behind one front. No door is made here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, FastAPI

from gateway.api import (
    access,
    alerts,
    camera_health,
    cameras,
    code_tables,
    credential_sets,
    dispatch_rules,
    duty,
    event_map,
    event_photos,
    events,
    evidence,
    grid_import,
    grid_staff,
    grids,
    health,
    inbound,
    mode,
    models,
    open311,
    platforms,
    problems,
    receiver_mappings,
    receivers,
    recordings,
    reports,
    rooms,
    session,
    staff_sheets,
    statistics,
    stream,
    stream_loans,
    suppressions,
    talk,
    trials,
    warnings,
    whep,
)
from gateway.api.document import described
from gateway.api.front import PREFIX, Front
from gateway.api.limits import BodyLimit, TimeLimit
from gateway.api.pages import ConsolePages
from gateway.api.services import Services

ROUTERS: tuple[APIRouter, ...] = (
    session.router,
    access.router,
    platforms.router,
    grid_import.router,
    grids.router,
    staff_sheets.router,
    grid_staff.router,
    dispatch_rules.router,
    cameras.router,
    credential_sets.router,
    camera_health.router,
    stream_loans.router,
    whep.router,
    talk.router,
    recordings.router,
    rooms.router,
    alerts.router,
    event_map.router,
    suppressions.router,
    trials.router,
    models.router,
    events.router,
    event_photos.router,
    code_tables.router,
    mode.router,
    duty.router,
    reports.router,
    evidence.router,
    stream.router,
    statistics.router,
    receivers.router,
    receiver_mappings.router,
    inbound.router,
    warnings.router,
    open311.router,
)
"""Every resource's router; their paths stand under ``/api/v1``."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(services: Services, lifespan: Lifespan | None = None) -> FastAPI:
    """The application. Its documentation pages are off, since they are fetched from outside; the document is served."""
    app = FastAPI(
        title="视频与会商网关 Video and conference gateway",
        version=_version(),
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.services = services
    app.openapi = described(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    problems.install(app)
    metrics = health.HttpMetrics(services)
    app.include_router(health.router)
    app.include_router(health.metrics_router(metrics))
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    app.router.default = ConsolePages()
    # The last one added stands outermost.
    app.add_middleware(BodyLimit)
    app.add_middleware(TimeLimit)
    app.add_middleware(Front, allowed_hosts=services.settings.http.allowed_hosts, observe=metrics.observe)
    return app


def _version() -> str:
    try:
        return version("grid-video-gateway")
    except PackageNotFoundError:
        return "0"
