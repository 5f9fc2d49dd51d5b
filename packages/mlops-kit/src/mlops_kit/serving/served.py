"""A model in the service: its predictions, and what each request ends with, the response, the counts and the records."""

from __future__ import annotations

import asyncio
import time
from typing import Optional

from mlops_kit.artifact.encoding import Array, Values
from mlops_kit.artifact.predictor import Model

from .batching import Batcher
from .metrics import Measures
from .recorder import Recorder
from .response import ResponseWriter
from .settings import RecordConfig


class Served:
    """A model that predicts requests: the champion, or the challenger of a share."""

    def __init__(
        self,
        model: Model,
        record: Optional[RecordConfig],
        measures: Measures,
        mode: Optional[str] = None,
    ) -> None:
        """Take the model, the settings of the recorder where there is one, the metrics, and the mode of a challenger.

        Raises:
            UserError: The folder or private columns of `record` cannot be used.
        """
        self.model, self._measures = model, measures
        self.recorder = Recorder(record, model.card, measures, mode) if record else None
        self._batcher, self._response = Batcher(model.form), ResponseWriter(model)

    def outputs(self, values: Values) -> asyncio.Future[Array]:
        """Return a future of the model's outputs for validated rows, or of the error with which it fails."""
        return self._batcher.predict(self.model.encoder.matrix(values))

    def response(
        self, request_id: str, values: Values, outputs: Array, start: float, is_probe: bool = False
    ) -> bytes:
        """Return the response to a request; count its predictions and record a sample, but of a probe.

        `outputs` are finite, and `start` is when the request's work began, in seconds of `time.perf_counter`.
        """
        labels = self.model.labels(outputs)
        answer = self._response.write(outputs, labels)
        if not is_probe:
            seconds = time.perf_counter() - start
            self._measures.predicted(len(outputs), labels, self.model.encoder.unseen(values))
            if self.recorder:
                answers = self.model.answers(outputs, labels)
                self.recorder.offer(request_id, values, answers, seconds)
        return answer
