"""The route `/predict`: from a request's key and body to the response, within the service's limits."""

from __future__ import annotations

import asyncio
import hmac
import time
from typing import Any, Optional

import numpy as np
from fastapi import HTTPException, Request, Response
from fastapi.responses import JSONResponse

from mlops_kit.artifact.encoding import Array
from mlops_kit.artifact.predictor import NOT_FINITE
from mlops_kit.artifact.request_schema import Checker, RefusedRowsError
from mlops_kit.core.errors import one_line

from .bodies import Bodies, Body
from .metrics import Measures
from .served import Served
from .settings import LimitsConfig
from .shadow import Shadow
from .variant import CHALLENGERS, CHAMPIONS, Variant
from .work import Work


class PredictRoute:
    """Responds to requests for predictions; `predict` is its endpoint."""

    def __init__(
        self,
        served: Served,
        limits: LimitsConfig,
        api_key: str,
        measures: Measures,
        shadow: Optional[Shadow],
        variant: Optional[Variant],
    ) -> None:
        """Take the champion, and the challenger where there is one; with an empty `api_key` requests need none."""
        card = served.model.card
        self._served, self._shadow, self._variant = served, shadow, variant
        self._limits, self._api_key, self._measures = limits, api_key.encode(), measures
        self._checker = Checker(card["columns"], card["golden"][0]["row"], limits.rows)
        most_bytes = 1024 * limits.body_kilobytes
        self._bodies, self._work = Bodies(most_bytes), Work(limits.waiting, most_bytes)

    async def predict(self, request: Request) -> Response:
        """Predict rows: keys are exactly the columns; null only where training saw values missing."""
        self._check_key(request)
        self._measures.in_work.inc()
        try:
            return await self._answer(request)
        finally:
            self._measures.in_work.dec()

    async def _answer(self, request: Request) -> Response:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        # A timer costs a tenth of asyncio.wait_for, which every request would need twice.
        timer = loop.call_later(self._limits.seconds, task.cancel) if task else None
        has_body = False
        try:
            body = await self._bodies.read(request.receive)
            has_body = True
            return await self._worked(request, body)
        except asyncio.CancelledError:
            code, what = (504, "answer") if has_body else (408, "body")
            raise HTTPException(code, f"no {what} within {self._limits.seconds:g} s") from None
        finally:
            if timer:
                timer.cancel()

    async def _worked(self, request: Request, body: Body) -> Response:
        await self._work.begin(len(body))
        try:
            return await self._predicted(request, body)
        finally:
            self._work.end(len(body))

    async def _predicted(self, request: Request, body: Body) -> Response:
        start = time.perf_counter()
        try:
            values = self._checker.values(body)
        except RefusedRowsError as error:
            self._work.refused(len(body), time.perf_counter() - start)
            return JSONResponse({"detail": error.problems}, 422)
        request.state.rows = len(next(iter(values.values())))
        is_probe = request.state.is_probe
        if self._variant and not is_probe:
            answered = await self._variant.answered(request, values, start)
            if answered is not None:
                return Response(answered, media_type="application/json", headers=CHALLENGERS)
        try:
            outputs = await self._served.outputs(values)
        except ValueError as error:  # scikit-learn's error for numbers that overflow
            problem = {"type": "refused", "loc": ["body", "rows"], "msg": one_line(error)}
            return JSONResponse({"detail": [problem]}, 422)
        if not np.isfinite(outputs).all():  # JSON has no NaN and no infinity
            return JSONResponse({"detail": _unanswered(outputs)}, 422)
        request_id = request.state.request_id
        answer = self._served.response(request_id, values, outputs, start, is_probe)
        if self._shadow and not is_probe:
            self._shadow.offer(request_id, len(outputs), answer, bytes(body))
        headers = CHAMPIONS if self._variant else None
        return Response(answer, media_type="application/json", headers=headers)

    def _check_key(self, request: Request) -> None:
        given = request.headers.get("x-api-key", "").encode("latin-1")  # the bytes as received
        if self._api_key and not hmac.compare_digest(given, self._api_key):
            detail = "the header X-API-Key is missing or wrong"
            # RFC 9110 requires a scheme; for an unknown one browsers show no password prompt.
            raise HTTPException(401, detail, {"WWW-Authenticate": "APIKey"})


def _unanswered(outputs: Array) -> list[dict[str, Any]]:
    return [
        {"type": "not_finite", "loc": ["body", "rows", row], "msg": NOT_FINITE}
        for row in np.flatnonzero(~np.isfinite(outputs).all(axis=1)).tolist()[:100]
    ]
