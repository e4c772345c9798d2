"""One invented history, whole: what the company's systems hold, and the truth that nobody sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.leads import LeadHistory
from features.text import normalise
from training.worlds.activity import KINDS, Acts, draw_acts_after, draw_acts_before
from training.worlds.decisions import Decisions, decide
from training.worlds.leaks import LEAKS, plant_leaks
from training.worlds.people import People, cut_off, draw_people
from training.worlds.rendering import render_fields, written_times
from training.worlds.sales import (
    Judgement,
    SalesTeam,
    chance_if_worked,
    dislike,
    hire,
    judge,
    own_chance,
)
from training.worlds.settings import HORIZONS, WorldSettings
from training.worlds.truth import Fate, Truth, draw_fate, true_chances
from training.worlds.vocabulary import REPRESENTATIVES

__all__ = ["Progress", "World", "make_world", "silently"]

Progress = Callable[[str, float], None]
"""Called with what is being done and the share that is finished, 0 to 1."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class World:
    """An invented history; frames are shaped as those of `features.leads.LeadHistory`.

    Attributes
    ----------
    settings : WorldSettings
        What it was made from.
    cut_off : datetime
        The end of the training span. Everything later is the future.
    leads, fields, later : DataFrame
        All leads in order of arrival, those of the test span last; same index. Fields are as
        people typed them; the two parts hand them over as reading does.
    planted : DataFrame
        Planted columns that the packaged definition does not have, by their heading; same index.
    events, behaviours : DataFrame
        In order of time, the future included.
    truth : DataFrame
        By lead, same index: ``p_30`` … ``p_365`` = P(win within so many days | what can be seen,
        worked as usual); ``propensity`` = P(worked | what can be seen, handled); ``worked_90`` =
        P(win within 90 days | what can be seen, accepted); ``own_90`` = the same for this very
        lead, knowing what no field says; ``won_days`` = days to the win if worked (NaN: never);
        ``is_small``, ``is_webinar``, ``is_prejudiced``; ``handling``; ``part`` (train or test).
    """

    settings: WorldSettings
    cut_off: datetime
    leads: pd.DataFrame
    fields: pd.DataFrame
    later: pd.DataFrame
    planted: pd.DataFrame
    events: pd.DataFrame
    behaviours: pd.DataFrame
    truth: pd.DataFrame

    def training_part(self) -> LeadHistory:
        """Return what is known at the cut-off: leads, events and behaviours up to it."""
        rows = np.arange(self.settings.n_leads)
        return self._part(rows, until=self.cut_off)

    def test_part(self) -> LeadHistory:
        """Return the leads after the cut-off, with what they did before and after arriving.

        Events are left out: what became of them is in `truth`.
        """
        rows = np.arange(self.settings.n_leads, len(self.leads))
        return self._part(rows, until=None)

    def training_truth(self) -> pd.DataFrame:
        """Return the truth of `training_part`, same order."""
        return self.truth.iloc[: self.settings.n_leads].reset_index(drop=True)

    def test_truth(self) -> pd.DataFrame:
        """Return the truth of `test_part`, same order."""
        return self.truth.iloc[self.settings.n_leads :].reset_index(drop=True)

    def _part(self, rows: NDArray[np.int64], until: datetime | None) -> LeadHistory:
        leads = self.leads.iloc[rows].reset_index(drop=True)
        leads["sequence"] = np.arange(len(rows))
        events, behaviours = self.events, self.behaviours
        if until is None:
            events = events.iloc[:0]
        else:
            events = events[np.asarray(events["at"] <= until)]
            behaviours = behaviours[np.asarray(behaviours["at"] <= until)]
        events = events[np.asarray(events["lead_id"].isin(leads["lead_id"]))]
        behaviours = behaviours[np.asarray(behaviours["lead_id"].isin(leads["lead_id"]))]
        return LeadHistory(
            mode="history",
            leads=leads,
            fields=_as_read(self.fields.iloc[rows].reset_index(drop=True), leads["arrived_at"]),
            later=self.later.iloc[rows].reset_index(drop=True),
            events=events.reset_index(drop=True),
            behaviours=behaviours.reset_index(drop=True),
            findings=(),
        )


def make_world(settings: WorldSettings, progress: Progress | None = None) -> World:
    """Make the world of these settings; the same settings give the same world.

    Prejudice, rejection shift, audit share and leaks change what sales does and what is recorded,
    never who arrives or what is true of them.

    Raises
    ------
    WorldImpossible
        If a leak is unknown, or the rejection shift cannot be reached.
    """
    tell = progress or silently
    tell("leads arrive", 0.0)
    people = draw_people(settings)
    before, activity = draw_acts_before(settings.seed, people)
    truth = true_chances(people, activity, settings.unseen, settings.drift)
    fate = draw_fate(settings.seed, truth, settings.unseen)
    tell("sales is hired", 0.1)
    team = hire(settings)
    tell("sales decides", 0.4)
    judgement = judge(settings, team, people, truth, fate)
    decisions = decide(settings, people, fate, judgement)
    after = draw_acts_after(settings.seed, people, fate.winning_days)
    tell("forms are filled in", 0.6)
    lead_ids = _lead_ids(len(people.arrived))
    leaks = plant_leaks(settings, decisions, len(lead_ids))
    fields = pd.DataFrame(render_fields(settings.seed, people), dtype=object)
    tell("the books are written", 0.9)
    world = World(
        settings=settings,
        cut_off=_EPOCH + timedelta(microseconds=cut_off(settings)),
        leads=pd.DataFrame(
            {
                "lead_id": lead_ids,
                "arrived_at": _utc(people.arrived),
                "sequence": np.arange(len(lead_ids)),
            }
        ).astype({"lead_id": object}),
        fields=fields,
        later=_frame(
            {name: filled for name, filled in leaks.items() if name in _LATER}, len(lead_ids)
        ),
        planted=_frame(
            {LEAKS[name].heading: filled for name, filled in leaks.items() if name not in _LATER},
            len(lead_ids),
        ),
        events=_events(decisions, judgement, lead_ids),
        behaviours=_behaviours(before, after, lead_ids),
        truth=_truth(settings, people, truth, fate, team, decisions, judgement, lead_ids),
    )
    tell("the world is made", 1.0)
    return world


