"""Which model serves: the newest approved one that is whole, swapped by one assignment.

Once a model serves, one always does; and never an older one than was reported, unless somebody
approved the older one again.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from features.errors import ArtefactRefused
from features.factors import strongest
from features.golden import golden_leads
from features.scorer import LeadScorer
from serving.errors import NoModel, StoreUnavailable
from serving.model_life.last_good import LastGood
from serving.model_life.models import ServingModel
from serving.process.watching import look_every
from serving.store import Approval

__all__ = ["ModelHolder", "folder_of", "load_approved", "load_model"]

log = logging.getLogger("lead_serve")

MOST_FACTORS = 5
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PASSING = {"file_missing", "file_unreadable"}
"""Reasons that may go away by themselves: a shared folder that is late, a right that is missing."""


class GivenApprovals(Protocol):
    """Where approvals are read; `serving.store.Approvals` is one."""

    def newest(self, model_name: str) -> Approval | None:
        """Return the approval that was given last, or None; may raise StoreUnavailable."""

    def newest_first(self, model_name: str) -> list[Approval]:
        """Return all approvals; may raise StoreUnavailable."""


def folder_of(models: Path, approval: Approval) -> Path:
    """Return the folder of an approved model: named by its digest, or by its manifest's.

    Raises
    ------
    ArtefactRefused
        If the approval names no digest; nothing else becomes a part of a path.
    """
    digests = [one for one in (approval.manifest_digest, approval.digest) if one is not None]
    if not all(_DIGEST.fullmatch(one) for one in digests):
        raise ArtefactRefused("The approval names no digest. Approve the model again.")
    named = [models / one for one in digests]
    return next((folder for folder in named if folder.is_dir()), named[-1])


def load_model(models: Path, approval: Approval) -> ServingModel:
    """Return an approved model, verified again and warm.

    Raises
    ------
    ArtefactRefused
        If it is not whole, or not the one that was approved.
    """
    try:
        scorer = LeadScorer.load(folder_of(models, approval), approval.manifest_digest)
    except OSError as error:
        raise ArtefactRefused(
            f"The models' folder cannot be read ({type(error).__name__}). Check its permissions.",
            "file_unreadable",
        ) from error
    except MemoryError as error:
        raise ArtefactRefused(
            "The model needs more memory than there is. Train a smaller one.", "trial_failed"
        ) from error
    if scorer.model_digest != approval.digest:
        raise ArtefactRefused(
            "The folder holds another model than the one approved. Approve it again.",
            "not_approved",
        )
    try:
        model = ServingModel(scorer, approval)
        _warm_up(model)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ArtefactRefused(
            f"The model cannot give reasons ({type(error).__name__}). Publish it again."
        ) from error
    return model


def load_approved(models: Path, approvals: GivenApprovals, model_name: str) -> ServingModel | None:
    """Return the newest approved model that is whole, or None when there is none.

    Raises
    ------
    StoreUnavailable
        If the approvals cannot be read.
    """
    return _newest_whole(models, approvals.newest_first(model_name), None)[0]


def _newest_whole(
    models: Path, given: Sequence[Approval], serving: ServingModel | None
) -> tuple[ServingModel | None, dict[str, str]]:
    """Return the model, and what was passed over: in words, with the code.

    The one that serves is not loaded again: it is whole, whatever became of its folder.
    """
    tried: set[tuple[str, str | None]] = set()
    refused: dict[str, str] = {}
    for approval in given:
        if serving is not None and approval == serving.approval:
            return serving, refused
        key = approval.digest, approval.manifest_digest
        if key in tried:
            continue
        tried.add(key)
        try:
            return load_model(models, approval), refused
        except ArtefactRefused as error:
            told = f"Approved version {approval.version} cannot serve ({error.code}): {error}"
            refused[told] = error.code
    return None, refused


def _warm_up(model: ServingModel) -> None:
    """Answer as requests will: what is made on first use is made now, and faults show here."""
    scorer = model.scorer
    leads = list(golden_leads(scorer))
    for scored in scorer.score_many(leads):
        found = strongest(scored.by_field, MOST_FACTORS)
        model.telling.factors(scored, found.raising + found.lowering)


class ModelHolder:
    """Holds the serving model and looks for a newer approval now and then.

    Parameters
    ----------
    models : Path
        Folder of the approved models.
    approvals : GivenApprovals
        Says what may serve.
    model_name : str
        The registered model whose approvals count.
    prepare : callable
        Gets a model ready before it serves, with what is not its own: the week's line.

    Attributes
    ----------
    warning : str
        Why a newer approved model is not serving, or why it is not known; empty when all is well.
    refused : Counter of str
        How many approved models were refused, by reason.
    approved : frozenset of str
        The versions that somebody approved.
    """

    def __init__(
        self,
        models: Path,
        approvals: GivenApprovals,
        model_name: str,
        prepare: Callable[[ServingModel], object] = lambda _: None,
    ) -> None:
        self._models = models
        self._approvals = approvals
        self._name = model_name
        self._prepare = prepare
        self._last_good = LastGood(models, model_name)
        self._model: ServingModel | None = None
        self._seen: Approval | None = None
        self._asks_again = False
        self._told: set[str] = set()
        self._one_at_a_time = threading.Lock()
        self._is_away = False
        self.warning = ""
        self.refused: Counter[str] = Counter()
        self.approved: frozenset[str] = frozenset()

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
        old one goes on; while the approvals cannot be read, what served last does.
        """
        with self._one_at_a_time:
            try:
                newest = self._approvals.newest(self._name)
                if newest == self._seen and not self._asks_again:
                    return False
                given = self._approvals.newest_first(self._name)
            except StoreUnavailable as error:
                if not self._is_away:
                    log.warning("approvals cannot be read: %s", error)
                self._is_away = True
                return self._model is None and self.use_last_good()
            self._is_away = False
            return self._choose(given)

    def use_last_good(self) -> bool:
        """Serve what served last, without the database; return whether there was one."""
        approval = self._last_good.read()
        if approval is None:
            return False
        try:
            found = load_model(self._models, approval)
        except ArtefactRefused as error:
            self._refuse({f"What served last cannot serve ({error.code}): {error}": error.code})
            return False
        self._prepare(found)
        self._model = found
        self.warning = (
            f"The database does not answer; version {approval.version} serves as it did last."
        )
        log.warning("%s", self.warning)
        return True

    async def watch(self, seconds: float) -> None:
        """Refresh every so many seconds until cancelled."""
        await look_every(seconds, self.refresh, "looking for approvals")

    def _choose(self, given: Sequence[Approval]) -> bool:
        found, refused = _newest_whole(self._models, given, self._model)
        self._refuse(refused)
        self._seen = given[0] if given else None
        self.approved = frozenset(one.version for one in given)
        self._asks_again = bool(_PASSING & set(refused.values()))
        self.warning = next(iter(refused), "")
        if found is None or found is self._model:
            return False
        self._prepare(found)
        self._model = found
        self._last_good.write(found.approval)
        approval = found.approval
        log.info("serving version %s (%s…)", approval.version, approval.digest[:12])
        return True

    def _refuse(self, refused: Mapping[str, str]) -> None:
        for told, code in refused.items():
            if told not in self._told:  # once, not at every try
                log.warning("%s", told, extra={"code": code})
                self.refused[code] += 1
        self._told = set(refused)
