"""What the gate says, in plain Japanese and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.terms import Names
from training.leaks.findings import Sentences

__all__ = [
    "LEVELS",
    "LIMITS",
    "NONE",
    "RENEWAL",
    "SIMPLER",
    "TITLES",
    "VERDICTS",
    "WORDS",
    "filled",
]


def _two(ja: str, en: str) -> Sentences:
    return Sentences(ja=ja, en=en)


def filled(said: Names, **parts: object) -> Names:
    """Return a sentence with its parts filled in; a part that is `Names` is so in each language."""
    given = {
        language: {
            key: part.get(language) if isinstance(part, Names) else part
            for key, part in parts.items()
        }
        for language in ("ja", "en")
    }
    return Sentences(ja=said.ja.format(**given["ja"]), en=said.en.format(**given["en"]))


TITLES = {
    "evidence": _two("試した量は十分か", "Enough evidence"),
    "better": _two("比べた相手より良いか", "Better than what it would replace"),
    "refresh": _two("古くなったモデルの入れ替えか", "Renewal of an old model"),
    "horizons": _two("どの期間でも悪くならないか", "No horizon got worse"),
    "ranking": _two("並べる力は落ちていないか", "Ranks leads as well"),
    "calibration": _two("予測した数だけ受注したか", "As many wins as promised"),
    "served": _two("全リード向けの予測の水準", "Level of what is served"),
    "segments": _two("特定の層で外れていないか", "Fair to each segment"),
    "simple": _two("単純な方法より良いか", "Better than simple answers"),
    "audit": _two("営業が断ったリードでも悪くないか", "Holds for leads that sales refused"),
    "exact": _two("理由の合計はスコアと一致するか", "Reasons add up to the score"),
    "arrival": _two("到着時に分かる情報だけか", "Sees only what is known at arrival"),
}
"""What each condition asks, in a few words."""

WORDS: dict[str, dict[str, Sentences]] = {
    "evidence": {
        "passed": _two(
            "過去の{cut_offs}時点で試し、{within}受注{wins}件で確かめました。",
            "It was tried on {cut_offs} past dates, and {wins} wins{within} tell how it did.",
        ),
        "failed": _two(
            "試せたのは過去の{cut_offs}時点、{within}受注{wins}件です。3時点以上、受注100件以上が必要です。"
            "受注の記録が増えてから学び直してください。",
            "It could be tried on {cut_offs} past date(s) with {wins} wins{within}; at least 3 "
            "dates and 100 wins are needed. Train again when more wins have been recorded.",
        ),
        "unknown": _two(
            "試せるだけの履歴がありません。もっと長い期間のリードを渡してください。",
            "The history is too short to try it at all. Give leads of a longer time.",
        ),
    },
    "better": {
        "passed": _two(
            "同じリード{n}件で、予測の外れが比べた相手より小さく、偶然では説明できません。",
            "On the same {n} leads its forecasts missed by less, and luck does not explain it.",
        ),
        "failed": _two(
            "同じリード{n}件で、良くなったとは言い切れません(偶然でも起こる差です)。"
            "受注が増えるのを待つか、項目を見直して学び直してください。",
            "On the same {n} leads it was not better by more than luck. Wait for more wins, or "
            "improve the fields, and train again.",
        ),
        "unknown": _two(
            "比べられるリードがありません。", "There are no leads on which to compare them."
        ),
    },
    "refresh": {
        "passed": _two(
            "現在のモデル{why}。新しいモデルは悪くなっていないので、入れ替えてよい状態です。",
            "The model in use {why}, and the new one is not worse: it may take its place.",
        ),
        "failed": _two(
            "「悪くない」だけでは入れ替えません。現在のモデル{why}。",
            "Being no worse is not enough to take its place: the model in use {why}.",
        ),
        "unknown": _two("入れ替える相手がまだありません。", "There is no model in use to renew."),
    },
    "horizons": {
        "passed": _two(
            "予測の外れは、最も悪い期間({horizon}日)でも{figure}の変化で、許される範囲です。",
            "Even at its worst horizon ({horizon} days) its miss changed by {figure}, which is "
            "within the limit.",
        ),
        "failed": _two(
            "{horizon}日以内の予測の外れが{figure}増えました。"
            "新しい項目や期間の設定を疑ってください。",
            "At {horizon} days its forecasts miss by {figure} more. Look at what changed: fields, "
            "window of time, settings.",
        ),
        "unknown": _two(
            "受注が30件以上ある期間がなく、期間ごとには比べられません。",
            "No horizon has 30 wins, so they cannot be compared one by one.",
        ),
    },
    "ranking": {
        "passed": _two(
            "受注したリードを上に並べる力(AUC)の差は{figure}で、許される範囲です。",
            "It puts the leads that won near the top about as well as what it would replace, or "
            "better (AUC {figure}).",
        ),
        "failed": _two(
            "受注したリードを上に並べる力(AUC)が落ちました({figure})。減らした項目を確かめてください。",
            "It puts winning leads less near the top than what it would replace (AUC {figure}). "
            "See which fields were dropped.",
        ),
        "unknown": _two(
            "並べる力は比べられません。", "How well it ranks leads cannot be compared."
        ),
    },
    "calibration": {
        "passed": _two(
            "最後に試した時点では、実際の受注1件に対し{ratio}件と予測しました(偶然による幅は{low}〜{high})。"
            "合っていると言えます。",
            "On the last date tried it forecast {ratio} wins for each one that came ({low} to "
            "{high} as luck goes with so many wins): near enough.",
        ),
        "failed": _two(
            "最後に試した時点では、実際の受注1件に対し{ratio}件と予測していました"
            "(偶然による幅は{low}〜{high})。"
            "市場か営業の進め方が変わった可能性があります。最新の結果を加えて学び直してください。",
            "On the last date tried it forecast {ratio} wins for each one that came ({low} to "
            "{high} as luck goes). The market or the way of selling may have changed: add the "
            "newest outcomes and train again.",
        ),
        "unknown": _two(
            "最後に試した時点には受注がなく、予測した数とは比べられません。",
            "There are no wins after the last date tried, so forecasts cannot be compared.",
        ),
    },
    "served": {
        "passed": _two(
            "全リード向けの予測は、営業が対応した場合の見込みの{figure}倍で、却下理由で説明できる範囲です。",
            "What is served for all leads is {figure} times the chance of worked leads: as near "
            "as what refusals mean explains.",
        ),
        "failed": _two(
            "全リード向けの予測は、営業が対応した場合の見込みの{figure}倍です。却下理由では説明できません。"
            "定義ファイルの却下理由の扱いを確かめてください。",
            "What is served for all leads is {figure} times the chance of worked leads, which "
            "refusals do not explain. Look at what the reasons are taken to mean.",
        ),
        "unknown": _two("確かめられるリードがありません。", "There are no leads to check it on."),
    },
    "segments": {
        "passed": _two(
            "受注30件以上のどの層でも、予測が実際から大きく外れていません。",
            "In no segment of 30 wins or more are forecasts far from what came.",
        ),
        "failed": _two(
            "次の層で予測が実際から大きく外れ、比べた相手は外れていません:{where}。"
            "その層の記録を確かめてください。",
            "In these segments forecasts are far off where what it would replace is not: {where}. "
            "Check how they are recorded.",
        ),
        "unknown": _two(
            "受注30件以上の層がなく、層ごとには確かめられません。",
            "No segment has 30 wins, so none can be checked.",
        ),
    },
    "simple": {
        "passed": _two(
            "全体の受注率だけの予測より良く、単純な線形モデルにも劣りません。",
            "It beats a plain base rate and is no worse than a simple linear model.",
        ),
        "failed": _two(
            "単純な方法を上回れませんでした({figure}、0より上は負け)。"
            "項目の質か、リードの数を見直してください。",
            "It does not beat the base rate, or is clearly behind the linear model ({figure}; "
            "above 0 it lost). Look at the quality of the fields, or wait for more leads.",
        ),
        "unknown": _two(
            "単純な方法とは比べられません。", "It could not be compared with simpler answers."
        ),
    },
    "audit": {
        "passed": _two(
            "営業が断っても試しに対応したリード(受注{n_won}件)で、悪くなった証拠はありません。",
            "Leads that were worked although refused ({n_won} wins) do not speak against it.",
        ),
        "failed": _two(
            "営業が断っても試しに対応したリード(受注{n_won}件)で、比べた相手より明らかに悪い結果です。"
            "断る理由の扱いを見直してください。",
            "On leads that were worked although refused ({n_won} wins) it is clearly worse. Review "
            "what the reasons for refusing are taken to mean.",
        ),
        "unknown": _two(
            "営業が断ったリードについては確かめられません(試しに対応した受注{n_won}件、必要{wanted}件)。"
            "断ったリードの5%を無作為に対応すると分かるようになります。",
            "What it says of refused leads cannot be checked ({n_won} wins of refused leads worked "
            "at random; {wanted} needed). Work 5 % of refused leads at random to find out.",
        ),
    },
    "exact": {
        "passed": _two(
            "画面に出る理由の点数を足すとスコアになり、期間が長いほど確率は下がりません。",
            "The points shown as reasons add up to the score, and chances never fall with time.",
        ),
        "failed": _two(
            "理由の点数がスコアと合わないか、期間が長いのに確率が下がるリードがあります({figure})。"
            "プログラムの不具合です。このモデルは使わず、開発者に知らせてください。",
            "Reasons do not add up, or chances fall with time ({figure}). This is a fault of the "
            "program: do not use the model, and report it.",
        ),
        "unknown": _two("確かめていません。", "Not checked."),
    },
    "arrival": {
        "passed": _two(
            "未来の情報を含む疑いのある項目は残っていません(認めた項目:{accepted})。",
            "No field is left that may know the future (accepted by name: {accepted}).",
        ),
        "failed": _two(
            "未来を知っている疑いのある項目があります:{where}。項目を外すか、"
            "定義ファイルの accepted_findings に名前と理由を書いて認めてください。",
            "These fields may know the future: {where}. Take them out, or accept each by name and "
            "reason under accepted_findings in the definition.",
        ),
        "unknown": _two(
            "未来の情報を含む項目の検査がされていません。",
            "The fields were not scanned for knowledge of the future.",
        ),
    },
}

NONE = _two("なし", "none")

RENEWAL = {
    "stale": _two("は学習から{days}日たっています", "is {days} days old"),
    "off": _two(
        "は受注1件に対し{ratio}件と予測しています",
        "forecasts {ratio} wins for each one that comes",
    ),
    "fresh": _two("はまだ新しく、予測も合っています", "is recent and its forecasts hold"),
    "worse": _two("のほうが良いかもしれません", "may be the better one"),
}

LIMITS = {
    "refresh": _two(
        "{worse}以下、かつ{days}日以上前または{off}を超えるずれ",
        "≤ {worse}; ≥ {days} days, or off by more than {off}",
    ),
    "simple": _two(
        "全体の受注率より小さく、線形モデルより明らかに悪くない",
        "below the base rate, not clearly behind the linear model",
    ),
}
"""What is asked for, where it takes words."""

SIMPLER = {
    "base_rate": _two("全体の受注率 {gain}", "base rate {gain}"),
    "linear": _two("線形モデル {gain}", "linear model {gain}"),
}

LEVELS = {
    "ready": _two("使えます。", "Ready."),
    "ok": _two("条件つきで使えます。", "OK to use."),
    "not_ready": _two("まだ使えません。", "Not ready."),
}

VERDICTS = {
    "first_model": _two(
        "流入元ごとの受注率だけの予測より、確かに良い結果でした。",
        "It is clearly better than win rates by channel.",
    ),
    "better": _two(
        "現在のモデル(版{champion})より、確かに良い結果でした。",
        "It is clearly better than the model in use (version {champion}).",
    ),
    "refresh": _two(
        "現在のモデル(版{champion})より良いとは言い切れませんが、悪くはなく、"
        "そのモデルは入れ替えの時期です。",
        "It is not shown to be better than the model in use (version {champion}), but not worse "
        "either, and that model is due for renewal.",
    ),
    "weak": _two("次のことは確かめられませんでした:{weak}。", "What could not be checked: {weak}."),
    "base_rate": _two(
        "まだ何も学習していません。受注の記録が{wins}件で、学習には50件必要です"
        "(あと{missing}件)。それまでは流入元ごとの受注率を示します。",
        "Nothing is learnt yet: {wins} wins are recorded and 50 are needed ({missing} more). "
        "Until then win rates by channel are shown.",
    ),
    "base_rate_refused": _two(
        "受注の記録が{wins}件しかなく、何も学習していない版です。学習済みの現在のモデル"
        "(版{champion})は、そのまま使います。受注の記録を加えて学び直してください。",
        "With {wins} wins nothing was learnt, and the model in use (version {champion}) has "
        "learnt: it stays. Add the missing outcomes and train again.",
    ),
    "failed": _two(
        "通らなかった確認:{failed}。直し方はレポートにあります。",
        "What did not pass: {failed}. The report says what to do.",
    ),
}


def verdict_text(document: Mapping[str, Any], language: str = "en") -> str:
    """Return level and reasons of a verdict, from its document (``gate.json``), as one text."""
    level = LEVELS[document["level"]].get(language)
    return f"{level}{'' if language == 'ja' else ' '}{document['words'][language]}"
