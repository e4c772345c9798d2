"""Who may become champion, what is kept of it, and the way back."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from features.scorer import LeadScorer
from tests.builders import small_scorer
from tests.training.typed import lead_train
from training.model_store import Registered, open_store
from training.model_store import champion_of as champion_now
from training.promotion import (
    NothingToRollBack,
    Override,
    OverrideInvalid,
    PromotionRefused,
    champions,
    promote,
    rollback,
)
from training.recipe import Recipe
from training.recipe_document import recipe_document, recipe_from
from training.registry import find_tagged, load_champion, log_scorer
from training.settings import TrainSettings
from training.student import StudentSettings

NAME = "lead-quality"
HANAKO = Override("Hanako", "the fair is over, we need it on Monday")
AS_OF = datetime(2026, 4, 1, tzinfo=UTC)
RECIPE = Recipe(3, StudentSettings(trees=90), half_life_days=120.0, dropped_fields=("email",))


def gate_document(*failed: str, against: str = "") -> str:
    """Return what the gate would write of a version."""
    words = {
        "ja": "合格" if not failed else "不合格",
        "en": "Fine." if not failed else "Not ready.",
    }
    conditions = [
        {
            "name": name,
            "passed": False,
            "figure": "1",
            "limit": "2",
            "words": {"ja": f"{name}が足りません", "en": f"The {name} is missing."},
        }
        for name in failed
    ]
    return json.dumps(
        {
            "level": "not_ready" if failed else "ready",
            "rule": "" if failed else "better",
            "may_be_promoted": not failed,
            "champion_version": against,
            "words": words,
            "failed": list(failed),
            "conditions": conditions,
        }
    )


def log(settings: TrainSettings, gate: str | None, **tags: str) -> Registered:
    """Log a small scorer as a new version."""
    small = small_scorer()
    facts = {"as_of": AS_OF.isoformat(), "recipe": recipe_document(RECIPE)}
    scorer = LeadScorer(
        small.encoder, small.raw_tables, small.acceptance, small.calibration, small.reference, facts
    )
    return log_scorer(
        scorer,
        settings,
        name=NAME,
        booster=None,
        parameters={},
        metrics={},
        documents={} if gate is None else {"gate.json": gate},
        tags=tags,
    )


def register(settings: TrainSettings, gate: str | None) -> None:
    """Register a version of which only the gate's file was logged."""
    with open_store(settings) as client:
        experiment = client.get_experiment_by_name(settings.experiment)
        assert experiment is not None
        run_id = client.create_run(experiment.experiment_id).info.run_id
        if gate is not None:
            client.log_text(run_id, gate, "gate.json")
        client.create_model_version(NAME, f"runs:/{run_id}/scorer", run_id, tags={"made": "here"})


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A store with six versions: fine, kept out, fine against 1, no gate, fine against 1, fine."""
    settings = TrainSettings(home=tmp_path_factory.mktemp("home"), tracking_uri="")
    log(settings, gate_document(), made="here")
    register(settings, gate_document("evidence", "calibration"))
    register(settings, gate_document(against="1"))
    register(settings, None)
    register(settings, gate_document(against="1"))
    register(settings, gate_document())
    return settings


@pytest.fixture
def settings(home, tmp_path):
    """The store as it was, without a champion and a history."""
    yield home
    with open_store(home) as client:
        client.delete_registered_model_alias(NAME, "champion")
        for key in client.get_registered_model(NAME).tags:
            client.delete_registered_model_tag(NAME, key)


def champion_of(settings: TrainSettings) -> str:
    with open_store(settings) as client:
        return champion_now(client, NAME)


def test_what_passes_becomes_champion_and_the_version_says_what_it_was_judged_against(settings):
    done = promote(settings, NAME, "1")

    with open_store(settings) as client:
        tags = client.get_model_version(NAME, "1").tags
    assert done.registered.version == champion_of(settings) == "1"
    assert done.document()["verdict"]["level"] == "ready"
    assert (tags["gate_level"], tags["gate_rule"], tags["gate_champion"]) == (
        "ready",
        "better",
        "none",
    )


def test_what_fails_is_refused_with_every_condition_that_stands_in_the_way(settings):
    with pytest.raises(PromotionRefused, match=r"(?s)evidence is missing.*calibration is missing"):
        promote(settings, NAME, "2")

    assert champion_of(settings) == ""
    assert champions(settings, NAME) == ()


def test_a_named_person_with_a_reason_overrides_and_both_are_kept_with_the_conditions(settings):
    done = promote(settings, NAME, "2", override=HANAKO)

    told = done.document()["override"]
    with open_store(settings) as client:
        tags = client.get_model_version(NAME, "2").tags
    assert (told["by"], told["why"], told["failed"]) == (
        "Hanako",
        HANAKO.why,
        ["evidence", "calibration"],
    )
    assert datetime.fromisoformat(told["at"]).tzinfo is not None
    assert (tags["override_by"], tags["override_why"]) == ("Hanako", HANAKO.why)
    assert tags["override_failed"] == "evidence, calibration"
    assert champions(settings, NAME)[-1].failed == ("evidence", "calibration")


@pytest.mark.parametrize(("by", "why"), [("", "long enough a reason"), ("Hanako", "too short"), (" ", "long enough a reason"), ("Hanako", "x" * 501)])  # fmt: skip
def test_an_override_needs_a_name_and_a_reason(by, why):
    with pytest.raises(OverrideInvalid, match="name of a person"):
        Override(by, why)


def test_an_override_of_what_passes_is_not_one(settings):
    done = promote(settings, NAME, "1", override=HANAKO)

    assert done.document()["override"] is None


def test_a_version_judged_against_another_champion_is_refused(settings):
    promote(settings, NAME, "1")
    promote(settings, NAME, "3")

    with pytest.raises(
        PromotionRefused, match="judged against version 1; today there is version 3"
    ):
        promote(settings, NAME, "5")
    with pytest.raises(PromotionRefused, match="judged against no champion"):
        promote(settings, NAME, "6")

    assert champion_of(settings) == "3"
    overridden = promote(settings, NAME, "5", override=HANAKO).change
    assert overridden is not None
    assert overridden.failed == ("judged_against",)


def test_a_version_without_a_gate_needs_an_override(settings):
    with pytest.raises(PromotionRefused, match="No gate has judged this version"):
        promote(settings, NAME, "4")

    done = promote(settings, NAME, "4", override=HANAKO)

    assert done.document()["override"]["failed"] == ["no_gate"]
    assert done.document()["verdict"] is None


def test_promoting_the_champion_again_changes_nothing(settings):
    promote(settings, NAME, "2", override=HANAKO)

    again = promote(settings, NAME, "2")

    assert again.change is None
    assert not again.document()["changed"]
    assert len(champions(settings, NAME)) == 1


def test_rollback_goes_back_one_champion_at_a_time(settings):
    for version in ("1", "3"):
        promote(settings, NAME, version)
    promote(settings, NAME, "2", override=HANAKO)

    first = rollback(settings, NAME, by="Taro", why="sales complained")
    assert (first.registered.version, first.before, champion_of(settings)) == ("3", "2", "3")
    second = rollback(settings, NAME)
    assert (second.registered.version, champion_of(settings)) == ("1", "1")
    with pytest.raises(NothingToRollBack, match="Version 1 of lead-quality is the first champion"):
        rollback(settings, NAME)

    told = [(one.version, one.rolled_back, one.by) for one in champions(settings, NAME)]
    assert told == [
        ("1", False, ""), ("3", False, ""), ("2", False, "Hanako"), ("3", True, "Taro"), ("1", True, ""),
    ]  # fmt: skip


def test_after_a_rollback_the_same_version_may_be_promoted_again_and_rolled_back_again(settings):
    promote(settings, NAME, "1")
    promote(settings, NAME, "3")
    rollback(settings, NAME)

    promote(settings, NAME, "3")

    assert rollback(settings, NAME).registered.version == "1"


def test_a_champion_from_before_the_history_was_kept_can_be_gone_back_to(settings):
    with open_store(settings) as client:
        client.set_registered_model_alias(NAME, "champion", "1")
    promote(settings, NAME, "3")

    assert rollback(settings, NAME).registered.version == "1"


def test_the_way_back_follows_the_alias_where_the_history_ends_with_another(settings):
    for version in ("1", "3"):
        promote(settings, NAME, version)
    with open_store(settings) as client:
        client.set_registered_model_alias(NAME, "champion", "1")

    assert rollback(settings, NAME).registered.version == "3"
    assert rollback(settings, NAME).registered.version == "1"


def test_two_promotions_at_once_leave_one_champion_and_both_in_the_history(settings):
    code = (
        "import sys; from training.promotion import promote, Override; "
        "from training.settings import TrainSettings; from pathlib import Path; "
        "promote(TrainSettings(home=Path(sys.argv[1]), tracking_uri=''), 'lead-quality', "
        "sys.argv[2], override=Override('Hanako', 'both of us at once'))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(settings.home), version])
        for version in ("1", "2")
    ]
    assert [one.wait(600) for one in running] == [0, 0]

    told = {one.version for one in champions(settings, NAME)}
    now = champion_of(settings)
    assert now in told == {"1", "2"}
    assert rollback(settings, NAME).registered.version in told - {now}


def test_the_champion_comes_back_with_its_recipe_and_its_day(settings):
    assert load_champion(settings, NAME) is None
    promote(settings, NAME, "1")

    found = load_champion(settings, NAME)

    assert found is not None
    assert (found.version, found.as_of, found.recipe) == ("1", AS_OF, RECIPE)
    assert found.scorer.model_digest == small_scorer().model_digest


def test_a_version_is_found_by_its_tag_the_newest_first(settings):
    found = find_tagged(settings, NAME, "made", "here")

    assert found is not None
    assert found.version == "6"
    assert find_tagged(settings, NAME, "made", "elsewhere") is None
    assert find_tagged(settings, "no-such-model", "made", "here") is None


def test_a_recipe_survives_json_and_what_is_unknown_or_missing_is_the_default():
    told = json.loads(json.dumps(recipe_document(RECIPE)))

    assert recipe_from(told) == RECIPE
    assert recipe_from({}) == Recipe()
    newer = told | {"of_the_future": 1, "student": told["student"] | {"of_the_future": 2}}
    assert recipe_from(newer) == RECIPE
    older = {"seed": 7, "student": {"trees": 90}}
    assert recipe_from(older) == replace(Recipe(7), student=StudentSettings(trees=90))


def test_the_commands_refuse_override_and_go_back(settings):
    refused = lead_train("promote", "2", home=settings.home)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "- evidence: The evidence is missing." in refused.stderr

    nameless = lead_train("promote", "2", "--override", home=settings.home)
    assert nameless.returncode == 2
    assert "--by" in nameless.stderr
    lonely = lead_train("promote", "2", "--by", "Hanako", home=settings.home)
    assert lonely.returncode == 2
    assert "--override" in lonely.stderr

    promote(settings, NAME, "1")
    forced = lead_train(
        "promote", "2", "--override", "--by", "Hanako", "--why", HANAKO.why, "--json",
        home=settings.home,
    )  # fmt: skip
    assert forced.returncode == 0, forced.stderr
    assert json.loads(forced.stdout)["override"]["failed"] == [
        "evidence",
        "calibration",
        "judged_against",
    ]

    back = lead_train("rollback", "--by", "Taro", "--why", "too early", home=settings.home)
    assert back.returncode == 0, back.stderr
    assert "Version 1 of lead-quality is the champion again, instead of 2." in back.stdout
    assert "lead-serve approve 1 --why" in back.stdout
