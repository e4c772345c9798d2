import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import artefact
from features.definition import EVER
from features.encoder import LeadInput
from features.errors import ArtefactRefused
from features.scorer import POINTS_PER_LOGIT, Calibration, LeadScorer
from tests.builders import lead_input, random_tables, small_encoder, small_history, small_scorer

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def scorer() -> LeadScorer:
    return small_scorer()


@pytest.fixture(scope="module")
def stored(scorer, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    scorer.save(folder, booster="tree\n")
    return folder


@pytest.fixture
def copy(stored, tmp_path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "model"))


def test_a_lead_has_the_same_score_alone_in_a_batch_in_training_and_after_reloading(scorer, stored):
    leads = [lead_input(k) for k in range(300)]
    alone = [scorer.score(lead) for lead in leads]

    reloaded = LeadScorer.load(stored)
    trained = scorer.probabilities(scorer.encoder.encode_history(small_history(300)))

    assert scorer.score_many(leads) == alone
    assert reloaded.score_many(leads) == alone
    assert [reloaded.score(lead) for lead in leads] == alone
    assert trained.tolist() == [list(scored.probabilities) for scored in alone]


@given(k=st.integers(0, 10_000))
def test_contributions_add_up_to_the_logit_and_points_to_the_score(k):
    scorer = _scorer()

    scored = scorer.score(lead_input(k))

    total = scored.base + sum(part.logit for part in scored.contributions)
    assert total == pytest.approx(scored.logit, abs=1e-9)
    points = 50 + sum(part.points for part in scored.contributions)
    assert scored.score == pytest.approx(min(100, max(0, points)), abs=1e-6)


_cache: list[LeadScorer] = []


def _scorer() -> LeadScorer:
    if not _cache:
        _cache.append(small_scorer())
    return _cache[0]


def test_the_two_inputs_of_a_job_title_are_one_contribution(scorer):
    fields = [part.field for part in scorer.score(lead_input(3)).contributions]

    assert fields.count("job_title") == 1
    assert len(fields) == len(set(fields))


def test_the_calibration_moves_the_base_and_nothing_else():
    plain, moved = small_scorer(shift=0.0), small_scorer(shift=0.7)
    lead = lead_input(5)

    before, after = plain.score(lead), moved.score(lead)

    assert after.base == pytest.approx(before.base + 0.7)
    assert after.score == pytest.approx(before.score)
    assert after.contributions == before.contributions
    assert after.probability > before.probability


def test_a_later_horizon_is_never_below_an_earlier_one_and_the_guard_says_when_it_acted():
    encoder = small_encoder()
    falling = random_tables(encoder.sizes, (30, 90))
    turned = type(falling)((30, 90), tuple(reversed(falling.base)), falling.mains, falling.pairs)
    scorer = LeadScorer(encoder, turned, None, Calibration("history", "student", 90))

    scored = scorer.score(lead_input(1))

    assert scored.probabilities[1] >= scored.probabilities[0]
    assert scored.is_guarded
    assert scored.acceptance is None
    assert scored.interval is None
    assert scorer.curve == "short"


def test_snapshot_models_have_no_curve(scorer):
    encoder = scorer.encoder
    snapshot = LeadScorer(
        encoder,
        random_tables(encoder.sizes, (EVER,)),
        None,
        Calibration("snapshot", "student", EVER),
    )

    assert snapshot.curve == "none"
    assert scorer.curve == "full"


def test_an_interval_is_that_of_the_nearest_past_scores(scorer):
    assert scorer.score(lead_input(2)).interval == (0.01, 0.3)


def test_no_leads_give_no_answers(scorer):
    assert scorer.score_many([]) == []


def test_a_lead_of_which_nothing_is_known_says_so(scorer):
    scored = scorer.score(LeadInput({}, None, NOW))

    assert scored.known == 2  # weekday and hour of the scoring time
    assert scored.unknown == 0


# -- the artefact ------------------------------------------------------------------------------


def test_the_same_model_has_the_same_digest_and_another_one_another():
    assert small_scorer().model_digest == small_scorer().model_digest
    assert small_scorer(seed=1).model_digest != small_scorer(seed=2).model_digest
    assert small_scorer(shift=0.1).model_digest != small_scorer(shift=0.2).model_digest


def test_a_model_is_never_overwritten_and_nothing_half_written_stays(scorer, stored):
    with pytest.raises(FileExistsError, match="never overwritten"):
        scorer.save(stored)
    assert [path.name for path in stored.parent.iterdir()] == ["model"]


def test_only_files_of_a_model_can_be_written(tmp_path):
    with pytest.raises(ValueError, match=r"not part of a model: evil\.py"):
        artefact.write_artefact(tmp_path / "m", {"evil.py": b""}, "x")


