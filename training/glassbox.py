"""A booster of two-field trees → look-up tables whose cells are exact SHAP values.

Path-dependent SHAP (Lundberg et al., "From local explanations to global understanding with
explainable AI for trees", 2020) adds up leaf by leaf. For a leaf of value v under conditions on
fields a and b, let o be 1 where a lead agrees with the leaf's condition on that field, else 0, and
r the product of the cover ratios of that field's splits. Then
``φ_a = v/2 · (o_a − r_a)(r_b + o_b)``, likewise for b, and ``φ_a = v · (o_a − r_a)`` where a stands
alone. Since o depends only on the code, the sums are tables.

The horizon is held fixed and is not a player: its branches are followed, so that terms with the
horizon become curves of one field, and the base is one number for each horizon.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.encoder import MISSING
from features.tables import AdditiveTables, PairTable

if TYPE_CHECKING:
    import lightgbm

    from training.linear import LinearPart

__all__ = ["strongest_pairs", "tables_from"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]


@dataclass(frozen=True)
class _Condition:
    """What a leaf asks of one field: the codes that agree, and the cover ratio of its splits."""

    agrees: NDArray[np.bool_]
    ratio: float

    def also(self, other: _Condition) -> _Condition:
        return _Condition(self.agrees & other.agrees, self.ratio * other.ratio)


@dataclass(frozen=True)
class _Leaf:
    value: float
    conditions: Mapping[int, _Condition]

    @property
    def expected(self) -> float:
        """Its share of the base: the value times the cover ratios of all conditions."""
        product = self.value
        for condition in self.conditions.values():
            product *= condition.ratio
        return product


def tables_from(
    booster: lightgbm.Booster,
    sizes: Sequence[int],
    horizons: Sequence[int],
    linear_part: LinearPart | None = None,
) -> AdditiveTables:
    """Return the look-up tables of a booster grown on codes, with the linear part folded in.

    Parameters
    ----------
    booster : lightgbm.Booster
        Grown on codes; its trees hold at most two fields. With more than one horizon, the column
        after the last input is the horizon's index.
    sizes : sequence of int
        Number of codes of each input.
    horizons : sequence of int
        Days, ascending.
    linear_part : LinearPart, optional
        Where the booster started; its curves are centred on the training leads.

    Returns
    -------
    AdditiveTables
        ``base + Σ contributions`` equals linear part + raw score of the booster at every code.

    Raises
    ------
    ValueError
        If a tree holds more than two fields or two fields and the horizon, or treats 0 as missing.
    """
    roots = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    reader = _TreeReader(tuple(sizes))
    bases: list[float] = []
    mains: list[tuple[Floats, ...]] = []
    halves: dict[tuple[int, int], tuple[Floats, Floats]] = {}
    for h in range(len(horizons)):
        base = 0.0
        curves = tuple(np.zeros(size) for size in sizes)
        for root in roots:
            for leaf in reader.leaves(root, h):
                base += leaf.expected
                fields = sorted(leaf.conditions)
                if len(fields) == 1:
                    (i,) = fields
                    condition = leaf.conditions[i]
                    curves[i][:] += leaf.value * (condition.agrees - condition.ratio)
                elif len(fields) == 2 and h == 0:
                    _add_pair(halves, leaf, fields[0], fields[1])
        if linear_part is not None:
            base += float(linear_part.intercepts[h] + linear_part.means.sum())
            for i, slope in enumerate(linear_part.curves):
                curves[i][:] += slope - linear_part.means[i]
        bases.append(base)
        mains.append(curves)
    pairs = tuple(PairTable(i, j, *halves[i, j]) for i, j in sorted(halves))
    return AdditiveTables(tuple(horizons), tuple(bases), tuple(mains), pairs)


def _add_pair(
    halves: dict[tuple[int, int], tuple[Floats, Floats]], leaf: _Leaf, i: int, j: int
) -> None:
    a, b = leaf.conditions[i], leaf.conditions[j]
    if (i, j) not in halves:
        shape = (len(a.agrees), len(b.agrees))
        halves[i, j] = (np.zeros(shape), np.zeros(shape))
    first, second = halves[i, j]
    half = leaf.value / 2
    first += half * np.multiply.outer(a.agrees - a.ratio, b.ratio + b.agrees)
    second += half * np.multiply.outer(a.ratio + a.agrees, b.agrees - b.ratio)


class _TreeReader:
    """Walks dumped trees; decisions are read for every code exactly as the booster takes them."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self._sizes = sizes
        self._codes = [np.arange(size) for size in sizes]
        self._decisions: dict[tuple[int, str, float | str, bool], NDArray[np.bool_]] = {}

    def leaves(self, root: Mapping[str, Any], horizon: int) -> Iterator[_Leaf]:
        """Yield the leaves a lead may reach at one horizon."""
        yield from self._walk(root, horizon, {}, False)

    def _walk(
        self, node: Mapping[str, Any], horizon: int, path: Mapping[int, _Condition], is_timed: bool
    ) -> Iterator[_Leaf]:
        if "split_index" not in node:
            yield _Leaf(float(node["leaf_value"]), path)
            return
        field = int(node["split_feature"])
        if node["decision_type"] == "<=" and node["missing_type"] == "Zero":
            raise ValueError("a tree treats code 0 as missing; grow it with zero_as_missing=False")
        children = (node["left_child"], node["right_child"])
        if field == len(self._sizes):
            self._refuse_if_wide(path, is_timed=True)
            taken = children[0] if horizon <= node["threshold"] else children[1]
            yield from self._walk(taken, horizon, path, True)
            return
        goes_left = self._decision(field, node)
        for child, agrees in zip(children, (goes_left, ~goes_left), strict=True):
            condition = _Condition(agrees, _count(child) / _count(node))
            before = path.get(field)
            extended = {**path, field: condition if before is None else before.also(condition)}
            self._refuse_if_wide(extended, is_timed)
            yield from self._walk(child, horizon, extended, is_timed)

    def _refuse_if_wide(self, path: Mapping[int, _Condition], is_timed: bool) -> None:
        if len(path) + is_timed > 2:
            raise ValueError(
                "a tree holds more than two fields (the horizon counts as one), so it is no sum of "
                "pairs; grow it with max_depth=2"
            )

    def _decision(self, field: int, node: Mapping[str, Any]) -> NDArray[np.bool_]:
        """Return for each code of a field whether a lead with it goes left."""
        decision, threshold = node["decision_type"], node["threshold"]
        # Only a number whose missing values were put aside (`training.student`) has such a node.
        missing_aside = decision == "<=" and node["missing_type"] == "NaN"
        missing_left = missing_aside and bool(node["default_left"])
        key = (field, decision, threshold, missing_left)
        if key not in self._decisions:
            codes = self._codes[field]
            if decision == "==":
                kept = [int(level) for level in str(threshold).split("||")]
                agrees = np.isin(codes, kept)
            else:
                agrees = codes <= float(threshold)
                if missing_aside:
                    agrees[MISSING] = missing_left
            self._decisions[key] = agrees
        return self._decisions[key]


