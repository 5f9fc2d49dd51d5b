"""make monitor and make retrain, on what a real service has recorded: silent on a clean stream, not on one that drifts."""

import json
import re
import shutil
import sys
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import boto3
import pandas as pd
import pytest

from mlops_kit.artifact.predictor import load
from mlops_kit.artifact.row_values import parsed
from mlops_kit.delivery.deploy.contract import Contract
from mlops_kit.delivery.deploy.settings import load_deploy
from mlops_kit.experiments import store
from mlops_kit.monitoring import reports
from mlops_kit.serving.metrics import Measures
from mlops_kit.serving.record_files import begun
from mlops_kit.serving.recorder import Recorder
from mlops_kit.serving.settings import RecordConfig
from mlops_kit.serving.shipper import Shipper, destination

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

    `change` has a function for each column whose values are to be others; with `version` they are beside the earlier ones,
    as the answers of that version in shadow, which are `off` by so much.
    """

    def record(name, change=None, version="", off=0.0):
        made = at(name)
        card = {**made.card, "version": version} if version else made.card
        if not version:
            shutil.rmtree(FOLDER, ignore_errors=True)
        recorder = Recorder(
            RecordConfig(folder=FOLDER), card, Measures(card), "shadow" if version else None
        )
        asked, targets = stream(1)
        frame = pd.DataFrame(asked[:ROWS], dtype=object)
        for column, changed in (change or {}).items():
            frame[column] = changed(frame[column])
        # As the service has them: checked, dates as dates.
        checked = parsed(made.stored.columns, made.stored.columns.coerce(frame))
        answers = load(made.folder).predict(checked)
        for number, answer in enumerate(answers):
            row = {name: values[number : number + 1] for name, values in checked.items()}
            if off:
                answer = {**answer, "prediction": answer["prediction"] + off}
            recorder.offer(f"{number:04}", row, [answer], 0.002)
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


def outcome():
    return json.loads(reports.JSON.read_text(encoding="utf-8"))


def tripped():
    return {(each["column"], each["what"]) for each in outcome()["findings"] if each["drifted"]}


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
def test_findings_are_in_json_page_summary_and_mlflow(command, recorded, name):
    nasty = "</style><script>alert(1)</script>"
    recorded(name, {"region": lambda values: values.where(values != "south", nasty)})
    done = command("monitor", MONITOR_SET=SOURCE)
    assert (done.code, done.err) == (1, "")
    assert tripped() >= {("region", "values"), ("region", "unseen")}
    found = outcome()
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
    with store.connect() as client:
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
def test_performance_is_evaluated_with_labels(command, recorded, name, spelled, wrong):
    targets = recorded(name)
    target = {"binary": "churned", "classes": "tier", "number": "spend"}[name]
    right = pd.DataFrame({"request_id": [f"{n:04}" for n in range(300)], target: targets[target]})
    given = f"{SOURCE} labels=labels.csv"
    right[:199].to_csv("labels.csv", index=False)
    done = command("monitor", MONITOR_SET=given)
    assert done.code == 0
    assert "note: not enough labels for performance: 199 of the 200 needed" in done.out
    # Of somebody else, and not known yet: neither counts.
    more = pd.DataFrame({"request_id": ["9999", "0001"], target: [right[target][0], None]})
    pd.concat([right.drop(index=1).assign(row=0), more.assign(row=0)]).to_csv(
        "labels.csv", index=False
    )
    assert command("monitor", MONITOR_SET=given).code == 0
    done = outcome()["performance"]
    assert (done["labels"], done["worse"]) == (299, False)
    assert outcome()["before"][done["metric"]]["value"] == pytest.approx(
        done["metrics"][done["metric"]]["value"], abs=0.15 if name != "number" else 300
    )
    mixed = right.assign(**{target: wrong(right[target]).map(spelled)})
    mixed.to_parquet("labels.parquet")
    done = command("monitor", MONITOR_SET=f"{SOURCE} labels=labels.parquet")
    assert done.code == 1
    assert "on 300 labelled rows, worse than " in done.out
    assert outcome()["performance"]["worse"] is True
    assert tripped() == set()


def test_labels_come_late_again_and_corrected_and_are_shown_by_day(command, recorded):
    targets = recorded("number")
    right = pd.DataFrame({"request_id": [f"{n:04}" for n in range(300)], "spend": targets["spend"]})
    Path("labels").mkdir()
    # Wrong at first; another day the right ones, some of them twice, and one of a row that was not kept.
    right.assign(spend=-right["spend"])[:100].to_csv("labels/a.csv", index=False)
    first = command("labels", MONITOR_SET=SOURCE, DATA="labels")
    assert (first.code, first.err) == (0, "")
    assert "labelled: 100 rows: reports/labels.json" in first.out
    stranger = pd.DataFrame({"request_id": ["9999"], "spend": [1.0]})
    pd.concat([right, right[:50], stranger]).to_csv("labels/b.csv", index=False)
    done = command("labels", MONITOR_SET=f"{SOURCE} labels=labels")
    assert (done.code, done.err) == (0, "")
    assert "note: 100 labels replace earlier ones" in done.out
    assert "note: 1 labels are of rows that were not kept" in done.out
    found = json.loads(Path("reports/labels.json").read_text(encoding="utf-8"))
    (day,) = found["days"]
    assert day["labels"] == found["labels"] == 300
    assert day["estimate"]["lower"] < day["estimate"]["value"] < day["estimate"]["upper"]
    assert day["estimate"]["value"] == pytest.approx(found["metrics"]["mae"]["value"])
    assert f"| {day['day']} | 300 | mae |" in Path("reports/summary.md").read_text(encoding="utf-8")
    again = command("labels", MONITOR_SET=SOURCE, DATA="labels")
    assert again.out.splitlines()[-2:] == done.out.splitlines()[-2:]


@pytest.mark.parametrize(
    ("settings", "data", "sentence"),
    [
        (SOURCE, "", "DATA is nothing; accepted: a file, a folder or an s3:// URL of labels"),
        ("", "l.csv", "configs/monitor.yaml names no source and no environment"),
        (SOURCE, "x.csv", "labels x.csv not found"),
    ],
)
def test_labels_that_cannot_be_joined_are_a_sentence(command, recorded, settings, data, sentence):
    recorded("number")
    done = command("labels", MONITOR_SET=settings, DATA=data)
    assert (done.code, done.err.startswith(f"error: {sentence}")) == (2, True), done.err


@pytest.mark.parametrize("settings", ["", "days=1e-9"])
def test_performance_without_labels_is_not_evaluated(command, recorded, settings):
    recorded("number")
    Path("l.csv").write_text(LABELS if settings else LABELS.partition("\n")[0] + "\n")
    done = command("monitor", MONITOR_SET=f"{SOURCE} labels=l.csv {settings}")
    assert (done.code, done.err) == (0, "")
    assert "note: not enough labels for performance: 0 of the 200 needed" in done.out


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ("", "INSUFFICIENT DATA: configs/monitor.yaml names no source and no environment"),
        (f"{SOURCE} rows=301", "note: not enough rows for drift: 300 of the 301 needed"),
        (f"{SOURCE} days=1e-9", "note: not enough rows for drift: 0 of the 200 needed"),
    ],
)
def test_too_few_rows_are_not_evaluated_with_a_note(command, recorded, settings, note):
    recorded("number", OLDER)
    done = command("monitor", MONITOR_SET=settings)
    assert (done.code, done.err) == (0, "")
    assert note in done.out
    assert "INSUFFICIENT DATA" in done.out


def test_a_column_that_may_move_is_left_alone(command, recorded):
    recorded("number", OLDER)
    assert command("monitor", MONITOR_SET=f"{SOURCE} 'ignore=[age]'").code == 1
    # The model depends on it, so its predictions move, too.
    assert tripped() == {("prediction", "answers")}


LABELS = "request_id,spend\n0001,5\n"


@pytest.mark.parametrize(
    ("settings", "labels", "sentence"),
    [
        (
            "source=nowhere",
            "",
            "source nowhere is no folder; accepted: record.folder or record.to of ",
        ),
        (f"{SOURCE} ignore=[aeg]", "", "ignore names 'aeg', which is no column of the model"),
        (f"{SOURCE} days=0", "", "MONITOR_SET: days is 0; accepted: days, more than 0"),
        (f"{SOURCE} labels=x.csv", "", "labels x.csv not found"),
        (f"{SOURCE} labels=l.csv", "id,spend\n1,2\n", "labels l.csv has no column 'request_id'"),
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


@pytest.fixture
def s3(local_s3):
    """A client of S3 with a bucket."""
    local_s3.create_bucket(Bucket="watched")
    return local_s3


def ship():
    Shipper(Path(FOLDER), destination("s3://watched/a")).ship()
    assert list(Path(FOLDER).iterdir()) == []


@pytest.mark.slow
def test_what_was_shipped_to_s3_is_read_by_time(command, recorded, s3):
    recorded("number")
    (name,) = (file.name for file in Path(FOLDER).iterdir())
    ship()
    # Rows of other times are not even fetched: this is no file of a recorder.
    s3.put_object(Bucket="watched", Key="a/date=2020-01-01/hour=00/x.jsonl", Body=b"no")
    source = "source=s3://watched/a"
    done = command("monitor", MONITOR_SET=source)
    assert (done.code, done.err) == (0, "")
    assert outcome()["rows"] == 300
    day = begun(name).date()
    for since, rows in ((str(day), 300), (str(day + timedelta(days=1)), 0)):
        until = f"{day + timedelta(days=2)}T00:00Z"
        done = command("monitor", MONITOR_SET=source, SINCE=since, UNTIL=until)
        assert (done.code, done.err) == (0, "")
        assert (outcome()["rows"], outcome()["since"]) == (rows, f"{since}T00:00Z")
    done = command("monitor", MONITOR_SET="source=s3://nobody/a")
    assert done.code == 2
    assert done.err.startswith("error: source s3://nobody/a cannot be fetched: ")


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 10), reason="needs boto3 for Python 3.10")
def test_environment_predictions_are_read_and_drift_published(command, recorded, s3):
    message = environment("s3://watched/a")
    recorded("number", OLDER)
    ship()
    done = command("monitor", ENV="staging")
    assert (done.code, done.err) == (1, "")
    assert "note: sent to alarms" in done.out
    notice = json.loads(message())
    assert notice["Subject"] == "number in staging has drifted"
    assert "age: unseen values went from " in notice["Message"]
    # The config may name it, as for a schedule; there is no notice where nothing has drifted.
    done = command("monitor", MONITOR_SET="environment=staging rows=301")
    assert (done.code, message()) == (0, "")
    environment("")
    done = command("monitor", ENV="staging")
    assert done.code == 2
    assert "error: the service in staging records nothing: prediction_days in " in done.err


def environment(predictions):
    """Write the contract of staging; return a function that gives the next message of its alarm topic, or nothing."""
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="notices")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    contract = {
        **dict.fromkeys(Contract.model_fields, "x"),
        **{"account_id": "123456789012", "container_port": 8000, "architecture": "X86_64"},
        **{"subnets": ["x"], "security_groups": ["x"], "assign_public_ip": False},
        **{"production_url": "http://x", "test_url": "http://x", "alarms": [], "secrets": {}},
        **{"predictions": predictions, "alarm_topic": topic},
    }
    name = load_deploy("staging").contract
    boto3.client("ssm").put_parameter(
        Name=name, Type="String", Value=json.dumps(contract), Overwrite=True
    )

    def message():
        found = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=0).get("Messages", [])
        for each in found:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
        return found[0]["Body"] if found else ""

    return message


@pytest.mark.slow
def test_retrain_trains_only_after_drift(command, recorded):
    recorded("number")
    done = command("retrain", MONITOR_SET=SOURCE)
    assert (done.code, done.err) == (0, "")
    assert aliases() == {"champion": "1"}
    recorded("number", OLDER)
    done = command("retrain", MONITOR_SET=SOURCE)
    assert (done.code, done.err) == (1, "")
    assert "drifted and retrained: number version 2 is the challenger now: look at it" in done.out
    assert aliases() == {"champion": "1", "challenger": "2"}
    summary = Path("reports/summary.md").read_text(encoding="utf-8")
    assert re.search(r"^- age: unseen values went from \d\.\d% to 82\.7%$", summary, re.M)
    assert "## Retrained\n\nnumber version 2 is the challenger now" in summary
    strict = "validation.thresholds.mae=1e-9"
    done = command("retrain", MONITOR_SET=SOURCE, SET=strict)
    assert done.code == 1
    assert "thresholds not met, nothing is registered: reports/validation.json" in done.out
    assert aliases() == {"champion": "1", "challenger": "2"}
    done = command("promote")
    assert (done.code, done.err) == (0, "")
    assert "rests on: nothing was compared\n" in done.out
    assert "number version 2 is now the champion" in done.out
    assert aliases() == {"champion": "2", "previous": "1"}
    done = command("promote")
    assert (done.code, "has no alias 'challenger'" in done.err) == (2, True)


@pytest.fixture
def challenged(recorded):
    """Record the champion and a challenger in its shadow, whose answers are off by far; return their labels."""
    targets = recorded("number")
    with store.connect() as client:
        made = client.get_model_version("number", "1")
        client.create_model_version("number", made.source, run_id=made.run_id)
        client.set_registered_model_alias("number", "challenger", "2")
    recorded("number", version="2", off=1e6)
    ids = [f"{n:04}" for n in range(ROWS)]
    pd.DataFrame({"request_id": ids, "spend": targets["spend"]}).to_csv("l.csv", index=False)
    return "l.csv"


def test_a_challenger_that_is_worse_is_promoted_with_a_reason_only(command, challenged):
    done = command("compare", MONITOR_SET=SOURCE)
    assert (done.code, done.err) == (0, "")
    assert "agreement: the same answer to 0.0% (0.0% to" in done.out
    assert "latency: champion 2.00 ms (p99 2.00 ms), challenger 2.00 ms (" in done.out
    assert "insufficient data: no labels are named (DATA=…), 200 are needed" in done.out
    done = command("compare", MONITOR_SET=SOURCE, DATA=challenged)
    assert (done.code, done.err) == (1, "")
    assert "worse: gain in mae -" in done.out
    assert "on 300 labels that both versions have: reports/compare.json" in done.out
    refused = command("promote")
    assert (refused.code, "version 2 of number is worse: " in refused.err) == (2, True)
    assert aliases() == {"champion": "1", "challenger": "2"}
    done = command("promote", REASON="it is cheaper")
    assert (done.code, done.err) == (0, "")
    assert "rests on: worse: gain in mae -" in done.out
    assert aliases() == {"champion": "2", "previous": "1"}
    with store.connect() as client:
        tags = client.get_model_version("number", "2").tags
    assert tags["promoted.reason"] == "it is cheaper"
    assert tags["promoted.on"].startswith("worse: gain in mae -")


def test_rows_of_the_challenger_are_no_rows_of_another_version(command, challenged):
    done = command("monitor", MONITOR_SET=SOURCE)
    assert (done.code, "left out" in done.out) == (0, False), done.out
    with store.connect() as client:
        client.delete_registered_model_alias("number", "challenger")
    done = command("monitor", MONITOR_SET=SOURCE)
    assert "note: 300 rows of number version 2 are left out" in done.out


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {},
            "configs/monitor.yaml names no source and no environment, so there is nothing to compare",
        ),
        ({"MONITOR_SET": SOURCE}, "model 'number' has no alias 'challenger'"),
    ],
)
def test_without_rows_or_a_challenger_nothing_can_be_compared(
    command, recorded, variables, sentence
):
    recorded("number")
    done = command("compare", **variables)
    assert (done.code, done.err.startswith(f"error: {sentence}")) == (2, True), done.err


def test_a_version_is_not_compared_with_itself(command, challenged):
    done = command("compare", MONITOR_SET=SOURCE, MODEL="number@challenger")
    assert done.code == 2
    assert "number@challenger is version 2, which is the challenger as well" in done.err


def aliases():
    with store.connect() as client:
        found = client.get_registered_model("number").aliases
        return {alias: str(version) for alias, version in found.items()}
