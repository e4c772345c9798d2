"""What a browser holds: the token of a sign-in, the token of a form, and where to go next."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

from starlette.types import Scope

from serving.guard.access import row_of

__all__ = [
    "FORM_COOKIE",
    "SESSION_COOKIE",
    "address_asked",
    "cookie_name",
    "cookies_of",
    "digest_of",
    "form_token",
    "is_same_token",
    "new_token",
    "safe_next",
    "set_cookie",
]

SESSION_COOKIE = "lead_session"
FORM_COOKIE = "lead_form"
_LONGEST_ADDRESS = 1_000


def new_token() -> str:
    """Return 32 random bytes as text."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def form_token(secret: str) -> str:
    """Return what a form must bring back to show that it is one of ours.

    It is made from a secret that only this browser's cookie holds: another site can make the
    browser send the cookie, but cannot read it.
    """
    return hmac.new(secret.encode("utf-8", "surrogateescape"), b"form", hashlib.sha256).hexdigest()


def is_same_token(told: str, expected: str) -> bool:
    """Whether two tokens are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(told.encode("utf-8", "surrogateescape"), expected.encode())


def cookie_name(plain: str, is_https: bool) -> str:
    """Return the name of a cookie; over https no other host and no other path can set it."""
    return f"__Host-{plain}" if is_https else plain


def set_cookie(plain: str, token: str, is_https: bool, seconds: int) -> str:
    """Return the header that makes a browser keep a cookie for `seconds`; 0 takes it away."""
    secure = "; Secure" if is_https else ""
    return (
        f"{cookie_name(plain, is_https)}={token}; Path=/; Max-Age={seconds}; HttpOnly; "
        f"SameSite=Lax{secure}"
    )


def cookies_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the cookies of a request; of a name that comes twice the first counts."""
    found: dict[str, str] = {}
    for name, sent in headers:
        if name == b"cookie":
            for part in sent.decode("latin-1").split(";"):
                key, is_pair, token = part.strip().partition("=")
                if is_pair:
                    found.setdefault(key, token)
    return found


def safe_next(asked: str) -> str:
    """Return `asked` if it is the address of a page here, else that of the first page.

    Examples
    --------
    >>> safe_next("/leads/L-1?lang=en"), safe_next("//elsewhere.example/"), safe_next("/v1/keys")
    ('/leads/L-1?lang=en', '/', '/')
    """
    is_plain = asked.isascii() and asked.isprintable() and "\\" not in asked
    if not is_plain or not asked.startswith("/") or len(asked) > _LONGEST_ADDRESS:
        return "/"
    try:
        parts = urlsplit(asked)
    except ValueError:
        return "/"
    row = None if parts.netloc or parts.scheme else row_of("GET", parts.path)
    return asked if row is not None and row.is_page and row.asks != "nothing" else "/"


def address_asked(scope: Scope) -> str:
    """Return path and query of a request, as a text that may stand in a link."""
    query = scope["query_string"].decode("latin-1")
    path = quote(scope["path"])
    return f"{path}?{query}" if query else path
