"""A value in place of a personal one: it tells a model the same, and nobody can be found in it.

What was recorded of a lead is learnt from later. Of an address only its kind and a domain that many
share count, of a message only its length. So much is kept, written as a value of the same type:
whoever reads leads need not know of it.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from features.contacts import (
    company_form,
    email_kind_and_domain,
    is_shared_domain,
    phone_kind,
)
from features.writing import Unreadable, text_length

__all__ = ["LONGEST", "STOOD_IN", "stand_in"]

STOOD_IN: Final = frozenset({"company", "email", "phone", "text"})
"""Types of fields whose values can be stood in for; of the others the value itself is learnt."""

LONGEST: Final = 2_000
"""Characters of the longest stand-in; a longer message is kept as one of so many."""

# Names that are reserved for examples, but for the free one, which `mail` makes free.
_HOSTS: Final = {
    "free": "mail.example",
    "company": "example.co.jp",
    "academic": "example.ac.jp",
    "government": "example.go.jp",
}
_PHONES: Final = {
    "mobile": "090-0000-0000",
    "fixed": "03-0000-0000",
    "toll_free": "0120-000-000",
    "ip": "050-0000-0000",
    "other": "0570-000-000",
}
_COMPANIES: Final = {
    "kabushiki": "株式会社",
    "yugen": "有限会社",
    "godo": "合同会社",
    "foundation": "財団法人",
    "public": "市役所",
    "foreign": "Inc.",
    "none": "商店",
}


def stand_in(kind: str, raw: object, token: str, domains: Container[str] = ()) -> str | None:
    """Return what stands in for a value; None for a blank, an unreadable one or another type.

    It is read as the value itself is. Only a domain that is neither a free-mail provider's nor
    among `domains` becomes another one: as rare as before, and of the same kind.

    Parameters
    ----------
    kind : str
        Type of the field, such as ``email``.
    raw : object
        Its value.
    token : str
        Letters and digits in place of a domain that few share; one for each lead, so that no such
        domain becomes a common one.
    domains : container of str
        Domains that a model knows by name.

    Examples
    --------
    >>> stand_in("email", "taro@yamada.co.jp", "k3f9"), stand_in("email", "taro@gmail.com", "k3f9")
    ('anyone@k3f9.example.co.jp', 'anyone@gmail.com')
    >>> stand_in("phone", "080-1234-5678", "k3f9"), stand_in("text", "至急お願いします", "k3f9")
    ('090-0000-0000', 'xxxxxxxx')
    """
    if kind not in STOOD_IN:
        return None
    try:
        if kind == "email":
            return _address(raw, token, domains)
        if kind == "phone":
            found = phone_kind(raw)
            return None if found is None else _PHONES[found]
        if kind == "company":
            found = company_form(raw)
            return None if found is None else _COMPANIES[found]
        length = text_length(raw)
        return None if length is None else "x" * min(int(length), LONGEST)
    except Unreadable:
        return None


def _address(raw: object, token: str, domains: Container[str]) -> str | None:
    kind, domain = email_kind_and_domain(raw)
    if kind is None or domain is None:
        return None
    if domain in domains or (kind == "free" and is_shared_domain(domain)):
        return f"anyone@{domain}"
    return f"anyone@{token}.{_HOSTS[kind]}"
