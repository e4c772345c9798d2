"""The recipes that a choice tries: each differs from the default in one thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from features.terms import Names
from training.recipe import Recipe
from training.stability import UnstableFields

__all__ = ["Candidate", "by_fields", "by_recency", "history_sizes", "snapshot_sizes"]

Rule = Callable[[UnstableFields], tuple[str, ...]]

_HALF = Names(ja="木を半分", en="half the trees")
_TWICE = Names(ja="木を2倍", en="twice the trees")


@dataclass(frozen=True)
class Candidate:
    """A recipe, or a rule that makes one from what is known at a cut-off.

    Attributes
    ----------
    name : str
        What it is, as an identifier.
    words : Names
        The same for a reader.
    recipe : Recipe
        Everything but the fields that the rule leaves out.
    leaves_out : callable or None
        From the unstable fields of a cut-off to those that are not shown.
    """

    name: str
    words: Names
    recipe: Recipe
    leaves_out: Rule | None = None

    def on(self, unstable: UnstableFields) -> Recipe:
        """Return the recipe of a cut-off."""
        if self.leaves_out is None:
            return self.recipe
        left_out = {*self.recipe.dropped_fields, *self.leaves_out(unstable)}
        return replace(self.recipe, dropped_fields=tuple(sorted(left_out)))


def by_recency(default: Recipe, span: float, unit: Names) -> Iterator[Candidate]:
    """Yield half-lives and a window: parts of the days (or leads) that are learnt from."""
    half, quarter = (float(max(round(span / share), 1)) for share in (2, 4))
    for age in (half, quarter):
        yield Candidate(
            f"half_life_{age:.0f}",
            Names(
                ja=f"{age:,.0f}{unit.ja}ごとに重みを半分にする",
                en=f"half the weight after {age:,.0f} {unit.en}",
            ),
            replace(default, half_life_days=age),
        )
    yield Candidate(
        f"window_{half:.0f}",
        Names(
            ja=f"最近の{half:,.0f}{unit.ja}だけを使う", en=f"the last {half:,.0f} {unit.en} only"
        ),
        replace(default, window_days=half),
    )


def by_fields(default: Recipe, newest: UnstableFields) -> Iterator[Candidate]:
    """Yield recipes that do not show unstable fields, where there are any."""
    if newest.changed:
        yield Candidate(
            "without_changed",
            Names(ja="値の分布が変わった項目を使わない", en="without fields whose values changed"),
            default,
            lambda unstable: unstable.changed,
        )
    if newest.turned:
        yield Candidate(
            "without_turned",
            Names(ja="意味が逆転した項目を使わない", en="without fields whose meaning turned"),
            default,
            lambda unstable: unstable.turned,
        )


def history_sizes(default: Recipe) -> Iterator[Candidate]:
    """Yield smaller and larger boosters, and a larger share of the regression beside them."""
    yield Candidate("half_trees", _HALF, replace(default, teacher_size=default.teacher_size / 2))
    yield Candidate("twice_trees", _TWICE, replace(default, teacher_size=default.teacher_size * 2))
    yield Candidate(
        "regression_more",
        Names(ja="回帰の割合を4分の3にする", en="three quarters regression"),
        replace(default, glm_share=0.75),
    )
    yield Candidate(
        "regression_alone",
        Names(ja="回帰だけを使う", en="the regression alone"),
        replace(default, glm_share=1.0),
    )


def snapshot_sizes(default: Recipe) -> Iterator[Candidate]:
    """Yield smaller and larger boosters of the snapshot teacher."""
    usual = default.snapshot_teacher
    for name, words, factor in (("half_trees", _HALF, 0.5), ("twice_trees", _TWICE, 2.0)):
        settings = replace(
            usual,
            grouping_trees=round(usual.grouping_trees * factor),
            listing_trees=round(usual.listing_trees * factor),
            bending_trees=round(usual.bending_trees * factor),
        )
        yield Candidate(name, words, replace(default, snapshot_teacher=settings))
