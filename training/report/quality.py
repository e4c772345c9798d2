"""Does it keep its promises: for all leads, for the best ones, over time, and in each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.report.html import (
    bar,
    beside,
    both,
    count,
    decimal,
    figure,
    interval,
    note,
    rate,
    rate_range,
    said,
    section,
    table,
)
from training.report.plots import draw_curve, draw_gains, draw_reliability
from training.report.verdict import horizon_words

__all__ = [
    "accounts_section",
    "calibration_section",
    "curve_section",
    "gains_section",
    "origins_section",
    "slices_section",
]

Facts = Mapping[str, Any]


def calibration_section(facts: Facts) -> str:
    """Return promised against observed rates in ten groups."""
    groups: Sequence[Facts] = facts.get("reliability") or ()
    if not groups:
        return ""
    drawing = figure(
        draw_reliability(groups),
        both(
            "横:約束した確率、縦:実際に受注した割合(棒は95%の幅)。破線に近いほど約束どおりです。",
            "Across: the promised chance. Up: the share really won, with its 95 % range. "
            "The nearer to the dashed line, the better the promise was kept.",
        ),
    )
    n_kept = sum(1 for group in groups if group["low"] <= group["predicted"] <= group["high"])
    rows = [
        (
            rate(group["predicted"]),
            rate_range([group["observed"], group["low"], group["high"]]),
            count(group["n"]),
        )
        for group in groups
    ]
    head = (both("約束", "Promised"), both("実績", "Observed"), both("件数", "Leads"))
    return section(
        "calibration",
        "約束した確率は当たったか",
        "Were the promised chances kept?",
        note(
            f"点数順に{len(groups)}組に分けると、{n_kept}組で約束が実績の幅の中にありました。",
            f"Of {len(groups)} groups by score, the promise lay within the range of what was "
            f"observed in {n_kept}.",
        ),
        _worked_only(),
        beside(drawing, table(head, rows)),
    )


def gains_section(facts: Facts) -> str:
    """Return how many wins the best-scored leads hold, and what this week's places bring."""
    points: Sequence[Facts] = facts.get("gains") or ()
    if not points:
        return ""
    best = min(points, key=lambda point: abs(point["share"] - 0.3))
    drawing = figure(
        draw_gains(points),
        both(
            "横:点数の高い順に選んだリードの割合、縦:そこに含まれる受注の割合。破線は順番を決めずに選んだ場合です。",
            "Across: share of leads taken from the best score down. Up: share of all wins among "
            "them. The dashed line is taking leads in no order.",
        ),
    )
    head = (
        both("上位", "Best"),
        both("含まれる受注", "Wins among them"),
        both("受注率", "Win rate"),
    )
    rows = [
        (
            rate(point["share"]),
            rate(point["won_share"]),
            rate_range([point["rate"], point.get("rate_low"), point.get("rate_high")]),
        )
        for point in points
    ]
    sentence = (
        "<p>"
        + both("点数の高い順に", "Calling the best ")
        + rate(best["share"])
        + both("だけ電話すると、受注の", " by score reaches ")
        + rate(best["won_share"])
        + both("に届きます。", " of all wins.")
        + "</p>"
    )
    return section(
        "gains",
        "点数順に電話すると何が変わるか",
        "What calling by score changes",
        sentence,
        beside(drawing, table(head, rows)),
        _capacity(facts.get("capacity")),
    )


def curve_section(facts: Facts) -> str:
    """Return the promised curve over time against what was observed."""
    points: Sequence[Facts] = facts.get("curve") or ()
    if len(points) < 2:
        return ""
    return section(
        "curve",
        "いつ受注するかは当たったか",
        "Was the time of winning right?",
        note(
            "青は約束、橙は実績です(帯は95%の幅)。まだ決まっていないリードは「失注」ではなく「まだ」として数えます"
            "(カプラン・マイヤー法)。",
            "Blue is promised, orange is observed with its 95 % band. Open leads count as 'not "
            "yet', never as lost (Kaplan and Meier's method).",
        ),
        figure(
            draw_curve(points),
            both(
                "横:登録からの日数、縦:それまでに受注した割合。",
                "Across: days since arrival. Up: share won by then.",
            ),
        ),
    )


def slices_section(facts: Facts) -> str:
    """Return each group's promise beside what became of it; the worst-kept promises first."""
    slices: Sequence[Facts] = facts.get("slices") or ()
    if not slices:
        return ""

    def off(found: Facts) -> bool:
        ratio = found["predicted_over_observed"]
        return None not in ratio and not ratio[1] <= 1.0 <= ratio[2]

    ordered = sorted(slices, key=lambda found: (str(found["field"]), -found["n"]))
    rows = [
        (
            _named(found, "field") + ": " + _named(found, "value"),
            f"{count(found['n'])} ({count(found['n_won'])})",
            rate(found["promised"]) + " " + bar(found["promised"]),
            rate_range(found["observed"]),
            interval(found["predicted_over_observed"]) + (" ●" if off(found) else ""),
        )
        for found in ordered
    ]
    head = (
        both("グループ", "Group"),
        both("リード(受注)", "Leads (won)"),
        both("約束", "Promised"),
        both("実績", "Observed"),
        both("予測÷実績", "Promised ÷ observed"),
    )
    n_off = sum(off(found) for found in slices)
    return section(
        "slices",
        "グループごとの約束と実績",
        "Promise and outcome by group",
        note(
            f"{len(slices)}グループのうち{n_off}グループ(●)で、約束が実績から偶然とは言いにくいほど外れています。"
            "グループが多いので、20に1つ程度は偶然でも●になります。",
            f"In {n_off} of {len(slices)} groups (●) the promise missed by more than chance would "
            "explain. With so many groups, about one in twenty is marked by chance alone.",
        ),
        table(head, rows),
    )


