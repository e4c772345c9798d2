"""What serving costs, beside FastAPI's hello-world and MLflow's server, in one run.

``python -m tests.bench.serving_table`` learns one full-size model, starts every service, loads them
by turns over several rounds and prints the medians with the ratios that are asked for.
``--markdown`` also writes the section of ``docs/results.md``. Only ratios within one run mean much:
another machine, or a busy one, moves every figure. CPU is what the server's processes used, by
``/proc``, divided by the answers; the load generator shares the cores.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.in_process import InProcess, measure_in_process
from tests.bench.load import Loaded, request_bytes, write_requests
from tests.bench.running import (
    ROOT,
    Server,
    Shape,
    end,
    environment,
    free_port,
    launch,
    load,
    python_command,
    wait_until_ready,
)
from tests.bench.start_up import StartUp, measure_start_up
from tests.bench.subjects import BATCH, make_subject, requests_of, written

if TYPE_CHECKING:
    from tests.bench.subjects import Subject

__all__ = [
    "Cell",
    "Ratio",
    "Round",
    "Table",
    "as_markdown",
    "keep",
    "main",
    "measure",
    "ratios",
    "section",
    "with_section",
]

HEADING = "## What serving costs"
PAGES = ("/", "/leads/{lead_id}", "/model", "/metrics", "/static/style.css")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Round:
    """One load run: what callers saw, and the server's processor seconds."""

    loaded: Loaded
    cpu_seconds: float


@dataclass
class Cell:
    """A service, a kind of request and a number of callers, over all rounds; medians."""

    service: str
    connections: int
    leads: int = 1
    rounds: list[Round] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return median(one.loaded.per_second for one in self.rounds)

    @property
    def cpu_us(self) -> float:
        """Processor microseconds of the server per request."""
        return median(one.cpu_seconds / max(1, one.loaded.n) * 1e6 for one in self.rounds)

    @property
    def own_cpu_us(self) -> float:
        """Processor microseconds of the load generator per request."""
        return median(
            one.loaded.own_cpu_seconds / max(1, one.loaded.n) * 1e6 for one in self.rounds
        )

    def ms(self, which: str) -> float:
        """Milliseconds of ``p50``, ``p95`` or ``p99``."""
        return median(float(getattr(one.loaded, f"{which}_ms")) for one in self.rounds)

    @property
    def not_200(self) -> int:
        """Requests that did not end in 200, in all rounds."""
        return sum(one.loaded.not_200 for one in self.rounds)


