"""make monitor and make retrain, on what a real service has recorded: silent on a clean stream, not on one that drifts."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import boto3
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer

from mlops_kit.artifact.predictor import load
from mlops_kit.artifact.row_values import parsed
from mlops_kit.experiments import runs, store
from mlops_kit.monitoring import reports
from mlops_kit.serving.metrics import Measures
from mlops_kit.serving.recorder import Recorder
from mlops_kit.serving.settings import RecordConfig

FOLDER = "kept"
SOURCE = f"source={FOLDER}"
ROWS = 300
OLDER = {"age": lambda ages: ages.map(lambda age: age and age + 100)}


@pytest.fixture
def at(exported, tmp_path, monkeypatch):
    """Make a copy of an exported model's checkout the current directory."""

    def enter(name):
        if not (tmp_path / name).exists():
            shutil.copytree(exported(name).checkout, tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        monkeypatch.setenv("CONFIG", "own.yaml")
        return exported(name)

    return enter


@pytest.fixture
def recorded(at, stream):
    """Record rows of a stream without a service, in place of earlier ones; return their targets.

    `change` has a function for each column whose values are to be others.
    """

    def record(name, change=None):
        made = at(name)
        shutil.rmtree(FOLDER, ignore_errors=True)
        recorder = Recorder(RecordConfig(folder=FOLDER), made.card, Measures(made.card))
        asked, targets = stream(1)
        frame = pd.DataFrame(asked[:ROWS], dtype=object)
        for column, changed in (change or {}).items():
            frame[column] = changed(frame[column])
        # As the service has them: checked, dates as dates.
        checked = parsed(made.stored.columns, made.stored.columns.coerce(frame))
        answers = load(made.folder).predict(checked)
        for number, (row, answer) in enumerate(zip(checked, answers)):
            recorder.offer(f"{number:04}", [row], [answer])
        recorder.start()
        recorder.close()
        return targets[:ROWS]

    return record


class Page(HTMLParser):
    """The texts of a page, and its elements."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name in ("src", "href") or name.startswith("on")]

    def handle_data(self, data):
        if data.strip() and self.tags[-1] != "style":
            self.texts.append(" ".join(data.split()))


def told():
    return json.loads(reports.JSON.read_text(encoding="utf-8"))


def tripped():
    return {(each["column"], each["what"]) for each in told()["findings"] if each["drifted"]}


@pytest.mark.slow
def test_a_service_is_watched_and_drift_that_is_injected_trips(command, at, stream, serve):
    at("binary")
    service = serve(
        Path.cwd(),
        SERVE_SET=f"record.folder={FOLDER} 'record.private=[\"visits so.far\"]' limits.drain_seconds=0",
    )
    rows, _ = stream(1)
    assert service.predict(*rows[:400]).status_code == 200
    wait_for(service, 400)
    done = command("monitor", MONITOR_SET=SOURCE)
    assert (done.code, done.err) == (0, ""), done.out
    assert "No drift: none of " in done.out
    assert "\ndrift:" not in done.out
    older = [{**row, "age": None if row["age"] is None else row["age"] + 15} for row in rows[400:]]
    assert service.predict(*older, headers={"X-Request-ID": "drifted"}).status_code == 200
    assert service.stop() == 0
    done = command("monitor", MONITOR_SET=SOURCE)
    assert (done.code, done.err) == (1, "")
    assert "drift: age: the values moved by 0.2" in done.out
    assert tripped() == {("age", "values")}
    (file,) = Path(FOLDER).iterdir()
    kept = pd.read_parquet(file)
    assert len(kept) == 800
    assert set(kept["request_id"]) == {"drifted", kept["request_id"][0]}
    assert "visits so.far" not in kept["inputs"][0]
    assert kept["private"][0] == {"visits so.far": "seen"}


def wait_for(service, rows):
    """The writer looks a few times a second at what is waiting."""
    while f"\nrecorded_rows_total {rows}.0\n" not in service.get("/metrics").text:
        assert service.process.poll() is None


@pytest.mark.parametrize("name", ["classes", "number"])
def test_what_was_found_is_in_the_json_on_the_page_in_the_summary_and_in_mlflow(
    command, recorded, name
):
    nasty = "</style><script>alert(1)</script>"
    recorded(name, {"region": lambda values: values.where(values != "south", nasty)})
    done = command("monitor", MONITOR_SET=SOURCE)
    assert (done.code, done.err) == (1, "")
    assert tripped() >= {("region", "values"), ("region", "unseen")}
    found = told()
    assert (found["status"], found["model"], found["version"], found["rows"]) == (
        *("drifted", name, "1"),
        300,
    )
    page = Page(reports.PAGE.read_text(encoding="utf-8"))
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert any(nasty[:8] in text for text in page.texts)
    for each in found["findings"]:
        assert {each["column"], each["what"], each["now"]} <= set(page.texts)
    summary = Path("reports/summary.md").read_text(encoding="utf-8")
    assert "**Drifted: " in summary
    assert "- region: unseen values went from 0.0% to " in summary
    assert nasty not in summary + done.out
    with store.connected() as client:
        experiment = client.get_experiment_by_name("monitor").experiment_id
        (run,) = client.search_runs([experiment])
        kept = {each.path for each in client.list_artifacts(run.info.run_id)}
    assert run.data.tags["status"] == "drifted"
    assert run.data.metrics["rows"] == 300
    assert run.data.metrics["tripped"] == len(found["tripped"])
    assert run.data.metrics["unseen region"] > 0.1
    assert kept == {"monitor.json", "monitor.html"}


@pytest.mark.parametrize(
    ("name", "spelled", "wrong"),
    [
        ("binary", str, lambda truth: truth.map({"yes": "no", "no": "yes"})),
        ("classes", float, lambda truth: truth.replace({3: 9, 9: 3})),
        ("number", str, lambda truth: -truth),
    ],
)
def test_performance_is_judged_where_labels_have_arrived(command, recorded, name, spelled, wrong):
    targets = recorded(name)
    target = {"binary": "churned", "classes": "tier", "number": "spend"}[name]
    right = pd.DataFrame({"request_id": [f"{n:04}" for n in range(300)], target: targets[target]})
    given = f"{SOURCE} labels=labels.csv"
    right[:199].to_csv("labels.csv", index=False)
    done = command("monitor", MONITOR_SET=given)
    assert done.code == 0
    assert "note: performance is not judged: 199 labels, 200 are needed" in done.out
    # Of somebody else, and not known yet: neither counts.
    more = pd.DataFrame({"request_id": ["9999", "0001"], target: [right[target][0], None]})
    pd.concat([right.drop(index=1).assign(row=0), more.assign(row=0)]).to_csv(
        "labels.csv", index=False
    )
    assert command("monitor", MONITOR_SET=given).code == 0
    done = told()["performance"]
    assert (done["labels"], done["worse"]) == (299, False)
    assert told()["before"][done["metric"]]["value"] == pytest.approx(
        done["metrics"][done["metric"]]["value"], abs=0.15 if name != "number" else 300
    )
    mixed = right.assign(**{target: wrong(right[target]).map(spelled)})
    mixed.to_parquet("labels.parquet")
    done = command("monitor", MONITOR_SET=f"{SOURCE} labels=labels.parquet")
    assert done.code == 1
    assert "on 300 labelled rows, worse than " in done.out
    assert told()["performance"]["worse"] is True
    assert tripped() == set()


@pytest.mark.parametrize("settings", ["", "days=1e-9"])
def test_without_a_label_yet_performance_is_not_judged(command, recorded, settings):
    recorded("number")
    Path("l.csv").write_text(LABELS if settings else LABELS.partition("\n")[0] + "\n")
    done = command("monitor", MONITOR_SET=f"{SOURCE} labels=l.csv {settings}")
    assert (done.code, done.err) == (0, "")
    assert "note: performance is not judged: no labels yet, 200 are needed" in done.out


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ("", "NOT JUDGED: configs/monitor.yaml names no source"),
        (f"{SOURCE} rows=301", "note: drift is not judged: 300 rows, 301 are needed"),
        (f"{SOURCE} days=1e-9", "note: drift is not judged: 0 rows, 200 are needed"),
    ],
)
def test_too_little_is_not_judged_and_says_so(command, recorded, settings, note):
    recorded("number", OLDER)
    done = command("monitor", MONITOR_SET=settings)
    assert (done.code, done.err) == (0, "")
    assert note in done.out
    assert "NOT JUDGED" in done.out


def test_a_column_that_may_move_is_left_alone(command, recorded):
    recorded("number", OLDER)
    assert command("monitor", MONITOR_SET=f"{SOURCE} 'ignore=[age]'").code == 1
    # The model leans on it, so what it says moves, too.
    assert tripped() == {("prediction", "answers")}


LABELS = "request_id,spend\n0001,5\n"


@pytest.mark.parametrize(
    ("settings", "labels", "sentence"),
    [
        ("source=nowhere", "", "source nowhere is no folder; accepted: the record.folder of "),
        (f"{SOURCE} ignore=[aeg]", "", "ignore names 'aeg', which is no column of the model"),
        (f"{SOURCE} days=0", "", "MONITOR_SET: days is 0; accepted: days, more than 0"),
        (f"{SOURCE} labels=x.csv", "", "labels x.csv not found"),
        (f"{SOURCE} labels=l.csv", "id,spend\n1,2\n", "labels l.csv has no column 'request_id'"),
        (
            f"{SOURCE} labels=l.csv",
            LABELS + "0001,6\n",
            "labels l.csv: request_id '0001', row 0, is",
        ),
        (f"{SOURCE} labels=l.csv rows=20", "much", "labels l.csv: column 'spend' is numeric but"),
        (f"{SOURCE} labels=l.csv rows=20", "inf", "labels l.csv holds inf; accepted: finite"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(command, recorded, settings, labels, sentence):
    recorded("number")
    many = "request_id,spend\n" + "".join(f"{n:04},{labels}\n" for n in range(100))
    Path("l.csv").write_text(labels if "\n" in labels else many)
    done = command("monitor", MONITOR_SET=settings)
    assert (done.code, done.err[: len(sentence) + 7]) == (2, f"error: {sentence}")
    assert done.err.count("\n") == 1


def test_a_model_of_another_name_is_a_sentence(command, recorded):
    recorded("number")
    done = command("monitor", MONITOR_SET=SOURCE, MODEL="number")
    assert (done.code, done.err) == (
        2,
        "error: MODEL is 'number'; accepted: name@alias, like churn@champion\n",
    )
    assert command("monitor", MONITOR_SET=SOURCE, MODEL="number@champion").code == 0


@pytest.mark.slow
def test_what_was_recorded_may_be_in_s3(command, recorded, monkeypatch):
    recorded("number")
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    for variable, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(variable, value)
    try:
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="watched")
        (file,) = Path(FOLDER).iterdir()
        s3.upload_file(str(file), "watched", f"a/{file.name}")
        done = command("monitor", MONITOR_SET="source=s3://watched/a")
        assert (done.code, done.err) == (0, "")
        assert told()["rows"] == 300
        for source, sentence in (
            ("s3://watched/b", "s3://watched/b holds no file that ends in .jsonl or .parquet"),
            ("s3://nobody/a", "s3://nobody/a cannot be fetched: "),
        ):
            done = command("monitor", MONITOR_SET=f"source={source}")
            assert (done.code, done.err.startswith(f"error: source {sentence}")) == (2, True)
    finally:
        server.stop()


@pytest.mark.slow
def test_what_has_drifted_is_trained_again_and_what_has_not_is_left(command, recorded):
    recorded("number")
    done = command("retrain", MONITOR_SET=SOURCE)
    assert (done.code, done.err) == (0, "")
    assert champion() == "1"
    recorded("number", OLDER)
    done = command("retrain", MONITOR_SET=SOURCE)
    assert (done.code, done.err) == (1, "")
    assert "drifted and retrained: number version 2 is the champion now: deploy it" in done.out
    assert champion() == "2"
    summary = Path("reports/summary.md").read_text(encoding="utf-8")
    assert re.search(r"^- age: unseen values went from \d\.\d% to 82\.7%$", summary, re.M)
    assert "## Retrained\n\nnumber version 2 is the champion now" in summary
    strict = "validation.thresholds.mae=1e-9"
    done = command("retrain", MONITOR_SET=SOURCE, MODEL="number@previous", SET=strict)
    assert done.code == 1
    assert "not good enough, nothing is registered: reports/validation.json" in done.out
    assert champion() == "2"


def champion():
    with store.connected() as client:
        return str(runs.champion(client, "number").version)
