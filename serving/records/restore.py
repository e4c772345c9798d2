"""Reads a backup back: every name, size and digest is checked before the first row is written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from features.artefact import ALLOWED, MANIFEST
from features.errors import shorten
from features.private_folders import make_private
from serving.records.backup import (
    CHUNK,
    FORMAT,
    MANIFEST_PART,
    BackupRefused,
    Contents,
    Models,
    Told,
    is_whole,
    silent,
)
from serving.settings import ServeSettings
from serving.store import open_store
from serving.store.backup import is_known_version, refill, table_names

__all__ = ["restore"]

MOST_MANIFEST_BYTES = 16 * 1024 * 1024
MOST_MODEL_FILE_BYTES = 128 * 1024 * 1024
MOST_LINE_BYTES = 64 * 1024 * 1024
_MOST_PARTS = 100_000

_TABLE = re.compile(r"tables/([a-z_]{1,40})\.jsonl")
_MODEL = re.compile(r"models/([0-9a-f]{64})/([a-z_]{1,40}\.[a-z]{1,8})")


def restore(
    settings: ServeSettings, file: Path, *, replaces: bool = False, tell: Told = silent
) -> Contents:
    """Read a backup into the database and the home of `settings`, all or nothing.

    Parameters
    ----------
    replaces : bool
        Whether rows that are in the database may go.

    Raises
    ------
    BackupRefused
        If the file is no backup, is damaged, or was made by a newer program.
    RowsRefused
        If the database is not empty and nothing may go, or cannot hold a row.
    StoreUnavailable
        If the database cannot be written.
    """
    try:
        with contextlib.ExitStack() as opened:
            with _as_damaged(file.name):
                archive = opened.enter_context(zipfile.ZipFile(file))
                manifest = _checked(archive, tell)
            return _put_back(settings, archive, manifest, replaces, tell)
    except OSError as error:
        raise BackupRefused(
            f"{file.name} cannot be read or the home cannot be written "
            f"({error.strerror or type(error).__name__}). Nothing was changed."
        ) from error


@contextlib.contextmanager
def _as_damaged(name: str) -> Iterator[None]:
    try:
        yield
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        struct.error,
        EOFError,
        RuntimeError,  # encrypted; and what is not implemented
        ValueError,
    ) as error:
        raise BackupRefused(
            f"{name} is no backup, or a damaged one ({type(error).__name__}). Nothing was changed."
        ) from error


def _put_back(
    settings: ServeSettings,
    archive: zipfile.ZipFile,
    manifest: Mapping[str, Any],
    replaces: bool,
    tell: Told,
) -> Contents:
    folder = settings.models_folder
    make_private(folder)
    added: list[Path] = []
    store = open_store(settings.database_address)

    def rows_of(name: str) -> Iterator[Mapping[str, Any]]:
        n_rows = int(manifest["rows"][name])
        for number, row in enumerate(_lines(archive, name), 1):
            if number % 500 == 0 or number == n_rows:
                tell(name, number, n_rows)
            yield row

    with tempfile.TemporaryDirectory(prefix=".restoring-", dir=folder) as scratch:
        models = {name: (told[0], told[1]) for name, told in manifest["models"].items()}
        staged = _unpacked(archive, models, Path(scratch))

        def place_models() -> None:
            for model in staged:
                if not is_whole(folder / model.name, *models[model.name]):
                    shutil.rmtree(folder / model.name, ignore_errors=True)
                    model.rename(folder / model.name)
                    added.append(folder / model.name)

        try:
            rows = refill(
                store,
                manifest["schema_version"],
                rows_of,
                tuple(name for name in table_names() if name in manifest["rows"]),
                replaces=replaces,
                before_commit=place_models,
            )
        except BaseException:
            for model in added:  # models without approvals would do no harm, but nobody asked
                shutil.rmtree(model, ignore_errors=True)
            raise
        finally:
            store.close()
    return Contents(
        rows,
        models,
        tuple(manifest["left_out"]),
        manifest["made_at"],
        manifest["schema_version"],
    )


def _checked(archive: zipfile.ZipFile, tell: Told) -> dict[str, Any]:
    """Return the manifest after checking names, sizes and digests of every part."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    foreign = [name for name in names if not _may_be_inside(name)]
    if foreign or len(set(names)) != len(names) or len(names) > _MOST_PARTS:
        raise BackupRefused(
            f"The archive holds {len(foreign) or 'double'} part(s) that no backup has. "
            "Nothing was changed."
        )
    manifest = _manifest(archive)
    parts = manifest["parts"]
    if set(parts) | {MANIFEST_PART} != set(names):
        raise BackupRefused("Parts of the backup are missing or not listed. Nothing was changed.")
    for number, entry in enumerate(entries, 1):
        if entry.filename != MANIFEST_PART:
            _check_part(archive, entry, parts[entry.filename])
        tell("checking", number, len(entries))
    return manifest


