"""Train, validate and register on the embedded store, as make calls them."""

import json
import shutil
import sqlite3
from pathlib import Path

import mlflow
import pytest
from sklearn.linear_model import RidgeClassifier

from mlops_kit.core.project import current
from mlops_kit.experiments import model_storage
from mlops_kit.experiments import store as tracking

WEAK = (
    "model.kind=random_forest model.params={} model.params.n_estimators=1 model.params.max_depth=1"
    " validation.thresholds.accuracy=0.1"
)


def report(name):
    return json.loads(Path(f"reports/{name}.json").read_text())


def aliases():
    with tracking.connected() as client:
        models = client.search_registered_models()
        return {m.name: {a: int(v) for a, v in m.aliases.items()} for m in models}


def versions():
    with tracking.connected() as client:
        return sorted(int(v.version) for v in client.search_model_versions())


def test_the_three_steps_end_with_a_champion_and_say_what_is_next(command):
    trained, validated, registered = command("train"), command("validate"), command("register")
    assert [trained.code, validated.code, registered.code] == [0, 0, 0], (trained, validated)
    assert "next: make validate" in trained.out
    assert "next: make register" in validated.out
    assert "churn version 1 is now the champion" in registered.out
    assert "make mlflow-ui" in registered.out
    assert aliases() == {"churn": {"champion": 1}}


def test_a_run_tells_where_it_came_from_and_holds_everything(command, project):
    assert command("train", SET="seed=3").code == 0
    with tracking.connected() as client:
        run = client.get_run(report("train")["run_id"])
        plots = {Path(a.path).name for a in client.list_artifacts(run.info.run_id, "plots")}
    assert run.data.params["model.kind"] == "linear"
    assert run.data.params["seed"] == "3"
    assert run.data.metrics["accuracy.lower"] < run.data.metrics["accuracy"] < 1
    assert run.data.tags["git.commit"] == "none"  # the checkout of this test is no git repository
    assert run.data.tags["data.digest"] == report("train")["data.digest"]
    assert len(run.data.tags["lock.digest"]) == 64
    expected = {"roc.png", "precision_recall.png", "calibration.png", "confusion.png"}
    assert plots == expected | {"importance.png"}


def test_the_logged_model_has_signature_and_example_and_no_pickle(command, trained):
    with tracking.connected():
        folder = Path(
            mlflow.artifacts.download_artifacts(report("train")["model.uri"], dst_path="m")
        )
    described = mlflow.models.Model.load(str(folder))
    assert "mean radius" in described.signature.inputs.input_names()
    assert described.load_input_example(str(folder)).shape == (5, 30)
    assert not [p.name for p in folder.rglob("*") if p.suffix in (".pkl", ".pickle", ".joblib")]
    predicted = mlflow.pyfunc.load_model(str(folder)).predict(
        described.load_input_example(str(folder))
    )
    assert set(predicted) <= {"benign", "malignant"}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_metrics_and_model(command, project):
    first, second, other = (
        command("train", SET=s).code == 0 and report("train")
        for s in ("seed=1", "seed=1", "seed=2")
    )
    assert first["metrics"] == second["metrics"]
    assert first["metrics"] != other["metrics"]
    assert first["run_id"] != second["run_id"]


@pytest.mark.slow
def test_registering_twice_changes_nothing(command, registered):
    again = command("register")
    assert again.code == 0
    assert "already was the champion" in again.out
    assert versions() == [1]
    assert report("registration")["changed"] is False


def test_a_better_model_becomes_champion_and_the_earlier_one_previous(command, project):
    assert [command(n, SET=WEAK).code for n in ("train", "validate", "register")] == [0, 0, 0]
    assert [command(n).code for n in ("train", "validate", "register")] == [0, 0, 0]
    assert aliases() == {"churn": {"champion": 2, "previous": 1}}


def test_a_worse_model_fails_against_the_champion_and_is_not_registered(command, registered):
    assert command("train", SET=WEAK).code == 0
    judged = command("validate", SET=WEAK)
    assert judged.code == 1
    assert "not good enough" in judged.out
    failed = [check["name"] for check in report("validation")["checks"] if not check["passed"]]
    assert failed == ["roc_auc against champion"]
    refused = command("register")
    assert refused.code == 2
    assert "has not passed validation: it failed" in refused.err
    assert aliases() == {"churn": {"champion": 1}}


