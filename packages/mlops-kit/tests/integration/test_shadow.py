"""A challenger in shadow: its predictions are recorded and counted, and whatever fails, users get the champion's."""

import itertools
import json
import os
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlops_kit.artifact import export as exporting
from mlops_kit.artifact import folder as model_folder
from mlops_kit.artifact.predictor import load
from mlops_kit.core.errors import UserError
from mlops_kit.core.files import write_text
from mlops_kit.delivery.image import build
from mlops_kit.experiments import runs, store
from mlops_kit.serving.settings import load_serve

from .conftest import PATIENCE

# A project whose challenger fails in the way that a number in the request selects; to the champion it is a number.
CRASH, HANG, GROW, OVERFLOW = 900_001, 900_002, 900_003, 900_004
FAULTY = f"""
import os
from mlops_kit.core.project import Project
from mlops_kit.main import run
from mlops_kit.serving import challenger

class Faulty:
    def __init__(self, form):
        self.form = form
    def __call__(self, matrix):
        if (matrix == {CRASH}).any():
            os.abort()
        while (matrix == {HANG}).any():
            pass
        if (matrix == {GROW}).any():
            bytearray(10**9)
        return self.form(matrix) * (float("inf") if (matrix == {OVERFLOW}).any() else 1)

def load(folder, its=challenger.load):
    model = its(folder)
    model.form = Faulty(model.form)
    return model

challenger.load = load
run(Project(name="faulty", package="faulty"))
"""

STUCK = """
import threading
from openfeature.provider.no_op_provider import NoOpProvider

class Stuck(NoOpProvider):
    def initialize(self, context):
        threading.Event().wait()
"""

SINGLE = {"challenger_differences_total": "differ", "recorded_rows_total": "recorded"}


@pytest.fixture
def with_challenger(exported, tmp_path):
    """A copy of an exported model, and a challenger beside it, which is the same model as version 9."""
    source = exported("binary")
    champion = tmp_path / model_folder.FOLDER
    beside = champion / model_folder.CHALLENGER
    shutil.copytree(source.folder, champion)
    shutil.copytree(source.folder, beside)
    _change(beside, version="9")
    _change(champion, challenger={"version": "9", "run_id": "r", "format": "onnx"})
    return tmp_path


def _change(folder: Path, **changes: object) -> None:
    card = model_folder.read_manifest(folder)
    write_text(folder / model_folder.MANIFEST, json.dumps({**card, **changes}))
    names = [path.name for path in folder.iterdir() if path.is_file() and path.name != "SHA256SUMS"]
    write_text(folder / model_folder.SUMS, model_folder.sums(folder, names))


def counts(service) -> Counter:
    """Return the challenger's numbers in /metrics: rows by outcome, and those of SINGLE."""
    found: Counter = Counter()
    for family in text_string_to_metric_families(service.get("/metrics").text):
        for one in family.samples:
            if one.name == "challenger_rows_total":
                found[one.labels["outcome"]] += int(one.value)
            if one.name in SINGLE:
                found[SINGLE[one.name]] += int(one.value)
    return found


def until(service, condition) -> Counter:
    """Poll /metrics until `condition` holds of the challenger's numbers, and return them."""
    deadline = time.monotonic() + PATIENCE
    while not condition(found := counts(service)):
        assert time.monotonic() < deadline, f"the challenger has come no further than {found}"
        time.sleep(0.05)
    return found


def _reaches(outcome: str, rows: int):
    return lambda found: found[outcome] == rows


def recorded(folder: Path) -> dict[str, dict[tuple[str, int], object]]:
    """Return the predictions in the record, by version and by request id and row."""
    found: dict[str, dict[tuple[str, int], object]] = {}
    for file in folder.glob("*.jsonl"):
        first, *lines = map(json.loads, file.read_text().splitlines())
        its = found.setdefault(first["version"], {})
        its.update({(one["request_id"], one["row"]): one["probabilities"] for one in lines})
    return found


def test_its_answers_are_counted_and_kept_beside_the_champions(with_challenger, serve, exported):
    card = exported("binary").card
    rows = [case["row"] for case in card["golden"]]
    keep = "limits.drain_seconds=0 challenger.mode=shadow record.share=0.5"
    service = serve(with_challenger, SERVE_SET=f"{keep} record.folder=kept")
    assert service.get("/version").json()["challenger"]["version"] == "9"
    for _ in range(40):
        assert service.predict(*rows).json()["model_version"] == card["version"]
    service.predict(*rows, headers={"X-Probe": "1"})
    found = until(service, lambda found: found["answered"] == 40 * len(rows))
    assert found["failed"] == found["dropped"] == found["differ"] == 0
    # The process is a child of one of the service's threads.
    children = Path(f"/proc/{service.process.pid}/task").glob("*/children")
    (its,) = [int(number) for file in children for number in file.read_text().split()]
    assert os.getpriority(os.PRIO_PROCESS, its) == 19
    assert service.stop() == 0
    heads = [
        json.loads(file.read_text().splitlines()[0])
        for file in (with_challenger / "kept").iterdir()
    ]
    assert {head["version"]: head["mode"] for head in heads} == {
        card["version"]: None,
        "9": "shadow",
    }
    kept = recorded(with_challenger / "kept")
    assert set(kept) == {card["version"], "9"}
    assert kept["9"] == kept[card["version"]]
    assert 0 < len(kept["9"]) < 40 * len(rows)


