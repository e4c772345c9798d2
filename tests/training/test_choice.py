"""Recipes chosen under drift: inside the training span, with a default that is hard to move."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.leads import LeadHistory
from tests.training.histories import day, definition_with, history_of, selling_history
from training.choice import RecipeChoice, choose_recipe
from training.kept_trials import digest_of
from training.recipe import Recipe, learn
from training.snapshot_teacher import SnapshotTeacherSettings

DEFINITION = definition_with(recording_began="2026-01-01", main_horizon=90)
AS_OF = day(500)
QUICK = Recipe(
    snapshot_teacher=SnapshotTeacherSettings(
        grouping_trees=20, listing_trees=20, bending_trees=20, seeds=(1,)
    ),
    chooses=False,
)


def turning_history(n: int = 2400, turns: float = 200.0) -> LeadHistory:
    """Return worked leads of 500 days; webinar leads win fast before the turn, slowly after it."""
    random = np.random.default_rng(1)
    arrivals = np.sort(random.uniform(0, 500, n))
    webinar = random.random(n) < 0.5
    log_rate = np.where(webinar == (arrivals < turns), 1.2, -1.2)
    won_after = random.exponential(365.25 / np.exp(log_rate))
    events: list[tuple[Any, ...]] = []
    for k in range(n):
        events.append((f"L{k}", arrivals[k], "accepted"))
        if arrivals[k] + won_after[k] < 500:
            events.append((f"L{k}", arrivals[k] + won_after[k], "won"))
    fields = {
        "source": [("referral", "webinar")[int(one)] for one in webinar],
        "industry": [str(one) for one in random.choice(["it", "finance", "public"], n)],
    }
    return history_of({f"L{k}": arrivals[k] for k in range(n)}, events, fields)


@pytest.fixture(scope="module")
def turning() -> LeadHistory:
    return turning_history()


@pytest.fixture(scope="module")
def kept(turning: LeadHistory, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A finished choice, what it told, and the folder in which it kept its trials."""
    folder, told = tmp_path_factory.mktemp("choice"), list[str]()
    recipe, choice = choose_recipe(
        turning, DEFINITION, as_of=AS_OF, tell=told.append, keep_in=folder
    )
    return {"recipe": recipe, "choice": choice, "told": told, "folder": folder}


def loss_of(choice: RecipeChoice, name: str) -> float:
    return next(one.loss for one in choice.candidates if one.name == name)


def test_where_the_meaning_of_a_field_turns_the_default_gives_way(kept: dict[str, Any]) -> None:
    choice, recipe = kept["choice"], kept["recipe"]
    assert choice.n_origins == 4
    assert choice.chosen.split("+")[0] != "default"
    assert recipe != Recipe()
    assert loss_of(choice, choice.chosen.split("+")[0]) < loss_of(choice, "default") - 0.01
    assert "without_turned" in {one.name for one in choice.candidates}


def test_where_nothing_changes_no_recipe_that_forgets_is_taken() -> None:
    recipe, choice = choose_recipe(selling_history(1500), DEFINITION, as_of=day(400))
    assert choice.n_origins == 4
    assert (recipe.half_life_days, recipe.window_days, recipe.dropped_fields) == (None, None, ())


def test_all_are_compared_with_the_default_on_the_same_leads(kept: dict[str, Any]) -> None:
    default, *others = (one for one in kept["choice"].candidates if one.name != "unshifted")
    assert (default.name, default.against_default, default.standard_error) == ("default", 0.0, 0.0)
    assert len(others) >= 7
    for one in others:
        assert one.loss - default.loss == pytest.approx(one.against_default, abs=1e-12)
        assert one.standard_error > 0


def test_only_what_is_better_by_more_than_its_standard_error_is_taken(kept: dict[str, Any]) -> None:
    clear = {one.name for one in kept["choice"].candidates if one.is_clearly_better}
    assert kept["choice"].chosen.split("+")[0] in clear
    near = replace(kept["choice"].candidates[1], against_default=-0.9, standard_error=1.0)
    assert not near.is_clearly_better


def test_what_happens_after_the_day_of_the_choice_has_no_influence() -> None:
    short = turning_history(1500)
    later = short.events["at"] > day(330)
    changed = replace(short, events=short.events[~later].reset_index(drop=True))
    found = [choose_recipe(one, DEFINITION, as_of=day(330))[1] for one in (short, changed)]
    assert found[0].n_origins >= 3
    assert found[0].document() == found[1].document()


def test_the_remaining_time_is_told(kept: dict[str, Any]) -> None:
    steps = [line for line in kept["told"] if " of " in line]
    assert "the default recipe (1 of" in steps[0]
    assert all("s left)" in line for line in steps[1:])


def test_a_finished_choice_is_read_again_without_any_time(
    turning: LeadHistory, kept: dict[str, Any]
) -> None:
    recipe, choice = choose_recipe(
        turning, DEFINITION, as_of=AS_OF, time_limit_seconds=0.0, keep_in=kept["folder"]
    )
    assert recipe == kept["recipe"]
    assert choice.document() == kept["choice"].document()


