"""The sentences of the scan, Japanese and English: what was seen with its figures, what to do."""

from __future__ import annotations

from collections.abc import Mapping

from features.terms import AcceptedFinding, Names
from training.leaks.findings import Sentences

__all__ = [
    "REMEDY",
    "REMEDY_BREAK",
    "REMEDY_CHANNEL",
    "REMEDY_IDENTIFIER",
    "REMEDY_NOTHING",
    "REMEDY_PERSONAL",
    "channels_differ",
    "counts_to_export",
    "date_after_arrival",
    "declared_later",
    "distribution_break",
    "excludes",
    "filled_in_spells",
    "identifier",
    "missingness",
    "changed",
    "outcome_name",
    "personal",
    "planned_date",
    "purity",
    "single_field",
    "stronger_now",
]

Evidence = Mapping[str, float | str]

REMEDY = Sentences(
    ja="いつ誰が記入する項目か確かめてください。引き渡し後に分かる項目なら、定義で known: later と"
    "します。受付時に分かる項目なら、accepted_findings に氏名と理由を書いて"
    "承認します(判定が leak なら severity: leak も書きます)。",
    en="Find out who fills this in, and when. If it is known only after hand-off, mark it "
    "known: later in the definition. If it is known at arrival, accept the finding there by name, "
    "with the reason (and with severity: leak, where it is called a leak).",
)
REMEDY_NOTHING = Sentences(
    ja="対応は不要です。モデルはこの項目を見ません。", en="Nothing to do: no model sees this field."
)
REMEDY_IDENTIFIER = Sentences(
    ja="番号や識別子なら、項目から外してください。",
    en="If it is a number or key of the record, leave it out of the fields.",
)
REMEDY_PERSONAL = Sentences(
    ja="定義で personal: true とするか(メールは email、電話は phone 型)、項目から外してください。",
    en="Mark it personal: true in the definition (type email or phone where it fits), or leave it "
    "out.",
)
REMEDY_BREAK = Sentences(
    ja="その時期にフォームや運用が変わったか確かめてください。使われなくなった項目なら外します。",
    en="Find out what changed then. Leave the field out if it is no longer filled in.",
)
REMEDY_CHANNEL = Sentences(
    ja="チャネルが受付時に決まり、その後に書き換えられないなら、対応は不要です。",
    en="Nothing to do where the channel is set at arrival and never changed afterwards.",
)

_CONTRAST = {
    "won": ("受注", "wins"),
    "worked": ("営業が対応中または対応済み", "leads that sales worked"),
    "touched": ("営業が接触済み", "leads that sales touched"),
}


def _percent(value: float | str) -> str:
    number = 100 * float(value)
    return f"{number:.2f}%" if 0 < number < 1 or 99 < number < 100 else f"{number:.0f}%"


def declared_later() -> Sentences:
    """Say that a field is declared as known later."""
    return Sentences(
        ja="引き渡し後に分かる項目と定義されています(known: later)。",
        en="The definition says that this is known only after hand-off (known: later).",
    )


def purity(evidence: Evidence) -> Sentences:
    """Say how purely one value tells the outcome."""
    ja, en = _CONTRAST[str(evidence["against"])]
    value = evidence.get("value")
    here_ja = "ある値" if value is None else f"値「{value}」"
    here_en = "one value" if value is None else f'value "{value}"'
    n, rate, expected = float(evidence["n"]), evidence["rate"], evidence["expected"]
    return Sentences(
        ja=f"{here_ja}のリード{n:,.0f}件は{ja}の割合が{_percent(rate)}です。ほかの項目から見込まれる"
        f"割合は{_percent(expected)}で、偶然では説明できません。",
        en=f"Of the {n:,.0f} leads with {here_en}, {_percent(rate)} are {en}; {_percent(expected)} "
        "would be expected from everything else. Chance does not explain that.",
    )


def channels_differ(what: Names) -> Sentences:
    """Add to what was seen of the channel why it is only a note."""
    return Sentences(
        ja=f"{what.ja}ただし、チャネルは営業が見る前、リードが届いた時に決まり、チャネルごとの差が"
        "大きいことはよくあるため、参考情報とします。",
        en=f"{what.en} It is only a note because the channel is set when the lead arrives, before "
        "sales sees it, and honest channels do differ this much.",
    )


def stronger_now(entry: AcceptedFinding, remedy: Names) -> Sentences:
    """Say before the remedy that somebody accepted less than what is found now."""
    return Sentences(
        ja=f"{entry.on.isoformat()}に{entry.by}が「疑い」(suspect)として承認しましたが、"
        f"今回の根拠はそれより強いものです。もう一度確かめてください。{remedy.ja}",
        en=f"Accepted as a suspect by {entry.by} on {entry.on.isoformat()}; the evidence is "
        f"stronger now. Look at it again. {remedy.en}",
    )


def missingness(evidence: Evidence) -> Sentences:
    """Say that being filled in follows the outcome."""
    ja, en = _CONTRAST[str(evidence["against"])]
    return Sentences(
        ja=f"記入があるリードでは{ja}の割合が{_percent(evidence['rate_filled'])}、空欄では"
        f"{_percent(evidence['rate_blank'])}です。"
        "記入の有無が結果に従っています。営業が後から記入する項目によくある形です。",
        en=f"Where it is filled in, {_percent(evidence['rate_filled'])} are {en}; where it is "
        f"blank, {_percent(evidence['rate_blank'])}. "
        "Whether it is filled in follows the outcome, as in fields that sales fills in later.",
    )


