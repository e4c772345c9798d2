"""Words that speak of what happens after hand-off, in headings; general, of no one data set."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["outcome_word", "person_word"]


def _english(words: str) -> str:
    return f"(?<![a-z])(?:{words})(?![a-z])"


_PLAIN = re.compile(
    "受注|失注|成約|成否|勝敗|商談結果|受諾|契約(?:日|番号|書|締結|成立|状況|金額|有無)"
    "|(?:却下|断り|不採用|不成立|対象外)(?:の)?理由|"
    + _english(
        "won|lost|win|loss|converted|conversion|outcome|closed|close date|churn(?:ed)?"
        "|(?:rejection|disqualification|lost|loss|close) reason"
    )
)
"""They name the outcome itself."""

_AFTER = re.compile(
    "商談|案件|見積|提案|訪問記録|確度|見込|ランク|進捗|フェーズ|ステージ|ステータス|状態|状況|結果|対応|処理"
    "|判定|評価|担当|営業|架電|フォロー|最終(?:更新|活動|接触|連絡|対応|訪問)|更新日|完了|クローズ|理由|メモ"
    "|備考|タグ|ヒアリング|納品|請求|入金|契約|引き?渡し|引き?継ぎ|現在の|"
    + _english(
        "status|stage|phase|results?|disposition|(?:dis)?qualified|qualification|opportunity"
        "|deals?|contracts?|quotes?|quoted|proposals?|reasons?|notes?|remarks?|tags?|owner"
        "|agent|assigned|assignee|(?:sales )?rep|representative|follow ?ups?|ratings?|rank|grade"
        "|score|quality|probability|likelihood|forecast|resolution|invoices?|payments?|onboard\\w*"
        "|modified|updated|hand ?over|hand ?off|called|by sales"
        "|(?:last|latest|final) (?:\\w+ )?(?:activity|contact|contacted|touch|visit|call|update)"
    )
)
"""They name what sales does or writes."""

_PERSON = re.compile(
    "氏名|姓名|お名前|名前|担当者名|連絡先|住所|"
    + _english("(?:first|last|full|family|given|contact|person) ?name|surname|address")
)


def _plain(heading: str) -> str:
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", heading))
    return re.sub(r"[_\-./]+", " ", split).casefold()


def outcome_word(heading: str) -> tuple[str, bool] | None:
    """Return the first word of a heading that speaks of outcomes, and whether it names one.

    >>> outcome_word("失注理由"), outcome_word("owner_team"), outcome_word("Lead Source")
    (('失注', True), ('owner', False), None)
    """
    plain = _plain(heading)
    for pattern, names_it in ((_PLAIN, True), (_AFTER, False)):
        if (found := pattern.search(plain)) is not None:
            return found[0], names_it
    return None


def person_word(heading: str) -> bool:
    """Return whether a heading speaks of a person's name or address."""
    return _PERSON.search(_plain(heading)) is not None
