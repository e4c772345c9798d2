"""What is measured: one full-size model of an invented company, and leads it has not seen.

Made once for a session and kept in a folder: the model approved in a home of its own, its booster
as two MLflow models (as it is, and explained by shap), and the leads as requests to each service.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tests.bench.load import post, write_requests

if TYPE_CHECKING:
    import pandas as pd

    from features.scorer import LeadScorer
    from training.recipe import Learned
    from training.worlds import World

__all__ = [
    "BATCH",
    "Subject",
    "as_input",
    "leads_of",
    "make_subject",
    "requests_of",
    "split_rows",
    "written",
]

Kind = Literal["one", "batch", "rows", "rows batch", "fields"]

BATCH = 100
_A_DAY = timedelta(days=1)
_NEEDED = ["lightgbm", "scikit-learn", "shap"]
_EXPLAINED = [{"probability": 0.5, "contributions": [0.5]}]
_CUT_OFF = date(2024, 6, 1)
"""Long ago: no lead of the span after it lies in any clock's future."""


@dataclass(frozen=True)
class Subject:
    """A learned model and where its parts lie.

    Attributes
    ----------
    folder : Path
        Of everything below.
    home : Path
        A ``LEAD_HOME`` with the model approved, copied for each service that records.
    models : dict of str to Path
        MLflow models: ``booster`` (the student's, LightGBM flavour, with a signature), ``unsigned``
        (the same without), ``explained`` (pyfunc with shap), ``usual`` (what a team builds for raw
        leads: `tests.bench.usual_model`).
    leads : list of dict
        Requests to ``/v1/score``, without a language.
    rows : list of list of float
        The same leads as the booster takes them: codes and the horizon, ready made.
    scorer : LeadScorer
        As it is served.
    learned : Learned
        Student and codes, for measuring in process.
    """

    folder: Path
    home: Path
    models: dict[str, Path]
    leads: list[dict[str, Any]]
    rows: list[list[float]]
    scorer: LeadScorer
    learned: Learned


def make_subject(folder: Path, *, n_leads: int = 8_000, n_asked: int = 5_000) -> Subject:
    """Invent a company, learn from it, approve the model and log its booster.

    Parameters
    ----------
    folder : Path
        Empty, or not there yet.
    n_leads : int
        Leads to learn from.
    n_asked : int
        Leads that arrived later, to be scored.
    """
    from features.definition import load_definition
    from training.pipeline import _described
    from training.recipe import learn
    from training.worlds import WorldSettings, make_world

    folder.mkdir(parents=True, exist_ok=True)
    settings = WorldSettings(n_leads=n_leads, n_test=n_asked, seed=7, end=_CUT_OFF, leaks=())
    world = make_world(settings)
    definition = load_definition().model_copy(
        update={"recording_began": _CUT_OFF - timedelta(days=settings.days)}
    )
    past = world.training_part()
    learned = learn(past, definition, as_of=world.cut_off)
    scorer = _described(learned, None)
    leads = list(leads_of(world))
    _approve(folder / "home", scorer)
    rows = _booster_rows(scorer, leads)
    models = _log_boosters(learned, folder, rows) | _log_usual(learned, past.fields, folder)
    return Subject(folder, folder / "home", models, leads, rows, scorer, learned)


def leads_of(world: World) -> Iterator[dict[str, Any]]:
    """Yield the leads after the cut-off as requests, each a day after it arrived."""
    part = world.test_part()
    leads, fields = part.leads, part.fields
    acts = part.behaviours.merge(leads[["lead_id", "arrived_at"]], on="lead_id")
    acts = acts[acts["at"] <= acts["arrived_at"] + _A_DAY]
    events: dict[str, list[dict[str, Any]]] = {}
    for lead_id, kind, at, amount in zip(
        acts["lead_id"], acts["kind"], acts["at"], acts["amount"], strict=True
    ):
        event = {"kind": kind, "at": at.isoformat()}
        events.setdefault(lead_id, []).append(
            event if amount != amount else event | {"amount": float(amount)}
        )
    for place, (lead_id, arrived_at) in enumerate(
        zip(leads["lead_id"], leads["arrived_at"], strict=True)
    ):
        yield {
            "lead_id": lead_id,
            "as_of": (arrived_at + _A_DAY).isoformat(),
            "fields": fields.iloc[place].dropna().to_dict(),
            "events": events.get(lead_id, []),
        }


