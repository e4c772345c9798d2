"""One self-contained page for each run: what was learnt from, how good it is, and beside what."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from features.definition import EVER
from features.wording import percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from features.scorer import LeadScorer
    from training.evaluation import Backtest, ResultRow
    from training.recipe import Learned

__all__ = ["render_report"]

_STYLE = """
body{font:15px/1.6 system-ui,"Hiragino Sans","Noto Sans CJK JP",sans-serif;color:#1c2733;
max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
th,td{padding:.3rem .6rem;border-bottom:1px solid #dde3ea;text-align:right}
th:first-child,td:first-child{text-align:left}th{font-weight:600;color:#51606f}
.own td{background:#eef5ff;font-weight:600}.note{color:#51606f}
"""
_MODELS = {
    "student": "このモデル / this model",
    "teacher": "受け入れ後の見込み / after acceptance",
    "base_rate": "平均の受注率 / base rate",
    "base_rate_by_channel": "流入元ごとの受注率 / base rate by channel",
    "linear": "線形モデル / linear model",
    "lightgbm_tuned": "LightGBM(調整済み) / LightGBM, tuned",
    "naive_bayes": "頻度ナイーブベイズ / frequency naive Bayes",
}
_HEAD = ("", "n", "AUC", "PR-AUC", "log loss", "Brier", "ECE", "lift 10 %", "予測/実績 pred/obs")


def render_report(scorer: LeadScorer, learned: Learned, judged: Backtest) -> str:
    """Return the report as HTML, in Japanese and English side by side."""
    definition = scorer.definition
    body = [
        "<h1>リード品質モデル / Lead quality model</h1>",
        f"<p>{escape(definition.name.ja)} ― {escape(definition.name.en)}</p>",
        f"<p>{escape(definition.version)} · <code>{definition.fingerprint[:12]}</code></p>",
        f"<p>model <code>{scorer.model_digest[:12]}</code></p>",
        _learnt_from(learned),
        _figures(judged),
        _reliability(judged),
        _reasons(scorer, learned),
    ]
    return (
        "<!doctype html><html lang='ja'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'><title>Lead quality model</title>"
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _learnt_from(learned: Learned) -> str:
    labels, rows = learned.labels, learned.rows
    facts = (
        ("リード / leads", int(rows.sum())),
        ("営業が対応 / worked", int((labels.worked & rows).sum())),
        ("受注 / wins", labels.n_wins),
        ("却下 / turned away", int((labels.state[rows] == "rejected").sum())),
    )
    note = ""
    if learned.student is None:
        note = (
            "<p class='note'>受注が50件に満たないため、学習モデルではなく"
            "流入元ごとの受注率を使います。<br>"
            "Fewer than 50 wins: base rates by channel are used instead of a learned model.</p>"
        )
    if learned.scorer.horizons == (EVER,):
        note += (
            "<p class='note'>日付のない一覧なので「いつか受注」の確率だけを学びます。"
            "受注・却下の日付を記録すれば期間ごとの曲線になります。<br>"
            "A table without dates: only the chance of ever winning is learnt. "
            "Record the days of decisions and wins to get a curve over time.</p>"
        )
    return _section(
        "学習に使ったリード / What it was learnt from", _table(("", "件 / n"), facts) + note
    )


def _figures(judged: Backtest) -> str:
    parts = []
    for horizon in sorted({row.horizon for row in judged.rows}):
        rows = [row for row in judged.rows if row.horizon == horizon]
        title = "いつか / ever" if horizon == EVER else f"{horizon}日以内 / within {horizon} days"
        parts.append(f"<h3>{title}</h3>" + _model_table(rows))
    if not parts:
        parts.append(
            f"<p class='note'>評価できません / Nothing could be judged. {escape(judged.note)}</p>"
        )
    text = (
        "<p>学習に使っていない新しいリードでの成績です。log loss・Brier・ECEは小さいほど、"
        "AUC・liftは大きいほど良い値です。営業が受け入れたリードは選ばれたリードなので、"
        "全リード向けの予測はそれより低くなります(予測/実績が1未満)。<br>"
        "Measured on newer leads that the model had not seen. Lower is better for log loss, Brier "
        "and ECE; higher for AUC and lift. Leads that sales accepted are a selection: what is "
        "promised for all leads lies below what they do (pred/obs below 1).</p>"
    )
    return _section("成績 / How good it is", text + "".join(parts))


def _model_table(rows: Sequence[ResultRow]) -> str:
    lines = []
    for row in rows:
        found = row.evaluation
        ratio = found.predicted_over_observed
        cells = (
            _MODELS.get(row.model, row.model),
            f"{found.n:,} ({found.n_won:,})",
            f"{found.auc:.3f}",
            f"{found.pr_auc:.3f}",
            f"{found.log_loss:.4f}",
            f"{found.brier:.4f}",
            f"{found.ece:.3f}",
            f"{found.lift_10:.2f}",
            f"{ratio[0]:.2f} [{ratio[1]:.2f}, {ratio[2]:.2f}]",
        )
        lines.append(_row(cells, "own" if row.model == "student" else ""))
    return f"<table>{_row(_HEAD, '', 'th')}{''.join(lines)}</table>"


def _reliability(judged: Backtest) -> str:
    if not judged.reliability:
        return ""
    rows = [
        (
            percent(group["predicted"], "en"),
            percent(group["observed"], "en"),
            f"{percent(group['low'], 'en')} – {percent(group['high'], 'en')}",
            f"{group['n']:,}",
        )
        for group in judged.reliability
    ]
    head = ("予測 / promised", "実績 / observed", "95 %", "n")
    return _section("約束と実績 / Promised and observed", _table(head, rows))


def _reasons(scorer: LeadScorer, learned: Learned) -> str:
    known = scorer.definition.reasons
    rows = [
        (
            f"{known[count.reason].names.ja} / {known[count.reason].names.en}",
            count.treatment,
            count.n,
        )
        for count in learned.labels.counts
    ]
    if not rows:
        return ""
    head = ("理由 / reason", "扱い / treatment", "件 / n")
    return _section(
        "営業の理由と扱い / Reasons and what they mean to the model", _table(head, rows)
    )


def _section(title: str, content: str) -> str:
    return f"<h2>{title}</h2>{content}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return f"<table>{_row(head, '', 'th')}{''.join(_row(row) for row in rows)}</table>"


def _row(cells: Sequence[object], kind: str = "", tag: str = "td") -> str:
    shown = "".join(
        f"<{tag}>{escape(f'{cell:,}' if isinstance(cell, int) else str(cell))}</{tag}>"
        for cell in cells
    )
    return f"<tr class='{kind}'>{shown}</tr>" if kind else f"<tr>{shown}</tr>"
