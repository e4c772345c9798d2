"""A lead that was scored and recorded is learnt from as it was scored, and nobody is in it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from features.definition import load_definition
from features.encoder import LeadEncoder
from features.scorer import LeadScorer
from serving.records.exchange import export_folder
from serving.settings import ServeSettings
from serving.store import Exports, open_store
from tests.builders import START, raw_lead, scorer_over, small_history
from training.exchange import find_exchange, read_exchange

N_LEADS = 60
NOTHING = "未入力"
"""How this company writes that a field was left out."""
PERSONS = {
    "company": ("株式会社霞ヶ関商店", "Kasumigaseki Inc.", "㈲霞ヶ関", "霞ヶ関", NOTHING, None),
    "email": (
        "kasumi@gmail.com", "kasumi@kasumigaseki.co.jp", "kasumi@kasumigaseki.ocn.ne.jp",
        "kasumi@kasumigaseki.ac.jp", "no address", NOTHING, None,
    ),
    "phone": ("080-5555-4444", "03-5555-4444", "0120-555-444", "5555", NOTHING, "", None),
}  # fmt: skip

TYPED = {*PERSONS, "message"}


def person(k: int) -> dict[str, Any]:
    """Return the fields of invented lead number `k`, with all that could name a person."""
    names = {field: values[k % len(values)] for field, values in PERSONS.items()}
    message = NOTHING if k % 11 == 0 else "霞ヶ関です。" * (k * k % 97)
    return raw_lead(k) | names | {"message": message}


@pytest.fixture(scope="module")
def scorer() -> LeadScorer:
    history = small_history()
    leads = [person(k) for k in range(len(history.leads))]
    for k, lead in enumerate(leads):  # a domain that several leads share would be known by name
        lead["email"] = lead["email"] and lead["email"].replace("kasumigaseki", f"firm{k}")
    history.fields = pd.DataFrame(leads, dtype=object)
    history.blanks = (NOTHING,)
    return scorer_over(LeadEncoder.fit(history, load_definition(), min_leads=5), 0, 0.1)


@pytest.fixture
def recorded(
    client: TestClient, settings: ServeSettings, tmp_path: Path, scorer: LeadScorer
) -> Path:
    """Return a folder with what a service exports after it scored some leads."""
    leads = [
        {
            "lead_id": f"L{k}",
            "as_of": (START + timedelta(hours=k)).isoformat(),
            "fields": person(k),
        }
        for k in range(N_LEADS)
    ]
    assert client.post("/v1/score/batch", json={"leads": leads}).json()["n_scored"] == N_LEADS
    events = [
        {"lead_id": f"L{k}", "kind": "accepted", "at": (START + timedelta(days=4)).isoformat()}
        for k in range(N_LEADS)
    ]
    assert client.post("/v1/events", json={"events": events}).status_code == 200
    store = open_store(settings.database_address)
    export_folder(Exports(store), scorer.definition, tmp_path / "export")
    store.close()
    return tmp_path / "export"


def test_training_reads_the_codes_that_a_lead_was_scored_with(
    recorded: Path, scorer: LeadScorer, client: TestClient
) -> None:
    history = read_exchange(find_exchange(recorded), scorer.definition)

    learnt = scorer.encoder.encode_history(history)
    names = [given.name for given in scorer.encoder.inputs]
    scored = []
    for lead_id in history.leads["lead_id"]:
        codes = client.get(f"/v1/leads/{lead_id}").json()["scores"][0]["inputs"]["codes"]
        scored.append([codes[name] for name in names])
    of_persons = [at for at, name in enumerate(names) if name.split(".")[0] in TYPED]
    assert {names[at].split(".")[0] for at in of_persons} == TYPED
    assert len(np.unique(learnt[:, of_persons], axis=0)) > 10
    assert learnt.tolist() == scored


def test_nobody_is_in_what_was_recorded(recorded: Path, settings: ServeSettings) -> None:
    files = [*recorded.iterdir(), *settings.home.glob("lead_serve.db*")]
    assert len(files) >= 3

    for path in files:
        content = path.read_bytes().lower()
        for trace in ("霞ヶ関", "kasumi", "5555-4444", "55554444"):
            assert trace.encode() not in content, path.name