@dataclass(frozen=True)
class Ratio:
    """One thing that is asked for.

    Attributes
    ----------
    name : str
        What over what.
    value : float or None
        None where it could not be measured; `why` says why.
    bar, aim : float
        What it must reach; what we want.
    at_most : bool
        Whether less is better.
    is_asked : bool
        False where it is only told: hello-world itself does not get there.
    """

    name: str
    value: float | None
    bar: float
    at_most: bool = False
    aim: float | None = None
    why: str = ""
    is_asked: bool = True

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is reached; None where nothing was measured."""
        if self.value is None:
            return None
        return self.value <= self.bar if self.at_most else self.value >= self.bar


@dataclass
class Table:
    """All figures of a run."""

    cells: dict[tuple[str, int], Cell] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    in_process: InProcess | None = None
    start_up: StartUp | None = None
    shape: Shape | None = None
    requests: dict[str, float] = field(default_factory=dict)
    n_rounds: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Plan:
    """A cell to be measured: which server, which requests, how many callers."""

    service: str
    server: str
    requests: Path
    connections: int
    leads: int = 1


def measure(
    subject: Subject, *, rounds: int = 3, seconds: float = 2.5, tell: Tell = lambda _: None
) -> Table:
    """Measure everything by turns.

    Parameters
    ----------
    subject : Subject
        Model and leads.
    rounds : int
        Load runs of each cell; medians are taken over them.
    seconds : float
        Of each load run.
    """
    table = Table(requests=written(subject), n_rounds=rounds, seconds=seconds)
    with contextlib.ExitStack() as running:
        servers = _start_all(subject, table, running, tell)
        plans = _plans(subject, servers, table)
        for number in range(rounds):
            tell(f"Round {number + 1} of {rounds}: {len(plans)} load runs")
            for plan in plans:
                _run(plan, servers[plan.server], seconds, table)
            for plan in plans if number == 0 else ():
                cell = table.cells[plan.service, plan.connections]
                tell(f"  {plan.service}, {plan.connections}: {cell.per_second:,.0f}/s")
        table.shape = _after_pages(servers["ours"], subject)
    tell("Starting again and again")
    table.start_up = measure_start_up(subject.home)
    tell("Scoring in process")
    table.in_process = measure_in_process(subject, rounds=rounds)
    return table


# -- the servers -----------------------------------------------------------------------------------


def _start_all(
    subject: Subject, table: Table, running: contextlib.ExitStack, tell: Tell
) -> dict[str, Server]:
    """Start every service at once and wait for all; those that need keys get one first."""
    tell("Starting the services")
    hello = "-m uvicorn tests.bench.hello:app --loop uvloop --http httptools --no-access-log"
    mlflow = "-m mlflow models serve --env-manager local --model-uri"
    asked: dict[str, tuple[list[str], str, dict[str, str]]] = {
        "hello": ([*hello.split(), "--log-level", "warning"], "/", {}),
        "ours": (["-m", "serving.cli", "serve"], "/readyz", {"LEAD_ACCESS": "open"}),
        "two": (
            ["-m", "serving.cli", "serve"],
            "/readyz",
            {"LEAD_ACCESS": "open", "LEAD_WORKERS": "2"},
        ),
        "keys": (["-m", "serving.cli", "serve"], "/readyz", {"LEAD_ACCESS": "keys"}),
        **{
            name: ([*mlflow.split(), str(folder)], "/ping", {})
            for name, folder in subject.models.items()
        },
    }
    launched = {}
    for name, (command, path, settings) in asked.items():
        port, log = free_port(), subject.folder / f"{name}.log"
        if "LEAD_ACCESS" in settings:
            home = subject.folder / f"home-{name}"
            shutil.rmtree(home, ignore_errors=True)
            shutil.copytree(subject.home, home)
            # One caller of a bench is a hundred of a company.
            settings |= {"LEAD_HOME": str(home), "LEAD_RATE_PER_MINUTE": "100000000"}
        process = launch(python_command(*command, "--port", str(port)), log, settings)
        running.callback(end, process)
        launched[name] = (process, port, path, log)
    return {name: wait_until_ready(*one) for name, one in launched.items()}


def _plans(subject: Subject, servers: Mapping[str, Server], table: Table) -> list[Plan]:
    """Return the load runs of a round, in the order in which they take turns."""
    hello = write_requests(subject.folder / "hello.requests", [request_bytes("GET", "/")])
    one, batch = requests_of(subject, "one"), requests_of(subject, "batch")
    rows, row_batch = requests_of(subject, "rows"), requests_of(subject, "rows batch")
    fields = requests_of(subject, "fields")
    quiet = {"record": False}
    plain, plain_batch = None, None
    if _leaves_unrecorded(servers["ours"], subject):
        plain = requests_of(subject, "one", more=quiet)
        plain_batch = requests_of(subject, "batch", more=quiet)
    else:
        why = 'the service records although asked "record": false'
        table.skipped |= dict.fromkeys(("ours", "ours, batch"), why)
    key = _key_of(subject.folder / "home-keys")
    if key is None:
        table.skipped["ours, with a key"] = "`lead-serve key add` gave none"
    two = _processes_of(servers["two"], 3)
    if two < 3:
        why = f"LEAD_WORKERS=2 runs in {two} process(es)"
        table.skipped |= dict.fromkeys(("ours, two workers", "ours, recorded, two workers"), why)

    def plans() -> Iterator[Plan]:
        for c in (1, 8, 32):
            yield Plan("hello", "hello", hello, c)
            if plain:
                yield Plan("ours", "ours", plain, c)
            yield Plan("ours, recorded", "ours", one, c)
            if key:
                headers = {"Authorization": f"Bearer {key}"}
                with_key = requests_of(
                    subject, "one", more=quiet if plain else None, headers=headers
                )
                yield Plan("ours, with a key", "keys", with_key, c)
            yield Plan("mlflow", "booster", rows, c)
            yield Plan("mlflow + shap", "explained", rows, c)
        yield Plan("mlflow without signature", "unsigned", rows, 8)
        yield Plan("mlflow, usual pipeline + shap", "usual", fields, 8)
        if two >= 3:
            if plain:
                yield Plan("ours, two workers", "two", plain, 32)
            yield Plan("ours, recorded, two workers", "two", one, 32)
        if plain_batch:
            yield Plan("ours, batch", "ours", plain_batch, 1, BATCH)
        yield Plan("ours, batch, recorded", "ours", batch, 1, BATCH)
        yield Plan("mlflow, batch", "booster", row_batch, 1, BATCH)
        yield Plan("mlflow without signature, batch", "unsigned", row_batch, 1, BATCH)

    return list(plans())


def _leaves_unrecorded(server: Server, subject: Subject) -> bool:
    status, answer = server.ask("POST", "/v1/score", {**subject.leads[0], "record": False})
    return status == 200 and b'"recorded":false' in answer


def _key_of(home: Path) -> str | None:
    """Make a key in a home, or None where there is no such command."""
    done = subprocess.run(
        python_command("-m", "serving.cli", "key", "add", "--name", "bench", "--scope", "score"),
        cwd=ROOT,
        env=environment({"LEAD_HOME": str(home)}),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _processes_of(server: Server, expected: int, patience: float = 10.0) -> int:
    """Wait for all workers: the first one to be ready answers for all."""
    until = time.monotonic() + patience
    while server.shape().processes < expected and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(2.0 if server.shape().processes >= expected else 0.0)
    return server.shape().processes


def _run(plan: Plan, server: Server, seconds: float, table: Table) -> None:
    cell = table.cells.setdefault(
        (plan.service, plan.connections), Cell(plan.service, plan.connections, plan.leads)
    )
    skip = 1_237 * len(cell.rounds) + 311 * plan.connections  # else all would ask the same first
    loaded, cpu = load(
        server, plan.requests, connections=plan.connections, seconds=seconds, skip=skip
    )
    cell.rounds.append(Round(loaded, cpu))


def _after_pages(server: Server, subject: Subject) -> Shape:
    """Look at pages for a while, then return what the process holds."""
    for lead in subject.leads[:20]:
        for page in PAGES:
            server.ask("GET", page.format(**lead))
    return server.shape()


# -- what is asked for -----------------------------------------------------------------------------


def ratios(table: Table) -> list[Ratio]:
    """Return everything that is asked for, with what was measured."""
    main = "ours" if ("ours", 8) in table.cells else "ours, recorded"
    found = [
        _of_cells(table, f"req/s, {name} / hello-world, {c} caller(s)", _per_second, one, two, 0.7)
        for name, c in ((main, 1), (main, 8), (main, 32), ("ours, with a key", 8))
        for one, two in (((name, c), ("hello", c)),)
    ]
    found = [replace(ratio, aim=0.9) for ratio in found]
    for theirs, bar, aim in (
        ("mlflow", 1 / 40, 1 / 50),
        ("mlflow, usual pipeline + shap", 1 / 100, None),
    ):
        name = f"CPU per request, {main} / {theirs}, 8 callers"
        found.append(_of_cells(table, name, _cpu, (main, 8), (theirs, 8), bar, True, aim))
    for theirs, bar in (("mlflow + shap", 1 / 100), ("mlflow without signature", 1 / 40)):
        name = f"CPU per request, {main} / {theirs}, 8 callers"
        told = _of_cells(table, name, _cpu, (main, 8), (theirs, 8), bar, True)
        floor = _of_cells(table, name, _cpu, ("hello", 8), (theirs, 8), bar, True).value
        why = told.why or f"hello-world itself is at {_short(floor or 0.0)}"
        found.append(replace(told, why=why, is_asked=False))
    found += [
        _of_cells(
            table, f"p99, {main} / hello-world, 8 callers", _p99, (main, 8), ("hello", 8), 2.0, True
        ),
        _of_cells(
            table,
            "req/s, recorded / unrecorded, 32 callers",
            _per_second,
            ("ours, recorded", 32),
            ("ours", 32),
            0.6,
        ),
        _of_cells(
            table,
            "req/s, two workers / one, 32 callers",
            _per_second,
            (f"{main}, two workers", 32),
            (main, 32),
            1.3,
        ),
        _of_cells(
            table,
            "req/s, batch of 100 with factors / mlflow's without",
            _per_second,
            ("ours, batch", 1),
            ("mlflow, batch", 1),
            3.0,
        ),
    ]
    return found + _in_process_ratios(table.in_process) + _process_ratios(table)


def _in_process_ratios(found: InProcess | None) -> list[Ratio]:
    if found is None:
        return []
    least, most = min(found.encoded), max(found.encoded)
    whole = found.encoded[sorted(found.encoded)[len(found.encoded) // 2 - 1]]
    return [
        Ratio(
            "in process, contributions: look-up / pred_contrib",
            found.pred_contrib / found.contributions,
            50.0,
        ),
        Ratio(
            "in process, whole answers for encoded leads / pred_contrib",
            found.pred_contrib / whole,
            50.0,
        ),
        Ratio(
            "in process, whole answers for raw columns / pred_contrib of encoded leads",
            found.pred_contrib / found.raw["columns"],
            15.0,
        ),
        Ratio(f"cost per lead, {most:,} leads / {least:,}", found.growth, 1.5, at_most=True),
    ]


def _process_ratios(table: Table) -> list[Ratio]:
    found = []
    if table.shape is not None:
        rss = table.shape.largest_rss_mib
        found.append(Ratio("RSS of the scoring process after it all, MiB", rss, 130.0, True))
    if table.start_up is not None:
        found += [
            Ratio("ready / import of FastAPI alone, clock", table.start_up.ratio, 3.0, True),
            Ratio("ready / import of FastAPI alone, CPU", table.start_up.cpu_ratio, 3.0, True),
        ]
    return found


def _of_cells(
    table: Table,
    name: str,
    what: Callable[[Cell], float],
    one: tuple[str, int],
    two: tuple[str, int],
    bar: float,
    at_most: bool = False,
    aim: float | None = None,
) -> Ratio:
    cells = [table.cells.get(one), table.cells.get(two)]
    if cells[0] is None or cells[1] is None:
        missing = one[0] if cells[0] is None else two[0]
        why = table.skipped.get(missing, f"{missing} did not run")
        return Ratio(name, None, bar, at_most, aim, why)
    below = what(cells[1])
    return Ratio(name, what(cells[0]) / below if below else None, bar, at_most, aim)


def _per_second(cell: Cell) -> float:
    return cell.per_second


def _cpu(cell: Cell) -> float:
    return cell.cpu_us


def _p99(cell: Cell) -> float:
    return cell.ms("p99")


# -- in words --------------------------------------------------------------------------------------


def as_markdown(table: Table) -> str:
    """Return the tables for ``docs/results.md``."""
    head = "service | callers | req/s | p50 ms | p95 ms | p99 ms | CPU µs per request | "
    head += "req/s of hello-world's | CPU of hello-world's | not 200"
    lines = [f"| {head} |", f"|{' --- |' * (head.count('|') + 1)}"]
    for cell in sorted(table.cells.values(), key=_order):
        hello = table.cells.get(("hello", cell.connections))
        beside = ["", ""]
        if hello is not None and cell.leads == 1:
            beside = [
                _short(cell.per_second / hello.per_second),
                _short(cell.cpu_us / hello.cpu_us),
            ]
        figures = [f"{cell.ms(which):,.2f}" for which in ("p50", "p95", "p99")]
        row = [cell.service, str(cell.connections), f"{cell.per_second:,.0f}", *figures]
        row += [f"{cell.cpu_us:,.0f}", *beside, str(cell.not_200)]
        lines.append(f"| {' | '.join(row)} |")
    lines += ["", *_in_process_lines(table.in_process), "", *_ratio_lines(table)]
    lines += [f"Not measured: {part}, because {why}." for part, why in table.skipped.items()]
    return "\n".join(lines).rstrip() + "\n"


def _order(cell: Cell) -> tuple[int, int, str]:
    kinds = ("hello", "ours", "mlflow")
    kind = next((place for place, name in enumerate(kinds) if cell.service.startswith(name)), 9)
    return cell.leads, kind, f"{cell.service}{cell.connections:4}"


def _in_process_lines(found: InProcess | None) -> list[str]:
    if found is None:
        return []
    rows = [
        ("pred_contrib of encoded leads, one thread", found.pred_contrib),
        ("contributions of encoded leads by look-up", found.contributions),
    ]
    rows += [(f"whole answers, {n:,} encoded leads", cost) for n, cost in found.encoded.items()]
    rows += [(f"whole answers, raw leads by {way}", cost) for way, cost in found.raw.items()]
    lines = ["| in process | CPU µs per lead | leads per CPU second |", "| --- | --- | --- |"]
    return lines + [f"| {name} | {cost:,.2f} | {1e6 / cost:,.0f} |" for name, cost in rows]


def _ratio_lines(table: Table) -> list[str]:
    lines = ["| asked for | measured | bar | met |", "| --- | --- | --- | --- |"]
    for ratio in ratios(table):
        met = {True: "yes", False: "**no**", None: f"not measured: {ratio.why}"}[ratio.is_met]
        if not ratio.is_asked and ratio.is_met is False:
            met = f"no; {ratio.why}"
        sign = "≤" if ratio.at_most else "≥"
        aim = "" if ratio.aim is None else f" (aim {_short(ratio.aim)})"
        value = "" if ratio.value is None else _short(ratio.value)
        lines.append(f"| {ratio.name} | {value} | {sign} {_short(ratio.bar)}{aim} | {met} |")
    return lines


def _short(value: float) -> str:
    """Write a ratio: those far below one as 1/n, as they are spoken of.

    >>> _short(0.74), _short(0.025), _short(62.4)
    ('0.74', '1/40', '62.4')
    """
    if 0 < value < 0.1:
        return f"1/{1 / value:.0f}" if value <= 1 / 20 else f"1/{1 / value:.1f}"
    return f"{value:.2f}" if value < 10 else f"{value:,.1f}"


def section(table: Table) -> str:
    """Return the whole section of ``docs/results.md``."""
    sizes, start = table.requests, table.start_up
    told = f"""\
