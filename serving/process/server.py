"""One serving process: uvicorn with our protocol, an orderly end, and nothing heavy about it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from serving.process.door import Door
from serving.process.log import flush_lines
from serving.process.open_connections import Place
from serving.process.protocol import Wire
from serving.process.short_protocol import ShortProtocol
from serving.process.told_counts import add_up, counts_of_others
from serving.settings import ServeSettings

__all__ = ["LONGEST_LAST_SECONDS", "Server", "make_server"]

log = logging.getLogger("lead_serve")

NOTICE_SECONDS = 2.0
"""How long ``/readyz`` says "not ready" before the door closes, where somebody asks it."""
SHORT_NOTICE_SECONDS = 0.5
"""How long open connections are told ``Connection: close`` before they are closed."""
LAST_CALLER_SECONDS = 0.25
"""How long a connection that nobody could tell of the end yet is left open for its next request."""
LONGEST_LAST_SECONDS = 2.5
"""Beyond ``LEAD_STOP_SECONDS`` and the notice: then the process ends, whatever still holds it.

A worker that others outlive has the longest silence and `LEAVE_SECONDS` before that.
"""
LEAVE_SECONDS = 1.0
GIVE_BACK_SECONDS = 10.0
_BACKLOG = 2_048
_COLLECT_AFTER = 5_000
_DECISECONDS = 10


class Server(uvicorn.Server):
    """A server that keeps deadlines, says that it is going, and goes.

    Parameters
    ----------
    config : uvicorn.Config
        Its protocol is `ShortProtocol` over `wire`.
    app : FastAPI
        Whose ``state.readiness`` is told of the end, and asked who looks at it.
    wire : Wire
        What the connections share.
    stop_seconds : float
        Time that requests in work have at the end.
    place : Place or None
        Among several workers that share the port.
    owns_process : bool
        Whether the process may be ended for good when a part of it does not end in time.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        app: FastAPI,
        wire: Wire,
        stop_seconds: float,
        place: Place | None = None,
        owns_process: bool = False,
    ) -> None:
        super().__init__(config)
        self._app = app
        self._wire = wire
        self._stop_seconds = stop_seconds
        self._place = place
        self._door: Door | None = None
        self._shared: socket.socket | None = None
        self._owns_process = owns_process
        self._sweeping: asyncio.Task[None] | None = None
        self._is_hurried = self._is_without_use = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and leave to the garbage collector only what comes from now on."""
        if self._place is None:
            await super().startup(sockets)
        else:
            await super().startup([])
        self._sweeping = asyncio.create_task(self._sweep())
        gc.collect()
        gc.freeze()
        # A request makes about a hundred objects, which nearly all go without the collector.
        gc.set_threshold(_COLLECT_AFTER, 10, 10)
        gc.enable()
        if self._place is not None and sockets and not self.should_exit:
            self._shared = sockets[0]
            self._open_door_if_of_use(self._place, self._shared)

    def _open_door_if_of_use(self, place: Place, shared: socket.socket) -> None:
        """Let callers in, unless others can score their leads and this worker cannot."""
        if self._app.state.service.models.model is None and _others_score(place.folder):
            if not self._is_without_use:
                log.warning("this worker has no model and leaves callers to those that have one")
            self._is_without_use = True
        else:
            self._open_door(shared, place)

    def _make_protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    def _open_door(self, listening: socket.socket, place: Place) -> None:
        self._door = Door(listening, self._make_protocol, place)
        self._wire.n_changed = self._door.count
        self._door.open()
        self.servers.append(self._door)  # type: ignore[arg-type]  # uvicorn only closes them

    async def on_tick(self, counter: int) -> bool:
        """Return whether to end."""
        if self._place is not None and counter % _DECISECONDS == 0:
            # Without its parent a worker would hold the port for ever.
            self.should_exit = self.should_exit or os.getppid() != self._place.parent
            if self._door is None and self._shared is not None:
                self._open_door_if_of_use(self._place, self._shared)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a person at the keyboard does not wait for load balancers."""
        self._is_hurried = self._is_hurried or sig == signal.SIGINT
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say that we are going, answer what is in work, cut what stalls, write what waits."""
        in_time = self._stop_seconds + NOTICE_SECONDS + LONGEST_LAST_SECONDS
        last = self._end_in(in_time + self._wire.idle_seconds + LEAVE_SECONDS)
        await self._leave_to_others()
        last.cancel()
        self._end_in(in_time)
        if not self._others_go_on():
            await self._give_notice()
        await self._hear_out_the_last(sockets or [])
        await super().shutdown(sockets)
        if self._sweeping is not None:
            self._sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeping
        self._app.state.meter.tell()  # what was counted since the last time stays in the totals
        flush_lines()

    def _end_in(self, seconds: float) -> threading.Timer:
        last = threading.Timer(seconds, _end_now)
        last.daemon = True
        if self._owns_process:
            last.start()
        return last

    def _others_go_on(self) -> bool:
        return self._door is not None and self._door.has_others()

    async def _leave_to_others(self) -> None:
        """Where other workers go on, let each connection end as it does on any day.

        Callers are told with their next answer, and those who ask nothing are silent for too long.
        """
        if self._door is None:
            return
        self._door.leave()
        self._wire.is_leaving = True
        until = asyncio.get_running_loop().time() + self._wire.idle_seconds + LEAVE_SECONDS
        while (
            self.server_state.connections
            and self._others_go_on()
            and not self.force_exit
            and asyncio.get_running_loop().time() < until
        ):
            await asyncio.sleep(0.05)

    async def _give_notice(self) -> None:
        readiness = self._app.state.readiness
        readiness.is_ending = True
        self._wire.stopping_since = loop_now = asyncio.get_running_loop().time()
        is_watched = readiness.was_asked_lately() and not self._is_hurried
        until = loop_now + (NOTICE_SECONDS if is_watched else SHORT_NOTICE_SECONDS)
        while asyncio.get_running_loop().time() < until and not self.force_exit:
            if not is_watched and not self.server_state.connections:
                return
            await asyncio.sleep(0.05)

    async def _hear_out_the_last(self, sockets: Sequence[socket.socket]) -> None:
        """Close the port, and leave those who have just come a moment to ask and be told."""
        loop = asyncio.get_running_loop()
        waiting = [] if self._others_go_on() else [one for port in sockets for one in _queue(port)]
        for server in self.servers:
            server.close()
        for caller in waiting:
            with contextlib.suppress(OSError):  # it went in the same moment
                await loop.connect_accepted_socket(self._make_protocol, caller)
        until = loop.time() + LAST_CALLER_SECONDS
        while loop.time() < until and any(
            getattr(one, "cycle", None) is None for one in self.server_state.connections
        ):
            await asyncio.sleep(0.01)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        gave_back = loop.time()
        while True:
            await asyncio.sleep(self._wire.tick_seconds)
            now = loop.time()
            self._wire.sweep(self.server_state.connections, now)
            if now - gave_back > GIVE_BACK_SECONDS:
                gave_back = now
                _give_back()


def _queue(port: socket.socket) -> Iterator[socket.socket]:
    """Give the connections that wait at a port; who comes after the last one finds it closed."""
    port.setblocking(False)
    with contextlib.suppress(OSError):
        while True:
            caller, _ = port.accept()
            caller.setblocking(False)
            yield caller


def make_server(
    settings: ServeSettings,
    app: FastAPI,
    place: Place | None = None,
    owns_process: bool = False,
) -> Server:
    """Return the server of one process; `run(sockets=[…])` runs it."""
    wire = Wire(settings.read_seconds, settings.idle_seconds, app.state.meter.refused)
    config = uvicorn.Config(
        app,
        # uvicorn calls it as it would call the class.
        http=partial(ShortProtocol, wire=wire),  # type: ignore[arg-type]
        ws="none",
        loop="auto",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=max(1, round(settings.stop_seconds)),
    )
    wire.short_way = app.state.short_way
    app.state.wire = wire
    return Server(config, app, wire, settings.stop_seconds, place, owns_process)


def _others_score(folder: Path) -> bool:
    return bool(add_up(counts_of_others(folder, os.getpid()))["models"])


def allow_many_connections() -> None:
    """Let the process hold as many sockets as the system lets it."""
    if os.name == "nt":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))


def _give_back() -> None:
    """Let the system have the memory that large batches took, where the C library can (glibc)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def _end_now() -> None:
    log.error("a part of the service did not end in time; the process ends without it")
    flush_lines()
    os._exit(3)
