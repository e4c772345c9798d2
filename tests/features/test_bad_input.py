"""Kinds of bad input: each is one clear error that says where and what to do, and writes nothing."""

from __future__ import annotations

import csv
import io
import re

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import FileUnreadable, Finding, LeadQualityError, LeadsRejected
from features.text import Unreadable, parse_number
from tests.features.exports import (
    DECISIONS,
    LEADS,
    MAP,
    VISITS,
    read_export,
    with_cell,
    write_export,
)


def as_csv(rows=LEADS, **options):
    buffer = io.StringIO(newline="")
    csv.writer(buffer, **options).writerows(rows)
    return buffer.getvalue()


def excel():
    book = openpyxl.Workbook()
    book.active.append(LEADS[0])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def parquet():
    buffer = io.BytesIO()
    pq.write_table(pa.table({"リードID": ["L1"]}), buffer)
    return buffer.getvalue()


MIXED = as_csv().encode() + as_csv(LEADS[1:2]).replace("L1", "L7").encode("cp932")

BAD_FILES = {
    "an empty file": (b"", r"leads\.csv is empty \(0 bytes\)\. Export it again"),
    "only white space": (b" \r\n\r\n", r"holds no heading|has a heading but no rows"),
    "only blank lines": (b"\n\n\n", "holds no heading and no rows"),
    "a heading and no rows": (as_csv(LEADS[:1]).encode(), "has a heading but no rows"),
    "UTF-16": (as_csv().encode("utf-16"), "is in UTF-16. Save it as CSV UTF-8"),
    "UTF-16 without a mark": (as_csv().encode("utf-16-le"), "NUL character near line 1|neither UTF"),
    "UTF-32": (as_csv().encode("utf-32"), "UTF-16|NUL"),
    "a NUL byte": (as_csv().encode().replace(b"b@", b"b\x00@"), "NUL character near line 3"),
    "EUC-JP": ("なまえ,しな\nかとう,ねし\n".encode("euc_jp"), "looks like EUC-JP"),
    "EUC-JP that is no CP932": (as_csv().replace("㈱髙島①", "島").encode("euc_jp"), "neither UTF-8 nor"),
    "two encodings": (MIXED, r"begins as UTF-8 \(row 1\) and breaks in row 6"),
    "a file cut within a character": (as_csv().encode()[:-9], "the file was cut|has no column|columns"),
    "an Excel workbook called .csv": (excel(), r"an Excel workbook.*Rename it to end in \.xlsx"),
    "an old Excel workbook called .csv": (b"\xd0\xcf\x11\xe0" + b"\0" * 99, "old Excel workbook"),
    "a Parquet file called .csv": (parquet(), r"a Parquet file.*Rename it to end in \.parquet"),
    "a PDF called .csv": (b"%PDF-1.7\n", "is a PDF, not a CSV"),
    "a gzip archive called .csv": (b"\x1f\x8b\x08\x00", "gzip archive"),
    "random bytes": (bytes(range(253, 0, -1)) * 9, "neither UTF-8 nor CP932: row 1"),
    "a quote never closed": (
        as_csv().replace("営業部長", '"営業部長').encode(),
        r"row 2 \(line 2\), column '役職': a quote is opened there and never closed",
    ),
    "text after a closing quote": (
        as_csv().replace("展示会", '"展示"会').encode(),
        r"row 3 \(line 3\), column '流入元': text goes on after a closing quote.*tried were comma, sem",
    ),
    "a cell of 5 MB": (
        as_csv(with_cell(LEADS, 3, "会社名", "x" * 5_000_000)).encode(),
        r"row 3 .*a cell is longer than 1,000,000 characters",
    ),
    "three thousand columns": (as_csv([["c"] * 3000, ["1"] * 3000]).encode(), "has 3,000 columns"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_is_no_table_is_refused(tmp_path, kind):
    content, message = BAD_FILES[kind]
    paths = write_export(tmp_path)
    paths[0].write_bytes(content)

    check_one_clear_error(tmp_path, paths, message)


def ragged():
    rows = [list(row) for row in LEADS]
    rows[2].append("extra")
    return as_csv(rows)


BAD_LEADS = {
    "a missing column": ([row[1:] for row in LEADS], "has no column 'リードID'; its columns are '登録"),
    "a column twice": ([[*row, row[0]] for row in LEADS], "two columns have this name"),
    "a blank id": (with_cell(LEADS, 3, "リードID", " "), "'リードID', row 3: .*lead id is blank"),
    "an id twice": (with_cell(LEADS, 3, "リードID", "Ｌ1"), "'リードID', row 3: .*come before in the table"),
    "no date": (with_cell(LEADS, 3, "登録日時", ""), "'登録日時', row 3: .*is blank"),
    "a word for a date": (with_cell(LEADS, 3, "登録日時", "昨日"), "row 3: .*no readable date"),
    "a day that does not exist": (with_cell(LEADS, 3, "登録日時", "2026/2/30"), "no readable date"),
    "a day-first date without a format": (with_cell(LEADS, 3, "登録日時", "5-1-2026"), "date_formats"),
    "a date in the future": (with_cell(LEADS, 3, "登録日時", "2027/1/1"), r"after today \(2026-11-22\)"),
    "a date before computers": (with_cell(LEADS, 3, "登録日時", "1926/1/1"), "a time before 1990"),
    "a year without end": (with_cell(LEADS, 3, "登録日時", "9999-12-31"), "no readable date"),
    "a ragged row": (LEADS[:2] + [[*LEADS[2], "x"]], "row 3: .*has 9 columns, these rows have 10"),
    "a delimiter that does not fit": (
        [["\t".join(row)] for row in LEADS],
        "has no column 'リードID'.*The delimiter was the comma, as the source map says. Correct `del",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_LEADS)
def test_leads_that_cannot_be_trusted_are_refused(tmp_path, kind):
    rows, message = BAD_LEADS[kind]
    text = MAP.replace('file: "leads*"', 'file: "leads*"\n  delimiter: ","')

    check_one_clear_error(tmp_path, write_export(tmp_path, rows), message, text)


BAD_DECISIONS = {
    "an unknown kind": (with_cell(DECISIONS, 3, "区分", "保管"), "the kind '保管' is not listed"),
    "a blank kind": (with_cell(DECISIONS, 3, "区分", ""), "'区分', row 3: .*the kind is blank"),
    "an unknown reason": (with_cell(DECISIONS, 3, "理由", "相性"), "the reason '相性' is not listed"),
    "a reason of a loss for a rejection": (
        with_cell(DECISIONS, 3, "理由", "価格で失注"), "rejected with a reason that does not go with it"
    ),
    "a reason of a rejection for a loss": (
        with_cell(DECISIONS, 4, "理由", "予算なし"), "lost with a reason that does not go with it"
    ),
    "an event without a lead": (with_cell(DECISIONS, 3, "リードID", ""), "row 3: .*has no lead id"),
    "an event without a date": (with_cell(DECISIONS, 3, "日時", ""), "'日時', row 3: .*is blank"),
    "an event in the future": (with_cell(DECISIONS, 3, "日時", "2027/1/1"), "after today"),
    "an event long before its lead": (
        with_cell(DECISIONS, 3, "日時", "2025/1/1"), "more than 7 days before the lead arrived"
    ),
    "a decision table without its column": ([row[:2] for row in DECISIONS], "has no column '区分', '理由'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_DECISIONS)
def test_decisions_that_cannot_be_trusted_are_refused(tmp_path, kind):
    rows, message = BAD_DECISIONS[kind]

    check_one_clear_error(tmp_path, write_export(tmp_path, decisions=rows), message)


def test_a_delimiter_that_is_none_of_those_tried_is_told_in_words(tmp_path):
    rows = [["|".join(row)] for row in LEADS]

    check_one_clear_error(
        tmp_path,
        write_export(tmp_path, rows),
        "The delimiter was taken to be the comma; tried were comma, semicolon, tab",
    )


def test_errors_come_first_and_apart_from_what_would_not_stop_the_run(tmp_path):
    with pytest.raises(LeadsRejected) as caught:
        read_export(write_export(tmp_path, with_cell(LEADS, 3, "登録日時", "昨日")))

    first, *rest = str(caught.value).splitlines()
    split = rest.index("Also noted (would not stop the run):")
    assert first == "1 error(s); nothing was used and nothing was written."
    assert "no readable date" in rest[0]
    assert (split, len(rest)) == (1, 1 + len(caught.value.findings))


def test_a_rejection_with_errors_only_notes_nothing_else():
    told = str(LeadsRejected([Finding("blank_kind", "the kind is blank.", "Fill the cells.")]))

    assert told.splitlines()[1:] == ["- the kind is blank. Fill the cells."]


def test_a_missing_column_explains_what_follows_from_it(tmp_path):
    leads = [[{"流入元": "流入"}.get(cell, cell) for cell in LEADS[0]], *LEADS[1:]]
    decisions = [[cell for cell in row if cell != row[3]] for row in DECISIONS]

    with pytest.raises(LeadsRejected) as caught:
        read_export(write_export(tmp_path, leads, decisions))

    codes = {finding.code for finding in caught.value.findings}
    assert "missing_column" in codes
    assert codes.isdisjoint({"field_blank", "column_not_mapped", "blank_reason"})


def test_all_unknown_kinds_are_named_so_that_a_map_can_be_written_from_them(tmp_path):
    unknown = [f"区分{number}" for number in range(62)]
    decisions = DECISIONS[:1] + [["L1", "2026/3/1", kind, *[""] * 4] for kind in unknown]

    with pytest.raises(LeadsRejected) as caught:
        read_export(write_export(tmp_path, decisions=decisions))

    told = str(caught.value)
    assert [kind for kind in unknown if repr(kind) not in told] == unknown[60:]
    assert "and 2 more" in told


def test_behaviour_that_cannot_be_trusted_is_refused(tmp_path):
    visits = with_cell(VISITS, 2, "日時", "?")

    check_one_clear_error(
        tmp_path, write_export(tmp_path, visits=visits), "row 2: .*no readable date"
    )


def test_an_unknown_status_is_named(tmp_path):
    text = MAP.replace(
        "  later: [ステータス]",
        "  status: {column: ステータス, at: 登録日時, values: {受注: won, 失注: lost, 対応中: open}}",
    )

    check_one_clear_error(
        tmp_path, write_export(tmp_path), "the status '見送り' is not listed", text
    )


def test_a_rejection_without_a_reason_needs_a_code_for_it(tmp_path):
    paths = write_export(tmp_path, decisions=with_cell(DECISIONS, 3, "理由", ""))

    history = read_export(paths)

    assert "no_reason" in set(history.events["reason"])


BAD_PLACES = {
    "a file that is not there": ("no.csv", None, r"no\.csv cannot be opened \(No such file"),
    "a folder": ("", None, "cannot be opened|ends in"),
    "an unknown suffix": ("leads.doc", b"x", r"ends in '\.doc'\. Expected \.csv"),
    "no suffix": ("leads", b"x", "ends in 'nothing'"),
    "a broken workbook": ("leads.xlsx", b"PK\x03\x04 broken", "is not a readable Excel workbook"),
    "a text called .xlsx": ("leads.xlsx", as_csv().encode(), "is not a readable Excel workbook"),
    "a broken Parquet file": ("leads.parquet", b"PAR1 broken PAR1", "is not a readable Parquet"),
}


@pytest.mark.parametrize("kind", BAD_PLACES)
def test_what_is_no_table_file_is_refused(tmp_path, kind):
    name, content, message = BAD_PLACES[kind]
    paths = write_export(tmp_path)
    paths[0].unlink()
    paths[0] = tmp_path / name
    if content is not None:
        paths[0].write_bytes(content)
    text = MAP.replace('  file: "leads*"\n', "")

    check_one_clear_error(tmp_path, paths, message, text)


def test_nested_parquet_columns_are_refused(tmp_path):
    path = tmp_path / "leads.parquet"
    pq.write_table(pa.table({"リードID": [["L1"]], "x": ["1"]}), path)

    check_one_clear_error(
        tmp_path, [path, *write_export(tmp_path)[1:]], "not single values: リードID"
    )


def test_no_file_or_two_files_for_one_table_are_refused(tmp_path):
    paths = write_export(tmp_path)
    twice = tmp_path / "leads2.csv"
    twice.write_text(as_csv(), "utf-8")

    check_one_clear_error(
        tmp_path, paths[1:], r"no file matches 'leads\*'; given: decisions\.csv, vis"
    )
    check_one_clear_error(
        tmp_path, [*paths, twice], r"2 files match 'leads\*' \(leads\.csv, leads2"
    )
    check_one_clear_error(tmp_path, [], "given: none")


@pytest.mark.parametrize(
    "number", ["NaN", "1e400", "-inf", "\ud800", "9" * 5_000_000], ids=range(5)
)
def test_a_number_that_is_none_is_refused_at_the_scalar_door(number):
    with pytest.raises(Unreadable, match=r"number|half a character|longer"):
        parse_number(number)


@pytest.mark.parametrize("number", ["NaN", "1e400", "∞", "x" * 200_000], ids=range(4))
def test_a_number_that_is_none_counts_as_missing_and_is_counted(tmp_path, number):
    history = read_export(write_export(tmp_path, with_cell(LEADS, 3, "従業員数", number)))

    (finding,) = [one for one in history.findings if one.code == "unreadable_number"]
    assert (finding.column, finding.rows) == ("従業員数", (3,))
    assert history.fields["employees"].iloc[0] is None


def test_a_real_cp932_file_with_machine_dependent_characters_is_read(tmp_path):
    leads = with_cell(LEADS, 2, "会社名", "㈱髙﨑①Ⅲ㌔～－")

    history = read_export(write_export(tmp_path, leads, encoding="cp932"))

    assert history.fields.set_index(history.leads["lead_id"]).loc["L1", "company"] == (
        "(株)髙﨑1IIIキロ~-"
    )


def check_one_clear_error(folder, paths, message, text=MAP):
    """One LeadQualityError, naming the place and the way out, no personal data, nothing written."""
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))

    with pytest.raises(LeadQualityError, match=f"(?s){message}") as caught:
        read_export(paths, text)

    assert sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*")) == before
    told = str(caught.value)
    assert not re.search(r"Traceback|example\.co\.jp|gmail|髙島|山田", told)
    assert re.search(
        r"Save|Export|Correct|Close|Rename|Expected|Fill|Give|Leave|Add|Check|Quote|shorten|Name|A loss|save it|Write it",
        told,
    )
    assert len(told) < 3_000
    assert isinstance(caught.value, FileUnreadable | LeadsRejected)
    if isinstance(caught.value, LeadsRejected):
        errors = [one for one in caught.value.findings if one.severity == "error"]
        assert len(errors) == 1