@pytest.mark.slow
def test_a_model_with_fewer_columns_is_compared_on_the_same_rows(command, registered):
    fewer = "\"data.drop=['mean radius']\""
    assert command("train", SET=fewer).code == 0
    assert command("validate", SET=fewer).code == 0
    checks = {check["name"]: check for check in report("validation")["checks"]}
    assert (
        checks["roc_auc against champion"]["measured"] == "not compared: version 1 takes other data"
    )
    # The other way round: what the champion needs is there, so it is asked.
    assert command("register").code == 0
    assert [command(n).code for n in ("train", "validate")] == [0, 0]
    checks = {check["name"]: check for check in report("validation")["checks"]}
    assert checks["roc_auc against champion"]["asked"] == "not worse than version 2"


@pytest.mark.slow
def test_the_same_model_trained_again_is_not_worse_than_the_champion(command, registered):
    assert [command(name).code for name in ("train", "validate")] == [0, 0]


def measured_against_champion():
    [check] = [c for c in report("validation")["checks"] if c["name"].endswith("against champion")]
    return check["measured"]


@pytest.mark.slow
def test_a_champion_is_not_asked_about_rows_that_it_was_fitted_on(command, project):
    """Another seed deals the rows anew: a forest knows those that it saw by heart, and would win by that alone."""
    forest = "model.kind=random_forest model.params={} model.params.n_estimators=20"
    for name in ("train", "validate", "register"):
        assert command(name, SET=forest).code == 0
    again = f"{forest} seed=7"
    assert [command(name, SET=again).code for name in ("train", "validate")] == [0, 0]
    held_out = int(report("train")["data.rows"].split()[-3])
    assert 20 <= report("validation")["champion"]["rows"] < held_out / 2
    few = f"{again} split.test_size=0.05 validation.thresholds.accuracy=0"
    assert [command(name, SET=few).code for name in ("train", "validate")] == [0, 0]
    held_out = int(report("train")["data.rows"].split()[-3])
    known = measured_against_champion().split()[7]
    assert measured_against_champion() == (
        f"not compared: version 1 was fitted on {known} of the {held_out} held-out rows"
    )
    assert int(known) > held_out / 2


def test_a_metric_that_a_lost_class_leaves_undefined_is_not_compared(command, project):
    header, rows = "x,y", [f"{(i % 3) + (i % 7) / 3},{'abc'[i % 3]}" for i in range(600)]
    own = "data.source=rows.csv data.target=y validation.thresholds.accuracy=0.1"
    Path("rows.csv").write_text("\n".join([header, *rows]))
    assert [command(n, SET=own).code for n in ("train", "validate", "register")] == [0, 0, 0]
    Path("rows.csv").write_text("\n".join([header, *(row for row in rows if row[-1] != "c")]))
    assert [command(n, SET=own).code for n in ("train", "validate", "register")] == [0, 0, 0]
    assert measured_against_champion() == "not compared: roc_auc is not defined on these rows"
    assert aliases() == {"churn": {"champion": 2, "previous": 1}}


@pytest.mark.slow
def test_a_run_that_was_judged_beside_another_champion_has_to_be_judged_again(command, registered):
    steps = ("train", "validate", "register")
    first = Path("reports/train.json").read_text()
    assert [command(name).code for name in steps] == [0, 0, 0]
    Path("reports/train.json").write_text(first)
    refused = command("register")
    assert refused.code == 2
    run_id = json.loads(first)["run_id"]
    assert refused.err == (
        f"error: the champion is version 2 by now, and run {run_id} was judged when there was no champion:"
        " make validate\n"
    )
    assert aliases() == {"churn": {"champion": 2, "previous": 1}}
    assert [command(name).code for name in ("validate", "register")] == [0, 0]
    assert aliases() == {"churn": {"champion": 1, "previous": 2}}


def test_a_missed_threshold_exits_1_and_names_it(command, trained):
    judged = command("validate", SET="validation.thresholds.accuracy=0.999")
    assert judged.code == 1
    assert "≥ 0.999" in judged.out
    assert "FAILED" in judged.out
    assert report("validation")["passed"] is False


def test_prediction_time_over_budget_fails(command, trained):
    judged = command("validate", SET="validation.prediction_ms=0.0001")
    failed = [check["name"] for check in report("validation")["checks"] if not check["passed"]]
    assert judged.code == 1
    assert failed == ["prediction of one row"]