def silently(_what: str, _share: float) -> None:
    """Tell nobody."""


_LATER = ("sales_stage", "visit_count", "quote_amount")
"""Planted columns that are fields of the packaged definition, known later."""


def _as_read(fields: pd.DataFrame, arrived: pd.Series[Any]) -> pd.DataFrame:
    """Return fields as `features.leads.read_history` hands them over: normalised text."""
    read = {}
    for name in map(str, fields):
        texts = fields[name].tolist()
        normalised = {each: normalise(each) for each in set(texts) if each is not None}
        read[name] = [normalised.get(each) for each in texts]
    at = arrived.dt.tz_convert(None).to_numpy(dtype="datetime64[us]").view(np.int64)
    read["arrived_at"] = list(written_times(at, "{0}-{1}-{2}T{3}:{4}:{5}+09:00"))
    return pd.DataFrame(read, dtype=object)


def _lead_ids(n: int) -> NDArray[np.object_]:
    return np.array([f"L{1_000_000 + position}" for position in range(n)], dtype=object)


def _utc(at: NDArray[np.int64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(at.view("datetime64[us]")).tz_localize("UTC")


def _frame(columns: dict[str, NDArray[np.object_]], n: int) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.RangeIndex(n), dtype=object)


def _events(
    decisions: Decisions, judgement: Judgement, lead_ids: NDArray[np.object_]
) -> pd.DataFrame:
    n = len(decisions.lead)
    event_ids = np.array([f"D{1 + row:08d}" for row in range(n)], dtype=object)
    reason = decisions.reason.copy()
    for row in np.flatnonzero(decisions.kind == "retracted"):
        reason[row] = event_ids[reason[row]]
    actors = np.array(REPRESENTATIVES, dtype=object)[judgement.representative]
    return pd.DataFrame(
        {
            "lead_id": pd.Series(lead_ids[decisions.lead], dtype=object),
            "at": _utc(decisions.at),
            "kind": pd.Series(decisions.kind, dtype=object),
            "reason": pd.Series(reason, dtype=object),
            "amount": decisions.amount,
            "actor": pd.Series(actors[decisions.lead], dtype=object),
            "source": pd.Series(np.full(n, "SFA", dtype=object), dtype=object),
            "event_id": pd.Series(event_ids, dtype=object),
        }
    )


def _behaviours(before: Acts, after: Acts, lead_ids: NDArray[np.object_]) -> pd.DataFrame:
    lead = np.concatenate([before.lead, after.lead])
    at = np.concatenate([before.at, after.at])
    kind = np.concatenate([before.kind, after.kind])
    amount = np.concatenate([before.amount, after.amount])
    order = np.lexsort((kind, lead, at))
    kinds = np.array(KINDS, dtype=object)
    return pd.DataFrame(
        {
            "lead_id": pd.Series(lead_ids[lead[order]], dtype=object),
            "at": _utc(at[order]),
            "kind": pd.Series(kinds[kind[order]], dtype=object),
            "amount": amount[order],
        }
    )


def _truth(
    settings: WorldSettings,
    people: People,
    truth: Truth,
    fate: Fate,
    team: SalesTeam,
    decisions: Decisions,
    judgement: Judgement,
    lead_ids: NDArray[np.object_],
) -> pd.DataFrame:
    n = len(lead_ids)
    columns: dict[str, Any] = {
        "lead_id": pd.Series(lead_ids, dtype=object),
        "part": pd.Series(
            np.where(np.arange(n) < settings.n_leads, "train", "test").astype(object), dtype=object
        ),
    }
    columns |= {f"p_{days}": truth.chances[:, place] for place, days in enumerate(HORIZONS)}
    return pd.DataFrame(
        columns
        | {
            "worked_90": chance_if_worked(team, people, truth, settings.unseen),
            "own_90": own_chance(truth, fate, settings.unseen),
            "propensity": judgement.propensity,
            "won_days": np.where(np.isfinite(fate.winning_days), fate.winning_days, np.nan),
            "is_small": people.is_small,
            "is_webinar": people.is_webinar,
            "is_prejudiced": dislike(people) > 0,
            "handling": pd.Series(decisions.handling.astype(object), dtype=object),
        }
    )
