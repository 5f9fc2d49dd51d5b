"""Export on the embedded store: what it writes, when it refuses, and what a kill leaves."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlops_kit.artifact import folder as model_folder
from mlops_kit.artifact import onnx_form
from mlops_kit.artifact.predictor import load
from mlops_kit.core.project import current
from mlops_kit.experiments import pipeline, store

FOLDER = model_folder.FOLDER
PATIENCE = 60
BESIDE = {"model.json", "model-card.md", "example.json", "SHA256SUMS"}


@pytest.fixture
def checkout_of(exported, tmp_path, monkeypatch):
    """A function that makes a copy of an exported model's checkout the current directory."""

    def enter(name="binary"):
        copy = tmp_path / "copy"
        shutil.copytree(exported(name).checkout, copy)
        monkeypatch.chdir(copy)
        return copy

    return enter


@pytest.fixture
def make(command):
    """Run a subcommand with the config that the exported models were made by."""
    return lambda name, **variables: command(name, **{"CONFIG": "own.yaml", **variables})


def contents():
    return {path.name: path.read_bytes() for path in FOLDER.iterdir()}


def card():
    return json.loads((FOLDER / "model.json").read_text(encoding="utf-8"))


class TestFolder:
    @pytest.mark.parametrize(("form", "file"), [("onnx", "model.onnx"), ("skops", "model.skops")])
    def test_it_holds_the_model_its_card_and_their_sums(self, exported, form, file):
        folder = exported("binary", form).folder
        assert {path.name for path in folder.iterdir()} == {file, *BESIDE}
        assert all(path.stat().st_mode & 0o777 == 0o644 for path in folder.iterdir())
        assert folder.stat().st_mode & 0o777 == 0o755
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]
        for line in (folder / "SHA256SUMS").read_text().splitlines():
            digest, name = line.split("  ")
            assert digest == hashlib.sha256((folder / name).read_bytes()).hexdigest()

    def test_sha256sum_takes_its_sums(self, exported):
        if not shutil.which("sha256sum"):
            pytest.skip("sha256sum is not here")
        for form in ("onnx", "skops"):
            checked = subprocess.run(
                ["sha256sum", "--strict", "-c", "SHA256SUMS"],
                cwd=exported("binary", form).folder,
                stdout=subprocess.PIPE,
            )
            assert checked.returncode == 0
            assert checked.stdout.decode().count(": OK\n") == 4

    def test_card_has_provenance(self, exported):
        done = exported("binary")
        trained = json.loads((done.checkout / "reports/train.json").read_text())
        assert done.card["registered_model"] == "binary"
        assert (done.card["version"], done.card["run_id"]) == ("1", trained["run_id"])
        assert done.card["data_digest"] == trained["data.digest"]
        assert done.card["data_source"] == "rows.csv"
        assert (done.card["task"], done.card["target"]) == ("classification", "churned")
        assert done.card["classes"] == ["no", "yes"]
        accuracy = done.card["metrics"]["accuracy"]
        assert accuracy["lower"] < accuracy["value"] < accuracy["upper"]
        assert done.card["git_commit"] == "none"

    def test_card_has_columns_in_the_datas_order(self, exported):
        columns = {column["name"]: column for column in exported("binary").card["columns"]}
        header = (exported("binary").checkout / "rows.csv").read_text("utf-8").splitlines()[0]
        assert list(columns) == header.split(",")[: len(columns)]
        kinds = [column["kind"] for column in columns.values()]
        assert kinds == [
            *("numeric", "numeric", "boolean", "boolean", "categorical", "categorical"),
            *("date", "date"),
        ]
        missing = [name for name, column in columns.items() if column["missing"]]
        assert missing == ["age", "member", "city", "joined"]
        assert columns["visits so.far"]["minimum"] == 0
        assert columns["visits so.far"]["maximum"] == 49
        assert columns["joined"]["maximum"] == "9999-12-31T00:00:00"
        assert (columns["joined"]["format"], columns["born"]["format"]) == (None, "%d/%m/%Y")
        assert columns["region"]["categories"] == sorted(
            ["north", "south", "east, far", "\u00fcber"]
        )
        assert len(columns["city"]["categories"]) > 254

    @pytest.mark.parametrize("name", ["binary", "classes"])
    def test_golden_rows_cover_every_class_and_are_right(self, exported, name):
        done = exported(name)
        answers = [case["answer"] for case in done.card["golden"]]
        assert {answer["prediction"] for answer in answers} == set(done.card["classes"])
        assert len(answers) == 5
        for answer in answers:
            assert sum(answer["probabilities"].values()) == pytest.approx(1)
        load(done.folder).check()

    def test_parity_is_reported(self, exported):
        for name in ("binary", "classes", "number"):
            done = exported(name).card
            assert done["format"] == "onnx"
            assert done["parity"]["rows"] > 100
            assert 0 <= done["parity"]["worst"] <= done["parity"]["tolerance"]
        kept = exported("binary", "skops").card
        assert (kept["format"], kept["parity"]["worst"]) == ("skops", 0)


