"""What could mislead: fields that know the future, sales and outcome apart, change since learning.

And what became of sales' feedback: people give it as long as they see that it counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from features.wording import input_name
from training.report.html import both, chip, count, note, rate_range, said, section, table

if TYPE_CHECKING:
    from features.definition import LeadDefinition

__all__ = ["disagreements_section", "drift_section", "feedback_section", "leaks_section"]

Facts = Mapping[str, Any]

SEVERITIES = {
    "leak": ("漏れ", "leak"),
    "suspect": ("疑い", "suspect"),
    "note": ("参考", "note"),
}


def leaks_section(facts: Facts) -> str:
    """Return every finding of the leak scan, with what to do and who accepted it."""
    scan = facts.get("leaks")
    if not scan:
        return ""
    findings: Sequence[Facts] = scan["findings"]
    open_ones = int(scan["n_blocking"])
    told = (
        note(
            f"{open_ones}件の未解決の指摘があります。解決するか、理由を書いて誰かが引き受けるまで公開できません。",
            f"{open_ones} finding(s) stand open. The model may not be used until they are solved, "
            "or somebody answers for them by name, with a reason.",
            "lead",
        )
        if open_ones
        else note(
            "未来を知っていると疑われる項目は残っていません。",
            "No field is left that is suspected of knowing the future.",
        )
    )
    rows = [
        (
            chip(found["severity"], *SEVERITIES[found["severity"]]),
            f"<code>{both(found['field'], found['field'])}</code>",
            said(found["what"]) + "<br><small>" + said(found["remedy"]) + "</small>",
            _accepted(found.get("accepted")),
        )
        for found in findings
    ]
    head = (
        "",
        both("項目", "Field"),
        both("指摘と対応", "Finding, and what to do"),
        both("引き受け", "Accepted by"),
    )
    return section(
        "leaks",
        "未来を知っている項目はないか",
        "Does a field know the future?",
        note(
            "営業に渡した後で書き込まれる項目で学ぶと、テストでは見事に当たり、本番では役に立ちません。",
            "A model that learns from fields filled in after hand-off shines in tests and fails "
            "in use.",
        ),
        told,
        table(head, rows, words=(1, 2, 3)) if rows else "",
    )


def disagreements_section(facts: Facts, definition: LeadDefinition) -> str:
    """Return where sales turns leads away that would do as well as others."""
    found = facts.get("disagreements")
    if not found:
        return ""
    groups: Sequence[Facts] = found.get("groups") or ()
    items = "".join(f"<li>{said(group['words'])}</li>" for group in groups)
    parts = [f"<ol>{items}</ol>" if items else "", f"<p class='note'>{said(found['note'])}</p>"]
    anyway, dead = found.get("rejected_then_won") or {}, found.get("accepted_then_dead") or {}
    if anyway.get("n") is not None and dead.get("n") is not None:
        parts.append(
            note(
                f"却下したが受注した:{count(anyway['n'])}件。受け入れたが受注しなかった:{count(dead['n'])}件"
                f"({count(dead.get('of'))}件中)。",
                f"Turned away, yet won: {count(anyway['n'])}. Accepted, never won: "
                f"{count(dead['n'])} of {count(dead.get('of'))}.",
            )
        )
    parts.append(_sources(found.get("sources") or (), definition))
    return section(
        "disagreements", "営業と結果が食い違うところ", "Where sales and outcome disagree", *parts
    )


def feedback_section(facts: Facts, definition: LeadDefinition) -> str:
    """Return what came in since the model in use was made, and what that moved."""
    found = facts.get("feedback")
    if not found:
        return ""
    new = found["new"]
    reasons = definition.reasons
    ja = "、".join(
        f"{reasons[code].names.ja} {n}件" if code in reasons else f"{code} {n}件"
        for code, n in new["rejections"].items()
    )
    en = ", ".join(
        f"{reasons[code].names.en} {n}" if code in reasons else f"{code} {n}"
        for code, n in new["rejections"].items()
    )
    rows = [
        (
            both(
                input_name(definition, one["field"], "ja"),
                input_name(definition, one["field"], "en"),
            )
            + ": "
            + said(one["value"]),
            f"{one['before']:+.1f}",
            f"{one['after']:+.1f}",
            f"{one['after'] - one['before']:+.1f}",
            count(one["n"]),
        )
        for one in found["fields"]
    ]
    head = (
        both("項目の値", "Value"),
        both("前(点)", "Before"),
        both("後(点)", "After"),
        both("変化", "Change"),
        both("件数", "Leads"),
    )
    moved = found["leads"]
    since, n_rejected = str(found["since"])[:10], sum(new["rejections"].values())
    return section(
        "feedback",
        "フィードバックで何が変わったか",
        "What the feedback changed",
        note(
            f"現在のモデル({since}まで)の後に、リード{count(new['leads'])}件、受注{count(new['won'])}件、"
            f"却下{count(n_rejected)}件が加わりました。" + (f"却下の内訳:{ja}。" if ja else ""),
            f"Since the model in use (learnt until {since}): {count(new['leads'])} new leads, "
            f"{count(new['won'])} won, {count(n_rejected)} turned away."
            + (f" Of these: {en}." if en else ""),
        ),
        note(
            f"同じリードで比べると、{count(moved['up'])}件の評価ランクが上がり、{count(moved['down'])}件が下がり、"
            f"{count(moved['same'])}件は同じです。",
            f"On the same leads, {count(moved['up'])} get a higher grade, {count(moved['down'])} a "
            f"lower one, {count(moved['same'])} the same.",
        ),
        note(
            "作り方や定義も変わったので、変化のすべてがフィードバックによるものではありません。",
            "The recipe or the definition has changed too, so not all of this comes from feedback.",
            "note",
        )
        if found["recipe_changed"]
        else "",
        table(head, rows) if rows else "",
    )


def drift_section(facts: Facts) -> str:
    """Return the alarms of the drift watch at the time of training."""
    found = facts.get("drift")
    if not found:
        return ""
    alarms: Sequence[Facts] = found.get("alarms") or ()
    told = note(
        f"{str(found['since'])[:10]}から{str(found['until'])[:10]}までの{count(found['n'])}件を、学習時のリードと比べました。",
        f"{count(found['n'])} leads from {str(found['since'])[:10]} to {str(found['until'])[:10]}, "
        "compared with those it had learnt from.",
    )
    if not alarms:
        return section(
            "drift",
            "最近のリードは変わったか",
            "Have recent leads changed?",
            told,
            note("目立った変化はありません。", "Nothing has changed beyond the usual."),
        )
    items = "".join(
        f"<li>{said(alarm['words'])}<br><small>{said(alarm['remedy'])}</small></li>"
        for alarm in alarms
    )
    return section(
        "drift", "最近のリードは変わったか", "Have recent leads changed?", told, f"<ul>{items}</ul>"
    )


def _accepted(found: Facts | None) -> str:
    """Return who answers for a finding, in their own words."""
    return said(f"{found['by']} ({found['on']}): {found['why']}") if found else ""


def _sources(sources: Sequence[Facts], definition: LeadDefinition) -> str:
    if not sources:
        return ""
    names = definition.fields[definition.channel_field].values
    rows = [
        (
            said(names[found["value"]].model_dump() if found["value"] in names else found["value"]),
            count(found["n"]),
            rate_range(found["acceptance"]),
            rate_range(found["conversion"]),
        )
        for found in sources
    ]
    head = (
        both("流入元", "Source"),
        both("リード", "Leads"),
        both("営業が受け入れた割合(印象)", "Accepted by sales (perceived)"),
        both("対応後に受注した割合(実績)", "Won once worked (measured)"),
    )
    title = both("流入元の印象と実績", "Sources: perceived and measured")
    return f"<h3>{title}</h3>{table(head, rows)}"
