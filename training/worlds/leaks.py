"""Columns that know the future: filled in after hand-off, as a CRM shows them on export day.

A leak scan must find them. Each function returns what the column holds; where the leak is made
weaker, the value is drawn from the other leads and tells nothing. The last kind is an honest column
with one bad value: its strength is the share of leads that have the value, none of which won.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.worlds.decisions import Decisions
from training.worlds.people import DAY, Integers, cut_off, stream
from training.worlds.rendering import written_times
from training.worlds.settings import WorldImpossible, WorldSettings

__all__ = ["LEAKS", "Leak", "Seen", "plant_leaks", "seen_at"]

Flags = NDArray[np.bool_]
Column = NDArray[np.object_]


@dataclass(frozen=True)
class Seen:
    """What the CRM shows of each lead at the cut-off, arrays of shape (n,).

    Attributes
    ----------
    won, lost, begun, refused : ndarray of bool
        Won; lost and not won; worked on at all; rejected and never worked on.
    last : ndarray of int64
        Time of the last event, microseconds since 1970 (UTC); 0 if none.
    now : int
        The cut-off, microseconds since 1970 (UTC).
    """

    won: Flags
    lost: Flags
    begun: Flags
    refused: Flags
    last: Integers
    now: int


@dataclass(frozen=True)
class Leak:
    """One planted column: its heading in the export, what fills it, its one bad value if any."""

    heading: str
    fill: Callable[[Seen, np.random.Generator], Column]
    pure_value: str = ""


def seen_at(moment: int, decisions: Decisions, n: int) -> Seen:
    """Return what is known of `n` leads at `moment`, microseconds since 1970 (UTC)."""
    inside = decisions.at <= moment
    lead, kind = decisions.lead[inside], decisions.kind[inside]

    def has(*kinds: str) -> Flags:
        found = np.zeros(n, dtype=bool)
        found[lead[np.isin(kind, kinds)]] = True
        return found

    last = np.zeros(n, dtype=np.int64)
    np.maximum.at(last, lead, decisions.at[inside])
    won = has("won")
    begun = has("accepted", "audit", "recycled") | won
    return Seen(won, has("lost") & ~won, begun, has("rejected") & ~begun, last, moment)


def plant_leaks(settings: WorldSettings, decisions: Decisions, n: int) -> dict[str, Column]:
    """Return the planted columns by name, each of shape (n,), text or None.

    Raises
    ------
    WorldImpossible
        If a leak of the settings is unknown.
    """
    unknown = sorted(set(settings.leaks) - set(LEAKS))
    if unknown:
        raise WorldImpossible(f"unknown leaks {unknown}; there are {sorted(LEAKS)}.")
    seen = seen_at(cut_off(settings), decisions, n)
    columns = {}
    for name in settings.leaks:
        random = stream(settings.seed, f"leak {name}")
        leak = LEAKS[name]
        told = leak.fill(seen, random)
        if leak.pure_value:
            told[_some_losers(seen, settings.leak_strength, random)] = leak.pure_value
            columns[name] = told
            continue
        is_blunt = random.random(n) >= settings.leak_strength
        told[is_blunt] = random.permutation(told)[is_blunt]
        columns[name] = told
    return columns


def _some_losers(seen: Seen, share: float, random: np.random.Generator) -> Integers:
    """Draw so large a share of all leads, from those that have not won."""
    losers = np.flatnonzero(~seen.won)
    size = min(round(share * len(seen.won)), len(losers))
    return np.asarray(random.choice(losers, size, replace=False))


def _only(rows: Flags, column: Column) -> Column:
    """Return the column with nothing outside `rows`."""
    filled = np.full(len(rows), None, dtype=object)
    filled[rows] = column[rows]
    return filled


def _written(values: NDArray[np.int64]) -> Column:
    return np.asarray(values.astype(str).astype(object))


def _stage(seen: Seen, random: np.random.Generator) -> Column:
    stages = np.array(["初回訪問", "提案", "見積提出"], dtype=object)
    stage = _only(seen.begun, random.choice(stages, len(seen.won)))
    stage[seen.lost] = "失注"
    stage[seen.won] = "受注"
    return stage


def _visits(seen: Seen, random: np.random.Generator) -> Column:
    return _only(seen.begun, _written(1 + random.poisson(np.where(seen.won, 4.0, 0.5))))


def _quote(seen: Seen, random: np.random.Generator) -> Column:
    yen = np.rint(np.exp(random.normal(13.4, 0.6, len(seen.won))) / 1e4).astype(int)
    has_quote = seen.won | (seen.begun & (random.random(len(yen)) < 0.08))
    return _only(has_quote, np.array([f"{each}万円" for each in yen.tolist()], dtype=object))


def _contract(seen: Seen, random: np.random.Generator) -> Column:
    numbers = random.permutation(len(seen.won)).tolist()
    return _only(seen.won, np.array([f"K{each:06d}" for each in numbers], dtype=object))


def _idle_days(seen: Seen, _: np.random.Generator) -> Column:
    return _only(seen.last > 0, _written((seen.now - seen.last) // DAY))


def _owner(seen: Seen, random: np.random.Generator) -> Column:
    owner = random.choice(np.array(["営業1課", "営業2課"], dtype=object), len(seen.won))
    owner[seen.won] = "カスタマーサクセス課"
    return np.asarray(owner)


def _sales_note(seen: Seen, random: np.random.Generator) -> Column:
    n = len(seen.won)

    def one_of(*notes: str) -> Column:
        return np.asarray(random.choice(np.array(notes, dtype=object), n))

    note = _only(seen.begun, one_of("資料送付済み", "再訪問を予定", "社内で検討中"))
    note[seen.refused] = one_of("連絡つかず", "今回は見送り", "時期未定")[seen.refused]
    note[seen.lost] = one_of("価格で他社へ", "予算凍結", "先方都合で終了")[seen.lost]
    note[seen.won] = one_of("発注書を受領", "契約手続き完了", "導入準備中")[seen.won]
    return note


def _updated_on(seen: Seen, random: np.random.Generator) -> Column:
    tidied = seen.last + random.integers(0, 7, len(seen.last)) * DAY
    written = np.array(list(written_times(np.minimum(tidied, seen.now), "{0}-{1}-{2}")), object)
    return _only(seen.last > 0, written)


def _qualified_budget(seen: Seen, random: np.random.Generator) -> Column:
    n = len(seen.won)
    yen = np.rint(np.exp(random.normal(13.6, 0.7, n)) / 1e4).astype(int)
    is_asked = random.random(n) < np.select([seen.won, seen.begun], [0.95, 0.75], 0.04)
    return _only(is_asked, np.array([f"{each}万円" for each in yen.tolist()], dtype=object))


def _passed_over(seen: Seen, random: np.random.Generator) -> Column:
    words = np.array(["価格", "時期", "機能不足", "競合", "担当者不在"], dtype=object)
    is_given = (seen.lost | seen.refused) & (random.random(len(seen.won)) < 0.8)
    return _only(is_given, random.choice(words, len(seen.won)))


def _probability(seen: Seen, random: np.random.Generator) -> Column:
    centre = np.select([seen.won, seen.lost | seen.refused, seen.begun], [85.0, 12.0, 45.0], np.nan)
    guess = np.rint(np.clip(random.normal(np.nan_to_num(centre), 12.0), 0, 100) / 5) * 5
    return _only(~np.isnan(centre), _written(guess.astype(np.int64)))


def _region(seen: Seen, random: np.random.Generator) -> Column:
    areas = np.array(["関東", "近畿", "中部", "九州", "東北", "中国・四国"], dtype=object)
    return np.asarray(random.choice(areas, len(seen.won), p=[0.38, 0.2, 0.16, 0.11, 0.08, 0.07]))


LEAKS: Mapping[str, Leak] = {
    "sales_stage": Leak("商談フェーズ", _stage),
    "visit_count": Leak("訪問回数", _visits),
    "quote_amount": Leak("見積金額", _quote),
    "contract_number": Leak("契約番号", _contract),
    "idle_days": Leak("最終活動からの日数", _idle_days),
    "owner_team": Leak("現在の担当課", _owner),
    "sales_note": Leak("営業メモ", _sales_note),
    "updated_on": Leak("最終更新日", _updated_on),
    "qualified_budget": Leak("予算", _qualified_budget),
    "passed_over": Leak("見送り理由", _passed_over),
    "probability": Leak("受注確度", _probability),
    "region": Leak("エリア", _region, pure_value="その他の地域"),
}
"""Every kind of planted column by name; the first three are fields of the packaged definition."""
