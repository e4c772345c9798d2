"""The model that serves: the newest approved one that is whole, swapped by one assignment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import ArtefactRefused
from features.factors import Evidence, Factor, Shown
from features.scorer import LeadScorer
from features.wording import sentence, short
from serving.decide import Desk, make_desk
from serving.errors import NoModel, StoreUnavailable
from serving.line import break_even_line, week_of
from serving.store import Approval, Approvals

__all__ = ["FactorTexts", "ModelHolder", "ServingModel", "load_approved"]

log = logging.getLogger("lead_serve")

_MOST_TEXTS = 20_000


@dataclass(frozen=True, slots=True)
class FactorTexts:
    """A factor in words: short for flat answers, whole sentences for people."""

    short_ja: str
    short_en: str
    ja: str
    en: str


class ServingModel:
    """An approved model, never changed once made.

    Attributes
    ----------
    scorer : LeadScorer
        Verified when it was loaded.
    approval : Approval
        Who let it serve, when and why.
    warning : str
        Why a newer approved model is not serving; empty when this is the newest.
    known : frozenset of str
        Fields and behaviours that a lead may be scored on.
    storable : frozenset of str
        Those of them that may be recorded as they were given: the ones that are not personal.
    desk : Desk
        Decides about leads; the one part that changes, with the week, by one assignment.
    pages : dict
        What the explanation page shows, by language; drawn once for each model.
    """

    def __init__(self, scorer: LeadScorer, approval: Approval, warning: str = "") -> None:
        self.scorer = scorer
        self.definition = scorer.definition
        self.approval = approval
        self.warning = warning
        usable, behaviours = self.definition.usable_fields, self.definition.behaviours
        self.known = frozenset(usable) | frozenset(behaviours)
        self.storable = self.known - {name for name, field in usable.items() if field.personal}
        self.desk: Desk = _first_desk(scorer, approval)
        self._channel, self._channels = _channels(scorer)
        self.pages: dict[str, Mapping[str, Any]] = {}
        self._texts: dict[tuple[str, Shown, Evidence | None, bool], FactorTexts] = {}

    def channel_of(self, codes: Sequence[int]) -> str | None:
        """Return the channel that a lead's codes tell: a level, ``other`` or ``missing``."""
        return None if self._channel is None else self._channels[codes[self._channel]]

    @property
    def line(self) -> float:
        """Probability at which a lead is handed off this week."""
        return self.desk.line.line

    def texts_of(self, factor: Factor) -> FactorTexts:
        """Return a factor's words; made once for each value and kept."""
        key = (factor.input, factor.shown, factor.evidence, factor.is_rare)
        found = self._texts.get(key)
        if found is None:
            found = FactorTexts(
                short(self.scorer.encoder, factor, "ja"),
                short(self.scorer.encoder, factor, "en"),
                sentence(self.scorer.encoder, factor, "ja"),
                sentence(self.scorer.encoder, factor, "en"),
            )
            if len(self._texts) < _MOST_TEXTS:
                self._texts[key] = found
        return found


def _first_desk(scorer: LeadScorer, approval: Approval) -> Desk:
    """Return the desk until the week's line is known: break-even."""
    definition, made_at = scorer.definition, approval.approved_at
    week = week_of(made_at, definition.zone)
    line = break_even_line(definition, approval.model_name, approval.digest, week, made_at)
    return make_desk(line, definition, is_provisional=True)


def _channels(scorer: LeadScorer) -> tuple[int | None, tuple[str, ...]]:
    """Return where the channel stands among the inputs (None: it never varied), and its values."""
    name = scorer.definition.channel_field
    for position, given in enumerate(scorer.encoder.inputs):
        if given.name == name:
            return position, ("missing", "other", *given.levels)
    return None, ()


def load_approved(folder: Path, approvals: Approvals, model_name: str) -> ServingModel | None:
    """Return the newest approved model that is whole, or None when there is none.

    A damaged or missing one is passed over with a warning, and the one approved before it serves.

    Raises
    ------
    StoreUnavailable
        If the approvals cannot be read.
    """
    warning = ""
    refused: set[str] = set()
    for approval in approvals.newest_first(model_name):
        if approval.digest in refused:
            continue
        try:
            return ServingModel(_load(folder, approval), approval, warning)
        except ArtefactRefused as error:
            refused.add(approval.digest)
            message = f"Approved version {approval.version} cannot serve: {error}"
            log.warning("%s", message)
            warning = warning or message
    return None


def _load(folder: Path, approval: Approval) -> LeadScorer:
    scorer = LeadScorer.load(folder / approval.digest)
    if scorer.model_digest != approval.digest:
        raise ArtefactRefused(
            "The folder holds another model than the one approved. Approve it again."
        )
    return scorer


class ModelHolder:
    """Holds the serving model and looks for a newer approval now and then.

    Parameters
    ----------
    load : callable
        Gives the newest whole model; may raise StoreUnavailable.
    newest : callable
        Gives the newest approval, to see cheaply whether anything changed.
    """

    def __init__(
        self, load: Callable[[], ServingModel | None], newest: Callable[[], Approval | None]
    ) -> None:
        self._load = load
        self._newest = newest
        self._seen: Approval | None = None
        self._model: ServingModel | None = None

    @property
    def model(self) -> ServingModel | None:
        """The serving model, or None."""
        return self._model

    def require(self) -> ServingModel:
        """Return the serving model.

        Raises
        ------
        NoModel
            If there is none yet.
        """
        if self._model is None:
            raise NoModel(
                'No approved model is loaded. Approve one: lead-serve approve VERSION --why "…".'
            )
        return self._model

    def refresh(self) -> bool:
        """Load what was approved since; return whether the model changed.

        A reader holds either the old model or the new one, whole. When nothing newer is whole, the
        old one goes on.
        """
        try:
            newest = self._newest()
            if newest == self._seen:
                return False
            loaded = self._load()
        except StoreUnavailable as error:
            log.warning("approvals cannot be read: %s", error)
            return False
        self._seen = newest
        if loaded is None:
            return False
        self._model = loaded
        log.info("serving version %s (%s…)", loaded.approval.version, loaded.approval.digest[:12])
        return True

    async def watch(self, seconds: float) -> None:
        """Refresh every so many seconds until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self.refresh)