def _count(node: Mapping[str, Any]) -> int:
    return int(node["internal_count"] if "split_index" in node else node["leaf_count"])


def strongest_pairs(
    tables: AdditiveTables, codes: Codes, limit: int
) -> tuple[tuple[int, int], ...]:
    """Return the pairs that add most beyond their two curves, strongest first.

    The strength of a pair is the sum of squares, over the leads, of what its map adds once the best
    sum of two curves has been taken out of it.

    Parameters
    ----------
    tables : AdditiveTables
        Tables of a student without constraints.
    codes : ndarray of int32, shape (n_leads, n_inputs)
        The leads to measure on.
    limit : int
        Most pairs to return.
    """
    strengths: list[tuple[float, int, int]] = []
    for pair in tables.pairs:
        together = pair.first + pair.second
        counts = np.zeros(together.shape)
        np.add.at(counts, (codes[:, pair.i], codes[:, pair.j]), 1.0)
        for _ in range(20):
            for axis in (0, 1):
                leads = counts.sum(axis=axis, keepdims=True)
                total = (counts * together).sum(axis=axis, keepdims=True)
                together = together - total / np.maximum(leads, 1.0)
        strengths.append((float((counts * together**2).sum()), pair.i, pair.j))
    strengths.sort(key=lambda found: (-found[0], found[1], found[2]))
    return tuple((i, j) for _, i, j in strengths[:limit])