def excludes(evidence: Evidence) -> Sentences:
    """Say that a filled field and a win never meet."""
    n = float(evidence["n_filled"])
    return Sentences(
        ja=f"記入がある{n:,.0f}件のうち、受注は{_percent(evidence['rate_filled'])}だけです"
        f"(空欄では{_percent(evidence['rate_blank'])})。"
        "断った理由のように、受注しないと分かってから書かれています。",
        en=f"Of the {n:,.0f} leads where it is filled in, {_percent(evidence['rate_filled'])} won "
        f"(where it is blank: {_percent(evidence['rate_blank'])}). It reads like a reason for "
        "losing, written once the outcome was known.",
    )


def single_field(evidence: Evidence) -> Sentences:
    """Say that one field alone sorts the leads too well."""
    auc, others = float(evidence["auc"]), float(evidence["auc_of_all_clean"])
    return Sentences(
        ja=f"この項目だけで受注と非受注を正しく並べる割合(AUC)が{_percent(auc)}です。"
        f"疑いのない全項目を合わせても{_percent(others)}です。",
        en=f"This field alone ranks a won lead above another one {_percent(auc)} of the time "
        f"(AUC); all clean fields together do so {_percent(others)} of the time.",
    )


def outcome_name(evidence: Evidence) -> Sentences:
    """Say that a heading speaks of outcomes."""
    word = evidence["word"]
    return Sentences(
        ja=f"項目名に「{word}」があります。引き渡し後に記入される項目に多い言葉です。",
        en=f'Its name holds "{word}", a word that fields filled in after hand-off often have.',
    )


def identifier(evidence: Evidence) -> Sentences:
    """Say that a field is nearly unique."""
    return Sentences(
        ja=f"記入のうち{_percent(evidence['distinct_share'])}が1件だけの値です。番号や識別子のようです。",
        en=f"{_percent(evidence['distinct_share'])} of its values occur once: it looks like a key.",
    )


def personal(evidence: Evidence) -> Sentences:
    """Say that a field looks personal without being declared so."""
    kinds = {
        "email": ("メールアドレス", "e-mail addresses"),
        "phone": ("電話番号", "phone numbers"),
        "name": ("個人の名前や住所", "names or addresses of people"),
    }
    ja, en = kinds[str(evidence["looks_like"])]
    return Sentences(
        ja=f"{ja}のように見えますが、個人情報(personal)と定義されていません。",
        en=f"It looks like {en}, but is not declared personal.",
    )


def distribution_break(evidence: Evidence) -> Sentences:
    """Say that a field is filled in only up to, or only from, some time on."""
    return Sentences(
        ja=f"記入の割合が、到着順で{_percent(evidence['at_share'])}の所を境に"
        f"{_percent(evidence['before'])}から{_percent(evidence['after'])}に変わります。",
        en=f"After the first {_percent(evidence['at_share'])} of leads in order of arrival, the "
        f"share filled in goes from {_percent(evidence['before'])} to "
        f"{_percent(evidence['after'])}.",
    )


def date_after_arrival(evidence: Evidence) -> Sentences:
    """Say that a date was written after the lead arrived."""
    n, after = float(evidence["n"]), float(evidence["n_after"])
    return Sentences(
        ja=f"日付{n:,.0f}件のうち{after:,.0f}件が到着より後で、出力日より先の日付はありません。"
        "到着後の出来事の記録です。",
        en=f"Of {n:,.0f} dates, {after:,.0f} lie after the lead's arrival and none after the "
        "export: a record of something that happened later.",
    )


def planned_date(evidence: Evidence) -> Sentences:
    """Say that dates lie ahead, as plans do."""
    n, after = float(evidence["n"]), float(evidence["n_after"])
    return Sentences(
        ja=f"日付{n:,.0f}件のうち{after:,.0f}件が到着より後で、出力日より先の日付もあります。予定日のようです。",
        en=f"Of {n:,.0f} dates, {after:,.0f} lie after the lead's arrival, some after the export: "
        "it looks like a planned date.",
    )


def counts_to_export(evidence: Evidence) -> Sentences:
    """Say that a number counts days up to the export."""
    return Sentences(
        ja=f"値の{_percent(evidence['share'])}が、到着から出力日までの日数とほぼ同じです"
        f"(偶然なら{_percent(evidence['by_chance'])})。出力日まで数え続ける項目です。",
        en=f"{_percent(evidence['share'])} of its values nearly equal the days from arrival to "
        f"export (by chance: {_percent(evidence['by_chance'])}). "
        "It goes on counting after arrival.",
    )


def filled_in_spells(evidence: Evidence) -> Sentences:
    """Say that a field is filled in during some spells only."""
    return Sentences(
        ja=f"到着順に見ると、記入の割合が{_percent(evidence['least'])}と{_percent(evidence['most'])}の間を"
        "行き来します。受付時の項目ではなく、後からまとめて記入した形です。",
        en=f"In order of arrival the share filled in goes to and fro between "
        f"{_percent(evidence['least'])} and {_percent(evidence['most'])}. Forms do not; batches "
        "written later do.",
    )


def changed(evidence: Evidence) -> Sentences:
    """Say that values change between two exports."""
    n, of = float(evidence["n_changed"]), float(evidence["n"])
    return Sentences(
        ja=f"2回の出力の両方にあるリード{of:,.0f}件のうち{n:,.0f}件で値が変わりました。"
        "到着後に書き換えられる項目です。",
        en=f"Of {of:,.0f} leads in both exports, {n:,.0f} have another value in the later one: it "
        "is written after arrival.",
    )
