"""The lean ways of reading say what the general rules say, on ordinary and on odd texts."""

from __future__ import annotations

import random
import re
import sys
from zoneinfo import ZoneInfo

import pytest

from features import contacts, writing
from features.inputs import Habits, reader_of
from features.writing import Unreadable

_WRITTEN = re.compile(
    r"(?P<toll_free>0120\d{6}|0800\d{7}|00531\d{6})|(?P<mobile>0[6-9]0\d{8})|(?P<ip>050\d{8})"
    r"|(?P<other>0570\d{6}|0990\d{6})|(?P<fixed>0[1-9]\d{8})"
)
"""The numbering plan of Japan."""


def test_every_odd_character_counts_as_not_printable() -> None:
    odd = [chr(at) for at in range(sys.maxunicode + 1) if writing._ODD.match(chr(at))]
    assert len(odd) > 2_000
    assert not any(character.isprintable() for character in odd)


@pytest.mark.parametrize("seed", range(3))
def test_a_phone_number_is_of_the_kind_that_the_numbering_plan_says(seed: int) -> None:
    chance = random.Random(seed)
    heads = ("", "0", "090", "0120", "0800", "050", "0570", "0990", "00531", "03", "060", "0901")
    for _ in range(5_000):
        number = chance.choice(heads) + "".join(chance.choices("0123456789", k=11))
        number = number[: chance.choice((9, 10, 11, 12))]
        if number.startswith("81"):
            continue
        found = _WRITTEN.fullmatch(number)
        assert contacts.phone_kind(number) == (found.lastgroup if found else "other"), number


def test_a_company_has_the_form_that_the_first_fitting_rule_names() -> None:
    chance = random.Random(7)
    pieces = (
        "株式会社", "有限会社", "合同会社", "(株)", "㈱", "(有)", "(資)", "会社", "組合", "市役所", "(", "山田",
        "co., ltd", "k.k.", "Inc", "学校法人", " ", "東京都", "㍿", "株式", "　", "government",
    )  # fmt: skip
    for _ in range(10_000):
        written = "".join(chance.choices(pieces, k=chance.randint(1, 6)))
        name = writing.normalise(written).casefold()
        rules = contacts._COMPANY_RULES
        expected = next((form for form, rule in rules if rule.search(name)), "none")
        assert contacts.company_form(written) == (expected if name else None), written


def test_an_address_reads_the_same_when_its_domain_was_met_before() -> None:
    chance = random.Random(11)
    pieces = (
        "taro",
        "@",
        "gmail",
        ".",
        "com",
        "co",
        "jp",
        "A",
        "＠",
        "-",
        "<",
        ">",
        " ",
        "ac",
        "é",
    )
    for _ in range(20_000):
        written = "".join(chance.choices(pieces, k=chance.randint(1, 8)))
        assert _email(written, is_fresh=True) == _email(written, is_fresh=False), written
    assert all("@" not in domain for domain in contacts._known_domains)


def _email(written: str, *, is_fresh: bool) -> object:
    if is_fresh:
        contacts._known_domains.clear()
    try:
        return contacts.email_kind_and_domain(written)
    except Unreadable:
        return "unreadable"


def test_no_more_domains_are_remembered_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contacts, "_MOST_DOMAINS", 3)
    for number in range(50):
        assert contacts.email_kind_and_domain(f"a@d{number}.co.jp")[0] == "company"
        assert len(contacts._known_domains) <= 3


def test_weekday_and_hour_are_the_same_at_once_and_by_way_of_the_zone() -> None:
    chance = random.Random(13)
    quick, slow = Habits(ZoneInfo("Asia/Tokyo")), Habits(ZoneInfo("Asia/Tokyo"))
    assert quick.steady is not None
    slow.__dict__["steady"] = None
    read = reader_of("time")
    years = (1899, 1950, 1969, 1970, 1971, 1972, 2024, 2026, 2198, 2199, 2200)
    clocks = ("", "T00:00", "T08:30", " 23:59:59", "T24:00", " 7:05", "T15:00:00.000001")
    offsets = ("", "", "Z", "+09:00", "-11:30", "+14:00", "+09", "+23:59")
    for _ in range(20_000):
        between = chance.choice("-/")
        day = f"{chance.randint(0, 13):02}{between}{chance.choice((1, 2, 15, 28, 31)):02}"
        written = f"{chance.choice(years)}{between}{day}"
        written += chance.choice(clocks) + chance.choice(offsets)
        answers: list[object] = []
        for habits in (quick, slow):
            try:
                answers.append(read(written, habits))
            except Unreadable:
                answers.append("unreadable")
        assert answers[0] == answers[1], written
