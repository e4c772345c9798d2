"""Files as tables: what is written is what is read, in every encoding and dialect."""

from __future__ import annotations

import csv
import io
import warnings
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.decoding import decode
from features.errors import FileUnreadable
from features.readers import cell_text, read_table
from features.text import normalise

CELL = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufeff"), max_size=12
)
CP932_CELL = st.text(st.sampled_from("㈱①髙﨑〜ー表ソ能ｱｶﾞ,;\t\"'\n\r 日本語aZ09"), max_size=12)


@st.composite
def tables(draw, cell):
    width = draw(st.integers(1, 5))
    heading = draw(
        st.lists(
            cell.map(str.strip).filter(lambda name: normalise(name) != ""),
            min_size=width, max_size=width, unique_by=normalise,
        )
    )  # fmt: skip
    row = st.lists(cell, min_size=width, max_size=width).filter(any)
    return heading, draw(st.lists(row, min_size=1, max_size=6))


def written(heading, rows, delimiter, line_end):
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([heading, *rows])
    return buffer.getvalue()


def check_round_trip(folder, heading, rows, encoding, delimiter, line_end):
    path = folder / "table.csv"
    path.write_bytes(written(heading, rows, delimiter, line_end).encode(encoding))

    table = read_table(path)

    assert list(table.cells.columns) == heading
    assert table.cells.to_numpy().tolist() == rows
    assert table.findings == ()


