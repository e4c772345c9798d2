"""What `lead-train` can do, a file each; importing this package makes the application whole."""

from training.commands import (
    drift,
    inspect,
    promote,
    report,
    results,
    retrain,
    rollback,
    train,
    world,
)
from training.commands.console import NoStoreYet, app

__all__ = [
    "NoStoreYet",
    "app",
    "drift",
    "inspect",
    "promote",
    "report",
    "results",
    "retrain",
    "rollback",
    "train",
    "world",
]
