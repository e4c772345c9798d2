"""Group commit: all that wait go into one transaction, and nobody waits for long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

from serving.errors import RowRefused, StoreUnavailable
from serving.store import Event, Prediction, Predictions

__all__ = ["PATIENCE_SECONDS", "GroupCommit", "Recorder", "Weight", "weight_of_events"]

log = logging.getLogger("lead_serve")

PATIENCE_SECONDS = 2.0
"""How long an answer waits for its commit before it goes out saying "not recorded"."""

_MOST_WAITING = 20_000
_MOST_BYTES = 64 * 1024 * 1024
"""What may wait to be written, in rows and in memory. The memory counts only while something waits
already: a single request, however large, is not refused for ever."""

_ROW_BYTES = 2_000
_ACT_BYTES = 200
"""What a row, and an act among the inputs of a score, takes beside its texts."""

_Given = TypeVar("_Given")
_Told = TypeVar("_Told")


class Weight(NamedTuple):
    """How much somebody gives to be written: rows, and about how much memory they take."""

    n_rows: int
    n_bytes: int


def _light(_given: object) -> Weight:
    return Weight(1, 0)


class GroupCommit(Generic[_Given, _Told]):
    """One writer thread; a transaction takes all that has gathered during the one before.

    Parameters
    ----------
    name : str
        Of the thread.
    write : callable
        Commits what several callers gave and returns what to tell each of them.
    weigh : callable
        Says how much it is that one caller gave.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[list[_Given]], Sequence[_Told]],
        weigh: Callable[[_Given], Weight] = _light,
    ) -> None:
        self._write = write
        self._weigh = weigh
        self._waiting: list[tuple[_Given, int, asyncio.Future[_Told]]] = []
        self._n_waiting = 0
        self._n_bytes = 0
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._task: asyncio.Task[None] | None = None

    @property
    def n_waiting(self) -> int:
        """Rows that wait to be committed."""
        return self._n_waiting

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

    async def committed(self, given: _Given) -> _Told:
        """Return what the caller is told once `given` is committed.

        Raises
        ------
        StoreUnavailable
            If that failed or took too long. It may still be committed later.
        """
        n_rows, n_bytes = self._weigh(given)
        is_full = self._n_waiting + n_rows > _MOST_WAITING or (
            self._n_waiting > 0 and self._n_bytes + n_bytes > _MOST_BYTES
        )
        if self._task is None or is_full:
            raise StoreUnavailable("Too much waits to be written. Try again later.")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_Told] = loop.create_future()
        self._waiting.append((given, n_rows, done))
        self._n_waiting += n_rows
        self._n_bytes += n_bytes
        self._wake.set()
        # A timer of the loop costs a tenth of what wait_for does, and this is in every score.
        ends = loop.call_later(PATIENCE_SECONDS, _give_up, done)
        try:
            return await done
        finally:
            ends.cancel()

    async def _run(self) -> None:
        while self._waiting or self._task is not None:
            await self._wake.wait()
            self._wake.clear()
            taken, self._waiting = self._waiting, []
            self._n_waiting = self._n_bytes = 0
            # Whoever has been told "not recorded" meanwhile was told the truth.
            taken = [one for one in taken if not one[2].done()]
            if taken:
                await self._commit(taken)

    async def _commit(self, taken: list[tuple[_Given, int, asyncio.Future[_Told]]]) -> None:
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._thread, self._write, [given for given, _, _ in taken])
        await asyncio.wait([work])
        error = work.exception()
        if isinstance(error, RowRefused) and len(taken) > 1:
            # One caller's row must not cost the others theirs.
            for one in taken:
                await self._commit([one])
            return
        if error is not None:
            n_rows = sum(n for _, n, _ in taken)
            said = str(error) if isinstance(error, StoreUnavailable) else type(error).__name__
            log.warning("%d row(s) not recorded: %s", n_rows, said)
            for _, _, done in taken:
                if not done.done():
                    done.set_exception(StoreUnavailable("The database does not answer; try again."))
            return
        for (_, _, done), told in zip(taken, work.result(), strict=True):
            if not done.done():
                done.set_result(told)


class Recorder:
    """Records scores, and never stands in the way of an answer.

    Parameters
    ----------
    predictions : Predictions
        Where scores go.
    """

    def __init__(self, predictions: Predictions) -> None:
        self._predictions = predictions
        self._commits = GroupCommit[Sequence[Prediction], bool](
            "recorder", self._write, _weight_of_scores
        )

    async def start(self) -> None:
        """Begin to write."""
        await self._commits.start()

    async def stop(self) -> None:
        """Write what waits, then end."""
        await self._commits.stop()

    @property
    def n_waiting(self) -> int:
        """Scores that wait to be committed."""
        return self._commits.n_waiting

    async def record(self, predictions: Sequence[Prediction]) -> bool:
        """Return True once the scores are committed; False if that failed or took too long."""
        if not predictions:
            return True
        try:
            return await self._commits.committed(predictions)
        except StoreUnavailable:
            return False

    def _write(self, groups: list[Sequence[Prediction]]) -> list[bool]:
        self._predictions.add([one for group in groups for one in group])
        return [True] * len(groups)


def weight_of_events(events: Sequence[Event]) -> Weight:
    """Return how much some events are."""
    return Weight(len(events), sum(map(_bytes_of_event, events)))


def _bytes_of_event(one: Event) -> int:
    texts = (one.event_id, one.lead_id, one.reason, one.actor, one.source)
    return _ROW_BYTES + sum([len(text) for text in texts if text])


def _weight_of_scores(predictions: Sequence[Prediction]) -> Weight:
    return Weight(len(predictions), sum(map(_bytes_of_score, predictions)))


def _bytes_of_score(one: Prediction) -> int:
    n_bytes = _ROW_BYTES + len(one.answer)
    if isinstance(one.inputs, bytes):
        return n_bytes + len(one.inputs)
    fields, acts = one.inputs.get("fields", {}), one.inputs.get("events", ())
    texts = sum([len(value) for value in fields.values() if type(value) is str])
    return n_bytes + texts + _ACT_BYTES * len(acts)


def _give_up(done: asyncio.Future[_Told]) -> None:
    if not done.done():
        done.set_exception(StoreUnavailable("The database does not answer in time; try again."))
