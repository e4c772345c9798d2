"""README command 1 on a small world, in a fresh folder: interrupted, finished, started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="the test sends POSIX signals"),
    pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="needs the project's own .venv"),
]


def start(folder: Path, *flags: str) -> subprocess.Popen[str]:
    """Start the demo in `folder`, as `dev.py demo` does once everything is installed."""
    return subprocess.Popen(
        [sys.executable, "demo.py", *flags],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "LEAD_DATABASE_URL": "sqlite:///elsewhere.db"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(stream, words: str) -> list[str]:
    """Read lines up to the one with `words`; the rest is read on in the background."""
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        if words in line:
            break
    threading.Thread(target=stream.read, daemon=True).start()
    return lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A checkout in small: both scripts, the environment of this run, and 2,400 leads."""
    made = tmp_path_factory.mktemp("checkout")
    (made / "dev.py").write_text((ROOT / "dev.py").read_text("utf-8"), "utf-8")
    journey = (ROOT / "demo.py").read_text("utf-8")
    assert "LEADS, SEED = 8000, 7" in journey
    assert 'call("lead-train", "promote", version)' in journey
    journey = journey.replace("= 8000, 7", "= 2400, 7")
    # So few leads have not the wins that the gate asks for; the demo's own 8,000 have.
    answered = '"--override", "--by", "Hanako", "--why", "too few wins for the gate"'
    journey = journey.replace('"promote", version)', f'"promote", version, {answered})')
    (made / "demo.py").write_text(journey, "utf-8")
    (made / ".venv").symlink_to(sys.prefix)
    return made


@pytest.fixture(scope="module")
def first(folder):
    """Interrupt the first start while it trains, then let the second one finish."""
    with start(folder, "--once") as child:
        begun = read_until(child.stderr, "Training on it")
        time.sleep(2)
        child.send_signal(signal.SIGINT)
        interrupted = child.wait(60)
    with start(folder, "--once") as child:
        output, messages = child.communicate(timeout=400)
    assert child.returncode == 0, messages
    return begun, interrupted, output, messages


def test_an_interrupted_start_ends_at_once_and_the_next_goes_on(first):
    begun, interrupted, _, messages = first

    assert interrupted == 130
    assert any("Inventing" in line for line in begun)
    assert "Inventing" not in messages
    assert "Traceback" not in messages


def test_the_last_line_is_one_scored_lead_with_reasons_in_both_languages(first):
    _, _, output, messages = first

    answer = json.loads(output.splitlines()[-1])

    assert answer["status"] == "scored"
    assert 0 <= answer["score"] <= 100
    assert answer["decision"] in {"handoff", "nurture", "review", "suppress"}
    assert answer["factors"]
    for factor in answer["factors"]:
        assert factor["text"]["ja"] in messages
        assert factor["text"]["en"] in messages


def test_it_says_what_the_gate_said_and_where_the_report_is(first, folder):
    _, _, _, messages = first
    report = folder / ".leads" / "demo" / "report.html"

    assert "The gate says: " in messages
    assert str(report) in messages.rstrip().splitlines()[-1]
    assert report.read_text("utf-8").rstrip().endswith("</html>")


def test_a_second_start_takes_seconds_and_gives_the_same_answer(first, folder):
    started = time.monotonic()
    with start(folder, "--once") as child:
        output, messages = child.communicate(timeout=100)

    assert child.returncode == 0, messages
    assert time.monotonic() - started < 30
    volatile = {"request_id", "scored_at"}
    once, again = (json.loads(text.splitlines()[-1]) for text in (first[2], output))
    assert {k: v for k, v in once.items() if k not in volatile} == {
        k: v for k, v in again.items() if k not in volatile
    }


def test_it_serves_until_ctrl_c_and_leaves_nothing_running(first, folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with start(folder, "--port", str(port)) as child:
        read_until(child.stderr, "Serving until")
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        child.send_signal(signal.SIGINT)

        assert child.wait(30) == 130
    with (
        pytest.raises(ConnectionRefusedError, match="refused"),
        socket.create_connection(("127.0.0.1", port), timeout=5),
    ):
        pass


def test_everything_lies_in_the_demo_s_own_folder(first, folder):
    left = {path.name for path in folder.iterdir()} - {"__pycache__"}

    assert left == {".leads", ".venv", "dev.py", "demo.py"}


def test_the_store_shows_run_metrics_and_champion(first, folder):
    code = (
        "import json, mlflow\n"
        "client = mlflow.MlflowClient()\n"
        "champion = client.get_model_version_by_alias('lead-quality', 'champion')\n"
        "run = client.get_run(champion.run_id)\n"
        "files = [file.path for file in client.list_artifacts(champion.run_id)]\n"
        "print(json.dumps([run.info.status, len(run.data.params), len(run.data.metrics), files]))"
    )
    store = f"sqlite:///{folder / '.leads' / 'demo' / 'mlflow.db'}"

    found = subprocess.check_output(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": store, "MLFLOW_DISABLE_TELEMETRY": "true"},
        text=True,
    )

    status, n_params, n_metrics, files = json.loads(found.splitlines()[-1])
    assert status == "FINISHED"
    assert min(n_params, n_metrics) > 5
    assert {"scorer", "definition.yaml", "report.html", "gate.json"} <= set(files)
