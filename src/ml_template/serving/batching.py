"""Requests that arrive together are predicted together: no timer, so nobody waits for company."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from .encoding import Array
from .model import Form

# A batch this small is predicted at once, which is cheaper than handing it to a thread; a larger one goes to the
# thread, so that the event loop goes on answering.
_INLINE_ROWS = 64
_BATCH_ROWS = 4096

_Waiting = list[tuple[Array, "asyncio.Future[Array]"]]


class Batcher:
    """Hands the model everything that has arrived since it was last free."""

    def __init__(self, form: Form) -> None:
        """Take the model's form; it is called by one thread at a time."""
        self._form = form
        self._waiting: _Waiting = []
        self._is_planned = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    def predict(self, matrix: Array) -> asyncio.Future[Array]:
        """Return the form's output for `matrix` (rows, width) when it is there."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Array] = loop.create_future()
        self._waiting.append((matrix, future))
        self._plan(loop)
        return future

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and not self._is_planned:
            self._is_planned = True
            loop.call_soon(self._flush, loop)

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._next_batch()
        rows = np.concatenate([matrix for matrix, _ in batch]) if len(batch) > 1 else batch[0][0]
        if len(rows) <= _INLINE_ROWS:
            done: asyncio.Future[Array] = loop.create_future()
            try:
                done.set_result(self._form(rows))
            except Exception as error:  # every request of the batch is told
                done.set_exception(error)
            self._settle(loop, batch, done)
        else:
            in_thread = loop.run_in_executor(self._thread, self._form, rows)
            in_thread.add_done_callback(partial(self._settle, loop, batch))

    def _next_batch(self) -> _Waiting:
        rows = 0
        for count, (matrix, _) in enumerate(self._waiting):
            rows += len(matrix)
            if count and rows > _BATCH_ROWS:
                batch, self._waiting = self._waiting[:count], self._waiting[count:]
                return batch
        batch, self._waiting = self._waiting, []
        return batch

    def _settle(
        self, loop: asyncio.AbstractEventLoop, batch: _Waiting, done: asyncio.Future[Array]
    ) -> None:
        error, start = done.exception(), 0
        for matrix, future in batch:
            if not future.done():  # its request may have given up
                if error is not None:
                    future.set_exception(error)
                else:
                    future.set_result(done.result()[start : start + len(matrix)])
            start += len(matrix)
        self._is_planned = False
        self._plan(loop)
