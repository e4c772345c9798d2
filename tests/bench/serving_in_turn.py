"""What a request costs in the process alone, beside hello-world's, by turns.

``python -m tests.bench.serving_in_turn`` hands the bytes of requests to the protocol and waits for
those of the answers: protocol, layers, score and answer, without sockets. Processor time, in blocks
that take turns, so that a busy machine slows both alike: the ratio is what to look at.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import itertools
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.bench.load import request_bytes

if TYPE_CHECKING:
    from tests.bench.subjects import Subject

__all__ = ["main", "measure"]

BLOCKS = {"hello": 80, "one": 40, "batch": 1}
"""Requests of a block."""


def measure(subject: Subject, *, blocks: int = 60) -> dict[str, list[float]]:
    """Return processor microseconds of a request by kind, a figure for each block.

    Kinds are ``hello``, ``one`` (a lead) and ``batch`` (a hundred), neither of them recorded.
    """
    import uvloop

    return uvloop.run(_measure(subject, blocks))


async def _measure(subject: Subject, blocks: int) -> dict[str, list[float]]:
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    from uvicorn.server import ServerState

    from serving.app import create_app
    from serving.process.server import make_server
    from serving.settings import ServeSettings
    from tests.bench.hello import app as hello

    settings = ServeSettings(access="open", home=subject.home)
    app = create_app(settings)
    ours = make_server(settings, app).config
    theirs = uvicorn.Config(hello, access_log=False, log_config=None)
    for config in (ours, theirs):
        config.load()
    asked = {
        "hello": itertools.repeat(request_bytes("GET", "/")),
        "one": itertools.cycle(_requests(subject, "one")),
        "batch": itertools.cycle(_requests(subject, "batch")),
    }
    async with app.router.lifespan_context(app):
        callers = {}
        for kind, config in {"hello": theirs, "one": ours, "batch": ours}.items():
            make: Any = HttpToolsProtocol if config is theirs else config.http_protocol_class
            callers[kind] = _Caller(make(config=config, server_state=ServerState(), app_state={}))
            for request in itertools.islice(asked[kind], 5 * BLOCKS[kind]):
                await callers[kind].ask(request)
        gc.collect()
        gc.freeze()
        spent: dict[str, list[float]] = {kind: [] for kind in asked}
        for _ in range(blocks):
            for kind, n in BLOCKS.items():
                requests = list(itertools.islice(asked[kind], n))
                started = time.process_time()
                for request in requests:
                    await callers[kind].ask(request)
                spent[kind].append((time.process_time() - started) / n * 1e6)
    return spent


def _requests(subject: Subject, kind: Any) -> Iterable[bytes]:
    from tests.bench.subjects import requests_of

    written = requests_of(subject, kind, more={"record": False}).read_bytes()
    return [base64.b64decode(line) for line in written.splitlines()]


class _Caller(asyncio.Transport):
    """One caller, on a connection in memory."""

    def __init__(self, protocol: Any) -> None:
        super().__init__()
        self._answered = asyncio.Event()
        self._missing = 0
        self._protocol = protocol
        protocol.connection_made(self)

    async def ask(self, request: bytes) -> None:
        """Send a request, and return when its answer is whole."""
        self._answered.clear()
        self._protocol.data_received(request)
        await self._answered.wait()

    def write(self, data: Any) -> None:
        head, _, body = data.partition(b"\r\n\r\n") if self._missing == 0 else (b"", b"", data)
        if head:
            assert head.startswith(b"HTTP/1.1 200"), head
            told = head.lower().partition(b"content-length: ")[2]
            self._missing = int(told.partition(b"\r\n")[0])
        self._missing -= len(body)
        if self._missing == 0:
            self._answered.set()

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def main() -> None:
    """Print what requests cost."""
    from serving.process.log import set_up_log
    from tests.bench.subjects import make_subject

    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--blocks", type=int, default=60)
    blocks = asked.parse_args().blocks
    with tempfile.TemporaryDirectory() as folder:
        subject = make_subject(Path(folder) / "subject")
        with Path(folder, "log").open("w") as lines:
            set_up_log("json", lines)
            spent = measure(subject, blocks=blocks)
    for kind, found in spent.items():
        ratio = median(one / other for one, other in zip(found, spent["hello"], strict=True))
        print(
            f"{kind}: least {min(found):,.0f} us, median {median(found):,.0f} us, "
            f"{ratio:.2f} x hello-world"
        )


if __name__ == "__main__":
    main()