def _may_be_inside(name: str) -> bool:
    if name == MANIFEST_PART:
        return True
    if table := _TABLE.fullmatch(name):
        return table[1] in table_names()
    model = _MODEL.fullmatch(name)
    return model is not None and model[2] in (*ALLOWED, MANIFEST)


def _manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    wrong = "The archive is no backup of this program: its manifest is missing or damaged."
    try:
        entry = archive.getinfo(MANIFEST_PART)
        if entry.file_size > MOST_MANIFEST_BYTES:
            raise BackupRefused(wrong)
        with archive.open(entry) as part:
            found = json.loads(part.read(MOST_MANIFEST_BYTES + 1))
    except (KeyError, ValueError, RecursionError) as error:
        raise BackupRefused(wrong) from error
    if not isinstance(found, dict) or not _is_manifest(found):
        raise BackupRefused(wrong)
    if found["format"] != FORMAT or not is_known_version(found["schema_version"]):
        raise BackupRefused(
            "The backup was made by a newer version of this program. Restore it with that one."
        )
    return found


def _is_manifest(found: Mapping[str, Any]) -> bool:
    shapes = {
        "format": int,
        "made_at": str,
        "schema_version": str,
        "rows": dict,
        "models": dict,
        "left_out": list,
        "parts": dict,
    }
    if found.keys() != shapes.keys():
        return False
    if not all(isinstance(found[name], kind) for name, kind in shapes.items()):
        return False
    parts, rows, models = found["parts"], found["rows"], found["models"]
    there = {name[1] for name in map(_MODEL.fullmatch, parts) if name is not None}
    return (
        all(type(n) is int and n >= 0 for n in rows.values())
        and {f"tables/{name}.jsonl" for name in rows} == {p for p in parts if _TABLE.fullmatch(p)}
        and all(isinstance(name, str) for name in found["left_out"])
        and set(models) == there
        and all(_names_a_model(folder, told) for folder, told in models.items())
        and all(
            isinstance(part, dict)
            and type(part.get("bytes")) is int
            and isinstance(part.get("sha256"), str)
            for part in parts.values()
        )
    )


def _names_a_model(folder: str, told: object) -> bool:
    return (
        isinstance(told, list)
        and len(told) == 2
        and isinstance(told[0], str)
        and (told[1] is None or isinstance(told[1], str))
        and folder in told
    )


def _check_part(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, told: Mapping[str, Any]) -> None:
    is_model = entry.filename.startswith("models/")
    if (
        entry.flag_bits & 1
        or entry.file_size != told["bytes"]
        or (is_model and entry.file_size > MOST_MODEL_FILE_BYTES)
    ):
        raise BackupRefused(f"{entry.filename} has another size than told. Nothing was changed.")
    digest, n_bytes = hashlib.sha256(), 0
    with archive.open(entry) as part:
        while piece := part.read(CHUNK):
            digest.update(piece)
            n_bytes += len(piece)
    if n_bytes != told["bytes"] or digest.hexdigest() != told["sha256"]:
        raise BackupRefused(
            f"{entry.filename} is not what was backed up (SHA-256). Nothing was changed; take "
            "another backup."
        )


def _lines(archive: zipfile.ZipFile, name: str) -> Iterator[Mapping[str, Any]]:
    with archive.open(f"tables/{name}.jsonl") as part:
        while line := part.readline(MOST_LINE_BYTES):
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise BackupRefused(
                    f"A line of {name} in the backup is not JSON. Nothing was changed."
                ) from error
            yield row if isinstance(row, dict) else {}


def _unpacked(archive: zipfile.ZipFile, models: Models, scratch: Path) -> list[Path]:
    """Unpack the models into `scratch`, each under its folder's name, and verify them."""
    for name in archive.namelist():
        if found := _MODEL.fullmatch(name):
            (scratch / found[1]).mkdir(exist_ok=True)
            with archive.open(name) as part, (scratch / found[1] / found[2]).open("wb") as file:
                shutil.copyfileobj(part, file, CHUNK)
                file.flush()
                os.fsync(file.fileno())
    damaged = [name for name, told in models.items() if not is_whole(scratch / name, *told)]
    if damaged:
        raise BackupRefused(
            f"Model {shorten([name[:12] for name in damaged])} in the backup is damaged. "
            "Nothing was changed; take another backup."
        )
    return [scratch / name for name in models]
