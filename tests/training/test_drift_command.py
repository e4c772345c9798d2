from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.conftest import world_files
from tests.training.typed import lead_train
from training.promotion import Override, promote
from training.settings import TrainSettings


@pytest.fixture(scope="module")
def home(tmp_path_factory, trained) -> Path:
    """A store with the model as its champion."""
    folder = tmp_path_factory.mktemp("drift") / "home"
    settings = TrainSettings(home=folder, tracking_uri="")
    registered = trained.log(settings, name="lead-quality")
    answers = Override("the test", "two thousand leads are too few for the gate")
    promote(settings, registered.name, registered.version, override=answers)
    return folder


def watch(home: Path, files: list[Path], folder: Path, *more: object):
    return lead_train(
        "drift", "--leads", *files, "--source-map", folder / "source_map.yaml", *more, home=home
    )


def test_quiet_leads_end_with_0_and_say_so(home, world_folder):
    done = watch(home, world_files(world_folder), world_folder, "--since", "2026-08-01", "--json")

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["alarms"] == []
    assert document["since"].startswith("2026-08-01") or document["since"].startswith("2026-07-31")
    assert "Comparing" in done.stderr


def test_a_change_ends_with_3_and_names_the_field(home, world_folder, tmp_path):
    with (world_folder / "leads.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["登録日時"] >= "2026/08":
            row["流入元"] = "ウェビナー"
    with (tmp_path / "leads.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    files = [tmp_path / "leads.csv", *world_files(world_folder)[1:]]

    done = watch(home, files, world_folder, "--since", "2026-08-01", "--version", "1")

    assert done.returncode == 3, done.stderr
    assert "流入元: ウェビナーが " in done.stdout
    assert "→ 100%" in done.stdout
    assert "再学習" in done.stdout


def test_a_model_that_is_not_there_ends_with_1(home, world_folder):
    done = watch(home, world_files(world_folder), world_folder, "--version", "99")

    assert done.returncode == 1
    assert "no version 99" in done.stderr
    assert done.stdout == ""


def test_a_beginning_that_is_no_day_is_wrong_use(home, world_folder):
    done = watch(home, world_files(world_folder), world_folder, "--since", "last week")

    assert done.returncode == 2
    assert "--since" in done.stderr
