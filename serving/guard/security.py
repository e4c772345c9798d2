"""The guard: finds out who calls, and lets nobody do what the reviewed table does not allow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from features.errors import LeadQualityError
from serving.errors import RequestRefused, StoreUnavailable, problem
from serving.guard.access import Row, methods_of, row_of
from serving.guard.callers import LOCAL, Caller, Right
from serving.guard.forms import FORM_TYPE, read_form
from serving.guard.keys import HeldKey
from serving.guard.origins import Origins
from serving.guard.rates import Rates
from serving.guard.sessions import (
    SESSION_COOKIE,
    address_asked,
    cookie_name,
    cookies_of,
    form_token,
    is_same_token,
    set_cookie,
)
from serving.pages.nowhere import nowhere_page, wants_page
from serving.pages.sign_in import refused_page
from serving.process.limits import MIB, drain
from serving.settings import ServeSettings

if TYPE_CHECKING:
    from serving.dependencies import Service

__all__ = ["CSRF_FIELD", "CSRF_HEADER", "Guard"]

CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CHALLENGE: Final = 'Bearer realm="lead-quality"'
_NO_HEADER: Final = b""
_READER: Final[frozenset[Right]] = frozenset({"read"})
_OF_BROWSERS: Final = frozenset({b"origin", b"sec-fetch-site"})
_BODY_HEADERS: Final = frozenset({b"content-length", b"transfer-encoding"})


class Refusal(LeadQualityError):
    """A request that goes no further."""

    def __init__(self, status: int, code: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = {name.replace("_", "-"): told for name, told in headers.items()}
        self.is_body_read = False
        self.leads_to_sign_in = status == 401


class Known(NamedTuple):
    """Who calls, the name under which requests are counted, and what a form has to answer to."""

    caller: Caller
    counted_as: str
    form_secret: str | None = None


class Guard:
    """Refuses what `serving.guard.access` does not allow; sets ``scope["caller"]`` on the rest.

    Parameters
    ----------
    settings : ServeSettings
        Who may call at all (`access`), and the rate.
    origins : Origins
        Proxies, sites and names; made before the app starts, so that a wrong setting stops it.

    Notes
    -----
    A scoring request costs one dictionary look-up, one pass over its headers and one SHA-256.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, origins: Origins) -> None:
        self.app = app
        self._is_open = settings.access == "open"
        self._origins = origins
        self._rates = Rates(settings.rate_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":  # there is none
                await send({"type": "websocket.close", "code": 1008})
                return
            await self.app(scope, receive, send)
            return
        row = row_of(scope["method"], scope["path"])
        if row is not None:
            scope["route"] = row  # for the log, when no route gets to see the request
        if "caller" in scope:  # `lets_in_at_once` did so, and what followed could not
            await self.app(scope, receive, send)
            return
        try:
            host, shown = _read_headers(scope["headers"])
            if not self._origins.is_own_host(host):
                raise Refusal(421, "wrong_host", "The service has another name (LEAD_PUBLIC_URL).")
            if self._is_open:
                scope["caller"] = LOCAL
            if row is None:
                raise _nowhere(scope)
            if self._is_open:
                if scope["method"] not in _READS and not self._origins.is_own_site(scope, False):
                    raise _foreign()
            elif row.asks != "nothing":
                receive = await self._let_in(scope, receive, row, shown)
        except (Refusal, RequestRefused, StoreUnavailable) as error:
            await self._refuse(scope, receive, send, row, error)
            return
        await self.app(scope, receive, send)

    def lets_in_at_once(
        self, scope: Scope, service: Service, row: Row, headers: Mapping[bytes, bytes]
    ) -> bool:
        """Let in a program whose key is known, or anybody where the service is open.

        False says no more than that the request needs the whole check; nothing was counted.

        Parameters
        ----------
        headers : mapping of bytes to bytes
            All of the request's, none of which it has twice.
        """
        if not _OF_BROWSERS.isdisjoint(headers) or not self._origins.is_own_host(
            headers.get(b"host", _NO_HEADER)
        ):
            return False
        if self._is_open:
            scope["caller"] = LOCAL
            return True
        held = service.callers.ring.find(_read_headers(headers.items())[1])
        if held is None or not row.lets_in(held.caller):
            return False
        now = service.clock()
        if _has_expired(held, now) or self._rates.wait(held.key_id):
            return False
        service.callers.ring.note_use(held.key_id, now)
        scope["caller"] = held.caller
        return True

    async def _let_in(self, scope: Scope, receive: Receive, row: Row, shown: bytes) -> Receive:
        service: Service = scope["app"].state.service
        known = self._key(scope, service, shown) if shown else await self._person(scope, service)
        if known is None:
            raise Refusal(
                401,
                "unauthorized",
                "Show a key: Authorization: Bearer lq_… (or X-API-Key: lq_…). "
                "`lead-serve key add` makes one.",
            )
        caller = scope["caller"] = known.caller
        if not row.lets_in(caller):
            scope["form_secret"] = known.form_secret  # the page that says so lets them sign out
            raise _lacks(row, caller)
        if wait := self._rates.wait(known.counted_as):
            raise Refusal(
                429,
                "too_many",
                "More requests a minute than LEAD_RATE_PER_MINUTE allows. Send leads in batches.",
                Retry_After=str(wait),
            )
        if caller.kind == "person":
            scope["form_secret"] = known.form_secret
            if scope["method"] not in _READS:
                return await self._check_form(scope, receive, row, known.form_secret)
        return receive

    def _key(self, scope: Scope, service: Service, shown: bytes) -> Known:
        ring = service.callers.ring
        if not ring.is_read:
            raise StoreUnavailable("The keys could not be read yet: the database is away.")
        held = ring.find(shown)
        if held is None:
            if wait := service.callers.failures.wait(self._origins.address(scope)):
                raise _slowed("wrong keys", wait)
            raise Refusal(401, "unauthorized", "This key is not known, or was revoked.")
        now = service.clock()
        if _has_expired(held, now):
            raise Refusal(401, "unauthorized", "This key has expired. Make a new one.")
        ring.note_use(held.key_id, now)
        return Known(held.caller, held.key_id)

    async def _person(self, scope: Scope, service: Service) -> Known | None:
        name = self._origins.person(scope)
        if name:
            account = await asyncio.to_thread(service.callers.accounts.find, name)
            if account is not None and account.disabled_at is not None:
                raise Refusal(403, "forbidden", "This account is disabled.")
            scopes = _READER if account is None else account.scopes
            return Known(Caller(name, "person", scopes), f"person {name}")
        token = self._session_token(scope)
        if not token:
            return None
        address = self._origins.address(scope)
        account, wait = await service.callers.signed_in.find(token, address, service.clock())
        if wait:
            slowed = _slowed("sign-ins that are not known", wait)
            slowed.leads_to_sign_in = True
            raise slowed
        if account is None:
            return None
        caller = Caller(account.name, "person", account.scopes)
        return Known(caller, f"person {account.name}", token)

    def _session_token(self, scope: Scope) -> str:
        is_https = self._origins.is_https
        return cookies_of(scope["headers"]).get(cookie_name(SESSION_COOKIE, is_https), "")

    async def _check_form(
        self, scope: Scope, receive: Receive, row: Row, secret: str | None
    ) -> Receive:
        if not self._origins.is_own_site(scope, must_tell=True):
            raise _foreign()
        if secret is None:  # a proxy vouches for the person; the browser's word on the site decides
            return receive
        headers = dict(scope["headers"])
        told = headers.get(CSRF_HEADER.encode(), _NO_HEADER).decode("latin-1")
        is_form = headers.get(b"content-type", b"").startswith(FORM_TYPE)
        if is_body_read := not told and row.is_page and is_form:
            form, receive = await read_form(receive)
            told = form.get(CSRF_FIELD, "")
        if not is_same_token(told, form_token(secret)):
            stale = Refusal(
                403, "forbidden", "The form is out of date. Open the page again, then send it."
            )
            stale.is_body_read = is_body_read
            raise stale
        return receive

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, row: Row | None, error: LeadQualityError
    ) -> None:
        answer = self._answer(scope, row, error)
        # A client that is still sending would see a broken connection instead of the answer.
        sends = {name for name, _ in scope["headers"]}
        is_body_read = isinstance(error, Refusal) and error.is_body_read
        if not is_body_read and b"expect" not in sends and sends & _BODY_HEADERS:
            await drain(receive, MIB)
        await answer(scope, receive, send)

    def _answer(self, scope: Scope, row: Row | None, error: LeadQualityError) -> Response:
        request = Request(scope)
        if isinstance(error, RequestRefused):
            return problem(request, 401, "unauthorized", str(error))
        if isinstance(error, StoreUnavailable):
            return problem(request, 503, "store_unavailable", str(error))
        assert isinstance(error, Refusal)
        page = row if row is not None and row.is_page and scope["method"] == "GET" else None
        shows_key = bool(_read_headers(scope["headers"])[1])
        if error.leads_to_sign_in and page is not None and not shows_key:
            onward = RedirectResponse(_sign_in_address(request), status_code=303)
            # It has ended, so the browser need not show it again; one not looked at may be good.
            if error.status == 401 and self._session_token(scope):
                gone = set_cookie(SESSION_COOKIE, "", self._origins.is_https, 0)
                onward.headers.append("set-cookie", gone)
            return onward
        if error.status == 403 and page is not None:
            return refused_page(request, page.asks)
        if error.status == 404 and scope["method"] == "GET" and wants_page(scope["headers"]):
            return nowhere_page(request)
        answer = problem(request, error.status, error.code, str(error))
        if error.status == 401:
            answer.headers["WWW-Authenticate"] = _CHALLENGE
        answer.headers.update(error.headers)
        return answer


