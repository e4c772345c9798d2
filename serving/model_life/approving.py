"""Approving a model version and going back: fetched, verified and kept first, then written down."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from features.artefact import read_artefact
from features.errors import ArtefactRefused
from features.private_folders import make_private
from serving.errors import ApprovalUnderWay, ModelRefused, NothingToRollBack
from serving.model_life.holder import folder_of
from serving.model_life.registry import Fetched, Registry
from serving.settings import ServeSettings
from serving.store import Action, Approval, Approvals, ones_before
from serving.whole_files import sync

__all__ = ["Approver"]

_FETCHING, _DAMAGED = ".fetching-", ".damaged-"


class Approver:
    """Lets model versions serve; one approval at a time in a home, whoever asks for it.

    Parameters
    ----------
    settings : ServeSettings
        Name of the model, home and limits.
    approvals : Approvals
        Where approvals are written down.
    registry : Registry
        Where models come from.
    clock : callable
        Gives the present.
    """

    def __init__(
        self,
        settings: ServeSettings,
        approvals: Approvals,
        registry: Registry,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._approvals = approvals
        self._registry = registry
        self._clock = clock

    def approve(self, version: str, why: str, who: str) -> Approval:
        """Fetch a model version, verify it, keep it, and record that it may serve.

        Parameters
        ----------
        version : str
            A number of the registry, or ``champion`` for what training proposes.
        why : str
            The reason, for those who ask later.
        who : str
            Who approves.

        Raises
        ------
        ModelUnavailable
            If the store does not answer in time or has no such version.
        ModelRefused
            If the model is damaged, foreign, or not the one its tag promises.
        ApprovalUnderWay
            If another one has not ended.
        """
        folder = self._settings.models_folder
        make_private(folder)
        with _alone(folder / ".approving"):
            _clear(folder)
            approval = self._fetched(version, why, who)
            self._write_down(approval, "approve")
        return approval

    def _fetched(self, version: str, why: str, who: str) -> Approval:
        folder = self._settings.models_folder
        with (
            tempfile.TemporaryDirectory(prefix=_FETCHING, dir=folder) as scratch,
            _as_refusal(version),
        ):
            fetched = self._registry.fetch(version, Path(scratch))
            _keep(Path(scratch) / "scorer", folder, fetched)
        return Approval(
            model_name=self._settings.model_name,
            version=fetched.version,
            digest=fetched.digest,
            approved_by=who,
            approved_at=self._clock(),
            why=why,
            manifest_digest=fetched.manifest_digest,
        )

    def roll_back(self, serving: Approval | None, why: str, who: str) -> Approval:
        """Approve again what was approved before the one that serves, and is still whole.

        Raises
        ------
        NothingToRollBack
            If there is nothing before it.
        ModelRefused
            If none before it is whole any more.
        """
        with _alone(self._settings.models_folder / ".approving"):
            given = self._approvals.newest_first(self._settings.model_name)
            newest = serving or next(iter(given), None)
            before = [] if newest is None else ones_before(given, newest)
            if not before:
                raise NothingToRollBack(
                    "There is no earlier approval to go back to. Approve another version: "
                    'lead-serve approve VERSION --why "…".'
                )
            earlier = next(filter(self._is_whole, before), before[0])
            with _as_refusal(earlier.version):
                self._check(earlier)
            again = replace(earlier, approved_by=who, approved_at=self._clock(), why=why)
            self._write_down(again, "rollback")
        return again

    def _check(self, approval: Approval) -> None:
        folder = folder_of(self._settings.models_folder, approval)
        read_artefact(folder, approval.manifest_digest)

    def _is_whole(self, approval: Approval) -> bool:
        try:
            self._check(approval)
        except ArtefactRefused:
            return False
        return True

    def _write_down(self, approval: Approval, action: str) -> None:
        detail = {
            "model_name": approval.model_name,
            "version": approval.version,
            "digest": approval.digest,
        }
        self._approvals.add(
            approval, Action(approval.approved_at, approval.approved_by, action, detail)
        )


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold the right to approve: against other requests, other workers and the command line."""
    import fcntl

    make_private(lock.parent)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ApprovalUnderWay(
                "Another approval or rollback has not ended yet. Ask again in a moment."
            ) from error
        yield


def _clear(models: Path) -> None:
    """Remove what a killed approval left; whoever holds the right to approve is alone here."""
    for prefix in (_FETCHING, _DAMAGED):
        for left in models.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _as_refusal(version: str) -> Iterator[None]:
    try:
        yield
    except ArtefactRefused as error:
        raise ModelRefused(f"Version {version} was not approved ({error.code}): {error}") from error


def _keep(fetched: Path, models: Path, facts: Fetched) -> None:
    """Move a verified model to where it is served from.

    Its folder is named by the model digest. When another model of equal scores lies there (only its
    record of evaluation differs), it is named by the manifest's digest, and both are kept.
    """
    for name in (facts.digest, facts.manifest_digest):
        kept = models / name
        if not kept.exists():
            break
        if _is_whole(kept, facts.manifest_digest):
            return
        if name == facts.manifest_digest or not _is_whole(kept, None):
            damaged = Path(tempfile.mkdtemp(prefix=_DAMAGED, dir=models))
            kept.rename(damaged / name)
            shutil.rmtree(damaged, ignore_errors=True)
            break
    fetched.rename(kept)
    sync(models)


def _is_whole(folder: Path, manifest_digest: str | None) -> bool:
    try:
        read_artefact(folder, manifest_digest)
    except ArtefactRefused:
        return False
    return True
