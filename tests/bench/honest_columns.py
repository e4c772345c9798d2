"""Forty honest columns beside the fields of a world: known at arrival, some of them very telling.

A scan must leave them alone. None looks at an event; what they know of the outcome comes from the
true chance of each lead, as a good question on a form would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.leads import LeadHistory
from features.terms import FieldType

__all__ = ["HonestColumn", "honest_columns"]

Floats = NDArray[np.float64]
Column = NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class HonestColumn:
    """A column by its heading: type and text (or None) of each lead."""

    heading: str
    type: FieldType
    texts: Column


def honest_columns(history: LeadHistory, truth: pd.DataFrame, seed: int) -> list[HonestColumn]:
    """Return 40 honest columns for the leads of a world's training part."""
    random = np.random.default_rng([seed, 40])
    n = len(truth)
    chance = truth["p_365"].to_numpy()
    quality = np.log(chance) - np.log1p(-chance)
    quality = (quality - quality.mean()) / quality.std()
    age = np.arange(n) / n
    channel = pd.factorize(history.fields["source"])[0]
    arrived = history.leads["arrived_at"].dt.tz_convert(None).to_numpy("datetime64[D]")
    made: list[HonestColumn] = []

    def number(heading: str, values: Floats, form: str = "{:.4g}") -> None:
        made.append(HonestColumn(heading, "number", _texts(form.format(v) for v in values)))

    def category(heading: str, codes: NDArray[np.int64], word: str) -> None:
        texts = _texts(f"{word}{code}" for code in codes.tolist())
        made.append(HonestColumn(heading, "category", texts))

    def blank(rows: NDArray[np.bool_]) -> None:
        last = made[-1]
        made[-1] = HonestColumn(last.heading, last.type, np.where(rows, None, last.texts))

    def heard(noise: float) -> Floats:
        return np.asarray(quality + noise * random.normal(size=n))

    def pick(levels: int, power: float = 0.0) -> NDArray[np.int64]:
        share = (1.0 + np.arange(levels)) ** -power
        return random.choice(levels, n, p=share / share.sum())

    # Say nothing.
    number("拠点数", random.normal(10, 3, n))
    number("創業年数", np.exp(random.normal(2.5, 0.9, n)))
    number("席数", np.floor(np.exp(random.normal(3, 1.2, n))), "{:.0f}")
    number("車両台数", random.poisson(2.0, n) * (random.random(n) < 0.4), "{:.0f}")
    number("展示会参加回数", random.poisson(0.7, n).astype(float), "{:.0f}")
    number("年商", np.exp(random.normal(18, 2, n)))
    category("配送地域", pick(8), "地域")
    category("言語", pick(3, 1.5), "言語")
    category("市区町村", pick(300, 0.8), "市")
    category("端末", pick(4, 1.0), "端末")
    category("会員ランク", pick(4, 0.5), "会員")
    category("郵便番号", random.integers(0, 60_000, n), "")
    category("広告番号", pick(60, 1.2), "広告")
    # Blank at random, or by channel.
    number("決算月", random.integers(1, 13, n).astype(float), "{:.0f}")
    blank(random.random(n) < 0.3)
    number("面積", np.exp(random.normal(5, 1, n)))
    blank(random.random(n) < 0.85)
    category("主力商品", pick(12, 0.6), "商品")
    blank(random.random(n) < 0.5)
    category("来場日程", pick(3), "日程")
    blank(channel != 1)
    number("視聴回数", 1.0 + random.poisson(2, n), "{:.0f}")
    blank((channel != 0) & (random.random(n) < 0.9))
    category("紹介元区分", pick(5), "紹介")
    blank((channel != 5) | (random.random(n) < 0.2))
    # Follow the true chance: weakly, well, very well.
    number("月間利用件数", np.exp(3 + 0.5 * heard(3.0)), "{:.1f}")
    number("導入希望数", np.exp(2 + 0.8 * heard(1.5)), "{:.0f}")
    number("資料閲覧秒数", np.exp(4 + heard(1.0)), "{:.0f}")
    number("適合度", 50 + 10 * heard(0.6), "{:.1f}")
    number("課題の数", np.floor(np.clip(2 + heard(1.2), 0, 9)), "{:.0f}")
    number("部門の人数", np.exp(3 + 0.7 * heard(1.5)), "{:.0f}")
    blank(random.random(n) < 0.25)
    category("導入時期", np.digitize(heard(1.0), [-1.0, 0.0, 1.0]), "時期")
    category("利用目的", np.digitize(heard(1.5), [-1.5, -0.5, 0.5, 1.5]), "目的")
    category("比較検討", np.digitize(heard(2.0), [0.8]), "検討")
    category("課題の深さ", np.digitize(heard(0.8), np.linspace(-2, 2, 8)), "深さ")
    page = np.argsort(np.argsort(heard(2.5))) * 250 // n
    category("着地ページ", (page * 7919) % 250, "page")
    category("広告文", (np.argsort(np.argsort(heard(1.5))) * 40 // n * 17) % 40, "文")
    category("問い合わせ窓口", np.digitize(heard(1.0), [1.8]), "窓口")
    # Blank more often where interest is low.
    category("電話の希望時間", pick(3), "時間")
    blank(random.random(n) < 1 / (1 + np.exp(0.5 * heard(1.0))))
    # Drift: mixes that change, questions that come and go.
    category("キャンペーン", np.floor(age * 6 + 2 * random.random(n)).astype(np.int64), "企画")
    category("利用中の製品", np.where(random.random(n) < age, pick(3), 3 + pick(3)), "製品")
    number("閲覧ページ数", random.poisson(3 + 4 * age).astype(float), "{:.0f}")
    category("同意の版", (age > 0.45).astype(np.int64), "版")
    category("新しい設問", pick(4), "答")
    blank(age < 0.6)
    # Dates before arrival, and plans.
    founded = arrived - random.integers(200, 15_000, n)
    made.append(HonestColumn("設立日", "time", _texts(map(str, founded))))
    planned = arrived + random.integers(20, 240, n)
    made.append(HonestColumn("利用開始希望日", "time", _texts(map(str, planned))))
    assert len(made) == 40, len(made)
    return made


def _texts(values: object) -> Column:
    return np.array(list(values), dtype=object)  # type: ignore[call-overload]
