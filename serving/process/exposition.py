"""What Prometheus reads at ``/metrics``, made from counts when it asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from serving.process.metrics import SCORE_BOUNDS, TIME_BOUNDS
from serving.process.told_counts import Counts

if TYPE_CHECKING:
    from prometheus_client import Metric

__all__ = ["CONTENT_TYPE", "Standing", "exposition"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_COUNTERS: Final = {
    "refused": (
        "lead_refused",
        "Requests that went no further and connections that were cut, by reason.",
        ("reason",),
    ),
    "decisions": ("lead_decisions", "Leads scored, by decision and grade.", ("decision", "grade")),
    "not_scored": ("lead_not_scored", "Leads of which nothing was known.", ("why",)),
    "warnings": ("lead_warnings", "Warnings told with scores, by kind.", ("kind",)),
    "unseen": ("lead_unseen_values", "Values that no past lead had, by field.", ("field",)),
    "models_refused": (
        "lead_models_refused",
        "Approved models that could not serve, by reason.",
        ("reason",),
    ),
    "unrecorded": ("lead_unrecorded_scores", "Scores told with recorded: false.", ()),
}
_GAUGES: Final = {
    "in_work": ("lead_requests_in_work", "Requests in work."),
    "waiting": ("lead_requests_waiting", "Requests that wait for their turn."),
    "connections": ("lead_connections", "Open connections."),
    "to_record": ("lead_recorder_waiting", "Scores and events that wait to be committed."),
    "resident": ("lead_resident_bytes", "Memory that the workers hold."),
}


@dataclass(frozen=True)
class Standing:
    """What is known once, not counted by worker.

    Attributes
    ----------
    store_up : bool
        Whether the database answers.
    approved_seconds : float or None
        Since the serving model was approved; None without a model.
    is_last_good : bool
        Whether a newer approved model cannot serve.
    proposed : str
        Version that training proposes and nobody has approved; empty without one.
    drift : mapping of str to float
        Population stability index by input.
    """

    store_up: bool
    approved_seconds: float | None = None
    is_last_good: bool = False
    proposed: str = ""
    drift: Mapping[str, float] = field(default_factory=dict)


def exposition(counts: Counts, standing: Standing) -> bytes:
    """Return Prometheus' text of what all workers counted."""
    # Imported by the first who asks: scoring does without it.
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.registry import Collector

    class Counted(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from _histograms(counts)
            yield from _counters(counts)
            yield from _standing(counts, standing)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Counted())
    return generate_latest(registry)


def _histograms(counts: Counts) -> Iterator[Metric]:
    from prometheus_client.core import HistogramMetricFamily

    times = HistogramMetricFamily(
        "lead_request_seconds",
        "Time from a request to its answer.",
        labels=("method", "route", "status"),
    )
    for key, at in sorted(counts["answers"].items()):
        times.add_metric(key.split("\t"), _buckets(TIME_BOUNDS, at), at[-1])
    yield times
    scores = HistogramMetricFamily("lead_score", "Scores told, 0 to 100.")
    scores.add_metric((), _buckets(SCORE_BOUNDS, counts["scores"]), counts["scores"][-1])
    yield scores


def _buckets(bounds: Sequence[float], at: Sequence[float]) -> list[tuple[str, float]]:
    total, found = 0.0, []
    for bound, n in zip([*map(str, bounds), "+Inf"], at[:-1], strict=True):
        total += n
        found.append((bound, total))
    return found


def _counters(counts: Counts) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily

    for key, (name, told, labels) in _COUNTERS.items():
        family = CounterMetricFamily(name, told, labels=labels)
        counted = counts["counters"].get(key, {})
        for values, n in sorted(counted.items()):
            family.add_metric(values.split("\t") if labels else (), n)
        if not labels and not counted:
            family.add_metric((), 0)
        yield family


def _standing(counts: Counts, standing: Standing) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    for key, (name, told) in _GAUGES.items():
        if key in counts["gauges"]:
            yield GaugeMetricFamily(name, told, value=counts["gauges"][key])
    yield GaugeMetricFamily("lead_workers", "Scoring processes.", value=counts["workers"])
    models = GaugeMetricFamily(
        "lead_model_workers", "Workers that serve a model.", labels=("version", "digest")
    )
    for key, n in sorted(counts["models"].items()):
        models.add_metric(key.split("\t"), n)
    yield models
    if standing.approved_seconds is not None:
        yield GaugeMetricFamily(
            "lead_model_approved_seconds",
            "Since the serving model was approved.",
            value=standing.approved_seconds,
        )
    yield GaugeMetricFamily(
        "lead_model_is_last_good",
        "1: a newer approved model cannot serve.",
        value=float(standing.is_last_good),
    )
    proposed = GaugeMetricFamily(
        "lead_model_proposed", "Proposed by training, not approved.", labels=("version",)
    )
    if standing.proposed:
        proposed.add_metric((standing.proposed,), 1)
    yield proposed
    yield GaugeMetricFamily(
        "lead_store_up", "1: the database answers.", value=float(standing.store_up)
    )
    drift = GaugeMetricFamily(
        "lead_drift_psi",
        "Population stability index of the leads scored lately, by input.",
        labels=("input",),
    )
    for name, distance in sorted(standing.drift.items()):
        drift.add_metric((name,), distance)
    yield drift
