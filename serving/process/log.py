"""Log lines as JSON with a short list of fields, or as text for a person at the keyboard.

What a library says of its own trouble often holds what was sent: a driver's exception repeats the
row, a checker's the value. Of exceptions only the type and the place in the code are written, and
of a foreign library's message only the part that was fixed when it was written.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, TextIO

__all__ = ["ACCESS", "AccessLines", "LineFormatter", "flush_lines", "place_of", "set_up_log"]

ACCESS: Final = "lead_serve.access"
"""The logger of requests."""

Form = Literal["json", "text"]

_FIELDS = ("request_id", "method", "route", "status", "ms")
_TRUSTED = ("lead_serve", "serving", "features", "uvicorn", "alembic")
"""Loggers whose arguments never hold what was sent."""
_NOISY = {"alembic": logging.WARNING, "uvicorn": logging.WARNING, "asyncio": logging.WARNING}
_OURS = ("serving", "features")
_WARNED = re.compile(r"(?P<path>.+?):(?P<line>\d+): (?P<kind>\w+): ")
_LONGEST = 500
_MOST_PLACES = 4
_FLUSH_SECONDS = 0.2
_MOST_LINES = 20_000
_ROOT = Path(__file__).resolve().parents[2]


def place_of(error: BaseException) -> str:
    """Return where an exception arose, innermost first: ``serving/scoring/service.py:120 < …``.

    Lines of ours; of a library only the innermost, when it arose there.
    """
    frames = traceback.extract_tb(error.__traceback__)
    named = [(_named(frame.filename), frame.lineno) for frame in reversed(frames)]
    kept = [
        f"{name}:{line}"
        for position, (name, line) in enumerate(named)
        if position == 0 or name.split("/")[0] in _OURS
    ]
    return " < ".join(kept[:_MOST_PLACES])


def _named(filename: str) -> str:
    path = Path(filename)
    if path.is_relative_to(_ROOT):
        inside = path.relative_to(_ROOT)
        if inside.parts[0] in _OURS:
            return inside.as_posix()
    return "/".join(path.parts[-2:])


class LineFormatter(logging.Formatter):
    """Writes a record as one line.

    Parameters
    ----------
    form : {"json", "text"}
        JSON for machines, text for people.
    """

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        said: dict[str, Any] = {
            "time": _moment(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        for name in _FIELDS:
            if name in record.__dict__:
                said[name] = record.__dict__[name]
        if record.exc_info and record.exc_info[1] is not None:
            said["error"] = type(record.exc_info[1]).__name__
            said["place"] = place_of(record.exc_info[1])
        if self._form == "json":
            return json.dumps(said, ensure_ascii=False, default=str)
        more = " ".join(f"{name}={value}" for name, value in list(said.items())[4:])
        line = " ".join(str(value) for value in list(said.values())[:4])
        return f"{line} {more}".rstrip()


def _message(record: logging.LogRecord) -> str:
    is_trusted = record.name.split(".")[0] in _TRUSTED
    message = record.getMessage() if is_trusted else str(record.msg)
    if record.name == "py.warnings" and (warned := _WARNED.match(message)):
        return f"{warned['kind']} at {_named(warned['path'])}:{warned['line']}"
    lines = message.strip().splitlines() or [""]
    # The first line of a foreign message is its title; the rest repeats objects.
    shown = " ".join(line.strip() for line in lines) if is_trusted else lines[0]
    return shown[:_LONGEST]


def _moment(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


class AccessLines(logging.Handler):
    """Writes the line of each request in a thread, many at a time.

    A line costs a request about a microsecond, and a reader of the log that has stopped reading
    holds up nobody: lines beyond the newest thousands are then dropped.

    Parameters
    ----------
    form : {"json", "text"}
        JSON for machines, text for people.
    stream : file
        Where lines go.
    """

    def __init__(self, form: Form, stream: TextIO) -> None:
        super().__init__()
        self.setFormatter(LineFormatter(form))
        self._is_json = form == "json"
        self._stream = stream
        self._lines: list[str] = []
        self._wake = threading.Event()
        self._writing = threading.Lock()
        self._second = -1
        self._shown_second = ""
        threading.Thread(target=self._run, name="access-lines", daemon=True).start()

    def add(self, method: str, route: str, status: int, milliseconds: float, request: str) -> None:
        """Note a request; every value is ours or was checked to hold no quotes."""
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._shown_second = _moment(self._second)[:-5]
        moment = f"{self._shown_second}.{int(now % 1 * 1000):03d}Z"
        if self._is_json:
            line = (
                f'{{"time": "{moment}", "level": "INFO", "logger": "{ACCESS}", '
                f'"message": "answered", "request_id": "{request}", "method": "{method}", '
                f'"route": "{route}", "status": {status}, "ms": {milliseconds:.1f}}}\n'
            )
        else:
            line = (
                f"{moment} INFO {ACCESS} {method} {route} {status} {milliseconds:.1f} ms "
                f"{request}\n"
            )
        self._append(line)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record that came the usual way."""
        self._append(self.format(record) + "\n")

    def _append(self, line: str) -> None:
        lines = self._lines
        lines.append(line)
        if len(lines) == 1:
            self._wake.set()
        elif len(lines) > _MOST_LINES:
            del lines[: _MOST_LINES // 2]

    def _run(self) -> None:
        while True:
            self._wake.wait()
            time.sleep(_FLUSH_SECONDS)
            self._wake.clear()
            self.flush()

    def flush(self) -> None:
        """Write what waits, unless the one who writes now is stuck."""
        if not self._writing.acquire(timeout=1.0):
            return
        try:
            lines, self._lines = self._lines, []
            if lines:
                self._stream.write("".join(lines))
                self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads the log any more, or it was closed: the service goes on.
            self._lines.clear()
        finally:
            self._writing.release()


def set_up_log(form: Form, stream: TextIO | None = None) -> None:
    """Send every logger of this process to one place, in one form."""
    to = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(to)
    handler.setFormatter(LineFormatter(form))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name, level in _NOISY.items():
        logging.getLogger(name).setLevel(level)
    access = logging.getLogger(ACCESS)
    access.handlers = [AccessLines(form, to)]
    access.propagate = False
    logging.captureWarnings(capture=True)
    sys.excepthook = _say_uncaught
    threading.excepthook = lambda told: _say_uncaught(
        told.exc_type, told.exc_value or told.exc_type(), told.exc_traceback
    )


def _say_uncaught(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("lead_serve").critical("ended by what nobody expected", exc_info=error)


def fast_access_line() -> Callable[[str, str, int, float, str], None] | None:
    """Return how a request's line is noted quickly, or None where it goes the usual way."""
    access = logging.getLogger(ACCESS)
    for handler in access.handlers:
        if isinstance(handler, AccessLines) and access.isEnabledFor(logging.INFO):
            return handler.add
    return None


def flush_lines() -> None:
    """Write the lines of requests that still wait."""
    for handler in logging.getLogger(ACCESS).handlers:
        handler.flush()
