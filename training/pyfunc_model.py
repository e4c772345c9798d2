"""The model as MLflow sees it: a thin wrapper for `mlflow`, Spark and notebooks.

MLflow runs this file when someone loads the flavour. The scoring service never does; it reads the
tables. One row of the input frame is one lead: a column for each field, optional ``as_of``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from features.definition import EVER
from features.encoder import LeadInput
from features.scorer import LeadScorer, ScoredLead
from features.text import parse_time


class LeadQualityModel(PythonModel):  # type: ignore[misc, unused-ignore]
    """Scores leads out of a data frame."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the tables, with every check that serving makes."""
        self.scorer = LeadScorer.load(Path(context.artifacts["scorer"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002  MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Return probability, score, grade and the chance at each horizon, one row per lead."""
        now = datetime.now(UTC)
        leads = [self._lead(row, now) for row in model_input.to_dict("records")]
        answers = [self._answer(scored) for scored in self.scorer.score_many(leads)]
        return pd.DataFrame(answers, index=model_input.index)

    def _lead(self, row: dict[Any, Any], now: datetime) -> LeadInput:
        given = {str(name): value for name, value in row.items() if not pd.isna(value)}
        as_of = parse_time(given.pop("as_of", None), self.scorer.definition.zone)
        return LeadInput(given, None, as_of or now)

    def _answer(self, scored: ScoredLead) -> dict[str, Any]:
        chances = zip(self.scorer.horizons, scored.probabilities, strict=True)
        return {
            "probability": scored.probability,
            "score": scored.score,
            "grade": self.scorer.definition.grades.of(scored.score),
        } | {f"p_{horizon}": chance for horizon, chance in chances if horizon != EVER}


mlflow.models.set_model(LeadQualityModel())
