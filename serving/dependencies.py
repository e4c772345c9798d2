"""What routes are given: the parts of the running service and the caller's language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query, Request

from serving.decision.desk import DeskKeeper
from serving.decision.stories import Stories
from serving.decision.suppression import Suppression
from serving.guard.entry import Callers
from serving.model_life.approving import Approver
from serving.model_life.holder import ModelHolder
from serving.model_life.registry import Registry
from serving.model_life.registry_watch import RegistryWatch
from serving.process.metrics import Meter
from serving.process.readiness import Readiness
from serving.records.asking import Asking
from serving.records.events import EventService
from serving.records.recorder import GroupCommit, Recorder
from serving.scoring.service import ScoreService
from serving.settings import ServeSettings
from serving.store import Approvals, Clash, Event, Events, Predictions, Store
from serving.store.insight import Journal
from serving.texts import Language, choose_language

__all__ = ["LanguageDep", "Service", "ServiceDep", "language_for", "language_of"]


@dataclass(frozen=True)
class Service:
    """The running service; one for each app, made and closed by its lifespan."""

    settings: ServeSettings
    clock: Callable[[], datetime]
    store: Store
    predictions: Predictions
    approvals: Approvals
    models: ModelHolder
    registry: Registry
    proposals: RegistryWatch
    approver: Approver
    recorder: Recorder
    asking: Asking
    events: Events
    event_commits: GroupCommit[Sequence[Event], tuple[Clash, ...]]
    callers: Callers
    meter: Meter
    readiness: Readiness
    desks: DeskKeeper
    suppression: Suppression
    journal: Journal
    stories: Stories
    reports: Asking

    def scoring(self) -> ScoreService:
        """Return the use case of scoring with the model that serves now.

        Raises
        ------
        NoModel
            If there is none.
        """
        return ScoreService(self.models.require(), self.clock, self.settings.factors)

    def recording(self) -> EventService:
        """Return the use case of recording events, by the definition that serves now, if any."""
        model = self.models.model
        return EventService(self.events, self.clock, None if model is None else model.definition)


def get_service(request: Request) -> Service:
    """Return the service of the app that got the request."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]


def language_for(service: Service, request: Request, asked: str | None) -> Language:
    """Return the language of an answer: asked for, accepted, set, or the definition's."""
    return language_of(service, request.headers.get("accept-language"), asked)


def language_of(service: Service, accepted: str | None, asked: str | None) -> Language:
    """Return the same from the Accept-Language header's own text."""
    model = service.models.model
    default: Language = "ja" if model is None else model.definition.language
    return choose_language(asked, accepted, service.settings.language or default)


def get_language(
    request: Request, service: ServiceDep, lang: Annotated[str | None, Query(max_length=20)] = None
) -> Language:
    """Return the language of a page."""
    return language_for(service, request, lang)


LanguageDep = Annotated[Language, Depends(get_language)]
