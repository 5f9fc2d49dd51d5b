"""Score files with exported models, as make calls it: the answers of the pipeline, in bounded memory."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from mlops_kit.artifact import export
from mlops_kit.core.project import current
from mlops_kit.data import sources
from mlops_kit.experiments import registry, runs, store, validation
from mlops_kit.experiments.settings import load_train
from mlops_kit.serving.settings import load_serve

ROOT = Path(__file__).parents[4]
PATIENCE = 60  # seconds until what must come counts as never coming
KINDS = {
    "classification": ("hist_gradient_boosting", "churned", "accuracy"),
    "classes": ("random_forest", "tier", "accuracy"),
    "regression": ("linear", "spend", "mae"),
}


def table(rows, seed=0):
    """Rows of every kind of column; all but the targets and `smoker` lack values."""
    draw = np.random.default_rng(seed)
    days = np.datetime64("2015-01-01T06:30", "s") + draw.integers(0, 10**8, rows)
    born = np.datetime64("1950-01-01") + draw.integers(0, 20_000, rows)
    every = pd.DataFrame(
        {
            "age": draw.normal(40, 12, rows).round(2),
            "visits": draw.integers(0, 50, rows).astype(str),
            "postcode": [f"{number:05}" for number in draw.integers(990, 1040, rows)],
            "member": draw.choice(["true", "false"], rows),
            "region": draw.choice(["north", "south", "east, far", "über"], rows),
            "joined": days.astype(str),
            "born": [f"{day:%d/%m/%Y}" for day in born.astype(object)],
        }
    )
    score = every["age"] / 12 + draw.normal(size=rows)
    every = every.mask(draw.random(every.shape) < 0.15)
    every["smoker"] = draw.choice(["true", "false"], rows)
    return every.assign(
        churned=np.where(score > 3.3, "yes", "no"),
        tier=np.digitize(score, [3, 4]) * 2 + 3,
        spend=1000 * score,
    )


@pytest.fixture(scope="module")
def of_kind(empty_store, tmp_path_factory):
    """A function from a key of KINDS to a checkout with an exported model; each is made once."""
    made = {}

    def make(key):
        if key not in made:
            made[key] = tmp_path_factory.mktemp(key)
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(made[key])
                patch.delenv("MLFLOW_TRACKING_URI", raising=False)
                _export(key, empty_store)
        return made[key]

    return make


def _export(key, empty_store):
    shutil.copytree(ROOT / "configs", "configs")
    shutil.copy(ROOT / "requirements.txt", "requirements.txt")
    shutil.copy(empty_store, ".")
    table(500).to_csv("train.csv", index=False)
    kind, target, metric = KINDS[key]
    data = {
        "source": "train.csv",
        "target": target,
        "drop": [name for _, name, _ in KINDS.values() if name != target],
        "dates": {"born": "%d/%m/%Y"},
        "categorical": ["postcode"],
    }
    settings = {
        "experiment": key,
        "registered_model": key,
        "task": "regression" if key == "regression" else "classification",
        "data": data,
        "model": {"kind": kind},
        "validation": {"metric": metric, "prediction_ms": 10_000},
    }
    Path("configs/train.yaml").write_text(json.dumps(settings))  # JSON is YAML
    config = load_train(Path("configs/train.yaml"))
    current().train(config)
    assert validation.validate(config).passed
    registry.register()
    export.export(load_serve().export, key, "champion")


@pytest.fixture
def at(of_kind, monkeypatch, capsys):
    """Make the checkout with an exported model the current directory."""

    def go(key):
        monkeypatch.chdir(of_kind(key))
        capsys.readouterr()  # the output of making it
        for path in Path().glob("*scores*"):
            path.unlink()

    return go


def pipelines_answers(data):
    """Return the exported pipeline's predictions for a file, read at once as training reads it."""
    config = load_train(Path("configs/train.yaml"))
    card = json.loads(Path("artifacts/model/model.json").read_text())
    with store.connect() as client:
        stored = runs.load_model(runs.find(client, card["run_id"]))
    frame, _ = sources.read(config.data.model_copy(update={"source": data}))
    rows = stored.columns.coerce(frame)
    if config.task == "regression":
        return stored.pipeline.predict(rows)[:, None], []
    return stored.pipeline.predict_proba(rows), list(stored.pipeline.classes_)


@pytest.mark.slow
@pytest.mark.parametrize("key", list(KINDS))
@pytest.mark.parametrize("data", ["new.csv", "new.csv.gz", "new.parquet"])
def test_the_answers_are_those_of_the_pipeline(at, command, key, data):
    at(key)
    rows = table(300, seed=1)
    rows.loc[3, ["age", "region", "postcode"]] = [np.inf, "the moon", "99999"]
    rows.loc[4, ["member", "joined"]] = [np.nan, "9999-12-31"]
    if data.endswith(".parquet"):
        rows.to_parquet(data)
    else:
        rows.to_csv(data, index=False)
    done = command("predict", DATA=data, OUT="scores.csv")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1].startswith("scored: scores.csv (300 rows, ")
    found = pd.read_csv("scores.csv")
    outputs, classes = pipelines_answers(data)
    if not classes:
        np.testing.assert_allclose(found["prediction"], outputs[:, 0], rtol=1e-5)
        return
    written = found[[f"probability_{label}" for label in classes]]
    np.testing.assert_allclose(written, outputs, atol=1e-5)
    clear = np.ptp(np.sort(outputs)[:, -2:], axis=1) > 1e-4
    expected = np.array(classes)[outputs.argmax(axis=1)]
    assert (found["prediction"] == expected)[clear].all()


