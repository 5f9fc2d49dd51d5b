"""Train, validate and register on the embedded store, as make calls them."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeClassifier

from mlops_kit.core.project import current
from mlops_kit.experiments import model_storage, open_runs, runs
from mlops_kit.experiments import store as tracking
from mlops_kit.experiments import validation

WEAK = (
    "model.kind=random_forest model.params={} model.params.n_estimators=1 model.params.max_depth=1"
    " validation.thresholds.accuracy=0.1"
)


def report(name):
    return json.loads(Path(f"reports/{name}.json").read_text())


def aliases():
    with tracking.connect() as client:
        models = client.search_registered_models()
        return {m.name: {a: int(v) for a, v in m.aliases.items()} for m in models}


def versions():
    with tracking.connect() as client:
        return sorted(int(v.version) for v in client.search_model_versions())


def test_three_steps_end_with_a_champion_and_the_next_command(command):
    trained, validated, registered = command("train"), command("validate"), command("register")
    assert [trained.code, validated.code, registered.code] == [0, 0, 0], (trained, validated)
    assert "next: make validate" in trained.out
    assert "next: make register" in validated.out
    assert "churn version 1 is now the champion" in registered.out
    assert "next: make export serve" in registered.out
    assert aliases() == {"churn": {"champion": 1}}


def test_pipeline_runs_three_steps_and_prints_the_next_command(command, project):
    done = command("pipeline")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == (
        "churn version 1 is now the champion; next: make export serve"
    )
    run_id = report("train")["run_id"]
    assert report("validation")["run_id"] == report("registration")["run_id"] == run_id
    assert aliases() == {"churn": {"champion": 1}}


def test_pipeline_ends_with_1_where_thresholds_are_not_met(command, project):
    done = command("pipeline", SET="validation.thresholds.accuracy=1")
    assert done.code == 1
    assert "thresholds not met: reports/validation.json; nothing is registered" in done.out
    assert report("validation")["passed"] is False
    assert aliases() == {}


def test_pipeline_validates_its_own_run_beside_another(command, project, monkeypatch):
    assert command("train").code == 0
    other = report("train")
    train = type(current()).train

    def interrupted(self, config):
        done = train(self, config)
        Path("reports/train.json").write_text(json.dumps(other))
        return done

    monkeypatch.setattr(type(current()), "train", interrupted)
    done = command("pipeline")
    assert done.code == 0, done.err
    assert report("train")["run_id"] == other["run_id"]
    assert report("registration")["run_id"] == report("validation")["run_id"] != other["run_id"]
    with tracking.connect() as client:
        assert "validation" not in client.get_run(other["run_id"]).data.tags


def test_pipeline_with_replaced_champion_is_refused(command, registered, monkeypatch):
    validate = validation.validate

    def overtaken(config, run_id):
        done = validate(config, run_id)
        assert [command(name).code for name in ("train", "validate", "register")] == [0, 0, 0]
        return done

    with monkeypatch.context() as patch:
        patch.setattr(validation, "validate", lambda c, r="": overtaken(c, r) if r else validate(c))
        done = command("pipeline")
    assert done.code == 2
    assert "was validated against version 1: make validate" in done.err
    assert aliases() == {"churn": {"champion": 2, "previous": 1}}


def test_run_has_provenance_and_artifacts(command, project):
    assert command("train", SET="seed=3").code == 0
    with tracking.connect() as client:
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
    with tracking.connect():
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


def test_better_model_becomes_champion_and_old_one_previous(command, project):
    assert [command(n, SET=WEAK).code for n in ("train", "validate", "register")] == [0, 0, 0]
    assert [command(n).code for n in ("train", "validate", "register")] == [0, 0, 0]
    assert aliases() == {"churn": {"champion": 2, "previous": 1}}


def test_worse_model_fails_and_is_not_registered(command, registered):
    assert command("train", SET=WEAK).code == 0
    validated = command("validate", SET=WEAK)
    assert validated.code == 1
    assert "thresholds not met" in validated.out
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
    # The other way round: what the champion needs is there, so it is compared.
    assert command("register").code == 0
    assert [command(n).code for n in ("train", "validate")] == [0, 0]
    checks = {check["name"]: check for check in report("validation")["checks"]}
    assert checks["roc_auc against champion"]["threshold"] == "not worse than version 2"


@pytest.mark.slow
def test_retrained_model_is_not_worse_than_the_champion(command, registered):
    assert [command(name).code for name in ("train", "validate")] == [0, 0]


def measured_against_champion():
    [check] = [c for c in report("validation")["checks"] if c["name"].endswith("against champion")]
    return check["measured"]


@pytest.mark.slow
def test_champion_is_not_compared_on_its_training_rows(command, project):
    """Another seed deals the rows anew: a forest knows those that it saw by heart, and would win by that alone."""
    forest = "model.kind=random_forest model.params={} model.params.n_estimators=20"
    for name in ("train", "validate", "register"):
        assert command(name, SET=forest).code == 0
    again = f"{forest} seed=7"
    assert [command(name, SET=again).code for name in ("train", "validate")] == [0, 0]
    test_rows = int(report("train")["data.rows"].split()[-3])
    assert 20 <= report("validation")["champion"]["rows"] < test_rows / 2
    few = f"{again} split.test_size=0.05 validation.thresholds.accuracy=0"
    assert [command(name, SET=few).code for name in ("train", "validate")] == [0, 0]
    test_rows = int(report("train")["data.rows"].split()[-3])
    known = measured_against_champion().split()[7]
    assert measured_against_champion() == (
        f"not compared: version 1 was fitted on {known} of the {test_rows} test rows"
    )
    assert int(known) > test_rows / 2


def test_undefined_metric_of_a_lost_class_is_not_compared(command, project):
    header, rows = "x,y", [f"{(i % 3) + (i % 7) / 3},{'abc'[i % 3]}" for i in range(600)]
    own = "data.source=rows.csv data.target=y validation.thresholds.accuracy=0.1"
    Path("rows.csv").write_text("\n".join([header, *rows]))
    assert [command(n, SET=own).code for n in ("train", "validate", "register")] == [0, 0, 0]
    Path("rows.csv").write_text("\n".join([header, *(row for row in rows if row[-1] != "c")]))
    assert [command(n, SET=own).code for n in ("train", "validate", "register")] == [0, 0, 0]
    assert measured_against_champion() == "not compared: roc_auc is not defined on these rows"
    assert aliases() == {"churn": {"champion": 2, "previous": 1}}


@pytest.mark.slow
def test_run_validated_against_an_earlier_champion_needs_validation(command, registered):
    steps = ("train", "validate", "register")
    first = Path("reports/train.json").read_text()
    assert [command(name).code for name in steps] == [0, 0, 0]
    Path("reports/train.json").write_text(first)
    refused = command("register")
    assert refused.code == 2
    run_id = json.loads(first)["run_id"]
    assert refused.err == (
        f"error: the champion is now version 2, and run {run_id} was validated when there was no champion:"
        " make validate\n"
    )
    assert aliases() == {"churn": {"champion": 2, "previous": 1}}
    assert [command(name).code for name in ("validate", "register")] == [0, 0]
    assert aliases() == {"churn": {"champion": 1, "previous": 2}}


def test_a_missed_threshold_exits_1_and_names_it(command, trained):
    validated = command("validate", SET="validation.thresholds.accuracy=0.999")
    assert validated.code == 1
    assert "≥ 0.999" in validated.out
    assert "FAILED" in validated.out
    assert report("validation")["passed"] is False


def test_prediction_time_over_budget_fails(command, trained):
    validated = command("validate", SET="validation.prediction_ms=0.0001")
    failed = [check["name"] for check in report("validation")["checks"] if not check["passed"]]
    assert validated.code == 1
    assert failed == ["prediction of one row"]


def test_the_worst_slice_has_a_floor_of_its_own(command, project):
    rows = ["region,x,y"]
    for i in range(400):  # x predicts y in the north; in the south it does not
        north = i % 2 == 0
        label = (i // 2) % 2 if north else (i // 4) % 2
        rows.append(f"{'north' if north else 'south'},{(i // 2) % 2 + (i % 7) / 10},{label}")
    Path("rows.csv").write_text("\n".join(rows))
    own = "data.source=rows.csv data.target=y data.keep=[x] validation.thresholds.accuracy="
    sliced = (
        f"{own} 'validation.slices={{column: region, metric: accuracy, worst: 0.9, min_rows: 10}}'"
    )
    assert command("train", SET=own).code == 0
    validated = command("validate", SET=sliced)
    assert validated.code == 1
    failed = [check["name"] for check in report("validation")["checks"] if not check["passed"]]
    assert failed == ["accuracy where region is south"]


def test_changed_data_needs_training_before_validation(command, project):
    rows = "\n".join(f"{i % 17},{i % 23},{i % 2}" for i in range(200))
    Path("rows.csv").write_text(f"a,b,y\n{rows}\n")
    own = "data.source=rows.csv data.target=y"
    assert command("train", SET=own).code == 0
    Path("rows.csv").write_text(f"a,b,y\n{rows}\n3,4,1\n")
    validated = command("validate", SET=own)
    assert validated.code == 2
    assert "rows.csv has changed since run" in validated.err


def test_a_changed_model_file_is_refused_before_it_is_loaded(command, trained):
    (stored,) = Path("mlartifacts").rglob("model.skops")
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    stored.write_bytes(content)
    validated = command("validate")
    assert validated.code == 2
    assert "was changed after training: its SHA-256 is" in validated.err


def test_stopped_validation_removes_the_earlier_result(command, validated):
    slices = "'validation.slices={column: nope, metric: accuracy, worst: 0.9}'"
    stopped = command("validate", SET=slices)
    assert stopped.code == 2
    assert "validation.slices.column is 'nope'" in stopped.err
    refused = command("register")
    assert refused.code == 2
    assert "it was not validated yet (make validate)" in refused.err


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
    with tracking.connect() as client:
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


def test_fault_is_a_sentence_and_not_exit_code_1(command, project, monkeypatch):
    monkeypatch.setitem(current().estimators["linear"], "classification", Broken)
    done = command("train")
    assert done.code == 70
    assert done.err == "error: unexpected RuntimeError: a fault of its own (DEBUG=1 shows where)\n"


def test_next_register_completes_an_interrupted_one(command, validated):
    with closing(sqlite3.connect("mlflow.db")) as store, store:
        store.execute(
            "CREATE TRIGGER fault BEFORE INSERT ON registered_model_aliases"
            " BEGIN SELECT RAISE(ABORT, 'injected'); END"
        )
    broken = command("register")
    assert broken.code == 2
    assert "injected" in broken.err
    with closing(sqlite3.connect("mlflow.db")) as store, store:
        store.execute("DROP TRIGGER fault")
    assert command("register").code == 0
    assert versions() == [1]
    assert aliases() == {"churn": {"champion": 1}}


def test_a_run_that_nobody_writes_any_more_is_closed(project):
    def begun(mark):
        return client.create_run(experiment, tags=mark).info.run_id

    with tracking.connect() as client:
        experiment = tracking.experiment_id(client, "churn")
    with tracking.connect() as client, open_runs.hold(experiment) as mark:
        (file,) = open_runs.FOLDER.iterdir()
        written = begun(mark)
        left = f"{experiment}.killed"
        file.with_name(left).touch()
        killed = begun({next(iter(mark)): left})
        with tracking.connect():
            found = [client.get_run(run_id).info.status for run_id in (killed, written)]
        assert found == ["KILLED", "RUNNING"]
        assert list(open_runs.FOLDER.iterdir()) == [file]
    assert list(open_runs.FOLDER.iterdir()) == []


@pytest.mark.slow
def test_a_moved_repository_keeps_its_models(command, registered, tmp_path_factory, monkeypatch):
    moved = tmp_path_factory.mktemp("elsewhere") / "moved"
    shutil.move(str(registered), moved)
    monkeypatch.chdir(moved)
    for name in ("validate", "train", "validate"):
        done = command(name)
        assert done.code == 0, done.err
    compared = [c["name"] for c in report("validation")["checks"] if "version 1" in c["threshold"]]
    assert compared == ["roc_auc against champion"]


def test_regression_goes_the_same_way(command, project):
    own = (
        "data.source=sklearn:diabetes task=auto validation.metric=r2 model.params={}"
        " validation.thresholds.r2=0.3"
    )
    for name in ("train", "validate", "register"):
        done = command(name, SET=own)
        assert done.code == 0, done.err
        # The project's own config has one of accuracy.
        noted = "; a threshold of accuracy does not count for regression" in done.out
        assert noted is (name == "validate")
    names = [check["name"] for check in report("validation")["checks"]]
    assert names == ["r2", "mae", "rmse", "r2 against champion", "prediction of one row"]


def orders(**columns):
    """Write a table of 200 rows with an index and a few gaps in the target."""
    draw = np.random.default_rng(0)
    rows = pd.DataFrame({"id": np.arange(200), "a": draw.normal(size=200), **columns})
    rows["y"] = np.where(rows["a"] + draw.normal(size=200) > 0, "yes", "no")
    rows["y"] = rows["y"].where(rows.index > 1)
    rows.to_csv("orders.csv", index=False)
    return "data.source=orders.csv data.target=y model.params={} validation.thresholds={}"


def test_left_out_columns_are_reported_everywhere(command, project):
    own = orders(paid=[f"${number}.50" for number in range(100)] * 2)
    noted = "1 column counting the rows (id), 2 rows without a target"
    spelled = "numbers are read in paid as $1234.5"
    trained = command("train", SET=own)
    assert f"; left out: {noted}; {spelled}" in trained.out
    for name in ("validate", "register", "report", "export"):
        done = command(name, SET=own)
        assert done.code == 0, done.err
    assert report("train")["data.left_out"] == noted
    for page in ("reports/index.html", "artifacts/model/model-card.md"):
        assert noted in Path(page).read_text()
        assert "numbers are read in paid as" in Path(page).read_text()
    exported = json.loads(Path("artifacts/model/model.json").read_text())
    assert (exported["data_left_out"], exported["data_notes"]) == (noted, spelled)
    assert [column["name"] for column in exported["columns"]] == ["a", "paid"]


def test_by_time_a_champion_is_compared_on_what_came_after_it(command, project):
    weighed = {"day": np.arange(200) + 100, "w": np.resize([1, 2, 5], 200)}
    own = f"{orders(**weighed)} data.drop=[id] data.weight=w"
    rows = pd.read_csv("orders.csv")
    by_time = f"{own} split.by=time split.column=day"
    for settings in (own, by_time):
        assert [command(n, SET=settings).code for n in ("train", "validate", "register")] == [0] * 3
    reason = "has no record of up to which time it was fitted on"
    assert measured_against_champion() == f"not compared: version 1 {reason}"
    later = rows.assign(day=rows["day"] + 200, a=rows["a"] + 0.01)
    pd.concat([rows, later]).to_csv("orders.csv", index=False)
    assert [command(n, SET=by_time).code for n in ("train", "validate", "report")] == [0] * 3
    assert report("validation")["champion"]["rows"] == int(report("train")["data.rows"].split()[-3])
    for text in ("split by time: the test set begins at", "Rows count by w;"):
        assert text in Path("reports/index.html").read_text()


def test_a_run_knows_how_the_numbers_of_its_target_are_written(command, project):
    draw = np.random.default_rng(0)
    texts = [f"${amount:,.2f}" for amount in draw.gamma(2, 1000, 200)]
    pd.DataFrame({"a": draw.normal(size=200), "y": texts}).to_csv("orders.csv", index=False)
    own = "data.source=orders.csv data.target=y task=auto validation.metric=r2 model.params={}"
    trained = command("train", SET=f"{own} validation.thresholds={{}}")
    assert trained.code == 0, trained.err
    with tracking.connect() as client:
        config = runs.find(client, report("train")["run_id"]).config
    assert config.data.numbers == {"y": "1,234.5"}


def test_strict_stops_at_columns_that_the_champion_does_not_have(command, project):
    own = f"{orders()} data.drop=[id] "
    for name in ("train", "validate", "register"):
        assert command(name, SET=own).code == 0
    strict = f"{own} data.policy=strict"
    rows = pd.read_csv("orders.csv").dropna(subset=["y"])
    rows.to_csv("orders.csv", index=False)
    assert command("train", SET=strict).code == 0
    rows.rename(columns={"a": "b"}).to_csv("orders.csv", index=False)
    done = command("train", SET=strict)
    assert done.code == 2
    assert "since version 1 of churn columns are new (b), gone (a)" in done.err
    rows.assign(a=np.resize(["x", "z"], len(rows))).to_csv("orders.csv", index=False)
    assert "columns are of another kind (a)" in command("train", SET=strict).err
    assert command("train", SET=own).code == 0


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


def test_damaged_report_names_the_next_command(command, project):
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
