"""Values as people write them: what is read, what is blank, what is refused."""

from __future__ import annotations

import math
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.text import (
    LONGEST_TEXT,
    Unreadable,
    category_key,
    company_form,
    email_domain,
    email_domain_kind,
    is_blank,
    normalise,
    parse_boolean,
    parse_number,
    parse_time,
    phone_kind,
    text_length,
)
from features.titles import title_department, title_rank

TOKYO = ZoneInfo("Asia/Tokyo")
TO_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}


def repr_short(value):
    return repr(value).encode("ascii", "backslashreplace").decode()[:30]


ANY_TEXT = st.text(st.characters(), max_size=80)
VALUES = st.one_of(
    ANY_TEXT,
    st.none(),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.binary(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.dates(),
    st.datetimes(),
)
READERS = [
    category_key,
    parse_number,
    parse_boolean,
    email_domain,
    email_domain_kind,
    phone_kind,
    company_form,
    text_length,
    title_rank,
    title_department,
    lambda value: parse_time(value, TOKYO),
]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("１，２００名", 1200),
        ("1,200", 1200),
        ("約50", 50),
        ("50人以上", 50),
        ("300名〜", 300),
        ("~50", 50),
        ("1000+", 1000),
        ("1千万円", 1e7),
        ("3億円", 3e8),
        ("1億5,000万円", 1.5e8),
        ("1.5億", 1.5e8),
        ("5,000万円", 5e7),
        ("2千5百万", 2.5e7),
        ("千人", 1000),
        ("三百名", 300),
        ("二十五", 25),
        ("資本金：1,000万円", 1e7),
        ("12.5%", 12.5),
        ("¥5,000", 5000),
        ("$1,200", 1200),
        ("10k", 10_000),
        ("2 million", 2e6),
        ("△5", -5),
        ("-5", -5),
        ("+7", 7),
        ("1e3", 1000),
        (".5", 0.5),
        ("5.", 5),
        (" 7 ", 7),
        (12, 12),
        (np.float64(2.5), 2.5),
        (Decimal("1.25"), 1.25),
        (Fraction(1, 4), 0.25),
    ],
)
def test_a_number_is_read_as_people_write_it(written, read):
    assert parse_number(written) == pytest.approx(read, rel=1e-12)


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("100〜299名", 100, 299),
        ("100～299", 100, 299),
        ("100-299", 100, 299),
        ("100－299", 100, 299),
        ("100ー299", 100, 299),
        ("100人から299人まで", 100, 299),
        ("100 to 299 employees", 100, 299),
        ("50名以上100名未満", 50, 100),
        ("1〜3億円", 1e8, 3e8),
        ("5000~1万", 5000, 10_000),
        ("1千~3千万円", 1e3, 3e7),
        ("10名~50名", 10, 50),
    ],
)
def test_a_range_reads_as_its_geometric_middle(written, low, high):
    assert parse_number(written) == pytest.approx(math.sqrt(low * high), rel=1e-12)


def test_a_range_from_zero_reads_as_its_arithmetic_middle():
    assert parse_number("0〜10名") == 5


@pytest.mark.parametrize(
    "written",
    [
        "NaN",
        "inf",
        "-Infinity",
        "1e400",
        "9" * 101,
        "1,5",
        "1234,567",
        "1,2345",
        "1,200,00",
        "1_000",
        "٣",
        "1 2",
        "-",
        "名",
        "不明",
        "299〜100",
        "1.2.3",
        "12月頃",
        True,
        float("nan"),
        float("inf"),
        10**400,
        Decimal("1e999"),
        [1],
        {"a": 1},
        b"1",
        "\ud800",
    ],
    ids=repr_short,
)
def test_what_is_no_number_is_refused(written):
    with pytest.raises(Unreadable, match=r"number|longer|yes/no|where one|half a character|backw"):
        parse_number(written)


@pytest.mark.parametrize(
    "blank", [None, "", "  ", "\u3000", "\t\n", "\u200b", "\ufeff"], ids=repr_short
)
@pytest.mark.parametrize("reader", READERS)
def test_a_blank_is_nothing(reader, blank):
    assert reader(blank) is None


