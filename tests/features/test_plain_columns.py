"""What is read of a whole column at once is what the ordinary readers say of each value."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import contacts
from features.column_codes import encode_columns, encode_leads
from features.encoder import LeadInput
from features.field_codes import FieldCodes
from features.inputs import WEEKDAYS, Habits, Input
from features.plain_columns import READ_PLAIN
from tests.builders import small_encoder

TOKYO = Habits(ZoneInfo("Asia/Tokyo"))


def number(name: str, *edges: float) -> Input:
    return Input(name, name, "fit", "number", edges=edges)


def category(name: str, *levels: str) -> Input:
    return Input(name, name, "fit", "category", levels=levels)


INPUTS = {
    "number": [number("n", *(k + 0.5 for k in range(-3, 200)), 1e4, 1e9)],
    "text": [number("t.length", *(k + 0.5 for k in range(200)))],
    "time": [
        category("d.weekday", *WEEKDAYS[:6]),
        number("d.hour", *(k + 0.5 for k in range(23))),
    ],
    "email": [
        category("e.domain_kind", *contacts.EMAIL_KINDS),
        category("e.domain", "yamada.co.jp", "gmail.com", "mail.tokyo.yamada.co.jp"),
    ],
    "phone": [category("p.kind", *contacts.PHONE_KINDS)],
    "company": [category("c.form", *contacts.COMPANY_FORMS)],
}

_FORM_WORDS = sorted({
    word
    for _, rule in contacts._COMPANY_RULES
    for word in re.findall(r"[^\W\d_]+", re.sub(r"\\.", "", rule.pattern))
})  # fmt: skip

PIECES: dict[str, Sequence[str]] = {
    "number": (
        *"0123456789", "名", "人", "円", "社", "件", "回", "万", ".", ",", "-", "+", "~", " ", "１", "²", "٣", "\n",
        "000", "123456789012345",
    ),
    "text": (
        "ご検討", "資料", " ", "\n", "\t", "　", "\r\n", "\u00a0", "ｶﾞ", "か", "\u3099", "\u0301", "e", "㈱", "﷽",
        "\u200b", "\x00", "\x1c", "\x85", "〜", "—", "\ud800", "ﬁ", "ß", "\u2028", "\u1100", "\u1161",
    ),
    "time": (
        "2026-01-05", "2026/01/05", "1971-12-31", "1972-01-01", "2198-12-31", "2199-01-01", "2024-02-29",
        "2023-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "T", " ", "08:30", "00:00", "23:59:59", "24:00",
        ":60", ":00", "Z", "+09:00", "-11:30", "+23:59", "+24:00", "-00:00", "+0900", "\x00", "\n", "令和8年1月5日",
        "20260105", "１", "_", "午後",
    ),
    "email": (
        "taro", "@", ".", "yamada.co.jp", "gmail.com", "mail.tokyo.yamada.co.jp", "u-tokyo.ac.jp", "co.jp",
        "x.ocn.ne.jp", "a.plala.or.jp", "plala.or.jp", "go", "mil", "-", "_", "A", "é", "<", ">", " ", "\n", "1", "..",
    ),
    "phone": (
        "0120", "0800", "090", "0570", "0990", "00531", "03", "06", "050", "040", "81", "+81", "0081", "-", "(0)", " ",
        "１", "x", "\n", "000000", "1234567", "12345678", "9",
    ),
    "company": (
        *_FORM_WORDS, "株式会社", "有限会社", "合同会社", "会社", "(株)", "㈱", "㍿", "(有)", "（有）", "(", ")", "山田",
        "フーズ", " ", "　", "co., ltd", "k.k.", "Inc", "S.A", "\n", "ſ", "K", "\u0338", "東京都", "市", "\u200b",
    ),
}  # fmt: skip


def agrees(kind: str, texts: list[str | None], habits: Habits) -> int:
    """Hold both ways against each other; return how many texts were read at once."""
    inputs = INPUTS[kind]
    ordinary = FieldCodes(kind, inputs, range(len(inputs)), habits, {}, is_personal=True)
    found = READ_PLAIN[kind](texts, habits, inputs)
    if found is None:
        return 0
    assert found.codes.shape == (len(texts), len(inputs))
    for text, codes, is_read in zip(texts, found.codes.tolist(), found.is_read, strict=True):
        assert tuple(codes) == (ordinary.of(text) if is_read else (0,) * len(inputs)), repr(text)
    return int(found.is_read.sum())


@pytest.mark.parametrize("kind", PIECES)
def test_odd_texts_read_the_same(kind: str) -> None:
    chance = random.Random(kind)
    n_read = 0
    for _ in range(200):
        texts: list[str | None] = [
            "".join(chance.choices(PIECES[kind], k=chance.randint(0, 5))) for _ in range(100)
        ]
        n_read += agrees(kind, [None, *texts, "9" * 200_000], TOKYO)
    assert n_read > 100  # the test is about something


@pytest.mark.parametrize("kind", PIECES)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_text_reads_the_same(kind: str, data: st.DataObject) -> None:
    pieces = st.lists(st.sampled_from(PIECES[kind]) | st.text(max_size=3), max_size=6)
    agrees(kind, data.draw(st.lists(pieces.map("".join), min_size=1, max_size=40)), TOKYO)


ORDINARY = {
    "number": ["120", "8名", "15000000円"],
    "text": ["資料をお送りください。", "Please call\nme back"],
    "time": ["2026-01-05", "2026/01/05 08:30", "2026-01-05T08:30:00+09:00", "2026-01-04T15:00:00Z"],
    "email": ["taro@yamada.co.jp", "info@mail.sample.example.co.jp", "a@gmail.com"],
    "phone": ["090-1234-5678", "0312345678", "0120-123-456"],
    "company": [
        "株式会社山田",
        "(株)山田",
        "有限会社山田",
        "合同会社山田",
        "山田フーズ",
        "㈱　山田",
    ],
}


@pytest.mark.parametrize("kind", PIECES)
def test_what_people_mostly_write_is_read_at_once(kind: str) -> None:
    assert agrees(kind, [*ORDINARY[kind]], TOKYO) == len(ORDINARY[kind])


@pytest.mark.parametrize("kind", PIECES)
def test_a_companys_own_blanks_stay_blanks(kind: str) -> None:
    for blank in (*ORDINARY[kind], "ー", "Select"):
        agrees(kind, [*ORDINARY[kind]], Habits(TOKYO.zone, blanks=(blank,)))


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "UTC"])
def test_times_of_other_zones_read_the_same(zone: str) -> None:
    chance = random.Random(zone)
    texts = ["".join(chance.choices(PIECES["time"], k=chance.randint(1, 4))) for _ in range(3_000)]
    agrees("time", [*texts, *ORDINARY["time"]], Habits(ZoneInfo(zone)))
    assert agrees("time", [*ORDINARY["time"]], Habits(TOKYO.zone, date_formats=("%d/%m/%Y",))) == 0


def test_every_day_of_four_years_and_every_minute_of_a_day_read_the_same() -> None:
    days = np.arange("2023-01-01", "2027-01-01", dtype="datetime64[D]").astype(str).tolist()
    minutes = [f"2026-03-01 {k // 60:02}:{k % 60:02}:00-03:30" for k in range(24 * 60)]
    assert agrees("time", [*days, *minutes], TOKYO) == len(days) + len(minutes)


def test_domains_named_by_us_have_three_labels_at_most() -> None:
    """So that of a longer domain the last three tell its kind."""
    assert all(domain.count(".") <= 2 for domain in contacts._FREE_DOMAINS)


def test_columns_and_batches_of_odd_and_plain_texts_are_encoded_as_single_leads_are() -> None:
    chance, now = random.Random(5), datetime(2026, 10, 20, 9, tzinfo=UTC)
    encoder = small_encoder()
    columns: dict[str, list[object]] = {}
    for name, field in encoder.definition.usable_fields.items():
        odd = PIECES.get(field.type, ("はい", "営業部長", "ウェビナー", "x", " "))
        plain = ORDINARY.get(field.type, ["いいえ", "unseen"])
        columns[name] = [
            chance.choice((None, *plain, "".join(chance.choices(odd, k=3)))) for _ in range(300)
        ]
    leads = [
        LeadInput({name: column[row] for name, column in columns.items()}, None, now)
        for row in range(300)
    ]

    codes, unreadable = encode_columns(encoder, columns, now)

    singly = [encoder.encode(lead) for lead in leads]
    of_behaviours = {position for _, position, _ in encoder.behaviour_inputs}
    of_fields = [k for k in range(len(encoder.inputs)) if k not in of_behaviours]
    assert codes[:, of_fields].tolist() == [[one.codes[k] for k in of_fields] for one in singly]
    for row, one in enumerate(singly):
        assert {name for name, failed in unreadable.items() if failed[row]} == {*one.unreadable}
    assert [tuple(one) for one in encode_leads(encoder, leads)] == [tuple(one) for one in singly]