def _has_expired(held: HeldKey, now: datetime) -> bool:
    return held.expires_at is not None and now >= held.expires_at


def _read_headers(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Return the host, and the key if one is shown."""
    host = bearer = key = _NO_HEADER
    for name, sent in headers:
        if name == b"authorization":
            if sent[:7].lower() == b"bearer ":
                bearer = sent[7:].strip()
        elif name == b"x-api-key":
            key = sent.strip()
        elif name == b"host":
            host = sent
    return host, bearer or key


def _sign_in_address(request: Request) -> str:
    asked, lang = address_asked(request.scope), request.query_params.get("lang")
    query = ({"next": asked} if asked != "/" else {}) | (
        {"lang": lang} if lang in ("ja", "en") else {}
    )
    return f"/sign-in?{urlencode(query)}" if query else "/sign-in"


def _nowhere(scope: Scope) -> Refusal:
    methods = methods_of(scope["path"])
    if methods:
        return Refusal(
            405,
            "method_not_allowed",
            f"This address answers {' and '.join(sorted(methods))}. docs/guide/api.md says more.",
            Allow=", ".join(sorted(methods)),
        )
    return Refusal(
        404, "not_found", "There is nothing at this address. docs/guide/api.md lists the addresses."
    )


def _lacks(row: Row, caller: Caller) -> Refusal:
    asked = " or ".join(sorted(row.asks)) if isinstance(row.asks, frozenset) else ""
    has = ", ".join(sorted(caller.scopes)) or "none"
    return Refusal(
        403, "forbidden", f"This needs the right {asked}; the {caller.kind} that calls has: {has}."
    )


def _slowed(what: str, wait: int) -> Refusal:
    return Refusal(429, "too_many", f"Too many {what} from here.", Retry_After=str(wait))


def _foreign() -> Refusal:
    return Refusal(
        403, "forbidden", "The request was made by a page elsewhere. Open the page here."
    )
