"""Small real objects for tests: a definition, a history, a scorer with random tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from features.definition import EVER, LeadDefinition, load_definition
from features.encoder import LeadEncoder, LeadInput
from features.events import Act
from features.scorer import Calibration, LeadScorer
from features.tables import AdditiveTables, PairTable

VERDICT = {"level": "ok", "words": {"ja": "条件つきで良い", "en": "Good, with a condition"}}
START = datetime(2025, 1, 6, 0, 0, tzinfo=UTC)
SOURCES = ("ウェビナー", "展示会", "organic_search", "Referral", None)
TITLES = ("代表取締役", "営業部長", "情報システム課 主任", "Marketing Manager", "担当", None)
MAILS = ("a@gmail.com", "info@example.co.jp", None)
EMPLOYEES = ("１，２００名", "100〜299名", "7", "50人以上", None, "330", "25", "8000")


def raw_lead(k: int) -> dict[str, Any]:
    """Return the raw fields of invented lead number `k`."""
    return {
        "source": SOURCES[k % 5],
        "industry": ("製造業", "it", "建設業")[k % 3],
        "employees": EMPLOYEES[k % 8],
        "job_title": TITLES[k % 6],
        "email": MAILS[k % 3],
        "message": "x" * (k % 90),
    }


def acts_of(k: int) -> list[Act]:
    """Return what invented lead number `k` did before it arrived."""
    arrived = START + timedelta(hours=5 * k)
    return [Act("page_view", arrived - timedelta(days=d, hours=1)) for d in range(k % 4)] + [
        Act("webinar", arrived - timedelta(days=2), float(k % 50))
    ] * (k % 2)


def small_history(n: int = 400) -> Any:
    """Return the parts of a history that an encoder reads, for `n` invented leads."""
    behaviours = [(f"L{k}", act.at, act.kind, act.amount) for k in range(n) for act in acts_of(k)]
    columns = ["lead_id", "at", "kind", "amount"]
    table = pd.DataFrame(behaviours, columns=columns).astype(
        {"amount": float, "lead_id": object, "kind": object}
    )
    return SimpleNamespace(
        leads=pd.DataFrame(
            {
                "lead_id": pd.Series([f"L{k}" for k in range(n)], dtype=object),
                "arrived_at": pd.to_datetime(
                    [START + timedelta(hours=5 * k) for k in range(n)]
                ).as_unit("us"),
                "sequence": np.arange(n),
            }
        ),
        fields=pd.DataFrame([raw_lead(k) for k in range(n)], dtype=object),
        behaviours=table,
        blanks=(),
        date_formats=(),
        memory={},
    )


def lead_input(k: int) -> LeadInput:
    """Return invented lead number `k` as serving would see it at its arrival."""
    given = {name: raw for name, raw in raw_lead(k).items() if raw is not None}
    return LeadInput(given, acts_of(k), START + timedelta(hours=5 * k))


def random_tables(
    sizes: tuple[int, ...], horizons: tuple[int, ...], seed: int = 0
) -> AdditiveTables:
    """Return tables with random cells and one pair; later horizons lie above earlier ones."""
    rng = np.random.default_rng(seed)
    curves = [rng.normal(0, 0.4, size) for size in sizes]
    pair = PairTable(0, 1, rng.normal(0, 0.1, sizes[:2]), rng.normal(0, 0.1, sizes[:2]))
    return AdditiveTables(
        horizons,
        tuple(-3.0 + 0.6 * h for h in range(len(horizons))),
        tuple(tuple(curves) for _ in horizons),
        (pair,),
    )


@cache
def _learnt(n: int) -> LeadEncoder:
    return LeadEncoder.fit(small_history(n), load_definition(), min_leads=5)


def small_encoder(definition: LeadDefinition | None = None, n: int = 400) -> LeadEncoder:
    """Return an encoder learnt from the small history; one for all who ask alike."""
    if definition is None:
        return _learnt(n)
    return LeadEncoder.fit(small_history(n), definition, min_leads=5)


def small_scorer(
    definition: LeadDefinition | None = None, seed: int = 0, shift: float = 0.1
) -> LeadScorer:
    """Return a real scorer whose tables are random; good for every test that needs no learning."""
    if definition is None:
        return _scorer(seed, shift)
    return scorer_over(small_encoder(definition), seed, shift)


@cache
def _scorer(seed: int, shift: float) -> LeadScorer:
    return scorer_over(small_encoder(), seed, shift)


def scorer_over(encoder: LeadEncoder, seed: int, shift: float) -> LeadScorer:
    """Return a scorer with random tables over an encoder."""
    horizons = encoder.definition.horizons
    bands = [_bands(given.size) for given in encoder.inputs]
    grid = np.linspace(-6, 2, 40)
    reference = {
        "overall": {"rate": 0.09, "n": 400, "days": encoder.definition.main_horizon},
        "inputs": bands,
        "neighbours": {
            "logit": grid.tolist(),
            "low": [0.01] * 40,
            "high": [0.3] * 40,
            "n": [200] * 40,
        },
    }
    return LeadScorer(
        encoder,
        random_tables(encoder.sizes, horizons, seed),
        random_tables(encoder.sizes, (EVER,), seed + 1),
        Calibration("history", "student", encoder.definition.main_horizon, shift),
        reference,
        {"verdict": VERDICT},
    )


def _bands(size: int) -> list[dict[str, Any]]:
    return [
        {"from": code, "to": code, "n": 40 + code, "rate": 0.05 + 0.01 * code}
        for code in range(size)
    ]
