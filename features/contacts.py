"""What an e-mail address, a phone number and a company's name tell without keeping them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from features.writing import LONGEST_CATEGORY, LONGEST_SCALAR, Unreadable, read_scalar

__all__ = [
    "COMPANY_FORMS",
    "EMAIL_KINDS",
    "PHONE_KINDS",
    "company_form",
    "domain_kind",
    "email_domain",
    "email_domain_kind",
    "email_kind_and_domain",
    "is_shared_domain",
    "phone_kind",
]

EMAIL_KINDS = ("free", "company", "academic", "government")
PHONE_KINDS = ("mobile", "fixed", "toll_free", "ip", "other")
COMPANY_FORMS = ("kabushiki", "yugen", "godo", "foundation", "public", "foreign", "none")

_EMAIL = re.compile(r"(?:[^<>]*<)?[^@\s<>]+@((?:[\w-]+\.)+[\w-]*[^\W\d_][\w-]*)>?")
_PLAIN_NAME = re.compile(r"[a-z0-9._%+-]+", re.ASCII)
_PLAIN_DOMAIN = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]+", re.ASCII)
_PLAIN_EMAIL = re.compile(f"{_PLAIN_NAME.pattern}@({_PLAIN_DOMAIN.pattern})", re.ASCII)
_MOST_DOMAINS = 4_096
_known_domains: dict[str, str] = {}
"""Kinds of plain domains that were met; never an address."""
_FREE_NAMES = frozenset({
    "gmail", "googlemail", "yahoo", "ymail", "rocketmail", "hotmail", "outlook", "live",
    "msn", "aol", "icloud", "gmx", "rediffmail", "protonmail", "proton", "mail", "yandex",
    "naver", "daum", "hanmail", "qq", "163", "126", "sina", "foxmail",
})  # fmt: skip
_FREE_DOMAINS = frozenset({
    "me.com", "mac.com", "nifty.com", "zoho.com", "tutanota.com", "fastmail.com", "au.com",
    "mail.ru", "web.de", "goo.jp", "infoseek.jp", "excite.co.jp", "i.softbank.jp",
})  # fmt: skip
_FREE_NETWORKS = frozenset({
    "docomo", "ezweb", "softbank", "vodafone", "ymobile", "biglobe", "so-net", "ocn",
    "dion",
})  # fmt: skip
"""Under ``ne.jp``, with or without a name of the customer's before them."""
_SECOND_LEVELS = frozenset({
    "co", "ne", "or", "ac", "ed", "go", "lg", "com", "net", "org", "edu", "gov", "gob",
})  # fmt: skip
_ACADEMIC, _GOVERNMENT = frozenset(("ac", "ed", "edu")), frozenset(("go", "lg", "gov", "gob"))


def email_domain(value: object) -> str | None:
    """Return the domain of an e-mail address, in lower case; None for a blank.

    >>> email_domain("Taro <taro＠Example.CO.JP>")
    'example.co.jp'
    """
    if isinstance(value, str) and len(value) <= LONGEST_CATEGORY:
        plain = _PLAIN_EMAIL.fullmatch(value)
        if plain is not None:
            return plain[1]
    text = read_scalar(value, LONGEST_CATEGORY)
    if text is None:
        return None
    found = _EMAIL.fullmatch(text)
    if found is None:
        raise Unreadable("not an e-mail address")
    return found[1].casefold()


def email_domain_kind(value: object) -> str | None:
    """Return the kind of an address's domain, one of `EMAIL_KINDS`; None for a blank.

    >>> email_domain_kind("a@u-tokyo.ac.jp"), email_domain_kind("a@yahoo.co.jp")
    ('academic', 'free')
    """
    return email_kind_and_domain(value)[0]


def email_kind_and_domain(value: object) -> tuple[str | None, str | None]:
    """Return what `email_domain_kind` and `email_domain` say, read in one go."""
    if isinstance(value, str) and len(value) <= LONGEST_CATEGORY:
        name, _, domain = value.partition("@")
        if _PLAIN_NAME.fullmatch(name) is not None:
            kind = _known_domains.get(domain)
            if kind is None and _PLAIN_DOMAIN.fullmatch(domain) is not None:
                if len(_known_domains) >= _MOST_DOMAINS:
                    _known_domains.clear()
                kind = _known_domains[domain] = domain_kind(domain)
            if kind is not None:
                return kind, domain
    read = email_domain(value)
    return (None if read is None else domain_kind(read)), read


def is_shared_domain(domain: str) -> bool:
    """Return whether a free-mail domain is the provider's own, without a customer's name in it.

    >>> is_shared_domain("yahoo.co.jp"), is_shared_domain("yamada.ocn.ne.jp")
    (True, False)
    """
    name, _, rest = domain.partition(".")
    if domain in _FREE_DOMAINS or (name in _FREE_NETWORKS and rest == "ne.jp"):
        return True
    return name in _FREE_NAMES and (rest.isalpha() or rest.split(".")[0] in _SECOND_LEVELS)


