"""The challenger in mode share: it predicts its share of the requests; where it fails, the champion predicts."""

from __future__ import annotations

import time
from typing import Any, Optional

import numpy as np
from fastapi import Request

from mlops_kit.artifact.encoding import Values
from mlops_kit.artifact.predictor import Model
from mlops_kit.core.errors import UserError, did_you_mean, one_line

from .logs import log
from .metrics import Measures
from .served import Served
from .settings import SHARE, RecordConfig, ShareConfig

# The header that names the model, in every response while both predict.
CHAMPIONS = {"X-Variant": "champion"}
CHALLENGERS = {"X-Variant": "challenger"}


class Variant:
    """The challenger in the process of the service, without isolation: it should have been in shadow mode before."""

    def __init__(
        self,
        model: Model,
        share: ShareConfig,
        columns: list[dict[str, Any]],
        record: Optional[RecordConfig],
        measures: Measures,
    ) -> None:
        """Take the challenger, its share, the columns of requests, which are the champion's, and the metrics.

        Raises:
            UserError: The model has no column `share.column`, the provider of `share` cannot be loaded, or the folder or
                private columns of `record` cannot be used.
        """
        from .flags import Flags  # imports openfeature, which is needed only here

        names = [column["name"] for column in columns]
        if share.column and share.column not in names:
            raise UserError(
                f"challenger.share.column is {share.column!r}, which is no column of the model"
                f"{did_you_mean(share.column, names)}"
            )
        self._served, self._measures = Served(model, record, measures, SHARE), measures
        self._flags = Flags(share)

    def start(self) -> None:
        """Start the feature flag and the recorder."""
        self._flags.start()
        if self._served.recorder:
            self._served.recorder.start()

    def close(self) -> None:
        """Stop the feature flag, and write queued rows."""
        self._flags.close()
        if self._served.recorder:
            self._served.recorder.close()

    def is_settled(self) -> bool:
        """Return whether the share is known, or is not waited for any longer."""
        return self._flags.is_settled()

    async def answered(self, request: Request, values: Values, start: float) -> Optional[bytes]:
        """Return the response to a request of the challenger's share, or None where the champion has to predict.

        `start` is when the request's work began, in seconds of `time.perf_counter`.
        """
        if not await self._flags.is_challengers(request.headers, values):
            return None
        try:
            outputs = await self._served.outputs(values)
            if not np.isfinite(outputs).all():
                raise ValueError("its answer is not finite")
        except Exception as error:  # a model can fail in any way; the champion predicts then
            self._measures.challenged("failed", request.state.rows)
            number = request.state.request_id
            log("warning", "challenger failed", request_id=number, error=one_line(error))
            return None
        answer = self._served.response(request.state.request_id, values, outputs, start)
        self._measures.challenged("answered", len(outputs))
        self._measures.challenger_seconds.observe(time.perf_counter() - start)
        return answer
