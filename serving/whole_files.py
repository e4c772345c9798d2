"""Small files that are there whole or not at all, whatever ends while they are written."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from features.private_folders import make_private

__all__ = ["sync", "write_whole"]


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk; OSError when they cannot be."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, or replace it in one step; OSError when that cannot be done."""
    make_private(path.parent)
    opened, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(opened, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except OSError:
        with suppress(OSError):
            Path(draft).unlink()
        raise
