"""Invented histories with a known truth: for the demo, the tests and the benchmarks."""

from __future__ import annotations

from training.worlds.settings import HORIZONS, WorldImpossible, WorldSettings
from training.worlds.world import World, make_world
from training.worlds.write import write_world

__all__ = ["HORIZONS", "World", "WorldImpossible", "WorldSettings", "make_world", "write_world"]
