"""A model on disk: a folder of data with a manifest of digests. No code, no pickle, nothing native.

Reading checks names, sizes and SHA-256 of every file before a single byte is interpreted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.errors import ArtefactRefused, shorten

__all__ = [
    "ALLOWED",
    "FORMAT",
    "REQUIRED",
    "canonical",
    "digest_of",
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


def read_artefact(folder: Path) -> tuple[dict[str, bytes], str]:
    """Return the files of a model and its model digest, after every check.

    Raises
    ------
    ArtefactRefused
        If a file is missing, foreign, too large or changed, or the format is not ours.
    """
    manifest = parse_json(_read(folder, MANIFEST), MANIFEST)
    if (
        not isinstance(manifest, dict)
        or manifest.get("format") not in (FORMAT, FORMAT - 1)
        or not manifest.get("format")
    ):
        raise ArtefactRefused(
            f"{MANIFEST} says a format this program does not read; it reads format {FORMAT}. "
            "Publish the model again with this version of the program."
        )
    listed = manifest.get("files")
    if (
        not isinstance(listed, dict)
        or not set(REQUIRED) <= set(listed)
        or not set(listed) <= set(ALLOWED)
    ):
        raise ArtefactRefused(
            f"{MANIFEST} does not list the files of a model: {shorten(REQUIRED)}."
        )
    parts: dict[str, bytes] = {}
    for name, expected in listed.items():
        body = _read(folder, name)
        if not isinstance(expected, dict) or hashlib.sha256(body).hexdigest() != expected.get(
            "sha256"
        ):
            raise ArtefactRefused(
                f"{name} is not the file that was published (SHA-256). Fetch the model again."
            )
        parts[name] = body
    return parts, str(manifest.get("model_digest"))


def parse_json(body: bytes, name: str) -> Any:
    """Parse strict JSON (no NaN, no Infinity) out of a model file."""

    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    try:
        return json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ArtefactRefused(f"{name} is not strict JSON. Fetch the model again.") from error


def _read(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        if path.is_symlink() or not path.is_file():
            raise ArtefactRefused(
                f"{name} is missing from the model folder. Fetch the model again."
            )
        if path.stat().st_size > MAX_BYTES:
            raise ArtefactRefused(f"{name} is larger than {MAX_BYTES} bytes; no model of ours is.")
        return path.read_bytes()
    except OSError as error:
        raise ArtefactRefused(
            f"{name} cannot be read ({type(error).__name__}). Check the folder's permissions."
        ) from error
