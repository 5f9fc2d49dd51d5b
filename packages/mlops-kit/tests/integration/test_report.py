"""make report and the model card: what is in them is what was measured, and is safe to open."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlops_kit.artifact import folder
from mlops_kit.experiments import promotion, runs, store
from mlops_kit.experiments.report import numbers, pdf, report
from mlops_kit.experiments.settings import CARD_FILE, ModelCardConfig

WEAK = (
    "model.kind=random_forest model.params={} model.params.n_estimators=1 model.params.max_depth=1"
)
PARTS = list(ModelCardConfig.model_fields)


@pytest.fixture
def without_browser(tmp_path, monkeypatch):
    """No program is found, so that nothing waits for a browser."""
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # joblib counts by programs, too


@pytest.fixture
def checkout_of(exported, tmp_path, monkeypatch):
    """A function that makes a copy of an exported model's checkout the current directory."""

    def enter(name):
        shutil.copytree(exported(name).checkout, tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        return exported(name)

    return enter


class Page(HTMLParser):
    """The texts of a page by their elements, and whatever it would load or run."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.loads, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [
            value for name, value in attrs if name in ("src", "href", "xlink:href", "action")
        ]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        if data.strip() and self.tags[-1] != "style":
            self.texts.append(" ".join(data.split()))


def page():
    return Page(report.PAGE.read_text(encoding="utf-8"))


@pytest.mark.usefixtures("without_browser")
@pytest.mark.parametrize(
    ("name", "plots", "answer"),
    [
        (
            "binary",
            {"ROC curve", "Precision and recall", "Calibration", "Confusion matrix"},
            "probability of yes",
        ),
        ("number", {"Residuals", "Predicted against actual"}, "prediction"),
    ],
)
def test_each_task_has_a_page_that_needs_nothing_else(command, checkout_of, name, plots, answer):
    made = checkout_of(name)
    pdf.FILE.write_bytes(b"of an earlier run")
    done = command("report")
    assert done.code == 0, done.err
    expected = "reported: reports/index.html, no reports/report.pdf (there is no Chromium)"
    assert f"{expected}; run {made.card['run_id']}" in done.out
    assert not pdf.FILE.exists()
    found = page()
    assert not {"script", "link", "iframe", "object", "form"} & set(found.tags)
    assert [each for each in found.loads if not each.startswith("#")] == []
    assert plots <= set(found.texts)
    validation = json.loads(Path("reports/validation.json").read_text())
    assert found.texts[1] == name
    assert found.texts[2] == f"Passed: all {len(validation['checks'])} checks"
    assert "version 1, the champion" in found.texts[3]
    for metric, estimate in made.card["metrics"].items():
        assert found.texts[found.texts.index("This run") :].count(metric) >= 1
        assert f"{numbers.number(estimate['value'])}" in found.texts
    for each in validation["slices"]["worst"]:
        assert {each["column"], each["group"], numbers.number(each["value"])} <= set(found.texts)
    assert any(answer in text for text in found.texts)
    assert {made.card["data_digest"], made.card["model_sha256"]} <= set(found.texts)
    assert {column["name"] for column in made.card["columns"]} <= set(found.texts)


@pytest.mark.usefixtures("without_browser")
def test_markup_in_names_and_values_stays_text(command, fresh_project):
    nasty = "</style><script>alert(1)</script>"
    rows = [
        f'{number % 40},{nasty if number % 2 else "plain"},{number % 40 > 20}'
        for number in range(200)
    ]
    head = '"<img src=x onerror=alert(2)>",kind,"{{ 7 * 7 }}"'
    Path("rows.csv").write_text("\n".join([head, *rows]) + "\n")
    config = {
        "experiment": "e",
        "registered_model": "m",
        "task": "classification",
        "data": {
            "source": "rows.csv",
            "target": "{{ 7 * 7 }}",
            "keep": ["<img src=x onerror=alert(2)>"],
        },
        "model": {"kind": "linear"},
        "validation": {"metric": "accuracy"},
    }
    Path("configs/train.yaml").write_text(json.dumps(config))
    for name in ("train", "report"):
        done = command(name)
        assert done.code == 0, done.err
    found = page()
    assert "script" not in found.tags
    assert {nasty, "<img src=x onerror=alert(2)>"} <= set(found.texts)
    assert any("{{ 7 * 7 }}" in text for text in found.texts)
    assert "Not validated yet (make validate)" in found.texts


@pytest.mark.usefixtures("without_browser")
def test_second_run_is_compared_and_first_stays_available(command, checkout_of):
    first = checkout_of("number").card["run_id"]
    for name in ("train", "validate", "report"):
        done = command(name, CONFIG="own.yaml", SET=WEAK)
        assert done.code in (0, 1), done.err
    texts = page().texts
    assert "Champion" in texts
    champion = json.loads(Path("reports/validation.json").read_text())["champion"]
    expected = (
        f"to the champion, version 1, is on the {champion['rows']:,} rows that it was not fitted on"
    )
    assert any(expected in text for text in texts)
    kept = champion["metrics"]["mae"]
    assert {numbers.number(kept["value"]), numbers.signed(kept["gain"]["value"])} <= set(texts)
    assert kept["gain"]["value"] < 0
    assert any(text.startswith("Failed: 1 of ") for text in texts)
    assert command("report", RUN_ID=first).code == 0
    assert "Champion" not in page().texts
    assert first in page().texts


@pytest.mark.usefixtures("without_browser")
def test_champion_and_challenger_are_side_by_side(command, checkout_of):
    checkout_of("number")
    assert command("train", CONFIG="own.yaml", SET=WEAK).code == 0
    run_id = runs.last()
    with store.connect() as client:
        source = runs.find(client, run_id).tags["model.uri"]
        client.create_model_version("number", source, run_id=run_id)
        client.set_registered_model_alias("number", "challenger", "2")
        both = [runs.find(client, client.get_model_version("number", n).run_id) for n in "12"]
    assert command("report").code == 0
    texts = page().texts
    assert any("version 2, the challenger" in text for text in texts)
    texts = texts[texts.index("Champion and challenger") : texts.index("Plots")]
    assert {"Champion, v1", "Challenger, v2"} <= set(texts)
    assert any("recorded of both: nothing was compared (make compare)" in text for text in texts)
    for each in both:
        for estimate in each.estimates().values():
            assert {numbers.number(estimate["value"]), numbers.interval(estimate)} <= set(texts)
    compared = {"model": "number", "champion": "1", "challenger": "2", "result": "worse"}
    promotion.COMPARISON.write_text(json.dumps({**compared, "sentence": "worse: by far"}))
    assert command("report").code == 0
    assert any("recorded of both: worse: by far (make compare)" in text for text in page().texts)


@pytest.mark.usefixtures("without_browser")
@pytest.mark.parametrize(
    ("run_id", "sentence"),
    [
        ("no'such", 'error: RUN_ID is "no\'such"; accepted: the id of a run (make mlflow-ui'),
        ("nosuch", "error: run nosuch is not in sqlite:"),
        ("", "error: rows.csv has changed since run "),
    ],
)
def test_what_cannot_be_reported_is_a_sentence(command, checkout_of, run_id, sentence):
    checkout_of("binary")
    lines = Path("rows.csv").read_text().splitlines()
    Path("rows.csv").write_text("\n".join(lines[:-1]) + "\n")
    done = command("report", RUN_ID=run_id)
    assert (done.code, done.err.startswith(sentence)) == (2, True), done.err
    assert not report.PAGE.exists()


def test_card_is_with_run_version_and_model_and_rewritten(command, checkout_of):
    made = checkout_of("binary")
    first = (folder.FOLDER / CARD_FILE).read_text()
    assert "*Nobody has written this yet: `intended_use`" in first
    assert made.card["model_card_lacks"] == PARTS
    Path("configs/model-card.yaml").write_text("intended_use: To rank letters.\n")
    for name in ("register", "export"):
        done = command(name, CONFIG="own.yaml")
        assert done.code == 0, done.err
    second = (folder.FOLDER / CARD_FILE).read_text()
    assert second == first.replace(
        "*Nobody has written this yet: `intended_use` in configs/model-card.yaml.*",
        "To rank letters.",
    )
    lacks = folder.read_manifest(folder.FOLDER)["model_card_lacks"]
    assert lacks == [key for key in PARTS if key != "intended_use"]
    with store.connect() as client:
        version = client.get_model_version("binary", "1")
        run = runs.find(client, version.run_id)
    assert version.description == f"Model card: model-card.md, an artifact of run {run.run_id}"
    assert Path(run.artifacts, "model-card.md").read_text() == second
