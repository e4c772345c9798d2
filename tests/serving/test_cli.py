"""``lead-serve``: exit codes, messages, start and end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from features.scorer import LeadScorer
from serving import cli
from serving.model_life.approving import Approver
from serving.settings import ServeSettings, describe_settings
from serving.store import Approval, open_store
from tests.builders import small_scorer
from tests.serving.conftest import approved


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEAD_HOME", str(tmp_path))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line in this process and return its exit code."""
    monkeypatch.setattr("sys.argv", ["lead-serve", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_help_lists_every_setting() -> None:
    shown = CliRunner().invoke(cli.app, ["--help"]).output

    for name, _, _ in describe_settings():
        assert name in shown


def test_migrate_makes_the_tables(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "migrate") == 0

    open_store(f"sqlite:///{home / 'lead_serve.db'}").check()


def test_a_refusal_is_one_message_and_exit_code_1(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "approve", "1", "--why", "because") == 1

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("There is no MLflow store")
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["approve"],
        ["approve", "1"],
        ["approve", "1", "--why", "  "],
        ["rollback"],
        ["rollback", "--why", " "],
        ["serve", "--port", "70000"],
        ["nonsense"],
    ],
)
def test_wrong_use_is_exit_code_2(
    home: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    assert run(monkeypatch, *arguments) == 2


def _approve_unseen(scorer: LeadScorer) -> Callable[..., Approval]:
    """Return an approval of version 3 without a registry to fetch it from."""

    def approve(approver: Approver, *_: str) -> Approval:
        settings = approver._settings
        return replace(approved(settings, scorer, "3"), model_name=settings.model_name)

    return approve


def test_an_approval_is_told_in_words(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    scorer: LeadScorer,
) -> None:
    approval = approved(ServeSettings(), scorer, "3")
    monkeypatch.setattr("serving.model_life.approving.Approver.approve", lambda *_: approval)

    assert run(monkeypatch, "approve", "3", "--why", "better") == 0
    assert "Version 3 of lead-quality may serve" in capsys.readouterr().out


def test_an_approval_takes_a_name_and_says_how_that_name_is_served(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    scorer: LeadScorer,
) -> None:
    monkeypatch.setattr("serving.model_life.approving.Approver.approve", _approve_unseen(scorer))

    assert run(monkeypatch, "approve", "3", "--why", "better", "--name", "our model") == 0

    told = capsys.readouterr().out
    assert "Version 3 of our model may serve" in told
    assert "LEAD_MODEL_NAME='our model' lead-serve serve" in told


def test_the_name_of_an_approval_may_come_from_the_environment(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    scorer: LeadScorer,
) -> None:
    monkeypatch.setenv("LEAD_MODEL_NAME", "ours")
    monkeypatch.setattr("serving.model_life.approving.Approver.approve", _approve_unseen(scorer))

    assert run(monkeypatch, "approve", "3", "--why", "better") == 0

    told = capsys.readouterr().out
    assert "Version 3 of ours may serve" in told
    assert "A running service takes it" in told


def test_the_approvals_are_listed_and_going_back_is_told(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    scorer: LeadScorer,
) -> None:
    assert run(monkeypatch, "models") == 0
    assert "Nothing of lead-quality is approved yet" in capsys.readouterr().out
    approved(ServeSettings(), scorer, "3")
    assert run(monkeypatch, "rollback", "--why", "odd") == 1
    assert "There is no earlier approval" in capsys.readouterr().err
    newer = small_scorer(seed=5)
    approved(ServeSettings(), newer, "4")

    assert run(monkeypatch, "rollback", "--why", "odd", "--who", "taro") == 0
    assert "Version 3 of lead-quality may serve again" in capsys.readouterr().out
    (home / "models" / newer.model_digest / "tables.json").unlink()
    assert run(monkeypatch, "models") == 0

    told = capsys.readouterr().out.splitlines()
    assert ["version 3" in line for line in told] == [True, False, True]
    assert "by taro: odd  [whole]" in told[0]
    assert "[cannot serve (file_missing): tables.json is missing" in told[1]


def test_a_port_in_use_is_a_clear_message(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        assert run(monkeypatch, "serve", "--port", port) == 1

    told = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{port}: another program listens there" in told
    assert "OSError" not in told


def test_an_address_that_is_none_is_a_clear_message(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "serve", "--host", "::zz", "--port", "0") == 1
    assert "cannot listen on ::zz:0: it is no address of this machine" in capsys.readouterr().err


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_serve_says_its_address_answers_and_ends_cleanly(
    home: Path, scorer: LeadScorer, end: signal.Signals
) -> None:
    approved(ServeSettings(), scorer)
    running = subprocess.Popen(
        [sys.executable, "-m", "serving.cli", "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LEAD_HOME": str(home)},
    )
    assert running.stderr is not None
    try:
        address = running.stderr.readline().split("listens on ")[1].split()[0]
        deadline = time.monotonic() + 60
        ready = None
        while ready is None and time.monotonic() < deadline:
            try:
                ready = json.load(urllib.request.urlopen(f"{address}/readyz", timeout=5))
            except OSError:
                time.sleep(0.1)
        assert ready == {
            "status": "ready",
            "model": "7",
            "store": "ok",
            "warning": "",
            "registry": "off",
            "proposed": "",
        }
        running.send_signal(end)
        assert running.wait(20) in (0, -end)
        assert "Traceback" not in running.stderr.read()
    finally:
        running.kill()
        running.wait()
        running.stderr.close()
