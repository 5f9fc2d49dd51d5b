"""Tables whose values are easily taken for others, on the whole way: pipeline, export, `make predict`, service."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_kit.artifact.predictor import outputs
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

    with store.connect() as client:
        stored = runs.load_model(runs.find(client, card["run_id"]))
    fitted = stored.pipeline.predict(stored.columns.coerce(table))
    np.testing.assert_allclose(fitted, scores, rtol=1e-4, atol=1e-4 * card["parity"]["scale"])


def _of_every_kind():
    """A table of every kind of column, with gaps in half of them, and a target for each task."""
    draw, rows = np.random.default_rng(1), 700
    days = pd.Timestamp("2023-01-01") + pd.to_timedelta(draw.integers(0, 700, rows), unit="D")
    times = pd.Timestamp("2024-05-01") + pd.to_timedelta(draw.integers(0, 10**6, rows), unit="s")
    notes = ['said "no", twice', "paid late; called", "-", "line\nbreak", "ünpaid"]
    every = pd.DataFrame(
        {
            "amount": draw.gamma(2, 50, rows).round(2),
            "member": draw.choice([True, False], rows),
            "region": draw.choice(["north", "south", "east"], rows),
            "shop": [f"shop {number}" for number in draw.integers(0, 60, rows)],
            "product": [f"product {number}" for number in draw.integers(0, 500, rows)],
            "note": draw.choice(notes, rows),
            "since": days.strftime("%Y-%m-%d"),
            "seen": times.strftime("%Y-%m-%dT%H:%M:%S"),
        }
    ).astype(object)
    price = every["amount"].astype(float) + 50 * (every["region"] == "east")
    price += every["shop"].str[5:].astype(int) + draw.normal(size=rows)
    gaps = pd.DataFrame(draw.random(every.shape) < 0.1, columns=every.columns)
    gaps[["region", "product", "note", "since"]] = False
    return every.mask(gaps).assign(
        price=price,
        returned=np.where(price > price.median(), "yes", "no"),
        grade=np.digitize(price, [80, 160]) * 2 + 1,
    )


TARGETS = {
    "price": "random_forest",
    "returned": "linear",
    "grade": "hist_gradient_boosting",
}


@pytest.mark.parametrize("target", list(TARGETS))
def test_all_column_kinds_work_with_all_target_kinds(command, project, serve, target):
    Path("configs/train.yaml").write_text(CONFIG)
    table = _of_every_kind()
    table.to_csv("table.csv", index=False)
    others = json.dumps([name for name in TARGETS if name != target])
    chosen = f"data.target={target} data.drop={shlex.quote(others)}"
    chosen += f" model.kind={TARGETS[target]} model.params={{}}"
    for step in ("train", "validate", "register", "export"):
        done = command(step, SET=chosen)
        assert done.code == 0, done.err
    assert "to ONNX; worst difference" in done.out
    done = command("predict", SET=chosen, DATA="table.csv", OUT="scores.csv")
    assert done.code == 0, done.err
    scores = pd.read_csv("scores.csv")

    card = json.loads(Path("artifacts/model/model.json").read_text())
    columns = {column["name"]: column for column in card["columns"]}
    assert "means" not in columns["region"]
    assert {"codes", "means"} <= columns["shop"].keys()
    assert "codes" not in columns["product"]
    assert columns["seen"]["parts"] == ["days since 1970", "day", "weekday", "hour"]
    rows = table[list(columns)].where(table[list(columns)].notna(), None).to_dict("records")
    answer = serve(project).predict(*rows)
    assert answer.status_code == 200, answer.text
    found = answer.json()["predictions"]

    with store.connect() as client:
        stored = runs.load_model(runs.find(client, card["run_id"]))
    fitted = outputs(stored.pipeline, stored.columns.coerce(table))
    if target == "price":
        sent, written = [one["prediction"] for one in found], scores["prediction"]
    else:
        sent = [list(one["probabilities"].values()) for one in found]
        written = scores[[f"probability_{label}" for label in card["classes"]]]
    sent = np.reshape(sent, fitted.shape)
    np.testing.assert_allclose(sent, np.reshape(written, fitted.shape), atol=1e-9)
    np.testing.assert_allclose(sent, fitted, atol=1e-5 * card["parity"]["scale"])
