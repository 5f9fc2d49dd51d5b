"""The challenger in shadow mode, without a process of its own."""

import json
import time
from types import SimpleNamespace

import pytest

from mlops_kit.artifact.predictor import Model
from mlops_kit.serving import shadow
from mlops_kit.serving.challenger import Answered, Challenger
from mlops_kit.serving.metrics import Measures
from mlops_kit.serving.settings import RecordConfig, ServeConfig

CARD = {
    "registered_model": "m",
    "version": "8",
    "run_id": "r",
    "classes": [],
    "derived": [],
    "columns": [{"name": "x", "kind": "numeric", "missing": True, "missing_values": []}],
    "golden": [{"row": {"x": 1.0}, "answer": {"prediction": 1.0}}],
    "parity": {"scale": 1.0},
}


def test_the_service_counts_once_what_the_challenger_has_recorded(checkout):
    settings = ServeConfig(record=RecordConfig(folder="kept"))
    challenger = Challenger(CARD, Model(CARD, lambda matrix: matrix[:, :1]), settings)
    body, theirs = json.dumps({"rows": [{"x": 1.0}, {"x": 2.0}]}), [{"prediction": 1.0}] * 2
    challenger.answer("id", {"predictions": theirs}, body.encode(), Answered())
    challenger.recorder.start()
    challenger.recorder.close()
    measures = Measures(CARD)
    for expected in (2, 0):
        found = challenger.new_records()
        assert found == {"recorded_rows": expected, "unrecorded_rows": 0, "dropped_rows": 0}
        measures.add_records(found)
        assert b"\nrecorded_rows_total 2.0\n" in measures.text()


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), MemoryError()])
def test_a_challenger_that_cannot_be_started_is_started_again(monkeypatch, capfdbinary, error):
    starts = []

    def start(*_, **__):
        starts.append(time.monotonic())
        if len(starts) == 1:
            raise error
        return SimpleNamespace(pid=0, wait=lambda _: 0)

    monkeypatch.setattr(shadow.subprocess, "Popen", start)
    monkeypatch.setattr(shadow.os, "setpriority", lambda *_: None)
    beside = shadow.Shadow(Measures(CARD))
    beside._pause = 0.1
    beside.start()
    deadline = time.monotonic() + 30
    while len(starts) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    beside.close()
    assert len(starts) == 2
    (line,) = map(json.loads, capfdbinary.readouterr().out.splitlines())
    assert (line["event"], line["error"], line["again_after"]) == (
        "challenger ended",
        str(error),
        0.1,
    )
