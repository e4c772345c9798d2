"""Which version is champion, who said so, and the way back.

What was decided is kept as tags of MLflow, which are never changed again: on the version, what the
gate said and who overrode it; on the registered model, one tag for each change of champion.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from features.errors import LeadQualityError
from training.model_store import (
    CHAMPION,
    Registered,
    champion_of,
    find_version,
    open_store,
    read_document,
)

if TYPE_CHECKING:
    from training.model_store import MlflowClient
    from training.settings import TrainSettings

__all__ = [
    "GATE_FILE",
    "Change",
    "NothingToRollBack",
    "Override",
    "OverrideInvalid",
    "Promotion",
    "PromotionRefused",
    "champions",
    "gate_of",
    "gate_tags",
    "promote",
    "rollback",
]

GATE_FILE = "gate.json"
MIN_WHY, MOST_WHY = 10, 500

_CHANGE = "champion."
_NONE = "none"


class PromotionRefused(LeadQualityError):
    """The gate keeps this version out; names every condition that stands in the way."""

    status = 409


class NothingToRollBack(LeadQualityError):
    """There is no earlier champion."""

    status = 404


class OverrideInvalid(LeadQualityError, ValueError):
    """An override without a name, or without a reason that says something."""

    status = 422


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody answers for publishing what the gate keeps out.

    Attributes
    ----------
    by : str
        The person.
    why : str
        The reason, 10 to 500 characters.
    """

    by: str
    why: str

    def __post_init__(self) -> None:
        if not self.by.strip() or not MIN_WHY <= len(self.why.strip()) <= MOST_WHY:
            raise OverrideInvalid(
                "An override needs the name of a person (--by) and a reason of "
                f"{MIN_WHY} to {MOST_WHY} characters (--why)."
            )


@dataclass(frozen=True, slots=True)
class Change:
    """One change of champion.

    Attributes
    ----------
    version : str
        The version that became champion.
    at : str
        When, ISO 8601.
    by, why : str
        Who overrode or rolled back, and why; empty otherwise.
    rolled_back : bool
        Whether it was a way back.
    failed : tuple of str
        Conditions that an override set aside.
    """

    version: str
    at: str
    by: str = ""
    why: str = ""
    rolled_back: bool = False
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version that is champion now.

    Attributes
    ----------
    registered : Registered
        The version.
    before : str
        The champion before it; empty where there was none, its own where nothing changed.
    gate : mapping
        What the gate said of it; empty where it was never asked.
    change : Change or None
        What was written down; None where it was champion already.
    """

    registered: Registered
    before: str
    gate: Mapping[str, Any]
    change: Change | None

    def document(self) -> dict[str, Any]:
        """Return what happened as JSON content."""
        change = self.change
        override = None
        if change is not None and change.failed:
            override = {
                "by": change.by,
                "why": change.why,
                "at": change.at,
                "failed": list(change.failed),
            }
        return {
            "name": self.registered.name,
            "version": self.registered.version,
            "alias": CHAMPION,
            "model_digest": self.registered.model_digest,
            "before": self.before,
            "changed": change is not None,
            "verdict": dict(self.gate) or None,
            "override": override,
        }


def gate_tags(documents: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a version that say what the gate found, from its ``gate.json``."""
    if GATE_FILE not in documents:
        return {}
    found = json.loads(documents[GATE_FILE])
    return {
        "gate_level": found["level"],
        "gate_rule": found["rule"] or _NONE,
        "gate_champion": found["champion_version"] or _NONE,
    }


def promote(
    settings: TrainSettings,
    name: str,
    chosen: str,
    *,
    override: Override | None = None,
) -> Promotion:
    """Propose a version as champion; the service serves it once it has been approved there.

    Promoting the champion again changes nothing.

    Parameters
    ----------
    settings : TrainSettings
        Names the store.
    name, chosen : str
        Registered model and version.
    override : Override, optional
        Who answers for a version that the gate keeps out; written down with the conditions.

    Raises
    ------
    ModelNotFound
        If the registry has no such version.
    PromotionRefused
        If the gate keeps it out, or judged it against another champion than today's.
    """
    with open_store(settings) as client:
        found = find_version(client, name, chosen)
        before = champion_of(client, name)
        gate = _gate_of(client, found)
        if before == found.version:
            return Promotion(found, before, gate, None)
        against = _against(gate, before)
        if against and override is None:
            raise PromotionRefused(_refusal(found, against))
        said = override if against else None
        change = Change(
            found.version,
            _now(),
            "" if said is None else said.by,
            "" if said is None else said.why,
            failed=tuple(against) if said is not None else (),
        )
        _write_down(client, name, before, change)
        return Promotion(found, before, gate, change)


