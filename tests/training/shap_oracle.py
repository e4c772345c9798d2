"""Two independent ways to the exact contributions of a booster, to hold the tables against."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from itertools import combinations
from math import comb
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Node = dict[str, Any]


def conditioned_trees(booster: lightgbm.Booster, position: int | None, value: float) -> list[Node]:
    """Dumped trees with every split on one column replaced by the branch that `value` takes."""
    trees = [copy.deepcopy(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]]
    if position is None:
        return trees
    return [_follow(tree, position, value) for tree in trees]


def _follow(node: Node, position: int, value: float) -> Node:
    if "split_index" not in node:
        return node
    if node["split_feature"] == position:
        side = "left_child" if value <= node["threshold"] else "right_child"
        return _follow(node[side], position, value)
    for side in ("left_child", "right_child"):
        n_leads = count_of(node[side])
        node[side] = _follow(node[side], position, value)
        node[side]["internal_count" if "split_index" in node[side] else "leaf_count"] = n_leads
    return node


def count_of(node: Mapping[str, Any]) -> int:
    return int(node["internal_count"] if "split_index" in node else node["leaf_count"])


def booster_at(booster: lightgbm.Booster, position: int | None, value: float) -> lightgbm.Booster:
    """A LightGBM booster without splits on one column: `pred_contrib` of it is the oracle."""
    if position is None:
        return booster
    text = booster.model_to_string()
    head, *blocks = text.split("\nTree=")
    last, tail = blocks[-1].split("\nend of trees", 1)
    blocks[-1] = last
    trees = conditioned_trees(booster, position, value)
    written = [
        _block(k, block, tree) for k, (block, tree) in enumerate(zip(blocks, trees, strict=True))
    ]
    lines = [line for line in head.split("\n") if not line.startswith("tree_sizes=")]
    body = "\n\n".join(written)
    return lightgbm.Booster(model_str="\n".join(lines) + "\n\n" + body + "\n\nend of trees" + tail)


def _block(index: int, original: str, root: Node) -> str:
    """Write a tree in LightGBM's text format; category sets are kept as they were."""
    found = dict(line.split("=", 1) for line in original.split("\n")[1:] if "=" in line)
    splits: list[Node] = []
    leaves: list[Node] = []

    def number(node: Node) -> int:
        if "split_index" not in node:
            leaves.append(node)
            return -len(leaves)
        splits.append(node)
        mine = len(splits) - 1
        node["children"] = [number(node["left_child"]), number(node["right_child"])]
        return mine

    number(root)
    values = [repr(leaf["leaf_value"]) for leaf in leaves]
    rows = [f"Tree={index}", f"num_leaves={len(leaves)}"]
    if not splits:
        return "\n".join(
            [*rows, "num_cat=0", f"leaf_value={values[0]}", "is_linear=0", "shrinkage=1", ""]
        )
    old = [int(split["split_index"]) for split in splits]

    def kept(key: str) -> str:
        entries = found[key].split(" ")
        return " ".join(entries[k] for k in old)

    rows += [f"num_cat={found['num_cat']}"]
    rows += [
        f"{key}={kept(key)}"
        for key in ("split_feature", "split_gain", "threshold", "decision_type")
    ]
    rows += [
        f"{side}_child=" + " ".join(str(s["children"][k]) for s in splits)
        for k, side in enumerate(("left", "right"))
    ]
    rows += ["leaf_value=" + " ".join(values), "leaf_weight=" + " ".join("1" for _ in leaves)]
    rows += ["leaf_count=" + " ".join(str(count_of(leaf)) for leaf in leaves)]
    rows += [
        f"{key}=" + " ".join("1" for _ in splits) for key in ("internal_value", "internal_weight")
    ]
    rows += ["internal_count=" + " ".join(str(count_of(split)) for split in splits)]
    rows += [f"{key}={found[key]}" for key in ("cat_boundaries", "cat_threshold") if key in found]
    return "\n".join([*rows, "is_linear=0", "shrinkage=1", ""])


def goes_left(node: Mapping[str, Any], code: float) -> bool:
    if node["decision_type"] == "==":
        return int(code) in {int(level) for level in node["threshold"].split("||")}
    return bool(code <= node["threshold"])


def expectation(node: Mapping[str, Any], lead: Mapping[int, float], known: frozenset[int]) -> float:
    """Path-dependent expectation of a tree when only some fields of a lead are known."""
    if "split_index" not in node:
        return float(node["leaf_value"])
    left, right = node["left_child"], node["right_child"]
    field = int(node["split_feature"])
    if field in known:
        return expectation(left if goes_left(node, lead[field]) else right, lead, known)
    share = count_of(left) / count_of(node)
    other = count_of(right) / count_of(node)
    return share * expectation(left, lead, known) + other * expectation(right, lead, known)


def shapley_values(value: Callable[[frozenset[int]], float], n_players: int) -> Floats:
    """The Shapley sum over all coalitions, as defined."""
    values = np.zeros(n_players)
    for player in range(n_players):
        others = [k for k in range(n_players) if k != player]
        for size in range(n_players):
            weight = 1 / (n_players * comb(n_players - 1, size))
            for coalition in combinations(others, size):
                before = frozenset(coalition)
                values[player] += weight * (value(before | {player}) - value(before))
    return values
