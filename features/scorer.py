"""The one object that training hands to serving: encoder + look-up tables + calibration.

Training evaluates it through the very methods serving calls, so the same lead gets the same score,
to the last bit, in training, single, batch and file scoring.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from features import artefact
from features.contract import check_contract
from features.definition import EVER, LeadDefinition, parse_definition
from features.encoder import MISSING, Encoded, LeadEncoder, LeadInput
from features.errors import ArtefactRefused, DefinitionInvalid
from features.golden import golden_rows, mismatch
from features.tables import AdditiveTables, probability_of

__all__ = ["POINTS_PER_LOGIT", "Calibration", "Contribution", "LeadScorer", "ScoredLead"]

POINTS_PER_LOGIT = 10.0 / math.log(2.0)
"""Ten points double the odds."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was decided about a model after it had learnt.

    Attributes
    ----------
    mode : {"history", "snapshot"}
        Snapshot models know one horizon without a date.
    method : {"student", "base_rate"}
        ``base_rate``: too few wins for a learned model; rates by channel stand in.
    main_horizon : int
        The horizon of score and decision (days; EVER in snapshot mode).
    shift : float
        Log-odds added to every horizon.
    """

    mode: Literal["history", "snapshot"]
    method: Literal["student", "base_rate"]
    main_horizon: int
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one field adds to the log-odds at the main horizon.

    Attributes
    ----------
    field : str
        Field or behaviour, as a person knows it.
    group : str
        Fit, interest, timing or data.
    logit : float
        Sum over the field's inputs.
    input : int
        Position of the input that adds most (in size); its value is the one to show.
    code : int
        That input's code.
    """

    field: str
    group: str
    logit: float
    input: int
    code: int

    @property
    def points(self) -> float:
        """Score points: ten double the odds."""
        return self.logit * POINTS_PER_LOGIT

    @property
    def odds(self) -> float:
        """Factor on the odds."""
        return math.exp(self.logit)


@dataclass(frozen=True, slots=True)
class ScoredLead:
    """The model's answer for one lead.

    Attributes
    ----------
    probabilities : tuple of float
        Chance of a win within each of the scorer's horizons, 0 to 1, never falling.
    probability : float
        The one of the main horizon.
    logit, base : float
        Log-odds of that probability, and of the average lead.
    score : float
        ``50 + 10 log2(odds / base odds)``, clipped to 0 to 100.
    acceptance : float or None
        Chance that sales accepts the lead; None where nothing was ever decided.
    interval : tuple of float or None
        Wilson 95 % interval of the observed rate among past leads of similar score.
    contributions : tuple of Contribution
        One for each field, in the definition's order; `base` plus their sum is `logit`.
    codes : tuple of int
        One for each input: what the score was made from, fit to be recorded.
    unreadable : tuple of str
        Fields that were given but could not be read.
    unknown : int
        Number of given fields the model does not know.
    known : int
        Number of inputs with a value.
    is_guarded : bool
        Whether a horizon had to be raised to the one before it (never seen so far).
    """

    probabilities: tuple[float, ...]
    probability: float
    logit: float
    base: float
    score: float
    acceptance: float | None
    interval: tuple[float, float] | None
    contributions: tuple[Contribution, ...]
    codes: tuple[int, ...]
    unreadable: tuple[str, ...]
    unknown: int
    known: int
    is_guarded: bool


