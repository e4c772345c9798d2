"""The application: parts made when it starts, closed when it ends, nothing global."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial

from fastapi import FastAPI

from serving.dependencies import Service
from serving.errors import StoreUnavailable, add_error_handlers
from serving.limits import MIB, BodyLimit, Envelope
from serving.models import ModelHolder, load_approved
from serving.pages import add_pages
from serving.recorder import Recorder
from serving.routes import health, leads, model, score
from serving.settings import ServeSettings
from serving.store import Approval, Approvals, Predictions, open_store

__all__ = ["create_app"]

log = logging.getLogger("lead_serve")

WATCH_SECONDS = 5.0
"""How often a newer approval is looked for."""


def _now() -> datetime:
    return datetime.now(UTC)


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

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = _make_service(settings, clock)
        app.state.service = service
        await asyncio.to_thread(_start, service)
        await service.recorder.start()
        watching = asyncio.create_task(service.models.watch(watch_seconds))
        try:
            yield
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            await service.recorder.stop()
            service.store.close()

    # The framework's own documentation pages load scripts from elsewhere; the schema stays.
    app = FastAPI(
        title="Lead quality",
        summary="Scores sales leads and says why, in Japanese and English.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    for routes in (score, leads, model, health):
        app.include_router(routes.router)
    add_pages(app)
    add_error_handlers(app)
    app.add_middleware(BodyLimit, limits={score.BATCH_PATH: 16 * MIB})
    app.add_middleware(Envelope)
    return app


def _make_service(settings: ServeSettings, clock: Callable[[], datetime]) -> Service:
    store = open_store(settings.database_address)
    approvals, predictions = Approvals(store), Predictions(store)

    def newest() -> Approval | None:
        return next(iter(approvals.newest_first(settings.model_name)), None)

    load = partial(load_approved, settings.models_folder, approvals, settings.model_name)
    return Service(
        settings=settings,
        clock=clock,
        store=store,
        predictions=predictions,
        approvals=approvals,
        models=ModelHolder(load, newest),
        recorder=Recorder(predictions),
    )


def _start(service: Service) -> None:
    # A database that is away must not keep the process from starting: it says so on /readyz, and
    # the watch tries again.
    try:
        service.store.migrate()
    except StoreUnavailable as error:
        log.warning("the tables could not be brought up to date: %s", error)
    service.models.refresh()
