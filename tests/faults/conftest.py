"""A home with an approved model, made once for the tests that only run a service over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.settings import ServeSettings
from tests.builders import small_scorer
from tests.faults.served import Served, serve
from tests.serving.conftest import approved


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of its own for each test, with an approved model."""
    settings = ServeSettings(access="open", home=tmp_path / "home")
    approved(settings, small_scorer())
    return settings.home


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service with default settings, for the tests of a file that leave it as they found it."""
    folder = tmp_path_factory.mktemp("served")
    settings = ServeSettings(access="open", home=folder / "home")
    approved(settings, small_scorer())
    with serve(settings.home, folder / "log") as running:
        yield running