class LeadScorer:
    """Scores leads, one or many, and says what each field adds.

    Parameters
    ----------
    encoder : LeadEncoder
        Fields to codes; holds the definition.
    tables : AdditiveTables
        Log-odds and contributions of a win.
    acceptance : AdditiveTables or None
        Log-odds that sales accepts; one horizon, EVER.
    calibration : Calibration
        Mode, method, main horizon and intercept shift.
    reference : mapping
        What past leads looked like: evidence by code, neighbours by score, distributions for drift.
    evaluation : mapping
        How good the model was on leads it had not seen.
    """

    def __init__(
        self,
        encoder: LeadEncoder,
        tables: AdditiveTables,
        acceptance: AdditiveTables | None,
        calibration: Calibration,
        reference: Mapping[str, Any] | None = None,
        evaluation: Mapping[str, Any] | None = None,
    ) -> None:
        for name, part in (("tables", tables), ("acceptance", acceptance)):
            if part is not None and part.sizes != encoder.sizes:
                raise ArtefactRefused(
                    f"The {name} do not have the encoder's inputs. Publish the model again."
                )
        if calibration.main_horizon not in tables.horizons:
            raise ArtefactRefused(
                f"Main horizon {calibration.main_horizon} is not one of {list(tables.horizons)}."
            )
        if not math.isfinite(calibration.shift):
            raise ArtefactRefused(
                "The calibration shift is not a finite number. Publish the model again."
            )
        self.encoder = encoder
        self.definition: LeadDefinition = encoder.definition
        self.raw_tables = tables
        self.tables = tables.shifted(calibration.shift)
        self.acceptance = acceptance
        self.calibration = calibration
        self.reference: Mapping[str, Any] = reference or {}
        self.evaluation: Mapping[str, Any] = evaluation or {}
        self._main = self.tables.position(calibration.main_horizon)
        self._members = _members(encoder)
        neighbours = self.reference.get("neighbours") or {}
        self._neighbours = [
            list(map(float, neighbours.get(part, ()))) for part in ("logit", "low", "high")
        ]

    @property
    def horizons(self) -> tuple[int, ...]:
        """Days at which a chance is given; ``(EVER,)`` in snapshot mode."""
        return self.tables.horizons

    @property
    def main_horizon(self) -> int:
        """The horizon of score and decision."""
        return self.calibration.main_horizon

    @property
    def mode(self) -> str:
        """``history`` or ``snapshot``."""
        return self.calibration.mode

    @property
    def method(self) -> str:
        """``student`` or ``base_rate``."""
        return self.calibration.method

    @property
    def curve(self) -> str:
        """``full`` where all the definition's horizons are given, ``short``, or ``none``."""
        if self.horizons == (EVER,):
            return "none"
        return "full" if self.horizons == self.definition.horizons else "short"

    # -- scoring -------------------------------------------------------------------------------

    def score(self, lead: LeadInput) -> ScoredLead:
        """Return the answer for one lead."""
        encoded = self.encoder.encode(lead)
        codes = encoded.codes
        return self._finish(
            encoded,
            self.tables.logits_one(codes),
            self.tables.contributions_one(codes, self.main_horizon),
            self.acceptance.logits_one(codes)[0] if self.acceptance is not None else None,
        )

    def score_many(self, leads: Sequence[LeadInput]) -> list[ScoredLead]:
        """Return the answers for many leads, in order; each bit-equal to `score`."""
        if not leads:
            return []
        encoded = self.encoder.encode_many(leads)
        codes = np.array([lead.codes for lead in encoded], dtype=np.int32)
        logits = self.tables.logits(codes).tolist()
        parts = self.tables.contributions(codes, self.main_horizon).tolist()
        accepts: list[float | None] = (
            self.acceptance.logits(codes)[:, 0].tolist()
            if self.acceptance is not None
            else [None] * len(leads)
        )
        return [
            self._finish(*answer) for answer in zip(encoded, logits, parts, accepts, strict=True)
        ]

    def probabilities(self, codes: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return guarded chances of a win of encoded leads, shape (n_leads, n_horizons)."""
        logits = np.maximum.accumulate(self.tables.logits(codes), axis=1)
        return np.array([probability_of(logit) for logit in logits.ravel().tolist()]).reshape(
            logits.shape
        )

    def _finish(
        self, encoded: Encoded, logits: list[float], parts: list[float], accept: float | None
    ) -> ScoredLead:
        guarded = list(logits)
        for h in range(1, len(guarded)):
            guarded[h] = max(guarded[h], guarded[h - 1])
        logit, base = guarded[self._main], self.tables.base[self._main]
        probabilities = tuple(probability_of(value) for value in guarded)
        return ScoredLead(
            probabilities=probabilities,
            probability=probabilities[self._main],
            logit=logit,
            base=base,
            score=min(100.0, max(0.0, 50.0 + POINTS_PER_LOGIT * (logit - base))),
            acceptance=None if accept is None else probability_of(accept),
            interval=self._interval(logit),
            contributions=tuple(self._contributions(encoded.codes, parts)),
            codes=tuple(encoded.codes),
            unreadable=encoded.unreadable,
            unknown=encoded.unknown,
            known=sum(code != MISSING for code in encoded.codes),
            is_guarded=guarded != logits,
        )

    def _contributions(self, codes: list[int], parts: list[float]) -> list[Contribution]:
        grouped = []
        for field, group, members in self._members:
            if len(members) == 1:
                strongest, total = members[0], parts[members[0]]
            else:
                strongest = max(members, key=lambda position: abs(parts[position]))
                total = sum(parts[position] for position in members)
            grouped.append(Contribution(field, group, total, strongest, codes[strongest]))
        return grouped

    def _interval(self, logit: float) -> tuple[float, float] | None:
        at, low, high = self._neighbours
        if not at:
            return None
        right = min(bisect_left(at, logit), len(at) - 1)
        left = max(right - 1, 0)
        nearest = left if logit - at[left] <= at[right] - logit else right
        return low[nearest], high[nearest]

    # -- storing -------------------------------------------------------------------------------

    def parts(self) -> dict[str, bytes]:
        """Return the files that make up the model, without the booster."""
        encoder = self.encoder.to_dict() | {"golden": golden_rows(self)}
        calibration = {
            "mode": self.mode,
            "method": self.method,
            "main_horizon": self.main_horizon,
            "shift": self.calibration.shift,
        }
        return {
            "tables.json": artefact.canonical(self.raw_tables.to_dict()),
            "acceptance.json": artefact.canonical(
                None if self.acceptance is None else self.acceptance.to_dict()
            ),
            "encoder.json": artefact.canonical(encoder),
            "calibration.json": artefact.canonical(calibration),
            "definition.yaml": self.definition.to_yaml().encode(),
            "reference.json": artefact.canonical(self.reference),
            "evaluation.json": artefact.canonical(self.evaluation),
        }

    @cached_property
    def model_digest(self) -> str:
        """SHA-256 (hex) over tables, encoder, calibration and definition fingerprint."""
        return artefact.digest_of(self.parts(), self.definition.fingerprint)

    def save(self, folder: str | Path, booster: str | None = None) -> None:
        """Write the model; the folder appears whole or not at all.

        Parameters
        ----------
        folder : path
            Must not exist yet.
        booster : str, optional
            LightGBM's text of the student, kept as a record; never read by `load`.
        """
        extra = {} if booster is None else {"booster.txt": booster.encode()}
        artefact.write_artefact(Path(folder), self.parts() | extra, self.model_digest)

    @classmethod
    def load(cls, folder: str | Path, approved: str | None = None) -> Self:
        """Read a model after checking digests, contract and golden rows.

        Parameters
        ----------
        folder : path
            The model.
        approved : str, optional
            SHA-256 of the manifest that was approved; without it any manifest will do.

        Raises
        ------
        ArtefactRefused
            With what is wrong; nothing of the folder is executed.
        """
        parts, claimed = artefact.read_artefact(Path(folder), approved)
        content = {
            name: artefact.parse_json(body, name)
            for name, body in parts.items()
            if name.endswith(".json")
        }
        try:
            definition = parse_definition(parts["definition.yaml"].decode(), "definition.yaml")
        except (DefinitionInvalid, UnicodeDecodeError, RecursionError) as error:
            raise ArtefactRefused(
                "definition.yaml of the model cannot be read. Publish the model again.",
                "definition_invalid",
            ) from error
        if artefact.digest_of(parts, definition.fingerprint) != claimed:
            raise ArtefactRefused(
                "The model digest does not match the model's files. Fetch the model again.",
                "digest_differs",
            )
        check_contract(content, definition)
        calibration = Calibration(**content["calibration.json"])
        accept = content["acceptance.json"]
        try:
            scorer = cls(
                LeadEncoder.from_dict(content["encoder.json"], definition),
                AdditiveTables.from_dict(content["tables.json"]),
                None if accept is None else AdditiveTables.from_dict(accept),
                calibration,
                content["reference.json"],
                content.get("evaluation.json"),
            )
            found = mismatch(scorer, content["encoder.json"]["golden"])
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise ArtefactRefused(
                f"The model's parts do not fit ({type(error).__name__}). Publish it again."
            ) from error
        if found:
            raise ArtefactRefused(
                f"The model does not reproduce its golden rows: {found}. Publish the model again.",
                "golden_differs",
            )
        scorer.__dict__["model_digest"] = claimed
        return scorer


def _members(encoder: LeadEncoder) -> list[tuple[str, str, list[int]]]:
    fields: dict[str, tuple[str, list[int]]] = {}
    for position, given in enumerate(encoder.inputs):
        fields.setdefault(given.field, (given.group, []))[1].append(position)
    return [(field, group, members) for field, (group, members) in fields.items()]
