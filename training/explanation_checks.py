"""Can the reasons be believed? They add up, stay, agree with what happened; and what drives all.

Everything is computed from the model's own tables and from past leads; nothing here changes a
score. No value of a personal field appears in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.scorer import POINTS_PER_LOGIT, LeadScorer
from features.tables import probability_of
from features.wording import input_name
from training.concepts import Together, fields_together
from training.explanation_evidence import Dependence, PastLeads, Sign, Words
from training.explanation_stability import Stability, by_field, check_stability
from training.recipe import Recipe

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from features.leads import LeadHistory
    from training.recipe import Learned

__all__ = [
    "Concept",
    "ExplanationChecks",
    "Moved",
    "check_explanations",
]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Moved:
    """By how many score points a field (or all fields of a group) moves past leads on average.

    Attributes
    ----------
    field, group : str
        `field` is empty where the whole group is meant: signed contributions summed, then their
        mean size, so that what cancels out within the group does not count.
    points : float
        Mean size, 0 or more.
    """

    field: str
    group: str
    points: float


@dataclass(frozen=True, slots=True)
class Concept:
    """Fields that move together, to be read as one.

    Attributes
    ----------
    members : tuple of str
        Fields, two or more.
    label : mapping of str to str
        Their names joined, by language.
    group : str
        That of the member that moves leads most.
    correlation : float
        Least association of two members, 0 to 1.
    points, apart : float
        Mean size of their summed contributions, and sum of their mean sizes: where the first is
        smaller, members cancel each other out.
    """

    members: tuple[str, ...]
    label: Words
    group: str
    correlation: float
    points: float
    apart: float


@dataclass(frozen=True)
class ExplanationChecks:
    """What is known of the reasons of a model.

    Attributes
    ----------
    additivity, additivity_probability : float
        Greatest distance between base + contributions and the log-odds over past leads and all
        horizons; and between the chance that follows from them and the served one at the main
        horizon.
    stability : Stability
        Whether the strongest reasons stay when leads are drawn anew.
    signs : tuple of Sign
        Those that disagree first, the clearest difference first.
    concepts : tuple of Concept
        Fields to be read as one.
    importance, groups : tuple of Moved
        By field and by group, the strongest first.
    dependence : tuple of Dependence
        Curves of the strongest fields that are not personal.
    """

    additivity: float
    additivity_probability: float
    stability: Stability
    signs: tuple[Sign, ...]
    concepts: tuple[Concept, ...]
    importance: tuple[Moved, ...]
    groups: tuple[Moved, ...]
    dependence: tuple[Dependence, ...]

    def document(self) -> dict[str, Any]:
        """Return JSON content."""
        return {
            "additivity": self.additivity,
            "additivity_probability": self.additivity_probability,
            "stability": asdict(self.stability),
            "signs": [asdict(sign) for sign in self.signs],
            "concepts": [
                asdict(concept) | {"members": list(concept.members)} for concept in self.concepts
            ],
            "importance": [asdict(moved) for moved in self.importance],
            "groups": [{"group": moved.group, "points": moved.points} for moved in self.groups],
            "dependence": [
                asdict(curve) | {"bands": [dict(band) for band in curve.bands]}
                for curve in self.dependence
            ],
        }


def check_explanations(
    scorer: LeadScorer,
    learned: Learned,
    history: LeadHistory,
    definition: LeadDefinition,
    *,
    recipe: Recipe | None = None,
    n_draws: int = 5,
    tell: Callable[[str], None] = lambda _: None,
) -> ExplanationChecks:
    """Check the reasons of a model on the leads it has learnt from.

    Parameters
    ----------
    scorer : LeadScorer
        The model as it would be served.
    learned : Learned
        What it was made of.
    history, definition
        What it was learnt from.
    recipe : Recipe, optional
        Its recipe.
    n_draws : int
        How often leads are drawn anew to see whether reasons stay; 0 for not at all.
    tell : callable
        Told each step as it begins.
    """
    tell("Checking the reasons")
    inputs, codes = scorer.encoder.inputs, learned.codes[learned.rows]
    parts = scorer.tables.contributions(codes, scorer.main_horizon)
    names, of_fields = by_field(parts, [given.field for given in inputs])
    groups = {given.field: given.group for given in inputs}
    importance = sorted(
        (
            Moved(name, groups[name], float(points))
            for name, points in zip(names, _mean_points(of_fields), strict=True)
        ),
        key=lambda moved: -moved.points,
    )
    group_names, of_groups = by_field(of_fields, [groups[name] for name in names])
    past = PastLeads.of(scorer, learned)
    return ExplanationChecks(
        *_additivity(scorer, codes),
        check_stability(
            learned, history, definition, recipe=recipe or Recipe(), n_draws=n_draws, tell=tell
        ),
        tuple(past.signs()),
        tuple(
            _concept(found, names, of_fields, importance, definition)
            for found in fields_together(codes, inputs)
        ),
        tuple(importance),
        tuple(
            sorted(
                (
                    Moved("", group, float(points))
                    for group, points in zip(group_names, _mean_points(of_groups), strict=True)
                ),
                key=lambda moved: -moved.points,
            )
        ),
        tuple(past.dependence([moved.field for moved in importance])),
    )


def _mean_points(parts: Floats) -> Floats:
    points: Floats = np.abs(parts).mean(axis=0) * POINTS_PER_LOGIT
    return points


def _additivity(scorer: LeadScorer, codes: Codes) -> tuple[float, float]:
    tables = scorer.tables
    logits = tables.logits(codes)
    added = np.column_stack(
        [
            base + tables.contributions(codes, horizon).sum(axis=1)
            for base, horizon in zip(tables.base, tables.horizons, strict=True)
        ]
    )
    main = tables.position(scorer.main_horizon)
    chances = np.array([probability_of(logit) for logit in added[:, main].tolist()])
    served = scorer.probabilities(codes)[:, main]
    return float(np.abs(added - logits).max()), float(np.abs(chances - served).max())


def _concept(
    found: Together,
    names: Sequence[str],
    of_fields: Floats,
    importance: Sequence[Moved],
    definition: LeadDefinition,
) -> Concept:
    members = [names.index(name) for name in found.members]
    strongest = next(moved for moved in importance if moved.field in found.members)
    return Concept(
        found.members,
        {
            "ja": "・".join(input_name(definition, name, "ja") for name in found.members),
            "en": " + ".join(input_name(definition, name, "en") for name in found.members),
        },
        strongest.group,
        found.correlation,
        float(_mean_points(of_fields[:, members].sum(axis=1, keepdims=True))[0]),
        float(_mean_points(of_fields[:, members]).sum()),
    )
