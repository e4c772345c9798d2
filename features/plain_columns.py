"""Columns of texts that are mostly written in the commonest ways → codes, in a few steps for all.

Addresses, companies, phones and times differ in nearly every lead, so that remembering what was
read helps little. Here a whole column is looked at at once. Whatever is not written plainly is left
to the ordinary readers, which would say the same of what is read here:
`tests/features/test_plain_columns.py` holds both against each other.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from features.contacts import domain_kind, phone_kind
from features.inputs import MISSING, WEEKDAYS, Habits, Input
from features.writing import LONGEST_CATEGORY, LONGEST_SCALAR, LONGEST_TEXT, normalise

__all__ = ["READ_PLAIN", "PlainCodes", "numbered"]

Texts = Sequence[str | None]


_Text = TypeVar("_Text", bound=str | None)


class PlainCodes(NamedTuple):
    """Codes of a column, shape (n_leads, n_inputs), and whose texts were read; the others' are 0.

    What was not read is not written plainly, or not there.
    """

    codes: NDArray[np.int32]
    is_read: NDArray[np.bool_]


_LONGEST_NUMBER = 15
"""Digits of a whole number that a float holds exactly."""
_COUNTERS = "名人円社件"
_EMAIL = re.compile(r"(?m)^[a-z0-9._%+-]+@((?:[a-z0-9-]+\.)+[a-z]+)$|^.*$", re.ASCII)
_PHONE = re.compile(
    r"(?m)^((?:0120|0570|0990)(?=\d{6}$)|0800(?=\d{7}$)|0[5-9]0(?=\d{8}$)|0[1-9](?=\d{8}$))\d+$"
    r"|^.*$",
    re.ASCII,
)
"""Heads that tell the kind of a number of this length."""
_MAY_SHOW_FORM = re.compile(r"[(a-z法団役庁委省都道府県市区町村組協学連]|会社")
"""Without any of these no rule of `features.contacts.company_form` fits."""
_HAS_DIGIT = re.compile(r"\d")
_HAS_AT = re.compile("@")

_TIME_WIDTH = 25
_KNOWN_LENGTHS = np.isin(np.arange(_TIME_WIDTH + 1), (10, 16, 19, 20, 25))
_DIGITS = {
    10: [0, 1, 2, 3, 5, 6, 8, 9],
    16: [11, 12, 14, 15],
    19: [17, 18],
    25: [20, 21, 23, 24],
}
"""Where digits stand in a time, from the length on that has them."""
_NO_HOUR = 24
_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60
_FIRST_WEEKDAY = 3
"""Of 1970-01-01, from Monday."""
_FIRST_YEAR, _LAST_YEAR = 1972, 2198
"""In which `features.moments.local_time` reads without asking the zone."""


def _numbers(texts: Texts, habits: Habits, inputs: Sequence[Input]) -> PlainCodes | None:
    """Read whole numbers of ASCII digits, with a counter or without."""
    if _may_be_blank(habits, _HAS_DIGIT):
        return None
    numbers = np.array([
        float(digits)
        if text is not None
        and (digits := text[:-1] if text[-1:] in _COUNTERS else text).isdigit()
        and len(digits) <= _LONGEST_NUMBER
        and digits.isascii()
        else np.nan
        for text in texts
    ])  # fmt: skip
    return _of_numbers(numbers, inputs[0])


def _lengths(texts: Texts, habits: Habits, inputs: Sequence[Input]) -> PlainCodes | None:
    """Measure free texts."""
    if habits.blanks:
        return None
    lengths = np.array([
        len(" ".join(line.split())) or np.nan for line in _written_plainly(texts, LONGEST_TEXT)
    ])  # fmt: skip
    return _of_numbers(lengths, inputs[0])


def _of_numbers(numbers: NDArray[np.float64], given: Input) -> PlainCodes:
    is_read = ~np.isnan(numbers)
    codes = np.searchsorted(np.array(given.edges), numbers).astype(np.int32) + np.int32(1)
    return PlainCodes(np.where(is_read, codes, np.int32(MISSING))[:, None], is_read)


def _emails(texts: Texts, habits: Habits, inputs: Sequence[Input]) -> PlainCodes | None:
    """Read addresses in plain lower case."""
    if _may_be_blank(habits, _HAS_AT):
        return None
    kind, name = inputs
    domains, rows = numbered(_EMAIL.findall(_lines(texts, LONGEST_CATEGORY)))
    kept = name.code_of_level
    signs = [domain if domain in kept else _tail(domain) for domain in domains]

    def codes_of(sign: str) -> tuple[int, ...]:
        domain = f"a{sign}" if sign.startswith(".") else sign
        return kind.code(domain_kind(domain)), name.code(sign)

    codes, is_read = _by_sign(signs, 2, codes_of)
    return PlainCodes(codes[rows], is_read[rows])


def _tail(domain: str) -> str:
    """Return what tells the kind of a domain: of more than three labels the last three.

    >>> _tail("mail.tokyo.yamada.co.jp"), _tail("yamada.co.jp")
    ('.yamada.co.jp', 'yamada.co.jp')
    """
    n_dots = domain.count(".")
    if n_dots < 3:
        return domain
    if n_dots == 3:
        return domain[domain.index(".") :]
    return domain[len(domain.rsplit(".", 3)[0]) :]


def _phones(texts: Texts, habits: Habits, inputs: Sequence[Input]) -> PlainCodes | None:
    """Read numbers of Japan, with dashes or without."""
    if _may_be_blank(habits, _HAS_DIGIT):
        return None
    heads = _PHONE.findall(_lines(texts, LONGEST_SCALAR).replace("-", ""))
    one_of = dict(zip(heads, texts, strict=True))
    return _by_sign(heads, 1, lambda head: (inputs[0].code(phone_kind(one_of[head])),))


def _companies(texts: Texts, habits: Habits, inputs: Sequence[Input]) -> PlainCodes | None:
    """Read names with the mark of a Japanese company, and those that show no form."""
    if habits.blanks:
        return None
    forms = [_form_of(name) for name in _written_plainly(texts, LONGEST_CATEGORY)]
    return _by_sign(forms, 1, lambda form: (inputs[0].code(form),))


def _form_of(name: str) -> str:
    """Return the form where the name bears one plain mark or none; "" leaves it to the rules."""
    if "会社" in name:
        if "有限会社" in name:
            return "yugen"
        if "(" in name:
            return ""
        if "合同会社" in name or "合資会社" in name or "合名会社" in name:
            return "godo"
        return "kabushiki" if "株式会社" in name else ""
    if "(株)" in name:
        return "kabushiki" if name.count("(") == 1 else ""
    return "none" if name.strip() and _MAY_SHOW_FORM.search(name.casefold()) is None else ""


def _by_sign(
    signs: Sequence[str], n_inputs: int, codes_of: Callable[[str], tuple[int, ...]]
) -> PlainCodes:
    """Return the codes that each sign stands for; the empty one is of texts that are not plain."""
    distinct, rows = numbered(signs)
    unread = (MISSING,) * n_inputs
    table = np.array([codes_of(sign) if sign else unread for sign in distinct], np.int32)
    return PlainCodes(table[rows], np.array([sign != "" for sign in distinct])[rows])


def _times(texts: Texts, habits: Habits, inputs: Sequence[Input]) -> PlainCodes | None:
    """Read times as programs write them: 2026-01-05 08:30:00+09:00."""
    steady = habits.steady
    if steady is None or _may_be_blank(habits, _HAS_DIGIT):
        return None
    given = ["" if text is None or len(text) > _TIME_WIDTH else text for text in texts]
    lengths = np.fromiter(map(len, given), np.intp, len(given))
    signs = np.array(given, f"U{_TIME_WIDTH}").view(np.uint32).reshape(-1, _TIME_WIDTH)
    moments, is_read = _moments(signs.T.astype(np.int32, order="C"), lengths)
    offset = steady.utcoffset(None).total_seconds()
    seconds = moments + np.where(lengths >= 20, np.int64(offset), 0)
    in_day = seconds % _DAY
    weekday, hour = inputs
    of_weekday = np.array([weekday.code(day) for day in WEEKDAYS], np.int32)
    of_hour = np.array([*(hour.code(float(n)) for n in range(24)), hour.code(None)], np.int32)
    codes = np.column_stack([
        of_weekday[(seconds // _DAY + _FIRST_WEEKDAY) % 7],
        of_hour[np.where(in_day == 0, _NO_HOUR, in_day // _HOUR)],
    ])  # fmt: skip
    codes[~is_read] = MISSING
    return PlainCodes(codes, is_read)


def _moments(
    signs: NDArray[np.int32], lengths: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return seconds since 1970 by the clock that is written, or UTC's where an offset is.

    Parameters
    ----------
    signs : ndarray of shape (25, n_times)
        The characters of each time, by their places.
    lengths : ndarray of shape (n_times,)

    Returns
    -------
    tuple of ndarray
        Seconds, and whether the time was read; where it was not, its seconds mean nothing.
    """
    numbers = signs - ord("0")

    def two(at: int) -> NDArray[np.int32]:
        found: NDArray[np.int32] = numbers[at] * 10 + numbers[at + 1]
        return found

    def number(at: int, least: int) -> NDArray[np.int32]:
        return np.where(lengths >= least, two(at), 0)

    is_read = _KNOWN_LENGTHS[lengths]
    is_digit = (numbers >= 0) & (numbers <= 9)
    for least, places in _DIGITS.items():
        is_read &= is_digit[places].all(axis=0) | (lengths < least)
    is_dashed = (signs[4] == ord("-")) & (signs[7] == ord("-"))
    is_slashed = (signs[4] == ord("/")) & (signs[7] == ord("/")) & (lengths < 20)
    is_read &= is_dashed | is_slashed
    between = (signs[10] == ord(" ")) | ((signs[10] == ord("T")) & is_dashed)
    is_read &= (between & (signs[13] == ord(":"))) | (lengths < 16)
    is_read &= (signs[16] == ord(":")) | (lengths < 19)
    is_read &= (signs[19] == ord("Z")) | (lengths != 20)
    sign = np.where(signs[19] == ord("-"), -1, 1)
    is_offset = ((signs[19] == ord("+")) | (sign < 0)) & (signs[22] == ord(":"))
    is_read &= is_offset | (lengths != 25)

    year, month, day = two(0) * 100 + two(2), two(5), two(8)
    hour, minute, second = number(11, 16), number(14, 16), number(17, 19)
    off_hour, off_minute = number(20, 25), number(23, 25)
    is_read &= (year >= _FIRST_YEAR) & (year <= _LAST_YEAR) & (month >= 1) & (month <= 12)
    is_read &= (hour <= 23) & (minute <= 59) & (second <= 59)
    is_read &= (off_hour <= 23) & (off_minute <= 59)
    months = np.where(is_read, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    after = (months + 1).astype("datetime64[D]").astype(np.int64)
    is_read &= (day >= 1) & (day <= after - first)
    clock = hour * _HOUR + minute * _MINUTE + second
    offset = sign * (off_hour * _HOUR + off_minute * _MINUTE)
    seconds: NDArray[np.int64] = (first + day - 1) * _DAY + clock - offset
    return seconds, is_read


def _lines(texts: Texts, longest: int) -> str:
    """Return the texts as lines of one, to be searched at once; too long ones are left out."""
    given = ["" if text is None or len(text) > longest else text for text in texts]
    lines = "\n".join(given)
    if lines.count("\n") != len(given) - 1:
        # A text that has lines itself is not written plainly, with or without them.
        lines = "\n".join([text.replace("\n", "\0") for text in given])
    return lines


def _written_plainly(texts: Texts, longest: int) -> list[str]:
    """Return texts as `normalise` has them but for dashes and white space; "" for odd ones."""
    plain = [
        ""
        if text is None or len(text) > longest
        else text
        if text.isprintable()
        else _on_a_line(text)
        for text in texts
    ]
    # Nothing is composed, or put in order, across the end of a line.
    return unicodedata.normalize("NFKC", "\n".join(plain)).split("\n")


def _on_a_line(raw: str) -> str:
    line = " ".join(raw.split())
    return line if line.isprintable() else ""


def _may_be_blank(habits: Habits, sign: re.Pattern[str]) -> bool:
    """Return whether the company has a way to write nothing that holds such a sign."""
    return any(sign.search(normalise(blank)) for blank in habits.blanks)


def numbered(texts: Sequence[_Text]) -> tuple[list[_Text], NDArray[np.intp]]:
    """Return the distinct texts, and for each text which one of them it is."""
    places: defaultdict[_Text, int] = defaultdict(count().__next__)
    rows = np.fromiter(map(places.__getitem__, texts), np.intp, len(texts))
    return list(places), rows


READ_PLAIN: Mapping[str, Callable[[Texts, Habits, Sequence[Input]], PlainCodes | None]] = {
    "number": _numbers,
    "time": _times,
    "email": _emails,
    "phone": _phones,
    "company": _companies,
    "text": _lengths,
}
"""By a field's type: from texts, habits and the field's inputs to codes; None where the company's
ways to write nothing might be read as something."""
