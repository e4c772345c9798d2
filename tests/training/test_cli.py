import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import world_files
from tests.training.typed import lead_train
from training.settings import TrainSettings, describe_settings


def test_world_writes_files_and_one_json_document(tmp_path):
    out = tmp_path / "w"

    done = lead_train(
        "world",
        "--out",
        out,
        "--leads",
        300,
        "--seed",
        1,
        "--encoding",
        "cp932",
        "--json",
        home=tmp_path,
    )

    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert "leads.csv" in document["files"]
    assert "リードID" in (out / "leads.csv").read_text("cp932")
    assert "Inventing" in done.stderr


def test_world_refuses_a_folder_that_holds_something(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")

    done = lead_train("world", "--out", tmp_path, "--leads", 300, home=tmp_path)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    "arguments",
    [(), ("train",), ("world", "--out", "w", "--leads", "3"), ("world", "--out", "w", "--encoding", "sjis"), ("nonsense",)],
    ids=["nothing", "no files", "too few", "encoding", "command"],
)  # fmt: skip
def test_wrong_use_exits_with_2(tmp_path, arguments):
    done = lead_train(*arguments, home=tmp_path)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_exits_with_1_and_one_message(tmp_path, world_folder):
    done = lead_train(
        "train", "--leads", tmp_path / "none.csv", "--source-map", world_folder / "source_map.yaml",
        "--definition", world_folder / "lead_definition.yaml", "--json", home=tmp_path / "home",
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stdout == ""
    assert "none.csv" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "home").exists()


def test_an_impossible_setting_is_named(tmp_path):
    done = lead_train("promote", "1", home=tmp_path, LEAD_SEED="many")

    assert done.returncode == 2
    assert "LEAD_SEED" in done.stderr


def test_train_and_promote_from_files(tmp_path, world_folder):
    trained = lead_train(
        "train", "--leads", *world_files(world_folder), "--source-map", world_folder / "source_map.yaml",
        "--definition", world_folder / "lead_definition.yaml", "--name", "mine", "--json", home=tmp_path / "home",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    document = json.loads(trained.stdout)
    assert document["name"] == "mine"
    assert document["evaluation"]["results"]

    small = ("--override", "--by", "Hanako", "--why", "too few wins for the gate")
    promoted = lead_train(
        "promote", document["version"], "--name", "mine", *small, home=tmp_path / "home"
    )

    assert promoted.returncode == 0, promoted.stderr
    assert f"lead-serve approve {document['version']} --name mine --why" in promoted.stdout


@pytest.mark.parametrize("variables", [{}, {"MLFLOW_TRACKING_URI": "sqlite:///none/mlflow.db"}])
def test_promote_before_any_training_makes_no_store(tmp_path, variables):
    done = lead_train("promote", "1", home=tmp_path / "home", **variables)

    assert done.returncode == 1
    assert "There is no MLflow store yet at sqlite:///" in done.stderr
    assert "train first" in done.stderr
    assert list(tmp_path.iterdir()) == []


def stop_at(marker: str, code: str, home: Path, *arguments: object) -> tuple[int, str]:
    """Start lead-train as its console script does, send Ctrl-C at a marker, and wait."""
    running = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LEAD_HOME": str(home), "PYTHONUNBUFFERED": "1"},
    )
    assert running.stderr is not None
    told = ""
    while marker not in told and (line := running.stderr.readline()):
        told += line
    running.send_signal(signal.SIGINT)
    told += running.communicate(timeout=60)[1]
    return running.returncode, told


def test_ctrl_c_while_the_program_is_being_imported_ends_with_one_line(tmp_path):
    code = (
        "import sys, time\n"
        "class Slow:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': print('importing', file=sys.stderr); time.sleep(60)\n"
        "sys.meta_path.insert(0, Slow())\n"
        "from training.cli import main\n"
        "main()\n"
    )

    returned, told = stop_at("importing", code, tmp_path, "train")

    assert returned == 130
    assert told == "importing\nInterrupted; nothing half-done is left behind.\n"


def test_ctrl_c_at_work_ends_with_130_and_leaves_nothing(tmp_path):
    out = tmp_path / "w"

    returned, told = stop_at(
        "Inventing", "from training.cli import main; main()", tmp_path, "world", "--out", out,
        "--leads", "200000",
    )  # fmt: skip

    assert returned == 130
    assert told.endswith("\nInterrupted; nothing half-done is left behind.\n")
    assert list(tmp_path.iterdir()) == []


def test_settings_come_from_the_environment_and_are_described(monkeypatch, tmp_path):
    monkeypatch.setenv("LEAD_MODEL_NAME", "ours")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///there.db")
    monkeypatch.setenv("LEAD_HOME", str(tmp_path))

    settings = TrainSettings()

    assert settings.model_name == "ours"
    assert settings.tracking_address == "sqlite:///there.db"
    assert settings.artifacts_folder == tmp_path / "mlartifacts"
    assert TrainSettings(home=tmp_path, tracking_uri="").tracking_address.endswith("/mlflow.db")
    for name in ("LEAD_HOME", "LEAD_TRACKING_URI", "LEAD_CHOICE_SECONDS", "MLFLOW_RUN_ID"):
        assert name in describe_settings()
