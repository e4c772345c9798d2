"""One lead, one score: in training, after reloading, and over HTTP, alone and in a batch, bit by bit."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from features.definition import load_definition
from features.encoder import LeadEncoder, LeadInput
from features.leads import LeadHistory, read_history
from features.past_leads import acts_by_lead
from features.scorer import LeadScorer
from features.source_map import load_source_map
from serving.app import create_app
from serving.settings import ServeSettings
from tests.conftest import EXAMPLES, TODAY, world_files
from tests.serving.conftest import approved
from training.pipeline import as_of_history
from training.recipe import Recipe, learn

NOW = datetime(2026, 11, 22, tzinfo=UTC)
N = 1000


def read_example(name: str, files: list[Path]) -> LeadHistory:
    definition = load_definition(EXAMPLES / f"{name}.definition.yaml")
    return read_history(files, definition, load_source_map(EXAMPLES / f"{name}.source_map.yaml"))


def check(history: LeadHistory, definition_name: Path, tmp_path: Path, recipe: Recipe) -> None:
    definition = load_definition(definition_name)
    as_of = as_of_history(history) if history.mode == "history" else None
    learned = learn(history, definition, as_of=as_of, recipe=recipe)
    scorer = learned.scorer
    scorer.save(tmp_path / "model")
    reloaded = LeadScorer.load(tmp_path / "model")
    positions = range(0, len(history.leads), max(1, len(history.leads) // N))[:N]
    acts = acts_by_lead(history)
    has_acts = bool(len(history.behaviours))

    trained = scorer.probabilities(learned.codes[list(positions)]).tolist()
    bodies = []
    again = []
    for position in positions:
        lead_id = history.leads["lead_id"].iloc[position]
        arrived = history.leads["arrived_at"].iloc[position]
        row = history.fields.iloc[position]
        given = {str(name): raw for name, raw in row.items() if raw is not None}
        known = list(acts.get(lead_id, ())) if has_acts else None
        moment = NOW if arrived != arrived else arrived.to_pydatetime()
        again.append(reloaded.score(LeadInput(given, known, moment)))
        body = {"lead_id": lead_id, "as_of": moment.isoformat(), "fields": given}
        if known is not None:
            body["events"] = [
                {"kind": act.kind, "at": act.at.isoformat()}
                | ({} if act.amount is None else {"amount": act.amount})
                for act in known
            ]
        bodies.append(body)
    settings = ServeSettings(access="open", home=tmp_path / "home")
    approved(settings, scorer)
    with TestClient(create_app(settings, clock=lambda: NOW)) as client:
        single = [client.post("/v1/score", json=body).json() for body in bodies]
        batch = client.post("/v1/score/batch", json={"leads": bodies}).json()

    main = scorer.horizons.index(scorer.main_horizon)
    expected = [row[main] for row in trained]
    assert len(expected) == N
    assert [scored.probability for scored in again] == expected
    assert [list(scored.probabilities) for scored in again] == trained
    assert [answer["probability"] for answer in single] == expected
    assert [answer["probability"] for answer in batch["results"]] == expected
    assert [answer["score"] for answer in batch["results"]] == [
        answer["score"] for answer in single
    ]


def test_a_thousand_invented_leads_with_behaviour(world_folder, tmp_path, quick_recipe):
    definition = world_folder / "lead_definition.yaml"
    history = read_history(
        world_files(world_folder),
        load_definition(definition),
        load_source_map(world_folder / "source_map.yaml"),
        today=TODAY,
    )

    check(history, definition, tmp_path, quick_recipe)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("ficzon/high_potential_with_agent", ["ficzon/sales_leads_masked.csv"]),
        ("xeducation/form", ["xeducation/Leads.csv"]),
        (
            "olist/won",
            [
                "olist_funnel/olist_marketing_qualified_leads_dataset.csv",
                "olist_funnel/olist_closed_deals_dataset.csv",
            ],
        ),
    ],
    ids=["ficzon", "xeducation", "olist"],
)
def test_a_thousand_real_leads(name, files, real_data, tmp_path, quick_recipe):
    history = read_example(name, [real_data / file for file in files])

    check(history, EXAMPLES / f"{name}.definition.yaml", tmp_path, quick_recipe)


@pytest.mark.parametrize(
    ("name", "file", "delimiter", "number"),
    [
        ("ficzon/high_potential", "ficzon/sales_leads_masked.csv", ";", None),
        ("xeducation/form", "xeducation/Leads.csv", ",", "Lead Number"),
    ],
    ids=["ficzon", "xeducation"],
)
def test_the_raw_cells_of_an_export_are_read_as_in_training(
    name, file, delimiter, number, real_data
):
    history = read_example(name, [real_data / file])
    columns = load_source_map(EXAMPLES / f"{name}.source_map.yaml").leads.fields
    definition = load_definition(EXAMPLES / f"{name}.definition.yaml")
    encoder = LeadEncoder.fit(history, definition)
    expected = encoder.encode_history(history)
    cells = pd.read_csv(real_data / file, sep=delimiter, dtype=str, keep_default_na=False)
    by_number = cells.set_index(number) if number else cells

    for position in range(0, len(history.leads), 7):
        lead = history.leads.iloc[position]
        row = by_number.loc[lead["lead_id"]] if number else cells.iloc[int(lead["sequence"])]
        raw = {field: row[column] for field, column in columns.items()}
        assert encoder.encode(LeadInput(raw, None, NOW)).codes == expected[position].tolist()
