"""The process of a challenger in shadow mode: it reads requests and the champion's responses from a socket, its stdin.

It is isolated from the service: it has the lowest CPU priority, limits for its memory and for the time of each request,
and is the first process that Linux kills when memory runs out.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlops_kit.artifact import folder as model_folder
from mlops_kit.artifact.encoding import Array
from mlops_kit.artifact.predictor import Model, agree, load
from mlops_kit.artifact.request_schema import Checker
from mlops_kit.core.errors import one_line

from .logs import log
from .metrics import Measures
from .recorder import Recorder
from .settings import SHADOW, ChallengerConfig, ServeConfig

OPTION = "--challenger"


@dataclass
class Answered:
    """Counts over some requests: rows that were predicted, that failed, and that do not agree with the champion's."""

    rows: int = 0
    failed: int = 0
    differ: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)  # one for each predicted request
    # In the format of Measures.records, since the last response.
    records: dict[str, float] = field(default_factory=dict)


class Challenger:
    """Predicts the requests that the champion has predicted, and compares the predictions."""

    def __init__(self, champion: dict[str, Any], model: Model, settings: ServeConfig) -> None:
        """Take the champion's model.json and the challenger.

        Raises:
            UserError: `record.folder` cannot be written, or `record.private` names a column that the challenger lacks.
        """
        self._model = model
        self._scale = None if champion["classes"] else champion["parity"]["scale"]
        # By the columns of the champion, which has accepted these rows; they include the challenger's.
        example = champion["golden"][0]["row"]
        self._checker = Checker(champion["columns"], example, settings.limits.rows)
        keeps = settings.record if settings.record.folder else None
        # For the recorder's counts alone, which the service adds to its own.
        self._measures = Measures(model.card)
        self.recorder = Recorder(keeps, model.card, self._measures, SHADOW) if keeps else None
        self._last_records = self._measures.records()

    def answer(self, request_id: str, given: dict[str, Any], body: bytes, found: Answered) -> None:
        """Predict a request to which the champion responded with `given`, and add the counts to `found`."""
        start = time.perf_counter()
        try:
            values = self._checker.values(body)
            answers = self._model.answers(self._finite(self._model.encoder.matrix(values)))
        except Exception as error:  # a model can fail in any way; the next request may succeed
            found.failed += len(given["predictions"])
            log("warning", "challenger failed", request_id=request_id, error=one_line(error))
            return
        seconds = time.perf_counter() - start
        found.seconds.append(seconds)
        found.rows += len(answers)
        found.differ += sum(map(self._differ, answers, given["predictions"]))
        if self._model.classes:
            counts = Counter([str(one["prediction"]) for one in answers])
            found.classes = dict(counts + Counter(found.classes))
        if self.recorder:
            self.recorder.offer(request_id, values, answers, seconds)

    def new_records(self) -> dict[str, float]:
        """Return the counts of `Measures.records` since the last call."""
        before, self._last_records = self._last_records, self._measures.records()
        return {name: count - before[name] for name, count in self._last_records.items()}

    def _finite(self, matrix: Array) -> Array:
        outputs = self._model.form(matrix)
        if not np.isfinite(outputs).all():
            raise ValueError("its answer is not finite")
        return outputs

    def _differ(self, ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
        return not agree(theirs["prediction"], ours["prediction"], self._scale)


def main(champion: Path, settings: ServeConfig) -> None:
    """Predict requests until the socket is closed; one that exceeds a limit may end the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service handles Ctrl-C
    _stand_back(settings.challenger)
    model = load(champion / model_folder.CHALLENGER)
    model.check()
    challenger = Challenger(model_folder.read_manifest(champion), model, settings)
    log("info", "challenger ready", model=model.name)
    if challenger.recorder:
        challenger.recorder.start()
    with socket.socket(fileno=os.dup(0)) as connection, connection.makefile("rwb") as stream:
        while head := stream.readline():
            found = Answered()
            for request_id, *sizes in json.loads(head):
                answer, body = (stream.read(size) for size in sizes)
                # SIGALRM ends the process even if the model never returns.
                signal.setitimer(signal.ITIMER_REAL, settings.challenger.seconds)
                challenger.answer(request_id, json.loads(answer), body, found)
                os.sched_yield()  # else Linux lets it keep the core for milliseconds while the service waits
            signal.setitimer(signal.ITIMER_REAL, 0)
            found.records = challenger.new_records()
            stream.write(json.dumps(asdict(found)).encode() + b"\n")
            stream.flush()
    if challenger.recorder:
        challenger.recorder.close()


def _stand_back(config: ChallengerConfig) -> None:
    """Limit this process's memory, and make it the first choice of the OOM killer; the service sets its CPU priority."""
    most = config.megabytes * 1_000_000
    with suppress(OSError, ValueError):  # there is a lower limit already
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with suppress(OSError):  # not Linux
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
