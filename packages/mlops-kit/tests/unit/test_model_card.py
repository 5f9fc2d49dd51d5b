"""The model card: the texts of people, beside the facts of the run."""

from datetime import datetime, timezone

import pytest

from mlops_kit.experiments import model_card
from mlops_kit.experiments.runs import Run
from mlops_kit.experiments.settings import MODEL_CARD, ModelCardConfig, load_model_card

pytestmark = pytest.mark.usefixtures("checkout")

TAGS = {
    "git.commit": "c0ffee",
    "git.dirty": "true",
    "lock.digest": "l0",
    "data.source": "data_of_*all*.csv",
    "data.digest": "d0",
    "model.sha256": "m0",
    "validation": "passed",
}
METRICS = {"accuracy": 0.9, "accuracy.lower": 0.85, "accuracy.upper": 0.95, "log_loss": 1234.5678}
WORST = {
    "column": "<b>region",
    "group": "a|b\n# c",
    "rows": 30,
    "value": 0.5,
    "lower": None,
    "upper": 0.6,
}
VALIDATION = {"slices": {"metric": "accuracy", "min_rows": 20, "groups": 7, "worst": [WORST]}}


@pytest.fixture
def run(settings):
    began = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)
    return Run("r1", settings(), TAGS, METRICS, "nowhere", began)


def section(text, title):
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_what_is_known_stands_in_tables(run):
    text = model_card.text(run, VALIDATION, ModelCardConfig(), "3")
    assert text.startswith("# Model card: m version 3\n")
    assert "It passed validation." in text
    assert "| accuracy | 0.9000 | 0.8500 to 0.9500 |" in section(text, "Metrics")
    assert "| log_loss | 1,234.6 | – to – |" in section(text, "Metrics")
    versions = section(text, "Versions")
    assert "| trained | 2026-01-02 03:04 UTC |" in versions
    assert "| commit | c0ffee with uncommitted changes |" in versions
    assert "of 7 groups of at least 20 test rows" in section(text, "Worst groups")


def test_names_and_values_are_no_markdown(run):
    text = model_card.text(run, VALIDATION, ModelCardConfig(), "3")
    assert r"data\_of\_\*all\*.csv" in section(text, "Data")
    row = r"| \<b\>region | a\|b \# c | 30 | 0.5000 | – to 0.6000 |"
    assert row in section(text, "Worst groups").splitlines()


def test_written_texts_are_unchanged_and_missing_ones_are_marked(run):
    human = ModelCardConfig(intended_use="To **rank** letters.\n\n- by people\n", limits="  \n")
    text = model_card.text(run, None, human, "3")
    assert section(text, "Intended use").strip() == "To **rank** letters.\n\n- by people"
    assert "*Nobody has written this yet: `limits` in configs/" in section(text, "Limits")
    assert "None is known." in section(text, "Worst groups")
    assert human.empty() == ["not_for", "data", "limits", "risks", "owner"]


def test_the_shipped_card_is_for_people_to_write(checkout):
    every = list(ModelCardConfig.model_fields)
    assert load_model_card().empty() == every
    MODEL_CARD.unlink()
    assert load_model_card().empty() == every
    MODEL_CARD.write_text("".join(f"{part}: Written.\n" for part in every))
    assert load_model_card().empty() == []