def requests_of(
    subject: Subject,
    kind: Kind,
    *,
    more: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Path:
    """Write the leads as requests and return the file.

    Parameters
    ----------
    kind : {"one", "batch", "rows", "rows batch", "fields"}
        One lead or a hundred to our service; one encoded row or a hundred, or one lead's fields, to
        MLflow's.
    more : mapping, optional
        Members of the body beside the leads, for example ``{"record": False}``.
    headers : mapping, optional
        For example a key.
    """
    extra = dict(more or {})
    path = {"one": "/v1/score", "batch": "/v1/score/batch"}.get(kind, "/invocations")
    bodies: Iterable[dict[str, Any]]
    if kind == "one":
        bodies = ({**lead, **extra} for lead in subject.leads)
    elif kind == "batch":
        bodies = ({"leads": leads, **extra} for leads in _in_batches(subject.leads))
    elif kind == "rows":
        bodies = (split_rows([row]) for row in subject.rows)
    elif kind == "fields":
        names = sorted({name for lead in subject.leads for name in lead["fields"]})
        bodies = (
            _split(names, [[lead["fields"].get(name) for name in names]]) for lead in subject.leads
        )
    else:
        bodies = (split_rows(rows) for rows in _in_batches(subject.rows))
    told = [kind.replace(" ", "-"), *(f"{name}-{value}" for name, value in extra.items())]
    file = subject.folder / f"{'-'.join(told)}{'-with-key' if headers else ''}.requests"
    return write_requests(file, (post(path, body, headers) for body in bodies))


def split_rows(rows: list[list[float]]) -> dict[str, Any]:
    """Return rows of numbers as MLflow's ``dataframe_split``: names once, then values."""
    return _split(_names(len(rows[0])), rows)


def _split(names: list[str], rows: list[list[Any]]) -> dict[str, Any]:
    return {"dataframe_split": {"columns": names, "data": rows}}


def _names(n: int) -> list[str]:
    return [f"f{place}" for place in range(n)]


def _in_batches(given: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(given) - BATCH + 1, BATCH):
        yield given[start : start + BATCH]


def _approve(home: Path, scorer: LeadScorer) -> None:
    from serving.settings import ServeSettings
    from tests.serving.conftest import approved

    home.mkdir(parents=True)
    approved(ServeSettings(access="open", home=home), scorer, version="1")


def as_input(lead: Mapping[str, Any]) -> Any:
    """Return a request's lead as the scorer takes it."""
    from features.encoder import LeadInput
    from features.events import Act

    acts = [
        Act(event["kind"], datetime.fromisoformat(event["at"]), event.get("amount"))
        for event in lead["events"]
    ]
    return LeadInput(lead["fields"], acts, datetime.fromisoformat(lead["as_of"]).astimezone(UTC))


def _booster_rows(scorer: LeadScorer, leads: list[dict[str, Any]]) -> list[list[float]]:
    main = float(scorer.raw_tables.position(scorer.main_horizon))
    encoded = scorer.encoder.encode_many([as_input(lead) for lead in leads])
    return [[*map(float, one.codes), main] for one in encoded]


def _log_boosters(learned: Learned, folder: Path, rows: list[list[float]]) -> dict[str, Path]:
    """Save the student's booster as MLflow models; return their folders."""
    import mlflow
    import numpy as np
    import pandas as pd
    from mlflow.models import infer_signature

    assert learned.student is not None
    booster = learned.student.booster
    asked = pd.DataFrame(np.array(rows[:BATCH]), columns=_names(len(rows[0])))
    signature = infer_signature(asked, booster.predict(asked.to_numpy()))
    mlflow.lightgbm.save_model(
        booster, folder / "booster", pip_requirements=_NEEDED, signature=signature
    )
    mlflow.lightgbm.save_model(booster, folder / "unsigned", pip_requirements=_NEEDED)
    booster.save_model(folder / "student.txt")
    mlflow.pyfunc.save_model(
        folder / "explained",
        python_model=str(Path(__file__).with_name("shap_model.py")),
        artifacts={"booster": str(folder / "student.txt")},
        pip_requirements=_NEEDED,
        signature=infer_signature(asked, _EXPLAINED),
    )
    return {name: folder / name for name in ("booster", "unsigned", "explained")}


def _log_usual(learned: Learned, fields: pd.DataFrame, folder: Path) -> dict[str, Path]:
    """Save what a team would serve that had no student; return its folder.

    It learns what the student says at the main horizon: only its form matters here.
    """
    import lightgbm
    import mlflow
    import numpy as np
    from mlflow.models import infer_signature

    from tests.bench.usual_model import transformer_of

    scorer = learned.scorer
    chances = scorer.probabilities(learned.codes)[:, scorer.tables.position(scorer.main_horizon)]
    wins = chances > np.random.default_rng(1).random(len(chances))
    texts = fields.astype("str")
    rows = transformer_of(texts).transform(texts)
    settings = {"objective": "binary", "num_leaves": 31, "learning_rate": 0.03, "seed": 1}
    quiet = {"num_threads": 1, "verbosity": -1}
    booster = lightgbm.train(settings | quiet, lightgbm.Dataset(rows, wins.astype(float)), 500)
    booster.save_model(folder / "usual.txt")
    texts.to_csv(folder / "fields.csv", index=False)
    mlflow.pyfunc.save_model(
        folder / "usual",
        python_model=str(Path(__file__).with_name("usual_model.py")),
        artifacts={"booster": str(folder / "usual.txt"), "fields": str(folder / "fields.csv")},
        pip_requirements=_NEEDED,
        signature=infer_signature(texts.head(BATCH), _EXPLAINED),
    )
    return {"usual": folder / "usual"}


def written(subject: Subject) -> dict[str, float]:
    """Return how large the requests are, for the record."""
    sizes = [len(json.dumps(lead, ensure_ascii=False).encode()) for lead in subject.leads]
    return {
        "n": len(sizes),
        "bytes": sum(sizes) / len(sizes),
        "fields": sum(len(lead["fields"]) for lead in subject.leads) / len(sizes),
        "events": sum(len(lead["events"]) for lead in subject.leads) / len(sizes),
    }
