"""A small Japanese export for tests: three files and the map that reads them."""

from __future__ import annotations

import csv
from datetime import date
from functools import cache
from pathlib import Path

from features.definition import LeadDefinition, load_definition
from features.leads import LeadHistory, read_history
from features.source_map import parse_source_map

TODAY = date(2026, 11, 22)
LEADS = [
    [
        "リードID",
        "登録日時",
        "流入元",
        "従業員数",
        "役職",
        "会社名",
        "メール",
        "ステータス",
        "訪問回数",
    ],
    [
        "L1",
        "2026年1月5日",
        "ウェビナー",
        "１，２００名",
        "営業部長",
        "㈱髙島①",
        "a@example.co.jp",
        "受注",
        "3",
    ],
    [
        "L2",
        "令和8年1月4日 13:05",
        "展示会",
        "100〜299名",
        "担当",
        "山田商店",
        "b@gmail.com",
        "見送り",
        "",
    ],
    ["L3", "2026/2/1 9:00", "Webinar", "約50", "", "", "", "対応中", ""],
    ["L4", "2026-02-01T00:00:00Z", "", "不明", "CEO", "Acme Inc.", "壊れた宛先", "失注", "1"],
]
DECISIONS = [
    ["リードID", "日時", "区分", "理由", "金額", "担当者", "番号"],
    ["L1", "2026/3/1 10:00", "受注", "", "1,200,000円", "佐藤", "e1"],
    ["L2", "2026/1/10", "却下", "予算なし", "", "鈴木", "e2"],
    ["L4", "2026/4/1", "失注", "価格で失注", "", "佐藤", "e3"],
]
VISITS = [
    ["リードID", "日時", "行動", "分"],
    ["L1", "2026/1/1 10:00", "閲覧", ""],
    ["L1", "2026/1/3 10:00", "セミナー", "45"],
    ["L3", "2026/1/31 10:00", "閲覧", ""],
]
MAP = """
mode: history
leads:
  file: "leads*"
  lead_id: リードID
  arrived_at: 登録日時
  blanks: [不明]
  fields:
    source: 流入元
    employees: 従業員数
    job_title: 役職
    company: 会社名
    email: メール
    arrived_at: 登録日時
    visit_count: 訪問回数
  later: [ステータス]
events:
  - file: "decisions*"
    lead_id: リードID
    at: 日時
    kind: {column: 区分, values: {受注: won, 却下: rejected, 失注: lost, 取消: retracted, 保留: open}}
    reason: {column: 理由}
    amount: 金額
    actor: 担当者
    event_id: 番号
behaviours:
  - file: "visits*"
    lead_id: リードID
    at: 日時
    kind: {column: 行動, values: {閲覧: page_view, セミナー: webinar, 退会: drop}}
    amount: 分
"""
SNAPSHOT_MAP = """
mode: snapshot
leads:
  arrived_at: 登録日時
  blanks: [不明]
  fields: {source: 流入元, employees: 従業員数}
  status:
    column: ステータス
    values:
      受注: won
      見送り: {event: rejected, reason: no_fit}
      失注: {event: lost, reason: lost_price}
      対応中: open
"""


@cache
def packaged_definition() -> LeadDefinition:
    """Return the packaged definition, read once."""
    return load_definition()


def write_export(
    folder: Path,
    leads: list[list[str]] = LEADS,
    decisions: list[list[str]] = DECISIONS,
    visits: list[list[str]] = VISITS,
    encoding: str = "utf-8",
) -> list[Path]:
    """Write the three files and return their paths."""
    paths = []
    for name, rows in (("leads", leads), ("decisions", decisions), ("visits", visits)):
        path = folder / f"{name}.csv"
        with path.open("w", encoding=encoding, newline="") as file:
            csv.writer(file).writerows(rows)
        paths.append(path)
    return paths


def read_export(paths: list[Path], text: str = MAP, use_good_rows: bool = False) -> LeadHistory:
    """Read files by a map, with the packaged definition, on a fixed day."""
    return read_history(
        paths,
        packaged_definition(),
        parse_source_map(text),
        use_good_rows=use_good_rows,
        today=TODAY,
    )


def with_cell(rows: list[list[str]], row: int, column: str, value: str) -> list[list[str]]:
    """Return the rows with one cell changed; `row` is the file's row (the heading is 1)."""
    changed = [list(one) for one in rows]
    changed[row - 1][rows[0].index(column)] = value
    return changed
