"""What a model must agree on with this program before it is put together: one reason each.

The digests say that nobody changed the files; this says that the program understands them. It is
checked on parsed JSON, before any object is made of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from features.definition import EVER, LeadDefinition
from features.errors import ArtefactRefused, shorten
from features.inputs import PARSERS_VERSION, Derivation, derivations_of

__all__ = ["REASONS", "check_contract"]

REASONS: Mapping[str, str] = MappingProxyType(
    {
        # the folder
        "file_missing": "a file is not there, or is no plain file",
        "file_unreadable": "a file cannot be read",
        "file_too_large": "a file is larger than any model's",
        "file_changed": "a file is not the one that the manifest lists",
        "files_unknown": "the manifest lists other files than a model has",
        "format_unknown": "the manifest has a format that this program does not read",
        "not_json": "a file is not strict JSON",
        "not_approved": "the manifest is not the one that was approved",
        "digest_differs": "the model digest is not that of the files",
        "tag_differs": "the digest that training tagged is not that of the files",
        # the contract
        "definition_invalid": "the lead definition breaks its own rules",
        "calibration_invalid": "the calibration lacks or adds a part",
        "method_unknown": "the model was made by a method that this program does not know",
        "horizon_unknown": "the main horizon is none of the model's horizons",
        "parsers_changed": "the model was made with other parsers than this program has",
        "encoder_invalid": "the encoder lacks a part",
        "input_unknown": "an input is of a field that the definition does not have",
        "input_missing": "a field lacks one of its inputs",
        "input_order": "the inputs of a field stand in another order",
        "input_kind": "an input is a number where the definition has a category, or the other way",
        "tables_invalid": "the look-up tables have no shape, or a cell is no finite number",
        "tables_differ": "the look-up tables do not have the encoder's inputs",
        "acceptance_differs": "the acceptance tables do not have the encoder's inputs",
        "reference_invalid": "what past leads looked like cannot be read",
        "golden_missing": "the golden rows are missing",
        "golden_differs": "the model does not give its own golden answers",
        "does_not_fit": "the parts do not fit together",
        # fetching
        "source_refused": "the files lie where LEAD_MODEL_SOURCES does not allow",
        "version_misshapen": "a name, version or run of the registry has an impossible form",
        "too_large": "the model has more bytes than LEAD_MAX_MODEL_MB",
        "trial_failed": "the trial load broke down or used too much",
    }
)
"""Why a model does not serve: the code, and what it means."""

_CALIBRATION = {"mode", "method", "main_horizon", "shift"}
_MODES = ("history", "snapshot")
_METHODS = ("student", "base_rate")


def check_contract(content: Mapping[str, Any], definition: LeadDefinition) -> None:
    """Refuse a model that this program would misread.

    Parameters
    ----------
    content : mapping of str to object
        The parsed JSON files by name.
    definition : LeadDefinition
        The model's own.

    Raises
    ------
    ArtefactRefused
        With a code of `REASONS`.
    """
    tables, accept = content["tables.json"], content["acceptance.json"]
    _check_calibration(content["calibration.json"])
    sizes = _checked_sizes(content["encoder.json"], definition)
    if _sizes_of(tables, "tables_invalid") != sizes:
        raise _refused("The look-up tables do not have the encoder's inputs.", "tables_differ")
    if accept is not None and _sizes_of(accept, "acceptance_differs") != sizes:
        raise _refused("The acceptance do not have the encoder's inputs.", "acceptance_differs")
    main, horizons = content["calibration.json"]["main_horizon"], tables["horizons"]
    is_dated = content["calibration.json"]["mode"] == "history"
    if main not in horizons or is_dated == (EVER in horizons):
        raise _refused(
            f"Main horizon {str(main)[:20]} is not one of the model's horizons.", "horizon_unknown"
        )
    _check_reference(content["reference.json"], sizes)
    if not isinstance(content.get("evaluation.json", {}), dict):
        raise _refused("evaluation.json holds no figures.", "reference_invalid")


def _refused(message: str, code: str) -> ArtefactRefused:
    return ArtefactRefused(f"{message} Publish the model again.", code)


def _check_calibration(stored: Any) -> None:
    if not isinstance(stored, dict) or set(stored) != _CALIBRATION:
        raise _refused("calibration.json lacks or adds a part.", "calibration_invalid")
    if stored["mode"] not in _MODES or stored["method"] not in _METHODS:
        raise _refused(
            f"The model's mode or method is none of {shorten((*_MODES, *_METHODS))}.",
            "method_unknown",
        )
    if not _is_number(stored["shift"]) or type(stored["main_horizon"]) is not int:
        raise _refused(
            "The calibration shift is not a finite number, or the horizon no day.",
            "calibration_invalid",
        )


def _checked_sizes(encoder: Any, definition: LeadDefinition) -> list[int]:
    """Return the number of codes of each input, once every input is one of the definition's."""
    if not isinstance(encoder, dict) or not isinstance(encoder.get("inputs"), list):
        raise _refused("encoder.json lacks its inputs.", "encoder_invalid")
    if encoder.get("parsers") != PARSERS_VERSION:
        number = encoder.get("parsers")
        raise ArtefactRefused(
            f"The model was made with parsers {number if type(number) is int else 'unknown'}, this "
            f"program has {PARSERS_VERSION}. Train again, or run the program version it was made "
            "with.",
            "parsers_changed",
        )
    found: dict[str, list[tuple[str, str]]] = {}
    sizes = []
    for given in encoder["inputs"]:
        try:
            name, field, kind = str(given["name"]), str(given["field"]), str(given["kind"])
            sizes.append(2 + len(given["edges" if kind == "number" else "levels"]))
        except (KeyError, TypeError) as error:
            raise _refused("An input of encoder.json lacks a part.", "encoder_invalid") from error
        found.setdefault(field, []).append((name, kind))
    for field, inputs in found.items():
        _check_inputs(field, inputs, definition)
    if "golden" not in encoder:
        raise ArtefactRefused(
            "The model does not reproduce its golden rows: they are missing. "
            "Publish the model again.",
            "golden_missing",
        )
    return sizes


