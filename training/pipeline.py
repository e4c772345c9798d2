"""Train a model from files: the main job of this side, step by step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features.definition import EVER, LeadDefinition, load_definition
from features.errors import Finding
from features.leads import read_history
from features.scorer import LeadScorer
from features.source_map import SourceMap, load_source_map
from training.evaluation import Backtest, backtest, calibrated
from training.recipe import Learned, Recipe, learn
from training.reference import describe_past
from training.registry import Registered, log_scorer
from training.report import render_report
from training.settings import TrainSettings

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = ["Progress", "TrainedModel", "as_of_history", "train", "train_on"]

Progress = Callable[[str], None]
"""Told the name of each step as it begins."""


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What a training run made.

    Attributes
    ----------
    scorer : LeadScorer
        The model that would be served: learnt from all leads, calibrated, with its evaluation.
    learned : Learned
        What it was made of.
    backtest : Backtest
        How the same recipe did on the newest leads, which it had not seen.
    findings : tuple of Finding
        What reading the files noted without stopping.
    recipe : Recipe
        Form of the model.
    origin : mapping
        The files it came from and their SHA-256.
    documents : mapping
        Texts to keep with the run: the source map.
    """

    scorer: LeadScorer
    learned: Learned
    backtest: Backtest
    findings: tuple[Finding, ...] = ()
    recipe: Recipe = field(default_factory=Recipe)
    origin: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return the parameters and the figures of the backtest, as JSON content."""
        return {
            **self.parameters(),
            "warnings": self.warnings(),
            "evaluation": self.scorer.evaluation,
        }

    def in_words(self, registered: Registered) -> str:
        """Say what was made and how it did, in a few lines."""
        main = self.scorer.main_horizon
        horizons = self._horizons()
        n_leads, n_wins = int(self.learned.rows.sum()), self.learned.labels.n_wins
        made = f"Registered version {registered.version} of {registered.name}"
        lines = [
            f"{made}: digest {registered.model_digest[:12]}, run {registered.run_id}.",
            f"Learnt from {n_leads:,} leads, {n_wins:,} won; horizons {horizons}.",
        ]
        for name in ("student", "lightgbm_tuned", "base_rate"):
            row = self.backtest.row(name, main)
            if row is not None:
                found = row.evaluation
                lines.append(
                    f"  {name:16} log loss {found.log_loss:.4f}  AUC {found.auc:.3f}  "
                    f"({found.n} newest leads, {found.n_won} won)"
                )
        if self.backtest.note:
            lines.append(f"Not judged: {self.backtest.note}")
        lines += self.warnings()
        named = (
            "" if registered.name == TrainSettings().model_name else f" --name {registered.name}"
        )
        lines.append(f"Propose it with: lead-train promote {registered.version}{named}")
        return "\n".join(lines)

    def warnings(self) -> list[str]:
        """Say where the judged model did worse than a plain base rate, and for whom it speaks."""
        main = self.scorer.main_horizon
        own, plain = self.backtest.row("student", main), self.backtest.row("base_rate", main)
        if own is None or plain is None or own.evaluation.log_loss < plain.evaluation.log_loss:
            return []
        found = (
            "Warning: on the newest leads that sales worked, the plain base rate did better than "
            f"this model (log loss {plain.evaluation.log_loss:.4f} against "
            f"{own.evaluation.log_loss:.4f})."
        )
        teacher = self.backtest.row("teacher", main)
        if teacher is not None and teacher.evaluation.log_loss < plain.evaluation.log_loss:
            found += (
                " Its teacher, which speaks of worked leads only, did better than both: the "
                "difference is what the reasons of rejected leads are taken to mean."
            )
        return [found]

    @property
    def booster(self) -> str | None:
        """LightGBM's text of the student; None under base rates."""
        return (
            None if self.learned.student is None else self.learned.student.booster.model_to_string()
        )

    def log(
        self, settings: TrainSettings, *, name: str | None = None, **facts: object
    ) -> Registered:
        """Log run and model to MLflow and register a version (see `training.registry`)."""
        return log_scorer(
            self.scorer,
            settings,
            name=name or settings.model_name,
            booster=self.booster,
            parameters=self.parameters() | dict(self.origin) | facts,
            metrics=self.metrics(),
            documents={
                "report.html": render_report(self.scorer),
                **self.documents,
            },
        )

    def parameters(self) -> dict[str, object]:
        """Return what a reader of the run wants to filter by."""
        definition = self.scorer.definition
        return {
            "mode": self.scorer.mode,
            "method": self.scorer.method,
            "horizons": self._horizons(),
            "main_horizon": self.scorer.main_horizon or "ever",
            "seed": self.recipe.seed,
            "trees": self.recipe.student.trees,
            "pairs": self.recipe.student.pairs,
            "definition_version": definition.version,
            "definition_fingerprint": definition.fingerprint,
            "n_leads": int(self.learned.rows.sum()),
            "n_worked": int((self.learned.labels.worked & self.learned.rows).sum()),
            "n_wins": self.learned.labels.n_wins,
            "n_inputs": len(self.scorer.encoder.inputs),
            "model_digest": self.scorer.model_digest,
        }

    def _horizons(self) -> str:
        return ", ".join("ever" if days == EVER else str(days) for days in self.scorer.horizons)

    def metrics(self) -> dict[str, float]:
        """Return figures by name, e.g. ``student.90.log_loss``; only finite ones."""
        figures = {
            f"{row.model}.{row.horizon}.{metric}": value
            for row in self.backtest.rows
            for metric, value in row.figures().items()
        }
        figures |= {
            "calibration_shift": self.scorer.calibration.shift,
            "crossings": float(self.learned.crossings),
        }
        return {name: value for name, value in figures.items() if np.isfinite(value)}


