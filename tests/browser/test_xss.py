"""Hostile texts in every field of a lead, on every page of a real browser: shown, never run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.settings import ServeSettings
from tests.browser.conftest import Serving
from tests.builders import small_scorer
from tests.serving.callers import PASSWORD, new_account
from tests.serving.conftest import NOW, approved

# The driver closes its sockets when the interpreter collects them.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

OUT = "http://owned.invalid/x"
PAYLOADS = (
    "<script>alert(1)</script>",
    "<ScRiPt src=http://owned.invalid/x></sCrIpT>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    f"<img src={OUT}>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mi xlink:href=javascript:alert(1)>x</mi></math>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    f"<iframe src={OUT}></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    f"<object data={OUT}></object>",
    f"<embed src={OUT}>",
    f"<link rel=stylesheet href={OUT}>",
    f"<meta http-equiv=refresh content='0;url={OUT}'>",
    f"<base href={OUT}>",
    f"<form action={OUT}><input name=a autofocus onfocus=alert(1)></form>",
    "<details open ontoggle=alert(1)>x</details>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    f"<style>@import '{OUT}';</style>",
    f"<style>body{{background:url({OUT})}}</style>",
    "<div style=\"background:url('http://owned.invalid/x')\">x</div>",
    '" onmouseover=alert(1) x="',
    "' onfocus=alert(1) autofocus x='",
    '"><script>alert(1)</script>',
    "'-alert(1)-'",
    "javascript:alert(1)",
    "<a href=javascript:alert(1) id=owned>x</a>",
    "{{ 7 * 7 }}{% raw %}",
    "${7*7}#{7*7}<%= 7*7 %>",
    '<!--<img src="--><img src=x onerror=alert(1)//">',
    '<title><img title="</title><img src=x onerror=alert(1)>">',
    "\u202e<script>alert(1)</script>\u2066",
    "＜script＞alert(1)＜/script＞",
    "&lt;script&gt;alert(1)&lt;/script&gt;&#x3c;img src=x onerror=alert(1)&#x3e;",
    "<x id=owned>" + "あ" * 10_000,
)


def lead_of(n: int) -> dict[str, Any]:
    """Return a lead with a payload in each field, in its id where it fits, and in an event."""
    payload = PAYLOADS[n]
    fields = ("source", "industry", "prefecture", "job_title", "message", "campaign", "employees")
    lead_id = payload if len(payload) <= 200 else f"L-{n}"
    return {
        "lead_id": lead_id,
        "fields": dict.fromkeys(fields, payload) | {"source": "webinar" if n % 2 else payload},
        "events": [{"kind": payload[:64], "at": "2026-11-19T10:00:00+09:00"}],
    }


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, serving: Serving) -> Iterator[str]:
    settings = ServeSettings(home=tmp_path_factory.mktemp("hostile"))
    approved(settings, small_scorer())
    new_account(settings, "<img src=x onerror=alert(1)>")
    is_open = settings.model_copy(update={"access": "open"})
    with TestClient(create_app(is_open, clock=lambda: NOW)) as client:
        for n in range(len(PAYLOADS)):
            lead = lead_of(n)
            assert client.post("/v1/score", json=lead).status_code == 200
            said = {
                "lead_id": lead["lead_id"],
                "at": "2026-11-19T10:00:00+09:00",
                "kind": "touched",
                "actor": PAYLOADS[n][:200],
                "source": PAYLOADS[n][:200],
            }
            assert client.post("/v1/events", json=said).status_code == 200
    with serving(settings) as told:
        yield told


class Watched:
    """A page that notes every dialog, complaint, and request that leaves the service."""

    def __init__(self, browser: Any, address: str) -> None:
        self.address = address
        self.context = browser.new_context(locale="en-GB")
        self.page = self.context.new_page()
        self.dialogs: list[str] = []
        self.complaints: list[str] = []
        self.outside: list[str] = []
        self.page.on("dialog", self._dialog)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self.address + "/"):
            self.outside.append(request.url)

    def sign_in(self, name: str) -> None:
        self.page.goto(f"{self.address}/")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()


@pytest.fixture(scope="module")
def watched(browser: Any, address: str) -> Iterator[Watched]:
    page = Watched(browser, address)
    page.sign_in("<img src=x onerror=alert(1)>")
    yield page
    page.context.close()


FOREIGN = """() => {
  const own = new Set(["HTML", "HEAD", "META", "TITLE", "LINK", "BODY"]);
  return [...document.querySelectorAll(
    "script, iframe, object, embed, base, style, marquee, video, audio, details[ontoggle], #owned, math"
  )].map((one) => one.outerHTML.slice(0, 100)).concat(
    [...document.querySelectorAll("*")].filter((one) =>
      [...one.attributes].some((told) => told.name.startsWith("on") || /^javascript:/i.test(told.value)
        && ["href", "src", "action"].includes(told.name))
    ).map((one) => one.outerHTML.slice(0, 100)))
}"""


@pytest.mark.parametrize("n", range(len(PAYLOADS)))
def test_a_hostile_lead_is_shown_and_never_run(watched: Watched, n: int) -> None:
    lead_id = lead_of(n)["lead_id"]
    page = watched.page

    answer = page.goto(f"{watched.address}/leads/{quote(lead_id, safe='')}", wait_until="load")

    assert answer.status == 200
    assert page.evaluate(FOREIGN) == []
    assert PAYLOADS[n][:100] in page.locator("main").text_content()
    assert (watched.dialogs, watched.outside, watched.complaints) == ([], [], [])


@pytest.mark.parametrize("n", range(0, len(PAYLOADS), 4))
def test_hostile_addresses_and_answers_run_nothing(watched: Watched, n: int) -> None:
    payload = quote(PAYLOADS[n][:150], safe="")
    page = watched.page
    watched.complaints.clear()
    for path in (
        "/",
        "/model",
        f"/leads/{payload}x",
        f"/leads?lead_id={payload}y",
        f"/model?lang={payload}",
        f"/sign-in?next={payload}&lang={payload}",
        f"/sign-in?next=/leads/{payload}",
    ):
        page.goto(watched.address + path, wait_until="load")
        assert page.evaluate(FOREIGN) == []
    unknown = [one for one in watched.complaints if "404" not in one and "422" not in one]
    assert (watched.dialogs, watched.outside, unknown) == ([], [], [])


def test_a_person_signs_in_sees_their_name_and_signs_out(browser: Any, address: str) -> None:
    seen = Watched(browser, address)
    name = "<img src=x onerror=alert(1)>"
    seen.page.goto(f"{address}/model")
    assert "/sign-in?next=%2Fmodel" in seen.page.url
    seen.page.get_by_label("Name").fill(name)
    seen.page.get_by_label("Password").fill("wrong horse battery")
    seen.page.get_by_role("button", name="Sign in").click()
    assert seen.page.get_by_role("alert").inner_text().startswith("The name or the password")
    seen.page.get_by_label("Name").fill(name)
    seen.page.get_by_label("Password").fill(PASSWORD)
    seen.page.get_by_role("button", name="Sign in").click()
    assert seen.page.url == f"{address}/model"
    assert seen.page.locator("form.person").inner_text().startswith(name)
    seen.page.get_by_role("button", name="Sign out").click()
    assert seen.page.url.startswith(f"{address}/sign-in")
    seen.page.goto(f"{address}/model")
    assert "/sign-in" in seen.page.url
    assert (seen.dialogs, seen.outside) == ([], [])
    seen.context.close()
