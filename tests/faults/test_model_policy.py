"""Whatever happens in whatever order: once a model serves, the right one always does."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from features import artefact as artefacts
from features.scorer import LeadScorer
from serving.errors import StoreUnavailable
from serving.model_life.holder import ModelHolder, folder_of
from serving.model_life.models import ServingModel
from serving.store import Approval, ones_before
from tests.builders import small_scorer
from tests.serving.conftest import NOW

N_MODELS = 4
_PUBLISHED: list[tuple[LeadScorer, Path, str]] = []


def published() -> list[tuple[LeadScorer, Path, str]]:
    """Return a few models with their folders and manifests, made once."""
    if not _PUBLISHED:
        home = Path(tempfile.mkdtemp(prefix="policy-"))
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        for seed in range(N_MODELS):
            scorer = small_scorer(seed=seed)
            scorer.save(home / str(seed))
            _PUBLISHED.append(
                (scorer, home / str(seed), artefacts.manifest_digest(home / str(seed)))
            )
    return _PUBLISHED


class Given:
    """Approvals that can be away."""

    def __init__(self) -> None:
        self.newest_first_: list[Approval] = []
        self.is_away = False

    def newest(self, model_name: str) -> Approval | None:
        return next(iter(self.newest_first(model_name)), None)

    def newest_first(self, model_name: str) -> list[Approval]:
        if self.is_away:
            raise StoreUnavailable("away")
        return list(self.newest_first_)


class Policy(RuleBasedStateMachine):
    """Approvals, damage, repairs, restarts and a database that goes away, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.models = Path(tempfile.mkdtemp(prefix="policy-models-"))
        self.given = Given()
        self.serving: ServingModel | None = None
        self.n_approved = 0
        self.reported = -1
        self.start()

    def start(self) -> None:
        self.serving = None
        self.holder = ModelHolder(self.models, self.given, "lead-quality", self.take_time)

    def take_time(self, model: ServingModel) -> None:
        # However long it takes to get ready: meanwhile the old one is there for all who ask.
        assert self.holder.model is self.serving

    def teardown(self) -> None:
        shutil.rmtree(self.models)

    def is_whole(self, approval: Approval) -> bool:
        try:
            artefacts.read_artefact(folder_of(self.models, approval), approval.manifest_digest)
        except artefacts.ArtefactRefused:
            return False
        return True

    @rule(which=st.integers(0, N_MODELS - 1), is_old=st.booleans())
    def approve(self, which: int, is_old: bool) -> None:
        scorer, folder, manifest = published()[which]
        place = self.models / scorer.model_digest
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder, place)
        self.n_approved += 1
        moment = NOW + timedelta(seconds=self.n_approved)
        approval = Approval(
            "lead-quality", str(which + 1), scorer.model_digest, "h", moment, "w", manifest
        )
        self.given.newest_first_.insert(
            0, replace(approval, manifest_digest=None if is_old else manifest)
        )

    @precondition(lambda self: self.given.newest_first_)
    @rule(which=st.integers(0, N_MODELS - 1), kind=st.sampled_from(["byte", "file", "folder"]))
    def damage(self, which: int, kind: str) -> None:
        place = self.models / published()[which][0].model_digest
        if not place.exists():
            return
        if kind == "folder":
            shutil.rmtree(place)
        elif kind == "file":
            (place / "encoder.json").unlink(missing_ok=True)
        else:
            (place / "tables.json").write_bytes(b"{}")

    @rule()
    def look(self) -> None:
        serving = self.holder.model
        given = self.given.newest_first_
        changed = self.holder.refresh()
        after = self.holder.model
        if self.given.is_away:
            assert serving is None or after is serving
            return
        assert changed == (after is not serving)
        if after is not None and after.approval in given:
            place = given.index(after.approval)
            # Every newer one is refused for a reason, and said to be.
            assert not any(map(self.is_whole, given[:place]))
            assert bool(self.holder.warning) == (place > 0)
            assert len(given) - place >= self.reported, "an older one than was reported"
            self.reported = len(given) - place
        if after is None:
            assert not any(map(self.is_whole, given))

    @precondition(lambda self: self.holder.model is not None and not self.given.is_away)
    @rule()
    def roll_back(self) -> None:
        model = self.holder.require()
        before = ones_before(self.given.newest_first_, model.approval)
        earlier = next(filter(self.is_whole, before), None)
        if earlier is None:
            return
        self.n_approved += 1
        again = replace(earlier, approved_at=NOW + timedelta(seconds=self.n_approved))
        self.given.newest_first_.insert(0, again)
        self.look()
        assert self.holder.require().approval == again

    @rule()
    def store_goes(self) -> None:
        self.given.is_away = True

    @rule()
    def store_comes(self) -> None:
        self.given.is_away = False

    @rule()
    def restart(self) -> None:
        served = self.holder.model
        whole = served is not None and self.is_whole(served.approval)
        self.start()
        self.reported = -1
        self.holder.refresh()
        # What served last serves again, with the database or without it.
        if whole:
            assert self.holder.model is not None
        if whole and self.given.is_away:
            assert served is not None
            assert self.holder.require().approval == served.approval

    @invariant()
    def there_is_always_a_model_after_the_first(self) -> None:
        model = self.holder.model
        if self.reported > 0:
            assert model is not None
        self.serving = model
        if model is not None:
            assert model.scorer.model_digest == model.approval.digest


TestPolicy = Policy.TestCase
TestPolicy.settings = settings(
    max_examples=15,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.faults
class TestPolicyAtLength(Policy.TestCase):  # type: ignore[name-defined]
    settings = settings(
        max_examples=300,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
