"""Ordinary traffic for twenty seconds in every suite; for ten minutes with `-m soak`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from serving.settings import ServeSettings
from tests.bench.load import Loaded
from tests.bench.running import Shape, free_port, python_command, serve
from tests.bench.soak import Mix, Soaked, mixed, soak
from tests.bench.subjects import make_subject
from tests.builders import START, raw_lead, small_scorer
from tests.serving.conftest import approved

LEADS = [
    {
        "lead_id": f"L{k}",
        "as_of": START.isoformat(),
        "fields": {name: raw for name, raw in raw_lead(k).items() if raw is not None},
        "events": [],
    }
    for k in range(300)
]


def first_line(request: bytes) -> str:
    return request.split(b"\r\n", 1)[0].decode("utf-8", "replace")


def run_soak(home: Path, mix: Mix, scratch: Path, **how: float) -> Soaked:
    port = free_port()
    with serve(
        python_command("-m", "serving.cli", "serve", "--port", str(port)),
        port=port,
        ready="/readyz",
        log=scratch / "serve.log",
        settings={"LEAD_HOME": str(home), "LEAD_ACCESS": "open"},
    ) as server:
        return soak(server, mix, scratch / "mix.requests", **how)


def check(soaked: Soaked, n: int) -> None:
    """Nothing broke, nothing was refused but the rubbish, and nothing grew."""
    assert soaked.loaded.n == n, soaked
    assert soaked.loaded.broken == 0, soaked
    assert soaked.server_errors == 0, soaked
    assert soaked.loaded.statuses["200"] == n - soaked.n_rubbish, soaked
    assert soaked.spread("files") <= 12, soaked  # callers' own connections come and go
    assert soaked.spread("threads") <= 4, soaked


def test_the_mix_is_the_same_again_and_has_the_shares_that_it_says():
    definition = small_scorer().definition
    mix = mixed(LEADS, definition, 5_000, seed=3)

    lines = Counter(first_line(request) for request in mix.requests)

    assert mix.requests == mixed(LEADS, definition, 5_000, seed=3).requests
    assert lines["POST /v1/score HTTP/1.1"] / 5_000 == pytest.approx(0.8, abs=0.02)
    assert lines["POST /v1/events HTTP/1.1"] / 5_000 == pytest.approx(0.15, abs=0.02)
    assert mix.n_rubbish / 5_000 == pytest.approx(0.01, abs=0.005)
    events = [request for request in mix.requests if b'"event_id"' in request]
    assert len(set(events)) / len(events) == pytest.approx(0.9, abs=0.03)


def test_the_slope_counts_from_the_end_of_the_warm_up():
    shapes = [Shape(1, rss, rss, 20, 5) for rss in (50.0, 90.0, 100.0, 101.0, 102.0)]
    loaded = Loaded(4, 240.0, 1.0, {"200": 2, "422": 1, "503": 1}, 0, 1.0, 2.0, 3.0, 4.0)

    soaked = Soaked(loaded, 1, [0.0, 1.0, 2.0, 3.0, 4.0], shapes, 2.0)

    assert soaked.rss_slope == pytest.approx(1.0)
    assert soaked.server_errors == 1
    assert "slope +1.00 MiB/min" in str(soaked)


def test_twenty_seconds_of_everything_leave_no_error_and_nothing_behind(tmp_path: Path):
    scorer = small_scorer()
    home = tmp_path / "home"
    approved(ServeSettings(access="open", home=home), scorer)
    mix = mixed(LEADS, scorer.definition, 1_000)

    soaked = run_soak(home, mix, tmp_path, rate=50.0, warm_up=0.15, look=0.5)

    check(soaked, 1_000)
    grown = soaked.warm[-1].rss_mib - soaked.warm[0].rss_mib
    assert grown < 10, soaked


@pytest.mark.soak
def test_thirty_thousand_requests_leave_no_error_and_nothing_behind(tmp_path: Path):
    subject = make_subject(tmp_path / "subject")
    mix = mixed(subject.leads, subject.scorer.definition, 30_000)

    soaked = run_soak(subject.home, mix, tmp_path, rate=50.0, warm_up=2.0)

    print(soaked)
    check(soaked, 30_000)
    assert soaked.rss_slope <= 0.5, soaked
