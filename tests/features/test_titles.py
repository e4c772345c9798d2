"""Ranks and departments on Japanese and English business cards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.text import Unreadable
from features.titles import DEPARTMENTS, RANKS, title_department, title_rank


@pytest.mark.parametrize(
    ("title", "rank"),
    [
        ("代表取締役社長", "executive"),
        ("取締役営業部長", "executive"),
        ("執行役員 CTO", "executive"),
        ("ＣＥＯ", "executive"),
        ("Chief Marketing Officer", "executive"),
        ("Founder", "executive"),
        ("President", "executive"),
        ("Managing Director", "executive"),
        ("営業部　部長", "general_manager"),
        ("担当部長", "general_manager"),
        ("経営企画室長", "general_manager"),
        ("General Manager", "general_manager"),
        ("Vice President", "general_manager"),
        ("Director of IT", "general_manager"),
        ("Head of Sales", "general_manager"),
        ("次長", "manager"),
        ("部長代理", "manager"),
        ("社長室 課長", "manager"),
        ("マネージャー", "manager"),
        ("ﾏﾈｰｼﾞｬｰ", "manager"),
        ("Marketing Manager", "manager"),
        ("グループリーダー", "manager"),
        ("課長代理", "assistant_manager"),
        ("係長", "assistant_manager"),
        ("主任", "assistant_manager"),
        ("チームリーダー", "assistant_manager"),
        ("Assistant Manager", "assistant_manager"),
        ("営業担当", "staff"),
        ("社長秘書", "staff"),
        ("Executive Assistant", "staff"),
        ("Software Engineer", "staff"),
        ("学生", "other"),
        ("アルバイト", "other"),
    ],
)
def test_a_title_tells_its_rank(title, rank):
    assert title_rank(title) == rank


@pytest.mark.parametrize(
    ("title", "department"),
    [
        ("情報システム部 部長", "it"),
        ("ＤＸ推進室", "it"),
        ("IT Manager", "it"),
        ("マーケティング部", "marketing"),
        ("PR", "marketing"),
        ("経営企画室", "planning"),
        ("カスタマーサクセス", "customer_support"),
        ("第二営業部 課長", "sales"),
        ("VP of Sales", "sales"),
        ("人事部", "hr"),
        ("経理", "finance"),
        ("CFO", "finance"),
        ("法務部", "legal"),
        ("資材部", "purchasing"),
        ("物流センター長", "logistics"),
        ("品質保証部", "production"),
        ("研究所 主任研究員", "research"),
        ("総務課", "general_affairs"),
        ("代表取締役", "management"),
        ("部長", "other"),
        ("Credit", "other"),
    ],
)
def test_a_title_tells_its_department(title, department):
    assert title_department(title) == department


@pytest.mark.parametrize("reader", [title_rank, title_department])
@pytest.mark.parametrize("value", [7, ["部長"], "部" * 1001], ids=["number", "list", "long"])
def test_what_is_no_title_is_refused(reader, value):
    with pytest.raises(Unreadable, match=r"job title was expected|longer than"):
        reader(value)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_every_readable_title_has_a_known_code(title):
    assert title_rank(title) in (*RANKS, None)
    assert title_department(title) in (*DEPARTMENTS, None)