def test_an_interrupted_choice_goes_on_and_ends_the_same(
    turning: LeadHistory, kept: dict[str, Any], tmp_path: Path
) -> None:
    def interrupt(line: str) -> None:
        if "(4 of" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        choose_recipe(turning, DEFINITION, as_of=AS_OF, tell=interrupt, keep_in=tmp_path)
    (file,) = tmp_path.iterdir()
    assert [key.split()[0] for key in json.loads(file.read_text("utf-8"))] == [
        one.name for one in kept["choice"].candidates[:3]
    ]
    _, choice = choose_recipe(turning, DEFINITION, as_of=AS_OF, keep_in=tmp_path)
    assert choice.document() == kept["choice"].document()


def test_a_broken_file_of_trials_is_passed_over(turning: LeadHistory, tmp_path: Path) -> None:
    short = turning_history(1200)
    context = digest_of(short, DEFINITION, AS_OF, None)
    (tmp_path / f"choice-{context[:32]}.json").write_text('{"default', "utf-8")
    _, choice = choose_recipe(short, DEFINITION, as_of=AS_OF, keep_in=tmp_path)
    assert len(choice.candidates) >= 8


def test_when_time_is_up_the_default_stays_and_it_is_said(turning: LeadHistory) -> None:
    recipe, choice = choose_recipe(turning, DEFINITION, as_of=AS_OF, time_limit_seconds=0.0)
    assert recipe == Recipe()
    assert (choice.chosen, choice.stopped_early, choice.candidates) == ("default", True, ())
    assert "Time was up" in choice.words.en
    assert "時間切れ" in choice.words.ja


def test_too_short_a_history_keeps_the_default() -> None:
    history = selling_history(60)
    recipe, choice = choose_recipe(history, DEFINITION, as_of=day(400), recipe=QUICK)
    assert (recipe, choice.chosen, choice.candidates) == (QUICK, "default", ())
    assert "Too little" in choice.words.en
    _, none = choose_recipe(history, DEFINITION, as_of=day(20))
    assert none.n_origins == 0


def test_history_mode_needs_the_day_of_the_choice(turning: LeadHistory) -> None:
    with pytest.raises(ValueError, match="as_of, the day of the choice"):
        choose_recipe(turning, DEFINITION, as_of=None)


def test_the_document_is_json_with_both_languages(kept: dict[str, Any]) -> None:
    found = json.loads(json.dumps(kept["choice"].document()))
    assert set(found) == {"chosen", "candidates", "n_origins", "stopped_early", "words"}
    assert {"ja", "en"} == set(found["words"]) == set(found["candidates"][0]["words"])
    name = found["chosen"].split("+")[0]
    words = next(one["words"] for one in found["candidates"] if one["name"] == name)
    assert words["en"] in found["words"]["en"]
    assert words["ja"] in found["words"]["ja"]


def test_the_key_of_kept_trials_follows_leads_definition_and_day() -> None:
    short = selling_history(100)
    key = digest_of(short, DEFINITION, AS_OF, None)
    assert digest_of(selling_history(100), DEFINITION, AS_OF, None) == key
    others = (
        digest_of(replace(short, events=short.events.iloc[1:]), DEFINITION, AS_OF, None),
        digest_of(short, definition_with(main_horizon=90), AS_OF, None),
        digest_of(short, DEFINITION, day(501), None),
        digest_of(short, DEFINITION, AS_OF, np.ones(100, dtype=bool)),
    )
    assert key not in others


def snapshot(n: int, turns: int) -> LeadHistory:
    """Return a table without dates: webinar leads win before place `turns`, others after it."""
    random = np.random.default_rng(3)
    webinar = random.random(n) < 0.5
    chance = np.where(webinar == (np.arange(n) < turns), 0.8, 0.2)
    won = random.random(n) < chance
    events = [(f"L{k}", None, "won" if won[k] else "lost") for k in range(n)]
    fields = {
        "source": [("referral", "webinar")[int(one)] for one in webinar],
        "industry": [str(one) for one in random.choice(["it", "finance"], n)],
    }
    return history_of({f"L{k}": None for k in range(n)}, events, fields, "snapshot")


def test_a_snapshot_forgets_by_the_order_of_its_leads() -> None:
    history = snapshot(1600, 700)
    recipe, choice = choose_recipe(history, DEFINITION, as_of=None, recipe=QUICK)
    assert choice.chosen in {one.name for one in choice.candidates if one.is_clearly_better}
    assert "unshifted" not in {one.name for one in choice.candidates}
    assert loss_of(choice, choice.chosen) < loss_of(choice, "default") - 0.02
    assert learn(history, DEFINITION, recipe=recipe).scorer.model_digest != (
        learn(history, DEFINITION, recipe=QUICK).scorer.model_digest
    )


def test_only_the_given_leads_of_a_snapshot_choose() -> None:
    rows = np.arange(1600) < 900
    found = [
        choose_recipe(snapshot(1600, turns), DEFINITION, as_of=None, recipe=QUICK, rows=rows)[1]
        for turns in (1600, 1000)
    ]
    assert found[0].document() == found[1].document()
    assert len(found[0].candidates) >= 5
