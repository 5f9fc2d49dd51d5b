"""The whole way of a challenger: deployed in shadow, asked, compared where labels are known, promoted, deployed as the champion."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sklearn.datasets import load_breast_cancer

from ecs_local.testing import wait
from mlops_kit.artifact import folder as model_folder
from mlops_kit.artifact.predictor import load
from mlops_kit.core import project
from mlops_kit.experiments import registry, runs, validation
from mlops_kit.experiments.settings import load_train

from .conftest import CONFIG
from .local_ecs import ROOT
from .site import CODE, Site

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info < (3, 10), reason="needs boto3 for Python 3.10"),
]

NAME = "challenged"
ROWS = 250


@pytest.fixture
def site(tmp_path, emulator):
    """A checkout with a weak champion and a strong challenger, which nothing was packed of yet."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    for code in CODE:
        left = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / code, tmp_path / code, ignore=left)
    config = {**CONFIG, "registered_model": NAME, "validation": {"metric": "accuracy"}}
    (tmp_path / "configs/train.yaml").write_text(yaml.safe_dump(config))
    deploy = tmp_path / "configs/deploy/local.yaml"
    settings = {"SERVE_SET": "limits.drain_seconds=0.5 record.minutes=0.01"}
    deploy.write_text(
        yaml.safe_dump({**yaml.safe_load(deploy.read_text()), "environment": settings})
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for strength, name_it in (("0.001", registry.register), ("1.0", registry.challenge)):
            config = load_train(Path("configs/train.yaml"), f"model.params.C={strength}")
            project.current().train(config)
            assert validation.validate(config).passed
            name_it(runs.last())
    return Site(tmp_path, emulator)


def deploy(site, mode):
    """Export, pack and deploy what the registry holds, with a challenger in this mode, or none."""
    text = (ROOT / "configs/serve.yaml").read_text(encoding="utf-8")
    assert text.count("\n  mode:\n") == 1
    changed = text.replace("\n  mode:\n", f"\n  mode: {mode}\n")
    (site.folder / "configs/serve.yaml").write_text(changed, encoding="utf-8")
    done = site.run("export")
    assert done.code == 0, done.out
    site.pack()
    done = site.run("deploy")
    assert done.code == 0, done.out


def test_a_challenger_goes_from_shadow_to_production(site, emulator):
    deploy(site, "shadow")
    about = requests.get(f"{emulator.production}/version", timeout=10).json()
    assert (about["version"], about["challenger"]["version"]) == ("1", "2")
    rows, labels = asked()
    for number, row in enumerate(rows):
        answer = ask(emulator, row, str(number))
        assert answer["model_version"] == "1"
    wait(lambda: answered(emulator) == ROWS, "what the challenger predicted")
    wait(lambda: shipped(emulator) == {"1": ROWS, "2": ROWS}, "what was recorded")
    with (site.folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("request_id", "target"), *enumerate(labels)])
    done = site.run("compare", DATA="labels.csv")
    assert done.code == 0, done.out
    assert "latency: champion " in done.out
    report = json.loads((site.folder / "reports/compare.json").read_text(encoding="utf-8"))
    assert (report["mode"], report["rows"], report["labels"]) == ("shadow", [ROWS] * 2, [ROWS] * 2)
    assert (report["result"], report["notes"]) == ("better", [])
    assert [each["requests"] for each in report["latencies"]] == [ROWS, ROWS]
    done = site.run("promote")
    assert (done.code, "rests on: better: gain in accuracy +" in done.out) == (0, True), done.out
    deploy(site, "")
    about = requests.get(f"{emulator.production}/version", timeout=10).json()
    assert (about["version"], about["challenger"]) == ("2", None)
    model = load(site.folder / model_folder.FOLDER)
    predicted = model.predict({name: [value] for name, value in rows[0].items()})
    assert ask(emulator, rows[0], "after") == {"model_version": "2", "predictions": predicted}


def asked():
    """Return rows as requests hold them, and their labels."""
    table = load_breast_cancer(as_frame=True)
    labels = table.target_names[table.target[:ROWS]]
    return table.data[:ROWS].to_dict("records"), labels.tolist()


def ask(emulator, row, request_id):
    """Return production's answer to a row."""
    answer = requests.post(
        f"{emulator.production}/predict",
        json={"rows": [row]},
        headers={"X-Request-ID": request_id},
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def answered(emulator):
    """Return how many rows the challenger has answered."""
    text = requests.get(f"{emulator.production}/metrics", timeout=10).text
    return sum(
        one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.name == "challenger_rows_total" and one.labels["outcome"] == "answered"
    )


def shipped(emulator):
    """Return how many rows of each version of the model have arrived in S3."""
    s3, bucket = emulator.client("s3"), emulator.contract["records_bucket"]
    counts = {}
    for one in s3.list_objects_v2(Bucket=bucket, Prefix="predictions/").get("Contents", []):
        lines = s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read().splitlines()
        about = json.loads(lines[0])
        if about["model"] == NAME:
            counts[about["version"]] = counts.get(about["version"], 0) + len(lines) - 1
    return counts
