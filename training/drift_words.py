"""Alarms and notes of the drift watch as a person reads them, in Japanese and English.

Shares, counts, names of fields and of the definition's values; never a value of a personal field,
and never one that the model did not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from features.definition import EVER
from features.encoder import MISSING, OTHER, Input
from features.factors import Shown, shown_value
from features.scorer import LeadScorer
from features.wording import input_name, percent, value_text
from training.drift_fields import Asked

if TYPE_CHECKING:
    from training.drift import DriftWatch

__all__ = [
    "NOTES",
    "Words",
    "acceptance_words",
    "field_words",
    "score_words",
    "told_in_full",
    "wins_words",
]

Words = Mapping[str, str]
"""One text by language: ``ja`` and ``en``."""

_WHAT: Mapping[str, Words] = {
    "missing": {
        "ja": "{field}: 空欄の割合が {before} → {now}(新しいリード {n} 件)",
        "en": "{field}: left empty by {before} → {now} of the leads ({n} new leads)",
    },
    "unseen": {
        "ja": "{field}: 学習時にほとんどなかった値の割合が {before} → {now}(新しいリード {n} 件)",
        "en": "{field}: values that hardly any earlier lead had, {before} → {now} ({n} new leads)",
    },
    "categories": {
        "ja": "{field}: {value}が {before} → {now}(新しいリード {n} 件)",
        "en": "{field}: {value}, {before} → {now} of the leads ({n} new leads)",
    },
    "numbers": {
        "ja": "{field}: {value}の割合が {before} → {now}(新しいリード {n} 件)",
        "en": "{field}: {value}, {before} → {now} of the leads ({n} new leads)",
    },
    "hidden": {
        "ja": "{field}: 値の内訳が変化(100 件あたり約 {moved} 件分。新しいリード {n} 件)",
        "en": "{field}: its values are spread differently "
        "(about {moved} in 100 leads; {n} new leads)",
    },
    "score": {
        "ja": "見込みの高さ: {horizon}の{won}見込みが {chance} 以上のリードが {before} → {now}"
        "(新しいリード {n} 件)",
        "en": "Promise: leads with a chance of {chance} or more ({won}, {horizon}), "
        "{before} → {now} ({n} new leads)",
    },
    "acceptance": {
        "ja": "営業の受け入れ: これまでの判断なら {before} のところ {now}"
        "(判断済み {n} 件。リードの顔ぶれと経過日数をそろえて比較)",
        "en": "Acceptance by sales: {now} where {before} would be usual "
        "({n} decided leads, compared with leads of the same kind and age)",
    },
    "performance": {
        "ja": "{won}: これまでどおりなら {expected} 件のところ {observed} 件"
        "(直近 {days} 日、リード {n} 件。経過日数をそろえて比較)",
        "en": "{won}: {observed} where {expected} would be usual "
        "(last {days} days, {n} leads, compared at the same age)",
    },
}

_REMEDY: Mapping[str, Words] = {
    "missing": {
        "ja": "フォームやデータ連携でこの項目が抜けていないか確認してください。"
        "今後も空欄が続くなら、再学習してください。",
        "en": "Check whether a form or an export has lost this field. "
        "If it stays empty from now on, train again.",
    },
    "filled": {
        "ja": "フォームやデータ連携でこの項目の扱いが変わっていないか確認してください。"
        "今後も続くなら、再学習してください。",
        "en": "Check whether a form or an export now treats this field differently. "
        "If it stays so, train again.",
    },
    "unseen": {
        "ja": "新しい選択肢なら定義に加えて再学習し、表記の違いなら既存の値にそろえてください。",
        "en": "A new choice: add it to the definition and train again. "
        "A new spelling: map it to the known value.",
    },
    "values": {
        "ja": "新しい施策など、心当たりのある変化か確認してください。続くなら再学習し、"
        "心当たりがなければフォームやデータ連携を確認してください。",
        "en": "Ask whether the change is meant, such as a new campaign. If it lasts, train again; "
        "if nobody knows of it, check forms and exports.",
    },
    "score": {
        "ja": "上に項目の警告があれば、まずその原因を確認してください。なければ複数の項目が"
        "少しずつ変わっています。続くなら再学習してください。",
        "en": "If a field is named too, look there first. If none is, several fields moved a "
        "little each. If it lasts, train again.",
    },
    "acceptance": {
        "ja": "営業の判断基準、担当者、繁忙の変化を営業と確認してください。基準が変わったのなら"
        "定義を改め、再学習してください。",
        "en": "Ask sales whether criteria, people or workload changed. If the criteria did, "
        "bring the definition up to date and train again.",
    },
    "performance": {
        "ja": "商談結果の記録漏れがないか確認してください。漏れがなければ市場や営業が変わって"
        "います。再学習し、新しいモデルの評価を見てください。",
        "en": "Check that outcomes are still recorded. If they are, market or sales have "
        "changed: train again and read how the new model is judged.",
    },
}

_TIME: Words = {"ja": "{days}日以内", "en": "within {days} days"}
_EVER: Words = {"ja": "期間を問わず", "en": "at any time"}
_SUMMARY: Mapping[str, Words] = {
    "compared": {
        "ja": "{since} から {until} までの新しいリード {n} 件を、"
        "モデルが学習したうち最も新しいリード {n_before} 件{times}と比べました。",
        "en": "Compared {n} new leads from {since} to {until} with the newest {n_before} leads "
        "that the model learnt from{times}.",
    },
    "compared_undated": {
        "ja": "ファイルのリード {n} 件を、モデルが学習したリード {n_before} 件と比べました。",
        "en": "Compared the {n} leads of the file with the {n_before} leads "
        "that the model learnt from.",
    },
    "times": {"ja": "({since} から {until})", "en": " ({since} to {until})"},
    "quiet": {"ja": "目立った変化はありません。", "en": "Nothing has clearly changed."},
    "alarms": {"ja": "変化が {n} 件あります:", "en": "What changed ({n}):"},
    "seen": {"ja": "そのほか:", "en": "Besides:"},
    "notes": {"ja": "ご注意:", "en": "Please note:"},
}

NOTES: Mapping[str, Words] = {
    "no_leads": {
        "ja": "この期間に新しいリードがありません。",
        "en": "No lead arrived in this span of time.",
    },
    "few_leads": {
        "ja": "新しいリードが少ないため(50 件未満)、大きな変化しか見つかりません。"
        "--since で期間を延ばしてください。",
        "en": "There are few new leads (below 50), so only large changes can be found. "
        "Take a longer span with --since.",
    },
    "learnt_from": {
        "ja": "この期間のリードは、モデルが学習したリードを含みます。"
        "変化を見るには、より新しいファイルを渡してください。",
        "en": "The model has learnt from leads of this span. "
        "Give newer files to see what changed since.",
    },
    "undated": {
        "ja": "ファイルに登録日時がないため、すべてのリードを新しいものとして比べました。"
        "いつ変わったかはわかりません。",
        "en": "The file has no times of arrival, so all its leads were compared as new ones. "
        "When something changed cannot be told.",
    },
    "no_decisions": {
        "ja": "営業の受け入れの変化はわかりません"
        "(日付のある判断が少ないか、モデルに記録がありません)。",
        "en": "Whether acceptance changed cannot be told: too few decisions with dates, "
        "in these files or when the model was made.",
    },
    "no_wins": {
        "ja": "見込みどおり決まっているかはまだわかりません"
        "(学習後の日付のある結果が少ないためです)。",
        "en": "Whether wins come as promised cannot be told yet: too few dated outcomes "
        "since the model was made.",
    },
    "slow_decisions": {
        "ja": "判断の記録が、同じ経過日数のころの半分もありません。"
        "営業の手が足りているか、記録が届いているか確認してください。",
        "en": "Less than half as many decisions are on record as usual at the same age. "
        "Check that sales keeps up and that records still arrive.",
    },
    "old_model": {
        "ja": "このモデルには最近のリードの記録がないため、学習した全リードと比べました。"
        "再学習すると、より正確に比べられます。",
        "en": "This model keeps no record of its newest leads, so all leads it learnt from were "
        "compared. A model trained anew can be watched more closely.",
    },
}


def field_words(scorer: LeadScorer, given: Input, asked: Asked, n: int) -> tuple[Words, Words]:
    """Return what changed in a field, and what to do about it."""
    remedy = asked.measure if asked.measure in _REMEDY else "values"
    if asked.measure == "missing" and asked.now < asked.before:
        remedy = "filled"
    field = scorer.definition.fields.get(given.field)
    is_hidden = asked.place <= OTHER and given.kind == "category"
    is_hidden |= field is not None and field.personal
    form = "hidden" if remedy == "values" and is_hidden else asked.measure
    what = {
        language: words.format(
            field=input_name(scorer.definition, given.name, language),
            value="" if is_hidden else _value(scorer, given, asked, language),
            before=percent(asked.before, language),
            now=percent(asked.now, language),
            moved=f"{100 * asked.change:.0f}",
            n=f"{n:,}",
        )
        for language, words in _WHAT[form].items()
    }
    return what, _REMEDY[remedy]


def score_words(
    scorer: LeadScorer, edges: list[float], asked: Asked, n: int
) -> tuple[Words, Words]:
    """Return how the model's promises moved, and what to do about it."""
    days = scorer.main_horizon
    times = _EVER if days == EVER else _TIME
    what = {
        language: form.format(
            horizon=times[language].format(days=days),
            won=_won(scorer, language),
            chance=percent(edges[asked.place - 1], language),
            before=percent(asked.before, language),
            now=percent(asked.now, language),
            n=f"{n:,}",
        )
        for language, form in _WHAT["score"].items()
    }
    return what, _REMEDY["score"]


