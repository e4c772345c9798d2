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

__all__ = ["BASE_POINTS", "WrittenAnswer", "write_answer"]

BASE_POINTS = 50.0


class WrittenAnswer(NamedTuple):
    """An answer up to whether it is recorded, and what follows."""

    before: bytes
    after: bytes

    def saying(self, is_recorded: bool) -> bytes:
        """Return the whole answer."""
        return b"%b%b%b" % (self.before, b"true" if is_recorded else b"false", self.after)


class _Shape(NamedTuple):
    """What an answer has, apart from what every answer has."""

    chances: tuple[str, ...]
    horizon: bytes
    stamp: tuple[bytes, bytes]
    has_acceptance: bool
    has_interval: bool
    n_raising: int
    n_lowering: int


def write_answer(
    telling: Telling,
    scored: ScoredLead,
    found: Strongest,
    lead_id: str,
    shown_score: int,
    said: bytes,
    warnings: Sequence[str],
    as_of: str,
    language: Language,
) -> WrittenAnswer:
    """Return the answer about a lead that was scored.

    Parameters
    ----------
    telling : Telling
        Of the model that scored it.
    found : Strongest
        The factors to name.
    said : bytes
        Members of the answer that the decision gives.
    as_of : str
        The scoring time in ISO 8601.
    """
    by_field, acceptance, interval = scored.by_field, scored.acceptance, scored.interval
    numbers: list[float] = [shown_score, scored.probability]
    if acceptance is not None:
        numbers.append(acceptance)
    chances = telling.chances
    if chances:
        numbers += scored.probabilities[: len(chances)]
    if interval is not None:
        numbers += interval
    numbers += (scored.score, found.other_points)
    n_own = len(numbers)
    places = found.raising + found.lowering
    for place in places:
        logit = by_field[place]
        numbers += (logit * POINTS_PER_LOGIT, math.exp(logit))
    # A number has no comma, so all are written in one go.
    written = orjson.dumps(numbers)[1:-1].split(b",")
    factors = [telling.factor(scored, place) for place in places]
    shape = _Shape(
        chances,
        telling.horizon_written,
        telling.stamps_written[language],
        acceptance is not None,
        interval is not None,
        len(found.raising),
        len(found.lowering),
    )
    slots = (
        orjson.dumps(lead_id),
        written[0],
        telling.grades_written[shown_score],
        written[1],
        said,
        *written[2 : n_own - 2],
        *[factor.short[language] for factor in factors],
        orjson.dumps(",".join(warnings)) if warnings else b'""',
        as_of.encode("ascii"),
        written[n_own - 2],
        written[n_own - 1],
    )
    nested = [
        b'%b%b,"odds":%b%b' % (factor.before, points, odds, factor.after)
        for factor, points, odds in zip(
            factors, written[n_own::2], written[n_own + 1 :: 2], strict=True
        )
    ]
    return WrittenAnswer(_form(shape) % slots, b',"factors":[%b]}' % b",".join(nested))


@lru_cache(maxsize=256)
def _form(shape: _Shape) -> bytes:
    """Return an answer with a ``%b`` for each part of its own."""
    names = [b'{"status":"scored","lead_id":%b,"score":%b,"grade":%b,"probability":%b,%b']
    if shape.has_acceptance:
        names.append(b',"acceptance_probability":%b')
    names += [b',"%b":%%b' % name.encode("ascii") for name in shape.chances]
    names.append(shape.horizon)
    if shape.has_interval:
        names.append(b',"interval_low":%b,"interval_high":%b')
    names += [b',"positive_%d":%%b' % rank for rank in range(1, shape.n_raising + 1)]
    names += [b',"negative_%d":%%b' % rank for rank in range(1, shape.n_lowering + 1)]
    before, after = (part.replace(b"%", b"%%") for part in shape.stamp)
    names.append(b',"warnings":%b,' + before + b'"%b"' + after)
    names.append(b',"score_exact":%%b,"other_points":%%b,"base_points":%.1f,' % BASE_POINTS)
    return b"".join(names) + b'"recorded":'
