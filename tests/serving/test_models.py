"""Which model serves: the newest approved one that is whole."""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import weakref
from dataclasses import replace
from pathlib import Path

import pytest

from features import artefact as artefacts
from features.factors import strongest
from features.scorer import LeadScorer
from serving.errors import NoModel, StoreUnavailable
from serving.model_life.holder import ModelHolder, folder_of, load_approved
from serving.model_life.last_good import LastGood
from serving.model_life.models import ServingModel
from serving.settings import ServeSettings
from serving.store import Approval, Approvals, open_store
from tests.builders import lead_input, small_scorer
from tests.serving.conftest import NOW, approved


@pytest.fixture(scope="session")
def newer() -> LeadScorer:
    return small_scorer(seed=5)


def load(settings: ServeSettings) -> ServingModel | None:
    approvals = Approvals(open_store(settings.database_address))
    return load_approved(settings.models_folder, approvals, settings.model_name)


class AwayAtTimes:
    """The approvals of a database that can be taken away."""

    def __init__(self, settings: ServeSettings) -> None:
        self._approvals = Approvals(open_store(settings.database_address))
        self.is_away = False

    def newest(self, model_name: str) -> Approval | None:
        if self.is_away:
            raise StoreUnavailable("away")
        return self._approvals.newest(model_name)

    def newest_first(self, model_name: str) -> list[Approval]:
        if self.is_away:
            raise StoreUnavailable("away")
        return self._approvals.newest_first(model_name)


def holder_of(settings: ServeSettings) -> tuple[ModelHolder, AwayAtTimes]:
    approvals = AwayAtTimes(settings)
    return ModelHolder(settings.models_folder, approvals, settings.model_name), approvals


def serving_version(holder: ModelHolder) -> str:
    return holder.require().approval.version


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


