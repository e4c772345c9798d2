"""Cells of a CSV that a spreadsheet would compute: written as text, and read back as they were.

Whatever a form takes can end up in a cell that somebody opens in a spreadsheet. The service writes
such cells with an apostrophe in front, training takes it off again.
"""

from __future__ import annotations

import unicodedata

__all__ = ["guarded", "unguarded"]

_STARTS = frozenset("=+-@|%")
_CONTROLS = ("\t", "\r", "\n")


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet computes.

    An apostrophe goes in front when a line of the cell begins with one of ``= + - @ | %`` in any
    width, after white space and invisible characters, or the cell begins with a tab or a line
    break. A cell that already begins with apostrophes before such a beginning gets one more, so
    that `unguarded` can always tell.

    Examples
    --------
    >>> guarded("=1+1"), guarded("－5"), guarded("展示会"), guarded("'=1")
    ("'=1+1", "'－5", '展示会', "''=1")
    """
    return f"'{cell}" if _is_computed(cell) else cell


def unguarded(cell: str) -> str:
    """Return the cell as it was before `guarded`.

    >>> unguarded("'=1+1"), unguarded("'quoted'")
    ('=1+1', "'quoted'")
    """
    return cell[1:] if cell[:1] == "'" and _is_computed(cell) else cell


def _is_computed(cell: str) -> bool:
    bare = cell.lstrip("'")
    if bare.isalnum():  # most cells
        return False
    return bare.startswith(_CONTROLS) or any(_begins(line) for line in bare.splitlines())


def _begins(line: str) -> bool:
    for character in line:
        # White space, controls and what is not seen (zero width, direction) are passed over.
        if character.isspace() or unicodedata.category(character)[0] in "CZ":
            continue
        return unicodedata.normalize("NFKC", character)[:1] in _STARTS
    return False
