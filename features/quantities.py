"""Numbers as people write them: widths, thousands, 万 and 億, ranges, bounds, units."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from numbers import Real

from features.writing import LONGEST_SCALAR, Unreadable, finite, read_scalar

__all__ = ["parse_number"]

_PLAIN = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_SCIENTIFIC = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_KANJI_DIGITS = str.maketrans("〇一二三四五六七八九壱弐参", "0123456789123")
_SMALL = {"": 1.0, "十": 10.0, "百": 100.0, "千": 1_000.0}
_LARGE = {
    "": 1.0,
    "万": 1e4,
    "億": 1e8,
    "兆": 1e12,
    "k": 1e3,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
}
_DIGITS = r"\d{1,3}(?:,\d{3})++(?:\.\d++)?|\d++(?:\.\d++)?"
_PART = re.compile(
    rf"({_DIGITS})?([十百千])?(万|億|兆|k(?![a-z])|thousand|million|billion)?", re.ASCII
)
_UNIT = (
    r"(?:名様|名|人|円|社|件|回|分間|分|時間|日間|日|歳|か月|ヶ月|カ月|ヵ月|月|年|台|個|本|席|店舗|拠点|点|株|%"
    r"|people|persons?|employees?|staff|yen|jpy|usd|eur|dollars?|minutes?|min|hours?|days?|times?)?"
)
_BOUND = r"(?:以上|以下|以内|未満|超|程度|前後|余り|余|くらい|ぐらい|弱|強|or more|or less|\+)?"
_PREFIX = re.compile(
    r"^(?:約|およそ|おおよそ|凡そ|概ね|ほぼ|資本金|従業員数?|社員数?|年商|売上高?|計|全|¥|\\|\$|€|jpy|usd"
    r"|about|approx(?:imately|\.)?|over|under|up to|more than|less than|>=|<=|>|<|≧|≦|≥|≤|:)\s*"
)
_AMOUNT = rf"((?>(?:{_DIGITS}|[十百千万億兆]|k(?![a-z])|thousand|million|billion|\s(?=[a-z]))+))"
_ONE = re.compile(rf"~?\s*{_AMOUNT}\s*{_UNIT}\s*{_BOUND}\s*~?", re.ASCII)
_RANGE = re.compile(
    rf"{_AMOUNT}\s*{_UNIT}\s*{_BOUND}\s*(?:~|-|ー|から|to|(?<=以上)|(?<=超))\s*[¥$€]?{_AMOUNT}\s*{_UNIT}\s*{_BOUND}(?:まで)?",
    re.ASCII,
)


def parse_number(value: object) -> float | None:
    """Read a number as people write it; None for a blank.

    A closed range gives its geometric middle (the arithmetic one when it starts at 0), an open one
    its bound. A percentage stays in percent. Commas are thousands only where they stand as such.

    Raises
    ------
    Unreadable
        If there is no number, more than one, or one that is not finite.

    Examples
    --------
    >>> parse_number("１，２００名"), parse_number("100〜400名"), parse_number("1億5,000万円")
    (1200.0, 200.0, 150000000.0)
    """
    if type(value) is int or type(value) is float:
        return finite(value)
    if isinstance(value, str):
        if _PLAIN.fullmatch(value):
            return float(value)
    elif isinstance(value, bool):
        raise Unreadable("a yes/no where a number was expected")
    elif isinstance(value, Real | Decimal):
        return finite(value)
    text = read_scalar(value, LONGEST_SCALAR)
    if text is None:
        return None
    if _SCIENTIFIC.fullmatch(text):
        return finite(float(text))
    return finite(_parse_written(text.casefold().translate(_KANJI_DIGITS)))


def _parse_written(text: str) -> float:
    sign = -1.0 if text[0] in "-△▲" else 1.0
    rest = text.lstrip("+-△▲").strip()
    while (stripped := _PREFIX.sub("", rest)) != rest:
        rest = stripped
    if (closed := _RANGE.fullmatch(rest)) is not None:
        return _middle(closed[1], closed[2])
    if (single := _ONE.fullmatch(rest)) is not None:
        return sign * _amount(single[1])
    raise Unreadable("not a number or a range of numbers")


def _middle(first: str, last: str) -> float:
    low, high = _amount(first), _amount(last)
    if first.strip()[-1].isdigit() and (lent := _lent_multiplier(last, low)):
        low *= lent
    if low > high:
        raise Unreadable("a range that runs backwards")
    return math.sqrt(low) * math.sqrt(high) if low > 0 else (low + high) / 2


def _lent_multiplier(last: str, low: float) -> float | None:
    """Return the multiplier that "1~3億" lends to its first number; None when it lends none."""
    part = _PART.fullmatch(last.replace(" ", ""))
    if part is None or part[1] is None or low > float(part[1].replace(",", "")):
        return None
    return _SMALL[part[2] or ""] * _LARGE[part[3] or ""]


def _amount(text: str) -> float:
    total = section = 0.0
    position, joined = 0, text.replace(" ", "")
    while position < len(joined):
        part = _PART.match(joined, position)
        if (
            part is None
            or part.end() == position
            or (part[1] and joined[position - 1 : position].isdigit())
        ):
            raise Unreadable("not a number")
        position = part.end()
        if part[1] or part[2]:
            section += float((part[1] or "1").replace(",", "")) * _SMALL[part[2] or ""]
        if part[3]:
            total += (section or 1.0) * _LARGE[part[3]]
            section = 0.0
    return total + section
