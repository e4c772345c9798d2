"""The approval that served last, kept beside the models: a service starts without its database."""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from serving.store import Approval
from serving.whole_files import write_whole

__all__ = ["LastGood"]

log = logging.getLogger("lead_serve")

_MOST_BYTES = 64 * 1024


class LastGood:
    """A copy of one approval. It says which model to load, and vouches for nothing else.

    Parameters
    ----------
    models : Path
        Folder of the approved models.
    model_name : str
        The registered model; the file's name is made from it.
    """

    def __init__(self, models: Path, model_name: str) -> None:
        self._name = model_name
        mark = hashlib.sha256(model_name.encode()).hexdigest()[:16]
        self._path = models / f"last_good.{mark}.json"

    def write(self, approval: Approval) -> None:
        """Remember an approval; a disk that is full or read-only does not stop the service."""
        content = asdict(approval) | {"approved_at": approval.approved_at.isoformat()}
        try:
            write_whole(self._path, json.dumps(content).encode())
        except OSError as error:
            log.warning("the model that serves is not remembered (%s)", type(error).__name__)

    def read(self) -> Approval | None:
        """Return the approval that served last; None where there is none, or it is misshapen."""
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            with self._path.open("rb") as file:
                stored = json.loads(file.read(_MOST_BYTES))
            approval = Approval(
                **stored | {"approved_at": datetime.fromisoformat(stored["approved_at"])}
            )
            texts = [approval.version, approval.digest, approval.approved_by, approval.why]
            texts.append(approval.manifest_digest or "")
            is_ours = approval.model_name == self._name and approval.approved_at.tzinfo is not None
            if is_ours and all(isinstance(text, str) for text in texts):
                return approval
        return None
