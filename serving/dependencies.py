"""What routes are given: the parts of the running service and the caller's language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query, Request

from serving.models import ModelHolder
from serving.recorder import Recorder
from serving.scoring import ScoreService
from serving.settings import ServeSettings
from serving.store import Approvals, Predictions, Store
from serving.texts import Language, choose_language

__all__ = ["LanguageDep", "Service", "ServiceDep", "language_for"]


@dataclass(frozen=True)
class Service:
    """The running service; one for each app, made and closed by its lifespan."""

    settings: ServeSettings
    clock: Callable[[], datetime]
    store: Store
    predictions: Predictions
    approvals: Approvals
    models: ModelHolder
    recorder: Recorder

    def scoring(self) -> ScoreService:
        """Return the use case of scoring with the model that serves now.

        Raises
        ------
        NoModel
            If there is none.
        """
        return ScoreService(self.models.require(), self.clock, self.settings.factors)


def get_service(request: Request) -> Service:
    """Return the service of the app that got the request."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]


def language_for(service: Service, request: Request, asked: str | None) -> Language:
    """Return the language of an answer: asked for, accepted, set, or the definition's."""
    model = service.models.model
    default: Language = "ja" if model is None else model.definition.language
    return choose_language(
        asked, request.headers.get("accept-language"), service.settings.language or default
    )


def get_language(
    request: Request, service: ServiceDep, lang: Annotated[str | None, Query(max_length=20)] = None
) -> Language:
    """Return the language of a page."""
    return language_for(service, request, lang)


LanguageDep = Annotated[Language, Depends(get_language)]
