"""Where a model's files may lie: said by the operator, checked before anything is downloaded.

Whoever may write to the registry may write any address into it. An address is followed only when
it lies under one that this machine's operator allows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from features.errors import ArtefactRefused

__all__ = [
    "PROXIED",
    "Source",
    "allowed_sources",
    "find_source",
    "is_in_run",
    "is_name",
    "is_run",
    "is_version",
]

PROXIED = "mlflow-artifacts:"
"""Files that the MLflow server itself hands out, so that no other host is asked."""

_PLAIN = re.compile(r"[A-Za-z0-9._~=+:/-]*")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_MOST_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class Source:
    """A place that a model may be fetched from.

    Attributes
    ----------
    kind : {"folder", "server", "other"}
        On this machine; at the MLflow server itself; wherever MLflow's own client goes.
    place : str
        The folder; the path at the server; the whole address.
    """

    kind: Literal["folder", "server", "other"]
    place: str


def allowed_sources(model_sources: str, tracking_address: str, home: Path) -> tuple[str, ...]:
    """Return the addresses under which models may lie.

    Parameters
    ----------
    model_sources : str
        What the operator set, with commas between; empty takes what suits the store: what an MLflow
        server hands out itself, or else the folders under `home`.
    """
    told = tuple(part.strip() for part in model_sources.split(",") if part.strip())
    if told:
        return told
    if tracking_address.startswith(("http://", "https://")):
        return (f"{PROXIED}/",)
    return (str(home.absolute()),)


def find_source(address: str, allowed: Sequence[str]) -> Source:
    """Return where an address of the registry leads.

    Raises
    ------
    ArtefactRefused
        If it lies outside the allowed ones, or is written so that it might.
    """
    if len(address) <= _MOST_CHARACTERS:
        folder = _folder_of(address)
        for prefix in allowed:
            if folder is not None:
                if _is_below(folder, _folder_of(prefix)):
                    return Source("folder", str(folder.resolve()))
            elif _is_under(address, prefix):
                if address.startswith(PROXIED):
                    return Source("server", address.removeprefix(PROXIED))
                return Source("other", address)
    scheme = _SCHEME.match(address[:40])
    raise ArtefactRefused(
        f"The model's files lie at {f'a {scheme[0]} address' if scheme else 'an address'} that is "
        "not among the allowed ones. Nothing was fetched. If it is yours, name it in "
        "LEAD_MODEL_SOURCES.",
        "source_refused",
    )


def _folder_of(address: str) -> Path | None:
    """Return the absolute folder of a path or ``file:`` address; None when it is neither."""
    path = address
    if address.startswith("file:"):
        if re.search(r"[?#]", address) or urlsplit(address).netloc:
            return None
        path = unquote(address.removeprefix("file:"))
        path = "/" + path.lstrip("/") if path.startswith("///") else path
    is_plain = path.startswith("/") and not path.startswith("//") and not _CONTROL.search(path)
    return Path(path) if is_plain and ".." not in path.split("/") else None


def _is_below(folder: Path, allowed: Path | None) -> bool:
    # With every link followed: a link inside the allowed folder must not lead out of it.
    return allowed is not None and folder.resolve().is_relative_to(allowed.resolve())


def _is_under(address: str, prefix: str) -> bool:
    scheme = _SCHEME.match(address)
    if scheme is None or address.startswith("file:") or not prefix.startswith(scheme[0]):
        return False
    rest = address.removeprefix(scheme[0])
    names_host = rest.startswith("//")
    if names_host and not prefix.removeprefix(scheme[0]).strip("/"):
        return False
    segments = rest[2 if names_host else 1 :].split("/")
    is_plain = (
        _PLAIN.fullmatch(rest) is not None
        and rest.startswith("/")
        and not {"", ".", ".."} & set(segments)
    )
    return is_plain and f"{address}/".startswith(f"{prefix.rstrip('/')}/")


def is_name(name: str) -> bool:
    """Whether a registered model may have this name: it becomes part of addresses."""
    is_short = 0 < len(name) <= 200 and name == name.strip()
    return is_short and re.search(r"[\x00-\x1f\x7f/:\\%?#'\"]", name) is None


def is_version(version: str) -> bool:
    """Whether this can be a version's number."""
    return re.fullmatch(r"[1-9][0-9]{0,8}", version) is not None


def is_in_run(address: str, run_id: str) -> bool:
    """Whether an address only says "in the run itself", whose own address is looked at."""
    return re.fullmatch(rf"runs:/{run_id}(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", address) is not None


def is_run(run_id: str) -> bool:
    """Whether this can be a run's id."""
    return re.fullmatch(r"[0-9a-f]{32}", run_id) is not None
