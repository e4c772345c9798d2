"""Why sales says no: what was heard on the phone, the moment, the title, and pretexts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.worlds.people import People, stream
from training.worlds.sales import Judgement, dislike
from training.worlds.settings import WorldSettings
from training.worlds.truth import Fate
from training.worlds.vocabulary import TITLES

__all__ = ["draw_loss_reasons", "draw_reasons"]

_REASONS = ("no_fit", "no_need", "no_budget", "no_authority", "bad_timing", "no_reason", "other")
_LOSSES = ("chose_competitor", "lost_price", "lost_function", "lost_other")
_RANK_OF_TITLE = np.array([rank for _, rank, _ in TITLES] + [4])


def draw_reasons(
    settings: WorldSettings, people: People, fate: Fate, judgement: Judgement
) -> NDArray[np.object_]:
    """Return the reason sales would give for turning each lead away, shape (n,), object.

    Prejudice hides behind *not a fit* and behind no reason at all. A bad moment is mostly named as
    such; a weak need and a missing budget are heard on the phone.
    """
    random = stream(settings.seed, "reasons")
    n = len(fate.u)
    pretext = settings.prejudice * dislike(people)
    rank = _RANK_OF_TITLE[people.title]
    weight = np.stack(
        [
            0.9 + 0.9 * pretext,
            0.9 * np.exp(-0.6 * fate.u),
            0.5 * np.exp(-0.3 * fate.u) * np.where(people.is_small, 1.4, 0.8),
            np.where(rank >= 4, 1.2, 0.3),
            np.where(fate.is_bad_moment, 9.0, 0.25),
            0.7 + 0.5 * pretext,
            np.full(n, 0.25),
        ],
        axis=1,
    )
    steps = np.cumsum(weight, axis=1)
    pick = (random.random(n)[:, None] * steps[:, -1:] >= steps).sum(1)
    named = np.array(_REASONS, dtype=object)[np.minimum(pick, len(_REASONS) - 1)]
    named[judgement.is_unreached] = "unresponsive"
    named[judgement.is_competitor] = "competitor_student_spam"
    return np.asarray(named)


def draw_loss_reasons(random: np.random.Generator, n: int) -> NDArray[np.object_]:
    """Return the reason of each of `n` losses."""
    return random.choice(np.array(_LOSSES, dtype=object), n, p=[0.3, 0.25, 0.2, 0.25])
