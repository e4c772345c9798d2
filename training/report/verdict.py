"""May it be used, and is it better than what there is: the first thing a reader wants to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from features.definition import EVER
from training.report.html import (
    both,
    chip,
    count,
    decimal,
    interval,
    note,
    rate,
    said,
    section,
    table,
)

__all__ = ["comparison_section", "horizon_words", "verdict_section"]

Facts = Mapping[str, Any]

LEVELS = {
    "ready": ("使えます", "Ready"),
    "ok": ("条件つきで使えます", "OK to use"),
    "not_ready": ("まだ使えません", "Not ready"),
}
MODELS = {
    "student": ("このモデル", "This model"),
    "champion": ("現在のモデル", "The model in use"),
    "teacher": ("受け入れ後の見込み", "After acceptance"),
    "base_rate": ("全体の平均", "Base rate"),
    "base_rate_by_channel": ("流入元ごとの平均", "Base rate by channel"),
    "linear": ("線形モデル", "Linear model"),
    "lightgbm_tuned": ("LightGBM(調整済み)", "LightGBM, tuned"),
    "naive_bayes": ("頻度ナイーブベイズ", "Frequency naive Bayes"),
}


def horizon_words(horizon: int) -> str:
    """Return a horizon as people say it."""
    if horizon == EVER:
        return both("いつか", "ever")
    return both(f"{horizon}日以内", f"within {horizon} days")


def verdict_section(facts: Facts) -> str:
    """Return the verdict with each of its conditions; nothing before a gate has spoken."""
    verdict = facts.get("verdict")
    if not isinstance(verdict, Mapping):
        return ""
    level = str(verdict["level"])
    head = (
        f"<div class='verdict {level}'><strong>{both(*LEVELS[level])}</strong>"
        f"<p class='lead'>{said(verdict['words'])}</p></div>"
    )
    rows = [
        (_passed(found["passed"]), said(found["words"]), str(found["figure"]), str(found["limit"]))
        for found in verdict["conditions"]
    ]
    heads = (
        "",
        both("調べたこと", "What was checked"),
        both("値", "Figure"),
        both("基準", "Limit"),
    )
    return section(
        "verdict",
        "このモデルを使ってよいか",
        "May this model be used?",
        head,
        note(
            "次の条件をすべて調べました。一つでも✗があれば、理由を書いた人が責任を持って上書きしない限り使われません。",
            "All of these were checked. One ✗ is enough to keep the model out, unless a named "
            "person overrides it with a reason that is kept.",
        ),
        table(heads, rows, words=(1,)),
    )


def comparison_section(facts: Facts) -> str:
    """Return this model beside simpler ones and the champion, on the same leads."""
    results: Sequence[Facts] = facts.get("results") or ()
    if not results:
        return section(
            "comparison",
            "ほかの方法との比較",
            "Beside other methods",
            note(
                f"評価できるリードがまだありません。{facts.get('note', '')}",
                f"Nothing could be judged yet. {facts.get('note', '')}",
            ),
        )
    main = facts.get("main_horizon", results[0]["horizon"])
    horizons = sorted({row["horizon"] for row in results}, key=lambda days: (days != main, days))
    parts = [
        note(
            "同じリード(学習に使っていない新しいリード)で比べました。「外れの大きさ」は小さいほど、"
            "「順位の正しさ」は大きいほど良い値です(0.5はでたらめ、1は完全)。",
            "Compared on the same leads, newer than any the models had learnt from. Lower is "
            "better for the size of the miss (log loss); higher for the ranking (AUC: 0.5 is "
            "chance, 1 is perfect).",
        )
    ]
    for horizon in horizons:
        rows = [row for row in results if row["horizon"] == horizon]
        parts.append(f"<h3>{horizon_words(horizon)}</h3>{_models(rows)}")
    parts.append(_against_champion(facts.get("against_champion")))
    return section("comparison", "ほかの方法との比較", "Beside other methods", *parts)


def _models(rows: Sequence[Facts]) -> str:
    head = (
        both("方法", "Method"),
        both("リード(受注)", "Leads (won)"),
        both("外れの大きさ", "Log loss"),
        both("このモデルとの差", "This model minus it"),
        both("順位の正しさ", "AUC"),
        both("上位1割の濃さ", "Lift of best tenth"),
        both("予測÷実績", "Promised ÷ observed"),
    )
    lines = [
        (
            both(*MODELS.get(row["model"], (row["model"], row["model"]))),
            f"{count(row['n'])} ({count(row['n_won'])})",
            decimal(row["log_loss"], 4),
            interval(row.get("against_student"), 4),
            decimal(row["auc"]),
            decimal(row.get("lift_10"), 2),
            decimal(row.get("predicted_over_observed"), 2)
            if not isinstance(row.get("predicted_over_observed"), list)
            else interval(row["predicted_over_observed"]),
        )
        for row in rows
    ]
    own = [place for place, row in enumerate(rows) if row["model"] == "student"]
    return table(head, lines, own=own)


def _against_champion(found: Facts | None) -> str:
    if not found:
        return note(
            "比べる現在のモデルはまだありません。流入元ごとの平均と比べています。",
            "There is no model in use yet; the base rate by channel takes its place.",
            "note",
        )
    version = found["version"]
    if found.get("has_seen"):
        how = (
            "現在のモデルはこれらのリードの一部をすでに学習しているため、比較は現在のモデルに有利です。",
            "The model in use has already learnt from some of these leads, which favours it.",
        )
    elif found.get("relearnt"):
        how = (
            "現在のモデルと同じ作り方を、各時点で学習し直して比べています。",
            "The way the model in use was made was learnt again on each day, and compared.",
        )
    else:
        how = (
            "現在のモデルが一度も見ていないリードで比べています。",
            "Compared on leads that the model in use had never seen.",
        )
    rows = [
        (
            horizon_words(row["horizon"]),
            interval(row["difference"], 4),
            decimal(row.get("auc_difference"), 3),
        )
        for row in found["by_horizon"]
    ]
    head = (
        both("期間", "Horizon"),
        both("外れの差(マイナスなら改善)", "Difference of log loss (below 0: better)"),
        both("順位の差", "Difference of AUC"),
    )
    title = both(
        f"現在のモデル(版{version})との比較", f"Against the model in use (version {version})"
    )
    return f"<h3>{title}</h3>{note(*how)}{table(head, rows)}"


def _passed(found: bool | None) -> str:
    if found is None:
        return chip("unknown", "–", "–")
    return chip("yes", "✓", "✓") if found else chip("no", "✗", "✗")


def headline(facts: Facts) -> str:
    """Return the three figures that say most, a sentence each."""
    results: Sequence[Facts] = facts.get("results") or ()
    main = facts.get("main_horizon")
    own = next((r for r in results if r["model"] == "student" and r["horizon"] == main), None)
    if own is None:
        return ""
    parts = [
        note(
            f"学習に使っていない新しいリード{count(own['n'])}件(うち受注{count(own['n_won'])}件)で確かめました。",
            f"Checked on {count(own['n'])} newer leads it had not learnt from "
            f"({count(own['n_won'])} of them won).",
            "lead",
        )
    ]
    lift = own.get("lift_10")
    if lift is not None:
        parts.append(
            note(
                f"点数の高い1割のリードは、平均の{decimal(lift, 1)}倍の割合で受注しました。",
                f"The best-scored tenth of leads was won {decimal(lift, 1)} times as often "
                "as the average lead.",
                "lead",
            )
        )
    capacity = facts.get("capacity")
    if capacity and capacity.get("precision") and capacity["precision"][0] is not None:
        parts.append(
            "<p class='lead'>"
            + both(
                f"毎週{count(capacity['per_week'])}件を点数の高い順に選ぶと受注率は",
                f"Taking the best {count(capacity['per_week'])} leads of each week wins ",
            )
            + rate(capacity["precision"][0])
            + both("、選ばないと", "; taking any, ")
            + rate(capacity["all"])
            + both("でした。", ".")
            + "</p>"
        )
    return "".join(parts)
