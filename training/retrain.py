"""The loop that a clock can run: new files, a challenger, the gate, a proposal.

Safe to start at any time: one at a time (a lock), nothing twice (the same files and rules give the
version that is there already), and again after an interruption (what was finished is found).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from features.definition import LeadDefinition, load_definition
from features.errors import LeadQualityError
from features.leads import read_history
from features.private_folders import make_private
from features.source_map import load_source_map
from training.exchange import Exchange, digest_of_files, find_exchange, read_exchange
from training.gate_words import verdict_text
from training.model_store import Registered
from training.pipeline import Progress, Rules, train_on
from training.promotion import PromotionRefused, champions, gate_of, promote
from training.recipe import Recipe
from training.recipe_document import recipe_document
from training.registry import find_tagged, load_champion

if TYPE_CHECKING:
    from features.leads import LeadHistory
    from training.champion import Champion
    from training.settings import TrainSettings

__all__ = ["AlreadyRunning", "Files", "Retraining", "retrain_files"]

Status = Literal["proposed", "refused", "nothing_new"]
KEY_TAG = "retrain_key"
DEFAULT_NAME = "lead-quality"
_MOST_LETTERS = 500
"""Of file names in a parameter of the run."""


class AlreadyRunning(LeadQualityError):
    """Another retraining of this LEAD_HOME is under way."""

    status = 409


class Files(NamedTuple):
    """Where the leads come from: a folder that the service exported, or any files with a map."""

    folder: Path | None = None
    leads: Sequence[Path] = ()
    source_map: Path | None = None
    definition: Path | None = None


@dataclass(frozen=True, slots=True)
class Retraining:
    """What came of it.

    Attributes
    ----------
    status : {"proposed", "refused", "nothing_new"}
        The challenger is proposed as champion; the gate kept it out; there was nothing to learn
        from that had not been learnt from before.
    registered : Registered
        The challenger, new or found.
    verdict : dict
        As `training.gate.Verdict.document`; empty where it was judged before.
    """

    status: Status
    registered: Registered
    verdict: dict[str, Any]

    def document(self) -> dict[str, Any]:
        """Return the content of the command's JSON answer."""
        return {
            "status": self.status,
            "name": self.registered.name,
            "version": self.registered.version,
            "run_id": self.registered.run_id,
            "model_digest": self.registered.model_digest,
            "verdict": self.verdict,
        }

    def in_words(self) -> str:
        """Say what came of it, and what to do."""
        version, name = self.registered.version, self.registered.name
        said = verdict_text(self.verdict) if self.verdict else ""
        named = "" if name == DEFAULT_NAME else f" --name {name}"
        if self.status == "nothing_new":
            return (
                f"Nothing new: version {version} of {name} has learnt from the same files under "
                "the same rules. To train all the same: --again."
            )
        if self.status == "refused":
            return (
                f"Version {version} of {name} is kept out by the gate; the model in use stays. "
                f"{said} Read its report: lead-train report {version}{named} --out report.html"
            )
        return (
            f"Version {version} of {name} is proposed as champion. {said} "
            f"Let it serve with: lead-serve approve {version}{named} --why '…'"
        )


