"""Tables whose values are easily taken for others, on the whole way: pipeline, export, `make predict`, service."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_kit.experiments import runs, store

pytestmark = pytest.mark.slow

CASES = Path(__file__).parents[1] / "cases"
CONFIG = """\
experiment: cases
registered_model: cases
data: {source: table.csv, target: price}
model: {kind: hist_gradient_boosting, params: {max_iter: 20}}
validation: {prediction_ms: 10000}
"""


def _as_sent(table, columns, comma):
    """Return rows as requests hold them: the texts of the file, and numbers, whose commas are `comma`, and truths."""
    kinds = {column["name"]: column["kind"] for column in columns}
    sent = pd.DataFrame({name: table[name] for name in kinds}, dtype=object)
    for name, kind in kinds.items():
        if kind == "numeric":
            sent[name] = [float(text.replace(",", comma)) for text in sent[name]]
        if kind == "boolean":
            sent[name] = [text == "True" for text in sent[name]]
    return sent.to_dict("records")


def _made():
    """A table of all kinds, in the spellings that are found."""
    draw, rows = np.random.default_rng(0), 300
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 999, rows), unit="D")
    amount = draw.gamma(2, 2000, rows).round(2)
    return pd.DataFrame(
        {
            "price": (amount + draw.normal(size=rows)).round(2),
            "amount": [f"{value:,.2f}" for value in amount],
            "since": days.strftime("%d.%m.%Y"),
            "newsletter": draw.choice(["True", "False"], rows),
            "country": draw.choice([" NA", "DE ", "None"], rows),
        }
    )


CASE = {
    "zip.csv": "data.categorical=[zip]",
    "minus999.csv": '\'data.missing_values=["-999", "?"]\'',
    "decimal_mixed.csv": "data.delimiter=;",
    "made.csv": "data.missing_values=[]",
}


@pytest.mark.parametrize("name", list(CASE))
def test_file_request_and_pipeline_agree(command, project, serve, name):
    Path("configs/train.yaml").write_text(CONFIG)
    if name == "made.csv":
        _made().to_csv("table.csv", index=False)
    else:
        shutil.copy(CASES / name, "table.csv")
    for step in ("train", "validate", "register", "export"):
        done = command(step, SET=CASE[name])
        assert done.code == 0, done.err
    done = command("predict", SET=CASE[name], DATA="table.csv", OUT="scores.csv")
    assert done.code == 0, done.err
    semicolon = name == "decimal_mixed.csv"
    scores = pd.read_csv("scores.csv", sep=";" if semicolon else ",")["prediction"].to_numpy()

    card = json.loads(Path("artifacts/model/model.json").read_text())
    table = pd.read_csv(
        "table.csv", sep=";" if semicolon else ",", dtype=str, keep_default_na=False
    )
    answer = serve(project).predict(*_as_sent(table, card["columns"], "." if semicolon else ""))
    assert answer.status_code == 200, answer.text
    sent = [one["prediction"] for one in answer.json()["predictions"]]
    np.testing.assert_allclose(sent, scores, rtol=1e-6)

    with store.connected() as client:
        stored = runs.load_model(runs.find(client, card["run_id"]))
    fitted = stored.pipeline.predict(stored.columns.coerce(table))
    np.testing.assert_allclose(fitted, scores, rtol=1e-4, atol=1e-4 * card["parity"]["scale"])
