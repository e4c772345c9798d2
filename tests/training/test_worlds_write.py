"""The world on disk: what a company would export, and what reading gives back."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from features.definition import load_definition
from features.leads import LeadHistory, read_history
from features.source_map import load_source_map
from training.worlds import World, WorldSettings, make_world, write_world
from training.worlds.write import Encoding, WorldNotWritten

SETTINGS = WorldSettings(
    n_leads=900,
    n_test=100,
    days=400,
    seed=3,
    audit_share=0.1,
    leaks=("sales_stage", "visit_count", "quote_amount", "owner_team"),
)
TABLES = ("leads.csv", "decisions.csv", "activities.csv")
ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-8-sig", "cp932")


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(SETTINGS)


def read_back(folder: Path) -> LeadHistory:
    return read_history(
        [folder / name for name in TABLES],
        load_definition(folder / "lead_definition.yaml"),
        load_source_map(folder / "source_map.yaml"),
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_read_is_what_was_made(world: World, tmp_path: Path, encoding: Encoding) -> None:
    made, read = (
        world.training_part(),
        read_back(write_world(world, tmp_path / "w", encoding=encoding)),
    )
    for name in ("leads", "fields", "later", "events", "behaviours"):
        expected, found = getattr(made, name), getattr(read, name)
        texts = dict.fromkeys(expected.select_dtypes(object), object)
        pd.testing.assert_frame_equal(found.astype(texts)[list(expected)], expected)
    assert read.mode == "history"
    assert {finding.code for finding in read.findings} == {"column_not_mapped"}


def test_the_text_is_the_same_in_every_encoding(world: World, tmp_path: Path) -> None:
    folders = {name: write_world(world, tmp_path / name, encoding=name) for name in ENCODINGS}
    for table in TABLES:
        texts = {(folder / table).read_bytes().decode(name) for name, folder in folders.items()}
        assert len(texts) == 1
    text = (folders["cp932"] / "leads.csv").read_text("cp932")
    for habit in ("㈱", "①", "髙", "～", "名", "万円", "億円", "，"):
        assert habit in text


def test_the_same_seed_gives_the_same_bytes(world: World, tmp_path: Path) -> None:
    first = write_world(world, tmp_path / "first")
    second = write_world(make_world(SETTINGS), tmp_path / "second")
    other = write_world(make_world(replace(SETTINGS, seed=4)), tmp_path / "other")
    assert contents(first) == contents(second)
    assert all(contents(first)[name] != contents(other)[name] for name in TABLES)


def test_the_export_holds_nothing_from_after_the_cut_off(world: World, tmp_path: Path) -> None:
    folder = write_world(world, tmp_path / "w")
    cut_off = pd.Timestamp(world.cut_off).tz_convert("Asia/Tokyo")
    for table, column in (
        ("leads.csv", "登録日時"), ("decisions.csv", "日時"), ("activities.csv", "発生日時"),
    ):  # fmt: skip
        times = pd.to_datetime(pd.read_csv(folder / table, dtype=str)[column])
        latest = (
            times.max() if times.dt.tz is not None else times.dt.tz_localize("Asia/Tokyo").max()
        )
        assert latest <= cut_off
    future = set(world.test_part().leads["lead_id"])
    for table in TABLES:
        assert not future & set(pd.read_csv(folder / table, dtype=str)["リードID"])


def test_the_truth_lies_apart_and_reading_never_needs_it(world: World, tmp_path: Path) -> None:
    folder = write_world(world, tmp_path / "w")
    (folder / "truth" / "truth.csv").rename(tmp_path / "truth.csv")
    assert len(read_back(folder).leads) == 900
    with (tmp_path / "truth.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["lead_id"] for row in rows] == list(world.leads["lead_id"])
    assert [float(row["p_90"]) for row in rows] == list(world.truth["p_90"])


def test_the_two_agreements_fit_the_files(world: World, tmp_path: Path) -> None:
    folder = write_world(world, tmp_path / "w")
    definition = load_definition(folder / "lead_definition.yaml")
    assert str(definition.recording_began) == "2025-09-27"
    assert definition.model_copy(update={"recording_began": None}) == load_definition()
    readme = (folder / "README.txt").read_text("utf-8")
    assert "900 invented leads" in readme
    assert "never be used to train" in readme


def test_a_folder_with_something_in_it_is_left_alone(world: World, tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(WorldNotWritten, match="exists and is not an empty folder; nothing was"):
        write_world(world, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_a_folder_that_cannot_be_made_says_why(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorldNotWritten, match=r"cannot be made \(.*\). Check the path"):
        write_world(world, tmp_path / "file" / "w")


def test_a_write_that_is_broken_off_leaves_nothing(world: World, tmp_path: Path) -> None:
    def stop(what: str, share: float) -> None:
        if what == "activities.csv":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_world(world, tmp_path / "w", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_taken_and_progress_is_told(world: World, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    (tmp_path / "w").mkdir()
    write_world(world, tmp_path / "w", progress=lambda what, share: told.append((what, share)))
    assert [what for what, _ in told] == [*TABLES, "truth", "written"]
    assert told[-1][1] == 1.0
