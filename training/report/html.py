"""The few pieces of HTML a report is made of; every text in Japanese and English side by side.

One switch on the page shows one language or the other, without a script: both are in the file, and
paper gets the one that is shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from features.wording import percent

__all__ = [
    "STYLE",
    "bar",
    "beside",
    "both",
    "chip",
    "count",
    "decimal",
    "figure",
    "interval",
    "note",
    "page",
    "rate",
    "rate_range",
    "said",
    "section",
    "table",
]

Interval = Sequence[float | None]

STYLE = """
:root{--ink:#1c2733;--soft:#566575;--line:#dbe2ea;--own:#1f5fae;--good:#1a7f4b;--warn:#9a6200;
--bad:#b3261e;--tint:#eef4fb}
*{box-sizing:border-box}
body{font:15px/1.65 system-ui,"Hiragino Sans","Yu Gothic UI","Noto Sans CJK JP",sans-serif;
color:var(--ink);max-width:60rem;margin:0 auto;padding:1.5rem 1.25rem 4rem}
h1{font-size:1.55rem;line-height:1.3;margin:.3rem 0}
h2{font-size:1.15rem;margin:2.4rem 0 .4rem;border-top:2px solid var(--ink);padding-top:.5rem}
h3{font-size:1rem;margin:1.3rem 0 .3rem}p{margin:.4rem 0;max-width:48rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;margin:.6rem 0}
th,td{padding:.32rem .6rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th{font-weight:600;color:var(--soft);font-size:.86rem}
th:first-child,td:first-child,td.words,th.words{text-align:left}
tr.own td{background:var(--tint);font-weight:600}
.note,figcaption,footer{color:var(--soft);font-size:.9rem}
.lead{font-size:1.02rem}.verdict{border-left:6px solid;padding:.5rem 1rem;margin:1rem 0;
background:#f7f9fb}.verdict strong{font-size:1.35rem}.ready{border-color:var(--good)}
.ok{border-color:var(--warn)}.not_ready{border-color:var(--bad)}
.chip{display:inline-block;border-radius:3px;padding:0 .45em;font-size:.85rem;font-weight:600}
.chip.yes,.chip.note{background:#e4f3ea;color:var(--good)}
.chip.no,.chip.leak{background:#fbe9e7;color:var(--bad)}
.chip.unknown,.chip.suspect{background:#fdf2dc;color:var(--warn)}
.bar{display:inline-block;height:.72em;background:var(--own);vertical-align:baseline;
print-color-adjust:exact;-webkit-print-color-adjust:exact}.bar.down{background:#c4622d}
figure{margin:.8rem 0;break-inside:avoid}figure svg{width:100%;max-width:34rem;height:auto}
.switch{float:right;font-size:.9rem}.switch label{cursor:pointer;padding:.15rem .5rem}
.switch input{position:absolute;opacity:0}.switch input:checked+label{font-weight:700;
border-bottom:2px solid var(--own)}.switch input:focus-visible+label{outline:2px solid var(--own)}
body:has(#show-ja:checked) [lang=en],body:has(#show-en:checked) [lang=ja]{display:none}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:0 2rem}.pair>*{min-width:0}
.pair td,.pair th{padding:.32rem .35rem}.pair .bar{max-width:6.5em}@media(max-width:44rem){
.pair{grid-template-columns:1fr}}
@media print{body{max-width:none;padding:0;font-size:11px}.switch{display:none}h2{break-after:avoid}
tr,figure,.verdict{break-inside:avoid}@page{margin:14mm}}
"""


def both(ja: str, en: str) -> str:
    """Return a text in both languages, escaped; the page shows one."""
    if ja == en:
        return escape(ja)
    return f"<span lang='ja'>{escape(ja)}</span><span lang='en'>{escape(en)}</span>"


def said(words: Any) -> str:
    """Return what a part said as ``{"ja": …, "en": …}``, or as plain text."""
    if isinstance(words, dict):
        return both(str(words.get("ja", "")), str(words.get("en", "")))
    return escape(str(words))


def note(ja: str, en: str, kind: str = "") -> str:
    """Return one sentence that says what a figure means."""
    return f"<p class='{kind or 'words'}'>{both(ja, en)}</p>"


def section(name: str, ja: str, en: str, *content: str) -> str:
    """Return a part of the page with its heading; nothing where there is no content."""
    inside = "".join(content)
    return f"<section id='{name}'><h2>{both(ja, en)}</h2>{inside}</section>" if inside else ""


def figure(drawing: str, caption: str) -> str:
    """Return a drawing with its sentence under it."""
    return f"<figure>{drawing}<figcaption>{caption}</figcaption></figure>"


def beside(left: str, right: str) -> str:
    """Return two pieces side by side where the page is wide enough."""
    return f"<div class='pair'><div>{left}</div><div>{right}</div></div>"


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    own: Sequence[int] = (),
    words: Sequence[int] = (),
) -> str:
    """Return a table of ready HTML cells; `own` rows stand out, `words` columns read as text."""

    def line(cells: Sequence[str], tag: str, kind: str = "") -> str:
        shown = "".join(
            f"<{tag}{' class=words' if place in words else ''}>{cell}</{tag}>"
            for place, cell in enumerate(cells)
        )
        return f"<tr{kind}>{shown}</tr>"

    body = "".join(
        line(cells, "td", " class=own" if place in own else "") for place, cells in enumerate(rows)
    )
    return f"<table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>"


def chip(kind: str, ja: str, en: str) -> str:
    """Return a small label; `kind` gives its colour."""
    return f"<span class='chip {kind}'>{both(ja, en)}</span>"


def bar(share: float, kind: str = "") -> str:
    """Return a bar whose full length is a share of 1."""
    width = max(0.0, min(1.0, share if math.isfinite(share) else 0.0)) * 9
    return f"<span class='bar {kind}' style='width:{width:.2f}em'></span>"


def count(value: float | None) -> str:
    """Return a whole number with thousands apart."""
    return "–" if value is None else f"{round(value):,}"


def decimal(value: float | None, places: int = 3) -> str:
    """Return a number with so many decimals; a dash where it cannot be told."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{places}f}"


def rate(value: float | None) -> str:
    """Return a share (0 to 1) in percent."""
    if value is None or not math.isfinite(value):
        return "–"
    return both(percent(value, "ja"), percent(value, "en"))


def interval(found: Interval | None, places: int = 2) -> str:
    """Return a number with its 95 % interval."""
    if not found or found[0] is None:
        return "–"
    return f"{decimal(found[0], places)} [{decimal(found[1], places)}, {decimal(found[2], places)}]"


def rate_range(found: Interval | None) -> str:
    """Return a share with its 95 % interval, in percent."""
    if not found or found[0] is None:
        return "–"
    if found[1] is None or found[2] is None:
        return rate(found[0])
    return f"{rate(found[0])} <small>({rate(found[1])} – {rate(found[2])})</small>"


def page(title_ja: str, title_en: str, language: str, body: str) -> str:
    """Return the whole file: no script, no address, no font to fetch."""
    shown = {"ja": "", "en": ""} | {language: " checked"}
    switch = "".join(
        f"<input type='radio' name='language' id='show-{code}'{shown[code]}>"
        f"<label for='show-{code}'>{word}</label>"
        for code, word in (("ja", "日本語"), ("en", "English"))
    )
    return (
        f"<!doctype html><html lang='{language}'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>{escape(title_ja)} / {escape(title_en)}</title><style>{STYLE}</style></head>"
        f"<body><nav class='switch' aria-label='language'>{switch}</nav>{body}</body></html>\n"
    )
