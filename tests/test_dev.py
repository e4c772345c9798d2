"""The bootstrap: clear refusals, nothing half-written, nothing left running."""

from __future__ import annotations

import argparse
import ast
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import demo
import dev

ROOT = Path(__file__).resolve().parent.parent
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and shell scripts are POSIX")


def test_an_older_python_is_told_which_one_to_use(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))

    code = dev.main(["test"])

    assert code == 2
    assert "Python 3.11 or newer is needed" in capsys.readouterr().err


def test_dev_parses_on_pythons_that_only_have_to_be_refused():
    tree = ast.parse((ROOT / "dev.py").read_text("utf-8"), feature_version=(3, 8))

    assert tree.body


@pytest.mark.parametrize("command", [[], ["nonsense"], ["lint", "--what"], ["results"]])
def test_wrong_use_ends_with_code_2(command, capsys):
    with pytest.raises(SystemExit) as ended:
        dev.main(command)

    assert ended.value.code == 2
    assert "usage: dev.py" in capsys.readouterr().err


def test_arguments_of_test_go_to_pytest():
    options = dev.parse(["test", "-k", "lock", "--help"])

    assert options.rest == ["-k", "lock", "--help"]


def test_tests_write_into_memory_where_there_is_room_and_nobody_said_otherwise(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("TMPDIR", raising=False)
    assert dev.where_to_write(tmp_path, bytes_needed=0) == {"TMPDIR": str(tmp_path)}
    assert dev.where_to_write(tmp_path, bytes_needed=2**60) == {}
    assert dev.where_to_write(tmp_path / "nowhere", bytes_needed=0) == {}

    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert dev.where_to_write(tmp_path, bytes_needed=0) == {}


def test_a_memory_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "folder" / "memory.json"

    dev.remember(path, {"版": 1})

    assert dev.remembered(path) == {"版": 1}
    assert [left.name for left in path.parent.iterdir()] == ["memory.json"]


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00"])
def test_a_damaged_memory_remembers_nothing(tmp_path, content):
    path = tmp_path / "memory.json"
    path.write_text(content)

    assert dev.remembered(path) == {}


def test_children_compile_and_inherit_no_foreign_python(monkeypatch):
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "1")

    environment = dev.child_environment(LEAD_HOME="x")

    assert not {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME"} & set(environment)
    assert environment["LEAD_HOME"] == "x"


def test_no_setting_of_the_caller_leads_the_demo_elsewhere(monkeypatch):
    monkeypatch.setenv("LEAD_DATABASE_URL", "sqlite:///important.db")

    environment = demo.environment()

    assert [name for name in environment if name.startswith("LEAD_")] == [
        "LEAD_HOME",
        "LEAD_CHOICE_SECONDS",
        "LEAD_ACCESS",
    ]


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ([""], "pip looks at what is there"),
        (["Collecting numpy==2.4.6 (from -r requirements.lock)"], "fetching package 1: numpy"),
        (["Processing ./wheels/scipy-1.17.1-cp311.whl"], "fetching package 1: scipy"),
        (["Collecting a", "Installing collected packages: a"], "unpacking, "),
    ],
)
def test_progress_says_what_pip_does(log, words):
    assert dev.what_pip_does(log).startswith(words)


def test_a_taken_port_is_passed_over_and_a_wished_one_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert demo.free_port(port, port + 20) > port
        with pytest.raises(dev.Stopped, match="Name a free one with --port"):
            demo.free_port(port, port)


def test_an_environment_whose_python_went_away_is_installed_again(tmp_path, monkeypatch):
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    for name in ("VENV", "LOCK", "MARK"):
        monkeypatch.setattr(dev, name, tmp_path / getattr(dev, name).relative_to(ROOT))
    (tmp_path / "pyproject.toml").write_text("")
    dev.LOCK.write_text("")
    dev.remember(dev.MARK, {"lock": dev.digest(dev.LOCK), "project": "another"})
    calls: list[tuple[str, ...]] = []  # in the place of pip, which needs a package index
    monkeypatch.setattr(dev, "pip", lambda *arguments: calls.append(arguments))

    dev.install()
    dev.install()

    assert ["--require-hashes" in call for call in calls] == [True, False]
    assert Path(dev.tool("python")).exists()
    assert dev.remembered(dev.MARK)["lock"] == dev.digest(dev.LOCK)


