"""Counts, their sum over workers, drift, and the text that Prometheus reads."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from features.scorer import LeadScorer
from serving.process.exposition import Standing, exposition
from serving.process.metrics import Meter
from serving.process.told_counts import add_up, counts_of_others, fold_counts, write_counts
from serving.scoring.recent_codes import LEAST, SPAN, RecentCodes, drift_of

TOLD = {"status": "scored", "score": 71, "grade": "A", "decision": "handoff", "warnings": ""}
NOT_TOLD = {"status": "not_scored", "why": "no_known_field", "warnings": "unknown_fields:2"}


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read the text as Prometheus does."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def busy_meter() -> Meter:
    meter = Meter()
    for seconds in (0.0005, 0.02, 99.0):
        meter.answered("POST", "/v1/score", 200, seconds)
    meter.refused("busy")
    meter.scored(TOLD)
    meter.scored(TOLD | {"warnings": "unseen:source,unseen:industry,unknown_fields:1"})
    meter.scored(NOT_TOLD)
    meter.unrecorded(3)
    meter.gauges["in_work"] = lambda: 2
    meter.model = ("7", "abc")
    return meter


def test_what_is_counted_can_be_read_by_prometheus() -> None:
    standing = Standing(True, 60.0, proposed="8", drift={"source": 0.3})

    read = samples(exposition(add_up([busy_meter().counts()]), standing))

    score = (("method", "POST"), ("route", "/v1/score"), ("status", "200"))
    assert read["lead_request_seconds_count", score] == 3
    assert read["lead_request_seconds_sum", score] == pytest.approx(99.0205)
    assert read["lead_request_seconds_bucket", (("le", "0.001"), *score)] == 1
    assert read["lead_request_seconds_bucket", (("le", "10.0"), *score)] == 2
    assert read["lead_score_count", ()] == 2
    assert read["lead_score_sum", ()] == 142
    assert read["lead_decisions_total", (("decision", "handoff"), ("grade", "A"))] == 2
    assert read["lead_not_scored_total", (("why", "no_known_field"),)] == 1
    assert read["lead_warnings_total", (("kind", "unseen"),)] == 2
    assert read["lead_warnings_total", (("kind", "unknown_fields"),)] == 2
    assert read["lead_unseen_values_total", (("field", "source"),)] == 1
    assert read["lead_refused_total", (("reason", "busy"),)] == 1
    assert read["lead_unrecorded_scores_total", ()] == 3
    assert read["lead_requests_in_work", ()] == 2
    assert read["lead_workers", ()] == 1
    assert read["lead_model_workers", (("digest", "abc"), ("version", "7"))] == 1
    assert read["lead_model_approved_seconds", ()] == 60
    assert read["lead_model_proposed", (("version", "8"),)] == 1
    assert read["lead_store_up", ()] == 1
    assert read["lead_drift_psi", (("input", "source"),)] == 0.3


def test_workers_add_up_and_a_dead_one_keeps_its_counts_but_not_its_state(tmp_path: Path) -> None:
    counts = busy_meter().counts()
    dead = counts | {"process": 2, "at": counts["at"] - 100}
    write_counts(tmp_path, counts | {"process": 1})
    write_counts(tmp_path, dead)
    (tmp_path / "worker-9.json").write_text("half a f")

    others = counts_of_others(tmp_path, own=1)
    total = add_up([counts, *others])

    assert [one["process"] for one in others] == [2]
    assert total["counters"]["refused"] == {"busy": 2}
    assert total["answers"]["POST\t/v1/score\t200"] == [
        2,
        *[0] * 3,
        2,
        *[0] * 8,
        2,
        pytest.approx(198.041),
    ]
    assert total["gauges"]["in_work"] == 2
    assert (total["workers"], total["models"]) == (1, {"7\tabc": 1})
    assert json.loads(json.dumps(total))["scores"] == total["scores"]


def test_workers_that_ended_keep_their_counts_in_one_file(tmp_path: Path) -> None:
    counts = busy_meter().counts()
    for process in range(2, 40):
        write_counts(tmp_path, counts | {"process": process})
        before = add_up(counts_of_others(tmp_path, own=1))
        fold_counts(tmp_path, process)
        fold_counts(tmp_path, process)  # it has no file any more: nothing is counted twice
        after = add_up(counts_of_others(tmp_path, own=1))
        assert after["answers"] == before["answers"]
        assert after["counters"] == before["counters"]
        assert after["workers"] == 0

    assert [path.name for path in tmp_path.iterdir()] == ["ended.json"]
    assert after["counters"]["refused"] == {"busy": 38}


def test_no_total_falls_while_ended_workers_are_folded(tmp_path: Path) -> None:
    """A total that falls for a moment looks to Prometheus like a start from nothing."""
    counts = busy_meter().counts()
    processes = range(2, 150)

    def work_and_end() -> None:
        for process in processes:
            write_counts(tmp_path, counts | {"process": process})
            fold_counts(tmp_path, process)

    working = threading.Thread(target=work_and_end)
    working.start()
    seen = []
    while working.is_alive() or not seen:
        total = add_up(counts_of_others(tmp_path, own=1))
        seen.append(total["counters"].get("refused", {}).get("busy", 0))
    working.join()

    assert seen == sorted(seen)
    assert seen[-1] <= len(processes)


def test_a_shift_of_the_leads_shows_in_the_input_that_shifted(scorer: LeadScorer) -> None:
    inputs = scorer.encoder.inputs
    rng = np.random.default_rng(1)
    past = [rng.integers(0, given.size, 2_000) for given in inputs]
    counts = [
        np.bincount(column, minlength=given.size).tolist()
        for column, given in zip(past, inputs, strict=True)
    ]
    known = LeadScorer.__new__(LeadScorer)
    known.__dict__.update(vars(scorer) | {"reference": {"counts": counts}})
    recent = RecentCodes()
    recent.begin("abc", [given.size for given in inputs])

    same = [tuple(int(column[row]) for column in past) for row in range(1_000)]
    recent.add(same[: LEAST - 1])
    assert drift_of(known, recent.counts) == {}
    for start in range(0, 1_000, 200):
        recent.add(same[start : start + 200])
    alike = drift_of(known, recent.counts)
    recent.begin("abc", [given.size for given in inputs])
    for start in range(0, 1_000, 200):
        recent.add([(1, *row[1:]) for row in same[start : start + 200]])
    shifted = drift_of(known, recent.counts)

    assert alike.keys() == {given.name for given in inputs}
    assert max(alike.values()) < 0.1
    assert shifted[inputs[0].name] > 0.25
    assert max(value for name, value in shifted.items() if name != inputs[0].name) < 0.1


def test_recent_codes_forget_the_older_half_and_take_no_other_model() -> None:
    recent = RecentCodes()
    recent.add([(1, 1)])
    recent.begin("abc", [3])
    recent.add([(1, 1)])
    for _ in range(3 * SPAN // 100):
        recent.add([(2,)] * 100)

    (counts,) = recent.counts
    assert SPAN <= sum(counts) <= 2 * SPAN
    assert counts[1] == 0


def test_a_crowd_is_sampled_evenly() -> None:
    recent = RecentCodes()
    recent.begin("abc", [2])

    recent.add([(number % 2,) for number in range(10_001)])

    (counts,) = recent.counts
    assert 200 < sum(counts) <= 256


def test_metrics_tell_what_was_scored_and_nothing_that_was_sent(client: TestClient) -> None:
    lead: dict[str, Any] = {"lead_id": "himitsu-1", "fields": {"source": "himitsu-source"}}
    client.post("/v1/score", json=lead, headers={"X-Request-ID": "himitsu-2"})
    client.post("/v1/score", json={"lead_id": "himitsu-3", "fields": {}})
    client.get("/v1/leads/himitsu-4?q=himitsu")
    client.get("/himitsu-5")

    answer = client.get("/metrics")

    read = samples(answer.content)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "himitsu" not in answer.text
    assert read["lead_score_count", ()] == 1
    assert read["lead_unseen_values_total", (("field", "source"),)] == 1
    assert read["lead_not_scored_total", (("why", "no_known_field"),)] == 1
    assert read["lead_store_up", ()] == 1
    assert read["lead_recorder_waiting", ()] == 0
    assert read["lead_resident_bytes", ()] > 1e6
