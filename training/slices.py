"""The same figures for parts of the leads: a model may be right on average and wrong for some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.definition import LeadDefinition, LeadField, Names
from features.encoder import LeadEncoder
from features.factors import Shown
from features.past_leads import value_columns
from features.wording import LANGUAGES, number_text, value_text
from training.documents import figures_of, finite
from training.judging import CHAMPION, STUDENT
from training.metrics import Interval, log_loss, predicted_over_observed, weighted_rate

if TYPE_CHECKING:
    from features.leads import LeadHistory
    from training.rolling import RollingJudgement

__all__ = ["MIN_LEADS", "Slice", "find_slices", "sliced_fields"]

MIN_LEADS = 30
"""Below so many leads a part shows nothing."""
_MOST_VALUES = 12
_MOST_FIELDS = 8
_NOT_GIVEN = Names(ja="記入なし", en="Not given")

Values = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Slice:
    """The leads of one value of a field, at the main horizon.

    Attributes
    ----------
    field, value : str
        Field and code of the value; a range of numbers is written out; empty where not given.
    field_names, value_names : Names
        The same for people.
    n, n_won : int
        Leads whose outcome can be told, and wins among them.
    promised : float
        Mean probability of the student.
    observed : Interval
        Share won.
    predicted_over_observed : Interval
        Wins that the student promised for each observed one.
    log_loss : float
        Of the student.
    champion_predicted_over_observed : Interval or None
        The same ratio for the served model, where there is one.
    """

    field: str
    value: str
    field_names: Names
    value_names: Names
    n: int
    n_won: int
    promised: float
    observed: Interval
    predicted_over_observed: Interval
    log_loss: float
    champion_predicted_over_observed: Interval | None = None

    def document(self) -> dict[str, Any]:
        """Return the slice as JSON content."""
        champion = self.champion_predicted_over_observed
        return {
            "field": self.field,
            "value": self.value,
            "field_names": self.field_names.model_dump(),
            "value_names": self.value_names.model_dump(),
            "n": self.n,
            "n_won": self.n_won,
            "promised": finite(self.promised),
            "observed": figures_of(self.observed),
            "predicted_over_observed": figures_of(self.predicted_over_observed),
            "log_loss": finite(self.log_loss),
            "champion_predicted_over_observed": None if champion is None else figures_of(champion),
        }


def find_slices(
    judgement: RollingJudgement, history: LeadHistory, definition: LeadDefinition
) -> tuple[Slice, ...]:
    """Return the figures of each part with at least 30 leads.

    Parts are the channels, the values of category fields that have at most twelve of them, and the
    thirds of number fields; at most eight fields, the channel first. Fields known only after
    hand-off and fields with personal content are never taken.
    """
    told = np.flatnonzero(judgement.told(model=STUDENT))
    main = judgement.main
    promised = judgement.probabilities[STUDENT][told, main]
    champion = judgement.probabilities.get(CHAMPION)
    outcome, weight = judgement.outcome[told, main], judgement.weight[told, main]
    found = []
    for name, values, labels in sliced_fields(judgement, history, definition, told):
        for value, names in labels.items():
            rows = np.flatnonzero(values == value)
            if len(rows) < MIN_LEADS:
                continue
            part = outcome[rows], promised[rows], weight[rows]
            theirs = None if champion is None else champion[told[rows], main]
            found.append(
                Slice(
                    field=name,
                    value=value,
                    field_names=definition.fields[name].names,
                    value_names=names,
                    n=len(rows),
                    n_won=int(part[0].sum()),
                    promised=float(np.average(part[1], weights=part[2])),
                    observed=weighted_rate(part[0], part[2]),
                    predicted_over_observed=predicted_over_observed(*part),
                    log_loss=log_loss(*part),
                    champion_predicted_over_observed=None
                    if theirs is None or np.isnan(theirs).any()
                    else predicted_over_observed(part[0], theirs, part[2]),
                )
            )
    return tuple(found)


def sliced_fields(
    judgement: RollingJudgement,
    history: LeadHistory,
    definition: LeadDefinition,
    told: NDArray[np.intp],
) -> Iterator[tuple[str, Values, Mapping[str, Names]]]:
    """Yield fields with each told lead's value as text, and the values, in order, with names."""
    leads = judgement.lead[told]
    rows = np.zeros(len(history.leads), dtype=bool)
    rows[leads] = True
    place = np.searchsorted(np.flatnonzero(rows), leads)
    encoder = judgement.newest.learned.scorer.encoder
    columns = {
        given.name: column
        for given, column in zip(encoder.inputs, value_columns(encoder, history, rows), strict=True)
    }
    fields = sorted(
        (
            name
            for name, field in definition.usable_fields.items()
            if name in columns and not field.personal
        ),
        key=lambda name: (name != definition.channel_field, _is_number(definition.fields[name])),
    )
    n_fields = 0
    for name in fields:
        read = columns[name]
        texts, labels = (
            _thirds(read, name, encoder)
            if _is_number(definition.fields[name])
            else _codes(read, definition.fields[name])
        )
        few = 2 <= len(labels) <= _MOST_VALUES or (
            name == definition.channel_field and len(labels) > 1
        )
        if few and n_fields < _MOST_FIELDS:
            n_fields += 1
            yield name, texts[place], labels


def _codes(read: list[Any], field: LeadField) -> tuple[Values, dict[str, Names]]:
    """Return the codes and their names, the most frequent first and the missing one last."""
    texts = np.array(["" if one is None else str(one) for one in read], dtype=object)
    counts = Counter(texts.tolist())
    order = sorted(counts, key=lambda value: (not value, -counts[value], value))
    return texts, {value: _named(field, value) for value in order}


def _thirds(read: list[Any], name: str, encoder: LeadEncoder) -> tuple[Values, dict[str, Names]]:
    """Cut numbers into thirds; each is named by the lowest and highest number that is in it."""
    numbers = np.array([np.nan if one is None else float(one) for one in read])
    given = ~np.isnan(numbers)
    texts = np.full(len(numbers), "", dtype=object)
    labels = dict[str, Names]()
    edges = np.unique(np.quantile(numbers[given], (1 / 3, 2 / 3))) if given.any() else np.empty(0)
    third = np.searchsorted(edges, numbers, "left")
    thirds = np.unique(third[given])
    for part in thirds:
        rows = given & (third == part)
        low, high = _plain(numbers[rows].min()), _plain(numbers[rows].max())
        shown = Shown(
            "range",
            low=low if part > thirds[0] or low == high else None,
            high=high if part < thirds[-1] or low == high else None,
        )
        code = _range_code(low, high, part == thirds[0], part == thirds[-1])
        texts[rows] = code
        labels[code] = Names(**{ln: value_text(encoder, name, shown, ln) for ln in LANGUAGES})
    return texts, labels if given.all() else labels | {"": _NOT_GIVEN}


def _plain(number: float) -> float:
    """Return a number as people say it: a range such as 50-99 may have been read as 70.36."""
    return float(round(number)) if abs(number) >= 10 else float(number)


def _range_code(low: float, high: float, is_first: bool, is_last: bool) -> str:
    if is_first:
        return "all" if is_last else f"≤ {number_text(high, 'en')}"
    between = f"{number_text(low, 'en')} – {number_text(high, 'en')}"
    return f"≥ {number_text(low, 'en')}" if is_last else between


def _is_number(field: LeadField) -> bool:
    return field.type == "number"


def _named(field: LeadField, value: str) -> Names:
    if not value:
        return _NOT_GIVEN
    return field.values.get(value) or Names(ja=value[:120], en=value[:120])
