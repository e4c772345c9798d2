"""Pages escape everything, and browsers are told to run and fetch nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import serving.pages
from serving.pages.view import _environment
from serving.process.limits import SECURITY_HEADERS

TEMPLATES = sorted((Path(serving.pages.__file__).parent / "templates").iterdir())
UNSAFE = r"\|\s*(safe|forceescape|tojson)|autoescape|<script|<iframe|\sstyle=|\son\w+=|javascript:"


def test_escaping_is_on_for_every_template() -> None:
    assert _environment().autoescape is True
    assert {path.suffix for path in TEMPLATES} == {".html"}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_holds_no_script_and_no_way_around_escaping(path: Path) -> None:
    text = path.read_text("utf-8")

    assert re.findall(UNSAFE, text, re.I) == []
    assert re.findall(r"https?://", text) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_form_that_changes_something_has_a_token(path: Path) -> None:
    for form in re.findall(r"<form.*?</form>", path.read_text("utf-8"), re.S):
        assert 'method="get"' in form or 'name="csrf"' in form


def test_browsers_are_told_to_run_nothing_and_to_fetch_from_here_only() -> None:
    policy = dict(
        part.strip().split(" ", 1)
        for part in SECURITY_HEADERS["content-security-policy"].split(";")
    )

    assert policy == {
        "default-src": "'none'",  # and with it scripts, frames, objects, fonts and fetches
        "style-src": "'self'",
        "img-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert SECURITY_HEADERS["x-content-type-options"] == "nosniff"
    assert SECURITY_HEADERS["x-frame-options"] == "DENY"
    assert SECURITY_HEADERS["cross-origin-opener-policy"] == "same-origin"
