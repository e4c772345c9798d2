"""What stands in for a personal value is read as the value was, and nobody is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.contacts import (
    COMPANY_FORMS,
    EMAIL_KINDS,
    PHONE_KINDS,
    company_form,
    email_kind_and_domain,
    phone_kind,
)
from features.stand_ins import LONGEST, STOOD_IN, stand_in
from features.terms import LeadField
from features.writing import Unreadable, text_length

ADDRESSES = [
    ("taro.yamada@gmail.com", "gmail.com"),
    ("Taro <taro＠Yahoo.CO.JP>", "yahoo.co.jp"),
    ("taro@i.softbank.jp", "i.softbank.jp"),
    ("taro@docomo.ne.jp", "docomo.ne.jp"),
    ("taro@yamada.ocn.ne.jp", "k3f9.mail.example"),
    ("taro@yamada-seisakusho.co.jp", "k3f9.example.co.jp"),
    ("taro@yamada.com", "k3f9.example.co.jp"),
    ("taro@cs.u-tokyo.ac.jp", "k3f9.example.ac.jp"),
    ("taro@city.osaka.lg.jp", "k3f9.example.go.jp"),
]


def test_every_type_that_holds_persons_is_stood_in_for_in_every_kind() -> None:
    phones = ("090-1234-5678", "03-1234-5678", "0120-123-456", "050-1234-5678", "+1 650 555 0100")
    companies = (
        "㈱山田製作所", "山田有限会社", "山田合同会社", "財団法人山田会", "山田市", "Yamada Inc.",
        "山田商店",
    )  # fmt: skip
    assert [phone_kind(one) for one in phones] == list(PHONE_KINDS[:4]) + ["other"]
    assert {company_form(one) for one in companies} == set(COMPANY_FORMS)
    assert {email_kind_and_domain(one)[0] for one, _ in ADDRESSES} == set(EMAIL_KINDS)

    for phone in phones:
        stood = stand_in("phone", phone, "k3f9")
        assert stood != phone
        assert phone_kind(stood) == phone_kind(phone)
    for company in companies:
        stood = stand_in("company", company, "k3f9")
        assert stood is not None
        assert "山田" not in stood
        assert "Yamada" not in stood
        assert company_form(stood) == company_form(company)


@pytest.mark.parametrize(
    ("address", "domain"),
    ADDRESSES,
    ids=[one.split("@")[-1].split("＠")[-1].strip(">") for one, _ in ADDRESSES],
)
def test_only_a_domain_that_many_share_is_kept(address: str, domain: str) -> None:
    stood = stand_in("email", address, "k3f9")

    assert stood == f"anyone@{domain}"
    assert email_kind_and_domain(stood) == (email_kind_and_domain(address)[0], domain)


def test_a_domain_that_the_model_knows_by_name_is_kept() -> None:
    known = frozenset({"yamada.com"})

    assert stand_in("email", "taro@Yamada.com", "k3f9", known) == "anyone@yamada.com"


@given(st.text(min_size=1, max_size=60))
def test_a_text_keeps_its_length_and_nothing_else(raw: str) -> None:
    try:
        length = text_length(raw)
    except Unreadable:
        length = None

    stood = stand_in("text", raw, "k3f9")

    assert stood == (None if length is None else "x" * int(length))
    assert text_length(stood) == length


@pytest.mark.parametrize("length", [1, 2, 3, LONGEST, LONGEST + 1])
def test_a_stand_in_is_no_blank_and_no_novel(length: int) -> None:
    assert text_length(stand_in("text", "字" * length, "k3f9")) == min(length, LONGEST)


@pytest.mark.parametrize("kind", sorted(STOOD_IN))
def test_a_blank_and_an_unreadable_value_have_none(kind: str) -> None:
    assert stand_in(kind, None, "k3f9") is None
    assert stand_in(kind, " ", "k3f9") is None
    assert stand_in(kind, "\ud800", "k3f9") is None


def test_other_types_have_none() -> None:
    types = set(LeadField.model_fields["type"].annotation.__args__)

    assert types > STOOD_IN
    assert {stand_in(kind, "課長", "k3f9") for kind in types - STOOD_IN} == {None}
