"""One raw value as text: widths, dashes and white space written one way, lengths bounded."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import datetime
from decimal import Decimal
from numbers import Real
from typing import SupportsFloat

__all__ = [
    "LONGEST_CATEGORY",
    "LONGEST_SCALAR",
    "LONGEST_TEXT",
    "Unreadable",
    "category_key",
    "finite",
    "id_key",
    "is_blank",
    "normalise",
    "parse_boolean",
    "read_scalar",
    "text_length",
]

LONGEST_SCALAR = 100
"""Characters that a number, a date, a yes/no or a phone number can have."""
LONGEST_CATEGORY = 1_000
"""Characters that a category, a name, a title or an address can have."""
LONGEST_TEXT = 100_000
"""Characters that a free text can have."""
_LONGEST_INTEGER_BITS = 300


class Unreadable(ValueError):
    """A value is there but is not what its field says; the message never repeats the value."""


_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ODD = re.compile(f"[{''.join(one.pattern[1:-1] for one in (_INVISIBLE, _CONTROL, _SURROGATE))}]")
_TILDE = re.compile("[〜∼˜]")
_DASH = re.compile("[−‐‑‒–—―─]")
_TYPED = re.compile("[〜∼˜−‐‑‒–—―─]")


def normalise(text: str) -> str:
    """Return `text` with widths, dashes, tildes and white space written one way.

    NFKC first (full-width digits, half-width kana, ㈱, ㍿, ①), then the dashes and tildes that
    NFKC leaves, then inner white space collapsed and the ends stripped. Applying it twice changes
    nothing more.

    Raises
    ------
    Unreadable
        If the text is longer than `LONGEST_TEXT` or holds half a character (a lone surrogate).

    Examples
    --------
    >>> normalise("　１００〜２９９名 ㈱")
    '100~299名 (株)'
    """
    if len(text) > LONGEST_TEXT:
        raise Unreadable(f"longer than {LONGEST_TEXT} characters")
    if text.isascii():
        return " ".join((text if text.isprintable() else _CONTROL.sub(" ", text)).split())
    if not text.isprintable() and _ODD.search(text):  # the odd ones all count as not printable
        if _SURROGATE.search(text):
            raise Unreadable("holds half a character (a lone surrogate)")
        text = _INVISIBLE.sub("", _CONTROL.sub(" ", text))
    text = unicodedata.normalize("NFKC", text)
    if _TYPED.search(text):
        text = _DASH.sub("-", _TILDE.sub("~", text))
    return " ".join(text.split())


def is_blank(value: object) -> bool:
    """Whether nothing was entered: None, NaN-like dates, or only white space."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value or value.isspace()
    return isinstance(value, datetime) and value != value  # pandas' "not a time"


def read_scalar(value: object, limit: int) -> str | None:
    """Return a value as normalised text of at most `limit` raw characters; None for a blank.

    Numbers are written without ``.0``, yes and no as ``true`` and ``false``.

    Raises
    ------
    Unreadable
        If it is too long, not finite, or no single text or number.
    """
    if isinstance(value, str):
        if len(value) > limit:
            raise Unreadable(f"longer than {limit} characters")
        return normalise(value) or None
    if is_blank(value):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if value.bit_length() > _LONGEST_INTEGER_BITS:
            raise Unreadable("a number too large to hold")
        return str(value)
    if isinstance(value, Real | Decimal):
        return _number_text(finite(value))
    raise Unreadable(f"a {type(value).__name__} where one text or number was expected")


def finite(value: SupportsFloat) -> float:
    """Return a number as a float, refusing what is not finite."""
    try:
        number = float(value)
    except (OverflowError, ValueError) as error:
        raise Unreadable("a number too large to hold") from error
    if not math.isfinite(number):
        raise Unreadable("not a finite number")
    return number


def _number_text(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def category_key(value: object) -> str | None:
    """Return the key under which a category is compared: normalised and without case.

    A whole number reads without ``.0``, so 9, 9.0 and "9" are one category.

    Examples
    --------
    >>> category_key("ＷＥＢ　サイト"), category_key(9.0), category_key(" ")
    ('web サイト', '9', None)
    """
    text = read_scalar(value, LONGEST_CATEGORY)
    if text is None:
        return None
    folded = text.casefold()
    return folded if folded.isascii() else normalise(folded) or None


def id_key(text: str) -> str | None:
    """Return the form in which ids are compared and kept, in training and serving: case counts.

    >>> id_key("　Ｌ－１０４２ "), id_key("l-1042"), id_key(" ")
    ('L-1042', 'l-1042', None)
    """
    return normalise(text[:LONGEST_CATEGORY]) or None


_YES = re.compile("はい|有り?|あり|済み?|可|希望する|同意(?:する)?|[○〇◯✓✔☑1yt]|yes|true|on")
_NO = re.compile("いいえ|無し?|なし|未|否|不可|希望しない|同意しない|[×✕✗☐0nf]|no|false|off")


def parse_boolean(value: object) -> bool | None:
    """Read a yes or no in Japanese or English; None for a blank.

    >>> parse_boolean("はい"), parse_boolean("無"), parse_boolean("ＴＲＵＥ")
    (True, False, True)
    """
    if isinstance(value, bool):
        return value
    text = read_scalar(value, LONGEST_SCALAR)
    if text is None:
        return None
    folded = text.casefold()
    if _YES.fullmatch(folded):
        return True
    if _NO.fullmatch(folded):
        return False
    raise Unreadable("neither yes nor no")


def text_length(value: object) -> float | None:
    """Return how many characters a free text has after normalising; None for a blank."""
    text = read_scalar(value, LONGEST_TEXT)
    return None if text is None else float(len(text))
