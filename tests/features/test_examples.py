"""The example maps read the real sets; skipped where the sets are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from features.definition import load_definition
from features.leads import LeadHistory, read_history
from features.source_map import check_source_map, load_source_map

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PAIRS = sorted(path.parent.name + "/" + path.name.split(".")[0]
               for path in EXAMPLES.glob("*/*.source_map.yaml"))  # fmt: skip
FILES = {
    "ficzon": ["ficzon/sales_leads_masked.csv"],
    "xeducation": ["xeducation/Leads.csv"],
    "olist": [
        "olist_funnel/olist_marketing_qualified_leads_dataset.csv",
        "olist_funnel/olist_closed_deals_dataset.csv",
    ],
}


def read_example(name: str) -> LeadHistory:
    place = os.environ.get("LEADS_REAL_DATA")
    if not place:
        pytest.skip("LEADS_REAL_DATA is unset: the real sets are not part of the project")
    definition = load_definition(EXAMPLES / f"{name}.definition.yaml")
    source_map = load_source_map(EXAMPLES / f"{name}.source_map.yaml")
    paths = [Path(place) / file for file in FILES[name.split("/", maxsplit=1)[0]]]
    return read_history(paths, definition, source_map)


def counts(history: LeadHistory) -> dict[str, int]:
    kinds = history.events["kind"] + history.events["reason"].map(lambda r: f":{r}" if r else "")
    return kinds.value_counts().to_dict()


@pytest.mark.parametrize("name", PAIRS)
def test_every_example_map_fits_its_definition(name):
    definition = load_definition(EXAMPLES / f"{name}.definition.yaml")
    source_map = load_source_map(EXAMPLES / f"{name}.source_map.yaml")

    check_source_map(source_map, definition)

    assert set(source_map.leads.fields) == set(definition.fields)


def test_examples_hold_maps_and_no_data():
    assert {path.suffix for path in EXAMPLES.rglob("*") if path.is_file()} <= {".yaml", ".md"}
    assert len(PAIRS) == 7


@pytest.mark.parametrize(
    ("task", "n_won"),
    [("high_potential", 2849), ("high_potential_with_agent", 2849), ("junk", 1536)],
)
def test_ficzon_reads_as_the_task_says(task, n_won):
    history = read_example(f"ficzon/{task}")

    assert len(history.leads) == 7340
    assert counts(history) == {"won": n_won, "lost:lost_other": 7340 - n_won}
    assert history.leads["arrived_at"].is_monotonic_increasing
    assert history.leads["arrived_at"].notna().all()
    dropped = next(one for one in history.findings if one.code == "dropped_status")
    assert dropped.n_rows == 82


def test_ficzon_with_reasons_keeps_open_leads_open():
    history = read_example("ficzon/policy")

    assert len(history.leads) == 7422
    assert counts(history) == {
        "won": 852,
        "lost:lost_other": 440,
        "rejected:competitor_student_spam": 1536,
        "rejected:unresponsive": 1129,
        "rejected:no_need": 760,
        "rejected:bad_timing": 646,
    }


@pytest.mark.parametrize(("task", "n_fields"), [("strict", 11), ("form", 17)])
def test_xeducation_reads_as_the_task_says(task, n_fields):
    history = read_example(f"xeducation/{task}")

    assert history.fields.shape == (9240, n_fields)
    assert counts(history) == {"won": 3561, "lost:lost_other": 5679}
    assert history.leads["lead_id"].astype(int).is_monotonic_increasing
    assert history.later.shape == (9240, 9)
    assert not (history.fields == "Select").to_numpy().any()


def test_olist_reads_as_a_history():
    history = read_example("olist/won")

    assert history.mode == "history"
    assert len(history.leads) == 8000
    assert counts(history) == {"won": 842}
    assert history.fields["landing_page"].nunique() == 495
    (early,) = [one for one in history.findings if one.code == "event_before_arrival"]
    assert early.n_rows == 1
    arrived = history.leads.set_index("lead_id")["arrived_at"]
    assert (history.events["at"] >= history.events["lead_id"].map(arrived)).all()
