"""A model on disk: a folder of data with a manifest of digests. No code, no pickle, nothing native.

Reading checks names, sizes and SHA-256 of every file before a single byte is interpreted.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.errors import ArtefactRefused, shorten

__all__ = [
    "ALLOWED",
    "FORMAT",
    "MANIFEST",
    "MAX_BYTES",
    "MAX_MANIFEST",
    "REQUIRED",
    "canonical",
    "digest_of",
    "listed_files",
    "manifest_digest",
    "parse_json",
    "read_artefact",
    "write_artefact",
]

FORMAT = 1
"""The layout's number; a reader takes the current one and the one before."""

MANIFEST = "manifest.json"
REQUIRED = (
    "tables.json",
    "acceptance.json",
    "encoder.json",
    "calibration.json",
    "definition.yaml",
    "reference.json",
)
ALLOWED = (*REQUIRED, "booster.txt", "evaluation.json")
_DIGESTED = ("tables.json", "acceptance.json", "encoder.json", "calibration.json")
MAX_BYTES = 128 * 1024 * 1024
MAX_MANIFEST = 64 * 1024
_AS_IT_LIES = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""No link is followed, and a pipe in place of a file is not waited for."""

_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


def canonical(content: Any) -> bytes:
    """Return JSON with sorted keys and no spaces; equal content gives equal bytes.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest_of(parts: Mapping[str, bytes], fingerprint: str) -> str:
    """Return the model digest: SHA-256 over what decides a score, without ids or times."""
    total = hashlib.sha256(fingerprint.encode())
    for name in _DIGESTED:
        total.update(hashlib.sha256(parts[name]).digest())
    return total.hexdigest()


def write_artefact(folder: Path, parts: Mapping[str, bytes], model_digest: str) -> None:
    """Write the files and their manifest; the folder appears whole or not at all.

    Raises
    ------
    FileExistsError
        If the folder is already there.
    """
    foreign = sorted(set(parts) - set(ALLOWED))
    missing = sorted(set(REQUIRED) - set(parts))
    if foreign or missing:
        raise ValueError(f"not part of a model: {shorten(foreign)}; missing: {shorten(missing)}")
    if folder.exists():
        raise FileExistsError(f"{folder.name} is already there; models are never overwritten")
    manifest = {
        "format": FORMAT,
        "model_digest": model_digest,
        "files": {
            name: {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
            for name, body in parts.items()
        },
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    half_done = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    try:
        for name, body in (*parts.items(), (MANIFEST, canonical(manifest))):
            with (half_done / name).open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        half_done.chmod(0o755)
        half_done.rename(folder)
    finally:
        shutil.rmtree(half_done, ignore_errors=True)


def manifest_digest(folder: Path) -> str:
    """Return the SHA-256 (hex) of a model's manifest: by it the whole folder is approved.

    Raises
    ------
    ArtefactRefused
        If there is no manifest to read.
    """
    return hashlib.sha256(_read(folder, MANIFEST, MAX_MANIFEST)).hexdigest()


def read_artefact(folder: Path, approved: str | None = None) -> tuple[dict[str, bytes], str]:
    """Return the files of a model and its model digest, after every check.

    What is checked is what is returned: each file is read once.

    Parameters
    ----------
    folder : Path
        The model.
    approved : str, optional
        SHA-256 that the manifest must have.

    Raises
    ------
    ArtefactRefused
        If a file is missing, foreign, too large or changed, or the format is not ours.
    """
    read = _read(folder, MANIFEST, MAX_MANIFEST)
    if approved is not None and hashlib.sha256(read).hexdigest() != approved:
        raise ArtefactRefused(
            f"{MANIFEST} is not the one that was approved (SHA-256). Somebody changed the model "
            "after its approval; approve it again.",
            "not_approved",
        )
    manifest = parse_json(read, MANIFEST)
    parts: dict[str, bytes] = {}
    for name, expected in listed_files(manifest).items():
        body = _read(folder, name, MAX_BYTES, expected["bytes"])
        if hashlib.sha256(body).hexdigest() != expected["sha256"]:
            raise _changed(name)
        parts[name] = body
    return parts, str(manifest.get("model_digest"))


def listed_files(manifest: Any) -> dict[str, dict[str, Any]]:
    """Return the files that a parsed manifest lists, each with ``bytes`` and ``sha256``.

    Raises
    ------
    ArtefactRefused
        If its format is not ours, or it lists other files than a model has.
    """
    number = manifest.get("format") if isinstance(manifest, dict) else None
    if type(number) is not int or number not in (FORMAT, FORMAT - 1) or not number:
        raise ArtefactRefused(
            f"{MANIFEST} says a format this program does not read; it reads format {FORMAT}. "
            "Publish the model again with this version of the program.",
            "format_unknown",
        )
    listed = manifest.get("files")
    if (
        not isinstance(listed, dict)
        or not set(REQUIRED) <= set(listed)
        or not set(listed) <= set(ALLOWED)
        or not all(_is_entry(entry) for entry in listed.values())
    ):
        raise ArtefactRefused(
            f"{MANIFEST} does not list the files of a model: {shorten(REQUIRED)}.",
            "files_unknown",
        )
    return listed


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and type(entry.get("bytes")) is int
        and 0 <= entry["bytes"] <= MAX_BYTES
        and isinstance(entry.get("sha256"), str)
    )


def parse_json(body: bytes, name: str) -> Any:
    """Parse strict JSON (no NaN, no Infinity) out of a model file."""

    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    try:
        return json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ArtefactRefused(
            f"{name} is not strict JSON. Fetch the model again.", "not_json"
        ) from error


def _read(folder: Path, name: str, most: int, expected: int | None = None) -> bytes:
    """Return a file's bytes; its size is known before any of them is read."""
    try:
        opened = os.open(folder / name, os.O_RDONLY | getattr(os, "O_BINARY", 0) | _AS_IT_LIES)
        try:
            found = os.fstat(opened)
            if not stat.S_ISREG(found.st_mode):
                raise _missing(name)
            if found.st_size > most:
                raise ArtefactRefused(
                    f"{name} is larger than {most} bytes; no model of ours is.", "file_too_large"
                )
            if expected is not None and found.st_size != expected:
                raise _changed(name)
            with os.fdopen(opened, "rb", closefd=False) as file:
                return file.read(found.st_size)
        finally:
            os.close(opened)
    except OSError as error:
        if error.errno in _NOT_THERE:
            raise _missing(name) from error
        raise ArtefactRefused(
            f"{name} cannot be read ({type(error).__name__}). Check the folder's permissions.",
            "file_unreadable",
        ) from error


def _missing(name: str) -> ArtefactRefused:
    return ArtefactRefused(
        f"{name} is missing from the model folder. Fetch the model again.", "file_missing"
    )


def _changed(name: str) -> ArtefactRefused:
    return ArtefactRefused(
        f"{name} is not the file that was published (SHA-256). Fetch the model again.",
        "file_changed",
    )