def accounts_section(facts: Facts) -> str:
    """Return what can and cannot be said of accepted, rejected and never-worked leads."""
    accounts = facts.get("accounts")
    if not accounts:
        return ""
    accepted, rejected = accounts["accepted"], accounts["rejected"]
    never = accounts["never_worked"]
    anyway = rejected.get("n_won_anyway", 0)
    rows = [
        (
            both("営業が受け入れた", "Accepted by sales"),
            count(accepted["n"]),
            rate(accepted.get("promised")),
            rate_range(accepted.get("observed")),
        ),
        (
            both("営業が却下した", "Turned away by sales"),
            count(rejected["n"]),
            rate(rejected.get("promised")),
            both(f"分かりません(却下後の受注{anyway}件)", f"Not known ({anyway} won anyway)"),
        ),
        (
            both("誰も対応していない", "Never worked"),
            count(never["n"]),
            rate(never.get("promised")),
            both("分かりません", "Not known"),
        ),
    ]
    head = (
        "",
        both("リード", "Leads"),
        both("平均の約束", "Promised on average"),
        both("実績", "Observed"),
    )
    return section(
        "accounts",
        "受け入れ・却下・未対応を分けて見る",
        "Accepted, turned away, never worked: separate accounts",
        note(
            "却下されたリードと対応されなかったリードには結果がありません。それを「失注」と数えません。",
            "Leads that were turned away or never worked have no outcome. They are not counted "
            "as lost.",
        ),
        table(head, rows),
        _audit(facts.get("audit")),
    )


def origins_section(facts: Facts) -> str:
    """Return the cut-offs on which the model stood, with what it knew and how it did."""
    origins: Sequence[Facts] = facts.get("origins") or ()
    if not origins:
        return ""
    by_origin: Sequence[Facts] = facts.get("by_origin") or ()
    main = facts.get("main_horizon")
    own = {
        row["cut_off"]: row
        for row in by_origin
        if row["model"] == "student" and row["horizon"] == main
    }
    rows = []
    for origin in origins:
        found: Facts = own.get(origin["cut_off"], {})
        rows.append(
            (
                str(origin["cut_off"])[:10],
                count(origin["n_train"]),
                f"{count(origin['n_test'])} ({count(origin['n_won'])})",
                decimal(found.get("log_loss"), 4),
                decimal(found.get("auc")),
                interval(found.get("predicted_over_observed")),
            )
        )
    head = (
        both("立った日", "Standing on"),
        both("学んだリード", "Learnt from"),
        both("確かめたリード(受注)", "Judged on (won)"),
        both("外れの大きさ", "Log loss"),
        both("順位", "AUC"),
        both("予測÷実績", "Promised ÷ observed"),
    )
    horizon = "" if main is None else f"<p class='note'>{horizon_words(main)}</p>"
    return section(
        "origins",
        "過去の日に立って確かめる",
        "Standing on days in the past",
        note(
            "過去のそれぞれの日に、その日までに分かっていたことだけで学び直し、後から来たリードで確かめました。",
            "On each of these days the model was learnt from what was known then, and judged on "
            "the leads that came after.",
        ),
        horizon,
        table(head, rows),
    )


def _capacity(found: Facts | None) -> str:
    if not found or not found.get("precision") or found["precision"][0] is None:
        return ""
    return (
        "<p>"
        + both(
            f"定義では営業が1週間に{count(found['per_week'])}件を対応できます。"
            f"{count(found['weeks'])}週にわたり点数の高い順に選ぶと受注率は",
            f"The definition says that sales can work {count(found['per_week'])} leads a week. "
            f"Over {count(found['weeks'])} weeks, taking the best by score won ",
        )
        + rate_range(found["precision"])
        + both("、全リードでは", "; all leads, ")
        + rate(found["all"])
        + both("でした。", ".")
        + "</p>"
    )


def _audit(found: Facts | None) -> str:
    """Return what leads that were turned away, and worked all the same at random, add to it."""
    if not found:
        return ""
    if found.get("log_loss") is None:
        return f"<p class='note'>{said(found['words'])}</p>"
    return note(
        f"監査枠(却下されたが無作為に選んで対応した{count(found['n'])}件、受注{count(found['n_won'])}件)を全体の割合に"
        f"戻して測った外れの大きさは{decimal(found['log_loss'], 4)}です。",
        f"With the audit lane (turned away, yet worked at random: {count(found['n'])} leads, "
        f"{count(found['n_won'])} won) weighed back to its share of all leads, the log loss is "
        f"{decimal(found['log_loss'], 4)}.",
    )


def _worked_only() -> str:
    return note(
        "実績は営業が受け入れたリードのものです。受け入れられたリードは選ばれたリードなので、全リード向けの約束はそれより低くなります。",
        "What is observed is of leads that sales accepted. They are a selection, so what is "
        "promised for all leads lies somewhat below.",
        "note",
    )


def _named(found: Facts, key: str) -> str:
    names = found.get(f"{key}_names")
    return both(names["ja"], names["en"]) if names else both(str(found[key]), str(found[key]))