def test_unseen_values_are_reported_at_the_end(at, command):
    at("classification")
    table(20).assign(smoker="", region="the moon").to_csv("new.csv", index=False)
    done = command("predict", DATA="new.csv", OUT="scores.csv")
    assert done.code == 0, done.err
    assert done.out.splitlines()[:-1] == [
        "note: 20 values are missing where training saw none missing (smoker 20)",
        "note: 20 values are categories that training did not see (region 20)",
    ]


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {},
            "error: DATA is not set; accepted: a .csv, .tsv, .txt (each also .gz) or .parquet file\n",
        ),
        ({"DATA": "new.csv"}, "error: OUT is not set; accepted: a .csv, .tsv, .txt (each"),
        ({"DATA": "new.csv", "OUT": "s.csv", "MODEL_DIR": "no"}, "error: no/SHA256SUMS not found"),
        ({"DATA": "new.csv", "OUT": "s.csv", "SET": "data.delimiter=xx"}, "error: SET: data.del"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_exit_2(at, command, variables, sentence):
    at("classification")
    table(5).to_csv("new.csv", index=False)
    done = command("predict", **variables)
    assert done.code == 2
    assert done.err.startswith(sentence)
    assert done.err.count("\n") == 1


def begin(data, out):
    """Start the command as a process of its own in the current directory."""
    return subprocess.Popen(
        [sys.executable, "-m", current().package, "predict"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DATA": data, "OUT": out},
    )


def unfinished():
    return list(Path().glob(".scores.csv.*"))


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_nothing(at, sent, code):
    at("classification")
    pd.concat([table(1000)] * 100).to_csv("large.csv", index=False)
    Path("scores.csv").write_text("earlier")
    process = begin("large.csv", "scores.csv")
    deadline = time.monotonic() + PATIENCE
    while not any(path.stat().st_size for path in unfinished()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the moment to interrupt never came"
        time.sleep(0.002)
    process.send_signal(sent)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert err.startswith("interrupted: ")
    assert err.count("\n") == 1
    assert unfinished() == []
    assert Path("scores.csv").read_text() == "earlier"


# Not ru_maxrss, which begins with the peak of the process that started this one.
MEASURED = r"""
import re, sys
from pathlib import Path
from {package}.__main__ import PROJECT
from mlops_kit.core import project
from mlops_kit.experiments.settings import load_train
from mlops_kit.serving import scoring

project.use(PROJECT)
config = load_train(Path("configs/train.yaml"))
for data in sys.argv[2:]:
    scoring.score(config.data, data, sys.argv[1], Path("artifacts/model"), most_rows=1000)
    print("peak", re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
"""
BLOCK = 6_000


def write_blocks(name, blocks):
    """Write a file of so many times the same rows, 4,000 bytes each."""
    rows = pd.concat([table(1000)] * (BLOCK // 1000), ignore_index=True).assign(note="x" * 3930)
    if name.endswith(".csv"):
        text = rows.to_csv(index=False)
        Path(name).write_text(text + text.partition("\n")[2] * (blocks - 1))
        return
    block = pa.Table.from_pandas(rows, preserve_index=False)
    with parquet.ParquetWriter(name, block.schema) as file:
        for _ in range(blocks):
            file.write_table(block)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_file(at, suffix):
    at("classification")
    few, many = f"few.{suffix}", f"many.{suffix}"
    write_blocks(few, 1)
    write_blocks(many, 6)  # 120 MB more
    measured = MEASURED.format(package=current().package)
    done = subprocess.run(
        [sys.executable, "-c", measured, f"scores.{suffix}", few, many],
        capture_output=True,
        text=True,
        check=True,
    )
    peaks = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("peak")]
    small, large = (int(kilobytes) / 1024 for kilobytes in peaks)
    # Arrow's threads keep some 30 MB, more or less as they take turns; a file held whole would be 120.
    assert large - small < 60, (small, large)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or sys.platform != "linux",
    reason="only root on Linux can mount a small disk",
)
@pytest.mark.parametrize("out", ["scores.csv", "scores.csv.gz", "scores.parquet"])
def test_a_full_disk_is_one_sentence_and_leaves_the_earlier_file(at, command, tmp_path, out):
    at("classification")
    table(30_000).to_csv("new.csv", index=False)
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        (tmp_path / out).write_text("earlier")
        done = command("predict", DATA="new.csv", OUT=str(tmp_path / out))
        assert done.code == 2
        assert done.err.startswith(f"error: {tmp_path / out}: ")
        assert "No space left on device" in done.err
        assert done.err.count("\n") == 1
        assert [path.name for path in tmp_path.iterdir()] == [out]
        assert (tmp_path / out).read_text() == "earlier"
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