CHILD = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_takes_its_child_with_it(number):
    work = f"dev.run([sys.executable, '-c', {CHILD!r}])"
    code = f"import dev, sys; sys.exit(dev.guarded(lambda: {work}))"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        child = int(parent.stdout.readline())

        parent.send_signal(number)

        assert parent.wait(20) == 130
    with pytest.raises(ProcessLookupError, match="No such process"):
        os.kill(child, 0)


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """Put small scripts in the place of the installed commands; each notes that it was called."""
    commands = tmp_path / "venv" / "bin"
    commands.mkdir(parents=True)
    log = tmp_path / "calls"
    log.touch()
    verdict = {"level": "ready", "words": {"ja": "良い", "en": "Good."}}
    trained = json.dumps({"version": "3", "evaluation": {"verdict": verdict}}, ensure_ascii=True)
    script = f"""#!/bin/sh
echo "$(basename "$0") $1" >> {log}
case "$1" in
  world) mkdir -p "$3"; touch "$3/leads.csv" ;;
  train) touch "$LEAD_HOME/mlflow.db"; test ! -e {tmp_path}/broken && echo '{trained}' ;;
  report) touch "$4" ;;
esac
"""
    for name in ("lead-train", "lead-serve"):
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    monkeypatch.setattr(dev, "VENV", tmp_path / "venv")
    monkeypatch.setattr(demo, "HOME", tmp_path / "home")
    monkeypatch.setattr(demo, "example", lambda world: {"lead_id": "L-1"})
    return tmp_path


@POSIX
def test_a_finished_demo_is_not_made_again(stand_ins):
    first = demo.learn()
    calls = (stand_ins / "calls").read_text().splitlines()

    again = demo.learn()

    assert first == again
    assert first["version"] == "3"
    assert calls == [
        "lead-train world",
        "lead-train train",
        "lead-train promote",
        "lead-serve approve",
        "lead-train report",
    ]
    assert (stand_ins / "calls").read_text().splitlines() == calls


@POSIX
def test_a_training_that_broke_is_run_again_on_a_clean_store_and_the_same_world(stand_ins):
    (stand_ins / "broken").touch()
    with pytest.raises(dev.Stopped, match="`lead-train train` ended with code 1"):
        demo.learn()
    (stand_ins / "home" / "half_a_store").touch()
    (stand_ins / "broken").unlink()

    state = demo.learn()

    assert state["version"] == "3"
    assert not (stand_ins / "home" / "half_a_store").exists()
    assert (stand_ins / "calls").read_text().split().count("world") == 1


@POSIX
def test_another_recipe_forgets_the_old_demo(stand_ins, monkeypatch):
    demo.learn()
    monkeypatch.setattr(demo, "SEED", 8)

    demo.learn()

    assert (stand_ins / "calls").read_text().split().count("world") == 2
    assert json.loads((stand_ins / "home" / "state.json").read_text())["recipe"]["seed"] == 8


@POSIX
def test_a_service_that_dies_is_reported_with_its_last_words(stand_ins):
    demo.HOME.mkdir()
    (stand_ins / "venv" / "bin" / "lead-serve").write_text("#!/bin/sh\necho no model >&2\nexit 1\n")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    started = time.monotonic()

    try:
        with (
            pytest.raises(dev.Stopped, match=r"no model[\s\S]*did not get ready"),
            demo.serving(1) as service,
        ):
            demo.wait_until_ready("http://127.0.0.1:1", service)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

    assert time.monotonic() - started < 10


def test_the_demo_understands_what_its_help_says():
    options = dev.demo_options(argparse.ArgumentParser()).parse_args(["--port", "81", "--once"])

    assert (options.port, options.once, options.fresh) == (81, True, False)
