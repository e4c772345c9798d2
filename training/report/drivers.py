"""What drives the score: the strongest fields, their exact curves, and whether the reasons hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from features.wording import group_name, input_name
from training.report.evidence import says_enough
from training.report.html import bar, beside, both, count, decimal, note, rate, said, section, table

if TYPE_CHECKING:
    from features.definition import LeadDefinition

__all__ = ["checks_section", "drivers_section"]

Facts = Mapping[str, Any]

MOST_FIELDS = 12
EXACT = 1e-6
"""Error of a sum that is rounding alone, in points."""
SHOWN = 0.05
"""Points that read as 0.1; fewer read as none."""


def drivers_section(facts: Facts, definition: LeadDefinition) -> str:
    """Return how many points each concept and field moves leads by, and the strongest curves."""
    explained: Facts = facts.get("explanations") or {}
    importance = _moving(explained.get("importance") or ())
    if not importance:
        return ""
    return section(
        "drivers",
        "何が点数を動かしているか",
        "What drives the score",
        note(
            "点数50が平均で、10点上がるごとに受注の見込み(オッズ)が2倍になります。長い棒ほど、その項目がリードの点数を大きく動かします。",
            "A score of 50 is the average lead; each 10 points double the odds of winning. The "
            "longer the bar, the more the field moves scores.",
        ),
        note(
            "実際の受注率は、営業が対応したリードのものです(30件未満は「–」)。",
            "What was won is of leads that sales worked (– below 30 of them).",
            "note",
        ),
        beside(
            _groups(_moving(explained.get("groups") or ())),
            _fields(importance[:MOST_FIELDS], definition),
        ),
        "<div class='pair'>",
        *(
            _dependence(found, definition)
            for found in explained.get("dependence") or ()
            if _moving(found["bands"])
        ),
        "</div>",
    )


def checks_section(facts: Facts, definition: LeadDefinition) -> str:
    """Return whether the reasons add up, stay the same, and agree with what was observed."""
    explained: Facts = facts.get("explanations") or {}
    if not explained:
        return ""
    parts = []
    error = explained.get("additivity")
    if error is not None:
        parts.append(
            note(
                "すべてのリードで、理由の点数を足すとちょうど全体の点数になります(計算上の丸めを除く)。",
                "For every lead the points of the reasons add up to the score, but for rounding.",
            )
            if error < EXACT
            else note(
                f"理由の点数を足しても全体の点数になりません(最大の差 {error:.2g}点)。",
                "The points of the reasons do not add up to the score "
                f"(largest difference {error:.2g} points).",
            )
        )
    stable = explained.get("stability")
    if stable and stable.get("top3_agreement") is not None:
        parts.append(
            "<p>"
            + both(
                f"リードを選び直して{stable['n_draws']}回学び直すと、上位3つの理由は平均で",
                f"Learnt again {stable['n_draws']} times on leads drawn anew, the three strongest "
                "reasons of a lead stayed the same in ",
            )
            + rate(stable["top3_agreement"])
            + both("一致しました。", " of cases.")
            + "</p>"
        )
    for concept in explained.get("concepts") or ():
        ja = "・".join(input_name(definition, name, "ja") for name in concept["members"])
        *most, last = (input_name(definition, name, "en") for name in concept["members"])
        en = f"{', '.join(most)} and {last}"
        parts.append(
            note(
                f"「{ja}」はほぼ同じことを表すので、合わせて一つの理由として読んでください。",
                f"{en} say nearly the same thing: read them together, as one reason.",
            )
        )
    if says_enough(facts):
        parts.append(_signs(explained.get("signs") or (), definition))
    return section("checks", "理由は信じられるか", "Can the reasons be believed?", *parts)


def _moving(found: Sequence[Facts]) -> list[Facts]:
    """Return what moves a score by anything that would be shown; base rates use the source only."""
    return [one for one in found if abs(one["points"]) >= SHOWN]


def _groups(groups: Sequence[Facts]) -> str:
    if not groups:
        return ""
    most = max(found["points"] for found in groups) or 1.0
    rows = [
        (
            both(group_name(found["group"], "ja"), group_name(found["group"], "en")),
            decimal(found["points"], 1),
            bar(found["points"] / most),
        )
        for found in groups
    ]
    return table(
        (both("観点", "Concept"), both("平均の動き(点)", "Points moved"), ""), rows, words=(2,)
    )


def _fields(importance: Sequence[Facts], definition: LeadDefinition) -> str:
    most = max(found["points"] for found in importance) or 1.0
    rows = [
        (
            _field(definition, found["field"]),
            decimal(found["points"], 1),
            bar(found["points"] / most),
        )
        for found in importance
    ]
    return table(
        (both("項目", "Field"), both("平均の動き(点)", "Points moved"), ""), rows, words=(2,)
    )


def _dependence(found: Facts, definition: LeadDefinition) -> str:
    bands: Sequence[Facts] = found["bands"]
    most = max((abs(band["points"]) for band in bands), default=0.0) or 1.0
    rows = [
        (
            said(band["label"]),
            f"{band['points']:+.1f}",
            bar(abs(band["points"]) / most, "down" if band["points"] < 0 else ""),
            rate(band["rate"]),
            count(band["n"]),
        )
        for band in bands
    ]
    head = (
        both("値", "Value"),
        both("点", "Points"),
        "",
        both("実際の受注率", "Won, observed"),
        both("件数", "Leads"),
    )
    title = _field(definition, found["field"])
    return f"<div class='dependence'><h3>{title}</h3>{table(head, rows, words=(2,))}</div>"


def _signs(signs: Sequence[Facts], definition: LeadDefinition) -> str:
    against = [found for found in signs if not found["agrees"]]
    if not signs:
        return note(
            "実績にはっきりした差がある値はまだありません。",
            "No value shows a clear difference in what was observed yet.",
        )
    n, n_agree = len(signs), len(signs) - len(against)
    told = note(
        f"実績にはっきりした差がある{n}個の値のうち、{n_agree}個で点数の向きが一致しました。",
        f"Of {n} values with a clear difference in what was observed, the score points the same "
        f"way in {n_agree}.",
    )
    if not against:
        return told
    rows = [
        (
            _field(definition, found["field"]) + ": " + said(found["value"]),
            f"{found['points']:+.1f}",
            f"{found['observed_points']:+.1f}",
        )
        for found in against
    ]
    head = (
        both("向きが逆の値", "Values that point the other way"),
        both("点数", "Points"),
        both("実績を点にすると", "Observed, as points"),
    )
    return (
        told
        + table(head, rows)
        + note(
            "逆向きのものは、ほかの項目がすでに説明していることが多いですが、一度ご確認ください。",
            "Where they differ, other fields usually explain it already; it is worth a look.",
            "note",
        )
    )


def _field(definition: LeadDefinition, name: str) -> str:
    return both(input_name(definition, name, "ja"), input_name(definition, name, "en"))
