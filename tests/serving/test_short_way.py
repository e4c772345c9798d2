"""Plain scores answered while they are read: the same answers and the same rules as by the layers."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import orjson
import pytest

from features.scorer import LeadScorer
from serving.app import create_app
from serving.errors import StoreUnavailable
from serving.guard.entry import FAILURES_PER_MINUTE
from serving.process.server import make_server
from serving.routes import score as score_route
from serving.scoring.short_way import ShortWay
from serving.settings import ServeSettings
from tests.serving.callers import new_key
from tests.serving.conftest import NOW, approved
from tests.serving.test_score import KNOWN, body_of

QUIET: dict[str, Any] = {"lead_id": "L-1", "fields": KNOWN, "record": False}


class Memory(asyncio.Transport):
    """A connection whose answers are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.n_writes = 0
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.sent += bytes(data)
        self.n_writes += 1

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        known = {"peername": ("127.0.0.1", 5), "sockname": ("127.0.0.1", 8000)}
        return known.get(name, default)

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def can_write_eof(self) -> bool:
        return False


class Service:
    """A running service whose connections are in memory."""

    def __init__(self, settings: ServeSettings) -> None:
        self.app = create_app(settings, clock=lambda: NOW)
        self.server = make_server(settings, self.app)
        self.server.config.load()
        self.wire = self.app.state.wire
        self.short: ShortWay = self.wire.short_way
        self.taken: list[str] = []
        self.wire.short_way = self

    path = ShortWay.path

    def __call__(self, scope: Any, body: bytes) -> Any:
        answer = self.short(scope, body)
        kind = "recorded" if callable(answer) else "usual" if answer is None else "short"
        self.taken.append(kind)
        return answer

    def connect(self) -> tuple[Any, Memory]:
        state = self.server.server_state
        state.default_headers = [(b"date", b"today")]
        protocol: Any = self.server.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.server.config, server_state=state, app_state={}
        )
        transport = Memory()
        protocol.connection_made(transport)
        return protocol, transport

    async def ask(self, *pieces: bytes, n_answers: int = 1) -> bytes:
        """Send pieces over a connection of their own, and return all that is answered."""
        protocol, transport = self.connect()
        for piece in pieces:
            protocol.data_received(piece)
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while transport.sent.count(b"HTTP/1.1 ") < n_answers or not _is_whole(transport.sent):
                await asyncio.sleep(0.001)
        protocol.connection_lost(None)
        return transport.sent

    async def both(self, request: bytes) -> list[bytes]:
        """Return what is answered by the short way and by the layers alone."""
        one = await self.ask(request)
        self.wire.short_way = None
        other = await self.ask(request)
        self.wire.short_way = self
        return [one, other]


def _is_whole(sent: bytes) -> bool:
    head, _, rest = sent.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head)
    return found is not None and len(rest) == int(found[1])


def request_of(body: Any, path: str = "/v1/score", method: str = "POST", **headers: str) -> bytes:
    written = body if isinstance(body, bytes) else orjson.dumps(body)
    told = {
        "host": "localhost",
        "content-type": "application/json",
        "content-length": str(len(written)),
        "x-request-id": "r-1",
    } | {name.replace("_", "-"): told for name, told in headers.items()}
    lines = [f"{name}: {value}" for name, value in told.items() if value]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + written


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.fixture
def settings(tmp_path: Path) -> ServeSettings:
    return ServeSettings(access="open", home=tmp_path / "home")


@pytest.fixture
def run(settings: ServeSettings, scorer: LeadScorer) -> Callable[..., None]:
    """Run a story in a service with these settings."""

    @contextlib.asynccontextmanager
    async def started(more: dict[str, Any]) -> AsyncIterator[Service]:
        service = Service(settings.model_copy(update=more))
        async with service.app.router.lifespan_context(service.app):
            yield service

    def play(story: Callable[[Service], Coroutine[Any, Any, None]], **more: Any) -> None:
        async def whole() -> None:
            async with started(more) as service:
                await story(service)

        asyncio.run(whole())

    approved(settings, scorer)
    return play


# -- the same answers ------------------------------------------------------------------------------


def test_both_ways_write_the_same_bytes_over_the_wire(run: Callable[..., None]) -> None:
    async def story(service: Service) -> None:
        for k in range(12):
            how = {"language": ("ja", "en", None)[k % 3], "record": k % 2 == 0}
            headers = {"accept_language": "en;q=0.9"} if k % 4 == 0 else {}
            short, usual = await service.both(request_of(body_of(k) | how, **headers))
            assert status_of(short) == 200
            head, _, body = short.partition(b"\r\n\r\n")
            other, _, same = usual.partition(b"\r\n\r\n")
            assert (head.split(b"\r\n"), body) == (other.split(b"\r\n"), same)
            assert orjson.loads(body)["recorded"] is how["record"]
        assert service.taken == ["recorded", "short"] * 6

    run(story)


