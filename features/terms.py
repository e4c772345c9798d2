"""The parts of a definition: fields, behaviours, reasons, grades, economics, accepted findings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "AcceptedFinding",
    "Behaviour",
    "Economics",
    "FieldType",
    "Frozen",
    "Grades",
    "Group",
    "Identifier",
    "Language",
    "LeadField",
    "Monotone",
    "Names",
    "Reason",
]

Language = Literal["ja", "en"]
Group = Literal["fit", "interest", "timing", "data"]
FieldType = Literal[
    "number", "category", "boolean", "time", "job_title", "email", "phone", "company", "text"
]
Monotone = Literal["rising", "falling"]
"""The score may only rise, or only fall, as the number grows; missing stands aside."""
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy; what was reckoned from the original is reckoned anew."""
        copied = super().model_copy(update=update, deep=deep)
        for name in vars(copied).keys() - type(self).model_fields.keys():
            del vars(copied)[name]
        return copied


class Names(Frozen):
    """What people call a thing, in both languages."""

    ja: str = Field(min_length=1, max_length=120)
    en: str = Field(min_length=1, max_length=120)

    def get(self, language: str) -> str:
        """Return the name in `language`; anything but ``"ja"`` reads English."""
        return self.ja if language == "ja" else self.en


class LeadField(Frozen):
    """One field of a lead, as a person knows it.

    `values` gives a category's codes their names. A raw value that equals a code or either name
    (after normalising) is read as that code, so a Japanese form and an English API call agree.
    """

    type: FieldType
    names: Names
    group: Group
    unit: Names | None = None
    known: Literal["arrival", "later"] = "arrival"
    personal: bool = False
    monotone: Monotone | None = None
    values: dict[str, Names] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _only_numbers_are_monotone(self) -> Self:
        if self.monotone is not None and self.type != "number":
            raise ValueError(
                f"monotone is for fields of type number; this one is of type {self.type}"
            )
        return self

    @property
    def is_usable(self) -> bool:
        """Whether a model may see it: a field known only after hand-off never reaches a model."""
        return self.known == "arrival"


class Behaviour(Frozen):
    """A number computed from what a lead did before the scoring time.

    `measure` is ``count`` of events of `kind`, ``sum`` of their amounts, or ``days_since_last``;
    `window_days` bounds how far back it looks (days before the scoring time).
    """

    kind: Identifier
    measure: Literal["count", "sum", "days_since_last"]
    window_days: int = Field(gt=0, le=3650)
    names: Names
    group: Group
    unit: Names | None = None
    monotone: Monotone | None = None


class Reason(Frozen):
    """Why a lead was turned away or lost, and what the learner does with it.

    `conversion` is either a log-odds shift for each horizon (applied to the teacher's probability
    of a *rejected* lead), or ``zero`` (label 0), ``leave_out`` (says nothing about the lead) or
    ``worked`` (a loss: it was worked and stays at risk).
    """

    names: Names
    kind: Literal["rejection", "not_a_lead", "loss"]
    conversion: (
        tuple[Annotated[float, Field(ge=-10, le=0)], ...] | Literal["zero", "leave_out", "worked"]
    )
    acceptance: Literal[0, 1, "leave_out"]
    queue: Literal[
        "drop",
        "nurture",
        "recycle",
        "other_contact",
        "ask",
        "read",
        "fix",
        "front",
        "merge",
        "suppress",
    ]
    return_days: int | None = Field(default=None, gt=0, le=3650)
    agreed_tries: int | None = Field(default=None, gt=0, le=50)

    @model_validator(mode="after")
    def _kind_agrees_with_treatment(self) -> Self:
        if (self.kind == "loss") != (self.conversion == "worked"):
            raise ValueError("a loss, and only a loss, has conversion 'worked'")
        if self.kind == "not_a_lead" and self.conversion != "leave_out":
            raise ValueError("a reason of kind not_a_lead has conversion 'leave_out'")
        return self


class Economics(Frozen):
    """What a hand-off costs and brings; their ratio is the break-even probability."""

    currency: str = Field(default="JPY", min_length=3, max_length=3)
    cost_of_working: float = Field(gt=0)
    value_of_win: float = Field(gt=0)
    capacity_per_week: int = Field(gt=0)
    audit_share: float = Field(default=0.05, ge=0, le=0.5)

    @model_validator(mode="after")
    def _worth_working(self) -> Self:
        if self.cost_of_working >= self.value_of_win:
            raise ValueError(
                "cost_of_working must be below value_of_win, else no lead is worth a call"
            )
        return self

    @property
    def break_even(self) -> float:
        """Probability at which working a lead pays for itself (0 to 1)."""
        return self.cost_of_working / self.value_of_win


class Grades(Frozen):
    """Score lines of the grades; they never move by themselves. Below C is D."""

    A: float = Field(ge=0, le=100)
    B: float = Field(ge=0, le=100)
    C: float = Field(ge=0, le=100)

    @model_validator(mode="after")
    def _descending(self) -> Self:
        if not self.A > self.B > self.C:
            raise ValueError("grade lines must descend: A > B > C")
        return self

    def of(self, score: float) -> str:
        """Return the grade of a score (0 to 100)."""
        return (
            "A" if score >= self.A else "B" if score >= self.B else "C" if score >= self.C else "D"
        )


class AcceptedFinding(Frozen):
    """A finding of the leak scan that a person has looked at and answers for.

    Attributes
    ----------
    field : str
        Field, behaviour or column that the finding is about.
    signal : str
        Kind of finding, as the scan names it, e.g. ``missingness``.
    severity : {"suspect", "leak"}
        The worst that is accepted: a finding that is worse blocks again.
    by, why : str
        Who accepts it, and the reason; both are kept with every model trained under it.
    on : date
        Day of the decision.
    """

    field: str = Field(min_length=1, max_length=120)
    signal: Identifier
    severity: Literal["suspect", "leak"] = "suspect"
    by: str = Field(min_length=1, max_length=120)
    why: str = Field(min_length=10, max_length=1000)
    on: date
