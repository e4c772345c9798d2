"""A backup: one file with every row and every approved model, the same for every database.

A zip archive of ``manifest.json`` (what is inside, with the SHA-256 of each part), one
``tables/NAME.jsonl`` for each table, and ``models/DIGEST/FILE``. It is written beside its final
place and renamed, so it is there whole or not at all. `serving.records.restore` reads it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import orjson

from features.errors import ArtefactRefused, LeadQualityError
from features.scorer import LeadScorer
from serving.settings import ServeSettings
from serving.store import open_store
from serving.store.backup import snapshot
from serving.whole_files import sync

__all__ = [
    "CHUNK",
    "FORMAT",
    "MANIFEST_PART",
    "BackupRefused",
    "Contents",
    "Models",
    "Told",
    "back_up",
    "is_whole",
    "silent",
]

FORMAT = 1
MANIFEST_PART = "manifest.json"
CHUNK = 1024 * 1024

Models = Mapping[str, tuple[str, str | None]]
Told = Callable[[str, int, int | None], None]
"""Progress: what is being done, how many are done, and of how many."""


class BackupRefused(LeadQualityError):
    """A backup cannot be written or read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What went into a backup or came out of it.

    Attributes
    ----------
    rows : mapping of str to int
        Rows of each table.
    models : mapping of str to tuple
        Model digest and manifest digest of each model, by the name of its folder.
    left_out : tuple of str
        Digests of approved models that were missing or damaged, and are not in the backup.
    """

    rows: Mapping[str, int]
    models: Models
    left_out: tuple[str, ...]
    made_at: str
    schema_version: str


def silent(_what: str, _done: int, _of: int | None) -> None:
    """Tell nobody."""


def back_up(
    settings: ServeSettings, file: Path, *, replaces: bool = False, tell: Told = silent
) -> Contents:
    """Write a backup; the service may go on meanwhile.

    Parameters
    ----------
    replaces : bool
        Whether a file of that name may go.
    tell : callable
        Told of the progress.

    Raises
    ------
    BackupRefused
        If the file is there already, or cannot be written.
    StoreUnavailable
        If the database cannot be read.
    """
    file = file.absolute()
    if file.exists() and not replaces:
        raise BackupRefused(f"{file.name} is there already. Name another file, or add --replace.")
    store = open_store(settings.database_address)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=".backup-", dir=file.parent) as scratch,
            snapshot(store, Path(scratch)) as rows,
        ):
            partial = Path(scratch) / "partial.zip"
            with _private(partial) as opened, zipfile.ZipFile(opened, "w") as archive:
                writer = _Writer(archive)
                counted = {
                    name: writer.table(name, rows.rows(name), rows.n_rows(name), tell)
                    for name in rows.tables
                }
                models, left_out = writer.models(settings.models_folder, rows.models(), tell)
                made_at = datetime.now(UTC).isoformat(timespec="seconds")
                contents = Contents(counted, models, left_out, made_at, rows.schema_version)
                writer.finish(contents)
            sync(partial)
            partial.replace(file)
            sync(file.parent)
    except OSError as error:
        raise BackupRefused(
            f"The backup cannot be written ({error.strerror or type(error).__name__}). Nothing was "
            "left behind; check the folder and its free space."
        ) from error
    finally:
        store.close()
    return contents


class _Writer:
    """Writes parts into an archive and remembers their digests."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._parts: dict[str, dict[str, int | str]] = {}

    def table(self, name: str, rows: Iterable[Mapping[str, Any]], n_rows: int, tell: Told) -> int:
        n_written = 0

        def lines() -> Iterator[bytes]:
            nonlocal n_written
            for row in rows:
                yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
                n_written += 1
                if n_written % 500 == 0:
                    tell(name, n_written, n_rows)

        self._part(f"tables/{name}.jsonl", lines())
        tell(name, n_written, n_rows)
        return n_written

    def models(
        self, folder: Path, approved: list[tuple[str, str | None]], tell: Told
    ) -> tuple[Models, tuple[str, ...]]:
        """Write the models that are whole; return them and the digests of the others."""
        whole: dict[str, tuple[str, str | None]] = {}
        left_out = []
        for number, (digest, manifest_digest) in enumerate(approved, 1):
            names = [manifest_digest, digest] if manifest_digest else [digest]
            found = [name for name in names if is_whole(folder / name, digest, manifest_digest)]
            if not found:
                left_out.append(digest)
            elif found[0] not in whole:
                for path in sorted((folder / found[0]).iterdir()):
                    self._part(f"models/{found[0]}/{path.name}", _pieces(path))
                whole[found[0]] = (digest, manifest_digest)
            tell("models", number, len(approved))
        return whole, tuple(left_out)

    def finish(self, contents: Contents) -> None:
        manifest = {
            "format": FORMAT,
            "made_at": contents.made_at,
            "schema_version": contents.schema_version,
            "rows": dict(contents.rows),
            "models": dict(contents.models),
            "left_out": list(contents.left_out),
            "parts": self._parts,
        }
        self._archive.writestr(_entry(MANIFEST_PART), orjson.dumps(manifest))

    def _part(self, name: str, pieces: Iterable[bytes]) -> None:
        digest, n_bytes = hashlib.sha256(), 0
        with self._archive.open(_entry(name), "w", force_zip64=True) as part:
            for piece in pieces:
                digest.update(piece)
                n_bytes += len(piece)
                part.write(piece)
        self._parts[name] = {"bytes": n_bytes, "sha256": digest.hexdigest()}


def _entry(name: str) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)  # with a fixed date: equal content, equal bytes
    made.compress_type = zipfile.ZIP_DEFLATED
    made.external_attr = 0o600 << 16
    return made


def is_whole(folder: Path, digest: str, manifest_digest: str | None) -> bool:
    """Whether a folder holds the model that was approved, every file as it was published."""
    try:
        return LeadScorer.load(folder, manifest_digest).model_digest == digest
    except ArtefactRefused:
        return False


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece


@contextlib.contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    # A backup holds what the database holds: only its owner may read it.
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b") as opened:
        yield opened
