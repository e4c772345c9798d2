"""What a team usually builds: raw fields, a ColumnTransformer, 500 trees of 31 leaves, shap.

MLflow runs this file. The transformer is fitted when it is loaded, from the table it was made with,
so that nothing has to be pickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import pandas as pd
import shap
from mlflow.pyfunc import PythonModel, PythonModelContext
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

LONG_TEXTS = ("message", "company", "email", "phone", "arrived_at")
NUMBERS = ("employees", "capital")


def _lengths(texts: pd.DataFrame) -> pd.DataFrame:
    return texts.apply(lambda column: column.str.len()).astype(float)


def _numbers(texts: pd.DataFrame) -> pd.DataFrame:
    digits = texts.apply(
        lambda column: column.str.normalize("NFKC").str.replace(r"\D", "", regex=True)
    )
    return digits.apply(pd.to_numeric, errors="coerce").astype(float)


def transformer_of(fields: pd.DataFrame) -> ColumnTransformer:
    """Return the features of a table of raw fields, fitted."""
    names = list(fields.columns)
    levels = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=-1,
        encoded_missing_value=-1,
        min_frequency=5,
    )
    parts = [
        ("levels", levels, [name for name in names if name not in (*LONG_TEXTS, *NUMBERS)]),
        ("numbers", FunctionTransformer(_numbers), [name for name in names if name in NUMBERS]),
        ("lengths", FunctionTransformer(_lengths), [name for name in names if name in LONG_TEXTS]),
    ]
    transformer = ColumnTransformer(parts, verbose_feature_names_out=False)
    return transformer.set_output(transform="pandas").fit(fields)


class UsualModel(PythonModel):  # type: ignore[misc]
    """Probability and SHAP values of each lead."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read booster and table, fit the transformer, make the explainer; once."""
        self.booster = lightgbm.Booster(model_file=Path(context.artifacts["booster"]))
        self.transformer = transformer_of(pd.read_csv(context.artifacts["fields"], dtype=str))
        self.explainer = shap.TreeExplainer(self.booster)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Return one record for each lead."""
        features = self.transformer.transform(model_input)
        probabilities = self.booster.predict(features, num_threads=1)
        reasons = self.explainer.shap_values(features)
        return [
            {"probability": float(probability), "contributions": row.tolist()}
            for probability, row in zip(probabilities, reasons, strict=True)
        ]


if __name__ != "tests.bench.usual_model":
    mlflow.models.set_model(UsualModel())
