"""The same leads as people type them: widths, units, bands, legal forms, eras of writing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.worlds.people import HOUR, Floats, Integers, People, stream
from training.worlds.vocabulary import (
    CHANNELS,
    COMPANY_FORMS,
    COMPANY_NAMES,
    COMPANY_TRADES,
    EMPLOYEE_BANDS,
    FREE_MAIL,
    INDUSTRIES,
    MESSAGES,
    PREFECTURES,
    PRODUCTS,
    TITLES,
)

__all__ = ["render_fields", "written_times"]

Column = NDArray[np.object_]

_WIDE = str.maketrans("0123456789,", "０１２３４５６７８９，")
_PHONE_STARTS = (("03-0", "06-0", "052-0"), ("090-0", "070-0"), ("0120-0",))


def render_fields(seed: int, people: People) -> dict[str, Column]:
    """Return the fields of the packaged definition as typed, by name: text or None, shape (n,)."""
    random = stream(seed, "rendering")
    n = len(people.arrived)
    firm = _choose(people, random.integers(0, len(COMPANY_NAMES) ** 2 * len(COMPANY_TRADES), n))
    number = _choose(people, np.arange(n))
    source = _words([each.ja for each in CHANNELS], people.channel)
    source[(people.channel == 6) & (random.random(n) < 0.1)] = "ＳＮＳ"
    return {
        "arrived_at": _object(written_times(people.arrived, "{0}/{1}/{2} {3}:{4}")),
        "source": source,
        "industry": _words([each.ja for each in INDUSTRIES], people.industry),
        "employees": _employees(random, people),
        "capital": _capital(random, people.capital),
        "prefecture": _words([name for name, _, _ in PREFECTURES], people.prefecture),
        "job_title": _words([title for title, _, _ in TITLES], people.title),
        "company": _companies(firm, people.form),
        "email": _addresses(random, people, firm, number),
        "phone": _phones(people.phone, number),
        "product": _words([name for _, name, _ in PRODUCTS], people.product),
        "message": _messages(people.message, random.integers(0, len(MESSAGES), n)),
    }


def written_times(at: Integers, form: str) -> list[str]:
    """Return times (microseconds since 1970, UTC) as written in Tokyo, whole seconds.

    `form` is an ISO time without zone in which other marks may stand: ``{0}`` is the year, then
    month, day, hour, minute and second.
    """
    tokyo = (at + 9 * HOUR).view("datetime64[us]")  # no summer time since 1951
    iso = np.datetime_as_string(tokyo, unit="s").tolist()
    write = form.format
    return [
        write(each[:4], each[5:7], each[8:10], each[11:13], each[14:16], each[17:19])
        for each in iso
    ]


def _choose(people: People, drawn: Integers) -> Integers:
    """Give a duplicate what its original drew."""
    return np.where(people.copy_of >= 0, drawn[people.copy_of], drawn)


def _object(values: Sequence[str | None]) -> Column:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _words(words: Sequence[str], position: Integers) -> Column:
    return np.array([*words, None], dtype=object)[position]


def _employees(random: np.random.Generator, people: People) -> Column:
    style = random.random(len(people.employees)).tolist()
    written: list[str | None] = []
    for value, band, how in zip(
        people.employees.tolist(), people.band.tolist(), style, strict=True
    ):
        if np.isnan(value):
            written.append(None)
        elif band >= 0:
            low, high = EMPLOYEE_BANDS[band]
            written.append(f"{low}～{high}名")
        elif how < 0.45:
            written.append(f"{value:.0f}")
        elif how < 0.70:
            written.append(f"{value:.0f}名")
        elif how < 0.85:
            written.append(f"{value:,.0f}")
        elif how < 0.95:
            written.append(f"{value:,.0f}名".translate(_WIDE))
        else:
            written.append(f"約{value:.0f}人")
    return _object(written)


def _capital(random: np.random.Generator, capital: Floats) -> Column:
    written: list[str | None] = []
    for yen, how in zip(capital.tolist(), random.random(len(capital)).tolist(), strict=True):
        if np.isnan(yen):
            written.append(None)
        elif how < 0.2:
            written.append(f"{yen:.0f}")
        elif yen >= 1e8 and yen % 1e8 == 0:
            written.append(f"{yen / 1e8:.0f}億円")
        elif how < 0.7:
            written.append(f"{yen / 1e4:,.0f}万円")
        else:
            written.append(f"{yen / 1e4:.0f}万円")
    return _object(written)


def _firm_parts(firm: int) -> tuple[tuple[str, str], ...]:
    """Return the parts of a firm's name; so many firms that few send more than a lead or two."""
    names, trade = divmod(firm, len(COMPANY_TRADES))
    first, second = divmod(names, len(COMPANY_NAMES))
    return COMPANY_NAMES[first], COMPANY_NAMES[second], COMPANY_TRADES[trade]


def _companies(firm: Integers, form: Integers) -> Column:
    written = []
    for number, shape in zip(firm.tolist(), form.tolist(), strict=True):
        name = "".join(ja for ja, _ in _firm_parts(number))
        written.append(COMPANY_FORMS[shape][0].format(name))
    return _object(written)


def _addresses(
    random: np.random.Generator, people: People, firm: Integers, number: Integers
) -> Column:
    free = _choose(people, random.integers(0, len(FREE_MAIL), len(firm)))
    written = []
    for kind, name, who, which in zip(
        people.mail.tolist(), firm.tolist(), number.tolist(), free.tolist(), strict=True
    ):
        house = "-".join(latin for _, latin in _firm_parts(name))
        domain = (
            FREE_MAIL[which],
            f"{house}.example.co.jp",
            f"{house}.example.ac.jp",
            f"{house}.example.lg.jp",
        )[kind]
        written.append(f"mihon.sample.{who:06d}@{domain}")
    return _object(written)


def _phones(kind: Integers, number: Integers) -> Column:
    """Numbers that no subscriber can have: the digit after the area code is never 0."""
    written: list[str | None] = []
    for each, who in zip(kind.tolist(), number.tolist(), strict=True):
        if each < 0:
            written.append(None)
            continue
        starts = _PHONE_STARTS[each]
        start = starts[who % len(starts)]
        rest = f"{who * 7 % 10**7:07d}"[-(10 + (each == 1) - sum(c.isdigit() for c in start)) :]
        written.append(f"{start}{rest[:-4]}-{rest[-4:]}")
    return _object(written)


def _messages(length: Floats, which: Integers) -> Column:
    long = [text * (400 // len(text) + 1) for text in MESSAGES]
    return _object(
        [
            None if np.isnan(size) else long[chosen][: int(size)]
            for size, chosen in zip(length.tolist(), which.tolist(), strict=True)
        ]
    )