def domain_kind(domain: str) -> str:
    """Return the kind of a plain domain in lower case, one of `EMAIL_KINDS`."""
    parts = domain.split(".")
    last = parts[-1]
    is_country = len(last) == 2 and len(parts) > 2
    kind = parts[-2] if is_country else last
    if kind in _ACADEMIC:
        return "academic"
    if kind in _GOVERNMENT or last == "mil":
        return "government"
    name = parts[-3] if is_country and kind in _SECOND_LEVELS else parts[-2]
    if name in _FREE_NAMES or domain in _FREE_DOMAINS:
        return "free"
    if last != "jp":
        return "company"
    is_network = (name in _FREE_NETWORKS and parts[-2] == "ne") or (
        len(parts) > 3 and parts[-3:-1] == ["plala", "or"]
    )
    return "free" if is_network else "company"


_PHONE_NOISE = re.compile(r"[\s().・/-]|ー|(?:内線|ext\.?|#).*$|^(?:tel|電話)[:.]?")
_PHONE = re.compile(r"\+?\d{4,20}", re.ASCII)
_MASKED_PHONE = re.compile(r"\+?[\dx*●〇○]{4,20}", re.ASCII)
_OF_TEN = {"0120": "toll_free", "0570": "other", "0990": "other"}
_OF_ELEVEN = {"060": "mobile", "070": "mobile", "080": "mobile", "090": "mobile", "050": "ip"}


def phone_kind(value: object) -> str | None:
    """Return the kind of a phone number in Japan, one of `PHONE_KINDS`; None for a blank.

    Foreign numbers are ``other``, and so are masked ones (``984XXXXXXX``): they tell that there is
    a number, not which.

    >>> phone_kind("０９０-1234-5678"), phone_kind("+81 3 1234 5678"), phone_kind("0120-123-456")
    ('mobile', 'fixed', 'toll_free')
    """
    if isinstance(value, str) and len(value) <= LONGEST_SCALAR:
        digits = value.replace("-", "")
        if digits.isascii() and digits.isdigit() and 4 <= len(digits) <= 20:
            return _kind_of_number(digits)
    text = read_scalar(value, LONGEST_SCALAR)
    if text is None:
        return None
    number = _PHONE_NOISE.sub("", text.casefold().replace("(0)", ""))
    if not _PHONE.fullmatch(number):
        if _MASKED_PHONE.fullmatch(number):
            return "other"
        raise Unreadable("not a phone number")
    return _kind_of_number(number)


def _kind_of_number(number: str) -> str:
    if number.startswith(("+81", "0081")) or (number.startswith("81") and len(number) in (11, 12)):
        number = "0" + number.split("81", 1)[1].removeprefix("0")
    if len(number) == 10 and number[0] == "0" and number[1] != "0":
        return _OF_TEN.get(number[:4], "fixed")
    if len(number) == 11:
        if number.startswith(("0800", "00531")):
            return "toll_free"
        return _OF_ELEVEN.get(number[:3], "other")
    return "other"


_COMPANY_RULES = (
    ("yugen", re.compile(r"有限会社|\(有\)")),
    ("godo", re.compile(r"合同会社|合資会社|合名会社|\((?:同|合|資|名)\)")),
    (
        "kabushiki",
        re.compile(
            r"株式会社|\(株\)|(?<![a-z])k\.? ?k\.?(?![a-z])|kabushiki|(?<![a-z])co\.?,? ?ltd"
        ),
    ),
    (
        "public",
        re.compile(
            r"独立行政法人|国立大学法人|公立大学法人|地方公共団体|(?:市|区)役所|(?:町|村)役場"
            r"|(?:県|都|府|道)庁|教育委員会|\S(?:省|庁)$|^\S{1,6}(?:都|道|府|県|市|区|町|村)$"
            r"|ministry of|government|city of"
        ),
    ),
    (
        "foundation",
        re.compile(
            r"(?:財団|社団|学校|医療|宗教|社会福祉|特定非営利活動|npo|監査)法人|法人|協同組合|組合|協会|学会|連合会"
            r"|foundation|association|university"
        ),
    ),
    (
        "foreign",
        re.compile(
            r"(?<![a-z])(?:inc|llc|llp|ltd|limited|corp|corporation|plc|gmbh|ag|sas?|sarl|s\.a|b\.?v|n\.?v|pte|pty|pvt"
            r"|s\.?p\.?a|srl|ab|oy|company|co)(?![a-z])"
        ),
    ),
)
_RULES_WITHOUT_MARK = _COMPANY_RULES[2:]


def company_form(value: object) -> str | None:
    """Return the legal form that a company's name shows, one of `COMPANY_FORMS`; None for a blank.

    ``godo`` holds all membership companies, ``none`` the names that show no form. "Co., Ltd." is
    how Japanese stock companies write themselves in English and counts as ``kabushiki``.

    >>> company_form("㈱山田製作所"), company_form("Acme Inc."), company_form("山田商店")
    ('kabushiki', 'foreign', 'none')
    """
    text = read_scalar(value, LONGEST_CATEGORY)
    if text is None:
        return None
    name = text.casefold()
    rules: Iterable[tuple[str, re.Pattern[str]]] = _COMPANY_RULES
    if "会社" not in name and "(" not in name:
        rules = _RULES_WITHOUT_MARK  # what the first two look for has one of them
    elif "株式会社" in name and "(" not in name and name.count("会社") == 1:
        return "kabushiki"
    return next((form for form, rule in rules if rule.search(name)), "none")