def test_failing_challenger_loses_no_request(with_challenger, serve, exported, tmp_path):
    package = tmp_path / "code" / "faulty"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(FAULTY)
    golden = exported("binary").card["golden"][0]["row"]
    number = next(name for name, value in golden.items() if isinstance(value, float))
    settings = "limits.drain_seconds=0 challenger.mode=shadow challenger.seconds=0.5"
    service = serve(
        with_challenger,
        arguments=("-m", "faulty", "serve"),
        SERVE_SET=f"{settings} challenger.megabytes=600 record.folder=kept",
        PYTHONPATH=":".join([str(package.parent), *sys.path]),
    )
    for number_of_faults, fault in enumerate((CRASH, HANG, GROW, OVERFLOW), start=1):
        for outcome, value in (("failed", fault), ("answered", golden[number])):
            assert service.predict({**golden, number: value}).status_code == 200
            until(service, _reaches(outcome, number_of_faults))
    ends = [line["code"] for line in service.log() if line["event"] == "challenger ended"]
    assert ends == [-6, -14]  # it came through the other two
    errors = [line["error"] for line in service.log() if line["event"] == "challenger failed"]
    assert len(errors) == 2
    assert errors[1] == "its answer is not finite"
    # What it records is counted with what the champion does, which can be no more than was sent.
    sent = itertools.count(2 * number_of_faults)

    def counts_both(found):
        service.predict(golden)
        return found["recorded"] > next(sent)

    until(service, counts_both)
    assert service.stop() == 0


@pytest.mark.slow
def test_a_share_that_s3_holds_is_the_challengers(with_challenger, serve, exported, local_s3):
    local_s3.create_bucket(Bucket="flags")
    local_s3.put_object(Bucket="flags", Key="share.json", Body=b'{"percent": 100}')
    row = exported("binary").card["golden"][0]["row"]
    share = "challenger.share.header=X-User-Id challenger.share.file=s3://flags/share.json"
    settings = f"limits.drain_seconds=0 challenger.mode=share {share} record.folder=kept"
    service = serve(with_challenger, SERVE_SET=settings)
    # Until S3 has answered the champion predicts, and a load balancer sends nothing.
    deadline = time.monotonic() + PATIENCE
    while service.get("/readyz").status_code == 503:
        assert time.monotonic() < deadline, service.log()
    answer = service.predict(row, headers={"X-User-Id": "u"})
    assert (answer.headers["X-Variant"], answer.json()["model_version"]) == ("challenger", "9")
    assert service.stop() == 0
    (file,) = (with_challenger / "kept").iterdir()
    assert json.loads(file.read_text().splitlines()[0])["mode"] == "share"
    assert [line["percent"] for line in service.log() if line["event"] == "share"] == [100]


def test_a_share_that_is_never_known_keeps_the_champion_from_nothing(
    with_challenger, serve, exported
):
    """A provider that never starts: the service is ready after a bounded time, the champion predicts, and it ends."""
    (with_challenger / "stuck.py").write_text(STUCK)
    share = "challenger.share.header=X-User-Id challenger.share.provider=stuck:Stuck"
    service = serve(
        with_challenger,
        SERVE_SET=f"limits.drain_seconds=0 challenger.mode=share {share}",
        PYTHONPATH=":".join([str(with_challenger), *sys.path]),
    )
    answer = service.get("/readyz")
    assert (answer.status_code, "share is not known" in answer.json()["detail"]) == (503, True)
    deadline = time.monotonic() + PATIENCE
    while service.get("/readyz").status_code == 503:
        assert service.get("/healthz").status_code == 200
        assert time.monotonic() < deadline, service.log()
    row = exported("binary").card["golden"][0]["row"]
    assert service.predict(row, headers={"X-User-Id": "u"}).headers["X-Variant"] == "champion"
    assert service.stop() == 0
    assert [line["after"] for line in service.log() if line["event"] == "share not known"] == [5]


def test_export_takes_the_challenger_along(exported, tmp_path, monkeypatch):
    """A version with the alias `challenger` that is another one than the champion and takes the same requests."""
    source = exported("binary")
    shutil.copytree(source.checkout, tmp_path / "checkout")
    monkeypatch.chdir(tmp_path / "checkout")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with store.connect() as client:
        run = runs.find(client, source.card["run_id"])
        client.set_registered_model_alias("binary", "challenger", source.card["version"])
        assert (
            exporting.export(load_serve().export, "binary", "champion", with_challenger=True)[
                "challenger"
            ]
            is None
        )
        uri = run.tags["model.uri"]
        again = client.create_model_version(
            "binary", uri, run_id=run.run_id, model_id=uri.rpartition("/")[2]
        )
        client.set_registered_model_alias("binary", "challenger", again.version)
        card = exporting.export(load_serve().export, "binary", "champion", with_challenger=True)
    challenger = {"version": str(again.version), "run_id": run.run_id, "format": "onnx"}
    assert card["challenger"] == challenger
    beside = load(model_folder.FOLDER / model_folder.CHALLENGER)
    beside.check()
    assert beside.card["version"] == challenger["version"]
    assert build.models(card) == f"v{source.card['version']}-c{again.version}"


def test_a_challenger_that_takes_other_columns_is_refused(exported, monkeypatch):
    sources = []
    for name in ("binary", "number"):
        source = exported(name)
        monkeypatch.chdir(source.checkout)
        with store.connect() as client:
            sources.append(
                exporting.Source(name, "1", runs.find(client, source.card["run_id"]), source.stored)
            )
    with pytest.raises(UserError, match=r"the challenger, version 1 of number, has another task"):
        exporting.check_challenger(*sources)
