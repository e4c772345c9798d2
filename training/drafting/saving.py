"""Write the two drafts: both or neither, and never over what a person may have edited."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from features.errors import LeadQualityError, shorten

__all__ = ["DraftNotWritten", "check_folder", "write_files"]


class DraftNotWritten(LeadQualityError):
    """The folder cannot take the drafts."""

    status = 409


def check_folder(folder: Path, names: list[str], *, force: bool) -> None:
    """Refuse a folder that is none, or that holds the files already.

    Raises
    ------
    DraftNotWritten
        With what to do about it.
    """
    if folder.exists() and not folder.is_dir():
        raise DraftNotWritten(f"{folder.name} is a file. Name a folder with --out.")
    held = [name for name in names if (folder / name).exists()]
    if held and not force:
        raise DraftNotWritten(
            f"{folder.name} holds {shorten(held)} already; nothing was written. Name another "
            "folder with --out, or give --force to replace them."
        )


def write_files(folder: Path, texts: Mapping[str, str], *, force: bool) -> None:
    """Write the files under these names; each appears whole.

    Raises
    ------
    DraftNotWritten
        If the folder cannot be made or written.
    """
    check_folder(folder, list(texts), force=force)
    drafts: list[tuple[Path, Path]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            handle, draft = tempfile.mkstemp(prefix=f".{name}-", dir=folder)
            drafts.append((Path(draft), folder / name))
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as opened:
                opened.write(text)
                opened.flush()
                os.fsync(opened.fileno())
        for written, wanted in drafts:
            written.chmod(0o644)
            written.replace(wanted)
    except OSError as error:
        raise DraftNotWritten(
            f"The drafts cannot be written to {folder.name} ({error.strerror}). "
            "Check the path and the rights."
        ) from error
    finally:
        for written, _ in drafts:
            written.unlink(missing_ok=True)