class TestWhatIsExported:
    def test_the_champion_twice_gives_the_same_bytes(self, checkout_of, make):
        checkout_of()
        before = contents()
        done = make("export")
        assert done.code == 0, done.err
        assert "to ONNX; worst difference on " in done.out
        assert "exported: artifacts/model/ (binary version 1); next: make serve" in done.out
        assert contents() == before

    def test_an_alias_also_after_the_data_is_gone(self, checkout_of, make):
        checkout_of()
        with store.connect() as client:
            client.set_registered_model_alias("binary", "previous", "1")
        Path("rows.csv").unlink()
        shutil.rmtree(FOLDER)
        shutil.rmtree("reports")
        done = make("export", MODEL="binary@previous", CONFIG="configs/train.yaml")
        assert done.code == 0, done.err
        assert card()["version"] == "1"
        load(FOLDER).check()

    def test_as_many_golden_rows_as_asked_for(self, checkout_of, make):
        checkout_of("classes")
        for asked, classes in ((1, 1), (3, 3)):
            assert make("export", SERVE_SET=f"export.golden_rows={asked}").code == 0
            predicted = {case["answer"]["prediction"] for case in card()["golden"]}
            assert (len(card()["golden"]), len(predicted)) == (asked, classes)

    def test_the_other_form_takes_the_place_of_the_first(self, checkout_of, make):
        checkout_of()
        done = make("export", SERVE_SET="export.tolerance=1e-300")
        assert done.code == 0, done.err
        reason = "kept as scikit-learn, slower to serve, because ONNX will not do: its worst difference is "
        assert reason in done.out
        assert set(contents()) == {"model.skops", *BESIDE}
        assert make("export").code == 0
        assert set(contents()) == {"model.onnx", *BESIDE}