`python -m tests.bench.serving_table --rounds {table.n_rounds} --seconds {table.seconds:g}`, on \
{os.cpu_count()} cores with Python {platform.python_version()}: medians of rounds in which all took
turns, the load generator on the same cores. hello-world is FastAPI's, one worker on uvloop and
httptools, without access log. Ours takes a raw lead ({sizes["bytes"]:,.0f} bytes, \
{sizes["fields"]:.0f} fields, {sizes["events"]:.0f} acts; {sizes["n"]:,.0f} different
ones in turn) and answers with three factors each way in Japanese and English. MLflow's server gets
the same leads encoded already, with the booster alone: with a signature, as its documentation asks
for, and without. The usual pipeline takes the raw fields (scikit-learn's ColumnTransformer, 500
trees of 31 leaves, shap). A batch has {BATCH} leads. CPU is what the server's processes used.
"""
    if start is not None:
        told += f"""
`import fastapi` alone takes {start.import_seconds:.2f} s on the clock and \
{start.import_cpu_seconds:.2f} s of the processor; `lead-serve serve` is
ready after {start.ready_seconds:.2f} s ({start.ready_cpu_seconds:.2f} s).
"""
    return f"{HEADING}\n\n{told}\n{as_markdown(table)}"


def with_section(page: str, new: str) -> str:
    """Return a page in which the section of this name is the new one; at the end if it had none."""
    heading = new.partition("\n")[0]
    found = re.search(rf"^{re.escape(heading)}$.*?(?=^## |\Z)", page, re.M | re.S)
    if found is None:
        return f"{page.rstrip()}\n\n{new}"
    rest = page[found.end() :]
    return f"{page[: found.start()]}{new}" + (f"\n{rest}" if rest else "")


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.5, help="of each load run")
    parser.add_argument("--markdown", action="store_true", help="write docs/results.md too")
    chosen = parser.parse_args(given)
    os.environ.update(environment())  # one thread for each numeric library, here as in the servers
    with tempfile.TemporaryDirectory(prefix="serving-table-") as scratch:
        _tell("Learning a model of an invented company")
        subject = make_subject(Path(scratch) / "subject")
        table = measure(subject, rounds=chosen.rounds, seconds=chosen.seconds, tell=_tell)
    sys.stdout.write(section(table))
    if chosen.markdown:
        keep(section(table))
    return 0


def keep(new: str) -> None:
    """Put a section into ``docs/results.md``."""
    page = ROOT / "docs" / "results.md"
    page.write_text(with_section(page.read_text("utf-8"), new), "utf-8")


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
