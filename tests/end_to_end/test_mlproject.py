"""`mlflow run .` trains on files and leaves one finished run with a model that can be promoted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from training.worlds import WorldSettings, make_world, write_world

ROOT = Path(__file__).resolve().parents[2]


def test_the_main_entry_trains_in_the_run_it_was_given_and_promote_finds_the_version(tmp_path):
    import mlflow

    world = tmp_path / "world"
    write_world(make_world(WorldSettings(n_leads=1500, n_test=0, seed=3)), world)
    home = tmp_path / "home"
    home.mkdir()
    store = f"sqlite:///{home / 'mlflow.db'}"
    client = mlflow.MlflowClient(store, store)
    experiment = client.create_experiment("trial", (tmp_path / "artifacts").as_uri())
    parameters = {
        "leads": " ".join(
            str(world / f"{name}.csv") for name in ("leads", "decisions", "activities")
        ),
        "source_map": str(world / "source_map.yaml"),
        "definition": str(world / "lead_definition.yaml"),
        "name": "trial",
    }
    given = [part for key, value in parameters.items() for part in ("-P", f"{key}={value}")]
    bin_folder = str(Path(sys.executable).parent)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LEAD_", "MLFLOW_"))
    }
    environment |= {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "LEAD_HOME": str(home),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
    }

    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "local", *given]
        + ["--experiment-name", "trial"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env=environment | {"MLFLOW_TRACKING_URI": store},
    )

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    (run,) = client.search_runs([experiment])
    version = client.get_model_version("trial", "1")
    assert run.info.status == "FINISHED"
    assert version.run_id == run.info.run_id
    assert run.data.params["model_digest"] == version.tags["model_digest"]

    promoted = subprocess.run(
        [sys.executable, "-m", "training.cli", "promote", "1", "--name", "trial"]
        + ["--override", "--by", "Hanako", "--why", "too few wins for the gate"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )

    assert promoted.returncode == 0, promoted.stderr
    assert client.get_model_version_by_alias("trial", "champion").run_id == run.info.run_id
