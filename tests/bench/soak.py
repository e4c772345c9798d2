"""Ten ordinary minutes: scores, sales events, pages and now and then rubbish, at an even pace.

``python -m tests.bench.soak --requests 30000 --rate 50`` prints what the callers saw and how memory,
files and threads of the service went. 80 % of the requests are scores, 15 % events, 4 % pages and
1 % bytes that nobody should send.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.bench.load import Loaded, post, request_bytes, write_requests
from tests.bench.running import (
    Server,
    Shape,
    environment,
    free_port,
    load,
    python_command,
    serve,
)
from tests.bench.serving_table import keep
from tests.bench.subjects import make_subject

if TYPE_CHECKING:
    from features.definition import LeadDefinition

__all__ = ["Mix", "Soaked", "main", "mixed", "slope_per_minute", "soak"]

PAGES = ("/", "/leads/{lead_id}", "/model", "/v1/leads/{lead_id}", "/v1/model", "/readyz")
HEADING = "## Ten ordinary minutes"
ABOUT = """one worker, recording, on SQLite; 80 % scores, 15 % sales events (one in ten
delivered twice), 4 % pages and 1 % bytes that nobody should send."""
CALLERS = 8
_EVENTS_FROM = datetime(2025, 1, 1, tzinfo=UTC)


def rubbish() -> Iterator[bytes]:
    """Yield requests that must be answered with 4xx, again and again."""
    bodies = [b'{"lead_id": "L', b"\xff\xfe\x00", b"[" * 5_000, b"null", b'{"fields": []}']
    while True:
        for body in bodies:
            yield request_bytes("POST", "/v1/score", body)
        yield post("/v1/events", {"lead_id": "L", "at": "yesterday", "kind": "won"})
        yield post("/v1/score", {"lead_id": "L", "fields": {}, "as_of": "9999-12-31T00:00:00Z"})
        yield request_bytes("GET", "/nowhere/%00%ff")
        yield request_bytes("DELETE", "/v1/score")
        yield b"NOT HTTP AT ALL\r\n\r\n"


@dataclass(frozen=True)
class Mix:
    """What goes out.

    Attributes
    ----------
    requests : list of bytes
        In the order in which they go out.
    n_rubbish : int
        How many of them must not be answered with 200.
    """

    requests: list[bytes]
    n_rubbish: int


def mixed(
    leads: Sequence[Mapping[str, Any]], definition: LeadDefinition, n: int, *, seed: int = 0
) -> Mix:
    """Return `n` requests about the leads, in an order of chance.

    One event in ten is a delivery made a second time; a page is asked about a lead that was scored
    before.
    """
    luck = random.Random(seed)
    bad = rubbish()
    kinds = luck.choices(("score", "event", "page", "rubbish"), (80, 15, 4, 1), k=n)
    kinds[0] = "score"
    requests, events, scored = [], [], 0
    for place, kind in enumerate(kinds):
        if kind == "score":
            requests.append(post("/v1/score", leads[scored % len(leads)]))
            scored += 1
        elif kind == "event":
            if not events or luck.random() > 0.1:
                known = leads[luck.randrange(min(scored, len(leads)))]["lead_id"]
                events.append(post("/v1/events", _event(place, known, definition, luck)))
                requests.append(events[-1])
            else:
                requests.append(luck.choice(events))
        elif kind == "page":
            # A little back: the score itself must have been answered by then.
            known = leads[max(0, min(scored, len(leads)) - 50)]["lead_id"]
            requests.append(request_bytes("GET", luck.choice(PAGES).format(lead_id=known)))
        else:
            requests.append(next(bad))
    return Mix(requests, kinds.count("rubbish"))


def _event(
    place: int, lead_id: str, definition: LeadDefinition, luck: random.Random
) -> dict[str, Any]:
    kind = luck.choices(("accepted", "rejected", "won", "lost"), (50, 35, 5, 10))[0]
    event = {
        "event_id": f"soak-{place}",
        "lead_id": lead_id,
        "at": (_EVENTS_FROM + timedelta(minutes=place)).isoformat(),
        "kind": kind,
    }
    of_kind = {"rejected": "rejection", "lost": "lost"}.get(kind)
    codes = [code for code, reason in definition.reasons.items() if reason.kind == of_kind]
    if codes:
        event["reason"] = luck.choice(codes)
    return event


@dataclass(frozen=True)
class Soaked:
    """What came of it.

    Attributes
    ----------
    loaded : Loaded
        What the callers saw.
    n_rubbish : int
        Requests that had to be refused.
    minutes : list of float
        When the service was looked at, from its first request.
    shapes : list of Shape
        What it held then.
    warm_up : float
        Minutes that do not count for the slope.
    """

    loaded: Loaded
    n_rubbish: int
    minutes: list[float]
    shapes: list[Shape]
    warm_up: float

    @property
    def server_errors(self) -> int:
        """Answers of 5xx."""
        return sum(n for status, n in self.loaded.statuses.items() if status.startswith("5"))

    @property
    def warm(self) -> list[Shape]:
        """What it held after the warm-up."""
        return [
            shape
            for minute, shape in zip(self.minutes, self.shapes, strict=True)
            if minute >= self.warm_up
        ]

    @property
    def rss_slope(self) -> float:
        """MiB a minute of all processes after the warm-up."""
        minutes = [minute for minute in self.minutes if minute >= self.warm_up]
        return slope_per_minute(minutes, [shape.rss_mib for shape in self.warm])

    def spread(self, what: str) -> int:
        """Return most minus fewest ``files`` or ``threads`` after the warm-up."""
        seen = [int(getattr(shape, what)) for shape in self.warm]
        return max(seen) - min(seen)

    def __str__(self) -> str:
        loaded, warm = self.loaded, self.warm
        return (
            f"{loaded.n:,} answers in {loaded.seconds / 60:.1f} min ({loaded.per_second:.1f}/s), "
            f"by status {loaded.statuses}, {loaded.broken} broken; {self.n_rubbish} were rubbish. "
            f"p50 {loaded.p50_ms:.1f} ms, p99 {loaded.p99_ms:.1f} ms, longest "
            f"{loaded.most_ms:.0f} ms.\nRSS {warm[0].rss_mib:.1f} to {warm[-1].rss_mib:.1f} MiB "
            f"after {self.warm_up:g} min, slope {self.rss_slope:+.2f} MiB/min; files "
            f"{warm[0].files} to {warm[-1].files}, threads {warm[0].threads} to "
            f"{warm[-1].threads}."
        )


def slope_per_minute(minutes: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of the straight line through the values; 0 of fewer than two.

    >>> round(slope_per_minute([0.0, 1.0, 2.0], [10.0, 12.0, 14.0]), 6)
    2.0
    """
    if len(minutes) < 2:
        return 0.0
    return float(np.polyfit(minutes, values, 1)[0])


