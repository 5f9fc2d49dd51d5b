"""Micro-batching: requests that arrive together are predicted together, without a timer that delays single ones."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

import numpy as np

from mlops_kit.artifact.encoding import Array
from mlops_kit.artifact.predictor import PredictFn

# A batch of up to this many rows is predicted in the event loop, which is cheaper than a thread; a larger one in the
# thread, so that the loop is not blocked.
_INLINE_ROWS = 64
_BATCH_ROWS = 4096
# While the thread is busy no batch is formed, and cancelled requests are removed only at such a length.
_FEWEST_TO_SWEEP = 64

_Waiting = list[tuple[Array, "asyncio.Future[Array]"]]


class Batcher:
    """Predicts in batches of all requests that arrived since the last batch."""

    def __init__(self, form: PredictFn) -> None:
        """Take the model's predicting function, which is called by one thread at a time."""
        self._form = form
        self._waiting: _Waiting = []
        self._sweep_at = _FEWEST_TO_SWEEP
        self._is_planned = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    def predict(self, matrix: Array) -> asyncio.Future[Array]:
        """Queue `matrix` (rows, width) for the next batch; return a future of its output, (rows, classes) or (rows, 1)."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Array] = loop.create_future()
        if len(self._waiting) >= self._sweep_at:
            self._sweep()
        self._waiting.append((matrix, future))
        self._plan(loop)
        return future

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and not self._is_planned:
            self._is_planned = True
            loop.call_soon(self._flush, loop)

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._next_batch()
        if not batch:
            self._is_planned = False
            return
        parts = [matrix for matrix, _ in batch]
        if sum(map(len, parts)) <= _INLINE_ROWS:
            self._settle(loop, batch, self._answers(parts))
        else:
            in_thread = loop.run_in_executor(self._thread, self._answers, parts)
            in_thread.add_done_callback(lambda done: self._settle(loop, batch, done.result()))

    def _answers(self, parts: list[Array]) -> list[Array | Exception]:
        """Predict all parts at once; where that fails, one by one, so that none fails for the rows of another."""
        try:
            outputs = self._form(parts[0] if len(parts) == 1 else np.concatenate(parts))
        except Exception as error:
            return [error] if len(parts) == 1 else [self._answers([part])[0] for part in parts]
        ends = accumulate(map(len, parts))
        return [outputs[end - len(part) : end] for part, end in zip(parts, ends)]

    def _sweep(self) -> None:
        """Remove cancelled requests: the service no longer counts them, so nothing else bounds their number."""
        self._waiting = [one for one in self._waiting if not one[1].done()]
        # At twice the remaining length the amortized cost of sweeps is constant for each request.
        self._sweep_at = max(_FEWEST_TO_SWEEP, 2 * len(self._waiting))

    def _next_batch(self) -> _Waiting:
        self._sweep()
        rows = 0
        for count, (matrix, _) in enumerate(self._waiting):
            rows += len(matrix)
            if count and rows > _BATCH_ROWS:
                batch, self._waiting = self._waiting[:count], self._waiting[count:]
                return batch
        batch, self._waiting = self._waiting, []
        return batch

    def _settle(
        self, loop: asyncio.AbstractEventLoop, batch: _Waiting, answers: list[Array | Exception]
    ) -> None:
        for (_, future), answer in zip(batch, answers):
            if future.done():  # its request was cancelled
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        self._is_planned = False
        self._plan(loop)
