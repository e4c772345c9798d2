"""Whose turn the next caller is, wait by wait: one door, and another worker that we play."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.process.door import LONGEST_WAIT_SECONDS, MOST_AFTER_WAITING, PATIENCE, Door
from serving.process.open_connections import OpenConnections, Place

OURS, OTHER = 0, 1


class Watched(Door):
    """A door that notes how long it waited each time, and how many it let in after each wait."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.waits: list[float] = []
        self.when_waiting: Callable[[], object] = lambda: None
        self.n_in = 0
        self.let_in_after: list[int] = []

    def _look_again_in(self, seconds: float) -> None:
        self.waits.append(seconds)
        super()._look_again_in(seconds)
        self.when_waiting()

    def _after_waiting(self) -> None:
        before = self.n_in
        super()._after_waiting()
        self.let_in_after.append(self.n_in - before)

    def _let_in(self) -> bool:
        is_in = super()._let_in()
        self.n_in += is_in
        return is_in


@pytest.fixture
def held() -> Iterator[OpenConnections]:
    """What two workers hold; the other one lets callers in and holds none."""
    held = OpenConnections.make(2)
    held.tell(OTHER, 0)
    yield held
    os.close(held.memory)


def told(held: OpenConnections) -> list[int]:
    """Return what each worker says that it holds."""
    return array("i", os.pread(held.memory, 2 * array("i").itemsize, 0)).tolist()


@contextlib.asynccontextmanager
async def opened(
    held: OpenConnections,
    port: type[socket.socket] = socket.socket,
    make_protocol: Callable[[], asyncio.Protocol] = asyncio.Protocol,
) -> AsyncIterator[tuple[Watched, socket.socket, contextlib.ExitStack]]:
    """Open a door; callers that are put on the stack are closed behind it."""
    with contextlib.ExitStack() as open_files:
        listening = open_files.enter_context(port())
        listening.bind(("127.0.0.1", 0))
        listening.listen(256)
        door = Watched(listening, make_protocol, Place(Path(), OURS, 0, held))
        door.open()
        yield door, listening, open_files
        door.close()
        await asyncio.sleep(0)


def call(listening: socket.socket, stack: contextlib.ExitStack, n: int = 1) -> socket.socket:
    """Let callers come; the last one is returned."""
    for _ in range(n):
        caller = stack.enter_context(socket.create_connection(listening.getsockname()[:2]))
    return caller


async def until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    """Wait, while the door works."""
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.001)


def test_only_waits_that_found_a_caller_in_a_row_say_that_the_others_hang(
    held: OpenConnections,
) -> None:
    async def run() -> list[int]:
        async with opened(held) as (door, listening, stack):

            def other_takes_it() -> None:
                listening.accept()[0].close()

            door.count(10)
            door.when_waiting = other_takes_it
            for n in range(1, PATIENCE + 4):
                call(listening, stack)
                await until(lambda n=n: len(door.let_in_after) == n)
            assert door.n_in == 0
            door.when_waiting = lambda: None  # and now it hangs
            call(listening, stack, 20)
            await until(lambda: door.n_in == 20)
            return [n for n in door.let_in_after if n]

    assert asyncio.run(run()) == [1] * PATIENCE + [20 - PATIENCE]


def test_a_worker_that_goes_waits_longest_and_takes_one_as_long_as_there_are_others(
    held: OpenConnections,
) -> None:
    n_waits, n_left = PATIENCE + 4, MOST_AFTER_WAITING + 10

    async def run() -> Watched:
        async with opened(held) as (door, listening, stack):
            door.leave()
            call(listening, stack, n_waits + n_left)
            await until(lambda: len(door.let_in_after) == n_waits)
            held.close(OTHER)
            await until(lambda: door.n_in == n_waits + n_left)
            return door

    door = asyncio.run(run())
    assert set(door.waits) == {LONGEST_WAIT_SECONDS}
    assert door.let_in_after[:n_waits] == [1] * n_waits
    assert len(door.waits) <= n_waits + 1  # alone, it lets all of them in at once


class _Gone(socket.socket):
    """A caller that has gone already, as some systems say it."""

    def setsockopt(self, *_: Any) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")


class _PortOfGone(socket.socket):
    def accept(self) -> tuple[socket.socket, Any]:
        caller, address = super().accept()
        return _Gone(fileno=caller.detach()), address


def _no_protocol() -> asyncio.Protocol:
    raise ConnectionResetError


@pytest.mark.parametrize(
    ("port", "make_protocol"),
    [(_PortOfGone, asyncio.Protocol), (socket.socket, _no_protocol)],
    ids=["gone before it is set up", "gone while it is connected"],
)
def test_a_caller_who_goes_in_the_same_moment_is_closed_and_not_counted(
    held: OpenConnections,
    port: type[socket.socket],
    make_protocol: Callable[[], asyncio.Protocol],
) -> None:
    faults: list[dict[str, Any]] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        async with opened(held, port, make_protocol) as (door, listening, stack):
            caller = call(listening, stack)
            await until(lambda: door.n_in == 1)
            await until(lambda: told(held) == [0, 0])
            caller.settimeout(10)
            assert caller.recv(1) == b""

    asyncio.run(run())
    assert faults == []
