"""Which model serves: the newest approved one that is whole."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.factors import strongest
from features.scorer import LeadScorer
from serving.errors import NoModel, StoreUnavailable
from serving.models import ModelHolder, ServingModel, load_approved
from serving.settings import ServeSettings
from serving.store import Approval, Approvals, open_store
from tests.builders import lead_input, small_scorer
from tests.serving.conftest import approved

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="session")
def newer() -> LeadScorer:
    return small_scorer(seed=5)


def load(settings: ServeSettings) -> ServingModel | None:
    return load_approved(
        settings.models_folder,
        Approvals(open_store(settings.database_address)),
        settings.model_name,
    )


def test_without_an_approval_nothing_serves(settings: ServeSettings, artefact: Path) -> None:
    open_store(settings.database_address).migrate()
    shutil.copytree(artefact, settings.models_folder / artefact.name)

    assert load(settings) is None


def test_the_newest_approved_model_serves(
    settings: ServeSettings, scorer: LeadScorer, newer: LeadScorer
) -> None:
    approved(settings, scorer, "7")
    approved(settings, newer, "8")

    model = load(settings)

    assert model is not None
    assert (model.approval.version, model.scorer.model_digest) == ("8", newer.model_digest)
    assert model.warning == ""


def test_approving_an_older_version_again_rolls_back(
    settings: ServeSettings, scorer: LeadScorer, newer: LeadScorer
) -> None:
    for one, version in ((scorer, "7"), (newer, "8"), (scorer, "7")):
        approved(settings, one, version)

    model = load(settings)

    assert model is not None
    assert model.scorer.model_digest == scorer.model_digest


@pytest.mark.parametrize(
    "damage", ["a digit changed", "a file gone", "the folder gone", "another model"]
)
def test_a_damaged_model_gives_way_to_the_last_good_one(
    settings: ServeSettings, scorer: LeadScorer, newer: LeadScorer, damage: str
) -> None:
    approved(settings, scorer, "7")
    approved(settings, newer, "8")
    folder = settings.models_folder / newer.model_digest
    if damage == "a digit changed":
        tables = folder / "tables.json"
        tables.write_text(tables.read_text().replace("1", "2", 1))
    elif damage == "a file gone":
        (folder / "manifest.json").unlink()
    else:
        shutil.rmtree(folder)
        if damage == "another model":
            scorer.save(folder)

    model = load(settings)

    assert model is not None
    assert model.approval.version == "7"
    assert "version 8 cannot serve" in model.warning


def test_a_holder_swaps_only_when_an_approval_is_new(
    settings: ServeSettings, scorer: LeadScorer, newer: LeadScorer
) -> None:
    approved(settings, scorer, "7")
    approvals = Approvals(open_store(settings.database_address))
    holder = ModelHolder(
        lambda: load(settings), lambda: next(iter(approvals.newest_first("lead-quality")), None)
    )
    with pytest.raises(NoModel, match="lead-serve approve VERSION"):
        holder.require()

    assert holder.refresh()
    assert not holder.refresh()
    first = holder.require()
    approved(settings, newer, "8")
    assert holder.refresh()
    assert holder.require() is not first


def test_the_old_model_goes_on_when_the_store_or_the_new_model_fails(
    scorer: LeadScorer,
) -> None:
    serving = ServingModel(
        scorer, Approval("lead-quality", "7", scorer.model_digest, "h", NOW, "w")
    )
    answers: list[ServingModel | None] = [serving, None]
    versions = iter("123")

    def newest() -> Approval | None:
        version = next(versions)
        if version == "3":
            raise StoreUnavailable("away")
        return Approval("lead-quality", version, "d", "h", NOW, "w")

    holder = ModelHolder(lambda: answers.pop(0), newest)

    assert [holder.refresh(), holder.refresh(), holder.refresh()] == [True, False, False]
    assert holder.model is serving


def test_watching_finds_a_new_approval(scorer: LeadScorer) -> None:
    approval = Approval("lead-quality", "7", scorer.model_digest, "h", NOW, "w")
    holder = ModelHolder(lambda: ServingModel(scorer, approval), lambda: approval)

    async def run() -> None:
        watching = asyncio.create_task(holder.watch(0.01))
        for _ in range(200):
            await asyncio.sleep(0.01)
            if holder.model is not None:
                break
        watching.cancel()

    asyncio.run(run())
    assert holder.model is not None


def test_sentences_are_made_once_for_each_value(scorer: LeadScorer) -> None:
    model = ServingModel(scorer, Approval("lead-quality", "7", scorer.model_digest, "h", NOW, "w"))
    lead, same, other = (scorer.score(lead_input(k)) for k in (3, 3, 4))
    place = strongest(lead.by_field, 1).raising[0]

    told = model.telling.factor(lead, place)

    assert model.telling.factor(same, place) is told
    assert model.telling.factor(other, place) is not told
