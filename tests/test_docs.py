"""What a person can type or call is written down; a page that falls behind fails here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import dev
import serving.cli
import training.commands
from features.definition import LeadDefinition
from features.source_map import SourceMap
from serving.app import create_app
from serving.settings import ServeSettings
from training.settings import TrainSettings

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]


@pytest.fixture(scope="module")
def guide() -> str:
    """The README and every page of the guide, as one text."""
    return "\n".join(page.read_text("utf-8") for page in PAGES)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Give every command with its options, as typed."""
    for program, app in (("lead-train", training.commands.app), ("lead-serve", serving.cli.app)):
        yield from family(program, typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def family(typed: str, commands: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Give the commands below what is typed so far."""
    for name, command in commands.items():
        if hasattr(command, "commands"):
            yield from family(f"{typed} {name}", command.commands)
            continue
        options = [part.opts[-1] for part in command.params if part.opts[-1].startswith("--")]
        yield f"{typed} {name}", [option for option in options if option != "--help"]


def properties(schema: dict[str, Any]) -> Iterator[str]:
    """Give every key that a YAML file of this schema may have."""
    for part in (schema, *schema.get("$defs", {}).values()):
        yield from part.get("properties", {})


@pytest.mark.parametrize(("command", "options"), list(commands()), ids=str)
def test_every_command_and_option_is_described(guide, command, options):
    assert command in guide

    assert [option for option in options if option not in guide] == []


@pytest.mark.parametrize("name", ["demo", "test", "lint", "bench", "lock", "results"])
def test_every_command_of_the_bootstrap_is_described(guide, name):
    assert callable(getattr(dev, name))
    assert f"dev.py {name}" in guide + (ROOT / "CONTRIBUTING.md").read_text("utf-8")


@pytest.mark.parametrize("settings", [TrainSettings, ServeSettings])
def test_every_setting_is_described(guide, settings):
    names = [
        field.validation_alias
        if isinstance(field.validation_alias, str)
        else f"LEAD_{name.upper()}"
        for name, field in settings.model_fields.items()
    ]

    assert [name for name in names if f"`{name}`" not in guide] == []


def test_no_setting_is_described_that_does_not_exist(guide):
    known = {
        f"LEAD_{name.upper()}"
        for side in (TrainSettings, ServeSettings)
        for name in side.model_fields
    }

    assert set(re.findall(r"\bLEAD_[A-Z_]+\b", guide)) - known == set()


@pytest.mark.parametrize("settings", [TrainSettings, ServeSettings])
def test_the_table_of_settings_gives_the_defaults_that_the_programs_have(settings):
    page = (ROOT / "docs" / "guide" / "first_steps.md").read_text("utf-8")
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in page.splitlines()]
    told = {row[0]: row[1] for row in rows if len(row) == 3}
    known = {
        "MLFLOW_RUN_ID" if name == "run_id" else f"LEAD_{name.upper()}": field.default
        for name, field in settings.model_fields.items()
    }

    plain = {name: default for name, default in known.items() if str(default)}

    assert known.keys() <= told.keys()
    assert {name: told[name] for name in plain} == {
        name: f"{default:g}" if isinstance(default, float) else str(default)
        for name, default in plain.items()
    }


def test_no_path_is_described_that_the_service_does_not_have(guide, tmp_path):
    app = create_app(ServeSettings(access="open", home=tmp_path))
    known = {re.sub(r"\{.*", "", path) for path in app.openapi()["paths"]}

    told = set(re.findall(r"(?:GET|POST|PUT|DELETE) (/v1/[a-z/-]*(?:\.csv)?)", guide))

    assert [path for path in sorted(told) if path not in known] == []


def test_every_path_of_the_service_is_described(guide, tmp_path):
    app = create_app(ServeSettings(access="open", home=tmp_path))
    paths = set(app.openapi()["paths"]) | {
        route.path for route in app.routes if hasattr(route, "methods")
    }

    missing = [
        path for path in sorted(paths) if f"`{path}" not in guide and f" {path}`" not in guide
    ]

    assert missing == []


@pytest.mark.parametrize(
    ("page", "file"), [("definition.md", LeadDefinition), ("source_map.md", SourceMap)]
)
def test_every_key_of_a_file_that_people_edit_is_described(page, file):
    text = (ROOT / "docs" / "guide" / page).read_text("utf-8")

    missing = [
        key for key in properties(file.model_json_schema()) if not re.search(rf"\b{key}\b", text)
    ]

    assert sorted(set(missing)) == []