def test_an_answer_goes_out_in_one_piece_without_a_task(run: Callable[..., None]) -> None:
    async def story(service: Service) -> None:
        protocol, transport = service.connect()
        protocol.data_received(request_of(QUIET))

        assert transport.n_writes == 1
        assert _is_whole(transport.sent)
        assert not protocol.tasks

    run(story)


def test_a_score_that_is_to_be_recorded_is(run: Callable[..., None]) -> None:
    async def story(service: Service) -> None:
        answer = await service.ask(request_of(QUIET | {"record": True, "lead_id": "kept"}))

        (kept,) = service.app.state.service.predictions.of_lead("kept")
        assert kept.answer == orjson.loads(answer.partition(b"\r\n\r\n")[2])
        assert service.taken == ["recorded"]
        assert service.short._places.n_taken == 0

    run(story)


def test_where_it_cannot_be_recorded_the_answer_says_so(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(service: Service) -> None:
        def away(_: Any) -> None:
            raise StoreUnavailable("away")

        monkeypatch.setattr(service.app.state.service.predictions, "add", away)
        answer = await service.ask(request_of(QUIET | {"record": True}))

        assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["recorded"] is False
        assert service.short._places.n_taken == 0

    run(story)


def test_each_answer_is_counted_once_and_named(run: Callable[..., None]) -> None:
    async def story(service: Service) -> None:
        requests = [
            request_of(QUIET),
            request_of(QUIET | {"record": True}),
            request_of(QUIET | {"as_of": "2099-01-01"}),
            request_of(QUIET, x_request_id=""),
        ]
        answers = [await service.ask(one) for one in requests]
        meter = service.app.state.meter
        counts = {key: sum(at[:-1]) for key, at in meter._answers.items()}

        assert counts == {("POST", "/v1/score", 200): 3, ("POST", "/v1/score", 422): 1}
        assert service.taken == ["short", "recorded", "usual", "short"]
        assert [b"x-request-id: r-1" in one for one in answers] == [True, True, True, False]
        assert re.search(rb"x-request-id: [0-9a-f]{16}\r\n", answers[3])

    run(story)


# -- what is not plain takes the usual way -----------------------------------------------------------

OTHERS: dict[str, tuple[bytes, int]] = {
    "another type": (request_of(QUIET, content_type='application/json; charset="utf-8"'), 200),
    "no type": (request_of(QUIET, content_type=""), 415),
    "a header twice": (request_of(QUIET, X_Request_ID="r-2"), 200),
    "two types": (request_of(QUIET).replace(b"host:", b"content-type: text/plain\r\nhost:"), 200),
    "encoded": (request_of(QUIET, content_encoding="gzip"), 415),
    "expecting": (request_of(QUIET, expect="100-continue"), 100),
    "by a browser": (request_of(QUIET, origin="http://localhost"), 200),
    "by a page elsewhere": (request_of(QUIET, origin="http://evil.example"), 403),
    "from another site": (request_of(QUIET, sec_fetch_site="cross-site"), 403),
    "under another name": (request_of(QUIET, host="evil.example"), 421),
    "a query": (request_of(QUIET, path="/v1/score?lang=ja"), 200),
    "another method": (request_of(QUIET, method="PUT"), 405),
    "another path": (request_of(QUIET, path="/v1/scores"), 404),
    "empty": (request_of(b""), 400),
    "no JSON": (request_of(b"{"), 400),
    "a wrong shape": (request_of({"lead_id": "L"}), 422),
    "a future time": (request_of(QUIET | {"as_of": "2099-01-01"}), 422),
    "closing": (request_of(QUIET, connection="close"), 200),
    "old": (request_of(QUIET).replace(b"HTTP/1.1", b"HTTP/1.0", 1), 200),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_not_plain_is_answered_by_the_layers(case: str, run: Callable[..., None]) -> None:
    request, status = OTHERS[case]

    async def story(service: Service) -> None:
        one, other = await service.both(request)

        assert status_of(one) == status
        assert one == other
        assert "short" not in service.taken

    run(story)


def test_a_chunked_body_takes_the_usual_way(run: Callable[..., None]) -> None:
    body = orjson.dumps(QUIET)
    head = request_of(b"", content_length="", transfer_encoding="chunked")

    async def story(service: Service) -> None:
        answer = await service.ask(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

        assert status_of(answer) == 200
        assert service.taken == ["usual"]

    run(story)


def test_a_body_in_pieces_takes_the_usual_way(run: Callable[..., None]) -> None:
    request = request_of(QUIET)
    begins = request.index(b"\r\n\r\n") + 4

    async def story(service: Service) -> None:
        for cut in (10, 60, begins - 2):
            assert status_of(await service.ask(request[:cut], request[cut:])) == 200
        assert service.taken == ["short"] * 3  # of these the head came in pieces
        for cut in (begins, begins + 5, len(request) - 1):
            assert status_of(await service.ask(request[:cut], request[cut:])) == 200
        assert service.taken == ["short"] * 3

    run(story)


def test_answers_keep_the_order_of_their_requests(run: Callable[..., None]) -> None:
    named = [QUIET | {"lead_id": f"L-{k}", "record": k in (1, 4)} for k in range(6)]

    async def story(service: Service) -> None:
        answers = await service.ask(b"".join(map(request_of, named)), n_answers=6)

        found = re.findall(rb'"lead_id":"(L-\d)"', answers)
        assert [one.decode() for one in found] == [one["lead_id"] for one in named]
        assert service.taken == ["short"]  # one of a piece

    run(story)


def test_a_bug_is_told_as_one(run: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(score_route.ScoreService, "score", broken)

    async def story(service: Service) -> None:
        answer = await service.ask(request_of(QUIET))

        assert status_of(answer) == 500
        assert service.short._places.n_taken == 0

    run(story)


def test_once_the_service_ends_connections_are_closed(run: Callable[..., None]) -> None:
    async def story(service: Service) -> None:
        service.wire.stopping_since = asyncio.get_running_loop().time()
        assert b"connection: close\r\n" in await service.ask(request_of(QUIET))
        assert service.taken == []

    run(story)


# -- the same rules ----------------------------------------------------------------------------------


def test_where_no_place_is_free_it_waits_like_all_others(run: Callable[..., None]) -> None:
    async def story(service: Service) -> None:
        assert service.short._places.take()
        assert status_of(await service.ask(request_of(QUIET))) == 503
        service.short._places.leave()
        assert status_of(await service.ask(request_of(QUIET))) == 200
        assert service.taken == ["usual", "short"]

    run(story, concurrency=1, waiting=0)


def test_a_body_may_not_be_larger_than_behind_the_layers(run: Callable[..., None]) -> None:
    async def story(service: Service) -> None:
        service.short._most = len(orjson.dumps(QUIET)) - 1
        assert status_of(await service.ask(request_of(QUIET))) == 200
        assert service.taken == ["usual"]

    run(story)


def test_a_key_opens_it_and_each_request_counts_once(
    run: Callable[..., None], settings: ServeSettings
) -> None:
    _, header = new_key(settings, ["score"])
    shown = {"authorization": header["Authorization"]}
    wrong_shape = request_of({"lead_id": "L"}, **shown)

    async def story(service: Service) -> None:
        told = [await service.ask(request_of(QUIET, **shown)) for _ in range(2)]
        told += [await service.ask(wrong_shape), await service.ask(wrong_shape)]
        told += [await service.ask(request_of(QUIET, **shown))]

        assert [status_of(one) for one in told] == [200, 200, 422, 422, 429]
        assert b"retry-after" in told[-1]
        assert service.taken == ["short", "short", "usual", "usual", "usual"]

    run(story, access="keys", rate_per_minute=4)


def test_who_may_not_score_is_told_so_by_the_layers(
    run: Callable[..., None], settings: ServeSettings
) -> None:
    _, reads = new_key(settings, ["read"])
    _, expired = new_key(settings, ["score"], name="old", days=-1)

    async def story(service: Service) -> None:
        asked = {"none": "", "reads": reads["Authorization"], "old": expired["Authorization"]}
        told = {
            name: status_of(await service.ask(request_of(QUIET, authorization=shown)))
            for name, shown in asked.items()
        }
        assert told == {"none": 401, "reads": 403, "old": 401}
        assert set(service.taken) == {"usual"}

    run(story, access="keys")


def test_a_wrong_key_counts_once(run: Callable[..., None]) -> None:
    async def story(service: Service) -> None:
        wrong = request_of(QUIET, authorization="Bearer lq_wrong")
        told = [status_of(await service.ask(wrong)) for _ in range(FAILURES_PER_MINUTE + 1)]

        assert told == [401] * FAILURES_PER_MINUTE + [429]

    run(story, access="keys")
