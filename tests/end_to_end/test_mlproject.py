"""`mlflow run .` trains, retrains and promotes, each in one run of the store that serving reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from tests.training.test_exchange import export
from training.worlds import WorldSettings, make_world, write_world

ROOT = Path(__file__).resolve().parents[2]
ANSWERED = {"by": "Hanako", "why": "too few wins for the gate"}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def client(home):
    """The store, with the experiment whose files lie in the test's folder."""
    store = f"sqlite:///{home / 'mlflow.db'}"
    made = mlflow.MlflowClient(store, store)
    made.create_experiment("trial", (home / "artifacts").as_uri())
    return made


def run_project(home: Path, entry: str, **parameters: str) -> subprocess.CompletedProcess[str]:
    """Run an entry point as a person does in the repository's folder."""
    given = [part for key, value in parameters.items() for part in ("-P", f"{key}={value}")]
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LEAD_", "MLFLOW_"))
    }
    own = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LEAD_HOME": str(home),
        "LEAD_CHOICE_SECONDS": "0",
        "LEAD_DRAWS": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "mlflow", "run", ".", "-e", entry, "--env-manager", "local", *given]
        + ["--experiment-name", "trial"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env=kept | own,
    )


def check_done(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def test_the_main_entry_trains_in_the_run_it_was_given_and_promote_finds_the_version(
    home, client, tmp_path
):
    world = write_world(
        make_world(WorldSettings(n_leads=1500, n_test=0, seed=3)), tmp_path / "world"
    )
    tables = " ".join(str(world / f"{name}.csv") for name in ("leads", "decisions", "activities"))

    check_done(
        run_project(
            home,
            "main",
            leads=tables,
            source_map=str(world / "source_map.yaml"),
            definition=str(world / "lead_definition.yaml"),
            name="trained",
        )
    )

    version = client.get_model_version("trained", "1")
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.project.entryPoint"] == "main"
    assert run.data.params["model_digest"] == version.tags["model_digest"]

    check_done(run_project(home, "promote", version="1", name="trained", **ANSWERED))
    champion = client.get_model_version_by_alias("trained", "champion")
    assert str(champion.version) == "1"
    assert champion.tags["override_by"] == "Hanako"


def test_the_retrain_entry_learns_once_from_a_folder_and_proposes(home, client, tmp_path):
    world = make_world(WorldSettings(n_leads=600, n_test=0, seed=21, leaks=()))
    folder = export(world, tmp_path / "export")

    check_done(run_project(home, "retrain", folder=str(folder), name="retrained"))
    again = run_project(home, "retrain", folder=str(folder), name="retrained")

    check_done(again)
    assert '"status": "nothing_new"' in again.stdout
    champion = client.get_model_version_by_alias("retrained", "champion")
    run = client.get_run(champion.run_id)
    assert str(champion.version) == "1"
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.project.entryPoint"] == "retrain"
