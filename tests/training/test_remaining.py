from __future__ import annotations

from training.remaining import with_remaining_time


def told_at(*steps: tuple[float, str]) -> list[str]:
    """Return what is told when these steps begin at these seconds after the start."""
    said: list[str] = []
    clock = iter([0.0, *(moment for moment, _ in steps)])
    tell = with_remaining_time(said.append, lambda: next(clock))
    for _, step in steps:
        tell(step)
    return said


def test_the_rest_is_guessed_from_how_far_it_has_come():
    said = told_at((100.0, "Cut-off 3 of 4, 2026-01-12: learning from what was known then"))

    # 4 % and half of 62 % are done after 100 seconds, so about 186 are left.
    assert said == [
        "Cut-off 3 of 4, 2026-01-12: learning from what was known then (about 3 min left)"
    ]


def test_short_rests_are_told_in_seconds():
    said = told_at((82.0, "Drawing leads anew (1 of 5)"))

    assert said == ["Drawing leads anew (1 of 5) (about 18 s left)"]


def test_too_little_is_done_for_a_guess_at_first():
    step = "Cut-off 1 of 4, 2025-08-04: learning from what was known then"
    said: list[str] = []

    with_remaining_time(said.append, lambda: 5.0)(step)

    assert said == [step]


def test_steps_of_unknown_length_are_passed_on_as_they_are():
    said: list[str] = []

    with_remaining_time(said.append, lambda: 0.0)("Asking the gate")

    assert said == ["Asking the gate"]
