"""May it be used, and is it better than what there is: the first thing a reader wants to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from features.definition import EVER
from training.report.evidence import judged_row, says_enough, too_few_wins
from training.report.html import (
    both,
    chip,
    count,
    decimal,
    interval,
    note,
    rate,
    rate_range,
    said,
    section,
    table,
)

__all__ = ["capacity_words", "comparison_section", "headline", "horizon_words", "verdict_section"]

Facts = Mapping[str, Any]

SAME = 1e-9
"""Rates nearer than this are of the same leads: all of them were taken."""
LEVELS = {
    "ready": ("使えます", "Ready"),
    "ok": ("条件つきで使えます", "OK to use"),
    "not_ready": ("まだ使えません", "Not ready"),
}
MODELS = {
    "student": ("このモデル", "This model"),
    "champion": ("現在のモデル", "The model in use"),
    "teacher": ("営業が受け入れた場合の見込み", "Chance once accepted"),
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
        (_passed(found["passed"]), *(said(found[key]) for key in ("words", "figure", "limit")))
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
            "次の条件をすべて調べました(–はまだ確かめられないもの)。2行目と3行目はどちらか一方が✓であればよく、"
            "ほかに一つでも✗があれば、担当者が名前と理由を残して承認しない限り使われません。",
            "All of these were checked (– cannot be told yet). Of the second and third one ✓ is "
            "enough; any other ✗ keeps the model out, unless a named person overrides it with a "
            "reason that is kept.",
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
            "学習に使っていない新しいリードで比べました。一つの表の中では、どの方法も同じリードです。"
            "「外れの大きさ」は小さいほど、「順位の正しさ」は大きいほど良い値です(0.5はでたらめ、1は完全)。",
            "Compared on leads newer than any the models had learnt from; within a table, on the "
            "same ones. Lower is better for the size of the miss (log loss); higher for the "
            "ranking (AUC: 0.5 is chance, 1 is perfect).",
        ),
        "" if says_enough(facts) else too_few_wins(facts),
    ]
    n_apart = 0
    for horizon in horizons:
        rows = [row for row in results if row["horizon"] == horizon]
        own = next((row for row in rows if row["model"] == "student"), None)
        apart = [row for row in rows if own is not None and row["n"] != own["n"]]
        beside = [row for row in rows if row not in apart]
        n_apart += len(apart)
        parts.append(f"<h3>{horizon_words(horizon)}</h3>{_models(beside)}{_newest_only(apart)}")
    if n_apart:
        parts.insert(
            1,
            note(
                "学習に時間がかかる方法は、いちばん新しい基準日のリードだけで確かめ、別の表に分けました。"
                "そこにあるこのモデルの値も、その同じリードで測ったものです。",
                "What takes long to learn was judged on the leads of the newest cut-off alone and "
                "has a table of its own; this model's figure there is of those same leads.",
                "note",
            ),
        )
    by_channel = any(row["model"] == "base_rate_by_channel" for row in results)
    parts.append(_against_champion(facts.get("against_champion"), by_channel))
    return section("comparison", "ほかの方法との比較", "Beside other methods", *parts)


def _models(rows: Sequence[Facts]) -> str:
    head = (
        both("方法", "Method"),
        both("リード(受注)", "Leads (won)"),
        both("外れの大きさ", "Log loss"),
        both("差(マイナスならこのモデルが良い)", "Difference (below 0: this model is better)"),
        both("順位の正しさ", "AUC"),
        both("上位1割の受注率(平均の何倍)", "Lift of best tenth"),
        both("予測÷実績", "Promised ÷ observed"),
    )
    lines = [
        (
            both(*_name(row)),
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


def _newest_only(rows: Sequence[Facts]) -> str:
    """Return models judged on fewer leads, each with this model's miss on those very leads."""
    if not rows:
        return ""
    lines = []
    for row in rows:
        against: Sequence[float | None] = row.get("against_student") or (None, None, None)
        # The difference is this model minus the other on the same leads.
        known = None not in (against[0], row["log_loss"])
        lines.append(
            (
                both(*_name(row)),
                f"{count(row['n'])} ({count(row['n_won'])})",
                decimal(row["log_loss"], 4),
                decimal(row["log_loss"] + against[0], 4) if known else "–",
                interval(against, 4),
            )
        )
    head = (
        both("方法(最新の基準日のみ)", "Method (newest cut-off only)"),
        both("リード(受注)", "Leads (won)"),
        both("外れの大きさ", "Log loss"),
        both("このモデルの外れ", "This model's log loss"),
        both("差(マイナスならこのモデルが良い)", "Difference (below 0: this model is better)"),
    )
    return table(head, lines)


def _name(row: Facts) -> tuple[str, str]:
    return MODELS.get(row["model"], (row["model"], row["model"]))


def _against_champion(found: Facts | None, by_channel: bool) -> str:
    if not found:
        return note(
            "比べる現在のモデルはまだありません。"
            + ("代わりに流入元ごとの平均と比べています。" if by_channel else ""),
            "There is no model in use yet"
            + ("; the base rate by channel takes its place." if by_channel else "."),
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
    """Return the three figures that say most, a sentence each; below 30 wins how many there are."""
    own = judged_row(facts)
    if own is None or not says_enough(facts):
        return too_few_wins(facts, "lead")
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
    parts.append(capacity_words(facts.get("capacity"), "lead"))
    return "".join(parts)


def capacity_words(found: Facts | None, kind: str = "") -> str:
    """Return what taking the best leads of each week wins, or that there is room for all."""
    if not found or not found.get("precision") or found["precision"][0] is None:
        return ""
    places, weeks = count(found["per_week"]), count(found["weeks"])
    if abs(found["precision"][0] - found["all"]) < SAME:
        return note(
            f"定義では営業は毎週{places}件に対応できます。確かめた{weeks}週に届いたリードはそれより少なく、"
            "全員に電話できます。点数は電話の順番に使えます。",
            f"The definition says that sales can work {places} leads a week. Fewer came in the "
            f"{weeks} weeks that were checked, so everyone can be called: the score decides who "
            "is called first.",
            kind,
        )
    return (
        f"<p class='{kind or 'words'}'>"
        + both(
            f"毎週{places}件(定義にある営業の枠)を点数の高い順に選ぶと受注率は",
            f"Taking the best {places} leads of each week (the places in the definition) wins ",
        )
        + rate_range(found["precision"])
        + both("、無作為に選ぶと", "; taking any at random, ")
        + rate(found["all"])
        + both(f"でした({weeks}週、営業が対応したリードで)。", f" ({weeks} weeks, worked leads).")
        + "</p>"
    )
