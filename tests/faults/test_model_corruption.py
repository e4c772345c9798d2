"""Two hundred ways to damage an approved model: each is refused with a reason, the old one serves."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from features import artefact as artefacts
from features.contract import REASONS
from features.scorer import LeadScorer
from serving.app import create_app
from serving.model_life.holder import load_model
from serving.settings import ServeSettings
from serving.store import Approval, Approvals, open_store
from tests.builders import lead_input, small_encoder, small_scorer
from tests.serving.conftest import NOW, approved

Damage = Callable[[Path], None]

FILES = (*artefacts.REQUIRED, "evaluation.json", artefacts.MANIFEST)
HUGE = (b"1e400", b"-1e999", b"9" * 400, b"9" * 5_000, b"1e-400", b"NaN", b"Infinity")


@pytest.fixture(scope="module")
def newer() -> LeadScorer:
    return small_scorer(seed=5)


@pytest.fixture(scope="module")
def published(newer: LeadScorer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "model"
    newer.save(folder)
    return folder


def write(name: str, change: Callable[[bytes], bytes]) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return damage


def edited(body: bytes, seed: int) -> bytes:
    """Change one digit to another, or else a letter: the length stays, and it still parses."""
    places = [place for place, byte in enumerate(body) if 48 <= byte <= 57]
    if not places:
        return body.replace(b"e", b"f", 1)
    place = random.Random(seed).choice(places)
    return body[:place] + bytes([48 + (body[place] - 48 + 1 + seed % 9) % 10]) + body[place + 1 :]


def inflated(body: bytes, number: bytes, seed: int) -> bytes:
    """Put an impossible number in place of one that is there."""
    places = [place for place, byte in enumerate(body) if 49 <= byte <= 57]
    place = random.Random(seed).choice(places)
    return body[:place] + number + body[place + 1 :]


def swapped(one: str, other: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / one).rename(folder / "between")
        (folder / other).rename(folder / one)
        (folder / "between").rename(folder / other)

    return damage


def replaced(name: str, kind: str) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / name
        path.rename(folder.parent / f"real-{name}")
        if kind == "directory":
            path.mkdir()
        elif kind == "link":
            path.symlink_to(folder.parent / f"real-{name}")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "sparse":
            with path.open("wb") as file:
                file.truncate(10 * 1024**3)

    return damage


def forge(folder: Path, name: str, body: bytes) -> None:
    """Change a file and make the manifest agree, as somebody who writes to the store would."""
    (folder / name).write_bytes(body)
    manifest = json.loads((folder / artefacts.MANIFEST).read_bytes())
    manifest["files"][name] = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    parts = {listed: (folder / listed).read_bytes() for listed in manifest["files"]}
    fingerprint = small_encoder().definition.fingerprint
    manifest["model_digest"] = artefacts.digest_of(parts, fingerprint)
    (folder / artefacts.MANIFEST).write_bytes(artefacts.canonical(manifest))


def forged(name: str, seed: int) -> Damage:
    return lambda folder: forge(folder, name, edited((folder / name).read_bytes(), seed))


def noise(n: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(n)


def damages() -> Iterator[tuple[str, Damage]]:
    """Give every damage with its name."""
    for name in FILES:
        for seed in range(3):
            yield f"noise {seed} in {name}", write(name, lambda b, s=seed: noise(len(b), s))
        yield f"{name} empty", write(name, lambda _: b"")
        yield f"{name} longer", write(name, lambda body: body + b" ")
        for kind in ("nothing", "directory", "link", "pipe", "sparse"):
            yield f"{kind} for {name}", replaced(name, kind)
    for point in range(50):
        name = FILES[point % len(FILES)]
        share = (point + 1) / 52
        yield f"{name} cut at {share:.2f}", write(name, lambda b, s=share: b[: int(len(b) * s)])
    for k, one in enumerate(FILES):
        for other in FILES[k + 1 : k + 3]:
            yield f"{one} and {other} swapped", swapped(one, other)
    for seed in range(30):
        name = FILES[seed % len(FILES)]
        yield f"a digit of {name} changed ({seed})", write(name, lambda b, s=seed: edited(b, s))
    for seed, number in enumerate(HUGE * 2):
        name = ("tables.json", "encoder.json", "calibration.json", "reference.json")[seed % 4]
        yield (
            f"{number[:8].decode()} in {name} ({seed})",
            write(name, lambda b, n=number, s=seed: inflated(b, n, s)),
        )
    for seed in range(20):
        name = ("tables.json", "acceptance.json", "encoder.json", "reference.json")[seed % 4]
        yield f"{name} forged after approval ({seed})", forged(name, seed)


DAMAGES = list(damages())
SHORT = DAMAGES[::3]


def refuse_all(
    chosen: list[tuple[str, Damage]],
    home: Path,
    older: LeadScorer,
    newer: LeadScorer,
    published: Path,
) -> dict[str, str]:
    """Let each damaged model be approved last, and return the reasons that were told."""
    settings = ServeSettings(access="open", home=home)
    approved(settings, older, "7")
    approvals = Approvals(open_store(settings.database_address))
    place = settings.models_folder / newer.model_digest
    digest = artefacts.manifest_digest(published)
    told: dict[str, str] = {}
    with TestClient(create_app(settings, clock=lambda: NOW, watch_seconds=3600)) as client:
        models = client.app.state.service.models  # type: ignore[attr-defined]
        before = client.post("/v1/score", json={"lead_id": "L", "fields": {"source": "x"}}).json()
        for k, (name, damage) in enumerate(chosen):
            place.parent.mkdir(exist_ok=True)
            shutil.copytree(published, place)
            damage(place)
            moment = NOW + timedelta(seconds=k)
            approvals.add(
                Approval("lead-quality", "8", newer.model_digest, "h", moment, name, digest)
            )
            assert models.refresh() is False, name
            ready = client.get("/readyz").json()
            assert (ready["status"], ready["model"]) == ("ready", "7"), name
            told[name] = ready["warning"].partition("(")[2].partition(")")[0]
            shutil.rmtree(place)
            for left in place.parent.glob("real-*"):
                left.unlink()
        after = client.post("/v1/score", json={"lead_id": "L", "fields": {"source": "x"}}).json()
        assert {**after, "recorded": 0} == {**before, "recorded": 0}
    return told


def test_a_damaged_model_of_every_kind_is_refused_with_its_reason(
    tmp_path: Path, newer: LeadScorer, published: Path
) -> None:
    told = refuse_all(SHORT, tmp_path, small_scorer(), newer, published)

    assert len(told) == len(SHORT) >= 50
    assert set(told.values()) <= set(REASONS)
    assert {"file_changed", "file_missing", "file_too_large", "not_approved"} <= set(told.values())


@pytest.mark.faults
def test_two_hundred_damaged_models_are_refused_with_their_reasons(
    tmp_path: Path, newer: LeadScorer, published: Path
) -> None:
    told = refuse_all(DAMAGES, tmp_path, small_scorer(), newer, published)

    assert len(told) == len(DAMAGES) >= 200
    assert set(told.values()) <= set(REASONS)


# -- damaged before approval: the digests fit --------------------------------------------------


def forgeries() -> Iterator[tuple[str, str, Callable[[bytes], bytes]]]:
    """Give changes whose digests are made to fit, as if such a model had been published."""
    for seed in range(40):
        name = ("tables.json", "acceptance.json", "encoder.json", "calibration.json")[seed % 4]
        yield f"digit {seed}", name, lambda body, s=seed: edited(body, s)
    for seed, number in enumerate(HUGE):
        for name in ("tables.json", "calibration.json", "reference.json"):
            change = lambda body, n=number, s=seed: inflated(body, n, s)  # noqa: E731
            yield f"number {seed}", name, change
    for k, body in enumerate((b"null", b"[]", b"{}", b'"x"', b"[" * 50_000, b"0", b"true")):
        for name in ("tables.json", "encoder.json", "calibration.json", "reference.json"):
            yield f"content {k}", name, lambda _, b=body: b


FORGERIES = list(forgeries())


def _named(part: object) -> str | None:
    return part if isinstance(part, str) else ""


@pytest.mark.parametrize(("what", "name", "change"), FORGERIES[::3], ids=_named)
def test_a_model_published_damaged_is_refused_or_gives_chances(
    tmp_path: Path, published: Path, what: str, name: str, change: Callable[[bytes], bytes]
) -> None:
    assert_refused_or_whole(tmp_path, published, name, change)


@pytest.mark.faults
@pytest.mark.parametrize(("what", "name", "change"), FORGERIES, ids=_named)
def test_every_model_published_damaged_is_refused_or_gives_chances(
    tmp_path: Path, published: Path, what: str, name: str, change: Callable[[bytes], bytes]
) -> None:
    assert_refused_or_whole(tmp_path, published, name, change)


def assert_refused_or_whole(
    tmp_path: Path, published: Path, name: str, change: Callable[[bytes], bytes]
) -> None:
    folder = Path(shutil.copytree(published, tmp_path / "model"))
    forge(folder, name, change((folder / name).read_bytes()))
    manifest = json.loads((folder / artefacts.MANIFEST).read_bytes())
    digest = str(manifest["model_digest"])
    folder = folder.rename(tmp_path / digest)
    approval = Approval(
        "lead-quality", "8", digest, "h", NOW, "w", artefacts.manifest_digest(folder)
    )

    refused, scorer = loaded_or_refused(tmp_path, approval)

    if refused is not None:
        assert refused.code in REASONS
        assert len(str(refused)) < 400
    else:  # what changed is nothing that golden rows could tell, and every answer is a chance
        chances = scorer.score(lead_input(3)).probabilities
        assert all(0 <= chance <= 1 for chance in chances)


def loaded_or_refused(models: Path, approval: Approval) -> tuple[Any, Any]:
    try:
        return None, load_model(models, approval).scorer
    except artefacts.ArtefactRefused as error:
        return error, None


def test_a_file_changed_between_check_and_use_is_never_half_used(
    tmp_path: Path, newer: LeadScorer, published: Path
) -> None:
    folder = Path(shutil.copytree(published, tmp_path / newer.model_digest))
    good = (folder / "tables.json").read_bytes()
    bad = edited(good, 3)
    approval = Approval(
        "lead-quality", "8", newer.model_digest, "h", NOW, "w", artefacts.manifest_digest(folder)
    )
    expected = newer.score(lead_input(3)).probabilities
    ends = threading.Event()

    def flip() -> None:
        turn = 0
        while not ends.is_set():
            draft = tmp_path / "draft"
            draft.write_bytes(bad if turn % 2 else good)
            draft.replace(folder / "tables.json")
            turn += 1

    thread = threading.Thread(target=flip)
    thread.start()
    outcomes: list[Any] = []
    try:
        for _ in range(25):
            refused, scorer = loaded_or_refused(tmp_path, approval)
            outcomes.append(
                scorer.score(lead_input(3)).probabilities == expected
                if refused is None
                else refused.code
            )
    finally:
        ends.set()
        thread.join()

    assert set(outcomes) <= {True, "file_changed"}


def test_an_approval_of_an_earlier_program_is_checked_by_its_model_digest(
    tmp_path: Path, newer: LeadScorer, published: Path
) -> None:
    folder = Path(shutil.copytree(published, tmp_path / newer.model_digest))
    old = Approval("lead-quality", "8", newer.model_digest, "h", NOW, "w")
    assert load_model(tmp_path, old).scorer.model_digest == newer.model_digest

    forge(folder, "tables.json", edited((folder / "tables.json").read_bytes(), 1))

    with pytest.raises(artefacts.ArtefactRefused, match=r"another model|golden rows"):
        load_model(tmp_path, replace(old, version="9"))
