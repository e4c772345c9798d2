"""Settings of the whole suite, and the things that take long to make: made once, never changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.postgresql import Cluster
    from training.pipeline import TrainedModel
    from training.recipe import Recipe

# The machines are shared: a time limit per example would measure the neighbours.
settings.register_profile(
    "suite", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

WORLD_LEADS = 2000
TODAY = date(2026, 11, 22)


@pytest.fixture(scope="session")
def world_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of a small invented company."""
    from training.worlds import WorldSettings, make_world, write_world

    world = make_world(WorldSettings(n_leads=WORLD_LEADS, n_test=0, seed=5, prejudice=1.5))
    return write_world(world, tmp_path_factory.mktemp("world") / "utf8")


@pytest.fixture(scope="session")
def quick_recipe() -> Recipe:
    """The whole recipe with fewer trees."""
    from training.recipe import Recipe
    from training.student import StudentSettings

    return Recipe(student=StudentSettings(trees=80, scout_trees=40))


def world_files(folder: Path) -> list[Path]:
    """Return the files of a world that a source map speaks of."""
    return [folder / name for name in ("leads.csv", "decisions.csv", "activities.csv")]


@pytest.fixture(scope="session")
def trained(world_folder: Path, quick_recipe: Recipe) -> TrainedModel:
    """A model learnt from the small company, judged and calibrated."""
    from training.pipeline import train

    return train(
        world_files(world_folder),
        world_folder / "source_map.yaml",
        world_folder / "lead_definition.yaml",
        recipe=quick_recipe,
        today=TODAY,
    )


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real data sets; skips where it is not set."""
    folder = os.environ.get("LEADS_REAL_DATA")
    if not folder:
        pytest.skip("LEADS_REAL_DATA is not set; the real data sets are not part of the project")
    return Path(folder)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of the tests' own; skips where its binaries are not installed."""
    from tests.postgresql import Cluster

    try:
        own = Cluster()
    except LookupError as error:
        pytest.skip(str(error))
    yield own
    own.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The SQLAlchemy address of an empty database: each test runs on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'lead_serve.db'}"
    own: Cluster = request.getfixturevalue("cluster")
    return own.create()


EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