def acceptance_words(found: Mapping[str, Any]) -> tuple[Words, Words]:
    """Return how the share that sales accepts moved, and what to do about it."""
    what = {
        language: form.format(
            before=percent(found["expected"], language),
            now=percent(found["accepted"], language),
            n=f"{found['n']:,}",
        )
        for language, form in _WHAT["acceptance"].items()
    }
    return what, _REMEDY["acceptance"]


def wins_words(scorer: LeadScorer, found: Mapping[str, Any]) -> tuple[Words, Words]:
    """Return how wins compare with the promised ones, and what to do about it."""
    what = {
        language: form.format(
            won=scorer.definition.conversion.get(language),
            expected=f"{found['expected']:,.0f}",
            observed=f"{found['observed']:,}",
            days=f"{found['days']:.0f}",
            n=f"{found['n']:,}",
        )
        for language, form in _WHAT["performance"].items()
    }
    return what, _REMEDY["performance"]


def told_in_full(watch: DriftWatch, zone: ZoneInfo, language: str) -> str:
    """Return the whole watch in a few lines: what was compared, what changed, what to do."""

    def day(moment: datetime) -> str:
        return f"{moment.astimezone(zone):%Y-%m-%d}"

    def say(name: str, **figures: object) -> str:
        return _SUMMARY[name][language].format(**figures)

    n, n_before = f"{watch.n:,}", f"{watch.before['n']:,}"
    if watch.since is None or watch.until is None:
        lines = [say("compared_undated", n=n, n_before=n_before)]
    else:
        ends = [watch.before["since"], watch.before["until"]]
        since, until = (None if end is None else datetime.fromisoformat(end) for end in ends)
        times = "" if since is None or until is None else say(
            "times", since=day(since), until=day(until)
        )  # fmt: skip
        lines = [
            say(
                "compared",
                since=day(watch.since),
                until=day(watch.until),
                n=n,
                n_before=n_before,
                times=times,
            )
        ]
    lines.append(say("alarms", n=len(watch.alarms)) if watch.alarms else say("quiet"))
    for alarm in watch.alarms:
        lines += [f"  {alarm.words[language]}", f"    → {alarm.remedy[language]}"]
    cried = {alarm.subject for alarm in watch.alarms}
    besides = [
        found["words"][language]
        for subject, found in (("acceptance", watch.acceptance), ("performance", watch.performance))
        if found and subject not in cried
    ]
    if besides:
        lines += [say("seen"), *(f"  {one}" for one in besides)]
    if watch.notes:
        lines += [say("notes"), *(f"  {note[language]}" for note in watch.notes)]
    return "\n".join(lines)


def _value(scorer: LeadScorer, given: Input, asked: Asked, language: str) -> str:
    shown = shown_value(given, asked.place)
    if given.kind == "number" and asked.place != MISSING:
        shown = Shown("range", low=given.lows[asked.place - 1])
    return value_text(scorer.encoder, given.name, shown, language)


def _won(scorer: LeadScorer, language: str) -> str:
    name = scorer.definition.conversion.get(language)
    return name if language == "ja" else name.lower()