def test_a_stored_model_holds_data_only(stored):
    assert {path.name for path in stored.iterdir()} == {*artefact.ALLOWED, "manifest.json"}
    assert json.loads((stored / "manifest.json").read_bytes())["format"] == artefact.FORMAT


@pytest.mark.parametrize("name", [*artefact.REQUIRED, "booster.txt"])
def test_one_changed_byte_in_any_file_is_refused(copy, name):
    body = bytearray((copy / name).read_bytes())
    body[len(body) // 2] ^= 1
    (copy / name).write_bytes(bytes(body))

    with pytest.raises(ArtefactRefused, match=name):
        LeadScorer.load(copy)


@pytest.mark.parametrize("name", [*artefact.REQUIRED, "manifest.json"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()

    with pytest.raises(ArtefactRefused, match=f"{name} is missing"):
        LeadScorer.load(copy)


def test_a_link_in_place_of_a_file_is_refused(copy, tmp_path):
    (copy / "tables.json").rename(tmp_path / "elsewhere.json")
    (copy / "tables.json").symlink_to(tmp_path / "elsewhere.json")

    with pytest.raises(ArtefactRefused, match=r"tables\.json is missing"):
        LeadScorer.load(copy)


def rewritten(folder: Path, name: str, change) -> Path:
    """Change a file and make the manifest agree, as a forger would."""
    import hashlib

    content = json.loads((folder / name).read_bytes())
    change(content)
    body = artefact.canonical(content)
    (folder / name).write_bytes(body)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    parts = {listed: (folder / listed).read_bytes() for listed in manifest["files"]}
    fingerprint = small_encoder().definition.fingerprint
    manifest["model_digest"] = artefact.digest_of(parts, fingerprint)
    (folder / "manifest.json").write_bytes(artefact.canonical(manifest))
    return folder


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("tables.json", lambda t: t["base"].__setitem__(0, 1.5), "golden rows: row 0"),
        ("tables.json", lambda t: t["mains"][1][0].append(1.0), "differ in length"),
        ("acceptance.json", lambda t: t["mains"][0].pop(), "do not have the encoder's inputs"),
        ("calibration.json", lambda c: c.update(main_horizon=77), "main horizon 77"),
        ("calibration.json", lambda c: c.update(extra=1), "lacks or adds"),
        ("encoder.json", lambda e: e.pop("golden"), "they are missing"),
        ("encoder.json", lambda e: e.update(parsers=0), "parsers 0"),
        ("reference.json", lambda r: r["neighbours"].update(logit=["x"]), "do not fit"),
    ],
    ids=["base", "length", "inputs", "horizon", "extra", "golden", "parsers", "reference"],
)
def test_a_model_forged_with_a_fitting_manifest_is_still_refused(copy, name, change, complaint):
    with pytest.raises(ArtefactRefused, match="(?i)" + complaint):
        LeadScorer.load(rewritten(copy, name, change))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda m: m.update(format=99), "format this program does not read"),
        (lambda m: m.update(model_digest="0" * 64), "model digest does not match"),
        (lambda m: m["files"].update({"../evil": {}}), "does not list the files"),
        (lambda m: m.pop("files"), "does not list the files"),
    ],
    ids=["format", "digest", "path", "files"],
)
def test_a_wrong_manifest_is_refused(copy, change, complaint):
    manifest = json.loads((copy / "manifest.json").read_bytes())
    change(manifest)
    (copy / "manifest.json").write_bytes(artefact.canonical(manifest))

    with pytest.raises(ArtefactRefused, match=complaint):
        LeadScorer.load(copy)


@pytest.mark.parametrize("body", [b"", b"{", b"[NaN]", b"\xff", b"[" * 60_000])
def test_a_manifest_that_is_not_strict_json_is_refused(copy, body):
    (copy / "manifest.json").write_bytes(body)

    with pytest.raises(ArtefactRefused, match="not strict JSON"):
        LeadScorer.load(copy)


def test_a_main_horizon_or_shift_out_of_place_is_refused(scorer):
    with pytest.raises(ArtefactRefused, match="Main horizon 60"):
        LeadScorer(scorer.encoder, scorer.raw_tables, None, Calibration("history", "student", 60))
    with pytest.raises(ArtefactRefused, match="not a finite number"):
        LeadScorer(
            scorer.encoder,
            scorer.raw_tables,
            None,
            Calibration("history", "student", 90, float("nan")),
        )


def test_ten_points_double_the_odds():
    assert pytest.approx(10.0) == POINTS_PER_LOGIT * 0.6931471805599453
