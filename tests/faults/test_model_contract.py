"""A model that this program would misread is refused with a reason of its own, or a rule says why not.

Every model here is whole and approved as it is: the digests fit. What does not fit is the contract.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from features import artefact as artefacts
from features.contract import REASONS
from features.definition import parse_definition
from features.scorer import LeadScorer
from serving.model_life.holder import load_model
from serving.model_life.models import ServingModel
from serving.store import Approval
from tests.builders import lead_input, small_scorer
from tests.serving.conftest import NOW

Parts = dict[str, Any]
Change = Callable[[Parts], None]


@pytest.fixture(scope="module")
def scorer() -> LeadScorer:
    return small_scorer()


@pytest.fixture(scope="module")
def published(scorer: LeadScorer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "model"
    scorer.save(folder, booster="tree\nversion=v4\n")
    return folder


def approved_after(published: Path, models: Path, change: Change) -> Approval:
    """Publish a changed model, with digests that fit, and approve it."""
    parts: Parts = {}
    for path in published.iterdir():
        body = path.read_bytes()
        parts[path.name] = json.loads(body) if path.suffix == ".json" else body
    parts["definition.yaml"] = yaml.safe_load(parts["definition.yaml"])
    manifest = parts.pop(artefacts.MANIFEST)
    change(parts)
    format_number = parts.pop("format", manifest["format"])
    definition = yaml.safe_dump(parts["definition.yaml"], allow_unicode=True, sort_keys=False)
    bodies = {
        name: body if isinstance(body, bytes) else artefacts.canonical(body)
        for name, body in parts.items()
    } | {"definition.yaml": definition.encode()}
    try:
        fingerprint = parse_definition(definition, "definition.yaml").fingerprint
    except Exception:  # noqa: BLE001 - it is the definition that is wrong
        fingerprint = ""
    digest = artefacts.digest_of(bodies, fingerprint)
    folder = models / digest
    artefacts.write_artefact(folder, bodies, digest)
    if format_number != artefacts.FORMAT:
        told = json.loads((folder / artefacts.MANIFEST).read_bytes()) | {"format": format_number}
        (folder / artefacts.MANIFEST).write_bytes(artefacts.canonical(told))
    return Approval("lead-quality", "8", digest, "h", NOW, "w", artefacts.manifest_digest(folder))


def inputs_of(parts: Parts) -> list[dict[str, Any]]:
    return parts["encoder.json"]["inputs"]  # type: ignore[no-any-return]


def position(parts: Parts, name: str) -> int:
    return next(k for k, given in enumerate(inputs_of(parts)) if given["name"] == name)


def input_missing(parts: Parts) -> None:
    del inputs_of(parts)[position(parts, "industry")]


def half_a_field_missing(parts: Parts) -> None:
    del inputs_of(parts)[position(parts, "job_title.department")]


def input_renamed(parts: Parts) -> None:
    given = inputs_of(parts)[position(parts, "industry")]
    given["name"] = given["field"] = "branch"


def inputs_reordered(parts: Parts) -> None:
    inputs, k = inputs_of(parts), position(parts, "job_title.rank")
    inputs[k], inputs[k + 1] = inputs[k + 1], inputs[k]


def input_of_another_type(parts: Parts) -> None:
    parts["definition.yaml"]["fields"]["employees"]["type"] = "category"


def categories_exchanged(parts: Parts) -> None:
    given = inputs_of(parts)[position(parts, "source")]
    given["levels"].reverse()
    given["shown"].reverse()


def another_method(parts: Parts) -> None:
    parts["calibration.json"]["method"] = "regression"


def newer_definition(parts: Parts) -> None:
    parts["definition.yaml"]["themes"] = {"a key of a later program": True}


def threshold_missing(parts: Parts) -> None:
    del parts["definition.yaml"]["economics"]["cost_of_working"]


REFUSED: dict[str, tuple[Change, str]] = {
    "an input the definition does not have": (input_renamed, "input_unknown"),
    "an input missing": (input_missing, "tables_differ"),
    "half a field's inputs missing": (half_a_field_missing, "input_missing"),
    "inputs in another order": (inputs_reordered, "input_order"),
    "an input of another type": (input_of_another_type, "input_kind"),
    "category codes exchanged": (categories_exchanged, "golden_differs"),
    "another method": (another_method, "method_unknown"),
    "a later manifest": (lambda parts: parts.update(format=99), "format_unknown"),
    "a horizon that is none": (
        lambda parts: parts["calibration.json"].update(main_horizon=77),
        "horizon_unknown",
    ),
    "a calibration of a later program": (
        lambda parts: parts["calibration.json"].update(slope=1.0),
        "calibration_invalid",
    ),
    "a definition of a later program": (newer_definition, "definition_invalid"),
    "other parsers": (
        lambda parts: parts["encoder.json"].update(parsers=2),
        "parsers_changed",
    ),
    "acceptance of other inputs": (
        lambda parts: parts["acceptance.json"]["mains"][0].pop(),
        "acceptance_differs",
    ),
    "tables of no shape": (
        lambda parts: parts["tables.json"]["mains"][1][0].append(0.0),
        "tables_invalid",
    ),
    "an encoder without inputs": (
        lambda parts: parts["encoder.json"].pop("inputs"),
        "encoder_invalid",
    ),
    "golden rows left out": (
        lambda parts: parts["encoder.json"].pop("golden"),
        "golden_missing",
    ),
    "neighbours of other lengths": (
        lambda parts: parts["reference.json"]["neighbours"]["low"].pop(),
        "reference_invalid",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_with_a_reason_of_its_own(
    tmp_path: Path, published: Path, case: str
) -> None:
    change, code = REFUSED[case]
    approval = approved_after(published, tmp_path, change)

    with pytest.raises(artefacts.ArtefactRefused, match="again") as refused:
        load_model(tmp_path, approval)

    assert refused.value.code == code
    assert code in REASONS


def test_no_two_of_these_reasons_are_the_same() -> None:
    codes = [code for _, code in REFUSED.values()]

    assert len(codes) >= 14
    assert len(set(codes)) == len(codes)


def test_a_definition_without_its_thresholds_is_refused(tmp_path: Path, published: Path) -> None:
    approval = approved_after(published, tmp_path, threshold_missing)

    with pytest.raises(artefacts.ArtefactRefused, match=r"definition\.yaml") as refused:
        load_model(tmp_path, approval)

    assert refused.value.code == "definition_invalid"


def without_neighbours(parts: Parts) -> None:
    del parts["reference.json"]["neighbours"]


def with_a_later_part(parts: Parts) -> None:
    parts["reference.json"]["of a later program"] = [1, 2, 3]


SERVED: dict[str, Change] = {
    "another booster: it is a record, never read": lambda parts: parts.update(
        {"booster.txt": b"\x00 of another major version"}
    ),
    "no booster": lambda parts: parts.pop("booster.txt"),
    "no evaluation: the page says less": lambda parts: parts.pop("evaluation.json"),
    "an older model without neighbours: answers have no interval": without_neighbours,
    "a part of reference.json that this program does not know": with_a_later_part,
}


@pytest.mark.parametrize("case", SERVED)
def test_by_a_rule_that_is_written_down_a_difference_is_served(
    tmp_path: Path, published: Path, scorer: LeadScorer, case: str
) -> None:
    approval = approved_after(published, tmp_path, SERVED[case])

    model = load_model(tmp_path, approval)

    assert isinstance(model, ServingModel)
    lead = lead_input(3)
    assert model.scorer.score(lead).probabilities == scorer.score(lead).probabilities


def test_the_columns_of_a_request_have_no_order(scorer: LeadScorer) -> None:
    lead = lead_input(3)
    turned = type(lead)(dict(reversed(lead.fields.items())), lead.acts, lead.as_of)

    assert scorer.score(turned).probabilities == scorer.score(lead).probabilities


def test_every_reason_of_the_code_is_listed_and_every_listed_one_is_used() -> None:
    import re

    root = Path(__file__).parents[2]
    sources = [*(root / "features").glob("*.py"), *(root / "serving").rglob("*.py")]
    text = "\n".join(path.read_text("utf-8") for path in sources if path.name != "contract.py")
    text += (root / "features" / "contract.py").read_text("utf-8").partition("_CALIBRATION =")[2]
    used = {code for code in REASONS if f'"{code}"' in text}

    assert used == set(REASONS)
    raised = re.findall(r'ArtefactRefused\((?:[^()]|\([^()]*\))*?"([a-z_]+)",?\s*\)', text)
    assert set(raised) <= set(REASONS)


def test_the_folder_of_a_refused_model_is_left_as_it_was(tmp_path: Path, published: Path) -> None:
    approval = approved_after(published, tmp_path, another_method)
    before = {path.name: path.read_bytes() for path in (tmp_path / approval.digest).iterdir()}

    with pytest.raises(artefacts.ArtefactRefused, match="method"):
        load_model(tmp_path, approval)

    assert before == {p.name: p.read_bytes() for p in (tmp_path / approval.digest).iterdir()}
    shutil.rmtree(tmp_path / approval.digest)