def test_the_worst_slice_has_a_floor_of_its_own(command, project):
    rows = ["region,x,y"]
    for i in range(400):  # x tells y in the north; in the south it tells nothing
        north = i % 2 == 0
        label = (i // 2) % 2 if north else (i // 4) % 2
        rows.append(f"{'north' if north else 'south'},{(i // 2) % 2 + (i % 7) / 10},{label}")
    Path("rows.csv").write_text("\n".join(rows))
    own = "data.source=rows.csv data.target=y data.keep=[x] validation.thresholds.accuracy="
    sliced = (
        f"{own} 'validation.slices={{column: region, metric: accuracy, worst: 0.9, min_rows: 10}}'"
    )
    assert command("train", SET=own).code == 0
    judged = command("validate", SET=sliced)
    assert judged.code == 1
    failed = [check["name"] for check in report("validation")["checks"] if not check["passed"]]
    assert failed == ["accuracy where region is south"]


def test_changed_data_must_be_trained_on_before_it_is_judged(command, project):
    rows = "\n".join(f"{i % 17},{i % 23},{i % 2}" for i in range(200))
    Path("rows.csv").write_text(f"a,b,y\n{rows}\n")
    own = "data.source=rows.csv data.target=y"
    assert command("train", SET=own).code == 0
    Path("rows.csv").write_text(f"a,b,y\n{rows}\n3,4,1\n")
    judged = command("validate", SET=own)
    assert judged.code == 2
    assert "rows.csv has changed since run" in judged.err


def test_a_changed_model_file_is_refused_before_it_is_loaded(command, trained):
    (stored,) = Path("mlartifacts").rglob("model.skops")
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    stored.write_bytes(content)
    judged = command("validate")
    assert judged.code == 2
    assert "was changed after training: its SHA-256 is" in judged.err


def test_an_earlier_verdict_does_not_outlive_a_validation_that_stops(command, validated):
    slices = "'validation.slices={column: nope, metric: accuracy, worst: 0.9}'"
    stopped = command("validate", SET=slices)
    assert stopped.code == 2
    assert "validation.slices.column is 'nope'" in stopped.err
    refused = command("register")
    assert refused.code == 2
    assert "it was not judged yet (make validate)" in refused.err


@pytest.mark.slow
def test_a_champion_whose_files_are_gone_is_named_with_a_way_out(command, registered):
    shutil.rmtree("mlartifacts")
    assert command("train").code == 0
    done = command("validate")
    assert done.code == 2
    assert "error: the champion, version 1 of churn, cannot be read: " in done.err
    assert "take the alias 'champion' from it" in done.err


@pytest.mark.slow
def test_a_champion_of_other_libraries_is_not_compared(command, registered):
    champion = report("train")
    with tracking.connected() as client:
        stored = Path(mlflow.artifacts.download_artifacts(champion["model.uri"]))
        (stored / "model.skops").write_text("what another release of skops writes")
        digest = model_storage.digest(stored)
        client.set_tag(champion["run_id"], "model.sha256", digest)
    for name in ("train", "validate", "register"):
        done = command(name)
        assert done.code == 0, done.err
    measured = {c["name"]: c["measured"] for c in report("validation")["checks"]}
    assert measured["roc_auc against champion"] == "not compared: version 1 cannot be loaded here"


@pytest.mark.parametrize("content", [b"not a database at all", b"SQLite format 3\0" + b"x" * 200])
def test_a_damaged_store_is_a_sentence(command, project, content):
    Path("mlflow.db").write_bytes(content)
    done = command("train")
    assert done.code == 2
    assert "the tracking store sqlite:///" in done.err
    assert "mlflow.db failed: " in done.err
    assert done.err.count("\n") == 1


@pytest.mark.slow
def test_a_copied_repository_uses_its_own_artifacts(
    command, trained, tmp_path_factory, monkeypatch
):
    copied = tmp_path_factory.mktemp("elsewhere") / "copied"
    shutil.copytree(trained, copied)
    monkeypatch.chdir(copied)
    before = sorted(trained.joinpath("mlartifacts").rglob("*"))
    for name in ("validate", "train"):
        done = command(name)
        assert done.code == 0, done.err
    assert sorted(trained.joinpath("mlartifacts").rglob("*")) == before


def test_an_estimator_without_probabilities_is_a_sentence(command, project, monkeypatch):
    monkeypatch.setitem(current().estimators["linear"], "classification", RidgeClassifier)
    done = command("train")
    assert done.code == 2
    assert "gives no probabilities (predict_proba)" in done.err


class Broken(RidgeClassifier):
    def fit(self, *_):
        raise RuntimeError("a fault\nof its own")


def test_a_fault_is_a_sentence_and_not_the_verdict(command, project, monkeypatch):
    monkeypatch.setitem(current().estimators["linear"], "classification", Broken)
    done = command("train")
    assert done.code == 70
    assert done.err == "error: unexpected RuntimeError: a fault of its own (DEBUG=1 shows where)\n"


def test_a_store_that_fails_between_version_and_alias_is_mended_by_the_next_call(
    command, validated
):
    with sqlite3.connect("mlflow.db") as store:
        store.execute(
            "CREATE TRIGGER fault BEFORE INSERT ON registered_model_aliases"
            " BEGIN SELECT RAISE(ABORT, 'injected'); END"
        )
    broken = command("register")
    assert broken.code == 2
    assert "injected" in broken.err
    with sqlite3.connect("mlflow.db") as store:
        store.execute("DROP TRIGGER fault")
    assert command("register").code == 0
    assert versions() == [1]
    assert aliases() == {"churn": {"champion": 1}}


@pytest.mark.slow
def test_a_moved_repository_keeps_its_models(command, registered, tmp_path_factory, monkeypatch):
    moved = tmp_path_factory.mktemp("elsewhere") / "moved"
    shutil.move(str(registered), moved)
    monkeypatch.chdir(moved)
    for name in ("validate", "train", "validate"):
        done = command(name)
        assert done.code == 0, done.err
    compared = [c["name"] for c in report("validation")["checks"] if "version 1" in c["asked"]]
    assert compared == ["roc_auc against champion"]


def test_regression_goes_the_same_way(command, project):
    own = (
        "data.source=sklearn:diabetes task=regression validation.metric=r2 model.params={}"
        " validation.thresholds.accuracy= validation.thresholds.r2=0.3"
    )
    for name in ("train", "validate", "register"):
        done = command(name, SET=own)
        assert done.code == 0, done.err
    names = [check["name"] for check in report("validation")["checks"]]
    assert names == ["r2", "mae", "rmse", "r2 against champion", "prediction of one row"]


@pytest.mark.parametrize(
    ("name", "variables", "sentence"),
    [
        (
            "train",
            {"CONFIG": "nope.yaml"},
            "error: configs file nope.yaml not found (give CONFIG=…)",
        ),
        (
            "train",
            {"SET": "validation.thresholds.accuracy=1.4"},
            "error: SET: validation.thresholds.accuracy is 1.4; accepted: 0 to 1",
        ),
        ("train", {"SET": "data.target=worst_radius"}, "(did you mean 'worst radius' or "),
        ("train", {"SET": "model.params.max_itr=3"}, "(did you mean 'max_iter'?)"),
        ("train", {"SET": "model.params.max_iter=-3"}, "must be an int in the range"),
        ("validate", {}, "error: reports/train.json not found: there is no run yet (make train)"),
        ("register", {}, "error: reports/train.json not found: there is no run yet (make train)"),
        ("train", {"MLFLOW_TRACKING_URI": "sqlite:////dev/null/a.db"}, "sqlite:////dev/null/a.db"),
        ("train", {"MLFLOW_TRACKING_URI": "carrier-pigeon://x"}, "carrier-pigeon://x"),
        ("mlflow-ui", {"MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}, "open http://127.0.0.1:1"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(command, name, variables, sentence, project):
    done = command(name, **variables)
    assert done.code == 2
    assert sentence in done.err
    assert done.err.count("\n") == 1, done.err


def test_debug_shows_where_it_happened(command, monkeypatch, project):
    monkeypatch.setenv("DEBUG", "1")
    with pytest.raises(Exception, match=r"configs file nope\.yaml"):
        command("train", CONFIG="nope.yaml")


def test_a_damaged_report_says_what_to_do(command, project):
    (project / "reports").mkdir()
    (project / "reports/train.json").write_text("{")
    done = command("validate")
    assert done.code == 2
    assert "reports/train.json is damaged: make train writes it again" in done.err


def test_a_report_of_another_store_is_refused(command, trained):
    Path("reports/train.json").write_text(json.dumps({**report("train"), "run_id": "0" * 32}))
    done = command("validate")
    assert done.code == 2
    assert f"run {'0' * 32} is not in sqlite://" in done.err


def test_a_folder_that_cannot_be_written_is_named(command, project):
    (project / "reports").write_text("a file where the folder should be")
    done = command("train")
    assert done.code == 2
    assert "reports" in done.err
