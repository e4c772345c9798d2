"""Places, the queue for them, and to whom a place goes that becomes free."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Receive, Scope, Send

from serving.process.gate import Gate, Places


class Slow:
    """An application that answers when told to."""

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()
        self.order: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.order.append(scope["name"])
        await self.goes_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})


async def ask(app: Any, name: str, path: str = "/v1/score") -> dict[str, Any]:
    told: dict[str, Any] = {}

    async def send(message: dict[str, Any]) -> None:
        told.update(message)

    scope = {"type": "http", "path": path, "name": name, "request_id": name, "headers": []}
    await app(scope, None, send)
    return told


def test_the_first_wait_in_order_and_the_rest_are_told_to_come_again() -> None:
    async def story() -> None:
        slow, refused, places = Slow(), [], Places(2, 3)
        gate = Gate(slow, places, refused.append)
        asking = [asyncio.create_task(ask(gate, f"r{number}")) for number in range(8)]
        await asyncio.sleep(0)
        health = asyncio.create_task(ask(gate, "health", "/livez"))
        await asyncio.sleep(0.01)

        assert slow.order == ["r0", "r1", "health"]
        assert (places.n_taken, places.n_waiting) == (2, 3)
        slow.goes_on.set()
        told = await asyncio.gather(*asking)
        await health

        assert [one["status"] for one in told[:5]] == [200] * 5
        assert refused == ["busy"] * 3
        for one in told[5:]:
            assert one.get("status", 503) == 503
        assert slow.order[3:] == ["r2", "r3", "r4"]
        assert (places.n_taken, places.n_waiting) == (0, 0)

    asyncio.run(story())


def test_a_place_is_lost_to_nobody_who_gave_up_waiting() -> None:
    async def story() -> None:
        slow, places = Slow(), Places(1, 4)
        gate = Gate(slow, places, lambda _: None)
        asking = [asyncio.create_task(ask(gate, f"r{number}")) for number in range(4)]
        await asyncio.sleep(0)
        asking[1].cancel()
        slow.goes_on.set()
        asking[2].cancel()
        await asyncio.gather(*asking, return_exceptions=True)

        assert slow.order == ["r0", "r3"]
        assert (places.n_taken, places.n_waiting) == (0, 0)

    asyncio.run(story())
