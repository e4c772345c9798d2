"""One column of a raw table: what stands in it, and as what it can be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from features.columns import objects
from features.contacts import company_form, email_domain, phone_kind
from features.text import Unreadable, category_key, normalise, parse_boolean, parse_number
from features.titles import title_rank
from training.drafting.dates import DateForms, find_date_forms, read_moment

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Column", "read_columns"]

_MOST_READ = 3_000
"""Distinct values that are tried as numbers, addresses …: the most frequent ones."""
_UTC = ZoneInfo("UTC")
_PLACEHOLDER = re.compile(
    r"[-ー_.?*/×~]{1,10}|#(?:n/a|value!|ref!|name\?|div/0!|null!|num!)|n/?a|nan|null|nil"
    r"|\(?blank\)?|not (?:set|specified|entered)"
    r"|[-(\[<* ]*(?:please )?select(?: one| an option| \.\.\.|\.\.\.)?[-)\]>* ]*"
    r"|[-(\[<* ]*(?:未(?:入力|選択|設定|回答|記入)|空欄|(?:お選び|選択して)ください)[-)\]>* 。]*"
    r"|0000-00-00(?: 00:00:00)?"
)
"""What stands where nothing was entered, in whatever column."""
_UNSURE_PLACEHOLDER = re.compile(
    r"unknown|none|not known|tbd|不明|なし|無し|該当なし|未定|非公開"
    r"|(?:1900|1970|9999)-(?:01-01|12-31)(?: 00:00:00)?"
)
"""What may be an answer; beside numbers and dates it is none."""
_SHAPED = re.compile(r"[0+(*x●〇○][\d()\s.*x●〇○+-]{5,24}|[\d+-]*[x*●〇○]{3,}")
_DIGITS = re.compile(r"\d+")
_PERSONAL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+?\d[\d\s()-]{8,}")


@dataclass(frozen=True, eq=False)
class Column:
    """A column as it stands in a file.

    Attributes
    ----------
    name : str
        Its heading.
    position : int
        From 1.
    written : numpy.ndarray of object, shape (n_rows,)
        The cells as text.
    """

    name: str
    position: int
    written: NDArray[np.object_] = field(repr=False)

    @cached_property
    def _distinct(self) -> tuple[NDArray[np.intp], list[str], NDArray[np.intp]]:
        import pandas as pd

        codes, values = pd.factorize(self.written)
        return codes, [str(value) for value in values], np.bincount(codes, minlength=len(values))

    @cached_property
    def _keys(self) -> list[str | None]:
        return [_key(value) for value in self._distinct[1]]

    @cached_property
    def placeholders(self) -> tuple[str, ...]:
        """How this column writes "nothing was entered", most frequent first."""
        counts = self._distinct[2]
        order = np.argsort(-counts, kind="stable")
        seen: dict[str, str] = {}
        for position in order:
            key = self._keys[position]
            if key is not None and _PLACEHOLDER.fullmatch(key):
                seen.setdefault(key, normalise(self._distinct[1][position]))
        return tuple(seen.values())

    @cached_property
    def codes(self) -> NDArray[np.intp]:
        """Position of each row's value in `values`, -1 where nothing was entered; shape (n,)."""
        taken = {_key(each) for each in self.placeholders}
        place: dict[str, int] = {}
        moved = [
            -1 if key is None or key in taken else place.setdefault(key, len(place))
            for key in self._keys
        ]
        return np.array(moved, dtype=np.intp)[self._distinct[0]] if moved else np.array([], np.intp)

    @cached_property
    def values(self) -> tuple[str, ...]:
        """Distinct values as first written (width and case do not count), normalised."""
        taken = {_key(each) for each in self.placeholders}
        first: dict[str, str] = {}
        for key, written in zip(self._keys, self._distinct[1], strict=True):
            if key is not None and key not in taken and key not in first:
                first[key] = _shown(written)
        return tuple(first.values())

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """Rows of each of `values`."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))

    @cached_property
    def texts(self) -> NDArray[np.object_]:
        """The cells as first written, None where nothing was entered; shape (n,)."""
        return objects([*self.values, None])[self.codes]

    @property
    def n_placeholders(self) -> int:
        """Rows that hold one of `placeholders`."""
        taken = {_key(each) for each in self.placeholders}
        counts = zip(self._keys, self._distinct[2].tolist(), strict=True)
        return sum(count for key, count in counts if key in taken)

    @property
    def n_filled(self) -> int:
        """Rows in which something was entered."""
        return int((self.codes >= 0).sum())

    @property
    def n_blank(self) -> int:
        """Rows in which nothing was entered, placeholders included."""
        return len(self.codes) - self.n_filled

    @property
    def is_unique(self) -> bool:
        """Whether every row has a value of its own."""
        return self.n_filled == len(self.codes) == len(self.values) > 0

    @property
    def distinct_share(self) -> float:
        """Distinct values for each filled row, 0 to 1."""
        return len(self.values) / self.n_filled if self.n_filled else 0.0

    @cached_property
    def by_frequency(self) -> tuple[str, ...]:
        """The values, most frequent first."""
        return tuple(self.values[position] for position in self._order)

    @cached_property
    def _order(self) -> NDArray[np.intp]:
        return np.argsort(-self.counts, kind="stable")

    def share(self, fits: Callable[[str], bool]) -> float:
        """Return the share of filled rows whose value fits, over the most frequent values."""
        tried = self._order[:_MOST_READ]
        n_rows = self.counts[tried]
        if not n_rows.sum():
            return 0.0
        fitting = np.fromiter((fits(self.values[one]) for one in tried), bool, len(tried))
        return float(n_rows[fitting].sum() / n_rows.sum())

    @cached_property
    def unsure_placeholders(self) -> tuple[str, ...]:
        """Values that mean "nothing" if the column is one of numbers or dates."""
        return tuple(one for one in self.values if _UNSURE_PLACEHOLDER.fullmatch(one.casefold()))

    @cached_property
    def dates(self) -> DateForms:
        """How the column writes dates, if it does."""
        unsure = set(self.unsure_placeholders)
        tried = [self.values[one] for one in self._order[:_MOST_READ]]
        kept = [one for one in tried if one not in unsure]
        return find_date_forms(kept)

    @cached_property
    def time_share(self) -> float:
        """Share of rows that hold a date or time, not counting unsure placeholders."""
        if not self.dates.share:
            return 0.0
        formats = self.dates.formats
        return self._share_without(
            self.unsure_placeholders, lambda one: read_moment(one, _UTC, formats) is not None
        )

    @cached_property
    def is_digits(self) -> bool:
        """Whether every value is nothing but digits."""
        return bool(self.values) and self.share(lambda one: bool(_DIGITS.fullmatch(one))) == 1

    @cached_property
    def number_share(self) -> float:
        """Share of rows that hold a number, not counting unsure placeholders."""
        return self._share_without(self.unsure_placeholders, readable(parse_number))

    @cached_property
    def boolean_share(self) -> float:
        """Share of rows that hold a yes or no."""
        return self.share(readable(parse_boolean))

    @cached_property
    def email_share(self) -> float:
        """Share of rows that hold an e-mail address, masked ones included."""
        return self.share(readable(email_domain))

    @cached_property
    def phone_share(self) -> float:
        """Share of rows that hold what is written like a phone number, masked ones included."""
        is_phone = readable(phone_kind)
        return self.share(lambda one: bool(_SHAPED.fullmatch(one.casefold())) and is_phone(one))

    @cached_property
    def company_share(self) -> float:
        """Share of rows that show the legal form of a company."""
        return self.share(lambda one: len(one) <= 60 and _or_none(company_form, one) != "none")

    @cached_property
    def title_share(self) -> float:
        """Share of rows that hold a job title with a rank."""
        return self.share(lambda one: len(one) <= 60 and _or_none(title_rank, one) != "other")

    @cached_property
    def personal_share(self) -> float:
        """Share of rows in which an address or a long number stands, alone or in a sentence."""
        return self.share(lambda one: bool(_PERSONAL.search(one)))

    @cached_property
    def mean_length(self) -> float:
        """Mean characters of a filled cell."""
        if not self.n_filled:
            return 0.0
        lengths = np.fromiter(map(len, self.values), float, len(self.values))
        return float((lengths * self.counts).sum() / self.n_filled)

    @cached_property
    def moments(self) -> NDArray[np.datetime64]:
        """Times in UTC as if written there, NaT for what is none; datetime64[us], shape (n,)."""
        read = np.array(
            [*(read_moment(one, _UTC, self.dates.formats) for one in self.values), None],
            dtype="datetime64[us]",
        )
        return read[self.codes]

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """Numbers, NaN for what is none; shape (n,)."""
        read = [_or_none(parse_number, one) for one in self.values]
        return np.array([*(np.nan if one is None else one for one in read), np.nan], float)[
            self.codes
        ]

    def rows_of(self, meaning: Mapping[str, object]) -> NDArray[np.object_]:
        """Return for each row what `meaning` (by value) says, None where nothing; shape (n,)."""
        return objects([*(meaning.get(one) for one in self.values), None])[self.codes]

    def _share_without(self, values: Iterable[str], fits: Callable[[str], bool]) -> float:
        left_out = set(values)
        n_left_out = sum(
            int(count)
            for value, count in zip(self.values, self.counts, strict=True)
            if value in left_out
        )
        kept = self.n_filled - n_left_out
        fitting = self.share(lambda one: one not in left_out and fits(one))
        return min(1.0, fitting * self.n_filled / kept) if kept else 0.0


def read_columns(cells: pd.DataFrame) -> tuple[Column, ...]:
    """Return the columns of a raw table, in its order."""
    return tuple(
        Column(str(name), position, cells[name].to_numpy(dtype=object))
        for position, name in enumerate(cells.columns, start=1)
    )


def readable(read: Callable[[str], object]) -> Callable[[str], bool]:
    """Return a test of whether `read` finds something in a value."""
    return lambda one: _or_none(read, one) is not None


def _or_none(read: Callable[[str], object], value: str) -> object:
    try:
        return read(value)
    except Unreadable:
        return None


def _key(value: str) -> str | None:
    try:
        return category_key(value)
    except Unreadable:
        return value[:200] or None


def _shown(value: str) -> str:
    try:
        return normalise(value)
    except Unreadable:
        return value[:200]