def test_approving_an_older_version_again_rolls_back(
    settings: ServeSettings, scorer: LeadScorer, newer: LeadScorer
) -> None:
    for one, version in ((scorer, "7"), (newer, "8"), (scorer, "7")):
        approved(settings, one, version)

    model = load(settings)

    assert model is not None
    assert model.scorer.model_digest == scorer.model_digest


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("a digit changed", "file_changed"),
        ("a file gone", "file_missing"),
        ("the folder gone", "file_missing"),
        ("another model", "not_approved"),
    ],
)
def test_a_damaged_model_gives_way_to_the_last_good_one(
    settings: ServeSettings, scorer: LeadScorer, newer: LeadScorer, damage: str, code: str
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
    holder, _ = holder_of(settings)

    assert holder.refresh()

    assert serving_version(holder) == "7"
    assert f"version 8 cannot serve ({code})" in holder.warning
    assert holder.refused == {code: 1}


def test_a_manifest_changed_after_approval_is_refused_before_it_is_parsed(
    settings: ServeSettings, scorer: LeadScorer
) -> None:
    old = approved(settings, scorer, "7")
    folder = folder_of(settings.models_folder, old)
    digest = artefacts.manifest_digest(folder)
    approvals = Approvals(open_store(settings.database_address))
    approvals.add(replace(old, version="8", manifest_digest=digest))
    assert load(settings) is not None

    (folder / "manifest.json").write_text("[" * 1000)
    holder, _ = holder_of(settings)

    assert not holder.refresh()
    assert "version 8 cannot serve (not_approved)" in holder.warning
    assert holder.refused == {"not_approved": 1, "not_json": 1}


@pytest.mark.parametrize("digest", ["../../etc", "0" * 63, "A" * 64, ""])
def test_an_approval_without_a_digest_names_no_path(
    settings: ServeSettings, scorer: LeadScorer, digest: str
) -> None:
    given = approved(settings, scorer)

    with pytest.raises(artefacts.ArtefactRefused, match="names no digest"):
        folder_of(settings.models_folder, replace(given, digest=digest))


def test_a_holder_swaps_only_when_an_approval_is_new(
    settings: ServeSettings, scorer: LeadScorer, newer: LeadScorer
) -> None:
    approved(settings, scorer, "7")
    holder, _ = holder_of(settings)
    with pytest.raises(NoModel, match="lead-serve approve VERSION"):
        holder.require()

    assert holder.refresh()
    assert not holder.refresh()
    first = holder.require()
    approved(settings, newer, "8")
    assert holder.refresh()
    assert holder.require() is not first


def test_the_serving_model_goes_on_when_its_folder_is_lost_and_a_newer_one_is_damaged(
    settings: ServeSettings, scorer: LeadScorer, newer: LeadScorer
) -> None:
    approved(settings, small_scorer(seed=9), "6")
    approved(settings, scorer, "7")
    holder, _ = holder_of(settings)
    holder.refresh()
    approved(settings, newer, "8")
    for scored in (scorer, newer):
        shutil.rmtree(settings.models_folder / scored.model_digest)

    assert not holder.refresh()
    assert serving_version(holder) == "7"  # and not 6, which is older than what was reported

    newer.save(settings.models_folder / newer.model_digest)
    assert holder.refresh()  # a folder that comes late is found without another approval
    assert (serving_version(holder), holder.warning) == ("8", "")


def test_a_refusal_is_told_once_and_not_at_every_look(
    settings: ServeSettings, scorer: LeadScorer, caplog: pytest.LogCaptureFixture
) -> None:
    approved(settings, scorer, "7")
    shutil.rmtree(settings.models_folder / scorer.model_digest)
    holder, _ = holder_of(settings)

    for _ in range(3):
        holder.refresh()

    assert [record.getMessage()[:31] for record in caplog.records] == [
        "Approved version 7 cannot serve"
    ]


def test_what_served_last_serves_without_the_database(
    settings: ServeSettings, scorer: LeadScorer, newer: LeadScorer
) -> None:
    approved(settings, scorer, "7")
    holder_of(settings)[0].refresh()
    holder, approvals = holder_of(settings)
    approvals.is_away = True

    assert holder.refresh()
    assert serving_version(holder) == "7"
    assert "version 7 serves as it did last" in holder.warning

    approvals.is_away = False
    assert not holder.refresh()
    assert holder.warning == ""
    approved(settings, newer, "8")
    assert holder.refresh()
    assert serving_version(holder) == "8"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[" * 70_000,
        b'{"model_name": "another"}',
        b'{"version": 7}',
        b"\xff",
        "a model changed since",
        "a path",
        "another name",
        "a time without a zone",
    ],
)
def test_a_copy_of_the_last_approval_vouches_for_nothing(
    settings: ServeSettings, scorer: LeadScorer, content: bytes | str
) -> None:
    approval = approved(settings, scorer, "7")
    holder_of(settings)[0].refresh()
    path = next(settings.models_folder.glob("last_good.*.json"))
    stored = json.loads(path.read_bytes())
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "a model changed since":
        (folder_of(settings.models_folder, approval) / "tables.json").write_text("{}")
    else:
        changed = {
            "a path": {"digest": "../.."},
            "another name": {"model_name": "other"},
            "a time without a zone": {"approved_at": "2026-01-01"},
        }[content]
        path.write_text(json.dumps(stored | changed))
    holder, approvals = holder_of(settings)
    approvals.is_away = True

    assert not holder.refresh()
    assert holder.model is None


def test_a_folder_that_cannot_be_written_does_not_stop_the_service(
    settings: ServeSettings, scorer: LeadScorer
) -> None:
    approval = approved(settings, scorer)
    (settings.home / "models-file").write_text("")

    LastGood(settings.home / "models-file", "lead-quality").write(approval)

    assert LastGood(settings.home / "models-file", "lead-quality").read() is None


def test_a_model_is_ready_before_it_serves(settings: ServeSettings, scorer: LeadScorer) -> None:
    approved(settings, scorer)
    seen: list[object] = []
    approvals = Approvals(open_store(settings.database_address))

    def prepare(model: ServingModel) -> None:
        seen.append((holder.model, model))

    holder = ModelHolder(settings.models_folder, approvals, "lead-quality", prepare)
    holder.refresh()

    assert seen == [(None, holder.require())]


def test_the_memory_of_an_old_model_is_given_back(settings: ServeSettings) -> None:
    holder, _ = holder_of(settings)
    old: list[weakref.ref[ServingModel]] = []
    for seed in range(4):
        approved(settings, small_scorer(seed=seed), str(seed + 1))
        assert holder.refresh()
        old.append(weakref.ref(holder.require()))

    gc.collect()

    assert [one() is None for one in old] == [True, True, True, False]


def test_watching_finds_a_new_approval(settings: ServeSettings, scorer: LeadScorer) -> None:
    approved(settings, scorer)
    holder, _ = holder_of(settings)

    async def run() -> None:
        watching = asyncio.create_task(holder.watch(0.01))
        for _ in range(1_000):
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

    (told,) = model.telling.factors(lead, [place])

    assert model.telling.factors(same, [place])[0] is told
    assert model.telling.factors(other, [place])[0] is not told
