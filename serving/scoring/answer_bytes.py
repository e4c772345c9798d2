"""The answer about a lead as JSON, joined from parts that were written before.

A writer of JSON would go through the same keys and sentences for every lead. Here they are bytes
already; of a lead only its id, its numbers and which parts to take are its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import orjson

from features.factors import Strongest
from features.scored import POINTS_PER_LOGIT, ScoredLead

if TYPE_CHECKING:
    from serving.scoring.telling import Telling
    from serving.texts import Language

__all__ = ["BASE_POINTS", "ToWrite", "WrittenAnswer", "write_answers"]

BASE_POINTS = 50.0


class WrittenAnswer(NamedTuple):
    """An answer up to whether it is recorded, and what follows."""

    before: bytes
    after: bytes

    def saying(self, is_recorded: bool) -> bytes:
        """Return the whole answer."""
        return b"%b%b%b" % (self.before, b"true" if is_recorded else b"false", self.after)


class ToWrite(NamedTuple):
    """What is said of one lead.

    Attributes
    ----------
    found : Strongest
        The factors to name.
    said : bytes
        Members of the answer that the decision gives.
    warnings : str
        Codes with commas between.
    as_of : str
        The scoring time in ISO 8601.
    """

    scored: ScoredLead
    found: Strongest
    lead_id: str
    shown_score: int
    said: bytes
    warnings: str
    as_of: str


def write_answers(
    telling: Telling, leads: Sequence[ToWrite], language: Language
) -> list[WrittenAnswer]:
    """Return the answers about leads that one model scored.

    Parameters
    ----------
    telling : Telling
        Of the model.
    """
    numbers: list[float] = []
    for scored, found, _, shown_score, *_ in leads:
        _add_numbers(numbers, scored, found, shown_score, len(telling.chances))
    # A number has no comma, so all are written in one go.
    written = orjson.dumps(numbers)[1:-1].split(b",")
    chances, horizon, stamp = telling.chances, telling.horizon_written, telling.stamps_written
    answers = []
    start = 0
    for scored, found, lead_id, shown_score, said, warnings, as_of in leads:
        raising, lowering, _ = found
        has_acceptance, has_interval = scored.acceptance is not None, scored.interval is not None
        own = start + 4 + len(chances) + has_acceptance + 2 * has_interval
        n_factors = len(raising) + len(lowering)
        end = own + 2 * n_factors
        factors = telling.factors(scored, raising + lowering)
        form = _form(
            chances,
            horizon,
            stamp[language],
            has_acceptance,
            has_interval,
            len(raising),
            len(lowering),
        )
        before = form % (
            orjson.dumps(lead_id),
            written[start],
            telling.grades_written[shown_score],
            written[start + 1],
            said,
            *written[start + 2 : own - 2],
            *[factor.short[language] for factor in factors],
            orjson.dumps(warnings) if warnings else b'""',
            as_of.encode("ascii"),
            written[own - 2],
            written[own - 1],
        )
        named = zip(factors, written[own:end:2], written[own + 1 : end : 2], strict=True)
        parts = [
            part
            for factor, points, odds in named
            for part in (factor.before, points, b',"odds":', odds, factor.after, b",")
        ]
        answers.append(WrittenAnswer(before, b"".join([b',"factors":[', *parts[:-1], b"]}"])))
        start = end
    return answers


def _add_numbers(
    numbers: list[float], scored: ScoredLead, found: Strongest, shown_score: int, n_chances: int
) -> None:
    """Add the numbers of an answer, in the order in which they stand in it."""
    by_field, interval = scored.by_field, scored.interval
    numbers += (shown_score, scored.probability)
    if scored.acceptance is not None:
        numbers.append(scored.acceptance)
    numbers += scored.probabilities[:n_chances]
    if interval is not None:
        numbers += interval
    numbers += (scored.score, found.other_points)
    for place in found.raising + found.lowering:
        logit = by_field[place]
        numbers += (logit * POINTS_PER_LOGIT, math.exp(logit))


@lru_cache(maxsize=256)
def _form(
    chances: tuple[str, ...],
    horizon: bytes,
    stamp: tuple[bytes, bytes],
    has_acceptance: bool,
    has_interval: bool,
    n_raising: int,
    n_lowering: int,
) -> bytes:
    """Return an answer with a ``%b`` for each part of its own."""
    names = [b'{"status":"scored","lead_id":%b,"score":%b,"grade":%b,"probability":%b,%b']
    if has_acceptance:
        names.append(b',"acceptance_probability":%b')
    names += [b',"%b":%%b' % name.encode("ascii") for name in chances]
    names.append(horizon)
    if has_interval:
        names.append(b',"interval_low":%b,"interval_high":%b')
    names += [b',"positive_%d":%%b' % rank for rank in range(1, n_raising + 1)]
    names += [b',"negative_%d":%%b' % rank for rank in range(1, n_lowering + 1)]
    before, after = (part.replace(b"%", b"%%") for part in stamp)
    names.append(b',"warnings":%b,' + before + b'"%b"' + after)
    names.append(b',"score_exact":%%b,"other_points":%%b,"base_points":%.1f,' % BASE_POINTS)
    return b"".join(names) + b'"recorded":'
