"""The one object that training hands to serving: encoder + look-up tables + calibration.

Training evaluates it through the very methods serving calls, so the same lead gets the same score,
to the last bit, in training, single, batch and file scoring.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from features import artefact
from features.contract import check_contract
from features.definition import EVER, LeadDefinition, parse_definition
from features.encoder import Encoded, LeadEncoder, LeadInput
from features.errors import ArtefactRefused, DefinitionInvalid
from features.golden import golden_rows, mismatch
from features.neighbours import Neighbours
from features.one_lead import OneLead
from features.scored import (
    POINTS_PER_LOGIT,
    Calibration,
    Contribution,
    Member,
    ScoredColumns,
    ScoredLead,
)
from features.tables import AdditiveTables, probabilities_of, probability_of

__all__ = [
    "POINTS_PER_LOGIT",
    "Calibration",
    "Contribution",
    "LeadScorer",
    "ScoredColumns",
    "ScoredLead",
]


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
        self.members = _members(encoder)
        # Of each field its first input, and then what is added to it.
        self._firsts = [member.positions[0] for member in self.members]
        self._further = [
            (place, position)
            for place, member in enumerate(self.members)
            for position in member.positions[1:]
        ]
        self._neighbours = Neighbours(self.reference.get("neighbours") or {})

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
        logits, parts, acceptance = self._one_lead.look_up(encoded.codes)
        by_field = [parts[position] for position in self._firsts]
        for place, position in self._further:
            by_field[place] += parts[position]
        guarded = logits
        for h in range(1, len(logits)):
            if guarded[h] < guarded[h - 1]:
                guarded = guarded.copy()
                guarded[h] = guarded[h - 1]
        return self._answer(
            encoded,
            guarded,
            tuple([probability_of(logit) for logit in guarded]),
            guarded is not logits,
            parts,
            by_field,
            None if acceptance is None else probability_of(acceptance),
        )

    def score_many(self, leads: Sequence[LeadInput]) -> list[ScoredLead]:
        """Return the answers for many leads, in order; each bit-equal to `score`."""
        if not leads:
            return []
        encoded = self.encoder.encode_many(leads)
        rows = [lead.codes for lead in encoded]
        codes = np.array(rows, dtype=np.int32)
        logits, parts, accepts = self._one_lead.look_up_each(codes)
        guarded = np.maximum.accumulate(logits, axis=1)
        chances, main = probabilities_of(guarded), guarded[:, self._main]
        return list(
            map(
                ScoredLead,
                map(tuple, chances.tolist()),
                chances[:, self._main].tolist(),
                main.tolist(),
                repeat(self.tables.base[self._main]),
                self._scores(main).tolist(),
                repeat(None) if accepts is None else probabilities_of(accepts).tolist(),
                self._neighbours.of_each(main),
                parts.tolist(),
                self._by_field(parts).tolist(),
                rows,
                [lead.unreadable for lead in encoded],
                [lead.unknown for lead in encoded],
                (guarded != logits).any(axis=1).tolist(),
                repeat(self.members),
            )
        )

    def score_columns(
        self,
        columns: Mapping[str, Sequence[object] | NDArray[Any]],
        as_of: datetime | Sequence[datetime],
    ) -> ScoredColumns:
        """Return the answers for leads given as columns; each row bit-equal to `score`.

        Parameters
        ----------
        columns : mapping of str to sequence or ndarray
            Raw values by field, None where nothing is given; all of one length. A behaviour is
            given as its number; without its column it is missing, as when acts are not known.
            Columns that the definition does not have are passed over.
        as_of : datetime or sequence of datetime
            The scoring time, with a time zone, of all leads or of each.
        """
        codes, unreadable = self.encoder.encode_columns(columns, as_of)
        return self.score_codes(codes, unreadable)

    def score_codes(
        self,
        codes: NDArray[np.int32],
        unreadable: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> ScoredColumns:
        """Return the answers for encoded leads, shape (n_leads, n_inputs)."""
        guarded = np.maximum.accumulate(self.tables.logits(codes), axis=1)
        chances = probabilities_of(guarded)
        return ScoredColumns(
            probabilities=chances,
            probability=chances[:, self._main],
            score=self._scores(guarded[:, self._main]),
            acceptance=self._acceptances(codes),
            contributions=self._by_field(self.tables.contributions(codes, self.main_horizon)),
            fields=tuple(member.field for member in self.members),
            codes=codes,
            unreadable=dict(unreadable or {}),
        )

    def probabilities(self, codes: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return guarded chances of a win of encoded leads, shape (n_leads, n_horizons)."""
        return probabilities_of(np.maximum.accumulate(self.tables.logits(codes), axis=1))

    @cached_property
    def _one_lead(self) -> OneLead:
        return OneLead(self.tables, self.acceptance, self.main_horizon)

    def _by_field(self, parts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add up each field's inputs, from the first to the last as `score` does."""
        if len(self.members) == parts.shape[1]:
            return parts
        sums = parts[:, self._firsts]
        for place, position in self._further:
            sums[:, place] += parts[:, position]
        return sums

    def _scores(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        points = POINTS_PER_LOGIT * (logits - self.tables.base[self._main])
        return np.minimum(100.0, np.maximum(0.0, 50.0 + points))

    def _acceptances(self, codes: NDArray[np.int32]) -> NDArray[np.float64] | None:
        if self.acceptance is None:
            return None
        return probabilities_of(self.acceptance.logits(codes)[:, 0])

    def _answer(
        self,
        encoded: Encoded,
        logits: list[float],
        probabilities: tuple[float, ...],
        is_guarded: bool,
        parts: list[float],
        by_field: list[float],
        acceptance: float | None,
    ) -> ScoredLead:
        logit, base = logits[self._main], self.tables.base[self._main]
        codes, unreadable, unknown = encoded
        return ScoredLead(
            probabilities,
            probabilities[self._main],
            logit,
            base,
            min(100.0, max(0.0, 50.0 + POINTS_PER_LOGIT * (logit - base))),
            acceptance,
            self._neighbours.of(logit),
            parts,
            by_field,
            codes,
            unreadable,
            unknown,
            is_guarded,
            self.members,
        )

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


def _members(encoder: LeadEncoder) -> tuple[Member, ...]:
    fields: dict[str, tuple[str, list[int]]] = {}
    for position, given in enumerate(encoder.inputs):
        fields.setdefault(given.field, (given.group, []))[1].append(position)
    return tuple(
        Member(field, group, tuple(positions)) for field, (group, positions) in fields.items()
    )