def _check_inputs(
    field: str, inputs: Sequence[tuple[str, str]], definition: LeadDefinition
) -> None:
    usable = definition.usable_fields.get(field)
    if usable is None and field not in definition.behaviours:
        raise _refused(
            f"Input {shorten([inputs[0][0]])!r} is of no field that the definition has.",
            "input_unknown",
        )
    expected = (
        [(field, "number")]
        if usable is None
        else [(_name_of(field, one), one.kind) for one in derivations_of(usable)]
    )
    if inputs == expected:
        return
    names, expected_names = [name for name, _ in inputs], [name for name, _ in expected]
    if sorted(names) != sorted(expected_names):
        code = "input_missing"
    elif names != expected_names:
        code = "input_order"
    else:
        code = "input_kind"
    told = [f"{name} ({kind})" for name, kind in expected]
    raise _refused(f"Field {field!r} should give the inputs {shorten(told)}.", code)


def _name_of(field: str, derivation: Derivation) -> str:
    return f"{field}.{derivation.suffix}" if derivation.suffix else field


def _sizes_of(tables: Any, code: str) -> list[int]:
    try:
        if not all(type(horizon) is int for horizon in tables["horizons"]):
            raise TypeError
        return [len(curve) for curve in tables["mains"][0]]
    except (KeyError, IndexError, TypeError) as error:
        raise _refused("The look-up tables lack a part.", code) from error


def _check_reference(reference: Any, sizes: Sequence[int]) -> None:
    """Check what factors, intervals and pages read without asking again."""
    try:
        _check_neighbours(reference.get("neighbours") or {})
        bands = reference.get("inputs") or []
        if bands and len(bands) != len(sizes):
            raise ValueError
        if bands and not all(_is_number(reference["overall"][part]) for part in ("rate", "n")):
            raise ValueError
        for size, of_input in zip(sizes, bands, strict=False):
            for band in of_input:
                if not (0 <= band["from"] <= band["to"] < size and _is_number(band["n"])):
                    raise ValueError
                if band["rate"] is not None and not 0 <= band["rate"] <= 1:
                    raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _refused(
            "reference.json: what past leads looked like has parts that do not fit.",
            "reference_invalid",
        ) from error


def _check_neighbours(stored: Mapping[str, Any]) -> None:
    if not stored:
        return
    parts = [stored[name] for name in ("logit", "low", "high")]
    if len({len(part) for part in parts}) != 1:
        raise ValueError("of different length")
    if not all(_is_number(value) for part in parts for value in part):
        raise ValueError("not finite")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
