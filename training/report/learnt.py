"""What the model was made from: leads, reasons and what they mean, and the agreement behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from features.definition import EVER
from training.report.html import both, count, decimal, interval, note, section, table

if TYPE_CHECKING:
    from features.definition import LeadDefinition

__all__ = ["learnt_section", "reasons_section"]

Facts = Mapping[str, Any]

TREATMENTS = {
    "shift": ("見込みを調整して学ぶ", "learnt with an adjusted chance"),
    "zero": ("受注しないとみなす", "taken as never won"),
    "leave_out": ("学習に使わない", "left out"),
    "worked": ("対応したリードとして学ぶ", "learnt as a worked lead"),
}


def learnt_section(facts: Facts) -> str:
    """Return the counts of leads by what became of them."""
    learnt: Facts = facts.get("learnt") or {}
    if not learnt:
        return ""
    rows = [
        (both("リード", "Leads"), count(learnt["n_leads"])),
        (both("営業が対応した", "Worked by sales"), count(learnt["worked"])),
        (both("うち受注", "of them won"), count(learnt["wins"])),
        (both("営業が却下した", "Turned away by sales"), count(learnt["rejected"])),
        (both("まだ決まっていない", "Not decided yet"), count(learnt["pending"])),
        (both("誰も対応していない", "Never worked"), count(learnt["untouched"])),
        (
            both("リードではない・学習に使わない", "Not a lead, or left out"),
            count(learnt["left_out"]),
        ),
    ]
    notes = note(
        "結果が学べるのは営業が対応したリードだけです。ほかは、なぜ対応されなかったかに応じて扱います。",
        "Only leads that sales worked have an outcome to learn from. The others are treated by "
        "why they were not worked.",
    )
    if learnt["method"] == "base_rate":
        notes += note(
            f"受注が{learnt['wins']}件で50件に満たないため、学習したモデルではなく流入元ごとの平均を使います。"
            f"あと{max(0, 50 - learnt['wins'])}件の受注が記録されれば学習が始まります。",
            f"There are {learnt['wins']} wins, fewer than 50, so base rates by channel are used "
            f"instead of a learned model. With {max(0, 50 - learnt['wins'])} more recorded wins "
            "learning begins.",
            "lead",
        )
    if learnt["main_horizon"] == EVER:
        notes += note(
            "日付のない一覧なので「いつか受注」の確率だけを学びます。受注・却下の日付を記録すれば、期間ごとの見込みになります。",
            "A table without dates: only the chance of ever winning is learnt. Record the days of "
            "decisions and wins to get a chance for each period.",
        )
    return section(
        "learnt",
        "何から学んだか",
        "What it was learnt from",
        notes,
        table((both("", ""), both("件数", "Number")), rows),
    )


def reasons_section(facts: Facts, definition: LeadDefinition) -> str:
    """Return what sales' reasons were, how often, and what each is taken to mean."""
    counts = facts.get("reasons") or ()
    if not counts:
        return ""
    rows = [
        (
            both(*_named(definition, found["reason"])),
            count(found["n"]),
            both(*TREATMENTS.get(found["treatment"], (found["treatment"], found["treatment"]))),
        )
        for found in sorted(counts, key=lambda found: -found["n"])
    ]
    head = (both("理由", "Reason"), both("件数", "Leads"), both("扱い", "What the model does"))
    return section(
        "reasons",
        "営業の理由をどう学んだか",
        "What sales' reasons were taken to mean",
        note(
            "却下は失注ではありません。「今ではない」は「ずっとない」ではなく、「余力がない」はリードの良し悪しとは関係ありません。",
            "A rejection is not a loss. 'Not now' is not 'never', and 'no capacity' says nothing "
            "about the lead.",
        ),
        table(head, rows, words=(2,)),
        _shifts(facts.get("shifts"), definition),
    )


def _shifts(found: Facts | None, definition: LeadDefinition) -> str:
    if not found:
        return ""
    pooled = found["pooled"]
    if not pooled.get("n_audited"):
        return note(
            "監査枠(却下されたリードを無作為に対応すること)の記録がないため、却下理由の重さは定義に書かれた仮の値です。",
            "There is no audit lane (turned-away leads worked at random), so the weight of each "
            "reason is the assumption written in the definition.",
            "note",
        )
    rows = [
        (
            both(*_named(definition, code)),
            count(one["n_audited"]),
            count(one["n_won"]),
            decimal(one.get("assumed"), 2),
            interval([one["shift"], one["low"], one["high"]]),
        )
        for code, one in found["by_reason"].items()
    ]
    rows.append(
        (
            both("すべて", "All together"),
            count(pooled["n_audited"]),
            count(pooled["n_won"]),
            "–",
            interval([pooled["shift"], pooled["low"], pooled["high"]]),
        )
    )
    head = (
        both("却下理由", "Reason"),
        both("無作為に対応", "Worked at random"),
        both("受注", "Won"),
        both("定義の値", "Assumed"),
        both("測った値", "Measured"),
    )
    return (
        f"<h3>{both('却下理由の重さを確かめる', 'The weight of reasons, measured')}</h3>"
        + note(
            "却下されたリードを無作為に対応した結果から、却下理由がどれだけ見込みを下げるかを測りました"
            "(0は対応したリードと同じ、マイナスほど見込みが低い)。",
            "From turned-away leads that were worked at random: how far each reason lowers the "
            "chance (0 is like worked leads; the more below 0, the lower).",
        )
        + table(head, rows, own=(len(rows) - 1,))
    )


def _named(definition: LeadDefinition, code: str) -> tuple[str, str]:
    known = definition.reasons.get(code)
    return (code, code) if known is None else (known.names.ja, known.names.en)