def train(
    leads: Sequence[str | Path],
    source_map: str | Path,
    definition: str | Path | None = None,
    *,
    recipe: Recipe | None = None,
    use_good_rows: bool = False,
    today: date | None = None,
    tell: Progress = lambda _: None,
) -> TrainedModel:
    """Train on exported files.

    Parameters
    ----------
    leads : sequence of path
        The files that the source map speaks of.
    source_map : path
        How they are read.
    definition : path, optional
        The agreement; the packaged one by default.
    recipe : Recipe, optional
        Form of the model.
    use_good_rows : bool
        Leave out rows with findings instead of stopping.
    today : date, optional
        Day after which no event may lie; the clock's by default.
    tell : callable
        Told each step as it begins.

    Raises
    ------
    LeadQualityError
        If a file, the definition or the source map cannot be used; the message says what to do.
    """
    tell("Reading the definition and the source map")
    agreed: LeadDefinition = load_definition(definition)
    how: SourceMap = load_source_map(source_map)
    tell("Reading and checking the leads")
    history = read_history(
        [Path(path) for path in leads], agreed, how, use_good_rows=use_good_rows, today=today
    )
    model = train_on(history, agreed, recipe=recipe, tell=tell)
    files = [Path(path) for path in leads]
    return replace(
        model,
        origin={
            "files": ", ".join(path.name for path in files),
            "files_sha256": ", ".join(_sha256(path) for path in files),
        },
        documents={"source_map.yaml": Path(source_map).read_text("utf-8-sig")},
    )


def train_on(
    history: LeadHistory,
    definition: LeadDefinition,
    *,
    as_of: datetime | None = None,
    recipe: Recipe | None = None,
    tell: Progress = lambda _: None,
) -> TrainedModel:
    """Train on leads that are already read and checked.

    The recipe is first judged on the newest leads, learning from the older ones only; then it
    learns from all, and takes over the calibration that the newest leads taught.
    """
    chosen = recipe or Recipe()
    until = as_of or (as_of_history(history) if history.mode == "history" else None)
    judged = backtest(history, definition, as_of=until, recipe=chosen, tell=tell)
    tell("Learning from all leads")
    learned = learn(history, definition, as_of=until, recipe=chosen)
    tell("Describing past leads")
    scorer = _finished(learned, judged)
    return TrainedModel(scorer, learned, judged, history.findings, chosen)


def as_of_history(history: LeadHistory) -> datetime:
    """Return the last moment the files speak of: the newest arrival or event."""
    newest = max(
        column.max()
        for column in (history.leads["arrived_at"], history.events["at"])
        if column.notna().any()
    )
    moment: datetime = newest.to_pydatetime()
    return moment.astimezone(UTC)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finished(learned: Learned, judged: Backtest) -> LeadScorer:
    scorer = calibrated(learned.scorer, judged.shift)
    reference: dict[str, Any] = describe_past(scorer, learned.codes, learned.labels)
    return LeadScorer(
        scorer.encoder,
        scorer.raw_tables,
        scorer.acceptance,
        scorer.calibration,
        reference,
        judged.document(),
    )
