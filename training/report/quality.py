"""Does it keep its promises: for all leads, for the best ones, over time, and in each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.report.evidence import says_enough, too_few_wins
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
from training.report.verdict import capacity_words, horizon_words

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
    title = "予測した確率は当たったか", "Were the promised chances kept?"
    if not says_enough(facts):
        return section("calibration", *title, too_few_wins(facts))
    drawing = figure(
        draw_reliability(groups),
        both(
            "横:予測した確率、縦:実際に受注した割合(棒は95%の幅)。破線に近いほど予測どおりです。",
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
    head = (both("予測", "Promised"), both("実績", "Observed"), both("件数", "Leads"))
    return section(
        "calibration",
        *title,
        note(
            f"点数順に{len(groups)}組に分けると、{n_kept}組で予測が実績の幅の中にありました。",
            f"Of {len(groups)} groups by score, the promise lay within the range of what was "
            f"observed in {n_kept}.",
        ),
        _worked_only(),
        beside(drawing, table(head, rows)),
    )


def gains_section(facts: Facts) -> str:
    """Return how many wins the best-scored leads hold, and what this week's places bring."""
    points: Sequence[Facts] = facts.get("gains") or ()
    if not points or not says_enough(facts):
        return ""
    best = min(points, key=lambda point: abs(point["share"] - 0.3))
    drawing = figure(
        draw_gains(points),
        both(
            "横:点数の高い順に選んだリードの割合、縦:そこに含まれる受注の割合。破線は無作為に選んだ場合です。",
            "Across: share of leads taken from the best score down. Up: share of all wins among "
            "them. The dashed line is taking leads at random.",
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
        + both(
            "営業が対応したリードのうち、点数の高い", "Of the leads that sales worked, the best "
        )
        + rate(best["share"])
        + both("に、受注の", " by score held ")
        + rate(best["won_share"])
        + both("がありました。", " of all wins.")
        + "</p>"
    )
    return section(
        "gains",
        "点数順に電話すると何が変わるか",
        "What calling by score changes",
        sentence,
        beside(drawing, table(head, rows)),
        capacity_words(facts.get("capacity")),
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
            "青は予測、橙は実績です(帯は95%の幅)。まだ決まっていないリードは「失注」ではなく「まだ」として数えます"
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
    """Return each group's promise beside what became of it."""
    slices: Sequence[Facts] = facts.get("slices") or ()
    if not slices or not says_enough(facts):
        return ""

    def off(found: Facts) -> bool:
        ratio = found["predicted_over_observed"]
        return None not in ratio and not ratio[1] <= 1.0 <= ratio[2]

    rows = [
        (
            ": ".join(said(found.get(f"{key}_names") or found[key]) for key in ("field", "value")),
            f"{count(found['n'])} ({count(found['n_won'])})",
            rate(found["promised"]) + " " + bar(found["promised"]),
            rate_range(found["observed"]),
            interval(found["predicted_over_observed"]) + (" ●" if off(found) else ""),
        )
        for found in slices
    ]
    head = (
        both("グループ", "Group"),
        both("リード(受注)", "Leads (won)"),
        both("予測", "Promised"),
        both("実績", "Observed"),
        both("予測÷実績", "Promised ÷ observed"),
    )
    n_off = sum(off(found) for found in slices)
    return section(
        "slices",
        "グループごとの予測と実績",
        "Promise and outcome by group",
        note(
            f"{len(slices)}グループのうち{n_off}グループ(●)で、予測が実績の幅から外れています。"
            "たまたま外れるグループもあります(20に1つほど)。",
            f"In {n_off} of {len(slices)} groups (●) the promise lies outside the range of what "
            "was observed. Chance alone does that to about one group in twenty.",
        ),
        _worked_only(
            "そのぶん●も多めになります。", " So more groups are marked than by chance alone."
        ),
        table(head, rows),
    )


def accounts_section(facts: Facts) -> str:
    """Return what can and cannot be said of accepted, rejected and never-worked leads."""
    accounts = facts.get("accounts")
    if not accounts:
        return ""
    accepted, rejected = accounts["accepted"], accounts["rejected"]
    never, left_out = accounts["never_worked"], accounts.get("left_out")
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
            both("誰も対応していない・まだ決まっていない", "Never worked, or not decided yet"),
            count(never["n"]),
            rate(never.get("promised")),
            both("分かりません", "Not known"),
        ),
    ]
    if left_out and left_out["n"]:
        turned_away = (
            both(
                "余力不足など、リード自身と関係のない理由で却下した",
                "Turned away for a reason that is not about the lead (no capacity, …)",
            ),
            count(left_out["n"]),
            rate(left_out.get("promised")),
            both("分かりません", "Not known"),
        )
        rows.insert(2, turned_away)
    head = (
        "",
        both("リード", "Leads"),
        both("平均の予測", "Promised on average"),
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
        both("基準日", "Cut-off"),
        both("学んだリード", "Learnt from"),
        both("確かめたリード(受注)", "Judged on (won)"),
        both("外れの大きさ", "Log loss"),
        both("順位", "AUC"),
        both("予測÷実績", "Promised ÷ observed"),
    )
    horizon = "" if main is None else f"<p class='note'>{horizon_words(main)}</p>"
    return section(
        "origins",
        "過去の時点に戻って確かめる",
        "Standing on days in the past",
        note(
            "過去のそれぞれの基準日に戻り、その日までに分かっていたことだけで学び直して、後から来たリードで確かめました。",
            "On each of these days the model was learnt from what was known then, and judged on "
            "the leads that came after.",
        ),
        horizon,
        table(head, rows),
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


def _worked_only(ja: str = "", en: str = "") -> str:
    return note(
        "実績は営業が受け入れたリードのものです。予測は全リード向けなので、営業が選んだリードの実績より"
        f"低めに出るのが普通です。{ja}",
        "What is observed is of leads that sales accepted. They are a selection, so what is "
        f"promised for all leads lies somewhat below by design.{en}",
        "note",
    )