def soak(
    server: Server, mix: Mix, requests: Path, *, rate: float, warm_up: float, look: float = 5.0
) -> Soaked:
    """Send the requests at an even pace, and look at the service meanwhile.

    Parameters
    ----------
    requests : Path
        Where the requests may be written.
    rate : float
        Requests a second.
    warm_up : float
        Minutes that do not count for the slope.
    look : float
        Seconds between two looks.
    """
    write_requests(requests, mix.requests)
    minutes: list[float] = []
    shapes: list[Shape] = []
    is_over = threading.Event()
    began = time.monotonic()

    def watch() -> None:
        while not is_over.wait(look):
            minutes.append((time.monotonic() - began) / 60)
            shapes.append(server.shape())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        loaded, _ = load(
            server,
            requests,
            connections=CALLERS,
            seconds=2 * len(mix.requests) / rate + 30,
            most=len(mix.requests),
            rate=rate,
        )
    finally:
        is_over.set()
        watching.join()
    return Soaked(loaded, mix.n_rubbish, minutes, shapes, warm_up)


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=30_000)
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second")
    parser.add_argument("--warm-up", type=float, default=2.0, help="minutes")
    parser.add_argument("--markdown", action="store_true", help="write docs/results.md too")
    chosen = parser.parse_args(given)
    os.environ.update(environment())
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        subject = make_subject(Path(scratch) / "subject")
        mix = mixed(subject.leads, subject.scorer.definition, chosen.requests)
        port, log = free_port(), Path(scratch) / "serve.log"
        with serve(
            python_command("-m", "serving.cli", "serve", "--port", str(port)),
            port=port,
            ready="/readyz",
            log=log,
            settings={"LEAD_HOME": str(subject.home), "LEAD_ACCESS": "open"},
        ) as server:
            file = Path(scratch) / "mix.requests"
            soaked = soak(server, mix, file, rate=chosen.rate, warm_up=chosen.warm_up)
    sys.stdout.write(f"{soaked}\n")
    if chosen.markdown:
        command = f"python -m tests.bench.soak --requests {chosen.requests} --rate {chosen.rate:g}"
        keep(f"{HEADING}\n\n`{command}`: {ABOUT}\n\n{soaked}\n")
    return 1 if soaked.server_errors or soaked.loaded.broken else 0


if __name__ == "__main__":
    sys.exit(main())
