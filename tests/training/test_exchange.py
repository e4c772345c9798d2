"""The files of the service's export: many days, many inputs of one lead, corrections."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from features.definition import load_definition
from features.errors import FileUnreadable, LeadsRejected
from tests.conftest import TODAY
from training.exchange import find_exchange, read_exchange
from training.labels import label_history
from training.worlds import World, WorldSettings, make_world

EVENTS = ["lead_id", "at", "kind", "reason", "amount", "actor", "source", "event_id"]


def export(world: World, folder: Path) -> Path:
    """Write what is known at the cut-off as the service would: by month, each day of inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    known = world.training_part()
    leads = known.fields.copy()
    leads.insert(0, "lead_id", known.leads["lead_id"])
    leads.insert(1, "as_of", known.leads["arrived_at"].map(lambda at: at.isoformat()))
    leads = leads.drop(columns=["arrived_at"])
    half = len(leads) // 2
    leads.iloc[:half].to_csv(folder / "leads-2025.csv", index=False)
    leads.iloc[half:].to_csv(folder / "leads-2026.csv", index=False)
    events = known.events.copy()
    events["at"] = events["at"].map(lambda at: at.isoformat())
    half = len(events) // 2
    # Exports overlap by a hundred events, as two cron jobs would.
    events.iloc[: half + 100][EVENTS].to_csv(folder / "events-1.csv", index=False)
    events.iloc[half:][EVENTS].to_csv(folder / "events-2.csv", index=False)
    behaviours = known.behaviours.copy()
    behaviours["at"] = behaviours["at"].map(lambda at: at.isoformat())
    behaviours.to_csv(folder / "behaviours.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(WorldSettings(n_leads=600, n_test=0, seed=21, leaks=()))


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(world, tmp_path_factory.mktemp("export"))


def test_an_export_in_many_files_reads_as_the_history_it_came_from(world, folder):
    definition = load_definition()
    known = world.training_part()

    read = read_exchange(find_exchange(folder), definition, today=TODAY)

    assert read.leads["lead_id"].tolist() == known.leads["lead_id"].tolist()
    assert len(read.events) == len(known.events)
    assert len(read.behaviours) == len(known.behaviours)
    labels = [label_history(one, definition, world.cut_off) for one in (read, known)]
    assert labels[0].state.tolist() == labels[1].state.tolist()
    assert labels[0].n_wins == labels[1].n_wins > 0


def test_a_lead_scored_again_is_learnt_as_it_was_at_arrival(folder, tmp_path):
    definition = load_definition()
    again = pd.read_csv(folder / "leads-2025.csv", dtype=str).head(50)
    again["as_of"] = "2026-10-30T09:00:00+09:00"
    again["employees"] = "99999"
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    again.to_csv(tmp_path / "leads-again.csv", index=False)

    before = read_exchange(find_exchange(folder), definition, today=TODAY)
    after = read_exchange(find_exchange(tmp_path), definition, today=TODAY)

    assert "99999" not in after.fields["employees"].astype(str).tolist()
    pd.testing.assert_frame_equal(after.leads, before.leads)


def test_a_retracted_event_is_as_if_it_had_not_been(world, folder, tmp_path):
    definition = load_definition()
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    events = pd.read_csv(folder / "events-1.csv", dtype=str)
    won = events[events["kind"] == "won"].iloc[0]
    retracted = won.to_frame().T.assign(
        kind="retracted",
        at="2026-10-31T09:00:00+09:00",
        reason=won["event_id"],
        amount=None,
        event_id="R1",
    )
    retracted.to_csv(tmp_path / "events-3.csv", index=False)

    before = read_exchange(find_exchange(folder), definition, today=TODAY)
    after = read_exchange(find_exchange(tmp_path), definition, today=TODAY)

    wins = [label_history(one, definition, world.cut_off).won_days for one in (before, after)]
    assert pd.isna(wins[1]).sum() == pd.isna(wins[0]).sum() + 1


def test_a_folder_without_events_is_refused_with_what_belongs_there(tmp_path):
    (tmp_path / "leads.csv").write_text("lead_id,as_of\n", "utf-8")

    with pytest.raises(FileUnreadable, match=r"no events\*\.csv; found leads\.csv"):
        find_exchange(tmp_path)


def test_a_place_that_is_no_folder_is_refused(tmp_path):
    with pytest.raises(FileUnreadable, match="is not a folder"):
        find_exchange(tmp_path / "nowhere")


def test_recorded_inputs_without_their_time_are_refused(folder, tmp_path):
    leads = pd.read_csv(folder / "leads-2025.csv", dtype=str).drop(columns=["as_of"])
    leads.to_csv(tmp_path / "leads.csv", index=False)
    (tmp_path / "events.csv").write_bytes((folder / "events-1.csv").read_bytes())

    with pytest.raises(FileUnreadable, match="no column as_of"):
        read_exchange(find_exchange(tmp_path), load_definition(), today=TODAY)


def test_an_unknown_kind_of_event_is_named_with_its_rows(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    events = pd.read_csv(folder / "events-2.csv", dtype=str)
    events.loc[3, "kind"] = "exploded"
    events.to_csv(tmp_path / "events-2.csv", index=False)

    with pytest.raises(LeadsRejected, match="exploded"):
        read_exchange(find_exchange(tmp_path), load_definition(), today=TODAY)


def test_the_digest_of_an_exchange_follows_its_contents(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    same = find_exchange(tmp_path).digest()
    with (tmp_path / "events-1.csv").open("a", encoding="utf-8") as file:
        file.write("L1,2026-10-01T00:00:00+09:00,touched,,,,,x1\n")

    assert same == find_exchange(folder).digest()
    assert find_exchange(tmp_path).digest() != same