class TestRefusals:
    @pytest.mark.parametrize(
        ("variables", "sentence"),
        [
            ({"MODEL": "nope@champion"}, "there is no registered model 'nope' (make register)"),
            (
                {"MODEL": "binary@best"},
                "model 'binary' has no alias 'best'; its aliases: champion",
            ),
            *(
                ({"MODEL": wrong}, f"MODEL is {wrong!r}; accepted: name@alias, like ")
                for wrong in ("binary", "@champion", "binary@", "@")
            ),
            ({"SERVE_SET": "export.tolerance=0"}, "SERVE_SET: export.tolerance is 0; accepted: "),
            ({"SERVE_SET": "export.tolerance=2"}, "SERVE_SET: export.tolerance is 2; accepted: "),
            ({"CONFIG": "nope.yaml"}, "configs file nope.yaml not found (give CONFIG=…)"),
        ],
    )
    def test_what_cannot_be_is_one_sentence(self, checkout_of, make, variables, sentence):
        checkout_of()
        before = contents()
        done = make("export", **variables)
        assert done.code == 2
        assert sentence in done.err
        assert done.err.count("\n") == 1
        assert contents() == before

    def test_nothing_is_registered_yet(self, command, project):
        done = command("export")
        assert done.code == 2
        assert done.err == "error: there is no registered model 'churn' (make register)\n"
        assert not FOLDER.exists()

    @pytest.mark.parametrize(
        "name", ["model.skops", "columns.json", "profile.json", "held_out.parquet"]
    )
    def test_a_changed_artifact(self, checkout_of, make, name):
        checkout_of()
        before = contents()
        (stored,) = Path("mlartifacts").rglob(name)
        content = bytearray(stored.read_bytes())
        content[len(content) // 2] ^= 1
        stored.write_bytes(content)
        done = make("export")
        assert done.code == 2
        assert "was changed after training: its SHA-256 is " in done.err
        assert contents() == before


def train_and_register(command):
    for name in ("train", "validate", "register"):
        done = command(name, SET="validation.thresholds.accuracy=0.1")
        assert done.code == 0, (done.out, done.err)


class TestOwnPipelines:
    def test_estimator_without_onnx_is_kept_with_the_reason(self, command, project, monkeypatch):
        monkeypatch.setitem(current().estimators["linear"], "classification", DummyClassifier)
        settings = Path("configs/train.yaml")
        settings.write_text(settings.read_text().replace("max_iter: 1000", "strategy: prior"))
        train_and_register(command)
        done = command("export")
        assert done.code == 0, done.err
        assert "kept as scikit-learn, slower to serve, because ONNX will not do: " in done.out
        assert "DummyClassifier" in done.out
        assert card()["format"] == "skops"
        assert any(line.startswith("scikit-learn==") for line in card()["requirements"])
        load(FOLDER).check()

    def test_another_first_step_is_refused(self, command, project, monkeypatch):
        def build(*_):
            return make_pipeline(StandardScaler(), LogisticRegression())

        monkeypatch.setattr(pipeline, "build", build)
        settings = Path("configs/train.yaml")
        settings.write_text(settings.read_text().replace("params: {max_iter: 1000}", "params: {}"))
        train_and_register(command)
        done = command("export")
        assert done.code == 2
        assert "the pipeline's first step has to be the `encode` that the kit builds" in done.err
        assert done.err.count("\n") == 1
        assert not FOLDER.exists()


@pytest.mark.slow
class TestKilled:
    @pytest.mark.parametrize("steps", [1, 5])
    def test_a_kill_leaves_a_whole_model_or_none(self, checkout_of, make, steps):
        """A process that kills itself at its n-th rename: of the first file, or of the new folder."""
        checkout_of()
        before = contents()
        start = KILLED.format(package=current().package, steps=steps)
        environment = {**os.environ, "SERVE_SET": "export.golden_rows=2"}
        done = subprocess.run([sys.executable, "-c", start], env=environment, timeout=PATIENCE)
        assert done.returncode == -signal.SIGKILL
        if FOLDER.exists():
            assert contents() == before
        assert make("export").code == 0
        assert contents() == before


KILLED = """
import os, pathlib, signal
from {package}.__main__ import PROJECT
from mlops_kit.artifact import export
from mlops_kit.core import project
from mlops_kit.serving.settings import load_serve
project.use(PROJECT)
left, rename = [{steps}], pathlib.Path.replace
def counted(*arguments):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(*arguments)
pathlib.Path.replace = counted
export.export(load_serve().export, "binary", "champion")
"""


def test_full_disk_does_not_fall_back_to_scikit_learn(checkout_of, make, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    checkout_of()
    before = contents()
    monkeypatch.setattr(onnx_form, "write", refuse)
    done = make("export")
    assert (done.code, done.err) == (2, f"error: {FOLDER}: No space left on device\n")
    assert contents() == before