@pytest.mark.parametrize("reader", READERS)
@given(value=VALUES)
def test_a_reader_answers_or_refuses_and_never_crashes(reader, value):
    assert _outcome(reader, value) is not Ellipsis


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("character", ["a", "１", "あ", "\u200b"])
def test_five_megabytes_are_refused_before_they_are_looked_at(reader, character):
    hostile = character * 5_000_000
    began = time.process_time()
    with pytest.raises(Unreadable, match="longer than"):
        reader(hostile)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "hostile",
    [
        "1" * 99 + "x",
        "1," * 49 + "x",
        "百" * 99,
        "1" + " " * 97 + "x",
        "a@" + "a." * 400,
        "(" * 99,
        "a" * 1000,
        "部" * 1000,
        "ﷺ" * 90,
        "2026-01-05" + " " * 80,
        "~" * 99,
        "1-" * 45,
        "co " * 300,
    ],
    ids=repr_short,
)
def test_no_value_makes_a_pattern_explode(reader, hostile):
    began = time.process_time()
    assert _outcome(reader, hostile) is not Ellipsis
    assert time.process_time() - began < 0.5


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_written_by_python_is_read_back(number):
    assert parse_number(repr(number)) == number


@given(st.integers(-(10**14), 10**14))
def test_a_number_with_thousands_is_read_back(number):
    assert parse_number(f"{number:,}") == number
    assert parse_number(f"{number:,}円") == number


@given(st.one_of(st.integers(0, 10**9).map(lambda n: f"{n:,}名"), st.text(max_size=30)))
def test_full_width_reads_as_half_width(text):
    wide = text.translate(TO_FULL_WIDTH)

    assert normalise(wide) == normalise(text)
    assert _outcome(parse_number, wide) == _outcome(parse_number, text)


@given(ANY_TEXT)
def test_normalising_twice_changes_nothing_more(text):
    once = _outcome(normalise, text)

    assert once == "refused" or normalise(once) == once


@given(ANY_TEXT)
def test_a_category_key_is_its_own_key(text):
    key = _outcome(category_key, text)

    assert key in ("refused", None) or category_key(key) == key


def test_normalising_joins_the_dashes_tildes_and_widths_of_japan():
    assert normalise("〜∼～ −‐‑–—―－ ㈱ ㍿ ① Ⅲ ｶﾞ") == "~~~ ------- (株) 株式会社 1 III ガ"  # noqa: RUF100


def test_normalising_keeps_characters_that_only_look_alike():
    assert normalise("髙橋") != normalise("高橋")


def test_a_text_that_is_too_long_or_broken_is_refused():
    with pytest.raises(Unreadable, match="longer than 100000 characters"):
        normalise("a" * (LONGEST_TEXT + 1))
    with pytest.raises(Unreadable, match="lone surrogate"):
        normalise("あ\ud800")


def test_control_characters_read_as_spaces():
    assert normalise("a\x00b") == "a b"
    assert normalise("あ\x00い") == "あ い"


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("ＷＥＢ サイト", "web サイト"),
        (9, "9"),
        (9.0, "9"),
        (9.5, "9.5"),
        (True, "true"),
        (False, "false"),
        ("9.0", "9.0"),
        (12345678901234567, "12345678901234567"),
        (1e20, "1e+20"),
        ("Straße", "strasse"),
    ],
)
def test_a_category_is_compared_without_width_and_case(value, key):
    assert category_key(value) == key


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**400, ["a"], b"a", "a" * 1001])
def test_what_is_no_single_value_is_no_category(value):
    with pytest.raises(Unreadable, match=r"finite|too large|where one text|longer than"):
        category_key(value)


@pytest.mark.parametrize(
    "yes", ["はい", "有", "あり", "YES", "ｙｅｓ", "1", 1, "t", "✓", "○", True], ids=repr_short
)
def test_yes_is_read(yes):
    assert parse_boolean(yes) is True


@pytest.mark.parametrize(
    "no", ["いいえ", "無", "なし", "No", "0", 0, "f", "×", "☐", False], ids=repr_short
)
def test_no_is_read(no):
    assert parse_boolean(no) is False


@pytest.mark.parametrize("neither", ["maybe", "2", "不明", 7])
def test_what_is_neither_yes_nor_no_is_refused(neither):
    with pytest.raises(Unreadable, match="neither yes nor no"):
        parse_boolean(neither)


