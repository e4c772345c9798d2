"""Interface texts: both languages complete, the right one chosen."""

from __future__ import annotations

import re
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.texts import LANGUAGES, choose_language, load_texts


def test_both_languages_have_the_same_keys_and_gaps() -> None:
    ja, en = (load_texts(language) for language in LANGUAGES)

    assert ja.names() == en.names()
    for key in ja.names():
        gaps = [
            {name for _, name, _, _ in string.Formatter().parse(texts.form(key)) if name} - {"won"}
            for texts in (ja, en)
        ]
        assert gaps[0] == gaps[1], key


def test_japanese_texts_are_japanese_and_english_texts_are_not() -> None:
    japanese = re.compile("[ぁ-んァ-ヶ一-龠]")
    ja, en = (load_texts(language) for language in LANGUAGES)

    same = {"site.language", "site.language_code", "lead.out_of"}
    assert [key for key in en.names() - same if japanese.search(en.form(key))] == []
    assert len([key for key in ja.names() if japanese.search(ja.form(key))]) > 0.85 * len(
        ja.names()
    )


def test_a_missing_text_is_a_mistake_unless_a_default_is_given() -> None:
    texts = load_texts("ja")

    with pytest.raises(KeyError, match=r"no\.such"):
        texts("no.such")
    assert texts.get("no.such", "-") == "-"


@pytest.mark.parametrize(
    ("asked", "accepted", "expected"),
    [
        ("en", "ja", "en"),
        ("fr", "en", "en"),
        (None, None, "ja"),
        (None, "ja;q=0,en;q=0.1", "en"),
        (None, "en;q=x, ja;q=0.2", "ja"),
        (None, "en;level=1", "en"),
        (None, "EN-us", "en"),
        (None, "en;q=9", "en"),
        (None, "*", "ja"),
        (None, "ja;q=0.5,en;q=0.5", "ja"),
    ],
)
def test_the_language_is_asked_then_accepted_then_the_default(
    asked: str | None, accepted: str | None, expected: str
) -> None:
    assert choose_language(asked, accepted, "ja") == expected


@given(header=st.text(max_size=80))
def test_any_header_gives_one_of_the_languages(header: str) -> None:
    chosen: Any = choose_language(None, header, "en")

    assert chosen in LANGUAGES
