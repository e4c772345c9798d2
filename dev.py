#!/usr/bin/env python3
"""Everything a newcomer types: python3 dev.py demo | test | lint | bench | lock | results.

Needs Python 3.11+ with venv and pip, a package index, and nothing else. It makes `.venv` from the
hashed lock, remembers what it finished, and goes on from there when it was interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
PARTS = {  # what the images install, in the versions of the whole
    ROOT / "requirements-serve.lock": ["serve", "postgresql"],
    ROOT / "requirements-registry.lock": ["registry"],
}
MARK = VENV / "lead-quality.json"
OLDEST = (3, 11)
STARTED = float(os.environ.setdefault("DEV_STARTED", str(time.time())))  # shared with children


class Stopped(Exception):
    """A step failed; the message says what to do."""


def say(text: str) -> None:
    """Print one line of progress with the time since the start, on standard error."""
    minutes, seconds = divmod(int(time.time() - STARTED), 60)
    print(f"[{minutes}:{seconds:02d}] {text}", file=sys.stderr, flush=True)


# --- the environment -----------------------------------------------------------------------------


def tool(name: str) -> str:
    """Return the path of a command inside `.venv`."""
    folder, suffix = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
    return str(VENV / folder / f"{name}{suffix}")


def site_packages() -> list[Path]:
    """Return where `.venv` keeps its packages."""
    return [*VENV.glob("lib/python*/site-packages"), *VENV.glob("Lib/site-packages")][:1]


def child_environment(**more: str) -> dict[str, str]:
    """Return the environment of every child: byte code is kept, output is UTF-8 and unbuffered."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"}
    }
    return {**kept, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1", **more}


class Terminated(KeyboardInterrupt):
    """Someone ended this process alone: its children were not told."""


def run(command: list[str], **options: Any) -> int:
    """Run a command in the project folder and return its exit code."""
    options.setdefault("env", child_environment())
    with subprocess.Popen(command, cwd=ROOT, **options) as child:
        return wait_for(child)


def wait_for(child: subprocess.Popen[Any]) -> int:
    """Wait for a child; when we are interrupted, let it end tidily, then make sure that it did."""
    try:
        return child.wait()
    except BaseException as interrupt:
        if not isinstance(interrupt, Terminated):  # a terminal's Ctrl-C has reached the child too
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(3)
        stop(child)
        raise


def stop(child: subprocess.Popen[Any], patience: float = 20) -> None:
    """Ask a child to end, and end it when it does not."""
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        child.wait(patience)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def remembered(path: Path) -> dict[str, Any]:
    """Return a small JSON file's content; a missing or damaged one remembers nothing."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def remember(path: Path, content: dict[str, Any]) -> None:
    """Write a small JSON file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    partial.replace(path)


def install() -> None:
    """Make `.venv` what the lock says; takes no time when it is already."""
    wanted = {"lock": digest(LOCK), "project": digest(ROOT / "pyproject.toml")}
    if remembered(MARK) == wanted and Path(tool("python")).exists():
        return
    with one_at_a_time(ROOT / ".venv.lock"):
        make_venv()  # one that no longer works is cleared, its memory with it
        if remembered(MARK).get("lock") != wanted["lock"]:
            MARK.unlink(missing_ok=True)
            say("Installing the locked packages into .venv (once; minutes, by your connection)")
            pip("install", "--no-deps", "--no-compile", "--require-hashes", "-r", str(LOCK))
            say("Compiling them, so that every later start is three times faster")
            compile_packages()
        pip("install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
        remember(MARK, wanted)
    say("The environment is ready")


def make_venv() -> None:
    """Create `.venv`, or complete one that was left half made."""
    works = Path(tool("python")).exists() and not subprocess.call(
        [tool("python"), "-c", f"import pip, sys; sys.exit(sys.version_info < {OLDEST})"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if works:
        return
    say(f"Making .venv with Python {sys.version.split()[0]}")
    if run([sys.executable, "-m", "venv", "--clear", str(VENV)], stdout=sys.stderr):
        raise Stopped(
            "Python could not make a virtual environment. On Debian and Ubuntu its parts come "
            "separately: install python3-venv, then start again."
        )


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Hold a lock while installing, so that two starts do not write into one `.venv`."""
    try:
        import fcntl
    except ImportError:  # Windows: two starts at once are the user's to avoid
        yield
        return
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def pip(*arguments: str) -> None:
    """Run pip and show now and then what it does; on failure, its last lines."""
    child = subprocess.Popen(
        [tool("python"), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments],
        cwd=ROOT,
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=read_lines, args=(child, lines), daemon=True)
    reader.start()
    log, shown = [""], time.monotonic()
    try:
        while reader.is_alive() or not lines.empty():
            with contextlib.suppress(queue.Empty):
                log.append(lines.get(timeout=1).strip())
            if time.monotonic() - shown > 5:
                shown = time.monotonic()
                say(what_pip_does(log))
        if child.wait():
            raise Stopped(
                "\n".join(log[-25:]) + "\npip could not install the packages; its last lines are "
                "above. Check the connection to the package index, then start again: what is "
                "already there is kept."
            )
    except BaseException:
        stop(child)
        raise


def what_pip_does(log: list[str]) -> str:
    """Return pip's progress in a few words, from what it said so far."""
    begun = [line.split()[1] for line in log if line.startswith(("Collecting ", "Processing "))]
    if any(line.startswith("Installing collected") for line in log):
        n_there = sum(len(list(folder.glob("*.dist-info"))) for folder in site_packages())
        return f"unpacking, {n_there} packages are there"
    if begun:
        return f"fetching package {len(begun)}: {re.split('[-=]', Path(begun[-1]).name)[0]}"
    return "pip looks at what is there"


def read_lines(child: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    """Pass a child's output on, line by line."""
    if child.stdout is not None:
        for line in child.stdout:
            lines.put(line)


def compile_packages() -> None:
    """Byte-compile the packages; their own tests are left out."""
    how = "-m compileall -qq -j 0 -x".split()
    for folder in site_packages():
        run(
            [tool("python"), *how, r"[\\/]tests?[\\/]", str(folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # a package may ship a file for another Python: not every file has to compile


# --- the commands --------------------------------------------------------------------------------


def demo(options: argparse.Namespace) -> int:
    """World, model, approval and service in one go; each finished step is remembered."""
    install()
    port = ["--port", str(options.port)] if options.port else []
    flags = [f"--{name}" for name in ("once", "fresh") if getattr(options, name)]
    return run([tool("python"), "demo.py", *port, *flags])


def test(options: argparse.Namespace) -> int:
    """Run the tests, a file at a time on each of two cores; arguments go to pytest."""
    install()
    spread = ["--numprocesses", "2", "--dist", "loadfile"] if (os.cpu_count() or 1) > 1 else []
    given = child_environment(OMP_NUM_THREADS="1", **where_to_write())
    return run([tool("python"), "-m", "pytest", *spread, *options.rest], env=given)


def where_to_write(memory: Path = Path("/dev/shm"), bytes_needed: int = 2**31) -> dict[str, str]:
    """Have tests write into memory where there is room: each of their commits waits for a disk."""
    try:
        has_room = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= bytes_needed
    except OSError:
        return {}
    return {"TMPDIR": str(memory)} if has_room and "TMPDIR" not in os.environ else {}


def bench(options: argparse.Namespace) -> int:
    """Measure speed on this machine; arguments go to pytest."""
    install()
    return run([tool("python"), "-m", "pytest", "-m", "bench", "-s", "tests", *options.rest])


def lint(_: argparse.Namespace) -> int:
    """Check style, formatting, types and import arrows; every check runs."""
    install()
    checks = [["ruff", "check", "."], ["ruff", "format", "--check", "--quiet", "."], ["mypy"]]
    failed = [c[0] for c in [*checks, ["lint-imports", "--no-logo"]] if run([tool(c[0]), *c[1:]])]
    say(f"Failed: {', '.join(failed)}" if failed else "Style, types and import arrows are clean")
    return 1 if failed else 0


def results(options: argparse.Namespace) -> int:
    """Print the figures on real data, one JSON object for each task and model."""
    install()
    markdown = ["--markdown"] if options.markdown else []
    return run([tool("lead-train"), "results", "--data", options.data, *markdown])


def lock(options: argparse.Namespace) -> int:
    """Pin the newest allowed versions with hashes, all and by image; no address enters a lock."""
    install()
    extras = {LOCK: ["serve", "postgresql", "train", "dev"], **PARTS}
    partial = {path: path.with_suffix(".partial") for path in extras}
    if options.keep:
        shutil.copy(LOCK, partial[LOCK])
    how = "--universal --fork-strategy fewest --quiet --generate-hashes --no-header --no-annotate"
    how += f" --no-emit-index-url --python-version {'.'.join(map(str, OLDEST))}"
    try:
        for path, names in extras.items():
            command = [tool("uv"), "pip", "compile", "pyproject.toml", *how.split()]
            command += [part for name in names for part in ("--extra", name)]
            command += ["--constraints", str(partial[LOCK])] if path in PARTS else []
            command += ["--output-file", str(partial[path])]
            if code := run(command, stdout=subprocess.DEVNULL):
                return code
            if re.search(r"://|--index|--find-links|@ file", partial[path].read_text("utf-8")):
                raise Stopped("A new lock names an address. The locks are unchanged.")
        for path in extras:
            partial[path].replace(path)
    finally:
        for path in extras:
            partial[path].unlink(missing_ok=True)
    return 0


def demo_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add what the demo understands; `demo.py` reads the same."""
    parser.add_argument("--port", type=int, help="default: the first free one from 8000 on")
    parser.add_argument("--once", action="store_true", help="score one lead, print it as JSON, end")
    parser.add_argument("--fresh", action="store_true", help="forget the last demo and start anew")
    return parser


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py", description="Everything a newcomer types.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(function: Callable[..., int], **options: Any) -> argparse.ArgumentParser:
        about = (function.__doc__ or "").splitlines()[0]
        added = commands.add_parser(function.__name__, help=about, description=about, **options)
        added.set_defaults(function=function)
        return added

    demo_options(command(demo))
    command(test, add_help=False)
    command(lint)
    command(bench, add_help=False)
    command(lock).add_argument(
        "--keep", action="store_true", help="keep the pinned versions that still fit"
    )
    added = command(results)
    added.add_argument("--data", required=True, help="folder of the real data sets")
    added.add_argument("--markdown", action="store_true", help="write docs/results.md too")
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command not in {"test", "bench"}:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    return options


def end_tidily(*_: object) -> None:
    raise Terminated


def guarded(work: Callable[[], int]) -> int:
    """Do the work of a command; return 0 done, 1 it says no (with a message), 130 interrupted."""
    signal.signal(signal.SIGTERM, end_tidily)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits "ignore"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        return work()
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 it says no, 2 wrong use, 130 interrupted."""
    if sys.version_info < OLDEST:
        found, wanted = sys.version.split()[0], ".".join(map(str, OLDEST))
        print(f"Python {wanted} or newer is needed; this is {found}.", file=sys.stderr)
        print(f"Install one and start: python{wanted} dev.py", file=sys.stderr)
        return 2
    options = parse(sys.argv[1:] if arguments is None else arguments)
    code = guarded(lambda: options.function(options))
    if code == 130:
        say("Stopped. The same command goes on from here.")
    return code


if __name__ == "__main__":
    sys.exit(main())