# --- times -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "2026年1月5日",
        "2026年０１月０５日",
        "令和8年1月5日",
        "R8.1.5",
        "r8/1/5",
        "㋿8年1月5日",
        "2026/1/5",
        "2026-01-05",
        "2026.1.5",
        "20260105",
        "2026年1月5日(月)",
        "2026/01/05 00:00",
        "2026-01-05T00:00:00+09:00",
        "2026-01-04T15:00:00Z",
        "2026-01-05 00:00 JST",
        "2026/1/4 15:00 UTC",
        "2026-01-05 午前0時",
        "202601050000",
        "20260105000000",
        str(int(datetime(2026, 1, 4, 15, tzinfo=UTC).timestamp() * 1000)),
        date(2026, 1, 5),
        datetime(2026, 1, 5),
        datetime(2026, 1, 4, 15, tzinfo=UTC),
        pd.Timestamp("2026-01-05"),
    ],
    ids=repr_short,
)
def test_a_day_is_read_however_it_is_written(written):
    moment = parse_time(written, TOKYO)

    assert moment == datetime(2026, 1, 5, tzinfo=TOKYO)
    assert moment.utcoffset() == timedelta(hours=9)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026/1/5 13:05", (13, 5, 0)),
        ("2026年1月5日 午後1時5分", (13, 5, 0)),
        ("2026年1月5日13時5分9秒", (13, 5, 9)),
        ("2026/1/5 1:05 PM", (13, 5, 0)),
        ("2026/1/5 12:05 AM", (0, 5, 0)),
        ("2026-1-5 13:05:09+0900", (13, 5, 9)),
        ("2026-1-5 13:05:09-03", (1, 5, 9)),
        ("2026/1/5T4:05:09Z", (13, 5, 9)),
    ],
)
def test_a_clock_time_is_read_in_its_zone(written, read):
    moment = parse_time(written, TOKYO)

    assert (moment.hour, moment.minute, moment.second) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("明治45年7月30日", date(1912, 7, 30)),
        ("大正元年8月1日", date(1912, 8, 1)),
        ("昭和64年1月7日", date(1989, 1, 7)),
        ("S64.1.7", date(1989, 1, 7)),
        ("平成元年1月8日", date(1989, 1, 8)),
        ("H31.4.30", date(2019, 4, 30)),
        ("令和元年5月1日", date(2019, 5, 1)),
    ],
)
def test_the_eras_of_japan_are_read(written, read):
    assert parse_time(written, TOKYO).date() == read


@given(st.dates(date(2019, 5, 1), date(2099, 12, 31)))
def test_a_reiwa_date_is_read_back(day):
    year = "元" if day.year == 2019 else str(day.year - 2018)
    written = f"令和{year}年{day.month}月{day.day}日"

    assert parse_time(written, TOKYO).date() == day
    assert parse_time(f"R{day.year - 2018}.{day.month}.{day.day}", TOKYO).date() == day


@given(st.datetimes(datetime(1901, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC)))
def test_a_moment_in_iso_8601_is_read_back(moment):
    assert parse_time(moment.isoformat(), TOKYO) == moment


@given(st.datetimes(datetime(1951, 1, 1), datetime(2199, 1, 1)))
def test_a_given_format_is_tried_first(naive):
    written = naive.strftime("%d-%m-%Y %H:%M")

    moment = parse_time(written, TOKYO, ["%d-%m-%Y %H:%M"])

    assert moment == naive.replace(second=0, microsecond=0, tzinfo=TOKYO)


def test_other_forms_are_read_beside_a_given_format():
    assert parse_time("2026/1/5", TOKYO, ["%d-%m-%Y"]) == datetime(2026, 1, 5, tzinfo=TOKYO)


@pytest.mark.parametrize(
    "written",
    [
        "2026-13-01",
        "2026/2/30",
        "令和0年1月1日",
        "平成40年1月1日",
        "0001-01-01",
        "9999-12-31",
        "14-11-2018",
        "2026/1/5 25:00",
        "2026/1/5 13:05 PM",
        "2026/1",
        "soon",
        46027,
        1.5,
        "9" * 13,
        ["2026-01-05"],
        "2026-01-05" * 11,
        "9999-12-31T23:59:59-23:59",
        datetime(1, 1, 1, tzinfo=UTC),
    ],
    ids=repr_short,
)
def test_what_is_no_time_is_refused(written):
    with pytest.raises(Unreadable, match=r"date or time|a year outside|where one text|longer than"):
        parse_time(written, TOKYO)


