"""What is usually built: a booster behind MLflow's pyfunc, explained by shap for every request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import pandas as pd
import shap
from mlflow.pyfunc import PythonModel, PythonModelContext


class ExplainedBooster(PythonModel):  # type: ignore[misc]
    """Probability and SHAP values of each row."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the booster and make its explainer, once."""
        self.booster = lightgbm.Booster(model_file=Path(context.artifacts["booster"]))
        self.explainer = shap.TreeExplainer(self.booster)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Return one record for each row."""
        rows = model_input.to_numpy(dtype="float64")
        probabilities = self.booster.predict(rows, num_threads=1)
        reasons = self.explainer.shap_values(rows)
        return [
            {"probability": float(probability), "contributions": row.tolist()}
            for probability, row in zip(probabilities, reasons, strict=True)
        ]


mlflow.models.set_model(ExplainedBooster())