def retrain_files(
    files: Files,
    settings: TrainSettings,
    *,
    name: str | None = None,
    again: bool = False,
    use_good_rows: bool = False,
    today: date | None = None,
    recipe: Recipe | None = None,
    tell: Progress = lambda _: None,
) -> Retraining:
    """Learn a challenger, let the gate judge it against the champion, and propose it if it passes.

    Parameters
    ----------
    files : Files
        What to learn from. Without a definition the champion's is taken, without a champion the
        packaged one.
    settings : TrainSettings
        Names the store; ``choice_seconds`` bounds the search for a recipe.
    name : str, optional
        Registered model.
    again : bool
        Train although the same files and rules gave a version before.
    use_good_rows : bool
        Leave out rows with findings instead of stopping.
    today : date, optional
        Day after which no event may lie.
    recipe : Recipe, optional
        Where the search for a recipe begins; the usual one by default.
    tell : callable
        Told each step as it begins.

    Raises
    ------
    AlreadyRunning
        If another retraining of the same LEAD_HOME is under way.
    LeadQualityError
        If files, definition or map cannot be used.
    """
    model_name = name or settings.model_name
    with _alone(settings.home):
        tell("Asking the registry for the champion")
        champion = load_champion(settings, model_name)
        definition = _definition(files, champion)
        # Always from the usual recipe: begun at the champion's, each search would only ever add to
        # what the one before had left out.
        chosen = recipe or Recipe(seed=settings.seed)
        exchange = None if files.folder is None else find_exchange(files.folder)
        key = _key(files, exchange, definition, chosen, settings)
        found = None if again else find_tagged(settings, model_name, KEY_TAG, key)
        if found is not None:
            return _resumed(found, settings, tell)
        tell("Reading and checking the leads")
        history = _read(files, exchange, definition, use_good_rows, today)
        kept = settings.home / "retrain" / key[:16]
        rules = Rules(champion, settings.choice_seconds, kept, settings.draws)
        model = train_on(history, definition, recipe=chosen, rules=rules, tell=tell)
        model = replace(model, origin=_origin(files, exchange), documents=_documents(files))
        tell("Logging the run and registering the model")
        registered = model.log(settings, name=model_name, tags={KEY_TAG: key})
        shutil.rmtree(kept, ignore_errors=True)
        verdict = model.verdict.document()
        if not model.verdict.may_be_promoted:
            return Retraining("refused", registered, verdict)
        tell("Proposing it as champion")
        promote(settings, registered.name, registered.version)
        return Retraining("proposed", registered, verdict)


def _resumed(found: Registered, settings: TrainSettings, tell: Progress) -> Retraining:
    """Propose a version that was registered, and never proposed because somebody interrupted."""
    verdict = gate_of(settings, found)
    was_champion = any(
        change.version == found.version for change in champions(settings, found.name)
    )
    if was_champion or not verdict.get("may_be_promoted"):
        return Retraining("nothing_new", found, verdict)
    tell("Proposing the version of a start that was interrupted")
    try:
        promote(settings, found.name, found.version)
    except PromotionRefused:  # another version has become champion since
        return Retraining("nothing_new", found, verdict)
    return Retraining("proposed", found, verdict)


def _definition(files: Files, champion: Champion | None) -> LeadDefinition:
    if files.definition is None and champion is not None:
        return champion.scorer.definition
    return load_definition(files.definition)


def _read(
    files: Files,
    exchange: Exchange | None,
    definition: LeadDefinition,
    use_good_rows: bool,
    today: date | None,
) -> LeadHistory:
    if exchange is not None:
        return read_exchange(exchange, definition, use_good_rows=use_good_rows, today=today)
    assert files.source_map is not None
    how = load_source_map(files.source_map)
    return read_history(
        list(files.leads), definition, how, use_good_rows=use_good_rows, today=today
    )


def _origin(files: Files, exchange: Exchange | None) -> dict[str, str]:
    """Return what the run says of the files that the model came from."""
    read = files.leads if exchange is None else exchange.files
    names = ", ".join(path.name for path in read)
    return {"files": names[:_MOST_LETTERS], "files_sha256": digest_of_files(read)}


def _documents(files: Files) -> dict[str, str]:
    if files.source_map is None:
        return {}
    return {"source_map.yaml": files.source_map.read_text("utf-8-sig")}


def _key(
    files: Files,
    exchange: Exchange | None,
    definition: LeadDefinition,
    recipe: Recipe,
    settings: TrainSettings,
) -> str:
    """Return what a retraining depends on, as a digest: files, rules, recipe, program."""
    parts = {
        "definition": definition.to_yaml(),
        "recipe": recipe_document(recipe),
        "program": version("lead-quality"),
        "search": settings.choice_seconds > 0,
        "draws": settings.draws,
        "files": _digest(files) if exchange is None else exchange.digest(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _digest(files: Files) -> str:
    """Return the digest of files and map; what is missing is reported when it is read."""
    named = (*files.leads, *(() if files.source_map is None else (files.source_map,)))
    return digest_of_files([path for path in named if path.is_file()])


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the lock of a home: SQLite's, which ends with the program, however that ends."""
    make_private(home)
    lock = sqlite3.connect(home / "retrain.lock", timeout=0, isolation_level=None)
    try:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise AlreadyRunning(
                f"Another retraining of {home.name or home} is under way; this one ends without "
                "doing anything. The next start will find what it made."
            ) from error
        yield
    finally:
        lock.close()
