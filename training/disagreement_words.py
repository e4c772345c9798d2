"""What the comparison of sales and outcome says, in plain Japanese and English."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.leaks.findings import Sentences

if TYPE_CHECKING:
    from features.encoder import LeadEncoder
    from features.terms import Names
    from training.groups import Group
    from training.metrics import Interval

__all__ = ["NOTES", "words_of"]

NOTES: dict[str, Names] = {
    "named": Sentences(
        ja="「同じ見込み」とは、対応した場合に受注する確率がモデルの推定で同じリードです。区間に0が"
        "入らないグループだけを、はっきりしたものから順に挙げています。先に挙げたグループで説明が"
        "つくものは除いています。理由が正しいかどうかは、数字だけでは分かりません。話し合いの材料です。",
        en="“The same outlook” means leads that are as likely to convert if worked, by the model’s "
        "estimate. Only groups whose interval leaves zero out are named, the clearest first, and "
        "not those that a group named before explains. Figures cannot tell whether a reason was "
        "right: this is for a conversation.",
    ),
    "none_named": Sentences(
        ja="同じ見込みの他のリードと違う扱いを受けていると言えるグループはありませんでした。",
        en="No group is treated differently from other leads with the same outlook, as far as "
        "these leads can tell.",
    ),
    "no_teacher": Sentences(
        ja="受注がまだ少なく、リードの見込みを推定できないため、グループの比較はできません。"
        "件数だけを示します。",
        en="There are too few wins to estimate any lead’s outlook, so groups cannot be compared. "
        "Only counts are shown.",
    ),
    "few_decided": Sentences(
        ja="営業が受け入れたリード、または却下したリードが少ない(150件未満)ため、グループの比較は"
        "できません。採否の記録がない場合も同じです。件数だけを示します。",
        en="Sales has accepted, or turned away, fewer than 150 leads (or its decisions are not "
        "recorded), so groups cannot be compared. Only counts are shown.",
    ),
}


def words_of(
    encoder: LeadEncoder, group: Group, gap: Interval, reason: str | None, excess: Interval | None
) -> Names:
    """Return one named group as a sentence in both languages."""
    more = gap.value < 0
    points = f"{100 * abs(gap.value):.0f}"
    low, high = sorted(f"{100 * abs(end):.0f}".rjust(3) for end in (gap.low, gap.high))
    span_ja, span_en = f"{low.strip()}〜{high.strip()}", f"{low.strip()} to {high.strip()}"
    name_ja, value_ja = group.words(encoder, "ja")
    name_en, value_en = group.words(encoder, "en")
    ja = (
        f"営業は「{name_ja}:{value_ja}」のリードを、同じ見込みの他のリードより {points} ポイント"
        f"{'多く' if more else '少なく'}却下しています(95%の確かさで {span_ja} ポイント)。"
    )
    en = (
        f"Sales turns away leads with {name_en}: {value_en} {points} points "
        f"{'more' if more else 'less'} often than other leads with the same outlook "
        f"(with 95 % confidence {span_en} points)."
    )
    if reason is not None and excess is not None:
        names = encoder.definition.reasons[reason].names
        over = f"{100 * excess.value:.0f}"
        ja += (
            f"目立つ理由は「{names.ja}」で、却下に占める割合が、同じ見込みの他のリードより "
            f"{over} ポイント高くなっています。"
        )
        en += (
            f" The reason that stands out is “{names.en}”: its share of the rejections is "
            f"{over} points higher than among other leads with the same outlook."
        )
    return Sentences(ja=ja, en=en)
