"""A model that serves, with what answers are made of; `holder` says which one it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from features.scorer import LeadScorer
from features.stand_ins import STOOD_IN
from serving.decision.decide import Desk, make_desk
from serving.decision.line import break_even_line, week_of
from serving.scoring.telling import Telling
from serving.store import Approval

__all__ = ["ServingModel"]


class ServingModel:
    """An approved model, never changed once made.

    Attributes
    ----------
    scorer : LeadScorer
        Verified when it was loaded.
    approval : Approval
        Who let it serve, when and why.
    known : frozenset of str
        Fields and behaviours that a lead may be scored on.
    storable : frozenset of str
        Those of them that may be recorded as they were given: the ones that are not personal.
    stand_ins : tuple of (str, str, frozenset of str)
        Fields of which a stand-in may be recorded: name, type, domains that the model knows.
    desk : Desk
        Decides about leads; the one part that changes, with the week, by one assignment.
    telling : Telling
        The parts of answers that are the same for every lead.
    pages : dict
        What the explanation page shows, by language; drawn once for each model.
    """

    def __init__(self, scorer: LeadScorer, approval: Approval) -> None:
        self.scorer = scorer
        self.definition = scorer.definition
        self.approval = approval
        usable, behaviours = self.definition.usable_fields, self.definition.behaviours
        self.known = frozenset(usable) | frozenset(behaviours)
        self.storable = self.known - {name for name, field in usable.items() if field.personal}
        self.stand_ins = tuple(_stand_ins(scorer))
        self.desk: Desk = _first_desk(scorer, approval)
        self.telling = Telling(scorer, approval)
        self._channel, self._channels = _channels(scorer)
        self.pages: dict[str, Mapping[str, Any]] = {}

    def channel_of(self, codes: Sequence[int]) -> str | None:
        """Return the channel that a lead's codes tell: a level, ``other`` or ``missing``."""
        return None if self._channel is None else self._channels[codes[self._channel]]

    @property
    def line(self) -> float:
        """Probability at which a lead is handed off this week."""
        return self.desk.line.line


def _stand_ins(scorer: LeadScorer) -> Iterator[tuple[str, str, frozenset[str]]]:
    levels = {given.name: frozenset(given.levels) for given in scorer.encoder.inputs}
    for name, field in scorer.definition.usable_fields.items():
        if field.type in STOOD_IN and (field.personal or field.type == "text"):
            yield name, field.type, levels.get(f"{name}.domain", frozenset())


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
