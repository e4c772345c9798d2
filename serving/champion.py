"""The one door of serving to MLflow: fetch a registered model version, in a child process.

Only the child imports mlflow (seconds and hundreds of megabytes), and only it can be blocked by a
store that does not answer; it is given a time limit. What it brings is data: named files of limited
size, checked by digest and golden rows before anybody may approve them. Nothing of it is executed,
and no flavour loader of MLflow is ever called.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from features.artefact import ALLOWED, MANIFEST
from features.errors import ArtefactRefused, LeadQualityError
from features.scorer import LeadScorer
from serving.settings import ServeSettings
from serving.store import Approval, Approvals

__all__ = ["Fetched", "ModelUnavailable", "approve", "fetch"]

ARTIFACT_PATH = "scorer"
"""Where training logs the model's folder in its run."""

ALIAS = "champion"

_MOST_OUTPUT = 4_000
_CHILD_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


class ModelUnavailable(LeadQualityError):
    """The model store does not answer, or has no such version."""

    status = 503


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model version as it came from the store.

    Attributes
    ----------
    version : str
        The number behind the version or alias asked for.
    digest : str
        The model digest that its tag promises; empty when it has none.
    """

    version: str
    digest: str


def approve(
    settings: ServeSettings,
    approvals: Approvals,
    version: str,
    why: str,
    *,
    clock: Callable[[], datetime],
    who: str | None = None,
) -> Approval:
    """Fetch a model version, verify it, keep it, and record that it may serve.

    Parameters
    ----------
    version : str
        A number of the registry, or ``champion`` for what training proposes.
    why : str
        The reason, for those who ask later.
    who : str, optional
        Who approves; the account's name by default.

    Raises
    ------
    ModelUnavailable
        If the store does not answer in time or has no such version.
    ArtefactRefused
        If the model is damaged, foreign, or not the one its tag promises.
    """
    settings.models_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=settings.models_folder) as scratch:
        fetched = fetch(settings, version, Path(scratch))
        folder = Path(scratch) / ARTIFACT_PATH
        scorer = LeadScorer.load(folder)
        if fetched.digest and fetched.digest != scorer.model_digest:
            raise ArtefactRefused(
                f"Version {fetched.version} is tagged with another model digest than its files "
                "have. Somebody changed the files after training; train again."
            )
        _keep(folder, settings.models_folder / scorer.model_digest)
    approval = Approval(
        model_name=settings.model_name,
        version=fetched.version,
        digest=scorer.model_digest,
        approved_by=who or getpass.getuser(),
        approved_at=clock(),
        why=why,
    )
    approvals.add(approval)
    return approval


def fetch(settings: ServeSettings, version: str, folder: Path) -> Fetched:
    """Bring the files of a model version into `folder`/scorer.

    Raises
    ------
    ModelUnavailable
        If the store does not answer in time, or has no such version.
    """
    _check_embedded_store(settings.tracking_address)
    asked = {
        "tracking_uri": settings.tracking_address,
        "model_name": settings.model_name,
        "version": version,
        "folder": str(folder.absolute()),
        "max_bytes": int(settings.max_model_mb * 1024 * 1024),
    }
    try:
        ended = subprocess.run(  # our own module, no shell
            [sys.executable, "-m", "serving.champion"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=settings.fetch_seconds,
            env={**os.environ, **_CHILD_SETTINGS},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelUnavailable(
            f"The MLflow store did not answer within {settings.fetch_seconds:g} s "
            "(LEAD_FETCH_SECONDS). Check LEAD_TRACKING_URI and that the store runs. "
            "What serves now goes on."
        ) from error
    said = _last_json(ended.stdout)
    if ended.returncode != 0 or said is None:
        reason = _last_line(ended.stderr)
        failed = f"Fetching from MLflow failed (exit code {ended.returncode}): {reason}"
        raise ModelUnavailable(str(said["refused"]) if said and "refused" in said else failed)
    return Fetched(str(said["version"]), str(said["digest"]))


def _check_embedded_store(address: str) -> None:
    # MLflow would make an empty store where there is none, and then miss the version in it.
    if address.startswith("sqlite:///") and not Path(address.removeprefix("sqlite:///")).is_file():
        raise ModelUnavailable(
            f"There is no MLflow store at {address}. Train a model first (lead-train train), "
            "or set LEAD_TRACKING_URI."
        )


def _keep(folder: Path, kept: Path) -> None:
    """Move a verified model to where it is served from; a damaged one in its place makes way."""
    if kept.exists():
        try:
            LeadScorer.load(kept)
        except ArtefactRefused:
            shutil.rmtree(kept)
        else:
            return
    folder.rename(kept)


def _last_json(printed: str) -> dict[str, Any] | None:
    for line in reversed(printed[-_MOST_OUTPUT:].splitlines()):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict):
            return said
    return None


def _last_line(printed: str) -> str:
    lines = [line for line in printed[-_MOST_OUTPUT:].splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


# -- in the child ---------------------------------------------------------------------------------


class _Refused(Exception):
    """Said to the parent in one line."""


def _download(asked: dict[str, Any]) -> dict[str, str]:
    import mlflow
    from mlflow.exceptions import MlflowException

    client = mlflow.MlflowClient(
        tracking_uri=asked["tracking_uri"], registry_uri=asked["tracking_uri"]
    )
    name, version = asked["model_name"], asked["version"]
    try:
        if version.isdecimal():
            found = client.get_model_version(name, version)
        else:
            found = client.get_model_version_by_alias(name, version)
        listed = client.list_artifacts(found.run_id, ARTIFACT_PATH)
        names = [Path(entry.path).name for entry in listed]
        _check_listing(listed, names, int(asked["max_bytes"]))
        folder = Path(asked["folder"]) / ARTIFACT_PATH
        folder.mkdir()
        for file in names:
            client.download_artifacts(found.run_id, f"{ARTIFACT_PATH}/{file}", str(folder))
    except MlflowException as error:
        raise _Refused(
            f"MLflow has no usable version {version!r} of model {name!r} ({error.error_code}). "
            f"`lead-train train` prints the version; `{ALIAS}` is the one that was promoted."
        ) from error
    return {"version": str(found.version), "digest": str(found.tags.get("model_digest", ""))}


def _check_listing(listed: list[Any], names: list[str], max_bytes: int) -> None:
    foreign = sorted(set(names) - {*ALLOWED, MANIFEST})
    if foreign or any(entry.is_dir for entry in listed):
        raise _Refused(
            f"The version holds {len(foreign)} file(s) that are no part of a model. "
            "Nothing was fetched."
        )
    if MANIFEST not in names:
        raise _Refused(
            f"The version's run has no model under {ARTIFACT_PATH!r}; train it with this program."
        )
    total = sum(entry.file_size or 0 for entry in listed)
    if total > max_bytes:
        raise _Refused(
            f"The version has {total:,} bytes, more than the {max_bytes:,} of LEAD_MAX_MODEL_MB."
        )


def _child() -> int:
    try:
        said = _download(json.loads(sys.stdin.read()))
    except _Refused as refused:
        sys.stdout.write(json.dumps({"refused": str(refused)}) + "\n")
        return 3
    sys.stdout.write(json.dumps(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_child())
