"""The model's word beside what was observed: curves with rates, and signs that disagree.

Rates are those of ``reference.json`` (`training.reference`): worked leads, won within the main
horizon, by Kaplan and Meier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from features.encoder import MISSING, OTHER, Input
from features.factors import MIN_CASES, MIN_POINTS, shown_value
from features.scorer import POINTS_PER_LOGIT, LeadScorer
from features.wording import value_text
from training.labels import HistoryLabels
from training.linear import log_odds
from training.metrics import wilson_interval
from training.reference import describe_past

if TYPE_CHECKING:
    from training.recipe import Learned

__all__ = ["Dependence", "PastLeads", "Sign", "Words"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Words = Mapping[str, str]
"""A text by language, ``ja`` and ``en``."""

MOST_FIELDS = 8
MOST_LEVELS = 16

_NOT_SHOWN: Words = {"ja": "(個人情報のため値は示しません)", "en": "(personal: value not shown)"}


@dataclass(frozen=True, slots=True)
class Sign:
    """A value whose worked leads won clearly more or less often than all, beside the model's word.

    Attributes
    ----------
    field : str
        Input, as `features.wording.input_name` takes it: the field, or ``job_title.rank``.
    value : mapping of str to str
        Value or range in words, by language; not shown for a personal field.
    points : float
        Mean contribution to the score of such leads.
    observed_points : float
        The observed difference on the same scale: log-odds of their rate against the overall one.
    rate, overall : float
        Share won, 0 to 1.
    n : int
        Worked leads with the value.
    agrees : bool
        Whether the contribution does not point the other way by more than a twentieth of a point.
    score_agrees : bool
        Whether the *whole* score of such leads lies on the observed side of the average: if it
        does, other fields account for the difference.
    words : mapping of str to str
        What to make of it, by language; empty where it agrees.
    """

    field: str
    value: Words
    points: float
    observed_points: float
    rate: float
    overall: float
    n: int
    agrees: bool
    score_agrees: bool
    words: Words


@dataclass(frozen=True, slots=True)
class Dependence:
    """The curve of one input at the main horizon, with what was observed.

    Attributes
    ----------
    field : str
        Input, as `features.wording.input_name` takes it.
    kind : {"number", "category"}
        Numbers come in order, missing first; categories with the most points first.
    bands : tuple of mapping
        ``label`` (by language), ``points`` (of the exact curve, averaged over the past leads in the
        band), ``n`` (worked leads), ``rate`` (0 to 1; None below 30 of them).
    left_out : int
        Rarer category values that are not among `bands`.
    """

    field: str
    kind: str
    bands: tuple[Mapping[str, Any], ...]
    left_out: int


@dataclass(frozen=True, eq=False)
class PastLeads:
    """Worked leads with what the model says of them and what became of them.

    Attributes
    ----------
    scorer : LeadScorer
        The model.
    bands : sequence of sequence of mapping
        For each input: ``from``, ``to`` (codes), ``n``, ``rate`` (``reference.json``).
    overall : float
        Share won among all worked leads, 0 to 1.
    counts : sequence of ndarray
        For each input, past leads of each code.
    codes : ndarray of int32, shape (n_worked, n_inputs)
        Codes of the worked leads.
    is_told : ndarray of bool, shape (n_worked,)
        Won, or followed for the whole main horizon: the leads behind an interval.
    """

    scorer: LeadScorer
    bands: Sequence[Sequence[Mapping[str, Any]]]
    overall: float
    counts: Sequence[NDArray[np.intp]]
    codes: Codes
    is_told: NDArray[np.bool_]

    @classmethod
    def of(cls, scorer: LeadScorer, learned: Learned) -> Self:
        """Put together what a model has learnt from; its reference is made where it has none."""
        reference = scorer.reference
        if not reference.get("inputs"):
            reference = describe_past(scorer, learned.codes, learned.labels)
        labels, worked = learned.labels, learned.labels.worked
        is_told = worked
        if isinstance(labels, HistoryLabels):
            worked = worked & (labels.until_days >= labels.entry_days)
            is_won = labels.won_days <= labels.follow_up_days
            is_told = is_won | (labels.follow_up_days >= scorer.main_horizon)
        past = learned.codes[learned.rows]
        return cls(
            scorer,
            reference["inputs"],
            float(reference["overall"]["rate"] or 0.0),
            [
                np.bincount(past[:, position], minlength=given.size)
                for position, given in enumerate(scorer.encoder.inputs)
            ],
            learned.codes[worked],
            is_told[worked],
        )

    def signs(self) -> list[Sign]:
        """Return every value with a clear observed difference; those that disagree first.

        Clear: Wilson's 95 % interval of the rate excludes the overall rate, on 30 worked leads or
        more. One value in twenty without any difference looks clear by chance.
        """
        tables, main = self.scorer.tables, self.scorer.main_horizon
        parts = tables.contributions(self.codes, main) * POINTS_PER_LOGIT
        whole = tables.logits(self.codes)[:, tables.position(main)]
        whole = whole - whole.mean() if len(whole) else whole
        found = [
            sign
            for position, given in enumerate(self.scorer.encoder.inputs)
            for band in self.bands[position]
            if (sign := self._sign(position, given, band, parts[:, position], whole)) is not None
        ]
        return sorted(found, key=lambda sign: (sign.agrees, -abs(sign.observed_points)))

    def dependence(self, fields: Sequence[str]) -> list[Dependence]:
        """Return the curves of the first fields given that are not personal, eight at most."""
        shown = [field for field in fields if not self._is_personal(field)][:MOST_FIELDS]
        inputs = self.scorer.encoder.inputs
        return [
            self._curve(position, inputs[position])
            for field in shown
            for position in self.scorer.encoder.positions[field]
        ]

    def _sign(
        self,
        position: int,
        given: Input,
        band: Mapping[str, Any],
        points: Floats,
        whole: Floats,
    ) -> Sign | None:
        own = self.codes[:, position]
        members = (own >= band["from"]) & (own <= band["to"])
        n, rate = int(members.sum()), band["rate"]
        n_told = int(self.is_told[members].sum())
        if rate is None or n < MIN_CASES or n == len(own):
            return None
        low, high = wilson_interval(rate * n_told, n_told)
        if low <= self.overall <= high:
            return None
        side = 1.0 if rate > self.overall else -1.0
        added, score_agrees = float(points[members].mean()), bool(side * whole[members].mean() > 0)
        agrees = side * added > -MIN_POINTS
        least = 0.5 / n_told
        logits = log_odds(np.clip([rate, self.overall], least, 1.0 - least))
        return Sign(
            given.name,
            self._label(given, band),
            added,
            float(logits[0] - logits[1]) * POINTS_PER_LOGIT,
            float(rate),
            self.overall,
            n,
            agrees,
            score_agrees,
            {} if agrees else _words(side > 0, score_agrees),
        )

    def _curve(self, position: int, given: Input) -> Dependence:
        horizon = self.scorer.tables.position(self.scorer.main_horizon)
        curve = self.scorer.tables.mains[horizon][position] * POINTS_PER_LOGIT
        counts = self.counts[position]
        bands = [band for band in self.bands[position] if _leads_in(counts, band)]
        kept = bands
        if given.kind == "category":
            told = [band for band in bands if band["from"] > OTHER]
            told.sort(key=lambda band: -_leads_in(counts, band))
            kept = [band for band in bands if band["from"] <= OTHER] + told[:MOST_LEVELS]
        rows: list[dict[str, Any]] = []
        for band in kept:
            chosen = slice(int(band["from"]), int(band["to"]) + 1)
            rows.append(
                {
                    "label": self._label(given, band),
                    "points": float(np.average(curve[chosen], weights=counts[chosen])),
                    "n": int(band["n"]),
                    "rate": None if band["rate"] is None else float(band["rate"]),
                }
            )
        if given.kind == "category":
            rows.sort(key=lambda row: -row["points"])
        return Dependence(given.name, given.kind, tuple(rows), len(bands) - len(kept))

    def _label(self, given: Input, band: Mapping[str, Any]) -> Words:
        code = int(band["from"])
        if self._is_personal(given.field) and code != MISSING:
            return _NOT_SHOWN
        shown = shown_value(given, code, band if given.kind == "number" else None)
        return {
            language: value_text(self.scorer.encoder, given.name, shown, language)
            for language in ("ja", "en")
        }

    def _is_personal(self, field: str) -> bool:
        agreed = self.scorer.definition.fields.get(field)
        return agreed is not None and agreed.personal


def _leads_in(counts: NDArray[np.intp], band: Mapping[str, Any]) -> int:
    return int(counts[int(band["from"]) : int(band["to"]) + 1].sum())


def _words(won_more: bool, score_agrees: bool) -> Words:
    """Say that a contribution points the other way, and what the whole score does."""
    if won_more:
        ja = "この値は点数を下げますが、実際は平均より多く受注しています。"
        en = "Lowers the score, though such leads won more often"
    else:
        ja = "この値は点数を上げますが、実際の受注は平均より少なめです。"
        en = "Raises the score, though such leads won less often"
    if score_agrees:
        return {
            "ja": f"{ja}ほかの項目が差を説明しており、合計の点数は実績と同じ向きです。",
            "en": f"{en}: other fields account for it, and the whole score points the right way.",
        }
    return {
        "ja": f"{ja}合計の点数も実績と逆向きなので、ご確認ください。",
        "en": f"{en}, and the whole score points the wrong way too: look here.",
    }
