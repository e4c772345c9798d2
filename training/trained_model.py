"""A model that a run has made, with everything that is known of it: figures, words, record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from features.definition import EVER
from features.errors import Finding
from features.scorer import LeadScorer
from training.evaluation import Backtest
from training.model_store import Registered
from training.promotion import GATE_FILE
from training.recipe import Learned, Recipe
from training.registry import REPORT_FILE, log_scorer
from training.report import render_report
from training.settings import TrainSettings

if TYPE_CHECKING:
    from training.gate import Verdict
    from training.leaks import LeakScan

__all__ = ["TrainedModel"]


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
    verdict : Verdict
        What the gate says of it.
    leaks : LeakScan
        What the scan of the fields found.
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
    verdict: Verdict
    leaks: LeakScan
    findings: tuple[Finding, ...] = ()
    recipe: Recipe = field(default_factory=Recipe)
    origin: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return the parameters and the figures of the backtest, as JSON content."""
        return {
            **self.parameters(),
            "warnings": self.warnings(),
            "evaluation": dict(self.scorer.evaluation),
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
        for name in ("student", "base_rate"):
            row = self.backtest.row(name, main)
            if row is not None:
                found = row.evaluation
                lines.append(
                    f"  {name:16} log loss {found.log_loss:.4f}  AUC {found.auc:.3f}  "
                    f"({found.n:,} newest leads, {found.n_won:,} won)"
                )
        tuned = self.backtest.row("lightgbm_tuned", main)
        if tuned is not None and tuned.against_student is not None:
            # Judged at the newest cut-off only: its own figures stand beside no other line.
            difference = tuned.against_student.value
            lines.append(
                f"  lightgbm_tuned   student {'better' if difference < 0 else 'worse'} by "
                f"{abs(difference):.4f} in log loss on the {tuned.evaluation.n:,} leads of the "
                f"newest cut-off ({tuned.evaluation.n_won:,} won)"
            )
        if self.backtest.note:
            lines.append(f"Not judged: {self.backtest.note}")
        lines += self.warnings()
        lines += [f"Open finding: {found.field}: {found.what.en}" for found in self.leaks.blocking]
        lines.append(f"Verdict: {self.verdict.in_words('en')}")
        named = (
            "" if registered.name == TrainSettings().model_name else f" --name {registered.name}"
        )
        if self.verdict.may_be_promoted:
            lines.append(f"Propose it with: lead-train promote {registered.version}{named}")
        lines.append(
            f"Read its report: lead-train report {registered.version}{named} --out report.html"
        )
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
        self,
        settings: TrainSettings,
        *,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        **facts: object,
    ) -> Registered:
        """Log run and model to MLflow and register a version (see `training.registry`).

        `tags` stay with the version; `facts` become parameters of the run.
        """
        return log_scorer(
            self.scorer,
            settings,
            name=name or settings.model_name,
            booster=self.booster,
            parameters=self.parameters() | dict(self.origin) | facts,
            metrics=self.metrics(),
            documents={
                REPORT_FILE: render_report(self.scorer),
                GATE_FILE: json.dumps(self.verdict.document(), ensure_ascii=False, indent=1),
                **self.documents,
            },
            tags=tags,
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
