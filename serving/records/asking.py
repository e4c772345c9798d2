"""Asking the store from a request, without ever waiting for it for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serving.errors import StoreUnavailable

__all__ = ["Asking"]

PATIENCE_SECONDS = 2.7
_N_THREADS = 4

_Told = TypeVar("_Told")


class Asking:
    """A few threads that are kept for asking the store.

    A database that hangs would otherwise take the threads of everybody, and batches are scored in
    them.

    Parameters
    ----------
    n_threads : int
        Questions that may be under way at once.
    patience : float
        Seconds that anybody waits for an answer.
    """

    def __init__(self, n_threads: int = _N_THREADS, patience: float = PATIENCE_SECONDS) -> None:
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix="asking")
        self._patience = patience

    async def told(self, ask: Callable[[], _Told]) -> _Told:
        """Return what `ask` answers.

        Raises
        ------
        StoreUnavailable
            If that takes too long.
        """
        asking = asyncio.get_running_loop().run_in_executor(self._threads, ask)
        done, _ = await asyncio.wait([asking], timeout=self._patience)
        if done:
            return asking.result()
        asking.add_done_callback(_let_go)
        asking.cancel()
        raise StoreUnavailable("The database does not answer in time; try again.")

    def close(self) -> None:
        """Let go of the threads; whoever still hangs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _let_go(late: asyncio.Future[_Told]) -> None:
    if not late.cancelled():
        late.exception()  # nobody waits for it any more