def test_the_missing_time_of_pandas_is_a_blank():
    assert parse_time(pd.NaT, TOKYO) is None
    assert is_blank(pd.NaT)
    assert not is_blank(datetime(2026, 1, 5))
    assert not is_blank(0)


# --- addresses, phones, companies --------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "domain", "kind"),
    [
        ("taro@gmail.com", "gmail.com", "free"),
        ("taro@yahoo.co.jp", "yahoo.co.jp", "free"),
        ("taro@docomo.ne.jp", "docomo.ne.jp", "free"),
        ("taro@k3.dion.ne.jp", "k3.dion.ne.jp", "free"),
        ("TARO＠Example.CO.JP", "example.co.jp", "company"),
        ("Taro <taro@mail.example.com>", "mail.example.com", "company"),
        ("taro@u-tokyo.ac.jp", "u-tokyo.ac.jp", "academic"),
        ("taro@mit.edu", "mit.edu", "academic"),
        ("taro@ox.ac.uk", "ox.ac.uk", "academic"),
        ("taro@soumu.go.jp", "soumu.go.jp", "government"),
        ("taro@city.tokyo.lg.jp", "city.tokyo.lg.jp", "government"),
        ("taro@nasa.gov", "nasa.gov", "government"),
        ("taro@navy.mil", "navy.mil", "government"),
        ("aXXXXXXX@gmail.com", "gmail.com", "free"),
        ("taro@会社.jp", "会社.jp", "company"),
    ],
)
def test_an_address_tells_its_domain_and_kind(address, domain, kind):
    assert email_domain(address) == domain
    assert email_domain_kind(address) == kind


@pytest.mark.parametrize("address", ["#VALUE!", "a@b", "a b@c.jp", "@c.jp", "a@@c.jp", "a@b.1"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(Unreadable, match="not an e-mail address"):
        email_domain_kind(address)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("０９０-1234-5678", "mobile"),
        ("+81-90-1234-5678", "mobile"),
        ("819012345678", "mobile"),
        ("0081 80 1234 5678", "mobile"),
        ("03-1234-5678", "fixed"),
        ("03(1234)5678 内線12", "fixed"),
        ("TEL: 06−1234−5678", "fixed"),
        ("+81 (0)3 1234 5678", "fixed"),
        ("0120-123-456", "toll_free"),
        ("0800-123-4567", "toll_free"),
        ("050-1234-5678", "ip"),
        ("0570-000-000", "other"),
        ("+1 650 555 0100", "other"),
        ("984XXXXXXX", "other"),
        ("XXXXXXX", "other"),
        ("090-****-****", "other"),
    ],
)
def test_a_phone_number_tells_its_kind(number, kind):
    assert phone_kind(number) == kind


@pytest.mark.parametrize("number", ["123", "なし", "taro@example.jp", "1" * 21])
def test_what_is_no_phone_number_is_refused(number):
    with pytest.raises(Unreadable, match="not a phone number"):
        phone_kind(number)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("㈱山田製作所", "kabushiki"),
        ("㍿山田", "kabushiki"),
        ("山田（株）", "kabushiki"),
        ("Yamada Co., Ltd.", "kabushiki"),
        ("Yamada K.K.", "kabushiki"),
        ("㈲山田商店", "yugen"),
        ("合同会社やまだ", "godo"),
        ("合資会社やまだ", "godo"),
        ("公益財団法人やまだ", "foundation"),
        ("学校法人山田学園", "foundation"),
        ("NPO法人やまだ", "foundation"),
        ("国立大学法人山田大学", "public"),
        ("山田市役所", "public"),
        ("経済産業省", "public"),
        ("東京都", "public"),
        ("Acme Inc.", "foreign"),
        ("Acme GmbH", "foreign"),
        ("山田商店", "none"),
    ],
)
def test_a_company_name_tells_its_form(name, form):
    assert company_form(name) == form


def test_a_free_text_has_a_length():
    assert text_length("  製品Ａの 見積 ") == len("製品Aの 見積")


def _outcome(reader, value):
    try:
        return reader(value)
    except Unreadable:
        return "refused"
