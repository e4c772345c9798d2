"""Log lines: one form for all, and nothing of what was sent."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.errors import LeadQualityError
from serving.process.log import (
    ACCESS,
    AccessLines,
    LineFormatter,
    flush_lines,
    place_of,
    set_up_log,
)
from serving.scoring.service import ScoreService

SECRET = "himitsu-taro@example.com"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where a log that is set up writes; everything global is put back."""
    root, access = logging.getLogger(), logging.getLogger(ACCESS)
    kept = (root.handlers[:], root.level, access.handlers[:], access.propagate)
    hooks = (sys.excepthook, threading.excepthook)
    # MLflow's own migrations, run by other tests in this process, silence every logger there is.
    for name in ("alembic", "alembic.runtime"):
        silenced = logging.getLogger(name)
        silenced.disabled, silenced.propagate = False, True
        silenced.setLevel(logging.NOTSET)
    to = io.StringIO()
    yield to
    root.handlers[:], access.handlers[:] = kept[0], kept[2]
    root.setLevel(kept[1])
    access.propagate = kept[3]
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(capture=False)
    for name in ("alembic", "uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def lines_of(stream: io.StringIO) -> list[dict[str, object]]:
    flush_lines()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_line_is_json_whoever_writes_it(stream: io.StringIO) -> None:
    set_up_log("json", stream)

    logging.getLogger("lead_serve").info("version %s serves", "7")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("alembic.runtime").warning("Running upgrade %s", "0002")
    logging.getLogger(ACCESS).handlers[0].add("POST", "/v1/score", 200, 1.25, "r-1")  # type: ignore[attr-defined]

    lines = lines_of(stream)
    assert [line["message"] for line in lines] == [
        "version 7 serves",
        "Invalid HTTP request received.",
        "Running upgrade 0002",
        "answered",
    ]
    assert lines[-1] | {"time": ""} == {
        "time": "",
        "level": "INFO",
        "logger": ACCESS,
        "message": "answered",
        "request_id": "r-1",
        "method": "POST",
        "route": "/v1/score",
        "status": 200,
        "ms": 1.2,
    }


@pytest.mark.parametrize("form", ["json", "text"])
def test_of_an_exception_only_its_type_and_place_are_written(
    stream: io.StringIO, form: str
) -> None:
    set_up_log(form, stream)  # type: ignore[arg-type]
    try:
        int(SECRET)
    except ValueError as error:
        logging.getLogger("uvicorn.error").error("Exception in ASGI\n", exc_info=error)
        logging.getLogger("somebody").error("failed: %s", error)
        logging.getLogger("asyncio").error(f"never retrieved\nfuture: {error!r}")
        sys.excepthook(ValueError, error, error.__traceback__)

    text = stream.getvalue()
    assert SECRET not in text
    assert "ValueError" in text
    assert "serving/test_log.py:" in text
    assert len(text.splitlines()) == 4


def test_a_place_names_our_lines_from_the_inside_out() -> None:
    with pytest.raises(TypeError, match="NoneType") as caught:
        ScoreService(None, None, 3).score(None, "ja")  # type: ignore[arg-type]

    place = place_of(caught.value)

    assert place.startswith("serving/scoring/service.py:")
    assert str(Path.cwd()) not in place


def test_a_warning_and_the_end_of_a_thread_are_lines_too(stream: io.StringIO) -> None:
    set_up_log("json", stream)

    def fail() -> None:
        raise LeadQualityError(SECRET)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"{SECRET} is old", stacklevel=1)
    failing = threading.Thread(target=fail)
    failing.start()
    failing.join()

    lines = lines_of(stream)
    assert {line["logger"] for line in lines} == {"py.warnings", "lead_serve"}
    assert lines[-1]["error"] == "LeadQualityError"
    assert SECRET not in stream.getvalue()


def test_a_log_that_nobody_reads_holds_up_nobody() -> None:
    class Stuck(io.StringIO):
        def write(self, _: str) -> int:
            waits.wait(10)
            return 0

    waits = threading.Event()
    access = AccessLines("json", Stuck())
    for number in range(30_000):
        access.add("GET", "/livez", 200, 0.1, str(number))

    assert len(access._lines) <= 20_000
    waits.set()


def test_text_lines_are_for_people() -> None:
    record = logging.LogRecord("lead_serve", logging.INFO, "", 1, "serves %s", ("7",), None)
    record.request_id = "r-1"

    line = LineFormatter("text").format(record)

    assert line.endswith("INFO lead_serve serves 7 request_id=r-1")
