"""The port that several workers share, and which of them lets the next caller in.

A server that takes whatever waits at a port takes all of it: 32 callers who come at once would sit
on one core, for as long as they keep their connections. So each worker takes one caller at a time,
and one that holds more connections than its share lets the others go first. Nobody depends on
them: a caller whom no other takes within milliseconds is let in all the same.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from serving.process.open_connections import Place

__all__ = ["Door"]

SLACK: Final = 2
"""Connections beyond its share that a worker takes without asking."""
LEAST_WAIT_SECONDS: Final = 0.003
LONGEST_WAIT_SECONDS: Final = 0.02
PATIENCE: Final = 8
"""Waits in a row, each for one caller, before the others are taken to be busy, or to hang."""
MOST_AFTER_WAITING: Final = 64
"""Callers let in after each wait then."""
NO_ROOM_SECONDS: Final = 0.2
"""Pause after the system had no file or memory for a caller."""


class Door:
    """Lets callers in from a port that others share; `Server` treats it as a server of asyncio.

    Parameters
    ----------
    listening : socket.socket
        The port.
    make_protocol : callable
        Gives the protocol of a new connection.
    place : Place
        Of this worker among them.
    """

    def __init__(
        self,
        listening: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        place: Place,
    ) -> None:
        self._listening = listening
        self._make_protocol = make_protocol
        self._held = place.held
        self._place = place.number
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[None]] = set()
        self._n = self._n_told = 0
        self._n_waits = 0
        self._is_leaving = self._is_closed = False

    def open(self) -> None:
        """Begin to let callers in."""
        self._listening.setblocking(False)
        self.count(0)
        self._loop.add_reader(self._listening, self._on_caller)

    def count(self, n: int) -> None:
        """Tell the others how many connections are open here."""
        self._n = n
        self._tell(n)

    def _tell(self, n: int) -> None:
        self._n_told = n
        if not self._is_leaving:
            self._held.tell(self._place, n)

    def leave(self) -> None:
        """From now on leave callers to the others, as long as there are others."""
        self._is_leaving = True
        self._held.close(self._place)

    def has_others(self) -> bool:
        """Return whether another worker lets callers in."""
        return self._held.has_others(self._place)

    def close(self) -> None:
        """Let nobody in any more."""
        self.leave()
        self._is_closed = True
        self._loop.remove_reader(self._listening)

    async def wait_closed(self) -> None:
        """Return: the server has waited for its connections by itself."""

    def _on_caller(self) -> None:
        surplus = self._held.surplus(self._place)
        if self._leaves_to_others():
            self._look_again_in(LONGEST_WAIT_SECONDS)
        elif not self._is_leaving and surplus > SLACK:
            self._look_again_in(min(LONGEST_WAIT_SECONDS, max(LEAST_WAIT_SECONDS, surplus / 1000)))
        else:
            self._n_waits = 0
            self._let_in()

    def _leaves_to_others(self) -> bool:
        return self._is_leaving and self.has_others()

    def _look_again_in(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._loop.call_later(seconds, self._after_waiting)

    def _after_waiting(self) -> None:
        if self._is_closed:
            return
        self._loop.add_reader(self._listening, self._on_caller)
        # Where nobody waits any more, the others are quick enough.
        self._n_waits = self._n_waits + 1 if self._let_in() else 0
        if self._n_waits > PATIENCE and not self._leaves_to_others():
            for _ in range(MOST_AFTER_WAITING - 1):
                if not self._let_in():
                    break

    def _let_in(self) -> bool:
        """Let one caller in; False where nobody waits."""
        try:
            caller, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False  # another worker was faster, or the caller has gone
        except OSError:
            self._look_again_in(NO_ROOM_SECONDS)
            return False
        self._tell(self._n_told + 1)
        connecting = self._loop.create_task(self._connect(caller))
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)
        return True

    async def _connect(self, caller: socket.socket) -> None:
        try:
            caller.setblocking(False)
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._make_protocol, caller)
        except OSError:
            caller.close()  # it went in the same moment
            self._tell(self._n)
