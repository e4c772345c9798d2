"""Small files that are there whole or not at all, whatever ends while they are written."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from features.private_folders import make_private

__all__ = ["write_whole"]


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
