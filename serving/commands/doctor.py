"""``lead-serve doctor``: look at everything, and say what to do."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from serving.settings import SettingsInvalid, read_settings

if TYPE_CHECKING:
    from serving.doctor import Finding

__all__ = ["doctor"]

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "fault": ("✗", "red")}


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, for machines.")
    ] = False,
    registry: Annotated[
        bool, typer.Option(help="Ask MLflow which version is proposed; takes some seconds.")
    ] = True,
) -> None:
    """Look at everything and say what to do; exit code 1 if something keeps it from its work."""
    from serving.doctor import examine
    from serving.doctor.findings import fault

    found: list[Finding] = []
    try:
        settings = read_settings()
    except SettingsInvalid as error:
        found.append(fault("settings", str(error), "Set them right; nothing else was looked at."))
        if not as_json:
            _show(found[0])
    else:
        for finding in examine(settings, datetime.now(UTC), asks_registry=registry):
            found.append(finding)
            if not as_json:
                _show(finding)
    n_faults = sum(finding.level == "fault" for finding in found)
    n_warnings = sum(finding.level == "warning" for finding in found)
    if as_json:
        told = {
            "status": "fault" if n_faults else "warning" if n_warnings else "ok",
            "faults": n_faults,
            "warnings": n_warnings,
            "findings": [asdict(finding) for finding in found],
        }
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        typer.echo(f"{n_faults} fault(s), {n_warnings} warning(s).")
    if n_faults:
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    mark, colour = _MARKS[finding.level]
    typer.echo(f"{typer.style(mark, fg=colour)} {finding.topic}: {finding.told}")
    if finding.advice:
        typer.echo(f"    {finding.advice}")
