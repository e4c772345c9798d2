"""Records scores: all that wait go into one transaction, and nobody waits for long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from serving.errors import StoreUnavailable
from serving.store import Prediction, Predictions

__all__ = ["Recorder"]

log = logging.getLogger("lead_serve")

PATIENCE_SECONDS = 2.0
"""How long an answer waits for its commit before it goes out saying "not recorded"."""

_MOST_WAITING = 20_000


class Recorder:
    """One writer thread; a transaction takes all that has gathered during the one before.

    Parameters
    ----------
    predictions : Predictions
        Where scores go.
    """

    def __init__(self, predictions: Predictions) -> None:
        self._predictions = predictions
        self._waiting: list[tuple[Sequence[Prediction], asyncio.Future[bool]]] = []
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what waits, then end."""
        task, self._task = self._task, None
        if task is not None:
            self._wake.set()
            await task
        self._thread.shutdown()

    async def record(self, predictions: Sequence[Prediction]) -> bool:
        """Return True once the scores are committed; False if that failed or took too long."""
        if not predictions:
            return True
        n_waiting = sum(len(rows) for rows, _ in self._waiting)
        if self._task is None or n_waiting + len(predictions) > _MOST_WAITING:
            return False
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((predictions, done))
        self._wake.set()
        try:
            return await asyncio.wait_for(asyncio.shield(done), PATIENCE_SECONDS)
        except TimeoutError:
            return False

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting or self._task is not None:
            await self._wake.wait()
            self._wake.clear()
            taken, self._waiting = self._waiting, []
            rows = [row for group, _ in taken for row in group]
            is_recorded = True
            try:
                await loop.run_in_executor(self._thread, self._predictions.add, rows)
            except StoreUnavailable as error:
                log.warning("%d score(s) not recorded: %s", len(rows), error)
                is_recorded = False
            for _, done in taken:
                if not done.done():
                    done.set_result(is_recorded)