@given(
    table=tables(CELL),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_table_in_utf_8_is_read_back(tmp_path_factory, table, encoding, delimiter, line_end):
    heading, rows = table
    heading = [name.replace("\t", " ") for name in heading]

    check_round_trip(tmp_path_factory.getbasetemp(), heading, rows, encoding, delimiter, line_end)


@given(
    table=tables(CP932_CELL),
    delimiter=st.sampled_from([",", ";", "\t"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_table_in_cp932_is_read_back(tmp_path_factory, table, delimiter, line_end):
    heading, rows = table
    content = written(
        ["会社名", *heading], [["㈱髙島①", *row] for row in rows], delimiter, line_end
    )
    path = tmp_path_factory.getbasetemp() / "table.csv"
    path.write_bytes(content.replace("〜", "～").encode("cp932"))

    table = read_table(path, "cp932")

    assert [normalise(name) for name in table.cells.columns[1:]] == list(map(normalise, heading))
    assert table.cells.to_numpy()[:, 1:].tolist() == [
        [cell.replace("〜", "～") for cell in row] for row in rows
    ]


def test_row_numbers_count_the_heading_and_blank_lines(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,note\n\n1,"two\nlines"\n,\n2,x\n', "utf-8")

    table = read_table(path)

    assert table.cells.index.tolist() == [3, 5]
    assert table.cells["note"].tolist() == ["two\nlines", "x"]


def test_the_delimiter_may_be_given(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a;b,c\n1;2,3\n", "utf-8")

    assert list(read_table(path, delimiter=";").cells.columns) == ["a", "b,c"]
    assert list(read_table(path, delimiter=",").cells.columns) == ["a;b", "c"]


def test_ragged_rows_are_left_out_and_counted(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3\n4,5,6\n7,8\n", "utf-8")

    table = read_table(path)

    assert table.cells.to_numpy().tolist() == [["1", "2"], ["7", "8"]]
    (finding,) = table.findings
    assert (finding.code, finding.rows, finding.n_rows) == ("ragged_row", (3, 4), 2)
    assert "the heading has 2 columns, these rows have 1, 3" in str(finding)


def test_a_blank_column_without_a_name_is_no_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,,b\n1,,2\n", "utf-8")

    table = read_table(path)

    assert list(table.cells.columns) == ["a", "b"]
    assert table.findings == ()


def test_a_nameless_column_with_values_is_reported(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,,b\n1,9,2\n", "utf-8")

    (finding,) = read_table(path).findings

    assert (finding.code, finding.severity) == ("blank_heading", "warning")
    assert "column 2 has values but no name" in finding.message


def test_two_columns_of_one_name_are_reported(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("名前ａ, 名前a\n1,2\n", "utf-8")

    found = read_table(path).findings

    assert [one.code for one in found][:1] == ["duplicate_heading"]
    assert found[0].column == "名前a"


def test_excel_parquet_and_csv_of_one_table_agree(tmp_path):
    columns = {
        "name": ["㈱山田", None, "x"],
        "n": [1, 2, None],
        "share": [0.5, 2.0, None],
        "at": [datetime(2026, 1, 5, 13, 5), None, datetime(2026, 1, 6)],
        "yes": [True, False, None],
    }
    rows = list(zip(*columns.values(), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    book = openpyxl.Workbook()
    for row in (list(columns), *map(list, rows)):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    with (tmp_path / "a.csv").open("w", encoding="cp932", newline="") as file:
        csv.writer(file).writerows([columns, *([cell_text(cell) for cell in row] for row in rows)])

    read = [read_table(tmp_path / f"a.{suffix}").cells for suffix in ("csv", "xlsx", "parquet")]

    assert read[0].to_numpy().tolist() == [
        ["㈱山田", "1", "0.5", "2026-01-05 13:05:00", "true"],
        ["", "2", "2", "", "false"],
        ["x", "", "", "2026-01-06 00:00:00", ""],
    ]
    assert read[0].equals(read[1])
    assert read[0].equals(read[2])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (float("nan"), ""), (pd.NaT, ""), (3, "3"), (3.0, "3"), (1e300, "1e+300"),
        (float("inf"), "inf"), (Decimal("1.50"), "1.5"), (Decimal("100"), "100"),
        (date(2026, 1, 5), "2026-01-05"), (time(13, 5), "13:05:00"), (b"abc", "abc"), ("x", "x"),
        (datetime(2026, 1, 5, tzinfo=UTC), "2026-01-05 00:00:00+00:00"), (2 + 1j, "(2+1j)"),
    ],
    ids=range(15),
)  # fmt: skip
def test_a_typed_cell_has_one_text(value, text):
    assert cell_text(value) == text


def test_an_excel_sheet_may_have_blank_rows_and_a_title_row_above(tmp_path):
    book = openpyxl.Workbook()
    for row in ([None], ["id", "note"], [], [1, "a", None], [2, None]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")

    cells = read_table(tmp_path / "a.xlsx").cells

    assert cells.to_numpy().tolist() == [["1", "a"], ["2", ""]]
    assert cells.index.tolist() == [4, 5]


@given(
    suffix=st.sampled_from(["xlsx", "parquet"]),
    places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=9),
)
def test_a_damaged_workbook_or_parquet_file_is_read_or_refused(tmp_path_factory, suffix, places):
    columns = {"名前": ["㈱山田", "x"], "n": ["1", "2"]}
    buffer = io.BytesIO()
    if suffix == "parquet":
        pq.write_table(pa.table(columns), buffer)
    else:
        book = openpyxl.Workbook()
        for row in ([*columns], *zip(*columns.values(), strict=True)):
            book.active.append(row)
        book.save(buffer)
    content = bytearray(buffer.getvalue())
    for place, value in places:
        content[int(place * len(content))] = value
    path = tmp_path_factory.getbasetemp() / f"damaged.{suffix}"
    path.write_bytes(bytes(content))

    with suppress(FileUnreadable), warnings.catch_warnings(action="ignore"):
        assert read_table(path).name == path.name


def test_japanese_in_half_width_kana_is_cp932_when_the_map_says_so(tmp_path):
    content = "ﾅﾏｴ,ｱﾄﾞﾚｽ\nﾔﾏﾀﾞ,ﾄｳｷｮｳ\n".encode("cp932")

    assert decode("a.csv", content, "cp932").startswith("ﾅﾏｴ")
    assert decode("a.csv", content).startswith("ﾅﾏｴ")


def test_bytes_that_are_euc_jp_are_not_read_as_half_width_kana():
    with pytest.raises(FileUnreadable, match="looks like EUC-JP"):
        decode("a.csv", "なまえ,しな\nかとう,ねし\n".encode("euc_jp"))


def test_a_closed_encoding_is_not_guessed():
    with pytest.raises(FileUnreadable, match="is not UTF-8: row 2 holds bytes"):
        decode("a.csv", "a\n日本\n".encode("cp932"), "utf-8")
    with pytest.raises(FileUnreadable, match="is not CP932: row 2"):
        decode("a.csv", b"a\n\x85\xff\n", "cp932")