def rollback(settings: TrainSettings, name: str, *, by: str = "", why: str = "") -> Promotion:
    """Make the champion before this one the champion again.

    Raises
    ------
    ModelNotFound
        If there is no champion.
    NothingToRollBack
        If none came before it.
    """
    with open_store(settings) as client:
        now = find_version(client, name, CHAMPION).version
        # Of two who promoted at once, the last to write is not always the last to set the alias.
        earlier = [one for one in _standing(_changes(client, name)) if one != now]
        if not earlier:
            raise NothingToRollBack(
                f"Version {now} of {name} is the first champion; there is none before it. To "
                "publish another version: lead-train promote VERSION."
            )
        found = find_version(client, name, earlier[-1])
        change = Change(found.version, _now(), by, why, rolled_back=True)
        _write_down(client, name, now, change)
        return Promotion(found, now, _gate_of(client, found), change)


def champions(settings: TrainSettings, name: str) -> tuple[Change, ...]:
    """Return every change of champion, oldest first."""
    with open_store(settings) as client:
        return _changes(client, name)


def gate_of(settings: TrainSettings, found: Registered) -> dict[str, Any]:
    """Return what the gate said of a version; empty where it was never asked."""
    with open_store(settings) as client:
        return _gate_of(client, found)


def _against(gate: Mapping[str, Any], champion: str) -> dict[str, str]:
    """Return what stands in the way of a promotion: a sentence by condition."""
    if not gate:
        said = "No gate has judged this version: it was made by an older program. Train again."
        return {"no_gate": said}
    found = {}
    if not gate["may_be_promoted"]:
        words = {one["name"]: one["words"]["en"] for one in gate["conditions"]}
        found = {one: words.get(one, gate["words"]["en"]) for one in gate["failed"]}
    judged_against = gate["champion_version"]
    if judged_against != champion:
        was, now = (
            f"version {one}" if one else "no champion" for one in (judged_against, champion)
        )
        found["judged_against"] = f"It was judged against {was}; today there is {now}. Train again."
    return found


def _refusal(found: Registered, against: Mapping[str, str]) -> str:
    lines = [f"Version {found.version} of {found.name} is kept out by the gate:"]
    lines += [f"- {name}: {said}" for name, said in against.items()]
    lines.append(
        "A person may answer for it: lead-train promote "
        f'{found.version} --override --by NAME --why "REASON" (both are kept).'
    )
    return "\n".join(lines)


def _gate_of(client: MlflowClient, found: Registered) -> dict[str, Any]:
    """Return the gate's document of a version; empty where it was never asked."""
    text = read_document(client, found, GATE_FILE)
    return {} if text is None else dict(json.loads(text))


def _write_down(client: MlflowClient, name: str, before: str, change: Change) -> None:
    """Set the alias, then write the change in a tag of its own, which nobody else writes."""
    if before and not _changes(client, name):
        _tag(client, name, Change(before, "1970-01-01T00:00:00+00:00"))
    client.set_registered_model_alias(name, CHAMPION, change.version)
    _tag(client, name, change)
    if change.failed:
        for key, value in (
            ("override_by", change.by),
            ("override_why", change.why),
            ("override_at", change.at),
            ("override_failed", ", ".join(change.failed)),
        ):
            client.set_model_version_tag(name, change.version, key, value)


def _tag(client: MlflowClient, name: str, change: Change) -> None:
    moment = change.at.replace("+00:00", "Z")
    text = json.dumps(asdict(change), ensure_ascii=False)
    client.set_registered_model_tag(name, f"{_CHANGE}{moment}.{change.version}", text)


def _changes(client: MlflowClient, name: str) -> tuple[Change, ...]:
    tags = client.get_registered_model(name).tags
    told = [json.loads(tags[key]) for key in sorted(tags) if key.startswith(_CHANGE)]
    return tuple(Change(**{**one, "failed": tuple(one["failed"])}) for one in told)


def _standing(changes: Sequence[Change]) -> list[str]:
    """Return the champions as they followed each other, without those that were taken back."""
    stack: list[str] = []
    for change in changes:
        if change.rolled_back and change.version in stack:
            del stack[stack.index(change.version) + 1 :]
        elif change.version in stack:
            stack.remove(change.version)
            stack.append(change.version)
        else:
            stack.append(change.version)
    return stack


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
