"""The leak scan on real tables: what it must name, and what it must leave alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from features.definition import load_definition
from features.leads import read_history
from features.source_map import load_source_map
from features.text import Unreadable, parse_number
from tests.conftest import EXAMPLES
from training.leaks import (
    LeakFinding,
    LeakScan,
    ScanColumn,
    read_column,
    scan_columns,
    scan_history,
)

WRITTEN_LATER = ("Tags", "Lead Quality", "Lead Profile")


def column_of(texts: pd.Series) -> ScanColumn:
    """Read a raw column as a number where all its values are numbers."""
    given = [text for text in texts.unique() if text not in ("", "Select")]
    try:
        is_number = len(given) > 2 and all(parse_number(text) is not None for text in given)
    except Unreadable:
        is_number = False
    return read_column(
        list(texts),
        "number" if is_number else "category",
        zone=ZoneInfo("Asia/Kolkata"),
        heading=str(texts.name),
        blanks=["Select"],
    )


@pytest.fixture(scope="module")
def all_columns(real_data: Path) -> tuple[LeakFinding, ...]:
    """The findings about every column of the courses' table, in order of arrival."""
    table = pd.read_csv(real_data / "xeducation" / "Leads.csv", dtype=str, keep_default_na=False)
    table = table.iloc[table["Lead Number"].astype(int).argsort()]
    outcome = table.pop("Converted").astype(float).to_numpy()
    return scan_columns({str(name): column_of(table[name]) for name in table}, outcome)


def blocking(findings: tuple[LeakFinding, ...], field: str) -> dict[str, LeakFinding]:
    return {f.signal: f for f in findings if f.field == field and f.blocks}


def scan_example(folder: str, task: str, files: list[Path], as_of: datetime | None) -> LeakScan:
    definition = load_definition(EXAMPLES / folder / f"{task}.definition.yaml")
    source_map = load_source_map(EXAMPLES / folder / f"{task}.source_map.yaml")
    return scan_history(read_history(files, definition, source_map), definition, as_of=as_of)


@pytest.mark.parametrize("column", WRITTEN_LATER)
def test_what_sales_typed_after_calling_is_named_with_its_figures(
    all_columns: tuple[LeakFinding, ...], column: str
) -> None:
    found = blocking(all_columns, column)["purity"]
    assert found.evidence["n"] >= 30
    assert abs(float(found.evidence["rate"]) - float(found.evidence["expected"])) > 0.3
    assert str(found.evidence["value"]) in found.what.en


def test_the_notes_of_sales_are_called_a_leak(all_columns: tuple[LeakFinding, ...]) -> None:
    assert blocking(all_columns, "Tags")["purity"].severity == "leak"
    assert blocking(all_columns, "Tags")["single_field"].evidence["auc"] > 0.9


@pytest.mark.parametrize(
    "column",
    [
        "What is your current occupation",
        "What matters most to you in choosing a course",
        "Asymmetrique Activity Index",
        "Asymmetrique Profile Index",
        "Asymmetrique Activity Score",
        "Asymmetrique Profile Score",
    ],
)
def test_a_column_filled_in_by_sales_is_suspect_for_where_it_is_blank(
    all_columns: tuple[LeakFinding, ...], column: str
) -> None:
    assert "missingness" in blocking(all_columns, column)


@pytest.mark.parametrize(
    "column",
    [
        "TotalVisits",
        "Total Time Spent on Website",
        "Page Views Per Visit",
        "Do Not Email",
        "Do Not Call",
        "A free copy of Mastering The Interview",
        "Search",
        "Country",
        "City",
        "Specialization",
        "How did you hear about X Education",
    ],
)
def test_an_honest_column_is_left_alone(all_columns: tuple[LeakFinding, ...], column: str) -> None:
    assert blocking(all_columns, column) == {}


@pytest.mark.parametrize("task", ["high_potential", "policy"])
def test_location_and_product_filled_in_while_qualifying_are_suspect(
    real_data: Path, task: str
) -> None:
    file = real_data / "ficzon" / "sales_leads_masked.csv"
    scan = scan_example("ficzon", task, [file], None)
    assert {"product", "location"} <= {finding.field for finding in scan.blocking}


@pytest.mark.parametrize("field", ["occupation", "matters_most", "origin"])
def test_what_was_asked_while_calling_is_suspect_beside_the_channel(
    real_data: Path, field: str
) -> None:
    file = real_data / "xeducation" / "Leads.csv"
    scan = scan_example("xeducation", "form", [file], None)
    assert field in {finding.field for finding in scan.blocking}


def test_a_strong_channel_is_a_note_and_a_pure_one_is_suspect(real_data: Path) -> None:
    sold = scan_example("ficzon", "policy", [real_data / "ficzon" / "sales_leads_masked.csv"], None)
    courses = scan_example("xeducation", "form", [real_data / "xeducation" / "Leads.csv"], None)
    purity = [
        finding
        for scan in (sold, courses)
        for finding in scan.findings
        if (finding.field, finding.signal) == ("source", "purity")
    ]
    assert [f.severity for f in purity] == ["note", "suspect"]
    assert float(purity[0].evidence["rate"]) < 0.9 < float(purity[1].evidence["rate"])


def test_landing_pages_with_strong_effects_are_left_alone(real_data: Path) -> None:
    files = sorted((real_data / "olist_funnel").glob("*.csv"))
    scan = scan_example("olist", "won", files, datetime(2018, 11, 14, tzinfo=UTC))
    assert scan.blocking == ()
