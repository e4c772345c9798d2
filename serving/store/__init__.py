"""All SQL of the service: scores, events, approvals and callers, on SQLite or PostgreSQL."""

from __future__ import annotations

from serving.store.actions import Action, Actions
from serving.store.approvals import Approval, Approvals, ones_before
from serving.store.database import Store, open_store
from serving.store.events import Clash, Event, Events, clashes_of
from serving.store.exports import Exports
from serving.store.predictions import Prediction, Predictions
from serving.store.removal import Removal, Removed

__all__ = [
    "Action",
    "Actions",
    "Approval",
    "Approvals",
    "Clash",
    "Event",
    "Events",
    "Exports",
    "Prediction",
    "Predictions",
    "Removal",
    "Removed",
    "Store",
    "clashes_of",
    "ones_before",
    "open_store",
]
