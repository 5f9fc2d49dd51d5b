"""The process of the challenger: it reads requests and the champion's answers from its standard input, a socket.

Whatever happens to it happens to nobody else: it comes last on the processor, has a limit for its memory and one for the
time of each request, and is the first one that a full machine kills.
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
from mlops_kit.artifact.predictor import Model, load
from mlops_kit.artifact.request_schema import Checker
from mlops_kit.core.errors import one_line

from .logs import log
from .metrics import Measures
from .recorder import Recorder
from .settings import ChallengerConfig, ServeConfig

OPTION = "--challenger"

_LEAST_DIFFERENCE = 0.1  # of two numbers, by the spread of the champion's predictions


@dataclass
class Answered:
    """The result of some requests: the number of predicted rows, of failed ones, and of those unlike the champion's.

    Two numbers are the same answer where they differ by no more than a tenth of the spread of the champion's predictions.
    """

    rows: int = 0
    failed: int = 0
    differ: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)  # one for each request that was answered
    records: dict[str, float] = field(
        default_factory=dict
    )  # as Measures.records, since the last ones


class Challenger:
    """A model that is asked what the champion was asked."""

    def __init__(self, champion: dict[str, Any], model: Model, settings: ServeConfig) -> None:
        """Take the champion's model.json and the challenger.

        Raises:
            UserError: What is to be recorded cannot be.
        """
        self._model, self._scale = model, champion["parity"]["scale"]
        # The champion has taken these rows: its columns hold for them, and the challenger's are among them.
        example = champion["golden"][0]["row"]
        self._checker = Checker(champion["columns"], example, settings.limits.rows)
        keeps = settings.record if settings.record.folder else None
        # Of the recorder alone; the service adds them to its own.
        self._measures = Measures(model.card)
        self.recorder = Recorder(keeps, model.card, self._measures) if keeps else None
        self._last_records = self._measures.records()

    def answer(self, request_id: str, given: dict[str, Any], body: bytes, found: Answered) -> None:
        """Predict the request that the champion answered with `given`, and add the result to `found`."""
        start = time.perf_counter()
        try:
            values = self._checker.values(body)
            answers = self._model.answers(self._finite(self._model.encoder.matrix(values)))
        except (
            Exception
        ) as error:  # a model can fail in any way, and the next request is another one
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
        """Return what came of the rows to keep since the last call, as Measures.records."""
        before, self._last_records = self._last_records, self._measures.records()
        return {name: count - before[name] for name, count in self._last_records.items()}

    def _finite(self, matrix: Array) -> Array:
        outputs = self._model.form(matrix)
        if not np.isfinite(outputs).all():
            raise ValueError("its answer is not finite")
        return outputs

    def _differ(self, ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
        if "probabilities" in theirs:
            return bool(ours["prediction"] != theirs["prediction"])
        off = abs(ours["prediction"] - theirs["prediction"])
        return bool(off > _LEAST_DIFFERENCE * self._scale)


def main(champion: Path, settings: ServeConfig) -> None:
    """Answer requests until the socket is closed; any of them may end the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's to answer
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
                # Its signal ends even a model that never returns.
                signal.setitimer(signal.ITIMER_REAL, settings.challenger.seconds)
                challenger.answer(request_id, json.loads(answer), body, found)
            signal.setitimer(signal.ITIMER_REAL, 0)
            found.records = challenger.new_records()
            stream.write(json.dumps(asdict(found)).encode() + b"\n")
            stream.flush()
    if challenger.recorder:
        challenger.recorder.close()


def _stand_back(config: ChallengerConfig) -> None:
    """Take a limit for memory, and the first place where the machine has none left; the service gave it its last on the processor."""
    most = config.megabytes * 1_000_000
    with suppress(OSError, ValueError):  # a lower limit holds already
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with suppress(OSError):  # no Linux
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
