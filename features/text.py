"""Japanese and English habits of writing, read once and the same way in training and serving.

Every reader takes one raw value. A blank gives None; a value that is there but cannot be read
raises `Unreadable`, so that the caller can say so instead of guessing. Work is bounded: a value
longer than its kind can be is refused before it is looked at.

This module is the door; the readers live in `writing` (text), `quantities` (numbers), `moments`
(times) and `contacts` (addresses, phones, companies).
"""

from __future__ import annotations

from features.contacts import (
    COMPANY_FORMS,
    EMAIL_KINDS,
    PHONE_KINDS,
    company_form,
    email_domain,
    email_domain_kind,
    email_kind_and_domain,
    phone_kind,
)
from features.moments import parse_time
from features.quantities import parse_number
from features.writing import (
    LONGEST_CATEGORY,
    LONGEST_SCALAR,
    LONGEST_TEXT,
    Unreadable,
    category_key,
    id_key,
    is_blank,
    normalise,
    parse_boolean,
    text_length,
)

__all__ = [
    "COMPANY_FORMS",
    "EMAIL_KINDS",
    "LONGEST_CATEGORY",
    "LONGEST_SCALAR",
    "LONGEST_TEXT",
    "PHONE_KINDS",
    "Unreadable",
    "category_key",
    "company_form",
    "email_domain",
    "email_domain_kind",
    "email_kind_and_domain",
    "id_key",
    "is_blank",
    "normalise",
    "parse_boolean",
    "parse_number",
    "parse_time",
    "phone_kind",
    "text_length",
]
