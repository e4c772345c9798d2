"""``/sign-in`` and ``/sign-out``: who is looking, told by name and password."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from serving.dependencies import LanguageDep, Service, ServiceDep, get_service, language_for
from serving.errors import StoreUnavailable
from serving.guard.access import Asks
from serving.guard.accounts import SignIn
from serving.guard.forms import parse_form
from serving.guard.sessions import (
    FORM_COOKIE,
    SESSION_COOKIE,
    cookie_name,
    cookies_of,
    digest_of,
    form_token,
    is_same_token,
    new_token,
    safe_next,
    set_cookie,
)
from serving.pages.view import render
from serving.texts import Language

__all__ = ["refused_page", "router"]

router = APIRouter()

DEVICE_COOKIE = "lead_device"
DEVICE_SECONDS = 180 * 24 * 3600
FORM_SECONDS = 3600
LONGEST_NAME = 200


@router.get("/sign-in")
def sign_in_page(
    request: Request, service: ServiceDep, language: LanguageDep, next: str = ""
) -> Response:
    """Show the form."""
    if service.settings.access == "open":
        return RedirectResponse("/", status_code=303)
    return _form(request, service, language, safe_next(next))


@router.post("/sign-in")
async def sign_in(request: Request, service: ServiceDep) -> Response:
    """Check name and password; go on to the page that was asked for."""
    form = parse_form(await request.body())
    language = language_for(service, request, form.get("lang"))
    onward = safe_next(form.get("next", ""))
    cookies = cookies_of(request.scope["headers"])
    origins, callers = service.callers.origins, service.callers
    is_https = origins.is_https

    def again(status: int, key: str, wait: int = 0) -> Response:
        return _form(request, service, language, onward, status=status, key=key, wait=wait)

    if service.settings.access == "open":
        return RedirectResponse("/", status_code=303)
    # Without this, another site could sign a person in under a name of its own.
    secret = cookies.get(cookie_name(FORM_COOKIE, is_https), "")
    is_ours = bool(secret) and is_same_token(form.get("csrf", ""), form_token(secret))
    if not is_ours or not origins.is_own_site(request.scope, must_tell=False):
        return again(403, "stale")
    name = form.get("name", "").strip()[:LONGEST_NAME]
    try:
        done = await callers.entrance.sign_in(
            name if name.isprintable() else "",  # nobody's, and not every database takes it
            form.get("password", ""),
            origins.address(request.scope),
            cookies.get(cookie_name(DEVICE_COOKIE, is_https), ""),
        )
        if done.token and (before := cookies.get(cookie_name(SESSION_COOKIE, is_https))):
            # What the browser came with is never taken over, and does not outlive this.
            await run_in_threadpool(callers.sessions.close, digest_of(before))
    except StoreUnavailable:
        return again(503, "away")
    if done.wait:
        return again(429, "wait", done.wait)
    if not done.token:
        return again(401, "wrong")
    callers.signed_in.welcome(done.token)
    return _signed_in(service, done, onward)


def _signed_in(service: Service, done: SignIn, onward: str) -> Response:
    is_https = service.callers.origins.is_https
    answer = RedirectResponse(onward, status_code=303)
    seconds = int(service.settings.session_hours * 3600)
    for cookie in (
        set_cookie(SESSION_COOKIE, done.token, is_https, seconds),
        set_cookie(DEVICE_COOKIE, done.device, is_https, DEVICE_SECONDS),
        set_cookie(FORM_COOKIE, "", is_https, 0),
    ):
        answer.headers.append("set-cookie", cookie)
    return answer


@router.post("/sign-out")
def sign_out(request: Request, service: ServiceDep) -> Response:
    """End the session, here and in the store; the guard has checked the form."""
    is_https = service.callers.origins.is_https
    cookies = cookies_of(request.scope["headers"])
    if token := cookies.get(cookie_name(SESSION_COOKIE, is_https)):
        service.callers.sessions.close(digest_of(token))
    lang = request.query_params.get("lang")
    query = f"?{urlencode({'lang': lang})}" if lang in ("ja", "en") else ""
    answer = RedirectResponse(f"/sign-in{query}", status_code=303)
    answer.headers.append("set-cookie", set_cookie(SESSION_COOKIE, "", is_https, 0))
    return answer


def _form(
    request: Request,
    service: Service,
    language: Language,
    onward: str,
    status: int = 200,
    key: str = "",
    wait: int = 0,
) -> Response:
    is_https = service.callers.origins.is_https
    secret = cookies_of(request.scope["headers"]).get(cookie_name(FORM_COOKIE, is_https), "")
    secret = secret or new_token()
    values = {"next": onward, "problem": key, "wait": wait, "csrf": form_token(secret)}
    answer = render(request, "sign_in.html", language, values, status=status)
    answer.headers.append("set-cookie", set_cookie(FORM_COOKIE, secret, is_https, FORM_SECONDS))
    if wait:
        answer.headers["retry-after"] = str(wait)
    return answer


def refused_page(request: Request, asks: Asks) -> Response:
    """Return the page that says which right is missing."""
    language = language_for(get_service(request), request, request.query_params.get("lang"))
    rights = sorted(asks) if isinstance(asks, frozenset) else []
    return render(request, "not_allowed.html", language, {"rights": rights}, status=403)
