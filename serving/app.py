"""The application: parts made when it starts, closed when it ends, nothing global."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.decision.desk import DESK_SECONDS, DeskKeeper
from serving.decision.stories import Stories
from serving.decision.suppression import Suppression
from serving.dependencies import Service
from serving.errors import StoreUnavailable, add_error_handlers
from serving.guard.entry import open_callers
from serving.guard.keys import RING_SECONDS
from serving.guard.origins import Origins
from serving.guard.security import Guard
from serving.model_life.approving import Approver
from serving.model_life.holder import ModelHolder
from serving.model_life.registry import Registry
from serving.model_life.registry_watch import RegistryWatch
from serving.pages import add_pages
from serving.process.gate import Gate, Places
from serving.process.limits import MIB, BodyLimit, Envelope
from serving.process.metrics import Meter, count_beside
from serving.process.readiness import Readiness
from serving.records.asking import Asking
from serving.records.recorder import GroupCommit, Recorder, weight_of_events
from serving.records.retention import kept_reasons, prune_daily
from serving.routes import (
    approvals,
    events,
    export,
    handoff,
    health,
    insight,
    keys,
    leads,
    metrics,
    model,
    score,
)
from serving.schema import describe_access
from serving.scoring.fast_lane import FastLane
from serving.scoring.short_way import ShortWay
from serving.settings import ServeSettings
from serving.store import Approvals, Events, Predictions, Removal, open_store
from serving.store.insight import Journal
from serving.store.lines import Lines, SaidOff

__all__ = ["create_app"]

log = logging.getLogger("lead_serve")

WATCH_SECONDS = 5.0
"""How often a newer approval is looked for."""

REPORT_SECONDS = 20.0
"""How long anybody waits for a report over many leads; one is made at a time."""


def _now() -> datetime:
    return datetime.now(UTC)


class _Application(FastAPI):
    """The framework's application, entered at our outermost layer.

    What the framework puts around it (its telemetry, its own body limit, a last error handler) we
    do not use, and it costs a request as much as all of our layers together.
    """

    _front: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the start and end of the process."""
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        front = self._front
        if front is None:
            front = self._front = self.layers()[0]
        await front(scope, receive, send)

    def layers(self) -> list[Any]:
        """Return our layers around the short ways, from the outermost."""
        layer: Any = self.middleware_stack
        if layer is None:
            layer = self.middleware_stack = self.build_middleware_stack()
        while not isinstance(layer, Envelope):
            layer = layer.app
        found = []
        while not isinstance(layer, FastLane):
            found.append(layer)
            layer = layer.app
        return found


