"""A project with derived columns, from its features.py to the answers of its service; golden rows prove them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import requests
from sklearn.datasets import load_breast_cancer

from ml_template.__main__ import PROJECT

KIT = "packages/mlops-kit/src"
DERIVE = """\
def derive(columns):
    return {"compactness per radius": columns["mean compactness"] / columns["mean radius"]}
"""
# Several subcommands in one process: each process imports for seconds. The first that fails ends it.
STEPS = """\
import runpy, sys
package, *steps = sys.argv[1:]
for step in steps:
    sys.argv = [package, step]
    try:
        runpy.run_module(package, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code:
            raise
"""


@pytest.fixture
def run(project):
    """Run subcommands as a process in a checkout whose features.py derives a column."""
    root = Path(__file__).parents[4]
    shutil.copytree(root / "src" / PROJECT.package, project / "src" / PROJECT.package)
    path = f"{project / 'src'}:{root / KIT}"
    (project / "src" / PROJECT.package / "features.py").write_text(DERIVE)

    def command(*arguments, program=("-m",), code=0, **variables):
        done = subprocess.run(
            [sys.executable, *program, PROJECT.package, *arguments],
            env={**os.environ, "PYTHONPATH": path, **variables},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    command.path = path
    return command


@pytest.mark.slow
def test_derived_columns_from_training_to_the_service(run, project):
    run("train", "validate", "register", "export", program=("-c", STEPS))
    card = json.loads(Path("artifacts/model/model.json").read_text())
    assert card["derived"] == ["compactness per radius"]
    assert card["format"] == "onnx"
    assert "answers its golden rows" in run("serve", "--check")

    rows = load_breast_cancer(as_frame=True).data[:20]
    rows.to_csv("rows.csv", index=False)
    run("predict", DATA="rows.csv", OUT="scores.csv")
    scores = pd.read_csv("scores.csv")["probability_malignant"]
    service = subprocess.Popen(
        [sys.executable, "-m", PROJECT.package, "serve"],
        env={**os.environ, "PYTHONPATH": run.path, "PORT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = json.loads(service.stdout.readline())["url"]
        body = {"rows": rows.to_dict("records")}
        answer = requests.post(f"{url}/predict", json=body, timeout=60).json()
    finally:
        service.kill()
        service.communicate()
    served = [each["probabilities"]["malignant"] for each in answer["predictions"]]
    assert served == pytest.approx(scores.tolist(), abs=1e-12)

    changed = project / "src" / PROJECT.package / "features.py"
    changed.write_text(DERIVE.replace(" / ", " * "))
    another = "another features.py"
    assert another in run("serve", "--check", code=2)
    assert another in run("export", code=2)
    assert "cannot be loaded here" in run("train", "validate", program=("-c", STEPS))
