"""make report and the model card: what is in them is what was measured, and is safe to open."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlops_kit.artifact import folder
from mlops_kit.experiments import runs, store
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
    told = "reported: reports/index.html, no reports/report.pdf (there is no Chromium)"
    assert f"{told}; run {made.card['run_id']}" in done.out
    assert not pdf.FILE.exists()
    found = page()
    assert not {"script", "link", "iframe", "object", "form"} & set(found.tags)
    assert [each for each in found.loads if not each.startswith("#")] == []
    assert plots <= set(found.texts)
    judged = json.loads(Path("reports/validation.json").read_text())
    assert found.texts[1] == name
    assert found.texts[2] == f"Passed: all {len(judged['checks'])} checks"
    assert "version 1, the champion" in found.texts[3]
    for metric, estimate in made.card["metrics"].items():
        assert found.texts[found.texts.index("This run") :].count(metric) >= 1
        assert f"{numbers.number(estimate['value'])}" in found.texts
    for each in judged["slices"]["worst"]:
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
def test_a_second_run_is_compared_with_the_champion_and_the_first_can_still_be_asked_for(
    command, checkout_of
):
    first = checkout_of("number").card["run_id"]
    for name in ("train", "validate", "report"):
        done = command(name, CONFIG="own.yaml", SET=WEAK)
        assert done.code in (0, 1), done.err
    texts = page().texts
    assert "Champion" in texts
    champion = json.loads(Path("reports/validation.json").read_text())["champion"]
    told = (
        f"to the champion, version 1, is on the {champion['rows']:,} rows that it was not fitted on"
    )
    assert any(told in text for text in texts)
    kept = champion["metrics"]["mae"]
    assert {numbers.number(kept["value"]), numbers.signed(kept["gain"]["value"])} <= set(texts)
    assert kept["gain"]["value"] < 0
    assert any(text.startswith("Failed: 1 of ") for text in texts)
    assert command("report", RUN_ID=first).code == 0
    assert "Champion" not in page().texts
    assert first in page().texts


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


def test_the_card_is_with_the_run_the_version_and_the_model_and_is_written_again(
    command, checkout_of
):
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
    lacks = folder.read_card(folder.FOLDER)["model_card_lacks"]
    assert lacks == [key for key in PARTS if key != "intended_use"]
    with store.connected() as client:
        version = client.get_model_version("binary", "1")
        run = runs.find(client, version.run_id)
    assert version.description == f"Model card: model-card.md, an artifact of run {run.run_id}"
    assert Path(run.artifacts, "model-card.md").read_text() == second
