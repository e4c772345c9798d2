"""Job titles as Japanese and English business cards have them: rank and department.

The rules are ordered: the first that fits decides, so that 課長代理 is not a 課長 and a 社長秘書 is
not a 社長.
"""

from __future__ import annotations

import re

from features.writing import LONGEST_CATEGORY, Unreadable, normalise

__all__ = ["DEPARTMENTS", "RANKS", "title_department", "title_rank"]


def _rule(code: str, japanese: str, english: str) -> tuple[str, re.Pattern[str]]:
    return code, re.compile(f"{japanese}|(?<![a-z])(?:{english})(?![a-z])")


_OFFICES = re.compile(r"(?:社長|会長|役員|理事長|取締役)室(?!長)")

_RANK_RULES = (
    _rule(
        "staff",
        "秘書|社長付|アシスタント(?!マネ)",
        "secretary|executive assistant|personal assistant|assistant to",
    ),
    _rule(
        "assistant_manager",
        "課長(?:代理|補佐|心得)|係長|主任|主査|班長|アシスタントマネ|サブマネ"
        "|(?<!グループ)リーダー",
        "(?:assistant|deputy|sub) managers?|supervisor|(?:team|tech|project) lead(?:er)?"
        "|team ?lead",
    ),
    _rule(
        "manager",
        "部長(?:代理|補佐|心得)|副部長|次長",
        "deputy general manager|assistant director",
    ),
    _rule(
        "executive",
        "代表|取締役|社長|会長|頭取|理事長|専務|常務|執行役|役員|監査役|最高.{1,6}責任者"
        "|オーナー|経営者|院長|学長",
        "c[efitombrdshp]o|ciso|chief [a-z &-]{1,40} officer|chairman|chairperson|chair"
        "|(?<!vice )president|(?:co-)?founder|owner|(?:managing|executive) director"
        "|board member|(?:managing )?partner",
    ),
    _rule(
        "general_manager",
        "部長|局長|所長|支店長|支社長|工場長|センター長|統括|ゼネラルマネ|ジェネラルマネ|室長",
        "general manager|gm|directors?|head|[se]?vp|vice president|(?:plant|branch) manager",
    ),
    _rule(
        "manager",
        "課長|マネ[ー]?ジャ|グループ長|グループリーダ|店長|科長|ユニット長|チーム長|管理職",
        "managers?|mgr|(?:section|group) (?:chief|head|leader)",
    ),
    _rule(
        "staff",
        "担当|一般|社員|スタッフ|職員|メンバー|事務|係員|教員|研究員|エンジニア|技術者|技師"
        "|コンサルタント|部員|専門職",
        "staff|employee|engineer|developer|analyst|specialist|associate|assistant|consultant"
        "|clerk|representative|coordinator|administrator|officer|member|researcher|designer"
        "|programmer|accountant|buyer|executive",
    ),
)

_DEPARTMENT_RULES = (
    _rule(
        "it",
        "情報システム|情シス|システム|情報部|情報企画|デジタル|dx|ネットワーク|セキュリティ",
        "it|ict|dx|information (?:technology|systems?)|cio|ciso|cto|systems?|digital"
        "|infrastructure|security|data",
    ),
    _rule(
        "marketing",
        "マーケ|販促|販売促進|宣伝|広報|広告|ブランド",
        "marketing|pr|communications?|cmo|brand|growth|demand generation",
    ),
    _rule(
        "planning",
        "経営企画|事業企画|事業開発|企画|経営戦略|戦略",
        "planning|strategy|(?:business|corporate) development",
    ),
    _rule(
        "customer_support",
        "カスタマー|サポート|お客様|コールセンター|保守",
        "customer (?:success|support|service|care)|support|help ?desk",
    ),
    _rule(
        "sales",
        "営業|販売|セールス|商談|法人部|店舗",
        "sales|account (?:manager|executive)|cro|retail",
    ),
    _rule(
        "hr",
        "人事|労務|採用|人材|教育研修",
        "hr|human resources|people|recruit(?:ing|ment)|talent|chro|training",
    ),
    _rule(
        "finance",
        "経理|財務|会計|主計|税務",
        "finance|accounting|accountant|treasury|controller|cfo|tax",
    ),
    _rule(
        "legal",
        "法務|知財|知的財産|コンプライアンス|内部監査",
        "legal|compliance|intellectual property|counsel|audit",
    ),
    _rule(
        "purchasing",
        "購買|調達|資材|仕入|バイヤー",
        "purchasing|procurement|sourcing|buyer",
    ),
    _rule(
        "logistics",
        "物流|ロジスティクス|倉庫|配送|運輸|サプライチェーン",
        "logistics|supply chain|warehouse|distribution",
    ),
    _rule(
        "production",
        "製造|生産|工場|品質|工務|保全|施工|工事",
        "production|manufacturing|plant|factory|quality|qa|operations|coo",
    ),
    _rule(
        "research",
        "研究|開発|技術|設計|r&d|エンジニア|技師",
        "r ?& ?d|research(?:er)?|development|developer|engineer(?:ing)?|design(?:er)?"
        "|technology|product|scientist",
    ),
    _rule(
        "general_affairs",
        "総務|管理|庶務|業務|秘書|事務",
        "general affairs|administrati(?:on|ve)|admin|office|secretary|facilities",
    ),
    _rule(
        "management",
        "経営|代表|社長|会長|オーナー|役員|取締役",
        "ceo|president|owner|(?:co-)?founder|chairman|management|managing director",
    ),
)

RANKS = ("executive", "general_manager", "manager", "assistant_manager", "staff", "other")
DEPARTMENTS = (*(code for code, _ in _DEPARTMENT_RULES), "other")


def title_rank(value: object) -> str | None:
    """Return the rank of a job title, one of `RANKS`; None for a blank.

    >>> title_rank("代表取締役社長"), title_rank("営業部　課長代理"), title_rank("General Manager")
    ('executive', 'assistant_manager', 'general_manager')
    """
    title = _title(value)
    return None if title is None else _first(_RANK_RULES, _OFFICES.sub("", title))


def title_department(value: object) -> str | None:
    """Return the department of a job title, one of `DEPARTMENTS`; None for a blank.

    >>> title_department("情報システム部 部長"), title_department("Head of Sales")
    ('it', 'sales')
    """
    title = _title(value)
    return None if title is None else _first(_DEPARTMENT_RULES, title)


def _title(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Unreadable(f"a {type(value).__name__} where a job title was expected")
    if len(value) > LONGEST_CATEGORY:
        raise Unreadable(f"longer than {LONGEST_CATEGORY} characters")
    return normalise(value).casefold() or None


def _first(rules: tuple[tuple[str, re.Pattern[str]], ...], title: str) -> str:
    return next((code for code, rule in rules if rule.search(title)), "other")
