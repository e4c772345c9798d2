"""The house keeps its own rules: arrows, lock, names, links, and nothing of the maker's machine."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("features", "serving", "training")
SKIPPED = {".git", ".venv", ".leads", "build", "dist", "htmlcov", "mlruns", "node_modules"}
TEXTS = {
    ".py",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".html",
    ".css",
    ".js",
    ".lock",
    ".ipynb",
    ".cfg",
    "",
}


def files_of(*suffixes: str, below: str = ".") -> list[Path]:
    """Return the project's files with one of the suffixes."""
    found = []
    for folder, folders, names in os.walk(ROOT / below):
        folders[:] = [
            name
            for name in folders
            if name not in SKIPPED
            and not name.endswith(("cache", "cache__", ".egg-info", ".hypothesis"))
        ]
        found += [Path(folder, name) for name in names if Path(name).suffix in suffixes]
    return sorted(found)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


PYTHON = files_of(".py")
MARKDOWN = files_of(".md")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_only_the_agreed_import_arrows_exist():
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        (
            "features.scorer",
            {"pandas", "sklearn", "scipy", "lightgbm", "shap", "mlflow", "fastapi"},
        ),
        ("serving.cli", {"pandas", "sklearn", "scipy", "lightgbm", "shap", "mlflow"}),
        ("serving.app", {"pandas", "sklearn", "scipy", "lightgbm", "shap", "mlflow"}),
    ],
)
def test_what_serves_starts_without_what_learns(module, heavy):
    code = f"import {module}, json, sys; print(json.dumps(sorted(sys.modules)))"

    loaded = json.loads(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT))

    assert heavy & set(loaded) == set()


LOCKS = {"requirements.lock": 100, "requirements-serve.lock": 40, "requirements-registry.lock": 40}


def locked(name: str) -> dict[str, str]:
    """Return the text of each package of a lock by name, version and marker."""
    packages = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / name).read_text("utf-8").strip())
    return {re.split(r"\s\\", package)[0]: package for package in packages}


@pytest.mark.parametrize(("name", "at_least"), LOCKS.items())
def test_every_locked_package_has_hashes_and_no_address(name, at_least):
    lock = (ROOT / name).read_text("utf-8")
    packages = locked(name)

    assert len(packages) > at_least
    assert all(re.match(r"[A-Za-z0-9._-]+==\S+", package) for package in packages)
    assert all("--hash=sha256:" in package for package in packages.values())
    assert "://" not in lock
    assert re.findall(r"^\s*--(?!hash=)\S+", lock, re.M) == []


def test_an_image_installs_the_versions_that_are_tested():
    whole, service = locked("requirements.lock"), locked("requirements-serve.lock")
    registry = locked("requirements-registry.lock")

    assert service.items() <= whole.items()
    pinned = {package.split()[0] for package in whole}  # markers may differ, versions may not
    others = {package.split()[0] for package in registry} - pinned
    assert {package.split("==")[0] for package in others} <= {"flask-wtf", "wtforms"}
    names = {package.split("==")[0] for package in service}
    assert not names & {"pandas", "lightgbm", "mlflow", "scipy", "scikit-learn", "shap", "pytest"}


def test_the_lock_holds_every_package_that_the_project_names():
    extras = PROJECT["project"]["optional-dependencies"]
    asked = [*PROJECT["project"]["dependencies"]]
    asked += [name for extra in ("serve", "postgresql", "train", "dev") for name in extras[extra]]
    lock = (ROOT / "requirements.lock").read_text("utf-8").lower()

    names = [re.split(r"[<>=\[ ]", requirement)[0].lower() for requirement in asked]

    missing = [name for name in names if f"\n{name}==" not in f"\n{lock}"]

    assert missing == []


def test_every_file_a_package_needs_is_packaged():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    needed = [
        path
        for package in PACKAGES
        for path in files_of(*TEXTS, ".png", ".svg", ".ico", below=package)
    ]

    left_out = [
        named(path)
        for path in needed
        if path.suffix != ".py" and not any(path.match(pattern) for pattern in patterns)
    ]

    assert left_out == []


def test_no_file_names_the_machine_it_was_made_on():
    places = "|".join(("/wor" + "k/", "/roo" + "t/", "/tm" + "p/w/", "/home/" + r"\w+/"))
    index = "|".join(
        ("pypi" + r"\.org", "pythonhosted" + r"\.org", "index" + "-url" + r"[ =]+\S*//")
    )

    found = [
        f"{named(path)}:{number}"
        for path in files_of(*TEXTS)
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if re.search(rf"(?<![\w.])({places})|{index}", line)
    ]

    assert found == []


@pytest.mark.parametrize("path", PYTHON, ids=named)
def test_code_is_short_finished_and_named(path):
    text = path.read_text("utf-8")
    tree = ast.parse(text)

    longest = 600 if "tests" in path.relative_to(ROOT).parts else 400  # tables of cases are long
    assert len(text.splitlines()) <= longest, "one file, one idea: split it"
    assert path.stem not in {"utils", "util", "helper", "helpers", "manager", "common", "misc"}
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        (node.module or "").split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert imported & {"pickle", "joblib", "skops", "dill", "cloudpickle"} == set()
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert names & {"NotImplementedError", "df", "utils", "helper", "manager"} == set()


@pytest.mark.parametrize("path", MARKDOWN, ids=named)
def test_every_link_of_a_page_leads_somewhere(path):
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.S)
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)

    broken = [
        target
        for target in targets
        if "://" not in target
        and not target.startswith("mailto:")
        and not (path.parent / target).exists()
    ]

    assert broken == []


def test_the_readme_is_one_sitting_long():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_the_changelog_knows_the_current_version():
    assert f"## [{PROJECT['project']['version']}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_decision_records_are_numbered_without_gaps_and_say_what_was_decided():
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))

    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        text = path.read_text("utf-8")
        assert text.startswith(f"# {int(path.name[:4])}. "), path.name
        assert "Decision" in text, path.name
