"""Long lists in portions: each row once, none left out, whatever is added meanwhile."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson

from serving.errors import RequestRefused

__all__ = ["portion"]

Row = TypeVar("Row")
Key = tuple[Any, ...]
_LONGEST = 2_000


def portion(
    rows: Sequence[Row], key: Callable[[Row], Key], limit: int, after: str | None
) -> tuple[list[Row], str | None]:
    """Return at most `limit` rows in the order of their keys, and the mark of where to go on.

    Parameters
    ----------
    key : callable
        Gives a tuple of numbers and texts, different for each row.
    after : str or None
        The mark of the portion before; None for the first one.

    Returns
    -------
    rows : list
    mark : str or None
        None when nothing is left.

    Raises
    ------
    RequestRefused
        If `after` is no such mark.

    Examples
    --------
    >>> first, mark = portion([3, 1, 2], lambda number: (number,), 2, None)
    >>> first, portion([3, 1, 2], lambda number: (number,), 2, mark)
    ([1, 2], ([3], None))
    """
    keyed = sorted(((key(row), row) for row in rows), key=lambda pair: pair[0])
    if after:
        last = _read(after)
        try:
            keyed = [pair for pair in keyed if pair[0] > last]
        except TypeError as error:
            raise _refusal() from error
    shown = keyed[:limit]
    mark = _written(shown[-1][0]) if len(keyed) > limit else None
    return [row for _, row in shown], mark


def _written(key: Key) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def _read(mark: str) -> Key:
    try:
        if len(mark) > _LONGEST:
            raise ValueError("too long")
        loaded = orjson.loads(base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4)))
        if not isinstance(loaded, list) or not all(
            isinstance(part, (str, int, float)) for part in loaded
        ):
            raise ValueError("not a key")
    except (ValueError, binascii.Error) as error:
        raise _refusal() from error
    return tuple(loaded)


def _refusal() -> RequestRefused:
    return RequestRefused(
        "`after` is not a mark of this list. Take the value of `next` from the portion before, or "
        "leave it out to begin."
    )
