"""The one door of serving to MLflow, as a child only: ``python -m serving.model_life.champion``.

Importing mlflow takes seconds and hundreds of megabytes, and a store that does not answer blocks
it; so a child does it, with limits on memory, processor time, file size and time, in a group that
is killed as a whole (`serving.model_life.registry` starts it). What it brings is data: files of
fixed names and limited size, written under names of our own into its own folder. It also loads the
model on trial, so that the server itself never parses a byte of a model that was not verified.
Nothing of a model is executed, and no flavour loader of MLflow is ever called.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.artefact import MANIFEST, MAX_MANIFEST, listed_files, parse_json
from features.errors import ArtefactRefused
from serving.model_life.sources import Source, find_source, is_in_run, is_run, is_version

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["ALIAS", "ARTIFACT_PATH", "main"]

ARTIFACT_PATH = "scorer"
"""Where training logs the model's folder in its run."""

ALIAS = "champion"
"""What training proposes."""

_CHUNK = 256 * 1024
_LOOK_SECONDS = 0.5
_PROXY = "/api/2.0/mlflow-artifacts/artifacts"
_UNKNOWN = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}
_SHOWN_ENTRIES = 300

Chunks = Iterable[bytes]
ReadFile = Callable[[str], contextlib.AbstractContextManager[Chunks]]


class StoreSilent(Exception):
    """The MLflow store does not answer as one; said to the parent in one line."""


class VersionUnknown(Exception):
    """The MLflow store answers that there is no such version; said to the parent in one line."""


def main() -> int:
    """Do what standard input asks, and answer with one line of JSON: 0 done, 3 refused."""
    asked = json.loads(sys.stdin.read())
    _limit_itself(asked)
    if "parent" in asked:
        threading.Thread(target=_end_with, args=(int(asked["parent"]),), daemon=True).start()
    said: dict[str, Any]
    try:
        said = _fetch(asked) if asked["do"] == "fetch" else {"version": _proposed(asked)}
    except ArtefactRefused as error:
        said = {"refused": str(error), "code": error.code}
    except VersionUnknown as error:
        said = {"refused": str(error), "code": "unknown"}
    except StoreSilent as error:
        said = {"refused": str(error), "code": "unreachable"}
    except (MemoryError, RecursionError) as error:
        told = f"The trial used too much ({type(error).__name__}); no model of ours does."
        said = {"refused": told, "code": "trial_failed"}
    sys.stdout.write("\n" + json.dumps(said) + "\n")
    return 3 if "refused" in said else 0


def _limit_itself(asked: dict[str, Any]) -> None:
    """Take the limits, before anything is read that comes from elsewhere."""
    import resource

    seconds = int(asked["seconds"]) + 1
    for limit, most in (
        (resource.RLIMIT_AS, int(asked["memory"])),
        (resource.RLIMIT_FSIZE, int(asked["max_bytes"])),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (allowed, allowed))
    signal.alarm(seconds + 5)  # even when the parent is gone
    os.nice(5)  # scoring goes first


