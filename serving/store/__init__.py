"""All SQL of the service: recorded scores and approvals, on SQLite or PostgreSQL."""

from __future__ import annotations

from serving.store.approvals import Approval, Approvals
from serving.store.database import Store, open_store
from serving.store.predictions import Prediction, Predictions

__all__ = ["Approval", "Approvals", "Prediction", "Predictions", "Store", "open_store"]