def create_app(
    settings: ServeSettings,
    *,
    clock: Callable[[], datetime] = _now,
    watch_seconds: float = WATCH_SECONDS,
) -> FastAPI:
    """Return the scoring service.

    Parameters
    ----------
    settings : ServeSettings
        Read at the edge; see `serving.settings.read_settings`.
    clock : callable
        Gives the present, with a time zone; tests set it.
    watch_seconds : float
        How often a newer approval is looked for.
    """
    meter, readiness = Meter(), Readiness()
    places = Places(settings.concurrency, settings.waiting)
    meter.gauges |= {"in_work": lambda: places.n_taken, "waiting": lambda: places.n_waiting}

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = _make_service(settings, clock, meter, readiness)
        app.state.service = service
        await asyncio.to_thread(_start, service)
        await service.recorder.start()
        await service.event_commits.start()
        watching = asyncio.create_task(service.models.watch(watch_seconds))
        ringing = asyncio.create_task(service.callers.ring.watch(min(RING_SECONDS, watch_seconds)))
        deciding = asyncio.create_task(
            service.desks.watch(lambda: service.models.model, min(DESK_SECONDS, watch_seconds))
        )
        proposing = asyncio.create_task(service.proposals.watch())
        pruning = asyncio.create_task(
            prune_daily(
                Removal(service.store), settings.retention_days, clock, partial(_kept, service)
            )
        )
        meter.gauges["to_record"] = lambda: (
            service.recorder.n_waiting + service.event_commits.n_waiting
        )
        counting = asyncio.create_task(count_beside(meter, service.models))
        try:
            yield
        finally:
            service.registry.stop()  # a fetch in work ends now, not when its time is over
            tasks = (watching, ringing, deciding, pruning, counting, proposing)
            for task in tasks:
                task.cancel()
            # One that ended long ago with a fault must not keep what waits from being written.
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ended, Exception):
                    log.error("a part of the service had ended with %s", type(ended).__name__)
            with contextlib.suppress(StoreUnavailable):
                await asyncio.to_thread(service.callers.ring.write_use)
            await service.recorder.stop()
            await service.event_commits.stop()
            service.asking.close()
            service.reports.close()
            service.proposals.close()
            service.store.close()
            readiness.close()

    # The framework's own documentation pages load scripts from elsewhere; the schema stays.
    app = _Application(
        title="Lead quality",
        summary="Scores sales leads and says why, in Japanese and English.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.meter, app.state.readiness = meter, readiness
    for routes in (
        score,
        events,
        leads,
        handoff,
        insight,
        export,
        model,
        approvals,
        health,
        metrics,
        keys,
    ):
        app.include_router(routes.router)
    add_pages(app)
    _add_schema(app)
    add_error_handlers(app)
    describe_access(app)
    app.add_middleware(FastLane)
    # The last one added stands outermost. The gate stands behind the one that reads bodies: a
    # client that sends slowly holds no place in it.
    app.add_middleware(Gate, places=places, refused=meter.refused)
    app.add_middleware(BodyLimit, limits={score.BATCH_PATH: 16 * MIB, events.EVENTS_PATH: 4 * MIB})
    app.add_middleware(Guard, settings=settings, origins=Origins(settings))
    app.add_middleware(Envelope, answered=meter.answered)
    app.state.short_way = ShortWay(app, *app.layers())
    return app


def _add_schema(app: FastAPI) -> None:
    written: list[bytes] = []

    async def schema(_: Request) -> Response:
        # Written once: each time would cost as much as twenty scores.
        if not written:
            written.append(orjson.dumps(app.openapi()))
        return Response(written[0], media_type="application/json")

    app.add_route("/openapi.json", schema, methods=["GET", "HEAD"], include_in_schema=False)


def _make_service(
    settings: ServeSettings, clock: Callable[[], datetime], meter: Meter, readiness: Readiness
) -> Service:
    store = open_store(settings.database_address)
    given, predictions, events = Approvals(store), Predictions(store), Events(store)
    suppression, journal = Suppression(SaidOff(store)), Journal(store)
    desks = DeskKeeper(Lines(store), suppression, clock)
    registry = Registry(settings)
    # The desk is ready before the model serves: no request is decided without its line.
    models = ModelHolder(settings.models_folder, given, settings.model_name, desks.refresh)
    meter.counters["models_refused"] = models.refused
    return Service(
        settings=settings,
        clock=clock,
        store=store,
        predictions=predictions,
        approvals=given,
        models=models,
        registry=registry,
        proposals=RegistryWatch(registry, settings.models_folder, settings.registry_seconds),
        approver=Approver(settings, given, registry, clock),
        recorder=Recorder(predictions),
        asking=Asking(),
        events=events,
        event_commits=GroupCommit("events", events.add, weight_of_events),
        callers=open_callers(store, settings, clock),
        meter=meter,
        readiness=readiness,
        desks=desks,
        suppression=suppression,
        journal=journal,
        stories=Stories(journal),
        reports=Asking(n_threads=1, patience=REPORT_SECONDS),
    )


def _kept(service: Service) -> set[str] | None:
    model = service.models.model
    return None if model is None else kept_reasons(model.definition)


def _start(service: Service) -> None:
    # A database that is away must not keep the process from starting: it says so on /readyz, and
    # the watch tries again.
    try:
        service.store.migrate()
    except StoreUnavailable as error:
        log.warning("the tables could not be brought up to date: %s", error)
        if service.models.use_last_good():
            return
    with contextlib.suppress(StoreUnavailable):  # the watch tries again; callers are told 503
        service.callers.ring.refresh()
    if service.settings.access == "keys" and service.callers.ring.is_empty:
        log.info("no program can call yet: lead-serve key add --name first --scope score,read")
    service.models.refresh()