def _end_with(parent: int) -> None:
    """End, with all that was started, once whoever asked is gone: nobody takes the answer."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.killpg(0, signal.SIGKILL)


# -- asking ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _speaking() -> Iterator[None]:
    """Turn what MLflow says into our two answers."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code in _UNKNOWN and "HTML" not in str(error)[:_SHOWN_ENTRIES].upper():
            raise VersionUnknown(error.error_code) from error
        raise StoreSilent(
            f"The MLflow store does not answer as one ({error.error_code}). Check "
            "LEAD_TRACKING_URI, its credentials and that the store runs. What serves now goes on."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreSilent(
            f"The MLflow store gave no answer to work with ({type(error).__name__}). Check "
            "LEAD_TRACKING_URI and that it is an MLflow server. What serves now goes on."
        ) from error


def _client(asked: dict[str, Any]) -> MlflowClient:
    import mlflow

    return mlflow.MlflowClient(
        tracking_uri=asked["tracking_uri"], registry_uri=asked["tracking_uri"]
    )


def _proposed(asked: dict[str, Any]) -> str:
    """Return the version behind the alias; empty where there is none."""
    try:
        with _speaking():
            found = _client(asked).get_model_version_by_alias(asked["model_name"], ALIAS)
            version = str(found.version)
    except VersionUnknown:
        return ""
    if not is_version(version):
        raise StoreSilent("The MLflow store named a version that is no number.")
    return version


def _fetch(asked: dict[str, Any]) -> dict[str, str]:
    client = _client(asked)
    name, wanted = asked["model_name"], asked["version"]
    try:
        with _speaking():
            found = (
                client.get_model_version_by_alias(name, ALIAS)
                if wanted == ALIAS
                else client.get_model_version(name, wanted)
            )
            _check_shape(found, name, wanted)
            registered = client.get_model_version_download_uri(name, str(found.version))
            logged = client.get_run(found.run_id).info.artifact_uri
    except VersionUnknown as error:
        raise VersionUnknown(
            f"MLflow has no usable version {wanted!r} of model {name!r} ({error}). "
            f"`lead-train train` prints the version; `{ALIAS}` is the one that was promoted."
        ) from error
    # Both are what somebody wrote into the registry; the files are taken from the second.
    if not is_in_run(str(registered), found.run_id):
        find_source(str(registered), asked["sources"])
    source = find_source(str(logged), asked["sources"])
    folder = Path(asked["folder"]) / ARTIFACT_PATH
    folder.mkdir(mode=0o755)
    with _speaking(), _reader(source, asked["tracking_uri"]) as read_file:
        manifest = _bring(read_file, folder, int(asked["max_bytes"]))
    digest = _try_out(folder, manifest)
    tagged = str(found.tags.get("model_digest", ""))
    if tagged and tagged != digest:
        raise ArtefactRefused(
            f"Version {found.version} is tagged with another model digest than its files have. "
            "Somebody changed the files after training; train again.",
            "tag_differs",
        )
    return {"version": str(found.version), "digest": digest, "manifest_digest": manifest}


def _check_shape(found: ModelVersion, name: str, wanted: str) -> None:
    version, run_id = str(found.version), str(found.run_id)
    is_asked = found.name == name and wanted in (version, ALIAS)
    if not (is_asked and is_version(version) and is_run(run_id)):
        raise ArtefactRefused(
            "The registry names a version or run of an impossible form. Nothing was fetched.",
            "version_misshapen",
        )


# -- fetching -------------------------------------------------------------------------------------


def _bring(read_file: ReadFile, folder: Path, max_bytes: int) -> str:
    """Write the manifest and the files it lists; return the manifest's SHA-256."""
    with _named(MANIFEST):
        manifest = b"".join(_write(read_file, folder, MANIFEST, min(MAX_MANIFEST, max_bytes)))
    listed = listed_files(parse_json(manifest, MANIFEST))
    total = sum(int(entry["bytes"]) for entry in listed.values())
    if total > max_bytes:
        raise ArtefactRefused(
            f"The version has {total:,} bytes, more than the {max_bytes:,} of LEAD_MAX_MODEL_MB.",
            "too_large",
        )
    for name, entry in listed.items():
        with _named(name):
            for _ in _write(read_file, folder, name, int(entry["bytes"])):
                pass
    return hashlib.sha256(manifest).hexdigest()


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ArtefactRefused(
            f"The version's run has no {name} under {ARTIFACT_PATH!r}; train it with this program.",
            "file_missing",
        ) from error


def _write(read_file: ReadFile, folder: Path, name: str, most: int) -> Iterator[bytes]:
    """Write a file as it comes, and no more of it than may come, whatever was announced."""
    with read_file(name) as chunks, (folder / name).open("xb") as file:
        for chunk in chunks:
            most -= len(chunk)
            if most < 0:
                raise ArtefactRefused(
                    f"{name} has more bytes than its manifest may list.", "file_too_large"
                )
            file.write(chunk)
            yield chunk
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _reader(source: Source, tracking_uri: str) -> Iterator[ReadFile]:
    if source.kind == "folder":
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        try:
            opened = os.open(Path(source.place) / ARTIFACT_PATH, flags)
        except OSError as error:
            raise ArtefactRefused(
                f"The version's run has no model under {ARTIFACT_PATH!r}; train it with this "
                "program.",
                "file_missing",
            ) from error
        try:
            yield lambda name: _from_folder(opened, name)
        finally:
            os.close(opened)
    elif source.kind == "server":
        yield lambda name: _from_server(tracking_uri, f"{source.place}/{ARTIFACT_PATH}/{name}")
    else:
        yield lambda name: _from_elsewhere(f"{source.place}/{ARTIFACT_PATH}", name)


@contextlib.contextmanager
def _from_folder(folder: int, name: str) -> Iterator[Chunks]:
    # Neither a link nor a pipe: what is opened is a plain file of this very folder.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        opened = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        raise FileNotFoundError(name) from error
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise FileNotFoundError(name)
        with os.fdopen(opened, "rb", closefd=False) as file:
            yield iter(lambda: file.read(_CHUNK), b"")
    finally:
        os.close(opened)


@contextlib.contextmanager
def _from_server(tracking_uri: str, path: str) -> Iterator[Chunks]:
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    answer = http_request(
        get_default_host_creds(tracking_uri),
        f"{_PROXY}{path}",
        "GET",
        stream=True,
        allow_redirects=False,
    )
    with answer:
        if answer.status_code == 404:
            raise FileNotFoundError(path)
        if answer.status_code != 200:
            raise StoreSilent(
                f"The MLflow server answered {answer.status_code} when asked for a model's file. "
                "Check that it hands out artefacts and that the account may read. What serves now "
                "goes on."
            )
        yield answer.iter_content(chunk_size=_CHUNK)


@contextlib.contextmanager
def _from_elsewhere(address: str, name: str) -> Iterator[Chunks]:
    """Let MLflow fetch from where the operator allowed; the limit on file size holds meanwhile."""
    from mlflow.artifacts import download_artifacts

    landed = Path(download_artifacts(artifact_uri=f"{address}/{name}", dst_path="."))
    with landed.open("rb") as file:
        yield iter(lambda: file.read(_CHUNK), b"")
    landed.unlink()


# -- trying ---------------------------------------------------------------------------------------


def _try_out(folder: Path, manifest: str) -> str:
    """Load the model and let it answer as the service will; return its digest."""
    from features.factors import top_factors
    from features.golden import golden_leads
    from features.scorer import LeadScorer
    from features.wording import sentence

    scorer = LeadScorer.load(folder, manifest)
    try:
        for lead in golden_leads(scorer):
            found = top_factors(scorer, scorer.score(lead), 5)
            for factor in (*found.positive, *found.negative):
                for language in ("ja", "en"):
                    sentence(scorer.encoder, factor, language)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ArtefactRefused(
            f"The model cannot give reasons ({type(error).__name__}). Publish it again.",
            "trial_failed",
        ) from error
    return scorer.model_digest


if __name__ == "__main__":
    sys.exit(main())
