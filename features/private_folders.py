"""Folders that hold what is known of persons: made for this account only."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

__all__ = ["make_private"]


def make_private(folder: Path) -> None:
    """Make a folder, and what is missing above it, that no other account can look into.

    What is there already stays as whoever made it wanted it.

    Raises
    ------
    OSError
        If it cannot be made, or is a file.
    """
    for one in reversed((folder, *folder.parents)):
        if not one.is_dir():
            with suppress(FileExistsError):  # another process was faster
                one.mkdir(mode=0o700)
    folder.mkdir(exist_ok=True)
