"""The table's arithmetic on known figures; with `-m bench` the whole table, short, and its bars."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.bench.in_process import InProcess, in_turn
from tests.bench.load import Loaded, request_bytes, write_requests
from tests.bench.running import (
    Server,
    ServerFailed,
    Shape,
    end,
    environment,
    free_port,
    launch,
    load,
    python_command,
    serve,
    wait_until_ready,
)
from tests.bench.serving_table import (
    HEADING,
    Cell,
    Ratio,
    Round,
    Table,
    as_markdown,
    measure,
    ratios,
    section,
    with_section,
)
from tests.bench.start_up import StartUp
from tests.bench.subjects import make_subject

HELLO = ["-m", "uvicorn", "tests.bench.hello:app", "--no-access-log", "--log-level", "warning"]


def cell(service: str, callers: int, per_second: float, cpu_us: float, p99: float = 1.0) -> Cell:
    n = int(per_second * 2)
    loaded = Loaded(n, 2.0, 0.1, {"200": n}, 0, 0.5, 0.8, p99, 5.0)
    return Cell(service, callers, 1, [Round(loaded, cpu_us * n / 1e6)])


def table_of(*cells: Cell) -> Table:
    table = Table({(one.service, one.connections): one for one in cells}, n_rounds=1, seconds=2.0)
    table.requests = {"n": 5_000, "bytes": 836.0, "fields": 11.0, "events": 5.0}
    return table


def found(table: Table, beginning: str) -> Ratio:
    matching = [ratio for ratio in ratios(table) if ratio.name.startswith(beginning)]
    assert len(matching) == 1, [ratio.name for ratio in ratios(table)]
    return matching[0]


# -- arithmetic ------------------------------------------------------------------------------------


def test_a_cell_tells_medians_of_its_rounds():
    rounds = [
        Round(Loaded(n, 2.0, 0.02, {"200": n - 1, "503": 1}, 0, p50, 2 * p50, 3 * p50, 9.0), cpu)
        for n, p50, cpu in ((200, 5.0, 0.4), (2_000, 1.0, 1.0), (400, 4.0, 0.2))
    ]

    one = Cell("ours", 8, 1, rounds)

    assert one.per_second == 200.0
    assert one.cpu_us == pytest.approx(500.0)  # of 2,000, 500 and 500
    assert (one.ms("p50"), one.ms("p99")) == (4.0, 12.0)
    assert one.not_200 == 3


def test_ratios_compare_the_same_number_of_callers_in_the_right_direction():
    table = table_of(
        cell("hello", 8, 4_000, 250, p99=4.0),
        cell("ours", 8, 3_000, 300, p99=6.0),
        cell("ours", 32, 3_200, 310),
        cell("ours, recorded", 32, 1_600, 450),
        cell("ours, two workers", 32, 4_800, 310),
        cell("mlflow", 8, 60, 15_000),
        cell("mlflow, usual pipeline + shap", 8, 25, 27_000),
        cell("ours, batch", 1, 50, 9_000),
        cell("mlflow, batch", 1, 20, 18_000),
    )

    assert found(table, "req/s, ours / hello-world, 8").value == pytest.approx(0.75)
    assert found(table, "req/s, ours / hello-world, 8").is_met is True
    assert found(table, "CPU per request, ours / mlflow, 8").value == pytest.approx(1 / 50)
    assert found(table, "CPU per request, ours / mlflow, 8").is_met is True
    usual = found(table, "CPU per request, ours / mlflow, usual")
    assert (usual.value, usual.is_met) == (pytest.approx(1 / 90), False)
    assert found(table, "p99, ours / hello-world").value == pytest.approx(1.5)
    recorded = found(table, "req/s, recorded / unrecorded")
    assert (recorded.value, recorded.is_met) == (pytest.approx(0.5), False)
    assert found(table, "req/s, two workers / one").value == pytest.approx(1.5)
    assert found(table, "req/s, batch of 100").value == pytest.approx(2.5)


def test_what_could_not_be_measured_is_neither_met_nor_missed_and_says_why():
    table = table_of(cell("hello", 8, 4_000, 250), cell("ours", 8, 3_000, 300))
    table.skipped["ours, two workers"] = "LEAD_WORKERS=2 runs in 1 process(es)"

    two = found(table, "req/s, two workers / one")

    assert (two.value, two.is_met) == (None, None)
    assert two.why == "LEAD_WORKERS=2 runs in 1 process(es)"
    assert "not measured: LEAD_WORKERS=2 runs in 1 process(es) |" in as_markdown(table)


def test_figures_of_the_process_and_in_process_become_ratios():
    table = table_of(cell("hello", 8, 4_000, 250))
    table.in_process = InProcess(
        300.0, 2.0, {1_000: 4.0, 10_000: 5.0, 100_000: 6.0, 1_000_000: 6.0}, {"columns": 15.0}
    )
    table.start_up = StartUp(0.5, 0.4, 1.4, 1.3)
    table.shape = Shape(1, 120.0, 118.0, 20, 5)

    assert found(table, "in process, contributions").value == pytest.approx(150)
    assert found(table, "in process, whole answers for encoded").value == pytest.approx(60)
    assert found(table, "in process, whole answers for raw").value == pytest.approx(20)
    assert found(table, "cost per lead").value == pytest.approx(1.5)
    assert found(table, "RSS").value == 118.0
    assert found(table, "ready / import of FastAPI alone, clock").is_met is True
    assert found(table, "ready / import of FastAPI alone, CPU").is_met is False


def test_the_lines_name_every_service_with_its_share_of_hello_world():
    table = table_of(cell("hello", 8, 4_000, 250), cell("ours", 8, 3_000, 300, p99=6.0))

    lines = as_markdown(table).splitlines()

    assert "| ours | 8 | 3,000 | 0.50 | 0.80 | 6.00 | 300 | 0.75 | 1.20 | 0 |" in lines
    assert any(
        line.startswith("| req/s, ours / hello-world, 8 caller(s) | 0.75 |") for line in lines
    )


def test_the_section_takes_the_place_of_the_one_before_and_of_nothing_else():
    new = section(table_of(cell("hello", 8, 4_000, 250)))
    page = "# Results\n\n## Training\n\nLong.\n"

    once = with_section(page, new)
    again = with_section(once + "\n## After\n\nMore.\n", new.replace("4,000", "5,000"))

    assert once == f"{page}\n{new}"
    assert once.count(HEADING) == again.count(HEADING) == 1
    assert "4,000" not in again
    assert again.startswith(page)
    assert again.endswith("\n\n## After\n\nMore.\n")


def test_work_done_by_turns_is_measured_in_processor_seconds():
    spent = in_turn(
        {"idle": lambda: time.sleep(0.05), "busy": lambda: sum(range(6_000_000))}, rounds=3
    )

    assert spent["idle"] < 0.02 < spent["busy"]


# -- servers as processes ---------------------------------------------------------------------------


def test_a_server_is_waited_for_measured_and_ended_with_its_children(tmp_path: Path):
    requests = write_requests(tmp_path / "hello.requests", [request_bytes("GET", "/")])
    port = free_port()
    command = python_command(*HELLO, "--port", str(port))

    with serve(command, port=port, ready="/", log=tmp_path / "hello.log") as server:
        assert 0 < server.ready_cpu_seconds < server.ready_seconds + 5
        assert server.ask("GET", "/") == (200, b'{"message":"Hello World"}')
        loaded, cpu = load(server, requests, connections=2, seconds=60, most=400)
        shape = server.shape()

    assert (loaded.n, loaded.statuses) == (400, {"200": 400})
    assert 0 < cpu < 20
    assert shape.processes == 1
    assert 20 < shape.largest_rss_mib == shape.rss_mib < 200
    assert shape.files > 3
    assert not Path(f"/proc/{server.pid}").exists()


def test_children_count_with_their_parent_and_end_with_it(tmp_path: Path):
    burn = "import time\nwhile time.process_time() < .4: pass\n"
    command = python_command(
        "-c",
        "import subprocess, sys, time\n"
        f"subprocess.run([sys.executable, '-c', {burn!r}])\n"
        f"subprocess.Popen([sys.executable, '-c', {burn + 'time.sleep(60)'!r}])\n"
        "time.sleep(60)",
    )
    process = launch(command, tmp_path / "log")
    server = Server(process.pid, 0, 0.0, 0.0)
    try:
        until = time.monotonic() + 30
        while server.cpu_seconds() < 0.8 and time.monotonic() < until:
            time.sleep(0.05)
        # What has ended counts with its parent, what still runs by itself.
        assert 0.8 <= server.cpu_seconds() < 5
        assert server.shape().processes == 2
    finally:
        end(process)
    assert server.shape() == Shape(0, 0.0, 0.0, 0, 0)


def test_a_server_that_does_not_come_up_is_told_with_its_last_words(tmp_path: Path):
    log = tmp_path / "log"
    dies = launch(python_command("-c", "raise SystemExit('no port for me')"), log)
    with pytest.raises(ServerFailed, match="no port for me"):
        wait_until_ready(dies, free_port(), "/", log)

    sleeps = launch(python_command("-c", "import time; time.sleep(60)"), log)
    with pytest.raises(ServerFailed, match="was not ready after 0 s"):
        wait_until_ready(sleeps, free_port(), "/", log, patience=0)
    end(sleeps)


def test_children_see_none_of_our_settings_and_use_one_thread(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LEAD_HOME", "somewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")

    seen = environment({"LEAD_PORT": "1"})

    assert {name for name in seen if name.startswith("LEAD_")} == {"LEAD_PORT"}
    assert seen["OMP_NUM_THREADS"] == "1"


# -- the whole, short -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    subject = make_subject(tmp_path_factory.mktemp("serving") / "subject")
    return measure(subject, rounds=3, seconds=2.0, tell=lambda line: print(line, file=sys.stderr))


@pytest.mark.bench
def test_serving_reaches_what_is_asked_for(table: Table, capsys: pytest.CaptureFixture[str]):
    with capsys.disabled():
        print(f"\n{section(table)}")

    # What no service in Python can reach is told and not asked for: see docs/results.md.
    asked = [ratio for ratio in ratios(table) if ratio.is_asked]
    missed = [
        f"{ratio.name}: {ratio.value or ratio.why}" for ratio in asked if ratio.is_met is not True
    ]
    assert missed == []


@pytest.mark.bench
def test_every_request_of_the_table_was_answered(table: Table):
    assert [cell.service for cell in table.cells.values() if cell.not_200] == []


@pytest.mark.bench
def test_the_load_generator_was_never_what_limited(table: Table):
    busiest = max(
        (cell.own_cpu_us * cell.per_second / 1e6, cell.service, cell.connections)
        for cell in table.cells.values()
    )
    assert busiest[0] < 0.9, busiest
