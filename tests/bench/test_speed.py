"""What exact reasons cost, beside LightGBM's own, in one run and on one thread: `dev.py bench`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from features.definition import load_definition
from features.leads import read_history
from features.one_lead import OneLead
from features.source_map import load_source_map
from tests.conftest import TODAY, world_files
from training.pipeline import as_of_history
from training.recipe import Learned, learn

pytestmark = pytest.mark.bench


@pytest.fixture(scope="module")
def learned(world_folder) -> Learned:
    """A student of full size."""
    definition = load_definition(world_folder / "lead_definition.yaml")
    how = load_source_map(world_folder / "source_map.yaml")
    history = read_history(world_files(world_folder), definition, how, today=TODAY)
    return learn(history, definition, as_of=as_of_history(history))


def cpu_seconds(work: Callable[[], object], *, repeats: int = 7) -> float:
    """Return the median CPU time of one call; neighbours on the machine do not count."""
    work()
    spent = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return float(np.median(spent))


def test_contributions_by_look_up_against_tree_shap(learned, capsys):
    scorer, student = learned.scorer, learned.student
    codes = np.resize(learned.codes, (10_000, learned.codes.shape[1])).astype(np.int32)
    columns = np.column_stack([codes.astype(float), np.full(len(codes), 2.0)])
    one, main = codes[0].tolist(), scorer.main_horizon
    alone = OneLead(scorer.tables, None, main)

    def tree_shap(rows: np.ndarray) -> object:
        return student.booster.predict(rows, pred_contrib=True, num_threads=1)

    figures = {
        "10,000 leads": (
            cpu_seconds(lambda: scorer.tables.contributions(codes, main)),
            cpu_seconds(lambda: tree_shap(columns), repeats=3),
            10_000,
        ),
        "one lead": (
            cpu_seconds(lambda: [alone.look_up(one) for _ in range(200)]),
            cpu_seconds(lambda: [tree_shap(columns[:1]) for _ in range(200)]),
            200,
        ),
    }

    with capsys.disabled():
        print("\n              tables µs/lead   pred_contrib µs/lead   ratio")
        for name, (own, theirs, n) in figures.items():
            print(f"{name:14}{own / n * 1e6:14.2f}{theirs / n * 1e6:23.1f}{theirs / own:8.0f}")
    assert figures["10,000 leads"][1] > 10 * figures["10,000 leads"][0]
    assert figures["one lead"][1] > figures["one lead"][0]


def test_a_score_with_factors_alone_and_in_a_batch(trained, capsys):
    from datetime import UTC, datetime

    from features.encoder import LeadInput
    from features.factors import top_factors

    now = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    lead = LeadInput(
        {"source": "ウェビナー", "employees": "１，２００名", "job_title": "営業部長"}, [], now
    )
    scorer = trained.scorer

    alone = cpu_seconds(lambda: [scorer.score(lead) for _ in range(300)]) / 300
    batch = cpu_seconds(lambda: scorer.score_many([lead] * 1000)) / 1000
    reasons = (
        cpu_seconds(lambda: [top_factors(scorer, scorer.score(lead)) for _ in range(300)]) / 300
    )

    with capsys.disabled():
        print("\n              µs/lead")
        for name, seconds in (("alone", alone), ("with factors", reasons), ("in a batch", batch)):
            print(f"{name:14}{seconds * 1e6:8.1f}")
    assert batch < 2 * alone
