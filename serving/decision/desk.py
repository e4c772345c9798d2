"""Keeps the desk of the serving model up to date: its week, its line, who is not for sales.

All of it happens beside the requests. A desk is swapped by one assignment, so a request sees the
old week or the new one, whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from serving.decision.decide import make_desk
from serving.decision.line import Line, draw_line, history_begins, midnight, week_of
from serving.errors import StoreUnavailable
from serving.process.watching import look_every

if TYPE_CHECKING:
    from serving.decision.suppression import Suppression
    from serving.model_life.models import ServingModel
    from serving.store.lines import Lines

__all__ = ["DESK_SECONDS", "DeskKeeper"]

log = logging.getLogger("lead_serve")

DESK_SECONDS = 2.0
"""How soon a new week, and what another worker was told, take effect."""


class DeskKeeper:
    """Gives a model its desk.

    Parameters
    ----------
    lines : Lines
        The lines drawn so far, and the arrivals for the next one.
    suppression : Suppression
        Who is not for sales.
    clock : callable
        Gives the present, with a time zone.
    """

    def __init__(
        self, lines: Lines, suppression: Suppression, clock: Callable[[], datetime]
    ) -> None:
        self._lines = lines
        self._suppression = suppression
        self._clock = clock
        self._is_away = False

    def refresh(self, model: ServingModel) -> bool:
        """Bring a model's desk up to date; return whether the line is the stored one of this week.

        While the database is away, the last known line goes on, at first break-even.
        """
        is_away = self._is_read_away(model)
        now = self._clock()
        week = week_of(now, model.definition.zone)
        desk, leads = model.desk, self._suppression.leads
        is_current = desk.line.week == week and desk.suppressed is leads
        if is_current and not desk.is_provisional:
            return True
        try:
            line = None if is_away else self._line(model, now)
        except StoreUnavailable as error:
            log.warning("the line of the week cannot be drawn: %s", error)
            line = None
        if line is not None:
            model.desk = make_desk(line, model.definition, leads)
            log.info("line of the week of %s: %.4f", week, line.line)
        elif not is_current:
            kept = replace(desk.line, week=week)
            model.desk = make_desk(kept, model.definition, leads, is_provisional=True)
        return line is not None

    async def watch(self, serving: Callable[[], ServingModel | None], seconds: float) -> None:
        """Refresh the serving model's desk every so many seconds until cancelled."""

        def look() -> None:
            model = serving()
            if model is not None:
                self.refresh(model)

        await look_every(seconds, look, "keeping the week's line")

    def _is_read_away(self, model: ServingModel) -> bool:
        was_away = self._is_away
        try:
            self._suppression.refresh(model.definition.reasons)
            self._is_away = False
        except StoreUnavailable as error:
            self._is_away = True
            if not was_away:
                log.warning("who is not for sales cannot be read: %s", error)
        return self._is_away

    def _line(self, model: ServingModel, now: datetime) -> Line:
        definition, approval = model.definition, model.approval
        week = week_of(now, definition.zone)
        stored = self._lines.of(week, approval.model_name, approval.digest)
        if stored is not None:
            return stored
        since, until = history_begins(week, definition.zone), midnight(week, definition.zone)
        arrivals = self._lines.arrivals(since, until)
        return self._lines.add(
            draw_line(arrivals, definition, approval.model_name, approval.digest, week, now)
        )
